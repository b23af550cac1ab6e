#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every fuzz target from its corpus: tests/hunts/fuzz.sh [SECONDS], by default 60 each.
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
CC=clang "$top/deploy/build" clang -Dwerror=true
for source in "$top"/tests/fuzz/fuzz-*.c; do
    target=$(basename "$source" .c)
    target=${target#fuzz-}
    [ "$target" != main ] || continue
    ninja -C "$top/build/clang" "tests/fuzz/libfuzzer-$target" >/dev/null
    found=$(mktemp -d)
    "$top/build/clang/tests/fuzz/libfuzzer-$target" -max_total_time="${1:-60}" -print_final_stats=0 -artifact_prefix="$found/" \
        "$found" "$top/tests/fuzz/corpus/$target" >"$found/log" 2>&1 || { tail -n 20 "$found/log"; echo "fuzz $target found something: $found"; exit 1; }
    echo "fuzz $target: nothing found in ${1:-60} s"
    rm -rf "$found"
done
