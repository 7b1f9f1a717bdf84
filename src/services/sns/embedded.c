/* services/sns/embedded.c - the service itself, and what every operation begins with. */
#include "services/sns/embedded.h"

#include "services/sns/pace.h"

#include <stdarg.h>
#include <stdio.h>

/* ---- words ---- */

const struct fault *sns_invalid(const struct call *call, const char *fmt, ...)
{
    char says[1024];
    va_list args;
    va_start(args, fmt);
    vsnprintf(says, sizeof says, fmt, args);
    va_end(args);
    return fault_coded(call->arena, FAULT_SYNTAX, "InvalidParameter", "Invalid parameter: %s",
                       says);
}

const struct fault *sns_unbuilt(const struct call *call, const char *what)
{
    return fault_coded(call->arena, FAULT_UNBUILT, "NotImplemented", "%s is not built here", what);
}

const struct fault *sns_refused(const struct call *call, bool in_attributes,
                                const struct fault *why)
{
    if (!why || why->kind != FAULT_SYNTAX || why->code)
        return why;
    return sns_invalid(call, "%s" STR_FMT, in_attributes ? "Attributes Reason: " : "",
                       STR_ARG(str_head(why->says, 900)));
}

const struct fault *sns_in_between(const struct call *call)
{
    return fault_coded(call->arena, FAULT_CONFLICT, "ConcurrentAccess",
                       "Others keep changing this resource. Please try again.");
}

/* ---- who may ---- */

static size_t elements_of(str arn)
{
    size_t count = 1;
    for (size_t i = 0; i < arn.len; i++)
        count += arn.ptr[i] == ':';
    return count;
}

const struct fault *sns_find_topic(const struct call *call, str text,
                                   const struct topic **ret_topic)
{
    struct arn arn;
    if (!arn_parse(text, &arn))
        return sns_invalid(call, "TopicArn Reason: An ARN must have at least 6 elements, not %zu",
                           elements_of(text));
    if (!str_eq(arn.service, STR("sns")) || !str_eq(arn.region, call->region) ||
        !account_id_ok(arn.account) || str_has(arn.resource, ':'))
        return sns_invalid(call, "TopicArn");
    *ret_topic = topic_find(call->world, &arn);
    if (!*ret_topic)
        return fault_coded(call->arena, FAULT_ABSENT, "NotFound", "Topic does not exist");
    return NULL;
}

const struct fault *sns_ask(const struct call *call, const struct topic *topic, str action,
                            const struct context_key *also, size_t also_count)
{
    enum { ALSO_MAX = 4 };
    struct context_key *keys = ARENA_ARRAY(call->arena, struct context_key, ALSO_MAX + 1);
    str *owner = ARENA_NEW(call->arena, str);
    str name = arena_strf(call->arena, "topic policy of " STR_FMT, STR_ARG(topic->name));
    if (!keys || !owner || str_is_none(name) || also_count > ALSO_MAX)
        return &fault_no_memory;
    size_t count = 0;
    for (; count < also_count; count++)
        keys[count] = also[count];
    /* SES and the few other services that know the key say for whom they publish (SNS Developer
     * Guide, "Example cases for access control", aws:SourceOwner). */
    if (call->caller->kind == CALLER_SERVICE &&
        !str_is_none(call->caller->service.source_account)) {
        *owner = call->caller->service.source_account;
        keys[count++] =
            (struct context_key) { .name = STR("aws:SourceOwner"), .values = owner, .count = 1 };
    }
    return authorize(call, &(struct ask) { .action = action,
                                           .resource = topic->arn.text,
                                           .resource_account = topic->arn.account,
                                           .resource_policy = topic->policy,
                                           .resource_kind = EXHIBIT_RESOURCE,
                                           .resource_policy_name = name,
                                           .context = keys,
                                           .context_count = count });
}

const struct fault *sns_ask_any(const struct call *call, str action)
{
    return authorize(call, &(struct ask) { .action = action,
                                           .resource = STR("*"),
                                           .resource_account = call->caller->account });
}

/* ---- changing a topic ---- */

const struct fault *sns_change_topic(struct sns_service *sns, const struct call *call,
                                     const struct topic *topic, topic_change_fn *change,
                                     void *context)
{
    str key = topic_state_key(call->arena, &topic->arn);
    if (str_is_none(key))
        return &fault_no_memory;
    for (int tries = 0; tries < SNS_TRIES; tries++) {
        struct record record;
        const void *stored;
        uint64_t revision;
        const struct fault *why = sns->state->ops->get(sns->state, key, call->arena, &record);
        if (why)
            return why->kind == FAULT_ABSENT
                       ? fault_coded(call->arena, FAULT_ABSENT, "NotFound", "Topic does not exist")
                       : why;
        TRY(topic_compile(&record, call->arena, &stored));
        struct topic changed = *(const struct topic *)stored;
        TRY(change(context, call, &changed));
        AUTO_BUF value = buf_new(SNS_RECORD_MAX);
        topic_encode(&changed, &value);
        if (value.failed)
            return sns_invalid(call, "the topic's attributes are too large");
        why = sns->state->ops->put(sns->state, key, buf_str(&value), record.revision, call->arena,
                                   &revision);
        if (!why || why->kind != FAULT_CONFLICT)
            return why;
    }
    return sns_in_between(call);
}

/* ---- the service ---- */

static const struct fault *publish_as_port(struct sns_port *port, const struct call *call,
                                           const struct publish *p, str *ret_message_id)
{
    struct sns_service *sns = (struct sns_service *)port;
    return sns_publish(sns, call,
                       &(struct sns_publish) { .topic_arn = p->topic_arn,
                                               .subject = p->subject,
                                               .message = p->message,
                                               .structure = STR_NONE,
                                               .message_id = p->message_id },
                       ret_message_id);
}

const struct fault *sns_embedded_open(const struct sns_settings *settings, struct arena *arena,
                                      struct sns_service **ret_service)
{
    struct sns_service *sns = ARENA_NEW(arena, struct sns_service);
    if (!sns)
        return &fault_no_memory;
    *sns = (struct sns_service) {
        .port = { .publish = publish_as_port },
        .rehearsal = { .port = { .publish = sns_rehearse_publish }, .service = sns },
        .runner = { .runner = { .run = sns_run_errand }, .service = sns },
        .spool = settings->spool,
        .state = settings->state,
        .worlds = settings->worlds,
        .outside = settings->outside,
        .ports = settings->ports,
        .rehearsal_ports = settings->rehearsal_ports,
        .private_targets = settings->private_targets,
    };
    TRY(sns_signer_open(settings->directory, arena, &sns->signer));
    sns->pace = sns_pace_new();
    if (!sns->pace) {
        sns_signer_free(sns->signer);
        return &fault_no_memory;
    }
    pthread_mutex_init(&sns->subscribing, NULL);
    told_open(&sns->public_url);
    *ret_service = sns;
    return NULL;
}

void sns_embedded_close(struct sns_service *sns)
{
    if (!sns)
        return;
    sns_signer_free(sns->signer);
    sns_pace_free(sns->pace);
    pthread_mutex_destroy(&sns->subscribing);
    told_close(&sns->public_url);
}

void sns_tell_url(struct sns_service *sns, str public_url)
{
    while (str_ends(public_url, STR("/")))
        public_url.len--;
    told_say(&sns->public_url, public_url);
}

str sns_url(struct sns_service *sns)
{
    return told_hear(&sns->public_url);
}
