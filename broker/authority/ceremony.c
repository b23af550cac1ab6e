/* SPDX-License-Identifier: Apache-2.0
 * The authority's own keys: the first ceremony, a change of keys, and signing.
 */
#include "authority.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <tmx/identifier.h>
#include <tmx/passphrase.h>
#include <tmx/text.h>

#include "envelope.pb-c.h"

#define DAY_MS 86400000ull

/* The draft's authority keys become those of `a`. */
static void set_authority(struct tool *t, Tmx__Directory *d, const struct tmx_authority *a)
{
    Tmx__AuthorityKey **keys = take(t, a->n * sizeof(*keys));
    for (unsigned i = 0; i < a->n; i++) {
        keys[i] = take(t, sizeof(*keys[i]));
        *keys[i] = (Tmx__AuthorityKey)TMX__AUTHORITY_KEY__INIT;
        keys[i]->name = tmx_to_pb(keep(t, tmx_bytes_str(a->keys[i].name)));
        keys[i]->key = tmx_to_pb(keep(t, TMX_BYTES_OF(a->keys[i].key)));
    }
    d->threshold = a->threshold;
    d->n_authority_keys = a->n;
    d->authority_keys = keys;
}

/* A new key; sealed, when that is wanted, with a passphrase that its holder types. */
static bool create_key(struct tool *t, const char *path, uint8_t ret_public[32])
{
    struct tmx_keyfile key = { .installation = "" };
    char error[512];
    struct tmx_passphrase *passphrase = t->passphrase ? tmx_passphrase_get(path, true, error, sizeof(error)) : NULL;
    if (t->passphrase && passphrase == NULL) {
        fail("%s", error);
        return false;
    }
    (void)sodium_mlock(&key, sizeof(key));
    tmx_keyfile_generate("authority", key.public, key.secret);
    int r = tmx_keyfile_write(path, "authority", &key, passphrase != NULL ? tmx_passphrase_bytes(passphrase) : TMX_BYTES_NULL);
    memcpy(ret_public, key.public, 32);
    (void)sodium_munlock(&key, sizeof(key));   /* wipes it */
    tmx_passphrase_free(passphrase);
    if (r < 0) {
        fail("%s: cannot create the key file: %s", path, strerror(-r));
    }
    return r == 0;
}

/* The key in a file; its passphrase is asked for. */
static bool load_key(const char *path, struct tmx_keyfile *ret_key)
{
    char error[512];
    struct tmx_passphrase *passphrase = NULL;
    int r = tmx_keyfile_read(path, "authority", tmx_passphrase_ask, &passphrase, ret_key, error, sizeof(error));
    tmx_passphrase_free(passphrase);
    if (r < 0) {
        fail("%s", error);
    }
    return r == 0;
}

/* What was begun before goes on with the keys that are there. */
static bool ensure_key(struct tool *t, const char *path, uint8_t ret_public[32])
{
    struct tmx_keyfile key;
    if (access(path, F_OK) < 0 && errno == ENOENT) {
        return create_key(t, path, ret_public);
    }
    bool good = load_key(path, &key);
    memcpy(ret_public, key.public, 32);
    sodium_memzero(&key, sizeof(key));
    return good;
}

static bool create_keys(struct tool *t, struct tmx_authority *ret_authority)
{
    struct tmx_authority a = { .threshold = (unsigned)t->threshold, .n = (unsigned)t->keys };
    for (unsigned i = 0; i < a.n; i++) {
        uint8_t public[32];
        char file[32], name[TMX_KEYNAME_MAX];
        struct tmx_writer w = TMX_WRITER_OF(name);
        snprintf(file, sizeof(file), "authority-%u.key", i + 1);
        if (!ensure_key(t, path_in(t, t->argument, file), public)) {
            return false;
        }
        tmx_authority_key_name(t->federation, i + 1, &w);
        bool ok = tmx_verify_key_init(tmx_written(&w), TMX_NOTE_ED25519, public, &a.keys[i]);
        assert(ok);
    }
    *ret_authority = a;
    return true;
}

