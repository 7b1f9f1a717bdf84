/* api/kms_use.c - KMS operations that compute: data keys, encryption, decryption, randomness. */
#include "api/api.h"
#include "api/kms_shape.h"
#include "api/run.h"
#include "base/digest.h"

enum { TEXT_MOST = 4096, BLOB_MOST = 6144, DATA_KEY_MOST = 1024, RANDOM_MOST = 1024 };

/* AWS reads these where an enclave asks; a plain answer in their place would give the secret to
 * whom it was not meant for. */
static const struct fault *refuse_recipient(const struct api_call *call, const struct json *input)
{
    return json_kind(json_get(input, "Recipient")) == JSON_NULL
               ? NULL
               : fault_coded(call->call.arena, FAULT_UNBUILT, "UnsupportedOperationException",
                             "The member Recipient is not supported");
}

static const struct fault *check_algorithm(const struct api_call *call, const struct json *input,
                                           const char *member)
{
    str name;
    TRY(kms_text(call, input, member, &name));
    return str_is_none(name) || str_eq(name, STR("SYMMETRIC_DEFAULT"))
               ? NULL
               : fault_coded(call->call.arena, FAULT_SYNTAX, "InvalidKeyUsageException",
                             "Algorithm " STR_FMT
                             " is incompatible with key spec SYMMETRIC_DEFAULT.",
                             STR_ARG(name));
}

static const struct fault *read_use(const struct api_call *call, const struct json *input,
                                    const char *key_member, const char *context_member,
                                    struct kms_use *ret_use)
{
    struct kms_use use = { 0 };
    TRY(refuse_recipient(call, input));
    TRY(kms_text(call, input, key_member, &use.key_id));
    TRY(kms_pairs(call, json_get(input, context_member), &use.context.pairs, &use.context.count));
    TRY(kms_flag(call, input, "DryRun", &use.dry_run));
    *ret_use = use;
    return NULL;
}

/* ---- data keys ---- */

static const struct fault *read_size(const struct api_call *call, const struct json *input,
                                     size_t *ret_size)
{
    str spec;
    int64_t octets;
    TRY(kms_text(call, input, "KeySpec", &spec));
    TRY(kms_number(call, input, "NumberOfBytes", 0, &octets));
    const bool counted = json_kind(json_get(input, "NumberOfBytes")) == JSON_INTEGER;
    if (counted == !str_is_none(spec))
        return fault_coded(call->call.arena, FAULT_SYNTAX, "ValidationException",
                           "Please specify either number of bytes or key spec.");
    if (counted && (octets < 1 || octets > DATA_KEY_MOST))
        return fault_coded(call->call.arena, FAULT_SYNTAX, "ValidationException",
                           "1 validation error detected: Value '%lld' at 'numberOfBytes' failed to "
                           "satisfy constraint: Member must have value between 1 and 1024",
                           (long long)octets);
    if (!counted && !str_eq(spec, STR("AES_256")) && !str_eq(spec, STR("AES_128")))
        return fault_coded(call->call.arena, FAULT_SYNTAX, "ValidationException",
                           "1 validation error detected: Value '" STR_FMT
                           "' at 'keySpec' failed to satisfy constraint: Member must satisfy enum "
                           "value set: [AES_256, AES_128]",
                           STR_ARG(spec));
    *ret_size = counted ? (size_t)octets : str_eq(spec, STR("AES_256")) ? 32 : 16;
    return NULL;
}

static const struct fault *generate(struct api *api, const struct api_call *call, str action,
                                    bool shows, struct api_answer *answer)
{
    const struct json *input;
    struct kms_use use;
    unsigned char plaintext[DATA_KEY_MOST];
    size_t size = 0;
    str blob, arn;
    TRY(kms_input(call, &input));
    TRY(read_use(call, input, "KeyId", "EncryptionContext", &use));
    TRY(read_size(call, input, &size));
    TRY(kms_generate(api->kms, &call->call, &use, action, plaintext, size, &blob, &arn));
    struct json_writer w = json_writer(&answer->text);
    json_open(&w, '{');
    kms_put_blob(&w, "CiphertextBlob", blob);
    if (shows)
        kms_put_blob(&w, "Plaintext", (str) { (const char *)plaintext, size });
    json_add_str(&w, "KeyId", arn);
    json_close(&w, '}');
    bytes_forget(plaintext, sizeof plaintext);
    return NULL;
}

const struct fault *run_kms_GenerateDataKey(struct api *api, const struct api_call *call,
                                            struct api_answer *answer)
{
    return generate(api, call, STR("kms:GenerateDataKey"), true, answer);
}

