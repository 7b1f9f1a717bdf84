#include "api/sqs_shape.h"

#include "api/members.h"
#include "base/xml.h"

#include <stdio.h>
#include <stdlib.h>

enum { NAME_ROOM = 128 };

/* ---- in ---- */

const struct fault *sqs_in(const struct api_call *call, struct sqs_in *ret_in)
{
    *ret_in = (struct sqs_in) { .call = call, .prefix = "" };
    if (str_is_none(api_header(call, "X-Amz-Target")))
        return NULL;
    str text = call->text.len ? call->text : STR("{}");
    if (json_parse(text, call->call.arena, &ret_in->json) || json_kind(ret_in->json) != JSON_OBJECT)
        return fault_coded(call->call.arena, FAULT_SYNTAX, "SerializationException",
                           "The request is not a JSON object");
    return NULL;
}

str sqs_in_text(const struct sqs_in *in, const char *name)
{
    return in->json ? json_str(in->json, name) : members_get(in->call, in->prefix, name);
}

const struct fault *sqs_in_number(const struct sqs_in *in, const char *name, int64_t otherwise,
                                  int64_t *ret_number)
{
    const struct json *value = json_get(in->json, name);
    str text = sqs_in_text(in, name);
    uint64_t number;
    *ret_number = otherwise;
    if (json_kind(value) == JSON_INTEGER) {
        *ret_number = json_int(in->json, name, otherwise);
        if (*ret_number >= 0)
            return NULL;
    } else if (str_is_none(text) && json_kind(value) == JSON_NULL)
        return NULL;
    else if (str_u64(text, &number) && number <= INT32_MAX) {
        *ret_number = (int64_t)number;
        return NULL;
    }
    return fault_coded(in->call->call.arena, FAULT_SYNTAX, "InvalidParameterValue",
                       "Value for parameter %s is invalid. Reason: Must be a whole number.", name);
}

const struct fault *sqs_in_list(const struct sqs_in *in, const char *query, const char *json,
                                const str **ret_items, size_t *ret_count)
{
    char list[NAME_ROOM];
    if (!in->json) {
        snprintf(list, sizeof list, "%s%s", in->prefix, query);
        return members_list(in->call, list, ret_items, ret_count);
    }
    const struct json *array = json_get(in->json, json);
    str *items = ARENA_ARRAY(in->call->call.arena, str, json_size(array) + 1);
    if (!items)
        return &fault_no_memory;
    *ret_count = json_size(array);
    for (size_t i = 0; i < *ret_count; i++) {
        items[i] = json_text(json_at(array, i));
        if (str_is_none(items[i]))
            items[i] = STR("");
    }
    *ret_items = items;
    return NULL;
}

const struct fault *sqs_in_map(const struct sqs_in *in, const char *query, const char *key,
                               const char *value, const char *json, const struct header **ret_pairs,
                               size_t *ret_count)
{
    if (!in->json)
        return members_pairs(in->call, query, key, value, ret_pairs, ret_count);
    const struct json *object = json_get(in->json, json), *item;
    struct header *pairs = ARENA_ARRAY(in->call->call.arena, struct header, json_size(object) + 1);
    if (!pairs)
        return &fault_no_memory;
    for (size_t i = 0; json_member(object, i, &pairs[i].name, &item); i++) {
        pairs[i].value = json_text(item);
        if (str_is_none(pairs[i].value))
            pairs[i].value = STR("");
    }
    *ret_pairs = pairs;
    *ret_count = json_size(object);
    return NULL;
}

const struct fault *sqs_in_attributes(const struct sqs_in *in,
                                      const struct message_attribute **ret_attributes,
                                      size_t *ret_count)
{
    if (!in->json)
        return members_attributes(in->call, in->prefix, "MessageAttribute", ret_attributes,
                                  ret_count);
    const struct json *object = json_get(in->json, "MessageAttributes"), *value;
    struct message_attribute *all =
        ARENA_ARRAY(in->call->call.arena, struct message_attribute, json_size(object) + 1);
    if (!all)
        return &fault_no_memory;
    for (size_t i = 0; json_member(object, i, &all[i].name, &value); i++) {
        all[i].type = json_str(value, "DataType");
        all[i].value =
            json_str(value, str_starts(all[i].type, STR("Binary")) ? "BinaryValue" : "StringValue");
        TRY(message_attribute_check(&all[i], in->call->call.arena));
    }
    *ret_attributes = all;
    *ret_count = json_size(object);
    return NULL;
}

static const struct fault *batch_fault(const struct sqs_in *in, const char *code, const char *says)
{
    struct fault *why = ARENA_NEW(in->call->call.arena, struct fault);
    if (!why)
        return &fault_no_memory;
    *why = (struct fault) { .kind = FAULT_SYNTAX, .code = code, .says = str_of(says) };
    return why;
}

static bool id_ok(str id)
{
    for (size_t i = 0; i < id.len; i++)
        if (!ascii_is_alpha(id.ptr[i]) && !ascii_is_digit(id.ptr[i]) && id.ptr[i] != '-' &&
            id.ptr[i] != '_')
            return false;
    return id.len > 0 && id.len <= 80;
}

