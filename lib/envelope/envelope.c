/* SPDX-License-Identifier: Apache-2.0
 * Headers, reports and prekey sets: unpacked and checked against the rules of their own bytes.
 */
#include <tmx/envelope.h>

#include <string.h>

#include <sodium.h>

#include <tmx/code.h>
#include <tmx/identifier.h>

#include "rules.h"

static bool message_id_valid(ProtobufCBinaryData id)
{
    return rule_size(id, TMX_ID_SIZE) && (id.data[6] & 0xf0) == 0x70 && (id.data[8] & 0xc0) == 0x80;
}

/* A code as a number, for comparing many at once: codes have no zero bytes, so that padding keeps them apart. */
static uint64_t member_number(ProtobufCBinaryData code)
{
    uint64_t v = 0;
    for (size_t i = 0; i < code.len; i++) {
        v = v << 8 | code.data[i];
    }
    return v;
}

static bool recipients_valid(const Tmx__Header *h)
{
    uint64_t seen[1 + TMX_RECIPIENTS_MAX];
    if (h->n_recipients < 1 || h->n_recipients > TMX_RECIPIENTS_MAX || !tmx_member_valid(tmx_pb(h->sender))) {
        return false;
    }
    seen[0] = member_number(h->sender);
    for (size_t i = 0; i < h->n_recipients; i++) {
        const Tmx__Recipient *r = h->recipients[i];
        if (!tmx_member_valid(tmx_pb(r->member)) || r->seq < 1 || r->prev >= r->seq ||
            (r->prev != 0 && h->movement_label.len == 0)) {
            return false;
        }
        seen[i + 1] = member_number(r->member);
        for (size_t j = 0; j <= i; j++) {
            if (seen[j] == seen[i + 1]) {
                return false;
            }
        }
    }
    return true;
}

/* The message that this one is sent instead of: nothing, or another one. */
static bool replaces_valid(const Tmx__Header *h)
{
    return h->replaces.len == 0 ||
           (rule_size(h->replaces, TMX_ID_SIZE) && memcmp(h->replaces.data, h->message_id.data, TMX_ID_SIZE) != 0);
}

static bool header_valid(const Tmx__Header *h)
{
    return message_id_valid(h->message_id) && recipients_valid(h) && rule_type(tmx_pb(h->message_type)) &&
           rule_empty_or(h->movement_label, TMX_LABEL_SIZE) &&
           (h->movement_label.len == 0 || !sodium_is_zero(h->movement_label.data, TMX_LABEL_SIZE)) &&
           rule_empty_or(h->correlation_id, TMX_ID_SIZE) && replaces_valid(h) && h->priority <= TMX_PRIORITY_MAX &&
           h->sent_ms < h->expires_ms && h->expires_ms - h->sent_ms <= TMX_EXPIRY_MAX_MS &&
           h->container_bytes <= TMX_CONTAINER_MAX && rule_size(h->container_digest, TMX_HASH_SIZE) &&
           rule_head(h->seen);
}

unsigned tmx_header_parse(struct tmx_bytes body, struct tmx_arena *arena, Tmx__Header **ret_header)
{
    Tmx__Header *h = NULL;
    unsigned code = rule_unpack(&tmx__header__descriptor, body, TMX_HEADER_MAX, arena, &h);
    if (code != TMX_CODE_OK) {
        return code;
    }
    if (h->kind != TMX__KIND__KIND_HEADER) {
        return TMX_CODE_MALFORMED;
    }
    if (!header_valid(h)) {
        return TMX_CODE_BAD_HEADER;
    }
    *ret_header = h;
    return TMX_CODE_OK;
}

static bool report_valid(const Tmx__Report *r)
{
    if (r->outcome < TMX__OUTCOME__OUTCOME_COA || r->outcome > TMX__OUTCOME__OUTCOME_COE) {
        return false;
    }
    bool good_news = r->outcome == TMX__OUTCOME__OUTCOME_COA || r->outcome == TMX__OUTCOME__OUTCOME_COD_POSITIVE;
    return rule_size(r->message_id, TMX_ID_SIZE) && rule_size(r->header_digest, TMX_HASH_SIZE) &&
           rule_size(r->container_digest, TMX_HASH_SIZE) && tmx_member_valid(tmx_pb(r->recipient)) && r->seq >= 1 &&
           rule_ref(r->acceptance) && (r->code == 0) == good_news && rule_head(r->seen) &&
           rule_empty_or(r->attachment_digest, TMX_HASH_SIZE) &&
           (r->attachment_digest.len == 0 || r->outcome == TMX__OUTCOME__OUTCOME_COD_NEGATIVE);
}