int run_init(struct tool *t)
{
    struct tmx_authority a;
    char text[TMX_AUTHORITY_KEYS_MAX * (TMX_KEYNAME_MAX + 64)];
    if (!tmx_name_valid(tmx_bytes_str(t->federation), TMX_FEDERATION_MAX)) {
        return fail("--federation %s: a name of lower-case letters, digits, dots and dashes is needed", t->federation);
    }
    if (t->threshold > t->keys) {
        return fail("--threshold %llu: more than the %llu keys there are", (unsigned long long)t->threshold,
                    (unsigned long long)t->keys);
    }
    t->dir = t->argument;
    const char *draft = path_in(t, t->dir, "directory.draft");
    if (access(draft, F_OK) == 0) {
        return fail("%s: a federation was created here before: name another folder", draft);
    }
    if (!make_folder(t->dir) || !create_keys(t, &a)) {
        return 1;
    }
    struct tmx_writer w = TMX_WRITER_OF(text);
    tmx_authority_format(&a, &w);
    if (!write_file(t, path_in(t, t->dir, "authority.pub"), tmx_written(&w))) {
        return 1;
    }
    Tmx__Directory d = TMX__DIRECTORY__INIT;
    d.kind = TMX__KIND__KIND_DIRECTORY;
    d.federation = tmx_to_pb(tmx_bytes_str(t->federation));
    d.issued_ms = now_ms();
    d.expires_ms = d.issued_ms + (t->valid_days != 0 ? t->valid_days : 365) * DAY_MS;
    set_authority(t, &d, &a);
    if (!draft_save(t, &d)) {
        return 1;
    }
    printf("%s: %llu of %llu keys sign; move each authority-<n>.key to its holder, give authority.pub to everybody\n",
           t->dir, (unsigned long long)t->threshold, (unsigned long long)t->keys);
    return 0;
}

int run_renew(struct tool *t)
{
    Tmx__Directory *d;
    return draft_load(t, &d) && draft_save(t, d) ? 0 : 1;
}

int run_authority(struct tool *t)
{
    struct tmx_authority a;
    Tmx__Directory *d;
    if (!draft_load(t, &d) || !authority_load(t, t->argument, &a)) {
        return 1;
    }
    set_authority(t, d, &a);
    if (!draft_save(t, d)) {
        return 1;
    }
    printf("sign with %u of the old keys and %u of the new\n", a.threshold, a.threshold);
    return 0;
}

/* The name under which this public key may sign: it is one of the draft's keys or of those in authority.pub. */
static bool find_signer(struct tool *t, const Tmx__Directory *d, const uint8_t public[32],
                        struct tmx_verify_key *ret_key)
{
    const char *path = path_in(t, t->dir, "authority.pub");
    struct tmx_authority a;
    for (size_t i = 0; i < d->n_authority_keys; i++) {
        const Tmx__AuthorityKey *k = d->authority_keys[i];
        if (tmx_bytes_eq(tmx_pb(k->key), TMX_BYTES(public, 32))) {
            return tmx_verify_key_init(tmx_pb(k->name), TMX_NOTE_ED25519, public, ret_key);
        }
    }
    if (access(path, F_OK) < 0 || !authority_load(t, path, &a)) {
        return false;
    }
    for (unsigned i = 0; i < a.n; i++) {
        if (memcmp(a.keys[i].key, public, 32) == 0) {
            *ret_key = a.keys[i];
            return true;
        }
    }
    return false;
}

