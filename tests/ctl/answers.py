# SPDX-License-Identifier: Apache-2.0
"""What the fake daemon of test-ctl.py answers: the contract of include/tmx/control.h, with everything in it once."""
import copy
import json

NOW = 1772359200000  # 2026-03-01 10:00:00 UTC
DAY = 86400000
ID = "0195b0a1-7c3e-7a11-9f00-0123456789ab"

broker = {
    "role": "broker", "federation": "eu.transit", "version": "0.1.0", "pid": 4711, "at_ms": NOW,
    "uptime_ms": 3 * DAY + 7200000, "health": "ok", "problems": [],
    "log": {"origin": "tmx.eu.transit/log/2026a", "size": 1234567, "root": "ab" * 32, "checkpoint_age_ms": 1500},
    "spool": {"used_bytes": 13316456448, "capacity_bytes": 64 << 30, "percent": 19, "generation": 1},
    "directory": {"serial": 12, "expires_at_ms": NOW + 60 * DAY},
    "gates": [
        {"member": "DE", "endpoint": "tcp://192.0.2.1:7001", "state": "up", "restarts": 0},
        {"member": "FR", "endpoint": "tcp://192.0.2.1:7002", "state": "up", "restarts": 0},
        {"member": "CH", "endpoint": "tcp://192.0.2.1:7003", "state": "up", "restarts": 0}],
    "destinations": [
        {"member": "DE", "link": "up", "queued": 0, "queued_bytes": 0, "in_flight": 0, "last_seen_ms": 800},
        {"member": "FR", "link": "up", "queued": 12, "queued_bytes": 35651, "oldest_ms": 4200, "in_flight": 12,
         "last_seen_ms": 61000},
        {"member": "CH", "link": "never", "queued": 0, "queued_bytes": 0, "in_flight": 0}],
    "counters": {"accepted": 1200000, "refused": 3, "reports": 2399000, "expired": 0, "deferred": 17, "malformed": 0,
                 "duplicates": 21},
}

broker.update({
    "document": 1, "late_after_ms": 1200000, "clock_doubt": False,
    "keys": {"prekeys_until_at_ms": NOW + 29 * DAY, "prekeys_of": "CH"},
    "rates": {"accepted": [12.3456, 101.5], "accepted_bytes": [34567.8, 340000.0], "arrived": [12.1, 101.2],
              "delivered": [0.05, 100.9], "refused": [0.0, 0.0], "expired": [0.0, 0.004]},
    "latency": {"arrived_ms": {"p50": [12, 14], "p99": [180, 2100]}, "delivered_ms": {"p50": [None, 950], "p99": [None, 130000]}}})
broker["log"]["stopped"] = False
broker["spool"].update(full=False, full_in_ms=9 * DAY)
broker["destinations"][0].update(ages=[0] * 7, late=0)
broker["destinations"][1].update(ages=[12, 0, 0, 0, 0, 0, 0], late=0, next_retry_ms=900)
broker["destinations"][2].update(ages=[0] * 7, late=0)

trouble = copy.deepcopy(broker)
trouble["health"] = "critical"
trouble["problems"] = [
    {"severity": "critical", "text": "the spool is above its high-water mark: admission has stopped", "see": "tmxctl queue"},
    {"severity": "warning", "text": "the gate of FR is not up", "see": "journalctl -u tmx-broker -g gate.down"},
    {"severity": "warning", "text": "FR: 982451 wait longer than 20 min", "see": "tmxctl queue FR"},
    {"severity": "warning", "text": "alarms were raised"}]
trouble["spool"].update(used_bytes=61 << 30, percent=95)
trouble["directory"]["expires_at_ms"] = NOW - 2 * 3600000
trouble["gates"][1].update(state="waiting", restarts=3, failed="killed by signal 9")
trouble["gates"][2]["restarts"] = 1
trouble["destinations"][1].update(link="down", queued=982451, queued_bytes=45 << 30, oldest_ms=3 * DAY, in_flight=0,
                                  last_error="no-credit", last_seen_ms=3 * DAY, ages=[3, 40, 500, 6000, 70000, 800000, 105908],
                                  late=982451)
