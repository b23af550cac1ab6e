/* SPDX-License-Identifier: Apache-2.0
 * A directory as tables.
 */
#include "show.h"

#include <libsmartcols.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tmx/text.h>

#define CELL_MAX 512u

static struct libscols_table *new_table(const char *const *columns, size_t n)
{
    struct libscols_table *table = scols_new_table();
    for (size_t i = 0; i < n && table != NULL; i++) {
        scols_table_new_column(table, columns[i], 0, 0);
    }
    if (table == NULL) {
        exit(fail("out of memory"));
    }
    return table;
}

static void add_line(struct libscols_table *table, const char *const *cells, size_t n)
{
    struct libscols_line *line = scols_table_new_line(table, NULL);
    for (size_t i = 0; i < n; i++) {
        if (line == NULL || scols_line_set_data(line, i, cells[i]) < 0) {
            exit(fail("out of memory"));
        }
    }
}

/* Tables without a line are left out. */
static void print_table(struct libscols_table *table)
{
    if (scols_table_get_nlines(table) > 0) {
        putchar('\n');
        fflush(stdout);
        scols_print_table(table);
    }
    scols_unref_table(table);
}

static void date_text(uint64_t ms, char ret_text[TMX_TIME_TEXT_SIZE])
{
    tmx_time_text(ms, ret_text);
    ret_text[10] = 0;   /* the day */
    if (ms == 0) {
        memcpy(ret_text, "-", sizeof("-"));
    }
}

static void key_cell(const struct view *v, enum key_use use, const Tmx__Member *m, Tmx__MemberKey *const *keys,
                     size_t n, char ret_cell[CELL_MAX])
{
    struct tmx_writer w = tmx_writer_init(ret_cell, CELL_MAX - 1);
    for (size_t i = 0; i < n; i++) {
        char id[9];
        key_short_id(v->federation, use, tmx_pb(m->code), tmx_pb(keys[i]->key), id);
        tmx_write_fmt(&w, "%s%s%s", i > 0 ? " " : "", id, keys[i]->revoked ? "(revoked)" : "");
    }
    ret_cell[w.used] = 0;
}

static void words_cell(const ProtobufCBinaryData *words, size_t n, const char *none, char ret_cell[CELL_MAX])
{
    struct tmx_writer w = tmx_writer_init(ret_cell, CELL_MAX - 1);
    tmx_write_fmt(&w, "%s", n == 0 ? none : "");
    for (size_t i = 0; i < n; i++) {
        char word[64];
        tmx_printable(tmx_pb(words[i]), word, sizeof(word));
        tmx_write_fmt(&w, "%s%s", i > 0 ? " " : "", word);
    }
    ret_cell[w.used] = 0;
}

static void show_members(const struct view *v)
{
    static const char *const columns[] = { "MEMBER", "NAME",    "STATUS",  "FROM",        "UNTIL", "TYPES",
                                           "ROLES",  "SIGNING", "WITNESS", "LAST-RESORT", "CURVE" };
    struct libscols_table *table = new_table(columns, TMX_N(columns));
    for (size_t i = 0; i < v->d->n_members; i++) {
        const Tmx__Member *m = v->d->members[i];
        char code[32], name[256], from[TMX_TIME_TEXT_SIZE], until[TMX_TIME_TEXT_SIZE], types[CELL_MAX],
            roles[CELL_MAX], signing[CELL_MAX], witness[CELL_MAX], curve[CELL_MAX], last_resort[9];
        tmx_printable(tmx_pb(m->code), code, sizeof(code));
        tmx_printable(tmx_pb(m->name), name, sizeof(name));
        date_text(m->from_ms, from);
        date_text(m->until_ms, until);
        words_cell(m->message_types, m->n_message_types, "all", types);
        words_cell(m->roles, m->n_roles, "-", roles);
        key_cell(v, KEY_SIGNING, m, m->signing_keys, m->n_signing_keys, signing);
        key_cell(v, KEY_WITNESS, m, m->witness_keys, m->n_witness_keys, witness);
        key_cell(v, KEY_X25519, m, m->curve_keys, m->n_curve_keys, curve);
        key_short_id(v->federation, KEY_X25519, tmx_pb(m->code), tmx_pb(m->last_resort_key), last_resort);
        const char *cells[] = { code,  name,    status_name(m->status), from,        until, types,
                                roles, signing, witness,                last_resort, curve };
        static_assert(TMX_N(cells) == TMX_N(columns), "a cell for each column");
        add_line(table, cells, TMX_N(cells));
    }
    print_table(table);
}

