/* SPDX-License-Identifier: Apache-2.0
 * Leaves that arrive in the feed, already proved to be in the log: what they mean for this node. The same leaf may come
 * again at any time; nothing changes then.
 */
#include <string.h>

#include "core.h"

bool node_signature_verify(struct tmx_node *n, struct tmx_bytes member, struct tmx_bytes body,
                           const Tmx__BatchSignature *pb)
{
    struct tmx_signature signature;
    if (pb == NULL || member.size > TMX_MEMBER_MAX || !tmx_signature_from_pb(pb, &signature)) {
        return false;
    }
    const struct tmx_verify_key *key = tmx_directory_signing_key(n->directory, member, signature.key_id);
    return key != NULL && tmx_batch_verify(body, &signature, key, n->cache);
}

static bool is_me(const struct tmx_node *n, struct tmx_bytes member)
{
    return tmx_bytes_eq(member, n->config.member);
}

/* A consumed refusal names the numbers that no message will have. */
static void refusal_of_other(struct tmx_node *n, const Tmx__LogEntry *entry, const Tmx__Header *h)
{
    if (entry->number != 1 || !tmx_bytes_eq(tmx_pb(h->sender), tmx_pb(entry->member))) {
        return;
    }
    for (size_t i = 0; i < h->n_recipients; i++) {
        if (is_me(n, tmx_pb(h->recipients[i]->member))) {
            uint8_t sender[TMX_MEMBER_MAX];
            node_member_key(tmx_pb(h->sender), sender);
            node_seq_resolved(n, sender, h->recipients[i]->seq);
        }
    }
}

static void refusal(struct tmx_node *n, const Tmx__FeedItem *item, const Tmx__LogEntry *entry)
{
    Tmx__Header *h;
    Tmx__Report *r;
    switch (tmx_body_kind(tmx_pb(entry->body))) {
    case TMX__KIND__KIND_HEADER:
        if (tmx_header_parse(tmx_pb(entry->body), &n->scratch, &h) != TMX_CODE_OK) {
            return;
        }
        if (is_me(n, tmx_pb(entry->member))) {
            node_sent_refused(n, item, entry);
        } else {
            refusal_of_other(n, entry, h);
        }
        return;
    case TMX__KIND__KIND_REPORT:
        if (is_me(n, tmx_pb(entry->member)) && tmx_report_parse(tmx_pb(entry->body), &n->scratch, &r) == TMX_CODE_OK) {
            node_report_refused(n, item, entry, r);
        }
        return;
    case TMX__KIND__KIND_PREKEY_SET:
        if (is_me(n, tmx_pb(entry->member))) {
            node_notice(n, "prekeys.refused", true, NULL, NULL, entry->code, item->index);
        }
        return;
    default:
        return;
    }
}

static void report(struct tmx_node *n, const Tmx__FeedItem *item, const Tmx__LogEntry *entry)
{
    Tmx__Report *r;
    if (tmx_report_parse(tmx_pb(entry->body), &n->scratch, &r) != TMX_CODE_OK) {
        node_alarm(n, "log.report-malformed", NULL, NULL, TMX_CODE_MALFORMED, tmx_pb(item->entry));
        return;
    }
    node_serial_heard(n, r->directory_serial);
    if (r->directory_serial > tmx_directory_serial(n->directory)) {
        node_link_lost(n, "link.directory-behind", false);   /* it comes again when the directory is here */
        return;
    }
    if (is_me(n, tmx_pb(entry->member))) {
        node_report_logged(n, item, entry, r);
    } else {
        node_sent_report(n, item, entry, r);
    }
}

static void prekeys(struct tmx_node *n, const Tmx__FeedItem *item, const Tmx__LogEntry *entry)
{
    Tmx__PrekeySet *set;
    struct tmx_bytes body = tmx_pb(entry->body);
    if (tmx_prekeys_parse(body, &n->scratch, &set) != TMX_CODE_OK ||
        !tmx_bytes_eq(tmx_pb(set->member), tmx_pb(entry->member)) ||
        !node_signature_verify(n, tmx_pb(set->member), body, entry->signature)) {
        uint8_t member[TMX_MEMBER_MAX] = { 0 };
        if (entry->member.len <= TMX_MEMBER_MAX) {
            node_member_key(tmx_pb(entry->member), member);
        }
        node_notice(n, "prekeys.unusable", true, member, NULL, TMX_CODE_BAD_SIGNATURE, 0);
        return;
    }
    node_prekeys_keep(n, set, item);
    if (is_me(n, tmx_pb(set->member))) {
        node_prekeys_logged(n, set);
    } else {
        node_prekeys_store(n, set, body);
    }
}

