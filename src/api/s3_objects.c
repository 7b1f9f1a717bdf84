/* api/s3_objects.c - the S3 operations on objects: a put as it streams in, a get as it streams out.
 */
#include "api/run.h"
#include "api/s3_shape.h"
#include "base/json.h"
#include "base/utf8.h"
#include "base/when.h"
#include "services/s3/encryption.h"

enum {
    NO_CONTENT = 204,
    PARTIAL_CONTENT = 206,
    NOT_MODIFIED = 304,
};
static const uint64_t put_max = 5ull << 30; /* of one PutObject: "Amazon S3 quotas" */

#define META     STR("x-amz-meta-")
#define CHECKSUM STR("x-amz-checksum-") /* kept, to be shown again */

/* Headers of a put that come back with the object, and the query that overrides them in a get. */
/* clang-format off */
static const struct { str name; const char *override; const char *shown; } kept[] = {
    { STR_INIT("content-type"),        "response-content-type",        "Content-Type"        },
    { STR_INIT("cache-control"),       "response-cache-control",       "Cache-Control"       },
    { STR_INIT("content-disposition"), "response-content-disposition", "Content-Disposition" },
    { STR_INIT("content-encoding"),    "response-content-encoding",    "Content-Encoding"    },
    { STR_INIT("content-language"),    "response-content-language",    "Content-Language"    },
    { STR_INIT("expires"),             "response-expires",             "Expires"             },
};
/* Headers of a put that policies may look at: Service Authorization Reference, "Condition keys for Amazon S3". */
static const struct { const char *header; str key; } conditions[] = {
    { "x-amz-acl",           STR_INIT("s3:x-amz-acl")           },
    { "x-amz-storage-class", STR_INIT("s3:x-amz-storage-class") },
    { "x-amz-copy-source",   STR_INIT("s3:x-amz-copy-source")   },
    { "x-amz-metadata-directive", STR_INIT("s3:x-amz-metadata-directive") },
    { SSE_HEADER,            STR_INIT("s3:x-amz-server-side-encryption") },
    { SSE_KEY_HEADER,        STR_INIT("s3:x-amz-server-side-encryption-aws-kms-key-id") },
};
/* clang-format on */
#define COUNT(array) (sizeof(array) / sizeof *(array))

/* ---- PutObject ---- */

struct put_stream {
    const struct api_call *call;
    struct s3_upload *upload;
    struct s3_checksum checksum;
};

/* "aws-chunked" is how the bytes came, not what they are. */
static str without_chunked(str encodings, struct arena *arena)
{
    str item, out = STR("");
    for (bool more = true; more;) {
        more = str_cut(encodings, ',', &item, &encodings);
        item = str_trim(item);
        if (item.len && !str_eq_nocase(item, STR("aws-chunked")))
            out = out.len ? arena_strf(arena, STR_FMT "," STR_FMT, STR_ARG(out), STR_ARG(item))
                          : item;
    }
    return out;
}

/* A field of HTTP holds bytes, and what is kept of an object is text: each byte is kept as the
 * character of its number (ISO-8859-1), whatever it meant, and shown as that byte again. */
static str text_of_bytes(str bytes, struct arena *arena)
{
    if (utf8_is_ascii(bytes))
        return bytes;
    char *text = ARENA_ARRAY(arena, char, 2 * bytes.len);
    size_t len = 0;
    for (size_t i = 0; text && i < bytes.len; i++)
        len += utf8_put(text + len, (unsigned char)bytes.ptr[i]);
    return text ? (str) { text, len } : STR_NONE;
}

static str bytes_of_text(str text, struct arena *arena)
{
    if (utf8_is_ascii(text))
        return text;
    char *bytes = ARENA_ARRAY(arena, char, text.len);
    size_t len = 0;
    for (struct cursor in = cursor_of(text); bytes && cursor_left(&in) > 0;) {
        uint32_t character = utf8_next(&in);
        if (character > 0xff) /* nothing that came as a byte */
            return text;
        bytes[len++] = (char)character;
    }
    return bytes ? (str) { bytes, len } : STR_NONE;
}

bool s3_is_kept(str name)
{
    if (str_starts_nocase(name, META) || str_starts_nocase(name, CHECKSUM))
        return true;
    for (size_t i = 0; i < COUNT(kept); i++)
        if (str_eq_nocase(name, kept[i].name))
            return true;
    return false;
}

