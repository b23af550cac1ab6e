/* SPDX-License-Identifier: Apache-2.0
 * Who may ask what over a control socket. OPS-11
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tmx/answer.h>

#define OWN 990u
#define NOBODY 65534u

/* The words of a request, as a control socket hands them over. */
static bool may(const char *text, uid_t uid, uid_t own)
{
    struct tmx_control_request r = { .uid = uid };
    char words[128], *rest = NULL;
    snprintf(words, sizeof(words), "%s", text);
    for (char *w = strtok_r(words, " ", &rest); w != NULL; w = strtok_r(NULL, " ", &rest)) {
        r.words[r.n_words++] = w;
    }
    return tmx_answer_may_ask(&r, own);
}

/* Of the operators' group, and nothing else. */
static void test_group(void **state)
{
    static const char *const looks[] = {
        "status", "history", "history recent", "peers", "queue", "queue IT", "message 1", "slots 1", "evidence 1", "trace", "trace 7", "why IT",
        "directory show", "misbehaviour", "operators", "operations", "proposals", "select hold - 0 -", "anchor show",
        "witness request far", "log-head", "log-entries 0 9", "log-directory 1", "log-checkpoint 1", "log-anchor 1", "log-state 1",
        "operate",   /* signed: the core judges it */
    };
    static const char *const changes[] = { "ping IT", "directory install", "anchor install 7", "witness reply far 200", "anchor", "directory",
                                           "witness", "what comes later" };
    for (size_t i = 0; i < TMX_N(looks); i++) {
        assert_true(may(looks[i], 4242, OWN));
    }
    for (size_t i = 0; i < TMX_N(changes); i++) {
        assert_false(may(changes[i], 4242, OWN));
        assert_true(may(changes[i], 0, OWN));
        assert_true(may(changes[i], OWN, OWN));
        assert_false(may(changes[i], NOBODY, NOBODY));   /* so a user namespace shows everybody whom it does not map */
    }
}

/* What control.h marks as changing something is what is refused, and nothing there is forgotten. */
static void test_contract(void **state)
{
    const char *path = getenv("TMX_CONTROL_H");
    assert_non_null(path);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    char line[512];
    unsigned marked = 0, requests = 0;
    while (fgets(line, sizeof(line), f) != NULL && strstr(line, "#pragma once") == NULL) {
        bool changes = strncmp(line, " * ! ", 5) == 0;
        if ((changes || strncmp(line, " *   ", 5) == 0) && line[5] >= 'a' && line[5] <= 'z' && strncmp(line + 5, "every failure", 13) != 0) {
            line[5 + strcspn(line + 5, ",:\n")] = '\0';
            char *two = strstr(line + 5, "  ");   /* what stands behind the request */
            if (two != NULL) {
                *two = '\0';
            }
            assert_int_equal(may(line + 5, 4242, OWN), !changes);
            requests++;
            marked += changes ? 1 : 0;
        }
    }
    fclose(f);
    assert_int_equal(marked, 4);
    assert_true(requests >= 25);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_group), cmocka_unit_test(test_contract) };
    return cmocka_run_group_tests_name("rights", tests, NULL, NULL);
}
