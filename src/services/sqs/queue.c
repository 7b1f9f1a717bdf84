/* services/sqs/queue.c - queues: their attributes by table, their record, their place in the world.
 */
#include "services/sqs/queue.h"

#include "base/json.h"
#include "services/text_members.h"

enum { NAME_MAX_LEN = 80, KEY_ROOM = 256, RECEIVES_MAX = 1000 };
#define KEY_PREFIX STR("queue/")

bool queue_name_ok(str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if (!ascii_is_alpha(c) && !ascii_is_digit(c) && c != '-' && c != '_')
            return false;
    }
    return name.len > 0 && name.len <= NAME_MAX_LEN;
}

str queue_arn(struct arena *arena, str region, str account, str name)
{
    str partition = region_partition(region);
    return arena_strf(arena, "arn:" STR_FMT ":sqs:" STR_FMT ":" STR_FMT ":" STR_FMT,
                      STR_ARG(partition), STR_ARG(region), STR_ARG(account), STR_ARG(name));
}

str queue_state_key(struct arena *arena, const struct arn *arn)
{
    return arena_strf(arena, "queue/" STR_FMT "/" STR_FMT "/" STR_FMT, STR_ARG(arn->account),
                      STR_ARG(arn->region), STR_ARG(arn->resource));
}

const struct queue *queue_find(const struct world *world, str region, str account, str name)
{
    char key[KEY_ROOM];
    const str parts[] = { KEY_PREFIX, account, STR("/"), region, STR("/"), name };
    size_t len = 0;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (parts[i].len > sizeof key - len)
            return NULL;
        if (parts[i].len)
            memcpy(key + len, parts[i].ptr, parts[i].len);
        len += parts[i].len;
    }
    return world_find(world, (str) { key, len });
}

const struct queue *queue_find_arn(const struct world *world, str text)
{
    struct arn arn;
    if (!arn_parse(text, &arn) || !str_eq(arn.service, STR("sqs")))
        return NULL;
    return queue_find(world, arn.region, arn.account, arn.resource);
}

/* ---- attributes ---- */

static const struct fault *bad_value(struct arena *arena, str name)
{
    return fault_coded(arena, FAULT_SYNTAX, "InvalidAttributeValue",
                       "Invalid value for the parameter " STR_FMT ".", STR_ARG(name));
}

/* clang-format off */
static const struct number { /* SQS API Reference, SetQueueAttributes */
    const char *name;
    size_t at;
    uint64_t least, most;
} numbers[] = {
    { "VisibilityTimeout",             offsetof(struct queue, visibility_s), 0,    43200   },
    { "DelaySeconds",                  offsetof(struct queue, delay_s),      0,    900     },
    { "MessageRetentionPeriod",        offsetof(struct queue, retention_s),  60,   1209600 },
    { "ReceiveMessageWaitTimeSeconds", offsetof(struct queue, wait_s),       0,    20      },
    { "MaximumMessageSize",            offsetof(struct queue, message_max),  1024, 262144  },
};
static const struct { const char *name; size_t at; } texts[] = {
    { "Policy",             offsetof(struct queue, policy_text)        },
    { "RedrivePolicy",      offsetof(struct queue, redrive_text)       },
    { "RedriveAllowPolicy", offsetof(struct queue, redrive_allow_text) },
};
/* What is not built, and the one value that says so. */
static const struct { const char *name; str only; } others[] = {
    { "SqsManagedSseEnabled",      STR_INIT("false") },
    { "FifoQueue",                 STR_INIT("false") },
    { "ContentBasedDeduplication", STR_INIT("false") },
    { "KmsMasterKeyId",            STR_INIT("")      },
};
/* clang-format on */
enum {
    NUMBERS = sizeof numbers / sizeof numbers[0],
    TEXTS = sizeof texts / sizeof texts[0],
    OTHERS = sizeof others / sizeof others[0],
};

static int64_t *number_at(struct queue *queue, size_t i)
{
    return (int64_t *)(void *)((char *)queue + numbers[i].at);
}
static str *text_at(struct queue *queue, size_t i)
{
    return (str *)(void *)((char *)queue + texts[i].at);
}

/* "maxReceiveCount" comes as a number, and as a string from older tools. */
static bool read_receives(const struct json *json, int64_t *ret_count)
{
    uint64_t count;
    *ret_count = json_int(json, "maxReceiveCount", 0);
    if (str_u64(json_str(json, "maxReceiveCount"), &count) && count <= RECEIVES_MAX)
        *ret_count = (int64_t)count;
    return *ret_count >= 1 && *ret_count <= RECEIVES_MAX;
}

static const struct fault *read_redrive(struct queue *queue, struct arena *arena)
{
    const struct json *json;
    struct arn arn;
    queue->dead_letter_arn = STR_NONE;
    if (str_is_none(queue->redrive_text))
        return NULL;
    if (json_parse(queue->redrive_text, arena, &json) || !read_receives(json, &queue->max_receives))
        return bad_value(arena, STR("RedrivePolicy"));
    queue->dead_letter_arn = json_str(json, "deadLetterTargetArn");
    /* One account and one Region: SQS Developer Guide, "Using dead-letter queues". */
    if (!arn_parse(queue->dead_letter_arn, &arn) || !str_eq(arn.service, STR("sqs")) ||
        !str_eq(arn.region, queue->arn.region) || !str_eq(arn.account, queue->arn.account))
        return bad_value(arena, STR("RedrivePolicy"));
    return NULL;
}

