/* SPDX-License-Identifier: Apache-2.0
 * What may be on disk after a crash, from a recording. See replay.h.
 */
#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "record.h"
#include "replay.h"

#define SECTOR 512u
#define NODES_MAX 4096u
#define NAMES_MAX 32u
#define NAME_SIZE 64u
#define PATH_SIZE 4096u

/* A write or truncation that may not be on disk. */
struct change {
    const struct record *record;
    bool durable;   /* it is, but what is under it is not */
};

struct name {
    char text[NAME_SIZE];
    struct node *node;
};

struct names {
    struct name name[NAMES_MAX];
    size_t n;
};

/* A change of a folder that may not be on disk: `from` goes (unless empty), `to` comes (unless empty). */
struct move {
    char from[NAME_SIZE];
    char to[NAME_SIZE];
    struct node *node;
};

struct content {
    uint8_t *bytes;
    size_t size;
    size_t room;
};

struct node {
    bool folder;
    uint64_t file;
    /* a file */
    struct content disk_bytes;
    struct change *changes;
    size_t changes_n, changes_size;
    /* a folder */
    struct names disk;
    struct move moves[NAMES_MAX];
    size_t moves_n;
};

struct replay {
    const uint8_t *log;
    size_t log_size;
    const struct record **records;
    size_t n;
    size_t at;   /* records before this one are done */
    struct node *nodes[NODES_MAX];
    size_t nodes_n;
    struct content image;   /* of one file, again and again */
};

static struct node *new_node(struct replay *r, bool folder)
{
    struct node *node = calloc(1, sizeof(*node));
    assert(node != NULL && r->nodes_n < NODES_MAX);
    node->folder = folder;
    r->nodes[r->nodes_n++] = node;
    return node;
}

/* --- names ---------------------------------------------------------------------------------------------------- */

static struct name *find_name(struct names *names, const char *text)
{
    for (size_t i = 0; i < names->n; i++) {
        if (strcmp(names->name[i].text, text) == 0) {
            return &names->name[i];
        }
    }
    return NULL;
}

static void copy_name(char into[NAME_SIZE], const char *text)
{
    assert(strlen(text) < NAME_SIZE);
    strcpy(into, text);
}

static void set_name(struct names *names, const char *text, struct node *node)
{
    struct name *name = find_name(names, text);
    if (name == NULL) {
        assert(names->n < NAMES_MAX);
        name = &names->name[names->n++];
        copy_name(name->text, text);
    }
    name->node = node;
}

static void remove_name(struct names *names, const char *text)
{
    struct name *name = find_name(names, text);
    if (name != NULL) {
        *name = names->name[--names->n];
    }
}

static void make_move(struct names *names, const struct move *move)
{
    if (move->from[0] != '\0') {
        remove_name(names, move->from);
    }
    if (move->to[0] != '\0') {
        set_name(names, move->to, move->node);
    }
}

/* The folder's names after its first `moves` un-synced changes. */
static struct names names_after(const struct node *folder, size_t moves)
{
    struct names names = folder->disk;
    for (size_t i = 0; i < moves; i++) {
        make_move(&names, &folder->moves[i]);
    }
    return names;
}

static struct node *lookup(const struct node *folder, const char *text)
{
    struct names names = names_after(folder, folder->moves_n);
    struct name *name = find_name(&names, text);
    return name == NULL ? NULL : name->node;
}

/* The folder that holds `path`, and the last part of it. */
static struct node *parent_of(struct replay *r, const char *path, char ret_last[NAME_SIZE])
{
    struct node *folder = r->nodes[0];
    for (const char *slash; (slash = strchr(path, '/')) != NULL; path = slash + 1) {
        char part[NAME_SIZE];
        assert((size_t)(slash - path) < sizeof(part));
        memcpy(part, path, (size_t)(slash - path));
        part[slash - path] = '\0';
        folder = lookup(folder, part);
        assert(folder != NULL && folder->folder);
    }
    copy_name(ret_last, path);
    return folder;
}

static void move(struct node *folder, const char *from, const char *to, struct node *node)
{
    assert(folder->moves_n < NAMES_MAX);
    struct move *m = &folder->moves[folder->moves_n++];
    copy_name(m->from, from);
    copy_name(m->to, to);
    m->node = node;
}

