/* services/iam/holder.c - the records of roles and users: read, found, changed one at a time, and
 * shown to decisions. What the changes are is in holder_changes.c. */
#include "services/iam/holder.h"

#include "services/iam/managed.h"
#include "services/world.h"

enum {
    KEY_ROOM = 128,
    RECORD_MAX = 1024 * 1024,
};

/* ---- the aggregate ---- */

static const struct fault *document_new(str text, struct arena *arena,
                                        const struct document **ret_document)
{
    struct document *document = ARENA_NEW(arena, struct document);
    if (!document)
        return &fault_no_memory;
    TRY(policy_parse(text, arena, document));
    *ret_document = document;
    return NULL;
}

static const struct fault *read_policies(const struct holder_kind *kind, const struct json *list,
                                         struct arena *arena, struct holder *to)
{
    size_t count = json_size(list);
    struct inline_policy *policies = ARENA_ARRAY(arena, struct inline_policy, count + 1);
    struct exhibit *exhibits = ARENA_ARRAY(arena, struct exhibit, count + 1);
    if (!policies || !exhibits)
        return &fault_no_memory;
    for (size_t i = 0; i < count; i++) {
        struct inline_policy *p = &policies[i];
        p->name = json_str(json_at(list, i), "name");
        p->text = json_str(json_at(list, i), "document");
        TRY(document_new(p->text, arena, &p->document));
        str shown = arena_strf(arena, "inline policy " STR_FMT " of %s " STR_FMT, STR_ARG(p->name),
                               kind->word, STR_ARG(to->name));
        if (str_is_none(shown))
            return &fault_no_memory;
        exhibits[i] =
            (struct exhibit) { .kind = EXHIBIT_IDENTITY, .name = shown, .document = p->document };
    }
    to->policies = policies;
    to->exhibits = exhibits;
    to->policy_count = count;
    return NULL;
}

static const struct fault *read_attached(const struct json *list, struct arena *arena,
                                         struct holder *to)
{
    size_t count = json_size(list);
    str *attached = ARENA_ARRAY(arena, str, count + 1);
    for (size_t i = 0; attached && i < count; i++)
        attached[i] = json_text(json_at(list, i));
    to->attached = attached;
    to->attached_count = count;
    return attached ? NULL : &fault_no_memory;
}

static const struct fault *read_tags(const struct json *list, struct arena *arena,
                                     struct holder *to)
{
    size_t count = json_size(list);
    struct tag *tags = ARENA_ARRAY(arena, struct tag, count + 1);
    for (size_t i = 0; tags && i < count; i++)
        tags[i] =
            (struct tag) { json_str(json_at(list, i), "key"), json_str(json_at(list, i), "value") };
    to->tags = tags;
    to->tag_count = count;
    return tags ? NULL : &fault_no_memory;
}

static const struct fault *read_names(const struct holder_kind *kind, const struct record *record,
                                      const struct json *json, struct arena *arena,
                                      struct holder *to)
{
    str key = arena_str(arena, record->key), first, name = json_str(json, "name");
    if (str_is_none(key))
        return &fault_no_memory;
    if (!str_cut(key, '/', &first, &key) || !str_cut(key, '/', &to->account, &to->name))
        return fault(arena, FAULT_SYNTAX, NULL, "the key of a %s wants account and name",
                     kind->word);
    if (!str_is_none(name)) /* else a record of before names lost their case in keys */
        to->name = name;
    to->path = json_str(json, "path");
    to->id = json_str(json, "id");
    if (str_is_none(to->id))
        to->id = json_str(json, "role_id"); /* likewise */
    str partition = json_str(json, "partition");
    str arn =
        arena_strf(arena, "arn:" STR_FMT ":iam::" STR_FMT ":" STR_FMT STR_FMT STR_FMT,
                   STR_ARG(str_is_none(partition) ? STR("aws") : partition), STR_ARG(to->account),
                   STR_ARG(kind->arn_kind), STR_ARG(to->path), STR_ARG(to->name));
    return str_is_none(arn) || !arn_parse(arn, &to->arn) ? &fault_no_memory : NULL;
}

const struct fault *holder_read(const struct holder_kind *kind, const struct record *record,
                                const struct json *json, struct arena *arena,
                                struct holder *ret_holder)
{
    struct holder holder = { .created_ms = json_int(json, "created_ms", 0),
                             .boundary = json_str(json, "boundary") };
    TRY(read_names(kind, record, json, arena, &holder));
    TRY(read_policies(kind, json_get(json, "policies"), arena, &holder));
    TRY(read_attached(json_get(json, "attached"), arena, &holder));
    TRY(read_tags(json_get(json, "tags"), arena, &holder));
    *ret_holder = holder;
    return NULL;
}

