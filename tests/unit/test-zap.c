/* SPDX-License-Identifier: Apache-2.0
 * The admission decision: tmx/zap.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include <tmx/zap.h>

static const uint8_t boot_secret[32] = "a secret of this boot, 32 bytes";

/* The public keys of zmq_curve(7), in its hexadecimal. */
static const char *const published[] = { "bb88471d65e2659b30c55a5321cebb5aab2b70a398645c26dca2b2fcb43fc518",
                                         "54fcba24e93249969316fb617c872bb0c1d1ff14800427c594cbfacf1bc2d652" };

static struct tmx_admit admit_of(const char *name)
{
    struct tmx_curve curve;
    struct tmx_admit a = { 0 };
    tmx_curve_generate(&curve);
    memcpy(a.key, curve.public, sizeof(a.key));
    strcpy(a.member, name);
    return a;
}

static struct tmx_zap *zap_with(const uint8_t secret[32], const struct tmx_admit *admits, size_t n)
{
    struct tmx_zap *z;
    assert_int_equal(tmx_zap_new(secret, &z), 0);
    assert_int_equal(tmx_zap_admit(z, admits, n), 0);
    return z;
}

static struct tmx_zap_reply ask(const struct tmx_zap *z, const uint8_t key[32])
{
    const struct tmx_bytes frames[] = { TMX_LIT("1.0"), TMX_LIT("7"), TMX_LIT("tmx"),      TMX_LIT("10.0.0.1"),
                                        TMX_LIT(""),    TMX_LIT("CURVE"), TMX_BYTES(key, 32) };
    struct tmx_zap_reply reply;
    tmx_zap_decide(z, frames, TMX_N(frames), &reply);
    assert_true(tmx_bytes_eq(reply.request_id, frames[1]));
    return reply;
}

/* TRA-2 */
static void admits_exactly_the_listed_keys(void **state)
{
    const struct tmx_admit admits[] = { admit_of("FR"), admit_of("FR"), admit_of("DE") };
    struct tmx_zap *z = zap_with(boot_secret, admits, TMX_N(admits));
    for (size_t i = 0; i < TMX_N(admits); i++) {
        struct tmx_zap_reply reply = ask(z, admits[i].key);
        assert_true(reply.accepted);
        assert_string_equal(reply.status, "200");
        assert_string_equal(tmx_zap_name(z, reply.user_id), admits[i].member);
        for (size_t bit = 0; bit < 256; bit++) {
            struct tmx_admit near = admits[i];
            near.key[bit / 8] ^= (uint8_t)(1u << bit % 8);
            reply = ask(z, near.key);
            assert_false(reply.accepted);
            assert_string_equal(reply.status, "400");
            assert_string_equal(reply.user_id, "");
        }
    }
    tmx_zap_free(z);
}

/* TRA-2 */
static void refuses_whatever_is_not_such_a_request(void **state)
{
    const struct tmx_admit fr = admit_of("FR");
    struct tmx_zap *z = zap_with(boot_secret, &fr, 1);
    const struct tmx_bytes key = TMX_BYTES_OF(fr.key), id = TMX_LIT("1"), none = TMX_LIT("");
    const struct {
        const char *status;
        size_t n;
        struct tmx_bytes frames[8];
    } cases[] = {
        { "500", 0, { none } },
        { "500", 1, { TMX_LIT("1.0") } },
        { "500", 6, { TMX_LIT("2.0"), id, TMX_LIT("tmx"), none, none, TMX_LIT("CURVE") } },
        { "500", 7, { none, id, TMX_LIT("tmx"), none, none, TMX_LIT("CURVE"), key } },
        { "400", 6, { TMX_LIT("1.0"), id, TMX_LIT("tmx"), none, none, TMX_LIT("CURVE") } },
        { "400", 6, { TMX_LIT("1.0"), id, TMX_LIT("tmx"), none, none, TMX_LIT("NULL") } },
        { "400", 7, { TMX_LIT("1.0"), id, TMX_LIT("tmx"), none, none, TMX_LIT("GSSAPI"), key } },
        { "400", 8, { TMX_LIT("1.0"), id, TMX_LIT("tmx"), none, none, TMX_LIT("PLAIN"), key, key } },
        { "400", 8, { TMX_LIT("1.0"), id, TMX_LIT("tmx"), none, none, TMX_LIT("CURVE"), key, key } },
        { "400", 7, { TMX_LIT("1.0"), id, none, none, none, TMX_LIT("CURVE"), key } },
        { "400", 7, { TMX_LIT("1.0"), id, TMX_LIT("tmx2"), none, none, TMX_LIT("CURVE"), key } },
        { "400", 7, { TMX_LIT("1.0"), id, TMX_LIT("tmx"), none, none, TMX_LIT("CURVE"), TMX_BYTES(fr.key, 31) } },
        { "400", 7, { TMX_LIT("1.0"), id, TMX_LIT("tmx"), none, none, TMX_LIT("CURVE"), none } },
    };
    for (size_t i = 0; i < TMX_N(cases); i++) {
        struct tmx_zap_reply reply;
        tmx_zap_decide(z, cases[i].frames, cases[i].n, &reply);
        assert_false(reply.accepted);
        assert_string_equal(reply.status, cases[i].status);
        assert_string_equal(reply.user_id, "");
        bool curve = cases[i].n > 6 && cases[i].frames[6].size == 32 && tmx_bytes_eq(cases[i].frames[5], TMX_LIT("CURVE"));
        assert_memory_equal(reply.refused.key, curve ? fr.key : (const uint8_t[32]){ 0 }, 32);   /* never a password */
    }
    tmx_zap_free(z);
}

