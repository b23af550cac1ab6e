/* SPDX-License-Identifier: Apache-2.0
 * Configuration files: what is right is read, and each thing that is wrong is named with its line.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <tmx/config.h>

static const char *const levels[] = { "error", "warning", "info", NULL };
static const char *const verbs[] = { "submit", "collect", "query", NULL };

static const struct tmx_config_section sections[] = {
    { .name = "broker", .help = "The exchange itself." },
    { .name = "log", .help = "What is logged, and how much of it." },
    { .name = "application", .named = true, .help = "A national application." },
};

static const struct tmx_config_key keys[] = {
    { .section = "broker",
      .name = "endpoint",
      .type = TMX_CONFIG_STRING,
      .required = true,
      .min = 3,
      .max = 40,
      .help = "Where nodes connect." },
    { .section = "broker",
      .name = "spool",
      .type = TMX_CONFIG_PATH,
      .fallback = "spool",
      .help = "The spool's folder." },
    { .section = "broker", .name = "key", .type = TMX_CONFIG_PATH, .help = "The key file." },
    { .section = "broker",
      .name = "capacity",
      .type = TMX_CONFIG_SIZE,
      .fallback = "64 GiB",
      .min = 1ull << 30,
      .max = 1ull << 44,
      .help = "How large the spool may become." },
    { .section = "broker",
      .name = "retention",
      .type = TMX_CONFIG_DURATION,
      .fallback = "30 d",
      .min = 1000,
      .max = 365ull * 86400000,
      .help = "How long payloads stay." },
    { .section = "broker",
      .name = "window",
      .type = TMX_CONFIG_NUMBER,
      .fallback = "512",
      .min = 1,
      .max = 65536,
      .help = "Messages in flight." },
    { .section = "broker",
      .name = "witness",
      .type = TMX_CONFIG_BOOL,
      .fallback = "no",
      .help = "Whether it cosigns." },
    { .section = "log",
      .name = "level",
      .type = TMX_CONFIG_STRING,
      .fallback = "info",
      .choices = levels,
      .help = "Lines above it are dropped." },
    { .section = "application", .name = "key", .type = TMX_CONFIG_STRING, .required = true, .help = "Its public key." },
    { .section = "application",
      .name = "verbs",
      .type = TMX_CONFIG_LIST,
      .fallback = "query",
      .choices = verbs,
      .help = "What it may do." },
    { .section = "application", .name = "types", .type = TMX_CONFIG_LIST, .help = "Message types; all when unset." },
};

static const struct tmx_config_schema schema = { sections, TMX_N(sections), keys, TMX_N(keys) };

static struct tmx_config_errors errors;

static struct tmx_config *good(const char *text)
{
    struct tmx_config *c = NULL;
    int r = tmx_config_parse("/etc/tmx/b.conf", text, strlen(text), &schema, &errors, &c);
    if (r != 0) {
        print_error("%s", errors.text);
    }
    assert_int_equal(r, 0);
    assert_int_equal(errors.n, 0);
    assert_string_equal(errors.text, "");
    return c;
}

static void test_defaults(void **state)
{
    struct tmx_config *c = good("[broker]\nendpoint = tcp://*:1\n");
    size_t n = 0;
    const char *name = NULL;
    assert_string_equal(tmx_config_string(c, "broker", "endpoint"), "tcp://*:1");
    assert_string_equal(tmx_config_string(c, "broker", "spool"), "/etc/tmx/spool");
    assert_null(tmx_config_string(c, "broker", "key"));
    assert_false(tmx_config_is_set(c, "broker", "key"));
    assert_true(tmx_config_is_set(c, "broker", "spool"));
    assert_true(tmx_config_u64(c, "broker", "capacity") == 64ull << 30);
    assert_true(tmx_config_u64(c, "broker", "retention") == 30ull * 86400000);
    assert_true(tmx_config_u64(c, "broker", "window") == 512);
    assert_false(tmx_config_bool(c, "broker", "witness"));
    assert_string_equal(tmx_config_string(c, "log", "level"), "info"); /* the section is not in the file */
    assert_null(tmx_config_named(c, "application", 0, &name));
    assert_int_equal(n, 0);
    tmx_config_free(c);
}

