/* services/sqs/queues.c - making and removing queues, their attributes and tags. */
#include "services/sqs/embedded.h"

#include "base/random_id.h"

enum { RECORD_MAX = 256 * 1024, TRIES = 16, TAGS_MAX = 50, ID_LEN = 32, ORPHANS = 64 };

/* ---- the service ---- */

/* What lies there of queues that no longer exist: a stop came between the removal of a queue and
 * that of its messages. */
static const struct fault *bury_orphans(struct sqs_service *sqs, struct arena *arena)
{
    const struct world *now = worlds_now(sqs->worlds);
    const struct fault *why = NULL;
    str after = STR("");
    for (size_t count = ORPHANS; !why && count == ORPHANS;) {
        str ids[ORPHANS], key = STR_NONE;
        const void *found;
        why = messages_queues(sqs->messages, after, arena, ids, ORPHANS, &count);
        for (size_t i = 0; !why && i < count; i++) {
            bool owned = false;
            for (key = STR_NONE; !owned && world_next(now, STR("queue/"), key, &key, &found);)
                owned = found && str_eq(((const struct queue *)found)->id, ids[i]);
            why = owned ? NULL : messages_purge(sqs->messages, ids[i], arena);
            after = ids[i];
        }
    }
    world_unref(now);
    return why;
}

const struct fault *sqs_embedded_open(str path, struct state *state, struct worlds *worlds,
                                      struct outside *outside, struct arena *arena,
                                      struct sqs_service **ret_service)
{
    struct sqs_service *sqs = ARENA_NEW(arena, struct sqs_service);
    pthread_condattr_t steady;
    if (!sqs)
        return &fault_no_memory;
    *sqs = (struct sqs_service) { .port = { .send_message = sqs_send_as_port },
                                  .state = state,
                                  .worlds = worlds,
                                  .outside = outside };
    TRY(messages_open(path, outside, arena, &sqs->messages));
    pthread_mutex_init(&sqs->lock, NULL);
    pthread_condattr_init(&steady);
    pthread_condattr_setclock(&steady, CLOCK_MONOTONIC);
    pthread_cond_init(&sqs->arrived, &steady);
    pthread_condattr_destroy(&steady);
    const struct fault *why = bury_orphans(sqs, arena);
    if (why)
        sqs_embedded_close(sqs);
    else
        *ret_service = sqs;
    return why;
}

void sqs_embedded_stop(struct sqs_service *sqs)
{
    if (!sqs)
        return;
    pthread_mutex_lock(&sqs->lock);
    sqs->ending = true;
    pthread_cond_broadcast(&sqs->arrived);
    pthread_mutex_unlock(&sqs->lock);
}

void sqs_embedded_close(struct sqs_service *sqs)
{
    if (!sqs)
        return;
    messages_close(sqs->messages);
    pthread_cond_destroy(&sqs->arrived);
    pthread_mutex_destroy(&sqs->lock);
}

void sqs_wake(struct sqs_service *sqs)
{
    pthread_mutex_lock(&sqs->lock);
    sqs->arrivals++;
    pthread_cond_broadcast(&sqs->arrived);
    pthread_mutex_unlock(&sqs->lock);
}

/* ---- who may ---- */

const struct fault *sqs_no_such_queue(const struct call *call)
{
    return fault_coded(call->arena, FAULT_ABSENT, "AWS.SimpleQueueService.NonExistentQueue",
                       "The specified queue does not exist.");
}

const struct fault *sqs_ask(const struct call *call, const struct queue *queue, str action)
{
    str name = arena_strf(call->arena, "queue policy of " STR_FMT, STR_ARG(queue->name));
    if (str_is_none(name))
        return &fault_no_memory;
    return authorize(call, &(struct ask) { .action = action,
                                           .resource = queue->arn.text,
                                           .resource_account = queue->arn.account,
                                           .resource_policy = queue->policy,
                                           .resource_kind = EXHIBIT_RESOURCE,
                                           .resource_policy_name = name });
}

