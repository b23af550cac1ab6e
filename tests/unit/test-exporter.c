/* SPDX-License-Identifier: Apache-2.0
 * `tmx-audit export` from brokers honest and not: what is written, continued, refused. LOG-5
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../broker/audit/check.h"
#include "../../broker/audit/export_dir.h"
#include "../../broker/audit/schema.h"
#include "../../broker/audit/sums.h"
#include "export_broker.h"

static bool target_holds(const char *file, const char *text)
{
    char path[128];
    uint8_t *data;
    size_t size;
    bool same;

    snprintf(path, sizeof path, "%s/%s", target, file);
    assert_int_equal(tmx_export_read(AT_FDCWD, path, TMX_DIRECTORY_MAX, &data, &size), 0);
    same = tmx_bytes_eq(TMX_BYTES(data, size), tmx_bytes_str(text));
    free(data);
    return same;
}

static void replace_file(const char *file, const char *text)
{
    const int fd = open(target, O_RDONLY | O_DIRECTORY);

    assert_int_equal(tmx_export_write(fd, file, tmx_bytes_str(text)), 0);
    close(fd);
}

static void test_continued(void **state)
{
    make_export(700);
    assert_int_equal(export_from(HONEST), 0);
    assert_true(check_target());
    assert_int_equal(export_from(HONEST), 0);
    grow_book(100);
    assert_int_equal(export_from(HONEST), 0);
    assert_true(target_has("tile/entries/003.p/32"));
    assert_true(check_target());
    assert_true(sums_hold());
    /* What only the older head needed is gone. */
    assert_false(target_has("tile/entries/002.p/188"));
    assert_false(target_has("tile/0/002.p"));
    assert_false(target_has("tile/1/000.p/2"));
}

/* The next directory has this policy. */
static void set_policy(const char *policy)
{
    book->federation.policy = policy;
    book_change_directory("CH", TMX__MEMBER_STATUS__MEMBER_ACTIVE);
    grow_book(1);
}

/* What makes an export readable by itself: the policy of the newest directory, and the schema of the leaves. */
static void test_policy_and_schema(void **state)
{
    make_export(20);
    assert_int_equal(export_from(HONEST), 0);
    assert_false(target_has("policy"));
    assert_true(target_holds("proto/audit.proto", tmx_schema_audit));
    assert_true(target_holds("proto/envelope.proto", tmx_schema_envelope));
    set_policy("# one\nquorum none\n");
    assert_int_equal(export_from(HONEST), 0);
    assert_true(target_holds("policy", "# one\nquorum none\n"));
    assert_true(check_target());
    set_policy("# two\nquorum none\n");
    assert_int_equal(export_from(HONEST), 0);
    assert_true(target_holds("policy", "# two\nquorum none\n"));
    assert_true(check_target());
    /* A policy that is not the directory's. */
    replace_file("policy", "# one\nquorum none\n");
    assert_false(check_target());
    set_policy(NULL);
    assert_int_equal(export_from(HONEST), 0);
    assert_false(target_has("policy"));
    assert_true(check_target());
    replace_file("policy", "quorum none\n");
    assert_false(check_target());
}

/* --- signed --------------------------------------------------------------------------------------------------- */

static void make_key(const char *name, struct tmx_signify_key *ret_key)
{
    char path[128];
    char public[SIGNIFY_WHY_MAX];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_int_equal(tmx_signify_create(path, public, why), 0);
    assert_int_equal(tmx_signify_load(path, ret_key, why), 0);
}

static int sign_target(const struct tmx_signify_key *key)
{
    const int fd = open(target, O_RDONLY | O_DIRECTORY);
    const int r = tmx_signify_sign(fd, key);

    close(fd);
    return r;
}

