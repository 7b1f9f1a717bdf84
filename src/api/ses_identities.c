/* api/ses_identities.c - the SES v1 operations beside rules: identities, and IP address filters. */
#include "api/api.h"
#include "api/params.h"
#include "api/run.h"
#include "api/ses_rule.h"
#include "api/ses_shape.h"
#include "base/xml.h"
#include "services/authorize.h"
#include "services/ses/filters.h"
#include "services/ses/identities.h"

enum { IDENTITIES_ASKED = 100, IDENTITIES_PAGE = 1000 };

/* Neither has resources of its own: a policy must name "*". */
static const struct fault *may(const struct api_call *call, str action)
{
    return authorize(&call->call, &(struct ask) {
                                      .action = action,
                                      .resource = STR("*"),
                                      .resource_account = call->call.caller->account,
                                  });
}

static const struct fault *need(const struct api_call *call, const char *name, const char *path,
                                str *ret_value)
{
    AUTO_VIOLATIONS v = violations_new();
    *ret_value = api_param(call, name);
    if (str_is_none(*ret_value))
        violation(&v, str_of(path), STR("Member must not be null"));
    return violations_fault(&v, call->call.arena);
}

/* ---- identities ---- */

const struct fault *run_ses_VerifyDomainIdentity(struct api *api, const struct api_call *call,
                                                 struct api_answer *answer)
{
    str domain, token;
    TRY(may(call, STR("ses:VerifyDomainIdentity")));
    TRY(need(call, "Domain", "domain", &domain));
    TRY(identity_verify_domain(api->state, &call->call, api->outside->entropy, domain,
                               api->verify_identities_auto, &token));
    xml_leaf(&answer->text, "VerificationToken", token);
    return NULL;
}

const struct fault *run_ses_VerifyEmailIdentity(struct api *api, const struct api_call *call,
                                                struct api_answer *answer)
{
    (void)answer;
    str address;
    TRY(may(call, STR("ses:VerifyEmailIdentity")));
    TRY(need(call, "EmailAddress", "emailAddress", &address));
    return identity_verify_address(api->state, &call->call, address, api->verify_identities_auto);
}

const struct fault *run_ses_DeleteIdentity(struct api *api, const struct api_call *call,
                                           struct api_answer *answer)
{
    (void)answer;
    str identity;
    TRY(may(call, STR("ses:DeleteIdentity")));
    TRY(need(call, "Identity", "identity", &identity));
    return identity_delete(api->state, &call->call, identity);
}

/* A map of the identities that are asked for; those that are not there are missing: spec 12.2. */
static const struct fault *write_map(const struct api_call *call, str action, const char *map,
                                     void (*write)(const struct identity *, struct buf *out),
                                     struct buf *out)
{
    const struct call *c = &call->call;
    const str *names;
    size_t count;
    TRY(may(call, action));
    TRY(param_list(call, STR("Identities"), "", IDENTITIES_ASKED, "identities", &names, &count));
    xml_open(out, map);
    for (size_t i = 0; i < count; i++) {
        const struct identity *identity =
            identity_find(c->world, c->region, names[i], c->caller->account);
        if (!identity)
            continue;
        xml_open(out, "entry");
        xml_leaf(out, "key", names[i]);
        xml_open(out, "value");
        write(identity, out);
        xml_close(out, "value");
        xml_close(out, "entry");
    }
    xml_close(out, map);
    return NULL;
}

static void write_verification(const struct identity *identity, struct buf *out)
{
    xml_leaf(out, "VerificationStatus", identity_status_name(identity->status));
    xml_leaf(out, "VerificationToken", identity->token);
}

const struct fault *run_ses_GetIdentityVerificationAttributes(struct api *api,
                                                              const struct api_call *call,
                                                              struct api_answer *answer)
{
    (void)api;
    return write_map(call, STR("ses:GetIdentityVerificationAttributes"), "VerificationAttributes",
                     write_verification, &answer->text);
}

/* Each token is one of the three names at which a domain shows its key. */
static void write_tokens(struct buf *out, const str tokens[DKIM_TOKENS])
{
    xml_open(out, "DkimTokens");
    for (size_t n = 0; n < DKIM_TOKENS; n++)
        xml_leaf(out, "member", tokens[n]);
    xml_close(out, "DkimTokens");
}

const struct fault *run_ses_VerifyDomainDkim(struct api *api, const struct api_call *call,
                                             struct api_answer *answer)
{
    str domain, tokens[DKIM_TOKENS];
    TRY(may(call, STR("ses:VerifyDomainDkim")));
    TRY(need(call, "Domain", "domain", &domain));
    TRY(identity_verify_dkim(api->state, &call->call, api->outside->entropy, domain,
                             api->verify_identities_auto, tokens));
    write_tokens(&answer->text, tokens);
    return NULL;
}

static void write_dkim(const struct identity *identity, struct buf *out)
{
    xml_leaf_bool(out, "DkimEnabled", identity_has_dkim(identity));
    xml_leaf(out, "DkimVerificationStatus", identity_dkim_status_name(identity));
    if (identity_has_dkim(identity))
        write_tokens(out, identity->dkim_tokens);
}

