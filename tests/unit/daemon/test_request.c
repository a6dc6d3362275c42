/* What is asked over the status socket is as hostile as anything else. */
#include "tests/unit/cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/request.h"

static enum ob_err parse(const char *text, struct ob_request *request, struct ob_error *error) {
    return ob_request_parse((const uint8_t *)text, strlen(text), request, error);
}

static void every_command_is_known(void **state) {
    (void)state;
    struct ob_request request;
    assert_int_equal(parse("{\"command\":\"status\"}", &request, NULL), OB_OK);
    assert_int_equal(request.kind, OB_REQUEST_STATUS);
    assert_int_equal(parse("{\"command\":\"resume\"}", &request, NULL), OB_OK);
    assert_int_equal(request.kind, OB_REQUEST_RESUME);
    assert_int_equal(parse("{\"command\":\"control\",\"entry\":\"00ff7e\"}", &request, NULL), OB_OK);
    assert_int_equal(request.kind, OB_REQUEST_CONTROL);
    assert_int_equal(request.entry_bytes, 3);
    assert_memory_equal(request.entry, "\x00\xff\x7e", 3);
}

static void what_is_no_request_is_refused_with_what_was_expected(void **state) {
    (void)state;
    static const char *const BAD[] = {"",
                                      "{",
                                      "[]",
                                      "null",
                                      "\"status\"",
                                      "{}",
                                      "{\"command\":1}",
                                      "{\"command\":\"stop\"}",
                                      "{\"command\":\"status\",\"command\":\"leave\"}",
                                      "{\"command\":\"control\"}",
                                      "{\"command\":\"control\",\"entry\":\"0\"}",
                                      "{\"command\":\"control\",\"entry\":\"zz\"}",
                                      "{\"command\":\"control\",\"entry\":7}"};
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        struct ob_request request = {0};
        struct ob_error error = {0};
        if (parse(BAD[i], &request, &error) != OB_EFORMAT)
            fail_msg("%s is taken", BAD[i]);
        if (!strstr(error.text, "expected") && !strstr(error.text, "must be"))
            fail_msg("%s: \"%s\" does not say what was expected", BAD[i], error.text);
    }
}

static void an_entry_that_is_too_long_is_refused(void **state) {
    (void)state;
    size_t digits = 2 * (size_t)OB_CONTROL_BYTES_MAX + 2;
    char *text = malloc(digits + 64);
    assert_non_null(text);
    int used = snprintf(text, 64, "{\"command\":\"control\",\"entry\":\"");
    memset(text + used, '0', digits);
    memcpy(text + used + digits, "\"}", 3);
    struct ob_request request;
    assert_int_equal(parse(text, &request, NULL), OB_EFORMAT);
    free(text);
}

static void an_answer_quotes_any_text(void **state) {
    (void)state;
    char *text = ob_request_failed("a\"b\xff");
    assert_string_equal(text, "{\"ok\":false,\"error\":\"a\\\"b\\\\xff\"}");
    free(text);
    text = ob_request_done(NULL);
    assert_string_equal(text, "{\"ok\":true}");
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_command_is_known),
        cmocka_unit_test(what_is_no_request_is_refused_with_what_was_expected),
        cmocka_unit_test(an_entry_that_is_too_long_is_refused),
        cmocka_unit_test(an_answer_quotes_any_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
