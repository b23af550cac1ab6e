/* SPDX-License-Identifier: Apache-2.0
 * The client's connection: one question at a time, its answer found by its number, everything bounded by a deadline. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <tmx/code.h>
#include <tmx/text.h>

#include "client_private.h"

/* The structs of an answer are larger than its bytes; what does not fit here is no answer of a node. */
#define ARENA_SIZE (16u << 20)
#define SEND_PAUSE_MS 100   /* between attempts to send while the connection is not up */

uint64_t client_now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

int client_fail(struct tmx_client *c, int r, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    vsnprintf(c->error, sizeof(c->error), fmt, args);
    va_end(args);
    return r;
}

static int connect_node(struct tmx_client *c, const char *endpoint, const struct tmx_client_options *o)
{
    struct tmx_curve curve;
    bool with_keys = o->public_key != NULL;

    int r = tmx_arena_init(&c->arena, ARENA_SIZE);
    if (r < 0) {
        return r;
    }
    r = tmx_transport_new(false, &c->transport);
    if (r < 0) {
        return r;
    }
    tmx_transport_applications(c->transport, true);
    if (with_keys) {
        memcpy(curve.public, o->public_key, sizeof(curve.public));
        memcpy(curve.secret, o->secret_key, sizeof(curve.secret));
    }
    r = tmx_socket_connect(c->transport, endpoint, with_keys ? &curve : NULL, o->server_key, &c->socket);
    explicit_bzero(&curve, sizeof(curve));
    return r;
}

int tmx_client_open(const char *endpoint, const struct tmx_client_options *options, struct tmx_client **ret_client)
{
    const struct tmx_client_options none = { 0 };
    const struct tmx_client_options *o = options != NULL ? options : &none;
    bool with_keys = o->public_key != NULL;

    if (endpoint == NULL || ret_client == NULL || strlen(endpoint) >= sizeof((*ret_client)->endpoint) ||
        with_keys != (o->secret_key != NULL) || with_keys != (o->server_key != NULL)) {
        return -EINVAL;
    }
    struct tmx_client *c = calloc(1, sizeof(*c));
    if (c == NULL) {
        return -ENOMEM;
    }
    snprintf(c->endpoint, sizeof(c->endpoint), "%s", endpoint);
    c->timeout_ms = o->timeout_ms != 0 ? o->timeout_ms : TMX_CLIENT_TIMEOUT_MS_DEFAULT;
    int r = connect_node(c, endpoint, o);
    if (r < 0) {
        tmx_client_close(c);
        return r;
    }
    *ret_client = c;
    return 0;
}

struct tmx_client *tmx_client_close(struct tmx_client *c)
{
    if (c != NULL) {
        if (c->socket != NULL) {
            tmx_socket_close(c->socket);
        }
        if (c->transport != NULL) {
            tmx_transport_free(c->transport);
        }
        tmx_arena_deinit(&c->arena);
        free(c);
    }
    return NULL;
}

const char *tmx_client_error_text(const struct tmx_client *c)
{
    return c->error;
}

const char *tmx_client_code_name(unsigned code)
{
    return tmx_code_name(code);
}

const char *tmx_client_code_meaning(unsigned code)
{
    return tmx_code_meaning(code);
}

Tmx__Request client_request(struct tmx_client *c)
{
    Tmx__Request request = TMX__REQUEST__INIT;

    tmx_arena_reset(&c->arena);
    request.id = ++c->last_id;
    return request;
}

static int timed_out(struct tmx_client *c, uint32_t waited_ms, bool sent)
{
    return client_fail(c, -ETIMEDOUT,
                       sent ? "the node at %s did not answer within %u s: it may have carried out the request; "
                              "ask again, the same reference or token is safe to repeat"
                            : "the node at %s cannot be reached (tried for %u s): is it running, is this its "
                              "endpoint, and may this user and key use it?",
                       c->endpoint, (waited_ms + 999) / 1000);
}

/* Until the deadline, because a connection takes a moment to stand, after open and after a restart of the node. */
static int send_frames(struct tmx_client *c, const struct tmx_bytes *frames, size_t n, uint64_t deadline_ms)
{
    for (;;) {
        int r = tmx_socket_send(c->socket, NULL, frames, n);
        if (r != TMX_SOCKET_E_AGAIN) {
            return r;
        }
        uint64_t now = client_now_ms();
        if (now >= deadline_ms) {
            return -ETIMEDOUT;
        }
        uint64_t left = deadline_ms - now;
        struct tmx_poll item = { .socket = c->socket, .fd = -1, .want_write = true };
        r = tmx_transport_poll(c->transport, &item, 1, left < SEND_PAUSE_MS ? (int)left : SEND_PAUSE_MS);
        if (r < 0) {
            return r;
        }
        if (item.ready && (r = tmx_socket_receive(c->socket, &c->answer)) < 0) {
            return r;   /* else a late answer to an abandoned question: it would keep the poll from waiting */
        }
    }
}

