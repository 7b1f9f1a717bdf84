/* api/kms_grants.c - KMS operations on grants. */
#include "api/api.h"
#include "api/kms_shape.h"
#include "api/run.h"
#include "base/base64.h"

enum { LIST_USUAL = 50, LIST_MOST = 100, TOKEN_MOST = 8192 };

/* A token names the grant it came with; it proves nothing, since a grant works as soon as it is
 * made. */
static str token_of(const struct api_call *call, str key_id, str grant_id)
{
    AUTO_BUF token = buf_new(TOKEN_MOST);
    const str both =
        arena_strf(call->call.arena, "1 " STR_FMT " " STR_FMT, STR_ARG(key_id), STR_ARG(grant_id));
    base64_encode(&token, both);
    return token.failed || str_is_none(both) ? STR_NONE
                                             : arena_str(call->call.arena, buf_str(&token));
}

static const struct fault *read_token(const struct api_call *call, str token, str *ret_key_id,
                                      str *ret_grant_id)
{
    str version, rest;
    char *text = ARENA_ARRAY(call->call.arena, char, token.len + 1);
    size_t len;
    if (!text)
        return &fault_no_memory;
    if (token.len > TOKEN_MOST || !base64_decode_to(text, token, &len) ||
        !str_cut((str) { text, len }, ' ', &version, &rest) || !str_eq(version, STR("1")) ||
        !str_cut(rest, ' ', ret_key_id, ret_grant_id))
        return fault_coded(call->call.arena, FAULT_SYNTAX, "InvalidGrantTokenException",
                           "The grant token is not one that CreateGrant gave");
    return NULL;
}

static const struct fault *read_constraints(const struct api_call *call, const struct json *json,
                                            struct kms_grant *grant)
{
    const struct json *subset = json_get(json, "EncryptionContextSubset"),
                      *equals = json_get(json, "EncryptionContextEquals");
    if (json_kind(subset) != JSON_NULL && json_kind(equals) != JSON_NULL)
        return fault_coded(call->call.arena, FAULT_SYNTAX, "ValidationException",
                           "A grant has one constraint");
    TRY(kms_pairs(call, equals ? equals : subset, &grant->context, &grant->context_count));
    if (grant->context_count)
        grant->constraint = equals ? CONSTRAINT_EQUALS : CONSTRAINT_SUBSET;
    else if (json_kind(subset) != JSON_NULL || json_kind(equals) != JSON_NULL)
        return fault_coded(call->call.arena, FAULT_SYNTAX, "ValidationException",
                           "A grant's constraint has one pair or more");
    return NULL;
}

const struct fault *run_kms_CreateGrant(struct api *api, const struct api_call *call,
                                        struct api_answer *answer)
{
    const struct json *input;
    struct kms_grant draft = { 0 };
    str id, grant_id;
    bool dry_run;
    TRY(kms_input(call, &input));
    TRY(kms_wanted(call, input, "KeyId", &id));
    TRY(kms_wanted(call, input, "GranteePrincipal", &draft.grantee));
    TRY(kms_text(call, input, "RetiringPrincipal", &draft.retiring));
    TRY(kms_text(call, input, "Name", &draft.name));
    TRY(kms_texts(call, json_get(input, "Operations"), &draft.operations, &draft.operation_count));
    TRY(read_constraints(call, json_get(input, "Constraints"), &draft));
    TRY(kms_flag(call, input, "DryRun", &dry_run));
    TRY(kms_create_grant(api->kms, &call->call, id, &draft, dry_run, &grant_id));
    struct json_writer w = json_writer(&answer->text);
    json_open(&w, '{');
    json_add_str(&w, "GrantToken", token_of(call, id, grant_id));
    json_add_str(&w, "GrantId", grant_id);
    json_close(&w, '}');
    return NULL;
}

static void put_constraints(struct json_writer *w, const struct kms_grant *grant)
{
    if (grant->constraint == CONSTRAINT_NONE)
        return;
    json_name(w, STR("Constraints"));
    json_open(w, '{');
    json_name(w, kms_constraint_name(grant->constraint));
    json_open(w, '{');
    for (size_t i = 0; i < grant->context_count; i++) {
        json_name(w, grant->context[i].name);
        json_put_str(w, grant->context[i].value);
    }
    json_close(w, '}');
    json_close(w, '}');
}

