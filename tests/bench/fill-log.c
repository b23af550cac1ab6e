/* SPDX-License-Identifier: Apache-2.0
 * fill-log CONF ENTRIES: lengthens the log in the spool of a broker that does not run, through the broker's own ledger, with
 * entries that mean nothing and are as long as those of real traffic. For tests/bench/run.
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tmx/clock.h>
#include <tmx/text.h>

#include "../../broker/daemon.h"
#include "core.h"

#define TURN 2000u

static void check(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "fill-log: %s\n", what);
        exit(1);
    }
}

static void append(struct tmx_broker *b)
{
    static uint8_t body[TMX_ENTRY_MAX];
    Tmx__LogEntry e = TMX__LOG_ENTRY__INIT;

    e.kind = TMX__ENTRY_KIND__ENTRY_OPERATOR;
    e.body.data = body;
    e.body.len = 200 + randombytes_uniform(340);
    randombytes_buf(body, e.body.len);
    tmx_arena_reset(&b->scratch);
    (void)ledger_append(b, &e);
}

static struct tmx_broker *open_broker(struct settings *s, struct broker_keys *keys)
{
    struct tmx_broker_config c = { .shard = s->shard, .queue_max = 1000 };
    struct tmx_spool_mark mark;
    struct tmx_spool *spool;
    struct tmx_broker *b;
    char error[512] = "";

    check(settings_keys(s, keys, &c.authority) == 0, "no keys");
    check(tmx_spool_lmdb_open(s->spool, s->capacity_bytes, "broker", &spool, error, sizeof error) == 0, error);
    tmx_spool_lmdb_mark(spool, &mark);
    c.generation = mark.generation;
    c.log_secret = keys->log_secret;
    memcpy(c.log_public, keys->log_public, sizeof c.log_public);
    check(tmx_broker_new(spool, &c, tmx_clock_mono_ms(), tmx_clock_wall_us(), &b) == 0, "the broker does not start");
    return b;
}

int main(int argc, char **argv)
{
    struct broker_keys keys;
    struct settings s;
    struct tmx_broker *b;
    uint64_t entries = 0;

    check(argc == 3 && tmx_parse_u64(tmx_bytes_str(argv[2]), 1u << 30, &entries), "usage: fill-log CONF ENTRIES");
    check(sodium_init() >= 0 && settings_load(argv[1], &s) == 0, "no configuration");
    b = open_broker(&s, &keys);
    while (tmx_tree_size(b->tree) < entries) {
        check(tmx_spool_begin(b->spool) == 0, "the spool fails");
        for (unsigned i = 0; i < TURN && tmx_tree_size(b->tree) < entries; i++) {
            append(b);
        }
        ledger_close(b);
        check(b->fault == 0 && tmx_spool_commit(b->spool) == 0, "the spool fails");
    }
    tmx_spool_close(b->spool);
    tmx_broker_free(b);
    return 0;
}
