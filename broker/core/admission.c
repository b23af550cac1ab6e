/* SPDX-License-Identifier: Apache-2.0
 * Admission: a header and its container become an acceptance, a logged refusal, a deferral or a count.
 * The order of the checks is that of the table in proto/README.md, section Admission and queue.
 */
#include <sodium.h>
#include <string.h>

#include "core.h"

static uint64_t pair_last(struct tmx_broker *b, const struct peer *p, struct tmx_bytes recipient)
{
    uint8_t member[TMX_MEMBER_KEY];
    tmx_member_key(recipient, member);
    struct key k = key_members(p->key, member);
    struct tmx_bytes value;
    return row_get(b, TMX_T_PAIR, key_bytes(&k), &value) ? value_u64(value) : 0;
}

static void pairs_consume(struct tmx_broker *b, const struct peer *p, const Tmx__Header *h)
{
    for (size_t i = 0; i < h->n_recipients; i++) {
        uint8_t member[TMX_MEMBER_KEY], seq[8];
        tmx_member_key(tmx_pb(h->recipients[i]->member), member);
        uint64_t last = pair_last(b, p, tmx_pb(h->recipients[i]->member));
        struct key k = key_members(p->key, member);
        struct tmx_writer w = TMX_WRITER_OF(seq);
        tmx_write_u64(&w, h->recipients[i]->seq > last ? h->recipients[i]->seq : last);
        row_put(b, TMX_T_PAIR, key_bytes(&k), tmx_written(&w));
    }
}

void count_malformed(struct tmx_broker *b, struct peer *p, unsigned code)
{
    b->counters.malformed++;
    p->last_code = code;
    notice(b, "message.malformed", false, p->key, NULL, code, 0);
}

void defer(struct tmx_broker *b, struct peer *p, struct tmx_bytes message_id, unsigned code)
{
    b->counters.deferred++;
    p->last_code = code;
    Tmx__Deferred deferred = TMX__DEFERRED__INIT;
    deferred.message_id = tmx_to_pb(message_id);
    deferred.code = code;
    /* Containers that come again and again are no use to a broker that takes none. */
    deferred.retry_ms = b->disk_full || b->halted || code == TMX_CODE_DRAINING ? TMX_RETRY_STOPPED_MS : TMX_RETRY_MIN_MS;
    Tmx__Link link = TMX__LINK__INIT;
    link.body_case = TMX__LINK__BODY_DEFERRED;
    link.deferred = &deferred;
    send_link(b, p, &link, NULL, 0);
}

/* A member that sends what must be refused, without end, must not fill the log with it: beyond this it is put off, and
 * what is behind it waits. */
static bool refusal_take(struct tmx_broker *b, struct peer *p)
{
    uint64_t more = (b->now_ms - p->refusals_ms) * TMX_REFUSALS_PER_S / 1000;
    if (p->refusals + more >= TMX_REFUSALS_BURST) {
        p->refusals = TMX_REFUSALS_BURST;
        p->refusals_ms = b->now_ms;
        p->refusals_told = false;
    } else {
        p->refusals += more;
        p->refusals_ms += more * 1000 / TMX_REFUSALS_PER_S;
    }
    if (p->refusals > 0) {
        p->refusals--;
        return true;
    }
    if (!p->refusals_told) {
        p->refusals_told = true;
        notice(b, "message.refusals-limited", true, p->key, NULL, TMX_CODE_BUSY, TMX_REFUSALS_PER_S);
    }
    return false;
}

/* Why the log takes no refusal now. What reports say is taken to the last: outcomes give room back. */
static unsigned refusal_stop(struct tmx_broker *b, struct peer *p, struct tmx_bytes body)
{
    if (b->halted) {
        return TMX_CODE_NOT_READY;
    }
    if (b->disk_full && tmx_body_kind(body) != TMX__KIND__KIND_REPORT) {
        return TMX_CODE_DISK_FULL;
    }
    return refusal_take(b, p) ? TMX_CODE_OK : TMX_CODE_BUSY;
}

