/* wire/dns_record_fuzz.c - any octets as a record: a name that is read can be asked for. */
#include "wire/dns_record.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum dns_kind kinds[] = { DNS_A, DNS_MX, DNS_AAAA };
    AUTO_ARENA *a = arena_new(1 << 16);
    for (size_t i = 0; a && i < sizeof kinds / sizeof *kinds; i++) {
        struct dns_record r;
        if (dns_record_read(kinds[i], (str) { (const char *)data, size }, a, &r) &&
            kinds[i] == DNS_MX && r.name.len && !dns_name_ok(r.name))
            abort();
    }
    return 0;
}
