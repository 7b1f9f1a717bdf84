#include "services/ses/identities.h"

#include "base/base64.h"
#include "base/json.h"
#include "base/outside.h"
#include "base/random_id.h"
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
enum {
    STATUSES = sizeof(status_names) / sizeof(status_names[0]),
    TOKEN_BYTES = 32,
    DKIM_TOKEN_LEN = 32, /* a-z 2-7 */
    IDENTITY_TEXT_MAX = 64 * 1024,
};

str identity_status_name(enum identity_status status)
{
    return status_names[status];
}

bool identity_has_dkim(const struct identity *identity)
{
    return !str_is_none(identity->dkim_tokens[0]);
}

str identity_dkim_status_name(const struct identity *identity)
{
    return identity_has_dkim(identity) ? status_names[identity->status] : STR("NotStarted");
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

static const struct fault *compile_tags(const struct json *tags, struct arena *arena,
                                        struct identity *identity)
{
    size_t count = json_size(tags);
    struct header *to = ARENA_ARRAY(arena, struct header, count + 1);
    const struct json *value;
    if (!to)
        return &fault_no_memory;
    for (size_t i = 0; json_member(tags, i, &to[i].name, &value); i++)
        to[i].value = json_text(value);
    identity->tags = to;
    identity->tag_count = count;
    return NULL;
}

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
    for (size_t n = 0; n < DKIM_TOKENS; n++)
        identity->dkim_tokens[n] = json_text(json_at(json_get(json, "dkim_tokens"), n));
    TRY(compile_tags(json_get(json, "tags"), arena, identity));
    *ret_aggregate = identity;
    return NULL;
}

static str identity_key(struct arena *arena, str region, str domain, str account)
{
    return arena_strf(arena, "identity/" STR_FMT "/" STR_FMT "/" STR_FMT, STR_ARG(region),
                      STR_ARG(domain), STR_ARG(account));
}

/* The address with its domain in normal form; 0: it is none. No NUL behind it. A slash is not
 * taken: it would end the domain in the state's key, and let an address pass for one; an @ in the
 * local part only in quotes. */
enum { ADDRESS_ROOM = 64 + 1 + DOMAIN_ROOM };
static size_t address_normal_to(char to[ADDRESS_ROOM], str address)
{
    char domain[DOMAIN_ROOM];
    size_t at = address.len;
    while (at > 0 && address.ptr[at - 1] != '@')
        at--;
    size_t len = at > 1 && at <= 65 ? domain_normal_to(domain, str_from(address, at)) : 0;
    if (len == 0)
        return 0;
    bool quoted = at > 3 && address.ptr[0] == '"' && address.ptr[at - 2] == '"';
    for (size_t i = 0; i < at; i++)
        if (address.ptr[i] <= ' ' || address.ptr[i] == 0x7f || address.ptr[i] == '/' ||
            (address.ptr[i] == '@' && i + 1 < at && !quoted))
            return 0;
    memcpy(to, address.ptr, at);
    memcpy(to + at, domain, len);
    return at + len;
}

static void write_identity(const struct identity *identity, struct buf *out)
{
    struct json_writer w = json_writer(out);
    json_open(&w, '{');
    json_add_str(&w, "status", status_names[identity->status]);
    if (!str_is_none(identity->token))
        json_add_str(&w, "token", identity->token);
    if (identity_has_dkim(identity)) {
        json_name(&w, STR("dkim_tokens"));
        json_open(&w, '[');
        for (size_t n = 0; n < DKIM_TOKENS; n++)
            json_put_str(&w, identity->dkim_tokens[n]);
        json_close(&w, ']');
    }
    json_add_int(&w, "created_ms", identity->created_ms);
    if (identity->tag_count) {
        json_name(&w, STR("tags"));
        json_open(&w, '{');
        for (size_t i = 0; i < identity->tag_count; i++) {
            json_name(&w, identity->tags[i].name);
            json_put_str(&w, identity->tags[i].value);
        }
        json_close(&w, '}');
    }
    json_close(&w, '}');
}

static const struct fault *put(struct state *state, const struct call *call,
                               const struct identity *identity, const struct record *record)
{
    AUTO_BUF value = buf_new(IDENTITY_TEXT_MAX);
    uint64_t revision;
    write_identity(identity, &value);
    if (value.failed)
        return fault_coded(call->arena, FAULT_LIMIT, "LimitExceeded",
                           "The identity's tags are too long");
    return state->ops->put(state, record->key, buf_str(&value), record->revision, call->arena,
                           &revision);
}

static const struct fault *busy(struct arena *arena)
{
    return fault(arena, FAULT_UNAVAILABLE, NULL, "others keep changing the identity; try again");
}

/* What is there keeps what it has; what it lacks it takes from the fresh one. False: it lacks
 * nothing. */
