/* SPDX-License-Identifier: Apache-2.0
 * The HTTP endpoint: what it answers, whom it refuses, and that clients that are slow, silent, too many or too large cost
 * it little. Server and clients are one process; time is given.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <tmx/http.h>

#include "../../lib/io/http_address.h"

static struct tmx_http *server;
static uint16_t port;
static uint64_t now_ms;
static unsigned asked[3];
static const char *health;   /* NULL: there is no document */

static json_t *document(void *context, enum tmx_http_document which)
{
    assert_ptr_equal(context, &health);
    asked[which]++;
    return health == NULL              ? NULL
           : which == TMX_HTTP_STATUS  ? json_pack("{ss ss sI}", "role", "broker", "health", health, "uptime_ms", (json_int_t)1500)
           : which == TMX_HTTP_HISTORY ? json_pack("{si}", "step_ms", 60000)
                                       : json_pack("{si}", "step_ms", 10000);
}

/* A port nobody has at this moment. */
static uint16_t port_free(void)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &size), 0);
    close(fd);
    return ntohs(a.sin_port);
}

static int setup(void **state)
{
    char address[32];
    const struct tmx_http_source source = { .document = document, .context = &health };
    memset(asked, 0, sizeof(asked));
    health = "ok";
    now_ms = 5000;
    port = port_free();
    snprintf(address, sizeof(address), "127.0.0.1:%u", port);
    return tmx_http_new(address, &source, &server);
}

static int teardown(void **state)
{
    server = tmx_http_free(server);
    return 0;
}

static int client_open(void)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port) };
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    return fd;
}

static void client_say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* Steps the server until nothing is left to do. */
static void settle(void)
{
    struct pollfd p = { .fd = tmx_http_fd(server), .events = POLLIN };
    for (unsigned i = 0; i < 1000; i++) {
        tmx_http_step(server, now_ms);
        if (tmx_http_due(server) > now_ms && poll(&p, 1, 5) == 0) {
            return;
        }
    }
    fail_msg("the server never comes to rest");
}

/* What came; true: and the server has closed. */
static bool client_hear(int fd, char *text, size_t size)
{
    size_t used = 0;
    ssize_t n = 1;
    for (unsigned i = 0; i < 1000 && used < size - 1; i++) {
        settle();
        while (used < size - 1 && (n = recv(fd, text + used, size - 1 - used, MSG_DONTWAIT)) > 0) {
            used += (size_t)n;
        }
        if (n == 0 || (n < 0 && errno != EAGAIN) || tmx_http_due(server) > now_ms) {
            break;
        }
    }
    text[used] = '\0';
    return n == 0 || (n < 0 && errno == ECONNRESET);
}

static char heard[128u << 10];

static void ask(const char *request, const char *status)
{
    int fd = client_open();
    client_say(fd, request);
    assert_true(client_hear(fd, heard, sizeof(heard)));
    close(fd);
    if (strncmp(heard, status, strlen(status)) != 0) {
        fail_msg("%s is answered %.300s", request, heard);
    }
}

static const char *body(void)
{
    const char *end = strstr(heard, "\r\n\r\n");
    assert_non_null(end);
    return end + 4;
}

static void get(const char *path, const char *status)
{
    char request[256];
    snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path);
    ask(request, status);
}

static void has(const char *header)
{
    const char *at = strcasestr(heard, header);
    if (at == NULL || at > body()) {
        fail_msg("no %s in %.600s", header, heard);
    }
}

static void test_documents(void **state)
{
    get("/status.json", "HTTP/1.1 200 ");
    has("\r\nContent-Type: application/json");
    assert_string_equal(body(), "{\"role\":\"broker\",\"health\":\"ok\",\"uptime_ms\":1500}");
    get("/history.json", "HTTP/1.1 200 ");
    assert_string_equal(body(), "{\"step_ms\":60000}");
    get("/recent.json", "HTTP/1.1 200 ");
    assert_string_equal(body(), "{\"step_ms\":10000}");
    get("/metrics", "HTTP/1.1 200 ");
    has("\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n");
    assert_non_null(strstr(body(), "\ntmx_broker_uptime_seconds 1.5\n"));
    get("/", "HTTP/1.1 200 ");
    has("\r\nContent-Type: text/html");
    has("\r\nCache-Control: no-store\r\n");
    has("\r\nContent-Security-Policy: default-src 'none'; style-src 'sha256-");
    has("\r\nX-Content-Type-Options: nosniff\r\n");
    has("\r\nConnection: close\r\n");
    assert_int_equal(strncmp(body(), "<!doctype html>", 15), 0);
    assert_non_null(strstr(body(), "</html>\n"));
}

