/* services/ses/ruleset.h - SES receipt rules, as SES names them (API ReceiptRule, ReceiptAction). */
#ifndef SESAME_SERVICES_SES_RULESET_H
#define SESAME_SERVICES_SES_RULESET_H

#include "base/buf.h"
#include "base/fault.h"

enum action_kind {
    ACTION_S3, ACTION_SNS, ACTION_LAMBDA, ACTION_BOUNCE, ACTION_STOP, ACTION_ADD_HEADER,
    ACTION_WORKMAIL, ACTION_CONNECT,
};

enum invocation_type { INVOCATION_ABSENT, INVOCATION_EVENT, INVOCATION_REQUEST_RESPONSE };
enum sns_encoding { SNS_UTF8, SNS_BASE64 };

struct action {
    enum action_kind kind;
    str topic_arn; /* notify here too; STR_NONE: nowhere. For ACTION_SNS: where to publish */
    union {        /* optional members are STR_NONE when absent */
        struct {
            str bucket_name, object_key_prefix, kms_key_arn, iam_role_arn;
        } s3;
        struct {
            enum sns_encoding encoding;
        } sns;
        struct {
            str function_arn;
            enum invocation_type invocation_type;
        } lambda;
        struct {
            str smtp_reply_code, status_code, message, sender;
        } bounce;
        struct {
            str header_name, header_value;
        } add_header;
        struct {
            str organization_arn;
        } workmail;
        struct {
            str instance_arn, iam_role_arn;
        } connect;
    };
};

struct receipt_rule {
    str name;
    bool enabled, scan_enabled, tls_required;
    const str *recipients; /* none: every verified recipient */
    size_t recipient_count;
    const struct recipient_sieve *sieve; /* of the recipients, see recipients.h; NULL: there is none */
    const struct action *actions;
    size_t action_count;
};

struct receipt_rule_set {
    str name, account, region;
    int64_t created_ms;
    const struct receipt_rule *rules;
    size_t rule_count;
    str text; /* the JSON it was read from: what the spool keeps beside a message */
    uint64_t number; /* of this reading of it: no other in this process has the same */
};

/* As SES's answers and timelines name a kind: "S3", "SNS", "Lambda", "Bounce", "Stop",
 * "AddHeader", "WorkMail", "Connect". */
str action_kind_name(enum action_kind);

/* The state's and the spool's text of a rule set, and back. */
void rule_set_write(const struct receipt_rule_set *, struct buf *);
const struct fault *rule_set_read(str json, struct arena *, struct receipt_rule_set *ret_set);

/* The active set of an account and region in this world; NULL when none is active. */
struct world;
const struct receipt_rule_set *rule_set_active(const struct world *, str account, str region);
const struct receipt_rule_set *rule_set_find(const struct world *, str account, str region, str name);

#endif
