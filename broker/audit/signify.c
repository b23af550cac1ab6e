/* SPDX-License-Identifier: Apache-2.0
 * See signify.h. The list is mapped, not read: Ed25519 goes through what it signs twice.
 */
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <tmx/keyfile.h>
#include <tmx/text.h>

#include "export_dir.h"
#include "signify.h"
#include "sums.h"

#define PURPOSE "export"
#define COMMENT "untrusted comment: "
#define COMMENT_MAX 1024u
#define BLOB_MAX (2u + 8u + 64u)
#define HEADING_MAX 512u

static const char *const texts[] = {
    [SIGNIFY_OK] = "the signature verifies",
    [SIGNIFY_E_NONE] = "the export is not signed",
    [SIGNIFY_E_MALFORMED] = "it is no signature of signify with the list embedded",
    [SIGNIFY_E_LIST] = "it signs another list than SHA256",
    [SIGNIFY_E_KEY] = "it was made with another key",
    [SIGNIFY_E_SIGNATURE] = "the signature does not verify",
};

const char *tmx_signify_text(int condition)
{
    return texts[condition];
}

/* --- the format ----------------------------------------------------------------------------------------------- */

static bool take_line(struct tmx_bytes *text, size_t max, struct tmx_bytes *ret_line)
{
    const uint8_t *end = text->size > 0 ? memchr(text->data, '\n', text->size) : NULL;

    if (end == NULL || (size_t)(end - text->data) > max) {
        return false;
    }
    *ret_line = tmx_bytes_slice(*text, 0, (size_t)(end - text->data));
    *text = tmx_bytes_slice(*text, ret_line->size + 1, text->size - ret_line->size - 1);
    return true;
}

/* Takes both lines; what is left of the text is what they are about. ret_value: the key or signature, `size` bytes. */
static bool take_heading(struct tmx_bytes *text, uint8_t ret_number[8], uint8_t *ret_value, size_t size)
{
    struct tmx_bytes comment;
    struct tmx_bytes base64;
    uint8_t blob[BLOB_MAX];
    size_t used;

    if (!take_line(text, COMMENT_MAX, &comment) || !take_line(text, TMX_BASE64_SIZE(BLOB_MAX), &base64) ||
        comment.size < strlen(COMMENT) || memcmp(comment.data, COMMENT, strlen(COMMENT)) != 0 ||
        !tmx_unbase64(base64, blob, sizeof blob, &used) || used != 2 + 8 + size || blob[0] != 'E' || blob[1] != 'd') {
        return false;
    }
    memcpy(ret_number, blob + 2, 8);
    memcpy(ret_value, blob + 2 + 8, size);
    return true;
}

static void write_heading(struct tmx_writer *w, const char *comment, const uint8_t number[8], const uint8_t *value,
                          size_t size)
{
    uint8_t blob[BLOB_MAX] = { 'E', 'd' };
    char base64[TMX_BASE64_SIZE(BLOB_MAX)];

    memcpy(blob + 2, number, 8);
    memcpy(blob + 2 + 8, value, size);
    tmx_base64(TMX_BYTES(blob, 2 + 8 + size), base64);
    tmx_write_fmt(w, COMMENT "%s\n%s\n", comment, base64);
}

/* --- keys ----------------------------------------------------------------------------------------------------- */

/* The number of a key is the beginning of its digest: nothing more has to be kept. */
static struct tmx_signify_public public_of(const uint8_t key[32])
{
    struct tmx_signify_public public;
    uint8_t digest[32];

    memcpy(public.key, key, sizeof public.key);
    crypto_hash_sha256(digest, key, sizeof public.key);
    memcpy(public.number, digest, sizeof public.number);
    return public;
}

/* NAME.key has NAME.pub; false when that is too long. */
static bool public_path(const char *path, char ret_public[SIGNIFY_WHY_MAX])
{
    const size_t size = strlen(path);
    const size_t stem = size > 4 && strcmp(path + size - 4, ".key") == 0 ? size - 4 : size;

    return (size_t)snprintf(ret_public, SIGNIFY_WHY_MAX, "%.*s.pub", (int)stem, path) < SIGNIFY_WHY_MAX;
}

int tmx_signify_load(const char *path, struct tmx_signify_key *ret_key, char ret_why[SIGNIFY_WHY_MAX])
{
    char public[SIGNIFY_WHY_MAX];
    const char *slash;
    uint8_t key[32];
    int r = tmx_keyfile_load(path, PURPOSE, key, ret_key->secret, sizeof ret_key->secret, ret_why, SIGNIFY_WHY_MAX);

    if (r < 0) {
        return r;
    }
    ret_key->public = public_of(key);
    if (!public_path(path, public)) {
        public[0] = '\0';
    }
    slash = strrchr(public, '/');
    tmx_printable(tmx_bytes_str(slash == NULL ? public : slash + 1), ret_key->name, sizeof ret_key->name);
    return 0;
}

int tmx_signify_load_public(const char *path, struct tmx_signify_public *ret_public, char ret_why[SIGNIFY_WHY_MAX])
{
    struct tmx_signify_public public;
    struct tmx_bytes text;
    uint8_t *data;
    size_t size;
    int r = tmx_export_read(AT_FDCWD, path, 2 * COMMENT_MAX, &data, &size);

    if (r < 0) {
        snprintf(ret_why, SIGNIFY_WHY_MAX, "cannot read the public key file: %s", strerror(-r));
        return r;
    }
    text = TMX_BYTES(data, size);
    if (!take_heading(&text, public.number, public.key, sizeof public.key) || text.size > 0) {
        snprintf(ret_why, SIGNIFY_WHY_MAX, "the public key file is none of signify: a comment, then a line of base64");
        r = -EINVAL;
    } else {
        *ret_public = public;
    }
    free(data);
    return r;
}

