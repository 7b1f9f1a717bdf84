/* wire/loop_test.c - posts from many threads, readiness and time-outs. */
#include "wire/loop.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { THREADS = 4, EACH = 2000 };

struct count {
    struct loop_task task;
    struct loop *loop;
    int *left; /* touched by the loop's thread only */
    int number, *last;
};

static void on_count(struct loop_task *task)
{
    struct count *c = (struct count *)(void *)task;
    assert_true(c->number > *c->last); /* one poster's tasks come in its order */
    *c->last = c->number;
    if (--*c->left == 0)
        loop_stop(c->loop);
}

static void *post_all(void *context)
{
    struct count *tasks = context;
    for (int i = 0; i < EACH; i++)
        loop_post(tasks[i].loop, &tasks[i].task);
    return NULL;
}

static void every_post_runs_once_and_in_order(void **state)
{
    (void)state;
    struct loop *loop = loop_new();
    struct count *tasks = calloc(THREADS * EACH, sizeof *tasks);
    pthread_t threads[THREADS];
    int left = THREADS * EACH, last[THREADS];
    for (int t = 0; t < THREADS; t++) {
        last[t] = -1;
        for (int i = 0; i < EACH; i++)
            tasks[t * EACH + i] = (struct count) { { .run = on_count }, loop, &left, i, &last[t] };
    }
    for (int t = 0; t < THREADS; t++)
        pthread_create(&threads[t], NULL, post_all, &tasks[t * EACH]);
    loop_run(loop);
    for (int t = 0; t < THREADS; t++)
        pthread_join(threads[t], NULL);
    assert_int_equal(left, 0);
    loop_free(loop);
    free(tasks);
}

struct seen {
    struct loop *loop;
    struct watch *watch;
    int fd, reads, writes, timeouts;
};

static void on_seen(void *context, unsigned what)
{
    struct seen *s = context;
    char octet;
    if (what & WATCH_WRITE) {
        s->writes++;
        watch_for(s->watch, WATCH_READ, 30);
    } else if (what & WATCH_READ) {
        s->reads++;
        assert_int_equal(read(s->fd, &octet, 1), 1);
    } else if (++s->timeouts == 1) {
        watch_for(s->watch, 0, 20); /* now only the time counts, though octets lie there */
        assert_int_equal(write(s->fd, "x", 1), 1);
    } else {
        watch_free(s->watch);
        loop_stop(s->loop);
    }
}

static void a_watch_tells_what_it_was_asked_for(void **state)
{
    (void)state;
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    struct seen s = { .loop = loop_new(), .fd = pair[0] };
    s.watch = watch_new(s.loop, pair[0], on_seen, &s);
    watch_for(s.watch, WATCH_WRITE, 1000);
    assert_int_equal(write(pair[1], "ab", 2), 2);
    loop_run(s.loop);
    assert_int_equal(s.writes, 1);
    assert_int_equal(s.reads, 2);
    assert_int_equal(s.timeouts, 2);
    loop_free(s.loop);
    close(pair[0]), close(pair[1]);
}

static void a_loop_stopped_early_does_not_run(void **state)
{
    (void)state;
    struct loop *loop = loop_new();
    loop_stop(loop);
    loop_run(loop);
    loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_post_runs_once_and_in_order),
        cmocka_unit_test(a_watch_tells_what_it_was_asked_for),
        cmocka_unit_test(a_loop_stopped_early_does_not_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
