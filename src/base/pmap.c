/* base/pmap.c - a treap, heap-ordered by a hash of the key and search-ordered by the key itself.
 *
 * Nodes never change once they are linked; a change copies the nodes from the root down to its
 * place and takes a reference on every subtree it leaves alone. Each function below that returns a
 * node returns one reference, and takes over the references of the nodes it is given where its
 * comment says so. */
#include "base/pmap.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

struct entry { /* key and value, shared by all nodes that ever stood for it */
    atomic_size_t refs;
    const struct pmap_values *values;
    const void *value;
    uint64_t priority;
    size_t key_len;
    char key[];
};

struct node {
    atomic_size_t refs;
    struct entry *entry;
    struct node *left, *right;
};

struct pmap {
    atomic_size_t refs;
    const struct pmap_values *values;
    uint64_t seed;
    size_t size;
    struct node *root;
};

struct change { /* one put or remove on its way down */
    bool failed, found;
};

static str key_of(const struct entry *e)
{
    return (str) { e->key, e->key_len };
}

/* FNV-1a over the bytes, begun at the seed, then stirred as murmur3 does at its end. */
static uint64_t priority_of(str key, uint64_t seed)
{
    uint64_t h = 0xCBF29CE484222325u ^ seed;
    for (size_t i = 0; i < key.len; i++)
        h = (h ^ (unsigned char)key.ptr[i]) * 0x100000001B3u;
    h = (h ^ h >> 33) * 0xFF51AFD7ED558CCDu;
    h = (h ^ h >> 33) * 0xC4CEB9FE1A85EC53u;
    return h ^ h >> 33;
}

static struct entry *entry_new(const struct pmap *map, str key, const void *value)
{
    struct entry *e = key.len < SIZE_MAX - sizeof(*e) ? malloc(sizeof(*e) + key.len) : NULL;
    if (!e)
        return NULL;
    *e = (struct entry) { .refs = 1,
                          .values = map->values,
                          .value = value,
                          .priority = priority_of(key, map->seed),
                          .key_len = key.len };
    if (key.len)
        memcpy(e->key, key.ptr, key.len);
    if (e->values->retain)
        e->values->retain(value);
    return e;
}

static struct entry *entry_ref(struct entry *e)
{
    atomic_fetch_add_explicit(&e->refs, 1, memory_order_relaxed);
    return e;
}

static bool last_holder(atomic_size_t *refs)
{
    size_t before = atomic_fetch_sub_explicit(refs, 1, memory_order_acq_rel);
    assert(before > 0 && "a reference was given back twice");
    return before == 1;
}

static void entry_unref(struct entry *e)
{
    if (!last_holder(&e->refs))
        return;
    if (e->values->release)
        e->values->release(e->value);
    free(e);
}

static struct node *node_ref(struct node *n)
{
    if (n)
        atomic_fetch_add_explicit(&n->refs, 1, memory_order_relaxed);
    return n;
}

/* As deep as the tree, which is about twice the logarithm of its size. */
static void node_unref(struct node *n)
{
    if (!n || !last_holder(&n->refs))
        return;
    entry_unref(n->entry);
    node_unref(n->left);
    node_unref(n->right);
    free(n);
}

/* Takes over left and right; references the entry. */
static struct node *node_new(struct change *c, struct entry *e, struct node *left,
                             struct node *right)
{
    struct node *n = malloc(sizeof(*n));
    if (!n) {
        c->failed = true;
        node_unref(left);
        node_unref(right);
        return NULL;
    }
    *n = (struct node) { .refs = 1, .entry = entry_ref(e), .left = left, .right = right };
    return n;
}

static bool above(const struct entry *a, const struct entry *b)
{
    return a->priority != b->priority ? a->priority > b->priority
                                      : str_cmp(key_of(a), key_of(b)) < 0;
}

/* n apart at a key it does not hold: what is smaller, what is greater. Leaves n to its holder. */
static void split(struct change *c, const struct node *n, str key, struct node **ret_less,
                  struct node **ret_more)
{
    struct node *inner = NULL;
    if (!n) {
        *ret_less = *ret_more = NULL;
    } else if (str_cmp(key_of(n->entry), key) < 0) {
        split(c, n->right, key, &inner, ret_more);
        *ret_less = node_new(c, n->entry, node_ref(n->left), inner);
    } else {
        split(c, n->left, key, ret_less, &inner);
        *ret_more = node_new(c, n->entry, inner, node_ref(n->right));
    }
}

