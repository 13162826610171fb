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

# Accelerate's launcher without its stack traces: the training has said in one line what happened,
# and its status becomes ours.
launcher='
import logging, socket, sys
from accelerate.commands.launch import launch_command, launch_command_parser
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

logging.disable()
with socket.socket() as listener:
    # A free port: a second training on this machine must not meet the first.
    listener.bind(("", 0))
    port = str(listener.getsockname()[1])
try:
    options = ["--main_process_port", port, *sys.argv[1:]]
    launch_command(launch_command_parser().parse_args(options))
except ChildFailedError as error:
    status = error.get_first_failure()[1].exitcode
    sys.exit(status if status >= 0 else 128 - status)
except SignalException as error:
    sys.exit(128 + error.sigval)
'

# train LAYOUT DATA OUTPUT [options]: check, then one process, or several with accelerate launch.
train() {
    local layout=$1 data=$2 output=$3 status=0 processes
    shift 3
    anomalygpt data check "$data" --dataset "$layout" || status=$?
    [ $status -ne 1 ] || fail "repair the data set as said above, then run this again"
    [ $status -eq 0 ] || exit $status
    anomalygpt train "$data" "$output" --layout "$layout" "$@" --check || exit $?
    processes=${PROCESSES:-$(python -c 'import torch; print(max(1, torch.cuda.device_count()))')}
    [[ $processes =~ ^[1-9][0-9]*$ ]] || fail "PROCESSES is a number from 1 on, got '$processes'"
    # exec: a signal for this script is then one for the training, which saves before it ends.
    if [ "$processes" -eq 1 ]; then
        exec python -m anomalygpt train "$data" "$output" --layout "$layout" "$@"
    fi
    # Ctrl-C reaches the processes themselves; the launcher would end them while they save.
    trap '' INT
    export TORCHELASTIC_SIGNALS_TO_HANDLE=SIGTERM,SIGHUP,SIGQUIT
    exec python -c "$launcher" --num_machines 1 --num_processes "$processes" --multi_gpu \
        --mixed_precision no --dynamo_backend no \
        -m anomalygpt train "$data" "$output" --layout "$layout" "$@"
}
