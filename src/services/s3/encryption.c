#include "services/s3/encryption.h"

#include "base/base64.h"
#include "base/digest.h"
#include "base/json.h"
#include "policy/decision.h"
#include "services/s3/embedded.h"

#define ARN_PAIR    "aws:s3:arn"
#define DATA_KEY    "sesame-data-key"
#define CONTEXT_KEY "sesame-encryption-context"

struct object_encryption encryption_of(const struct bucket *bucket, const struct s3_put *put)
{
    if (put->encryption.kind != SSE_NONE)
        return put->encryption;
    return (struct object_encryption) { .kind = bucket->encryption.kind,
                                        .kms_key_id = bucket->encryption.kms_key_id,
                                        .bucket_key = bucket->encryption.bucket_key };
}

static str in_base64(str bytes, struct arena *a)
{
    AUTO_BUF text = buf_new(BASE64_LEN(bytes.len) + 1);
    base64_encode(&text, bytes);
    return text.failed ? STR_NONE : arena_str(a, buf_str(&text));
}

static void add(struct object_key *key, const char *name, str value)
{
    key->headers[key->header_count++] = (struct header) { str_of(name), value };
}

static bool all_there(const struct object_key *key)
{
    for (size_t i = 0; i < key->header_count; i++)
        if (!key->headers[i].value.ptr)
            return false;
    return true;
}

/* ---- SSE-S3: a key sealed under the server's own ---- */

static str sealed_for(const struct call *call, const struct bucket *bucket, str key)
{
    return object_arn(call->arena, bucket->name, key);
}

static const struct fault *make_own(struct s3_service *s3, const struct call *call,
                                    const struct bucket *bucket, str key,
                                    struct object_key *ret_key)
{
    unsigned char sealed[CIPHER_NONCE_SIZE + CIPHER_KEY_SIZE + CIPHER_TAG_SIZE];
    struct entropy *entropy = s3->outside->entropy;
    entropy->fill(entropy, ret_key->plaintext, CIPHER_KEY_SIZE);
    entropy->fill(entropy, sealed, CIPHER_NONCE_SIZE);
    cipher_seal(s3->seal_key, sealed, sealed_for(call, bucket, key),
                (str) { (const char *)ret_key->plaintext, CIPHER_KEY_SIZE },
                sealed + CIPHER_NONCE_SIZE);
    add(ret_key, SSE_HEADER, STR("AES256"));
    add(ret_key, DATA_KEY, in_base64((str) { (const char *)sealed, sizeof sealed }, call->arena));
    return NULL;
}

static const struct fault *damaged(const struct call *call)
{
    return fault(call->arena, FAULT_DEFECT, NULL, "the key of an encrypted object is not readable");
}

static const struct fault *open_own(struct s3_service *s3, const struct call *call,
                                    const struct bucket *bucket, str key, str sealed,
                                    unsigned char ret_key[CIPHER_KEY_SIZE])
{
    const unsigned char *nonce = (const unsigned char *)sealed.ptr;
    if (sealed.len != CIPHER_NONCE_SIZE + CIPHER_KEY_SIZE + CIPHER_TAG_SIZE ||
        !cipher_open(s3->seal_key, nonce, sealed_for(call, bucket, key),
                     str_from(sealed, CIPHER_NONCE_SIZE), ret_key))
        return damaged(call);
    return NULL;
}

/* ---- SSE-KMS ---- */

/* As the caller, by way of S3, where the bucket is: a key and its bucket are in one Region. */
static const struct fault *call_kms(const struct call *call, const struct bucket *bucket,
                                    struct call *ret_call)
{
    struct caller *through = ARENA_NEW(call->arena, struct caller);
    if (!through)
        return &fault_no_memory;
    *through = *call->caller;
    through->via_service =
        arena_strf(call->arena, "s3." STR_FMT ".amazonaws.com", STR_ARG(bucket->region));
    *ret_call = *call;
    ret_call->caller = through;
    ret_call->region = bucket->region;
    return through->via_service.ptr ? NULL : &fault_no_memory;
}

/* KMS's no in S3's words: AccessDenied as S3 says it, the rest as KMS.Code. */
static const struct fault *told(const struct call *call, const struct fault *f)
{
    struct fault *s3 = f ? ARENA_NEW(call->arena, struct fault) : NULL;
    if (!s3)
        return f;
    *s3 = *f;
    if (f->kind == FAULT_DENIED && (!f->code || denial_of(f)))
        s3->code = "AccessDenied";
    else if (f->code)
        s3->code = arena_cstr(call->arena, arena_strf(call->arena, "KMS.%s", f->code));
    return s3;
}

static const struct fault *context_of(const struct call *call, const struct bucket *bucket, str key,
                                      const struct object_encryption *e,
                                      struct encryption_context *ret_context)
{
    struct header *pairs = ARENA_ARRAY(call->arena, struct header, e->context_count + 1);
    if (!pairs)
        return &fault_no_memory;
    size_t count = 0;
    bool named = false;
    for (size_t i = 0; i < e->context_count; i++) {
        named |= str_eq(e->context[i].name, STR(ARN_PAIR));
        pairs[count++] = e->context[i];
    }
    if (!named) /* who names it himself means what he names */
        pairs[count++] =
            (struct header) { STR(ARN_PAIR), e->bucket_key
                                                 ? bucket_arn(call->arena, bucket->name)
                                                 : object_arn(call->arena, bucket->name, key) };
    *ret_context = (struct encryption_context) { .pairs = pairs, .count = count };
    return NULL;
}