void refuse(struct tmx_broker *b, struct peer *p, const Tmx__Signed *envelope, struct tmx_bytes message_id, unsigned code,
            uint64_t winner, bool consumed, const Tmx__Header *header)
{
    struct tmx_bytes body = tmx_pb(envelope->body);
    uint8_t digest[32];
    tmx_digest(body, digest);
    struct tmx_bytes value;
    p->last_code = code;
    if (row_get(b, TMX_T_REFUSED, TMX_BYTES_OF(digest), &value)) {
        b->counters.duplicates++;
        send_again(b, p, value_u64(value));
        return;
    }
    unsigned stop = refusal_stop(b, p, body);
    if (stop != TMX_CODE_OK) {
        defer(b, p, message_id, stop);
        return;
    }
    b->counters.refused++;
    Tmx__LogRef ref = TMX__LOG_REF__INIT;
    ref.shard = tmx_to_pb(tmx_bytes_str(b->shard));
    ref.index = winner;
    Tmx__LogEntry entry = TMX__LOG_ENTRY__INIT;
    entry.kind = TMX__ENTRY_KIND__ENTRY_REFUSAL;
    entry.member = tmx_to_pb(tmx_member_code(p->key));
    entry.body = envelope->body;
    entry.signature = envelope->signature;
    entry.code = code;
    entry.number = consumed ? 1 : 0;
    entry.reference = winner != 0 ? &ref : NULL;
    uint64_t index = ledger_append(b, &entry);
    uint8_t at[8];
    struct tmx_writer w = TMX_WRITER_OF(at);
    tmx_write_u64(&w, index);
    row_insert(b, TMX_T_REFUSED, TMX_BYTES_OF(digest), tmx_written(&w));
    ledger_feed(b, p->key, index, TMX_FEED_ALWAYS);
    if (consumed) {
        assert(header != NULL);
        pairs_consume(b, p, header);
        struct key k = key_delivery(header->message_id.data, p->key);
        row_insert(b, TMX_T_REFUSED, key_bytes(&k), tmx_written(&w));
        for (size_t i = 0; i < header->n_recipients; i++) {
            uint8_t member[TMX_MEMBER_KEY];
            tmx_member_key(tmx_pb(header->recipients[i]->member), member);
            ledger_feed(b, member, index, TMX_FEED_ALWAYS);
        }
    }
    notice(b, "message.refused", false, p->key, message_id.data, code, index);
}

/* Rows 5 to 8 of the table. *ret_consume is false: nothing is consumed by these. */
static unsigned check_order(struct tmx_broker *b, struct peer *p, const Tmx__Header *h, bool resubmission)
{
    for (size_t i = 0; i < h->n_recipients; i++) {
        if (tmx_directory_member(b->directory, tmx_pb(h->recipients[i]->member)) == NULL) {
            return TMX_CODE_UNKNOWN_RECIPIENT;
        }
    }
    bool reused = false;
    for (size_t i = 0; i < h->n_recipients; i++) {
        uint64_t last = pair_last(b, p, tmx_pb(h->recipients[i]->member));
        /* What an earlier shard accepted comes in order, but without what has its outcome already. */
        if (h->recipients[i]->seq > last + 1 && !resubmission) {
            return TMX_CODE_OUT_OF_ORDER;
        }
        reused = reused || (h->recipients[i]->seq <= last && !resubmission);
    }
    if (reused) {
        return TMX_CODE_SEQUENCE_REUSED;
    }
    if (b->halted) {
        return TMX_CODE_NOT_READY;
    }
    if (stopped(b, NULL)) {
        return TMX_CODE_DRAINING;
    }
    if (b->disk_full) {
        return TMX_CODE_DISK_FULL;
    }
    if (b->clock_doubt) {
        return TMX_CODE_CLOCK;
    }
    if (tmx_directory_expired(b->directory, b->wall_ms)) {
        return TMX_CODE_DIRECTORY_EXPIRED;
    }
    for (size_t i = 0; i < h->n_recipients && !resubmission; i++) {
        uint8_t member[TMX_MEMBER_KEY];
        tmx_member_key(tmx_pb(h->recipients[i]->member), member);
        const struct peer *to = peer_find(b, member);
        if (to != NULL && h->recipients[i]->seq > p->granted[to - b->peers]) {
            return TMX_CODE_NO_CREDIT;
        }
    }
    return TMX_CODE_OK;
}

