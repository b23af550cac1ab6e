/* SPDX-License-Identifier: Apache-2.0
 * See fold.h: what operators did, and the rows that say it. OPS-5 … OPS-8
 */
#include <inttypes.h>
#include <string.h>

#include <tmx/seal.h>

#include "fold_parts.h"

#define ADMISSION FEDERATION_MEMBERS_MAX

static bool stop(struct fold *f, const Tmx__LogEntry *e, bool set)
{
    bool admission = e->code == TMX_ACTION_DRAIN || e->code == TMX_ACTION_ADMIT;
    int at = admission ? (int)ADMISSION : fold_member(f, tmx_pb(e->recipient));
    if (at < 0 || (e->recipient.len == 0) != admission || set != (f->stopped[at] == 0)) {
        return fold_fail(f, "leaf %zu: %s of what is so already, or unknown", f->n_leaves, tmx_action_name(e->code));
    }
    f->stopped[at] = set ? f->n_leaves : 0;
    return true;
}

static bool delivery(struct fold *f, const Tmx__LogEntry *e, struct fold_delivery *d)
{
    if (d == NULL || d->row.state != TMX_DELIVERY_QUEUED || e->reference->index != d->row.index || e->number != d->row.seq ||
        !tmx_bytes_eq(tmx_pb(e->member), tmx_member_code(d->row.sender)) ||
        (e->code != TMX_ACTION_RETRY && (e->code == TMX_ACTION_HOLD) != (d->held == 0))) {
        return fold_fail(f, "leaf %zu: %s of a delivery that is %s", f->n_leaves, tmx_action_name(e->code),
                         d == NULL ? "unknown" : tmx_delivery_state_name(d->row.state));
    }
    d->held = e->code == TMX_ACTION_HOLD ? f->n_leaves : e->code == TMX_ACTION_RELEASE ? 0 : d->held;
    return true;
}

static bool propose(struct fold *f, const Tmx__LogEntry *e)
{
    assert(f->n_proposals < FOLD_PROPOSALS_MAX);
    f->proposals[f->n_proposals++] = (struct fold_proposal){ .index = f->n_leaves, .action = (unsigned)e->number,
                                                             .until_ms = e->time_ms + TMX_PROPOSAL_MS };
    return (e->number == TMX_ACTION_EXPIRE || e->number == TMX_ACTION_LOSE) || fold_fail(f, "leaf %zu proposes nothing", f->n_leaves);
}

static bool close_proposal(struct fold *f, const Tmx__LogEntry *e)
{
    size_t i = 0;
    while (i < f->n_proposals && (e->reference == NULL || f->proposals[i].index != e->reference->index)) {
        i++;
    }
    if (i == f->n_proposals || (e->code == TMX_ACTION_LAPSE) != (e->time_ms >= f->proposals[i].until_ms)) {
        return fold_fail(f, "leaf %zu: %s of a proposal that is not open, or not in its time", f->n_leaves, tmx_action_name(e->code));
    }
    bool own = memcmp(e->digest.data, f->leaves[f->proposals[i].index].body_digest, 32) == 0;
    f->approved = e->code == TMX_ACTION_APPROVE ? f->proposals[i].action : 0;
    f->proposals[i] = f->proposals[--f->n_proposals];
    return own == (e->code == TMX_ACTION_LAPSE) || fold_fail(f, "leaf %zu: the record of another", f->n_leaves);
}

bool fold_operator(struct fold *f, const Tmx__LogEntry *e, struct fold_delivery *d)
{
    memcpy(f->leaves[f->n_leaves].body_digest, e->digest.data, 32);
    f->leaves[f->n_leaves].number = e->code;
    switch (e->code) {
    case TMX_ACTION_PAUSE:
    case TMX_ACTION_DRAIN:
        return stop(f, e, true);
    case TMX_ACTION_RESUME:
    case TMX_ACTION_ADMIT:
        return stop(f, e, false);
    case TMX_ACTION_HOLD:
    case TMX_ACTION_RELEASE:
        return delivery(f, e, d);
    case TMX_ACTION_RETRY:
        return e->message_id.len == 0 || delivery(f, e, d);
    case TMX_ACTION_PROPOSE:
        return propose(f, e);
    case TMX_ACTION_APPROVE:
    case TMX_ACTION_WITHDRAW:
    case TMX_ACTION_LAPSE:
        return close_proposal(f, e);
    case TMX_ACTION_DISCONNECT:
    case TMX_ACTION_RELOAD:
        return true;
    default:
        return fold_fail(f, "leaf %zu: no action %u", f->n_leaves, e->code);
    }
}

