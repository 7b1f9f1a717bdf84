/* smtp/reply.c - renders rows of the reply table. */
#include "smtp/reply.h"

#include <assert.h>
#include <stdio.h>

static const struct smtp_reply_row rows[REPLY_COUNT] = {
#define X(name, code, enhanced, text, label)                                                       \
    [REPLY_##name] = { code, STR_INIT(enhanced), STR_INIT(text), STR_INIT(label) },
    SMTP_REPLIES(X)
#undef X
};

const struct smtp_reply_row *smtp_reply_row(unsigned reply)
{
    assert(reply > REPLY_NONE && reply < REPLY_COUNT && "only rows of the table are replies");
    return &rows[reply];
}

int smtp_reply_code(unsigned reply, const struct smtp_given *given)
{
    return reply == REPLY_GIVEN ? given->code : smtp_reply_row(reply)->code;
}

struct line {
    char *to;
    size_t len, room;
};

static void add(struct line *line, str text)
{
    size_t size = text.len < line->room - line->len ? text.len : line->room - line->len;
    if (size)
        memcpy(line->to + line->len, text.ptr, size);
    line->len += size;
}

static str word(const struct smtp_reply_words *words, char letter)
{
    switch (letter) {
    case 'h':
        return words->hostname;
    case 'p':
        return words->peer;
    case 'i':
        return words->id;
    case 't':
        return words->token;
    case 'g':
        assert(!str_has(words->given->text, '\r') && !str_has(words->given->text, '\n') &&
               "a given text is one line");
        return words->given->text;
    }
    assert(false && "a text of the table has only %h, %p, %i, %t and %g");
    return STR_NONE;
}

size_t smtp_reply_write(unsigned reply, const struct smtp_reply_words *words, char *to, size_t room)
{
    const struct smtp_reply_row *row = smtp_reply_row(reply);
    assert(room > 8 && "room for a code and CRLF");
    struct line line = { .to = to, .room = room - 2 };
    char digits[16];
    const int code = smtp_reply_code(reply, words->given);
    const str enhanced = reply == REPLY_GIVEN ? words->given->status : row->enhanced;
    add(&line, (str) { digits, (size_t)snprintf(digits, sizeof digits, "%d ", code) });
    if (enhanced.len && !(words->compat_ses && code < 400)) {
        add(&line, enhanced);
        add(&line, STR(" "));
    }
    str text = row->text, head;
    while (str_cut(text, '%', &head, &text)) {
        add(&line, head);
        add(&line, word(words, text.ptr[0]));
        text = str_from(text, 1);
    }
    add(&line, head);
    memcpy(to + line.len, "\r\n", 2);
    return line.len + 2;
}

unsigned smtp_reply_of_fault(const struct fault *fault)
{
    switch (fault->kind) {
    case FAULT_LIMIT:
        return REPLY_NO_SPACE;
    case FAULT_DENIED:
        return REPLY_BLOCKED;
    case FAULT_SYNTAX:
    case FAULT_SEQUENCE:
    case FAULT_ABSENT:
    case FAULT_CONFLICT:
    case FAULT_UNAVAILABLE:
    case FAULT_UNBUILT:
    case FAULT_DEFECT:
        break;
    }
    return REPLY_LOCAL_ERROR;
}
