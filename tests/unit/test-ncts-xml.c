/* SPDX-License-Identifier: Apache-2.0
 * What is read from NCTS messages, what is refused, and how a file and options become a submission (CON-3, CAT-3). */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <tmx/identifier.h>

#include "../../node/cli/compose.h"
#include "../../node/cli/ncts_xml.h"

#define FILE_SIZE (1u << 20)
#define HEAD "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
#define OPEN "<n:CD006C xmlns:n=\"http://ncts.dgtaxud.ec\" PhaseID=\" NCTS5.1\">"
#define FIELDS                                                                                                         \
    "<messageSender>NTA.DE</messageSender>\n<messageRecipient>\n NTA.IT </messageRecipient>"                           \
    "<messageIdentification>DE1</messageIdentification><messageType>CD006C</messageType>"
#define MOVEMENT "<TransitOperation><LRN>L 1</LRN><MRN>26DE004051K7M2P8J8</MRN></TransitOperation>"
#define CLOSE "</n:CD006C>"
#define GOOD HEAD OPEN FIELDS MOVEMENT CLOSE

static int read_text(const char *text, struct ncts_message *m, char *reason, size_t capacity)
{
    return ncts_xml_read(tmx_bytes_str(text), m, reason, capacity);
}

static struct tmx_bytes load(const char *name, uint8_t *buffer)
{
    char path[1024];

    snprintf(path, sizeof(path), "%s/%s", getenv("TMX_SAMPLES"), name);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    size_t size = fread(buffer, 1, FILE_SIZE, f);
    fclose(f);
    assert_true(size > 0 && size < FILE_SIZE);
    return TMX_BYTES(buffer, size);
}

static void test_good(void **state)
{
    struct ncts_message m;
    char reason[512];

    assert_int_equal(read_text(GOOD, &m, reason, sizeof(reason)), NCTS_OK);
    assert_string_equal(m.root, "CD006C");
    assert_string_equal(m.type, "CD006C");
    assert_string_equal(m.sender, "NTA.DE");
    assert_string_equal(m.recipient, "NTA.IT");
    assert_string_equal(m.identification, "DE1");
    assert_string_equal(m.correlation, "");
    assert_string_equal(m.mrn, "26DE004051K7M2P8J8");
    assert_string_equal(m.lrn, "L 1");
}

/* The name 01-CD001C-DE-IT.xml says type, sender and recipient. */
static void check_sample(const char *name, uint8_t *buffer)
{
    char reason[512], type[16], sender[16], recipient[16], copy[128];
    struct tmx_bytes file = load(name, buffer);
    struct ncts_message m;
    char *at = copy, *parts[8] = { 0 };
    size_t n = 0;

    snprintf(copy, sizeof(copy), "%.*s", (int)(strlen(name) - 4), name);
    while (n < TMX_N(parts) && (parts[n] = strsep(&at, "-")) != NULL) {
        n++;
    }
    assert_in_range(n, 4, 5);
    snprintf(type, sizeof(type), "%s", parts[1]);
    snprintf(sender, sizeof(sender), "NTA.%s", parts[n - 2]);
    snprintf(recipient, sizeof(recipient), "NTA.%s", strcmp(parts[n - 1], "all") == 0 ? "DE" : parts[n - 1]);
    assert_true(ncts_xml_recognise(file));
    if (ncts_xml_read(file, &m, reason, sizeof(reason)) != NCTS_OK) {
        fail_msg("%s: %s", name, reason);
    }
    assert_string_equal(m.type, type);
    assert_string_equal(m.sender, sender);
    assert_string_equal(m.recipient, recipient);
    assert_true(tmx_business_id_valid(tmx_bytes_str(m.identification)));
    bool calendar = strcmp(type, "CD070C") == 0 || strcmp(type, "CD071C") == 0;
    assert_int_equal(m.mrn[0] == '\0', calendar);
    assert_true(calendar || tmx_mrn_valid(tmx_bytes_str(m.mrn)));
    bool answer = strcmp(type, "CD003C") == 0 || strcmp(type, "CD095C") == 0 || strcmp(type, "CD143C") == 0 ||
                  strcmp(type, "CD906C") == 0;
    assert_int_equal(m.correlation[0] != '\0', answer);
}

static void test_samples(void **state)
{
    uint8_t *buffer = malloc(FILE_SIZE);
    DIR *folder = opendir(getenv("TMX_SAMPLES"));
    struct dirent *entry;
    size_t n = 0;

    assert_non_null(buffer);
    assert_non_null(folder);
    while ((entry = readdir(folder)) != NULL) {
        if (strstr(entry->d_name, ".xml") != NULL) {
            check_sample(entry->d_name, buffer);
            n++;
        }
    }
    closedir(folder);
    free(buffer);
    assert_int_equal(n, 17);
}

