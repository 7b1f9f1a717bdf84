#include "services/ses/recipients.h"

#include "services/account.h"
#include "services/ses/identities.h"
#include "services/world.h"

#include <stdlib.h>

static str without_final_dot(str domain)
{
    if (str_ends(domain, STR(".")))
        domain.len--;
    return domain;
}

/* Equal, or (below) the left one anywhere under the right one. */
static bool compare(str domain, str wanted, bool below)
{
    if (!below)
        return str_eq_nocase(domain, wanted);
    if (domain.len < wanted.len + 2 || !str_ends_nocase(domain, wanted))
        return false;
    return domain.ptr[domain.len - wanted.len - 1] == '.';
}

/* Most bytes of most domains are looked at here and nowhere else, so eight at a time. */
static bool is_ascii(str s)
{
    uint64_t eight, seen = 0;
    size_t i = 0;
    for (; i + 8 <= s.len; i += 8) {
        memcpy(&eight, s.ptr + i, 8);
        seen |= eight;
    }
    for (; i < s.len; i++)
        seen |= (unsigned char)s.ptr[i];
    return !(seen & 0x8080808080808080u);
}

static void aim(struct recipient *target, const struct mailbox *mailbox)
{
    target->local_part = mailbox->local_part;
    target->domain = without_final_dot(mailbox->domain);
    target->key_count = 0;
    if (!is_ascii(target->domain))
        target->domain = (str) { target->room, domain_normal_to(target->room, mailbox->domain) };
}

static bool domain_matches(const struct recipient *target, str wanted, bool below)
{
    char room[DOMAIN_ROOM];
    wanted = without_final_dot(wanted);
    if (!is_ascii(wanted))
        wanted = (str) { room, domain_normal_to(room, wanted) };
    return wanted.len > 0 && compare(target->domain, wanted, below);
}

