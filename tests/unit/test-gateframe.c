/* SPDX-License-Identifier: Apache-2.0
 * Frames between core and gate: every encoder's frame is decoded again; no hostile frame is. TRA-4 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <tmx/gateframe.h>

static uint8_t buffer[TMX_GATE_FRAME_MAX];
static struct tmx_gate_config config, config_back;
static struct tmx_message message, message_back;

/* Splits the one frame off what the writer holds and hands out its body, copied exactly. */
static struct tmx_bytes body_of(const struct tmx_writer *w, enum tmx_gate_kind expected)
{
    static uint8_t *copy;
    enum tmx_gate_kind kind;
    struct tmx_bytes body;
    size_t used;

    assert_int_equal(tmx_gate_split(tmx_written(w), &kind, &body, &used), 0);
    assert_int_equal(kind, expected);
    assert_int_equal(used, w->used);
    assert_int_equal(body.size, used - 5);
    free(copy);
    copy = malloc(body.size + (body.size == 0));
    memcpy(copy, body.data, body.size);
    return TMX_BYTES(copy, body.size);
}

static void fill_message(void)
{
    memset(&message, 0, sizeof(message));
    memcpy(message.route, "\1\2\3\0\5", 5);
    message.route_size = 5;
    strcpy(message.peer, "DE");
    message.n_frames = 3;
    message.frames[0] = TMX_LIT("control");
    message.frames[1] = TMX_BYTES_NULL;
    message.frames[2] = TMX_LIT("pay\0load");
}

static void messages_come_back(void **state)
{
    struct tmx_writer w = TMX_WRITER_OF(buffer);

    fill_message();
    tmx_gate_put_message(&w, &message);
    assert_int_equal(w.used, tmx_gate_message_size(&message));
    assert_true(tmx_gate_get_message(body_of(&w, TMX_GATE_MESSAGE), &message_back));
    assert_int_equal(message_back.route_size, 5);
    assert_memory_equal(message_back.route, message.route, sizeof(message.route));
    assert_string_equal(message_back.peer, "DE");
    assert_int_equal(message_back.n_frames, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_true(tmx_bytes_eq(message_back.frames[i], message.frames[i]));
    }
}

static void configurations_come_back(void **state)
{
    struct tmx_writer w = TMX_WRITER_OF(buffer);

    strcpy(config.endpoint, "tcp://127.0.0.1:5555");
    memset(config.secret, 7, sizeof(config.secret));
    config.n_admits = TMX_N(config.admits);
    for (size_t i = 0; i < config.n_admits; i++) {
        memset(config.admits[i].key, (int)(i & 255), 32);
        strcpy(config.admits[i].member, i % 2 == 0 ? "ABCDEFGH" : "DE");
    }
    tmx_gate_put_config(&w, &config);
    assert_true(tmx_gate_get_config(body_of(&w, TMX_GATE_CONFIG), &config_back));
    assert_string_equal(config_back.endpoint, config.endpoint);
    assert_memory_equal(config_back.secret, config.secret, 32);
    assert_int_equal(config_back.n_admits, config.n_admits);
    for (size_t i = 0; i < config.n_admits; i++) {
        assert_memory_equal(config_back.admits[i].key, config.admits[i].key, 32);
        assert_string_equal(config_back.admits[i].member, config.admits[i].member);
    }

    struct tmx_admit admits[2];
    size_t n;
    w = TMX_WRITER_OF(buffer);
    tmx_gate_put_admit(&w, config.admits, 2);
    assert_true(tmx_gate_get_admit(body_of(&w, TMX_GATE_ADMIT), admits, 2, &n));
    assert_int_equal(n, 2);
    assert_string_equal(admits[1].member, "DE");
    assert_false(tmx_gate_get_admit(body_of(&w, TMX_GATE_ADMIT), admits, 1, &n));
    w = TMX_WRITER_OF(buffer);
    tmx_gate_put_admit(&w, NULL, 0);   /* nobody */
    assert_true(tmx_gate_get_admit(body_of(&w, TMX_GATE_ADMIT), admits, 2, &n));
    assert_int_equal(n, 0);
}

