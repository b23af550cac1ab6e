/* SPDX-License-Identifier: Apache-2.0
 * Who the operators are, what they did and propose; their keys and their list, as files.
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <tmx/passphrase.h>
#include <tmx/startup.h>

#include "actions.h"
#include "ask.h"
#include "screen.h"


static const char *rights_text(const json_t *row, const char *key)
{
    static char text[512];
    size_t i, used = 0;
    json_t *right;
    text[0] = '\0';
    json_array_foreach(json_object_get(row, key), i, right)
    {
        const char *name = json_string_value(right);
        int n = snprintf(text + used, sizeof(text) - used, "%s%s", i > 0 ? "," : "", name != NULL ? name : "?");
        used += n > 0 && (size_t)n < sizeof(text) - used ? (size_t)n : 0;
    }
    return text;
}

static void show_operators(const json_t *reply)
{
    static const struct field fields[] = {
        { "OPERATOR", 0, text_of, "name" },
        { "RIGHTS", 0, rights_text, "rights" },
    };
    printf("operators of %s\n", text_of(reply, "installation"));
    table_show(json_object_get(reply, "operators"), fields, TMX_N(fields));
}

static const char *count_of(const json_t *row, const char *key)
{
    static char text[32];
    (void)snprintf(text, sizeof(text), "%zu", json_array_size(json_object_get(row, key)));
    return text;
}

static void show_proposals(const json_t *reply)
{
    static const struct field fields[] = {
        { "PROPOSAL", SCOLS_FL_RIGHT, number_of, "index" }, { "TO", 0, text_of, "of" },
        { "DELIVERIES", SCOLS_FL_RIGHT, count_of, "deliveries" }, { "BY", 0, text_of, "by" },
        { "UNTIL", 0, time_of, "until_at_ms" },             { "REASON", SCOLS_FL_TRUNC, text_of, "reason" },
    };
    if (json_array_size(json_object_get(reply, "proposals")) == 0) {
        printf("no proposal is open\n");
        return;
    }
    table_show(json_object_get(reply, "proposals"), fields, TMX_N(fields));
    printf("\nAnother operator looks at one, and does it: tmxctl approve PROPOSAL\n");
}

static void show_operations(const json_t *reply)
{
    static const struct field fields[] = {
        { "ENTRY", SCOLS_FL_RIGHT, number_of, "index" }, { "WHEN", 0, time_of, "at_ms" },
        { "BY", 0, text_of, "by" },                      { "ACTION", 0, text_of, "action" },
        { "OF", 0, text_of, "of" },                      { "MEMBER", 0, text_of, "member" },
        { "DELIVERIES", SCOLS_FL_RIGHT, count_of, "deliveries" }, { "REASON", SCOLS_FL_TRUNC, text_of, "reason" },
    };
    if (json_array_size(json_object_get(reply, "operations")) == 0) {
        printf("no operator has done anything\n");
        return;
    }
    table_show(json_object_get(reply, "operations"), fields, TMX_N(fields));
}

/* Writes the key, under a passphrase when that is wanted; what is wrong is said. */
static bool write_key(const char *path, const struct tmx_keyfile *key, bool sealed)
{
    char error[512];
    struct tmx_passphrase *passphrase = sealed ? tmx_passphrase_get(path, true, error, sizeof(error)) : NULL;
    if (sealed && passphrase == NULL) {
        fprintf(stderr, "tmxctl: %s\n", error);
        return false;
    }
    int r = tmx_keyfile_write(path, "operator", key, sealed ? tmx_passphrase_bytes(passphrase) : TMX_BYTES_NULL);
    if (r < 0) {
        fprintf(stderr, "tmxctl: %s: %s\n", path, strerror(-r));
    }
    tmx_passphrase_free(passphrase);
    return r == 0;
}

