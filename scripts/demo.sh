#!/usr/bin/env bash
# Installs AnomalyGPT, inspects example photos, and opens the inspector's desk in a browser.
set -euo pipefail

usage() {
    cat <<'TEXT'
bash scripts/demo.sh [options of `anomalygpt demo`]
bash scripts/demo.sh PHOTO... [--reference GOOD_PHOTO...] [options of `anomalygpt inspect`]

Makes .venv (unless an environment is active) and installs AnomalyGPT. Then, without PHOTO, it
inspects a plate with a scratch and a dent and one without, and serves the page for the browser
until Ctrl-C (--port, --host, --auth and others: `anomalygpt demo --help`). With PHOTO it inspects
that and ends; the map over the photo goes to outputs/demo/. The model comes with the package: after
the installation no network is needed. Running it again installs nothing.
TEXT
}

case "${1:-}" in -h | --help) usage; exit ;; esac
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
prepare_environment

# What is inspected needs no network: the model is part of the package.
export HF_HUB_OFFLINE=1

inspect() {
    echo "+ anomalygpt inspect $*"
    echo "Loading torch and the model; most of the time until the first answer goes there"
    anomalygpt inspect "$@" --save-overlay outputs/demo
    echo "The maps over the photos are in $root/outputs/demo"
}

case "${1:--}" in
    -*) # options alone, or nothing
        inspect examples/plate/scratched.jpg examples/plate/good_2.jpg \
            --reference examples/plate/good_1.jpg
        echo "+ anomalygpt demo $*"
        exec anomalygpt demo "$@"
        ;;
    *) inspect "$@" ;;
esac
