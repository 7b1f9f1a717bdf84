/* Clauses first, documents last: every action of the rule adds what it needs as clauses; those of
 * one target become the statements of one document. */
#include "services/ses/grants.h"

#include "aws/arn.h"
#include "base/json.h"

enum { CLAUSES_MAX = 128, RESOURCES_MAX = 16, DOCUMENT_MAX = 256 * 1024 };

static const str kind_names[GRANT_KINDS] = {
    [GRANT_TRUST] = STR_INIT("trust"),         [GRANT_ROLE] = STR_INIT("role"),
    [GRANT_BUCKET] = STR_INIT("bucket"),       [GRANT_KEY] = STR_INIT("key"),
    [GRANT_SSE_KEY] = STR_INIT("sse-key"),     [GRANT_TOPIC] = STR_INIT("topic"),
    [GRANT_TOPIC_KEY] = STR_INIT("topic-key"), [GRANT_FUNCTION] = STR_INIT("function"),
};

str grant_kind_name(enum grant_kind kind) { return kind_names[kind]; }

bool grant_kind_named(str name, enum grant_kind *ret_kind)
{
    for (size_t i = 0; i < GRANT_KINDS; i++) {
        if (str_eq(name, kind_names[i])) {
            *ret_kind = (enum grant_kind)i;
            return true;
        }
    }
    return false;
}

/* What the page lets SES, or its role, do. */
enum deed {
    DEED_ASSUME,
    DEED_PUT,
    DEED_PUBLISH,
    DEED_ENCRYPT_MAIL,
    DEED_ENCRYPT_OBJECT,
    DEED_ENCRYPT_NOTICE,
    DEED_INVOKE,
    DEED_CONTACT,
};
/* clang-format off */
static const struct {
    str actions[2];
    str action_identity; /* where the page spells it another way in a role's own policy */
    str sid_service, sid_role, sid_identity; /* in a policy that names SES, that names a role, of a role */
} deeds[] = {
    [DEED_ASSUME]         = { { STR_INIT("sts:AssumeRole") }, { NULL, 0 },
                              STR_INIT("AllowSESAssume"), { NULL, 0 }, { NULL, 0 } },
    [DEED_PUT]            = { { STR_INIT("s3:PutObject") }, { NULL, 0 },
                              STR_INIT("AllowSESPuts"), STR_INIT("AllowRolePuts"), STR_INIT("S3Access") },
    [DEED_PUBLISH]        = { { STR_INIT("SNS:Publish") }, STR_INIT("sns:Publish"),
                              STR_INIT("AllowSESPublish"), STR_INIT("AllowRolePublish"), STR_INIT("SNSAccess") },
    [DEED_ENCRYPT_MAIL]   = { { STR_INIT("kms:GenerateDataKey*") }, { NULL, 0 },
                              STR_INIT("AllowSESToEncryptMessagesBelongingToThisAccount"),
                              STR_INIT("AllowRoleToEncryptMessages"), STR_INIT("KMSAccess") },
    [DEED_ENCRYPT_OBJECT] = { { STR_INIT("kms:Decrypt"), STR_INIT("kms:GenerateDataKey*") }, { NULL, 0 },
                              STR_INIT("AllowSESToEncryptMessagesBelongingToThisAccount"),
                              STR_INIT("AllowRoleToEncryptObjects"), STR_INIT("BucketKMSAccess") },
    [DEED_ENCRYPT_NOTICE] = { { STR_INIT("kms:GenerateDataKey"), STR_INIT("kms:Decrypt") }, { NULL, 0 },
                              STR_INIT("AllowSESToUseKMSKey"),
                              STR_INIT("AllowRoleToUseKMSKey"), STR_INIT("TopicKMSAccess") },
    [DEED_INVOKE]         = { { STR_INIT("lambda:InvokeFunction") }, { NULL, 0 },
                              STR_INIT("GiveSESPermissionToInvokeFunction"), { NULL, 0 }, { NULL, 0 } },
    [DEED_CONTACT]        = { { STR_INIT("connect:StartEmailContact") }, { NULL, 0 },
                              { NULL, 0 }, { NULL, 0 }, STR_INIT("ConnectAccess") },
};
/* clang-format on */