static unsigned check_container(struct tmx_broker *b, const Tmx__Header *h, struct tmx_bytes container,
                                const uint8_t *staged_digest, bool resubmission)
{
    uint8_t digest[32];
    if (staged_digest != NULL) {
        memcpy(digest, staged_digest, sizeof(digest));
    } else {
        if (container.size != h->container_bytes) {
            return TMX_CODE_CONTAINER_MISMATCH;
        }
        tmx_digest(container, digest);
    }
    struct tmx_seal_outside outside;
    if (memcmp(digest, h->container_digest.data, sizeof(digest)) != 0 || !tmx_seal_parse(container, &outside) ||
        outside.n_slots != h->n_recipients) {
        return TMX_CODE_CONTAINER_MISMATCH;
    }
    /* What an earlier shard accepted was sealed to keys that were published there. */
    for (size_t i = 0; i < h->n_recipients && !resubmission; i++) {
        if (!members_slot_valid(b, tmx_pb(h->recipients[i]->member), outside.slots + i * TMX_SEAL_SLOT)) {
            return TMX_CODE_BAD_SLOT;
        }
    }
    return TMX_CODE_OK;
}

/* Row 9: what refuses for good and consumes the numbers. */
static unsigned check_permanent(struct tmx_broker *b, struct peer *p, const Tmx__Header *h, struct tmx_bytes container,
                                const uint8_t *staged_digest, bool resubmission)
{
    if (resubmission) {   /* an earlier shard accepted it: it gets an outcome, unless it names a head we never had */
        unsigned code = check_container(b, h, container, staged_digest, true);
        return code != TMX_CODE_OK ? code : ledger_check_seen(b, h->seen);
    }
    const Tmx__Member *sender = peer_member(b, p);
    if (sender == NULL || sender->status == TMX__MEMBER_STATUS__MEMBER_REVOKED) {
        return TMX_CODE_MEMBER_REVOKED;
    }
    if (sender->status != TMX__MEMBER_STATUS__MEMBER_ACTIVE) {
        return TMX_CODE_MEMBER_SUSPENDED;
    }
    for (size_t i = 0; i < h->n_recipients; i++) {
        const Tmx__Member *to = tmx_directory_member(b->directory, tmx_pb(h->recipients[i]->member));
        if (to == NULL || to->status == TMX__MEMBER_STATUS__MEMBER_REVOKED) {
            return TMX_CODE_UNKNOWN_RECIPIENT;
        }
    }
    if (!tmx_directory_type_allowed(sender, tmx_pb(h->message_type))) {
        return TMX_CODE_TYPE_NOT_ALLOWED;
    }
    uint64_t leaf_ms = b->wall_ms > b->leaf_ms ? b->wall_ms : b->leaf_ms;
    if (h->expires_ms <= leaf_ms) {
        return TMX_CODE_EXPIRED_ON_ARRIVAL;
    }
    if (h->expires_ms > leaf_ms + TMX_EXPIRY_MAX_MS) {
        return TMX_CODE_EXPIRY_TOO_FAR;
    }
    unsigned code = check_container(b, h, container, staged_digest, false);
    return code != TMX_CODE_OK ? code : ledger_check_seen(b, h->seen);
}

static void container_store(struct tmx_broker *b, const uint8_t *id, struct tmx_bytes container)
{
    uint32_t n = 0;
    for (size_t at = 0; at < container.size; at += TMX_CHUNK_SIZE, n++) {
        size_t size = container.size - at < TMX_CHUNK_SIZE ? container.size - at : TMX_CHUNK_SIZE;
        struct key k = key_container(id, n);
        row_insert(b, TMX_T_CONTAINER, key_bytes(&k), tmx_bytes_slice(container, at, size));
    }
}

