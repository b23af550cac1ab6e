/* SPDX-License-Identifier: Apache-2.0
 * Requests that wait for something to come (wait_ms of Lease and Events): kept in memory, bounded, answered when it is
 * there or at their deadline.
 */
#include <string.h>

#include "core.h"

#define WAIT_MAX_MS 60000u

static bool reopen(struct tmx_node *n, const struct node_waiter *w, struct node_request *rq)
{
    Tmx__Request *pb;
    *rq = (struct node_request){ .route = TMX_BYTES(w->route, w->route_size),
                                 .application = tmx_bytes_str(w->application),
                                 .bytes = TMX_BYTES(w->request, w->size),
                                 .delimiter = w->delimiter,
                                 .looked = w->looked };
    for (size_t i = 0; i < n->config.n_applications; i++) {
        if (w->application[0] != '\0' && strcmp(n->config.applications[i].name, w->application) == 0) {
            rq->rights = &n->config.applications[i];
        }
    }
    tmx_arena_reset(&n->control);
    if (tmx_codec_unpack(&tmx__request__descriptor, rq->bytes, TMX_CONTROL_MAX, &n->control, &pb) != TMX_CODEC_OK) {
        return false;
    }
    rq->pb = pb;
    return true;
}

void node_wait_add(struct tmx_node *n, const struct node_request *rq, uint32_t wait_ms)
{
    struct node_waiter *w = NULL;
    for (size_t i = 0; i < NODE_WAITERS && w == NULL; i++) {
        w = n->waiters[i].used ? NULL : &n->waiters[i];
    }
    if (w == NULL || rq->bytes.size > sizeof(w->request) || rq->application.size >= sizeof(w->application)) {
        node_answer_code(n, rq, TMX_CODE_BUSY, "too many requests wait at this node: ask again with wait_ms 0");
        return;
    }
    memset(w, 0, sizeof(*w));
    w->used = true;
    w->looked = rq->looked;
    w->delimiter = rq->delimiter;
    w->route_size = (uint8_t)rq->route.size;
    memcpy(w->route, rq->route.data, rq->route.size);
    if (rq->application.size > 0) {
        memcpy(w->application, rq->application.data, rq->application.size);
    }
    w->deadline_ms = n->now_ms + (wait_ms < WAIT_MAX_MS ? wait_ms : WAIT_MAX_MS);
    w->size = rq->bytes.size;
    memcpy(w->request, rq->bytes.data, rq->bytes.size);
}

void node_wait_close(struct tmx_node *n)
{
    for (size_t i = 0; i < NODE_WAITERS && n->fault == 0; i++) {
        struct node_waiter *w = &n->waiters[i];
        struct node_request rq;
        bool last = w->used && n->now_ms >= w->deadline_ms;
        if (!w->used || !(last || n->offers_changed || n->events_changed) || !reopen(n, w, &rq)) {
            continue;
        }
        w->used = !node_app_decide(n, &rq, last);
        w->looked = rq.looked;
    }
    n->offers_changed = n->events_changed = false;
}

uint64_t node_wait_deadline(const struct tmx_node *n)
{
    uint64_t at = UINT64_MAX;
    for (size_t i = 0; i < NODE_WAITERS; i++) {
        const struct node_waiter *w = &n->waiters[i];
        at = w->used && w->deadline_ms < at ? w->deadline_ms : at;
    }
    return at;
}
