/* The embedded KMS: who may do what with a key, when a key says no, and what becomes of it. One
 * fixture serves them all, so they stay together. */
#include "services/kms/kms.h"

#include "base/json.h"
#include "policy/decision.h"
#include "services/iam/role.h"
#include "services/kms/ciphertext.h"
#include "services/stage_suite.h"
#include "testing/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define OWNER "111122223333"
#define OTHER "444455556666"
#define RULE  "arn:aws:ses:us-east-1:" OWNER ":receipt-rule-set/main:receipt-rule/store"
#define ROLE  "arn:aws:iam::" OWNER ":role/writer"
#define THEIR "arn:aws:iam::" OTHER ":role/writer"
#define DAY   (24 * 60 * 60 * INT64_C(1000))

#define DOC(statements) "{\"Version\":\"2012-10-17\",\"Statement\":[" statements "]}"
#define KEEPER                                                                                     \
    "{\"Sid\":\"Keeper\",\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"arn:aws:iam::" OWNER        \
    ":root\"},\"Action\":\"kms:*\",\"Resource\":\"*\"}"
#define KEEPER_ONLY                                                                                \
    "{\"Sid\":\"Keeper\",\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"arn:aws:iam::" OWNER        \
    ":root\"},\"Action\":[\"kms:PutKeyPolicy\",\"kms:Create*\",\"kms:Schedule*\"],"                \
    "\"Resource\":\"*\"}"
#define SES(condition)                                                                             \
    ",{\"Sid\":\"AllowSES\",\"Effect\":\"Allow\",\"Principal\":{\"Service\":"                      \
    "\"ses.amazonaws.com\"},\"Action\":\"kms:GenerateDataKey*\",\"Resource\":\"*\","               \
    "\"Condition\":{" condition "}}"
#define SOURCES                                                                                    \
    "\"StringEquals\":{\"AWS:SourceAccount\":\"" OWNER "\",\"AWS:SourceArn\":\"" RULE "\"}"
#define CONTEXT                                                                                    \
    "\"Null\":{\"kms:EncryptionContext:aws:ses:rule-name\":\"false\","                             \
    "\"kms:EncryptionContext:aws:ses:message-id\":\"false\"},"                                     \
    "\"StringEquals\":{\"kms:EncryptionContext:aws:ses:source-account\":\"" OWNER "\"}"
#define TO(who, action)                                                                            \
    ",{\"Sid\":\"ToThem\",\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"" who                      \
    "\"},\"Action\":\"" action "\",\"Resource\":\"*\"}"
#define MAY(action, resource)                                                                      \
    DOC("{\"Effect\":\"Allow\",\"Action\":\"" action "\",\"Resource\":\"" resource "\"}")
#define TRUST                                                                                      \
    DOC("{\"Effect\":\"Allow\",\"Principal\":{\"Service\":\"ses.amazonaws.com\"},"                 \
        "\"Action\":\"sts:AssumeRole\"}")

static const struct header ses_pairs[] = {
    { STR_INIT("aws:ses:message-id"), STR_INIT("7f3a") },
    { STR_INIT("aws:ses:rule-name"), STR_INIT("store") },
    { STR_INIT("aws:ses:source-account"), STR_INIT(OWNER) },
    { STR_INIT("kms_cmk_id"), STR_INIT("alias/aws/ses") },
};
static const struct encryption_context ses_context = { ses_pairs, 4 };
static const struct header bucket_pair = { STR_INIT("aws:s3:arn"), STR_INIT("arn:aws:s3:::mail") };
static const struct encryption_context bucket_context = { &bucket_pair, 1 };

struct fixture {
    struct stage stage;
    struct fake_clock clock;
    struct root_key root;
    struct kms_service *kms;
    struct caller caller;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    *state = f;
    stage_begin(&f->stage);
    f->clock = fake_clock_at("2026-03-02T09:15:42.000Z");
    f->stage.outside.clock = &f->clock.clock;
    memset(f->root.octets, 7, sizeof f->root.octets);
    assert_null(kms_embedded_open(f->stage.state, f->stage.worlds, &f->stage.outside, &f->root,
                                  f->stage.arena, &f->kms));
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    stage_end(&f->stage);
    free(f);
    return 0;
}

