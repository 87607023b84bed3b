#!/usr/bin/env bash
# Trains m-base on one machine from nothing to a scored model: records, trains both stages, evaluates.
# Run it from the folder that holds `assets/`; run it again after any interruption: what is there already is kept, and trainings resume.
#
#   REVERIE   the program (target/debug/reverie)       DEVICE   cuda, cpu or mps, instead of the recipes' cuda
#   EPISODES  to train on (2000)                        FRAMES   of each of them (64)
#   RECORDERS at once (6)                               EVALS    held-out episodes of 276 frames (6)
#   CODER_MINUTES, MINUTES   instead of the recipes' minutes
set -euo pipefail

reverie=${REVERIE:-target/debug/reverie}
episodes=${EPISODES:-2000}
frames=${FRAMES:-64}
recorders=${RECORDERS:-6}
evals=${EVALS:-6}
here=assets/recipes

record() { # folder, seed, episodes, frames
    local pids=() part
    for ((part = 0; part < recorders; part++)); do
        "$reverie" record --size 256x144 --out "$1" --seed "$2" --episodes "$3" --frames "$4" \
            --parts "$recorders" --part "$part" &
        pids+=($!)
    done
    for pid in "${pids[@]}"; do wait "$pid"; done
}

echo "recording $episodes episodes to train on, and $evals to judge by"
record data/train-256 1 "$episodes" "$frames"
record data/eval-256 1000000 "$evals" "${EVAL_FRAMES:-276}"

echo "first stage: pictures to latents and back"
"$reverie" train --stage autoencoder $here/m-base-autoencoder.ron \
    ${DEVICE:+--device "$DEVICE"} ${CODER_MINUTES:+--minutes "$CODER_MINUTES"}

echo "second stage: the transformer"
"$reverie" train --stage dreamer $here/m-base.ron \
    ${DEVICE:+--device "$DEVICE"} ${MINUTES:+--minutes "$MINUTES"}

echo "evaluation"
"$reverie" eval --data data/eval-256 --model runs/m-base/model/m-base.world.ron --out runs/m-base/eval
ls -l runs/m-base/model
