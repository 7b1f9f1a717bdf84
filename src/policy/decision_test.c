/* The policies of the SES page decide: each works, each with one fault is denied, and the
 * explanation blames exactly that. */
#include "base/json.h"
#include "policy/decision.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define RULE "arn:aws:ses:us-east-1:111122223333:receipt-rule-set/main:receipt-rule/orders"
#define CONDITION                                                                                  \
    "\"Condition\":{\"StringEquals\":{\"AWS:SourceAccount\":\"111122223333\",\"AWS:SourceArn\":"   \
    "\"" RULE "\"}}"

static const char bucket_policy[] =
    "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Sid\":\"AllowSESPuts\",\"Effect\":\"Allow\","
    "\"Principal\":{\"Service\":\"ses.amazonaws.com\"},\"Action\":\"s3:PutObject\","
    "\"Resource\":\"arn:aws:s3:::invoices/*\"," CONDITION "}]}";
static const char trust_policy[] =
    "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Sid\":\"AllowSESAssume\",\"Effect\":\"Allow\","
    "\"Principal\":{\"Service\":\"ses.amazonaws.com\"},\"Action\":\"sts:AssumeRole\"," CONDITION
    "}]}";
static const char role_policy[] =
    "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Sid\":\"S3Access\",\"Effect\":\"Allow\","
    "\"Action\":\"s3:PutObject\",\"Resource\":\"arn:aws:s3:::invoices/*\"}]}";

struct scene { /* a question; what is not said is as the page has it */
    const char *says;
    enum exhibit_kind kind;    /* RESOURCE: SES puts; TRUST: SES assumes; IDENTITY: the role puts */
    const char *from, *to;     /* the edit of the policy that makes the fault */
    const char *arn, *account; /* the rule that asks, when it is another; "" : no such key */
    const char *element, *key, *wanted, *got; /* the blame; element NULL: allowed */
};

