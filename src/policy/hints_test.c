/* For each hint documents that raise it, and the nearest that do not. */
#include "policy/hints.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct hint_case {
    const char *says;     /* what is special about the document */
    const char *document; /* > stands before what the first hint is about, and is no part of it */
    const char *wants;    /* the identifiers, in order: all there are */
};

#define RULE   "arn:aws:ses:us-east-1:111122223333:receipt-rule-set/main:receipt-rule/store"
#define KEY    "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
#define DOC(s) "{\"Version\":\"2012-10-17\",\"Statement\":" s "}"
#define OLD(s) "{\"Version\":\"2008-10-17\",\"Statement\":" s "}"
/* A statement for SES on the objects of a bucket; conditions behind it. */
#define SES_(action, resource, conditions)                                                         \
    "{\"Effect\":\"Allow\",\"Principal\":{\"Service\":\"ses.amazonaws.com\"},\"Action\":\"" action \
    "\",\"Resource\":" resource ",\"Condition\":{" conditions "}}"
#define PUT(conditions) SES_("s3:PutObject", "\"arn:aws:s3:::mail/*\"", conditions)
#define ACCOUNT         "\"StringEquals\":{\"aws:SourceAccount\":\"111122223333\"}"
#define ARN(value)      "\"ArnLike\":{\"aws:SourceArn\":" value "}"
#define BOTH            ACCOUNT "," ARN("\"" RULE "\"")
#define KEEPER                                                                                     \
    "{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"111122223333\"},\"Action\":\"kms:*\","         \
    "\"Resource\":\"*\"}"

