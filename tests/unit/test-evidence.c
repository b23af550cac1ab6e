/* SPDX-License-Identifier: Apache-2.0
 * What an evidence bundle proves of its message, and that no change to one makes it prove anything else: EVI-1 …
 * EVI-12. With TMX_EVIDENCE_OUT the samples are written there, for the second verifier.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tmx/code.h>

#include "../../broker/audit/evidence_print.h"
#include "../../broker/audit/export_dir.h"
#include "evidence_fixture.h"
#include "evidence_weaker.h"

static struct tmx_authority authority;
static struct sample *samples;
static size_t n_samples;

static struct tmx_evidence *check(struct tmx_bytes file)
{
    struct tmx_evidence *v;
    /* an exact heap copy: a sanitizer sees a read past the end */
    uint8_t *copy = malloc(file.size + (file.size == 0));

    if (file.size > 0) {
        memcpy(copy, file.data, file.size);
    }
    assert_int_equal(tmx_evidence_check(TMX_BYTES(copy, file.size), &authority, TMX_BYTES_NULL, &v), 0);
    free(copy);
    return v;
}

static const struct sample *find(const char *name)
{
    for (size_t i = 0; i < n_samples; i++) {
        if (strcmp(samples[i].name, name) == 0) {
            return &samples[i];
        }
    }
    fail();
    return NULL;
}

/* --- what the samples prove ------------------------------------------------------------------------------------- */

static char *printed(const struct tmx_evidence *v, bool json)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    if (json) {
        assert_int_equal(tmx_evidence_json(v, out), 0);
    } else {
        tmx_evidence_print(v, "bundle", out);
    }
    fclose(out);
    return text;
}

static void check_sample(const struct sample *s)
{
    struct tmx_evidence *v = check(s->file);
    bool doubtful = false;

    print_message("# %s\n", s->name);
    if (v->rule != 0) {
        print_message("# EVI-%u: %s: %s\n", v->rule, v->part, v->fault);
    }
    assert_int_equal(v->rule, 0);
    for (size_t i = 0; i < v->n_deliveries; i++) {
        assert_string_equal(tmx_evidence_state(v, &v->deliveries[i]), s->states[i]);
    }
    for (size_t i = 0; i < v->n_leaves; i++) {
        doubtful = doubtful || v->leaves[i].doubtful;
    }
    assert_int_equal(doubtful, s->doubtful);
    assert_int_equal(v->content_state, s->opened ? EVIDENCE_OPENED : EVIDENCE_NOT_DISCLOSED);
    assert_int_equal(v->heads[v->n_heads - 1].quorum.witnesses, s->witnesses);
    if (s->opened) {
        assert_int_equal(v->payload_size, strlen("<CD001C>what is declared</CD001C>"));
        assert_memory_equal(v->payload, "<CD001C>what is declared</CD001C>", v->payload_size);
    }
    tmx_evidence_free(v);
}

/* EVI-8, EVI-12 */
static void test_samples(void **state)
{
    for (size_t i = 0; i < n_samples; i++) {
        check_sample(&samples[i]);
    }
}

/* Takes back where lines were broken. */
static void unwrap(char *text)
{
    char *to = text;

    for (const char *from = text; *from != '\0'; from++) {
        from += strncmp(from, "\n    ", 5) == 0 ? 4 : 0;
        *to++ = *from;
    }
    *to = '\0';
}

/* What a lawyer reads: each of these is said, or not. EVI-12 */
static void test_sentences(void **state)
{
    static const struct {
        const char *sample;
        const char *said;
        const char *unsaid;
    } table[] = {
        { "disclosed", "FR confirmed under its own signature that its national application took",
          "What the message says" },
        { "disclosed", "payload of 33 bytes", "this bundle holds no outcome" },
        { "disclosed", "26DE004051K7M2P8J8", "\x1b" },
        { "delivered", "neither its container nor its key is here", "holds exactly the payload" },
        { "delivered", "message 01020304-0506-0708-090a-0b0c0d0e0f10, as its sender says", NULL },
        { "disclosed", "expires", "as its sender says" },
        { "delivered", "of one history", "not shown that it was sealed" },
        { "refused", "refused: the national application refused the message", "took the message" },
        { "refused", "In which words FR gave its reason", NULL },
        { "expired", "after the message's expiry, that it had not arrived at FR", "confirmed" },
        { "expired-there", "that the message arrived and was not taken in time", "by its own clock it had not" },
        { "cannot-open", "cannot-open: the container cannot be opened", NULL },
        { "revoked", "recorded that the message cannot be delivered to FR", "declared" },
        { "rejected", "refused the message at 2026", "accepted the message" },
        { "several", "FR confirmed", "FR and CH confirmed" },
        { "no-outcome", "What became of the message at FR and CH in the end", NULL },
        { "no-outcome", "CH confirmed under its own signature that the message arrived", "FR confirmed" },
        { "late-report", "not taken", "disputed" },
        { "last-resort", "last-resort key", "not shown to be theirs" },
        { "carried", "carried", NULL },
        { "witnessed", "As many independent witnesses as the federation asks for", "not excluded" },
        { "witnessed-by-few", "cosigned by 1 of 3 witnesses, fewer than the policy", "As many independent witnesses" },
        { "disclosed", "the directory asks for no witnesses", NULL },
        { "compromised", "DOUBTFUL: that FR itself signed", "DOUBTFUL: that DE" },
        { "compromised", "lists as that of DE signed", "FR confirmed" },
        { "sender-compromised", "DOUBTFUL: that DE itself signed entry 5", "lists as that of DE signed" },
        { "sender-compromised", "FR confirmed", "DOUBTFUL: that FR" },
        { "witnessed-in-part", "cosigned by 1 of 3 witnesses, fewer", "As many independent witnesses" },
        { "rejected", "(type-not-allowed: the sender may not send", "What became of the message" },
    };

    for (size_t i = 0; i < TMX_N(table); i++) {
        struct tmx_evidence *v = check(find(table[i].sample)->file);
        char *text = printed(v, false);

        unwrap(text);
        if (strstr(text, table[i].said) == NULL || (table[i].unsaid != NULL && strstr(text, table[i].unsaid) != NULL)) {
            print_message("# %s: \"%s\"\n%s\n", table[i].sample, table[i].said, text);
            fail();
        }
        free(text);
        tmx_evidence_free(v);
    }
}