#define PUT    .kind = EXHIBIT_RESOURCE
#define ASSUME .kind = EXHIBIT_TRUST
#define ROLE   .kind = EXHIBIT_IDENTITY
static const struct scene scenes[] = {
    { "the bucket policy of the page", PUT },
    { "the trust policy of the page", ASSUME },
    { "the role policy of the page", ROLE },
    { "another account in the policy", PUT, .from = "SourceAccount\":\"111122223333",
      .to = "SourceAccount\":\"999988887777", .element = "Condition", .key = "AWS:SourceAccount",
      .wanted = "999988887777", .got = "111122223333" },
    { "another rule set", PUT, .from = "rule-set/main", .to = "rule-set/old",
      .element = "Condition", .key = "AWS:SourceArn", .got = RULE },
    { "another rule", PUT, .from = "receipt-rule/orders", .to = "receipt-rule/archive",
      .element = "Condition", .key = "AWS:SourceArn", .got = RULE,
      .wanted = "arn:aws:ses:us-east-1:111122223333:receipt-rule-set/main:receipt-rule/archive" },
    { "another region", PUT, .from = "ses:us-east-1", .to = "ses:eu-west-1", .element = "Condition",
      .key = "AWS:SourceArn", .got = RULE },
    { "another bucket", PUT, .from = "invoices/*", .to = "invoice/*", .element = "Resource",
      .wanted = "arn:aws:s3:::invoice/*", .got = "arn:aws:s3:::invoices/in/7f3a" },
    { "the bucket without its objects", PUT, .from = "invoices/*", .to = "invoices",
      .element = "Resource" },
    { "another action", PUT, .from = "s3:PutObject", .to = "s3:GetObject", .element = "Action",
      .wanted = "s3:GetObject", .got = "s3:PutObject" },
    { "another service", PUT, .from = "ses.amazonaws", .to = "sns.amazonaws",
      .element = "Principal", .wanted = "sns.amazonaws.com", .got = "ses.amazonaws.com" },
    { "the account instead of the service", PUT, .from = "\"Service\":\"ses.amazonaws.com\"",
      .to = "\"AWS\":\"111122223333\"", .element = "Principal", .got = "ses.amazonaws.com" },
    { "the request names no account", PUT, .account = "", .element = "Condition",
      .key = "AWS:SourceAccount", .wanted = "111122223333" },
    { "the request names no rule", PUT, .arn = "", .element = "Condition", .key = "AWS:SourceArn",
      .wanted = RULE },
    { "the request comes from another rule", PUT, .arn = RULE "2", .element = "Condition",
      .key = "AWS:SourceArn", .wanted = RULE, .got = RULE "2" },
    { "a wildcard under StringEquals", PUT, .from = "receipt-rule/orders", .to = "receipt-rule/*",
      .element = "Condition", .key = "AWS:SourceArn" },
    { "StringLike reads it", PUT,
      .from = "StringEquals\":{\"AWS:SourceAccount\":\"111122223333\",\"AWS:SourceArn\":\"arn:aws:"
              "ses:us-east-1:111122223333:receipt-rule-set/main:receipt-rule/orders",
      .to = "StringLike\":{\"AWS:SourceArn\":\"arn:aws:ses:*:111122223333:receipt-rule-set/"
            "main:receipt-rule/*" },
    { "key names in another case", PUT, .from = "AWS:SourceArn", .to = "aws:sourcearn" },
    { "a Deny instead of an Allow", PUT, .from = "\"Allow\"", .to = "\"Deny\"",
      .element = "Effect" },
    { "the role trusts another rule", ASSUME, .from = "receipt-rule/orders",
      .to = "receipt-rule/archive", .element = "Condition", .key = "AWS:SourceArn", .got = RULE },
    { "the role trusts only EC2", ASSUME,
      .from = "ses.amazonaws.com\"},\"Action\":\"sts:AssumeRole\"," CONDITION,
      .to = "ec2.amazonaws.com\"},\"Action\":\"sts:AssumeRole\"", .element = "Statement",
      .got = "no statement for ses.amazonaws.com" },
    { "the role is trusted for another action", ASSUME, .from = "sts:AssumeRole",
      .to = "sts:TagSession", .element = "Action", .wanted = "sts:TagSession",
      .got = "sts:AssumeRole" },
    { "the role may write elsewhere", ROLE, .from = "invoices/*", .to = "invoices/out/*",
      .element = "Resource", .wanted = "arn:aws:s3:::invoices/out/*",
      .got = "arn:aws:s3:::invoices/in/7f3a" },
    { "the role may do nothing in S3", ROLE, .from = "s3:PutObject", .to = "sns:Publish",
      .element = "Statement" },
    { "the role has no policy", ROLE, .from = NULL, .to = "none", .element = "Policy",
      .got = "none attached" },
    { "the bucket has no policy", PUT, .from = NULL, .to = "none", .element = "Statement",
      .got = "no statement for ses.amazonaws.com" },
};

static str replaced(str text, const char *from, const char *to, struct arena *arena)
{
    if (!from)
        return text;
    const size_t at = str_find_str(text, str_of(from));
    assert_true(at < text.len);
    const str rest = str_from(text, at + strlen(from));
    return arena_strf(arena, STR_FMT "%s" STR_FMT, (int)at, text.ptr, to, STR_ARG(rest));
}

struct setting {
    struct caller caller;
    struct request request;
    struct exhibit exhibits[2];
    size_t count;
};

static void document_of(str json, struct arena *arena, const struct document **ret_document)
{
    struct document *document = ARENA_NEW(arena, struct document);
    const struct fault *fault = policy_parse(json, arena, document);
    if (fault)
        fail_msg(STR_FMT ": " STR_FMT, STR_ARG(json), STR_ARG(fault_sentence(fault, arena)));
    *ret_document = document;
}

