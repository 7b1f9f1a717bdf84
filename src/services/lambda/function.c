/* services/lambda/function.c - names, the record, and what it is compiled to. */
#include "services/lambda/function.h"

#include "base/json.h"
#include "services/text_members.h"

#define KEY_PREFIX STR("function/")

/* ---- names ---- */

static bool word_ok(str s, size_t most)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (!ascii_is_alpha(c) && !ascii_is_digit(c) && c != '-' && c != '_')
            return false;
    }
    return s.len > 0 && s.len <= most;
}

bool function_name_ok(str name)
{
    return word_ok(name, 64);
}

static bool qualifier_ok(str s)
{
    return str_eq(s, STR("$LATEST")) || word_ok(s, 128);
}

/* "function:NAME[:QUALIFIER]" or "NAME[:QUALIFIER]". */
static bool read_name(str text, struct function_ref *ref)
{
    str head, tail, qualifier;
    if (str_starts(text, STR("function:")))
        text = str_from(text, sizeof "function:" - 1);
    if (!str_cut(text, ':', &head, &tail)) {
        ref->name = text;
        return function_name_ok(text);
    }
    qualifier = tail;
    if (ref->qualifier.len && !str_eq(ref->qualifier, qualifier))
        return false;
    ref->name = head;
    ref->qualifier = qualifier;
    return function_name_ok(head);
}

bool function_ref_parse(str text, str qualifier, str account, str region,
                        struct function_ref *ret_ref)
{
    struct function_ref ref = { .account = account,
                                .region = region,
                                .qualifier = str_is_none(qualifier) ? STR("") : qualifier };
    struct arn arn;
    str head, tail;
    if (str_starts(text, STR("arn:"))) {
        if (!arn_parse(text, &arn) || !str_eq(arn.service, STR("lambda")) ||
            !account_id_ok(arn.account) || !region_name_ok(arn.region) ||
            !str_starts(arn.resource, STR("function:")))
            return false;
        ref.account = arn.account;
        ref.region = arn.region;
        text = arn.resource;
    } else if (str_cut(text, ':', &head, &tail) && account_id_ok(head) &&
               str_starts(tail, STR("function:"))) {
        ref.account = head;
        text = tail;
    }
    if (!read_name(text, &ref) || (ref.qualifier.len && !qualifier_ok(ref.qualifier)))
        return false;
    *ret_ref = ref;
    return true;
}

str function_ref_arn(const struct function_ref *ref, struct arena *arena)
{
    str partition = region_partition(ref->region);
    return arena_strf(
        arena, "arn:" STR_FMT ":lambda:" STR_FMT ":" STR_FMT ":function:" STR_FMT "%s" STR_FMT,
        STR_ARG(partition), STR_ARG(ref->region), STR_ARG(ref->account), STR_ARG(ref->name),
        ref->qualifier.len ? ":" : "", STR_ARG(ref->qualifier));
}

str function_state_key(const struct function_ref *ref, struct arena *arena)
{
    return arena_strf(arena, "function/" STR_FMT "/" STR_FMT "/" STR_FMT, STR_ARG(ref->account),
                      STR_ARG(ref->region), STR_ARG(ref->name));
}

/* ---- finding ---- */

const struct function *function_find(const struct world *world, const struct function_ref *ref)
{
    char key[256];
    const str parts[] = { KEY_PREFIX, ref->account, STR("/"), ref->region, STR("/"), ref->name };
    size_t len = 0;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (len + parts[i].len > sizeof key)
            return NULL;
        memcpy(key + len, parts[i].ptr, parts[i].len);
        len += parts[i].len;
    }
    return world_find(world, (str) { key, len });
}

const struct function_alias *function_alias(const struct function *f, str name)
{
    for (size_t i = 0; i < f->alias_count; i++)
        if (str_eq(f->aliases[i].name, name))
            return &f->aliases[i];
    return NULL;
}

const struct function_version *function_version(const struct function *f, str qualifier)
{
    const struct function_alias *alias = function_alias(f, qualifier);
    str wanted = alias ? alias->version : qualifier.len ? qualifier : STR("$LATEST");
    for (size_t i = 0; i < f->version_count; i++)
        if (str_eq(f->versions[i].version, wanted))
            return &f->versions[i];
    return NULL;
}

const struct function_policy *function_policy(const struct function *f, str qualifier)
{
    if (str_eq(qualifier, STR("$LATEST")))
        qualifier = STR("");
    for (size_t i = 0; i < f->policy_count; i++)
        if (str_eq(f->policies[i].qualifier, qualifier))
            return &f->policies[i];
    return NULL;
}

const struct function_async *function_async(const struct function *f, str qualifier)
{
    for (size_t i = 0; i < f->async_count; i++)
        if (str_eq(f->asyncs[i].qualifier, qualifier.len ? qualifier : STR("$LATEST")))
            return &f->asyncs[i];
    return NULL;
}

/* ---- the record, written ---- */