static void test_signed(void **state)
{
    struct tmx_signify_key key;
    struct tmx_signify_key other;
    struct tmx_signify_public public;
    char path[128];

    make_export(300);
    make_key("archive.key", &key);
    make_key("other", &other);
    assert_string_equal(key.name, "archive.pub");
    assert_string_equal(other.name, "other.pub");
    snprintf(path, sizeof path, "%s/archive.pub", folder);
    assert_int_equal(tmx_signify_load_public(path, &public, why), 0);
    assert_memory_equal(&public, &key.public, sizeof public);
    assert_int_equal(export_with(HONEST, &(struct tmx_export_order){ .key = &key }), 0);
    assert_true(sums_hold());
    assert_true(check_signed_target(NULL));
    assert_true(check_signed_target(&public));
    assert_false(check_signed_target(&other.public));
    assert_true(run_in_target("sed 1,2d SHA256.sig | cmp - SHA256"));
    /* What is signed stays signed. */
    grow_book(300);
    assert_int_equal(export_from(HONEST), -EPERM);
    assert_true(check_signed_target(&public));
    /* The list is believed as far as its signature goes: bent it is made anew, bent and signed it is continued. */
    assert_true(run_in_target("sed -i -E 's/^(.*(tile.0.000). = )..../\\1beef/' SHA256"));
    assert_int_equal(export_with(HONEST, &(struct tmx_export_order){ .key = &key }), 0);
    assert_true(sums_hold());
    assert_true(run_in_target("sed -i -E 's/^(.*(tile.0.000). = )..../\\1beef/' SHA256"));
    assert_int_equal(sign_target(&key), 0);
    assert_int_equal(export_with(HONEST, &(struct tmx_export_order){ .key = &key }), 0);
    assert_false(sums_hold());
    assert_false(check_signed_target(&public));
    assert_int_equal(export_with(HONEST, &(struct tmx_export_order){ .key = &other }), 0);
    assert_true(sums_hold());
    assert_true(check_signed_target(&other.public));
    assert_true(run_in_target("rm SHA256.sig"));
    assert_true(check_signed_target(NULL));
    assert_false(check_signed_target(&other.public));
    assert_int_equal(export_from(HONEST), 0);
}

/* Every byte of a signature counts, but for the comment nobody should trust. */
static void test_bent_signature(void **state)
{
    const size_t comment = strlen("untrusted comment: verify with archive.pub");
    struct tmx_signify_key key;
    uint8_t *data;
    size_t size;
    int fd;

    make_export(20);
    make_key("archive.key", &key);
    assert_int_equal(export_with(HONEST, &(struct tmx_export_order){ .key = &key }), 0);
    fd = open(target, O_RDONLY | O_DIRECTORY);
    assert_int_equal(tmx_signify_check(fd, &key.public), SIGNIFY_OK);
    assert_int_equal(tmx_export_read(fd, SUMS_SIGNATURE, 10000, &data, &size), 0);
    assert_memory_equal(data, "untrusted comment: verify with archive.pub\nRWR", comment + 3);
    for (size_t i = 0; i < size; i++) {
        data[i] ^= 1;
        assert_int_equal(tmx_export_write(fd, SUMS_SIGNATURE, TMX_BYTES(data, size)), 0);
        assert_int_equal(tmx_signify_check(fd, &key.public) == SIGNIFY_OK, i >= strlen("untrusted comment: ") && i < comment);
        data[i] ^= 1;
    }
    for (size_t i = 0; i < size; i += 7) {
        assert_int_equal(tmx_export_write(fd, SUMS_SIGNATURE, TMX_BYTES(data, i)), 0);
        assert_int_not_equal(tmx_signify_check(fd, NULL), SIGNIFY_OK);
    }
    assert_false(check_target());
    assert_int_equal(tmx_export_write(fd, SUMS_SIGNATURE, TMX_BYTES(data, size)), 0);
    assert_true(check_target());
    assert_int_equal(unlinkat(fd, SUMS_FILE, 0), 0);
    assert_false(check_target());
    free(data);
    close(fd);
}

static void test_keys(void **state)
{
    struct tmx_signify_key key = { .name = "" }; /* what is behind the name is compared, too */
    struct tmx_signify_key again = { .name = "" };
    struct tmx_signify_public public;
    char path[128];
    char file[SIGNIFY_WHY_MAX];

    make_export(13);
    make_key("archive.key", &key);
    make_key("archive.key", &again);
    assert_memory_equal(&key, &again, sizeof key);
    snprintf(path, sizeof path, "%s/archive", folder); /* whose public key would be archive.pub, too */
    assert_int_equal(tmx_signify_create(path, file, why), -EEXIST);
    assert_int_equal(tmx_signify_load_public(path, &public, why), -EINVAL);
    assert_int_equal(tmx_signify_load("/nowhere", &again, why), -ENOENT);
    assert_int_equal(tmx_signify_load_public("/nowhere", &public, why), -ENOENT);
    assert_int_equal(tmx_signify_create("/nowhere/key", file, why), -ENOENT);
}