static bool add_signature(struct tool *t, const char *file, const Tmx__Directory *d, Tmx__SignedDirectory *s)
{
    struct tmx_keyfile own;
    char text[512];
    struct tmx_verify_key key;
    (void)sodium_mlock(&own, sizeof(own));
    if (!load_key(file, &own)) {
        (void)sodium_munlock(&own, sizeof(own));
        return false;
    }
    bool known = find_signer(t, d, own.public, &key);
    if (known) {
        Tmx__AuthoritySignature *sig = take(t, sizeof(*sig));
        uint8_t bytes[64];
        struct tmx_writer w = TMX_WRITER_OF(text);
        tmx_directory_text(tmx_pb(d->federation), d->serial, tmx_pb(s->directory), &w);
        crypto_sign_ed25519_detached(bytes, NULL, tmx_written(&w).data, tmx_written(&w).size, own.secret);
        *sig = (Tmx__AuthoritySignature)TMX__AUTHORITY_SIGNATURE__INIT;
        sig->key_id = key.id;
        sig->signature = tmx_to_pb(keep(t, TMX_BYTES_OF(bytes)));
        for (size_t i = 0; i < s->n_signatures; i++) {
            if (s->signatures[i]->key_id == key.id) {
                s->signatures[i] = sig;   /* this key signed before: the same again */
                sig = NULL;
                break;
            }
        }
        if (sig != NULL) {
            s->signatures = append(t, s->signatures, s->n_signatures, sig);
            s->n_signatures++;
        }
    } else {
        fail("%s: not a key of this federation's authority: see authority.pub", file);
    }
    (void)sodium_munlock(&own, sizeof(own));   /* wipes it */
    return known;
}

/* What --out holds so far: signatures of this very draft, an older directory, nothing, or something else. */
static bool continue_signing(struct tool *t, const char *out, Tmx__Directory *draft, Tmx__SignedDirectory *s)
{
    struct tmx_bytes content;
    Tmx__SignedDirectory *before;
    Tmx__Directory *d;
    if (access(out, F_OK) < 0) {
        return true;
    }
    if (!read_file(t, out, TMX_DIRECTORY_MAX, &content)) {
        return false;
    }
    if (tmx_codec_unpack(&tmx__signed_directory__descriptor, content, TMX_DIRECTORY_MAX, &t->arena, &before) !=
            TMX_CODEC_OK ||
        tmx_codec_unpack(&tmx__directory__descriptor, tmx_pb(before->directory), TMX_DIRECTORY_MAX, &t->arena, &d) !=
            TMX_CODEC_OK) {
        fail("%s: not a signed directory: give another --out", out);
        return false;
    }
    if (d->serial < draft->serial) {
        return true;   /* the one before: replaced */
    }
    if (!draft_is(t, draft, d, tmx_pb(before->directory))) {
        fail("%s: holds serial %llu with other content: move it away, or give another --out", out,
             (unsigned long long)d->serial);
        return false;
    }
    *s = *before;
    return true;
}

int run_sign(struct tool *t)
{
    const char *out = t->out != NULL ? t->out : path_in(t, t->dir, "directory.tmx");
    const char *where = "";
    Tmx__Directory *d;
    Tmx__SignedDirectory s = TMX__SIGNED_DIRECTORY__INIT;
    uint64_t last;
    if (!draft_load(t, &d) || !last_serial_load(t, &last)) {
        return 1;
    }
    uint64_t valid_ms = t->valid_days != 0 ? t->valid_days * DAY_MS : d->expires_ms - d->issued_ms;
    d->issued_ms = now_ms();
    d->expires_ms = d->issued_ms + valid_ms;
    if (!continue_signing(t, out, d, &s)) {
        return 1;
    }
    if (s.directory.len == 0 && last >= d->serial) {
        d->serial = last + 1;   /* the same content, issued again */
    }
    int r = tmx_directory_check(d, &where);
    if (r != TMX_DIRECTORY_OK) {
        return fail("%s: cannot be signed: %s (%s)", path_in(t, t->dir, "directory.draft"), tmx_directory_error_text(r),
                    where);
    }
    s.directory = tmx_to_pb(pack(t, d));
    for (size_t i = 0; i < t->n_key_files; i++) {
        if (!add_signature(t, t->key_files[i], d, &s)) {
            return 1;
        }
    }
    if (!write_file(t, out, pack(t, &s)) || !last_serial_save(t, d->serial > last ? d->serial : last)) {
        return 1;
    }
    printf("%s: serial %llu, %zu signature%s, %u needed\n", out, (unsigned long long)d->serial, s.n_signatures,
           s.n_signatures == 1 ? "" : "s", d->threshold);
    return 0;
}
