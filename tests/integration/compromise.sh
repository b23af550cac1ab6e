#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A key is stolen: what it touched is listed from the log of a real broker, as a table, as CSV and as JSON, and the line that
# revokes it is one that the authority's program takes.
# usage: compromise.sh SOURCE BUILD
set -uo pipefail
MEMBERS=(DE IT)
# shellcheck source=tests/integration/world.sh
. "$(dirname "$0")/world.sh"
export=$root/export

world_start
send DE IT early
taken() { collect IT 1 --ack; collect DE 0 --ack; has IT "$1" && settled; }
await taken early || fail "early is not settled"
send DE IT late1 late2
send IT DE back
both() { taken late2 && has IT late1 && has DE back; }
await both || fail "not settled"

id_of() {   # MEMBER signing_keys|witness_keys|curve_keys id|key
    "$AUTHORITY" show "$FED/directory.tmx" --json | python3 -c 'import json, sys
print(next(m for m in json.load(sys.stdin)["members"] if m["code"] == sys.argv[1])[sys.argv[2]][0][sys.argv[3]])' "$@"
}
compromise() { "$AUDIT" compromise "$export" "$@" --authority "$FED/authority.pub"; }
key=$(id_of DE signing_keys id)

# With --socket the export is made or continued first, and nothing but the result is printed.
compromise "$key" --socket "$FED/broker/run/control" --json >"$root/json" || fail "as JSON, with the broker"
compromise "$key" --format csv >"$root/csv" || fail "as CSV"
"$AUDIT" export "$export" --format csv --authority "$FED/authority.pub" >"$root/log.csv" || fail "the log as CSV"
compromise "$key" >"$root/table" || fail "as a table"
late=$(python3 - "$root" <<'PY'
import csv, json, sys
root = sys.argv[1]
d = json.load(open(root + "/json"))
log = list(csv.DictReader(open(root + "/log.csv")))
listed = list(csv.DictReader(open(root + "/csv")))
assert d["verified"] and d["use"] == "signing" and d["owner"] == "DE", d
own = [r for r in log if r["member"] == "DE" and r["kind"] in ("acceptance", "report", "prekeys")]
assert len(own) >= 3 + 2 + 1, own          # three messages, two reports of one, prekeys
signed = [r for r in listed if r["touched"].startswith("signed")]
assert [r["index"] for r in own] == [r["index"] for r in signed], (own, signed)
assert [{k: v for k, v in r.items() if k != "touched"} for r in signed] == own
sealed = [r for r in listed if r["touched"] == "maybe sealed"]
assert [r["recipient"] for r in sealed] == ["DE"], sealed
assert d["touched"]["signed message"] == 3 and d["touched"]["signed report"] == 2 and d["touched"]["maybe sealed"] == 1, d
assert [str(r["index"]) for r in d["rows"]] == [r["index"] for r in listed]
table = open(root + "/table").read()
for r in listed:
    assert any(l.split()[:1] == [r["index"]] and r["message"] in l for l in table.splitlines()), r
print([r["index"] for r in own if r["kind"] == "acceptance"][1])
PY
) || { cat "$root/table" "$root/json"; fail "the lists"; }

# Since an entry: what is before is not listed, and the authority's line says so. It works as it is printed.
compromise "$key" --from "$late" >"$root/table" || fail "from an entry on"
[ "$(grep -c 'signed message' "$root/table")" -eq 3 ] || { cat "$root/table"; fail "two messages and their count"; }   # 2 rows, 1 line of the summary
line=$(sed -n 's/^revoke *tmx-authority //p' "$root/table")
[ "$line" = "revoke DE --key $key --compromised-since 2026a:$late" ] || { cat "$root/table"; fail "the line for the authority"; }
compromise "$key" --from "$late" --to "$((late + 1))" | grep -c 'accepted' | grep -qx 1 || fail "one entry alone"
cp "$FED/directory.tmx" "$root/before"
# shellcheck disable=SC2086
"$AUTHORITY" $line --dir "$FED/authority" >"$root/said" 2>&1 && fed_sign || { cat "$root/said"; fail "the authority's program does not take it"; }
"$AUTHORITY" show "$FED/directory.tmx" --json | grep -q '"compromised_since"' || fail "the directory does not say it"