/* Beside its key file; one that is there must be the same key's. */
static int write_public(const char *path, const struct tmx_signify_public *public, char ret_why[SIGNIFY_WHY_MAX])
{
    uint8_t text[HEADING_MAX];
    struct tmx_writer w = TMX_WRITER_OF(text);
    struct tmx_signify_public there;
    const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    int r = 0;

    if (fd < 0 && errno == EEXIST) {
        r = tmx_signify_load_public(path, &there, ret_why);
        if (r == 0 && memcmp(&there, public, sizeof there) != 0) {
            snprintf(ret_why, SIGNIFY_WHY_MAX, "the file for the public key is there, and another key's");
            r = -EEXIST;
        }
        return r;
    }
    write_heading(&w, "tmx export key", public->number, public->key, sizeof public->key);
    if (fd < 0 || write(fd, text, w.used) != (ssize_t)w.used || fsync(fd) < 0) {
        r = -errno;
        snprintf(ret_why, SIGNIFY_WHY_MAX, "cannot write the public key beside the key file: %s", strerror(-r));
    }
    if (fd >= 0) {
        close(fd);
    }
    return r;
}

int tmx_signify_create(const char *path, char ret_public[SIGNIFY_WHY_MAX], char ret_why[SIGNIFY_WHY_MAX])
{
    struct tmx_signify_public public;
    uint8_t key[32];
    int r;

    if (!public_path(path, ret_public)) {
        snprintf(ret_why, SIGNIFY_WHY_MAX, "the name of the key file is too long");
        return -ENAMETOOLONG;
    }
    r = tmx_keyfile_ensure(path, PURPOSE, key, ret_why, SIGNIFY_WHY_MAX);
    if (r < 0) {
        return r;
    }
    public = public_of(key);
    return write_public(ret_public, &public, ret_why);
}

/* --- lists ---------------------------------------------------------------------------------------------------- */

static int map_file(int dir_fd, const char *path, struct tmx_bytes *ret_bytes)
{
    const int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    void *data = NULL;
    int r = fd < 0 || fstat(fd, &st) < 0 ? -errno : S_ISREG(st.st_mode) ? 0 : -EINVAL;

    if (r == 0 && st.st_size > 0) {
        data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        r = data == MAP_FAILED ? -errno : 0;
    }
    if (fd >= 0) {
        close(fd);
    }
    if (r == 0) {
        *ret_bytes = TMX_BYTES(data, (size_t)st.st_size);
    }
    return r;
}

static void unmap(struct tmx_bytes b)
{
    if (b.size > 0) {
        (void)munmap((void *)(uintptr_t)b.data, b.size);
    }
}

int tmx_signify_sign(int dir_fd, const struct tmx_signify_key *key)
{
    char comment[SIGNIFY_NAME_MAX + 16];
    uint8_t heading[HEADING_MAX];
    struct tmx_writer w = TMX_WRITER_OF(heading);
    uint8_t signature[64];
    struct tmx_bytes parts[2];
    int r = map_file(dir_fd, SUMS_FILE, &parts[1]);

    if (r < 0) {
        return r;
    }
    snprintf(comment, sizeof comment, "verify with %s", key->name);
    crypto_sign_detached(signature, NULL, parts[1].data, parts[1].size, key->secret);
    write_heading(&w, comment, key->public.number, signature, sizeof signature);
    parts[0] = tmx_written(&w);
    r = tmx_export_write_parts(dir_fd, SUMS_SIGNATURE, parts, TMX_N(parts));
    unmap(parts[1]);
    return r;
}

static int check(struct tmx_bytes signed_list, struct tmx_bytes list, const struct tmx_signify_public *by)
{
    uint8_t number[8];
    uint8_t signature[64];

    if (!take_heading(&signed_list, number, signature, sizeof signature)) {
        return SIGNIFY_E_MALFORMED;
    }
    if (!tmx_bytes_eq(signed_list, list)) {
        return SIGNIFY_E_LIST;
    }
    if (by == NULL) {
        return SIGNIFY_OK;
    }
    if (memcmp(number, by->number, sizeof number) != 0) {
        return SIGNIFY_E_KEY;
    }
    return crypto_sign_verify_detached(signature, list.data, list.size, by->key) == 0 ? SIGNIFY_OK : SIGNIFY_E_SIGNATURE;
}

int tmx_signify_check(int dir_fd, const struct tmx_signify_public *by)
{
    struct tmx_bytes signed_list;
    struct tmx_bytes list = TMX_BYTES_NULL;
    int r = map_file(dir_fd, SUMS_SIGNATURE, &signed_list);

    if (r < 0) {
        return r == -ENOENT ? SIGNIFY_E_NONE : r;
    }
    r = map_file(dir_fd, SUMS_FILE, &list);
    if (r == 0) {
        r = check(signed_list, list, by);
        unmap(list);
    } else if (r == -ENOENT) {
        r = SIGNIFY_E_LIST;
    }
    unmap(signed_list);
    return r;
}