static void put_version(struct json_writer *w, const struct function_version *v)
{
    json_open(w, '{');
    json_add_str(w, "version", v->version);
    json_add_str(w, "runtime", v->runtime);
    json_add_str(w, "handler", v->handler);
    json_add_str(w, "role", v->role);
    json_add_str(w, "description", v->description);
    json_add_str(w, "code", v->code_hash);
    json_add_int(w, "code_size", v->code_size);
    json_add_int(w, "timeout_s", v->timeout_s);
    json_add_int(w, "memory_mb", v->memory_mb);
    json_add_int(w, "modified_ms", v->modified_ms);
    json_add_str(w, "revision", v->revision_id);
    if (v->dead_letter_arn.len)
        json_add_str(w, "dead_letter", v->dead_letter_arn);
    text_members_put(w, "environment", v->environment, v->environment_count);
    json_close(w, '}');
}

static void put_policy(struct json_writer *w, const struct function_policy *p)
{
    json_open(w, '{');
    json_add_str(w, "qualifier", p->qualifier);
    json_add_str(w, "revision", p->revision_id);
    json_name(w, STR("statements"));
    json_open(w, '[');
    for (size_t i = 0; i < p->count; i++)
        json_put_str(w, p->statements[i]);
    json_close(w, ']');
    json_close(w, '}');
}

void function_encode(const struct function *f, struct buf *out)
{
    struct json_writer w = json_writer(out);
    json_open(&w, '{');
    json_add_int(&w, "next_version", f->next_version);
    json_add_int(&w, "reserved", f->reserved);
    json_name(&w, STR("versions"));
    json_open(&w, '[');
    for (size_t i = 0; i < f->version_count; i++)
        put_version(&w, &f->versions[i]);
    json_close(&w, ']');
    json_name(&w, STR("aliases"));
    json_open(&w, '[');
    for (size_t i = 0; i < f->alias_count; i++) {
        json_open(&w, '{');
        json_add_str(&w, "name", f->aliases[i].name);
        json_add_str(&w, "version", f->aliases[i].version);
        json_add_str(&w, "description", f->aliases[i].description);
        json_add_str(&w, "revision", f->aliases[i].revision_id);
        json_close(&w, '}');
    }
    json_close(&w, ']');
    json_name(&w, STR("policies"));
    json_open(&w, '[');
    for (size_t i = 0; i < f->policy_count; i++) {
        if (f->policies[i].count)
            put_policy(&w, &f->policies[i]);
    }
    json_close(&w, ']');
    json_name(&w, STR("asyncs"));
    json_open(&w, '[');
    for (size_t i = 0; i < f->async_count; i++) {
        json_open(&w, '{');
        json_add_str(&w, "qualifier", f->asyncs[i].qualifier);
        json_add_int(&w, "attempts", f->asyncs[i].attempts);
        json_add_int(&w, "age_s", f->asyncs[i].age_s);
        json_add_int(&w, "modified_ms", f->asyncs[i].modified_ms);
        json_close(&w, '}');
    }
    json_close(&w, ']');
    text_members_put(&w, "tags", f->tags, f->tag_count);
    json_close(&w, '}');
}

/* ---- the record, read ---- */

static str text_of(struct arena *arena, const struct json *j, const char *member)
{
    return arena_str(arena, json_str(j, member));
}

static const struct fault *read_versions(const struct json *list, struct arena *arena,
                                         struct function *f)
{
    size_t count = json_size(list);
    struct function_version *versions = ARENA_ARRAY(arena, struct function_version, count + 1);
    if (!versions)
        return &fault_no_memory;
    for (size_t i = 0; i < count; i++) {
        const struct json *j = json_at(list, i);
        struct function_version *v = &versions[i];
        *v = (struct function_version) {
            .version = text_of(arena, j, "version"),
            .runtime = text_of(arena, j, "runtime"),
            .handler = text_of(arena, j, "handler"),
            .role = text_of(arena, j, "role"),
            .description = text_of(arena, j, "description"),
            .code_hash = text_of(arena, j, "code"),
            .code_size = json_int(j, "code_size", 0),
            .timeout_s = json_int(j, "timeout_s", 3),
            .memory_mb = json_int(j, "memory_mb", 128),
            .modified_ms = json_int(j, "modified_ms", 0),
            .revision_id = text_of(arena, j, "revision"),
            .dead_letter_arn = text_of(arena, j, "dead_letter"),
        };
        TRY(text_members_read(json_get(j, "environment"), arena, &v->environment,
                              &v->environment_count));
        if (!v->version.len || v->code_hash.len != CODE_HASH_LEN)
            return fault(arena, FAULT_SYNTAX, NULL,
                         "a function's record has a version without code");
    }
    f->versions = versions;
    f->version_count = count;
    return NULL;
}

