#include "services/ses/filters.h"

#include "base/json.h"
#include "services/ses/rule_set_change.h"
#include "services/world.h"

#include <stdlib.h>

enum { RECORD_MAX = 64 * 1024, KEY_ROOM = 128 };

bool filter_cidr_read(str cidr, struct network *ret_network)
{
    bool dotted = str_has(cidr, '.') && str_has(cidr, ':'); /* ::ffff:192.0.2.1 is refused */
    return !dotted && network_read(cidr, ret_network);
}

/* ---- the aggregate ---- */

const struct fault *filters_compile(const struct record *record, struct arena *arena,
                                    const void **ret_aggregate)
{
    struct receipt_filters *filters = ARENA_NEW(arena, struct receipt_filters);
    const struct json *json;
    if (!filters)
        return &fault_no_memory;
    TRY(json_parse(record->value, arena, &json));
    struct receipt_filter *list = ARENA_ARRAY(arena, struct receipt_filter, json_size(json) + 1);
    if (!list)
        return &fault_no_memory;
    for (size_t i = 0; i < json_size(json); i++) {
        const struct json *item = json_at(json, i);
        list[i] = (struct receipt_filter) { .name = json_str(item, "Name"),
                                            .allow = str_eq(json_str(item, "Policy"), STR("Allow")),
                                            .cidr = json_str(item, "Cidr") };
        if (!filter_cidr_read(list[i].cidr, &list[i].network))
            return fault(arena, FAULT_SYNTAX, NULL, "a filter has no CIDR block");
    }
    *filters = (struct receipt_filters) { .list = list, .count = json_size(json) };
    *ret_aggregate = filters;
    return NULL;
}

static void write_filters(const struct receipt_filters *filters, struct buf *out)
{
    struct json_writer w = json_writer(out);
    json_open(&w, '[');
    for (size_t i = 0; i < filters->count; i++) {
        json_open(&w, '{');
        json_add_str(&w, "Name", filters->list[i].name);
        json_add_str(&w, "Policy", filters->list[i].allow ? STR("Allow") : STR("Block"));
        json_add_str(&w, "Cidr", filters->list[i].cidr);
        json_close(&w, '}');
    }
    json_close(&w, ']');
}

/* ---- looking up ---- */

static str key_in(char room[KEY_ROOM], str account, str region)
{
    size_t len = 0;
    const str parts[] = { STR("receipt-filters/"), account, STR("/"), region };
    for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
        if (parts[i].len > KEY_ROOM - len)
            return STR("");
        if (parts[i].len)
            memcpy(room + len, parts[i].ptr, parts[i].len);
        len += parts[i].len;
    }
    return (str) { room, len };
}

const struct receipt_filters *filters_find(const struct world *world, str account, str region)
{
    char room[KEY_ROOM];
    str key = key_in(room, account, region);
    return key.len ? world_find(world, key) : NULL;
}

void filter_network_unmap(struct network *network)
{
    static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff }; /* RFC 4291 2.5.5.2 */
    enum { BITS = 8 * sizeof mapped };
    if (network->size != 16 || network->prefix < BITS ||
        memcmp(network->bytes, mapped, sizeof mapped) != 0)
        return;
    struct network inner = { .size = 4, .prefix = (uint8_t)(network->prefix - BITS) };
    memcpy(inner.bytes, network->bytes + sizeof mapped, 4);
    *network = inner;
}

bool filter_peer_read(str address, struct network *ret_peer)
{
    if (str_has(address, '/') || !network_read(address, ret_peer))
        return false;
    filter_network_unmap(ret_peer);
    return true;
}

const struct receipt_filter *filters_judge(const struct receipt_filters *filters,
                                           const struct network *peer)
{
    const struct receipt_filter *block = NULL;
    for (size_t i = 0; filters && i < filters->count; i++) {
        const struct receipt_filter *filter = &filters->list[i];
        if (!network_holds(&filter->network, peer))
            continue;
        if (filter->allow)
            return filter;
        if (!block)
            block = filter;
    }
    return block;
}

/* ---- changes ---- */

