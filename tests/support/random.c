#include "tests/support/random.h"

uint64_t test_random_next(struct test_random *random) {
    uint64_t z = (random->state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint64_t test_random_below(struct test_random *random, uint64_t end) {
    return test_random_next(random) % end;
}

double test_random_unit(struct test_random *random) {
    return (double)(test_random_next(random) >> 11) * 0x1p-53;
}

bool test_random_chance(struct test_random *random, double probability) {
    return test_random_unit(random) < probability;
}

void test_random_fill(struct test_random *random, void *ret_data, size_t bytes) {
    uint8_t *to = ret_data;
    for (size_t i = 0; i < bytes; i++)
        to[i] = (uint8_t)test_random_next(random);
}
