/* SPDX-License-Identifier: Apache-2.0
 * Reads the header of an NCTS message with libxml2's push parser and handlers of its own. No tree is built and no
 * handler of libxml2's runs, so that no declaration is kept and no entity can expand. */
#include "ncts_xml.h"

#include <libxml/SAX2.h>
#include <libxml/parser.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <tmx/text.h>

#define FEED_SIZE 65536u

/* The elements that are read: their parent below the root ("" = the root itself) and where they go. */
static const struct field {
    const char *parent;
    const char *name;
    size_t offset;
    unsigned max;   /* characters */
    bool required;
} fields[] = {
    { "", "messageSender", offsetof(struct ncts_message, sender), 35, true },
    { "", "messageRecipient", offsetof(struct ncts_message, recipient), 35, true },
    { "", "messageIdentification", offsetof(struct ncts_message, identification), 35, true },
    { "", "messageType", offsetof(struct ncts_message, type), 16, true },
    { "", "correlationIdentifier", offsetof(struct ncts_message, correlation), 35, false },
    { "TransitOperation", "MRN", offsetof(struct ncts_message, mrn), 18, false },
    { "Header", "MRN", offsetof(struct ncts_message, mrn), 18, false },
    { "TransitOperation", "LRN", offsetof(struct ncts_message, lrn), 22, false },
};

struct state {
    xmlParserCtxtPtr parser;
    struct ncts_message message;
    unsigned depth;
    char parent[32];              /* the element at depth 2; "-", which is no name, for a longer one */
    const struct field *field;    /* being read */
    struct tmx_writer text;
    uint8_t text_bytes[4 * NCTS_TEXT_MAX + 64];   /* room for indentation around it */
    bool refused;
    char *reason;
    size_t capacity;
};

static char *value_of(struct ncts_message *m, const struct field *f)
{
    return (char *)m + f->offset;
}

static void refuse(struct state *s, const char *fmt, ...) TMX_PRINTF(2, 3);
static void refuse(struct state *s, const char *fmt, ...)
{
    char sentence[512];
    va_list args;

    if (s->refused) {
        return;   /* the first reason is the one that explains */
    }
    va_start(args, fmt);
    vsnprintf(sentence, sizeof(sentence), fmt, args);
    va_end(args);
    tmx_printable(tmx_bytes_str(sentence), s->reason, s->capacity);
    s->refused = true;
    xmlStopParser(s->parser);
}

static unsigned line(const struct state *s)
{
    int n = xmlSAX2GetLineNumber(s->parser);
    return n > 0 ? (unsigned)n : 0;
}

/* Called at the DOCTYPE, before anything inside it is read. */
static void on_doctype(void *data, const xmlChar *name, const xmlChar *public_id, const xmlChar *system_id)
{
    struct state *s = data;

    refuse(s, "line %u: a document type declaration (DOCTYPE) is not allowed in a customs message%s", line(s),
           public_id != NULL || system_id != NULL ? "; external files are never read" : "");
}

static void on_root(struct state *s, const char *name, const char *namespace)
{
    if (namespace == NULL || strcmp(namespace, NCTS_NAMESPACE) != 0) {
        refuse(s,
               "line %u: the root element %.64s is not an NCTS message: its namespace is %.128s, not " NCTS_NAMESPACE,
               line(s), name, namespace != NULL ? namespace : "missing");
        return;
    }
    if (strlen(name) > NCTS_TEXT_MAX) {
        refuse(s, "line %u: the root element %.64s is not an NCTS message", line(s), name);
        return;
    }
    snprintf(s->message.root, sizeof(s->message.root), "%s", name);
}

static void on_start(void *data, const xmlChar *local_name, const xmlChar *prefix, const xmlChar *namespace,
                     int n_namespaces, const xmlChar **namespaces, int n_attributes, int n_defaulted,
                     const xmlChar **attributes)
{
    struct state *s = data;
    const char *name = (const char *)local_name;

    s->depth++;
    if (s->depth > NCTS_DEPTH_MAX) {
        refuse(s, "line %u: elements are nested more than %u levels deep", line(s), NCTS_DEPTH_MAX);
    } else if (s->field != NULL) {
        refuse(s, "line %u: %s contains an element, %.64s", line(s), s->field->name, name);
    } else if (s->depth == 1) {
        on_root(s, name, (const char *)namespace);
    } else if (s->depth == 2) {
        snprintf(s->parent, sizeof(s->parent), "%s", strlen(name) < sizeof(s->parent) ? name : "-");
    }
    if (s->refused || s->depth < 2 || s->depth > 3) {
        return;
    }
    const char *parent = s->depth == 2 ? "" : s->parent;
    for (size_t i = 0; i < TMX_N(fields); i++) {
        if (strcmp(fields[i].parent, parent) == 0 && strcmp(fields[i].name, name) == 0) {
            s->field = &fields[i];
            s->text = TMX_WRITER_OF(s->text_bytes);
        }
    }
}

static void on_text(void *data, const xmlChar *text, int size)
{
    struct state *s = data;

    if (s->field != NULL && size > 0) {
        tmx_write_bytes(&s->text, TMX_BYTES(text, (size_t)size));
    }
}

