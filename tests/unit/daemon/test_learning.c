/* What status says of rate and curvature, from the same rule that replay follows. */
#include "tests/unit/cmocka_all.h"

#include <math.h>

#include "daemon/learning.h"

static void rate_is_that_of_replay(void **state) {
    (void)state;
    uint64_t rates[2] = {(uint64_t)1 << 38, (uint64_t)1 << 36}; /* 2^-10, 2^-12 */
    struct ob_manifest manifest = {
        .rule = {
            .combine = OB_SPSA_CAPPED, .s0 = 64, .rounds_per_rate = 10, .rate_count = 2, .rates = rates}};
    struct ob_peer_view peer = {.live = 2};
    struct ob_compute_view work = {0};
    struct ob_learning learning = ob_learning_of(&manifest, &peer, 32, &work);
    assert_true(fabs(learning.rate - 0x1p-10) < 1e-15);
    assert_true(isnan(learning.curvature) && isnan(learning.curvature_error) &&
                isnan(learning.rate_curvature));
    assert_true(isnan(learning.estimate_rms));
    peer.live = 8; /* 256 samples at the same weights, where 64 have the whole rate */
    peer.round.index = 10;
    struct ob_spsa_sides sides = {.plus = 1.5, .minus = 1.25, .centre = 1};
    ob_spsa_curvature_add(&work.curvature, &sides, 0.5, 1);
    learning = ob_learning_of(&manifest, &peer, 32, &work);
    assert_true(fabs(learning.rate - 0x1p-14) < 1e-15);
    assert_true(fabs(learning.curvature - 3) < 1e-12);
    assert_true(fabs(learning.rate_curvature - 3 * 0x1p-14) < 1e-12);
    assert_true(fabs(learning.estimate_rms - 0.25) < 1e-12);
    assert_true(isinf(learning.curvature_error) != 0);
}

static void nobody_lives_before_the_first_round(void **state) {
    (void)state;
    uint64_t rate = (uint64_t)1 << 40;
    struct ob_manifest manifest = {
        .rule = {.combine = OB_SPSA_MEAN, .rounds_per_rate = 1, .rate_count = 1, .rates = &rate}};
    struct ob_peer_view peer = {0};
    struct ob_compute_view work = {0};
    assert_true(fabs(ob_learning_of(&manifest, &peer, 8, &work).rate - 0x1p-8) < 1e-12);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rate_is_that_of_replay),
        cmocka_unit_test(nobody_lives_before_the_first_round),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
