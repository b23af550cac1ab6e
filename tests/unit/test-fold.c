/* SPDX-License-Identifier: Apache-2.0
 * `tmx-audit fold` against brokers that hold what their log gives, and against brokers that do not: every table, every field,
 * rows too many and too few, and answers that are none. LOG-2, LOG-4, QUE-7
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tmx/code.h>
#include <tmx/operator.h>
#include <tmx/text.h>

#include "../../broker/audit/fold.h"
#include "../../broker/audit/rows.h"
#include "export_broker.h"

#define ROWS_MAX 256u

/* How the broker goes wrong, in one table. */
enum bend {
    STRAIGHT,
    BENT,       /* a byte of the last row */
    DROPPED,    /* the row `nth` */
    REPEATED,   /* the last row comes twice */
    SWAPPED,    /* two rows */
    CUT,        /* a byte is missing */
    NO_SIZE,    /* after no entry at all */
    FALLING,    /* what it holds is of earlier and earlier */
    BACKWARDS,  /* goes on from where it was asked to begin */
    NO_HEX,
    DAMAGED,
    TWO_DIRECTORIES,
};

static struct {
    enum bend bend;
    enum tmx_projection_table table;
    size_t at;      /* byte */
    size_t nth;
    uint64_t size;  /* of the log with the first answer; it grows with each until the log ends */
    size_t page;    /* rows */
} broker;

struct rows {
    size_t n;
    size_t row_size;
    size_t key_size;
    uint8_t row[ROWS_MAX][TMX_PROJECTION_ROW_MAX];
};

static void collect(void *ctx, const uint8_t *row, uint64_t came)
{
    struct rows *r = ctx;

    assert_true(r->n < ROWS_MAX);
    memcpy(r->row[r->n++], row, r->row_size);
}

static size_t sorted_by;

static int by_key(const void *a, const void *b)
{
    return memcmp(a, b, sorted_by);
}

/* The rows that a broker of this log has, as the log gives them. */
static struct rows *rows_of(const struct tmx_audit *a, enum tmx_projection_table table)
{
    static struct rows r;
    const struct tmx_projection_layout *layout = tmx_projection_layout(table);

    r = (struct rows){ .row_size = layout->row_size, .key_size = layout->key_size };
    tmx_audit_rows(a, table, collect, &r);
    sorted_by = r.key_size;
    qsort(r.row, r.n, sizeof r.row[0], by_key);
    return &r;
}

static void bend_rows(struct rows *r)
{
    uint8_t other[TMX_PROJECTION_ROW_MAX];

    switch ((int)broker.bend) {
    case BENT:
        r->row[r->n - 1][broker.at]++;
        break;
    case DROPPED:
        memmove(r->row[broker.nth], r->row[broker.nth + 1], (--r->n - broker.nth) * sizeof r->row[0]);
        break;
    case REPEATED:
    case TWO_DIRECTORIES:
        memcpy(r->row[r->n], r->row[r->n - 1], sizeof other);
        r->n++;
        break;
    case SWAPPED:
        memcpy(other, r->row[0], sizeof other);
        memcpy(r->row[0], r->row[1], sizeof other);
        memcpy(r->row[1], other, sizeof other);
        break;
    default:
        break;
    }
}

static void answer_page(struct tmx_control *control, uint64_t client, const struct rows *r, struct tmx_bytes from, uint64_t size,
                        bool bent)
{
    static uint8_t bytes[ROWS_MAX * TMX_PROJECTION_ROW_MAX];
    struct tmx_writer w = TMX_WRITER_OF(bytes);
    char next[2 * TMX_PROJECTION_ROW_MAX + 1];
    size_t n = 0;
    size_t at = 0;
    json_t *reply;

    while (at < r->n && tmx_bytes_cmp(TMX_BYTES(r->row[at], r->key_size), from) < 0) {
        at++;
    }
    for (; at < r->n && n < broker.page; at++, n++) {
        tmx_write_bytes(&w, TMX_BYTES(r->row[at], r->row_size));
    }
    reply = json_pack("{sI, sI}", "size", (json_int_t)(bent && broker.bend == NO_SIZE ? 0 : size), "rows", (json_int_t)n);
    if (at < r->n) {
        tmx_hex(TMX_BYTES(r->row[at], r->key_size), next);
        json_object_set_new(reply, "next", json_string(next));
    }
    if (bent && broker.bend == BACKWARDS && from.size > 0) {
        tmx_hex(from, next);
        json_object_set_new(reply, "next", json_string(next));
    }
    if (bent && broker.bend == NO_HEX) {
        json_object_set_new(reply, "next", json_string("0x"));
    }
    tmx_control_reply_with(control, client, reply, TMX_BYTES(bytes, w.used - (bent && broker.bend == CUT ? 1 : 0)));
}

