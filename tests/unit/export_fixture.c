/* SPDX-License-Identifier: Apache-2.0
 * An export of the book's log, on disk.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../broker/audit/export_dir.h"
#include "../../broker/audit/schema.h"
#include "../../broker/audit/sums.h"
#include "../../broker/audit/writer.h"
#include "export_fixture.h"

char folder[] = "/tmp/tmx-test-export-XXXXXX";
char authority_file[64];
int folder_fd;

static int remove_path(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    return remove(path);
}

void write_checkpoint(uint64_t size, const struct tmx_hash *root, const uint8_t secret[64])
{
    struct tmx_checkpoint head = { .size = size, .root = *root };
    struct tmx_writer origin = tmx_writer_init(head.origin, sizeof head.origin - 1);
    uint8_t note[TMX_CHECKPOINT_MAX];
    struct tmx_writer w = TMX_WRITER_OF(note);
    struct tmx_verify_key key;

    tmx_log_origin(book->federation.name, tmx_bytes_str(book->federation.shard), &origin);
    assert_true(tmx_verify_key_init(tmx_written(&origin), TMX_NOTE_ED25519, book->federation.log_public, &key));
    tmx_checkpoint_sign(&head, &key, secret, &w);
    assert_int_equal(tmx_export_write(folder_fd, "checkpoint", tmx_written(&w)), 0);
}

void write_authority(const struct tmx_authority *authority)
{
    uint8_t text[1024];
    struct tmx_writer w = TMX_WRITER_OF(text);

    tmx_authority_format(authority, &w);
    assert_int_equal(tmx_export_write(folder_fd, "authority", tmx_written(&w)), 0);
}

void export_book(size_t size, size_t changed)
{
    struct tmx_export_writer *w;
    struct tmx_hash root;

    assert_true(size <= book->n);
    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    assert_non_null(mkdtemp(folder));
    folder_fd = open(folder, O_RDONLY | O_DIRECTORY);
    assert_true(folder_fd >= 0);
    assert_int_equal(tmx_export_writer_new(&(struct tmx_export_writer_order){ .dir_fd = folder_fd }, &w), 0);
    for (size_t i = 0; i < size; i++) {
        const struct tmx_bytes entry = book->entries[i];

        /* A byte less: the smallest change there is. */
        assert_int_equal(tmx_export_add(w, i == changed ? tmx_bytes_slice(entry, 0, entry.size - 1) : entry), 0);
    }
    root = tmx_export_root(w);
    assert_int_equal(tmx_export_finish(w), 0);
    tmx_export_writer_free(w);
    assert_int_equal(tmx_hash_eq(&root, &book->roots[size]), changed >= size);
    assert_int_equal(
        tmx_export_write(folder_fd, "directories/1", TMX_BYTES(book->directory_files[0], book->directory_sizes[0])), 0);
    write_authority(&book->federation.authority);
    write_checkpoint(size, &root, book->federation.log_secret);
    snprintf(authority_file, sizeof authority_file, "%s/authority", folder);
}

void make_export(size_t size)
{
    Tmx__Head seen = TMX__HEAD__INIT;
    struct mail m;

    book_honest();
    seen.shard = book_str(book->federation.shard);
    while (book->n < size) {
        book_compose(&m, "FR", "CH", NULL);
        /* New heads, and in the last entry an old one, whose tiles nobody has in memory any more. */
        seen.size = book->n + 1 < size ? book->n : 100;
        seen.root = book_bin(book->roots[seen.size].b, TMX_HASH_SIZE);
        m.header.seen = book->n > 100 ? &seen : NULL;
        book_accept(&m);
    }
    export_book(book->n, SIZE_MAX);
}

void list_export(void)
{
    char sums_why[SUMS_WHY_MAX];
    uint8_t *note;
    size_t size;
    struct tmx_sums_order order = { .dir_fd = folder_fd, .base_fd = -1, .size = book->n };

    assert_int_equal(tmx_export_write(folder_fd, "proto/audit.proto", tmx_bytes_str(tmx_schema_audit)), 0);
    assert_int_equal(tmx_export_write(folder_fd, "proto/envelope.proto", tmx_bytes_str(tmx_schema_envelope)), 0);
    assert_int_equal(tmx_export_read(folder_fd, "checkpoint", TMX_NOTE_MAX, &note, &size), 0);
    order.checkpoint = TMX_BYTES(note, size);
    assert_int_equal(tmx_sums_write(&order, sums_why), 0);
    free(note);
}

void remove_folder(const char *path)
{
    assert_int_equal(nftw(path, remove_path, 8, FTW_DEPTH | FTW_PHYS), 0);
}

int remove_export(void **state)
{
    close(folder_fd);
    return nftw(folder, remove_path, 8, FTW_DEPTH | FTW_PHYS) == 0 && book_teardown(state) == 0 ? 0 : -1;
}

void bend_file(const char *path, size_t at, uint8_t bits)
{
    uint8_t *data;
    size_t size;

    assert_int_equal(tmx_export_read(folder_fd, path, EXPORT_BUNDLE_MAX, &data, &size), 0);
    assert_true(at < size);
    data[at] ^= bits;
    assert_int_equal(tmx_export_write(folder_fd, path, TMX_BYTES(data, size)), 0);
    free(data);
}

/* The first `size` bytes of a file under another name. */
void copy_part(const char *from, const char *to, size_t size)
{
    uint8_t *data;
    size_t all;

    assert_int_equal(tmx_export_read(folder_fd, from, EXPORT_BUNDLE_MAX, &data, &all), 0);
    assert_int_equal(tmx_export_write(folder_fd, to, TMX_BYTES(data, size < all ? size : all)), 0);
    free(data);
}
