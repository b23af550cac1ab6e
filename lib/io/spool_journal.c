/* SPDX-License-Identifier: Apache-2.0
 * The journal of the disk spool. See spool_journal.h.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "files.h"
#include "spool_journal.h"

#define DIGEST 16u
#define HEADER (DIGEST + TMX_JOURNAL_SALT + 8 + 4 + 4 + DIGEST)
#define OP_HEADER (1 + 1 + 2 + 4)
#define ROOM_KEPT (1u << 20)   /* of the memory for a record, from turn to turn */

_Static_assert(crypto_shorthash_siphashx24_BYTES == DIGEST, "the digest is one SipHash-128");
_Static_assert(crypto_shorthash_siphashx24_KEYBYTES == TMX_JOURNAL_KEY, "keyed with the spool's");

static uint64_t rounded(uint64_t bytes)
{
    return (bytes + TMX_JOURNAL_BLOCK - 1) / TMX_JOURNAL_BLOCK * TMX_JOURNAL_BLOCK;
}

static int read_all(int fd, uint8_t *data, size_t size)
{
    for (size_t at = 0; at < size;) {
        ssize_t n = pread(fd, data + at, size - at, (off_t)at);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return n < 0 ? -errno : -EBADMSG;
        }
        at += (size_t)n;
    }
    return 0;
}

/* --- the file ------------------------------------------------------------------------------------------------ */

/* The first block. */
static void title(const uint8_t key[TMX_JOURNAL_KEY], uint8_t ret_block[TMX_JOURNAL_BLOCK])
{
    static const char text[] = "TMX spool journal 1\n";
    memset(ret_block, 0, TMX_JOURNAL_BLOCK);
    memcpy(ret_block, text, sizeof(text));
    crypto_shorthash_siphashx24(ret_block + sizeof(text), ret_block, sizeof(text), key);
}

int tmx_journal_create(const char *path, uint64_t capacity, const uint8_t key[TMX_JOURNAL_KEY])
{
    static const uint8_t zeros[TMX_JOURNAL_BYTES_MIN];
    uint64_t size = capacity / 64 / sizeof(zeros) * sizeof(zeros);
    size = size < TMX_JOURNAL_BYTES_MIN ? TMX_JOURNAL_BYTES_MIN : size > TMX_JOURNAL_BYTES_MAX ? TMX_JOURNAL_BYTES_MAX : size;
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return -errno;
    }
    int r = 0;
    for (uint64_t at = 0; r == 0 && at < size; at += sizeof(zeros)) {
        r = tmx_write_at(fd, TMX_BYTES_OF(zeros), at);
    }
    uint8_t block[TMX_JOURNAL_BLOCK];
    title(key, block);
    r = r == 0 ? tmx_write_at(fd, TMX_BYTES_OF(block), 0) : r;
    if (r == 0 && fsync(fd) < 0) {
        r = -errno;
    }
    close(fd);
    return r;
}

int tmx_journal_open(struct tmx_journal *j, const char *path)
{
    struct stat st;
    uint8_t is[TMX_JOURNAL_BLOCK], should[TMX_JOURNAL_BLOCK];
    int fd = open(path, O_RDWR | O_DSYNC | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return -errno;
    }
    title(j->key, should);
    if (fstat(fd, &st) < 0 || st.st_size < (off_t)TMX_JOURNAL_BYTES_MIN || st.st_size > (off_t)TMX_JOURNAL_BYTES_MAX ||
        read_all(fd, is, sizeof(is)) < 0 || memcmp(is, should, sizeof(is)) != 0) {
        close(fd);
        return -EBADMSG;
    }
    j->fd = fd;
    j->size = (uint64_t)st.st_size / TMX_JOURNAL_BLOCK * TMX_JOURNAL_BLOCK;
    j->at = TMX_JOURNAL_BLOCK;
    return 0;
}

void tmx_journal_close(struct tmx_journal *j)
{
    if (j->fd >= 0) {
        close(j->fd);
    }
    free(j->record);
    *j = (struct tmx_journal){ .fd = -1 };
}

/* --- writing ------------------------------------------------------------------------------------------------- */

void tmx_journal_begin(struct tmx_journal *j)
{
    if (j->room > ROOM_KEPT) {
        free(j->record);
        j->record = NULL;
        j->room = 0;
    }
    j->used = HEADER;
    j->ops = 0;
    j->too_large = false;
}

static int make_room(struct tmx_journal *j, size_t size)
{
    if (size <= j->room) {
        return 0;
    }
    size_t room = rounded(size + size / 2);
    uint8_t *record = realloc(j->record, room);
    if (record == NULL) {
        return -ENOMEM;
    }
    j->record = record;
    j->room = room;
    return 0;
}

int tmx_journal_add(struct tmx_journal *j, const struct tmx_op *op)
{
    size_t size = OP_HEADER + op->key.size + op->value.size;
    if (j->too_large || j->at + j->used + size > j->size) {
        j->too_large = true;
        return 0;
    }
    int r = make_room(j, j->used + size);
    if (r < 0) {
        return r;
    }
    struct tmx_writer w = tmx_writer_init(j->record + j->used, size);
    tmx_write_u8(&w, (uint8_t)op->kind);
    tmx_write_u8(&w, op->table);
    tmx_write_u16(&w, (uint16_t)op->key.size);
    tmx_write_u32(&w, (uint32_t)op->value.size);
    tmx_write_bytes(&w, op->key);
    tmx_write_bytes(&w, op->value);
    j->used += tmx_written(&w).size;
    j->ops++;
    return 0;
}

