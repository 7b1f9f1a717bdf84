/* wire/dns_record.h - what stands in a DNS record, RFC 1035 3.3: mail exchanges and addresses.
 *
 * Read are a record's own octets, as a resolver hands them out: names are whole, without compression. A name
 * that cannot be a host's (RFC 1123 2.1; an underscore is let pass) is none. */
#ifndef SESAME_WIRE_DNS_RECORD_H
#define SESAME_WIRE_DNS_RECORD_H

#include "base/outside.h"

enum { DNS_NAME_MAX = 253 }; /* of a name as text, without its last dot */

/* False: these octets are no such record; or no memory, which is the same to who asked. */
bool dns_record_read(enum dns_kind, str octets, struct arena *, struct dns_record *ret_record);

/* Can this be asked for: labels of letters, digits, hyphens and underscores, not too long. */
bool dns_name_ok(str name);

#endif
