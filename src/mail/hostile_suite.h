/* mail/hostile_suite.h - for tests: pieces of header fields that readers choke on, when repeated. */
#ifndef SESAME_MAIL_HOSTILE_SUITE_H
#define SESAME_MAIL_HOSTILE_SUITE_H

#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stddef.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
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

/* Calls `read` with each unit repeated to 200 KB, on a stack as small as a delivery worker's; `read`
 * gets a str and answers it again when all was well. */
static inline void feed_hostile(void *(*read)(void *))
{
    enum { SIZE = 200 * 1000 };
    char *text = malloc(SIZE);
    for (size_t i = 0; i < sizeof hostile_units / sizeof hostile_units[0]; i++) {
        size_t len = 0;
        for (; len + hostile_units[i].len <= SIZE; len += hostile_units[i].len)
            memcpy(text + len, hostile_units[i].ptr, hostile_units[i].len);
        str all = { text, len };
        pthread_attr_t attr;
        pthread_attr_init(&attr);
        pthread_attr_setstacksize(&attr, 256 * 1024);
        pthread_t thread;
        void *well;
        assert_int_equal(pthread_create(&thread, &attr, read, &all), 0);
        assert_int_equal(pthread_join(thread, &well), 0);
        pthread_attr_destroy(&attr);
        print_message("# " STR_FMT "\n", STR_ARG(hostile_units[i]));
        assert_non_null(well);
    }
    free(text);
}

#endif
