/* main/explain.c - `sesame explain`: why it was (--message), what was tried when a rule was made
 * (--setup), what a rule would meet (--rule), and what a request of one's own would (--request). */
#include "main/explain.h"

#include "main/ask.h"
#include "main/commands.h"
#include "receive/timeline.h"

#include <stdio.h>

extern char **environ;

static const struct fault *explain_message(const struct config *c, struct arena *a, struct buf *out)
{
    struct http_reply reply;
    TRY(ask_message(c, a));
    TRY(ask_server(c, "GET", arena_strf(a, "messages/" STR_FMT, STR_ARG(c->message)), clock_real(),
                   a, &reply));
    const struct fault *f = ask_check(&reply, a);
    if (f && f->kind == FAULT_ABSENT)
        return fault(a, FAULT_ABSENT, NULL, "no message " STR_FMT " is known", STR_ARG(c->message));
    TRY(f);
    if (!c->json)
        return timeline_print(reply.body, a, out);
    buf_add(out, reply.body);
    buf_addc(out, '\n');
    return NULL;
}

static const struct fault *explain(const struct config *c, struct arena *a, struct buf *out,
                                   bool *ret_denied)
{
    if (!c->message.ptr + !c->rule.ptr + !c->setup.ptr + !c->request.ptr != 3)
        return fault(a, FAULT_SYNTAX, NULL,
                     "explain what? One of --message ID, --rule SET/RULE, --setup [SET/RULE], "
                     "--request FILE");
    if (c->policies.ptr && !c->request.ptr)
        return fault(a, FAULT_SYNTAX, NULL, "--policies goes with --request");
    if (c->message.ptr)
        return explain_message(c, a, out);
    if (c->setup.ptr)
        return explain_setup(c, a, out, ret_denied);
    return c->rule.ptr ? explain_rule(c, a, out, ret_denied) : explain_files(c, a, out, ret_denied);
}

int command_explain(int argc, char *const *argv)
{
    AUTO_ARENA *a = arena_new(128 << 20);
    AUTO_BUF out = buf_new(64 << 20);
    struct config config;
    bool denied = false;
    const struct fault *f =
        a ? config_read(FOR_ASK | FOR_EXPLAIN, argc, argv, environ, a, &config) : &fault_no_memory;
    if (!f)
        f = explain(&config, a, &out, &denied);
    if (!f && out.failed)
        f = &fault_no_memory;
    if (f)
        return command_failed(f, a);
    if (fwrite(out.ptr, 1, out.len, stdout) != out.len || fflush(stdout) != 0)
        return 1;
    return denied && config.exit_code ? 1 : 0;
}
