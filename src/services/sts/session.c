/* services/sts/session.c - the token of temporary credentials.
 *
 *     token  = base64(version nonce sealed)        version: one octet, 1
 *     sealed = AES-256-GCM(fields), the version and the access key id authenticated with it
 *     field  = name length bytes                   name: one octet; length: two, high one first
 *
 * Fields stand in the order of the table of names, each at most once, but for policy ARNs and
 * tags; a tag's value follows its key. What a later version adds gets a new version octet. */
#include "services/sts/session.h"

#include "base/base64.h"

enum {
    VERSION = 1,
    FIELDS_MAX = SESSION_TOKEN_MAX, /* of session_write's buffer */
    KEY_ID_MAX = 128,
    HEAD = 1 + CIPHER_NONCE_SIZE,
};

enum field {
    FIELD_KIND = 'k',
    FIELD_ISSUED = 'i',
    FIELD_EXPIRES = 'e',
    FIELD_ARN = 'a',
    FIELD_ID = 'd',
    FIELD_NAME = 'n',
    FIELD_IDENTITY = 's',
    FIELD_POLICY = 'p',
    FIELD_POLICY_ARN = 'r',
    FIELD_TAG = 't',            /* its key */
    FIELD_TRANSITIVE_TAG = 'T', /* likewise */
    FIELD_VALUE = 'v',
};

/* ---- fields ---- */

static void put(struct buf *out, enum field name, str value)
{
    if (str_is_none(value))
        return;
    if (value.len > UINT16_MAX) {
        out->failed = true;
        return;
    }
    buf_addc(out, (char)name);
    buf_addc(out, (char)(value.len >> 8));
    buf_addc(out, (char)(value.len & 0xff));
    buf_add(out, value);
}

static void put_moment(struct buf *out, enum field name, int64_t ms)
{
    char octets[8];
    for (int i = 0; i < 8; i++)
        octets[i] = (char)((uint64_t)ms >> (56 - 8 * i));
    put(out, name, (str) { octets, sizeof octets });
}

void session_write(const struct session *session, struct buf *out)
{
    char kind = (char)session->kind;
    put(out, FIELD_KIND, (str) { &kind, 1 });
    put_moment(out, FIELD_ISSUED, session->issued_ms);
    put_moment(out, FIELD_EXPIRES, session->expires_ms);
    put(out, FIELD_ARN, session->principal_arn);
    put(out, FIELD_ID, session->principal_id);
    put(out, FIELD_NAME, session->name);
    put(out, FIELD_IDENTITY, session->source_identity);
    put(out, FIELD_POLICY, session->policy);
    for (size_t i = 0; i < session->policy_arn_count; i++)
        put(out, FIELD_POLICY_ARN, session->policy_arns[i]);
    for (size_t i = 0; i < session->tag_count; i++) {
        const struct session_tag *tag = &session->tags[i];
        put(out, tag->transitive ? FIELD_TRANSITIVE_TAG : FIELD_TAG, tag->key);
        put(out, FIELD_VALUE, tag->value);
    }
}

static bool take(struct cursor *in, char name, str *ret_value)
{
    if (cursor_left(in) < 3 || *in->at != name)
        return false;
    size_t len = (size_t)((unsigned char)in->at[1] << 8 | (unsigned char)in->at[2]);
    if (cursor_left(in) - 3 < len)
        return false;
    *ret_value = (str) { in->at + 3, len };
    in->at += 3 + len;
    return true;
}

static bool take_moment(struct cursor *in, enum field name, int64_t *ret_ms)
{
    str octets;
    uint64_t ms = 0;
    if (!take(in, (char)name, &octets) || octets.len != 8)
        return false;
    for (int i = 0; i < 8; i++)
        ms = ms << 8 | (unsigned char)octets.ptr[i];
    *ret_ms = (int64_t)ms;
    return true;
}

static bool take_kind(struct cursor *in, enum session_kind *ret_kind)
{
    str kind;
    if (!take(in, FIELD_KIND, &kind) || kind.len != 1 ||
        (kind.ptr[0] != SESSION_ROLE && kind.ptr[0] != SESSION_USER))
        return false;
    *ret_kind = (enum session_kind)kind.ptr[0];
    return true;
}

static bool take_policy(struct cursor *in, struct arena *arena, struct session *to)
{
    if (!take(in, FIELD_POLICY, &to->policy))
        return true;
    struct document *document = ARENA_NEW(arena, struct document);
    to->document = document;
    return document && !policy_parse(to->policy, arena, document);
}

