/* SPDX-License-Identifier: Apache-2.0
 * The control socket: both sides in one process, and clients that are slow, silent, too many or too large.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <tmx/control.h>

static char folder[] = "/tmp/tmx-test-control-XXXXXX";
static char path[64];
static struct tmx_control *server;
static uint64_t now_ms;

static int setup(void **state)
{
    server = NULL;
    now_ms = 1000;
    return tmx_control_new(path, &server);
}

static int teardown(void **state)
{
    server = tmx_control_free(server);
    return access(path, F_OK) == 0 ? 1 : 0; /* the file is gone */
}

static int client_open(void)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    memcpy(address.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static void client_say(int fd, const void *text, size_t size)
{
    assert_int_equal(send(fd, text, size, MSG_NOSIGNAL), size);
}

/* What came until now; *ret_closed: and the server has closed. */
static size_t client_hear(int fd, char *text, size_t size, bool *ret_closed)
{
    size_t used = 0;
    ssize_t n;
    do {
        n = read(fd, text + used, size - 1 - used);
        used += n > 0 ? (size_t)n : 0;
    } while (n > 0);
    text[used] = '\0';
    *ret_closed = used < size - 1 && (n == 0 || errno == ECONNRESET);
    return used;
}

/* One client says `request`, the handler answers `reply` (NULL: none is expected), the client hears `heard`. */
static void exchange(const void *request, size_t size, void (*handler)(const struct tmx_control_request *),
                     const char *heard)
{
    char text[4096];
    bool closed = false;
    struct tmx_control_request r;
    int fd = client_open();
    client_say(fd, request, size);
    shutdown(fd, SHUT_WR);
    tmx_control_step(server, now_ms);
    if (handler != NULL) {
        assert_true(tmx_control_next(server, &r));
        handler(&r);
        tmx_control_reply(server, r.client, json_pack("{si}", "n", (int)r.n_words));
    }
    assert_false(tmx_control_next(server, &r));
    client_hear(fd, text, sizeof(text), &closed);
    assert_string_equal(text, heard);
    assert_true(closed);
    close(fd);
}

static void expect_status(const struct tmx_control_request *r)
{
    assert_int_equal(r->n_words, 1);
    assert_string_equal(r->words[0], "status");
    assert_int_equal(r->attachment.size, 0);
    assert_int_equal(r->uid, getuid());
    assert_int_equal(r->gid, getgid());
    assert_int_equal(r->pid, getpid());
}

static void expect_words(const struct tmx_control_request *r)
{
    assert_int_equal(r->n_words, 3);
    assert_string_equal(r->words[0], "queue");
    assert_string_equal(r->words[1], "a b%c\n");
    assert_string_equal(r->words[2], "\xc3\xa4");
    assert_true(tmx_bytes_eq(r->attachment, TMX_LIT("x\0y\n")));
}

static void expect_eight(const struct tmx_control_request *r)
{
    assert_int_equal(r->n_words, TMX_CONTROL_WORDS_MAX);
    assert_string_equal(r->words[7], "8");
}

#define SAY(s) "" s, sizeof(s) - 1
#define BAD_LINE "{\"error\":\"the request is not a line\",\"code\":\"bad-request\"}"
#define BAD_WORDS                                                                                                      \
    "{\"error\":\"the request is not one to eight words separated by single spaces\",\"code\":\"bad-request\"}"

static void test_requests(void **state)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0660);
    exchange(SAY("status\n"), expect_status, "{\"n\":1}");
    exchange(SAY("queue a%20b%25c%0A \xc3\xa4\nx\0y\n"), expect_words, "{\"n\":3}");
    exchange(SAY("1 2 3 4 5 6 7 8\n"), expect_eight, "{\"n\":8}");
    exchange(SAY("1 2 3 4 5 6 7 8 9\n"), NULL, BAD_WORDS);
    exchange(SAY(""), NULL, BAD_LINE);
    exchange(SAY("status"), NULL, BAD_LINE);
    exchange(SAY("sta\0tus\n"), NULL, BAD_LINE);
    exchange(SAY("\n"), NULL, BAD_WORDS);
    exchange(SAY(" status\n"), NULL, BAD_WORDS);
    exchange(SAY("status \n"), NULL, BAD_WORDS);
    exchange(SAY("a  b\n"), NULL, BAD_WORDS);
    exchange(SAY("a\tb\n"), NULL, BAD_WORDS);
    exchange(SAY("status\r\n"), NULL, BAD_WORDS);
    exchange(SAY("a%\n"), NULL, BAD_WORDS);
    exchange(SAY("a%4\n"), NULL, BAD_WORDS);
    exchange(SAY("a%zz\n"), NULL, BAD_WORDS);
    exchange(SAY("a%00\n"), NULL, BAD_WORDS);
}

