#include "services/ses/identities.h"

#include "base/base64.h"
#include "base/json.h"
#include "base/outside.h"
#include "mail/mailbox.h"
#include "services/world.h"

/* clang-format off */
static const str status_names[] = {
    [IDENTITY_PENDING]           = STR_INIT("Pending"),
    [IDENTITY_SUCCESS]           = STR_INIT("Success"),
    [IDENTITY_FAILED]            = STR_INIT("Failed"),
    [IDENTITY_TEMPORARY_FAILURE] = STR_INIT("TemporaryFailure"),
};
/* clang-format on */
enum { STATUSES = sizeof(status_names) / sizeof(status_names[0]), TOKEN_BYTES = 32 };

str identity_status_name(enum identity_status status)
{
    return status_names[status];
}

/* ---- domains ---- */

/* Letters, digits, dashes not at the ends; the underscore is no host's, but people have such
 * domains (_dmarc. and the like) and AWS takes them. */
static bool label_ok(str label)
{
    if (label.len == 0 || label.len > 63 || label.ptr[0] == '-' || label.ptr[label.len - 1] == '-')
        return false;
    for (size_t i = 0; i < label.len; i++) {
        char c = label.ptr[i];
        if (!ascii_is_alpha(c) && !ascii_is_digit(c) && c != '-' && c != '_')
            return false;
    }
    return true;
}

size_t domain_normal_to(char to[DOMAIN_ROOM], str domain)
{
    if (str_ends(domain, STR(".")))
        domain.len--;
    if (domain.len == 0 || domain.len >= DOMAIN_ROOM || str_has(domain, '\0'))
        return 0;
    AUTO_ARENA *arena = NULL; /* U-labels are rare; the common domain needs no memory */
    if (!mailbox_is_ascii(domain)) {
        arena = arena_new(16 * 1024);
        domain = arena ? mailbox_domain_ascii(domain, arena) : STR_NONE;
    }
    size_t len = domain.len;
    if (len == 0 || len > DOMAIN_ROOM - 3) /* RFC 1035 2.3.4, as text: 253 */
        return 0;
    for (size_t i = 0; i < len; i++)
        to[i] = ascii_lower(domain.ptr[i]);
    str rest = { to, len }, label;
    bool more = true;
    while (more) {
        more = str_cut(rest, '.', &label, &rest);
        if (!label_ok(label))
            return 0;
    }
    return len;
}

str domain_normal(struct arena *arena, str domain)
{
    char room[DOMAIN_ROOM];
    size_t len = domain_normal_to(room, domain);
    return len ? arena_str(arena, (str) { room, len }) : STR_NONE;
}

/* ---- the aggregate ---- */

const struct fault *identity_compile(const struct record *record, struct arena *arena,
                                     const void **ret_aggregate)
{
    struct identity *identity = ARENA_NEW(arena, struct identity);
    str key = arena_str(arena, record->key), kind;
    const struct json *json;
    if (!identity || str_is_none(key))
        return &fault_no_memory;
    TRY(json_parse(record->value, arena, &json));
    if (!str_cut(key, '/', &kind, &key) || !str_cut(key, '/', &identity->region, &key) ||
        !str_cut(key, '/', &identity->domain, &identity->account))
        return fault(arena, FAULT_SYNTAX, NULL,
                     "an identity's key wants region, domain and account");
    str status = json_str(json, "status");
    size_t i = 0;
    while (i < STATUSES && !str_eq(status_names[i], status))
        i++;
    if (i == STATUSES)
        return fault(arena, FAULT_SYNTAX, NULL, "no identity status is called " STR_FMT,
                     STR_ARG(status));
    identity->status = (enum identity_status)i;
    identity->token = json_str(json, "token");
    identity->created_ms = json_int(json, "created_ms", 0);
    *ret_aggregate = identity;
    return NULL;
}

static str identity_key(struct arena *arena, str region, str domain, str account)
{
    return arena_strf(arena, "identity/" STR_FMT "/" STR_FMT "/" STR_FMT, STR_ARG(region),
                      STR_ARG(domain), STR_ARG(account));
}