/* Whatever the broker does, no checkpoint is written over entries that do not give its root. */
static void test_lies(void **state)
{
    static const enum lie lies[] = { OTHER_ENTRY, NO_ENTRIES,    TOO_MANY_ENTRIES, NO_BUNDLE,
                                     CUT_SHORT,   NO_CHECKPOINT, NO_DIRECTORY,     LOWER_DIRECTORY, REFUSES };

    for (size_t i = 0; i < TMX_N(lies); i++) {
        assert_int_equal(book_setup(NULL), 0);
        make_export(300);
        assert_true(export_from(lies[i]) < 0);
        assert_false(target_has("checkpoint"));
        assert_int_equal(remove_export(NULL), 0);
    }
}

/* A broker that now tells another history is refused, and the export keeps what it was told before. */
static void test_other_history(void **state)
{
    make_export(300);
    assert_int_equal(export_from(HONEST), 0);
    /* A whole bundle differs, under a head of the same size and a larger one. */
    rewrite_book(20);
    assert_int_equal(export_from(HONEST), -EEXIST);
    assert_non_null(strstr(why, "up to entry 255 the broker's log differs"));
    assert_true(check_target());
    rewrite_book(20);
    grow_book(10);
    rewrite_book(20);
    assert_int_equal(export_from(HONEST), -EEXIST);
    assert_true(check_target());
    rewrite_book(20);
    /* Only an entry of the partial bundle differs: the old head is not one of this log. */
    rewrite_book(290);
    assert_int_equal(export_from(HONEST), -EEXIST);
    assert_non_null(strstr(why, "does not continue the checkpoint of the earlier export"));
    assert_true(check_target());
    rewrite_book(290);
    assert_int_equal(export_from(HONEST), 0);
    /* It has lost some. */
    write_checkpoint(305, &book->roots[305], book->federation.log_secret);
    assert_int_equal(export_from(HONEST), -EBADMSG);
    /* Another directory under the same serial. */
    grow_book(1);
    book->directory_files[0][5] ^= 1;
    assert_int_equal(export_from(HONEST), -EEXIST);
    book->directory_files[0][5] ^= 1;
    book->directory_sizes[0]--;
    assert_int_equal(export_from(HONEST), -EEXIST);
    book->directory_sizes[0]++;
    /* Another log. */
    snprintf(book->federation.shard, sizeof book->federation.shard, "2026c");
    write_checkpoint(book->n, &book->roots[book->n], book->federation.log_secret);
    assert_int_equal(export_from(HONEST), -EEXIST);
    assert_true(check_target());
}

static void test_no_broker(void **state)
{
    struct tmx_checkpoint head;
    bool uncosigned;
    struct tmx_export_order order = { .socket = "/nowhere/control", .dir = target };

    make_export(13);
    snprintf(target, sizeof target, "%s/out", folder);
    assert_int_equal(tmx_export_run(&order, &head, &uncosigned, why), -ENOENT);
    order.dir = "/nowhere/out";
    assert_int_equal(tmx_export_run(&order, &head, &uncosigned, why), -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_continued, book_setup, remove_export),
        cmocka_unit_test_setup_teardown(test_policy_and_schema, book_setup, remove_export),
        cmocka_unit_test_setup_teardown(test_signed, book_setup, remove_export),
        cmocka_unit_test_setup_teardown(test_bent_signature, book_setup, remove_export),
        cmocka_unit_test_setup_teardown(test_keys, book_setup, remove_export),
        cmocka_unit_test(test_lies),
        cmocka_unit_test_setup_teardown(test_other_history, book_setup, remove_export),
        cmocka_unit_test_setup_teardown(test_no_broker, book_setup, remove_export),
    };

    return cmocka_run_group_tests_name("exporter", tests, NULL, NULL);
}
