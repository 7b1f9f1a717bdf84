/* services/mishaps.c - the failures there are, and the orders that are open. */
#include "services/mishaps.h"

#include "base/glob.h"
#include "base/json.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum { ORDERS_MAX = 100, TEXT_MAX = 2048, TIMES_MAX = 1000000000 };

struct failure {
    str service, name;
    const char *says;
    enum mishap_end end; /* of a function; else NONE */
};

/* "Error responses" of the S3 API reference, "Common errors" of the others'. */
/* clang-format off */
static const struct failure failures[] = {
    { STR_INIT("s3"),     STR_INIT("SlowDown"),                  "Please reduce your request rate." },
    { STR_INIT("s3"),     STR_INIT("ServiceUnavailable"),        "Service is unable to handle request." },
    { STR_INIT("s3"),     STR_INIT("InternalError"),             "We encountered an internal error. Please try again." },
    { STR_INIT("kms"),    STR_INIT("ThrottlingException"),       "You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls." },
    { STR_INIT("kms"),    STR_INIT("KMSInternalException"),      "The request was rejected because an internal exception occurred. The request can be retried." },
    { STR_INIT("kms"),    STR_INIT("DependencyTimeoutException"), "The system timed out while trying to fulfill the request. You can retry the request." },
    { STR_INIT("sns"),    STR_INIT("InternalError"),             "An internal service error has occurred" },
    { STR_INIT("sns"),    STR_INIT("ServiceUnavailable"),        "The request has failed due to a temporary failure of the server." },
    { STR_INIT("sns"),    STR_INIT("Throttled"),                 "Rate exceeded" },
    { STR_INIT("sqs"),    STR_INIT("ServiceUnavailable"),        "The request has failed due to a temporary failure of the server." },
    { STR_INIT("sqs"),    STR_INIT("RequestThrottled"),          "The request was denied due to request throttling." },
    { STR_INIT("sts"),    STR_INIT("Throttling"),                "Rate exceeded" },
    { STR_INIT("iam"),    STR_INIT("Throttling"),                "Rate exceeded" },
    { STR_INIT("ses"),    STR_INIT("Throttling"),                "Rate exceeded" },
    { STR_INIT("connect"), STR_INIT("ThrottlingException"),      "Rate exceeded" },
    { STR_INIT("connect"), STR_INIT("InternalServiceException"), "Request processing failed due to an error or failure with the service." },
    { STR_INIT("lambda"), STR_INIT("TooManyRequestsException"),  "Rate Exceeded." },
    { STR_INIT("lambda"), STR_INIT("ServiceException"),          "The Lambda service encountered an internal error." },
    { STR_INIT("lambda"), STR_INIT("Timeout"),                   NULL, MISHAP_TIMEOUT },
    { STR_INIT("lambda"), STR_INIT("Crash"),                     NULL, MISHAP_CRASH },
};
/* clang-format on */
enum { FAILURES = sizeof failures / sizeof failures[0] };

struct order {
    struct order *next;
    unsigned id;
    const struct failure *failure;
    str operation, resource, caller; /* patterns; behind the struct */
    uint64_t times, met;
    char text[];
};

struct mishaps {
    pthread_mutex_t lock;
    atomic_uint open; /* orders that still have a failure to give */
    unsigned count, last_id;
    struct order *first; /* as they were ordered */
};

const struct fault *mishaps_open(struct arena *a, struct mishaps **ret_mishaps)
{
    struct mishaps *m = ARENA_NEW(a, struct mishaps);
    if (!m)
        return &fault_no_memory;
    pthread_mutex_init(&m->lock, NULL);
    *ret_mishaps = m;
    return NULL;
}

void mishaps_cancel_all(struct mishaps *m)
{
    pthread_mutex_lock(&m->lock);
    while (m->first) {
        struct order *order = m->first;
        m->first = order->next;
        free(order);
    }
    m->count = 0;
    m->open = 0;
    pthread_mutex_unlock(&m->lock);
}

void mishaps_close(struct mishaps *m)
{
    if (!m)
        return;
    mishaps_cancel_all(m);
    pthread_mutex_destroy(&m->lock);
}

/* ---- orders ---- */

static bool has_more(const struct order *order)
{
    return !order->times || order->met < order->times;
}

