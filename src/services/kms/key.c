/* services/kms/key.c - the records of keys and aliases, read and written. */
#include "services/kms/key.h"

#include "base/base64.h"
#include "base/json.h"
#include "services/kms/grant_policy.h"

enum { KEY_ROOM = 512 };

/* clang-format off */
static const str states[] = {
    [KEY_ENABLED]          = STR_INIT("Enabled"),
    [KEY_DISABLED]         = STR_INIT("Disabled"),
    [KEY_PENDING_DELETION] = STR_INIT("PendingDeletion"),
};
static const str constraints[] = {
    [CONSTRAINT_SUBSET] = STR_INIT("EncryptionContextSubset"),
    [CONSTRAINT_EQUALS] = STR_INIT("EncryptionContextEquals"),
};
/* clang-format on */
#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

str kms_key_state_name(enum kms_key_state state)
{
    return states[state];
}

str kms_constraint_name(enum kms_constraint constraint)
{
    return constraints[constraint];
}

/* ---- names ---- */

bool kms_key_id_ok(str id)
{
    if (id.len != 36)
        return false;
    for (size_t i = 0; i < id.len; i++) {
        const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        const char c = id.ptr[i];
        if (dash ? c != '-' : !(ascii_is_digit(c) || (c >= 'a' && c <= 'f')))
            return false;
    }
    return true;
}

bool kms_alias_name_ok(str name)
{
    if (!str_starts(name, STR("alias/")) || name.len > 256 || name.len == sizeof("alias/") - 1)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        const char c = name.ptr[i];
        if (!ascii_is_alpha(c) && !ascii_is_digit(c) && c != '/' && c != '_' && c != '-')
            return false;
    }
    return true;
}

bool kms_managed_name(str name)
{
    return str_starts(name, STR("alias/aws/"));
}

/* ---- look-ups ---- */

/* "kms-key/111122223333/us-east-1/<last>" without an arena; STR_NONE: too long to exist. */
static str join(char to[KEY_ROOM], str kind, str account, str region, str last)
{
    const str parts[] = { kind, account, STR("/"), region, STR("/"), last };
    size_t len = 0;
    for (size_t i = 0; i < COUNT(parts); i++) {
        if (parts[i].len > KEY_ROOM - len)
            return STR_NONE;
        if (parts[i].len)
            memcpy(to + len, parts[i].ptr, parts[i].len);
        len += parts[i].len;
    }
    return (str) { to, len };
}

static str bare(str alias)
{
    return str_from(alias, str_starts(alias, STR("alias/")) ? sizeof("alias/") - 1 : 0);
}

const struct kms_key *kms_key_find(const struct world *world, str account, str region, str id)
{
    char room[KEY_ROOM];
    const str key = join(room, STR("kms-key/"), account, region, id);
    return str_is_none(key) ? NULL : world_find(world, key);
}

const struct kms_alias *kms_alias_find(const struct world *world, str account, str region, str name)
{
    char room[KEY_ROOM];
    const str key = join(room, STR("kms-alias/"), account, region, bare(name));
    return str_is_none(key) ? NULL : world_find(world, key);
}

const struct kms_key *kms_key_named(const struct world *world, str account, str region, str name)
{
    struct arn arn;
    if (arn_parse(name, &arn)) {
        account = arn.account;
        region = arn.region;
        name = arn.resource;
    }
    if (str_starts(name, STR("alias/"))) {
        const struct kms_alias *alias = kms_alias_find(world, account, region, name);
        return alias ? kms_key_find(world, account, region, alias->key_id) : NULL;
    }
    const bool says_key = str_starts(name, STR("key/"));
    return kms_key_find(world, account, region,
                        says_key ? str_from(name, sizeof("key/") - 1) : name);
}

static const void *next(const struct world *world, str kind, str account, str region, str after)
{
    char prefix_room[KEY_ROOM], after_room[KEY_ROOM];
    const str prefix = join(prefix_room, kind, account, region, STR("")),
              from = join(after_room, kind, account, region, after);
    str key;
    const void *found;
    if (str_is_none(prefix) || str_is_none(from) || !world_next(world, prefix, from, &key, &found))
        return NULL;
    return found;
}

