/* api/kms_shape.h - what KMS's JSON looks like: members read and members written. */
#ifndef SESAME_API_KMS_SHAPE_H
#define SESAME_API_KMS_SHAPE_H

#include "api/operation.h"
#include "base/json.h"
#include "services/kms/kms.h"

/* The request's object. SerializationException: it is none. MissingAuthenticationToken: nobody
 * signed; no operation of KMS is for strangers. */
const struct fault *kms_input(const struct api_call *, const struct json **ret_input);

/* A member of this kind, or SerializationException; STR_NONE, or `otherwise`, when it is absent. */
const struct fault *kms_text(const struct api_call *, const struct json *input, const char *member,
                             str *ret_text);
const struct fault *kms_flag(const struct api_call *, const struct json *input, const char *member,
                             bool *ret_flag);
const struct fault *kms_number(const struct api_call *, const struct json *input,
                               const char *member, int64_t otherwise, int64_t *ret_number);
/* ... that has to be there: ValidationException, "Value null at 'keyId' ...". */
const struct fault *kms_wanted(const struct api_call *, const struct json *input,
                               const char *member, str *ret_text);
/* Base64, decoded into the arena, which is wiped when it is reset; 1 to `most` octets. */
const struct fault *kms_blob(const struct api_call *, const struct json *input, const char *member,
                             size_t most, str *ret_octets);
/* A list of texts, or of {name_member, value_member}. */
const struct fault *kms_texts(const struct api_call *, const struct json *list,
                              const str **ret_texts, size_t *ret_count);
const struct fault *kms_tags(const struct api_call *, const struct json *list,
                             const struct header **ret_tags, size_t *ret_count);
/* An object of texts: EncryptionContext. */
const struct fault *kms_pairs(const struct api_call *, const struct json *object,
                              const struct header **ret_pairs, size_t *ret_count);

/* Limit and Marker. */
struct kms_page {
    size_t max;
    str after; /* what the marker holds; STR_NONE: the first page */
};
const struct fault *kms_page(const struct api_call *, const struct json *input, int64_t usual,
                             int64_t most, struct kms_page *ret_page);
/* "NextMarker" where there is more, and "Truncated". */
void kms_put_page(struct json_writer *, bool more, str last);

void kms_put_time(struct json_writer *, const char *member,
                  int64_t ms); /* seconds, three decimals */
void kms_put_blob(struct json_writer *, const char *member, str octets);
void kms_put_metadata(struct json_writer *, const struct kms_key *);

#endif
