/* Any parameters as a receipt rule: name=value a line. What has no violation can be stored, read
 * back and shown. */
#include "api/ses_rule.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_ARENA *arena = arena_new(64 * 1024 * 1024);
    struct header params[256];
    struct api_call call = { .call = { .arena = arena }, .params = params };
    str rest = { (const char *)data, size }, line;
    bool more = arena && size > 0;
    while (more && call.param_count < sizeof(params) / sizeof(params[0])) {
        struct header *param = &params[call.param_count++];
        more = str_cut(rest, '\n', &line, &rest);
        if (!str_cut(line, '=', &param->name, &param->value))
            param->value = STR_NONE;
    }
    AUTO_VIOLATIONS v = violations_new();
    struct receipt_rule rule;
    if (!arena || ses_rule_read(&call, &v, &rule))
        return 0;
    const struct fault *why = violations_fault(&v, arena);
    assert(!why == (v.count == 0));
    if (why)
        return 0;
    struct receipt_rule_set set = {
        .name = STR("n"), .account = STR("1"), .region = STR("r"), .rules = &rule, .rule_count = 1
    };
    struct receipt_rule_set back;
    AUTO_BUF text = buf_new(4 * 1024 * 1024), xml = buf_new(8 * 1024 * 1024);
    ses_rule_write(&xml, &rule);
    rule_set_write(&set, &text);
    assert(!xml.failed && !text.failed);
    if (!rule_set_read(buf_str(&text), arena, &back)) { /* unless a NUL stands in it */
        assert(back.rules[0].action_count == rule.action_count);
        assert(back.rules[0].recipient_count == rule.recipient_count);
    }
    return 0;
}
