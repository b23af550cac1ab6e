/* SPDX-License-Identifier: Apache-2.0
 * The auditor's rules for deliveries (LOG-6, section Reports): references and the state table, each broken once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <tmx/code.h>
#include <tmx/operator.h>

#include "log_book.h"

static void bad_reference(void)
{
    Tmx__Report r = book_report_on(&book_third, 0, TMX__OUTCOME__OUTCOME_COD_POSITIVE, 0);

    book_acceptance.index = 4;
    book_expect_fault(AUDIT_REFERENCE, book_put_report("FR", &r));
}

static void bad_reference_of_entry(void)
{
    Tmx__LogEntry e = book_entry(TMX__ENTRY_KIND__ENTRY_REPORT);
    const Tmx__Report r = book_report_on(&book_third, 0, TMX__OUTCOME__OUTCOME_COD_POSITIVE, 0);
    Tmx__LogRef ref = book_acceptance;

    book_sign(&e, "FR", &r);
    ref.index = book_first.index;
    e.reference = &ref;
    book_expect_fault(AUDIT_REFERENCE, book_put(&e));
}

static void bad_reference_ahead(void)
{
    Tmx__LogEntry e = book_entry(TMX__ENTRY_KIND__ENTRY_OPERATOR);
    Tmx__LogRef ref = book_ref(book->n);

    e.code = TMX_ACTION_APPROVE;
    e.digest = book_bin(book->roots[1].b, TMX_HASH_SIZE);
    e.reference = &ref;
    book_expect_fault(AUDIT_REFERENCE, book_put(&e));
}

static void bad_report_of_other_message(void)
{
    Tmx__Report r = book_report_on(&book_third, 0, TMX__OUTCOME__OUTCOME_COD_POSITIVE, 0);

    r.message_id = book_bin(book_first.id, sizeof book_first.id);
    book_expect_fault(AUDIT_REFERENCE, book_put_report("FR", &r));
}

static void bad_report_header_digest(void)
{
    Tmx__Report r = book_report_on(&book_third, 0, TMX__OUTCOME__OUTCOME_COD_POSITIVE, 0);

    r.header_digest = book_bin(book_first.header_digest, sizeof book_first.header_digest);
    book_expect_fault(AUDIT_REFERENCE, book_put_report("FR", &r));
}

static void bad_report_container_digest(void)
{
    Tmx__Report r = book_report_on(&book_third, 0, TMX__OUTCOME__OUTCOME_COD_POSITIVE, 0);

    r.container_digest = book_bin(book_first.container_digest, sizeof book_first.container_digest);
    book_expect_fault(AUDIT_REFERENCE, book_put_report("FR", &r));
}

static void bad_report_number(void)
{
    Tmx__Report r = book_report_on(&book_third, 0, TMX__OUTCOME__OUTCOME_COD_POSITIVE, 0);

    r.seq++;
    book_expect_fault(AUDIT_REFERENCE, book_put_report("FR", &r));
}

static void bad_report_of_stranger(void)
{
    Tmx__Report r = book_report_on(&book_third, 0, TMX__OUTCOME__OUTCOME_COD_POSITIVE, 0);

    r.recipient = book_str("CH");
    book_expect_fault(AUDIT_REFERENCE, book_put_report("CH", &r));
}

/* The state table: what no state allows. */
static void bad_states(struct mail *m, size_t i, Tmx__Outcome outcome, unsigned code)
{
    book_expect_fault(AUDIT_STATE, book_report(m, i, outcome, code));
}

static void bad_cod_of_queued(void)
{
    bad_states(&book_second, 0, TMX__OUTCOME__OUTCOME_COD_POSITIVE, 0);
}

static void bad_node_expiry_of_queued(void)
{
    bad_states(&book_second, 0, TMX__OUTCOME__OUTCOME_EXPIRED, TMX_CODE_EXPIRED);
}

static void bad_second_coa(void)
{
    bad_states(&book_third, 0, TMX__OUTCOME__OUTCOME_COA, 0);
}

static void bad_coe_of_arrived(void)
{
    bad_states(&book_third, 0, TMX__OUTCOME__OUTCOME_COE, TMX_CODE_CANNOT_OPEN);
}

static void bad_second_outcome(void)
{
    bad_states(&book_first, 0, TMX__OUTCOME__OUTCOME_COD_POSITIVE, 0);
}

static void bad_outcome_after_coe(void)
{
    bad_states(&book_first, 1, TMX__OUTCOME__OUTCOME_COA, 0);
}

