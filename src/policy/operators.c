/* The table and the comparisons behind it. */
#include "policy/operators.h"

/* clang-format off */
static const struct operator operators[] = {
    /* name                                   compares               relation          negated  says                 */
    { STR_INIT("StringEquals"),               COMPARE_STRING,        EQUAL,            false,   "="                  },
    { STR_INIT("StringNotEquals"),            COMPARE_STRING,        EQUAL,            true,    "other than"         },
    { STR_INIT("StringEqualsIgnoreCase"),     COMPARE_STRING_NOCASE, EQUAL,            false,   "= (in any case)"    },
    { STR_INIT("StringNotEqualsIgnoreCase"),  COMPARE_STRING_NOCASE, EQUAL,            true,    "other than (in any case)" },
    { STR_INIT("StringLike"),                 COMPARE_STRING_LIKE,   EQUAL,            false,   "like"               },
    { STR_INIT("StringNotLike"),              COMPARE_STRING_LIKE,   EQUAL,            true,    "not like"           },
    { STR_INIT("NumericEquals"),              COMPARE_NUMBER,        EQUAL,            false,   "="                  },
    { STR_INIT("NumericNotEquals"),           COMPARE_NUMBER,        EQUAL,            true,    "other than"         },
    { STR_INIT("NumericLessThan"),            COMPARE_NUMBER,        LESS,             false,   "below"              },
    { STR_INIT("NumericLessThanEquals"),      COMPARE_NUMBER,        LESS_OR_EQUAL,    false,   "at most"            },
    { STR_INIT("NumericGreaterThan"),         COMPARE_NUMBER,        GREATER,          false,   "above"              },
    { STR_INIT("NumericGreaterThanEquals"),   COMPARE_NUMBER,        GREATER_OR_EQUAL, false,   "at least"           },
    { STR_INIT("DateEquals"),                 COMPARE_DATE,          EQUAL,            false,   "="                  },
    { STR_INIT("DateNotEquals"),              COMPARE_DATE,          EQUAL,            true,    "other than"         },
    { STR_INIT("DateLessThan"),               COMPARE_DATE,          LESS,             false,   "before"             },
    { STR_INIT("DateLessThanEquals"),         COMPARE_DATE,          LESS_OR_EQUAL,    false,   "at the latest"      },
    { STR_INIT("DateGreaterThan"),            COMPARE_DATE,          GREATER,          false,   "after"              },
    { STR_INIT("DateGreaterThanEquals"),      COMPARE_DATE,          GREATER_OR_EQUAL, false,   "at the earliest"    },
    { STR_INIT("Bool"),                       COMPARE_BOOL,          EQUAL,            false,   "="                  },
    { STR_INIT("BinaryEquals"),               COMPARE_BINARY,        EQUAL,            false,   "="                  },
    { STR_INIT("IpAddress"),                  COMPARE_ADDRESS,       EQUAL,            false,   "within"             },
    { STR_INIT("NotIpAddress"),               COMPARE_ADDRESS,       EQUAL,            true,    "outside"            },
    { STR_INIT("ArnEquals"),                  COMPARE_ARN,           EQUAL,            false,   "like"               },
    { STR_INIT("ArnLike"),                    COMPARE_ARN,           EQUAL,            false,   "like"               },
    { STR_INIT("ArnNotEquals"),               COMPARE_ARN,           EQUAL,            true,    "not like"           },
    { STR_INIT("ArnNotLike"),                 COMPARE_ARN,           EQUAL,            true,    "not like"           },
    { STR_INIT("Null"),                       COMPARE_NULL,          EQUAL,            false,   "absent ="           },
};
/* clang-format on */

