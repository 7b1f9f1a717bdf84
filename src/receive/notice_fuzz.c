/* receive/notice_fuzz.c - any bytes as a stored message: each document is JSON that our own reader
 * takes, and it is the same twice. */
#include "receive/notice.h"

#include "base/json.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct action sns = { .kind = ACTION_SNS, .topic_arn = STR_INIT("t") };
    static const struct step step = { .action = &sns };
    struct envelope envelope = { .message_id = STR("m") };
    struct notice notice = { .envelope = &envelope,
                             .stored = { (const char *)data, size },
                             .step = &step };
    const struct fault *(*const forms[])(const struct notice *,
                                         struct buf *) = { notice_write, notice_write_content,
                                                           notice_write_event };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        AUTO_ARENA *a = arena_new(256 << 20);
        AUTO_BUF one = buf_new(64 << 20), two = buf_new(64 << 20);
        const struct json *root;
        if (forms[i](&notice, &one) || forms[i](&notice, &two) ||
            !str_eq(buf_str(&one), buf_str(&two)) || json_parse(buf_str(&one), a, &root))
            abort();
    }
    return 0;
}
