/* services/lambda/instance.h - one function process, spoken to over the Lambda Runtime API.
 *
 *     STARTING --NEXT--> READY --event--> BUSY --response, error--> (READY at its next NEXT)
 *         |                |               |
 *         +--- init error, an end, time ---+--> GONE
 *
 * The thread that invokes speaks to the process itself: one write, one read, no thread between. Our
 * own bootstraps send their answer and their wish for the next event in one piece over descriptor 3;
 * the 202 to the answer then waits and rides with the next event. Others connect to a port of their
 * own on loopback, where only the process's own user is heard. */
#ifndef SESAME_SERVICES_LAMBDA_INSTANCE_H
#define SESAME_SERVICES_LAMBDA_INSTANCE_H

#include "base/buf.h"
#include "base/fault.h"
#include "services/lambda/runner.h"
#include "services/lambda/runtime.h"

enum { INSTANCE_CONNECTIONS = 8, INSTANCE_LOG_MAX = 256 * 1024, INIT_LIMIT_MS = 10 * 1000 };

struct instance_connection {
    int fd; /* -1: none */
    struct buf in;
    bool owed;     /* a 202 that waits for company */
    bool asked;    /* for the next event, which it has not got yet */
    bool continued;
};

struct instance {
    struct runner *runner;
    struct outside *outside;
    unsigned slot;
    int64_t pid;
    unsigned uid; /* whose connections are heard */
    int listener, output, ended;
    struct instance_connection connections[INSTANCE_CONNECTIONS];
    struct buf log; /* of this invocation */
    size_t log_dropped;
    bool ready;        /* it has asked for an event once: its init is over */
    bool gone;         /* it is of no more use */
    bool was_invoked;
    int64_t started_ms, init_ms; /* steady; how long its init took */
    int64_t rss, rss_at_ms;
    int64_t keep_until_ms; /* steady: its credentials end */
};

/* The port it is to be told as AWS_LAMBDA_RUNTIME_API. */
const struct fault *instance_listen(struct instance *, struct arena *, unsigned *ret_port);
/* The process's ends of a socket and of a pipe: give them to runner_start, then close them. */
const struct fault *instance_pair(struct instance *, struct arena *, int *ret_runtime, int *ret_output);
void instance_close(struct instance *); /* kills it, if it lives, and waits for its end */

struct instance_event {
    str request_id, function_arn, trace_id, payload;
    int64_t timeout_s;
    int64_t patience_ms; /* of the caller; 0: the function's own */
    int64_t sent_us;     /* steady: when instance_send had it; 0: it is still to be sent */
};
struct instance_answer {
    bool failed;     /* the payload is an error */
    str payload;     /* in the arena */
    str status;      /* for REPORT: "timeout", "error"; empty: success */
    bool impatient;  /* the caller's patience ended, not the function's time */
    bool untouched;  /* it had ended while it was idle: the event never reached it */
    double duration_ms, init_ms; /* init_ms < 0: there was none */
};
/* Sends the event to a process that asks for one, and leaves it to instance_invoke to hear the
 * answer: for a thread that is not awake yet. Where that cannot be done at once nothing is. */
void instance_send(struct instance *, struct instance_event *);
/* Always answers: whatever went wrong is an error in Lambda's words. */
const struct fault *instance_invoke(struct instance *, const struct instance_event *, struct arena *,
                                    struct instance_answer *);
int64_t instance_memory(struct instance *); /* resident bytes, as of the last second or so */

#endif