static const struct fault *no_such_failure(str service, str name, struct arena *a)
{
    AUTO_BUF known = buf_new(4096);
    for (size_t i = 0; i < FAILURES; i++) {
        if (str_eq(failures[i].service, service))
            buf_addf(&known, "%s" STR_FMT, known.len ? ", " : "", STR_ARG(failures[i].name));
    }
    if (!known.len)
        return fault(a, FAULT_SYNTAX, NULL,
                     "service \"" STR_FMT "\" is none of s3, kms, sns, sqs, lambda, connect, sts, iam, ses",
                     STR_ARG(str_head(service, 64)));
    return fault(a, FAULT_SYNTAX, NULL, "fault \"" STR_FMT "\" is none of " STR_FMT "'s: " STR_FMT,
                 STR_ARG(str_head(name, 64)), STR_ARG(service), STR_ARG(buf_str(&known)));
}

static const struct fault *find_failure(const struct json *order, struct arena *a,
                                        const struct failure **ret_failure)
{
    const str service = json_str(order, "service"), name = json_str(order, "fault");
    if (!service.ptr || !name.ptr)
        return fault(a, FAULT_SYNTAX, NULL, "an order is a JSON object with service and fault");
    for (size_t i = 0; i < FAILURES; i++) {
        if (str_eq(failures[i].service, service) && str_eq(failures[i].name, name)) {
            *ret_failure = &failures[i];
            return NULL;
        }
    }
    return no_such_failure(service, name, a);
}

/* A slip in a name would make an order that meets everything. */
static const struct fault *check_members(const struct json *order, struct arena *a)
{
    static const str texts[] = { STR_INIT("service"), STR_INIT("fault"), STR_INIT("operation"),
                                 STR_INIT("resource"), STR_INIT("caller") };
    str name;
    const struct json *value;
    for (size_t i = 0; json_member(order, i, &name, &value); i++) {
        bool text = false;
        for (size_t t = 0; t < sizeof texts / sizeof texts[0]; t++)
            text = text || str_eq(name, texts[t]);
        const enum json_kind wants = text ? JSON_STRING : JSON_INTEGER;
        if ((!text && !str_eq(name, STR("times"))) || json_kind(value) != wants)
            return fault(a, FAULT_SYNTAX, NULL,
                         "\"" STR_FMT
                         "\" has no place in an order, or is of the wrong kind: service, "
                         "fault, operation, resource and caller are texts, times is a number",
                         STR_ARG(str_head(name, 64)));
    }
    return NULL;
}

static str keep(char **to, str text)
{
    char *at = *to;
    memcpy(at, text.ptr, text.len);
    *to += text.len;
    return (str) { at, text.len };
}

static str pattern(const struct json *order, const char *member)
{
    const str text = json_str(order, member);
    return text.ptr ? text : STR("*");
}

static const struct fault *make_order(const struct json *json, struct arena *a,
                                      struct order **ret_order)
{
    const struct failure *failure = NULL;
    const str operation = pattern(json, "operation"), resource = pattern(json, "resource"),
              caller = pattern(json, "caller");
    const int64_t times = json_int(json, "times", 0);
    TRY(find_failure(json, a, &failure));
    TRY(check_members(json, a));
    if (times < 0 || times > TIMES_MAX)
        return fault(a, FAULT_SYNTAX, NULL, "times is a number from 0, which has no end, to %d",
                     TIMES_MAX);
    const size_t size = operation.len + resource.len + caller.len;
    if (size > TEXT_MAX)
        return fault(a, FAULT_LIMIT, NULL, "an order's patterns have %d octets at most", TEXT_MAX);
    struct order *order = calloc(1, sizeof *order + size);
    if (!order)
        return &fault_no_memory;
    char *to = order->text;
    order->failure = failure;
    order->times = (uint64_t)times;
    order->operation = keep(&to, operation);
    order->resource = keep(&to, resource);
    order->caller = keep(&to, caller);
    *ret_order = order;
    return NULL;
}

static void write_order(const struct order *order, struct json_writer *w)
{
    char id[16];
    const int len = snprintf(id, sizeof id, "%u", order->id);
    json_open(w, '{');
    json_add_str(w, "id", (str) { id, (size_t)len });
    json_add_str(w, "service", order->failure->service);
    json_add_str(w, "fault", order->failure->name);
    json_add_str(w, "operation", order->operation);
    json_add_str(w, "resource", order->resource);
    json_add_str(w, "caller", order->caller);
    json_add_int(w, "times", (int64_t)order->times);
    json_add_int(w, "met", (int64_t)order->met);
    json_close(w, '}');
}

