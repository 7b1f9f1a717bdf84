#include "policy/permission.h"

#include "aws/arn.h"
#include "base/json.h"

enum { STATEMENT_MAX = 64 * 1024, ID_MAX = 100 };

/* ---- the shape of the parameters ---- */

static bool is_word_char(char c)
{
    return ascii_is_alpha(c) || ascii_is_digit(c);
}

static bool all(str s, bool (*fits)(char), const char *also)
{
    for (size_t i = 0; i < s.len; i++) {
        if (!fits(s.ptr[i]) && !str_has(str_of(also), s.ptr[i]))
            return false;
    }
    return s.len > 0;
}

static bool statement_id_fits(str s)
{
    return s.len <= ID_MAX && all(s, is_word_char, "-_");
}

static bool action_fits(str s)
{
    str service, name;
    if (str_eq(s, STR("*")) || str_eq(s, STR("lambda:*")))
        return true;
    return str_cut(s, ':', &service, &name) && str_eq(service, STR("lambda")) &&
           all(name, ascii_is_alpha, "");
}

static bool principal_fits(str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] <= ' ')
            return false;
    }
    return s.len > 0;
}

static bool arn_fits(str s)
{
    struct arn arn;
    return arn_parse(s, &arn) && str_starts(arn.partition, STR("aws")) && arn.service.len &&
           (!arn.account.len || account_id_ok(arn.account));
}

static bool org_fits(str s)
{
    return s.len >= 12 && s.len <= 34 && str_starts(s, STR("o-")) &&
           all(str_from(s, 2), is_word_char, "");
}

static bool auth_fits(str s)
{
    return str_eq(s, STR("NONE")) || str_eq(s, STR("AWS_IAM"));
}
static bool token_fits(str s)
{
    return s.len <= 256 && all(s, is_word_char, "._-");
}
static bool qualifier_fits(str s)
{
    return !s.len || (s.len <= 128 && all(s, is_word_char, "$_-"));
}

#define PATTERN(text) "Member must satisfy regular expression pattern: " text

static const struct fault *check_shape(const struct permission *p, struct arena *a, str *ret_param)
{
    const struct {
        const char *path;
        str value;
        bool required;
        bool (*fits)(str);
        const char *constraint;
    } members[] = {
        { "statementId", p->statement_id, true, statement_id_fits, PATTERN("([a-zA-Z0-9-_]+)") },
        { "action", p->action, true, action_fits, PATTERN("(lambda:[*]|lambda:[a-zA-Z]+|[*])") },
        { "principal", p->principal, true, principal_fits, PATTERN("[^\\s]+") },
        { "sourceArn", p->source_arn, false, arn_fits,
          PATTERN("arn:(aws[a-zA-Z0-9-]*):([a-zA-Z0-9\\-])+:([a-z]{2}(-gov)?-[a-z]+-\\d{1})?:"
                  "(\\d{12})?:(.*)") },
        { "sourceAccount", p->source_account, false, account_id_ok, PATTERN("\\d{12}") },
        { "eventSourceToken", p->event_source_token, false, token_fits,
          PATTERN("[a-zA-Z0-9._\\-]+") },
        { "qualifier", p->qualifier, false, qualifier_fits, PATTERN("(|[a-zA-Z0-9$_-]+)") },
        { "principalOrgID", p->principal_org_id, false, org_fits, PATTERN("^o-[a-z0-9]{10,32}$") },
        { "functionUrlAuthType", p->function_url_auth_type, false, auth_fits,
          "Member must satisfy enum value set: [NONE, AWS_IAM]" },
    };
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        const str value = members[i].value;
        *ret_param = str_of(members[i].path);
        if (str_is_none(value) && members[i].required)
            return fault_coded(a, FAULT_SYNTAX, "ValidationException",
                               "1 validation error detected: Value null at '%s' failed to satisfy "
                               "constraint: Member must not be null",
                               members[i].path);
        if (!str_is_none(value) && !members[i].fits(value))
            return fault_coded(a, FAULT_SYNTAX, "ValidationException",
                               "1 validation error detected: Value '" STR_FMT
                               "' at '%s' failed to satisfy constraint: %s",
                               STR_ARG(value), members[i].path, members[i].constraint);
    }
    *ret_param = STR_NONE;
    return NULL;
}

