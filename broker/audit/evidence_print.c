/* SPDX-License-Identifier: Apache-2.0
 * The verdict on a bundle as text: who, what, to whom, what became of it; what is proved and what is not.
 */
#include <stdarg.h>
#include <string.h>

#include <sodium.h>

#include <tmx/code.h>
#include <tmx/seal.h>
#include <tmx/text.h>

#include "evidence_print.h"

#define LABEL 13
#define WIDTH 100u
#define WHO_MAX (TMX_MEMBER_MAX + 4u * TMX_NAME_MAX + 8u)

static void line(FILE *out, const char *label, const char *fmt, ...) TMX_PRINTF(3, 4);
static void line(FILE *out, const char *label, const char *fmt, ...)
{
    va_list args;

    fprintf(out, "%-*s", LABEL, label);
    va_start(args, fmt);
    vfprintf(out, fmt, args);
    va_end(args);
    fputc('\n', out);
}

/* "DE (Generalzolldirektion)", as the directory has it. */
static void who(const struct tmx_directory *d, struct tmx_bytes code, char ret_text[WHO_MAX])
{
    const Tmx__Member *m = tmx_directory_member(d, code);
    char name[4 * TMX_NAME_MAX + 1] = "";

    if (m != NULL && !tmx_bytes_eq(tmx_pb(m->name), code)) {
        tmx_printable(tmx_pb(m->name), name, sizeof name);
    }
    snprintf(ret_text, WHO_MAX, "%.*s%s%s%s", (int)code.size, (const char *)code.data, name[0] == '\0' ? "" : " (",
             name, name[0] == '\0' ? "" : ")");
}

static void digest_line(FILE *out, const char *label, const char *what, const uint8_t digest[32])
{
    char hex[65];

    tmx_hex(TMX_BYTES(digest, 32), hex);
    line(out, label, "%-10s %s", what, hex);
}

/* --- the message ------------------------------------------------------------------------------------------------ */

static void print_message(const struct tmx_evidence *v, FILE *out)
{
    const struct tmx_evidence_leaf *l = v->subject;
    const Tmx__Header *h = v->header;
    char id[TMX_ID_TEXT_SIZE];
    char from[WHO_MAX];
    char sent[TMX_TIME_TEXT_SIZE];
    char expires[TMX_TIME_TEXT_SIZE];

    tmx_id_text(h->message_id.data, id);
    tmx_time_text(h->sent_ms, sent);
    tmx_time_text(h->expires_ms, expires);
    who(l->directory, tmx_pb(h->sender), from);
    line(out, "message", "%s, type %.*s", id, (int)h->message_type.len, (const char *)h->message_type.data);
    line(out, "federation", "%s, directory %llu in force", tmx_directory_federation(l->directory),
         (unsigned long long)l->e->directory_serial);
    line(out, "sent by", "%s, signed with key %08x, by its own clock at %s", from, l->prepared.key_id, sent);
    line(out, "expires", "%s", expires);
    if (h->replaces.len == TMX_ID_SIZE) {
        tmx_id_text(h->replaces.data, id);
        line(out, "replaces", "message %s, as its sender says", id);
    }
    digest_line(out, "BLAKE2b-256", "header", v->header_digest);
    digest_line(out, "", "container", h->container_digest.data);
    line(out, "container", "%llu bytes%s", (unsigned long long)h->container_bytes,
         v->container.size > 0 ? ", checked" : ", not here");
}

static void print_text(FILE *out, const char *label, ProtobufCBinaryData b)
{
    char text[1024];

    if (b.len > 0) {
        tmx_printable(tmx_pb(b), text, sizeof text);
        line(out, label, "%s", text);
    }
}

static void print_content(const struct tmx_evidence *v, FILE *out)
{
    uint8_t digest[32];

    if (v->content_state != EVIDENCE_OPENED) {
        line(out, "content",
             v->content_state == EVIDENCE_NOT_DISCLOSED ? "not disclosed"
                                                        : "its key is disclosed, the container is not here");
        return;
    }
    line(out, "content", "opened with the disclosed key: a payload of %zu bytes", v->payload_size);
    crypto_hash_sha256(digest, v->payload, v->payload_size);
    digest_line(out, "", "SHA-256", digest);
    tmx_digest(TMX_BYTES(v->payload, v->payload_size), digest);
    digest_line(out, "", "BLAKE2b", digest);
    print_text(out, "  MRN", v->content->mrn);
    print_text(out, "  LRN", v->content->lrn);
    print_text(out, "  media type", v->content->media_type);
    print_text(out, "  file name", v->content->file_name);
}

/* --- what became of it ------------------------------------------------------------------------------------------ */

/* "entry 4, 2026-…" with its shard where that is not the subject's. */
static void print_step(const struct tmx_evidence *v, const struct tmx_evidence_leaf *l, const char *word, FILE *out)
{
    const bool here = tmx_bytes_eq(l->head->shard, v->subject->head->shard);
    const unsigned code =
        l->report != NULL && l->e->kind == TMX__ENTRY_KIND__ENTRY_REPORT ? l->report->code : l->e->code;
    char time[TMX_TIME_TEXT_SIZE];

    tmx_time_text(l->e->time_ms, time);
    fprintf(out, "%-*sentry %llu%s%.*s, %s", LABEL, word, (unsigned long long)l->pb->index, here ? "" : " of ",
            here ? 0 : (int)l->head->shard.size, (const char *)l->head->shard.data, time);
    if (l->report != NULL) {
        tmx_time_text(l->report->time_ms, time);
        fprintf(out, "; signed with key %08x, own clock %s", l->prepared.key_id, time);
    }
    fprintf(out, "%s\n", l->doubtful ? " DOUBTFUL" : "");
    if (code != 0 && l->e->kind != TMX__ENTRY_KIND__ENTRY_CARRY_DELIVERY) {
        line(out, "", "%s: %s", tmx_code_name(code), tmx_code_meaning(code));
    }
}

