/* base/fault.h - why something did not happen, as a value that can be kept, compared and shown. */
#ifndef SESAME_BASE_FAULT_H
#define SESAME_BASE_FAULT_H

#include "base/arena.h"

enum fault_kind {
    FAULT_SYNTAX,      /* the peer sent something the grammar does not contain */
    FAULT_SEQUENCE,    /* right words, wrong moment */
    FAULT_LIMIT,       /* larger or longer than we promised to take */
    FAULT_ABSENT,      /* the named thing does not exist */
    FAULT_CONFLICT,    /* it changed since you looked, or it exists already */
    FAULT_DENIED,      /* a policy says no; see policy/decision.h for the rest */
    FAULT_UNAVAILABLE, /* not now: network, disk, remote service */
    FAULT_UNBUILT,     /* a thing AWS has and Sesame has not yet: said plainly, never faked */
    FAULT_DEFECT,      /* our own error; logged with everything we know */
};

struct denial; /* policy/decision.h */

/* Success is NULL. A fault lives in the arena of the work that met it; when the arena itself is
 * full, a static FAULT_LIMIT is returned instead, so saying no never needs memory. */
struct fault {
    enum fault_kind kind;
    str says;                    /* one sentence for a person, no trailing period */
    const char *code;            /* the service's own error code ("NoSuchBucket"), or NULL */
    str about;                   /* what the code is about, where answers name it apart; or STR_NONE */
    const struct fault *because; /* the fault underneath, or NULL */
    const struct denial *denial; /* FAULT_DENIED by our own engine: the decision; else NULL */
};

enum fate { FATE_DONE, FATE_RETRY, FATE_REFUSE }; /* the only question the callers ask */

const struct fault *fault(struct arena *, enum fault_kind, const struct fault *because,
                          const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* The same with a service's error code: `code` must be a literal. */
const struct fault *fault_coded(struct arena *, enum fault_kind, const char *code, const char *fmt,
                                ...) __attribute__((format(printf, 4, 5)));

/* The same fault, with what it is about. */
const struct fault *fault_about(struct arena *, str about, const struct fault *);

/* Copies the whole chain; the denial is dropped, since it points into a world the copy outlives. */
const struct fault *fault_keep(struct arena *, const struct fault *);
enum fate fault_fate(const struct fault *); /* NULL: done; else one table decides */

/* The chain as one line: "could not write: no space left". */
str fault_sentence(const struct fault *, struct arena *);

extern const struct fault fault_no_memory; /* an arena met its limit */

#define TRY(expr)                                                                                  \
    do {                                                                                           \
        const struct fault *try_ = (expr);                                                         \
        if (try_)                                                                                  \
            return try_;                                                                           \
    } while (0)

#endif