static void test_values(void **state)
{
    struct tmx_config *c = good("# a comment\n"
                                "; another\r\n"
                                "\n"
                                "  [ broker ]\t\r\n"
                                "endpoint=tcp://*:1\r\n"
                                "spool = /var/lib/tmx\n"
                                "\tkey: ../keys/log.key\n" /* inih takes a colon too */
                                "capacity = 1 TiB\n"
                                "retention = 12 h\n"
                                "window = 1\n"
                                "witness = yes\n"
                                "[application NTA]\n"
                                "key = abc#def;\n"
                                "verbs = submit, collect query\n"
                                "types = CD001C,CD003C\n"
                                "[application  risk-1 ]\n"
                                "key = k\xc3\xa4se\n"
                                "[log]\n"
                                "level = error");
    size_t n = 0;
    const char *name = NULL;
    assert_string_equal(tmx_config_string(c, "broker", "spool"), "/var/lib/tmx");
    assert_string_equal(tmx_config_string(c, "broker", "key"), "/etc/tmx/../keys/log.key");
    assert_true(tmx_config_u64(c, "broker", "capacity") == 1ull << 40);
    assert_true(tmx_config_u64(c, "broker", "retention") == 12ull * 3600000);
    assert_true(tmx_config_u64(c, "broker", "window") == 1);
    assert_true(tmx_config_bool(c, "broker", "witness"));
    assert_string_equal(tmx_config_string(c, "log", "level"), "error");

    const char *heading = tmx_config_named(c, "application", 0, &name);
    assert_string_equal(heading, "application NTA");
    assert_string_equal(name, "NTA");
    assert_string_equal(tmx_config_string(c, heading, "key"), "abc#def;");
    const char *const *words = tmx_config_list(c, heading, "verbs", &n);
    assert_int_equal(n, 3);
    assert_string_equal(words[0], "submit");
    assert_string_equal(words[1], "collect");
    assert_string_equal(words[2], "query");
    words = tmx_config_list(c, heading, "types", &n);
    assert_int_equal(n, 2);
    assert_string_equal(words[1], "CD003C");

    heading = tmx_config_named(c, "application", 1, &name);
    assert_string_equal(heading, "application risk-1");
    assert_string_equal(name, "risk-1");
    assert_string_equal(tmx_config_string(c, heading, "key"), "k\xc3\xa4se");
    words = tmx_config_list(c, heading, "verbs", &n);
    assert_int_equal(n, 1);
    assert_string_equal(words[0], "query");
    tmx_config_list(c, heading, "types", &n);
    assert_int_equal(n, 0);
    assert_null(tmx_config_named(c, "application", 2, &name));
    assert_null(tmx_config_named(c, "broker", 0, &name));
    tmx_config_free(c);
}

