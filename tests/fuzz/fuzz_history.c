/* fuzz_history - any bytes as history.sqlite: reading either refuses with a text or gives rows, frontiers and events within their
 * bounds; opening for writing never fails, and what is added to it is there when it is opened again. */
#include <assert.h>
#include <math.h>
#include <stdint.h>

#include "history/health.h"
#include "tests/support/folder.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static const struct ob_run_id RUN = {{{1}}};

static void look(const struct ob_history *history) {
    struct ob_health_facts facts = {.loss_finite = true, .since_round_s = NAN};
    struct ob_health health;
    double curve[32];
    size_t ends;
    assert(ob_history_row_count(history) <= OB_HISTORY_LEVELS * (OB_HISTORY_ROWS + 1));
    for (size_t i = 0; i < ob_history_row_count(history); i++)
        assert(ob_history_row_plausible(ob_history_row_at(history, i)));
    for (size_t i = 0; i < ob_history_frontier_count(history); i++) {
        const struct ob_history_frontier *frontier = ob_history_frontier_at(history, i);
        assert(frontier->score.items == 0 || ob_score_plausible(&frontier->score));
        (void)ob_history_ends(history, frontier->round, &ends);
        assert(ends <= OB_HISTORY_ENDS_ALL);
    }
    ob_health_of(history, &facts, &health);
    ob_health_curve(history, curve, 32);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    struct test_folder folder;
    struct ob_history *history = NULL;
    struct ob_error warning = {0}, error = {0};
    struct ob_history_row row = {
        .round = 7, .rounds = 1, .samples = 1, .loss = 2, .loss_square = 4, .lr = NAN};
    test_folder_make(&folder);
    test_folder_write(&folder, OB_HISTORY_FILE, data, bytes);
    if (ob_history_read(folder.path, &RUN, &history, &error) == OB_OK)
        look(history);
    else
        assert(history == NULL && error.text[0] != 0);
    ob_history_close(history);
    enum ob_err failed = ob_history_open(folder.path, &RUN, &history, &warning, &error);
    assert(!failed);
    look(history);
    size_t rows = ob_history_row_count(history);
    ob_history_add_row(history, &row);
    ob_history_close(history);
    failed = ob_history_open(folder.path, &RUN, &history, &warning, &error);
    assert(!failed && ob_history_row_count(history) >= rows);
    ob_history_close(history);
    test_folder_remove(&folder);
    (void)failed;
    return 0;
}
