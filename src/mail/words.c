/* mail/words.c - GMime's decoder fed only with what it is good at.
 *
 * It takes C strings, recurses into nested groups until the stack ends ("a:a:a:..."), and drops the
 * rest of a list behind a slip. So NULs and bad octets are mended before; encoded words are cut out
 * here and given to it run by run (it joins a character split between two); and address lists are
 * cut into single mailboxes here, at the commas, colons and semicolons that are none of a quoted
 * string, comment, literal or angle. Checked: each of its functions used is linear in its input. */
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
    g_mime_parser_options_set_allow_addresses_without_domain(gmime.options, TRUE);
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

/* The next stretch: blanks, a quoted string, or what stands between them. A quote that nothing
 * closes is met once at most: behind it no other one is the first of a stretch. */
static str stretch(str text)
{
    size_t len = 1;
    if (is_blank(text.ptr[0])) {
        while (len < text.len && is_blank(text.ptr[len]))
            len++;
        return str_head(text, len);
    }
    if (text.ptr[0] == '"') {
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

static bool write_decoded(str text, struct arena *a, struct buf *out)
{
    str run = STR_NONE; /* encoded words with nothing but blanks between, not yet written */
    bool word_may_begin = true;
    for (size_t at = 0; at < text.len;) {
        str one = stretch(str_from(text, at));
        at += one.len;
        bool blank = is_blank(one.ptr[0]);
        bool ends = at == text.len || is_blank(text.ptr[at]);
        if (word_may_begin && ends && is_encoded(one)) {
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

str words_decode(str text, struct arena *a)
{
    text = words_mend(text, a);
    if (str_is_none(text) || str_find_str(text, STR("=?")) == text.len)
        return text;
    AUTO_BUF decoded = buf_new(64 * text.len + 64);
    if (!write_decoded(text, a, &decoded) || decoded.failed)
        return STR_NONE;
    str kept = arena_str(a, buf_str(&decoded));
    return str_is_none(kept) ? kept : words_mend(kept, a);
}

/* ---- address lists ---- */

/* One mailbox at most has so many colons (a source route, an IPv6 literal); each may be a level of
 * GMime's recursion. What has more is kept as text. */
enum { COLONS_MAX = 32 };

struct list {
    struct arena *arena;
    struct listed *listed;
    size_t count, room;
    bool failed;
};

static void add(struct list *l, struct listed one)
{
    if (l->count == l->room) {
        size_t room = l->room ? 2 * l->room : 4;
        struct listed *more = ARENA_ARRAY(l->arena, struct listed, room);
        if (!more) {
            l->failed = true;
            return;
        }
        if (l->count)
            memcpy(more, l->listed, l->count * sizeof *more);
        l->listed = more;
        l->room = room;
    }
    l->listed[l->count++] = one;
}

static str kept(const struct list *l, const char *text)
{
    if (!text || !*text)
        return STR_NONE;
    str s = arena_str(l->arena, str_of(text));
    return words_mend(s, l->arena);
}

static void add_parsed(struct list *l, InternetAddressList *parsed)
{
    int count = internet_address_list_length(parsed);
    for (int i = 0; i < count && !l->failed; i++) {
        InternetAddress *one = internet_address_list_get_address(parsed, i);
        if (!INTERNET_ADDRESS_IS_MAILBOX(one)) /* a group, of what was cut at its colons: empty */
            continue;
        const char *address = internet_address_mailbox_get_addr(INTERNET_ADDRESS_MAILBOX(one));
        const char *name = internet_address_get_name(one);
        struct listed entry = { .name = kept(l, name), .address = kept(l, address) };
        l->failed = l->failed || (name && *name && !entry.name.ptr) ||
                    (address && *address && !entry.address.ptr);
        if (entry.address.ptr)
            add(l, entry);
    }
}

static size_t colons(str text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++)
        count += text.ptr[i] == ':';
    return count;
}

/* The usual mailbox, for which nobody needs asking: "local@domain" of atoms. RFC 5322 3.4.1 */
static bool is_plain(str text)
{
    size_t ats = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        ats += c == '@';
        if (!ascii_is_alpha(c) && !ascii_is_digit(c) && !(c && strchr("@.!#$%&'*+-/?^_`{|}~", c)))
            return false;
    }
    return ats == 1 && text.ptr[0] != '@' && text.ptr[text.len - 1] != '@';
}

static void add_mailbox(struct list *l, str text)
{
    text = str_trim(text);
    if (!text.len)
        return;
    if (is_plain(text)) {
        add(l, (struct listed) { .address = text });
        return;
    }
    const char *mailbox = arena_cstr(l->arena, text);
    if (!mailbox) {
        l->failed = true;
        return;
    }
    InternetAddressList *parsed =
        colons(text) <= COLONS_MAX ? internet_address_list_parse(options(), mailbox) : NULL;
    size_t before = l->count;
    if (parsed) {
        add_parsed(l, parsed);
        g_object_unref(parsed);
    }
    if (l->count == before && !l->failed)
        add(l, (struct listed) { .address = text });
}

/* Where a quoted string, comment, literal or angle that begins the text ends; 1: it does not end.
 */
static size_t enclosed(str text, char close)
{
    size_t depth = 1;
    for (size_t i = 1; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '\\')
            i++;
        else if (c == '"' && close == '>') { /* <"a>b"@c.test> */
            size_t len = enclosed(str_from(text, i), '"');
            i += len - 1;
        } else if (c == '(' && close == ')')
            depth++;
        else if (c == close && --depth == 0)
            return i + 1;
    }
    return 1;
}

static char closes(char open)
{
    return open == '"' ? '"' : open == '(' ? ')' : open == '<' ? '>' : open == '[' ? ']' : '\0';
}

static void read_list(struct list *l, str text)
{
    size_t from = 0;                  /* of the mailbox that is read */
    bool open_ended[128] = { false }; /* of this one no further will end either */
    for (size_t at = 0; at < text.len && !l->failed;) {
        char c = text.ptr[at], close = closes(c);
        if (close && !open_ended[(unsigned char)c]) {
            size_t len = enclosed(str_from(text, at), close);
            open_ended[(unsigned char)c] = len == 1;
            at += len;
        } else if (c == ',' || c == ';') {
            add_mailbox(l, (str) { text.ptr + from, at - from });
            from = ++at;
        } else if (c == ':') { /* the name of a group is no mailbox */
            from = ++at;
        } else
            at++;
    }
    if (!l->failed)
        add_mailbox(l, str_from(text, from));
}

const struct fault *words_addresses(str text, struct arena *a, struct listed **ret_listed,
                                    size_t *ret_count)
{
    struct list l = { .arena = a };
    text = words_mend(text, a);
    if (str_is_none(text))
        return &fault_no_memory;
    read_list(&l, text);
    if (l.failed)
        return &fault_no_memory;
    *ret_listed = l.listed;
    *ret_count = l.count;
    return NULL;
}

/* RFC 5322 3.2.3: specials, among them the dot; and controls. */
static bool wants_quotes(str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if ((unsigned char)c < 0x20 || c == 0x7f || strchr("()<>[]:;@\\,.\"", c))
            return true;
    }
    return false;
}

str listed_text(const struct listed *one, struct arena *a)
{
    if (!one->name.len)
        return one->address;
    if (!wants_quotes(one->name))
        return arena_strf(a, STR_FMT " <" STR_FMT ">", STR_ARG(one->name), STR_ARG(one->address));
    AUTO_BUF text = buf_new(2 * one->name.len + one->address.len + 8);
    buf_addc(&text, '"');
    for (size_t i = 0; i < one->name.len; i++) {
        if (one->name.ptr[i] == '"' || one->name.ptr[i] == '\\')
            buf_addc(&text, '\\');
        buf_addc(&text, one->name.ptr[i]);
    }
    buf_add(&text, STR("\" <"));
    buf_add(&text, one->address);
    buf_addc(&text, '>');
    return text.failed ? STR_NONE : arena_str(a, buf_str(&text));
}
