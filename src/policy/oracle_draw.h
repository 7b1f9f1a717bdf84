/* policy/oracle_draw.h - random policies and requests, near-misses above all.
 *
 * The same seed and number give the same case on every machine: the generator is our own. */
#ifndef SESAME_POLICY_ORACLE_DRAW_H
#define SESAME_POLICY_ORACLE_DRAW_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

/* A vector without its answer: {"id","class","request","policies"}; the caller's to decref. */
json_t *oracle_draw(uint64_t seed, uint64_t number);
/* The bytes throw the dice: for a fuzzer. */
json_t *oracle_draw_from(const uint8_t *bytes, size_t len);

#endif
