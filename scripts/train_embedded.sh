#!/usr/bin/env bash
# Makes the embedded model from photos, small pretrained encoders and English text, stage by stage.
set -euo pipefail

usage() {
    cat <<'TEXT'
bash scripts/train_embedded.sh --photos FOLDER... --teachers FOLDER --text FOLDER --work FOLDER
                               [--ship FOLDER]

Makes .venv (unless an environment is active), installs, and runs the stages

  encoder    two small branches learn a space in which damage is far from good parts
  language   a small LLaMA learns English and to read nine words about a photo
  evidence   the finished encoder looks at simulated damage, with and without references
  prompts    the text side and the prompt learner, through the frozen language model
  ship       everything in half precision into one folder (--ship, by default
             anomalygpt/weights/embedded)

Each keeps its state, log and result in a folder of its name in --work. Ctrl-C saves and stops; the
same command goes on from there, and what is finished is not done again. It uses a GPU where there
is one; on two CPU cores it takes about three hours. What the folders must hold is said in
docs/model_cards/embedded.md.
TEXT
}

photos=() teachers="" text="" work="" ship="anomalygpt/weights/embedded"
while [ $# -gt 0 ]; do
    option=$1
    case "$option" in
        -h | --help) usage; exit ;;
        --photos)
            shift
            while [ $# -gt 0 ] && [ "${1#-}" = "$1" ]; do photos+=("$(realpath -m "$1")"); shift; done
            continue
            ;;
        --teachers | --text | --work | --ship)
            [ $# -gt 1 ] || { echo "error: $option needs a folder" >&2; exit 2; }
            printf -v "${option#--}" %s "$(realpath -m "$2")"
            shift 2
            ;;
        *) echo "error: unknown option $option; see --help" >&2; exit 2 ;;
    esac
done
if [ ${#photos[@]} -eq 0 ] || [ -z "$teachers" ] || [ -z "$text" ] || [ -z "$work" ]; then
    usage >&2
    exit 2
fi

source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
prepare_environment ""
mkdir -p "$work"
export PYTHONPATH="$root"

stage() {
    echo "== $1"
    python scripts/train_embedded.py "$@"
}

[ -e "$work/encoder/encoder.safetensors" ] ||
    stage encoder --photos "${photos[@]}" --teachers "$teachers" --output "$work/encoder"
[ -e "$work/language/language_model/model.safetensors" ] ||
    stage language --text "$text" --output "$work/language"
stage evidence --photos "${photos[@]}" --encoder "$work/encoder/encoder.safetensors" \
    --output "$work/evidence"
[ -e "$work/prompts/assistant/config.json" ] ||
    stage prompts --encoder "$work/encoder/encoder.safetensors" \
        --language-model "$work/language/language_model" --evidence "$work/evidence" \
        --output "$work/prompts"
stage ship --assistant "$work/prompts/assistant" \
    --language-model "$work/language/language_model" --photos "${photos[@]}" --examples examples \
    --output "$ship"