/* "http://host/111122223333/name": the last two pieces. */
static bool read_url(str url, str *ret_account, str *ret_name)
{
    size_t at = url.len, before;
    while (at > 0 && url.ptr[at - 1] != '/')
        at--;
    if (at == 0)
        return false;
    for (before = at - 1; before > 0 && url.ptr[before - 1] != '/';)
        before--;
    *ret_name = str_from(url, at);
    *ret_account = (str) { url.ptr + before, at - 1 - before };
    return true;
}

const struct fault *sqs_enter(const struct call *call, str url, str action,
                              const struct queue **ret_queue)
{
    str account, name;
    if (url.len == 0)
        return fault_coded(call->arena, FAULT_SYNTAX, "MissingParameter",
                           "The request must contain the parameter QueueUrl.");
    if (!read_url(url, &account, &name))
        return fault_coded(call->arena, FAULT_SYNTAX, "InvalidAddress",
                           "The address " STR_FMT " is not valid for this endpoint.",
                           STR_ARG(str_head(url, 256)));
    *ret_queue = queue_find(call->world, call->region, account, name);
    if (!*ret_queue)
        return sqs_no_such_queue(call);
    return sqs_ask(call, *ret_queue, action);
}

/* ---- changing ---- */

static const struct fault *put(struct sqs_service *sqs, const struct call *call,
                               const struct queue *queue, uint64_t expected)
{
    AUTO_BUF value = buf_new(RECORD_MAX);
    str key = queue_state_key(call->arena, &queue->arn);
    uint64_t revision;
    queue_encode(queue, &value);
    if (str_is_none(key))
        return &fault_no_memory;
    if (value.failed)
        return fault_coded(call->arena, FAULT_LIMIT, "InvalidAttributeValue",
                           "the queue's attributes are too large");
    return sqs->state->ops->put(sqs->state, key, buf_str(&value), expected, call->arena, &revision);
}

typedef const struct fault *change_fn(void *context, const struct call *, struct queue *);

static const struct fault *change(struct sqs_service *sqs, const struct call *call,
                                  const struct queue *queue, change_fn *alter, void *context)
{
    str key = queue_state_key(call->arena, &queue->arn);
    if (str_is_none(key))
        return &fault_no_memory;
    for (int tries = 0; tries < TRIES; tries++) {
        struct record record;
        const void *stored;
        const struct fault *why = sqs->state->ops->get(sqs->state, key, call->arena, &record);
        if (why)
            return why->kind == FAULT_ABSENT ? sqs_no_such_queue(call) : why;
        TRY(queue_compile(&record, call->arena, &stored));
        struct queue changed = *(const struct queue *)stored;
        TRY(alter(context, call, &changed));
        changed.modified_ms = call->now_ms;
        why = put(sqs, call, &changed, record.revision);
        if (!why || why->kind != FAULT_CONFLICT)
            return why;
    }
    return fault(call->arena, FAULT_UNAVAILABLE, NULL, "others keep changing the queue; try again");
}

static const struct fault *set_all(void *context, const struct call *call, struct queue *queue)
{
    const struct sqs_pairs *given = context;
    for (size_t i = 0; i < given->count; i++)
        TRY(queue_set(queue, given->pairs[i].name, given->pairs[i].value, call->arena));
    return NULL;
}

static const struct fault *add_tags(void *context, const struct call *call, struct queue *queue)
{
    const struct sqs_pairs *tags = context;
    struct header *all =
        ARENA_ARRAY(call->arena, struct header, queue->tag_count + tags->count + 1);
    size_t count = 0;
    if (!all)
        return &fault_no_memory;
    for (; count < queue->tag_count; count++)
        all[count] = queue->tags[count];
    for (size_t i = 0; i < tags->count; i++) {
        size_t at = 0;
        while (at < count && !str_eq(all[at].name, tags->pairs[i].name))
            at++;
        all[at] = tags->pairs[i];
        count += at == count;
    }
    queue->tags = all;
    queue->tag_count = count;
    return count <= TAGS_MAX
               ? NULL
               : fault_coded(call->arena, FAULT_SYNTAX, "InvalidParameterValue",
                             "Too many tags added for queue " STR_FMT ".", STR_ARG(queue->name));
}

