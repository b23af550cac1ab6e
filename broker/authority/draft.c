/* SPDX-License-Identifier: Apache-2.0
 * The draft of the next directory, and the folder's other texts.
 */
#include "authority.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <tmx/text.h>

#include "envelope.pb-c.h"

const char *federation_of(struct tool *t, const Tmx__Directory *d)
{
    char *name = take(t, d->federation.len + 1);
    memcpy(name, d->federation.data, d->federation.len);
    return name;
}

bool draft_load(struct tool *t, Tmx__Directory **ret_draft)
{
    const char *path = path_in(t, t->dir, "directory.draft");
    struct tmx_bytes content;
    if (access(path, F_OK) < 0) {
        fail("%s: there is no draft here: run 'tmx-authority init' first, or name the folder with --dir", path);
        return false;
    }
    if (!read_file(t, path, TMX_DIRECTORY_MAX, &content)) {
        return false;
    }
    if (tmx_codec_unpack(&tmx__directory__descriptor, content, TMX_DIRECTORY_MAX, &t->arena, ret_draft) !=
            TMX_CODEC_OK ||
        (*ret_draft)->kind != TMX__KIND__KIND_DIRECTORY) {
        fail("%s: not a draft of a directory: restore it from a copy", path);
        return false;
    }
    return true;
}

bool draft_save(struct tool *t, Tmx__Directory *draft)
{
    const char *path = path_in(t, t->dir, "directory.draft");
    const char *where = "";
    uint64_t last;
    if (!last_serial_load(t, &last)) {
        return false;
    }
    draft->serial = last + 1;
    int r = tmx_directory_check(draft, &where);
    if (r != TMX_DIRECTORY_OK) {
        fail("%s: not changed: %s (%s)", path, tmx_directory_error_text(r), where);
        return false;
    }
    struct tmx_bytes content = pack(t, draft);
    if (content.size > TMX_DIRECTORY_MAX - 16 * 128) {   /* signatures need room too */
        fail("%s: not changed: the directory would be too large", path);
        return false;
    }
    if (!write_file(t, path, content)) {
        return false;
    }
    printf("%s: serial %llu, %zu members, not signed yet\n", path, (unsigned long long)draft->serial,
           draft->n_members);
    return true;
}

bool draft_is(struct tool *t, Tmx__Directory *draft, const Tmx__Directory *d, struct tmx_bytes packed)
{
    draft->serial = d->serial;
    draft->issued_ms = d->issued_ms;
    draft->expires_ms = d->expires_ms;
    return tmx_bytes_eq(pack(t, draft), packed);
}

Tmx__Member *draft_member(const Tmx__Directory *draft, struct tmx_bytes code)
{
    for (size_t i = 0; i < draft->n_members; i++) {
        if (tmx_bytes_eq(tmx_pb(draft->members[i]->code), code)) {
            return draft->members[i];
        }
    }
    return NULL;
}

bool last_serial_load(struct tool *t, uint64_t *ret_serial)
{
    const char *path = path_in(t, t->dir, "last-serial");
    struct tmx_bytes content, line;
    if (access(path, F_OK) < 0 && errno == ENOENT) {
        *ret_serial = 0;
        return true;
    }
    if (!read_file(t, path, 64, &content)) {
        return false;
    }
    if (!next_line(&content, &line) || content.size != 0 || !tmx_parse_u64(line, UINT64_MAX - 1, ret_serial)) {
        fail("%s: not a number: write the serial of the last signed directory into it", path);
        return false;
    }
    return true;
}

bool last_serial_save(struct tool *t, uint64_t serial)
{
    char text[32];
    struct tmx_writer w = TMX_WRITER_OF(text);
    tmx_write_fmt(&w, "%llu\n", (unsigned long long)serial);
    return write_file(t, path_in(t, t->dir, "last-serial"), tmx_written(&w));
}

bool authority_load(struct tool *t, const char *path, struct tmx_authority *ret_authority)
{
    struct tmx_bytes content;
    if (!read_file(t, path, TMX_NOTE_MAX, &content)) {
        return false;
    }
    if (!tmx_authority_parse(content, ret_authority)) {
        fail("%s: not the authority's public keys: a line 'threshold K', then one key line each", path);
        return false;
    }
    return true;
}
