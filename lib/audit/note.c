/* SPDX-License-Identifier: Apache-2.0
 * Signed notes: keys with names, signature lines, and the strict reading of both.
 */
#include <sodium.h>
#include <string.h>

#include <tmx/note.h>
#include <tmx/text.h>

#include "sha256.h"

#define DASH "\xe2\x80\x94 " /* em dash and space: how a signature line starts */
#define ID_SIZE 4u
#define SIGNATURE_SIZE 64u
#define TIME_SIZE 8u
#define COSIGNED_MAX (TMX_CHECKPOINT_MAX + 64u) /* a checkpoint's text behind the two lines of a cosignature */
#define LINES_MAX 100u           /* signature lines; the bound of golang.org/x/mod too */
#define LINE_SIGNATURE_MAX 8192u /* decoded; room for signatures of types not known here */

bool tmx_key_name_ok(struct tmx_bytes name)
{
    if (name.size == 0 || name.size > TMX_KEYNAME_MAX) {
        return false;
    }
    for (size_t i = 0; i < name.size; i++) {
        if (name.data[i] <= 0x20 || name.data[i] >= 0x7f || name.data[i] == '+') {
            return false;
        }
    }
    return true;
}

static uint32_t key_id(struct tmx_bytes name, uint8_t type, const uint8_t key[32])
{
    uint8_t rest[2 + 32] = { '\n', type };
    struct tmx_reader r;
    struct tmx_hash hash;

    memcpy(rest + 2, key, 32);
    hash = tmx_sha256(name, TMX_BYTES_OF(rest));
    r = tmx_reader_init(TMX_BYTES_OF(hash.b));
    return tmx_read_u32(&r);
}

bool tmx_verify_key_init(struct tmx_bytes name, uint8_t type, const uint8_t key[32], struct tmx_verify_key *ret_key)
{
    /* Small-order points: libsodium refuses what other verifiers accept, so such a key would split opinions. */
    if (!tmx_key_name_ok(name) || crypto_core_ed25519_is_valid_point(key) != 1) {
        return false;
    }
    *ret_key = (struct tmx_verify_key){ .type = type, .id = key_id(name, type, key) };
    memcpy(ret_key->name, name.data, name.size);
    memcpy(ret_key->key, key, 32);
    return true;
}

/* Cuts *rest at the first `at`; false when there is none. */
static bool cut(struct tmx_bytes *rest, char at, struct tmx_bytes *ret_part)
{
    const uint8_t *found = rest->size == 0 ? NULL : memchr(rest->data, at, rest->size);
    size_t size;

    if (found == NULL) {
        return false;
    }
    size = (size_t)(found - rest->data);
    *ret_part = TMX_BYTES(rest->data, size);
    *rest = TMX_BYTES(found + 1, rest->size - size - 1);
    return true;
}

bool tmx_verify_key_parse(struct tmx_bytes vkey, struct tmx_verify_key *ret_key)
{
    struct tmx_bytes name;
    struct tmx_bytes hex;
    struct tmx_verify_key key;
    uint8_t id[ID_SIZE];
    uint8_t typed[1 + 32];
    size_t size;
    struct tmx_reader r;

    if (!cut(&vkey, '+', &name) || !cut(&vkey, '+', &hex) || !tmx_unhex(hex, id, sizeof id) ||
        !tmx_unbase64(vkey, typed, sizeof typed, &size) || size != sizeof typed ||
        !tmx_verify_key_init(name, typed[0], typed + 1, &key)) {
        return false;
    }
    r = tmx_reader_init(TMX_BYTES_OF(id));
    if (tmx_read_u32(&r) != key.id || (key.type != TMX_NOTE_ED25519 && key.type != TMX_NOTE_COSIGNATURE)) {
        return false;
    }
    *ret_key = key;
    return true;
}

void tmx_verify_key_format(const struct tmx_verify_key *key, struct tmx_writer *w)
{
    uint8_t typed[1 + 32];
    char text[TMX_BASE64_SIZE(sizeof typed)];

    typed[0] = key->type;
    memcpy(typed + 1, key->key, 32);
    tmx_base64(TMX_BYTES_OF(typed), text);
    tmx_write_fmt(w, "%s+%08x+%s", key->name, key->id, text);
}

