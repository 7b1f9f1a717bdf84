#include "services/iam/principals.h"

#include "services/iam/role.h"
#include "services/iam/user.h"

static bool exists(const void *self, const struct arn *principal)
{
    const struct world *world = self;
    str kind, name, session;
    str_cut(principal->resource, '/', &kind, &name);
    if (str_eq(kind, STR("role")))
        return role_find_arn(world, principal->text);
    if (str_eq(kind, STR("user")))
        return user_find_arn(world, principal->text);
    if (!str_eq(kind, STR("assumed-role")))
        return false;
    str_cut(name, '/', &name, &session);
    return role_find(world, principal->account, name);
}

struct principal_register principals_of(const struct world *world)
{
    return (struct principal_register) { exists, world };
}
