/* services/connect/connect.c - connect:StartEmailContact on the instance, then a POST. */
#include "services/connect/connect.h"

#include "services/authorize.h"
#include "wire/http_client.h"

enum { REPLY_TOLD = 200, REPLY_MAX = 64 * 1024 };

/* Instances have no policies of their own: of another account nobody can be let in. */
static const struct fault *may_start(const struct connect_service *s, const struct call *call,
                                     str instance_arn)
{
    struct arn instance;
    if (!arn_parse(instance_arn, &instance))
        return fault_coded(call->arena, FAULT_ABSENT, "ResourceNotFoundException",
                           STR_FMT " names no instance", STR_ARG(instance_arn));
    if (!str_eq(instance.region, call->region))
        return fault_coded(call->arena, FAULT_DENIED, "ResourceNotFoundException",
                           "the instance is in the Region " STR_FMT ", and the rule is in " STR_FMT
                           ": a rule starts contacts in its own Region only",
                           STR_ARG(instance.region), STR_ARG(call->region));
    TRY(authorize(call, &(struct ask) { .action = STR("connect:StartEmailContact"),
                                        .resource = instance_arn,
                                        .resource_account = instance.account }));
    return s->hook.ptr ? NULL
                       : fault(call->arena, FAULT_ABSENT, NULL,
                               "no hook takes contacts for Amazon Connect: serve with "
                               "--connect-hook URL");
}

static const struct fault *start(struct connect_port *port, const struct call *call,
                                 const struct email_contact *contact)
{
    const struct connect_service *s = (const struct connect_service *)port;
    const struct header headers[] = { { STR("Content-Type"), STR("application/json") },
                                      { STR("X-Sesame-Request-Id"), contact->request_id } };
    const struct http_question question = { .method = STR("POST"),
                                            .url = s->hook,
                                            .headers = headers,
                                            .header_count = 2,
                                            .body = contact->document,
                                            .deadline_ms = s->patience_ms,
                                            .body_max = REPLY_MAX };
    struct http_reply reply;
    TRY(may_start(s, call, contact->instance_arn));
    const struct fault *why = http_ask(&question, call->arena, &reply);
    if (why) /* whatever it is, it may be mended */
        return fault(call->arena, FAULT_UNAVAILABLE, why, "the hook " STR_FMT " was not reached",
                     STR_ARG(s->hook));
    if (reply.status >= 200 && reply.status < 300)
        return NULL;
    return fault(call->arena, FAULT_UNAVAILABLE, NULL, "the hook " STR_FMT " answered %d: " STR_FMT,
                 STR_ARG(s->hook), reply.status, STR_ARG(str_head(reply.body, REPLY_TOLD)));
}

static const struct fault *rehearse(struct connect_port *port, const struct call *call,
                                    const struct email_contact *contact)
{
    return may_start(((struct connect_rehearsal *)port)->service, call, contact->instance_arn);
}

const struct fault *connect_open(str hook, struct arena *a, struct connect_service **ret_service)
{
    struct connect_service *s = ARENA_NEW(a, struct connect_service);
    if (!s)
        return &fault_no_memory;
    *s = (struct connect_service) { .port = { .start_email_contact = start },
                                    .rehearsal = { .port = { .start_email_contact = rehearse },
                                                   .service = s },
                                    .hook = hook };
    *ret_service = s;
    return NULL;
}
