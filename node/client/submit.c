/* SPDX-License-Identifier: Apache-2.0
 * Submissions: one, or several under way at once. */
#include <stdio.h>
#include <string.h>

#include <tmx/limits.h>

#include "client_private.h"

static int check_submission(struct tmx_client *c, const struct tmx_client_submission *s)
{
    if (s == NULL || s->reference == NULL || s->message_type == NULL) {
        return client_missing(c, s == NULL ? "the submission" : s->reference == NULL ? "the reference" : "the message type");
    }
    if (s->payload == NULL || s->payload_bytes == 0) {
        return client_missing(c, "the payload");
    }
    if (s->payload_bytes > TMX_APP_REMOTE_PAYLOAD_MAX && strncmp(c->endpoint, "ipc://", 6) != 0) {
        return client_fail(c, -EMSGSIZE,
                           "the payload of %zu bytes is longer than %u: a larger one is submitted at the node's own "
                           "endpoint (ipc://)",
                           s->payload_bytes, TMX_APP_REMOTE_PAYLOAD_MAX);
    }
    if (s->payload_bytes > TMX_PAYLOAD_MAX) {
        return client_fail(c, -EMSGSIZE, "the payload has %zu bytes; at most %u (20 MiB) can be sent",
                           s->payload_bytes, TMX_PAYLOAD_MAX);
    }
    return 0;
}

/* One submission as a request: the structs its fields are in. */
struct question {
    ProtobufCBinaryData recipients[TMX_RECIPIENTS_MAX];
    Tmx__SubmitRequest submit;
};

static int ask(struct tmx_client *c, const struct tmx_client_submission *s, struct question *q, Tmx__Request *request)
{
    int r = check_submission(c, s);
    if (r == 0) {
        r = client_texts(c, s->recipients, s->n_recipients, "recipients", q->recipients);
    }
    if (r != 0) {
        return r;
    }
    q->submit = (Tmx__SubmitRequest)TMX__SUBMIT_REQUEST__INIT;
    q->submit.reference = client_text(s->reference);
    q->submit.recipients = q->recipients;
    q->submit.n_recipients = s->n_recipients;
    q->submit.message_type = client_text(s->message_type);
    q->submit.mrn = client_text(s->mrn);
    q->submit.lrn = client_text(s->lrn);
    q->submit.business_id = client_text(s->business_id);
    q->submit.business_correlation = client_text(s->business_correlation);
    q->submit.correlation_id = client_id(s->correlation_id);
    q->submit.priority = s->priority;
    q->submit.expires_ms = s->expires_ms;
    q->submit.media_type = client_text(s->media_type);
    q->submit.file_name = client_text(s->file_name);
    q->submit.replaces = client_id(s->replaces);
    request->body_case = TMX__REQUEST__BODY_SUBMIT;
    request->submit = &q->submit;
    return 0;
}

static int take(struct tmx_client *c, const Tmx__Response *response, struct tmx_client_submitted *ret_submitted)
{
    if (response->submit->message_id.len != TMX_ID_SIZE) {
        return client_translated(c, -EPROTO);
    }
    memcpy(ret_submitted->message_id, response->submit->message_id.data, TMX_ID_SIZE);
    ret_submitted->duplicate = response->submit->duplicate;
    return 0;
}

int tmx_client_submit(struct tmx_client *c, const struct tmx_client_submission *s,
                      struct tmx_client_submitted *ret_submitted)
{
    struct question q;
    Tmx__Request request = client_request(c);
    Tmx__Response *response;

    int r = ask(c, s, &q, &request);
    if (r == 0) {
        r = client_call(c, &request, TMX_BYTES(s->payload, s->payload_bytes), 0, TMX__RESPONSE__BODY_SUBMIT, &response);
    }
    return r == 0 ? take(c, response, ret_submitted) : r;
}

/* Several at once: asked[i] has request id first + i; what cannot be asked is answered at once. */
struct batch {
    struct tmx_client *c;
    const struct tmx_client_submission *submissions;
    struct tmx_client_result *results;
    size_t n, n_asked, n_open;           /* of n, the first n_asked were sent or answered; n_open are without an answer */
    uint64_t first;
    bool open[TMX_CLIENT_SUBMISSIONS_MAX];
};

static void result(struct batch *b, size_t i, int r)
{
    b->results[i].r = r;
    if (r != 0) {
        snprintf(b->results[i].error, sizeof(b->results[i].error), "%s", b->c->error);
    }
}

/* Sends as many as the socket takes now. 0, or what the connection failed with. */
static int batch_ask(struct batch *b)
{
    while (b->n_asked < b->n) {
        size_t i = b->n_asked;
        const struct tmx_client_submission *s = &b->submissions[i];
        struct tmx_bytes frames[2];
        struct question q;
        Tmx__Request request = client_request(b->c);
        request.id = b->first + i;
        int r = ask(b->c, s, &q, &request);
        r = r == 0 ? client_pack(b->c, &request, &frames[0]) : r;
        if (r != 0) {
            result(b, i, r);
            b->n_asked++;
            continue;
        }
        frames[1] = TMX_BYTES(s->payload, s->payload_bytes);
        r = tmx_socket_send(b->c->socket, NULL, frames, 2);
        if (r != 0) {
            return r < 0 ? r : 0;
        }
        b->open[i] = true;
        b->n_open++;
        b->n_asked++;
    }
    return 0;
}

/* Takes the answers that have come. Sets *ret_any when one of them was awaited. */
static int batch_take(struct batch *b, bool *ret_any)
{
    int r;
    while ((r = tmx_socket_receive(b->c->socket, &b->c->answer)) == 0) {
        Tmx__Response *response;
        r = client_unpack(b->c, &response);
        if (r != 0) {
            return r;
        }
        uint64_t i = response->id - b->first;
        if (i < b->n && b->open[i]) {
            r = client_judge(b->c, response, TMX__RESPONSE__BODY_SUBMIT);
            result(b, i, r == 0 ? take(b->c, response, &b->results[i].submitted) : r);
            b->open[i] = false;
            b->n_open--;
            *ret_any = true;
        }
    }
    return r < 0 ? r : 0;
}

int tmx_client_submit_many(struct tmx_client *c, const struct tmx_client_submission *submissions, size_t n,
                           struct tmx_client_result *ret_results)
{
    struct batch b = { .c = c, .submissions = submissions, .results = ret_results, .n = n, .first = c->last_id + 1 };
    if (n > TMX_CLIENT_SUBMISSIONS_MAX) {
        return client_fail(c, -EINVAL, "more than %u submissions at once", TMX_CLIENT_SUBMISSIONS_MAX);
    }
    memset(ret_results, 0, n * sizeof(*ret_results));
    uint64_t deadline_ms = client_now_ms() + c->timeout_ms;
    int r = 0;
    while (r == 0 && (b.n_asked < n || b.n_open > 0)) {
        bool any = false;
        r = batch_ask(&b);
        r = r == 0 ? batch_take(&b, &any) : r;
        deadline_ms = any ? client_now_ms() + c->timeout_ms : deadline_ms;
        if (r == 0 && (b.n_asked < n || b.n_open > 0)) {
            r = client_wait(c, b.n_asked < n, deadline_ms);
        }
    }
    c->last_id = b.first + n - 1;
    if (r != 0) {
        r = client_broken(c, r, c->timeout_ms, b.n_asked > 0);
        for (size_t i = 0; i < n; i++) {
            if (i >= b.n_asked || b.open[i]) {
                result(&b, i, r);
            }
        }
    }
    return r;
}
