/* SPDX-License-Identifier: Apache-2.0
 * The doctor's check of the libraries this program runs with: versions below which a fault is known that matters here, and
 * the one fault that a version does not tell.
 */
#include <protobuf-c/protobuf-c.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include <tmx/spool_lmdb.h>
#include <tmx/transport.h>

#include "doctor_parts.h"

static const struct library {
    const char *name;
    unsigned least[3];
    const char *why;
} libraries[] = {
    { "ZeroMQ", { 4, 3, 4 }, "a peer that is not admitted yet can make it write past a buffer (CVE-2020-36400, fixed in 4.3.4)" },
    { "LMDB", { 0, 9, 24 }, "the crash sweeps of TMX hold from 0.9.24 on" },
    { "protobuf-c", { 1, 4, 1 }, "a frame can overflow a length (CVE-2022-48468, CVE-2022-33070, fixed in 1.4.1)" },
    { "libsodium", { 1, 0, 18 }, "Ed25519 verification takes non-canonical signatures before 1.0.16; TMX is tested from 1.0.18 on" },
};

static bool older(const unsigned version[3], const unsigned least[3])
{
    for (size_t i = 0; i < 3; i++) {
        if (version[i] != least[i]) {
            return version[i] < least[i];
        }
    }
    return false;
}

void tmx_doctor_judge_library(const char *name, const char *version, struct tmx_findings *to)
{
    unsigned v[3] = { 0, 0, 0 };
    size_t i = 0;
    while (i < TMX_N(libraries) && strcmp(libraries[i].name, name) != 0) {
        i++;
    }
    assert(i < TMX_N(libraries));
    int n = sscanf(version, "%u.%u.%u", &v[0], &v[1], &v[2]);
    if (n == 3 && !older(v, libraries[i].least)) {
        tmx_finding(to, TMX_FINDING_OK, "libraries", NULL, "%s %s", name, version);
    } else {
        tmx_finding(to, TMX_FINDING_CRITICAL, "libraries", "install the distribution's current package, and restart", "%s %s: %s", name, version,
                    libraries[i].why);
    }
}

/* CVE-2025-69277: Debian fixed it in 1.0.18-1+deb12u1, whose version reads as before. A point that is the base point and one
 * of order two together is not of the main subgroup: keys like that must not get into a directory. */
static bool takes_mixed_points(void)
{
    static const uint8_t base[32] = { 0x58, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
                                      0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66 };
    uint8_t order_two[32], mixed[32];
    memset(order_two, 0xff, sizeof(order_two));   /* y = -1 */
    order_two[0] = 0xec;
    order_two[31] = 0x7f;
    return crypto_core_ed25519_add(mixed, base, order_two) == 0 && crypto_core_ed25519_is_valid_point(mixed) == 1;
}

void doctor_libraries(const struct tmx_doctor_subject *s, struct tmx_findings *to)
{
    char version[32];
    (void)s;
    tmx_transport_library(version, sizeof(version));
    tmx_doctor_judge_library("ZeroMQ", version, to);
    tmx_spool_lmdb_library(version, sizeof(version));
    tmx_doctor_judge_library("LMDB", version, to);
    tmx_doctor_judge_library("protobuf-c", protobuf_c_version(), to);
    tmx_doctor_judge_library("libsodium", sodium_version_string(), to);
    if (takes_mixed_points()) {
        tmx_finding(to, TMX_FINDING_WARNING, "libraries", "install libsodium23 1.0.18-1+deb12u1 or later, and restart",
                    "libsodium takes points outside the main subgroup for valid (CVE-2025-69277): a bad key could be admitted");
    } else {
        tmx_finding(to, TMX_FINDING_OK, "libraries", NULL, "libsodium refuses points outside the main subgroup (CVE-2025-69277)");
    }
}
