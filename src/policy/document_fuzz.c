/* Any bytes as a policy: read it, decide a fixed request with and without a trace, explain. Both
 * ways must agree, and every rendering of a denial must come out. */
#include "base/json.h"
#include "policy/decision.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "%s\n", what);
        abort();
    }
}

static void ask(const struct request *request, const struct exhibit *exhibits, size_t count,
                struct arena *arena)
{
    uint32_t codes[8];
    struct trace trace = { .codes = codes, .room = 8 };
    const enum verdict plain = policy_decide(request, exhibits, count, NULL);
    const enum verdict traced = policy_decide(request, exhibits, count, &trace);
    must(plain == traced, "the traced decision is another one");
    const struct decision decision = policy_explain(request, exhibits, count, &trace, arena);
    must(decision.verdict == plain || decision.lack_count == 0, "explained as another one");
    if (plain == VERDICT_ALLOW)
        return;
    const struct denial denial = { .request = *request, .decision = decision };
    const str json = denial_json(&denial, arena);
    const struct json *value;
    const struct fault *fault =
        str_is_none(json) ? &fault_no_memory : json_parse(json, arena, &value);
    must(!fault || fault->kind == FAULT_LIMIT, "the explanation is not JSON");
    denial_aws_sentence(&denial, arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_ARENA *arena = arena_new(16 << 20);
    struct document document;
    if (policy_parse((str) { (const char *)data, size }, arena, &document))
        return 0;
    struct arn rule, user, object, role;
    arn_parse(STR("arn:aws:ses:us-east-1:111122223333:receipt-rule-set/s:receipt-rule/r"), &rule);
    arn_parse(STR("arn:aws:iam::111122223333:user/team/amber"), &user);
    arn_parse(STR("arn:aws:s3:::invoices/in/a*b"), &object);
    arn_parse(STR("arn:aws:iam::111122223333:role/writer"), &role);
    const struct caller callers[] = {
        caller_ses(STR("111122223333"), rule),
        { .kind = CALLER_USER,
          .account = STR("111122223333"),
          .source_ip = STR("10.1.2.3"),
          .user.arn = user },
    };
    const str tags[] = { STR("a"), STR("b") };
    const struct context_key extra[] = { { STR("aws:TagKeys"), tags, 2, true },
                                         { STR("s3:max-keys"), &tags[0], 1, false } };
    static const enum exhibit_kind kinds[] = { EXHIBIT_RESOURCE, EXHIBIT_IDENTITY, EXHIBIT_TRUST,
                                               EXHIBIT_SCP, EXHIBIT_BOUNDARY };
    for (size_t c = 0; c < sizeof(callers) / sizeof(*callers); c++) {
        struct request request = { .caller = &callers[c],
                                   .action = STR("s3:PutObject"),
                                   .resource = object,
                                   .resource_account = STR("111122223333") };
        if (request_context(&callers[c], 0, extra, 2, arena, &request.context,
                            &request.context_count))
            return 0;
        for (size_t k = 0; k < sizeof(kinds) / sizeof(*kinds); k++) {
            const struct exhibit exhibit = { .kind = kinds[k], .document = &document };
            request.action =
                kinds[k] == EXHIBIT_TRUST ? STR("sts:AssumeRole") : STR("s3:PutObject");
            request.resource = kinds[k] == EXHIBIT_TRUST ? role : object;
            ask(&request, &exhibit, 1, arena);
        }
    }
    return 0;
}
