/* main/explain_rule.c - `sesame explain --rule SET/RULE`: asked of the server, which knows. */
#include "main/explain.h"

#include "base/spans.h"
#include "main/ask.h"
#include "receive/rehearse.h"

const struct fault *explain_rule(const struct config *c, struct arena *a, struct buf *out,
                                 bool *ret_denied)
{
    str set, rule;
    if (!str_cut(c->rule, '/', &set, &rule) || !set.len || !rule.len)
        return fault(a, FAULT_SYNTAX, NULL,
                     "--rule wants SET/RULE, a rule set's name and a rule's, not \"" STR_FMT "\"",
                     STR_ARG(c->rule));
    AUTO_BUF path = buf_new(1 << 16);
    buf_add(&path, STR("explain"));
    ask_add_parameter(&path, "ruleSet", set);
    ask_add_parameter(&path, "rule", rule);
    ask_add_parameter(&path, "account", c->account);
    ask_add_parameter(&path, "region", c->region);
    if (path.failed)
        return &fault_no_memory;
    struct http_reply reply;
    TRY(ask_server(c, "GET", buf_str(&path), clock_real(), a, &reply));
    TRY(ask_check(&reply, a));
    const struct spans *root;
    TRY(spans_parse(reply.body, SPANS_STRICT, a, &root));
    *ret_denied = !spans_true(spans_get(root, STR("allowed")));
    if (!c->json)
        return rehearsal_print(reply.body, a, out);
    buf_add(out, reply.body);
    buf_addc(out, '\n');
    return NULL;
}
