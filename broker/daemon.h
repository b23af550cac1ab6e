/* SPDX-License-Identifier: Apache-2.0
 * The broker daemon's shell: what surrounds the core (broker/core).
 *
 *   main.c      argv, commands, exit codes          daemon.c   the loop: wait, drain, turn, send
 *   settings.c  the configuration file              gates.c    one gate process per member of the directory
 *   setup.c     init and restore                    spool.c    opening the one its marker knows
 *   check.c     what is wrong with a configuration  doctor.c   and with the host
 *   pace.c      how fast, how long, how full        http.c     the status for browsers and monitoring
 *   control/    answers auditors and operators, does what operators ask
 *   why/        why something does not go on
 *   shard/      an old log served to auditors, a new one after it
 */
#pragma once

#include <tmx/answer.h>
#include <tmx/config.h>
#include <tmx/control.h>
#include <tmx/directory.h>
#include <tmx/envelope.h>
#include <tmx/findings.h>
#include <tmx/gate_link.h>
#include <tmx/http.h>
#include <tmx/room.h>
#include <tmx/spool_lmdb.h>
#include <tmx/startup.h>
#include <tmx/witness.h>

#include "broker.h"

struct settings {
    struct tmx_config *config;
    const char *path, *directory, *authority, *keys, *shard, *spool, *marker, *run, *http, *gate_program, *operators, *operators_key;
    uint64_t capacity_bytes, gate_memory_bytes, queue_max, high_water_percent, retention_ms, late_ms;
};

/* Prints what is wrong and returns an exit code, 0 = fine. */
int settings_load(const char *path, struct settings *ret_settings);
void settings_print(void);
const struct tmx_config_schema *settings_schema(void);
const char *settings_gate_program(const struct tmx_config *c);
void settings_free(struct settings *s);

struct broker_keys {
    uint8_t log_public[32];
    uint8_t log_secret[64];
};

/* Reads log.key and the pinned authority; prints and returns an exit code. */
int settings_keys(const struct settings *s, struct broker_keys *ret_keys, struct tmx_authority *ret_authority);

/* The last signed head, kept beside the marker: what a new shard names as its predecessor. */
void checkpoint_path(const struct settings *s, char *ret_path, size_t size);

/* Opens the spool; refuses one that its marker does not know as the latest. Prints and returns an exit code. */
int spool_open(const struct settings *s, struct tmx_spool **ret_spool);
/* Where the spool of a new shard is made, before it takes the place of the old one. */
void spool_next_path(const struct settings *s, char *ret_path, size_t size);

/* A spool of its own at `path`, with the first leaves of the configured shard; it begins with `old_directory` where that is
 * later than the configured one. The marker is written only when the path is the spool's own. */
int setup_create(const struct settings *s, const char *path, uint64_t generation, struct tmx_bytes previous_checkpoint,
                 struct tmx_bytes old_directory);
int setup_init(const struct settings *s);
int setup_restore(const struct settings *s, const char *given_path);
/* `archive`: where the old spool goes, NULL = beside it. `uncosigned`: even when no quorum has cosigned its last head. */
int setup_new_shard(const struct settings *s, const char *archive, bool uncosigned);
/* Serves the log in the folder `spool` to auditors until a signal comes; an exit code. */
int serve_log(const char *spool, const char *run, int signals);

/* Gates. */
struct gates {
    const struct settings *settings;
    size_t n;
    struct gate {
        char member[TMX_MEMBER_MAX + 1];
        char endpoint[256];
        struct tmx_gate_link *link;
        bool was_up, told_busy;
        uint64_t told_refused;         /* of its counters, logged */
        struct why_watch {             /* why_watch.c; times are monotonic */
            uint64_t refused, refused_ms;          /* of its counters: the value, and when it last grew; 0 = never */
            uint64_t connections, connections_ms;
            uint64_t failed, failed_ms;
            uint64_t arrived, arrived_ms;          /* left its queue: when that last moved on, or the queue was empty */
            uint64_t ended, ended_ms;              /* the same of what arrived and has no outcome */
        } watch;
        uint8_t key[32];               /* its own, public */
        uint64_t leaves_ms;            /* it is not what the directory lists any more: until then (monotonic); 0 = it stays */
        size_t n_admitted;
        uint8_t admitted[TMX_KEYS_PER_MEMBER_MAX][32];
    } gate[TMX_MEMBERS_MAX];
    size_t n_missing;                  /* of the directory, whose key file is missing or another's */
    char missing[TMX_MEMBERS_MAX][TMX_MEMBER_MAX + 1];
};

/* Makes the gates those of the directory: starts new ones, with key files as they are now, changes admitted keys, stops those of
 * revoked members at once. One whose key or endpoint is another now stays for a moment: over it its member learns that. */
void gates_sync(struct gates *g, const struct tmx_directory *d, uint64_t now_ms);
struct gate *gates_find(struct gates *g, struct tmx_bytes member);
/* One that leaves has stayed long enough: time for gates_sync. */
bool gates_due(const struct gates *g, uint64_t now_ms);
/* Logs what they refused since it was called last. */
void gates_log(struct gates *g);
void gates_free(struct gates *g);

