#include "cli/find_machine.h"

#include <string.h>

enum ob_err ob_cli_find_machine(const json_t *status, const char *wanted, struct ob_machine_id *ret_machine,
                                const json_t **ret_found, struct ob_error *error) {
    const json_t *machine, *found = NULL;
    size_t i, length = strlen(wanted);
    json_array_foreach(json_object_get(status, "machines"), i, machine) {
        const char *key = json_string_value(json_object_get(machine, "machine"));
        const char *name = json_string_value(json_object_get(machine, "name"));
        bool fits =
            (key && length >= 8 && strncmp(key, wanted, length) == 0) || (name && strcmp(name, wanted) == 0);
        if (fits && found)
            return ob_fail(error, OB_EUSAGE, "\"%s\" matches more than one machine; give the whole key",
                           wanted);
        if (fits)
            found = machine;
    }
    if (found)
        wanted = json_string_value(json_object_get(found, "machine"));
    if (ob_machine_from_text(wanted, ret_machine, NULL))
        return ob_fail(error, OB_ENOTFOUND, "the daemon knows no machine \"%s\"; give its whole key", wanted);
    *ret_found = found;
    return OB_OK;
}
