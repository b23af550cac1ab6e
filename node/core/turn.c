/* SPDX-License-Identifier: Apache-2.0
 * The turn (see node.h), and the start that is recovery.
 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"

#define CONTROL_ARENA (2u << 20)
#define SCRATCH_ARENA (4u << 20)
#define BODIES_ARENA (TMX_BATCH_MAX * (TMX_HEADER_MAX + TMX_ATTACHMENT_MAX + 64u))
#define OUT_ARENA (32u << 20)
#define EXPIRY_DEFAULT_MS (7ull * NODE_DAY_MS)

void node_fault(struct tmx_node *n, int error)
{
    assert(error < 0);
    if (n->fault == 0) {
        n->fault = error;
    }
}

void node_notice(struct tmx_node *n, const char *event, bool alarm, const uint8_t *member, const uint8_t *id,
                 unsigned code, uint64_t number)
{
    n->counters.alarms += alarm ? 1 : 0;
    if (n->n_notices == TMX_NODE_NOTICES_MAX) {
        n->notices_lost++;
        return;
    }
    struct tmx_node_notice *t = &n->notices[n->n_notices++];
    *t = (struct tmx_node_notice){ .event = event, .alarm = alarm, .code = code, .number = number };
    if (member != NULL) {
        memcpy(t->member, member, sizeof(t->member));
    }
    if (id != NULL) {
        memcpy(t->message_id, id, sizeof(t->message_id));
    }
}

/* The pool: a key that every event's entropy is mixed into; output is BLAKE2b keyed with it over a counter. */

static void pool_mix(struct tmx_node *n, const uint8_t entropy[32])
{
    uint8_t next[32];
    crypto_generichash(next, sizeof(next), entropy, 32, n->pool, sizeof(n->pool));
    memcpy(n->pool, next, sizeof(next));
    n->pool_counter = 0;
}

void node_random(struct tmx_node *n, void *ret_data, size_t size)
{
    uint8_t *out = ret_data;
    while (size > 0) {
        uint8_t counter[8], block[64];
        struct tmx_writer w = TMX_WRITER_OF(counter);
        tmx_write_u64(&w, ++n->pool_counter);
        crypto_generichash(block, sizeof(block), counter, sizeof(counter), n->pool, sizeof(n->pool));
        size_t part = size < sizeof(block) ? size : sizeof(block);
        memcpy(out, block, part);
        sodium_memzero(block, sizeof(block));
        out += part;
        size -= part;
    }
}

uint8_t *node_keep(struct tmx_node *n, size_t size)
{
    struct node_kept *k = malloc(sizeof(*k) + size + 1);
    if (k == NULL) {
        node_fault(n, -ENOMEM);
        return NULL;
    }
    k->next = n->kept;
    n->kept = k;
    return k->data;
}

static void kept_free(struct tmx_node *n)
{
    while (n->kept != NULL) {
        struct node_kept *next = n->kept->next;
        free(n->kept);
        n->kept = next;
    }
}

static void output_reset(struct tmx_node *n)
{
    tmx_arena_reset(&n->out);
    kept_free(n);
    n->kept_bytes = 0;
    n->looks_left = NODE_LOOKS_MAX;
    n->n_sends = n->n_answers = 0;
    n->n_notices = n->fresh ? n->n_notices : 0;
    n->notices_lost = 0;
    n->fresh = false;
    n->operation = (struct tmx_node_operation){ .result = TMX_OPERATION_OK };
    n->more = n->directory_changed = n->session_begun = n->misbehaved = false;
    n->directory_result = TMX_DIRECTORY_OK;
    n->probe_code = TMX_CODE_OK;
}

static void step(struct tmx_node *n, const struct tmx_node_event *ev)
{
    pool_mix(n, ev->entropy);
    node_clock(n, ev->mono_ms, ev->wall_us);
    switch (ev->kind) {
    case TMX_NODE_TICK:
        break;
    case TMX_NODE_LINK_MESSAGE:
        node_link_message(n, ev);
        break;
    case TMX_NODE_DISK:
        node_disk_tell(n, ev);
        break;
    case TMX_NODE_LINK_BUSY:
        n->busy = ev->busy;
        break;
    case TMX_NODE_LINK_ANEW:
        node_link_anew(n);
        break;
    case TMX_NODE_APP_REQUEST:
        node_app_request(n, ev);
        break;
    case TMX_NODE_DIRECTORY:
        node_directory_install(n, ev->file, true);
        break;
    case TMX_NODE_OPERATION:
        node_operation(n, ev);
        break;
    case TMX_NODE_PROBE:
        n->probe_code = node_probe(n, ev->member, n->probe_id);
        break;
    case TMX_NODE_STOP:
        node_link_end(n);
        break;
    }
}

