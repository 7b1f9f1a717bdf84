/* base/fault.c - making, keeping and reading faults. */
#include "base/fault.h"

#include <stdarg.h>
#include <stdio.h>

const struct fault fault_no_memory = {
    .kind = FAULT_LIMIT,
    .says = STR_INIT("this piece of work needs more memory than it may have"),
};

static const struct fault *make(struct arena *a, struct fault f, const char *fmt, va_list args)
{
    char small[512];
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(small, sizeof small, fmt, args);
    struct fault *made = ARENA_NEW(a, struct fault);
    char *text = made && len >= 0 ? arena_alloc(a, (size_t)len + 1, 1) : NULL;
    if (text)
        vsnprintf(text, (size_t)len + 1, fmt, again);
    va_end(again);
    if (!text)
        return &fault_no_memory;
    *made = f;
    made->says = (str){ text, (size_t)len };
    return made;
}

const struct fault *fault(struct arena *a, enum fault_kind kind, const struct fault *because,
                          const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    const struct fault *f = make(a, (struct fault){ .kind = kind, .because = because }, fmt, args);
    va_end(args);
    return f;
}

const struct fault *fault_coded(struct arena *a, enum fault_kind kind, const char *code,
                                const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    const struct fault *f = make(a, (struct fault){ .kind = kind, .code = code }, fmt, args);
    va_end(args);
    return f;
}

const struct fault *fault_about(struct arena *a, str about, const struct fault *f)
{
    struct fault *made = ARENA_NEW(a, struct fault);
    if (!made)
        return &fault_no_memory;
    *made = *f;
    made->about = about;
    return made;
}

const struct fault *fault_keep(struct arena *a, const struct fault *f)
{
    if (!f)
        return NULL;
    struct fault *kept = ARENA_NEW(a, struct fault);
    str says = kept ? arena_str(a, f->says) : STR_NONE;
    str about = kept ? arena_str(a, f->about) : STR_NONE;
    if (!kept || (f->says.ptr && !says.ptr) || (f->about.ptr && !about.ptr))
        return &fault_no_memory;
    *kept = (struct fault){ .kind = f->kind, .says = says, .code = f->code, .about = about,
                            .because = fault_keep(a, f->because) };
    return kept;
}

enum fate fault_fate(const struct fault *f)
{
    if (!f)
        return FATE_DONE;
    switch (f->kind) {
    case FAULT_SYNTAX:
    case FAULT_SEQUENCE:
    case FAULT_LIMIT:
        return FATE_REFUSE;
    case FAULT_ABSENT:      /* a deleted bucket may come back within the four hours */
    case FAULT_CONFLICT:
    case FAULT_DENIED:      /* a policy may be mended: spec 10 */
    case FAULT_UNAVAILABLE:
    case FAULT_UNBUILT:     /* kept for the version that can do it */
    case FAULT_DEFECT:
        return FATE_RETRY;
    }
    return FATE_RETRY;
}

str fault_sentence(const struct fault *f, struct arena *a)
{
    str text = f ? f->says : STR("no fault");
    for (f = f ? f->because : NULL; f; f = f->because) {
        str longer = arena_strf(a, STR_FMT "%s" STR_FMT, STR_ARG(text), text.len ? ": " : "",
                                STR_ARG(f->says));
        if (!longer.ptr)
            return text;
        text = longer;
    }
    return text;
}
