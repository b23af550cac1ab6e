/* SPDX-License-Identifier: Apache-2.0
 * The honest core stops when it is shown a head of its own that it does not have (LINK-5). This stands in its way, by the
 * linker's --wrap: asked for its root of the size it was shown last, it says what it was shown, once, and goes on. And it
 * takes in messages whose senders have seen another history.
 */
#include <tmx/code.h>
#include <tmx/note.h>
#include <tmx/tree.h>

extern bool lies_about_heads;
bool lies_about_heads = LIES_FROM_THE_START;

static struct tmx_checkpoint shown;

bool __real_tmx_checkpoint_verify(struct tmx_bytes note, const struct tmx_verify_key *key, struct tmx_checkpoint *ret);
bool __wrap_tmx_checkpoint_verify(struct tmx_bytes note, const struct tmx_verify_key *key, struct tmx_checkpoint *ret);
bool __real_tmx_tree_root_at(struct tmx_tree *t, void *ctx, uint64_t size, struct tmx_hash *ret_root);
bool __wrap_tmx_tree_root_at(struct tmx_tree *t, void *ctx, uint64_t size, struct tmx_hash *ret_root);

bool __wrap_tmx_checkpoint_verify(struct tmx_bytes note, const struct tmx_verify_key *key, struct tmx_checkpoint *ret)
{
    bool ok = __real_tmx_checkpoint_verify(note, key, ret);
    if (ok) {
        shown = *ret;
    }
    return ok;
}

bool __wrap_tmx_tree_root_at(struct tmx_tree *t, void *ctx, uint64_t size, struct tmx_hash *ret_root)
{
    bool ok = __real_tmx_tree_root_at(t, ctx, size, ret_root);
    if (ok && lies_about_heads && shown.size == size) {
        *ret_root = shown.root;
        shown.size = 0;
    }
    return ok;
}

struct tmx_broker;
unsigned __real_ledger_check_seen(struct tmx_broker *b, const void *seen);
unsigned __wrap_ledger_check_seen(struct tmx_broker *b, const void *seen);

unsigned __wrap_ledger_check_seen(struct tmx_broker *b, const void *seen)
{
    return lies_about_heads ? (unsigned)TMX_CODE_OK : __real_ledger_check_seen(b, seen);
}
