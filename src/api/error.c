#include "api/error.h"

#include "base/json.h"
#include "base/xml.h"
#include "policy/decision.h"

struct kind_row {
    const char *query, *s3, *json;
    int query_status, s3_status, json_status;
};

/* What a kind is called where the fault brought no code of its own, and the status of a code that
 * has no row below. */
/* clang-format off */
static const struct kind_row kinds[] = {
    [FAULT_SYNTAX]      = { "ValidationError",    "InvalidRequest",     "ValidationException",         400, 400, 400 },
    [FAULT_SEQUENCE]    = { "ValidationError",    "InvalidRequest",     "ValidationException",         400, 400, 400 },
    [FAULT_LIMIT]       = { "ServiceUnavailable", "ServiceUnavailable", "ServiceUnavailableException", 503, 503, 503 },
    [FAULT_ABSENT]      = { "NoSuchEntity",       "NoSuchKey",          "ResourceNotFoundException",   400, 404, 400 },
    [FAULT_CONFLICT]    = { "ConcurrentModification", "OperationAborted", "ConflictException",         400, 409, 400 },
    [FAULT_DENIED]      = { "AccessDenied",       "AccessDenied",       "AccessDeniedException",       403, 403, 400 },
    [FAULT_UNAVAILABLE] = { "ServiceUnavailable", "ServiceUnavailable", "ServiceUnavailableException", 503, 503, 503 },
    [FAULT_UNBUILT]     = { "NotImplemented",     "NotImplemented",     "UnknownOperationException",   501, 501, 400 },
    [FAULT_DEFECT]      = { "InternalFailure",    "InternalError",      "InternalFailure",             500, 500, 500 },
};

/* Codes whose status is not that of their kind. Sources: "Common errors" of the SES, IAM and STS API
 * references; Amazon S3 API Reference, "Error responses". */
static const struct { const char *code; int status; } statuses[] = {
    { "AccessDenied",                 403 }, { "MissingAuthenticationToken",   403 },
    { "InvalidClientTokenId",         403 }, { "SignatureDoesNotMatch",        403 },
    { "InvalidAccessKeyId",           403 }, { "RequestTimeTooSkewed",         403 },
    { "ExpiredToken",                 403 }, { "RequestExpired",               400 },
    { "IncompleteSignature",          400 }, { "InvalidToken",                 400 },
    { "InvalidAction",                400 }, { "MissingAction",                400 },
    { "Throttling",                   400 }, { "RequestEntityTooLarge",        413 },
    { "MethodNotAllowed",             405 }, { "NotImplemented",               501 },
    { "MissingContentLength",         411 }, { "PreconditionFailed",           412 },
    { "InvalidRange",                 416 }, { "NotModified",                  304 },
    { "InvalidRequest",               400 }, { "InvalidArgument",              400 },
    { "NoSuchBucket",                 404 }, { "NoSuchKey",                    404 },
    { "NoSuchBucketPolicy",           404 }, { "NoSuchUpload",                 404 },
    { "NoSuchVersion",                404 }, { "NoSuchEntity",                 404 },
    { "BucketAlreadyExists",          409 }, { "BucketAlreadyOwnedByYou",      409 },
    { "BucketNotEmpty",               409 }, { "OperationAborted",             409 },
    { "EntityAlreadyExists",          409 }, { "DeleteConflict",               409 },
    { "ConcurrentModification",       409 }, { "LimitExceeded",                400 },
    { "AWS.SimpleQueueService.UnsupportedOperation", 400 },
    { "NotFound",                     404 }, { "ResourceNotFound",             404 },
    { "InvalidParameter",             400 }, { "AuthorizationError",           403 },
    { "ConcurrentAccess",             400 }, { "KMSAccessDenied",              400 },
    { "KMSDisabled",                  400 }, { "KMSInvalidState",              400 },
    { "KMSNotFound",                  400 }, { "KMSThrottling",                400 },
    { "SlowDown",                     503 }, { "ServiceUnavailable",           503 },
    { "InternalError",                500 }, { "InternalFailure",              500 },
    /* Lambda API Reference, "Errors" of the operations; the other JSON services say 400 to all. */
    { "ResourceNotFoundException",    404 }, { "ResourceConflictException",    409 },
    { "TooManyRequestsException",     429 }, { "PreconditionFailedException",  412 },
    { "AccessDeniedException",        403 }, { "InvalidRequestContentException", 400 },
    { "RequestEntityTooLargeException", 413 }, { "UnrecognizedClientException", 403 },
};

/* Codes whose status differs with the service. */
static const struct { str service; const char *code; int status; } own_statuses[] = {
    { STR_INIT("iam"), "LimitExceeded", 409 }, /* SES's is 400 */
    { STR_INIT("kms"), "ThrottlingException", 400 },
    { STR_INIT("kms"), "KMSInternalException", 500 },
    { STR_INIT("lambda"), "ServiceException", 500 },
    { STR_INIT("sns"), "Throttled", 429 },
    { STR_INIT("sqs"), "RequestThrottled", 400 },
    { STR_INIT("s3"),  "ExpiredToken",  400 },
    { STR_INIT("kms"), "DryRunOperationException", 412 },
    { STR_INIT("ses"), "NotFoundException", 404 }, /* of v2; KMS's is 400 */
};

