/* SPDX-License-Identifier: Apache-2.0
 * Witnesses of the policy that no link leads to (WIT-6): an operator, or a program, carries the same bytes to them and back.
 * They are asked about the head of the round, and may answer until the next round begins; where the quorum waits for them,
 * rounds are further apart, so that they have the time they need.
 */
#include "core.h"

static int witness_named(const struct tmx_broker *b, struct tmx_bytes name)
{
    const struct tmx_policy *policy = witness_policy(b);
    for (size_t i = 0; policy != NULL && i < policy->n_witnesses; i++) {
        if (tmx_bytes_eq(tmx_bytes_str(policy->witnesses[i].name), name)) {
            return (int)i;
        }
    }
    return -1;
}

static bool has_cosigned(const struct tmx_broker *b, size_t witness)
{
    uint64_t time_s;
    return tmx_cosignature_verify(TMX_BYTES(b->round.note, b->round.note_size), &witness_policy(b)->witnesses[witness].key,
                                  &time_s) == TMX_COSIGNATURE_OK;
}

enum tmx_broker_witness tmx_broker_witness_request(struct tmx_broker *b, struct tmx_bytes name, struct tmx_writer *w,
                                                   uint64_t *ret_size)
{
    const int witness = witness_named(b, name);
    if (witness < 0) {
        return TMX_BROKER_WITNESS_UNKNOWN;
    }
    if (b->halted || b->round.head.size == 0 || has_cosigned(b, (size_t)witness) || !witness_request(b, (size_t)witness, w)) {
        return TMX_BROKER_WITNESS_NOTHING;
    }
    *ret_size = b->round.head.size;
    return TMX_BROKER_WITNESS_OK;
}

static enum tmx_broker_witness reply(struct tmx_broker *b, size_t witness, const struct tmx_broker_event *ev)
{
    if (ev->status == TMX_WITNESS_OK) {
        if (!witness_lines(b, ev->body) || !has_cosigned(b, witness)) {
            return TMX_BROKER_WITNESS_INVALID;
        }
        b->witness_size[witness] = b->round.head.size;
        return TMX_BROKER_WITNESS_OK;
    }
    if (ev->status == TMX_WITNESS_CONFLICT) {
        return witness_conflict(b, witness, ev->body) ? TMX_BROKER_WITNESS_OK : TMX_BROKER_WITNESS_INVALID;
    }
    if (ev->status != TMX_WITNESS_UNAVAILABLE) {
        notice(b, "witness.refused", true, NULL, NULL, TMX_CODE_BAD_HEAD, ev->status);
    }
    return TMX_BROKER_WITNESS_REFUSED;
}

void outside_reply(struct tmx_broker *b, const struct tmx_broker_event *ev)
{
    const int witness = witness_named(b, ev->witness);
    if (witness < 0) {
        b->witness_result = TMX_BROKER_WITNESS_UNKNOWN;
    } else if (b->halted || b->round.head.size == 0) {
        b->witness_result = TMX_BROKER_WITNESS_NOTHING;
    } else {
        b->witness_result = reply(b, (size_t)witness, ev);
    }
}
