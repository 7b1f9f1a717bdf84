/* services/ses/block_list.c - reads the list, sorts it, and looks addresses up in it.
 *
 * Two networks of a family either lie apart or one in the other. So behind a sort by first address,
 * the wider one first, a network that lies in another lies in the last one kept; and of what is
 * kept, the only one that can hold an address is the last that begins at or before it. */
#include "services/ses/block_list.h"

#include "services/ses/filters.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct entry { /* the first address, IPv4 in the uppermost 32 bits */
    uint64_t high, low;
    uint32_t line;
    uint8_t prefix;
};

struct table {
    struct entry *list;
    size_t count, room;
};

struct block_list {
    atomic_size_t holders;
    struct table four, six;
    size_t name_len;
    char name[];
};

/* ---- addresses as numbers ---- */

static uint64_t number_of(const uint8_t bytes[8])
{
    uint64_t n = 0;
    for (int i = 0; i < 8; i++)
        n = n << 8 | bytes[i];
    return n;
}

static void put_number(uint64_t n, uint8_t bytes[8])
{
    for (int i = 8; i-- > 0; n >>= 8)
        bytes[i] = (uint8_t)n;
}

static uint64_t mask(unsigned bits)
{
    return bits == 0 ? 0 : bits >= 64 ? UINT64_MAX : UINT64_MAX << (64 - bits);
}

static struct entry entry_of(const struct network *network, uint32_t line)
{
    unsigned prefix = network->prefix;
    return (struct entry) { .high = number_of(network->bytes) & mask(prefix),
                            .low =
                                number_of(network->bytes + 8) & mask(prefix > 64 ? prefix - 64 : 0),
                            .line = line,
                            .prefix = network->prefix };
}

static bool holds(const struct entry *network, const struct entry *address)
{
    unsigned prefix = network->prefix;
    return ((network->high ^ address->high) & mask(prefix)) == 0 &&
           (prefix <= 64 || ((network->low ^ address->low) & mask(prefix - 64)) == 0);
}

/* ---- reading ---- */

static bool add(struct table *table, struct entry entry)
{
    if (table->count == table->room) {
        size_t room = table->room ? 2 * table->room : 256;
        struct entry *longer = realloc(table->list, room * sizeof *longer);
        if (!longer)
            return false;
        table->list = longer;
        table->room = room;
    }
    table->list[table->count++] = entry;
    return true;
}

static int by_address(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    if (x->high != y->high)
        return x->high < y->high ? -1 : 1;
    if (x->low != y->low)
        return x->low < y->low ? -1 : 1;
    if (x->prefix != y->prefix)
        return x->prefix < y->prefix ? -1 : 1;
    return (x->line > y->line) - (x->line < y->line);
}

static void settle(struct table *table)
{
    if (table->count == 0)
        return;
    qsort(table->list, table->count, sizeof *table->list, by_address);
    size_t kept = 1;
    for (size_t i = 1; i < table->count; i++)
        if (!holds(&table->list[kept - 1], &table->list[i]))
            table->list[kept++] = table->list[i];
    struct entry *shorter = realloc(table->list, kept * sizeof *shorter);
    table->list = shorter ? shorter : table->list;
    table->count = table->room = kept;
}

static str without_comment(str line)
{
    for (size_t i = 0; i < line.len; i++) {
        if (line.ptr[i] == '#' || line.ptr[i] == ';')
            line.len = i;
    }
    if (line.len && line.ptr[line.len - 1] == '\r')
        line.len--;
    return str_trim(line);
}

static const struct fault *read_line(struct block_list *list, str line, uint32_t number, str name,
                                     struct arena *a)
{
    enum { SHOWN = 80 };
    struct network network;
    str word = without_comment(line);
    if (line.len > BLOCK_LIST_LINE_MAX)
        return fault(a, FAULT_SYNTAX, NULL,
                     "line %u of the block list " STR_FMT " is longer than %d octets",
                     (unsigned)number, STR_ARG(name), BLOCK_LIST_LINE_MAX);
    if (word.len == 0)
        return NULL;
    if (!network_read(word, &network))
        return fault(a, FAULT_SYNTAX, NULL,
                     "line %u of the block list " STR_FMT " is no address or network: " STR_FMT,
                     (unsigned)number, STR_ARG(name), STR_ARG(str_head(word, SHOWN)));
    filter_network_unmap(&network);
    if (list->four.count + list->six.count == BLOCK_LIST_MAX)
        return fault(a, FAULT_LIMIT, NULL, "the block list " STR_FMT " has more than %d networks",
                     STR_ARG(name), BLOCK_LIST_MAX);
    struct table *table = network.size == 4 ? &list->four : &list->six;
    return add(table, entry_of(&network, number)) ? NULL : &fault_no_memory;
}

const struct fault *block_list_read(str text, str name, struct arena *a,
                                    const struct block_list **ret_list)
{
    struct block_list *list = calloc(1, sizeof *list + name.len + 1);
    if (!list)
        return &fault_no_memory;
    atomic_init(&list->holders, 1);
    list->name_len = name.len;
    if (name.len)
        memcpy(list->name, name.ptr, name.len);
    for (uint32_t number = 1; text.len; number++) {
        str line;
        str_cut(text, '\n', &line, &text);
        const struct fault *f = read_line(list, line, number, name, a);
        if (f) {
            block_list_unref(list);
            return f;
        }
    }
    settle(&list->four);
    settle(&list->six);
    *ret_list = list;
    return NULL;
}

