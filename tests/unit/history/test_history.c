#include "tests/unit/cmocka_all.h"

#include <math.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "history/history.h"
#include "tests/support/folder.h"

static const struct ob_run_id RUN = {{{1, 2, 3}}}, OTHER_RUN = {{{4}}};

static struct ob_history_row row_of(uint32_t round) {
    return (struct ob_history_row){.time_ms = 1000000 + 100ull * round,
                                   .round = round,
                                   .rounds = 1,
                                   .seconds = 0.1,
                                   .samples = 4,
                                   .loss = 3 - 1e-7 * round,
                                   .loss_square = (3 - 1e-7 * round) * (3 - 1e-7 * round),
                                   .lr = 1e-4,
                                   .machines = 2,
                                   .swarm_loss = NAN,
                                   .swarm_rate = 80,
                                   .curvature = NAN,
                                   .bytes = 8,
                                   .saturated = round % 2,
                                   .abstained = 0,
                                   .size = -3,
                                   .replay = 0.25,
                                   .sent_rate = 40,
                                   .received_rate = NAN};
}

static void execute(const char *folder, const char *sql);

static struct ob_history *open_history(const char *folder, char warning[OB_ERROR_TEXT_MAX]) {
    struct ob_history *history = NULL;
    struct ob_error warned = {0}, error = {0};
    assert_int_equal(ob_history_open(folder, &RUN, &history, &warned, &error), OB_OK);
    if (warning)
        memcpy(warning, warned.text, OB_ERROR_TEXT_MAX);
    else
        assert_string_equal(warned.text, "");
    return history;
}

static void assert_rows(const struct ob_history *history, uint32_t rounds) {
    uint64_t all = 0, samples = 0, bytes = 0;
    uint32_t before = 0;
    for (size_t i = 0; i < ob_history_row_count(history); i++) {
        const struct ob_history_row *row = ob_history_row_at(history, i);
        assert_true(i == 0 || row->round > before);
        before = row->round;
        all += row->rounds;
        samples += row->samples;
        bytes += row->bytes;
    }
    assert_int_equal(all, rounds);
    assert_int_equal(samples, 4 * (uint64_t)rounds);
    assert_int_equal(bytes, 8 * (uint64_t)rounds);
    assert_int_equal(before, rounds - 1);
}

static uint64_t bytes_of(const char *folder, const char *end) {
    char path[512];
    struct stat info;
    (void)snprintf(path, sizeof path, "%s/" OB_HISTORY_FILE "%s", folder, end);
    return stat(path, &info) == 0 ? (uint64_t)info.st_size : 0;
}

/* A round, once in 640 a frontier, once in 180 an event. */
static void add_round(struct ob_history *history, uint32_t round) {
    struct ob_history_row row = row_of(round);
    ob_history_add_row(history, &row);
    if (round % 640 == 0) {
        struct ob_history_frontier frontier = {.round = round, .time_ms = round, .machines = 1};
        ob_score_item(&frontier.score, 3 + 1e-6 * fabs((double)round - 9e5), 1);
        struct ob_history_end end = {{{7}}, round};
        ob_history_put_frontier(history, &frontier, &end, 1);
    }
    if (round % 180 == 0) {
        struct ob_history_event event = {.time_ms = round, .kind = "joined", .machine = "x", .text = "y"};
        ob_history_add_event(history, &event);
    }
}

/* A week at three rounds a second: nothing is lost from the sums; file, what SQLite keeps beside it, memory and reading stay small,
 * all the time. */
static void week_is_kept_in_a_bounded_file(void **state) {
    const char *folder = *state;
    const uint32_t rounds = 3 * 7 * 86400;
    struct ob_history *history = open_history(folder, NULL);
    uint64_t largest = 0, largest_wal = 0;
    for (uint32_t round = 0; round < rounds; round++) {
        add_round(history, round);
        if (round % 240 != 0)
            continue;
        assert_true(ob_history_flush(history, NULL));
        uint64_t bytes = bytes_of(folder, ""), wal = bytes_of(folder, "-wal");
        largest = bytes > largest ? bytes : largest;
        largest_wal = wal > largest_wal ? wal : largest_wal;
    }
    assert_true(ob_history_row_count(history) <= 16 * (OB_HISTORY_ROWS + 1));
    assert_rows(history, rounds);
    const struct ob_history_row *newest = ob_history_row_at(history, ob_history_row_count(history) - 1);
    assert_int_equal(newest->rounds, 1);
    assert_float_equal(ob_history_row_at(history, 0)->loss, 3, 1e-3);
    ob_history_close(history);
    assert_in_range(largest, 1, 2 << 20);
    assert_in_range(largest_wal, 1, 8 << 20);
    assert_in_range(bytes_of(folder, ""), 1, 2 << 20);

    uint64_t start_ns = ob_now_ns();
    history = open_history(folder, NULL);
    print_message("%u rounds: %zu rows; file at most %llu kB, beside it %llu kB; read in %.1f ms\n", rounds,
                  ob_history_row_count(history), (unsigned long long)largest / 1000,
                  (unsigned long long)largest_wal / 1000, 1e-6 * (double)(ob_now_ns() - start_ns));
    assert_rows(history, rounds);
    assert_true(ob_history_frontier_count(history) <= OB_HISTORY_FRONTIERS);
    assert_true(ob_history_event_count(history) == OB_HISTORY_EVENTS);
    size_t ends = 0;
    assert_in_range(ob_history_best(history)->round, 897000, 903000);
    assert_non_null(ob_history_ends(history, ob_history_best(history)->round, &ends));
    assert_int_equal(ends, 1);
    assert_int_equal(ob_history_frontier_at(history, 0)->round, 0);
    ob_history_close(history);
}

