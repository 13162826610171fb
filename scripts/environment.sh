# Sourced by the other scripts: leaves `python` as one with AnomalyGPT and its extras installed.
#
#   prepare_environment [EXTRAS]
#
# Uses the active virtual environment, or makes .venv beside the README. When everything is
# installed already it does nothing.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

# torch from the package registry brings its CUDA libraries on Linux: 6.4 GB installed.
needed_gb=9

fail() {
    printf 'anomalygpt: %s\n' "$*" >&2
    exit 1
}

is_python_310() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 10))' >/dev/null 2>&1
}

find_python() {
    local name
    for name in ${PYTHON:-} python3 python3.13 python3.12 python3.11 python3.10 python; do
        if is_python_310 "$name"; then
            printf '%s' "$name"
            return
        fi
    done
    fail "no Python 3.10 or newer was found; install one, or name it: PYTHON=/path/to/python bash $0"
}

free_gb() {
    df -Pk "$1" | awk 'NR == 2 { print int($4 / 1048576) }'
}

require_space() {
    local free
    free=$(free_gb "$1")
    [ "$free" -ge $needed_gb ] || fail "the disk of $1 has $free GB free, the installation needs" \
        "$needed_gb GB; free some, or activate an environment on another disk"
}

make_environment() {
    local python
    python=$(find_python) || exit 1
    require_space "$root"
    echo "Making a virtual environment in $root/.venv"
    if ! "$python" -m venv "$root/.venv" >"$root/.venv.log" 2>&1; then
        tail -n 3 "$root/.venv.log" >&2
        rm -rf "$root/.venv" "$root/.venv.log"
        fail "the virtual environment could not be made; on Debian and Ubuntu run" \
            "'apt install python3-venv', and check that $root can be written to"
    fi
    rm -f "$root/.venv.log"
}

explain_failed_install() {
    if [ "$(free_gb "$environment")" -lt 1 ]; then
        fail "the disk of $environment is full; free $needed_gb GB and run this again"
    fi
    if ! python -m pip download --quiet --no-deps --dest "$(mktemp -d)" einops >/dev/null 2>&1; then
        fail "the package registry cannot be reached; check the network (or pip's proxy and index" \
            "settings) and run this again, it goes on where it stopped"
    fi
    fail "the installation failed; pip's last lines above say why"
}

prepare_environment() {
    local extras=${1:-} stamp state
    # What the tests need includes all that the demo needs.
    local complete=test
    environment=${VIRTUAL_ENV:-${CONDA_PREFIX:-}}
    if [ -z "$environment" ]; then
        environment=$root/.venv
        # A half-made one has no pip: make it again.
        [ -x "$environment/bin/pip" ] || make_environment
    fi
    PATH=$environment/bin:$PATH
    is_python_310 python || fail "the active environment $environment has no Python 3.10 or newer;" \
        "deactivate it, or activate another"
    state="$root $(python -V) $(cksum <pyproject.toml)"
    for stamp in "$environment/.anomalygpt-$complete" "$environment/.anomalygpt-$extras"; do
        if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$state" ]; then
            return
        fi
    done
    python -c 'import torch' >/dev/null 2>&1 || require_space "$environment"
    echo "Installing AnomalyGPT${extras:+ with [$extras]} into $environment (a few minutes the first time)"
    python -m pip install --disable-pip-version-check --editable ".${extras:+[$extras]}" ||
        explain_failed_install
    printf '%s' "$state" >"$stamp"
}
