/* SPDX-License-Identifier: Apache-2.0
 * From a file and the user's options to a submission. What an NCTS message says about itself is taken from its XML;
 * options serve everything else, and an option that contradicts the XML is an error. */
#pragma once

#include <tmx/bytes.h>
#include <tmx/client.h>
#include <tmx/limits.h>

#include "ncts_xml.h"

/* As given; NULL = not given. */
struct compose_options {
    const char *to;   /* member codes, comma-separated */
    const char *type;
    const char *mrn;
    const char *lrn;
    const char *business_id;
    const char *correlation;
    const char *reference;
    const char *media_type;
    const uint8_t *replaces;   /* message id of the message sent again */
    uint32_t priority;
    uint64_t lasts_ms;   /* until it expires; 0 = the node's default */
    uint64_t now_ms;
};

/* A submission and the memory its texts are in. Not to be copied. */
struct draft {
    struct ncts_message xml;
    struct tmx_client_submission submission;
    const char *recipients[TMX_RECIPIENTS_MAX];
    char recipient_texts[1024];
    char reference[TMX_REFERENCE_MAX + 1];
    char file_name[256];
};

enum compose_condition {
    COMPOSE_OK,
    COMPOSE_E_REFUSED = 1,   /* ret_reason says why: names both sides of a contradiction */
};

/* `member` is the node's; `path` may be "-". The draft borrows payload and options. -ENOMEM, or a condition. */
int compose(const struct compose_options *options, const char *member, const char *path, struct tmx_bytes payload,
            struct draft *ret_draft, char *ret_reason, size_t capacity) TMX_MUST_CHECK;
