/* SPDX-License-Identifier: Apache-2.0
 * Private key files: what is created loads, and nothing else does.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <tmx/keyfile.h>
#include <tmx/text.h>

static const char *const purposes[] = { "signing", "witness", "log",     "authority", "export",
                                        "curve",   "gate",    "archive", "label",     "last-resort" };
static char folder[] = "/tmp/tmx-test-keyfile-XXXXXX";
static char path[64];
static char error[512];

static int setup(void **state)
{
    if (sodium_init() < 0 || mkdtemp(folder) == NULL) {
        return 1;
    }
    snprintf(path, sizeof(path), "%s/k.key", folder);
    return 0;
}

static int teardown(void **state)
{
    return rmdir(folder);
}

static void write_text(const char *text, mode_t mode)
{
    unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

static void read_file_text(char text[1024])
{
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    text[fread(text, 1, 1023, f)] = 0;
    fclose(f);
}

static void test_round_trip(void **state)
{
    for (size_t i = 0; i < TMX_N(purposes); i++) {
        uint8_t public[32], secret[64], got_public[32], got[64];
        struct stat st;
        size_t size = tmx_keyfile_secret_size(purposes[i]);
        tmx_keyfile_generate(purposes[i], public, secret);
        assert_int_equal(tmx_keyfile_create(path, purposes[i], public, secret, size), 0);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0400);
        assert_int_equal(st.st_nlink, 1);
        assert_int_equal(tmx_keyfile_load(path, purposes[i], got_public, got, size, error, sizeof(error)), 0);
        assert_memory_equal(public, got_public, 32);
        assert_memory_equal(secret, got, size);
        /* never overwritten */
        assert_int_equal(tmx_keyfile_create(path, purposes[i], public, secret, size), -EEXIST);
        unlink(path);
    }
}

static unsigned asked;

static bool answer(void *ctx, const char *file, struct tmx_bytes *ret_passphrase, char *ret_error, size_t capacity)
{
    asked++;
    assert_string_equal(file, path);
    if (ctx == NULL) {
        snprintf(ret_error, capacity, "nobody knows it");
        return false;
    }
    *ret_passphrase = tmx_bytes_str(ctx);
    return true;
}

/* Sealed with a passphrase: opens with that one, and never where none can be typed. */
static void test_sealed(void **state)
{
    struct tmx_keyfile key = { .installation = "tmx.test/broker" }, got;
    char good[] = "a passphrase", bad[] = "a passphrasf", text[1024];
    uint8_t public[32], secret[64];
    tmx_keyfile_generate("operator", key.public, key.secret);
    assert_int_equal(tmx_keyfile_write(path, "operator", &key, tmx_bytes_str(good)), 0);
    asked = 0;
    assert_int_equal(tmx_keyfile_read(path, "operator", answer, good, &got, error, sizeof(error)), 0);
    assert_int_equal(asked, 1);
    assert_memory_equal(&got, &key, sizeof(key));
    assert_int_equal(tmx_keyfile_read(path, "operator", answer, bad, &got, error, sizeof(error)), -EACCES);
    assert_non_null(strstr(error, "wrong passphrase"));
    assert_int_equal(tmx_keyfile_read(path, "operator", answer, NULL, &got, error, sizeof(error)), -EACCES);
    assert_string_equal(error, "nobody knows it");
    assert_int_equal(tmx_keyfile_load(path, "operator", public, secret, sizeof(secret), error, sizeof(error)), -EINVAL);
    assert_non_null(strstr(error, "sealed with a passphrase"));
    asked = 0;
    assert_int_equal(tmx_keyfile_read(path, "authority", answer, good, &got, error, sizeof(error)), -EINVAL);
    assert_int_equal(asked, 0);   /* a key of another purpose: nothing is typed for it */
    read_file_text(text);
    for (const char *const *w = (const char *const[]){ " 3 ", " 99 ", " 268435456 ", " 4096000000 ", "argon2id", "argon3id", NULL }; *w != NULL; w += 2) {
        char bent[1200];
        char *at = strstr(text, w[0]);
        assert_non_null(at);
        snprintf(bent, sizeof(bent), "%.*s%s%s", (int)(at - text), text, w[1], at + strlen(w[0]));
        write_text(bent, 0400);
        assert_int_equal(tmx_keyfile_read(path, "operator", answer, good, &got, error, sizeof(error)), -EACCES);
        assert_non_null(strstr(error, "sealed in another way"));
    }
    unlink(path);
}

/* An operator's key may name its installation; a line that is no name is no key file. */
static void test_installation(void **state)
{
    struct tmx_keyfile key = { .installation = "tmx.test/node/DE" }, got;
    char text[1024], bent[1024];
    tmx_keyfile_generate("operator", key.public, key.secret);
    assert_int_equal(tmx_keyfile_write(path, "operator", &key, TMX_BYTES_NULL), 0);
    assert_int_equal(tmx_keyfile_read(path, "operator", NULL, NULL, &got, error, sizeof(error)), 0);
    assert_memory_equal(&got, &key, sizeof(key));
    read_file_text(text);
    char *at = strstr(text, "tmx.test");
    assert_non_null(at);
    snprintf(bent, sizeof(bent), "%.*stmx test%s", (int)(at - text), text, at + 8);
    write_text(bent, 0400);
    assert_int_equal(tmx_keyfile_read(path, "operator", NULL, NULL, &got, error, sizeof(error)), -EINVAL);
    assert_non_null(strstr(error, "its installation"));
    unlink(path);
}