# The other keys of DE.
cosigned() { compromise "$(id_of DE witness_keys id)" --socket "$FED/broker/run/control" | grep -qE '^touched +cosigned head +[1-9]'; }
await cosigned || fail "no head is cosigned by DE"
compromise "$(id_of DE curve_keys id)" | grep -qE '^touched +maybe carried +[6-9]' || fail "nothing came over DE's connection"

# From the live broker, by tmxctl: the same rows, in the range that was asked for, and nothing is left behind.
live() { "$CTL" --socket "$FED/broker/run/control" compromise "$@"; }
compromise "$key" --socket "$FED/broker/run/control" --from "$late" --to "$((late + 1))" >"$root/table" || fail "by tmx-audit"
TMPDIR=$root live "$key" --from "$late" --to "$((late + 1))" >"$root/live" || { cat "$root/live"; fail "by tmxctl"; }
rows() { grep -E '^ *[0-9]+ ' "$1"; }
[ "$(rows "$root/table")" = "$(rows "$root/live")" ] && rows "$root/live" | grep -q accepted || { cat "$root/live"; fail "tmxctl says something else"; }
compgen -G "$root/tmxctl-*" && fail "tmxctl leaves its export behind"
live "$key" --json --export "$root/kept" | python3 -c 'import json, sys
d = json.load(sys.stdin)
assert d["verified"] and d["owner"] == "DE" and d["touched"]["signed message"] == 3, d' || fail "tmxctl as JSON"
[ -f "$root/kept/checkpoint" ] || fail "the export is not kept"
live "$key" --from here 2>"$root/said" && fail "--from here"
grep -q 'an entry of the log or a time' "$root/said" || { cat "$root/said"; fail "what --from takes"; }

# Which prekey a message is sealed to: the broker knows while it has the container, a node as long as it keeps it.
prekey() { python3 - "$FED/$1/run/control" "$2" <<'PY'
import json, socket, sys
with socket.socket(socket.AF_UNIX) as s:
    s.connect(sys.argv[1])
    s.sendall(f"slots {sys.argv[2]}\n".encode())
    s.shutdown(socket.SHUT_WR)
    print(json.loads(s.makefile().read())["keys"][0])
PY
}
cp "$root/before" "$FED/directory.tmx"   # in force is the one without the revocation, still
fed_stop IT
send DE IT waiting
queued() { is broker 'sum(x["queued"] for x in d["destinations"])' 1; }
await queued || fail "nothing waits for IT"
id=$(fed_ctl broker --json queue IT | python3 -c 'import json, sys; print(json.load(sys.stdin)["messages"][0]["id"])')
stolen=$(prekey broker "$id") || fail "the broker does not say what it is sealed to"
live "$stolen" >"$root/live" || { cat "$root/live"; fail "a prekey"; }
grep -qE "  sealed .*$id" "$root/live" || { cat "$root/live"; fail "the message is sealed to that prekey"; }
grep -qE '^touched +sealed +1$' "$root/live" || { cat "$root/live"; fail "one is"; }
fed_start_node IT && await taken waiting || fail "IT has not taken it"
[ "$(prekey IT "$id")" = "$stolen" ] || fail "the node keeps it, and says so"
live "$stolen" | grep -qE "maybe sealed .*$id" || fail "without the container the broker does not know"
"$CTL" --node "$FED/IT/run" compromise "$stolen" --export "$root/kept" 2>"$root/said" >"$root/live" || { cat "$root/said"; fail "at the node"; }
compromise "$stolen" --socket "$FED/broker/run/control" --ask "$FED/IT/run/control" >"$root/table" || fail "with the node beside the export"
grep -qE "  sealed .*$id" "$root/table" || { cat "$root/table"; fail "the node does not say it"; }
"$CTL" --node "$FED/IT/run" compromise "$stolen" >"$root/said" 2>&1 && fail "a node has no log"
grep -q -- '--export' "$root/said" || { cat "$root/said"; fail "why a node cannot"; }

# What cannot be done is said.
compromise 00000000ff >"$root/said" 2>&1 && fail "a key nobody has"
grep -q 'no directory or prekey set' "$root/said" || fail "why there is no such key"
"$AUDIT" gaps "$export" --from 5 --authority "$FED/authority.pub" 2>/dev/null; [ $? -eq 64 ] || fail "gaps takes no index"
"$AUDIT" report "$export" --from 5 --authority "$FED/authority.pub" 2>/dev/null; [ $? -eq 64 ] || fail "report takes no index"
say "the touched are listed, and the revocation is taken"
