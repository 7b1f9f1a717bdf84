/* Fuzzes what strangers write into a request's head and form: scope NL host NL method NL target NL
 * form. */
#include "api/query.h"
#include "api/router.h"

#include <assert.h>

const struct operation operations[] = {
    { .service = STR_INIT("ses"),
      .name = STR_INIT("ListReceiptRuleSets"),
      .dialect = DIALECT_QUERY_XML },
    { .service = STR_INIT("s3"),
      .name = STR_INIT("GetObject"),
      .dialect = DIALECT_REST_XML,
      .route = { STR_INIT("GET"), REST_OBJECT, STR_INIT("") } },
    { .service = STR_INIT("s3"),
      .name = STR_INIT("ListObjectsV2"),
      .dialect = DIALECT_REST_XML,
      .route = { STR_INIT("GET"), REST_BUCKET, STR_INIT("list-type=2") } },
    { .service = STR_INIT("s3"),
      .name = STR_INIT("PutBucketPolicy"),
      .dialect = DIALECT_REST_XML,
      .route = { STR_INIT("PUT"), REST_BUCKET, STR_INIT("policy") } },
};
const size_t operation_count = sizeof operations / sizeof operations[0];

static void read_form(str form, struct arena *arena)
{
    const struct header *pairs;
    size_t count;

    if (pairs_read(form, arena, &pairs, &count))
        return;
    for (size_t i = 0; i < count; i++) {
        assert(!str_is_none(pairs[i].name) && "a pair has a name, empty or not");
        assert(pairs[i].name.len + pairs[i].value.len <= form.len &&
               "decoding makes nothing longer");
        assert(pair_find(pairs, count, pairs[i].name) && "what was read is found");
    }
}

static void route(struct route_ask *ask, struct arena *arena)
{
    const struct header *params;
    const struct operation *operation = NULL;
    struct s3_place place;
    size_t count;

    assert(route_service(ask) && "every request has a service");
    if (route_s3_place(ask, arena, &place) || pairs_read(ask->raw_query, arena, &params, &count))
        return;
    assert((place.target == REST_OBJECT) == !str_is_none(place.key));
    assert(str_is_none(place.key) || !str_is_none(place.bucket));
    if (!route_s3(ask, &place, params, count, arena, &operation))
        assert(operation && str_eq(operation->route.method, ask->method) &&
               operation->route.target == place.target);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_ARENA *arena = arena_new(4u << 20);
    str rest = { (const char *)data, size }, scope, host, target;
    struct route_ask ask = { .scope_service = STR_NONE };

    str_cut(rest, '\n', &scope, &rest);
    str_cut(rest, '\n', &host, &rest);
    str_cut(rest, '\n', &ask.method, &rest);
    str_cut(rest, '\n', &target, &rest);
    if (target.len == 0 || target.ptr[0] != '/') /* the screen lets no other through */
        return 0;
    struct header headers[] = { { STR("Host"), host },
                                { STR("X-Amz-Target"), str_head(rest, 40) } };
    str_cut(target, '?', &ask.raw_path, &ask.raw_query);
    ask.headers = headers;
    ask.header_count = size % 2 ? 1 : 2;
    ask.scope_service = scope.len ? scope : STR_NONE;
    route(&ask, arena);
    read_form(rest, arena);
    return 0;
}
