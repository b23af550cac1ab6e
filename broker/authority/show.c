/* SPDX-License-Identifier: Apache-2.0
 * show: a signed directory or a draft, for people. What it says of validity comes from the same code the broker and the
 * nodes use.
 */
#include "show.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <tmx/text.h>

#include "envelope.pb-c.h"

void key_short_id(const char *federation, enum key_use use, struct tmx_bytes member, struct tmx_bytes key,
                  char ret_id[9])
{
    char name[TMX_KEYNAME_MAX];
    uint8_t hash[32];
    struct tmx_verify_key v;
    struct tmx_writer w = TMX_WRITER_OF(name);
    if (use == KEY_WITNESS) {
        tmx_witness_key_name(federation, member, &w);
    } else {
        tmx_node_key_name(federation, member, &w);
    }
    if (use != KEY_X25519 && key.size == 32 &&
        tmx_verify_key_init(tmx_written(&w), use == KEY_WITNESS ? TMX_NOTE_COSIGNATURE : TMX_NOTE_ED25519, key.data,
                            &v)) {
        snprintf(ret_id, 9, "%08x", v.id);
        return;
    }
    crypto_hash_sha256(hash, key.data, key.size);
    tmx_hex(TMX_BYTES(hash, 4), ret_id);
}

const char *status_name(Tmx__MemberStatus status)
{
    static const char *const names[] = {
        [TMX__MEMBER_STATUS__MEMBER_NONE] = "none",
        [TMX__MEMBER_STATUS__MEMBER_ACTIVE] = "active",
        [TMX__MEMBER_STATUS__MEMBER_SUSPENDED] = "suspended",
        [TMX__MEMBER_STATUS__MEMBER_REVOKED] = "revoked",
    };
    return (size_t)status < TMX_N(names) ? names[status] : "unknown";
}

/* Who made a signature, and whether it verifies under a pinned key. */
static void judge_signature(struct view *v, const struct tmx_authority *pinned, const Tmx__AuthoritySignature *sig,
                            struct signature_view *ret_view)
{
    char text[512];
    struct tmx_writer w = TMX_WRITER_OF(text);
    tmx_directory_text(tmx_pb(v->d->federation), v->d->serial, tmx_pb(v->s->directory), &w);
    *ret_view = (struct signature_view){ .id = sig->key_id, .verdict = "not checked" };
    if (pinned == NULL) {
        return;
    }
    ret_view->verdict = "unknown key";
    for (unsigned i = 0; i < pinned->n; i++) {
        if (pinned->keys[i].id == sig->key_id) {
            bool good = sig->signature.len == 64 && !w.failed &&
                        crypto_sign_ed25519_verify_detached(sig->signature.data, w.start, w.used,
                                                            pinned->keys[i].key) == 0;
            snprintf(ret_view->name, sizeof(ret_view->name), "%s", pinned->keys[i].name);
            ret_view->verdict = good ? "valid" : "INVALID";
        }
    }
}

static bool unpack_any(struct tool *t, struct tmx_bytes content, struct view *v)
{
    const ProtobufCMessageDescriptor *type = &tmx__directory__descriptor;
    if (tmx_codec_unpack(&tmx__signed_directory__descriptor, content, TMX_DIRECTORY_MAX, &t->arena, &v->s) ==
        TMX_CODEC_OK) {
        return tmx_codec_unpack(type, tmx_pb(v->s->directory), TMX_DIRECTORY_MAX, &t->arena, &v->d) == TMX_CODEC_OK;
    }
    v->s = NULL;
    return tmx_codec_unpack(type, content, TMX_DIRECTORY_MAX, &t->arena, &v->d) == TMX_CODEC_OK;
}