const struct kms_key *kms_key_next(const struct world *world, str account, str region, str after)
{
    return next(world, STR("kms-key/"), account, region, after);
}

const struct kms_alias *kms_alias_next(const struct world *world, str account, str region,
                                       str after)
{
    return next(world, STR("kms-alias/"), account, region, bare(after));
}

str kms_key_state_key(struct arena *arena, str account, str region, str id)
{
    char room[KEY_ROOM];
    return arena_str(arena, join(room, STR("kms-key/"), account, region, id));
}

str kms_alias_state_key(struct arena *arena, str account, str region, str name)
{
    char room[KEY_ROOM];
    return arena_str(arena, join(room, STR("kms-alias/"), account, region, bare(name)));
}

/* ---- a key's record ---- */

static void put_pairs(struct json_writer *w, const char *member, const struct header *pairs,
                      size_t count)
{
    json_name(w, str_of(member));
    json_open(w, '[');
    for (size_t i = 0; i < count; i++) {
        json_open(w, '[');
        json_put_str(w, pairs[i].name);
        json_put_str(w, pairs[i].value);
        json_close(w, ']');
    }
    json_close(w, ']');
}

static void put_versions(struct json_writer *w, const struct kms_key *key)
{
    json_name(w, STR("versions"));
    json_open(w, '[');
    for (size_t i = 0; i < key->version_count; i++) {
        const struct kms_version *v = &key->versions[i];
        AUTO_BUF wrapped = buf_new(4096);
        base64_encode(&wrapped, v->wrapped);
        json_open(w, '{');
        json_add_int(w, "number", v->number);
        json_add_int(w, "created_ms", v->created_ms);
        json_add_bool(w, "on_demand", v->on_demand);
        json_add_str(w, "wrapped", buf_str(&wrapped));
        json_close(w, '}');
        w->out->failed |= wrapped.failed;
    }
    json_close(w, ']');
}

static void put_grant(struct json_writer *w, const struct kms_grant *g)
{
    json_open(w, '{');
    json_add_str(w, "id", g->id);
    if (!str_is_none(g->name))
        json_add_str(w, "name", g->name);
    json_add_str(w, "grantee", g->grantee);
    if (!str_is_none(g->retiring))
        json_add_str(w, "retiring", g->retiring);
    json_name(w, STR("operations"));
    json_open(w, '[');
    for (size_t i = 0; i < g->operation_count; i++)
        json_put_str(w, g->operations[i]);
    json_close(w, ']');
    if (g->constraint != CONSTRAINT_NONE) {
        json_add_str(w, "constraint", kms_constraint_name(g->constraint));
        put_pairs(w, "context", g->context, g->context_count);
    }
    json_add_int(w, "created_ms", g->created_ms);
    json_close(w, '}');
}

void kms_key_encode(const struct kms_key *key, struct buf *out)
{
    struct json_writer w = json_writer(out);
    json_open(&w, '{');
    json_add_str(&w, "state", kms_key_state_name(key->state));
    json_add_str(&w, "description", key->description);
    if (!str_is_none(key->managed))
        json_add_str(&w, "managed", key->managed);
    json_add_int(&w, "created_ms", key->created_ms);
    if (key->state == KEY_PENDING_DELETION) {
        json_add_int(&w, "deletion_ms", key->deletion_ms);
        json_add_int(&w, "deletion_days", key->deletion_days);
    }
    json_add_str(&w, "policy", key->policy_text);
    put_versions(&w, key);
    json_add_bool(&w, "rotates", key->rotates);
    json_add_int(&w, "rotation_days", key->rotation_days);
    json_add_int(&w, "rotation_next_ms", key->rotation_next_ms);
    put_pairs(&w, "tags", key->tags, key->tag_count);
    json_name(&w, STR("grants"));
    json_open(&w, '[');
    for (size_t i = 0; i < key->grant_count; i++)
        put_grant(&w, &key->grants[i]);
    json_close(&w, ']');
    json_close(&w, '}');
}

static const struct fault *unreadable(struct arena *arena, const char *what)
{
    return fault(arena, FAULT_SYNTAX, NULL, "a key's record has %s that cannot be read", what);
}

