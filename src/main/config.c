/* main/config.c - the table of settings, and the three places they are read from. One concept, and most of it the table,
 * so it stays whole. */
#include "main/config.h"

#include "aws/arn.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum kind {
    KIND_TEXT,
    KIND_ADDRESS, /* host:port */
    KIND_SMTP,    /* [REGION=]host:port, several */
    KIND_LIST,    /* several, joined by commas */
    KIND_WORKMAIL, /* ORGANIZATION=lmtp://... or =maildir:..., several */
    KIND_ACCOUNT,
    KIND_REGION,
    KIND_WAITS, /* seconds, several */
    KIND_WORD, /* one of `words` */
    KIND_NUMBER,
    KIND_SWITCH,
    KIND_SECRET, /* text; in no file that others may read */
};

struct setting {
    const char *name;
    enum kind kind;
    size_t at; /* where in struct config */
    unsigned commands;
    const char *otherwise, *argument, *help;
    uint64_t least, most;
    const char *words; /* separated by blanks */
    bool no_flag;      /* a secret: other users can read a command line */
    bool value_optional; /* as a flag it may stand alone: the empty text */
};
#define AT(member) offsetof(struct config, member)
#define FOR_CLIENT (FOR_ASK | FOR_POLICY | FOR_EXPLAIN | FOR_LOGS | FOR_LOG)
#define FOR_ANY    (FOR_SERVE | FOR_CLIENT | FOR_CHECK | FOR_DECRYPT | FOR_SEND | FOR_OBJECTS)
#define MB         (1024 * 1024ULL)

