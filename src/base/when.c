/* base/when.c - the calendar by arithmetic on days, after the rule that March begins the year. */
#include "base/when.h"

#include <stdio.h>

struct calendar {
    int year, month, day, hour, minute, second, milli, weekday; /* month 1..12; weekday 0: Sunday */
};

enum { DAY_MS = 86400000 };

static const char weekdays[] = "SunMonTueWedThuFriSat";
static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

/* Days since 1970-01-01 in the proleptic Gregorian calendar: 400 years have 146097 days. */
static int64_t days_of(int year, int month, int day)
{
    int64_t y = year - (month <= 2);
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year -
           719468;
}

static struct calendar calendar_of(int64_t ms)
{
    const int64_t first = days_of(0, 1, 1) * DAY_MS, last = days_of(10000, 1, 1) * DAY_MS - 1;
    ms = ms < first ? first : ms > last ? last : ms;
    int64_t day = ms / DAY_MS - (ms % DAY_MS < 0);
    int rest = (int)(ms - day * DAY_MS);
    int64_t z = day + 719468; /* days since 0000-03-01 */
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;
    int month = (int)(mp < 10 ? mp + 3 : mp - 9);
    return (struct calendar) {
        .year = (int)(yoe + era * 400 + (month <= 2)),
        .month = month,
        .day = (int)(doy - (153 * mp + 2) / 5 + 1),
        .hour = rest / 3600000,
        .minute = rest / 60000 % 60,
        .second = rest / 1000 % 60,
        .milli = rest % 1000,
        .weekday = (int)((day % 7 + 11) % 7), /* 1970-01-01 was a Thursday */
    };
}

static str done(char *to, int len)
{
    return (str) { to, (size_t)len };
}

/* `count` digits; no printf, since every request for a decision carries a moment. */
static char *put(char *to, int value, int count, char behind)
{
    for (int i = count - 1; i >= 0; i--, value /= 10)
        to[i] = (char)('0' + value % 10);
    to[count] = behind;
    return to + count + 1;
}

static char *put_iso(char *to, const struct calendar *c, char behind)
{
    to = put(put(put(to, c->year, 4, '-'), c->month, 2, '-'), c->day, 2, 'T');
    return put(put(put(to, c->hour, 2, ':'), c->minute, 2, ':'), c->second, 2, behind);
}

str when_iso_ms(char *to, int64_t ms)
{
    const struct calendar c = calendar_of(ms);
    char *end = put(put_iso(to, &c, '.'), c.milli, 3, 'Z');
    *end = '\0';
    return done(to, (int)(end - to));
}

str when_iso(char *to, int64_t ms)
{
    const struct calendar c = calendar_of(ms);
    char *end = put_iso(to, &c, 'Z');
    *end = '\0';
    return done(to, (int)(end - to));
}

str when_epoch(char *to, int64_t ms)
{
    const int64_t seconds = ms / 1000;
    uint64_t rest = seconds < 0 ? (uint64_t)-seconds : (uint64_t)seconds;
    char digits[24];
    size_t at = sizeof(digits);
    do {
        digits[--at] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest);
    if (seconds < 0)
        digits[--at] = '-';
    memcpy(to, digits + at, sizeof(digits) - at);
    to[sizeof(digits) - at] = '\0';
    return done(to, (int)(sizeof(digits) - at));
}

static str named(char *to, int64_t ms, const char *zone)
{
    struct calendar c = calendar_of(ms);
    return done(to, snprintf(to, WHEN_SIZE, "%.3s, %02d %.3s %04d %02d:%02d:%02d %s",
                             weekdays + 3 * c.weekday, c.day, months + 3 * (c.month - 1), c.year,
                             c.hour, c.minute, c.second, zone));
}

str when_mail(char *to, int64_t ms)
{
    return named(to, ms, "+0000 (UTC)");
}

str when_http(char *to, int64_t ms)
{
    return named(to, ms, "GMT");
}

str when_sigv4(char *to, int64_t ms)
{
    struct calendar c = calendar_of(ms);
    return done(to, snprintf(to, WHEN_SIZE, "%04d%02d%02dT%02d%02d%02dZ", c.year, c.month, c.day,
                             c.hour, c.minute, c.second));
}

static bool take(struct cursor *in, char c)
{
    if (in->at == in->end || *in->at != c)
        return false;
    in->at++;
    return true;
}

