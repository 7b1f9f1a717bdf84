/* smtp/admission.h - how many connections may be open, in all and from one address. Any thread. */
#ifndef SESAME_SMTP_ADMISSION_H
#define SESAME_SMTP_ADMISSION_H

#include "base/str.h"

/* An IPv4 address counts alone, IPv6 ones by their /64: that is what one customer has. */
struct admission;
struct admission *admission_new(size_t max, size_t per_address); /* per_address 0: no limit. NULL: no memory */
void admission_free(struct admission *);

enum admitted { ADMIT, ADMIT_FULL, ADMIT_ADDRESS };
enum admitted admission_enter(struct admission *, str address); /* ADMIT: leave must follow */
void admission_leave(struct admission *, str address);
size_t admission_count(const struct admission *); /* how many are in */

#endif