/* A name that comes twice is one field with both values: RFC 9110 5.3. */
static const struct fault *keep(struct header *headers, size_t *count, str name, str value,
                                struct arena *arena)
{
    if (str_eq_nocase(name, STR("content-encoding")))
        value = without_chunked(value, arena);
    value = text_of_bytes(value, arena);
    if (value.len == 0 && !str_starts_nocase(name, META))
        return NULL;
    size_t at = 0;
    while (at < *count && !str_eq_nocase(headers[at].name, name))
        at++;
    if (at == *count)
        headers[(*count)++] = (struct header) { name, str_is_none(value) ? STR("") : value };
    else
        headers[at].value =
            arena_strf(arena, STR_FMT "," STR_FMT, STR_ARG(headers[at].value), STR_ARG(value));
    return str_is_none(headers[at].value) ? &fault_no_memory : NULL;
}

const struct fault *s3_keep_headers(const struct api_call *call, struct s3_put *put)
{
    struct arena *arena = call->call.arena;
    struct header *headers = ARENA_ARRAY(arena, struct header, call->header_count + 1);
    size_t count = 0, metadata = 0;
    if (!headers)
        return &fault_no_memory;
    for (size_t i = 0; i < call->header_count; i++)
        if (s3_is_kept(call->headers[i].name))
            TRY(keep(headers, &count, call->headers[i].name, call->headers[i].value, arena));
    bool typed = false;
    for (size_t i = 0; i < count; i++) {
        metadata += str_starts_nocase(headers[i].name, META);
        typed |= str_eq_nocase(headers[i].name, STR("content-type"));
    }
    if (!typed)
        headers[count++] = (struct header) { STR("content-type"), STR("binary/octet-stream") };
    if (metadata > METADATA_FIELDS_MAX)
        return fault_coded(arena, FAULT_SYNTAX, "MetadataTooLarge",
                           "Your metadata headers exceed the maximum allowed metadata size");
    put->headers = headers;
    put->header_count = count;
    return NULL;
}

const struct fault *s3_gather_conditions(const struct api_call *call, struct s3_put *put)
{
    struct header *found = ARENA_ARRAY(call->call.arena, struct header, COUNT(conditions));
    if (!found)
        return &fault_no_memory;
    for (size_t i = 0; i < COUNT(conditions); i++) {
        str value = api_header(call, conditions[i].header);
        if (!str_is_none(value))
            found[put->condition_count++] = (struct header) { conditions[i].key, value };
    }
    put->conditions = found;
    return NULL;
}

static const struct fault *check_put(const struct api_call *call)
{
    struct arena *arena = call->call.arena;
    str if_none_match = api_header(call, "if-none-match");
    TRY(s3_check_put_headers(call));
    if (call->body_size == UINT64_MAX)
        return fault_coded(arena, FAULT_SYNTAX, "MissingContentLength",
                           "You must provide the Content-Length HTTP header.");
    if (call->body_size > put_max)
        return fault_coded(arena, FAULT_SYNTAX, "EntityTooLarge",
                           "Your proposed upload exceeds the maximum allowed size");
    if ((if_none_match.len && !str_eq(if_none_match, STR("*"))) || api_header(call, "if-match").len)
        return fault_coded(arena, FAULT_UNBUILT, "NotImplemented",
                           "A header you provided implies functionality that is not implemented");
    return NULL;
}

static const struct fault *open_put(struct api *api, const struct api_call *call, void **ret_stream)
{
    struct put_stream *s = ARENA_NEW(call->call.arena, struct put_stream);
    struct s3_put put = { .bucket = call->bucket,
                          .key = call->key,
                          .content_md5 = api_header(call, "content-md5"),
                          .if_none_match = api_header(call, "if-none-match").len > 0 };
    if (!s)
        return &fault_no_memory;
    s->call = call;
    TRY(check_put(call));
    TRY(s3_read_encryption(call, &put.encryption));
    TRY(s3_keep_headers(call, &put));
    TRY(s3_gather_conditions(call, &put));
    TRY(s3_find_checksum(call, &s->checksum));
    TRY(s3_put_begin(api->s3, &call->call, &put, &s->upload));
    const struct fault *why = NULL;
    if (!str_is_none(s->checksum.algorithm))
        why = s3_put_checksum(s->upload, &call->call, s->checksum.algorithm);
    if (!why && !str_is_none(s->checksum.value))
        why = s3_put_expect(s->upload, &call->call, s->checksum.algorithm, s->checksum.value);
    if (why) {
        s3_put_cancel(s->upload);
        return why;
    }
    *ret_stream = s;
    return NULL;
}

