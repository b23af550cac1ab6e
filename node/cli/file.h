/* SPDX-License-Identifier: Apache-2.0
 * Files of the user: read whole and bounded, written whole and durable. Reasons are sentences for people. */
#pragma once

#include <tmx/bytes.h>

enum file_condition {
    FILE_OK,
    FILE_E_FAILED = 1,   /* ret_reason says why */
    FILE_E_EXISTS,       /* file_store: it was there already, with these bytes: durable as well */
};

/* Reads a file, or standard input for "-", of 1 to `max` bytes. The caller frees ret_bytes->data. */
int file_read(const char *path, size_t max, struct tmx_bytes *ret_bytes, char *ret_reason, size_t capacity)
    TMX_MUST_CHECK;

/* Can file_store work there? So that it is known before anything is taken that would have to be stored. */
int file_check_folder(const char *folder, char *ret_reason, size_t capacity) TMX_MUST_CHECK;

/* Stores bytes under folder/name: a temporary file, fsync, a name nobody had before, fsync of the folder. Never
 * overwrites: a file of that name with other bytes is a failure. */
int file_store(const char *folder, const char *name, struct tmx_bytes bytes, char *ret_reason, size_t capacity)
    TMX_MUST_CHECK;
