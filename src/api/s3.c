/* api/s3.c - the S3 operations on buckets, REST-XML: shape in, service call, shape out. */
#include "api/run.h"
#include "api/s3_shape.h"
#include "base/base64.h"
#include "base/percent.h"
#include "base/when.h"
#include "base/xml.h"
#include "services/s3/s3.h"

enum { MAX_KEYS = 1000, MAX_BUCKETS = 10000, NO_CONTENT = 204 };

static const struct fault *invalid_argument(const struct api_call *call, const char *says)
{
    return fault_coded(call->call.arena, FAULT_SYNTAX, "InvalidArgument", "%s", says);
}

/* ---- buckets ---- */

struct bucket_listing {
    str prefix, region, after; /* empty: none */
    size_t max;
    bool asked; /* for anything at all: then S3 names each bucket's Region */
};

static const struct fault *read_bucket_listing(const struct api_call *call,
                                               struct bucket_listing *l)
{
    str max = api_param(call, "max-buckets"), token = api_param(call, "continuation-token");
    uint64_t number = MAX_BUCKETS;
    *l = (struct bucket_listing) { .prefix = api_param(call, "prefix"),
                                   .region = api_param(call, "bucket-region"),
                                   .after = STR("") };
    l->asked = l->prefix.len || l->region.len || max.len || token.len;
    if (max.len && (!str_u64(max, &number) || number < 1 || number > MAX_BUCKETS))
        return invalid_argument(call, "Argument maxBuckets must be an integer between 1 and 10000");
    l->max = (size_t)number;
    if (str_is_none(token))
        return NULL;
    AUTO_BUF name = buf_new(4096);
    if (token.len == 0 || !base64_decode(&name, token))
        return invalid_argument(call, "The continuation token provided is incorrect");
    l->after = arena_str(call->call.arena, buf_str(&name));
    return str_is_none(l->after) ? &fault_no_memory : NULL;
}

static bool is_asked_for(const struct bucket_listing *l, const struct bucket *bucket)
{
    return str_cmp(bucket->name, l->after) > 0 && str_starts(bucket->name, l->prefix) &&
           (l->region.len == 0 || str_eq(bucket->region, l->region));
}

static void write_bucket(struct buf *out, const struct bucket_listing *l,
                         const struct bucket *bucket)
{
    char when[WHEN_SIZE];
    xml_open(out, "Bucket");
    xml_leaf(out, "Name", bucket->name);
    xml_leaf(out, "CreationDate", when_iso_ms(when, bucket->created_ms));
    if (l->asked)
        xml_leaf(out, "BucketRegion", bucket->region);
    xml_close(out, "Bucket");
}

const struct fault *run_s3_ListBuckets(struct api *api, const struct api_call *call,
                                       struct api_answer *answer)
{
    struct bucket_listing l;
    const struct bucket *const *buckets;
    size_t count, written = 0;
    str last = STR_NONE, next = STR_NONE;
    TRY(read_bucket_listing(call, &l));
    TRY(s3_list_buckets(api->s3, &call->call, &buckets, &count));
    struct buf *out = &answer->text;
    xml_declare(out);
    xml_open_in(out, "ListAllMyBucketsResult", S3_XMLNS);
    s3_write_owner(out, call->account, call->call.arena);
    xml_open(out, "Buckets");
    for (size_t i = 0; i < count && str_is_none(next); i++) {
        if (!is_asked_for(&l, buckets[i]))
            continue;
        if (written++ == l.max) {
            next = last;
            continue;
        }
        write_bucket(out, &l, buckets[i]);
        last = buckets[i]->name;
    }
    xml_close(out, "Buckets");
    if (!str_is_none(next)) {
        AUTO_BUF token = buf_new(256);
        base64_encode(&token, next);
        xml_leaf(out, "ContinuationToken", buf_str(&token));
    }
    if (l.prefix.len)
        xml_leaf(out, "Prefix", l.prefix);
    xml_close(out, "ListAllMyBucketsResult");
    return NULL;
}