/* Rows `first` to `last` of one level. */
static void assert_tail(struct ob_history_tail *tail, const char *folder, uint32_t first, uint32_t last) {
    struct ob_history *seen = NULL;
    struct ob_error error = {0};
    assert_int_equal(ob_history_tail_read(tail, folder, 8, &seen, &error), OB_OK);
    assert_int_equal(ob_history_row_count(seen), last - first + 1);
    for (uint32_t i = 0; i <= last - first; i++)
        assert_int_equal(ob_history_row_at(seen, i)->round, first + i);
    ob_history_close(seen);
}

static void tail_has_the_newest_rows_of_what_stands_there(void **state) {
    const char *folder = *state;
    struct ob_history_tail tail = {0};
    struct ob_history *history = NULL;
    struct ob_error error = {0};
    char path[512], other[512];
    (void)snprintf(path, sizeof path, "%s/" OB_HISTORY_FILE, folder);
    (void)snprintf(other, sizeof other, "%s/other", folder);
    assert_int_equal(ob_history_tail_read(&tail, folder, 8, &history, &error), OB_ENOTFOUND);
    history = open_history(folder, NULL);
    for (uint32_t round = 0; round < 2000; round++) {
        struct ob_history_row row = row_of(round);
        ob_history_add_row(history, &row);
        if (round == 4 || round >= 1990) {
            assert_true(ob_history_flush(history, NULL));
            assert_tail(&tail, folder, round >= 8 ? round - 7 : 0, round);
        }
    }
    ob_history_close(history);
    assert_int_equal(rename(path, other), 0); /* another one takes its place */
    history = open_history(folder, NULL);
    struct ob_history_row row = row_of(7);
    ob_history_add_row(history, &row);
    assert_true(ob_history_flush(history, NULL));
    assert_tail(&tail, folder, 7, 7);
    ob_history_close(history);
    execute(folder, "UPDATE round SET lr = 2");
    struct ob_history *seen = NULL;
    assert_int_equal(ob_history_tail_read(&tail, folder, 8, &seen, &error), OB_EFORMAT);
    assert_null(tail.file);
    execute(folder, "UPDATE round SET lr = 0.5");
    assert_tail(&tail, folder, 7, 7);
    ob_history_tail_close(&tail);
}

