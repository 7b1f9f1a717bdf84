/* main/assemble.c - which part stands on which: one list, in the order in which they are opened and closed, so it stays
 * whole. */
#include "main/assemble.h"

#include "api/pace.h"
#include "base/json.h"
#include "base/secret.h"
#include "main/bindable.h"
#include "main/confine.h"
#include "main/keeper.h"
#include "main/organizations.h"
#include "main/privileges.h"
#include "main/relay_login.h"
#include "main/reset.h"
#include "receive/outgoing.h"
#include "services/connect/connect.h"
#include "services/mishaps.h"
#include "services/sns/sns.h"
#include "services/sqs/remote.h"
#include "services/sqs/sqs.h"
#include "services/sts/sts.h"
#include "services/world.h"
#include "wire/tls.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SERIES_MAX = 10000 };

/* ---- settings made into values ---- */

static bool all_on_loopback(const struct config *c)
{
    for (size_t i = 0; i < c->smtp_count; i++) {
        if (!config_is_loopback(c->smtp[i].address))
            return false;
    }
    return config_is_loopback(c->api);
}

static bool is_ses(const struct config *c)
{
    return str_eq(c->compat, STR("ses"));
}

static str hostname_of(const struct config *c, str region, struct arena *a)
{
    if (c->hostname.ptr)
        return c->hostname;
    if (is_ses(c))
        return arena_strf(a, "inbound-smtp." STR_FMT ".amazonaws.com", STR_ARG(region));
    char name[256] = "";
    if (gethostname(name, sizeof name - 1) != 0 || !name[0])
        return STR("localhost");
    return arena_str(a, str_of(name));
}

static enum journal_level level_of(str word)
{
    static const struct {
        const char *word;
        enum journal_level level;
    } levels[] = { { "error", JOURNAL_ERROR },
                   { "warning", JOURNAL_WARNING },
                   { "info", JOURNAL_INFO } };
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
        if (str_eq(word, str_of(levels[i].word)))
            return levels[i].level;
    }
    return JOURNAL_DEBUG;
}

static str region_of(const struct config *c, const struct smtp_bind *bind)
{
    return bind->region.ptr ? bind->region : c->region;
}

/* ---- stores and services ---- */

static const struct fault *open_secrets(struct server *s)
{
    const struct config *c = s->config;
    if (str_is_none(s->root_key_file.path))
        TRY(root_key_file_inside(s->dir.path, s->outside.entropy, s->arena, &s->root_key,
                                 &s->root_key_file));
    root_key_derive(&s->root_key, STR("sesame X-SES-RECEIPT 1"), s->stamp.receipt_key);
    s->api.root_key_id = c->root_access_key_id;
    s->api.root_secret = c->root_secret_access_key;
    if (c->root_access_key_id.ptr)
        return NULL;
    s->root_key_made = true;
    return data_dir_root_credentials(&s->dir, s->outside.entropy, s->arena, &s->api.root_key_id,
                                     &s->api.root_secret);
}

/* Never in silence: under another key nothing that is wrapped could be read, and what is wrapped
 * from now on would be lost with it. */
static const struct fault *check_root_key(struct server *s)
{
    const struct fault *why = root_key_check(&s->root_key, s->state, s->arena);
    if (!why || why->kind != FAULT_CONFLICT)
        return why;
    root_key_file_take_back(&s->root_key_file, s->arena);
    return fault(s->arena, FAULT_CONFLICT, why,
                 STR_FMT " is not the root key of " STR_FMT ": name the right one with --root-key, "
                         "or put it back",
                 STR_ARG(s->root_key_file.path), STR_ARG(s->dir.path));
}

/* Nobody sets a retry later than this: the waits of the configuration, and an hour of a topic's delivery policy. */
static int64_t longest_wait_ms(const struct config *c)
{
    uint64_t longest = 60 * 60;
    for (size_t i = 0; i < c->retry_wait_count; i++)
        longest = c->retry_waits[i] > longest ? c->retry_waits[i] : longest;
    return (int64_t)longest * 1000;
}

