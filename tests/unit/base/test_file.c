#include "tests/unit/cmocka_all.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "tests/support/folder.h"
#include "tests/support/progress.h"

static struct test_folder folder;

static int set_up(void **state) {
    (void)state;
    test_folder_make(&folder);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    test_folder_remove(&folder);
    return 0;
}

static void read_gives_all_of_it(void **state) {
    (void)state;
    char path[TEST_PATH_MAX], *data = NULL;
    size_t bytes = 0;
    test_folder_write(&folder, "a", "one\0two", 7);
    assert_int_equal(ob_file_read(test_folder_path(&folder, "a", path), 7, &data, &bytes, NULL), OB_OK);
    assert_int_equal(bytes, 7);
    assert_memory_equal(data, "one\0two", 8); /* and a NUL */
    free(data);
    test_folder_write(&folder, "a", "", 0);
    assert_int_equal(ob_file_read(path, 7, &data, &bytes, NULL), OB_OK);
    assert_int_equal(bytes, 0);
    free(data);
}

static void read_refuses_by_name(void **state) {
    (void)state;
    char path[TEST_PATH_MAX], *data = NULL;
    size_t bytes = 0;
    struct ob_error error = {0};
    assert_int_equal(ob_file_read(test_folder_path(&folder, "none", path), 7, &data, &bytes, &error),
                     OB_ENOTFOUND);
    assert_non_null(strstr(error.text, path));
    test_folder_write(&folder, "a", "12345678", 8);
    assert_int_equal(ob_file_read(test_folder_path(&folder, "a", path), 7, &data, &bytes, &error),
                     OB_ETOOBIG);
    assert_non_null(strstr(error.text, path));
    assert_int_equal(ob_file_read(folder.path, 7, &data, &bytes, &error), OB_EFORMAT);
    assert_int_equal(mkfifo(test_folder_path(&folder, "pipe", path), 0600), 0);
    assert_int_equal(ob_file_read(path, 7, &data, &bytes, &error), OB_EFORMAT); /* and does not wait */
    assert_null(data);
}

static void write_new_keeps_what_exists(void **state) {
    (void)state;
    char path[TEST_PATH_MAX], *data = NULL;
    size_t bytes = 0;
    struct ob_error error = {0};
    struct stat info;
    test_folder_path(&folder, "new", path);
    assert_int_equal(ob_file_write_new(path, "first", 5, 0600, NULL), OB_OK);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_int_equal(ob_file_write_new(path, "second", 6, 0600, &error), OB_EBUSY);
    assert_non_null(strstr(error.text, "already exists"));
    assert_int_equal(ob_file_read(path, 100, &data, &bytes, NULL), OB_OK);
    assert_string_equal(data, "first");
    free(data);
    assert_int_equal(ob_file_write_new("/dev/full", "x", 1, 0600, &error), OB_EBUSY);
}

static void make_folder_takes_a_folder_only(void **state) {
    (void)state;
    char path[TEST_PATH_MAX];
    struct ob_error error = {0};
    test_folder_path(&folder, "inside", path);
    assert_int_equal(ob_file_make_folder(path, 0700, NULL), OB_OK);
    assert_int_equal(ob_file_make_folder(path, 0700, NULL), OB_OK);
    assert_int_equal(ob_file_sync_folder(path, NULL), OB_OK);
    test_folder_write(&folder, "file", "x", 1);
    assert_int_equal(ob_file_make_folder(test_folder_path(&folder, "file", path), 0700, &error), OB_EIO);
    assert_non_null(strstr(error.text, path));
    assert_int_equal(ob_file_sync_folder(path, &error), OB_EIO);
}