static void what_was_flushed_survives_a_kill(void **state) {
    const char *folder = *state;
    pid_t child = fork();
    if (child == 0) {
        struct ob_history *history = open_history(folder, NULL);
        for (uint32_t round = 0; round < 1000; round++) {
            struct ob_history_row row = row_of(round);
            ob_history_add_row(history, &row);
        }
        (void)ob_history_flush(history, NULL);
        (void)raise(SIGKILL);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    struct ob_history *history = open_history(folder, NULL);
    assert_rows(history, 1000);
    ob_history_close(history);
}

static void write_history(const char *folder) {
    struct ob_history *history = open_history(folder, NULL);
    struct ob_history_row row = row_of(0);
    ob_history_add_row(history, &row);
    ob_history_close(history);
}

static void path_of(const char *folder, const char *end, char path[512]) {
    (void)snprintf(path, 512, "%s/" OB_HISTORY_FILE "%s", folder, end);
}

static void execute(const char *folder, const char *sql) {
    char path[512];
    sqlite3 *db;
    path_of(folder, "", path);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void assert_begun_anew(const char *folder, const char *warning_has) {
    char warning[OB_ERROR_TEXT_MAX], path[512];
    struct ob_history *history = NULL;
    struct ob_error error = {0};
    assert_int_not_equal(ob_history_read(folder, &RUN, &history, &error), OB_OK);
    history = open_history(folder, warning);
    assert_non_null(strstr(warning, warning_has));
    assert_non_null(strstr(warning, "renamed"));
    assert_int_equal(ob_history_row_count(history), 0);
    struct ob_history_row row = row_of(5);
    ob_history_add_row(history, &row);
    ob_history_close(history);
    path_of(folder, ".old", path);
    assert_int_equal(access(path, F_OK), 0);
    history = open_history(folder, NULL);
    assert_int_equal(ob_history_row_count(history), 1);
    ob_history_close(history);
    assert_int_equal(ob_history_read(folder, &RUN, &history, &error), OB_OK);
    assert_int_equal(ob_history_row_count(history), 1);
    ob_history_close(history);
}

/* Each file is renamed and begun anew; the run goes on. */
static void what_cannot_be_a_history_is_set_aside(void **state) {
    static const struct {
        const char *sql, *says;
    } CASES[] = {
        {"UPDATE meta SET value = '3' WHERE key = 'schema'", "schema"},
        {"DELETE FROM meta", "schema"},
        {"DROP TABLE round; CREATE TABLE round(id INTEGER PRIMARY KEY)", "damaged"},
        {"UPDATE round SET loss = 'three'", "damaged"},
        {"UPDATE round SET level = 24", "damaged"},
        {"UPDATE round SET level = -1", "damaged"},
        {"UPDATE round SET lr = 2", "damaged"},
        {"UPDATE round SET saturated = 9", "damaged"},
        {"UPDATE round SET replay = 1.5", "damaged"},
        {"UPDATE round SET sent_rate = -1", "damaged"},
        {"UPDATE meta SET value = '1' WHERE key = 'schema'", "damaged"}, /* with columns that 1 has not */
        {"INSERT INTO round SELECT id + 1, time_ms, round, rounds, level + 1, seconds, samples, loss, "
         "loss_square, lr, "
         "machines, swarm_loss, swarm_rate, curvature, bytes, saturated, abstained, size, replay, sent_rate, "
         "received_rate FROM round",
         "damaged"},
        {"INSERT INTO frontier VALUES (1, 1, 'x', 'y', 0, 0, 0, 0, 0, 0, 0, 0, 0, NULL)", "damaged"},
        {"INSERT INTO frontier VALUES (1, 1, zeroblob(32), zeroblob(32), 5, 4, 0, 0, 0, 0, 0, 0, 0, NULL)",
         "damaged"},
        {"INSERT INTO frontier VALUES (1, 1, zeroblob(32), zeroblob(32), 0, 0, 0, 0, 0, 0, 0, 0, 0, "
         "zeroblob(41))",
         "damaged"},
        {"INSERT INTO event VALUES (9, 1, 'a kind that is much too long for one', '', '')", "damaged"},
        {"DROP TABLE event; CREATE VIEW event AS SELECT 1, 2, 3, 4, 5", "damaged"},
    };
    const char *folder = *state;
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        char path[512];
        write_history(folder);
        execute(folder, CASES[i].sql);
        assert_begun_anew(folder, CASES[i].says);
        path_of(folder, "", path);
        assert_int_equal(unlink(path), 0);
    }
}

/* It is read as it is; a daemon adds what it lacks, and keeps what is there. */
static void history_of_schema_1_goes_on(void **state) {
    const char *folder = *state;
    struct ob_history *history = NULL;
    struct ob_error error = {0};
    write_history(folder);
    execute(folder, "ALTER TABLE round DROP COLUMN replay; ALTER TABLE round DROP COLUMN sent_rate;"
                    "ALTER TABLE round DROP COLUMN received_rate;"
                    "UPDATE meta SET value = CAST('1' AS BLOB) WHERE key = 'schema'");
    assert_int_equal(ob_history_read(folder, &RUN, &history, &error), OB_OK);
    assert_int_equal(ob_history_row_count(history), 1);
    assert_true(isnan(ob_history_row_at(history, 0)->replay));
    assert_float_equal(ob_history_row_at(history, 0)->size, -3, 0);
    ob_history_close(history);
    history = open_history(folder, NULL);
    struct ob_history_row row = row_of(1);
    ob_history_add_row(history, &row);
    ob_history_close(history);
    assert_int_equal(ob_history_read(folder, &RUN, &history, &error), OB_OK);
    assert_rows(history, 2);
    assert_true(isnan(ob_history_row_at(history, 0)->sent_rate));
    assert_float_equal(ob_history_row_at(history, 1)->replay, 0.25, 0);
    assert_float_equal(ob_history_row_at(history, 1)->sent_rate, 40, 0);
    assert_true(isnan(ob_history_row_at(history, 1)->received_rate));
    ob_history_close(history);
}

static void file_that_is_no_database_is_set_aside(void **state) {
    const char *folder = *state;
    char path[512];
    path_of(folder, "", path);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (int i = 0; i < 5000; i++)
        (void)fputs("this is no history ", file);
    (void)fclose(file);
    assert_begun_anew(folder, "damaged");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0); /* must not block */
    assert_begun_anew(folder, "is no file");
}

