/* SPDX-License-Identifier: Apache-2.0
 * Rows that the disk has spoilt (NODE-16). What is there of one is kept aside and told; then the row is made again from what else
 * is here, or it is gone, and whoever looks for it does what there is to do without it: asks the broker for the container once more,
 * ends a submission whose payload it was, leaves a leaf out of a bundle. Whoever reads a row never sees one that is damaged.
 *
 * Without some the node cannot be what it is: its state, the directory in force and who signs the next one. These stop it.
 */
#include <stdlib.h>
#include <string.h>

#include "core.h"

#define KEPT_ROWS_MAX 256u   /* what is damaged beyond that is told, but not kept: no disk spoils so much that is worth reading */
#define NO_ID SIZE_MAX

struct kind {
    const char *what;        /* for people */
    size_t id_at;            /* of the message id in the key */
    bool (*mend)(struct tmx_node *n, uint8_t table, const struct node_key *key);   /* false: it stays away */
};

static void put(struct tmx_node *n, uint8_t table, const struct node_key *key, struct tmx_bytes value)
{
    node_put(n, table, node_kb(key), value);
}

/* Its key says it all. */
static bool by_key(struct tmx_node *n, uint8_t table, const struct node_key *key)
{
    put(n, table, key, TMX_BYTES_NULL);
    return true;
}

static bool by_id(struct tmx_node *n, uint8_t table, const struct node_key *key)
{
    put(n, table, key, tmx_bytes_slice(node_kb(key), key->size - TMX_ID_SIZE, TMX_ID_SIZE));
    return true;
}

static bool index_mend(struct tmx_node *n, uint8_t table, const struct node_key *key)
{
    return key->data[0] != TMX_INDEX_BUSINESS && by_key(n, table, key);
}

/* A day that has no key any more is covered by the last-resort key; what is left is published anew. */
static bool own_prekey_mend(struct tmx_node *n, uint8_t table, const struct node_key *key)
{
    (void)table;
    (void)key;
    n->prekeys_again = true;
    return false;
}

static bool directory_mend(struct tmx_node *n, uint8_t table, const struct node_key *key)
{
    if (n->directory == NULL || node_u64(node_kb(key)) != tmx_directory_serial(n->directory)) {
        return false;
    }
    put(n, table, key, tmx_directory_file(n->directory));
    return true;
}

