/* smtp/talk_fuzz.c - any bytes as a server, whole and octet by octet: no state is left out, the
 * talk gets on or ends, and what is told of a refusal has no control in it. */
#include "smtp/talk.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct outgoing mail = { .reverse_path = STR_INIT(""),
                                      .forward_path = STR_INIT("a@b.test"),
                                      .message = STR_INIT("S: s\r\n\r\n.\r\n") };

static void talk_with(str server, size_t piece)
{
    AUTO_ARENA *a = arena_new(1 << 20);
    struct talk talk;
    struct talk_turn turn = { .wish = TALK_READ };
    talk_begin(&talk, &mail, STR("mx.test"), true);
    while (server.len && turn.wish != TALK_END) {
        turn = talk_feed(&talk, str_head(server, piece), a);
        server = str_from(server, piece);
        if (turn.wish == TALK_SHAKE)
            turn = talk_is_secure(&talk);
        if (turn.send.len && !str_ends(turn.send, STR("\r\n")))
            abort();
    }
    for (size_t i = 0; turn.wish == TALK_END && i < turn.ending.says.len; i++) {
        if ((unsigned char)turn.ending.says.ptr[i] < 0x20)
            abort();
    }
    talk_end(&talk);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    str server = { (const char *)data, size };
    talk_with(server, size ? size : 1);
    talk_with(server, 1);
    talk_with(server, 7);
    return 0;
}