static void test_refusals(void **state)
{
    char text[256];
    bool closed = false;
    struct tmx_control_request r;
    int fd = client_open();
    client_say(fd, SAY("fly\n"));
    shutdown(fd, SHUT_WR);
    tmx_control_step(server, now_ms);
    assert_true(tmx_control_next(server, &r));
    tmx_control_refuse(server, r.client, "unknown-command", "unknown command '%s'", r.words[0]);
    tmx_control_reply(server, r.client, json_object()); /* too late: ignored */
    tmx_control_reply(server, 12345, json_object());
    client_hear(fd, text, sizeof(text), &closed);
    assert_string_equal(text, "{\"error\":\"unknown command 'fly'\",\"code\":\"unknown-command\"}");
    assert_true(closed);
    close(fd);
}

/* An answer that cannot be made, or that no client would take, becomes an error. */
static void test_bad_replies(void **state)
{
    char *big = malloc(TMX_CONTROL_REPLY_MAX + 1);
    assert_non_null(big);
    memset(big, 'x', TMX_CONTROL_REPLY_MAX);
    big[TMX_CONTROL_REPLY_MAX] = '\0';
    json_t *replies[] = { NULL, json_pack("{ss}", "t", big) };
    free(big);
    for (size_t i = 0; i < TMX_N(replies); i++) {
        char text[256];
        bool closed = false;
        struct tmx_control_request r;
        int fd = client_open();
        client_say(fd, SAY("status\n"));
        shutdown(fd, SHUT_WR);
        tmx_control_step(server, now_ms);
        assert_true(tmx_control_next(server, &r));
        tmx_control_reply(server, r.client, replies[i]);
        client_hear(fd, text, sizeof(text), &closed);
        assert_string_equal(text,
                            "{\"error\":\"the answer could not be made, or is too large\",\"code\":\"internal\"}");
        close(fd);
    }
}

/* The request comes byte by byte, and the answer is only taken in small pieces. */
static void test_slow_client(void **state)
{
    static char big[300000], text[400000];
    static const char request[] = "status\n";
    struct tmx_control_request r;
    bool closed = false;
    int fd = client_open();
    for (size_t i = 0; i < strlen(request); i++) {
        client_say(fd, request + i, 1);
        tmx_control_step(server, now_ms);
        assert_false(tmx_control_next(server, &r));
    }
    shutdown(fd, SHUT_WR);
    tmx_control_step(server, now_ms);
    assert_true(tmx_control_next(server, &r));
    memset(big, 'x', sizeof(big) - 1);
    tmx_control_reply(server, r.client, json_pack("{ss}", "t", big));

    struct tmx_control_fd fds[TMX_CONTROL_FDS_MAX];
    assert_int_equal(tmx_control_fds(server, fds), 2);
    assert_true(fds[0].want_write);
    assert_false(fds[1].want_write);
    size_t used = 0;
    for (size_t i = 0; i < 1000 && !closed; i++) {
        used += client_hear(fd, text + used, 4096, &closed);
        tmx_control_step(server, now_ms);
    }
    assert_true(closed);
    assert_int_equal(used, sizeof(big) - 1 + strlen("{\"t\":\"\"}"));
    assert_int_equal(tmx_control_fds(server, fds), 1);
    close(fd);
}

