#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Random programs for the fuzzed broker, 200 a seed, in the plain build: tests/hunts/programs.sh [FROM [SEEDS]]
# One that breaks something stays in build/plain/programs; it belongs into tests/fuzz/corpus/broker once it is mended.
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
replay=$top/build/plain/tests/fuzz/fuzz-broker
from=${1:-1} seeds=${2:-10} found=0
work=$(mktemp -d /dev/shm/tmx-programs.XXXXXX)
trap 'rm -rf "$work" "$work.said"' EXIT
for seed in $(seq "$from" $((from + seeds - 1))); do
    /usr/bin/python3 -B "$top/tests/fuzz/programs.py" "$work" 200 "$seed"
    if ! "$replay" "$work" >/dev/null 2>&1; then
        for program in "$work"/*; do
            "$replay" "$program" >"$work.said" 2>&1 && continue
            mkdir -p "$top/build/plain/programs"
            cp "$program" "$top/build/plain/programs/"
            echo "$(basename "$program"): $(tail -n 1 "$work.said")"
            found=$((found + 1))
        done
    fi
    rm -f "$work"/* "$work.said"
done
echo "$((200 * seeds)) programs, $found broke something"
[ "$found" -eq 0 ]
