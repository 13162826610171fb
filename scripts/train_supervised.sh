#!/usr/bin/env bash
# Trains an assistant; without arguments it explains itself.
set -euo pipefail

source "$(dirname "${BASH_SOURCE[0]}")/training.sh"
about="Trains on the normal photos and on the real defects with masks of a data set: MVTec, VisA, MVTec
LOCO or CrackForest. Those test photos then say nothing about the result any more."
case "${1:-}" in "" | -h | --help) explain train_supervised.sh "$about"; exit ;; esac
[[ $# -ge 2 && $1 != -* && $2 != -* ]] || { explain train_supervised.sh "$about" >&2; exit 2; }
# environment.sh goes to the project's folder; the paths are meant from here.
here=$PWD
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
prepare_environment clip
cd "$here"
train auto "$@" --supervised
