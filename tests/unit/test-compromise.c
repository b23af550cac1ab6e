/* SPDX-License-Identifier: Apache-2.0
 * What a key has touched, by the use of the key, between two places of the log.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <tmx/text.h>

#include "../../broker/audit/compromise.h"
#include "../../broker/audit/export_dir.h"
#include "export_fixture.h"

#define DAY_MS 86400000u

static char why[HISTORY_WHY_MAX];
static struct tmx_history history;
static struct tmx_suspect suspect;

static struct {
    enum tmx_touch touch;
    uint64_t index;
    char recipient[TMX_MEMBER_MAX + 1];
} rows[256];
static size_t n_rows;

static int take(void *ctx, enum tmx_touch touch, const struct tmx_audit_line *l)
{
    assert_true(n_rows < TMX_N(rows));
    rows[n_rows].touch = touch;
    rows[n_rows].index = l->index;
    snprintf(rows[n_rows].recipient, sizeof rows[0].recipient, "%s", l->recipient);
    n_rows++;
    return 0;
}

static void open_export(void)
{
    assert_int_equal(tmx_history_open(folder, &book->federation.authority, &history, why), 0);
    assert_int_equal(tmx_history_verify_head(&history, history.directories, why), 0);
}

static void export_it(void)
{
    export_book(book->n, SIZE_MAX);
    open_export();
}

static void done(void)
{
    tmx_history_close(&history);
    history = (struct tmx_history){ .fd = -1 };
    close(folder_fd);
    remove_folder(folder);
}

static int find_key(const uint8_t key[32], size_t digits)
{
    char hex[2 * TMX_HASH_SIZE + 1];

    tmx_hex(TMX_BYTES(key, 32), hex);
    hex[digits] = '\0';
    return tmx_suspect_find(&history, hex, &suspect, why);
}

static struct tmx_compromise run(uint64_t from, uint64_t to)
{
    struct tmx_compromise c = { .from_index = from, .to_index = to };

    n_rows = 0;
    assert_int_equal(tmx_compromise_run(&history, &suspect, &c, take, NULL, why), 0);
    return c;
}

static void expect_row(size_t i, enum tmx_touch touch, uint64_t index, const char *recipient)
{
    assert_true(i < n_rows);
    assert_int_equal(rows[i].touch, touch);
    assert_int_equal(rows[i].index, index);
    assert_string_equal(rows[i].recipient, recipient);
}

/* Of the honest log: DE signed its prekeys (2), messages (3, to two; 9), and one that was refused (8); the message to DE (7) may
 * be sealed to a prekey it vouched for. */
static void test_signing(void **state)
{
    struct tmx_compromise c;
    char id[9];

    book_honest();
    export_it();
    assert_int_equal(find_key(federation_find(&book->federation, "DE")->sign_public, 64), 0);
    assert_int_equal(suspect.use, KEY_USE_SIGNING);
    assert_string_equal(suspect.owner, "DE");
    c = run(0, UINT64_MAX);
    assert_int_equal(n_rows, 6);
    expect_row(0, TOUCH_PREKEYS, 2, "");
    expect_row(1, TOUCH_MESSAGE, 3, "FR");
    expect_row(2, TOUCH_MESSAGE, 3, "CH");
    expect_row(3, TOUCH_SEALED, 7, "DE");
    expect_row(4, TOUCH_REFUSED, 8, "FR");
    expect_row(5, TOUCH_MESSAGE, 9, "FR");
    assert_int_equal(c.entries[TOUCH_MESSAGE], 2); /* entries, not recipients */
    assert_int_equal(c.entries[TOUCH_SEALED], 1);
    assert_true(c.touched);
    assert_int_equal(c.first, 2);
    assert_int_equal(c.last, 9);

    /* Prekeys it signed before the range are none of its concern: nobody else had the key then. */
    c = run(3, 9);
    assert_int_equal(n_rows, 3);
    expect_row(0, TOUCH_MESSAGE, 3, "FR");
    expect_row(2, TOUCH_REFUSED, 8, "FR");
    c = run(10, UINT64_MAX);
    assert_int_equal(n_rows, 0);
    assert_false(c.touched);

    /* Another key of DE has signed nothing of it. */
    suspect.verify.id ^= 1;
    c = run(0, UINT64_MAX);
    assert_int_equal(n_rows, 0);
    suspect.verify.id ^= 1;

    snprintf(id, sizeof id, "%08x", suspect.verify.id);
    assert_int_equal(tmx_suspect_find(&history, id, &suspect, why), 0);
    assert_string_equal(suspect.owner, "DE");
    assert_string_equal(suspect.id, id);

    assert_int_equal(find_key(federation_find(&book->federation, "FR")->sign_public, 12), 0);
    c = run(0, UINT64_MAX);
    assert_int_equal(c.entries[TOUCH_REPORT], 3);
    assert_int_equal(c.entries[TOUCH_MESSAGE], 1);
    assert_int_equal(c.entries[TOUCH_REFUSED], 1);
    done();
}