static void small_frames_come_back(void **state)
{
    const struct tmx_transport_counters counters = { 1, 2, 3, 4, 5, UINT64_MAX, 7, 8, { "2001:db8::1", { 7, 8 } } };
    struct tmx_transport_counters counters_back;
    struct tmx_writer w = TMX_WRITER_OF(buffer);
    struct tmx_bytes text;
    uint8_t longer[TMX_REASON_MAX + 1];

    tmx_gate_put_ready(&w);
    assert_int_equal(body_of(&w, TMX_GATE_READY).size, 0);

    w = TMX_WRITER_OF(buffer);
    tmx_gate_put_counters(&w, &counters);
    assert_true(tmx_gate_get_counters(body_of(&w, TMX_GATE_COUNTERS), &counters_back));
    assert_memory_equal(&counters, &counters_back, sizeof(counters));
    struct tmx_bytes body = body_of(&w, TMX_GATE_COUNTERS);
    assert_false(tmx_gate_get_counters(tmx_bytes_slice(body, 0, body.size - 1), &counters_back));

    w = TMX_WRITER_OF(buffer);
    tmx_gate_put_failed(&w, TMX_LIT("address in use"));
    assert_true(tmx_gate_get_failed(body_of(&w, TMX_GATE_FAILED), &text));
    assert_true(tmx_bytes_eq(text, TMX_LIT("address in use")));
    memset(longer, 'x', sizeof(longer));
    w = TMX_WRITER_OF(buffer);
    tmx_gate_put_failed(&w, TMX_BYTES_OF(longer));   /* cut, so that it is not refused */
    assert_true(tmx_gate_get_failed(body_of(&w, TMX_GATE_FAILED), &text));
    assert_int_equal(text.size, TMX_REASON_MAX);
    assert_false(tmx_gate_get_failed(TMX_LIT("\0\5abcd"), &text));
    assert_false(tmx_gate_get_failed(TMX_LIT("\0\3abcd"), &text));
}

static void a_stream_is_split_at_any_cut(void **state)
{
    struct tmx_writer w = TMX_WRITER_OF(buffer);
    enum tmx_gate_kind kind;
    struct tmx_bytes body;
    size_t used;

    fill_message();
    tmx_gate_put_message(&w, &message);
    size_t first = w.used;
    tmx_gate_put_ready(&w);
    for (size_t n = 0; n <= w.used; n++) {
        uint8_t *part = malloc(n + (n == 0));
        memcpy(part, buffer, n);
        assert_int_equal(tmx_gate_split(TMX_BYTES(part, n), &kind, &body, &used), n < first ? 1 : 0);
        if (n >= first) {
            assert_int_equal(used, first);
        }
        free(part);
    }
    struct tmx_bytes rest = tmx_bytes_slice(tmx_written(&w), first, w.used - first);
    assert_int_equal(tmx_gate_split(rest, &kind, &body, &used), 0);
    assert_int_equal(kind, TMX_GATE_READY);
    assert_int_equal(used, 5);
}

static void what_is_no_frame_stops_the_gate(void **state)
{
    static const struct {
        struct tmx_bytes stream;
        int verdict;
    } cases[] = {
        { { (const uint8_t *)"\0\0\0\0", 4 }, 2 },       /* no kind */
        { { (const uint8_t *)"\0\0\0\1\0", 5 }, 2 },
        { { (const uint8_t *)"\0\0\0\1\7", 5 }, 2 },
        { { (const uint8_t *)"\0\0\0\1", 4 }, 1 },
        { { (const uint8_t *)"\xff\xff\xff\xff", 4 }, 2 },   /* at once, not after 4 GiB */
        { { (const uint8_t *)"\xff\xff\xff", 3 }, 1 },
    };
    enum tmx_gate_kind kind;
    struct tmx_bytes body;
    size_t used;

    for (size_t i = 0; i < TMX_N(cases); i++) {
        assert_int_equal(tmx_gate_split(cases[i].stream, &kind, &body, &used), cases[i].verdict);
    }
    struct tmx_writer w = TMX_WRITER_OF(buffer);
    tmx_write_u32(&w, TMX_GATE_FRAME_MAX - 4);
    assert_int_equal(tmx_gate_split(tmx_written(&w), &kind, &body, &used), 1);
    w = TMX_WRITER_OF(buffer);
    tmx_write_u32(&w, TMX_GATE_FRAME_MAX - 3);
    assert_int_equal(tmx_gate_split(tmx_written(&w), &kind, &body, &used), 2);
}

/* No prefix of a body is a body, and none is read past its end. */
static void cut_bodies_are_malformed(void **state)
{
    struct tmx_writer w = TMX_WRITER_OF(buffer);

    fill_message();
    tmx_gate_put_message(&w, &message);
    struct tmx_bytes body = body_of(&w, TMX_GATE_MESSAGE);
    for (size_t n = 0; n < body.size; n++) {
        uint8_t *part = malloc(n + (n == 0));
        memcpy(part, body.data, n);
        assert_false(tmx_gate_get_message(TMX_BYTES(part, n), &message_back));
        free(part);
    }
    config.n_admits = 2;
    w = TMX_WRITER_OF(buffer);
    tmx_gate_put_config(&w, &config);
    body = body_of(&w, TMX_GATE_CONFIG);
    for (size_t n = 0; n < body.size; n++) {
        uint8_t *part = malloc(n + (n == 0));
        memcpy(part, body.data, n);
        assert_false(tmx_gate_get_config(TMX_BYTES(part, n), &config_back));
        free(part);
    }
}

