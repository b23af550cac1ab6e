/* SPDX-License-Identifier: Apache-2.0
 * Time anchors (LOG-9): a token by which a time-stamp authority says when a head of the log existed. Operators fetch it; the
 * broker keeps it and logs its digest. It does not look into it: a parser of ASN.1 would be the largest one that what signs
 * the log has, for bytes that prove nothing to the broker; who audits the log checks them, with the authorities he trusts.
 * Nothing of the exchange waits for an anchor.
 */
#include "core.h"

const char *tmx_broker_anchor_text(enum tmx_broker_anchor result)
{
    static const char *const texts[] = {
        [TMX_ANCHOR_OK] = "anchored",
        [TMX_ANCHOR_E_TOKEN] = "the token is empty, or longer than 16 KiB",
        [TMX_ANCHOR_E_HEAD] = "no head of that size was ever released: anchor show prints the one to be stamped",
        [TMX_ANCHOR_E_ANCHORED] = "that head has its token already",
        [TMX_ANCHOR_E_LATER] = "a later head has its token already, and what it proves of that one it proves of this one",
        [TMX_ANCHOR_E_STOPPED] = "the disk is full, or the broker signs nothing any more: status says which",
    };
    return texts[result];
}

struct tmx_bytes tmx_broker_anchor_head(const struct tmx_broker *b)
{
    const struct tmx_policy *policy = tmx_directory_policy(b->directory);
    bool alone = policy == NULL || policy->none;
    struct tmx_bytes note = alone ? TMX_BYTES(b->checkpoint, b->checkpoint_size)
                                  : TMX_BYTES(b->cosigned.note, b->cosigned.note_size);
    struct tmx_bytes text, lines;
    if (note.size == 0 || (!alone && !b->cosigned.quorum.reached) || !tmx_note_split(note, &text, &lines)) {
        return TMX_BYTES_NULL;
    }
    return text;
}

/* The first anchored head of `size` entries or more, and the index of its leaf. */
static bool anchored_from(struct tmx_broker *b, uint64_t size, uint64_t *ret_size, uint64_t *ret_index)
{
    struct key k = key_u64(size);
    struct tmx_bytes found, value;
    if (!row_seek(b, TMX_T_ANCHOR, key_bytes(&k), 0, &found, &value)) {
        return false;
    }
    *ret_size = value_u64(found);
    *ret_index = value_u64(tmx_bytes_slice(value, 0, 8));
    return true;
}

void tmx_broker_anchored(struct tmx_broker *b, struct tmx_broker_anchored_view *ret_view)
{
    uint64_t size = 0, index = 0, end = b->signed_size + 1;
    struct tmx_bytes leaf;
    Tmx__LogEntry *entry;
    *ret_view = (struct tmx_broker_anchored_view){ .size = 0 };
    for (uint64_t from = 1; from < end;) {   /* the last one, by halves */
        uint64_t middle = from + (end - from) / 2;
        if (anchored_from(b, middle, &size, &index)) {
            from = size + 1;
        } else {
            end = middle;
        }
    }
    if (size == 0) {
        return;
    }
    struct key k = key_u64(index);
    tmx_arena_reset(&b->scratch);
    ret_view->size = size;
    if (row_get(b, TMX_T_LOG, key_bytes(&k), &leaf) && tmx_entry_parse(leaf, &b->scratch, &entry) == TMX_CODE_OK) {
        ret_view->at_ms = entry->time_ms;
    }
}

/* Heads are anchored in their order: so an export goes on where an earlier one ended. */
static enum tmx_broker_anchor judge(struct tmx_broker *b, uint64_t size, struct tmx_bytes token)
{
    struct key k = key_u64(size);
    struct tmx_bytes found, value;
    if (token.size == 0 || token.size > TMX_ANCHOR_TOKEN_MAX) {
        return TMX_ANCHOR_E_TOKEN;
    }
    if (b->halted || b->disk_full) {
        return TMX_ANCHOR_E_STOPPED;
    }
    if (row_seek(b, TMX_T_ANCHOR, key_bytes(&k), 0, &found, &value)) {
        return value_u64(found) == size ? TMX_ANCHOR_E_ANCHORED : TMX_ANCHOR_E_LATER;
    }
    return row_get(b, TMX_T_HEAD, key_bytes(&k), &value) ? TMX_ANCHOR_OK : TMX_ANCHOR_E_HEAD;
}

void anchor_install(struct tmx_broker *b, uint64_t size, struct tmx_bytes token)
{
    uint8_t digest[TMX_HASH_SIZE], row[8 + TMX_ANCHOR_TOKEN_MAX];
    struct tmx_writer w = TMX_WRITER_OF(row);
    struct key k = key_u64(size);
    Tmx__LogEntry entry = TMX__LOG_ENTRY__INIT;
    b->anchor_result = judge(b, size, token);
    if (b->anchor_result != TMX_ANCHOR_OK || b->fault != 0) {
        return;
    }
    tmx_arena_reset(&b->scratch);
    tmx_digest(token, digest);
    entry.kind = TMX__ENTRY_KIND__ENTRY_ANCHOR;
    entry.number = size;
    entry.digest = tmx_to_pb(TMX_BYTES_OF(digest));
    tmx_write_u64(&w, ledger_append(b, &entry));
    tmx_write_bytes(&w, token);
    row_insert(b, TMX_T_ANCHOR, key_bytes(&k), tmx_written(&w));
    notice(b, "log.anchored", false, NULL, NULL, TMX_CODE_OK, size);
}