static const struct fault *open_stores(struct server *s)
{
    const struct config *c = s->config;
    struct spool_limits limits = {
        .segment_bytes = c->spool_segment,
        .ahead_bytes = c->spool_ahead,
        .draft_bytes = c->spool_drafts,
        .history_bytes = c->history_max,
        .dead_bytes = c->dead_max,
        .dead_ms = (int64_t)c->dead_days * 24 * 60 * 60 * 1000,
        .wait_ms = longest_wait_ms(c),
    };
    TRY(state_sqlite_open(data_dir_at(&s->dir, s->arena, "state.sqlite"), &s->outside, s->arena,
                          &s->state));
    TRY(check_root_key(s));
    TRY(worlds_open(s->state, &s->outside, s->arena, &s->worlds));
    TRY(objects_files_open(data_dir_at(&s->dir, s->arena, "objects"), &s->outside, s->arena,
                           &s->objects));
    return spool_log_open(data_dir_at(&s->dir, s->arena, "spool"), &limits, &s->outside, s->arena,
                          &s->spool);
}

/* The embedded queues serve the API in every case; what SNS sends may go elsewhere. */
static const struct fault *open_sqs(struct server *s)
{
    const struct config *c = s->config;
    struct sqs_remote_settings remote = { .endpoint = c->sqs_endpoint,
                                          .access_key_id = c->sqs_access_key_id,
                                          .secret_access_key = c->sqs_secret_access_key,
                                          .outside = &s->outside };
    TRY(sqs_embedded_open(data_dir_at(&s->dir, s->arena, "queues.sqlite"), s->state, s->worlds,
                          &s->outside, s->arena, &s->sqs));
    s->ports.sqs = &s->sqs->port;
    return c->sqs_endpoint.ptr ? sqs_remote_open(&remote, s->arena, &s->ports.sqs) : NULL;
}

static const struct fault *open_sns(struct server *s)
{
    const struct config *c = s->config;
    struct sns_settings settings = {
        .spool = s->spool,
        .state = s->state,
        .worlds = s->worlds,
        .outside = &s->outside,
        .ports = &s->ports,
        .rehearsal_ports = &s->rehearsal_ports,
        .directory = data_dir_at(&s->dir, s->arena, "sns"),
        .private_targets =
            c->sns_targets.ptr ? str_eq(c->sns_targets, STR("any")) : all_on_loopback(c),
    };
    TRY(sns_embedded_open(&settings, s->arena, &s->sns));
    s->ports.sns = &s->sns->port;
    s->rehearsal_ports.sns = &s->sns->rehearsal.port;
    return NULL;
}

/* Who listens everywhere is reached by name. */
static str public_url(const struct server *s)
{
    const struct config *c = s->config;
    str address = api_server_address(s->api_server);
    bool everywhere = str_starts(address, STR("0.0.0.0:")) || str_starts(address, STR("[::]:"));
    size_t colon = address.len;
    while (colon > 0 && address.ptr[colon - 1] != ':')
        colon--;
    if (c->public_url.ptr)
        return c->public_url;
    return everywhere ? arena_strf(s->arena, "http://" STR_FMT ":" STR_FMT,
                                   STR_ARG(hostname_of(c, c->region, s->arena)),
                                   STR_ARG(str_from(address, colon)))
                      : arena_strf(s->arena, "http://" STR_FMT, STR_ARG(address));
}

/* share/lambda beside build/ or bin/, or where a package puts it. */
static const char *bootstraps_of(const struct config *c, struct arena *a)
{
    static const char *const places[] = { "../share/lambda", "../share/sesame/lambda" };
    char self[4096];
    if (c->function_bootstraps.len)
        return arena_cstr(a, c->function_bootstraps);
    ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
    while (len > 0 && self[len - 1] != '/')
        len--;
    for (size_t i = 0; len > 0 && i < sizeof places / sizeof places[0]; i++) {
        const char *path = arena_cstr(a, arena_strf(a, "%.*s%s", (int)len, self, places[i]));
        if (path && access(path, R_OK) == 0)
            return path;
    }
    return "/usr/share/sesame/lambda";
}

static unsigned cores(void)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return cores > 0 ? (unsigned)cores : 1;
}

static unsigned function_processes(const struct config *c)
{
    enum { A_CORE = 4 };
    return c->function_processes ? (unsigned)c->function_processes : A_CORE * cores();
}

/* Before there are threads, and while we are who we were started as. */
static const struct fault *fork_runner(struct server *s)
{
    const struct config *c = s->config;
    const struct runner_settings settings = {
        .slots = function_processes(c),
        .first_uid = (unsigned)c->function_uid,
        .folder = arena_cstr(s->arena, c->function_folder),
        .modules = c->function_modules.len ? arena_cstr(s->arena, c->function_modules) : NULL,
        .bootstrap = bootstraps_of(c, s->arena),
    };
    return settings.folder ? runner_fork(&settings, s->arena, &s->runner) : &fault_no_memory;
}