struct clause {
    enum grant_kind kind;
    enum deed deed;
    str target;
    str role; /* who is named as principal; STR_NONE: SES, or in a role's own policy nobody */
    str resources[RESOURCES_MAX];
    size_t resource_count;
};

struct drafting {
    const struct grants_question *q;
    struct arena *arena;
    str source_arn;
    struct clause clauses[CLAUSES_MAX];
    size_t count;
    bool full;
};

static void add(struct drafting *d, enum grant_kind kind, str target, enum deed deed, str role,
                str resource)
{
    struct clause *c = d->clauses, *end = d->clauses + d->count;
    while (c < end && !(c->kind == kind && c->deed == deed && str_eq(c->target, target) &&
                        str_eq(c->role, role)))
        c++;
    if (c == end) {
        if (d->count == CLAUSES_MAX) {
            d->full = true;
            return;
        }
        *c = (struct clause) { .kind = kind, .deed = deed, .target = target, .role = role };
        d->count++;
    }
    for (size_t i = 0; i < c->resource_count; i++) {
        if (str_eq(c->resources[i], resource))
            return;
    }
    if (c->resource_count == RESOURCES_MAX) {
        d->full = true;
        return;
    }
    c->resources[c->resource_count++] = resource;
}

static str account_of(str arn_text)
{
    struct arn arn;
    return arn_parse(arn_text, &arn) ? arn.account : STR_NONE;
}

/* ---- what each action needs ---- */

static str asked(const struct drafting *d, str told, str (*ask)(void *context, str of), str of)
{
    return told.len || !ask ? told : ask(d->q->context, of);
}

/* The managed keys alias/aws/ses and alias/aws/sns have fixed policies: nothing can be written
 * there. */
static bool is_managed_key(str key_arn)
{
    struct arn arn;
    return arn_parse(key_arn, &arn) && str_starts(arn.resource, STR("alias/aws/"));
}

static void need_key(struct drafting *d, enum grant_kind kind, str key, enum deed deed, str role)
{
    const str named = key.len ? asked(d, STR_NONE, d->q->key_named, key) : STR_NONE;
    if (!key.len)
        return;
    if (is_managed_key(key)) {
        if (role.len && named.len) /* its policy leaves a role to the role's own */
            add(d, GRANT_ROLE, role, deed, STR_NONE, named);
        return;
    }
    if (named.len)
        key = named;
    if (!role.len) {
        add(d, kind, key, deed, STR_NONE, STR("*"));
        return;
    }
    add(d, GRANT_ROLE, role, deed, STR_NONE, key);
    /* in its own account the key's default policy leaves it to the role's */
    if (!str_eq(account_of(key), account_of(role)))
        add(d, kind, key, deed, role, STR("*"));
}

static void need_topic(struct drafting *d, str topic, str role)
{
    if (!topic.len)
        return;
    need_key(d, GRANT_TOPIC_KEY, asked(d, d->q->topic_key, d->q->topic_encrypts_with, topic),
             DEED_ENCRYPT_NOTICE, role);
    if (!role.len) {
        /* a topic's default policy admits whoever acts for its own account */
        if (str_eq(d->q->only, kind_names[GRANT_TOPIC]) || !str_eq(account_of(topic), d->q->account))
            add(d, GRANT_TOPIC, topic, DEED_PUBLISH, STR_NONE, topic);
        return;
    }
    add(d, GRANT_ROLE, role, DEED_PUBLISH, STR_NONE, topic);
    if (!str_eq(account_of(topic), account_of(role)))
        add(d, GRANT_TOPIC, topic, DEED_PUBLISH, role, topic);
}