/* TRA-3 */
static void believes_no_user_id_but_its_own(void **state)
{
    const struct tmx_admit admits[] = { admit_of("FR"), admit_of("DE") };
    struct tmx_zap *z = zap_with(boot_secret, admits, 2);
    static const uint8_t other_secret[32] = "another boot";
    struct tmx_zap *earlier = zap_with(other_secret, admits, 2);
    char user_id[128], forged[160];
    strcpy(user_id, ask(z, admits[0].key).user_id);

    assert_null(tmx_zap_name(z, NULL));
    assert_null(tmx_zap_name(z, ""));
    assert_null(tmx_zap_name(z, "FR"));
    assert_null(tmx_zap_name(z, "FR."));
    assert_null(tmx_zap_name(z, ask(earlier, admits[0].key).user_id));
    for (size_t i = 0; i < strlen(user_id); i++) {
        strcpy(forged, user_id);
        forged[i] ^= 1;
        assert_null(tmx_zap_name(z, forged));
        forged[i] = '\0';
        assert_null(tmx_zap_name(z, forged));
    }
    snprintf(forged, sizeof(forged), "%s0", user_id);
    assert_null(tmx_zap_name(z, forged));
    snprintf(forged, sizeof(forged), "DE%s", strchr(user_id, '.'));
    assert_null(tmx_zap_name(z, forged));
    tmx_zap_free(earlier);
    tmx_zap_free(z);
}

/* TRA-3, DIR-7 */
static void forgets_removed_keys(void **state)
{
    const struct tmx_admit admits[] = { admit_of("FR"), admit_of("FR") };
    struct tmx_zap *z = zap_with(boot_secret, admits, 2);
    char first[128], second[128];
    strcpy(first, ask(z, admits[0].key).user_id);
    strcpy(second, ask(z, admits[1].key).user_id);
    assert_string_not_equal(first, second);

    assert_int_equal(tmx_zap_admit(z, &admits[1], 1), 0);
    assert_false(ask(z, admits[0].key).accepted);
    assert_null(tmx_zap_name(z, first));
    assert_string_equal(tmx_zap_name(z, second), "FR");
    assert_int_equal(tmx_zap_admit(z, NULL, 0), 0);
    assert_null(tmx_zap_name(z, second));
    tmx_zap_free(z);
}

/* TRA-2 */
static void refuses_bad_lists_whole(void **state)
{
    const struct tmx_admit fr = admit_of("FR");
    struct tmx_zap *z = zap_with(boot_secret, &fr, 1);
    const char *const names[] = { "", "NINECHARS", "F R", "F.R", "FR\n", "\xc3\x84" };
    struct tmx_admit list[2] = { admit_of("DE") };
    for (size_t i = 0; i < TMX_N(names); i++) {
        list[1] = admit_of("X");
        memset(list[1].member, 0, sizeof(list[1].member));
        memcpy(list[1].member, names[i], strnlen(names[i], sizeof(list[1].member)));
        assert_int_equal(tmx_zap_admit(z, list, 2), -EINVAL);
    }
    list[1] = list[0];
    assert_int_equal(tmx_zap_admit(z, list, 2), -EINVAL);
    for (size_t i = 0; i < TMX_N(published); i++) {
        list[1] = admit_of("X");
        assert_int_equal(sodium_hex2bin(list[1].key, 32, published[i], 64, NULL, NULL, NULL), 0);
        assert_int_equal(tmx_zap_admit(z, list, 2), -EINVAL);
    }
    memset(list[1].key, 0, 32);
    assert_int_equal(tmx_zap_admit(z, list, 2), -EINVAL);
    list[1].key[0] = 1;
    assert_int_equal(tmx_zap_admit(z, list, 2), -EINVAL);
    assert_int_equal(tmx_zap_admit(z, list, TMX_MEMBERS_MAX * TMX_KEYS_PER_MEMBER_MAX + 1), -EINVAL);

    assert_true(ask(z, fr.key).accepted);
    assert_false(ask(z, list[0].key).accepted);
    tmx_zap_free(z);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(admits_exactly_the_listed_keys),
        cmocka_unit_test(refuses_whatever_is_not_such_a_request),
        cmocka_unit_test(believes_no_user_id_but_its_own),
        cmocka_unit_test(forgets_removed_keys),
        cmocka_unit_test(refuses_bad_lists_whole),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests_name("zap", tests, NULL, NULL);
}
