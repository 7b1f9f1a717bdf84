/* services/lambda/invoke.c - Invoke: who may, which version, a process, its answer, its log. */
#include "base/random_id.h"
#include "base/when.h"
#include "services/lambda/change.h"
#include "services/lambda/run.h"
#include "services/mishaps.h"

#include <stdio.h>

enum {
    SYNC_PAYLOAD_MAX = 6 * 1024 * 1024, /* Lambda quotas */
    ASYNC_PAYLOAD_MAX = 1024 * 1024,
    LOG_TAIL_MAX = 4096,
    PLACE_WAIT_MS = 30 * 1000,
    MB = 1 << 20,
};

/* ---- the log ---- */

/* START, what it printed, END and REPORT, in one piece. */
static void write_log(const struct run *run, struct instance *i, const struct instance_answer *a,
                      struct buf *out)
{
    const int64_t billed = (int64_t)(a->duration_ms + (a->init_ms > 0 ? a->init_ms : 0) + 0.999);
    int64_t used = (instance_memory(i) + MB - 1) / MB;
    buf_addf(out, "START RequestId: " STR_FMT " Version: " STR_FMT "\n", STR_ARG(run->request_id),
             STR_ARG(run->version->version));
    buf_add(out, buf_str(&i->log));
    if (i->log.len && i->log.ptr[i->log.len - 1] != '\n')
        buf_addc(out, '\n');
    if (i->log_dropped)
        buf_addf(out, "[%zu bytes more are not kept]\n", i->log_dropped);
    buf_addf(out,
             "END RequestId: " STR_FMT "\nREPORT RequestId: " STR_FMT
             "\tDuration: %.2f ms\tBilled Duration: "
             "%lld ms\tMemory Size: %lld MB\tMax Memory Used: %lld MB\t",
             STR_ARG(run->request_id), STR_ARG(run->request_id), a->duration_ms, (long long)billed,
             (long long)run->version->memory_mb, (long long)used);
    if (a->init_ms >= 0)
        buf_addf(out, "Init Duration: %.2f ms\t", a->init_ms);
    if (a->status.len)
        buf_addf(out, "Status: " STR_FMT, STR_ARG(a->status));
    buf_addc(out, '\n');
    buf_clear(&i->log);
    i->log_dropped = 0;
}

static const struct fault *keep_log(struct lambda_service *s, const struct run *run,
                                    struct instance *i, const struct instance_answer *a,
                                    struct arena *arena, str *ret_tail)
{
    AUTO_BUF text = buf_new(INSTANCE_LOG_MAX + 4096);
    const struct function_ref ref = { .account = run->function->account,
                                      .region = run->function->region,
                                      .name = run->function->name };
    write_log(run, i, a, &text);
    function_log_add(s->log, &ref, buf_str(&text));
    str tail = buf_str(&text);
    if (tail.len > LOG_TAIL_MAX)
        tail = str_from(tail, tail.len - LOG_TAIL_MAX);
    *ret_tail = arena_str(arena, tail);
    return str_is_none(*ret_tail) ? &fault_no_memory : NULL;
}

/* ---- run ---- */

static struct instance_event event_of(struct lambda_service *s, const struct call *call,
                                      const struct run *run)
{
    char root[25];
    random_hex(s->outside->entropy, root, 24);
    return (struct instance_event) {
        .request_id = run->request_id,
        .function_arn = run->called_arn,
        .trace_id = arena_strf(call->arena, "Root=1-%08llx-%.24s;Sampled=0",
                               (unsigned long long)(call->now_ms / 1000), root),
        .payload = run->payload,
        .timeout_s = run->version->timeout_s,
        .patience_ms = run->patience_ms,
    };
}

/* On the thread of the invocation before: its process has the next event while the thread that waits
 * for the answer gets up. */
static void send_ahead(void *event, struct instance *i)
{
    instance_send(i, event);
}

static const struct fault *run_in(struct lambda_service *s, const struct call *call,
                                  const struct run *run, const struct instance_event *event,
                                  struct instance *i, struct invoked *invoked, bool *ret_untouched)
{
    struct instance_answer answer;
    TRY(instance_invoke(i, event, call->arena, &answer));
    *ret_untouched = answer.untouched;
    if (answer.untouched) {
        buf_clear(&i->log);
        return NULL;
    }
    *invoked = (struct invoked) { .status = 200,
                                  .function_error = answer.failed ? STR("Unhandled") : STR_NONE,
                                  .payload = answer.payload,
                                  .version = run->version->version };
    return keep_log(s, run, i, &answer, call->arena, &invoked->log_tail);
}