/* ---- who is let in ---- */

static bool is_service(str name)
{
    return str_ends(name, STR(".amazonaws.com")) || str_ends(name, STR(".amazonaws.com.cn"));
}

static bool is_principal_arn(str name)
{
    struct arn arn;
    return arn_parse(name, &arn) &&
           (str_eq(arn.service, STR("iam")) || str_eq(arn.service, STR("sts"))) &&
           account_id_ok(arn.account);
}

static void put_principal(struct json_writer *w, const struct permission *p, str partition,
                          struct arena *a)
{
    json_name(w, STR("Principal"));
    if (str_eq(p->principal, STR("*"))) {
        json_put_str(w, p->principal);
        return;
    }
    json_open(w, '{');
    if (account_id_ok(p->principal))
        json_add_str(w, "AWS",
                     arena_strf(a, "arn:" STR_FMT ":iam::" STR_FMT ":root", STR_ARG(partition),
                                STR_ARG(p->principal)));
    else
        json_add_str(w, is_principal_arn(p->principal) ? "AWS" : "Service", p->principal);
    json_close(w, '}');
}

/* ---- the statement ---- */

struct pair {
    const char *key;
    str value;
};

static void put_operator(struct json_writer *w, const char *operator, const struct pair * pairs,
                         size_t count)
{
    size_t given = 0;
    for (size_t i = 0; i < count; i++)
        given += !str_is_none(pairs[i].value);
    if (!given)
        return;
    json_name(w, str_of(operator));
    json_open(w, '{');
    for (size_t i = 0; i < count; i++) {
        if (!str_is_none(pairs[i].value))
            json_add_str(w, pairs[i].key, pairs[i].value);
    }
    json_close(w, '}');
}

static void put_condition(struct json_writer *w, const struct permission *p)
{
    const struct pair equals[] = {
        { "AWS:SourceAccount", p->source_account },
        { "lambda:FunctionUrlAuthType", p->function_url_auth_type },
        { "lambda:EventSourceToken", p->event_source_token },
        { "aws:PrincipalOrgID", p->principal_org_id },
    };
    const struct pair like[] = { { "AWS:SourceArn", p->source_arn } };
    bool any = !str_is_none(p->source_arn);
    for (size_t i = 0; i < sizeof equals / sizeof equals[0]; i++)
        any = any || !str_is_none(equals[i].value);
    if (!any)
        return;
    json_name(w, STR("Condition"));
    json_open(w, '{');
    put_operator(w, "StringEquals", equals, sizeof equals / sizeof equals[0]);
    put_operator(w, "ArnLike", like, 1);
    json_close(w, '}');
}

static const struct fault *check_home(const struct permission *p, const struct permission_home *h,
                                      struct arena *a, str *ret_param)
{
    *ret_param = STR("qualifier");
    if (str_eq(p->qualifier, STR("$LATEST")))
        return fault_coded(a, FAULT_SYNTAX, "InvalidParameterValueException",
                           "We currently do not support adding policies for $LATEST.");
    *ret_param = STR("revisionId");
    if (!str_is_none(p->revision_id) && !str_eq(p->revision_id, h->revision_id))
        return fault_coded(a, FAULT_CONFLICT, "PreconditionFailedException",
                           "The Revision Id provided does not match the latest Revision Id. Call "
                           "the GetPolicy API to retrieve the latest Revision Id");
    *ret_param = STR("statementId");
    for (size_t i = 0; i < h->sid_count; i++) {
        if (str_eq(h->sids[i], p->statement_id))
            return fault_coded(a, FAULT_CONFLICT, "ResourceConflictException",
                               "The statement id (" STR_FMT ") provided already exists. Please "
                               "provide a new statement id, or remove the existing statement.",
                               STR_ARG(p->statement_id));
    }
    *ret_param = STR("principal");
    if (!str_eq(p->principal, STR("*")) && !account_id_ok(p->principal) &&
        !is_service(p->principal) && !is_principal_arn(p->principal))
        return fault_coded(a, FAULT_SYNTAX, "InvalidParameterValueException",
                           "The provided principal was invalid. Please check the principal and try "
                           "again.");
    *ret_param = STR_NONE;
    return NULL;
}

