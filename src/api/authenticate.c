#include "api/authenticate.h"

#include "base/hex.h"
#include "services/iam/role.h"
#include "services/iam/user.h"
#include "services/sts/sts.h"

static const struct fault *refuse_token(const struct sigv4_claim *claim, struct arena *arena)
{
    if (str_eq(claim->service, STR("s3")))
        return fault_coded(arena, FAULT_DENIED, "InvalidToken",
                           "The provided token is malformed or otherwise invalid.");
    return fault_coded(arena, FAULT_DENIED, "InvalidClientTokenId",
                       "The security token included in the request is invalid.");
}

static const struct fault *refuse_expired(const struct sigv4_claim *claim, struct arena *arena)
{
    return str_eq(claim->service, STR("s3"))
               ? fault_coded(arena, FAULT_DENIED, "ExpiredToken", "The provided token has expired.")
               : fault_coded(arena, FAULT_DENIED, "ExpiredToken",
                             "The security token included in the request is expired");
}

static const struct fault *refuse_region(const struct sigv4_claim *claim, struct arena *arena)
{
    return fault_coded(arena, FAULT_DENIED, "SignatureDoesNotMatch",
                       "Credential should be scoped to a valid region, not '" STR_FMT "'.",
                       STR_ARG(claim->region));
}

/* A session ends with its role or user, and one made again under that name is another. */
static bool still_there(const struct world *world, const struct caller *caller)
{
    bool role = caller->kind == CALLER_ASSUMED_ROLE;
    str arn = role ? caller->assumed_role.role.text : caller->user.arn.text;
    const struct holder *holder = holder_find_arn(world, role ? &role_kind : &user_kind, arn);

    return holder && str_eq(holder->id, caller->session->principal_id);
}

/* Root users have no sessions: a token beside one of their keys belongs to another key. */
static const struct fault *find_root(const struct api *api, struct identity *who,
                                     struct arena *arena)
{
    const struct sigv4_claim *claim = &who->claim;
    bool default_account = str_eq(claim->access_key_id, api->root_key_id);

    if (!str_is_none(claim->security_token))
        return refuse_token(claim, arena);
    who->secret = api->root_secret;
    who->root = true;
    who->caller = caller_root(default_account ? api->root_account : claim->access_key_id);
    return NULL;
}

/* A key that is inactive is as unknown as one that was deleted. */
static const struct fault *find_user(const struct api *api, const struct world *world,
                                     struct identity *who, struct arena *arena)
{
    const struct sigv4_claim *claim = &who->claim;
    const struct user *user;
    const struct access_key *key = access_key_find(world, claim->access_key_id, &user);

    if (!key || !key->active)
        return sigv4_unknown_key(claim, arena);
    if (!str_is_none(claim->security_token))
        return refuse_token(claim, arena);
    who->secret = vault_unseal(api->vault, key->id, key->sealed, arena);
    if (str_is_none(who->secret)) /* sealed under another root key */
        return fault(arena, FAULT_DEFECT, NULL, "the access key " STR_FMT " cannot be unsealed",
                     STR_ARG(key->id));
    who->caller = (struct caller) { .kind = CALLER_USER,
                                    .account = arena_str(arena, user->holder.account),
                                    .user_id = arena_str(arena, user->holder.id) };
    return str_is_none(who->caller.user_id) ||
                   !arn_parse(arena_str(arena, user->holder.arn.text), &who->caller.user.arn)
               ? &fault_no_memory
               : NULL;
}

static const struct fault *find_session(const struct api *api, const struct world *world,
                                        int64_t now_ms, struct identity *who, struct arena *arena)
{
    const struct sigv4_claim *claim = &who->claim;

    if (str_is_none(claim->security_token))
        return sigv4_unknown_key(claim, arena);
    switch (sts_token_read(api->sts, claim->access_key_id, claim->security_token, now_ms, arena,
                           &who->caller, &who->secret)) {
    case TOKEN_GOOD:
        /* API GetSessionToken: without multi-factor authentication it opens no operation of IAM. */
        if (still_there(world, &who->caller) &&
            (who->caller.kind != CALLER_USER || !str_eq(claim->service, STR("iam"))))
            return NULL;
        break;
    case TOKEN_EXPIRED:
        return refuse_expired(claim, arena);
    case TOKEN_DAMAGED:
        break;
    }
    return refuse_token(claim, arena);
}

/* Access key ids say by their first letters what they are: IAM User Guide, "Understanding unique ID
 * prefixes". */
static const struct fault *find_key(const struct api *api, int64_t now_ms, struct identity *who,
                                    struct arena *arena)
{
    const struct sigv4_claim *claim = &who->claim;
    const struct fault *why;

    if (str_eq(claim->access_key_id, api->root_key_id) || account_id_ok(claim->access_key_id))
        return find_root(api, who, arena);
    const struct world *world = worlds_now(api->worlds);
    why = str_starts(claim->access_key_id, STR("ASIA"))
              ? find_session(api, world, now_ms, who, arena)
              : find_user(api, world, who, arena);
    world_unref(world);
    return why;
}

const struct fault *authenticate(const struct api *api, const struct sigv4_request *request,
                                 int64_t now_ms, struct sigv4_keys *keys, struct arena *arena,
                                 struct identity *ret_identity)
{
    struct identity *who = ret_identity;
    struct sigv4_claim *claim = &who->claim;