unsigned tmx_report_parse(struct tmx_bytes body, struct tmx_arena *arena, Tmx__Report **ret_report)
{
    Tmx__Report *r = NULL;
    unsigned code = rule_unpack(&tmx__report__descriptor, body, TMX_HEADER_MAX, arena, &r);
    if (code != TMX_CODE_OK) {
        return code;
    }
    if (r->kind != TMX__KIND__KIND_REPORT) {
        return TMX_CODE_MALFORMED;
    }
    if (!report_valid(r)) {
        return TMX_CODE_BAD_REPORT;
    }
    *ret_report = r;
    return TMX_CODE_OK;
}

static bool prekeys_valid(const Tmx__PrekeySet *s)
{
    if (!tmx_member_valid(tmx_pb(s->member)) || s->set_serial < 1 || s->n_keys < 1 || s->n_keys > TMX_PREKEYS_MAX) {
        return false;
    }
    for (size_t i = 0; i < s->n_keys; i++) {
        const Tmx__Prekey *k = s->keys[i];
        if (!rule_x25519(k->key) || k->from_ms >= k->until_ms ||
            (i > 0 && k->from_ms <= s->keys[i - 1]->from_ms)) {
            return false;
        }
        /* a slot names a key by its id alone: one key has one time */
        for (size_t j = 0; j < i; j++) {
            if (memcmp(s->keys[j]->key.data, k->key.data, 32) == 0) {
                return false;
            }
        }
    }
    return true;
}

unsigned tmx_prekeys_read(struct tmx_bytes body, struct tmx_arena *arena, Tmx__PrekeySet **ret_set)
{
    Tmx__PrekeySet *s = NULL;
    unsigned code = rule_unpack(&tmx__prekey_set__descriptor, body, TMX_HEADER_MAX, arena, &s);
    if (code == TMX_CODE_OK && s->kind != TMX__KIND__KIND_PREKEY_SET) {
        code = TMX_CODE_MALFORMED;
    }
    if (code == TMX_CODE_OK) {
        *ret_set = s;
    }
    return code;
}

unsigned tmx_prekeys_parse(struct tmx_bytes body, struct tmx_arena *arena, Tmx__PrekeySet **ret_set)
{
    Tmx__PrekeySet *s = NULL;
    unsigned code = tmx_prekeys_read(body, arena, &s);
    if (code == TMX_CODE_OK && !prekeys_valid(s)) {
        code = TMX_CODE_BAD_PREKEYS;
    }
    if (code == TMX_CODE_OK) {
        *ret_set = s;
    }
    return code;
}

unsigned tmx_body_kind(struct tmx_bytes body)
{
    struct tmx_reader r = tmx_reader_init(body);
    unsigned tag = tmx_read_u8(&r);
    unsigned low = tmx_read_u8(&r);
    unsigned high = tmx_read_u8(&r);
    /* every kind takes two bytes as a varint */
    unsigned kind = (low & 0x7f) | high << 7;
    bool known = tmx_reader_ok(&r) && tag == 0x08 && (low & 0x80) != 0 && (high & 0x80) == 0 &&
                 kind >= TMX__KIND__KIND_HEADER && kind <= TMX__KIND__KIND_DIRECTORY;
    return known ? kind : TMX__KIND__KIND_NONE;
}

void tmx_movement_label(struct tmx_bytes mrn, const uint8_t secret[32], uint8_t ret_label[TMX_LABEL_SIZE])
{
    crypto_generichash(ret_label, TMX_LABEL_SIZE, mrn.data, mrn.size, secret, 32);
}

void tmx_message_id(uint64_t wall_ms, const uint8_t random[10], uint8_t ret_id[TMX_ID_SIZE])
{
    struct tmx_writer w = tmx_writer_init(ret_id, TMX_ID_SIZE);
    tmx_write_u16(&w, (uint16_t)(wall_ms >> 32));
    tmx_write_u32(&w, (uint32_t)wall_ms);
    tmx_write_bytes(&w, TMX_BYTES(random, 10));
    ret_id[6] = (uint8_t)(0x70 | (ret_id[6] & 0x0f));
    ret_id[8] = (uint8_t)(0x80 | (ret_id[8] & 0x3f));
}