/* Each value as capacity, retention or window. */
static void test_numbers(void **state)
{
    static const struct {
        const char *line;
        const char *key;
        uint64_t value; /* 0 = refused */
    } cases[] = {
        { "capacity = 1 GiB", "capacity", 1ull << 30 },
        { "capacity = 1GiB", "capacity", 1ull << 30 },
        { "capacity = 1024 MiB", "capacity", 1ull << 30 },
        { "capacity = 1048576 KiB", "capacity", 1ull << 30 },
        { "capacity = 1073741824 B", "capacity", 1ull << 30 },
        { "capacity = 16 TiB", "capacity", 1ull << 44 },
        { "capacity = 17 TiB", "capacity", 0 },
        { "capacity = 1023 MiB", "capacity", 0 },
        { "capacity = 1073741824", "capacity", 0 },
        { "capacity = 64 GB", "capacity", 0 },
        { "capacity = 64 gib", "capacity", 0 },
        { "capacity = -1 GiB", "capacity", 0 },
        { "capacity = 01 GiB", "capacity", 0 },
        { "capacity = 1.5 GiB", "capacity", 0 },
        { "capacity = 18446744073709551615 GiB", "capacity", 0 },
        { "capacity = 17592186045440 MiB", "capacity", 0 }, /* 2^64 + 1 GiB */
        { "capacity = 0", "capacity", 0 },
        { "capacity = GiB", "capacity", 0 },
        { "capacity = 1 GiB 1", "capacity", 0 },
        { "retention = 1000 ms", "retention", 1000 },
        { "retention = 5 s", "retention", 5000 },
        { "retention = 10 min", "retention", 600000 },
        { "retention = 2 h", "retention", 7200000 },
        { "retention = 365 d", "retention", 365ull * 86400000 },
        { "retention = 366 d", "retention", 0 },
        { "retention = 999 ms", "retention", 0 },
        { "retention = 5 m", "retention", 0 },
        { "retention = 5", "retention", 0 },
        { "window = 65536", "window", 65536 },
        { "window = 65537", "window", 0 },
        { "window = 0", "window", 0 },
        { "window = 5 s", "window", 0 },
        { "window = 0x10", "window", 0 },
        { "window = ", "window", 0 },
    };
    for (size_t i = 0; i < TMX_N(cases); i++) {
        char text[200];
        struct tmx_config *c = NULL;
        snprintf(text, sizeof(text), "[broker]\nendpoint = tcp://*:1\n%s\n", cases[i].line);
        int r = tmx_config_parse("b.conf", text, strlen(text), &schema, &errors, &c);
        print_message("# %s\n", cases[i].line);
        assert_int_equal(r, cases[i].value != 0 ? 0 : TMX_CONFIG_E_INVALID);
        if (r == 0) {
            assert_true(tmx_config_u64(c, "broker", cases[i].key) == cases[i].value);
        } else {
            assert_int_equal(errors.n, 1);
        }
        tmx_config_free(c);
    }
}

