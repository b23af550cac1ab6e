/* SPDX-License-Identifier: Apache-2.0
 * Catalogue files. CAT-1 */
#include <string.h>

#include <tmx/catalogue.h>
#include <tmx/code.h>

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tmx_catalogue *catalogue = NULL;
    char reason[100] = "";
    unsigned line = 0;

    if (tmx_catalogue_parse(TMX_BYTES(data, size), &catalogue, &line, reason, sizeof(reason)) < 0) {
        assert(line >= 1 && reason[0] != '\0' && strlen(reason) < sizeof(reason) && catalogue == NULL);
        return 0;
    }
    for (size_t i = 0; i < tmx_catalogue_count(catalogue); i++) {
        const struct tmx_message_type *t = tmx_catalogue_at(catalogue, i);
        assert(tmx_catalogue_find(catalogue, tmx_bytes_str(t->code), t->from_ms) == t);
        unsigned code = tmx_catalogue_check(catalogue, t->from_ms, tmx_bytes_str(t->code), TMX_BYTES_NULL,
                                            TMX_BYTES_NULL, TMX_BYTES_NULL);
        assert((code == TMX_CODE_MRN_REQUIRED) == (t->mrn == TMX_RULE_REQUIRED));
    }
    tmx_catalogue_free(catalogue);
    return 0;
}
