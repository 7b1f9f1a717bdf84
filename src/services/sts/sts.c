#include "services/sts/sts.h"

#include "base/base64.h"
#include "base/digest.h"
#include "base/random_id.h"
#include "services/authorize.h"
#include "services/iam/role.h"
#include "services/root_key.h"

enum {
    SESSION_NAME_MOST = 64,
    KEY_ID_LEN = 20,
    SECRET_OCTETS = 30, /* 40 characters */
    CONTEXT_MOST = 5 + SESSION_TAGS_MOST,
};

static bool session_char_ok(char c)
{
    return ascii_is_alpha(c) || ascii_is_digit(c) || (c != '\0' && strchr("=,.@_+-", c));
}

str sts_session_name(struct arena *arena, str wish)
{
    str name = arena_str(arena, str_head(wish, SESSION_NAME_MOST));
    for (size_t i = 0; i < name.len; i++)
        if (!session_char_ok(name.ptr[i]))
            ((char *)name.ptr)[i] = '-'; /* our own copy */
    return name.len > 0 ? name : STR("-");
}

/* ---- may it be assumed? ---- */

static const struct fault *refuse(const struct call *call, const struct fault *because,
                                  const char *why, str role_arn)
{
    struct fault *f = ARENA_NEW(call->arena, struct fault);
    if (!f)
        return &fault_no_memory;
    *f = (struct fault) {
        .kind = FAULT_DENIED,
        .says = arena_strf(call->arena, STR_FMT " %s", STR_ARG(role_arn), why),
        .code = "AccessDenied",
        .because = because,
    };
    return f;
}

struct asking { /* the condition keys of one AssumeRole */
    struct context_key keys[CONTEXT_MOST];
    size_t count;
    str tag_keys[SESSION_TAGS_MOST], transitive[SESSION_TAGS_MOST];
};

static void put_key(struct asking *a, str name, const str *values, size_t count, bool list)
{
    a->keys[a->count++] = (struct context_key) {
        .name = name, .values = values, .count = count, .multivalued = list
    };
}

static bool put_tags(struct asking *a, const struct assume_role *ask, struct arena *arena)
{
    size_t transitive = 0;
    for (size_t i = 0; i < ask->tag_count; i++) {
        const struct session_tag *tag = &ask->tags[i];
        str name = arena_strf(arena, "aws:RequestTag/" STR_FMT, STR_ARG(tag->key));
        if (str_is_none(name))
            return false;
        put_key(a, name, &tag->value, 1, false);
        a->tag_keys[i] = tag->key;
        if (tag->transitive)
            a->transitive[transitive++] = tag->key;
    }
    if (ask->tag_count)
        put_key(a, STR("aws:TagKeys"), a->tag_keys, ask->tag_count, true);
    if (transitive)
        put_key(a, STR("sts:TransitiveTagKeys"), a->transitive, transitive, true);
    return true;
}

static const struct fault *ask_trust(const struct call *call, const struct assume_role *ask,
                                     const struct role *role, const struct arn *arn)
{
    struct asking *a = ARENA_NEW(call->arena, struct asking);
    str name = arena_strf(
        call->arena, "trust policy of role " STR_FMT,
        STR_ARG(role ? role->holder.name : str_from(arn->resource, sizeof("role/") - 1)));
    if (!a || str_is_none(name) || !put_tags(a, ask, call->arena))
        return &fault_no_memory;
    put_key(a, STR("sts:RoleSessionName"), &ask->session_name, 1, false);
    if (!str_is_none(ask->external_id))
        put_key(a, STR("sts:ExternalId"), &ask->external_id, 1, false);
    if (!str_is_none(ask->source_identity))
        put_key(a, STR("sts:SourceIdentity"), &ask->source_identity, 1, false);
    struct ask question = {
        .action = STR("sts:AssumeRole"),
        .resource = ask->role_arn,
        .resource_account = arn->account,
        .resource_policy = role ? role->trust : NULL,
        .resource_kind = EXHIBIT_TRUST,
        .resource_policy_name = name,
        .context = a->keys,
        .context_count = a->count,
    };
    TRY(authorize(call, &question));
    if (ask->tag_count) {
        question.action = STR("sts:TagSession");
        TRY(authorize(call, &question));
    }
    if (str_is_none(ask->source_identity))
        return NULL;
    question.action = STR("sts:SetSourceIdentity");
    return authorize(call, &question);
}

