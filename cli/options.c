#include "cli/options.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct ob_tool_option *find(struct ob_tool_option *options, size_t count, const char *name) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(options[i].name, name) == 0)
            return &options[i];
    return NULL;
}

bool ob_tool_parse(int argc, char **argv, struct ob_tool_option *options, size_t option_count,
                   const char **operands, size_t operand_max, size_t *ret_operand_count) {
    *ret_operand_count = 0;
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "--", 2) != 0) {
            if (*ret_operand_count == operand_max) {
                fprintf(stderr, "onebyte %s: unexpected argument \"%s\"\n", argv[0], argv[i]);
                return false;
            }
            operands[(*ret_operand_count)++] = argv[i];
            continue;
        }
        struct ob_tool_option *option = find(options, option_count, argv[i] + 2);
        if (!option) {
            fprintf(stderr, "onebyte %s: unknown option %s (try --help)\n", argv[0], argv[i]);
            return false;
        }
        if (option->is_switch) {
            option->value = "yes";
        } else if (++i < argc) {
            option->value = argv[i];
            if (option->is_list && option->value_count < OB_TOOL_VALUES_MAX)
                option->values[option->value_count++] = option->value;
            else if (option->is_list) {
                fprintf(stderr, "onebyte %s: --%s is given more than %d times\n", argv[0], option->name,
                        OB_TOOL_VALUES_MAX);
                return false;
            }
        } else {
            fprintf(stderr, "onebyte %s: option --%s needs a value\n", argv[0], option->name);
            return false;
        }
    }
    return true;
}

bool ob_tool_integer(const struct ob_tool_option *option, int64_t low, int64_t high, int64_t *ret_value) {
    char *end;
    errno = 0;
    long long value = strtoll(option->value, &end, 10);
    if (!errno && end != option->value && !*end && value >= low && value <= high) {
        *ret_value = value;
        return true;
    }
    fprintf(stderr, "onebyte: --%s is %s, expected a whole number from %lld to %lld\n", option->name,
            option->value, (long long)low, (long long)high);
    return false;
}

bool ob_tool_real(const struct ob_tool_option *option, double low, double high, double *ret_value) {
    char *end;
    double value = strtod(option->value, &end);
    if (end != option->value && !*end && isfinite(value) && value >= low && value <= high) {
        *ret_value = value;
        return true;
    }
    fprintf(stderr, "onebyte: --%s is %s, expected a number from %g to %g\n", option->name, option->value,
            low, high);
    return false;
}

int ob_tool_complain(const struct ob_error *error) {
    fprintf(stderr, "onebyte: %s\n", error->text);
    return error->code == OB_EUSAGE ? OB_EXIT_USAGE : OB_EXIT_FAILED;
}

int ob_tool_usage(const char *what) {
    fprintf(stderr, "onebyte: %s (try --help)\n", what);
    return OB_EXIT_USAGE;
}
