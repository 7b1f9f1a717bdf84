/* mail/words.c - encoded words by GMime's decoder.
 *
 * It takes C strings; so NULs and bad octets are mended before, and encoded words are cut out here
 * and given to it run by run: it joins a character split between two. */
#include "mail/words.h"

#include "base/buf.h"
#include "base/utf8.h"

#include <gmime/gmime.h>
#include <pthread.h>

/* The one state here: options that nobody changes after they were made. GMime's own are global. */
static struct {
    pthread_once_t once;
    GMimeParserOptions *options;
} gmime = { .once = PTHREAD_ONCE_INIT };

static void initialise(void)
{
    static const char *charsets[] = { "utf-8", NULL }; /* of octets that name none */
    g_mime_init();
    gmime.options = g_mime_parser_options_new();
    g_mime_parser_options_set_fallback_charsets(gmime.options, charsets);
}

static GMimeParserOptions *options(void)
{
    pthread_once(&gmime.once, initialise);
    return gmime.options;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* ---- octets ---- */

static bool is_well(str text)
{
    return !memchr(text.len ? text.ptr : "x", '\0', text.len) && utf8_valid(text);
}

str words_mend(str text, struct arena *a)
{
    if (is_well(text))
        return text;
    char *to = ARENA_ARRAY(a, char, 3 * text.len);
    if (!to)
        return STR_NONE;
    size_t len = 0;
    for (struct cursor in = cursor_of(text); in.at < in.end;) {
        const char *from = in.at;
        uint32_t c = utf8_next(&in);
        str one = c && c != UTF8_BAD ? (str) { from, (size_t)(in.at - from) } : UTF8_REPLACEMENT;
        memcpy(to + len, one.ptr, one.len);
        len += one.len;
    }
    return (str) { to, len };
}

/* ---- encoded words ---- */

/* RFC 2047 2, but for the length, which nobody keeps. A charset has no slash: iconv would take what
 * follows one for a switch of its own. */
static bool is_charset(char c)
{
    return ascii_is_alpha(c) || ascii_is_digit(c) || (c && strchr("-_.:+*'()!#$%&^`{|}~", c));
}

static bool is_encoded(str word)
{
    if (word.len < 8 || !str_starts(word, STR("=?")) || !str_ends(word, STR("?=")))
        return false;
    size_t at = 2;
    while (at < word.len && is_charset(word.ptr[at]))
        at++;
    if (at == 2 || at + 5 > word.len || word.ptr[at] != '?' || word.ptr[at + 2] != '?')
        return false;
    char how = ascii_lower(word.ptr[at + 1]);
    str text = str_head(str_from(word, at + 3), word.len - at - 5);
    return (how == 'q' || how == 'b') && !str_has(text, '?');
}

static bool decode_run(str run, struct arena *a, struct buf *out)
{
    const char *text = arena_cstr(a, run);
    char *decoded = text ? g_mime_utils_header_decode_text(options(), text) : NULL;
    if (!decoded)
        return false;
    buf_add(out, str_of(decoded));
    g_free(decoded);
    return true;
}

/* The next stretch: blanks, a quoted string (where there are any), or what stands between them. A
 * quote that nothing closes is met once at most: behind it no other one is the first of a stretch.
 */
static str stretch(str text, bool quotes)
{
    size_t len = 1;
    if (is_blank(text.ptr[0])) {
        while (len < text.len && is_blank(text.ptr[len]))
            len++;
        return str_head(text, len);
    }
    if (text.ptr[0] == '"' && quotes) {
        while (len < text.len && text.ptr[len] != '"')
            len += text.ptr[len] == '\\' ? 2 : 1;
        if (len < text.len)
            return str_head(text, len + 1);
        return str_head(text, 1);
    }
    while (len < text.len && !is_blank(text.ptr[len]))
        len++;
    return str_head(text, len);
}

/* GMime 3.2.13 reads on in neighbours of one charset as in one base64 text, and so loses what is behind
 * the padding of the first. No character is split there that RFC 2047 5 lets be split. */
static bool run_ends_behind(str run)
{
    return str_ends(run, STR("=?="));
}

static bool write_decoded(str text, bool quotes, unsigned *left, struct arena *a, struct buf *out)
{
    str run = STR_NONE; /* encoded words with nothing but blanks between, not yet written */
    bool word_may_begin = true;
    for (size_t at = 0; at < text.len;) {
        str one = stretch(str_from(text, at), quotes);
        at += one.len;
        bool blank = is_blank(one.ptr[0]);
        bool ends = at == text.len || is_blank(text.ptr[at]);
        if (*left && word_may_begin && ends && is_encoded(one)) {
            --*left;
            if (run.ptr && run_ends_behind(run)) {
                if (!decode_run(run, a, out))
                    return false;
                run = STR_NONE; /* the blanks between encoded words go */
            }
            run = run.ptr ? (str) { run.ptr, (size_t)(one.ptr + one.len - run.ptr) } : one;
        } else if (!blank && run.ptr) {
            str gap = { run.ptr + run.len, (size_t)(one.ptr - run.ptr) - run.len };
            if (!decode_run(run, a, out))
                return false;
            buf_add(out, gap);
            buf_add(out, one);
            run = STR_NONE;
        } else if (!run.ptr) {
            buf_add(out, one);
        }
        word_may_begin = blank;
    }
    if (!run.ptr)
        return true;
    str tail = str_from(text, (size_t)(run.ptr + run.len - text.ptr));
    if (!decode_run(run, a, out))
        return false;
    buf_add(out, tail);
    return true;
}

static str decode(str text, bool quotes, unsigned *left, struct arena *a)
{
    if (str_is_none(text) || !*left || str_find_str(text, STR("=?")) == text.len)
        return text;
    AUTO_BUF decoded = buf_new(64 * text.len + 64);
    if (!write_decoded(text, quotes, left, a, &decoded) || decoded.failed)
        return STR_NONE;
    str kept = arena_str(a, buf_str(&decoded));
    return str_is_none(kept) ? kept : words_mend(kept, a);
}

str words_decode(str text, unsigned *left, struct arena *a)
{
    return decode(words_mend(text, a), true, left, a);
}

str words_decode_phrase(str text, unsigned *left, struct arena *a)
{
    return decode(words_mend(text, a), false, left, a);
}
