/* SPDX-License-Identifier: Apache-2.0
 * What the files of the exporter share: export.c (the order of things), export_beside.c (what stands beside the log).
 */
#pragma once

#include <jansson.h>

#include "export.h"
#include "writer.h"

struct tmx_export_job {
    const struct tmx_export_order *order;
    int fd;                       /* of the export */
    char *why;                    /* EXPORT_WHY_MAX */
    struct tmx_checkpoint head;   /* the broker's */
    struct tmx_checkpoint before; /* of the export that is there; size 0: none */
    struct tmx_export_writer *writer;
};

/* Says why, returns `error`. */
int tmx_export_fail(struct tmx_export_job *j, int error, const char *fmt, ...) TMX_PRINTF(3, 4);
/* Asks the broker; an answer that says "error" is one. */
int tmx_export_ask(struct tmx_export_job *j, const char *const *words, size_t n_words, json_t **ret_reply)
    TMX_MUST_CHECK;

/* The folder "directories"; *ret_newest is malloc'ed: the file of the highest serial. */
int tmx_export_directories(struct tmx_export_job *j, struct tmx_bytes *ret_newest) TMX_MUST_CHECK;
/* Files that make the export readable by itself: the witness policy of that directory, and the schema of the leaves. */
int tmx_export_texts(struct tmx_export_job *j, struct tmx_bytes newest) TMX_MUST_CHECK;
