#!/usr/bin/env bash
# Installs AnomalyGPT with what its tests need, then runs linter, type checker and all tests.
#
#   bash scripts/test.sh [options of pytest]                         bash scripts/test.sh -k memory_bank
#   bash scripts/test.sh --versions newest|oldest [options of pytest]
#
# With --versions the tests run with the newest versions that the package registry has, or with the
# oldest that are allowed, in an environment of its own, and a table says how that went. PYTHON names
# the Python: PYTHON=python3.14 bash scripts/test.sh --versions newest
set -euo pipefail

versions=pinned
case "${1:-}" in
    -h | --help) sed -n '2,10s/^# \{0,1\}//p' "$0"; exit ;;
    --versions)
        versions=${2:-}
        case $versions in
            newest | oldest) shift 2 ;;
            *) echo "anomalygpt: --versions takes newest or oldest, got '$versions'" >&2; exit 2 ;;
        esac
        ;;
esac
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
prepare_environment test "$versions"

# Nothing is fetched while testing, whatever the machine can reach.
export HF_HUB_OFFLINE=1
# One process for each core, each with one thread: many small models are tested, not one large.
export OMP_NUM_THREADS=1
parallel=(-n logical --dist loadscope)

if [ "$versions" = pinned ]; then
    ruff check .
    ruff format --check .
    mypy
    exec python -m pytest "${parallel[@]}" "$@"
fi
# Linter and type checker judge our code, which is the same with other versions.
results=$environment/results.xml
status=0
python -m pytest "${parallel[@]}" --junitxml "$results" "$@" || status=$?
python scripts/table_of_tests.py "$versions" "$results"
exit "$status"