static void need_s3(struct drafting *d, const struct action *action)
{
    const str bucket = action->s3.bucket_name, role = action->s3.iam_role_arn;
    const str objects = rule_objects_arn(d->arena, bucket, action->s3.object_key_prefix);
    str owner = d->q->bucket_owner ? d->q->bucket_owner(d->q->context, bucket) : STR_NONE;
    if (!owner.len)
        owner = d->q->account;
    if (role.len) {
        add(d, GRANT_TRUST, role, DEED_ASSUME, STR_NONE, STR_NONE);
        add(d, GRANT_ROLE, role, DEED_PUT, STR_NONE, objects);
    }
    if (!role.len || !str_eq(owner, account_of(role)))
        add(d, GRANT_BUCKET, bucket, DEED_PUT, role, objects);
    need_key(d, GRANT_KEY, action->s3.kms_key_arn, DEED_ENCRYPT_MAIL, role);
    need_key(d, GRANT_SSE_KEY, asked(d, d->q->bucket_key, d->q->bucket_encrypts_with, bucket),
             DEED_ENCRYPT_OBJECT, role);
    need_topic(d, action->topic_arn, role);
}

static void need(struct drafting *d, const struct action *action)
{
    switch (action->kind) {
    case ACTION_S3:
        need_s3(d, action);
        return;
    case ACTION_LAMBDA:
        add(d, GRANT_FUNCTION, action->lambda.function_arn, DEED_INVOKE, STR_NONE, STR_NONE);
        need_topic(d, action->topic_arn, STR_NONE);
        return;
    case ACTION_CONNECT:
        add(d, GRANT_TRUST, action->connect.iam_role_arn, DEED_ASSUME, STR_NONE, STR_NONE);
        add(d, GRANT_ROLE, action->connect.iam_role_arn, DEED_CONTACT, STR_NONE,
            action->connect.instance_arn);
        return;
    case ACTION_SNS:
    case ACTION_BOUNCE:
    case ACTION_STOP:
    case ACTION_WORKMAIL:
        need_topic(d, action->topic_arn, STR_NONE);
        return;
    case ACTION_ADD_HEADER:
        return;
    }
}

/* ---- documents ---- */

static bool is_key(enum grant_kind kind)
{
    return kind == GRANT_KEY || kind == GRANT_SSE_KEY || kind == GRANT_TOPIC_KEY;
}

static bool same_document(const struct clause *a, const struct clause *b)
{
    return str_eq(a->target, b->target) &&
           (a->kind == b->kind || (is_key(a->kind) && is_key(b->kind)));
}

/* Decrypt and GenerateDataKey* hold all that the other two ends of a key ask for. */
static bool is_covered(const struct drafting *d, const struct clause *c)
{
    if (!is_key(c->kind) || c->deed == DEED_ENCRYPT_OBJECT)
        return false;
    for (size_t i = 0; i < d->count; i++) {
        const struct clause *other = &d->clauses[i];
        if (other->deed == DEED_ENCRYPT_OBJECT && same_document(other, c) &&
            str_eq(other->role, c->role))
            return true;
    }
    return false;
}

static void put_strings(struct json_writer *w, const char *member, const str *values, size_t count)
{
    if (count == 1) {
        json_add_str(w, member, values[0]);
        return;
    }
    json_name(w, str_of(member));
    json_open(w, '[');
    for (size_t i = 0; i < count; i++)
        json_put_str(w, values[i]);
    json_close(w, ']');
}

static void put_principal(struct json_writer *w, const char *type, str name)
{
    json_name(w, STR("Principal"));
    json_open(w, '{');
    json_add_str(w, type, name);
    json_close(w, '}');
}

static void put_source_condition(const struct drafting *d, struct json_writer *w)
{
    json_name(w, STR("Condition"));
    json_open(w, '{');
    json_name(w, STR("StringEquals"));
    json_open(w, '{');
    json_add_str(w, "AWS:SourceAccount", d->q->account);
    json_add_str(w, "AWS:SourceArn", d->source_arn);
    json_close(w, '}');
    json_close(w, '}');
}

