/* SPDX-License-Identifier: Apache-2.0
 * The list of operators, and what they sign. OPS-1, OPS-2, OPS-3
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "operating.h"

static struct operating o;

static int setup(void **state)
{
    operating_init(&o);
    return 0;
}

static void test_list(void **state)
{
    uint8_t note[TMX_OPERATORS_FILE_MAX];
    struct tmx_bytes list = operating_list(&o, note);
    struct tmx_operators read;
    char error[256];
    assert_true(tmx_operators_verify(list, &o.key, &read, error, sizeof(error)));
    assert_string_equal(read.installation, OPERATING_INSTALLATION);
    assert_int_equal(read.n, OPERATING_N);
    assert_true(tmx_operator_may(&read.operators[0], TMX_ACTION_EXPIRE));
    assert_true(tmx_operator_may(&read.operators[2], TMX_ACTION_PAUSE));
    assert_false(tmx_operator_may(&read.operators[2], TMX_ACTION_HOLD));
    assert_false(tmx_operator_may(&read.operators[0], TMX_ACTION_APPROVE));   /* a right to what is approved, not to approving */
    assert_ptr_equal(tmx_operators_by_key(&read, read.operators[1].key.key), &read.operators[1]);
    assert_null(tmx_operators_by_key(&read, o.key.key));
}

/* OPS-1: by the pinned key of the installation, and of it. */
static void test_list_of_another(void **state)
{
    uint8_t note[TMX_OPERATORS_FILE_MAX];
    struct tmx_bytes list = operating_list(&o, note);
    struct tmx_operators read;
    char error[256];
    assert_false(tmx_operators_verify(list, &o.operators.operators[0].key, &read, error, sizeof(error)));
    assert_non_null(strstr(error, "not signed by the installation's key alice"));
    note[60] ^= 1;
    assert_false(tmx_operators_verify(list, &o.key, &read, error, sizeof(error)));
    operating_init(&o);
    strcpy(o.operators.installation, "tmx.test/node/DE");
    assert_false(tmx_operators_verify(operating_list(&o, note), &o.key, &read, error, sizeof(error)));
    assert_non_null(strstr(error, "of the installation tmx.test/node/DE, not of " OPERATING_INSTALLATION));
}

static void test_bad_lists(void **state)
{
    char alice[256], text[4096];
    struct tmx_writer w = TMX_WRITER_OF(alice);
    tmx_verify_key_format(&o.operators.operators[0].key, &w);
    tmx_write_u8(&w, 0);
    static const struct {
        const char *head, *rights, *rest, *wrong;
    } cases[] = {
        { "tmx-operators@v2\ninstallation x\n", "all", "", "line 1: " },
        { "tmx-operators@v1\ninstallation a b\n", "all", "", "line 2: " },
        { "tmx-operators@v1\n", "all", "", "line 2: " },
        { "tmx-operators@v1\ninstallation x\n", "", "", "line 3: rights" },
        { "tmx-operators@v1\ninstallation x\n", "pause,fly", "", "line 3: rights" },
        { "tmx-operators@v1\ninstallation x\n", "approve", "", "line 3: rights" },
        { "tmx-operators@v1\ninstallation x\n", "all", "operator bob+00000000+AAAA all\n", "line 4: no verifier key" },
        { "tmx-operators@v1\ninstallation x\n", "all", "alice\n", "line 4: a line begins" },
        { "tmx-operators@v1\ninstallation x\n", "all", "operator", "line 4: the last line has no end" },
    };
    struct tmx_operators read;
    char error[256];
    for (size_t i = 0; i < TMX_N(cases); i++) {
        snprintf(text, sizeof(text), "%soperator %s %s\n%s", cases[i].head, alice, cases[i].rights, cases[i].rest);
        assert_false(tmx_operators_parse(tmx_bytes_str(text), &read, error, sizeof(error)));
        assert_memory_equal(error, cases[i].wrong, strlen(cases[i].wrong));
    }
    snprintf(text, sizeof(text), "tmx-operators@v1\ninstallation x\noperator %s all\noperator %s pause\n", alice, alice);
    assert_false(tmx_operators_parse(tmx_bytes_str(text), &read, error, sizeof(error)));
    assert_non_null(strstr(error, "twice"));
    assert_false(tmx_operators_parse(TMX_LIT("tmx-operators@v1\ninstallation x\n"), &read, error, sizeof(error)));
    assert_non_null(strstr(error, "no operator"));
}

static const uint8_t id[TMX_ID_SIZE] = { 1, 2, 3 };

