/* SPDX-License-Identifier: Apache-2.0
 * What a court may be handed: an evidence bundle from somebody's hand. EVI-1 … EVI-12
 *
 * Input: u8 what, u8 which of the samples, then a file as it came; or changes { u8 action, u16 where, u8 value }* to the
 * sample's file; or { u8 action, u8 place, u8 other sample, u8 place there }* on its parts. Nobody here can sign: whatever
 * is done, the bundle has a fault or proves no more than the sample did.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include <tmx/code.h>

#include "../../broker/audit/evidence_print.h"
#include "../unit/evidence_fixture.h"
#include "../unit/evidence_weaker.h"
#include "fuzz.h"

enum { RAW, FILE_CHANGED, PARTS_CHANGED, KINDS };
enum { DROP, REPEAT, SWAP, TAKE, ACTIONS };
#define PARTS_MAX 64u

static struct tmx_authority authority;
static struct sample *samples;
static size_t n_samples;
static struct tmx_evidence *whole[32];   /* of each sample */

static struct tmx_evidence *check(struct tmx_bytes file)
{
    struct tmx_evidence *v;
    int r = tmx_evidence_check(file, &authority, TMX_BYTES_NULL, &v);
    assert(r == 0);
    return v;
}

static void prepare(void)
{
    if (n_samples > 0) {
        return;
    }
    n_samples = samples_make(&samples, &authority);
    assert(n_samples <= TMX_N(whole));
    for (size_t i = 0; i < n_samples; i++) {
        whole[i] = check(samples[i].file);
        assert(whole[i]->rule == 0);
    }
}

/* Both ways of telling a verdict take any there is. */
static void tell(const struct tmx_evidence *v)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    assert(out != NULL);
    tmx_evidence_print(v, "bundle", out);
    int r = tmx_evidence_json(v, out);
    assert(r == 0 && (v->rule == 0) == (v->fault[0] == '\0'));
    fclose(out);
    free(text);
}

/* --- parts --- */

struct parts {
    Tmx__Evidence pb;
    Tmx__EvidenceLeaf *leaves[PARTS_MAX];
    ProtobufCBinaryData checkpoints[PARTS_MAX], directories[PARTS_MAX];
};

/* Element `at` of a list dropped, repeated, swapped with the next one, or taken from another list. */
static void change(unsigned action, void *list, size_t *n, size_t size, size_t at, const void *other)
{
    uint8_t *element = (uint8_t *)list + at * size;
    uint8_t kept[sizeof(ProtobufCBinaryData)];
    if (action == DROP) {
        memmove(element, element + size, (--*n - at) * size);
    } else if (action == REPEAT && *n < PARTS_MAX) {
        memmove(element + size, element, (*n - at) * size);
        ++*n;
    } else if (action == SWAP && at + 1 < *n) {
        memcpy(kept, element, size);
        memcpy(element, element + size, size);
        memcpy(element + size, kept, size);
    } else if (action == TAKE) {
        memcpy(element, other, size);
    }
}

/* `place` counts through leaves, checkpoints, directories; then the container and the key. */
static void change_part(struct parts *p, unsigned action, size_t place, const Tmx__Evidence *other, size_t there)
{
    Tmx__Evidence *pb = &p->pb;
    if (place < pb->n_leaves) {
        change(action, p->leaves, &pb->n_leaves, sizeof(p->leaves[0]), place, &other->leaves[there % other->n_leaves]);
        return;
    }
    place -= pb->n_leaves;
    if (place < pb->n_checkpoints) {
        change(action, p->checkpoints, &pb->n_checkpoints, sizeof(p->checkpoints[0]), place,
               &other->checkpoints[there % other->n_checkpoints]);
        return;
    }
    place -= pb->n_checkpoints;
    if (place < pb->n_directories) {
        change(action, p->directories, &pb->n_directories, sizeof(p->directories[0]), place,
               &other->directories[there % other->n_directories]);
    } else if (place % 2 == 0) {
        pb->container = action == TAKE ? other->container : (ProtobufCBinaryData){ .len = 0 };
    } else {
        pb->content_key = action == TAKE ? other->content_key : (ProtobufCBinaryData){ .len = 0 };
    }
}

static struct tmx_bytes parts_changed(size_t sample, struct tmx_reader *input)
{
    static struct parts p;
    const Tmx__Evidence *from = whole[sample]->pb;
    assert(from->n_leaves < PARTS_MAX && from->n_checkpoints < PARTS_MAX && from->n_directories < PARTS_MAX);
    p = (struct parts){ .pb = *from };
    memcpy(p.leaves, from->leaves, from->n_leaves * sizeof(p.leaves[0]));
    memcpy(p.checkpoints, from->checkpoints, from->n_checkpoints * sizeof(p.checkpoints[0]));
    memcpy(p.directories, from->directories, from->n_directories * sizeof(p.directories[0]));
    p.pb.leaves = p.leaves;
    p.pb.checkpoints = p.checkpoints;
    p.pb.directories = p.directories;
    while (input->left >= 4) {
        unsigned action = tmx_read_u8(input) % ACTIONS, place = tmx_read_u8(input);
        const Tmx__Evidence *other = whole[tmx_read_u8(input) % n_samples]->pb;
        change_part(&p, action, place, other, tmx_read_u8(input));
    }
    return sample_pack(&p.pb);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tmx_reader input = tmx_reader_init(TMX_BYTES(data, size));
    unsigned what = tmx_read_u8(&input) % KINDS;
    struct tmx_bytes file;
    size_t changed_size;
    prepare();
    size_t sample = tmx_read_u8(&input) % n_samples;
    if (what == RAW) {
        file = TMX_BYTES(input.at, input.left);
    } else if (what == FILE_CHANGED) {
        uint8_t *changed = fuzz_changed(samples[sample].file, &input, &changed_size);
        file = TMX_BYTES(changed, changed_size);
    } else {
        file = parts_changed(sample, &input);
    }
    struct tmx_evidence *v = check(file);
    tell(v);
    assert(what == RAW || evidence_no_stronger(v, whole[sample]));
    tmx_evidence_free(v);
    if (what != RAW) {
        free((void *)(uintptr_t)file.data);
    }
    return 0;
}
