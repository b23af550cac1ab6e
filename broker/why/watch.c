/* SPDX-License-Identifier: Apache-2.0
 * Since when: what `why` cannot tell from one look. Once a second, a few comparisons for each gate and one row read.
 */
#include "why.h"

/* Fewer: the gate was started again, and nothing has happened since. */
static void grew(uint64_t *value, uint64_t *at_ms, uint64_t now, uint64_t now_ms)
{
    if (now > *value) {
        *at_ms = now_ms;
    }
    *value = now;
}

static void moved(uint64_t *value, uint64_t *at_ms, uint64_t now, bool empty, uint64_t now_ms)
{
    if (now != *value || empty || *at_ms == 0) {
        *at_ms = now_ms;
    }
    *value = now;
}

void why_watch(struct daemon *d, uint64_t now_ms)
{
    for (size_t i = 0; i < d->gates.n; i++) {
        struct gate *g = &d->gates.gate[i];
        struct why_watch *w = &g->watch;
        const struct tmx_transport_counters *c = &tmx_gate_link_status(g->link)->counters;
        uint8_t key[TMX_MEMBER_KEY];
        struct tmx_bytes value;
        struct tmx_row_destination row = { 0 };
        grew(&w->refused, &w->refused_ms, c->zap_refused, now_ms);
        grew(&w->connections, &w->connections_ms, c->connections, now_ms);
        grew(&w->failed, &w->failed_ms, c->handshakes_failed, now_ms);
        tmx_member_key(tmx_bytes_str(g->member), key);
        if (tmx_spool_get(d->spool, TMX_T_DESTINATION, TMX_BYTES_OF(key), &value) == 0) {
            (void)!tmx_row_destination_get(value, &row);
        }
        moved(&w->arrived, &w->arrived_ms, row.arrived + row.terminal, row.queued == 0, now_ms);
        moved(&w->ended, &w->ended_ms, row.terminal, row.arrived == 0, now_ms);
    }
}
