/* SPDX-License-Identifier: Apache-2.0
 * See operated_node.h.
 */
#include <string.h>

#include <tmx/note.h>
#include <tmx/operator.h>

#include "core.h"
#include "operated_node.h"

#define MESSAGES_MAX 256u
#define RECORD_KEY (8u + TMX_OPERATION_NONCE)

struct last {
    size_t n;
    struct {
        uint8_t id[TMX_ID_SIZE];
        enum tmx_action action;
    } messages[MESSAGES_MAX];
};

static bool acts(struct last *l, const struct tmx_operation *op)
{
    for (size_t t = 0; t < op->n_targets; t++) {
        size_t i = 0;
        while (i < l->n && memcmp(l->messages[i].id, op->targets[t].id, TMX_ID_SIZE) != 0) {
            i++;
        }
        if (i == MESSAGES_MAX) {
            return false;
        }
        l->n = i == l->n ? i + 1 : l->n;
        memcpy(l->messages[i].id, op->targets[t].id, TMX_ID_SIZE);
        l->messages[i].action = op->action;
    }
    return true;
}

/* Every record in the order of their times. */
static const char *records(struct last *l, struct tmx_spool *spool, uint64_t *ret_n)
{
    uint8_t at[RECORD_KEY + 1] = { 0 };
    struct tmx_bytes key, note, text, lines;
    size_t size = 1;
    *ret_n = 0;
    while (tmx_spool_seek(spool, TMX_NT_OPERATION, TMX_BYTES(at, size), &key, &note) == 0 && key.size == RECORD_KEY) {
        struct tmx_operation op;
        memcpy(at, key.data, RECORD_KEY);
        at[RECORD_KEY] = 0;
        size = sizeof(at);   /* the least key behind it */
        if (!tmx_note_split(note, &text, &lines) || !tmx_operation_parse(text, &op) || !acts(l, &op)) {
            return "a record of an operator that is none";
        }
        ++*ret_n;
    }
    return NULL;
}

const char *operated_node(struct tmx_node *n, struct tmx_spool *spool, uint64_t answered)
{
    struct last last = { .n = 0 };
    uint64_t kept;
    const char *wrong = records(&last, spool, &kept);
    if (wrong != NULL || kept < answered) {
        return wrong != NULL ? wrong : "an operator was told that it is done, and there is no record of it";
    }
    for (size_t i = 0; i < last.n; i++) {
        struct tmx_row_in row;
        if (!node_in_read(n, last.messages[i].id, &row) ||
            (row.state == TMX_IN_HELD) != (last.messages[i].action == TMX_ACTION_HOLD)) {
            return "a message is not held, or still is, against the last an operator asked";
        }
    }
    return NULL;
}
