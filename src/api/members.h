/* api/members.h - lists and maps in the parameters of the Query dialect: Tags.member.1.Key=..., and so
 * on from 1 until one is missing. Bounded by the number of parameters a request may have. */
#ifndef SESAME_API_MEMBERS_H
#define SESAME_API_MEMBERS_H

#include "api/operation.h"

/* The parameter of this name behind a prefix that ends in a dot, or is empty. STR_NONE when absent. */
str members_get(const struct api_call *, const char *prefix, const char *name);
/* How many there are of "list.N" or "list.N.something". */
size_t members_count(const struct api_call *, const char *list);
/* "list.N" */
const struct fault *members_list(const struct api_call *, const char *list, const str **ret_items, size_t *ret_count);
/* "list.N.key" and "list.N.value"; a value that is missing is empty. */
const struct fault *members_pairs(const struct api_call *, const char *list, const char *key, const char *value,
                                  const struct header **ret_pairs, size_t *ret_count);
/* "list.N.Name", "list.N.Value.DataType", "list.N.Value.StringValue" or ".BinaryValue" behind the prefix, as
 * SNS and SQS write message attributes. Faults carry InvalidParameterValue, as both say it. */
const struct fault *members_attributes(const struct api_call *, const char *prefix, const char *list,
                                       const struct message_attribute **ret_attributes, size_t *ret_count);

/* The rest of what such an attribute must be, whatever dialect it came in. */
const struct fault *message_attribute_check(const struct message_attribute *, struct arena *);

#endif
