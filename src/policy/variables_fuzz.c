/* Any bytes as a policy's text with variables: what is read lies within it, and the text matches
 * with their values as the oracle's does. A NUL parts it from a text to compare. */
#include "policy/asked.h"
#include "policy/oracle_values.h"
#include "policy/variables.h"

#include "base/utf8.h"

#include <assert.h>

enum { PATTERN_MAX = 96, TEXT_MAX = 256 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool within(str inner, str outer)
{
    return str_is_none(inner) ||
           (inner.ptr >= outer.ptr && inner.ptr + inner.len <= outer.ptr + outer.len);
}

static void read_each(str text)
{
    for (size_t at = 0; at < text.len; at++) {
        const str rest = str_from(text, at);
        struct token token;
        size_t len;
        if (!str_starts(rest, STR("${")) || !variable_read(rest, &token, &len))
            continue;
        assert(len > 3 && len <= rest.len && rest.ptr[len - 1] == '}');
        assert(token.text.len > 0 && within(token.text, rest));
        assert(token.kind == TOKEN_LITERAL ? token.text.len == 1 : within(token.otherwise, rest));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct {
        str name, value;
    } keys[] = { { STR_INIT("aws:username"), STR_INIT("a*b") },
                 { STR_INIT("k"), STR_INIT("${k}") },
                 { STR_INIT("empty"), STR_INIT("") } };
    AUTO_ARENA *arena = arena_new(64 << 20);
    str pattern, text;
    if (!str_cut((str) { (const char *)data, size }, '\0', &pattern, &text) ||
        pattern.len > PATTERN_MAX || text.len > TEXT_MAX || str_has(text, '\0'))
        return 0;
    read_each(pattern);
    if (!utf8_valid(pattern) || !utf8_valid(text))
        return 0;
    struct context_key context[3];
    json_t *json = json_object();
    for (size_t i = 0; i < 3; i++) {
        context[i] =
            (struct context_key) { .name = keys[i].name, .values = &keys[i].value, .count = 1 };
        json_object_set_new(json, keys[i].name.ptr,
                            json_stringn(keys[i].value.ptr, keys[i].value.len));
    }
    const struct caller nobody = { .kind = CALLER_ANONYMOUS };
    const struct request request = {
        .caller = &nobody, .action = STR("s3:GetObject"), .context = context, .context_count = 3
    };
    struct asked asked;
    struct found found[ASKED_FOUND] = { 0 };
    asked_begin(&asked, &request, found);
    struct pattern compiled;
    if (pattern_compile(pattern, PATTERN_WILD | PATTERN_VARIABLES, arena, &compiled)) {
        struct oracle_sight sight = { .blind = SEEN_ALL };
        const struct variables variables = { json, &sight };
        const struct atoms atoms = atoms_of(arena_cstr(arena, pattern), true, &variables, arena);
        assert(pattern_matches(&compiled, subject_plain(text), &asked) ==
               atoms_match(&atoms, letters_of(arena_cstr(arena, text), arena), arena));
    }
    json_decref(json);
    return 0;
}