const struct block_list *block_list_ref(const struct block_list *list)
{
    if (list)
        atomic_fetch_add_explicit(&((struct block_list *)list)->holders, 1, memory_order_relaxed);
    return list;
}

void block_list_unref(const struct block_list *of)
{
    struct block_list *list = (struct block_list *)of;
    if (!list || atomic_fetch_sub_explicit(&list->holders, 1, memory_order_acq_rel) != 1)
        return;
    free(list->four.list);
    free(list->six.list);
    free(list);
}

/* ---- looking up ---- */

/* The last entry that begins at or before the address. */
static const struct entry *find(const struct table *table, const struct entry *address)
{
    size_t low = 0, high = table->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct entry *e = &table->list[middle];
        bool before = e->high != address->high ? e->high < address->high : e->low <= address->low;
        if (before)
            low = middle + 1;
        else
            high = middle;
    }
    return low ? &table->list[low - 1] : NULL;
}

bool block_list_find(const struct block_list *list, const struct network *address,
                     struct block_list_entry *ret_entry)
{
    const struct entry wanted = entry_of(address, 0);
    const struct entry *found = find(address->size == 4 ? &list->four : &list->six, &wanted);
    if (!found || found->prefix > address->prefix || !holds(found, &wanted))
        return false;
    struct network network = { .size = address->size, .prefix = found->prefix };
    put_number(found->high, network.bytes);
    put_number(found->low, network.bytes + 8);
    *ret_entry = (struct block_list_entry) { .network = network, .line = found->line };
    return true;
}

str block_list_name(const struct block_list *list)
{
    return (str) { list->name, list->name_len };
}

size_t block_list_count(const struct block_list *list)
{
    return list->four.count + list->six.count;
}

/* ---- the one in force ---- */

struct block_lists {
    struct disk *disk;
    const char *path;
    pthread_mutex_t lock;
    const struct block_list *now;
};

static const struct fault *read_whole(struct block_lists *lists, int fd, struct arena *a,
                                      char **ret_text, size_t *ret_len)
{
    int64_t size = lists->disk->size(lists->disk, fd);
    if (size > BLOCK_LIST_BYTES_MAX)
        return fault(a, FAULT_LIMIT, NULL, "the block list %s is larger than %d octets",
                     lists->path, BLOCK_LIST_BYTES_MAX);
    char *text = size < 0 ? NULL : malloc((size_t)size + 1);
    if (size >= 0 && !text)
        return &fault_no_memory;
    size_t len = 0;
    int64_t got = size < 0 ? size : 1;
    /* One octet more than there should be: half a list is none, and a pipe has no size at all. */
    while (got > 0 && len <= (size_t)size) {
        got = lists->disk->pread(lists->disk, fd, text + len, (size_t)size + 1 - len, len);
        if (got > 0)
            len += (size_t)got;
    }
    if (got < 0) {
        free(text);
        return fault(a, FAULT_UNAVAILABLE, NULL, "the block list %s cannot be read: %s",
                     lists->path, strerror((int)-got));
    }
    if (len != (size_t)size) {
        free(text);
        return fault(a, FAULT_UNAVAILABLE, NULL, "the block list %s was written while it was read",
                     lists->path);
    }
    *ret_text = text;
    *ret_len = len;
    return NULL;
}

static const struct fault *read_file(struct block_lists *lists, struct arena *a,
                                     const struct block_list **ret_list)
{
    char *text = NULL;
    size_t len = 0;
    int fd = lists->disk->open(lists->disk, lists->path, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return fault(a, FAULT_UNAVAILABLE, NULL, "the block list %s cannot be read: %s",
                     lists->path, strerror(-fd));
    const struct fault *f = read_whole(lists, fd, a, &text, &len);
    lists->disk->close(lists->disk, fd);
    if (f)
        return f;
    f = block_list_read((str) { text, len }, str_of(lists->path), a, ret_list);
    free(text);
    return f;
}

const struct fault *block_lists_open(str path, struct disk *disk, struct arena *a,
                                     struct block_lists **ret_lists)
{
    struct block_lists *lists = ARENA_NEW(a, struct block_lists);
    if (!lists)
        return &fault_no_memory;
    *lists = (struct block_lists) { .disk = disk, .path = arena_cstr(a, path) };
    if (!lists->path)
        return &fault_no_memory;
    TRY(read_file(lists, a, &lists->now));
    pthread_mutex_init(&lists->lock, NULL);
    *ret_lists = lists;
    return NULL;
}

void block_lists_close(struct block_lists *lists)
{
    if (!lists)
        return;
    block_list_unref(lists->now);
    pthread_mutex_destroy(&lists->lock);
}

const struct fault *block_lists_read(struct block_lists *lists, struct arena *a)
{
    const struct block_list *list;
    TRY(read_file(lists, a, &list));
    pthread_mutex_lock(&lists->lock);
    const struct block_list *before = lists->now;
    lists->now = list;
    pthread_mutex_unlock(&lists->lock);
    block_list_unref(before);
    return NULL;
}

const struct block_list *block_lists_now(struct block_lists *lists)
{
    if (!lists)
        return NULL;
    pthread_mutex_lock(&lists->lock);
    const struct block_list *now = block_list_ref(lists->now);
    pthread_mutex_unlock(&lists->lock);
    return now;
}
