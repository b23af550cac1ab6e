/* SPDX-License-Identifier: Apache-2.0
 * Which number of the status document is which metric. tmx-metrics(7) is this table for people; a test holds one to the other.
 */
#include <tmx/bytes.h>

#include "metrics.h"

#define BROKER TMX_METRIC_BROKER
#define NODE TMX_METRIC_NODE
#define BOTH TMX_METRIC_BOTH
#define NUMBER TMX_METRIC_NUMBER, NULL, NULL
#define SECONDS TMX_METRIC_SECONDS, NULL, NULL
#define IS(text) TMX_METRIC_IS, text, NULL
#define PERCENTILE(text) TMX_METRIC_SECONDS, NULL, "percentile=\"" text "\""
#define AGE(text) TMX_METRIC_NUMBER, NULL, "age=\"" text "\""
#define STATE(text) TMX_METRIC_IS, text, "state=\"" text "\""

const struct tmx_metric tmx_metrics[] = {
    /* the daemon */
    { BROKER, "version federation log.origin", "info", TMX_METRIC_INFO, NULL, "version federation log",
      "Which program, federation and log this is." },
    { NODE, "version federation", "info", TMX_METRIC_INFO, NULL, "version federation", "Which program and federation this is." },
    { BOTH, "uptime_ms", "uptime_seconds", SECONDS, "Since the daemon was started." },
    { BOTH, "health", "health", STATE("ok"), "1 for the state that it is in; tmxctl status says why." },
    { BOTH, "health", "health", STATE("warning"), NULL },
    { BOTH, "health", "health", STATE("critical"), NULL },

    /* the log */
    { BOTH, "log.size", "log_entries_total", NUMBER, "Entries of the log; of a node, those below its verified head." },
    { BOTH, "log.cosigned.size", "log_cosigned_entries_total", NUMBER, "Entries below the newest head that is cosigned." },
    { BOTH, "log.cosigned.by", "log_cosigned_by", NUMBER, "Witnesses that cosigned that head." },
    { BOTH, "log.cosigned.witnesses", "log_witnesses", NUMBER, "Witnesses that the policy names." },
    { BOTH, "log.cosigned.quorum", "log_cosigned_quorum", IS(NULL), "1 when that head has the quorum of the policy." },
    { BOTH, "log.cosigned.age_ms", "log_cosigned_age_seconds", SECONDS, "Since the quorum cosigned that head." },

    /* the disk */
    { BOTH, "spool.used_bytes", "spool_used_bytes", NUMBER, "What the spool takes of its capacity." },
    { BOTH, "spool.capacity_bytes", "spool_capacity_bytes", NUMBER, "Its capacity, as configured." },
    { BOTH, "spool.full_in_ms", "spool_full_in_seconds", SECONDS,
      "Until it is full at the pace of the last 15 minutes; no sample when it does not grow." },
    { BOTH, "spool.turns", "spool_turns_total", NUMBER, "Transactions of the spool since it was made." },
    { BOTH, "spool.syncs", "spool_syncs_total", NUMBER, "Synced writes to the journal since the start." },

    { BOTH, "directory.serial", "directory_serial", NUMBER, "Serial number of the member directory in force." },
    { BOTH, "directory.expires_at_ms", "directory_expiry_timestamp_seconds", SECONDS,
      "When the member directory in force expires, in seconds since 1970." },

    { BOTH, "keys.prekeys_until_at_ms", "prekeys_expiry_timestamp_seconds", SECONDS,
      "When dated prekeys end, in seconds since 1970: the node's own, or those of the member whose end first." },
    { BROKER, "late_after_ms", "late_after_seconds", SECONDS, "The target: who waits longer for a destination is late." },

    /* gates */
    { BROKER, "gates[].state", "gate_up", IS("up"), "1 when the gate of the member runs." },
    { BROKER, "gates[].restarts", "gate_restarts_total", NUMBER, "Times that it was started again." },
    { BROKER, "gates[].counters.accepted", "gate_handshakes_accepted_total", NUMBER,
      "Handshakes with a key of the member, since its gate was started." },
    { BROKER, "gates[].counters.refused", "gate_handshakes_refused_total", NUMBER, "Handshakes with another key." },
    { BROKER, "gates[].counters.oversize", "gate_oversize_total", NUMBER, "Frames that were too large." },
    { BROKER, "gates[].counters.dropped", "gate_dropped_total", NUMBER, "Messages to the member that its gate could not take." },

    /* the link of a node */
    { NODE, "link.state", "link_up", IS("up"), "1 when the node has a session with the broker." },
    { NODE, "link.last_seen_ms", "link_silence_seconds", SECONDS, "Since the broker was heard last." },

    /* destinations */
    { BROKER, "destinations[].link", "destination_link_up", IS("up"), "1 when the member has a session." },
    { BROKER, "destinations[].last_seen_ms", "destination_silence_seconds", SECONDS, "Since the member was heard last." },
    { BOTH, "destinations[].queued", "destination_queued", NUMBER, "Messages that wait for the member." },
    { BOTH, "destinations[].queued_bytes", "destination_queued_bytes", NUMBER, "Their size." },
    { BOTH, "destinations[].oldest_ms", "destination_oldest_seconds", SECONDS, "Age of the oldest that waits; none: no sample." },
    { BROKER, "destinations[].ages[0]", "destination_queued_by_age", AGE("0-1m"), "How many of them have waited that long." },
    { BROKER, "destinations[].ages[1]", "destination_queued_by_age", AGE("1m-5m"), NULL },
    { BROKER, "destinations[].ages[2]", "destination_queued_by_age", AGE("5m-20m"), NULL },
    { BROKER, "destinations[].ages[3]", "destination_queued_by_age", AGE("20m-1h"), NULL },
    { BROKER, "destinations[].ages[4]", "destination_queued_by_age", AGE("1h-4h"), NULL },
    { BROKER, "destinations[].ages[5]", "destination_queued_by_age", AGE("4h-24h"), NULL },
    { BROKER, "destinations[].ages[6]", "destination_queued_by_age", AGE("24h-"), NULL },
    { BROKER, "destinations[].late", "destination_late", NUMBER, "How many of them have waited longer than the target." },
    { BROKER, "destinations[].in_flight", "destination_in_flight", NUMBER, "Messages sent to the member, not arrived yet." },
    { BROKER, "destinations[].arrived", "destination_arrived", NUMBER,
      "Deliveries at the member's node that have no outcome yet." },
    { BROKER, "destinations[].terminal", "destination_outcomes_total", NUMBER, "Deliveries that have their outcome." },

    /* what became of messages, since the start */
    { BROKER, "counters.accepted", "messages_accepted_total", NUMBER, "Messages accepted since the start." },
    { BROKER, "counters.accepted_bytes", "messages_accepted_bytes_total", NUMBER, "Their size, sealed." },
    { BROKER, "counters.refused", "messages_refused_total", NUMBER, "Messages refused, by a signed entry of the log." },
    { BROKER, "counters.deferred", "messages_deferred_total", NUMBER, "Messages put off: their senders try again." },
    { BROKER, "counters.duplicates", "messages_duplicate_total", NUMBER, "Messages that had been accepted before." },
    { BROKER, "counters.malformed", "frames_malformed_total", NUMBER, "Frames that are none of the protocol." },
    { BROKER, "counters.reports", "reports_total", NUMBER, "Reports of arrival and outcome, logged." },
    { BROKER, "counters.arrived", "deliveries_arrived_total", NUMBER, "Deliveries that arrived at the member's node." },
    { BROKER, "counters.delivered", "deliveries_delivered_total", NUMBER, "Deliveries that an application there has taken." },
    { BROKER, "counters.expired", "deliveries_expired_total", NUMBER, "Deliveries that expired before they arrived." },
    { BROKER, "counters.erased", "containers_erased_total", NUMBER, "Sealed containers erased after their time." },
    { NODE, "counters.submitted", "messages_submitted_total", NUMBER, "Messages taken from applications since the start." },
    { NODE, "counters.accepted", "messages_accepted_total", NUMBER, "Messages of those that the broker has accepted, verified." },
    { NODE, "counters.arrived", "deliveries_arrived_total", NUMBER, "Their deliveries that arrived at the recipient's node." },
    { NODE, "counters.delivered", "deliveries_delivered_total", NUMBER, "Their deliveries that the recipient has taken." },
    { NODE, "counters.refused", "deliveries_refused_total", NUMBER, "Their deliveries that the recipient has refused." },
    { NODE, "counters.expired", "deliveries_expired_total", NUMBER, "Their deliveries that expired." },
    { NODE, "counters.received", "messages_received_total", NUMBER, "Messages of others that arrived here." },
    { NODE, "counters.ended", "messages_ended_total", NUMBER, "Messages of others that an application here took or refused." },
    { NODE, "counters.alarms", "alarms_total", NUMBER, "Alarms since the start; the log of tmx-node says which." },

    /* how long deliveries take */
    { NODE, "latency.accepted_ms.p50[1]", "acceptance_seconds", PERCENTILE("50"),
      "From the submission of a message until its acceptance was verified here, over the last 15 minutes." },
    { NODE, "latency.accepted_ms.p99[1]", "acceptance_seconds", PERCENTILE("99"), NULL },
    { BROKER, "latency.arrived_ms.p50[1]", "arrival_seconds", PERCENTILE("50"),
      "From the acceptance of a message to its arrival at the recipient's node, over the last 15 minutes." },
    { BROKER, "latency.arrived_ms.p99[1]", "arrival_seconds", PERCENTILE("99"), NULL },
    { NODE, "latency.arrived_ms.p50[1]", "arrival_seconds", PERCENTILE("50"),
      "From the submission of a message until its arrival was verified here, over the last 15 minutes." },
    { NODE, "latency.arrived_ms.p99[1]", "arrival_seconds", PERCENTILE("99"), NULL },
    { BROKER, "latency.delivered_ms.p50[1]", "delivery_seconds", PERCENTILE("50"),
      "From the acceptance of a message until the recipient's application has taken it, over the last 15 minutes." },
    { BROKER, "latency.delivered_ms.p99[1]", "delivery_seconds", PERCENTILE("99"), NULL },
    { NODE, "latency.delivered_ms.p50[1]", "delivery_seconds", PERCENTILE("50"),
      "From the submission of a message until its delivery was verified here, over the last 15 minutes." },
    { NODE, "latency.delivered_ms.p99[1]", "delivery_seconds", PERCENTILE("99"), NULL },

    /* what a node holds */
    { NODE, "counters.waiting", "messages_waiting", NUMBER, "Submitted messages that are not sealed and sent yet." },
    { NODE, "counters.unanswered", "messages_unanswered", NUMBER, "Messages sent that the broker has not answered." },
    { NODE, "inbox.offered", "inbox_offered", NUMBER, "Messages ready for applications." },
    { NODE, "inbox.leased", "inbox_leased", NUMBER, "Messages that an application works on." },
    { NODE, "inbox.blocked", "inbox_blocked", NUMBER, "Messages behind an earlier one of their movement." },
    { NODE, "inbox.held", "inbox_held", NUMBER, "Messages held back until tmxctl release." },
};

const size_t tmx_metrics_n = TMX_N(tmx_metrics);