void tmx_note_add_line(struct tmx_writer *w, struct tmx_bytes text, const struct tmx_verify_key *key,
                       const uint8_t secret[64])
{
    uint8_t signature[ID_SIZE + SIGNATURE_SIZE];
    char base64[TMX_BASE64_SIZE(sizeof signature)];
    struct tmx_writer id = tmx_writer_init(signature, ID_SIZE);

    assert(key->type == TMX_NOTE_ED25519);
    tmx_write_u32(&id, key->id);
    crypto_sign_detached(signature + ID_SIZE, NULL, text.data, text.size, secret);
    tmx_base64(TMX_BYTES_OF(signature), base64);
    tmx_write_fmt(w, DASH "%s %s\n", key->name, base64);
}

/* What a cosignature signs; false when the text is too long for a checkpoint. */
static bool cosigned_bytes(struct tmx_bytes text, uint64_t time_s, struct tmx_writer *w)
{
    tmx_write_fmt(w, "cosignature/v1\ntime %llu\n", (unsigned long long)time_s);
    tmx_write_bytes(w, text);
    return !w->failed;
}

void tmx_cosignature_add_line(struct tmx_writer *w, struct tmx_bytes text, uint64_t time_s,
                              const struct tmx_verify_key *key, const uint8_t secret[64])
{
    uint8_t bytes[COSIGNED_MAX];
    uint8_t signature[ID_SIZE + TIME_SIZE + SIGNATURE_SIZE];
    char base64[TMX_BASE64_SIZE(sizeof signature)];
    struct tmx_writer signed_bytes = TMX_WRITER_OF(bytes);
    struct tmx_writer head = tmx_writer_init(signature, ID_SIZE + TIME_SIZE);

    assert(key->type == TMX_NOTE_COSIGNATURE);
    if (!cosigned_bytes(text, time_s, &signed_bytes)) {
        w->failed = true;
        return;
    }
    tmx_write_u32(&head, key->id);
    tmx_write_u64(&head, time_s);
    crypto_sign_detached(signature + ID_SIZE + TIME_SIZE, NULL, bytes, signed_bytes.used, secret);
    tmx_base64(TMX_BYTES_OF(signature), base64);
    tmx_write_fmt(w, DASH "%s %s\n", key->name, base64);
}

void tmx_note_sign(struct tmx_writer *w, struct tmx_bytes text, const struct tmx_verify_key *key,
                   const uint8_t secret[64])
{
    assert(text.size > 0 && text.data[text.size - 1] == '\n');
    tmx_write_bytes(w, text);
    tmx_write_u8(w, '\n');
    tmx_note_add_line(w, text, key, secret);
}

/* The bytes of one UTF-8 character at the front of the reader; false when there is none (RFC 3629). */
static bool skip_utf8(struct tmx_reader *r)
{
    const uint8_t first = tmx_read_u8(r);
    const unsigned more = first < 0x80 ? 0 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
    uint32_t c = more == 0 ? first : first & (0x3fu >> more);

    if ((first >= 0x80 && first < 0xc2) || first > 0xf4) {
        return false;
    }
    for (unsigned i = 0; i < more; i++) {
        const uint8_t b = tmx_read_u8(r);

        if ((b & 0xc0) != 0x80) {
            return false;
        }
        c = c << 6 | (b & 0x3f);
    }
    return !(more == 2 && (c < 0x800 || (c >= 0xd800 && c <= 0xdfff))) && !(more == 3 && (c < 0x10000 || c > 0x10ffff));
}

static bool note_text_ok(struct tmx_bytes note)
{
    struct tmx_reader r = tmx_reader_init(note);

    while (r.left > 0) {
        if ((*r.at < 0x20 && *r.at != '\n') || !skip_utf8(&r)) {
            return false;
        }
    }
    return true;
}

struct line {
    struct tmx_bytes name;
    uint32_t key_id;
    struct tmx_bytes signature; /* in `decoded` */
    uint8_t decoded[LINE_SIGNATURE_MAX];
};

