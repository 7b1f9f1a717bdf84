/* services/s3/puts.c - PutObject, pushed by the API or pulled from an action's body; DeleteObject.
 */
#include "base/digest.h"
#include "base/hex.h"
#include "base/json.h"
#include "services/s3/checksums.h"
#include "services/s3/embedded.h"
#include "services/s3/encryption.h"

enum {
    USER_METADATA_MAX = 2048, /* names and values together: User Guide, "Working with metadata" */
    HEADERS_MAX = 64 * 1024,
};
#define META STR("x-amz-meta-")

struct s3_upload {
    struct s3_service *service;
    struct object_upload *upload;
    str bucket, key;
    int64_t bucket_created_ms;
    bool if_none_match;
    struct checksums checksums;
    struct sealed_sink sink;
    struct sealer *sealer; /* NULL: the bytes lie in the clear */
    struct digest *md5;    /* of the plaintext, which is the ETag of SSE-S3; else NULL */
    struct arena *arena;
};

/* SES writes without a role only to Regions in which it receives (ses-receiving spec 13.2 row 12).
 */
static const struct fault *ask_region(const struct s3_service *s3, const struct call *call,
                                      const struct bucket *bucket)
{
    if (call->caller->kind != CALLER_SERVICE)
        return NULL;
    bool receives = false;
    for (size_t i = 0; i < s3->receiving_region_count; i++)
        receives |= str_eq(s3->receiving_regions[i], bucket->region);
    if (s3->receiving_region_count == 0)
        receives = region_receives_mail(bucket->region) || str_eq(bucket->region, call->region);
    if (receives)
        return NULL;
    return fault_coded(call->arena, FAULT_DENIED, "AccessDenied",
                       "the bucket " STR_FMT " is in " STR_FMT ", a Region in which SES does not "
                       "receive: to write there the action needs an IAM role",
                       STR_ARG(bucket->name), STR_ARG(bucket->region));
}

static const struct fault *check_put(const struct call *call, const struct s3_put *put)
{
    size_t metadata = 0;
    for (size_t i = 0; i < put->header_count; i++)
        if (str_starts_nocase(put->headers[i].name, META))
            metadata += put->headers[i].name.len - META.len + put->headers[i].value.len;
    if (put->key.len == 0)
        return fault_coded(call->arena, FAULT_SYNTAX, "InvalidArgument",
                           "The key of an object is not empty");
    if (metadata > USER_METADATA_MAX)
        return fault_coded(call->arena, FAULT_SYNTAX, "MetadataTooLarge",
                           "Your metadata headers exceed the maximum allowed metadata size");
    return NULL;
}

static const struct fault *ask_put(const struct call *call, const struct bucket *bucket,
                                   const struct s3_put *put)
{
    struct context_key *keys =
        ARENA_ARRAY(call->arena, struct context_key, put->condition_count + 1);
    if (!keys)
        return &fault_no_memory;
    for (size_t i = 0; i < put->condition_count; i++)
        keys[i] = (struct context_key) { .name = put->conditions[i].name,
                                         .values = &put->conditions[i].value,
                                         .count = 1 };
    return s3_ask(call, bucket,
                  &(struct s3_question) { .action = STR("s3:PutObject"),
                                          .key = put->key,
                                          .context = keys,
                                          .context_count = put->condition_count,
                                          .remedy_resource = put->remedy_resource });
}

static const struct fault *not_new(const struct call *call)
{
    return fault_coded(call->arena, FAULT_SYNTAX, "PreconditionFailed",
                       "At least one of the pre-conditions you specified did not hold");
}

/* Before the bytes come, to spare them; what is promised is judged when the object is made. */
static const struct fault *must_be_new(struct s3_service *s3, const struct call *call, str bucket,
                                       str key)
{
    struct object_info info;
    const struct fault *why = s3->objects->ops->head(s3->objects, bucket, key, call->arena, &info);
    if (why)
        return why->kind == FAULT_ABSENT ? NULL : why;
    return not_new(call);
}

