/* SPDX-License-Identifier: Apache-2.0
 * The signature of an export's list of files, in the format of signify(1): "untrusted comment: …", then in base64 "Ed", a
 * key number of 8 bytes and an Ed25519 signature, then the list itself. `signify -C -p KEY.pub -x SHA256.sig` checks the
 * signature and every file. A public key file has the comment and "Ed", the number and the key.
 */
#pragma once

#include <tmx/bytes.h>

#define SIGNIFY_WHY_MAX 480u
#define SIGNIFY_NAME_MAX 128u

struct tmx_signify_public {
    uint8_t number[8];
    uint8_t key[32];
};

struct tmx_signify_key {
    struct tmx_signify_public public;
    uint8_t secret[64];
    char name[SIGNIFY_NAME_MAX]; /* of the public key's file, for the comment */
};

/* Loads a key file for the purpose "export" (tmx/keyfile.h). The caller wipes *ret_key. Negative errno; ret_why says what. */
int tmx_signify_load(const char *path, struct tmx_signify_key *ret_key, char ret_why[SIGNIFY_WHY_MAX]) TMX_MUST_CHECK;
/* Makes such a key file, or takes the one that is there, and writes the file of its public key: NAME.key has NAME.pub,
 * whose path is ret_public. */
int tmx_signify_create(const char *path, char ret_public[SIGNIFY_WHY_MAX], char ret_why[SIGNIFY_WHY_MAX]) TMX_MUST_CHECK;
/* Reads the file of a public key. */
int tmx_signify_load_public(const char *path, struct tmx_signify_public *ret_public, char ret_why[SIGNIFY_WHY_MAX])
    TMX_MUST_CHECK;

/* Signs the list of an export: writes SHA256.sig. */
int tmx_signify_sign(int dir_fd, const struct tmx_signify_key *key) TMX_MUST_CHECK;

enum tmx_signify_condition {
    SIGNIFY_OK,
    SIGNIFY_E_NONE = 1,  /* the export is not signed */
    SIGNIFY_E_MALFORMED,
    SIGNIFY_E_LIST,      /* it signs another list than the one that is there */
    SIGNIFY_E_KEY,       /* made with another key */
    SIGNIFY_E_SIGNATURE, /* does not verify */
};
const char *tmx_signify_text(int condition);
/* Checks SHA256.sig; without a key only that it signs this list. enum tmx_signify_condition or a negative errno. */
int tmx_signify_check(int dir_fd, const struct tmx_signify_public *by) TMX_MUST_CHECK;