/* clang-format off */
static const struct hint_case buckets[] = { /* read for the rule store of the set main */
    { "the page's own",            DOC(PUT(BOTH)), "" },
    { "the rule in EQUALS",        DOC(PUT("\"StringEquals\":{\"aws:SourceAccount\":\"111122223333\",\"aws:SourceArn\":\"" RULE "\"}")), "" },
    { "every rule of the account", DOC(PUT(ACCOUNT "," ARN("\"arn:aws:ses:*:111122223333:receipt-rule-set/*\""))), "" },

    { "another rule",              DOC(PUT(ACCOUNT "," ARN(">\"arn:aws:ses:us-east-1:111122223333:receipt-rule-set/main:receipt-rule/other\""))), "source-arn-names-another-rule" },
    { "another Region",            DOC(PUT(ACCOUNT "," ARN(">\"arn:aws:ses:eu-west-1:111122223333:receipt-rule-set/main:receipt-rule/store\""))), "source-arn-names-another-rule" },
    { "another set",               DOC(PUT(ACCOUNT "," ARN(">\"arn:aws:ses:us-east-1:111122223333:receipt-rule-set/copy:receipt-rule/store\""))), "source-arn-names-another-rule cloned-rule-set" },
    { "another set and rule",      DOC(PUT(ACCOUNT "," ARN(">\"arn:aws:ses:us-east-1:111122223333:receipt-rule-set/copy:receipt-rule/other\""))), "source-arn-names-another-rule" },
    { "another, and this one",     DOC(PUT(ACCOUNT "," ARN("[\"arn:aws:ses:us-east-1:111122223333:receipt-rule-set/copy:receipt-rule/store\",\"" RULE "\"]"))), "" },
    { "another rule's statement beside this one's",
      DOC("[" PUT(BOTH) "," PUT(ACCOUNT "," ARN("\"arn:aws:ses:us-east-1:111122223333:receipt-rule-set/main:receipt-rule/other\"")) "]"), "" },
    { "another service's ARN",     DOC(PUT(ACCOUNT "," ARN("\"arn:aws:iam::111122223333:role/r\""))), "" },

    { "a slash behind the set",    DOC(PUT(ACCOUNT "," ARN(">\"arn:aws:ses:us-east-1:111122223333:receipt-rule-set/main/receipt-rule/store\""))), "source-arn-names-no-rule" },
    { "colon 1 of five twice",      DOC(PUT(ACCOUNT "," ARN(">\"arn::aws:ses:us-east-1:111122223333:receipt-rule-set/main:receipt-rule/store\""))), "arn-one-colon-too-many" },
    { "colon 2 of five twice",      DOC(PUT(ACCOUNT "," ARN(">\"arn:aws::ses:us-east-1:111122223333:receipt-rule-set/main:receipt-rule/store\""))), "arn-one-colon-too-many" },
    { "colon 3 of five twice",      DOC(PUT(ACCOUNT "," ARN(">\"arn:aws:ses::us-east-1:111122223333:receipt-rule-set/main:receipt-rule/store\""))), "arn-one-colon-too-many" },
    { "colon 4 of five twice",      DOC(PUT(ACCOUNT "," ARN(">\"arn:aws:ses:us-east-1::111122223333:receipt-rule-set/main:receipt-rule/store\""))), "arn-one-colon-too-many" },
    { "colon 5 of five twice",      DOC(PUT(ACCOUNT "," ARN(">\"arn:aws:ses:us-east-1:111122223333::receipt-rule-set/main:receipt-rule/store\""))), "arn-one-colon-too-many" },
    { "colon 1 of five left out",   DOC(PUT(ACCOUNT "," ARN(">\"arnaws:ses:us-east-1:111122223333:receipt-rule-set/main:receipt-rule/store\""))), "source-arn-names-no-rule" },
    { "colon 2 of five left out",   DOC(PUT(ACCOUNT "," ARN(">\"arn:awsses:us-east-1:111122223333:receipt-rule-set/main:receipt-rule/store\""))), "source-arn-names-no-rule" },
    { "colon 3 of five left out",   DOC(PUT(ACCOUNT "," ARN(">\"arn:aws:sesus-east-1:111122223333:receipt-rule-set/main:receipt-rule/store\""))), "source-arn-names-no-rule" },
    { "colon 4 of five left out",   DOC(PUT(ACCOUNT "," ARN(">\"arn:aws:ses:us-east-1111122223333:receipt-rule-set/main:receipt-rule/store\""))), "source-arn-names-no-rule" },
    { "colon 5 of five left out",   DOC(PUT(ACCOUNT "," ARN(">\"arn:aws:ses:us-east-1:111122223333receipt-rule-set/main:receipt-rule/store\""))), "source-arn-names-no-rule" },
    { "the last colon twice",       DOC(PUT(ACCOUNT "," ARN(">\"arn:aws:ses:us-east-1:111122223333:receipt-rule-set/main::receipt-rule/store\""))), "source-arn-names-no-rule" },
    { "an ARN in capitals",         DOC(PUT(ACCOUNT "," ARN(">\"ARN:AWS:SES:us-east-1:111122223333:receipt-rule-set/main:receipt-rule/store\""))), "source-arn-names-no-rule" },
    { "a pattern of another set",   DOC(PUT(ACCOUNT "," ARN(">\"arn:aws:ses:us-east-1:111122223333:receipt-rule-set/old*\""))), "source-arn-names-another-rule" },
    { "a pattern with a slash behind the set", DOC(PUT(ACCOUNT "," ARN(">\"arn:aws:ses:us-east-1:111122223333:receipt-rule-set/main/*\""))), "source-arn-names-another-rule" },
    { "a pattern of the set",       DOC(PUT(ACCOUNT "," ARN("\"arn:aws:ses:us-east-1:111122223333:receipt-rule-set/main:*\""))), "" },
    { "a pattern of another rule in any Region", DOC(PUT(ACCOUNT "," ARN(">\"arn:aws:ses:*:111122223333:receipt-rule-set/main:receipt-rule/other\""))), "source-arn-names-another-rule" },
    { "no ARN at all",             DOC(PUT(ACCOUNT "," ARN(">\"store\""))), "source-arn-names-no-rule" },
    { "an identity's ARN",         DOC(PUT(ACCOUNT "," ARN("\"arn:aws:ses:us-east-1:111122223333:identity/example.com\""))), "" },

    { "the ARN of another account than the account",
      DOC(PUT("\"StringEquals\":{>\"aws:SourceAccount\":\"444455556666\"}," ARN("\"" RULE "\""))), "source-account-is-not-the-arns" },
    { "two accounts, one the ARN's", DOC(PUT("\"StringEquals\":{\"aws:SourceAccount\":[\"444455556666\",\"111122223333\"]}," ARN("\"" RULE "\""))), "" },

    { "a star in StringEquals",    DOC(PUT(ACCOUNT ",\"StringEqualsIgnoreCase\":{\"aws:SourceArn\":>\"arn:aws:ses:us-east-1:111122223333:receipt-rule-set/main:*\"}")), "wildcard-in-string-equals" },
    { "a star in StringLike",      DOC(PUT(ACCOUNT ",\"StringLike\":{\"aws:SourceArn\":\"arn:aws:ses:us-east-1:111122223333:receipt-rule-set/main:*\"}")), "" },
    { "a star in ArnEquals",       DOC(PUT(ACCOUNT ",\"ArnEquals\":{\"aws:SourceArn\":\"arn:aws:ses:us-east-1:111122223333:receipt-rule-set/main:*\"}")), "" },

    { "a star for the account",    DOC(PUT("\"StringEquals\":{\"aws:SourceAccount\":>\"*\"}," ARN("\"" RULE "\""))), "wildcard-in-string-equals" },
    { "the start of an account",   DOC(PUT("\"StringEquals\":{\"aws:SourceAccount\":>\"1111*\"}," ARN("\"" RULE "\""))), "wildcard-in-string-equals" },
    { "the start, in StringLike",  DOC(PUT("\"StringLike\":{\"aws:SourceAccount\":\"1111*\"}," ARN("\"" RULE "\""))), "" },
    { "a star for the rule",       DOC(PUT(ACCOUNT ",\"StringEqualsIgnoreCase\":{\"aws:SourceArn\":>\"*\"}")), "wildcard-in-string-equals" },
    { "a star that is one",        DOC("{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"111122223333\"},\"Action\":\"s3:GetObject\",\"Resource\":\"arn:aws:s3:::mail/*\",\"Condition\":{\"StringEquals\":{\"s3:ExistingObjectTag/t\":\"*\"}}}"), "" },

    { "the bucket alone",          DOC(SES_("s3:PutObject", ">\"arn:aws:s3:::mail\"", BOTH)), "bucket-arn-without-objects" },
    { "the bucket and its objects", DOC(SES_("s3:PutObject", "[\"arn:aws:s3:::mail\",\"arn:aws:s3:::mail/in/*\"]", BOTH)), "" },
    { "a prefix and no star",      DOC(SES_("s3:PutObject", ">\"arn:aws:s3:::mail/in/\"", BOTH)), "bucket-arn-without-objects" },
    { "a prefix with and without", DOC(SES_("s3:PutObject", "[\"arn:aws:s3:::mail/in/\",\"arn:aws:s3:::mail/in/*\"]", BOTH)), "" },
    { "one object",                DOC(SES_("s3:PutObject", "\"arn:aws:s3:::mail/in/one\"", BOTH)), "" },
    { "what is about buckets",     DOC("{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"111122223333\"},\"Action\":\"s3:ListBucket\",\"Resource\":\"arn:aws:s3:::mail\"}"), "" },

    { "no SourceAccount",          DOC(">" PUT(ARN("\"" RULE "\""))), "missing-source-account" },
    { "no SourceArn",              DOC(">" PUT(ACCOUNT)), "missing-source-arn" },
    { "neither",                   DOC(">{\"Effect\":\"Allow\",\"Principal\":{\"Service\":\"ses.amazonaws.com\"},\"Action\":\"s3:PutObject\",\"Resource\":\"arn:aws:s3:::mail/*\"}"), "missing-source-account missing-source-arn" },
    { "a SourceAccount of *",      DOC(">" PUT("\"StringLike\":{\"aws:SourceAccount\":\"*\"}," ARN("\"" RULE "\""))), "missing-source-account" },
    { "unless it is another's",    DOC(">" PUT("\"StringNotEquals\":{\"aws:SourceAccount\":\"444455556666\"}," ARN("\"" RULE "\""))), "missing-source-account" },
    { "everyone",                  DOC(">{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"s3:PutObject\",\"Resource\":\"arn:aws:s3:::mail/*\"}"), "missing-source-account missing-source-arn" },
    { "an account",                DOC("{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"444455556666\"},\"Action\":\"s3:PutObject\",\"Resource\":\"arn:aws:s3:::mail/*\"}"), "" },

    { "the Referer of old",        DOC(PUT("\"StringEquals\":{>\"aws:Referer\":\"111122223333\"}," ARN("\"" RULE "\""))), "legacy-referer" },
    { "a Referer of the web",      DOC("{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"s3:GetObject\",\"Resource\":\"arn:aws:s3:::mail/*\",\"Condition\":{\"StringLike\":{\"aws:Referer\":\"https://example.com/*\"}}}"), "" },

    { "an organization",           DOC(PUT(BOTH ",\"StringLike\":{>\"aws:PrincipalOrgID\":\"o-1\"}")), "service-cannot-meet-condition" },
    { "an organization, if any",   DOC(PUT(BOTH ",\"StringLikeIfExists\":{\"aws:PrincipalOrgID\":\"o-1\"}")), "" },
    { "the source's organization", DOC(PUT(BOTH ",\"StringLike\":{\"aws:SourceOrgID\":\"o-1\"}")), "" },
    { "an address",                DOC(PUT(BOTH ",\"IpAddress\":{>\"aws:SourceIp\":\"192.0.2.0/24\"}")), "service-cannot-meet-condition" },
    { "an encryption header",      DOC(PUT(BOTH ",\"StringLike\":{>\"s3:x-amz-server-side-encryption\":\"aws:kms\"}")), "service-cannot-meet-condition" },
    { "an organization of people", DOC("{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"*\"},\"Action\":\"s3:GetObject\",\"Resource\":\"arn:aws:s3:::mail/*\",\"Condition\":{\"StringEquals\":{\"aws:PrincipalOrgID\":\"o-1\"}}}"), "" },

    { "deny all outside the organization",
      DOC("[" PUT(BOTH) ",{\"Effect\":\"Deny\",\"Principal\":\"*\",\"Action\":\"s3:*\",\"Resource\":\"arn:aws:s3:::mail/*\",\"Condition\":{\"StringNotEquals\":{>\"aws:PrincipalOrgID\":\"o-1\"}}}]"), "deny-catches-the-service" },
    { "all but services",
      DOC("[" PUT(BOTH) ",{\"Effect\":\"Deny\",\"Principal\":\"*\",\"Action\":\"s3:*\",\"Resource\":\"arn:aws:s3:::mail/*\",\"Condition\":{\"StringNotEquals\":{\"aws:PrincipalOrgID\":\"o-1\"},\"Bool\":{\"aws:PrincipalIsAWSService\":\"false\"}}}]"), "" },
    { "deny what is not encrypted by header",
      DOC("[" PUT(BOTH) ",{\"Effect\":\"Deny\",\"Principal\":\"*\",\"Action\":\"s3:PutObject\",\"Resource\":\"arn:aws:s3:::mail/*\",\"Condition\":{\"StringNotEquals\":{>\"s3:x-amz-server-side-encryption\":\"aws:kms\"}}}]"), "deny-without-encryption-header" },
    { "deny reading what is not",
      DOC("[" PUT(BOTH) ",{\"Effect\":\"Deny\",\"Principal\":\"*\",\"Action\":\"s3:GetObject\",\"Resource\":\"arn:aws:s3:::mail/*\",\"Condition\":{\"StringNotEquals\":{\"s3:x-amz-server-side-encryption\":\"aws:kms\"}}}]"), "" },

    { "source keys of a role",     DOC("{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"arn:aws:iam::111122223333:role/r\"},\"Action\":\"s3:PutObject\",\"Resource\":\"arn:aws:s3:::mail/*\",\"Condition\":{\"StringEquals\":{>\"aws:SourceAccount\":\"111122223333\"}}}"), "source-keys-after-a-role" },

    { "a variable in an old document", OLD(SES_("s3:PutObject", ">\"arn:aws:s3:::mail/${aws:SourceAccount}/*\"", BOTH)), "variables-need-2012-10-17" },
    { "in one of today",           DOC(SES_("s3:PutObject", "\"arn:aws:s3:::mail/${aws:SourceAccount}/*\"", BOTH)), "" },

    { "a letter of a key lost",    DOC(PUT(BOTH ",\"StringEqualsIfExists\":{>\"aws:SourceAcount\":\"111122223333\"}")), "misspelt-name" },
    { "instead of the key",        DOC(">" PUT("\"StringLike\":{\"AWS:SorceAccounts\":\"111122223333\"}," ARN("\"" RULE "\""))), "missing-source-account misspelt-name" },
    { "a key without its aws:",    DOC(PUT(BOTH ",\"StringEqualsIfExists\":{>\"sourceAccount\":\"111122223333\"}")), "misspelt-name" },
    { "a key in capitals",         DOC(PUT("\"StringEquals\":{\"AWS:SOURCEACCOUNT\":\"111122223333\"}," ARN("\"" RULE "\""))), "" },
    { "a key of tomorrow",         DOC(PUT(BOTH ",\"StringEqualsIfExists\":{\"aws:SourceMoonPhase\":\"full\"}")), "" },
    { "three letters off",         DOC(PUT(BOTH ",\"StringEqualsIfExists\":{\"aws:SourceXYZ\":\"o-1\"}")), "" },
    { "two keys that are near",    DOC(PUT(BOTH ",\"StringEqualsIfExists\":{\"aws:SourceVpc\":\"v\",\"aws:SourceVpce\":\"v\"}")), "" },
    { "an action that is another", DOC("{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"111122223333\"},\"Action\":\"s3:GetObject\",\"Resource\":\"arn:aws:s3:::mail/*\"}"), "" },

    { "the page's bucket",         DOC(SES_("s3:PutObject", ">\"arn:aws:s3:::amzn-s3-demo-bucket/*\"", BOTH)), "placeholder-left" },
    { "the page's Region",         DOC(PUT(ACCOUNT "," ARN(">\"arn:aws:ses:region:111122223333:receipt-rule-set/main:receipt-rule/store\""))), "source-arn-names-another-rule placeholder-left" },
};