static bool take_digits(struct cursor *in, int count, int *ret_value)
{
    int value = 0;
    if (cursor_left(in) < (size_t)count)
        return false;
    for (int i = 0; i < count; i++) {
        if (!ascii_is_digit(in->at[i]))
            return false;
        value = value * 10 + (in->at[i] - '0');
    }
    in->at += count;
    *ret_value = value;
    return true;
}

static bool moment_of(const struct calendar *c, int64_t *ret_ms)
{
    static const unsigned char longest[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool leap = c->year % 4 == 0 && (c->year % 100 != 0 || c->year % 400 == 0);
    if (c->month < 1 || c->month > 12 || c->day < 1 || c->hour > 23 || c->minute > 59 ||
        c->second > 59 || c->day > longest[c->month - 1] + (leap && c->month == 2))
        return false;
    *ret_ms = days_of(c->year, c->month, c->day) * DAY_MS + c->hour * 3600000LL +
              c->minute * 60000LL + c->second * 1000LL + c->milli;
    return true;
}

/* Digits past the third are read and dropped. */
static bool take_fraction(struct cursor *in, int *ret_milli)
{
    int digits = 0, milli = 0;
    for (; in->at < in->end && ascii_is_digit(*in->at); in->at++, digits++)
        if (digits < 3)
            milli = milli * 10 + (*in->at - '0');
    for (int i = digits; i < 3; i++)
        milli *= 10;
    *ret_milli = milli;
    return digits > 0;
}

static bool take_zone(struct cursor *in, int *ret_minutes)
{
    int hours = 0, minutes = 0;
    *ret_minutes = 0;
    if (take(in, 'Z'))
        return true;
    int sign = take(in, '+') ? 1 : take(in, '-') ? -1 : 0;
    if (!sign || !take_digits(in, 2, &hours) || !take(in, ':') || !take_digits(in, 2, &minutes) ||
        hours > 23 || minutes > 59)
        return false;
    *ret_minutes = sign * (hours * 60 + minutes);
    return true;
}

bool when_parse_iso(str text, int64_t *ret_ms)
{
    struct cursor in = cursor_of(text);
    struct calendar c = { 0 };
    int zone = 0;
    if (!take_digits(&in, 4, &c.year) || !take(&in, '-') || !take_digits(&in, 2, &c.month) ||
        !take(&in, '-') || !take_digits(&in, 2, &c.day))
        return false;
    if (in.at < in.end) {
        if (!take(&in, 'T') || !take_digits(&in, 2, &c.hour) || !take(&in, ':') ||
            !take_digits(&in, 2, &c.minute))
            return false;
        if (take(&in, ':')) {
            if (!take_digits(&in, 2, &c.second) ||
                (take(&in, '.') && !take_fraction(&in, &c.milli)))
                return false;
        }
        if (!take_zone(&in, &zone))
            return false;
    }
    if (in.at < in.end || !moment_of(&c, ret_ms))
        return false;
    *ret_ms -= zone * 60000LL;
    return true;
}

bool when_parse_sigv4(str text, int64_t *ret_ms)
{
    struct cursor in = cursor_of(text);
    struct calendar c = { 0 };
    return take_digits(&in, 4, &c.year) && take_digits(&in, 2, &c.month) &&
           take_digits(&in, 2, &c.day) && take(&in, 'T') && take_digits(&in, 2, &c.hour) &&
           take_digits(&in, 2, &c.minute) && take_digits(&in, 2, &c.second) && take(&in, 'Z') &&
           in.at == in.end && moment_of(&c, ret_ms);
}

bool when_parse_http(str text, int64_t *ret_ms)
{
    struct calendar c = { 0 };
    int64_t ms;
    char again[WHEN_SIZE];
    if (text.len != 29)
        return false;
    for (c.month = 1; c.month <= 12; c.month++)
        if (memcmp(text.ptr + 8, months + 3 * (c.month - 1), 3) == 0)
            break;
    struct cursor in = cursor_of(str_from(text, 5));
    if (!take_digits(&in, 2, &c.day) || !take(&in, ' '))
        return false;
    in.at += 3;
    if (!take(&in, ' ') || !take_digits(&in, 4, &c.year) || !take(&in, ' ') ||
        !take_digits(&in, 2, &c.hour) || !take(&in, ':') || !take_digits(&in, 2, &c.minute) ||
        !take(&in, ':') || !take_digits(&in, 2, &c.second) || !moment_of(&c, &ms) ||
        !str_eq(text, when_http(again, ms))) /* the weekday, the blanks, GMT */
        return false;
    *ret_ms = ms;
    return true;
}
