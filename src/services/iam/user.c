#include "services/iam/user.h"

#include "base/digest.h"
#include "base/outside.h"
#include "base/random_id.h"
#include "services/world.h"

enum {
    USER_ID_LEN = 21,
    KEY_ID_LEN = 20,
    SECRET_LEN = 40,
    USE_ROOM = 160,
    USE_NEWS_MS = 15 * 60 * 1000,
};
static const str use_prefix = STR_INIT("access-key/");

/* ---- the aggregates ---- */

const struct fault *user_compile(const struct record *record, struct arena *arena,
                                 const void **ret_aggregate)
{
    struct user *user = ARENA_NEW(arena, struct user);
    const struct json *json;
    if (!user)
        return &fault_no_memory;
    TRY(json_parse(record->value, arena, &json));
    TRY(holder_read(&user_kind, record, json, arena, &user->holder));
    const struct json *keys = json_get(json, "keys");
    for (size_t i = 0; i < json_size(keys) && i < ACCESS_KEYS_MOST; i++) {
        const struct json *key = json_at(keys, i);
        user->keys[user->key_count++] =
            (struct access_key) { .id = json_str(key, "id"),
                                  .sealed = json_str(key, "sealed"),
                                  .active = json_bool(key, "active", false),
                                  .created_ms = json_int(key, "created_ms", 0) };
    }
    *ret_aggregate = user;
    return NULL;
}

static void write_user(const struct holder *holder, struct json_writer *w)
{
    const struct user *user = (const struct user *)holder;
    json_name(w, STR("keys"));
    json_open(w, '[');
    for (size_t i = 0; i < user->key_count; i++) {
        json_open(w, '{');
        json_add_str(w, "id", user->keys[i].id);
        json_add_str(w, "sealed", user->keys[i].sealed);
        json_add_bool(w, "active", user->keys[i].active);
        json_add_int(w, "created_ms", user->keys[i].created_ms);
        json_close(w, '}');
    }
    json_close(w, ']');
}

const struct holder_kind user_kind = {
    .holder = HOLDER_USER,
    .prefix = STR_INIT("user/"),
    .word = "user",
    .title = "User",
    .name_path = "userName",
    .arn_kind = STR_INIT("user"),
    .inline_most = 2048,
    .attach_quota = "PoliciesPerUser",
    .size = sizeof(struct user),
    .compile = user_compile,
    .write = write_user,
};

const struct user *user_find(const struct world *world, str account, str name)
{
    return (const struct user *)holder_find(world, &user_kind, account, name);
}

const struct user *user_find_arn(const struct world *world, str user_arn)
{
    return (const struct user *)holder_find_arn(world, &user_kind, user_arn);
}

const struct fault *access_key_use_compile(const struct record *record, struct arena *arena,
                                           const void **ret_aggregate)
{
    struct access_key_use *use = ARENA_NEW(arena, struct access_key_use);
    const struct json *json;
    if (!use)
        return &fault_no_memory;
    TRY(json_parse(record->value, arena, &json));
    *use = (struct access_key_use) { .account = json_str(json, "account"),
                                     .user_name = json_str(json, "user"),
                                     .used_ms = json_int(json, "used_ms", 0),
                                     .used_service = json_str(json, "service"),
                                     .used_region = json_str(json, "region") };
    *ret_aggregate = use;
    return NULL;
}

const struct access_key_use *access_key_use(const struct world *world, str id)
{
    char key[USE_ROOM];
    if (id.len == 0 || use_prefix.len + id.len > sizeof key)
        return NULL;
    memcpy(key, use_prefix.ptr, use_prefix.len);
    memcpy(key + use_prefix.len, id.ptr, id.len);
    return world_find(world, (str) { key, use_prefix.len + id.len });
}

static struct access_key *key_of(struct user *user, str id)
{
    for (size_t i = 0; i < user->key_count; i++)
        if (str_eq(user->keys[i].id, id))
            return &user->keys[i];
    return NULL;
}

const struct access_key *access_key_find(const struct world *world, str id,
                                         const struct user **ret_user)
{
    const struct access_key_use *use = access_key_use(world, id);
    const struct user *user = use ? user_find(world, use->account, use->user_name) : NULL;
    const struct access_key *key = user ? key_of((struct user *)user, id) : NULL;
    *ret_user = key ? user : NULL;
    return key;
}

