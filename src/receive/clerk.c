#include "receive/clerk.h"

#include "policy/explanation.h"

enum { DECISIONS_MAX = 4 << 20 };

static void saw(struct witness *witness, const struct request *request,
                const struct exhibit *exhibits, size_t count)
{
    struct clerk *clerk = (struct clerk *)witness;
    enum verdict verdict;
    if (clerk->decisions.len)
        buf_addc(&clerk->decisions, ',');
    clerk->failed |=
        !explanation_write(request, exhibits, count, clerk->arena, &clerk->decisions, &verdict);
}

struct clerk clerk_new(struct arena *arena)
{
    return (
        struct clerk) { .witness = { saw }, .arena = arena, .decisions = buf_new(DECISIONS_MAX) };
}

void clerk_free(struct clerk *clerk)
{
    buf_free(&clerk->decisions);
}