/* In the words that Lambda has for what a function did. */
static const struct fault *make_end(const struct call *call, const struct run *run,
                                    enum mishap_end end, struct invoked *invoked)
{
    char when[WHEN_SIZE];
    const str now = when_iso_ms(when, call->now_ms);
    const str payload =
        end == MISHAP_TIMEOUT
            ? arena_strf(call->arena,
                         "{\"errorMessage\":\"" STR_FMT " " STR_FMT " Task timed out after "
                         "%lld.00 seconds (injected by /_sesame/faults)\"}",
                         STR_ARG(now), STR_ARG(run->request_id),
                         (long long)run->version->timeout_s)
            : arena_strf(call->arena,
                         "{\"errorMessage\":\"RequestId: " STR_FMT " Error: Runtime exited with "
                         "error: exit status 1 (injected by /_sesame/faults)\",\"errorType\":"
                         "\"Runtime.ExitError\"}",
                         STR_ARG(run->request_id));
    *invoked = (struct invoked) { .status = 200,
                                  .function_error = STR("Unhandled"),
                                  .payload = payload,
                                  .log_tail = STR(""),
                                  .version = run->version->version };
    return payload.ptr ? NULL : &fault_no_memory;
}

const struct fault *function_run(struct lambda_service *s, const struct call *call,
                                 const struct run *run, struct invoked *invoked)
{
    const enum mishap_end end =
        mishap_of_function(s->ports->mishaps, call, run->function->arn.text);
    if (end != MISHAP_NONE)
        return make_end(call, run, end, invoked);
    const struct function_version *v = run->version;
    struct instance_event event = event_of(s, call, run);
    const struct pool_want want = {
        .key = arena_strf(call->arena, STR_FMT ":" STR_FMT " " STR_FMT,
                          STR_ARG(run->function->arn.text), STR_ARG(v->version),
                          STR_ARG(v->revision_id)),
        .function = run->function->arn.text,
        .reserved = run->function->reserved,
        .patience_ms = run->patience_ms ? run->patience_ms : PLACE_WAIT_MS,
        .begin = send_ahead,
        .context = &event,
    };
    if (str_is_none(want.key) || str_is_none(event.trace_id))
        return &fault_no_memory;
    for (bool untouched = true; untouched;) {
        struct instance *i;
        bool fresh;
        event.sent_us = 0;
        TRY(pool_acquire(s->pool, &want, call->arena, &i, &fresh));
        const struct fault *why = fresh ? function_start(s, call, run, i, &i->keep_until_ms) : NULL;
        untouched = false;
        if (!why)
            why = run_in(s, call, run, &event, i, invoked, &untouched);
        pool_release(s->pool, i, !why && !i->gone);
        if (why)
            return why;
    }
    return NULL;
}

/* ---- the port ---- */

static const struct fault *check_payload(const struct call *call, const struct invoke *invoke)
{
    size_t most = invoke->type == INVOKE_EVENT ? ASYNC_PAYLOAD_MAX : SYNC_PAYLOAD_MAX;
    if (invoke->payload.len <= most)
        return NULL;
    return fault_coded(call->arena, FAULT_LIMIT, "RequestEntityTooLargeException",
                       "%zu byte payload is too large for the %s invocation type (limit %zu bytes)",
                       invoke->payload.len,
                       invoke->type == INVOKE_EVENT ? "Event" : "RequestResponse", most);
}

