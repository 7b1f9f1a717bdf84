/* mail/mailbox_fuzz.c - any bytes as a path under both rules: views stay inside, strict is a part
 * of lenient, and no control octet ever comes out. */
#include "mail/mailbox.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void no_controls(str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if ((unsigned char)text.ptr[i] < 0x20 || text.ptr[i] == 0x7f)
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    str in = { (const char *)data, size };
    AUTO_ARENA *arena = arena_new(1 << 20);
    enum parse seen[2][2];
    for (int rules = MAILBOX_STRICT; rules <= MAILBOX_LENIENT; rules++) {
        struct reverse_path r;
        struct forward_path f;
        struct cursor at = cursor_of(in);
        seen[rules][0] = reverse_path_parse(&at, (enum mailbox_rules)rules, arena, &r);
        if (at.at > at.end)
            abort();
        if (seen[rules][0] == PARSE_DONE) {
            no_controls(r.text);
            no_controls(r.mailbox.local_part);
        }
        at = cursor_of(in);
        seen[rules][1] = forward_path_parse(&at, (enum mailbox_rules)rules, arena, &f);
        if (at.at > at.end)
            abort();
        if (seen[rules][1] == PARSE_DONE) {
            no_controls(f.text);
            no_controls(f.mailbox.local_part);
            str ascii = mailbox_domain_ascii(f.mailbox.domain, arena);
            if (!str_is_none(ascii) && !mailbox_is_ascii(ascii))
                abort();
        }
    }
    for (int i = 0; i < 2; i++) {
        if (seen[MAILBOX_STRICT][i] == PARSE_DONE && seen[MAILBOX_LENIENT][i] != PARSE_DONE)
            abort();
    }
    return 0;
}
