/* mail/auth.c - the verdicts' words, and those of a mail that nobody verified. */
#include "mail/auth.h"

str checked_name(enum checked checked)
{
    static const str names[] = {
        [CHECKED_PASS] = STR_INIT("PASS"),
        [CHECKED_FAIL] = STR_INIT("FAIL"),
        [CHECKED_GRAY] = STR_INIT("GRAY"),
        [CHECKED_PROCESSING_FAILED] = STR_INIT("PROCESSING_FAILED"),
        [CHECKED_DISABLED] = STR_INIT("DISABLED"),
    };
    return names[checked];
}

struct verdicts verdicts_unverified(bool scan)
{
    enum checked scanned = scan ? CHECKED_GRAY : CHECKED_DISABLED;
    return (struct verdicts) { .spam = scanned,
                               .virus = scanned,
                               .spf = CHECKED_PROCESSING_FAILED,
                               .dkim = CHECKED_PROCESSING_FAILED,
                               .dmarc = CHECKED_PROCESSING_FAILED };
}
