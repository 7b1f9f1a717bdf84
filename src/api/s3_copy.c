/* api/s3_copy.c - S3 CopyObject: a get and a put in one call, the bytes going by in pieces. */
#include "api/run.h"
#include "api/s3_shape.h"
#include "base/json.h"
#include "base/percent.h"
#include "base/when.h"
#include "base/xml.h"
#include "services/s3/encryption.h"

static const uint64_t copy_max = 5ull << 30; /* API Reference, CopyObject */

static const struct fault *invalid(const struct api_call *call, const char *code, const char *says)
{
    return fault_coded(call->call.arena, FAULT_SYNTAX, code, "%s", says);
}

static const struct fault *not_implemented(const struct api_call *call)
{
    return fault_coded(call->call.arena, FAULT_UNBUILT, "NotImplemented",
                       "A header you provided implies functionality that is not implemented");
}

/* "/bucket/key" or "bucket/key", percent-encoded; "?versionId=" behind it names a version. */
static const struct fault *read_source(const struct api_call *call, struct s3_get *get)
{
    str written = api_header(call, "x-amz-copy-source"), path, query, bucket, key;
    str_cut(written, '?', &path, &query);
    if (query.len || str_starts(written, STR("arn:"))) /* versions, access points */
        return not_implemented(call);
    if (str_starts(path, STR("/")))
        path = str_from(path, 1);
    if (!percent_decode(path, false, call->call.arena, &path) ||
        !str_cut(path, '/', &bucket, &key) || !bucket.len || !key.len)
        return invalid(call, "InvalidArgument",
                       "Copy Source must mention the source bucket and key: "
                       "sourcebucket/sourcekey");
    get->bucket = bucket;
    get->key = key;
    return NULL;
}

static int64_t date_of(const struct api_call *call, const char *header)
{
    int64_t ms;
    return when_parse_http(api_header(call, header), &ms) ? ms : 0;
}

static const struct fault *read_get(const struct api_call *call, struct s3_get *get)
{
    *get = (struct s3_get) {
        .with_body = true,
        .range = STR_NONE,
        .if_range = STR_NONE,
        .if_match = api_header(call, "x-amz-copy-source-if-match"),
        .if_none_match = api_header(call, "x-amz-copy-source-if-none-match"),
        .if_modified_since_ms = date_of(call, "x-amz-copy-source-if-modified-since"),
        .if_unmodified_since_ms = date_of(call, "x-amz-copy-source-if-unmodified-since"),
    };
    return read_source(call, get);
}

/* REPLACE: the request's headers are the target's; else the source's are. */
static const struct fault *read_directive(const struct api_call *call, bool *ret_replace)
{
    str directive = api_header(call, "x-amz-metadata-directive");
    *ret_replace = str_eq(directive, STR("REPLACE"));
    return directive.len && !*ret_replace && !str_eq(directive, STR("COPY"))
               ? invalid(call, "InvalidArgument", "Unknown metadata directive.")
               : NULL;
}

/* Nothing would come of it; a storage class or an encryption that is named counts as a change. */
static const struct fault *check_changes(const struct api_call *call, const struct s3_get *get,
                                         bool replace)
{
    bool itself = str_eq(get->bucket, call->bucket) && str_eq(get->key, call->key);
    if (!itself || replace || api_header(call, "x-amz-storage-class").len ||
        api_header(call, SSE_HEADER).len)
        return NULL;
    return invalid(call, "InvalidRequest",
                   "This copy request is illegal because it is trying to copy an object to itself "
                   "without changing the object's metadata, storage class, website redirect "
                   "location or encryption attributes.");
}

static const struct fault *check(const struct api_call *call)
{
    str owner = api_header(call, "x-amz-source-expected-bucket-owner");
    TRY(s3_check_put_headers(call));
    if (api_header(call, "x-amz-checksum-algorithm").len || api_header(call, "if-match").len ||
        (api_header(call, "if-none-match").len &&
         !str_eq(api_header(call, "if-none-match"), STR("*"))))
        return not_implemented(call);
    for (size_t i = 0; i < call->header_count; i++)
        if (str_starts_nocase(call->headers[i].name,
                              STR("x-amz-copy-source-server-side-encryption-customer-")))
            return not_implemented(call);
    struct s3_get get;
    TRY(read_get(call, &get));
    const struct bucket *bucket = owner.len ? bucket_find(call->call.world, get.bucket) : NULL;
    if (bucket && !str_eq(bucket->owner, owner))
        return fault_coded(call->call.arena, FAULT_DENIED, "AccessDenied", "Access Denied");
    return NULL;
}

