/* SPDX-License-Identifier: Apache-2.0
 * See export_broker.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <tmx/control.h>
#include <tmx/text.h>

#include "../../broker/audit/check.h"
#include "../../broker/audit/export_dir.h"
#include "export_broker.h"

char target[64];
char why[EXPORT_WHY_MAX];
struct asked *asked;
uint64_t breaks_off_at;
more_fn *answer_more;

#define GIVEN_MAX 100u /* entries at once */

static void answer_entries(struct tmx_control *control, enum lie lie, uint64_t client, uint64_t from, uint64_t count)
{
    static uint8_t bytes[1u << 20];
    struct tmx_writer w = TMX_WRITER_OF(bytes);
    uint64_t n = 0;

    count = count < GIVEN_MAX ? count : GIVEN_MAX;
    count = from + count > book->n ? book->n - from : count;
    asked->first = asked->entries == 0 || from < asked->first ? from : asked->first;
    asked->entries += count;
    for (; lie != NO_ENTRIES && n < count + (lie == TOO_MANY_ENTRIES ? 1 : 0); n++) {
        const struct tmx_bytes entry = book->entries[lie == OTHER_ENTRY && from + n == book->n - 1 ? 3 : from + n];

        tmx_write_u16(&w, (uint16_t)(lie == NO_BUNDLE ? 0 : entry.size));
        tmx_write_bytes(&w, entry);
    }
    tmx_control_reply_with(control, client, json_pack("{sI}", "entries", (json_int_t)n),
                           TMX_BYTES(bytes, w.used - (lie == CUT_SHORT ? 1 : 0)));
}

static json_t *head_json(enum lie lie)
{
    uint8_t *note;
    size_t size;
    json_t *reply;

    if (lie == NO_CHECKPOINT) {
        return json_pack("{ss}", "checkpoint", "none");
    }
    assert_int_equal(tmx_export_read(folder_fd, "checkpoint", TMX_NOTE_MAX, &note, &size), 0);
    reply = json_pack("{so}", "checkpoint", json_stringn((const char *)note, size));
    free(note);
    return reply;
}

static void answer_directory(struct tmx_control *control, enum lie lie, uint64_t client, uint64_t from)
{
    const size_t at = from > 0 ? from - 1 : 0;

    if (lie == NO_DIRECTORY || at >= TMX_N(book->directory_files) || book->directory_files[at] == NULL) {
        tmx_control_reply(control, client, json_pack("{si}", "serial", 0));
    } else {
        tmx_control_reply_with(control, client,
                               json_pack("{sI}", "serial", (json_int_t)(lie == LOWER_DIRECTORY ? at : at + 1)),
                               TMX_BYTES(book->directory_files[at], book->directory_sizes[at]));
    }
}

static void answer(struct tmx_control *control, enum lie lie, const struct tmx_control_request *r)
{
    uint64_t from;
    uint64_t count;

    if (lie == REFUSES) {
        tmx_control_refuse(control, r->client, "no", "not today");
    } else if (strcmp(r->words[0], "log-head") == 0) {
        tmx_control_reply(control, r->client, head_json(lie));
    } else if (r->n_words == 2 && strcmp(r->words[0], "log-directory") == 0 &&
               tmx_parse_u64(tmx_bytes_str(r->words[1]), UINT64_MAX, &from)) {
        answer_directory(control, lie, r->client, from);
    } else if (r->n_words == 3 && strcmp(r->words[0], "log-entries") == 0 &&
               tmx_parse_u64(tmx_bytes_str(r->words[1]), book->n - 1, &from) &&
               tmx_parse_u64(tmx_bytes_str(r->words[2]), book->n - from, &count)) {
        if (lie == BREAKS_OFF && from + (count < GIVEN_MAX ? count : GIVEN_MAX) > breaks_off_at) {
            tmx_control_refuse(control, r->client, "no", "this is as far as it goes");
        } else {
            answer_entries(control, lie, r->client, from, count);
        }
    } else if (!heads_answer(control, r, &asked->heads) && (answer_more == NULL || !answer_more(control, r))) {
        tmx_control_refuse(control, r->client, "no", "unknown request");
    }
}

/* Answers from the book until it is killed. */
static void serve(struct tmx_control *control, enum lie lie)
{
    for (;;) {
        struct tmx_control_fd fds[TMX_CONTROL_FDS_MAX];
        struct pollfd wait[TMX_CONTROL_FDS_MAX];
        const size_t n = tmx_control_fds(control, fds);
        struct tmx_control_request request;

        for (size_t i = 0; i < n; i++) {
            wait[i] = (struct pollfd){ .fd = fds[i].fd, .events = fds[i].want_write ? POLLOUT : POLLIN };
        }
        (void)poll(wait, n, -1);
        tmx_control_step(control, 1);
        while (tmx_control_next(control, &request)) {
            answer(control, lie, &request);
        }
    }
}

