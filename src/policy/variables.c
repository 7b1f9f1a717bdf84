/* Reading one variable. */
#include "policy/variables.h"

#include "policy/asked.h"

bool variable_read(str text, struct token *ret_token, size_t *ret_len)
{
    const size_t end = str_find(text, '}');
    if (!str_starts(text, STR("${")) || end == text.len)
        return false;
    const str inside = { text.ptr + 2, end - 2 };
    *ret_len = end + 1;
    if (str_eq(inside, STR("*")) || str_eq(inside, STR("?")) || str_eq(inside, STR("$"))) {
        *ret_token = (struct token) { .kind = TOKEN_LITERAL, .text = inside };
        return true;
    }
    struct token token = { .kind = TOKEN_VARIABLE,
                           .text = str_trim(inside),
                           .otherwise = STR_NONE };
    str key, rest;
    if (str_cut(inside, ',', &key, &rest)) {
        /* The default may hold a brace; its closing quote is what ends it. */
        const char *const all_end = text.ptr + text.len;
        str from_quote = str_trim((str) { rest.ptr, (size_t)(all_end - rest.ptr) });
        if (from_quote.len < 2 || from_quote.ptr[0] != '\'')
            return false;
        const str quoted = str_from(from_quote, 1);
        const size_t close = str_find(quoted, '\'');
        str behind = str_from(quoted, close + 1);
        size_t blanks = 0;
        while (blanks < behind.len && behind.ptr[blanks] == ' ')
            blanks++;
        if (close == quoted.len || blanks == behind.len || behind.ptr[blanks] != '}')
            return false;
        token.text = str_trim(key);
        token.otherwise = str_head(quoted, close);
        *ret_len = (size_t)(behind.ptr + blanks + 1 - text.ptr);
    }
    if (token.text.len == 0)
        return false;
    token.hash = key_hash(token.text);
    *ret_token = token;
    return true;
}
