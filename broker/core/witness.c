/* SPDX-License-Identifier: Apache-2.0
 * Heads that the witnesses have cosigned (WIT-n). A round is about one head: every linked witness is asked, its lines are
 * added to that head's checkpoint; when the round ends and the policy's quorum has cosigned, the checkpoint is kept and told
 * to every node. Nothing of the exchange waits for a round.
 */
#include <string.h>

#include "core.h"

#define ROUND_MS 2000u          /* from the start of one round to that of the next, while the log grows */
#define ROUND_END_MS 5000u      /* a witness that has not answered by then is not waited for */
#define LACK_MAX 5u             /* rounds without a quorum are up to 64 s apart, until another witness is there */
#define PROOFS_PAUSE_MS 20u     /* between answers to requests for proofs of one member */
#define HOUR_MS 3600000ull

const struct tmx_policy *witness_policy(const struct tmx_broker *b)
{
    const struct tmx_policy *policy = tmx_directory_policy(b->directory);
    return policy == NULL || policy->none ? NULL : policy;
}

/* The witness of the policy whose key is this member's; -1: none. */
static int witness_of(struct tmx_broker *b, const struct peer *p)
{
    const struct tmx_policy *policy = witness_policy(b);
    const Tmx__Member *m = peer_member(b, p);
    for (size_t i = 0; policy != NULL && m != NULL && i < policy->n_witnesses; i++) {
        for (size_t j = 0; j < m->n_witness_keys; j++) {
            const Tmx__MemberKey *k = m->witness_keys[j];
            if (!k->revoked && tmx_bytes_eq(tmx_pb(k->key), TMX_BYTES_OF(policy->witnesses[i].key.key))) {
                return (int)i;
            }
        }
    }
    return -1;
}

/* What the witness has cosigned, as far as it is of the head it is to be asked about. */
static uint64_t asked_from(const struct tmx_broker *b, size_t witness)
{
    return b->witness_size[witness] < b->round.head.size ? b->witness_size[witness] : b->round.head.size;
}

bool witness_request(struct tmx_broker *b, size_t witness, struct tmx_writer *w)
{
    struct witness_round *r = &b->round;
    uint64_t old = asked_from(b, witness);
    struct tmx_witness_request rq = { .old = old, .checkpoint = TMX_BYTES(r->note, r->signed_size) };
    if (r->head.size == 0) {
        return false;
    }
    if (old > 0 && !tmx_tree_consistency_between(b->tree, b, old, r->head.size, &rq.proof)) {
        broker_fault(b, -EBADMSG);
        return false;
    }
    tmx_witness_request_write(&rq, w);
    return !w->failed;
}

static void ask(struct tmx_broker *b, struct peer *p, size_t witness)
{
    uint8_t body[TMX_WITNESS_REQUEST_MAX];
    struct tmx_writer w = TMX_WRITER_OF(body);
    struct tmx_bytes frame;
    Tmx__WitnessRequest request = TMX__WITNESS_REQUEST__INIT;
    Tmx__Link link = TMX__LINK__INIT;
    link.body_case = TMX__LINK__BODY_WITNESS;
    link.witness = &request;
    if (witness_request(b, witness, &w) && tmx_arena_copy(&b->out, tmx_written(&w), &frame) &&
        outgoing_root(b, asked_from(b, witness), &request.root)) {
        p->witness_asked = b->round.head.size;
        send_link(b, p, &link, &frame, 1);
    }
}

static void round_start(struct tmx_broker *b)
{
    struct witness_round *r = &b->round;
    *r = (struct witness_round){ .open = true, .started_ms = b->now_ms, .signed_size = b->checkpoint_size,
                                 .note_size = b->checkpoint_size };
    memcpy(r->note, b->checkpoint, b->checkpoint_size);
    if (!tmx_checkpoint_verify(TMX_BYTES(b->checkpoint, b->checkpoint_size), &b->log_key, &r->head)) {
        broker_fault(b, -EBADMSG);
        return;
    }
    for (size_t i = 0; i < b->n_peers; i++) {
        struct peer *p = &b->peers[i];
        int witness = p->up && !p->busy && !p->welcome_due ? witness_of(b, p) : -1;
        p->witness_asked = 0;
        if (witness >= 0) {
            ask(b, p, (size_t)witness);
        }
    }
}

