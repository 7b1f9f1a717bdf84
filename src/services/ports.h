/* services/ports.h - the services an action may call; each embedded or at an endpoint.
 *
 * Every call carries its caller. The service that owns the resource decides, as at AWS; a "no"
 * comes back as a FAULT_DENIED that knows its reason. An implementation embeds its port as the
 * first member of its own struct. */
#ifndef SESAME_SERVICES_PORTS_H
#define SESAME_SERVICES_PORTS_H

#include "aws/caller.h"
#include "base/fault.h"
#include "base/header.h"

struct world;
struct request;
struct exhibit;

/* Told of each decision that a call leads to, allowed or not, as it is made. What it is shown lives
 * as long as the call's arena and world. */
struct witness {
    void (*saw)(struct witness *, const struct request *, const struct exhibit *, size_t count);
};

/* One call: who asks, what world decides, when it is, and where answers live. */
struct call {
    const struct caller *caller;
    const struct world *world;
    str region; /* the endpoint that is asked */
    int64_t now_ms;
    struct arena *arena;
    struct witness *witness; /* NULL: nobody wants to know */
};

struct body { /* bytes on demand; mail may be large. Embedded as the first member of a real one. */
    const struct fault *(*read)(struct body *, str *ret_chunk); /* empty chunk: the end */
    uint64_t size;
};

struct put_object {
    str bucket, key, content_type;
    const struct header *metadata; /* names without x-amz-meta- */
    size_t metadata_count;
    struct body *body;
    str remedy_resource; /* what a mending statement should name: the rule's prefix and slash-star */
};
struct s3_port {
    const struct fault *(*put_object)(struct s3_port *, const struct call *, const struct put_object *);
};

struct sts_port {
    /* ret_session: a CALLER_ASSUMED_ROLE in the call's arena. */
    const struct fault *(*assume_role)(struct sts_port *, const struct call *, str role_arn, str session_name,
                                       struct caller *ret_session);
};

/* Of each port there is a second one for rehearsals: it judges a call as the first does, with the
 * first one's own code, and does nothing (s3_service.rehearsal; assuming a role has no effect). A
 * service without one is NULL in a rehearsal's ports. */
struct ports { /* grows a member with each service an action calls */
    struct s3_port *s3;
    struct sts_port *sts;
};

#endif
