/* SPDX-License-Identifier: Apache-2.0
 * Members: the directory in force, and the prekey sets they publish (DIR-n, KEY-n).
 */
#include <string.h>

#include "core.h"

#define DAY_MS 86400000ull

struct peer *peer_find(struct tmx_broker *b, const uint8_t key[TMX_MEMBER_KEY])
{
    for (size_t i = 0; i < b->n_peers; i++) {
        if (memcmp(b->peers[i].key, key, TMX_MEMBER_KEY) == 0) {
            return &b->peers[i];
        }
    }
    return NULL;
}

const Tmx__Member *peer_member(struct tmx_broker *b, const struct peer *p)
{
    return tmx_directory_member(b->directory, tmx_member_code(p->key));
}

void members_sync(struct tmx_broker *b)
{
    const Tmx__Directory *d = tmx_directory_pb(b->directory);
    for (size_t i = 0; i < d->n_members; i++) {
        uint8_t key[TMX_MEMBER_KEY];
        tmx_member_key(tmx_pb(d->members[i]->code), key);
        struct peer *p = peer_find(b, key);
        if (p == NULL && b->n_peers < TMX_MEMBERS_MAX) {
            p = &b->peers[b->n_peers++];
            memcpy(p->key, key, sizeof(p->key));
            p->refusals = TMX_REFUSALS_BURST;
            ages_member(b, p);
            holds_member(b, p);
            struct key k = key_member(key);
            struct tmx_bytes value;
            if (row_get(b, TMX_T_FEED_ACK, key_bytes(&k), &value)) {
                p->feed_acked = value_u64(value);
            }
        }
        if (p != NULL && d->members[i]->status == TMX__MEMBER_STATUS__MEMBER_REVOKED && p->up) {
            link_down(b, p, "link.revoked");
        }
    }
}

void members_record(struct tmx_broker *b)
{
    row_put(b, TMX_T_META, TMX_LIT("directory"), tmx_directory_file(b->directory));
    struct key serial = key_u64(tmx_directory_serial(b->directory));
    row_put(b, TMX_T_DIRECTORY, key_bytes(&serial), tmx_directory_file(b->directory));
    tmx_arena_reset(&b->scratch);
    uint8_t digest[32];
    tmx_directory_digest(b->directory, digest);
    Tmx__LogEntry entry = TMX__LOG_ENTRY__INIT;
    entry.kind = TMX__ENTRY_KIND__ENTRY_DIRECTORY;
    entry.number = tmx_directory_serial(b->directory);
    entry.digest = tmx_to_pb(TMX_BYTES_OF(digest));
    ledger_feed_everyone(b, ledger_append(b, &entry));
}

void members_install(struct tmx_broker *b, struct tmx_bytes file)
{
    struct tmx_directory *next = NULL;
    int r = tmx_directory_load(file, &b->config.authority, b->directory, &next);
    if (r < 0) {
        broker_fault(b, r);
        return;
    }
    b->directory_result = r;
    if (r != TMX_DIRECTORY_OK) {
        notice(b, "directory.refused", true, NULL, NULL, (unsigned)r, 0);
        return;
    }
    if (tmx_directory_serial(next) == tmx_directory_serial(b->directory)) {
        tmx_directory_free(next);   /* the same file again */
        return;
    }
    if (b->halted) {
        tmx_directory_free(next);
        return;
    }
    tmx_directory_free(b->directory);
    b->directory = next;
    b->directory_changed = true;
    members_record(b);
    members_sync(b);
    witness_policy_changed(b);
    for (size_t i = 0; i < b->n_peers; i++) {
        struct peer *p = &b->peers[i];
        if (p->up && p->welcome_due) {
            p->directory_from = p->directory_due ? p->directory_from : tmx_directory_serial(b->directory);
            p->directory_due = true;   /* the welcome of this turn comes first */
        } else if (p->up) {
            send_directories(b, p, tmx_directory_serial(b->directory));
            p->limits_due = true;
        }
    }
    notice(b, "directory.installed", false, NULL, NULL, TMX_CODE_OK, tmx_directory_serial(b->directory));
}

static struct key key_prekey(struct tmx_bytes member, const uint8_t key_id[8])
{
    uint8_t m[TMX_MEMBER_KEY];
    tmx_member_key(member, m);
    struct key k;
    struct tmx_writer w = TMX_WRITER_OF(k.data);
    tmx_write_bytes(&w, TMX_BYTES_OF(m));
    tmx_write_bytes(&w, TMX_BYTES(key_id, 8));
    k.size = w.used;
    return k;
}

