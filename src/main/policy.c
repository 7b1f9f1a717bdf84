/* main/policy.c - `sesame policy`: the policies of the SES page, filled in for one rule. */
#include "aws/arn.h"
#include "base/json.h"
#include "main/ask.h"
#include "main/commands.h"
#include "services/ses/grants.h"

#include <stdio.h>

extern char **environ;

enum { TEXT_MAX = 16 << 20 };

/* ---- a rule told by flags: no server is asked ---- */

static bool told_by_flags(const struct config *c)
{
    return c->bucket.len || c->role.len || c->key.len || c->topic.len || c->function.len;
}

static str owner_told(void *context, str bucket)
{
    const struct config *c = context;
    (void)bucket;
    return c->bucket_owner;
}

static const struct fault *check_flags(const struct config *c, struct arena *a)
{
    /* what a trust or key policy says does not depend on the bucket */
    const bool needs_bucket = !str_eq(c->kind, STR("trust")) && !str_eq(c->kind, STR("key"));
    if (!c->bucket.len && (c->role.len || c->key.len) && needs_bucket)
        return fault(a, FAULT_SYNTAX, NULL,
                     "--role and --key belong to an S3 action: --bucket NAME is missing");
    struct arn arn;
    const struct {
        const char *flag;
        str value;
    } arns[] = {
        { "bucket-key", c->bucket_key }, { "role", c->role },           { "key", c->key },
        { "topic", c->topic },           { "topic-key", c->topic_key }, { "function", c->function }
    };
    for (size_t i = 0; i < sizeof arns / sizeof arns[0]; i++) {
        if (arns[i].value.len && !arn_parse(arns[i].value, &arn))
            return fault(a, FAULT_SYNTAX, NULL, "--%s wants an ARN, not \"" STR_FMT "\"",
                         arns[i].flag, STR_ARG(arns[i].value));
    }
    return NULL;
}

static const struct fault *write_told(const struct config *c, str rule_set, str rule_name,
                                      struct arena *a, struct buf *out)
{
    TRY(check_flags(c, a));
    struct action actions[2];
    size_t count = 0;
    if (c->bucket.len || c->role.len || c->key.len)
        actions[count++] = (struct action) { .kind = ACTION_S3,
                                             .topic_arn = c->topic,
                                             .s3 = { .bucket_name = c->bucket,
                                                     .object_key_prefix = c->prefix,
                                                     .kms_key_arn = c->key,
                                                     .iam_role_arn = c->role } };
    else if (c->topic.len && !c->function.len)
        actions[count++] = (struct action) { .kind = ACTION_SNS, .topic_arn = c->topic };
    if (c->function.len)
        actions[count++] = (struct action) { .kind = ACTION_LAMBDA,
                                             .topic_arn = c->bucket.len ? STR_NONE : c->topic,
                                             .lambda = { .function_arn = c->function } };
    const struct receipt_rule rule = { .name = rule_name,
                                       .actions = actions,
                                       .action_count = count };
    const struct grants_question q = { .account = c->account,
                                       .region = c->region,
                                       .rule_set = rule_set,
                                       .rule = &rule,
                                       .bucket_owner = owner_told,
                                       .context = (void *)c,
                                       .bucket_key = c->bucket_key,
                                       .topic_key = c->topic_key,
                                       .only = c->kind };
    return grants_write(&q, a, out);
}

/* ---- a rule of a server ---- */

static const struct fault *write_asked(const struct config *c, str rule_set, str rule,
                                       struct arena *a, struct buf *out)
{
    AUTO_BUF path = buf_new(64 << 10);
    buf_add(&path, STR("policies"));
    ask_add_parameter(&path, "ruleSet", rule_set);
    ask_add_parameter(&path, "rule", rule);
    ask_add_parameter(&path, "account", c->account);
    ask_add_parameter(&path, "region", c->region);
    ask_add_parameter(&path, "bucketKey", c->bucket_key);
    ask_add_parameter(&path, "topicKey", c->topic_key);
    ask_add_parameter(&path, "kind", c->kind);
    struct http_reply reply;
    const struct fault *f = ask_server(c, "GET", buf_str(&path), clock_real(), a, &reply);
    if (f)
        return fault(a, f->kind, f,
                     "tell the rule by --bucket, --topic or --function, or name a server");
    TRY(ask_check(&reply, a));
    buf_add(out, reply.body);
    return NULL;
}

