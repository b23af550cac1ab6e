/* SPDX-License-Identifier: Apache-2.0
 * Proofs of misbehaviour as files: written and read. Contract: tmx/misbehaviour.h; the text: LINK-6, LINK-12 and LOG-8.
 */
#include <string.h>

#include <tmx/misbehaviour.h>
#include <tmx/text.h>

static const char *const reasons[] = {
    [TMX_MISBEHAVIOUR_NOT_CONSISTENT] = "not-consistent",
    [TMX_MISBEHAVIOUR_NOT_SIGNED] = "not-signed",
    [TMX_MISBEHAVIOUR_NOT_INCLUDED] = "not-included",
    [TMX_MISBEHAVIOUR_NOT_AS_SEEN] = "not-as-seen",
};

/* --- written -------------------------------------------------------------------------------------------------- */

static struct tmx_bytes cut(struct tmx_bytes b, size_t max)
{
    return b.size > max ? tmx_bytes_slice(b, 0, max) : b;
}

/* "<name> <base64>", without base64 no line. */
static void write_bytes(struct tmx_writer *w, const char *name, struct tmx_bytes b)
{
    char text[TMX_BASE64_SIZE(48)];
    if (b.size == 0) {
        return;
    }
    tmx_write_fmt(w, "%s ", name);
    for (size_t at = 0; at < b.size; at += 48) {
        tmx_base64(tmx_bytes_slice(b, at, b.size - at < 48 ? b.size - at : 48), text);
        tmx_write_bytes(w, tmx_bytes_str(text));
    }
    tmx_write_u8(w, '\n');
}

static void write_root(struct tmx_writer *w, const struct tmx_misbehaviour *m)
{
    write_bytes(w, "root", m->has_root ? TMX_BYTES_OF(m->root.b) : TMX_BYTES_NULL);
}

static void write_head(struct tmx_writer *w, struct tmx_bytes note)
{
    if (note.size > 0) {
        tmx_write_u8(w, '\n');
        tmx_write_bytes(w, note);
    }
}

static void write_fork(const struct tmx_misbehaviour *m, struct tmx_writer *w)
{
    char hash[TMX_BASE64_SIZE(TMX_HASH_SIZE)];
    tmx_write_fmt(w, "tmx-fork@v1\n");
    write_root(w, m);
    for (size_t at = 0; at + TMX_HASH_SIZE <= m->proof.size; at += TMX_HASH_SIZE) {
        tmx_base64(tmx_bytes_slice(m->proof, at, TMX_HASH_SIZE), hash);
        tmx_write_fmt(w, "%s\n", hash);
    }
    write_head(w, m->first);
    write_head(w, m->second);
}

static void write_entry(struct tmx_writer *w, const struct tmx_misbehaviour *m)
{
    tmx_write_fmt(w, "index %llu\n", (unsigned long long)m->index);
    write_bytes(w, "entry", cut(m->entry, TMX_MISBEHAVIOUR_ENTRY_MAX));
    write_bytes(w, "path", cut(m->path, TMX_MISBEHAVIOUR_PROOF_MAX));
}

void tmx_misbehaviour_write(const struct tmx_misbehaviour *m, struct tmx_writer *w)
{
    if (m->kind == TMX_MISBEHAVIOUR_FORK) {
        write_fork(m, w);
        return;
    }
    tmx_write_fmt(w, "tmx-misbehaviour@v1\n%s\n", reasons[m->kind]);
    switch ((unsigned)m->kind) {
    case TMX_MISBEHAVIOUR_NOT_INCLUDED:
        write_entry(w, m);
        write_head(w, m->first);
        break;
    case TMX_MISBEHAVIOUR_NOT_AS_SEEN:
        write_entry(w, m);
        write_root(w, m);
        write_bytes(w, "proof", cut(m->proof, TMX_MISBEHAVIOUR_PROOF_MAX));
        write_head(w, m->first);
        break;
    case TMX_MISBEHAVIOUR_NOT_SIGNED:
        write_bytes(w, "shown", cut(m->second, TMX_CHECKPOINT_MAX + 1));
        write_head(w, m->first);
        break;
    default:
        write_root(w, m);
        write_bytes(w, "proof", cut(m->proof, TMX_MISBEHAVIOUR_PROOF_MAX));
        write_head(w, m->first);
        write_head(w, m->second);
        break;
    }
}

/* --- read ----------------------------------------------------------------------------------------------------- */

/* The line of that name, when it is next; its value, decoded. */
static bool take_bytes(struct tmx_bytes *text, const char *name, uint8_t *data, size_t max, struct tmx_bytes *ret_bytes)
{
    struct tmx_bytes rest = *text, line;
    const size_t n = strlen(name);
    size_t size;
    *ret_bytes = TMX_BYTES_NULL;
    if (!tmx_take_line(&rest, &line) || line.size <= n + 1 || memcmp(line.data, name, n) != 0 || line.data[n] != ' ') {
        return true;   /* none */
    }
    if (!tmx_unbase64(tmx_bytes_slice(line, n + 1, line.size - n - 1), data, max, &size)) {
        return false;
    }
    *text = rest;
    *ret_bytes = TMX_BYTES(data, size);
    return true;
}

