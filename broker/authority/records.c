/* SPDX-License-Identifier: Apache-2.0
 * What the directory records beside members: log origins and gates of the broker, catalogue, witness policy.
 */
#include "authority.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tmx/catalogue.h>
#include <tmx/identifier.h>
#include <tmx/seal.h>
#include <tmx/text.h>

#define BROKER_PUB_MAX 65536u

/* The next word of a line; empty at its end. */
static struct tmx_bytes next_word(struct tmx_bytes *line)
{
    const uint8_t *space = line->size > 0 ? memchr(line->data, ' ', line->size) : NULL;
    size_t size = space == NULL ? line->size : (size_t)(space - line->data);
    size_t used = space == NULL ? size : size + 1;
    struct tmx_bytes word = tmx_bytes_slice(*line, 0, size);
    *line = tmx_bytes_slice(*line, used, line->size - used);
    return word;
}

/* Applies a line, or says why not. */
typedef bool line_fn(struct tool *t, Tmx__Directory *d, struct tmx_bytes line, struct tmx_writer *reason);

/* Applies `fn` to the lines of broker.pub that begin with `word`. */
static int apply_lines(struct tool *t, const char *word, line_fn *fn)
{
    Tmx__Directory *d;
    struct tmx_bytes content, line;
    unsigned number = 0;
    unsigned applied = 0;
    if (!draft_load(t, &d) || !read_file(t, t->argument, BROKER_PUB_MAX, &content)) {
        return 1;
    }
    while (next_line(&content, &line)) {
        number++;
        if (!tmx_bytes_eq(next_word(&line), tmx_bytes_str(word))) {
            continue;
        }
        char reason[512];
        struct tmx_writer w = TMX_WRITER_OF(reason);
        if (!fn(t, d, line, &w)) {
            return fail("%s:%u: %.*s", t->argument, number, (int)w.used, reason);
        }
        applied++;
    }
    if (applied == 0) {
        return fail("%s: no line that begins with '%s'", t->argument, word);
    }
    return draft_save(t, d) ? 0 : 1;
}

/* "<shard> <vkey>" */
static bool add_log_line(struct tool *t, Tmx__Directory *d, struct tmx_bytes line, struct tmx_writer *reason)
{
    struct tmx_bytes shard = next_word(&line);
    struct tmx_verify_key key;
    char name[TMX_KEYNAME_MAX];
    struct tmx_writer w = TMX_WRITER_OF(name);
    if (!tmx_name_valid(shard, TMX_SHARD_MAX) || !tmx_verify_key_parse(line, &key)) {
        tmx_write_fmt(reason, "not 'log SHARD KEY' as 'tmx-authority broker-keys' writes it");
        return false;
    }
    tmx_log_origin(federation_of(t, d), shard, &w);
    if (!tmx_bytes_eq(tmx_written(&w), tmx_bytes_str(key.name)) || key.type != TMX_NOTE_ED25519) {
        tmx_write_fmt(reason, "a key of %s: here one of %.*s is needed", key.name, (int)w.used, name);
        return false;
    }
    for (size_t i = 0; i < d->n_logs; i++) {
        bool same_shard = tmx_bytes_eq(tmx_pb(d->logs[i]->shard), shard);
        bool same_key = tmx_bytes_eq(tmx_pb(d->logs[i]->key), TMX_BYTES_OF(key.key));
        if (same_shard && same_key) {
            return true;
        }
        if (same_shard || same_key) {
            tmx_write_fmt(reason, "shard %.*s has %s", (int)d->logs[i]->shard.len,
                          (const char *)d->logs[i]->shard.data,
                          same_shard ? "another key already: a new key needs a new shard"
                                     : "this very key: a new shard needs a new one (move log.key away first)");
            return false;
        }
    }
    Tmx__LogOrigin *log = take(t, sizeof(*log));
    *log = (Tmx__LogOrigin)TMX__LOG_ORIGIN__INIT;
    log->shard = tmx_to_pb(shard);
    log->key = tmx_to_pb(keep(t, TMX_BYTES_OF(key.key)));
    log->from_ms = now_ms();
    d->logs = append(t, d->logs, d->n_logs, log);
    d->n_logs++;
    return true;
}

/* "<MEMBER> <endpoint> <base64 key>"; one gate for each member: the latest. */
static bool add_gate_line(struct tool *t, Tmx__Directory *d, struct tmx_bytes line, struct tmx_writer *reason)
{
    struct tmx_bytes member = next_word(&line);
    struct tmx_bytes endpoint = next_word(&line);
    uint8_t key[32];
    size_t size;
    if (!tmx_unbase64(line, key, sizeof(key), &size) || size != sizeof(key)) {
        tmx_write_fmt(reason, "not 'gate MEMBER ENDPOINT KEY' as 'tmx-authority broker-keys' writes it");
        return false;
    }
    if (draft_member(d, member) == NULL) {
        tmx_write_fmt(reason, "no such member: %.*s: admit it first", (int)member.size, (const char *)member.data);
        return false;
    }
    Tmx__Gate *gate = NULL;
    for (size_t i = 0; i < d->n_gates && gate == NULL; i++) {
        gate = tmx_bytes_eq(tmx_pb(d->gates[i]->member), member) ? d->gates[i] : NULL;
    }
    if (gate == NULL) {
        gate = take(t, sizeof(*gate));
        *gate = (Tmx__Gate)TMX__GATE__INIT;
        d->gates = append(t, d->gates, d->n_gates, gate);
        d->n_gates++;
    }
    gate->member = tmx_to_pb(member);
    gate->endpoint = tmx_to_pb(endpoint);
    gate->curve_key = tmx_to_pb(keep(t, TMX_BYTES_OF(key)));
    return true;
}

