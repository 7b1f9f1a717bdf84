/* services/s3/gets.c - GetObject, HeadObject and ListObjectsV2. */
#include "base/digest.h"
#include "base/when.h"
#include "services/s3/embedded.h"
#include "services/s3/encryption.h"

enum { CHUNK = 128 * 1024, KEYS_MAX = 1000 };

/* ---- conditions: RFC 9110 13.2.2 ---- */

/* Does the list of quoted ETags, or "*", name this one? */
static bool names_etag(str list, str etag)
{
    str item;
    for (bool more = true; more;) {
        more = str_cut(list, ',', &item, &list);
        item = str_trim(item);
        if (str_starts(item, STR("W/")))
            item = str_from(item, 2);
        if (item.len >= 2 && item.ptr[0] == '"' && item.ptr[item.len - 1] == '"')
            item = (str) { item.ptr + 1, item.len - 2 };
        if (str_eq(item, STR("*")) || str_eq(item, etag))
            return true;
    }
    return false;
}

enum precondition { PRECONDITION_HOLDS, PRECONDITION_FAILED, PRECONDITION_NOT_MODIFIED };

static enum precondition judge(const struct s3_get *get, const struct object_info *info)
{
    int64_t modified_ms = info->modified_ms / 1000 * 1000; /* as Last-Modified says it */
    if (!str_is_none(get->if_match)) {
        if (!names_etag(get->if_match, info->etag))
            return PRECONDITION_FAILED;
    } else if (get->if_unmodified_since_ms && modified_ms > get->if_unmodified_since_ms) {
        return PRECONDITION_FAILED;
    }
    if (!str_is_none(get->if_none_match)) {
        if (names_etag(get->if_none_match, info->etag))
            return PRECONDITION_NOT_MODIFIED;
    } else if (get->if_modified_since_ms && modified_ms <= get->if_modified_since_ms) {
        return PRECONDITION_NOT_MODIFIED;
    }
    return PRECONDITION_HOLDS;
}

/* ---- ranges: RFC 9110 14.1.2; one range, anything else is read as no range at all ---- */

enum range { RANGE_NONE, RANGE_PART, RANGE_UNSATISFIABLE };

/* Digits, as many as there are: where they say more than a number holds, that is beyond any end. */
static bool read_position(str digits, uint64_t *ret_position)
{
    for (size_t i = 0; i < digits.len; i++)
        if (!ascii_is_digit(digits.ptr[i]))
            return false;
    if (digits.len && !str_u64(digits, ret_position))
        *ret_position = UINT64_MAX;
    return digits.len > 0;
}

static enum range cut_range(str text, uint64_t size, uint64_t *ret_from, uint64_t *ret_count)
{
    str first, last;
    uint64_t from, to = UINT64_MAX;
    if (!str_starts_nocase(text, STR("bytes=")))
        return RANGE_NONE;
    if (!str_cut(str_trim(str_from(text, 6)), '-', &first, &last))
        return RANGE_NONE;
    if (last.len && !read_position(last, &to))
        return RANGE_NONE;
    if (first.len == 0) {
        if (last.len == 0)
            return RANGE_NONE;
        if (to == 0 || size == 0)
            return RANGE_UNSATISFIABLE;
        from = to < size ? size - to : 0;
        to = size - 1;
    } else if (!read_position(first, &from) || to < from) {
        return RANGE_NONE;
    }
    if (from >= size)
        return RANGE_UNSATISFIABLE;
    *ret_from = from;
    *ret_count = (to < size - 1 ? to : size - 1) - from + 1;
    return RANGE_PART;
}

/* RFC 9110 13.1.5: a part of what the client holds a part of, else all of it. */
static bool is_part_of(const struct s3_get *get, const struct object_info *info)
{
    str wanted = get->if_range;
    int64_t ms;
    if (str_is_none(wanted))
        return true;
    if (wanted.len == info->etag.len + 2 && wanted.ptr[0] == '"' &&
        wanted.ptr[wanted.len - 1] == '"')
        return str_eq((str) { wanted.ptr + 1, wanted.len - 2 }, info->etag);
    return when_parse_http(wanted, &ms) && ms == info->modified_ms / 1000 * 1000;
}

