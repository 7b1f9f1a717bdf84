/* main/memory.h - what malloc keeps of memory that was freed: little, and not for long. */
#ifndef SESAME_MAIN_MEMORY_H
#define SESAME_MAIN_MEMORY_H

#include <stdint.h>

enum { MEMORY_LOOK_SECONDS = 2 };

struct memory_tidying { /* zero value: nothing was tidied yet */
    int64_t last_cpu_ms, tidied_cpu_ms;
    unsigned looks;
};

void memory_begin(void);                   /* before there are threads */
void memory_tidy(struct memory_tidying *); /* every MEMORY_LOOK_SECONDS */

#endif
