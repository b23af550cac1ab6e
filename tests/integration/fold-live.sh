#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# tmx-audit fold: what a running broker holds is what its log gives: at rest, while messages flow, after deliveries were taken,
# refused and expired, with several recipients, with a member revoked, after a restart; and every kind of row that somebody
# changes in its spool is named. After the loss of a disk: lost-disk.sh. LOG-2
# usage: fold-live.sh SOURCE BUILD
set -uo pipefail
MEMBERS=(CH DE FR IT)
# shellcheck source=tests/integration/world.sh
. "$(dirname "$0")/world.sh"
bend=$FED_BUILD/tests/integration/bend-spool

fold() { "$AUDIT" fold "$root/fold" --socket "$FED/broker/run/control" --authority "$FED/authority.pub" "$@" >"$root/folded" 2>&1; }
equal() { fold || { cat "$root/folded"; fail "$1: the broker's state is not what its log gives"; }; }
# value EXPRESSION: over `d`, the last document
value() { python3 -c 'import json, sys; d = json.load(open(sys.argv[1])); print(eval(sys.argv[2]))' "$root/folded" "$1"; }
holds() { [ "$(value "$1")" = "${2:-True}" ] || { cat "$root/folded"; fail "not so: $1"; }; }
signed() { grep -q 'event=message.signed' <(tail -n 1 "$FED/$1/log"); }
keep_sending() {
    local n=0
    while [ -e "$root/go" ]; do
        n=$((n + 1))
        fed_tmx "$1" send --to "$2" --type CD974C --reference "stream-$n" "$root/out/stream" >/dev/null 2>&1
    done
}

world_start
payload "$root/out/stream"
equal "before any message"

# --- while messages flow: pages of one fold are of several sizes of the log, sooner or later
touch "$root/go"
keep_sending DE IT &
senders=($!)
keep_sending IT DE &
senders+=($!)
world_end() { rm -f "$root/go"; wait "${senders[@]}"; }
moved() { collect IT 0 --ack; equal "while messages flow"; fold --json && [ "$(value 'd["last_size"] > d["first_size"]')" = True ]; }
await moved || fail "the log did not grow during any fold"
world_end

# --- several recipients, one of them away; taken, refused, expired
fed_stop FR
payload "$root/out/several"
fed_tmx CH send --to DE,FR,IT --type CD071C --reference several --expires 3s "$root/out/several" >/dev/null || fail "CH could not send to three"
collect DE 5
read -r id token < <(tail -n 1 "$root/in/DE.log" | python3 -c 'import json, sys; m = json.load(sys.stdin); print(m["id"], m["token"])')
fed_tmx DE refuse "$id" "$token" --reason "not for us" >/dev/null || fail "DE could not refuse"
ended() { is broker '[x["queued"] for x in d["destinations"] if x["member"] == "FR"]' '[0]' && fed_tmx DE message "$id" | grep -q refused; }
await ended || fail "nothing was refused, or nothing expired"
fold --json || { cat "$root/folded"; fail "taken, refused, expired"; }
holds 'd["verdict"]' equal
holds 'd["deliveries"]["refused"] >= 1 and d["deliveries"]["expired"] >= 1 and d["deliveries"]["arrived"] >= 1'
holds 'd["rows"]["messages"] < d["rows"]["deliveries"]'

# --- a header that its node signed before it was suspended is refused, and consumes its number
install() { fed_sign && fed_ctl broker directory install "$FED/directory.tmx" >/dev/null || fail "the directory was not installed"; }
fed_stop broker
send CH IT late
await signed CH || fail "CH signs nothing while the broker is away"
fed_stop CH
fed_start_broker || exit 1
"$AUTHORITY" suspend --dir "$FED/authority" CH >/dev/null && install
fed_start_node CH || exit 1
await is broker 'd["counters"]["refused"]' 1 || fail "what a suspended member had signed was not refused"
fold --json
holds '(d["verdict"], d["rows"]["refusals"], d["rows"]["refused-ids"])' "('equal', 1, 1)"
"$AUTHORITY" reinstate --dir "$FED/authority" CH >/dev/null && install

# --- a member is revoked with a delivery on its way: the broker ends it
send CH FR revoked
await state_is CH revoked accepted || fail "revoked was not accepted"
"$AUTHORITY" revoke --dir "$FED/authority" FR >/dev/null && install
await state_is CH revoked exception || fail "the delivery to FR did not end"
fold --json
holds '(d["verdict"], d["deliveries"]["exception"] >= 1)' "('equal', True)"
fed_stop broker KILL
fed_start_broker || exit 1
equal "after the broker was killed"

# --- a broker that holds something else: TABLE AT WORDS, the table of core/tables.h by its number, what the verdict must say
tampered() {
    local table=$1 at=$2 words=$3
    fed_stop broker
    [ ${#mend[@]} -eq 0 ] || "$bend" "$FED/broker/tmx-broker.conf" "${mend[@]}"
    "$bend" "$FED/broker/tmx-broker.conf" "$table" "$at" || fail "the spool could not be changed"
    fed_start_broker || exit 1
    fold && { cat "$root/folded"; fail "nobody sees that table $table was changed"; }
    grep -qE "$words" "$root/folded" || { cat "$root/folded"; fail "the verdict does not say '$words'"; }
}
# Nothing moves: what is changed is changed back. And no fold waits for witnesses that are away.
echo 'quorum none' >"$root/policy"
"$AUTHORITY" policy "$root/policy" --dir "$FED/authority" >/dev/null && install
for m in CH DE IT; do fed_stop $m; done
mend=()
while read -r table at words; do
    tampered "$table" "$at" "$words"
    mend=("$table" "$at")
done <<'END'
17 7 prekey-sets: member
11 7 pairs: sender .*, recipient
5 84 messages: message
6 7 deliveries: message .*, recipient
14 7 refused-ids: message|refusals: digest
18 39 destinations: member
END
fed_stop broker
"$bend" "$FED/broker/tmx-broker.conf" "${mend[@]}"
mend=()
fed_start_broker || exit 1
equal "after everything was mended"
tampered 6 row 'deliveries: message .*, recipient'
grep -q 'the broker  has none' "$root/folded" || fail "the verdict does not say that the broker lacks it"
fold --json && fail "two verdicts"
holds '(d["verdict"], d["difference"]["table"], d["difference"]["broker"])' "('different', 'deliveries', False)"
say "equal at rest and under way, $(value 'd["size"]') entries; every change was named"
