/* When those who trained with us are missed: one of several may have crashed; several at once are a split. */
#include "tests/unit/cmocka_all.h"

#include "daemon/company.h"

static void silence_is_judged_by_who_is_left(void **state) {
    (void)state;
    static const struct {
        struct ob_company company;
        enum ob_company_state is;
    } CASES[] = {
        {{0, 0}, OB_COMPANY_WHOLE}, /* nobody was ever there */
        {{1, 0}, OB_COMPANY_WHOLE},   {{2, 1}, OB_COMPANY_WHOLE},
        {{1, 2}, OB_COMPANY_SPLIT},                               /* two against two */
        {{5, 2}, OB_COMPANY_SPLIT},   {{6, 2}, OB_COMPANY_WHOLE}, /* two of nine come and go */
        {{0, 1}, OB_COMPANY_ALONE},   {{0, 40}, OB_COMPANY_ALONE},
        {{70, 30}, OB_COMPANY_SPLIT},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
        assert_int_equal(ob_company_judge(&CASES[i].company), CASES[i].is);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(silence_is_judged_by_who_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
