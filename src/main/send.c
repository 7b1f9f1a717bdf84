/* main/send.c - `sesame send --to ADDRESS [FILE]`: one test message, and what the server said to
 * it. */
#include "base/json.h"
#include "base/random_id.h"
#include "base/utf8.h"
#include "mail/mailbox.h"
#include "main/commands.h"
#include "main/config.h"
#include "main/data_dir.h"
#include "main/file.h"
#include "main/letter.h"
#include "smtp/line.h"

#include <signal.h>
#include <stdio.h>

extern char **environ;

enum {
    MESSAGE_MAX = 64 << 20,
    TO_MAX = 1000,
    PATIENCE_MS = 2 * 60 * 1000,
    SEND_ARENA = MESSAGE_MAX + (32 << 20),
};

struct posting { /* what is sent, and what came of it */
    struct talk_mail mail;
    struct buf message;
    struct sending *each;
    struct sending ending;
};

/* ---- the envelope ---- */

static bool is_mailbox(str text, struct arena *a)
{
    struct mailbox mailbox;
    return mailbox_of(text, MAILBOX_LENIENT, a, &mailbox);
}

static const struct fault *read_paths(const struct config *c, struct arena *a,
                                      struct talk_mail *mail)
{
    str *paths = ARENA_ARRAY(a, str, TO_MAX);
    size_t count = 0;
    if (!paths)
        return &fault_no_memory;
    mail->reverse_path = str_eq(c->from, STR("<>")) ? STR("") : c->from;
    if (mail->reverse_path.len && !is_mailbox(mail->reverse_path, a))
        return fault(a, FAULT_SYNTAX, NULL, "\"" STR_FMT "\" is no address", STR_ARG(c->from));
    for (str rest = c->to, one; rest.len;) {
        str_cut(rest, ',', &one, &rest);
        one = str_trim(one);
        if (!is_mailbox(one, a))
            return fault(a, FAULT_SYNTAX, NULL, "\"" STR_FMT "\" is no address", STR_ARG(one));
        if (count == TO_MAX)
            return fault(a, FAULT_SYNTAX, NULL, "those are more than %d recipients", TO_MAX);
        paths[count++] = one;
    }
    if (!count)
        return fault(a, FAULT_SYNTAX, NULL, "to whom? --to ADDRESS is missing");
    mail->forward_paths = paths;
    mail->forward_count = count;
    return NULL;
}

/* ---- the message ---- */

static const struct fault *write_message(const struct config *c, struct arena *a, struct posting *p)
{
    str text;
    char id[REQUEST_ID_LEN + 1];
    if (c->operand_count) {
        if (c->subject.ptr || c->text.ptr)
            return fault(a, FAULT_SYNTAX, NULL,
                         "either FILE is the message, or --subject and --body are");
        TRY(file_read_up_to(c->operands[0], MESSAGE_MAX, a, &text));
        letter_lines(text, &p->message);
    } else {
        const str unique = random_request_id(entropy_real(), id);
        const struct letter letter = {
            .from = p->mail.reverse_path,
            .to = p->mail.forward_paths,
            .to_count = p->mail.forward_count,
            .subject = c->subject.ptr ? c->subject : STR("A test message"),
            .body = c->text.ptr ? c->text : STR("Sent by sesame send."),
            .message_id = arena_strf(a, STR_FMT "@sesame.invalid", STR_ARG(unique)),
            .now_ms = clock_real()->wall_ms(clock_real()),
        };
        letter_write(&letter, &p->message);
    }
    p->mail.ascii = utf8_is_ascii(buf_str(&p->message));
    return p->message.failed ? &fault_no_memory : NULL;
}

/* ---- the server ---- */

static const struct fault *find_server(const struct config *c, struct arena *a, str *ret_address)
{
    str line;
    const struct json *ready;
    if (c->server.ptr) {
        *ret_address = c->server;
        return NULL;
    }
    TRY(data_dir_read_ready(c->data, a, &line));
    TRY(json_parse(line, a, &ready));
    const struct json *first = json_at(json_get(ready, "smtp"), 0);
    *ret_address = json_text(first);
    return ret_address->ptr
               ? NULL
               : fault(a, FAULT_UNAVAILABLE, NULL,
                       "ready.json of " STR_FMT " names no SMTP listener", STR_ARG(c->data));
}