/* Sids are unique in a document: a second role's statement is numbered. */
static str sid_of(const struct drafting *d, const struct clause *c)
{
    const str sid = c->kind == GRANT_ROLE ? deeds[c->deed].sid_identity
                    : c->role.len         ? deeds[c->deed].sid_role
                                          : deeds[c->deed].sid_service;
    unsigned before = 0;
    for (const struct clause *other = d->clauses; other < c; other++)
        before += same_document(other, c) && other->deed == c->deed && c->role.len && other->role.len;
    return before ? arena_strf(d->arena, STR_FMT "%u", STR_ARG(sid), before + 1) : sid;
}

static void put_statement(const struct drafting *d, struct json_writer *w, const struct clause *c)
{
    const str *actions = deeds[c->deed].actions;
    if (c->kind == GRANT_ROLE && deeds[c->deed].action_identity.len)
        actions = &deeds[c->deed].action_identity;
    const size_t action_count = actions == deeds[c->deed].actions && actions[1].len ? 2 : 1;
    json_open(w, '{');
    json_add_str(w, "Sid", sid_of(d, c));
    json_add_str(w, "Effect", STR("Allow"));
    if (c->role.len)
        put_principal(w, "AWS", c->role);
    else if (c->kind != GRANT_ROLE)
        put_principal(w, "Service", STR("ses.amazonaws.com"));
    put_strings(w, "Action", actions, action_count);
    if (c->kind != GRANT_TRUST)
        put_strings(w, "Resource", c->resources, c->resource_count);
    if (!c->role.len && c->kind != GRANT_ROLE)
        put_source_condition(d, w);
    json_close(w, '}');
}

/* KMS refuses a policy after which nobody could change it: the first statement of every default key
 * policy. */
static void put_key_owner(const struct drafting *d, struct json_writer *w, str key)
{
    str account = account_of(key);
    struct arn arn;
    str partition = arn_parse(key, &arn) ? arn.partition : STR("aws");
    json_open(w, '{');
    json_add_str(w, "Sid", STR("Enable IAM User Permissions"));
    json_add_str(w, "Effect", STR("Allow"));
    put_principal(w, "AWS",
                  arena_strf(d->arena, "arn:" STR_FMT ":iam::" STR_FMT ":root", STR_ARG(partition),
                             STR_ARG(account)));
    json_add_str(w, "Action", STR("kms:*"));
    json_add_str(w, "Resource", STR("*"));
    json_close(w, '}');
}

static void put_document(const struct drafting *d, struct json_writer *w, const struct clause *first)
{
    json_open(w, '{');
    json_add_str(w, "Version", STR("2012-10-17"));
    json_name(w, STR("Statement"));
    json_open(w, '[');
    if (is_key(first->kind))
        put_key_owner(d, w, first->target);
    for (const struct clause *c = d->clauses; c < d->clauses + d->count; c++) {
        if (same_document(first, c) && !is_covered(d, c))
            put_statement(d, w, c);
    }
    json_close(w, ']');
    json_close(w, '}');
}

/* arn:aws:lambda:R:A:function:NAME, and a version's number or an alias behind one more colon. */
static void put_permission(const struct drafting *d, struct json_writer *w, str function)
{
    struct arn arn;
    str kind, name, qualifier = STR_NONE, whole = function;
    if (arn_parse(function, &arn) && str_cut(arn.resource, ':', &kind, &name) &&
        str_cut(name, ':', &name, &qualifier))
        whole = str_head(function, function.len - qualifier.len - 1);
    json_open(w, '{');
    json_add_str(w, "FunctionName", whole);
    if (qualifier.len)
        json_add_str(w, "Qualifier", qualifier);
    json_add_str(w, "StatementId", deeds[DEED_INVOKE].sid_service);
    json_add_str(w, "Action", deeds[DEED_INVOKE].actions[0]);
    json_add_str(w, "Principal", STR("ses.amazonaws.com"));
    json_add_str(w, "SourceAccount", d->q->account);
    json_add_str(w, "SourceArn", d->source_arn);
    json_close(w, '}');
}

