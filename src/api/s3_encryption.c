/* api/s3_encryption.c - server-side encryption in S3's words: a bucket's default as XML, a put's
 * wishes and an object's facts as fields. */
#include "api/run.h"
#include "api/s3_shape.h"
#include "base/base64.h"
#include "base/json.h"
#include "base/xml.h"
#include "services/s3/encryption.h"

enum { NO_CONTENT = 204, CONTEXT_MAX = 8 * 1024 };

static const struct fault *invalid(const struct api_call *call, const char *code, const char *says)
{
    return fault_coded(call->call.arena, FAULT_SYNTAX, code, "%s", says);
}

/* ---- a bucket's default ---- */

static const struct fault *kind_of(const struct api_call *call, str algorithm,
                                   enum sse_kind *ret_kind)
{
    if (str_eq(algorithm, STR("aws:kms:dsse")))
        return fault_coded(call->call.arena, FAULT_UNBUILT, "NotImplemented",
                           "A header you provided implies functionality that is not implemented");
    *ret_kind = sse_kind_named(algorithm);
    return *ret_kind == SSE_NONE
               ? invalid(call, "InvalidEncryptionAlgorithmError",
                         "The encryption request you specified is not valid. The valid value is "
                         "AES256 or aws:kms.")
               : NULL;
}

static const struct fault *malformed(const struct api_call *call)
{
    return invalid(call, "MalformedXML",
                   "The XML you provided was not well-formed or did not validate against our "
                   "published schema");
}

static const struct fault *read_configuration(const struct api_call *call,
                                              struct bucket_encryption *ret)
{
    const struct xml_element *root;
    if (xml_parse(call->text, call->call.arena, &root) ||
        !str_eq(root->name, STR("ServerSideEncryptionConfiguration")))
        return malformed(call);
    const struct xml_element *rule = xml_get(root, "Rule");
    const struct xml_element *by_default = xml_get(rule, "ApplyServerSideEncryptionByDefault");
    if (!by_default || xml_again(rule))
        return malformed(call);
    *ret = (struct bucket_encryption) {
        .kms_key_id = str_trim(xml_str(by_default, "KMSMasterKeyID")),
        .bucket_key = str_eq(str_trim(xml_str(rule, "BucketKeyEnabled")), STR("true")),
    };
    TRY(kind_of(call, str_trim(xml_str(by_default, "SSEAlgorithm")), &ret->kind));
    if (ret->kind != SSE_KMS && ret->kms_key_id.len)
        return invalid(call, "InvalidArgument",
                       "a KMSMasterKeyID is not applicable if the default sse algorithm is not "
                       "aws:kms or aws:kms:dsse");
    if (!ret->kms_key_id.len)
        ret->kms_key_id = STR_NONE;
    return NULL;
}

const struct fault *run_s3_PutBucketEncryption(struct api *api, const struct api_call *call,
                                               struct api_answer *answer)
{
    (void)answer;
    struct bucket_encryption encryption;
    TRY(s3_check_headers(call));
    TRY(s3_check_body(call));
    TRY(read_configuration(call, &encryption));
    return s3_put_bucket_encryption(api->s3, &call->call, call->bucket, &encryption);
}

const struct fault *run_s3_GetBucketEncryption(struct api *api, const struct api_call *call,
                                               struct api_answer *answer)
{
    struct bucket_encryption encryption;
    struct buf *out = &answer->text;
    TRY(s3_check_headers(call));
    TRY(s3_get_bucket_encryption(api->s3, &call->call, call->bucket, &encryption));
    xml_declare(out);
    xml_open_in(out, "ServerSideEncryptionConfiguration", S3_XMLNS);
    xml_open(out, "Rule");
    xml_open(out, "ApplyServerSideEncryptionByDefault");
    xml_leaf(out, "SSEAlgorithm", sse_kind_name(encryption.kind));
    xml_leaf(out, "KMSMasterKeyID", encryption.kms_key_id);
    xml_close(out, "ApplyServerSideEncryptionByDefault");
    xml_leaf_bool(out, "BucketKeyEnabled", encryption.bucket_key);
    xml_close(out, "Rule");
    xml_close(out, "ServerSideEncryptionConfiguration");
    return NULL;
}

const struct fault *run_s3_DeleteBucketEncryption(struct api *api, const struct api_call *call,
                                                  struct api_answer *answer)
{
    TRY(s3_check_headers(call));
    answer->status = NO_CONTENT;
    return s3_delete_bucket_encryption(api->s3, &call->call, call->bucket);
}

/* ---- a put's wishes ---- */

/* Base64 of a JSON object of texts: API Reference, PutObject. */
static const struct fault *read_context(const struct api_call *call, str text,
                                        struct object_encryption *e)
{
    static const char says[] = "The header 'x-amz-server-side-encryption-context' shall be Base64 "
                               "encoded UTF-8 string holding JSON with the encryption context";
    struct arena *a = call->call.arena;
    const struct json *pairs, *value;
    AUTO_BUF plain = buf_new(CONTEXT_MAX);
    str name, kept;
    if (!base64_decode(&plain, text) || !(kept = arena_str(a, buf_str(&plain))).ptr ||
        json_parse(kept, a, &pairs) || json_kind(pairs) != JSON_OBJECT)
        return invalid(call, "InvalidArgument", says);
    struct header *list = ARENA_ARRAY(a, struct header, json_size(pairs) + 1);
    if (!list)
        return &fault_no_memory;
    for (size_t i = 0; json_member(pairs, i, &name, &value); i++) {
        if (json_kind(value) != JSON_STRING)
            return invalid(call, "InvalidArgument", says);
        list[i] = (struct header) { name, json_text(value) };
    }
    e->context = list;
    e->context_count = json_size(pairs);
    return NULL;
}

const struct fault *s3_read_encryption(const struct api_call *call,
                                       struct object_encryption *ret_encryption)
{
    str algorithm = api_header(call, SSE_HEADER), key = api_header(call, SSE_KEY_HEADER),
        context = api_header(call, "x-amz-server-side-encryption-context"),
        bucket_key = api_header(call, SSE_BUCKET_HEADER);
    *ret_encryption = (struct object_encryption) { .kind = SSE_NONE, .kms_key_id = STR_NONE };
    if (algorithm.len)
        TRY(kind_of(call, algorithm, &ret_encryption->kind));
    if (ret_encryption->kind != SSE_KMS && (key.len || context.len))
        return invalid(call, "InvalidArgument",
                       "Server Side Encryption with AWS KMS managed key requires HTTP header "
                       "x-amz-server-side-encryption : aws:kms");
    if (key.len)
        ret_encryption->kms_key_id = key;
    ret_encryption->bucket_key = str_eq_nocase(bucket_key, STR("true"));
    return context.len ? read_context(call, context, ret_encryption) : NULL;
}

/* ---- an object's facts ---- */

const struct fault *s3_add_encryption(const struct api_call *call, const struct object_info *info,
                                      struct api_answer *answer)
{
    static const char *const shown[] = { SSE_HEADER, SSE_KEY_HEADER, SSE_BUCKET_HEADER };
    const struct json *headers;
    TRY(json_parse(info->headers_json, call->call.arena, &headers));
    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++) {
        str value = json_str(headers, shown[i]);
        if (value.len)
            api_add_header(answer, shown[i], value);
    }
    return NULL;
}