static const struct fault *hand_over(const struct config *c, struct arena *a, struct posting *p)
{
    struct clock *clock = clock_real();
    struct line_call call = { .clock = clock,
                              .deadline_ms = clock->steady_ms(clock) + PATIENCE_MS };
    TRY(find_server(c, a, &call.address));
    if (c->tls)
        TRY(tls_client_open(&(struct tls_client_settings) { .checks = false }, a, &call.tls));
    size_t colon = call.address.len;
    while (colon && call.address.ptr[colon - 1] != ':')
        colon--;
    call.tls_host = arena_cstr(a, str_head(call.address, colon ? colon - 1 : 0));
    p->each = ARENA_ARRAY(a, struct sending, p->mail.forward_count);
    if (!call.tls_host || !p->each)
        return &fault_no_memory;
    const struct talk_manner manner = { .hostname = STR("localhost"),
                                        .tls = c->tls ? TALK_TLS_REQUIRED : TALK_TLS_NEVER };
    struct text_body body = text_body_of(buf_str(&p->message));
    p->ending = line_hand_over(&call, &p->mail, &manner, &body.body, a, p->each, NULL);
    return NULL;
}

/* ---- what came of it ---- */

/* Sesame and SES end their reply with the id. */
static str message_id_in(str reply)
{
    size_t at = reply.len;
    while (at && reply.ptr[at - 1] != ' ')
        at--;
    const str word = str_from(reply, at);
    return message_id_valid(word) ? word : STR_NONE;
}

static bool all_took_it(const struct posting *p)
{
    bool all = true;
    for (size_t i = 0; i < p->mail.forward_count; i++)
        all = all && p->each[i].sent == SENT_TAKEN;
    return all;
}

static void print_json(const struct posting *p)
{
    AUTO_BUF out = buf_new(4 << 20);
    struct json_writer w = json_writer(&out);
    json_open(&w, '{');
    json_add_bool(&w, "taken", p->ending.sent == SENT_TAKEN);
    json_add_str(&w, "says", p->ending.says);
    json_add_str(&w, "messageId", message_id_in(p->ending.says));
    json_name(&w, STR("recipients"));
    json_open(&w, '[');
    for (size_t i = 0; i < p->mail.forward_count; i++) {
        json_open(&w, '{');
        json_add_str(&w, "address", p->mail.forward_paths[i]);
        json_add_bool(&w, "taken", p->each[i].sent == SENT_TAKEN);
        json_add_bool(&w, "later", p->each[i].sent == SENT_LATER);
        json_add_str(&w, "says", p->each[i].says);
        json_close(&w, '}');
    }
    json_close(&w, ']');
    json_close(&w, '}');
    printf(STR_FMT "\n", STR_ARG(buf_str(&out)));
}

static void print(const struct posting *p)
{
    const str id = message_id_in(p->ending.says);
    if (p->ending.sent == SENT_TAKEN)
        printf(STR_FMT "\n", STR_ARG(p->ending.says));
    if (id.ptr)
        printf("message " STR_FMT "\n", STR_ARG(id));
    fflush(stdout);
    for (size_t i = 0; i < p->mail.forward_count; i++) {
        if (p->each[i].sent != SENT_TAKEN)
            fprintf(stderr, "sesame: not sent to " STR_FMT ": " STR_FMT "\n",
                    STR_ARG(p->mail.forward_paths[i]), STR_ARG(p->each[i].says));
    }
}

static const struct fault *post(const struct config *c, struct arena *a, struct posting *p)
{
    TRY(read_paths(c, a, &p->mail));
    TRY(write_message(c, a, p));
    return hand_over(c, a, p);
}

int command_send(int argc, char *const *argv)
{
    AUTO_ARENA *a = arena_new(SEND_ARENA);
    struct config config;
    struct posting p = { .message = buf_new(2 * MESSAGE_MAX) };
    signal(SIGPIPE, SIG_IGN); /* a server that hangs up is told in words */
    const struct fault *f =
        a ? config_read(FOR_SEND, argc, argv, environ, a, &config) : &fault_no_memory;
    if (!f)
        f = post(&config, a, &p);
    if (!f && config.json)
        print_json(&p);
    else if (!f)
        print(&p);
    const int code = f ? command_failed(f, a) : fflush(stdout) == 0 && all_took_it(&p) ? 0 : 1;
    buf_free(&p.message);
    return code;
}