static bool complete(struct identity *identity, const struct identity *fresh)
{
    bool verified = fresh->status == IDENTITY_SUCCESS && identity->status != IDENTITY_SUCCESS;
    bool token = str_is_none(identity->token) && !str_is_none(fresh->token);
    bool dkim = !identity_has_dkim(identity) && identity_has_dkim(fresh);
    if (verified)
        identity->status = IDENTITY_SUCCESS;
    if (token)
        identity->token = fresh->token;
    for (size_t n = 0; dkim && n < DKIM_TOKENS; n++)
        identity->dkim_tokens[n] = fresh->dkim_tokens[n];
    return verified || token || dkim;
}

/* *identity is what becomes of it where there is none yet; then what is there. */
static const struct fault *verify(struct state *state, const struct call *call, str key,
                                  struct identity *identity)
{
    const struct identity fresh = *identity;
    for (int tries = 0; tries < 16; tries++) {
        struct record record = { .key = key };
        const struct fault *why = state->ops->get(state, key, call->arena, &record);
        if (why && why->kind != FAULT_ABSENT)
            return why;
        record.key = key;
        *identity = fresh;
        if (why) {
            record.revision = REVISION_NEW;
        } else {
            const void *found;
            TRY(identity_compile(&record, call->arena, &found));
            *identity = *(const struct identity *)found;
            if (!complete(identity, &fresh))
                return NULL;
        }
        why = put(state, call, identity, &record);
        if (!why || why->kind != FAULT_CONFLICT)
            return why;
    }
    return busy(call->arena);
}

static const struct fault *no_domain(struct arena *arena, str domain)
{
    return fault_coded(arena, FAULT_SYNTAX, "InvalidParameterValue",
                       "Invalid domain name " STR_FMT ".", STR_ARG(domain));
}

static const struct fault *no_address(struct arena *arena, str address)
{
    return fault_coded(arena, FAULT_SYNTAX, "InvalidParameterValue",
                       "Invalid email address<" STR_FMT ">.", STR_ARG(address));
}

static struct identity begun(const struct call *call, bool auto_verify)
{
    return (struct identity) { .status = auto_verify ? IDENTITY_SUCCESS : IDENTITY_PENDING,
                               .created_ms = call->now_ms };
}

static const struct fault *draw_token(struct identity *identity, struct entropy *entropy,
                                      struct arena *arena)
{
    char bytes[TOKEN_BYTES], text[BASE64_LEN(TOKEN_BYTES)];
    entropy->fill(entropy, bytes, sizeof(bytes));
    size_t len = base64_encode_to(text, (str) { bytes, sizeof(bytes) });
    identity->token = arena_str(arena, (str) { text, len });
    return str_is_none(identity->token) ? &fault_no_memory : NULL;
}

static const struct fault *draw_dkim(struct identity *identity, struct entropy *entropy,
                                     struct arena *arena)
{
    char text[DKIM_TOKEN_LEN + 1];
    for (size_t n = 0; n < DKIM_TOKENS; n++) {
        str token = random_upper_token(entropy, text, DKIM_TOKEN_LEN);
        for (size_t i = 0; i < token.len; i++)
            text[i] = ascii_lower(text[i]);
        identity->dkim_tokens[n] = arena_str(arena, token);
        if (str_is_none(identity->dkim_tokens[n]))
            return &fault_no_memory;
    }
    return NULL;
}

const struct fault *identity_verify_domain(struct state *state, const struct call *call,
                                           struct entropy *entropy, str domain, bool auto_verify,
                                           str *ret_token)
{
    struct arena *arena = call->arena;
    str normal = domain_normal(arena, domain);
    struct identity identity = begun(call, auto_verify);
    if (str_is_none(normal))
        return no_domain(arena, domain);
    TRY(draw_token(&identity, entropy, arena));
    str key = identity_key(arena, call->region, normal, call->caller->account);
    if (str_is_none(key))
        return &fault_no_memory;
    TRY(verify(state, call, key, &identity));
    *ret_token = identity.token;
    return NULL;
}

const struct fault *identity_verify_dkim(struct state *state, const struct call *call,
                                         struct entropy *entropy, str domain, bool auto_verify,
                                         str ret_tokens[DKIM_TOKENS])
{
    struct arena *arena = call->arena;
    str normal = domain_normal(arena, domain);
    struct identity identity = begun(call, auto_verify);
    if (str_is_none(normal))
        return no_domain(arena, domain);
    TRY(draw_dkim(&identity, entropy, arena));
    str key = identity_key(arena, call->region, normal, call->caller->account);
    if (str_is_none(key))
        return &fault_no_memory;
    TRY(verify(state, call, key, &identity));
    for (size_t n = 0; n < DKIM_TOKENS; n++)
        ret_tokens[n] = identity.dkim_tokens[n];
    return NULL;
}

