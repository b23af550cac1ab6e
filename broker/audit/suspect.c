/* SPDX-License-Identifier: Apache-2.0
 * Which key somebody means: looked up in the directories, their witness policies, and the prekey sets of the log.
 */
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include <tmx/code.h>
#include <tmx/envelope.h>
#include <tmx/text.h>

#include "compromise.h"
#include "entries.h"

#define ARENA_SIZE (512u << 10) /* an entry, unpacked */
#define DIGITS_MIN 8u
#define KID_SIZE 8u /* of a prekey, in a container */

struct lookup {
    char digits[2 * TMX_HASH_SIZE + 1]; /* lower case */
    size_t n;                           /* different keys that begin like that */
    struct tmx_suspect found;           /* the first of them */
    char *why;
};

const char *tmx_key_use_name(enum tmx_key_use use)
{
    static const char *const names[] = { "signing", "witness", "transport", "prekey", "last-resort" };

    return names[use];
}

/* --- what was asked for --------------------------------------------------------------------------------------- */

static bool take_text(const char *text, struct lookup *l)
{
    uint8_t key[TMX_HASH_SIZE];
    size_t size = strlen(text);
    size_t key_size;

    if (tmx_unbase64(tmx_bytes_str(text), key, sizeof key, &key_size) && key_size == sizeof key) {
        tmx_hex(TMX_BYTES_OF(key), l->digits);
        return true;
    }
    if (size < DIGITS_MIN || size >= sizeof l->digits || strspn(text, "0123456789abcdefABCDEF") != size) {
        return false;
    }
    for (size_t i = 0; i <= size; i++) {
        l->digits[i] = text[i] >= 'A' && text[i] <= 'F' ? (char)(text[i] - 'A' + 'a') : text[i];
    }
    return true;
}

static bool begins(const char *whole, const char *digits)
{
    return strncmp(whole, digits, strlen(digits)) == 0;
}

/* `s` has everything but the key's text. */
static void candidate(struct lookup *l, const struct tmx_suspect *s)
{
    char hex[2 * TMX_HASH_SIZE + 1];

    tmx_hex(TMX_BYTES_OF(s->key), hex);
    if (!begins(hex, l->digits) && !begins(s->id, l->digits)) {
        return;
    }
    if (l->n > 0 && l->found.use == s->use && memcmp(l->found.key, s->key, sizeof s->key) == 0) {
        return; /* in several directories or sets: the first says enough */
    }
    if (l->n++ == 0) {
        l->found = *s;
    }
}

/* --- where keys are ------------------------------------------------------------------------------------------- */

static void set_short_id(struct tmx_suspect *s, size_t size)
{
    uint8_t hash[TMX_HASH_SIZE];

    crypto_hash_sha256(hash, s->key, sizeof s->key);
    tmx_hex(TMX_BYTES(hash, size), s->id);
}

static void look_at_keys(struct lookup *l, const char *federation, const Tmx__Member *m, enum tmx_key_use use, Tmx__MemberKey *const *keys,
                         size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct tmx_suspect s = { .use = use };
        char name[TMX_KEYNAME_MAX];
        struct tmx_writer w = TMX_WRITER_OF(name);

        memcpy(s.key, keys[i]->key.data, sizeof s.key);
        memcpy(s.owner, m->code.data, m->code.len);
        set_short_id(&s, 4);
        if (use == KEY_USE_SIGNING) {
            tmx_node_key_name(federation, tmx_pb(m->code), &w);
        } else if (use == KEY_USE_WITNESS) {
            tmx_witness_key_name(federation, tmx_pb(m->code), &w);
        }
        if (use != KEY_USE_TRANSPORT &&
            tmx_verify_key_init(tmx_written(&w), use == KEY_USE_SIGNING ? TMX_NOTE_ED25519 : TMX_NOTE_COSIGNATURE, s.key, &s.verify)) {
            snprintf(s.id, sizeof s.id, "%08x", s.verify.id);
        }
        candidate(l, &s);
    }
}

