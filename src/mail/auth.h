/* mail/auth.h - what was found out about a message before it was delivered, in SES's five verdicts. */
#ifndef SESAME_MAIL_AUTH_H
#define SESAME_MAIL_AUTH_H

#include "base/str.h"

enum checked { CHECKED_PASS, CHECKED_FAIL, CHECKED_GRAY, CHECKED_PROCESSING_FAILED, CHECKED_DISABLED };

struct verdicts {
    enum checked spam, virus, spf, dkim, dmarc;
    str dmarc_policy; /* "none", "quarantine", "reject": of a domain whose dmarc failed; else STR_NONE */
};

/* "PASS", "FAIL", "GRAY", "PROCESSING_FAILED", "DISABLED": ses-receiving spec 8. */
str checked_name(enum checked);

/* Of a message nobody verified: SPF, DKIM and DMARC could not be processed; spam and virus are GRAY
 * where it was to be scanned and no scanner is there, else DISABLED. */
struct verdicts verdicts_unverified(bool scan);

#endif
