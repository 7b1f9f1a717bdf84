#include "api/router.h"

#include "api/query.h"
#include "api/ses_send.h"
#include "base/percent.h"
#include "base/utf8.h"
#include "base/xml.h"

/* What AWS's SES has besides is for sending in earnest. */
#define ONLY_RECEIVES STR_INIT("Sesame only receives mail, and sends no more than forwarding needs")

/* A message of 256 KB, each octet escaped, and its attributes. */
enum { MESSAGE_TEXT_MAX = 2 * 1024 * 1024 };

/* clang-format off */
static const struct service services[] = {
    /* Rows that want a path or a target stand before those that do not. */
    { .name = STR_INIT("ses"),    .dialect = DIALECT_REST_JSON, .also = STR_INIT("email"), .path = STR_INIT("/v2/email/"),
      .why_not = ONLY_RECEIVES },
    { .name = STR_INIT("ses"),    .dialect = DIALECT_REST_JSON, .also = STR_INIT("email"), .path = STR_INIT("/v1/email/"),
      .why_not = ONLY_RECEIVES }, /* one operation of version 2 has this path */
    { .name = STR_INIT("ses"),    .dialect = DIALECT_QUERY_XML, .also = STR_INIT("email"), .version = STR_INIT("2010-12-01"),
      .xmlns = "http://ses.amazonaws.com/doc/2010-12-01/", .empty_result = true, .why_not = ONLY_RECEIVES, .text_max = SEND_V1_TEXT_MAX },
    { .name = STR_INIT("iam"),    .dialect = DIALECT_QUERY_XML, .version = STR_INIT("2010-05-08"),
      .xmlns = "https://iam.amazonaws.com/doc/2010-05-08/" },
    { .name = STR_INIT("sts"),    .dialect = DIALECT_QUERY_XML, .version = STR_INIT("2011-06-15"),
      .xmlns = "https://sts.amazonaws.com/doc/2011-06-15/" },
    { .name = STR_INIT("sns"),    .dialect = DIALECT_QUERY_XML, .version = STR_INIT("2010-03-31"),
      .xmlns = "http://sns.amazonaws.com/doc/2010-03-31/", .empty_result = true, .text_max = MESSAGE_TEXT_MAX },
    { .name = STR_INIT("sqs"),    .dialect = DIALECT_JSON,      .target = STR_INIT("AmazonSQS."), .text_max = MESSAGE_TEXT_MAX },
    { .name = STR_INIT("sqs"),    .dialect = DIALECT_QUERY_XML, .version = STR_INIT("2012-11-05"),
      .xmlns = "http://queue.amazonaws.com/doc/2012-11-05/", .empty_result = true, .text_max = MESSAGE_TEXT_MAX },
    { .name = STR_INIT("kms"),    .dialect = DIALECT_JSON,      .target = STR_INIT("TrentService.") },
    { .name = STR_INIT("lambda"), .dialect = DIALECT_REST_JSON, .path = STR_INIT("/20") }, /* /2015-03-31/functions */
    { .name = STR_INIT("s3"),     .dialect = DIALECT_REST_XML },
};
static const struct service unknown_json = { .name = STR_INIT("unknown"), .dialect = DIALECT_JSON };
static const struct service unknown_query = {
    .name = STR_INIT("unknown"), .dialect = DIALECT_QUERY_XML,
    .xmlns = "http://webservices.amazon.com/AWSFault/2005-15-09",
};