/* Everything that follows from the events: timers, signatures, frames, answers to those who wait. */
static void close_turn(struct tmx_node *n)
{
    node_clock(n, n->now_ms, n->wall_us);   /* a welcome of this turn may have said what time it is */
    node_timers_run(n);
    node_rebuild_close(n);
    node_prekeys_close(n);
    node_sign_close(n);
    node_link_close(n);
    node_stage_close(n);
    node_gaps_close(n);
    node_pump_close(n);
    node_wait_close(n);
    node_ages_run(n);
    if (n->state_dirty) {
        node_state_write(n);
    }
}

static uint64_t earliest(const struct tmx_node *n)
{
    if (n->more) {
        return 0;
    }
    uint64_t at[] = { node_link_deadline(n), node_wait_deadline(n), node_timers_deadline(n) };
    uint64_t first = UINT64_MAX;
    for (size_t i = 0; i < TMX_N(at); i++) {
        first = at[i] < first ? at[i] : first;
    }
    return first;
}

static int commit(struct tmx_node *n)
{
    if (n->fault == 0 && n->in_turn) {
        n->in_turn = false;
        int r = tmx_spool_commit(n->spool);
        if (r < 0) {
            node_fault(n, r);
        }
    }
    return n->fault;
}

int tmx_node_turn(struct tmx_node *n, const struct tmx_node_event *events, size_t n_events,
                  struct tmx_node_output *ret_output)
{
    assert(n_events <= TMX_TURN_EVENTS_MAX);
    if (n->fault != 0) {
        return n->fault;   /* of a read between turns */
    }
    output_reset(n);
    n->turning = true;
    node_mend_seen(n);
    for (size_t i = 0; i < n_events && n->fault == 0; i++) {
        step(n, &events[i]);
    }
    close_turn(n);
    n->turning = false;
    int r = commit(n);
    if (r < 0) {
        return r;
    }
    *ret_output = (struct tmx_node_output){ .n_sends = n->n_sends,
                                            .sends = n->sends,
                                            .session_begun = n->session_begun,
                                            .n_answers = n->n_answers,
                                            .answers = n->answers,
                                            .n_notices = n->n_notices,
                                            .notices = n->notices,
                                            .notices_lost = n->notices_lost,
                                            .deadline_ms = earliest(n),
                                            .directory_result = n->directory_result,
                                            .probe_code = n->probe_code,
                                            .directory_changed = n->directory_changed,
                                            .operation = n->operation,
                                            .misbehaved = n->misbehaved };
    memcpy(ret_output->probe_id, n->probe_id, sizeof(n->probe_id));
    return 0;
}

static int memory_new(struct tmx_node *n)
{
    int r = tmx_arena_init(&n->control, CONTROL_ARENA);
    r = r < 0 ? r : tmx_arena_init(&n->scratch, SCRATCH_ARENA);
    r = r < 0 ? r : tmx_arena_init(&n->bodies, BODIES_ARENA);
    r = r < 0 ? r : tmx_arena_init(&n->out, OUT_ARENA);
    if (r < 0) {
        return r;
    }
    n->compressor = tmx_compressor_new();
    n->cache = calloc(1, sizeof(*n->cache));
    n->waiters = calloc(NODE_WAITERS, sizeof(*n->waiters));
    n->sends = calloc(TMX_NODE_SENDS_MAX, sizeof(*n->sends));
    n->answers = calloc(TMX_NODE_ANSWERS_MAX, sizeof(*n->answers));
    n->notices = calloc(TMX_NODE_NOTICES_MAX, sizeof(*n->notices));
    bool have = n->compressor != NULL && n->cache != NULL && n->waiters != NULL && n->sends != NULL &&
                n->answers != NULL && n->notices != NULL;
    return have ? 0 : -ENOMEM;
}

