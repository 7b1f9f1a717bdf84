/* receive/actions/unbuilt.c - what the kinds say that this version stores but cannot run. */
#include "receive/actions.h"

static const char *const sentences[] = {
    [ACTION_S3] =
        "encrypting with a KMS key (KmsKeyArn of the S3 action) is not built in this version",
    [ACTION_SNS] = "SNS actions are not built in this version",
    [ACTION_LAMBDA] = "Lambda actions are not built in this version",
    [ACTION_BOUNCE] = NULL,     /* always runs */
    [ACTION_WORKMAIL] = NULL,   /* always runs */
    [ACTION_CONNECT] = "Connect actions are not built in this version",
    [ACTION_STOP] = NULL,       /* always runs */
    [ACTION_ADD_HEADER] = NULL, /* always runs */
};

bool action_is_built(const struct ports *ports, const struct step *step)
{
    if (step->part == STEP_NOTICE)
        return ports->sns != NULL;
    switch (step->action->kind) {
    case ACTION_S3:
        /* Never a plaintext object where an encrypted one was asked for. */
        return !step->action->s3.kms_key_arn.len || ports->kms;
    case ACTION_SNS:
        return ports->sns != NULL;
    case ACTION_LAMBDA:
        return ports->lambda != NULL;
    case ACTION_BOUNCE:
    case ACTION_ADD_HEADER:
    case ACTION_STOP:
    case ACTION_WORKMAIL:
        return true;
    case ACTION_CONNECT:
        break;
    }
    return false;
}

const struct fault *action_unbuilt(const struct step *step, struct arena *a)
{
    if (step->part == STEP_NOTICE)
        return fault(a, FAULT_UNBUILT, NULL,
                     "the notice to " STR_FMT
                     " was not sent: SNS notices (TopicArn) are not built in this version",
                     STR_ARG(step->action->topic_arn));
    return fault(a, FAULT_UNBUILT, NULL, "%s", sentences[step->action->kind]);
}
