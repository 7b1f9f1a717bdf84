/* api/ses_v2.c - SES v2, which is REST JSON: identities, over the state that v1 writes. v2 has no
 * receipt rules. */
#include "api/api.h"
#include "api/params.h"
#include "api/run.h"
#include "api/ses_shape.h"
#include "api/ses_v2_shape.h"
#include "services/authorize.h"
#include "services/ses/identities.h"

enum { PAGE_MAX = 1000, TAG_KEY_MAX = 128, TAG_VALUE_MAX = 256 };

/* ---- who may ---- */

struct keys { /* room for the tags of an identity, their names and the API's version */
    struct context_key list[IDENTITY_TAGS_MAX + 2];
    size_t count;
};

static const str api_version = STR_INIT("2");

/* PREFIX/KEY = value of each tag: Service Authorization Reference, "Amazon Simple Email Service
 * v2". */
static const struct fault *add_tags(struct keys *keys, const char *prefix,
                                    const struct header *tags, size_t count, struct arena *arena)
{
    for (size_t i = 0; i < count && i < IDENTITY_TAGS_MAX; i++) {
        str name = arena_strf(arena, "%s/" STR_FMT, prefix, STR_ARG(tags[i].name));
        if (str_is_none(name))
            return &fault_no_memory;
        keys->list[keys->count++] =
            (struct context_key) { .name = name, .values = &tags[i].value, .count = 1 };
    }
    return NULL;
}

static const struct fault *may(const struct api_call *call, str action, str resource,
                               struct keys *keys)
{
    if (str_is_none(resource))
        return &fault_no_memory;
    keys->list[keys->count++] =
        (struct context_key) { .name = STR("ses:ApiVersion"), .values = &api_version, .count = 1 };
    return authorize(&call->call, &(struct ask) {
                                      .action = action,
                                      .resource = resource,
                                      .resource_account = call->call.caller->account,
                                      .context = keys->list,
                                      .context_count = keys->count,
                                  });
}

/* What the path names, as its ARN has it; a text that is no identity is asked for as it is. */
static str arn_of(const struct api_call *call, str name)
{
    str normal = identity_normal(call->call.arena, name);
    return ses_identity_arn(&call->call, str_is_none(normal) ? name : normal);
}

static const struct identity *named(const struct api_call *call)
{
    const struct call *c = &call->call;
    return identity_find(c->world, c->region, call->place[0], c->caller->account);
}

static const struct fault *may_with(const struct api_call *call, str action)
{
    struct keys keys = { .count = 0 };
    const struct identity *identity = named(call);
    if (identity)
        TRY(add_tags(&keys, "aws:ResourceTag", identity->tags, identity->tag_count,
                     call->call.arena));
    return may(call, action, arn_of(call, call->place[0]), &keys);
}

static const struct fault *absent(const struct api_call *call)
{
    return fault_coded(call->call.arena, FAULT_ABSENT, "NotFoundException",
                       "Email identity " STR_FMT " does not exist.", STR_ARG(call->place[0]));
}

/* ---- what an identity looks like ---- */

static str upper_status(const struct identity *identity)
{
    switch (identity->status) {
    case IDENTITY_PENDING:
        return STR("PENDING");
    case IDENTITY_SUCCESS:
        return STR("SUCCESS");
    case IDENTITY_FAILED:
        return STR("FAILED");
    case IDENTITY_TEMPORARY_FAILURE:
        break;
    }
    return STR("TEMPORARY_FAILURE");
}

static bool is_verified(const struct identity *identity)
{
    return identity->status == IDENTITY_SUCCESS;
}

static str type_of(const struct identity *identity)
{
    return identity_is_address(identity) ? STR("EMAIL_ADDRESS") : STR("DOMAIN");
}

static void write_dkim(struct json_writer *w, const struct identity *identity)
{
    bool begun = identity_has_dkim(identity);
    json_name(w, STR("DkimAttributes"));
    json_open(w, '{');
    json_add_bool(w, "SigningEnabled", begun);
    json_add_str(w, "Status", begun ? upper_status(identity) : STR("NOT_STARTED"));
    if (begun) {
        json_name(w, STR("Tokens"));
        json_open(w, '[');
        for (size_t n = 0; n < DKIM_TOKENS; n++)
            json_put_str(w, identity->dkim_tokens[n]);
        json_close(w, ']');
    }
    json_add_str(w, "SigningAttributesOrigin", STR("AWS_SES"));
    json_add_str(w, "NextSigningKeyLength", begun ? STR("RSA_2048_BIT") : STR("RSA_1024_BIT"));
    if (begun && is_verified(identity))
        json_add_str(w, "CurrentSigningKeyLength", STR("RSA_2048_BIT"));
    json_close(w, '}');
}

static void write_tags(struct json_writer *w, const struct identity *identity)
{
    json_name(w, STR("Tags"));
    json_open(w, '[');
    for (size_t i = 0; i < identity->tag_count; i++) {
        json_open(w, '{');
        json_add_str(w, "Key", identity->tags[i].name);
        json_add_str(w, "Value", identity->tags[i].value);
        json_close(w, '}');
    }
    json_close(w, ']');
}

