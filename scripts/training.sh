# Sourced by train_mvtec.sh, train_visa.sh and train_supervised.sh, after environment.sh.

# explain NAME WHAT
explain() {
    cat <<TEXT
bash scripts/$1 DATA OUTPUT [options]

$2

Makes .venv (unless an environment is active), installs, checks data and weights, and trains. The
trained assistant is then in OUTPUT/assistant, for --model. Ctrl-C saves and stops; the same command
with --resume goes on. Start from one of

  --model DIR                        an assistant, such as one that \`anomalygpt convert\` wrote from
                                     the full-size weights; it is trained as published
  --encoder NAME --encoder-weights FILE --language-model DIR
                                     any timm encoder and any Hugging Face language model

Other options: --instructions DIR (PandaGPT's instruction data), --categories NAME..., --epochs N,
--batch-size N; all of them: anomalygpt train --help. PROCESSES=2 before the command trains with
two processes; without it there is one for each GPU.
TEXT
}

# train LAYOUT DATA OUTPUT [options]: check, then accelerate launch.
train() {
    local layout=$1 data=$2 output=$3 processes launch
    shift 3
    anomalygpt data check "$data" --dataset "$layout" || {
        [ $? -eq 1 ] && echo "anomalygpt: repair the data set, or choose --categories without errors" >&2
        exit 1
    }
    anomalygpt train "$data" "$output" --layout "$layout" "$@" --check || exit $?
    processes=${PROCESSES:-$(python -c 'import torch; print(max(1, torch.cuda.device_count()))')}
    launch=(--num_machines 1 --num_processes "$processes" --mixed_precision no --dynamo_backend no)
    [ "$processes" -gt 1 ] && launch+=(--multi_gpu)
    # Ctrl-C is for the training itself, which saves; the launcher would die of it at once.
    trap '' INT
    accelerate launch --quiet "${launch[@]}" -m anomalygpt train "$data" "$output" \
        --layout "$layout" "$@"
}