/* {"content-type":"...","x-amz-meta-a":"..."}: names in lower case, one member a name. */
static str headers_json(const struct s3_put *put, const struct object_key *object_key,
                        struct arena *arena)
{
    AUTO_BUF out = buf_new(HEADERS_MAX);
    struct json_writer w = json_writer(&out);
    json_open(&w, '{');
    for (size_t i = 0; i < object_key->header_count; i++) {
        json_name(&w, object_key->headers[i].name);
        json_put_str(&w, object_key->headers[i].value);
    }
    for (size_t i = 0; i < put->header_count; i++) {
        str name = arena_str(arena, put->headers[i].name);
        for (size_t c = 0; c < name.len; c++)
            ((char *)(uintptr_t)name.ptr)[c] = ascii_lower(name.ptr[c]);
        json_name(&w, name);
        json_put_str(&w, put->headers[i].value);
        out.failed |= str_is_none(name);
    }
    json_close(&w, '}');
    return out.failed ? STR_NONE : arena_str(arena, buf_str(&out));
}

/* All that is decided before the first byte. Nothing is changed by it. The caller wipes the key. */
static const struct fault *judge_put(struct s3_service *s3, struct kms_port *kms,
                                     const struct call *call, const struct s3_put *put,
                                     const struct bucket **ret_bucket,
                                     enum sse_kind *ret_encryption, struct object_key *ret_key)
{
    TRY(s3_find_bucket(call, put->bucket, ret_bucket));
    TRY(ask_put(call, *ret_bucket, put));
    TRY(ask_region(s3, call, *ret_bucket));
    TRY(check_put(call, put));
    if (put->if_none_match)
        TRY(must_be_new(s3, call, put->bucket, put->key));
    const struct object_encryption encryption = encryption_of(*ret_bucket, put);
    *ret_encryption = encryption.kind;
    return encryption_key(s3, kms, call, *ret_bucket, put, &encryption, ret_key);
}

static const struct fault *write_sealed(struct sealed_sink *sink, str bytes)
{
    char *at = (char *)sink - offsetof(struct s3_upload, sink);
    const struct s3_upload *u = (const struct s3_upload *)at;
    return u->service->objects->ops->write(u->upload, bytes, u->arena);
}

static void wipe(void *sealer)
{
    sealer_end(sealer);
}

static const struct fault *begin_sealing(struct s3_upload *u, enum sse_kind kind,
                                         const struct object_key *key, struct arena *arena)
{
    if (kind == SSE_NONE)
        return NULL;
    u->sealer = ARENA_NEW(arena, struct sealer);
    if (!u->sealer || !arena_on_reset(arena, wipe, u->sealer))
        return &fault_no_memory;
    memcpy(u->sealer->key, key->plaintext, sizeof u->sealer->key);
    u->sink = (struct sealed_sink) { write_sealed };
    u->arena = arena;
    if (kind == SSE_S3)
        u->md5 = digest_new(DIGEST_MD5);
    return kind == SSE_S3 && !u->md5 ? &fault_no_memory : NULL;
}

const struct fault *s3_put_begin(struct s3_service *s3, const struct call *call,
                                 const struct s3_put *put, struct s3_upload **ret_upload)
{
    const struct bucket *bucket;
    enum sse_kind encryption;
    struct object_key key;
    TRY(judge_put(s3, s3->kms, call, put, &bucket, &encryption, &key));
    struct s3_upload *u = ARENA_NEW(call->arena, struct s3_upload);
    str headers = headers_json(put, &key, call->arena);
    bool ready = u && headers.ptr && !begin_sealing(u, encryption, &key, call->arena);
    bytes_forget(key.plaintext, sizeof key.plaintext);
    if (!ready)
        return &fault_no_memory;
    u->service = s3;
    u->bucket = bucket->name;
    u->key = arena_str(call->arena, put->key);
    u->bucket_created_ms = bucket->created_ms;
    u->if_none_match = put->if_none_match;
    if (!str_is_none(put->content_md5)) {
        if (!checksums_expect(&u->checksums, CHECKSUM_MD5, put->content_md5)) {
            digest_free(u->md5);
            return fault_coded(call->arena, FAULT_SYNTAX, "InvalidDigest",
                               "The Content-MD5 you specified was invalid.");
        }
        if (!checksums_count(&u->checksums, CHECKSUM_MD5)) {
            digest_free(u->md5);
            return &fault_no_memory;
        }
    }
    const struct fault *why = s3->objects->ops->begin(s3->objects, bucket->name, put->key, headers,
                                                      call->arena, &u->upload);
    if (why) {
        checksums_free(&u->checksums);
        digest_free(u->md5);
        return why;
    }
    *ret_upload = u;
    return NULL;
}