/* The page asks for nothing from elsewhere. */
static void test_page_alone(void **state)
{
    get("/", "HTTP/1.1 200 ");
    for (const char *at = body(); (at = strstr(at, "//")) != NULL; at += 2) {
        bool namespace = strncmp(at, "//www.w3.org/", 13) == 0;
        assert_true(namespace);
    }
    assert_null(strstr(body(), "src="));
    assert_null(strstr(body(), "@import"));
    assert_null(strstr(body(), "innerHTML"));
}

static void test_health(void **state)
{
    get("/healthz", "HTTP/1.1 200 ");
    assert_string_equal(body(), "ok\n");
    health = "warning";
    now_ms += TMX_HTTP_FRESH_MS;
    get("/healthz", "HTTP/1.1 200 ");
    assert_string_equal(body(), "warning\n");
    health = "critical";
    now_ms += TMX_HTTP_FRESH_MS;
    get("/healthz", "HTTP/1.1 503 ");
    assert_string_equal(body(), "critical\n");
    health = NULL;
    now_ms += TMX_HTTP_FRESH_MS;
    get("/healthz", "HTTP/1.1 503 ");
    get("/metrics", "HTTP/1.1 503 ");
    get("/status.json", "HTTP/1.1 503 ");
    get("/", "HTTP/1.1 200 ");
}

static void test_head(void **state)
{
    ask("HEAD /status.json HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", "HTTP/1.1 200 ");
    has("\r\nContent-Length: 48\r\n");
    assert_string_equal(body(), "");
}

static void test_refusals(void **state)
{
    ask("POST /status.json HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nx=1", "HTTP/1.1 405 ");
    has("\r\nAllow: GET, HEAD\r\n");
    ask("DELETE / HTTP/1.1\r\nHost: localhost\r\n\r\n", "HTTP/1.1 405 ");
    ask("OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", "HTTP/1.1 405 ");
    get("/status", "HTTP/1.1 404 ");
    get("/status.json/", "HTTP/1.1 404 ");
    get("/../status.json", "HTTP/1.1 404 ");
    /* A name that a foreign page made point here (DNS rebinding), and what is none. */
    ask("GET /status.json HTTP/1.1\r\nHost: evil.example\r\n\r\n", "HTTP/1.1 421 ");
    ask("GET /status.json HTTP/1.1\r\nHost: localhost.evil.example\r\n\r\n", "HTTP/1.1 421 ");
    ask("GET /status.json HTTP/1.1\r\nHost: 127.0.0.1.evil.example\r\n\r\n", "HTTP/1.1 421 ");
    ask("GET /status.json HTTP/1.0\r\n\r\n", "HTTP/1.1 421 ");
    ask("GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 400 ");
    assert_int_equal(asked[TMX_HTTP_STATUS], 0);
}

static void test_too_large(void **state)
{
    static char request[4 * TMX_HTTP_MEMORY_MAX];
    int n = snprintf(request, sizeof(request), "GET /status.json HTTP/1.1\r\nHost: localhost\r\nX: ");
    memset(request + n, 'x', 2 * TMX_HTTP_MEMORY_MAX);
    strcpy(request + n + 2 * TMX_HTTP_MEMORY_MAX, "\r\n\r\n");
    int fd = client_open();
    client_say(fd, request);
    assert_true(client_hear(fd, heard, sizeof(heard)));
    assert_null(strstr(heard, " 200 "));
    assert_int_equal(asked[TMX_HTTP_STATUS], 0);
    close(fd);
}

/* However many ask, and however often: a document is made once a second. */
static void test_made_once_a_second(void **state)
{
    for (unsigned i = 0; i < 40; i++) {
        get("/status.json", "HTTP/1.1 200 ");
    }
    assert_int_equal(asked[TMX_HTTP_STATUS], 1);
    now_ms += TMX_HTTP_FRESH_MS - 1;
    get("/status.json", "HTTP/1.1 200 ");
    assert_int_equal(asked[TMX_HTTP_STATUS], 1);
    health = "critical";
    now_ms++;
    get("/status.json", "HTTP/1.1 200 ");
    assert_int_equal(asked[TMX_HTTP_STATUS], 2);
    assert_non_null(strstr(body(), "critical"));
}

