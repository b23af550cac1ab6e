/* SPDX-License-Identifier: Apache-2.0
 * What TMX needs to know of an NCTS message, read from its XML. The payload itself stays as it is, byte for byte;
 * nothing here validates it beyond well-formedness and the header every NCTS message has.
 *
 * The reader trusts nothing: no network, no external file, no DTD (a DOCTYPE is refused where it stands), no entity
 * beyond the five of XML itself, at most 64 levels deep. */
#pragma once

#include <tmx/bytes.h>

#define NCTS_NAMESPACE "http://ncts.dgtaxud.ec"
#define NCTS_TEXT_MAX 35u   /* an..35, the longest of these fields; in characters, up to 4 bytes each */
#define NCTS_DEPTH_MAX 64u

struct ncts_message {
    char root[4 * NCTS_TEXT_MAX + 1];   /* name of the root element: equals `type` */
    char sender[4 * NCTS_TEXT_MAX + 1];
    char recipient[4 * NCTS_TEXT_MAX + 1];
    char identification[4 * NCTS_TEXT_MAX + 1];
    char type[4 * NCTS_TEXT_MAX + 1];
    char correlation[4 * NCTS_TEXT_MAX + 1];   /* "" = none; so are: */
    char mrn[4 * NCTS_TEXT_MAX + 1];
    char lrn[4 * NCTS_TEXT_MAX + 1];
};

enum ncts_condition {
    NCTS_OK,
    NCTS_E_REFUSED = 1,   /* ret_reason says why, and where */
};

/* Whether the file wants to be XML: a '<' first, after byte order mark and white space, in UTF-8 or UTF-16. */
bool ncts_xml_recognise(struct tmx_bytes file);

/* Reads one message. -ENOMEM, or enum ncts_condition. ret_reason has `capacity` bytes. */
int ncts_xml_read(struct tmx_bytes file, struct ncts_message *ret_message, char *ret_reason, size_t capacity)
    TMX_MUST_CHECK;
