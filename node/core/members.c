/* SPDX-License-Identifier: Apache-2.0
 * The directory: loaded at start, installed when pushed or given as a file, stored, and what follows from it (DIR-n).
 */
#include <string.h>

#include "core.h"

#define AUTHORITY_ROW_MAX (2u + TMX_AUTHORITY_KEYS_MAX * (1u + TMX_KEYNAME_MAX + 32u))

/* META "authority": threshold u8, n u8, then name size u8, name, key[32]: who must sign the next directory. The pinned
 * keys of the configuration count until the first directory is stored. */

static void authority_write(struct tmx_node *n, const struct tmx_authority *a)
{
    uint8_t data[AUTHORITY_ROW_MAX];
    struct tmx_writer w = TMX_WRITER_OF(data);
    tmx_write_u8(&w, (uint8_t)a->threshold);
    tmx_write_u8(&w, (uint8_t)a->n);
    for (unsigned i = 0; i < a->n; i++) {
        struct tmx_bytes name = tmx_bytes_str(a->keys[i].name);
        tmx_write_u8(&w, (uint8_t)name.size);
        tmx_write_bytes(&w, name);
        tmx_write_bytes(&w, TMX_BYTES_OF(a->keys[i].key));
    }
    node_put(n, TMX_NT_META, TMX_LIT("authority"), tmx_written(&w));
}

static bool authority_read(struct tmx_node *n, struct tmx_authority *ret_authority)
{
    struct tmx_bytes value;
    if (!node_get(n, TMX_NT_META, TMX_LIT("authority"), &value)) {
        return false;
    }
    struct tmx_authority a = { 0 };
    struct tmx_reader r = tmx_reader_init(value);
    a.threshold = tmx_read_u8(&r);
    a.n = tmx_read_u8(&r);
    bool ok = a.n >= 1 && a.n <= TMX_AUTHORITY_KEYS_MAX && a.threshold >= 1 && a.threshold <= a.n;
    for (unsigned i = 0; ok && i < a.n; i++) {
        struct tmx_bytes name = tmx_read_bytes(&r, tmx_read_u8(&r));
        struct tmx_bytes key = tmx_read_bytes(&r, 32);
        ok = tmx_reader_ok(&r) && tmx_verify_key_init(name, TMX_NOTE_ED25519, key.data, &a.keys[i]);
    }
    if (!ok || !tmx_reader_done(&r)) {
        node_fault(n, -EBADMSG);
        return false;
    }
    *ret_authority = a;
    return true;
}

static void store(struct tmx_node *n)
{
    struct node_key serial = node_key_u64(tmx_directory_serial(n->directory));
    node_put(n, TMX_NT_META, TMX_LIT("directory"), tmx_directory_file(n->directory));
    node_put(n, TMX_NT_DIRECTORY, node_kb(&serial), tmx_directory_file(n->directory));
    authority_write(n, tmx_directory_authority(n->directory));
}

/* The authority that signed the stored directory signs it too: a change carries signatures of old and new. */
int node_directory_start(struct tmx_node *n)
{
    struct tmx_bytes stored;
    struct tmx_authority authority = n->config.authority;
    bool known = authority_read(n, &authority);
    struct tmx_directory *given = NULL;
    int r = 0;
    if (known && node_get(n, TMX_NT_META, TMX_LIT("directory"), &stored)) {
        r = tmx_directory_load(stored, &authority, NULL, &n->directory);
        if (r > 0) {
            return -EBADMSG;
        }
    }
    if (n->fault != 0 || r < 0) {
        return n->fault != 0 ? n->fault : r;
    }
    if (n->config.directory.size > 0) {
        r = tmx_directory_load(n->config.directory, &authority, n->directory, &given);
        if (r < 0 || (r > 0 && n->directory == NULL)) {
            return r < 0 ? r : -EINVAL;
        }
    }
    if (given != NULL) {
        tmx_directory_free(n->directory);
        n->directory = given;
        store(n);
    }
    return n->directory == NULL ? -EINVAL : n->fault;
}