/* A condition's local part may be quoted; the mailbox's has lost its quotes already. */
static bool local_eq(str written, str local_part)
{
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
static bool local_part_matches(str written, str local_part)
{
    if (local_eq(written, local_part))
        return true;
    size_t plus = str_find(local_part, '+');
    return plus < local_part.len && plus > 0 && !str_has(written, '+') &&
           local_eq(written, str_head(local_part, plus));
}

static bool matches(str condition, const struct recipient *target)
{
    const char *sign = condition.len ? memrchr(condition.ptr, '@', condition.len) : NULL;
    if (!sign) {
        bool below = str_starts(condition, STR("."));
        return domain_matches(target, str_from(condition, below ? 1 : 0), below);
    }
    size_t at = (size_t)(sign - condition.ptr);
    /* Local parts differ sooner than the domains of one account do. */
    return local_part_matches(str_head(condition, at), target->local_part) &&
           domain_matches(target, str_from(condition, at + 1), false);
}

bool recipient_matches(str condition, const struct mailbox *mailbox)
{
    struct recipient target;
    aim(&target, mailbox);
    return matches(condition, &target);
}

/* ---- the sieve ----
 *
 * A condition's key is the hash of what it means in lower case: "user@example.com", "@example.com"
 * for a domain,
 * "@.example.com" for all below one. A recipient has one key for each condition that could mean it,
 * and they are few: the mailbox, the mailbox without its label, the domain, and each domain above
 * it. */

struct recipient_sieve {
    size_t mask;      /* slots - 1; at most half of them are taken */
    uint32_t slots[]; /* 0: free */
};

enum { SIEVE_FROM = 4 }; /* fewer conditions are asked sooner than a key is made */

static const uint32_t key_begin = 2166136261u; /* FNV-1a */

static uint32_t key_byte(uint32_t key, char c)
{
    return (key ^ (unsigned char)ascii_lower(c)) * 16777619u;
}

static uint32_t key_add(uint32_t key, str text)
{
    for (size_t i = 0; i < text.len; i++)
        key = key_byte(key, text.ptr[i]);
    return key;
}

static uint32_t key_of(str local_part, const char *sign, str domain)
{
    uint32_t key = key_add(key_begin, local_part);
    key = key_add(key_add(key, str_of(sign)), domain);
    return key ? key : 1;
}

/* As local_eq reads it. */
static uint32_t key_local(str written)
{
    bool quoted = written.len >= 2 && written.ptr[0] == '"' && written.ptr[written.len - 1] == '"';
    if (!quoted)
        return key_add(key_begin, written);
    uint32_t key = key_begin;
    for (size_t i = 1; i + 1 < written.len; i++) {
        if (written.ptr[i] == '\\' && i + 2 < written.len)
            i++;
        key = key_byte(key, written.ptr[i]);
    }
    return key;
}

static uint32_t key_of_condition(str condition)
{
    char room[DOMAIN_ROOM];
    const char *sign = condition.len ? memrchr(condition.ptr, '@', condition.len) : NULL;
    size_t at = sign ? (size_t)(sign - condition.ptr) : 0;
    bool below = !sign && str_starts(condition, STR("."));
    str domain = without_final_dot(str_from(condition, sign ? at + 1 : below ? 1 : 0));
    if (!is_ascii(domain))
        domain = (str) { room, domain_normal_to(room, domain) };
    uint32_t key = sign ? key_local(str_head(condition, at)) : key_begin;
    key = key_add(key_add(key, below ? STR("@.") : STR("@")), domain);
    return key ? key : 1;
}

void recipient_aim(struct recipient *recipient, const struct mailbox *mailbox)
{
    aim(recipient, mailbox);
    str local_part = recipient->local_part, domain = recipient->domain;
    size_t count = 0, plus = str_find(local_part, '+');
    recipient->keys[count++] = key_of(local_part, "@", domain);
    recipient->keys[count++] = key_of(STR(""), "@", domain);
    if (plus < local_part.len && plus > 0)
        recipient->keys[count++] = key_of(str_head(local_part, plus), "@", domain);
    for (size_t i = 1; i < domain.len; i++) {
        if (domain.ptr[i] != '.')
            continue;
        if (count == RECIPIENT_KEYS)
            return;
        recipient->keys[count++] = key_of(STR(""), "@.", str_from(domain, i + 1));
    }
    recipient->key_count = count;
}

const struct recipient_sieve *recipient_sieve_make(const str *conditions, size_t count,
                                                   struct arena *arena)
{
    size_t slots = 8;
    while (slots < 2 * count)
        slots *= 2;
    struct recipient_sieve *sieve =
        count < SIEVE_FROM ? NULL
                           : arena_alloc(arena, sizeof *sieve + slots * sizeof *sieve->slots,
                                         _Alignof(struct recipient_sieve));
    if (!sieve)
        return NULL;
    sieve->mask = slots - 1;
    memset(sieve->slots, 0, slots * sizeof *sieve->slots);
    for (size_t i = 0; i < count; i++) {
        uint32_t key = key_of_condition(conditions[i]);
        size_t at = key & sieve->mask;
        while (sieve->slots[at] && sieve->slots[at] != key)
            at = (at + 1) & sieve->mask;
        sieve->slots[at] = key;
    }
    return sieve;
}

static bool holds_back(const struct recipient_sieve *sieve, const struct recipient *recipient)
{
    for (size_t i = 0; i < recipient->key_count; i++) {
        uint32_t key = recipient->keys[i];
        for (size_t at = key & sieve->mask; sieve->slots[at]; at = (at + 1) & sieve->mask)
            if (sieve->slots[at] == key)
                return false;
    }
    return true;
}

bool rule_means(const struct receipt_rule *rule, const struct recipient *recipient)
{
    if (rule->recipient_count == 0)
        return true;
    if (rule->sieve && recipient->key_count && holds_back(rule->sieve, recipient))
        return false;
    for (size_t i = 0; i < rule->recipient_count; i++)
        if (matches(rule->recipients[i], recipient))
            return true;
    return false;
}

bool rule_matches(const struct receipt_rule *rule, const struct mailbox *mailbox)
{
    struct recipient recipient;
    if (rule->recipient_count == 0)
        return true;
    if (rule->sieve)
        recipient_aim(&recipient, mailbox);
    else
        aim(&recipient, mailbox);
    return rule_means(rule, &recipient);
}

/* ---- conditions as they are kept ---- */

static bool label_ok(str label)
{
    for (size_t i = 0; i < label.len; i++) {
        char c = label.ptr[i];
        if (!ascii_is_alpha(c) && !ascii_is_digit(c) && c != '-' && c != '_' && !(c & 0x80))
            return false;
    }
    return label.len > 0 && label.ptr[0] != '-' && label.ptr[label.len - 1] != '-';
}

static bool condition_domain_ok(str domain)
{
    str rest = without_final_dot(domain), label;
    bool more = true;
    while (more) {
        more = str_cut(rest, '.', &label, &rest);
        if (!label_ok(label))
            return false;
    }
    return true;
}

/* Blanks stand between quotes alone; what else a local part may be is the sender's business. */
static bool condition_local_ok(str local_part)
{
    bool quoted = local_part.len > 2 && local_part.ptr[0] == '"';
    for (size_t i = 0; i < local_part.len; i++) {
        unsigned char c = (unsigned char)local_part.ptr[i];
        if (c < ' ' || c == 0x7f || (c == ' ' && !quoted))
            return false;
    }
    return local_part.len > 0;
}

bool recipient_ok(str condition)
{
    const char *sign = condition.len ? memrchr(condition.ptr, '@', condition.len) : NULL;
    if (!sign)
        return condition_domain_ok(str_from(condition, str_starts(condition, STR(".")) ? 1 : 0));
    size_t at = (size_t)(sign - condition.ptr);
    return condition_local_ok(str_head(condition, at)) &&
           condition_domain_ok(str_from(condition, at + 1));
}

static int by_text(const void *a, const void *b)
{
    return str_cmp(*(const str *)a, *(const str *)b);
}

static str lower(str text, struct arena *arena)
{
    char *copy = arena_alloc(arena, text.len + 1, 1);
    for (size_t i = 0; copy && i < text.len; i++)
        copy[i] = ascii_lower(text.ptr[i]);
    return copy ? (str) { copy, text.len } : STR_NONE;
}

const struct fault *recipients_normal(const struct receipt_rule *rule, struct arena *arena,
                                      struct receipt_rule *ret_rule)
{
    str *kept = ARENA_ARRAY(arena, str, rule->recipient_count + 1);
    size_t count = 0;
    if (!kept)
        return &fault_no_memory;
    for (size_t i = 0; i < rule->recipient_count; i++) {
        kept[i] = lower(rule->recipients[i], arena);
        if (str_is_none(kept[i]))
            return &fault_no_memory;
    }
    qsort(kept, rule->recipient_count, sizeof(*kept), by_text);
    for (size_t i = 0; i < rule->recipient_count; i++)
        if (count == 0 || !str_eq(kept[count - 1], kept[i]))
            kept[count++] = kept[i];
    *ret_rule = *rule;
    ret_rule->recipients = kept;
    ret_rule->sieve = NULL;
    ret_rule->recipient_count = count;
    return NULL;
}

/* ---- who holds a domain ---- */

struct holder {
    str account;
    int64_t since_ms;
};

static int by_age(const void *a, const void *b)
{
    const struct holder *x = a, *y = b;
    if (x->since_ms != y->since_ms)
        return x->since_ms < y->since_ms ? -1 : 1;
    return str_cmp(x->account, y->account);
}

static bool known(const struct holder *holders, size_t count, str account)
{
    for (size_t i = 0; i < count; i++)
        if (str_eq(holders[i].account, account))
            return true;
    return false;
}

/* Counts when holders is NULL, otherwise fills it; a parent domain's account may come twice then.
 */
static size_t walk(const struct world *world, str region, str domain, struct holder *holders)
{
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
                                       size_t *ret_count)
{
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