/* Finds and judges; everything but the doing. */
static const struct fault *prepare(const struct call *call, const struct invoke *invoke,
                                   struct run *run)
{
    struct function_ref ref;
    if (!function_ref_parse(invoke->function_arn, STR_NONE, call->caller->account, call->region,
                            &ref))
        return fault_coded(call->arena, FAULT_SYNTAX, "ValidationException",
                           "1 validation error detected: Value '" STR_FMT
                           "' at 'functionName' failed to satisfy "
                           "constraint: Member must satisfy regular expression pattern: "
                           "(arn:(aws[a-zA-Z-]*)?:lambda:)?([a-z]{2}(-gov)?-[a-z]+-\\d{1}:)?(\\d{"
                           "12}:)?(function:)?"
                           "([a-zA-Z0-9-_\\.]+)(:(\\$LATEST|[a-zA-Z0-9-_]+))?",
                           STR_ARG(invoke->function_arn));
    const bool here = str_eq(ref.region, call->region);
    const struct function *f = here ? function_find(call->world, &ref) : NULL;
    const struct function_version *v = f ? function_version(f, ref.qualifier) : NULL;
    /* To a service, for whom nothing but this policy speaks, a function that is not there is just
     * that. */
    if (f || call->caller->kind != CALLER_SERVICE)
        TRY(lambda_ask(call, &ref, f, STR("lambda:InvokeFunction"), NULL, 0));
    if (!v)
        return lambda_not_found(call, &ref);
    *run = (struct run) { .function = f,
                          .version = v,
                          .called_arn = function_ref_arn(&ref, call->arena),
                          .payload = invoke->payload.len ? invoke->payload : STR("{}"),
                          .request_id = invoke->request_id,
                          .patience_ms = invoke->timeout_ms };
    return str_is_none(run->called_arn) ? &fault_no_memory : NULL;
}

static const struct fault *invoke(struct lambda_port *port, const struct call *call,
                                  const struct invoke *invoke, struct invoked *ret_invoked)
{
    struct lambda_service *s = (struct lambda_service *)port;
    struct run run;
    char id[REQUEST_ID_LEN + 1];
    TRY(prepare(call, invoke, &run));
    *ret_invoked = (struct invoked) { .status = 204,
                                      .function_error = STR_NONE,
                                      .payload = STR(""),
                                      .log_tail = STR(""),
                                      .version = run.version->version };
    if (invoke->type == INVOKE_DRY_RUN)
        return NULL;
    TRY(check_payload(call, invoke));
    if (str_is_none(run.request_id))
        run.request_id = arena_str(call->arena, random_request_id(s->outside->entropy, id));
    if (invoke->type == INVOKE_REQUEST_RESPONSE)
        return function_run(s, call, &run, ret_invoked);
    ret_invoked->status = 202;
    return lambda_leave_errand(s, call, &run);
}

static const struct fault *rehearse(struct lambda_port *port, const struct call *call,
                                    const struct invoke *invoke, struct invoked *ret_invoked)
{
    struct run run;
    (void)port;
    TRY(prepare(call, invoke, &run));
    *ret_invoked = (struct invoked) { .status = 204,
                                      .function_error = STR_NONE,
                                      .payload = STR(""),
                                      .log_tail = STR(""),
                                      .version = run.version->version };
    return NULL;
}

/* ---- the service ---- */

const struct fault *lambda_open(const struct lambda_settings *settings, struct arena *arena,
                                struct lambda_service **ret_service)
{
    struct lambda_service *s = ARENA_NEW(arena, struct lambda_service);
    if (!s)
        return &fault_no_memory;
    *s = (struct lambda_service) {
        .port = { .invoke = invoke, .callers_most = settings->slots },
        .rehearsal = { .port = { .invoke = rehearse }, .service = s },
        .errands = { .runner = { .run = lambda_errand_run, .share = lambda_errand_share },
                     .service = s },
        .state = settings->state,
        .worlds = settings->worlds,
        .outside = settings->outside,
        .spool = settings->spool,
        .ports = settings->ports,
        .runner = settings->runner,
        .directory = settings->directory,
        .first_uid = settings->first_uid,
    };
    str logs = arena_strf(arena, STR_FMT "/logs", STR_ARG(settings->directory));
    if (str_is_none(logs))
        return &fault_no_memory;
    TRY(code_make_folders(s, arena));
    TRY(function_log_open(logs, arena, &s->log));
    pthread_mutex_init(&s->code_lock, NULL);
    told_open(&s->endpoint);
    TRY(runner_listen(s->runner, s->outside, arena));
    TRY(pool_open(s->runner, s->outside, settings->slots, arena, &s->pool));
    *ret_service = s;
    return NULL;
}

void lambda_stop(struct lambda_service *s, int64_t deadline_ms)
{
    pool_drain(s->pool, deadline_ms);
    runner_shut(s->runner);
}

void lambda_close(struct lambda_service *s)
{
    if (!s)
        return;
    pool_close(s->pool);
    function_log_close(s->log);
    pthread_mutex_destroy(&s->code_lock);
    told_close(&s->endpoint);
}
