/* services/sns/subscriptions.c - subscribing, confirming, ending, and the attributes. */
#include "services/sns/embedded.h"

#include "base/random_id.h"

enum { ENDPOINT_MAX = 2048 };

static const struct fault *no_such(const struct call *call)
{
    return fault_coded(call->arena, FAULT_ABSENT, "NotFound", "Subscription does not exist");
}

/* ---- the record ---- */

static const struct fault *store(struct sns_service *sns, const struct call *call,
                                 const struct subscription *s, uint64_t expected)
{
    AUTO_BUF value = buf_new(SNS_RECORD_MAX);
    str key = subscription_state_key(call->arena, &s->topic, s->id);
    uint64_t revision;
    subscription_encode(s, &value);
    if (str_is_none(key))
        return &fault_no_memory;
    if (value.failed)
        return sns_invalid(call, "the subscription's attributes are too large");
    return sns->state->ops->put(sns->state, key, buf_str(&value), expected, call->arena, &revision);
}

typedef const struct fault *change_fn(void *context, const struct call *, struct subscription *);

/* Reads it from the state, lets `change` alter it, puts it back; *ret_subscription is what was put.
 */
static const struct fault *change_subscription(struct sns_service *sns, const struct call *call,
                                               const struct subscription *s, change_fn *change,
                                               void *context, struct subscription *ret_subscription)
{
    str key = subscription_state_key(call->arena, &s->topic, s->id);
    if (str_is_none(key))
        return &fault_no_memory;
    for (int tries = 0; tries < SNS_TRIES; tries++) {
        struct record record;
        const void *stored;
        const struct fault *why = sns->state->ops->get(sns->state, key, call->arena, &record);
        if (why)
            return why->kind == FAULT_ABSENT ? no_such(call) : why;
        TRY(subscription_compile(&record, call->arena, &stored));
        *ret_subscription = *(const struct subscription *)stored;
        TRY(change(context, call, ret_subscription));
        why = store(sns, call, ret_subscription, record.revision);
        if (!why || why->kind != FAULT_CONFLICT)
            return why;
    }
    return sns_in_between(call);
}

static const struct fault *new_token(struct sns_service *sns, const struct call *call,
                                     struct subscription *s)
{
    char token[SUBSCRIPTION_TOKEN_LEN + 1];
    random_hex(sns->outside->entropy, token, SUBSCRIPTION_TOKEN_LEN);
    s->token = arena_str(call->arena, (str) { token, SUBSCRIPTION_TOKEN_LEN });
    s->token_until_ms = call->now_ms + SUBSCRIPTION_TOKEN_MS;
    return str_is_none(s->token) ? &fault_no_memory : NULL;
}

/* ---- attributes ---- */

static const struct fault *set_raw(const struct call *call, struct subscription *s, str value)
{
    if (!str_eq_nocase(value, STR("true")) && !str_eq_nocase(value, STR("false")))
        return fault(call->arena, FAULT_SYNTAX, NULL,
                     "RawMessageDelivery: Invalid value [" STR_FMT "]. Must be true or false.",
                     STR_ARG(str_head(value, 64)));
    bool raw = str_eq_nocase(value, STR("true"));
    if (raw && s->protocol == PROTOCOL_LAMBDA)
        return fault(call->arena, FAULT_SYNTAX, NULL,
                     "Delivery protocol [lambda] does not support raw message delivery.");
    s->raw = raw ? STR("true") : STR("false");
    return NULL;
}

static const struct fault *read_filter(const struct call *call, struct subscription *s)
{
    enum filter_scope scope =
        str_eq(s->filter_scope, STR("MessageBody")) ? FILTER_BODY : FILTER_ATTRIBUTES;
    return str_is_none(s->filter_policy)
               ? NULL
               : filter_read(s->filter_policy, scope, call->arena, &s->filter);
}

static const struct fault *set_filter_policy(const struct call *call, struct subscription *s,
                                             str value)
{
    /* {} is how one is taken away: SNS Developer Guide, "Removing a subscription filter policy". */
    s->filter_policy = value.len == 0 || str_eq(str_trim(value), STR("{}")) ? STR_NONE : value;
    return read_filter(call, s);
}

