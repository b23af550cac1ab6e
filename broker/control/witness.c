/* SPDX-License-Identifier: Apache-2.0
 * Witnesses that no link leads to, asked by way of an operator or of tmx-witness (include/tmx/control.h documents the answers).
 */
#include <string.h>

#include <tmx/text.h>
#include <tmx/witness.h>

#include "../daemon.h"

/* The last word of the policy's line of that witness: where it is asked; empty: the line says nothing of it. */
static struct tmx_bytes url_of(const struct daemon *d, struct tmx_bytes name)
{
    struct tmx_bytes text = tmx_pb(tmx_directory_pb(tmx_broker_directory(d->broker))->witness_policy), line;
    while (tmx_take_line(&text, &line)) {
        struct tmx_bytes words[4];
        size_t n = 0;
        for (size_t at = 0; at < line.size && n < TMX_N(words);) {
            size_t from = at;
            while (at < line.size && line.data[at] > ' ') {
                at++;
            }
            if (at > from) {
                words[n++] = tmx_bytes_slice(line, from, at - from);
            }
            at += at == from ? 1 : 0;
        }
        if (n == TMX_N(words) && tmx_bytes_eq(words[0], TMX_LIT("witness")) && tmx_bytes_eq(words[1], name)) {
            return words[3];
        }
    }
    return TMX_BYTES_NULL;
}

static json_t *refusal_of(enum tmx_broker_witness result)
{
    switch (result) {
    case TMX_BROKER_WITNESS_UNKNOWN:
        return tmx_answer_refusal("unknown-witness", "the witness policy names no such witness");
    case TMX_BROKER_WITNESS_NOTHING:
        return tmx_answer_refusal("nothing", "it need not be asked now: no head waits for its cosignature");
    case TMX_BROKER_WITNESS_REFUSED:
        return tmx_answer_refusal("refused", "it did not cosign: noted");
    case TMX_BROKER_WITNESS_INVALID:
    case TMX_BROKER_WITNESS_OK:
        break;
    }
    return tmx_answer_refusal("invalid", "no cosignature of this witness under the head that it would be asked about now: when "
                                         "that is another by now, ask again");
}

static json_t *request(struct daemon *d, struct tmx_bytes name)
{
    static uint8_t body[TMX_WITNESS_REQUEST_MAX];
    struct tmx_writer w = TMX_WRITER_OF(body);
    uint64_t size;
    const enum tmx_broker_witness r = tmx_broker_witness_request(d->broker, name, &w, &size);
    if (r != TMX_BROKER_WITNESS_OK) {
        return refusal_of(r);
    }
    const struct tmx_bytes url = url_of(d, name);
    json_t *answer = json_pack("{so sI ss%}", "witness", tmx_answer_text(name), "size", (json_int_t)size, "body",
                               (const char *)body, w.used);
    if (url.size > 0) {
        json_object_set_new(answer, "url", json_stringn((const char *)url.data, url.size));
    }
    return answer;
}

/* What the next turn is told. */
static json_t *reply_take(struct daemon *d, const struct tmx_control_request *r)
{
    struct witness_answer *a = &d->witness;
    uint64_t status;
    const struct tmx_bytes name = tmx_bytes_str(r->words[2]);
    if (!tmx_parse_u64(tmx_bytes_str(r->words[3]), 599, &status) || status < 100) {
        return tmx_answer_refusal("malformed", "the status is that of HTTP: 200, 409 …");
    }
    if (name.size > TMX_POLICY_NAME_MAX || r->attachment.size > sizeof(a->body)) {
        return tmx_answer_refusal("malformed", "the name or the answer is longer than one can be");
    }
    if (a->asked) {
        return tmx_answer_refusal("busy", "another answer is being looked at: try again");
    }
    *a = (struct witness_answer){ .asked = true, .client = r->client, .status = (unsigned)status,
                                  .name_size = name.size, .body_size = r->attachment.size };
    memcpy(a->name, name.data, name.size);
    if (r->attachment.size > 0) {
        memcpy(a->body, r->attachment.data, r->attachment.size);
    }
    return NULL;
}

bool control_witness(struct daemon *d, const struct tmx_control_request *r)
{
    if (strcmp(r->words[0], "witness") != 0 || r->n_words < 2) {
        return false;
    }
    if (strcmp(r->words[1], "request") == 0 && r->n_words == 3) {
        tmx_control_reply(d->control, r->client, request(d, tmx_bytes_str(r->words[2])));
        return true;
    }
    if (strcmp(r->words[1], "reply") != 0 || r->n_words != 4) {
        return false;
    }
    json_t *refusal = reply_take(d, r);
    if (refusal != NULL) {
        tmx_control_reply(d->control, r->client, refusal);
    }
    return true;
}

void control_witness_done(struct daemon *d, enum tmx_broker_witness result)
{
    if (!d->witness.asked) {
        return;
    }
    d->witness.asked = false;
    if (result != TMX_BROKER_WITNESS_OK) {
        tmx_control_reply(d->control, d->witness.client, refusal_of(result));
        return;
    }
    struct tmx_broker_cosigned_view v;
    tmx_broker_cosigned(d->broker, &v);
    tmx_control_reply(d->control, d->witness.client,
                      json_pack("{sb sI si si}", "cosigned", d->witness.status == TMX_WITNESS_OK, "size", (json_int_t)v.size,
                                "by", (int)v.quorum.witnesses, "witnesses", (int)v.witnesses));
}