static void assert_says(struct fixture *f, const struct fault *why, const char *wanted)
{
    const char *says = stage_says(&f->stage, why);
    if (strncmp(says, wanted, strlen(wanted)) != 0 || (!*wanted && *says))
        fail_msg("wanted \"%s\", got \"%s\"", wanted, says);
}

static const struct kms_key *make(struct fixture *f, const char *policy)
{
    struct call call = stage_call(&f->stage);
    const struct kms_key *key;
    const struct kms_draft draft = { .policy = policy ? str_of(policy) : STR_NONE };
    assert_says(f, kms_create_key(f->kms, &call, &draft, &key), "");
    return key;
}

/* ---- callers ---- */

static const struct caller *root_of(struct fixture *f, const char *account)
{
    f->caller = caller_root(str_of(account));
    return &f->caller;
}

static const struct caller *ses(struct fixture *f, const char *via)
{
    struct arn rule;
    assert_true(arn_parse(STR(RULE), &rule));
    f->caller = caller_ses(STR(OWNER), rule);
    f->caller.via_service = str_of(via);
    return &f->caller;
}

/* A session of a role that has this inline policy; NULL: none. */
static const struct caller *session(struct fixture *f, const char *role, const char *may)
{
    struct arn arn;
    assert_true(arn_parse(str_of(role), &arn));
    char key[64];
    snprintf(key, sizeof key, "role/%.12s/writer", arn.account.ptr);
    AUTO_BUF record = buf_new(8192);
    struct json_writer w = json_writer(&record);
    json_open(&w, '{');
    json_add_str(&w, "path", STR("/"));
    json_add_str(&w, "trust", STR(TRUST));
    json_name(&w, STR("policies"));
    json_open(&w, '[');
    if (may) {
        json_open(&w, '{');
        json_add_str(&w, "name", STR("p"));
        json_add_str(&w, "document", str_of(may));
        json_close(&w, '}');
    }
    json_close(&w, ']');
    json_close(&w, '}');
    stage_put(&f->stage, key, buf_str(&record));
    f->caller = (struct caller) { .kind = CALLER_ASSUMED_ROLE, .account = arn.account };
    f->caller.assumed_role.role = arn;
    assert_true(arn_parse(
        arena_strf(f->stage.arena, "arn:aws:sts::%.12s:assumed-role/writer/s", arn.account.ptr),
        &f->caller.assumed_role.session));
    return &f->caller;
}

static const struct fault *data_key(struct fixture *f, const struct caller *who, str key_id,
                                    const struct encryption_context *context, str *ret_blob)
{
    struct call call = stage_call_as(&f->stage, who);
    struct data_key key;
    TRY(f->kms->port.generate_data_key(&f->kms->port, &call, key_id, context, &key));
    if (ret_blob)
        *ret_blob = key.ciphertext;
    return NULL;
}

static const struct fault *open_as(struct fixture *f, const struct caller *who, str blob,
                                   const struct encryption_context *context, str *ret_text)
{
    struct call call = stage_call_as(&f->stage, who);
    return f->kms->port.decrypt(&f->kms->port, &call, STR_NONE, blob, context, ret_text);
}

/* ---- who may ---- */

static void the_key_policy_decides_for_ses_in_both_of_aws_s_styles(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *says, *policy;
        const struct encryption_context *context;
        const char *via, *wanted;
    } cases[] = {
        { "the page's", DOC(KEEPER SES(SOURCES)), &ses_context, NULL, "" },
        { "the KMS guide's", DOC(KEEPER SES(CONTEXT)), &ses_context, NULL, "" },
        { "nothing for SES", DOC(KEEPER), &ses_context, NULL, "AccessDenied" },
        { "another rule's", DOC(KEEPER SES("\"StringEquals\":{\"AWS:SourceArn\":\"" RULE "2\"}")),
          &ses_context, NULL, "AccessDenied" },
        { "the page's on a bucket's key", DOC(KEEPER SES(SOURCES)), &bucket_context,
          "s3.us-east-1.amazonaws.com", "" },
        { "the context on a bucket's key", DOC(KEEPER SES(CONTEXT)), &bucket_context,
          "s3.us-east-1.amazonaws.com", "AccessDenied" },
        { "the account of the rule",
          DOC(KEEPER SES("\"StringEquals\":{\"kms:CallerAccount\":\"" OWNER "\"}")), &ses_context,
          NULL, "" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct kms_key *key = make(f, cases[i].policy);
        const struct fault *why =
            data_key(f, ses(f, cases[i].via), key->arn.text, cases[i].context, NULL);
        print_message("%s\n", cases[i].says);
        assert_says(f, why, cases[i].wanted);
    }
}

