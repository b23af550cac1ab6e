/* SPDX-License-Identifier: Apache-2.0
 * Probes (NODE-14): messages that nodes send each other to see that the way is open and how long each hop takes. They go the
 * way of any message; at its end the node answers for its application.
 */
#include <string.h>

#include <tmx/text.h>

#include "core.h"

#define PROBE_PRIORITY 9u
#define PROBE_EXPIRY_MS 300000u
static const char payload_text[] = "probe";

static unsigned check(struct tmx_node *n, struct tmx_bytes member)
{
    const Tmx__Member *m = member.size > TMX_MEMBER_MAX ? NULL : tmx_directory_member(n->directory, member);
    unsigned code = node_may_submit(n);
    if (code != TMX_CODE_OK) {
        return code;
    }
    if (tmx_bytes_eq(member, n->config.member)) {
        return TMX_CODE_SELF;
    }
    if (m == NULL || m->status == TMX__MEMBER_STATUS__MEMBER_REVOKED) {
        return TMX_CODE_UNKNOWN_RECIPIENT;
    }
    return node_disk_submit(n, sizeof(payload_text) - 1, 1) ? TMX_CODE_OK : TMX_CODE_DISK_FULL;
}

unsigned node_probe(struct tmx_node *n, struct tmx_bytes member, uint8_t ret_id[TMX_ID_SIZE])
{
    uint8_t random[10], digest[32] = { 0 };
    char reference[TMX_ID_TEXT_SIZE + 8];
    struct tmx_bytes payload = TMX_BYTES(payload_text, sizeof(payload_text) - 1);
    ProtobufCBinaryData recipient = tmx_to_pb(member);
    Tmx__SubmitRequest s = TMX__SUBMIT_REQUEST__INIT;
    const struct node_request rq = { .payload = &payload, .n_payload = 1 };
    const unsigned code = check(n, member);
    if (code != TMX_CODE_OK) {
        return code;
    }
    node_random(n, random, sizeof(random));
    tmx_message_id(n->wall_ms, random, ret_id);
    memcpy(reference, "probe-", 6);
    tmx_id_text(ret_id, reference + 6);
    s.reference = tmx_to_pb(tmx_bytes_str(reference));
    s.n_recipients = 1;
    s.recipients = &recipient;
    s.message_type = tmx_to_pb(TMX_LIT(TMX_TYPE_PROBE));
    s.priority = PROBE_PRIORITY;
    s.expires_ms = n->wall_ms + PROBE_EXPIRY_MS;
    s.media_type = tmx_to_pb(TMX_LIT("text/plain"));
    node_submit_store(n, &rq, &s, digest, ret_id);
    return TMX_CODE_OK;
}

bool node_probe_is(const struct tmx_row_in *row)
{
    return tmx_bytes_eq(TMX_BYTES(row->type, strnlen((const char *)row->type, sizeof(row->type))), TMX_LIT(TMX_TYPE_PROBE));
}

void node_probe_answer(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE], struct tmx_row_in *row)
{
    struct node_step s = { .what = "CoD", .who = n->config.member, .recipient = n->config.member };
    if (row->expires_ms <= n->wall_ms && !n->clock_doubt) {
        node_in_expired(n, id, row);
        return;
    }
    node_in_end(n, id, row, TMX_IN_DELIVERED, TMX_CODE_OK);
    node_report_make(n, id, row, TMX__OUTCOME__OUTCOME_COD_POSITIVE, TMX_CODE_OK, TMX_BYTES_NULL);
    node_step_add(n, TMX_DIRECTION_RECEIVED, id, &s);
    node_notice(n, "probe.answered", false, row->sender, id, TMX_CODE_OK, row->index);
}