static void test_refused(void **state)
{
    static const struct refused_case {
        const char *text;
        const char *reason;   /* part of it */
    } cases[] = {
        { "<!DOCTYPE x>\n" OPEN FIELDS CLOSE, "DOCTYPE" },
        { HEAD "<!DOCTYPE x SYSTEM \"file:///etc/passwd\">" OPEN FIELDS CLOSE, "external files are never read" },
        { HEAD "<!DOCTYPE x PUBLIC \"a\" \"http://127.0.0.1:1/x.dtd\">" OPEN FIELDS CLOSE,
          "external files are never read" },
        { HEAD "<!DOCTYPE x [<!ENTITY e SYSTEM \"file:///etc/passwd\">]>" OPEN "&e;" FIELDS CLOSE,
          "line 2: a document type" },
        { HEAD "<!DOCTYPE x [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;&a;\"><!ENTITY c \"&b;&b;&b;\">]>" OPEN "&c;" CLOSE,
          "DOCTYPE" },
        { HEAD "<!DOCTYPE x [<!ENTITY % p SYSTEM \"http://127.0.0.1:1/p\"> %p;]>" OPEN FIELDS CLOSE, "DOCTYPE" },
        { HEAD OPEN FIELDS "&unknown;" CLOSE, "unknown" },
        { HEAD OPEN FIELDS MOVEMENT, "not well-formed" },                                     /* a file cut off */
        { HEAD OPEN FIELDS MOVEMENT CLOSE "<more/>", "not well-formed" },
        { HEAD OPEN FIELDS "<a></b>" CLOSE, "not well-formed" },
        { HEAD OPEN FIELDS "<u:a/>" CLOSE, "not well-formed" },                         /* prefix without namespace */
        { "", "not well-formed" },
        { "<", "not well-formed" },
        { HEAD "<CD006C>" FIELDS "</CD006C>", "namespace is missing" },
        { HEAD "<a:Invoice xmlns:a=\"urn:x\"/>", "not an NCTS message" },
        { HEAD "<n:CD001C xmlns:n=\"http://ncts.dgtaxud.ec\">" FIELDS "</n:CD001C>", "root element is CD001C" },
        { HEAD OPEN MOVEMENT CLOSE, "messageSender is missing" },
        { HEAD OPEN "<messageSender>NTA.DE</messageSender>" CLOSE, "messageRecipient is missing" },
        { HEAD OPEN FIELDS "<messageSender>NTA.FR</messageSender>" CLOSE, "messageSender stands there twice" },
        { HEAD OPEN "<messageSender/>" FIELDS CLOSE, "messageSender is empty" },
        { HEAD OPEN "<messageSender><b>NTA.DE</b></messageSender>" CLOSE, "messageSender contains an element" },
        { HEAD OPEN FIELDS "<correlationIdentifier>123456789012345678901234567890123456</correlationIdentifier>" CLOSE,
          "longer than 35" },
        { HEAD OPEN FIELDS "<TransitOperation><MRN>26DE004051K7M2P8J81</MRN></TransitOperation>" CLOSE,
          "longer than 18" },
        { HEAD OPEN "<x><messageSender>NTA.DE</messageSender></x>" CLOSE, "messageSender is missing" },   /* too deep */
    };
    for (size_t i = 0; i < TMX_N(cases); i++) {
        struct ncts_message m = { .root = "untouched" };
        char reason[512] = "";
        assert_int_equal(read_text(cases[i].text, &m, reason, sizeof(reason)), NCTS_E_REFUSED);
        if (strstr(reason, cases[i].reason) == NULL) {
            fail_msg("case %zu: %s", i, reason);
        }
        assert_string_equal(m.root, "untouched");
    }
}

