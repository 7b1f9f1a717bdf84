/* Saving a bucket policy: who of those it names exists is known here, the rest to
 * policy/validate.h. */
#include "policy/validate.h"
#include "services/iam/role.h"
#include "services/s3/bucket.h"

/* Users do not exist here yet, so an ARN of one names nobody; sessions go by their role. */
static bool exists(const void *self, const struct arn *principal)
{
    const struct world *world = self;
    str kind, name, session;
    str_cut(principal->resource, '/', &kind, &name);
    if (str_eq(kind, STR("role")))
        return role_find_arn(world, principal->text);
    if (!str_eq(kind, STR("assumed-role")))
        return false;
    str_cut(name, '/', &name, &session);
    return role_find(world, principal->account, name);
}

const struct fault *bucket_policy_check(str bucket, str text, const struct world *world,
                                        struct arena *arena)
{
    const struct principal_register principals = { exists, world };
    const struct policy_home home = {
        .type = POLICY_BUCKET,
        .target = bucket_arn(arena, bucket),
        .principals = world ? &principals : NULL,
    };
    return str_is_none(home.target) ? &fault_no_memory : policy_validate(text, &home, arena, NULL);
}
