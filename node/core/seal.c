/* SPDX-License-Identifier: Apache-2.0
 * Prekeys of the other members (KEY-3), and sealing and opening with cached shared secrets.
 */
#include <stdlib.h>
#include <string.h>

#include "core.h"

#define SENDER_KEY_MS 60000u
#define SENDER_KEY_USES 4096u
#define LAST_RESORT_MS 60000u   /* then a dated key is looked for again */

void node_prekeys_store(struct tmx_node *n, const Tmx__PrekeySet *set, struct tmx_bytes body)
{
    uint8_t member[TMX_MEMBER_MAX];
    node_member_key(tmx_pb(set->member), member);
    struct node_key k = node_key_member(member);
    struct tmx_bytes value;
    if (node_get(n, TMX_NT_PREKEYS, node_kb(&k), &value) && node_u64(value) >= set->set_serial) {
        return;
    }
    uint8_t row[8 + TMX_HEADER_MAX];
    struct tmx_writer w = TMX_WRITER_OF(row);
    tmx_write_u64(&w, set->set_serial);
    tmx_write_bytes(&w, body);
    node_put(n, TMX_NT_PREKEYS, node_kb(&k), tmx_written(&w));
    struct node_destination *d = node_destination(n, member);
    if (d != NULL) {
        d->prekey_known = false;
    }
    n->sign_due = true;
}

static void use(struct node_destination *d, const uint8_t key[32], uint64_t from_ms, uint64_t until_ms)
{
    if (memcmp(d->prekey, key, 32) != 0) {
        d->ps_epoch = 0;
    }
    memcpy(d->prekey, key, 32);
    tmx_seal_key_id(key, d->key_id);
    d->prekey_known = true;
    d->prekey_from_ms = from_ms;
    d->prekey_until_ms = until_ms;
}

static bool dated_key(struct tmx_node *n, struct node_destination *d)
{
    struct node_key k = node_key_member(d->member);
    struct tmx_bytes value, copy;
    Tmx__PrekeySet *set;
    if (!node_get(n, TMX_NT_PREKEYS, node_kb(&k), &value) || !tmx_arena_copy(&n->scratch, value, &copy) ||
        tmx_prekeys_read(tmx_bytes_slice(copy, 8, copy.size - 8), &n->scratch, &set) != TMX_CODE_OK) {
        return false;
    }
    for (size_t i = 0; i < set->n_keys; i++) {
        const Tmx__Prekey *key = set->keys[i];
        if (key->from_ms <= n->wall_ms && n->wall_ms < key->until_ms) {
            use(d, key->key.data, key->from_ms, key->until_ms);
            return true;
        }
    }
    return false;
}

bool node_prekey_ready(struct tmx_node *n, struct node_destination *d)
{
    if (d->prekey_known && d->prekey_from_ms <= n->wall_ms && n->wall_ms < d->prekey_until_ms) {
        return true;
    }
    d->prekey_known = false;
    if (dated_key(n, d)) {
        return true;
    }
    /* While the feed is not read to its end, a dated key may still be in it. */
    bool caught_up = n->state.head.size > 0 && n->state.feed_next >= n->state.head.size;
    const Tmx__Member *m = tmx_directory_member(n->directory, node_member_code(d->member));
    if (!caught_up || m == NULL || m->last_resort_key.len != 32) {
        return false;
    }
    node_notice(n, "prekeys.last-resort", false, d->member, NULL, TMX_CODE_OK, 0);
    use(d, m->last_resort_key.data, n->wall_ms, n->wall_ms + LAST_RESORT_MS);
    return true;
}

static void sender_renew(struct tmx_node *n)
{
    bool stale = n->sender_epoch == 0 || n->now_ms - n->sender_made_ms >= SENDER_KEY_MS ||
                 n->sender_used >= SENDER_KEY_USES;
    if (stale) {
        uint8_t random[32];
        node_random(n, random, sizeof(random));
        tmx_seal_sender_init(random, &n->sender);
        n->sender_epoch++;
        n->sender_made_ms = n->now_ms;
        n->sender_used = 0;
    }
    n->sender_used++;
}

bool node_ps_send(struct tmx_node *n, struct node_destination *d, uint8_t ret_ps[32])
{
    if (d->ps_epoch != n->sender_epoch) {
        if (!tmx_seal_pair_send(&n->sender, d->prekey, n->config.member, node_member_code(d->member), d->ps)) {
            return false;
        }
        d->ps_epoch = n->sender_epoch;
    }
    memcpy(ret_ps, d->ps, sizeof(d->ps));
    return true;
}