/* ---- printing ---- */

static const char *belongs_on(str kind)
{
    static const struct {
        const char *kind, *says;
    } rows[] = {
        { "trust", "trust policy of" },
        { "role", "inline policy of" },
        { "bucket", "bucket policy of" },
        { "key", "key policy of" },
        { "sse-key", "key policy of" },
        { "topic", "topic policy of" },
        { "topic-key", "key policy of" },
        { "function", "aws lambda add-permission --cli-input-json, for" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (str_eq(kind, str_of(rows[i].kind)))
            return rows[i].says;
    }
    return "policy of";
}

/* Standard output is a stream of JSON documents; what each is for goes to standard error. */
static const struct fault *print(str grants, struct arena *a)
{
    const struct json *list;
    TRY(json_parse(grants, a, &list));
    if (!json_size(list))
        fputs("nothing is needed: what the rule does is allowed already\n", stderr);
    for (size_t i = 0; i < json_size(list); i++) {
        const struct json *grant = json_at(list, i);
        AUTO_BUF compact = buf_new(TEXT_MAX);
        AUTO_BUF text = buf_new(TEXT_MAX);
        struct json_writer w = json_writer(&compact);
        json_put_value(&w, json_get(grant, "document"));
        json_indent(buf_str(&compact), &text);
        if (compact.failed || text.failed)
            return &fault_no_memory;
        fprintf(stderr, "%s%s " STR_FMT ":\n", i ? "\n" : "", belongs_on(json_str(grant, "kind")),
                STR_ARG(json_str(grant, "target")));
        fflush(stderr);
        printf(STR_FMT "\n", STR_ARG(buf_str(&text)));
        fflush(stdout);
    }
    return NULL;
}

static const struct fault *policy(const struct config *c, struct arena *a, struct buf *out)
{
    str rule_set, rule;
    if (!c->rule.ptr)
        return fault(a, FAULT_SYNTAX, NULL, "--rule SET/RULE is missing");
    if (!str_cut(c->rule, '/', &rule_set, &rule) || !rule_set.len || !rule.len)
        return fault(a, FAULT_SYNTAX, NULL, "--rule wants SET/RULE, not \"" STR_FMT "\"",
                     STR_ARG(c->rule));
    if (told_by_flags(c))
        TRY(write_told(c, rule_set, rule, a, out));
    else
        TRY(write_asked(c, rule_set, rule, a, out));
    if (!c->json)
        return print(buf_str(out), a);
    printf(STR_FMT "\n", STR_ARG(buf_str(out)));
    return NULL;
}

int command_policy(int argc, char *const *argv)
{
    AUTO_ARENA *a = arena_new(128 << 20);
    AUTO_BUF out = buf_new(TEXT_MAX);
    struct config config;
    const struct fault *f =
        a ? config_read(FOR_POLICY, argc, argv, environ, a, &config) : &fault_no_memory;
    if (!f && config.operand_count)
        config.kind = config.operands[0];
    enum grant_kind known;
    if (!f && config.kind.len && !grant_kind_named(config.kind, &known))
        f = fault(a, FAULT_SYNTAX, NULL,
                  "there is no kind of policy named \"" STR_FMT
                  "\"; there are: trust, role, bucket, "
                  "key, sse-key, topic, topic-key, function",
                  STR_ARG(config.kind));
    if (!f)
        f = policy(&config, a, &out);
    if (f)
        return command_failed(f, a);
    return fflush(stdout) == 0 ? 0 : 1;
}