del trouble["destinations"][1]["next_retry_ms"]
trouble["spool"].update(full=True, full_in_ms=3600000)
trouble["log"].update(stopped=True, cosigned={"witnesses": 7, "by": 5, "size": 1234000, "quorum": True, "age_ms": 720000})
trouble["keys"] = {"prekeys_until_at_ms": NOW - DAY, "prekeys_of": "FR", "unreadable": "/etc/tmx/keys/log.key"}
trouble["clock_doubt"] = True
del trouble["log"]["checkpoint_age_ms"]
trouble["log"]["anchor"] = {"size": 1234000, "age_ms": 2 * DAY}

node = {
    "role": "node", "member": "DE", "federation": "eu.transit", "version": "0.1.0", "pid": 99, "at_ms": NOW,
    "uptime_ms": 90000, "health": "warning",
    "problems": [{"severity": "warning", "text": "the broker has not been heard for 5 min"}],
    "log": {"origin": "tmx.eu.transit/log/2026a", "size": 1234000, "root": "cd" * 32, "stopped": False},
    "spool": {"used_bytes": 1048576, "capacity_bytes": 8 << 30, "percent": 0, "generation": 2, "full": False},
    "directory": {"serial": 12, "expires_at_ms": NOW + 60 * DAY},
    "link": {"state": "down", "endpoint": "tcp://192.0.2.1:7001", "last_seen_ms": 300000, "last_error": "bad-session"},
    "destinations": [
        {"member": "FR", "queued": 4, "open": 6, "ages": [1, 2, 3, 0, 0, 0, 0], "late": 0, "oldest_ms": 840000},
        {"member": "CH", "queued": 0, "open": 0, "ages": [0] * 7, "late": 0}],
    "inbox": {"offered": 3, "leased": 1, "held": 0},
    "keys": {"prekeys_until_at_ms": NOW + 20 * DAY, "prekeys_of": "DE"}, "clock_doubt": False,
    "rates": {"submitted": [0.2, 3.0], "accepted": [0.0, 3.0], "received": [2.0, 2.0]},
    "latency": {"accepted_ms": {"p50": [35, 40], "p99": [80, 90]}},
    "counters": {"submitted": 4, "delivered": 0},
}

well = copy.deepcopy(broker)
well["destinations"][2].update(link="up", last_seen_ms=100)
well["destinations"][1].update(queued=0, queued_bytes=0, in_flight=0, ages=[0] * 7)
del well["destinations"][1]["oldest_ms"]

fresh = copy.deepcopy(node)
fresh.update(health="ok", problems=[], log={"origin": "", "size": 0, "root": "", "stopped": False})
fresh["link"] = {"state": "never", "endpoint": "tcp://192.0.2.1:7001"}

peers = {"peers": [
    {"member": "DE", "name": "Zoll Deutschland", "status": "active", "link": "up", "session": 5, "last_seen_ms": 800,
     "feed_next": 1234567, "feed_acked": 1234560, "prekeys_until_at_ms": NOW + 29 * DAY},
    {"member": "FR", "name": "Douane fran\u00e7aise", "status": "suspended", "link": "down", "session": 4,
     "last_seen_ms": 5 * 3600000, "feed_next": 9, "feed_acked": 9, "last_error": "member-suspended"},
    {"member": "XX", "status": "revoked", "prekeys_until_at_ms": 0}]}

queues = {"queues": [{"member": "FR", "queued": 12, "queued_bytes": 35651, "oldest_ms": 4200, "in_flight": 12},
                     {"member": "DE", "queued": 0}]}

queue = {"member": "FR", "queued": 12, "messages": [
    {"id": ID, "sender": "DE", "type": "CD001C", "priority": 5, "age_ms": 4200, "bytes": 2971, "state": "in flight"},
    {"id": ID[:-1] + "c", "sender": "CH", "type": "CD003C", "priority": 0, "age_ms": 119000, "bytes": 20971520,
     "state": "queued"}]}

