/* SPDX-License-Identifier: Apache-2.0
 * Pages against the audit of the log. See fold.h for why this is exact.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fold.h"
#include "fold_pages.h"
#include "pruned.h"
#include "rows.h"

struct fold {
    struct tmx_export_job job; /* what asking needs of one */
    struct tmx_fold_pages pages;
    struct tmx_fold_result *result;
    size_t next;            /* page to be compared */
    size_t differs_at;      /* page of the difference */
    uint8_t *rows;          /* of one page */
};

/* --- row by row ----------------------------------------------------------------------------------------------- */

static struct tmx_fold_difference *differs(struct fold *f, const struct tmx_fold_page *page)
{
    struct tmx_fold_difference *d = &f->result->difference;

    f->result->differs = true;
    f->differs_at = (size_t)(page - f->pages.pages);
    *d = (struct tmx_fold_difference){ .table = page->table, .size = page->size };
    return d;
}

/* False: the row differs. */
static bool compare_row(struct fold *f, const struct tmx_audit *a, const struct tmx_fold_page *page, const uint8_t *row)
{
    const size_t size = tmx_projection_layout(page->table)->row_size;
    uint8_t own[TMX_PROJECTION_ROW_MAX];
    uint64_t since = 0;
    const bool in_log = tmx_audit_row(a, page->table, row, own, &since);
    struct tmx_fold_difference *d;

    if (in_log && memcmp(own, row, size) == 0) {
        return true;
    }
    d = differs(f, page);
    d->in_log = in_log;
    d->at_broker = true;
    d->since = since;
    memcpy(d->broker, row, size);
    if (in_log) {
        memcpy(d->log, own, size);
    }
    return false;
}

static void count_row(struct fold *f, const struct tmx_fold_page *page, const uint8_t *row)
{
    const struct tmx_projection_layout *layout = tmx_projection_layout(page->table);
    size_t at = 0;

    f->result->rows[page->table]++;
    for (size_t i = 0; page->table == TMX_PROJECTION_DELIVERIES && i < layout->n_fields; i++) {
        if (layout->fields[i].kind == TMX_PROJECTION_STATE) {
            f->result->states[row[at]]++;   /* one of the log's: the row is equal */
        }
        at += tmx_projection_field_size(layout->fields[i].kind);
    }
}

/* --- what the broker lacks ------------------------------------------------------------------------------------ */

/* Pages of one table, and what the log gives in their place. */
struct place {
    struct fold *f;
    struct tmx_fold_page *pages;
    size_t n;
    const struct tmx_projection_layout *layout;
    const uint8_t *rows;   /* of the page that lacks something */
    bool found;
    uint8_t lacks[TMX_PROJECTION_ROW_MAX];
    uint64_t came;
};

/* The page in whose place the row is, if the broker had to have it by then. */
static struct tmx_fold_page *page_of(const struct place *p, const uint8_t *row, uint64_t came)
{
    const struct tmx_bytes key = TMX_BYTES(row, p->layout->key_size);
    size_t low = 0;
    size_t high = p->n;

    while (low < high) {
        const size_t middle = (low + high) / 2;
        const int where = tmx_fold_place(&p->pages[middle], key);

        if (where == 0) {
            return came < p->pages[middle].size ? &p->pages[middle] : NULL;
        }
        low = where > 0 ? middle + 1 : low;
        high = where < 0 ? middle : high;
    }
    return NULL;
}

static void want_row(void *ctx, const uint8_t *row, uint64_t came)
{
    const struct place *p = ctx;
    struct tmx_fold_page *page = page_of(p, row, came);

    if (page != NULL) {
        page->wanted++;
    }
}

static int by_key(const void *a, const void *b)
{
    const struct tmx_bytes *key = a;

    return memcmp(key->data, b, key->size);
}