static const struct fault *read_aliases(const struct json *list, struct arena *arena,
                                        struct function *f)
{
    size_t count = json_size(list);
    struct function_alias *aliases = ARENA_ARRAY(arena, struct function_alias, count + 1);
    if (!aliases)
        return &fault_no_memory;
    for (size_t i = 0; i < count; i++) {
        const struct json *j = json_at(list, i);
        aliases[i] = (struct function_alias) { .name = text_of(arena, j, "name"),
                                               .version = text_of(arena, j, "version"),
                                               .description = text_of(arena, j, "description"),
                                               .revision_id = text_of(arena, j, "revision") };
    }
    f->aliases = aliases;
    f->alias_count = count;
    return NULL;
}

str function_policy_text(const str *statements, size_t count, struct arena *arena)
{
    AUTO_BUF text = buf_new(1 << 20);
    buf_add(&text, STR("{\"Version\":\"2012-10-17\",\"Id\":\"default\",\"Statement\":["));
    for (size_t i = 0; i < count; i++) {
        if (i)
            buf_addc(&text, ',');
        buf_add(&text, statements[i]);
    }
    buf_add(&text, STR("]}"));
    return text.failed ? STR_NONE : arena_str(arena, buf_str(&text));
}

static const struct fault *read_policy(const struct json *j, struct arena *arena,
                                       struct function_policy *p)
{
    const struct json *list = json_get(j, "statements");
    size_t count = json_size(list);
    str *statements = ARENA_ARRAY(arena, str, count + 1),
        *sids = ARENA_ARRAY(arena, str, count + 1);
    struct document *document = ARENA_NEW(arena, struct document);
    if (!statements || !sids || !document)
        return &fault_no_memory;
    for (size_t i = 0; i < count; i++)
        statements[i] = arena_str(arena, json_text(json_at(list, i)));
    *p = (struct function_policy) { .qualifier = text_of(arena, j, "qualifier"),
                                    .revision_id = text_of(arena, j, "revision"),
                                    .statements = statements,
                                    .sids = sids,
                                    .count = count,
                                    .text = function_policy_text(statements, count, arena),
                                    .document = document };
    if (str_is_none(p->text))
        return &fault_no_memory;
    TRY(policy_parse(p->text, arena, document));
    if (document->statement_count != count)
        return fault(arena, FAULT_SYNTAX, NULL, "a function's policy has statements that are none");
    for (size_t i = 0; i < count; i++)
        sids[i] = document->statements[i].sid;
    return NULL;
}

static const struct fault *read_policies(const struct json *list, struct arena *arena,
                                         struct function *f)
{
    size_t count = json_size(list);
    struct function_policy *policies = ARENA_ARRAY(arena, struct function_policy, count + 1);
    if (!policies)
        return &fault_no_memory;
    for (size_t i = 0; i < count; i++)
        TRY(read_policy(json_at(list, i), arena, &policies[i]));
    f->policies = policies;
    f->policy_count = count;
    return NULL;
}

static const struct fault *read_asyncs(const struct json *list, struct arena *arena,
                                       struct function *f)
{
    size_t count = json_size(list);
    struct function_async *asyncs = ARENA_ARRAY(arena, struct function_async, count + 1);
    if (!asyncs)
        return &fault_no_memory;
    for (size_t i = 0; i < count; i++) {
        const struct json *j = json_at(list, i);
        asyncs[i] = (struct function_async) { .qualifier = text_of(arena, j, "qualifier"),
                                              .attempts = json_int(j, "attempts", -1),
                                              .age_s = json_int(j, "age_s", -1),
                                              .modified_ms = json_int(j, "modified_ms", 0) };
    }
    f->asyncs = asyncs;
    f->async_count = count;
    return NULL;
}

const struct fault *function_compile(const struct record *record, struct arena *arena,
                                     const void **ret_aggregate)
{
    const struct json *json;
    TRY(json_parse(record->value, arena, &json));
    struct function *f = ARENA_NEW(arena, struct function);
    if (!f)
        return &fault_no_memory;
    struct function_ref ref = { .qualifier = STR("") };
    str rest = arena_str(arena, str_from(record->key, KEY_PREFIX.len));
    str_cut(rest, '/', &ref.account, &rest);
    str_cut(rest, '/', &ref.region, &ref.name);
    if (!account_id_ok(ref.account) || !region_name_ok(ref.region) || !function_name_ok(ref.name))
        return fault(arena, FAULT_SYNTAX, NULL, "the key of a function names no function");
    f->account = ref.account;
    f->region = ref.region;
    f->name = ref.name;
    f->next_version = json_int(json, "next_version", 1);
    f->reserved = json_int(json, "reserved", -1);
    str arn = function_ref_arn(&ref, arena);
    if (str_is_none(arn) || !arn_parse(arn, &f->arn))
        return &fault_no_memory;
    TRY(read_versions(json_get(json, "versions"), arena, f));
    TRY(read_aliases(json_get(json, "aliases"), arena, f));
    TRY(read_policies(json_get(json, "policies"), arena, f));
    TRY(read_asyncs(json_get(json, "asyncs"), arena, f));
    TRY(text_members_read(json_get(json, "tags"), arena, &f->tags, &f->tag_count));
    *ret_aggregate = f;
    return NULL;
}