static void set_scene(const struct scene *scene, struct arena *arena, struct setting *to)
{
    *to = (struct setting) { 0 };
    const char *const policy = scene->kind == EXHIBIT_RESOURCE ? bucket_policy
                               : scene->kind == EXHIBIT_TRUST  ? trust_policy
                                                               : role_policy;
    struct arn rule = { .text = STR_NONE };
    arn_parse(str_of(scene->arn ? scene->arn : RULE), &rule);
    to->caller = caller_ses(STR("111122223333"), rule);
    if (scene->account)
        to->caller.service.source_account = STR_NONE;
    if (scene->kind == EXHIBIT_IDENTITY) {
        to->caller =
            (struct caller) { .kind = CALLER_ASSUMED_ROLE, .account = STR("111122223333") };
        arn_parse(STR("arn:aws:iam::111122223333:role/mail/writer"), &to->caller.assumed_role.role);
        arn_parse(STR("arn:aws:sts::111122223333:assumed-role/writer/ses"),
                  &to->caller.assumed_role.session);
    }
    to->request = (struct request) {
        .caller = &to->caller,
        .action = scene->kind == EXHIBIT_TRUST ? STR("sts:AssumeRole") : STR("s3:PutObject"),
        .resource_account = STR("111122223333"),
    };
    arn_parse(scene->kind == EXHIBIT_TRUST ? STR("arn:aws:iam::111122223333:role/mail/writer")
                                           : STR("arn:aws:s3:::invoices/in/7f3a"),
              &to->request.resource);
    assert_null(request_context(&to->caller, 1772442942000, NULL, 0, arena, &to->request.context,
                                &to->request.context_count));
    if (!scene->from && scene->to)
        return; /* no policy at all */
    to->exhibits[0] = (struct exhibit) { .kind = scene->kind, .name = STR("policy of invoices") };
    document_of(replaced(str_of(policy), scene->from, scene->to, arena), arena,
                &to->exhibits[0].document);
    to->count = 1;
}

static struct decision decided(const struct setting *s, struct arena *arena)
{
    uint32_t codes[4];
    struct trace trace = { .codes = codes, .room = 4 };
    const enum verdict plain = policy_decide(&s->request, s->exhibits, s->count, NULL);
    assert_int_equal(plain, policy_decide(&s->request, s->exhibits, s->count, &trace));
    const struct decision decision =
        policy_explain(&s->request, s->exhibits, s->count, &trace, arena);
    assert_int_equal(decision.verdict, plain);
    return decision;
}

static void blamed(const struct scene *scene, const struct json *json, const char *member,
                   const char *want)
{
    if (want && !str_eq(json_str(json, member), str_of(want)))
        fail_msg("%s: %s is " STR_FMT ", wanted %s", scene->says, member,
                 STR_ARG(json_str(json, member)), want);
}

static void each_policy_of_the_page_works_and_each_fault_is_blamed(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(scenes) / sizeof(*scenes); i++) {
        AUTO_ARENA *arena = arena_new(4 << 20);
        const struct scene *scene = &scenes[i];
        struct setting setting;
        set_scene(scene, arena, &setting);
        const struct decision decision = decided(&setting, arena);
        if ((decision.verdict == VERDICT_ALLOW) != !scene->element)
            fail_msg("%s", scene->says);
        if (!scene->element) {
            assert_true(decision.statement == &setting.exhibits[0].document->statements[0]);
            continue;
        }
        const struct fault *fault = denial_fault(&setting.request, &decision, arena);
        assert_int_equal(fault->kind, FAULT_DENIED);
        assert_string_equal(fault->code, "AccessDenied");
        const struct json *json;
        assert_null(json_parse(denial_json(denial_of(fault), arena), arena, &json));
        static const char *const places[] = { [EXHIBIT_RESOURCE] = "resource",
                                              [EXHIBIT_TRUST] = "trust",
                                              [EXHIBIT_IDENTITY] = "identity[0]" };
        blamed(scene, json, "policy", setting.count ? places[scene->kind] : NULL);
        blamed(scene, json, "element", scene->element);
        blamed(scene, json, "key", scene->key);
        blamed(scene, json, "wanted", scene->wanted);
        blamed(scene, json, "got", scene->got);
        if (scene->key && !scene->got && !scene->from)
            assert_int_equal(json_kind(json_get(json, "got")), JSON_NULL);
        if (scene->key)
            blamed(scene, json, "operator", "StringEquals");
    }
}