/* The JSON services have words of their own for what goes wrong before an operation. */
static const struct { const char *code, *json; } json_words[] = {
    { "MissingAuthenticationToken", "MissingAuthenticationTokenException" },
    { "InvalidClientTokenId",       "UnrecognizedClientException"         },
    { "SignatureDoesNotMatch",      "InvalidSignatureException"           },
    { "IncompleteSignature",        "IncompleteSignatureException"        },
    { "AccessDenied",               "AccessDeniedException"               },
    { "ExpiredToken",               "ExpiredTokenException"               },
};

/* SES v2 knows what v1 says by other names: API v2 Reference, "Common errors" and those of the operations. */
static const struct { str service; const char *code, *word; } own_json_words[] = {
    { STR_INIT("ses"), "ConfigurationSetDoesNotExist", "NotFoundException" },
    { STR_INIT("ses"), "InvalidParameterValue", "BadRequestException"    },
    { STR_INIT("ses"), "LimitExceeded",         "LimitExceededException" },
    { STR_INIT("ses"), "ValidationError",       "BadRequestException"    },
    { STR_INIT("ses"), "ValidationException",   "BadRequestException"    },
};

/* What a service calls a policy's no in the Query dialect, where it is not AccessDenied. */
static const struct { const char *service, *code, *word; } own_words[] = {
    { "sns", "AccessDenied", "AuthorizationError" },
};
/* clang-format on */

static const char *own_word(const struct service *service, const char *code)
{
    for (size_t i = 0; i < sizeof own_words / sizeof own_words[0]; i++)
        if (str_eq(service->name, str_of(own_words[i].service)) &&
            strcmp(own_words[i].code, code) == 0)
            return own_words[i].word;
    return code;
}

/* SQS was Query first: its codes have a prefix or another name than the shapes of its JSON, and clients
 * that know the old codes read them in a field of their own (x-amzn-query-error). */
static const char *sqs_shape_name(const char *code)
{
    static const struct { const char *query, *shape; } names[] = {
        { "AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist" },
        { "QueueAlreadyExists",                      "QueueNameExists"   },
    };
    const str prefix = STR("AWS.SimpleQueueService.");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(code, names[i].query) == 0)
            return names[i].shape;
    return str_starts(str_of(code), prefix) ? code + prefix.len : code;
}

static const char *json_word(const char *code)
{
    for (size_t i = 0; i < sizeof json_words / sizeof json_words[0]; i++)
        if (strcmp(json_words[i].code, code) == 0)
            return json_words[i].json;
    return code;
}

static const char *own_json_word(const struct service *service, const char *code)
{
    for (size_t i = 0; i < sizeof own_json_words / sizeof own_json_words[0]; i++)
        if (str_eq(own_json_words[i].service, service->name) &&
            strcmp(own_json_words[i].code, code) == 0)
            return own_json_words[i].word;
    return code;
}

static int own_status_of(const struct service *service, const char *code, int otherwise)
{
    for (size_t i = 0; i < sizeof own_statuses / sizeof own_statuses[0]; i++)
        if (str_eq(own_statuses[i].service, service->name) &&
            strcmp(own_statuses[i].code, code) == 0)
            return own_statuses[i].status;
    return otherwise;
}

static int status_of(const struct service *service, const char *code, int otherwise)
{
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++)
        if (strcmp(statuses[i].code, code) == 0)
            return own_status_of(service, code, statuses[i].status);
    return own_status_of(service, code, otherwise);
}

static const char *word_of(const struct kind_row *row, enum dialect dialect, int *ret_status)
{
    switch (dialect) {
    case DIALECT_QUERY_XML:
        *ret_status = row->query_status;
        return row->query;
    case DIALECT_REST_XML:
        *ret_status = row->s3_status;
        return row->s3;
    case DIALECT_JSON:
    case DIALECT_REST_JSON:
        break;
    }
    *ret_status = row->json_status;
    return row->json;
}

static str message_of(const struct service *service, const struct fault *why, struct arena *arena)
{
    const struct denial *denial = why->kind == FAULT_DENIED ? denial_of(why) : NULL;

    if (why->kind == FAULT_DEFECT) /* our own troubles are for the journal */
        return STR("We encountered an internal error. Please try again.");
    if (!denial)
        return why->says;
    return service->dialect == DIALECT_REST_XML ? STR("Access Denied")
                                                : denial_aws_sentence(denial, arena);
}

struct error_words error_words(const struct service *service, const struct fault *why,
                               struct arena *arena)
{
    int status;
    const char *word = word_of(&kinds[why->kind], service->dialect, &status);