/* Each stage has its time: saying the request, being answered, taking the answer. */
static void test_silent_clients(void **state)
{
    static char big[4000000];
    char text[64];
    bool closed = false;
    struct tmx_control_request r;
    assert_true(tmx_control_due(server) == UINT64_MAX);
    int fd = client_open();
    tmx_control_step(server, now_ms);
    assert_true(tmx_control_due(server) == now_ms + TMX_CONTROL_CLIENT_MS);
    client_say(fd, SAY("stat"));
    tmx_control_step(server, now_ms + TMX_CONTROL_CLIENT_MS - 1);
    client_hear(fd, text, sizeof(text), &closed);
    assert_false(closed);
    tmx_control_step(server, now_ms + TMX_CONTROL_CLIENT_MS);
    client_hear(fd, text, sizeof(text), &closed);
    assert_true(closed);
    assert_true(tmx_control_due(server) == UINT64_MAX);
    close(fd);

    fd = client_open();
    client_say(fd, SAY("status\n"));
    shutdown(fd, SHUT_WR);
    tmx_control_step(server, now_ms);
    assert_true(tmx_control_next(server, &r));
    now_ms += TMX_CONTROL_CLIENT_MS - 1;
    tmx_control_step(server, now_ms);
    memset(big, 'x', sizeof(big) - 1);
    tmx_control_reply(server, r.client, json_pack("{ss}", "t", big));
    now_ms += TMX_CONTROL_CLIENT_MS;
    tmx_control_step(server, now_ms);
    assert_true(tmx_control_due(server) == UINT64_MAX); /* dropped */
    close(fd);
}

static void test_large_requests(void **state)
{
    static char big[TMX_CONTROL_LINE_MAX + TMX_CONTROL_ATTACHMENT_MAX + 1];
    static const char too_large[] = "{\"error\":\"the request is too large\",\"code\":\"too-large\"}";
    struct tmx_control_request r;
    char text[256];
    bool closed = false;

    /* The longest line there may be, one byte more, and an attachment of the largest size. */
    memset(big, 'a', sizeof(big));
    int fd = client_open();
    client_say(fd, big, TMX_CONTROL_LINE_MAX - 1);
    client_say(fd, "\n", 1);
    shutdown(fd, SHUT_WR);
    tmx_control_step(server, now_ms);
    assert_true(tmx_control_next(server, &r));
    assert_int_equal(strlen(r.words[0]), TMX_CONTROL_LINE_MAX - 1);
    tmx_control_reply(server, r.client, json_object());
    close(fd);

    fd = client_open();
    client_say(fd, big, TMX_CONTROL_LINE_MAX);
    tmx_control_step(server, now_ms);
    assert_false(tmx_control_next(server, &r));
    client_hear(fd, text, sizeof(text), &closed);
    assert_string_equal(text, too_large);
    assert_true(closed);
    close(fd);

    fd = client_open();
    client_say(fd, SAY("install\n"));
    size_t sent = 0;
    size_t goal = sizeof(big) - strlen("install\n"); /* one more than fits in all */
    for (size_t i = 0; i < 10000 && sent < goal; i++) {
        ssize_t n = send(fd, big, goal - sent, MSG_NOSIGNAL);
        sent += n > 0 ? (size_t)n : 0;
        tmx_control_step(server, now_ms);
    }
    assert_int_equal(sent, goal);
    assert_false(tmx_control_next(server, &r));
    client_hear(fd, text, sizeof(text), &closed);
    assert_string_equal(text, too_large);
    close(fd);
}

