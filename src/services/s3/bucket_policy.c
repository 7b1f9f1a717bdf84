/* Saving a bucket policy: who of those it names exists is for iam/principals.h to say, the rest for
 * policy/validate.h. */
#include "policy/validate.h"
#include "services/iam/principals.h"
#include "services/s3/bucket.h"

const struct fault *bucket_policy_check(str bucket, str text, const struct world *world,
                                        struct arena *arena)
{
    const struct principal_register principals = principals_of(world);
    const struct policy_home home = {
        .type = POLICY_BUCKET,
        .target = bucket_arn(arena, bucket),
        .principals = world ? &principals : NULL,
    };
    return str_is_none(home.target) ? &fault_no_memory : policy_validate(text, &home, arena, NULL);
}