static const struct hint_case trusts[] = {
    { "the page's own",            DOC("{\"Effect\":\"Allow\",\"Principal\":{\"Service\":\"ses.amazonaws.com\"},\"Action\":\"sts:AssumeRole\",\"Condition\":{" BOTH "}}"), "" },
    { "any account's rules",       DOC(">{\"Effect\":\"Allow\",\"Principal\":{\"Service\":\"ses.amazonaws.com\"},\"Action\":\"sts:AssumeRole\"}"), "missing-source-account missing-source-arn" },
    { "another service",           DOC("{\"Effect\":\"Allow\",\"Principal\":{\"Service\":\"lambda.amazonaws.com\"},\"Action\":\"sts:AssumeRole\"}"), "" },
    { "another set",               DOC("{\"Effect\":\"Allow\",\"Principal\":{\"Service\":\"ses.amazonaws.com\"},\"Action\":\"sts:AssumeRole\",\"Condition\":{" ACCOUNT "," ARN(">\"arn:aws:ses:us-east-1:111122223333:receipt-rule-set/old:receipt-rule/store\"") "}}"), "source-arn-names-another-rule cloned-rule-set" },
};

static const struct hint_case identities[] = {
    { "the page's own",            DOC("{\"Effect\":\"Allow\",\"Action\":\"s3:PutObject\",\"Resource\":\"arn:aws:s3:::mail/*\"}"), "" },
    { "source keys",               DOC("{\"Effect\":\"Allow\",\"Action\":\"s3:PutObject\",\"Resource\":\"arn:aws:s3:::mail/*\",\"Condition\":{\"ArnLike\":{>\"aws:SourceArn\":\"" RULE "\"}}}"), "source-keys-after-a-role" },
    { "source keys, if any",       DOC("{\"Effect\":\"Allow\",\"Action\":\"s3:PutObject\",\"Resource\":\"arn:aws:s3:::mail/*\",\"Condition\":{\"ArnLikeIfExists\":{\"aws:SourceArn\":\"" RULE "\"}}}"), "" },
    { "the page's typing error",   DOC("{\"Effect\":\"Allow\",\"Action\":\"kms:GenerateDataKey*\",\"Resource\":>\"arn:aws:kms:us-east-1::111122223333:key/k\"}"), "arn-one-colon-too-many" },
    { "the key as it should be",   DOC("{\"Effect\":\"Allow\",\"Action\":\"kms:GenerateDataKey*\",\"Resource\":\"" KEY "\"}"), "" },
    { "no account where none is", DOC("{\"Effect\":\"Allow\",\"Action\":\"kms:Decrypt\",\"Resource\":\"arn:aws:kms:us-east-1::key/k\"}"), "" },
    { "no account, and a colon in the name", DOC("{\"Effect\":\"Allow\",\"Action\":\"lambda:InvokeFunction\",\"Resource\":\"arn:aws:lambda:us-east-1::function:f\"}"), "" },
    { "a bucket of four colons",   DOC("{\"Effect\":\"Allow\",\"Action\":\"s3:PutObject\",\"Resource\":>\"arn:aws:s3::::mail/*\"}"), "arn-one-colon-too-many" },
    { "a topic with two before its name", DOC("{\"Effect\":\"Allow\",\"Action\":\"sns:Publish\",\"Resource\":>\"arn:aws:sns:us-east-1:111122223333::t\"}"), "arn-one-colon-too-many" },
    { "a service nobody knows",    DOC("{\"Effect\":\"Allow\",\"Action\":\"x:y\",\"Resource\":\"arn:aws:x::111122223333::t\"}"), "" },
    { "an action misspelt",        DOC("{\"Effect\":\"Allow\",\"Action\":[\"s3:GetObject\",>\"s3:PutObjct\"],\"Resource\":\"arn:aws:s3:::mail/*\"}"), "misspelt-name" },
    { "actions that are near one another", DOC("{\"Effect\":\"Allow\",\"Action\":[\"kms:Encrypt\",\"kms:Decrypt\",\"sts:AssumeRoot\",\"s3:putobject\",\"kms:GenerateDataKeyPair\",\"lambda:Invoke*\"],\"Resource\":\"*\"}"), "" },
    { "two colons that belong",    DOC("{\"Effect\":\"Allow\",\"Action\":\"iam:PassRole\",\"Resource\":\"arn:aws:iam::111122223333:role/r\"}"), "" },
};