/* Everything a member handed in may have come over its connection. */
static void test_transport(void **state)
{
    struct tmx_compromise c;

    book_honest();
    export_it();
    assert_int_equal(find_key(federation_find(&book->federation, "CH")->curve_public, 32), 0);
    assert_int_equal(suspect.use, KEY_USE_TRANSPORT);
    c = run(0, UINT64_MAX);
    assert_int_equal(n_rows, 1);
    assert_int_equal(c.entries[TOUCH_CARRIED], 1);
    expect_row(0, TOUCH_CARRIED, 6, "CH");
    done();
}

/* A set of its own: from the third day on, for a day. */
static void put_prekey(const uint8_t key[32])
{
    Tmx__LogEntry e = book_entry(TMX__ENTRY_KIND__ENTRY_PREKEYS);
    Tmx__PrekeySet set = TMX__PREKEY_SET__INIT;
    Tmx__Prekey k = TMX__PREKEY__INIT;
    Tmx__Prekey *keys[1] = { &k };

    k.key = book_bin(key, 32);
    k.from_ms = START_MS + 3ull * DAY_MS;
    k.until_ms = START_MS + 4ull * DAY_MS;
    set.kind = TMX__KIND__KIND_PREKEY_SET;
    set.directory_serial = book->serial;
    set.member = book_str("FR");
    set.set_serial = 1;
    set.n_keys = 1;
    set.keys = keys;
    book_sign(&e, "FR", &set);
    book_put(&e);
}

static uint64_t send_at(uint64_t ms, const char *from, const char *to)
{
    struct mail m;

    book->now_ms = ms;
    book_compose(&m, from, to, NULL);
    return book_accept(&m);
}

/* A daemon that has the containers of some messages: an answer for each, in the order in which it is asked. */
static int answers[4];
static size_t n_asked;

static int answer(void *ctx, const uint8_t message_id[TMX_ID_SIZE], const char *key_id)
{
    static const uint8_t none[TMX_ID_SIZE];

    assert_ptr_equal(ctx, answers);
    assert_memory_not_equal(message_id, none, TMX_ID_SIZE);
    assert_string_equal(key_id, suspect.id);
    assert_true(n_asked < TMX_N(answers));
    return answers[n_asked++];
}

/* Who has the container knows: what is sealed to another key was not touched; what nobody has any more may have been. */
static void ask_who_has_them(const uint64_t in[3])
{
    struct tmx_compromise c = { .to_index = UINT64_MAX, .ask = answer, .ask_ctx = answers };

    memcpy(answers, (int[]){ 1, 0, -ENOENT, 0 }, sizeof answers);
    n_rows = n_asked = 0;
    assert_int_equal(tmx_compromise_run(&history, &suspect, &c, take, NULL, why), 0);
    assert_int_equal(n_asked, 3);
    assert_int_equal(n_rows, 2);
    expect_row(0, TOUCH_OPENED, in[0], "FR");
    expect_row(1, TOUCH_SEALED, in[2], "FR");
    assert_int_equal(c.entries[TOUCH_OPENED], 1);
    assert_int_equal(c.entries[TOUCH_SEALED], 1);
    /* One that does not answer is no reason to call anything untouched. */
    answers[1] = -ECONNREFUSED;
    n_rows = n_asked = 0;
    assert_int_equal(tmx_compromise_run(&history, &suspect, &c, take, NULL, why), -ECONNREFUSED);
    assert_non_null(strstr(why, "refused"));
}