static uint64_t number_at(struct tmx_bytes b, size_t at)
{
    struct tmx_reader r = tmx_reader_init(b);
    tmx_read_bytes(&r, at);
    uint64_t v = tmx_read_u64(&r);
    return tmx_reader_ok(&r) ? v : UINT64_MAX;
}

bool fold_stop_row(struct fold *f, struct tmx_spool *spool, struct tmx_bytes key, struct tmx_bytes value)
{
    int at = key.data[0] == 0 ? (int)ADMISSION : fold_member(f, tmx_member_code(key.data));
    return at >= 0 && f->stopped[at] != 0 && number_at(value, 0) == f->stopped[at];
}

bool fold_held_row(struct fold *f, struct tmx_spool *spool, struct tmx_bytes key, struct tmx_bytes value)
{
    const struct fold_delivery *d = key.size == TMX_MEMBER_KEY + TMX_ID_SIZE
                                        ? fold_find(f, tmx_bytes_slice(key, TMX_MEMBER_KEY, TMX_ID_SIZE), tmx_member_code(key.data))
                                        : NULL;
    return d != NULL && d->held != 0 && number_at(value, 0) == d->held;
}

/* Every record has its entry, which binds it. */
bool fold_operation_row(struct fold *f, struct tmx_spool *spool, struct tmx_bytes key, struct tmx_bytes value)
{
    uint64_t index = number_at(key, 0);
    uint8_t digest[32];
    tmx_digest(value, digest);
    return index < f->n_leaves && f->leaves[index].kind == TMX__ENTRY_KIND__ENTRY_OPERATOR &&
           memcmp(digest, f->leaves[index].body_digest, sizeof(digest)) == 0;
}

/* OPS-4: of a request that is kept. */
bool fold_nonce_row(struct fold *f, struct tmx_spool *spool, struct tmx_bytes key, struct tmx_bytes value)
{
    struct tmx_bytes note, text, lines;
    struct tmx_operation op;
    return tmx_spool_get(spool, TMX_T_OPERATION, value, &note) == 0 && tmx_note_split(note, &text, &lines) &&
           tmx_operation_parse(text, &op) && tmx_bytes_eq(key, TMX_BYTES_OF(op.nonce));
}

bool fold_proposal_row(struct fold *f, struct tmx_spool *spool, struct tmx_bytes key, struct tmx_bytes value)
{
    for (size_t i = 0; i < f->n_proposals; i++) {
        if (f->proposals[i].index == number_at(key, 0)) {
            return number_at(value, 0) == f->proposals[i].until_ms && value.data[8] == f->proposals[i].action &&
                   memcmp(value.data + 9, f->leaves[f->proposals[i].index].body_digest, 32) == 0;
        }
    }
    return false;
}

/* A request has one entry, or one for each delivery, one behind the other; what lapses has none of its own. */
uint64_t fold_operations(const struct fold *f)
{
    uint64_t n = 0;
    for (size_t i = 0; i < f->n_leaves; i++) {
        const struct fold_leaf *leaf = &f->leaves[i];
        const bool asked = leaf->kind == TMX__ENTRY_KIND__ENTRY_OPERATOR && leaf->number != TMX_ACTION_LAPSE;
        n += asked && memcmp(leaf->body_digest, f->leaves[i - 1].body_digest, 32) != 0 ? 1 : 0;
    }
    return n;
}

bool fold_stopped(const struct fold *f, const char *member)
{
    int at = member != NULL ? fold_member(f, tmx_bytes_str(member)) : (int)ADMISSION;
    return at >= 0 && f->stopped[at] != 0;
}

uint64_t fold_stops(const struct fold *f)
{
    uint64_t n = 0;
    for (size_t i = 0; i < TMX_N(f->stopped); i++) {
        n += f->stopped[i] != 0 ? 1 : 0;
    }
    return n;
}

uint64_t fold_held(const struct fold *f)
{
    uint64_t n = 0;
    for (size_t i = 0; i < f->n_deliveries; i++) {
        n += f->deliveries[i].held != 0 ? 1 : 0;
    }
    return n;
}
