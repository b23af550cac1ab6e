/* SPDX-License-Identifier: Apache-2.0
 * tmx-broker doctor: what the broker needs of its host.
 */
#include <tmx/clock.h>
#include <tmx/doctor.h>
#include <tmx/inspect.h>

#include "daemon.h"

#define FILES_OWN 128u       /* control socket with its clients, spool, log */
#define FILES_A_GATE 4u
#define FILES_UNIT 16384u    /* deploy/systemd/tmx-broker.service.in */

static struct ports {
    size_t n;
    struct tmx_doctor_port list[TMX_MEMBERS_MAX + 1];
    char members[TMX_MEMBERS_MAX][TMX_MEMBER_MAX + 1], endpoints[TMX_MEMBERS_MAX + 1][TMX_ENDPOINT_MAX + 1];
} ports;

static void add_ports(const struct tmx_directory *d)
{
    const Tmx__Directory *pb = tmx_directory_pb(d);
    for (size_t i = 0; i < pb->n_gates && ports.n < TMX_MEMBERS_MAX; i++) {
        const Tmx__Gate *g = pb->gates[i];
        const Tmx__Member *m = tmx_directory_member(d, tmx_pb(g->member));
        if (m == NULL || m->status == TMX__MEMBER_STATUS__MEMBER_REVOKED) {
            continue;
        }
        (void)snprintf(ports.members[ports.n], sizeof(ports.members[0]), "%.*s", (int)g->member.len, (const char *)g->member.data);
        (void)snprintf(ports.endpoints[ports.n], sizeof(ports.endpoints[0]), "%.*s", (int)g->endpoint.len, (const char *)g->endpoint.data);
        ports.list[ports.n] = (struct tmx_doctor_port){ ports.members[ports.n], ports.endpoints[ports.n], true };
        ports.n++;
    }
}

int doctor(const char *path, bool json)
{
    struct tmx_findings quiet = { .take = tmx_finding_ignore };
    struct tmx_config *c = tmx_inspect_config(path, settings_schema(), &quiet);
    struct tmx_inspection i = { &quiet, c, path, "broker", "tmx-broker", tmx_clock_wall_us() / 1000 };
    struct tmx_doctor_subject s = { .program = "tmx-broker", .unit = "tmx-broker.service", .config = path, .files_unit = FILES_UNIT };
    struct tmx_authority authority;
    struct tmx_directory *d = NULL;
    if (c != NULL) {
        tmx_doctor_describe(c, "broker", &s);
        if (tmx_inspect_authority(&i, &authority) && tmx_inspect_directory(&i, &authority, &d)) {
            add_ports(d);
            s.issued_ms = tmx_directory_pb(d)->issued_ms;
        }
    }
    if (c != NULL && tmx_doctor_http(c, "broker", ports.endpoints[ports.n], &ports.list[ports.n])) {
        ports.n++;
    }
    s.files = FILES_OWN + FILES_A_GATE * ports.n;
    s.n_ports = ports.n;
    s.ports = ports.list;
    int code = tmx_doctor_command(&s, json, check_look);
    tmx_directory_free(d);
    tmx_config_free(c);
    return code;
}