static void accept(struct tmx_broker *b, struct peer *p, const Tmx__Signed *envelope, const Tmx__Header *h,
                   bool resubmission)
{
    Tmx__LogEntry entry = TMX__LOG_ENTRY__INIT;
    entry.kind = resubmission ? TMX__ENTRY_KIND__ENTRY_RESUBMISSION : TMX__ENTRY_KIND__ENTRY_ACCEPTANCE;
    entry.member = tmx_to_pb(tmx_member_code(p->key));
    entry.body = envelope->body;
    entry.signature = envelope->signature;
    uint64_t index = ledger_append(b, &entry);
    ledger_feed(b, p->key, index, TMX_FEED_ALWAYS);
    pairs_consume(b, p, h);

    bool seen_here = h->seen != NULL && tmx_bytes_eq(tmx_pb(h->seen->shard), tmx_bytes_str(b->shard));
    struct tmx_row_message m = { .index = index,
                                 .seen_size = seen_here ? h->seen->size : 0,
                                 .container_bytes = (uint32_t)h->container_bytes,
                                 .n_recipients = (uint8_t)h->n_recipients,
                                 .n_queued = (uint8_t)h->n_recipients,
                                 .n_open = (uint8_t)h->n_recipients };
    tmx_digest(tmx_pb(envelope->body), m.header_digest);
    memcpy(m.container_digest, h->container_digest.data, sizeof(m.container_digest));
    memcpy(m.sender, p->key, sizeof(m.sender));
    message_write(b, h->message_id.data, &m, true);

    for (size_t i = 0; i < h->n_recipients; i++) {
        uint8_t member[TMX_MEMBER_KEY];
        tmx_member_key(tmx_pb(h->recipients[i]->member), member);
        struct tmx_row_delivery d = { .priority = (uint8_t)h->priority,
                                      .seq = h->recipients[i]->seq,
                                      .index = index,
                                      .expires_ms = h->expires_ms,
                                      .container_bytes = (uint32_t)h->container_bytes };
        if (resubmission) {
            /* Its recipient may have taken it already: time stands still until that node has had its say. */
            uint64_t patience = b->leaf_ms + TMX_EXPIRY_MAX_MS;
            d.expires_ms = d.expires_ms > patience ? d.expires_ms : patience;
        }
        memcpy(d.sender, p->key, sizeof(d.sender));
        if (h->movement_label.len == sizeof(d.label)) {
            memcpy(d.label, h->movement_label.data, sizeof(d.label));
        }
        queue_enqueue(b, h->message_id.data, member, &d);
        const struct peer *to = peer_find(b, member);
        if (to != NULL && p->granted[to - b->peers] < d.seq + TMX_SEND_WINDOW / 2) {
            p->limits_due = true;
        }
        ledger_feed(b, member, index, TMX_FEED_WITH_DELIVERY);
    }
    b->counters.accepted++;
    b->counters.accepted_bytes += h->container_bytes;
    notice(b, "message.accepted", false, p->key, h->message_id.data, TMX_CODE_OK, index);
}