static bool read_line(struct tmx_bytes *lines, struct line *ret_line)
{
    const struct tmx_bytes dash = TMX_LIT(DASH);
    struct tmx_bytes rest;
    struct tmx_reader r;
    size_t size;

    if (!cut(lines, '\n', &rest) || rest.size < dash.size || !tmx_bytes_eq(tmx_bytes_slice(rest, 0, dash.size), dash)) {
        return false;
    }
    rest = tmx_bytes_slice(rest, dash.size, rest.size - dash.size);
    if (!cut(&rest, ' ', &ret_line->name) || ret_line->name.size == 0 ||
        memchr(ret_line->name.data, '+', ret_line->name.size) != NULL ||
        !tmx_unbase64(rest, ret_line->decoded, sizeof ret_line->decoded, &size) || size <= ID_SIZE) {
        return false;
    }
    r = tmx_reader_init(TMX_BYTES(ret_line->decoded, size));
    ret_line->key_id = tmx_read_u32(&r);
    ret_line->signature = tmx_read_bytes(&r, r.left);
    return true;
}

bool tmx_note_split(struct tmx_bytes note, struct tmx_bytes *ret_text, struct tmx_bytes *ret_lines)
{
    size_t text_size = 0;
    struct tmx_bytes lines;
    struct line line;
    unsigned n = 0;

    if (note.size > TMX_NOTE_MAX || !note_text_ok(note)) {
        return false;
    }
    for (size_t i = note.size; i >= 2 && text_size == 0; i--) {
        if (note.data[i - 1] == '\n' && note.data[i - 2] == '\n') {
            text_size = i - 1;
        }
    }
    if (text_size == 0) {
        return false;
    }
    lines = tmx_bytes_slice(note, text_size + 1, note.size - text_size - 1);
    for (struct tmx_bytes left = lines; left.size > 0;) {
        if (++n > LINES_MAX || !read_line(&left, &line)) {
            return false;
        }
    }
    if (n == 0) {
        return false;
    }
    *ret_text = tmx_bytes_slice(note, 0, text_size);
    *ret_lines = lines;
    return true;
}

bool tmx_note_verify(struct tmx_bytes note, const struct tmx_verify_key *key, struct tmx_bytes *ret_text)
{
    struct tmx_bytes text;
    struct tmx_bytes lines;
    struct line line;
    bool verified = false;

    if (key->type != TMX_NOTE_ED25519 || !tmx_note_split(note, &text, &lines)) {
        return false;
    }
    while (lines.size > 0) {
        if (!read_line(&lines, &line)) {
            return false;
        }
        if (line.key_id != key->id || !tmx_bytes_eq(line.name, tmx_bytes_str(key->name))) {
            continue;
        }
        if (line.signature.size != SIGNATURE_SIZE ||
            crypto_sign_verify_detached(line.signature.data, text.data, text.size, key->key) != 0) {
            return false;
        }
        verified = true;
    }
    if (verified) {
        *ret_text = text;
    }
    return verified;
}

static bool cosignature_ok(struct tmx_bytes signature, struct tmx_bytes text, const struct tmx_verify_key *key,
                           uint64_t *ret_time_s)
{
    uint8_t bytes[COSIGNED_MAX];
    struct tmx_writer signed_bytes = TMX_WRITER_OF(bytes);
    struct tmx_reader r = tmx_reader_init(signature);

    *ret_time_s = tmx_read_u64(&r);
    return r.left == SIGNATURE_SIZE && cosigned_bytes(text, *ret_time_s, &signed_bytes) &&
           crypto_sign_verify_detached(r.at, bytes, signed_bytes.used, key->key) == 0;
}

enum tmx_cosignature tmx_cosignature_verify(struct tmx_bytes note, const struct tmx_verify_key *key,
                                            uint64_t *ret_time_s)
{
    enum tmx_cosignature found = TMX_COSIGNATURE_NONE;
    struct tmx_bytes text;
    struct tmx_bytes lines;
    struct line line;
    uint64_t time_s;

    if (key->type != TMX_NOTE_COSIGNATURE || !tmx_note_split(note, &text, &lines)) {
        return TMX_COSIGNATURE_BAD;
    }
    while (lines.size > 0) {
        if (!read_line(&lines, &line)) {
            return TMX_COSIGNATURE_BAD;
        }
        if (line.key_id != key->id || !tmx_bytes_eq(line.name, tmx_bytes_str(key->name))) {
            continue;
        }
        if (!cosignature_ok(line.signature, text, key, &time_s)) {
            return TMX_COSIGNATURE_BAD;
        }
        if (found == TMX_COSIGNATURE_NONE || time_s < *ret_time_s) {
            *ret_time_s = time_s;
        }
        found = TMX_COSIGNATURE_OK;
    }
    return found;
}
