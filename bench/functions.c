/* functions - warm calls of a Node function through the embedded Lambda, in this process.
 *
 *   functions -c CALLERS -n PROCESSES -d SECONDS -f EVENT -b share/lambda     one JSON line out
 *
 * Each caller is a thread that invokes, waits for the answer and invokes again, as delivery workers
 * do: permission, pool, runtime API, log. */
#include "base/outside.h"
#include "services/lambda/lambda.h"
#include "services/world.h"

#include <archive.h>
#include <archive_entry.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static const char source[] = "exports.handler = async (event) => ({ disposition: 'CONTINUE', "
                             "id: event.Records[0].ses.mail.messageId });";

static struct {
    int callers, processes;
    double seconds;
    str event;
    const char *bootstrap;
    struct lambda_service *lambda;
    struct worlds *worlds;
    struct caller caller;
    str arn;
    _Atomic bool over;
} job = { .callers = 32, .processes = 2, .seconds = 2, .bootstrap = "share/lambda" };

static void must(const struct fault *why)
{
    if (!why)
        return;
    fprintf(stderr, STR_FMT "\n", STR_ARG(why->says));
    exit(1);
}

static void forget(struct journal *journal, enum journal_level level, str room, str event, str members)
{
    (void)journal, (void)level, (void)room, (void)event, (void)members;
}

/* ---- a role that everybody may take ---- */

static const struct fault *assume_role(struct sts_port *port, const struct call *call, str role_arn,
                                       str session_name, struct caller *ret_session)
{
    (void)port, (void)role_arn, (void)session_name;
    *ret_session = caller_root(call->caller->account);
    return NULL;
}

static const struct fault *issue(struct sts_port *port, const struct call *call, const struct caller *session,
                                 int64_t expires_ms, struct credentials *ret_credentials)
{
    (void)port, (void)call, (void)session;
    *ret_credentials = (struct credentials) { STR("ASIABENCH"), STR("secret"), STR("token"), expires_ms };
    return NULL;
}

/* ---- the stage ---- */

static str package(struct arena *arena)
{
    const size_t room = 64 * 1024;
    char *bytes = arena_alloc(arena, room, 1);
    size_t used = 0;
    struct archive *zip = archive_write_new();
    struct archive_entry *entry = archive_entry_new();
    archive_write_set_format_zip(zip);
    archive_write_open_memory(zip, bytes, room, &used);
    archive_entry_set_pathname(entry, "index.js");
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0644);
    archive_entry_set_size(entry, sizeof source - 1);
    archive_write_header(zip, entry);
    archive_write_data(zip, source, sizeof source - 1);
    archive_write_close(zip);
    archive_entry_free(entry);
    archive_write_free(zip);
    return (str) { bytes, used };
}

static struct call call_in(struct arena *arena, const struct world *world)
{
    return (struct call) { .caller = &job.caller,
                           .world = world,
                           .region = STR("us-east-1"),
                           .now_ms = clock_real()->wall_ms(clock_real()),
                           .arena = arena };
}

static void make_function(struct arena *arena)
{
    const struct world *world = worlds_now(job.worlds);
    const struct call call = call_in(arena, world);
    const struct function *f;
    const struct function_ref ref = { job.caller.account, STR("us-east-1"), STR("bench"), STR("") };
    const struct function_draft draft = { .runtime = STR("nodejs20.x"),
                                          .handler = STR("index.handler"),
                                          .role = STR("arn:aws:iam::111122223333:role/bench"),
                                          .description = STR_NONE,
                                          .dead_letter_arn = STR_NONE,
                                          .timeout_s = 10,
                                          .memory_mb = 256 };
    must(lambda_create(job.lambda, &call, &ref, &draft, NULL, 0, package(arena), &f));
    job.arn = f->arn.text;
    world_unref(world);
}

static void *call_on(void *count)
{
    struct arena *arena = arena_new(64 << 20);
    while (arena && !job.over) {
        struct invoked invoked;
        const struct world *world = worlds_now(job.worlds);
        const struct call call = call_in(arena, world);
        const struct invoke invoke = { .function_arn = job.arn,
                                       .type = INVOKE_REQUEST_RESPONSE,
                                       .payload = job.event,
                                       .request_id = STR_NONE };
        must(job.lambda->port.invoke(&job.lambda->port, &call, &invoke, &invoked));
        if (!str_starts(invoked.payload, STR("{\"disposition\":\"CONTINUE\"")))
            exit(3);
        world_unref(world);
        arena_reset(arena);
        ++*(long *)count;
    }
    arena_free(arena);
    return NULL;
}

static double run_callers(double seconds)
{
    pthread_t threads[job.callers];
    long counts[job.callers], sum = 0;
    struct timespec nap = { (time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9) };
    job.over = false;
    for (int i = 0; i < job.callers; i++) {
        counts[i] = 0;
        pthread_create(&threads[i], NULL, call_on, &counts[i]);
    }
    nanosleep(&nap, NULL);
    job.over = true;
    for (int i = 0; i < job.callers; i++) {
        pthread_join(threads[i], NULL);
        sum += counts[i];
    }
    return (double)sum / seconds;
}

int main(int argc, char **argv)
{
    static char event[1 << 20];
    char folder[] = "/tmp/functions-bench-XXXXXX";
    struct arena *arena = arena_new(256 << 20);
    struct runner *runner;
    struct state *state;
    for (int o; (o = getopt(argc, argv, "c:n:d:f:b:")) != -1;) {
        if (o == 'c')
            job.callers = atoi(optarg);
        else if (o == 'n')
            job.processes = atoi(optarg);
        else if (o == 'd')
            job.seconds = atof(optarg);
        else if (o == 'b')
            job.bootstrap = optarg;
        else if (o == 'f') {
            FILE *file = fopen(optarg, "r");
            job.event = (str) { event, file ? fread(event, 1, sizeof event, file) : 0 };
        } else
            return 2;
    }
    if (!arena || !job.event.len || job.callers < 1 || job.processes < 1 || !mkdtemp(folder))
        return 2;
    const struct runner_settings settings = {
        .slots = (unsigned)job.processes, .first_uid = 62000, .folder = "/var/tmp", .bootstrap = job.bootstrap
    };
    must(runner_fork(&settings, arena, &runner));
    struct journal journal = { forget };
    struct outside outside = { clock_real(), entropy_real(), &journal, disk_real() };
    struct sts_port sts = { assume_role, issue };
    const struct ports ports = { .sts = &sts };
    job.caller = caller_root(STR("111122223333"));
    must(state_sqlite_open(arena_strf(arena, "%s/state.sqlite", folder), &outside, arena, &state));
    must(worlds_open(state, &outside, arena, &job.worlds));
    const struct lambda_settings lambda = { .state = state,
                                            .worlds = job.worlds,
                                            .outside = &outside,
                                            .ports = &ports,
                                            .runner = runner,
                                            .directory = arena_strf(arena, "%s/functions", folder),
                                            .slots = (unsigned)job.processes,
                                            .first_uid = geteuid() == 0 ? 62000 : 0 };
    must(lambda_open(&lambda, arena, &job.lambda));
    told_say(&job.lambda->endpoint, STR("http://127.0.0.1:4566"));
    make_function(arena);
    run_callers(1); /* warm */
    printf("{\"calls_s\": %.1f}\n", run_callers(job.seconds));
    fflush(stdout);
    lambda_stop(job.lambda, 0);
    lambda_close(job.lambda);
    runner_close(runner);
    state->ops->close(state);
    worlds_close(job.worlds);
    execl("/bin/rm", "rm", "-rf", folder, (char *)NULL);
    return 1;
}
