/* receive/actions/unbuilt.c - what the kinds say that this version stores but cannot run. */
#include "receive/actions.h"

static const char *const sentences[] = {
    [ACTION_S3] =
        "encrypting with a KMS key (KmsKeyArn of the S3 action) is not built in this version",
    [ACTION_SNS] = "SNS actions are not built in this version",
    [ACTION_LAMBDA] = "Lambda actions are not built in this version",
    [ACTION_BOUNCE] = "Bounce actions are not built in this version",
    [ACTION_WORKMAIL] = "WorkMail actions are not built in this version",
    [ACTION_CONNECT] = "Connect actions are not built in this version",
    [ACTION_STOP] = NULL,       /* always runs */
    [ACTION_ADD_HEADER] = NULL, /* always runs */
};

const struct fault *action_unbuilt(const struct step *step, struct arena *a)
{
    if (step->part == STEP_NOTICE)
        return fault(a, FAULT_UNBUILT, NULL,
                     "the notice to " STR_FMT
                     " was not sent: SNS notices (TopicArn) are not built in this version",
                     STR_ARG(step->action->topic_arn));
    return fault(a, FAULT_UNBUILT, NULL, "%s", sentences[step->action->kind]);
}