    const char *code = why->code ? own_word(service, why->code) : NULL;
    if (code && why->kind == FAULT_LIMIT)
        status = 400; /* a limit with a name is the client's; one without is ours */
    if (code && (service->dialect == DIALECT_JSON || service->dialect == DIALECT_REST_JSON)) {
        code = json_word(code);
        status = service->dialect == DIALECT_REST_JSON
                     ? status_of(service, why->code, status)
                     : own_status_of(service, why->code, status); /* else a 400, mostly */
    } else if (code)
        status = status_of(service, code, status);
    else if (service->dialect == DIALECT_QUERY_XML)
        status = status_of(service, word, status);
    struct error_words words = { .code = code ? code : word,
                                 .status = status,
                                 .about = why->about,
                                 .message = message_of(service, why, arena) };
    if (service->dialect == DIALECT_REST_JSON) {
        words.code = own_json_word(service, words.code);
        words.status = status_of(service, words.code, words.status);
    }
    if (service->dialect == DIALECT_JSON && str_eq(service->name, STR("sqs"))) {
        words.query_code = why->code ? why->code : word;
        words.code = sqs_shape_name(words.code);
    }
    return words;
}

/* The members SES's exceptions have besides: ses-receiving spec 12.1. */
static const char *own_member(const struct service *service, const char *code)
{
    static const struct {
        const char *code, *member;
    } members[] = {
        { "AlreadyExists", "Name" },
        { "CannotDelete", "Name" },
        { "RuleSetDoesNotExist", "Name" },
        { "RuleDoesNotExist", "Name" },
        { "InvalidS3Configuration", "Bucket" },
        { "InvalidSnsTopic", "Topic" },
        { "InvalidLambdaFunction", "FunctionArn" },
    };
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
        if (str_eq(service->name, STR("ses")) && strcmp(members[i].code, code) == 0)
            return members[i].member;
    return NULL;
}

static void write_query_error(const struct service *service, const struct error_words *words,
                              const struct error_place *place, struct buf *out)
{
    if (service->xmlns)
        xml_open_in(out, "ErrorResponse", service->xmlns);
    else
        xml_open(out, "ErrorResponse");
    xml_open(out, "Error");
    xml_leaf(out, "Type", words->status >= 500 ? STR("Receiver") : STR("Sender"));
    xml_leaf(out, "Code", str_of(words->code));
    xml_leaf(out, "Message", words->message);
    if (own_member(service, words->code))
        xml_leaf(out, own_member(service, words->code), words->about);
    xml_close(out, "Error");
    xml_leaf(out, "RequestId", place->request_id);
    xml_close(out, "ErrorResponse");
}

static void write_s3_error(const struct error_words *words, const struct error_place *place,
                           struct buf *out)
{
    xml_declare(out);
    xml_open(out, "Error");
    xml_leaf(out, "Code", str_of(words->code));
    xml_leaf(out, "Message", words->message);
    if (str_starts(str_of(words->code), STR("NoSuchBucket")))
        xml_leaf(out, "BucketName", place->bucket);
    if (strcmp(words->code, "NoSuchKey") == 0)
        xml_leaf(out, "Key", place->key);
    xml_leaf(out, "Resource", place->resource);
    xml_leaf(out, "RequestId", place->request_id);
    xml_leaf(out, "HostId", place->host_id);
    xml_close(out, "Error");
}

static void write_json_error(const struct error_words *words, struct buf *out)
{
    struct json_writer w = json_writer(out);

    json_open(&w, '{');
    buf_addf(out, "\"__type\":\"%s%s\"", words->query_code ? "com.amazonaws.sqs#" : "", words->code);
    w.comma = true;
    json_add_str(&w, "message", words->message);
    json_close(&w, '}');
}

void error_answer(const struct service *service, const struct error_words *words,
                  const struct error_place *place, struct arena *arena, struct http_answer *answer)
{
    /* A message may quote what was sent, which no body of parameters holds more of; escaped it
     * grows. */
    AUTO_BUF out = buf_new(8 * 1024 * 1024);
    str type = STR("application/xml");

    switch (service->dialect) {
    case DIALECT_QUERY_XML:
        write_query_error(service, words, place, &out);
        type = STR("text/xml");
        break;
    case DIALECT_REST_XML:
        write_s3_error(words, place, &out);
        break;
    case DIALECT_JSON:
        write_json_error(words, &out);
        type = STR("application/x-amz-json-1.1");
        if (words->query_code) {
            type = STR("application/x-amz-json-1.0");
            http_add(answer, STR("x-amzn-query-error"),
                     arena_strf(arena, "%s;%s", words->query_code,
                                words->status >= 500 ? "Receiver" : "Sender"));
        }
        http_add(answer, STR("x-amzn-ErrorType"), str_of(words->code));
        break;
    case DIALECT_REST_JSON:
        write_json_error(words, &out);
        type = STR("application/json");
        http_add(answer, STR("x-amzn-ErrorType"), str_of(words->code));
        break;
    }
    answer->status = words->status;
    answer->text = arena_str(arena, buf_str(&out));
    http_add(answer, STR("Content-Type"), type);
}
