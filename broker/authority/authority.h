/* SPDX-License-Identifier: Apache-2.0
 * tmx-authority: the offline tool of the federation authority, and of members and broker for what they hand to it.
 * Files only. Everything a command builds lives in one arena until the process ends.
 *
 * The authority's folder holds authority-<n>.key, authority.pub (what everybody pins), directory.draft (a packed
 * Directory, edited by the commands), last-serial (of the last directory signed here) and directory.tmx.
 */
#pragma once

#include <tmx/directory.h>

#define TOOL_ARENA_SIZE (8u << 20)
#define TOOL_REQUEST_MAX 65536u
#define TOOL_WORDS_MAX 128u

struct tool {
    struct tmx_arena arena;
    const char *dir;
    const char *federation;
    const char *member;
    const char *name;
    const char *keys_dir;
    const char *out;
    const char *shard;
    const char *authority;
    const char *in_force;
    const char *since;
    const char *key_id;
    const char *types;
    const char *roles;
    const char *from;
    const char *until;
    uint64_t keys;
    uint64_t threshold;
    uint64_t valid_days;
    bool json;
    bool vkeys;
    bool passphrase;
    const char *key_files[TMX_AUTHORITY_KEYS_MAX];
    size_t n_key_files;
    const char *gates[TMX_MEMBERS_MAX];
    size_t n_gates;
    const char *argument;
};

/* The commands: an exit status each. */
int run_init(struct tool *t);
int run_request(struct tool *t);
int run_broker_keys(struct tool *t);
int run_admit(struct tool *t);
int run_suspend(struct tool *t);
int run_reinstate(struct tool *t);
int run_revoke(struct tool *t);
int run_add_log(struct tool *t);
int run_add_gate(struct tool *t);
int run_catalogue(struct tool *t);
int run_policy(struct tool *t);
int run_policy_majority(struct tool *t);
int run_authority(struct tool *t);
int run_renew(struct tool *t);
int run_sign(struct tool *t);
int run_show(struct tool *t);

/* One line on stderr: what, where, what to do. Returns the exit status 1. */
int fail(const char *fmt, ...) TMX_PRINTF(1, 2);

/* "<dir>/<name>" in the arena. */
const char *path_in(struct tool *t, const char *dir, const char *name);
/* The whole file, in the arena; false after fail(). */
bool read_file(struct tool *t, const char *path, size_t max, struct tmx_bytes *ret_content) TMX_MUST_CHECK;
/* The file becomes `content` at once and durably (mode 0644); false after fail(). */
bool write_file(struct tool *t, const char *path, struct tmx_bytes content) TMX_MUST_CHECK;
/* Creates the folder, private to its owner, unless it exists; false after fail(). */
bool make_folder(const char *path) TMX_MUST_CHECK;

void *take(struct tool *t, size_t size);               /* zeroed; ends the process when memory is out */
struct tmx_bytes keep(struct tool *t, struct tmx_bytes b);   /* a copy */
struct tmx_bytes pack(struct tool *t, const void *message);
uint64_t now_ms(void);
/* The words of a list separated by commas or spaces. */
size_t split_words(struct tool *t, const char *list, ProtobufCBinaryData **ret_words);
/* A pointer array with one more element. */
void *append(struct tool *t, void *array, size_t n, void *element);
/* The next line of a text; false at its end. */
bool next_line(struct tmx_bytes *text, struct tmx_bytes *ret_line);
/* The federation's name with a NUL. */
const char *federation_of(struct tool *t, const Tmx__Directory *d);

/* The draft; false after fail(). Saving gives it the next serial, checks it against DIR-1 and says what it holds. */
bool draft_load(struct tool *t, Tmx__Directory **ret_draft) TMX_MUST_CHECK;
bool draft_save(struct tool *t, Tmx__Directory *draft) TMX_MUST_CHECK;
/* Is `d`, packed as `packed`, what the draft says? Serial and dates are those of the signing: the draft takes them. */
bool draft_is(struct tool *t, Tmx__Directory *draft, const Tmx__Directory *d, struct tmx_bytes packed);
Tmx__Member *draft_member(const Tmx__Directory *draft, struct tmx_bytes code);
/* The serial of the last directory signed in this folder; 0 when none was. */
bool last_serial_load(struct tool *t, uint64_t *ret_serial) TMX_MUST_CHECK;
bool last_serial_save(struct tool *t, uint64_t serial) TMX_MUST_CHECK;
/* An authority.pub; false after fail(). */
bool authority_load(struct tool *t, const char *path, struct tmx_authority *ret_authority) TMX_MUST_CHECK;

/* Eight hex digits by which people name a key: the note key id of a signing or witness key, the start of SHA-256 of an
 * X25519 key. */
enum key_use { KEY_SIGNING, KEY_WITNESS, KEY_X25519 };
void key_short_id(const char *federation, enum key_use use, struct tmx_bytes member, struct tmx_bytes key,
                  char ret_id[9]);
