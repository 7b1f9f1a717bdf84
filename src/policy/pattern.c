/* Compiling and matching patterns.
 *
 * The matcher keeps two places to come back to. A star that may run over colons is the wide one:
 * reaching a later one makes all earlier ones final. A star inside an ARN segment is the narrow
 * one: when it meets the segment's colon it is given up, and the wide one before it takes one more
 * byte. So there is no recursion, and a hostile pattern costs at most length times length. */
#include "policy/pattern.h"

#include "policy/asked.h"
#include "policy/variables.h"

static size_t fifth_colon_end(str text) /* 0: fewer than five */
{
    size_t colons = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == ':' && ++colons == 5)
            return i + 1;
    }
    return 0;
}

bool has_six_parts(str text)
{
    return fifth_colon_end(text) > 0;
}

struct subject subject_arn(str text)
{
    const size_t fifth = fifth_colon_end(text);
    return (struct subject) { .text = text, .segmented = fifth ? fifth : text.len };
}

/* A run of literal bytes, up to the next thing that is special at `at`. */
static size_t literal_len(str text, size_t at, unsigned flags, size_t variables_from)
{
    size_t i = at;
    for (; i < text.len; i++) {
        const char c = text.ptr[i];
        if ((flags & PATTERN_WILD) && (c == '*' || c == '?'))
            break;
        struct token token;
        size_t len;
        if (c == '$' && (flags & PATTERN_VARIABLES) && i >= variables_from &&
            variable_read(str_from(text, i), &token, &len))
            break;
    }
    return i - at;
}

/* How many tokens; written too when there is room for them. */
static size_t tokenise(str text, unsigned flags, struct token *tokens)
{
    /* Resource takes variables only behind the fifth colon (reference_policies_variables). */
    const size_t fifth = fifth_colon_end(text);
    const size_t variables_from = !(flags & PATTERN_TRAILING) ? 0 : fifth ? fifth : text.len;
    size_t count = 0, at = 0;
    while (at < text.len) {
        const char c = text.ptr[at];
        size_t len = literal_len(text, at, flags, variables_from);
        struct token token = { 0 };
        if (len > 0) {
            token = (struct token) { .kind = TOKEN_LITERAL, .text = { text.ptr + at, len } };
        } else if (c == '*') {
            len = 1;
            while (at + len < text.len && text.ptr[at + len] == '*')
                len++;
            const bool last = at + len == text.len || text.ptr[at + len] == ':';
            token = (struct token) {
                .kind = TOKEN_RUN,
                .over_colons = !(flags & PATTERN_ARN) || ((flags & PATTERN_TRAILING) && last),
            };
        } else if (c == '?') {
            len = 1;
            token = (struct token) { .kind = TOKEN_ONE };
        } else {
            variable_read(str_from(text, at), &token, &len);
        }
        if (tokens)
            tokens[count] = token;
        count++;
        at += len;
    }
    return count;
}

/* The shapes nearly every real pattern has. A lone star between two literals is free to run only
 * when it stands behind the fifth colon, ends its text, or when there are no segments at all. */
static void classify(struct pattern *pattern, bool arn)
{
    const struct token *t = pattern->tokens;
    const size_t n = pattern->count;
    pattern->class = PATTERN_GENERAL;
    if (n == 0 || (n == 1 && t[0].kind == TOKEN_LITERAL)) {
        pattern->class = PATTERN_EXACT;
        pattern->head = n ? t[0].text : STR("");
    } else if (n == 1 && t[0].kind == TOKEN_RUN && t[0].over_colons) {
        pattern->class = PATTERN_ANY;
    } else if (n == 2 && t[0].kind == TOKEN_LITERAL && t[1].kind == TOKEN_RUN &&
               (t[1].over_colons || fifth_colon_end(t[0].text))) {
        pattern->class = PATTERN_PREFIX;
        pattern->head = t[0].text;
    } else if (n == 2 && t[0].kind == TOKEN_RUN && t[1].kind == TOKEN_LITERAL && !arn) {
        pattern->class = PATTERN_SUFFIX;
        pattern->tail = t[1].text;
    } else if (n == 3 && t[0].kind == TOKEN_LITERAL && t[1].kind == TOKEN_RUN &&
               t[2].kind == TOKEN_LITERAL && (!arn || fifth_colon_end(t[0].text))) {
        pattern->class = PATTERN_AROUND;
        pattern->head = t[0].text;
        pattern->tail = t[2].text;
    }
}

