/* SPDX-License-Identifier: Apache-2.0
 * The test vectors against this implementation; check.py checks the same files with another one.
 * BAT-1, BAT-4, LOG-1
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tmx/batch.h>
#include <tmx/text.h>

#define FIELDS_MAX 256u
#define CASES_MAX 64u

struct vector_case {
    const char *name;
    size_t n;
    struct {
        const char *key;
        const char *value;
    } fields[FIELDS_MAX];
};

/* One file, cut in place. */
static char *content;
static struct vector_case cases[CASES_MAX];
static size_t n_cases;

static void read_file(const char *name)
{
    char path[512];
    FILE *f;
    size_t size;

    free(content);
    content = calloc(1, 1u << 20);
    snprintf(path, sizeof path, "%s/%s", VECTORS, name);
    f = fopen(path, "r");
    assert_non_null(f);
    size = fread(content, 1, (1u << 20) - 1, f);
    assert_true(size > 0 && feof(f));
    fclose(f);
}

static void read_cases(const char *file)
{
    char *save = NULL;

    read_file(file);
    memset(cases, 0, sizeof cases);
    n_cases = 0;
    for (char *line = strtok_r(content, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save)) {
        struct vector_case *c = &cases[n_cases == 0 ? 0 : n_cases - 1];
        char *equals = strchr(line, '=');

        if (line[0] == '#') {
            continue;
        }
        if (line[0] == '[') {
            assert_true(n_cases < CASES_MAX);
            line[strlen(line) - 1] = '\0';
            cases[n_cases++].name = line + 1;
            continue;
        }
        assert_true(n_cases > 0 && equals != NULL && equals > line && c->n < FIELDS_MAX);
        equals[-1] = '\0';
        c->fields[c->n].key = line;
        c->fields[c->n].value = equals[1] == ' ' ? equals + 2 : equals + 1;
        c->n++;
    }
    assert_true(n_cases > 0);
}

/* The i-th value of a key; NULL when there is none. */
static const char *nth(const struct vector_case *c, const char *key, size_t i)
{
    for (size_t f = 0; f < c->n; f++) {
        if (strcmp(c->fields[f].key, key) == 0 && i-- == 0) {
            return c->fields[f].value;
        }
    }
    return NULL;
}

static const char *get(const struct vector_case *c, const char *key)
{
    const char *value = nth(c, key, 0);

    assert_non_null(value);
    return value;
}

static size_t get_hex(const char *hex, uint8_t *ret_data, size_t max)
{
    const size_t size = strlen(hex) / 2;

    assert_true(size <= max);
    assert_true(tmx_unhex(tmx_bytes_str(hex), ret_data, size));
    return size;
}

static uint64_t get_number(const struct vector_case *c, const char *key)
{
    uint64_t value;

    assert_true(tmx_parse_u64(tmx_bytes_str(get(c, key)), UINT64_MAX, &value));
    return value;
}

static void assert_hex(const struct vector_case *c, const char *key, size_t i, struct tmx_bytes got)
{
    char *hex = malloc(2 * got.size + 1);

    tmx_hex(got, hex);
    assert_string_equal(hex, nth(c, key, i));
    free(hex);
}

static void make_key(const struct vector_case *c, struct tmx_verify_key *ret_key, uint8_t ret_secret[64])
{
    uint8_t seed[32];
    uint8_t public[32];
    uint8_t vkey[256];
    struct tmx_writer w = TMX_WRITER_OF(vkey);

    assert_int_equal(get_hex(get(c, "seed"), seed, sizeof seed), sizeof seed);
    crypto_sign_seed_keypair(public, ret_secret, seed);
    assert_hex(c, "public", 0, TMX_BYTES_OF(public));
    assert_true(tmx_verify_key_init(tmx_bytes_str(get(c, "name")), TMX_NOTE_ED25519, public, ret_key));
    tmx_verify_key_format(ret_key, &w);
    assert_true(tmx_bytes_eq(tmx_written(&w), tmx_bytes_str(get(c, "vkey"))));
}

static void sign_batch(const struct vector_case *c)
{
    static uint8_t contents[TMX_BATCH_MAX][64];
    struct tmx_bytes bodies[TMX_BATCH_MAX];
    struct tmx_hash leaves[TMX_BATCH_MAX];
    struct tmx_signature signatures[TMX_BATCH_MAX];
    struct tmx_merkle_list list;
    struct tmx_verify_key key;
    uint8_t secret[64];
    size_t n = 0;

    make_key(c, &key, secret);
    for (; nth(c, "body", n) != NULL; n++) {
        assert_true(n < TMX_BATCH_MAX);
        bodies[n] = TMX_BYTES(contents[n], get_hex(nth(c, "body", n), contents[n], sizeof contents[n]));
        leaves[n] = tmx_merkle_leaf(bodies[n]);
    }
    tmx_merkle_list_init(leaves, n, &list);
    assert_hex(c, "root", 0, TMX_BYTES_OF(list.root.b));
    tmx_batch_sign(bodies, n, get_number(c, "batch_no"), &key, secret, signatures);
    for (size_t i = 0; i < n; i++) {
        assert_hex(c, "path", i, TMX_BYTES(signatures[i].path, signatures[i].path_n * TMX_HASH_SIZE));
        assert_hex(c, "signature", 0, TMX_BYTES_OF(signatures[i].sig));
        assert_true(tmx_batch_verify(bodies[i], &signatures[i], &key, NULL));
    }
}