static void history_of_another_run_is_set_aside(void **state) {
    const char *folder = *state;
    struct ob_history *history = NULL;
    struct ob_error warned = {0}, error = {0};
    assert_int_equal(ob_history_open(folder, &OTHER_RUN, &history, &warned, &error), OB_OK);
    ob_history_close(history);
    assert_int_equal(ob_history_read(folder, &RUN, &history, &error), OB_EMISMATCH);
    assert_begun_anew(folder, "another run");
}

static void without_a_file_it_is_kept_in_memory_and_written_later(void **state) {
    const char *folder = *state;
    char path[512], warning[OB_ERROR_TEXT_MAX], inner[600];
    path_of(folder, "", path);
    assert_int_equal(mkdir(path, 0700), 0);
    path_of(folder, ".old", path);
    assert_int_equal(mkdir(path, 0700), 0);
    (void)snprintf(inner, sizeof inner, "%s/x", path);
    assert_int_equal(mkdir(inner, 0700), 0); /* neither may be renamed over */
    struct ob_history *history = open_history(folder, warning);
    assert_non_null(strstr(warning, "in memory only"));
    for (uint32_t round = 0; round < 700; round++) {
        struct ob_history_row row = row_of(round);
        ob_history_add_row(history, &row);
    }
    struct ob_error error = {0};
    assert_false(ob_history_flush(history, &error));
    assert_string_equal(error.text, ""); /* it was said already */
    assert_rows(history, 700);
    path_of(folder, "", path);
    assert_int_equal(rmdir(path), 0);
    ob_history_close(history); /* tries again */
    history = open_history(folder, NULL);
    assert_rows(history, 700);
    ob_history_close(history);
}

static void best_is_the_lowest_of_many_machines(void **state) {
    const char *folder = *state;
    struct ob_history *history = open_history(folder, NULL);
    assert_null(ob_history_best(history));
    static const struct {
        uint32_t round, machines;
        double loss;
    } POINTS[] = {{64, 4, 3.0}, {128, 4, 2.5}, {192, 1, 2.0}, {256, 4, 2.7}, {320, 0, 0}};
    for (size_t i = 0; i < sizeof POINTS / sizeof *POINTS; i++) {
        struct ob_history_frontier frontier = {.round = POINTS[i].round, .machines = POINTS[i].machines};
        if (POINTS[i].machines > 0)
            ob_score_item(&frontier.score, POINTS[i].loss, 1);
        ob_history_put_frontier(history, &frontier, NULL, 0);
    }
    assert_int_equal(ob_history_best(history)->round, 128);
    ob_history_forget_above(history, 127);
    assert_int_equal(ob_history_best(history)->round, 64);
    assert_int_equal(ob_history_frontier_count(history), 1);
    ob_history_close(history);
}

static void deviation_of_merged_rounds_is_that_of_their_losses(void **state) {
    (void)state;
    struct ob_history_row a = row_of(0), b = row_of(1);
    a.loss = 2;
    a.loss_square = 4;
    b.loss = 4;
    b.loss_square = 16;
    assert_true(isnan(ob_history_row_deviation(&a)));
    ob_history_row_merge(&a, &b);
    assert_float_equal(a.loss, 3, 1e-12);
    assert_float_equal(ob_history_row_deviation(&a), sqrt(2), 1e-9);
    assert_true(isnan(a.swarm_loss));
    assert_float_equal(a.replay, 0.25, 1e-12);
    assert_true(isnan(a.received_rate));
    assert_int_equal(a.rounds, 2);
    assert_int_equal(a.level, 1);
}

static int make_folder(void **state) {
    static struct test_folder folder;
    test_folder_make(&folder);
    *state = folder.path;
    return 0;
}
static int remove_folder(void **state) {
    test_remove(*state);
    return 0;
}

int main(void) {
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        IN_FOLDER(week_is_kept_in_a_bounded_file),
        IN_FOLDER(tail_has_the_newest_rows_of_what_stands_there),
        IN_FOLDER(what_was_flushed_survives_a_kill),
        IN_FOLDER(what_cannot_be_a_history_is_set_aside),
        IN_FOLDER(history_of_schema_1_goes_on),
        IN_FOLDER(file_that_is_no_database_is_set_aside),
        IN_FOLDER(history_of_another_run_is_set_aside),
        IN_FOLDER(without_a_file_it_is_kept_in_memory_and_written_later),
        IN_FOLDER(best_is_the_lowest_of_many_machines),
        cmocka_unit_test(deviation_of_merged_rounds_is_that_of_their_losses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
