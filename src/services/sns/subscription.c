/* services/sns/subscription.c - subscriptions: their record and their place in the world. */
#include "services/sns/subscription.h"

#include "base/json.h"

#define KEY_PREFIX STR("subscription/")
enum { KEY_ROOM = 512, ID_MAX = 64 };

/* clang-format off */
static const str protocol_names[PROTOCOLS] = {
    [PROTOCOL_HTTP] = STR_INIT("http"), [PROTOCOL_HTTPS]  = STR_INIT("https"),
    [PROTOCOL_SQS]  = STR_INIT("sqs"),  [PROTOCOL_LAMBDA] = STR_INIT("lambda"),
};
static const str state_names[] = {
    [SUBSCRIPTION_PENDING]   = STR_INIT("pending"),
    [SUBSCRIPTION_CONFIRMED] = STR_INIT("confirmed"),
    [SUBSCRIPTION_ENDED]     = STR_INIT("ended"),
};
/* clang-format on */
enum { STATES = sizeof state_names / sizeof state_names[0] };

str protocol_name(enum protocol protocol)
{
    return protocol_names[protocol];
}

bool protocol_of(str name, enum protocol *ret_protocol)
{
    for (size_t i = 0; i < PROTOCOLS; i++)
        if (str_eq(name, protocol_names[i])) {
            *ret_protocol = (enum protocol)i;
            return true;
        }
    return false;
}

/* ---- keys ---- */

static str key_to(char room[KEY_ROOM], const struct arn *topic, str name, str id)
{
    const str parts[] = { KEY_PREFIX, topic->account, STR("/"), topic->region,
                          STR("/"),   name,           STR("/"), id };
    size_t len = 0;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (parts[i].len > KEY_ROOM - len)
            return STR_NONE;
        if (parts[i].len)
            memcpy(room + len, parts[i].ptr, parts[i].len);
        len += parts[i].len;
    }
    return (str) { room, len };
}

str subscription_state_key(struct arena *arena, const struct arn *topic, str id)
{
    char room[KEY_ROOM];
    str key = key_to(room, topic, topic->resource, id);
    return str_is_none(key) ? key : arena_str(arena, key);
}

const struct subscription *subscription_find_any(const struct world *world, str text)
{
    char room[KEY_ROOM];
    struct arn arn;
    str name, id;
    if (!arn_parse(text, &arn) || !str_cut(arn.resource, ':', &name, &id))
        return NULL;
    str key = key_to(room, &arn, name, id);
    const struct subscription *s = str_is_none(key) ? NULL : world_find(world, key);
    return s && str_eq(s->arn, text) ? s : NULL;
}

const struct subscription *subscription_find(const struct world *world, str arn)
{
    const struct subscription *s = subscription_find_any(world, arn);
    return s && s->state != SUBSCRIPTION_ENDED ? s : NULL;
}

bool subscription_next(const struct world *world, const struct arn *topic, str *key,
                       const struct subscription **ret_subscription)
{
    char room[KEY_ROOM];
    const void *found = NULL;
    str prefix = key_to(room, topic, topic->resource, STR(""));
    while (!str_is_none(prefix) && world_next(world, prefix, *key, key, &found))
        if (found) {
            *ret_subscription = found;
            return true;
        }
    return false;
}

/* ---- the record ---- */

static const struct {
    const char *name;
    size_t at;
} texts[] = {
    { "endpoint", offsetof(struct subscription, endpoint) },
    { "owner", offsetof(struct subscription, owner) },
    { "principal", offsetof(struct subscription, principal) },
    { "token", offsetof(struct subscription, token) },
    { "raw", offsetof(struct subscription, raw) },
    { "filter_scope", offsetof(struct subscription, filter_scope) },
    { "filter_policy", offsetof(struct subscription, filter_policy) },
    { "delivery_policy", offsetof(struct subscription, delivery_policy_text) },
    { "redrive_policy", offsetof(struct subscription, redrive_policy) },
};
enum { TEXTS = sizeof texts / sizeof texts[0] };

static str *text_at(struct subscription *s, size_t i)
{
    return (str *)(void *)((char *)s + texts[i].at);
}

