/* SPDX-License-Identifier: Apache-2.0
 * See seen.h.
 */
#include <string.h>

#include <tmx/code.h>
#include <tmx/envelope.h>

#include "seen.h"
#include "state.h"

/* Is it the header of a message that the log took in, signed by the member that it names as its sender? BAT-4 */
static bool is_signed(const Tmx__LogEntry *e, const Tmx__Header *h, const struct tmx_directory *directory)
{
    struct tmx_signature signature;
    const struct tmx_verify_key *key;

    if (!tmx_bytes_eq(tmx_pb(e->member), tmx_pb(h->sender)) || !tmx_signature_from_pb(e->signature, &signature)) {
        return false;
    }
    key = tmx_directory_signing_key(directory, tmx_pb(h->sender), signature.key_id);
    return key != NULL && tmx_batch_verify(tmx_pb(e->body), &signature, key, NULL);
}

static bool is_of_log(const struct tmx_misbehaviour *m, const Tmx__Head *seen)
{
    char origin[TMX_KEYNAME_MAX + 1];
    const char *slash = seen != NULL && tmx_misbehaviour_origin(m, origin) ? strrchr(origin, '/') : NULL;

    return slash != NULL && tmx_bytes_eq(tmx_pb(seen->shard), tmx_bytes_str(slash + 1));
}

int tmx_seen_claim(struct tmx_misbehaviour *m, const struct tmx_directory *directory, struct tmx_seen_claim *ret_claim)
{
    struct tmx_arena arena;
    Tmx__LogEntry *e;
    Tmx__Header *h;

    if (tmx_arena_init(&arena, AUDIT_ARENA_SIZE) < 0) {
        return -ENOMEM;
    }
    if (tmx_entry_parse(m->entry, &arena, &e) == TMX_CODE_OK &&
        (e->kind == TMX__ENTRY_KIND__ENTRY_ACCEPTANCE || e->kind == TMX__ENTRY_KIND__ENTRY_RESUBMISSION) &&
        tmx_header_parse(tmx_pb(e->body), &arena, &h) == TMX_CODE_OK && is_of_log(m, h->seen) &&
        is_signed(e, h, directory)) {
        *ret_claim = (struct tmx_seen_claim){ .sender = "" };
        memcpy(ret_claim->sender, h->sender.data, h->sender.len);
        memcpy(ret_claim->message_id, h->message_id.data, TMX_ID_SIZE);
        m->seen.size = h->seen->size;
        memcpy(m->seen.root.b, h->seen->root.data, TMX_HASH_SIZE);
    }
    tmx_arena_deinit(&arena);
    return 0;
}
