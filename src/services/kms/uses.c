/* services/kms/uses.c - data keys, encryption and decryption, for the API and for the ports.
 *
 * Each: find the key, ask, see that it is enabled, then compute. */
#include "services/kms/embedded.h"

#include "base/digest.h"

static const str algorithm = STR_INIT("SYMMETRIC_DEFAULT");

static const struct fault *check_context(const struct call *call,
                                         const struct encryption_context *context)
{
    size_t size = 0;
    for (size_t i = 0; i < context->count; i++)
        size += context->pairs[i].name.len + context->pairs[i].value.len;
    if (size <= ENCRYPTION_CONTEXT_MAX && context->count <= ENCRYPTION_CONTEXT_PAIRS)
        return NULL;
    return fault_coded(call->arena, FAULT_SYNTAX, "ValidationException",
                       "The encryption context is larger than %d bytes or has more than %d pairs",
                       ENCRYPTION_CONTEXT_MAX, ENCRYPTION_CONTEXT_PAIRS);
}

/* May the caller use the key so, and can it be used? */
static const struct fault *admit(const struct call *call, const struct kms_found *found,
                                 const struct kms_use *use, str action, bool names_algorithm,
                                 const str *same_key)
{
    struct context_key more[2];
    size_t count = 0;
    if (names_algorithm)
        more[count++] = kms_context("kms:EncryptionAlgorithm", &algorithm);
    if (same_key)
        more[count++] = kms_context("kms:ReEncryptOnSameKey", same_key);
    TRY(kms_ask(
        call, found,
        &(struct kms_question) {
            .action = action, .context = &use->context, .more = more, .more_count = count }));
    TRY(kms_usable(call, found->key));
    return use->dry_run ? kms_dry_run(call) : NULL;
}

static const struct fault *find_for_use(struct kms_service *kms, const struct call *call,
                                        const struct kms_use *use, enum kms_by by, str action,
                                        struct kms_found *ret_found)
{
    TRY(check_context(call, &use->context));
    return kms_find(kms, call, use->key_id, by, action, ret_found);
}

/* ---- data keys and texts ---- */

const struct fault *kms_generate(struct kms_service *kms, const struct call *call,
                                 const struct kms_use *use, str action, unsigned char *plaintext,
                                 size_t size, str *ret_blob, str *ret_key_arn)
{
    struct kms_found found;
    TRY(find_for_use(kms, call, use, BY_KEY_ALIAS, action, &found));
    TRY(admit(call, &found, use, action, false, NULL));
    TRY(rotation_catch_up(kms, call, &found.key));
    kms->outside->entropy->fill(kms->outside->entropy, plaintext, size);
    const struct fault *why =
        keyring_seal(kms->ring, found.key, &use->context, (str) { (const char *)plaintext, size },
                     call->arena, ret_blob);
    if (why)
        bytes_forget(plaintext, size);
    *ret_key_arn = found.key->arn.text;
    return why;
}

const struct fault *kms_encrypt(struct kms_service *kms, const struct call *call,
                                const struct kms_use *use, str plaintext, str *ret_blob,
                                str *ret_key_arn)
{
    struct kms_found found;
    TRY(find_for_use(kms, call, use, BY_KEY_ALIAS, STR("kms:Encrypt"), &found));
    TRY(admit(call, &found, use, STR("kms:Encrypt"), true, NULL));
    TRY(rotation_catch_up(kms, call, &found.key));
    *ret_key_arn = found.key->arn.text;
    return keyring_seal(kms->ring, found.key, &use->context, plaintext, call->arena, ret_blob);
}

static const struct fault *invalid_ciphertext(const struct call *call)
{
    struct fault *why = ARENA_NEW(call->arena, struct fault);
    if (!why)
        return &fault_no_memory;
    *why = (struct fault) {
        .kind = FAULT_SYNTAX,
        .says = STR(""), /* AWS says nothing; the journal and a person are told */
        .code = "InvalidCiphertextException",
        .because = fault(call->arena, FAULT_SYNTAX, NULL,
                         "the ciphertext, its key or its encryption context is not the one it was "
                         "made with"),
    };
    return why;
}