/* A client has ten seconds in all, even one that goes on saying something. */
static void test_slow_client(void **state)
{
    char text[64];
    int silent = client_open(), slow = client_open();
    settle();
    for (unsigned i = 0; i < 9; i++) {
        client_say(slow, (char[]){ "GET /stat"[i], '\0' });
        now_ms += 1000;
        assert_false(client_hear(slow, text, sizeof(text)));
    }
    assert_false(client_hear(silent, text, sizeof(text)));
    assert_int_equal(tmx_http_due(server), 5000 + TMX_HTTP_CLIENT_MS);
    now_ms += 1000;
    assert_true(client_hear(slow, text, sizeof(text)));
    assert_true(client_hear(silent, text, sizeof(text)));
    close(slow);
    close(silent);
    settle();
    assert_int_equal(tmx_http_due(server), UINT64_MAX);
}

/* Whoever comes when all places are taken waits a second at the most: then the oldest goes, and the others keep their time. */
static void test_too_many(void **state)
{
    unsigned gone = 0;
    int idle[TMX_HTTP_CONNECTIONS_MAX];
    for (size_t i = 0; i < TMX_N(idle); i++) {
        idle[i] = client_open();
        settle();
    }
    int late = client_open();
    client_say(late, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_false(client_hear(late, heard, sizeof(heard)));
    assert_string_equal(heard, "");
    assert_int_equal(tmx_http_due(server), now_ms + TMX_HTTP_CROWDED_MS);
    now_ms += TMX_HTTP_CROWDED_MS - 1;
    assert_false(client_hear(late, heard, sizeof(heard)));
    now_ms++;
    assert_true(client_hear(late, heard, sizeof(heard)));
    assert_non_null(strstr(heard, " 200 "));
    close(late);
    now_ms += TMX_HTTP_CROWDED_MS;
    settle();
    for (size_t i = 0; i < TMX_N(idle); i++) {
        char text[8];
        gone += client_hear(idle[i], text, sizeof(text)) ? 1 : 0;
        close(idle[i]);
    }
    assert_in_range(gone, 1, 2);   /* the second where the late one took the place of the first, and all were taken again */
}

/* A client that takes nothing keeps what it was to get no longer than its time. */
static void test_client_that_goes(void **state)
{
    int fd = client_open();
    client_say(fd, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    close(fd);
    settle();
    get("/healthz", "HTTP/1.1 200 ");
}

static void test_port_taken(void **state)
{
    char address[32];
    const struct tmx_http_source source = { .document = document };
    struct tmx_http *second = NULL;
    snprintf(address, sizeof(address), "127.0.0.1:%u", port);
    assert_int_equal(tmx_http_new(address, &source, &second), -EADDRINUSE);
    assert_null(second);
}

static void test_addresses(void **state)
{
    static const char *const good[] = { "127.0.0.1:9570", "127.1.2.3:1", "[::1]:65535" };
    static const char *const bad[] = { "", ":9570", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:x",
                                       "127.0.0.1:80 ", "0.0.0.0:9570", "192.0.2.1:9570", "localhost:9570", "[::]:9570", "[::1]",
                                       "[::1", "::1:9570", "[127.0.0.1]:9570", "*:9570", "127.1:80", "128.0.0.1:80",
                                       "[::ffff:127.0.0.1]:80" };
    for (size_t i = 0; i < TMX_N(good); i++) {
        assert_true(tmx_http_address_valid(good[i]));
    }
    for (size_t i = 0; i < TMX_N(bad); i++) {
        if (tmx_http_address_valid(bad[i])) {
            fail_msg("%s is no loopback address with a port", bad[i]);
        }
    }
    static const char *const ours[] = { "localhost", "LOCALHOST:80", "127.0.0.1", "127.0.0.1:9570", "[::1]", "[::1]:1" };
    static const char *const others[] = { "", "localhost.", "localhost:", "localhost:x", "a", "192.0.2.1", "[::]", "::1", "localhost@x",
                                          "[localhost]", "127.0.0.1, localhost" };
    for (size_t i = 0; i < TMX_N(ours); i++) {
        assert_true(http_host_ours(ours[i]));
    }
    for (size_t i = 0; i < TMX_N(others); i++) {
        if (http_host_ours(others[i])) {
            fail_msg("%s is not this machine", others[i]);
        }
    }
    assert_false(http_host_ours(NULL));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_documents),  TEST(test_page_alone),         TEST(test_health),      TEST(test_head),
        TEST(test_refusals),   TEST(test_too_large),          TEST(test_made_once_a_second),
        TEST(test_slow_client), TEST(test_too_many),          TEST(test_client_that_goes),
        TEST(test_port_taken), cmocka_unit_test(test_addresses),
    };
    return cmocka_run_group_tests_name("http", tests, NULL, NULL);
}