static void test_errors(void **state)
{
#define HEAD "[broker]\nendpoint = tcp://*:1\n"
    static const struct {
        const char *text;
        const char *error;
    } cases[] = {
        { "[broker]\nendpont = tcp://*:1\nendpoint = x:1\n",
          "b.conf:2: unknown key 'endpont' in [broker]; did you mean 'endpoint'?\n" },
        { HEAD "zzz = 1\n",
          "b.conf:3: unknown key 'zzz' in [broker]; there are endpoint, spool, key, capacity, retention, "
          "window, witness\n" },
        { HEAD "level = info\n", "b.conf:3: unknown key 'level' in [broker]; it belongs in [log]\n" },
        { HEAD "[broke]\nx = 1\n", "b.conf:3: unknown section [broke]; did you mean [broker]?\n" },
        { HEAD "[zzz]\n", "b.conf:3: unknown section [zzz]; there are [broker], [log], [application]\n" },
        { HEAD "[Log]\n", "b.conf:3: unknown section [Log]; did you mean [log]?\n" },
        { HEAD "[]\n", "b.conf:3: unknown section []; there are [broker], [log], [application]\n" },
        { HEAD "[log\nlevel = info\n", "b.conf:3: a heading must be [SECTION] and nothing else\n" },
        { HEAD "[log] x\n", "b.conf:3: a heading must be [SECTION] and nothing else\n" },
        { HEAD "[log]\n\n[log]\n", "b.conf:5: section [log] again (first in line 3)\n" },
        { HEAD "[log x]\n", "b.conf:3: section [log] takes no name\n" },
        { HEAD "[application]\n",
          "b.conf:3: section [application] needs a name of 1 to 64 letters, digits, '-' or '_', "
          "as in [application NAME]\n" },
        { HEAD "[application a b]\n", "b.conf:3: section [application] needs a name of 1 to 64 letters, digits, '-' or "
                                      "'_', as in [application NAME]\n" },
        { HEAD "[application A]\nkey = k\n[application A]\nkey = k\n",
          "b.conf:5: section [application A] again (first in line 3)\n" },
        { HEAD "\n[application A]\nverbs = query\n", "b.conf:4: [application A] needs 'key': Its public key.\n" },
        { HEAD "endpoint = tcp://*:2\n", "b.conf:3: 'endpoint' again (first in line 2)\n" },
        { "", "b.conf: [broker] needs 'endpoint': Where nodes connect.\n" },
        { "[broke]\nendpoint = tcp://*:1\n", "b.conf:1: unknown section [broke]; did you mean [broker]?\n" },
        { "[broker]\n", "b.conf:1: [broker] needs 'endpoint': Where nodes connect.\n" },
        { "level = info\n" HEAD, "b.conf:1: 'level' stands before the first [section]\n" },
        { HEAD "garbage\n", "b.conf:3: neither KEY = VALUE nor [SECTION] nor a comment\n" },
        { HEAD "window = 5 # five\n", "b.conf:3: window: a comment must be on a line of its own\n" },
        { HEAD "window = 5 ; five\n", "b.conf:3: window: a comment must be on a line of its own\n" },
        { HEAD "window = five\n", "b.conf:3: window = 'five': must be a number of 1 to 65536\n" },
        { HEAD "capacity = 64 GB\n",
          "b.conf:3: capacity = '64 GB': must be a size of 1 GiB to 16 TiB, as in \"64 GiB\" "
          "(B, KiB, MiB, GiB, TiB)\n" },
        { HEAD "retention = 1 y\n", "b.conf:3: retention = '1 y': must be a duration of 1 s to 365 d, as in \"30 s\" "
                                    "(ms, s, min, h, d)\n" },
        { HEAD "witness = true\n", "b.conf:3: witness = 'true': must be yes or no\n" },
        { HEAD "spool =\n", "b.conf:3: spool = '': must be a path\n" },
        { "[broker]\nendpoint = ab\n", "b.conf:2: endpoint = 'ab': must be text of 3 to 40 characters\n" },
        { HEAD "[log]\nlevel = infoo\n",
          "b.conf:4: level = 'infoo': must be error, warning or info; did you mean 'info'?\n" },
        { HEAD "[log]\nlevel = loud\n", "b.conf:4: level = 'loud': must be error, warning or info\n" },
        { HEAD "[application A]\nkey = k\nverbs = query, fly\n",
          "b.conf:5: verbs = 'query, fly': must be at most 256 words separated by spaces or commas, each submit, "
          "collect or "
          "query\n" },
        { HEAD "spool = a\x01"
               "b\n",
          "b.conf:3: the line holds a control character\n" },
        { HEAD "sp\xff = a\n", "b.conf:3: unknown key 'sp\\xff' in [broker]; there are endpoint, spool, key, capacity, "
                               "retention, window, witness\n" },
        { HEAD "window = 0\nwitness = maybe\n[lag]\n", "b.conf:3: window = '0': must be a number of 1 to 65536\n"
                                                       "b.conf:4: witness = 'maybe': must be yes or no\n"
                                                       "b.conf:5: unknown section [lag]; did you mean [log]?\n" },
    };
    for (size_t i = 0; i < TMX_N(cases); i++) {
        struct tmx_config *c = NULL;
        int r = tmx_config_parse("b.conf", cases[i].text, strlen(cases[i].text), &schema, &errors, &c);
        assert_string_equal(errors.text, cases[i].error);
        assert_int_equal(r, TMX_CONFIG_E_INVALID);
        assert_null(c);
    }
}