/* What a leaf says of a delivery, under its heading. */
static void print_delivery_step(const struct tmx_evidence *v, const struct tmx_evidence_leaf *l, FILE *out)
{
    char word[LABEL];
    const char *says = l->e->kind == TMX__ENTRY_KIND__ENTRY_REFUSAL ? "not taken" /* it lost a race, or was wrong */
                       : l->e->kind == TMX__ENTRY_KIND__ENTRY_CARRY_DELIVERY ? "carried"
                                                                             : tmx_evidence_says(l);

    snprintf(word, sizeof word, "  %s", says);
    print_step(v, l, word, out);
}

static void print_delivery(const struct tmx_evidence *v, const struct tmx_evidence_delivery *d, FILE *out)
{
    static const char *const slots[] = { [EVIDENCE_SLOT_UNKNOWN] = "; sealed with a key that is not shown to be theirs",
                                         [EVIDENCE_SLOT_PUBLISHED] = "; sealed with a key they published",
                                         [EVIDENCE_SLOT_LAST_RESORT] = "; sealed with their last-resort key" };
    char to[WHO_MAX];

    who(v->subject->directory, tmx_pb(d->to->member), to);
    line(out, "to", "%s: %s%s%s%s", to, tmx_evidence_state(v, d), d->disputed ? " (disputed)" : "",
         v->admitted && d->end == NULL ? ", no outcome in this bundle" : "",
         v->container.size > 0 ? slots[d->slot] : "");
    for (size_t i = 0; i < v->n_leaves; i++) {
        if (tmx_evidence_concerns(&v->leaves[i], d->to)) {
            print_delivery_step(v, &v->leaves[i], out);
        }
    }
}

static void print_admissions(const struct tmx_evidence *v, FILE *out)
{
    line(out, "log", "%s", v->subject->head->checkpoint.origin);
    for (size_t i = 0; i < v->n_leaves; i++) {
        const struct tmx_evidence_leaf *l = &v->leaves[i];

        if (l->e->kind == TMX__ENTRY_KIND__ENTRY_ACCEPTANCE) {
            print_step(v, l, "accepted", out);
        } else if (l->e->kind == TMX__ENTRY_KIND__ENTRY_RESUBMISSION) {
            print_step(v, l, "again", out);
        } else if (l->e->kind == TMX__ENTRY_KIND__ENTRY_REFUSAL && l->header != NULL) {
            print_step(v, l, "refused", out);
        } else if (l->e->kind == TMX__ENTRY_KIND__ENTRY_ERASED) {
            print_step(v, l, "erased", out);
        }
    }
}

static void print_heads(const struct tmx_evidence *v, FILE *out)
{
    for (size_t i = 0; i < v->n_heads; i++) {
        const struct tmx_evidence_head *h = &v->heads[i];
        char time[TMX_TIME_TEXT_SIZE];

        tmx_time_text(h->quorum.reached_s * 1000, time);
        if (h->n_witnesses == 0) {
            line(out, "head", "%llu entries of %.*s; the directory asks for no witnesses",
                 (unsigned long long)h->checkpoint.size, (int)h->shard.size, (const char *)h->shard.data);
        } else {
            line(out, "head", "%llu entries of %.*s; witnessed by %u of %zu, %s%s",
                 (unsigned long long)h->checkpoint.size, (int)h->shard.size, (const char *)h->shard.data,
                 h->quorum.witnesses, h->n_witnesses,
                 h->quorum.reached ? "enough at " : "fewer than the policy asks for", h->quorum.reached ? time : "");
        }
    }
}

/* --- sentences -------------------------------------------------------------------------------------------------- */

/* A sentence behind a dash, broken between words. */
static void bullet(void *ctx, const char *sentence)
{
    FILE *out = ctx;
    size_t column = 3;

    fputs("  -", out);
    for (const char *word = sentence; *word != '\0';) {
        const size_t size = strcspn(word, " ");

        if (column + 1 + size > WIDTH) {
            fputs("\n   ", out);
            column = 3;
        }
        fprintf(out, " %.*s", (int)size, word);
        column += 1 + size;
        word += size + strspn(word + size, " ");
    }
    fputc('\n', out);
}

void tmx_evidence_print(const struct tmx_evidence *v, const char *name, FILE *out)
{
    line(out, "bundle", "%s", name);
    if (v->rule != 0) {
        line(out, "fault", "%s: %s (EVI-%u)", v->part, v->fault, v->rule);
        line(out, "verdict", "FAULT: this bundle proves nothing");
        return;
    }
    print_message(v, out);
    print_content(v, out);
    fputc('\n', out);
    print_admissions(v, out);
    for (size_t i = 0; i < v->n_deliveries; i++) {
        print_delivery(v, &v->deliveries[i], out);
    }
    print_heads(v, out);
    line(out, "verdict", "everything in this bundle verifies\n\nThis proves:");
    tmx_evidence_proves(v, bullet, out);
    fputs("\nThis does not prove:\n", out);
    tmx_evidence_leaves_open(v, bullet, out);
}
