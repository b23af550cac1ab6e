/* SPDX-License-Identifier: Apache-2.0
 * The spool on disk (LMDB and a journal), and the marker beside it.
 *
 * PATH is a directory with data.mdb, journal, lock.mdb and owner.lock; local ext4 or XFS only. The first two belong
 * together: a copy is one of the whole folder, made while no process owns it. One process owns it: the lock
 * is held from open to close. Both are preallocated, so that somebody else filling the disk does no harm. After a failed begin, apply or commit the handle answers -EIO to everything: what the turn became is
 * unknown, the process has to end. -ENOSPC from them means the capacity is used up (or the disk is).
 *
 * Generations (design, rule 9): a spool carries its generation; a restore starts a new one. The marker file, kept
 * OUTSIDE the spool, holds the generation and turn last seen, so that a spool put back from an old copy is noticed.
 */
#pragma once

#include <tmx/spool.h>

#define TMX_SPOOL_ROLE_MAX 16u

/* A new, empty spool; all of it or nothing is at `path` whatever happens. -EEXIST when something is there,
 * -ENOSPC when the capacity cannot be reserved. `capacity` is rounded down to whole pages, at least 256 KiB. */
int tmx_spool_lmdb_create(const char *path, uint64_t capacity, uint64_t generation, const char *role) TMX_MUST_CHECK;

/* Opens what create made; never creates. A child process looks at the file first (bounded in time), for LMDB trusts
 * its file and a damaged one may kill its reader. On failure a line for the operator is in `ret_error`:
 * -ENOENT none there, -EBUSY owned by another process, -EPROTO written by a newer version, -EINVAL of another role,
 * -EBADMSG damaged, or files that do not belong together, -ENOSPC no room to reserve the capacity. */
int tmx_spool_lmdb_open(const char *path, uint64_t capacity, const char *role, struct tmx_spool **ret_spool,
                        char *ret_error, size_t error_size) TMX_MUST_CHECK;

/* The same, but values that are damaged in `tables` (a bit each) do not keep it from being opened: who reads such a row gets
 * -EBADMSG, and may delete it or write it anew. For rows that somebody else can tell and bring back. */
int tmx_spool_lmdb_open_but(const char *path, uint64_t capacity, const char *role, uint64_t tables, struct tmx_spool **ret_spool,
                            char *ret_error, size_t error_size) TMX_MUST_CHECK;

/* Looks at a spool that nobody owns as open does, without owning it or writing anything: its errors, and -EBUSY when a process
 * owns it, which is then left alone. What the journal has more than the rows is not looked at. */
int tmx_spool_lmdb_check(const char *path, uint64_t capacity, const char *role, char *ret_error, size_t error_size)
    TMX_MUST_CHECK;

/* The version of the library behind it. */
void tmx_spool_lmdb_library(char *ret_version, size_t size);

/* Renames the folder of a spool that nobody has open, durably; nothing is replaced: -EEXIST. */
int tmx_spool_lmdb_move(const char *from, const char *to) TMX_MUST_CHECK;
/* The same for one that will not be written any more: the room it had reserved beyond its file is given back. */
int tmx_spool_lmdb_put_aside(const char *from, const char *to) TMX_MUST_CHECK;
/* Removes a spool that never was in use, or what is left of one; 0 as well when nothing is there. -ENOTEMPTY:
 * something else is in the folder, and stays. */
int tmx_spool_lmdb_discard(const char *path) TMX_MUST_CHECK;

/* How far a spool is: its generation and, within it, its last committed turn. */
struct tmx_spool_mark {
    uint64_t generation;
    uint64_t turn;
};

void tmx_spool_lmdb_mark(struct tmx_spool *s, struct tmx_spool_mark *ret_mark);
/* Starts a new generation, durably, in a turn of its own; no turn may be open. */
int tmx_spool_lmdb_set_generation(struct tmx_spool *s, uint64_t generation) TMX_MUST_CHECK;

enum tmx_marker_condition {
    TMX_MARKER_OK,
    TMX_MARKER_E_OLD = 1,    /* the spool is older than its marker: not to be started by itself */
    TMX_MARKER_E_NONE = 2,   /* no marker at `path` */
};

/* What the marker says; TMX_MARKER_E_NONE or a negative errno. */
int tmx_spool_marker_read(const char *path, struct tmx_spool_mark *ret_mark) TMX_MUST_CHECK;
/* Compares what a spool says with its marker. A condition or a negative errno; -EBADMSG: not a marker. */
int tmx_spool_marker_check(const char *path, struct tmx_spool_mark mark) TMX_MUST_CHECK;
/* Replaces the marker, durably and at once. Write only what is committed. */
int tmx_spool_marker_write(const char *path, struct tmx_spool_mark mark) TMX_MUST_CHECK;
