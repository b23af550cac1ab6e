/* SPDX-License-Identifier: Apache-2.0
 * What a bundle proves of its message: the checks of proto/README.md, section Evidence bundle, in their order, up to
 * the first fault. Pure: no file, no clock.
 */
#pragma once

#include <tmx/directory.h>
#include <tmx/envelope.h>
#include <tmx/evidence.h>
#include <tmx/policy.h>

#include "directories.h"
#include "rules.h"
#include "verify.h"

#define EVIDENCE_PART_MAX 128u
#define EVIDENCE_FAULT_MAX 320u

/* A checkpoint of the bundle. */
struct tmx_evidence_head {
    struct tmx_checkpoint checkpoint;
    struct tmx_bytes shard; /* of its origin */
    uint64_t serial;        /* in force at the last leaf that leads to it: that directory's policy counts */
    size_t n_witnesses;     /* whom the policy names; 0: it asks for none, or there is none that can be read */
    struct tmx_quorum quorum;
};

/* A leaf, and what is in it. */
struct tmx_evidence_leaf {
    const Tmx__EvidenceLeaf *pb;
    const Tmx__LogEntry *e;
    const struct tmx_evidence_head *head;
    const struct tmx_directory *directory; /* in force */
    struct tmx_audit_prepared prepared;
    const Tmx__Header *header;     /* the body, or NULL */
    const Tmx__Report *report;     /* the body, or NULL */
    const Tmx__PrekeySet *prekeys; /* the body, or NULL */
    bool doubtful;                 /* the key it is signed with was compromised by then */
};

enum tmx_evidence_slot { EVIDENCE_SLOT_UNKNOWN, EVIDENCE_SLOT_PUBLISHED, EVIDENCE_SLOT_LAST_RESORT };

struct tmx_evidence_delivery {
    const Tmx__Recipient *to;
    const struct tmx_evidence_leaf *arrival; /* its CoA, or what carried it as arrived; NULL: the shard of its state has none */
    const struct tmx_evidence_leaf *end;     /* its outcome; NULL: not in the bundle */
    bool disputed;                           /* two shards have different outcomes */
    enum tmx_evidence_slot slot;             /* with a container */
};

enum tmx_evidence_content {
    EVIDENCE_NOT_DISCLOSED,
    EVIDENCE_NO_CONTAINER, /* to open with the disclosed key */
    EVIDENCE_OPENED,
};

struct tmx_evidence {
    unsigned rule;                  /* 0: no fault; n: EVI-n is broken, and only the next two are to be used */
    char part[EVIDENCE_PART_MAX];   /* of the bundle */
    char fault[EVIDENCE_FAULT_MAX]; /* what it is, and what it should be */

    struct tmx_arena arena;  /* the bundle unpacked */
    struct tmx_arena bodies; /* what is in its leaves */
    const Tmx__Evidence *pb;
    struct tmx_audit_directories *directories;
    size_t n_heads;
    struct tmx_evidence_head *heads;
    size_t n_leaves;
    struct tmx_evidence_leaf *leaves;
    const struct tmx_evidence_leaf *subject; /* whose body is the header */
    const Tmx__Header *header;
    uint8_t header_digest[TMX_HASH_SIZE];
    bool admitted;       /* the subject is an acceptance, not a refusal */
    size_t n_deliveries; /* as in the header */
    struct tmx_evidence_delivery deliveries[TMX_RECIPIENTS_MAX];
    struct tmx_bytes container; /* empty: neither in the bundle nor beside it */
    enum tmx_evidence_content content_state;
    const Tmx__Content *content; /* EVIDENCE_OPENED; payload is malloc'ed */
    uint8_t *payload;
    size_t payload_size;
};

/* Checks a bundle. `beside`: the container that came beside it, or without data; it has to live as long as the result.
 * -ENOMEM. A fault is no error: see `rule`. */
int tmx_evidence_check(struct tmx_bytes file, const struct tmx_authority *pinned, struct tmx_bytes beside,
                       struct tmx_evidence **ret_evidence) TMX_MUST_CHECK;
struct tmx_evidence *tmx_evidence_free(struct tmx_evidence *v);

/* What holds of a delivery: "accepted", "arrived", "delivered", "refused", "expired", "exception", or "rejected" when
 * the message was refused at admission. */
const char *tmx_evidence_state(const struct tmx_evidence *v, const struct tmx_evidence_delivery *d);
/* The same of one leaf: "" when it says nothing of a delivery. */
const char *tmx_evidence_says(const struct tmx_evidence_leaf *l);
/* Whether a leaf is about the delivery to this recipient. */
bool tmx_evidence_concerns(const struct tmx_evidence_leaf *l, const Tmx__Recipient *to);
/* How many different heads of one shard the leaves lead to, in the shard that has most. */
size_t tmx_evidence_heads_of_a_shard(const struct tmx_evidence *v);
