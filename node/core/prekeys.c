/* SPDX-License-Identifier: Apache-2.0
 * Own prekeys (KEY-1 … KEY-5): 30 daily keys, published at start and when fewer than 15 days remain; secrets in rows
 * under the archive key until their end + 37 days.
 */
#include <sodium.h>
#include <string.h>

#include "core.h"

#define REFRESH_MS (15ull * NODE_DAY_MS)
#define SECRET_KEPT_MS (TMX_EXPIRY_MAX_MS + 7ull * NODE_DAY_MS)

/* OWN_PREKEY: public[32], from_ms u64, until_ms u64, nonce[24], secret sealed[48]. */
struct own_key {
    uint8_t public[32];
    uint64_t from_ms, until_ms;
    uint8_t nonce[24], sealed[48];
};

static bool own_read(struct tmx_bytes value, struct own_key *ret_key)
{
    struct own_key o;
    struct tmx_reader r = tmx_reader_init(value);
    tmx_read_into(&r, o.public, sizeof(o.public));
    o.from_ms = tmx_read_u64(&r);
    o.until_ms = tmx_read_u64(&r);
    tmx_read_into(&r, o.nonce, sizeof(o.nonce));
    tmx_read_into(&r, o.sealed, sizeof(o.sealed));
    if (!tmx_reader_done(&r)) {
        return false;
    }
    *ret_key = o;
    return true;
}

bool node_own_prekey(struct tmx_node *n, const uint8_t key_id[8], uint8_t ret_public[32], uint8_t ret_secret[32])
{
    struct tmx_bytes value;
    struct own_key o;
    if (memcmp(key_id, n->last_resort_id, sizeof(n->last_resort_id)) == 0) {
        memcpy(ret_public, n->last_resort, 32);
        memcpy(ret_secret, n->config.last_resort_secret, 32);
        return true;
    }
    if (!node_get(n, TMX_NT_OWN_PREKEY, TMX_BYTES(key_id, 8), &value) || !own_read(value, &o) ||
        crypto_aead_xchacha20poly1305_ietf_decrypt(ret_secret, NULL, NULL, o.sealed, sizeof(o.sealed), o.public,
                                                   sizeof(o.public), o.nonce, n->config.archive_key) != 0) {
        return false;
    }
    memcpy(ret_public, o.public, 32);
    return true;
}

static void own_make(struct tmx_node *n, uint64_t from_ms)
{
    uint8_t secret[32], key_id[8], data[32 + 16 + 72];
    struct own_key o = { .from_ms = from_ms, .until_ms = from_ms + NODE_DAY_MS };
    node_random(n, secret, sizeof(secret));
    crypto_scalarmult_base(o.public, secret);
    node_random(n, o.nonce, sizeof(o.nonce));
    crypto_aead_xchacha20poly1305_ietf_encrypt(o.sealed, NULL, secret, sizeof(secret), o.public, sizeof(o.public), NULL,
                                               o.nonce, n->config.archive_key);
    sodium_memzero(secret, sizeof(secret));
    tmx_seal_key_id(o.public, key_id);
    struct tmx_writer w = TMX_WRITER_OF(data);
    tmx_write_bytes(&w, TMX_BYTES_OF(o.public));
    tmx_write_u64(&w, o.from_ms);
    tmx_write_u64(&w, o.until_ms);
    tmx_write_bytes(&w, TMX_BYTES_OF(o.nonce));
    tmx_write_bytes(&w, TMX_BYTES_OF(o.sealed));
    node_put(n, TMX_NT_OWN_PREKEY, TMX_BYTES_OF(key_id), tmx_written(&w));
}

/* The keys still usable, ascending; those whose secrets have served their time go. */
static size_t own_list(struct tmx_node *n, struct own_key *list, size_t max)
{
    struct node_key from = node_key_u64(0);
    struct tmx_bytes key, value;
    size_t count = 0;
    while (node_seek(n, TMX_NT_OWN_PREKEY, node_kb(&from), 0, &key, &value)) {
        struct own_key o;
        uint8_t at[8];
        assert(key.size == sizeof(at));
        memcpy(at, key.data, sizeof(at));
        from = node_key_after(key);
        if (!own_read(value, &o)) {
            node_fault(n, -EBADMSG);
            return 0;
        }
        if (o.until_ms + SECRET_KEPT_MS <= n->wall_ms) {
            node_delete(n, TMX_NT_OWN_PREKEY, TMX_BYTES_OF(at));
        } else if (o.until_ms > n->wall_ms && count < max) {
            size_t i = count++;
            for (; i > 0 && list[i - 1].from_ms > o.from_ms; i--) {
                list[i] = list[i - 1];
            }
            list[i] = o;
        }
    }
    return count;
}

static void set_make(struct tmx_node *n)
{
    uint64_t today = n->wall_ms / NODE_DAY_MS * NODE_DAY_MS;
    uint64_t from = n->state.prekeys_until_ms > today ? n->state.prekeys_until_ms : today;
    for (; from < today + TMX_PREKEY_DAYS * NODE_DAY_MS; from += NODE_DAY_MS) {
        own_make(n, from);
    }
    struct own_key list[TMX_PREKEYS_MAX];
    Tmx__Prekey keys[TMX_PREKEYS_MAX], *pointers[TMX_PREKEYS_MAX];
    size_t count = own_list(n, list, TMX_N(list));
    for (size_t i = 0; i < count; i++) {
        keys[i] = (Tmx__Prekey)TMX__PREKEY__INIT;
        keys[i].key = tmx_to_pb(TMX_BYTES_OF(list[i].public));
        keys[i].from_ms = list[i].from_ms;
        keys[i].until_ms = list[i].until_ms;
        pointers[i] = &keys[i];
    }
    Tmx__PrekeySet set = TMX__PREKEY_SET__INIT;
    set.kind = TMX__KIND__KIND_PREKEY_SET;
    set.directory_serial = tmx_directory_serial(n->directory);
    set.member = tmx_to_pb(n->config.member);
    set.set_serial = n->state.prekeys_serial + 1;
    set.n_keys = count;
    set.keys = pointers;
    struct node_pending p = { .kind = TMX__KIND__KIND_PREKEY_SET };
    if (n->fault != 0 || tmx_codec_pack(&set, &n->scratch, &p.body) != TMX_CODEC_OK) {
        node_fault(n, -ENOMEM);
        return;
    }
    n->state.prekeys_serial++;
    n->state.prekeys_until_ms = from;
    n->state.prekeys_logged = false;
    n->state_dirty = true;
    n->session.publish_ms = 0;
    node_sign_add(n, &p);
}

void node_prekeys_close(struct tmx_node *n)
{
    bool due = n->prekeys_again || n->wall_ms + REFRESH_MS >= n->state.prekeys_until_ms;
    /* Secrets are forgotten by date: only when the broker has confirmed what date it is. */
    bool dated = n->session.state == NODE_UP && n->session.clock_known && !n->clock_doubt;
    if (due && !n->state.rebuild && dated) {
        n->prekeys_again = false;
        tmx_arena_reset(&n->scratch);
        set_make(n);
    }
}

void node_prekeys_logged(struct tmx_node *n, const Tmx__PrekeySet *set)
{
    if (set->set_serial == n->state.prekeys_serial && !n->state.prekeys_logged) {
        n->state.prekeys_logged = true;
        n->state_dirty = true;
    }
    if (set->set_serial > n->state.prekeys_serial) {   /* of a spool that was lost: a later one replaces it */
        n->state.prekeys_serial = set->set_serial;
        n->prekeys_again = true;
        n->state_dirty = true;
    }
}
