/* SPDX-License-Identifier: Apache-2.0
 * How fast the broker goes: samples of its counters, levels and latencies, a second apart.
 */
#include <tmx/clock.h>

#include "daemon.h"

static const struct tmx_answer_series names = {
    .counters = { "accepted", "accepted_bytes", "arrived", "delivered", "refused", "expired", "deferred", "duplicates",
                  "malformed" },
    .levels = { "spool_bytes", "queued", "arrived", "in_flight" },
    .latencies = { "arrived_ms", "delivered_ms" },
};

void pace_take(struct daemon *d)
{
    struct tmx_broker_state_view v;
    struct tmx_spool_stat stat = { 0 };
    struct tmx_broker_flow_view flow;
    tmx_broker_state(d->broker, &v);
    tmx_broker_flow(d->broker, &flow);
    (void)!tmx_spool_stat(d->spool, &stat);   /* a spool that fails fails the turn */
    const struct tmx_broker_latencies *l = tmx_broker_latencies(d->broker);
    const struct tmx_sample sample = {
        .at_ms = tmx_clock_mono_ms(),
        .counters = { v.accepted, v.accepted_bytes, v.arrived, v.delivered, v.refused, v.expired, v.deferred,
                      v.duplicates, v.malformed },
        .levels = { stat.used_bytes, flow.queued, flow.arrived, flow.in_flight },
        .latencies = { l->arrived, l->delivered },
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