/* A service asks as a caller of its own, which is gone when the one who told it to hears of the no. */
static void a_denial_is_told_when_its_caller_is_gone(void **state)
{
    (void)state;
    AUTO_ARENA *arena = arena_new(4 << 20);
    for (size_t i = 0; i < sizeof(scenes) / sizeof(*scenes); i++) {
        struct setting setting;
        if (!scenes[i].element)
            continue;
        set_scene(&scenes[i], arena, &setting);
        const struct decision decision = decided(&setting, arena);
        const struct fault *fault = denial_fault(&setting.request, &decision, arena);
        const str before = denial_json(denial_of(fault), arena);
        memset(&setting.caller, 0x5a, sizeof setting.caller);
        setting.caller.kind = CALLER_ANONYMOUS;
        assert_true(str_eq(denial_json(denial_of(fault), arena), before));
    }
}

static void the_remedy_allows_and_nothing_mends_an_explicit_deny(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(scenes) / sizeof(*scenes); i++) {
        AUTO_ARENA *arena = arena_new(4 << 20);
        struct setting setting;
        set_scene(&scenes[i], arena, &setting);
        const struct decision decision = decided(&setting, arena);
        if (decision.verdict == VERDICT_ALLOW)
            continue;
        const struct denial denial = { .request = setting.request, .decision = decision };
        const str remedy = denial_remedy(&denial, arena);
        assert_true(str_is_none(remedy) == (decision.verdict == VERDICT_EXPLICIT_DENY));
        if (str_is_none(remedy))
            continue;
        struct exhibit *added = &setting.exhibits[setting.count++];
        *added = (struct exhibit) { .kind = decision.lacks[0].where };
        document_of(arena_strf(arena, "{\"Version\":\"2012-10-17\",\"Statement\":" STR_FMT "}",
                               STR_ARG(remedy)),
                    arena, &added->document);
        if (policy_decide(&setting.request, setting.exhibits, setting.count, NULL) != VERDICT_ALLOW)
            fail_msg("%s: " STR_FMT, scenes[i].says, STR_ARG(remedy));
    }
}

static const struct scene *scene_called(const char *says)
{
    for (size_t i = 0; i < sizeof(scenes) / sizeof(*scenes); i++) {
        if (strcmp(scenes[i].says, says) == 0)
            return &scenes[i];
    }
    fail_msg("no scene %s", says);
    return NULL;
}