/* --- content -------------------------------------------------------------------------------------------------- */

static void reserve(struct content *c, size_t size)
{
    if (size > c->room) {
        c->room = 2 * size;
        c->bytes = realloc(c->bytes, c->room);
        assert(c->bytes != NULL);
    }
}

static void resize(struct content *c, size_t size)
{
    reserve(c, size);
    if (size > c->size) {
        memset(c->bytes + c->size, 0, size - c->size);
    }
    c->size = size;
}

static void put(struct content *c, size_t at, const uint8_t *data, size_t n)
{
    if (n == 0) {
        return;
    }
    if (at > c->size) {
        resize(c, at);
    }
    reserve(c, at + n);
    memcpy(c->bytes + at, data, n);
    c->size = at + n > c->size ? at + n : c->size;
}

static void change(struct node *node, const struct record *record, bool durable)
{
    if (node->changes_n == node->changes_size) {
        node->changes_size = 2 * node->changes_size + 16;
        node->changes = realloc(node->changes, node->changes_size * sizeof(*node->changes));
        assert(node->changes != NULL);
    }
    node->changes[node->changes_n++] = (struct change){ record, durable };
}

static void make_change(struct content *c, const struct record *record)
{
    if (record->kind == RECORD_TRUNCATE) {
        resize(c, record->at);
    } else {
        put(c, record->at, (const uint8_t *)(record + 1), record->size);
    }
}

static void sync_node(struct node *node)
{
    for (size_t i = 0; i < node->changes_n; i++) {
        make_change(&node->disk_bytes, node->changes[i].record);
    }
    node->changes_n = 0;
    node->disk = names_after(node, node->moves_n);
    node->moves_n = 0;
}

/* --- the recording, record by record -------------------------------------------------------------------------- */

static struct node *by_file(struct replay *r, uint64_t file)
{
    for (size_t i = r->nodes_n; i-- > 0;) {
        if (r->nodes[i]->file == file) {
            return r->nodes[i];
        }
    }
    assert(false);
    return NULL;
}

static void opened(struct replay *r, const struct record *record, const char *path)
{
    char last[NAME_SIZE];
    struct node *folder = parent_of(r, path, last);
    struct node *node = path[0] == '\0' ? folder : lookup(folder, last);
    if (node == NULL) {
        assert((record->flags & RECORD_CREATED) != 0);
        node = new_node(r, false);
        move(folder, "", last, node);
    }
    for (size_t i = 0; i < r->nodes_n; i++) {   /* the number may have been of a file that is gone */
        r->nodes[i]->file = r->nodes[i]->file == record->file ? 0 : r->nodes[i]->file;
    }
    node->file = record->file;
}

/* Begins the record; what it does may be on disk or not. */
static void begin(struct replay *r, const struct record *record)
{
    char last[NAME_SIZE], to[NAME_SIZE];
    const char *path = (const char *)(record + 1);
    struct node *folder;
    switch ((enum record_kind)record->kind) {
    case RECORD_OPEN:
        opened(r, record, path);
        return;
    case RECORD_WRITE:
    case RECORD_TRUNCATE:
        change(by_file(r, record->file), record, false);
        return;
    case RECORD_RENAME:
        folder = parent_of(r, path, last);
        assert(parent_of(r, path + strlen(path) + 1, to) == folder);
        move(folder, last, to, lookup(folder, last));
        return;
    case RECORD_UNLINK:
        folder = parent_of(r, path, last);
        move(folder, last, "", NULL);
        return;
    case RECORD_MKDIR:
        folder = parent_of(r, path, last);
        move(folder, "", last, new_node(r, true));
        return;
    case RECORD_SYNC:
    case RECORD_MARK:
    case RECORD_SENT:
        return;
    }
    assert(false);
}

/* The call has returned. */
static void end(struct replay *r, const struct record *record)
{
    if (record->kind == RECORD_SYNC) {
        sync_node(by_file(r, record->file));
    } else if (record->kind == RECORD_WRITE && (record->flags & RECORD_DURABLE) != 0) {
        struct node *node = by_file(r, record->file);
        if (node->changes_n == 1) {
            sync_node(node);   /* nothing is under it */
            return;
        }
        node->changes[node->changes_n - 1].durable = true;
    }
}