bool pattern_compile(str text, unsigned flags, struct arena *arena, struct pattern *ret_pattern)
{
    struct pattern pattern = { .fold = flags & PATTERN_FOLD, .count = tokenise(text, flags, NULL) };
    struct token *tokens = ARENA_ARRAY(arena, struct token, pattern.count);
    if (pattern.count && !tokens)
        return false;
    tokenise(text, flags, tokens);
    pattern.tokens = tokens;
    classify(&pattern, flags & PATTERN_ARN);
    *ret_pattern = pattern;
    return true;
}

static bool same(str a, str b, bool fold)
{
    return fold ? str_eq_nocase(a, b) : str_eq(a, b);
}

static bool starts(str text, str head, bool fold)
{
    return text.len >= head.len && same(str_head(text, head.len), head, fold);
}

static bool ends(str text, str tail, bool fold)
{
    return text.len >= tail.len && same(str_from(text, text.len - tail.len), tail, fold);
}

struct place {
    bool set;
    size_t token, at;
};

static bool parts(struct subject subject, size_t at)
{
    return at < subject.segmented && subject.text.ptr[at] == ':';
}

static size_t character_len(str text, size_t at)
{
    size_t len = 1;
    if ((unsigned char)text.ptr[at] >= 0xC0) {
        while (at + len < text.len && ((unsigned char)text.ptr[at + len] & 0xC0) == 0x80)
            len++;
    }
    return len;
}

static bool match_tokens(const struct pattern *pattern, struct subject subject,
                         const struct asked *asked)
{
    const str text = subject.text;
    struct place wide = { 0 }, narrow = { 0 };
    size_t token = 0, at = 0;
    for (;;) {
        bool fits = false;
        if (token == pattern->count) {
            if (at == text.len)
                return true;
        } else {
            const struct token *t = &pattern->tokens[token];
            switch (t->kind) {
            case TOKEN_RUN: {
                const struct place here = { true, token, at };
                if (t->over_colons || at >= subject.segmented) {
                    wide = here;
                    narrow.set = false;
                } else {
                    narrow = here;
                }
                fits = true;
                break;
            }
            case TOKEN_ONE:
                fits = at < text.len && !parts(subject, at);
                if (fits)
                    at += character_len(text, at);
                break;
            case TOKEN_LITERAL:
                fits = starts(str_from(text, at), t->text, pattern->fold);
                if (fits)
                    at += t->text.len;
                break;
            case TOKEN_VARIABLE: {
                str value = asked ? asked_single(asked, t->text, t->hash) : STR_NONE;
                if (str_is_none(value))
                    value = t->otherwise;
                if (str_is_none(value))
                    return false;
                fits = starts(str_from(text, at), value, pattern->fold);
                if (fits)
                    at += value.len;
                break;
            }
            }
            token++;
        }
        if (fits)
            continue;
        struct place *back = &narrow;
        if (!narrow.set || narrow.at == text.len || parts(subject, narrow.at)) {
            narrow.set = false;
            back = &wide;
        }
        if (!back->set || back->at == text.len)
            return false;
        back->at += character_len(text, back->at); /* a star takes whole characters */
        at = back->at;
        token = back->token + 1;
    }
}

bool pattern_matches_slowly(const struct pattern *pattern, struct subject subject,
                            const struct asked *asked)
{
    const str text = subject.text;
    switch (pattern->class) {
    case PATTERN_ANY:
        return true;
    case PATTERN_EXACT:
        return same(text, pattern->head, pattern->fold);
    case PATTERN_PREFIX:
        return starts(text, pattern->head, pattern->fold);
    case PATTERN_SUFFIX:
        return ends(text, pattern->tail, pattern->fold);
    case PATTERN_AROUND:
        return text.len >= pattern->head.len + pattern->tail.len &&
               starts(text, pattern->head, pattern->fold) &&
               ends(text, pattern->tail, pattern->fold);
    case PATTERN_GENERAL:
        return match_tokens(pattern, subject, asked);
    }
    return false;
}
