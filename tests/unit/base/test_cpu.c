#include <stdio.h>
#include <string.h>

#include "base/cpu.h"
#include "tests/unit/cmocka_all.h"

static void test_nothing_is_always_there(void **state) {
    (void)state;
    assert_true(ob_cpu_has(0));
}

/* The kernel's list is another reader of the same bits. */
static void test_names_agree_with_the_kernel(void **state) {
    (void)state;
    char line[8192] = "", names[512], *flags = NULL;
    FILE *file = fopen("/proc/cpuinfo", "r");
    while (file && !flags && fgets(line, sizeof line, file))
        flags = strncmp(line, "flags", 5) == 0 ? strchr(line, ':') : NULL;
    if (file)
        fclose(file);
    if (!flags)
        skip();
    flags[strcspn(flags, "\n")] = ' ';
    (void)ob_cpu_names(names, sizeof names);
    for (char *save, *name = strtok_r(names, " ", &save); name; name = strtok_r(NULL, " ", &save)) {
        char word[64];
        (void)snprintf(word, sizeof word, " %s ", name);
        if (!strstr(flags, word))
            fail_msg("the kernel does not know %s", name);
    }
}

static void test_names_are_cut_at_a_word(void **state) {
    (void)state;
    char all[512], few[12];
    (void)ob_cpu_names(all, sizeof all);
    (void)ob_cpu_names(few, sizeof few);
    assert_true(strlen(few) < sizeof few);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_always_there),
        cmocka_unit_test(test_names_agree_with_the_kernel),
        cmocka_unit_test(test_names_are_cut_at_a_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
