/* SPDX-License-Identifier: Apache-2.0
 * An operator's key, who it belongs to, and the one installation that what it signs now is for.
 */
#include "signer.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include <tmx/clock.h>
#include <tmx/passphrase.h>
#include <tmx/text.h>

#include "actions.h"
#include "ask.h"
#include "screen.h"

static const char *key_path(const char *own, char path[4096])
{
    const char *home = getenv("HOME");
    own = own != NULL ? own : getenv("TMX_OPERATOR_KEY");
    if (own != NULL) {
        return own;
    }
    (void)snprintf(path, 4096, "%s/.config/tmx/operator.key", home != NULL ? home : "");
    return path;
}

/* The installation comes from the operator, never from who answers: else a daemon that is not the one meant could have signed for
 * itself what is then done elsewhere. */
static bool is_meant(const char *path, const struct tmx_keyfile *key, const char *given, const char *here)
{
    const char *meant = given != NULL ? given : key->installation;
    if (given != NULL && key->installation[0] != '\0' && strcmp(given, key->installation) != 0) {
        fprintf(stderr, "tmxctl: nothing was signed: %s is a key for %s, and --installation says %s\n", path, key->installation, given);
        return false;
    }
    if (meant[0] == '\0') {
        fprintf(stderr, "tmxctl: nothing was signed: %s is for no installation in particular: say which one is meant, --installation NAME "
                        "(the one that answers calls itself %s)\n", path, here);
        return false;
    }
    if (strcmp(meant, here) != 0) {
        fprintf(stderr, "tmxctl: nothing was signed: it is meant for %s, and %s answers here (other-installation)\n", meant, here);
        return false;
    }
    return true;
}

/* The operator of the daemon's list whose key this is. */
static bool find_operator(struct signer *s, const json_t *reply, const uint8_t public[32])
{
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(reply, "operators"), i, row)
    {
        const char *text = json_string_value(json_object_get(row, "key"));
        if (text != NULL && tmx_verify_key_parse(tmx_bytes_str(text), &s->key) && memcmp(s->key.key, public, 32) == 0) {
            return true;
        }
    }
    return false;
}

static int take_key(struct signer *s, const char *path, const char *installation, const json_t *reply)
{
    struct tmx_keyfile key;
    struct tmx_passphrase *passphrase = NULL;
    char error[512];
    const char *here = text_of(reply, "installation");
    int code = EXIT_REFUSED;
    (void)sodium_mlock(&key, sizeof(key));
    if (tmx_keyfile_read(path, "operator", tmx_passphrase_ask, &passphrase, &key, error, sizeof(error)) < 0) {
        fprintf(stderr, "tmxctl: %s\n", error);
    } else if (is_meant(path, &key, installation, here)) {
        if (find_operator(s, reply, key.public)) {
            memcpy(s->secret, key.secret, sizeof(s->secret));
            (void)snprintf(s->installation, sizeof(s->installation), "%s", here);
            code = EXIT_OK;
        } else {
            fprintf(stderr, "tmxctl: %s is no key of an operator of %s: tmxctl operators lists them\n", path, here);
        }
    }
    tmx_passphrase_free(passphrase);
    (void)sodium_munlock(&key, sizeof(key));   /* wipes it */
    return code;
}

int signer_load(struct signer *s, const char *own, const char *installation)
{
    char path[4096];
    json_t *reply = NULL;
    (void)sodium_mlock(s, sizeof(*s));
    if (action_ask((const char *[]){ "operators" }, 1, TMX_BYTES_NULL, &reply) < 0) {
        return EXIT_UNKNOWN;
    }
    int code = action_refused(reply) ? EXIT_REFUSED : take_key(s, key_path(own, path), installation, reply);
    json_decref(reply);
    return code;
}

void signer_end(struct signer *s)
{
    (void)sodium_munlock(s, sizeof(*s));
}

int signer_ask(const struct signer *s, struct tmx_operation *op, const char *reason, json_t **ret_reply)
{
    static uint8_t text[TMX_OPERATION_MAX], note[TMX_OPERATION_MAX];
    struct tmx_writer w = TMX_WRITER_OF(text), signed_text = TMX_WRITER_OF(note);
    memcpy(op->installation, s->installation, sizeof(op->installation));
    memcpy(op->reason, reason, strlen(reason) + 1);
    op->time_ms = tmx_clock_wall_ms();
    randombytes_buf(op->nonce, sizeof(op->nonce));
    tmx_operation_text(op, &w);
    tmx_note_sign(&signed_text, tmx_written(&w), &s->key, s->secret);
    int r = action_ask((const char *[]){ "operate" }, 1, tmx_written(&signed_text), ret_reply);
    return r < 0 ? EXIT_UNKNOWN : action_refused(*ret_reply) ? EXIT_REFUSED : EXIT_OK;
}