/* Every sub-resource S3 has: Amazon S3 API Reference, "Actions". */
static const str sub_resources[] = {
    STR_INIT("abac"), STR_INIT("accelerate"), STR_INIT("acl"), STR_INIT("analytics"), STR_INIT("annotation"),
    STR_INIT("attributes"), STR_INIT("cors"),
    STR_INIT("delete"), STR_INIT("encryption"), STR_INIT("intelligent-tiering"), STR_INIT("inventory"),
    STR_INIT("legal-hold"), STR_INIT("lifecycle"), STR_INIT("list-type"), STR_INIT("location"), STR_INIT("logging"),
    STR_INIT("metadataAnnotationTable"), STR_INIT("metadataConfiguration"), STR_INIT("metadataInventoryTable"),
    STR_INIT("metadataJournalTable"), STR_INIT("metadataTable"), STR_INIT("metrics"), STR_INIT("notification"),
    STR_INIT("object-lock"), STR_INIT("ownershipControls"), STR_INIT("partNumber"), STR_INIT("policy"),
    STR_INIT("policyStatus"), STR_INIT("publicAccessBlock"), STR_INIT("renameObject"), STR_INIT("replication"),
    STR_INIT("requestPayment"), STR_INIT("restore"), STR_INIT("retention"), STR_INIT("select"), STR_INIT("session"),
    STR_INIT("tagging"), STR_INIT("torrent"), STR_INIT("uploadId"), STR_INIT("uploads"), STR_INIT("versionId"),
    STR_INIT("versioning"), STR_INIT("versions"), STR_INIT("website"),
};
/* What may stand in a query with an empty value and still be a parameter of the operations here. A
 * name that has no value otherwise is how S3 spells a sub-resource: it may be one that is younger than
 * the list above. Any other name with a value is passed over, as S3 does. */
static const str parameters[] = {
    STR_INIT("prefix"), STR_INIT("delimiter"), STR_INIT("marker"), STR_INIT("max-keys"), STR_INIT("encoding-type"),
    STR_INIT("start-after"), STR_INIT("continuation-token"), STR_INIT("fetch-owner"), STR_INIT("max-buckets"),
    STR_INIT("bucket-region"), STR_INIT("x-id"),
};
static const str parameter_families[] = { STR_INIT("x-amz-"), STR_INIT("response-") };
/* Headers that make another operation of a PUT, or ask for what a plain one would silently leave out. */
static const str other_operations[] = {
    STR_INIT("x-amz-copy-source"), STR_INIT("x-amz-rename-source"), STR_INIT("x-amz-write-offset-bytes"),
};
/* clang-format on */

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static str header_of(const struct route_ask *ask, str name)
{
    const struct header *field = fields_find(ask->headers, ask->header_count, name);
    return field ? field->value : STR_NONE;
}

/* Host without port, in the case it came. */
static str host_of(const struct route_ask *ask)
{
    str host = header_of(ask, STR("Host"));
    size_t colon = host.len;

    while (colon > 0 && ascii_is_digit(host.ptr[colon - 1]))
        colon--;
    return colon > 0 && host.ptr[colon - 1] == ':' ? str_head(host, colon - 1) : host;
}

static bool named(const struct service *row, str name)
{
    return str_eq(row->name, name) || (row->also.len && str_eq(row->also, name));
}

static bool has_shape(const struct service *row, const struct route_ask *ask)
{
    return (!row->path.len || str_starts(ask->raw_path, row->path)) &&
           (!row->target.len || str_starts(header_of(ask, STR("X-Amz-Target")), row->target));
}

static bool looks_like_query(const struct route_ask *ask)
{
    if (!str_eq(ask->raw_path, STR("/")))
        return false;
    if (str_eq(ask->method, STR("POST")))
        return str_starts_nocase(header_of(ask, STR("Content-Type")),
                                 STR("application/x-www-form-urlencoded"));
    return str_starts(ask->raw_query, STR("Action=")) ||
           str_find_str(ask->raw_query, STR("&Action=")) < ask->raw_query.len;
}

/* "/?Action=Unsubscribe&...": the value is a word, so it needs no decoding to be known. */
const struct operation *route_open(const struct route_ask *ask)
{
    str rest = ask->raw_query, pair, name, action;
    if (!str_eq(ask->method, STR("GET")) || !str_eq(ask->raw_path, STR("/")) ||
        !str_is_none(ask->scope_service))
        return NULL;
    while (rest.len > 0) {
        str_cut(rest, '&', &pair, &rest);
        if (!str_cut(pair, '=', &name, &action) || !str_eq(name, STR("Action")))
            continue;
        for (size_t i = 0; i < operation_count; i++)
            if (operations[i].open && str_eq(operations[i].name, action))
                return &operations[i];
        return NULL;
    }
    return NULL;
}

static const struct service *service_of(const struct operation *row)
{
    for (size_t i = 0; i < COUNT(services); i++)
        if (services[i].dialect == row->dialect && str_eq(services[i].name, row->service))
            return &services[i];
    return &unknown_query;
}

