/* SPDX-License-Identifier: Apache-2.0
 * The RAM twin of the spool: one skip list per table and a journal that undoes the open turn. Heights come from a
 * counter, so the same operations give the same structure everywhere.
 */
#include <stdlib.h>
#include <string.h>

#include <tmx/spool.h>

#define HEIGHT_MAX 16u   /* a quarter of the rows of each level are in the next: good for 4^16 rows */

struct row {
    uint8_t *value;
    size_t value_size;
    uint8_t key[TMX_KEY_MAX];
    uint8_t key_size;
    uint8_t height;
    bool damaged;
    struct row *next[];   /* height */
};

/* What undoes one operation. */
struct undo {
    enum tmx_op_kind kind;   /* INSERT, UPDATE or DELETE: what was done */
    uint8_t table;
    struct row *row;
    uint8_t *value;   /* UPDATE: the value before */
    size_t value_size;
    bool damaged;
};

struct ram {
    struct tmx_spool spool;
    struct row *first[TMX_TABLES_MAX][HEIGHT_MAX];
    uint64_t rows[TMX_TABLES_MAX];
    uint64_t used;
    uint64_t commits;
    uint64_t heights;   /* counter that heights are drawn from */
    bool failed;
    struct undo *journal;
    size_t journal_used;
    size_t journal_size;
    uint8_t *lent[2];   /* TMX_SANITIZED: the key and value lent last */
};

/* Links to follow or change, one per level: where a key is or would be. */
struct path {
    struct row **link[HEIGHT_MAX];
};

static int compare(const struct row *row, struct tmx_bytes key)
{
    size_t shorter = row->key_size < key.size ? row->key_size : key.size;
    int c = memcmp(row->key, key.data, shorter);
    return c != 0 ? c : (row->key_size > key.size) - (row->key_size < key.size);
}

/* The first row at or after the key; the path leads to it. */
static struct row *find(struct ram *ram, uint8_t table, struct tmx_bytes key, struct path *ret_path)
{
    struct row **links = ram->first[table];
    struct row *stop = NULL;   /* known to be at or after the key */
    for (unsigned level = HEIGHT_MAX; level-- > 0;) {
        while (links[level] != stop && compare(links[level], key) < 0) {
            links = links[level]->next;
        }
        stop = links[level];
        ret_path->link[level] = &links[level];
    }
    return stop;
}

static struct row *find_exact(struct ram *ram, uint8_t table, struct tmx_bytes key, struct path *ret_path)
{
    struct row *row = find(ram, table, key, ret_path);
    return row != NULL && compare(row, key) == 0 ? row : NULL;
}

static void link_row(struct ram *ram, uint8_t table, struct row *row, const struct path *path)
{
    for (unsigned level = 0; level < row->height; level++) {
        row->next[level] = *path->link[level];
        *path->link[level] = row;
    }
    ram->rows[table]++;
    ram->used += row->key_size + row->value_size;
}

static void unlink_row(struct ram *ram, uint8_t table, struct row *row, const struct path *path)
{
    for (unsigned level = 0; level < row->height; level++) {
        assert(*path->link[level] == row);
        *path->link[level] = row->next[level];
    }
    ram->rows[table]--;
    ram->used -= row->key_size + row->value_size;
}

static void free_row(struct row *row)
{
    free(row->value);
    free(row);
}

/* 1 with probability 3/4, 2 with 3/16, … (the output function of SplitMix64 over a counter). */
static uint8_t draw_height(struct ram *ram)
{
    uint64_t x = ++ram->heights * 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    x ^= x >> 31;
    uint8_t height = 1;
    while (height < HEIGHT_MAX && (x & 3) == 0) {
        height++;
        x >>= 2;
    }
    return height;
}

static uint8_t *copy_of(struct tmx_bytes b)
{
    uint8_t *copy = malloc(b.size > 0 ? b.size : 1);
    if (copy != NULL && b.size > 0) {
        memcpy(copy, b.data, b.size);
    }
    return copy;
}

