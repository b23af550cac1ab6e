/* SPDX-License-Identifier: Apache-2.0
 * The envelope: signed bodies and their batch signature, the container, and what is inside it. ENV-n, BAT-n, SEAL-n, CON-n
 *
 * Input: u8 what, then bytes as they came, or changes to a good one: { u8 action, u16 where, u8 value }*. The good ones
 * are made by this program with keys it holds; nothing but the good one verifies or opens.
 */
#include <stdlib.h>
#include <string.h>

#include <sodium.h>
#include <tmx/identifier.h>

#include "fake_member.h"
#include "fuzz.h"

enum { SIGNED_RAW, SIGNED_CHANGED, SIGNED_ANEW, CONTAINER_CHANGED, CONTENT_RAW, CONTENT_CHANGED, IDENTIFIER, KINDS };

#define SAMPLES 3u                 /* a header, a report, a prekey set */
#define FRAME_MAX 16384u

struct good {
    struct federation federation;
    struct fake_node de, it, ch;
    struct fake_message message;
    struct tmx_bytes frame[SAMPLES], body[SAMPLES];
    struct tmx_bytes plaintext[2]; /* of small contents, stored and compressed */
    uint8_t ps[2][32];             /* of the container's recipients */
};

static struct tmx_bytes keep(struct tmx_bytes b)
{
    uint8_t *copy = malloc(b.size);
    assert(copy != NULL);
    memcpy(copy, b.data, b.size);
    return TMX_BYTES(copy, b.size);
}

static struct tmx_bytes plaintext_of(const Tmx__Header *h, struct tmx_bytes payload)
{
    Tmx__Content content = TMX__CONTENT__INIT;
    uint8_t *plaintext;
    size_t size;
    content.message_id = h->message_id;
    content.message_type = h->message_type;
    content.mrn = tmx_to_pb(TMX_LIT("26DE123456789012J0"));
    int r = tmx_content_pack(NULL, &content, payload, &plaintext, &size);
    assert(r == 0);
    return TMX_BYTES(plaintext, size);
}

static void samples_make(struct good *g)
{
    static struct fake_received got;
    struct fake_frames frames;
    struct tmx_bytes body;
    struct tmx_arena *arena = fuzz_arena();
    fake_compose(&g->de, (struct fake_node *[]){ &g->it, &g->ch }, 2, "CD001C", 1790000000000, 400, &g->message);
    g->frame[0] = keep(fake_sign(&g->de, &g->message.header));
    int r = tmx_codec_pack(&g->message.header, arena, &body);
    assert(r == 0 && body.size <= sizeof(got.body));
    g->body[0] = keep(body);
    memcpy(got.body, body.data, body.size);
    got.body_size = body.size;
    got.index = 7;
    fake_report(&g->it, &got, TMX__OUTCOME__OUTCOME_COD_NEGATIVE, 601, 1790000001000, &frames);
    g->frame[1] = keep(frames.frame[1]);
    fake_publish(&g->ch, 1790000000000, &frames);
    g->frame[2] = keep(frames.frame[1]);
    for (unsigned i = 1; i < SAMPLES; i++) {
        Tmx__Signed *sealed;
        struct tmx_signature signature;
        unsigned code = tmx_signed_parse(g->frame[i], arena, &sealed, &signature);
        assert(code == TMX_CODE_OK);
        g->body[i] = keep(tmx_pb(sealed->body));
    }
}

static struct good *good(void)
{
    static struct good *g;
    static const char *const codes[] = { "CH", "DE", "IT" };
    static uint8_t even[3000];
    if (g != NULL) {
        return g;
    }
    g = calloc(1, sizeof(*g));
    assert(g != NULL);
    federation_init(&g->federation, codes, TMX_N(codes), 1790000000000);
    fake_init(&g->de, &g->federation, "DE");
    fake_init(&g->it, &g->federation, "IT");
    fake_init(&g->ch, &g->federation, "CH");
    samples_make(g);
    g->plaintext[0] = plaintext_of(&g->message.header, TMX_LIT("<CD001C/>"));
    g->plaintext[1] = plaintext_of(&g->message.header, TMX_BYTES_OF(even));
    const struct fake_node *to[2] = { &g->it, &g->ch };
    for (unsigned i = 0; i < 2; i++) {
        bool right = tmx_seal_pair_receive(g->message.container + 8, to[i]->prekey_secret, to[i]->prekey, TMX_LIT("DE"),
                                           tmx_bytes_str(to[i]->me->code), g->ps[i]);
        assert(right);
    }
    return g;
}

