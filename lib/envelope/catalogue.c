/* SPDX-License-Identifier: Apache-2.0
 * The message catalogue: looking types up and checking submissions against their rules (proto/README.md, CAT-1 to
 * CAT-3). The reader of its file is catalogue_parse.c. */
#include <stdlib.h>

#include "catalogue_types.h"
#include <tmx/code.h>
#include <tmx/identifier.h>

struct tmx_catalogue *tmx_catalogue_free(struct tmx_catalogue *c)
{
    free(c);
    return NULL;
}

const char *tmx_catalogue_version(const struct tmx_catalogue *c)
{
    return c->version;
}

size_t tmx_catalogue_count(const struct tmx_catalogue *c)
{
    return c->n_types;
}

const struct tmx_message_type *tmx_catalogue_at(const struct tmx_catalogue *c, size_t i)
{
    assert(i < c->n_types);
    return &c->types[i];
}

const struct tmx_message_type *tmx_catalogue_find(const struct tmx_catalogue *c, struct tmx_bytes code,
                                                  uint64_t wall_ms)
{
    for (size_t i = 0; i < c->n_types; i++) {
        const struct tmx_message_type *type = &c->types[i];

        if (tmx_bytes_eq(tmx_bytes_str(type->code), code)) {
            bool valid = wall_ms >= type->from_ms && (type->until_ms == 0 || wall_ms < type->until_ms);
            return valid ? type : NULL;
        }
    }
    return NULL;
}

unsigned tmx_catalogue_check(const struct tmx_catalogue *c, uint64_t wall_ms, struct tmx_bytes type,
                             struct tmx_bytes mrn, struct tmx_bytes lrn, struct tmx_bytes business_correlation)
{
    const struct tmx_message_type *t = tmx_catalogue_find(c, type, wall_ms);

    if (t == NULL) {
        return TMX_CODE_UNKNOWN_TYPE;
    }
    if (mrn.size == 0 && t->mrn == TMX_RULE_REQUIRED) {
        return TMX_CODE_MRN_REQUIRED;
    }
    if (mrn.size > 0 && t->mrn == TMX_RULE_ABSENT) {
        return TMX_CODE_MRN_FORBIDDEN;
    }
    if (mrn.size > 0 && !tmx_mrn_valid(mrn)) {
        return TMX_CODE_BAD_MRN;
    }
    if (lrn.size > 0 && !tmx_lrn_valid(lrn)) {
        return TMX_CODE_BAD_LRN;
    }
    if (business_correlation.size == 0 && t->correlation == TMX_RULE_REQUIRED) {
        return TMX_CODE_CORRELATION_REQUIRED;
    }
    if (business_correlation.size > 0 && t->correlation == TMX_RULE_ABSENT) {
        return TMX_CODE_CORRELATION_FORBIDDEN;
    }
    return TMX_CODE_OK;
}