static void verify_batch(const struct vector_case *c)
{
    static uint8_t path[16 * TMX_HASH_SIZE];
    uint8_t body[64];
    uint8_t id[4];
    struct tmx_verify_key key;
    uint8_t secret[64];
    struct tmx_signature s = { .batch_no = get_number(c, "batch_no"),
                               .size = (uint32_t)get_number(c, "size"),
                               .index = (uint32_t)get_number(c, "index") };
    const size_t path_size = get_hex(get(c, "path"), path, sizeof path);
    const size_t body_size = get_hex(get(c, "body"), body, sizeof body);
    struct tmx_reader r;

    make_key(c, &key, secret);
    assert_int_equal(get_hex(get(c, "key_id"), id, sizeof id), sizeof id);
    r = tmx_reader_init(TMX_BYTES_OF(id));
    s.key_id = tmx_read_u32(&r);
    assert_int_equal(get_hex(get(c, "signature"), s.sig, sizeof s.sig), sizeof s.sig);
    s.path_n = (uint32_t)(path_size / TMX_HASH_SIZE);
    memcpy(s.path, path, path_size < sizeof s.path ? path_size : sizeof s.path);
    assert_int_equal(tmx_batch_verify(TMX_BYTES(body, body_size), &s, &key, NULL), strcmp(get(c, "valid"), "yes") == 0);
}

static void test_batch_file(void **state)
{
    read_cases("batch.txt");
    for (size_t i = 0; i < n_cases; i++) {
        print_message("# %s\n", cases[i].name);
        if (nth(&cases[i], "valid", 0) == NULL) {
            sign_batch(&cases[i]);
        } else {
            verify_batch(&cases[i]);
        }
    }
}

static void sign_checkpoint(const struct vector_case *c)
{
    struct tmx_frontier f = { .size = 0 };
    struct tmx_checkpoint checkpoint = { .size = 0 };
    struct tmx_verify_key key;
    uint8_t secret[64];
    uint8_t note[TMX_CHECKPOINT_MAX];
    struct tmx_writer w = TMX_WRITER_OF(note);

    make_key(c, &key, secret);
    for (size_t i = 0; nth(c, "entry", i) != NULL; i++) {
        uint8_t entry[64];
        const size_t size = get_hex(nth(c, "entry", i), entry, sizeof entry);
        const struct tmx_hash leaf = tmx_merkle_leaf(TMX_BYTES(entry, size));

        tmx_frontier_append(&f, &leaf, NULL, NULL);
    }
    memcpy(checkpoint.origin, key.name, strlen(key.name));
    checkpoint.size = f.size;
    checkpoint.root = tmx_frontier_root(&f);
    assert_hex(c, "root", 0, TMX_BYTES_OF(checkpoint.root.b));
    tmx_checkpoint_sign(&checkpoint, &key, secret, &w);
    assert_hex(c, "note", 0, tmx_written(&w));
}

static void verify_checkpoint(const struct vector_case *c)
{
    uint8_t note[TMX_CHECKPOINT_MAX];
    const size_t size = get_hex(get(c, "note"), note, sizeof note);
    struct tmx_verify_key key;
    uint8_t secret[64];
    struct tmx_checkpoint checkpoint;

    make_key(c, &key, secret);
    assert_int_equal(tmx_checkpoint_verify(TMX_BYTES(note, size), &key, &checkpoint),
                     strcmp(get(c, "valid"), "yes") == 0);
}

static void test_checkpoint_file(void **state)
{
    read_cases("checkpoint.txt");
    for (size_t i = 0; i < n_cases; i++) {
        print_message("# %s\n", cases[i].name);
        if (nth(&cases[i], "valid", 0) == NULL) {
            sign_checkpoint(&cases[i]);
        } else {
            verify_checkpoint(&cases[i]);
        }
    }
}

static int setup(void **state)
{
    return sodium_init() < 0;
}

static int teardown(void **state)
{
    free(content);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_batch_file),
        cmocka_unit_test(test_checkpoint_file),
    };

    return cmocka_run_group_tests_name("vectors", tests, setup, teardown);
}
