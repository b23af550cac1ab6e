/* SPDX-License-Identifier: Apache-2.0
 * What show has found out about a directory, for the two ways of printing it.
 */
#pragma once

#include "authority.h"

struct signature_view {
    uint32_t id;
    char name[TMX_KEYNAME_MAX + 1];   /* empty when not known */
    const char *verdict;
};

struct view {
    const char *path;
    Tmx__SignedDirectory *s;   /* NULL: a draft */
    Tmx__Directory *d;
    const char *federation;
    bool judged;               /* against pinned keys */
    int verdict;               /* enum tmx_directory_error */
    bool expired;
    size_t n_signatures;
    struct signature_view *signatures;
};

const char *status_name(Tmx__MemberStatus status);
void show_tables(const struct view *v);
void show_json(const struct view *v);
int show_vkeys(const struct view *v); /* exit status */