static const struct hint_case keys[] = {
    { "the page's own",            DOC("[" KEEPER "," SES_("kms:GenerateDataKey*", "\"*\"", BOTH) "]"), "" },
    { "nobody keeps it",           ">" DOC(SES_("kms:GenerateDataKey*", "\"*\"", BOTH)), "key-policy-without-keeper" },
    { "the context instead",       DOC("[" KEEPER "," SES_("kms:GenerateDataKey*", "\"*\"", "\"StringEquals\":{\"kms:EncryptionContext:aws:ses:source-account\":\"111122223333\"},\"StringLike\":{\"kms:EncryptionContext:aws:ses:rule-name\":\"store\"}") "]"), "" },
    { "the context on a bucket's key", DOC("[" KEEPER ",{\"Effect\":\"Allow\",\"Principal\":{\"Service\":\"ses.amazonaws.com\"},\"Action\":[\"kms:GenerateDataKey*\",\"kms:Decrypt\"],\"Resource\":\"*\",\"Condition\":{" BOTH ",\"StringLike\":{>\"kms:EncryptionContext:aws:ses:rule-name\":\"store\"}}}]"), "ses-context-on-bucket-key" },
    { "sources on a bucket's key", DOC("[" KEEPER ",{\"Effect\":\"Allow\",\"Principal\":{\"Service\":\"ses.amazonaws.com\"},\"Action\":[\"kms:GenerateDataKey*\",\"kms:Decrypt\"],\"Resource\":\"*\",\"Condition\":{" BOTH "}}]"), "" },
    { "one colon too many",        DOC("[" KEEPER "," SES_("kms:GenerateDataKey*", ">\"arn:aws:kms:us-east-1::111122223333:key/k\"", BOTH) "]"), "arn-one-colon-too-many" },
};

