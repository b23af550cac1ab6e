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

/* The steps of a call, for submissions that are under way together: the request's bytes (in the arena) or -EMSGSIZE; the
 * answer last received or -EPROTO; what it says; waits until the socket is readable, or writable when `write`, or
 * -ETIMEDOUT; the public error for a connection that failed with r, with its text set. */
int client_pack(struct tmx_client *c, const Tmx__Request *request, struct tmx_bytes *ret_bytes) TMX_MUST_CHECK;
int client_unpack(struct tmx_client *c, Tmx__Response **ret_response) TMX_MUST_CHECK;
int client_judge(struct tmx_client *c, const Tmx__Response *response, Tmx__Response__BodyCase expected) TMX_MUST_CHECK;
int client_wait(struct tmx_client *c, bool write, uint64_t deadline_ms) TMX_MUST_CHECK;
int client_broken(struct tmx_client *c, int r, uint32_t waited_ms, bool sent);
uint64_t client_now_ms(void);

/* Fields of requests. An id or token may be NULL = none; texts are at most 64. */
ProtobufCBinaryData client_text(const char *s);
ProtobufCBinaryData client_id(const uint8_t *id);
int client_texts(struct tmx_client *c, const char *const *texts, size_t n, const char *what,
                 ProtobufCBinaryData *ret_texts) TMX_MUST_CHECK;
int client_missing(struct tmx_client *c, const char *what);
/* The rest of a call whose translation failed. */
int client_translated(struct tmx_client *c, int r);

/* Translations. 0, -ENOMEM, or -EPROTO when the answer breaks the specification. */
int client_leases(const Tmx__LeaseResponse *in, const struct tmx_bytes *payloads, size_t n_payloads,
                  const struct tmx_client_leases **ret_leases) TMX_MUST_CHECK;
int client_messages(const Tmx__MessageList *in, const struct tmx_client_messages **ret_messages) TMX_MUST_CHECK;
int client_events(const Tmx__EventList *in, const struct tmx_client_events **ret_events) TMX_MUST_CHECK;
int client_evidence(const Tmx__EvidenceResponse *in, struct tmx_bytes bundle, const struct tmx_client_evidence **ret_evidence)
    TMX_MUST_CHECK;
int client_info(const Tmx__InfoResponse *in, const struct tmx_client_info **ret_info) TMX_MUST_CHECK;