struct untag {
    const str *keys;
    size_t count;
};

static const struct fault *remove_tags(void *context, const struct call *call, struct queue *queue)
{
    const struct untag *untag = context;
    struct header *left = ARENA_ARRAY(call->arena, struct header, queue->tag_count + 1);
    size_t count = 0;
    if (!left)
        return &fault_no_memory;
    for (size_t i = 0; i < queue->tag_count; i++) {
        bool goes = false;
        for (size_t k = 0; k < untag->count; k++)
            goes = goes || str_eq(queue->tags[i].name, untag->keys[k]);
        if (!goes)
            left[count++] = queue->tags[i];
    }
    queue->tags = left;
    queue->tag_count = count;
    return NULL;
}

/* ---- operations ---- */

static const struct fault *exists_already(const struct call *call, const struct queue *there,
                                          struct sqs_pairs given)
{
    for (size_t i = 0; i < given.count; i++) {
        str name, value;
        struct queue wanted = *there;
        TRY(queue_set(&wanted, given.pairs[i].name, given.pairs[i].value, call->arena));
        for (size_t k = 0; queue_attribute(there, k, call->arena, &name, &value); k++)
            if (str_eq(name, given.pairs[i].name) && !str_eq(value, given.pairs[i].value))
                return fault_coded(call->arena, FAULT_CONFLICT, "QueueAlreadyExists",
                                   "A queue already exists with the same name and a different "
                                   "value for attribute " STR_FMT,
                                   STR_ARG(name));
    }
    return NULL;
}

const struct fault *sqs_create_queue(struct sqs_service *sqs, const struct call *call, str name,
                                     struct sqs_pairs given, struct sqs_pairs tags,
                                     struct arn *ret_arn)
{
    char id[ID_LEN + 1];
    random_hex(sqs->outside->entropy, id, ID_LEN);
    struct queue queue = { .name = name, /* SQS API Reference, CreateQueue: the defaults */
                           .id = { id, ID_LEN },
                           .created_ms = call->now_ms,
                           .modified_ms = call->now_ms,
                           .visibility_s = 30,
                           .retention_s = 345600,
                           .message_max = 262144,
                           .policy_text = STR_NONE,
                           .redrive_text = STR_NONE,
                           .redrive_allow_text = STR_NONE };
    if (str_ends(name, STR(".fifo")))
        return fault_coded(call->arena, FAULT_UNBUILT,
                           "AWS.SimpleQueueService.UnsupportedOperation",
                           "FIFO queues are not built here");
    if (!queue_name_ok(name))
        return fault_coded(
            call->arena, FAULT_SYNTAX, "InvalidParameterValue",
            "Can only include alphanumeric characters, hyphens, or underscores. 1 to "
            "80 in length");
    str arn = queue_arn(call->arena, call->region, call->caller->account, name);
    if (!arn_parse(arn, &queue.arn))
        return &fault_no_memory;
    queue.name = queue.arn.resource;
    TRY(sqs_ask(call, &queue, STR("sqs:CreateQueue")));
    TRY(set_all(&given, call, &queue));
    TRY(add_tags(&tags, call, &queue));
    *ret_arn = queue.arn;
    const struct fault *why = put(sqs, call, &queue, REVISION_NEW);
    if (!why || why->kind != FAULT_CONFLICT)
        return why;
    const struct world *now = worlds_now(sqs->worlds);
    const struct queue *there = queue_find(now, call->region, call->caller->account, name);
    why = there ? exists_already(call, there, given) : why;
    world_unref(now);
    return why;
}

