/* SPDX-License-Identifier: Apache-2.0
 * How many deliveries to each member are queued, have arrived, have ended.
 */
#include "deliveries.h"

/* How many deliveries to a member are in which state. */
int tmx_audit_count(const struct tmx_audit_step *s, const struct tmx_audit_message *m, const struct tmx_audit_delivery *d)
{
    const struct tmx_audit_key key = tmx_audit_key_of(TMX_BYTES_OF(d->member), TMX_BYTES_NULL);
    struct tmx_audit_destination *to;
    void *value;
    bool new;
    int r = tmx_audit_table_put(&s->a->destinations, &key, &value, &new);

    if (r < 0) {
        return r;
    }
    to = value;
    to->accepted++;
    *(d->state == AUDIT_ARRIVED ? &to->arrived : &to->queued) += 1;
    to->queued_bytes += d->state == AUDIT_QUEUED ? m->container_bytes : 0;
    to->index = s->index;
    return 0;
}

void tmx_audit_count_move(const struct tmx_audit_step *s, const struct tmx_audit_message *m, const struct tmx_audit_delivery *d,
                          enum tmx_audit_state to)
{
    const struct tmx_audit_key key = tmx_audit_key_of(TMX_BYTES_OF(d->member), TMX_BYTES_NULL);
    struct tmx_audit_destination *at = tmx_audit_table_get(&s->a->destinations, &key);

    if (d->state == AUDIT_QUEUED) {
        at->queued--;
        at->queued_bytes -= m->container_bytes;
    } else {
        at->arrived--;
    }
    *(to == AUDIT_ARRIVED ? &at->arrived : &at->terminal) += 1;
    at->index = s->index;
}
