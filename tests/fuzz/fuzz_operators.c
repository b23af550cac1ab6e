/* SPDX-License-Identifier: Apache-2.0
 * See fuzz_operators.h. OPS-2 … OPS-8
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz_operators.h"

#define TARGETS_MAX 4u

/* What is wrong with a request; each alone is reason to refuse it. */
enum { RIGHT, AGAIN, STRANGER, OTHER_INSTALLATION, OTHER_TIME, USED_NONCE, CHANGED, NOTHING_ELSE };

static void must(bool right, const char *what)
{
    if (!right) {
        fprintf(stderr, "broken: %s\n", what);
        abort();
    }
}

static void name_deliveries(struct world *w, unsigned member, const struct instruction *in, struct tmx_operation *op)
{
    size_t n = 1 + in->v % TARGETS_MAX;
    for (size_t i = 0; i < n; i++) {
        const struct fake_message *m = &w->pool[(in->c + i) % WORLD_POOL];
        operating_target(op, m->id, w->whole.members[(member + (in->b >> 4)) % WORLD_MEMBERS].code);
    }
}

/* One that is open, if any is. */
static void name_proposal(struct world *w, const struct instruction *in, struct tmx_operation *op)
{
    op->proposal = in->c % (w->fold.n_leaves + 1);
    if (w->fold.n_proposals > 0) {
        op->proposal = w->fold.proposals[in->c % w->fold.n_proposals].index;
    }
    memcpy(op->proposal_digest, w->fold.leaves[op->proposal].body_digest, TMX_HASH_SIZE);
    op->proposal_digest[in->v % TMX_HASH_SIZE] ^= (in->b & 8) != 0 ? 1 : 0;
}

static struct tmx_operation compose(struct world *w, unsigned member, const struct instruction *in)
{
    struct tmx_operation op = operating_ask(&w->operating, (enum tmx_action)(1 + in->a % (TMX_ACTIONS_END - 1)), w->wall_ms);
    switch (tmx_action_target(op.action)) {
    case TMX_TARGET_EITHER:
        if ((in->b & 4) != 0) {
            name_deliveries(w, member, in, &op);
            break;
        }
        memcpy(op.member, w->whole.members[member].code, sizeof(op.member));
        break;
    case TMX_TARGET_MEMBER:
        memcpy(op.member, w->whole.members[member].code, sizeof(op.member));
        break;
    case TMX_TARGET_ACTION:
        op.of = (in->b & 4) != 0 ? TMX_ACTION_LOSE : TMX_ACTION_EXPIRE;
        name_deliveries(w, member, in, &op);
        break;
    case TMX_TARGET_DELIVERIES:
        name_deliveries(w, member, in, &op);
        break;
    case TMX_TARGET_PROPOSAL:
        name_proposal(w, in, &op);
        break;
    case TMX_TARGET_NONE:
        break;
    }
    return op;
}

static void ask(struct world *w, unsigned who, const struct tmx_operation *op, struct tmx_bytes note, bool wrong)
{
    struct tmx_bytes copy;
    if (w->asked.note.size > 0) {
        world_turn(w);
    }
    world_event(w, TMX_BROKER_OPERATION, 0);
    bool copied = tmx_arena_copy(&w->arena, note, &copy);
    assert(copied);
    world_last(w)->file = copy;
    world_last(w)->operators = &w->operating.operators;
    w->asked = (struct world_asked){ .note = copy, .who = who, .op = *op, .wrong = wrong, .from = w->fold.n_leaves,
                                     .draining = fold_stopped(&w->fold, NULL) };
}

void operators_ask(struct world *w, unsigned member, const struct instruction *in)
{
    uint8_t buffer[TMX_OPERATION_MAX];
    struct operating stranger = w->operating;
    unsigned who = in->b % OPERATING_N, wrong = in->d % 16;
    struct tmx_operation op = compose(w, member, in);
    uint64_t late = ((uint64_t)in->v << 8) + TMX_OPERATION_FRESH_MS + 1;
    switch (wrong) {
    case STRANGER:   /* a key of nobody, under a name of the list */
        memcpy(stranger.secrets[who], w->operating.secret, sizeof(stranger.secrets[who]));
        break;
    case OTHER_INSTALLATION:
        op.installation[in->v % strlen(op.installation)] ^= 1;
        break;
    case OTHER_TIME:
        op.time_ms = (in->v & 1) != 0 ? op.time_ms + late : op.time_ms - late;
        break;
    case USED_NONCE:
        if (w->n_done == 0) {
            wrong = RIGHT;
            break;
        }
        memcpy(op.nonce, w->done_op.nonce, sizeof(op.nonce));
        break;
    default:
        break;
    }
    struct tmx_bytes note = operating_sign(&stranger, who, &op, buffer);
    if (wrong == AGAIN && w->n_done > 0) {
        note = TMX_BYTES(w->done_note, w->done_size);
        op = w->done_op;
    } else if (wrong == CHANGED) {
        buffer[in->v % note.size] ^= 1;
    }
    bool alone = tmx_action_by_two(op.action) || op.action == TMX_ACTION_LAPSE || op.action == TMX_ACTION_TRUST;
    ask(w, who, &op, note, alone || (wrong != RIGHT && wrong < NOTHING_ELSE && (wrong != AGAIN || w->n_done > 0)));
}

