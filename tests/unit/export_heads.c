/* SPDX-License-Identifier: Apache-2.0
 * See export_heads.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include <tmx/seal.h>
#include <tmx/text.h>

#include "export_heads.h"

#define HEADS_MAX 40u

static struct {
    size_t n_hours;
    struct {
        uint64_t hour;
        uint8_t note[4096];
        size_t size;
    } hours[HEADS_MAX];
    size_t n_anchors;
    struct {
        uint64_t size;
        uint64_t index;
        uint8_t token[900];
    } anchors[HEADS_MAX];
} heads;

void heads_forget(void)
{
    memset(&heads, 0, sizeof heads);
}

void heads_hour(uint64_t hour, size_t size, unsigned witnesses)
{
    struct federation *f = &book->federation;
    struct tmx_checkpoint head = { .size = size, .root = book->roots[size] };
    struct tmx_writer origin = tmx_writer_init(head.origin, sizeof head.origin - 1);
    struct tmx_verify_key key;
    struct tmx_writer w;
    struct tmx_bytes text;
    struct tmx_bytes lines;

    assert_true(heads.n_hours < HEADS_MAX);
    heads.hours[heads.n_hours].hour = hour;
    w = TMX_WRITER_OF(heads.hours[heads.n_hours].note);
    tmx_log_origin(f->name, tmx_bytes_str(f->shard), &origin);
    assert_true(tmx_verify_key_init(tmx_written(&origin), TMX_NOTE_ED25519, f->log_public, &key));
    tmx_checkpoint_sign(&head, &key, f->log_secret, &w);
    assert_true(tmx_note_split(tmx_written(&w), &text, &lines));
    for (unsigned i = 0; i < witnesses; i++) {
        char name[64];

        snprintf(name, sizeof name, "tmx.test/witness/%s", f->members[i].code);
        assert_true(tmx_verify_key_init(tmx_bytes_str(name), TMX_NOTE_COSIGNATURE, f->members[i].witness_public, &key));
        tmx_cosignature_add_line(&w, text, START_MS / 1000 + i, &key, f->members[i].witness_secret);
    }
    heads.hours[heads.n_hours++].size = w.used;
}

uint64_t heads_anchor(size_t size)
{
    Tmx__LogEntry e = book_entry(TMX__ENTRY_KIND__ENTRY_ANCHOR);
    uint8_t digest[TMX_HASH_SIZE];

    assert_true(heads.n_anchors < HEADS_MAX);
    heads.anchors[heads.n_anchors].size = size;
    snprintf((char *)heads.anchors[heads.n_anchors].token, sizeof heads.anchors[0].token, "token of %zu", size);
    tmx_digest(TMX_BYTES_OF(heads.anchors[heads.n_anchors].token), digest);
    e.number = size;
    e.digest = book_bin(digest, sizeof digest);
    return heads.anchors[heads.n_anchors++].index = book_put(&e);
}

/* The last hour still changes. */
static void answer_checkpoint(struct tmx_control *control, uint64_t client, uint64_t from)
{
    for (size_t i = 0; i + 1 < heads.n_hours; i++) {
        if (heads.hours[i].hour >= from) {
            tmx_control_reply_with(control, client, json_pack("{sI}", "hour", (json_int_t)heads.hours[i].hour),
                                   TMX_BYTES(heads.hours[i].note, heads.hours[i].size));
            return;
        }
    }
    tmx_control_reply(control, client, json_pack("{si}", "hour", 0));
}

static void answer_anchor(struct tmx_control *control, uint64_t client, uint64_t from)
{
    for (size_t i = 0; i < heads.n_anchors; i++) {
        if (heads.anchors[i].size >= from) {
            tmx_control_reply_with(control, client,
                                   json_pack("{sI sI}", "size", (json_int_t)heads.anchors[i].size, "index",
                                             (json_int_t)heads.anchors[i].index),
                                   TMX_BYTES_OF(heads.anchors[i].token));
            return;
        }
    }
    tmx_control_reply(control, client, json_pack("{si}", "size", 0));
}

bool heads_answer(struct tmx_control *control, const struct tmx_control_request *r, struct heads_asked *asked)
{
    uint64_t from;

    if (r->n_words != 2 || !tmx_parse_u64(tmx_bytes_str(r->words[1]), UINT64_MAX, &from)) {
        return false;
    }
    if (strcmp(r->words[0], "log-checkpoint") == 0) {
        asked->checkpoints++;
        answer_checkpoint(control, r->client, from);
        return true;
    }
    if (strcmp(r->words[0], "log-anchor") == 0) {
        asked->anchors++;
        answer_anchor(control, r->client, from);
        return true;
    }
    return false;
}
