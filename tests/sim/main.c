/* SPDX-License-Identifier: Apache-2.0
 * sim CATALOGUE FROM COUNT     runs seeds FROM … FROM + COUNT - 1 and prints what was exercised
 * sim CATALOGUE replay SEED    one seed, with its trace
 * sim CATALOGUE seeds FILE     the seeds of a file (those that ever failed), one a line
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "sim.h"

struct totals {
    uint64_t runs, turns, frames, virtual_ms, messages;
    unsigned failed;
};

static struct tmx_catalogue *catalogue_read(const char *path)
{
    static char text[256 * 1024];
    char reason[256] = "cannot be read";
    unsigned line = 0;
    struct tmx_catalogue *c = NULL;
    FILE *f = fopen(path, "r");
    size_t n = f == NULL ? 0 : fread(text, 1, sizeof(text), f);
    if (f != NULL) {
        fclose(f);
    }
    if (n == 0 || tmx_catalogue_parse(TMX_BYTES(text, n), &c, &line, reason, sizeof(reason)) != 0) {
        fprintf(stderr, "%s:%u: %s\n", path, line, reason);
        return NULL;
    }
    return c;
}

static uint64_t run(uint64_t seed, const struct tmx_catalogue *catalogue, bool trace, struct totals *t)
{
    struct sim *s;
    int r = sim_new(seed, catalogue, trace, &s);
    assert(r == 0);
    sim_run(s);
    t->runs++;
    t->turns += s->turns;
    t->frames += s->frames;
    t->virtual_ms += s->now_ms - SIM_START_MS;
    t->messages += s->n_facts;
    if (sim_failed(s)) {
        t->failed++;
        printf("seed %" PRIu64 " failed at %" PRIu64 " ms: %s\n", seed, s->now_ms - SIM_START_MS, s->failure);
        fflush(stdout);
    }
    uint64_t hash = s->hash;
    sim_free(s);
    return hash;
}

static unsigned sometimes_report(bool demand)
{
    static const char *const names[] = {
#define X(name) #name,
        SIM_SOMETIMES(X)
#undef X
    };
    unsigned never = 0;
    for (unsigned i = 0; i < SOMETIMES_N; i++) {
        printf("  %-32s %" PRIu64 "\n", names[i], sometimes_counts[i]);
        if (sometimes_counts[i] == 0 && demand) {
            printf("  %s never happened\n", names[i]);
            never++;
        }
    }
    return never;
}

int main(int argc, char **argv)
{
    if (argc != 4 || sodium_init() < 0) {
        fprintf(stderr, "usage: sim CATALOGUE FROM COUNT | CATALOGUE replay SEED | CATALOGUE seeds FILE\n");
        return 64;
    }
    struct tmx_catalogue *catalogue = catalogue_read(argv[1]);
    if (catalogue == NULL) {
        return 1;
    }
    struct totals t = { 0 };
    unsigned never = 0;
    if (strcmp(argv[2], "replay") == 0) {
        uint64_t hash = run(strtoull(argv[3], NULL, 10), catalogue, true, &t);
        printf("hash %016" PRIx64 "\n", hash);
    } else if (strcmp(argv[2], "seeds") == 0) {
        char line[64];
        FILE *f = fopen(argv[3], "r");
        while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
            if (line[0] != '#' && line[0] != '\n') {
                (void)run(strtoull(line, NULL, 10), catalogue, false, &t);
            }
        }
        if (f != NULL) {
            fclose(f);
        }
    } else {
        uint64_t from = strtoull(argv[2], NULL, 10), count = strtoull(argv[3], NULL, 10);
        struct totals again = { 0 };
        uint64_t first = count > 0 ? run(from, catalogue, false, &t) : 0;
        if (count > 0 && run(from, catalogue, false, &again) != first) {
            printf("seed %" PRIu64 " is not deterministic\n", from);
            t.failed++;
        }
        for (uint64_t i = 1; i < count && t.failed < 10; i++) {
            (void)run(from + i, catalogue, false, &t);
        }
        never = sometimes_report(count >= 1000);
    }
    printf("%" PRIu64 " runs, %.1f virtual hours, %" PRIu64 " messages, %" PRIu64 " turns, %" PRIu64 " frames, %u failed\n",
           t.runs, (double)t.virtual_ms / 3600000.0, t.messages, t.turns, t.frames, t.failed);
    tmx_catalogue_free(catalogue);
    return t.failed == 0 && never == 0 && t.runs > 0 ? 0 : 1;
}
