/* SPDX-License-Identifier: Apache-2.0
 * The operators' control socket of a daemon, and the contract of what is said on it.
 *
 * A Unix stream socket (mode 0660: its group are the operators). One request a connection:
 *
 *     word { SP word } LF [attachment]     then the client shuts down its writing side
 *
 * In a word, bytes up to 0x20, 0x7f and '%' are written %XX. The answer is one JSON document on one line; then the daemon
 * closes. Some answers have a payload: the document's member "payload" is its size, LF and so many bytes follow.
 * Servers bound everything: clients, sizes, time. Whoever may connect may look. What changes something is signed by an operator
 * (`operate`), or comes from root or the daemon's own user, who hold its spool and keys anyway (lib/io/answer_rights.c); it is marked !
 * here, and refused to others with the code "read-only".
 *
 * Requests and their answers. Members marked ? may be missing. Times are milliseconds: of the wall clock where the name
 * ends in _at_ms, otherwise how long ago or how long. Members may be added; readers ignore what they do not know.
 *
 *   every failure   {"error": "what is wrong and what to do", "code"?: "unknown-command"}
 *
 *   status          {"document"?: 1, its version, "role": "broker" | "node" | "archive", "member"?: "DE" (node), "federation", "version", "pid", "at_ms",
 *                    "uptime_ms", "health": "ok" | "warning" | "critical",
 *                    "problems": [{"severity": "warning" | "critical", "text", "see"?: the command that looks deeper}],
 *                    "log": {"origin", "size", "root" (hex), "checkpoint_age_ms"?, "stopped"?: nothing is signed (broker), or used of it (node),
 *                            "cosigned": {"witnesses", "by", "size", "quorum", "age_ms"?, "upgrading"?}?},   a node's: its verified head,
 *                                                                            and whether evidence is being led there
 *                            "anchor"? (broker): {"size": of the newest head that has a time-stamp token, "age_ms": of it}
 *                    "spool": {"used_bytes", "capacity_bytes", "percent", "generation", "turns", "full_in_ms"?,
 *                              "full"?: nothing new is taken,
 *                              "damaged"? (node): {"records" found damaged and kept aside, "age_ms": of the newest, "what" that was}},
 *                    "clock_doubt"?: true or false,
 *                    "directory": {"serial", "expires_at_ms"},
 *                    "gates"? (broker): [{"member", "endpoint", "state": "up" | "starting" | "waiting" | "ending",
 *                                         "restarts", "failed"?: "why the last one ended"}],
 *                    "link"? (node): {"state": "up" | "down" | "never", "endpoint", "last_seen_ms"?, "last_error"?},
 *                    "destinations": [{"member", "status"?: as in peers, "link"? (broker): "up" | "down" | "never", "queued",
 *                                      "queued_bytes"?, "oldest_ms"?, "in_flight"?, "last_error"?, "last_seen_ms"?,
 *                                      "ages"?: [how many wait under 1 min, 5 min, 20 min, 1 h, 4 h, 24 h, longer], "late"?: how many
 *                                      of them longer than "late_after_ms" (to 15 s; neither is known while
 *                                      "counted_percent" is there), "next_retry_ms"?: until something in flight is sent again,
 *                                      "open"? (node): deliveries to it that have not arrived, which are what "ages", "late" and
 *                                      "oldest_ms" (there a day at the most) are of}],
 *                    "keys"?: {"prekeys_until_at_ms"?, "prekeys_of"?, "unreadable"?: path of a private key}: of the active member whose dated
 *                                                            prekeys end first; of a node its own
 *                    "late_after_ms"?: the configured target,
 *                    "counted_percent"?: after a start, how much of what was queued is counted by its age, until all of it is
 *                    "inbox"? (node): {"offered", "leased", "held"},
 *                    "stops", "proposals" (broker): as `operations` and `proposals` show them; "holds" (broker): {MEMBER: how many},
 *                    "counters": {NAME: NUMBER since the start, ...},
 *                    "rates"?: {COUNTER: [1 min, 15 min]},   a second, over the last 60 to 70 s and the last 15 min, or as long as
 *                                                            it runs; null in the first second
 *                    "latency"?: {NAME: {"p50": [1 min, 15 min], "p99": [1 min, 15 min]}}}   milliseconds, off by a quarter at
 *                                                            the most; null where nothing was measured
 *                   Latencies of a broker, by the times of leaves: "arrived_ms" acceptance to CoA, "delivered_ms" acceptance to
 *                   positive CoD. Of a node, of messages it sent, from their submission until the leaf was verified here:
 *                   "accepted_ms", "arrived_ms", "delivered_ms".
 *                   "spool" has "full_in_ms" when it would be full at the pace of the last 15 min, within a year.
 *   history         {"document": 1, "at_ms", "step_ms": 60000, "ago_ms": [when each interval ended], "length_ms": [how long it
 *                    was], "counters": {NAME: [what was counted in it]}, "levels": {NAME: [at its end]},
 *                    "latency": {NAME: {"p50": [null where nothing was measured], "p99": []}}}: of whole minutes, the oldest
 *                    first, of six hours at the most; all lists are of one length, 0 in the first minute. Counters and latencies
 *                    as in status. Levels: "spool_bytes"; of a broker "queued", "arrived", "in_flight"; of a node "waiting",
 *                    "unanswered", "offered" (leased, blocked and held ones, too). Nothing is stored: it begins with the process
 *   history recent  the same in steps of 10 s, of a quarter of an hour
 *   peers           {"peers": [{"member", "name"?, "status": "active" | "suspended" | "revoked",
 *                               "link"?: "up" | "down" | "never", "session"?, "last_seen_ms"?, "feed_next"?,
 *                               "feed_acked"?, "last_error"?, "prekeys_until_at_ms"?}]}
 *   queue           {"queues": [{"member", "queued", "queued_bytes"?, "oldest_ms"?, "in_flight"?}]}
 *   queue MEMBER    {"member", "queued", "messages": [{"id", "sender", "recipient"?, "type", "priority", "age_ms",
 *                    "bytes", "state"}]}: the first TMX_CONTROL_QUEUE_ROWS, in the order they will go
 *   message ID      {"id", "sender", "type"?, "priority"?, "bytes"?, "sent_at_ms"?, "expires_at_ms"?, "index"?, "replaces"?,
 *                    "deliveries": [{"recipient", "seq"?, "state", "index"?, "at_ms"?, "attempts"?, "code"?,
 *                    "actions"?: [those that may be about it now]}]};
 *                   when several senders used that id: {"messages": [one such, ...]}
 *   evidence ID     {"authority": the file with the pinned keys, as configured, "payload": the entries of the log about the message with
 *                   their proofs, as an evidence bundle (proto/README.md) without container}: a node's as it keeps them, the broker's
 *                   up to its newest head; no larger than an answer may be
 *   slots ID        which prekeys the container of a message is sealed to: {"id", "keys": [16 hexadecimal digits each, as a slot names
 *                   it]}; code not-kept where it is not here any more. A node's: sent or received
 *   trace [FROM]    {"next": FROM of the question that goes on, "events": [{"index", "at_ms", "what", "id"?, "type"?, "from"?, "to"?: [MEMBER,
 *                   ...], "code"?}]}: of a broker the entries of its log from that index on, of a node its events behind that cursor; at
 *                   most TMX_CONTROL_TRACE_ROWS. Without FROM: none, and where the newest ends. "what" is accepted, arrived, delivered,
 *                   refused, expired, exception, rejected (at admission), resubmitted, submitted or signed (node), or of no message
 * ! ping MEMBER     (node) a probe is sent (NODE-14): {"member", "id"}; what comes of it: evidence ID
 *   why MEMBER      why what is for or from that member does not go on; at a node its own code asks about what came, and the link
 *   why ID          the same of a message, for each of its deliveries
 *                   {"subject", "kind": "member" | "message", "health": "ok" | "warning" | "critical",
 *                    "causes": [{"code", "severity": "note" | "warning" | "critical", "member"? (of that delivery), "text": what is
 *                                the matter, "evidence": what shows it, "fix": what mends it}], the most important first;
 *                    "looked": [{"code", "member"?, "evidence"}]}: what else was looked at, and is not the cause
 *                   A note is what it waits for when nothing is wrong. Codes: tmxctl(8)
 *   directory show  {"serial", "federation", "issued_at_ms", "expires_at_ms",
 *                    "members": [{"member", "name", "status"}], "authority": the file with the pinned keys, as configured}
 * ! directory install, with the file attached                             {"installed": true, "serial"}
 *   misbehaviour    (node) the newest of what did not fit the log: {"file": where it is, "written": it is there, "came_at_ms",
 *                   "text": the file (tmx/misbehaviour.h)}
 *   operators       who may act: {"installation", "operators": [{"name", "key": verifier key, "rights": [action]}]}
 *   operate, with the signed request attached (tmx/operator.h): {"done": action, "deliveries", "index"? (broker): its first entry};
 *                   of `ping` (node) {"done", "member", "id"}, as the request of that name
 *   operations      the last 50 of them: {"operations": [{"action", "by", "at_ms", "reason", "of"?, "member"?, "proposal"?, "index"?,
 *                   "deliveries": [{"id", "recipient"}]}]}, the newest first
 *   proposals       (broker) {"proposals": [the same, and "until_at_ms", "digest": of the signed request, base64]}
 *   select ACTION MEMBER|- OLDER-THAN-MS TYPE|- [KEY]
 *                   what an action may be about: {"deliveries": [{"id", "recipient", "sender", "type", "age_ms", "bytes",
 *                   "held"? (broker)}], "next"?: KEY to go on from}; without `next` to the end. MEMBER is the recipient
 *   anchor show     (broker) what a time-stamp token is to be made over   {"size", "text": three lines}
 * ! anchor install SIZE, with the token attached (DER)                    {"anchored": SIZE}
 *   witness request NAME  (broker) what a witness that no link leads to is to be asked: {"witness", "size": of the head,
 *                   "url"?: of the policy's line, "body": of c2sp.org/tlog-witness add-checkpoint}
 * ! witness reply NAME STATUS, with the answer's body attached, if it has one (broker): {"cosigned": its cosignature counts
 *                   (false: 409, the size it said was noted: ask again), and of the newest head that the quorum has
 *                   cosigned "size", "by", "witnesses"}
 *
 * For auditors (tmx-audit export; of a broker, and of tmx-broker serve-log, which answers these and status only):
 *   log-head                {"checkpoint": TEXT, "witnesses": how many the policy names}, and "cosigned": TEXT when a
 *                           quorum has cosigned one: the newest such checkpoint, with all signature lines
 *   log-entries FROM COUNT  {"entries": how many, "payload": their bytes}, each as a 16-bit size and the leaf: at most COUNT,
 *                           and as many as TMX_CONTROL_ENTRIES_BYTES hold (one at least), fewer where the log ends
 *   log-directory SERIAL    {"serial", "payload": its file}: the first of this serial or a higher one; serial 0: there is none
 *   log-checkpoint HOUR     {"hour", "payload": a checkpoint with its cosignatures}: the last that the quorum cosigned in this hour
 *                           (since 1970) or the first later one that has any, once it stays as it is; hour 0: there is none
 *   log-anchor SIZE         {"size", "index" of its leaf, "payload": the time-stamp token}: of the first anchored head of this size
 *                           or a larger one; size 0: there is none
 *   log-state TABLE [KEY]   {"size", "rows", "next"?: a key in hexadecimal, "payload"}: what the broker holds after the first `size`
 *                           entries, so many rows of that table of the projection (tmx/projection.h), ascending, from KEY on
 *                           and below `next`; without `next` to its end. As many as TMX_CONTROL_STATE_BYTES hold, and fewer where
 *                           what was looked at is of another table; there may be none
 */
