#include "main/envelope.h"

#include "base/base64.h"
#include "base/cipher.h"
#include "base/digest.h"
#include "base/json.h"

enum { WRAPPED_MAX = 6144 }; /* KMS API: CiphertextBlob */
#define META STR("x-amz-meta-")

struct reading {
    const struct header *metadata;
    size_t count;
    struct arena *arena;
};

static str entry(const struct reading *r, const char *name)
{
    for (size_t i = 0; i < r->count; i++) {
        str found = r->metadata[i].name;
        if (str_starts_nocase(found, META))
            found = str_from(found, META.len);
        if (str_eq_nocase(found, str_of(name)))
            return r->metadata[i].value;
    }
    return STR_NONE;
}

static const struct fault *is_no_envelope(const struct reading *r)
{
    if (!str_is_none(entry(r, "x-amz-key")))
        return fault(r->arena, FAULT_SYNTAX, NULL,
                     "the object has the oldest envelope, x-amz-key: its content is not "
                     "authenticated, and it is not read");
    if (!str_is_none(entry(r, "x-amz-c")) || !str_is_none(entry(r, "x-amz-3")))
        return fault(r->arena, FAULT_SYNTAX, NULL,
                     "the object has an envelope of version 3, with key commitment, which is not "
                     "read yet");
    return fault(
        r->arena, FAULT_SYNTAX, NULL,
        "the object's metadata has no x-amz-key-v2: it was not encrypted by its client, or "
        "the envelope is not beside it");
}

/* One value is read, everything else said by name. */
static const struct fault *want(const struct reading *r, const char *name, str wanted,
                                const char *otherwise)
{
    const str value = entry(r, name);
    if (str_eq(value, wanted))
        return NULL;
    return fault(r->arena, FAULT_SYNTAX, NULL, "the object's %s is %s" STR_FMT "%s: %s", name,
                 str_is_none(value) ? "absent" : "\"", STR_ARG(value),
                 str_is_none(value) ? "" : "\"", otherwise);
}

static const struct fault *decode(const struct reading *r, const char *name, size_t most,
                                  str *ret_octets)
{
    const str text = entry(r, name);
    char *octets = ARENA_ARRAY(r->arena, char, text.len + 1);
    if (!octets)
        return &fault_no_memory;
    *ret_octets = (str) { octets, 0 };
    if (text.len > BASE64_LEN(most) || !base64_decode_to(octets, text, &ret_octets->len) ||
        !ret_octets->len)
        return fault(r->arena, FAULT_SYNTAX, NULL, "the object's %s is not the base64 it should be",
                     name);
    return NULL;
}

static const struct fault *read_context(const struct reading *r, struct envelope *e)
{
    const str text = entry(r, "x-amz-matdesc");
    const struct json *json = NULL, *value;
    const struct fault *why = json_parse(text, r->arena, &json);
    if (why || json_kind(json) != JSON_OBJECT)
        return fault(r->arena, FAULT_SYNTAX, why,
                     "the object's x-amz-matdesc is not a JSON object");
    struct header *pairs = ARENA_ARRAY(r->arena, struct header, json_size(json) + 1);
    if (!pairs)
        return &fault_no_memory;
    for (str name; json_member(json, e->context_count, &name, &value); e->context_count++) {
        pairs[e->context_count] = (struct header) { name, json_text(value) };
        if (json_kind(value) != JSON_STRING)
            return fault(r->arena, FAULT_SYNTAX, NULL,
                         "the object's x-amz-matdesc has a value that is not a string");
    }
    e->context = pairs;
    e->key_arn = json_str(json, "kms_cmk_id");
    return NULL;
}

/* Version 2 binds the content's algorithm into the context, so that nobody can pass the content off
 * as encrypted otherwise. */
static const struct fault *check_version(const struct reading *r, const struct envelope *e)
{
    const str wrap = entry(r, "x-amz-wrap-alg");
    str bound = STR_NONE;
    for (size_t i = 0; i < e->context_count; i++)
        if (str_eq(e->context[i].name, STR("aws:x-amz-cek-alg")))
            bound = e->context[i].value;
    if (str_eq(wrap, STR("kms")))
        return NULL;
    TRY(want(r, "x-amz-wrap-alg", STR("kms+context"),
             "its data key is not wrapped by KMS, and only KMS is asked here"));
    return str_eq(bound, STR("AES/GCM/NoPadding"))
               ? NULL
               : fault(r->arena, FAULT_SYNTAX, NULL,
                       "the object's encryption context does not bind AES/GCM/NoPadding, as an "
                       "envelope of version 2 does");
}

const struct fault *envelope_read(const struct header *metadata, size_t count, struct arena *arena,
                                  struct envelope *ret_envelope)
{
    const struct reading r = { metadata, count, arena };
    struct envelope e = { .plain_size = UINT64_MAX };
    str iv;
    if (str_is_none(entry(&r, "x-amz-key-v2")))
        return is_no_envelope(&r);
    TRY(want(&r, "x-amz-cek-alg", STR("AES/GCM/NoPadding"),
             "only content that is authenticated is read, and that is AES/GCM/NoPadding"));
    TRY(want(&r, "x-amz-tag-len", STR("128"), "only tags of 128 bits are read"));
    TRY(read_context(&r, &e));
    TRY(check_version(&r, &e));
    TRY(decode(&r, "x-amz-key-v2", WRAPPED_MAX, &e.wrapped_key));
    TRY(decode(&r, "x-amz-iv", ENVELOPE_IV, &iv));
    if (iv.len != ENVELOPE_IV)
        return fault(arena, FAULT_SYNTAX, NULL, "the object's x-amz-iv is not of 12 octets");
    memcpy(e.iv, iv.ptr, ENVELOPE_IV);
    const str size = entry(&r, "x-amz-unencrypted-content-length");
    if (!str_is_none(size) && !str_u64(size, &e.plain_size))
        return fault(arena, FAULT_SYNTAX, NULL,
                     "the object's x-amz-unencrypted-content-length is not a number");
    *ret_envelope = e;
    return NULL;
}

bool envelope_open(const struct envelope *e, const unsigned char data_key[CIPHER_KEY_SIZE],
                   char *bytes, size_t size, str *ret_plain)
{
    if (size < ENVELOPE_TAG) {
        bytes_forget(bytes, size);
        return false;
    }
    const size_t plain = size - ENVELOPE_TAG;
    struct cipher *c = cipher_decrypt(data_key, e->iv, STR(""));
    cipher_add(c, (str) { bytes, plain }, (unsigned char *)bytes);
    const bool proven = cipher_prove(c, (const unsigned char *)bytes + plain) &&
                        (e->plain_size == UINT64_MAX || e->plain_size == plain);
    cipher_free(c);
    if (!proven)
        bytes_forget(bytes, size);
    *ret_plain = (str) { bytes, plain };
    return proven;
}