static const struct fault *read_pairs(const struct json *list, struct arena *arena,
                                      const struct header **ret_pairs, size_t *ret_count)
{
    const size_t count = json_size(list);
    struct header *pairs = ARENA_ARRAY(arena, struct header, count + 1);
    if (!pairs)
        return &fault_no_memory;
    for (size_t i = 0; i < count; i++) {
        const struct json *pair = json_at(list, i);
        pairs[i] = (struct header) { json_text(json_at(pair, 0)), json_text(json_at(pair, 1)) };
        if (str_is_none(pairs[i].name) || str_is_none(pairs[i].value))
            return unreadable(arena, "a pair");
    }
    *ret_pairs = pairs;
    *ret_count = count;
    return NULL;
}

static const struct fault *read_version(const struct json *json, struct arena *arena,
                                        struct kms_version *ret)
{
    const int64_t number = json_int(json, "number", 0);
    const str text = json_str(json, "wrapped");
    char *octets = ARENA_ARRAY(arena, char, text.len + 1);
    if (!octets)
        return &fault_no_memory;
    *ret = (struct kms_version) { .number = (uint32_t)number,
                                  .created_ms = json_int(json, "created_ms", 0),
                                  .on_demand = json_bool(json, "on_demand", false),
                                  .wrapped = { octets, 0 } };
    if (number < 1 || number > UINT32_MAX || !text.len ||
        !base64_decode_to(octets, text, &ret->wrapped.len))
        return unreadable(arena, "a version");
    return NULL;
}

static const struct fault *read_versions(const struct json *list, struct arena *arena,
                                         struct kms_key *key)
{
    key->version_count = json_size(list);
    struct kms_version *versions = ARENA_ARRAY(arena, struct kms_version, key->version_count + 1);
    if (!versions)
        return &fault_no_memory;
    for (size_t i = 0; i < key->version_count; i++)
        TRY(read_version(json_at(list, i), arena, &versions[i]));
    key->versions = versions;
    return key->version_count ? NULL : unreadable(arena, "no version, or one");
}

static const struct fault *read_grant(const struct json *json, struct arena *arena,
                                      struct kms_grant *ret)
{
    const struct json *list = json_get(json, "operations");
    str *operations = ARENA_ARRAY(arena, str, json_size(list) + 1);
    if (!operations)
        return &fault_no_memory;
    for (size_t i = 0; i < json_size(list); i++)
        operations[i] = json_text(json_at(list, i));
    *ret = (struct kms_grant) { .id = json_str(json, "id"),
                                .name = json_str(json, "name"),
                                .grantee = json_str(json, "grantee"),
                                .retiring = json_str(json, "retiring"),
                                .operations = operations,
                                .operation_count = json_size(list),
                                .created_ms = json_int(json, "created_ms", 0) };
    const str constraint = json_str(json, "constraint");
    for (size_t i = 0; !str_is_none(constraint) && i < COUNT(constraints); i++)
        if (str_eq(constraint, constraints[i]))
            ret->constraint = (enum kms_constraint)i;
    if (str_is_none(ret->id) || str_is_none(ret->grantee) ||
        (!str_is_none(constraint) && ret->constraint == CONSTRAINT_NONE))
        return unreadable(arena, "a grant");
    return read_pairs(json_get(json, "context"), arena, &ret->context, &ret->context_count);
}

static const struct fault *read_grants(const struct json *list, struct arena *arena,
                                       struct kms_key *key)
{
    key->grant_count = json_size(list);
    struct kms_grant *grants = ARENA_ARRAY(arena, struct kms_grant, key->grant_count + 1);
    if (!grants)
        return &fault_no_memory;
    for (size_t i = 0; i < key->grant_count; i++)
        TRY(read_grant(json_at(list, i), arena, &grants[i]));
    key->grants = grants;
    return key->grant_count ? grant_policy_make(key, arena, &key->grants_policy) : NULL;
}

static const struct fault *read_state(const struct json *json, struct arena *arena,
                                      struct kms_key *key)
{
    const str word = json_str(json, "state");
    size_t i = 0;
    while (i < COUNT(states) && !str_eq(states[i], word))
        i++;
    if (i == COUNT(states))
        return unreadable(arena, "a state");
    key->state = (enum kms_key_state)i;
    key->deletion_ms = json_int(json, "deletion_ms", 0);
    key->deletion_days = (unsigned)json_int(json, "deletion_days", 0);
    return NULL;
}