bool members_slot_valid(struct tmx_broker *b, struct tmx_bytes recipient, const uint8_t key_id[8])
{
    struct key k = key_prekey(recipient, key_id);
    struct tmx_bytes value;
    if (row_get(b, TMX_T_PREKEY, key_bytes(&k), &value)) {
        return value_u64(value) + DAY_MS > b->wall_ms;
    }
    /* After a loss the members publish again when they come back; until then their own nodes judge the slot. */
    uint8_t member[TMX_MEMBER_KEY];
    tmx_member_key(recipient, member);
    struct key set = key_member(member);
    if (b->successor && !row_get(b, TMX_T_PREKEY_SET, key_bytes(&set), &value)) {
        return true;
    }
    const Tmx__Member *m = tmx_directory_member(b->directory, recipient);
    if (m == NULL || m->last_resort_key.len != 32) {
        return false;
    }
    uint8_t last_resort[8];
    tmx_seal_key_id(m->last_resort_key.data, last_resort);
    return memcmp(last_resort, key_id, sizeof(last_resort)) == 0;
}

static bool keys_are_own(struct tmx_broker *b, const struct peer *p, const Tmx__PrekeySet *set)
{
    for (size_t i = 0; i < set->n_keys; i++) {
        struct tmx_bytes owner;
        if (row_get(b, TMX_T_PUBLISHED, tmx_pb(set->keys[i]->key), &owner) &&
            !tmx_bytes_eq(owner, TMX_BYTES_OF(p->key))) {
            return false;
        }
    }
    return true;
}

static void set_store(struct tmx_broker *b, struct peer *p, const Tmx__PrekeySet *set, uint64_t index)
{
    uint8_t data[16], until[8];
    struct tmx_writer w = TMX_WRITER_OF(data);
    tmx_write_u64(&w, set->set_serial);
    tmx_write_u64(&w, index);
    struct key member = key_member(p->key);
    row_put(b, TMX_T_PREKEY_SET, key_bytes(&member), tmx_written(&w));
    for (size_t i = 0; i < set->n_keys; i++) {
        uint8_t key_id[8];
        tmx_seal_key_id(set->keys[i]->key.data, key_id);
        struct key k = key_prekey(tmx_member_code(p->key), key_id);
        struct tmx_writer u = TMX_WRITER_OF(until);
        tmx_write_u64(&u, set->keys[i]->until_ms);
        row_put(b, TMX_T_PREKEY, key_bytes(&k), tmx_written(&u));
        row_put(b, TMX_T_PUBLISHED, tmx_pb(set->keys[i]->key), TMX_BYTES_OF(p->key));
    }
}

void members_publish(struct tmx_broker *b, struct peer *p, struct tmx_bytes item)
{
    tmx_arena_reset(&b->scratch);
    Tmx__Signed *envelope;
    struct tmx_signature signature;
    Tmx__PrekeySet *set;
    unsigned code = tmx_signed_parse(item, &b->scratch, &envelope, &signature);
    if (code == TMX_CODE_OK) {
        code = tmx_prekeys_parse(tmx_pb(envelope->body), &b->scratch, &set);
    }
    if (code == TMX_CODE_OK && !tmx_bytes_eq(tmx_pb(set->member), tmx_member_code(p->key))) {
        code = TMX_CODE_SENDER_NOT_PEER;
    }
    if (code != TMX_CODE_OK) {
        count_malformed(b, p, code);
        return;
    }
    if (set->directory_serial > tmx_directory_serial(b->directory)) {   /* its key may be a new one, too */
        defer(b, p, TMX_BYTES_NULL, TMX_CODE_DIRECTORY_BEHIND);
        return;
    }
    const struct tmx_verify_key *key = tmx_directory_signing_key(b->directory, tmx_pb(set->member), signature.key_id);
    if (key == NULL || !tmx_batch_verify(tmx_pb(envelope->body), &signature, key, b->cache)) {
        count_malformed(b, p, TMX_CODE_BAD_SIGNATURE);
        return;
    }
    if (b->halted || b->disk_full) {
        return;   /* it is sent again (LINK-11) */
    }
    struct key k = key_member(p->key);
    struct tmx_bytes value;
    if (row_get(b, TMX_T_PREKEY_SET, key_bytes(&k), &value)) {
        uint64_t serial = value_u64(value);
        uint64_t index = value_u64(tmx_bytes_slice(value, 8, 8));
        if (set->set_serial == serial) {
            send_again(b, p, index);
            return;
        }
        if (set->set_serial < serial) {
            refuse(b, p, envelope, TMX_BYTES_NULL, TMX_CODE_BAD_PREKEYS, index, false, NULL);
            return;
        }
    }
    if (!keys_are_own(b, p, set)) {
        refuse(b, p, envelope, TMX_BYTES_NULL, TMX_CODE_BAD_PREKEYS, 0, false, NULL);
        return;
    }
    Tmx__LogEntry entry = TMX__LOG_ENTRY__INIT;
    entry.kind = TMX__ENTRY_KIND__ENTRY_PREKEYS;
    entry.member = tmx_to_pb(tmx_member_code(p->key));
    entry.body = envelope->body;
    entry.signature = envelope->signature;
    uint64_t index = ledger_append(b, &entry);
    ledger_feed_everyone(b, index);
    set_store(b, p, set, index);
    notice(b, "prekeys.published", false, p->key, NULL, TMX_CODE_OK, set->set_serial);
}
