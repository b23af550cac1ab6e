/* SPDX-License-Identifier: Apache-2.0
 * `tmx-audit fold`: the state that a broker's log gives, against the state that the broker says it holds.
 *
 * The broker goes on meanwhile, so its state is never there at one moment. Each page of it is what the broker held after the
 * first so many entries, and exact for that (control request log-state). All pages are asked for first, then the export is
 * brought up to date, so that its log reaches as far as the latest page; then the log is checked from its first entry on, and
 * each page compared when as many entries have been checked: the auditor's state machine stands where the broker stood.
 *
 * What the log gives and the broker lacks shows in numbers: every row of a page is one that the log gives in its place, so a page
 * lacks something when the log gives more there. Of tables with a row per member or pair that is counted at once; of messages,
 * deliveries and refusals, which are never taken back, at the end, by the entry with which each came.
 */
#pragma once

#include <tmx/projection.h>

#include "check.h"
#include "export.h"

struct tmx_fold_order {
    struct tmx_export_order export; /* socket, folder, key; without an earlier export */
    const char *authority;
    unsigned jobs;
};

/* The first row that differs, in the order of tables and keys. */
struct tmx_fold_difference {
    enum tmx_projection_table table;
    uint64_t size;  /* of the log when the broker said so */
    bool in_log;
    bool at_broker;
    uint8_t log[TMX_PROJECTION_ROW_MAX];    /* of a row that the broker lacks only the key counts */
    uint8_t broker[TMX_PROJECTION_ROW_MAX];
    uint64_t since; /* the entry that made the log's row what it is; of a row that the broker lacks, with which it came */
};

struct tmx_fold_result {
    struct tmx_checkpoint head;
    bool uncosigned;     /* see tmx_export_run */
    uint64_t first_size; /* of the log, with the first page and with the last one */
    uint64_t last_size;
    uint64_t rows[TMX_PROJECTION_TABLES];
    uint64_t states[TMX_PROJECTION_STATES]; /* of the deliveries */
    bool differs;
    struct tmx_fold_difference difference;
    struct tmx_check *check; /* of the log; the caller's to free. When it found a fault, nothing else here counts */
};

/* Negative errno; ret_why then says what. -ENOTSUP: the export is pruned, or its log follows one that has what this one does not
 * say. */
int tmx_fold_run(const struct tmx_fold_order *order, struct tmx_fold_result *ret_result, char ret_why[EXPORT_WHY_MAX]) TMX_MUST_CHECK;