static void a_denial_is_said_in_words(void **state)
{
    (void)state;
    static const struct {
        const char *scene, *ours, *aws, *remedy;
    } cases[] = {
        { "another rule",
          "ses.amazonaws.com may not s3:PutObject on arn:aws:s3:::invoices/in/7f3a: statement "
          "\"AllowSESPuts\" of the policy of invoices wants AWS:SourceArn = "
          "arn:aws:ses:us-east-1:111122223333:receipt-rule-set/main:receipt-rule/archive, the "
          "request "
          "has " RULE,
          "User: ses.amazonaws.com is not authorized to perform: s3:PutObject on resource: "
          "\"arn:aws:s3:::invoices/in/7f3a\" because no resource-based policy allows the "
          "s3:PutObject "
          "action",
          "{\"Effect\":\"Allow\",\"Principal\":{\"Service\":\"ses.amazonaws.com\"},\"Action\":"
          "\"s3:PutObject\",\"Resource\":\"arn:aws:s3:::invoices/"
          "*\",\"Condition\":{\"StringEquals\":"
          "{\"aws:SourceAccount\":\"111122223333\",\"aws:SourceArn\":\"" RULE "\"}}}" },
        { "a Deny instead of an Allow",
          "ses.amazonaws.com may not s3:PutObject on arn:aws:s3:::invoices/in/7f3a: statement "
          "\"AllowSESPuts\" of the policy of invoices denies it explicitly, and must be removed or "
          "changed: no other statement can allow it",
          "User: ses.amazonaws.com is not authorized to perform: s3:PutObject on resource: "
          "\"arn:aws:s3:::invoices/in/7f3a\" with an explicit deny in a resource-based policy",
          NULL },
        { "the role has no policy",
          "arn:aws:sts::111122223333:assumed-role/writer/ses may not s3:PutObject on "
          "arn:aws:s3:::invoices/in/7f3a: no identity policy is attached to "
          "arn:aws:sts::111122223333:assumed-role/writer/ses",
          "User: arn:aws:sts::111122223333:assumed-role/writer/ses is not authorized to perform: "
          "s3:PutObject on resource: \"arn:aws:s3:::invoices/in/7f3a\" because no identity-based "
          "policy allows the s3:PutObject action",
          "{\"Effect\":\"Allow\",\"Action\":\"s3:PutObject\",\"Resource\":\"arn:aws:s3:::invoices/"
          "*\"}" },
        { "the role trusts another rule", NULL,
          "User: ses.amazonaws.com is not authorized to perform: sts:AssumeRole on resource: "
          "arn:aws:iam::111122223333:role/mail/writer because no role trust policy allows the "
          "sts:AssumeRole action",
          "{\"Effect\":\"Allow\",\"Principal\":{\"Service\":\"ses.amazonaws.com\"},\"Action\":"
          "\"sts:AssumeRole\",\"Condition\":{\"StringEquals\":{\"aws:SourceAccount\":"
          "\"111122223333\",\"aws:SourceArn\":\"" RULE "\"}}}" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        AUTO_ARENA *arena = arena_new(4 << 20);
        struct setting setting;
        set_scene(scene_called(cases[i].scene), arena, &setting);
        setting.request.remedy_resource = STR("arn:aws:s3:::invoices/*");
        const struct decision decision = decided(&setting, arena);
        const struct denial denial = { .request = setting.request, .decision = decision };
        if (cases[i].ours)
            assert_string_equal(denial_sentence(&denial, arena).ptr, cases[i].ours);
        assert_string_equal(denial_aws_sentence(&denial, arena).ptr, cases[i].aws);
        const str remedy = denial_remedy(&denial, arena);
        if (cases[i].remedy)
            assert_string_equal(remedy.ptr, cases[i].remedy);
        else
            assert_true(str_is_none(remedy));
    }
}

static void the_common_mistakes_get_a_hint(void **state)
{
    (void)state;
    static const struct {
        const char *scene, *hint;
    } cases[] = {
        { "a wildcard under StringEquals", "StringLike and ArnLike make patterns" },
        { "the bucket without its objects", "its objects are arn:aws:s3:::invoices/*" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        AUTO_ARENA *arena = arena_new(4 << 20);
        struct setting setting;
        set_scene(scene_called(cases[i].scene), arena, &setting);
        const struct decision decision = decided(&setting, arena);
        const struct denial denial = { .request = setting.request, .decision = decision };
        const str says = denial_sentence(&denial, arena);
        if (str_find_str(says, str_of(cases[i].hint)) == says.len)
            fail_msg(STR_FMT, STR_ARG(says));
    }
}

static void a_remedy_for_a_key_with_wildcards_names_only_that_key(void **state)
{
    (void)state;
    AUTO_ARENA *arena = arena_new(4 << 20);
    struct setting setting;
    set_scene(scene_called("the role may write elsewhere"), arena, &setting);
    assert_true(arn_parse(STR("arn:aws:s3:::invoices/${aws:x}/a*b?"), &setting.request.resource));
    const struct decision decision = decided(&setting, arena);
    const struct denial denial = { .request = setting.request, .decision = decision };
    const str remedy = denial_remedy(&denial, arena);
    assert_string_equal(remedy.ptr,
                        "{\"Effect\":\"Allow\",\"Action\":\"s3:PutObject\",\"Resource\":"
                        "\"arn:aws:s3:::invoices/${$}{aws:x}/a${*}b${?}\"}");
    setting.exhibits[1] = (struct exhibit) { .kind = EXHIBIT_IDENTITY };
    document_of(arena_strf(arena, "{\"Version\":\"2012-10-17\",\"Statement\":" STR_FMT "}",
                           STR_ARG(remedy)),
                arena, &setting.exhibits[1].document);
    assert_int_equal(policy_decide(&setting.request, setting.exhibits, 2, NULL), VERDICT_ALLOW);
    assert_true(arn_parse(STR("arn:aws:s3:::invoices/${aws:x}/axb?"), &setting.request.resource));
    assert_int_equal(policy_decide(&setting.request, setting.exhibits, 2, NULL),
                     VERDICT_IMPLICIT_DENY);
}

static void across_accounts_both_sides_are_named_when_both_lack(void **state)
{
    (void)state;
    AUTO_ARENA *arena = arena_new(4 << 20);
    struct setting setting;
    set_scene(scene_called("the role may write elsewhere"), arena, &setting);
    setting.request.resource_account = STR("999988887777");
    const struct decision decision = decided(&setting, arena);
    assert_int_equal(decision.lack_count, 2);
    assert_int_equal(decision.lacks[0].kind, LACK_RESOURCE); /* nearest first */
    assert_int_equal(decision.lacks[0].where, EXHIBIT_IDENTITY);
    assert_int_equal(decision.lacks[1].kind, LACK_POLICY);
    assert_int_equal(decision.lacks[1].where, EXHIBIT_RESOURCE);
    assert_null(decision.lacks[1].exhibit);
}

static void a_trace_that_was_too_short_is_taken_again(void **state)
{
    (void)state;
    AUTO_ARENA *arena = arena_new(4 << 20);
    struct setting setting;
    set_scene(scene_called("another rule"), arena, &setting);
    struct trace none = { .codes = NULL, .room = 0, .used = 0 };
    assert_int_equal(policy_decide(&setting.request, setting.exhibits, setting.count, &none),
                     VERDICT_IMPLICIT_DENY);
    const struct decision decision =
        policy_explain(&setting.request, setting.exhibits, setting.count, &none, arena);
    assert_int_equal(decision.lack_count, 1);
    assert_int_equal(decision.lacks[0].kind, LACK_CONDITION);
}

static void a_request_carries_the_keys_of_its_caller(void **state)
{
    (void)state;
    AUTO_ARENA *arena = arena_new(4 << 20);
    struct arn rule, role, session;
    assert_true(arn_parse(STR(RULE), &rule));
    assert_true(arn_parse(STR("arn:aws:iam::111122223333:role/writer"), &role));
    assert_true(arn_parse(STR("arn:aws:sts::111122223333:assumed-role/writer/ses"), &session));
    const struct caller ses = caller_ses(STR("111122223333"), rule);
    const struct caller user = { .kind = CALLER_ASSUMED_ROLE,
                                 .account = STR("111122223333"),
                                 .source_ip = STR("203.0.113.9"),
                                 .assumed_role = { role, session } };
    static const struct {
        bool service;
        const char *name, *value; /* NULL: absent */
    } keys[] = {
        { true, "aws:SourceAccount", "111122223333" },
        { true, "aws:SourceArn", RULE },
        { true, "aws:Referer", "111122223333" },
        { true, "aws:SecureTransport", "true" },
        { true, "aws:PrincipalIsAWSService", "true" },
        { true, "aws:PrincipalServiceName", "ses.amazonaws.com" },
        { true, "aws:PrincipalServiceNamesList", "ses.amazonaws.com" },
        { true, "aws:PrincipalArn", NULL },
        { true, "aws:PrincipalAccount", NULL },
        { true, "aws:SourceIp", NULL },
        { true, "aws:CurrentTime", "2026-03-02T09:15:42Z" },
        { true, "aws:EpochTime", "1772442942" },
        { true, "s3:x-amz-acl", "private" },
        { false, "aws:SourceAccount", NULL },
        { false, "aws:SourceArn", NULL },
        { false, "aws:PrincipalArn", "arn:aws:iam::111122223333:role/writer" },
        { false, "aws:PrincipalAccount", "111122223333" },
        { false, "aws:PrincipalType", "AssumedRole" },
        { false, "aws:PrincipalIsAWSService", "false" },
        { false, "aws:SecureTransport", "false" },
        { false, "aws:SourceIp", "203.0.113.9" },
    };
    const str acl = STR("private");
    const struct context_key extra = { STR("s3:x-amz-acl"), &acl, 1, false };
    for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
        const struct context_key *context;
        size_t count;
        assert_null(request_context(keys[i].service ? &ses : &user, 1772442942317, &extra, 1, arena,
                                    &context, &count));
        const struct context_key *found = NULL;
        for (size_t k = 0; k < count; k++) {
            if (str_eq(context[k].name, str_of(keys[i].name)))
                found = &context[k];
        }
        if (!found != !keys[i].value)
            fail_msg("%s", keys[i].name);
        if (found && !str_eq(found->values[0], str_of(keys[i].value)))
            fail_msg("%s is " STR_FMT, keys[i].name, STR_ARG(found->values[0]));
    }
}

static void without_memory_there_is_no_explanation_rather_than_half_of_one(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(scenes) / sizeof(*scenes); i++) {
        AUTO_ARENA *arena = arena_new(4 << 20);
        struct setting setting;
        set_scene(&scenes[i], arena, &setting);
        for (size_t limit = 64; limit < 16384; limit += 64) {
            AUTO_ARENA *small = arena_new(limit);
            if (!small)
                continue;
            const struct decision decision =
                policy_explain(&setting.request, setting.exhibits, setting.count, NULL, small);
            if (decision.verdict == VERDICT_ALLOW)
                break;
            const struct denial denial = { .request = setting.request, .decision = decision };
            const str json = denial_json(&denial, small);
            const struct json *value;
            assert_true(str_is_none(json) || !json_parse(json, arena, &value));
            denial_aws_sentence(&denial, small);
            assert_non_null(denial_fault(&setting.request, &decision, small));
        }
    }
}