int run_add_log(struct tool *t)
{
    return apply_lines(t, "log", add_log_line);
}

int run_add_gate(struct tool *t)
{
    return apply_lines(t, "gate", add_gate_line);
}

int run_catalogue(struct tool *t)
{
    Tmx__Directory *d;
    struct tmx_bytes content;
    struct tmx_catalogue *c;
    uint8_t digest[32];
    char reason[256] = "";
    unsigned line = 0;
    if (!draft_load(t, &d) || !read_file(t, t->argument, TMX_DIRECTORY_MAX, &content)) {
        return 1;
    }
    if (tmx_catalogue_parse(content, &c, &line, reason, sizeof(reason)) < 0) {
        return fail("%s:%u: %s", t->argument, line, reason);
    }
    tmx_digest(content, digest);
    d->catalogue_version = tmx_to_pb(keep(t, tmx_bytes_str(tmx_catalogue_version(c))));
    d->catalogue_digest = tmx_to_pb(keep(t, TMX_BYTES_OF(digest)));
    printf("%s: version %s, %zu message types\n", t->argument, tmx_catalogue_version(c), tmx_catalogue_count(c));
    tmx_catalogue_free(c);
    return draft_save(t, d) ? 0 : 1;
}

int run_policy(struct tool *t)
{
    Tmx__Directory *d;
    struct tmx_bytes content;
    if (!draft_load(t, &d) || !read_file(t, t->argument, TMX_NOTE_MAX, &content)) {
        return 1;
    }
    struct tmx_policy *policy = take(t, sizeof(*policy));
    const char *reason;
    unsigned line = tmx_policy_parse(content, policy, &reason);
    if (line != 0) {
        return fail("%s:%u: %s (c2sp.org/tlog-policy)", t->argument, line, reason);
    }
    d->witness_policy = tmx_to_pb(content);
    return draft_save(t, d) ? 0 : 1;
}

static void write_vkey(struct tmx_writer *w, const char *name, uint8_t type, struct tmx_bytes key)
{
    struct tmx_verify_key v;
    bool ok = key.size == 32 && tmx_verify_key_init(tmx_bytes_str(name), type, key.data, &v);
    assert(ok);   /* the draft's keys were checked when they came in */
    tmx_verify_key_format(&v, w);
}

/* One line for each witness key that counts; its name in the policy is the member's code, and a number for the second. */
static size_t write_witnesses(struct tmx_writer *w, const Tmx__Directory *d, const char *federation, struct tmx_writer *names)
{
    size_t n = 0;
    for (size_t i = 0; i < d->n_members; i++) {
        const Tmx__Member *m = d->members[i];
        for (size_t j = 0; j < m->n_witness_keys && m->status != TMX__MEMBER_STATUS__MEMBER_REVOKED; j++) {
            if (m->witness_keys[j]->revoked) {
                continue;
            }
            char name[TMX_KEYNAME_MAX + 1], suffix[24] = "";
            struct tmx_writer nw = TMX_WRITER_OF(name);
            tmx_witness_key_name(federation, tmx_pb(m->code), &nw);
            tmx_write_u8(&nw, 0);
            if (j > 0) {
                snprintf(suffix, sizeof(suffix), "-%zu", j + 1);
            }
            tmx_write_fmt(w, "witness %.*s%s ", (int)m->code.len, (const char *)m->code.data, suffix);
            write_vkey(w, name, TMX_NOTE_COSIGNATURE, tmx_pb(m->witness_keys[j]->key));
            tmx_write_u8(w, '\n');
            tmx_write_fmt(names, " %.*s%s", (int)m->code.len, (const char *)m->code.data, suffix);
            n++;
        }
    }
    return n;
}

/* The logs, every member's witness keys, and more than half of them. */
int run_policy_majority(struct tool *t)
{
    Tmx__Directory *d;
    if (!draft_load(t, &d)) {
        return 1;
    }
    uint8_t *text = take(t, TMX_NOTE_MAX), *list = take(t, TMX_NOTE_MAX);
    struct tmx_writer w = tmx_writer_init(text, TMX_NOTE_MAX), names = tmx_writer_init(list, TMX_NOTE_MAX);
    char federation[TMX_FEDERATION_MAX + 1] = "", origin[TMX_KEYNAME_MAX + 1];
    memcpy(federation, d->federation.data, d->federation.len);
    for (size_t i = 0; i < d->n_logs; i++) {
        struct tmx_writer ow = TMX_WRITER_OF(origin);
        tmx_log_origin(federation, tmx_pb(d->logs[i]->shard), &ow);
        tmx_write_u8(&ow, 0);
        tmx_write_fmt(&w, "log ");
        write_vkey(&w, origin, TMX_NOTE_ED25519, tmx_pb(d->logs[i]->key));
        tmx_write_u8(&w, '\n');
    }
    size_t n = write_witnesses(&w, d, federation, &names);
    if (n == 0 || n > TMX_WITNESSES_MAX) {
        return fail("%zu witness keys: a policy has 1 to %u; write one and record it with: tmx-authority policy FILE", n,
                    TMX_WITNESSES_MAX);
    }
    struct tmx_bytes members = tmx_written(&names);
    tmx_write_fmt(&w, "group majority %zu%.*s\nquorum majority\n", n / 2 + 1, (int)members.size, (const char *)members.data);
    d->witness_policy = tmx_to_pb(tmx_written(&w));
    printf("%zu of %zu witnesses must cosign\n", n / 2 + 1, n);
    return draft_save(t, d) ? 0 : 1;
}
