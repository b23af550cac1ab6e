/* SPDX-License-Identifier: Apache-2.0
 * Contract: timeline.h. The checks are those of tmx-audit verify-evidence. It stops at the first fault; to tell which lines still
 * hold then, each is checked once more, alone with the entry that its message begins with.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tmx/code.h>
#include <tmx/control.h>
#include <tmx/text.h>

#include "directories.h"
#include "evidence.h"
#include "screen.h"
#include "timeline.h"

#define WHY_MAX 512u

static void proof_set(json_t *reply, bool verified, const char *text)
{
    json_object_set_new(reply, "proof", json_pack("{sb ss}", "verified", verified, "text", text));
}

static const char *what_of(const Tmx__LogEntry *e, const Tmx__Report *report)
{
    static const char *const outcomes[] = { "report", "arrived", "delivered", "refused", "expired", "exception" };
    switch ((int)e->kind) {
    case TMX__ENTRY_KIND__ENTRY_ACCEPTANCE:
        return "accepted";
    case TMX__ENTRY_KIND__ENTRY_RESUBMISSION:
        return "resubmitted";
    case TMX__ENTRY_KIND__ENTRY_CARRY_DELIVERY:
        return "carried";
    case TMX__ENTRY_KIND__ENTRY_REPORT:
        return report != NULL && (unsigned)report->outcome < TMX_N(outcomes) ? outcomes[report->outcome] : outcomes[0];
    case TMX__ENTRY_KIND__ENTRY_EXPIRED:
        return "expired";
    case TMX__ENTRY_KIND__ENTRY_EXCEPTION:
        return "exception";
    case TMX__ENTRY_KIND__ENTRY_REFUSAL:
        return "rejected";
    case TMX__ENTRY_KIND__ENTRY_ERASED:
        return "erased";
    case TMX__ENTRY_KIND__ENTRY_PREKEYS:
        return "prekeys";
    default:
        return "entry";
    }
}

static json_t *text_json(struct tmx_bytes b)
{
    char text[128];
    tmx_printable(b, text, sizeof(text));
    return json_string(text);
}

/* What the entry says, whether it holds or not. */
static json_t *line_of(const Tmx__EvidenceLeaf *leaf, const char *shard, struct tmx_arena *arena)
{
    Tmx__LogEntry *e;
    Tmx__Report *report = NULL;
    Tmx__Header *header = NULL;
    json_t *line = json_pack("{sI ss}", "index", (json_int_t)leaf->index, "shard", shard);
    if (tmx_entry_parse(tmx_pb(leaf->entry), arena, &e) != TMX_CODE_OK) {
        json_object_set_new(line, "what", json_string("unreadable"));
        return line;
    }
    bool reports = e->kind == TMX__ENTRY_KIND__ENTRY_REPORT && tmx_report_parse(tmx_pb(e->body), arena, &report) == TMX_CODE_OK;
    struct tmx_bytes to = reports ? tmx_pb(report->recipient) : tmx_pb(e->recipient);
    unsigned code = reports ? report->code : e->code;
    json_object_set_new(line, "at_ms", json_integer((json_int_t)e->time_ms));
    json_object_set_new(line, "what", json_string(what_of(e, reports ? report : NULL)));
    json_object_set_new(line, "by", e->body.len > 0 ? text_json(tmx_pb(e->member)) : json_string("broker"));
    if (to.size > 0) {
        json_object_set_new(line, "to", text_json(to));
    }
    if (reports || tmx_header_parse(tmx_pb(e->body), arena, &header) == TMX_CODE_OK) {
        json_object_set_new(line, "signed_at_ms", json_integer((json_int_t)(reports ? report->time_ms : header->sent_ms)));
    }
    if (code != 0) {
        json_object_set_new(line, "code", json_string(tmx_code_name(code)));
    }
    return line;
}

static void mark(json_t *line, bool verified, const char *why)
{
    json_object_set_new(line, "verified", json_boolean(verified));
    if (!verified) {
        json_object_set_new(line, "why", json_string(why));
    }
}

/* ---- when all of it holds ---- */

/* What the witnesses have seen of it all: as much as of the head that they have seen least. */
static const char *cosigned_words(const struct tmx_evidence *v)
{
    bool asked = false, reached = true;
    for (size_t i = 0; i < v->n_heads; i++) {
        asked = asked || v->heads[i].n_witnesses > 0;
        reached = reached && (v->heads[i].n_witnesses == 0 || v->heads[i].quorum.reached);
    }
    return !asked ? "" : reached ? ", cosigned by the quorum of its witnesses" : ", not cosigned by a quorum yet";
}

