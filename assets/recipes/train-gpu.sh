#!/usr/bin/env bash
# Trains on one GPU machine from nothing, in a given time: records episodes, then trains model S beside the two stages of m-base.
# Run it from the folder that holds `assets/`; run it again after any interruption: what is there already is kept, and trainings resume.
#
#   REVERIE   the program (target/debug/reverie)     DEVICE   cuda, cpu or mps, instead of the recipes' cuda
#   LIMIT_S   for all of it (560)                    RECORD_S of that for recording (80)
#   RECORDERS at once for each size (6)              CODER_S  for the autoencoder (130)
#   EPISODES  at most of each size (4000)            FRAMES   of each of them (48)
set -euo pipefail
# Large buffers come and go all the time: kept, their pages need not be asked for again.
export MALLOC_MMAP_THRESHOLD_=1073741824 MALLOC_TRIM_THRESHOLD_=2147483648

reverie=${REVERIE:-target/debug/reverie}
recipes=${RECIPES:-assets/recipes}
limit_s=${LIMIT_S:-560} record_s=${RECORD_S:-80} coder_s=${CODER_S:-130}
device=${DEVICE:+--device $DEVICE}

minutes_until() { # seconds after the start of this script
    awk -v s=$(($1 - SECONDS)) 'BEGIN { printf "%.3f", (s > 5 ? s : 5) / 60 }'
}
record() { # seconds, folder, size, seed, episodes, frames, parts; episodes under way when the time is up are not kept
    local part
    for ((part = 0; part < $7; part++)); do
        timeout --kill-after=5 "$1" "$reverie" record --out "$2" --size "$3" --seed "$4" --episodes "$5" --frames "$6" \
            --parts "$7" --part "$part" >"$2.$part.log" 2>&1 &
    done
}
train() { # stage, recipe, minutes, log
    # shellcheck disable=SC2086 # two words or none
    "$reverie" train --stage "$1" "$recipes/$2.ron" $device --minutes "$3" >"runs/gpu/$4.log" 2>&1
}

mkdir -p data runs/gpu
echo "recording for at most $record_s s"
record "$record_s" data/train 128x72 1 "${EPISODES:-4000}" "${FRAMES:-48}" "${RECORDERS:-6}"
record "$record_s" data/train-256 256x144 50001 "${EPISODES:-4000}" "${FRAMES:-48}" "${RECORDERS:-6}"
record "$record_s" data/eval-256 256x144 1000000 2 64 1
wait || true
echo "$SECONDS s: $(find data/train -mindepth 1 -maxdepth 1 -type d | wc -l) and" \
    "$(find data/train-256 -mindepth 1 -maxdepth 1 -type d | wc -l) episodes"

train model courtyard-gpu "$(minutes_until "$limit_s")" courtyard &
small=$!
train autoencoder m-base-autoencoder "$(minutes_until $((SECONDS + coder_s)))" autoencoder
echo "$SECONDS s: first stage"
train dreamer m-base "$(minutes_until "$limit_s")" m-base
echo "$SECONDS s: second stage"
wait $small
echo "$SECONDS s: done"
ls -l runs/gpu/*/*.safetensors