/* All of a is smaller than all of b. Leaves both to their holders. */
static struct node *merge(struct change *c, struct node *a, struct node *b)
{
    if (!a || !b)
        return node_ref(a ? a : b);
    if (above(a->entry, b->entry))
        return node_new(c, a->entry, node_ref(a->left), merge(c, a->right, b));
    return node_new(c, b->entry, merge(c, a, b->left), node_ref(b->right));
}

static struct node *put(struct change *c, const struct node *n, struct entry *e)
{
    int order = n ? str_cmp(key_of(e), key_of(n->entry)) : 0;
    if (n && order == 0) {
        c->found = true;
        return node_new(c, e, node_ref(n->left), node_ref(n->right));
    }
    if (!n ||
        above(e, n->entry)) { /* the same key would have the same priority: it is not below n */
        struct node *less = NULL, *more = NULL;
        split(c, n, key_of(e), &less, &more);
        return node_new(c, e, less, more);
    }
    if (order < 0)
        return node_new(c, n->entry, put(c, n->left, e), node_ref(n->right));
    return node_new(c, n->entry, node_ref(n->left), put(c, n->right, e));
}

static struct node *take_out(struct change *c, const struct node *n, str key)
{
    int order = str_cmp(key, key_of(n->entry)); /* the caller knows that the key is there */
    if (order == 0)
        return merge(c, n->left, n->right);
    if (order < 0)
        return node_new(c, n->entry, take_out(c, n->left, key), node_ref(n->right));
    return node_new(c, n->entry, node_ref(n->left), take_out(c, n->right, key));
}

struct pmap *pmap_new(const struct pmap_values *values, uint64_t seed)
{
    struct pmap *map = malloc(sizeof(*map));
    if (map)
        *map = (struct pmap) { .refs = 1, .values = values, .seed = seed };
    return map;
}

struct pmap *pmap_ref(const struct pmap *map)
{
    struct pmap *same = (struct pmap *)map; /* only the count changes */
    atomic_fetch_add_explicit(&same->refs, 1, memory_order_relaxed);
    return same;
}

void pmap_unref(const struct pmap *map)
{
    struct pmap *same = (struct pmap *)map;
    if (!same || !last_holder(&same->refs))
        return;
    node_unref(same->root);
    free(same);
}

/* Takes over root, also when it fails. */
static struct pmap *changed(const struct pmap *map, const struct change *c, struct node *root,
                            size_t size)
{
    struct pmap *made = c->failed ? NULL : pmap_new(map->values, map->seed);
    if (!made) {
        node_unref(root);
        return NULL;
    }
    made->root = root;
    made->size = size;
    return made;
}

struct pmap *pmap_put(const struct pmap *map, str key, const void *value)
{
    struct change c = { 0 };
    struct entry *e = entry_new(map, key, value);
    if (!e)
        return NULL;
    struct node *root = put(&c, map->root, e);
    struct pmap *made = changed(map, &c, root, map->size + !c.found);
    entry_unref(e);
    return made;
}

static const struct node *find(const struct pmap *map, str key)
{
    const struct node *n = map->root;
    while (n) {
        int order = str_cmp(key, key_of(n->entry));
        if (order == 0)
            break;
        n = order < 0 ? n->left : n->right;
    }
    return n;
}

struct pmap *pmap_remove(const struct pmap *map, str key)
{
    struct change c = { 0 };
    if (!find(map, key))
        return pmap_ref(map);
    struct node *root = take_out(&c, map->root, key);
    return changed(map, &c, root, map->size - 1);
}

size_t pmap_size(const struct pmap *map)
{
    return map->size;
}

const void *pmap_find(const struct pmap *map, str key)
{
    const struct node *n = find(map, key);
    return n ? n->entry->value : NULL;
}

bool pmap_next(const struct pmap *map, str prefix, str after, str *ret_key, const void **ret_value)
{
    const struct entry *best = NULL; /* the smallest so far that is great enough */
    for (const struct node *n = map->root; n;) {
        str key = key_of(n->entry);
        bool enough = str_cmp(key, prefix) >= 0 && (str_is_none(after) || str_cmp(key, after) > 0);
        if (enough)
            best = n->entry;
        n = enough ? n->left : n->right;
    }
    if (!best || !str_starts(key_of(best), prefix))
        return false;
    *ret_key = key_of(best);
    if (ret_value)
        *ret_value = best->value;
    return true;
}