#define PUBLISH(principal, topic) "{\"Effect\":\"Allow\",\"Principal\":" principal ",\"Action\":\"SNS:Publish\",\"Resource\":\"arn:aws:sns:us-east-1:" topic ":t\"}"
static const struct hint_case topics[] = {
    { "only somebody else",        ">" DOC(PUBLISH("{\"AWS\":\"444455556666\"}", "111122223333")), "default-topic-policy-replaced" },
    { "another service",           ">" DOC(PUBLISH("{\"Service\":\"s3.amazonaws.com\"}", "111122223333")), "default-topic-policy-replaced" },
    { "a topic of another account", DOC(PUBLISH("{\"AWS\":\"444455556666\"}", "444455556666")), "" },
    { "what a topic is made with", DOC("{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"*\"},\"Action\":[\"SNS:Subscribe\",\"SNS:Publish\"],\"Resource\":\"arn:aws:sns:us-east-1:111122223333:t\",\"Condition\":{\"StringEquals\":{\"AWS:SourceOwner\":\"111122223333\"}}}"), "" },
};
/* clang-format on */

static str identifiers(const struct hints *hints, struct arena *arena)
{
    str all = STR("");
    for (size_t i = 0; i < hints->count; i++)
        all = arena_strf(arena, STR_FMT "%s" STR_FMT, STR_ARG(all), i ? " " : "",
                         STR_ARG(hint_id(hints->of[i].kind)));
    return all;
}

