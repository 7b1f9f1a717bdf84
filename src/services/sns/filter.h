/* services/sns/filter.h - which messages of a topic a subscription takes (SNS Developer Guide, "Amazon
 * SNS subscription filter policies").
 *
 * A policy is an object: every name in it must be met, by any one of the values listed for it. Read
 * once, when it is saved; deciding allocates only to read a message's JSON. */
#ifndef SESAME_SERVICES_SNS_FILTER_H
#define SESAME_SERVICES_SNS_FILTER_H

#include "base/fault.h"

struct sns_message;

enum filter_scope { FILTER_ATTRIBUTES, FILTER_BODY };

struct filter;

/* FAULT_SYNTAX says what is wrong, in AWS's words behind "FilterPolicy: " (it adds the place, which is
 * left out here); it has no code. The filter lives in the arena. */
const struct fault *filter_read(str text, enum filter_scope, struct arena *, const struct filter **ret_filter);

/* Does the subscription take it? A message whose body is no JSON object passes no filter of bodies. The
 * arena is for scratch. */
bool filter_admits(const struct filter *, const struct sns_message *, struct arena *);

#endif
