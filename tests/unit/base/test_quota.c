#include "tests/unit/cmocka_all.h"

#include <sys/stat.h>

#include "base/pool.h"
#include "base/quota.h"
#include "tests/support/folder.h"

static struct test_folder folder;

static int make(void **state) {
    (void)state;
    char path[TEST_PATH_MAX];
    test_folder_make(&folder);
    static const char *const NAMES[] = {"a", "a/b", "cpu", "cpu/x", "cpu,cpuacct"};
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
        assert_int_equal(mkdir(test_folder_path(&folder, NAMES[i], path), 0700), 0);
    return 0;
}

static int clear(void **state) {
    (void)state;
    test_folder_remove(&folder);
    return 0;
}

static unsigned quota(const char *groups) {
    char path[TEST_PATH_MAX];
    test_folder_print(&folder, "groups", "%s", groups);
    return ob_quota_processors(test_folder_path(&folder, "groups", path), folder.path);
}

static void write_file(const char *name, const char *text) {
    test_folder_print(&folder, name, "%s", text);
}

static void the_lowest_of_a_group_and_those_above(void **state) {
    (void)state;
    assert_int_equal(quota("0::/a/b\n"), 0);
    write_file("a/b/cpu.max", "max 100000\n");
    assert_int_equal(quota("0::/a/b\n"), 0);
    write_file("a/b/cpu.max", "400000 100000\n");
    assert_int_equal(quota("0::/a/b\n"), 4);
    write_file("a/cpu.max", "150000 100000\n"); /* one and a half: two threads use it up */
    assert_int_equal(quota("0::/a/b\n"), 2);
    write_file("cpu.max", "50000 100000\n"); /* a container sees its own group as the root */
    assert_int_equal(quota("0::/a/b\n"), 1);
    assert_int_equal(quota("0::/\n"), 1);
    assert_int_equal(quota("0::/../../other\n"), 1);
}

static void the_older_hierarchy(void **state) {
    (void)state;
    write_file("cpu/x/cpu.cfs_quota_us", "-1\n");
    write_file("cpu/x/cpu.cfs_period_us", "100000\n");
    assert_int_equal(quota("3:cpu:/x\n2:cpuacct:/y\n"), 0);
    write_file("cpu/x/cpu.cfs_quota_us", "300000\n");
    assert_int_equal(quota("3:cpu:/x\n2:cpuacct:/y\n"), 3);
    assert_int_equal(quota("3:cpuacct,cpu:/x\n"), 3);
    assert_int_equal(quota("3:cpuset:/x\n"), 0);
    write_file("cpu,cpuacct/cpu.cfs_quota_us", "200000\n");
    write_file("cpu,cpuacct/cpu.cfs_period_us", "100000\n");
    assert_int_equal(quota("3:cpu,cpuacct:/docker/0123\n"), 2);
}

static void what_is_not_understood_limits_nothing(void **state) {
    (void)state;
    assert_int_equal(ob_quota_processors("/nowhere/cgroup", folder.path), 0);
    static const char *const BAD[] = {"", "\n", "0", "0:", "0::", ":::::", "0::/nowhere\n", "x:cpu\n"};
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++)
        assert_int_equal(quota(BAD[i]), 0);
    static const char *const VALUES[] = {
        "", "0 0\n", "-5 100000\n", "100000\n", "100000 0\n", "x y\n", "999999999999999999999 1\n"};
    for (size_t i = 0; i < sizeof VALUES / sizeof *VALUES; i++) {
        write_file("cpu.max", VALUES[i]);
        assert_int_equal(quota("0::/\n"), 0);
    }
}

static void threads_are_at_least_one(void **state) {
    (void)state;
    assert_in_range(ob_processors(), 1, OB_POOL_THREADS_MAX);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_lowest_of_a_group_and_those_above, make, clear),
        cmocka_unit_test_setup_teardown(the_older_hierarchy, make, clear),
        cmocka_unit_test_setup_teardown(what_is_not_understood_limits_nothing, make, clear),
        cmocka_unit_test(threads_are_at_least_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