/* The broker's copy of the container is gone. A delivery that has no outcome may still have needed it: an alarm. */
static void erased(struct tmx_node *n, const Tmx__FeedItem *item, const Tmx__LogEntry *entry)
{
    const uint8_t *id = entry->message_id.data;
    struct tmx_row_out out;
    struct tmx_row_in in;
    bool sent = is_me(n, tmx_pb(entry->member)), ended;
    struct tmx_bytes digest;
    if (sent && node_out_read(n, id, &out)) {
        digest = TMX_BYTES_OF(out.header_digest);
        ended = out.state == TMX_OUT_CLOSED;
    } else if (!sent && node_in_read(n, id, &in)) {
        digest = TMX_BYTES_OF(in.header_digest);
        ended = in.state >= TMX_IN_DELIVERED;
    } else {
        return;   /* it never was here */
    }
    if (!ended || !tmx_bytes_eq(tmx_pb(entry->header_digest), digest)) {
        node_alarm(n, "log.erased-wrong", NULL, id, TMX_CODE_BAD_HEAD, tmx_pb(item->entry));
        return;
    }
    node_evidence_keep(n, id, TMX_EVIDENCE_ERASED, NULL, item);
}

/* The log says which directory is in force, and its digest says it is the one we verified. */
static void directory(struct tmx_node *n, const Tmx__FeedItem *item, const Tmx__LogEntry *entry)
{
    node_serial_heard(n, entry->number);
    uint8_t digest[32];
    tmx_directory_digest(n->directory, digest);
    if (entry->number == tmx_directory_serial(n->directory) &&
        !tmx_bytes_eq(tmx_pb(entry->digest), TMX_BYTES_OF(digest))) {
        node_alarm(n, "directory.differs", NULL, NULL, TMX_CODE_DIRECTORY_BEHIND, tmx_pb(item->entry));
    }
}

void node_feed_item(struct tmx_node *n, const Tmx__FeedItem *item)
{
    Tmx__LogEntry *entry;
    if (tmx_entry_parse(tmx_pb(item->entry), &n->scratch, &entry) != TMX_CODE_OK) {
        node_alarm(n, "log.entry-malformed", NULL, NULL, TMX_CODE_MALFORMED, tmx_pb(item->entry));
        return;
    }
    if (n->state.rebuild) {
        node_rebuild_item(n, item, entry);
    }
    switch ((int)entry->kind) {
    case TMX__ENTRY_KIND__ENTRY_SHARD_START:
        if (entry->text.len > 0 && n->state.resubmit == 0) {   /* a node that never saw the log before this one */
            n->state.resubmit = ++n->state.number;
            n->state_dirty = true;
        }
        break;
    case TMX__ENTRY_KIND__ENTRY_ACCEPTANCE:
    case TMX__ENTRY_KIND__ENTRY_RESUBMISSION:
        if (is_me(n, tmx_pb(entry->member))) {
            node_sent_accepted(n, item, entry);
        }
        break;
    case TMX__ENTRY_KIND__ENTRY_REFUSAL:
        refusal(n, item, entry);
        break;
    case TMX__ENTRY_KIND__ENTRY_REPORT:
        report(n, item, entry);
        break;
    case TMX__ENTRY_KIND__ENTRY_EXPIRED:
    case TMX__ENTRY_KIND__ENTRY_EXCEPTION:
        if (is_me(n, tmx_pb(entry->member))) {
            node_sent_ended(n, item, entry);
        } else if (is_me(n, tmx_pb(entry->recipient))) {
            node_in_ended_by_broker(n, item, entry);
        }
        break;
    case TMX__ENTRY_KIND__ENTRY_ERASED:
        erased(n, item, entry);
        break;
    case TMX__ENTRY_KIND__ENTRY_PREKEYS:
        prekeys(n, item, entry);
        break;
    case TMX__ENTRY_KIND__ENTRY_DIRECTORY:
        directory(n, item, entry);
        break;
    default:
        break;
    }
}
