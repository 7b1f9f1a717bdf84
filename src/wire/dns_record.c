/* wire/dns_record.c - RFC 1035 3.1 and 3.3.9, RFC 3596 2.2. */
#include "wire/dns_record.h"

enum { LABEL_MAX = 63 };

static bool is_host_octet(char c)
{
    return ascii_is_alpha(c) || ascii_is_digit(c) || c == '-' || c == '_';
}

/* Labels, each behind its length, to the empty one of the root; nothing may follow. */
static bool read_name(str octets, struct arena *a, str *ret_name)
{
    char text[DNS_NAME_MAX + 1];
    size_t len = 0;
    while (octets.len) {
        const size_t label = (unsigned char)octets.ptr[0];
        octets = str_from(octets, 1);
        if (!label) {
            *ret_name = len ? arena_str(a, (str) { text, len - 1 }) : STR("");
            return !octets.len && ret_name->ptr;
        }
        if (label > LABEL_MAX || label > octets.len || len + label + 1 > sizeof text)
            return false;
        for (size_t i = 0; i < label; i++) {
            if (!is_host_octet(octets.ptr[i]))
                return false;
            text[len++] = octets.ptr[i];
        }
        text[len++] = '.';
        octets = str_from(octets, label);
    }
    return false;
}

bool dns_record_read(enum dns_kind kind, str octets, struct arena *a, struct dns_record *ret_record)
{
    *ret_record = (struct dns_record) { 0 };
    switch (kind) {
    case DNS_A:
    case DNS_AAAA:
        if (octets.len != (kind == DNS_A ? 4 : 16))
            return false;
        memcpy(ret_record->address, octets.ptr, octets.len);
        return true;
    case DNS_MX:
        if (octets.len < 3)
            return false;
        ret_record->preference =
            (unsigned)(unsigned char)octets.ptr[0] << 8 | (unsigned char)octets.ptr[1];
        return read_name(str_from(octets, 2), a, &ret_record->name);
    }
    return false;
}

bool dns_name_ok(str name)
{
    size_t label = 0;
    if (!name.len || name.len > DNS_NAME_MAX)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        label = name.ptr[i] == '.' ? 0 : label + 1;
        if (label > LABEL_MAX ||
            (label ? !is_host_octet(name.ptr[i]) : !i || name.ptr[i - 1] == '.'))
            return false;
    }
    return label > 0;
}
