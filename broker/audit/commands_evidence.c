/* SPDX-License-Identifier: Apache-2.0
 * `tmx-audit verify-evidence`: what a bundle proves of its message.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "evidence_print.h"
#include "export_dir.h"

static int complain_of(const char *file, int error, const char *too_large)
{
    char why[HISTORY_WHY_MAX];

    snprintf(why, sizeof why, "%s: %s", file, error == -EFBIG ? too_large : strerror(-error));
    return tmx_audit_complain(why);
}

/* The payload goes out only when everything verifies. */
static int write_payload(const struct arguments *a, const struct tmx_evidence *v)
{
    bool written;
    FILE *out;
    int fd;

    if (v->rule != 0) {
        return tmx_audit_complain("the payload is not written: the bundle has a fault");
    }
    if (v->content_state != EVIDENCE_OPENED) {
        return tmx_audit_complain(
            v->content_state == EVIDENCE_NOT_DISCLOSED
                ? "there is no payload to write: the bundle does not disclose the content key"
                : "there is no payload to write: the container is missing, name it with --container");
    }
    fd = open(a->payload_out, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600); /* it was sealed: not for everybody */
    out = fd < 0 ? NULL : fdopen(fd, "w");
    written = out != NULL && fwrite(v->payload, 1, v->payload_size, out) == v->payload_size && fflush(out) == 0;
    if (out != NULL && fclose(out) != 0) {
        written = false;
    }
    return written ? EXIT_OK : complain_of(a->payload_out, -errno, "");
}

static int show(const struct arguments *a, const struct tmx_evidence *v)
{
    int r = 0;

    if ((a->given & OPTION_JSON) != 0) {
        r = tmx_evidence_json(v, stdout);
    } else {
        tmx_evidence_print(v, a->operands[0], stdout);
    }
    if (r < 0 || fflush(stdout) != 0 || ferror(stdout)) {
        return tmx_audit_complain("cannot write the result");
    }
    return v->rule == 0 ? EXIT_OK : EXIT_FAILED;
}

static int verify(const struct arguments *a, struct tmx_bytes file, struct tmx_bytes beside)
{
    struct tmx_authority authority;
    struct tmx_evidence *v;
    const char *what;
    int r = tmx_audit_authority(a->authority, &authority, &what);

    if (r < 0) {
        return tmx_audit_complain(what);
    }
    r = tmx_evidence_check(file, &authority, beside, &v);
    if (r < 0) {
        return tmx_audit_complain("out of memory");
    }
    r = show(a, v);
    if (a->payload_out != NULL && write_payload(a, v) != EXIT_OK) {
        r = EXIT_FAILED;
    }
    tmx_evidence_free(v);
    return r;
}

int tmx_run_verify_evidence(const struct arguments *a)
{
    uint8_t *file;
    uint8_t *beside = NULL;
    size_t size;
    size_t beside_size = 0;
    int r = tmx_export_read(AT_FDCWD, a->operands[0], TMX_EVIDENCE_MAX, &file, &size);

    if (r < 0) {
        return complain_of(a->operands[0], r, "larger than an evidence bundle can be (64 MiB)");
    }
    if (a->container != NULL) {
        r = tmx_export_read(AT_FDCWD, a->container, TMX_CONTAINER_MAX, &beside, &beside_size);
    }
    r = r < 0 ? complain_of(a->container, r, "larger than a container can be")
              : verify(a, TMX_BYTES(file, size), TMX_BYTES(beside, beside_size));
    free(beside);
    free(file);
    return r;
}
