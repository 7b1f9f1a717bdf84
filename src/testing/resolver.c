#include "testing/resolver.h"

#include <arpa/inet.h>
#include <assert.h>

static void read_data(const struct table_row *row, struct dns_record *to)
{
    str preference, name;
    uint64_t number;
    *to = (struct dns_record) { 0 };
    if (row->kind != DNS_MX) {
        int well = inet_pton(row->kind == DNS_A ? AF_INET : AF_INET6, row->data, to->address);
        assert(well == 1 && "the table has addresses");
        (void)well;
        return;
    }
    str_cut(str_of(row->data), ' ', &preference, &name);
    bool well = str_u64(preference, &number);
    assert(well && "the table has preferences");
    (void)well;
    to->preference = (unsigned)number;
    to->name = str_eq(name, STR(".")) ? STR("") : name;
}

static struct dns_answer ask(struct resolver *resolver, str name, enum dns_kind kind,
                             int64_t deadline_ms, struct arena *a)
{
    struct table_resolver *t = (struct table_resolver *)resolver;
    struct dns_record *records = ARENA_ARRAY(a, struct dns_record, t->row_count + 1);
    struct dns_answer answer = { .outcome = DNS_NO_NAME, .records = records };
    (void)deadline_ms;
    assert(records && "a simulator needs no answer to missing memory");
    t->asked++;
    for (size_t i = 0; i < t->row_count; i++) {
        const struct table_row *row = &t->rows[i];
        if (!str_eq_nocase(name, str_of(row->name)))
            continue;
        if (row->kind != kind) {
            if (answer.outcome == DNS_NO_NAME)
                answer.outcome = DNS_NOTHING;
            continue;
        }
        answer.outcome = row->outcome;
        if (row->outcome == DNS_FAILED)
            answer.says = STR("the name server answered SERVFAIL");
        if (row->outcome == DNS_FOUND)
            read_data(row, &records[answer.count++]);
    }
    return answer;
}

struct table_resolver table_resolver(const struct table_row *rows, size_t count)
{
    return (struct table_resolver) { .resolver = { ask }, .rows = rows, .row_count = count };
}