static void test_bounds(void **state)
{
    static char text[300000];
    struct tmx_config *c = NULL;
    memset(text, 'x', 2000);
    memcpy(text, HEAD, strlen(HEAD));
    assert_int_equal(tmx_config_parse("b.conf", text, 2000, &schema, &errors, &c), TMX_CONFIG_E_INVALID);
    assert_string_equal(errors.text, "b.conf:3: the line is longer than 997 bytes\n");

    /* More errors than fit are counted, and the text stays whole. */
    size_t n = (size_t)snprintf(text, sizeof(text), HEAD);
    for (size_t i = 0; i < 5000; i++) {
        n += (size_t)snprintf(text + n, sizeof(text) - n, "bad%zu = 1\n", i);
    }
    assert_int_equal(tmx_config_parse("b.conf", text, n, &schema, &errors, &c), TMX_CONFIG_E_INVALID);
    assert_int_equal(errors.n, 5000);
    assert_int_equal(errors.used, strlen(errors.text));
    assert_int_equal(errors.text[errors.used - 1], '\n');

    /* The largest file of words, and a list that is one word too long. */
    n = (size_t)snprintf(text, sizeof(text), HEAD);
    for (size_t i = 0; i < 250; i++) {
        n += (size_t)snprintf(text + n, sizeof(text) - n, "[application a%zu]\nkey = k\ntypes =", i);
        for (size_t k = 0; k < 256; k++) {
            n += (size_t)snprintf(text + n, sizeof(text) - n, " x");
        }
        n += (size_t)snprintf(text + n, sizeof(text) - n, "\n");
    }
    assert_int_equal(tmx_config_parse("b.conf", text, n, &schema, &errors, &c), 0);
    c = tmx_config_free(c);
    text[n - 1] = ',';
    n += (size_t)snprintf(text + n, sizeof(text) - n, "y\n");
    assert_int_equal(tmx_config_parse("b.conf", text, n, &schema, &errors, &c), TMX_CONFIG_E_INVALID);
    assert_non_null(strstr(errors.text, "must be at most 256 words"));

    /* Sections: the limit counts the plain ones too. */
    n = (size_t)snprintf(text, sizeof(text), HEAD);
    for (size_t i = 0; i < 300; i++) {
        n += (size_t)snprintf(text + n, sizeof(text) - n, "[application a%zu]\nkey = k\n", i);
    }
    assert_int_equal(tmx_config_parse("b.conf", text, n, &schema, &errors, &c), TMX_CONFIG_E_INVALID);
    assert_non_null(strstr(errors.text, "more than 256 sections"));
}

static void test_files(void **state)
{
    char folder[] = "/tmp/tmx-test-config-XXXXXX";
    char path[64];
    char expected[200];
    struct tmx_config *c = NULL;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/b.conf", folder);

    assert_int_equal(tmx_config_load(path, &schema, &errors, &c), TMX_CONFIG_E_INVALID);
    snprintf(expected, sizeof(expected), "%s: No such file or directory\n", path);
    assert_string_equal(errors.text, expected);
    assert_int_equal(tmx_config_load(folder, &schema, &errors, &c), TMX_CONFIG_E_INVALID);
    snprintf(expected, sizeof(expected), "%s: Is a directory\n", folder);
    assert_string_equal(errors.text, expected);

    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(HEAD, f);
    fclose(f);
    assert_int_equal(tmx_config_load(path, &schema, &errors, &c), 0);
    snprintf(expected, sizeof(expected), "%s/spool", folder);
    assert_string_equal(tmx_config_string(c, "broker", "spool"), expected);
    tmx_config_free(c);

    c = NULL;
    f = fopen(path, "w");
    assert_non_null(f);
    for (size_t i = 0; i <= TMX_CONFIG_SIZE_MAX; i++) {
        fputc('\n', f);
    }
    fclose(f);
    assert_int_equal(tmx_config_load(path, &schema, &errors, &c), TMX_CONFIG_E_INVALID);
    snprintf(expected, sizeof(expected), "%s: File too large\n", path);
    assert_string_equal(errors.text, expected);
    unlink(path);
    rmdir(folder);
}