/* clang-format off */
static const struct setting settings[] = {
  /* name                       kind          where                        command              default             argument               help */
  { "data",                     KIND_TEXT,    AT(data),                    FOR_SERVE | FOR_CLIENT | FOR_DECRYPT | FOR_SEND | FOR_OBJECTS, "./sesame-data",    "DIR",                 "where everything lies" },
  { "config",                   KIND_TEXT,    AT(config_file),             FOR_ANY,             NULL,               "FILE",                "lines of `name = value`; # begins a comment" },
  { "smtp",                     KIND_SMTP,    AT(smtp),                    FOR_SERVE,           "127.0.0.1:2525",   "[REGION=]ADDR:PORT",  "receive mail here, for one region; may be given again; port 0: a free one" },
  { "api",                      KIND_ADDRESS, AT(api),                     FOR_SERVE,           "127.0.0.1:4566",   "ADDR:PORT",           "the AWS endpoint, for every service and region" },
  { "api",                      KIND_TEXT,    AT(api),                     FOR_CLIENT | FOR_DECRYPT, NULL,          "URL",                 "the server to ask; otherwise the one that serves DIR" },
  { "kms-api",                  KIND_TEXT,    AT(kms_api),                 FOR_DECRYPT,         NULL,               "URL",                 "where KMS is asked; otherwise where the object is" },
  { "metadata",                 KIND_TEXT,    AT(metadata),                FOR_DECRYPT,         NULL,               "FILE",                "the object's metadata, as `aws s3api head-object` prints it; for an object in a file" },
  { "output",                   KIND_TEXT,    AT(output),                  FOR_DECRYPT,         NULL,               "FILE",                "where the message goes, a new file; otherwise standard output" },
  { "output",                   KIND_TEXT,    AT(output),                  FOR_OBJECTS,         NULL,               "DIR",                 "write them there as files, DIR/BUCKET/KEY; otherwise they are listed" },
  { "without-index",            KIND_SWITCH,  AT(without_index),           FOR_OBJECTS,         NULL,               NULL,                  "look into the packs themselves, where the index is lost; what was removed a moment ago can be among it" },
  { "region",                   KIND_REGION,  AT(region),                  FOR_DECRYPT,         NULL,               "NAME",                "of bucket and key; otherwise AWS_REGION, AWS_DEFAULT_REGION, or the key's" },
  { "message",                  KIND_TEXT,    AT(message),                 FOR_ASK,             NULL,               "ID",                  "the message meant" },
  { "account",                  KIND_ACCOUNT, AT(account),                 FOR_EXPLAIN,         NULL,               "ID",                  "whose rule; otherwise the server's" },
  { "region",                   KIND_REGION,  AT(region),                  FOR_EXPLAIN,         NULL,               "NAME",                "where its rule set is; otherwise the server's" },
  { "account",                  KIND_ACCOUNT, AT(account),                 FOR_LOGS,            NULL,               "ID",                  "whose function; otherwise the server's" },
  { "region",                   KIND_REGION,  AT(region),                  FOR_LOGS,            NULL,               "NAME",                "where it is; otherwise the server's" },
  { "account",                  KIND_ACCOUNT, AT(account),                 FOR_LOG,             NULL,               "ID",                  "only what this account's filters and rules refused" },
  { "address",                  KIND_TEXT,    AT(address),                 FOR_LOG,             NULL,               "ADDRESS",             "only of this peer or network of peers; or to or from this mailbox or domain" },
  { "limit",                    KIND_NUMBER,  AT(limit),                   FOR_LOG,             "100",              "N",                   "at most so many, the newest",                                            1, 1000 },
  { "follow",                   KIND_SWITCH,  AT(follow),                  FOR_LOG,             NULL,               NULL,                  "go on with those that come, until told to end" },
  { "request",                  KIND_TEXT,    AT(request),                 FOR_EXPLAIN,         NULL,               "FILE",                "a request in the words of the vectors, a whole line of them, or a file of such lines; no server is asked; -: standard input" },
  { "policies",                 KIND_TEXT,    AT(policies),                FOR_EXPLAIN,         NULL,               "FILE",                "the policies that govern it" },
  { "exit-code",                KIND_SWITCH,  AT(exit_code),               FOR_EXPLAIN,         NULL,               NULL,                  "with --request and --rule: exit 1 when it would be denied; with --setup: when it was" },
  { "type",                     KIND_WORD,    AT(type),                    FOR_CHECK,           NULL,               "TYPE",                "what the policies are: bucket, trust, identity, key, topic or function; otherwise it is guessed", .words = "bucket trust identity key topic function" },
  { "target",                   KIND_TEXT,    AT(target),                  FOR_CHECK,           NULL,               "ARN",                 "what they are attached to; otherwise no Resource is compared with it" },
  { "rule-arn",                 KIND_TEXT,    AT(rule_arn),                FOR_CHECK,           NULL,               "ARN",                 "the receipt rule they are meant for; otherwise no SourceArn is compared with it" },
  { "json",                     KIND_SWITCH,  AT(json),                    FOR_CLIENT | FOR_CHECK | FOR_SEND, NULL,    NULL,                  "answer in JSON" },
  { "server",                   KIND_ADDRESS, AT(server),                  FOR_SEND,            NULL,               "HOST:PORT",           "where it is sent; otherwise the first SMTP listener of the server that serves DIR" },
  { "from",                     KIND_TEXT,    AT(from),                    FOR_SEND,            "sender@example.net", "ADDRESS",           "the reverse path; empty or <>: the null path" },
  { "to",                       KIND_LIST,    AT(to),                      FOR_SEND,            NULL,               "ADDRESS",             "a recipient; may be given again" },
  { "subject",                  KIND_TEXT,    AT(subject),                 FOR_SEND,            NULL,               "TEXT",                "of a message that is written here; otherwise: A test message" },
  { "body",                     KIND_TEXT,    AT(text),                    FOR_SEND,            NULL,               "TEXT",                "its text; otherwise one line" },
  { "tls",                      KIND_SWITCH,  AT(tls),                     FOR_SEND,            NULL,               NULL,                  "by STARTTLS, or not at all; whose certificate it is, is not checked" },
  { "hostname",                 KIND_TEXT,    AT(hostname),                FOR_SERVE,           NULL,               "NAME",                "in banner, EHLO and Received; otherwise this machine's, and SES's own in Received and with --compat ses" },
  { "account",                  KIND_ACCOUNT, AT(account),                 FOR_SERVE,           "111122223333",     "ID",                  "whose root the root credentials are" },
  { "account",                  KIND_ACCOUNT, AT(account),                 FOR_POLICY,          "111122223333",     "ID",                  "whose rule it is" },
  { "region",                   KIND_REGION,  AT(region),                  FOR_SERVE,           "us-east-1",        "NAME",                "of listeners that name none" },
  { "region",                   KIND_REGION,  AT(region),                  FOR_POLICY,          "us-east-1",        "NAME",                "where the rule is" },
  { "rule",                     KIND_TEXT,    AT(rule),                    FOR_POLICY,          NULL,               "SET/RULE",            "the rule meant" },
  { "rule",                     KIND_TEXT,    AT(rule),                    FOR_EXPLAIN,         NULL,               "SET/RULE",            "the receipt rule meant, on a running server; nothing is done" },
  { "setup",                    KIND_TEXT,    AT(setup),                   FOR_EXPLAIN,         NULL,               "[SET/RULE]",          "the newest set-up of a rule, or of any: what was tried when it was made", .value_optional = true },
  { "kind",                     KIND_WORD,    AT(kind),                    FOR_POLICY,          NULL,               "KIND",                "only this policy: trust, role, bucket, key, sse-key, topic, topic-key or function", .words = "trust role bucket key sse-key topic topic-key function" },
  { "bucket",                   KIND_TEXT,    AT(bucket),                  FOR_POLICY,          NULL,               "NAME",                "no server is asked: the rule writes into this bucket" },
  { "prefix",                   KIND_TEXT,    AT(prefix),                  FOR_POLICY,          NULL,               "PREFIX",              "with this ObjectKeyPrefix" },
  { "bucket-owner",             KIND_ACCOUNT, AT(bucket_owner),            FOR_POLICY,          NULL,               "ID",                  "the bucket's account, when it is not the rule's" },
  { "bucket-key",               KIND_TEXT,    AT(bucket_key),              FOR_POLICY,          NULL,               "ARN",                 "the key that the bucket encrypts its objects with (SSE-KMS)" },
  { "role",                     KIND_TEXT,    AT(role),                    FOR_POLICY,          NULL,               "ARN",                 "through this IamRoleArn" },
  { "key",                      KIND_TEXT,    AT(key),                     FOR_POLICY,          NULL,               "ARN",                 "encrypting mail with this KmsKeyArn" },
  { "topic",                    KIND_TEXT,    AT(topic),                   FOR_POLICY,          NULL,               "ARN",                 "publishing to this topic" },
  { "topic-key",                KIND_TEXT,    AT(topic_key),               FOR_POLICY,          NULL,               "ARN",                 "the key that the topic encrypts with" },
  { "function",                 KIND_TEXT,    AT(function),                FOR_POLICY,          NULL,               "ARN",                 "invoking this function" },
  { "tls-cert",                 KIND_TEXT,    AT(tls_cert),                FOR_SERVE,           NULL,               "FILE",                "certificate chain for STARTTLS (PEM); otherwise one is made" },
  { "tls-key",                  KIND_TEXT,    AT(tls_key),                 FOR_SERVE,           NULL,               "FILE",                "its private key (PEM)" },
  { "compat",                   KIND_WORD,    AT(compat),                  FOR_SERVE,           "none",             "WORD",                "ses: banner, EHLO and replies exactly as SES sends them",                .words = "none ses" },
  { "verify-identities",        KIND_WORD,    AT(verify_identities),       FOR_SERVE,           "",                 "WORD",                "auto: a domain is verified as asked for; dns: it stays Pending (checking by DNS is not built yet). Default: auto while all listeners are on loopback", .words = "auto dns" },
  { "public-url",               KIND_TEXT,    AT(public_url),              FOR_SERVE,           NULL,               "URL",                 "where subscribers reach the AWS endpoint, for links and the certificate in notifications; otherwise http:// and its address" },
  { "sns-targets",              KIND_WORD,    AT(sns_targets),             FOR_SERVE,           "",                 "WORD",                "public: no notification goes to a private, loopback or link-local address; any: wherever. Default: any while all listeners are on loopback, else public", .words = "any public" },
  { "relay",                    KIND_ADDRESS, AT(relay),                   FOR_SERVE,           NULL,               "HOST:PORT",           "mail server that takes outgoing mail; with neither it nor --outbound mx it is off: kept, not sent" },
  { "relay-tls",                KIND_WORD,    AT(relay_tls),               FOR_SERVE,           "",                 "WORD",                "offered: STARTTLS where the relay offers it, its certificate unchecked; starttls: never without, checked; implicit: TLS before the greeting (port 465), checked. Default: starttls with a password for a relay that is not on loopback, else offered", .words = "offered starttls implicit" },
  { "relay-ca",                 KIND_TEXT,    AT(relay_ca),                FOR_SERVE,           NULL,               "FILE",                "certificates (PEM) to which the relay's must lead; otherwise those this machine trusts" },
  { "relay-credentials",        KIND_TEXT,    AT(relay_credentials),       FOR_SERVE,           NULL,               "FILE",                "user and password for the relay, a line each, mode 0600; otherwise the systemd credential sesame-relay, or none" },
  { "relay-user",               KIND_TEXT,    AT(relay_user),              FOR_SERVE,           NULL,               "NAME",                "user for the relay, instead of --relay-credentials",                     .no_flag = true },
  { "relay-password",           KIND_SECRET,  AT(relay_password),          FOR_SERVE,           NULL,               "SECRET",              "and the password; wiped from the environment once it is read",           .no_flag = true },
  { "outbound",                 KIND_WORD,    AT(outbound),                FOR_SERVE,           "off",              "WORD",                "mx: mail leaves by the MX records of each recipient's domain; off: it is kept, not sent, unless there is a --relay", .words = "off mx" },
  { "mx-port",                  KIND_NUMBER,  AT(mx_port),                 FOR_SERVE,           "25",               "PORT",                "where mail exchanges listen",                                            1, 65535 },
  { "mx-targets",               KIND_WORD,    AT(mx_targets),              FOR_SERVE,           "",                 "WORD",                "public: --outbound mx dials no private, loopback or link-local address; any: wherever. Default: any while all listeners are on loopback, else public", .words = "any public" },
  { "dns",                      KIND_ADDRESS, AT(dns),                     FOR_SERVE,           NULL,               "ADDR:PORT",           "name server to ask, by its address; otherwise those of /etc/resolv.conf" },
  { "oversize-bounce",          KIND_WORD,    AT(oversize_bounce),         FOR_SERVE,           "yes",              "WORD",                "yes: who sends a message too large for an SNS action is told; no: he is not", .words = "yes no" },
  { "sqs-endpoint",             KIND_TEXT,    AT(sqs_endpoint),            FOR_SERVE,           NULL,               "URL",                 "SNS sends to queues here, and its dead letters; otherwise to those of this server" },
  { "sqs-access-key-id",        KIND_TEXT,    AT(sqs_access_key_id),       FOR_SERVE,           NULL,               "KEY",                 "credentials that sign what is sent to --sqs-endpoint",                   .no_flag = true },
  { "sqs-secret-access-key",    KIND_SECRET,  AT(sqs_secret_access_key),   FOR_SERVE,           NULL,               "SECRET",              "and their secret",                                                       .no_flag = true },
  { "demo",                     KIND_SWITCH,  AT(demo),                    FOR_SERVE,           NULL,               NULL,                  "on an empty data directory, prepare a domain, a bucket and a rule" },
  { "workmail",                 KIND_WORKMAIL, AT(workmail),               FOR_SERVE,           NULL,               "ORGANIZATION=STORE",  "WorkMail actions of this organization (m-..., or its ARN) deliver to lmtp://HOST:PORT, or below maildir:PATH; may be given again" },
  { "connect-hook",             KIND_TEXT,    AT(connect_hook),            FOR_SERVE,           NULL,               "URL",                 "Connect actions post the message here, as JSON; without one they fail and say so" },
  { "allow-faults",             KIND_SWITCH,  AT(allow_faults),            FOR_SERVE,           NULL,               NULL,                  "let /_sesame/faults make calls fail; otherwise only while all listeners are on loopback" },
  { "allow-reset",              KIND_SWITCH,  AT(allow_reset),             FOR_SERVE,           NULL,               NULL,                  "let POST /moto-api/reset delete everything that was made or received" },
  { "user",                     KIND_TEXT,    AT(user),                    FOR_SERVE,           NULL,               "NAME",                "when started as root, become this user once bound" },
  { "log-level",                KIND_WORD,    AT(log_level),               FOR_SERVE,           "info",             "WORD",                "error, warning, info or debug",                                          .words = "error warning info debug" },
  { "root-key",                 KIND_TEXT,    AT(root_key),                FOR_SERVE,           NULL,               "FILE",                "32 octets under which keys are wrapped, apart from DIR; otherwise the systemd credential sesame-root-key, or DIR/keys/root" },
  { "root-access-key-id",       KIND_TEXT,    AT(root_access_key_id),      FOR_SERVE | FOR_CLIENT | FOR_DECRYPT, NULL,               "KEY",                 "root credentials; otherwise in DIR/root-credentials",                    .no_flag = true },
  { "root-secret-access-key",   KIND_SECRET,  AT(root_secret_access_key),  FOR_SERVE | FOR_CLIENT | FOR_DECRYPT, NULL,               "SECRET",              "and their secret",                                                       .no_flag = true },
  { "message-max",              KIND_NUMBER,  AT(message_max),             FOR_SERVE,           "41943040",         "BYTES",               "largest message",                                                        1024, 1024 * MB },
  { "rcpt-max",                 KIND_NUMBER,  AT(rcpt_max),                FOR_SERVE,           "100",              "N",                   "recipients of one message",                                              1, 10000 },
  { "line-max",                 KIND_NUMBER,  AT(line_max),                FOR_SERVE,           "2048",             "BYTES",               "longest SMTP command line",                                              512, 65536 },
  { "errors-max",               KIND_NUMBER,  AT(errors_max),              FOR_SERVE,           "20",               "N",                   "refused commands before the connection is closed",                       1, 1000000 },
  { "commands-max",             KIND_NUMBER,  AT(commands_max),            FOR_SERVE,           "1000",             "N",                   "commands without a message before the connection is closed",             10, 1000000000 },
  { "connections-max",          KIND_NUMBER,  AT(connections_max),         FOR_SERVE,           "2000",             "N",                   "SMTP connections in all",                                                1, 1000000 },
  { "connections-per-address",  KIND_NUMBER,  AT(connections_per_address), FOR_SERVE,           "",                 "N",                   "from one address; 0: any number. Default: 20, any number while all listeners are on loopback", 0, 1000000 },
  { "crowded-after",            KIND_NUMBER,  AT(crowded_after),           FOR_SERVE,           "10",               "SECONDS",             "while all connections are taken, one that is idle so long, or sends a message at under 500 octets a second, is ended with 421; 0: none is", 0, 86400 },
  { "bounce",                   KIND_WORD,    AT(bounce),                  FOR_SERVE,           "after-acceptance", "WORD",                "in-session: a recipient whose rules begin with a Bounce action is refused at RCPT in its words; after-acceptance: as SES does, the bounce is a mail of its own", .words = "after-acceptance in-session" },
  { "block-list",               KIND_TEXT,    AT(block_list),              FOR_SERVE,           NULL,               "FILE",                "networks whose mail no account takes unless a filter of its own allows it: one a line, # begins a comment; SIGHUP reads it again" },
  { "refused-kept",             KIND_NUMBER,  AT(refused_kept),            FOR_SERVE,           "10000",            "N",                   "refusals kept in memory for `sesame log refused`",                       1, 1000000 },
  { "refused-rate",             KIND_NUMBER,  AT(refused_rate),            FOR_SERVE,           "20",               "N",                   "of those, so many a second; of the others only the count",               1, 1000000 },
  { "command-timeout",          KIND_NUMBER,  AT(command_timeout),         FOR_SERVE,           "300",              "SECONDS",             "for one SMTP command",                                                   1, 86400 },
  { "message-timeout",          KIND_NUMBER,  AT(message_timeout),         FOR_SERVE,           "1800",             "SECONDS",             "for one message's bytes",                                                1, 86400 },
  { "retry-waits",              KIND_WAITS,   AT(retry_waits),             FOR_SERVE,           "10,30,60,120,240,480,900", "SECONDS,...",  "how long a failed action or an outgoing mail waits for its next attempt, behind the first failure, the second, ...; the last holds until the four hours are over; 1 to 16 of them", 1, 4 * 60 * 60 },
  { "workers",                  KIND_NUMBER,  AT(workers),                 FOR_SERVE,           "64",               "N",                   "deliveries at a time",                                                   1, 1024 },
  { "api-workers",              KIND_NUMBER,  AT(api_workers),             FOR_SERVE,           "16",               "N",                   "API operations at a time, besides up to 32 that wait for a queue's message",                                               1, 1024 },
  { "ses-call-rate",            KIND_NUMBER,  AT(ses_call_rate),           FOR_SERVE,           "0",                "N",                   "calls a second of one SES operation, by one account in one region; the rest is told Throttling; AWS: 1; 0: any number", 0, 1000 },
  { "loops",                    KIND_NUMBER,  AT(loops),                   FOR_SERVE,           "0",                "N",                   "SMTP threads; 0: one a core",                                            0, 256 },
  { "function-processes",       KIND_NUMBER,  AT(function_processes),      FOR_SERVE,           "0",                "N",                   "processes of Lambda functions at a time; 0: four a core",                0, 1024 },
  { "function-uid",             KIND_NUMBER,  AT(function_uid),            FOR_SERVE,           "62000",            "UID",                 "started as root: functions run as the users behind this one, each process as another, and their code is this one's", 1000, 4000000000 },
  { "function-folder",          KIND_TEXT,    AT(function_folder),         FOR_SERVE,           "/var/tmp",         "DIR",                 "where their unpacked code and their /tmp lie while the server runs" },
  { "function-modules",         KIND_TEXT,    AT(function_modules),        FOR_SERVE,           NULL,               "DIR",                 "a node_modules folder that every Node function finds behind its own, for the AWS SDK" },
  { "function-bootstraps",      KIND_TEXT,    AT(function_bootstraps),     FOR_SERVE,           "",                 "DIR",                 "what runs Node and Python functions. Default: share/lambda beside the program's folder" },
  { "spool-segment",            KIND_NUMBER,  AT(spool_segment),           FOR_SERVE,           "67108864",         "BYTES",               "size of one spool file",                                                 MB, 4096 * MB },
  { "spool-ahead",              KIND_NUMBER,  AT(spool_ahead),             FOR_SERVE,           "262144",           "BYTES",               "while a batch of so many is synced, the next one is written",            4096, 4096 * MB },
  { "spool-drafts",             KIND_NUMBER,  AT(spool_drafts),            FOR_SERVE,           "67108864",         "BYTES",               "memory for messages still arriving",                                     MB, 65536 * MB },
  { "history-max",              KIND_NUMBER,  AT(history_max),             FOR_SERVE,           "268435456",        "BYTES",               "timelines kept of messages that ended, with their header sections",                                  MB, 1048576 * MB },
  { "dead-max",                 KIND_NUMBER,  AT(dead_max),                FOR_SERVE,           "1073741824",       "BYTES",               "dead letters kept",                                                      MB, 1048576 * MB },
  { "dead-days",                KIND_NUMBER,  AT(dead_days),               FOR_SERVE,           "14",               "DAYS",                "and for how long",                                                       1, 3650 },
};
/* clang-format on */
enum { SETTINGS = sizeof settings / sizeof settings[0], SMTP_MAX = 64, WORKMAIL_MAX = 256, WAITS_MAX = 16, CONFIG_FILE_MAX = 1 << 20 };