/* Keeps the lowest key that the page has not. */
static void find_lacking(void *ctx, const uint8_t *row, uint64_t came)
{
    struct place *p = ctx;
    const struct tmx_bytes key = TMX_BYTES(row, p->layout->key_size);

    if (page_of(p, row, came) == NULL || (p->found && memcmp(p->lacks, key.data, key.size) <= 0) ||
        bsearch(&key, p->rows, p->pages[0].rows, p->layout->row_size, by_key) != NULL) {
        return;
    }
    p->found = true;
    memcpy(p->lacks, row, p->layout->row_size);
    p->came = came;
}

/* Names what a page lacks. Nothing is found when the log gives several rows for one key, which no broker can hold. */
static int name_lacking(struct fold *f, const struct tmx_audit *a, struct tmx_fold_page *page)
{
    struct place p = { .f = f, .pages = page, .n = 1, .layout = tmx_projection_layout(page->table), .rows = f->rows };
    struct tmx_fold_difference *d;
    uint8_t own[TMX_PROJECTION_ROW_MAX];
    int r = tmx_fold_read(&f->pages, page, f->rows);

    if (r < 0) {
        return r;
    }
    tmx_audit_rows(a, page->table, find_lacking, &p);
    d = differs(f, page);
    d->in_log = p.found;
    d->since = p.came;
    memcpy(d->log, p.lacks, sizeof d->log);
    if (p.found && p.came == 0) {
        p.found = tmx_audit_row(a, page->table, p.lacks, own, &d->since);
    }
    return 0;
}

/* Counts what the log gives in the place of some pages of a table; they were compared. */
static int check_complete(struct fold *f, const struct tmx_audit *a, size_t first, size_t end)
{
    struct place p = { .f = f, .pages = &f->pages.pages[first], .n = end - first };

    p.layout = tmx_projection_layout(p.pages[0].table);
    tmx_audit_rows(a, p.pages[0].table, want_row, &p);
    for (size_t i = first; i < end && (!f->result->differs || i < f->differs_at); i++) {
        if (f->pages.pages[i].wanted != f->pages.pages[i].rows) {
            return name_lacking(f, a, &f->pages.pages[i]);
        }
    }
    return 0;
}

/* Rows that are never taken back: when each came tells at the end what had to be there. */
static bool keeps_rows(enum tmx_projection_table table)
{
    return table == TMX_PROJECTION_MESSAGES || table == TMX_PROJECTION_DELIVERIES || table == TMX_PROJECTION_REFUSED_IDS ||
           table == TMX_PROJECTION_REFUSALS;
}

/* --- page by page --------------------------------------------------------------------------------------------- */

static int compare_page(struct fold *f, const struct tmx_audit *a, size_t n)
{
    const struct tmx_fold_page *page = &f->pages.pages[n];
    const size_t row_size = tmx_projection_layout(page->table)->row_size;
    int r = tmx_fold_read(&f->pages, page, f->rows);

    if (r < 0) {
        return r;
    }
    for (uint64_t i = 0; i < page->rows; i++) {
        if (!compare_row(f, a, page, f->rows + i * row_size)) {
            return 0;
        }
        count_row(f, page, f->rows + i * row_size);
    }
    return keeps_rows(page->table) ? 0 : check_complete(f, a, n, n + 1);
}

/* tmx_check_watch_fn. After the first difference no page is looked at: they are in their order. */
static int watch(void *ctx, const struct tmx_audit *a)
{
    struct fold *f = ctx;
    const uint64_t entries = tmx_audit_result(a)->entries;
    int r = 0;

    while (r == 0 && !f->result->differs && f->next < f->pages.n && f->pages.pages[f->next].size == entries) {
        r = compare_page(f, a, f->next++);
    }
    return r;
}

static int check_kept(struct fold *f, const struct tmx_audit *a)
{
    int r = 0;

    for (unsigned t = 0; r == 0 && t < TMX_PROJECTION_TABLES; t++) {
        if (keeps_rows((enum tmx_projection_table)t)) {
            r = check_complete(f, a, f->pages.first[t], f->pages.first[t + 1]);
        }
    }
    return r;
}