const struct fault *identity_verify_domain(struct state *state, const struct call *call,
                                           struct entropy *entropy, str domain, bool auto_verify,
                                           str *ret_token)
{
    struct arena *arena = call->arena;
    str normal = domain_normal(arena, domain);
    if (str_is_none(normal))
        return fault_coded(arena, FAULT_SYNTAX, "InvalidParameterValue",
                           "Invalid domain name " STR_FMT ".", STR_ARG(domain));
    str key = identity_key(arena, call->region, normal, call->caller->account);
    if (str_is_none(key))
        return &fault_no_memory;
    for (int tries = 0; tries < 16; tries++) {
        struct record record = { .key = key, .revision = REVISION_NEW };
        const struct fault *why = state->ops->get(state, key, arena, &record);
        str token = STR_NONE;
        int64_t created_ms = call->now_ms;
        enum identity_status status = auto_verify ? IDENTITY_SUCCESS : IDENTITY_PENDING;
        if (!why) {
            const void *found;
            TRY(identity_compile(&record, arena, &found));
            const struct identity *there = found;
            token = there->token;
            created_ms = there->created_ms;
            if (there->status == IDENTITY_SUCCESS)
                status = IDENTITY_SUCCESS;
            if (status == there->status) {
                *ret_token = token;
                return NULL;
            }
        } else if (why->kind != FAULT_ABSENT) {
            return why;
        } else {
            char bytes[TOKEN_BYTES], text[BASE64_LEN(TOKEN_BYTES)];
            entropy->fill(entropy, bytes, sizeof(bytes));
            token = arena_str(
                arena, (str) { text, base64_encode_to(text, (str) { bytes, sizeof(bytes) }) });
            record.revision = REVISION_NEW;
        }
        AUTO_BUF value = buf_new(1024);
        struct json_writer w = json_writer(&value);
        json_open(&w, '{');
        json_add_str(&w, "status", status_names[status]);
        json_add_str(&w, "token", token);
        json_add_int(&w, "created_ms", created_ms);
        json_close(&w, '}');
        if (value.failed || str_is_none(token))
            return &fault_no_memory;
        uint64_t revision;
        why = state->ops->put(state, key, buf_str(&value), record.revision, arena, &revision);
        if (!why)
            *ret_token = token;
        if (!why || why->kind != FAULT_CONFLICT)
            return why;
    }
    return fault(arena, FAULT_UNAVAILABLE, NULL, "others keep changing the identity; try again");
}

/* ---- look-ups ---- */

enum { IDENTITY_KEY_ROOM = 512 };

static str key_to(char to[IDENTITY_KEY_ROOM], str region, str domain, str account)
{
    size_t len = 0;
    const str parts[] = { STR("identity/"), region, STR("/"), domain, STR("/"), account };
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (parts[i].len > IDENTITY_KEY_ROOM - len)
            return STR_NONE;
        if (parts[i].len > 0)
            memcpy(to + len, parts[i].ptr, parts[i].len);
        len += parts[i].len;
    }
    return (str) { to, len };
}

bool identity_next(const struct world *world, str region, str normal_domain, str after_account,
                   const struct identity **ret_identity)
{
    char prefix_room[IDENTITY_KEY_ROOM], after_room[IDENTITY_KEY_ROOM];
    str prefix = key_to(prefix_room, region, normal_domain, STR(""));
    str after = str_is_none(after_account)
                    ? STR_NONE
                    : key_to(after_room, region, normal_domain, after_account);
    str key;
    const void *found;
    if (str_is_none(prefix) || !world_next(world, prefix, after, &key, &found))
        return false;
    *ret_identity = found;
    return true;
}

static const struct identity *find_normal(const struct world *world, str region, str normal,
                                          str account)
{
    char room[IDENTITY_KEY_ROOM];
    str key = key_to(room, region, normal, account);
    return str_is_none(key) ? NULL : world_find(world, key);
}

const struct identity *identity_find(const struct world *world, str region, str domain, str account)
{
    char room[DOMAIN_ROOM];
    size_t len = domain_normal_to(room, domain);
    return len ? find_normal(world, region, (str) { room, len }, account) : NULL;
}

bool identity_covers(const struct world *world, str region, str domain, str account)
{
    char room[DOMAIN_ROOM];
    str rest = { room, domain_normal_to(room, domain) }, label;
    while (rest.len > 0) {
        const struct identity *identity = find_normal(world, region, rest, account);
        if (identity && identity->status == IDENTITY_SUCCESS)
            return true;
        if (!str_cut(rest, '.', &label, &rest))
            break;
    }
    return false;
}