struct reading { /* what was given, by setting; flags win over environment over file */
    struct arena *arena;
    str values[SETTINGS]; /* those of several: joined by commas */
    str *operands;        /* words that belong to no flag */
    size_t operand_count;
    bool given[SETTINGS]; /* by a stronger source than the one being read */
    bool given_here[SETTINGS];
};

/* ---- one value ---- */

bool config_address_ok(str address)
{
    size_t colon = address.len;
    while (colon && address.ptr[colon - 1] != ':')
        colon--;
    uint64_t port;
    if (colon < 2 || !str_u64(str_from(address, colon), &port) || port > 65535)
        return false;
    str host = str_head(address, colon - 1);
    if (host.ptr[0] == '[')
        return host.len > 2 && host.ptr[host.len - 1] == ']';
    for (size_t i = 0; i < host.len; i++) {
        char c = host.ptr[i];
        if (!ascii_is_alpha(c) && !ascii_is_digit(c) && c != '.' && c != '-')
            return false;
    }
    return true;
}

/* Digits and dots: 127.example.com is a name, and names lead anywhere. */
static bool is_ipv4(str host)
{
    for (size_t i = 0; i < host.len; i++) {
        if (!ascii_is_digit(host.ptr[i]) && host.ptr[i] != '.')
            return false;
    }
    return host.len > 0;
}