/* ---- users ---- */

const struct fault *user_create(struct state *state, const struct call *call,
                                struct entropy *entropy, const struct user_draft *draft,
                                const struct user **ret_user)
{
    str path = str_is_none(draft->path) ? STR("/") : draft->path;
    char id[USER_ID_LEN + 1] = "AIDA";
    TRY(iam_check_name(call->arena, "userName", draft->name, IAM_NAME_MOST));
    TRY(iam_check_path(call->arena, path));
    TRY(holder_check_boundary(call, draft->boundary));
    random_upper_token(entropy, id + 4, USER_ID_LEN - 4);
    const struct user user = {
        .holder = { .arn = { .partition = region_partition(call->region) },
                    .name = draft->name,
                    .path = path,
                    .id = { id, USER_ID_LEN },
                    .account = call->caller->account,
                    .created_ms = call->now_ms,
                    .boundary = draft->boundary,
                    .tags = draft->tags,
                    .tag_count = draft->tag_count },
    };
    return holder_create(state, call, &user_kind, &user.holder, (const struct holder **)ret_user);
}

static const struct fault *has_no_keys(const struct call *call, const struct holder *holder)
{
    return ((const struct user *)holder)->key_count == 0
               ? NULL
               : fault_coded(call->arena, FAULT_CONFLICT, "DeleteConflict",
                             "Cannot delete entity, must delete access keys first.");
}

const struct fault *user_delete(struct state *state, const struct call *call, str name)
{
    return holder_delete(state, call, &user_kind, name, has_no_keys);
}

struct user_change {
    struct holder_change base;
    str path;
    struct access_key key;
};

static const struct fault *make_path(struct holder_change *base, const struct call *call,
                                     const struct holder_kind *kind, struct holder *holder)
{
    (void)call, (void)kind;
    holder->path = ((const struct user_change *)base)->path;
    return NULL;
}

const struct fault *user_move(struct state *state, const struct call *call, str name, str path)
{
    struct user_change change = { .base = { make_path }, .path = path };
    TRY(iam_check_path(call->arena, path));
    return holder_change(state, call, &user_kind, name, &change.base);
}

/* ---- access keys ---- */

static const struct fault *put_use(struct state *state, const struct call *call, str id,
                                   const struct access_key_use *use, uint64_t expected)
{
    AUTO_BUF value = buf_new(4096);
    struct json_writer w = json_writer(&value);
    uint64_t revision;
    json_open(&w, '{');
    json_add_str(&w, "account", use->account);
    json_add_str(&w, "user", use->user_name);
    if (use->used_ms) {
        json_add_int(&w, "used_ms", use->used_ms);
        json_add_str(&w, "service", use->used_service);
        json_add_str(&w, "region", use->used_region);
    }
    json_close(&w, '}');
    str key = arena_strf(call->arena, STR_FMT STR_FMT, STR_ARG(use_prefix), STR_ARG(id));
    if (value.failed || str_is_none(key))
        return &fault_no_memory;
    return state->ops->put(state, key, buf_str(&value), expected, call->arena, &revision);
}

static const struct fault *make_key(struct holder_change *base, const struct call *call,
                                    const struct holder_kind *kind, struct holder *holder)
{
    (void)kind;
    struct user *user = (struct user *)holder;
    if (user->key_count == ACCESS_KEYS_MOST)
        return fault_coded(call->arena, FAULT_LIMIT, "LimitExceeded",
                           "Cannot exceed quota for AccessKeysPerUser: %d", ACCESS_KEYS_MOST);
    user->keys[user->key_count++] = ((const struct user_change *)base)->key;
    return NULL;
}

static const struct fault *drop_use(struct state *state, const struct call *call, str id)
{
    str key = arena_strf(call->arena, STR_FMT STR_FMT, STR_ARG(use_prefix), STR_ARG(id));
    if (str_is_none(key))
        return &fault_no_memory;
    for (int i = 0; i < IAM_TRIES; i++) {
        struct record record;
        const struct fault *why = state->ops->get(state, key, call->arena, &record);
        if (!why)
            why = state->ops->remove(state, key, record.revision, call->arena);
        if (!why || why->kind != FAULT_CONFLICT)
            return why && why->kind == FAULT_ABSENT ? NULL : why;
    }
    return iam_too_busy(call->arena);
}

