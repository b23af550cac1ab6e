/* SPDX-License-Identifier: Apache-2.0
 * An export of the book's log, on disk, for tests of the auditor. One at a time, unless a test keeps the folder of one.
 */
#pragma once

#include "log_book.h"

extern char folder[]; /* of the export made last */
extern char authority_file[64];
extern int folder_fd;

/* The honest log and messages up to `size` entries, exported. */
void make_export(size_t size);
/* The first `size` entries of the book as another export, entry `changed` bent if it is among them. */
void export_book(size_t size, size_t changed);
/* Beside the entries what else an export holds, and the list of it all. */
void list_export(void);
void remove_folder(const char *path);
/* cmocka teardown: folder and book. */
int remove_export(void **state);
/* The export's head, signed with `secret`. */
void write_checkpoint(uint64_t size, const struct tmx_hash *root, const uint8_t secret[64]);
void write_authority(const struct tmx_authority *authority);
void bend_file(const char *path, size_t at, uint8_t bits);
/* The first `size` bytes of a file under another name. */
void copy_part(const char *from, const char *to, size_t size);
