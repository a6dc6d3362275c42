/* fuzz_hosts - any bytes as a file of hosts: what is accepted is no option of ssh, is one word, and says the same when it is
 * written again. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "cli/hosts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    static struct ob_host_list hosts, again;
    static char written[OB_HOSTS_MAX * (OB_HOST_TEXT_MAX + 1)];
    struct ob_error error = {0};
    size_t at = 0;
    if (ob_cli_hosts_parse((const char *)data, bytes, &hosts, &error) != OB_OK) {
        assert(error.text[0] != 0);
        return 0;
    }
    assert(hosts.count >= 1 && hosts.count <= OB_HOSTS_MAX);
    for (size_t i = 0; i < hosts.count; i++) {
        const char *name = hosts.names[i];
        size_t length = strlen(name);
        assert(length >= 1 && name[0] != '-' && !strpbrk(name, " \t\r\n'\"$;&|<>\\/=#") &&
               !strstr(name, "@-"));
        memcpy(written + at, name, length);
        at += length;
        written[at++] = '\n';
    }
    assert(ob_cli_hosts_parse(written, at, &again, NULL) == OB_OK);
    assert(again.count == hosts.count);
    for (size_t i = 0; i < hosts.count; i++)
        assert(strcmp(again.names[i], hosts.names[i]) == 0);
    return 0;
}
