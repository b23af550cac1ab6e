/* SPDX-License-Identifier: Apache-2.0
 * Looks at the images that crashes during a recording may have left.
 *
 *   sweep check LOG BASE IMAGES SEED SCRATCH ABOUT [EARLIER]   checks IMAGES images, spread over all records
 *   sweep image LOG BASE IMAGES SEED SCRATCH ABOUT N           makes image N of these, to be recorded again
 *
 * BASE is what was there before the recording, or "-". ABOUT is for the subject. EARLIER is the recording whose image
 * BASE is, as LOG BASE IMAGES SEED N: what was promised in it is promised still. Prints counts. Exit 0: every image was
 * as it should be; 1: not; 2: trouble.
 */
#include <assert.h>
#include <errno.h>
#include <ftw.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "replay.h"
#include "sweep.h"

#define CHECK_LIMIT_S 60u
#define FAILURES_SHOWN 5u

struct sweep {
    void *ledger;
    struct replay *replay;
    const char *scratch;
    uint64_t seed;
    size_t *boundaries;   /* records worth crashing in */
    size_t boundaries_n;
    size_t images;
    size_t counts[VERDICT_N];
    size_t shown;
};

static const char *const names[VERDICT_N] = { "ok", "lost", "corrupt", "refused", "died" };

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    return ftw->level > 0 ? remove(path) : 0;
}

static void empty(const char *folder)
{
    if (mkdir(folder, 0700) < 0 && errno != EEXIST) {
        perror(folder);
        exit(2);
    }
    if (nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0) {
        perror(folder);
        exit(2);
    }
}

/* Image `i` lies in this boundary; all of a boundary's images follow each other. */
static size_t boundary_of(const struct sweep *s, size_t i)
{
    return i * s->boundaries_n / s->images;
}

/* The first two images of a boundary are the extremes, then come the others in turn. */
static enum loss loss_of(const struct sweep *s, size_t i)
{
    size_t nth = 0;
    while (nth < i && boundary_of(s, i - nth - 1) == boundary_of(s, i)) {
        nth++;
    }
    return nth < 2 ? (enum loss)nth : (enum loss)(2 + (nth - 2 + boundary_of(s, i)) % (LOSS_N - 2));
}

static void make(struct sweep *s, size_t i)
{
    replay_to(s->replay, s->boundaries[boundary_of(s, i)], subject.said, s->ledger);
    empty(s->scratch);
    replay_image(s->replay, loss_of(s, i), s->seed * 1000003u + i, s->scratch);
}

/* In a child, which may die of an image: checks from image `i` on and writes each verdict to `out`. */
static void work(struct sweep *s, size_t i, int out)
{
    for (; i < s->images; i++) {
        char why[512] = "";
        (void)alarm(CHECK_LIMIT_S);
        make(s, i);
        enum verdict v = subject.check(s->ledger, s->scratch, why, sizeof(why));
        if (v != VERDICT_OK && ++s->shown <= FAILURES_SHOWN) {
            (void)fprintf(stderr, "image %zu (record %zu, loss %d): %s: %s\n", i, s->boundaries[boundary_of(s, i)],
                          (int)loss_of(s, i), names[v], why);
        }
        const unsigned char byte = (unsigned char)v;
        if (write(out, &byte, 1) != 1) {
            _exit(2);
        }
    }
    _exit(0);
}

/* Counts the verdicts of one child; returns how many images it looked at. */
static size_t check_some(struct sweep *s, size_t from)
{
    int ends[2];
    (void)fflush(stdout);
    pid_t pid = pipe(ends) == 0 ? fork() : -1;
    if (pid < 0) {
        perror("sweep");
        exit(2);
    }
    if (pid == 0) {
        close(ends[0]);
        work(s, from, ends[1]);
    }
    close(ends[1]);
    size_t n = 0;
    for (unsigned char v; read(ends[0], &v, 1) == 1; n++) {
        s->counts[v < VERDICT_DIED ? v : VERDICT_DIED]++;
    }
    close(ends[0]);
    int status;
    if (waitpid(pid, &status, 0) != pid) {
        perror("sweep");
        exit(2);
    }
    if (from + n < s->images) {
        (void)fprintf(stderr, "image %zu: died, status %d\n", from + n, status);
        s->counts[VERDICT_DIED]++;
        n++;
    }
    return n;
}

static bool load(struct sweep *s, const char *log, const char *base)
{
    s->replay = replay_open(log, strcmp(base, "-") == 0 ? NULL : base);
    if (s->replay == NULL) {
        return false;
    }
    size_t n = replay_records(s->replay);
    s->boundaries = calloc(n + 1, sizeof(*s->boundaries));
    assert(s->boundaries != NULL);
    for (size_t i = 0; i <= n; i++) {
        if (replay_changes(s->replay, i)) {
            s->boundaries[s->boundaries_n++] = i;
        }
    }
    return true;
}

static void unload(struct sweep *s)
{
    s->replay = replay_close(s->replay);
    free(s->boundaries);
}

/* What was promised before the crash that left the base of this recording. */
static bool load_earlier(struct sweep *s, char **earlier)
{
    struct sweep e = { .images = strtoul(earlier[2], NULL, 0), .seed = strtoul(earlier[3], NULL, 0) };
    if (e.images == 0 || !load(&e, earlier[0], earlier[1])) {
        return false;
    }
    size_t image = strtoul(earlier[4], NULL, 0) % e.images;
    replay_to(e.replay, e.boundaries[boundary_of(&e, image)], subject.said, s->ledger);
    unload(&e);
    return true;
}

static int check_all(struct sweep *s)
{
    for (size_t i = 0; i < s->images;) {
        i += check_some(s, i);
    }
    (void)printf("images %zu", s->images);
    for (unsigned v = 0; v < VERDICT_N; v++) {
        (void)printf(" %s %zu", names[v], s->counts[v]);
    }
    replay_to(s->replay, replay_records(s->replay), subject.said, s->ledger);
    (void)printf(" boundaries %zu promises %llu\n", s->boundaries_n, (unsigned long long)subject.promises(s->ledger));
    return s->counts[VERDICT_OK] == s->images ? 0 : 1;
}

int main(int argc, char **argv)
{
    bool image = argc == 9 && strcmp(argv[1], "image") == 0;
    bool check = (argc == 8 || argc == 13) && strcmp(argv[1], "check") == 0;
    if (!image && !check) {
        (void)fprintf(stderr, "usage: sweep check LOG BASE IMAGES SEED SCRATCH ABOUT [EARLIER] | sweep image … N\n");
        return 2;
    }
    struct sweep s = { .images = strtoul(argv[4], NULL, 0), .seed = strtoul(argv[5], NULL, 0), .scratch = argv[6] };
    (void)mallopt(M_MMAP_THRESHOLD, 256 << 10);   /* LMDB's 2 MiB tables come zeroed from the kernel, page by page */
    if (s.images == 0 || !load(&s, argv[2], argv[3])) {
        (void)fprintf(stderr, "sweep: no recording in %s\n", argv[2]);
        return 2;
    }
    s.ledger = subject.start(argv[7], s.seed);
    if (argc == 13 && !load_earlier(&s, argv + 8)) {
        (void)fprintf(stderr, "sweep: no recording in %s\n", argv[8]);
        return 2;
    }
    int r = 0;
    if (image) {
        make(&s, strtoul(argv[8], NULL, 0) % s.images);
    } else {
        r = check_all(&s);
        empty(s.scratch);
    }
    subject.stop(s.ledger);
    unload(&s);
    return r;
}