static void identity_policies_count_only_where_the_key_gives_its_account_the_action(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *says, *role, *policy, *may;
        const char *wanted;
    } cases[] = {
        { "the account, and IAM", ROLE, DOC(KEEPER), MAY("kms:Decrypt", "*"), "" },
        { "the account, and no IAM", ROLE, DOC(KEEPER), NULL, "AccessDenied" },
        { "IAM, and no account", ROLE, DOC(KEEPER_ONLY), MAY("kms:*", "*"), "AccessDenied" },
        { "the role itself, without IAM", ROLE, DOC(KEEPER_ONLY TO(ROLE, "kms:Decrypt")), NULL,
          "" },
        { "an alias's ARN in IAM", ROLE, DOC(KEEPER),
          MAY("kms:Decrypt", "arn:aws:kms:us-east-1:" OWNER ":alias/*"), "AccessDenied" },
        { "IAM of the other account alone", THEIR, DOC(KEEPER), MAY("kms:Decrypt", "*"),
          "AccessDenied" },
        { "the other account, and its IAM", THEIR,
          DOC(KEEPER TO("arn:aws:iam::" OTHER ":root", "kms:Decrypt")), MAY("kms:Decrypt", "*"),
          "" },
        { "the other account, without its IAM", THEIR,
          DOC(KEEPER TO("arn:aws:iam::" OTHER ":root", "kms:Decrypt")), NULL, "AccessDenied" },
        { "the other account's role, without its IAM", THEIR, DOC(KEEPER TO(THEIR, "kms:Decrypt")),
          NULL, "AccessDenied" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        session(f, cases[i].role, cases[i].may); /* whom a policy names has to exist */
        const struct kms_key *key = make(f, DOC(KEEPER));
        str blob, text;
        assert_says(f, data_key(f, root_of(f, OWNER), key->id, &ses_context, &blob), "");
        struct call call = stage_call(&f->stage);
        assert_says(f, kms_put_policy(f->kms, &call, key->id, str_of(cases[i].policy), false), "");
        print_message("%s\n", cases[i].says);
        assert_says(f,
                    open_as(f, session(f, cases[i].role, cases[i].may), blob, &ses_context, &text),
                    cases[i].wanted);
    }
}

static void a_key_that_is_not_there_is_absent_to_its_account_and_denied_to_others(void **state)
{
    struct fixture *f = *state;
    const str id = STR("12345678-1234-1234-1234-123456789012"),
              theirs =
                  STR("arn:aws:kms:us-east-1:" OTHER ":key/12345678-1234-1234-1234-123456789012");
    assert_says(f, data_key(f, root_of(f, OWNER), id, &ses_context, NULL),
                "NotFoundException: Key 'arn:aws:kms:us-east-1:" OWNER
                ":key/12345678-1234-1234-1234-123456789012' does not exist");
    assert_says(f, data_key(f, root_of(f, OWNER), theirs, &ses_context, NULL), "AccessDenied");
    assert_says(f, data_key(f, root_of(f, OWNER), STR("alias/none"), &ses_context, NULL),
                "NotFoundException: Alias arn:aws:kms:us-east-1:" OWNER
                ":alias/none is not found.");
    assert_says(f, data_key(f, root_of(f, OWNER), STR("nonsense"), &ses_context, NULL),
                "NotFoundException: Invalid keyId 'nonsense'");
    assert_says(
        f,
        data_key(f, root_of(f, OWNER),
                 STR("arn:aws:kms:eu-west-1:" OWNER ":key/12345678-1234-1234-1234-123456789012"),
                 &ses_context, NULL),
        "NotFoundException: Invalid arn eu-west-1");
}

/* ---- grants ---- */