static void hostile_messages_are_malformed(void **state)
{
    static const struct tmx_bytes cases[] = {
        { (const uint8_t *)"\x09" "123456789" "\0\0\1\0\0\0\1x", 18 },   /* route too long */
        { (const uint8_t *)"\0\2D\0\0\1\0\0\0\1x", 11 },                 /* NUL in the peer's name */
        { (const uint8_t *)"\0\2D\n\0\1\0\0\0\1x", 11 },
        { (const uint8_t *)"\0\0\0\0", 4 },                              /* no frame */
        { (const uint8_t *)"\0\0\0\1\0\0\0\1xy", 10 },                   /* more than it says */
        { (const uint8_t *)"\0\0\0\1\xff\xff\xff\xffx", 9 },
        { (const uint8_t *)"\0\0\xff\xff\0\0\0\0", 8 },
    };

    assert_true(tmx_gate_get_message(TMX_LIT("\0\0\0\1\0\0\0\1x"), &message_back));
    for (size_t i = 0; i < TMX_N(cases); i++) {
        assert_false(tmx_gate_get_message(cases[i], &message_back));
    }
    /* a peer's name of 65 characters has no room for its NUL */
    struct tmx_writer w = TMX_WRITER_OF(buffer);
    tmx_write_fmt(&w, "%c%c%065d", 0, 65, 1);
    tmx_write_bytes(&w, TMX_LIT("\0\1\0\0\0\1x"));
    assert_false(tmx_gate_get_message(tmx_written(&w), &message_back));
    /* nobody is admitted without a name */
    struct tmx_admit admit;
    size_t n;
    w = TMX_WRITER_OF(buffer);
    tmx_write_fmt(&w, "%c%c%032d%c", 0, 1, 1, 0);
    assert_false(tmx_gate_get_admit(tmx_written(&w), &admit, 1, &n));
}

/* TRA-4: at most 129 frames, none above the frame limit, together at most 1 MiB */
static void messages_beyond_the_transport_limits_are_malformed(void **state)
{
    static const struct {
        size_t n, size;
        bool good;
    } cases[] = {
        { TMX_FRAMES_MAX, 1, true },
        { TMX_FRAMES_MAX + 1, 1, false },
        { 1, TMX_FRAME_MAX, true },
        { 1, TMX_FRAME_MAX + 1, false },
        { 4, TMX_LINK_BYTES_MAX / 4, true },
        { 4, TMX_LINK_BYTES_MAX / 4 + 1, false },
    };

    for (size_t i = 0; i < TMX_N(cases); i++) {
        memset(buffer, 0, sizeof(buffer));
        struct tmx_writer w = TMX_WRITER_OF(buffer);
        tmx_write_u16(&w, 0);
        tmx_write_u16(&w, (uint16_t)cases[i].n);
        for (size_t f = 0; f < cases[i].n; f++) {
            tmx_write_u32(&w, (uint32_t)cases[i].size);
            w.used += cases[i].size;
        }
        assert_true(w.used <= sizeof(buffer));
        assert_true(tmx_gate_get_message(tmx_written(&w), &message_back) == cases[i].good);
    }
}

static void an_encoder_never_writes_past_its_writer(void **state)
{
    fill_message();
    size_t size = tmx_gate_message_size(&message);
    for (size_t n = 0; n <= size; n++) {
        uint8_t *out = malloc(n + (n == 0));
        struct tmx_writer w = tmx_writer_init(out, n);
        tmx_gate_put_message(&w, &message);
        assert_true(w.failed == (n < size));
        free(out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_come_back),
        cmocka_unit_test(configurations_come_back),
        cmocka_unit_test(small_frames_come_back),
        cmocka_unit_test(a_stream_is_split_at_any_cut),
        cmocka_unit_test(what_is_no_frame_stops_the_gate),
        cmocka_unit_test(cut_bodies_are_malformed),
        cmocka_unit_test(hostile_messages_are_malformed),
        cmocka_unit_test(messages_beyond_the_transport_limits_are_malformed),
        cmocka_unit_test(an_encoder_never_writes_past_its_writer),
    };
    return cmocka_run_group_tests_name("gateframe", tests, NULL, NULL);
}