static void check(const struct hint_case *c, enum policy_type type, str target, bool *raised)
{
    AUTO_ARENA *arena = arena_new(8 << 20);
    const str marked = str_of(c->document);
    const size_t mark = str_find(marked, '>');
    const str text = arena_strf(arena, STR_FMT STR_FMT, STR_ARG(str_head(marked, mark)),
                                STR_ARG(str_from(marked, mark + 1)));
    const struct policy_home home = { .type = type, .target = target };
    struct document document;
    struct hints hints = { 0 };
    const struct fault *why = policy_parse(text, arena, &document);
    if (why)
        fail_msg("%s: " STR_FMT, c->says, STR_ARG(why->says));
    assert_true(hints_of_document(&document, &home, STR(RULE), arena, &hints));
    const str got = identifiers(&hints, arena);
    if (!str_eq(got, str_of(c->wants)))
        fail_msg("%s: " STR_FMT, c->says, STR_ARG(got));
    for (size_t i = 0; i < hints.count; i++)
        raised[hints.of[i].kind] = true;
    const bool placed = mark < marked.len;
    if (placed != (hints.count > 0) || (placed && hints.of[0].span.from != mark))
        fail_msg("%s: byte %u is meant", c->says, hints.count ? hints.of[0].span.from : 0);
}

