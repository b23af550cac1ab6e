/* SPDX-License-Identifier: Apache-2.0
 * What an auditor reads: an export of somebody's log, and each entry of it. LOG-5, LOG-6
 *
 * Input: u8 what, u8 which, then bytes as they came, or changes { u8 action, u16 where, u8 value }* to an honest export
 * that this program writes, or to a broker's answers (which: 0x80 raw bytes, 0x40 the payload instead of the document, and
 * to which question). The honest export has no fault; no change to its entries, tiles or directory goes unseen.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <unistd.h>

#include <tmx/control.h>
#include <tmx/text.h>

#include "../../broker/audit/check.h"
#include "../../broker/audit/export.h"
#include "../../broker/audit/export_dir.h"
#include "../../broker/audit/summary.h"
#include "../../broker/audit/sums.h"
#include "../../broker/audit/writer.h"
#include "../unit/log_book.h"
#include "fuzz.h"

enum { ENTRY_CHANGED, FILE_CHANGED, ENTRIES_RAW, NAME, BUNDLE, HEAD_SIGNED, AUTHORITY, ANSWERS, LIST, KINDS };

#define FILES 6u
static const char *const names[FILES] = { "checkpoint",    "authority",             "checkpoints/13",
                                          "directories/1", "tile/entries/000.p/13", "tile/0/000.p/13" };

static char folder[] = "/dev/shm/tmx-fuzz-export-XXXXXX";   /* memory: every file is made durable */
static char authority_path[64];
static int folder_fd = -1;
static struct tmx_bytes files[FILES];

static void tidy(void)
{
    char path[128];
    (void)unlinkat(folder_fd, SUMS_FILE, 0);
    (void)unlinkat(folder_fd, SUMS_SIGNATURE, 0);
    for (size_t i = 0; i < FILES; i++) {
        (void)unlinkat(folder_fd, names[i], 0);
    }
    static const char *const folders[] = { "directories", "tile/entries/000.p", "tile/entries", "tile/0/000.p", "tile/0",
                                           "tile", "checkpoints", "" };
    for (size_t i = 0; i < TMX_N(folders); i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, folders[i]);
        (void)rmdir(path);
    }
}

static void sign_head(struct tmx_bytes text, struct tmx_writer *w)
{
    uint8_t origin[TMX_KEYNAME_MAX];
    struct tmx_writer o = TMX_WRITER_OF(origin);
    struct tmx_verify_key key;
    tmx_log_origin(book->federation.name, tmx_bytes_str(book->federation.shard), &o);
    bool right = tmx_verify_key_init(tmx_written(&o), TMX_NOTE_ED25519, book->federation.log_public, &key);
    assert(right);
    tmx_note_sign(w, text, &key, book->federation.log_secret);
}

static void put(const char *name, struct tmx_bytes data)
{
    int r = tmx_export_write(folder_fd, name, data);
    assert(r == 0);
}

/* The honest export, once. */
static void prepare(void)
{
    uint8_t text[TMX_CHECKPOINT_MAX], note[TMX_CHECKPOINT_MAX], keys[1024];
    struct tmx_writer t = TMX_WRITER_OF(text), n = TMX_WRITER_OF(note), a = TMX_WRITER_OF(keys);
    struct tmx_checkpoint head = { .size = 0 };
    struct tmx_export_writer *w;
    if (folder_fd >= 0) {
        return;
    }
    int r = book_setup(NULL);
    assert(r == 0);
    book_honest();
    char *made = mkdtemp(folder);
    assert(made != NULL);
    folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert(folder_fd >= 0);
    atexit(tidy);
    r = tmx_export_writer_new(&(struct tmx_export_writer_order){ .dir_fd = folder_fd }, &w);
    for (size_t i = 0; i < book->n && r == 0; i++) {
        r = tmx_export_add(w, book->entries[i]);
    }
    head.root = tmx_export_root(w);
    r = r == 0 ? tmx_export_finish(w) : r;
    assert(r == 0);
    tmx_export_writer_free(w);
    head.size = book->n;
    snprintf(head.origin, sizeof(head.origin), "tmx.%s/log/%s", book->federation.name, book->federation.shard);
    tmx_checkpoint_text(&head, &t);
    sign_head(tmx_written(&t), &n);
    put("checkpoint", tmx_written(&n));
    put("checkpoints/13", tmx_written(&n));
    tmx_authority_format(&book->federation.authority, &a);
    put("authority", tmx_written(&a));
    put("directories/1", TMX_BYTES(book->directory_files[0], book->directory_sizes[0]));
    snprintf(authority_path, sizeof(authority_path), "%s/authority", folder);
    for (size_t i = 0; i < FILES; i++) {
        uint8_t *data;
        size_t size;
        r = tmx_export_read(folder_fd, names[i], EXPORT_BUNDLE_MAX, &data, &size);
        assert(r == 0);
        files[i] = TMX_BYTES(data, size);
    }
}

