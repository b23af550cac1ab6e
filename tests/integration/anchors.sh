#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Heads of a real log, time-stamped by an authority that the test makes: tmx-anchor, tmxctl, the export, tmx-audit verify --tsa,
# and openssl alone, which is shown nothing but entries, a token and the authority's certificate. LOG-5, LOG-9
# usage: anchors.sh SOURCE BUILD
set -uo pipefail
MEMBERS=(CH DE IT)
# shellcheck source=tests/integration/world.sh
. "$(dirname "$0")/world.sh"
source=$1
cd "$root" || exit 1
hanging='' server=''
answer() { timeout 5 sh -c ': >never'; }    # what hangs gets nothing, and ends
world_end() { [ -z "$hanging" ] || answer; [ -z "$server" ] || kill "$server"; }

# --- an authority: a root certificate, one for time-stamps, and a program that answers requests
authority() {   # authority FOLDER
    mkdir "$1"
    echo 01 >"$1/serial"
    printf '%s\n' '[tsa]' 'default_tsa = own' '[own]' "dir = $PWD/$1" 'serial = $dir/serial' 'signer_cert = $dir/tsa.pem' \
        'signer_key = $dir/tsa.key' 'signer_digest = sha256' 'default_policy = 1.2.3.4.1' 'digests = sha256, sha1' \
        'ess_cert_id_alg = sha256' >"$1/tsa.cnf"
    {
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 -subj "/CN=$1 root" -keyout "$1/ca.key" -out "$1/ca.pem" &&
            openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$1 stamps" -keyout "$1/tsa.key" -out "$1/tsa.csr" &&
            openssl x509 -req -in "$1/tsa.csr" -CA "$1/ca.pem" -CAkey "$1/ca.key" -CAcreateserial -days 365 -out "$1/tsa.pem" \
                -extfile <(echo extendedKeyUsage=critical,timeStamping)
    } >"$root/said" 2>&1 || fail "no authority: $(cat "$root/said")"
}
authority good
authority other
stamps="openssl ts -reply -config '$root/good/tsa.cnf' -queryfile /dev/stdin 2>/dev/null"

anchor() { PATH=$(dirname "$CTL"):$PATH "$source/deploy/tmx-anchor" --broker "$FED/broker/run" --ca good/ca.pem "$@" >"$root/said" 2>&1; }
refused() {     # refused STATUS REASON COMMAND…
    local status=$1 reason=$2 got=0
    shift 2
    "$@" >"$root/said" 2>&1 || got=$?
    [ $got = "$status" ] || fail "$* ended with $got, not $status: $(cat "$root/said")"
    grep -qE -e "$reason" "$root/said" || fail "$* does not say '$reason': $(cat "$root/said")"
}
head_size() { fed_ctl broker anchor show 2>/dev/null | sed -n 2p; }
log_size() { look broker 'd["log"]["size"]'; }
cosigned() { [ "$(head_size)" = "$(log_size)" ]; }
verified() {    # verified EXPORT OPTION…
    "$AUDIT" verify "$@" --authority "$FED/authority.pub" >"$root/verdict" 2>&1
}
export_log() { "$AUDIT" export --socket "$FED/broker/run/control" "$1" >"$root/said" 2>&1 || fail "no export: $(cat "$root/said")"; }

world_start
await cosigned || fail "the witnesses do not cosign"

# --- the authority is away, or hangs: the exchange goes on
mkfifo never
PATH=$(dirname "$CTL"):$PATH "$source/deploy/tmx-anchor" --broker "$FED/broker/run" --ca good/ca.pem --command 'cat <never' --seconds 200 &
hanging=$!
send DE IT first
collect IT 10 --ack
await settled || fail "the exchange waits for the authority"
kill -0 $hanging 2>/dev/null || fail "the authority did not hang"
answer && wait $hanging && fail "nothing was taken for a reply"
hanging=''
refused 1 'no answer from http' anchor --url http://127.0.0.1:1/
refused 1 'the command gave no reply' anchor --command false
refused 1 'does not verify' anchor --command 'cat'
refused 64 '--ca is missing' "$source/deploy/tmx-anchor" --url http://127.0.0.1:1/
refused 64 'no option' anchor --fly high

