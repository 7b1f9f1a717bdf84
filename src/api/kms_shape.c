#include "api/kms_shape.h"

#include "base/base64.h"

#include <stdio.h>

static const struct fault *unserializable(const struct api_call *call, const char *member)
{
    return fault_coded(call->call.arena, FAULT_SYNTAX, "SerializationException",
                       "The member %s is not of its type", member);
}

const struct fault *kms_input(const struct api_call *call, const struct json **ret_input)
{
    const str text = call->text.len ? call->text : STR("{}");
    if (call->call.caller->kind == CALLER_ANONYMOUS)
        return fault_coded(call->call.arena, FAULT_DENIED, "MissingAuthenticationToken",
                           "Missing Authentication Token");
    const struct fault *why = json_parse(text, call->call.arena, ret_input);
    if (why ? why->kind == FAULT_SYNTAX : json_kind(*ret_input) != JSON_OBJECT)
        return fault_coded(call->call.arena, FAULT_SYNTAX, "SerializationException",
                           "The request is not a JSON object");
    return why;
}

const struct fault *kms_text(const struct api_call *call, const struct json *input,
                             const char *member, str *ret_text)
{
    const struct json *value = json_get(input, member);
    *ret_text = json_text(value);
    return json_kind(value) == JSON_NULL || json_kind(value) == JSON_STRING
               ? NULL
               : unserializable(call, member);
}

const struct fault *kms_flag(const struct api_call *call, const struct json *input,
                             const char *member, bool *ret_flag)
{
    const struct json *value = json_get(input, member);
    *ret_flag = json_bool(input, member, false);
    return json_kind(value) == JSON_NULL || json_kind(value) == JSON_BOOL
               ? NULL
               : unserializable(call, member);
}

const struct fault *kms_number(const struct api_call *call, const struct json *input,
                               const char *member, int64_t otherwise, int64_t *ret_number)
{
    const struct json *value = json_get(input, member);
    *ret_number = json_int(input, member, otherwise);
    return json_kind(value) == JSON_NULL || json_kind(value) == JSON_INTEGER
               ? NULL
               : unserializable(call, member);
}

/* "KeyId" is 'keyId' in KMS's sentences. */
static str spoken(const struct api_call *call, const char *member)
{
    const str name = arena_str(call->call.arena, str_of(member));
    if (name.len)
        ((char *)(uintptr_t)name.ptr)[0] = ascii_lower(name.ptr[0]); /* our own copy */
    return name;
}

static const struct fault *is_missing(const struct api_call *call, const char *member)
{
    const str name = spoken(call, member);
    return fault_coded(call->call.arena, FAULT_SYNTAX, "ValidationException",
                       "1 validation error detected: Value null at '" STR_FMT
                       "' failed to satisfy constraint: Member must not be null",
                       STR_ARG(name));
}

const struct fault *kms_wanted(const struct api_call *call, const struct json *input,
                               const char *member, str *ret_text)
{
    TRY(kms_text(call, input, member, ret_text));
    return str_is_none(*ret_text) ? is_missing(call, member) : NULL;
}

const struct fault *kms_blob(const struct api_call *call, const struct json *input,
                             const char *member, size_t most, str *ret_octets)
{
    str text;
    TRY(kms_wanted(call, input, member, &text));
    arena_wipes(call->call.arena);
    char *octets = ARENA_ARRAY(call->call.arena, char, text.len + 1);
    size_t len;
    if (!octets)
        return &fault_no_memory;
    if (!base64_decode_to(octets, text, &len))
        return unserializable(call, member);
    if (len < 1 || len > most) {
        const str name = spoken(call, member);
        return fault_coded(call->call.arena, FAULT_SYNTAX, "ValidationException",
                           "1 validation error detected: Value at '" STR_FMT
                           "' failed to satisfy constraint: Member must have length %s %zu",
                           STR_ARG(name),
                           len < 1 ? "greater than or equal to" : "less than or equal to",
                           len < 1 ? (size_t)1 : most);
    }
    *ret_octets = (str) { octets, len };
    return NULL;
}

const struct fault *kms_texts(const struct api_call *call, const struct json *list,
                              const str **ret_texts, size_t *ret_count)
{
    str *texts = ARENA_ARRAY(call->call.arena, str, json_size(list) + 1);
    if (!texts)
        return &fault_no_memory;
    if (json_kind(list) != JSON_NULL && json_kind(list) != JSON_ARRAY)
        return unserializable(call, "that is a list");
    for (size_t i = 0; i < json_size(list); i++) {
        texts[i] = json_text(json_at(list, i));
        if (str_is_none(texts[i]))
            return unserializable(call, "that is a list of strings");
    }
    *ret_texts = texts;
    *ret_count = json_size(list);
    return NULL;
}

