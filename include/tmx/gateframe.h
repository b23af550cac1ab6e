/* SPDX-License-Identifier: Apache-2.0
 * What core and gate say to each other over their socket pair (SOCK_STREAM): frames with a length, in both
 * directions. The core treats everything a gate says as hostile.
 *
 *   frame   = u32 size of the rest | u8 kind | body
 *   CONFIG  core -> gate  u16 endpoint size, endpoint | u8 secret[32] | u16 n | n * { u8 key[32], u8 size, member }
 *   ADMIT   core -> gate  u16 n | n * { u8 key[32], u8 size, member }          replaces the admitted keys
 *   READY   gate -> core  empty: the endpoint is bound
 *   FAILED  gate -> core  u16 size, text: the gate could not start and exits
 *   MESSAGE both ways     u8 size, route | u8 size, member | u16 n | n * { u32 size, bytes }
 *   COUNTERS gate -> core 8 * u64 (tmx_transport_counters) | u8 size, address | u8 key[32], every few seconds
 */
#pragma once

#include <tmx/bytes.h>
#include <tmx/limits.h>
#include <tmx/transport.h>

enum tmx_gate_kind {
    TMX_GATE_CONFIG = 1,
    TMX_GATE_ADMIT,
    TMX_GATE_READY,
    TMX_GATE_FAILED,
    TMX_GATE_MESSAGE,
    TMX_GATE_COUNTERS,
};

#define TMX_GATE_FRAME_MAX (TMX_LINK_BYTES_MAX + TMX_FRAME_MAX + 65536u)

struct tmx_gate_config {
    char endpoint[256];
    uint8_t secret[32];
    size_t n_admits;
    struct tmx_admit admits[TMX_MEMBERS_MAX * TMX_KEYS_PER_MEMBER_MAX];
};

/* Encoders append a whole frame; the writer fails when it does not fit. */
void tmx_gate_put_config(struct tmx_writer *w, const struct tmx_gate_config *c);
void tmx_gate_put_admit(struct tmx_writer *w, const struct tmx_admit *admits, size_t n);
void tmx_gate_put_ready(struct tmx_writer *w);
void tmx_gate_put_failed(struct tmx_writer *w, struct tmx_bytes text);
void tmx_gate_put_message(struct tmx_writer *w, const struct tmx_message *m);
void tmx_gate_put_counters(struct tmx_writer *w, const struct tmx_transport_counters *c);
/* Bytes tmx_gate_put_message needs. */
size_t tmx_gate_message_size(const struct tmx_message *m);

/* Splits the first frame off a stream buffer: 0 = a frame, with kind and body; 1 = more bytes needed; 2 = not a
 * frame (too large, unknown kind): the gate is to be stopped. */
int tmx_gate_split(struct tmx_bytes stream, enum tmx_gate_kind *ret_kind, struct tmx_bytes *ret_body,
                   size_t *ret_used) TMX_MUST_CHECK;
/* Decoders of bodies; false when malformed: what *ret_* then holds is not to be used (these are large, and filled in
 * place). A message is also malformed beyond the bounds of TRA-4; its frames borrow from the body. */
bool tmx_gate_get_config(struct tmx_bytes body, struct tmx_gate_config *ret_config) TMX_MUST_CHECK;
bool tmx_gate_get_admit(struct tmx_bytes body, struct tmx_admit *ret_admits, size_t max, size_t *ret_n) TMX_MUST_CHECK;
bool tmx_gate_get_failed(struct tmx_bytes body, struct tmx_bytes *ret_text) TMX_MUST_CHECK;
bool tmx_gate_get_message(struct tmx_bytes body, struct tmx_message *ret_message) TMX_MUST_CHECK;
bool tmx_gate_get_counters(struct tmx_bytes body, struct tmx_transport_counters *ret_counters) TMX_MUST_CHECK;