static const struct kind kinds[] = {
    [TMX_NT_META] = { "the prekey set published last", NO_ID, own_prekey_mend },
    [TMX_NT_OUT] = { "the record of a message sent", 0, node_out_mend },
    [TMX_NT_OUT_INFO] = { "what was submitted with a message sent", 0, node_out_info_mend },
    [TMX_NT_OUT_REFERENCE] = { "the reference of a message sent", NO_ID, node_out_reference_mend },
    [TMX_NT_OUT_WAIT] = { "a place in the queue of submissions", NO_ID, node_out_queue_mend },
    [TMX_NT_OUT_LANE] = { "a place in a movement", NO_ID, node_out_queue_mend },
    [TMX_NT_OUT_PAYLOAD] = { "the payload of a submission", 0, NULL },
    [TMX_NT_OUT_SIGNED] = { "the signed header of a message sent", 0, node_out_signed_mend },
    [TMX_NT_OUT_CONTAINER] = { "the container of a message sent", 0, NULL },
    [TMX_NT_OUT_OPEN] = { "the number of a message sent", NO_ID, node_out_queue_mend },
    [TMX_NT_OUT_PAIR] = { "the last number to a member", NO_ID, node_out_number_mend },
    [TMX_NT_OUT_MOVEMENT] = { "the last number of a movement", NO_ID, node_out_number_mend },
    [TMX_NT_IN] = { "the record of a message received", 0, node_in_mend },
    [TMX_NT_IN_INFO] = { "what an application is told of a message received", 0, node_in_info_mend },
    [TMX_NT_IN_CONTAINER] = { "the container of a message received", 0, NULL },
    [TMX_NT_IN_SEQ] = { "a number of a sender", NO_ID, node_in_seq_mend },
    [TMX_NT_IN_WAIT] = { "what a message received waits for", TMX_MEMBER_MAX + 8, by_key },
    [TMX_NT_IN_READY] = { "a place in the inbox", TMX_TYPE_MAX + 9, by_id },
    [TMX_NT_IN_STAGE] = { "the beginning of a large container", 0, node_in_stage_mend },
    [TMX_NT_REPORT] = { "a report made", 0, node_report_mend },
    [TMX_NT_REPORT_OPEN] = { "the number of a report", NO_ID, node_report_open_mend },
    [TMX_NT_ARCHIVE] = { "a content key", 1, NULL },
    [TMX_NT_PREKEYS] = { "the prekeys of a member", NO_ID, node_prekeys_mend },
    [TMX_NT_OWN_PREKEY] = { "a prekey of this node", NO_ID, own_prekey_mend },
    [TMX_NT_DUE] = { "a timer", 9, by_key },
    [TMX_NT_EVENT] = { "an event", NO_ID, NULL },
    [TMX_NT_INDEX] = { "an index", NO_ID, index_mend },
    [TMX_NT_EVIDENCE] = { "a leaf kept as evidence", 0, NULL },
    [TMX_NT_HEAD] = { "a head that evidence leads to", NO_ID, NULL },
    [TMX_NT_ALARM] = { "an alarm", NO_ID, NULL },
    [TMX_NT_IN_LANE] = { "a place in a movement", NO_ID, by_key },
    [TMX_NT_WITNESS] = { "the head cosigned last", NO_ID, by_key },        /* empty: it is not known any more */
    [TMX_NT_COSIGNED] = { "the newest cosigned head", NO_ID, NULL },
    [TMX_NT_DIRECTORY] = { "an earlier directory", NO_ID, directory_mend },
    [TMX_NT_PREKEY_LEAF] = { "the leaf of a prekey set", NO_ID, NULL },
    [TMX_NT_UPGRADE] = { "a leaf to be proved at a cosigned head", NO_ID, NULL },
    [TMX_NT_IN_PAIR] = { "how far a sender's numbers are known", NO_ID, NULL },
    [TMX_NT_MISBEHAVIOUR] = { "a proof of misbehaviour", NO_ID, NULL },   /* a file beside the spool holds it, too */
    [TMX_NT_PREKEY_ID] = { "the place of a prekey", NO_ID, NULL },
    [TMX_NT_ATTACHMENT] = { "the reason of a refusal", 0, NULL },
    [TMX_NT_OPERATION] = { "what an operator asked", NO_ID, by_key },     /* time and nonce stay: it is done once */
    [TMX_NT_DAMAGED] = { "a damaged record kept aside", NO_ID, NULL },
};

static const struct kind *kind_of(uint8_t table)
{
    return table < TMX_N(kinds) && kinds[table].what != NULL ? &kinds[table] : NULL;
}

/* The node is nothing without it. */
static bool vital(uint8_t table, struct tmx_bytes key)
{
    return table == TMX_NT_META && !tmx_bytes_eq(key, TMX_LIT("prekeys")) && !tmx_bytes_eq(key, TMX_LIT("prekey-index"));
}

static const uint8_t *id_in(const struct kind *kind, struct tmx_bytes key)
{
    return kind->id_at != NO_ID && key.size >= kind->id_at + TMX_ID_SIZE ? key.data + kind->id_at : NULL;
}

/* DAMAGED: wall ms u64, table u8, key size u8, key, what is there. */
static void keep(struct tmx_node *n, uint8_t table, const struct node_key *key)
{
    struct tmx_spool_stat stat;
    struct tmx_bytes stored = TMX_BYTES_NULL;
    int r = tmx_spool_stat(n->spool, &stat);
    r = r == 0 && stat.rows[TMX_NT_DAMAGED] < KEPT_ROWS_MAX ? tmx_spool_stored(n->spool, table, node_kb(key), &stored) : r;
    const size_t size = 10 + key->size + stored.size;
    uint8_t *row = r < 0 ? NULL : malloc(size);
    if (row == NULL) {
        node_fault(n, r < 0 ? r : -ENOMEM);
        return;
    }
    struct tmx_writer w = tmx_writer_init(row, size < TMX_CONTAINER_MAX ? size : TMX_CONTAINER_MAX);
    tmx_write_u64(&w, n->wall_ms);
    tmx_write_u8(&w, table);
    tmx_write_u8(&w, (uint8_t)key->size);
    tmx_write_bytes(&w, node_kb(key));
    const size_t room = TMX_CONTAINER_MAX - w.used;
    tmx_write_bytes(&w, tmx_bytes_slice(stored, 0, stored.size < room ? stored.size : room));
    struct node_key number = node_key_u64(n->state.alarm + 1);
    node_alarm(n, "record.damaged", NULL, id_in(kind_of(table), node_kb(key)), TMX_CODE_RECORD_DAMAGED, node_kb(key));
    node_insert(n, TMX_NT_DAMAGED, node_kb(&number), tmx_written(&w));
    free(row);
}

