#!/usr/bin/env bash
# Installs AnomalyGPT with what its tests need, then runs linter, type checker and all tests.
# Arguments go to pytest: bash scripts/test.sh -k memory_bank
set -euo pipefail

case "${1:-}" in
    -h | --help) sed -n '2,3s/^# //p' "$0"; exit ;;
esac
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
prepare_environment test

# Nothing is fetched while testing, whatever the machine can reach.
export HF_HUB_OFFLINE=1
ruff check .
ruff format --check .
mypy
python -m pytest "$@"