/* ---- the operations ---- */

static const struct fault *bad(const struct api_call *call, const char *says)
{
    return fault_coded(call->call.arena, FAULT_SYNTAX, "BadRequestException", "%s", says);
}

static const struct fault *read_tags(const struct api_call *call, const struct json *body,
                                     const struct header **ret_tags, size_t *ret_count)
{
    const struct json *list = json_get(body, "Tags");
    size_t count = json_size(list);
    if (list && json_kind(list) != JSON_ARRAY && json_kind(list) != JSON_NULL)
        return ses_v2_unreadable(call);
    if (count > IDENTITY_TAGS_MAX)
        return bad(call, "An identity has at most 50 tags.");
    struct header *tags = ARENA_ARRAY(call->call.arena, struct header, count + 1);
    if (!tags)
        return &fault_no_memory;
    for (size_t i = 0; i < count; i++) {
        TRY(ses_v2_text(call, json_at(list, i), "Key", &tags[i].name));
        TRY(ses_v2_text(call, json_at(list, i), "Value", &tags[i].value));
        if (!tags[i].name.len || tags[i].name.len > TAG_KEY_MAX || str_is_none(tags[i].value) ||
            tags[i].value.len > TAG_VALUE_MAX || str_starts_nocase(tags[i].name, STR("aws:")))
            return bad(call, "A tag needs a key of 1 to 128 characters that does not begin with "
                             "aws:, and a value of at most 256.");
        for (size_t k = 0; k < i; k++)
            if (str_eq(tags[i].name, tags[k].name))
                return bad(call, "Two tags have the same key.");
    }
    *ret_tags = tags;
    *ret_count = count;
    return NULL;
}

/* Own keys need a signer, configuration sets a state: neither is there, and neither is passed over.
 */
static const struct fault *refuse_unbuilt(const struct api_call *call, const struct json *body)
{
    const struct json *dkim = json_get(body, "DkimSigningAttributes"), *value;
    str name, set;
    for (size_t i = 0; json_member(dkim, i, &name, &value); i++)
        if (!str_eq(name, STR("NextSigningKeyLength")) ||
            !str_eq(json_text(value), STR("RSA_2048_BIT")))
            return bad(call, "Sesame signs no mail: of DkimSigningAttributes it knows Easy DKIM "
                             "with RSA_2048_BIT only.");
    TRY(ses_v2_text(call, body, "ConfigurationSetName", &set));
    return set.len ? ses_v2_no_configuration_set(call, set) : NULL;
}

const struct fault *run_sesv2_CreateEmailIdentity(struct api *api, const struct api_call *call,
                                                  struct api_answer *answer)
{
    struct keys keys = { .count = 0 };
    const struct json *body;
    const struct header *tags = NULL;
    const struct identity *identity;
    size_t tag_count = 0;
    str name;
    TRY(ses_v2_body(call, call->call.arena, &body));
    TRY(ses_v2_text(call, body, "EmailIdentity", &name));
    TRY(read_tags(call, body, &tags, &tag_count));
    TRY(add_tags(&keys, "aws:RequestTag", tags, tag_count, call->call.arena));
    str tag_names[IDENTITY_TAGS_MAX];
    for (size_t i = 0; i < tag_count; i++)
        tag_names[i] = tags[i].name;
    if (tag_count)
        keys.list[keys.count++] = (struct context_key) {
            .name = STR("aws:TagKeys"), .values = tag_names, .count = tag_count, .multivalued = true
        };
    TRY(may(call, STR("ses:CreateEmailIdentity"), arn_of(call, name), &keys));
    if (!name.len)
        return param_invalid(call->call.arena, name, "emailIdentity",
                             str_is_none(name)
                                 ? "Member must not be null"
                                 : "Member must have length greater than or equal to 1");
    TRY(refuse_unbuilt(call, body));
    TRY(identity_create(api->state, &call->call, api->outside->entropy, name, tags, tag_count,
                        api->verify_identities_auto, &identity));
    struct json_writer w = json_writer(&answer->text);
    json_open(&w, '{');
    json_add_str(&w, "IdentityType", type_of(identity));
    json_add_bool(&w, "VerifiedForSendingStatus", is_verified(identity));
    if (!identity_is_address(identity))
        write_dkim(&w, identity);
    json_close(&w, '}');
    return NULL;
}

const struct fault *run_sesv2_GetEmailIdentity(struct api *api, const struct api_call *call,
                                               struct api_answer *answer)
{
    (void)api;
    TRY(may_with(call, STR("ses:GetEmailIdentity")));
    const struct identity *identity = named(call);
    if (!identity)
        return absent(call);
    struct json_writer w = json_writer(&answer->text);
    json_open(&w, '{');
    json_add_str(&w, "IdentityType", type_of(identity));
    json_add_bool(&w, "FeedbackForwardingStatus", true);
    json_add_bool(&w, "VerifiedForSendingStatus", is_verified(identity));
    write_dkim(&w, identity);
    json_add_raw(&w, "MailFromAttributes", STR("{\"BehaviorOnMxFailure\":\"USE_DEFAULT_VALUE\"}"));
    json_add_raw(&w, "Policies", STR("{}"));
    write_tags(&w, identity);
    json_add_str(&w, "VerificationStatus", upper_status(identity));
    json_add_raw(&w, "VerificationInfo", STR("{}"));
    json_close(&w, '}');
    return NULL;
}

