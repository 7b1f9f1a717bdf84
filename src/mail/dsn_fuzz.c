/* mail/dsn_fuzz.c - any bytes as the header section, addresses and words of what bounces: the
 * notification has four parts' boundaries and no more, stays in 7 bits where it says so, and no
 * line is too long. */
#include "mail/dsn.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define BOUNDARY "------=_Part_0_1984813963.5000"

static size_t count(str text, str what)
{
    size_t found = 0;
    for (size_t at; (at = str_find_str(text, what)) < text.len; found++)
        text = str_from(text, at + what.len);
    return found;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    str in = { (const char *)data, size };
    if (count(in, STR("1984813963"))) /* the token cannot be known beforehand */
        return 0;
    struct header extension = { STR("X-More"), in };
    struct dsn_recipient recipient = { .final_recipient = in,
                                       .original_recipient = in,
                                       .action = in,
                                       .status = in,
                                       .diagnostic = in,
                                       .remote_mta = in,
                                       .extensions = &extension,
                                       .extension_count = 1 };
    struct dsn dsn = { .from = STR("a@b.test"),
                       .to = STR("c@d.test"),
                       .message_id = STR("m@b.test"),
                       .date_ms = 5000,
                       .token = STR("1984813963"),
                       .explanation = in,
                       .reporting_mta = in,
                       .arrival_ms = 1000,
                       .recipients = &recipient,
                       .recipient_count = 1,
                       .original = in };
    AUTO_BUF out = buf_new(64 << 20);
    dsn_write(&dsn, &out);
    str text = buf_str(&out);
    if (out.failed || count(text, STR("\r\n" BOUNDARY)) != 4 ||
        !str_ends(text, STR("\r\n" BOUNDARY "--\r\n")))
        abort();
    size_t column = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        bool crlf = c == '\r' && i + 1 < text.len && text.ptr[i + 1] == '\n';
        if (c == 0 || c >= 0x80 || (c == '\r' && !crlf) || (c == '\n' && text.ptr[i - 1] != '\r'))
            abort();
        column = c == '\n' ? 0 : column + 1;
        if (column > 1000) /* with its CRLF: RFC 5322 2.1.1 */
            abort();
    }
    return 0;
}