const struct fault *mishaps_order(struct mishaps *m, str text, struct arena *a, struct buf *out)
{
    const struct json *json;
    struct order *order = NULL;
    TRY(json_parse(text, a, &json));
    TRY(make_order(json, a, &order));
    struct json_writer w = json_writer(out);
    pthread_mutex_lock(&m->lock);
    const bool room = m->count < ORDERS_MAX;
    if (room) {
        struct order **last = &m->first;
        while (*last)
            last = &(*last)->next;
        order->id = ++m->last_id;
        *last = order;
        m->count++;
        m->open++;
        write_order(order, &w);
    }
    pthread_mutex_unlock(&m->lock);
    if (room)
        return NULL;
    free(order);
    return fault(a, FAULT_CONFLICT, NULL, "there are %d orders already: remove some", ORDERS_MAX);
}

void mishaps_write(struct mishaps *m, struct buf *out)
{
    struct json_writer w = json_writer(out);
    json_open(&w, '{');
    json_name(&w, STR("faults"));
    json_open(&w, '[');
    pthread_mutex_lock(&m->lock);
    for (const struct order *order = m->first; order; order = order->next)
        write_order(order, &w);
    pthread_mutex_unlock(&m->lock);
    json_close(&w, ']');
    json_close(&w, '}');
}

bool mishaps_cancel(struct mishaps *m, str id)
{
    uint64_t number;
    struct order *found = NULL;
    if (!str_u64(id, &number))
        return false;
    pthread_mutex_lock(&m->lock);
    struct order **at = &m->first;
    while (*at && (*at)->id != number)
        at = &(*at)->next;
    found = *at;
    if (found) {
        *at = found->next;
        m->count--;
        m->open -= has_more(found);
    }
    pthread_mutex_unlock(&m->lock);
    free(found);
    return found != NULL;
}

/* ---- a call ---- */

struct met {
    str service, operation, resource, caller;
    bool runs; /* a function is about to; else a call was allowed */
};

static bool meets(const struct order *order, const struct met *call)
{
    return has_more(order) && (order->failure->end != MISHAP_NONE) == call->runs &&
           str_eq_nocase(order->failure->service, call->service) && /* SNS:Publish */
           glob_match(order->operation, call->operation, GLOB_NOCASE) &&
           glob_match(order->resource, call->resource, 0) &&
           glob_match(order->caller, call->caller, 0);
}

/* The oldest order that it meets, which then has one failure less to give. */
static const struct failure *take(struct mishaps *m, const struct met *call)
{
    const struct failure *failure = NULL;
    pthread_mutex_lock(&m->lock);
    for (struct order *order = m->first; order && !failure; order = order->next) {
        if (!meets(order, call))
            continue;
        failure = order->failure;
        order->met++;
        m->open -= !has_more(order);
    }
    pthread_mutex_unlock(&m->lock);
    return failure;
}

const struct fault *mishap_of_call(const struct call *call, str action, str resource)
{
    struct mishaps *m = call->mishaps;
    struct met met = { .resource = resource };
    if (!m || !m->open || !str_cut(action, ':', &met.service, &met.operation))
        return NULL;
    met.caller = caller_name(call->caller, call->arena);
    const struct failure *failure = take(m, &met);
    return failure ? fault_coded(call->arena, FAULT_UNAVAILABLE, failure->name.ptr,
                                 "%s (" STR_FMT ", injected by /_sesame/faults)", failure->says,
                                 STR_ARG(failure->name))
                   : NULL;
}

enum mishap_end mishap_of_function(struct mishaps *m, const struct call *call, str function_arn)
{
    if (!m || !m->open)
        return MISHAP_NONE;
    const struct met met = { .service = STR("lambda"),
                             .operation = STR("Invoke"),
                             .resource = function_arn,
                             .caller = caller_name(call->caller, call->arena),
                             .runs = true };
    const struct failure *failure = take(m, &met);
    return failure ? failure->end : MISHAP_NONE;
}