/* What the source keeps and is not about its encryption: that is the target's own. */
static const struct fault *headers_of(const struct api_call *call, const struct object_info *info,
                                      bool checksums_only, struct header *to, size_t *count)
{
    const struct json *headers, *value;
    str name;
    TRY(json_parse(info->headers_json, call->call.arena, &headers));
    for (size_t i = 0; json_member(headers, i, &name, &value); i++) {
        if (!s3_is_kept(name) ||
            (checksums_only && !str_starts_nocase(name, STR("x-amz-checksum-"))) ||
            *count == ANSWER_FIELDS_MAX)
            continue;
        to[(*count)++] = (struct header) { name, json_text(value) };
    }
    return NULL;
}

static const struct fault *read_put(const struct api_call *call, const struct object_info *source,
                                    bool replace, struct s3_put *put)
{
    *put = (struct s3_put) { .bucket = call->bucket,
                             .key = call->key,
                             .content_md5 = STR_NONE,
                             .if_none_match = api_header(call, "if-none-match").len > 0 };
    TRY(s3_read_encryption(call, &put->encryption));
    TRY(s3_gather_conditions(call, put));
    if (replace)
        TRY(s3_keep_headers(call, put));
    struct header *all =
        ARENA_ARRAY(call->call.arena, struct header, put->header_count + ANSWER_FIELDS_MAX);
    if (!all)
        return &fault_no_memory;
    size_t count = 0;
    TRY(headers_of(call, source, replace, all,
                   &count)); /* the bytes are the same: so are their checksums */
    for (size_t i = 0; i < put->header_count; i++)
        if (!str_starts_nocase(put->headers[i].name, STR("x-amz-checksum-")))
            all[count++] = put->headers[i];
    put->headers = all;
    put->header_count = count;
    return NULL;
}

static const struct fault *carry(struct s3_upload *to, const struct api_call *call,
                                 struct body *from)
{
    for (;;) {
        str chunk;
        TRY(from->read(from, &chunk));
        if (chunk.len == 0)
            return NULL;
        TRY(s3_put_write(to, &call->call, chunk));
    }
}

static const struct fault *answer_copy(const struct api_call *call, const struct object_info *info,
                                       struct api_answer *answer)
{
    struct buf *out = &answer->text;
    char when[WHEN_SIZE];
    str etag = arena_strf(call->call.arena, "\"" STR_FMT "\"", STR_ARG(info->etag));
    const struct json *headers, *value;
    str name;
    if (str_is_none(etag))
        return &fault_no_memory;
    xml_declare(out);
    xml_open_in(out, "CopyObjectResult", S3_XMLNS);
    xml_leaf(out, "LastModified", when_iso_ms(when, info->modified_ms));
    xml_leaf(out, "ETag", etag);
    TRY(json_parse(info->headers_json, call->call.arena, &headers));
    for (size_t i = 0; json_member(headers, i, &name, &value); i++)
        if (s3_checksum_element(name))
            xml_leaf(out, s3_checksum_element(name), json_text(value));
    xml_close(out, "CopyObjectResult");
    return s3_add_encryption(call, info, answer);
}

const struct fault *run_s3_CopyObject(struct api *api, const struct api_call *call,
                                      struct api_answer *answer)
{
    struct s3_get get;
    struct s3_object source;
    struct s3_put put;
    struct s3_upload *upload;
    struct object_info made;
    bool replace;
    TRY(check(call));
    TRY(read_get(call, &get));
    TRY(read_directive(call, &replace));
    TRY(check_changes(call, &get, replace));
    TRY(s3_get_object(api->s3, &call->call, &get, &source));
    if (source.not_modified)
        return invalid(call, "PreconditionFailed",
                       "At least one of the pre-conditions you specified did not hold");
    if (source.info.size > copy_max)
        return invalid(call, "InvalidRequest",
                       "The specified copy source is larger than the maximum allowable size for a "
                       "copy source: 5368709120");
    TRY(read_put(call, &source.info, replace, &put));
    TRY(s3_put_begin(api->s3, &call->call, &put, &upload));
    const struct fault *why = carry(upload, call, source.body);
    if (why) {
        s3_put_cancel(upload);
        return why;
    }
    TRY(s3_put_finish(upload, &call->call, &made));
    return answer_copy(call, &made, answer);
}