const struct fault *identity_verify_address(struct state *state, const struct call *call,
                                            str address, bool auto_verify)
{
    char room[ADDRESS_ROOM];
    size_t len = address_normal_to(room, address);
    struct identity identity = begun(call, auto_verify);
    if (!len)
        return no_address(call->arena, address);
    str key = identity_key(call->arena, call->region, (str) { room, len }, call->caller->account);
    return str_is_none(key) ? &fault_no_memory : verify(state, call, key, &identity);
}

const struct fault *identity_create(struct state *state, const struct call *call,
                                    struct entropy *entropy, str name, const struct header *tags,
                                    size_t tag_count, bool auto_verify,
                                    const struct identity **ret_identity)
{
    struct arena *arena = call->arena;
    str normal = identity_normal(arena, name);
    bool is_address = str_has(name, '@');
    struct identity *identity = ARENA_NEW(arena, struct identity);
    if (!identity)
        return &fault_no_memory;
    if (str_is_none(normal))
        return is_address ? no_address(arena, name) : no_domain(arena, name);
    *identity = begun(call, auto_verify);
    identity->domain = normal;
    identity->region = call->region;
    identity->account = call->caller->account;
    identity->tags = tags;
    identity->tag_count = tag_count;
    if (!is_address)
        TRY(draw_dkim(identity, entropy, arena));
    const struct record record = {
        .key = identity_key(arena, call->region, normal, identity->account),
        .revision = REVISION_NEW,
    };
    if (str_is_none(record.key))
        return &fault_no_memory;
    const struct fault *why = put(state, call, identity, &record);
    if (why && why->kind == FAULT_CONFLICT)
        return fault_coded(arena, FAULT_CONFLICT, "AlreadyExistsException",
                           "Email identity " STR_FMT " already exist.", STR_ARG(name)); /* sic */
    *ret_identity = identity;
    return why;
}

/* A domain's normal form, or an address's; 0: neither. */
static size_t identity_normal_to(char to[ADDRESS_ROOM], str identity)
{
    return str_has(identity, '@') ? address_normal_to(to, identity)
                                  : domain_normal_to(to, identity);
}

str identity_normal(struct arena *arena, str identity)
{
    char room[ADDRESS_ROOM];
    size_t len = identity_normal_to(room, identity);
    return len ? arena_str(arena, (str) { room, len }) : STR_NONE;
}

const struct fault *identity_delete(struct state *state, const struct call *call, str identity)
{
    char room[ADDRESS_ROOM];
    size_t len = identity_normal_to(room, identity);
    str key = identity_key(call->arena, call->region, (str) { room, len }, call->caller->account);
    if (str_is_none(key))
        return &fault_no_memory;
    for (int tries = 0; len && tries < 16; tries++) {
        struct record record;
        const struct fault *why = state->ops->get(state, key, call->arena, &record);
        if (!why)
            why = state->ops->remove(state, key, record.revision, call->arena);
        if (!why || why->kind == FAULT_ABSENT)
            return NULL;
        if (why->kind != FAULT_CONFLICT)
            return why;
    }
    return len ? busy(call->arena) : NULL;
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
    char room[ADDRESS_ROOM];
    size_t len = identity_normal_to(room, domain);
    return len ? find_normal(world, region, (str) { room, len }, account) : NULL;
}

static const struct identity *covering(const struct world *world, str region, str domain,
                                       str account)
{
    char room[DOMAIN_ROOM];
    str rest = { room, domain_normal_to(room, domain) }, label;
    while (rest.len > 0) {
        const struct identity *identity = find_normal(world, region, rest, account);
        if (identity && identity->status == IDENTITY_SUCCESS)
            return identity;
        if (!str_cut(rest, '.', &label, &rest))
            break;
    }
    return NULL;
}

bool identity_covers(const struct world *world, str region, str domain, str account)
{
    return covering(world, region, domain, account);
}

bool identity_is_address(const struct identity *identity)
{
    return str_has(identity->domain, '@');
}

const struct identity *identity_of_address(const struct world *world, str region, str address,
                                           str account)
{
    const struct identity *itself = identity_find(world, region, address, account);
    size_t at = address.len;
    while (at > 0 && address.ptr[at - 1] != '@')
        at--;
    if (at <= 1)
        return NULL;
    if (itself && itself->status == IDENTITY_SUCCESS)
        return itself;
    return covering(world, region, str_from(address, at), account);
}

bool identity_covers_address(const struct world *world, str region, str address, str account)
{
    return identity_of_address(world, region, address, account);
}

bool identity_next_of(const struct world *world, str account, str region, str after, str *ret_key,
                      const struct identity **ret_identity)
{
    char room[IDENTITY_KEY_ROOM];
    str prefix = key_to(room, region, STR(""), STR(""));
    const void *found;
    if (str_is_none(prefix))
        return false;
    prefix.len--; /* the slash behind no domain */
    for (str key = after; world_next(world, prefix, key, &key, &found);) {
        const struct identity *identity = found;
        if (!identity || !str_eq(identity->account, account))
            continue;
        *ret_key = key;
        *ret_identity = identity;
        return true;
    }
    return false;
}
