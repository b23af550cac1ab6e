/* SPDX-License-Identifier: Apache-2.0
 * Names and meanings of the reason codes, from the one table in tmx/code.h. */
#include <tmx/code.h>

const char *tmx_code_name(unsigned code)
{
    switch (code) {
#define X(number, name, text, meaning)                                                                                 \
    case number:                                                                                                       \
        return text;
        TMX_CODES(X)
#undef X
    default:
        return "unknown";
    }
}

const char *tmx_code_meaning(unsigned code)
{
    switch (code) {
#define X(number, name, text, meaning)                                                                                 \
    case number:                                                                                                       \
        return meaning;
        TMX_CODES(X)
#undef X
    default:
        return "a code this version does not know";
    }
}