static const struct fault *set_filter_scope(const struct call *call, struct subscription *s,
                                            str value)
{
    if (!str_eq(value, STR("MessageAttributes")) && !str_eq(value, STR("MessageBody")))
        return fault(call->arena, FAULT_SYNTAX, NULL,
                     "FilterPolicyScope: Invalid value [" STR_FMT
                     "]. Please use either MessageBody or MessageAttributes",
                     STR_ARG(str_head(value, 64)));
    s->filter_scope = value;
    return read_filter(call, s);
}

static const struct fault *set_delivery_policy(const struct call *call, struct subscription *s,
                                               str value)
{
    s->delivery_policy_text = value.len ? value : STR_NONE;
    if (value.len == 0)
        return NULL;
    if (s->protocol != PROTOCOL_HTTP && s->protocol != PROTOCOL_HTTPS)
        return fault(call->arena, FAULT_SYNTAX, NULL,
                     "Delivery protocol [" STR_FMT "] does not support this attribute.",
                     STR_ARG(protocol_name(s->protocol)));
    return delivery_policy_read(value, false, call->arena, &s->delivery);
}

static const struct fault *set_redrive_policy(const struct call *call, struct subscription *s,
                                              str value)
{
    struct arn arn;
    s->redrive_policy = value.len ? value : STR_NONE;
    s->dead_letter_arn = STR_NONE;
    if (value.len == 0)
        return NULL;
    TRY(redrive_policy_read(value, call->arena, &s->dead_letter_arn));
    /* "the dead-letter queue must be in the same account and Region as the subscription" (SNS
     * Developer Guide, "Amazon SNS dead-letter queues"). */
    if (arn_parse(s->dead_letter_arn, &arn) && !str_eq(arn.region, s->topic.region))
        return fault(call->arena, FAULT_SYNTAX, NULL,
                     "RedrivePolicy: deadLetterTargetArn must be in the same region");
    return NULL;
}

/* clang-format off */
static const struct attribute {
    const char *name;
    const struct fault *(*set)(const struct call *, struct subscription *, str value);
} attributes[] = {
    { "RawMessageDelivery", set_raw             },
    { "FilterPolicyScope",  set_filter_scope    }, /* before the policy, which is read by it */
    { "FilterPolicy",       set_filter_policy   },
    { "DeliveryPolicy",     set_delivery_policy },
    { "RedrivePolicy",      set_redrive_policy  },
};
/* clang-format on */
enum { ATTRIBUTES = sizeof attributes / sizeof attributes[0] };

/* All at once, in the order of the table. */
static const struct fault *set_attributes(const struct call *call, struct subscription *s,
                                          struct sns_pairs given)
{
    size_t known = 0;
    for (size_t a = 0; a < ATTRIBUTES; a++)
        for (size_t i = 0; i < given.count; i++) {
            if (!str_eq(given.pairs[i].name, str_of(attributes[a].name)))
                continue;
            known++;
            TRY(sns_refused(call, true, attributes[a].set(call, s, given.pairs[i].value)));
        }
    return known == given.count ? NULL : sns_invalid(call, "Attributes");
}

static const struct fault *change_attribute(void *context, const struct call *call,
                                            struct subscription *s)
{
    const struct header *pair = context;
    for (size_t a = 0; a < ATTRIBUTES; a++)
        if (str_eq(pair->name, str_of(attributes[a].name)))
            return sns_refused(call, false, attributes[a].set(call, s, pair->value));
    return sns_invalid(call, "AttributeName");
}

/* ---- subscribing ---- */

static const struct fault *wrong_endpoint(const struct call *call)
{
    return sns_invalid(call, "Endpoint must match the specified protocol");
}