static int identity_check(struct tmx_node *n)
{
    const Tmx__Member *m = tmx_directory_member(n->directory, n->config.member);
    char name[TMX_KEYNAME_MAX + 1];
    struct tmx_writer w = TMX_WRITER_OF(name);
    tmx_node_key_name(tmx_directory_federation(n->directory), n->config.member, &w);
    if (m == NULL || w.failed ||
        !tmx_verify_key_init(tmx_written(&w), TMX_NOTE_ED25519, n->config.signing_public, &n->sign_key)) {
        return -EINVAL;
    }
    for (size_t i = 0; i < m->n_signing_keys; i++) {
        if (tmx_bytes_eq(tmx_pb(m->signing_keys[i]->key), TMX_BYTES_OF(n->config.signing_public))) {
            return 0;
        }
    }
    return -EINVAL;
}

static int recover(struct tmx_node *n)
{
    bool known = node_state_read(n);
    int r = n->fault != 0 ? n->fault : node_directory_start(n);
    r = r < 0 ? r : identity_check(n);
    if (r < 0) {
        return r;
    }
    if (n->config.rebuild && !n->state.rebuild) {
        n->state.rebuild = true;
        n->state.rebuild_to = UINT64_MAX;
        n->state.feed_next = 0;
        n->state_dirty = true;
    }
    /* A clock that jumped while this node was down, or that nobody can tell from one: in doubt until the broker's
     * clock confirms it. */
    if (known && tmx_apart(n->wall_ms, n->state.wall_ms) > NODE_CLOCK_DOUBT_MS) {
        n->clock_base_ms += 2 * NODE_CLOCK_DOUBT_MS;
        n->clock_doubt = true;
    }
    n->state_dirty = n->state_dirty || !known;
    n->next_due_ms = 0;
    n->sign_due = n->stage_look = n->leases_look = true;
    n->submit_left = n->arrive_left = n->turn_bytes = UINT64_MAX;   /* until it is told */
    node_members_sync(n);
    if (n->state_dirty) {
        node_state_write(n);
    }
    while (n->fault == 0 && node_prekey_index_more(n)) {
        (void)commit(n);   /* a failure is the node's fault, and ends it */
    }
    r = node_witness_start(n);
    return n->fault != 0 ? n->fault : r;
}

int tmx_node_new(struct tmx_spool *spool, const struct tmx_node_config *config, uint64_t mono_ms, uint64_t wall_us,
                 const uint8_t entropy[32], struct tmx_node **ret_node)
{
    if (config->member.size < 2 || config->member.size > TMX_MEMBER_MAX) {
        return -EINVAL;
    }
    struct tmx_node *n = calloc(1, sizeof(*n));
    if (n == NULL) {
        return -ENOMEM;
    }
    n->spool = spool;
    n->config = *config;
    n->turning = n->fresh = true;
    n->config.expiry_ms = config->expiry_ms != 0 ? config->expiry_ms : EXPIRY_DEFAULT_MS;
    node_member_key(config->member, n->member);
    n->config.member = node_member_code(n->member);
    crypto_scalarmult_base(n->last_resort, config->last_resort_secret);
    tmx_seal_key_id(n->last_resort, n->last_resort_id);
    n->clock_base_ms = wall_us / 1000 - mono_ms;
    pool_mix(n, entropy);
    node_clock(n, mono_ms, wall_us);
    int r = memory_new(n);
    r = r < 0 ? r : recover(n);
    r = r < 0 ? r : commit(n);
    n->turning = false;
    if (r < 0) {
        tmx_node_free(n);
        return r;
    }
    n->config.directory = TMX_BYTES_NULL;
    *ret_node = n;
    return 0;
}

struct tmx_node *tmx_node_free(struct tmx_node *n)
{
    if (n == NULL) {
        return NULL;
    }
    kept_free(n);
    for (size_t i = 0; i < n->n_destinations; i++) {
        tmx_ages_free(&n->destinations[i].ages);
    }
    tmx_directory_free(n->directory);
    tmx_arena_deinit(&n->control);
    tmx_arena_deinit(&n->scratch);
    tmx_arena_deinit(&n->bodies);
    tmx_arena_deinit(&n->out);
    tmx_compressor_free(n->compressor);
    free(n->cache);
    free(n->waiters);
    free(n->sends);
    free(n->answers);
    free(n->notices);
    sodium_memzero(n, sizeof(*n));
    free(n);
    return NULL;
}

void tmx_node_catalogue(struct tmx_node *n, const struct tmx_catalogue *catalogue)
{
    n->config.catalogue = catalogue;
}
