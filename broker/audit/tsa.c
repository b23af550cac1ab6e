/* SPDX-License-Identifier: Apache-2.0
 * See tsa.h.
 */
#include <stdlib.h>
#include <time.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ts.h>
#include <openssl/x509_vfy.h>

#include "tsa.h"

struct tmx_tsa {
    X509_STORE *certificates;
};

int tmx_tsa_load(const char *file, struct tmx_tsa **ret_tsa)
{
    struct tmx_tsa *t = calloc(1, sizeof *t);

    if (t == NULL) {
        return -ENOMEM;
    }
    t->certificates = X509_STORE_new();
    if (t->certificates == NULL || X509_STORE_load_file(t->certificates, file) != 1) {
        tmx_tsa_free(t);
        return -EINVAL;
    }
    *ret_tsa = t;
    return 0;
}

void tmx_tsa_free(struct tmx_tsa *tsa)
{
    if (tsa != NULL) {
        X509_STORE_free(tsa->certificates);
        free(tsa);
    }
}

/* A digest for which nobody finds a second head. */
static bool is_strong(TS_TST_INFO *info)
{
    const X509_ALGOR *algorithm = TS_MSG_IMPRINT_get_algo(TS_TST_INFO_get_msg_imprint(info));
    const ASN1_OBJECT *name;

    X509_ALGOR_get0(&name, NULL, NULL, algorithm);
    switch (OBJ_obj2nid(name)) {
    case NID_sha256:
    case NID_sha384:
    case NID_sha512:
        return true;
    default:
        return false;
    }
}

static bool time_of(const TS_TST_INFO *info, time_t *ret_time)
{
    struct tm tm;

    if (ASN1_TIME_to_tm(TS_TST_INFO_get_time(info), &tm) != 1) {
        return false;
    }
    *ret_time = timegm(&tm);
    return *ret_time >= 0;
}

/* Certificates expire, the log stays: they have to be valid at the time of the stamp, not at that of the audit. */
static bool signature_holds(struct tmx_tsa *tsa, PKCS7 *token, struct tmx_bytes text, time_t at)
{
    TS_VERIFY_CTX *v = TS_VERIFY_CTX_new();
    BIO *data = BIO_new_mem_buf(text.data, (int)text.size);
    bool ok;

    if (v == NULL || data == NULL) {
        TS_VERIFY_CTX_free(v);
        BIO_free(data);
        return false;
    }
    X509_VERIFY_PARAM_set_time(X509_STORE_get0_param(tsa->certificates), at);
    (void)TS_VERIFY_CTX_set_flags(v, TS_VFY_VERSION | TS_VFY_SIGNATURE | TS_VFY_DATA);
    (void)TS_VERIFY_CTX_set_data(v, data);
    (void)X509_STORE_up_ref(tsa->certificates);
    (void)TS_VERIFY_CTX_set_store(v, tsa->certificates);
    ok = TS_RESP_verify_token(v, token) == 1;
    TS_VERIFY_CTX_free(v); /* with data and store */
    return ok;
}

/* The most exact of what libcrypto says. */
static const char *reason(void)
{
    const char *text = ERR_reason_error_string(ERR_peek_last_error());

    return text == NULL ? "the token does not verify" : text;
}

bool tmx_tsa_verify(void *ctx, struct tmx_bytes text, struct tmx_bytes token, uint64_t *ret_time_ms, const char **ret_why)
{
    const unsigned char *at = token.data;
    PKCS7 *p7;
    TS_TST_INFO *info;
    time_t time;
    bool ok = false;

    ERR_clear_error();
    p7 = d2i_PKCS7(NULL, &at, (long)token.size);
    info = p7 == NULL || at != token.data + token.size ? NULL : PKCS7_to_TS_TST_INFO(p7);
    if (info == NULL || !time_of(info, &time)) {
        *ret_why = "no time-stamp token";
    } else if (!is_strong(info)) {
        *ret_why = "it is over a weak digest";
    } else if (!signature_holds(ctx, p7, text, time)) {
        *ret_why = reason();
    } else {
        *ret_time_ms = (uint64_t)time * 1000;
        ok = true;
    }
    TS_TST_INFO_free(info);
    PKCS7_free(p7);
    return ok;
}
