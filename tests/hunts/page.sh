#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The status page of real daemons in headless Chromium (300 MB; installed when it is missing): healthy, a member away, the disk
# nearly full, a daemon that stops answering; on three screens, light and dark, also what a screen reader goes by.
#   tests/hunts/page.sh [FOLDER]     the pictures are left in FOLDER
set -uo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
pictures=${1:-}
set -- "$top" "$top/build/plain"
MEMBERS=(CH DE IT)
FED_BROKER_CAPACITY='8 MiB'
# shellcheck source=tests/integration/world.sh
. "$top/tests/integration/world.sh"
if ! command -v chromium >/dev/null; then
    as_root=()
    [ "$(id -u)" -eq 0 ] || as_root=(sudo)
    { "${as_root[@]}" apt-get update && "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y \
        --no-install-recommends chromium fonts-dejavu-core; } >"$root/apt" 2>&1 || { tail -n 5 "$root/apt"; exit 1; }
fi
read -r -a ports < <(fed_free_ports 2)
FED_BROKER_CONF="http = 127.0.0.1:${ports[0]}"
world_made() { fed_node_conf DE "http = 127.0.0.1:${ports[1]}"; }
page() {   # page STATE PORT [PID]
    mkdir -p "$root/$1"
    python3 -B "$top/tests/hunts/page/page.py" "http://127.0.0.1:$2/" "$root/$1" "$1" "${@:3}" 2>"$root/said" ||
        { [ -z "$pictures" ] || cp "$root/$1"/*.png "$pictures"; fail "the page, $1: $(tail -n 6 "$root/said" | cut -c1-600)"; }
    [ -z "$pictures" ] || { mkdir -p "$pictures" && cp "$root/$1"/*.png "$pictures"; }
}

world_start
for i in $(seq 12); do send DE IT "h$i"; done
send CH DE one two
collect IT 10 --ack
collect DE 10 --ack
steps() { curl -s "http://127.0.0.1:${ports[0]}/recent.json" | python3 -c 'import json, sys
sys.exit(len(json.load(sys.stdin)["ago_ms"]) < 2)'; }
await steps || fail "the history does not begin"
page healthy "${ports[0]}"
page node "${ports[1]}"
page silent "${ports[0]}" "$(cat "$FED/broker/pid")"

fed_stop IT
send DE IT a1 a2 a3
page away "${ports[0]}"

python3 -c 'import os, sys
for i in range(120):
    open(f"{sys.argv[1]}/large-{i:03}", "wb").write(b"payload" + os.urandom(60000))' "$root/out"
fed_tmx DE send --to IT --type CD974C "$root"/out/large-* >/dev/null || fail "DE could not submit"
critical() { is broker 'd["health"]' critical; }
await critical || fail "the broker's disk does not fill: $(look broker 'd["spool"]')"
page full "${ports[0]}"
say "passed"