static const struct fault *kind_of(const struct call *call, str algorithm,
                                   enum checksum_kind *ret_kind)
{
    if (checksum_kind_of(algorithm, ret_kind) && *ret_kind != CHECKSUM_MD5)
        return NULL;
    return fault_coded(call->arena, FAULT_UNBUILT, "NotImplemented",
                       "the checksum algorithm " STR_FMT " is not implemented", STR_ARG(algorithm));
}

const struct fault *s3_put_checksum(struct s3_upload *u, const struct call *call, str algorithm)
{
    enum checksum_kind kind;
    TRY(kind_of(call, algorithm, &kind));
    return checksums_count(&u->checksums, kind) ? NULL : &fault_no_memory;
}

const struct fault *s3_put_expect(struct s3_upload *u, const struct call *call, str algorithm,
                                  str base64)
{
    enum checksum_kind kind;
    TRY(kind_of(call, algorithm, &kind));
    if (checksums_expect(&u->checksums, kind, base64))
        return NULL;
    return fault_coded(call->arena, FAULT_SYNTAX, "InvalidRequest",
                       "Value for x-amz-checksum-" STR_FMT " header is invalid.",
                       STR_ARG(algorithm));
}

const struct fault *s3_put_write(struct s3_upload *u, const struct call *call, str chunk)
{
    checksums_add(&u->checksums, chunk);
    if (u->md5)
        digest_add(u->md5, chunk);
    if (u->sealer)
        return sealer_add(u->sealer, chunk, &u->sink);
    return u->service->objects->ops->write(u->upload, chunk, call->arena);
}

void s3_put_cancel(struct s3_upload *u)
{
    if (!u)
        return;
    checksums_free(&u->checksums);
    digest_free(u->md5);
    u->service->objects->ops->cancel(u->upload);
}

/* The last piece, and what is told of the object: its own size, and of SSE-S3 its own MD5. */
static const struct fault *end_sealing(struct s3_upload *u)
{
    unsigned char md5[MD5_SIZE];
    char etag[2 * MD5_SIZE];
    str shown = STR("");
    if (!u->sealer)
        return NULL;
    if (u->md5) {
        digest_end(u->md5, md5);
        hex_encode(etag, md5, sizeof md5);
        shown = (str) { etag, sizeof etag };
    }
    digest_free(u->md5);
    u->md5 = NULL;
    u->service->objects->ops->show(u->upload, u->sealer->size, shown);
    return sealer_last(u->sealer, &u->sink);
}

/* The bucket may have gone, or gone and come again as another's, while the bytes arrived. Asked
 * when the object is there: whoever deletes the bucket later finds it not empty. */
static bool bucket_stands(const struct s3_upload *u)
{
    const struct world *now = worlds_now(u->service->worlds);
    const struct bucket *bucket = bucket_find(now, u->bucket);
    bool stands = bucket && bucket->created_ms == u->bucket_created_ms;
    world_unref(now);
    return stands;
}

static const struct fault *s3_put_hand_in(struct s3_upload *u, const struct call *call)
{
    struct objects *objects = u->service->objects;
    const struct fault *why = checksums_end(&u->checksums, call->arena);
    const struct fault *unsealed = end_sealing(u);
    if (!why)
        why = unsealed;
    if (why) {
        objects->ops->cancel(u->upload);
        return why;
    }
    why = objects->ops->hand_in(u->upload, u->if_none_match ? OBJECT_NEW : OBJECT_ANY, call->arena);
    return why && why->kind == FAULT_ABSENT ? s3_no_such_bucket(call) : why;
}

