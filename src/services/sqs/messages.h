/* services/sqs/messages.h - the messages of all queues, durable: in one SQLite file, changed by one
 * thread.
 *
 *     VISIBLE --receive--> IN FLIGHT --delete--> gone
 *        ^                     |
 *        +-- visible_ms comes -+            expires_ms comes: gone, wherever it stands
 *
 * Whoever calls waits; all who wait share one transaction and one sync. */
#ifndef SESAME_SERVICES_SQS_MESSAGES_H
#define SESAME_SERVICES_SQS_MESSAGES_H

#include "base/outside.h"

struct messages;

const struct fault *messages_open(str path, struct outside *, struct arena *, struct messages **ret_messages);
void messages_close(struct messages *); /* when nobody waits any more; NULL is fine */

struct message_new {
    str id, body;
    str attributes; /* JSON, as its owner writes them */
    str sender;
    int64_t sent_ms, visible_ms, expires_ms;
};
/* All of them or none. */
const struct fault *messages_send(struct messages *, str queue_id, const struct message_new *, size_t count,
                                  struct arena *);

struct message_held { /* received: hidden from others until its time is over */
    str id, body, attributes, sender;
    int64_t sent_ms, first_receive_ms, receive_count;
    int64_t sequence; /* with the nonce: what its receipt handle says */
    int64_t nonce;
};
struct message_wish {
    size_t max;           /* at most MESSAGES_AT_ONCE */
    int64_t now_ms, hidden_until_ms;
    int64_t max_receives; /* what was received as often goes to dead_queue_id instead */
    str dead_queue_id;    /* STR_NONE: there is none */
};
enum { MESSAGES_AT_ONCE = 10 };
const struct fault *messages_receive(struct messages *, str queue_id, const struct message_wish *, struct arena *,
                                     struct message_held ret_held[MESSAGES_AT_ONCE], size_t *ret_count);

/* By the receipt of the latest receive; an older one changes nothing, as SQS has it. *ret_found: it was the
 * latest, and the message was there. */
const struct fault *messages_delete(struct messages *, str queue_id, int64_t sequence, int64_t nonce, struct arena *,
                                    bool *ret_found);
/* Hides it anew until then; now or before: shows it. */
const struct fault *messages_hide(struct messages *, str queue_id, int64_t sequence, int64_t nonce,
                                  int64_t until_ms, struct arena *, bool *ret_found);
/* All of a queue's messages. */
const struct fault *messages_purge(struct messages *, str queue_id, struct arena *);

struct message_counts {
    int64_t visible, in_flight, delayed;
};
const struct fault *messages_count(struct messages *, str queue_id, int64_t now_ms, struct arena *,
                                   struct message_counts *ret_counts);
/* Ids of queues that have messages, for those who look for what no queue owns: the next behind `after`. */
const struct fault *messages_queues(struct messages *, str after, struct arena *, str *ret_ids, size_t max,
                                    size_t *ret_count);

#endif
