/* SPDX-License-Identifier: Apache-2.0
 * tmx-node doctor: what the node needs of its host.
 */
#include <tmx/clock.h>
#include <tmx/doctor.h>
#include <tmx/inspect.h>

#include "daemon.h"

#define FILES_OWN 128u      /* control socket with its clients, spool, applications */
#define FILES_UNIT 4096u    /* deploy/systemd/tmx-node@.service.in */

/* The gate of this member, where remote applications connect, and the status page. */
static size_t ports_of(const struct tmx_config *c, const struct tmx_directory *d, char gate[TMX_ENDPOINT_MAX + 1],
                       char http[TMX_ENDPOINT_MAX + 1], struct tmx_doctor_port ret_ports[3])
{
    const char *member = tmx_config_string(c, "node", "member"), *listen = tmx_config_string(c, "node", "listen");
    size_t n = 0;
    for (size_t i = 0; member != NULL && d != NULL && i < tmx_directory_pb(d)->n_gates; i++) {
        const Tmx__Gate *g = tmx_directory_pb(d)->gates[i];
        if (tmx_bytes_eq(tmx_pb(g->member), tmx_bytes_str(member))) {
            (void)snprintf(gate, TMX_ENDPOINT_MAX + 1, "%.*s", (int)g->endpoint.len, (const char *)g->endpoint.data);
            ret_ports[n++] = (struct tmx_doctor_port){ "the broker's gate", gate, false };
            break;
        }
    }
    if (listen != NULL) {
        ret_ports[n++] = (struct tmx_doctor_port){ "remote applications", listen, true };
    }
    return n + (tmx_doctor_http(c, "node", http, &ret_ports[n]) ? 1 : 0);
}

int doctor(const char *path, bool json)
{
    struct tmx_findings quiet = { .take = tmx_finding_ignore };
    struct tmx_config *c = tmx_inspect_config(path, settings_schema(), &quiet);
    struct tmx_inspection i = { &quiet, c, path, "node", "tmx-node", tmx_clock_wall_us() / 1000 };
    struct tmx_doctor_subject s = { .program = "tmx-node", .unit = "tmx-node@.service", .config = path, .files = FILES_OWN,
                                    .files_unit = FILES_UNIT };
    struct tmx_doctor_port ports[3];
    char gate[TMX_ENDPOINT_MAX + 1], http[TMX_ENDPOINT_MAX + 1];
    struct tmx_authority authority;
    struct tmx_directory *d = NULL;
    if (c != NULL) {
        tmx_doctor_describe(c, "node", &s);
        if (tmx_inspect_authority(&i, &authority) && tmx_inspect_directory(&i, &authority, &d)) {
            s.issued_ms = tmx_directory_pb(d)->issued_ms;
        }
        s.n_ports = ports_of(c, d, gate, http, ports);
        s.ports = ports;
    }
    int code = tmx_doctor_command(&s, json, check_look);
    tmx_directory_free(d);
    tmx_config_free(c);
    return code;
}
