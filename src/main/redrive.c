/* main/redrive.c - `sesame redrive --message ID`: a dead letter back into the queue. */
#include "main/ask.h"
#include "main/commands.h"

#include <stdio.h>

extern char **environ;

static const struct fault *redrive(const struct config *c, struct arena *a,
                                   struct http_reply *reply)
{
    TRY(ask_message(c, a));
    str path = arena_strf(a, "messages/" STR_FMT "/redrive", STR_ARG(c->message));
    TRY(ask_server(c, "POST", path, clock_real(), a, reply));
    return ask_check(reply, a);
}

int command_redrive(int argc, char *const *argv)
{
    AUTO_ARENA *a = arena_new(128 << 20);
    struct config config;
    struct http_reply reply;
    const struct fault *f =
        a ? config_read(FOR_ASK, argc, argv, environ, a, &config) : &fault_no_memory;
    if (!f)
        f = redrive(&config, a, &reply);
    if (f)
        return command_failed(f, a);
    if (config.json)
        printf(STR_FMT "\n", STR_ARG(reply.body));
    else
        printf("message " STR_FMT " is in the queue again\n", STR_ARG(config.message));
    return fflush(stdout) == 0 ? 0 : 1;
}
