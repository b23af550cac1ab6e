/* SPDX-License-Identifier: Apache-2.0
 * The text of authority.pub: what everybody pins.
 */
#include <tmx/directory.h>

#include <string.h>

#include <tmx/text.h>

/* The name up to and including "/authority/"; empty when it is not such a name. */
static struct tmx_bytes name_prefix(const char *name)
{
    static const char part[] = "/authority/";
    const char *found = strstr(name, part);
    return strncmp(name, "tmx.", 4) == 0 && found != NULL
               ? TMX_BYTES(name, (size_t)(found - name) + sizeof(part) - 1)
               : TMX_BYTES_NULL;
}

/* A key of an authority, of the same federation as the first, and not listed before. */
static bool fits(const struct tmx_authority *a, const struct tmx_verify_key *key)
{
    struct tmx_bytes prefix = name_prefix(key->name);
    if (key->type != TMX_NOTE_ED25519 || prefix.size == 0) {
        return false;
    }
    for (unsigned i = 0; i < a->n; i++) {
        if (!tmx_bytes_eq(prefix, name_prefix(a->keys[i].name)) || a->keys[i].id == key->id ||
            memcmp(a->keys[i].key, key->key, 32) == 0) {
            return false;
        }
    }
    return true;
}

bool tmx_authority_parse(struct tmx_bytes text, struct tmx_authority *ret_authority)
{
    struct tmx_bytes word = TMX_LIT("threshold ");
    struct tmx_bytes line;
    struct tmx_authority a = { 0 };
    uint64_t threshold;
    if (!tmx_take_line(&text, &line) || line.size <= word.size ||
        !tmx_bytes_eq(tmx_bytes_slice(line, 0, word.size), word) ||
        !tmx_parse_u64(tmx_bytes_slice(line, word.size, line.size - word.size), TMX_AUTHORITY_KEYS_MAX, &threshold)) {
        return false;
    }
    while (text.size > 0) {
        if (a.n == TMX_AUTHORITY_KEYS_MAX || !tmx_take_line(&text, &line) || !tmx_verify_key_parse(line, &a.keys[a.n]) ||
            !fits(&a, &a.keys[a.n])) {
            return false;
        }
        a.n++;
    }
    if (threshold < 1 || threshold > a.n) {
        return false;
    }
    a.threshold = (unsigned)threshold;
    *ret_authority = a;
    return true;
}

void tmx_authority_format(const struct tmx_authority *a, struct tmx_writer *w)
{
    tmx_write_fmt(w, "threshold %u\n", a->threshold);
    for (unsigned i = 0; i < a->n; i++) {
        tmx_verify_key_format(&a->keys[i], w);
        tmx_write_u8(w, '\n');
    }
}
