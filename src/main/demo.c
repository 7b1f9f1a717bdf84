/* main/demo.c - the first ten minutes: a domain, a bucket, a policy, a rule, and what to type. */
#include "main/assemble.h"

#include "services/account.h"
#include "services/ses/identities.h"
#include "services/ses/rule_sets.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* The statement of the page "Giving permissions to Amazon SES for email receiving", its
 * placeholders filled. */
static const char policy_text[] =
    "{ \"Version\":\"2012-10-17\", \"Statement\":[ { \"Sid\":\"AllowSESPuts\", "
    "\"Effect\":\"Allow\","
    " \"Principal\":{ \"Service\":\"ses.amazonaws.com\" }, \"Action\":\"s3:PutObject\","
    " \"Resource\":\"arn:aws:s3:::demo-mail/*\", \"Condition\":{ \"StringEquals\":{"
    " \"AWS:SourceAccount\":\"" STR_FMT "\", \"AWS:SourceArn\":\"" STR_FMT "\" } } } ] }";

static str demo_region(const struct server *s)
{
    return s->config->smtp[0].region.ptr ? s->config->smtp[0].region : s->config->region;
}

struct demo {
    struct server *server;
    struct caller root;
    str region;
    struct arena *arena;
};

/* Each step sees what the one before it made. */
typedef const struct fault *demo_step(struct demo *, const struct call *);

static const struct fault *begin_account(struct demo *d, const struct call *call)
{
    return account_begin(d->server->state, call);
}

static const struct fault *make_domain(struct demo *d, const struct call *call)
{
    str token;
    return identity_verify_domain(d->server->state, call, d->server->outside.entropy,
                                  STR("example.com"), true, &token);
}

static const struct fault *make_bucket(struct demo *d, const struct call *call)
{
    return s3_create_bucket(d->server->s3, call, STR("demo-mail"),
                            str_eq(d->region, STR("us-east-1")) ? STR_NONE : d->region);
}

static const struct fault *make_policy(struct demo *d, const struct call *call)
{
    str arn = receipt_rule_arn(d->arena, d->region, d->root.account, STR("demo"), STR("store"));
    str text = arena_strf(d->arena, policy_text, STR_ARG(d->root.account), STR_ARG(arn));
    return text.ptr ? s3_put_bucket_policy(d->server->s3, call, STR("demo-mail"), text)
                    : &fault_no_memory;
}

static const struct fault *make_rule_set(struct demo *d, const struct call *call)
{
    return rule_set_create(d->server->state, call, STR("demo"));
}

static const struct fault *make_rule(struct demo *d, const struct call *call)
{
    static const str recipients[] = { STR_INIT("example.com") };
    static const struct action action = { .kind = ACTION_S3,
                                          .s3 = { .bucket_name = STR_INIT("demo-mail") } };
    static const struct receipt_rule rule = { .name = STR_INIT("store"),
                                              .enabled = true,
                                              .recipients = recipients,
                                              .recipient_count = 1,
                                              .actions = &action,
                                              .action_count = 1 };
    return rule_create(d->server->state, call, STR("demo"), STR_NONE, &rule, NULL);
}

static const struct fault *activate(struct demo *d, const struct call *call)
{
    return rule_set_activate(d->server->state, call, STR("demo"));
}

static demo_step *const steps[] = {
    begin_account, make_domain, make_bucket, make_policy, make_rule_set, make_rule, activate,
};

static const struct fault *is_empty(struct server *s, bool *ret_empty)
{
    struct record *records;
    size_t count;
    TRY(s->state->ops->list(s->state, STR(""), STR(""), 2, s->arena, &records, &count));
    *ret_empty = true;
    for (size_t i = 0; i < count; i++)
        *ret_empty = *ret_empty && str_eq(records[i].key, ROOT_KEY_CHECK);
    return NULL;
}

const struct fault *demo_prepare(struct server *s)
{
    bool empty;
    TRY(is_empty(s, &empty));
    if (!empty)
        return NULL;
    struct demo d = { .server = s,
                      .root = caller_root(s->config->account),
                      .region = demo_region(s),
                      .arena = s->arena };
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        const struct world *world = worlds_now(s->worlds);
        struct call call = { .caller = &d.root,
                             .world = world,
                             .region = d.region,
                             .now_ms = s->outside.clock->wall_ms(s->outside.clock),
                             .arena = s->arena };
        const struct fault *f = steps[i](&d, &call);
        if (f)
            f = fault_keep(s->arena, f); /* a denial would outlive its world */
        world_unref(world);
        TRY(f);
    }
    s->demo_prepared = true;
    return NULL;
}

/* ---- for a person ---- */