#pragma once

#include <jansson.h>
#include <sys/types.h>

#include <tmx/bytes.h>
#include <tmx/limits.h>

/* ---- the daemon's side ---- */

struct tmx_control;

struct tmx_control_request {
    uint64_t client;      /* to answer with */
    uid_t uid;
    gid_t gid;
    pid_t pid;
    size_t n_words;       /* at least 1 */
    const char *words[TMX_CONTROL_WORDS_MAX];   /* valid until the reply */
    struct tmx_bytes attachment;                /* valid until the reply */
};

struct tmx_control_fd {
    int fd;
    bool want_write;      /* otherwise it waits for input */
};

/* Listens at `path`. A socket file nobody listens on is replaced; -EADDRINUSE when somebody does, -ENAMETOOLONG,
 * -EEXIST when something else is there, -EACCES … */
int tmx_control_new(const char *path, struct tmx_control **ret_control) TMX_MUST_CHECK;
/* Removes the socket file. */
struct tmx_control *tmx_control_free(struct tmx_control *c);

/* What to wait for: at most TMX_CONTROL_FDS_MAX, returns how many. They change with every step. */
size_t tmx_control_fds(const struct tmx_control *c, struct tmx_control_fd ret_fds[TMX_CONTROL_FDS_MAX]);
/* When to step at the latest (a client's time is up; at once, when a request is complete and not handed out yet);
 * UINT64_MAX = only when a descriptor is ready. */
