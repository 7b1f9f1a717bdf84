/* aws/arn.h - Amazon Resource Names: arn:partition:service:region:account:resource. */
#ifndef SESAME_AWS_ARN_H
#define SESAME_AWS_ARN_H

#include "base/arena.h"

struct arn {
    str text, partition, service, region, account, resource; /* views into text */
};

/* Six fields, split at the first five colons; the resource keeps its colons. False when fewer. */
bool arn_parse(str text, struct arn *ret_arn);

/* Twelve digits. */
bool account_id_ok(str);

/* "aws", "aws-cn" or "aws-us-gov", by the region's name. */
str region_partition(str region);
bool region_name_ok(str region);       /* small letters, digits and dashes, 1 to 32 */
bool region_receives_mail(str region); /* the seven SES receives in: spec ses-receiving 1 */

/* arn:P:ses:R:A:receipt-rule-set/SET:receipt-rule/RULE, the aws:SourceArn of a rule. */
str receipt_rule_arn(struct arena *, str region, str account, str rule_set, str rule);
str bucket_arn(struct arena *, str bucket);             /* arn:aws:s3:::bucket */
str object_arn(struct arena *, str bucket, str key);    /* arn:aws:s3:::bucket/key */

#endif
