/* SPDX-License-Identifier: Apache-2.0
 * The operators of an installation, and their rights.
 */
#include <stdio.h>
#include <string.h>

#include <tmx/operator.h>
#include <tmx/text.h>

static const struct {
    const char *name;
    enum tmx_operation_target target;
    bool by_two;
} actions[TMX_ACTIONS_END] = {
#define X(number, NAME, name, target, two) [number] = { name, target, two },
    TMX_ACTIONS(X)
#undef X
};

const char *tmx_action_name(unsigned action)
{
    return action > 0 && action < TMX_ACTIONS_END ? actions[action].name : "none";
}

bool tmx_action_find(struct tmx_bytes name, enum tmx_action *ret_action)
{
    for (unsigned i = 1; i < TMX_ACTIONS_END; i++) {
        if (tmx_bytes_eq(name, tmx_bytes_str(actions[i].name))) {
            *ret_action = (enum tmx_action)i;
            return true;
        }
    }
    return false;
}

enum tmx_operation_target tmx_action_target(enum tmx_action action)
{
    assert(action > 0 && action < TMX_ACTIONS_END);
    return actions[action].target;
}

bool tmx_action_by_two(enum tmx_action action)
{
    assert(action > 0 && action < TMX_ACTIONS_END);
    return actions[action].by_two;
}

bool tmx_action_at_broker(enum tmx_action action)
{
    return action != TMX_ACTION_TRUST && action != TMX_ACTION_REPLAY && action != TMX_ACTION_PING;
}

bool tmx_action_at_node(enum tmx_action action)
{
    return !tmx_action_at_broker(action) || action == TMX_ACTION_HOLD || action == TMX_ACTION_RELEASE || action == TMX_ACTION_RETRY ||
           action == TMX_ACTION_RELOAD;
}

/* Rights are to actions that change something: who may do one may propose it, approve and withdraw it. */
static bool is_right(enum tmx_action action)
{
    return action < TMX_ACTION_PROPOSE || action > TMX_ACTION_LAPSE;
}

/* `text` up to `end`, or all of it when that is missing; the rest is what is left. */
static struct tmx_bytes take_word(struct tmx_bytes *text, char end)
{
    const uint8_t *at = text->size > 0 ? memchr(text->data, end, text->size) : NULL;
    const size_t size = at == NULL ? text->size : (size_t)(at - text->data);
    const struct tmx_bytes word = tmx_bytes_slice(*text, 0, size);
    const size_t used = at == NULL ? size : size + 1;
    *text = tmx_bytes_slice(*text, used, text->size - used);
    return word;
}

static bool rights_parse(struct tmx_bytes text, uint32_t *ret_rights)
{
    enum tmx_action action;
    uint32_t rights = 0;
    if (tmx_bytes_eq(text, TMX_LIT("all"))) {
        *ret_rights = UINT32_MAX;
        return true;
    }
    while (text.size > 0) {
        if (!tmx_action_find(take_word(&text, ','), &action) || !is_right(action)) {
            return false;
        }
        rights |= UINT32_C(1) << action;
    }
    *ret_rights = rights;
    return rights != 0;
}

/* What is wrong with the line of an operator, or NULL. */
static const char *operator_parse(struct tmx_bytes line, struct tmx_operators *o)
{
    struct tmx_operator *new = &o->operators[o->n];
    if (o->n == TMX_OPERATORS_MAX) {
        return "too many operators";
    }
    if (!tmx_bytes_eq(take_word(&line, ' '), TMX_LIT("operator"))) {
        return "a line begins with `operator'";
    }
    if (!tmx_verify_key_parse(take_word(&line, ' '), &new->key) || new->key.type != TMX_NOTE_ED25519) {
        return "no verifier key (name+id+base64) stands behind `operator'";
    }
    if (!rights_parse(line, &new->rights)) {
        return "rights are `all', or names of actions with commas between them";
    }
    for (size_t i = 0; i < o->n; i++) {
        /* One key under two names would be two operators. */
        if (memcmp(o->operators[i].key.key, new->key.key, sizeof(new->key.key)) == 0 ||
            strcmp(o->operators[i].key.name, new->key.name) == 0) {
            return "an operator, or a key, stands there twice";
        }
    }
    o->n++;
    return NULL;
}

bool tmx_operators_parse(struct tmx_bytes text, struct tmx_operators *ret_operators, char *ret_error, size_t capacity)
{
    struct tmx_operators o = { .n = 0 };
    struct tmx_bytes line, word;
    unsigned number = 2;
    const char *wrong = NULL;
    if (!tmx_take_line(&text, &line) || !tmx_bytes_eq(line, TMX_LIT("tmx-operators@v1"))) {
        snprintf(ret_error, capacity, "line 1: the first line is `tmx-operators@v1'");
        return false;
    }
    if (!tmx_take_line(&text, &line) || (word = take_word(&line, ' '), !tmx_bytes_eq(word, TMX_LIT("installation"))) ||
        !tmx_key_name_ok(line)) {
        snprintf(ret_error, capacity, "line 2: the second line is `installation NAME'");
        return false;
    }
    memcpy(o.installation, line.data, line.size);
    while (text.size > 0 && wrong == NULL) {
        number++;
        wrong = tmx_take_line(&text, &line) ? operator_parse(line, &o) : "the last line has no end";
    }
    if (wrong != NULL || o.n == 0) {
        snprintf(ret_error, capacity, "line %u: %s", number, wrong != NULL ? wrong : "no operator is listed");
        return false;
    }
    *ret_operators = o;
    return true;
}

bool tmx_operators_verify(struct tmx_bytes note, const struct tmx_verify_key *key, struct tmx_operators *ret_operators, char *ret_error,
                          size_t capacity)
{
    struct tmx_operators o;
    struct tmx_bytes text;
    if (!tmx_note_verify(note, key, &text)) {
        snprintf(ret_error, capacity, "it is not signed by the installation's key %s: sign it with tmxctl operators sign", key->name);
        return false;
    }
    if (!tmx_operators_parse(text, &o, ret_error, capacity)) {
        return false;
    }
    if (strcmp(o.installation, key->name) != 0) {
        snprintf(ret_error, capacity, "it is of the installation %s, not of %s", o.installation, key->name);
        return false;
    }
    *ret_operators = o;
    return true;
}

const struct tmx_operator *tmx_operators_by_key(const struct tmx_operators *o, const uint8_t public[32])
{
    for (size_t i = 0; i < o->n; i++) {
        if (memcmp(o->operators[i].key.key, public, sizeof(o->operators[i].key.key)) == 0) {
            return &o->operators[i];
        }
    }
    return NULL;
}

bool tmx_operator_may(const struct tmx_operator *o, enum tmx_action action)
{
    return is_right(action) && (o->rights & UINT32_C(1) << action) != 0;
}
