/* SPDX-License-Identifier: Apache-2.0
 * libtmx against a node in another process. APP-2, APP-3, NODE-1 as the client sees them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <sodium.h>

#include <tmx/client.h>
#include <tmx/err.h>
#include <tmx/limits.h>

#include "fake_node.h"

static char folder[] = "/tmp/test-client-XXXXXX";
static char endpoint[128];
static pid_t node;
static struct tmx_client *client;
static const char *const to_it[] = { "IT" };

static struct tmx_client *open_client(const char *where, uint32_t timeout_ms)
{
    const struct tmx_client_options options = { .timeout_ms = timeout_ms };
    struct tmx_client *c = NULL;

    assert_int_equal(tmx_client_open(where, &options, &c), 0);
    return c;
}

static int set_up(void **state)
{
    node = fake_node_start(endpoint);
    client = open_client(endpoint, 20000);
    return 0;
}

static int tear_down(void **state)
{
    client = tmx_client_close(client);
    fake_node_stop(node);
    return 0;
}

static struct tmx_client_submission submission(const char *reference, const void *payload, size_t size)
{
    return (struct tmx_client_submission){ .reference = reference, .recipients = to_it, .n_recipients = 1,
                                           .message_type = "CD001C", .mrn = FAKE_MRN, .payload = payload,
                                           .payload_bytes = size };
}

static void test_open(void **state)
{
    static const uint8_t key[32] = { 9 };
    static const struct open_case {
        const char *endpoint;
        struct tmx_client_options options;
    } cases[] = {
        { NULL, { 0 } },
        { "", { 0 } },
        { "tcp://127.0.0.1:1", { 0 } },                                     /* without keys */
        { "ipc:///tmp/x", { .public_key = key } },                          /* one of three */
        { "ipc:///tmp/x", { key, key, key, 0 } },                           /* keys on ipc */
        { "tcp://127.0.0.1:1", { key, key, key, 0 } },                      /* halves that do not belong together */
        { "inproc://x", { 0 } },
    };
    for (size_t i = 0; i < TMX_N(cases); i++) {
        struct tmx_client *c = NULL;
        assert_int_equal(tmx_client_open(cases[i].endpoint, &cases[i].options, &c), -EINVAL);
        assert_null(c);
    }
    assert_null(tmx_client_close(NULL));
    tmx_client_free(NULL);
}

/* NODE-1 */
static void test_submit(void **state)
{
    struct tmx_client_submitted first = { 0 }, again = { 0 };
    struct tmx_client_submission s = submission("R1", "abc", 3);

    assert_int_equal(tmx_client_submit(client, &s, &first), 0);
    assert_false(first.duplicate);
    assert_int_equal(tmx_client_submit(client, &s, &again), 0);
    assert_true(again.duplicate);
    assert_memory_equal(first.message_id, again.message_id, sizeof(first.message_id));

    s.payload_bytes = 2;
    assert_int_equal(tmx_client_submit(client, &s, &again), 507);
    assert_string_equal(tmx_client_error_text(client), "the reference was used for another message");
    assert_string_equal(tmx_client_code_name(507), "reference-reused");

    s = submission("R2", "abc", 3);
    s.message_type = "CD999C";
    assert_int_equal(tmx_client_submit(client, &s, &again), 501);
    assert_non_null(strstr(tmx_client_error_text(client), "catalogue"));
}

/* NODE-1: several under way at once; each has its own answer, whatever becomes of the others. */
static void test_submit_many(void **state)
{
    struct tmx_client_submission all[TMX_CLIENT_SUBMISSIONS_MAX + 1];
    struct tmx_client_result results[TMX_CLIENT_SUBMISSIONS_MAX];
    char references[TMX_CLIENT_SUBMISSIONS_MAX][16];

    for (size_t i = 0; i < TMX_CLIENT_SUBMISSIONS_MAX; i++) {
        snprintf(references[i], sizeof(references[i]), "many-%zu", i);
        all[i] = submission(references[i], "abc", 3);
    }
    all[3].message_type = "CD999C";
    all[4].reference = NULL;
    all[5].reference = references[0];
    assert_int_equal(tmx_client_submit_many(client, all, TMX_CLIENT_SUBMISSIONS_MAX, results), 0);
    for (size_t i = 0; i < TMX_CLIENT_SUBMISSIONS_MAX; i++) {
        assert_int_equal(results[i].r, i == 3 ? 501 : i == 4 ? -EINVAL : 0);
        assert_int_equal(results[i].submitted.duplicate, i == 5);
        assert_true((results[i].error[0] != '\0') == (results[i].r != 0));
    }
    assert_memory_equal(results[0].submitted.message_id, results[5].submitted.message_id, TMX_CLIENT_ID_BYTES);
    assert_non_null(strstr(results[3].error, "catalogue"));
    assert_int_equal(tmx_client_submit_many(client, all, 0, results), 0);
    assert_int_equal(tmx_client_submit_many(client, all, TMX_CLIENT_SUBMISSIONS_MAX + 1, results), -EINVAL);
    struct tmx_client *nobody = open_client("ipc:///tmp/nobody-listens-here", 200);
    assert_int_equal(tmx_client_submit_many(nobody, all, 2, results), -ETIMEDOUT);
    assert_int_equal(results[1].r, -ETIMEDOUT);
    assert_non_null(strstr(results[1].error, "cannot be reached"));
    tmx_client_close(nobody);
}

