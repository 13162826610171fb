#!/usr/bin/env bash
# Installs AnomalyGPT and inspects a photo against a photo of a good part, without a network.
set -euo pipefail

usage() {
    cat <<'TEXT'
bash scripts/demo.sh [PHOTO... --reference GOOD_PHOTO...] [options]

Makes .venv (unless an environment is active), installs AnomalyGPT, and inspects PHOTO with the
model that comes with it; the map over the photo goes to outputs/demo/. Without PHOTO it takes the
plates in examples/: one with a scratch and a dent, one without, each against a single good plate.
All options of `anomalygpt inspect` may be given. Running it again installs nothing.
TEXT
}

case "${1:-}" in -h | --help) usage; exit ;; esac
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
prepare_environment

# What is inspected needs no network: the model is part of the package.
export HF_HUB_OFFLINE=1
case "${1:--}" in
    -*) # options alone, or nothing
        set -- examples/plate/scratched.jpg examples/plate/good_2.jpg \
            --reference examples/plate/good_1.jpg "$@"
        ;;
esac
echo "+ anomalygpt inspect $*"
anomalygpt inspect "$@" --save-overlay outputs/demo
echo "The maps over the photos are in $root/outputs/demo"
echo "Ask about one of them: anomalygpt chat examples/plate/scratched.jpg --reference examples/plate/good_1.jpg"
