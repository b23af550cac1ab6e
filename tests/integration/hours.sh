#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The checkpoints that a broker keeps of every hour come into exports, at once and one after the other, and convince tmx-audit
# and a verifier of openssl and sha256sum. The hours pass in the spool of a broker that is down. LOG-5, WIT-3
# usage: hours.sh SOURCE BUILD
set -uo pipefail
MEMBERS=(CH DE IT)
# shellcheck source=tests/integration/world.sh
. "$(dirname "$0")/world.sh"
source=$1 build=$2
cd "$root" || exit 1

cosigned() { is broker 'd["log"]["cosigned"]["size"] == d["log"]["size"] and d["log"]["cosigned"]["quorum"]' True; }
traffic() {     # traffic NAME: a message from end to end, and a head over it that the witnesses have cosigned
    send DE IT "$1"
    collect IT 10 --ack
    await settled && await cosigned || fail "nothing came of $1"
    size=$(look broker 'd["log"]["size"]')
}
hours_pass() {  # hours_pass N
    fed_stop broker
    "$build/tests/integration/age-hours" "$FED/broker/tmx-broker.conf" "$1" || fail "no hour passes"
    fed_start_broker || fail "the broker does not start"
}
export_to() { "$AUDIT" export --socket "$FED/broker/run/control" "$@" >"$root/said" 2>&1 || fail "no export: $(cat "$root/said")"; }
verifies() {    # verifies EXPORT: by tmx-audit and by others' tools
    "$AUDIT" verify "$1" --authority "$FED/authority.pub" >"$root/verdict" 2>&1 || fail "$1: $(cat "$root/verdict")"
    (cd "$1" && sha256sum --check --strict --quiet SHA256) || fail "$1: the list does not hold"
    for d in "$1"/directories/*; do "$AUTHORITY" show "$d" --vkeys --authority "$FED/authority.pub"; done | sort -u >vkeys
    "$source/tests/independent/verify.sh" vkeys "$1" >"$root/said" 2>&1 || fail "$1: $(cat "$root/said")"
}

hour=$(($(date +%s) / 3600))
world_start
traffic first
first=$size
export_to export
[ ! -e export/checkpoints ] || [ $(($(date +%s) / 3600)) -gt "$hour" ] || fail "an hour that is not over is exported: $(ls export/checkpoints)"
verifies export
hours_pass 3
traffic second
export_to export
[ -f "export/checkpoints/$first" ] || fail "the checkpoint of an hour ago is not exported"
cp -r export earlier
verifies export

second=$size
hours_pass 2
traffic third
export_to export
export_to new --since earlier
export_to whole
[ -f "export/checkpoints/$second" ] && [ ! -e "new/checkpoints/$first" ] || fail "not what is new: $(ls export/checkpoints new/checkpoints)"
diff -r export whole || fail "an export that was continued is another"
cp -r new/. earlier
(cd earlier && sha256sum --check --strict --quiet SHA256) || fail "what is new does not complete the earlier export"
verifies export
grep -qE '^hourly +[23] checkpoints, by ([0-2] to )?3 witnesses, [23] with a quorum$' "$root/verdict" || fail "verify says something else: $(cat "$root/verdict")"
grep -qE ' [23] earlier heads$' "$root/said" || fail "the other verifier saw something else: $(cat "$root/said")"

cp "export/checkpoints/$second" "export/checkpoints/$first"
rm export/SHA256
"$AUDIT" verify export --authority "$FED/authority.pub" >"$root/verdict" 2>&1 && fail "a checkpoint of another hour is passed over"
grep -q "checkpoints/$first: a head of $second entries" "$root/verdict" || fail "the fault is another: $(cat "$root/verdict")"
say "heads of $first and $second entries: $(grep hourly "$root/verdict")"
