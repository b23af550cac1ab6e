/* SPDX-License-Identifier: Apache-2.0
 * Identifiers of the transit domain: MRN, LRN, GRN, customs office reference, member codes.
 * Sources: DDNTA R0028 and R0410, DGXXI/0879/99 (check digit), ISO 3166 country part. See proto/README.md.
 */
#pragma once

#include <tmx/bytes.h>

#define TMX_MRN_SIZE 18u

bool tmx_mrn_valid(struct tmx_bytes mrn);      /* pattern and check digit */
bool tmx_lrn_valid(struct tmx_bytes lrn);      /* an..22, no leading or trailing space */
bool tmx_grn_valid(struct tmx_bytes grn);      /* 17 or 24 characters, check digit over the first 16 */
bool tmx_office_valid(struct tmx_bytes office);/* [A-Z]{2}[A-Z0-9]{6} */
bool tmx_member_valid(struct tmx_bytes code);  /* [A-Z0-9]{2,8} */
/* The check digit ('0'..'9') of the first n characters (17 for an MRN, 16 for a GRN); 0 for a bad character. */
char tmx_check_digit(struct tmx_bytes text);
/* Federation and shard names: [a-z0-9][a-z0-9.-]*, at most max. */
bool tmx_name_valid(struct tmx_bytes name, size_t max);
/* Business identifiers of NCTS messages, an..35: printable ASCII without spaces at the ends. */
bool tmx_business_id_valid(struct tmx_bytes id);
