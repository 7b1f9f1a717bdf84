/* Amazon Resource Names, and the few the product makes itself. */
#include "aws/arn.h"

bool arn_parse(str text, struct arn *ret_arn) {
    struct arn arn = { .text = text };
    str *const fields[] = { NULL, &arn.partition, &arn.service, &arn.region, &arn.account };
    str left = text;
    for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
        str field;
        if (!str_cut(left, ':', &field, &left))
            return false;
        if (i == 0 && !str_eq(field, STR("arn")))
            return false;
        if (i > 0)
            *fields[i] = field;
    }
    arn.resource = left;
    *ret_arn = arn;
    return true;
}

bool account_id_ok(str id) {
    if (id.len != 12)
        return false;
    for (size_t i = 0; i < id.len; i++) {
        if (!ascii_is_digit(id.ptr[i]))
            return false;
    }
    return true;
}

str region_partition(str region) {
    if (str_starts(region, STR("cn-")))
        return STR("aws-cn");
    if (str_starts(region, STR("us-gov-")))
        return STR("aws-us-gov");
    return STR("aws");
}

bool region_name_ok(str region) {
    if (region.len < 1 || region.len > 32)
        return false;
    for (size_t i = 0; i < region.len; i++) {
        const char c = region.ptr[i];
        if (!(c >= 'a' && c <= 'z') && !ascii_is_digit(c) && c != '-')
            return false;
    }
    return true;
}

bool region_receives_mail(str region) {
    static const str regions[] = {
        STR_INIT("us-east-1"), STR_INIT("us-east-2"),  STR_INIT("us-west-1"),
        STR_INIT("us-west-2"), STR_INIT("ap-south-1"), STR_INIT("eu-central-1"),
        STR_INIT("eu-west-1"),
    };
    for (size_t i = 0; i < sizeof(regions) / sizeof(*regions); i++) {
        if (str_eq(region, regions[i]))
            return true;
    }
    return false;
}

str receipt_rule_arn(struct arena *arena, str region, str account, str rule_set, str rule) {
    const str partition = region_partition(region);
    return arena_strf(arena,
                      "arn:" STR_FMT ":ses:" STR_FMT ":" STR_FMT ":receipt-rule-set/" STR_FMT
                      ":receipt-rule/" STR_FMT,
                      STR_ARG(partition), STR_ARG(region), STR_ARG(account), STR_ARG(rule_set),
                      STR_ARG(rule));
}

str bucket_arn(struct arena *arena, str bucket) {
    return arena_strf(arena, "arn:aws:s3:::" STR_FMT, STR_ARG(bucket));
}

str object_arn(struct arena *arena, str bucket, str key) {
    return arena_strf(arena, "arn:aws:s3:::" STR_FMT "/" STR_FMT, STR_ARG(bucket), STR_ARG(key));
}
