/* main/config.h - the settings: one table for flags, environment and config file.
 *
 * A setting is a flag (--message-max N), an environment variable (SESAME_MESSAGE_MAX) and a line of
 * the config file (message-max = N), in that order of force; an empty variable counts as none. What
 * is wrong is said in one sentence. */
#ifndef SESAME_MAIN_CONFIG_H
#define SESAME_MAIN_CONFIG_H

#include "base/buf.h"
#include "base/fault.h"

struct smtp_bind {
    str region;  /* STR_NONE: that of --region */
    str address; /* host:port */
};

struct workmail_bind {
    str organization; /* m-0123..., or its whole ARN */
    str target;       /* as written: lmtp://host:port or maildir:path */
    str lmtp;         /* host:port; STR_NONE: a maildir */
    str maildir;      /* the path; STR_NONE: LMTP */
};

struct config {
    str data, api, hostname, account, region, config_file, tls_cert, tls_key, user;
    str block_list; /* the file, or STR_NONE */
    str bounce;     /* after-acceptance, in-session */
    str relay;                                       /* host:port, or STR_NONE */
    str relay_tls, relay_ca, relay_credentials;      /* STR_NONE: not given */
    str relay_user, relay_password;                  /* STR_NONE: not given; wiped once they are read */
    str oversize_bounce;                             /* yes, no */
    str compat, verify_identities, log_level; /* words out of a list */
    const struct smtp_bind *smtp;
    size_t smtp_count;
    bool demo, json;
    bool allow_faults, allow_reset;
    const struct workmail_bind *workmail;
    size_t workmail_count;
    str root_key; /* the file; STR_NONE: a credential, or DIR/keys/root */
    str root_access_key_id, root_secret_access_key; /* STR_NONE: kept in the data directory */
    str message;                                    /* explain, redrive */
    str rule;                                       /* SET/RULE: explain, policy */
    str setup;                                      /* SET/RULE, or empty: any; explain */
    str request, policies;                          /* explain */
    bool exit_code;
    str address; /* log */
    bool follow;
    uint64_t limit;
    str kms_api, metadata, output; /* decrypt; output: objects as well */
    bool without_index;            /* objects */
    str server, from, to, subject, text; /* send */
    bool tls;
    const str *operands; /* check: files; policy: at most one, the kind; decrypt: one object; logs: the function; log: which; send: a file */
    size_t operand_count;
    str type, target, rule_arn; /* check */
    str kind, bucket, prefix, bucket_owner, bucket_key, role, key, topic, topic_key, function;
    uint64_t message_max, rcpt_max, line_max, errors_max, commands_max;
    uint64_t connections_max,
        connections_per_address; /* NUMBER_UNSET: none while all listeners are on loopback */
    uint64_t crowded_after; /* seconds; 0: never */
    uint64_t refused_kept, refused_rate;
    uint64_t command_timeout, message_timeout; /* seconds */
    const uint64_t *retry_waits; /* seconds */
    size_t retry_wait_count;
    uint64_t workers, api_workers, loops;
    str outbound, mx_targets, dns;                   /* how mail leaves without a relay */
    uint64_t mx_port;
    uint64_t ses_call_rate;
    str public_url, sns_targets;
    str connect_hook; /* STR_NONE: none */
    str sqs_endpoint, sqs_access_key_id, sqs_secret_access_key; /* STR_NONE: the embedded queues */
    uint64_t function_processes, function_uid;
    str function_folder, function_modules, function_bootstraps;
    uint64_t spool_segment, spool_ahead, spool_drafts, history_max, dead_max, dead_days;
};
#define NUMBER_UNSET UINT64_MAX

/* Which command a setting belongs to. */
enum {
    FOR_SERVE = 1,
    FOR_ASK = 2, /* explain and redrive: of one message */
    FOR_POLICY = 4,
    FOR_EXPLAIN = 8,
    FOR_CHECK = 16,
    FOR_DECRYPT = 32,
    FOR_LOGS = 64,
    FOR_LOG = 128,
    FOR_SEND = 256,
    FOR_OBJECTS = 512,
};

/* Reads argv behind the command's name, the environment and the config file. Everything lives in
 * the arena. A FAULT_SYNTAX is the user's mistake: exit 2. */
const struct fault *config_read(unsigned command, int argc, char *const *argv,
                                char *const *environment, struct arena *,
                                struct config *ret_config);

/* The flags of a command with defaults and help, for people. */
void config_help(unsigned command, struct buf *out);
void config_markdown(unsigned command, struct buf *out); /* the same as a table of docs/operating.md */

/* "host:port" with a port from 0 to 65535; the host may be [::1]. */
bool config_address_ok(str address);
bool config_is_loopback(str address); /* 127.0.0.0/8, [::1] or localhost */

#endif