static int make_key(const char *name, const char *path, const char *installation, bool sealed)
{
    struct tmx_keyfile file = { .installation = "" };
    struct tmx_verify_key key;
    char text[TMX_KEYNAME_MAX + 128];
    struct tmx_writer w = TMX_WRITER_OF(text);
    if (installation != NULL && !tmx_key_name_ok(tmx_bytes_str(installation))) {
        fprintf(stderr, "tmxctl: `%s' is no name of an installation: printable characters without space and +\n", installation);
        return EXIT_USAGE;
    }
    (void)snprintf(file.installation, sizeof(file.installation), "%s", installation != NULL ? installation : "");
    (void)sodium_mlock(&file, sizeof(file));
    tmx_keyfile_generate("operator", file.public, file.secret);
    int code = EXIT_OK;
    if (!tmx_verify_key_init(tmx_bytes_str(name), TMX_NOTE_ED25519, file.public, &key)) {
        fprintf(stderr, "tmxctl: `%s' is no name of a key: printable characters without space and +\n", name);
        code = EXIT_USAGE;
    } else if (!write_key(path, &file, sealed)) {
        code = EXIT_REFUSED;
    }
    (void)sodium_munlock(&file, sizeof(file));   /* wipes it */
    if (code == EXIT_OK) {
        tmx_verify_key_format(&key, &w);
        tmx_write_u8(&w, '\n');
        fwrite(text, 1, tmx_written(&w).size, stdout);
    }
    return code;
}

/* The text of the list: all of the file, or what is above its signature of before. */
static struct tmx_bytes text_of_list(struct tmx_bytes file)
{
    struct tmx_bytes text, lines;
    return tmx_note_split(file, &text, &lines) ? text : file;
}

static int sign_list(const char *path, const char *key_path)
{
    uint8_t *file = NULL, note[TMX_OPERATORS_FILE_MAX + 1024];
    size_t size;
    char error[512];
    struct tmx_keyfile installation;
    struct tmx_passphrase *passphrase = NULL;
    struct tmx_verify_key key;
    struct tmx_operators list;
    struct tmx_writer w = TMX_WRITER_OF(note);
    if (tmx_startup_file("tmxctl", path, TMX_OPERATORS_FILE_MAX, "list of operators", &file, &size) < 0) {
        return EXIT_REFUSED;
    }
    struct tmx_bytes text = text_of_list(TMX_BYTES(file, size));
    int code = EXIT_REFUSED;
    (void)sodium_mlock(&installation, sizeof(installation));
    if (!tmx_operators_parse(text, &list, error, sizeof(error))) {
        fprintf(stderr, "tmxctl: %s: %s\n", path, error);
    } else if (tmx_keyfile_read(key_path, "operator", tmx_passphrase_ask, &passphrase, &installation, error, sizeof(error)) < 0) {
        fprintf(stderr, "tmxctl: %s\n", error);
    } else if (tmx_verify_key_init(tmx_bytes_str(list.installation), TMX_NOTE_ED25519, installation.public, &key)) {
        tmx_note_sign(&w, text, &key, installation.secret);
        struct stat st;
        int r = w.failed ? -EMSGSIZE : stat(path, &st) < 0 ? -errno : tmx_startup_keep(path, tmx_written(&w));
        r = r < 0 ? r : chmod(path, st.st_mode & 07777) < 0 ? -errno : 0;
        code = r < 0 ? EXIT_REFUSED : EXIT_OK;
        if (r < 0) {
            fprintf(stderr, "tmxctl: %s: %s\n", path, strerror(-r));
        } else {
            printf("operators of %s: %zu\n", list.installation, list.n);
        }
    }
    tmx_passphrase_free(passphrase);
    (void)sodium_munlock(&installation, sizeof(installation));   /* wipes it */
    free(file);
    return code;
}

int operators_command(const char *const *words, size_t n, const char *installation, bool passphrase, bool json)
{
    bool list = strcmp(words[0], "operators") == 0;
    if (list && n == 4 && strcmp(words[1], "key") == 0) {
        return make_key(words[2], words[3], installation, passphrase);
    }
    if (list && n == 4 && strcmp(words[1], "sign") == 0) {
        return sign_list(words[2], words[3]);
    }
    if (n != 1) {
        fprintf(stderr, "tmxctl: `%s' stands alone%s\nTry `tmxctl --help'.\n", words[0],
                list ? ", or is followed by key NAME FILE or sign FILE KEY" : "");
        return EXIT_USAGE;
    }
    json_t *reply = NULL;
    if (action_ask(words, 1, TMX_BYTES_NULL, &reply) < 0) {
        return EXIT_UNKNOWN;
    }
    int code = action_refused(reply) ? EXIT_REFUSED : EXIT_OK;
    if (code == EXIT_OK && json) {
        print_json(reply);
    } else if (code == EXIT_OK) {
        list ? show_operators(reply) : strcmp(words[0], "proposals") == 0 ? show_proposals(reply) : show_operations(reply);
    }
    json_decref(reply);
    return code;
}
