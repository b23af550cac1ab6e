/* SPDX-License-Identifier: Apache-2.0
 * This node as a witness of the log, and what the other witnesses have cosigned (WIT-n). A head is cosigned only when it
 * continues the one cosigned last, and that it was is durable before the cosignature leaves.
 */
#include <string.h>

#include "core.h"

static struct node_key shard_key(const char *shard)
{
    struct node_key k = { .size = TMX_SHARD_MAX };
    node_shard_key(shard, k.data);
    return k;
}

/* The part of an origin that names the shard. */
static const char *shard_of(const char *origin)
{
    const char *slash = strrchr(origin, '/');
    return slash == NULL ? origin : slash + 1;
}

static bool memory_read(struct tmx_node *n, const char *shard, struct tmx_witness_memory *ret_memory,
                        struct tmx_bytes *ret_checkpoint)
{
    struct node_key k = shard_key(shard);
    struct tmx_bytes value, copy;
    *ret_memory = (struct tmx_witness_memory){ .size = 0 };
    *ret_checkpoint = TMX_BYTES_NULL;
    if (!node_get(n, TMX_NT_WITNESS, node_kb(&k), &value)) {
        return n->fault == 0;
    }
    if (value.size == 0) {   /* NODE-16: what it has cosigned is not known any more */
        return false;
    }
    if (!tmx_arena_copy(&n->scratch, value, &copy)) {
        node_fault(n, -ENOMEM);
        return false;
    }
    struct tmx_reader r = tmx_reader_init(copy);
    ret_memory->size = tmx_read_u64(&r);
    tmx_read_into(&r, ret_memory->root.b, TMX_HASH_SIZE);
    *ret_checkpoint = tmx_read_bytes(&r, r.left);
    if (!tmx_reader_ok(&r)) {
        node_fault(n, -EBADMSG);
        return false;
    }
    return true;
}

static void memory_write(struct tmx_node *n, const char *shard, const struct tmx_witness_memory *memory,
                         struct tmx_bytes checkpoint)
{
    uint8_t data[8 + TMX_HASH_SIZE + TMX_CHECKPOINT_MAX];
    struct tmx_writer w = TMX_WRITER_OF(data);
    struct node_key k = shard_key(shard);
    tmx_write_u64(&w, memory->size);
    tmx_write_bytes(&w, TMX_BYTES_OF(memory->root.b));
    tmx_write_bytes(&w, checkpoint);
    node_put(n, TMX_NT_WITNESS, node_kb(&k), tmx_written(&w));
}

static void reply(struct tmx_node *n, enum tmx_witness_status status, struct tmx_bytes body)
{
    struct tmx_bytes frame;
    if (!tmx_arena_copy(&n->out, body, &frame)) {
        return;   /* the broker asks again */
    }
    Tmx__WitnessReply r = TMX__WITNESS_REPLY__INIT;
    Tmx__Link link = TMX__LINK__INIT;
    r.status = (uint32_t)status;
    link.body_case = TMX__LINK__BODY_WITNESS_REPLY;
    link.witness_reply = &r;
    node_link_send(n, &link, &frame, 1);
}

static void cosign(struct tmx_node *n, const struct tmx_checkpoint *c)
{
    uint8_t text[TMX_CHECKPOINT_MAX], line[512];
    struct tmx_writer t = TMX_WRITER_OF(text), w = TMX_WRITER_OF(line);
    tmx_checkpoint_text(c, &t);
    tmx_cosignature_add_line(&w, tmx_written(&t), n->wall_ms / 1000, &n->witness_key, n->config.witness_secret);
    reply(n, TMX_WITNESS_OK, tmx_written(&w));
}

static bool contradicts_head(const struct tmx_node *n, const struct tmx_checkpoint *c)
{
    return strcmp(shard_of(c->origin), n->state.head.shard) == 0 && c->size == n->state.head.size &&
           !tmx_hash_eq(&c->root, &n->state.head.root);
}