static void write_lists(const struct holder *holder, struct json_writer *w)
{
    json_name(w, STR("policies"));
    json_open(w, '[');
    for (size_t i = 0; i < holder->policy_count; i++) {
        json_open(w, '{');
        json_add_str(w, "name", holder->policies[i].name);
        json_add_str(w, "document", holder->policies[i].text);
        json_close(w, '}');
    }
    json_close(w, ']');
    json_name(w, STR("attached"));
    json_open(w, '[');
    for (size_t i = 0; i < holder->attached_count; i++)
        json_put_str(w, holder->attached[i]);
    json_close(w, ']');
    json_name(w, STR("tags"));
    json_open(w, '[');
    for (size_t i = 0; i < holder->tag_count; i++) {
        json_open(w, '{');
        json_add_str(w, "key", holder->tags[i].key);
        json_add_str(w, "value", holder->tags[i].value);
        json_close(w, '}');
    }
    json_close(w, ']');
}

static void write_holder(const struct holder_kind *kind, const struct holder *holder,
                         struct buf *out)
{
    struct json_writer w = json_writer(out);
    json_open(&w, '{');
    json_add_str(&w, "partition", holder->arn.partition);
    json_add_str(&w, "name", holder->name);
    json_add_str(&w, "path", holder->path);
    json_add_str(&w, "id", holder->id);
    json_add_int(&w, "created_ms", holder->created_ms);
    if (!str_is_none(holder->boundary))
        json_add_str(&w, "boundary", holder->boundary);
    kind->write(holder, &w);
    write_lists(holder, &w);
    json_close(&w, '}');
}

/* ---- looking up ---- */

/* "role/ACCOUNT/name", the name in small letters; empty: there can be none such. Records from
 * before names were one whatever their case lie under the name AS_IT_IS. */
enum spelling { IN_SMALL_LETTERS, AS_IT_IS };
static str key_in(char room[KEY_ROOM], const struct holder_kind *kind, str account, str name,
                  enum spelling spelling)
{
    size_t len = 0;
    const str parts[] = { kind->prefix, account, STR("/"), name };
    if (account.len == 0 || kind->prefix.len + account.len + 1 + name.len > KEY_ROOM)
        return STR("");
    for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
        for (size_t k = 0; k < parts[i].len; k++)
            room[len++] = i == 3 && spelling == IN_SMALL_LETTERS ? ascii_lower(parts[i].ptr[k])
                                                                 : parts[i].ptr[k];
    return (str) { room, len };
}

const struct holder *holder_find(const struct world *world, const struct holder_kind *kind,
                                 str account, str name)
{
    char room[KEY_ROOM];
    str key = key_in(room, kind, account, name, IN_SMALL_LETTERS);
    if (key.len == 0 || name.len == 0)
        return NULL;
    const struct holder *found = world_find(world, key);
    return found ? found : world_find(world, key_in(room, kind, account, name, AS_IT_IS));
}

static str last_part(str resource)
{
    size_t at = resource.len;
    while (at > 0 && resource.ptr[at - 1] != '/')
        at--;
    return str_from(resource, at);
}

const struct holder *holder_find_arn(const struct world *world, const struct holder_kind *kind,
                                     str text)
{
    struct arn arn;
    str first, rest;
    if (!arn_parse(text, &arn) || !str_eq(arn.service, STR("iam")) ||
        !str_cut(arn.resource, '/', &first, &rest) || !str_eq(first, kind->arn_kind))
        return NULL;
    const struct holder *holder = holder_find(world, kind, arn.account, last_part(rest));
    return holder && str_eq(holder->arn.text, text) ? holder : NULL;
}

bool holder_next(const struct world *world, const struct holder_kind *kind, str account, str after,
                 str *ret_key, const struct holder **ret_holder)
{
    char room[KEY_ROOM];
    str prefix = key_in(room, kind, account, STR(""), AS_IT_IS);
    const void *aggregate = NULL;
    for (str key = after; prefix.len && world_next(world, prefix, key, &key, &aggregate);)
        if (aggregate) {
            *ret_key = key;
            *ret_holder = aggregate;
            return true;
        }
    return false;
}

const struct fault *holder_absent(struct arena *arena, const struct holder_kind *kind, str name)
{
    return fault_coded(arena, FAULT_ABSENT, "NoSuchEntity",
                       "The %s with name " STR_FMT " cannot be found.", kind->word, STR_ARG(name));
}

/* ---- one record ---- */

static const struct fault *get(struct state *state, const struct call *call,
                               const struct holder_kind *kind, str name, struct record *ret_record)
{
    char room[KEY_ROOM];
    TRY(iam_check_name(call->arena, kind->name_path, name, IAM_NAME_MOST));
    const struct fault *why = NULL;
    for (enum spelling s = IN_SMALL_LETTERS; s <= AS_IT_IS; s++) {
        str key = arena_str(call->arena, key_in(room, kind, call->caller->account, name, s));
        if (str_is_none(key))
            return &fault_no_memory;
        why = state->ops->get(state, key, call->arena, ret_record);
        ret_record->key = key;
        if (!why || why->kind != FAULT_ABSENT)
            return why;
    }
    return holder_absent(call->arena, kind, name);
}

