/* SPDX-License-Identifier: Apache-2.0
 * A right bundle to be bent in one place, and what the check has to find there. One at a time. With TMX_EVIDENCE_OUT every
 * bundle is written there, with its authority file, for the second verifier.
 */
#pragma once

#include "../../broker/audit/evidence.h"
#include "evidence_fixture.h"

extern struct parcel case_parcel;
extern struct bundle case_bundle;
extern struct tmx_bytes case_beside;
extern struct tmx_authority case_pinned;

/* DE to FR, accepted at entry 5. */
void case_accepted(void);
/* And arrived, at entry 6. */
void case_arrived(void);
/* The last entry of the book never was. */
void case_take_back(void);
/* Makes the bundle of all entries from that of the message on, or from `first`, under one head. */
void case_pack(void);
void case_pack_from(uint64_t first);

struct tmx_evidence *case_check(void);
/* The bundle breaks EVI-`rule`, and the fault has this text in it. */
void case_expect(unsigned rule, const char *text);
/* It breaks nothing, and that is the state of its first delivery. */
void case_expect_state(const char *state, bool disputed);

int case_setup(void **state);
int case_teardown(void **state);
/* Each on a book of its own. */
void case_run(book_case_fn *const *cases, size_t n);