static const struct fault *find_role(const struct call *call, const struct assume_role *ask,
                                     const struct role **ret_role)
{
    const struct caller *caller = call->caller;
    struct arn arn;
    if (!arn_parse(ask->role_arn, &arn) || !str_eq(arn.service, STR("iam")) ||
        !str_starts(arn.resource, STR("role/")))
        return refuse(call, NULL, "is not the ARN of a role", ask->role_arn);
    /* A service acts for an account; it takes no role of another one (ses-receiving spec 13.3). */
    if (caller->kind == CALLER_SERVICE && !str_eq(caller->service.source_account, arn.account))
        return refuse(call, NULL, "is a role of another account than the rule's", ask->role_arn);

    const struct role *role = role_find_arn(call->world, ask->role_arn);
    const struct fault *denied = ask_trust(call, ask, role, &arn);
    if (!role) /* even for a root user, whom nothing else would stop */
        return refuse(call, denied, "does not exist", ask->role_arn);
    *ret_role = role;
    return denied;
}

/* ---- the session ---- */

/* What came along a chain of roles stays as it is: User Guide, "Chaining roles with session tags",
 * and API AssumeRole, SourceIdentity. */
static const struct fault *check_inherited(const struct call *call, const struct assume_role *ask)
{
    const struct session *from = call->caller->session;
    if (!from)
        return NULL;
    if (!str_is_none(from->source_identity) && !str_is_none(ask->source_identity) &&
        !str_eq(from->source_identity, ask->source_identity))
        return fault_coded(call->arena, FAULT_DENIED, "AccessDenied",
                           "The source identity of a session cannot be changed.");
    for (size_t i = 0; i < from->tag_count; i++)
        for (size_t k = 0; from->tags[i].transitive && k < ask->tag_count; k++)
            if (str_eq_nocase(from->tags[i].key, ask->tags[k].key))
                return fault_coded(call->arena, FAULT_SYNTAX, "InvalidParameterValue",
                                   "One of the specified transitive tag keys can't be set because "
                                   "it conflicts with a transitive tag key from the calling "
                                   "session.");
    return NULL;
}

/* The session's own tags, and those that came along. */
static bool inherit_tags(const struct call *call, struct session *session)
{
    const struct session *from = call->caller->session;
    if (!from)
        return true;
    struct session_tag *tags = ARENA_ARRAY(call->arena, struct session_tag, SESSION_TAGS_MOST);
    size_t own = session->tag_count, count = own;
    if (!tags)
        return false;
    for (size_t i = 0; i < own; i++)
        tags[i] = session->tags[i];
    for (size_t i = 0; i < from->tag_count && count < SESSION_TAGS_MOST; i++)
        if (from->tags[i].transitive)
            tags[count++] = from->tags[i];
    session->tags = tags;
    session->tag_count = count;
    if (str_is_none(session->source_identity))
        session->source_identity = from->source_identity;
    return true;
}

static const struct fault *read_policy(const struct call *call, struct session *session)
{
    if (str_is_none(session->policy))
        return NULL;
    struct document *document = ARENA_NEW(call->arena, struct document);
    session->document = document;
    return document ? policy_parse(session->policy, call->arena, document) : &fault_no_memory;
}

/* The caller that a session is. False: the arena is full. */
static bool session_caller(const struct session *session, struct arena *arena,
                           struct caller *ret_caller)
{
    struct arn arn;
    if (!arn_parse(session->principal_arn, &arn))
        return false;
    struct caller made = { .account = arn.account, .session = session };
    if (session->kind == SESSION_USER) {
        made.kind = CALLER_USER;
        made.user.arn = arn;
        made.user_id = session->principal_id;
        *ret_caller = made;
        return true;
    }
    size_t at = arn.resource.len;
    while (at > 0 && arn.resource.ptr[at - 1] != '/')
        at--;
    str role_name = str_from(arn.resource, at);
    str text = arena_strf(
        arena, "arn:" STR_FMT ":sts::" STR_FMT ":assumed-role/" STR_FMT "/" STR_FMT,
        STR_ARG(arn.partition), STR_ARG(arn.account), STR_ARG(role_name), STR_ARG(session->name));
    made.kind = CALLER_ASSUMED_ROLE;
    made.assumed_role.role = arn;
    made.user_id = arena_strf(arena, STR_FMT ":" STR_FMT, STR_ARG(session->principal_id),
                              STR_ARG(session->name));
    if (str_is_none(text) || str_is_none(made.user_id) ||
        !arn_parse(text, &made.assumed_role.session))
        return false;
    *ret_caller = made;
    return true;
}