static const struct fault *check_http(const struct call *call, str endpoint, str scheme)
{
    if (!str_starts_nocase(endpoint, scheme) || endpoint.len == scheme.len)
        return wrong_endpoint(call);
    for (size_t i = 0; i < endpoint.len; i++)
        if ((unsigned char)endpoint.ptr[i] <= ' ' || (unsigned char)endpoint.ptr[i] >= 0x7f)
            return sns_invalid(call, "Endpoint");
    return NULL;
}

/* *ret_account: whose queue or function it is; STR_NONE for the web. */
static const struct fault *check_endpoint(const struct call *call, enum protocol protocol,
                                          str endpoint, str *ret_account)
{
    struct arn arn;
    *ret_account = STR_NONE;
    if (endpoint.len == 0 || endpoint.len > ENDPOINT_MAX)
        return sns_invalid(call, "Endpoint");
    switch (protocol) {
    case PROTOCOL_HTTP:
        return check_http(call, endpoint, STR("http://"));
    case PROTOCOL_HTTPS:
        return check_http(call, endpoint, STR("https://"));
    case PROTOCOL_SQS:
        if (!arn_parse(endpoint, &arn) || !str_eq(arn.service, STR("sqs")) ||
            !account_id_ok(arn.account))
            return sns_invalid(call, "SQS endpoint ARN");
        if (str_ends(arn.resource, STR(".fifo")))
            return sns_invalid(call, "Invalid parameter: Endpoint Reason: FIFO SQS Queues can not "
                                     "be subscribed to standard SNS topics");
        break;
    case PROTOCOL_LAMBDA:
        if (!arn_parse(endpoint, &arn) || !str_eq(arn.service, STR("lambda")) ||
            !account_id_ok(arn.account) || !str_starts(arn.resource, STR("function:")))
            return sns_invalid(call, "Lambda endpoint ARN");
        break;
    case PROTOCOLS:
        return wrong_endpoint(call);
    }
    *ret_account = arn.account;
    return NULL;
}

static const struct fault *read_protocol(const struct call *call, str name,
                                         enum protocol *ret_protocol)
{
    static const str others[] = { STR_INIT("email"), STR_INIT("email-json"), STR_INIT("sms"),
                                  STR_INIT("application"), STR_INIT("firehose") };
    if (protocol_of(name, ret_protocol))
        return NULL;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (str_eq(name, others[i]))
            return sns_unbuilt(call,
                               arena_strf(call->arena, "the protocol " STR_FMT, STR_ARG(name)).ptr);
    return sns_invalid(call, "Amazon SNS does not support this protocol string: " STR_FMT,
                       STR_ARG(str_head(name, 128)));
}

static const struct fault *ask_subscribe(const struct call *call, const struct topic *topic,
                                         const struct sns_subscribe *wanted)
{
    const struct context_key keys[] = {
        { .name = STR("sns:Endpoint"), .values = &wanted->endpoint, .count = 1 },
        { .name = STR("sns:Protocol"), .values = &wanted->protocol, .count = 1 },
    };
    return sns_ask(call, topic, STR("SNS:Subscribe"), keys, sizeof keys / sizeof keys[0]);
}

/* Those whose token has run out and that nobody confirmed, or ended, are done with. */
static void sweep(struct sns_service *sns, const struct call *call, const struct world *world,
                  const struct topic *topic)
{
    const struct subscription *s;
    for (str at = STR_NONE; subscription_next(world, &topic->arn, &at, &s);)
        if (s->state != SUBSCRIPTION_CONFIRMED && s->token_until_ms < call->now_ms)
            sns->state->ops->remove(sns->state, at, world_revision(world, at), call->arena);
}

static const struct subscription *find_same(const struct world *world, const struct topic *topic,
                                            enum protocol protocol, str endpoint)
{
    const struct subscription *s;
    for (str at = STR_NONE; subscription_next(world, &topic->arn, &at, &s);)
        if (s->state != SUBSCRIPTION_ENDED && s->protocol == protocol &&
            str_eq(s->endpoint, endpoint))
            return s;
    return NULL;
}