static bool take_policy_arns(struct cursor *in, struct arena *arena, struct session *to)
{
    str *arns = ARENA_ARRAY(arena, str, SESSION_POLICY_ARNS_MOST);
    str arn;
    to->policy_arns = arns;
    while (arns && take(in, FIELD_POLICY_ARN, &arn)) {
        if (to->policy_arn_count == SESSION_POLICY_ARNS_MOST)
            return false;
        arns[to->policy_arn_count++] = arn;
    }
    return arns;
}

static bool take_tags(struct cursor *in, struct arena *arena, struct session *to)
{
    struct session_tag *tags = ARENA_ARRAY(arena, struct session_tag, SESSION_TAGS_MOST);
    to->tags = tags;
    while (tags && cursor_left(in) > 0) {
        struct session_tag tag = { .transitive = *in->at == FIELD_TRANSITIVE_TAG };
        if (to->tag_count == SESSION_TAGS_MOST ||
            !take(in, tag.transitive ? FIELD_TRANSITIVE_TAG : FIELD_TAG, &tag.key) ||
            !take(in, FIELD_VALUE, &tag.value))
            return false;
        tags[to->tag_count++] = tag;
    }
    return tags;
}

bool session_read(str fields, struct arena *arena, struct session *ret_session)
{
    struct cursor in = cursor_of(fields);
    struct session session = { .name = STR_NONE };
    if (!take_kind(&in, &session.kind) || !take_moment(&in, FIELD_ISSUED, &session.issued_ms) ||
        !take_moment(&in, FIELD_EXPIRES, &session.expires_ms) ||
        !take(&in, FIELD_ARN, &session.principal_arn) ||
        !take(&in, FIELD_ID, &session.principal_id))
        return false;
    bool named = take(&in, FIELD_NAME, &session.name);
    take(&in, FIELD_IDENTITY, &session.source_identity);
    if (named != (session.kind == SESSION_ROLE) || !take_policy(&in, arena, &session) ||
        !take_policy_arns(&in, arena, &session) || !take_tags(&in, arena, &session))
        return false;
    *ret_session = session;
    return true;
}

/* ---- tokens ---- */

/* What is authenticated beside the fields; KEY_ID_MAX + 1 octets of room. */
static bool bind(char *room, str access_key_id, str *ret_aad)
{
    if (access_key_id.len == 0 || access_key_id.len > KEY_ID_MAX)
        return false;
    room[0] = VERSION;
    memcpy(room + 1, access_key_id.ptr, access_key_id.len);
    *ret_aad = (str) { room, access_key_id.len + 1 };
    return true;
}

str session_seal(const struct session *session, const unsigned char key[CIPHER_KEY_SIZE],
                 str access_key_id, struct entropy *entropy, struct arena *arena)
{
    AUTO_BUF fields = buf_new(FIELDS_MAX), token = buf_new(SESSION_TOKEN_MAX);
    char room[KEY_ID_MAX + 1];
    str aad;
    session_write(session, &fields);
    size_t size = HEAD + fields.len + CIPHER_TAG_SIZE;
    unsigned char *octets = ARENA_ARRAY(arena, unsigned char, size);
    if (fields.failed || !octets || !bind(room, access_key_id, &aad))
        return STR_NONE;
    octets[0] = VERSION;
    entropy->fill(entropy, octets + 1, CIPHER_NONCE_SIZE);
    cipher_seal(key, octets + 1, aad, buf_str(&fields), octets + HEAD);
    base64_encode(&token, (str) { (const char *)octets, size });
    return token.failed ? STR_NONE : arena_str(arena, buf_str(&token));
}

bool session_open(str token, const unsigned char key[CIPHER_KEY_SIZE], str access_key_id,
                  struct arena *arena, struct session *ret_session)
{
    char room[KEY_ID_MAX + 1];
    str aad;
    size_t len;
    if (token.len == 0 || token.len > SESSION_TOKEN_MAX || !bind(room, access_key_id, &aad))
        return false;
    char *octets = ARENA_ARRAY(arena, char, token.len);
    if (!octets || !base64_decode_to(octets, token, &len) || len < HEAD + CIPHER_TAG_SIZE ||
        octets[0] != VERSION)
        return false;
    str sealed = { octets + HEAD, len - HEAD };
    unsigned char *fields = ARENA_ARRAY(arena, unsigned char, sealed.len);
    if (!fields || !cipher_open(key, (const unsigned char *)octets + 1, aad, sealed, fields))
        return false;
    return session_read((str) { (const char *)fields, sealed.len - CIPHER_TAG_SIZE }, arena,
                        ret_session);
}
