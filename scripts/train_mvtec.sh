#!/usr/bin/env bash
# Trains an assistant; without arguments it explains itself.
set -euo pipefail

source "$(dirname "${BASH_SOURCE[0]}")/training.sh"
about="Trains on the normal photos of a data set in MVTec layout (DATA/CATEGORY/train/good/...), with
simulated anomalies. No test photo is read."
case "${1:-}" in "" | -h | --help) explain train_mvtec.sh "$about"; exit ;; esac
[[ $# -ge 2 && $1 != -* && $2 != -* ]] || { explain train_mvtec.sh "$about" >&2; exit 2; }
# environment.sh goes to the project's folder; the paths are meant from here.
here=$PWD
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
prepare_environment clip
cd "$here"
train mvtec "$@"
