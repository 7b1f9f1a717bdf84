/* Editing policies as a person would: in their text. */
#include "policy/mend_suite.h"

#include "policy/denial.h"

static str with_statement(str source, str statement, struct arena *arena)
{
    const struct spans *root;
    if (spans_parse(source, SPANS_STRICT, arena, &root))
        return STR_NONE;
    const struct spans *now = spans_get(root, STR("Statement"));
    const str before = str_head(source, now->from), behind = str_from(source, now->to);
    const str there = { source.ptr + now->from, now->to - now->from };
    if (now->kind == SPANS_OBJECT)
        return arena_strf(arena, STR_FMT "[" STR_FMT "," STR_FMT "]" STR_FMT, STR_ARG(before),
                          STR_ARG(there), STR_ARG(statement), STR_ARG(behind));
    const str items = str_head(there, there.len - 1); /* without the bracket that closes it */
    return arena_strf(arena, STR_FMT STR_FMT "%s" STR_FMT "]" STR_FMT, STR_ARG(before),
                      STR_ARG(items), now->count ? "," : "", STR_ARG(statement), STR_ARG(behind));
}

static str without_statement(str source, size_t index, struct arena *arena)
{
    const struct spans *root;
    if (spans_parse(source, SPANS_STRICT, arena, &root))
        return STR_NONE;
    const struct spans *now = spans_get(root, STR("Statement"));
    AUTO_BUF out = buf_new(1 << 20);
    buf_add(&out, str_head(source, now->from));
    buf_addc(&out, '[');
    const bool list = now->kind == SPANS_ARRAY;
    bool first = true;
    size_t at = 0;
    for (const struct spans *one = list ? now->first : now; one; one = list ? one->next : NULL) {
        if (at++ == index)
            continue;
        buf_add(&out, first ? STR("") : STR(","));
        buf_add(&out, (str) { source.ptr + one->from, one->to - one->from });
        first = false;
    }
    buf_addc(&out, ']');
    buf_add(&out, str_from(source, now->to));
    return arena_str(arena, buf_str(&out));
}

static struct question *copy(const struct question *from, size_t more, struct arena *arena)
{
    struct question *to = ARENA_NEW(arena, struct question);
    *to = *from;
    to->request.caller = &to->caller;
    to->exhibits = ARENA_ARRAY(arena, struct exhibit, from->exhibit_count + more + 1);
    for (size_t i = 0; i < from->exhibit_count; i++)
        to->exhibits[i] = from->exhibits[i];
    return to;
}

/* The exhibit at that place, made when nothing was there. */
static struct exhibit *exhibit_at(struct question *q, str policy, struct arena *arena)
{
    for (size_t i = 0; i < q->exhibit_count; i++) {
        struct exhibit *one = &q->exhibits[i];
        if (str_eq(policy, policy_place(one->kind, one, exhibit_index(q->exhibits, i), arena)))
            return one;
    }
    static const struct {
        const char *name;
        enum exhibit_kind kind;
    } absent[] = { { "identity", EXHIBIT_IDENTITY },
                   { "resource", EXHIBIT_RESOURCE },
                   { "trust", EXHIBIT_TRUST } };
    for (size_t i = 0; i < sizeof(absent) / sizeof(*absent); i++) {
        if (!str_eq(policy, str_of(absent[i].name)))
            continue;
        q->exhibits[q->exhibit_count] = (struct exhibit) { .kind = absent[i].kind };
        return &q->exhibits[q->exhibit_count++];
    }
    return NULL;
}

struct question *mend(const struct question *from, const struct remedy *remedies, size_t count,
                      struct arena *arena, str *ret_says)
{
    struct question *q = copy(from, count, arena);
    for (size_t i = 0; i < count; i++) {
        struct exhibit *exhibit = exhibit_at(q, remedies[i].policy, arena);
        if (!exhibit || !exhibit->document == !remedies[i].document.ptr) {
            *ret_says = arena_strf(arena, "the remedy belongs nowhere: " STR_FMT,
                                   STR_ARG(remedies[i].policy));
            return NULL;
        }
        const str json = exhibit->document ? with_statement(exhibit->document->source,
                                                            remedies[i].statement, arena)
                                           : remedies[i].document;
        struct document *document = ARENA_NEW(arena, struct document);
        const struct fault *fault = policy_parse(json, arena, document);
        if (fault) {
            *ret_says = fault_sentence(fault, arena);
            return NULL;
        }
        exhibit->document = document;
    }
    return q;
}

struct question *mend_remove(const struct question *from, const struct decision *decision,
                             struct arena *arena)
{
    struct question *q = copy(from, 0, arena);
    for (size_t d = decision->denier_count; d > 0; d--) { /* from the back: the others keep their
                                                             numbers */
        const struct denier *denier = &decision->deniers[d - 1];
        struct exhibit *exhibit = &q->exhibits[denier->exhibit - from->exhibits];
        const size_t index = (size_t)(denier->statement - denier->exhibit->document->statements);
        const str json = without_statement(exhibit->document->source, index, arena);
        struct document *document = ARENA_NEW(arena, struct document);
        if (policy_parse(json, arena, document))
            return NULL;
        exhibit->document = document;
    }
    return q;
}

enum verdict mend_decide(const struct question *q, struct arena *arena,
                         struct decision *ret_decision)
{
    *ret_decision = policy_explain(&q->request, q->exhibits, q->exhibit_count, NULL, arena);
    return ret_decision->verdict;
}

bool mend_remedies(const struct question *q, const struct decision *decision, struct arena *arena,
                   struct remedies *ret_remedies)
{
    const struct denial denial = { .request = q->request, .decision = *decision };
    return denial_remedies(&denial, arena, &ret_remedies->of, &ret_remedies->count);
}