static void bad_early_expiry(void)
{
    Tmx__LogEntry e = book_ended(&book_second, 0, TMX__ENTRY_KIND__ENTRY_EXPIRED, 0);

    e.time_ms = book_second.header.expires_ms - 1;
    book_expect_fault(AUDIT_STATE, book_put(&e));
}

static void bad_expiry_after_coa(void)
{
    Tmx__LogEntry e = book_ended(&book_third, 0, TMX__ENTRY_KIND__ENTRY_EXPIRED, 0);

    e.time_ms = book_third.header.expires_ms;
    book_expect_fault(AUDIT_STATE, book_put(&e));
}

static void bad_exception_code(void)
{
    Tmx__LogEntry e = book_ended(&book_second, 0, TMX__ENTRY_KIND__ENTRY_EXCEPTION, TMX_CODE_CANNOT_OPEN);

    book_expect_fault(AUDIT_STATE, book_put(&e));
}

static void bad_exception_of_active(void)
{
    Tmx__LogEntry e = book_ended(&book_second, 0, TMX__ENTRY_KIND__ENTRY_EXCEPTION, TMX_CODE_RECIPIENT_REVOKED);

    book_expect_fault(AUDIT_STATE, book_put(&e));
}

static void bad_lost_before_arrival(void)
{
    Tmx__LogEntry e = book_ended(&book_second, 0, TMX__ENTRY_KIND__ENTRY_EXCEPTION, TMX_CODE_RECIPIENT_LOST);

    book_put_decision(TMX_ACTION_LOSE);
    book_expect_fault(AUDIT_STATE, book_put(&e));
}

static void bad_lost_undecided(void)
{
    Tmx__LogEntry e = book_ended(&book_third, 0, TMX__ENTRY_KIND__ENTRY_EXCEPTION, TMX_CODE_RECIPIENT_LOST);

    book_expect_fault(AUDIT_STATE, book_put(&e));
}

/* OPS-8: the decision was another one, or something came between. */
static void bad_ended_undecided(void)
{
    Tmx__LogEntry e = book_ended(&book_second, 0, TMX__ENTRY_KIND__ENTRY_EXCEPTION, TMX_CODE_ENDED_BY_OPERATORS);

    book_put_decision(TMX_ACTION_LOSE);
    book_expect_fault(AUDIT_STATE, book_put(&e));
}

static void bad_ended_later(void)
{
    Tmx__LogEntry e = book_ended(&book_second, 0, TMX__ENTRY_KIND__ENTRY_EXCEPTION, TMX_CODE_ENDED_BY_OPERATORS);

    book_put_decision(TMX_ACTION_EXPIRE);
    book_put_operator(TMX_ACTION_RELOAD, 0, NULL, 3);
    book_expect_fault(AUDIT_STATE, book_put(&e));
}

static void bad_ended_after_arrival(void)
{
    Tmx__LogEntry e = book_ended(&book_third, 0, TMX__ENTRY_KIND__ENTRY_EXCEPTION, TMX_CODE_ENDED_BY_OPERATORS);

    book_put_decision(TMX_ACTION_EXPIRE);
    book_expect_fault(AUDIT_STATE, book_put(&e));
}

static void bad_approval_by_the_proposer(void)
{
    const Tmx__LogRef ref = book_ref(book_put_operator(TMX_ACTION_PROPOSE, TMX_ACTION_EXPIRE, NULL, 1));

    book_expect_fault(AUDIT_STATE, book_put_operator(TMX_ACTION_APPROVE, TMX_ACTION_EXPIRE, &ref, 1));
}

static void bad_approval_too_late(void)
{
    const Tmx__LogRef ref = book_ref(book_put_operator(TMX_ACTION_PROPOSE, TMX_ACTION_EXPIRE, NULL, 1));

    book->now_ms += TMX_PROPOSAL_MS;
    book_expect_fault(AUDIT_STATE, book_put_operator(TMX_ACTION_APPROVE, TMX_ACTION_EXPIRE, &ref, 2));
}

static void bad_lapse_too_early(void)
{
    const Tmx__LogRef ref = book_ref(book_put_operator(TMX_ACTION_PROPOSE, TMX_ACTION_EXPIRE, NULL, 1));

    book->now_ms += TMX_PROPOSAL_MS - 60000;
    book_expect_fault(AUDIT_STATE, book_put_operator(TMX_ACTION_LAPSE, TMX_ACTION_EXPIRE, &ref, 1));
}

static void bad_second_approval(void)
{
    const Tmx__LogRef ref = book_ref(book_put_operator(TMX_ACTION_PROPOSE, TMX_ACTION_EXPIRE, NULL, 1));

    book_put_operator(TMX_ACTION_APPROVE, TMX_ACTION_EXPIRE, &ref, 2);
    book_expect_fault(AUDIT_REFERENCE, book_put_operator(TMX_ACTION_APPROVE, TMX_ACTION_EXPIRE, &ref, 3));
}