bool config_is_loopback(str address)
{
    str host, port;
    str_cut(address, ':', &host, &port);
    return (str_starts(host, STR("127.")) && is_ipv4(host)) || str_starts(address, STR("[::1]:")) ||
           str_starts_nocase(address, STR("localhost:"));
}

static bool is_word(const char *words, str value)
{
    for (str rest = str_of(words), word; rest.len;) {
        str_cut(rest, ' ', &word, &rest);
        if (str_eq(word, value))
            return true;
    }
    return false;
}

static const struct fault *bad(struct arena *a, const struct setting *s, str value,
                               const char *wants)
{
    return fault(a, FAULT_SYNTAX, NULL, "%s%s wants %s, not \"" STR_FMT "\"",
                 s->no_flag ? "" : "--", s->name, wants, STR_ARG(value));
}

static const struct fault *set_smtp(struct arena *a, const struct setting *s, str value,
                                    struct config *c)
{
    struct smtp_bind *binds = ARENA_ARRAY(a, struct smtp_bind, SMTP_MAX);
    if (!binds)
        return &fault_no_memory;
    size_t count = 0;
    for (str rest = value, one; rest.len;) {
        str_cut(rest, ',', &one, &rest);
        one = str_trim(one);
        struct smtp_bind bind = { .address = one };
        if (str_has(one, '='))
            str_cut(one, '=', &bind.region, &bind.address);
        if (count == SMTP_MAX || !config_address_ok(bind.address) ||
            (bind.region.ptr && !region_name_ok(bind.region)))
            return bad(a, s, one, "[REGION=]ADDR:PORT");
        binds[count++] = bind;
    }
    if (!count)
        return bad(a, s, value, "[REGION=]ADDR:PORT");
    c->smtp = binds;
    c->smtp_count = count;
    return NULL;
}

