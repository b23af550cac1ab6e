/* SPDX-License-Identifier: Apache-2.0
 * Decides what a file is sent as: see compose.h. */
#include "compose.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include <tmx/identifier.h>
#include <tmx/text.h>

#define XML_MEDIA_TYPE "application/xml"
#define ADDRESS_PREFIX "NTA."   /* messageSender and messageRecipient: NTA.DE */
#define DIGEST_SIZE 16u         /* of a reference made from the content */

/* One message for every administration, although its XML can name one recipient only. */
static const char *const broadcast_types[] = { "CD071C", "CD971C" };

static bool broadcast(const char *type)
{
    for (size_t i = 0; i < TMX_N(broadcast_types); i++) {
        if (strcmp(type, broadcast_types[i]) == 0) {
            return true;
        }
    }
    return false;
}

static bool xml_media_type(const char *media_type)
{
    return strcmp(media_type, XML_MEDIA_TYPE) == 0 || strcmp(media_type, "text/xml") == 0;
}

/* The member code of an address; NULL when it has another form. */
static const char *member_of(const char *address)
{
    size_t size = strlen(ADDRESS_PREFIX);

    if (strncmp(address, ADDRESS_PREFIX, size) != 0 || !tmx_member_valid(tmx_bytes_str(address + size))) {
        return NULL;
    }
    return address + size;
}

/* An option against what the XML says of the same thing: either may be absent, but they may not differ. */
static bool settle(const char *option, const char *given, const char *element, const char *found,
                   const char **ret_value, char *ret_reason, size_t capacity)
{
    if (given != NULL && found[0] != '\0' && strcmp(given, found) != 0) {
        snprintf(ret_reason, capacity, "%s says %s, but %s in the file is %s", option, given, element, found);
        return false;
    }
    *ret_value = given != NULL ? given : found;
    return true;
}

static bool split_recipients(const char *to, struct draft *d, char *ret_reason, size_t capacity)
{
    char *rest = d->recipient_texts, *code;
    size_t n = 0;

    if (strlen(to) >= sizeof(d->recipient_texts)) {
        snprintf(ret_reason, capacity, "--to names more than %u recipients", TMX_RECIPIENTS_MAX);
        return false;
    }
    snprintf(d->recipient_texts, sizeof(d->recipient_texts), "%s", to);
    while ((code = strsep(&rest, ",")) != NULL) {
        if (!tmx_member_valid(tmx_bytes_str(code))) {
            snprintf(ret_reason, capacity, "--to: `%s' is not a member code such as IT", code);
            return false;
        }
        for (size_t i = 0; i < n; i++) {
            if (strcmp(d->recipients[i], code) == 0) {
                snprintf(ret_reason, capacity, "--to names %s twice", code);
                return false;
            }
        }
        if (n == TMX_RECIPIENTS_MAX) {
            snprintf(ret_reason, capacity, "--to names more than %u recipients", TMX_RECIPIENTS_MAX);
            return false;
        }
        d->recipients[n++] = code;
    }
    d->submission.recipients = d->recipients;
    d->submission.n_recipients = n;
    return true;
}

static bool addressed(const struct draft *d, const char *member)
{
    for (size_t i = 0; i < d->submission.n_recipients; i++) {
        if (strcmp(d->recipients[i], member) == 0) {
            return true;
        }
    }
    return false;
}

static bool settle_recipients(const struct compose_options *o, struct draft *d, char *ret_reason, size_t capacity)
{
    const char *named = member_of(d->xml.recipient);

    if (o->to == NULL && named == NULL) {
        snprintf(ret_reason, capacity,
                 "messageRecipient is %s, not " ADDRESS_PREFIX "<member>: name the member with --to", d->xml.recipient);
        return false;
    }
    if (!split_recipients(o->to != NULL ? o->to : named, d, ret_reason, capacity)) {
        return false;
    }
    if (named != NULL && !addressed(d, named) && !broadcast(d->xml.type)) {
        snprintf(ret_reason, capacity, "--to says %s, but messageRecipient in the file is %s", o->to, d->xml.recipient);
        return false;
    }
    return true;
}

