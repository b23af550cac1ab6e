/* SPDX-License-Identifier: Apache-2.0
 * What a key has touched: a walk over the lines of the log, and over the heads that an export holds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tmx/text.h>

#include "compromise.h"
#include "export_dir.h"

#define PREKEY_GRACE_MS (24ull * 3600000) /* the broker takes a prekey so long after its time (KEY-4) */

struct walk {
    struct tmx_history *h;
    const struct tmx_suspect *s;
    struct tmx_compromise *c;
    tmx_compromise_fn *fn;
    void *ctx;
    uint64_t counted[TOUCHES];  /* 1 + the entry counted last: an entry may be several lines */
    /* SIGNING: prekeys it vouched for; PREKEY: the key's own time; LAST_RESORT: when there was another one. */
    bool window;
    uint64_t from_ms;
    uint64_t until_ms;
};

const char *tmx_touch_name(enum tmx_touch touch)
{
    static const char *const names[] = { "signed message", "signed report", "signed prekeys", "signed refused",
                                         "sealed",         "maybe sealed",   "maybe carried", "cosigned head" };

    return names[touch];
}

bool tmx_compromise_place(const char *text, uint64_t *ret_index, uint64_t *ret_ms)
{
    return tmx_parse_u64(tmx_bytes_str(text), UINT64_MAX, ret_index) || tmx_parse_time(tmx_bytes_str(text), ret_ms);
}

static bool in_range(const struct tmx_compromise *c, uint64_t index, uint64_t time_ms)
{
    return index >= c->from_index && index < c->to_index && time_ms >= c->from_ms && (c->to_ms == 0 || time_ms < c->to_ms);
}

static int touch(struct walk *w, enum tmx_touch t, const struct tmx_audit_line *l)
{
    struct tmx_compromise *c = w->c;

    if (w->counted[t] != l->index + 1) {
        w->counted[t] = l->index + 1;
        c->entries[t]++;
    }
    if (t != TOUCH_HEAD) {
        c->first = c->touched ? c->first : l->index;
        c->last = l->index;
        c->touched = true;
    }
    return w->fn(w->ctx, t, l);
}

static void widen(struct walk *w, uint64_t from_ms, uint64_t until_ms)
{
    w->from_ms = !w->window || from_ms < w->from_ms ? from_ms : w->from_ms;
    w->until_ms = !w->window || until_ms > w->until_ms ? until_ms : w->until_ms;
    w->window = true;
}

static bool in_window(const struct walk *w, uint64_t time_ms, uint64_t grace_ms)
{
    return w->window && time_ms >= w->from_ms && time_ms < w->until_ms + grace_ms;
}

/* What was carried over from the shard before was sealed before. */
static bool is_sent_to(const struct tmx_audit_line *l, const char *member)
{
    return (strcmp(l->kind, "acceptance") == 0 || strcmp(l->kind, "resubmission") == 0) && strcmp(l->recipient, member) == 0;
}

/* --- by the use of the key ------------------------------------------------------------------------------------ */

static int on_signing(struct walk *w, const struct tmx_audit_line *l, bool range)
{
    const bool own = l->has_key && l->key_id == w->s->verify.id && strcmp(l->member, w->s->owner) == 0;
    int r = 0;

    if (!range) {
        return 0;
    }
    if (own && strcmp(l->kind, "prekeys") == 0) {
        widen(w, l->prekeys_from_ms, l->prekeys_until_ms);
        return touch(w, TOUCH_PREKEYS, l);
    }
    if (own) {
        r = touch(w, strcmp(l->kind, "refusal") == 0 ? TOUCH_REFUSED : strcmp(l->kind, "report") == 0 ? TOUCH_REPORT : TOUCH_MESSAGE, l);
    }
    if (r == 0 && is_sent_to(l, w->s->owner) && in_window(w, l->time_ms, PREKEY_GRACE_MS)) {
        r = touch(w, TOUCH_SEALED, l);
    }
    return r;
}

/* It was sealed to one of the owner's keys while this was one of them; who has the container knows which. */
static int maybe_sealed(struct walk *w, const struct tmx_audit_line *l)
{
    const int named = w->c->ask != NULL && l->has_message ? w->c->ask(w->c->ask_ctx, l->message_id, w->s->id) : -ENOENT;

    if (named < 0 && named != -ENOENT) {
        return named;
    }
    return named == 0 ? 0 : touch(w, named > 0 ? TOUCH_OPENED : TOUCH_SEALED, l);
}

/* Messages to the owner. */
static int on_prekey(struct walk *w, const struct tmx_audit_line *l, bool range)
{
    const bool own_set = strcmp(l->kind, "prekeys") == 0 && strcmp(l->member, w->s->owner) == 0;
    bool sealed;

    if (own_set && w->s->use == KEY_USE_LAST_RESORT) {
        widen(w, l->prekeys_from_ms, l->prekeys_until_ms);
    }
    sealed = w->s->use == KEY_USE_PREKEY ? in_window(w, l->time_ms, PREKEY_GRACE_MS) : !in_window(w, l->time_ms, 0);
    return range && sealed && is_sent_to(l, w->s->owner) ? maybe_sealed(w, l) : 0;
}

