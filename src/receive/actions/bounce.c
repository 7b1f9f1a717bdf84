/* receive/actions/bounce.c - the Bounce action: ses-receiving spec 9.6, 13.2 row 10. */
#include "receive/actions.h"
#include "services/ses/identities.h"

const struct fault *bounce_action_may(const struct acting *as, const struct action *action)
{
    str sender = action->bounce.sender;
    if (!identity_covers_address(as->world, as->region, sender, as->account))
        return fault(as->arena, FAULT_DENIED, NULL, "identity is not verified: " STR_FMT,
                     STR_ARG(sender));
    return NULL;
}