const struct fault *kms_tags(const struct api_call *call, const struct json *list,
                             const struct header **ret_tags, size_t *ret_count)
{
    struct header *tags = ARENA_ARRAY(call->call.arena, struct header, json_size(list) + 1);
    if (!tags)
        return &fault_no_memory;
    if (json_kind(list) != JSON_NULL && json_kind(list) != JSON_ARRAY)
        return unserializable(call, "Tags");
    for (size_t i = 0; i < json_size(list); i++) {
        const struct json *tag = json_at(list, i);
        TRY(kms_wanted(call, tag, "TagKey", &tags[i].name));
        TRY(kms_wanted(call, tag, "TagValue", &tags[i].value));
    }
    *ret_tags = tags;
    *ret_count = json_size(list);
    return NULL;
}

const struct fault *kms_pairs(const struct api_call *call, const struct json *object,
                              const struct header **ret_pairs, size_t *ret_count)
{
    struct header *pairs = ARENA_ARRAY(call->call.arena, struct header, json_size(object) + 1);
    const struct json *value;
    size_t count = 0;
    if (!pairs)
        return &fault_no_memory;
    if (json_kind(object) != JSON_NULL && json_kind(object) != JSON_OBJECT)
        return unserializable(call, "EncryptionContext");
    for (str name; json_member(object, count, &name, &value); count++) {
        pairs[count] = (struct header) { name, json_text(value) };
        if (str_is_none(pairs[count].value))
            return unserializable(call, "EncryptionContext");
    }
    *ret_pairs = pairs;
    *ret_count = count;
    return NULL;
}

/* A marker is where the last page ended, in a form that nobody takes for a name. */
const struct fault *kms_page(const struct api_call *call, const struct json *input, int64_t usual,
                             int64_t most, struct kms_page *ret_page)
{
    int64_t limit;
    str marker;
    TRY(kms_number(call, input, "Limit", usual, &limit));
    TRY(kms_text(call, input, "Marker", &marker));
    if (limit < 1 || limit > most)
        return fault_coded(call->call.arena, FAULT_SYNTAX, "ValidationException",
                           "1 validation error detected: Value '%lld' at 'limit' failed to satisfy "
                           "constraint: Member must have value between 1 and %lld",
                           (long long)limit, (long long)most);
    *ret_page = (struct kms_page) { .max = (size_t)limit };
    if (str_is_none(marker))
        return NULL;
    char *after = ARENA_ARRAY(call->call.arena, char, marker.len + 1);
    if (!after)
        return &fault_no_memory;
    ret_page->after.ptr = after;
    if (!base64_decode_to(after, marker, &ret_page->after.len))
        return fault_coded(call->call.arena, FAULT_SYNTAX, "InvalidMarkerException",
                           "The marker is not one that this operation gave");
    return NULL;
}

void kms_put_page(struct json_writer *w, bool more, str last)
{
    if (more)
        kms_put_blob(w, "NextMarker", last);
    json_add_bool(w, "Truncated", more);
}

void kms_put_time(struct json_writer *w, const char *member, int64_t ms)
{
    char text[40];
    const int len =
        snprintf(text, sizeof text, "%lld.%03d", (long long)(ms / 1000), (int)(ms % 1000));
    json_add_raw(w, member, (str) { text, (size_t)len });
}

void kms_put_blob(struct json_writer *w, const char *member, str octets)
{
    json_name(w, str_of(member));
    buf_addc(w->out, '"');
    base64_encode(w->out, octets);
    buf_addc(w->out, '"');
    w->comma = true;
}

void kms_put_metadata(struct json_writer *w, const struct kms_key *key)
{
    json_name(w, STR("KeyMetadata"));
    json_open(w, '{');
    json_add_str(w, "AWSAccountId", key->account);
    json_add_str(w, "KeyId", key->id);
    json_add_str(w, "Arn", key->arn.text);
    kms_put_time(w, "CreationDate", key->created_ms);
    json_add_bool(w, "Enabled", key->state == KEY_ENABLED);
    json_add_str(w, "Description", key->description);
    json_add_str(w, "KeyUsage", STR("ENCRYPT_DECRYPT"));
    json_add_str(w, "KeyState", kms_key_state_name(key->state));
    if (key->state == KEY_PENDING_DELETION)
        kms_put_time(w, "DeletionDate", key->deletion_ms);
    json_add_str(w, "Origin", STR("AWS_KMS"));
    json_add_str(w, "KeyManager", str_is_none(key->managed) ? STR("CUSTOMER") : STR("AWS"));
    json_add_str(w, "CustomerMasterKeySpec", STR("SYMMETRIC_DEFAULT"));
    json_add_str(w, "KeySpec", STR("SYMMETRIC_DEFAULT"));
    json_add_raw(w, "EncryptionAlgorithms", STR("[\"SYMMETRIC_DEFAULT\"]"));
    json_add_bool(w, "MultiRegion", false);
    json_close(w, '}');
}