/* Who was about to say that a number has its outcome finds that it is known: what waits for it goes on from here. */
static void seq_mended(struct tmx_node *n, const struct node_key *key)
{
    struct tmx_bytes value;
    if (key->size == TMX_MEMBER_MAX + 8 && node_get(n, TMX_NT_IN_SEQ, node_kb(key), &value) && value.size == 1 &&
        value.data[0] == TMX_SEQ_RESOLVED) {
        node_seq_wake(n, key->data, node_u64(tmx_bytes_slice(node_kb(key), TMX_MEMBER_MAX, 8)));
    }
}

int node_mend(struct tmx_node *n, uint8_t table, struct tmx_bytes borrowed)
{
    struct node_key key = { .size = borrowed.size };
    if (kind_of(table) == NULL || borrowed.size < 1 || borrowed.size > sizeof(key.data) || vital(table, borrowed)) {
        return -EBADMSG;
    }
    memcpy(key.data, borrowed.data, borrowed.size);
    if (!n->turning) {   /* a look between turns writes nothing */
        n->wound = key;
        n->wound_table = table;
        return TMX_SPOOL_E_NONE;
    }
    if (n->mending) {    /* of two that tell each other the second is taken for missing */
        return TMX_SPOOL_E_NONE;
    }
    const size_t used = n->scratch.used;
    n->mending = true;
    keep(n, table, &key);
    node_delete(n, table, node_kb(&key));
    if (kind_of(table)->mend != NULL) {
        (void)kind_of(table)->mend(n, table, &key);
    }
    n->mending = false;
    tmx_arena_rewind(&n->scratch, used);
    if (table == TMX_NT_IN_SEQ && n->fault == 0) {
        seq_mended(n, &key);
    }
    return n->fault;
}

void node_mend_seen(struct tmx_node *n)
{
    if (n->wound.size > 0) {
        struct node_key key = n->wound;
        n->wound.size = 0;
        (void)node_has(n, n->wound_table, node_kb(&key));
    }
}

/* The newest one; they are numbered as alarms are. */
void tmx_node_damage(struct tmx_node *n, struct tmx_node_damage_view *ret_view)
{
    struct tmx_node_damage_view v = { .what = "" };
    struct tmx_spool_stat stat;
    struct tmx_bytes value = TMX_BYTES_NULL;
    uint64_t number = n->state.alarm;
    v.kept = tmx_spool_stat(n->spool, &stat) == 0 ? stat.rows[TMX_NT_DAMAGED] : 0;
    for (unsigned i = 0; v.kept > 0 && i < TMX_NODE_ALARMS_MAX && number > 0 && value.size == 0; i++, number--) {
        struct node_key k = node_key_u64(number);
        value = node_get(n, TMX_NT_DAMAGED, node_kb(&k), &value) ? value : TMX_BYTES_NULL;
    }
    struct tmx_reader r = tmx_reader_init(value);
    uint64_t at_ms = tmx_read_u64(&r);
    const struct kind *kind = kind_of(tmx_read_u8(&r));
    struct tmx_bytes row = tmx_read_bytes(&r, tmx_read_u8(&r));
    if (tmx_reader_ok(&r) && kind != NULL) {
        const uint8_t *id = id_in(kind, row);
        v.what = kind->what;
        v.age_ms = n->wall_ms > at_ms ? n->wall_ms - at_ms : 0;
        v.of_message = id != NULL;
        if (id != NULL) {
            memcpy(v.id, id, sizeof(v.id));
        }
    }
    *ret_view = v;
}