/* What the broker holds grows between two questions, as it does when messages flow. */
static bool answer_state(struct tmx_control *control, const struct tmx_control_request *r)
{
    static uint64_t questions;
    uint8_t key[TMX_PROJECTION_ROW_MAX];
    struct tmx_bytes from = TMX_BYTES_NULL;
    enum tmx_projection_table table;
    struct tmx_audit *a;
    struct rows *rows;
    uint64_t size = broker.bend == FALLING ? broker.size - questions : broker.size + questions;
    bool bent;

    if (r->n_words < 2 || strcmp(r->words[0], "log-state") != 0 || !tmx_projection_find(r->words[1], &table)) {
        return false;
    }
    if (r->n_words == 3) {
        from = TMX_BYTES(key, strlen(r->words[2]) / 2);
        assert_true(tmx_unhex(tmx_bytes_str(r->words[2]), key, from.size));
    }
    bent = broker.table == table && broker.bend != STRAIGHT;
    if (bent && broker.bend == DAMAGED) {
        tmx_control_refuse(control, r->client, "damaged", "a row cannot be read");
        return true;
    }
    questions++;
    size = size < book->n ? size : book->n;
    a = book_audit_of(size);
    rows = rows_of(a, table);
    if (bent) {
        bend_rows(rows);
    }
    answer_page(control, r->client, rows, from, size, bent);
    tmx_audit_free(a);
    return true;
}

/* Folds into the target; `result` counts when this is 0. */
static struct tmx_fold_result result;

static int fold(void)
{
    struct tmx_control *control;
    char socket_path[64];
    const pid_t pid = start_broker(HONEST, socket_path, &control);
    const struct tmx_fold_order order = { .export = { .socket = socket_path, .dir = target }, .authority = authority_file, .jobs = 1 };
    const int r = tmx_fold_run(&order, &result, why);

    stop_broker(pid, control);
    if (r < 0) {
        print_message("# %s\n", why);
    }
    return r;
}

static void expect_equal(void)
{
    assert_int_equal(fold(), 0);
    book_print_faults(tmx_check_audit(result.check));
    assert_true(tmx_audit_ok(tmx_check_audit(result.check)));
    if (result.differs) {
        print_message("# differs in %s at %llu\n", tmx_projection_layout(result.difference.table)->name,
                      (unsigned long long)result.difference.size);
    }
    assert_false(result.differs);
    tmx_check_free(result.check);
}

static void expect_difference(void)
{
    assert_int_equal(fold(), 0);
    assert_true(tmx_audit_ok(tmx_check_audit(result.check)));
    tmx_check_free(result.check);
    assert_true(result.differs);
    assert_int_equal(result.difference.table, broker.table);
}

static struct mail expired;
static struct mail open_one;

/* The honest log, and what it lacks: what operators did, an expiry, an exception by the broker, a second directory, a second prekey set. */
static void write_log(void)
{
    Tmx__LogEntry e;
    struct mail m;

    book_honest();
    book_put_prekeys("CH", "CH", 5);
    book_compose(&expired, "CH", "FR", NULL);
    book_accept(&expired);
    book_put_hold(&expired, 0, TMX_ACTION_HOLD, 1);
    book->now_ms += 2 * 86400000ull;
    e = book_ended(&expired, 0, TMX__ENTRY_KIND__ENTRY_EXPIRED, 0);
    book_put(&e);
    book_compose(&open_one, "DE", "CH", "FR");
    book_accept(&open_one);
    book_report(&open_one, 0, TMX__OUTCOME__OUTCOME_COA, 0);
    book_report(&open_one, 0, TMX__OUTCOME__OUTCOME_COD_NEGATIVE, TMX_CODE_REFUSED);
    book_report(&open_one, 1, TMX__OUTCOME__OUTCOME_COA, 0);
    book_put_hold(&book_second, 0, TMX_ACTION_HOLD, 2);
    book_put_operator(TMX_ACTION_DRAIN, 0, NULL, 3);
    book_put_pause("FR", 4);
    book_put_operator(TMX_ACTION_PROPOSE, TMX_ACTION_EXPIRE, NULL, 5);
    book_change_directory("CH", TMX__MEMBER_STATUS__MEMBER_REVOKED);
    book_compose(&m, "FR", "DE", NULL);
    book_accept(&m);
}

