/* SPDX-License-Identifier: Apache-2.0
 * What an operator asks, as the text that is signed.
 */
#include <string.h>

#include <tmx/identifier.h>
#include <tmx/operator.h>
#include <tmx/text.h>

#define LINE_MAX 512u

bool tmx_operation_reason_ok(struct tmx_bytes reason)
{
    char text[4 * TMX_OPERATION_REASON_MAX + 1];
    if (reason.size == 0 || reason.size > TMX_OPERATION_REASON_MAX || reason.data[0] == ' ' || reason.data[reason.size - 1] == ' ') {
        return false;
    }
    tmx_printable(reason, text, sizeof(text));
    return tmx_bytes_eq(reason, tmx_bytes_str(text));
}

static void write_proposal(const struct tmx_operation *op, struct tmx_writer *w)
{
    char digest[TMX_BASE64_SIZE(TMX_HASH_SIZE)];
    tmx_base64(TMX_BYTES_OF(op->proposal_digest), digest);
    tmx_write_fmt(w, "proposal %llu %s\n", (unsigned long long)op->proposal, digest);
}

void tmx_operation_text(const struct tmx_operation *op, struct tmx_writer *w)
{
    char nonce[TMX_BASE64_SIZE(TMX_OPERATION_NONCE)], id[TMX_ID_TEXT_SIZE];
    tmx_write_fmt(w, "tmx-operation@v1\ninstallation %s\naction %s\n", op->installation, tmx_action_name(op->action));
    if (op->of != TMX_ACTION_NONE) {
        tmx_write_fmt(w, "of %s\n", tmx_action_name(op->of));
    }
    if (tmx_action_target(op->action) == TMX_TARGET_PROPOSAL) {
        write_proposal(op, w);
    }
    if (op->member[0] != '\0') {
        tmx_write_fmt(w, "member %s\n", op->member);
    }
    for (size_t i = 0; i < op->n_targets; i++) {
        tmx_id_text(op->targets[i].id, id);
        tmx_write_fmt(w, "delivery %s %s\n", id, op->targets[i].recipient);
    }
    tmx_base64(TMX_BYTES_OF(op->nonce), nonce);
    tmx_write_fmt(w, "reason %s\ntime %llu\nnonce %s\n", op->reason, (unsigned long long)op->time_ms, nonce);
}

/* Splits a line into its first word and the rest. */
static struct tmx_bytes cut(struct tmx_bytes *line)
{
    const uint8_t *space = line->size > 0 ? memchr(line->data, ' ', line->size) : NULL;
    const size_t size = space == NULL ? line->size : (size_t)(space - line->data);
    const struct tmx_bytes word = tmx_bytes_slice(*line, 0, size);
    const size_t used = space == NULL ? size : size + 1;
    *line = tmx_bytes_slice(*line, used, line->size - used);
    return word;
}

static bool copy_text(struct tmx_bytes text, char *ret_text, size_t max)
{
    if (text.size > max) {
        return false;
    }
    memcpy(ret_text, text.data, text.size);
    ret_text[text.size] = '\0';
    return true;
}

static bool take_member(struct tmx_bytes code, char ret_code[TMX_MEMBER_MAX + 1])
{
    return tmx_member_valid(code) && copy_text(code, ret_code, TMX_MEMBER_MAX);
}

static bool take_delivery(struct tmx_bytes rest, struct tmx_operation *op)
{
    struct tmx_operation_delivery *t = &op->targets[op->n_targets];
    const struct tmx_bytes id = cut(&rest);
    if (op->n_targets == TMX_OPERATION_TARGETS_MAX || !tmx_parse_id(id, t->id) || !take_member(rest, t->recipient)) {
        return false;
    }
    for (size_t i = 0; i < op->n_targets; i++) {
        if (memcmp(op->targets[i].id, t->id, sizeof(t->id)) == 0 && strcmp(op->targets[i].recipient, t->recipient) == 0) {
            return false;
        }
    }
    op->n_targets++;
    return true;
}