const struct fault *run_ses_GetIdentityDkimAttributes(struct api *api, const struct api_call *call,
                                                      struct api_answer *answer)
{
    (void)api;
    return write_map(call, STR("ses:GetIdentityDkimAttributes"), "DkimAttributes", write_dkim,
                     &answer->text);
}

const struct fault *run_ses_ListIdentities(struct api *api, const struct api_call *call,
                                           struct api_answer *answer)
{
    (void)api;
    const struct call *c = &call->call;
    const struct identity *identity;
    str type = api_param(call, "IdentityType"), key, last = STR_NONE;
    bool addresses = str_eq(type, STR("EmailAddress")), domains = str_eq(type, STR("Domain"));
    int64_t left;
    TRY(may(call, STR("ses:ListIdentities")));
    if (!str_is_none(type) && !addresses && !domains)
        return param_invalid(c->arena, type, "identityType",
                             "Member must satisfy enum value set: [EmailAddress, Domain]");
    TRY(param_number(call, "MaxItems", "maxItems", 1, IDENTITIES_PAGE, IDENTITIES_PAGE, &left));
    TRY(ses_page_after(c, api_param(call, "NextToken"), &key));
    xml_open(&answer->text, "Identities");
    bool more = false;
    while (identity_next_of(c->world, c->caller->account, c->region, key, &key, &identity)) {
        if (identity_is_address(identity) ? domains : addresses)
            continue;
        more = left-- == 0;
        if (more)
            break;
        xml_leaf(&answer->text, "member", identity->domain);
        last = key;
    }
    xml_close(&answer->text, "Identities");
    if (more)
        xml_leaf(&answer->text, "NextToken", ses_page_token(last, c->arena));
    return NULL;
}

/* ---- filters ---- */

/* A structure is there when one of its members is. */
static bool has_members(const struct api_call *call, const char *prefix)
{
    for (size_t i = 0; i < call->param_count; i++)
        if (str_starts(call->params[i].name, str_of(prefix)))
            return true;
    return false;
}

static void not_null(struct violations *v, const char *path)
{
    violation(v, str_of(path), STR("Member must not be null"));
}

static const struct fault *check_filter_shape(const struct api_call *call)
{
    AUTO_VIOLATIONS v = violations_new();
    str policy = api_param(call, "Filter.IpFilter.Policy");
    if (!has_members(call, "Filter.")) {
        not_null(&v, "filter");
        return violations_fault(&v, call->call.arena);
    }
    if (!api_has_param(call, "Filter.Name"))
        not_null(&v, "filter.name");
    if (!has_members(call, "Filter.IpFilter.")) {
        not_null(&v, "filter.ipFilter");
        return violations_fault(&v, call->call.arena);
    }
    if (str_is_none(policy))
        not_null(&v, "filter.ipFilter.policy");
    else if (!str_eq(policy, STR("Allow")) && !str_eq(policy, STR("Block")))
        violation(&v, STR("filter.ipFilter.policy"),
                  STR("Member must satisfy enum value set: [Allow, Block]"));
    if (!api_has_param(call, "Filter.IpFilter.Cidr"))
        not_null(&v, "filter.ipFilter.cidr");
    return violations_fault(&v, call->call.arena);
}

const struct fault *run_ses_CreateReceiptFilter(struct api *api, const struct api_call *call,
                                                struct api_answer *answer)
{
    (void)answer;
    TRY(may(call, STR("ses:CreateReceiptFilter")));
    TRY(check_filter_shape(call));
    return filter_create(api->state, &call->call, api_param(call, "Filter.Name"),
                         str_eq(api_param(call, "Filter.IpFilter.Policy"), STR("Allow")),
                         api_param(call, "Filter.IpFilter.Cidr"));
}

const struct fault *run_ses_DeleteReceiptFilter(struct api *api, const struct api_call *call,
                                                struct api_answer *answer)
{
    (void)answer;
    str name;
    TRY(may(call, STR("ses:DeleteReceiptFilter")));
    TRY(need(call, "FilterName", "filterName", &name));
    return filter_delete(api->state, &call->call, name);
}

const struct fault *run_ses_ListReceiptFilters(struct api *api, const struct api_call *call,
                                               struct api_answer *answer)
{
    (void)api;
    const struct call *c = &call->call;
    struct buf *out = &answer->text;
    TRY(may(call, STR("ses:ListReceiptFilters")));
    const struct receipt_filters *filters = filters_find(c->world, c->caller->account, c->region);
    xml_open(out, "Filters");
    for (size_t i = 0; filters && i < filters->count; i++) {
        const struct receipt_filter *filter = &filters->list[i];
        xml_open(out, "member");
        xml_leaf(out, "Name", filter->name);
        xml_open(out, "IpFilter");
        xml_leaf(out, "Policy", filter->allow ? STR("Allow") : STR("Block"));
        xml_leaf(out, "Cidr", filter->cidr);
        xml_close(out, "IpFilter");
        xml_close(out, "member");
    }
    xml_close(out, "Filters");
    return NULL;
}
