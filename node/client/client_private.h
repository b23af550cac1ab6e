/* SPDX-License-Identifier: Apache-2.0
 * Inside libtmx: one question and its answer, and the translation of answers into the structs of tmx/client.h. */
#pragma once

#include <application.pb-c.h>

#include <tmx/client.h>
#include <tmx/codec.h>
#include <tmx/err.h>
#include <tmx/transport.h>

#define CLIENT_ERROR_MAX 768u

struct tmx_client {
    struct tmx_transport *transport;
    struct tmx_socket *socket;
    uint32_t timeout_ms;
    uint64_t last_id;
    struct tmx_arena arena;         /* the question, then its answer */
    struct tmx_message answer;      /* frames: borrowed from the socket until the next receive */
    char endpoint[256];
    char error[CLIENT_ERROR_MAX];
};

/* Sets the error text; returns r. */
int client_fail(struct tmx_client *c, int r, const char *fmt, ...) TMX_PRINTF(3, 4);

/* Starts a call: an empty request with its number. */
Tmx__Request client_request(struct tmx_client *c);

/* Sends the request with `payload` as its payload frame unless that is empty, and waits timeout_ms + wait_ms for the
 * answer. 0: *ret_response has a body of the expected case and code 0; it and the payload frames (client->answer, from
 * frame 1) live until the next call. Else the error the public function returns, with its text set. */
int client_call(struct tmx_client *c, Tmx__Request *request, struct tmx_bytes payload, uint32_t wait_ms,
                Tmx__Response__BodyCase expected, Tmx__Response **ret_response) TMX_MUST_CHECK;

/* Translations. 0, -ENOMEM, or -EPROTO when the answer breaks the specification. */
int client_leases(const Tmx__LeaseResponse *in, const struct tmx_bytes *payloads, size_t n_payloads,
                  const struct tmx_client_leases **ret_leases) TMX_MUST_CHECK;
int client_messages(const Tmx__MessageList *in, const struct tmx_client_messages **ret_messages) TMX_MUST_CHECK;
int client_events(const Tmx__EventList *in, const struct tmx_client_events **ret_events) TMX_MUST_CHECK;
int client_info(const Tmx__InfoResponse *in, const struct tmx_client_info **ret_info) TMX_MUST_CHECK;