void admission_decide(struct tmx_broker *b, struct peer *p, const Tmx__Signed *envelope,
                      const struct tmx_signature *signature, const Tmx__Header *h, struct tmx_bytes container,
                      const uint8_t *staged_digest, bool resubmission)
{
    struct tmx_bytes id = tmx_pb(h->message_id), refused;
    struct key k = key_delivery(id.data, p->key);
    staging_heard(b, p, id.data);
    if (row_get(b, TMX_T_REFUSED, key_bytes(&k), &refused)) {
        refuse(b, p, envelope, id, TMX_CODE_SAME_ID_OTHER_BYTES, value_u64(refused), false, h);
        return;
    }
    resubmission = resubmission && b->successor;
    unsigned code = check_order(b, p, h, resubmission);
    if (code == TMX_CODE_OK && b->successor && putoff_blocks(p, h)) {
        code = TMX_CODE_OUT_OF_ORDER;
    }
    if (b->successor) {
        putoff_note(b, p, h, code >= 300);
    }
    if (code >= 300) {
        defer(b, p, id, code);
        return;
    }
    if (code != TMX_CODE_OK) {
        refuse(b, p, envelope, id, code, 0, false, h);
        return;
    }
    if (staged_digest == NULL && container.size == 0 && h->container_bytes > TMX_CHUNK_SIZE) {
        struct tmx_bytes item;
        if (tmx_codec_pack(envelope, &b->scratch, &item) != TMX_CODEC_OK || item.size > TMX_HEADER_MAX + 1024) {
            count_malformed(b, p, TMX_CODE_TOO_LARGE);
            return;
        }
        if (b->successor) {
            putoff_note(b, p, h, true);   /* until all of it is here */
        }
        staging_begin(b, p, item, tmx_pb(envelope->body), h, resubmission);
        return;
    }
    code = check_permanent(b, p, h, container, staged_digest, resubmission);
    if (code != TMX_CODE_OK) {
        refuse(b, p, envelope, id, code, 0, true, h);
        return;
    }
    if (staged_digest == NULL && !staging_yield(b, p, h->message_id.data)) {
        if (b->successor) {
            putoff_note(b, p, h, true);
        }
        defer(b, p, id, TMX_CODE_BUSY);
        return;
    }
    if (staged_digest == NULL) {
        container_store(b, h->message_id.data, container);
    }
    accept(b, p, envelope, h, resubmission);
}

void admission_submit(struct tmx_broker *b, struct peer *p, struct tmx_bytes item, struct tmx_bytes container,
                      bool resubmission)
{
    tmx_arena_reset(&b->scratch);
    Tmx__Signed *envelope;
    struct tmx_signature signature;
    Tmx__Header *h;
    unsigned code = tmx_signed_parse(item, &b->scratch, &envelope, &signature);
    if (code == TMX_CODE_OK) {
        code = tmx_header_parse(tmx_pb(envelope->body), &b->scratch, &h);
    }
    if (code != TMX_CODE_OK) {
        count_malformed(b, p, code);
        return;
    }
    if (!tmx_bytes_eq(tmx_pb(h->sender), tmx_member_code(p->key))) {
        count_malformed(b, p, TMX_CODE_SENDER_NOT_PEER);
        return;
    }
    struct tmx_bytes body = tmx_pb(envelope->body), id = tmx_pb(h->message_id);
    if (h->directory_serial > tmx_directory_serial(b->directory)) {
        defer(b, p, id, TMX_CODE_DIRECTORY_BEHIND);
        return;
    }
    const struct tmx_verify_key *key = tmx_directory_signing_key(b->directory, tmx_pb(h->sender), signature.key_id);
    if (key == NULL || !tmx_batch_verify(body, &signature, key, b->cache)) {
        count_malformed(b, p, TMX_CODE_BAD_SIGNATURE);
        return;
    }
    uint8_t digest[32];
    tmx_digest(body, digest);
    struct tmx_row_message known;
    if (message_read(b, id.data, &known)) {
        bool same = memcmp(known.header_digest, digest, sizeof(digest)) == 0;
        if (same) {
            b->counters.duplicates++;
            send_again(b, p, known.index);
        } else {
            refuse(b, p, envelope, id, TMX_CODE_SAME_ID_OTHER_BYTES, known.index, false, h);
        }
        return;
    }
    struct tmx_bytes refused;
    if (row_get(b, TMX_T_REFUSED, TMX_BYTES_OF(digest), &refused)) {
        b->counters.duplicates++;
        send_again(b, p, value_u64(refused));
        return;
    }
    admission_decide(b, p, envelope, &signature, h, container, NULL, resubmission);
}