static void show_gates(const struct view *v)
{
    static const char *const columns[] = { "GATE OF", "ENDPOINT", "CURVE" };
    struct libscols_table *table = new_table(columns, TMX_N(columns));
    for (size_t i = 0; i < v->d->n_gates; i++) {
        const Tmx__Gate *g = v->d->gates[i];
        char member[32], endpoint[TMX_ENDPOINT_MAX + 1], id[9];
        tmx_printable(tmx_pb(g->member), member, sizeof(member));
        tmx_printable(tmx_pb(g->endpoint), endpoint, sizeof(endpoint));
        key_short_id(v->federation, KEY_X25519, tmx_pb(g->member), tmx_pb(g->curve_key), id);
        const char *cells[] = { member, endpoint, id };
        add_line(table, cells, TMX_N(cells));
    }
    print_table(table);
}

static void show_logs(const struct view *v)
{
    static const char *const columns[] = { "LOG", "ID", "FROM", "UNTIL" };
    struct libscols_table *table = new_table(columns, TMX_N(columns));
    for (size_t i = 0; i < v->d->n_logs; i++) {
        const Tmx__LogOrigin *l = v->d->logs[i];
        char origin[TMX_KEYNAME_MAX + 1], id[9] = "invalid", from[TMX_TIME_TEXT_SIZE], until[TMX_TIME_TEXT_SIZE];
        struct tmx_verify_key key;
        struct tmx_writer w = tmx_writer_init(origin, sizeof(origin) - 1);
        tmx_log_origin(v->federation, tmx_pb(l->shard), &w);
        origin[w.used] = 0;
        if (l->key.len == 32 && tmx_verify_key_init(tmx_bytes_str(origin), TMX_NOTE_ED25519, l->key.data, &key)) {
            snprintf(id, sizeof(id), "%08x", key.id);
        }
        date_text(l->from_ms, from);
        date_text(l->until_ms, until);
        const char *cells[] = { origin, id, from, until };
        add_line(table, cells, TMX_N(cells));
    }
    print_table(table);
}

static void show_authority(const struct view *v)
{
    static const char *const columns[] = { "NEXT SIGNERS", "ID" };
    struct libscols_table *table = new_table(columns, TMX_N(columns));
    for (size_t i = 0; i < v->d->n_authority_keys; i++) {
        const Tmx__AuthorityKey *k = v->d->authority_keys[i];
        char name[TMX_KEYNAME_MAX + 1], id[9] = "invalid";
        struct tmx_verify_key key;
        tmx_printable(tmx_pb(k->name), name, sizeof(name));
        if (k->key.len == 32 && tmx_verify_key_init(tmx_pb(k->name), TMX_NOTE_ED25519, k->key.data, &key)) {
            snprintf(id, sizeof(id), "%08x", key.id);
        }
        const char *cells[] = { name, id };
        add_line(table, cells, TMX_N(cells));
    }
    print_table(table);
}

static void show_signatures(const struct view *v)
{
    static const char *const columns[] = { "SIGNED BY", "ID", "VERDICT" };
    struct libscols_table *table = new_table(columns, TMX_N(columns));
    for (size_t i = 0; i < v->n_signatures; i++) {
        char id[9];
        snprintf(id, sizeof(id), "%08x", v->signatures[i].id);
        const char *cells[] = { v->signatures[i].name[0] != 0 ? v->signatures[i].name : "-", id,
                                v->signatures[i].verdict };
        add_line(table, cells, TMX_N(cells));
    }
    print_table(table);
}

void show_tables(const struct view *v)
{
    const Tmx__Directory *d = v->d;
    char text[256], issued[TMX_TIME_TEXT_SIZE], expires[TMX_TIME_TEXT_SIZE];
    tmx_printable(tmx_pb(d->federation), text, sizeof(text));
    tmx_time_text(d->issued_ms, issued);
    tmx_time_text(d->expires_ms, expires);
    printf("shown       %s%s\nfederation  %s\nserial      %llu\nissued      %s\nexpires     %s%s\n", v->path,
           v->s == NULL ? " (not signed yet)" : "", text, (unsigned long long)d->serial, issued, expires,
           v->expired ? " (EXPIRED)" : "");
    tmx_printable(tmx_pb(d->catalogue_version), text, sizeof(text));
    printf("catalogue   %s\nthreshold   %u of %zu keys sign the next\n", d->catalogue_version.len > 0 ? text : "-",
           d->threshold, d->n_authority_keys);
    printf("verdict     %s\n", v->judged           ? tmx_directory_error_text(v->verdict)
                               : v->s == NULL      ? "a draft"
                                                   : "not checked: give --authority");
    show_members(v);
    show_gates(v);
    show_logs(v);
    show_authority(v);
    show_signatures(v);
}
