/* SPDX-License-Identifier: Apache-2.0
 * Frames on the stream between core and gate. Whoever decodes may face a compromised peer: every size is checked
 * against its bound before it is used, and a body must be used up to its last byte. */
#include <string.h>

#include <tmx/gateframe.h>

#define PREFIX 5u   /* u32 size of the rest, u8 kind */

static void put_prefix(struct tmx_writer *w, enum tmx_gate_kind kind, size_t body_size)
{
    if (body_size > TMX_GATE_FRAME_MAX - PREFIX) {
        w->failed = true;
        return;
    }
    tmx_write_u32(w, (uint32_t)(1 + body_size));
    tmx_write_u8(w, (uint8_t)kind);
}

/* A name with its size in front. */
static void put_name(struct tmx_writer *w, const char *name)
{
    struct tmx_bytes b = tmx_bytes_str(name);

    assert(b.size <= UINT8_MAX);
    tmx_write_u8(w, (uint8_t)b.size);
    tmx_write_bytes(w, b);
}

static size_t admits_size(const struct tmx_admit *admits, size_t n)
{
    size_t size = 2;

    for (size_t i = 0; i < n; i++) {
        size += sizeof(admits[i].key) + 1 + strlen(admits[i].member);
    }
    return size;
}

static void put_admits(struct tmx_writer *w, const struct tmx_admit *admits, size_t n)
{
    assert(n <= TMX_MEMBERS_MAX * TMX_KEYS_PER_MEMBER_MAX);
    tmx_write_u16(w, (uint16_t)n);
    for (size_t i = 0; i < n; i++) {
        tmx_write_bytes(w, TMX_BYTES_OF(admits[i].key));
        put_name(w, admits[i].member);
    }
}

void tmx_gate_put_config(struct tmx_writer *w, const struct tmx_gate_config *c)
{
    struct tmx_bytes endpoint = tmx_bytes_str(c->endpoint);

    put_prefix(w, TMX_GATE_CONFIG, 2 + endpoint.size + sizeof(c->secret) + admits_size(c->admits, c->n_admits));
    tmx_write_u16(w, (uint16_t)endpoint.size);
    tmx_write_bytes(w, endpoint);
    tmx_write_bytes(w, TMX_BYTES_OF(c->secret));
    put_admits(w, c->admits, c->n_admits);
}

void tmx_gate_put_admit(struct tmx_writer *w, const struct tmx_admit *admits, size_t n)
{
    put_prefix(w, TMX_GATE_ADMIT, admits_size(admits, n));
    put_admits(w, admits, n);
}

void tmx_gate_put_ready(struct tmx_writer *w)
{
    put_prefix(w, TMX_GATE_READY, 0);
}

void tmx_gate_put_failed(struct tmx_writer *w, struct tmx_bytes text)
{
    struct tmx_bytes kept = tmx_bytes_slice(text, 0, text.size < TMX_REASON_MAX ? text.size : TMX_REASON_MAX);

    put_prefix(w, TMX_GATE_FAILED, 2 + kept.size);
    tmx_write_u16(w, (uint16_t)kept.size);
    tmx_write_bytes(w, kept);
}

size_t tmx_gate_message_size(const struct tmx_message *m)
{
    size_t size = PREFIX + 1 + m->route_size + 1 + strlen(m->peer) + 2;

    for (size_t i = 0; i < m->n_frames; i++) {
        size += 4 + m->frames[i].size;
    }
    return size;
}

void tmx_gate_put_message(struct tmx_writer *w, const struct tmx_message *m)
{
    assert(m->route_size <= sizeof(m->route) && m->n_frames >= 1 && m->n_frames <= TMX_FRAMES_MAX);
    put_prefix(w, TMX_GATE_MESSAGE, tmx_gate_message_size(m) - PREFIX);
    tmx_write_u8(w, m->route_size);
    tmx_write_bytes(w, TMX_BYTES(m->route, m->route_size));
    put_name(w, m->peer);
    tmx_write_u16(w, (uint16_t)m->n_frames);
    for (size_t i = 0; i < m->n_frames; i++) {
        tmx_write_u32(w, (uint32_t)m->frames[i].size);
        tmx_write_bytes(w, m->frames[i]);
    }
}

void tmx_gate_put_counters(struct tmx_writer *w, const struct tmx_transport_counters *c)
{
    size_t n_address = strlen(c->refused.address);
    put_prefix(w, TMX_GATE_COUNTERS, 8 * sizeof(uint64_t) + 1 + n_address + sizeof(c->refused.key));
    tmx_write_u64(w, c->zap_accepted);
    tmx_write_u64(w, c->zap_refused);
    tmx_write_u64(w, c->unnamed);
    tmx_write_u64(w, c->oversize);
    tmx_write_u64(w, c->too_many_frames);
    tmx_write_u64(w, c->send_again);
    tmx_write_u64(w, c->connections);
    tmx_write_u64(w, c->handshakes_failed);
    put_name(w, c->refused.address);
    tmx_write_bytes(w, TMX_BYTES_OF(c->refused.key));
}

