/* SPDX-License-Identifier: Apache-2.0
 * The ZAP decision: exact public key or nothing. Contract: tmx/zap.h.
 */
#include <tmx/zap.h>

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define TOKEN_SIZE 32u
#define USER_ID_SIZE (TMX_MEMBER_MAX + 1u + 2u * TOKEN_SIZE + 1u)

struct entry {
    struct tmx_admit admit;
    char user_id[USER_ID_SIZE];
};

struct tmx_zap {
    uint8_t secret[32];
    struct entry *entries;
    size_t n;
};

int tmx_zap_new(const uint8_t secret[32], struct tmx_zap **ret_zap)
{
    struct tmx_zap *z = calloc(1, sizeof(*z));
    if (z == NULL) {
        return -ENOMEM;
    }
    memcpy(z->secret, secret, sizeof(z->secret));
    *ret_zap = z;
    return 0;
}

struct tmx_zap *tmx_zap_free(struct tmx_zap *z)
{
    if (z != NULL) {
        free(z->entries);
        sodium_memzero(z, sizeof(*z));
        free(z);
    }
    return NULL;
}

static bool name_ok(const char *name)
{
    size_t n = strnlen(name, TMX_MEMBER_MAX + 1);
    if (n == 0 || n > TMX_MEMBER_MAX) {
        return false;
    }
    return strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") == n;
}

static void fill_user_id(const struct tmx_zap *z, struct entry *e)
{
    uint8_t token[TOKEN_SIZE];
    crypto_generichash_state state;
    size_t n_name = strlen(e->admit.member);
    crypto_generichash_init(&state, z->secret, sizeof(z->secret), sizeof(token));
    /* With its NUL, so that no name is the beginning of another. */
    crypto_generichash_update(&state, (const uint8_t *)e->admit.member, n_name + 1);
    crypto_generichash_update(&state, e->admit.key, sizeof(e->admit.key));
    crypto_generichash_final(&state, token, sizeof(token));

    memcpy(e->user_id, e->admit.member, n_name);
    e->user_id[n_name] = '.';
    sodium_bin2hex(e->user_id + n_name + 1, 2 * sizeof(token) + 1, token, sizeof(token));
}

int tmx_zap_admit(struct tmx_zap *z, const struct tmx_admit *admits, size_t n)
{
    if (n > (size_t)TMX_MEMBERS_MAX * TMX_KEYS_PER_MEMBER_MAX) {
        return -EINVAL;
    }
    for (size_t i = 0; i < n; i++) {
        if (!name_ok(admits[i].member) || !tmx_curve_key_ok(admits[i].key)) {
            return -EINVAL;
        }
        for (size_t k = 0; k < i; k++) {
            if (memcmp(admits[i].key, admits[k].key, sizeof(admits[i].key)) == 0) {
                return -EINVAL;
            }
        }
    }
    struct entry *entries = calloc(n + 1, sizeof(*entries));
    if (entries == NULL) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        entries[i].admit = admits[i];
        fill_user_id(z, &entries[i]);
    }
    free(z->entries);
    z->entries = entries;
    z->n = n;
    return 0;
}

static const struct entry *find_key(const struct tmx_zap *z, struct tmx_bytes key)
{
    const struct entry *found = NULL;
    for (size_t i = 0; i < z->n; i++) {
        if (sodium_memcmp(z->entries[i].admit.key, key.data, sizeof(z->entries[i].admit.key)) == 0) {
            found = &z->entries[i];
        }
    }
    return found;
}

/* The frames of RFC 27: version, request id, domain, address, routing id, mechanism, credentials. */
enum { VERSION, REQUEST_ID, DOMAIN, ADDRESS, ROUTING_ID, MECHANISM, KEY, N_CURVE_FRAMES };

static struct tmx_transport_refusal refusal_of(const struct tmx_bytes *frames, size_t n)
{
    struct tmx_transport_refusal r = { .address = "" };
    if (n > ADDRESS && frames[ADDRESS].size > 0) {
        size_t size = frames[ADDRESS].size < TMX_ADDRESS_MAX ? frames[ADDRESS].size : TMX_ADDRESS_MAX;
        memcpy(r.address, frames[ADDRESS].data, size);
    }
    if (n > KEY && frames[KEY].size == sizeof(r.key) && tmx_bytes_eq(frames[MECHANISM], TMX_LIT("CURVE"))) {
        memcpy(r.key, frames[KEY].data, sizeof(r.key));
    }
    return r;
}

void tmx_zap_decide(const struct tmx_zap *z, const struct tmx_bytes *frames, size_t n, struct tmx_zap_reply *ret_reply)
{
    struct tmx_zap_reply reply = { .status = "400", .text = "not admitted", .user_id = "" };
    if (n > REQUEST_ID) {
        reply.request_id = frames[REQUEST_ID];
    }
    if (n <= MECHANISM || !tmx_bytes_eq(frames[VERSION], TMX_LIT("1.0"))) {
        reply.status = "500";
        reply.text = "not a ZAP request";
    } else if (n == N_CURVE_FRAMES && frames[KEY].size == 32 && tmx_bytes_eq(frames[MECHANISM], TMX_LIT("CURVE")) &&
               tmx_bytes_eq(frames[DOMAIN], TMX_LIT(TMX_ZAP_DOMAIN))) {
        const struct entry *e = find_key(z, frames[KEY]);
        if (e != NULL) {
            reply.status = "200";
            reply.text = "OK";
            reply.user_id = e->user_id;
            reply.accepted = true;
        }
    }
    if (!reply.accepted) {
        reply.refused = refusal_of(frames, n);
    }
    *ret_reply = reply;
}

const char *tmx_zap_name(const struct tmx_zap *z, const char *user_id)
{
    if (user_id == NULL) {
        return NULL;
    }
    size_t size = strnlen(user_id, USER_ID_SIZE);
    const char *name = NULL;
    for (size_t i = 0; i < z->n; i++) {
        const struct entry *e = &z->entries[i];
        if (size == strlen(e->user_id) && sodium_memcmp(e->user_id, user_id, size) == 0) {
            name = e->admit.member;
        }
    }
    return name;
}
