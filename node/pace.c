/* SPDX-License-Identifier: Apache-2.0
 * How fast the node goes: samples of its counters, levels and latencies, a second apart.
 */
#include <tmx/clock.h>

#include "daemon.h"

static const struct tmx_answer_series names = {
    .counters = { "submitted", "accepted", "arrived", "delivered", "refused", "expired", "received", "ended", "alarms" },
    .levels = { "spool_bytes", "waiting", "unanswered", "offered" },
    .latencies = { "accepted_ms", "arrived_ms", "delivered_ms" },
};

void pace_take(struct daemon *d)
{
    struct tmx_node_state_view v;
    struct tmx_spool_stat stat;
    if (tmx_node_state(d->node, &v) != 0 || tmx_spool_stat(d->spool, &stat) != 0) {
        return;   /* a spool that fails fails the turn */
    }
    const struct tmx_node_latencies *l = tmx_node_latencies(d->node);
    const struct tmx_sample sample = {
        .at_ms = tmx_clock_mono_ms(),
        .counters = { v.submitted, v.accepted, v.arrived, v.delivered, v.refused, v.expired, v.received, v.ended, v.alarms },
        .levels = { stat.used_bytes, v.waiting, v.unanswered, v.offered + v.leased + v.blocked + v.held },
        .latencies = { l->accepted, l->arrived, l->delivered },
    };
    tmx_series_take(d->series, &sample);
}

void pace_add(const struct daemon *d, json_t *status)
{
    tmx_answer_pace(status, d->series, &names);
}

json_t *pace_history(const struct daemon *d, const struct tmx_control_request *r)
{
    return tmx_answer_history(d->series, &names, r, tmx_clock_wall_ms());
}
