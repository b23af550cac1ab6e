/* SPDX-License-Identifier: Apache-2.0
 * What an operator does not want to wait for (OPS-10): a try that would come later by itself is made now, and what an application has
 * taken and keeps silent about is offered again. Nothing here ends a delivery, or touches one that has its outcome.
 */
#include <string.h>

#include "core.h"

static bool own(const struct tmx_node *n, const struct tmx_operation_delivery *t)
{
    return tmx_bytes_eq(tmx_bytes_str(t->recipient), n->config.member);
}

/* Not signed yet, or the broker has not answered. */
static bool out_waits(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE], struct tmx_bytes recipient, struct tmx_row_out *ret_row)
{
    if (!node_out_read(n, id, ret_row) || (ret_row->state != TMX_OUT_WAITING && ret_row->state != TMX_OUT_SIGNED)) {
        return false;
    }
    for (size_t i = 0; i < ret_row->n; i++) {
        if (tmx_bytes_eq(node_member_code(ret_row->deliveries[i].member), recipient)) {
            return true;
        }
    }
    return false;
}

bool node_retry_fits(struct tmx_node *n, const struct tmx_operation_delivery *t)
{
    struct tmx_row_out row;
    return own(n, t) ? node_report_open(n, t->id, 0) || node_report_open(n, t->id, 1)
                     : out_waits(n, t->id, tmx_bytes_str(t->recipient), &row);
}

static void submit_now(struct tmx_node *n, const struct tmx_row_out *row)
{
    if (row->state == TMX_OUT_SIGNED) {
        node_window_due(&n->submits, row->number, 0);
    } else {
        n->sign_due = true;
    }
}

static void link_now(struct tmx_node *n)
{
    if (n->session.state == NODE_DOWN) {
        n->session.retry_ms = n->now_ms;
    }
}

void node_retry(struct tmx_node *n, const struct tmx_operation_delivery *t)
{
    struct tmx_row_out row;
    if (own(n, t)) {
        node_report_now(n, t->id);
    } else if (out_waits(n, t->id, tmx_bytes_str(t->recipient), &row)) {
        submit_now(n, &row);
    }
    link_now(n);
}

size_t node_retry_member(struct tmx_node *n, struct tmx_bytes member, bool now)
{
    uint8_t key[TMX_MEMBER_MAX], id[TMX_ID_SIZE];
    const bool reports = tmx_bytes_eq(member, n->config.member);
    struct node_window *w = reports ? &n->reports : &n->submits;
    size_t waits = n->session.state == NODE_DOWN && !n->state.distrust ? 1 : 0;
    node_member_key(member, key);
    const struct node_destination *d = reports ? NULL : node_destination(n, key);
    waits += d != NULL && d->waiting > 0 ? 1 : 0;
    n->sign_due = n->sign_due || (now && waits > 0);
    for (uint64_t number = w->base; node_window_next(w, &number, id); number++) {
        struct tmx_row_out row;
        if (reports || out_waits(n, id, member, &row)) {
            waits++;
            if (now) {
                node_window_due(w, number, 0);
            }
        }
    }
    if (now) {
        link_now(n);
    }
    return waits;
}

/* A lease that is over its time ends by itself, and the message with it (NODE-8). */
bool node_replay_fits(struct tmx_node *n, const struct tmx_operation_delivery *t)
{
    struct tmx_row_in row;
    return own(n, t) && node_in_read(n, t->id, &row) && row.state == TMX_IN_LEASED && row.expires_ms > n->wall_ms;
}

/* It is no lapse of the application's: an operator took the lease from it. */
void node_replay(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE])
{
    struct tmx_row_in row;
    if (node_in_read(n, id, &row) && row.state == TMX_IN_LEASED) {
        node_in_unoffer(n, id, &row);
        row.redelivered = true;
        node_in_offer(n, id, &row);
        node_notice(n, "message.replayed", false, row.sender, id, TMX_CODE_OK, row.lapses);
    }
}