static const struct fault *open_lambda(struct server *s)
{
    const struct lambda_settings settings = {
        .state = s->state,
        .worlds = s->worlds,
        .outside = &s->outside,
        .spool = s->spool,
        .ports = &s->ports,
        .runner = s->runner,
        .directory = data_dir_at(&s->dir, s->arena, "functions"),
        .slots = function_processes(s->config),
        .first_uid = s->started_as_root ? (unsigned)s->config->function_uid : 0,
    };
    TRY(lambda_open(&settings, s->arena, &s->lambda));
    s->ports.lambda = &s->lambda->port;
    return NULL;
}

static struct retry_waits waits_of(const struct config *c)
{
    struct retry_waits waits = { .count = c->retry_wait_count };
    for (size_t i = 0; i < waits.count; i++)
        waits.ms[i] = (int64_t)c->retry_waits[i] * 1000;
    return waits;
}

static const struct fault *open_mailer(struct server *s)
{
    const struct config *c = s->config;
    TRY(way_out_open(&s->way_out, c, hostname_of(c, c->region, s->arena), all_on_loopback(c),
                     &s->outside, s->arena));
    s->ports.mailer = s->way_out.mailer;
    s->rehearsal_ports.mailer = s->ports.mailer; /* asked only if it is there */
    const struct outgoing_way way = { s->spool, s->ports.mailer, s->outside.entropy };
    const struct outgoing_manner manner = { hostname_of(c, c->region, s->arena), &s->waits };
    s->outgoing_runner = outgoing_runner_new(&way, &manner, s->arena);
    return s->outgoing_runner ? NULL : &fault_no_memory;
}

static const struct fault *open_services(struct server *s)
{
    TRY(mishaps_open(s->arena, &s->ports.mishaps));
    s->waits = waits_of(s->config);
    s->may_fail = s->config->allow_faults || all_on_loopback(s->config);
    TRY(s3_embedded_open(s->objects, s->state, s->worlds, &s->outside, s->arena, &s->s3));
    TRY(kms_embedded_open(s->state, s->worlds, &s->outside, &s->root_key, s->arena, &s->kms));
    s->ports.s3 = &s->s3->port;
    root_key_derive(&s->root_key, STR("s3 1"), s->s3->seal_key);
    s->ports.kms = s->s3->kms = &s->kms->port;
    s->s3->rehearsal_kms = &s->kms->rehearsal.port;
    vault_open(&s->vault, &s->root_key, s->outside.entropy);
    s->sts = sts_embedded_open(&s->root_key, &s->outside, s->arena);
    if (!s->sts)
        return &fault_no_memory;
    s->ports.sts = &s->sts->port;
    s->rehearsal_ports = (struct ports) { .s3 = &s->s3->rehearsal.port,
                                          .kms = &s->kms->rehearsal.port,
                                          .sts = s->ports.sts };
    TRY(open_sqs(s));
    TRY(open_sns(s));
    TRY(open_lambda(s));
    s->rehearsal_ports.lambda = &s->lambda->rehearsal.port;
    TRY(open_mailer(s));
    TRY(connect_open(s->config->connect_hook, s->arena, &s->connect));
    s->ports.connect = &s->connect->port;
    s->rehearsal_ports.connect = &s->connect->rehearsal.port;
    TRY(organizations_open(s->config, hostname_of(s->config, s->config->region, s->arena), &s->outside,
                           s->arena, &s->ports.workmail));
    s->rehearsal_ports.workmail = s->ports.workmail; /* asked only whether it is there */
    TRY(setup_open(&s->ports, &s->rehearsal_ports, &s->outside, s->metrics, s->arena, &s->setup));
    /* Unless the operator gave a name, Received says SES's own, of the region the mail came in for:
     * own words stand by default only in the banner (ses-receiving spec 7.2, U20). */
    s->stamp.hostname = s->config->hostname;
    TRY(shares_open(s->spool, (unsigned)s->config->workers, s->outside.entropy, s->arena,
                    &s->delivery.shares));
    s->delivery = (struct delivery) {
        .shares = s->delivery.shares,
        .spool = s->spool,
        .ports = &s->ports,
        .outside = &s->outside,
        .metrics = s->metrics,
        .stamp = &s->stamp,
        .worlds = s->worlds,
        .now = worlds_now,
        .waits = &s->waits,
        .oversize_silent = str_eq(s->config->oversize_bounce, STR("no")),
        .runners = {
            [SPOOL_NOTIFICATION] = &s->sns->runner.runner,
            [SPOOL_INVOCATION] = &s->lambda->errands.runner,
            [SPOOL_OUTGOING] = s->outgoing_runner,
        },
    };
    return NULL;
}

