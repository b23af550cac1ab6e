/* SPDX-License-Identifier: Apache-2.0
 * Who may connect: the decision behind the ZAP handler (RFC 27), without ZeroMQ.
 *
 * An admitted key is answered with the User-Id `name "." hex(token)`; token = BLAKE2b-256 over name and key, keyed
 * with a secret of this boot. libzmq hands the User-Id back with each message. A peer can claim a User-Id of its
 * own (it is a ZMTP property), but not one with a right token.
 */
#pragma once

#include <tmx/transport.h>

#define TMX_ZAP_DOMAIN "tmx"
#define TMX_ZAP_FRAMES_MAX 16u

struct tmx_zap;

struct tmx_zap_reply {
    struct tmx_bytes request_id;   /* borrowed from the request */
    const char *status;            /* "200", "400" or "500" */
    const char *text;
    const char *user_id;           /* "" unless accepted; valid until the next admit */
    bool accepted;
    struct tmx_transport_refusal refused;   /* unless accepted */
};

/* Nobody is admitted at first. -ENOMEM. */
int tmx_zap_new(const uint8_t secret[32], struct tmx_zap **ret_zap) TMX_MUST_CHECK;
struct tmx_zap *tmx_zap_free(struct tmx_zap *z);

/* Replaces the admitted keys. -EINVAL when a key is published, of small order or named twice, or a name is not
 * 1 to 8 of [A-Za-z0-9_-]; -ENOMEM. The former set stays in force then. */
int tmx_zap_admit(struct tmx_zap *z, const struct tmx_admit *admits, size_t n) TMX_MUST_CHECK;

/* Total: any frames give a reply. */
void tmx_zap_decide(const struct tmx_zap *z, const struct tmx_bytes *frames, size_t n, struct tmx_zap_reply *ret_reply);

/* Logs how many were refused at this endpoint since *told, which it sets, and who the last one was. Call it now and then:
 * a line for each would let a stranger fill the log. */
void tmx_zap_log(const char *endpoint, const struct tmx_transport_counters *now, uint64_t *told);

/* The name behind a User-Id of a message, or NULL: none given, forged, or its key is no longer admitted. */
const char *tmx_zap_name(const struct tmx_zap *z, const char *user_id);

/* False for keys everybody knows the secret of: of small order (zero among them), and those of zmq_curve(7). */
bool tmx_curve_key_ok(const uint8_t key[32]) TMX_MUST_CHECK;
/* The halves belong together, and the public one is such a key. */
bool tmx_curve_pair_ok(const struct tmx_curve *curve) TMX_MUST_CHECK;