static const struct fault *s3_put_await(struct s3_upload *u, const struct call *call,
                                 struct object_info *ret_info)
{
    struct objects *objects = u->service->objects;
    const struct fault *why = objects->ops->await(u->upload, call->arena, ret_info);
    if (why && why->kind == FAULT_CONFLICT)
        return not_new(call);
    if (why)
        return why->kind == FAULT_ABSENT ? s3_no_such_bucket(call) : why;
    if (bucket_stands(u))
        return NULL;
    objects->ops->remove(objects, u->bucket, u->key, call->arena);
    return s3_no_such_bucket(call);
}

const struct fault *s3_put_finish(struct s3_upload *u, const struct call *call,
                                  struct object_info *ret_info)
{
    TRY(s3_put_hand_in(u, call));
    return s3_put_await(u, call, ret_info);
}

/* ---- the port ---- */

static const struct fault *copy_body(struct s3_upload *u, const struct call *call,
                                     struct body *body)
{
    for (;;) {
        str chunk;
        TRY(body->read(body, &chunk));
        if (chunk.len == 0)
            return NULL;
        TRY(s3_put_write(u, call, chunk));
    }
}

/* The S3 put that an action's put comes to. */
static const struct fault *put_of(const struct put_object *from, struct arena *a,
                                  struct s3_put *ret_put)
{
    struct header *headers = ARENA_ARRAY(a, struct header, from->metadata_count + 1);
    if (!headers)
        return &fault_no_memory;
    headers[0] = (struct header) { STR("content-type"), str_is_none(from->content_type)
                                                            ? STR("binary/octet-stream")
                                                            : from->content_type };
    for (size_t i = 0; i < from->metadata_count; i++)
        headers[1 + i] =
            (struct header) { arena_strf(a, "x-amz-meta-" STR_FMT, STR_ARG(from->metadata[i].name)),
                              from->metadata[i].value };
    *ret_put = (struct s3_put) { .bucket = from->bucket,
                                 .key = from->key,
                                 .headers = headers,
                                 .header_count = from->metadata_count + 1,
                                 .content_md5 = STR_NONE,
                                 .multipart = from->may_be_multipart,
                                 .remedy_resource = from->remedy_resource };
    return NULL;
}

const struct fault *s3_put_object_begin(struct s3_port *port, const struct call *call,
                                        const struct put_object *from, struct s3_upload **ret_upload)
{
    struct s3_service *s3 = (struct s3_service *)port;
    struct s3_put put;
    struct s3_upload *u;
    TRY(put_of(from, call->arena, &put));
    TRY(s3_put_begin(s3, call, &put, &u));
    const struct fault *why = copy_body(u, call, from->body);
    if (why) {
        s3_put_cancel(u);
        return why;
    }
    *ret_upload = u;
    return s3_put_hand_in(u, call);
}

const struct fault *s3_put_object_await(struct s3_upload *u, const struct call *call)
{
    struct object_info info;
    return s3_put_await(u, call, &info);
}

const struct fault *s3_put_object(struct s3_port *port, const struct call *call,
                                  const struct put_object *from)
{
    struct s3_upload *u;
    TRY(s3_put_object_begin(port, call, from, &u));
    return s3_put_object_await(u, call);
}

const struct fault *s3_rehearse_put(struct s3_port *port, const struct call *call,
                                    const struct put_object *from)
{
    struct s3_service *s3 = ((struct s3_rehearsal *)port)->service;
    const struct bucket *bucket;
    enum sse_kind encryption;
    struct object_key key;
    struct s3_put put;
    TRY(put_of(from, call->arena, &put));
    TRY(judge_put(s3, s3->rehearsal_kms, call, &put, &bucket, &encryption, &key));
    bytes_forget(key.plaintext, sizeof key.plaintext);
    return NULL;
}

const struct fault *s3_delete_object(struct s3_service *s3, const struct call *call, str name,
                                     str key)
{
    const struct bucket *bucket;
    TRY(s3_find_bucket(call, name, &bucket));
    TRY(s3_ask(call, bucket,
               &(struct s3_question) { .action = STR("s3:DeleteObject"), .key = key }));
    return s3->objects->ops->remove(s3->objects, name, key, call->arena);
}
