/* SPDX-License-Identifier: Apache-2.0
 * CURVE client for attacks. Contract: curve_client.h.
 */
#include "curve_client.h"

#include <arpa/inet.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define COMMAND_MAX 1024u

int tcp_connect(const char *endpoint)
{
    unsigned port = 0;
    if (sscanf(endpoint, "tcp://127.0.0.1:%u", &port) != 1) {
        return -1;
    }
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const struct timeval timeout = { .tv_sec = 10 };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) != 0 ||
                    connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0)) {
        close(fd);
        fd = -1;
    }
    return fd;
}

bool tcp_write(int fd, const void *data, size_t size)
{
    const uint8_t *at = data;
    while (size > 0) {
        ssize_t n = send(fd, at, size, MSG_NOSIGNAL);
        if (n <= 0) {
            return false;
        }
        at += n;
        size -= (size_t)n;
    }
    return true;
}

static bool read_all(int fd, void *ret_data, size_t size)
{
    uint8_t *at = ret_data;
    while (size > 0) {
        ssize_t n = recv(fd, at, size, 0);
        if (n <= 0) {
            return false;
        }
        at += n;
        size -= (size_t)n;
    }
    return true;
}

static void make_nonce(uint8_t ret_nonce[24], const char *prefix, uint64_t n)
{
    struct tmx_writer w = tmx_writer_init(ret_nonce, 24);
    tmx_write_bytes(&w, tmx_bytes_str(prefix));
    tmx_write_u64(&w, n);
}

/* A frame of ZMTP 3: flags, size in 1 or 8 bytes, body. */
static bool write_frame(int fd, uint8_t flags, struct tmx_bytes body)
{
    uint8_t head[9 + 255];
    struct tmx_writer w = TMX_WRITER_OF(head);
    bool large = body.size > 255;
    tmx_write_u8(&w, flags | (large ? 2 : 0));
    if (large) {
        tmx_write_u64(&w, body.size);
    } else {
        tmx_write_u8(&w, (uint8_t)body.size);
        tmx_write_bytes(&w, body);
    }
    return tcp_write(fd, head, w.used) && (!large || tcp_write(fd, body.data, body.size));
}

/* The body of the next command, which must begin with `name`. */
static bool read_command(int fd, const char *name, uint8_t ret_body[COMMAND_MAX], size_t *ret_size)
{
    uint8_t head[2];
    if (!read_all(fd, head, sizeof(head)) || head[0] != 4 || !read_all(fd, ret_body, head[1])) {
        return false;
    }
    *ret_size = head[1];
    size_t n = strlen(name);
    return head[1] > n && ret_body[0] == n && memcmp(ret_body + 1, name, n) == 0;
}

static bool greet(int fd)
{
    uint8_t mine[64] = { 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 3, 0, 'C', 'U', 'R', 'V', 'E' };
    uint8_t theirs[64];
    return tcp_write(fd, mine, sizeof(mine)) && read_all(fd, theirs, sizeof(theirs));
}

static bool say_hello(struct curve_client *c, const struct tmx_curve *mine, const uint8_t server_key[32])
{
    const uint8_t zeros[72] = { 0 };
    uint8_t nonce[24], box[80], body[200];
    make_nonce(nonce, "CurveZMQHELLO---", ++c->nonce);
    if (crypto_box_easy(box, zeros, 64, nonce, server_key, mine->secret) != 0) {
        return false;
    }
    struct tmx_writer w = TMX_WRITER_OF(body);
    tmx_write_bytes(&w, TMX_LIT("\5HELLO\1\0"));
    tmx_write_bytes(&w, TMX_BYTES_OF(zeros));
    tmx_write_bytes(&w, TMX_BYTES_OF(mine->public));
    tmx_write_u64(&w, c->nonce);
    tmx_write_bytes(&w, TMX_BYTES_OF(box));
    return write_frame(c->fd, 4, tmx_written(&w));
}

/* Takes the server's short-term key and its cookie. */
static bool hear_welcome(struct curve_client *c, const struct tmx_curve *mine, const uint8_t server_key[32],
                         uint8_t ret_plain[128])
{
    uint8_t body[COMMAND_MAX], nonce[24];
    size_t size;
    if (!read_command(c->fd, "WELCOME", body, &size) || size != 168) {
        return false;
    }
    memcpy(nonce, "WELCOME-", 8);
    memcpy(nonce + 8, body + 8, 16);
    return crypto_box_open_easy(ret_plain, body + 24, 144, nonce, server_key, mine->secret) == 0;
}