static void tags_that_differ_in_case_are_candidates_together(void **state)
{
    (void)state;
    AUTO_ARENA *arena = arena_new(4 << 20);
    struct setting setting;
    set_scene(scene_called("the role policy of the page"), arena, &setting);
    const str red = STR("red"), blue = STR("blue");
    const struct context_key tags[] = { { STR("aws:PrincipalTag/Team"), &red, 1, false },
                                        { STR("aws:PrincipalTag/team"), &blue, 1, false } };
    setting.request.context = tags;
    setting.request.context_count = 2;
    static const struct {
        const char *operator, * value;
        enum verdict want;
    } cases[] = {
        { "StringEquals", "red", VERDICT_ALLOW },
        { "StringEquals", "blue", VERDICT_ALLOW },
        { "StringEquals", "green", VERDICT_IMPLICIT_DENY },
        { "StringNotEquals", "blue", VERDICT_IMPLICIT_DENY },
        { "StringNotEquals", "red", VERDICT_IMPLICIT_DENY },
        { "StringNotEquals", "green", VERDICT_ALLOW },
        { "Null", "false", VERDICT_ALLOW },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        document_of(arena_strf(arena,
                               "{\"Statement\":{\"Effect\":\"Allow\",\"Action\":\"*\",\"Resource\":"
                               "\"*\",\"Condition\":{\"%s\":{\"aws:PrincipalTag/TEAM\":\"%s\"}}}}",
                               cases[i].operator, cases[i].value),
                    arena, &setting.exhibits[0].document);
        if (decided(&setting, arena).verdict != cases[i].want)
            fail_msg("%s %s", cases[i].operator, cases[i].value);
    }
}

