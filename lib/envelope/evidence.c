/* SPDX-License-Identifier: Apache-2.0
 * The form of an evidence bundle. EVI-1
 */
#include <tmx/evidence.h>

#include <tmx/code.h>

#include "rules.h"

static unsigned bad(unsigned code, const char *what, const char **ret_what)
{
    *ret_what = what;
    return code;
}

static unsigned leaves_valid(const Tmx__Evidence *e, const char **ret_what)
{
    for (size_t i = 0; i < e->n_leaves; i++) {
        const Tmx__EvidenceLeaf *l = e->leaves[i];
        if (l->entry.len > TMX_ENTRY_MAX || l->attachment.len > TMX_ATTACHMENT_MAX ||
            l->path.len > TMX_TREE_DEPTH_MAX * TMX_HASH_SIZE) {
            return bad(TMX_CODE_TOO_LARGE, "an entry, a path or an attachment", ret_what);
        }
        if (l->entry.len == 0 || l->path.len % TMX_HASH_SIZE != 0 || l->checkpoint >= e->n_checkpoints) {
            return bad(TMX_CODE_MALFORMED,
                       "a leaf without entry, of a path that is no whole hashes, or of no checkpoint", ret_what);
        }
    }
    return TMX_CODE_OK;
}

static unsigned parts_valid(const Tmx__Evidence *e, const char **ret_what)
{
    if (e->n_directories > TMX_EVIDENCE_DIRECTORIES_MAX || e->n_checkpoints > TMX_EVIDENCE_CHECKPOINTS_MAX ||
        e->n_leaves > TMX_EVIDENCE_LEAVES_MAX) {
        return bad(TMX_CODE_TOO_LARGE, "the number of directories, checkpoints or leaves", ret_what);
    }
    for (size_t i = 0; i < e->n_directories; i++) {
        if (e->directories[i].len > TMX_DIRECTORY_MAX) {
            return bad(TMX_CODE_TOO_LARGE, "a directory", ret_what);
        }
    }
    for (size_t i = 0; i < e->n_checkpoints; i++) {
        if (e->checkpoints[i].len > TMX_NOTE_MAX) {
            return bad(TMX_CODE_TOO_LARGE, "a checkpoint", ret_what);
        }
    }
    if (e->container.len > TMX_CONTAINER_MAX) {
        return bad(TMX_CODE_TOO_LARGE, "the container", ret_what);
    }
    if (!rule_size(e->message_id, TMX_ID_SIZE) || !rule_empty_or(e->content_key, 32) || e->n_directories == 0 ||
        e->n_checkpoints == 0 || e->n_leaves == 0) {
        return bad(TMX_CODE_MALFORMED,
                   "no message id, a content key of a wrong size, or no directory, checkpoint or leaf", ret_what);
    }
    return leaves_valid(e, ret_what);
}

/* What every bundle begins with, whatever the version: a later one may have fields that are not known here. */
static unsigned version_of(struct tmx_bytes file)
{
    struct tmx_reader r = tmx_reader_init(file);
    unsigned tag = tmx_read_u8(&r), version = tmx_read_u8(&r);
    bool bundle = tag == 0x08 && version < 0x80 && tmx_read_u8(&r) == 0x12 && tmx_read_u8(&r) == TMX_ID_SIZE;
    return tmx_reader_ok(&r) && bundle ? version : 0;
}

unsigned tmx_evidence_parse(struct tmx_bytes file, struct tmx_arena *arena, Tmx__Evidence **ret_evidence,
                            const char **ret_what)
{
    Tmx__Evidence *e = NULL;
    unsigned version = version_of(file);
    if (file.size > TMX_EVIDENCE_MAX) {
        return bad(TMX_CODE_TOO_LARGE, "the file", ret_what);
    }
    if (version == 0) {
        return bad(TMX_CODE_MALFORMED, "it does not begin as one does", ret_what);
    }
    if (version != TMX_EVIDENCE_VERSION) {
        return bad(TMX_CODE_BAD_VERSION, "the file", ret_what);
    }
    unsigned code = rule_unpack(&tmx__evidence__descriptor, file, TMX_EVIDENCE_MAX, arena, &e);
    if (code == TMX_CODE_OK) {
        code = parts_valid(e, ret_what);
    } else {
        *ret_what = "it begins as one does, and is cut short or damaged";
    }
    if (code == TMX_CODE_OK) {
        *ret_evidence = e;
    }
    return code;
}