message = {"id": ID, "sender": "DE", "type": "CD050C", "priority": 5, "bytes": 2971, "sent_at_ms": NOW - 5000,
           "expires_at_ms": NOW + 7 * DAY, "index": 1234001, "deliveries": [
               {"recipient": "CH", "seq": 4001, "state": "delivered", "index": 1234090, "at_ms": NOW - 1000, "attempts": 1},
               {"recipient": "FR", "seq": 912, "state": "refused", "index": 1234100, "at_ms": NOW, "attempts": 2,
                "code": "refused"}]}

directory = {"serial": 12, "federation": "eu.transit", "issued_at_ms": NOW - 30 * DAY, "expires_at_ms": NOW + 60 * DAY,
             "members": [{"member": "DE", "name": "Zoll Deutschland", "status": "active"},
                         {"member": "XX", "name": "Gone", "status": "revoked"}]}


why = {"subject": "FR", "kind": "member", "health": "critical", "causes": [
    {"code": "wrong-key", "severity": "critical", "text": "wrong key: the node of CH connects to the gate of FR",
     "evidence": "12 handshakes refused, the last 4 s ago from 192.0.2.7 (log: transport.refused)",
     "fix": "at that node: member and keys in tmx-node.conf do not belong together"},
    {"code": "missing-prekey", "severity": "warning", "member": "FR", "text": "missing prekey\u001b[2J", "evidence": "none",
     "fix": "wait"}], "looked": [{"code": "clock", "evidence": "by this machine's clock it is noon"}]}
why_nothing = {"subject": "FR", "kind": "member", "health": "ok", "causes": [], "looked": [
    {"code": "clock", "evidence": "by this machine's clock it is noon"},
    {"code": "link-down", "member": "FR", "evidence": "its link is up, the last frame came 2 s ago"}]}


def without(document, *path):
    d = copy.deepcopy(document)
    o = d
    for key in path[:-1]:
        o = o[key]
    del o[path[-1]]
    return d


evil = copy.deepcopy(node)
evil["link"]["last_error"] = "\u001b[2J\u001b[31mgone\nhealth: ok"
evil["destinations"] = []
evil["counters"] = {"\u001b[2Jx": 1, "y": "no number"}

# name, arguments, request expected, attachment expected, answer (bytes, or None: nobody listens), exit code, and where it is not
# 120, how many columns the screen has (None: it is none)
head = "tmx.eu.transit/log/2026a\n70000\n" + "q6ur" * 10 + "q6s=\n"

page = {"next": 9, "events": [
    {"index": 5, "at_ms": NOW, "what": "prekeys", "from": "FR"},
    {"index": 6, "at_ms": NOW, "what": "accepted", "id": ID, "type": "CD001C", "from": "DE", "to": ["CH", "FR"]},
    {"index": 7, "at_ms": NOW + 1000, "what": "arrived", "id": ID, "type": "CD001C", "from": "DE", "to": ["FR"]},
    {"index": 8, "at_ms": NOW + 2000, "what": "refused", "id": ID, "type": "CD001C", "from": "DE", "to": ["FR\u001b[2J"], "code": "refused"}]}
both = f"message {ID}\nevidence {ID}"
no_evidence = {"error": "no evidence of it: starting, recovering or stopping", "code": "not-ready"}
AUTHORITY = b"threshold 1\ntmx.eu.transit/authority/1+17f7daea+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c\n"
operators = {"installation": "tmx.eu.transit/broker", "operators": [
    {"name": "alice", "key": "alice+d9a0e9a8+AYkk", "rights": ["pause", "resume", "hold"]},
    {"name": "bob\u001b[2J", "key": "bob+51f2c4d1+AbN1", "rights": ["pause"]}]}
proposal = {"action": "propose", "of": "expire", "by": "alice", "at_ms": NOW, "reason": "sent twice", "index": 81,
            "deliveries": [{"id": ID, "recipient": "FR"}, {"id": ID, "recipient": "CH"}], "until_at_ms": NOW + DAY,
            "digest": "q6ur" * 10 + "q6s="}
approval = {"action": "approve", "by": "bob", "at_ms": NOW + 60000, "reason": "seen", "index": 84, "proposal": 81, "deliveries": []}
waiting = {"id": ID, "recipient": "FR", "sender": "DE", "type": "CD001C", "age_ms": 7200000, "bytes": 2048, "held": False}