# --- a head is anchored; not by another authority, not by an old reply, not twice
await cosigned || fail "the witnesses do not cosign"
size=$(head_size)
fed_ctl broker anchor show >first.head
anchor --command "$stamps | tee reply" || fail "no anchor: $(cat "$root/said")"
grep -qx "the head of $size entries is anchored" "$root/said" || fail "tmx-anchor says something else: $(cat "$root/said")"
grep -q 'event=log.anchored' "$FED/broker/log" || fail "the broker does not log it"
fed_ctl broker status | grep -qE "^ +anchored up to entry $size, [0-9.]+ m?s ago$" || fail "the status does not show it: $(fed_ctl broker status)"
openssl ts -reply -in reply -token_out -out first.tst 2>/dev/null
refused 1 'that head has its token already' fed_ctl broker anchor install "$size" first.tst
refused 1 'a later head has its token already' fed_ctl broker anchor install $((size - 1)) first.tst
refused 1 'no head of that size was ever released' fed_ctl broker anchor install 999999 first.tst
refused 1 'second line of what anchor show printed' fed_ctl broker anchor install x first.tst
head -c 16385 /dev/zero >large
refused 1 'empty, or longer than 16 KiB' fed_ctl broker anchor install "$size" large
await cosigned || fail "the witnesses do not cosign"
before=$(log_size)
refused 1 'does not verify.*(nonce|imprint)' anchor --command 'cat >/dev/null; cat reply'
refused 1 'does not verify' anchor --command "${stamps/good/other}"
[ "$(log_size)" = "$before" ] || fail "something of that was logged"
send DE CH second
collect CH 10 --ack
await settled && await cosigned || fail "nothing came of the second message"

