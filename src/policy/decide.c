/* The decision: one pass over the statements, then one look at what they come to. */
#include "policy/tally.h"

static inline __attribute__((always_inline)) enum verdict decide(const struct request *request,
                                                                 const struct exhibit *exhibits,
                                                                 size_t count, struct trace *trace,
                                                                 const bool traced)
{
    struct asked asked;
    struct found found[ASKED_FOUND] = { 0 };
    asked_begin(&asked, request, found);
    struct tally tally = { 0 };
    for (size_t i = 0; i < count; i++) {
        tally_present(&tally, &exhibits[i]);
        asked.has_boundary |= exhibits[i].kind == EXHIBIT_BOUNDARY;
    }
    for (size_t i = 0; i < count; i++) {
        const struct document *document = exhibits[i].document;
        const bool governs = exhibit_governs(exhibits[i].kind, request->caller->kind);
        if (!document || (!governs && !traced))
            continue;
        for (size_t s = 0; s < document->compiled->count; s++) {
            const struct compiled_statement *statement = &document->compiled->statements[s];
            const uint32_t code = traced
                                      ? statement_match_traced(statement, exhibits[i].kind, &asked)
                                      : statement_match(statement, exhibits[i].kind, &asked);
            if (traced && trace->used < trace->room)
                trace->codes[trace->used++] = code;
            if (governs)
                tally_statement(&tally, &exhibits[i], i, s, code);
            if (!traced && tally.denied)
                return VERDICT_EXPLICIT_DENY;
        }
    }
    if (tally.denied)
        return VERDICT_EXPLICIT_DENY;
    bool either;
    return tally_missing(&tally, request, &either) ? VERDICT_IMPLICIT_DENY : VERDICT_ALLOW;
}

enum verdict policy_decide(const struct request *request, const struct exhibit *exhibits,
                           size_t count, struct trace *trace)
{
    if (!trace)
        return decide(request, exhibits, count, NULL, false);
    trace->used = 0;
    return decide(request, exhibits, count, trace, true);
}
