/* SPDX-License-Identifier: Apache-2.0
 * Private key files: created once, never overwritten, checked on every load. Format: tmx/keyfile.h.
 */
#include <tmx/keyfile.h>

#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <tmx/note.h>
#include <tmx/text.h>

#include "files.h"
#include "keyfile_seal.h"

#define KEYFILE_MAX 1024u

enum key_form { FORM_ED25519, FORM_X25519, FORM_RANDOM };

static const struct purpose {
    const char *name;
    enum key_form form;
} purposes[] = {
    { "signing", FORM_ED25519 },    { "witness", FORM_ED25519 }, { "log", FORM_ED25519 },
    { "authority", FORM_ED25519 },  { "export", FORM_ED25519 },  { "operator", FORM_ED25519 }, { "curve", FORM_X25519 },
    { "gate", FORM_X25519 },        { "last-resort", FORM_X25519 }, { "archive", FORM_RANDOM },
    { "label", FORM_RANDOM },
};

static enum key_form form_of(const char *purpose)
{
    size_t i = 0;
    while (i < TMX_N(purposes) && strcmp(purposes[i].name, purpose) != 0) {
        i++;
    }
    assert(i < TMX_N(purposes));
    return purposes[i].form;
}

size_t tmx_keyfile_secret_size(const char *purpose)
{
    return form_of(purpose) == FORM_ED25519 ? 64 : 32;
}

void tmx_keyfile_generate(const char *purpose, uint8_t ret_public[32], uint8_t *ret_secret)
{
    switch (form_of(purpose)) {
    case FORM_ED25519:
        crypto_sign_ed25519_keypair(ret_public, ret_secret);
        break;
    case FORM_X25519:
        randombytes_buf(ret_secret, 32);
        assert(crypto_scalarmult_base(ret_public, ret_secret) == 0);
        break;
    case FORM_RANDOM:
        randombytes_buf(ret_secret, 32);
        memset(ret_public, 0, 32);
        break;
    }
}

/* Does the public half belong to the secret? */
static bool halves_match(const char *purpose, const uint8_t public[32], const uint8_t *secret)
{
    uint8_t computed[32] = { 0 };
    uint8_t full[64];
    bool same = true;
    switch (form_of(purpose)) {
    case FORM_ED25519:
        crypto_sign_ed25519_seed_keypair(computed, full, secret);
        same = sodium_memcmp(full, secret, sizeof(full)) == 0;
        sodium_memzero(full, sizeof(full));
        break;
    case FORM_X25519:
        same = crypto_scalarmult_base(computed, secret) == 0;
        break;
    case FORM_RANDOM:
        break;
    }
    return same && memcmp(computed, public, 32) == 0;
}

/* A temporary file that becomes `path` by link(2): whole or not at all, and never over an existing one. */
static int write_new_file(const char *path, struct tmx_bytes text)
{
    char temporary[TMX_PATH_MAX];
    int n = snprintf(temporary, sizeof(temporary), "%s.XXXXXX", path);
    if (n < 0 || (size_t)n >= sizeof(temporary)) {
        return -ENAMETOOLONG;
    }
    int fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    int r = fchmod(fd, 0400) < 0 ? -errno : tmx_write_at(fd, text, 0);
    if (r == 0 && fsync(fd) < 0) {
        r = -errno;
    }
    close(fd);
    if (r == 0 && link(temporary, path) < 0) {
        r = -errno;
    }
    unlink(temporary);
    return r < 0 ? r : tmx_sync_folder_of(path);   /* its name is durable before the key is used */
}

int tmx_keyfile_write(const char *path, const char *purpose, const struct tmx_keyfile *key, struct tmx_bytes passphrase)
{
    const size_t size = tmx_keyfile_secret_size(purpose);
    char public_text[TMX_BASE64_SIZE(32)];
    char secret_text[TMX_BASE64_SIZE(TMX_KEYFILE_SECRET_MAX)] = "";
    char text[KEYFILE_MAX];
    struct tmx_writer w = TMX_WRITER_OF(text);
    if (!halves_match(purpose, key->public, key->secret)) {
        return -EINVAL;
    }
    tmx_write_fmt(&w, "tmx-key 1 %s\n", purpose);
    if (key->installation[0] != '\0') {
        tmx_write_fmt(&w, "installation %s\n", key->installation);
    }
    tmx_base64(TMX_BYTES(key->public, 32), public_text);
    tmx_write_fmt(&w, "public %s\n", public_text);
    int r = 0;
    if (passphrase.size > 0) {
        const struct tmx_bytes above = tmx_written(&w);
        tmx_write_fmt(&w, "sealed ");
        r = tmx_keyfile_seal(above, key->secret, size, passphrase, &w) ? 0 : -ENOMEM;
    } else {
        tmx_base64(TMX_BYTES(key->secret, size), secret_text);
        tmx_write_fmt(&w, "secret %s", secret_text);
    }
    tmx_write_u8(&w, '\n');
    r = r < 0 ? r : write_new_file(path, tmx_written(&w));
    sodium_memzero(secret_text, sizeof(secret_text));
    sodium_memzero(text, sizeof(text));
    return r;
}