# --- the second one by HTTP
/usr/bin/python3 -B - good/tsa.cnf port 2>/dev/null <<'PY' &
import http.server, subprocess, sys
class Stamps(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        request = self.rfile.read(int(self.headers['Content-Length']))
        right = self.headers['Content-Type'] == 'application/timestamp-query'
        self.send_response(200 if right else 415)
        self.end_headers()
        self.wfile.write(subprocess.run(['openssl', 'ts', '-reply', '-config', sys.argv[1], '-queryfile', '/dev/stdin'],
                                        input=request, stdout=subprocess.PIPE).stdout)
server = http.server.HTTPServer(('127.0.0.1', 0), Stamps)
with open(sys.argv[2], 'w') as port:
    port.write(str(server.server_port))
server.handle_request()
PY
server=$!
await test -s port || fail "no server"
second=$(head_size)
anchor --url "http://127.0.0.1:$(<port)/" || fail "no second anchor: $(cat "$root/said")"
wait $server && server=''

# --- the export holds both, and verifies
await cosigned || fail "the witnesses do not cosign"
export_log export
ls export/anchors | sort -n | xargs | grep -qx "$size.tst $second.tst" || fail "the export holds other tokens: $(ls export/anchors)"
cmp -s first.tst "export/anchors/$size.tst" || fail "the token is another"
(cd export && sha256sum --check --strict --quiet SHA256) || fail "the list of files does not hold"
verified export || fail "the export does not verify: $(cat "$root/verdict")"
grep -qE '^anchors +2, but no token was verified' "$root/verdict" || fail "verify does not say what it did not do: $(cat "$root/verdict")"
grep -qE '^ +anchor +2$' "$root/verdict" || fail "two entries are not counted"
verified export --tsa good/ca.pem || fail "the tokens do not verify: $(cat "$root/verdict")"
grep -qE '^anchors +2, 2 verified, stamped from 20[0-9-]{8}T.* to 20' "$root/verdict" || fail "verify does not say when: $(cat "$root/verdict")"
verified export --tsa good/ca.pem --json || fail "--json"
python3 -c 'import json, sys, time
a = json.load(open(sys.argv[1]))["anchors"]
assert a["tokens"] == a["verified"] == 2 and 0 <= time.time() * 1000 - a["first_ms"] < 600000 and a["first_ms"] <= a["last_ms"], a' "$root/verdict" ||
    fail "the document says something else"

# --- openssl alone, over a head that is made of nothing but entries
/usr/bin/python3 -B - "$source" export "$size" >computed <<'PY' || fail "no head could be computed"
import base64, pathlib, sys
sys.path.insert(0, sys.argv[1] + '/tests/python')
from tmxspec import export, merkle
folder, size = pathlib.Path(sys.argv[2]), int(sys.argv[3])
origin, last = (folder / 'checkpoint').read_text().split('\n')[:2]
full, rest = divmod(int(last), export.TILE)
entries = [e for n in range(full) for e in export.bundle(folder, n, export.TILE)] + (export.bundle(folder, full, rest) if rest else [])
print(origin, size, base64.b64encode(merkle.tree_hash([merkle.leaf_hash(e) for e in entries[:size]])).decode(), sep='\n')
PY
cmp -s computed first.head || fail "anchor show printed another head than the entries make"
by_openssl() { openssl ts -verify -data "$1" -in "export/anchors/$2.tst" -token_in -CAfile "$3" >"$root/said" 2>&1; }
by_openssl computed "$size" good/ca.pem || fail "openssl does not verify the token: $(cat "$root/said")"
by_openssl computed "$second" good/ca.pem && fail "openssl takes a token of another head"
by_openssl computed "$size" other/ca.pem && fail "openssl takes a token of another authority"

# --- bent, exchanged, of another authority
verified export --tsa other/ca.pem && fail "tokens of another authority verify"
grep -qE "^fault +anchor: .*2 times" "$root/verdict" || fail "the fault is another: $(cat "$root/verdict")"
refused 1 'holds no certificate' "$AUDIT" verify export --tsa first.head --authority "$FED/authority.pub"
bent() {        # bent FILE-OF-TOKEN FAULT
    rm -rf bent && cp -r export bent && cp "$1" "bent/anchors/$size.tst" && rm bent/SHA256
    verified bent --tsa good/ca.pem && fail "$1 verifies"
    grep -q "anchors/$size.tst: $2" "$root/verdict" || fail "$1: the fault is another: $(cat "$root/verdict")"
}
{ head -c 100 first.tst; printf 'x'; tail -c +102 first.tst; } >flipped.tst
bent flipped.tst 'not the token that was logged'
bent "export/anchors/$second.tst" 'not the token that was logged'

# --- a certificate that has expired since: what it stamped before stays stamped
authority brief
mkdir brief/issued && : >brief/index
printf '%s\n' '[ca]' 'default_ca = own' '[own]' 'database = brief/index' 'serial = brief/serial' 'new_certs_dir = brief/issued' \
    'certificate = brief/ca.pem' 'private_key = brief/ca.key' 'default_md = sha256' 'policy = any' '[any]' 'commonName = supplied' >brief/ca.cnf
await cosigned || fail "the witnesses do not cosign"
openssl ca -batch -config brief/ca.cnf -in brief/tsa.csr -out brief/tsa.pem -notext -startdate "$(date -u -d '-1 hour' +%y%m%d%H%M%SZ)" \
    -enddate "$(date -u -d '+4 seconds' +%y%m%d%H%M%SZ)" -extfile <(echo extendedKeyUsage=critical,timeStamping) >"$root/said" 2>&1 || fail "$(cat "$root/said")"
brief=$(head_size)
anchor --command "${stamps/good/brief}" --ca brief/ca.pem || fail "no anchor by the certificate that ends soon: $(cat "$root/said")"
await cosigned || fail "the witnesses do not cosign"
export_log export
expired() { ! openssl verify -CAfile brief/ca.pem brief/tsa.pem >/dev/null 2>&1; }
await expired || fail "the certificate does not end"
cat good/ca.pem brief/ca.pem >both.pem
verified export --tsa both.pem || fail "a token does not outlive its certificate: $(cat "$root/verdict")"
grep -qE '^anchors +3, 3 verified' "$root/verdict" || fail "not three: $(cat "$root/verdict")"
refused 1 'expired' anchor --command "${stamps/good/brief}" --ca brief/ca.pem

# --- the broker does not look into a token: what a careless operator has it log, the auditor finds
await cosigned || fail "the witnesses do not cosign"
third=$(head_size)
fed_ctl broker anchor install "$third" first.tst >/dev/null || fail "a token of another head is not taken"
await cosigned || fail "the witnesses do not cosign"
fourth=$(head_size)
fed_ctl broker anchor install "$fourth" first.head >/dev/null || fail "what is no token is not taken"
await cosigned || fail "the witnesses do not cosign"
fifth=$(head_size)
fed_ctl broker anchor show >head
openssl ts -query -data head -sha1 -cert 2>/dev/null | sh -c "$stamps" | openssl ts -reply -in /dev/stdin -token_out -out weak.tst 2>/dev/null
fed_ctl broker anchor install "$fifth" weak.tst >/dev/null || fail "a weak token is not taken"
await cosigned || fail "the witnesses do not cosign"
export_log export
verified export || fail "the export does not verify: $(cat "$root/verdict")"
verified export --tsa both.pem --json && fail "wrong tokens verify"
python3 -c 'import json, sys
d = json.load(open(sys.argv[1]))
assert d["anchors"]["tokens"] == 6 and d["anchors"]["verified"] == 3, d["anchors"]
assert [(f["class"], f["count"]) for f in d["faults"]] == [("anchor", 3)] and sys.argv[2] in d["faults"][0]["first"], d["faults"]' \
    "$root/verdict" "anchors/$third.tst: message imprint mismatch" || fail "the faults are others: $(cat "$root/verdict")"
say "heads of $size and $second entries are anchored; $(stat -c %s first.tst) bytes a token; three wrong tokens found"