static void bad_proposal_of_a_pause(void)
{
    book_expect_fault(AUDIT_STATE, book_put_operator(TMX_ACTION_PROPOSE, TMX_ACTION_PAUSE, NULL, 1));
}

static void bad_drain_twice(void)
{
    book_put_operator(TMX_ACTION_DRAIN, 0, NULL, 1);
    book_expect_fault(AUDIT_STATE, book_put_operator(TMX_ACTION_DRAIN, 0, NULL, 2));
}

static void bad_admit_undrained(void)
{
    book_expect_fault(AUDIT_STATE, book_put_operator(TMX_ACTION_ADMIT, 0, NULL, 1));
}

static void bad_action(void)
{
    book_expect_fault(AUDIT_FORMAT, book_put_operator((enum tmx_action)TMX_ACTIONS_END, 0, NULL, 1));
}

static void bad_pause_of_nobody(void)
{
    book_expect_fault(AUDIT_FORMAT, book_put_operator(TMX_ACTION_PAUSE, 0, NULL, 1));
}

static void bad_hold_of_arrived(void)
{
    book_expect_fault(AUDIT_STATE, book_put_hold(&book_third, 0, TMX_ACTION_HOLD, 1));
}

static void bad_hold_twice(void)
{
    book_put_hold(&book_second, 0, TMX_ACTION_HOLD, 1);
    book_expect_fault(AUDIT_STATE, book_put_hold(&book_second, 0, TMX_ACTION_HOLD, 2));
}

static void bad_release_of_unheld(void)
{
    book_expect_fault(AUDIT_STATE, book_put_hold(&book_second, 0, TMX_ACTION_RELEASE, 1));
}

static void bad_hold_of_another(void)
{
    struct mail m = book_second;

    m.id[0] ^= 1;
    book_expect_fault(AUDIT_REFERENCE, book_put_hold(&m, 0, TMX_ACTION_HOLD, 1));
}

static uint64_t put_erased(struct mail *m, uint64_t acceptance)
{
    Tmx__LogEntry e = book_entry(TMX__ENTRY_KIND__ENTRY_ERASED);
    Tmx__LogRef ref = book_ref(acceptance);

    e.message_id = book_bin(m->id, sizeof m->id);
    e.header_digest = book_bin(m->header_digest, sizeof m->header_digest);
    e.digest = m->header.container_digest;
    e.reference = &ref;
    return book_put(&e);
}

static void bad_erasure_of_queued(void)
{
    book_expect_fault(AUDIT_STATE, put_erased(&book_second, book_second.index));
}

static void bad_erasure_of_arrived(void)
{
    book_expect_fault(AUDIT_STATE, put_erased(&book_third, book_third.index));
}

static void bad_second_erasure(void)
{
    book_report(&book_third, 0, TMX__OUTCOME__OUTCOME_EXPIRED, TMX_CODE_EXPIRED);
    put_erased(&book_third, book_third.index);
    book_expect_fault(AUDIT_STATE, put_erased(&book_third, book_third.index));
}

static void bad_erasure_of_another(void)
{
    book_report(&book_third, 0, TMX__OUTCOME__OUTCOME_EXPIRED, TMX_CODE_EXPIRED);
    book_expect_fault(AUDIT_REFERENCE, put_erased(&book_third, book_second.index));
}

static void bad_erasure_of_nothing(void)
{
    Tmx__LogEntry e = book_entry(TMX__ENTRY_KIND__ENTRY_ERASED);

    e.message_id = book_bin(book_third.id, sizeof book_third.id);
    book_expect_fault(AUDIT_REFERENCE, book_put(&e));
}

