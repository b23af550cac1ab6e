/* SPDX-License-Identifier: Apache-2.0
 * What destroys is decided by two: one operator proposes it, which is logged and changes nothing; another one approves what
 * was proposed, byte for byte, within a day (OPS-8). A proposal ends with an entry in any case: APPROVE, WITHDRAW or LAPSE.
 */
#include <string.h>

#include "core.h"

static bool next_proposal(struct tmx_broker *b, uint64_t from, uint64_t *ret_index, uint64_t *ret_until_ms)
{
    struct key k = key_u64(from);
    struct tmx_bytes key, value;
    if (!row_seek(b, TMX_T_PROPOSAL, key_bytes(&k), 0, &key, &value)) {
        return false;
    }
    *ret_index = value_u64(key);
    *ret_until_ms = value_u64(tmx_bytes_slice(value, 0, 8));
    return true;
}

static size_t count_open(struct tmx_broker *b)
{
    size_t n = 0;
    uint64_t index = 0, until_ms;
    while (n < TMX_PROPOSALS_MAX && next_proposal(b, index, &index, &until_ms)) {
        index++;
        n++;
    }
    return n;
}

void proposal_open(struct tmx_broker *b, const struct tmx_operation *op, uint64_t index, const uint8_t digest[TMX_HASH_SIZE])
{
    uint8_t value[8 + 1 + TMX_HASH_SIZE];
    struct tmx_writer w = TMX_WRITER_OF(value);
    struct key k = key_u64(index);
    const uint64_t until_ms = b->leaf_ms + TMX_PROPOSAL_MS;
    tmx_write_u64(&w, until_ms);
    tmx_write_u8(&w, (uint8_t)op->of);
    tmx_write_bytes(&w, TMX_BYTES(digest, TMX_HASH_SIZE));
    row_insert(b, TMX_T_PROPOSAL, key_bytes(&k), tmx_written(&w));
    b->next_lapse_ms = until_ms < b->next_lapse_ms ? until_ms : b->next_lapse_ms;
    notice(b, "proposal.opened", true, NULL, op->targets[0].id, TMX_CODE_OK, index);
}

enum tmx_operation_result proposal_judge(struct tmx_broker *b, const struct tmx_broker_event *ev, const struct tmx_operator *who,
                                         const struct tmx_operation *op, struct tmx_operation *ret_proposed)
{
    uint8_t note[TMX_OPERATION_MAX], digest[TMX_HASH_SIZE];
    size_t size;
    struct tmx_bytes text, value;
    struct key k = key_u64(op->proposal);
    if (op->action == TMX_ACTION_PROPOSE) {
        return count_open(b) == TMX_PROPOSALS_MAX ? TMX_OPERATION_E_PROPOSALS : TMX_OPERATION_OK;
    }
    if (!row_get(b, TMX_T_PROPOSAL, key_bytes(&k), &value) || value_u64(tmx_bytes_slice(value, 0, 8)) <= (b->wall_ms > b->leaf_ms ? b->wall_ms : b->leaf_ms)) {
        return TMX_OPERATION_E_PROPOSAL;
    }
    if (!operation_read(b, op->proposal, ret_proposed, digest, note, &size)) {
        return TMX_OPERATION_E_PROPOSAL;
    }
    if (memcmp(digest, op->proposal_digest, sizeof(digest)) != 0) {
        return TMX_OPERATION_E_CHANGED;
    }
    if (!tmx_operator_may(who, ret_proposed->of)) {
        return TMX_OPERATION_E_RIGHT;
    }
    if (op->action == TMX_ACTION_WITHDRAW) {
        return TMX_OPERATION_OK;
    }
    const struct tmx_operator *proposer = tmx_operation_signer(ev->operators, TMX_BYTES(note, size), &text);
    if (proposer == NULL || !tmx_operator_may(proposer, ret_proposed->of)) {
        return TMX_OPERATION_E_PROPOSER;
    }
    return memcmp(proposer->key.key, who->key.key, sizeof(who->key.key)) == 0 ? TMX_OPERATION_E_SAME_KEY : TMX_OPERATION_OK;
}

void proposal_close(struct tmx_broker *b, uint64_t index)
{
    struct key k = key_u64(index);
    row_delete(b, TMX_T_PROPOSAL, key_bytes(&k));
}

static void lapse(struct tmx_broker *b, uint64_t index)
{
    uint8_t note[TMX_OPERATION_MAX], digest[TMX_HASH_SIZE];
    struct tmx_operation proposed;
    size_t size;
    Tmx__LogRef ref = TMX__LOG_REF__INIT;
    Tmx__LogEntry entry = TMX__LOG_ENTRY__INIT;
    if (!operation_read(b, index, &proposed, digest, note, &size)) {
        broker_fault(b, -EBADMSG);
        return;
    }
    ref.shard = tmx_to_pb(tmx_bytes_str(b->shard));
    ref.index = index;
    entry.reference = &ref;
    entry.number = proposed.of;
    operation_leaf(b, &entry, TMX_ACTION_LAPSE, digest);
    proposal_close(b, index);
    notice(b, "proposal.lapsed", false, NULL, proposed.targets[0].id, TMX_CODE_OK, index);
}

/* In the order in which they were made, which is that in which they end. */
void proposals_lapse(struct tmx_broker *b)
{
    const uint64_t leaf_ms = b->wall_ms > b->leaf_ms ? b->wall_ms : b->leaf_ms;
    uint64_t index, until_ms;
    if (b->clock_doubt || leaf_ms < b->next_lapse_ms) {
        return;
    }
    for (unsigned n = 0; n <= TMX_PROPOSALS_MAX && b->fault == 0; n++) {
        if (!next_proposal(b, 0, &index, &until_ms)) {
            b->next_lapse_ms = UINT64_MAX;
            return;
        }
        b->next_lapse_ms = until_ms;
        if (until_ms > leaf_ms) {
            return;
        }
        lapse(b, index);
    }
}

void proposals_recover(struct tmx_broker *b)
{
    uint64_t index;
    b->next_lapse_ms = UINT64_MAX;
    if (next_proposal(b, 0, &index, &b->next_lapse_ms)) {
        return;
    }
}