static const struct tmx_directory *find_directory(void *ctx, uint64_t serial)
{
    return serial == 1 ? book->directories[0] : NULL;
}

static bool root_at(void *ctx, uint64_t size, struct tmx_hash *ret_root)
{
    if (size > book->n) {
        return false;
    }
    *ret_root = book->roots[size];
    return true;
}

static struct tmx_audit *audit_new(void)
{
    static const uint8_t hash_key[16] = { 1 };
    struct tmx_audit *a;
    int r = tmx_audit_new(tmx_bytes_str(book->federation.shard), hash_key, find_directory, root_at, NULL, &a);
    assert(r == 0);
    return a;
}

/* Entries in their order, one of them changed. */
static void entry_changed(uint8_t which, struct tmx_reader *r)
{
    struct tmx_audit *a = audit_new();
    size_t changed = which % book->n, size;
    uint8_t *data = fuzz_changed(book->entries[changed], r, &size);
    bool same = tmx_bytes_eq(TMX_BYTES(data, size), book->entries[changed]);
    for (size_t i = 0; i < book->n; i++) {
        int e = tmx_audit_entry(a, i == changed ? TMX_BYTES(data, size) : book->entries[i]);
        assert(e == 0);
    }
    assert(!same || tmx_audit_ok(a));
    tmx_audit_free(a);
    free(data);
}

static void entries_raw(struct tmx_reader *r)
{
    struct tmx_audit *a = audit_new();
    for (size_t i = 0; i < book->n && r->left > 0; i++) {
        size_t take = tmx_read_u8(r);   /* that many honest ones first */
        for (size_t k = 0; k < take % 14 && k < book->n; k++) {
            int e = tmx_audit_entry(a, book->entries[k]);
            assert(e == 0);
        }
        size_t size = tmx_read_u16(r);
        int e = tmx_audit_entry(a, tmx_read_bytes(r, size < r->left ? size : r->left));
        assert(e == 0);
    }
    tmx_audit_free(a);
}

/* Checks the folder as it is; returns whether it is without fault. */
static bool check_folder(void)
{
    struct tmx_check *c = NULL;
    const char *what = NULL;
    char *text = NULL;
    size_t size = 0;
    int r = tmx_check_export(folder, authority_path, 1, NULL, &c, &what);
    assert(r <= 0 && (r == 0 || what != NULL));
    bool ok = r == 0 && tmx_audit_ok(tmx_check_audit(c));
    if (r == 0) {
        FILE *out = open_memstream(&text, &size);
        assert(out != NULL);
        tmx_summary_print(c, out);
        r = tmx_summary_json(c, out);
        assert(r == 0);
        fclose(out);
        assert(size > 0);
        free(text);
    }
    tmx_check_free(c);
    return ok;
}

static void file_changed(uint8_t which, struct tmx_reader *r)
{
    size_t at = which % FILES, size;
    uint8_t *data = fuzz_changed(files[at], r, &size);
    bool same = tmx_bytes_eq(TMX_BYTES(data, size), files[at]);
    put(names[at], TMX_BYTES(data, size));
    bool ok = check_folder();
    assert(!same || ok);
    assert(same || !ok || at < 3);   /* heads may have lines of others, the authority's text is given by hand */
    put(names[at], files[at]);
    free(data);
}

/* A head of any size and root that the log's key did sign. */
static void head_signed(struct tmx_reader *r)
{
    uint8_t note[TMX_NOTE_MAX];
    struct tmx_writer w = TMX_WRITER_OF(note);
    if (r->left == 0 || r->left > 1000 || r->at[r->left - 1] != '\n') {
        return;
    }
    sign_head(TMX_BYTES(r->at, r->left), &w);
    put("checkpoint", tmx_written(&w));
    bool ok = check_folder();
    assert(!ok || tmx_bytes_eq(tmx_written(&w), files[0]));
    put("checkpoint", files[0]);
}