#define CHECK(cases, type, target)                                                                 \
    for (size_t i = 0; i < sizeof(cases) / sizeof *(cases); i++)                                   \
    check(&(cases)[i], type, STR(target), raised)

static void each_hint_is_raised_where_it_should_be_and_nowhere_else(void **state)
{
    (void)state;
    bool raised[HINT_KINDS] = { false };
    CHECK(buckets, POLICY_BUCKET, "arn:aws:s3:::mail");
    CHECK(trusts, POLICY_TRUST, "r");
    CHECK(identities, POLICY_IDENTITY, "r");
    CHECK(keys, POLICY_KEY, KEY);
    CHECK(topics, POLICY_TOPIC, "arn:aws:sns:us-east-1:111122223333:t");
    for (size_t i = 0; i < HINT_KINDS; i++) {
        const bool of_drafts = i == HINT_COMMENTS || i == HINT_MISSING_COMMA ||
                               i == HINT_TRAILING_COMMA || i == HINT_BARE_STATEMENT;
        if (raised[i] == of_drafts)
            fail_msg(STR_FMT " is %s", STR_ARG(hint_id((enum hint_kind)i)), raised[i] ? "raised" : "never raised");
    }
}

/* Without a rule in mind a SourceArn is compared with none. */
static void a_document_for_no_rule_in_particular(void **state)
{
    (void)state;
    AUTO_ARENA *arena = arena_new(8 << 20);
    const struct policy_home home = { .type = POLICY_BUCKET, .target = STR_NONE };
    struct document document;
    struct hints hints = { 0 };
    assert_null(policy_parse(STR(DOC(PUT(BOTH))), arena, &document));
    assert_true(hints_of_document(&document, &home, STR_NONE, arena, &hints));
    assert_int_equal(hints.count, 0);
}

static void hints_stand_in_the_order_of_the_text(void **state)
{
    (void)state;
    AUTO_ARENA *arena = arena_new(8 << 20);
    struct hints hints = { 0 };
    static const struct { enum hint_kind kind; uint32_t from; } given[] = {
        { HINT_COMMENTS, 9 }, { HINT_MISSPELT, 2 }, { HINT_NO_KEEPER, 0 }, { HINT_COMMENTS, 2 }, { HINT_PLACEHOLDER, 9 },
    }, wanted[] = {
        { HINT_NO_KEEPER, 0 }, { HINT_MISSPELT, 2 }, { HINT_COMMENTS, 2 }, { HINT_COMMENTS, 9 }, { HINT_PLACEHOLDER, 9 },
    };
    for (size_t i = 0; i < sizeof(given) / sizeof(*given); i++) {
        const struct hint one = { .kind = given[i].kind, .source = STR("{}"), .span = { given[i].from, 10 } };
        assert_true(hints_add(&hints, arena, &one));
    }
    hints_sort(&hints);
    for (size_t i = 0; i < hints.count; i++) {
        assert_int_equal(hints.of[i].kind, wanted[i].kind);
        assert_int_equal(hints.of[i].span.from, wanted[i].from);
    }
}

/* ---- of a decision ---- */

