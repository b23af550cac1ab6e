/* SPDX-License-Identifier: Apache-2.0
 * The turn (see broker.h), and the start that is recovery.
 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"

#define CONTROL_ARENA (1u << 20)
#define SCRATCH_ARENA (4u << 20)
#define OUT_ARENA (32u << 20)

void notice(struct tmx_broker *b, const char *event, bool alarm, const uint8_t *member, const uint8_t *message_id,
            unsigned code, uint64_t number)
{
    if (b->n_notices == TMX_BROKER_NOTICES_MAX) {
        b->notices_lost++;
        return;
    }
    struct tmx_broker_notice *n = &b->notices[b->n_notices++];
    *n = (struct tmx_broker_notice){ .event = event, .alarm = alarm, .code = code, .number = number };
    if (member != NULL) {
        memcpy(n->member, member, sizeof(n->member));
    }
    if (message_id != NULL) {
        memcpy(n->message_id, message_id, sizeof(n->message_id));
    }
}

static void output_reset(struct tmx_broker *b)
{
    tmx_arena_reset(&b->out);
    for (size_t i = 0; i < b->n_peers; i++) {
        b->peers[i].turn_bytes = 0;
    }
    b->n_sends = b->n_notices = b->n_again = 0;
    b->notices_lost = 0;
    b->more = b->dirty = b->directory_changed = false;
    b->directory_result = TMX_DIRECTORY_OK;
    b->anchor_result = TMX_ANCHOR_OK;
    b->witness_result = TMX_BROKER_WITNESS_OK;
    b->operation = (struct tmx_broker_operation_view){ .result = TMX_OPERATION_OK };
}

static void step(struct tmx_broker *b, const struct tmx_broker_event *ev)
{
    clock_observe(b, ev->mono_ms, ev->wall_us);
    switch (ev->kind) {
    case TMX_BROKER_MESSAGE:
        link_message(b, ev);
        break;
    case TMX_BROKER_GATE_BUSY:
        link_busy(b, ev);
        break;
    case TMX_BROKER_GATE_DOWN:
        link_gate_down(b, ev);
        break;
    case TMX_BROKER_TICK:
        break;
    case TMX_BROKER_DIRECTORY:
        members_install(b, ev->file);
        break;
    case TMX_BROKER_ANCHOR:
        anchor_install(b, ev->size, ev->file);
        break;
    case TMX_BROKER_WITNESS:
        outside_reply(b, ev);
        break;
    case TMX_BROKER_OPERATION:
        operation_run(b, ev);
        break;
    case TMX_BROKER_CLOSE:
        witness_last_round(b);
        break;
    case TMX_BROKER_DISK:
        b->erase_bytes = ev->erase_bytes;
        if (ev->disk_full != b->disk_full) {
            b->disk_full = ev->disk_full;
            notice(b, ev->disk_full ? "disk.full" : "disk.free", ev->disk_full, NULL, NULL, TMX_CODE_DISK_FULL, 0);
        }
        break;
    }
}

/* Rows, head, frames; then the commit; only then is anything handed out (QUE-2, LOG-3). */
int tmx_broker_turn(struct tmx_broker *b, const struct tmx_broker_event *events, size_t n,
                    struct tmx_broker_output *ret_output)
{
    if (b->fault != 0) {
        return b->fault;   /* of a read between turns */
    }
    output_reset(b);
    int r = tmx_spool_begin(b->spool);
    if (r < 0) {
        return r;
    }
    for (size_t i = 0; i < n && b->fault == 0; i++) {
        step(b, &events[i]);
    }
    timers_run(b);
    ledger_close(b);
    outgoing_close(b);
    ages_run(b);
    if (b->fault != 0) {
        return b->fault;
    }
    r = tmx_spool_commit(b->spool);
    if (r < 0) {
        b->fault = r;
        return r;
    }
    *ret_output = (struct tmx_broker_output){ .n_sends = b->n_sends,
                                              .sends = b->sends,
                                              .n_notices = b->n_notices,
                                              .notices = b->notices,
                                              .notices_lost = b->notices_lost,
                                              .deadline_ms = timers_deadline(b),
                                              .directory_result = b->directory_result,
                                              .directory_changed = b->directory_changed,
                                              .anchor_result = b->anchor_result,
                                              .witness_result = b->witness_result,
                                              .operation = b->operation,
                                              .closed = b->closing && witness_closed(b) };
    return 0;
}

static int memory_new(struct tmx_broker *b)
{
    int r = tmx_arena_init(&b->control, CONTROL_ARENA);
    r = r < 0 ? r : tmx_arena_init(&b->scratch, SCRATCH_ARENA);
    r = r < 0 ? r : tmx_arena_init(&b->out, OUT_ARENA);
    r = r < 0 ? r : tmx_tree_new(ledger_read_tile, &b->tree);
    if (r < 0) {
        return r;
    }
    b->cache = calloc(1, sizeof(*b->cache));
    b->sends = calloc(TMX_BROKER_SENDS_MAX, sizeof(*b->sends));
    b->notices = calloc(TMX_BROKER_NOTICES_MAX, sizeof(*b->notices));
    b->again = calloc(AGAIN_MAX, sizeof(*b->again));
    return b->cache == NULL || b->sends == NULL || b->notices == NULL || b->again == NULL ? -ENOMEM : 0;
}

/* The authority may have changed its keys since those that are pinned: the directories of this shard lead from one to the next
 * (DIR-3). Those from before the pinned keys are passed over. */
