/* api/sqs_shape.h - SQS's two dialects behind one pair of hands: what an operation reads and writes, as
 * parameters and XML or as JSON.
 *
 * Query flattens its lists (Attribute.1.Name=...), JSON nests them ("Attributes":{...}); the members have
 * the same meaning under slightly different names, which is what the arguments below say. */
#ifndef SESAME_API_SQS_SHAPE_H
#define SESAME_API_SQS_SHAPE_H

#include "api/operation.h"
#include "base/json.h"

/* One request, or one entry of a batch in it. */
struct sqs_in {
    const struct api_call *call;
    const struct json *json; /* NULL: Query */
    const char *prefix;      /* Query: "" or "SendMessageBatchRequestEntry.1." */
};
const struct fault *sqs_in(const struct api_call *, struct sqs_in *ret_in);
str sqs_in_text(const struct sqs_in *, const char *name); /* STR_NONE when absent */
/* InvalidParameterValue when it is no whole number. */
const struct fault *sqs_in_number(const struct sqs_in *, const char *name, int64_t otherwise, int64_t *ret_number);
/* A list of texts: `query` ("AttributeName"), or `json` ("AttributeNames"). */
const struct fault *sqs_in_list(const struct sqs_in *, const char *query, const char *json, const str **ret_items,
                                size_t *ret_count);
/* Pairs: `query` with its two members, or the object `json`. */
const struct fault *sqs_in_map(const struct sqs_in *, const char *query, const char *key, const char *value,
                               const char *json, const struct header **ret_pairs, size_t *ret_count);
const struct fault *sqs_in_attributes(const struct sqs_in *, const struct message_attribute **ret_attributes,
                                      size_t *ret_count);
/* The entries of a batch, at most ten, each with an Id of its own: checked as SQS checks them. `query`:
 * "SendMessageBatchRequestEntry". */
enum { SQS_BATCH_MAX = 10 };
const struct fault *sqs_in_entries(const struct sqs_in *, const char *query, struct sqs_in ret_entries[SQS_BATCH_MAX],
                                   size_t *ret_count);

/* The answer. Names: of JSON, and of XML where they differ. */
struct sqs_out {
    struct buf *out;
    bool json;
    struct json_writer w;
};
struct sqs_out sqs_out(const struct api_call *, struct api_answer *); /* opens it */
void sqs_out_end(struct sqs_out *);
void sqs_out_text(struct sqs_out *, const char *name, str value);     /* STR_NONE: nothing */
void sqs_out_flag(struct sqs_out *, const char *name, bool value);
void sqs_out_list(struct sqs_out *, const char *json);                /* [ ; XML: nothing */
void sqs_out_list_end(struct sqs_out *);
void sqs_out_item(struct sqs_out *, const char *xml);                 /* { or <xml> */
void sqs_out_item_end(struct sqs_out *, const char *xml);
void sqs_out_item_text(struct sqs_out *, const char *xml, str value); /* an item that is a text */
void sqs_out_map(struct sqs_out *, const char *json);                 /* "Attributes":{ */
void sqs_out_map_end(struct sqs_out *);
/* <Attribute><Name>..</Name><Value>..</Value></Attribute>, or "name":"value" */
void sqs_out_pair(struct sqs_out *, const char *xml, const char *key, const char *value_name, str name, str value);
void sqs_out_attribute(struct sqs_out *, const struct message_attribute *); /* of a message, inside a map */

#endif
