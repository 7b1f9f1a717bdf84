/* main/handover.c - "pid=812 lock=3 asked=99120 runner=813 answers=9,10 api=127.0.0.1:0=5
 * smtp=127.0.0.1:2525=6,7": words with blanks between, in any order but the first. */
#include "main/handover.h"

#include <unistd.h>

enum { TEXT_MAX = 120 * 1024, FDS_MAX = 4096, LISTENING_MAX = 128 };

static const str faces[] = { [HANDED_API] = STR_INIT("api"), [HANDED_SMTP] = STR_INIT("smtp") };

/* ---- writing ---- */

static void put_fds(struct buf *out, const int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        buf_addf(out, "%s%d", i ? "," : "", fds[i]);
}

const char *handover_write(const struct handover *h, int64_t pid, struct arena *a)
{
    AUTO_BUF out = buf_new(TEXT_MAX);
    buf_addf(&out, "%s=pid=%lld lock=%d asked=%lld runner=%lld", HANDOVER_VARIABLE, (long long)pid,
             h->lock, (long long)h->asked_ms, (long long)h->runner);
    if (h->answer_count)
        buf_add(&out, STR(" answers="));
    put_fds(&out, h->answers, h->answer_count);
    for (size_t i = 0; i < h->listening_count; i++) {
        const struct handed *one = &h->listening[i];
        buf_addf(&out, " " STR_FMT "=" STR_FMT "=", STR_ARG(faces[one->face]),
                 STR_ARG(one->address));
        put_fds(&out, one->fds, one->count);
    }
    return out.failed ? NULL : arena_cstr(a, buf_str(&out));
}

/* ---- reading ---- */

static bool read_number(str text, int64_t *ret_number)
{
    uint64_t number;
    if (!str_u64(text, &number) || number > INT64_MAX)
        return false;
    *ret_number = (int64_t)number;
    return true;
}

static bool read_fd(str text, int *ret_fd)
{
    int64_t fd;
    if (!read_number(text, &fd) || fd <= STDERR_FILENO || fd > INT32_MAX)
        return false;
    *ret_fd = (int)fd;
    return true;
}

static bool read_fds(str text, struct arena *a, const int **ret_fds, size_t *ret_count)
{
    size_t room = 1, count = 0;
    for (size_t i = 0; i < text.len; i++)
        room += text.ptr[i] == ',';
    int *fds = room <= FDS_MAX ? ARENA_ARRAY(a, int, room) : NULL;
    for (str one; fds && text.len;) {
        str_cut(text, ',', &one, &text);
        if (!read_fd(one, &fds[count++]))
            return false;
    }
    *ret_fds = fds;
    *ret_count = count;
    return count > 0;
}

static bool read_listening(enum handed_face face, str value, struct arena *a, struct handover *h)
{
    str fds;
    if (h->listening_count == LISTENING_MAX)
        return false;
    struct handed *one = &h->listening[h->listening_count++];
    one->face = face;
    return str_cut(value, '=', &one->address, &fds) && one->address.len &&
           read_fds(fds, a, &one->fds, &one->count);
}

static bool read_word(str word, struct arena *a, struct handover *h)
{
    str name, value;
    if (!str_cut(word, '=', &name, &value))
        return false;
    if (str_eq(name, STR("lock")))
        return read_fd(value, &h->lock);
    if (str_eq(name, STR("asked")))
        return read_number(value, &h->asked_ms);
    if (str_eq(name, STR("runner")))
        return read_number(value, &h->runner);
    if (str_eq(name, STR("answers")))
        return read_fds(value, a, &h->answers, &h->answer_count);
    for (enum handed_face face = HANDED_API; face <= HANDED_SMTP; face++) {
        if (str_eq(name, faces[face]))
            return read_listening(face, value, a, h);
    }
    return false;
}

const struct fault *handover_read(str text, int64_t pid, struct arena *a,
                                  struct handover *ret_handover)
{
    struct handover h = { .given = true };
    str first, name, value;
    int64_t meant;
    *ret_handover = (struct handover) { 0 };
    str_cut(text, ' ', &first, &text);
    if (!str_cut(first, '=', &name, &value) || !str_eq(name, STR("pid")) ||
        !read_number(value, &meant) || meant != pid)
        return NULL;
    h.listening = ARENA_ARRAY(a, struct handed, LISTENING_MAX);
    if (!h.listening)
        return &fault_no_memory;
    for (str word; text.len;) {
        str_cut(text, ' ', &word, &text);
        if (!read_word(word, a, &h))
            return fault(a, FAULT_SYNTAX, NULL,
                         HANDOVER_VARIABLE " is not what a reset leaves: \"" STR_FMT "\"",
                         STR_ARG(word));
    }
    if (!h.lock)
        return fault(a, FAULT_SYNTAX, NULL, HANDOVER_VARIABLE " names no lock");
    *ret_handover = h;
    return NULL;
}

/* ---- using ---- */

struct handed handover_take(struct handover *h, enum handed_face face, str address)
{
    for (size_t i = 0; i < h->listening_count; i++) {
        struct handed found = h->listening[i];
        if (!found.count || found.face != face || !str_eq(found.address, address))
            continue;
        h->listening[i].count = 0;
        return found;
    }
    return (struct handed) { .face = face, .address = address };
}

void handover_close_rest(struct handover *h)
{
    for (size_t i = 0; i < h->listening_count; i++) {
        for (size_t n = 0; n < h->listening[i].count; n++)
            close(h->listening[i].fds[n]);
        h->listening[i].count = 0;
    }
}