static const struct fault *subscribe_again(struct sns_service *sns, const struct call *call,
                                           const struct subscription *there, struct sns_pairs given,
                                           str *ret_arn, bool *ret_pending)
{
    struct subscription wanted = *there;
    AUTO_BUF have = buf_new(SNS_RECORD_MAX), want = buf_new(SNS_RECORD_MAX);
    TRY(set_attributes(call, &wanted, given));
    subscription_encode(there, &have);
    subscription_encode(&wanted, &want);
    if (have.failed || want.failed || !str_eq(buf_str(&have), buf_str(&want)))
        return sns_invalid(
            call, "Attributes Reason: Subscription already exists with different attributes");
    *ret_arn = arena_str(call->arena, there->arn);
    *ret_pending = there->state == SUBSCRIPTION_PENDING;
    if (*ret_pending) /* whoever asks again has lost the message */
        TRY(sns_send_confirmation(sns, call, there, MESSAGE_SUBSCRIBE));
    return str_is_none(*ret_arn) ? &fault_no_memory : NULL;
}

static const struct fault *subscribe_new(struct sns_service *sns, const struct call *call,
                                         const struct topic *topic, enum protocol protocol,
                                         const struct sns_subscribe *wanted, str endpoint_account,
                                         struct subscription *ret_subscription)
{
    char id[REQUEST_ID_LEN + 1];
    /* The web has to say yes by the token. A queue's or function's owner says it by subscribing;
     * for another account's, the message goes to the endpoint. */
    bool confirmed = str_eq(endpoint_account, call->caller->account);
    struct subscription s = {
        .topic = topic->arn,
        .id = arena_str(call->arena, random_request_id(sns->outside->entropy, id)),
        .protocol = protocol,
        .endpoint = wanted->endpoint,
        .owner = call->caller->account,
        .principal = caller_name(call->caller, call->arena),
        .state = confirmed ? SUBSCRIPTION_CONFIRMED : SUBSCRIPTION_PENDING,
        .created_ms = call->now_ms,
        .authenticated = confirmed,
        .raw = STR_NONE,
        .filter_scope = STR_NONE,
        .filter_policy = STR_NONE,
        .delivery_policy_text = STR_NONE,
        .redrive_policy = STR_NONE,
    };
    s.arn = arena_strf(call->arena, STR_FMT ":" STR_FMT, STR_ARG(topic->arn.text), STR_ARG(s.id));
    if (str_is_none(s.id) || str_is_none(s.principal) || str_is_none(s.arn))
        return &fault_no_memory;
    TRY(new_token(sns, call, &s));
    TRY(set_attributes(call, &s, wanted->attributes));
    TRY(store(sns, call, &s, REVISION_NEW));
    *ret_subscription = s;
    return confirmed ? NULL : sns_send_confirmation(sns, call, &s, MESSAGE_SUBSCRIBE);
}

const struct fault *sns_subscribe(struct sns_service *sns, const struct call *call,
                                  const struct sns_subscribe *wanted, str *ret_arn,
                                  bool *ret_pending)
{
    const struct topic *topic;
    enum protocol protocol;
    str account;
    TRY(sns_find_topic(call, wanted->topic_arn, &topic));
    TRY(ask_subscribe(call, topic, wanted));
    TRY(read_protocol(call, wanted->protocol, &protocol));
    TRY(check_endpoint(call, protocol, wanted->endpoint, &account));

    pthread_mutex_lock(&sns->subscribing);
    const struct world *now = worlds_now(sns->worlds);
    const struct fault *why = NULL;
    struct subscription made;
    if (!topic_find(now, &topic->arn))
        why = fault_coded(call->arena, FAULT_ABSENT, "NotFound", "Topic does not exist");
    else {
        const struct subscription *there = find_same(now, topic, protocol, wanted->endpoint);
        sweep(sns, call, now, topic);
        if (there)
            why = subscribe_again(sns, call, there, wanted->attributes, ret_arn, ret_pending);
        else if (!(why = subscribe_new(sns, call, topic, protocol, wanted, account, &made))) {
            *ret_arn = made.arn;
            *ret_pending = made.state == SUBSCRIPTION_PENDING;
        }
    }
    world_unref(now);
    pthread_mutex_unlock(&sns->subscribing);
    return why && why->kind == FAULT_CONFLICT && !why->code ? sns_in_between(call) : why;
}