static bool take_hashes(struct tmx_bytes *text, uint8_t *data, struct tmx_bytes *ret_bytes)
{
    size_t used = 0, size;
    struct tmx_bytes rest = *text, line;
    while (tmx_take_line(&rest, &line) && line.size > 0) {
        if (used + TMX_HASH_SIZE > TMX_MISBEHAVIOUR_PROOF_MAX || !tmx_unbase64(line, data + used, TMX_HASH_SIZE, &size) ||
            size != TMX_HASH_SIZE) {
            return false;
        }
        used += size;
        *text = rest;
    }
    *ret_bytes = TMX_BYTES(data, used);
    return true;
}

/* A blank line, and a note up to the blank line behind its signatures or the end. */
static bool take_head(struct tmx_bytes *text, struct tmx_bytes *ret_note)
{
    struct tmx_bytes line, start;
    *ret_note = TMX_BYTES_NULL;
    if (text->size == 0) {
        return true;   /* none */
    }
    if (!tmx_take_line(text, &line) || line.size > 0) {
        return false;
    }
    start = *text;
    for (unsigned blank = 0; text->size > 0;) {
        struct tmx_bytes rest = *text;
        if (!tmx_take_line(&rest, &line) || (blank += line.size == 0) == 2) {
            break;
        }
        *text = rest;
    }
    *ret_note = TMX_BYTES(start.data, start.size - text->size);
    return ret_note->size > 0 && ret_note->size <= TMX_NOTE_MAX;
}

static bool take_index(struct tmx_bytes *text, uint64_t *ret_index)
{
    struct tmx_bytes line;
    return tmx_take_line(text, &line) && line.size > 6 && memcmp(line.data, "index ", 6) == 0 &&
           tmx_parse_u64(tmx_bytes_slice(line, 6, line.size - 6), UINT64_MAX, ret_index);
}

/* A line `root`, when it is next: a whole hash. */
static bool take_root(struct tmx_bytes *text, struct tmx_misbehaviour *m)
{
    struct tmx_bytes root;
    if (!take_bytes(text, "root", m->root.b, TMX_HASH_SIZE, &root)) {
        return false;
    }
    m->has_root = root.size == TMX_HASH_SIZE;
    return root.size == 0 || m->has_root;
}

static bool take_entry(struct tmx_bytes *text, struct tmx_misbehaviour_room *room, struct tmx_misbehaviour *m)
{
    return take_index(text, &m->index) && take_bytes(text, "entry", room->bytes, TMX_MISBEHAVIOUR_ENTRY_MAX, &m->entry) &&
           take_bytes(text, "path", room->path, sizeof(room->path), &m->path);
}

static bool take_proof(struct tmx_bytes *text, struct tmx_misbehaviour_room *room, struct tmx_misbehaviour *m)
{
    return take_root(text, m) && take_bytes(text, "proof", room->proof, sizeof(room->proof), &m->proof);
}

static bool parse_fork(struct tmx_bytes text, struct tmx_misbehaviour_room *room, struct tmx_misbehaviour *m)
{
    m->kind = TMX_MISBEHAVIOUR_FORK;
    if (!take_root(&text, m) || !take_hashes(&text, room->proof, &m->proof) || m->has_root != (m->proof.size > 0)) {
        return false;
    }
    return take_head(&text, &m->first) && take_head(&text, &m->second) && m->second.size > 0 && text.size == 0;
}

static bool parse_other(struct tmx_bytes text, struct tmx_misbehaviour_room *room, struct tmx_misbehaviour *m)
{
    struct tmx_bytes line;
    if (!tmx_take_line(&text, &line)) {
        return false;
    }
    unsigned kind = TMX_MISBEHAVIOUR_NOT_CONSISTENT;
    while (kind < TMX_N(reasons) && !tmx_bytes_eq(line, tmx_bytes_str(reasons[kind]))) {
        kind++;
    }
    if (kind == TMX_N(reasons)) {
        return false;
    }
    m->kind = (enum tmx_misbehaviour_kind)kind;
    bool ok;
    switch (kind) {
    case TMX_MISBEHAVIOUR_NOT_INCLUDED:
        ok = take_entry(&text, room, m) && take_head(&text, &m->first);
        break;
    case TMX_MISBEHAVIOUR_NOT_AS_SEEN:
        ok = take_entry(&text, room, m) && take_proof(&text, room, m) && take_head(&text, &m->first);
        break;
    case TMX_MISBEHAVIOUR_NOT_SIGNED:
        ok = take_bytes(&text, "shown", room->bytes, TMX_CHECKPOINT_MAX + 1, &m->second) && take_head(&text, &m->first);
        break;
    default:
        ok = take_proof(&text, room, m) && take_head(&text, &m->first) && take_head(&text, &m->second);
        if (ok && m->second.size == 0) {
            m->second = m->first;
            m->first = TMX_BYTES_NULL;
        }
        break;
    }
    return ok && text.size == 0;
}

bool tmx_misbehaviour_parse(struct tmx_bytes file, struct tmx_misbehaviour_room *room,
                            struct tmx_misbehaviour *ret_misbehaviour)
{
    struct tmx_misbehaviour m = { .index = 0 };
    struct tmx_bytes text = file, line;
    if (file.size > TMX_MISBEHAVIOUR_MAX || !tmx_take_line(&text, &line)) {
        return false;
    }
    bool fork = tmx_bytes_eq(line, TMX_LIT("tmx-fork@v1"));
    if (!fork && !tmx_bytes_eq(line, TMX_LIT("tmx-misbehaviour@v1"))) {
        return false;
    }
    if (!(fork ? parse_fork(text, room, &m) : parse_other(text, room, &m))) {
        return false;
    }
    *ret_misbehaviour = m;
    return true;
}