void replay_to(struct replay *r, size_t n, void (*said)(void *user, const struct record *record), void *user)
{
    for (; r->at < n; r->at++) {
        const struct record *record = r->records[r->at];
        end(r, record);
        if (record->kind == RECORD_MARK || record->kind == RECORD_SENT) {
            said(user, record);
        }
        if (r->at + 1 < r->n) {
            begin(r, r->records[r->at + 1]);
        }
    }
}

bool replay_changes(const struct replay *r, size_t n)
{
    return n == r->n || (r->records[n]->kind != RECORD_MARK && r->records[n]->kind != RECORD_SENT &&
                         r->records[n]->kind != RECORD_OPEN);
}

size_t replay_records(const struct replay *r)
{
    return r->n;
}

/* --- images --------------------------------------------------------------------------------------------------- */

struct dice {
    enum loss loss;
    uint64_t state;
    uint64_t sectors;   /* seen so far */
    uint64_t chosen;    /* LOSS_ONE, LOSS_BUT_ONE: this one */
};

static uint64_t roll(struct dice *d)
{
    uint64_t x = d->state += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static bool keeps(struct dice *d)
{
    uint64_t sector = d->sectors++;
    switch (d->loss) {
    case LOSS_ALL:
        return false;
    case LOSS_NONE:
        return true;
    case LOSS_HALF:
        return roll(d) % 2 == 0;
    case LOSS_MOST:
        return roll(d) % 8 == 0;
    case LOSS_FEW:
        return roll(d) % 8 != 0;
    case LOSS_ONE:
        return sector != d->chosen;
    case LOSS_BUT_ONE:
        return sector == d->chosen;
    case LOSS_N:
        break;
    }
    assert(false);
    return false;
}

static void image_of_file(const struct node *node, struct dice *d, struct content *c)
{
    c->size = 0;
    put(c, 0, node->disk_bytes.bytes, node->disk_bytes.size);
    for (size_t i = 0; i < node->changes_n; i++) {
        const struct record *record = node->changes[i].record;
        if (node->changes[i].durable) {
            make_change(c, record);
            continue;
        }
        if (record->kind == RECORD_TRUNCATE) {
            if (keeps(d)) {
                make_change(c, record);
            }
            continue;
        }
        const uint8_t *data = (const uint8_t *)(record + 1);
        for (size_t at = 0; at < record->size;) {
            size_t n = SECTOR - (record->at + at) % SECTOR;
            n = n < record->size - at ? n : record->size - at;
            if (keeps(d)) {
                put(c, record->at + at, data + at, n);
            }
            at += n;
        }
    }
}

static void write_file(const char *path, const uint8_t *bytes, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert(fd >= 0);
    while (size > 0) {
        ssize_t n = write(fd, bytes, size);
        assert(n > 0);
        bytes += n;
        size -= (size_t)n;
    }
    close(fd);
}

static size_t moves_kept(const struct node *folder, struct dice *d)
{
    switch (d->loss) {
    case LOSS_ALL:
        return 0;
    case LOSS_HALF:
    case LOSS_MOST:
    case LOSS_FEW:
        return roll(d) % (folder->moves_n + 1);
    case LOSS_NONE:
    case LOSS_ONE:
    case LOSS_BUT_ONE:
    case LOSS_N:
        break;
    }
    return folder->moves_n;
}

/* `depth` 1: folders within are only looked into from there. */
static void image_of_folder(const struct node *folder, struct dice *d, struct content *c, const char *into,
                            unsigned depth)
{
    struct names names = names_after(folder, moves_kept(folder, d));
    for (size_t i = 0; i < names.n; i++) {
        char path[PATH_SIZE];
        assert((size_t)snprintf(path, sizeof(path), "%s/%s", into, names.name[i].text) < sizeof(path));
        const struct node *node = names.name[i].node;
        if (node->folder) {
            assert(depth > 0 && mkdir(path, 0700) == 0);
            image_of_folder(node, d, c, path, depth - 1);
            continue;
        }
        image_of_file(node, d, c);
        write_file(path, c->bytes, c->size);
    }
}

static uint64_t sectors_of(const struct record *record)
{
    return record->kind == RECORD_TRUNCATE ? 1
           : record->size == 0             ? 0
                                           : (record->at + record->size - 1) / SECTOR - record->at / SECTOR + 1;
}

/* As many as image_of_file asks about. */
static uint64_t count_sectors(const struct replay *r)
{
    uint64_t n = 0;
    for (size_t i = 0; i < r->nodes_n; i++) {
        const struct node *node = r->nodes[i];
        for (size_t k = 0; k < node->changes_n; k++) {
            n += node->changes[k].durable ? 0 : sectors_of(node->changes[k].record);
        }
    }
    return n;
}

void replay_image(struct replay *r, enum loss loss, uint64_t seed, const char *into)
{
    struct dice d = { .loss = loss, .state = seed };
    if (loss == LOSS_ONE || loss == LOSS_BUT_ONE) {
        uint64_t sectors = count_sectors(r);
        d.chosen = sectors > 0 ? roll(&d) % sectors : 0;
    }
    image_of_folder(r->nodes[0], &d, &r->image, into, 3);
}

/* --- loading -------------------------------------------------------------------------------------------------- */

static const uint8_t *map_file(const char *path, size_t *ret_size)
{
    struct stat st;
    int fd = open(path, O_RDONLY);
    if (fd < 0 || fstat(fd, &st) < 0) {
        return NULL;
    }
    *ret_size = (size_t)st.st_size;
    const uint8_t *bytes = *ret_size == 0 ? (const uint8_t *)"" : mmap(NULL, *ret_size, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    return bytes == MAP_FAILED ? NULL : bytes;
}

static void load_folder(struct replay *r, struct node *folder, const char *from, unsigned depth)
{
    DIR *dir = opendir(from);
    assert(dir != NULL);
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        char path[PATH_SIZE];
        struct stat st;
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) {
            continue;
        }
        assert((size_t)snprintf(path, sizeof(path), "%s/%s", from, e->d_name) < sizeof(path));
        assert(stat(path, &st) == 0);
        struct node *node = new_node(r, S_ISDIR(st.st_mode));
        set_name(&folder->disk, e->d_name, node);
        if (node->folder) {
            assert(depth > 0);
            load_folder(r, node, path, depth - 1);
            continue;
        }
        size_t size;
        const uint8_t *bytes = map_file(path, &size);
        assert(bytes != NULL);
        put(&node->disk_bytes, 0, bytes, size);
        if (size > 0) {
            (void)munmap((void *)(uintptr_t)bytes, size);
        }
    }
    closedir(dir);
}