static const struct service *route_unsigned(const struct route_ask *ask)
{
    const struct operation *open = route_open(ask);
    str first_label, rest;

    if (open)
        return service_of(open);

    str_cut(host_of(ask), '.', &first_label, &rest);
    for (size_t i = 0; i < COUNT(services); i++)
        if (has_shape(&services[i], ask) && (services[i].target.len || services[i].path.len > 4 ||
                                             named(&services[i], first_label)))
            return &services[i];
    if (!str_is_none(header_of(ask, STR("X-Amz-Target"))))
        return &unknown_json;
    return looks_like_query(ask) ? &unknown_query : &services[COUNT(services) - 1];
}

const struct service *route_service(const struct route_ask *ask)
{
    if (str_is_none(ask->scope_service))
        return route_unsigned(ask);
    for (size_t i = 0; i < COUNT(services); i++)
        if (named(&services[i], ask->scope_service) && has_shape(&services[i], ask))
            return &services[i];
    return str_is_none(header_of(ask, STR("X-Amz-Target"))) ? &unknown_query : &unknown_json;
}

const struct operation *route_action(const struct service *service, str action)
{
    for (size_t i = 0; i < operation_count; i++)
        if (operations[i].dialect == service->dialect &&
            str_eq(operations[i].service, service->name) && str_eq(operations[i].name, action))
            return &operations[i];
    return NULL;
}

/* Where ".s3." or ".s3-" stands last; host.len when nowhere. */
static size_t find_s3_label(str host)
{
    for (size_t i = host.len; i-- > 0;) {
        str rest = str_from(host, i);
        if (str_starts_nocase(rest, STR(".s3.")) || str_starts_nocase(rest, STR(".s3-")))
            return i;
    }
    return host.len;
}

static str bucket_of_host(str host)
{
    size_t label = find_s3_label(host);

    if (label < host.len)
        return str_head(host, label);
    if (!str_ends_nocase(host, STR(".localhost")) || str_starts_nocase(host, STR("s3.")) ||
        str_starts_nocase(host, STR("s3-")))
        return STR_NONE;
    return str_head(host, host.len - (sizeof ".localhost" - 1));
}

static const struct fault *bad_uri(struct arena *arena)
{
    return fault_coded(arena, FAULT_SYNTAX, "InvalidURI", "Couldn't parse the specified URI.");
}

const struct fault *route_s3_place(const struct route_ask *ask, struct arena *arena,
                                   struct s3_place *ret_place)
{
    struct s3_place place = { .bucket = bucket_of_host(host_of(ask)), .key = STR_NONE };
    str rest = str_from(ask->raw_path, 1), bucket;

    if (!str_is_none(place.bucket))
        ; /* the whole path is the key */
    else if (rest.len > 0) {
        str_cut(rest, '/', &bucket, &rest);
        if (!percent_decode(bucket, false, arena, &place.bucket))
            return bad_uri(arena);
    }
    if (rest.len > 0 && !percent_decode(rest, false, arena, &place.key))
        return bad_uri(arena);
    if (!utf8_valid(place.key)) /* keys are Unicode: User Guide, "Naming Amazon S3 objects" */
        return bad_uri(arena);
    if (place.key.len > 0 && place.bucket.len == 0) /* "//key" */
        return bad_uri(arena);
    if (place.key.len == 0)
        place.key = STR_NONE;
    if (place.bucket.len == 0)
        place.bucket = STR_NONE;
    place.target = !str_is_none(place.key)      ? REST_OBJECT
                   : !str_is_none(place.bucket) ? REST_BUCKET
                                                : REST_SERVICE;
    *ret_place = place;
    return NULL;
}

static bool is_parameter(str name)
{
    for (size_t i = 0; i < COUNT(parameters); i++)
        if (str_eq(parameters[i], name))
            return true;
    for (size_t i = 0; i < COUNT(parameter_families); i++)
        if (str_starts_nocase(name, parameter_families[i]))
            return true;
    return false;
}

static bool is_sub_resource(const struct header *pair)
{
    for (size_t i = 0; i < COUNT(sub_resources); i++)
        if (str_eq(sub_resources[i], pair->name))
            return true;
    return pair->value.len == 0 && !is_parameter(pair->name);
}

/* "policy" means ?policy, whatever its value; "list-type=2" means that value. */
static bool means(str wanted, const struct header *pair)
{
    str name, value;
    bool valued = str_cut(wanted, '=', &name, &value);

    if (!pair)
        return wanted.len == 0;
    return str_eq(name, pair->name) && (!valued || str_eq(value, pair->value));
}