static bool compose_xml(const struct compose_options *o, const char *member, struct draft *d, char *ret_reason,
                        size_t capacity)
{
    struct tmx_client_submission *s = &d->submission;
    const struct ncts_message *x = &d->xml;
    const char *sender = member_of(x->sender);

    if (sender == NULL || strcmp(sender, member) != 0) {
        snprintf(ret_reason, capacity, "messageSender in the file is %s, but this node sends for " ADDRESS_PREFIX "%s",
                 x->sender, member);
        return false;
    }
    if (!settle("--type", o->type, "messageType", x->type, &s->message_type, ret_reason, capacity) ||
        !settle("--mrn", o->mrn, "MRN", x->mrn, &s->mrn, ret_reason, capacity) ||
        !settle("--lrn", o->lrn, "LRN", x->lrn, &s->lrn, ret_reason, capacity) ||
        !settle("--business-id", o->business_id, "messageIdentification", x->identification, &s->business_id,
                ret_reason, capacity) ||
        !settle("--correlation", o->correlation, "correlationIdentifier", x->correlation, &s->business_correlation,
                ret_reason, capacity)) {
        return false;
    }
    s->media_type = o->media_type != NULL ? o->media_type : XML_MEDIA_TYPE;
    return settle_recipients(o, d, ret_reason, capacity);
}

static bool compose_opaque(const struct compose_options *o, struct draft *d, char *ret_reason, size_t capacity)
{
    struct tmx_client_submission *s = &d->submission;

    if (o->type == NULL || o->to == NULL) {
        snprintf(ret_reason, capacity,
                 "is not an NCTS message that names its type and recipient: give --type and --to");
        return false;
    }
    s->message_type = o->type;
    s->mrn = o->mrn;
    s->lrn = o->lrn;
    s->business_id = o->business_id;
    s->business_correlation = o->correlation;
    s->media_type = o->media_type;
    return split_recipients(o->to, d, ret_reason, capacity);
}

/* Sending the same thing twice must not send it twice. Within one sender messageIdentification is unique; anything else
 * is the same when content and options are, whatever the file is called. What replaces another message is a new one,
 * though its messageIdentification may be that of the first. */
static void derive_reference(struct draft *d, const struct compose_options *o)
{
    const struct tmx_client_submission *s = &d->submission;
    crypto_generichash_state state;
    uint8_t digest[DIGEST_SIZE];

    size_t size = strlen(d->xml.identification);
    if (size > 0 && size < sizeof(d->reference) && o->replaces == NULL) {
        memcpy(d->reference, d->xml.identification, size + 1);
        return;
    }
    const char *const parts[] = { s->message_type, o->to, s->mrn, s->lrn, s->business_id, s->business_correlation,
                                  s->media_type };
    uint8_t numbers[16];
    struct tmx_writer w = TMX_WRITER_OF(numbers);
    tmx_write_u64(&w, s->priority);
    tmx_write_u64(&w, o->lasts_ms);
    crypto_generichash_init(&state, NULL, 0, sizeof(digest));
    for (size_t i = 0; i < TMX_N(parts); i++) {
        const char *part = parts[i] != NULL ? parts[i] : "";
        crypto_generichash_update(&state, (const uint8_t *)part, strlen(part) + 1);   /* NULs separate */
    }
    crypto_generichash_update(&state, numbers, sizeof(numbers));
    if (o->replaces != NULL) {
        crypto_generichash_update(&state, o->replaces, TMX_ID_SIZE);
    }
    crypto_generichash_update(&state, s->payload, s->payload_bytes);
    crypto_generichash_final(&state, digest, sizeof(digest));
    tmx_hex(TMX_BYTES_OF(digest), d->reference);
}

/* The last part of the path, when it can be shown as it is. */
static const char *plain_name(const char *path, char *name, size_t capacity)
{
    const char *slash = strrchr(path, '/');
    const char *base = slash != NULL ? slash + 1 : path;

    tmx_printable(tmx_bytes_str(base), name, capacity);
    return strcmp(path, "-") != 0 && strcmp(name, base) == 0 ? name : NULL;
}

int compose(const struct compose_options *o, const char *member, const char *path, struct tmx_bytes payload,
            struct draft *d, char *ret_reason, size_t capacity)
{
    bool xml = ncts_xml_recognise(payload) && (o->media_type == NULL || xml_media_type(o->media_type));

    *d = (struct draft){ 0 };
    d->submission.payload = payload.data;
    d->submission.payload_bytes = payload.size;
    d->submission.priority = o->priority;
    d->submission.expires_ms = o->lasts_ms != 0 ? o->now_ms + o->lasts_ms : 0;
    d->submission.replaces = o->replaces;
    d->submission.file_name = plain_name(path, d->file_name, sizeof(d->file_name));
    if (xml) {
        int r = ncts_xml_read(payload, &d->xml, ret_reason, capacity);
        if (r != NCTS_OK) {
            return r < 0 ? r : COMPOSE_E_REFUSED;
        }
    }
    if (!(xml ? compose_xml(o, member, d, ret_reason, capacity) : compose_opaque(o, d, ret_reason, capacity))) {
        return COMPOSE_E_REFUSED;
    }
    derive_reference(d, o);
    d->submission.reference = o->reference != NULL ? o->reference : d->reference;
    return COMPOSE_OK;
}