int tmx_journal_write(struct tmx_journal *j, uint64_t turn)
{
    if (j->too_large) {
        return -EFBIG;
    }
    size_t size = rounded(j->used);
    int r = make_room(j, size);
    if (r < 0) {
        return r;
    }
    uint8_t digest[DIGEST];
    crypto_shorthash_siphashx24(digest, j->record + HEADER, j->used - HEADER, j->key);
    struct tmx_writer w = tmx_writer_init(j->record + DIGEST, HEADER - DIGEST);
    tmx_write_bytes(&w, TMX_BYTES_OF(j->salt));
    tmx_write_u64(&w, turn);
    tmx_write_u32(&w, (uint32_t)j->used);
    tmx_write_u32(&w, j->ops);
    tmx_write_bytes(&w, TMX_BYTES_OF(digest));
    assert(tmx_written(&w).size == HEADER - DIGEST);
    crypto_shorthash_siphashx24(j->record, j->record + DIGEST, HEADER - DIGEST, j->key);
    memset(j->record + j->used, 0, size - j->used);
    r = tmx_write_at(j->fd, TMX_BYTES(j->record, size), j->at);
    j->at += size;
    return r;
}

void tmx_journal_restart(struct tmx_journal *j, const uint8_t salt[TMX_JOURNAL_SALT])
{
    memcpy(j->salt, salt, TMX_JOURNAL_SALT);
    j->at = TMX_JOURNAL_BLOCK;
}

/* --- reading ------------------------------------------------------------------------------------------------- */

struct record {
    uint64_t turn;
    uint32_t n;
    bool ours;               /* its salt is the spool's */
    struct tmx_bytes ops;
    uint64_t end;
};

static bool intact(const struct tmx_journal *j, struct tmx_bytes digest, const uint8_t *data, size_t size)
{
    uint8_t expected[DIGEST];
    crypto_shorthash_siphashx24(expected, data, size, j->key);
    return memcmp(digest.data, expected, DIGEST) == 0;
}

/* The record that starts here; false: none, or not all of it. */
static bool record_at(const struct tmx_journal *j, const uint8_t *all, uint64_t at, struct record *ret)
{
    struct tmx_reader r = tmx_reader_init(TMX_BYTES(all + at, HEADER));
    struct tmx_bytes of_header = tmx_read_bytes(&r, DIGEST), salt = tmx_read_bytes(&r, TMX_JOURNAL_SALT);
    ret->turn = tmx_read_u64(&r);
    uint32_t size = tmx_read_u32(&r);
    ret->n = tmx_read_u32(&r);
    struct tmx_bytes of_ops = tmx_read_bytes(&r, DIGEST);
    assert(tmx_reader_done(&r));
    if (!intact(j, of_header, all + at + DIGEST, HEADER - DIGEST) || size < HEADER || size > j->size - at) {
        return false;
    }
    ret->ours = memcmp(salt.data, j->salt, TMX_JOURNAL_SALT) == 0;
    ret->ops = TMX_BYTES(all + at + HEADER, size - HEADER);
    ret->end = at + rounded(size);
    return intact(j, of_ops, ret->ops.data, ret->ops.size);
}

static int take_ops(const struct record *record, int (*take)(void *context, const struct tmx_op *op), void *context)
{
    struct tmx_reader reader = tmx_reader_init(record->ops);
    int r = 0;
    for (uint32_t i = 0; r == 0 && i < record->n; i++) {
        struct tmx_op op = { .kind = (enum tmx_op_kind)tmx_read_u8(&reader), .table = tmx_read_u8(&reader) };
        uint16_t key = tmx_read_u16(&reader);
        uint32_t value = tmx_read_u32(&reader);
        op.key = tmx_read_bytes(&reader, key);
        op.value = tmx_read_bytes(&reader, value);
        r = tmx_reader_ok(&reader) ? take(context, &op) : -EBADMSG;
    }
    return r == 0 && !tmx_reader_done(&reader) ? -EBADMSG : r;
}

/* Is there a record of a later turn? Then a turn before it is missing, for each was durable before the next was written. */
static bool later_than(const struct tmx_journal *j, const uint8_t *all, uint64_t from, uint64_t turn)
{
    struct record record;
    for (uint64_t at = from; at < j->size; at += TMX_JOURNAL_BLOCK) {
        if (record_at(j, all, at, &record) && record.turn > turn) {
            return true;
        }
    }
    return false;
}

int tmx_journal_replay(struct tmx_journal *j, uint64_t turn, int (*take)(void *context, const struct tmx_op *op),
                       void *context, uint64_t *ret_turn)
{
    struct record record;
    uint8_t *all = malloc(j->size);
    int r = all == NULL ? -ENOMEM : read_all(j->fd, all, j->size);
    uint64_t at = TMX_JOURNAL_BLOCK;
    while (r == 0 && at < j->size && record_at(j, all, at, &record) && record.ours && record.turn == turn + 1) {
        r = take_ops(&record, take, context);
        turn = record.turn;
        at = record.end;
    }
    if (r == 0 && later_than(j, all, at, turn)) {
        r = -EBADMSG;
    }
    free(all);
    *ret_turn = turn;
    return r;
}