static void good_lines(json_t *reply, const struct tmx_evidence *v, struct tmx_arena *arena)
{
    json_t *lines = json_array();
    char text[WHY_MAX];
    for (size_t i = 0; i < v->n_leaves; i++) {
        const struct tmx_evidence_leaf *l = &v->leaves[i];
        char shard[TMX_SHARD_MAX + 1];
        snprintf(shard, sizeof(shard), "%.*s", (int)l->head->shard.size, (const char *)l->head->shard.data);
        json_t *line = line_of(l->pb, shard, arena);
        mark(line, true, NULL);
        json_array_append_new(lines, line);
    }
    json_object_set_new(reply, "timeline", lines);
    const struct tmx_evidence_head *h = &v->heads[v->n_heads - 1];
    snprintf(text, sizeof(text), "%zu entries lead to %zu signed head%s of %s, the last of %" PRIu64 " entries%s", v->n_leaves, v->n_heads,
             v->n_heads == 1 ? "" : "s", h->checkpoint.origin, h->checkpoint.size, cosigned_words(v));
    proof_set(reply, true, text);
}

/* ---- when something does not ---- */

/* The message begins with it: the first whose body is a header. */
static size_t subject_of(const Tmx__Evidence *pb, struct tmx_arena *arena)
{
    for (size_t i = 0; i < pb->n_leaves; i++) {
        Tmx__LogEntry *e;
        if (tmx_entry_parse(tmx_pb(pb->leaves[i]->entry), arena, &e) == TMX_CODE_OK &&
            (e->kind == TMX__ENTRY_KIND__ENTRY_ACCEPTANCE || e->kind == TMX__ENTRY_KIND__ENTRY_RESUBMISSION)) {
            return i;
        }
    }
    return 0;
}

/* A bundle of that leaf and the subject alone; checkpoints that none of them names are left out. Empty: no memory. */
static struct tmx_bytes part_of(const Tmx__Evidence *pb, size_t subject, size_t leaf, struct tmx_arena *arena)
{
    size_t chosen[2] = { subject < leaf ? subject : leaf, subject < leaf ? leaf : subject };
    size_t n = subject == leaf ? 1 : 2;
    Tmx__EvidenceLeaf leaves[2], *pointers[2];
    ProtobufCBinaryData checkpoints[2];
    Tmx__Evidence part = *pb;
    struct tmx_bytes file;
    part.n_leaves = n;
    part.leaves = pointers;
    part.n_checkpoints = 0;
    part.checkpoints = checkpoints;
    part.container = part.content_key = (ProtobufCBinaryData){ 0, NULL };
    for (size_t i = 0; i < n; i++) {
        leaves[i] = *pb->leaves[chosen[i]];
        pointers[i] = &leaves[i];
        bool same = i == 1 && pb->leaves[chosen[0]]->checkpoint == pb->leaves[chosen[1]]->checkpoint;
        if (!same) {
            if (leaves[i].checkpoint >= pb->n_checkpoints) {
                return TMX_BYTES_NULL;
            }
            checkpoints[part.n_checkpoints++] = pb->checkpoints[leaves[i].checkpoint];
        }
        leaves[i].checkpoint = (uint32_t)(part.n_checkpoints - 1);
    }
    return tmx_codec_pack(&part, arena, &file) == TMX_CODEC_OK ? file : TMX_BYTES_NULL;
}

static void line_check(json_t *line, struct tmx_bytes part, const struct tmx_authority *pinned)
{
    struct tmx_evidence *v = NULL;
    char why[WHY_MAX] = "it cannot be checked";
    bool good = false;
    if (part.size > 0 && tmx_evidence_check(part, pinned, TMX_BYTES_NULL, &v) == 0) {
        good = v->rule == 0;
        snprintf(why, sizeof(why), "%s: %s (EVI-%u)", v->part, v->fault, v->rule);
        tmx_evidence_free(v);
    }
    mark(line, good, why);
}

static void bad_lines(json_t *reply, struct tmx_bytes file, const struct tmx_authority *pinned)
{
    struct tmx_arena arena;
    Tmx__Evidence *pb;
    const char *what;
    json_t *lines = json_array();
    if (tmx_arena_init(&arena, TMX_EVIDENCE_ARENA(file.size) + 2 * (size_t)TMX_EVIDENCE_LEAVES_MAX * TMX_ENTRY_MAX) != 0) {
        json_decref(lines);
        return;
    }
    if (tmx_evidence_parse(file, &arena, &pb, &what) == TMX_CODE_OK) {
        size_t subject = subject_of(pb, &arena);
        for (size_t i = 0; i < pb->n_leaves; i++) {
            size_t used = arena.used;
            json_t *line = line_of(pb->leaves[i], "", &arena);
            line_check(line, part_of(pb, subject, i, &arena), pinned);
            json_array_append_new(lines, line);
            tmx_arena_rewind(&arena, used);
        }
    }
    tmx_arena_deinit(&arena);
    json_object_set_new(reply, "timeline", lines);
}