void subscription_encode(const struct subscription *s, struct buf *out)
{
    struct subscription copy = *s;
    struct json_writer w = json_writer(out);
    json_open(&w, '{');
    json_add_str(&w, "protocol", protocol_names[s->protocol]);
    json_add_str(&w, "state", state_names[s->state]);
    for (size_t i = 0; i < TEXTS; i++)
        if (!str_is_none(*text_at(&copy, i)))
            json_add_str(&w, texts[i].name, *text_at(&copy, i));
    json_add_int(&w, "created_ms", s->created_ms);
    json_add_int(&w, "token_until_ms", s->token_until_ms);
    json_add_bool(&w, "authenticated", s->authenticated);
    json_add_bool(&w, "only_owner_ends", s->only_owner_ends);
    json_close(&w, '}');
}

static const struct fault *read_key(str key, struct arena *arena, struct subscription *s)
{
    str account, region, name, rest = arena_str(arena, str_from(key, KEY_PREFIX.len));
    if (!str_cut(rest, '/', &account, &rest) || !str_cut(rest, '/', &region, &rest) ||
        !str_cut(rest, '/', &name, &s->id) || s->id.len == 0 || s->id.len > ID_MAX)
        return fault(arena, FAULT_SYNTAX, NULL,
                     "a subscription's key wants account, region, topic and id");
    str partition = region_partition(region);
    s->arn = arena_strf(arena,
                        "arn:" STR_FMT ":sns:" STR_FMT ":" STR_FMT ":" STR_FMT ":" STR_FMT,
                        STR_ARG(partition), STR_ARG(region), STR_ARG(account), STR_ARG(name),
                        STR_ARG(s->id));
    str topic = arena_str(arena, str_head(s->arn, s->arn.len - s->id.len - 1));
    return arn_parse(topic, &s->topic) ? NULL : &fault_no_memory;
}

const struct fault *redrive_policy_read(str text, struct arena *arena, str *ret_arn)
{
    const struct json *json;
    struct arn arn;
    if (json_parse(text, arena, &json) || json_kind(json) != JSON_OBJECT)
        return fault(arena, FAULT_SYNTAX, NULL, "RedrivePolicy: failed to parse JSON.");
    *ret_arn = json_str(json, "deadLetterTargetArn");
    if (!arn_parse(*ret_arn, &arn) || !str_eq(arn.service, STR("sqs")) ||
        !account_id_ok(arn.account) || arn.resource.len == 0)
        return fault(arena, FAULT_SYNTAX, NULL,
                     "RedrivePolicy: deadLetterTargetArn is an invalid arn");
    return NULL;
}

static const struct fault *read_policies(struct subscription *s, struct arena *arena)
{
    enum filter_scope scope =
        str_eq(s->filter_scope, STR("MessageBody")) ? FILTER_BODY : FILTER_ATTRIBUTES;
    if (!str_is_none(s->filter_policy))
        TRY(filter_read(s->filter_policy, scope, arena, &s->filter));
    if (!str_is_none(s->delivery_policy_text))
        TRY(delivery_policy_read(s->delivery_policy_text, false, arena, &s->delivery));
    if (!str_is_none(s->redrive_policy))
        TRY(redrive_policy_read(s->redrive_policy, arena, &s->dead_letter_arn));
    return NULL;
}

const struct fault *subscription_compile(const struct record *record, struct arena *arena,
                                         const void **ret_aggregate)
{
    const struct json *json;
    struct subscription *s = ARENA_NEW(arena, struct subscription);
    if (!s)
        return &fault_no_memory;
    TRY(json_parse(record->value, arena, &json));
    TRY(read_key(record->key, arena, s));
    size_t state = 0;
    while (state < STATES && !str_eq(json_str(json, "state"), state_names[state]))
        state++;
    if (state == STATES || !protocol_of(json_str(json, "protocol"), &s->protocol))
        return fault(arena, FAULT_SYNTAX, NULL, "a subscription of no known state or protocol");
    s->state = (enum subscription_state)state;
    for (size_t i = 0; i < TEXTS; i++)
        *text_at(s, i) = json_str(json, texts[i].name);
    s->created_ms = json_int(json, "created_ms", 0);
    s->token_until_ms = json_int(json, "token_until_ms", 0);
    s->authenticated = json_bool(json, "authenticated", false);
    s->only_owner_ends = json_bool(json, "only_owner_ends", false);
    if (!account_id_ok(s->owner) || str_is_none(s->endpoint))
        return fault(arena, FAULT_SYNTAX, NULL, "a subscription without owner or endpoint");
    TRY(read_policies(s, arena));
    *ret_aggregate = s;
    return NULL;
}
