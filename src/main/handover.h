/* main/handover.h - what a process leaves to the one that takes its place over an exec: descriptors, and
 * what is known of them. It stands in one environment variable, which is good for this process id alone. */
#ifndef SESAME_MAIN_HANDOVER_H
#define SESAME_MAIN_HANDOVER_H

#include "base/buf.h"
#include "base/fault.h"

#define HANDOVER_VARIABLE "SESAME_HANDOVER"

enum handed_face { HANDED_API, HANDED_SMTP };

struct handed { /* sockets that listen at one address of the settings */
    enum handed_face face; /* both may be told to take any free port of the same address */
    str address;
    const int *fds;
    size_t count;
};

struct handover { /* all zero: the process was started like any other */
    bool given;
    int lock;         /* of the data directory */
    int64_t asked_ms; /* steady: when the first of them asked */
    int64_t runner;   /* the child whose end is still to be waited for; 0: none */
    const int *answers; /* connections that wait for an answer */
    size_t answer_count;
    struct handed *listening; /* count 0: taken */
    size_t listening_count;
};

/* NULL at the arena's limit. */
const char *handover_write(const struct handover *, int64_t pid, struct arena *);
/* `text`: the variable's value, or STR_NONE. What was meant for another process is as good as none. */
const struct fault *handover_read(str text, int64_t pid, struct arena *, struct handover *ret_handover);

/* The first sockets of this face at this address, once; none: count 0. */
struct handed handover_take(struct handover *, enum handed_face, str address);
/* Settings that changed may leave some; nobody would ever accept what knocks there. */
void handover_close_rest(struct handover *);

#endif
