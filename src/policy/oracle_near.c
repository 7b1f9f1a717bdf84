/* Texts near another: what a policy says when it nearly means the request. */
#include "policy/oracle_drawing.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* splitmix64 (Steele, Lea, Flood 2014). */
static uint64_t next(struct draw *d)
{
    uint64_t z = d->state += 0x9e3779b97f4a7c15U;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9U;
    z = (z ^ z >> 27) * 0x94d049bb133111ebU;
    return z ^ z >> 31;
}

size_t below(struct draw *d, size_t n)
{
    if (d->bytes_left == 0)
        return (size_t)(next(d) % n);
    d->bytes_left--;
    return *d->bytes++ % n;
}

bool chance(struct draw *d, unsigned percent)
{
    return below(d, 100) < percent;
}

void put(char *to, const char *text)
{
    snprintf(to, TEXT, "%s", text);
}

const char *context_text(struct draw *d, const char *key)
{
    const char *name;
    json_t *value;
    json_object_foreach(d->context, name, value)
    {
        if (strcasecmp(name, key) == 0)
            return json_string_value(json_is_array(value) ? json_array_get(value, 0) : value);
    }
    return NULL;
}

void draw_case_of_letters(struct draw *d, char *text)
{
    const size_t way = below(d, 4);
    for (size_t i = 0; text[i]; i++) {
        const bool upper = text[i] >= 'A' && text[i] <= 'Z',
                   lower = text[i] >= 'a' && text[i] <= 'z';
        if ((upper && (way == 0 || (way == 2 && chance(d, 50)))) ||
            (lower && (way == 1 || (way == 2 && chance(d, 50)))))
            text[i] ^= 32;
    }
}

void replace(char *text, size_t from, size_t to, const char *with)
{
    char out[2 * TEXT];
    snprintf(out, sizeof(out), "%.*s%s%s", (int)from, text, with, text + to);
    out[TEXT - 1] = '\0';
    memcpy(text, out, strlen(out) + 1);
}

void put_variable(struct draw *d, char *text, size_t from)
{
    static const char *const keys[] = { "aws:username", "s3:prefix", "aws:PrincipalTag/Team" };
    char variable[TEXT], part[8];
    const size_t special = from + strcspn(text + from, "*?$");
    if (text[special] && chance(d, 60)) {
        snprintf(variable, TEXT, "${%c}", text[special]);
        replace(text, special, special + 1, variable);
        return;
    }
    const char *key = PICK(d, keys), *value = context_text(d, key);
    const char *there = value && *value ? strstr(text + from, value) : NULL;
    if (there) {
        snprintf(variable, TEXT, chance(d, 70) ? "${%s}" : "${%s, 'other'}", key);
        replace(text, (size_t)(there - text), (size_t)(there - text) + strlen(value), variable);
        return;
    }
    size_t at = from + below(d, strlen(text + from) + 1), end = at + below(d, 6);
    end = end > strlen(text) ? strlen(text) : end;
    if (((unsigned char)text[at] & 0xc0) == 0x80)
        return;
    snprintf(part, sizeof(part), "%.*s", (int)(end - at), text + at);
    for (size_t i = 0; part[i]; i++) {
        if ((unsigned char)part[i] >= 0x80 || strchr("'{}$*?", part[i]))
            return;
    }
    snprintf(variable, TEXT, "${%s, '%s'}", value ? "aws:Nothing" : key, part);
    replace(text, at, end, variable);
}

void mutate(struct draw *d, char *text, size_t from, bool wild)
{
    static const char *const variables[] = { "${aws:username}",
                                             "${AWS:UserName}",
                                             "${*}",
                                             "${?}",
                                             "${$}",
                                             "${s3:prefix}",
                                             "${aws:username, 'amber'}",
                                             "${s3:prefix, 'in'}",
                                             "${aws:Nothing}",
                                             "${aws:Nothing, 'amber'}",
                                             "${aws:PrincipalTag/Team}" };
    const size_t len = strlen(text);
    if (len < from)
        return;
    size_t at = from + below(d, len - from + 1), end = at + below(d, len - at + 1);
    while (at > 0 && ((unsigned char)text[at] & 0xc0) == 0x80)
        at--;
    while (((unsigned char)text[end] & 0xc0) == 0x80)
        end++;
    const size_t step = at < len && (unsigned char)text[at] >= 0xc0 ? 2 : 1;
    switch (below(d, wild ? 12 : 5)) {
    case 0:
        replace(text, at, at, "z");
        break;
    case 1:
        if (at < len)
            replace(text, at, at + step, "");
        break;
    case 2: {
        const char *variable = PICK(d, variables);
        replace(text, at, chance(d, 50) ? end : at, variable);
        break;
    }
    case 3:
        put_variable(d, text, from);
        break;
    case 4:
        draw_case_of_letters(d, text + from);
        break;
    case 5:
    case 6:
        replace(text, at, end, "*");
        break;
    case 7:
        replace(text, at, len, "*");
        break;
    case 8:
        if (at < len)
            replace(text, at, at + step, "?");
        break;
    case 9:
        replace(text, at, at, "*");
        break;
    case 10:
        replace(text, from, end, "*");
        break;
    case 11:
        replace(text, at, at, "?");
        break;
    }
}

void mutate_field(struct draw *d, char *arn)
{
    size_t at = 0;
    for (size_t field = 1 + below(d, 4); field > 0; field--) {
        const char *colon = strchr(arn + at, ':');
        if (!colon)
            return;
        at = (size_t)(colon - arn) + 1;
    }
    size_t end = at + strcspn(arn + at, ":");
    switch (below(d, 7)) {
    case 0:
        replace(arn, at, end, "*");
        break;
    case 1: /* two fields become one */
        replace(arn, at, end + 1 + strcspn(arn + end + (arn[end] == ':'), ":"), "*");
        break;
    case 2:
        replace(arn, at + below(d, end - at + 1), end, "*");
        break;
    case 3:
        replace(arn, at, at + below(d, end - at + 1), "*");
        break;
    case 4:
        arn[end] = '\0'; /* fewer than six fields */
        break;
    case 5:
        if (end > at)
            replace(arn, end - 1, end, "?");
        break;
    case 6:
        replace(arn, at, end, chance(d, 50) ? "" : "${aws:username}");
        break;
    }
}