static void put_grant(struct json_writer *w, const struct kms_key *key,
                      const struct kms_grant *grant, str issuer)
{
    json_open(w, '{');
    json_add_str(w, "KeyId", key->arn.text);
    json_add_str(w, "GrantId", grant->id);
    json_add_str(w, "Name", str_is_none(grant->name) ? STR("") : grant->name);
    kms_put_time(w, "CreationDate", grant->created_ms);
    json_add_str(w, "GranteePrincipal", grant->grantee);
    if (!str_is_none(grant->retiring))
        json_add_str(w, "RetiringPrincipal", grant->retiring);
    json_add_str(w, "IssuingAccount", issuer);
    json_name(w, STR("Operations"));
    json_open(w, '[');
    for (size_t i = 0; i < grant->operation_count; i++)
        json_put_str(w, grant->operations[i]);
    json_close(w, ']');
    put_constraints(w, grant);
    json_close(w, '}');
}

/* The page of a list of grants, from behind the one the marker names. */
static const struct fault *put_grants(const struct api_call *call, const struct json *input,
                                      const struct kms_grant_of *grants, size_t count,
                                      struct api_answer *answer)
{
    struct kms_page page;
    TRY(kms_page(call, input, LIST_USUAL, LIST_MOST, &page));
    size_t at = 0, shown = 0;
    while (!str_is_none(page.after) && at < count && !str_eq(grants[at].grant->id, page.after))
        at++;
    at += !str_is_none(page.after) && at < count;
    struct json_writer w = json_writer(&answer->text);
    json_open(&w, '{');
    json_name(&w, STR("Grants"));
    json_open(&w, '[');
    for (; at < count && shown < page.max; at++, shown++) {
        const struct kms_key *key = grants[at].key;
        put_grant(&w, key, grants[at].grant,
                  arena_strf(call->call.arena, "arn:" STR_FMT ":iam::" STR_FMT ":root",
                             STR_ARG(key->arn.partition), STR_ARG(key->account)));
    }
    json_close(&w, ']');
    kms_put_page(&w, at < count, at ? grants[at - 1].grant->id : STR(""));
    json_close(&w, '}');
    return NULL;
}

const struct fault *run_kms_ListGrants(struct api *api, const struct api_call *call,
                                       struct api_answer *answer)
{
    const struct json *input;
    const struct kms_key *key;
    str id, wanted, grantee;
    size_t count = 0;
    TRY(kms_input(call, &input));
    TRY(kms_wanted(call, input, "KeyId", &id));
    TRY(kms_text(call, input, "GrantId", &wanted));
    TRY(kms_text(call, input, "GranteePrincipal", &grantee));
    TRY(kms_list_grants(api->kms, &call->call, id, &key));
    struct kms_grant_of *grants =
        ARENA_ARRAY(call->call.arena, struct kms_grant_of, key->grant_count + 1);
    if (!grants)
        return &fault_no_memory;
    for (size_t i = 0; i < key->grant_count; i++) {
        const struct kms_grant *grant = &key->grants[i];
        if ((str_is_none(wanted) || str_eq(wanted, grant->id)) &&
            (str_is_none(grantee) || str_eq(grantee, grant->grantee)))
            grants[count++] = (struct kms_grant_of) { key, grant };
    }
    return put_grants(call, input, grants, count, answer);
}

const struct fault *run_kms_ListRetirableGrants(struct api *api, const struct api_call *call,
                                                struct api_answer *answer)
{
    const struct json *input;
    struct kms_grant_of *grants;
    size_t count;
    str principal;
    TRY(kms_input(call, &input));
    TRY(kms_wanted(call, input, "RetiringPrincipal", &principal));
    TRY(kms_list_retirable(api->kms, &call->call, principal, &grants, &count));
    return put_grants(call, input, grants, count, answer);
}

const struct fault *run_kms_RevokeGrant(struct api *api, const struct api_call *call,
                                        struct api_answer *answer)
{
    (void)answer;
    const struct json *input;
    str id, grant_id;
    bool dry_run;
    TRY(kms_input(call, &input));
    TRY(kms_wanted(call, input, "KeyId", &id));
    TRY(kms_wanted(call, input, "GrantId", &grant_id));
    TRY(kms_flag(call, input, "DryRun", &dry_run));
    return kms_revoke_grant(api->kms, &call->call, id, grant_id, dry_run);
}

const struct fault *run_kms_RetireGrant(struct api *api, const struct api_call *call,
                                        struct api_answer *answer)
{
    (void)answer;
    const struct json *input;
    str token, id, grant_id;
    bool dry_run;
    TRY(kms_input(call, &input));
    TRY(kms_text(call, input, "GrantToken", &token));
    TRY(kms_flag(call, input, "DryRun", &dry_run));
    if (str_is_none(token)) {
        TRY(kms_wanted(call, input, "KeyId", &id));
        TRY(kms_wanted(call, input, "GrantId", &grant_id));
    } else {
        TRY(read_token(call, token, &id, &grant_id));
    }
    return kms_retire_grant(api->kms, &call->call, id, grant_id, dry_run);
}
