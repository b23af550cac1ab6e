/* SPDX-License-Identifier: Apache-2.0
 * A broker that says anything of its state to tmx-audit fold: the answer for one table is changed, or raw. Rows that are not
 * those of the log never pass for them.
 *
 * Input: u8 which (0x80 raw bytes, 0x40 the payload instead of the document, and which table), u8 rows on a page, then bytes as
 * they came, or changes { u8 action, u16 where, u8 value }*.
 */
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <tmx/control.h>
#include <tmx/text.h>

#include "../../broker/audit/export_dir.h"
#include "../../broker/audit/fold.h"
#include "../../broker/audit/rows.h"
#include "../unit/log_book.h"
#include "fuzz.h"

#define ROWS_MAX 64u

static char folder[] = "/dev/shm/tmx-fuzz-fold-XXXXXX";   /* memory: every file is made durable */
static char authority_path[64];
static char head_text[TMX_CHECKPOINT_MAX];
static struct {
    size_t n;
    uint8_t row[ROWS_MAX][TMX_PROJECTION_ROW_MAX];
} tables[TMX_PROJECTION_TABLES];

static int remove_path(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    return remove(path);
}

static void tidy(void)
{
    (void)nftw(folder, remove_path, 16, FTW_DEPTH | FTW_PHYS);
}

static enum tmx_projection_table collected;

static void collect(void *ctx, const uint8_t *row, uint64_t came)
{
    assert(tables[collected].n < ROWS_MAX);
    memcpy(tables[collected].row[tables[collected].n++], row, tmx_projection_layout(collected)->row_size);
}

static int by_row(const void *a, const void *b)
{
    return memcmp(a, b, TMX_PROJECTION_ROW_MAX);   /* a row begins with its key */
}

/* The honest log, once, and the rows it gives. */
static void prepare(void)
{
    struct tmx_checkpoint head = { .size = 0 };
    struct tmx_verify_key key;
    struct tmx_audit *a;
    struct tmx_writer w = tmx_writer_init(head_text, sizeof(head_text) - 1);
    uint8_t keys[1024];
    struct tmx_writer authority = TMX_WRITER_OF(keys);
    if (authority_path[0] != '\0') {
        return;
    }
    int r = book_setup(NULL);
    assert(r == 0);
    book_honest();
    char *made = mkdtemp(folder);
    assert(made != NULL);
    atexit(tidy);
    head.size = book->n;
    head.root = book->roots[book->n];
    snprintf(head.origin, sizeof(head.origin), "tmx.%s/log/%s", book->federation.name, book->federation.shard);
    bool right = tmx_verify_key_init(tmx_bytes_str(head.origin), TMX_NOTE_ED25519, book->federation.log_public, &key);
    assert(right);
    tmx_checkpoint_sign(&head, &key, book->federation.log_secret, &w);
    tmx_authority_format(&book->federation.authority, &authority);
    snprintf(authority_path, sizeof(authority_path), "%s/authority", folder);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    r = tmx_export_write(fd, "authority", tmx_written(&authority));
    assert(fd >= 0 && r == 0);
    close(fd);
    a = book_audit();
    for (unsigned t = 0; t < TMX_PROJECTION_TABLES; t++) {
        collected = (enum tmx_projection_table)t;
        tmx_audit_rows(a, collected, collect, NULL);
        qsort(tables[t].row, tables[t].n, sizeof(tables[t].row[0]), by_row);
    }
    tmx_audit_free(a);
}

static struct tmx_reader changes;
static uint8_t which;
static size_t page_rows;
static unsigned bent_answers;   /* that were not as they should be */

/* Bytes in place of others: changed or raw. */
static uint8_t *bent(struct tmx_bytes b, size_t *ret_size)
{
    struct tmx_reader r = changes;
    uint8_t *copy;
    if ((which & 0x80) == 0) {
        copy = fuzz_changed(b, &r, ret_size);
    } else {
        copy = malloc(r.left + 1);
        assert(copy != NULL);
        memcpy(copy, r.at, r.left);
        *ret_size = r.left;
    }
    bent_answers += tmx_bytes_eq(b, TMX_BYTES(copy, *ret_size)) ? 0 : 1;
    return copy;
}

