/* SPDX-License-Identifier: Apache-2.0
 * What the recorder watches: FOLDER SEED TURNS. Creates FOLDER/spool unless it is there, makes the scenario's next
 * turns and marks each after its commit; every 8th turn it also writes FOLDER/marker.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <tmx/spool_lmdb.h>

#include "record.h"
#include "scenario.h"
#include "sweep.h"

static void mark(const char *what, uint64_t number)
{
    char line[64];
    int n = snprintf(line, sizeof(line), "%s %llu\n", what, (unsigned long long)number);
    if (n < 0 || write(RECORD_MARKS_FD, line, (size_t)n) != n) {
        (void)fprintf(stderr, "workload: not under the recorder\n");
        exit(2);
    }
}

static int run(const char *folder, uint64_t seed, uint64_t turns)
{
    char path[512], marker[512], error[256];
    struct tmx_spool *s;
    struct tmx_spool_mark at;
    uint64_t last;
    (void)snprintf(path, sizeof(path), "%s/spool", folder);
    (void)snprintf(marker, sizeof(marker), "%s/marker", folder);
    int r = access(path, F_OK) == 0 ? 0 : tmx_spool_lmdb_create(path, SWEEP_CAPACITY, 1, SWEEP_ROLE);
    if (r < 0) {
        return r;
    }
    mark("created", 0);
    r = tmx_spool_lmdb_open(path, SWEEP_CAPACITY, SWEEP_ROLE, &s, error, sizeof(error));
    if (r < 0) {
        (void)fprintf(stderr, "workload: %s\n", error);
        return r;
    }
    r = scenario_last(s, &last);
    if (r == 0) {
        mark("turn", last);
    }
    for (uint64_t turn = last + 1; r == 0 && turn <= last + turns; turn++) {
        r = scenario_turn(s, seed, turn);
        if (r == 0) {
            mark("turn", turn);
        }
        if (r == 0 && turn % 8 == 0) {
            tmx_spool_lmdb_mark(s, &at);
            r = tmx_spool_marker_write(marker, at);
            mark("marker", turn);
        }
    }
    (void)tmx_spool_close(s);
    return r;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        (void)fprintf(stderr, "usage: workload FOLDER SEED TURNS\n");
        return 2;
    }
    int r = run(argv[1], strtoull(argv[2], NULL, 0), strtoull(argv[3], NULL, 0));
    if (r < 0) {
        (void)fprintf(stderr, "workload: %s\n", strerror(-r));
    }
    return r < 0 ? 1 : 0;
}