static const struct fault *not_implemented(struct arena *arena)
{
    return fault_coded(arena, FAULT_UNBUILT, "NotImplemented",
                       "A header you provided implies functionality that is not implemented");
}

const struct fault *route_s3(const struct route_ask *ask, const struct s3_place *place,
                             const struct header *params, size_t param_count, struct arena *arena,
                             const struct operation **ret_operation)
{
    const struct header *sub = NULL;

    for (size_t i = 0; i < param_count; i++) {
        if (!is_sub_resource(&params[i]))
            continue;
        if (sub) /* two at once: parts of an upload, versions of a policy; none is built */
            return not_implemented(arena);
        sub = &params[i];
    }
    str other = STR("");
    for (size_t i = 0; i < COUNT(other_operations); i++) {
        if (str_is_none(header_of(ask, other_operations[i])))
            continue;
        if (other.len)
            return not_implemented(arena);
        other = other_operations[i];
    }
    for (size_t i = 0; i < operation_count; i++) {
        const struct rest_route *route = &operations[i].route;
        if (str_eq(operations[i].service, STR("s3")) && route->target == place->target &&
            str_eq(route->method, ask->method) && means(route->sub_resource, sub) &&
            str_eq(route->header, other)) {
            *ret_operation = &operations[i];
            return NULL;
        }
    }
    if (sub || other.len || str_eq(ask->method, STR("POST")) || str_eq(ask->method, STR("OPTIONS")) ||
        (place->target == REST_BUCKET &&
         str_eq(ask->method, STR("GET")))) /* ListObjects, the older one */
        return not_implemented(arena);
    return fault_coded(arena, FAULT_SYNTAX, "MethodNotAllowed",
                       "The specified method is not allowed against this resource.");
}

/* Segment by segment; a {} takes any that is not empty. */
static bool path_fits(str pattern, str path, struct arena *arena, str ret_place[2])
{
    size_t places = 0;
    for (;;) {
        str want, have, want_rest, have_rest;
        bool more_wanted = str_cut(pattern, '/', &want, &want_rest);
        bool more = str_cut(path, '/', &have, &have_rest);
        if (more != more_wanted)
            return false;
        if (!str_eq(want, STR("{}"))) {
            if (!str_eq(want, have))
                return false;
        } else if (places == 2 || !have.len ||
                   !percent_decode(have, false, arena, &ret_place[places++]))
            return false;
        if (!more)
            return true;
        pattern = want_rest;
        path = have_rest;
    }
}

const struct operation *route_rest_json(const struct service *service, const struct route_ask *ask,
                                        struct arena *arena, str ret_place[2])
{
    str path = ask->raw_path;
    if (path.len > 1 && path.ptr[path.len - 1] == '/')
        path = str_head(path, path.len - 1);
    for (size_t i = 0; i < operation_count; i++) {
        const struct operation *row = &operations[i];
        ret_place[0] = ret_place[1] = STR_NONE;
        if (row->dialect == DIALECT_REST_JSON && str_eq(row->service, service->name) &&
            str_eq(row->route.method, ask->method) &&
            path_fits(row->route.path, path, arena, ret_place))
            return row;
    }
    return NULL;
}

void query_wrap(const struct service *service, const struct operation *operation, str inside,
                str request_id, struct buf *out)
{
    if (service->xmlns)
        buf_addf(out, "<" STR_FMT "Response xmlns=\"%s\">", STR_ARG(operation->name),
                 service->xmlns);
    else
        buf_addf(out, "<" STR_FMT "Response>", STR_ARG(operation->name));
    if (inside.len > 0) {
        buf_addf(out, "<" STR_FMT "Result>", STR_ARG(operation->name));
        buf_add(out, inside);
        buf_addf(out, "</" STR_FMT "Result>", STR_ARG(operation->name));
    } else if (service->empty_result || operation->empty_result)
        buf_addf(out, "<" STR_FMT "Result/>", STR_ARG(operation->name));
    buf_add(out, STR("<ResponseMetadata>"));
    xml_leaf(out, "RequestId", request_id);
    buf_addf(out, "</ResponseMetadata></" STR_FMT "Response>", STR_ARG(operation->name));
}
