/* SPDX-License-Identifier: Apache-2.0
 * The configuration in effect, as a file that says the same when it is read.
 */
#include <string.h>
#include <unistd.h>

#include "config_parts.h"

/* Relative to the folder we are in, so that the shown file says the same from everywhere. */
static void print_path(const char *path, FILE *out)
{
    char here[4096] = "";
    if (path[0] != '/' && getcwd(here, sizeof(here)) != NULL) {
        fprintf(out, "%s/", here);
    }
    fputs(path, out);
}

static void print_value(const struct tmx_config_key *key, const struct tmx_config_value *v, FILE *out)
{
    char text[TMX_CONFIG_QUANTITY_SIZE];
    switch (key->type) {
    case TMX_CONFIG_STRING:
        fputs(v->text, out);
        break;
    case TMX_CONFIG_PATH:
        print_path(v->text, out);
        break;
    case TMX_CONFIG_NUMBER:
    case TMX_CONFIG_SIZE:
    case TMX_CONFIG_DURATION:
        tmx_config_quantity(key->type, v->number, text);
        fputs(text, out);
        break;
    case TMX_CONFIG_BOOL:
        fputs(v->number != 0 ? "yes" : "no", out);
        break;
    case TMX_CONFIG_LIST:
        for (size_t i = 0; i < v->n_words; i++) {
            fprintf(out, "%s%s", i == 0 ? "" : " ", v->words[i]);
        }
        break;
    }
}

static void print_key(const struct tmx_config_key *key, const struct tmx_config_value *v, const char *path, FILE *out)
{
    if (!v->set) {
        fprintf(out, "# unset\n#%s =\n", key->name);
        return;
    }
    if (v->line > 0) {
        fprintf(out, "# %s:%u\n", path, v->line);
    } else {
        fprintf(out, "# default\n");
    }
    fprintf(out, "%s = ", key->name);
    print_value(key, v, out);
    fputc('\n', out);
}

void tmx_config_show(const struct tmx_config *c, const char *path, FILE *out)
{
    for (size_t i = 0; i < c->n_parts; i++) {
        const struct tmx_config_part *part = &c->parts[i];
        fprintf(out, "%s[%s]\n", i == 0 ? "" : "\n", part->heading);
        for (size_t k = 0; k < c->schema->n_keys; k++) {
            if (strcmp(c->schema->keys[k].section, part->kind->name) == 0) {
                print_key(&c->schema->keys[k], &part->values[k], path, out);
            }
        }
    }
}