/* REP-1, REP-2, REP-5, QUE-7, QUE-8 */
static void test_bad_deliveries(void **state)
{
    static book_case_fn *const cases[] = { bad_reference,
                                           bad_reference_of_entry,
                                           bad_reference_ahead,
                                           bad_report_of_other_message,
                                           bad_report_header_digest,
                                           bad_report_container_digest,
                                           bad_report_number,
                                           bad_report_of_stranger,
                                           bad_cod_of_queued,
                                           bad_node_expiry_of_queued,
                                           bad_second_coa,
                                           bad_coe_of_arrived,
                                           bad_second_outcome,
                                           bad_outcome_after_coe,
                                           bad_early_expiry,
                                           bad_expiry_after_coa,
                                           bad_exception_code,
                                           bad_exception_of_active,
                                           bad_lost_before_arrival,
                                           bad_erasure_of_queued,
                                           bad_erasure_of_arrived,
                                           bad_second_erasure,
                                           bad_erasure_of_another,
                                           bad_erasure_of_nothing,
                                           bad_lost_undecided,
                                           bad_ended_undecided,
                                           bad_ended_later,
                                           bad_ended_after_arrival,
                                           bad_approval_by_the_proposer,
                                           bad_approval_too_late,
                                           bad_lapse_too_early,
                                           bad_second_approval,
                                           bad_proposal_of_a_pause,
                                           bad_drain_twice,
                                           bad_admit_undrained,
                                           bad_action,
                                           bad_pause_of_nobody,
                                           bad_hold_of_arrived,
                                           bad_hold_twice,
                                           bad_release_of_unheld,
                                           bad_hold_of_another };

    book_run_cases(cases, TMX_N(cases));
}

/* Every step the state table allows, the broker's own included. */
static void test_good_steps(void **state)
{
    Tmx__LogEntry e;
    struct mail m;

    book_honest();
    book_report(&book_third, 0, TMX__OUTCOME__OUTCOME_EXPIRED, TMX_CODE_EXPIRED);
    put_erased(&book_third, book_third.index);
    book_compose(&m, "FR", "CH", "DE");
    book_accept(&m);
    book_report(&m, 1, TMX__OUTCOME__OUTCOME_COA, 0);
    book_put_prekeys("DE", "DE", 7);
    book_change_directory("CH", TMX__MEMBER_STATUS__MEMBER_REVOKED);
    e = book_ended(&m, 0, TMX__ENTRY_KIND__ENTRY_EXCEPTION, TMX_CODE_RECIPIENT_REVOKED);
    book_put(&e);
    book_put_decision(TMX_ACTION_LOSE);
    e = book_ended(&m, 1, TMX__ENTRY_KIND__ENTRY_EXCEPTION, TMX_CODE_RECIPIENT_LOST);
    book_put(&e);
    book->now_ms = book_second.header.expires_ms;
    e = book_ended(&book_second, 0, TMX__ENTRY_KIND__ENTRY_EXPIRED, 0);
    book_put(&e);
    book_expect_ok();
}

/* What operators may do, one after the other. OPS-5 … OPS-8 */
static void test_operators(void **state)
{
    Tmx__LogEntry e;
    Tmx__LogRef ref;

    book_honest();
    book_put_operator(TMX_ACTION_DRAIN, 0, NULL, 1);
    book_put_operator(TMX_ACTION_ADMIT, 0, NULL, 2);
    book_put_operator(TMX_ACTION_DRAIN, 0, NULL, 3);
    book_put_hold(&book_second, 0, TMX_ACTION_HOLD, 4);
    book_put_hold(&book_second, 0, TMX_ACTION_RETRY, 5);
    book_put_hold(&book_second, 0, TMX_ACTION_RELEASE, 6);
    ref = book_ref(book_put_operator(TMX_ACTION_PROPOSE, TMX_ACTION_EXPIRE, NULL, 7));
    book_put_operator(TMX_ACTION_WITHDRAW, TMX_ACTION_EXPIRE, &ref, 8);
    ref = book_ref(book_put_operator(TMX_ACTION_PROPOSE, TMX_ACTION_EXPIRE, NULL, 9));
    book->now_ms += TMX_PROPOSAL_MS;
    book_put_operator(TMX_ACTION_LAPSE, TMX_ACTION_EXPIRE, &ref, 9);
    book_put_hold(&book_second, 0, TMX_ACTION_HOLD, 10);
    book_put_decision(TMX_ACTION_EXPIRE);
    e = book_ended(&book_second, 0, TMX__ENTRY_KIND__ENTRY_EXCEPTION, TMX_CODE_ENDED_BY_OPERATORS);
    book_put(&e);
    book_expect_ok();
}

/* A suspended member collects and reports. DIR-7 */
static void test_suspended_reports(void **state)
{
    book_honest();
    book_change_directory("FR", TMX__MEMBER_STATUS__MEMBER_SUSPENDED);
    book_report(&book_third, 0, TMX__OUTCOME__OUTCOME_COD_NEGATIVE, TMX_CODE_REFUSED);
    book_expect_ok();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_deliveries),
        cmocka_unit_test_setup_teardown(test_good_steps, book_setup, book_teardown),
        cmocka_unit_test_setup_teardown(test_operators, book_setup, book_teardown),
        cmocka_unit_test_setup_teardown(test_suspended_reports, book_setup, book_teardown),
    };

    return cmocka_run_group_tests_name("audit-deliveries", tests, NULL, NULL);
}
