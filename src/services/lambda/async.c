/* services/lambda/async.c - asynchronous invocations: taken on durably, done later, tried again,
 * given up with their reason.
 *
 * Developer Guide, "How Lambda handles errors and retries with asynchronous invocation": a
 * function's error is followed by up to two more attempts, one minute and two minutes later; when
 * there is no place to run it, Lambda goes on for up to six hours, from one second of waiting to
 * five minutes. */
#include "base/json.h"
#include "base/random_id.h"
#include "services/lambda/change.h"
#include "services/lambda/run.h"

enum {
    ATTEMPTS_USUAL = 2,
    AGE_USUAL_S = 21600,
    NO_PLACE_FIRST_MS = 1000,
    NO_PLACE_MOST_MS = 300 * 1000,
};
static const int64_t error_waits_ms[] = { 60 * 1000, 120 * 1000 };

const struct fault *lambda_leave_errand(struct lambda_service *s, const struct call *call,
                                        const struct run *run)
{
    char id[MESSAGE_ID_LEN + 1];
    AUTO_BUF head = buf_new(64 * 1024);
    struct json_writer w = json_writer(&head);
    json_open(&w, '{');
    json_add_str(&w, "functionArn", run->called_arn);
    json_add_str(&w, "requestId", run->request_id);
    json_close(&w, '}');
    if (head.failed)
        return &fault_no_memory;
    const struct errand errand = { .kind = SPOOL_INVOCATION,
                                   .id = random_message_id(s->outside->entropy, id),
                                   .account = run->function->account,
                                   .region = run->function->region,
                                   .target = run->function->arn.text,
                                   .about = arena_strf(
                                       call->arena, "request " STR_FMT " of " STR_FMT,
                                       STR_ARG(run->request_id), STR_ARG(run->called_arn)),
                                   .head = buf_str(&head) };
    return errands_put(s->spool, &errand, 1, run->payload, call->now_ms, call->arena);
}

/* ---- where a lost event goes ---- */

static void add_attribute(struct message_attribute *list, size_t *count, const char *name, str type,
                          str value)
{
    list[(*count)++] = (struct message_attribute) { str_of(name), type, value };
}

/* The event, with RequestID, ErrorCode and ErrorMessage beside it (Developer Guide, "Dead-letter
 * queues"). As the function's role, whose policy must let it. */
static const struct fault *send_dead(struct lambda_service *s, const struct call *call,
                                     const struct run *run, str message)
{
    struct caller session, service = { .kind = CALLER_SERVICE,
                                       .account = run->function->account,
                                       .service = { .principal = STR("lambda.amazonaws.com"),
                                                    .source_account = run->function->account,
                                                    .source_arn = run->function->arn } };
    str target = run->version->dead_letter_arn;
    struct call as = *call;
    struct message_attribute attributes[3];
    size_t count = 0;
    struct arn arn;
    as.caller = &service;
    as.region = run->function->region;
    TRY(s->ports->sts->assume_role(s->ports->sts, &as, run->version->role, run->function->name,
                                   &session));
    as.caller = &session;
    add_attribute(attributes, &count, "RequestID", STR("String"), run->request_id);
    add_attribute(attributes, &count, "ErrorCode", STR("Number"), STR("200"));
    add_attribute(attributes, &count, "ErrorMessage", STR("String"), str_head(message, 1024));
    if (arn_parse(target, &arn) && str_eq(arn.service, STR("sqs")) && s->ports->sqs)
        return s->ports->sqs->send_message(s->ports->sqs, &as, target, run->payload, attributes,
                                           count);
    if (s->ports->sns) {
        str id;
        return s->ports->sns->publish(s->ports->sns, &as,
                                      &(struct publish) { .topic_arn = target,
                                                          .subject = STR_NONE,
                                                          .message = run->payload,
                                                          .message_id = STR_NONE },
                                      &id);
    }
    return fault(call->arena, FAULT_UNBUILT, NULL, "nothing here takes dead letters for " STR_FMT,
                 STR_ARG(target));
}

/* With a dead-letter target that took it, the event is where its owner wanted it: done. */
static struct errand_end give_up(struct lambda_service *s, const struct call *call,
                                 const struct run *run, const struct fault *why, str message)
{
    if (!run->version->dead_letter_arn.len)
        return (struct errand_end) { .settlement = SETTLE_DEAD, .says = message, .why = why };
    const struct fault *lost = send_dead(s, call, run, message);
    if (!lost)
        return (struct errand_end) { .settlement = SETTLE_DONE,
                                     .says = arena_strf(call->arena, STR_FMT "; sent to " STR_FMT,
                                                        STR_ARG(message),
                                                        STR_ARG(run->version->dead_letter_arn)),
                                     .why = why };
    return (struct errand_end) { .settlement = SETTLE_DEAD, .says = message, .why = lost };
}