/* ---- asking ---- */

static void verify(json_t *reply, struct tmx_bytes file, const char *id, const struct tmx_authority *pinned)
{
    struct tmx_evidence *v;
    struct tmx_arena arena;
    uint8_t wanted[TMX_ID_SIZE];
    char text[WHY_MAX];
    bool parsed = tmx_parse_id(tmx_bytes_str(id), wanted);
    if (!parsed || tmx_evidence_check(file, pinned, TMX_BYTES_NULL, &v) < 0) {
        proof_set(reply, false, "out of memory");
        return;
    }
    if (v->rule != 0) {
        snprintf(text, sizeof(text), "%s: %s (EVI-%u)", v->part, v->fault, v->rule);
        bad_lines(reply, file, pinned);
        proof_set(reply, false, text);
    } else if (!tmx_bytes_eq(tmx_pb(v->pb->message_id), TMX_BYTES_OF(wanted))) {
        proof_set(reply, false, "what came is about another message");
    } else if (tmx_arena_init(&arena, (size_t)TMX_EVIDENCE_LEAVES_MAX * 2 * TMX_ENTRY_MAX) == 0) {
        good_lines(reply, v, &arena);
        tmx_arena_deinit(&arena);
    }
    tmx_evidence_free(v);
}

void timeline_add(json_t *reply, const char *socket, const char *id, const char *authority, uint64_t timeout_ms)
{
    const char *const words[] = { "evidence", id };
    struct tmx_bytes file = TMX_BYTES_NULL;
    struct tmx_authority pinned;
    json_t *answer = NULL;
    const char *what;
    char text[WHY_MAX];
    if (tmx_control_fetch(socket, words, TMX_N(words), timeout_ms, &answer, &file) < 0) {
        proof_set(reply, false, "its evidence could not be had");
        return;
    }
    const char *named = json_string_value(json_object_get(answer, "authority"));
    const char *error = json_string_value(json_object_get(answer, "error"));
    const char *path = authority != NULL ? authority : named;
    if (error != NULL) {
        json_object_set_new(reply, "proof", json_pack("{ss}", "text", error));   /* there is none yet: nothing is wrong */
    } else if (path == NULL || tmx_audit_authority(path, &pinned, &what) < 0) {
        snprintf(text, sizeof(text), "%s: %s", path != NULL ? path : "the authority's keys", path != NULL ? what : "name them with --authority");
        proof_set(reply, false, text);
    } else {
        verify(reply, file, id, &pinned);
    }
    json_decref(answer);
    free((uint8_t *)(uintptr_t)file.data);
}

bool timeline_verified(const json_t *reply)
{
    const json_t *proof = json_object_get(reply, "proof");
    return proof == NULL || !json_is_false(json_object_get(proof, "verified"));
}

/* ---- the screen ---- */

static void show_line(const json_t *line)
{
    bool good = json_is_true(json_object_get(line, "verified"));
    bool to = json_object_get(line, "to") != NULL;
    printf("%s %8s  %s  %s%s%s", good ? "\u2713" : "\u2717", number_of(line, "index"), time_of(line, "at_ms"), text_of(line, "what"),
           to ? " for " : "", to ? text_of(line, "to") : "");
    if (json_object_get(line, "by") != NULL) {
        printf(", %s %s", strcmp(text_of(line, "by"), "broker") == 0 ? "by the" : "signed by", text_of(line, "by"));
    }
    if (json_object_get(line, "code") != NULL) {
        printf(": %s", text_of(line, "code"));
    }
    printf("\n");
    if (!good) {
        printf("             NOT VERIFIED: %s\n", text_of(line, "why"));
    }
}

void show_timeline(const json_t *reply)
{
    size_t i;
    json_t *line;
    const json_t *proof = json_object_get(reply, "proof");
    if (proof == NULL) {
        return;
    }
    printf("\n");
    json_array_foreach(json_object_get(reply, "timeline"), i, line)
    {
        show_line(line);
    }
    const json_t *verified = json_object_get(proof, "verified");
    printf("%s%s\n", verified == NULL ? "no timeline: " : json_is_true(verified) ? "verified: " : "NOT VERIFIED: ", text_of(proof, "text"));
}