static const struct fault *write_put(void *stream, str chunk)
{
    struct put_stream *s = stream;
    return s3_put_write(s->upload, &s->call->call, chunk);
}

static void cancel_put(void *stream)
{
    s3_put_cancel(((struct put_stream *)stream)->upload);
}

static const struct {
    str algorithm;
    const char *header, *element;
} checksum_headers[] = {
    { STR_INIT("crc32"), "x-amz-checksum-crc32", "ChecksumCRC32" },
    { STR_INIT("crc32c"), "x-amz-checksum-crc32c", "ChecksumCRC32C" },
    { STR_INIT("crc64nvme"), "x-amz-checksum-crc64nvme", "ChecksumCRC64NVME" },
    { STR_INIT("sha1"), "x-amz-checksum-sha1", "ChecksumSHA1" },
    { STR_INIT("sha256"), "x-amz-checksum-sha256", "ChecksumSHA256" },
};

const char *s3_checksum_element(str header)
{
    for (size_t i = 0; i < COUNT(checksum_headers); i++)
        if (str_eq_nocase(header, str_of(checksum_headers[i].header)))
            return checksum_headers[i].element;
    return NULL;
}

static void add_checksum(struct api_answer *answer, str algorithm, str value)
{
    for (size_t i = 0; i < COUNT(checksum_headers); i++) {
        if (!str_eq_nocase(algorithm, checksum_headers[i].algorithm) || str_is_none(value))
            continue;
        api_add_header(answer, checksum_headers[i].header, value);
        api_add_header(answer, "x-amz-checksum-type", STR("FULL_OBJECT"));
    }
}

static const struct fault *add_etag(struct api_answer *answer, const struct object_info *info,
                                    struct arena *arena)
{
    str etag = arena_strf(arena, "\"" STR_FMT "\"", STR_ARG(info->etag));
    if (str_is_none(etag))
        return &fault_no_memory;
    api_add_header(answer, "ETag", etag);
    return NULL;
}

static const struct fault *finish_put(void *stream, const struct api_call *call,
                                      struct api_answer *answer)
{
    struct put_stream *s = stream;
    struct object_info info;
    const struct fault *why = s3_end_checksum(call, &s->checksum);
    if (!why && !str_is_none(s->checksum.algorithm))
        why = s3_put_expect(s->upload, &call->call, s->checksum.algorithm, s->checksum.value);
    if (why) {
        s3_put_cancel(s->upload);
        return why;
    }
    TRY(s3_put_finish(s->upload, &call->call, &info));
    TRY(s3_add_encryption(call, &info, answer));
    add_checksum(answer, s->checksum.algorithm, s->checksum.value);
    return add_etag(answer, &info, call->call.arena);
}

const struct operation_stream stream_s3_PutObject = { open_put, write_put, finish_put, cancel_put };

/* ---- GetObject, HeadObject ---- */

static int64_t http_date(const struct api_call *call, const char *header)
{
    int64_t ms;
    return when_parse_http(api_header(call, header), &ms) ? ms
                                                          : 0; /* one that is none is not asked */
}

/* What the put gave, each under its own name; `response-...` in the query wins. */
static const struct fault *add_kept(const struct api_call *call, const struct object_info *info,
                                    struct api_answer *answer)
{
    const struct json *headers, *value;
    str name;
    TRY(json_parse(info->headers_json, call->call.arena, &headers));
    for (size_t i = 0; i < COUNT(kept); i++) {
        str wanted = api_param(call, kept[i].override);
        str stored = json_str(headers, kept[i].name.ptr);
        if (!str_is_none(wanted) && call->call.caller->kind == CALLER_ANONYMOUS)
            return fault_coded(
                call->call.arena, FAULT_SYNTAX, "InvalidRequest",
                "Request specific response headers cannot be used for anonymous GET requests.");
        if (!s3_field_ok(wanted)) /* it would end the field and begin another */
            return fault_coded(call->call.arena, FAULT_SYNTAX, "InvalidArgument",
                               "Header value cannot be represented using ISO-8859-1.");
        if (wanted.len || stored.len)
            api_add_header(answer, kept[i].shown,
                           wanted.len ? wanted : bytes_of_text(stored, call->call.arena));
    }
    for (size_t i = 0; json_member(headers, i, &name, &value); i++)
        if (str_starts(name, META)) /* the arena's copies end with a NUL */
            api_add_header(answer, arena_str(call->call.arena, name).ptr,
                           bytes_of_text(json_text(value), call->call.arena));
    return NULL;
}