bool node_seal(struct tmx_node *n, Tmx__Content *content, struct tmx_bytes payload,
               struct node_destination *const *to, size_t n_to, uint8_t **ret_container, size_t *ret_size,
               uint8_t ret_content_key[32], size_t *ret_bad)
{
    struct tmx_seal_slot slots[TMX_RECIPIENTS_MAX];
    struct tmx_bytes names[TMX_RECIPIENTS_MAX];
    uint8_t *plaintext, random[56];
    size_t size;
    sender_renew(n);
    for (size_t i = 0; i < n_to; i++) {
        names[i] = node_member_code(to[i]->member);
        memcpy(slots[i].key_id, to[i]->key_id, sizeof(slots[i].key_id));
        if (!node_ps_send(n, to[i], slots[i].ps)) {
            *ret_bad = i;
            return false;
        }
    }
    int r = tmx_content_pack(n->compressor, content, payload, &plaintext, &size);
    if (r < 0) {
        node_fault(n, r);
        return false;
    }
    uint8_t *container = malloc(size + TMX_SEAL_OVERHEAD(n_to));
    if (container == NULL) {
        free(plaintext);
        node_fault(n, -ENOMEM);
        return false;
    }
    struct tmx_writer w = tmx_writer_init(container, size + TMX_SEAL_OVERHEAD(n_to));
    struct tmx_seal_context ctx = { .message_id = content->message_id.data,
                                    .sender = n->config.member,
                                    .n_recipients = n_to,
                                    .recipients = names };
    node_random(n, random, sizeof(random));
    tmx_seal(&w, TMX_BYTES(plaintext, size), &ctx, &n->sender, slots, random, ret_content_key);
    free(plaintext);
    *ret_container = container;
    *ret_size = tmx_written(&w).size;
    return true;
}

/* PS of a container's sender key and one of our prekeys: a node sends many messages under one sender key. */
static bool ps_receive(struct tmx_node *n, const uint8_t epk[32], const uint8_t key_id[8], struct tmx_bytes from,
                       uint8_t ret_ps[32], bool *ret_have_key)
{
    uint8_t member[TMX_MEMBER_MAX], public[32], secret[32];
    node_member_key(from, member);
    struct node_ps *c = &n->ps[(epk[0] ^ key_id[0]) % NODE_PS_CACHE];
    *ret_have_key = true;
    if (c->used && memcmp(c->epk, epk, 32) == 0 && memcmp(c->key_id, key_id, 8) == 0 &&
        memcmp(c->member, member, sizeof(member)) == 0) {
        memcpy(ret_ps, c->ps, sizeof(c->ps));
        return true;
    }
    *ret_have_key = node_own_prekey(n, key_id, public, secret);
    if (!*ret_have_key || !tmx_seal_pair_receive(epk, secret, public, from, n->config.member, ret_ps)) {
        return false;
    }
    *c = (struct node_ps){ .used = true };
    memcpy(c->epk, epk, 32);
    memcpy(c->key_id, key_id, 8);
    memcpy(c->member, member, sizeof(member));
    memcpy(c->ps, ret_ps, 32);
    return true;
}

enum node_open node_open(struct tmx_node *n, struct tmx_bytes container, const struct tmx_seal_context *ctx,
                         unsigned index, uint8_t *ret_plaintext, size_t *ret_size, uint8_t ret_content_key[32])
{
    struct tmx_seal_outside outside;
    uint8_t ps[32];
    bool have_key;
    if (!tmx_seal_parse(container, &outside) || outside.n_slots != ctx->n_recipients) {
        return NODE_OPEN_FAILS;
    }
    const uint8_t *key_id = outside.slots + index * TMX_SEAL_SLOT;
    if (!ps_receive(n, outside.epk, key_id, ctx->sender, ps, &have_key)) {
        return have_key ? NODE_OPEN_FAILS : NODE_OPEN_NO_KEY;
    }
    if (memcmp(key_id, n->last_resort_id, sizeof(n->last_resort_id)) == 0) {
        uint8_t member[TMX_MEMBER_MAX];
        node_member_key(ctx->sender, member);
        node_notice(n, "prekeys.last-resort-used", true, member, ctx->message_id, TMX_CODE_OK, 0);
    }
    return tmx_seal_open(container, ctx, index, ps, ret_plaintext, ret_size, ret_content_key) ? NODE_OPEN_OK
                                                                                             : NODE_OPEN_FAILS;
}