/* The note is kept: the newest one, and one of every hour. */
static void keep(struct tmx_broker *b)
{
    struct tmx_bytes note = TMX_BYTES(b->cosigned.note, b->cosigned.note_size);
    struct key hour = key_u64(b->wall_ms / HOUR_MS);   /* not by what a witness says the time is */
    row_put(b, TMX_T_COSIGNED, key_bytes(&hour), note);
    row_put(b, TMX_T_META, TMX_LIT("cosigned"), note);
    b->dirty = true;
}

static void round_end(struct tmx_broker *b)
{
    struct witness_round *r = &b->round;
    r->open = false;
    if (!r->quorum.reached || r->quorum.witnesses == 0) {
        if (b->cosigned_lack == 0) {
            notice(b, "log.not-cosigned", false, NULL, NULL, TMX_CODE_OK, r->quorum.witnesses);
        }
        b->cosigned_lack++;
        b->cosigned_pause += r->joined ? 0 : 1;
        return;
    }
    if (b->cosigned_lack > 0) {
        notice(b, "log.cosigned", false, NULL, NULL, TMX_CODE_OK, r->quorum.witnesses);
    }
    b->cosigned_lack = b->cosigned_pause = 0;
    b->cosigned = *r;
    keep(b);
}

/* Who was missing may be here now. */
void witness_linked(struct tmx_broker *b, const struct peer *p)
{
    if (witness_of(b, p) >= 0) {
        b->cosigned_pause = 0;
        b->round.joined = true;
    }
}

static bool all_answered(const struct tmx_broker *b)
{
    for (size_t i = 0; i < b->n_peers; i++) {
        if (b->peers[i].up && b->peers[i].witness_asked != 0) {
            return false;
        }
    }
    return true;
}

bool witness_lines(struct tmx_broker *b, struct tmx_bytes lines)
{
    struct witness_round *r = &b->round;
    struct tmx_quorum q;
    if (r->head.size == 0 || witness_policy(b) == NULL || lines.size == 0 || lines.size > TMX_WITNESS_REPLY_MAX ||
        lines.size > sizeof(r->note) - r->note_size) {
        return false;
    }
    memcpy(r->note + r->note_size, lines.data, lines.size);
    if (!tmx_policy_check(witness_policy(b), TMX_BYTES(r->note, r->note_size + lines.size), &q) ||
        q.witnesses <= r->quorum.witnesses) {
        return false;   /* what does not verify, or says nothing new, is not published */
    }
    r->note_size += lines.size;
    r->quorum = q;
    if (!r->open && q.reached) {   /* late: the next round leaves as much time, and not more and more */
        b->cosigned_lack -= b->cosigned_lack > 0 ? 1 : 0;
        b->cosigned_pause -= b->cosigned_pause > 0 ? 1 : 0;
        b->cosigned = *r;
        keep(b);
    }
    return true;
}

bool witness_conflict(struct tmx_broker *b, size_t witness, struct tmx_bytes body)
{
    uint64_t size;
    if (body.size < 2 || body.data[body.size - 1] != '\n' ||
        !tmx_parse_u64(tmx_bytes_slice(body, 0, body.size - 1), tmx_tree_size(b->tree), &size)) {
        return false;
    }
    b->witness_size[witness] = size;
    return true;
}

