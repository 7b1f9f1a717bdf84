/* policy/variables.h - ${aws:username}, ${aws:PrincipalTag/team, 'company-wide'}, ${*}.
 *
 * IAM User Guide, reference_policies_variables. Only documents of Version 2012-10-17 have them. */
#ifndef SESAME_POLICY_VARIABLES_H
#define SESAME_POLICY_VARIABLES_H

#include "policy/pattern.h"

/* What stands at the head of `text`, which begins with "${". False: nothing the language knows, so
 * it is plain text. `*ret_len` is how long it is, braces included. ${*}, ${?} and ${$} become the
 * literal character. */
bool variable_read(str text, struct token *ret_token, size_t *ret_len);

#endif