static void look_at_directory(struct lookup *l, const struct tmx_directory *d)
{
    const Tmx__Directory *pb = tmx_directory_pb(d);
    const char *federation = tmx_directory_federation(d);
    const struct tmx_policy *policy = tmx_directory_policy(d);

    for (size_t i = 0; i < pb->n_members; i++) {
        const Tmx__Member *m = pb->members[i];
        struct tmx_suspect s = { .use = KEY_USE_LAST_RESORT };

        look_at_keys(l, federation, m, KEY_USE_SIGNING, m->signing_keys, m->n_signing_keys);
        look_at_keys(l, federation, m, KEY_USE_WITNESS, m->witness_keys, m->n_witness_keys);
        look_at_keys(l, federation, m, KEY_USE_TRANSPORT, m->curve_keys, m->n_curve_keys);
        if (m->last_resort_key.len == sizeof s.key) {
            memcpy(s.key, m->last_resort_key.data, sizeof s.key);
            memcpy(s.owner, m->code.data, m->code.len);
            set_short_id(&s, KID_SIZE);
            candidate(l, &s);
        }
    }
    for (size_t i = 0; policy != NULL && i < policy->n_witnesses; i++) {
        const struct tmx_policy_witness *p = &policy->witnesses[i];
        struct tmx_suspect s = { .use = KEY_USE_WITNESS, .outside = true, .verify = p->key };

        memcpy(s.key, p->key.key, sizeof s.key);
        snprintf(s.owner, sizeof s.owner, "%s", p->name);
        snprintf(s.id, sizeof s.id, "%08x", p->key.id);
        candidate(l, &s); /* one of a member is there already */
    }
}

static void look_at_set(struct lookup *l, const Tmx__PrekeySet *set)
{
    for (size_t i = 0; i < set->n_keys; i++) {
        struct tmx_suspect s = { .use = KEY_USE_PREKEY, .from_ms = set->keys[i]->from_ms, .until_ms = set->keys[i]->until_ms };

        memcpy(s.key, set->keys[i]->key.data, sizeof s.key);
        memcpy(s.owner, set->member.data, set->member.len);
        set_short_id(&s, KID_SIZE);
        candidate(l, &s);
    }
}

static int look_at_log(struct lookup *l, const struct tmx_history *h, struct tmx_entries *entries, struct tmx_arena *arena)
{
    for (uint64_t index = h->pruned; index < h->head.size; index++) {
        struct tmx_bytes bytes;
        Tmx__LogEntry *e;
        Tmx__PrekeySet *set;
        int r = tmx_entries_get(entries, index, &bytes);

        if (r < 0) {
            snprintf(l->why, HISTORY_WHY_MAX, "%s: entry %llu: %s", h->path, (unsigned long long)index, strerror(-r));
            return r;
        }
        tmx_arena_reset(arena);
        if (tmx_entry_parse(bytes, arena, &e) == TMX_CODE_OK && e->kind == TMX__ENTRY_KIND__ENTRY_PREKEYS &&
            tmx_prekeys_parse(tmx_pb(e->body), arena, &set) == TMX_CODE_OK) {
            look_at_set(l, set);
        }
    }
    return 0;
}

int tmx_suspect_find(struct tmx_history *h, const char *text, struct tmx_suspect *ret_suspect, char ret_why[HISTORY_WHY_MAX])
{
    struct lookup l = { .why = ret_why };
    struct tmx_entries *entries = NULL;
    struct tmx_arena arena = { .start = NULL };
    int r;

    if (!take_text(text, &l)) {
        snprintf(ret_why, HISTORY_WHY_MAX, "\"%.80s\" is no key: write its public half or its id in hexadecimal, %u digits at least, or "
                                           "the public half in base64", text, DIGITS_MIN);
        return -EINVAL;
    }
    for (size_t i = 0; i < tmx_audit_directories_count(h->directories); i++) {
        look_at_directory(&l, tmx_audit_directories_at(h->directories, i));
    }
    r = tmx_arena_init(&arena, ARENA_SIZE);
    r = r == 0 ? tmx_entries_new(h, &entries) : r;
    if (r < 0) {
        snprintf(ret_why, HISTORY_WHY_MAX, "out of memory");
    } else {
        r = look_at_log(&l, h, entries, &arena);
    }
    tmx_entries_free(entries);
    tmx_arena_deinit(&arena);
    if (r == 0 && l.n != 1) {
        r = l.n == 0 ? -ENOENT : -EEXIST;
        snprintf(ret_why, HISTORY_WHY_MAX,
                 l.n == 0 ? "no directory or prekey set of %s has a key that begins with %s"
                          : "several keys in %s begin with %s: write more of it",
                 h->path, l.digits);
    }
    if (r == 0) {
        *ret_suspect = l.found;
    }
    return r;
}