void witness_reply(struct tmx_broker *b, struct peer *p, const Tmx__WitnessReply *reply, struct tmx_bytes body)
{
    int witness = witness_of(b, p);
    uint64_t asked = p->witness_asked;
    p->witness_asked = 0;
    if (witness < 0 || asked == 0 || asked != b->round.head.size) {
        return;   /* of a round that is over: the next one asks again */
    }
    if (reply->status == TMX_WITNESS_OK) {
        if (witness_lines(b, body)) {
            b->witness_size[witness] = asked;
        } else {
            count_malformed(b, p, TMX_CODE_BAD_SIGNATURE);
        }
    } else if (reply->status == TMX_WITNESS_CONFLICT && witness_conflict(b, (size_t)witness, body)) {
        if (b->round.open && b->witness_size[witness] <= asked && b->round.conflicts++ < TMX_WITNESSES_MAX) {
            ask(b, p, (size_t)witness);
        }
    } else if (reply->status != TMX_WITNESS_UNAVAILABLE) {
        notice(b, "witness.refused", true, p->key, NULL, TMX_CODE_BAD_HEAD, reply->status);
    }
}

/* While the head is not cosigned; less often where the quorum does not come together. UINT64_MAX: no round is due. */
static uint64_t next_round_ms(const struct tmx_broker *b)
{
    if (witness_policy(b) == NULL || b->halted || b->clock_doubt ||
        b->signed_size == b->cosigned.head.size) {
        return UINT64_MAX;
    }
    if (b->closing) {
        return b->round.head.size == b->signed_size ? UINT64_MAX : 0;
    }
    return b->round.started_ms + (ROUND_MS << (b->cosigned_pause < LACK_MAX ? b->cosigned_pause : LACK_MAX));
}

/* A round is as long as its slowest witness; one that is waited for, no longer than it takes to reach the quorum. */
static bool round_over(const struct tmx_broker *b)
{
    return all_answered(b) || (b->closing && b->round.quorum.reached) || b->now_ms - b->round.started_ms >= ROUND_END_MS;
}

void witness_last_round(struct tmx_broker *b)
{
    if (!b->closing && !b->round.open) {
        b->round = (struct witness_round){ 0 };   /* it may have been in vain before, with others linked */
    }
    b->closing = true;
}

bool witness_closed(const struct tmx_broker *b)
{
    return !b->round.open && next_round_ms(b) == UINT64_MAX;
}

void witness_close(struct tmx_broker *b)
{
    if (witness_policy(b) == NULL || b->signed_size == b->cosigned.head.size) {
        b->uncosigned_ms = 0;
    } else if (b->uncosigned_ms == 0) {
        b->uncosigned_ms = b->now_ms > 0 ? b->now_ms : 1;
    }
    if (b->round.open && round_over(b)) {
        round_end(b);
    }
    if (!b->round.open && b->now_ms >= next_round_ms(b)) {
        round_start(b);
    }
}

uint64_t witness_deadline(const struct tmx_broker *b)
{
    return b->round.open ? b->round.started_ms + ROUND_END_MS : next_round_ms(b);
}

void witness_tell(struct tmx_broker *b, struct peer *p)
{
    Tmx__HeadUpdate head = TMX__HEAD_UPDATE__INIT;
    Tmx__CosignedHead cosigned = TMX__COSIGNED_HEAD__INIT;
    Tmx__Link link = TMX__LINK__INIT;
    struct tmx_proof proof = { 0 };
    struct tmx_bytes hashes, note;
    if (p->cosigned_told == b->cosigned.head.size || p->welcome_due || !b->cosigned.quorum.reached) {
        return;
    }
    if (p->head_size < b->cosigned.head.size) {
        cosigned.head = outgoing_head(b, p, &head) ? &head : NULL;
    }
    if (p->head_size < b->cosigned.head.size) {
        return;
    }
    if (!tmx_tree_consistency_between(b->tree, b, b->cosigned.head.size, p->head_size, &proof)) {
        broker_fault(b, -EBADMSG);
        return;
    }
    if (!tmx_arena_copy(&b->out, TMX_BYTES(proof.hash, proof.n * sizeof(proof.hash[0])), &hashes) ||
        !tmx_arena_copy(&b->out, TMX_BYTES(b->cosigned.note, b->cosigned.note_size), &note) ||
        !outgoing_root(b, b->cosigned.head.size, &cosigned.root)) {
        return;
    }
    cosigned.tree_size = p->head_size;
    cosigned.consistency = tmx_to_pb(hashes);
    link.body_case = TMX__LINK__BODY_COSIGNED;
    link.cosigned = &cosigned;
    p->cosigned_told = b->cosigned.head.size;
    send_link(b, p, &link, &note, 1);
}

