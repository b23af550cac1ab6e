/* SPDX-License-Identifier: Apache-2.0
 * Directory files and the directory in them. DIR-1, ENV-2 */
#include <tmx/directory.h>

#include "fuzz.h"

static void check(const Tmx__Directory *directory)
{
    const char *where = NULL;
    int r = tmx_directory_check(directory, &where);

    assert(r == TMX_DIRECTORY_OK || where != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tmx_bytes input = TMX_BYTES(data, size);
    struct tmx_arena *arena = fuzz_arena();
    const Tmx__SignedDirectory *file = fuzz_unpack(&tmx__signed_directory__descriptor, input, arena);

    if (file != NULL) {
        Tmx__Directory *inner;
        if (tmx_codec_unpack(&tmx__directory__descriptor, tmx_pb(file->directory), TMX_DIRECTORY_MAX, arena, &inner) ==
            TMX_CODEC_OK) {
            check(inner);
        }
    }
    const Tmx__Directory *directory = fuzz_unpack(&tmx__directory__descriptor, input, arena);
    if (directory != NULL) {
        check(directory);
    }
    return 0;
}
