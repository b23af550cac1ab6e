/* SPDX-License-Identifier: Apache-2.0
 * The recording of what programs do to their files: written by record.c (LD_PRELOAD), read by replay.c.
 *
 * A recording is a sequence of struct record, each followed by `size` bytes and zeros up to RECORD_ALIGN. Paths are relative to the recorded
 * folder; two paths are separated by a NUL. Native byte order: made and read on one machine.
 */
#pragma once

#include <stdint.h>

enum record_kind {
    RECORD_OPEN = 1,   /* file `file` has this path; RECORD_CREATED: it is new */
    RECORD_WRITE,      /* bytes at `at`; RECORD_DURABLE: on disk when the call returned */
    RECORD_SYNC,       /* what was written to `file` is on disk; of a folder: its names */
    RECORD_TRUNCATE,   /* the size becomes `at` */
    RECORD_RENAME,     /* from, to */
    RECORD_UNLINK,     /* a file or folder */
    RECORD_MKDIR,
    RECORD_MARK,       /* a line the program wrote to its marks: what it has promised */
    RECORD_SENT,       /* what it said to others: bytes given to the socket `file`; RECORD_MORE: a part, not the last;
                        * RECORD_ANSWER: to an operator, where the rest goes through ZeroMQ */
};

#define RECORD_ALIGN 8u
#define RECORD_CREATED 1u
#define RECORD_DURABLE 1u
#define RECORD_MORE 1u
#define RECORD_ANSWER 2u

struct record {
    uint32_t kind;
    uint32_t flags;
    uint64_t file;   /* inode number: names a file until it is gone */
    uint64_t at;
    uint64_t size;
};

/* The descriptor marks are written to, one line a write. */
#define RECORD_MARKS_FD 777