static bool proof_frame(struct tmx_broker *b, uint64_t index, uint64_t size, struct tmx_bytes *ret_frame)
{
    struct tmx_proof proof;
    if (!tmx_tree_path_at(b->tree, b, index, size, &proof)) {
        broker_fault(b, -EBADMSG);
        return false;
    }
    Tmx__FeedItem item = TMX__FEED_ITEM__INIT;
    item.index = index;
    item.path = tmx_to_pb(TMX_BYTES(proof.hash, proof.n * sizeof(proof.hash[0])));
    return tmx_codec_pack(&item, &b->out, ret_frame) == TMX_CODEC_OK;
}

void witness_proofs(struct tmx_broker *b, struct peer *p, const Tmx__ProofRequest *request)
{
    struct tmx_bytes frames[TMX_LINK_ITEMS_MAX];
    Tmx__Proofs proofs = TMX__PROOFS__INIT;
    Tmx__Link link = TMX__LINK__INIT;
    bool ok = request->n_indexes >= 1 && request->n_indexes <= TMX_LINK_ITEMS_MAX && request->tree_size <= b->signed_size;
    for (size_t i = 0; ok && i < request->n_indexes; i++) {
        ok = request->indexes[i] < request->tree_size;
    }
    if (!ok) {
        count_malformed(b, p, TMX_CODE_MALFORMED);
        return;
    }
    if (p->proofs_ms != 0 && b->now_ms - p->proofs_ms < PROOFS_PAUSE_MS) {
        return;   /* it costs more to answer than to ask; a node waits longer between two */
    }
    p->proofs_ms = b->now_ms;
    while (proofs.items < request->n_indexes && outgoing_room(b) &&
           proof_frame(b, request->indexes[proofs.items], request->tree_size, &frames[proofs.items])) {
        proofs.items++;
    }
    if (proofs.items > 0) {   /* what is left is asked for again */
        proofs.tree_size = request->tree_size;
        link.body_case = TMX__LINK__BODY_PROOFS;
        link.proofs = &proofs;
        send_link(b, p, &link, frames, proofs.items);
    }
}

/* By the policy in force: what too few have cosigned is not told, and cosigned anew. */
static void count_again(struct tmx_broker *b)
{
    struct witness_round *c = &b->cosigned;
    if (c->head.size > 0 && (witness_policy(b) == NULL || !tmx_policy_check(witness_policy(b), TMX_BYTES(c->note, c->note_size), &c->quorum))) {
        c->quorum = (struct tmx_quorum){ 0 };
    }
}

/* What the spool remembers, counted by the policy in force. */
void witness_recover(struct tmx_broker *b)
{
    struct witness_round *c = &b->cosigned;
    struct tmx_bytes note;
    if (!row_get(b, TMX_T_META, TMX_LIT("cosigned"), &note) || note.size > sizeof(c->note)) {
        return;
    }
    memcpy(c->note, note.data, note.size);
    c->note_size = note.size;
    if (!tmx_checkpoint_verify(TMX_BYTES(c->note, c->note_size), &b->log_key, &c->head)) {
        memset(c, 0, sizeof(*c));
        return;
    }
    count_again(b);
}

/* Another policy: who has cosigned what is asked anew. */
void witness_policy_changed(struct tmx_broker *b)
{
    memset(b->witness_size, 0, sizeof(b->witness_size));
    b->round = (struct witness_round){ .started_ms = b->now_ms };
    count_again(b);
}