uint64_t tmx_control_due(const struct tmx_control *c);
/* Accepts, reads and writes whatever is ready, without blocking, and closes clients that are too slow or say too much.
 * now_ms is monotonic. Call it whenever a descriptor is ready, it is due, or at every turn: it costs little. */
void tmx_control_step(struct tmx_control *c, uint64_t now_ms);
/* The next complete request, each once; false when there is none. */
bool tmx_control_next(struct tmx_control *c, struct tmx_control_request *ret_request);
/* Takes over the reference to `reply` (NULL, as after a failed json_pack, is answered with an error). May come any
 * number of turns after the request; ignored when the client is gone. */
void tmx_control_reply(struct tmx_control *c, uint64_t client, json_t *reply);
/* The same with a payload, which is copied. `reply` is an object; it gets the member "payload". */
void tmx_control_reply_with(struct tmx_control *c, uint64_t client, json_t *reply, struct tmx_bytes payload);
/* {"error": text} */
void tmx_control_refuse(struct tmx_control *c, uint64_t client, const char *code, const char *fmt, ...)
    TMX_PRINTF(4, 5);

/* The version of status and history: one more when a reader of the one before would be misled. */
#define TMX_CONTROL_DOCUMENT 1

/* Writes `document` at `path` by a temporary file and a rename, mode 0640. Takes no reference. Negative errno. */
int tmx_control_snapshot(const char *path, const json_t *document) TMX_MUST_CHECK;

/* Names within a daemon's folder. */
#define TMX_CONTROL_SOCKET "control"
#define TMX_CONTROL_SNAPSHOT "status.json"

/* ---- the tool's side ---- */

/* Asks and waits at most timeout_ms in all. -ENOENT, -ECONNREFUSED, -EACCES …: not reachable; -ETIMEDOUT;
 * -EBADMSG: the answer is not one whole JSON object; -EMSGSIZE: the question or the answer is too large. */
int tmx_control_call(const char *path, const char *const *words, size_t n_words, struct tmx_bytes attachment,
                     uint64_t timeout_ms, json_t **ret_reply) TMX_MUST_CHECK;
/* The same of an answer that may have a payload: *ret_payload is malloc'ed, NULL when there is none (as with an error). */
int tmx_control_fetch(const char *path, const char *const *words, size_t n_words, uint64_t timeout_ms, json_t **ret_reply,
                      struct tmx_bytes *ret_payload) TMX_MUST_CHECK;