    *who = (struct identity) { .caller = { .kind = CALLER_ANONYMOUS } };
    TRY(sigv4_read(request, now_ms, arena, claim));
    if (claim->form == SIGV4_ANONYMOUS)
        return NULL;
    TRY(find_key(api, now_ms, who, arena));
    if (!region_name_ok(claim->region))
        return refuse_region(claim, arena);
    if (claim->payload != SIGV4_PAYLOAD_BODY)
        TRY(sigv4_check(request, claim, who->secret, STR_NONE, keys, arena));
    return NULL;
}

/* ---- the body ---- */

static void free_digest(void *digest)
{
    digest_free(digest);
}

static const struct fault *begin_chunked(struct intake *in)
{
    str decoded = sigv4_field(in->request, STR("x-amz-decoded-content-length"));

    in->body_size = UINT64_MAX;
    if (!str_is_none(decoded) && (!str_u64(decoded, &in->body_size) || in->body_size == UINT64_MAX))
        return fault_coded(in->arena, FAULT_SYNTAX, "InvalidArgument",
                           "x-amz-decoded-content-length is not a number");
    if (str_is_none(decoded))
        return fault_coded(in->arena, FAULT_SYNTAX, "MissingContentLength",
                           "You must provide the Content-Length HTTP header.");
    in->chunked =
        aws_chunked_new(&in->who->claim, in->who->secret, in->keys, in->body_size, in->arena);
    return in->chunked ? NULL : &fault_no_memory;
}

static const struct fault *begin_hashed(struct intake *in)
{
    in->digest = digest_new(DIGEST_SHA256);
    if (!in->digest || !arena_on_reset(in->arena, free_digest, in->digest)) {
        digest_free(in->digest);
        return &fault_no_memory;
    }
    return NULL;
}

const struct fault *intake_begin(const struct identity *who, const struct sigv4_request *request,
                                 struct sigv4_keys *keys, uint64_t wire_size, struct arena *arena,
                                 struct intake *ret_intake)
{
    struct intake *in = ret_intake;

    *in = (struct intake) {
        .who = who, .request = request, .keys = keys, .arena = arena, .body_size = wire_size
    };
    switch (who->claim.payload) {
    case SIGV4_PAYLOAD_CHUNKS:
    case SIGV4_PAYLOAD_CHUNKS_TRAILER:
    case SIGV4_PAYLOAD_UNSIGNED_TRAILER:
        return begin_chunked(in);
    case SIGV4_PAYLOAD_HASH:
        return begin_hashed(in);
    case SIGV4_PAYLOAD_BODY:
        return who->claim.form == SIGV4_ANONYMOUS ? NULL : begin_hashed(in);
    case SIGV4_PAYLOAD_UNSIGNED:
        break;
    }
    return NULL;
}

static const struct fault *feed_chunked(struct intake *in, str bytes, intake_sink_fn *sink,
                                        void *context)
{
    struct cursor rest = cursor_of(bytes);
    str piece;

    while (cursor_left(&rest) > 0) {
        TRY(aws_chunked_feed(in->chunked, &rest, in->arena, &piece));
        in->taken += piece.len;
        if (piece.len > 0)
            TRY(sink(context, piece));
    }
    return NULL;
}

const struct fault *intake_feed(struct intake *in, str bytes, intake_sink_fn *sink, void *context)
{
    if (in->chunked)
        return feed_chunked(in, bytes, sink, context);
    if (in->digest)
        digest_add(in->digest, bytes);
    in->taken += bytes.len;
    return bytes.len > 0 ? sink(context, bytes) : NULL;
}

const struct fault *intake_end(struct intake *in)
{
    unsigned char hash[SHA256_SIZE];
    char hex[2 * SHA256_SIZE];

    if (in->chunked && !aws_chunked_ended(in->chunked))
        return fault_coded(
            in->arena, FAULT_SYNTAX, "IncompleteBody",
            "You did not provide the number of bytes specified by the Content-Length HTTP header");
    if (!in->digest)
        return NULL;
    digest_end(in->digest, hash);
    hex_encode(hex, hash, sizeof hash);
    str body_hash = { hex, sizeof hex };
    if (in->who->claim.payload == SIGV4_PAYLOAD_BODY)
        return sigv4_check(in->request, &in->who->claim, in->who->secret, body_hash, in->keys,
                           in->arena);
    return str_eq_nocase(body_hash, in->who->claim.payload_hash) ? NULL
                                                                 : sigv4_wrong_body(in->arena);
}

const struct fault *intake_trailers(const struct intake *in, const struct header **ret_trailers,
                                    size_t *ret_count)
{
    const struct sigv4_field *fields = NULL;
    size_t count = in->chunked ? aws_chunked_trailers(in->chunked, &fields) : 0;
    struct header *trailers = ARENA_ARRAY(in->arena, struct header, count + 1);

    if (!trailers)
        return &fault_no_memory;
    for (size_t i = 0; i < count; i++)
        trailers[i] = (struct header) { fields[i].name, fields[i].value };
    *ret_trailers = trailers;
    *ret_count = count;
    return NULL;
}
