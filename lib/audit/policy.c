/* SPDX-License-Identifier: Apache-2.0
 * Witness policies: one pass over the lines; a group names only what stands before it, so one pass counts, too.
 */
#include <string.h>

#include <tmx/policy.h>
#include <tmx/text.h>

#define NOT_FOUND 0xffu
#define WORDS_MAX (3u + TMX_WITNESSES_MAX + TMX_POLICY_GROUPS_MAX)

struct parser {
    struct tmx_policy *policy;
    bool quorum;                                            /* its line was there */
    bool member[TMX_WITNESSES_MAX + TMX_POLICY_GROUPS_MAX]; /* of some group already */
    size_t n;
    struct tmx_bytes words[WORDS_MAX];
    const char *reason;
};

static bool fail(struct parser *p, const char *reason)
{
    p->reason = reason;
    return false;
}

static bool is_word(const struct parser *p, size_t i, const char *word)
{
    return i < p->n && tmx_bytes_eq(p->words[i], tmx_bytes_str(word));
}

/* A witness or group of that name; NOT_FOUND. */
static uint8_t find(const struct tmx_policy *policy, struct tmx_bytes name)
{
    for (size_t i = 0; i < policy->n_witnesses; i++) {
        if (tmx_bytes_eq(name, tmx_bytes_str(policy->witnesses[i].name))) {
            return (uint8_t)i;
        }
    }
    for (size_t i = 0; i < policy->n_groups; i++) {
        if (tmx_bytes_eq(name, tmx_bytes_str(policy->groups[i].name))) {
            return (uint8_t)(TMX_WITNESSES_MAX + i);
        }
    }
    return NOT_FOUND;
}

static bool new_name(struct parser *p, struct tmx_bytes name, char ret_name[TMX_POLICY_NAME_MAX + 1])
{
    if (name.size > TMX_POLICY_NAME_MAX) {
        return fail(p, "a name is too long");
    }
    if (tmx_bytes_eq(name, TMX_LIT("none")) || find(p->policy, name) != NOT_FOUND) {
        return fail(p, "this name is taken");
    }
    memcpy(ret_name, name.data, name.size);
    ret_name[name.size] = '\0';
    return true;
}

static bool add_log(struct parser *p)
{
    struct tmx_policy *policy = p->policy;
    struct tmx_verify_key key;

    if (p->n < 2 || p->n > 3 || !tmx_verify_key_parse(p->words[1], &key) || key.type != TMX_NOTE_ED25519) {
        return fail(p, "expected: log VKEY [URL], with a key of type 1");
    }
    for (size_t i = 0; i < policy->n_logs; i++) {
        if (memcmp(policy->logs[i].key, key.key, sizeof key.key) == 0) {
            return fail(p, "this key stands here twice");
        }
    }
    if (policy->n_logs == TMX_LOGS_MAX) {
        return fail(p, "too many logs");
    }
    policy->logs[policy->n_logs++] = key;
    return true;
}

static bool add_witness(struct parser *p)
{
    struct tmx_policy *policy = p->policy;
    struct tmx_policy_witness *w = &policy->witnesses[policy->n_witnesses];

    if (policy->n_witnesses == TMX_WITNESSES_MAX) {
        return fail(p, "too many witnesses");
    }
    if (p->n < 3 || p->n > 4 || !tmx_verify_key_parse(p->words[2], &w->key) || w->key.type != TMX_NOTE_COSIGNATURE) {
        return fail(p, "expected: witness NAME VKEY [URL], with a key of type 4 (cosignature/v1)");
    }
    for (size_t i = 0; i < policy->n_witnesses; i++) {
        if (memcmp(policy->witnesses[i].key.key, w->key.key, sizeof w->key.key) == 0) {
            return fail(p, "this key stands here twice");
        }
    }
    if (!new_name(p, p->words[1], w->name)) {
        return false;
    }
    policy->n_witnesses++;
    return true;
}

static bool add_group(struct parser *p)
{
    struct tmx_policy *policy = p->policy;
    struct tmx_policy_group *g = &policy->groups[policy->n_groups];
    uint64_t threshold;

    if (policy->n_groups == TMX_POLICY_GROUPS_MAX) {
        return fail(p, "too many groups");
    }
    if (p->n < 4) {
        return fail(p, "expected: group NAME all|any|K NAME...");
    }
    g->n = 0;
    for (size_t i = 3; i < p->n; i++) {
        const uint8_t member = find(policy, p->words[i]);

        if (member == NOT_FOUND) {
            return fail(p, "a member of the group is not defined above");
        }
        if (p->member[member]) {
            return fail(p, "a member of the group is in a group already");
        }
        p->member[member] = true;
        g->members[g->n++] = member;
    }
    threshold = is_word(p, 2, "all") ? g->n : 1;
    if (!is_word(p, 2, "all") && !is_word(p, 2, "any") &&
        (!tmx_parse_u64(p->words[2], g->n, &threshold) || threshold == 0)) {
        return fail(p, "the threshold is all, any, or a number from 1 to that of the members");
    }
    g->threshold = (unsigned)threshold;
    if (!new_name(p, p->words[1], g->name)) {
        return false;
    }
    policy->n_groups++;
    return true;
}