const struct operator*
    operator_find(str text, bool *ret_if_exists, bool *ret_for_any, bool *ret_for_all)
{
    const str any = STR("ForAnyValue:"), all = STR("ForAllValues:"), exists = STR("IfExists");
    const bool for_any = str_starts(text, any), for_all = str_starts(text, all);
    str name = str_from(text, for_any ? any.len : for_all ? all.len : 0);
    const bool if_exists = str_ends(name, exists);
    if (if_exists)
        name = str_head(name, name.len - exists.len);
    for (size_t i = 0; i < sizeof(operators) / sizeof(*operators); i++) {
        if (!str_eq(name, operators[i].name))
            continue;
        if (operators[i].compares == COMPARE_NULL && (for_any || for_all || if_exists))
            return NULL;
        *ret_if_exists = if_exists;
        *ret_for_any = for_any;
        *ret_for_all = for_all;
        return &operators[i];
    }
    return NULL;
}

static bool pattern_prepare(str value, unsigned flags, bool variables, struct arena *arena,
                            struct wanted *ret_wanted)
{
    ret_wanted->valid = true;
    return pattern_compile(value, flags | (variables ? PATTERN_VARIABLES : 0), arena,
                           &ret_wanted->pattern);
}

bool operator_prepare(const struct operator* operator, str value, bool variables,
                      struct arena *arena, struct wanted *ret_wanted)
{
    *ret_wanted = (struct wanted) { 0 };
    switch (operator->compares) {
    case COMPARE_STRING:
        return pattern_prepare(value, 0, variables, arena, ret_wanted);
    case COMPARE_STRING_NOCASE:
        return pattern_prepare(value, PATTERN_FOLD, variables, arena, ret_wanted);
    case COMPARE_STRING_LIKE:
        return pattern_prepare(value, PATTERN_WILD, variables, arena, ret_wanted);
    case COMPARE_ARN:
        return pattern_prepare(value, PATTERN_WILD | PATTERN_ARN, variables, arena, ret_wanted);
    case COMPARE_NUMBER:
        ret_wanted->valid = decimal_read(value, &ret_wanted->number);
        return true;
    case COMPARE_DATE:
        ret_wanted->valid = moment_read(value, &ret_wanted->moment);
        return true;
    case COMPARE_ADDRESS:
        ret_wanted->valid = network_read(value, &ret_wanted->network);
        return true;
    case COMPARE_BOOL:
    case COMPARE_NULL:
        ret_wanted->valid = truth_read(value, &ret_wanted->truth);
        return true;
    case COMPARE_BINARY:
        ret_wanted->valid = base64_read(value);
        ret_wanted->base64 = value;
        return true;
    }
    return true;
}

static bool relates(enum relation relation, int order)
{
    switch (relation) {
    case EQUAL:
        return order == 0;
    case LESS:
        return order < 0;
    case LESS_OR_EQUAL:
        return order <= 0;
    case GREATER:
        return order > 0;
    case GREATER_OR_EQUAL:
        return order >= 0;
    }
    return false;
}

bool operator_compares(const struct operator* operator, const struct wanted * wanted, str got,
                       const struct asked *asked)
{
    if (!wanted->valid)
        return false;
    switch (operator->compares) {
    case COMPARE_STRING:
    case COMPARE_STRING_NOCASE:
    case COMPARE_STRING_LIKE:
        return pattern_matches(&wanted->pattern, subject_plain(got), asked);
    case COMPARE_ARN: /* fewer than six parts compare with no pattern */
        return has_six_parts(got) && pattern_matches(&wanted->pattern, subject_arn(got), asked);
    case COMPARE_NUMBER: {
        struct decimal number;
        return decimal_read(got, &number) &&
               relates(operator->relation, decimal_cmp(&number, &wanted->number));
    }
    case COMPARE_DATE: {
        struct moment moment;
        return moment_read(got, &moment) &&
               relates(operator->relation, moment_cmp(&moment, &wanted->moment));
    }
    case COMPARE_ADDRESS: {
        struct network address;
        /* A request has one address: what has a prefix is none. */
        return !str_has(got, '/') && network_read(got, &address) &&
               network_holds(&wanted->network, &address);
    }
    case COMPARE_BOOL: {
        bool truth;
        return truth_read(got, &truth) && truth == wanted->truth;
    }
    case COMPARE_BINARY:
        return base64_same(wanted->base64, got);
    case COMPARE_NULL:
        return false;
    }
    return false;
}