void node_witness_in(struct tmx_node *n, const Tmx__WitnessRequest *request, struct tmx_bytes body)
{
    struct tmx_witness_request rq;
    struct tmx_bytes text, lines, before;
    struct tmx_checkpoint c, asked;
    struct tmx_witness_memory memory;
    tmx_arena_reset(&n->scratch);
    if (n->config.witness_secret == NULL || n->clock_doubt || n->state.rebuild || n->state.carry) {
        reply(n, TMX_WITNESS_UNAVAILABLE, TMX_BYTES_NULL);   /* a node that is behind may have cosigned more than it knows */
        return;
    }
    if (!tmx_witness_request_parse(body, &rq) || !tmx_note_split(rq.checkpoint, &text, &lines) ||
        !tmx_checkpoint_parse(text, &asked)) {
        reply(n, TMX_WITNESS_MALFORMED, TMX_BYTES_NULL);
        return;
    }
    const char *shard = shard_of(asked.origin);
    const struct tmx_verify_key *key = tmx_directory_origin_key(n->directory, asked.origin);
    if (key != NULL && !memory_read(n, shard, &memory, &before)) {
        reply(n, TMX_WITNESS_UNAVAILABLE, TMX_BYTES_NULL);
        return;
    }
    enum tmx_witness_status status = tmx_witness_decide(&rq, key, &memory, &c);
    bool twice = status == TMX_WITNESS_CONFLICT && c.size == memory.size && !tmx_hash_eq(&c.root, &memory.root);
    /* Proof kept, the broker is not used any more (WIT-3). Two heads of one size say it all, whatever came with them. */
    if ((status == TMX_WITNESS_OK || status == TMX_WITNESS_INCONSISTENT) && contradicts_head(n, &c)) {
        node_heads_distrust(n, tmx_node_checkpoint(n), rq.checkpoint, TMX_BYTES_NULL, TMX_BYTES_NULL);
        return;
    }
    if (status == TMX_WITNESS_INCONSISTENT || twice) {
        node_heads_distrust(n, before, rq.checkpoint, TMX_BYTES(rq.proof.hash, rq.proof.n * TMX_HASH_SIZE),
                            tmx_pb(request->root));
        return;
    }
    if (status == TMX_WITNESS_OK) {
        memory_write(n, shard, &memory, rq.checkpoint);
        cosign(n, &c);
    } else if (status == TMX_WITNESS_CONFLICT) {
        uint8_t size[24];
        struct tmx_writer w = TMX_WRITER_OF(size);
        tmx_write_fmt(&w, "%llu\n", (unsigned long long)memory.size);
        reply(n, status, tmx_written(&w));
    } else {
        reply(n, status, TMX_BYTES_NULL);
    }
}

void node_cosigned_in(struct tmx_node *n, const Tmx__CosignedHead *cosigned, struct tmx_bytes note)
{
    const struct tmx_policy *policy = tmx_directory_policy(n->directory);
    const struct tmx_verify_key *key = tmx_directory_log_key(n->directory, tmx_bytes_str(n->state.head.shard));
    struct tmx_checkpoint c;
    struct tmx_quorum q;
    if (key == NULL || cosigned->tree_size != n->state.head.size || !tmx_checkpoint_verify(note, key, &c)) {
        node_notice(n, "log.cosigned-wrong", true, NULL, NULL, TMX_CODE_BAD_SIGNATURE, 0);
        return;
    }
    if (c.size > n->state.head.size ||
        !tmx_merkle_verify_consistency(c.size, &c.root, n->state.head.size, &n->state.head.root, tmx_pb(cosigned->consistency))) {
        node_heads_distrust(n, tmx_node_checkpoint(n), note, tmx_pb(cosigned->consistency), tmx_pb(cosigned->root));
        return;
    }
    if (policy == NULL || !tmx_policy_check(policy, note, &q) || !q.reached) {
        node_notice(n, "log.cosigned-wrong", true, NULL, NULL, TMX_CODE_BAD_SIGNATURE, c.size);
        return;
    }
    if (c.size < n->cosigned.size && strcmp(n->cosigned.origin, c.origin) == 0) {
        return;
    }
    struct node_key k = shard_key(n->state.head.shard);
    node_put(n, TMX_NT_COSIGNED, node_kb(&k), note);
    n->cosigned = c;
    n->cosigned_quorum = q;
    n->upgrade_wanted = true;
}

int node_witness_start(struct tmx_node *n)
{
    struct node_key k = shard_key(n->state.head.shard);
    struct tmx_bytes note, text, lines;
    const struct tmx_policy *policy = tmx_directory_policy(n->directory);
    if (n->config.witness_secret != NULL) {
        char name[TMX_KEYNAME_MAX];
        struct tmx_writer w = TMX_WRITER_OF(name);
        tmx_witness_key_name(tmx_directory_federation(n->directory), n->config.member, &w);
        if (!tmx_verify_key_init(tmx_written(&w), TMX_NOTE_COSIGNATURE, n->config.witness_public, &n->witness_key)) {
            return -EINVAL;
        }
    }
    if (!node_get(n, TMX_NT_COSIGNED, node_kb(&k), &note)) {
        return n->fault;
    }
    if (!tmx_note_split(note, &text, &lines) || !tmx_checkpoint_parse(text, &n->cosigned)) {
        return -EBADMSG;
    }
    if (policy != NULL && !tmx_policy_check(policy, note, &n->cosigned_quorum)) {
        n->cosigned_quorum = (struct tmx_quorum){ 0 };
    }
    return 0;
}
