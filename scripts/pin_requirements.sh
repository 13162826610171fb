#!/usr/bin/env bash
# Writes down which versions AnomalyGPT is installed with: requirements/pinned.txt, the newest that
# pyproject.toml allows, for every platform and Python, and requirements/oldest.txt, the oldest.
#
#   bash scripts/pin_requirements.sh [PACKAGE==VERSION...]
#
# Arguments hold packages back, in pinned.txt alone. Nothing is installed here but the resolver, uv,
# in a folder that is deleted afterwards. Test what was written: bash scripts/test.sh, then
# bash scripts/test.sh --versions oldest.
set -euo pipefail

case "${1:-}" in -h | --help) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit ;; esac
cd "$(dirname "${BASH_SOURCE[0]}")/.."

pythons=(3.10 3.11 3.12 3.13 3.14)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check uv
resolve=("$work/venv/bin/uv" pip compile --quiet --no-header --no-annotate)

header() {
    printf '# %s\n# Made by: bash scripts/pin_requirements.sh%s\n' "$1" "${held:+ $held}"
}

held="$*"
printf '%s\n' "$@" >"$work/held.txt"
# What builds the package is pinned like the rest.
echo 'hatchling' >"$work/build.txt"
echo "Resolving the newest versions for all platforms" >&2
"${resolve[@]}" pyproject.toml "$work/build.txt" --extra all --universal \
    --python-version "${pythons[0]}" --constraints "$work/held.txt" >"$work/pinned.txt"

# timm asks for any torchvision; only the one that was made for a torch works with it.
echo 'torchvision>=0.19' >"$work/lowest.txt"
for python in "${pythons[@]}"; do
    echo "Resolving the oldest versions for Python $python" >&2
    "${resolve[@]}" pyproject.toml "$work/lowest.txt" --extra clip --extra test \
        --resolution lowest-direct --only-binary :all: --python-version "$python" \
        --python-platform x86_64-unknown-linux-gnu >"$work/$python.txt"
done

mkdir -p requirements
{
    header 'The newest versions that were tested; scripts/demo.sh and scripts/test.sh install these.'
    cat "$work/pinned.txt"
} >requirements/pinned.txt
held=
{
    header 'The oldest versions that pyproject.toml allows, on Linux on x86-64.'
    "$work/venv/bin/python" scripts/merge_requirements.py \
        $(printf "$work/%s.txt " "${pythons[@]}")
} >requirements/oldest.txt
echo "Written: requirements/pinned.txt, requirements/oldest.txt" >&2
