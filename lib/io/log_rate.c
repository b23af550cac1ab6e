/* SPDX-License-Identifier: Apache-2.0
 * How often an event may be logged: a fixed window for each event.
 */
#include <string.h>

#include "log_rate.h"

static struct tmx_log_rate_event *find(struct tmx_log_rate *r, const char *event, uint64_t now_ms)
{
    for (size_t i = 0; i < r->n; i++) {
        if (r->events[i].event == event || strcmp(r->events[i].event, event) == 0) {
            return &r->events[i];
        }
    }
    if (r->n == TMX_N(r->events)) {
        return NULL;
    }
    r->events[r->n] = (struct tmx_log_rate_event){ .event = event, .since_ms = now_ms };
    return &r->events[r->n++];
}

bool tmx_log_rate_pass(struct tmx_log_rate *r, const char *event, uint64_t now_ms, uint64_t *ret_suppressed)
{
    struct tmx_log_rate_event *e = find(r, event, now_ms);
    if (e == NULL) {
        *ret_suppressed = 0;
        return true;
    }
    if (now_ms - e->since_ms >= TMX_LOG_RATE_MS) {
        e->since_ms = now_ms;
        e->lines = 0;
    }
    if (e->lines >= TMX_LOG_RATE_LINES) {
        e->suppressed++;
        return false;
    }
    e->lines++;
    *ret_suppressed = e->suppressed;
    e->suppressed = 0;
    return true;
}

const char *tmx_log_rate_over(struct tmx_log_rate *r, uint64_t now_ms, uint64_t *ret_suppressed)
{
    for (size_t i = 0; i < r->n; i++) {
        struct tmx_log_rate_event *e = &r->events[i];
        if (e->suppressed > 0 && now_ms - e->since_ms >= TMX_LOG_RATE_MS) {
            *ret_suppressed = e->suppressed;
            e->suppressed = 0;
            return e->event;
        }
    }
    return NULL;
}