/* ---- the body ---- */

struct object_body {
    struct body body;
    struct sealed_source source; /* of an encrypted one */
    struct objects *objects;
    struct object_reader *reader;
    struct arena *arena;
    uint64_t at, end;
    struct opener *opener; /* NULL: it lies in the clear */
    char chunk[CHUNK];
};

/* Exactly so many: an object that has become shorter on the disk is never given as if it were
 * whole. */
static const struct fault *read_bytes(struct object_body *b, uint64_t offset, void *to, size_t size)
{
    size_t got;
    TRY(b->objects->ops->read_into(b->reader, offset, to, size, b->arena, &got));
    if (got == size)
        return NULL;
    return fault(b->arena, FAULT_DEFECT, NULL, "an object is shorter on the disk than it was");
}

static const struct fault *read_sealed(struct sealed_source *source, uint64_t offset, void *to,
                                       size_t size)
{
    char *at = (char *)source - offsetof(struct object_body, source);
    return read_bytes((struct object_body *)at, offset, to, size);
}

static const struct fault *read_body(struct body *body, str *ret_chunk)
{
    struct object_body *b = (struct object_body *)body;
    const uint64_t left = b->end - b->at;
    str chunk = { b->chunk, left < CHUNK ? (size_t)left : CHUNK };
    if (b->opener && left)
        TRY(opener_read(b->opener, b->at, &b->source, b->arena, &chunk));
    else if (left)
        TRY(read_bytes(b, b->at, b->chunk, chunk.len));
    *ret_chunk = chunk.len > left ? str_head(chunk, (size_t)left) : chunk;
    b->at += ret_chunk->len;
    return NULL;
}

static void wipe(void *opener)
{
    opener_end(opener);
}

/* The key is asked for as whoever reads: encryption.h. */
static const struct fault *open_sealed(struct s3_service *s3, const struct call *call,
                                       const struct bucket *bucket, str key,
                                       const struct s3_object *object, struct object_body *b)
{
    enum sse_kind kind;
    unsigned char plaintext[CIPHER_KEY_SIZE];
    TRY(encryption_open(s3, call, bucket, key, object->info.headers_json, &kind, plaintext));
    if (kind == SSE_NONE)
        return NULL;
    b->opener = ARENA_NEW(call->arena, struct opener);
    if (b->opener && !arena_on_reset(call->arena, wipe, b->opener))
        b->opener = NULL;
    if (b->opener) {
        memcpy(b->opener->key, plaintext, sizeof plaintext);
        b->opener->size = object->info.size;
        b->opener->piece = UINT64_MAX;
    }
    bytes_forget(plaintext, sizeof plaintext);
    return b->opener ? NULL : &fault_no_memory;
}

static const struct fault *open_body(struct s3_service *s3, const struct call *call,
                                     const struct bucket *bucket, str key,
                                     const struct s3_object *object, struct object_reader *reader,
                                     struct body **ret_body)
{
    struct object_body *b = ARENA_NEW(call->arena, struct object_body);
    if (!b)
        return &fault_no_memory;
    b->body = (struct body) { .read = read_body, .size = object->count };
    b->objects = s3->objects;
    b->reader = reader;
    b->arena = call->arena;
    b->at = object->from;
    b->end = object->from + object->count;
    b->source = (struct sealed_source) { read_sealed };
    TRY(open_sealed(s3, call, bucket, key, object, b));
    *ret_body = &b->body;
    return NULL;
}

/* ---- the operations ---- */

/* Who may not list is not told that a key is absent (API Reference, GetObject, "Permissions"). */
static const struct fault *absent(const struct call *call, const struct bucket *bucket)
{
    TRY(s3_ask_bucket(call, bucket, STR("s3:ListBucket")));
    return fault_coded(call->arena, FAULT_ABSENT, "NoSuchKey", "The specified key does not exist.");
}

