/* mail/outbound_fuzz.c - any octets as a raw message: what is written has every line end a CRLF,
 * one Message-ID, which is ours, no Bcc, and the body it had; and it reads again as the same. */
#include "mail/outbound.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_lines(str text)
{
    for (size_t i = 0; i < text.len; i++) {
        bool crlf = text.ptr[i] == '\r' && i + 1 < text.len && text.ptr[i + 1] == '\n';
        if ((text.ptr[i] == '\r' && !crlf) ||
            (text.ptr[i] == '\n' && (!i || text.ptr[i - 1] != '\r')))
            abort();
    }
    if (text.len && !str_ends(text, STR("\r\n")))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_ARENA *arena = arena_new(64 << 20);
    AUTO_BUF lines = buf_new(64 << 20), out = buf_new(64 << 20);
    struct outbound first, again;
    outbound_lines((str) { (const char *)data, size }, &lines);
    check_lines(buf_str(&lines));
    if (outbound_read(buf_str(&lines), arena, &first))
        return 0;
    for (size_t i = 0; i < first.to_count; i++)
        if (!address_unsendable(first.to[i].address, arena) &&
            (str_has(first.to[i].address, '\r') || str_has(first.to[i].address, '\n')))
            abort();
    const struct outbound_marks marks = { .from = STR("us@here.test"),
                                          .message_id = STR("1@here.test"),
                                          .date_ms = 5000 };
    outbound_write(&first, &marks, &out);
    str text = buf_str(&out);
    check_lines(text);
    if (out.failed || outbound_read(text, arena, &again) || again.message.body_at > text.len)
        abort();
    size_t at = 0, ids = 0;
    const struct field *f;
    for (; (f = message_field(&again.message, STR("Message-ID"), &at)); ids++)
        if (!str_eq(f->value, STR(" <1@here.test>")))
            abort();
    at = 0;
    if (ids != 1 || message_field(&again.message, STR("Bcc"), &at) || !again.from_count ||
        !str_eq(str_from(text, again.message.body_at), str_from(first.text, first.message.body_at)))
        abort();
    return 0;
}