static void a_document_that_is_no_policy_of_its_kind_gives_nothing(void **state)
{
    (void)state;
    AUTO_ARENA *arena = arena_new(4 << 20);
    struct setting setting;
    set_scene(scene_called("the role policy of the page"), arena, &setting);
    static const struct {
        const char *json;
        enum verdict want;
    } cases[] = {
        { "{\"Statement\":{\"Effect\":\"Allow\",\"Action\":\"*\"}}", VERDICT_IMPLICIT_DENY },
        { "{\"Statement\":{\"Effect\":\"Deny\",\"Action\":\"*\"}}", VERDICT_EXPLICIT_DENY },
        { "{\"Statement\":{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"*\",\"Resource\":"
          "\"*\"}}",
          VERDICT_IMPLICIT_DENY },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        document_of(str_of(cases[i].json), arena, &setting.exhibits[0].document);
        assert_int_equal(decided(&setting, arena).verdict, cases[i].want);
    }
}

static void a_short_arn_is_completed_only_where_iam_keeps_the_policy(void **state)
{
    (void)state;
    AUTO_ARENA *arena = arena_new(4 << 20);
    struct setting setting;
    set_scene(scene_called("the role policy of the page"), arena, &setting);
    static const char statement[] = "{\"Statement\":{\"Effect\":\"Allow\",\"Action\":\"*\",%s"
                                    "\"Resource\":\"%s\"}}";
    static const char principal[] = "\"Principal\":{\"AWS\":\"arn:aws:sts::111122223333:"
                                    "assumed-role/writer/ses\"},";
    static const struct {
        enum exhibit_kind kind;
        const char *resource;
        enum verdict want;
    } cases[] = {
        { EXHIBIT_IDENTITY, "arn:aws:s3", VERDICT_ALLOW },
        { EXHIBIT_IDENTITY, "arn:aws:sns", VERDICT_IMPLICIT_DENY },
        { EXHIBIT_RESOURCE, "arn:aws:s3:::invoices/*", VERDICT_ALLOW },
        { EXHIBIT_RESOURCE, "arn:aws:s3", VERDICT_IMPLICIT_DENY },
        { EXHIBIT_RESOURCE, "arn:aws:s3*", VERDICT_ALLOW }, /* the star itself runs on */
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const bool of_resource = cases[i].kind == EXHIBIT_RESOURCE;
        setting.exhibits[0].kind = cases[i].kind;
        document_of(arena_strf(arena, statement, of_resource ? principal : "", cases[i].resource),
                    arena, &setting.exhibits[0].document);
        if (decided(&setting, arena).verdict != cases[i].want)
            fail_msg("%zu: %s", i, cases[i].resource);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_policy_of_the_page_works_and_each_fault_is_blamed),
        cmocka_unit_test(a_denial_is_told_when_its_caller_is_gone),
        cmocka_unit_test(the_remedy_allows_and_nothing_mends_an_explicit_deny),
        cmocka_unit_test(a_denial_is_said_in_words),
        cmocka_unit_test(the_common_mistakes_get_a_hint),
        cmocka_unit_test(a_remedy_for_a_key_with_wildcards_names_only_that_key),
        cmocka_unit_test(across_accounts_both_sides_are_named_when_both_lack),
        cmocka_unit_test(a_trace_that_was_too_short_is_taken_again),
        cmocka_unit_test(a_request_carries_the_keys_of_its_caller),
        cmocka_unit_test(without_memory_there_is_no_explanation_rather_than_half_of_one),
        cmocka_unit_test(tags_that_differ_in_case_are_candidates_together),
        cmocka_unit_test(a_document_that_is_no_policy_of_its_kind_gives_nothing),
        cmocka_unit_test(a_short_arn_is_completed_only_where_iam_keeps_the_policy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