int tmx_keyfile_create(const char *path, const char *purpose, const uint8_t public[32], const uint8_t *secret,
                       size_t secret_size)
{
    struct tmx_keyfile key = { .installation = "" };
    assert(secret_size == tmx_keyfile_secret_size(purpose));
    memcpy(key.public, public, sizeof(key.public));
    memcpy(key.secret, secret, secret_size);
    int r = tmx_keyfile_write(path, purpose, &key, TMX_BYTES_NULL);
    sodium_memzero(&key, sizeof(key));
    return r;
}

/* The next line must be `word`, a space and a value; gives the value. */
static bool take_line(struct tmx_bytes *text, const char *word, struct tmx_bytes *ret_value)
{
    size_t size = strlen(word);
    const uint8_t *end = text->size > 0 ? memchr(text->data, '\n', text->size) : NULL;
    if (end == NULL || (size_t)(end - text->data) <= size || memcmp(text->data, word, size) != 0 ||
        text->data[size] != ' ') {
        return false;
    }
    size_t line = (size_t)(end - text->data);
    *ret_value = tmx_bytes_slice(*text, size + 1, line - size - 1);
    *text = tmx_bytes_slice(*text, line + 1, text->size - line - 1);
    return true;
}

/* What a file says, before its secret. */
struct parsed {
    struct tmx_bytes above, secret, sealed;   /* one of the last two is not empty */
};

/* What is wrong with the text, or NULL. */
static const char *parse(struct tmx_bytes text, const char *purpose, struct tmx_keyfile *k, struct parsed *ret_parsed)
{
    const struct tmx_bytes all = text;
    struct tmx_bytes kind, public_text, installation;
    struct parsed p = { .secret = TMX_BYTES_NULL };
    char wanted[32];
    size_t size = 0;
    snprintf(wanted, sizeof(wanted), "1 %s", purpose);
    if (!take_line(&text, "tmx-key", &kind)) {
        return "not a tmx key file";
    }
    if (take_line(&text, "installation", &installation)) {
        if (!tmx_key_name_ok(installation)) {
            return "its installation is no name of a key";
        }
        memcpy(k->installation, installation.data, installation.size);
    }
    if (!take_line(&text, "public", &public_text)) {
        return "not a tmx key file";
    }
    p.above = tmx_bytes_slice(all, 0, all.size - text.size);
    if ((!take_line(&text, "secret", &p.secret) && !take_line(&text, "sealed", &p.sealed)) || text.size != 0) {
        return "not a tmx key file";
    }
    if (!tmx_bytes_eq(kind, tmx_bytes_str(wanted))) {
        return "a key of another purpose";
    }
    *ret_parsed = p;
    return tmx_unbase64(public_text, k->public, 32, &size) && size == 32 ? NULL : "a key of the wrong size or not base64";
}

static int read_text(const char *path, char ret_text[KEYFILE_MAX], size_t *ret_size, char *ret_error, size_t capacity)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        int r = -errno;
        snprintf(ret_error, capacity, "%s: cannot open the key file: %s", path, strerror(-r));
        return r;
    }
    struct stat st;
    ssize_t n = 0;
    int r = 0;
    if (fstat(fd, &st) < 0) {
        r = -errno;
        snprintf(ret_error, capacity, "%s: cannot stat the key file: %s", path, strerror(-r));
    } else if (!S_ISREG(st.st_mode)) {
        r = -EINVAL;
        snprintf(ret_error, capacity, "%s: not a regular file", path);
    } else if ((st.st_mode & 077) != 0) {
        r = -EPERM;
        snprintf(ret_error, capacity, "%s: mode %04o lets others at the private key: chmod 0400, and replace the key "
                 "if anybody may have read it", path, (unsigned)(st.st_mode & 07777));
    } else if ((n = read(fd, ret_text, KEYFILE_MAX)) < 0) {
        r = -errno;
        snprintf(ret_error, capacity, "%s: cannot read the key file: %s", path, strerror(-r));
    } else {
        *ret_size = (size_t)n;
    }
    close(fd);
    return r;
}