/* NODE-15: named as it is submitted, and shown. */
static void test_replaces(void **state)
{
    static const uint8_t first[TMX_CLIENT_ID_BYTES] = { 1, 2, 3 };
    struct tmx_client_submission s = submission("first", "abc", 3);
    const struct tmx_client_messages *list;
    struct tmx_client_submitted got;

    assert_int_equal(tmx_client_submit(client, &s, &got), 0);
    assert_int_equal(tmx_client_message(client, NULL, "first", &list), 0);
    assert_null(list->messages[0].replaces);
    tmx_client_free(list);
    s.reference = "instead";
    s.replaces = first;
    assert_int_equal(tmx_client_submit(client, &s, &got), 0);
    assert_int_equal(tmx_client_message(client, NULL, "instead", &list), 0);
    assert_memory_equal(list->messages[0].replaces, first, sizeof(first));
    tmx_client_free(list);
}

static void test_submit_arguments(void **state)
{
    const char *const hole[] = { "IT", NULL };
    struct tmx_client_submission cases[] = { submission(NULL, "a", 1), submission("R", NULL, 1),
                                             submission("R", "a", 0),  submission("R", "a", 1),
                                             submission("R", "a", 1),  submission("R", "a", 1) };
    struct tmx_client_submitted got;

    cases[3].message_type = NULL;
    cases[4].recipients = hole;
    cases[4].n_recipients = 2;
    cases[5].n_recipients = 65;
    assert_int_equal(tmx_client_submit(client, NULL, &got), -EINVAL);
    for (size_t i = 0; i < TMX_N(cases); i++) {
        assert_int_equal(tmx_client_submit(client, &cases[i], &got), -EINVAL);
        assert_string_not_equal(tmx_client_error_text(client), "");
    }
    struct tmx_client_submission s = submission("R", "a", TMX_CLIENT_PAYLOAD_BYTES_MAX + 1u);
    assert_int_equal(tmx_client_submit(client, &s, &got), -EMSGSIZE);
    char *long_text = calloc(1, TMX_CONTROL_MAX + 1);
    assert_non_null(long_text);
    memset(long_text, 'x', TMX_CONTROL_MAX);
    s = submission(long_text, "a", 1);
    assert_int_equal(tmx_client_submit(client, &s, &got), -EMSGSIZE);
    free(long_text);
}

static void test_lease(void **state)
{
    const char *const types[] = { "CD118C" };
    const struct tmx_client_leases *list;

    assert_int_equal(tmx_client_lease(client, 64, 0, 0, types, 1, &list), 0);
    assert_int_equal(list->n_messages, 1);
    const struct tmx_client_leased *m = &list->messages[0];
    assert_string_equal(m->sender, "CH");
    assert_string_equal(m->lrn, "");
    assert_null(m->correlation_id);
    assert_null(m->replaces);
    assert_true(m->redelivered);
    assert_string_equal(m->file_name, "a?b\xff\x1b");   /* the NUL cannot hide the rest */
    assert_int_equal(m->payload_bytes, sizeof(FAKE_PAYLOAD_ONE) - 1);
    assert_memory_equal(m->payload, FAKE_PAYLOAD_ONE, m->payload_bytes);
    tmx_client_free(list);

    assert_int_equal(tmx_client_lease(client, 64, 0, 0, NULL, 0, &list), 0);
    assert_int_equal(list->n_messages, 1);
    m = &list->messages[0];
    assert_string_equal(m->mrn, FAKE_MRN);
    assert_non_null(m->correlation_id);
    assert_int_equal(m->correlation_id[0], 1);
    assert_non_null(m->replaces);
    assert_int_equal(m->replaces[15], 9);
    assert_int_equal(m->lease_until_ms - m->sent_ms, 60000);
    assert_int_equal(tmx_client_renew(client, m->message_id, m->token, 1000), 0);
    assert_int_equal(tmx_client_ack(client, m->message_id, m->token), 0);
    assert_int_equal(tmx_client_ack(client, m->message_id, m->token), 0);
    assert_int_equal(tmx_client_refuse(client, m->message_id, m->token, 601, "no"), 517);
    assert_int_equal(tmx_client_ack(client, m->message_id, m->message_id), 509);
    assert_int_equal(tmx_client_ack(client, NULL, m->token), -EINVAL);
    assert_int_equal(tmx_client_refuse(client, m->message_id, NULL, 601, "no"), -EINVAL);
    tmx_client_free(list);

    assert_int_equal(tmx_client_lease(client, 64, 0, 0, NULL, 0, &list), 0);
    assert_int_equal(list->n_messages, 0);
    tmx_client_free(list);
}