static void a_grant_allows_its_operations_within_its_constraint(void **state)
{
    struct fixture *f = *state;
    static const str use[] = { STR_INIT("GenerateDataKey"), STR_INIT("Decrypt") };
    const struct header pair = { STR("aws:ses:rule-name"), STR("store") };
    const struct kms_key *key = make(f, DOC(KEEPER));
    session(f, ROLE, NULL);
    struct kms_grant grant = { .grantee = STR(ROLE), .operations = use, .operation_count = 2 };
    const struct {
        enum kms_constraint constraint;
        const struct header *pairs;
        size_t count;
        const char *wanted;
    } cases[] = {
        { CONSTRAINT_NONE, NULL, 0, "" },
        { CONSTRAINT_SUBSET, &pair, 1, "" },
        { CONSTRAINT_EQUALS, &pair, 1, "AccessDenied" },
        { CONSTRAINT_EQUALS, ses_pairs, 4, "" },
        { CONSTRAINT_SUBSET, &bucket_pair, 1, "AccessDenied" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        str id;
        grant.constraint = cases[i].constraint;
        grant.context = cases[i].pairs;
        grant.context_count = cases[i].count;
        assert_says(f, data_key(f, session(f, ROLE, NULL), key->id, &ses_context, NULL),
                    "AccessDenied");
        struct call call = stage_call(&f->stage);
        assert_says(f, kms_create_grant(f->kms, &call, key->id, &grant, false, &id), "");
        assert_says(f, data_key(f, session(f, ROLE, NULL), key->id, &ses_context, NULL),
                    cases[i].wanted);
        call = stage_call(&f->stage);
        assert_says(f, kms_revoke_grant(f->kms, &call, key->id, id, false), "");
    }
}

static void a_grantee_grants_on_no_more_than_it_has(void **state)
{
    struct fixture *f = *state;
    static const str use[] = { STR_INIT("Decrypt"), STR_INIT("CreateGrant"),
                               STR_INIT("RetireGrant") },
                     more[] = { STR_INIT("Encrypt") };
    const struct kms_key *key = make(f, DOC(KEEPER));
    str id, child;
    session(f, THEIR, NULL);
    session(f, ROLE, NULL);
    const struct kms_grant parent = { .grantee = STR(ROLE),
                                      .operations = use,
                                      .operation_count = 3,
                                      .constraint = CONSTRAINT_SUBSET,
                                      .context = ses_pairs,
                                      .context_count = 1 };
    struct call call = stage_call(&f->stage);
    assert_says(f, kms_create_grant(f->kms, &call, key->id, &parent, false, &id), "");
    struct kms_grant wish = parent;
    wish.grantee = STR("arn:aws:iam::" OTHER ":root");
    wish.operation_count = 1;
    call = stage_call_as(&f->stage, session(f, ROLE, NULL));
    assert_says(f, kms_create_grant(f->kms, &call, key->id, &wish, false, &child), "");
    wish.context = ses_pairs + 1;
    assert_says(f, kms_create_grant(f->kms, &call, key->id, &wish, false, &child), "AccessDenied");
    wish.constraint = CONSTRAINT_NONE;
    wish.context_count = 0;
    assert_says(f, kms_create_grant(f->kms, &call, key->id, &wish, false, &child), "AccessDenied");
    wish = parent;
    wish.operations = more;
    wish.operation_count = 1;
    assert_says(f, kms_create_grant(f->kms, &call, key->id, &wish, false, &child), "AccessDenied");
    /* RetireGrant in a grant retires that one and no other */
    call = stage_call_as(&f->stage, session(f, ROLE, NULL));
    const struct kms_grant *first =
        kms_key_find(call.world, key->account, key->region, key->id)->grants;
    assert_says(f, kms_retire_grant(f->kms, &call, key->id, first[1].id, false), "AccessDenied");
    assert_says(f, kms_retire_grant(f->kms, &call, key->id, id, false), "");
}

/* ---- the keys AWS manages ---- */

static void aws_ses_encrypts_mail_of_its_account_without_a_policy(void **state)
{
    struct fixture *f = *state;
    str blob, text;
    const str name = STR("alias/aws/ses"),
              arn = STR("arn:aws:kms:us-east-1:" OWNER ":alias/aws/ses");
    struct call call = stage_call(&f->stage);
    assert_null(kms_alias_find(call.world, STR(OWNER), STR("us-east-1"), name));
    assert_says(f, data_key(f, ses(f, NULL), arn, &ses_context, &blob), "");
    assert_says(f, data_key(f, ses(f, NULL), arn, &bucket_context, NULL), "AccessDenied");
    assert_says(f, open_as(f, root_of(f, OWNER), blob, &ses_context, &text), "");
    assert_int_equal(text.len, DATA_KEY_SIZE);
    assert_says(f, open_as(f, ses(f, NULL), blob, &ses_context, &text), "AccessDenied");
    /* a rule's role needs its own policy, as for any key */
    assert_says(f, data_key(f, session(f, ROLE, NULL), arn, &ses_context, NULL), "AccessDenied");
    assert_says(
        f, data_key(f, session(f, ROLE, MAY("kms:GenerateDataKey*", "*")), arn, &ses_context, NULL),
        "");
    /* there is one of it */
    call = stage_call(&f->stage);
    const struct kms_key *first = kms_key_next(call.world, STR(OWNER), STR("us-east-1"), STR_NONE);
    assert_non_null(first);
    assert_null(kms_key_next(call.world, STR(OWNER), STR("us-east-1"), first->id));
    assert_says(f, kms_put_policy(f->kms, &call, first->id, STR(DOC(KEEPER)), false),
                "AccessDenied");
    assert_says(f, kms_schedule_deletion(f->kms, &call, first->id, 7, &first), "AccessDenied");
}

static void
aws_sns_and_aws_s3_are_open_to_the_account_through_their_service_and_shut_to_ses(void **state)
{
    struct fixture *f = *state;
    struct caller user = *root_of(f, OWNER);
    user.via_service = STR("sns.us-east-1.amazonaws.com");
    assert_says(f, data_key(f, &user, STR("alias/aws/sns"), &bucket_context, NULL), "");
    assert_says(f, data_key(f, root_of(f, OWNER), STR("alias/aws/sns"), &bucket_context, NULL),
                "AccessDenied");
    const struct fault *why = data_key(f, ses(f, "sns.us-east-1.amazonaws.com"),
                                       STR("alias/aws/sns"), &bucket_context, NULL);
    assert_says(f, why, "AccessDenied");
    const str json = denial_json(denial_of(why), f->stage.arena);
    assert_true(str_find_str(json, STR("kms:CallerAccount")) < json.len);
    assert_true(str_find_str(json, STR("service-cannot-meet-condition")) < json.len);
    assert_true(str_find_str(json, STR("\"instead\":\"the policy of a key that AWS manages")) <
                json.len);
    assert_true(str_find_str(json, STR("\"remedy\"")) == json.len);
    assert_says(f,
                data_key(f, ses(f, "s3.us-east-1.amazonaws.com"), STR("alias/aws/s3"),
                         &bucket_context, NULL),
                "AccessDenied");
}

static void a_rehearsal_judges_and_makes_nothing(void **state)
{
    struct fixture *f = *state;
    struct kms_port *port = &f->kms->rehearsal.port;
    struct data_key made;
    str text;
    struct call call = stage_call_as(&f->stage, ses(f, NULL));
    assert_says(f, port->generate_data_key(port, &call, STR("alias/aws/ses"), &ses_context, &made),
                "");
    assert_says(f,
                port->generate_data_key(port, &call, STR("alias/aws/ses"), &bucket_context, &made),
                "AccessDenied");
    assert_says(f, port->generate_data_key(port, &call, STR("alias/none"), &ses_context, &made),
                "NotFoundException");
    call = stage_call(&f->stage);
    assert_null(kms_alias_find(call.world, STR(OWNER), STR("us-east-1"), STR("alias/aws/ses")));
    const struct kms_key *key = make(f, DOC(KEEPER));
    call = stage_call_as(&f->stage, root_of(f, OWNER));
    assert_says(f, port->generate_data_key(port, &call, key->id, &ses_context, &made), "");
    assert_says(f, port->decrypt(port, &call, key->id, made.ciphertext, &ses_context, &text), "");
    assert_says(f, open_as(f, root_of(f, OWNER), made.ciphertext, &ses_context, &text),
                "InvalidCiphertextException");
}

/* ---- what a ciphertext is bound to ---- */

static void a_ciphertext_opens_whole_and_with_its_context_in_any_order(void **state)
{
    struct fixture *f = *state;
    const struct kms_key *key = make(f, NULL);
    struct header turned[4] = { ses_pairs[3], ses_pairs[1], ses_pairs[0], ses_pairs[2] };
    const struct encryption_context any_order = { turned, 4 }, fewer = { ses_pairs, 3 },
                                    none = { NULL, 0 };
    str blob, text;
    assert_says(f, data_key(f, root_of(f, OWNER), key->id, &ses_context, &blob), "");
    assert_says(f, open_as(f, root_of(f, OWNER), blob, &any_order, &text), "");
    assert_says(f, open_as(f, root_of(f, OWNER), blob, &fewer, &text),
                "InvalidCiphertextException");
    assert_says(f, open_as(f, root_of(f, OWNER), blob, &none, &text), "InvalidCiphertextException");
    for (size_t i = 0; i < blob.len * 8; i++) {
        str bent = arena_str(f->stage.arena, blob);
        ((char *)(uintptr_t)bent.ptr)[i / 8] ^= (char)(1 << i % 8);
        const struct fault *why = open_as(f, root_of(f, OWNER), bent, &ses_context, &text);
        assert_non_null(why); /* of another account or key it may be denied, never opened */
        assert_true(why->kind == FAULT_SYNTAX || why->kind == FAULT_DENIED);
        assert_non_null(open_as(f, root_of(f, OWNER), str_head(blob, i / 8), &ses_context, &text));
    }
}

static void a_record_s_material_serves_no_other_key_and_no_other_root(void **state)
{
    struct fixture *f = *state;
    const struct kms_key *one = make(f, NULL), *two = make(f, NULL);
    struct record record;
    struct kms_service *stranger;
    struct root_key root = f->root;
    AUTO_BUF swapped = buf_new(65536);
    str blob, text;
    assert_says(f, data_key(f, root_of(f, OWNER), one->id, &ses_context, &blob), "");
    root.octets[0] ^= 1;
    assert_null(kms_embedded_open(f->stage.state, f->stage.worlds, &f->stage.outside, &root,
                                  f->stage.arena, &stranger));
    struct call call = stage_call(&f->stage);
    assert_says(f,
                stranger->port.decrypt(&stranger->port, &call, STR_NONE, blob, &ses_context, &text),
                "KMSInternalException");
    struct kms_key copy = *two;
    copy.versions = one->versions;
    kms_key_encode(&copy, &swapped);
    record.key = kms_key_state_key(f->stage.arena, two->account, two->region, two->id);
    stage_put(&f->stage, record.key.ptr, buf_str(&swapped));
    assert_says(f, data_key(f, root_of(f, OWNER), two->id, &ses_context, NULL),
                "KMSInternalException");
}

/* ---- a key's life ---- */

static void a_disabled_key_and_one_that_is_given_up_say_so(void **state)
{
    struct fixture *f = *state;
    const struct kms_key *key = make(f, NULL);
    str blob, text;
    char disabled[160], pending[160], gone[160];
    snprintf(disabled, sizeof disabled, "DisabledException: %s is disabled.", key->arn.text.ptr);
    snprintf(pending, sizeof pending, "KMSInvalidStateException: %s is pending deletion.",
             key->arn.text.ptr);
    snprintf(gone, sizeof gone, "NotFoundException: Key '%s' does not exist", key->arn.text.ptr);
    assert_says(f, data_key(f, root_of(f, OWNER), key->id, &ses_context, &blob), "");

    struct call call = stage_call(&f->stage);
    assert_says(f, kms_create_alias(f->kms, &call, STR("alias/mail"), key->id), "");
    assert_says(f, kms_enable_key(f->kms, &call, key->id, false), "");
    assert_says(f, data_key(f, root_of(f, OWNER), key->id, &ses_context, NULL), disabled);
    assert_says(f, open_as(f, root_of(f, OWNER), blob, &ses_context, &text), disabled);
    call = stage_call(&f->stage);
    assert_says(f, kms_enable_key(f->kms, &call, key->id, true), "");
    assert_says(f, open_as(f, root_of(f, OWNER), blob, &ses_context, &text), "");

    call = stage_call(&f->stage);
    const struct kms_key *now;
    assert_says(f, kms_schedule_deletion(f->kms, &call, key->id, 6, &now), "ValidationException");
    assert_says(f, kms_schedule_deletion(f->kms, &call, key->id, 7, &now), "");
    assert_true(now->deletion_ms == f->stage.now_ms + 7 * DAY);
    assert_says(f, data_key(f, root_of(f, OWNER), key->id, &ses_context, NULL), pending);
    call = stage_call(&f->stage);
    assert_says(f, kms_enable_key(f->kms, &call, key->id, true), pending);
    assert_says(f, kms_cancel_deletion(f->kms, &call, key->id, &now), "");
    assert_says(f, data_key(f, root_of(f, OWNER), key->id, &ses_context, NULL), disabled);

    call = stage_call(&f->stage);
    assert_says(f, kms_schedule_deletion(f->kms, &call, key->id, 7, &now), "");
    f->stage.now_ms += 7 * DAY - 1;
    assert_says(f, data_key(f, root_of(f, OWNER), key->id, &ses_context, NULL), pending);
    f->stage.now_ms += 1;
    const struct kms_key **keys;
    const struct kms_alias **aliases;
    size_t count;
    bool more;
    call = stage_call(&f->stage);
    assert_says(f, kms_list_keys(f->kms, &call, STR_NONE, 10, &keys, &count, &more), "");
    assert_int_equal(count, 0);
    assert_says(f, kms_list_aliases(f->kms, &call, STR_NONE, STR_NONE, 10, &aliases, &count, &more),
                "");
    assert_int_equal(count, 0);
    assert_says(f, data_key(f, root_of(f, OWNER), STR("alias/mail"), &ses_context, NULL), gone);
    call = stage_call(&f->stage);
    assert_null(kms_key_find(call.world, STR(OWNER), STR("us-east-1"), key->id));
    assert_null(kms_alias_find(call.world, STR(OWNER), STR("us-east-1"), STR("alias/mail")));
    assert_says(f, open_as(f, root_of(f, OWNER), blob, &ses_context, &text),
                "AccessDeniedException: The ciphertext refers to a customer master key");
}

static void a_key_that_nobody_looks_for_goes_at_the_next_start(void **state)
{
    struct fixture *f = *state;
    const struct kms_key *kept = make(f, NULL), *key = make(f, NULL);
    struct kms_service *again;
    struct call call = stage_call(&f->stage);
    assert_says(f, kms_schedule_deletion(f->kms, &call, key->id, 7, &key), "");
    fake_clock_turn(&f->clock, 7 * DAY);
    stage_put(&f->stage, "kms-alias/" OWNER "/us-east-1/left",
              STR("{\"key\":\"12345678-1234-1234-1234-123456789012\"}")); /* by a stop in between */
    assert_null(kms_embedded_open(f->stage.state, f->stage.worlds, &f->stage.outside, &f->root,
                                  f->stage.arena, &again));
    call = stage_call(&f->stage);
    assert_null(kms_alias_find(call.world, STR(OWNER), STR("us-east-1"), STR("alias/left")));
    assert_null(kms_key_find(call.world, STR(OWNER), STR("us-east-1"), key->id));
    assert_non_null(kms_key_find(call.world, STR(OWNER), STR("us-east-1"), kept->id));
}

static void a_rotated_key_opens_what_every_version_sealed(void **state)
{
    struct fixture *f = *state;
    const struct kms_key *key = make(f, NULL);
    str blobs[3], text;
    struct ciphertext c;
    struct call call = stage_call(&f->stage);
    assert_says(f, kms_rotation(f->kms, &call, key->id, true, 89), "ValidationException");
    assert_says(f, kms_rotation(f->kms, &call, key->id, true, 0), "");
    assert_says(f, data_key(f, root_of(f, OWNER), key->id, &ses_context, &blobs[0]), "");
    f->stage.now_ms += 365 * DAY - 1;
    assert_says(f, data_key(f, root_of(f, OWNER), key->id, &ses_context, &blobs[1]), "");
    assert_true(ciphertext_read(blobs[1], &c) && c.version == 1);
    f->stage.now_ms += 1;
    assert_says(f, data_key(f, root_of(f, OWNER), key->id, &ses_context, &blobs[1]), "");
    assert_true(ciphertext_read(blobs[1], &c) && c.version == 2);
    call = stage_call(&f->stage);
    assert_says(f, kms_rotate(f->kms, &call, key->id, &key), "");
    assert_says(f, data_key(f, root_of(f, OWNER), key->id, &ses_context, &blobs[2]), "");
    assert_true(ciphertext_read(blobs[2], &c) && c.version == 3);
    for (size_t i = 0; i < 3; i++)
        assert_says(f, open_as(f, root_of(f, OWNER), blobs[i], &ses_context, &text), "");
}

static void a_policy_that_locks_its_keeper_out_is_refused(void **state)
{
    struct fixture *f = *state;
    const struct kms_key *key = make(f, NULL);
    struct call call = stage_call(&f->stage);
    const str shut =
                  STR(DOC("{\"Effect\":\"Allow\",\"Principal\":{\"Service\":\"ses.amazonaws.com\"},"
                          "\"Action\":\"kms:*\",\"Resource\":\"*\"}")),
              nobody = STR(DOC(KEEPER TO("arn:aws:iam::" OWNER ":role/nobody", "kms:Decrypt")));
    assert_says(
        f, kms_put_policy(f->kms, &call, key->id, shut, false),
        "MalformedPolicyDocumentException: The new key policy will not allow you to update the "
        "key policy in the future.");
    assert_says(
        f, kms_put_policy(f->kms, &call, key->id, nobody, false),
        "MalformedPolicyDocumentException: Policy contains a statement with one or more invalid "
        "principals.");
    assert_says(f, kms_put_policy(f->kms, &call, key->id, shut, true), "");
    call = stage_call(&f->stage);
    assert_says(f, kms_put_policy(f->kms, &call, key->id, STR(DOC(KEEPER)), false), "AccessDenied");
}

static void conditions_see_aliases_and_tags(void **state)
{
    struct fixture *f = *state;
    const struct kms_key *key = make(f, DOC(KEEPER));
    const struct header tag = { STR("team"), STR("mail") };
    struct call call = stage_call(&f->stage);
    assert_says(f, kms_create_alias(f->kms, &call, STR("alias/mail"), key->id), "");
    assert_says(f, kms_tag(f->kms, &call, key->id, &tag, 1), "");
    static const struct {
        const char *condition, *by, *wanted;
    } cases[] = {
        { "\"StringEquals\":{\"kms:RequestAlias\":\"alias/mail\"}", "alias/mail", "" },
        { "\"StringEquals\":{\"kms:RequestAlias\":\"alias/mail\"}", NULL, "AccessDenied" },
        { "\"ForAnyValue:StringEquals\":{\"kms:ResourceAliases\":\"alias/mail\"}", NULL, "" },
        { "\"StringEquals\":{\"aws:ResourceTag/team\":\"mail\"}", NULL, "" },
        { "\"StringEquals\":{\"aws:ResourceTag/team\":\"other\"}", NULL, "AccessDenied" },
        { "\"ForAllValues:StringLike\":{\"kms:EncryptionContextKeys\":[\"aws:ses:*\",\"kms_cmk_"
          "id\"]}",
          NULL, "" },
        { "\"ForAllValues:StringLike\":{\"kms:EncryptionContextKeys\":\"aws:ses:*\"}", NULL,
          "AccessDenied" },
        { "\"StringEquals\":{\"kms:KeyOrigin\":\"AWS_KMS\"}", NULL, "" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const str may =
            arena_strf(f->stage.arena,
                       DOC("{\"Effect\":\"Allow\",\"Action\":\"kms:*\",\"Resource\":\"*\","
                           "\"Condition\":{%s}}"),
                       cases[i].condition);
        print_message("%s\n", cases[i].condition);
        assert_says(f,
                    data_key(f, session(f, ROLE, may.ptr),
                             cases[i].by ? str_of(cases[i].by) : key->id, &ses_context, NULL),
                    cases[i].wanted);
    }
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(the_key_policy_decides_for_ses_in_both_of_aws_s_styles),
        CASE(identity_policies_count_only_where_the_key_gives_its_account_the_action),
        CASE(a_key_that_is_not_there_is_absent_to_its_account_and_denied_to_others),
        CASE(a_grant_allows_its_operations_within_its_constraint),
        CASE(a_grantee_grants_on_no_more_than_it_has),
        CASE(aws_ses_encrypts_mail_of_its_account_without_a_policy),
        CASE(aws_sns_and_aws_s3_are_open_to_the_account_through_their_service_and_shut_to_ses),
        CASE(a_rehearsal_judges_and_makes_nothing),
        CASE(a_ciphertext_opens_whole_and_with_its_context_in_any_order),
        CASE(a_record_s_material_serves_no_other_key_and_no_other_root),
        CASE(a_disabled_key_and_one_that_is_given_up_say_so),
        CASE(a_key_that_nobody_looks_for_goes_at_the_next_start),
        CASE(a_rotated_key_opens_what_every_version_sealed),
        CASE(a_policy_that_locks_its_keeper_out_is_refused),
        CASE(conditions_see_aliases_and_tags),
    };
#undef CASE
    return cmocka_run_group_tests_name("the embedded KMS", tests, NULL, NULL);
}