static unsigned parse_body(struct tmx_bytes body, struct tmx_arena *arena)
{
    Tmx__Header *h;
    Tmx__Report *r;
    Tmx__PrekeySet *s;
    switch (tmx_body_kind(body)) {
    case TMX__KIND__KIND_HEADER:
        return tmx_header_parse(body, arena, &h);
    case TMX__KIND__KIND_REPORT:
        return tmx_report_parse(body, arena, &r);
    case TMX__KIND__KIND_PREKEY_SET:
        return tmx_prekeys_parse(body, arena, &s);
    default:
        assert(tmx_header_parse(body, arena, &h) != TMX_CODE_OK && tmx_report_parse(body, arena, &r) != TMX_CODE_OK &&
               tmx_prekeys_parse(body, arena, &s) != TMX_CODE_OK);
        return TMX_CODE_MALFORMED;
    }
}

/* What verifies is what was signed: no change of body, path or signature does. */
static void check_signed(const struct good *g, struct tmx_bytes frame)
{
    static struct tmx_batch_cache cache;
    struct tmx_arena *arena = fuzz_arena();
    Tmx__Signed *sealed;
    struct tmx_signature signature;
    tmx_arena_reset(arena);
    if (tmx_signed_parse(frame, arena, &sealed, &signature) != TMX_CODE_OK) {
        return;
    }
    struct tmx_bytes body = tmx_pb(sealed->body);
    (void)parse_body(body, arena);
    for (size_t m = 0; m < g->federation.n_members; m++) {
        const struct tmx_verify_key *key = &g->federation.members[m].key;
        bool alone = tmx_batch_verify(body, &signature, key, NULL);
        assert(tmx_batch_verify(body, &signature, key, &cache) == alone);
        bool known = false;
        for (unsigned i = 0; i < SAMPLES; i++) {
            known = known || tmx_bytes_eq(body, g->body[i]);
        }
        assert(!alone || known);
    }
}

/* Bodies of the input signed as one batch: each verifies in its place and in no other. */
static void sign_anew(const struct good *g, struct tmx_reader *r)
{
    struct tmx_bytes bodies[TMX_BATCH_MAX];
    struct tmx_signature signatures[TMX_BATCH_MAX];
    const struct federation_member *me = g->de.me;
    size_t n = 0;
    while (n < TMX_BATCH_MAX && r->left > 0) {
        size_t size = tmx_read_u8(r);
        bodies[n++] = tmx_read_bytes(r, size < r->left ? size : r->left);
    }
    if (n == 0) {
        return;
    }
    tmx_batch_sign(bodies, n, 5, &me->key, me->sign_secret, signatures);
    for (size_t i = 0; i < n; i += n / 4 + 1) {
        size_t other = (i + 1) % n;
        assert(tmx_batch_verify(bodies[i], &signatures[i], &me->key, NULL));
        bool as_other = tmx_batch_verify(bodies[other], &signatures[i], &me->key, NULL);
        assert(as_other == tmx_bytes_eq(bodies[i], bodies[other]));
        Tmx__Header *h;
        if (tmx_header_parse(bodies[i], fuzz_arena(), &h) == TMX_CODE_OK) {
            assert(h->n_recipients >= 1 && h->n_recipients <= TMX_RECIPIENTS_MAX && h->sent_ms < h->expires_ms);
        }
    }
}

