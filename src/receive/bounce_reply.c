/* receive/bounce_reply.c - which Bounce actions can be said, and in which words. */
#include "receive/bounce_reply.h"

#include "mail/dsn.h"
#include "services/ses/recipients.h"

enum { LINE_MAX_OCTETS = 512 }; /* RFC 5321 4.5.3.1.5, CRLF included */

static bool is_code(str code)
{
    return code.len == 3 && (code.ptr[0] == '4' || code.ptr[0] == '5') && code.ptr[1] >= '0' &&
           code.ptr[1] <= '5' && ascii_is_digit(code.ptr[2]) && !str_eq(code, STR("421"));
}

/* RFC 3463 2: class "." subject "." detail, of one to three digits each; the class is the code's.
 */
static bool is_status(str status, str code)
{
    str parts[3];
    bool more = str_cut(status, '.', &parts[0], &status);
    more = more && str_cut(status, '.', &parts[1], &parts[2]);
    if (!more || parts[0].len != 1 || parts[0].ptr[0] != code.ptr[0])
        return false;
    for (size_t i = 1; i < 3; i++) {
        for (size_t k = 0; k < parts[i].len; k++) {
            if (!ascii_is_digit(parts[i].ptr[k]))
                return false;
        }
        if (parts[i].len < 1 || parts[i].len > 3)
            return false;
    }
    return true;
}

/* One line of what may be several. False: it is not ASCII, or there is no memory. */
static bool on_one_line(str text, size_t room, struct arena *a, str *ret_line)
{
    char *line = arena_alloc(a, text.len + 1, 1);
    size_t len = 0;
    if (!line)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c >= 0x80)
            return false;
        bool blank = c <= 0x20 || c == 0x7f;
        if (!blank)
            line[len++] = (char)c;
        else if (len && line[len - 1] != ' ')
            line[len++] = ' ';
    }
    *ret_line = str_trim(str_head((str) { line, len }, room));
    return true;
}

bool bounce_reply_of(const struct action *action, struct arena *a, struct bounce_reply *ret_reply)
{
    str code = action->bounce.smtp_reply_code;
    if (action->kind != ACTION_BOUNCE || action->topic_arn.len || !is_code(code))
        return false;
    str status = dsn_status(code, action->bounce.status_code), text;
    if (!is_status(status, code))
        return false;
    size_t room = LINE_MAX_OCTETS - 2 - code.len - 1 - status.len - 1;
    if (!on_one_line(action->bounce.message, room, a, &text) || !text.len)
        return false;
    *ret_reply = (struct bounce_reply) { .code = (code.ptr[0] - '0') * 100 +
                                                 (code.ptr[1] - '0') * 10 + (code.ptr[2] - '0'),
                                         .status = arena_str(a, status),
                                         .text = text };
    return ret_reply->status.ptr != NULL;
}

const struct receipt_rule *bounce_reply_rule(const struct receipt_rule_set *set,
                                             const struct mailbox *mailbox)
{
    for (size_t i = 0; i < set->rule_count; i++) {
        const struct receipt_rule *rule = &set->rules[i];
        if (rule->enabled && rule->action_count && rule_matches(rule, mailbox))
            return rule->actions[0].kind == ACTION_BOUNCE ? rule : NULL;
    }
    return NULL;
}
