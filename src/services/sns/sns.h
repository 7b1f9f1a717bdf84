/* services/sns/sns.h - the embedded SNS: topics and subscriptions in the state, messages on their way in
 * the spool, permissions decided here.
 *
 *     Publish --authorize--> filter each subscription --> one errand each --> (durable) message id
 *                                                              |
 *     delivery worker: sns_runner --> http, sqs, lambda --> done | again later | dead-letter queue
 *
 * Every operation takes the call first, asks services/authorize.h with its IAM action and resource, and
 * answers in SNS's own codes (NotFound, InvalidParameter, ...). Any thread. */
#ifndef SESAME_SERVICES_SNS_SNS_H
#define SESAME_SERVICES_SNS_SNS_H

#include "base/outside.h"
#include "services/errand.h"
#include "services/ports.h"
#include "services/told.h"
#include "services/sns/message.h"
#include "services/sns/signing.h"
#include "services/sns/subscription.h"
#include "services/sns/topic.h"
#include "store/state.h"

#include <pthread.h>

struct sns_service;
struct sns_rehearsal {
    struct sns_port port;
    struct sns_service *service;
};
struct sns_runner {
    struct errand_runner runner;
    struct sns_service *service;
};
struct sns_pace; /* who gets only so many a second: pace.h */

struct sns_service {
    struct sns_port port;           /* what actions publish with: &service->port */
    struct sns_rehearsal rehearsal; /* the same judged and not done: &service->rehearsal.port */
    struct sns_runner runner;       /* delivers what was published: &service->runner.runner */
    struct spool *spool;
    struct state *state;
    struct worlds *worlds;
    struct outside *outside;
    const struct ports *ports, *rehearsal_ports; /* kms, sqs and lambda are called through these */
    struct sns_signer *signer;
    struct sns_pace *pace;
    bool private_targets;           /* may subscribers lie in private, loopback, link-local ranges? */
    pthread_mutex_t subscribing;    /* one Subscribe at a time sees that there is no such one yet */
    struct told public_url; /* "http://127.0.0.1:4566": where SigningCertURL and the others point */
};

struct sns_settings {
    struct spool *spool;
    struct state *state;
    struct worlds *worlds;
    struct outside *outside;
    const struct ports *ports, *rehearsal_ports;
    str directory; /* of the signing key */
    bool private_targets;
};
/* The service lives in the arena and borrows all it is given. */
const struct fault *sns_embedded_open(const struct sns_settings *, struct arena *, struct sns_service **ret_service);
void sns_embedded_close(struct sns_service *); /* when no runner runs; NULL is fine */
/* Deliveries wait for it, as the endpoint's port may be known late. The text is borrowed. */
void sns_tell_url(struct sns_service *, str public_url);

/* ---- topics: topics.c, permissions.c ---- */

struct sns_pairs { /* attributes, tags */
    const struct header *pairs;
    size_t count;
};
const struct fault *sns_create_topic(struct sns_service *, const struct call *, str name, struct sns_pairs attributes,
                                     struct sns_pairs tags, str *ret_arn);
const struct fault *sns_delete_topic(struct sns_service *, const struct call *, str arn);
const struct fault *sns_list_topics(const struct call *, str after, size_t max, const struct topic **ret_topics,
                                    size_t *ret_count);
struct sns_topic_view {
    const struct topic *topic;
    size_t confirmed, pending, deleted; /* subscriptions */
};
const struct fault *sns_get_topic_attributes(const struct call *, str arn, struct sns_topic_view *ret_view);
const struct fault *sns_set_topic_attribute(struct sns_service *, const struct call *, str arn, str name, str value);
const struct fault *sns_tag(struct sns_service *, const struct call *, str arn, struct sns_pairs tags);
const struct fault *sns_untag(struct sns_service *, const struct call *, str arn, const str *keys, size_t count);
const struct fault *sns_list_tags(const struct call *, str arn, const struct topic **ret_topic);
struct sns_permission {
    str label;
    const str *accounts, *actions;
    size_t account_count, action_count;
};
const struct fault *sns_add_permission(struct sns_service *, const struct call *, str arn,
                                       const struct sns_permission *);
const struct fault *sns_remove_permission(struct sns_service *, const struct call *, str arn, str label);

/* ---- subscriptions: subscriptions.c ---- */

struct sns_subscribe {
    str topic_arn, protocol, endpoint;
    struct sns_pairs attributes;
};
/* *ret_pending: its endpoint has yet to confirm it. */
const struct fault *sns_subscribe(struct sns_service *, const struct call *, const struct sns_subscribe *,
                                  str *ret_arn, bool *ret_pending);
/* The call may be anonymous: the token is the proof. */
const struct fault *sns_confirm_subscription(struct sns_service *, const struct call *, str topic_arn, str token,
                                             bool only_owner_ends, str *ret_arn);
const struct fault *sns_unsubscribe(struct sns_service *, const struct call *, str arn);
/* topic_arn STR_NONE: all of the caller's account. `after`: the last one's ARN of the page before. */
const struct fault *sns_list_subscriptions(const struct call *, str topic_arn, str after, size_t max,
                                           const struct subscription **ret_list, size_t *ret_count);
const struct fault *sns_get_subscription(const struct call *, str arn, const struct subscription **ret_subscription);
const struct fault *sns_set_subscription_attribute(struct sns_service *, const struct call *, str arn, str name,
                                                   str value);

/* ---- messages: publish.c ---- */

struct sns_publish {
    str topic_arn;
    str subject;   /* STR_NONE: none */
    str message;
    str structure;  /* "json": one text for each protocol; else STR_NONE */
    str message_id; /* STR_NONE: a new one */
    const struct message_attribute *attributes;
    size_t attribute_count;
};
/* Durable for every subscription that takes it when it returns. */
const struct fault *sns_publish(struct sns_service *, const struct call *, const struct sns_publish *,
                                str *ret_message_id);

#endif
