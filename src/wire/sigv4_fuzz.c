/* A request in lines (method, path, query, then headers): reading never fails in any way but a
 * fault, a signature nobody made never holds, and what we sign holds. */
#include "wire/sigv4.h"

#include <assert.h>

enum { FIELDS = 24 };
static const int64_t now = 1772442942000;

static str line(str *rest)
{
    str one;
    str_cut(*rest, '\n', &one, rest);
    return one.ptr ? one : STR("");
}

/* The HTTP server lets no other names through. */
static bool is_name(str name)
{
    for (size_t i = 0; i < name.len; i++)
        if (!ascii_is_alpha(name.ptr[i]) && !ascii_is_digit(name.ptr[i]) && name.ptr[i] != '-')
            return false;
    return name.len > 0;
}

static void sign_and_take(struct sigv4_request r, struct sigv4_field *fields, str service,
                          struct arena *arena)
{
    static const str ours[] = { STR_INIT("authorization"), STR_INIT("x-amz-date"),
                                STR_INIT("x-amz-content-sha256"),
                                STR_INIT("x-amz-security-token") };
    struct sigv4_keys keys = { 0 };
    struct sigv4_claim claim;
    size_t count = 0;
    for (size_t i = 0; i < r.field_count; i++) {
        bool taken = !is_name(fields[i].name);
        for (size_t k = 0; k < sizeof(ours) / sizeof(ours[0]); k++)
            taken = taken || str_eq_nocase(fields[i].name, ours[k]);
        if (!taken)
            fields[count++] = fields[i];
    }
    fields[count++] = (struct sigv4_field) { STR("Host"), STR("x.test") };
    r.fields = fields;
    r.field_count = count;
    struct sigv4_signer signer = { STR("AKID"),      STR("secret"), STR_NONE,
                                   STR("us-east-1"), service,       now };
    str hash = STR("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    if (sigv4_sign(&r, &signer, hash, &keys, arena, fields + count, &r.field_count))
        return;
    r.field_count += count;
    if (sigv4_read(&r, now, arena, &claim) || claim.form != SIGV4_HEADER)
        return; /* the query signs as well, or an odd header stands in the way */
    assert(!sigv4_check(&r, &claim, STR("secret"), hash, &keys, arena));
    assert(sigv4_check(&r, &claim, STR("other"), hash, &keys, arena));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    AUTO_ARENA *arena = arena_new(8 << 20);
    str rest = { (const char *)bytes, size };
    struct sigv4_field fields[FIELDS + SIGV4_FIELDS + 1];
    struct sigv4_request r = { .fields = fields };
    struct sigv4_claim claim;
    r.method = line(&rest);
    r.raw_path = line(&rest);
    r.raw_query = line(&rest);
    while (rest.len && r.field_count < FIELDS) {
        str one = line(&rest);
        struct sigv4_field *f = &fields[r.field_count++];
        str_cut(one, ':', &f->name, &f->value);
        f->name = f->name.ptr ? f->name : STR("");
    }
    if (!sigv4_read(&r, now, arena, &claim) && claim.form != SIGV4_ANONYMOUS) {
        assert(claim.access_key_id.len && claim.day.len == 8 && claim.signature.len == 64);
        assert(sigv4_check(&r, &claim, STR("a secret that no input knows"), STR(""), NULL, arena));
    }
    sign_and_take(r, fields, size % 2 ? STR("s3") : STR("ses"), arena);
    return 0;
}
