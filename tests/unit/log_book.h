/* SPDX-License-Identifier: Apache-2.0
 * A log as a broker would write it, entry by entry, for tests of the auditor: each step can be bent before it is put.
 * One book at a time.
 */
#pragma once

#include <tmx/envelope.h>

#include "../../broker/audit/verify.h"
#include "federation.h"

#define START_MS 1790000000000ull
#define ENTRIES_MAX 5000u

struct book {
    struct federation federation;
    struct tmx_directory *directories[4]; /* by serial - 1 */
    uint8_t *directory_files[4];
    size_t directory_sizes[4];
    struct tmx_arena arena;
    uint64_t now_ms;
    uint64_t serial;
    uint64_t batch_no;
    uint64_t ids;
    struct tmx_frontier frontier;
    struct tmx_hash roots[ENTRIES_MAX + 1];
    size_t n;
    struct tmx_bytes entries[ENTRIES_MAX];
};

/* A message and what its reports name. */
struct mail {
    Tmx__Header header;
    Tmx__Recipient recipient[3];
    Tmx__Recipient *recipients[3];
    uint8_t id[TMX_ID_SIZE];
    uint8_t container_digest[TMX_HASH_SIZE];
    uint8_t header_digest[TMX_HASH_SIZE];
    uint64_t index;
};

extern struct book *book;
extern struct mail book_first;      /* of the honest log: DE to FR and CH: FR took it, CH could not open it */
extern struct mail book_second;     /* FR to DE: queued */
extern struct mail book_third;      /* DE to FR: arrived */
extern Tmx__LogRef book_acceptance; /* what the last book_report_on or book_ended names */

/* An empty book of at most 8 members, ascending. */
int book_begin(const char *const *codes, size_t n);
/* cmocka fixtures: an empty book of the members CH, DE and FR. */
int book_setup(void **state);
int book_teardown(void **state);

ProtobufCBinaryData book_bin(const void *data, size_t size);
ProtobufCBinaryData book_str(const char *text);
Tmx__LogEntry book_entry(Tmx__EntryKind kind);
Tmx__LogRef book_ref(uint64_t index);
/* The last number of a pair. */
uint64_t *book_number(const char *from, const char *to);

/* Appends an entry, with time and serial unless it has its own; its index. */
uint64_t book_put(Tmx__LogEntry *e);
/* Appends bytes that are no entry, for who looks into none. */
void book_put_raw(struct tmx_bytes bytes);
/* Signs a body into an entry. */
void book_sign(Tmx__LogEntry *e, const char *code, const void *body_message);
/* A message with the next number of each pair; `to2` may be NULL. */
void book_compose(struct mail *m, const char *from, const char *to, const char *to2);
uint64_t book_put_header(struct mail *m, Tmx__EntryKind kind, unsigned code, uint64_t number);
uint64_t book_accept(struct mail *m);
/* The report of the i-th recipient. */
Tmx__Report book_report_on(struct mail *m, size_t i, Tmx__Outcome outcome, unsigned code);
uint64_t book_put_report(const char *signer, const Tmx__Report *r);
uint64_t book_report(struct mail *m, size_t i, Tmx__Outcome outcome, unsigned code);
/* EXPIRED, EXCEPTION and CARRY_DELIVERY. */
Tmx__LogEntry book_ended(struct mail *m, size_t i, Tmx__EntryKind kind, unsigned code);
uint64_t book_put_directory(void);
/* Takes note of the federation's present directory file. */
void book_keep_directory(struct book *b);
void book_change_directory(const char *code, Tmx__MemberStatus status);
uint64_t book_put_prekeys(const char *signer, const char *member, uint64_t set_serial);
/* OPERATOR; `record` is any number: the same one, the same record. Of no member and no delivery; about the i-th delivery. */
uint64_t book_put_operator(unsigned action, uint64_t number, const Tmx__LogRef *ref, unsigned record);
uint64_t book_put_pause(const char *member, unsigned record);
uint64_t book_put_hold(struct mail *m, size_t i, unsigned action, unsigned record);
/* PROPOSE and APPROVE, by two. */
void book_put_decision(unsigned action);
/* Thirteen entries of an honest log. */
void book_honest(void);

struct tmx_audit *book_audit(void);
struct tmx_audit *book_audit_of(size_t n); /* of the first n entries */
void book_print_faults(const struct tmx_audit *a);
/* One fault, of this class, at this entry, and no other. */
void book_expect_fault(enum tmx_audit_class class, uint64_t index);
void book_expect_ok(void);
/* Each case on an honest log of its own. */
typedef void book_case_fn(void);
void book_run_cases(book_case_fn *const *cases, size_t n);
