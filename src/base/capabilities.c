/* base/capabilities.c - capget, capset, and the bounding set. */
#include "base/capabilities.h"

#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Those of a number from 0 to 63: _LINUX_CAPABILITY_U32S_3 words of 32. */
struct words {
    struct __user_cap_data_struct each[_LINUX_CAPABILITY_U32S_3];
};

static struct __user_cap_header_struct own_thread(void)
{
    return (struct __user_cap_header_struct) { .version = _LINUX_CAPABILITY_VERSION_3 };
}

static bool get(struct words *w)
{
    struct __user_cap_header_struct head = own_thread();
    return syscall(SYS_capget, &head, w->each) == 0;
}

bool capabilities_keep(uint64_t kept)
{
    struct __user_cap_header_struct head = own_thread();
    struct words w;
    bool well = true;
    if (geteuid() != 0)
        return true;
    for (int n = 0; n <= CAP_LAST_CAP; n++) {
        if (!(kept & CAPABILITY(n)) && prctl(PR_CAPBSET_READ, n, 0, 0, 0) == 1)
            well = prctl(PR_CAPBSET_DROP, n, 0, 0, 0) == 0 && well;
    }
    if (!get(&w))
        return false;
    for (int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
        w.each[i].permitted &= (uint32_t)(kept >> 32 * i);
        w.each[i].effective &= (uint32_t)(kept >> 32 * i);
        w.each[i].inheritable = 0;
    }
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    return syscall(SYS_capset, &head, w.each) == 0 && well;
}

bool capabilities_left(uint64_t *ret_left)
{
    struct words w;
    if (!get(&w))
        return false;
    *ret_left = w.each[0].permitted | (uint64_t)w.each[1].permitted << 32;
    return true;
}