static const struct fault *put(struct state *state, const struct call *call,
                               const struct holder_kind *kind, const struct holder *holder, str key,
                               uint64_t expected, struct record *ret_record)
{
    AUTO_BUF value = buf_new(RECORD_MAX);
    write_holder(kind, holder, &value);
    if (value.failed || str_is_none(key))
        return &fault_no_memory;
    *ret_record = (struct record) { .key = key, .value = arena_str(call->arena, buf_str(&value)) };
    if (str_is_none(ret_record->value))
        return &fault_no_memory;
    return state->ops->put(state, key, ret_record->value, expected, call->arena,
                           &ret_record->revision);
}

const struct fault *holder_create(struct state *state, const struct call *call,
                                  const struct holder_kind *kind, const struct holder *holder,
                                  const struct holder **ret_made)
{
    char room[KEY_ROOM];
    struct record record;
    const void *made;
    str account = call->caller->account;
    TRY(iam_check_tags(call->arena, holder->tags, holder->tag_count));
    str key = arena_str(call->arena, key_in(room, kind, account, holder->name, IN_SMALL_LETTERS));
    const struct fault *why = holder_find(call->world, kind, account, holder->name)
                                  ? &(const struct fault) { .kind = FAULT_CONFLICT }
                                  : put(state, call, kind, holder, key, REVISION_NEW, &record);
    if (why && why->kind == FAULT_CONFLICT)
        return fault_coded(call->arena, FAULT_CONFLICT, "EntityAlreadyExists",
                           "%s with name " STR_FMT " already exists.", kind->title,
                           STR_ARG(holder->name));
    TRY(why);
    if (!ret_made)
        return NULL;
    TRY(kind->compile(&record, call->arena, &made));
    *ret_made = made;
    return NULL;
}

const struct fault *holder_change(struct state *state, const struct call *call,
                                  const struct holder_kind *kind, str name,
                                  struct holder_change *change)
{
    for (int i = 0; i < IAM_TRIES; i++) {
        struct record record;
        const void *found;
        TRY(get(state, call, kind, name, &record));
        TRY(kind->compile(&record, call->arena, &found));
        struct holder *copy = arena_alloc(call->arena, kind->size, _Alignof(max_align_t));
        if (!copy)
            return &fault_no_memory;
        memcpy(copy, found, kind->size);
        TRY(change->make(change, call, kind, copy));
        const struct fault *why =
            put(state, call, kind, copy, record.key, record.revision, &record);
        if (!why || why->kind != FAULT_CONFLICT)
            return why;
    }
    return iam_too_busy(call->arena);
}

const struct fault *holder_delete(struct state *state, const struct call *call,
                                  const struct holder_kind *kind, str name, holder_free_fn *also)
{
    for (int i = 0; i < IAM_TRIES; i++) {
        struct record record;
        const void *found;
        TRY(get(state, call, kind, name, &record));
        TRY(kind->compile(&record, call->arena, &found));
        const struct holder *holder = found;
        if (holder->attached_count > 0)
            return fault_coded(call->arena, FAULT_CONFLICT, "DeleteConflict",
                               "Cannot delete entity, must detach all policies first.");
        if (holder->policy_count > 0)
            return fault_coded(call->arena, FAULT_CONFLICT, "DeleteConflict",
                               "Cannot delete entity, must delete policies first.");
        if (also)
            TRY(also(call, holder));
        const struct fault *why =
            state->ops->remove(state, record.key, record.revision, call->arena);
        if (!why || why->kind != FAULT_CONFLICT)
            return why && why->kind == FAULT_ABSENT ? holder_absent(call->arena, kind, name) : why;
    }
    return iam_too_busy(call->arena);
}

/* ---- deciding ---- */

size_t holder_exhibits_most(const struct holder *holder)
{
    return holder ? holder->policy_count + holder->attached_count + 1 : 0;
}

size_t holder_exhibits(const struct world *world, const struct holder *holder, struct exhibit *to)
{
    size_t count = 0;
    for (size_t i = 0; i < holder->policy_count; i++)
        to[count++] = holder->exhibits[i];
    for (size_t i = 0; i < holder->attached_count; i++) {
        const struct managed_policy *policy = managed_find_arn(world, holder->attached[i]);
        if (policy)
            to[count++] = policy->as_identity;
    }
    if (str_is_none(holder->boundary))
        return count;
    const struct managed_policy *boundary = managed_find_arn(world, holder->boundary);
    to[count++] = boundary ? boundary->as_boundary
                           : (struct exhibit) { .kind = EXHIBIT_BOUNDARY,
                                                .name = STR("permissions boundary that is gone") };
    return count;
}
