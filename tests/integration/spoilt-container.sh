#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# One sealed container in the broker's spool is spoilt by the disk: the broker starts and goes on, every other message arrives, the
# spoilt one stays where it is, alarms, and arrives when it is whole again. QUE-8, QUE-10
# usage: spoilt-container.sh SOURCE BUILD
set -uo pipefail
MEMBERS=(DE IT)
# shellcheck source=tests/integration/world.sh
. "$(dirname "$0")/world.sh"

queued() { is broker "next(x['queued'] for x in d['destinations'] if x['member'] == 'IT')" "$1"; }
arrived() { local n=0 name; for name in one two three; do n=$((n + $(copies IT $name))); done; echo $n; }
take() { collect IT 1 --ack; collect DE 0 --ack; [ "$(arrived)" -eq "$1" ]; }
log_has() { grep -q "event=$2" "$FED/$1/log"; }

# Changes one byte within a container, wherever in the file its pages are, or in every one; the same again, and it is as it was:
# the same container, even if what came since then lies before it in the file.
bend() {   # bend one|all
    python3 - "$FED/broker/spool/data.mdb" "$1" "$root/bent" <<'PY'
import os, sys
path, which, bent = sys.argv[1:]
with open(path, "r+b") as f:
    data = f.read()
    begin = b"TMX1\x01\x01\x00\x00"
    at = data.find(begin)
    container = begin
    if which == "one":   # its keys are in no other one
        if not os.path.exists(bent):
            open(bent, "wb").write(data[at:at + 72])
        container = open(bent, "rb").read()
        at = data.find(container)
    places = []
    while at >= 0:
        places.append(at)
        at = data.find(container, at + 1)
    for at in places:
        f.seek(at + 1000)
        f.write(bytes([data[at + 1000] ^ 1]))
PY
}

world_start
fed_stop IT
send DE IT one two three
await queued 3 || fail "they are not queued"
fed_stop broker
bend one || fail "no container in the spool"
fed_start_broker || fail "one spoilt container keeps the broker from starting"
fed_start_node IT || exit 1
send IT DE back
await take 2 || fail "the others do not arrive"
back() { collect DE 1 --ack; has DE back; }
await back || fail "what IT sends does not arrive"
await log_has broker container.spoilt || fail "the broker does not say so"
await log_has IT delivery.container-mismatch || fail "the node does not say so"
kill -0 "$(cat "$FED/broker/pid")" || fail "the broker has ended"
queued 1 || fail "the spoilt one is not queued any more"

fed_stop broker
bend one
fed_start_broker || exit 1
await take 3 || fail "it is whole again, but does not arrive"
await settled || fail "something is open"
for name in one two three; do [ "$(copies IT $name)" -eq 1 ] || fail "$name came out $(copies IT $name) times"; done
verify

# One that is pulled in chunks does not keep its recipient from others.
spoilt() { grep -c 'event=container.spoilt' "$FED/broker/log"; }
fed_stop IT
{ echo big; head -c 700000 /dev/urandom; } >"$root/out/big"
send DE IT big
await queued 1 || fail "big is not queued"
fed_stop broker
bend all
before=$(spoilt)
fed_start_broker || fail "a large spoilt container keeps the broker from starting"
fed_start_node IT || exit 1
asked() { [ "$(spoilt)" -gt "$before" ]; }
await asked || fail "the chunk was not asked for"
{ echo other; head -c 700000 /dev/urandom; } >"$root/out/other"
send DE IT other
other() { collect IT 1 --ack; has IT other; }
await other || fail "behind a spoilt large one nothing arrives"
has IT big && fail "what is spoilt arrived"
queued 1 || fail "big is not queued any more"
say "the others arrived, and the spoilt one when it was whole"