static bool read_workmail(str one, struct workmail_bind *bind)
{
    *bind = (struct workmail_bind) { .lmtp = STR_NONE };
    if (!str_cut(one, '=', &bind->organization, &bind->target) || !bind->organization.len)
        return false;
    if (str_starts(bind->target, STR("lmtp://")))
        bind->lmtp = str_from(bind->target, sizeof "lmtp://" - 1);
    else if (str_starts(bind->target, STR("maildir:")))
        bind->maildir = str_from(bind->target, sizeof "maildir:" - 1);
    return bind->lmtp.ptr ? config_address_ok(bind->lmtp) : bind->maildir.len > 0;
}

static const struct fault *set_workmail(struct arena *a, const struct setting *s, str value,
                                        struct config *c)
{
    struct workmail_bind *binds = ARENA_ARRAY(a, struct workmail_bind, WORKMAIL_MAX);
    size_t count = 0;
    if (!binds)
        return &fault_no_memory;
    for (str rest = value, one; rest.len;) {
        str_cut(rest, ',', &one, &rest);
        if (count == WORKMAIL_MAX || !read_workmail(str_trim(one), &binds[count++]))
            return bad(a, s, one, "ORGANIZATION=lmtp://HOST:PORT or ORGANIZATION=maildir:PATH");
    }
    c->workmail = binds;
    c->workmail_count = count;
    return NULL;
}