static void output_is_there_whole_or_not_at_all(void **state) {
    (void)state;
    char path[TEST_PATH_MAX], part[TEST_PATH_MAX], *data = NULL;
    size_t bytes = 0;
    struct ob_output output;
    test_folder_path(&folder, "out", path);
    test_folder_path(&folder, "out.part", part);
    assert_int_equal(ob_output_open(&output, folder.path, "out", NULL), OB_OK);
    ob_output_write(&output, "abc", 3);
    ob_output_pad(&output, 8);
    assert_true(output.written == 8);
    assert_int_not_equal(access(path, F_OK), 0);
    assert_int_equal(ob_output_close(&output, OB_OK), OB_OK);
    assert_int_equal(ob_file_read(path, 100, &data, &bytes, NULL), OB_OK);
    assert_int_equal(bytes, 8);
    assert_memory_equal(data, "abc\0\0\0\0\0", 8);
    free(data);
    assert_int_equal(ob_output_open(&output, folder.path, "out", NULL), OB_OK);
    ob_output_write(&output, "other", 5);
    assert_int_equal(ob_output_close(&output, OB_EMISMATCH), OB_EMISMATCH); /* the caller's failure */
    assert_int_not_equal(access(part, F_OK), 0);
    data = test_file_read(path, &bytes);
    assert_int_equal(bytes, 8); /* the one before stays */
    free(data);
}

/* It goes to the disk in pieces. */
static void output_of_many_pieces_holds_what_was_written(void **state) {
    (void)state;
    enum { BYTES = 100000007, BLOCK = 1000003 }; /* pieces end within blocks */
    char path[TEST_PATH_MAX], *data = NULL, *block = malloc(BLOCK);
    size_t bytes = 0;
    struct ob_output output;
    assert_non_null(block);
    assert_int_equal(ob_output_open(&output, folder.path, "out", NULL), OB_OK);
    for (size_t at = 0; at < BYTES; at += BLOCK) {
        size_t part = BYTES - at < BLOCK ? BYTES - at : BLOCK;
        for (size_t i = 0; i < part; i++)
            block[i] = (char)((at + i) * 2654435761u >> 13);
        ob_output_write(&output, block, part);
    }
    free(block);
    assert_int_equal(ob_output_close(&output, OB_OK), OB_OK);
    assert_int_equal(ob_file_read(test_folder_path(&folder, "out", path), BYTES, &data, &bytes, NULL), OB_OK);
    assert_int_equal(bytes, BYTES);
    for (size_t i = 0; i < BYTES; i++)
        if (data[i] != (char)(i * 2654435761u >> 13))
            fail_msg("another byte at %zu", i);
    free(data);
}

static void output_tells_how_far_it_is_and_ends_when_asked(void **state) {
    (void)state;
    static const char BLOCK[1 << 20];
    char path[TEST_PATH_MAX], part[TEST_PATH_MAX];
    struct ob_output output;
    struct ob_error error = {0};
    struct test_progress told = {0};
    struct ob_progress_callback progress = {test_progress_tell, &told};
    test_folder_path(&folder, "out", path);
    test_folder_path(&folder, "out.part", part);
    for (int ends = 0; ends < 2; ends++) {
        told = (struct test_progress){.end_at = ends ? "writing" : NULL};
        assert_int_equal(ob_output_open(&output, folder.path, "out", &error), OB_OK);
        output.progress = &progress;
        output.size = 3 * sizeof BLOCK;
        for (int i = 0; i < 3; i++)
            ob_output_write(&output, BLOCK, sizeof BLOCK);
        assert_int_equal(told.calls, ends ? 1 : 3);
        assert_true(told.size == output.size && !told.wrong);
        assert_int_equal(ob_output_close(&output, OB_OK), ends ? OB_ESTATE : OB_OK);
        assert_int_not_equal(access(part, F_OK), 0);
        assert_int_equal(access(path, F_OK), ends ? -1 : 0);
        (void)unlink(path);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(read_gives_all_of_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(read_refuses_by_name, set_up, tear_down),
        cmocka_unit_test_setup_teardown(write_new_keeps_what_exists, set_up, tear_down),
        cmocka_unit_test_setup_teardown(make_folder_takes_a_folder_only, set_up, tear_down),
        cmocka_unit_test_setup_teardown(output_is_there_whole_or_not_at_all, set_up, tear_down),
        cmocka_unit_test_setup_teardown(output_of_many_pieces_holds_what_was_written, set_up, tear_down),
        cmocka_unit_test_setup_teardown(output_tells_how_far_it_is_and_ends_when_asked, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