static void test_json(void **state)
{
    for (size_t i = 0; i < n_samples; i++) {
        struct tmx_evidence *v = check(samples[i].file);
        char *text = printed(v, true);

        assert_non_null(strstr(text, "\"verdict\": \"proved\""));
        bool replaces = strcmp(samples[i].name, "delivered") == 0;
        assert_non_null(strstr(text, replaces ? "\"replaces\": \"01020304-0506-0708-090a-0b0c0d0e0f10\"" : "\"replaces\": null"));
        assert_non_null(strstr(text, samples[i].opened ? "\"sha256\": \"" : "\"state\": \"not-disclosed\""));
        free(text);
        tmx_evidence_free(v);
    }
}

/* --- no change makes one prove anything else -------------------------------------------------------------------- */

/* Every byte of the first sample, a stride of the others: each is signed, hashed or counted. A cosignature's may go. */
static void test_changed_bytes(void **state)
{
    for (size_t i = 0; i < n_samples; i++) {
        const struct tmx_bytes file = samples[i].file;
        struct tmx_evidence *whole = check(file);
        uint8_t *bent = malloc(file.size);

        memcpy(bent, file.data, file.size);
        for (size_t at = i == 0 ? 0 : i % 37; at < file.size; at += i == 0 ? 1 : 37) {
            struct tmx_evidence *v;

            bent[at] ^= (uint8_t)(1u << at % 8);
            v = check(TMX_BYTES(bent, file.size));
            if (samples[i].witnesses > 0 ? !evidence_no_stronger(v, whole) : v->rule == 0) {
                print_message("# %s: byte %zu\n", samples[i].name, at);
                fail();
            }
            tmx_evidence_free(v);
            bent[at] = file.data[at];
        }
        free(bent);
        tmx_evidence_free(whole);
    }
}

/* EVI-1 */
static void test_cut_short(void **state)
{
    const struct tmx_bytes file = samples[0].file;

    for (size_t size = 0; size < file.size; size += size < 64 ? 1 : 31) {
        struct tmx_evidence *v = check(tmx_bytes_slice(file, 0, size));

        assert_int_equal(v->rule, 1);
        assert_non_null(strstr(v->fault, size < 4                  ? "does not begin as one does"
                                         : size == 4 || size > 100 ? "cut short or damaged"
                                                                   : ""));
        tmx_evidence_free(v);
    }
}

static Tmx__Evidence *unpack(const struct sample *s, struct tmx_arena *arena)
{
    Tmx__Evidence *pb;
    const char *what;

    assert_int_equal(tmx_arena_init(arena, TMX_EVIDENCE_ARENA(s->file.size) + (1u << 16)), 0);
    assert_int_equal(tmx_evidence_parse(s->file, arena, &pb, &what), TMX_CODE_OK);
    return pb;
}

/* The bundle without element i of a list, with it twice, or with it and the next one swapped. */
enum change { DROP, REPEAT, SWAP, CHANGES };

static bool change_list(enum change how, size_t i, void **list, size_t *n, size_t size, struct tmx_arena *arena)
{
    uint8_t *old = *list;
    uint8_t *new = tmx_arena_alloc(arena, (*n + 1) * size);

    if (*n == 0 || i >= *n || (how == SWAP && i + 1 >= *n)) {
        return false;
    }
    memcpy(new, old, (i + 1) * size);
    if (how == DROP) {
        memcpy(new + i * size, old + (i + 1) * size, (*n - i - 1) * size);
        --*n;
    } else if (how == REPEAT) {
        memcpy(new + (i + 1) * size, old + i * size, (*n - i) * size);
        ++*n;
    } else {
        memcpy(new, old, *n * size);
        memcpy(new + i * size, old + (i + 1) * size, size);
        memcpy(new + (i + 1) * size, old + i * size, size);
    }
    *list = new;
    return true;
}

