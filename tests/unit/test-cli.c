/* SPDX-License-Identifier: Apache-2.0
 * tmx as its user meets it: output, exit code and files, against a fake node. NODE-9, APP-2. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <tmx/err.h>

#include "fake_node.h"

#define ID_SENT "01000000-0000-7000-0000-000000000001"
#define ID_ZERO "02000000-0000-7000-0000-000000000000"
#define TOKEN_ZERO "03000000-0000-7000-0000-000000000000"
#define ID_ONE "02000000-0000-7000-0000-000000000001"
#define TOKEN_ONE "03000000-0000-7000-0000-000000000001"

static char folder[] = "/tmp/test-cli-XXXXXX";
static char endpoint[128];
static pid_t node;
static char output[65536];

/* Runs `tmx ARGUMENTS` in a shell in the folder, stdout and stderr together; the exit code. */
static int tmx(const char *arguments)
{
    char command[2048];

    snprintf(command, sizeof(command), "cd %s && { '%s' %s; } 2>&1", folder, getenv("TMX_CLI"), arguments);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    size_t size = fread(output, 1, sizeof(output) - 1, pipe);
    output[size] = '\0';
    int status = pclose(pipe);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void expect(int code, const char *arguments, const char *text)
{
    int got = tmx(arguments);

    if (got != code || strcmp(output, text) != 0) {
        fail_msg("tmx %s: exit %d, expected %d\n%s---- expected:\n%s", arguments, got, code, output, text);
    }
}

static void expect_part(int code, const char *arguments, const char *text)
{
    int got = tmx(arguments);

    if (got != code || strstr(output, text) == NULL) {
        fail_msg("tmx %s: exit %d, expected %d\n%s---- expected in it:\n%s", arguments, got, code, output, text);
    }
}

static void write_file(const char *name, const char *text)
{
    char path[256];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    fwrite(text, 1, strlen(text), f);
    fclose(f);
}

static size_t read_file(const char *name, char *buffer, size_t size)
{
    char path[256];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    size = fread(buffer, 1, size, f);
    fclose(f);
    return size;
}

static int set_up(void **state)
{
    assert_non_null(mkdtemp(strcpy(folder, "/tmp/test-cli-XXXXXX")));
    snprintf(endpoint, sizeof(endpoint), "ipc://%s/.node", folder);
    setenv("TMX_NODE", endpoint, 1);
    node = fake_node_start(endpoint);
    return 0;
}

static int tear_down(void **state)
{
    char command[256];

    fake_node_stop(node);
    snprintf(command, sizeof(command), "rm -r %s", folder);
    return system(command);
}

static void test_usage(void **state)
{
    static const char *const wrong[] = {
        "",          "snd",       "ack",     "ack x y",   "ack " ID_ZERO,      "refuse " ID_ZERO " " TOKEN_ZERO,
        "send",      "movement",  "list x",  "info x",    "list --max 1001",   "receive --max 0",
        "send --priority 10 x",   "send --expires 31d x", "send --expires 5 x", "send --reference r a b",
        "receive --to - --ack",   "--node tcp://127.0.0.1:1 info", "--curve-keys . info", "--timeout 0s info",
    };
    for (size_t i = 0; i < TMX_N(wrong); i++) {
        if (tmx(wrong[i]) != 64) {
            fail_msg("tmx %s: %s", wrong[i], output);
        }
    }
    expect_part(64, "snd", "did you mean `send'?");
    expect_part(0, "--help", "  receive   Collects messages");
    expect_part(0, "refuse --help", "Usage: tmx refuse [OPTION...] ID TOKEN --reason TEXT");
    expect_part(0, "--version", "tmx " TMX_VERSION "\n");
}

static void test_unreachable(void **state)
{
    expect_part(2, "--timeout 1s --node ipc:///nowhere/at/all info", "cannot be reached");
    write_file("a", "x");
    expect_part(2, "--timeout 1s --node ipc:///nowhere/at/all send --to IT --type CD001C a", "cannot be reached");
}

static void test_info(void **state)
{
    expect(0, "info",
           "member           DE\nfederation       example\nsoftware         fake\nmembers          CH DE IT\n"
           "broker           linked\ncatalogue        51502\n");
    expect(0, "--json info",
           "{\"member\":\"DE\",\"federation\":\"example\",\"software\":\"fake\","
           "\"members\":[\"CH\",\"DE\",\"IT\"],\"linked\":true,\"catalogue_version\":51502}\n");
}

static void test_send(void **state)
{
    char command[1024];
    const char *samples = getenv("TMX_SAMPLES");

    snprintf(command, sizeof(command), "send %s/01-CD001C-DE-IT.xml", samples);
    expect_part(0, command, ": sent as " ID_SENT " (reference DE261100000001)\n");
    expect_part(0, command, ": already sent as " ID_SENT " (reference DE261100000001)\n");
    snprintf(command, sizeof(command), "send - < %s/01-CD001C-DE-IT.xml", samples);
    expect_part(0, command, "already sent");
    snprintf(command, sizeof(command), "--json send %s/02-CD050C-DE-CH.xml", samples);
    expect_part(0, command,
                "\"reference\":\"DE261100000002\",\"duplicate\":false,\"type\":\"CD050C\",\"to\":[\"CH\"],");
    snprintf(command, sizeof(command), "send %s/06-CD006C-IT-DE.xml", samples);
    expect_part(1, command, "messageSender in the file is NTA.IT, but this node sends for NTA.DE\n");
}

static void test_send_others(void **state)
{
    write_file("odd\n\x1b[31mname", "payload");
    write_file("empty", "");
    write_file("bomb.xml", "<!DOCTYPE x [<!ENTITY a \"a\">]><x>&a;</x>");
    expect_part(0, "send --to IT,CH --type CD001C --mrn " FAKE_MRN " 'odd\n\x1b[31mname'", "\\x1b[31mname: sent as");
    expect(1, "send --to IT --type CD001C empty no.xml bomb.xml .",
           "0 sent, 0 already sent before, 4 failed\n"
           "tmx: empty: is empty: there is nothing to send\n"
           "tmx: no.xml: cannot be read: No such file or directory\n"
           "tmx: bomb.xml: line 1: a document type declaration (DOCTYPE) is not allowed in a customs message\n"
           "tmx: .: cannot be read: Is a directory\n");
    expect(1, "send --to IT --type CD999C bomb.xml --media-type x/y",
           "tmx: bomb.xml: message type CD999C is not in the catalogue: check messageType (unknown-type)\n");
    expect_part(1, "send bomb.xml --media-type x/y", "give --type and --to\n");
}

/* More than are under way at once: sent, and told of, in the order of the command line, whatever becomes of one. */
static void test_send_many(void **state)
{
    char name[8], line[80];
    for (unsigned i = 0; i < 64; i++) {
        snprintf(name, sizeof(name), "f%02u", i);
        write_file(name, i == 20 ? "" : name);
    }
    expect_part(1, "send --to IT --type CD001C --mrn " FAKE_MRN " f*",
                "\n63 sent, 0 already sent before, 1 failed\ntmx: f20: is empty");
    const char *at = output;
    for (unsigned i = 0; i < 64; i++) {
        snprintf(line, sizeof(line), "f%02u: sent as 01000000-0000-7000-0000-0000000000%02x ", i, i < 20 ? i + 1 : i);
        at = i == 20 ? at : strstr(at, line);
        assert_non_null(at);
    }
    expect_part(1, "send --to IT --type CD001C --mrn " FAKE_MRN " f*", "\n0 sent, 63 already sent before, 1 failed\n");
}

static void test_receive(void **state)
{
    char bytes[64];

    expect(0, "receive",
           "ID                                   TOKEN                                FROM TYPE   "
           "MRN                BYTES FILE\n"
           ID_ZERO " " TOKEN_ZERO " IT   CD006C " FAKE_MRN "    27 ./" ID_ZERO ".xml\n"
           ID_ONE " " TOKEN_ONE " CH   CD118C " FAKE_MRN "     7 ./" ID_ONE " (redelivered)\n");
    assert_int_equal(read_file(ID_ZERO ".xml", bytes, sizeof(bytes)), sizeof(FAKE_PAYLOAD_ZERO) - 1);
    assert_memory_equal(bytes, FAKE_PAYLOAD_ZERO, sizeof(FAKE_PAYLOAD_ZERO) - 1);
    assert_int_equal(read_file(ID_ONE, bytes, sizeof(bytes)), sizeof(FAKE_PAYLOAD_ONE) - 1);
    assert_memory_equal(bytes, FAKE_PAYLOAD_ONE, sizeof(FAKE_PAYLOAD_ONE) - 1);
    expect(0, "receive", "no message\n");
    /* NODE-9 */
    expect(0, "ack " ID_ZERO " " TOKEN_ZERO, ID_ZERO ": acknowledged\n");
    expect_part(1, "refuse " ID_ZERO " " TOKEN_ZERO " --reason 'wrong office'", "(has-outcome)");
    expect(0, "--json refuse " ID_ONE " " TOKEN_ONE " --reason 'wrong office'",
           "{\"id\":\"" ID_ONE "\",\"outcome\":\"refused\"}\n");
    /* APP-2 */
    expect(1, "ack " ID_ZERO " " ID_ZERO,
           "tmx: " ID_ZERO ": the message is not leased under this token: receive it again (not-leased)\n");
}

/* Nothing is acknowledged that is not on disk under its own name. */
static void test_receive_files(void **state)
{
    write_file(ID_ZERO ".xml", "something else");
    expect_part(1, "receive --ack --max 1", "there is another file of this name; the message is offered again");
    assert_null(strstr(output, "acknowledged"));
    write_file(ID_ONE, "");
    char path[256];
    snprintf(path, sizeof(path), "%s/" ID_ONE, folder);
    unlink(path);
    expect_part(0, "receive --json --ack --type CD118C", "\"acknowledged\":true,\"replaces\":null");
    assert_non_null(strstr(output, "\"file_name\":\"a?b\\\\xff\\\\x1b\""));

    DIR *entries = opendir(folder);
    assert_non_null(entries);
    size_t n = 0;
    while (readdir(entries) != NULL) {
        n++;
    }
    closedir(entries);
    assert_int_equal(n, 5);   /* . .. .node and the two files: no temporary ones */
}

static void test_receive_again(void **state)
{
    write_file(ID_ZERO ".xml", FAKE_PAYLOAD_ZERO);   /* written before, not acknowledged before the crash */
    expect_part(0, "receive --ack --type CD006C", "acknowledged");
    expect_part(1, "refuse " ID_ZERO " " TOKEN_ZERO " --reason x", "(has-outcome)");   /* the node knows it too */
    /* Said before anything is leased: the message is still there for the next who asks. */
    expect_part(1, "receive --to nowhere", "no file can be written to the folder nowhere: No such file or directory");
    write_file("file", "x");
    expect_part(1, "receive --to file", "folder file: Not a directory; nothing was received");
    expect_part(0, "receive --ack", ID_ONE);
}

/* The same command twice is one message; another option makes another one. */
static void test_send_reference(void **state)
{
    write_file("plain", "not XML");
    expect_part(0, "send --to IT --type CD001C --mrn " FAKE_MRN " plain", "plain: sent as");
    expect_part(0, "send --to IT --type CD001C --mrn " FAKE_MRN " plain", "plain: already sent as");
    expect_part(0, "send --to IT --type CD001C --mrn " FAKE_MRN " --lrn L1 plain", "plain: sent as");
    expect_part(0, "send --to IT --type CD001C --mrn " FAKE_MRN " --priority 9 plain", "plain: sent as");
    expect_part(0, "send --to IT --type CD001C --mrn " FAKE_MRN " --expires 2d plain", "plain: sent as");
    expect_part(0, "send --to IT --type CD001C --mrn " FAKE_MRN " --expires 48h plain", "plain: already sent as");
    expect_part(0, "send --to IT --type CD001C --mrn " FAKE_MRN " --expires 3d plain", "plain: sent as");
    expect_part(0, "send --to IT --type CD001C --mrn " FAKE_MRN " --replaces " ID_ZERO " --reference r plain", "plain: sent as");
    expect_part(0, "message r", "\nreplaces         " ID_ZERO "\n");
    assert_non_null(strstr(output, " replaces " ID_ZERO "\n"));   /* in the timeline, where a movement has it as well */
    expect_part(0, "--json message r", "\"replaces\":\"" ID_ZERO "\"");
    expect_part(64, "send --to IT --type CD001C --replaces " ID_ZERO " plain plain", "name one message");
    expect_part(64, "send --to IT --type CD001C --replaces 12 plain", "--replaces");
}

static void test_receive_to_output(void **state)
{
    assert_int_equal(tmx("receive --to - 2>/dev/null"), 0);
    assert_string_equal(output, FAKE_PAYLOAD_ZERO);
}

static void test_movement(void **state)
{
    expect(0, "movement " FAKE_MRN,
           "TIME                              TYPE   FROM→TO  STEP      BY     LOG VERIFIED REASON\n"
           "2026-11-25T00:00:00.000Z sent     CD001C DE→CH,IT submitted DE         -        \n"
           "2026-11-25T00:00:01.000Z sent     CD001C DE→CH,IT accepted  broker a/1 ✓        \n"
           "2026-11-25T00:00:02.000Z received CD006C IT→DE    accepted  broker a/2 ✓        \n"
           "2026-11-25T00:00:03.000Z sent     CD001C DE→CH    CoD       CH     a/3 ✓        \n"
           "2026-11-25T00:00:04.000Z sent     CD001C DE→IT    refused   IT     a/4 ✓        "
           "601 refused: wrong office \\x1b[31m\n"
           "2026-11-25T00:00:05.000Z received CD006C IT→DE    CoD       DE     a/5 ✓        \n");
    expect(0, "movement 26DE004051K7M2P8J9",
           "26DE004051K7M2P8J9: this node sent and received no message of this movement\n");
}

static void test_message(void **state)
{
    expect_part(0, "message " ID_SENT, "direction        sent\ntype             CD001C\nfrom             DE\n");
    assert_non_null(strstr(output, "TO SEQ STATE\nCH   7 delivered\nIT   8 refused\n"));
    expect_part(0, "--json message " ID_SENT,
                "\"deliveries\":[{\"recipient\":\"CH\",\"seq\":7,\"state\":\"delivered\"}");
    assert_non_null(strstr(output, "\"shard\":\"\",\"index\":null,\"verified\":false"));
    expect(1, "message no-such-reference", "tmx: no-such-reference: no such message at this node (unknown-message)\n");
}

static void test_list(void **state)
{
    expect(0, "list --max 1",
           "ID                                        TYPE   FROM→TO  "
           "MRN                SENT                     STATE\n"
           ID_SENT " sent CD001C DE→CH,IT " FAKE_MRN " 2026-11-25T00:00:00.000Z delivered,refused\n"
           "There may be more: go on with --after " ID_SENT "\n");
}

static void test_events(void **state)
{
    expect_part(0, "events --after 2",
                "     3 2026-11-25T00:00:03.000Z " ID_SENT " CD001C " FAKE_MRN " CoD  IT IT");
    expect_part(0, "--json events", "{\"cursor\":1,\"id\":\"" ID_SENT "\",\"reference\":\"R1\",");
}

/* The example of tmx/client.h follows its message until its recipient took it. */
static void test_example(void **state)
{
    char command[1024];

    write_file("a.xml", "<a/>");
    snprintf(command, sizeof(command), "cd %s && '%s' %s a.xml CD001C IT " FAKE_MRN " R1 2>&1", folder,
             getenv("TMX_EXAMPLE"), endpoint);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    size_t size = fread(output, 1, sizeof(output) - 1, pipe);
    output[size] = '\0';
    assert_int_equal(pclose(pipe), 0);
    assert_string_equal(output, "accepted (broker)\nCoA (IT)\nCoD (IT)\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_usage, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_unreachable, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_info, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_send, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_send_others, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_send_many, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_receive, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_receive_files, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_receive_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_send_reference, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_receive_to_output, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_movement, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_message, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_list, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_events, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_example, set_up, tear_down),
    };

    setenv("LC_ALL", "C", 1); /* as on a machine without a locale: what is printed is UTF-8 all the same */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