static void test_messages(void **state)
{
    static const uint8_t unknown[16] = { 0 };
    const struct tmx_client_messages *list;

    assert_int_equal(tmx_client_movement(client, FAKE_MRN, &list), 0);
    assert_int_equal(list->n_messages, 2);
    const struct tmx_client_message *m = &list->messages[0];
    assert_int_equal(m->direction, TMX_CLIENT_SENT);
    assert_int_equal(list->messages[1].direction, TMX_CLIENT_RECEIVED);
    assert_int_equal(m->n_deliveries, 2);
    assert_string_equal(m->deliveries[1].state, "refused");
    assert_int_equal(m->n_steps, 4);
    assert_int_equal(m->steps[3].code, 601);
    assert_string_equal(m->steps[3].text, "wrong office \x1b[31m");
    assert_int_equal(m->steps[3].index, 4);
    assert_false(m->steps[0].verified);
    assert_string_equal(m->steps[0].shard, "");
    tmx_client_free(list);

    uint8_t m_id[TMX_CLIENT_ID_BYTES];
    assert_int_equal(tmx_client_list(client, TMX_CLIENT_BOTH, 0, 1, unknown, &list), 0);
    memcpy(m_id, list->messages[0].message_id, sizeof(m_id));
    assert_int_equal(list->n_messages, 1);
    assert_true(list->more);
    assert_memory_equal(list->next, m_id, sizeof(m_id));
    tmx_client_free(list);

    assert_int_equal(tmx_client_message(client, unknown, NULL, &list), 508);
    assert_string_equal(tmx_client_error_text(client), "no such message at this node");   /* the node gave no text */
    assert_int_equal(tmx_client_message(client, NULL, NULL, &list), -EINVAL);
    assert_int_equal(tmx_client_movement(client, NULL, &list), -EINVAL);
    assert_int_equal(tmx_client_list(client, (enum tmx_client_direction)7, 0, 1, NULL, &list), -EINVAL);
}

/* APP-3 */
static void test_events(void **state)
{
    const struct tmx_client_events *list;

    assert_int_equal(tmx_client_events(client, 0, 2, 0, &list), 0);
    assert_int_equal(list->n_events, 2);
    assert_int_equal(list->events[1].cursor, 2);
    assert_string_equal(list->events[1].step.what, "CoA");
    assert_int_equal(list->next, 2);
    tmx_client_free(list);
    assert_int_equal(tmx_client_events(client, 2, 64, 0, &list), 0);
    assert_int_equal(list->n_events, 1);
    assert_string_equal(list->events[0].step.what, "CoD");
    tmx_client_free(list);
}

static void test_info_outlives_client(void **state)
{
    const struct tmx_client_info *info;
    struct tmx_client *c = open_client(endpoint, 20000);

    assert_int_equal(tmx_client_info(c, &info), 0);
    tmx_client_close(c);
    assert_string_equal(info->member, "DE");
    assert_int_equal(info->n_members, 3);
    assert_string_equal(info->members[2], "IT");
    assert_true(info->linked);
    tmx_client_free(info);
}

static void test_evidence(void **state)
{
    static const uint8_t id[16] = { 1 }, other[16] = { 9 };
    const struct tmx_client_evidence *e;
    struct tmx_client *c = open_client(endpoint, 20000);

    assert_int_equal(tmx_client_evidence(c, id, NULL, 0, 1, &e), 0);
    assert_int_equal(e->bundle_bytes, 10);
    assert_memory_equal(e->bundle, "the bundle", 10);
    assert_int_equal(e->leaves, 3);
    assert_false(e->container);
    assert_true(e->disclosed);
    tmx_client_free(e);
    assert_int_equal(tmx_client_evidence(c, other, NULL, 1, 0, &e), 508);
    assert_int_equal(tmx_client_evidence(c, NULL, NULL, 1, 0, &e), -EINVAL);
    tmx_client_close(c);
}

