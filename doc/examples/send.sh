#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Submits one NCTS file and waits until its recipient took it, or did not: send.sh FILE [OPTION-OF-TMX-SEND…]
set -euo pipefail
field() { python3 -c 'import functools, json, sys; print(functools.reduce(dict.get, sys.argv[1:], json.load(sys.stdin)))' "$@"; }
sent=$(tmx --json send "$@")
id=$(field id <<<"$sent")
echo "$id"
# Every step of every message. A real script keeps the last cursor, and goes on with --after.
exec 3< <(exec tmx --json events --follow)
follower=$!
while read -r event; do
    [ "$(field id <<<"$event")" = "$id" ] || continue
    what=$(field step what <<<"$event")
    echo "$what" "$(field step who <<<"$event")"
    case $what in CoD | refused | expired | CoE | rejected) break ;; esac
done <&3
kill "$follower"