static bool blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct tmx_bytes trimmed(struct tmx_bytes b)
{
    while (b.size > 0 && blank(b.data[0])) {
        b = tmx_bytes_slice(b, 1, b.size - 1);
    }
    while (b.size > 0 && blank(b.data[b.size - 1])) {
        b.size--;
    }
    return b;
}

/* Characters of UTF-8, which is what the parser hands out. */
static unsigned characters(struct tmx_bytes b)
{
    unsigned n = 0;

    for (size_t i = 0; i < b.size; i++) {
        n += (b.data[i] & 0xc0) != 0x80;
    }
    return n;
}

static void keep_field(struct state *s)
{
    const struct field *f = s->field;
    char *value = value_of(&s->message, f);

    s->field = NULL;
    struct tmx_bytes text = s->text.failed ? TMX_BYTES_NULL : trimmed(tmx_written(&s->text));
    if (s->text.failed || characters(text) > f->max) {
        refuse(s, "line %u: %s is longer than %u characters", line(s), f->name, f->max);
    } else if (text.size == 0) {
        refuse(s, "line %u: %s is empty", line(s), f->name);
    } else if (value[0] != '\0') {
        refuse(s, "line %u: %s stands there twice", line(s), f->name);
    } else {
        memcpy(value, text.data, text.size);   /* at most max characters of 4 bytes; the rest of the array is zero */
    }
}

static void on_end(void *data, const xmlChar *local_name, const xmlChar *prefix, const xmlChar *namespace)
{
    struct state *s = data;

    if (s->field != NULL && !s->refused) {
        keep_field(s);
    }
    s->depth--;
}

/* The reason is fetched with xmlCtxtGetLastError; without a handler libxml2 would print it. */
static void on_error(void *data, const char *format, ...)
{
}

static void judge_message(struct state *s)
{
    const struct ncts_message *m = &s->message;

    for (size_t i = 0; i < TMX_N(fields); i++) {
        if (fields[i].required && value_of(&s->message, &fields[i])[0] == '\0') {
            refuse(s, "%s is missing below the root element", fields[i].name);
        }
    }
    if (!s->refused && strcmp(m->type, m->root) != 0) {
        refuse(s, "messageType says %s, but the root element is %s", m->type, m->root);
    }
}

static void parse(struct state *s, struct tmx_bytes file)
{
    /* what xmlParseChunk returns counts warnings too */
    for (size_t at = 0; at < file.size && !s->refused && s->parser->wellFormed;) {
        size_t size = file.size - at < FEED_SIZE ? file.size - at : FEED_SIZE;
        xmlParseChunk(s->parser, (const char *)file.data + at, (int)size, 0);
        at += size;
    }
    if (!s->refused) {
        xmlParseChunk(s->parser, NULL, 0, 1);
    }
    if (!s->refused && (!s->parser->wellFormed || !s->parser->nsWellFormed)) {
        const xmlError *e = xmlCtxtGetLastError(s->parser);
        struct tmx_bytes why = tmx_bytes_str(e != NULL && e->message != NULL ? e->message : "it ends too early");
        why = trimmed(why);
        refuse(s, "line %d: not well-formed XML: %.*s", e != NULL ? e->line : 0, (int)why.size, (const char *)why.data);
    }
}

bool ncts_xml_recognise(struct tmx_bytes file)
{
    static const uint8_t utf8_mark[] = { 0xef, 0xbb, 0xbf }, utf16le[] = { 0xff, 0xfe, '<' },
                         utf16be[] = { 0xfe, 0xff, 0 };

    if (file.size < 3) {
        return false;
    }
    struct tmx_bytes start = TMX_BYTES(file.data, 3);
    if (tmx_bytes_eq(start, TMX_BYTES_OF(utf16le)) || tmx_bytes_eq(start, TMX_BYTES_OF(utf16be))) {
        return true;
    }
    if (tmx_bytes_eq(start, TMX_BYTES_OF(utf8_mark))) {
        file = tmx_bytes_slice(file, 3, file.size - 3);
    }
    file = trimmed(file);
    return file.size > 0 && file.data[0] == '<';
}

int ncts_xml_read(struct tmx_bytes file, struct ncts_message *ret_message, char *ret_reason, size_t capacity)
{
    xmlSAXHandler handlers = { .initialized = XML_SAX2_MAGIC,
                               .internalSubset = on_doctype,
                               .startElementNs = on_start,
                               .endElementNs = on_end,
                               .characters = on_text,
                               .ignorableWhitespace = on_text,
                               .cdataBlock = on_text,
                               .warning = on_error,
                               .error = on_error,
                               .fatalError = on_error };
    struct state s = { .reason = ret_reason, .capacity = capacity };

    s.parser = xmlCreatePushParserCtxt(&handlers, &s, NULL, 0, NULL);
    if (s.parser == NULL) {
        return -ENOMEM;
    }
    xmlCtxtUseOptions(s.parser, XML_PARSE_NONET);
    parse(&s, file);
    if (!s.refused) {
        judge_message(&s);
    }
    xmlFreeParserCtxt(s.parser);
    if (s.refused) {
        return NCTS_E_REFUSED;
    }
    *ret_message = s.message;
    return NCTS_OK;
}
