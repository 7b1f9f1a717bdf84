/* receive/actions/missing.c - what an action says whose service is not among the ports. */
#include "receive/actions.h"

static const char *const services[] = {
    [ACTION_S3] = "KMS, by which the S3 action would encrypt (KmsKeyArn)",
    [ACTION_SNS] = "SNS",
    [ACTION_LAMBDA] = "Lambda",
    [ACTION_CONNECT] = "Connect",
    [ACTION_BOUNCE] = NULL, /* these call none that could be missing */
    [ACTION_WORKMAIL] = NULL,
    [ACTION_STOP] = NULL,
    [ACTION_ADD_HEADER] = NULL,
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
        return ports->connect != NULL;
    }
    return false;
}

const struct fault *action_unbuilt(const struct step *step, struct arena *a)
{
    if (step->part == STEP_NOTICE)
        return fault(a, FAULT_UNBUILT, NULL,
                     "the notice to " STR_FMT " was not sent: this program has no SNS",
                     STR_ARG(step->action->topic_arn));
    return fault(a, FAULT_UNBUILT, NULL, "this program has no %s", services[step->action->kind]);
}
