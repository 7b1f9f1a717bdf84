/* Making a request ready. */
#include "policy/asked.h"

uint64_t account_number(str id)
{
    uint64_t number;
    return account_id_ok(id) && str_u64(id, &number) ? number : ACCOUNT_NONE;
}

static str last_part(str path)
{
    for (size_t i = path.len; i > 0; i--) {
        if (path.ptr[i - 1] == '/')
            return str_from(path, i);
    }
    return path;
}

static void asked_caller(struct asked *asked, const struct caller *caller)
{
    asked->account = account_number(caller->account);
    switch (caller->kind) {
    case CALLER_ANONYMOUS:
    case CALLER_ROOT:
        break;
    case CALLER_USER:
        asked->self = caller->user.arn.text;
        asked->partition = caller->user.arn.partition;
        break;
    case CALLER_ASSUMED_ROLE:
        asked->self = caller->assumed_role.session.text;
        asked->partition = caller->assumed_role.role.partition;
        asked->role_name = last_part(caller->assumed_role.role.resource);
        break;
    case CALLER_FEDERATED:
        asked->self = caller->federated.session.text;
        asked->partition = caller->federated.session.partition;
        asked->user_name = last_part(caller->federated.session.resource);
        break;
    case CALLER_SERVICE:
        asked->self = caller->service.principal;
        break;
    }
}

void asked_begin(struct asked *asked, const struct request *request,
                 struct found found[ASKED_FOUND])
{
    asked->found = found;
    asked->request = request;
    asked->action = action_of(request->action);
    asked->resource = subject_arn(request->resource.text);
    asked->self = asked->role_name = asked->user_name = asked->partition = STR_NONE;
    asked->has_boundary = false;
    asked_caller(asked, request->caller);
    for (size_t i = 0; i < request->context_count && i < ASKED_HASHES; i++) {
        const uint32_t known = request->context[i].hash;
        asked->hashes[i] = known ? known : key_hash(request->context[i].name);
    }
}

const struct context_key *asked_key(const struct asked *asked, str key, uint32_t hash, size_t *at)
{
    const struct request *request = asked->request;
    while (*at < request->context_count) {
        const size_t i = (*at)++;
        if (i < ASKED_HASHES && asked->hashes[i] != hash)
            continue;
        if (str_eq_nocase(request->context[i].name, key))
            return &request->context[i];
    }
    return NULL;
}

const struct found *asked_look_up(const struct asked *asked, str key, uint32_t hash)
{
    struct found *found = &asked->found[hash % ASKED_FOUND];
    *found = (struct found) { .name = key.ptr, .alone = true };
    size_t at = 0;
    for (const struct context_key *one; (one = asked_key(asked, key, hash, &at));) {
        if (found->key) {
            found->alone = false;
            break;
        }
        found->key = one;
        found->at = at;
    }
    return found;
}

str asked_single(const struct asked *asked, str key, uint32_t hash)
{
    size_t at = 0;
    const struct context_key *found = asked_key(asked, key, hash, &at);
    if (!found || found->multivalued || found->count != 1 || found->values[0].len == 0)
        return STR_NONE;
    return found->values[0];
}
