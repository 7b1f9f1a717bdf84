#include "smtp/far_end_suite.h"

#include "wire/listen.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

static bool heard_line(struct stream *s, struct buf *heard, struct clock *clock)
{
    for (char c = 0; c != '\n';) {
        size_t got;
        enum stream_io io = stream_read(s, &c, 1, &got);
        if (io == STREAM_DONE)
            buf_addc(heard, c);
        else if (io != STREAM_WANT_READ ||
                 !stream_wait(s->fd, POLLIN, clock, clock->steady_ms(clock) + 5000))
            return false;
    }
    return true;
}

static void say(struct stream *s, const char *words)
{
    for (str rest = str_of(words); rest.len;) {
        size_t put;
        if (stream_write(s, rest, &put) != STREAM_DONE)
            return;
        rest = str_from(rest, put);
    }
}

static void *serve(void *context)
{
    struct far_end *f = context;
    struct clock *clock = clock_real();
    struct stream s = { .fd = -1 };
    bool greets = false; /* TLS came first: what follows is said unasked */
    for (const char *const *step = f->script; *step; step++) {
        char peer[STREAM_ADDRESS_SIZE];
        bool opening = s.fd < 0;
        if (s.fd < 0 && stream_wait(f->listener, POLLIN, clock, clock->steady_ms(clock) + 5000))
            s.fd = stream_accept(f->listener, peer);
        if (s.fd < 0)
            return NULL; /* nobody came: who waits for us sees what he did not get */
        if (strcmp(*step, "<TLS>") == 0) {
            enum stream_io io = stream_start_tls(&s, f->tls) ? STREAM_WANT_READ : STREAM_BROKEN;
            while (io == STREAM_WANT_READ &&
                   stream_wait(s.fd, POLLIN, clock, clock->steady_ms(clock) + 5000))
                io = stream_handshake(&s);
            f->secure = io == STREAM_DONE;
            greets = opening;
            continue;
        }
        bool dot = strcmp(*step, "<DOT>") == 0;
        bool message = dot || strcmp(*step, "250 taken\r\n") == 0; /* behind the dot */
        size_t from = f->heard.len;
        if (!opening && !greets)
            do
                heard_line(&s, &f->heard, clock);
            while (message && !str_ends(buf_str(&f->heard), STR("\r\n.\r\n")) &&
                   f->heard.len > from && (from = f->heard.len));
        greets = dot;
        if (dot)
            continue;
        if (strcmp(*step, "<...>") == 0)
            break;
        if (!**step) {
            stream_close(&s);
            continue;
        }
        say(&s, *step);
    }
    if (s.fd >= 0) {
        heard_line(&s, &f->heard, clock);
        stream_close(&s);
    }
    return NULL;
}

void far_end_listen(struct far_end *f, str address, struct arena *a)
{
    f->heard = buf_new(1 << 16);
    assert_null(listen_at(address, LISTEN_SHARED, a, &f->listener, &f->address));
}

void far_end_begin(struct far_end *f)
{
    assert_int_equal(pthread_create(&f->thread, NULL, serve, f), 0);
}

void far_end_end(struct far_end *f)
{
    pthread_join(f->thread, NULL);
    close(f->listener);
}
