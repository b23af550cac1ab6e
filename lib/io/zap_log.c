/* SPDX-License-Identifier: Apache-2.0
 * Who was refused at a public port, in the log: never in the Merkle log, which an outsider could fill with it.
 */
#include <sodium.h>

#include <tmx/log.h>
#include <tmx/zap.h>

void tmx_zap_log(const char *endpoint, const struct tmx_transport_counters *now, uint64_t *told)
{
    uint64_t before = now->zap_refused < *told ? 0 : *told;   /* fewer: the gate was started again */
    *told = now->zap_refused;
    if (now->zap_refused == before) {
        return;
    }
    struct tmx_log_line l;
    tmx_log_begin(&l, TMX_LOG_NOTICE, "transport.refused");
    tmx_log_str(&l, "endpoint", endpoint);
    tmx_log_str(&l, "address", now->refused.address);
    if (!sodium_is_zero(now->refused.key, sizeof(now->refused.key))) {
        tmx_log_hex(&l, "key", TMX_BYTES_OF(now->refused.key));
    }
    tmx_log_u64(&l, "number", now->zap_refused - before);
    tmx_log_end(&l);
}