/* Once per destination and process: how many submissions wait. */
static uint64_t waiting_count(struct tmx_node *n, const uint8_t member[TMX_MEMBER_MAX])
{
    struct node_key at = node_key_member(member);
    struct tmx_bytes key, value;
    uint64_t count = 0;
    while (node_seek(n, TMX_NT_OUT_WAIT, node_kb(&at), TMX_MEMBER_MAX, &key, &value)) {
        at = node_key_after(key);
        count++;
    }
    return count;
}

void node_members_sync(struct tmx_node *n)
{
    const Tmx__Directory *d = tmx_directory_pb(n->directory);
    for (size_t i = 0; i < d->n_members; i++) {
        uint8_t member[TMX_MEMBER_MAX];
        node_member_key(tmx_pb(d->members[i]->code), member);
        if (node_destination(n, member) == NULL && n->n_destinations < TMX_MEMBERS_MAX) {
            struct node_destination *to = &n->destinations[n->n_destinations++];
            memset(to, 0, sizeof(*to));
            memcpy(to->member, member, sizeof(to->member));
            to->waiting = waiting_count(n, member);
            node_ages_member(n, to);
        }
    }
    for (size_t i = 0; i < n->n_destinations; i++) {
        n->destinations[i].prekey_known = false;
        n->destinations[i].blocked = false;
    }
    n->sign_due = true;
}

void node_directory_install(struct tmx_node *n, struct tmx_bytes file, bool operator)
{
    struct tmx_directory *next = NULL;
    int r = tmx_directory_load(file, tmx_directory_authority(n->directory), n->directory, &next);
    if (r < 0) {
        node_fault(n, r);
        return;
    }
    if (operator) {
        n->directory_result = r;
    }
    if (r != TMX_DIRECTORY_OK) {
        if (r == TMX_DIRECTORY_E_SERIAL && !operator) {
            node_notice(n, "directory.old", false, NULL, NULL, (unsigned)r, 0);
        } else {
            node_alarm(n, "directory.refused", NULL, NULL, (unsigned)r, file);
        }
        return;
    }
    if (tmx_directory_serial(next) == tmx_directory_serial(n->directory)) {
        tmx_directory_free(next);   /* the same file again */
        return;
    }
    tmx_directory_free(n->directory);
    n->directory = next;
    n->directory_changed = true;
    store(n);
    memset(n->ps, 0, sizeof(n->ps));
    node_members_sync(n);
    node_notice(n, "directory.installed", false, NULL, NULL, TMX_CODE_OK, tmx_directory_serial(next));
    /* Those behind what an operator has brought come with the next Welcome (DIR-8). */
    if (n->session.state == NODE_MUTE || (operator && node_directory_behind(n))) {
        node_link_lost(n, "link.directory", true);
    }
}

bool node_directory_behind(const struct tmx_node *n)
{
    return n->state.directory_heard > tmx_directory_serial(n->directory);
}

void node_serial_heard(struct tmx_node *n, uint64_t serial)
{
    if (serial > n->state.directory_heard) {
        bool was = node_directory_behind(n);
        n->state.directory_heard = serial;
        n->state_dirty = true;
        if (!was && node_directory_behind(n)) {
            node_notice(n, "directory.behind", true, NULL, NULL, TMX_CODE_DIRECTORY_BEHIND, serial);
        }
    }
}

unsigned node_may_submit(struct tmx_node *n)
{
    const Tmx__Member *m = tmx_directory_member(n->directory, n->config.member);
    if (m == NULL || m->status == TMX__MEMBER_STATUS__MEMBER_REVOKED) {
        return TMX_CODE_MEMBER_REVOKED;
    }
    if (m->status != TMX__MEMBER_STATUS__MEMBER_ACTIVE) {
        return TMX_CODE_MEMBER_SUSPENDED;
    }
    return TMX_CODE_OK;
}

const struct tmx_directory *tmx_node_directory(const struct tmx_node *n)
{
    return n->directory;
}

struct tmx_bytes tmx_node_checkpoint(const struct tmx_node *n)
{
    return TMX_BYTES(n->state.head.checkpoint, n->state.head.checkpoint_size);
}
