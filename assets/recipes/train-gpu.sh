#!/usr/bin/env bash
# Trains on one GPU machine from nothing, in a given time: records episodes, then trains what has seconds of its own below.
# Run it from the folder that holds `assets/`; run it again after any interruption: what is there already is kept, and trainings resume.
#
#   REVERIE   the program (target/debug/reverie)     DEVICE   cuda, cpu or mps, instead of the recipes' cuda
#   RECORD_S  for recording 128×72 (55)              RECORD_BASE_S  for recording 256×144, beside the trainings (240)
#   RECORD_LARGE_S  for recording 640×360 before anything is trained (0)
#   RECORDERS at once of 128×72 and of 640×360 (14)  RECORDERS_BASE of 256×144 (4)
#   EPISODES  at most of each size (4000)            FRAMES   of each of them (40)
# Trained one after the other, each in so many seconds, 0 for none:
#   TINY_CODER_S  m-tiny's autoencoder (75)          TINY_S   its transformer (420)
#   BASE_CODER_S  m-base's autoencoder (0)           BASE_S   its transformer (0)
#   LARGE_CODER_S m-large's autoencoder (0)          LARGE_S  its transformer (0)
# Beside them:
#   OBSERVER_S    the guard's observer (230)         SMALL_S  model S (0)
set -euo pipefail
# Large buffers come and go all the time: kept, their pages need not be asked for again.
export MALLOC_MMAP_THRESHOLD_=1073741824 MALLOC_TRIM_THRESHOLD_=2147483648

reverie=${REVERIE:-target/debug/reverie}
recipes=${RECIPES:-assets/recipes}
record_base_s=${RECORD_BASE_S:-240}
device=${DEVICE:+--device $DEVICE}

record() { # seconds, folder, size, seed, episodes, frames, parts; episodes under way when the time is up are not kept
    local part
    for ((part = 0; part < $7; part++)); do
        timeout --kill-after=5 "$1" nice -n 5 "$reverie" record --out "$2" --size "$3" --seed "$4" --episodes "$5" --frames "$6" \
            --parts "$7" --part "$part" >"$2.$part.log" 2>&1 &
    done
}
train() { # stage, recipe, seconds
    if (($3 > 0)); then
        # shellcheck disable=SC2086 # two words or none
        "$reverie" train --stage "$1" "$recipes/$2.ron" $device --minutes "$(awk -v s="$3" 'BEGIN { printf "%.3f", s / 60 }')" \
            >"runs/gpu/$2.log" 2>&1
        echo "$SECONDS s: $2"
    fi
}

mkdir -p data runs/gpu
if [[ ! -d data/train ]]; then
    echo "recording for ${RECORD_S:-55} s"
    record "${RECORD_S:-55}" data/train 128x72 1 "${EPISODES:-4000}" "${FRAMES:-40}" "${RECORDERS:-14}"
    record "${RECORD_S:-55}" data/eval 128x72 1000000 6 128 1
    wait || true
    echo "$SECONDS s: $(find data/train -mindepth 1 -maxdepth 1 -type d | wc -l) episodes"
fi
if ((record_base_s > 0)) && [[ ! -d data/train-256 ]]; then
    record "$record_base_s" data/train-256 256x144 50001 "${EPISODES:-4000}" "${FRAMES:-40}" "${RECORDERS_BASE:-4}"
    record "$record_base_s" data/eval-256 256x144 1000000 2 64 1
fi

if ((${RECORD_LARGE_S:-0} > 0)) && [[ ! -d data/train-640 ]]; then
    echo "recording 640×360 for $RECORD_LARGE_S s"
    record "$RECORD_LARGE_S" data/train-640 640x360 90001 "${EPISODES:-4000}" "${FRAMES:-40}" "${RECORDERS:-14}"
    record "$RECORD_LARGE_S" data/eval-640 640x360 1000000 2 64 1
    wait || true
fi

train observer courtyard-observer-gpu "${OBSERVER_S:-230}" &
beside=($!)
train model courtyard-gpu "${SMALL_S:-0}" &
beside+=($!)
train autoencoder m-tiny-autoencoder-gpu "${TINY_CODER_S:-75}"
train dreamer m-tiny-gpu "${TINY_S:-420}"
train autoencoder m-base-autoencoder "${BASE_CODER_S:-0}"
train dreamer m-base "${BASE_S:-0}"
train autoencoder m-large-autoencoder "${LARGE_CODER_S:-0}"
train dreamer m-large "${LARGE_S:-0}"
wait "${beside[@]}"
echo "$SECONDS s: done"
ls -l runs/gpu/*/*.safetensors
