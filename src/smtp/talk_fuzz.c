/* smtp/talk_fuzz.c - any bytes as a server, whole and octet by octet: no state is left out, the
 * talk gets on or ends, and what is told of a refusal has no control in it. */
#include "smtp/talk.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const str paths[] = { STR_INIT("a@b.test"), STR_INIT("c@b.test"), STR_INIT("d@b.test") };
static const struct talk_mail mail = { .reverse_path = STR_INIT(""),
                                       .forward_paths = paths,
                                       .forward_count = 3,
                                       .size = 9 };
static const str message = STR_INIT("S: s\r\n\r\n.\r\n");

static void check_told(const struct sending *each, struct talk_turn turn)
{
    for (size_t i = 0; i < mail.forward_count; i++) {
        if (str_is_none(each[i].says) ||
            (turn.ending.sent != SENT_TAKEN && each[i].sent == SENT_TAKEN))
            abort();
        for (size_t at = 0; at < each[i].says.len; at++) {
            if ((unsigned char)each[i].says.ptr[at] < 0x20)
                abort();
        }
    }
}

static const struct login login = { STR_INIT("me"), STR_INIT("secret") };

static void talk_with(str server, size_t piece, bool lmtp, bool known)
{
    AUTO_ARENA *a = arena_new(1 << 20);
    struct talk talk;
    struct talk_turn turn = { .wish = TALK_READ };
    struct sending each[3];
    const struct talk_manner manner = { .hostname = STR("mx.test"),
                                        .tls = TALK_TLS_OFFERED,
                                        .login = known ? &login : NULL,
                                        .lmtp = lmtp };
    talk_begin(&talk, &mail, &manner, each);
    talk.trusted = true;
    while (server.len && turn.wish != TALK_END) {
        turn = talk_feed(&talk, str_head(server, piece), a);
        server = str_from(server, piece);
        if (turn.wish == TALK_SHAKE)
            turn = talk_is_secure(&talk);
        if (turn.send.len && !str_ends(turn.send, STR("\r\n")))
            abort();
        if (turn.wish == TALK_PUT && (!talk_put(&talk, message).ptr || !talk_put_end(&talk).ptr))
            abort();
    }
    if (turn.wish == TALK_END)
        check_told(each, turn);
    const str password = STR("AG1lAHNlY3JldA==");
    if (known && turn.wish == TALK_END && talk.login_at == LOGIN_SAID && !talk.accepted &&
        str_find_str(turn.ending.says, STR("AUTH was")) == 0 &&
        str_find_str(turn.ending.says, password) < turn.ending.says.len)
        abort();
    talk_end(&talk);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    str server = { (const char *)data, size };
    for (int manner = 0; manner < 4; manner++) {
        const bool lmtp = manner & 1, known = manner & 2;
        talk_with(server, size ? size : 1, lmtp, known);
        talk_with(server, 1, lmtp, known);
        talk_with(server, 7, lmtp, known);
    }
    return 0;
}
