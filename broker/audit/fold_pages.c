/* SPDX-License-Identifier: Apache-2.0
 * One question a page. A page must go on where the one before it ended, ascend, and not be older: then the pages of a table
 * cover it, each key once.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <tmx/text.h>

#include "fold_pages.h"

#define FILE_NAME ".state"

static struct tmx_bytes key_bytes(const struct tmx_fold_key *k)
{
    return TMX_BYTES(k->data, k->size);
}

int tmx_fold_place(const struct tmx_fold_page *page, struct tmx_bytes key)
{
    if (tmx_bytes_cmp(key, key_bytes(&page->from)) < 0) {
        return -1;
    }
    return page->next.size > 0 && tmx_bytes_cmp(key, key_bytes(&page->next)) >= 0 ? 1 : 0;
}

/* The rows ascend within the page. */
static bool rows_fit(const struct tmx_fold_page *p, struct tmx_bytes rows)
{
    const struct tmx_projection_layout *layout = tmx_projection_layout(p->table);
    struct tmx_bytes last = TMX_BYTES_NULL;

    if (rows.size != p->rows * layout->row_size || (layout->key_size == 0 && p->rows != 1)) {
        return false;
    }
    for (uint64_t i = 0; i < p->rows; i++) {
        const struct tmx_bytes key = tmx_bytes_slice(rows, i * layout->row_size, layout->key_size);

        if (tmx_fold_place(p, key) != 0 || (i > 0 && tmx_bytes_cmp(last, key) >= 0)) {
            return false;
        }
        last = key;
    }
    return true;
}

/* What the document says of the page; the answer is not trusted for anything. */
static bool parse_page(const json_t *reply, struct tmx_fold_page *p)
{
    const json_t *next = json_object_get(reply, "next");
    const json_t *size = json_object_get(reply, "size");
    const json_t *rows = json_object_get(reply, "rows");

    p->size = (uint64_t)json_integer_value(size);
    p->rows = (uint64_t)json_integer_value(rows);
    if (!json_is_integer(size) || json_integer_value(size) < 1 || !json_is_integer(rows) || json_integer_value(rows) < 0 ||
        p->rows > TMX_CONTROL_STATE_BYTES) {
        return false;
    }
    if (next != NULL) {
        p->next.size = json_string_length(next) / 2;
        if (!json_is_string(next) || p->next.size == 0 || p->next.size > sizeof p->next.data ||
            !tmx_unhex(TMX_BYTES(json_string_value(next), json_string_length(next)), p->next.data, p->next.size)) {
            return false;
        }
    }
    return p->next.size == 0 || tmx_bytes_cmp(key_bytes(&p->from), key_bytes(&p->next)) < 0;
}

static int write_rows(int fd, struct tmx_bytes rows)
{
    while (rows.size > 0) {
        const ssize_t n = write(fd, rows.data, rows.size);

        if (n < 0 && errno != EINTR) {
            return -errno;
        }
        if (n > 0) {
            rows = tmx_bytes_slice(rows, (size_t)n, rows.size - (size_t)n);
        }
    }
    return 0;
}

static int add_page(struct tmx_fold_pages *p, const struct tmx_fold_page *page)
{
    if (p->n == p->capacity) {
        const size_t capacity = p->capacity == 0 ? 64 : 2 * p->capacity;
        struct tmx_fold_page *more = realloc(p->pages, capacity * sizeof *more);

        if (more == NULL) {
            return -ENOMEM;
        }
        p->pages = more;
        p->capacity = capacity;
    }
    p->pages[p->n++] = *page;
    return 0;
}

/* Checks a page, and keeps it behind the one before. */
static int take_page(struct tmx_export_job *job, struct tmx_fold_pages *p, struct tmx_fold_page *page, const json_t *reply,
                     struct tmx_bytes rows)
{
    const struct tmx_projection_layout *layout = tmx_projection_layout(page->table);
    const struct tmx_fold_page *last = p->n > 0 ? &p->pages[p->n - 1] : NULL;
    int r;