static const struct fault *set_waits(struct arena *a, const struct setting *s, str value,
                                     struct config *c)
{
    uint64_t *waits = ARENA_ARRAY(a, uint64_t, WAITS_MAX);
    size_t count = 0;
    if (!waits)
        return &fault_no_memory;
    for (str rest = value, one; rest.len;) {
        str_cut(rest, ',', &one, &rest);
        if (count == WAITS_MAX || !str_u64(str_trim(one), &waits[count]) ||
            waits[count] < s->least || waits[count] > s->most)
            return bad(a, s, one, "1 to 16 numbers of seconds from 1 to 14400");
        count++;
    }
    if (!count)
        return bad(a, s, value, "1 to 16 numbers of seconds from 1 to 14400");
    c->retry_waits = waits;
    c->retry_wait_count = count;
    return NULL;
}

static const struct fault *set(struct arena *a, const struct setting *s, str value,
                               struct config *c)
{
    void *at = (char *)c + s->at;
    uint64_t number;
    switch (s->kind) {
    case KIND_SMTP:
        return set_smtp(a, s, value, c);
    case KIND_WORKMAIL:
        return set_workmail(a, s, value, c);
    case KIND_WAITS:
        return set_waits(a, s, value, c);
    case KIND_SWITCH:
        if (!is_word("true false yes no 1 0", value))
            return bad(a, s, value, "true or false");
        *(bool *)at = is_word("true yes 1", value);
        return NULL;
    case KIND_NUMBER:
        if (!str_u64(value, &number) || number < s->least || number > s->most)
            return bad(a, s, value,
                       arena_cstr(a, arena_strf(a, "a number from %llu to %llu",
                                                (unsigned long long)s->least,
                                                (unsigned long long)s->most)));
        *(uint64_t *)at = number;
        return NULL;
    case KIND_ADDRESS:
        if (!config_address_ok(value))
            return bad(a, s, value, "ADDR:PORT");
        break;
    case KIND_ACCOUNT:
        if (!account_id_ok(value))
            return bad(a, s, value, "twelve digits");
        break;
    case KIND_REGION:
        if (!region_name_ok(value))
            return bad(a, s, value, "a region's name");
        break;
    case KIND_WORD:
        if (!is_word(s->words, value))
            return bad(a, s, value, arena_cstr(a, arena_strf(a, "one of: %s", s->words)));
        break;
    case KIND_TEXT:
    case KIND_SECRET:
    case KIND_LIST:
        break;
    }
    *(str *)at = value;
    return NULL;
}

/* ---- the three sources ------------------------------------------------------------------------
 */

static const struct setting *find(unsigned command, str name)
{
    for (size_t i = 0; i < SETTINGS; i++) {
        if (settings[i].commands & command && str_eq(name, str_of(settings[i].name)))
            return &settings[i];
    }
    return NULL;
}

/* A setting of another command is no mistake in file and environment, which all commands share. */
static bool is_known(str name)
{
    return find(FOR_ANY, name) != NULL;
}

static const struct fault *give(struct reading *r, const struct setting *s, str value)
{
    size_t i = (size_t)(s - settings);
    if (r->given[i])
        return NULL;
    const bool several = s->kind == KIND_SMTP || s->kind == KIND_LIST || s->kind == KIND_WORKMAIL;
    bool joins = several && r->given_here[i];
    r->values[i] =
        joins ? arena_strf(r->arena, STR_FMT "," STR_FMT, STR_ARG(r->values[i]), STR_ARG(value))
              : value;
    r->given_here[i] = true;
    return r->values[i].ptr ? NULL : &fault_no_memory;
}