CASES = [
    ("status-ok", ["status"], "status", b"", broker, 0),
    ("status-trouble", ["status"], "status", b"", trouble, 2),
    ("status-all", ["--all", "status"], "status", b"", trouble, 2),
    ("status-counting", ["status"], "status", b"", dict(broker, counted_percent=37), 0, 80),
    ("status-80", ["status"], "status", b"", trouble, 2, 80),
    ("status-160", ["status"], "status", b"", trouble, 2, 160),
    ("status-narrow", ["status"], "status", b"", trouble, 2, 46),
    ("status-pipe", ["status"], "status", b"", trouble, 2, None),
    ("status-node-80", ["--all", "status"], "status", b"", node, 1, 80),
    ("status-well", ["status"], "status", b"", well, 0, 80),
    ("watch-no-terminal", ["--watch", "status"], None, b"", None, 64),
    ("watch-no-seconds", ["--watch=0", "status"], None, b"", None, 64),
    ("check-backlog", ["check", "backlog"], "status", b"", broker, 0),
    ("check-backlog-late", ["check", "backlog"], "status", b"", trouble, 2),
    ("check-backlog-limit", ["check", "backlog", "--max-age", "4s"], "status", b"", broker, 1),
    ("check-backlog-none", ["check", "backlog"], "status", b"", well, 0),
    ("check-backlog-node", ["check", "backlog", "--max-age", "10min"], "status", b"", node, 1),
    ("check-backlog-counting", ["check", "backlog"], "status", b"", dict(node, counted_percent=37), 3),
    ("check-backlog-older", ["check", "backlog"], "status", b"", without(node, "destinations", 0, "oldest_ms"), 3),
    ("check-keys", ["check", "keys"], "status", b"", broker, 0),
    ("check-keys-within", ["check", "keys", "--within", "61d"], "status", b"", broker, 1),
    ("check-keys-unreadable", ["check", "keys"], "status", b"", trouble, 2),
    ("check-keys-over", ["check", "keys"], "status", b"", dict(broker, keys={"prekeys_until_at_ms": NOW - DAY, "prekeys_of": "FR"}), 2),
    ("check-log", ["check", "log"], "status", b"", broker, 0),
    ("check-log-stopped", ["check", "log"], "status", b"", trouble, 2),
    ("check-log-none", ["check", "log"], "status", b"", fresh, 1),
    ("check-disk", ["check", "disk"], "status", b"", broker, 0),
    ("check-disk-full", ["check", "disk"], "status", b"", trouble, 2),
    ("check-disk-soon", ["check", "disk"], "status", b"", dict(broker, spool=dict(broker["spool"], full_in_ms=7200000)), 1),
    ("check-peers", ["check", "peers"], "status", b"", well, 0),
    ("check-peers-away", ["check", "peers"], "status", b"", broker, 1),
    ("check-peers-node", ["check", "peers"], "status", b"", node, 2),
    ("check-cosigned", ["check", "cosigned"], "status", b"", broker, 0),
    ("check-cosigned-late", ["check", "cosigned"], "status", b"", trouble, 1),
    ("check-directory", ["check", "directory"], "status", b"", broker, 0),
    ("check-directory-over", ["check", "directory"], "status", b"", trouble, 2),
    ("check-clock", ["check", "clock"], "status", b"", broker, 0),
    ("check-clock-doubt", ["check", "clock"], "status", b"", trouble, 2),
    ("check-older-daemon", ["check", "clock"], "status", b"", without(broker, "clock_doubt"), 3),
    ("check-error", ["check", "clock"], "status", b"", {"error": "starting", "code": "not-ready"}, 3),
    ("check-down", ["check", "log"], None, b"", None, 3),
    ("check-unknown", ["check", "backlock"], None, b"", None, 64),
    ("check-what", ["check"], None, b"", None, 64),
    ("check-no-time", ["check", "backlog", "--max-age", "soon"], None, b"", None, 64),
    ("status-node", ["status"], "status", b"", node, 1),
    ("status-fresh", ["status"], "status", b"", fresh, 0),
    ("status-evil", ["status"], "status", b"", evil, 1),
    ("status-json", ["--json", "status"], "status", b"", {"role": "broker", "health": "warning"}, 1),
    ("status-odd-health", ["--json", "status"], "status", b"", {"health": "fine"}, 3),
    ("status-error", ["status"], "status", b"", {"error": "starting", "code": "not-ready"}, 3),
    ("status-no-spool", ["status"], "status", b"", without(broker, "spool"), 3),
    ("status-no-percent", ["status"], "status", b"", without(broker, "spool", "percent"), 3),
    ("status-bad-row", ["status"], "status", b"", without(broker, "destinations", 1, "queued"), 3),
    ("status-gates-missing", ["status"], "status", b"", without(broker, "gates"), 3),
    ("status-partial", ["status"], "status", b"", json.dumps(broker).encode()[:300], 3),
    ("status-empty", ["status"], "status", b"", b"", 3),
    ("status-array", ["status"], "status", b"", b"[]", 3),
    ("peers", ["peers"], "peers", b"", peers, 0),
    ("peers-broken", ["peers"], "peers", b"", {"peers": [{"member": "DE"}]}, 3),
    ("queues", ["queue"], "queue", b"", queues, 0),
    ("queue", ["queue", "FR"], "queue FR", b"", queue, 0),
    ("queue-broken", ["queue", "FR"], "queue FR", b"", without(queue, "messages", 1, "type"), 3),
    ("queue-empty", ["queue", "DE"], "queue DE", b"", {"member": "DE", "queued": 0, "messages": []}, 0),
    ("queue-unknown", ["queue", "Z Z"], "queue Z%20Z", b"",
     {"error": "no such member in the directory", "code": "unknown-member"}, 1),
    ("message", ["message", ID], both, b"", [message, no_evidence], 0),
    ("message-replaces", ["message", ID], both, b"", [dict(message, replaces="0195a0a1-7c3e-7a11-9f00-0123456789ab"), no_evidence], 0),
    ("message-several", ["message", ID], both, b"",
     [{"messages": [message, {"id": ID, "sender": "FR", "deliveries": []}]}, no_evidence], 0),
    ("message-broken", ["message", ID], both, b"", [{"messages": [message, {"id": ID}]}, no_evidence], 3),
    ("message-no-evidence", ["message", ID], both, b"", [message, b""], 2),
    ("message-not-evidence", ["--authority", "FILE", "message", ID], both, AUTHORITY, [message, b'{"payload": 7}\nnothing'], 2),
    ("message-no-keys", ["--authority", "FILE", "message", ID], both, b"no keys", [message, b'{"payload": 7}\nnothing'], 2),
    ("why", ["why", "FR"], "why FR", b"", why, 2),
    ("why-nothing", ["why", "FR"], "why FR", b"", why_nothing, 0),
    ("why-broken", ["why", "FR"], "why FR", b"", without(why, "causes", 1, "fix"), 3),
    ("why-unknown", ["why", ID], "why " + ID, b"", {"error": "no message with this id", "code": "unknown-message"}, 1),
    ("trace", ["trace", "--count", "4", "5"], "trace 5", b"", page, 0),
    ("trace-filter", ["trace", "--member", "FR", "--outcome", "arrived", "--type", "CD001C", "--count", "1"], "trace\ntrace 5", b"",
     [{"next": 5, "events": []}, page], 0),
    ("trace-json", ["--json", "trace", "--outcome", "accepted", "--count", "1", "5"], "trace 5", b"", page, 0),
    ("trace-refused", ["trace"], "trace", b"", {"error": "unknown request", "code": "unknown-command"}, 1),
    ("trace-broken", ["trace", "5"], "trace 5", b"", without(page, "events", 2, "what"), 3),
    ("trace-down", ["trace"], None, b"", None, 3),
    ("usage-count", ["trace", "--count", "none"], None, b"", None, 64),
    ("directory-show", ["directory", "show"], "directory show", b"", directory, 0),
    ("directory-install", ["directory", "install", "FILE"], "directory install", b"signed\0directory",
     {"installed": True, "serial": 13}, 0),
    ("directory-refused", ["directory", "install", "FILE"], "directory install", b"signed\0directory",
     {"error": "serial 11 is lower than 12, which is in force", "code": "serial"}, 1),
    ("directory-no-file", ["directory", "install", "/nonexistent"], None, b"", None, 1),
    ("anchor-show", ["anchor", "show"], "anchor show", b"", {"size": 70000, "text": head}, 0),
    ("anchor-not-yet", ["anchor", "show"], "anchor show", b"",
     {"error": "no quorum of witnesses has cosigned a head of the log yet", "code": "not-ready"}, 1),
    ("anchor-install", ["anchor", "install", "70000", "FILE"], "anchor install 70000", b"0\x82token", {"anchored": 70000}, 0),
    ("anchor-refused", ["anchor", "install", "70000", "FILE"], "anchor install 70000", b"0\x82token",
     {"error": "not anchored: that head has its token already", "code": "refused"}, 1),
    ("operators", ["operators"], "operators", b"", operators, 0),
    ("operators-none", ["operators"], "operators", b"", {"error": "this installation has no operators", "code": "no-operators"}, 1),
    ("operations", ["operations"], "operations", b"", {"operations": [approval, proposal]}, 0),
    ("operations-none", ["operations"], "operations", b"", {"operations": []}, 0),
    ("proposals", ["proposals"], "proposals", b"", {"proposals": [proposal]}, 0),
    ("proposals-none", ["proposals"], "proposals", b"", {"proposals": []}, 0),
    ("pause", ["pause", "FR", "--reason", "it's due"], "status", b"", broker, 0),
    ("pause-unknown", ["pause", "XX", "--reason", "it's due"], "status", b"", broker, 1),
    ("drain", ["drain"], "status", b"", broker, 0),
    ("hold", ["hold", "--to", "FR", "--older-than", "1h"], "select hold FR 3600000 -", b"", {"deliveries": [waiting] * 12}, 0),
    ("hold-nothing", ["hold", "--type", "CD001C"], "select hold - 0 CD001C", b"", {"deliveries": []}, 1),
    ("hold-id", ["hold", ID], "message " + ID, b"",
     dict(message, deliveries=[{"recipient": "FR", "state": "queued", "actions": ["hold", "expire"]},
                               {"recipient": "CH", "state": "queued", "actions": ["release", "expire"]},
                               {"recipient": "IT", "state": "arrived", "actions": ["lose"]}]), 0),
    ("hold-many", ["hold", "--to", "FR"], "select hold FR 0 -", b"", {"deliveries": [waiting] * 300}, 0),
    ("hold-from", ["hold", "--from", "DE"], "select hold - 0 -", b"", {"deliveries": [waiting, dict(waiting, sender="CH")]}, 0),
    ("release-id-none", ["release", ID, "--to", "FR"], "message " + ID, b"",
     dict(message, deliveries=[{"recipient": "FR", "state": "queued", "actions": ["hold"]}]), 1),
    ("release-node", ["release", ID], "message " + ID, b"",
     dict(message, deliveries=[{"recipient": "DE", "state": "held", "actions": ["release"]}]), 0),
    ("release-old-daemon", ["release", ID], "message " + ID, b"", dict(message, deliveries=[{"recipient": "DE", "state": "held"}]), 1),
    ("replay", ["--node", "RUN", "replay", ID], "message " + ID, b"",
     dict(message, deliveries=[{"recipient": "DE", "state": "arrived", "actions": ["replay"]}]), 0),
    ("retry-node", ["--node", "RUN", "retry", "FR", "--reason", "now"], "status", b"", node, 0),
    ("retry-reports", ["--node", "RUN", "retry", "DE", "--reason", "now"], "status", b"", node, 0),
    ("requeue", ["requeue", "--to", "FR", "--older-than", "1h"], "select retry FR 3600000 -", b"", {"deliveries": [waiting]}, 0),
    ("usage-replay-broker", ["replay", ID], None, b"", None, 64),
    ("usage-requeue-node", ["--node", "RUN", "requeue", "FR"], None, b"", None, 64),
    ("usage-pause-node", ["--node", "RUN", "pause", "FR"], None, b"", None, 64),
    ("usage-ping-broker", ["ping", "FR", "--reason", "x", "--yes"], None, b"", None, 64),
    ("usage-ping-dry", ["--node", "RUN", "ping", "FR", "--reason", "x"], None, b"", None, 64),
    ("ping-read-only", ["--node", "RUN", "ping", "FR"], "ping FR", b"",
     {"error": "you may look, and no more", "code": "read-only"}, 1),
    ("approve", ["approve", "81"], "proposals", b"", {"proposals": [proposal]}, 0),
    ("approve-none", ["approve", "80"], "proposals", b"", {"proposals": [proposal]}, 1),
    ("usage-hold", ["hold"], None, b"", None, 64),
    ("usage-hold-both", ["hold", ID, "--type", "CD001C"], None, b"", None, 64),
    ("usage-expire", ["expire", ID], None, b"", None, 64),
    ("usage-propose", ["propose", "pause", "FR"], None, b"", None, 64),
    ("usage-lose", ["propose", "lose", "--to", "FR"], None, b"", None, 64),
    ("usage-pause", ["pause"], None, b"", None, 64),
    ("usage-reason", ["pause", "FR", "--yes"], None, b"", None, 64),
    ("usage-older", ["hold", "--older-than", "soon"], None, b"", None, 64),
    ("usage-operators", ["operators", "sign"], None, b"", None, 64),
    ("misbehaviour", ["misbehaviour"], "misbehaviour", b"",
     {"file": "/p/misbehaviour-1", "written": True, "came_at_ms": NOW, "text": "tmx-fork@v1\n\ntmx.eu.transit/log/2026a\n\u001b[2J\n"}, 0),
    ("misbehaviour-none", ["misbehaviour"], "misbehaviour", b"",
     {"error": "everything the broker showed this node fitted its log", "code": "no-misbehaviour"}, 1),
    ("misbehaviour-broken", ["misbehaviour"], "misbehaviour", b"", {"file": "/p/misbehaviour-1", "text": "x"}, 3),
    ("witness-request", ["witness", "request", "far"], "witness request far", b"",
     {"witness": "far", "size": 7, "url": "https://far.example/w", "body": "old 3\nQUJD\n\ntmx.eu.transit/log/2026a\n"}, 0),
    ("witness-nothing", ["witness", "request", "far"], "witness request far", b"",
     {"error": "it need not be asked now: no head waits for its cosignature", "code": "nothing"}, 1),
    ("witness-reply", ["witness", "reply", "far", "200", "FILE"], "witness reply far 200", b"signed\0directory",
     {"cosigned": True, "size": 7, "by": 3, "witnesses": 4}, 0),
    ("witness-conflict", ["witness", "reply", "far", "409", "FILE"], "witness reply far 409", b"signed\0directory",
     {"cosigned": False, "size": 0, "by": 0, "witnesses": 4}, 0),
    ("usage-witness", ["witness"], None, b"", None, 64),
    ("usage-witness-reply", ["witness", "reply", "far", "200"], None, b"", None, 64),
    ("down", ["peers"], None, b"", None, 3),
    ("down-status", ["status"], None, b"", None, 3),
    ("usage-none", [], None, b"", None, 64),
    ("usage-unknown", ["statsu"], None, b"", None, 64),
    ("usage-far", ["qwertyuiop"], None, b"", None, 64),
    ("usage-directory", ["directory"], None, b"", None, 64),
    ("usage-anchor", ["anchor", "install", "70000"], None, b"", None, 64),
    ("usage-anchor-more", ["anchor", "show", "70000"], None, b"", None, 64),
    ("usage-missing", ["message"], None, b"", None, 64),
    ("usage-bad-id", ["message", "12"], None, b"", None, 64),
    ("usage-too-many", ["status", "now"], None, b"", None, 64),
    ("usage-option", ["--fly", "status"], None, b"", None, 64),
    ("help", ["--help"], None, b"", None, 0),
    ("version", ["--version"], None, b"", None, 0),
]
