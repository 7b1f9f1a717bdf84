/* services/sqs/sqs.h - the small embedded SQS: standard queues, so that SNS has somewhere to send to at
 * once. FIFO queues, encryption at rest and message moves are not built.
 *
 * Every operation takes the call first, asks services/authorize.h with its IAM action and the queue's
 * ARN, and answers in SQS's codes of the Query dialect ("AWS.SimpleQueueService.NonExistentQueue"); what
 * the JSON dialect calls them is api/error.c's. Any thread; receiving may wait up to 20 s. */
#ifndef SESAME_SERVICES_SQS_SQS_H
#define SESAME_SERVICES_SQS_SQS_H

#include "base/outside.h"
#include "services/ports.h"
#include "services/sqs/messages.h"
#include "services/sqs/queue.h"
#include "store/state.h"

#include <pthread.h>

enum { SQS_POLLS_MAX = 32 }; /* that may wait at a time; the others are answered at once */

struct sqs_service {
    struct sqs_port port; /* what SNS sends with: &service->port */
    struct state *state;
    struct worlds *worlds;
    struct outside *outside;
    struct messages *messages;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t arrived;
    uint64_t arrivals; /* grows with each send and each message shown again */
    unsigned polls;
    bool ending;
};

/* The service lives in the arena and borrows all it is given. */
const struct fault *sqs_embedded_open(str path, struct state *, struct worlds *, struct outside *, struct arena *,
                                      struct sqs_service **ret_service);
void sqs_embedded_stop(struct sqs_service *);  /* whoever waits for a message is answered; NULL is fine */
void sqs_embedded_close(struct sqs_service *); /* when nobody calls any more; NULL is fine */

/* ---- queues: queues.c. `url` ends in /ACCOUNT/NAME, whatever stands before. ---- */

struct sqs_pairs { /* attributes, tags */
    const struct header *pairs;
    size_t count;
};
const struct fault *sqs_create_queue(struct sqs_service *, const struct call *, str name, struct sqs_pairs attributes,
                                     struct sqs_pairs tags, struct arn *ret_arn);
/* owner STR_NONE: the caller's account. */
const struct fault *sqs_get_queue(const struct call *, str owner, str name, const struct queue **ret_queue);
const struct fault *sqs_list_queues(const struct call *, str prefix, str after, size_t max,
                                    const struct queue **ret_queues, size_t *ret_count);
const struct fault *sqs_delete_queue(struct sqs_service *, const struct call *, str url);
struct sqs_queue_view {
    const struct queue *queue;
    struct message_counts counts;
};
const struct fault *sqs_get_attributes(struct sqs_service *, const struct call *, str url,
                                       struct sqs_queue_view *ret_view);
const struct fault *sqs_set_attributes(struct sqs_service *, const struct call *, str url, struct sqs_pairs attributes);
const struct fault *sqs_tag(struct sqs_service *, const struct call *, str url, struct sqs_pairs tags);
const struct fault *sqs_untag(struct sqs_service *, const struct call *, str url, const str *keys, size_t count);
const struct fault *sqs_list_tags(const struct call *, str url, const struct queue **ret_queue);
const struct fault *sqs_purge(struct sqs_service *, const struct call *, str url);

/* ---- messages: sqs.c ---- */

struct sqs_send {
    str body;
    int64_t delay_s; /* -1: the queue's own */
    const struct message_attribute *attributes;
    size_t attribute_count;
    /* Filled: */
    str message_id;
    const struct fault *why; /* this one was not taken; the others may be */
};
/* Those that can be are taken, all of them durable when it returns. A fault is the whole call's. */
const struct fault *sqs_send(struct sqs_service *, const struct call *, str url, struct sqs_send *, size_t count);

struct sqs_receive {
    size_t max;
    int64_t visibility_s, wait_s; /* -1: the queue's own */
};
struct sqs_message {
    struct message_held held;
    str receipt_handle;
    const struct message_attribute *attributes; /* by name */
    size_t attribute_count;
};
const struct fault *sqs_receive(struct sqs_service *, const struct call *, str url, const struct sqs_receive *,
                                struct sqs_message ret_messages[MESSAGES_AT_ONCE], size_t *ret_count);
const struct fault *sqs_delete_message(struct sqs_service *, const struct call *, str url, str receipt_handle);
const struct fault *sqs_change_visibility(struct sqs_service *, const struct call *, str url, str receipt_handle,
                                          int64_t visibility_s);

/* MD5OfMessageAttributes (SQS Developer Guide, "Calculating the MD5 message digest for message
 * attributes"). False: the arena is full. */
bool sqs_attributes_md5(const struct message_attribute *, size_t count, struct arena *, char ret_hex[32]);

#endif