    if (rows.size > TMX_CONTROL_STATE_BYTES || !parse_page(reply, page) || !rows_fit(page, rows)) {
        return tmx_export_fail(job, -EBADMSG, "the broker's answer to log-state %s is malformed", layout->name);
    }
    if (last != NULL && page->size < last->size) {
        return tmx_export_fail(job, -EBADMSG, "the broker's log had %llu entries, and now has %llu: it has lost some",
                               (unsigned long long)last->size, (unsigned long long)page->size);
    }
    if (p->n == FOLD_PAGES_MAX) {
        return tmx_export_fail(job, -EFBIG, "the broker tells more of its state than can be compared");
    }
    page->at = last == NULL ? 0 : last->at + last->rows * tmx_projection_layout(last->table)->row_size;
    r = write_rows(p->fd, rows);
    if (r == 0) {
        r = add_page(p, page);
    }
    return r < 0 ? tmx_export_fail(job, r, "cannot keep the broker's state") : 0;
}

static int ask_page(struct tmx_export_job *job, struct tmx_fold_pages *p, struct tmx_fold_page *page)
{
    char key[2 * FOLD_KEY_MAX + 1];
    const char *const words[] = { "log-state", tmx_projection_layout(page->table)->name, key };
    struct tmx_bytes rows;
    json_t *reply;
    int r;

    tmx_hex(key_bytes(&page->from), key);
    r = tmx_export_ask(job, words, page->from.size > 0 ? TMX_N(words) : TMX_N(words) - 1, &reply, &rows);
    if (r < 0) {
        return r;
    }
    r = take_page(job, p, page, reply, rows);
    json_decref(reply);
    tmx_export_forget(rows);
    return r;
}

static int ask_table(struct tmx_export_job *job, struct tmx_fold_pages *p, enum tmx_projection_table table)
{
    struct tmx_fold_page page = { .table = table };
    int r;

    p->first[table] = p->n;
    do {
        page = (struct tmx_fold_page){ .table = table, .from = page.next };
        r = ask_page(job, p, &page);
    } while (r == 0 && page.next.size > 0);
    return r;
}

int tmx_fold_ask(struct tmx_export_job *job, int dir_fd, struct tmx_fold_pages *ret_pages)
{
    struct tmx_fold_pages p = { .fd = -1 };
    int r = 0;

    (void)unlinkat(dir_fd, FILE_NAME, 0); /* of one that was killed */
    p.fd = openat(dir_fd, FILE_NAME, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (p.fd < 0 || unlinkat(dir_fd, FILE_NAME, 0) < 0) {
        r = tmx_export_fail(job, -errno, "cannot keep the broker's state in %s", job->order->dir);
    }
    for (unsigned t = 0; r == 0 && t < TMX_PROJECTION_TABLES; t++) {
        r = ask_table(job, &p, (enum tmx_projection_table)t);
    }
    p.first[TMX_PROJECTION_TABLES] = p.n;
    if (r < 0) {
        tmx_fold_pages_free(&p);
        return r;
    }
    *ret_pages = p;
    return 0;
}

void tmx_fold_pages_free(struct tmx_fold_pages *p)
{
    free(p->pages);
    if (p->fd >= 0) {
        close(p->fd);
    }
    *p = (struct tmx_fold_pages){ .fd = -1 };
}

int tmx_fold_read(const struct tmx_fold_pages *p, const struct tmx_fold_page *page, uint8_t *ret_rows)
{
    const size_t size = (size_t)page->rows * tmx_projection_layout(page->table)->row_size;
    size_t done = 0;

    while (done < size) {
        const ssize_t n = pread(p->fd, ret_rows + done, size - done, (off_t)(page->at + done));

        if (n == 0 || (n < 0 && errno != EINTR)) {
            return n == 0 ? -EIO : -errno;
        }
        done += n > 0 ? (size_t)n : 0;
    }
    return 0;
}