/* While all slots are taken nobody is accepted; when one is free again, the next is. */
static void test_too_many_clients(void **state)
{
    int fds[TMX_CONTROL_CLIENTS_MAX + 1];
    struct tmx_control_fd polled[TMX_CONTROL_FDS_MAX];
    struct tmx_control_request r;
    char text[64];
    bool closed = false;
    for (size_t i = 0; i < TMX_N(fds); i++) {
        fds[i] = client_open();
        tmx_control_step(server, now_ms);
    }
    assert_int_equal(tmx_control_fds(server, polled), TMX_CONTROL_CLIENTS_MAX);
    client_say(fds[TMX_CONTROL_CLIENTS_MAX], SAY("status\n"));
    shutdown(fds[TMX_CONTROL_CLIENTS_MAX], SHUT_WR);
    tmx_control_step(server, now_ms);
    assert_false(tmx_control_next(server, &r));

    close(fds[3]);
    tmx_control_step(server, now_ms); /* sees that it is gone, and answers it into the void */
    tmx_control_step(server, now_ms);
    assert_true(tmx_control_next(server, &r));
    tmx_control_reply(server, r.client, json_object());
    client_hear(fds[TMX_CONTROL_CLIENTS_MAX], text, sizeof(text), &closed);
    assert_string_equal(text, "{}");
    for (size_t i = 0; i < TMX_N(fds); i++) {
        if (i != 3) {
            close(fds[i]);
        }
    }
}

/* A request that came complete in a step after which nobody asked for it is due at once: its client says nothing more. */
static void test_complete_is_due(void **state)
{
    struct tmx_control_fd fds[TMX_CONTROL_FDS_MAX];
    struct tmx_control_request r;
    int fd = client_open();
    client_say(fd, SAY("status\n"));
    shutdown(fd, SHUT_WR);
    now_ms += 5;
    tmx_control_step(server, now_ms);
    assert_int_equal(tmx_control_fds(server, fds), 1);
    assert_true(tmx_control_due(server) == now_ms);
    assert_true(tmx_control_next(server, &r));
    assert_true(tmx_control_due(server) == now_ms + TMX_CONTROL_CLIENT_MS);
    tmx_control_reply(server, r.client, json_object());
    close(fd);
}

/* Requests are handed out in the order the clients came. */
static void test_order(void **state)
{
    int fds[5];
    struct tmx_control_request r;
    for (size_t i = 0; i < TMX_N(fds); i++) {
        fds[i] = client_open();
        tmx_control_step(server, now_ms);
    }
    close(fds[0]);
    tmx_control_step(server, now_ms); /* slot 0 is free */
    fds[0] = client_open();
    for (size_t i = 0; i < TMX_N(fds); i++) {
        char word[8];
        snprintf(word, sizeof(word), "%zu\n", i);
        client_say(fds[i], word, 2);
        shutdown(fds[i], SHUT_WR);
    }
    tmx_control_step(server, now_ms);
    static const char *const order[] = { "1", "2", "3", "4", "0" };
    for (size_t i = 0; i < TMX_N(order); i++) {
        assert_true(tmx_control_next(server, &r));
        assert_string_equal(r.words[0], order[i]);
    }
    for (size_t i = 0; i < TMX_N(fds); i++) {
        close(fds[i]);
    }
}

static void test_addresses(void **state)
{
    struct tmx_control *second = NULL;
    char other[200];
    assert_int_equal(tmx_control_new(path, &second), -EADDRINUSE);
    assert_int_equal(access(path, F_OK), 0); /* it is still there */

    /* A stale socket: bound once, nobody listens. */
    snprintf(other, sizeof(other), "%s/stale", folder);
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    memcpy(address.sun_path, other, strlen(other) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    close(fd);
    assert_int_equal(tmx_control_new(other, &second), 0);
    second = tmx_control_free(second);
    assert_int_equal(access(other, F_OK), -1);

    /* Not a socket: left alone. */
    fd = open(other, O_CREAT | O_WRONLY, 0600);
    close(fd);
    assert_int_equal(tmx_control_new(other, &second), -EEXIST);
    assert_int_equal(unlink(other), 0);

    memset(other, 'x', sizeof(other) - 1);
    other[sizeof(other) - 1] = '\0';
    assert_int_equal(tmx_control_new(other, &second), -ENAMETOOLONG);
    assert_int_equal(tmx_control_new("/nonexistent/socket", &second), -ENOENT);
    assert_null(second);
}

static void test_snapshot(void **state)
{
    char file[200], fresh[210];
    snprintf(file, sizeof(file), "%s/status.json", folder);
    snprintf(fresh, sizeof(fresh), "%s.new", file);
    json_t *one = json_pack("{si}", "n", 1);
    assert_int_equal(tmx_control_snapshot(file, one), 0);
    json_object_set_new(one, "n", json_integer(2));
    assert_int_equal(tmx_control_snapshot(file, one), 0);
    json_t *read_back = json_load_file(file, 0, NULL);
    assert_true(json_equal(one, read_back));
    assert_int_equal(access(fresh, F_OK), -1);
    struct stat st;
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode & 07777u & ~0640u, 0);
    json_decref(read_back);
    unlink(file);
    assert_int_equal(tmx_control_snapshot("/nonexistent/status.json", one), -ENOENT);
    json_decref(one);
}

