/* SPDX-License-Identifier: Apache-2.0
 * The proof, at every start, that this libzmq asks the ZAP handler: libzmq 4.3.4 admits everybody when it does not.
 */
#pragma once

#include <tmx/transport.h>

/* Over an ephemeral loopback port: an unknown key is refused, a known one accepted and named. -EPROTO when not so
 * within 2 s. Leaves nobody admitted. */
int tmx_transport_selftest(struct tmx_transport *t) TMX_MUST_CHECK;