static void check_changed(const struct sample *s, const Tmx__Evidence *pb, const struct tmx_evidence *whole,
                          const char *what, size_t i)
{
    const struct tmx_bytes file = sample_pack(pb);
    struct tmx_evidence *v = check(file);

    if (!evidence_no_stronger(v, whole)) {
        print_message("# %s: %s %zu\n", s->name, what, i);
        fail();
    }
    tmx_evidence_free(v);
    free((void *)(uintptr_t)file.data);
}

static void change_parts(const struct sample *s, enum change how, size_t i)
{
    static const char *const names[] = { [DROP] = "dropped", [REPEAT] = "repeated", [SWAP] = "swapped" };
    struct tmx_evidence *whole = check(s->file);
    struct tmx_arena arena;
    Tmx__Evidence *pb = unpack(s, &arena);
    const Tmx__Evidence kept = *pb;

    if (change_list(how, i, (void **)&pb->leaves, &pb->n_leaves, sizeof pb->leaves[0], &arena)) {
        check_changed(s, pb, whole, names[how], i);
    }
    *pb = kept;
    if (change_list(how, i, (void **)&pb->checkpoints, &pb->n_checkpoints, sizeof pb->checkpoints[0], &arena)) {
        check_changed(s, pb, whole, names[how], i);
    }
    *pb = kept;
    if (change_list(how, i, (void **)&pb->directories, &pb->n_directories, sizeof pb->directories[0], &arena)) {
        check_changed(s, pb, whole, names[how], i);
    }
    tmx_arena_deinit(&arena);
    tmx_evidence_free(whole);
}

static void test_changed_parts(void **state)
{
    for (size_t k = 0; k < n_samples; k++) {
        for (enum change how = DROP; how < CHANGES; how++) {
            for (size_t i = 0; i < SAMPLE_LEAVES_MAX; i++) {
                change_parts(&samples[k], how, i);
            }
        }
    }
}

/* A leaf, checkpoint, container or key of each sample in each other one. */
static void test_mixed(void **state)
{
    for (size_t k = 0; k < n_samples; k++) {
        struct tmx_evidence *whole = check(samples[k].file);

        for (size_t o = 0; o < n_samples; o++) {
            struct tmx_arena arenas[2];
            Tmx__Evidence *pb = unpack(&samples[k], &arenas[0]);
            const Tmx__Evidence *other = unpack(&samples[o], &arenas[1]);
            const Tmx__Evidence kept = *pb;
            Tmx__EvidenceLeaf *leaf = pb->leaves[pb->n_leaves - 1];

            pb->leaves[pb->n_leaves - 1] = other->leaves[other->n_leaves - 1];
            check_changed(&samples[k], pb, whole, "leaf of another", o);
            pb->leaves[pb->n_leaves - 1] = leaf;
            pb->container = other->container;
            check_changed(&samples[k], pb, whole, "container of another", o);
            *pb = kept;
            pb->content_key = other->content_key;
            check_changed(&samples[k], pb, whole, "key of another", o);
            *pb = kept;
            pb->message_id = other->message_id;
            check_changed(&samples[k], pb, whole, "id of another", o);
            *pb = kept;
            pb->n_checkpoints = other->n_checkpoints;
            pb->checkpoints = other->checkpoints;
            check_changed(&samples[k], pb, whole, "checkpoints of another", o);
            tmx_arena_deinit(&arenas[0]);
            tmx_arena_deinit(&arenas[1]);
        }
        tmx_evidence_free(whole);
    }
}

/* --- the whole of it -------------------------------------------------------------------------------------------- */

static int setup(void **state)
{
    n_samples = samples_make(&samples, &authority);
    return 0;
}

static int teardown(void **state)
{
    samples_free(samples, n_samples);
    return 0;
}

static int write_samples(const char *folder)
{
    const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    uint8_t text[1024];
    struct tmx_writer w = TMX_WRITER_OF(text);
    int r;

    tmx_authority_format(&authority, &w);
    r = tmx_export_write(fd, "authority.pub", tmx_written(&w));
    for (size_t i = 0; r == 0 && i < n_samples; i++) {
        char name[EXPORT_PATH_MAX];

        snprintf(name, sizeof name, "%s.evidence", samples[i].name);
        r = tmx_export_write(fd, name, samples[i].file);
    }
    return r;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_samples),       cmocka_unit_test(test_sentences), cmocka_unit_test(test_json),
        cmocka_unit_test(test_changed_bytes), cmocka_unit_test(test_cut_short), cmocka_unit_test(test_changed_parts),
        cmocka_unit_test(test_mixed),
    };
    const char *out = getenv("TMX_EVIDENCE_OUT");

    if (out != NULL) {
        return setup(NULL) == 0 && write_samples(out) == 0 ? teardown(NULL) : 1;
    }
    return cmocka_run_group_tests_name("evidence", tests, setup, teardown);
}