static const struct fault *malformed_xml(const struct api_call *call)
{
    return fault_coded(call->call.arena, FAULT_SYNTAX, "MalformedXML",
                       "The XML you provided was not well-formed or did not validate against our "
                       "published schema");
}

/* The Region a CreateBucket names in its body. An endpoint makes buckets of its own Region only,
 * but that of us-east-1 makes all, and is the only one that needs no name (API Reference,
 * CreateBucket). */
static const struct fault *location_of(const struct api_call *call, str *ret_region)
{
    struct arena *arena = call->call.arena;
    const struct xml_element *root = NULL;
    str here = call->call.region;
    if (str_trim(call->text).len) {
        const struct fault *why = xml_parse(call->text, arena, &root);
        if (why || !str_eq(root->name, STR("CreateBucketConfiguration")))
            return malformed_xml(call);
    }
    for (const struct xml_element *one = root ? root->first : NULL; one; one = one->next)
        if (!str_eq(one->name, STR("LocationConstraint"))) /* tags, or a bucket of another kind */
            return fault_coded(
                arena, FAULT_UNBUILT, "NotImplemented",
                "A header you provided implies functionality that is not implemented");
    const struct xml_element *named = root ? xml_get(root, "LocationConstraint") : NULL;
    if (named && xml_again(named))
        return malformed_xml(call);
    str wanted = str_trim(xml_str(root, "LocationConstraint"));
    bool global = str_eq(here, STR("us-east-1"));
    if (str_eq(wanted, STR("EU")))
        wanted = STR("eu-west-1");
    if (wanted.len && (!region_name_ok(wanted) || str_eq(wanted, STR("us-east-1"))))
        return fault_coded(arena, FAULT_SYNTAX, "InvalidLocationConstraint",
                           "The specified location-constraint is not valid");
    if (!global && !str_eq(wanted, here))
        return fault_coded(arena, FAULT_SYNTAX, "IllegalLocationConstraintException",
                           "The " STR_FMT
                           " location constraint is incompatible for the region specific endpoint "
                           "this request was sent to.",
                           STR_ARG(wanted.len ? wanted : STR("unspecified")));
    *ret_region = wanted.len ? wanted : here;
    return NULL;
}

const struct fault *run_s3_CreateBucket(struct api *api, const struct api_call *call,
                                        struct api_answer *answer)
{
    str region;
    TRY(s3_check_headers(call));
    TRY(s3_check_body(call));
    TRY(location_of(call, &region));
    TRY(s3_create_bucket(api->s3, &call->call, call->bucket, region));
    str location = arena_strf(call->call.arena, "/" STR_FMT, STR_ARG(call->bucket));
    if (str_is_none(location))
        return &fault_no_memory;
    api_add_header(answer, "Location", location);
    return NULL;
}

const struct fault *run_s3_HeadBucket(struct api *api, const struct api_call *call,
                                      struct api_answer *answer)
{
    const struct bucket *bucket;
    TRY(s3_check_headers(call));
    TRY(s3_head_bucket(api->s3, &call->call, call->bucket, &bucket));
    api_add_header(answer, "x-amz-bucket-region", bucket->region);
    api_add_header(answer, "x-amz-access-point-alias", STR("false"));
    api_add_header(answer, "Content-Type", STR("application/xml"));
    return NULL;
}

const struct fault *run_s3_DeleteBucket(struct api *api, const struct api_call *call,
                                        struct api_answer *answer)
{
    TRY(s3_check_headers(call));
    answer->status = NO_CONTENT;
    return s3_delete_bucket(api->s3, &call->call, call->bucket);
}

const struct fault *run_s3_GetBucketLocation(struct api *api, const struct api_call *call,
                                             struct api_answer *answer)
{
    str region;
    TRY(s3_check_headers(call));
    TRY(s3_get_bucket_location(api->s3, &call->call, call->bucket, &region));
    xml_declare(&answer->text);
    xml_open_in(&answer->text, "LocationConstraint", S3_XMLNS);
    if (!str_eq(region,
                STR("us-east-1"))) /* which has no name here, since it was the only one once */
        xml_text(&answer->text, region);
    xml_close(&answer->text, "LocationConstraint");
    return NULL;
}