const struct fault *run_sesv2_DeleteEmailIdentity(struct api *api, const struct api_call *call,
                                                  struct api_answer *answer)
{
    TRY(may_with(call, STR("ses:DeleteEmailIdentity")));
    if (!named(call))
        return absent(call);
    TRY(identity_delete(api->state, &call->call, call->place[0]));
    buf_add(&answer->text, STR("{}"));
    return NULL;
}

/* ListEmailIdentities came as a GET with a query; SDKs since 2026 POST it to a path of its own,
 * with a filter. */
struct listing {
    int64_t most;
    str after;
    str contains, type, status; /* STR_NONE: any */
};

static const struct fault *read_filter(const struct api_call *call, const struct json *filter,
                                       struct listing *l)
{
    const struct json *value;
    str name;
    if (filter && json_kind(filter) != JSON_OBJECT && json_kind(filter) != JSON_NULL)
        return ses_v2_unreadable(call);
    for (size_t i = 0; json_member(filter, i, &name, &value); i++) {
        str *to = str_eq(name, STR("IDENTITY_NAME_CONTAINS")) ? &l->contains
                  : str_eq(name, STR("IDENTITY_TYPE"))        ? &l->type
                  : str_eq(name, STR("VERIFICATION_STATUS"))  ? &l->status
                                                              : NULL;
        if (!to || json_kind(value) != JSON_STRING)
            return bad(call, "A filter of identities has IDENTITY_NAME_CONTAINS, IDENTITY_TYPE and "
                             "VERIFICATION_STATUS.");
        *to = json_text(value);
    }
    return NULL;
}

static const struct fault *read_listing_body(const struct api_call *call, struct listing *l)
{
    const struct json *body, *size;
    str token;
    TRY(ses_v2_body(call, call->call.arena, &body));
    size = json_get(body, "PageSize");
    if (size && json_kind(size) != JSON_INTEGER && json_kind(size) != JSON_NULL)
        return ses_v2_unreadable(call);
    l->most = json_int(body, "PageSize", PAGE_MAX);
    if (l->most < 0 || l->most > PAGE_MAX)
        return bad(call, "PageSize is between 0 and 1000.");
    TRY(ses_v2_text(call, body, "NextToken", &token));
    TRY(ses_page_after(&call->call, token, &l->after));
    return read_filter(call, json_get(body, "Filter"), l);
}

static const struct fault *read_listing(const struct api_call *call, struct listing *l)
{
    *l = (struct listing) { .contains = STR_NONE, .type = STR_NONE, .status = STR_NONE };
    if (str_eq(call->method, STR("POST"))) {
        TRY(read_listing_body(call, l));
    } else {
        TRY(param_number(call, "PageSize", "pageSize", 0, PAGE_MAX, PAGE_MAX, &l->most));
        TRY(ses_page_after(&call->call, api_param(call, "NextToken"), &l->after));
    }
    if (l->most == 0)
        l->most = PAGE_MAX;
    return NULL;
}

static bool is_listed(const struct listing *l, const struct identity *identity)
{
    return (!l->contains.len ||
            str_find_str(identity->domain, l->contains) < identity->domain.len) &&
           (!l->type.len || str_eq(l->type, type_of(identity))) &&
           (!l->status.len || str_eq(l->status, upper_status(identity)));
}

static void write_listed(struct json_writer *w, const struct identity *identity)
{
    json_open(w, '{');
    json_add_str(w, "IdentityType", type_of(identity));
    json_add_str(w, "IdentityName", identity->domain);
    json_add_bool(w, "SendingEnabled", is_verified(identity));
    json_add_str(w, "VerificationStatus", upper_status(identity));
    json_close(w, '}');
}

const struct fault *run_sesv2_ListEmailIdentities(struct api *api, const struct api_call *call,
                                                  struct api_answer *answer)
{
    (void)api;
    const struct call *c = &call->call;
    struct keys keys = { .count = 0 };
    const struct identity *identity;
    struct listing l;
    bool more = false;
    TRY(may(call, STR("ses:ListEmailIdentities"), STR("*"), &keys));
    TRY(read_listing(call, &l));
    struct json_writer w = json_writer(&answer->text);
    json_open(&w, '{');
    json_name(&w, STR("EmailIdentities"));
    json_open(&w, '[');
    str key = l.after, last = STR_NONE;
    while (identity_next_of(c->world, c->caller->account, c->region, key, &key, &identity)) {
        if (!is_listed(&l, identity))
            continue;
        more = l.most-- == 0;
        if (more)
            break;
        write_listed(&w, identity);
        last = key;
    }
    json_close(&w, ']');
    if (more)
        json_add_str(&w, "NextToken", ses_page_token(last, c->arena));
    json_close(&w, '}');
    return NULL;
}
