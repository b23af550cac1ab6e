/* SPDX-License-Identifier: Apache-2.0
 * The keys of a directory for other verifiers: a line each, as c2sp.org/signed-note writes them.
 */
#include "show.h"

#include <stdio.h>

/* False: no key that a directory may list. */
static bool print_vkey(const char *federation, const char *what, struct tmx_bytes who, uint8_t type,
                       struct tmx_bytes key)
{
    char name[TMX_KEYNAME_MAX];
    char text[2 * TMX_KEYNAME_MAX];
    struct tmx_writer nw = TMX_WRITER_OF(name);
    struct tmx_writer w = TMX_WRITER_OF(text);
    struct tmx_verify_key v;
    tmx_write_fmt(&nw, "tmx.%s/%s/%.*s", federation, what, (int)who.size, (const char *)who.data);
    if (nw.failed || key.size != sizeof(v.key) || !tmx_verify_key_init(tmx_written(&nw), type, key.data, &v)) {
        return false;
    }
    tmx_verify_key_format(&v, &w);
    printf("%.*s\n", (int)w.used, text);
    return !w.failed;
}

static bool print_member_keys(const struct view *v, const char *what, const Tmx__Member *m, uint8_t type,
                              Tmx__MemberKey *const *keys, size_t n)
{
    bool ok = true;
    for (size_t i = 0; i < n; i++) {
        ok = ok && print_vkey(v->federation, what, tmx_pb(m->code), type, tmx_pb(keys[i]->key));
    }
    return ok;
}

int show_vkeys(const struct view *v)
{
    const Tmx__Directory *d = v->d;
    bool ok = true;
    for (size_t i = 0; i < d->n_logs; i++) {
        ok = ok && print_vkey(v->federation, "log", tmx_pb(d->logs[i]->shard), TMX_NOTE_ED25519, tmx_pb(d->logs[i]->key));
    }
    for (size_t i = 0; i < d->n_members; i++) {
        const Tmx__Member *m = d->members[i];
        ok = ok && print_member_keys(v, "node", m, TMX_NOTE_ED25519, m->signing_keys, m->n_signing_keys);
    }
    for (size_t i = 0; i < d->n_members; i++) {
        const Tmx__Member *m = d->members[i];
        ok = ok && print_member_keys(v, "witness", m, TMX_NOTE_COSIGNATURE, m->witness_keys, m->n_witness_keys);
    }
    return ok ? 0 : fail("%s: lists a key that is none", v->path);
}