/* NULL: no memory. */
static struct row *new_row(struct ram *ram, struct tmx_bytes key, struct tmx_bytes value)
{
    uint8_t height = draw_height(ram);
    struct row *row = calloc(1, sizeof(*row) + height * sizeof(row->next[0]));
    if (row == NULL) {
        return NULL;
    }
    row->value = copy_of(value);
    if (row->value == NULL) {
        free(row);
        return NULL;
    }
    row->value_size = value.size;
    memcpy(row->key, key.data, key.size);
    row->key_size = (uint8_t)key.size;
    row->height = height;
    return row;
}

static int reserve_journal(struct ram *ram, size_t n)
{
    if (ram->journal_size - ram->journal_used >= n) {
        return 0;
    }
    size_t size = 2 * (ram->journal_used + n);
    struct undo *journal = realloc(ram->journal, size * sizeof(*journal));
    if (journal == NULL) {
        return -ENOMEM;
    }
    ram->journal = journal;
    ram->journal_size = size;
    return 0;
}

static int apply_op(struct ram *ram, const struct tmx_op *op)
{
    struct path path;
    struct row *row = find_exact(ram, op->table, op->key, &path);
    struct undo *undo = &ram->journal[ram->journal_used];
    *undo = (struct undo){ .kind = op->kind, .table = op->table, .row = row };
    if (op->kind == TMX_OP_DELETE) {
        assert(row != NULL);   /* precondition */
        unlink_row(ram, op->table, row, &path);
        ram->journal_used++;
        return 0;
    }
    assert(op->kind != TMX_OP_INSERT || row == NULL);   /* precondition */
    assert(op->kind != TMX_OP_UPDATE || row != NULL);   /* precondition */
    if (row == NULL) {
        row = new_row(ram, op->key, op->value);
        if (row == NULL) {
            return -ENOMEM;
        }
        link_row(ram, op->table, row, &path);
        undo->kind = TMX_OP_INSERT;
        undo->row = row;
    } else {
        uint8_t *value = copy_of(op->value);
        if (value == NULL) {
            return -ENOMEM;
        }
        undo->kind = TMX_OP_UPDATE;
        undo->value = row->value;
        undo->value_size = row->value_size;
        undo->damaged = row->damaged;
        row->damaged = false;
        ram->used = ram->used - row->value_size + op->value.size;
        row->value = value;
        row->value_size = op->value.size;
    }
    ram->journal_used++;
    return 0;
}

static void undo_op(struct ram *ram, const struct undo *undo)
{
    struct path path;
    struct row *row = undo->row;
    (void)find(ram, undo->table, TMX_BYTES(row->key, row->key_size), &path);
    switch (undo->kind) {
    case TMX_OP_INSERT:
        unlink_row(ram, undo->table, row, &path);
        free_row(row);
        return;
    case TMX_OP_DELETE:
        link_row(ram, undo->table, row, &path);
        return;
    case TMX_OP_UPDATE:
        ram->used = ram->used - row->value_size + undo->value_size;
        free(row->value);
        row->value = undo->value;
        row->value_size = undo->value_size;
        row->damaged = undo->damaged;
        return;
    case TMX_OP_PUT:
        break;
    }
    assert(false);
}

static void drop_turn(struct ram *ram)
{
    while (ram->journal_used > 0) {
        undo_op(ram, &ram->journal[--ram->journal_used]);
    }
}

static struct ram *ram_of(struct tmx_spool *s)
{
    return (struct ram *)s;
}

static void take_back(struct ram *ram)
{
    for (unsigned i = 0; i < TMX_N(ram->lent); i++) {
        free(ram->lent[i]);
        ram->lent[i] = NULL;
    }
}

/* Under the address sanitizer what is lent is a copy that dies at the next call, so that a caller who keeps it is
 * found out. */
