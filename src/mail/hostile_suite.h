/* mail/hostile_suite.h - for tests: pieces of header fields that readers choke on, when repeated. */
#ifndef SESAME_MAIL_HOSTILE_SUITE_H
#define SESAME_MAIL_HOSTILE_SUITE_H

#include "base/str.h"

#include <time.h>

static const str hostile_units[] = {
    STR_INIT("a:"),
    STR_INIT("("),
    STR_INIT(")"),
    STR_INIT("<"),
    STR_INIT("\""),
    STR_INIT("\\\""),
    STR_INIT("<\"\\\""),
    STR_INIT("a@b.c,"),
    STR_INIT("["),
    STR_INIT("@a,"),
    STR_INIT("a(b)"),
    STR_INIT("a:;"),
    STR_INIT(","),
    STR_INIT("\\"),
    STR_INIT("a <b"),
    STR_INIT("=?utf-8?q?x?= "),
    STR_INIT("=?"),
    STR_INIT("\xff"),
    STR_INIT("\0"),
    STR_INIT("=?utf-8?b?/w==?="),
    STR_INIT("\" \\"),
    STR_INIT(" \""),
    STR_INIT("=?x-n?q?\?= "),
    STR_INIT("(a:b\"<["),
};

static inline int64_t cpu_ms(void) /* of this thread */
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

#endif