/* "kms-key/111122223333/us-east-1/<last>": views into a copy in the arena. */
static bool split_key(str key, struct arena *arena, str *account, str *region, str *last)
{
    str kind;
    key = arena_str(arena, key);
    return str_cut(key, '/', &kind, &key) && str_cut(key, '/', account, &key) &&
           str_cut(key, '/', region, last) && account_id_ok(*account) && region_name_ok(*region) &&
           last->len;
}

const struct fault *kms_key_compile(const struct record *record, struct arena *arena,
                                    const void **ret_aggregate)
{
    struct kms_key *key = ARENA_NEW(arena, struct kms_key);
    struct document *policy = ARENA_NEW(arena, struct document);
    const struct json *json;
    if (!key || !policy)
        return &fault_no_memory;
    TRY(json_parse(record->value, arena, &json));
    if (!split_key(record->key, arena, &key->account, &key->region, &key->id))
        return unreadable(arena, "a name");
    const str arn = arena_strf(arena, "arn:" STR_FMT ":kms:" STR_FMT ":" STR_FMT ":key/" STR_FMT,
                               STR_ARG(region_partition(key->region)), STR_ARG(key->region),
                               STR_ARG(key->account), STR_ARG(key->id));
    if (str_is_none(arn) || !arn_parse(arn, &key->arn))
        return &fault_no_memory;
    key->description = json_str(json, "description");
    key->managed = json_str(json, "managed");
    key->created_ms = json_int(json, "created_ms", 0);
    key->policy_text = json_str(json, "policy");
    key->rotates = json_bool(json, "rotates", false);
    key->rotation_days = (unsigned)json_int(json, "rotation_days", 0);
    key->rotation_next_ms = json_int(json, "rotation_next_ms", 0);
    TRY(read_state(json, arena, key));
    TRY(policy_parse(key->policy_text, arena, policy));
    key->policy = policy;
    TRY(read_versions(json_get(json, "versions"), arena, key));
    TRY(read_pairs(json_get(json, "tags"), arena, &key->tags, &key->tag_count));
    TRY(read_grants(json_get(json, "grants"), arena, key));
    *ret_aggregate = key;
    return NULL;
}

/* ---- an alias's record ---- */

void kms_alias_encode(const struct kms_alias *alias, struct buf *out)
{
    struct json_writer w = json_writer(out);
    json_open(&w, '{');
    json_add_str(&w, "key", alias->key_id);
    json_add_int(&w, "created_ms", alias->created_ms);
    json_add_int(&w, "updated_ms", alias->updated_ms);
    json_close(&w, '}');
}

const struct fault *kms_alias_compile(const struct record *record, struct arena *arena,
                                      const void **ret_aggregate)
{
    struct kms_alias *alias = ARENA_NEW(arena, struct kms_alias);
    const struct json *json;
    str last;
    if (!alias)
        return &fault_no_memory;
    TRY(json_parse(record->value, arena, &json));
    if (!split_key(record->key, arena, &alias->account, &alias->region, &last))
        return fault(arena, FAULT_SYNTAX, NULL, "an alias's record has no name");
    const str arn = arena_strf(arena, "arn:" STR_FMT ":kms:" STR_FMT ":" STR_FMT ":alias/" STR_FMT,
                               STR_ARG(region_partition(alias->region)), STR_ARG(alias->region),
                               STR_ARG(alias->account), STR_ARG(last));
    if (str_is_none(arn) || !arn_parse(arn, &alias->arn))
        return &fault_no_memory;
    alias->name = alias->arn.resource;
    alias->key_id = json_str(json, "key");
    alias->created_ms = json_int(json, "created_ms", 0);
    alias->updated_ms = json_int(json, "updated_ms", 0);
    if (!kms_key_id_ok(alias->key_id))
        return fault(arena, FAULT_SYNTAX, NULL, "an alias's record names no key");
    *ret_aggregate = alias;
    return NULL;
}