static int setup(void **state)
{
    const int r = book_setup(state);

    broker.bend = STRAIGHT;
    broker.page = ROWS_MAX;
    answer_more = answer_state;
    write_log();
    export_book(book->n, SIZE_MAX);
    broker.size = book->n;
    return r;
}

static void test_equal(void **state)
{
    static const uint64_t rows[TMX_PROJECTION_TABLES] = { 1, 2, 4, 6, 8, 1, 2, 3, 2, 1, 1 };
    static const uint64_t states[TMX_PROJECTION_STATES] = { 2, 2, 1, 1, 1, 1 };

    expect_equal();
    assert_int_equal(result.head.size, book->n);
    assert_int_equal(result.first_size, book->n);
    assert_int_equal(result.last_size, book->n);
    assert_memory_equal(result.rows, rows, sizeof rows);
    assert_memory_equal(result.states, states, sizeof states);
    broker.page = 2;
    expect_equal();   /* continues the export that is there */
    assert_memory_equal(result.rows, rows, sizeof rows);
}

/* Every page is of another size of the log, whichever it begins with. */
static void test_growing(void **state)
{
    for (broker.page = 1; broker.page < 4; broker.page++) {
        for (broker.size = 4; broker.size < book->n; broker.size++) {
            expect_equal();
            assert_int_equal(result.first_size, broker.size);
            assert_true(result.last_size > result.first_size);
        }
    }
}

/* A byte of every field of every table: that table is named, and that field is what differs. */
static void test_every_field(void **state)
{
    for (unsigned t = 0; t < TMX_PROJECTION_TABLES; t++) {
        const struct tmx_projection_layout *layout = tmx_projection_layout((enum tmx_projection_table)t);
        size_t begin = 0;

        for (size_t f = 0; f < layout->n_fields; f++) {
            const size_t size = tmx_projection_field_size(layout->fields[f].kind);
            const struct tmx_fold_difference *d = &result.difference;

            broker.bend = BENT;
            broker.table = (enum tmx_projection_table)t;
            broker.at = begin + size - 1;
            print_message("# %s: %s\n", layout->name, layout->fields[f].name);
            expect_difference();
            assert_int_equal(d->size, book->n);
            assert_true(d->at_broker);
            assert_int_equal(d->in_log, f >= layout->n_keys);
            if (d->in_log) {
                assert_true(d->since > 0 && d->since < book->n);
                assert_memory_equal(d->log, d->broker, begin);
                assert_memory_not_equal(d->log + begin, d->broker + begin, size);
                assert_memory_equal(d->log + begin + size, d->broker + begin + size, layout->row_size - begin - size);
            }
            begin += size;
        }
        assert_int_equal(begin, layout->row_size);
    }
}

/* Every row of every table is missed, on pages of any size, and while the log grows. */
static void test_every_row(void **state)
{
    for (unsigned t = 1; t < TMX_PROJECTION_TABLES; t++) {
        struct tmx_audit *a = book_audit();
        const size_t n = rows_of(a, (enum tmx_projection_table)t)->n;

        tmx_audit_free(a);
        broker.bend = DROPPED;
        broker.table = (enum tmx_projection_table)t;
        for (broker.nth = 0; broker.nth < n; broker.nth++) {
            for (broker.page = 1; broker.page < 4; broker.page++) {
                expect_difference();
                assert_false(result.difference.at_broker);
                assert_true(result.difference.in_log);
                a = book_audit();
                assert_memory_equal(rows_of(a, broker.table)->row[broker.nth], result.difference.log,
                                    tmx_projection_layout(broker.table)->key_size);
                tmx_audit_free(a);
            }
        }
    }
}

/* What the log says since when. */
static void test_since(void **state)
{
    struct tmx_audit *a = book_audit();
    const struct rows *rows = rows_of(a, TMX_PROJECTION_DELIVERIES);
    size_t nth = 0;

    while (memcmp(rows->row[nth], expired.id, TMX_ID_SIZE) != 0) {
        nth++;
    }
    tmx_audit_free(a);
    broker.table = TMX_PROJECTION_DELIVERIES;
    broker.bend = DROPPED;
    broker.nth = nth;
    expect_difference();
    assert_int_equal(result.difference.since, expired.index);   /* with which it came */
    assert_memory_equal(result.difference.log, expired.id, TMX_ID_SIZE);

    broker.table = TMX_PROJECTION_DIRECTORY;
    broker.bend = BENT;
    broker.at = 7;
    expect_difference();
    assert_int_equal(result.difference.since, book->n - 2);
}

