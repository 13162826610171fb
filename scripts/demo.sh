#!/usr/bin/env bash
# Installs AnomalyGPT and draws the anomaly map of a photo against a photo of a good part.
set -euo pipefail

usage() {
    cat <<'TEXT'
bash scripts/demo.sh --encoder NAME --encoder-weights FILE [PHOTO --reference GOOD_PHOTO...]

Makes .venv (unless an environment is active), installs AnomalyGPT, and draws the map of PHOTO
against GOOD_PHOTO into outputs/demo/. Without PHOTO it takes the plate in examples/. All options
of `anomalygpt inspect` may be given. Running it again installs nothing.

No model is included yet: this version draws maps with the image encoder weights that you give it,
such as a .safetensors file of timm's vit_tiny_patch16_224, and answers in words only with weights
from `anomalygpt convert` (docs/checkpoints.md).
TEXT
}

case "${1:-}" in -h | --help) usage; exit ;; esac
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
prepare_environment clip

if [ $# -eq 0 ]; then
    echo
    echo "AnomalyGPT is installed. No model is included yet, so there is nothing to show without"
    echo "weights. This is how to draw a map with yours:"
    echo
    usage
    exit
fi

photos=(examples/plate/scratched.jpg --reference examples/plate/good_1.jpg examples/plate/good_2.jpg)
for argument in "$@"; do
    case "$argument" in -r | --reference) photos=() ;; esac
done
echo "No model is included yet: drawing the map alone, with the encoder that you gave."
anomalygpt inspect ${photos[@]+"${photos[@]}"} "$@" --map-only --save-overlay outputs/demo
echo "The map over the photo is in $root/outputs/demo"