const struct fault *sqs_in_entries(const struct sqs_in *in, const char *query,
                                   struct sqs_in ret_entries[SQS_BATCH_MAX], size_t *ret_count)
{
    const struct json *array = json_get(in->json, "Entries");
    size_t count = in->json ? json_size(array) : members_count(in->call, query);
    if (count == 0)
        return batch_fault(in, "AWS.SimpleQueueService.EmptyBatchRequest",
                           "There should be at least one entry in the request.");
    if (count > SQS_BATCH_MAX)
        return batch_fault(in, "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
                           "Maximum number of entries per request are 10.");
    for (size_t i = 0; i < count; i++) {
        struct sqs_in *e = &ret_entries[i];
        *e = (struct sqs_in) { .call = in->call, .json = in->json ? json_at(array, i) : NULL };
        e->prefix = arena_strf(in->call->call.arena, "%s.%zu.", query, i + 1).ptr;
        if (!e->prefix)
            return &fault_no_memory;
        if (!id_ok(sqs_in_text(e, "Id")))
            return batch_fault(in, "AWS.SimpleQueueService.InvalidBatchEntryId",
                               "A batch entry id can only contain alphanumeric characters, hyphens "
                               "and underscores. It can be at most 80 letters long.");
        for (size_t k = 0; k < i; k++)
            if (str_eq(sqs_in_text(e, "Id"), sqs_in_text(&ret_entries[k], "Id")))
                return batch_fault(in, "AWS.SimpleQueueService.BatchEntryIdsNotDistinct",
                                   "Two or more batch entries in the request have the same Id.");
    }
    *ret_count = count;
    return NULL;
}

/* ---- out ---- */

struct sqs_out sqs_out(const struct api_call *call, struct api_answer *answer)
{
    struct sqs_out o = { .out = &answer->text,
                         .json = !str_is_none(api_header(call, "X-Amz-Target")),
                         .w = json_writer(&answer->text) };
    if (o.json) {
        api_add_header(answer, "Content-Type", STR("application/x-amz-json-1.0"));
        json_open(&o.w, '{');
    }
    return o;
}

void sqs_out_end(struct sqs_out *o)
{
    if (o->json)
        json_close(&o->w, '}');
}

void sqs_out_text(struct sqs_out *o, const char *name, str value)
{
    if (str_is_none(value))
        return;
    if (o->json)
        json_add_str(&o->w, name, value);
    else
        xml_leaf(o->out, name, value);
}

void sqs_out_flag(struct sqs_out *o, const char *name, bool value)
{
    if (o->json)
        json_add_bool(&o->w, name, value);
    else
        xml_leaf_bool(o->out, name, value);
}

void sqs_out_list(struct sqs_out *o, const char *json)
{
    if (!o->json)
        return;
    json_name(&o->w, str_of(json));
    json_open(&o->w, '[');
}

void sqs_out_list_end(struct sqs_out *o)
{
    if (o->json)
        json_close(&o->w, ']');
}

void sqs_out_item(struct sqs_out *o, const char *xml)
{
    if (o->json)
        json_open(&o->w, '{');
    else
        xml_open(o->out, xml);
}

void sqs_out_item_end(struct sqs_out *o, const char *xml)
{
    if (o->json)
        json_close(&o->w, '}');
    else
        xml_close(o->out, xml);
}

void sqs_out_item_text(struct sqs_out *o, const char *xml, str value)
{
    if (o->json)
        json_put_str(&o->w, value);
    else
        xml_leaf(o->out, xml, value);
}

void sqs_out_map(struct sqs_out *o, const char *json)
{
    if (!o->json)
        return;
    json_name(&o->w, str_of(json));
    json_open(&o->w, '{');
}

void sqs_out_map_end(struct sqs_out *o)
{
    if (o->json)
        json_close(&o->w, '}');
}

void sqs_out_pair(struct sqs_out *o, const char *xml, const char *key, const char *value_name,
                  str name, str value)
{
    if (o->json) {
        json_name(&o->w, name);
        json_put_str(&o->w, value);
        return;
    }
    xml_open(o->out, xml);
    xml_leaf(o->out, key, name);
    xml_leaf(o->out, value_name, value);
    xml_close(o->out, xml);
}

void sqs_out_attribute(struct sqs_out *o, const struct message_attribute *a)
{
    const char *member = str_starts(a->type, STR("Binary")) ? "BinaryValue" : "StringValue";
    if (o->json) {
        json_name(&o->w, a->name);
        json_open(&o->w, '{');
        json_add_str(&o->w, member, a->value);
        json_add_str(&o->w, "DataType", a->type);
        json_close(&o->w, '}');
        return;
    }
    xml_open(o->out, "MessageAttribute");
    xml_leaf(o->out, "Name", a->name);
    xml_open(o->out, "Value");
    xml_leaf(o->out, member, a->value);
    xml_leaf(o->out, "DataType", a->type);
    xml_close(o->out, "Value");
    xml_close(o->out, "MessageAttribute");
}
