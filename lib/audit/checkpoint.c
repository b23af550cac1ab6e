/* SPDX-License-Identifier: Apache-2.0
 * Checkpoints: the head of the log as a signed note of exactly three lines.
 */
#include <string.h>

#include <tmx/note.h>
#include <tmx/text.h>

void tmx_checkpoint_text(const struct tmx_checkpoint *c, struct tmx_writer *w)
{
    char root[TMX_BASE64_SIZE(TMX_HASH_SIZE)];

    assert(c->size >= 1);
    tmx_base64(TMX_BYTES_OF(c->root.b), root);
    tmx_write_fmt(w, "%s\n%llu\n%s\n", c->origin, (unsigned long long)c->size, root);
}

bool tmx_checkpoint_parse(struct tmx_bytes text, struct tmx_checkpoint *ret_checkpoint)
{
    struct tmx_checkpoint c = { .size = 0 };
    struct tmx_bytes origin;
    struct tmx_bytes size;
    struct tmx_bytes root;
    size_t root_size;

    /* No extension lines: implementations disagree on whether cosignatures cover them. */
    if (!tmx_take_line(&text, &origin) || !tmx_take_line(&text, &size) || !tmx_take_line(&text, &root) || text.size != 0) {
        return false;
    }
    if (!tmx_key_name_ok(origin) || !tmx_parse_u64(size, (1ull << TMX_TREE_DEPTH_MAX) - 1, &c.size) || c.size == 0 ||
        !tmx_unbase64(root, c.root.b, TMX_HASH_SIZE, &root_size) || root_size != TMX_HASH_SIZE) {
        return false;
    }
    memcpy(c.origin, origin.data, origin.size);
    *ret_checkpoint = c;
    return true;
}

void tmx_checkpoint_sign(const struct tmx_checkpoint *c, const struct tmx_verify_key *key, const uint8_t secret[64],
                         struct tmx_writer *w)
{
    uint8_t buffer[TMX_CHECKPOINT_MAX];
    struct tmx_writer text = TMX_WRITER_OF(buffer);

    assert(strcmp(c->origin, key->name) == 0);
    tmx_checkpoint_text(c, &text);
    tmx_note_sign(w, tmx_written(&text), key, secret);
}

bool tmx_checkpoint_verify(struct tmx_bytes note, const struct tmx_verify_key *key,
                           struct tmx_checkpoint *ret_checkpoint)
{
    struct tmx_bytes text;
    struct tmx_checkpoint c;

    if (!tmx_note_verify(note, key, &text) || !tmx_checkpoint_parse(text, &c) || strcmp(c.origin, key->name) != 0) {
        return false;
    }
    *ret_checkpoint = c;
    return true;
}
