/* main/logs.c - `sesame logs FUNCTION`: what it printed lately, with its START, END and REPORT lines. */
#include "base/percent.h"
#include "main/ask.h"
#include "main/commands.h"

#include <stdio.h>

extern char **environ;

static const struct fault *ask_logs(const struct config *c, struct arena *a, struct http_reply *reply)
{
    if (c->operand_count != 1)
        return fault(a, FAULT_SYNTAX, NULL, "the logs of which function? Its name or ARN is missing");
    AUTO_BUF path = buf_new(8192);
    buf_add(&path, STR("functions/"));
    percent_encode(&path, c->operands[0], PERCENT_ALL);
    buf_add(&path, STR("/logs"));
    ask_add_parameter(&path, "account", c->account);
    ask_add_parameter(&path, "region", c->region);
    if (path.failed)
        return &fault_no_memory;
    TRY(ask_server(c, "GET", arena_str(a, buf_str(&path)), clock_real(), a, reply));
    return ask_check(reply, a);
}

int command_logs(int argc, char *const *argv)
{
    AUTO_ARENA *a = arena_new(128 << 20);
    struct config config;
    struct http_reply reply;
    const struct fault *f =
        a ? config_read(FOR_LOGS, argc, argv, environ, a, &config) : &fault_no_memory;
    if (!f)
        f = ask_logs(&config, a, &reply);
    if (f)
        return command_failed(f, a);
    return fwrite(reply.body.ptr, 1, reply.body.len, stdout) == reply.body.len && fflush(stdout) == 0 ? 0 : 1;
}