/* A list of files, or a signature over one, of any bytes or the honest one changed: only the honest one is without fault. */
static void check_list(uint8_t which, struct tmx_reader *r)
{
    static struct tmx_bytes honest;
    char why[SUMS_WHY_MAX];
    size_t size;
    if (honest.size == 0) {
        struct tmx_sums_order order = { .dir_fd = folder_fd, .base_fd = -1, .size = book->n, .checkpoint = files[0] };
        uint8_t *data;
        int e = tmx_sums_write(&order, why);
        assert(e == 0);
        e = tmx_export_read(folder_fd, SUMS_FILE, EXPORT_BUNDLE_MAX, &data, &size);
        assert(e == 0);
        honest = TMX_BYTES(data, size);
    }
    bool raw = (which & 1) != 0, signature = (which & 2) != 0;
    uint8_t *changed = raw ? NULL : fuzz_changed(honest, r, &size);
    struct tmx_bytes list = raw ? TMX_BYTES(r->at, r->left) : TMX_BYTES(changed, size);
    put(SUMS_FILE, signature ? honest : list);
    if (signature) {
        put(SUMS_SIGNATURE, list);
    }
    bool ok = check_folder();
    assert(ok == (!signature && tmx_bytes_eq(list, honest)));
    (void)unlinkat(folder_fd, SUMS_FILE, 0);
    (void)unlinkat(folder_fd, SUMS_SIGNATURE, 0);
    free(changed);
}

static void check_name(struct tmx_reader *r)
{
    char path[256], again[EXPORT_PATH_MAX];
    size_t size = r->left < sizeof(path) - 1 ? r->left : sizeof(path) - 1;
    struct tmx_export_name name;
    memcpy(path, r->at, size);
    path[size] = '\0';
    if (tmx_export_parse_path(path, &name)) {
        tmx_export_path(&name, again);
        assert(strcmp(path, again) == 0 && name.width >= 1 && name.width <= TMX_TILE_WIDTH);
        assert(name.entries || name.level < 64 / 8);
    }
}

static void check_bundle(struct tmx_reader *r)
{
    struct tmx_bytes entry;
    bool failed = false;
    size_t left = r->left;
    while (tmx_export_next_entry(r, &entry, &failed)) {
        assert(r->left < left && entry.size <= left - r->left);
        left = r->left;
    }
    assert(failed || r->left == 0);
}

static void check_authority(struct tmx_bytes text)
{
    struct tmx_authority a;
    uint8_t again[16384];
    struct tmx_writer w = TMX_WRITER_OF(again);
    if (tmx_authority_parse(text, &a)) {
        assert(a.threshold >= 1 && a.threshold <= a.n && a.n <= TMX_AUTHORITY_KEYS_MAX);
        tmx_authority_format(&a, &w);
        assert(!w.failed);
    }
}

/* A broker that says anything: the answer of one kind is changed, or raw. */
static struct tmx_reader answer_changes;
static uint8_t answer_which;

static json_t *honest_answer(const char *const *words, struct tmx_bytes *ret_payload)
{
    static uint8_t bytes[EXPORT_BUNDLE_MAX];
    struct tmx_writer w = TMX_WRITER_OF(bytes);
    *ret_payload = TMX_BYTES_NULL;
    if (strcmp(words[0], "log-head") == 0) {
        return json_pack("{ss%}", "checkpoint", (const char *)files[0].data, files[0].size);
    }
    if (strcmp(words[0], "log-directory") == 0) {
        *ret_payload = strcmp(words[1], "1") == 0 ? files[3] : TMX_BYTES_NULL;
        return json_pack("{si}", "serial", ret_payload->size > 0 ? 1 : 0);
    }
    if (strcmp(words[0], "log-checkpoint") == 0) {
        *ret_payload = strcmp(words[1], "0") == 0 ? files[2] : TMX_BYTES_NULL;
        return json_pack("{si}", "hour", ret_payload->size > 0 ? 480000 : 0);
    }
    if (strcmp(words[0], "log-anchor") == 0) {   /* nothing is anchored in the honest book */
        return json_pack("{si}", "size", 0);
    }
    size_t from = strtoul(words[1], NULL, 10), n = strtoul(words[2], NULL, 10);
    size_t left = from < book->n ? book->n - from : 0;   /* a head may name more */
    n = n < left ? n : left;
    n = n < 5 ? n : 5;
    for (size_t i = 0; i < n; i++) {
        tmx_write_u16(&w, (uint16_t)book->entries[from + i].size);
        tmx_write_bytes(&w, book->entries[from + i]);
    }
    *ret_payload = tmx_written(&w);
    return json_pack("{sI}", "entries", (json_int_t)n);
}