/* The printed documentation, its commented keys set, is a file the parser takes. */
static void test_print(void **state)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    tmx_config_print(&schema, out);
    fclose(out);
    assert_non_null(
        strstr(text, "[broker]\n\n# Where nodes connect.\n# (text of 3 to 40 characters; required)\n#endpoint =\n"));
    assert_non_null(
        strstr(text, "# (a size of 1 GiB to 16 TiB, as in \"64 GiB\" (B, KiB, MiB, GiB, TiB))\n#capacity = 64 GiB\n"));
    assert_non_null(strstr(text, "#[application NAME]\n"));

    char *set = strstr(text, "#endpoint =");
    assert_non_null(set);
    char filled[8192];
    snprintf(filled, sizeof(filled), "%.*sendpoint = tcp://*:1%s", (int)(set - text), text,
             set + strlen("#endpoint ="));
    for (char *c = strstr(filled, "\n#capacity"); c != NULL; c = NULL) {
        memmove(c + 1, c + 2, strlen(c + 2) + 1);
    }
    struct tmx_config *c = good(filled);
    assert_true(tmx_config_u64(c, "broker", "capacity") == 64ull << 30);
    tmx_config_free(c);
    free(text);
}

/* What is in effect, and where it is from, reads back as the same: a value of every type, set and by default. */
static void test_show(void **state)
{
    static const char text[] = "[broker]\nendpoint = tcp://*:1\nkey = k\nretention = 90 min\nwitness = yes\n"
                               "[application NTA]\nkey = abc#def;\nverbs = submit,collect\n";
    static const char shown[] = "[broker]\n# B:2\nendpoint = tcp://*:1\n# default\nspool = /etc/tmx/spool\n"
                                "# B:3\nkey = /etc/tmx/k\n# default\ncapacity = 64 GiB\n# B:4\nretention = 90 min\n"
                                "# default\nwindow = 512\n# B:5\nwitness = yes\n"
                                "\n[application NTA]\n# B:7\nkey = abc#def;\n# B:8\nverbs = submit collect\n# unset\n#types =\n"
                                "\n[log]\n# default\nlevel = info\n";
    struct tmx_config *c = good(text);
    for (unsigned round = 0; round < 2; round++) {
        char *out = NULL;
        size_t size = 0;
        FILE *f = open_memstream(&out, &size);
        assert_non_null(f);
        tmx_config_show(c, "B", f);
        fclose(f);
        tmx_config_free(c);
        if (round == 0) {
            assert_string_equal(out, shown);
        }
        c = good(out);
        free(out);
    }
    assert_string_equal(tmx_config_string(c, "broker", "key"), "/etc/tmx/k");
    assert_true(tmx_config_u64(c, "broker", "retention") == 90ull * 60000);
    assert_int_equal(tmx_config_line(c, "broker", "endpoint"), 3);
    tmx_config_free(c);
}

/* Who looks for everything that is wrong gets what is right as well, unless there is nothing. */
static void test_look(void **state)
{
    static const char text[] = "[broker]\nspol = x\ncapacity = much\nwindow = 7\n[nonsense]\n";
    char path[] = "/tmp/test-config-XXXXXX";
    int fd = mkstemp(path);
    struct tmx_config *c = NULL;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
    close(fd);
    assert_int_equal(tmx_config_load(path, &schema, &errors, &c), TMX_CONFIG_E_INVALID);
    assert_null(c);
    assert_int_equal(tmx_config_look(path, &schema, &errors, &c), TMX_CONFIG_E_INVALID);
    assert_int_equal(errors.n, 3);
    assert_non_null(c);
    assert_true(tmx_config_u64(c, "broker", "window") == 7);
    assert_false(tmx_config_is_set(c, "broker", "capacity"));
    assert_null(tmx_config_string(c, "broker", "endpoint"));
    assert_string_equal(tmx_config_string(c, "log", "level"), "info");
    tmx_config_free(c);
    unlink(path);
    assert_int_equal(tmx_config_look(path, &schema, &errors, &c), TMX_CONFIG_E_INVALID);
    assert_null(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults), cmocka_unit_test(test_values), cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_errors),   cmocka_unit_test(test_bounds), cmocka_unit_test(test_files),
        cmocka_unit_test(test_print),    cmocka_unit_test(test_show),   cmocka_unit_test(test_look),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