/* The key that a ciphertext names, which must be the one the caller names. */
static const struct fault *find_of_blob(struct kms_service *kms, const struct call *call,
                                        const struct kms_use *use, str blob, enum kms_by by,
                                        str action, struct ciphertext *ret_ciphertext,
                                        struct kms_found *ret_found)
{
    TRY(check_context(call, &use->context));
    if (!ciphertext_read(blob, ret_ciphertext))
        return invalid_ciphertext(call);
    const struct ciphertext *c = ret_ciphertext;
    if (!str_is_none(use->key_id)) {
        TRY(kms_find(kms, call, use->key_id, by, action, ret_found));
        const struct kms_key *key = ret_found->key;
        if (!str_eq(key->id, c->key_id) || !str_eq(key->account, c->account) ||
            !str_eq(key->region, c->region))
            return fault_coded(call->arena, FAULT_SYNTAX, "IncorrectKeyException",
                               "The key ID in the request does not identify a CMK that can perform "
                               "this operation.");
        return NULL;
    }
    const str arn =
        arena_strf(call->arena, "arn:" STR_FMT ":kms:" STR_FMT ":" STR_FMT ":key/" STR_FMT,
                   STR_ARG(region_partition(c->region)), STR_ARG(c->region), STR_ARG(c->account),
                   STR_ARG(c->key_id));
    if (str_is_none(arn))
        return &fault_no_memory;
    const struct fault *why = kms_find(kms, call, arn, BY_KEY, action, ret_found);
    if (why && why->kind == FAULT_ABSENT)
        return fault_coded(call->arena, FAULT_DENIED, "AccessDeniedException",
                           "The ciphertext refers to a customer master key that does not exist, "
                           "does not exist in this region, or you are not allowed to access.");
    return why;
}

static const struct fault *open_blob(struct kms_service *kms, const struct call *call,
                                     const struct kms_key *key, const struct ciphertext *c,
                                     const struct encryption_context *context, str *ret_plaintext)
{
    bool opened;
    const size_t size = c->sealed.len - CIPHERTEXT_TAG;
    unsigned char *plaintext = ARENA_ARRAY(call->arena, unsigned char, size + 1);
    if (!plaintext)
        return &fault_no_memory;
    arena_wipes(call->arena);
    TRY(keyring_open(kms->ring, key, c, context, call->arena, plaintext, &opened));
    if (!opened)
        return invalid_ciphertext(call);
    *ret_plaintext = (str) { (const char *)plaintext, size };
    return NULL;
}

const struct fault *kms_decrypt(struct kms_service *kms, const struct call *call,
                                const struct kms_use *use, str blob, str *ret_plaintext,
                                str *ret_key_arn)
{
    struct ciphertext c;
    struct kms_found found;
    TRY(find_of_blob(kms, call, use, blob, BY_KEY_ALIAS, STR("kms:Decrypt"), &c, &found));
    TRY(admit(call, &found, use, STR("kms:Decrypt"), true, NULL));
    *ret_key_arn = found.key->arn.text;
    return open_blob(kms, call, found.key, &c, &use->context, ret_plaintext);
}

const struct fault *kms_re_encrypt(struct kms_service *kms, const struct call *call,
                                   const struct kms_re_encrypt *re, str *ret_blob,
                                   str *ret_from_arn, str *ret_to_arn)
{
    struct ciphertext c;
    struct kms_found from, to;
    str plaintext;
    TRY(find_of_blob(kms, call, &re->from, re->blob, BY_KEY_ALIAS, STR("kms:ReEncryptFrom"), &c,
                     &from));
    TRY(find_for_use(kms, call, &re->to, BY_KEY_ALIAS, STR("kms:ReEncryptTo"), &to));
    const str same = str_eq(from.key->arn.text, to.key->arn.text) ? STR("true") : STR("false");
    struct kms_use first = re->from;
    first.dry_run = false; /* the second answers for both */
    TRY(admit(call, &from, &first, STR("kms:ReEncryptFrom"), true, &same));
    TRY(admit(call, &to, &re->to, STR("kms:ReEncryptTo"), true, &same));
    TRY(open_blob(kms, call, from.key, &c, &re->from.context, &plaintext));
    TRY(rotation_catch_up(kms, call, &to.key));
    *ret_from_arn = from.key->arn.text;
    *ret_to_arn = to.key->arn.text;
    return keyring_seal(kms->ring, to.key, &re->to.context, plaintext, call->arena, ret_blob);
}

