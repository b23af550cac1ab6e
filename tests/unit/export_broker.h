/* SPDX-License-Identifier: Apache-2.0
 * A broker that answers `tmx-audit export` from the book, in a process of its own, and may lie.
 */
#pragma once

#include <sys/types.h>

#include <tmx/control.h>

#include "../../broker/audit/export.h"
#include "../../broker/audit/prune.h"
#include "export_fixture.h"
#include "export_heads.h"

/* What the broker does wrong. */
enum lie {
    HONEST,
    OTHER_ENTRY, /* the last entry is another one */
    NO_ENTRIES,
    TOO_MANY_ENTRIES,
    NO_BUNDLE,
    CUT_SHORT,
    NO_CHECKPOINT,
    NO_DIRECTORY,
    LOWER_DIRECTORY, /* it gives one of a lower serial than asked for */
    REFUSES,
    BREAKS_OFF, /* answers no further than breaks_off_at */
};
extern uint64_t breaks_off_at;

/* Answers what else is asked; false: it does not. */
typedef bool more_fn(struct tmx_control *control, const struct tmx_control_request *request);
extern more_fn *answer_more;

pid_t start_broker(enum lie lie, char socket_path[64], struct tmx_control **ret_control);
void stop_broker(pid_t pid, struct tmx_control *control);

/* What the broker was asked for in the export made last. */
struct asked {
    uint64_t first;   /* index of the first entry */
    uint64_t entries; /* how many in all */
    struct heads_asked heads;
};
extern struct asked *asked;

extern char target[64];   /* the folder "out" of the export made last */
extern char why[EXPORT_WHY_MAX];

/* Exports from a broker that lies so, into the target; what tmx_export_run returns. */
int export_from(enum lie lie);
/* The same with what else is ordered; `dir` may be another folder than the target. */
int export_with(enum lie lie, const struct tmx_export_order *order);
/* The same, but the exporter ends without a word before its nth change of a name in a folder; 0 when it came to its end. */
int export_crashing(unsigned nth, const struct tmx_export_order *order);
/* Prunes the target, or what the order names; the same with a crash. */
int prune_with(const struct tmx_prune_order *order, struct tmx_prune_result *ret_result);
int prune_crashing(unsigned nth, const struct tmx_prune_order *order);
/* More messages, and a checkpoint over them. */
void grow_book(size_t more);
/* Another history: a bit of that entry is another one, and so are all heads after it. Twice, and it is the first again. */
void rewrite_book(uint64_t index);

bool target_has(const char *file);
/* Verifies the target. */
bool check_target(void);
bool check_signed_target(const struct tmx_signify_public *signer);
/* Every file of the target is listed, says sha256sum. */
bool sums_hold(void);
bool run_in(const char *dir, const char *command);
bool run_in_target(const char *command);