static void check_content(struct tmx_bytes plaintext)
{
    struct tmx_arena *arena = fuzz_arena();
    Tmx__Content *content = NULL;
    uint8_t *payload = NULL, *packed, *again = NULL;
    size_t size = 0, packed_size, again_size = 0;
    tmx_arena_reset(arena);
    int r = tmx_content_unpack(plaintext, arena, &content, &payload, &size);
    assert(r == TMX_CODE_OK || r == TMX_CODE_CONTENT_INVALID);
    assert((payload != NULL) == (r == TMX_CODE_OK));
    if (r == TMX_CODE_OK) {
        assert(size == content->payload_bytes && size <= TMX_PAYLOAD_MAX);
    }
    if (r == TMX_CODE_OK && size <= 65536) {   /* CON-3: what came out goes in and comes out again */
        r = tmx_content_pack(NULL, content, TMX_BYTES(payload, size), &packed, &packed_size);
        assert(r == 0);
        r = tmx_content_unpack(TMX_BYTES(packed, packed_size), arena, &content, &again, &again_size);
        assert(r == TMX_CODE_OK && tmx_bytes_eq(TMX_BYTES(again, again_size), TMX_BYTES(payload, size)));
        free(packed);
    }
    free(again);
    free(payload);
}

/* SEAL-1: the container opens as it was sealed and not otherwise, for either recipient. */
static void check_container(const struct good *g, struct tmx_reader *r)
{
    const struct fake_message *m = &g->message;
    const struct tmx_bytes recipients[2] = { TMX_LIT("IT"), TMX_LIT("CH") };
    const struct tmx_seal_context ctx = {
        .message_id = m->id, .sender = TMX_LIT("DE"), .n_recipients = 2, .recipients = recipients
    };
    struct tmx_bytes whole = TMX_BYTES(m->container, m->container_size);
    unsigned index = tmx_read_u8(r) % 2;
    size_t size;
    uint8_t *data = fuzz_changed(whole, r, &size), *plaintext = malloc(size + 1), content_key[32];
    struct tmx_seal_outside outside;
    bool same = tmx_bytes_eq(TMX_BYTES(data, size), whole);
    bool parsed = tmx_seal_parse(TMX_BYTES(data, size), &outside);
    size_t plaintext_size = 0;
    assert(plaintext != NULL && (parsed || !same));
    bool opened = tmx_seal_open(TMX_BYTES(data, size), &ctx, index, g->ps[index], plaintext, &plaintext_size, content_key);
    assert(opened == same);
    if (opened) {
        check_content(TMX_BYTES(plaintext, plaintext_size));
        opened = tmx_seal_open_disclosed(whole, &ctx, content_key, plaintext, &plaintext_size);
        assert(opened);
    }
    free(plaintext);
    free(data);
}

static void check_identifiers(struct tmx_bytes b)
{
    bool mrn = tmx_mrn_valid(b), grn = tmx_grn_valid(b), member = tmx_member_valid(b);
    assert(!mrn || (b.size == TMX_MRN_SIZE && tmx_check_digit(tmx_bytes_slice(b, 0, 17)) == (char)b.data[17]));
    assert(!grn || b.size == 17 || b.size == 24);
    assert(!member || (b.size >= 2 && b.size <= TMX_MEMBER_MAX));
    assert(!tmx_lrn_valid(b) || (b.size >= 1 && b.size <= 22));
    assert(!tmx_office_valid(b) || b.size == 8);
    assert(!tmx_name_valid(b, 16) || (b.size >= 1 && b.size <= 16));
    assert(!tmx_business_id_valid(b) || (b.size >= 1 && b.size <= 35));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct good *g = good();
    struct tmx_reader r = tmx_reader_init(TMX_BYTES(data, size));
    uint8_t what = tmx_read_u8(&r);
    size_t n;
    uint8_t *bytes = NULL;
    switch (what % KINDS) {
    case SIGNED_RAW:
        check_signed(g, TMX_BYTES(r.at, r.left));
        break;
    case SIGNED_CHANGED:
        bytes = fuzz_changed(g->frame[what / KINDS % SAMPLES], &r, &n);
        check_signed(g, TMX_BYTES(bytes, n));
        break;
    case SIGNED_ANEW:
        sign_anew(g, &r);
        break;
    case CONTAINER_CHANGED:
        check_container(g, &r);
        break;
    case CONTENT_RAW:
        check_content(TMX_BYTES(r.at, r.left));
        break;
    case CONTENT_CHANGED:
        bytes = fuzz_changed(g->plaintext[what / KINDS % 2], &r, &n);
        check_content(TMX_BYTES(bytes, n));
        break;
    default:
        check_identifiers(TMX_BYTES(r.at, r.left));
        break;
    }
    free(bytes);
    return 0;
}
