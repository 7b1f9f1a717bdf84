/* services/lambda/start.c - what a function's process is started with: its code, its role, its
 * words.
 *
 * Developer Guide, "Defined runtime environment variables". */
#include "base/random_id.h"
#include "services/lambda/change.h"
#include "services/lambda/packet.h"
#include "services/lambda/run.h"

#include <stdio.h>
#include <unistd.h>

enum {
    SESSION_MS = 6 * 60 * 60 * 1000, /* credentials of one process */
    SESSION_SPARE_MS =
        16 * 60 * 1000, /* the longest time-out and a little: no call meets their end */
    LOG_STREAM_LEN = 32,
};

struct words {
    struct arena *arena;
    str list[PACKET_ENVIRONMENT_MAX];
    size_t count;
    bool failed;
};

static void add(struct words *w, const char *name, str value)
{
    str line = arena_strf(w->arena, "%s=" STR_FMT, name, STR_ARG(value));
    if (str_is_none(line) || w->count == PACKET_ENVIRONMENT_MAX) {
        w->failed = true;
        return;
    }
    w->list[w->count++] = line;
}

static void add_number(struct words *w, const char *name, int64_t value)
{
    add(w, name, arena_strf(w->arena, "%lld", (long long)value));
}

/* The function's role, taken as Lambda takes it: its trust policy decides, now and every time. */
static const struct fault *take_role(struct lambda_service *s, const struct call *call,
                                     const struct run *run, struct credentials *ret_credentials)
{
    struct sts_port *sts = s->ports->sts;
    struct caller session;
    const struct function *f = run->function;
    struct caller service = { .kind = CALLER_SERVICE,
                              .account = f->account,
                              .service = { .principal = STR("lambda.amazonaws.com"),
                                           .source_account = f->account,
                                           .source_arn = f->arn } };
    struct call as = *call;
    as.caller = &service;
    as.region = f->region;
    const struct fault *denied = sts->assume_role(sts, &as, run->version->role, f->name, &session);
    if (denied) {
        struct fault *why = ARENA_NEW(call->arena, struct fault);
        if (!why)
            return &fault_no_memory;
        *why = (struct fault) {
            .kind = FAULT_DENIED,
            .says = STR("The role defined for the function cannot be assumed by Lambda."),
            .code = "AccessDeniedException",
            .because = denied
        };
        return why;
    }
    return sts->issue(sts, &as, &session, call->now_ms + SESSION_MS, ret_credentials);
}

/* FOLDER/code/HASH leads to FOLDER/bootstrap. */
static str bootstrap_of(str folder, struct arena *arena)
{
    return arena_strf(arena, STR_FMT "bootstrap",
                      STR_ARG(str_head(folder, folder.len - sizeof "code/" - CODE_HASH_LEN + 1)));
}

