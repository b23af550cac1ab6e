/* SPDX-License-Identifier: Apache-2.0
 * What a key has touched between two places of the log: what was signed or cosigned with it, and what may have been sealed
 * to it or come over it. Streams: memory does not grow with the log.
 *
 * The log holds neither containers nor connections: which prekey a container is sealed to, and under which transport key a
 * message came, are bounded by time and member, and called "maybe". A daemon that still has the container says which prekeys it
 * is sealed to: then the message is called "sealed", or was not touched.
 */
#pragma once

#include "lines.h"

enum tmx_key_use { KEY_USE_SIGNING, KEY_USE_WITNESS, KEY_USE_TRANSPORT, KEY_USE_PREKEY, KEY_USE_LAST_RESORT };

struct tmx_suspect {
    enum tmx_key_use use;
    char owner[TMX_POLICY_NAME_MAX + 1]; /* the code of the member; of a witness outside the federation its name in the policy */
    bool outside;
    uint8_t key[TMX_HASH_SIZE];
    char id[17];                         /* as tmx-authority shows it; of a prekey as containers name it */
    struct tmx_verify_key verify;        /* SIGNING, WITNESS */
    uint64_t from_ms;                    /* PREKEY: when it may be used */
    uint64_t until_ms;
};

const char *tmx_key_use_name(enum tmx_key_use use); /* "signing", "witness" … */

/* The key of that name among those of the export's directories, policies and prekey sets: its public half or its id in
 * hexadecimal, as much of it as no other key begins with (8 digits at least), or the public half in base64. -ENOENT, -EEXIST:
 * several. */
int tmx_suspect_find(struct tmx_history *h, const char *text, struct tmx_suspect *ret_suspect, char ret_why[HISTORY_WHY_MAX])
    TMX_MUST_CHECK;

enum tmx_touch { TOUCH_MESSAGE, TOUCH_REPORT, TOUCH_PREKEYS, TOUCH_REFUSED, TOUCH_OPENED, TOUCH_SEALED, TOUCH_CARRIED, TOUCH_HEAD };
#define TOUCHES 8u
const char *tmx_touch_name(enum tmx_touch touch); /* "signed message" …, "sealed", "maybe sealed" */

/* Whether the container of a message is sealed to the key of that id: 1, 0; -ENOENT: it is not kept any more. Others end the walk. */
typedef int tmx_compromise_ask_fn(void *ctx, const uint8_t message_id[TMX_ID_SIZE], const char *key_id);
/* Asks the daemon whose control socket ctx is, a char *. compromise_ask.c, which is in no library. */
tmx_compromise_ask_fn tmx_compromise_ask;

struct tmx_compromise {
    uint64_t from_index; /* in */
    uint64_t to_index;   /* in: before this */
    uint64_t from_ms;    /* in; 0: not by time */
    uint64_t to_ms;      /* in; 0 */
    tmx_compromise_ask_fn *ask; /* in: who may have containers; NULL: nobody is asked */
    void *ask_ctx;
    uint64_t entries[TOUCHES]; /* out: how many entries of the log, or heads */
    bool touched;
    uint64_t first; /* out: the first and the last entry */
    uint64_t last;
};

/* An index, or a time; false: neither. What is not given stays 0. */
bool tmx_compromise_place(const char *text, uint64_t *ret_index, uint64_t *ret_ms) TMX_MUST_CHECK;

/* Negative ends the walk and is returned. A head is a line of kind "head": `index` is its size. */
typedef int tmx_compromise_fn(void *ctx, enum tmx_touch touch, const struct tmx_audit_line *line);
/* As tmx_audit_lines: until it returns 0 what was told are only claims. */
int tmx_compromise_run(struct tmx_history *h, const struct tmx_suspect *s, struct tmx_compromise *c, tmx_compromise_fn *fn,
                       void *ctx, char ret_why[HISTORY_WHY_MAX]) TMX_MUST_CHECK;