pid_t start_broker(enum lie lie, char socket_path[64], struct tmx_control **ret_control)
{
    pid_t pid;

    snprintf(socket_path, 64, "%s/control", folder);
    snprintf(target, sizeof target, "%s/out", folder);
    if (asked == NULL) {
        asked = mmap(NULL, sizeof *asked, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        assert_true(asked != MAP_FAILED);
    }
    *asked = (struct asked){ .first = 0 };
    assert_int_equal(tmx_control_new(socket_path, ret_control), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        serve(*ret_control, lie);
    }
    return pid;
}

void stop_broker(pid_t pid, struct tmx_control *control)
{
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    tmx_control_free(control);
}

int export_with(enum lie lie, const struct tmx_export_order *order)
{
    struct tmx_export_order whole = *order;
    struct tmx_control *control;
    struct tmx_checkpoint head;
    bool uncosigned;
    char socket_path[64];
    const pid_t pid = start_broker(lie, socket_path, &control);
    int r;

    whole.socket = socket_path;
    whole.dir = order->dir == NULL ? target : order->dir;
    r = tmx_export_run(&whole, &head, &uncosigned, why);
    stop_broker(pid, control);
    print_message("# %s\n", r < 0 ? why : "exported");
    assert_true(r < 0 || head.size == book->n);
    return r;
}

/* --- crashes -------------------------------------------------------------------------------------------------- */

#define CRASHED 99

static unsigned changes_left; /* 0: no crash */

static void change(void)
{
    if (changes_left > 0 && --changes_left == 0) {
        _exit(CRASHED);
    }
}

/* In place of the C library's. A file that gets no name is half written, too. */
int renameat(int old_fd, const char *old_path, int new_fd, const char *new_path)
{
    struct stat st;

    if (changes_left == 1 && fstatat(old_fd, old_path, &st, 0) == 0) {
        const int fd = openat(old_fd, old_path, O_WRONLY | O_CLOEXEC);

        if (ftruncate(fd, st.st_size / 2) < 0) {
            _exit(1);
        }
    }
    change();
    return (int)syscall(SYS_renameat2, old_fd, old_path, new_fd, new_path, 0);
}

int unlinkat(int fd, const char *path, int flags)
{
    change();
    return (int)syscall(SYS_unlinkat, fd, path, flags);
}

int export_crashing(unsigned nth, const struct tmx_export_order *order)
{
    struct tmx_export_order whole = *order;
    struct tmx_control *control;
    struct tmx_checkpoint head;
    char socket_path[64];
    bool uncosigned;
    const pid_t broker = start_broker(HONEST, socket_path, &control);
    pid_t pid;
    int status;

    whole.socket = socket_path;
    whole.dir = order->dir == NULL ? target : order->dir;
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        changes_left = nth;
        _exit(tmx_export_run(&whole, &head, &uncosigned, why) == 0 ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    stop_broker(broker, control);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) != 1);
    return WEXITSTATUS(status);
}

int prune_with(const struct tmx_prune_order *order, struct tmx_prune_result *ret_result)
{
    struct tmx_prune_order whole = *order;
    int r;

    whole.dir = order->dir == NULL ? target : order->dir;
    whole.authority_file = authority_file;
    whole.jobs = 1;
    r = tmx_prune_run(&whole, ret_result, why);
    print_message("# %s\n", r < 0 ? why : "pruned");
    return r;
}

int prune_crashing(unsigned nth, const struct tmx_prune_order *order)
{
    struct tmx_prune_result result;
    const pid_t pid = fork();
    int status;

    assert_true(pid >= 0);
    if (pid == 0) {
        changes_left = nth;
        _exit(prune_with(order, &result) == 0 ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) != 1);
    return WEXITSTATUS(status);
}

int export_from(enum lie lie)
{
    return export_with(lie, &(struct tmx_export_order){ .key = NULL });
}

void grow_book(size_t more)
{
    struct mail m;

    for (size_t i = 0; i < more; i++) {
        book_compose(&m, "FR", "CH", NULL);
        book_accept(&m);
    }
    write_checkpoint(book->n, &book->roots[book->n], book->federation.log_secret);
}

void rewrite_book(uint64_t index)
{
    const uint8_t *last = book->entries[index].data + book->entries[index].size - 1;

    *(uint8_t *)(uintptr_t)last ^= 1;
    book->frontier = (struct tmx_frontier){ .size = 0 };
    for (size_t i = 0; i < book->n; i++) {
        const struct tmx_hash leaf = tmx_merkle_leaf(book->entries[i]);

        tmx_frontier_append(&book->frontier, &leaf, NULL, NULL);
        book->roots[i + 1] = tmx_frontier_root(&book->frontier);
    }
    write_checkpoint(book->n, &book->roots[book->n], book->federation.log_secret);
}

bool target_has(const char *file)
{
    char path[128];

    snprintf(path, sizeof path, "%s/%s", target, file);
    return access(path, F_OK) == 0;
}

bool check_signed_target(const struct tmx_signify_public *signer)
{
    struct tmx_check *c;
    const char *what;
    bool ok;

    assert_int_equal(tmx_check_export(target, authority_file, 1, signer, &c, &what), 0);
    book_print_faults(tmx_check_audit(c));
    ok = tmx_audit_ok(tmx_check_audit(c));
    tmx_check_free(c);
    return ok;
}

bool check_target(void)
{
    return check_signed_target(NULL);
}

bool sums_hold(void)
{
    char line[256];

    snprintf(line, sizeof line,
             "cd %s && sha256sum --check --strict --quiet SHA256 >/dev/null 2>&1 && test $(wc -l <SHA256) = "
             "$(find . -type f ! -name SHA256 ! -name SHA256.sig | wc -l)",
             target);
    return system(line) == 0;
}

bool run_in(const char *dir, const char *command)
{
    char line[512];

    assert_true((size_t)snprintf(line, sizeof line, "cd %s && { %s; }", dir, command) < sizeof line);
    return system(line) == 0;
}

bool run_in_target(const char *command)
{
    return run_in(target, command);
}
