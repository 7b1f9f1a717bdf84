/* api/ses_rule.h - a receipt rule as Query parameters spell it, and as answers show it. */
#ifndef SESAME_API_SES_RULE_H
#define SESAME_API_SES_RULE_H

#include "api/operation.h"
#include "services/ses/ruleset.h"

/* Violations of the shape of a request, collected so that one ValidationError names them all
 * (ses-receiving spec 12.3, layer 1). */
struct violations {
    struct buf text;
    size_t count;
};
#define AUTO_VIOLATIONS __attribute__((cleanup(violations_free))) struct violations
struct violations violations_new(void);
void violations_free(struct violations *);
void violation(struct violations *, str path, str constraint);
/* A rule's or a set's name: not empty, letters, digits and _.- ; STR_NONE is no violation. */
void violations_of_name(struct violations *, const char *path, str name);
/* NULL when there are none. */
const struct fault *violations_fault(const struct violations *, struct arena *);

/* Reads Rule.*; what is wrong with its shape goes to the violations, and ret_rule is then not to be
 * used. Text is borrowed from the call. */
const struct fault *ses_rule_read(const struct api_call *, struct violations *,
                                  struct receipt_rule *ret_rule);

/* The members of a ReceiptRule, without the element around them. */
void ses_rule_write(struct buf *out, const struct receipt_rule *);

#endif
