#include "tests/unit/cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "web/metrics.h"

static const char STATUS[] =
    "{\"ok\":true,\"version\":\"0.1.0\",\"name\":\"a \\\"run\\\"\",\"run\":\"aa\",\"machine\":\"bb\","
    "\"life\":\"training\",\"paused_by\":[\"operator\"],\"uptime_s\":12.5,\"round\":812,\"max_rounds\":20000,"
    "\"live\":2,\"own_samples\":64,\"log\":{\"samples\":18014398509481985},\"progress\":{\"mean_loss\":null,"
    "\"since_round_s\":0.25},\"held_out\":{\"loss\":3.201},\"health\":{\"verdict\":\"learning\"},"
    "\"traffic\":{\"sent_bytes\":1234},\"problems\":[{\"level\":\"critical\"},{\"level\":\"warning\"},"
    "{\"level\":\"warning\"}],\"machines\":[{\"name\":\"c\\\\d\\n\\\"e\\u00e4\",\"machine\":\"01\","
    "\"samples\":7,\"round\":-1,\"linked\":false,\"loss\":null,\"state\":\"silent\"},{\"name\":\"f\","
    "\"machine\":"
    "\"02\",\"samples\":9,\"round\":3,\"linked\":true,\"loss\":2.5,\"state\":\"training\"}]}";

static char *metrics_of(const char *status) {
    json_t *json = json_loads(status, 0, NULL);
    size_t bytes = 0;
    assert_non_null(json);
    char *text = ob_web_metrics(json, &bytes);
    assert_non_null(text);
    assert_int_equal(bytes, strlen(text));
    json_decref(json);
    return text;
}

static void has(const char *text, const char *line) {
    const char *found = strstr(text, line);
    if (!found || (found != text && found[-1] != '\n'))
        fail_msg("no line %s in\n%s", line, text);
}

static void test_values(void **state) {
    (void)state;
    char *text = metrics_of(STATUS);
    has(text, "# TYPE onebyte_round gauge\nonebyte_round 812\n");
    has(text, "# TYPE onebyte_samples_total counter\nonebyte_samples_total 18014398509481985\n");
    has(text, "onebyte_held_out_loss 3.201\n");
    has(text, "onebyte_bytes_sent_total 1234\n");
    has(text, "onebyte_machines_training 2\n");
    has(text, "onebyte_health{verdict=\"learning\"} 1\n");
    has(text, "onebyte_health{verdict=\"diverging\"} 0\n");
    has(text, "onebyte_paused{reason=\"operator\"} 1\n");
    has(text, "onebyte_problems{level=\"warning\"} 2\n");
    has(text, "onebyte_problems{level=\"critical\"} 1\n");
    free(text);
}

/* Backslash, quote and line feed are escaped; other UTF-8 stands as it is. */
static void test_labels(void **state) {
    (void)state;
    char *text = metrics_of(STATUS);
    has(text, "onebyte_machine_samples_total{machine=\"c\\\\d\\n\\\"e\xc3\xa4\",key=\"01\"} 7\n");
    has(text, "onebyte_info{name=\"a \\\"run\\\"\",run=\"aa\",key=\"bb\",version=\"0.1.0\"} 1\n");
    has(text, "onebyte_machine_linked{machine=\"f\",key=\"02\"} 1\n");
    has(text, "onebyte_machine_state{machine=\"f\",key=\"02\",state=\"training\"} 1\n");
    free(text);
}

/* A loss that is not finite is null in the status: it has no line, and no title without lines. */
static void test_unknown(void **state) {
    (void)state;
    char *text = metrics_of(STATUS);
    assert_null(strstr(text, "onebyte_loss"));
    assert_null(strstr(text, "onebyte_machine_loss{machine=\"c"));
    assert_null(strstr(text, "onebyte_machine_behind_rounds"));
    has(text, "onebyte_machine_loss{machine=\"f\",key=\"02\"} 2.5\n");
    assert_null(strstr(text, "nan"));
    assert_null(strstr(text, "null"));
    free(text);
}

/* Every line of a metric stands behind its one title. */
static void test_order(void **state) {
    (void)state;
    char *text = metrics_of(STATUS), *rest = NULL, name[80] = "";
    char titles[128][80];
    size_t count = 0;
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        if (strncmp(line, "# TYPE ", 7) == 0) {
            assert_int_equal(sscanf(line, "# TYPE %79s", name), 1);
            for (size_t i = 0; i < count; i++)
                assert_string_not_equal(titles[i], name);
            assert_true(count < 128);
            memcpy(titles[count++], name, sizeof name);
        } else if (line[0] != '#') {
            size_t bytes = strcspn(line, "{ ");
            assert_int_equal(bytes, strlen(name));
            assert_memory_equal(line, name, bytes);
        }
    }
    free(text);
}

static void test_empty(void **state) {
    (void)state;
    char *text = metrics_of("{}");
    has(text, "onebyte_info{name=\"\",run=\"\",key=\"\",version=\"\"} 1\n");
    free(text);
    free(metrics_of("{\"machines\":7,\"problems\":{},\"log\":3,\"paused_by\":[1]}"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values), cmocka_unit_test(test_labels), cmocka_unit_test(test_unknown),
        cmocka_unit_test(test_order),  cmocka_unit_test(test_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