/* ---- faces ---- */

static const struct fault *make_listener(struct server *s, const struct smtp_bind *bind,
                                         struct smtp_listener *listener)
{
    const struct config *c = s->config;
    const struct handed handed = handover_take(&s->before, HANDED_SMTP, bind->address);
    str region = region_of(c, bind);
    struct gate gate = {
        .worlds = s->worlds,
        .outside = &s->outside,
        .region = region,
        .now = worlds_now,
        .block_lists = s->block_lists,
        .bounce_in_session = str_eq(c->bounce, STR("in-session")),
    };
    struct smtp_gatekeeper *keeper = keeper_new(&gate, s->arena);
    if (!keeper)
        return &fault_no_memory;
    *listener = (struct smtp_listener){
        .region = region,
        .address = bind->address,
        .gatekeeper = keeper,
        .settings = {
            .limits = { .line_max = c->line_max, .rcpt_max = c->rcpt_max, .message_max = c->message_max,
                        .errors_max = (unsigned)c->errors_max, .commands_max = (unsigned)c->commands_max },
            .hostname = hostname_of(c, region, s->arena),
            .compat_ses = is_ses(c),
            .offer_tls = true,
        },
        .listening = handed.fds,
        .listening_count = handed.count,
    };
    return NULL;
}

enum { PER_ADDRESS_ON_THE_NET = 20 };

static const struct fault *open_tls(struct server *s)
{
    const struct config *c = s->config;
    struct tls_settings tls = { .hostname = hostname_of(c, c->region, s->arena),
                                .cert_file = c->tls_cert,
                                .key_file = c->tls_key,
                                .directory = data_dir_at(&s->dir, s->arena, "tls") };
    return tls_server_open(&tls, s->arena, &s->tls);
}

static const struct fault *start_smtp(struct server *s)
{
    const struct config *c = s->config;
    struct smtp_listener *listeners = ARENA_ARRAY(s->arena, struct smtp_listener, c->smtp_count);
    if (!listeners)
        return &fault_no_memory;
    for (size_t i = 0; i < c->smtp_count; i++)
        TRY(make_listener(s, &c->smtp[i], &listeners[i]));
    uint64_t per_address = c->connections_per_address;
    if (per_address == NUMBER_UNSET)
        per_address = all_on_loopback(c) ? 0 : PER_ADDRESS_ON_THE_NET;
    struct smtp_server_settings settings = {
        .listeners = listeners,
        .listener_count = c->smtp_count,
        .loops = (unsigned)c->loops,
        .tls = s->tls,
        .connections_max = s->descriptors.sessions,
        .connections_per_address = per_address,
        .crowded_after_ms = (int64_t)c->crowded_after * 1000,
        .command_timeout_ms = (int64_t)c->command_timeout * 1000,
        .message_timeout_ms = (int64_t)c->message_timeout * 1000,
        .spool = s->spool,
        .outside = &s->outside,
        .metrics = s->metrics,
        .refusals = s->refusals,
    };
    return smtp_server_start(&settings, s->arena, &s->smtp_server);
}

/* How a process of this machine reaches the API. By address, since SDKs then use path style for S3. */
static str endpoint_within(str address, struct arena *a)
{
    size_t colon = address.len;
    while (colon && address.ptr[colon - 1] != ':')
        colon--;
    str host = colon ? str_head(address, colon - 1) : address;
    if (str_eq(host, STR("0.0.0.0")) || str_eq(host, STR("localhost")))
        host = STR("127.0.0.1");
    else if (str_eq(host, STR("[::]")))
        host = STR("[::1]");
    return arena_strf(a, "http://" STR_FMT ":" STR_FMT, STR_ARG(host), STR_ARG(str_from(address, colon)));
}

