/* api/api.h - the services behind the operations, and the one HTTP endpoint in front of them. */
#ifndef SESAME_API_API_H
#define SESAME_API_API_H

#include "base/metrics.h"
#include "base/outside.h"
#include "services/ports.h"
#include "services/world.h"
#include "store/spool.h"
#include "store/state.h"

#include <stdatomic.h>

struct pace;         /* api/pace.h */
struct kms_service;  /* services/kms/kms.h */
struct lambda_service; /* services/lambda/lambda.h */
struct s3_service;   /* services/s3/s3.h */
struct setup;        /* receive/setup.h */
struct sns_service;  /* services/sns/sns.h */
struct sqs_service;  /* services/sqs/sqs.h */
struct sts_service;  /* services/sts/sts.h */
struct vault;        /* services/iam/vault.h */

/* Calls of functions that the API waits for at a time. Each has a worker of its own, beside those of the
 * other operations: functions call this API themselves, and would wait for ever for a worker that waits
 * for them. */
enum { API_INVOCATIONS_MAX = 64 };

struct api {
    atomic_uint invocations; /* under way */
    struct outside *outside;
    struct metrics *metrics;
    struct state *state;
    struct worlds *worlds;
    struct lambda_service *lambda;
    struct s3_service *s3;
    struct kms_service *kms;
    struct setup *setup;
    struct sns_service *sns;
    struct sqs_service *sqs;
    struct sts_service *sts;
    const struct vault *vault; /* of access keys */
    struct pace *pace; /* of operations that are paced; NULL: any number of calls */
    struct spool *spool;
    struct mishaps *mishaps;    /* that calls are made to meet; NULL: none */
    struct mailer_port *mailer; /* NULL: outgoing mail is off */
    str hostname;               /* of the SMTP endpoint; STR_NONE: SES's own of the region */
    str mail_domain;            /* right of the @ in what the API sends; STR_NONE: SES's own of the region */
    str root_account, default_region;
    str root_key_id, root_secret;
    bool verify_identities_auto; /* VerifyDomainIdentity answers and is Success at once */
};

/* Sesame's own pages (/_sesame/...; by their whole paths the certificate of SNS and the reset that moto
 * has as well): called on a worker thread. `local`: the peer is on loopback,
 * not through a proxy, and asks for localhost or an address; `root`: signed by the root
 * credentials. Fills status, type and text. */
struct own_page {
    str method, path, query; /* path below /_sesame/, decoded; the others' is whole */
    str body;
    bool local, root;
    int64_t asked_ms; /* steady */
    void **kept;      /* the page's own, from its last turn to its next; NULL at the first */
};
struct own_answer {
    int status;
    bool kept;        /* nothing ever: whoever comes after this server answers (api_server_hold) */
    int64_t later_ms; /* not 0: nothing yet, and the page is called again when they are over */
    str content_type;
    struct buf text;
};
typedef void own_page_fn(void *context, const struct own_page *, struct arena *,
                         struct own_answer *ret_answer);

struct api_server;
struct api_server_settings {
    struct api *api;
    str address;      /* "127.0.0.1:4566" */
    int listening;    /* 0: none; a descriptor that listens there already */
    unsigned connections; /* at most; 0: default */
    unsigned workers; /* threads that run operations; 0: default */
    own_page_fn *own_pages;
    void *own_context;
};
const struct fault *api_server_start(const struct api_server_settings *, struct arena *,
                                     struct api_server **ret_server);
str api_server_address(const struct api_server *); /* as bound */
void api_server_stop(struct api_server *);
/* Before another process takes its place: wire/http_server.h. */
void api_server_hold(struct api_server *, int64_t grace_ms);
int api_server_listening(const struct api_server *);
size_t api_server_kept(const struct api_server *, int *ret_fds, size_t room);

#endif