const struct fault *sqs_get_queue(const struct call *call, str owner, str name,
                                  const struct queue **ret_queue)
{
    if (str_is_none(owner))
        owner = call->caller->account;
    *ret_queue = queue_find(call->world, call->region, owner, name);
    return *ret_queue ? sqs_ask(call, *ret_queue, STR("sqs:GetQueueUrl")) : sqs_no_such_queue(call);
}

const struct fault *sqs_list_queues(const struct call *call, str prefix, str after, size_t max,
                                    const struct queue **ret_queues, size_t *ret_count)
{
    const void *found;
    TRY(authorize(call, &(struct ask) { .action = STR("sqs:ListQueues"),
                                        .resource = STR("*"),
                                        .resource_account = call->caller->account }));
    str all = arena_strf(call->arena, "queue/" STR_FMT "/" STR_FMT "/",
                         STR_ARG(call->caller->account), STR_ARG(call->region));
    str from = arena_strf(call->arena, STR_FMT STR_FMT, STR_ARG(all), STR_ARG(prefix));
    str at = after.len ? arena_strf(call->arena, STR_FMT STR_FMT, STR_ARG(all), STR_ARG(after))
                       : STR_NONE;
    if (str_is_none(all) || str_is_none(from) || (after.len && str_is_none(at)))
        return &fault_no_memory;
    *ret_count = 0;
    while (*ret_count < max && world_next(call->world, from, at, &at, &found))
        if (found)
            ret_queues[(*ret_count)++] = found;
    return NULL;
}

const struct fault *sqs_delete_queue(struct sqs_service *sqs, const struct call *call, str url)
{
    const struct queue *queue;
    TRY(sqs_enter(call, url, STR("sqs:DeleteQueue"), &queue));
    str key = queue_state_key(call->arena, &queue->arn);
    if (str_is_none(key))
        return &fault_no_memory;
    struct record record;
    const struct fault *why = sqs->state->ops->get(sqs->state, key, call->arena, &record);
    if (!why)
        why = sqs->state->ops->remove(sqs->state, key, record.revision, call->arena);
    if (why)
        return why->kind == FAULT_ABSENT ? sqs_no_such_queue(call) : why;
    return messages_purge(sqs->messages, queue->id, call->arena);
}

const struct fault *sqs_get_attributes(struct sqs_service *sqs, const struct call *call, str url,
                                       struct sqs_queue_view *ret_view)
{
    TRY(sqs_enter(call, url, STR("sqs:GetQueueAttributes"), &ret_view->queue));
    return messages_count(sqs->messages, ret_view->queue->id, call->now_ms, call->arena,
                          &ret_view->counts);
}

const struct fault *sqs_set_attributes(struct sqs_service *sqs, const struct call *call, str url,
                                       struct sqs_pairs given)
{
    const struct queue *queue;
    TRY(sqs_enter(call, url, STR("sqs:SetQueueAttributes"), &queue));
    return change(sqs, call, queue, set_all, &given);
}

const struct fault *sqs_tag(struct sqs_service *sqs, const struct call *call, str url,
                            struct sqs_pairs tags)
{
    const struct queue *queue;
    TRY(sqs_enter(call, url, STR("sqs:TagQueue"), &queue));
    return change(sqs, call, queue, add_tags, &tags);
}

const struct fault *sqs_untag(struct sqs_service *sqs, const struct call *call, str url,
                              const str *keys, size_t count)
{
    const struct queue *queue;
    struct untag untag = { keys, count };
    TRY(sqs_enter(call, url, STR("sqs:UntagQueue"), &queue));
    return change(sqs, call, queue, remove_tags, &untag);
}

const struct fault *sqs_list_tags(const struct call *call, str url, const struct queue **ret_queue)
{
    return sqs_enter(call, url, STR("sqs:ListQueueTags"), ret_queue);
}

const struct fault *sqs_purge(struct sqs_service *sqs, const struct call *call, str url)
{
    const struct queue *queue;
    TRY(sqs_enter(call, url, STR("sqs:PurgeQueue"), &queue));
    return messages_purge(sqs->messages, queue->id, call->arena);
}