static int lend(struct ram *ram, unsigned i, struct tmx_bytes b, struct tmx_bytes *ret_lent)
{
    if (TMX_SANITIZED) {
        ram->lent[i] = copy_of(b);
        if (ram->lent[i] == NULL) {
            return -ENOMEM;
        }
        b.data = ram->lent[i];
    }
    *ret_lent = b;
    return 0;
}

static int ram_begin(struct tmx_spool *s)
{
    struct ram *ram = ram_of(s);
    take_back(ram);
    return ram->failed ? -EIO : 0;
}

static int ram_apply(struct tmx_spool *s, const struct tmx_op *ops, size_t n)
{
    struct ram *ram = ram_of(s);
    take_back(ram);
    if (ram->failed) {
        return -EIO;
    }
    int r = reserve_journal(ram, n);
    for (size_t i = 0; r == 0 && i < n; i++) {
        r = apply_op(ram, &ops[i]);
    }
    ram->failed = r < 0;
    return r;
}

static int ram_commit(struct tmx_spool *s)
{
    struct ram *ram = ram_of(s);
    take_back(ram);
    if (ram->failed) {
        return -EIO;
    }
    for (size_t i = 0; i < ram->journal_used; i++) {
        struct undo *undo = &ram->journal[i];
        if (undo->kind == TMX_OP_DELETE) {
            free_row(undo->row);
        }
        free(undo->value);
    }
    ram->journal_used = 0;
    ram->commits++;
    return 0;
}

static int ram_look(struct ram *ram, uint8_t table, struct tmx_bytes key, bool damaged_too, struct tmx_bytes *ret_value)
{
    take_back(ram);
    if (ram->failed) {
        return -EIO;
    }
    struct path path;
    const struct row *row = find_exact(ram, table, key, &path);
    if (row == NULL || (row->damaged && !damaged_too)) {
        return row == NULL ? TMX_SPOOL_E_NONE : -EBADMSG;
    }
    return lend(ram, 1, TMX_BYTES(row->value, row->value_size), ret_value);
}

static int ram_get(struct tmx_spool *s, uint8_t table, struct tmx_bytes key, struct tmx_bytes *ret_value)
{
    return ram_look(ram_of(s), table, key, false, ret_value);
}

static int ram_stored(struct tmx_spool *s, uint8_t table, struct tmx_bytes key, struct tmx_bytes *ret_value)
{
    return ram_look(ram_of(s), table, key, true, ret_value);
}

static int ram_seek(struct tmx_spool *s, uint8_t table, struct tmx_bytes from, struct tmx_bytes *ret_key,
                    struct tmx_bytes *ret_value)
{
    struct ram *ram = ram_of(s);
    take_back(ram);
    if (ram->failed) {
        return -EIO;
    }
    struct path path;
    const struct row *row = find(ram, table, from, &path);
    if (row == NULL) {
        return TMX_SPOOL_E_NONE;
    }
    int r = lend(ram, 0, TMX_BYTES(row->key, row->key_size), ret_key);
    r = r == 0 && row->damaged ? -EBADMSG : r;
    return r < 0 ? r : lend(ram, 1, TMX_BYTES(row->value, row->value_size), ret_value);
}

static int ram_stat(struct tmx_spool *s, struct tmx_spool_stat *ret_stat)
{
    struct ram *ram = ram_of(s);
    take_back(ram);
    if (ram->failed) {
        return -EIO;
    }
    *ret_stat = (struct tmx_spool_stat){
        .used_bytes = ram->used,
        .capacity_bytes = SIZE_MAX,
        .commits = ram->commits,
    };
    memcpy(ret_stat->rows, ram->rows, sizeof(ram->rows));
    return 0;
}

static void ram_close(struct tmx_spool *s)
{
    struct ram *ram = ram_of(s);
    take_back(ram);
    drop_turn(ram);
    for (unsigned table = 0; table < TMX_TABLES_MAX; table++) {
        for (struct row *row = ram->first[table][0], *next; row != NULL; row = next) {
            next = row->next[0];
            free_row(row);
        }
    }
    free(ram->journal);
    free(ram);
}