int tmx_gate_split(struct tmx_bytes stream, enum tmx_gate_kind *ret_kind, struct tmx_bytes *ret_body, size_t *ret_used)
{
    struct tmx_reader r = tmx_reader_init(stream);
    size_t size = tmx_read_u32(&r);

    if (!tmx_reader_ok(&r)) {
        return 1;
    }
    if (size < 1 || size > TMX_GATE_FRAME_MAX - 4) {
        return 2;
    }
    uint8_t kind = tmx_read_u8(&r);
    if (!tmx_reader_ok(&r)) {
        return 1;
    }
    if (kind < TMX_GATE_CONFIG || kind > TMX_GATE_COUNTERS) {
        return 2;
    }
    struct tmx_bytes body = tmx_read_bytes(&r, size - 1);
    if (!tmx_reader_ok(&r)) {
        return 1;
    }
    *ret_kind = (enum tmx_gate_kind)kind;
    *ret_body = body;
    *ret_used = 4 + size;
    return 0;
}

/* Text of visible ASCII that fits `capacity` with its NUL: what follows may treat it as a C string. */
static bool get_text(struct tmx_reader *r, size_t size, char *ret_text, size_t capacity)
{
    struct tmx_bytes b = tmx_read_bytes(r, size);

    if (!tmx_reader_ok(r) || size >= capacity) {
        return false;
    }
    for (size_t i = 0; i < b.size; i++) {
        if (b.data[i] <= 0x20 || b.data[i] >= 0x7f) {
            return false;
        }
    }
    struct tmx_writer w = tmx_writer_init(ret_text, capacity);
    tmx_write_bytes(&w, b);
    tmx_write_u8(&w, 0);
    return true;
}

static bool get_admits(struct tmx_reader *r, struct tmx_admit *ret_admits, size_t max, size_t *ret_n)
{
    size_t n = tmx_read_u16(r);

    if (n > max) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        tmx_read_into(r, ret_admits[i].key, sizeof(ret_admits[i].key));
        size_t size = tmx_read_u8(r);
        if (size == 0 || !get_text(r, size, ret_admits[i].member, sizeof(ret_admits[i].member))) {
            return false;
        }
    }
    *ret_n = n;
    return tmx_reader_done(r);
}

bool tmx_gate_get_config(struct tmx_bytes body, struct tmx_gate_config *ret_config)
{
    struct tmx_reader r = tmx_reader_init(body);
    size_t size = tmx_read_u16(&r);

    if (size == 0 || !get_text(&r, size, ret_config->endpoint, sizeof(ret_config->endpoint))) {
        return false;
    }
    tmx_read_into(&r, ret_config->secret, sizeof(ret_config->secret));
    return get_admits(&r, ret_config->admits, TMX_N(ret_config->admits), &ret_config->n_admits);
}

bool tmx_gate_get_admit(struct tmx_bytes body, struct tmx_admit *ret_admits, size_t max, size_t *ret_n)
{
    struct tmx_reader r = tmx_reader_init(body);
    return get_admits(&r, ret_admits, max, ret_n);
}

bool tmx_gate_get_failed(struct tmx_bytes body, struct tmx_bytes *ret_text)
{
    struct tmx_reader r = tmx_reader_init(body);
    size_t size = tmx_read_u16(&r);
    struct tmx_bytes text = tmx_read_bytes(&r, size);

    if (!tmx_reader_done(&r) || size > TMX_REASON_MAX) {
        return false;
    }
    *ret_text = text;
    return true;
}

bool tmx_gate_get_message(struct tmx_bytes body, struct tmx_message *ret_message)
{
    struct tmx_reader r = tmx_reader_init(body);
    size_t total = 0;

    ret_message->route_size = tmx_read_u8(&r);
    if (ret_message->route_size > sizeof(ret_message->route)) {
        return false;
    }
    memset(ret_message->route, 0, sizeof(ret_message->route));
    tmx_read_into(&r, ret_message->route, ret_message->route_size);
    size_t peer_size = tmx_read_u8(&r);
    if (!get_text(&r, peer_size, ret_message->peer, sizeof(ret_message->peer))) {
        return false;
    }
    ret_message->n_frames = tmx_read_u16(&r);
    if (ret_message->n_frames < 1 || ret_message->n_frames > TMX_FRAMES_MAX) {
        return false;
    }
    for (size_t i = 0; i < ret_message->n_frames; i++) {
        size_t size = tmx_read_u32(&r);
        ret_message->frames[i] = tmx_read_bytes(&r, size);
        if (!tmx_reader_ok(&r) || size > TMX_FRAME_MAX) {
            return false;
        }
        total += size;
    }
    return tmx_reader_done(&r) && total <= TMX_LINK_BYTES_MAX;
}

bool tmx_gate_get_counters(struct tmx_bytes body, struct tmx_transport_counters *ret_counters)
{
    struct tmx_reader r = tmx_reader_init(body);
    struct tmx_transport_counters c = {
        .zap_accepted = tmx_read_u64(&r),
        .zap_refused = tmx_read_u64(&r),
        .unnamed = tmx_read_u64(&r),
        .oversize = tmx_read_u64(&r),
        .too_many_frames = tmx_read_u64(&r),
        .send_again = tmx_read_u64(&r),
        .connections = tmx_read_u64(&r),
        .handshakes_failed = tmx_read_u64(&r),
    };
    struct tmx_bytes address = tmx_read_bytes(&r, tmx_read_u8(&r));
    tmx_read_into(&r, c.refused.key, sizeof(c.refused.key));
    if (!tmx_reader_done(&r) || address.size > TMX_ADDRESS_MAX ||
        (address.size > 0 && memchr(address.data, 0, address.size) != NULL)) {
        return false;
    }
    if (address.size > 0) {
        memcpy(c.refused.address, address.data, address.size);
    }
    *ret_counters = c;
    return true;
}
