#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Fuzz targets from their corpus: tests/hunts/fuzz.sh [CPU_SECONDS [TARGET...]], by default 60 s each of all of them.
# CPU time is what counts: on a busy machine seconds by the clock prove little. 600 before a target is called done.
#
# Inputs that reached more stay in build/clang/fuzz/TARGET/seen, and the next run goes on from them; a finding stays in
# build/clang/fuzz/TARGET and ends the hunt. It belongs into tests/fuzz/corpus/TARGET once it is mended.
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
seconds=${1:-60}
shift $(($# > 0))
CC=clang "$top/deploy/build" clang -Dwerror=true
if [ $# -eq 0 ]; then
    for source in "$top"/tests/fuzz/fuzz-*.c; do
        target=$(basename "$source" .c)
        [ "$target" = fuzz-main ] || set -- "$@" "${target#fuzz-}"
    done
fi
ticks=$(getconf CLK_TCK)

# CPU seconds a process has used; nothing when it is gone.
used() {
    local stat
    read -r stat 2>/dev/null <"/proc/$1/stat" || return 0
    # shellcheck disable=SC2086
    set -- ${stat##*) }
    echo $(((${12} + ${13}) / ticks))
}

for target; do
    ninja -C "$top/build/clang" "tests/fuzz/libfuzzer-$target" >/dev/null
    work=$top/build/clang/fuzz/$target
    mkdir -p "$work/seen"
    # The clock bounds it where the machine gives it hardly any time.
    nice -n 19 "$top/build/clang/tests/fuzz/libfuzzer-$target" -max_total_time=$((seconds * 10)) -print_final_stats=1 \
        -timeout=20 -rss_limit_mb=2048 -artifact_prefix="$work/" "$work/seen" "$top/tests/fuzz/corpus/$target" \
        >"$work/log" 2>&1 &
    pid=$!
    trap 'kill "$pid" 2>/dev/null || true' EXIT
    cpu=0 now=
    while now=$(used "$pid"); [ -n "$now" ]; do
        cpu=$now
        [ "$cpu" -lt "$seconds" ] || kill -USR1 "$pid" 2>/dev/null || true
        sleep 1
    done
    wait "$pid" || { tail -n 30 "$work/log"; echo "fuzz $target found something: $work"; exit 1; }
    trap - EXIT
    echo "fuzz $target: nothing found in $cpu s of CPU time," \
        "$(sed -n 's/^stat::number_of_executed_units: *//p' "$work/log") runs," \
        "$(grep -a -o 'cov: [0-9]* ft: [0-9]* corp: [0-9]*' "$work/log" | tail -n 1)"
done