static int directory_follow(struct tmx_broker *b)
{
    struct key from = key_u64(0);
    struct tmx_bytes key, file;
    int r = TMX_DIRECTORY_E_SIGNATURES;
    while (row_seek(b, TMX_T_DIRECTORY, key_bytes(&from), 0, &key, &file) && (r == 0 || b->directory == NULL)) {
        struct tmx_directory *next = NULL;
        from = key_u64(value_u64(key) + 1);
        r = tmx_directory_load(file, &b->config.authority, b->directory, &next);
        if (r < 0) {
            return r;
        }
        if (r == 0) {
            tmx_directory_free(b->directory);
            b->directory = next;
        }
    }
    return r;
}

/* The directory of the spool, or the configured one to begin with. */
static int directory_load(struct tmx_broker *b)
{
    struct tmx_bytes stored;
    int r;
    if (row_get(b, TMX_T_META, TMX_LIT("directory"), &stored)) {
        r = tmx_directory_load(stored, &b->config.authority, NULL, &b->directory);
        r = r == TMX_DIRECTORY_E_SIGNATURES ? directory_follow(b) : r;
    } else {
        r = tmx_directory_load(b->config.directory, &b->config.authority, NULL, &b->directory);
    }
    return r > 0 ? -EINVAL : r;
}

static int identity_check(struct tmx_broker *b)
{
    struct tmx_bytes shard = tmx_bytes_str(b->shard);
    const struct tmx_verify_key *key = tmx_directory_log_key(b->directory, shard);
    if (key == NULL || memcmp(key->key, b->config.log_public, sizeof(key->key)) != 0) {
        return -EINVAL;
    }
    b->log_key = *key;
    struct tmx_writer w = TMX_WRITER_OF(b->origin);
    tmx_log_origin(tmx_directory_federation(b->directory), shard, &w);
    tmx_write_u8(&w, 0);
    return w.failed ? -EINVAL : 0;
}

static void shard_start(struct tmx_broker *b)
{
    tmx_arena_reset(&b->scratch);
    Tmx__LogEntry entry = TMX__LOG_ENTRY__INIT;
    entry.kind = TMX__ENTRY_KIND__ENTRY_SHARD_START;
    entry.number = b->config.generation;
    entry.text = tmx_to_pb(b->config.previous_checkpoint);
    ledger_feed_everyone(b, ledger_append(b, &entry));
    members_record(b);
}

/* Leaf 0 says whether this shard follows another. */
static bool successor_read(struct tmx_broker *b)
{
    struct key first = key_u64(0);
    struct tmx_bytes entry;
    Tmx__LogEntry *e;
    tmx_arena_reset(&b->scratch);
    return row_get(b, TMX_T_LOG, key_bytes(&first), &entry) && tmx_entry_parse(entry, &b->scratch, &e) == TMX_CODE_OK &&
           e->text.len > 0;
}

static void start_record(struct tmx_broker *b)
{
    tmx_arena_reset(&b->scratch);
    Tmx__LogEntry entry = TMX__LOG_ENTRY__INIT;
    entry.kind = TMX__ENTRY_KIND__ENTRY_START;
    entry.number = b->config.generation;
    (void)ledger_append(b, &entry);
}

/* Inside the first turn: what the spool holds becomes the state, or an empty spool gets its first leaves. */
static int recover(struct tmx_broker *b)
{
    uint64_t size = 0;
    bool known = state_read(b, &size);
    if (b->fault != 0) {
        return b->fault;
    }
    if (!known) {
        if (strlen(b->config.shard) > TMX_SHARD_MAX) {
            return -EINVAL;
        }
        memcpy(b->shard, b->config.shard, strlen(b->config.shard) + 1);
    }
    int r = directory_load(b);
    r = r < 0 ? r : identity_check(b);
    if (r < 0) {
        return r;
    }
    if (size > 0 && !ledger_load(b, size)) {
        return b->fault != 0 ? b->fault : -EBADMSG;
    }
    b->clock_base_ms = b->wall_ms - b->now_ms;
    if (!known) {
        shard_start(b);
    } else if (!b->halted) {
        start_record(b);
    }
    b->successor = successor_read(b);
    ages_start(b, size);
    members_sync(b);
    staging_recover(b);
    holds_recover(b);
    proposals_recover(b);
    witness_recover(b);
    ledger_close(b);
    return b->fault;
}

int tmx_broker_new(struct tmx_spool *spool, const struct tmx_broker_config *config, uint64_t mono_ms, uint64_t wall_us,
                   struct tmx_broker **ret_broker)
{
    struct tmx_broker *b = calloc(1, sizeof(*b));
    if (b == NULL) {
        return -ENOMEM;
    }
    b->spool = spool;
    b->config = *config;
    b->now_ms = mono_ms;
    b->wall_us = wall_us;
    b->wall_ms = wall_us / 1000;
    int r = memory_new(b);
    if (r == 0) {
        r = tmx_spool_begin(spool);
    }
    if (r == 0) {
        r = recover(b);
    }
    if (r == 0) {
        r = tmx_spool_commit(spool);
    }
    if (r < 0) {
        tmx_broker_free(b);
        return r;
    }
    b->config.directory = b->config.previous_checkpoint = TMX_BYTES_NULL;
    *ret_broker = b;
    return 0;
}

struct tmx_broker *tmx_broker_free(struct tmx_broker *b)
{
    if (b == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < b->n_peers; i++) {
        free(b->peers[i].flights);
        free(b->peers[i].put_off);
        tmx_ages_free(&b->peers[i].ages);
    }
    tmx_tree_free(b->tree);
    tmx_directory_free(b->directory);
    tmx_arena_deinit(&b->control);
    tmx_arena_deinit(&b->scratch);
    tmx_arena_deinit(&b->out);
    free(b->cache);
    free(b->sends);
    free(b->notices);
    free(b->again);
    free(b);
    return NULL;
}
