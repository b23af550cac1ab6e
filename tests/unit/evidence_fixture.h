/* SPDX-License-Identifier: Apache-2.0
 * Evidence bundles as a node would make them, from logs of the book: one of every end that a message can take. For the
 * tests of the auditor, its fuzzer, and the second verifier.
 */
#pragma once

#include <tmx/evidence.h>

#include "log_book.h"

#define SAMPLE_LEAVES_MAX 16u
#define SAMPLE_HEADS_MAX 4u

/* A message whose container is there. */
struct parcel {
    struct mail mail;
    uint8_t *container; /* malloc'ed */
    size_t container_size;
    uint8_t content_key[32];
};

/* A bundle being made. What it holds is in the arena of the book. */
struct bundle {
    Tmx__Evidence pb;
    ProtobufCBinaryData directories[4];
    ProtobufCBinaryData checkpoints[SAMPLE_HEADS_MAX];
    Tmx__EvidenceLeaf leaf[SAMPLE_LEAVES_MAX];
    Tmx__EvidenceLeaf *leaves[SAMPLE_LEAVES_MAX];
};

struct sample {
    const char *name;
    const char *states[2]; /* of the deliveries, as tmx_evidence_state has them */
    struct tmx_bytes file; /* malloc'ed */
    unsigned witnesses;    /* of the last head */
    bool doubtful;
    bool opened;
};

/* A log with prekeys of every member, of a federation whose first directory is in force. Entries 0 … 4. */
void sample_log(void);
/* The book goes on in another shard, whose first entries are its start and its directory. */
void sample_new_shard(void);
/* A message with a sealed payload. `last_resort`: sealed with that key instead of a published one. */
void sample_compose(struct parcel *p, const char *from, const char *to, const char *to2, bool last_resort);
void sample_parcel_free(struct parcel *p);
/* A sealed reason text, as FR would attach it to its report; its digest. In the book's arena. */
struct tmx_bytes sample_attachment(const struct parcel *p, uint8_t ret_digest[32]);
/* Edits the federation's directory before it is signed, by the authority's key and, if it is not NULL, another secret.
 */
typedef void sample_edit_fn(Tmx__Directory *d);
void sample_change_directory(sample_edit_fn *edit, const uint8_t *other_secret);

void sample_begin(struct bundle *b, const struct parcel *p);
/* A head of the book as it is now, cosigned by the first n members, 60 s later each; its number. */
uint32_t sample_head(struct bundle *b, unsigned witnesses);
/* Entry `index` of the book, proved in that head. */
Tmx__EvidenceLeaf *sample_leaf(struct bundle *b, uint64_t index, uint32_t head);
/* The book's directories of these serials. */
void sample_directories(struct bundle *b, uint64_t first, uint64_t last);
/* malloc'ed */
struct tmx_bytes sample_pack(const Tmx__Evidence *pb);

/* Every sample there is; *ret_authority pins the federation of all of them. */
size_t samples_make(struct sample **ret_samples, struct tmx_authority *ret_authority);
void samples_free(struct sample *samples, size_t n);
