/* SPDX-License-Identifier: Apache-2.0
 * Order of resubmissions (LOG-4). What an earlier shard accepted comes without what has its outcome already, so a gap in the
 * numbers of a pair does not show that one of them was put off. The broker therefore remembers, for a session, which it put
 * off: whatever comes behind one of them waits as well, or a movement would lose its order.
 */
#include <stdlib.h>
#include <string.h>

#include "core.h"

static struct put_off *find(struct peer *p, const uint8_t member[TMX_MEMBER_KEY], uint64_t seq)
{
    for (size_t i = 0; i < p->n_put_off; i++) {
        if (p->put_off[i].seq == seq && memcmp(p->put_off[i].member, member, TMX_MEMBER_KEY) == 0) {
            return &p->put_off[i];
        }
    }
    return NULL;
}

static bool behind(const struct peer *p, const uint8_t member[TMX_MEMBER_KEY], uint64_t seq)
{
    for (size_t i = 0; i < p->n_put_off; i++) {
        if (p->put_off[i].seq < seq && memcmp(p->put_off[i].member, member, TMX_MEMBER_KEY) == 0) {
            return true;
        }
    }
    return false;
}

bool putoff_blocks(struct peer *p, const Tmx__Header *h)
{
    for (size_t i = 0; i < h->n_recipients; i++) {
        uint8_t member[TMX_MEMBER_KEY];
        tmx_member_key(tmx_pb(h->recipients[i]->member), member);
        /* A sender with more in flight than the limit: what could not be remembered must not let others pass. */
        bool unknown = p->n_put_off == PUT_OFF_MAX && find(p, member, h->recipients[i]->seq) == NULL;
        if (unknown || behind(p, member, h->recipients[i]->seq)) {
            return true;
        }
    }
    return false;
}

static void remember(struct tmx_broker *b, struct peer *p, const uint8_t member[TMX_MEMBER_KEY], uint64_t seq)
{
    if (p->put_off == NULL) {
        p->put_off = calloc(PUT_OFF_MAX, sizeof(*p->put_off));
        if (p->put_off == NULL) {
            broker_fault(b, -ENOMEM);
            return;
        }
    }
    if (p->n_put_off < PUT_OFF_MAX && find(p, member, seq) == NULL) {
        struct put_off *o = &p->put_off[p->n_put_off++];
        memcpy(o->member, member, TMX_MEMBER_KEY);
        o->seq = seq;
    }
}

void putoff_note(struct tmx_broker *b, struct peer *p, const Tmx__Header *h, bool put_off)
{
    for (size_t i = 0; i < h->n_recipients; i++) {
        uint8_t member[TMX_MEMBER_KEY];
        tmx_member_key(tmx_pb(h->recipients[i]->member), member);
        struct put_off *known;
        if (put_off) {
            remember(b, p, member, h->recipients[i]->seq);
        } else if ((known = find(p, member, h->recipients[i]->seq)) != NULL) {
            *known = p->put_off[--p->n_put_off];
        }
    }
}
