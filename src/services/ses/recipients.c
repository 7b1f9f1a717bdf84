#include "services/ses/recipients.h"

#include "mail/mailbox.h"
#include "services/account.h"
#include "services/ses/identities.h"
#include "services/world.h"

#include <stdlib.h>

static str without_final_dot(str domain) {
    if (str_ends(domain, STR(".")))
        domain.len--;
    return domain;
}

/* Equal, or (below) the left one anywhere under the right one. */
static bool compare(str domain, str wanted, bool below) {
    if (!below)
        return str_eq_nocase(domain, wanted);
    if (domain.len < wanted.len + 2 || !str_ends_nocase(domain, wanted))
        return false;
    return domain.ptr[domain.len - wanted.len - 1] == '.';
}

static bool domain_matches(str domain, str wanted, bool below) {
    domain = without_final_dot(domain);
    wanted = without_final_dot(wanted);
    if (wanted.len == 0)
        return false;
    if (mailbox_is_ascii(domain) && mailbox_is_ascii(wanted))
        return compare(domain, wanted, below);
    char a[DOMAIN_ROOM], b[DOMAIN_ROOM];
    size_t a_len = domain_normal_to(a, domain), b_len = domain_normal_to(b, wanted);
    return a_len > 0 && b_len > 0 && compare((str) { a, a_len }, (str) { b, b_len }, below);
}

/* A condition's local part may be quoted; the mailbox's has lost its quotes already. */
static bool local_eq(str written, str local_part) {
    bool quoted = written.len >= 2 && written.ptr[0] == '"' && written.ptr[written.len - 1] == '"';
    if (!quoted)
        return str_eq_nocase(written, local_part);
    size_t at = 0;
    for (size_t i = 1; i + 1 < written.len; i++) {
        if (written.ptr[i] == '\\' && i + 2 < written.len)
            i++;
        if (at == local_part.len ||
            ascii_lower(written.ptr[i]) != ascii_lower(local_part.ptr[at++]))
            return false;
    }
    return at == local_part.len;
}

/* `user` means user with any label as well; `user+label` means that label alone. */
static bool local_part_matches(str written, str local_part) {
    if (local_eq(written, local_part))
        return true;
    size_t plus = str_find(local_part, '+');
    return plus < local_part.len && plus > 0 && !str_has(written, '+') &&
           local_eq(written, str_head(local_part, plus));
}

bool recipient_matches(str condition, const struct mailbox *mailbox) {
    size_t at = condition.len;
    while (at > 0 && condition.ptr[at - 1] != '@')
        at--;
    if (at == 0) {
        bool below = str_starts(condition, STR("."));
        return domain_matches(mailbox->domain, str_from(condition, below ? 1 : 0), below);
    }
    return domain_matches(mailbox->domain, str_from(condition, at), false) &&
           local_part_matches(str_head(condition, at - 1), mailbox->local_part);
}

bool rule_matches(const struct receipt_rule *rule, const struct mailbox *mailbox) {
    for (size_t i = 0; i < rule->recipient_count; i++)
        if (recipient_matches(rule->recipients[i], mailbox))
            return true;
    return rule->recipient_count == 0;
}

/* ---- who holds a domain ---- */

struct holder {
    str account;
    int64_t since_ms;
};

static int by_age(const void *a, const void *b) {
    const struct holder *x = a, *y = b;
    if (x->since_ms != y->since_ms)
        return x->since_ms < y->since_ms ? -1 : 1;
    return str_cmp(x->account, y->account);
}

static bool known(const struct holder *holders, size_t count, str account) {
    for (size_t i = 0; i < count; i++)
        if (str_eq(holders[i].account, account))
            return true;
    return false;
}

/* Counts when holders is NULL, otherwise fills it; a parent domain's account may come twice then.
 */
static size_t walk(const struct world *world, str region, str domain, struct holder *holders) {
    size_t count = 0;
    str rest = domain, label;
    bool more = true;
    while (more && rest.len > 0) {
        const struct identity *identity = NULL;
        str after = STR_NONE;
        while (identity_next(world, region, rest, after, &identity)) {
            after = identity->account;
            if (identity->status != IDENTITY_SUCCESS)
                continue;
            if (holders && known(holders, count, identity->account))
                continue;
            if (holders) {
                const struct account *account = account_find(world, identity->account);
                holders[count] = (struct holder) { .account = identity->account,
                                                   .since_ms = account ? account->created_ms
                                                                       : identity->created_ms };
            }
            count++;
        }
        more = str_cut(rest, '.', &label, &rest);
    }
    return count;
}

const struct fault *accounts_receiving(const struct world *world, str region, str domain,
                                       struct arena *arena, const str **ret_accounts,
                                       size_t *ret_count) {
    char room[DOMAIN_ROOM];
    str normal = { room, domain_normal_to(room, domain) };
    size_t count = walk(world, region, normal, NULL);
    struct holder *holders = ARENA_ARRAY(arena, struct holder, count + 1);
    str *accounts = ARENA_ARRAY(arena, str, count + 1);
    if (!holders || !accounts)
        return &fault_no_memory;
    count = walk(world, region, normal, holders);
    qsort(holders, count, sizeof(*holders), by_age);
    for (size_t i = 0; i < count; i++) {
        accounts[i] = arena_str(arena, holders[i].account);
        if (str_is_none(accounts[i]))
            return &fault_no_memory;
    }
    *ret_accounts = accounts;
    *ret_count = count;
    return NULL;
}
