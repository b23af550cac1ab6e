/* SPDX-License-Identifier: Apache-2.0
 * Configurations: from a file, their values, and their documentation.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config_parts.h"

/* At most `size` bytes; -EFBIG when there are more. */
static int read_text(const char *path, char *ret_text, size_t size, size_t *ret_size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    size_t used = 0;
    ssize_t n;
    do {
        n = read(fd, ret_text + used, size - used);
        used += n > 0 ? (size_t)n : 0;
    } while ((n > 0 && used < size) || (n < 0 && errno == EINTR));
    int r = n < 0 ? -errno : used == size ? -EFBIG : 0;
    close(fd);
    if (r == 0) {
        *ret_size = used;
    }
    return r;
}

static int load(const char *path, const struct tmx_config_schema *schema, struct tmx_config_errors *ret_errors,
                struct tmx_config **ret_config)
{
    char *text = malloc(TMX_CONFIG_SIZE_MAX + 1);
    if (text == NULL) {
        return -ENOMEM;
    }
    size_t size = 0;
    int r = read_text(path, text, TMX_CONFIG_SIZE_MAX + 1, &size);
    if (r == 0) {
        r = tmx_config_read(path, text, size, schema, ret_errors, ret_config);
    } else {
        const char *why = strerrordesc_np(-r);
        (void)snprintf(ret_errors->text, sizeof(ret_errors->text), "%.1024s: %s\n", path,
                       why != NULL ? why : "cannot be read");
        ret_errors->used = strlen(ret_errors->text);
        ret_errors->n = 1;
        r = TMX_CONFIG_E_INVALID;
    }
    free(text);
    return r;
}

int tmx_config_look(const char *path, const struct tmx_config_schema *schema, struct tmx_config_errors *ret_errors,
                    struct tmx_config **ret_config)
{
    *ret_config = NULL;
    return load(path, schema, ret_errors, ret_config);
}

int tmx_config_load(const char *path, const struct tmx_config_schema *schema, struct tmx_config_errors *ret_errors,
                    struct tmx_config **ret_config)
{
    struct tmx_config *c;
    int r = tmx_config_look(path, schema, ret_errors, &c);
    if (r != 0) {
        tmx_config_free(c);
        return r;
    }
    *ret_config = c;
    return 0;
}

static const struct tmx_config_value *find(const struct tmx_config *c, const char *section, const char *key,
                                           enum tmx_config_type *ret_type)
{
    size_t i = 0;
    while (i < c->n_parts && strcmp(c->parts[i].heading, section) != 0) {
        i++;
    }
    assert(i < c->n_parts);
    size_t k = tmx_config_find_key(c->schema, c->parts[i].kind->name, key);
    assert(k < c->schema->n_keys);
    *ret_type = c->schema->keys[k].type;
    return &c->parts[i].values[k];
}

const char *tmx_config_string(const struct tmx_config *c, const char *section, const char *key)
{
    enum tmx_config_type type;
    const struct tmx_config_value *v = find(c, section, key, &type);
    assert(type == TMX_CONFIG_STRING || type == TMX_CONFIG_PATH);
    return v->text;
}

uint64_t tmx_config_u64(const struct tmx_config *c, const char *section, const char *key)
{
    enum tmx_config_type type;
    const struct tmx_config_value *v = find(c, section, key, &type);
    assert(type == TMX_CONFIG_NUMBER || type == TMX_CONFIG_SIZE || type == TMX_CONFIG_DURATION);
    return v->number;
}

bool tmx_config_bool(const struct tmx_config *c, const char *section, const char *key)
{
    enum tmx_config_type type;
    const struct tmx_config_value *v = find(c, section, key, &type);
    assert(type == TMX_CONFIG_BOOL);
    return v->number != 0;
}

const char *const *tmx_config_list(const struct tmx_config *c, const char *section, const char *key, size_t *ret_n)
{
    enum tmx_config_type type;
    const struct tmx_config_value *v = find(c, section, key, &type);
    assert(type == TMX_CONFIG_LIST);
    *ret_n = v->n_words;
    return v->words;
}

bool tmx_config_is_set(const struct tmx_config *c, const char *section, const char *key)
{
    enum tmx_config_type type;
    return find(c, section, key, &type)->set;
}

unsigned tmx_config_line(const struct tmx_config *c, const char *section, const char *key)
{
    enum tmx_config_type type;
    return find(c, section, key, &type)->line;
}

const char *tmx_config_named(const struct tmx_config *c, const char *kind, size_t i, const char **ret_name)
{
    size_t seen = 0;
    for (size_t k = 0; k < c->n_parts; k++) {
        const struct tmx_config_part *part = &c->parts[k];
        if (!part->kind->named || strcmp(part->kind->name, kind) != 0) {
            continue;
        }
        if (seen++ == i) {
            *ret_name = part->name;
            return part->heading;
        }
    }
    return NULL;
}

/* `text` as comment lines of at most 100 columns. */
static void print_comment(const char *text, FILE *out)
{
    size_t column = 0;
    while (*text != '\0') {
        size_t word = strcspn(text, " ");
        if (column > 0 && column + 1 + word > 100) {
            fputc('\n', out);
            column = 0;
        }
        fprintf(out, "%s%.*s", column == 0 ? "# " : " ", (int)word, text);
        column += word + (column == 0 ? 2 : 1);
        text += word + strspn(text + word, " ");
    }
    fputc('\n', out);
}

void tmx_config_print(const struct tmx_config_schema *schema, FILE *out)
{
    for (size_t i = 0; i < schema->n_sections; i++) {
        const struct tmx_config_section *s = &schema->sections[i];
        if (i > 0) {
            fputc('\n', out);
        }
        print_comment(s->help, out);
        fprintf(out, "%s[%s%s]\n", s->named ? "#" : "", s->name, s->named ? " NAME" : "");
        for (size_t k = 0; k < schema->n_keys; k++) {
            const struct tmx_config_key *key = &schema->keys[k];
            if (strcmp(key->section, s->name) != 0) {
                continue;
            }
            char allowed[TMX_CONFIG_ALLOWED_SIZE];
            char note[TMX_CONFIG_ALLOWED_SIZE + 16];
            tmx_config_value_allowed(key, allowed);
            (void)snprintf(note, sizeof(note), "(%s%s)", allowed, key->required ? "; required" : "");
            fputc('\n', out);
            print_comment(key->help, out);
            print_comment(note, out);
            fprintf(out, "#%s =%s%s\n", key->name, key->fallback != NULL ? " " : "",
                    key->fallback != NULL ? key->fallback : "");
        }
    }
}