/* The daemon. */
struct daemon {
    struct settings settings;
    struct tmx_spool *spool;
    struct tmx_broker *broker;
    struct gates gates;
    struct tmx_control *control;
    struct tmx_http *http;             /* NULL: none is configured */
    int signals;
    uint64_t started_ms, last_beat_ms, last_snapshot;
    struct tmx_series *series;        /* NULL: nothing is remembered */
    struct tmx_room room;
    size_t first_gate;
    bool marker_unwritten, stop, reload;
    bool closing, closed;                   /* asked to stop; the last head is cosigned, as far as it will be (WIT-7) */
    struct tmx_install install;
    struct anchor_wish {               /* a token that the next turn is to install */
        struct tmx_bytes token;        /* malloc'ed; empty: none */
        uint64_t size;                 /* of the head it is over */
        uint64_t client;               /* who waits for the answer */
    } anchor;
    struct tmx_operators operators;    /* none: nobody may act */
    struct tmx_operation_wish operation;   /* for the next turn */
    struct witness_answer {            /* for the next turn */
        bool asked;                    /* `client` waits for what becomes of it */
        uint64_t client;
        unsigned status;
        size_t name_size, body_size;
        uint8_t name[TMX_POLICY_NAME_MAX], body[TMX_WITNESS_REPLY_MAX];
    } witness;
};

/* check.c: what is wrong with the configuration and what it names. */
void check_look(const char *path, struct tmx_findings *to);
int check_config(const char *path);   /* prints it; an exit status */
/* doctor.c: what is wrong with the host as well; prints it, an exit status. */
int doctor(const char *path, bool json);

int daemon_run(struct daemon *d);

/* pace.c: what the daemon remembers of its last hours. */
void pace_take(struct daemon *d);              /* a sample of now */
void pace_add(const struct daemon *d, json_t *status);   /* to the status document */
json_t *pace_history(const struct daemon *d, const struct tmx_control_request *r);

/* control.c */
/* An entry of the log, in the arena; NULL when it cannot be read. */
const Tmx__LogEntry *control_entry(struct daemon *d, uint64_t index, struct tmx_arena *arena);
void control_answer(struct daemon *d, const struct tmx_control_request *r);
/* The log that auditors ask for: of the running broker, or of an archived spool. */
struct log_source {
    struct tmx_control *control;
    struct tmx_spool *spool;
    struct tmx_broker *broker;     /* NULL: there is none any more */
    struct tmx_bytes checkpoint;   /* the last signed head */
    unsigned witnesses;            /* of the policy; 0: it asks for none */
    struct tmx_bytes cosigned;     /* the newest head that its quorum has cosigned, with all lines; or empty */
};
/* What auditors ask; false when it is none of that. */
bool control_log(const struct log_source *d, const struct tmx_control_request *r, struct tmx_arena *arena);
/* control/anchor.c: `anchor show` and `anchor install`; false when it is neither. */
bool control_anchor(struct daemon *d, const struct tmx_control_request *r);
/* The turn with the wish is over: answers who asked. */
void control_anchored(struct daemon *d, enum tmx_broker_anchor result);
/* control/gates.c: a problem for each gate there should be and cannot. */
void control_gate_problems(const struct gates *g, json_t *problems);
/* About witnesses that no link leads to; false when it is none of that. */
bool control_witness(struct daemon *d, const struct tmx_control_request *r);
/* The turn is over: answers who brought a witness's answer. */
void control_witness_done(struct daemon *d, enum tmx_broker_witness result);
/* control/operator.c: who may act, what they ask and have asked; false when it is none of that. */
bool control_operator(struct daemon *d, const struct tmx_control_request *r);
/* The turn is over: answers who asked. */
void control_operated(struct daemon *d, const struct tmx_broker_operation_view *result);
/* With which entry an operator has paused deliveries to a member, or, with NULL, admission; 0: it is not. */
uint64_t control_stop(const struct daemon *d, const char *member);
/* An operator holds that delivery. */
bool control_held(const struct daemon *d, const uint8_t id[TMX_ID_SIZE], const uint8_t member[TMX_MEMBER_KEY]);
/* What is stopped, held and proposed, as a status has it; and the problems that are among it. */
json_t *control_operating(struct daemon *d);
void control_operating_problems(const json_t *operating, json_t *problems);
/* control/select.c: `select …`, what an action would be about. */
json_t *control_select(struct daemon *d, const struct tmx_control_request *r);
/* control/slots.c: `slots ID`. */
json_t *control_slots(struct daemon *d, const char *word);
/* The actions that may be about that delivery now. */
json_t *control_actions(struct daemon *d, const uint8_t id[TMX_ID_SIZE], const uint8_t member[TMX_MEMBER_KEY]);
json_t *control_status(struct daemon *d);

/* Opens the endpoint that is configured, if one is. Prints what is wrong and returns an exit code, 0 = fine. */
int http_open(struct daemon *d);
/* control/evidence.c: `evidence ID`; false when it is not that. */
bool control_evidence(struct daemon *d, const struct tmx_control_request *r);
/* control/trace.c: `trace [FROM]`; false when it is not that. */
bool control_trace(struct daemon *d, const struct tmx_control_request *r, struct tmx_arena *arena);
/* why/why.c: `why WORD`. */
json_t *control_why(struct daemon *d, const struct tmx_control_request *r, struct tmx_arena *arena);
/* Once a second: since when nothing moves. */
void why_watch(struct daemon *d, uint64_t now_ms);