const struct fault *kms_random(struct kms_service *kms, const struct call *call, unsigned char *to,
                               size_t size)
{
    TRY(kms_ask_account(call, STR("kms:GenerateRandom"), STR("*"), NULL, 0));
    kms->outside->entropy->fill(kms->outside->entropy, to, size);
    return NULL;
}

/* ---- the ports ---- */

static struct kms_service *service_of(struct kms_port *port)
{
    return (struct kms_service *)((char *)port - offsetof(struct kms_service, port));
}

static struct kms_service *rehearsing(struct kms_port *port)
{
    return ((struct kms_rehearsal *)port)->service;
}

const struct fault *kms_port_generate(struct kms_port *port, const struct call *call, str key_id,
                                      const struct encryption_context *context,
                                      struct data_key *ret_key)
{
    const struct kms_use use = { .key_id = key_id, .context = *context };
    return kms_generate(service_of(port), call, &use, STR("kms:GenerateDataKey"),
                        ret_key->plaintext, DATA_KEY_SIZE, &ret_key->ciphertext, &ret_key->key_arn);
}

const struct fault *kms_port_decrypt(struct kms_port *port, const struct call *call, str key_id,
                                     str blob, const struct encryption_context *context,
                                     str *ret_plaintext)
{
    const struct kms_use use = { .key_id = key_id, .context = *context };
    str arn;
    return kms_decrypt(service_of(port), call, &use, blob, ret_plaintext, &arn);
}

/* A data key of zeros under a real ciphertext's head: nothing is computed with it. */
const struct fault *kms_rehearse_generate(struct kms_port *port, const struct call *call,
                                          str key_id, const struct encryption_context *context,
                                          struct data_key *ret_key)
{
    static const char zeros[CIPHERTEXT_SALT + CIPHERTEXT_TAG + DATA_KEY_SIZE];
    const struct kms_use use = { .key_id = key_id, .context = *context };
    const str action = STR("kms:GenerateDataKey");
    struct kms_found found;
    TRY(find_for_use(rehearsing(port), call, &use, BY_REHEARSAL, action, &found));
    TRY(admit(call, &found, &use, action, false, NULL));
    const struct ciphertext c = { .account = found.key->account,
                                  .region = found.key->region,
                                  .key_id = found.key->id,
                                  .version = 1,
                                  .salt = { zeros, CIPHERTEXT_SALT },
                                  .nonce = { zeros, CIPHERTEXT_NONCE } };
    AUTO_BUF blob = buf_new(CIPHERTEXT_MAX);
    ciphertext_write_head(&c, &blob);
    buf_add(&blob, (str) { zeros, DATA_KEY_SIZE + CIPHERTEXT_TAG });
    *ret_key = (struct data_key) { .ciphertext = arena_str(call->arena, buf_str(&blob)),
                                   .key_arn = found.key->arn.text };
    return blob.failed || str_is_none(ret_key->ciphertext) ? &fault_no_memory : NULL;
}

const struct fault *kms_rehearse_decrypt(struct kms_port *port, const struct call *call, str key_id,
                                         str blob, const struct encryption_context *context,
                                         str *ret_plaintext)
{
    static const char zeros[CIPHERTEXT_MAX];
    const struct kms_use use = { .key_id = key_id, .context = *context };
    struct ciphertext c;
    struct kms_found found;
    TRY(find_of_blob(rehearsing(port), call, &use, blob, BY_REHEARSAL, STR("kms:Decrypt"), &c,
                     &found));
    TRY(admit(call, &found, &use, STR("kms:Decrypt"), true, NULL));
    *ret_plaintext = (str) { zeros, c.sealed.len - CIPHERTEXT_TAG };
    return NULL;
}