static void write_property(struct tmx_writer *w, const char *name, const char *value)
{
    tmx_write_u8(w, (uint8_t)strlen(name));
    tmx_write_bytes(w, tmx_bytes_str(name));
    tmx_write_u32(w, (uint32_t)strlen(value));
    tmx_write_bytes(w, tmx_bytes_str(value));
}

static bool say_initiate(struct curve_client *c, const struct tmx_curve *mine, const struct tmx_curve *keys,
                         const uint8_t server_key[32], const uint8_t welcome[128], const char *user_id)
{
    uint8_t nonce[24], vouched[64], plain[COMMAND_MAX], box[COMMAND_MAX], body[COMMAND_MAX];
    struct tmx_writer p = TMX_WRITER_OF(plain), w = TMX_WRITER_OF(body);
    memcpy(vouched, mine->public, 32);
    memcpy(vouched + 32, server_key, 32);
    memcpy(nonce, "VOUCH---", 8);
    randombytes_buf(nonce + 8, 16);
    uint8_t vouch[80];
    if (crypto_box_easy(vouch, vouched, sizeof(vouched), nonce, welcome, keys->secret) != 0) {
        return false;
    }
    tmx_write_bytes(&p, TMX_BYTES_OF(keys->public));
    tmx_write_bytes(&p, TMX_BYTES(nonce + 8, 16));
    tmx_write_bytes(&p, TMX_BYTES_OF(vouch));
    write_property(&p, "Socket-Type", "DEALER");
    if (user_id != NULL) {
        write_property(&p, "User-Id", user_id);
    }
    make_nonce(nonce, "CurveZMQINITIATE", ++c->nonce);
    crypto_box_easy_afternm(box, plain, p.used, nonce, c->shared);
    tmx_write_bytes(&w, TMX_LIT("\10INITIATE"));
    tmx_write_bytes(&w, TMX_BYTES(welcome + 32, 96));
    tmx_write_u64(&w, c->nonce);
    tmx_write_bytes(&w, TMX_BYTES(box, p.used + 16));
    return write_frame(c->fd, 4, tmx_written(&w));
}

bool curve_client_open(struct curve_client *c, const char *endpoint, const struct tmx_curve *keys,
                       const uint8_t server_key[32], const char *user_id)
{
    struct tmx_curve mine;
    uint8_t welcome[128], ready[COMMAND_MAX];
    size_t size;
    tmx_curve_generate(&mine);
    *c = (struct curve_client){ .fd = tcp_connect(endpoint) };
    bool open = c->fd >= 0 && greet(c->fd) && say_hello(c, &mine, server_key) &&
                hear_welcome(c, &mine, server_key, welcome) &&
                crypto_box_beforenm(c->shared, welcome, mine.secret) == 0 &&
                say_initiate(c, &mine, keys, server_key, welcome, user_id) &&
                read_command(c->fd, "READY", ready, &size);
    if (!open && c->fd >= 0) {
        close(c->fd);
        c->fd = -1;
    }
    return open;
}

bool curve_client_send(struct curve_client *c, struct tmx_bytes part, bool more)
{
    size_t size = 1 + part.size;
    uint8_t *plain = malloc(size), *body = malloc(16 + 16 + size);
    assert(plain != NULL && body != NULL);
    uint8_t nonce[24];
    plain[0] = more;
    if (part.size > 0) {
        memcpy(plain + 1, part.data, part.size);
    }
    make_nonce(nonce, "CurveZMQMESSAGEC", ++c->nonce);
    struct tmx_writer w = tmx_writer_init(body, 16);
    tmx_write_bytes(&w, TMX_LIT("\7MESSAGE"));
    tmx_write_u64(&w, c->nonce);
    crypto_box_easy_afternm(body + 16, plain, size, nonce, c->shared);
    bool sent = write_frame(c->fd, 0, TMX_BYTES(body, 16 + 16 + size));
    free(plain);
    free(body);
    return sent;
}
