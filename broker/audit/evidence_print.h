/* SPDX-License-Identifier: Apache-2.0
 * A checked bundle, for people and for programs.
 */
#pragma once

#include <stdio.h>

#include "evidence.h"

/* Sentences: what a bundle without a fault proves, and what it does not. */
typedef void tmx_evidence_sentence_fn(void *ctx, const char *sentence);
void tmx_evidence_proves(const struct tmx_evidence *v, tmx_evidence_sentence_fn *fn, void *ctx);
void tmx_evidence_leaves_open(const struct tmx_evidence *v, tmx_evidence_sentence_fn *fn, void *ctx);

/* The verdict, with a fault or without. `name`: of the file. */
void tmx_evidence_print(const struct tmx_evidence *v, const char *name, FILE *out);
/* -ENOMEM, -EIO. */
int tmx_evidence_json(const struct tmx_evidence *v, FILE *out) TMX_MUST_CHECK;