/* {"Version":"2012-10-17","Id":"default","Statement":[...]}: what a first statement brings along.
 */
enum { WRAPPING = 57 };

static str text_of(const struct spans *object, const char *member)
{
    const struct spans *value = spans_get(object, str_of(member));
    return value && value->kind == SPANS_STRING ? value->text : STR_NONE;
}

struct permission permission_from(const struct spans *params)
{
    return (struct permission) {
        .statement_id = text_of(params, "StatementId"),
        .action = text_of(params, "Action"),
        .principal = text_of(params, "Principal"),
        .source_arn = text_of(params, "SourceArn"),
        .source_account = text_of(params, "SourceAccount"),
        .principal_org_id = text_of(params, "PrincipalOrgID"),
        .function_url_auth_type = text_of(params, "FunctionUrlAuthType"),
        .event_source_token = text_of(params, "EventSourceToken"),
        .qualifier = text_of(params, "Qualifier"),
        .revision_id = text_of(params, "RevisionId"),
    };
}

str permission_param(str element)
{
    static const struct {
        str element, param;
    } rows[] = {
        { STR_INIT("Sid"), STR_INIT("StatementId") },
        { STR_INIT("Action"), STR_INIT("Action") },
        { STR_INIT("Principal"), STR_INIT("Principal") },
        { STR_INIT("AWS:SourceArn"), STR_INIT("SourceArn") },
        { STR_INIT("AWS:SourceAccount"), STR_INIT("SourceAccount") },
        { STR_INIT("aws:PrincipalOrgID"), STR_INIT("PrincipalOrgID") },
        { STR_INIT("lambda:EventSourceToken"), STR_INIT("EventSourceToken") },
        { STR_INIT("lambda:FunctionUrlAuthType"), STR_INIT("FunctionUrlAuthType") },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        if (str_eq(rows[i].element, element))
            return rows[i].param;
    }
    return STR_NONE;
}

const struct fault *permission_statement(const struct permission *p,
                                         const struct permission_home *h, struct arena *a,
                                         str *ret_statement)
{
    str param;
    return permission_statement_at(p, h, a, ret_statement, &param);
}

const struct fault *permission_statement_at(const struct permission *p,
                                            const struct permission_home *h, struct arena *a,
                                            str *ret_statement, str *ret_param)
{
    struct arn function;
    TRY(check_shape(p, a, ret_param));
    TRY(check_home(p, h, a, ret_param));
    str resource = h->function_arn;
    if (p->qualifier.len)
        resource = arena_strf(a, STR_FMT ":" STR_FMT, STR_ARG(resource), STR_ARG(p->qualifier));
    AUTO_BUF text = buf_new(STATEMENT_MAX);
    struct json_writer w = json_writer(&text);
    json_open(&w, '{');
    json_add_str(&w, "Sid", p->statement_id);
    json_add_str(&w, "Effect", STR("Allow"));
    put_principal(&w, p, arn_parse(resource, &function) ? function.partition : STR("aws"), a);
    json_add_str(&w, "Action", p->action);
    json_add_str(&w, "Resource", resource);
    put_condition(&w, p);
    json_close(&w, '}');
    str statement = arena_str(a, buf_str(&text));
    if (text.failed || !statement.ptr)
        return &fault_no_memory;
    size_t size = (h->policy_size ? h->policy_size + 1 : WRAPPING) + statement.len;
    if (size > FUNCTION_POLICY_MAX)
        return fault_coded(a, FAULT_LIMIT, "PolicyLengthExceededException",
                           "The final policy size (%zu) is bigger than the limit (%d).", size,
                           FUNCTION_POLICY_MAX);
    *ret_statement = statement;
    return NULL;
}