/* Loads it as a daemon would: with the pinned keys, after the directory in force. */
static bool judge(struct tool *t, struct tmx_bytes content, const struct tmx_authority *pinned, struct view *v)
{
    struct tmx_directory *in_force = NULL;
    struct tmx_directory *loaded = NULL;
    struct tmx_bytes before;
    int r = TMX_DIRECTORY_OK;
    if (t->in_force != NULL) {
        if (!read_file(t, t->in_force, TMX_DIRECTORY_MAX, &before)) {
            return false;
        }
        r = tmx_directory_load(before, pinned, NULL, &in_force);
        if (r != TMX_DIRECTORY_OK) {
            fail("%s: %s", t->in_force, tmx_directory_error_text(r));
            return false;
        }
    }
    r = tmx_directory_load(content, pinned, in_force, &loaded);
    v->verdict = r;
    v->judged = true;
    tmx_directory_free(loaded);
    tmx_directory_free(in_force);
    return true;
}

/* What an operator asks who names no file: the draft as long as it is not what was signed last. NULL after fail(). */
static const char *choose_file(struct tool *t)
{
    const char *draft_path = path_in(t, t->dir, "directory.draft"), *signed_path = path_in(t, t->dir, "directory.tmx");
    struct view v = { 0 };
    Tmx__Directory *draft;
    struct tmx_bytes content;
    bool any = access(signed_path, F_OK) == 0;
    if (any && access(draft_path, F_OK) < 0) {
        return signed_path;
    }
    if (!draft_load(t, &draft)) {
        return NULL;
    }
    if (!any) {
        return draft_path;
    }
    if (!read_file(t, signed_path, TMX_DIRECTORY_MAX, &content)) {
        return NULL;
    }
    if (!unpack_any(t, content, &v) || v.s == NULL) {
        fail("%s: not a signed directory: move it away", signed_path);
        return NULL;
    }
    bool later = draft->serial > v.d->serial;   /* issued again, though nothing was changed */
    return later || !draft_is(t, draft, v.d, tmx_pb(v.s->directory)) ? draft_path : signed_path;
}

int run_show(struct tool *t)
{
    struct view v = { 0 };
    struct tmx_authority pinned;
    struct tmx_bytes content;
    v.path = t->argument != NULL ? t->argument : choose_file(t);
    if (v.path == NULL || !read_file(t, v.path, TMX_DIRECTORY_MAX, &content)) {
        return 1;
    }
    if (!unpack_any(t, content, &v)) {
        return fail("%s: neither a signed directory nor a draft", v.path);
    }
    if (t->in_force != NULL && t->authority == NULL) {
        return fail("--in-force needs --authority: the pinned keys decide what was in force");
    }
    if (t->vkeys && (t->authority == NULL || t->json)) {
        return fail(t->json ? "--vkeys and --json exclude each other"
                            : "--vkeys needs --authority: the pinned keys vouch for those of the directory");
    }
    if (t->authority != NULL && v.s == NULL) {
        return fail("%s: cannot be checked, since it is not signed yet: sign it, or name a signed directory", v.path);
    }
    if (t->authority != NULL && (!authority_load(t, t->authority, &pinned) || !judge(t, content, &pinned, &v))) {
        return 1;
    }
    v.federation = federation_of(t, v.d);
    v.expired = v.d->expires_ms <= now_ms();
    v.n_signatures = v.s == NULL ? 0 : v.s->n_signatures;
    v.signatures = take(t, (v.n_signatures + 1) * sizeof(*v.signatures));
    for (size_t i = 0; i < v.n_signatures; i++) {
        judge_signature(&v, t->authority != NULL ? &pinned : NULL, v.s->signatures[i], &v.signatures[i]);
    }
    if (t->vkeys) {
        if (v.verdict == TMX_DIRECTORY_OK) {
            return show_vkeys(&v);
        }
    } else if (t->json) {
        show_json(&v);
    } else {
        show_tables(&v);
    }
    if (v.judged && v.verdict != TMX_DIRECTORY_OK) {
        return fail("%s: not valid: %s", v.path, tmx_directory_error_text(v.verdict));
    }
    return 0;
}