const struct fault *run_kms_GenerateDataKeyWithoutPlaintext(struct api *api,
                                                            const struct api_call *call,
                                                            struct api_answer *answer)
{
    return generate(api, call, STR("kms:GenerateDataKeyWithoutPlaintext"), false, answer);
}

/* ---- texts ---- */

const struct fault *run_kms_Encrypt(struct api *api, const struct api_call *call,
                                    struct api_answer *answer)
{
    const struct json *input;
    struct kms_use use;
    str plaintext, blob, arn;
    TRY(kms_input(call, &input));
    TRY(read_use(call, input, "KeyId", "EncryptionContext", &use));
    TRY(check_algorithm(call, input, "EncryptionAlgorithm"));
    TRY(kms_blob(call, input, "Plaintext", TEXT_MOST, &plaintext));
    TRY(kms_encrypt(api->kms, &call->call, &use, plaintext, &blob, &arn));
    struct json_writer w = json_writer(&answer->text);
    json_open(&w, '{');
    kms_put_blob(&w, "CiphertextBlob", blob);
    json_add_str(&w, "KeyId", arn);
    json_add_str(&w, "EncryptionAlgorithm", STR("SYMMETRIC_DEFAULT"));
    json_close(&w, '}');
    return NULL;
}

const struct fault *run_kms_Decrypt(struct api *api, const struct api_call *call,
                                    struct api_answer *answer)
{
    const struct json *input;
    struct kms_use use;
    str blob, plaintext, arn;
    TRY(kms_input(call, &input));
    TRY(read_use(call, input, "KeyId", "EncryptionContext", &use));
    TRY(check_algorithm(call, input, "EncryptionAlgorithm"));
    TRY(kms_blob(call, input, "CiphertextBlob", BLOB_MOST, &blob));
    TRY(kms_decrypt(api->kms, &call->call, &use, blob, &plaintext, &arn));
    struct json_writer w = json_writer(&answer->text);
    json_open(&w, '{');
    json_add_str(&w, "KeyId", arn);
    kms_put_blob(&w, "Plaintext", plaintext);
    json_add_str(&w, "EncryptionAlgorithm", STR("SYMMETRIC_DEFAULT"));
    json_close(&w, '}');
    return NULL;
}

const struct fault *run_kms_ReEncrypt(struct api *api, const struct api_call *call,
                                      struct api_answer *answer)
{
    const struct json *input;
    struct kms_re_encrypt re;
    str blob, from, to;
    TRY(kms_input(call, &input));
    TRY(read_use(call, input, "SourceKeyId", "SourceEncryptionContext", &re.from));
    TRY(read_use(call, input, "DestinationKeyId", "DestinationEncryptionContext", &re.to));
    TRY(check_algorithm(call, input, "SourceEncryptionAlgorithm"));
    TRY(check_algorithm(call, input, "DestinationEncryptionAlgorithm"));
    TRY(kms_blob(call, input, "CiphertextBlob", BLOB_MOST, &re.blob));
    TRY(kms_re_encrypt(api->kms, &call->call, &re, &blob, &from, &to));
    struct json_writer w = json_writer(&answer->text);
    json_open(&w, '{');
    kms_put_blob(&w, "CiphertextBlob", blob);
    json_add_str(&w, "SourceKeyId", from);
    json_add_str(&w, "KeyId", to);
    json_add_str(&w, "SourceEncryptionAlgorithm", STR("SYMMETRIC_DEFAULT"));
    json_add_str(&w, "DestinationEncryptionAlgorithm", STR("SYMMETRIC_DEFAULT"));
    json_close(&w, '}');
    return NULL;
}

const struct fault *run_kms_GenerateRandom(struct api *api, const struct api_call *call,
                                           struct api_answer *answer)
{
    const struct json *input;
    unsigned char octets[RANDOM_MOST];
    int64_t size;
    TRY(kms_input(call, &input));
    TRY(refuse_recipient(call, input));
    TRY(kms_number(call, input, "NumberOfBytes", 0, &size));
    if (size < 1 || size > RANDOM_MOST)
        return fault_coded(call->call.arena, FAULT_SYNTAX, "ValidationException",
                           "1 validation error detected: Value '%lld' at 'numberOfBytes' failed to "
                           "satisfy constraint: Member must have value between 1 and 1024",
                           (long long)size);
    TRY(kms_random(api->kms, &call->call, octets, (size_t)size));
    struct json_writer w = json_writer(&answer->text);
    json_open(&w, '{');
    kms_put_blob(&w, "Plaintext", (str) { (const char *)octets, (size_t)size });
    json_close(&w, '}');
    bytes_forget(octets, sizeof octets);
    return NULL;
}