static json_t *state_answer(enum tmx_projection_table table, const char *from, struct tmx_writer *w)
{
    const struct tmx_projection_layout *l = tmx_projection_layout(table);
    uint8_t key[64];
    struct tmx_bytes begin = TMX_BYTES(key, strlen(from) / 2);
    size_t at = 0, n = 0;
    bool hex = tmx_unhex(tmx_bytes_str(from), key, begin.size);
    assert(hex);   /* though it was said by the broker */
    while (at < tables[table].n && tmx_bytes_cmp(TMX_BYTES(tables[table].row[at], l->key_size), begin) < 0) {
        at++;
    }
    for (; at < tables[table].n && n < page_rows; at++, n++) {
        tmx_write_bytes(w, TMX_BYTES(tables[table].row[at], l->row_size));
    }
    json_t *answer = json_pack("{sI sI}", "size", (json_int_t)book->n, "rows", (json_int_t)n);
    if (at < tables[table].n) {
        char next[2 * TMX_PROJECTION_ROW_MAX + 1];
        tmx_hex(TMX_BYTES(tables[table].row[at], l->key_size), next);
        json_object_set_new(answer, "next", json_string(next));
    }
    return answer;
}

static json_t *log_answer(const char *const *words, struct tmx_writer *w)
{
    if (strcmp(words[0], "log-head") == 0) {
        return json_pack("{ss}", "checkpoint", head_text);
    }
    if (strcmp(words[0], "log-directory") == 0) {
        bool first = strcmp(words[1], "1") == 0;
        tmx_write_bytes(w, TMX_BYTES(book->directory_files[0], first ? book->directory_sizes[0] : 0));
        return json_pack("{si}", "serial", first ? 1 : 0);
    }
    if (strcmp(words[0], "log-checkpoint") == 0) {
        return json_pack("{si}", "hour", 0);   /* no hour is over */
    }
    if (strcmp(words[0], "log-anchor") == 0) {
        return json_pack("{si}", "size", 0);
    }
    size_t from = strtoul(words[1], NULL, 10), n = strtoul(words[2], NULL, 10);
    for (size_t i = from; i < from + n; i++) {
        tmx_write_u16(w, (uint16_t)book->entries[i].size);
        tmx_write_bytes(w, book->entries[i]);
    }
    return json_pack("{sI}", "entries", (json_int_t)n);
}

/* In place of the call to a broker. */
int tmx_control_fetch(const char *path, const char *const *words, size_t n_words, uint64_t timeout_ms, json_t **ret_reply,
                      struct tmx_bytes *ret_payload)
{
    static uint8_t bytes[1u << 17];
    struct tmx_writer w = TMX_WRITER_OF(bytes);
    enum tmx_projection_table table;
    bool state = strcmp(words[0], "log-state") == 0 && tmx_projection_find(words[1], &table), document = (which & 0x40) == 0;
    json_t *answer = state ? state_answer(table, n_words > 2 ? words[2] : "", &w) : log_answer(words, &w);
    bool bend = state && (unsigned)table == (which & 0x3f) % TMX_PROJECTION_TABLES;
    uint8_t *copy = NULL;
    size_t size = w.used;
    if (bend && document) {
        char *text = json_dumps(answer, JSON_COMPACT);
        uint8_t *changed = bent(tmx_bytes_str(text), &size);
        json_decref(answer);
        answer = json_loadb((const char *)changed, size, 0, NULL);
        free(changed);
        free(text);
        size = w.used;
    }
    if (!json_is_object(answer)) {
        json_decref(answer);
        return -EBADMSG;
    }
    if (bend && !document) {
        copy = bent(tmx_written(&w), &size);
    } else if (size > 0) {
        copy = malloc(size);
        assert(copy != NULL);
        memcpy(copy, bytes, size);
    }
    *ret_payload = TMX_BYTES(copy, size);
    *ret_reply = answer;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char copy[64], why[EXPORT_WHY_MAX] = "";
    struct tmx_fold_result result;
    changes = tmx_reader_init(TMX_BYTES(data, size));
    which = tmx_read_u8(&changes);
    page_rows = 1u + tmx_read_u8(&changes) % 8;
    bent_answers = 0;
    prepare();
    snprintf(copy, sizeof(copy), "%s/log", folder);
    struct tmx_fold_order order = { .export = { .socket = "none", .dir = copy }, .authority = authority_path, .jobs = 1 };
    int r = tmx_fold_run(&order, &result, why);
    assert(r == 0 || (r < 0 && why[0] != '\0' && strlen(why) < sizeof(why)));
    assert(bent_answers > 0 || (r == 0 && !result.differs));
    if (r == 0) {
        assert(tmx_audit_ok(tmx_check_audit(result.check)));
        bool rows_bent = bent_answers > 0 && (which & 0x40) != 0;
        assert(!rows_bent || result.differs);
        tmx_check_free(result.check);
    }
    return 0;
}