static void test_prekeys(void **state)
{
    static const uint8_t key[32] = { 9, 1, 2, 3 };
    const uint64_t day = DAY_MS;
    uint64_t in[3];
    uint64_t out[4];
    struct tmx_compromise c;

    book_honest();
    put_prekey(key);
    out[0] = send_at(START_MS + 3 * day - 1, "DE", "FR");
    in[0] = send_at(START_MS + 3 * day, "DE", "FR");
    out[1] = send_at(START_MS + 3 * day + 5, "FR", "DE");
    in[1] = send_at(START_MS + 4 * day + 1, "CH", "FR");
    in[2] = send_at(START_MS + 5 * day - 1, "DE", "FR"); /* KEY-4: taken a day longer */
    out[2] = send_at(START_MS + 5 * day, "DE", "FR");
    export_it();
    assert_int_equal(find_key(key, 10), 0);
    assert_int_equal(suspect.use, KEY_USE_PREKEY);
    assert_string_equal(suspect.owner, "FR");
    c = run(0, UINT64_MAX);
    assert_int_equal(n_rows, 3);
    for (size_t i = 0; i < TMX_N(in); i++) {
        expect_row(i, TOUCH_SEALED, in[i], "FR");
    }
    assert_int_equal(c.entries[TOUCH_SEALED], 3);
    ask_who_has_them(in);
    assert_int_equal(tmx_suspect_find(&history, suspect.id, &suspect, why), 0); /* as containers name it */
    assert_int_equal(suspect.use, KEY_USE_PREKEY);

    /* The last-resort key: where no prekey covered the time. */
    assert_int_equal(find_key(tmx_directory_member(book->directories[0], tmx_bytes_str("FR"))->last_resort_key.data, 64), 0);
    assert_int_equal(suspect.use, KEY_USE_LAST_RESORT);
    c = run(out[0], UINT64_MAX);
    assert_int_equal(n_rows, 4);
    expect_row(0, TOUCH_SEALED, out[0], "FR");
    expect_row(1, TOUCH_SEALED, in[1], "FR");
    expect_row(3, TOUCH_SEALED, out[2], "FR");
    assert_true(out[1] < out[2]);
    done();
}

/* --- witnesses ------------------------------------------------------------------------------------------------ */

/* The head of that many entries, cosigned by a member's witness. */
static void write_cosigned(uint64_t size, const char *path, const struct tmx_verify_key *key, const uint8_t secret[64])
{
    uint8_t note[TMX_NOTE_MAX], text[TMX_CHECKPOINT_MAX];
    struct tmx_writer w = TMX_WRITER_OF(note), t = TMX_WRITER_OF(text);
    struct tmx_checkpoint head = { .size = size, .root = book->roots[size] };
    const struct tmx_verify_key *log = tmx_directory_log_key(book->directories[0], tmx_bytes_str(book->federation.shard));

    snprintf(head.origin, sizeof head.origin, "%s", log->name);
    tmx_checkpoint_text(&head, &t);
    tmx_checkpoint_sign(&head, log, book->federation.log_secret, &w);
    if (secret != NULL) {
        tmx_cosignature_add_line(&w, tmx_written(&t), (START_MS + size * 10) / 1000, key, secret);
    }
    assert_int_equal(tmx_export_write(folder_fd, path, tmx_written(&w)), 0);
}

