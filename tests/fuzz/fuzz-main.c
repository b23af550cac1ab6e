/* SPDX-License-Identifier: Apache-2.0
 * Replays files, and the files of directories, through a fuzz target: each in a heap block of exactly its size, so
 * that a sanitizer sees the first byte read too far; and each prefix of it likewise, because truncation is what a
 * broken link does (not where the input is a program: FUZZ_WHOLE). */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz.h"

#define INPUT_MAX (1u << 20)
#ifdef FUZZ_WHOLE
#define PREFIX_MAX 0u
#else
#define PREFIX_MAX 4096u   /* of larger files only the whole is tried */
#endif

static void run(const uint8_t *data, size_t size)
{
    uint8_t *exact = malloc(size + (size == 0));

    assert(exact != NULL);
    memcpy(exact, data, size);
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
}

static bool replay_file(const char *path)
{
    static uint8_t data[INPUT_MAX];
    FILE *f = fopen(path, "rb");

    if (f == NULL) {
        perror(path);
        return false;
    }
    size_t size = fread(data, 1, sizeof(data), f);
    bool read_all = !ferror(f) && fgetc(f) == EOF;
    fclose(f);
    if (!read_all) {
        fprintf(stderr, "%s: not readable, or larger than %u bytes\n", path, INPUT_MAX);
        return false;
    }
    for (size_t n = 0; n < size && size <= PREFIX_MAX; n++) {
        run(data, n);
    }
    run(data, size);
    return true;
}

static bool replay(const char *path, size_t *files)
{
    struct stat st;
    struct dirent **entries;
    bool good = true;

    if (stat(path, &st) < 0) {
        perror(path);
        return false;
    }
    if (!S_ISDIR(st.st_mode)) {
        ++*files;
        return replay_file(path);
    }
    int n = scandir(path, &entries, NULL, alphasort);
    if (n < 0) {
        perror(path);
        return false;
    }
    for (int i = 0; i < n; i++) {
        if (entries[i]->d_name[0] != '.') {
            char inner[4096];
            snprintf(inner, sizeof(inner), "%s/%s", path, entries[i]->d_name);
            good &= replay(inner, files);
        }
        free(entries[i]);
    }
    free(entries);
    return good;
}

int main(int argc, char **argv)
{
    size_t files = 0;
    bool good = argc > 1;

    for (int i = 1; i < argc; i++) {
        good &= replay(argv[i], &files);
    }
    printf("%zu files\n", files);
    return good && files > 0 ? 0 : 1;
}
