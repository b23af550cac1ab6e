/* SPDX-License-Identifier: Apache-2.0
 * The transport between peers that keep the rules. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "../harness/curve_client.h"
#include "../harness/transport_world.h"

static uint8_t big[TMX_FRAME_MAX + 64];

/* TRA-1, TRA-2, TRA-3 */
static void names_admitted_peers(void **state)
{
    struct world *w = *state;
    struct tmx_socket *fr = client_of(w, &w->fr), *de = client_of(w, &w->de);
    expect_exchange(w, fr, "FR");
    expect_exchange(w, de, "DE");
    expect_exchange(w, fr, "FR");
    assert_int_equal(tmx_transport_counters(w->server)->zap_accepted, 2);
    assert_int_equal(tmx_transport_counters(w->server)->zap_refused, 0);
    tmx_socket_close(fr);
    tmx_socket_close(de);
    finish(w);
}

/* TRA-1 */
static void refuses_other_endpoints_and_bad_keys(void **state)
{
    struct world *w = *state;
    struct tmx_socket *s;
    static char too_long[400];
    memset(too_long, 'x', sizeof(too_long) - 1);
    memcpy(too_long, "tcp://", 6);
    const char *const bad[] = { "tcp://", "tcp://127.0.0.1", "inproc://a", "udp://127.0.0.1:5000",
                                "pgm://eth0;239.1.1.1:7", "", "ws://127.0.0.1:*", "tipc://{1,2,3}",
                                "TCP://127.0.0.1:*", " tcp://127.0.0.1:*", too_long };
    for (size_t i = 0; i < TMX_N(bad); i++) {
        assert_int_equal(tmx_socket_serve(w->server, bad[i], &w->keys, &s), -EINVAL);
        assert_int_equal(tmx_socket_serve(w->server, bad[i], NULL, &s), -EINVAL);
        assert_int_equal(tmx_socket_connect(w->clients, bad[i], &w->fr, w->keys.public, &s), -EINVAL);
    }
    assert_int_equal(tmx_socket_serve(w->server, "tcp://127.0.0.1:*", NULL, &s), -EINVAL);
    assert_int_equal(tmx_socket_serve(w->server, "ipc:///tmp/tmx-test", &w->keys, &s), -EINVAL);
    assert_int_equal(tmx_socket_serve(w->server, "ipc://relative", NULL, &s), -EINVAL);
    assert_int_equal(tmx_socket_serve(w->server, "ipc://@abstract", NULL, &s), -EINVAL);
    assert_int_equal(tmx_socket_serve(w->server, tmx_socket_endpoint(w->socket), &w->keys, &s), -EADDRINUSE);

    struct tmx_curve mixed = w->fr, zero = { 0 }, printed;
    memcpy(mixed.public, w->de.public, 32);
    assert_int_equal(tmx_socket_serve(w->server, "tcp://127.0.0.1:*", &mixed, &s), -EINVAL);
    assert_int_equal(tmx_socket_serve(w->server, "tcp://127.0.0.1:*", &zero, &s), -EINVAL);
    assert_int_equal(tmx_socket_connect(w->clients, "tcp://127.0.0.1:9", &w->fr, zero.public, &s), -EINVAL);
    /* the server's secret of zmq_curve(7) */
    const char *hex = "8e0bdd697628b91d8f245587ee95c5b04d48963f79259877b49cd9063aead3b7";
    assert_int_equal(sodium_hex2bin(printed.secret, 32, hex, 64, NULL, NULL, NULL), 0);
    tmx_curve_public(printed.secret, printed.public);
    assert_int_equal(tmx_socket_serve(w->server, "tcp://127.0.0.1:*", &printed, &s), -EINVAL);
    assert_int_equal(tmx_socket_connect(w->clients, "tcp://127.0.0.1:9", &w->fr, printed.public, &s), -EINVAL);
    finish(w);
}

/* A peer that does not read, and one that is not there, are conditions; what arrives arrives whole. */
static void never_blocks_on_a_peer(void **state)
{
    struct world *w = *state;
    struct tmx_socket *fr = client_of(w, &w->fr);
    expect_exchange(w, fr, "FR");
    struct tmx_message to = w->m, got;
    const struct tmx_bytes frames[] = { TMX_LIT("control"), TMX_BYTES(big, TMX_FRAME_MAX), TMX_BYTES(big, 4) };
    size_t sent = 0;
    while (tmx_socket_send(w->socket, &to, frames, 3) == 0) {
        sent++;
        assert_true(sent < 10000);
    }
    assert_true(sent > 0);
    assert_int_equal(tmx_transport_counters(w->server)->send_again, 1);
    for (size_t i = 0; i < sent; i++) {
        await_at_client(w, fr, &got);
        assert_int_equal(got.n_frames, 3);
        assert_int_equal(got.frames[1].size, TMX_FRAME_MAX);
    }
    to.route[1] ^= 0x55;
    assert_int_equal(tmx_socket_send(w->socket, &to, frames, 3), TMX_SOCKET_E_GONE);
    expect_exchange(w, fr, "FR");
    tmx_socket_close(fr);

    /* nothing is queued for a server that is not there */
    struct tmx_socket *lonely;
    assert_int_equal(tmx_socket_connect(w->clients, "tcp://127.0.0.1:9", &w->fr, w->keys.public, &lonely), 0);
    assert_int_equal(tmx_socket_send(lonely, NULL, frames, 3), TMX_SOCKET_E_AGAIN);
    tmx_socket_close(lonely);
    finish(w);
}

