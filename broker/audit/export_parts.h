/* SPDX-License-Identifier: Apache-2.0
 * What the files of the exporter share: export.c (the order of things), export_entries.c (the log, from disk and from the
 * broker), export_beside.c (what stands beside the log), export_heads.c (its earlier heads).
 */
#pragma once

#include <jansson.h>

#include "export.h"
#include "writer.h"

struct tmx_export_job {
    const struct tmx_export_order *order;
    char *why;                    /* EXPORT_WHY_MAX */
    int fd;                       /* of the export */
    int base;                     /* of the earlier export that it follows; -1: none but the one in the same folder */
    struct tmx_checkpoint head;   /* the broker's */
    bool uncosigned;              /* though witnesses should have */
    struct tmx_checkpoint before; /* of the earlier export; size 0: none */
    uint64_t pruned;              /* of the earlier export: it has no bundles of entries before this index */
    struct tmx_export_writer *writer;
};

/* Says why, returns `error`. */
int tmx_export_fail(struct tmx_export_job *j, int error, const char *fmt, ...) TMX_PRINTF(3, 4);
/* Asks the broker; an answer that says "error" is one. The payload is the caller's to forget. */
int tmx_export_ask(struct tmx_export_job *j, const char *const *words, size_t n_words, json_t **ret_reply,
                   struct tmx_bytes *ret_payload) TMX_MUST_CHECK;
void tmx_export_forget(struct tmx_bytes b); /* frees what was malloc'ed */
/* What a checkpoint says; nobody has verified it. */
bool tmx_export_parse_head(struct tmx_bytes note, struct tmx_checkpoint *ret_head) TMX_MUST_CHECK;

/* A signature that is there is replaced by one over the new list, or stays: then there must be a key. */
int tmx_export_check_signed(struct tmx_export_job *j) TMX_MUST_CHECK;
/* The list of files, with this as the checkpoint, and its signature. */
int tmx_export_write_list(struct tmx_export_job *j, struct tmx_bytes note) TMX_MUST_CHECK;

/* Writes every bundle and tile, once all entries lead to the head's root and to that of the earlier export. */
int tmx_export_entries(struct tmx_export_job *j) TMX_MUST_CHECK;

/* The folders "checkpoints" and "anchors", once the entries are there. */
int tmx_export_heads(struct tmx_export_job *j) TMX_MUST_CHECK;
/* The folder "directories"; *ret_newest is the file of the highest serial, the caller's to forget. */
int tmx_export_directories(struct tmx_export_job *j, struct tmx_bytes *ret_newest) TMX_MUST_CHECK;
/* Files that make the export readable by itself: the witness policy of that directory, and the schema of the leaves. */
int tmx_export_texts(struct tmx_export_job *j, struct tmx_bytes newest) TMX_MUST_CHECK;