static void test_halves(void **state)
{
    for (size_t i = 0; i < TMX_N(purposes); i++) {
        uint8_t public[32], secret[64];
        tmx_keyfile_generate(purposes[i], public, secret);
        public[0] ^= 1;
        assert_int_equal(tmx_keyfile_create(path, purposes[i], public, secret, tmx_keyfile_secret_size(purposes[i])),
                         -EINVAL);
        assert_int_equal(access(path, F_OK), -1);
    }
    /* the public half inside an Ed25519 secret counts too */
    uint8_t public[32], secret[64];
    tmx_keyfile_generate("signing", public, secret);
    secret[63] ^= 1;
    assert_int_equal(tmx_keyfile_create(path, "signing", public, secret, 64), -EINVAL);
}

static void test_modes(void **state)
{
    static const mode_t bad[] = { 0440, 0404, 0640, 0604, 0666, 0410 };
    uint8_t public[32], secret[64];
    char text[1024];
    tmx_keyfile_generate("signing", public, secret);
    assert_int_equal(tmx_keyfile_create(path, "signing", public, secret, 64), 0);
    read_file_text(text);
    for (size_t i = 0; i < TMX_N(bad); i++) {
        write_text(text, bad[i]);
        assert_int_equal(tmx_keyfile_load(path, "signing", public, secret, 64, error, sizeof(error)), -EPERM);
        assert_non_null(strstr(error, path));
        assert_non_null(strstr(error, "chmod 0400"));
    }
    write_text(text, 0600);
    assert_int_equal(tmx_keyfile_load(path, "signing", public, secret, 64, error, sizeof(error)), 0);
    unlink(path);
}

#define ZERO32 "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
#define SOME32 "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="

static void test_bad_text(void **state)
{
    static const char *const bad[] = {
        "",
        "tmx-key 1 label\n",
        "tmx-key 2 label\npublic " ZERO32 "\nsecret " SOME32 "\n",
        "tmx-key 1 archive\npublic " ZERO32 "\nsecret " SOME32 "\n",
        "tmx-key 1 label\npublic " SOME32 "\nsecret " SOME32 "\n",
        "tmx-key 1 label\nsecret " SOME32 "\npublic " ZERO32 "\n",
        "tmx-key 1 label\npublic " ZERO32 "\nsecret " SOME32,
        "tmx-key 1 label\npublic " ZERO32 "\nsecret " SOME32 "\n\n",
        "tmx-key 1 label\npublic " ZERO32 "\nsecret AQEB\n",
        "tmx-key 1 label\npublic " ZERO32 "\nsecret " SOME32 SOME32 "\n",
        "tmx-key 1 label \npublic " ZERO32 "\nsecret " SOME32 "\n",
    };
    uint8_t public[32], secret[32];
    for (size_t i = 0; i < TMX_N(bad); i++) {
        write_text(bad[i], 0400);
        assert_int_equal(tmx_keyfile_load(path, "label", public, secret, 32, error, sizeof(error)), -EINVAL);
        assert_non_null(strstr(error, path));
        assert_null(strstr(error, "AQEB"));   /* no key bytes in an error */
    }
    write_text("tmx-key 1 label\npublic " ZERO32 "\nsecret " SOME32 "\n", 0400);
    assert_int_equal(tmx_keyfile_load(path, "label", public, secret, 32, error, sizeof(error)), 0);
    unlink(path);
    assert_int_equal(tmx_keyfile_load(path, "label", public, secret, 32, error, sizeof(error)), -ENOENT);
    assert_int_equal(tmx_keyfile_load(folder, "label", public, secret, 32, error, sizeof(error)), -EINVAL);
}

static void test_ensure(void **state)
{
    uint8_t first[32], second[32];
    assert_int_equal(tmx_keyfile_ensure(path, "gate", first, error, sizeof(error)), 0);
    assert_int_equal(tmx_keyfile_ensure(path, "gate", second, error, sizeof(error)), 0);
    assert_memory_equal(first, second, 32);
    assert_int_equal(tmx_keyfile_ensure(path, "curve", second, error, sizeof(error)), -EINVAL);
    unlink(path);
    assert_int_equal(tmx_keyfile_ensure("/nowhere/at/all", "gate", first, error, sizeof(error)), -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_halves), cmocka_unit_test(test_modes),
        cmocka_unit_test(test_bad_text),   cmocka_unit_test(test_ensure), cmocka_unit_test(test_sealed),
        cmocka_unit_test(test_installation),
    };
    return cmocka_run_group_tests_name("keyfile", tests, setup, teardown);
}
