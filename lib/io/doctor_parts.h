/* SPDX-License-Identifier: Apache-2.0
 * The checks of the doctor (doctor.c runs them), and what of them decides on facts that were read: that part can be asked
 * about facts this host does not have.
 */
#pragma once

#include <sys/timex.h>

#include <tmx/doctor.h>

/* doctor_host.c */
void doctor_clock(const struct tmx_doctor_subject *s, struct tmx_findings *to);
void doctor_entropy(const struct tmx_doctor_subject *s, struct tmx_findings *to);
void doctor_limits(const struct tmx_doctor_subject *s, struct tmx_findings *to);
void doctor_memory(const struct tmx_doctor_subject *s, struct tmx_findings *to);
void doctor_core(const struct tmx_doctor_subject *s, struct tmx_findings *to);
/* `state` is what adjtimex returned. */
void tmx_doctor_judge_clock(int state, const struct timex *t, struct tmx_findings *to);

/* doctor_disk.c */
void doctor_disk(const struct tmx_doctor_subject *s, struct tmx_findings *to);
void doctor_sync(const struct tmx_doctor_subject *s, struct tmx_findings *to);
/* A mount by its number in the text of /proc/self/mountinfo: its type, and the options of the file system. */
bool tmx_doctor_find_mount(const char *mountinfo, uint64_t id, char ret_type[32], char ret_options[256]);
void tmx_doctor_judge_mount(const char *type, const char *options, struct tmx_findings *to);
/* Of synced writes, in microseconds. */
void tmx_doctor_judge_sync(uint64_t median_us, uint64_t max_us, size_t n, struct tmx_findings *to);

/* doctor_ports.c */
void doctor_ports(const struct tmx_doctor_subject *s, struct tmx_findings *to);

/* doctor_files.c */
void doctor_files(const struct tmx_doctor_subject *s, struct tmx_findings *to);

/* doctor_libraries.c */
void doctor_libraries(const struct tmx_doctor_subject *s, struct tmx_findings *to);
/* `version` of "ZeroMQ", "LMDB", "protobuf-c" or "libsodium". */
void tmx_doctor_judge_library(const char *name, const char *version, struct tmx_findings *to);

/* doctor_service.c */
void doctor_service(const struct tmx_doctor_subject *s, struct tmx_findings *to);
/* The text of a unit, from `path`. */
void tmx_doctor_judge_unit(const char *path, const char *text, struct tmx_findings *to);