/* ---- policies ---- */

const struct fault *run_s3_PutBucketPolicy(struct api *api, const struct api_call *call,
                                           struct api_answer *answer)
{
    TRY(s3_check_headers(call));
    TRY(s3_check_body(call));
    answer->status = NO_CONTENT;
    return s3_put_bucket_policy(api->s3, &call->call, call->bucket, call->text);
}

const struct fault *run_s3_GetBucketPolicy(struct api *api, const struct api_call *call,
                                           struct api_answer *answer)
{
    str text;
    TRY(s3_check_headers(call));
    TRY(s3_get_bucket_policy(api->s3, &call->call, call->bucket, &text));
    api_add_header(answer, "Content-Type", STR("application/json"));
    buf_add(&answer->text, text);
    return NULL;
}

const struct fault *run_s3_DeleteBucketPolicy(struct api *api, const struct api_call *call,
                                              struct api_answer *answer)
{
    TRY(s3_check_headers(call));
    answer->status = NO_CONTENT;
    return s3_delete_bucket_policy(api->s3, &call->call, call->bucket);
}

/* ---- lists: version 2, and version 1 for those who still ask so ---- */

struct listing {
    struct s3_list list;
    bool first_version, url, fetch_owner;
    str token; /* continuation-token as it came */
    struct object_entry *entries;
    size_t count;
    bool more;
};

static const struct fault *read_max_keys(const struct api_call *call, struct s3_list *list)
{
    str text = api_param(call, "max-keys");
    uint64_t max;
    list->max_keys = MAX_KEYS;
    if (text.len == 0)
        return NULL;
    list->has_max_keys = true;
    if (text.ptr[0] == '-' && str_u64(str_from(text, 1), &max))
        return invalid_argument(call,
                                "Argument maxKeys must be an integer between 0 and 2147483647");
    if (!str_u64(text, &max) || max > INT32_MAX)
        return invalid_argument(call, "Provided max-keys not an integer or within integer range");
    list->max_keys = (size_t)max;
    return NULL;
}

static const struct fault *read_token(const struct api_call *call, struct listing *l)
{
    if (str_is_none(l->token))
        return NULL;
    AUTO_BUF key = buf_new(4096);
    if (l->token.len == 0 || !base64_decode(&key, l->token))
        return invalid_argument(call, "The continuation token provided is incorrect");
    l->list.after = arena_str(call->call.arena, buf_str(&key));
    return str_is_none(l->list.after) ? &fault_no_memory : NULL;
}

static str or_empty(str text)
{
    return str_is_none(text) ? STR("") : text;
}

static const struct fault *read_listing(const struct api_call *call, struct listing *l)
{
    str encoding = api_param(call, "encoding-type");
    if (!str_is_none(encoding) && !str_eq(encoding, STR("url")))
        return invalid_argument(call, "Invalid Encoding Method specified in Request");
    l->url = !str_is_none(encoding);
    l->fetch_owner = l->first_version || str_eq(api_param(call, "fetch-owner"), STR("true"));
    l->list.bucket = call->bucket;
    l->list.prefix = or_empty(api_param(call, "prefix"));
    l->list.has_prefix = api_has_param(call, "prefix");
    l->list.delimiter = or_empty(api_param(call, "delimiter"));
    l->list.has_delimiter = api_has_param(call, "delimiter");
    l->list.after = or_empty(api_param(call, l->first_version ? "marker" : "start-after"));
    l->token = STR_NONE;
    if (!l->first_version && api_has_param(call, "continuation-token"))
        l->token = or_empty(api_param(call, "continuation-token"));
    TRY(read_max_keys(call, &l->list));
    return read_token(call, l);
}

/* A key, or what is like one, in the encoding that was asked for. */
static void key_leaf(struct buf *out, const struct listing *l, const char *name, str key)
{
    if (!l->url) {
        xml_leaf(out, name, key);
        return;
    }
    AUTO_BUF encoded = buf_new(64 * 1024);
    percent_encode(&encoded, key, PERCENT_KEEP_SLASH);
    xml_leaf(out, name, buf_str(&encoded));
    out->failed |= encoded.failed;
}