static void add_stored_checksums(const struct api_call *call, const struct object_info *info,
                                 struct api_answer *answer)
{
    const struct json *headers;
    if (!str_eq_nocase(api_header(call, "x-amz-checksum-mode"), STR("ENABLED")) ||
        json_parse(info->headers_json, call->call.arena, &headers))
        return;
    for (size_t i = 0; i < COUNT(checksum_headers); i++)
        add_checksum(answer, checksum_headers[i].algorithm,
                     json_str(headers, checksum_headers[i].header));
}

static const struct fault *describe(const struct api_call *call, const struct s3_object *object,
                                    struct api_answer *answer)
{
    struct arena *arena = call->call.arena;
    char when[WHEN_SIZE];
    str modified = arena_str(arena, when_http(when, object->info.modified_ms));
    if (str_is_none(modified))
        return &fault_no_memory;
    TRY(add_etag(answer, &object->info, arena));
    api_add_header(answer, "Last-Modified", modified);
    if (object->not_modified) {
        answer->status = NOT_MODIFIED;
        return NULL;
    }
    api_add_header(answer, "Accept-Ranges", STR("bytes"));
    TRY(add_kept(call, &object->info, answer));
    TRY(s3_add_encryption(call, &object->info, answer));
    if (!object->partial) {
        add_stored_checksums(call, &object->info, answer);
        return NULL;
    }
    str range = arena_strf(arena, "bytes %llu-%llu/%llu", (unsigned long long)object->from,
                           (unsigned long long)(object->from + object->count - 1),
                           (unsigned long long)object->info.size);
    if (str_is_none(range))
        return &fault_no_memory;
    answer->status = PARTIAL_CONTENT;
    api_add_header(answer, "Content-Range", range);
    return NULL;
}

static const struct fault *get_object(struct api *api, const struct api_call *call, bool with_body,
                                      struct api_answer *answer)
{
    const struct s3_get get = { .bucket = call->bucket,
                                .key = call->key,
                                .with_body = with_body,
                                .range = api_header(call, "range"),
                                .if_range = api_header(call, "if-range"),
                                .if_match = api_header(call, "if-match"),
                                .if_none_match = api_header(call, "if-none-match"),
                                .if_modified_since_ms = http_date(call, "if-modified-since"),
                                .if_unmodified_since_ms = http_date(call, "if-unmodified-since") };
    struct s3_object object;
    TRY(s3_check_headers(call));
    TRY(s3_get_object(api->s3, &call->call, &get, &object));
    TRY(describe(call, &object, answer));
    answer->body = object.body;
    if (with_body && !object.not_modified)
        return NULL;
    uint64_t size = object.not_modified ? object.info.size : object.count;
    str length = arena_strf(call->call.arena, "%llu", (unsigned long long)size);
    if (str_is_none(length))
        return &fault_no_memory;
    api_add_header(answer, "Content-Length", length);
    return NULL;
}

const struct fault *run_s3_GetObject(struct api *api, const struct api_call *call,
                                     struct api_answer *answer)
{
    return get_object(api, call, true, answer);
}

const struct fault *run_s3_HeadObject(struct api *api, const struct api_call *call,
                                      struct api_answer *answer)
{
    return get_object(api, call, false, answer);
}

const struct fault *run_s3_DeleteObject(struct api *api, const struct api_call *call,
                                        struct api_answer *answer)
{
    TRY(s3_check_headers(call));
    if (api_header(call, "if-match")
            .len) /* a condition passed over would delete what it protects */
        return fault_coded(call->call.arena, FAULT_UNBUILT, "NotImplemented",
                           "A header you provided implies functionality that is not implemented");
    answer->status = NO_CONTENT;
    return s3_delete_object(api->s3, &call->call, call->bucket, call->key);
}
