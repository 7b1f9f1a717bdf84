/* mail/compose_fuzz.c - any octets as subject, texts, charset, addresses and field: what is made
 * has 7 bits and short lines, the fields it should have and no other, and the boundaries of two
 * parts. */
#include "mail/compose.h"

#include "mail/outbound.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define BOUNDARY "------=_Part_1984813963"

static size_t count(str text, str what)
{
    size_t found = 0;
    for (size_t at; (at = str_find_str(text, what)) < text.len; found++)
        text = str_from(text, at + what.len);
    return found;
}

static void check_lines(str text)
{
    size_t column = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        bool crlf = c == '\r' && i + 1 < text.len && text.ptr[i + 1] == '\n';
        if (c == 0 || c >= 0x80 || (c == '\r' && !crlf) || (c == '\n' && text.ptr[i - 1] != '\r'))
            abort();
        column = c == '\n' ? 0 : column + 1;
        if (column > 999)
            abort();
    }
}

static void check_fields(str text, struct arena *arena)
{
    static const char *const names[] = { "From", "To", "Subject", "MIME-Version", "Content-Type" };
    struct message m;
    if (message_read(text, arena, &m) || !m.whole)
        abort();
    if (m.count != sizeof names / sizeof *names)
        abort();
    for (size_t i = 0; i < m.count; i++)
        if (!str_eq(m.fields[i].name, str_of(names[i])))
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_ARENA *arena = arena_new(64 << 20);
    AUTO_BUF out = buf_new(64 << 20);
    str in = { (const char *)data, size }, charset, rest;
    struct listed *listed;
    size_t addresses;
    unsigned words = 64;
    str_cut(in, '\n', &charset, &rest);
    if (str_is_none(rest))
        rest = in;
    str to = STR("c@d.test");
    if (count(in, STR("1984813963")) || addresses_read(rest, &words, arena, &listed, &addresses))
        return 0;
    bool sendable = addresses > 0;
    for (size_t i = 0; i < addresses; i++)
        sendable = sendable && !address_unsendable(listed[i].address, arena);
    if (sendable) /* as the caller is held to it */
        to = rest;
    const struct compose c = { .from = STR("a@b.test"),
                               .to = &to,
                               .to_count = 1,
                               .subject = { rest, charset },
                               .text = { rest, charset },
                               .html = { in, STR_NONE },
                               .token = STR("1984813963") };
    if (compose_write(&c, arena, &out))
        return 0;
    str text = buf_str(&out);
    check_lines(text);
    check_fields(text, arena);
    if (count(text, STR("\r\n" BOUNDARY)) != 3 || !str_ends(text, STR("\r\n" BOUNDARY "--\r\n")))
        abort();
    return 0;
}
