/* SPDX-License-Identifier: Apache-2.0
 * For the conformance suite of the spool interface: every test runs against every implementation.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <tmx/spool_lmdb.h>

/* An implementation under test. */
struct fixture {
    struct tmx_spool *spool;
    void (*crash)(struct fixture *f);   /* loses what is not committed, and goes on */
    unsigned rounds;                    /* of the random test */
    char folder[64];                    /* LMDB */
    char path[80];
};

struct tmx_op op_of(enum tmx_op_kind kind, uint8_t table, const char *key, const char *value);
void apply(struct tmx_spool *s, enum tmx_op_kind kind, uint8_t table, const char *key, const char *value);
/* One operation in a turn of its own. */
void turn(struct tmx_spool *s, enum tmx_op_kind kind, uint8_t table, const char *key, const char *value);
/* `value` NULL: no such row. */
void expect(struct tmx_spool *s, uint8_t table, const char *key, const char *value);
/* `key` NULL: nothing at or after `from`. */
void expect_seek(struct tmx_spool *s, uint8_t table, const char *from, const char *key, const char *value);
uint64_t rows(struct tmx_spool *s, uint8_t table);

int ram_setup(void **state);
int ram_teardown(void **state);
int lmdb_setup(void **state);
int lmdb_teardown(void **state);

#define ON(implementation, test) \
    { #implementation " " #test, test, implementation##_setup, implementation##_teardown, NULL }
