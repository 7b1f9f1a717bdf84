/* services/ses/block_list_fuzz.c - any bytes as a block list. When it is taken, each of its lines
 * must be found by its first and its last address, and an address must be found exactly when some
 * line holds it. */
#include "services/ses/block_list.h"

#include "services/ses/filters.h"

#include <stdlib.h>

enum { LINES = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

/* The lines, read plainly. */
static size_t read_lines(str text, struct network *networks)
{
    size_t count = 0;
    while (text.len && count < LINES) {
        str line;
        str_cut(text, '\n', &line, &text);
        line.len =
            str_find(line, '#') < str_find(line, ';') ? str_find(line, '#') : str_find(line, ';');
        if (str_ends(line, STR("\r")))
            line.len--;
        if (network_read(str_trim(line), &networks[count])) {
            filter_network_unmap(&networks[count]);
            count++;
        }
    }
    return count;
}

static struct network edge(const struct network *of, bool last)
{
    struct network address = *of;
    for (unsigned i = of->prefix; i < of->size * 8u; i++) {
        uint8_t bit = (uint8_t)(0x80 >> i % 8);
        address.bytes[i / 8] =
            (uint8_t)(last ? address.bytes[i / 8] | bit : address.bytes[i / 8] & ~bit);
    }
    address.prefix = (uint8_t)(address.size * 8);
    return address;
}

static void step(struct network *address, bool up)
{
    for (size_t i = address->size; i-- > 0;) {
        uint8_t before = address->bytes[i];
        address->bytes[i] = (uint8_t)(up ? before + 1 : before - 1);
        if (before != (up ? 0xff : 0))
            return;
    }
}

static void check(const struct block_list *list, const struct network *networks, size_t count,
                  const struct network *address)
{
    struct block_list_entry entry;
    bool held = false;
    for (size_t i = 0; i < count; i++)
        held = held || network_holds(&networks[i], address);
    must(block_list_find(list, address, &entry) == held);
    must(!held || (network_holds(&entry.network, address) && entry.line > 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct network networks[LINES];
    const struct block_list *list;
    AUTO_ARENA *a = arena_new(1 << 20);
    str text = { (const char *)data, size };
    if (!a || block_list_read(text, STR("list"), a, &list))
        return 0;
    size_t count = read_lines(text, networks);
    for (size_t i = 0; i < count && count < LINES; i++) {
        for (int last = 0; last < 2; last++) {
            struct network address = edge(&networks[i], last);
            check(list, networks, count, &address);
            step(&address, last);
            check(list, networks, count, &address);
        }
    }
    block_list_unref(list);
    return 0;
}