static const struct fault *give_operand(struct reading *r, unsigned command, str word, size_t room)
{
    const unsigned one_operand = FOR_POLICY | FOR_DECRYPT | FOR_LOGS | FOR_LOG | FOR_SEND | FOR_OBJECTS;
    const size_t most = command & FOR_CHECK ? room : command & one_operand ? 1 : 0;
    if (r->operand_count >= most)
        return fault(r->arena, FAULT_SYNTAX, NULL,
                     "there is no place for \"" STR_FMT "\" here; flags begin with --",
                     STR_ARG(word));
    if (!r->operands)
        r->operands = ARENA_ARRAY(r->arena, str, room);
    if (!r->operands)
        return &fault_no_memory;
    r->operands[r->operand_count++] = word;
    return NULL;
}

static void end_source(struct reading *r)
{
    for (size_t i = 0; i < SETTINGS; i++)
        r->given[i] = r->given[i] || r->given_here[i];
}

static const struct fault *read_flags(struct reading *r, unsigned command, int argc,
                                      char *const *argv)
{
    for (int i = 0; i < argc; i++) {
        str flag = str_of(argv[i]), name, value;
        if (!str_starts(flag, STR("--"))) {
            TRY(give_operand(r, command, flag, (size_t)argc));
            continue;
        }
        bool has_value = str_cut(str_from(flag, 2), '=', &name, &value);
        const struct setting *s = find(command, name);
        if (!s || s->no_flag)
            return fault(r->arena, FAULT_SYNTAX, NULL, "there is no flag --" STR_FMT,
                         STR_ARG(name));
        if (s->kind == KIND_SWITCH && !has_value)
            value = STR("true");
        else if (!has_value && s->value_optional &&
                 (i + 1 == argc || str_starts(str_of(argv[i + 1]), STR("--"))))
            value = STR("");
        else if (!has_value && i + 1 == argc)
            return fault(r->arena, FAULT_SYNTAX, NULL, "--" STR_FMT " wants a value: %s",
                         STR_ARG(name), s->argument);
        else if (!has_value)
            value = str_of(argv[++i]);
        /* --smtp eu-west-1=127.0.0.1:25 has its = in the value, and --smtp=... works as well. */
        TRY(give(r, s, value));
    }
    end_source(r);
    return NULL;
}

static str env_name(const char *setting, char to[64])
{
    int len = snprintf(to, 64, "SESAME_%s", setting);
    for (int i = 0; i < len; i++)
        to[i] = to[i] == '-' ? '_' : (char)(to[i] >= 'a' && to[i] <= 'z' ? to[i] - 32 : to[i]);
    return (str) { to, (size_t)len };
}

static const struct fault *read_environment(struct reading *r, unsigned command,
                                            char *const *environment)
{
    for (size_t e = 0; environment && environment[e]; e++) {
        str name, value;
        str_cut(str_of(environment[e]), '=', &name, &value);
        for (size_t i = 0; value.len && i < SETTINGS; i++) {
            char wanted[64];
            /* SESAME_API is where to serve; for the other commands a flag names the URL. */
            if (settings[i].commands & command &&
                str_eq(name, env_name(settings[i].name, wanted)) &&
                (command & FOR_SERVE || settings[i].at != AT(api)))
                TRY(give(r, &settings[i], value));
        }
    }
    end_source(r);
    return NULL;
}

static const struct fault *read_whole(struct arena *a, str path, str *ret_text, unsigned *ret_mode)
{
    const char *name = arena_cstr(a, path);
    char *text = arena_alloc(a, CONFIG_FILE_MAX, 1);
    if (!name || !text)
        return &fault_no_memory;
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? -1 : read(fd, text, CONFIG_FILE_MAX);
    int why = errno;
    struct stat found = { .st_mode = ~0u };
    if (fd >= 0)
        fstat(fd, &found);
    if (fd >= 0)
        close(fd);
    if (len < 0)
        return fault(a, FAULT_SYNTAX, NULL, "the config file %s cannot be read: %s", name,
                     strerror(why));
    *ret_text = (str) { text, (size_t)len };
    *ret_mode = found.st_mode;
    return NULL;
}

static const struct fault *read_config_file(struct reading *r, unsigned command, str path)
{
    enum { OTHERS = 077 };
    str text, line;
    unsigned mode = 0;
    TRY(read_whole(r->arena, path, &text, &mode));
    if (text.len == CONFIG_FILE_MAX)
        return fault(r->arena, FAULT_SYNTAX, NULL,
                     "the config file " STR_FMT " is longer than %d octets", STR_ARG(path),
                     CONFIG_FILE_MAX - 1);
    for (size_t number = 1; text.len; number++) {
        str name, value;
        str_cut(text, '\n', &line, &text);
        line = str_trim(line.len && line.ptr[line.len - 1] == '\r' ? str_head(line, line.len - 1)
                                                                   : line);
        if (!line.len || line.ptr[0] == '#')
            continue;
        bool has_value = str_cut(line, '=', &name, &value);
        name = str_trim(name);
        if (!has_value || !is_known(name))
            return fault(r->arena, FAULT_SYNTAX, NULL,
                         "line %zu of " STR_FMT " is no setting: " STR_FMT, number, STR_ARG(path),
                         STR_ARG(line));
        const struct setting *s = find(command, name);
        if (s && s->kind == KIND_SECRET && mode & OTHERS)
            return fault(r->arena, FAULT_SYNTAX, NULL,
                         "%s is in the config file " STR_FMT ", which others than its owner can "
                         "read: chmod 600 it",
                         s->name, STR_ARG(path));
        if (s && (command & FOR_SERVE || s->at != AT(api)))
            TRY(give(r, s, str_trim(value)));
    }
    end_source(r);
    return NULL;
}