static void test_witness(void **state)
{
    const struct federation_member *de;
    struct tmx_verify_key key;
    char name[TMX_KEYNAME_MAX], path[EXPORT_PATH_MAX];
    struct tmx_writer w = TMX_WRITER_OF(name);
    struct tmx_compromise c;

    book_honest();
    de = federation_find(&book->federation, "DE");
    export_book(book->n, SIZE_MAX);
    tmx_witness_key_name(tmx_directory_federation(book->directories[0]), tmx_bytes_str("DE"), &w);
    assert_true(tmx_verify_key_init(tmx_written(&w), TMX_NOTE_COSIGNATURE, de->witness_public, &key));
    for (uint64_t size = 4; size <= 12; size += 4) {
        tmx_export_old_path(EXPORT_CHECKPOINTS, size, path);
        write_cosigned(size, path, &key, size == 8 ? NULL : de->witness_secret);
    }
    write_cosigned(book->n, "checkpoint", &key, de->witness_secret);
    open_export();
    assert_int_equal(find_key(de->witness_public, 20), 0);
    assert_int_equal(suspect.use, KEY_USE_WITNESS);
    assert_string_equal(suspect.owner, "DE");
    c = run(0, UINT64_MAX);
    assert_int_equal(n_rows, 3);
    expect_row(0, TOUCH_HEAD, 4, "");
    expect_row(1, TOUCH_HEAD, 12, "");
    expect_row(2, TOUCH_HEAD, 13, "");
    assert_int_equal(c.entries[TOUCH_HEAD], 3);
    assert_false(c.touched); /* no entry of the log */
    c = run(4, 12);
    assert_int_equal(n_rows, 1);
    expect_row(0, TOUCH_HEAD, 12, "");
    done();
}

/* --- what is no key, or several -------------------------------------------------------------------------------- */

static void test_find(void **state)
{
    uint8_t twins[2][32] = { { 7, 7, 7, 7, 7, 1 }, { 7, 7, 7, 7, 7, 2 } };
    char text[TMX_BASE64_SIZE(32)];

    book_honest();
    put_prekey(twins[0]);
    put_prekey(twins[1]);
    put_prekey(twins[1]); /* again: no other key */
    export_it();
    assert_int_equal(tmx_suspect_find(&history, "0707070707", &suspect, why), -EEXIST);
    assert_non_null(strstr(why, "several keys"));
    assert_int_equal(tmx_suspect_find(&history, "070707070702", &suspect, why), 0);
    assert_int_equal(tmx_suspect_find(&history, "07070707070200000A", &suspect, why), -ENOENT);
    assert_int_equal(tmx_suspect_find(&history, "0707070", &suspect, why), -EINVAL);
    assert_int_equal(tmx_suspect_find(&history, "07070707g0", &suspect, why), -EINVAL);
    tmx_base64(TMX_BYTES(twins[0], 32), text);
    assert_int_equal(tmx_suspect_find(&history, text, &suspect, why), 0);
    assert_int_equal(suspect.key[5], 1);
    done();
}

/* What does not lead to the signed root is not said to be so. */
static void test_bent(void **state)
{
    struct tmx_compromise c = { .to_index = UINT64_MAX };

    book_honest();
    export_book(book->n, 9);
    open_export();
    assert_int_equal(find_key(federation_find(&book->federation, "FR")->sign_public, 64), 0);
    n_rows = 0;
    assert_true(tmx_compromise_run(&history, &suspect, &c, take, NULL, why) < 0);
    done();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_signing, book_setup, book_teardown), cmocka_unit_test_setup_teardown(test_transport, book_setup, book_teardown),
        cmocka_unit_test_setup_teardown(test_prekeys, book_setup, book_teardown), cmocka_unit_test_setup_teardown(test_witness, book_setup, book_teardown),
        cmocka_unit_test_setup_teardown(test_find, book_setup, book_teardown),    cmocka_unit_test_setup_teardown(test_bent, book_setup, book_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
