/* services/sns/delivery_policy.c - the eight numbers, read from a table, and the curve they give.
 *
 * AWS draws the four backoff functions and gives no formulas. Ours go through the documented ends, the
 * first retry of the phase after the minimum and the last after the maximum. */
#include "services/sns/delivery_policy.h"

#include "base/json.h"

#include <math.h>

enum { RETRIES_MAX = 100, DELAY_MAX_S = 3600, TOTAL_MAX_S = 3600 };
#define PLAIN STR("text/plain; charset=UTF-8")

/* clang-format off */
const struct retry_policy retry_http = {
    .min_delay_s = 20, .max_delay_s = 20, .retries = 3, .backoff = BACKOFF_LINEAR,
};
const struct retry_policy retry_managed = {
    .min_delay_s = 1, .max_delay_s = 20, .retries = 100015, .no_delay_retries = 3,
    .min_delay_retries = 2, .max_delay_retries = 100000, .backoff = BACKOFF_EXPONENTIAL,
};

static const char *const backoff_names[] = {
    [BACKOFF_LINEAR] = "linear", [BACKOFF_ARITHMETIC] = "arithmetic",
    [BACKOFF_GEOMETRIC] = "geometric", [BACKOFF_EXPONENTIAL] = "exponential",
};
enum { BACKOFFS = sizeof backoff_names / sizeof backoff_names[0] };

/* In the order AWS prints them. */
static const struct number { const char *name; size_t at; int least, most; } numbers[] = {
    { "minDelayTarget",    offsetof(struct retry_policy, min_delay_s),       1, DELAY_MAX_S },
    { "maxDelayTarget",    offsetof(struct retry_policy, max_delay_s),       1, DELAY_MAX_S },
    { "numRetries",        offsetof(struct retry_policy, retries),           0, RETRIES_MAX },
    { "numMaxDelayRetries", offsetof(struct retry_policy, max_delay_retries), 0, RETRIES_MAX },
    { "numNoDelayRetries", offsetof(struct retry_policy, no_delay_retries),  0, RETRIES_MAX },
    { "numMinDelayRetries", offsetof(struct retry_policy, min_delay_retries), 0, RETRIES_MAX },
};
enum { NUMBERS = sizeof numbers / sizeof numbers[0] };

/* "Creating an HTTP/S delivery policy", headerContentType. */
static const str content_types[] = {
    STR_INIT("application/atom+xml"), STR_INIT("application/json"), STR_INIT("application/octet-stream"),
    STR_INIT("application/soap+xml"), STR_INIT("application/x-www-form-urlencoded"),
    STR_INIT("application/xhtml+xml"), STR_INIT("application/xml"), STR_INIT("text/css"),
    STR_INIT("text/csv"), STR_INIT("text/html"), STR_INIT("text/plain"), STR_INIT("text/xml"),
};
/* clang-format on */

static int *number_of(const struct number *n, struct retry_policy *policy)
{
    return (int *)(void *)((char *)policy + n->at);
}

static const struct fault *bad(struct arena *arena, const char *says)
{
    return fault(arena, FAULT_SYNTAX, NULL, "DeliveryPolicy: %s", says);
}

/* ---- reading ---- */

static const struct fault *read_number(const struct json *value, const struct number *n,
                                       struct arena *arena, int *ret)
{
    double number = json_number(value, -1);
    if (json_kind(value) != JSON_INTEGER || number < n->least || number > n->most)
        return fault(arena, FAULT_SYNTAX, NULL,
                     "DeliveryPolicy: %s must be a whole number from %d to %d", n->name, n->least,
                     n->most);
    *ret = (int)number;
    return NULL;
}

static const struct fault *read_retry_member(str name, const struct json *value,
                                             struct arena *arena, struct retry_policy *policy)
{
    for (size_t i = 0; i < NUMBERS; i++)
        if (str_eq(name, str_of(numbers[i].name)))
            return read_number(value, &numbers[i], arena, number_of(&numbers[i], policy));
    if (!str_eq(name, STR("backoffFunction")))
        return fault(arena, FAULT_SYNTAX, NULL, "DeliveryPolicy: Unknown attribute " STR_FMT,
                     STR_ARG(name));
    for (size_t i = 0; i < BACKOFFS; i++)
        if (str_eq(json_text(value), str_of(backoff_names[i]))) {
            policy->backoff = (enum backoff)i;
            return NULL;
        }
    return bad(arena, "backoffFunction must be linear, arithmetic, geometric or exponential");
}