/* ---- confirming and ending ---- */

struct confirm {
    str token;
    bool signed_by_someone, only_owner_ends;
};

static const struct fault *confirm(void *context, const struct call *call, struct subscription *s)
{
    const struct confirm *c = context;
    if (!str_eq(s->token, c->token) || s->token_until_ms < call->now_ms)
        return sns_invalid(call, "Token");
    if (s->state != SUBSCRIPTION_CONFIRMED) {
        s->authenticated = c->signed_by_someone;
        s->only_owner_ends = c->signed_by_someone && c->only_owner_ends;
    }
    s->state = SUBSCRIPTION_CONFIRMED;
    return NULL;
}

static bool is_hex(str token)
{
    for (size_t i = 0; i < token.len; i++)
        if (!ascii_is_digit(token.ptr[i]) && !(token.ptr[i] >= 'a' && token.ptr[i] <= 'f'))
            return false;
    return token.len == SUBSCRIPTION_TOKEN_LEN;
}

const struct fault *sns_confirm_subscription(struct sns_service *sns, const struct call *call,
                                             str topic_arn, str token, bool only_owner_ends,
                                             str *ret_arn)
{
    const struct topic *topic = NULL;
    const struct subscription *s;
    struct arn arn;
    bool anonymous = call->caller->kind == CALLER_ANONYMOUS;
    struct confirm what = { token, !anonymous, only_owner_ends };
    struct call own = *call;
    /* Who opens the link has no region but the topic's. */
    if (anonymous && arn_parse(topic_arn, &arn))
        own.region = arn.region;
    TRY(sns_find_topic(&own, topic_arn, &topic));
    /* No topic's policy may speak of it, so it is between the caller and its own account: a queue's owner
     * confirms what another account's topic offers. The token is what the topic asks for. */
    if (!anonymous)
        TRY(authorize(call, &(struct ask) { .action = STR("SNS:ConfirmSubscription"),
                                            .resource = topic->arn.text,
                                            .resource_account = call->caller->account }));
    if (!is_hex(token))
        return fault_coded(call->arena, FAULT_SYNTAX, "InvalidParameter", "Invalid token");
    for (str at = STR_NONE; subscription_next(call->world, &topic->arn, &at, &s);) {
        struct subscription confirmed;
        if (!str_eq(s->token, token))
            continue;
        TRY(change_subscription(sns, call, s, confirm, &what, &confirmed));
        *ret_arn = confirmed.arn;
        return NULL;
    }
    return sns_invalid(call, "Token");
}

static const struct fault *end(void *context, const struct call *call, struct subscription *s)
{
    struct sns_service *sns = context;
    if (s->state == SUBSCRIPTION_ENDED)
        return no_such(call);
    s->state = SUBSCRIPTION_ENDED;
    return new_token(sns, call, s);
}

/* Owners of the subscription and of the topic may; without a signature anyone who has the link,
 * unless the confirmation forbade it. */
static const struct fault *ask_unsubscribe(const struct call *call, const struct subscription *s)
{
    if (call->caller->kind != CALLER_ANONYMOUS) {
        TRY(sns_ask_any(call, STR("SNS:Unsubscribe")));
        if (str_eq(call->caller->account, s->owner) ||
            str_eq(call->caller->account, s->topic.account))
            return NULL;
    } else if (!s->only_owner_ends)
        return NULL;
    return fault_coded(call->arena, FAULT_DENIED, "AuthorizationError",
                       "Account " STR_FMT " is not the owner of subscription " STR_FMT,
                       STR_ARG(call->caller->account), STR_ARG(s->arn));
}

