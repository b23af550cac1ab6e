/* SPDX-License-Identifier: Apache-2.0
 * The control socket, the tool's side: one question, one answer, one deadline.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <tmx/clock.h>
#include <tmx/control.h>

static int wait_for(int fd, short events, uint64_t deadline_ms)
{
    for (;;) {
        uint64_t now_ms = tmx_clock_mono_ms();
        if (now_ms >= deadline_ms) {
            return -ETIMEDOUT;
        }
        uint64_t left_ms = deadline_ms - now_ms;
        struct pollfd p = { .fd = fd, .events = events };
        int n = poll(&p, 1, left_ms < 60000 ? (int)left_ms : 60000);
        if (n > 0) {
            return 0;
        }
        if (n < 0 && errno != EINTR) {
            return -errno;
        }
    }
}

/* A server whose queue is full makes connect fail with EAGAIN: it is tried again every 50 ms. */
static int connect_to(const char *path, uint64_t deadline_ms, int *ret_fd)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    if (strlen(path) >= sizeof(address.sun_path)) {
        return -ENAMETOOLONG;
    }
    memcpy(address.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return -errno;
    }
    int r = connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
    while (r == -EAGAIN && tmx_clock_mono_ms() < deadline_ms) {
        (void)poll(NULL, 0, 50);
        r = connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
    }
    if (r < 0) {
        close(fd);
        return r == -EAGAIN ? -ETIMEDOUT : r;
    }
    *ret_fd = fd;
    return 0;
}

/* The request line; -EMSGSIZE. */
static int write_line(struct tmx_writer *w, const char *const *words, size_t n_words)
{
    for (size_t i = 0; i < n_words; i++) {
        if (i > 0) {
            tmx_write_u8(w, ' ');
        }
        for (const char *c = words[i]; *c != '\0'; c++) {
            uint8_t byte = (uint8_t)*c;
            if (byte <= 0x20 || byte == 0x7f || byte == '%') {
                tmx_write_fmt(w, "%%%02X", byte);
            } else {
                tmx_write_u8(w, byte);
            }
        }
    }
    tmx_write_u8(w, '\n');
    return w->failed ? -EMSGSIZE : 0;
}

static int send_all(int fd, struct tmx_bytes b, uint64_t deadline_ms)
{
    while (b.size > 0) {
        ssize_t n = send(fd, b.data, b.size, MSG_NOSIGNAL);
        if (n >= 0) {
            b = tmx_bytes_slice(b, (size_t)n, b.size - (size_t)n);
        } else if (errno == EPIPE || errno == ECONNRESET) {
            return 0; /* it has heard enough: its answer says why */
        } else if (errno == EAGAIN) {
            int r = wait_for(fd, POLLOUT, deadline_ms);
            if (r < 0) {
                return r;
            }
        } else if (errno != EINTR) {
            return -errno;
        }
    }
    return 0;
}

/* Until the server closes. */
static int receive_all(int fd, uint64_t deadline_ms, char *ret_text, size_t size, size_t *ret_used)
{
    size_t used = 0;
    for (;;) {
        if (used == size) {
            return -EMSGSIZE;
        }
        ssize_t n = read(fd, ret_text + used, size - used);
        if (n > 0) {
            used += (size_t)n;
        } else if (n == 0 || errno == ECONNRESET) {
            *ret_used = used;
            return 0;
        } else if (errno == EAGAIN) {
            int r = wait_for(fd, POLLIN, deadline_ms);
            if (r < 0) {
                return r;
            }
        } else if (errno != EINTR) {
            return -errno;
        }
    }
}

static int parse(const char *text, size_t size, json_t **ret_reply)
{
    json_error_t error;
    json_t *reply = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
    if (!json_is_object(reply)) {
        json_decref(reply);
        return -EBADMSG;
    }
    *ret_reply = reply;
    return 0;
}

/* The document is the first line; what follows is as long as it says. */
static int parse_both(const char *text, size_t size, json_t **ret_reply, struct tmx_bytes *ret_payload)
{
    const char *lf = size > 0 ? memchr(text, '\n', size) : NULL;
    size_t document = lf == NULL ? size : (size_t)(lf - text);
    size_t rest = lf == NULL ? 0 : size - document - 1;
    int r = parse(text, document, ret_reply);
    if (r < 0) {
        return r;
    }
    const json_t *said = json_object_get(*ret_reply, "payload");
    uint8_t *payload = rest > 0 ? malloc(rest) : NULL;
    if ((said != NULL || lf != NULL) && (!json_is_integer(said) || json_integer_value(said) != (json_int_t)rest)) {
        r = -EBADMSG;
    } else if (rest > 0 && payload == NULL) {
        r = -ENOMEM;
    } else if (rest > 0) {
        memcpy(payload, lf + 1, rest);
    }
    if (r < 0) {
        json_decref(*ret_reply);
        free(payload);
        return r;
    }
    *ret_payload = TMX_BYTES(payload, rest);
    return 0;
}

static int ask(int fd, struct tmx_bytes line, struct tmx_bytes attachment, uint64_t deadline_ms, json_t **ret_reply,
               struct tmx_bytes *ret_payload)
{
    size_t used = 0;
    char *text = malloc(TMX_CONTROL_REPLY_MAX + 1);
    if (text == NULL) {
        return -ENOMEM;
    }
    int r = send_all(fd, line, deadline_ms);
    if (r == 0) {
        r = send_all(fd, attachment, deadline_ms);
    }
    (void)shutdown(fd, SHUT_WR);
    if (r == 0) {
        r = receive_all(fd, deadline_ms, text, TMX_CONTROL_REPLY_MAX + 1, &used);
    }
    if (r == 0) {
        r = ret_payload == NULL ? parse(text, used, ret_reply) : parse_both(text, used, ret_reply, ret_payload);
    }
    free(text);
    return r;
}

static int call(const char *path, const char *const *words, size_t n_words, struct tmx_bytes attachment,
                uint64_t timeout_ms, json_t **ret_reply, struct tmx_bytes *ret_payload)
{
    uint64_t deadline_ms = tmx_clock_mono_ms() + timeout_ms;
    char line[TMX_CONTROL_LINE_MAX];
    struct tmx_writer w = TMX_WRITER_OF(line);
    int r = write_line(&w, words, n_words);
    if (r < 0 || attachment.size > TMX_CONTROL_ATTACHMENT_MAX) {
        return -EMSGSIZE;
    }
    int fd = -1;
    r = connect_to(path, deadline_ms, &fd);
    if (r < 0) {
        return r;
    }
    r = ask(fd, tmx_written(&w), attachment, deadline_ms, ret_reply, ret_payload);
    close(fd);
    return r;
}

int tmx_control_call(const char *path, const char *const *words, size_t n_words, struct tmx_bytes attachment,
                     uint64_t timeout_ms, json_t **ret_reply)
{
    return call(path, words, n_words, attachment, timeout_ms, ret_reply, NULL);
}

int tmx_control_fetch(const char *path, const char *const *words, size_t n_words, uint64_t timeout_ms, json_t **ret_reply,
                      struct tmx_bytes *ret_payload)
{
    return call(path, words, n_words, TMX_BYTES_NULL, timeout_ms, ret_reply, ret_payload);
}
