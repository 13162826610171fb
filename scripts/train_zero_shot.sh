#!/usr/bin/env bash
# Learns prompts that need no reference; without arguments it explains itself.
set -euo pipefail

explain() {
    cat <<TEXT
bash scripts/train_zero_shot.sh DATA OUTPUT --clip ViT-L-14-336px.pt [options]

Learns AnomalyCLIP's prompts on the labelled test photos of a data set with masks, for use on other
data sets: these test photos then say nothing about the result any more. --preset ad-clip learns
with AD-CLIP's losses and settings, for --clip ViT-B-32.pt.

Makes .venv (unless an environment is active), installs, checks the data, and trains. The trained
assistant is then in OUTPUT/assistant, for --model; the prompts of each epoch are in OUTPUT, in the
published form, with log.csv and curves.png. Ctrl-C stops; the same command with --resume goes on.

Other options: --model DIR (go on from learned prompts, instead of --clip), --categories NAME...,
--epochs N, --batch-size N, --validation-share SHARE (held out to choose the best epoch); all of
them: python scripts/train_zero_shot.py --help.
TEXT
}

case "${1:-}" in "" | -h | --help) explain; exit ;; esac
[[ $# -ge 2 && $1 != -* && $2 != -* ]] || { explain >&2; exit 2; }
# environment.sh goes to the project's folder; the paths are meant from here.
here=$PWD
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
prepare_environment
cd "$here"
status=0
anomalygpt data check "$1" || status=$?
[ $status -ne 1 ] || fail "repair the data set as said above, then run this again"
[ $status -eq 0 ] || exit $status
exec python "$root/scripts/train_zero_shot.py" "$@"
