/* SPDX-License-Identifier: Apache-2.0
 * I10: when everything has its outcome, nothing that only work in progress needs is left in a spool, or a year of it
 * would fill the disk. What is kept on purpose (log, dedup, evidence, payloads within their retention) is not looked at.
 */
#include <inttypes.h>
#include <string.h>

#include "sim.h"

struct leftover {
    uint8_t table;
    const char *name;
};

static const struct leftover broker_tables[] = {
    { TMX_T_CONTAINER, "containers" }, { TMX_T_READY, "ready deliveries" }, { TMX_T_LANE, "lanes" },
    { TMX_T_DUE, "expiries" },         { TMX_T_STAGE, "staged containers" },
    { TMX_T_ERASE, "containers to erase" },
};

static const struct leftover node_tables[] = {
    { TMX_NT_OUT_WAIT, "waiting submissions" }, { TMX_NT_OUT_LANE, "lanes out" },   { TMX_NT_OUT_PAYLOAD, "unsealed payloads" },
    { TMX_NT_OUT_OPEN, "unanswered headers" },  { TMX_NT_IN_WAIT, "waits" },        { TMX_NT_IN_READY, "offers" },
    { TMX_NT_IN_STAGE, "staged containers" },   { TMX_NT_IN_LANE, "lanes in" },     { TMX_NT_REPORT_OPEN, "unanswered reports" },
};

static void look(struct sim *s, const char *who, const struct sim_spool *spool, const struct leftover *tables, size_t n)
{
    struct tmx_spool_stat stat;
    int r = tmx_spool_stat(spool->inner, &stat);
    assert(r == 0);
    for (size_t i = 0; i < n; i++) {
        /* A message that had come when the log was lost, and whose end stood only there, waits for its expiry. */
        bool may_wait = s->disk_lost && tables == node_tables && tables[i].table == TMX_NT_IN_LANE;
        bool kept = tables == broker_tables && (tables[i].table == TMX_T_CONTAINER || tables[i].table == TMX_T_ERASE);
        may_wait = may_wait || (kept && s->retention_ms > 0 && s->broker_jumped);   /* by a clock that was years ahead */
        if (stat.rows[tables[i].table] > 0 && !may_wait) {
            sim_fail(s, "I10: %" PRIu64 " %s are left at %s", stat.rows[tables[i].table], tables[i].name, who);
        }
    }
}

/* NODE-13: every number of a sender came, was said to have ended, or was pardoned after the loss of a log. */
static void look_numbers(struct sim *s, unsigned node, unsigned sender)
{
    struct tmx_spool *spool = s->nodes[node].p.spool.inner;
    uint8_t from[TMX_MEMBER_MAX + 8] = { 0 };
    struct tmx_bytes key, value;
    uint64_t next = 1;
    memcpy(from, s->federation.members[sender].code, strlen(s->federation.members[sender].code));
    if (tmx_spool_get(spool, TMX_NT_IN_PAIR, TMX_BYTES(from, TMX_MEMBER_MAX), &value) == 0) {
        struct tmx_reader r = tmx_reader_init(value);
        next = tmx_read_u64(&r);
    }
    for (;; next++) {
        struct tmx_writer w = tmx_writer_init(from + TMX_MEMBER_MAX, 8);
        tmx_write_u64(&w, next);
        if (tmx_spool_seek(spool, TMX_NT_IN_SEQ, TMX_BYTES_OF(from), &key, &value) != 0 || key.size != sizeof(from) ||
            memcmp(key.data, from, TMX_MEMBER_MAX) != 0) {
            return;
        }
        if (memcmp(key.data, from, sizeof(from)) != 0) {
            sim_fail(s, "NODE-13: number %" PRIu64 " of %s never came to %s", next, s->federation.members[sender].code,
                     s->federation.members[node].code);
            return;
        }
    }
}

void check_leftovers(struct sim *s)
{
    look(s, "the broker", &s->broker_process.spool, broker_tables, TMX_N(broker_tables));
    for (unsigned i = 0; i < s->n_nodes; i++) {
        look(s, s->federation.members[i].code, &s->nodes[i].p.spool, node_tables, TMX_N(node_tables));
        for (unsigned k = 0; k < s->n_nodes; k++) {
            look_numbers(s, i, k);
        }
    }
}
