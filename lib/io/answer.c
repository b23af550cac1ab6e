/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <tmx/answer.h>
#include <tmx/clock.h>
#include <tmx/envelope.h>
#include <tmx/log.h>
#include <tmx/note.h>
#include <tmx/seal.h>
#include <tmx/startup.h>
#include <tmx/text.h>

#define DAY_MS 86400000ull
#define EXPIRY_CRITICAL_MS (7 * DAY_MS)
#define EXPIRY_WARNING_MS (30 * DAY_MS)

json_t *tmx_answer_text(struct tmx_bytes b)
{
    char text[128];
    tmx_printable(b, text, sizeof(text));
    return json_string(text);
}

json_t *tmx_answer_id(struct tmx_bytes id)
{
    char text[TMX_ID_TEXT_SIZE] = "";
    if (id.size == TMX_ID_SIZE) {
        tmx_id_text(id.data, text);
    }
    return json_string(text);
}

json_t *tmx_answer_refusal(const char *code, const char *text)
{
    return json_pack("{ss ss}", "error", text, "code", code);
}

uint64_t tmx_answer_age(uint64_t now_ms, uint64_t then_ms)
{
    return now_ms > then_ms ? now_ms - then_ms : 0;
}

void tmx_answer_problem(json_t *problems, const char *severity, const char *text)
{
    json_array_append_new(problems, json_pack("{ss ss}", "severity", severity, "text", text));
}

void tmx_answer_problem_see(json_t *problems, const char *severity, const char *see, const char *fmt, ...)
{
    char text[1024];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    json_array_append_new(problems, json_pack("{ss ss ss}", "severity", severity, "text", text, "see", see));
}

/* NULL: it can be read. */
static const char *unreadable(const char *path)
{
    char byte;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    ssize_t n = fd >= 0 ? read(fd, &byte, 1) : -1;
    int error = errno;
    if (fd >= 0) {
        (void)close(fd);
    }
    return n > 0 ? NULL : n == 0 ? "it is empty" : strerror(error);
}

void tmx_answer_key_problem(json_t *problems, const char *folder, const char *name)
{
    char path[4096], see[4096 + 8];
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    (void)snprintf(see, sizeof(see), "ls -l %s", path);
    const char *why = unreadable(path);
    if (why != NULL) {
        tmx_answer_problem_see(problems, "critical", see, "%s cannot be read, and the next start needs it: %s", path, why);
    }
}

void tmx_answer_key(json_t *object, const char *folder, const char *name)
{
    char path[4096];
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    if (unreadable(path) != NULL) {
        json_object_set_new(object, "unreadable", json_string(path));
    }
}

void tmx_answer_ages(json_t *object, const struct tmx_ages_view *ages)
{
    json_t *list = json_array();
    for (size_t i = 0; i < TMX_AGES_BUCKETS; i++) {
        json_array_append_new(list, json_integer((json_int_t)ages->buckets[i]));
    }
    json_object_set_new(object, "ages", list);
    json_object_set_new(object, "late", json_integer((json_int_t)ages->late));
}

void tmx_answer_counted(json_t *status, unsigned percent)
{
    if (percent < 100) {
        json_object_set_new(status, "counted_percent", json_integer(percent));
    }
}

void tmx_answer_marker_problem(json_t *problems, bool unwritten)
{
    if (unwritten) {
        tmx_answer_problem_see(problems, "warning", "journalctl -g marker.unwritten",
                               "the marker cannot be written: an old copy of the spool, put back now, would not be noticed");
    }
}

void tmx_answer_directory_problems(json_t *problems, const struct tmx_directory *directory, bool expired,
                                   uint64_t now_ms)
{
    uint64_t expires_ms = tmx_directory_pb(directory)->expires_ms;
    if (expired) {
        tmx_answer_problem_see(problems, "critical", "tmxctl directory show",
                               "the directory has expired, nothing new is taken: install a new one with tmxctl directory install");
    } else if (expires_ms < now_ms + EXPIRY_CRITICAL_MS) {
        tmx_answer_problem_see(problems, "critical", "tmxctl directory show", "the directory expires within 7 days");
    } else if (expires_ms < now_ms + EXPIRY_WARNING_MS) {
        tmx_answer_problem_see(problems, "warning", "tmxctl directory show", "the directory expires within 30 days");
    }
}

const char *tmx_answer_health(const json_t *problems)
{
    const char *worst = "ok";
    size_t i;
    json_t *p;
    json_array_foreach(problems, i, p)
    {
        const char *severity = json_string_value(json_object_get(p, "severity"));
        worst = strcmp(severity, "critical") == 0 || strcmp(worst, "critical") == 0 ? "critical" : "warning";
    }
    return worst;
}

json_t *tmx_answer_status(const char *role, const struct tmx_directory *directory, uint64_t started_ms,
                          json_t *problems)
{
    return json_pack("{sI ss ss ss sI sI sI ss so s{sI sI}}", "document", (json_int_t)TMX_CONTROL_DOCUMENT, "role", role, "federation",
                     tmx_directory_federation(directory), "version", TMX_VERSION, "pid", (json_int_t)getpid(), "at_ms",
                     (json_int_t)tmx_clock_wall_ms(), "uptime_ms",
                     (json_int_t)tmx_answer_age(tmx_clock_mono_ms(), started_ms), "health", tmx_answer_health(problems),
                     "problems", problems, "directory", "serial", (json_int_t)tmx_directory_serial(directory),
                     "expires_at_ms", (json_int_t)tmx_directory_pb(directory)->expires_ms);
}