/* A sealed secret, with a passphrase that is asked for. */
static int open_sealed(const char *path, const struct parsed *p, size_t size, tmx_keyfile_ask_fn *ask, void *ctx, uint8_t *ret_secret,
                       char *ret_error, size_t capacity)
{
    struct tmx_bytes passphrase;
    if (ask == NULL) {
        snprintf(ret_error, capacity, "%s: sealed with a passphrase: a key without one is needed here, for nobody is there to type it", path);
        return -EINVAL;
    }
    if (!ask(ctx, path, &passphrase, ret_error, capacity)) {
        return -EACCES;
    }
    const char *wrong = tmx_keyfile_unseal(p->above, p->sealed, passphrase, ret_secret, size);
    if (wrong != NULL) {
        snprintf(ret_error, capacity, "%s: %s", path, wrong);
        return -EACCES;
    }
    return 0;
}

static int open_text(const char *path, struct tmx_bytes text, const char *purpose, tmx_keyfile_ask_fn *ask, void *ctx, struct tmx_keyfile *k,
                     char *ret_error, size_t capacity)
{
    const size_t wanted = tmx_keyfile_secret_size(purpose);
    struct parsed p = { .secret = TMX_BYTES_NULL };
    size_t size = 0;
    const char *wrong = text.size == KEYFILE_MAX ? "too long for a key file" : parse(text, purpose, k, &p);
    if (wrong == NULL && p.sealed.size > 0) {
        int r = open_sealed(path, &p, wanted, ask, ctx, k->secret, ret_error, capacity);
        if (r < 0) {
            return r;
        }
    } else if (wrong == NULL && (!tmx_unbase64(p.secret, k->secret, wanted, &size) || size != wanted)) {
        wrong = "a key of the wrong size or not base64";
    }
    if (wrong == NULL && !halves_match(purpose, k->public, k->secret)) {
        wrong = "its public half does not belong to its secret";
    }
    if (wrong != NULL) {
        snprintf(ret_error, capacity, "%s: %s: a key file for '%s' is needed here", path, wrong, purpose);
        return -EINVAL;
    }
    return 0;
}

int tmx_keyfile_read(const char *path, const char *purpose, tmx_keyfile_ask_fn *ask, void *ctx, struct tmx_keyfile *ret_key,
                     char *ret_error, size_t capacity)
{
    char text[KEYFILE_MAX];
    struct tmx_keyfile key = { .installation = "" };
    size_t size = 0;
    int r = read_text(path, text, &size, ret_error, capacity);
    r = r < 0 ? r : open_text(path, TMX_BYTES(text, size), purpose, ask, ctx, &key, ret_error, capacity);
    if (r == 0) {
        *ret_key = key;
    }
    sodium_memzero(text, sizeof(text));
    sodium_memzero(&key, sizeof(key));
    return r;
}

int tmx_keyfile_load(const char *path, const char *purpose, uint8_t ret_public[32], uint8_t *ret_secret,
                     size_t secret_size, char *ret_error, size_t capacity)
{
    struct tmx_keyfile key;
    assert(secret_size == tmx_keyfile_secret_size(purpose));
    int r = tmx_keyfile_read(path, purpose, NULL, NULL, &key, ret_error, capacity);
    if (r == 0) {
        memcpy(ret_public, key.public, 32);
        memcpy(ret_secret, key.secret, secret_size);
        sodium_memzero(&key, sizeof(key));
    }
    return r;
}

int tmx_keyfile_ensure(const char *path, const char *purpose, uint8_t ret_public[32], char *ret_error,
                       size_t capacity)
{
    size_t size = tmx_keyfile_secret_size(purpose);
    uint8_t public[32];
    uint8_t secret[TMX_KEYFILE_SECRET_MAX];
    int r = 0;
    if (access(path, F_OK) < 0 && errno == ENOENT) {
        tmx_keyfile_generate(purpose, public, secret);
        r = tmx_keyfile_create(path, purpose, public, secret, size);
        if (r == -EEXIST) {
            r = 0;   /* somebody was faster: theirs is loaded */
        } else if (r < 0) {
            snprintf(ret_error, capacity, "%s: cannot create the key file: %s", path, strerror(-r));
        }
    }
    if (r == 0) {
        r = tmx_keyfile_load(path, purpose, ret_public, secret, size, ret_error, capacity);
    }
    sodium_memzero(secret, sizeof(secret));
    return r;
}
