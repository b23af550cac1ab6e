/* SPDX-License-Identifier: Apache-2.0
 * See operated.h.
 */
#include <assert.h>
#include <string.h>

#include <tmx/seal.h>

#include "operated.h"

static const char full[] = "operators did more than this looks at";
static const char half[] = "half of what an operator asked";

/* The rows of one kind that are there by the log. */

static size_t find(const struct operated_row *rows, size_t n, const uint8_t *key, size_t size)
{
    size_t i = 0;
    while (i < n && memcmp(rows[i].key, key, size) != 0) {
        i++;
    }
    return i;
}

static bool add(struct operated_row *rows, size_t *n, struct tmx_bytes key, uint64_t index)
{
    if (*n == OPERATED_MAX) {
        return false;
    }
    rows[*n] = (struct operated_row){ .index = index };
    memcpy(rows[(*n)++].key, key.data, key.size);
    return true;
}

static bool drop(struct operated_row *rows, size_t *n, struct tmx_bytes key)
{
    size_t i = find(rows, *n, key.data, key.size);
    if (i == *n) {
        return false;
    }
    rows[i] = rows[--*n];
    return true;
}

static struct tmx_bytes u64_key(uint64_t v, uint8_t key[8])
{
    struct tmx_writer w = tmx_writer_init(key, 8);
    tmx_write_u64(&w, v);
    return tmx_written(&w);
}

static struct tmx_bytes delivery_key(struct tmx_bytes recipient, struct tmx_bytes id, uint8_t key[TMX_MEMBER_KEY + TMX_ID_SIZE])
{
    tmx_member_key(recipient, key);
    memcpy(key + TMX_MEMBER_KEY, id.data, TMX_ID_SIZE);
    return TMX_BYTES(key, TMX_MEMBER_KEY + TMX_ID_SIZE);
}

/* The request that is kept under an entry, and its digest. */
static bool record_of(struct tmx_spool *spool, uint64_t index, struct tmx_operation *ret_op, uint8_t ret_digest[TMX_HASH_SIZE])
{
    uint8_t key[8];
    struct tmx_bytes note, text, lines;
    if (tmx_spool_get(spool, TMX_T_OPERATION, u64_key(index, key), &note) != 0) {
        return false;
    }
    tmx_digest(note, ret_digest);
    return tmx_note_split(note, &text, &lines) && tmx_operation_parse(text, ret_op);
}

/* The first entry of a request: how many more there are to be, and its nonce. */
static const char *begins(struct operated *o, const Tmx__LogEntry *e, uint64_t index, struct tmx_spool *spool)
{
    struct tmx_operation op, proposed;
    struct tmx_bytes value;
    uint8_t digest[TMX_HASH_SIZE], key[8];
    if (!record_of(spool, index, &op, digest) || memcmp(digest, o->digest, sizeof(digest)) != 0 || op.action != e->code) {
        return "an operator acted, and there is no record of it";
    }
    o->requests++;
    o->missing = op.action == TMX_ACTION_PROPOSE || op.n_targets == 0 ? 0 : op.n_targets - 1;
    if (op.action == TMX_ACTION_APPROVE) {
        if (!record_of(spool, op.proposal, &proposed, digest) || memcmp(digest, op.proposal_digest, sizeof(digest)) != 0) {
            return "what was approved is not there";
        }
        o->missing = proposed.n_targets;
        o->ending = proposed.of;
    }
    return tmx_spool_get(spool, TMX_T_NONCE, TMX_BYTES_OF(op.nonce), &value) == 0 && tmx_bytes_eq(value, u64_key(index, key))
               ? NULL
               : "an operator acted, and could ask the same again";
}