static const struct tmx_spool_vtable ram_vtable = {
    .begin = ram_begin,
    .apply = ram_apply,
    .commit = ram_commit,
    .get = ram_get,
    .seek = ram_seek,
    .stored = ram_stored,
    .stat = ram_stat,
    .close = ram_close,
};

int tmx_spool_ram_new(struct tmx_spool **ret_spool)
{
    struct ram *ram = calloc(1, sizeof(*ram));
    if (ram == NULL) {
        return -ENOMEM;
    }
    ram->spool.vtable = &ram_vtable;
    *ret_spool = &ram->spool;
    return 0;
}

void tmx_spool_ram_crash(struct tmx_spool *s)
{
    assert(s->vtable == &ram_vtable);
    struct ram *ram = ram_of(s);
    take_back(ram);
    drop_turn(ram);
    ram->spool.in_turn = false;
    ram->failed = false;
}

void tmx_spool_ram_damage(struct tmx_spool *s, uint8_t table, struct tmx_bytes key)
{
    assert(s->vtable == &ram_vtable && !s->in_turn);
    struct path path;
    struct row *row = find_exact(ram_of(s), table, key, &path);
    assert(row != NULL);
    row->damaged = true;
    if (row->value_size > 0) {
        row->value[row->value_size / 2] ^= 1;
    }
}

static int copy_rows(const struct ram *ram, struct tmx_spool *copy)
{
    int r = 0;
    for (unsigned table = 0; r == 0 && table < TMX_TABLES_MAX; table++) {
        for (const struct row *row = ram->first[table][0]; r == 0 && row != NULL; row = row->next[0]) {
            struct tmx_op op = {
                .kind = TMX_OP_INSERT,
                .table = (uint8_t)table,
                .key = TMX_BYTES(row->key, row->key_size),
                .value = TMX_BYTES(row->value, row->value_size),
            };
            r = ram_apply(copy, &op, 1);
            if (r == 0 && row->damaged) {
                struct path path;
                find_exact(ram_of(copy), op.table, op.key, &path)->damaged = true;
            }
        }
    }
    return r;
}

/* The open turn of `ram`, taken back in its copy. */
static int undo_in_copy(const struct ram *ram, struct tmx_spool *copy)
{
    static const enum tmx_op_kind inverse[] = {
        [TMX_OP_INSERT] = TMX_OP_DELETE,
        [TMX_OP_UPDATE] = TMX_OP_UPDATE,
        [TMX_OP_DELETE] = TMX_OP_INSERT,
    };
    int r = 0;
    for (size_t i = ram->journal_used; r == 0 && i-- > 0;) {
        const struct undo *undo = &ram->journal[i];
        struct tmx_op op = {
            .kind = inverse[undo->kind],
            .table = undo->table,
            .key = TMX_BYTES(undo->row->key, undo->row->key_size),
        };
        if (undo->kind == TMX_OP_UPDATE) {
            op.value = TMX_BYTES(undo->value, undo->value_size);
        } else if (undo->kind == TMX_OP_DELETE) {
            op.value = TMX_BYTES(undo->row->value, undo->row->value_size);
        }
        r = ram_apply(copy, &op, 1);
    }
    return r;
}

int tmx_spool_ram_clone(const struct tmx_spool *s, struct tmx_spool **ret_spool)
{
    assert(s->vtable == &ram_vtable);
    const struct ram *ram = (const struct ram *)s;
    struct tmx_spool *copy;
    int r = tmx_spool_ram_new(&copy);
    if (r < 0) {
        return r;
    }
    r = copy_rows(ram, copy);
    if (r == 0) {
        r = undo_in_copy(ram, copy);
    }
    if (r == 0) {
        r = ram_commit(copy);
    }
    if (r < 0) {
        tmx_spool_close(copy);
        return r;
    }
    ram_of(copy)->commits = ram->commits;
    *ret_spool = copy;
    return 0;
}
