/* Any bytes as a question: read it, explain the answer whole, and print it. Where remedies are
 * offered and can be put where they belong, the answer is yes then. */
#include "policy/explanation.h"
#include "policy/mend_suite.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "%s\n", what);
        abort();
    }
}

static void carry_out(const struct question *q, struct arena *arena)
{
    struct decision decision, after;
    if (mend_decide(q, arena, &decision) == VERDICT_ALLOW)
        return;
    const struct denial denial = { .request = q->request, .decision = decision };
    const struct remedy *remedies;
    size_t count;
    str says;
    if (!denial_remedies(&denial, arena, &remedies, &count))
        return;
    must(count || !str_is_none(denial_instead(&denial, arena)), "neither a remedy nor another way");
    const struct question *mended = count ? mend(q, remedies, count, arena, &says) : NULL;
    if (mended)
        must(mend_decide(mended, arena, &after) == VERDICT_ALLOW, "the remedies do not mend");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 64 << 10)
        return 0;
    AUTO_ARENA *arena = arena_new(64 << 20);
    const str text = { (const char *)data, size };
    const struct spans *root, *told;
    struct question *q;
    if (spans_parse(text, SPANS_STRICT, arena, &root))
        return 0;
    const struct written request = { text, spans_get(root, STR("request")) };
    const struct written policies = { text, spans_get(root, STR("policies")) };
    if (!request.object || question_read(request, policies, arena, &q))
        return 0;
    AUTO_BUF out = buf_new(1 << 20), page = buf_new(1 << 20);
    enum verdict verdict;
    if (!explanation_write(&q->request, q->exhibits, q->exhibit_count, arena, &out, &verdict))
        return 0;
    const str json = buf_str(&out);
    const struct fault *fault = spans_parse(json, SPANS_STRICT, arena, &told);
    must(!fault || fault->kind == FAULT_LIMIT, "the explanation is not JSON");
    if (!fault)
        explanation_print(told, json, "", &page);
    carry_out(q, arena);
    return 0;
}
