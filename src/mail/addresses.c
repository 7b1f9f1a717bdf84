/* mail/addresses.c - RFC 5322 3.4, as written by everybody.
 *
 * GMime's reader was tried and left: a stranger's "a:a:a:..." ends its stack, an open domain
 * literal leaks memory at each mailbox, and a slip loses the rest of the list. Here the text is cut
 * at its commas, then each mailbox at its angle; both passes look at an octet a bounded number of
 * times. */
#include "mail/addresses.h"

#include "base/buf.h"
#include "mail/words.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
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
        else if (c == '"' && close == '>') /* <"a>b"@c.test> */
            i += enclosed(str_from(text, i), '"') - 1;
        else if (c == '(' && close == ')')
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

/* Goes through a text item by item: an enclosed one whole, all else octet by octet. What was opened
 * once and never closed is not looked for again, so that the time stays linear. */
struct items {
    str text;
    size_t at;
    bool unended[128];
};

static str next_item(struct items *in)
{
    str rest = str_from(in->text, in->at);
    char open = rest.ptr[0], close = closes(open);
    size_t len = close && !in->unended[(unsigned char)open] ? enclosed(rest, close) : 1;
    if (close && len == 1)
        in->unended[(unsigned char)open] = true;
    in->at += len;
    return str_head(rest, len);
}

static str inside(str item)
{
    return (str) { item.ptr + 1, item.len - 2 };
}

struct list {
    struct arena *arena;
    unsigned *left;
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

/* The usual mailbox: "local@domain" of atoms. RFC 5322 3.4.1 */
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

struct writer { /* into room that was asked for before */
    char *to;
    size_t len;
};

static bool hugs(char c) /* RFC 5322 4.4: old mail has blanks around these */
{
    return c == '@' || c == '.';
}

static void put_blank(struct writer *w)
{
    if (w->len && !is_blank(w->to[w->len - 1]))
        w->to[w->len++] = ' ';
}

static void put_octet(struct writer *w, char c)
{
    bool blank_before = w->len && is_blank(w->to[w->len - 1]);
    if (blank_before && (hugs(c) || (w->len > 1 && hugs(w->to[w->len - 2]))))
        w->len--;
    w->to[w->len++] = c;
}

/* An addr-spec without comments and the source route in front of it. */
static str address_of(str text, struct arena *a)
{
    struct writer w = { .to = ARENA_ARRAY(a, char, text.len + 1) };
    if (!w.to)
        return STR_NONE;
    for (struct items in = { .text = text }; in.at < text.len;) {
        str item = next_item(&in);
        if (item.len > 1 && item.ptr[0] == '(')
            put_blank(&w);
        else if (item.len > 1)
            for (size_t i = 0; i < item.len; i++)
                w.to[w.len++] = item.ptr[i];
        else if (is_blank(item.ptr[0]))
            put_blank(&w);
        else if (item.ptr[0] == ':' && w.len && w.to[0] == '@')
            w.len = 0;
        else
            put_octet(&w, item.ptr[0]);
    }
    return str_trim((str) { w.to, w.len });
}

/* The words of a phrase: quoted strings without their quotes, comments left out, blanks made one.
 */
static str phrase_of(str text, unsigned *left, struct arena *a)
{
    struct writer w = { .to = ARENA_ARRAY(a, char, text.len + 1) };
    if (!w.to)
        return STR_NONE;
    for (struct items in = { .text = text }; in.at < text.len;) {
        str item = next_item(&in);
        if (is_blank(item.ptr[0]) || (item.len > 1 && item.ptr[0] == '(')) {
            put_blank(&w);
        } else if (item.len > 1 && item.ptr[0] == '"') {
            str quoted = inside(item);
            for (size_t i = 0; i < quoted.len; i++) {
                i += quoted.ptr[i] == '\\' && i + 1 < quoted.len;
                w.to[w.len++] = quoted.ptr[i];
            }
        } else {
            for (size_t i = 0; i < item.len; i++)
                w.to[w.len++] = item.ptr[i];
        }
    }
    return words_decode_phrase(str_trim((str) { w.to, w.len }), left, a);
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
    str name = STR(""), address = text, comment = STR("");
    bool angle = false;
    for (struct items in = { .text = text }; in.at < text.len;) {
        size_t from = in.at;
        str item = next_item(&in);
        if (item.len > 1 && item.ptr[0] == '(')
            comment = inside(item);
        if (item.len > 1 && item.ptr[0] == '<' && !angle) {
            angle = true;
            name = str_head(text, from);
            address = inside(item);
        }
    }
    struct listed one = { .name = phrase_of(name, l->left, l->arena),
                          .address = address_of(address, l->arena) };
    if (one.name.ptr && !one.name.len) /* RFC 5322 A.5: the name of old mail is a comment */
        one.name = words_decode_phrase(str_trim(comment), l->left, l->arena);
    l->failed = l->failed || !one.name.ptr || !one.address.ptr;
    if (!one.address.len)
        one = (struct listed) { .address = text };
    add(l, one);
}

static void read_list(struct list *l, str text)
{
    size_t from = 0; /* of the mailbox that is read */
    for (struct items in = { .text = text }; in.at < text.len && !l->failed;) {
        size_t at = in.at;
        str item = next_item(&in);
        char c = item.len == 1 ? item.ptr[0] : '\0';
        if (c == ',' || c == ';') /* a semicolon ends a group, or is an old Outlook's comma */
            add_mailbox(l, (str) { text.ptr + from, at - from });
        if (c == ',' || c == ';' || c == ':') /* the name of a group is no mailbox */
            from = in.at;
    }
    if (!l->failed)
        add_mailbox(l, str_from(text, from));
}

const struct fault *addresses_read(str text, unsigned *left, struct arena *a,
                                   struct listed **ret_listed, size_t *ret_count)
{
    struct list l = { .arena = a, .left = left };
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