const struct fault *sts_assume_role(const struct call *call, const struct assume_role *ask,
                                    struct caller *ret_session)
{
    const struct role *role = NULL;
    TRY(check_inherited(call, ask));
    TRY(find_role(call, ask, &role));
    struct session *session = ARENA_NEW(call->arena, struct session);
    if (!session)
        return &fault_no_memory;
    *session = (struct session) {
        .kind = SESSION_ROLE,
        .issued_ms = call->now_ms,
        .principal_arn = arena_str(call->arena, role->holder.arn.text),
        .principal_id = arena_str(call->arena, role->holder.id),
        .name = sts_session_name(call->arena, ask->session_name),
        .source_identity = ask->source_identity,
        .policy = ask->policy,
        .policy_arns = ask->policy_arns,
        .policy_arn_count = ask->policy_arn_count,
        .tags = ask->tags,
        .tag_count = ask->tag_count,
    };
    TRY(read_policy(call, session));
    struct caller made;
    if (!inherit_tags(call, session) || !session_caller(session, call->arena, &made))
        return &fault_no_memory;
    made.secure_transport = call->caller->secure_transport;
    made.source_ip = call->caller->source_ip;
    *ret_session = made;
    return NULL;
}

static const struct fault *assume_role(struct sts_port *port, const struct call *call, str role_arn,
                                       str session_name, struct caller *ret_session)
{
    (void)port;
    return sts_assume_role(
        call, &(struct assume_role) { .role_arn = role_arn, .session_name = session_name },
        ret_session);
}

/* ---- credentials ---- */

static str secret_of(const struct sts_service *sts, str access_key_id, struct arena *arena)
{
    unsigned char mac[SHA256_SIZE];
    char text[BASE64_LEN(SECRET_OCTETS)];
    hmac_sha256((str) { (const char *)sts->secret_key, sizeof sts->secret_key }, access_key_id,
                mac);
    size_t len = base64_encode_to(text, (str) { (const char *)mac, SECRET_OCTETS });
    str secret = arena_str(arena, (str) { text, len });
    bytes_forget(mac, sizeof mac);
    bytes_forget(text, sizeof text);
    return secret;
}

static const struct fault *issue(struct sts_port *port, const struct call *call,
                                 const struct caller *session, int64_t expires_ms,
                                 struct credentials *ret_credentials)
{
    struct sts_service *sts = (struct sts_service *)port;
    char id[KEY_ID_LEN + 1] = "ASIA";
    if (!session->session)
        return fault(call->arena, FAULT_DEFECT, NULL, "credentials are issued for sessions alone");
    random_upper_token(sts->outside->entropy, id + 4, KEY_ID_LEN - 4);
    struct session sealed = *session->session;
    sealed.issued_ms = call->now_ms;
    sealed.expires_ms = expires_ms;
    struct credentials made = { .access_key_id = arena_str(call->arena, (str) { id, KEY_ID_LEN }),
                                .secret_access_key =
                                    secret_of(sts, (str) { id, KEY_ID_LEN }, call->arena),
                                .session_token =
                                    session_seal(&sealed, sts->token_key, (str) { id, KEY_ID_LEN },
                                                 sts->outside->entropy, call->arena),
                                .expires_ms = expires_ms };
    if (str_is_none(made.session_token))
        return fault_coded(call->arena, FAULT_LIMIT, "PackedPolicyTooLarge",
                           "The session is larger than a token may be");
    if (str_is_none(made.access_key_id) || str_is_none(made.secret_access_key))
        return &fault_no_memory;
    *ret_credentials = made;
    return NULL;
}

enum token_verdict sts_token_read(const struct sts_service *sts, str access_key_id, str token,
                                  int64_t now_ms, struct arena *arena, struct caller *ret_caller,
                                  str *ret_secret)
{
    struct session *session = ARENA_NEW(arena, struct session);
    struct caller caller;
    if (!session || !session_open(token, sts->token_key, access_key_id, arena, session) ||
        !session_caller(session, arena, &caller))
        return TOKEN_DAMAGED;
    if (session->expires_ms <= now_ms)
        return TOKEN_EXPIRED;
    str secret = secret_of(sts, access_key_id, arena);
    if (str_is_none(secret))
        return TOKEN_DAMAGED;
    *ret_caller = caller;
    *ret_secret = secret;
    return TOKEN_GOOD;
}

static void forget(void *service)
{
    struct sts_service *sts = service;
    bytes_forget(sts->token_key, sizeof sts->token_key);
    bytes_forget(sts->secret_key, sizeof sts->secret_key);
}

struct sts_service *sts_embedded_open(const struct root_key *root_key, struct outside *outside,
                                      struct arena *arena)
{
    struct sts_service *sts = ARENA_NEW(arena, struct sts_service);
    if (!sts || !arena_on_reset(arena, forget, sts))
        return NULL;
    sts->port = (struct sts_port) { .assume_role = assume_role, .issue = issue };
    sts->outside = outside;
    root_key_derive(root_key, STR("sts 1"), sts->token_key);
    root_key_derive(root_key, STR("sts secret 1"), sts->secret_key);
    return sts;
}