static void test_depth_and_length(void **state)
{
    static char text[200000];
    struct ncts_message m;
    char reason[512];

    for (unsigned depth = NCTS_DEPTH_MAX - 1; depth <= NCTS_DEPTH_MAX; depth++) {
        strcpy(text, HEAD OPEN FIELDS);
        for (unsigned i = 0; i < depth; i++) {
            strcat(text, "<d>");
        }
        for (unsigned i = 0; i < depth; i++) {
            strcat(text, "</d>");
        }
        strcat(text, CLOSE);
        bool good = depth < NCTS_DEPTH_MAX;
        assert_int_equal(read_text(text, &m, reason, sizeof(reason)), good ? NCTS_OK : NCTS_E_REFUSED);
        assert_true(good || strstr(reason, "nested") != NULL);
    }
    /* across the boundary of what the parser is fed at a time */
    strcpy(text, HEAD OPEN "<!--");
    memset(text + strlen(text), 'x', 65000);
    strcat(text, "-->" FIELDS MOVEMENT CLOSE);
    assert_int_equal(read_text(text, &m, reason, sizeof(reason)), NCTS_OK);
    assert_string_equal(m.mrn, "26DE004051K7M2P8J8");
    strcpy(text, HEAD OPEN "<messageSender>");
    memset(text + strlen(text), 'x', 100000);
    strcat(text, "</messageSender>" CLOSE);
    assert_int_equal(read_text(text, &m, reason, sizeof(reason)), NCTS_E_REFUSED);
    assert_non_null(strstr(reason, "messageSender is longer than 35"));
}

static void test_encodings(void **state)
{
    static const char latin1[] = "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>" OPEN FIELDS
                                 "<TransitOperation><LRN>M\xfcller</LRN></TransitOperation>" CLOSE;
    static const char marked[] = "\xef\xbb\xbf" GOOD;
    static const char wrong[] = HEAD OPEN FIELDS "<TransitOperation><LRN>M\xfcller</LRN></TransitOperation>" CLOSE;
    uint8_t wide[2 * sizeof(OPEN FIELDS CLOSE) + 2] = { 0xff, 0xfe };
    struct ncts_message m;
    char reason[512];

    assert_int_equal(read_text(latin1, &m, reason, sizeof(reason)), NCTS_OK);
    assert_string_equal(m.lrn, "M\xc3\xbcller");
    assert_true(ncts_xml_recognise(tmx_bytes_str(marked)));
    assert_int_equal(read_text(marked, &m, reason, sizeof(reason)), NCTS_OK);
    assert_int_equal(read_text(wrong, &m, reason, sizeof(reason)), NCTS_E_REFUSED);

    for (size_t i = 0; i < sizeof(OPEN FIELDS CLOSE) - 1; i++) {
        wide[2 + 2 * i] = (uint8_t)(OPEN FIELDS CLOSE)[i];
    }
    struct tmx_bytes utf16 = TMX_BYTES(wide, 2 * sizeof(OPEN FIELDS CLOSE));
    assert_true(ncts_xml_recognise(utf16));
    assert_int_equal(ncts_xml_read(utf16, &m, reason, sizeof(reason)), NCTS_OK);
    assert_string_equal(m.identification, "DE1");
}

static void test_recognise(void **state)
{
    assert_true(ncts_xml_recognise(tmx_bytes_str(" \r\n\t<a")));
    assert_false(ncts_xml_recognise(tmx_bytes_str("")));
    assert_false(ncts_xml_recognise(tmx_bytes_str("%PDF-1.7 <a>")));
    assert_false(ncts_xml_recognise(tmx_bytes_str("UNB+UNOA:2")));
}

/* ---- compose ---- */

static void expect_refusal(const struct compose_options *o, const char *member, const char *text, const char *one,
                           const char *other)
{
    char reason[512] = "";
    struct draft d;

    assert_int_equal(compose(o, member, "a.xml", tmx_bytes_str(text), &d, reason, sizeof(reason)), COMPOSE_E_REFUSED);
    if (strstr(reason, one) == NULL || strstr(reason, other) == NULL) {
        fail_msg("neither `%s' nor `%s' in: %s", one, other, reason);
    }
}

static void test_contradictions(void **state)
{
    expect_refusal(&(struct compose_options){ .to = "CH" }, "DE", GOOD, "--to says CH", "NTA.IT");
    expect_refusal(&(struct compose_options){ .type = "CD001C" }, "DE", GOOD, "--type says CD001C", "CD006C");
    expect_refusal(&(struct compose_options){ .mrn = "X" }, "DE", GOOD, "--mrn says X", "26DE004051K7M2P8J8");
    expect_refusal(&(struct compose_options){ .lrn = "X" }, "DE", GOOD, "--lrn says X", "L 1");
    expect_refusal(&(struct compose_options){ .business_id = "X" }, "DE", GOOD, "--business-id says X", "DE1");
    expect_refusal(&(struct compose_options){ 0 }, "IT", GOOD, "messageSender in the file is NTA.DE", "NTA.IT");
    expect_refusal(&(struct compose_options){ .to = "IT,IT" }, "DE", GOOD, "--to names IT", "twice");
    expect_refusal(&(struct compose_options){ .to = "IT,,CH" }, "DE", GOOD, "--to", "not a member code");
    expect_refusal(&(struct compose_options){ .to = "it" }, "DE", GOOD, "--to", "not a member code");
    expect_refusal(&(struct compose_options){ .to = "IT" }, "DE", "no XML", "--type", "--to");
}

