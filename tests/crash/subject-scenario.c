/* SPDX-License-Identifier: Apache-2.0
 * Is an image one that workload.c may have left? The ledger makes the same turns on the RAM twin and keeps a digest of
 * the rows after each: an image must hold exactly the rows of the last acknowledged turn, or of the one after it; and
 * it must go on from there.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tmx/spool_lmdb.h>

#include "record.h"
#include "scenario.h"
#include "sweep.h"

#define TURNS_MORE 4u
#define TURNS_MAX 100000u

struct ledger {
    uint64_t seed;
    bool created;
    bool marker;
    uint64_t turn;   /* acknowledged */
    struct tmx_spool *twin;
    uint64_t digests[TURNS_MAX];   /* by turn */
    uint64_t digests_n;
};

/* The twin makes turns up to `turn`. */
static void forward(struct ledger *l, uint64_t turn)
{
    assert(turn < TURNS_MAX);
    for (; l->digests_n <= turn; l->digests_n++) {
        assert(l->digests_n == 0 || scenario_turn(l->twin, l->seed, l->digests_n) == 0);
        assert(scenario_digest(l->twin, &l->digests[l->digests_n]) == 0);
    }
}

static void *start(const char *about, uint64_t seed)
{
    struct ledger *l = calloc(1, sizeof(*l));
    assert(l != NULL);
    l->seed = seed;
    l->turn = strtoull(about, NULL, 10);   /* what was there before the recording: opening it writes, too */
    assert(tmx_spool_ram_new(&l->twin) == 0);
    forward(l, l->turn + 1 + TURNS_MORE);
    return l;
}

static void stop(void *ledger)
{
    struct ledger *l = ledger;
    l->twin = tmx_spool_close(l->twin);
    free(l);
}

static void said(void *ledger, const struct record *record)
{
    struct ledger *l = ledger;
    unsigned long long number;
    char line[64];
    (void)snprintf(line, sizeof(line), "%.*s", (int)record->size, (const char *)(record + 1));
    l->created |= strncmp(line, "created", 7) == 0;
    l->marker |= strncmp(line, "marker", 6) == 0;
    if (sscanf(line, "turn %llu", &number) == 1) {
        l->turn = number;
        forward(l, number + 1 + TURNS_MORE);
    }
}

/* The checking of one image. */
struct trial {
    const struct ledger *ledger;
    const char *folder;
    uint64_t turn;   /* the image's last */
    struct tmx_spool *s;
    char *why;
    size_t why_size;
};

static enum verdict say(struct trial *t, enum verdict verdict, const char *why)
{
    (void)snprintf(t->why, t->why_size, "%s", why);
    return verdict;
}

static enum verdict open_image(struct trial *t)
{
    char path[512];
    (void)snprintf(path, sizeof(path), "%s/spool", t->folder);
    int r = tmx_spool_lmdb_open(path, SWEEP_CAPACITY, SWEEP_ROLE, &t->s, t->why, t->why_size);
    if (r == -ENOENT && !t->ledger->created) {   /* it was being created: that can be done again */
        r = tmx_spool_lmdb_create(path, SWEEP_CAPACITY, 1, SWEEP_ROLE);
        r = r < 0 ? r : tmx_spool_lmdb_open(path, SWEEP_CAPACITY, SWEEP_ROLE, &t->s, t->why, t->why_size);
    }
    return r < 0 ? VERDICT_REFUSED : VERDICT_OK;
}

/* The last turn must be one of `from` to `to`. */
static enum verdict check_rows(struct trial *t, uint64_t from, uint64_t to)
{
    uint64_t digest;
    if (scenario_last(t->s, &t->turn) < 0) {
        return say(t, VERDICT_CORRUPT, "its last turn cannot be read");
    }
    if (t->turn < from) {
        return say(t, VERDICT_LOST, "an acknowledged turn is not there");
    }
    if (t->turn > to) {
        return say(t, VERDICT_CORRUPT, "a turn that had not begun is there");
    }
    if (scenario_digest(t->s, &digest) < 0 || digest != t->ledger->digests[t->turn]) {
        return say(t, VERDICT_CORRUPT, "the rows are not those of its last turn");
    }
    return VERDICT_OK;
}

static enum verdict check_marker(struct trial *t)
{
    char path[512];
    struct tmx_spool_mark at;
    (void)snprintf(path, sizeof(path), "%s/marker", t->folder);
    tmx_spool_lmdb_mark(t->s, &at);
    int r = tmx_spool_marker_check(path, at);
    if (r == TMX_MARKER_OK || (r == TMX_MARKER_E_NONE && !t->ledger->marker)) {
        return VERDICT_OK;
    }
    return r < 0 ? say(t, VERDICT_CORRUPT, "the marker is damaged")
           : say(t, VERDICT_LOST, "no marker, or the spool is behind it");
}

/* More turns, for the free pages may be damaged where no row is. */
static enum verdict go_on(struct trial *t)
{
    for (unsigned n = 0; n < TURNS_MORE; n++) {
        if (scenario_turn(t->s, t->ledger->seed, ++t->turn) < 0) {
            return say(t, VERDICT_CORRUPT, "no more turns can be made");
        }
    }
    t->s = tmx_spool_close(t->s);
    enum verdict v = open_image(t);
    return v == VERDICT_OK ? check_rows(t, t->turn, t->turn) : v;
}

static uint64_t promises(const void *ledger)
{
    return ((const struct ledger *)ledger)->turn;
}

static enum verdict check(const void *ledger, const char *folder, char *ret_why, size_t why_size)
{
    const struct ledger *l = ledger;
    struct trial t = { .ledger = l, .folder = folder, .why = ret_why, .why_size = why_size };
    enum verdict v = open_image(&t);
    v = v == VERDICT_OK ? check_rows(&t, l->turn, l->turn + 1) : v;
    v = v == VERDICT_OK ? check_marker(&t) : v;
    v = v == VERDICT_OK ? go_on(&t) : v;
    t.s = tmx_spool_close(t.s);
    return v;
}

const struct subject subject = { start, said, promises, check, stop };
