# Sourced by the other scripts: leaves `python` as one with AnomalyGPT and its extras installed.
#
#   prepare_environment [EXTRAS [VERSIONS]]
#
# Uses the active virtual environment, or makes .venv beside the README, and installs the versions of
# requirements/pinned.txt. When everything is installed already it does nothing. VERSIONS "newest"
# or "oldest" makes an environment of its own for the newest that the package registry has or for
# requirements/oldest.txt.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

# What torch and the rest take on disk, and what is fetched for them, in GB. On Linux the package
# registry's torch brings its CUDA libraries.
cuda_gb=6.7 cuda_fetched_gb=3.3
cpu_gb=2.0 cpu_fetched_gb=0.5

fail() {
    printf 'anomalygpt: %s\n' "$*" >&2
    exit 1
}

is_python_310() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 10))' >/dev/null 2>&1
}

find_python() {
    local name
    for name in ${PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11 python3.10 python; do
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
    local free needed
    free=$(free_gb "$1")
    needed=$(awk -v gb="$2" 'BEGIN { print int(gb * 1.3 + 0.99) }')
    [ "$free" -ge "$needed" ] || fail "the disk of $1 has $free GB free, the installation needs" \
        "$needed GB; free some, or activate an environment on another disk"
}

make_environment() {
    local python
    python=$(find_python) || exit 1
    echo "Making a virtual environment in $environment"
    if ! "$python" -m venv "$environment" >"$environment.log" 2>&1; then
        tail -n 3 "$environment.log" >&2
        rm -rf "$environment" "$environment.log"
        fail "the virtual environment could not be made; on Debian and Ubuntu run" \
            "'apt install python3-venv', and check that $root can be written to"
    fi
    rm -f "$environment.log"
}

explain_failed_install() {
    tail -n 5 "$1" >&2
    if [ "$(free_gb "$environment")" -lt 1 ]; then
        fail "the disk of $environment is full; free some and run this again"
    fi
    if ! python -m pip download --quiet --no-deps --dest "$(mktemp -d)" einops >/dev/null 2>&1; then
        fail "the package registry cannot be reached; check the network (or pip's proxy and index" \
            "settings) and run this again, it goes on where it stopped"
    fi
    fail "the installation failed; pip's last lines above say why, all of them are in $1"
}

has_gpu() {
    command -v nvidia-smi >/dev/null || [ -e /proc/driver/nvidia ]
}

# The exact torch to ask for: a build without CUDA, where there is no use for CUDA and the registry
# in use offers one.
cpu_torch() {
    local version
    { [ "$(uname -s)" = Linux ] && ! has_gpu && [ -n "$constraints" ]; } || return 0
    version=$(sed -n 's/^torch==\([^ ]*\).*/\1/p' "$constraints" | head -n 1)
    python -m pip install --quiet --dry-run --no-deps --only-binary :all: \
        "torch==$version+cpu" >/dev/null 2>&1 && printf 'torch==%s+cpu' "$version"
    return 0
}

announce() {
    local gb=$cuda_gb fetched=$cuda_fetched_gb
    if [ -n "$torch" ] || [ "$(uname -s)" != Linux ]; then
        gb=$cpu_gb fetched=$cpu_fetched_gb
    fi
    if python -c 'import torch' >/dev/null 2>&1; then
        echo "Installing AnomalyGPT${extras:+ with [$extras]} into $environment; the torch that is there is kept"
        return
    fi
    require_space "$environment" "$gb"
    echo "Installing AnomalyGPT${extras:+ with [$extras]} into $environment: about $fetched GB are fetched and $gb GB written, in a few minutes"
    if [ "$gb" = "$cuda_gb" ] && ! has_gpu; then
        echo "(No NVIDIA GPU was found: README tells how to install a torch without CUDA, for less than a third of that.)"
    fi
}

# pip's lines as one that changes, or one every ten seconds where that cannot be shown.
show_progress() {
    local line count=0 last=0 width=${COLUMNS:-80}
    while IFS= read -r line; do
        case $line in
            Collecting* | *"already satisfied"*) count=$((count + 1)) ;;
            Downloading* | Installing* | Building* | *"Preparing metadata"*) ;;
            *) continue ;;
        esac
        line="package $count: ${line#"${line%%[! ]*}"}"
        if [ -t 1 ]; then
            printf '\r\033[K%.*s' "$((width - 1))" "$line"
        elif [ $((SECONDS - last)) -ge 10 ] || [[ $line == *"Installing collected"* ]]; then
            # The last step takes a minute, and says no more.
            printf '%.100s\n' "$line"
            last=$SECONDS
        fi
    done
    [ -t 1 ] && printf '\r\033[K'
    return 0
}

install_package() {
    local log=$environment/anomalygpt-install.log options=() status
    [ -z "$constraints" ] || options=(--constraint "$constraints")
    [ "$versions" != newest ] || options+=(--upgrade --upgrade-strategy eager)
    # What builds the package is pinned too; older pips do not know the setting, and pass it over.
    [ "$versions" = newest ] || export PIP_BUILD_CONSTRAINT=$root/requirements/pinned.txt
    set +e
    python -m pip install --disable-pip-version-check \
        --progress-bar off "${options[@]}" $torch --editable ".${extras:+[$extras]}" 2>&1 |
        tee "$log" | show_progress
    status=${PIPESTATUS[0]}
    set -e
    [ "$status" -eq 0 ] || explain_failed_install "$log"
}

prepare_environment() {
    local extras=${1:-} versions=${2:-pinned} stamp state constraints torch
    # What the tests need includes all that the demo needs.
    local complete=test
    if [ "$versions" = pinned ]; then
        environment=${VIRTUAL_ENV:-${CONDA_PREFIX:-$root/.venv}}
    else
        environment=$root/.venv-$versions-$("$(find_python)" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    fi
    constraints=$root/requirements/$versions.txt
    [ "$versions" != newest ] || constraints=
    # A half-made one has no pip: make it again.
    if [ "$environment" != "${VIRTUAL_ENV:-${CONDA_PREFIX:-}}" ] && [ ! -x "$environment/bin/pip" ]; then
        make_environment
    fi
    PATH=$environment/bin:$PATH
    is_python_310 python || fail "the active environment $environment has no Python 3.10 or newer;" \
        "deactivate it, or activate another"
    state="$root $(python -V) $(cat pyproject.toml $constraints | cksum)"
    # The newest of today are not those of tomorrow.
    [ "$versions" != newest ] || state+=" $(date +%F)"
    for stamp in "$environment/.anomalygpt-$complete" "$environment/.anomalygpt-$extras"; do
        if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$state" ]; then
            return
        fi
    done
    torch=$(cpu_torch)
    announce
    install_package
    printf '%s' "$state" >"$stamp"
}