struct asking {
    const char *says, *document, *action, *resource;
    enum verdict verdict;
    const char *wants;
};
/* clang-format off */
static const struct asking askings[] = {
    { "allowed, and for anybody's rules", DOC(SES_("s3:PutObject", "\"arn:aws:s3:::mail/*\"", ARN("\"" RULE "\""))),
      "s3:PutObject", "arn:aws:s3:::mail/m", VERDICT_ALLOW, "missing-source-account" },
    { "allowed as it should be", DOC(PUT(BOTH)), "s3:PutObject", "arn:aws:s3:::mail/m", VERDICT_ALLOW, "" },
    { "a cloned set", DOC(PUT(ACCOUNT "," ARN("\"arn:aws:ses:us-east-1:111122223333:receipt-rule-set/old:receipt-rule/store\""))),
      "s3:PutObject", "arn:aws:s3:::mail/m", VERDICT_IMPLICIT_DENY, "source-arn-names-another-rule cloned-rule-set" },
    { "the bucket alone", DOC(SES_("s3:PutObject", "\"arn:aws:s3:::mail\"", BOTH)),
      "s3:PutObject", "arn:aws:s3:::mail/m", VERDICT_IMPLICIT_DENY, "bucket-arn-without-objects" },
    { "a deny that catches SES", DOC("[" PUT(BOTH) ",{\"Effect\":\"Deny\",\"Principal\":\"*\",\"Action\":\"s3:*\",\"Resource\":\"arn:aws:s3:::mail/*\",\"Condition\":{\"StringNotEquals\":{\"aws:PrincipalOrgID\":\"o-1\"}}}]"),
      "s3:PutObject", "arn:aws:s3:::mail/m", VERDICT_EXPLICIT_DENY, "deny-catches-the-service" },
    { "a key asked for without the context", DOC("[" KEEPER "," SES_("kms:GenerateDataKey*", "\"*\"", BOTH ",\"StringLike\":{\"kms:EncryptionContext:aws:ses:rule-name\":\"store\"}") "]"),
      "kms:GenerateDataKey", KEY, VERDICT_IMPLICIT_DENY, "ses-context-on-bucket-key" },
    { "a key for principals of the account", DOC("{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"*\"},\"Action\":\"kms:GenerateDataKey*\",\"Resource\":\"*\",\"Condition\":{\"StringEquals\":{\"kms:CallerAccount\":\"111122223333\"}}}"),
      "kms:GenerateDataKey", KEY, VERDICT_IMPLICIT_DENY, "service-cannot-meet-condition" },
};
/* clang-format on */

static void a_decision_is_hinted_at_where_it_was_made(void **state)
{
    (void)state;
    struct arn rule;
    assert_true(arn_parse(STR(RULE), &rule));
    for (size_t i = 0; i < sizeof(askings) / sizeof(*askings); i++) {
        const struct asking *c = &askings[i];
        AUTO_ARENA *arena = arena_new(8 << 20);
        struct document document;
        assert_null(policy_parse(str_of(c->document), arena, &document));
        struct caller caller = caller_ses(rule.account, rule);
        struct request request = { .caller = &caller,
                                   .action = str_of(c->action),
                                   .resource = { .text = str_of(c->resource) },
                                   .resource_account = rule.account };
        assert_null(request_context(&caller, 0, NULL, 0, arena, &request.context, &request.context_count));
        const struct exhibit exhibit = { .kind = EXHIBIT_RESOURCE, .document = &document };
        const struct decision decision = policy_explain(&request, &exhibit, 1, NULL, arena);
        assert_int_equal(decision.verdict, c->verdict);
        struct hints hints = { 0 };
        assert_true(hints_of_decision(&request, &decision, arena, &hints));
        const str got = identifiers(&hints, arena);
        if (!str_eq(got, str_of(c->wants)))
            fail_msg("%s: " STR_FMT, c->says, STR_ARG(got));
    }
}

static void a_hint_is_written_with_its_place(void **state)
{
    (void)state;
    AUTO_BUF out = buf_new(4096);
    const struct hint hint = { .kind = HINT_LEGACY_REFERER,
                               .says = STR("it is \"old\""),
                               .source = STR("{\n  \"a\": 1}"),
                               .span = { 4, 7 },
                               .sid = STR("S"),
                               .policy = STR("resource") };
    struct json_writer w = json_writer(&out);
    hint_put_json(&w, &hint);
    if (!str_eq(buf_str(&out), STR("{\"id\":\"legacy-referer\",\"severity\":\"note\",\"policy\":\"resource\","
                                   "\"sid\":\"S\",\"line\":2,\"column\":3,\"says\":\"it is \\\"old\\\"\"}")))
        fail_msg(STR_FMT, STR_ARG(buf_str(&out)));
}

/* However much there is to say, the list ends. */
static void no_more_hints_are_kept_than_their_bound(void **state)
{
    (void)state;
    AUTO_ARENA *arena = arena_new(8 << 20);
    struct hints hints = { 0 };
    for (uint32_t i = 0; i < HINTS_MAX + 10; i++) {
        const struct hint one = { .kind = HINT_COMMENTS, .source = STR("{}"), .span = { i, i } };
        assert_true(hints_add(&hints, arena, &one));
        assert_true(hints_add(&hints, arena, &one));
    }
    assert_int_equal(hints.count, HINTS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_hint_is_raised_where_it_should_be_and_nowhere_else),
        cmocka_unit_test(a_document_for_no_rule_in_particular),
        cmocka_unit_test(hints_stand_in_the_order_of_the_text),
        cmocka_unit_test(a_decision_is_hinted_at_where_it_was_made),
        cmocka_unit_test(a_hint_is_written_with_its_place),
        cmocka_unit_test(no_more_hints_are_kept_than_their_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