static int64_t total_s(const struct retry_policy *policy)
{
    int64_t total = 0, delay;
    for (int attempt = 1; retry_after(policy, attempt, &delay); attempt++)
        total += delay;
    return total / 1000;
}

static const struct fault *read_retry(const struct json *json, struct arena *arena,
                                      struct retry_policy *ret_policy)
{
    str name;
    const struct json *value;
    struct retry_policy policy = retry_http;
    if (json_kind(json) != JSON_OBJECT)
        return bad(arena, "a retry policy must be an object");
    for (size_t i = 0; json_member(json, i, &name, &value); i++)
        TRY(read_retry_member(name, value, arena, &policy));
    if (policy.min_delay_s > policy.max_delay_s)
        return bad(arena, "minDelayTarget must not exceed maxDelayTarget");
    if (policy.no_delay_retries + policy.min_delay_retries + policy.max_delay_retries >
        policy.retries)
        return bad(arena, "numRetries must cover the retries of all phases");
    if (total_s(&policy) > TOTAL_MAX_S)
        return bad(arena, "the retries must not take longer than 3600 seconds in all");
    *ret_policy = policy;
    return NULL;
}

static const struct fault *read_throttle(const struct json *json, struct arena *arena,
                                         int *ret_per_second)
{
    static const struct number most = { "maxReceivesPerSecond", 0, 1, 1000000 };
    const struct json *value = json_get(json, "maxReceivesPerSecond");
    if (json_kind(json) == JSON_OBJECT && json_size(json) == 0)
        return NULL;
    if (json_kind(json) != JSON_OBJECT || json_size(json) != 1 || !value)
        return bad(arena, "a throttle policy has the one attribute maxReceivesPerSecond");
    return read_number(value, &most, arena, ret_per_second);
}

static const struct fault *read_request(const struct json *json, struct arena *arena, str *ret_type)
{
    str type = json_str(json, "headerContentType"), name, parameters;
    if (json_kind(json) != JSON_OBJECT || json_size(json) != 1 || str_is_none(type))
        return bad(arena, "a request policy has the one attribute headerContentType");
    str_cut(type, ';', &name, &parameters);
    for (size_t i = 0; i < type.len; i++)
        if ((unsigned char)type.ptr[i] < ' ' || (unsigned char)type.ptr[i] > '~')
            return bad(arena, "headerContentType is malformed");
    for (size_t i = 0; i < sizeof content_types / sizeof content_types[0]; i++)
        if (str_eq_nocase(str_trim(name), content_types[i])) {
            *ret_type = arena_str(arena, type);
            return str_is_none(*ret_type) ? &fault_no_memory : NULL;
        }
    return bad(arena, "headerContentType is not one of those that are supported");
}

const struct fault *delivery_policy_read(str text, bool of_topic, struct arena *arena,
                                         struct delivery_policy *ret_policy)
{
    struct delivery_policy policy = { .retry = retry_http, .content_type = PLAIN };
    const struct json *json, *value;
    str name;
    if (json_parse(text, arena, &json) || json_kind(json) != JSON_OBJECT)
        return bad(arena, "failed to parse JSON.");
    if (of_topic) {
        if (json_size(json) > 1 || (json_size(json) == 1 && !json_get(json, "http")))
            return bad(arena, "the one protocol with a policy is http");
        json = json_get(json, "http");
    }
    for (size_t i = 0; json_member(json, i, &name, &value); i++) {
        if (json_kind(value) == JSON_NULL)
            continue; /* as older clients write what they leave out */
        if (str_eq(name, of_topic ? STR("defaultHealthyRetryPolicy") : STR("healthyRetryPolicy"))) {
            TRY(read_retry(value, arena, &policy.retry));
            policy.has_retry = true;
        } else if (str_eq(name, of_topic ? STR("defaultThrottlePolicy") : STR("throttlePolicy"))) {
            TRY(read_throttle(value, arena, &policy.per_second));
            policy.has_throttle = policy.per_second > 0;
        } else if (str_eq(name, of_topic ? STR("defaultRequestPolicy") : STR("requestPolicy"))) {
            TRY(read_request(value, arena, &policy.content_type));
            policy.has_request = true;
        } else if (of_topic && str_eq(name, STR("disableSubscriptionOverrides"))) {
            if (json_kind(value) != JSON_BOOL)
                return bad(arena, "disableSubscriptionOverrides must be true or false");
            policy.no_overrides = json_truth(value);
        } else if (!of_topic && str_eq(name, STR("sicklyRetryPolicy"))) {
            return bad(arena, "sicklyRetryPolicy is no longer supported");
        } else
            return fault(arena, FAULT_SYNTAX, NULL, "DeliveryPolicy: Unknown attribute " STR_FMT,
                         STR_ARG(name));
    }
    *ret_policy = policy;
    return NULL;
}