/* ---- one attempt ---- */

static int64_t no_place_wait_ms(int number)
{
    int64_t wait = NO_PLACE_FIRST_MS;
    for (int i = 1; i < number && wait < NO_PLACE_MOST_MS; i++)
        wait *= 2;
    return wait < NO_PLACE_MOST_MS ? wait : NO_PLACE_MOST_MS;
}

static struct errand_end again_or_never(struct lambda_service *s, const struct call *call,
                                        const struct run *run, const struct errand_attempt *a,
                                        const struct function_async *set, int64_t wait_ms,
                                        bool may_again, const struct fault *why, str message)
{
    int64_t age_ms = (set && set->age_s >= 0 ? set->age_s : AGE_USUAL_S) * 1000;
    if (may_again && a->now_ms + wait_ms - a->since_ms < age_ms)
        return (struct errand_end) { .settlement = SETTLE_RETRY,
                                     .retry_at_ms = a->now_ms + wait_ms,
                                     .says = message,
                                     .why = why };
    return give_up(s, call, run, why, message);
}

static const struct fault *read_head(const struct errand_attempt *a, struct function_ref *ref,
                                     struct run *run)
{
    const struct json *head;
    TRY(json_parse(a->errand.head, a->arena, &head));
    run->called_arn = json_str(head, "functionArn");
    run->request_id = json_str(head, "requestId");
    run->payload = a->body;
    if (!run->request_id.len ||
        !function_ref_parse(run->called_arn, STR_NONE, a->errand.account, a->errand.region, ref))
        return fault(a->arena, FAULT_SYNTAX, NULL, "an invocation that names no function");
    return NULL;
}

struct errand_end lambda_errand_run(struct errand_runner *runner, const struct errand_attempt *a)
{
    struct lambda_service *s = ((struct lambda_errands *)runner)->service;
    struct function_ref ref;
    struct run run = { .patience_ms = 0 };
    struct invoked invoked;
    const struct caller owner = caller_root(a->errand.account);
    const struct call call = { .caller = &owner,
                               .world = a->world,
                               .region = a->errand.region,
                               .now_ms = a->now_ms,
                               .arena = a->arena };
    const struct fault *why = read_head(a, &ref, &run);
    if (why)
        return (struct errand_end) { .settlement = SETTLE_DEAD, .says = STR_NONE, .why = why };
    run.function = function_find(a->world, &ref);
    run.version = run.function ? function_version(run.function, ref.qualifier) : NULL;
    if (!run.version)
        return (struct errand_end) { .settlement = SETTLE_DEAD,
                                     .says = STR("the function is not there any more"),
                                     .why = lambda_not_found(&call, &ref) };
    const struct function_async *set = function_async(run.function, ref.qualifier);
    why = function_run(s, &call, &run, &invoked);
    if (why) { /* it was not run: no attempt of the function's */
        struct errand_end end = again_or_never(
            s, &call, &run, a, set, no_place_wait_ms(a->waits + 1), true, why, why->says);
        end.untried = end.settlement == SETTLE_RETRY;
        return end;
    }
    if (str_is_none(invoked.function_error))
        return (struct errand_end) { .settlement = SETTLE_DONE, .says = STR_NONE };
    const int retries = (int)(set && set->attempts >= 0 ? set->attempts : ATTEMPTS_USUAL);
    const bool may_again = a->number <= retries;
    why = fault_coded(a->arena, FAULT_UNAVAILABLE, "Unhandled", "the function failed: " STR_FMT,
                      STR_ARG(str_head(invoked.payload, 1024)));
    return again_or_never(s, &call, &run, a, set, may_again ? error_waits_ms[a->number - 1] : 0,
                          may_again, why, STR("the function answered with an error"));
}

unsigned lambda_errand_share(struct errand_runner *runner, const struct world *world, str target)
{
    const struct lambda_service *s = ((struct lambda_errands *)runner)->service;
    struct function_ref ref;
    const struct function *f = NULL;
    if (function_ref_parse(target, STR_NONE, STR(""), STR(""), &ref))
        f = function_find(world, &ref);
    return f && f->reserved > 0 ? (unsigned)f->reserved : s->port.callers_most;
}
