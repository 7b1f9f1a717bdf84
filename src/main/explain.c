/* main/explain.c - `sesame explain --message ID`: why it was. */
#include "main/ask.h"
#include "main/commands.h"
#include "receive/timeline.h"

#include <stdio.h>

extern char **environ;

static const struct fault *explain(const struct config *c, struct arena *a, struct buf *out)
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

int command_explain(int argc, char *const *argv)
{
    AUTO_ARENA *a = arena_new(128 << 20);
    AUTO_BUF out = buf_new(64 << 20);
    struct config config;
    const struct fault *f =
        a ? config_read(FOR_ASK, argc, argv, environ, a, &config) : &fault_no_memory;
    if (!f)
        f = explain(&config, a, &out);
    if (f)
        return command_failed(f, a);
    return fwrite(out.ptr, 1, out.len, stdout) == out.len && fflush(stdout) == 0 ? 0 : 1;
}