/* ---- what holds ---- */

static void lay_over(struct delivery_policy *under, const struct delivery_policy *over)
{
    if (over->has_retry)
        under->retry = over->retry;
    if (over->has_throttle)
        under->per_second = over->per_second;
    if (over->has_request)
        under->content_type = over->content_type;
    under->has_throttle = under->per_second > 0;
}

struct delivery_policy delivery_policy_effective(const struct delivery_policy *topic,
                                                 const struct delivery_policy *subscription)
{
    struct delivery_policy effective = {
        .has_retry = true, .has_request = true, .retry = retry_http, .content_type = PLAIN
    };
    if (topic) {
        lay_over(&effective, topic);
        effective.no_overrides = topic->no_overrides;
    }
    if (subscription && !effective.no_overrides)
        lay_over(&effective, subscription);
    return effective;
}

static void write_retry(struct json_writer *w, const char *name, const struct retry_policy *policy)
{
    struct retry_policy copy = *policy;
    json_name(w, str_of(name));
    json_open(w, '{');
    for (size_t i = 0; i < NUMBERS; i++)
        json_add_int(w, numbers[i].name, *number_of(&numbers[i], &copy));
    json_add_str(w, "backoffFunction", str_of(backoff_names[policy->backoff]));
    json_close(w, '}');
}

void delivery_policy_write(const struct delivery_policy *policy, bool of_topic, struct buf *out)
{
    struct json_writer w = json_writer(out);
    json_open(&w, '{');
    if (of_topic) {
        json_name(&w, STR("http"));
        json_open(&w, '{');
    }
    write_retry(&w, of_topic ? "defaultHealthyRetryPolicy" : "healthyRetryPolicy", &policy->retry);
    if (of_topic)
        json_add_bool(&w, "disableSubscriptionOverrides", policy->no_overrides);
    if (policy->has_throttle) {
        json_name(&w, of_topic ? STR("defaultThrottlePolicy") : STR("throttlePolicy"));
        json_open(&w, '{');
        json_add_int(&w, "maxReceivesPerSecond", policy->per_second);
        json_close(&w, '}');
    }
    json_name(&w, of_topic ? STR("defaultRequestPolicy") : STR("requestPolicy"));
    json_open(&w, '{');
    json_add_str(&w, "headerContentType", policy->content_type);
    json_close(&w, '}');
    if (of_topic)
        json_close(&w, '}');
    json_close(&w, '}');
}

/* ---- the schedule ---- */

/* How far from the minimum (0) to the maximum (1) step i of n is. */
static double progress(enum backoff backoff, double min, double max, int i, int n)
{
    double part = (double)i / (n - 1);
    switch (backoff) {
    case BACKOFF_LINEAR:
        return part;
    case BACKOFF_ARITHMETIC: /* the steps themselves grow evenly */
        return part * (i + 1) / n;
    case BACKOFF_GEOMETRIC: /* each delay is the one before times the same */
        return max > min ? (min * pow(max / min, part) - min) / (max - min) : 0;
    case BACKOFF_EXPONENTIAL: /* each step is twice the one before */
        return (exp2(i) - 1) / (exp2(n - 1) - 1);
    }
    return part;
}

bool retry_after(const struct retry_policy *p, int attempt, int64_t *ret_delay_ms)
{
    if (attempt > p->retries)
        return false;
    int i = attempt - 1; /* which retry: from 0 */
    double delay_s = p->max_delay_s;
    int backoffs =
        p->retries - p->no_delay_retries - p->min_delay_retries - p->max_delay_retries;
    if (i < p->no_delay_retries)
        delay_s = 0;
    else if ((i -= p->no_delay_retries) < p->min_delay_retries)
        delay_s = p->min_delay_s;
    else if ((i -= p->min_delay_retries) < backoffs)
        delay_s = backoffs == 1
                      ? p->min_delay_s
                      : p->min_delay_s + (p->max_delay_s - p->min_delay_s) *
                                             progress(p->backoff, p->min_delay_s, p->max_delay_s,
                                                      i, backoffs);
    *ret_delay_ms = (int64_t)(delay_s * 1000 + 0.5);
    return true;
}