static void test_drafts(void **state)
{
    const char *const broadcast = HEAD "<n:CD071C xmlns:n=\"http://ncts.dgtaxud.ec\">"
                                       "<messageSender>NTA.EC</messageSender>"
                                       "<messageRecipient>NTA.EC</messageRecipient>"
                                       "<messageIdentification>EC1</messageIdentification>"
                                       "<messageType>CD071C</messageType>"
                                       "</n:CD071C>";
    struct compose_options o = { .correlation = "C1" };
    char reason[512] = "";
    struct draft d, other;

    /* the XML says it all; an option may add what it does not say */
    assert_int_equal(compose(&o, "DE", "/a/b/c.xml", tmx_bytes_str(GOOD), &d, reason, sizeof(reason)), COMPOSE_OK);
    assert_string_equal(d.submission.reference, "DE1");
    assert_string_equal(d.submission.business_correlation, "C1");
    assert_string_equal(d.submission.file_name, "c.xml");
    assert_string_equal(d.submission.media_type, "application/xml");
    assert_int_equal(d.submission.n_recipients, 1);
    assert_string_equal(d.submission.recipients[0], "IT");
    assert_int_equal(d.submission.payload_bytes, sizeof(GOOD) - 1);

    /* several recipients with the named one among them; a broadcast without */
    o = (struct compose_options){ .to = "CH,IT" };
    assert_int_equal(compose(&o, "DE", "-", tmx_bytes_str(GOOD), &d, reason, sizeof(reason)), COMPOSE_OK);
    assert_int_equal(d.submission.n_recipients, 2);
    assert_null(d.submission.file_name);
    o = (struct compose_options){ .to = "DE,CH,IT" };
    assert_int_equal(compose(&o, "EC", "a\nb", tmx_bytes_str(broadcast), &d, reason, sizeof(reason)), COMPOSE_OK);
    assert_int_equal(d.submission.n_recipients, 3);
    assert_null(d.submission.file_name);   /* not a name to show */

    /* XML that is not to be looked into; its reference is made of content, type, recipients */
    o = (struct compose_options){ .to = "IT", .type = "CD001C", .media_type = "application/pdf" };
    assert_int_equal(compose(&o, "DE", "a", tmx_bytes_str("<!DOCTYPE"), &d, reason, sizeof(reason)), COMPOSE_OK);
    assert_int_equal(strlen(d.submission.reference), 32);
    assert_int_equal(compose(&o, "DE", "b", tmx_bytes_str("<!DOCTYPE"), &other, reason, sizeof(reason)), COMPOSE_OK);
    assert_string_equal(d.submission.reference, other.submission.reference);
    o.to = "CH";
    assert_int_equal(compose(&o, "DE", "b", tmx_bytes_str("<!DOCTYPE"), &other, reason, sizeof(reason)), COMPOSE_OK);
    assert_string_not_equal(d.submission.reference, other.submission.reference);
    o.reference = "mine";
    assert_int_equal(compose(&o, "DE", "b", tmx_bytes_str("x"), &other, reason, sizeof(reason)), COMPOSE_OK);
    assert_string_equal(other.submission.reference, "mine");

    /* what replaces a message is a new one, though the file is the same; and the same again is the same */
    uint8_t replaced[TMX_ID_SIZE] = { 1, 2, 3 };
    o = (struct compose_options){ .replaces = replaced };
    assert_int_equal(compose(&o, "DE", "a", tmx_bytes_str(GOOD), &d, reason, sizeof(reason)), COMPOSE_OK);
    assert_ptr_equal(d.submission.replaces, replaced);
    assert_int_equal(strlen(d.submission.reference), 32);
    assert_int_equal(compose(&o, "DE", "b", tmx_bytes_str(GOOD), &other, reason, sizeof(reason)), COMPOSE_OK);
    assert_string_equal(d.submission.reference, other.submission.reference);
    replaced[0]++;
    assert_int_equal(compose(&o, "DE", "b", tmx_bytes_str(GOOD), &other, reason, sizeof(reason)), COMPOSE_OK);
    assert_string_not_equal(d.submission.reference, other.submission.reference);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),          cmocka_unit_test(test_samples),   cmocka_unit_test(test_refused),
        cmocka_unit_test(test_depth_and_length), cmocka_unit_test(test_encodings), cmocka_unit_test(test_recognise),
        cmocka_unit_test(test_contradictions), cmocka_unit_test(test_drafts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
