/* Folders as the kernel makes them, and as nobody should. */
#include "tests/unit/cmocka_all.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "desk/power.h"
#include "tests/support/folder.h"

static void put(const struct test_folder *folder, const char *supply, const char *name, const char *value) {
    char path[TEST_PATH_MAX], file[128];
    (void)mkdir(test_folder_path(folder, supply, path), 0700);
    (void)snprintf(file, sizeof file, "%s/%s", supply, name);
    test_folder_write(folder, file, value, strlen(value));
}

static void laptops(void **state) {
    (void)state;
    struct test_folder f;
    test_folder_make(&f);
    assert_int_equal(ob_power_read(f.path), OB_POWER_MAINS); /* a machine without any supply to look at */
    put(&f, "AC", "type", "Mains\n");
    put(&f, "AC", "online", "1\n");
    put(&f, "BAT0", "type", "Battery\n");
    put(&f, "BAT0", "status", "Charging\n");
    assert_int_equal(ob_power_read(f.path), OB_POWER_MAINS);
    put(&f, "BAT0", "status", "Discharging\n"); /* more is used than comes in */
    assert_int_equal(ob_power_read(f.path), OB_POWER_MAINS);
    put(&f, "AC", "online", "0\n");
    assert_int_equal(ob_power_read(f.path), OB_POWER_BATTERY);
    put(&f, "ucsi", "type", "USB_PD\n");
    put(&f, "ucsi", "online", "1\n");
    assert_int_equal(ob_power_read(f.path), OB_POWER_MAINS);
    put(&f, "ucsi", "online", "0\n");
    put(&f, "BAT0", "status", "Full\n");
    put(&f, "BAT1", "type", "UPS\n");
    put(&f, "BAT1", "status", "Discharging\n");
    assert_int_equal(ob_power_read(f.path), OB_POWER_BATTERY);
    test_folder_remove(&f);
}

/* A mouse's battery is not the machine's. */
static void devices(void **state) {
    (void)state;
    struct test_folder f;
    test_folder_make(&f);
    put(&f, "hidpp", "type", "Battery\n");
    put(&f, "hidpp", "scope", "Device\n");
    put(&f, "hidpp", "status", "Discharging\n");
    assert_int_equal(ob_power_read(f.path), OB_POWER_MAINS);
    put(&f, "hidpp", "scope", "System\n");
    assert_int_equal(ob_power_read(f.path), OB_POWER_BATTERY);
    test_folder_remove(&f);
}

/* Nothing of it is waited for, and nothing of it is believed. */
static void what_is_no_supply(void **state) {
    (void)state;
    struct test_folder f;
    char path[TEST_PATH_MAX], big[5000];
    assert_int_equal(ob_power_read("/nonexistent"), OB_POWER_UNKNOWN);
    test_folder_make(&f);
    memset(big, 'D', sizeof big - 1);
    big[sizeof big - 1] = 0;
    put(&f, "A", "type", big);
    put(&f, "B", "type", "Battery");
    put(&f, "B", "status", big);
    put(&f, "C", "type", "Battery");
    assert_int_equal(mkfifo(test_folder_path(&f, "C/status", path), 0600), 0);
    put(&f, "D", "type", "");
    put(&f, "D", "status", "Discharging");
    put(&f, "E", "type", "Battery");
    assert_int_equal(mkdir(test_folder_path(&f, "E/status", path), 0700), 0);
    test_folder_write(&f, "F", "Battery", 7);
    assert_int_equal(symlink("G", test_folder_path(&f, "G", path)), 0);
    assert_int_equal(mkfifo(test_folder_path(&f, "H", path), 0600), 0);
    assert_int_equal(ob_power_read(f.path), OB_POWER_MAINS);
    put(&f, "I", "type", "Battery\nx\n");
    put(&f, "I", "status", "Discharging\n");
    assert_int_equal(ob_power_read(f.path), OB_POWER_BATTERY);
    test_folder_remove(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(laptops), cmocka_unit_test(devices),
                                       cmocka_unit_test(what_is_no_supply)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