/* A broker that is one entry behind what it says. */
static bool answer_behind(struct tmx_control *control, const struct tmx_control_request *r)
{
    enum tmx_projection_table table;
    struct tmx_audit *a;

    if (r->n_words != 2 || strcmp(r->words[0], "log-state") != 0 || !tmx_projection_find(r->words[1], &table)) {
        return false;
    }
    a = book_audit_of(book->n - 1);
    answer_page(control, r->client, rows_of(a, table), TMX_BYTES_NULL, book->n, false);
    tmx_audit_free(a);
    return true;
}

static void test_behind(void **state)
{
    answer_more = answer_behind;
    broker.table = TMX_PROJECTION_PAIRS;   /* the last entry is an acceptance: the first table it changes */
    expect_difference();
    assert_int_equal(result.difference.since, book->n - 1);
}

/* What is no answer ends it, and says so. */
static void test_no_answers(void **state)
{
    static const struct {
        enum bend bend;
        enum tmx_projection_table table;
        int error;
    } cases[] = {
        { REPEATED, TMX_PROJECTION_PAIRS, -EBADMSG },      { SWAPPED, TMX_PROJECTION_DELIVERIES, -EBADMSG },
        { CUT, TMX_PROJECTION_MESSAGES, -EBADMSG },        { NO_SIZE, TMX_PROJECTION_DIRECTORY, -EBADMSG },
        { BACKWARDS, TMX_PROJECTION_PAIRS, -EBADMSG },     { NO_HEX, TMX_PROJECTION_REFUSALS, -EBADMSG },
        { DAMAGED, TMX_PROJECTION_MESSAGES, -EREMOTEIO },  { TWO_DIRECTORIES, TMX_PROJECTION_DIRECTORY, -EBADMSG },
        { FALLING, TMX_PROJECTION_DIRECTORY, -EBADMSG },
    };

    for (size_t i = 0; i < TMX_N(cases); i++) {
        broker.bend = cases[i].bend;
        broker.table = cases[i].table;
        broker.page = cases[i].bend == BACKWARDS ? 2 : ROWS_MAX;
        assert_int_equal(fold(), cases[i].error);
        assert_true(strlen(why) > 0);
    }
    answer_more = NULL;   /* a broker of old */
    assert_int_equal(fold(), -EREMOTEIO);
}

/* A shard that follows another: a pair that was carried, and what was submitted again, which expires later than it says. */
static void follow_shard(void)
{
    struct tmx_checkpoint old = { .origin = "tmx.test/log/2026a", .size = 40, .root = { { 4 } } };
    Tmx__LogEntry e = book_entry(TMX__ENTRY_KIND__ENTRY_SHARD_START);
    uint8_t note[TMX_CHECKPOINT_MAX];
    struct tmx_writer w = TMX_WRITER_OF(note);
    struct tmx_verify_key key;

    assert_true(tmx_verify_key_init(tmx_bytes_str(old.origin), TMX_NOTE_ED25519, book->federation.log_public, &key));
    tmx_checkpoint_sign(&old, &key, book->federation.log_secret, &w);
    federation_new_shard(&book->federation, "2026b");
    book_keep_directory(book);
    book->serial = 2;
    e.text = tmx_to_pb(tmx_written(&w));
    book_put(&e);
    book_put_directory();
    e = book_entry(TMX__ENTRY_KIND__ENTRY_CARRY_PAIR);
    e.member = book_str("DE");
    e.recipient = book_str("FR");
    e.number = 12;
    book_put(&e);
    *book_number("DE", "FR") = 14;
    book_compose(&open_one, "DE", "FR", "CH");
    book_put_header(&open_one, TMX__ENTRY_KIND__ENTRY_RESUBMISSION, 0, 0);
    book_report(&open_one, 1, TMX__OUTCOME__OUTCOME_COA, 0);
    book_compose(&expired, "FR", "DE", NULL);
    *book_number("FR", "DE") = 7;
    expired.recipient[0].seq = 7;
    book_put_header(&expired, TMX__ENTRY_KIND__ENTRY_REFUSAL, TMX_CODE_CONTAINER_MISMATCH, 1);
}

