/* main/assemble.h - opens the stores, fills the ports, starts the threads; and ends them in order.
 */
#ifndef SESAME_MAIN_ASSEMBLE_H
#define SESAME_MAIN_ASSEMBLE_H

#include "api/api.h"
#include "base/metrics.h"
#include "base/outside.h"
#include "main/config.h"
#include "main/data_dir.h"
#include "main/descriptors.h"
#include "main/handover.h"
#include "main/root_key_file.h"
#include "main/way_out.h"
#include "receive/deliver.h"
#include "receive/setup.h"
#include "services/iam/vault.h"
#include "services/kms/kms.h"
#include "services/ports.h"
#include "services/lambda/lambda.h"
#include "services/root_key.h"
#include "services/s3/s3.h"
#include "smtp/refusals.h"
#include "smtp/server.h"
#include "store/objects.h"

#include <stdatomic.h>

struct server {
    const struct config *config;
    struct arena *arena;
    struct data_dir dir;
    struct handover before; /* what the process left that was reset */
    struct outside outside;
    struct descriptors descriptors;
    struct root_key root_key;
    struct root_key_file root_key_file;
    struct metrics *metrics;
    struct refusals *refusals;
    struct block_lists *block_lists; /* NULL: no --block-list */
    struct state *state;
    struct worlds *worlds;
    struct objects *objects;
    struct spool *spool;
    struct runner *runner;
    struct lambda_service *lambda;
    struct s3_service *s3;
    struct kms_service *kms;
    struct sns_service *sns;
    struct sqs_service *sqs;
    struct connect_service *connect;
    struct sts_service *sts;
    struct vault vault;
    struct ports ports, rehearsal_ports;
    struct way_out way_out;
    struct errand_runner *outgoing_runner;
    struct retry_waits waits;
    struct setup *setup;
    struct stamp stamp;
    struct delivery delivery;
    struct tls_server *tls;
    struct api api;

    struct deliverers *deliverers;
    struct smtp_server *smtp_server;
    struct api_server *api_server;
    bool started_as_root;
    bool root_key_made; /* the root's credentials lie in DIR/root-credentials */
    bool verify_auto;
    bool may_fail; /* on order: main/faults.c */
    bool demo_prepared;
    bool serving; /* the start succeeded */
    atomic_bool ending; /* nobody waits for what is still to come */
    _Atomic int64_t reset_asked_ms; /* steady; 0: nobody did */
};

/* Everything up to the listening sockets and beyond: when it returns, mail is received. On a fault
 * what was opened is closed again. */
const struct fault *server_open(const struct config *, const struct handover *, struct arena *,
                                struct server **ret_server);

/* No new mail; open transactions and running steps get until deadline_ms (steady clock); the rest
 * stays queued. False: something was still running, and what it uses was left open. */
bool server_close(struct server *, int64_t deadline_ms);

str server_ready_line(const struct server *,
                      struct arena *); /* one line of JSON, newline included */

/* main/pages.c: what is below /_sesame/; the context is the server. */
own_page_fn pages_answer;

/* main/demo.c */
const struct fault *demo_prepare(struct server *);
void demo_print(const struct server *);

#endif
