/* SPDX-License-Identifier: Apache-2.0
 * Configuration files: what is taken has its values, what is refused says where and why, in printable lines. */
#include <string.h>

#include <tmx/config.h>

#include "fuzz.h"

static const char *const words[] = { "one", "two", "three", NULL };

static const struct tmx_config_section sections[] = {
    { "a", false, "Plain." },
    { "b", true, "Named." },
};

static const struct tmx_config_key keys[] = {
    { "a", "string", TMX_CONFIG_STRING, false, NULL, 2, 20, NULL, "Text." },
    { "a", "path", TMX_CONFIG_PATH, false, "p", 0, 0, NULL, "A path." },
    { "a", "number", TMX_CONFIG_NUMBER, false, "5", 1, 1000, NULL, "A number." },
    { "a", "size", TMX_CONFIG_SIZE, false, "1 MiB", 1024, 1ull << 40, NULL, "A size." },
    { "a", "duration", TMX_CONFIG_DURATION, false, "1 h", 10, 86400000, NULL, "A duration." },
    { "a", "bool", TMX_CONFIG_BOOL, false, "no", 0, 0, NULL, "Yes or no." },
    { "b", "choice", TMX_CONFIG_STRING, true, NULL, 0, 0, words, "One of some." },
    { "b", "list", TMX_CONFIG_LIST, false, "one", 0, 0, words, "Some of some." },
};

static const struct tmx_config_schema schema = { sections, TMX_N(sections), keys, TMX_N(keys) };

static bool is_word(const char *text)
{
    return strcmp(text, words[0]) == 0 || strcmp(text, words[1]) == 0 || strcmp(text, words[2]) == 0;
}

static void check_values(const struct tmx_config *c)
{
    const char *string = tmx_config_string(c, "a", "string");
    assert(string == NULL || (strlen(string) >= 2 && strlen(string) <= 20));
    assert(tmx_config_string(c, "a", "path")[0] == '/');
    assert(tmx_config_u64(c, "a", "number") - 1 <= 999);
    assert(tmx_config_u64(c, "a", "size") >= 1024 && tmx_config_u64(c, "a", "size") <= 1ull << 40);
    assert(tmx_config_u64(c, "a", "duration") >= 10 && tmx_config_u64(c, "a", "duration") <= 86400000);
    (void)tmx_config_bool(c, "a", "bool");
    const char *name = NULL;
    for (size_t i = 0; tmx_config_named(c, "b", i, &name) != NULL; i++) {
        const char *heading = tmx_config_named(c, "b", i, &name);
        size_t n = 0;
        assert(strlen(name) >= 1 && strlen(name) <= TMX_CONFIG_NAME_MAX);
        assert(is_word(tmx_config_string(c, heading, "choice")));
        const char *const *list = tmx_config_list(c, heading, "list", &n);
        assert(n >= 1 && n <= TMX_CONFIG_WORDS_MAX);
        for (size_t k = 0; k < n; k++) {
            assert(is_word(list[k]));
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct tmx_config_errors errors;
    struct tmx_config *c = NULL;
    int r = tmx_config_parse("/f.conf", (const char *)data, size, &schema, &errors, &c);

    assert(r == TMX_CONFIG_OK || r == TMX_CONFIG_E_INVALID);
    assert(errors.used == strlen(errors.text) && errors.used < sizeof(errors.text));
    if (r == TMX_CONFIG_OK) {
        assert(errors.n == 0 && c != NULL);
        check_values(c);
        tmx_config_free(c);
        return 0;
    }
    assert(errors.n > 0 && c == NULL && errors.used > 0 && errors.text[errors.used - 1] == '\n');
    for (size_t i = 0; i < errors.used; i++) {
        unsigned char byte = (unsigned char)errors.text[i];
        assert(byte >= 0x20 || byte == '\n');
    }
    return 0;
}