/* Bytes in place of others: changed or raw. */
static uint8_t *bent(struct tmx_bytes b, size_t *ret_size)
{
    struct tmx_reader r = answer_changes;
    if ((answer_which & 0x80) == 0) {
        return fuzz_changed(b, &r, ret_size);
    }
    uint8_t *copy = malloc(r.left + 1);
    assert(copy != NULL);
    if (r.left > 0) {
        memcpy(copy, r.at, r.left);
    }
    *ret_size = r.left;
    return copy;
}

/* In place of the call to a broker: of an answer the document is bent, or the payload. */
int tmx_control_fetch(const char *path, const char *const *words, size_t n_words, uint64_t timeout_ms, json_t **ret_reply,
                      struct tmx_bytes *ret_payload)
{
    static const char *const questions[] = { "log-head", "log-directory", "log-entries", "log-checkpoint", "log-anchor" };
    struct tmx_bytes payload;
    json_t *answer = honest_answer(words, &payload);
    bool bend = strcmp(words[0], questions[(answer_which & 0x3f) % TMX_N(questions)]) == 0, document = (answer_which & 0x40) == 0;
    uint8_t *copy = NULL;
    size_t size = payload.size;
    if (bend && document) {
        char *text = json_dumps(answer, JSON_COMPACT);
        size_t text_size;
        uint8_t *changed = bent(tmx_bytes_str(text), &text_size);
        json_decref(answer);
        answer = json_loadb((const char *)changed, text_size, 0, NULL);
        free(changed);
        free(text);
    }
    if (!json_is_object(answer)) {
        json_decref(answer);
        return -EBADMSG;
    }
    if (bend && !document) {
        copy = bent(payload, &size);
    } else if (payload.size > 0) {
        copy = malloc(payload.size);
        assert(copy != NULL);
        memcpy(copy, payload.data, payload.size);
    }
    *ret_payload = TMX_BYTES(copy, size);
    *ret_reply = answer;
    return 0;
}

static int remove_path(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    return remove(path);
}

static void check_answers(uint8_t which, struct tmx_reader *r)
{
    char copy[64], why[EXPORT_WHY_MAX] = "";
    struct tmx_checkpoint head;
    bool uncosigned;
    bool changed = r->left > 0 || (which & 0x80) != 0;
    snprintf(copy, sizeof(copy), "%s/copy", folder);
    answer_which = which;
    answer_changes = *r;
    int e = tmx_export_run(&(struct tmx_export_order){ .socket = "none", .dir = copy }, &head, &uncosigned, why);
    assert(e == 0 || (e < 0 && why[0] != '\0' && strlen(why) < sizeof(why)));
    assert(e == 0 || changed);
    if (e == 0) {   /* what the entries must give for the head to be written */
        assert(head.size >= 1 && head.size <= book->n && tmx_hash_eq(&head.root, &book->roots[head.size]));
    }
    (void)nftw(copy, remove_path, 16, FTW_DEPTH | FTW_PHYS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tmx_reader r = tmx_reader_init(TMX_BYTES(data, size));
    uint8_t what = tmx_read_u8(&r), which = tmx_read_u8(&r);
    prepare();
    switch (what % KINDS) {
    case ENTRY_CHANGED:
        entry_changed(which, &r);
        break;
    case FILE_CHANGED:
        file_changed(which, &r);
        break;
    case ENTRIES_RAW:
        entries_raw(&r);
        break;
    case NAME:
        check_name(&r);
        break;
    case BUNDLE:
        check_bundle(&r);
        break;
    case HEAD_SIGNED:
        head_signed(&r);
        break;
    case ANSWERS:
        check_answers(which, &r);
        break;
    case LIST:
        check_list(which, &r);
        break;
    default:
        check_authority(TMX_BYTES(r.at, r.left));
        break;
    }
    return 0;
}
