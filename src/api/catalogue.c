#include "api/catalogue.h"

#include "api/operation.h"

static const char *model_of(const struct operation *row)
{
    if (str_eq(row->service, STR("ses")) && row->dialect == DIALECT_REST_JSON)
        return "sesv2";
    return row->service.ptr; /* a literal */
}

static void write_route(const struct operation *row, struct buf *out)
{
    static const char *const targets[] = { [REST_NONE] = "",
                                           [REST_SERVICE] = "/",
                                           [REST_BUCKET] = "/{bucket}",
                                           [REST_OBJECT] = "/{bucket}/{key}" };
    const struct rest_route *route = &row->route;
    switch (row->dialect) {
    case DIALECT_QUERY_XML:
        buf_addf(out, "`Action=" STR_FMT "`", STR_ARG(row->name));
        return;
    case DIALECT_JSON:
        buf_addf(out, "`X-Amz-Target: ..." STR_FMT "`", STR_ARG(row->name));
        return;
    case DIALECT_REST_XML:
        buf_addf(out, "`" STR_FMT " %s%s" STR_FMT "`", STR_ARG(route->method),
                 targets[route->target], route->sub_resource.len ? "?" : "",
                 STR_ARG(route->sub_resource));
        if (route->header.len)
            buf_addf(out, " with `" STR_FMT "`", STR_ARG(route->header));
        return;
    case DIALECT_REST_JSON:
        break;
    }
    buf_addf(out, "`" STR_FMT " " STR_FMT "`", STR_ARG(route->method), STR_ARG(route->path));
}

void catalogue_write(struct buf *out)
{
    for (size_t i = 0; i < operation_count; i++) {
        const struct operation *row = &operations[i];
        buf_addf(out, "%s|" STR_FMT "|" STR_FMT "|", model_of(row), STR_ARG(row->name),
                 STR_ARG(row->iam_action));
        write_route(row, out);
        buf_addf(out, "|%s\n", row->open ? "a link in a message asks for it unsigned" : "");
    }
}
