/* SPDX-License-Identifier: Apache-2.0
 * When a spool is full, when it is not any more, and how much a turn may take in meanwhile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <tmx/room.h>

#define MIB (1u << 20)

static struct tmx_room look(struct tmx_room r, uint64_t used, uint64_t promised)
{
    const struct tmx_spool_stat stat = { .used_bytes = used, .capacity_bytes = 100 * MIB };
    tmx_room_look(&r, &stat, promised, 5000);
    return r;
}

static void is_full_at_the_mark_and_not_at_once_again(void **state)
{
    struct tmx_room r = look((struct tmx_room){ .mark_percent = 80 }, 79 * MIB, 0);
    assert_false(r.full);
    assert_int_equal(r.percent, 79);
    assert_int_equal(r.left_bytes, MIB);
    r = look(r, 79 * MIB + 1, 0);
    assert_true(r.full);
    assert_int_equal(r.left_bytes, 0);
    r = look(r, 78 * MIB + 1, 0);
    assert_true(r.full);
    r = look(r, 78 * MIB, 0);
    assert_false(r.full);
    assert_int_equal(r.left_bytes, 2 * MIB);
}

/* What is open needs room for its reports, above the mark or, when that is not enough, below it. */
static void keeps_what_was_promised(void **state)
{
    struct tmx_room r = { .mark_percent = 80 };
    assert_int_equal(look(r, 40 * MIB, 15 * MIB).left_bytes, 40 * MIB);
    assert_int_equal(look(r, 40 * MIB, 35 * MIB).left_bytes, 20 * MIB);
    assert_true(look(r, 40 * MIB, 55 * MIB).full);
    assert_true(look(r, 40 * MIB, 500 * MIB).full);
    assert_true(look(r, 100 * MIB, 0).full);
}

/* What is kept by choice makes room while there still is some for what comes. */
static void asks_for_room_before_it_is_full(void **state)
{
    struct tmx_room r = { .mark_percent = 80 };
    assert_int_equal(look(r, 76 * MIB, 0).over_bytes, 0);
    assert_int_equal(look(r, 77 * MIB, 0).over_bytes, MIB);
    assert_false(look(r, 77 * MIB, 0).full);
    assert_int_equal(look(r, 60 * MIB, 35 * MIB).over_bytes, 4 * MIB);
    assert_int_equal(look(r, 90 * MIB, 0).over_bytes, 14 * MIB);
}

/* However much comes at once: it is looked again before what is left can be gone. */
static void looks_again_in_time(void **state)
{
    struct tmx_room r = { .mark_percent = 80 };
    assert_true(tmx_room_due(&r, 5000));
    r = look(r, 40 * MIB, 0);
    assert_int_equal(tmx_room_turn(&r), 10 * MIB);
    assert_false(tmx_room_due(&r, 5999));
    assert_true(tmx_room_due(&r, 6000));
    r.taken_bytes = 10 * MIB;
    assert_true(tmx_room_due(&r, 5001));
    r = look(r, 79 * MIB, 0);
    assert_int_equal(tmx_room_turn(&r), MIB / 4);
    assert_int_equal(r.taken_bytes, 0);
    const struct tmx_spool_stat large = { .used_bytes = 0, .capacity_bytes = 64ull << 30 };
    tmx_room_look(&r, &large, 0, 5000);
    assert_int_equal(tmx_room_turn(&r), TMX_TURN_BYTES_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_full_at_the_mark_and_not_at_once_again),
        cmocka_unit_test(keeps_what_was_promised),
        cmocka_unit_test(asks_for_room_before_it_is_full),
        cmocka_unit_test(looks_again_in_time),
    };
    return cmocka_run_group_tests_name("room", tests, NULL, NULL);
}