/* What the entry says is so from now on. */
static const char *state_of(struct operated *o, const Tmx__LogEntry *e, uint64_t index)
{
    uint8_t key[TMX_MEMBER_KEY + TMX_ID_SIZE];
    bool right = true;
    switch (e->code) {
    case TMX_ACTION_PAUSE:
    case TMX_ACTION_DRAIN:
        tmx_member_key(tmx_pb(e->recipient), key);
        return add(o->stops, &o->n_stops, TMX_BYTES(key, TMX_MEMBER_KEY), index) ? NULL : full;
    case TMX_ACTION_RESUME:
    case TMX_ACTION_ADMIT:
        tmx_member_key(tmx_pb(e->recipient), key);
        right = drop(o->stops, &o->n_stops, TMX_BYTES(key, TMX_MEMBER_KEY));
        break;
    case TMX_ACTION_HOLD:
        return add(o->held, &o->n_held, delivery_key(tmx_pb(e->recipient), tmx_pb(e->message_id), key), index) ? NULL : full;
    case TMX_ACTION_RELEASE:
        right = drop(o->held, &o->n_held, delivery_key(tmx_pb(e->recipient), tmx_pb(e->message_id), key));
        break;
    case TMX_ACTION_PROPOSE:
        return add(o->proposals, &o->n_proposals, u64_key(index, key), index) ? NULL : full;
    case TMX_ACTION_APPROVE:
    case TMX_ACTION_WITHDRAW:
    case TMX_ACTION_LAPSE:
        right = drop(o->proposals, &o->n_proposals, u64_key(e->reference->index, key));
        break;
    default:
        break;
    }
    return right ? NULL : "an operator ended what was not there";
}

/* A delivery that arrives or ends is held no more. */
static void leaves(struct operated *o, struct tmx_bytes recipient, struct tmx_bytes id)
{
    uint8_t key[TMX_MEMBER_KEY + TMX_ID_SIZE];
    (void)drop(o->held, &o->n_held, delivery_key(recipient, id, key));
}

const char *operated_entry(struct operated *o, const Tmx__LogEntry *e, uint64_t log_index, struct tmx_spool *spool)
{
    const bool acts = e->kind == TMX__ENTRY_KIND__ENTRY_OPERATOR && e->code != TMX_ACTION_LAPSE;
    const bool goes_on = o->missing > 0 && (o->ending == 0 ? acts && memcmp(e->digest.data, o->digest, TMX_HASH_SIZE) == 0
                                                           : e->kind == TMX__ENTRY_KIND__ENTRY_EXCEPTION);
    const char *wrong = NULL;
    if (o->missing > 0 && !goes_on) {
        return half;
    }
    if (e->kind == TMX__ENTRY_KIND__ENTRY_EXPIRED || e->kind == TMX__ENTRY_KIND__ENTRY_EXCEPTION) {
        leaves(o, tmx_pb(e->recipient), tmx_pb(e->message_id));
    }
    if (goes_on) {
        o->missing--;
        o->ending = o->missing > 0 ? o->ending : 0;
    } else if (acts) {
        memcpy(o->digest, e->digest.data, TMX_HASH_SIZE);
        wrong = begins(o, e, log_index, spool);
    }
    return wrong == NULL && e->kind == TMX__ENTRY_KIND__ENTRY_OPERATOR ? state_of(o, e, log_index) : wrong;
}

void operated_report(struct operated *o, const Tmx__Report *r)
{
    leaves(o, tmx_pb(r->recipient), tmx_pb(r->message_id));
}

/* A table holds these rows, and no other; `indexed`: with the entry as their value. */
static bool table_is(struct tmx_spool *spool, enum tmx_broker_table table, const struct operated_row *rows, size_t n, size_t size,
                     bool indexed)
{
    struct tmx_spool_stat stat;
    struct tmx_bytes value;
    uint8_t index[8];
    if (tmx_spool_stat(spool, &stat) < 0 || stat.rows[table] != n) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (tmx_spool_get(spool, (uint8_t)table, TMX_BYTES(rows[i].key, size), &value) != 0 ||
            (indexed && !tmx_bytes_eq(value, u64_key(rows[i].index, index)))) {
            return false;
        }
    }
    return true;
}

const char *operated_rows(const struct operated *o, struct tmx_spool *spool)
{
    struct tmx_spool_stat stat;
    if (o->missing > 0) {
        return half;
    }
    if (tmx_spool_stat(spool, &stat) < 0 || stat.rows[TMX_T_OPERATION] != o->requests || stat.rows[TMX_T_NONCE] != o->requests) {
        return "more records of operators than the log has";
    }
    return !table_is(spool, TMX_T_STOP, o->stops, o->n_stops, TMX_MEMBER_KEY, true)               ? "what is stopped is not what the log says"
           : !table_is(spool, TMX_T_HELD, o->held, o->n_held, TMX_MEMBER_KEY + TMX_ID_SIZE, true) ? "what is held is not what the log says"
           : !table_is(spool, TMX_T_PROPOSAL, o->proposals, o->n_proposals, 8, false)             ? "what is proposed is not what the log says"
                                                                                                  : NULL;
}