static bool take_digest(struct tmx_bytes text, uint8_t ret_bytes[32])
{
    size_t size = 0;
    return tmx_unbase64(text, ret_bytes, 32, &size) && size == 32;
}

/* One line; what it says twice, or where it has no place, shows when the text is made again. */
static bool take_line(struct tmx_bytes line, struct tmx_operation *op)
{
    const struct tmx_bytes word = cut(&line);
    if (tmx_bytes_eq(word, TMX_LIT("installation"))) {
        return tmx_key_name_ok(line) && copy_text(line, op->installation, TMX_KEYNAME_MAX);
    }
    if (tmx_bytes_eq(word, TMX_LIT("action"))) {
        return tmx_action_find(line, &op->action);
    }
    if (tmx_bytes_eq(word, TMX_LIT("of"))) {
        return tmx_action_find(line, &op->of);
    }
    if (tmx_bytes_eq(word, TMX_LIT("proposal"))) {
        return tmx_parse_u64(cut(&line), UINT64_MAX, &op->proposal) && take_digest(line, op->proposal_digest);
    }
    if (tmx_bytes_eq(word, TMX_LIT("member"))) {
        return take_member(line, op->member);
    }
    if (tmx_bytes_eq(word, TMX_LIT("delivery"))) {
        return take_delivery(line, op);
    }
    if (tmx_bytes_eq(word, TMX_LIT("reason"))) {
        return tmx_operation_reason_ok(line) && copy_text(line, op->reason, TMX_OPERATION_REASON_MAX);
    }
    if (tmx_bytes_eq(word, TMX_LIT("time"))) {
        return tmx_parse_u64(line, UINT64_MAX, &op->time_ms);
    }
    return tmx_bytes_eq(word, TMX_LIT("nonce")) && take_digest(line, op->nonce);
}

/* It names what its action is about, and nothing else. */
static bool target_fits(const struct tmx_operation *op, enum tmx_action action)
{
    const bool member = op->member[0] != '\0', deliveries = op->n_targets > 0;
    if (action == TMX_ACTION_NONE) {
        return false;
    }
    switch (tmx_action_target(action)) {
    case TMX_TARGET_NONE:
    case TMX_TARGET_PROPOSAL:
        return !member && !deliveries;
    case TMX_TARGET_MEMBER:
        return member && !deliveries;
    case TMX_TARGET_DELIVERIES:
        return !member && deliveries;
    case TMX_TARGET_EITHER:
        return member != deliveries;
    case TMX_TARGET_ACTION:
        break;
    }
    return false;
}

bool tmx_operation_parse(struct tmx_bytes text, struct tmx_operation *ret_operation)
{
    struct tmx_operation op = { .action = TMX_ACTION_NONE };
    struct tmx_bytes left = text, line;
    uint8_t again[TMX_OPERATION_MAX];
    struct tmx_writer w = TMX_WRITER_OF(again);
    if (text.size > sizeof(again) || !tmx_take_line(&left, &line)) {
        return false;
    }
    while (left.size > 0) {
        if (!tmx_take_line(&left, &line) || line.size > LINE_MAX || !take_line(line, &op)) {
            return false;
        }
    }
    if (op.action == TMX_ACTION_NONE) {
        return false;
    }
    const bool proposes = tmx_action_target(op.action) == TMX_TARGET_ACTION;
    if (proposes != (op.of != TMX_ACTION_NONE) || (proposes && !tmx_action_by_two(op.of)) ||
        !target_fits(&op, proposes ? op.of : op.action)) {
        return false;
    }
    tmx_operation_text(&op, &w);
    if (w.failed || !tmx_bytes_eq(tmx_written(&w), text)) {
        return false;
    }
    *ret_operation = op;
    return true;
}

const struct tmx_operator *tmx_operation_signer(const struct tmx_operators *operators, struct tmx_bytes note, struct tmx_bytes *ret_text)
{
    for (size_t i = 0; i < operators->n; i++) {
        if (tmx_note_verify(note, &operators->operators[i].key, ret_text)) {
            return &operators->operators[i];
        }
    }
    return NULL;
}
