/* SPDX-License-Identifier: Apache-2.0
 * The schema of the log's leaves, as it was when this program was built: what `protoc --decode=tmx.LogEntry` needs.
 * meson.build makes the source from proto/ with embed.py.
 */
#pragma once

extern const char tmx_schema_audit[];    /* proto/audit.proto */
extern const char tmx_schema_envelope[]; /* proto/envelope.proto, which it imports */