json_t *tmx_answer_log(struct tmx_bytes checkpoint)
{
    struct tmx_bytes text, lines;
    struct tmx_checkpoint c;
    char root[2 * TMX_HASH_SIZE + 1];
    if (checkpoint.size == 0 || !tmx_note_split(checkpoint, &text, &lines) || !tmx_checkpoint_parse(text, &c)) {
        return json_pack("{ss sI ss}", "origin", "", "size", (json_int_t)0, "root", "");
    }
    tmx_hex(TMX_BYTES_OF(c.root.b), root);
    return json_pack("{ss sI ss}", "origin", c.origin, "size", (json_int_t)c.size, "root", root);
}

void tmx_answer_cosigned(json_t *log, unsigned witnesses, uint64_t size, const struct tmx_quorum *quorum, uint64_t wall_ms)
{
    json_t *j = json_pack("{sI sI sI sb}", "witnesses", (json_int_t)witnesses, "size", (json_int_t)size, "by",
                          (json_int_t)quorum->witnesses, "quorum", quorum->reached ? 1 : 0);
    if (quorum->reached) {   /* the quorum's time: a single witness may say any */
        json_object_set_new(j, "age_ms", json_integer((json_int_t)tmx_answer_age(wall_ms, quorum->reached_s * 1000)));
    }
    json_object_set_new(log, "cosigned", j);
}

json_t *tmx_answer_spool(struct tmx_spool *spool)
{
    struct tmx_spool_stat stat = {0};
    struct tmx_spool_mark mark;
    (void)!tmx_spool_stat(spool, &stat);
    tmx_spool_lmdb_mark(spool, &mark);
    uint64_t percent = stat.capacity_bytes == 0 ? 0 : stat.used_bytes * 100 / stat.capacity_bytes;
    return json_pack("{sI sI sI sI sI sI}", "used_bytes", (json_int_t)stat.used_bytes, "capacity_bytes",
                     (json_int_t)stat.capacity_bytes, "percent", (json_int_t)percent, "generation",
                     (json_int_t)mark.generation, "turns", (json_int_t)mark.turn, "syncs", (json_int_t)stat.syncs);
}

const char *tmx_answer_member_status(Tmx__MemberStatus status)
{
    switch ((int)status) {
    case TMX__MEMBER_STATUS__MEMBER_ACTIVE:
        return "active";
    case TMX__MEMBER_STATUS__MEMBER_SUSPENDED:
        return "suspended";
    default:
        return "revoked";
    }
}

json_t *tmx_answer_slots(const char *id, struct tmx_bytes front)
{
    struct tmx_seal_outside outside;
    if (!tmx_seal_parse(front, &outside)) {
        return tmx_answer_refusal("not-kept", "its container is not here, or not any more");
    }
    json_t *keys = json_array();
    for (size_t i = 0; i < outside.n_slots; i++) {
        char text[17];
        tmx_hex(TMX_BYTES(outside.slots + i * TMX_SEAL_SLOT, 8), text);
        json_array_append_new(keys, json_string(text));
    }
    return json_pack("{ss so}", "id", id, "keys", keys);
}

json_t *tmx_answer_directory(const struct tmx_directory *directory, const char *authority)
{
    const Tmx__Directory *pb = tmx_directory_pb(directory);
    json_t *list = json_array();
    for (size_t i = 0; i < pb->n_members; i++) {
        const Tmx__Member *m = pb->members[i];
        json_array_append_new(list, json_pack("{so so ss}", "member", tmx_answer_text(tmx_pb(m->code)), "name",
                                              tmx_answer_text(tmx_pb(m->name)), "status",
                                              tmx_answer_member_status(m->status)));
    }
    return json_pack("{sI so sI sI so so ss*}", "serial", (json_int_t)pb->serial, "federation",
                     tmx_answer_text(tmx_pb(pb->federation)), "issued_at_ms", (json_int_t)pb->issued_ms,
                     "expires_at_ms", (json_int_t)pb->expires_ms, "members", list, "catalogue",
                     tmx_answer_text(tmx_pb(pb->catalogue_version)), "authority", authority);
}

void tmx_install_ask(struct tmx_install *in, struct tmx_control *c, const struct tmx_control_request *r)
{
    if (r->attachment.size == 0) {
        tmx_control_refuse(c, r->client, "malformed", "no directory file came with the request");
        return;
    }
    if (in->file != NULL) {
        tmx_control_refuse(c, r->client, "busy", "another directory is being installed: try again");
        return;
    }
    in->file = malloc(r->attachment.size);
    if (in->file == NULL) {
        tmx_control_refuse(c, r->client, "busy", "out of memory");
        return;
    }
    memcpy(in->file, r->attachment.data, r->attachment.size);
    in->size = r->attachment.size;
    in->asked = true;
    in->client = r->client;
}

void tmx_install_reload(struct tmx_install *in, const char *program, const char *path)
{
    if (in->file == NULL && tmx_startup_file(program, path, TMX_DIRECTORY_MAX, NULL, &in->file, &in->size) != 0) {
        tmx_log_text(TMX_LOG_WARNING, "directory.unreadable", "%s", path);
    }
}

void tmx_install_done(struct tmx_install *in, struct tmx_control *c, int result, const struct tmx_directory *in_force)
{
    if (in->asked && result != TMX_DIRECTORY_OK) {
        tmx_control_refuse(c, in->client, "refused", "the directory is not installed: %s",
                           tmx_directory_error_text(result));
    } else if (in->asked) {
        tmx_control_reply(c, in->client,
                          json_pack("{sb sI}", "installed", 1, "serial", (json_int_t)tmx_directory_serial(in_force)));
    }
    free(in->file);
    *in = (struct tmx_install){.file = NULL};
}