static int on_line(void *ctx, const struct tmx_audit_line *l)
{
    struct walk *w = ctx;
    const bool range = in_range(w->c, l->index, l->time_ms);

    switch (w->s->use) {
    case KEY_USE_SIGNING:
        return on_signing(w, l, range);
    case KEY_USE_TRANSPORT:
        return range && l->has_key && strcmp(l->member, w->s->owner) == 0 ? touch(w, TOUCH_CARRIED, l) : 0;
    case KEY_USE_PREKEY:
    case KEY_USE_LAST_RESORT:
        return on_prekey(w, l, range);
    case KEY_USE_WITNESS:
        break;
    }
    return 0;
}

/* --- heads ---------------------------------------------------------------------------------------------------- */

static int on_head(struct walk *w, uint64_t size, struct tmx_bytes note)
{
    struct tmx_audit_line l = { .index = size, .kind = "head", .outcome = "", .code = "" };
    uint64_t time_s;

    if (size == 0 || tmx_cosignature_verify(note, &w->s->verify, &time_s) != TMX_COSIGNATURE_OK) {
        return 0;
    }
    l.time_ms = time_s * 1000;
    snprintf(l.member, sizeof l.member, "%.*s", TMX_MEMBER_MAX, w->s->outside ? "" : w->s->owner);
    return in_range(w->c, size - 1, l.time_ms) ? touch(w, TOUCH_HEAD, &l) : 0;   /* by its last entry */
}

/* Files are walked by their names, not by their sizes. */
struct sizes {
    size_t n;
    size_t room;
    uint64_t *list;
};

static int collect(void *ctx, int dir_fd, const char *path)
{
    struct sizes *sizes = ctx;
    uint64_t size;

    (void)dir_fd;
    if (tmx_export_is_folder(path) || !tmx_export_old_parse(EXPORT_CHECKPOINTS, path, &size)) {
        return 0; /* verify says what has no place here */
    }
    if (sizes->n == sizes->room) {
        const size_t room = sizes->room == 0 ? 256 : 2 * sizes->room;
        uint64_t *list = realloc(sizes->list, room * sizeof list[0]);

        if (list == NULL) {
            return -ENOMEM;
        }
        sizes->list = list;
        sizes->room = room;
    }
    sizes->list[sizes->n++] = size;
    return 0;
}

static int compare(const void *a, const void *b)
{
    const uint64_t left = *(const uint64_t *)a;
    const uint64_t right = *(const uint64_t *)b;

    return (left > right) - (left < right);
}

static int on_head_file(struct walk *w, uint64_t size)
{
    char path[EXPORT_PATH_MAX];
    uint8_t *note;
    size_t note_size;
    int r;

    tmx_export_old_path(EXPORT_CHECKPOINTS, size, path);
    r = tmx_export_read(w->h->fd, path, TMX_NOTE_MAX, &note, &note_size);
    if (r == 0) {
        r = on_head(w, size, TMX_BYTES(note, note_size));
        free(note);
    }
    return r;
}

static int heads(struct walk *w, char why[HISTORY_WHY_MAX])
{
    struct sizes sizes = { .n = 0 };
    int r = tmx_export_walk(&w->h->fd, 1, tmx_export_old_folder(EXPORT_CHECKPOINTS), collect, &sizes);

    r = r == -ENOENT ? 0 : r; /* no hour is over yet */
    if (sizes.n > 1) {
        qsort(sizes.list, sizes.n, sizeof sizes.list[0], compare);
    }
    for (size_t i = 0; r == 0 && i < sizes.n; i++) {
        r = sizes.list[i] < w->h->head.size ? on_head_file(w, sizes.list[i]) : 0;
    }
    free(sizes.list);
    r = r == 0 ? on_head(w, w->h->head.size, TMX_BYTES(w->h->note, w->h->note_size)) : r;
    if (r < 0) {
        snprintf(why, HISTORY_WHY_MAX, "%s: earlier heads: %s", w->h->path, strerror(-r));
    }
    return r;
}

int tmx_compromise_run(struct tmx_history *h, const struct tmx_suspect *s, struct tmx_compromise *c, tmx_compromise_fn *fn,
                       void *ctx, char ret_why[HISTORY_WHY_MAX])
{
    struct walk w = { .h = h, .s = s, .c = c, .fn = fn, .ctx = ctx };
    int r;

    if (s->use == KEY_USE_PREKEY) {
        widen(&w, s->from_ms, s->until_ms);
    }
    r = tmx_audit_lines(h, on_line, &w, ret_why);
    return r == 0 && s->use == KEY_USE_WITNESS ? heads(&w, ret_why) : r;
}