/* Payloads: after the document, as long as it says; an error has none. */
static void test_payload(void **state)
{
    static uint8_t big[TMX_CONTROL_REPLY_MAX];
    struct tmx_control_request r;
    char text[4096];
    bool closed;
    for (int i = 0; i < 3; i++) {
        int fd = client_open();
        client_say(fd, SAY("entries\n"));
        shutdown(fd, SHUT_WR);
        tmx_control_step(server, now_ms);
        assert_true(tmx_control_next(server, &r));
        tmx_control_reply_with(server, r.client, i == 1 ? NULL : json_pack("{si}", "n", 2),
                               i == 0 ? TMX_LIT("a\0\nb") : TMX_BYTES(big, sizeof(big) - 10));
        size_t size = client_hear(fd, text, sizeof(text), &closed);
        if (i == 0) {
            assert_int_equal(size, sizeof("{\"n\":2,\"payload\":4}\na\0\nb") - 1);
            assert_memory_equal(text, "{\"n\":2,\"payload\":4}\na\0\nb", size);
        } else {
            assert_non_null(strstr(text, "\"code\":\"internal\""));
        }
        assert_true(closed);
        close(fd);
    }
}

/* ---- the tool's side, with the server or an impostor in a child ---- */

enum { HONEST, SILENT, PARTIAL, GARBAGE, ARRAY, EMPTY, ENDLESS, IMPATIENT, SHORT, LONG, UNNAMED, NAMED, NEGATIVE };

static void serve_badly(int mode, int listener)
{
    static char big[65536];
    int fd = accept(listener, NULL, NULL);
    switch (mode) {
    case SILENT:
        (void)poll(NULL, 0, 60000);
        break;
    case PARTIAL:
        client_say(fd, SAY("{\"role\":\"bro"));
        break;
    case GARBAGE:
        client_say(fd, SAY("hello"));
        break;
    case ARRAY:
        client_say(fd, SAY("[1]"));
        break;
    case SHORT:
        client_say(fd, SAY("{\"payload\":3}\nab"));
        break;
    case LONG:
        client_say(fd, SAY("{\"payload\":3}\nabcd"));
        break;
    case UNNAMED:
        client_say(fd, SAY("{\"n\":3}\nabc"));
        break;
    case NAMED:
        client_say(fd, SAY("{\"payload\":3}"));
        break;
    case NEGATIVE:
        client_say(fd, SAY("{\"payload\":\"3\"}\nabc"));
        break;
    case ENDLESS:
        memset(big, ' ', sizeof(big));
        while (send(fd, big, sizeof(big), MSG_NOSIGNAL) > 0) {
        }
        break;
    case IMPATIENT: /* answers and closes before it has read anything */
        client_say(fd, SAY("{\"error\":\"too large\"}"));
        break;
    default:
        break;
    }
    close(fd);
}

static uint8_t long_payload[3u << 20];