/* First whose it would be, then that it is: a key that only the first record knows signs nothing.
 */
const struct fault *access_key_create(struct state *state, const struct call *call,
                                      const struct vault *vault, str user_name,
                                      struct access_key_made *ret_made)
{
    char id[KEY_ID_LEN + 1] = "AKIA", secret[SECRET_LEN + 1];
    random_upper_token(vault->entropy, id + 4, KEY_ID_LEN - 4);
    random_token(vault->entropy, secret, SECRET_LEN);
    struct access_key_made made = { .id = arena_str(call->arena, (str) { id, KEY_ID_LEN }),
                                    .secret = arena_str(call->arena, (str) { secret, SECRET_LEN }),
                                    .created_ms = call->now_ms };
    bytes_forget(secret, sizeof secret);
    struct user_change change = {
        .base = { make_key },
        .key = { .id = made.id,
                 .sealed = vault_seal(vault, made.id, made.secret, call->arena),
                 .active = true,
                 .created_ms = call->now_ms },
    };
    if (str_is_none(change.key.sealed) || str_is_none(made.id))
        return &fault_no_memory;
    TRY(iam_check_name(call->arena, "userName", user_name, IAM_NAME_MOST));
    if (!user_find(call->world, call->caller->account, user_name))
        return holder_absent(call->arena, &user_kind, user_name);
    TRY(put_use(
        state, call, made.id,
        &(struct access_key_use) { .account = call->caller->account, .user_name = user_name },
        REVISION_NEW));
    const struct fault *why = holder_change(state, call, &user_kind, user_name, &change.base);
    if (why) {
        drop_use(state, call, made.id);
        return why;
    }
    *ret_made = made;
    return NULL;
}

const struct fault *access_key_absent(struct arena *arena, str id)
{
    return fault_coded(arena, FAULT_ABSENT, "NoSuchEntity",
                       "The Access Key with id " STR_FMT " cannot be found.", STR_ARG(id));
}

static const struct fault *make_status(struct holder_change *base, const struct call *call,
                                       const struct holder_kind *kind, struct holder *holder)
{
    (void)kind;
    const struct user_change *change = (const struct user_change *)base;
    struct access_key *key = key_of((struct user *)holder, change->key.id);
    if (!key)
        return access_key_absent(call->arena, change->key.id);
    key->active = change->key.active;
    return NULL;
}

const struct fault *access_key_update(struct state *state, const struct call *call, str user_name,
                                      str id, bool active)
{
    struct user_change change = { .base = { make_status }, .key = { .id = id, .active = active } };
    return holder_change(state, call, &user_kind, user_name, &change.base);
}

static const struct fault *make_fewer(struct holder_change *base, const struct call *call,
                                      const struct holder_kind *kind, struct holder *holder)
{
    (void)kind;
    const struct user_change *change = (const struct user_change *)base;
    struct user *user = (struct user *)holder;
    struct access_key *key = key_of(user, change->key.id);
    if (!key)
        return access_key_absent(call->arena, change->key.id);
    size_t at = (size_t)(key - user->keys);
    memmove(key, key + 1, (user->key_count - at - 1) * sizeof(*key));
    user->key_count--;
    return NULL;
}

const struct fault *access_key_delete(struct state *state, const struct call *call, str user_name,
                                      str id)
{
    struct user_change change = { .base = { make_fewer }, .key = { .id = id } };
    TRY(holder_change(state, call, &user_kind, user_name, &change.base));
    return drop_use(state, call, id);
}

const struct fault *access_key_used(struct state *state, const struct call *call, str id,
                                    str service)
{
    const struct access_key_use *use = access_key_use(call->world, id);
    if (!use || call->now_ms - use->used_ms < USE_NEWS_MS)
        return NULL;
    struct access_key_use now = *use;
    now.used_ms = call->now_ms;
    now.used_service = service;
    now.used_region = call->region;
    str key = arena_strf(call->arena, STR_FMT STR_FMT, STR_ARG(use_prefix), STR_ARG(id));
    if (str_is_none(key))
        return &fault_no_memory;
    const struct fault *why = put_use(state, call, id, &now, world_revision(call->world, key));
    /* Somebody else noted it, or took the key away. */
    return why && why->kind == FAULT_CONFLICT ? NULL : why;
}
