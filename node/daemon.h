/* SPDX-License-Identifier: Apache-2.0
 * The node daemon's shell: what surrounds the core (node/core).
 *
 *   main.c      argv, commands, exit codes          daemon.c   the loop: wait, drain, turn, send
 *   settings.c  the configuration file              setup.c    init and restore
 *   check.c     what is wrong with a configuration  doctor.c   and with the host
 *   pace.c      how fast, how long, how full        http.c     the status for browsers and monitoring
 *   proofs.c    files of what did not fit the log
 *   control/    answers operators, does what they ask
 *   why/        why something does not go on
 */
#pragma once

#include <tmx/answer.h>
#include <tmx/catalogue.h>
#include <tmx/config.h>
#include <tmx/control.h>
#include <tmx/directory.h>
#include <tmx/http.h>
#include <tmx/findings.h>
#include <tmx/outbox.h>
#include <tmx/room.h>
#include <tmx/spool_lmdb.h>
#include <tmx/startup.h>
#include <tmx/transport.h>

#include "node.h"

struct settings {
    struct tmx_config *config;
    const char *path, *member, *directory, *authority, *keys, *spool, *marker, *run, *http, *catalogue, *endpoint, *listen, *operators, *operators_key;
    uint64_t capacity_bytes, high_water_percent, expiry_ms, retention_ms, late_ms;
};

/* Each prints what is wrong and returns an exit code, 0 = fine. */
int settings_load(const char *path, struct settings *ret_settings);
void settings_print(void);
const struct tmx_config_schema *settings_schema(void);
void settings_free(struct settings *s);
int settings_catalogue(const struct settings *s, struct tmx_catalogue **ret_catalogue);

struct node_keys {
    uint8_t sign_public[32], sign_secret[64];
    struct tmx_curve curve;
    uint8_t last_resort_public[32], last_resort_secret[32];
    uint8_t archive[32], label[32];
    bool witness;   /* there is a witness key */
    uint8_t witness_public[32], witness_secret[64];
};
int settings_keys(const struct settings *s, struct node_keys *ret_keys);

struct node_applications {
    size_t n;
    struct tmx_node_application list[TMX_NODE_APPLICATIONS_MAX];
    struct tmx_admit admits[TMX_NODE_APPLICATIONS_MAX];
};
int settings_applications(const struct settings *s, struct node_applications *ret_applications);

/* check.c: what is wrong with the configuration and what it names. */
void check_look(const char *path, struct tmx_findings *to);
int check_config(const char *path);   /* prints it; an exit status */
/* doctor.c: what is wrong with the host as well; prints it, an exit status. */
int doctor(const char *path, bool json);

int setup_init(const struct settings *s);
int setup_restore(const struct settings *s);

struct daemon {
    struct settings settings;
    struct node_keys keys;
    struct node_applications applications;
    struct tmx_catalogue *catalogue;
    struct tmx_spool *spool;
    struct tmx_node *node;
    struct tmx_transport *transport;
    struct tmx_socket *link, *local, *remote;
    char gate_endpoint[256];
    uint8_t gate_key[32];
    struct tmx_control *control;
    struct tmx_http *http;            /* NULL: none is configured */
    int signals;
    uint64_t started_ms, last_beat_ms, last_snapshot;
    struct tmx_series *series;        /* NULL: nothing is remembered */
    struct tmx_outbox outbox;         /* what the link did not take yet */
    bool told_busy;
    uint64_t told_secured;            /* connections of the link, the core was told of */
    uint64_t told_refused;            /* of the remote endpoint, logged */
    struct tmx_room submit_room, arrive_room;
    bool marker_unwritten, proof_unwritten;
    bool stop, reload, ever_linked;
    struct tmx_install install;
    struct {
        bool asked;                   /* `client` waits for the turn that sends it */
        uint64_t client;
        char member[TMX_MEMBER_MAX + 1];
    } probe;
    struct tmx_operators operators;   /* none: nobody may act */
    struct tmx_operation_wish operation;  /* for the next turn */
};

int daemon_run(struct daemon *d);

/* pace.c: what the daemon remembers of its last hours. */
void pace_take(struct daemon *d);              /* a sample of now */
void pace_add(const struct daemon *d, json_t *status);   /* to the status document */
json_t *pace_history(const struct daemon *d, const struct tmx_control_request *r);

/* proofs.c */
#define PROOF_PATH_MAX 4096u
/* Where the file of it is. */
void proofs_path(const struct daemon *d, const struct tmx_node_misbehaviour_view *v, char ret_path[PROOF_PATH_MAX]);
/* False: nothing ever failed to fit. */
bool proofs_newest(struct daemon *d, struct tmx_node_misbehaviour_view *ret_view) TMX_MUST_CHECK;
/* Writes those that are missing; logs, and sets proof_unwritten when one cannot be written. */
void proofs_write(struct daemon *d);

/* control.c */
void control_answer(struct daemon *d, const struct tmx_control_request *r);
json_t *control_status(struct daemon *d);

/* Opens the endpoint that is configured, if one is. Prints what is wrong and returns an exit code, 0 = fine. */
int http_open(struct daemon *d);
/* control/alarms.c: problems for alarms of late and for what is held; `journal`: the command that looks deeper. */
void control_alarm_problems(struct daemon *d, const struct tmx_node_state_view *v, const char *journal, json_t *list);
/* control/evidence.c: `evidence ID`; false when it is not that. */
bool control_evidence(struct daemon *d, const struct tmx_control_request *r);
/* control/probe.c: `ping MEMBER`; false when it is not that. */
bool control_probe(struct daemon *d, const struct tmx_control_request *r);
/* The turn with the probe is over: answers who asked. */
void control_probe_done(struct daemon *d, const struct tmx_node_output *out);
/* control/trace.c: `trace [FROM]`; false when it is not that. */
bool control_trace(struct daemon *d, const struct tmx_control_request *r);
/* why/why.c: `why WORD` */
json_t *control_why(struct daemon *d, const char *word);
/* control/slots.c: `slots ID`. */
json_t *control_slots(struct daemon *d, const char *word);
/* control/operator.c: who may act, what they ask and have asked; false when it is none of that. */
bool control_operator(struct daemon *d, const struct tmx_control_request *r);
/* The turn is over: answers who asked. */
void control_operated(struct daemon *d, const struct tmx_node_operation *result);
/* control/select.c: deliveries that an action may be about; the actions that may be about one. */
json_t *control_select(struct daemon *d, const struct tmx_control_request *r);
json_t *control_actions(struct daemon *d, const uint8_t id[TMX_ID_SIZE], struct tmx_bytes recipient);