static const struct fault *get(struct state *state, const struct call *call,
                               struct record *ret_record, struct receipt_filters *ret_filters)
{
    char room[KEY_ROOM];
    const void *found;
    str key = arena_str(call->arena, key_in(room, call->caller->account, call->region));
    *ret_filters = (struct receipt_filters) { .count = 0 };
    if (str_is_none(key))
        return &fault_no_memory;
    const struct fault *why = state->ops->get(state, key, call->arena, ret_record);
    if (why && why->kind != FAULT_ABSENT)
        return why;
    if (why) {
        *ret_record = (struct record) { .key = key, .revision = REVISION_NEW };
        return NULL;
    }
    ret_record->key = key;
    TRY(filters_compile(ret_record, call->arena, &found));
    *ret_filters = *(const struct receipt_filters *)found;
    return NULL;
}

static const struct fault *put(struct state *state, const struct call *call,
                               const struct record *record, const struct receipt_filters *filters)
{
    AUTO_BUF value = buf_new(RECORD_MAX);
    uint64_t revision;
    write_filters(filters, &value);
    if (value.failed)
        return &fault_no_memory;
    return state->ops->put(state, record->key, buf_str(&value), record->revision, call->arena,
                           &revision);
}

static int by_name(const void *a, const void *b)
{
    return str_cmp(((const struct receipt_filter *)a)->name,
                   ((const struct receipt_filter *)b)->name);
}

/* The filters less the one of this name, with room for one more. */
static struct receipt_filter *without(const struct receipt_filters *filters, str name,
                                      struct arena *arena, size_t *ret_count)
{
    struct receipt_filter *list = ARENA_ARRAY(arena, struct receipt_filter, filters->count + 1);
    size_t count = 0;
    for (size_t i = 0; list && i < filters->count; i++)
        if (!str_eq(filters->list[i].name, name))
            list[count++] = filters->list[i];
    *ret_count = count;
    return list;
}

const struct fault *filter_create(struct state *state, const struct call *call, str name,
                                  bool allow, str cidr)
{
    struct receipt_filter made = { .name = name, .allow = allow, .cidr = cidr };
    if (name.len == 0)
        return fault_coded(call->arena, FAULT_SYNTAX, "InvalidParameterValue",
                           "filterName must not be empty");
    if (!ses_name_ok(name))
        return fault_coded(call->arena, FAULT_SYNTAX, "InvalidParameterValue",
                           "Not a valid filterName: " STR_FMT, STR_ARG(name));
    if (!filter_cidr_read(cidr, &made.network))
        return fault_coded(call->arena, FAULT_SYNTAX, "InvalidParameterValue",
                           "Invalid CIDR block: " STR_FMT, STR_ARG(cidr));
    for (int i = 0; i < RULE_SET_TRIES; i++) {
        struct record record;
        struct receipt_filters filters;
        size_t count;
        TRY(get(state, call, &record, &filters));
        struct receipt_filter *list = without(&filters, name, call->arena, &count);
        if (!list)
            return &fault_no_memory;
        if (count < filters.count)
            return fault_about(call->arena, name,
                               fault_coded(call->arena, FAULT_CONFLICT, "AlreadyExists",
                                           "Filter already exists: " STR_FMT, STR_ARG(name)));
        if (count >= FILTERS_MAX)
            return fault_coded(call->arena, FAULT_LIMIT, "LimitExceeded", "Too many filters");
        list[count++] = made;
        qsort(list, count, sizeof(*list), by_name);
        const struct fault *why =
            put(state, call, &record, &(struct receipt_filters) { .list = list, .count = count });
        if (!rule_set_came_late(why))
            return why;
    }
    return rule_set_too_busy(call->arena);
}

const struct fault *filter_delete(struct state *state, const struct call *call, str name)
{
    for (int i = 0; i < RULE_SET_TRIES; i++) {
        struct record record;
        struct receipt_filters filters;
        size_t count;
        TRY(get(state, call, &record, &filters));
        struct receipt_filter *list = without(&filters, name, call->arena, &count);
        if (!list)
            return &fault_no_memory;
        if (count == filters.count)
            return NULL;
        const struct fault *why =
            put(state, call, &record, &(struct receipt_filters) { .list = list, .count = count });
        if (!rule_set_came_late(why))
            return why;
    }
    return rule_set_too_busy(call->arena);
}