/* An answer that is none, does not fit, breaks a size, or belongs to a question given up before. */
static void test_bad_answers(void **state)
{
    static const char *const references[] = { "garbage", "other-body", "short-id" };
    const struct tmx_client_messages *list;

    for (size_t i = 0; i < TMX_N(references); i++) {
        assert_int_equal(tmx_client_message(client, NULL, references[i], &list), -EPROTO);
        assert_string_not_equal(tmx_client_error_text(client), "");
    }
    assert_int_equal(tmx_client_message(client, NULL, "late", &list), 0);
    assert_int_equal(list->n_messages, 1);
    tmx_client_free(list);
}

static void test_timeouts(void **state)
{
    const struct tmx_client_messages *list;
    const struct tmx_client_info *info;
    char nowhere[160];

    struct tmx_client *c = open_client(endpoint, 20000);
    assert_int_equal(tmx_client_info(c, &info), 0);   /* the connection stands */
    tmx_client_free(info);
    tmx_client_close(c);

    c = open_client(endpoint, 300);
    assert_int_equal(tmx_client_message(c, NULL, "mute", &list), -ETIMEDOUT);
    assert_non_null(strstr(tmx_client_error_text(c), endpoint));
    tmx_client_close(c);

    snprintf(nowhere, sizeof(nowhere), "ipc://%s/nobody", folder);
    c = open_client(nowhere, 50);
    assert_int_equal(tmx_client_info(c, &info), -ETIMEDOUT);
    assert_non_null(strstr(tmx_client_error_text(c), "cannot be reached"));
    tmx_client_close(c);
}

/* CON-3 begins here: a payload leaves the client whole. */
static void test_large_payload(void **state)
{
    struct tmx_client_submitted submitted;
    const struct tmx_client_messages *list;
    char *payload = malloc(TMX_PAYLOAD_MAX);

    assert_non_null(payload);
    memset(payload, 'x', TMX_PAYLOAD_MAX);
    struct tmx_client_submission s = submission("large", payload, TMX_PAYLOAD_MAX);
    assert_int_equal(tmx_client_submit(client, &s, &submitted), 0);
    free(payload);
    assert_int_equal(tmx_client_message(client, NULL, "large", &list), 0);
    assert_int_equal(list->messages[0].payload_bytes, TMX_PAYLOAD_MAX);
    tmx_client_free(list);
}

/* APP-4: over a network what the node would drop unread is refused here, with a word on where to go. */
static void test_remote_payload(void **state)
{
    uint8_t secret[32] = { 7 }, public[32];
    struct tmx_client_submitted submitted;
    struct tmx_client *c;
    char *payload = calloc(1, TMX_APP_REMOTE_PAYLOAD_MAX + 1);

    assert_non_null(payload);
    crypto_scalarmult_base(public, secret);
    struct tmx_client_options options = { public, secret, public, 200 };
    assert_int_equal(tmx_client_open("tcp://127.0.0.1:1", &options, &c), 0);
    struct tmx_client_submission s = submission("remote", payload, TMX_APP_REMOTE_PAYLOAD_MAX + 1);
    assert_int_equal(tmx_client_submit(c, &s, &submitted), -EMSGSIZE);
    assert_non_null(strstr(tmx_client_error_text(c), "ipc://"));
    s.payload_bytes = TMX_APP_REMOTE_PAYLOAD_MAX;
    assert_int_equal(tmx_client_submit(c, &s, &submitted), -ETIMEDOUT);   /* nobody listens there */
    tmx_client_close(c);
    free(payload);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open),
        cmocka_unit_test_setup_teardown(test_submit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_replaces, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_submit_many, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_submit_arguments, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_lease, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_messages, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_events, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_info_outlives_client, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_evidence, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bad_answers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_timeouts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_large_payload, set_up, tear_down),
        cmocka_unit_test(test_remote_payload),
    };

    if (mkdtemp(folder) == NULL) {
        return 1;
    }
    snprintf(endpoint, sizeof(endpoint), "ipc://%s/node", folder);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(endpoint + strlen("ipc://"));
    rmdir(folder);
    return failed;
}