static void add_variables(struct words *w, struct lambda_service *s, const struct run *run,
                          const struct credentials *credentials, unsigned port, str folder)
{
    const struct function *f = run->function;
    const struct function_version *v = run->version;
    char stream[LOG_STREAM_LEN + 1];
    bool node = str_starts(v->runtime, STR("nodejs")),
         python = str_starts(v->runtime, STR("python"));
    random_hex(s->outside->entropy, stream, LOG_STREAM_LEN);
    for (size_t i = 0; i < v->environment_count; i++)
        add(w, arena_cstr(w->arena, v->environment[i].name), v->environment[i].value);
    add(w, "_HANDLER", v->handler);
    add(w, "AWS_REGION", f->region);
    add(w, "AWS_DEFAULT_REGION", f->region);
    add(w, "AWS_EXECUTION_ENV", arena_strf(w->arena, "AWS_Lambda_" STR_FMT, STR_ARG(v->runtime)));
    add(w, "AWS_LAMBDA_FUNCTION_NAME", f->name);
    add_number(w, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", v->memory_mb);
    add(w, "AWS_LAMBDA_FUNCTION_VERSION", v->version);
    add(w, "AWS_LAMBDA_INITIALIZATION_TYPE", STR("on-demand"));
    add(w, "AWS_LAMBDA_LOG_GROUP_NAME",
        arena_strf(w->arena, "/aws/lambda/" STR_FMT, STR_ARG(f->name)));
    add(w, "AWS_LAMBDA_LOG_STREAM_NAME",
        arena_strf(w->arena, "[" STR_FMT "]%.32s", STR_ARG(v->version), stream));
    add(w, "AWS_LAMBDA_RUNTIME_API", arena_strf(w->arena, "127.0.0.1:%u", port));
    add(w, "AWS_ACCESS_KEY_ID", credentials->access_key_id);
    add(w, "AWS_SECRET_ACCESS_KEY", credentials->secret_access_key);
    add(w, "AWS_SESSION_TOKEN", credentials->session_token);
    add(w, "AWS_ENDPOINT_URL", told_hear(&s->endpoint));
    add(w, "AWS_EC2_METADATA_DISABLED", STR("true"));
    add(w, "LAMBDA_TASK_ROOT", folder);
    add(w, "LAMBDA_RUNTIME_DIR", bootstrap_of(folder, w->arena));
    add(w, "SESAME_FUNCTION_ARN", f->arn.text);
    add(w, "HOME", STR("/tmp"));
    add(w, "LANG", STR("C.UTF-8"));
    add(w, "TZ", STR(":UTC"));
    add(w, "PATH", STR("/usr/local/bin:/usr/bin:/bin:/opt/bin"));
    add(w, "LD_LIBRARY_PATH",
        arena_strf(w->arena, STR_FMT ":" STR_FMT "/lib:/opt/lib", STR_ARG(folder),
                   STR_ARG(folder)));
    if (node)
        add(w, "NODE_PATH",
            arena_strf(w->arena, STR_FMT "/../../node_modules:/opt/nodejs/node_modules",
                       STR_ARG(folder)));
    if (python) {
        add(w, "PYTHONDONTWRITEBYTECODE", STR("1"));
        add(w, "PYTHONUNBUFFERED", STR("1"));
    }
}

/* https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html: a processor for each 1,769 MB.
 * With less than two, V8's helpers only take turns with the handler, and waking them costs more than they do. */
enum { SECOND_PROCESSOR_MB = 2 * 1769 };

static size_t choose_arguments(const struct run *run, str folder, struct arena *arena,
                               str arguments[PACKET_ARGUMENTS_MAX])
{
    const struct function_version *v = run->version;
    if (str_starts(v->runtime, STR("nodejs"))) {
        size_t count = 0;
        arguments[count++] = STR("/usr/bin/node");
        arguments[count++] =
            arena_strf(arena, "--max-old-space-size=%lld", (long long)(v->memory_mb * 9 / 10));
        if (v->memory_mb < SECOND_PROCESSOR_MB)
            arguments[count++] = STR("--single-threaded-gc");
        arguments[count++] =
            arena_strf(arena, STR_FMT "/node.cjs", STR_ARG(bootstrap_of(folder, arena)));
        return count;
    }
    if (str_starts(v->runtime, STR("python"))) {
        arguments[0] = STR("/usr/bin/python3");
        arguments[1] =
            arena_strf(arena, STR_FMT "/python.py", STR_ARG(bootstrap_of(folder, arena)));
        return 2;
    }
    arguments[0] = STR("bootstrap");
    return 1;
}

static const struct fault *unpack(struct lambda_service *s, const struct run *run,
                                  struct arena *arena, str *folder)
{
    int zip;
    TRY(code_open(s, run->version->code_hash, arena, &zip));
    const struct fault *why = runner_unpack(s->runner, run->version->code_hash, zip, arena, folder);
    close(zip);
    return why;
}

static const struct fault *launch(struct lambda_service *s, const struct run *run,
                                  struct instance *i, const struct words *words, str folder,
                                  struct arena *arena)
{
    int runtime, output;
    str arguments[PACKET_ARGUMENTS_MAX];
    TRY(instance_pair(i, arena, &runtime, &output));
    struct runner_start start = { .slot = i->slot,
                                  .code_hash = run->version->code_hash,
                                  .memory_mb = (uint64_t)run->version->memory_mb,
                                  .arguments = arguments,
                                  .environment = words->list,
                                  .environment_count = words->count,
                                  .runtime = runtime,
                                  .output = output,
                                  .ended = i->ended };
    start.argument_count = choose_arguments(run, folder, arena, arguments);
    const struct fault *why = runner_start(s->runner, &start, arena, &i->pid);
    close(runtime);
    close(output);
    return why;
}

const struct fault *function_start(struct lambda_service *s, const struct call *call,
                                   const struct run *run, struct instance *i, int64_t *ret_until_ms)
{
    struct credentials credentials;
    struct clock *clock = s->outside->clock;
    struct words *words = ARENA_NEW(call->arena, struct words);
    unsigned port;
    str folder;
    if (!words)
        return &fault_no_memory;
    words->arena = call->arena;
    TRY(instance_listen(i, call->arena, &port));
    TRY(take_role(s, call, run, &credentials));
    TRY(unpack(s, run, call->arena, &folder));
    i->uid = s->first_uid ? s->first_uid + 1 + i->slot : getuid();
    add_variables(words, s, run, &credentials, port, folder);
    if (words->failed)
        return &fault_no_memory;
    TRY(launch(s, run, i, words, folder, call->arena));
    *ret_until_ms = clock->steady_ms(clock) + SESSION_MS - SESSION_SPARE_MS;
    return NULL;
}