/* Where a client on this machine reaches an address that may be a wildcard. */
static void reachable(str address, char *host, size_t host_size, char *port, size_t port_size)
{
    size_t colon = address.len;
    while (colon && address.ptr[colon - 1] != ':')
        colon--;
    str name = str_head(address, colon ? colon - 1 : 0);
    snprintf(port, port_size, STR_FMT, STR_ARG(str_from(address, colon)));
    if (str_eq(name, STR("0.0.0.0")))
        name = STR("127.0.0.1");
    if (str_eq(name, STR("[::]")))
        name = STR("[::1]");
    snprintf(host, host_size, STR_FMT, STR_ARG(name));
}

/* A word for the shell, whatever is in it. */
static void quote(struct buf *out, str word)
{
    buf_addc(out, '\'');
    for (size_t i = 0; i < word.len; i++) {
        if (word.ptr[i] == '\'')
            buf_add(out, STR("'\\''"));
        else
            buf_addc(out, word.ptr[i]);
    }
    buf_addc(out, '\'');
}

static bool is_on_path(const char *program)
{
    const char *path = getenv("PATH");
    for (str rest = str_of(path ? path : ""), folder; rest.len;) {
        char name[4096];
        str_cut(rest, ':', &folder, &rest);
        int len = snprintf(name, sizeof name, STR_FMT "/%s", STR_ARG(folder), program);
        if (len > 0 && (size_t)len < sizeof name && access(name, X_OK) == 0)
            return true;
    }
    return false;
}

/* The two programs of the lines below; Debian has both. */
static void print_missing(struct buf *out)
{
    bool swaks = is_on_path("swaks"), aws = is_on_path("aws");
    if (swaks && aws)
        return;
    buf_addf(out,
             "\nNot on this machine yet, and used below:\n\n  %sapt-get install -y "
             "--no-install-recommends%s%s\n",
             geteuid() == 0 ? "" : "sudo ", swaks ? "" : " swaks", aws ? "" : " awscli");
}

/* Credentials of the real AWS that the terminal may have would come before the file. */
static void print_credentials(const struct server *s, struct buf *out)
{
    if (s->root_key_made) {
        buf_add(out, STR("  unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN"
                         " AWS_PROFILE\n"
                         "  export AWS_SHARED_CREDENTIALS_FILE="));
        quote(out, data_dir_at(&s->dir, s->arena, "root-credentials"));
    } else {
        buf_add(out, STR("  export AWS_ACCESS_KEY_ID=\"$SESAME_ROOT_ACCESS_KEY_ID\""
                         " AWS_SECRET_ACCESS_KEY=\"$SESAME_ROOT_SECRET_ACCESS_KEY\""));
    }
    buf_addf(out, " AWS_DEFAULT_REGION=" STR_FMT "\n", STR_ARG(demo_region(s)));
}

static void print_lines(const struct server *s, struct buf *out)
{
    char host[128], port[16], api_host[128], api_port[16], url[192];
    reachable(smtp_server_address(s->smtp_server, 0), host, sizeof host, port, sizeof port);
    reachable(api_server_address(s->api_server), api_host, sizeof api_host, api_port,
              sizeof api_port);
    snprintf(url, sizeof url, "http://%s:%s", api_host, api_port);
    str swaks_host = str_of(host);
    if (swaks_host.len > 2 && swaks_host.ptr[0] == '[') /* swaks wants an IPv6 address bare */
        swaks_host = (str) { swaks_host.ptr + 1, swaks_host.len - 2 };
    print_missing(out);
    buf_add(out, STR("\nSend a first mail to the demo domain example.com:\n\n"));
    buf_addf(out,
             "  swaks --server " STR_FMT " --port %s --from me@sender.example --to you@example.com"
             " --header 'Subject: first mail' --body 'Hello, bucket.'\n",
             STR_ARG(swaks_host), port);
    buf_add(out, STR("\nIt lies in the bucket demo-mail. List it, and read the newest:\n\n"));
    print_credentials(s, out);
    buf_addf(out, "  aws --endpoint-url %s s3 ls s3://demo-mail/\n", url);
    buf_addf(out,
             "  aws --endpoint-url %s s3 cp \"s3://demo-mail/$(aws --endpoint-url %s s3 ls "
             "s3://demo-mail/"
             " | sort | tail -n 1 | awk '{print $4}')\" -\n\n",
             url, url);
}

void demo_print(const struct server *s)
{
    AUTO_BUF text = buf_new(1 << 16);
    const struct world *world = worlds_now(s->worlds);
    bool there = bucket_find(world, STR("demo-mail")) != NULL;
    world_unref(world);
    if (there)
        print_lines(s, &text);
    else
        buf_add(&text, STR("The data directory is in use, so --demo changed nothing.\n"));
    ssize_t wrote = write(STDERR_FILENO, text.ptr, text.len); /* in one piece, between log lines */
    (void)wrote;
}