static void write_entry(struct buf *out, const struct listing *l, const struct object_entry *e,
                        str owner, struct arena *arena)
{
    char when[WHEN_SIZE];
    if (e->common_prefix) {
        xml_open(out, "CommonPrefixes");
        key_leaf(out, l, "Prefix", e->key);
        xml_close(out, "CommonPrefixes");
        return;
    }
    xml_open(out, "Contents");
    key_leaf(out, l, "Key", e->key);
    xml_leaf(out, "LastModified", when_iso_ms(when, e->info.modified_ms));
    xml_leaf(out, "ETag", arena_strf(arena, "\"" STR_FMT "\"", STR_ARG(e->info.etag)));
    xml_leaf_int(out, "Size", (int64_t)e->info.size);
    if (l->fetch_owner)
        s3_write_owner(out, owner, arena);
    xml_leaf(out, "StorageClass", STR("STANDARD"));
    xml_close(out, "Contents");
}

static void write_next(struct buf *out, const struct listing *l)
{
    if (!l->more)
        return;
    str last = l->entries[l->count - 1].key;
    if (l->first_version) {
        if (l->list.delimiter.len) /* without one the last key tells */
            key_leaf(out, l, "NextMarker", last);
        return;
    }
    AUTO_BUF token = buf_new(64 * 1024);
    base64_encode(&token, last);
    xml_leaf(out, "NextContinuationToken", buf_str(&token));
}

static void write_listing(struct buf *out, const struct api_call *call, const struct listing *l)
{
    const struct bucket *bucket = bucket_find(call->call.world, call->bucket);
    xml_declare(out);
    xml_open_in(out, "ListBucketResult", S3_XMLNS);
    xml_leaf(out, "Name", call->bucket);
    key_leaf(out, l, "Prefix", l->list.prefix);
    if (l->first_version)
        key_leaf(out, l, "Marker", l->list.after);
    else if (!str_is_none(l->token))
        xml_leaf(out, "ContinuationToken", l->token);
    if (!l->first_version && api_has_param(call, "start-after"))
        key_leaf(out, l, "StartAfter", or_empty(api_param(call, "start-after")));
    write_next(out, l);
    if (!l->first_version)
        xml_leaf_int(out, "KeyCount", (int64_t)l->count);
    xml_leaf_int(out, "MaxKeys",
                 (int64_t)(l->list.max_keys < MAX_KEYS ? l->list.max_keys : MAX_KEYS));
    if (l->list.delimiter.len)
        key_leaf(out, l, "Delimiter", l->list.delimiter);
    if (l->url)
        xml_leaf(out, "EncodingType", STR("url"));
    xml_leaf_bool(out, "IsTruncated", l->more);
    for (int prefixes = 0; prefixes < 2;
         prefixes++) /* all Contents stand before all CommonPrefixes */
        for (size_t i = 0; i < l->count; i++)
            if (l->entries[i].common_prefix == (prefixes == 1))
                write_entry(out, l, &l->entries[i], bucket ? bucket->owner : STR(""),
                            call->call.arena);
    xml_close(out, "ListBucketResult");
}

static const struct fault *list_objects(struct api *api, const struct api_call *call,
                                        struct api_answer *answer, bool first_version)
{
    struct listing l = { .first_version = first_version };
    TRY(s3_check_headers(call));
    TRY(read_listing(call, &l));
    TRY(s3_list_objects(api->s3, &call->call, &l.list, &l.entries, &l.count, &l.more));
    write_listing(&answer->text, call, &l);
    return NULL;
}

const struct fault *run_s3_ListObjectsV2(struct api *api, const struct api_call *call,
                                         struct api_answer *answer)
{
    return list_objects(api, call, answer, false);
}

const struct fault *run_s3_ListObjects(struct api *api, const struct api_call *call,
                                       struct api_answer *answer)
{
    return list_objects(api, call, answer, true);
}