static const struct fault *read_policy(struct queue *queue, struct arena *arena)
{
    struct document *policy = ARENA_NEW(arena, struct document);
    queue->policy = NULL;
    if (str_is_none(queue->policy_text))
        return NULL;
    if (!policy)
        return &fault_no_memory;
    if (policy_parse(queue->policy_text, arena, policy))
        return bad_value(arena, STR("Policy"));
    queue->policy = policy;
    return NULL;
}

static const struct fault *set_text(struct queue *queue, size_t i, str value, struct arena *arena)
{
    const struct json *json;
    *text_at(queue, i) = value.len ? value : STR_NONE; /* empty: taken away */
    if (value.len && json_parse(value, arena, &json))
        return bad_value(arena, str_of(texts[i].name));
    TRY(read_policy(queue, arena));
    return read_redrive(queue, arena);
}

const struct fault *queue_set(struct queue *queue, str name, str value, struct arena *arena)
{
    for (size_t i = 0; i < NUMBERS; i++) {
        uint64_t number;
        if (!str_eq(name, str_of(numbers[i].name)))
            continue;
        if (!str_u64(value, &number) || number < numbers[i].least || number > numbers[i].most)
            return bad_value(arena, name);
        *number_at(queue, i) = (int64_t)number;
        return NULL;
    }
    for (size_t i = 0; i < TEXTS; i++)
        if (str_eq(name, str_of(texts[i].name)))
            return set_text(queue, i, value, arena);
    for (size_t i = 0; i < OTHERS; i++)
        if (str_eq(name, str_of(others[i].name)))
            return str_eq(value, others[i].only)
                       ? NULL
                       : fault_coded(arena, FAULT_UNBUILT,
                                     "AWS.SimpleQueueService.UnsupportedOperation",
                                     "%s " STR_FMT " is not built here", others[i].name,
                                     STR_ARG(str_head(value, 128)));
    return fault_coded(arena, FAULT_SYNTAX, "InvalidAttributeName",
                       "Unknown Attribute " STR_FMT ".", STR_ARG(str_head(name, 128)));
}

bool queue_attribute(const struct queue *queue, size_t i, struct arena *arena, str *ret_name,
                     str *ret_value)
{
    struct queue copy = *queue;
    const struct {
        const char *name;
        str value;
    } own[] = {
        { "QueueArn", queue->arn.text },
        { "CreatedTimestamp", arena_strf(arena, "%lld", (long long)queue->created_ms / 1000) },
        { "LastModifiedTimestamp",
          arena_strf(arena, "%lld", (long long)queue->modified_ms / 1000) },
        { "SqsManagedSseEnabled", STR("false") },
    };
    const size_t owns = sizeof own / sizeof own[0];
    if (i < owns) {
        *ret_name = str_of(own[i].name);
        *ret_value = own[i].value;
        return true;
    }
    if ((i -= owns) < NUMBERS) {
        *ret_name = str_of(numbers[i].name);
        *ret_value = arena_strf(arena, "%lld", (long long)*number_at(&copy, i));
        return true;
    }
    if ((i -= NUMBERS) < TEXTS) {
        *ret_name = str_of(texts[i].name);
        *ret_value = *text_at(&copy, i);
        return true;
    }
    return false;
}

/* ---- the record ---- */

void queue_encode(const struct queue *queue, struct buf *out)
{
    struct queue copy = *queue;
    struct json_writer w = json_writer(out);
    json_open(&w, '{');
    json_add_str(&w, "id", queue->id);
    json_add_int(&w, "created_ms", queue->created_ms);
    json_add_int(&w, "modified_ms", queue->modified_ms);
    for (size_t i = 0; i < NUMBERS; i++)
        json_add_int(&w, numbers[i].name, *number_at(&copy, i));
    for (size_t i = 0; i < TEXTS; i++)
        if (!str_is_none(*text_at(&copy, i)))
            json_add_str(&w, texts[i].name, *text_at(&copy, i));
    text_members_put(&w, "tags", queue->tags, queue->tag_count);
    json_close(&w, '}');
}

static const struct fault *read_key(str key, struct arena *arena, struct queue *queue)
{
    str account, region, name, rest = str_from(key, KEY_PREFIX.len);
    if (!str_cut(rest, '/', &account, &rest) || !str_cut(rest, '/', &region, &name) ||
        !account_id_ok(account) || !region_name_ok(region) || !queue_name_ok(name))
        return fault(arena, FAULT_SYNTAX, NULL, "a queue's key wants account, region and name");
    if (!arn_parse(queue_arn(arena, region, account, name), &queue->arn))
        return &fault_no_memory;
    queue->name = queue->arn.resource;
    return NULL;
}

const struct fault *queue_compile(const struct record *record, struct arena *arena,
                                  const void **ret_aggregate)
{
    const struct json *json;
    struct queue *queue = ARENA_NEW(arena, struct queue);
    if (!queue)
        return &fault_no_memory;
    TRY(json_parse(record->value, arena, &json));
    TRY(read_key(record->key, arena, queue));
    queue->id = json_str(json, "id");
    queue->created_ms = json_int(json, "created_ms", 0);
    queue->modified_ms = json_int(json, "modified_ms", 0);
    for (size_t i = 0; i < NUMBERS; i++)
        *number_at(queue, i) = json_int(json, numbers[i].name, 0);
    for (size_t i = 0; i < TEXTS; i++)
        *text_at(queue, i) = json_str(json, texts[i].name);
    if (str_is_none(queue->id))
        return fault(arena, FAULT_SYNTAX, NULL, "a queue's record has no id");
    TRY(text_members_read(json_get(json, "tags"), arena, &queue->tags, &queue->tag_count));
    TRY(read_policy(queue, arena));
    TRY(read_redrive(queue, arena));
    *ret_aggregate = queue;
    return NULL;
}
