/* Making a failure small: every part is taken away once, the largest first, and stays away when the
 * two still differ. */
#include "policy/oracle_compare.h"

static bool differs(const json_t *step, struct arena *arena)
{
    struct oracle_sight sight = { .blind = SEEN_ALL };
    const char *verdict;
    const str says = oracle_compare(step, &sight, arena, &verdict);
    const bool real = !str_is_none(says) && !str_starts(says, STR(ORACLE_NOT_READ));
    arena_reset(arena);
    return real;
}

/* Without these it would be another difference: what a malformed policy does. */
static bool needed(const char *name)
{
    static const char *const elements[] = { "Effect", "Principal", "NotPrincipal", "Action",
                                            "NotAction", "Resource", "NotResource" };
    for (size_t i = 0; i < sizeof(elements) / sizeof(*elements); i++) {
        if (strcmp(name, elements[i]) == 0)
            return true;
    }
    return false;
}

static bool shrink(json_t *step, json_t *part, struct arena *arena);

static bool shrink_list(json_t *step, json_t *list, struct arena *arena)
{
    bool smaller = false;
    for (size_t i = json_array_size(list); i > 0; i--) {
        json_t *one = json_incref(json_array_get(list, i - 1));
        json_array_remove(list, i - 1);
        const bool gone = differs(step, arena);
        if (!gone) {
            json_array_insert(list, i - 1, one);
            smaller |= shrink(step, one, arena);
        }
        json_decref(one);
        smaller |= gone;
    }
    return smaller;
}

static bool shrink_object(json_t *step, json_t *object, struct arena *arena)
{
    bool smaller = false;
    json_t *members = json_copy(object);
    const char *name;
    json_t *one;
    json_object_foreach(members, name, one)
    {
        bool gone = false;
        if (!needed(name)) {
            json_object_del(object, name);
            gone = differs(step, arena);
        }
        if (!gone) {
            json_object_set(object, name, one);
            smaller |= shrink(step, one, arena);
        }
        smaller |= gone;
    }
    json_decref(members);
    return smaller;
}

static bool shrink(json_t *step, json_t *part, struct arena *arena)
{
    return json_is_array(part)    ? shrink_list(step, part, arena)
           : json_is_object(part) ? shrink_object(step, part, arena)
                                  : false;
}

void oracle_shrink(json_t *step, struct arena *arena)
{
    while (shrink(step, json_object_get(step, "request"), arena) ||
           shrink(step, json_object_get(step, "policies"), arena))
        ;
}