static const struct fault *apply(struct reading *r, unsigned command, struct config *c)
{
    for (size_t i = 0; i < SETTINGS; i++) {
        const struct setting *s = &settings[i];
        if (!(s->commands & command))
            continue;
        if (r->given[i])
            TRY(set(r->arena, s, r->values[i], c));
        else if (s->otherwise && *s->otherwise)
            TRY(set(r->arena, s, str_of(s->otherwise), c));
        else if (s->kind == KIND_NUMBER)
            *(uint64_t *)(void *)((char *)c + s->at) = NUMBER_UNSET;
    }
    return NULL;
}

static const struct fault *check_together(const struct config *c, struct arena *a)
{
    if (!c->tls_cert.ptr != !c->tls_key.ptr)
        return fault(a, FAULT_SYNTAX, NULL, "--tls-cert and --tls-key go together");
    if (!c->root_access_key_id.ptr != !c->root_secret_access_key.ptr)
        return fault(a, FAULT_SYNTAX, NULL,
                     "SESAME_ROOT_ACCESS_KEY_ID and SESAME_ROOT_SECRET_ACCESS_KEY go together");
    if (!c->relay_user.ptr != !c->relay_password.ptr)
        return fault(a, FAULT_SYNTAX, NULL, "SESAME_RELAY_USER and SESAME_RELAY_PASSWORD go together");
    if (c->relay_user.ptr && c->relay_credentials.ptr)
        return fault(a, FAULT_SYNTAX, NULL,
                     "SESAME_RELAY_USER and --relay-credentials are two logins for one relay: give one");
    if (!c->relay.ptr && (c->relay_tls.ptr || c->relay_ca.ptr || c->relay_user.ptr || c->relay_credentials.ptr))
        return fault(a, FAULT_SYNTAX, NULL, "there is no --relay for what is said of it");
    if (c->relay_ca.ptr && str_eq(c->relay_tls, STR("offered")))
        return fault(a, FAULT_SYNTAX, NULL, "--relay-tls offered checks no certificate: --relay-ca has no use");
    if (c->relay.ptr && str_eq(c->outbound, STR("mx")))
        return fault(a, FAULT_SYNTAX, NULL, "--relay and --outbound mx are two ways for one mail: give one");
    if (!c->sqs_endpoint.ptr != !c->sqs_access_key_id.ptr ||
        !c->sqs_endpoint.ptr != !c->sqs_secret_access_key.ptr)
        return fault(a, FAULT_SYNTAX, NULL,
                     "--sqs-endpoint, SESAME_SQS_ACCESS_KEY_ID and SESAME_SQS_SECRET_ACCESS_KEY go "
                     "together");
    return NULL;
}

const struct fault *config_read(unsigned command, int argc, char *const *argv,
                                char *const *environment, struct arena *a,
                                struct config *ret_config)
{
    struct reading *r = ARENA_NEW(a, struct reading);
    if (!r)
        return &fault_no_memory;
    r->arena = a;
    TRY(read_flags(r, command, argc, argv));
    TRY(read_environment(r, command, environment));
    size_t file = (size_t)(find(command, STR("config")) - settings);
    if (r->given[file])
        TRY(read_config_file(r, command, r->values[file]));
    struct config c = { .operands = r->operands, .operand_count = r->operand_count };
    TRY(apply(r, command, &c));
    TRY(check_together(&c, a));
    *ret_config = c;
    return NULL;
}

void config_help(unsigned command, struct buf *out)
{
    for (size_t i = 0; i < SETTINGS; i++) {
        const struct setting *s = &settings[i];
        if (!(s->commands & command))
            continue;
        char left[64], env[64];
        if (s->no_flag)
            snprintf(left, sizeof left, STR_FMT, STR_ARG(env_name(s->name, env)));
        else
            snprintf(left, sizeof left, "--%s%s%s", s->name, s->argument ? " " : "",
                     s->argument ? s->argument : "");
        buf_addf(out, "  %-34s %s", left, s->help);
        if (s->otherwise && *s->otherwise)
            buf_addf(out, " (%s)", s->otherwise);
        buf_addc(out, '\n');
    }
}

/* A cell of a Markdown table: what would end it is escaped. */
static void add_cell(struct buf *out, str text, bool code)
{
    buf_add(out, code && text.len ? STR(" `") : STR(" "));
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '|')
            buf_addc(out, '\\');
        buf_addc(out, text.ptr[i]);
    }
    buf_add(out, code && text.len ? STR("` |") : STR(" |"));
}

void config_markdown(unsigned command, struct buf *out)
{
    buf_add(out, STR("| flag | variable | default | |\n| --- | --- | --- | --- |\n"));
    for (size_t i = 0; i < SETTINGS; i++) {
        const struct setting *s = &settings[i];
        if (!(s->commands & command))
            continue;
        char flag[64] = "", env[64];
        if (!s->no_flag)
            snprintf(flag, sizeof flag, "--%s%s%s", s->name, s->argument ? " " : "",
                     s->argument ? s->argument : "");
        bool has_variable = command & FOR_SERVE || s->at != AT(api);
        buf_addc(out, '|');
        add_cell(out, str_of(flag), true);
        add_cell(out, has_variable ? env_name(s->name, env) : STR_NONE, true);
        add_cell(out, s->otherwise ? str_of(s->otherwise) : STR_NONE, true);
        add_cell(out, str_of(s->help), false);
        buf_addc(out, '\n');
    }
}
