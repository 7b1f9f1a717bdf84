#include "services/account.h"

#include "base/json.h"
#include "services/world.h"

const struct fault *account_compile(const struct record *record, struct arena *arena,
                                    const void **ret_aggregate)
{
    const struct json *json;
    TRY(json_parse(record->value, arena, &json));
    struct account *account = ARENA_NEW(arena, struct account);
    if (!account)
        return &fault_no_memory;
    account->id = arena_str(arena, str_from(record->key, sizeof("account/") - 1));
    account->created_ms = json_int(json, "created_ms", 0);
    *ret_aggregate = account;
    return NULL;
}

const struct account *account_find(const struct world *world, str id)
{
    char key[64];
    if (id.len > sizeof(key) - sizeof("account/"))
        return NULL;
    memcpy(key, "account/", sizeof("account/") - 1);
    memcpy(key + sizeof("account/") - 1, id.ptr ? id.ptr : "", id.len);
    return world_find(world, (str) { key, sizeof("account/") - 1 + id.len });
}

const struct fault *account_begin(struct state *state, const struct call *call)
{
    str id = call->caller->account;
    if (!account_id_ok(id) || account_find(call->world, id))
        return NULL;
    str value = arena_strf(call->arena, "{\"created_ms\":%lld}", (long long)call->now_ms);
    str key = arena_strf(call->arena, "account/" STR_FMT, STR_ARG(id));
    if (str_is_none(value) || str_is_none(key))
        return &fault_no_memory;
    uint64_t revision;
    const struct fault *why =
        state->ops->put(state, key, value, REVISION_NEW, call->arena, &revision);
    /* Another request of the same account came first: that is the beginning then. */
    return why && why->kind == FAULT_CONFLICT ? NULL : why;
}
