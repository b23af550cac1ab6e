/* SPDX-License-Identifier: Apache-2.0
 * The catalogue in memory, between its reader and its users. */
#pragma once

#include <tmx/catalogue.h>

struct tmx_catalogue {
    char version[21];   /* a decimal number of 64 bits */
    size_t n_types;
    struct tmx_message_type types[TMX_CATALOGUE_TYPES_MAX];
};
