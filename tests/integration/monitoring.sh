#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The endpoint of real daemons: what it says is what tmxctl says; its metrics are well-formed, a real Prometheus scrapes them,
# every expression of the dashboard and of the alerting rules has data, and alerts fire for real faults. No client of it keeps
# the daemon from its work.
# usage: monitoring.sh SOURCE BUILD
set -uo pipefail
MEMBERS=(CH DE IT)
# shellcheck source=tests/integration/world.sh
. "$(dirname "$0")/world.sh"
tools=$("$1/tests/harness/prometheus.sh") || exit 1
prometheus=''
world_end() { [ -z "$prometheus" ] || { kill "$prometheus"; wait "$prometheus"; } 2>/dev/null; }

read -r -a ports < <(fed_free_ports 5)
FED_BROKER_CONF="http = 127.0.0.1:${ports[0]}"
world_made() {
    local i
    for i in 0 1 2; do fed_node_conf "${MEMBERS[$i]}" "http = 127.0.0.1:${ports[$((i + 1))]}"; done
}
get() { curl -sS --max-time 5 "http://127.0.0.1:$1$2"; }
code() { curl -s --max-time 5 -o /dev/null -w '%{http_code}' "http://127.0.0.1:$1$2"; }
ask() { python3 "$1/tests/integration/monitoring.py" "http://127.0.0.1:${ports[4]}" "${@:2}"; }

# --- an address that others could reach is none
world_start
sed "s/^http = .*/http = 0.0.0.0:${ports[0]}/" "$FED/broker/tmx-broker.conf" >"$FED/broker/open.conf"
"$BROKER" --check-config --config "$FED/broker/open.conf" 2>"$root/said"
[ $? -eq 78 ] && grep -q 'loopback address' "$root/said" || fail "an address that others can reach is taken: $(cat "$root/said")"
"$BROKER" --check --config "$FED/broker/open.conf" >"$root/said"
[ $? -eq 2 ] && grep -q '\bhttp\b.*0.0.0.0' "$root/said" || fail "--check lets it pass: $(cat "$root/said")"

# --- clients that say nothing, as many as there are places, cost the exchange nothing
python3 -c 'import signal, socket, sys
all = [socket.create_connection(("127.0.0.1", int(sys.argv[1]))) for _ in range(30)]
print("there", flush=True)
signal.pause()' "${ports[0]}" >"$root/idle" &
idle=$!
await grep -q there "$root/idle" || fail "30 clients do not get through"
send DE IT first second
send CH IT third
collect IT 10 --ack
collect IT 2 --ack
has IT first && has IT second && has IT third || fail "with idle clients of its endpoint the broker does not deliver"
kill "$idle"
fed_stop IT   # its link counts as up for 20 s
send DE IT waits

# --- a Prometheus
cat >"$root/prometheus.yml" <<YML
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: ["$1/deploy/prometheus/tmx.rules.yml"]
scrape_configs:
  - job_name: tmx
    static_configs: [{targets: [$(printf '"127.0.0.1:%s",' "${ports[@]:0:4}")]}]
YML
"$tools/prometheus" --config.file="$root/prometheus.yml" --storage.tsdb.path="$root/tsdb" \
    --web.listen-address="127.0.0.1:${ports[4]}" >"$root/prometheus.log" 2>&1 &
prometheus=$!
ready() { [ "$(code "${ports[4]}" /-/ready)" = 200 ]; }
await ready || fail "Prometheus does not start: $(tail -n 5 "$root/prometheus.log")"

# --- the same document as over the control socket; health; all that there is
same() {   # same NAME PORT
    get "$2" /status.json >"$root/http.json" && fed_ctl "$1" --json status >"$root/ctl.json" && python3 - "$root"/*.json <<'PY'
import json, sys
def form(d):   # what changes from one moment to the next is its numbers
    return {k: form(v) for k, v in d.items()} if isinstance(d, dict) else [form(v) for v in d] if isinstance(d, list) else type(d).__name__
ctl, http = (json.load(open(p)) for p in sys.argv[1:])
sys.exit(form(ctl).keys() != form(http).keys() or [ctl[k] for k in ("role", "pid", "federation")] != [http[k] for k in ("role", "pid", "federation")])
PY
}
for i in 0 1 2; do
    name=$([ "$i" -eq 0 ] && echo broker || echo "${MEMBERS[$((i - 1))]}")
    same "$name" "${ports[$i]}" || fail "$name says something else over HTTP than tmxctl"
    [ "$(code "${ports[$i]}" /healthz)" = 200 ] || fail "$name is well, and /healthz says $(code "${ports[$i]}" /healthz)"
    get "${ports[$i]}" /metrics | "$tools/promtool" check metrics >"$root/said" 2>&1 || fail "metrics of $name: $(cat "$root/said")"
    for path in / /history.json /recent.json; do
        [ "$(code "${ports[$i]}" $path)" = 200 ] || fail "$name has no $path"
    done
done

# --- what is wrong with a member, and what needs attention; every expression has data
alert() { ask "$1" --alert "${@:2}" || fail "Prometheus: $2 $3"; }
ask "$1" "$1/deploy/grafana/tmx.json" || fail "not every expression has data"
alert "$1" TmxDown "instance=127.0.0.1:${ports[3]}"
alert "$1" TmxMemberAway member=IT
fed_ctl broker why IT >"$root/said"   # the alert's command
grep -q IT "$root/said" || fail "the command of the alert says nothing: $(cat "$root/said")"

# --- the broker goes away: its nodes answer as before
fed_stop broker
alert "$1" TmxDown "instance=127.0.0.1:${ports[0]}"
[ "$(code "${ports[2]}" /healthz)" = 200 ] || fail "a node without a broker has no answer"
say "passed"