static const struct fault *start_api(struct server *s)
{
    const struct config *c = s->config;
    s->verify_auto =
        c->verify_identities.ptr ? str_eq(c->verify_identities, STR("auto")) : all_on_loopback(c);
    s->api.outside = &s->outside;
    s->api.metrics = s->metrics;
    s->api.state = s->state;
    s->api.worlds = s->worlds;
    s->api.lambda = s->lambda;
    s->api.s3 = s->s3;
    s->api.kms = s->kms;
    s->api.setup = s->setup;
    s->api.sts = s->sts;
    s->api.sns = s->sns;
    s->api.sqs = s->sqs;
    s->api.vault = &s->vault;
    s->api.spool = s->spool;
    s->api.mishaps = s->ports.mishaps;
    s->api.mailer = s->ports.mailer;
    s->api.hostname = c->hostname;
    s->api.mail_domain = is_ses(c) ? STR_NONE : hostname_of(c, c->region, s->arena);
    s->api.root_account = c->account;
    s->api.default_region = c->region;
    s->api.verify_identities_auto = s->verify_auto;
    if (c->ses_call_rate) {
        s->api.pace = pace_new(s->arena, c->ses_call_rate);
        if (!s->api.pace)
            return &fault_no_memory;
    }
    const struct handed handed = handover_take(&s->before, HANDED_API, c->api);
    struct api_server_settings settings = { .api = &s->api,
                                            .address = c->api,
                                            .listening = handed.count ? handed.fds[0] : 0,
                                            .connections = (unsigned)s->descriptors.api,
                                            .workers = (unsigned)c->api_workers + SQS_POLLS_MAX +
                                                       API_INVOCATIONS_MAX,
                                            .own_pages = pages_answer,
                                            .own_context = s };
    TRY(api_server_start(&settings, s->arena, &s->api_server));
    sns_tell_url(s->sns, public_url(s));
    str within = endpoint_within(api_server_address(s->api_server), s->arena);
    told_say(&s->lambda->endpoint, within);
    return within.ptr ? NULL : &fault_no_memory;
}

/* ---- in order ---- */

static const struct fault *share_descriptors(struct server *s)
{
    const struct config *c = s->config;
    size_t limit;
    TRY(descriptors_raise(s->arena, &limit));
    s->descriptors = descriptors_share(limit, c, c->loops ? (unsigned)c->loops : cores(), function_processes(c));
    descriptors_note(&s->descriptors, c, s->outside.journal);
    return NULL;
}

/* Those that were handed over are ours. */
static const struct fault *check_addresses(const struct server *s)
{
    const struct config *c = s->config;
    struct arena *a = s->arena;
    if (s->before.given)
        return NULL;
    TRY(bindable(c->api, a));
    for (size_t i = 0; i < c->smtp_count; i++)
        TRY(bindable(c->smtp[i].address, a));
    return NULL;
}

static const struct fault *open_all(struct server *s)
{
    struct privileges privileges;
    TRY(share_descriptors(s));
    TRY(privileges_of(s->config->user, s->arena, &privileges));
    if (s->config->block_list.ptr)
        TRY(block_lists_open(s->config->block_list, s->outside.disk, s->arena, &s->block_lists));
    TRY(relay_login_read(s->config, getenv("CREDENTIALS_DIRECTORY"), s->arena, &s->way_out.login));
    TRY(data_dir_open(s->config->data, s->before.lock, s->arena, &s->dir));
    TRY(reset_check(s, privileges.changes, s->arena));
    TRY(reset_finish(s));
    TRY(fork_runner(s));
    umask(077); /* what lies in it is nobody else's business */
    TRY(check_addresses(s));
    TRY(root_key_file_outside(s->config->root_key, getenv("CREDENTIALS_DIRECTORY"),
                              s->outside.entropy, s->arena, &s->root_key, &s->root_key_file));
    struct confined confined = { .files = confine_files(s->config, s->dir.path, &s->root_key_file, s->arena) };
    confined.capabilities = s->config->allow_reset     ? SANDBOX_UNKNOWN
                            : privileges_shrink(&privileges) ? SANDBOX_HELD
                                                             : SANDBOX_FAILED;
    journal_to_fd_gather(s->outside.journal);
    TRY(privileges_give(&privileges, s->dir.path, s->arena));
    TRY(privileges_give(&privileges, data_dir_at(&s->dir, s->arena, "lock"), s->arena));
    TRY(privileges_lower(&privileges, s->arena));
    TRY(open_secrets(s));
    TRY(open_stores(s));
    TRY(open_services(s));
    if (s->config->demo)
        TRY(demo_prepare(s));
    bool own_pair =
        s->config->tls_cert.ptr != NULL; /* a key that root alone may read; ours is the user's */
    if (!own_pair)
        TRY(open_tls(s));
    TRY(privileges_raise(&privileges, s->arena));
    if (own_pair)
        TRY(open_tls(s));
    TRY(start_api(s));
    TRY(start_smtp(s));
    for (size_t i = 0; i < s->config->smtp_count; i++)
        way_out_listens(&s->way_out, smtp_server_address(s->smtp_server, i));
    handover_close_rest(&s->before);
    TRY(privileges_drop(&privileges, s->arena));
    confined.left = privileges_left(s->arena); /* capget is among the calls that go */
    confined.calls = confine_calls(s->config);
    confined_note(&confined, s->config, s->outside.journal);
    /* Last: what lies in the spool may call functions, and they want to know where the API is. */
    return deliverers_start(&s->delivery, (unsigned)s->config->workers, s->arena, &s->deliverers);
}