/* Of what cannot be wrong but by what is asked: it must be done. */
static bool must_be_done(const struct world *w, const struct world_asked *asked)
{
    return !w->halted && !asked->wrong && asked->who < 2 &&
           asked->op.action == (asked->draining ? TMX_ACTION_ADMIT : TMX_ACTION_DRAIN);
}

/* Entries since the request that bind it, but for that of a proposal that has lapsed already. */
static size_t entries_of(const struct world *w, const uint8_t digest[TMX_HASH_SIZE], uint64_t from)
{
    size_t n = 0;
    for (size_t i = from; i < w->fold.n_leaves; i++) {
        const struct fold_leaf *leaf = &w->fold.leaves[i];
        n += leaf->kind == TMX__ENTRY_KIND__ENTRY_OPERATOR && leaf->number != TMX_ACTION_LAPSE &&
                     memcmp(leaf->body_digest, digest, TMX_HASH_SIZE) == 0
                 ? 1
                 : 0;
    }
    return n;
}

static size_t exceptions_behind(const struct world *w, uint64_t index)
{
    size_t n = 0;
    while (index + 1 + n < w->fold.n_leaves && w->fold.leaves[index + 1 + n].kind == TMX__ENTRY_KIND__ENTRY_EXCEPTION) {
        n++;
    }
    return n;
}

/* Done: by whom it may be done, wholly. */
static void check_done(struct world *w, const struct world_asked *asked, const struct tmx_broker_operation_view *result)
{
    const struct tmx_operation *op = &asked->op;
    must(!asked->wrong, "OPS-3: a wrong request is done");
    must(asked->who < 2 || op->action == TMX_ACTION_PAUSE || op->action == TMX_ACTION_RESUME, "OPS-2: done without the right");
    if (op->action == TMX_ACTION_PROPOSE) {
        w->proposed[result->index] = (struct world_proposed){ .who = asked->who, .n = op->n_targets };
    } else if (op->action == TMX_ACTION_APPROVE) {
        const struct world_proposed *p = &w->proposed[op->proposal];
        must(p->who != asked->who, "OPS-8: one operator decides alone");
        must(result->n == p->n && exceptions_behind(w, result->index) >= p->n, "OPS-8: not all of what was proposed has ended");
    }
    memcpy(w->done_note, asked->note.data, asked->note.size);
    w->done_size = asked->note.size;
    w->done_op = *op;
    w->n_done++;
}

void operators_asked(struct world *w, const struct tmx_broker_operation_view *result, bool committed)
{
    const struct world_asked *asked = &w->asked;
    uint8_t digest[TMX_HASH_SIZE];
    struct tmx_bytes value;
    if (asked->note.size == 0) {
        return;
    }
    const bool done = result->result == TMX_OPERATION_OK && committed;
    const bool several = tmx_action_target(asked->op.action) != TMX_TARGET_ACTION && asked->op.n_targets > 0;
    tmx_digest(asked->note, digest);
    const size_t n = entries_of(w, digest, asked->from);
    must(n == (!done ? 0 : several ? asked->op.n_targets : 1), "OPS-5: the entries are not those of the request");
    if (tmx_spool_get(w->spool, TMX_T_NONCE, TMX_BYTES_OF(asked->op.nonce), &value) != 0) {
        must(!done, "OPS-4: what was done can be asked again");
    }
    must(done || !committed || !must_be_done(w, asked), "OPS-3: a right request is refused");
    if (done) {
        must(memcmp(w->fold.leaves[result->index].body_digest, digest, sizeof(digest)) == 0, "OPS-5: not the entry of the request");
        check_done(w, asked, result);
    }
    w->asked = (struct world_asked){ .wrong = false };
}

static void put_right(struct world *w, struct tmx_operation *op)
{
    uint8_t buffer[TMX_OPERATION_MAX];
    const size_t before = w->n_done;
    ask(w, 0, op, operating_sign(&w->operating, 0, op, buffer), false);
    world_turn(w);
    must(w->n_done == before + 1, "OPS-3: what puts right is refused");
}

void operators_put_right(struct world *w)
{
    for (unsigned i = 0; i <= WORLD_MEMBERS; i++) {
        const char *member = i < WORLD_MEMBERS ? w->whole.members[i].code : NULL;
        if (fold_stopped(&w->fold, member)) {
            struct tmx_operation op = operating_ask(&w->operating, member != NULL ? TMX_ACTION_RESUME : TMX_ACTION_ADMIT, w->wall_ms);
            memcpy(op.member, member != NULL ? member : "", member != NULL ? strlen(member) + 1 : 1);
            put_right(w, &op);
        }
    }
    for (size_t i = 0; i < w->fold.n_deliveries; i++) {
        const struct fold_delivery *d = &w->fold.deliveries[i];
        if (d->held != 0) {
            char member[TMX_MEMBER_KEY + 1] = "";
            struct tmx_operation op = operating_ask(&w->operating, TMX_ACTION_RELEASE, w->wall_ms);
            memcpy(member, d->member, TMX_MEMBER_KEY);
            operating_target(&op, d->id, member);
            put_right(w, &op);
        }
    }
}