/* Of every action, the request that has what it names. */
static struct tmx_operation good(enum tmx_action action)
{
    struct tmx_operation op = operating_ask(&o, action, 1790000000000);
    switch (tmx_action_target(action)) {
    case TMX_TARGET_MEMBER:
    case TMX_TARGET_EITHER:
        strcpy(op.member, "IT");
        break;
    case TMX_TARGET_ACTION:
        op.of = TMX_ACTION_EXPIRE;
        operating_target(&op, id, "IT");
        break;
    case TMX_TARGET_DELIVERIES:
        operating_target(&op, id, "IT");
        operating_target(&op, id, "CH");
        break;
    case TMX_TARGET_PROPOSAL:
        op.proposal = 7;
        break;
    case TMX_TARGET_NONE:
        break;
    }
    return op;
}

static void test_requests(void **state)
{
    for (unsigned a = 1; a < TMX_ACTIONS_END; a++) {
        struct tmx_operation op = good((enum tmx_action)a), read;
        uint8_t note[TMX_OPERATION_MAX];
        struct tmx_bytes text, signed_note = operating_sign(&o, a % OPERATING_N, &op, note);
        assert_ptr_equal(tmx_operation_signer(&o.operators, signed_note, &text), &o.operators.operators[a % OPERATING_N]);
        assert_true(tmx_operation_parse(text, &read));
        assert_memory_equal(&read, &op, sizeof(op));
        note[signed_note.size / 2] ^= 1;
        assert_null(tmx_operation_signer(&o.operators, signed_note, &text));
    }
}

/* OPS-3: one form only, and nothing that its action has no use for. */
static void test_one_form(void **state)
{
    static const char *const bent[][2] = {
        { "action pause\n", "action drain\n" },          { "action pause\n", "action hold\n" },
        { "member IT\n", "" },                           { "member IT\n", "member it\n" },
        { "member IT\n", "member IT\nmember IT\n" },     { "reason a test\n", "" },
        { "reason a test\n", "reason \n" },              { "reason a test\n", "reason  a test\n" },
        { "reason a test\n", "reason a\x1btest\n" },     { "time 1790000000000\n", "time 01790000000000\n" },
        { "time 1790000000000\n", "" },                  { "tmx-operation@v1\n", "tmx-operation@v2\n" },
        { "action pause\n", "action pause\nof hold\n" }, { "action pause\nmember IT\n", "member IT\naction pause\n" },
        { "action pause\n", "action none\n" },           { "member IT\n", "member IT\nto IT\n" },
    };
    struct tmx_operation op = good(TMX_ACTION_PAUSE), read;
    char text[1024], other[1024];
    struct tmx_writer w = TMX_WRITER_OF(text);
    tmx_operation_text(&op, &w);
    tmx_write_u8(&w, 0);
    assert_true(tmx_operation_parse(tmx_bytes_str(text), &read));
    for (size_t i = 0; i < TMX_N(bent); i++) {
        char *at = strstr(text, bent[i][0]);
        assert_non_null(at);
        snprintf(other, sizeof(other), "%.*s%s%s", (int)(at - text), text, bent[i][1], at + strlen(bent[i][0]));
        if (tmx_operation_parse(tmx_bytes_str(other), &read)) {
            fail_msg("taken: %s", other);
        }
    }
    assert_false(tmx_operation_parse(TMX_BYTES_NULL, &read));
    assert_false(tmx_operation_parse(TMX_BYTES(text, strlen(text) - 1), &read));
}

/* A delivery stands there once, and there are not too many. */
static void test_targets(void **state)
{
    struct tmx_operation op = good(TMX_ACTION_HOLD), read;
    uint8_t text[TMX_OPERATION_MAX];
    struct tmx_writer w = TMX_WRITER_OF(text);
    while (op.n_targets < TMX_OPERATION_TARGETS_MAX) {
        uint8_t other[TMX_ID_SIZE] = { 9, (uint8_t)op.n_targets };
        operating_target(&op, other, "MEMBER88");
    }
    tmx_operation_text(&op, &w);
    assert_true(tmx_operation_parse(tmx_written(&w), &read));
    op.targets[TMX_OPERATION_TARGETS_MAX - 1] = op.targets[0];
    w = TMX_WRITER_OF(text);
    tmx_operation_text(&op, &w);
    assert_false(tmx_operation_parse(tmx_written(&w), &read));
    op = good(TMX_ACTION_PROPOSE);
    op.of = TMX_ACTION_HOLD;   /* what one operator may do is not proposed */
    w = TMX_WRITER_OF(text);
    tmx_operation_text(&op, &w);
    assert_false(tmx_operation_parse(tmx_written(&w), &read));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_list, setup),      cmocka_unit_test_setup(test_list_of_another, setup),
        cmocka_unit_test_setup(test_bad_lists, setup), cmocka_unit_test_setup(test_requests, setup),
        cmocka_unit_test_setup(test_one_form, setup),  cmocka_unit_test_setup(test_targets, setup),
    };
    return cmocka_run_group_tests_name("operator", tests, NULL, NULL);
}