static int compare(struct fold *f, const struct tmx_fold_order *order)
{
    struct tmx_fold_result *result = f->result;
    const struct tmx_audit_summary *summary;
    const struct tmx_audit *a;
    const char *what;
    int r = tmx_check_watched(order->export.dir, order->authority, order->jobs, watch, f, &result->check, &what);

    if (r < 0) {
        return tmx_export_fail(&f->job, r, "%s", what);
    }
    a = tmx_check_audit(result->check);
    summary = tmx_audit_result(a);
    if (!tmx_audit_ok(a)) {
        return 0;
    }
    if (summary->kinds[TMX__ENTRY_KIND__ENTRY_CARRY_DELIVERY] > 0) {
        return tmx_export_fail(&f->job, -ENOTSUP, "deliveries are carried from an earlier log, which has what this one does not say of them");
    }
    r = check_kept(f, a);
    return r < 0 ? tmx_export_fail(&f->job, r, "cannot read the broker's state again") : 0;
}

/* --- all of it ------------------------------------------------------------------------------------------------ */

/* What entries that are pruned gave is not known: such an export folds to nothing. One that is malformed is the check's to tell. */
static int refuse_pruned(struct fold *f, int dir_fd, const char *dir)
{
    uint64_t begin;

    if (tmx_pruned_read(dir_fd, UINT64_MAX, &begin) == 0 && begin > 0) {
        return tmx_export_fail(&f->job, -ENOTSUP, "%s is pruned: its " PRUNED_FILE " says that entries before %llu are missing, and with "
                               "them the state that they gave; fold into another directory", dir, (unsigned long long)begin);
    }
    return 0;
}

/* The pages, then the log they are of. */
static int gather(struct fold *f, int dir_fd, const struct tmx_fold_order *order)
{
    struct tmx_fold_result *result = f->result;
    int r = tmx_fold_ask(&f->job, dir_fd, &f->pages);

    if (r < 0) {
        return r;
    }
    result->first_size = f->pages.pages[0].size;
    result->last_size = f->pages.pages[f->pages.n - 1].size;
    r = tmx_export_run(&order->export, &result->head, &result->uncosigned, f->job.why);
    if (r == 0 && result->head.size < result->last_size) {
        r = tmx_export_fail(&f->job, -EBADMSG, "the broker's head is of %llu entries, but its state of %llu: it signs nothing more",
                            (unsigned long long)result->head.size, (unsigned long long)result->last_size);
    }
    return r;
}

int tmx_fold_run(const struct tmx_fold_order *order, struct tmx_fold_result *ret_result, char ret_why[EXPORT_WHY_MAX])
{
    struct tmx_fold_result result = { .check = NULL };
    struct fold f = { .job = { .order = &order->export, .why = ret_why, .fd = -1, .base = -1 }, .pages = { .fd = -1 }, .result = &result };
    int dir_fd = -1;
    int r;

    if (mkdir(order->export.dir, 0777) < 0 && errno != EEXIST) {
        return tmx_export_fail(&f.job, -errno, "cannot make %s", order->export.dir);
    }
    f.rows = malloc(TMX_CONTROL_STATE_BYTES);
    dir_fd = f.rows == NULL ? -1 : open(order->export.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0) {
        r = tmx_export_fail(&f.job, f.rows == NULL ? -ENOMEM : -errno, "cannot open %s", order->export.dir);
    } else {
        r = refuse_pruned(&f, dir_fd, order->export.dir);
        if (r == 0) {
            r = gather(&f, dir_fd, order);
        }
        close(dir_fd);
    }
    if (r == 0) {
        r = compare(&f, order);
    }
    tmx_fold_pages_free(&f.pages);
    free(f.rows);
    if (r < 0) {
        tmx_check_free(result.check);
        return r;
    }
    *ret_result = result;
    return 0;
}
