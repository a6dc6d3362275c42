#include "daemon/sampling.h"

#define ROWS       8
#define DIRECTIONS 8

static int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

int64_t ob_sampling_round(const struct ob_config *config, const struct ob_manifest *manifest) {
    int64_t round = manifest->bounds.samples_per_round;
    return config->samples_per_round > 0 ? least(config->samples_per_round, round) : round;
}

int64_t ob_sampling_pass(const struct ob_sampling *sampling) {
    return sampling->rows / sampling->rows_per_sample * sampling->directions;
}

struct ob_sampling ob_sampling_of(const struct ob_config *config, const struct ob_manifest *manifest) {
    bool chosen = config->rows > 0, suits_rows = !chosen && manifest->has_basis;
    int64_t round = ob_sampling_round(config, manifest), directions = config->directions_per_row;
    struct ob_sampling sampling = {.rows = config->rows, .rows_per_sample = config->rows_per_sample};
    if (directions == 0)
        directions = suits_rows ? least(DIRECTIONS, round) : 1;
    if (!chosen) {
        int64_t rows = least(ROWS, round / directions);
        sampling.rows = suits_rows ? (rows > 0 ? rows : 1) : config->batch;
        sampling.rows_per_sample = suits_rows ? 1 : config->batch;
    }
    sampling.directions = directions;
    sampling.one_sided =
        config->sides == OB_SIDES_ONE || (config->sides == OB_SIDES_AUTO && suits_rows && directions > 1);
    return sampling;
}