const struct fault *s3_get_object(struct s3_service *s3, const struct call *call,
                                  const struct s3_get *get, struct s3_object *ret_object)
{
    const struct bucket *bucket;
    TRY(s3_find_bucket(call, get->bucket, &bucket));
    TRY(s3_ask(call, bucket,
               &(struct s3_question) { .action = STR("s3:GetObject"), .key = get->key }));
    struct s3_object object = { 0 };
    struct object_reader *reader = NULL;
    const struct fault *why =
        get->with_body
            ? s3->objects->ops->open(s3->objects, get->bucket, get->key, call->arena, &object.info,
                                     &reader)
            : s3->objects->ops->head(s3->objects, get->bucket, get->key, call->arena, &object.info);
    if (why)
        return why->kind == FAULT_ABSENT ? absent(call, bucket) : why;
    enum precondition precondition = judge(get, &object.info);
    if (precondition == PRECONDITION_FAILED)
        return fault_coded(call->arena, FAULT_SYNTAX, "PreconditionFailed",
                           "At least one of the pre-conditions you specified did not hold");
    object.not_modified = precondition == PRECONDITION_NOT_MODIFIED;
    object.count = object.info.size;
    enum range range = RANGE_NONE;
    if (is_part_of(get, &object.info))
        range = cut_range(get->range, object.info.size, &object.from, &object.count);
    if (range == RANGE_UNSATISFIABLE && !object.not_modified)
        return fault_coded(call->arena, FAULT_SYNTAX, "InvalidRange",
                           "The requested range is not satisfiable");
    object.partial = range == RANGE_PART;
    if (get->with_body && !object.not_modified)
        TRY(open_body(s3, call, bucket, get->key, &object, reader, &object.body));
    *ret_object = object;
    return NULL;
}

static const struct fault *ask_list(const struct call *call, const struct bucket *bucket,
                                    const struct s3_list *list)
{
    str max_keys = arena_strf(call->arena, "%zu", list->max_keys);
    struct context_key keys[3];
    size_t count = 0;
    if (list->has_prefix)
        keys[count++] = (struct context_key) { STR("s3:prefix"), &list->prefix, 1, false };
    if (list->has_delimiter)
        keys[count++] = (struct context_key) { STR("s3:delimiter"), &list->delimiter, 1, false };
    if (list->has_max_keys)
        keys[count++] = (struct context_key) { STR("s3:max-keys"), &max_keys, 1, false };
    struct context_key *kept = ARENA_ARRAY(call->arena, struct context_key, 3);
    str *values = ARENA_ARRAY(call->arena, str, 3);
    if (!kept || !values || str_is_none(max_keys))
        return &fault_no_memory;
    for (size_t i = 0; i < count; i++) { /* a denial keeps them */
        values[i] = *keys[i].values;
        kept[i] = keys[i];
        kept[i].values = &values[i];
    }
    return s3_ask(call, bucket,
                  &(struct s3_question) {
                      .action = STR("s3:ListBucket"), .context = kept, .context_count = count });
}

const struct fault *s3_list_objects(struct s3_service *s3, const struct call *call,
                                    const struct s3_list *list, struct object_entry **ret_entries,
                                    size_t *ret_count, bool *ret_more)
{
    const struct bucket *bucket;
    TRY(s3_find_bucket(call, list->bucket, &bucket));
    TRY(ask_list(call, bucket, list));
    if (list->max_keys == 0) {
        *ret_entries = NULL;
        *ret_count = 0;
        *ret_more = false;
        return NULL;
    }
    struct object_range range = { .bucket = list->bucket,
                                  .prefix = list->prefix,
                                  .delimiter = list->delimiter,
                                  .after = list->after,
                                  .max = list->max_keys < KEYS_MAX ? list->max_keys : KEYS_MAX };
    return s3->objects->ops->list(s3->objects, &range, call->arena, ret_entries, ret_count,
                                  ret_more);
}
