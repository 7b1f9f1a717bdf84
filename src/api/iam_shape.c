#include "api/iam_shape.h"

#include "api/params.h"
#include "base/base64.h"
#include "base/percent.h"
#include "base/when.h"
#include "base/xml.h"
#include "services/authorize.h"

enum { ITEMS_USUAL = 100, ITEMS_MOST = 1000, KEYS_MOST = 4 + 2 * IAM_TAGS_MOST };

/* ---- may the caller? ---- */

struct keys {
    struct context_key *items;
    size_t count;
    struct arena *arena;
    bool failed;
};

static void put(struct keys *keys, str name, const str *values, size_t count, bool list)
{
    keys->failed = keys->failed || str_is_none(name);
    if (!keys->failed && keys->count < KEYS_MOST)
        keys->items[keys->count++] = (struct context_key) {
            .name = name, .values = values, .count = count, .multivalued = list
        };
}

static void put_tags(struct keys *keys, const char *family, const struct tag *tags, size_t count)
{
    for (size_t i = 0; i < count && i < IAM_TAGS_MOST; i++)
        put(keys, arena_strf(keys->arena, "%s/" STR_FMT, family, STR_ARG(tags[i].key)),
            &tags[i].value, 1, false);
}

static void put_request_tags(struct keys *keys, const struct tag *tags, size_t count)
{
    str *names = ARENA_ARRAY(keys->arena, str, count + 1);
    keys->failed = keys->failed || !names;
    put_tags(keys, "aws:RequestTag", tags, count);
    for (size_t i = 0; names && i < count; i++)
        names[i] = tags[i].key;
    if (count)
        put(keys, STR("aws:TagKeys"), names, count, true);
}

static const struct fault *keys_new(struct arena *arena, struct keys *ret_keys)
{
    *ret_keys = (struct keys) { .items = ARENA_ARRAY(arena, struct context_key, KEYS_MOST),
                                .arena = arena };
    return ret_keys->items ? NULL : &fault_no_memory;
}

static const struct fault *ask(const struct api_call *call, str action, str resource, str account,
                               const struct keys *keys)
{
    if (keys->failed || str_is_none(resource))
        return &fault_no_memory;
    return authorize(&call->call, &(struct ask) { .action = action,
                                                  .resource = resource,
                                                  .resource_account = account,
                                                  .context = keys->items,
                                                  .context_count = keys->count });
}

const struct fault *iam_may(const struct api_call *call, const struct iam_question *q)
{
    const struct call *c = &call->call;
    str account = c->caller->account;
    const struct holder *holder = holder_find(c->world, q->kind, account, q->name);
    str arn =
        holder ? holder->arn.text
               : arena_strf(c->arena, "arn:" STR_FMT ":iam::" STR_FMT ":" STR_FMT STR_FMT STR_FMT,
                            STR_ARG(region_partition(c->region)), STR_ARG(account),
                            STR_ARG(q->kind->arn_kind),
                            STR_ARG(str_is_none(q->path) ? STR("/") : q->path), STR_ARG(q->name));
    struct keys keys;
    TRY(keys_new(c->arena, &keys));
    if (!str_is_none(q->policy_arn))
        put(&keys, STR("iam:PolicyARN"), &q->policy_arn, 1, false);
    str boundary = str_is_none(q->boundary) && holder ? holder->boundary : q->boundary;
    str *kept = ARENA_NEW(c->arena, str);
    if (!kept)
        return &fault_no_memory;
    *kept = boundary;
    if (!str_is_none(boundary))
        put(&keys, STR("iam:PermissionsBoundary"), kept, 1, false);
    put_request_tags(&keys, q->tags, q->tag_count);
    if (holder)
        put_tags(&keys, "aws:ResourceTag", holder->tags, holder->tag_count);
    return ask(call, q->action, arn, account, &keys);
}

const struct fault *iam_may_policy(const struct api_call *call, str action, str text,
                                   const struct tag *tags, size_t tag_count)
{
    struct arn arn;
    struct keys keys;
    str account = call->call.caller->account;
    TRY(keys_new(call->call.arena, &keys));
    put_request_tags(&keys, tags, tag_count);
    /* Everybody may be allowed to look at AWS's own: they are nobody else's. */
    bool others = arn_parse(text, &arn) && account_id_ok(arn.account);
    bool changes = !str_starts(action, STR("iam:Get")) && !str_starts(action, STR("iam:List"));
    bool of_aws = arn_parse(text, &arn) && str_eq(arn.account, STR("aws")) && changes;
    return ask(call, action, text, others || of_aws ? arn.account : account, &keys);
}

const struct fault *iam_may_list(const struct api_call *call, str action, str resource_kind)
{
    const struct call *c = &call->call;
    return authorize(
        c, &(struct ask) { .action = action,
                           .resource =
                               arena_strf(c->arena, "arn:" STR_FMT ":iam::" STR_FMT ":" STR_FMT "/",
                                          STR_ARG(region_partition(c->region)),
                                          STR_ARG(c->caller->account), STR_ARG(resource_kind)),
                           .resource_account = c->caller->account });
}

/* ---- parameters ---- */