const struct fault *sns_unsubscribe(struct sns_service *sns, const struct call *call, str arn)
{
    struct arn parsed;
    struct subscription ended;
    if (!arn_parse(arn, &parsed) || !str_eq(parsed.service, STR("sns")) ||
        !str_has(parsed.resource, ':'))
        return sns_invalid(call, "SubscriptionArn Reason: An ARN must have at least 6 elements");
    const struct subscription *s = subscription_find(call->world, arn);
    if (!s) /* no error at AWS */
        return call->caller->kind == CALLER_ANONYMOUS ? NULL
                                                      : sns_ask_any(call, STR("SNS:Unsubscribe"));
    TRY(ask_unsubscribe(call, s));
    const struct fault *why = change_subscription(sns, call, s, end, sns, &ended);
    if (why)
        return why->kind == FAULT_ABSENT ? NULL : why;
    bool web = ended.protocol == PROTOCOL_HTTP || ended.protocol == PROTOCOL_HTTPS;
    return web && s->state == SUBSCRIPTION_CONFIRMED
               ? sns_send_confirmation(sns, call, &ended, MESSAGE_UNSUBSCRIBE)
               : NULL;
}

/* ---- seeing ---- */

const struct fault *sns_list_subscriptions(const struct call *call, str topic_arn, str after,
                                           size_t max, const struct subscription **ret_list,
                                           size_t *ret_count)
{
    const struct topic *topic = NULL;
    const void *found;
    str prefix = STR("subscription/"), at = STR_NONE, key;
    if (str_is_none(topic_arn)) {
        TRY(sns_ask_any(call, STR("SNS:ListSubscriptions")));
    } else {
        TRY(sns_find_topic(call, topic_arn, &topic));
        TRY(sns_ask(call, topic, STR("SNS:ListSubscriptionsByTopic"), NULL, 0));
        prefix = subscription_state_key(call->arena, &topic->arn, STR(""));
    }
    const struct subscription *last = after.len ? subscription_find_any(call->world, after) : NULL;
    if (after.len && !last)
        return sns_invalid(call, "NextToken");
    if (last)
        at = subscription_state_key(call->arena, &last->topic, last->id);
    *ret_count = 0;
    while (*ret_count < max && world_next(call->world, prefix, at, &key, &found)) {
        const struct subscription *s = found;
        at = key;
        if (!s || s->state == SUBSCRIPTION_ENDED)
            continue;
        if (topic ||
            (str_eq(s->owner, call->caller->account) && str_eq(s->topic.region, call->region)))
            ret_list[(*ret_count)++] = s;
    }
    return NULL;
}

/* Whoever owns it or its topic. */
static const struct fault *find_own(const struct call *call, str arn, str action,
                                    const struct subscription **ret_subscription)
{
    struct arn parsed;
    if (!arn_parse(arn, &parsed) || !str_eq(parsed.service, STR("sns")) ||
        !str_has(parsed.resource, ':'))
        return sns_invalid(call, "SubscriptionArn Reason: An ARN must have at least 6 elements");
    TRY(sns_ask_any(call, action));
    const struct subscription *s = subscription_find(call->world, arn);
    if (!s || !str_eq(s->topic.region, call->region))
        return no_such(call);
    if (!str_eq(call->caller->account, s->owner) &&
        !str_eq(call->caller->account, s->topic.account))
        return fault_coded(call->arena, FAULT_DENIED, "AuthorizationError",
                           "Account " STR_FMT " is not the owner of subscription " STR_FMT,
                           STR_ARG(call->caller->account), STR_ARG(s->arn));
    *ret_subscription = s;
    return NULL;
}

const struct fault *sns_get_subscription(const struct call *call, str arn,
                                         const struct subscription **ret_subscription)
{
    return find_own(call, arn, STR("SNS:GetSubscriptionAttributes"), ret_subscription);
}

const struct fault *sns_set_subscription_attribute(struct sns_service *sns, const struct call *call,
                                                   str arn, str name, str value)
{
    const struct subscription *s;
    struct subscription changed;
    struct header pair = { name, str_is_none(value) ? STR("") : value };
    TRY(find_own(call, arn, STR("SNS:SetSubscriptionAttributes"), &s));
    return change_subscription(sns, call, s, change_attribute, &pair, &changed);
}
