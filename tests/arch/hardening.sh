#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Reads the binaries, because flags lie: PIE, full RELRO, no executable stack, stack protector, fortified calls.
# usage: hardening.sh PROGRAM …
set -euo pipefail
status=0
for p in "$@"; do
    bad=()
    [ -x "$p" ] || { echo "$p: missing"; exit 1; }
    header=$(readelf -hW "$p"); dynamic=$(readelf -dW "$p"); segments=$(readelf -lW "$p"); symbols=$(readelf -sW "$p")
    grep -q 'Type:.*DYN' <<<"$header" || bad+=("not PIE")
    grep -q 'GNU_RELRO' <<<"$segments" || bad+=("no RELRO")
    grep -qE 'BIND_NOW|FLAGS_1.*NOW' <<<"$dynamic" || bad+=("lazy binding")
    grep 'GNU_STACK' <<<"$segments" | grep -q 'RWE' && bad+=("executable stack")
    grep -q '__stack_chk_fail' <<<"$symbols" || bad+=("no stack protector")
    grep -qE '__\w+_chk@' <<<"$symbols" || bad+=("no fortified calls")
    if [ ${#bad[@]} -gt 0 ]; then
        echo "$(basename "$p"): $(IFS=,; echo "${bad[*]}")"
        status=1
    fi
done
exit $status
