/* main/explain_setup.c - `sesame explain --setup [SET/RULE]`: what was tried when the rule was
 * made. */
#include "main/explain.h"

#include "base/spans.h"
#include "main/ask.h"
#include "receive/setup.h"

const struct fault *explain_setup(const struct config *c, struct arena *a, struct buf *out,
                                  bool *ret_denied)
{
    str set, rule;
    const bool named = str_cut(c->setup, '/', &set, &rule);
    if (c->setup.len && (!set.len || (named && !rule.len)))
        return fault(a, FAULT_SYNTAX, NULL,
                     "--setup wants SET/RULE, a rule set's name and a rule's, or SET, or nothing, "
                     "not \"" STR_FMT "\"",
                     STR_ARG(c->setup));
    AUTO_BUF path = buf_new(1 << 16);
    buf_add(&path, STR("setups"));
    ask_add_parameter(&path, "max", STR("1"));
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
    const struct spans *list = spans_get(root, STR("setups"));
    if (!list || !list->first)
        return fault(a, FAULT_ABSENT, NULL,
                     "no set-up%s" STR_FMT " is known since the server started",
                     c->setup.len ? " of " : "", STR_ARG(c->setup));
    const str one =
        str_head(str_from(reply.body, list->first->from), list->first->to - list->first->from);
    AUTO_BUF text = buf_new(out->max);
    TRY(setup_print(one, a, &text, ret_denied));
    buf_add(out, c->json ? one : buf_str(&text));
    if (c->json)
        buf_addc(out, '\n');
    return NULL;
}
