/* main/log.c - `sesame log refused`: who was turned away of late, and why, for people.
 *
 * Most of what is shown was written by strangers, so whatever a terminal might obey is escaped. */
#include "base/json.h"
#include "base/utf8.h"
#include "main/ask.h"
#include "main/commands.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { TEXT_MAX = 64 << 20 };

extern char **environ;

/* ---- one refusal ---- */

/* Moves the cursor, turns the line around, or cannot be seen. */
static bool is_unsafe(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0xad || c == 0x61c || c == 0x180e ||
           (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
           (c >= 0x2060 && c <= 0x206f) || c == 0xfeff || (c >= 0xe0000 && c <= 0xe007f);
}

static void show(struct buf *out, str text)
{
    for (struct cursor in = cursor_of(text); in.at < in.end;) {
        const char *from = in.at;
        uint32_t c = utf8_next(&in);
        if (c == UTF8_BAD)
            buf_addf(out, "\\x%02x", (unsigned char)*from);
        else if (is_unsafe(c))
            buf_addf(out, "\\u{%x}", (unsigned)c);
        else
            buf_add(out, (str) { from, (size_t)(in.at - from) });
    }
}

static void show_member(struct buf *out, const char *before, const struct json *r, const char *name)
{
    str text = json_str(r, name);
    if (!text.len)
        return;
    buf_add(out, str_of(before));
    show(out, text);
}

static void show_refusal(const struct json *r, struct buf *out)
{
    int64_t left_out = json_int(r, "leftOut", 0);
    show(out, json_str(r, "time"));
    if (left_out) {
        buf_addf(out, "  %lld more were refused in that second and only counted\n",
                 (long long)left_out);
        return;
    }
    show_member(out, "  ", r, "refused");
    show_member(out, " refused, peer ", r, "peer");
    show_member(out, ", HELO ", r, "helo");
    show_member(out, ", MAIL FROM ", r, "from");
    show_member(out, ", RCPT TO ", r, "to");
    show_member(out, ", ", r, "region");
    buf_add(out, json_bool(r, "tls", false) ? STR(", TLS\n") : STR("\n"));
    show_member(out, "    ", r, "reply");
    show_member(out, "\n    ", r, "why");
    buf_addc(out, '\n');
}

/* ---- asking ---- */

static const struct fault *ask_refused(const struct config *c, int64_t after, struct arena *a,
                                       str *ret_body)
{
    char number[32];
    struct http_reply reply;
    AUTO_BUF path = buf_new(8192);
    buf_add(&path, STR("refused"));
    ask_add_parameter(&path, "account", c->account);
    ask_add_parameter(&path, "address", c->address);
    /* Whoever follows begins with the usual few and misses none of those that come then. */
    snprintf(number, sizeof number, "%llu", after ? 1000ull : (unsigned long long)c->limit);
    ask_add_parameter(&path, "limit", str_of(number));
    if (after) {
        snprintf(number, sizeof number, "%lld", (long long)after);
        ask_add_parameter(&path, "after", str_of(number));
    }
    if (path.failed)
        return &fault_no_memory;
    TRY(ask_server(c, "GET", arena_str(a, buf_str(&path)), clock_real(), a, &reply));
    TRY(ask_check(&reply, a));
    *ret_body = reply.body;
    return NULL;
}

static bool print(const struct buf *text)
{
    return !text->failed && fwrite(text->ptr ? text->ptr : "", 1, text->len, stdout) == text->len &&
           fflush(stdout) == 0;
}

/* Oldest first, as a log is read. */
static const struct fault *print_list(const struct config *c, const struct json *body,
                                      struct arena *a)
{
    const struct json *list = json_get(body, "refused");
    AUTO_BUF text = buf_new(TEXT_MAX);
    for (size_t i = json_size(list); i-- > 0;) {
        if (!c->json) {
            show_refusal(json_at(list, i), &text);
            continue;
        }
        struct json_writer w = json_writer(&text);
        json_put_value(&w, json_at(list, i));
        buf_addc(&text, '\n');
    }
    return print(&text) ? NULL
                        : fault(a, FAULT_UNAVAILABLE, NULL,
                                "the refusals could not be written to standard output");
}

static const struct fault *print_since(const struct config *c, int64_t *after)
{
    AUTO_ARENA *a = arena_new(128 << 20);
    str body;
    const struct json *json;
    if (!a)
        return &fault_no_memory;
    const struct fault *f = ask_refused(c, *after, a, &body);
    if (!f)
        f = json_parse(body, a, &json);
    if (!f)
        f = print_list(c, json, a);
    if (f) {
        command_failed(f, a);
        return f;
    }
    int64_t next = json_int(json, "next", 0);
    *after = next < *after ? 0 : next; /* fewer: it was started again */
    return NULL;
}

int command_log(int argc, char *const *argv)
{
    AUTO_ARENA *a = arena_new(16 << 20);
    struct config config;
    const struct fault *f =
        a ? config_read(FOR_LOG, argc, argv, environ, a, &config) : &fault_no_memory;
    if (!f && (config.operand_count != 1 || !str_eq(config.operands[0], STR("refused"))))
        f = fault(a, FAULT_SYNTAX, NULL, "which log? There is one: sesame log refused");
    if (f)
        return command_failed(f, a);
    int64_t after = 0;
    while (!print_since(&config, &after)) {
        if (!config.follow)
            return 0;
        sleep(1);
    }
    return 1;
}