struct replay *replay_open(const char *log, const char *base)
{
    struct replay *r = calloc(1, sizeof(*r));
    assert(r != NULL);
    struct node *root = new_node(r, true);
    r->log = map_file(log, &r->log_size);
    size_t size = 0;
    for (size_t at = 0; r->log != NULL && at < r->log_size;) {
        const struct record *record = (const struct record *)(const void *)(r->log + at);
        if (r->n == size) {
            size = 2 * size + 1024;
            r->records = realloc(r->records, size * sizeof(*r->records));
            assert(r->records != NULL);
        }
        r->records[r->n++] = record;
        at += sizeof(*record) + (record->size + RECORD_ALIGN - 1) / RECORD_ALIGN * RECORD_ALIGN;
    }
    if (r->n == 0) {
        return replay_close(r);
    }
    if (base != NULL) {
        load_folder(r, root, base, 3);
    }
    begin(r, r->records[0]);
    return r;
}

struct replay *replay_close(struct replay *r)
{
    for (size_t i = 0; i < r->nodes_n; i++) {
        free(r->nodes[i]->disk_bytes.bytes);
        free(r->nodes[i]->changes);
        free(r->nodes[i]);
    }
    if (r->log != NULL && r->log_size > 0) {
        (void)munmap((void *)(uintptr_t)r->log, r->log_size);
    }
    free(r->image.bytes);
    free(r->records);
    free(r);
    return NULL;
}