/* One answer, whichever question it belongs to. */
static int receive_answer(struct tmx_client *c, uint64_t deadline_ms)
{
    for (;;) {
        int r = tmx_socket_receive(c->socket, &c->answer);
        if (r != TMX_SOCKET_E_AGAIN) {
            return r;
        }
        r = client_wait(c, false, deadline_ms);
        if (r < 0) {
            return r;
        }
    }
}

int client_unpack(struct tmx_client *c, Tmx__Response **ret_response)
{
    tmx_arena_reset(&c->arena);
    if (c->answer.n_frames == 0 || tmx_codec_unpack(&tmx__response__descriptor, c->answer.frames[0],
                                                    TMX_APP_RESPONSE_MAX, &c->arena, ret_response) != TMX_CODEC_OK) {
        return -EPROTO;
    }
    return 0;
}

static int await_answer(struct tmx_client *c, uint64_t id, uint64_t deadline_ms, Tmx__Response **ret_response)
{
    do {
        int r = receive_answer(c, deadline_ms);
        r = r == 0 ? client_unpack(c, ret_response) : r;
        if (r < 0) {
            return r;
        }
    } while ((*ret_response)->id != id);
    return 0;
}

int client_judge(struct tmx_client *c, const Tmx__Response *response, Tmx__Response__BodyCase expected)
{
    if (response->code > INT32_MAX) {
        return client_fail(c, -EPROTO, "the node at %s gave an answer that breaks the specification", c->endpoint);
    }
    if (response->code != 0) {
        tmx_printable(tmx_pb(response->text), c->error, sizeof(c->error));
        if (c->error[0] == '\0') {
            client_fail(c, 0, "%s", tmx_code_meaning(response->code));
        }
        return (int)response->code;
    }
    if (response->body_case != expected) {
        return client_fail(c, -EPROTO, "the node at %s answered another question than was asked", c->endpoint);
    }
    return 0;
}

int client_pack(struct tmx_client *c, const Tmx__Request *request, struct tmx_bytes *ret_bytes)
{
    if (tmx_codec_pack(request, &c->arena, ret_bytes) != TMX_CODEC_OK || ret_bytes->size > TMX_CONTROL_MAX) {
        return client_fail(c, -EMSGSIZE, "the request's fields are longer than %u bytes together", TMX_CONTROL_MAX);
    }
    return 0;
}

int client_wait(struct tmx_client *c, bool write, uint64_t deadline_ms)
{
    uint64_t now = client_now_ms();
    if (now >= deadline_ms) {
        return -ETIMEDOUT;
    }
    struct tmx_poll item = { .socket = c->socket, .fd = -1, .want_write = write };
    uint64_t left = deadline_ms - now;
    return tmx_transport_poll(c->transport, &item, 1, left < INT32_MAX ? (int)left : INT32_MAX);
}

int client_broken(struct tmx_client *c, int r, uint32_t waited_ms, bool sent)
{
    if (r == -ETIMEDOUT) {
        return timed_out(c, waited_ms, sent);
    }
    if (r == -EPROTO) {
        return client_fail(c, r, "the answer of the node at %s is not of this protocol", c->endpoint);
    }
    return client_fail(c, r, "the connection to %s failed: %s", c->endpoint, strerror(-r));
}

int client_call(struct tmx_client *c, Tmx__Request *request, struct tmx_bytes payload, uint32_t wait_ms,
                Tmx__Response__BodyCase expected, Tmx__Response **ret_response)
{
    struct tmx_bytes frames[2] = { TMX_BYTES_NULL, payload };
    uint64_t deadline_ms = client_now_ms() + c->timeout_ms + wait_ms;
    Tmx__Response *response = NULL;

    int r = client_pack(c, request, &frames[0]);
    if (r != 0) {
        return r;
    }
    r = send_frames(c, frames, payload.size > 0 ? 2 : 1, deadline_ms);
    bool sent = r == 0;
    r = sent ? await_answer(c, request->id, deadline_ms, &response) : r;
    if (r != 0) {
        return client_broken(c, r, c->timeout_ms + wait_ms, sent);
    }
    r = client_judge(c, response, expected);
    if (r == 0) {
        *ret_response = response;
    }
    return r;
}