const struct fault *iam_need(const struct api_call *call, const char *name, const char *path,
                             str *ret_value)
{
    *ret_value = api_param(call, name);
    return str_is_none(*ret_value)
               ? param_invalid(call->call.arena, STR_NONE, path, "Member must not be null")
               : NULL;
}

const struct fault *iam_find(const struct api_call *call, const struct holder_kind *kind, str name,
                             const struct holder **ret_holder)
{
    const struct call *c = &call->call;
    if (str_is_none(name))
        return param_invalid(c->arena, STR_NONE, kind->name_path, "Member must not be null");
    *ret_holder = holder_find(c->world, kind, c->caller->account, name);
    return *ret_holder ? NULL : holder_absent(c->arena, kind, name);
}

const struct fault *iam_read_tags(const struct api_call *call, const struct tag **ret_tags,
                                  size_t *ret_count)
{
    const str *names, *values;
    size_t name_count, value_count;
    struct arena *arena = call->call.arena;
    TRY(param_list(call, STR("Tags"), ".Key", IAM_TAGS_MOST, "tags", &names, &name_count));
    TRY(param_list(call, STR("Tags"), ".Value", IAM_TAGS_MOST, "tags", &values, &value_count));
    if (name_count != value_count)
        return param_invalid(arena, STR_NONE, "tags.1.member.value", "Member must not be null");
    struct tag *tags = ARENA_ARRAY(arena, struct tag, name_count + 1);
    for (size_t i = 0; tags && i < name_count; i++)
        tags[i] = (struct tag) { names[i], values[i] };
    *ret_tags = tags;
    *ret_count = name_count;
    return tags ? NULL : &fault_no_memory;
}

/* ---- lists ---- */

/* A marker is the last key of the page before, in base64, so that nobody builds on its look. */
const struct fault *iam_list_begin(const struct api_call *call, struct buf *out,
                                   const char *element, struct iam_list *ret_list)
{
    struct arena *arena = call->call.arena;
    str marker = api_param(call, "Marker");
    int64_t most;
    TRY(param_number(call, "MaxItems", "maxItems", 1, ITEMS_MOST, ITEMS_USUAL, &most));
    *ret_list = (struct iam_list) { .out = out, .left = (size_t)most };
    if (!str_is_none(marker)) {
        char *bytes = ARENA_ARRAY(arena, char, marker.len + 1);
        size_t len;
        if (!bytes)
            return &fault_no_memory;
        if (marker.len == 0 || !base64_decode_to(bytes, marker, &len) || len == 0)
            return fault_coded(arena, FAULT_SYNTAX, "ValidationError", "Invalid Marker: " STR_FMT,
                               STR_ARG(str_head(marker, 256)));
        ret_list->after = (str) { bytes, len };
    }
    xml_open(out, element);
    return NULL;
}

bool iam_list_takes(struct iam_list *list, str key)
{
    if (!str_is_none(list->after) && str_cmp(key, list->after) <= 0)
        return false;
    if (list->left == 0) {
        list->more = true;
        return false;
    }
    list->left--;
    list->last = key;
    return true;
}

void iam_list_end(struct iam_list *list, const char *element)
{
    xml_close(list->out, element);
    xml_leaf_bool(list->out, "IsTruncated", list->more);
    if (!list->more)
        return;
    AUTO_BUF marker = buf_new(4096);
    base64_encode(&marker, list->last);
    list->out->failed |= marker.failed;
    xml_leaf(list->out, "Marker", buf_str(&marker));
}

/* ---- answers ---- */

void iam_leaf_encoded(struct buf *out, const char *name, str document)
{
    AUTO_BUF encoded = buf_new(1024 * 1024);
    percent_encode(&encoded, document, PERCENT_ALL);
    xml_leaf(out, name, buf_str(&encoded));
    out->failed |= encoded.failed;
}

void iam_leaf_when(struct buf *out, const char *name, int64_t ms)
{
    char when[WHEN_SIZE];
    xml_leaf(out, name, when_iso(when, ms));
}

void iam_write_tags(struct buf *out, const struct tag *tags, size_t count)
{
    if (count == 0)
        return;
    xml_open(out, "Tags");
    for (size_t i = 0; i < count; i++) {
        xml_open(out, "member");
        xml_leaf(out, "Key", tags[i].key);
        xml_leaf(out, "Value", tags[i].value);
        xml_close(out, "member");
    }
    xml_close(out, "Tags");
}

void iam_write_names(struct buf *out, const struct holder_kind *kind, const struct holder *holder)
{
    bool role = kind == &role_kind;
    xml_leaf(out, "Path", holder->path);
    xml_leaf(out, role ? "RoleName" : "UserName", holder->name);
    xml_leaf(out, role ? "RoleId" : "UserId", holder->id);
    xml_leaf(out, "Arn", holder->arn.text);
    iam_leaf_when(out, "CreateDate", holder->created_ms);
}

void iam_write_more(struct buf *out, const struct holder *holder)
{
    if (!str_is_none(holder->boundary)) {
        xml_open(out, "PermissionsBoundary");
        xml_leaf(out, "PermissionsBoundaryType", STR("Policy"));
        xml_leaf(out, "PermissionsBoundaryArn", holder->boundary);
        xml_close(out, "PermissionsBoundary");
    }
    iam_write_tags(out, holder->tags, holder->tag_count);
}