static void serve_honestly(void)
{
    for (;;) {
        struct tmx_control_fd fds[TMX_CONTROL_FDS_MAX];
        struct pollfd p[TMX_CONTROL_FDS_MAX];
        size_t n = tmx_control_fds(server, fds);
        for (size_t i = 0; i < n; i++) {
            p[i] = (struct pollfd){ .fd = fds[i].fd, .events = fds[i].want_write ? POLLOUT : POLLIN };
        }
        (void)poll(p, n, 10000);
        tmx_control_step(server, now_ms);
        struct tmx_control_request r;
        while (tmx_control_next(server, &r)) {
            json_t *words = json_array();
            for (size_t i = 0; i < r.n_words; i++) {
                json_array_append_new(words, json_string(r.words[i]));
            }
            json_t *reply = json_pack("{so si}", "words", words, "attached", (int)r.attachment.size);
            if (strcmp(r.words[0], "fetch") == 0) {
                tmx_control_reply_with(server, r.client, reply, TMX_BYTES(long_payload, sizeof(long_payload)));
            } else if (strcmp(r.words[0], "nothing") == 0) {
                tmx_control_reply_with(server, r.client, reply, TMX_BYTES_NULL);
            } else {
                tmx_control_reply(server, r.client, reply);
            }
        }
    }
}

/* Runs the server of that kind and asks it; the child is ended by its id. A payload is wanted: it is fetched. */
static int ask(int mode, const char *const *words, size_t n, struct tmx_bytes attachment, uint64_t timeout_ms,
               json_t **ret_reply, struct tmx_bytes *ret_payload)
{
    char at[200];
    snprintf(at, sizeof(at), "%s/bad", folder);
    int listener = -1;
    if (mode != HONEST) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        memcpy(address.sun_path, at, strlen(at) + 1);
        listener = socket(AF_UNIX, SOCK_STREAM, 0);
        assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
        assert_int_equal(listen(listener, 1), 0);
    }
    pid_t child = fork();
    if (child == 0) {
        if (mode == HONEST) {
            serve_honestly();
        } else {
            serve_badly(mode, listener);
        }
        _exit(0);
    }
    const char *socket_path = mode == HONEST ? path : at;
    int r = ret_payload == NULL ? tmx_control_call(socket_path, words, n, attachment, timeout_ms, ret_reply)
                                : tmx_control_fetch(socket_path, words, n, timeout_ms, ret_reply, ret_payload);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    if (listener >= 0) {
        close(listener);
        unlink(at);
    }
    return r;
}

static int call(int mode, const char *const *words, size_t n, struct tmx_bytes attachment, uint64_t timeout_ms,
                json_t **ret_reply)
{
    return ask(mode, words, n, attachment, timeout_ms, ret_reply, NULL);
}

static int fetch(int mode, const char *word, json_t **ret_reply, struct tmx_bytes *ret_payload)
{
    return ask(mode, &word, 1, TMX_BYTES_NULL, 10000, ret_reply, ret_payload);
}

static void test_fetch(void **state)
{
    static const char *const words[] = { "fetch" };
    static const int liars[] = { SHORT, LONG, UNNAMED, NAMED, NEGATIVE, GARBAGE, ARRAY, EMPTY, PARTIAL };
    struct tmx_bytes payload = TMX_BYTES_NULL;
    json_t *reply = NULL;
    for (size_t i = 0; i < sizeof(long_payload); i++) {
        long_payload[i] = (uint8_t)(i * 7 >> 3);
    }
    assert_int_equal(fetch(HONEST, "fetch", &reply, &payload), 0);
    assert_true(tmx_bytes_eq(payload, TMX_BYTES_OF(long_payload)));
    assert_int_equal(json_integer_value(json_object_get(reply, "payload")), sizeof(long_payload));
    free((void *)(uintptr_t)payload.data);
    json_decref(reply);
    assert_int_equal(fetch(HONEST, "nothing", &reply, &payload), 0);
    assert_int_equal(payload.size, 0);
    json_decref(reply);
    assert_int_equal(fetch(HONEST, "status", &reply, &payload), 0);
    assert_int_equal(payload.size, 0);
    json_decref(reply);
    for (size_t i = 0; i < TMX_N(liars); i++) {
        assert_int_equal(fetch(liars[i], "fetch", &reply, &payload), -EBADMSG);
    }
    assert_int_equal(call(HONEST, words, 1, TMX_BYTES_NULL, 10000, &reply), -EBADMSG); /* a document was wanted */
}