/* The application side: ipc with its file mode, no name whatever the peer claims. */
static void serves_ipc_to_its_group_only(void **state)
{
    struct world *w = *state;
    char directory[] = "/tmp/tmx-transport-XXXXXX", endpoint[64];
    assert_non_null(mkdtemp(directory));
    snprintf(endpoint, sizeof(endpoint), "ipc://%s/s", directory);
    struct tmx_socket *curve_socket = w->socket, *app;
    assert_int_equal(tmx_socket_serve(w->server, endpoint, NULL, &w->socket), 0);
    struct stat st;
    assert_int_equal(stat(endpoint + 6, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0660);
    assert_int_equal(tmx_socket_connect(w->clients, endpoint, NULL, NULL, &app), 0);
    expect_exchange(w, app, "");

    /* by hand: the greeting, READY with a User-Id, one message */
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    strcpy(address.sun_path, endpoint + 6);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    const uint8_t greeting[64] = { 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 3, 0, 'N', 'U', 'L', 'L' };
    assert_true(tcp_write(fd, greeting, sizeof(greeting)));
    static const char ready[] = "\4\x2a\5READY\13Socket-Type\0\0\0\6DEALER\7User-Id\0\0\0\2FR";
    uint8_t theirs[64 + 2 + 255];
    assert_true(tcp_write(fd, ready, sizeof(ready) - 1));
    assert_int_equal(recv(fd, theirs, 66, MSG_WAITALL), 66);
    assert_int_equal(recv(fd, theirs + 66, theirs[65], MSG_WAITALL), theirs[65]);
    assert_true(tcp_write(fd, "\0\5claim", 7));
    await_message(w);
    assert_string_equal(w->m.peer, "");
    assert_true(tmx_bytes_eq(w->m.frames[0], TMX_LIT("claim")));
    close(fd);
    tmx_socket_close(app);
    tmx_socket_close(w->socket);
    w->socket = curve_socket;
    unlink(endpoint + 6);
    rmdir(directory);
    finish(w);
}

static void polls_descriptors(void **state)
{
    struct world *w = *state;
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    struct tmx_poll items[] = { { .fd = -1 },
                                { .fd = ends[0] },
                                { .fd = -1, .socket = w->socket },
                                { .fd = ends[0], .want_write = true } };
    assert_int_equal(tmx_transport_poll(w->server, items, 4, 0), 0);
    assert_false(items[0].ready || items[1].ready || items[2].ready || items[3].ready || items[1].writable);
    assert_true(items[3].writable);
    assert_int_equal(write(ends[1], "x", 1), 1);
    assert_int_equal(tmx_transport_poll(w->server, items, 2, DEADLINE_MS), 0);
    assert_true(items[1].ready);
    char c;
    assert_int_equal(read(ends[0], &c, 1), 1);
    close(ends[1]);
    assert_int_equal(tmx_transport_poll(w->clients, items, 2, DEADLINE_MS), 0);
    assert_true(items[1].ready);
    close(ends[0]);
    finish(w);
}

/* A node waits for what is next to do, which may be far away: that its connection was made again must not wait for that. */
static void ends_a_clients_wait_with_its_news(void **state)
{
    struct world *w = *state;
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof(at);
    char endpoint[64];
    int silent = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);   /* the kernel takes the connection, nobody speaks */
    assert_int_equal(bind(silent, (const struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(silent, 1), 0);
    assert_int_equal(getsockname(silent, (struct sockaddr *)&at, &size), 0);
    snprintf(endpoint, sizeof(endpoint), "tcp://127.0.0.1:%u", ntohs(at.sin_port));
    struct tmx_socket *client;
    assert_int_equal(tmx_socket_connect(w->clients, endpoint, &w->fr, w->keys.public, &client), 0);
    struct tmx_poll item = { .fd = -1, .socket = client };
    int64_t start = now_ms();
    while (tmx_socket_story(client)->connected == 0) {
        assert_int_equal(tmx_transport_poll(w->clients, &item, 1, DEADLINE_MS), 0);
        assert_true(now_ms() - start < DEADLINE_MS);
    }
    assert_false(item.ready || item.writable);
    tmx_socket_close(client);
    close(silent);
    finish(w);
}

/* TRA-2: the self-test is quick enough to run at every start. */
static void starts_in_bounded_time(void **state)
{
    int64_t start = now_ms();
    struct tmx_transport *t;
    assert_int_equal(tmx_transport_new(true, &t), 0);
    assert_true(now_ms() - start < 2000);
    print_message("# self-test: %d ms\n", (int)(now_ms() - start));
    assert_int_equal(tmx_transport_counters(t)->zap_refused, 0);
    tmx_transport_free(t);
}

#define TEST(f) cmocka_unit_test_setup(f, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(names_admitted_peers),
        TEST(refuses_other_endpoints_and_bad_keys),
        TEST(never_blocks_on_a_peer),
        TEST(serves_ipc_to_its_group_only),
        TEST(polls_descriptors),
        TEST(ends_a_clients_wait_with_its_news),
        cmocka_unit_test(starts_in_bounded_time),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests_name("transport", tests, NULL, NULL);
}