static const struct fault *render(const struct drafting *d, const struct clause *first,
                                  struct grant *ret_grant)
{
    AUTO_BUF text = buf_new(DOCUMENT_MAX);
    struct json_writer w = json_writer(&text);
    if (first->kind == GRANT_FUNCTION)
        put_permission(d, &w, first->target);
    else
        put_document(d, &w, first);
    struct grant grant = { .kind = first->kind,
                           .target = first->target,
                           .document = arena_str(d->arena, buf_str(&text)) };
    for (const struct clause *c = d->clauses; c < d->clauses + d->count; c++) {
        if (same_document(first, c))
            grant.kinds |= 1u << c->kind;
    }
    if (text.failed || !grant.document.ptr)
        return &fault_no_memory;
    *ret_grant = grant;
    return NULL;
}

static bool is_wanted(const struct drafting *d, const struct clause *c)
{
    enum grant_kind only;
    if (!grant_kind_named(d->q->only, &only))
        return true;
    for (const struct clause *other = d->clauses; other < d->clauses + d->count; other++) {
        if (other->kind == only && same_document(other, c))
            return true;
    }
    return false;
}

static bool is_rendered(const struct grant *grants, size_t count, const struct clause *c)
{
    for (size_t i = 0; i < count; i++) {
        if (grants[i].kinds & 1u << c->kind && str_eq(grants[i].target, c->target))
            return true;
    }
    return false;
}

const struct fault *grants_of(const struct grants_question *q, struct arena *a,
                              const struct grant **ret_grants, size_t *ret_count)
{
    struct drafting *d = ARENA_NEW(a, struct drafting);
    struct grant *grants = ARENA_ARRAY(a, struct grant, CLAUSES_MAX);
    if (!d || !grants)
        return &fault_no_memory;
    d->q = q;
    d->arena = a;
    d->source_arn = receipt_rule_arn(a, q->region, q->account, q->rule_set, q->rule->name);
    for (size_t i = 0; i < q->rule->action_count; i++)
        need(d, &q->rule->actions[i]);
    if (d->full || !d->source_arn.ptr)
        return &fault_no_memory;
    size_t count = 0;
    for (enum grant_kind kind = 0; kind < GRANT_KINDS; kind++) {
        for (size_t i = 0; i < d->count; i++) {
            const struct clause *c = &d->clauses[i];
            if (c->kind == kind && is_wanted(d, c) && !is_rendered(grants, count, c))
                TRY(render(d, c, &grants[count++]));
        }
    }
    *ret_grants = grants;
    *ret_count = count;
    return NULL;
}

const struct fault *grants_write(const struct grants_question *q, struct arena *a, struct buf *out)
{
    const struct grant *grants;
    size_t count;
    TRY(grants_of(q, a, &grants, &count));
    struct json_writer w = json_writer(out);
    json_open(&w, '[');
    for (size_t i = 0; i < count; i++) {
        json_open(&w, '{');
        json_add_str(&w, "kind", grant_kind_name(grants[i].kind));
        json_name(&w, STR("kinds"));
        json_open(&w, '[');
        for (enum grant_kind kind = 0; kind < GRANT_KINDS; kind++) {
            if (grants[i].kinds & 1u << kind)
                json_put_str(&w, grant_kind_name(kind));
        }
        json_close(&w, ']');
        json_add_str(&w, "target", grants[i].target);
        json_add_raw(&w, "document", grants[i].document);
        json_close(&w, '}');
    }
    json_close(&w, ']');
    return out->failed ? &fault_no_memory : NULL;
}

str rule_objects_arn(struct arena *a, str bucket, str prefix)
{
    AUTO_BUF key = buf_new(DOCUMENT_MAX);
    for (size_t i = 0; i < prefix.len; i++) {
        char c = prefix.ptr[i];
        if (c == '*' || c == '?' || (c == '$' && i + 1 < prefix.len && prefix.ptr[i + 1] == '{'))
            buf_addf(&key, "${%c}", c);
        else
            buf_addc(&key, c);
    }
    if (prefix.len && !str_ends(prefix, STR("/")))
        buf_addc(&key, '/');
    buf_addc(&key, '*');
    return key.failed ? STR_NONE : object_arn(a, bucket, buf_str(&key));
}