static void test_call(void **state)
{
    static uint8_t file[TMX_CONTROL_ATTACHMENT_MAX];
    static const char *const words[] = { "directory", "install", "a b%\n" };
    json_t *reply = NULL;
    assert_int_equal(call(HONEST, words, 3, TMX_BYTES_OF(file), 10000, &reply), 0);
    json_t *expected =
        json_pack("{s[sss] si}", "words", "directory", "install", "a b%\n", "attached", (int)sizeof(file));
    assert_true(json_equal(reply, expected));
    json_decref(expected);
    json_decref(reply);
    reply = NULL;
    assert_int_equal(call(IMPATIENT, words, 3, TMX_BYTES_OF(file), 10000, &reply), 0);
    assert_string_equal(json_string_value(json_object_get(reply, "error")), "too large");
    json_decref(reply);
}

static void test_call_failures(void **state)
{
    static const char *const words[] = { "status" };
    static char long_word[TMX_CONTROL_LINE_MAX + 1];
    const char *long_words[] = { long_word };
    json_t *reply = NULL;
    assert_int_equal(call(SILENT, words, 1, TMX_BYTES_NULL, 50, &reply), -ETIMEDOUT);
    assert_int_equal(call(PARTIAL, words, 1, TMX_BYTES_NULL, 10000, &reply), -EBADMSG);
    assert_int_equal(call(GARBAGE, words, 1, TMX_BYTES_NULL, 10000, &reply), -EBADMSG);
    assert_int_equal(call(ARRAY, words, 1, TMX_BYTES_NULL, 10000, &reply), -EBADMSG);
    assert_int_equal(call(EMPTY, words, 1, TMX_BYTES_NULL, 10000, &reply), -EBADMSG);
    assert_int_equal(call(ENDLESS, words, 1, TMX_BYTES_NULL, 10000, &reply), -EMSGSIZE);
    memset(long_word, 'a', sizeof(long_word) - 1);
    assert_int_equal(tmx_control_call(path, long_words, 1, TMX_BYTES_NULL, 100, &reply), -EMSGSIZE);
    assert_int_equal(tmx_control_call("/nonexistent", words, 1, TMX_BYTES_NULL, 100, &reply), -ENOENT);
    assert_int_equal(tmx_control_call(long_word, words, 1, TMX_BYTES_NULL, 100, &reply), -ENAMETOOLONG);
    assert_null(reply);
}

int main(void)
{
    if (mkdtemp(folder) == NULL) {
        return 1;
    }
    snprintf(path, sizeof(path), "%s/control", folder);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_requests, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refusals, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_replies, setup, teardown),
        cmocka_unit_test_setup_teardown(test_slow_client, setup, teardown),
        cmocka_unit_test_setup_teardown(test_silent_clients, setup, teardown),
        cmocka_unit_test_setup_teardown(test_large_requests, setup, teardown),
        cmocka_unit_test_setup_teardown(test_too_many_clients, setup, teardown),
        cmocka_unit_test_setup_teardown(test_complete_is_due, setup, teardown),
        cmocka_unit_test_setup_teardown(test_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_addresses, setup, teardown),
        cmocka_unit_test_setup_teardown(test_snapshot, setup, teardown),
        cmocka_unit_test_setup_teardown(test_payload, setup, teardown),
        cmocka_unit_test_setup_teardown(test_fetch, setup, teardown),
        cmocka_unit_test_setup_teardown(test_call, setup, teardown),
        cmocka_unit_test_setup_teardown(test_call_failures, setup, teardown),
    };
    int r = cmocka_run_group_tests(tests, NULL, NULL);
    return rmdir(folder) == 0 ? r : 1;
}
