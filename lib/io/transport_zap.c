/* SPDX-License-Identifier: Apache-2.0
 * The ZAP handler: who is let in is decided by zap.c.
 */
#include "transport_zmq.h"

#define ZAP_ENDPOINT "inproc://zeromq.zap.01"
#define ZAP_TURN_MAX 64u       /* requests answered per wait */

int transport_zap_open(struct tmx_transport *t)
{
    t->zap_socket = zmq_socket(t->context, ZMQ_REP);
    if (t->zap_socket == NULL) {
        return -errno;
    }
    const struct option linger = { ZMQ_LINGER, 0 };
    int r = transport_options_set(t->zap_socket, &linger, 1);
    if (r == 0 && zmq_bind(t->zap_socket, ZAP_ENDPOINT) != 0) {
        r = -errno;
    }
    return r;
}

static int reply_zap(struct tmx_transport *t, const struct tmx_bytes *frames, size_t n)
{
    struct tmx_zap_reply reply;
    tmx_zap_decide(t->zap, frames, n, &reply);
    if (reply.accepted) {
        t->counters.zap_accepted++;
    } else {
        t->counters.zap_refused++;
        t->counters.refused = reply.refused;
    }
    const struct tmx_bytes status = tmx_bytes_str(reply.status), text = tmx_bytes_str(reply.text);
    const struct tmx_bytes user_id = tmx_bytes_str(reply.user_id), metadata = TMX_BYTES_NULL;
    const struct tmx_bytes answer[] = { TMX_LIT("1.0"), reply.request_id, status, text, user_id, metadata };
    int r = 0;
    for (size_t i = 0; i < TMX_N(answer) && r == 0; i++) {
        r = transport_part_send(t->zap_socket, answer[i], i + 1 < TMX_N(answer));
    }
    /* The pipes to the sessions have no bound: a reply that does not fit is a broken library. */
    return r > 0 ? -EPROTO : r;
}

static int answer_zap_request(struct tmx_transport *t)
{
    zmq_msg_t parts[TMX_ZAP_FRAMES_MAX];
    struct tmx_bytes frames[TMX_ZAP_FRAMES_MAX];
    size_t n = 0;
    bool more = true;
    int r = 0;
    for (; more && r == 0 && n < TMX_ZAP_FRAMES_MAX; n++) {
        zmq_msg_init(&parts[n]);
        r = transport_part_receive(t->zap_socket, &parts[n]);
        more = zmq_msg_more(&parts[n]) != 0;
        frames[n] = transport_part_bytes(&parts[n]);
    }
    if (r == 0) {
        /* libzmq itself writes the requests, of at most 8 frames. */
        r = more ? -EPROTO : reply_zap(t, frames, n);
    }
    for (size_t i = 0; i < n; i++) {
        zmq_msg_close(&parts[i]);
    }
    return r;
}

int transport_zap_answer(struct tmx_transport *t)
{
    int r = 0;
    for (size_t i = 0; i < ZAP_TURN_MAX && r == 0; i++) {
        r = answer_zap_request(t);
    }
    return r < 0 ? r : 0;
}
