/* Any bytes as a pattern and a text: the matcher beside the oracle's, which keeps all the places
 * that could have been reached. The first byte chooses the flags, a NUL parts pattern and text. */
#include "policy/asked.h"
#include "policy/oracle_values.h"

#include "base/utf8.h"

#include <assert.h>

enum { PATTERN_MAX = 96, TEXT_MAX = 512 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool compiled_matches(str pattern, unsigned flags, struct subject subject,
                             struct arena *arena)
{
    struct pattern compiled;
    return pattern_compile(pattern, flags, arena, &compiled) &&
           pattern_matches(&compiled, subject, NULL);
}

static bool oracle_matches(str pattern, bool wild, bool fold, str text, struct arena *arena)
{
    struct atoms atoms = atoms_of(arena_cstr(arena, pattern), wild, NULL, arena);
    struct letters letters = letters_of(arena_cstr(arena, text), arena);
    if (fold) {
        atoms_fold(&atoms);
        letters_fold(&letters);
    }
    return atoms_match(&atoms, letters, arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_ARENA *arena = arena_new(64 << 20);
    str pattern, text;
    if (size < 2 || !str_cut((str) { (const char *)data + 1, size - 1 }, '\0', &pattern, &text))
        return 0;
    const bool wild = data[0] & 1, fold = data[0] & 2;
    if (pattern.len > PATTERN_MAX || text.len > TEXT_MAX || str_has(text, '\0'))
        return 0;
    const unsigned flags = (wild ? PATTERN_WILD : 0) | (fold ? PATTERN_FOLD : 0);
    const bool matches = compiled_matches(pattern, flags, subject_plain(text), arena);
    if (utf8_valid(pattern) && utf8_valid(text))
        assert(matches == oracle_matches(pattern, wild, fold, text, arena));
    /* Segments only take away: what matches an ARN part by part matches it as one text, less the
     * completion of a short one. */
    const unsigned arn = flags | PATTERN_ARN | (data[0] & 4 ? PATTERN_TRAILING : 0);
    if (compiled_matches(pattern, arn, subject_arn(text), arena))
        assert(matches);
    return 0;
}
