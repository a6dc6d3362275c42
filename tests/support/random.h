/* random - one small generator (splitmix64) for all tests: a seed decides everything that is drawn from it.
 * Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators" (OOPSLA 2014). */
#ifndef OB_TESTS_SUPPORT_RANDOM_H
#define OB_TESTS_SUPPORT_RANDOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct test_random {
    uint64_t state; /* the seed, at first */
};

uint64_t test_random_next(struct test_random *random);
uint64_t test_random_below(struct test_random *random, uint64_t end); /* in [0, end) */
double test_random_unit(struct test_random *random);                  /* in [0, 1), 53 bits */
bool test_random_chance(struct test_random *random, double probability);
void test_random_fill(struct test_random *random, void *ret_data, size_t bytes);

#endif