static str context_text(const struct encryption_context *context, struct arena *a)
{
    AUTO_BUF text = buf_new(32 * 1024);
    struct json_writer w = json_writer(&text);
    json_open(&w, '{');
    for (size_t i = 0; i < context->count; i++) {
        json_name(&w, context->pairs[i].name);
        json_put_str(&w, context->pairs[i].value);
    }
    json_close(&w, '}');
    return text.failed ? STR_NONE : arena_str(a, buf_str(&text));
}

static const struct fault *make_by_kms(struct kms_port *kms, const struct call *call,
                                       const struct bucket *bucket, const struct s3_put *put,
                                       const struct object_encryption *e,
                                       struct object_key *ret_key)
{
    const str key_id = e->kms_key_id.len ? e->kms_key_id : STR("alias/aws/s3");
    struct encryption_context context;
    struct call by_s3;
    struct data_key made;
    TRY(context_of(call, bucket, put->key, e, &context));
    TRY(call_kms(call, bucket, &by_s3));
    TRY(told(call, kms->generate_data_key(kms, &by_s3, key_id, &context, &made)));
    memcpy(ret_key->plaintext, made.plaintext, CIPHER_KEY_SIZE);
    bytes_forget(made.plaintext, sizeof made.plaintext);
    if (put->multipart) { /* whose parts S3 reads again to join them */
        str again;
        TRY(told(call, kms->decrypt(kms, &by_s3, made.key_arn, made.ciphertext, &context, &again)));
    }
    add(ret_key, SSE_HEADER, STR("aws:kms"));
    add(ret_key, SSE_KEY_HEADER, made.key_arn);
    add(ret_key, DATA_KEY, in_base64(made.ciphertext, call->arena));
    add(ret_key, CONTEXT_KEY, context_text(&context, call->arena));
    if (e->bucket_key)
        add(ret_key, SSE_BUCKET_HEADER, STR("true"));
    return NULL;
}

static const struct fault *open_by_kms(struct s3_service *s3, const struct call *call,
                                       const struct bucket *bucket, const struct json *headers,
                                       str sealed, unsigned char ret_key[CIPHER_KEY_SIZE])
{
    const struct json *pairs, *value;
    struct call by_s3;
    str plaintext, name;
    if (json_parse(json_str(headers, CONTEXT_KEY), call->arena, &pairs))
        return damaged(call);
    struct header *list = ARENA_ARRAY(call->arena, struct header, json_size(pairs) + 1);
    if (!list)
        return &fault_no_memory;
    for (size_t i = 0; json_member(pairs, i, &name, &value); i++)
        list[i] = (struct header) { name, json_text(value) };
    const struct encryption_context context = { .pairs = list, .count = json_size(pairs) };
    TRY(call_kms(call, bucket, &by_s3));
    TRY(told(call, s3->kms->decrypt(s3->kms, &by_s3, json_str(headers, SSE_KEY_HEADER), sealed,
                                    &context, &plaintext)));
    if (plaintext.len != CIPHER_KEY_SIZE)
        return damaged(call);
    memcpy(ret_key, plaintext.ptr, CIPHER_KEY_SIZE);
    return NULL;
}

static const struct fault *no_kms(const struct call *call)
{
    return fault_coded(call->arena, FAULT_UNBUILT, "NotImplemented",
                       "encryption with KMS keys is not there");
}

const struct fault *encryption_key(struct s3_service *s3, struct kms_port *kms,
                                   const struct call *call, const struct bucket *bucket,
                                   const struct s3_put *put, const struct object_encryption *e,
                                   struct object_key *ret_key)
{
    const struct fault *why = NULL;
    ret_key->header_count = 0;
    switch (e->kind) {
    case SSE_NONE:
        break;
    case SSE_S3:
        why = make_own(s3, call, bucket, put->key, ret_key);
        break;
    case SSE_KMS:
        why = kms ? make_by_kms(kms, call, bucket, put, e, ret_key) : no_kms(call);
        break;
    }
    if (!why && !all_there(ret_key))
        why = &fault_no_memory;
    if (why)
        bytes_forget(ret_key->plaintext, sizeof ret_key->plaintext);
    return why;
}

enum sse_kind sse_kind_named(str name)
{
    return str_eq(name, STR("AES256")) ? SSE_S3 : str_eq(name, STR("aws:kms")) ? SSE_KMS : SSE_NONE;
}

str sse_kind_name(enum sse_kind kind)
{
    static const str names[] = {
        [SSE_NONE] = STR_INIT(""), [SSE_S3] = STR_INIT("AES256"), [SSE_KMS] = STR_INIT("aws:kms")
    };
    return names[kind];
}

const struct fault *encryption_open(struct s3_service *s3, const struct call *call,
                                    const struct bucket *bucket, str key, str headers_json,
                                    enum sse_kind *ret_kind, unsigned char ret_key[CIPHER_KEY_SIZE])
{
    const struct json *headers;
    TRY(json_parse(headers_json, call->arena, &headers));
    *ret_kind = sse_kind_named(json_str(headers, SSE_HEADER));
    if (*ret_kind == SSE_NONE)
        return NULL;
    AUTO_BUF sealed = buf_new(16 * 1024);
    if (!base64_decode(&sealed, json_str(headers, DATA_KEY)))
        return damaged(call);
    if (*ret_kind == SSE_S3)
        return open_own(s3, call, bucket, key, buf_str(&sealed), ret_key);
    str kept = arena_str(call->arena, buf_str(&sealed));
    if (!kept.ptr)
        return &fault_no_memory;
    return s3->kms ? open_by_kms(s3, call, bucket, headers, kept, ret_key) : no_kms(call);
}