static bool set_quorum(struct parser *p)
{
    if (p->n != 2 || p->quorum) {
        return fail(p, p->quorum ? "a second quorum" : "expected: quorum NAME");
    }
    p->policy->none = is_word(p, 1, "none");
    p->policy->quorum = find(p->policy, p->words[1]);
    if (!p->policy->none && p->policy->quorum == NOT_FOUND) {
        return fail(p, "the quorum is not defined above");
    }
    p->quorum = true;
    return true;
}

static bool blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

static bool split(struct parser *p, struct tmx_bytes line)
{
    size_t at = 0;

    p->n = 0;
    for (;;) {
        while (at < line.size && blank(line.data[at])) {
            at++;
        }
        if (at == line.size || (p->n == 0 && line.data[at] == '#')) {
            return true;
        }
        if (p->n == WORDS_MAX) {
            return fail(p, "too many words");
        }
        const size_t from = at;

        while (at < line.size && !blank(line.data[at])) {
            if (line.data[at] < 0x20 || line.data[at] == 0x7f) {
                return fail(p, "a control character");
            }
            at++;
        }
        p->words[p->n++] = tmx_bytes_slice(line, from, at - from);
    }
}

static bool take(struct parser *p, struct tmx_bytes line)
{
    if (!split(p, line)) {
        return false;
    }
    return p->n == 0                ? true
           : is_word(p, 0, "log")     ? add_log(p)
           : is_word(p, 0, "witness") ? add_witness(p)
           : is_word(p, 0, "group")   ? add_group(p)
           : is_word(p, 0, "quorum")  ? set_quorum(p)
                                      : fail(p, "expected log, witness, group or quorum");
}

unsigned tmx_policy_parse(struct tmx_bytes text, struct tmx_policy *ret_policy, const char **ret_reason)
{
    struct parser p = { .policy = ret_policy };
    unsigned number = 0;

    memset(ret_policy, 0, sizeof *ret_policy);
    while (text.size > 0) {
        struct tmx_bytes line;

        number++;
        if (!(tmx_take_line(&text, &line) ? take(&p, line) : fail(&p, "the last line has no end"))) {
            *ret_reason = p.reason;
            return number;
        }
    }
    if (!p.quorum) {
        *ret_reason = "no quorum line";
        return number > 0 ? number : 1;
    }
    return 0;
}

/* When a group was complete: the threshold-th smallest of its members' times. */
static uint64_t group_time(const struct tmx_policy_group *g, const uint64_t *times)
{
    for (size_t i = 0; i < g->n; i++) {
        const uint64_t candidate = times[g->members[i]];
        unsigned until = 0;

        for (size_t j = 0; j < g->n; j++) {
            const uint64_t other = times[g->members[j]];

            until += other < candidate || (other == candidate && j <= i) ? 1 : 0;
        }
        if (until == g->threshold) {
            return candidate;
        }
    }
    return UINT64_MAX;
}

bool tmx_policy_check(const struct tmx_policy *policy, struct tmx_bytes note, struct tmx_quorum *ret_quorum)
{
    uint64_t times[TMX_WITNESSES_MAX + TMX_POLICY_GROUPS_MAX]; /* UINT64_MAX: not cosigned */
    struct tmx_quorum q = { .reached = policy->none };

    for (size_t i = 0; i < policy->n_witnesses; i++) {
        times[i] = UINT64_MAX;
        switch (tmx_cosignature_verify(note, &policy->witnesses[i].key, &times[i])) {
        case TMX_COSIGNATURE_BAD:
            return false;
        case TMX_COSIGNATURE_OK:
            q.witnesses++;
            q.latest_s = times[i] > q.latest_s ? times[i] : q.latest_s;
            break;
        case TMX_COSIGNATURE_NONE:
            break;
        }
    }
    for (size_t i = 0; i < policy->n_groups; i++) {
        times[TMX_WITNESSES_MAX + i] = group_time(&policy->groups[i], times);
    }
    if (!policy->none && times[policy->quorum] != UINT64_MAX) {
        q.reached = true;
        q.reached_s = times[policy->quorum];
    }
    *ret_quorum = q;
    return true;
}

const struct tmx_verify_key *tmx_policy_log(const struct tmx_policy *policy, const char *origin)
{
    for (size_t i = 0; i < policy->n_logs; i++) {
        if (strcmp(policy->logs[i].name, origin) == 0) {
            return &policy->logs[i];
        }
    }
    return NULL;
}