const struct fault *server_open(const struct config *config, const struct handover *before,
                                struct arena *a, struct server **ret_server)
{
    privileges_no_dumps();
    struct server *s = secret_new(a, sizeof *s); /* it holds the root key */
    if (!s)
        return &fault_no_memory;
    s->config = config;
    s->before = *before;
    s->arena = a;
    s->outside =
        (struct outside) { .clock = clock_real(), .entropy = entropy_real(), .disk = disk_real() };
    s->outside.journal =
        journal_to_fd(STDERR_FILENO, s->outside.clock, level_of(config->log_level));
    s->metrics = metrics_new(SERIES_MAX);
    s->refusals =
        refusals_new((size_t)config->refused_kept, config->refused_rate, s->outside.clock);
    if (!s->metrics || !s->refusals)
        return &fault_no_memory;
    s->started_as_root = geteuid() == 0;
    const struct fault *f = open_all(s);
    if (f) {
        server_close(s, s->outside.clock->steady_ms(s->outside.clock) + 1000);
        return f;
    }
    s->serving = true;
    *ret_server = s;
    return NULL;
}

bool server_close(struct server *s, int64_t deadline_ms)
{
    s->ending = true;
    if (s->spool) /* no step begins any more; those that run go on while open transactions end */
        s->spool->ops->stop(s->spool);
    if (s->smtp_server)
        smtp_server_drain(s->smtp_server, deadline_ms);
    if (s->sns && !s->api_server) /* the start failed: nobody shall wait for where it would have been */
        sns_tell_url(s->sns, STR(""));
    sqs_embedded_stop(s->sqs);
    bool ended = !s->deliverers || deliverers_stop(s->deliverers, deadline_ms);
    if (s->lambda)
        lambda_stop(s->lambda, deadline_ms);
    if (s->smtp_server)
        smtp_server_stop(s->smtp_server);
    if (s->api_server)
        api_server_stop(s->api_server);
    if (!ended) /* a step still runs and uses what follows; the process ends now, the message is
                   queued */
        return false;
    sns_embedded_close(s->sns);
    lambda_close(s->lambda);
    runner_close(s->runner);
    sqs_embedded_close(s->sqs);
    if (s->spool)
        s->spool->ops->close(s->spool);
    shares_close(s->delivery.shares);
    if (s->objects)
        s->objects->ops->close(s->objects);
    if (s->worlds)
        worlds_close(s->worlds);
    if (s->state)
        s->state->ops->close(s->state);
    setup_close(s->setup);
    mishaps_close(s->ports.mishaps);
    way_out_close(&s->way_out);
    tls_server_free(s->tls);
    refusals_free(s->refusals);
    block_lists_close(s->block_lists);
    metrics_free(s->metrics);
    vault_close(&s->vault);
    data_dir_close(&s->dir);
    if (s->serving)
        s->outside.journal->note(s->outside.journal, JOURNAL_INFO, STR("main"), STR("ended"),
                                 STR(""));
    journal_to_fd_free(s->outside.journal);
    return true;
}

str server_ready_line(const struct server *s, struct arena *a)
{
    AUTO_BUF line = buf_new(1 << 16);
    struct json_writer w = json_writer(&line);
    json_open(&w, '{');
    json_add_str(&w, "event", STR("ready"));
    json_name(&w, STR("smtp"));
    json_open(&w, '[');
    for (size_t i = 0; i < s->config->smtp_count; i++)
        json_put_str(&w, smtp_server_address(s->smtp_server, i));
    json_close(&w, ']');
    json_add_str(&w, "api",
                 arena_strf(a, "http://" STR_FMT, STR_ARG(api_server_address(s->api_server))));
    json_add_int(&w, "pid", getpid());
    json_close(&w, '}');
    buf_addc(&line, '\n');
    return line.failed ? STR_NONE : arena_str(a, buf_str(&line));
}