static int setup_shard(void **state)
{
    const int r = book_setup(state);

    broker.bend = STRAIGHT;
    broker.page = ROWS_MAX;
    answer_more = answer_state;
    follow_shard();
    return r;
}

static void test_next_shard(void **state)
{
    struct tmx_audit *a;
    struct tmx_reader expiry;

    export_book(book->n, SIZE_MAX);
    broker.size = book->n;
    expect_equal();
    assert_int_equal(result.rows[TMX_PROJECTION_PAIRS], 3);
    assert_int_equal(result.rows[TMX_PROJECTION_REFUSED_IDS], 1);
    a = book_audit();
    expiry = tmx_reader_init(TMX_BYTES(rows_of(a, TMX_PROJECTION_DELIVERIES)->row[0] + 48, 8));
    assert_true(tmx_read_u64(&expiry) > open_one.header.expires_ms + 28ull * 86400000);   /* QUE-7 */
    tmx_audit_free(a);
}

/* The broker ends no resubmitted delivery before its recipient had the time to come back. QUE-7 */
static void test_resubmitted_expires_early(void **state)
{
    Tmx__LogEntry e;

    book->now_ms += 2 * 86400000ull;
    e = book_ended(&open_one, 0, TMX__ENTRY_KIND__ENTRY_EXPIRED, 0);
    book_expect_fault(AUDIT_STATE, book_put(&e));
    export_book(book->n, SIZE_MAX);
}

/* What is carried as a delivery is known to another log: not compared, and said. */
static void test_carried_delivery(void **state)
{
    Tmx__LogEntry e;
    struct mail m;

    book->n = 3;
    book->frontier = (struct tmx_frontier){ .size = 0 };
    for (size_t i = 0; i < book->n; i++) {
        const struct tmx_hash leaf = tmx_merkle_leaf(book->entries[i]);

        tmx_frontier_append(&book->frontier, &leaf, NULL, NULL);
    }
    book_compose(&m, "DE", "FR", NULL);
    m.index = 7;
    memset(m.header_digest, 9, sizeof m.header_digest);
    e = book_ended(&m, 0, TMX__ENTRY_KIND__ENTRY_CARRY_DELIVERY, 0);
    book_acceptance.shard = book_str("2026a");
    book_put(&e);
    export_book(book->n, SIZE_MAX);
    broker.size = book->n;
    assert_int_equal(fold(), -ENOTSUP);
}

/* A pruned export lacks what its first entries gave: refused before anybody is asked, and as it was. */
static void test_pruned(void **state)
{
    assert_true(run_in(folder, "mkdir -p out && echo 256 > out/min-index"));
    assert_int_equal(fold(), -ENOTSUP);
    assert_non_null(strstr(why, "min-index says that entries before 256 are missing"));
    assert_false(target_has("checkpoint"));
}

/* The log breaks a rule: nothing is compared. */
static void test_log_with_fault(void **state)
{
    struct mail m;

    book_compose(&m, "FR", "DE", NULL);
    m.recipient[0].seq++;
    book_accept(&m);
    write_checkpoint(book->n, &book->roots[book->n], book->federation.log_secret);
    broker.size = book->n;
    assert_int_equal(fold(), 0);
    assert_int_equal(tmx_audit_result(tmx_check_audit(result.check))->faults[AUDIT_SEQUENCE].count, 1);
    tmx_check_free(result.check);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_equal, setup, remove_export),
        cmocka_unit_test_setup_teardown(test_growing, setup, remove_export),
        cmocka_unit_test_setup_teardown(test_every_field, setup, remove_export),
        cmocka_unit_test_setup_teardown(test_every_row, setup, remove_export),
        cmocka_unit_test_setup_teardown(test_since, setup, remove_export),
        cmocka_unit_test_setup_teardown(test_behind, setup, remove_export),
        cmocka_unit_test_setup_teardown(test_no_answers, setup, remove_export),
        cmocka_unit_test_setup_teardown(test_next_shard, setup_shard, remove_export),
        cmocka_unit_test_setup_teardown(test_resubmitted_expires_early, setup_shard, remove_export),
        cmocka_unit_test_setup_teardown(test_carried_delivery, setup_shard, remove_export),
        cmocka_unit_test_setup_teardown(test_pruned, setup, remove_export),
        cmocka_unit_test_setup_teardown(test_log_with_fault, setup, remove_export),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
