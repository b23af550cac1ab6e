/* SPDX-License-Identifier: Apache-2.0
 * Messages in flight. A connection keeps order unless it is told to reorder; what was in flight on a connection that
 * broke is lost.
 */
#include <stdlib.h>
#include <string.h>

#include "sim.h"

struct flying {
    uint64_t at_ms, number;
    unsigned index, epoch;
    bool to_broker;
    struct sim_event *event;
};

struct network {
    size_t n, capacity;
    uint64_t number;
    struct flying *heap;
};

static bool before(const struct flying *a, const struct flying *b)
{
    return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->number < b->number;
}

static void heap_push(struct network *w, struct flying f)
{
    if (w->n == w->capacity) {
        w->capacity = w->capacity == 0 ? 256 : w->capacity * 2;
        w->heap = realloc(w->heap, w->capacity * sizeof(*w->heap));
        assert(w->heap != NULL);
    }
    size_t i = w->n++;
    while (i > 0 && before(&f, &w->heap[(i - 1) / 2])) {
        w->heap[i] = w->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    w->heap[i] = f;
}

static struct flying heap_pop(struct network *w)
{
    struct flying top = w->heap[0], last = w->heap[--w->n];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= w->n) {
            break;
        }
        if (child + 1 < w->n && before(&w->heap[child + 1], &w->heap[child])) {
            child++;
        }
        if (!before(&w->heap[child], &last)) {
            break;
        }
        w->heap[i] = w->heap[child];
        i = child;
    }
    w->heap[i] = last;
    return top;
}

struct sim_event *event_new(const struct tmx_bytes *frames, size_t n)
{
    size_t bytes = 0;
    for (size_t i = 0; i < n; i++) {
        bytes += frames[i].size;
    }
    struct sim_event *ev = calloc(1, sizeof(*ev));
    struct tmx_bytes *copy = malloc(n * sizeof(*copy) + bytes + 1);
    assert(ev != NULL && copy != NULL);
    uint8_t *at = (uint8_t *)(copy + n);
    for (size_t i = 0; i < n; i++) {
        copy[i] = TMX_BYTES(at, frames[i].size);
        if (frames[i].size > 0) {
            memcpy(at, frames[i].data, frames[i].size);
        }
        at += frames[i].size;
    }
    ev->n_frames = n;
    ev->frames = copy;
    return ev;
}

void event_free(struct sim_event *ev)
{
    free(ev->frames);
    free(ev);
}

void network_new(struct sim *s)
{
    s->network = calloc(1, sizeof(*s->network));
    assert(s->network != NULL);
}

void network_free(struct sim *s)
{
    for (size_t i = 0; i < s->network->n; i++) {
        event_free(s->network->heap[i].event);
    }
    free(s->network->heap);
    free(s->network);
}

/* An evil member bends bytes of what it sends. */
static void bend(struct sim *s, struct sim_event *ev)
{
    SOMETIMES(evil_frames);
    size_t frame = rng_below(&s->rng, ev->n_frames);
    if (ev->frames[frame].size == 0 || rng_chance(&s->rng, 200)) {
        ev->n_frames = 1 + rng_below(&s->rng, ev->n_frames);
        return;
    }
    uint8_t *data = (uint8_t *)(uintptr_t)ev->frames[frame].data;
    for (unsigned i = 0; i < 1 + rng_below(&s->rng, 3); i++) {
        data[rng_below(&s->rng, ev->frames[frame].size)] ^= (uint8_t)(1u << rng_below(&s->rng, 8));
    }
}

static void launch(struct sim *s, unsigned index, bool to_broker, const struct tmx_bytes *frames, size_t n, bool ordered)
{
    struct sim_node *node = &s->nodes[index];
    uint64_t at = s->now_ms + rng_below(&s->rng, s->delay_max_ms + 1);
    uint64_t *last = &node->last_delivery_at[to_broker ? 0 : 1];
    if (ordered && at < *last) {
        at = *last;
    }
    *last = ordered ? at : *last;
    struct sim_event *ev = event_new(frames, n);
    if (to_broker && node->evil && rng_chance(&s->rng, 500)) {
        bend(s, ev);
    }
    ev->kind = SIM_MESSAGE;
    ev->member = index;
    ev->route[0] = (uint8_t)index;
    ev->route[1] = (uint8_t)node->epoch;
    heap_push(s->network, (struct flying){ at, s->network->number++, index, node->epoch, to_broker, ev });
}

void network_send(struct sim *s, unsigned index, bool to_broker, const struct tmx_bytes *frames, size_t n)
{
    s->frames++;
    if (s->nodes[index].cut || (!s->healed && rng_chance(&s->rng, s->drop))) {
        SOMETIMES(frame_lost);
        return;
    }
    bool reorder = !s->healed && rng_chance(&s->rng, s->reorder);
    if (reorder) {
        SOMETIMES(frame_reordered);
    }
    launch(s, index, to_broker, frames, n, !reorder);
    if (!s->healed && rng_chance(&s->rng, s->repeat)) {
        SOMETIMES(frame_repeated);
        launch(s, index, to_broker, frames, n, true);
    }
}

void network_break(struct sim *s, unsigned index)
{
    s->nodes[index].epoch++;
}

uint64_t network_next_ms(const struct sim *s)
{
    return s->network->n == 0 ? UINT64_MAX : s->network->heap[0].at_ms;
}

void network_deliver(struct sim *s)
{
    while (s->network->n > 0 && s->network->heap[0].at_ms <= s->now_ms) {
        struct flying f = heap_pop(s->network);
        struct sim_node *node = &s->nodes[f.index];
        struct process *to = f.to_broker ? &s->broker_process : &node->p;
        if (f.epoch != node->epoch || !to->up || node->cut) {
            event_free(f.event);
            continue;
        }
        process_queue(s, to, f.event);
    }
}
