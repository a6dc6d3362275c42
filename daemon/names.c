#include "daemon/names.h"

#include <stdio.h>
#include <string.h>

#include "transport/identity.h"

const char *ob_machine_name(const struct ob_config *config, const struct ob_peer *peer,
                            const struct ob_machine_id *machine, char buffer[64]) {
    char text[OB_HEX_KEY_MAX];
    for (size_t i = 0; i < config->peer_count; i++) {
        if (!ob_machine_equal(&config->peers[i].machine, machine))
            continue;
        (void)snprintf(buffer, 64, "%s", config->peers[i].name);
        return buffer;
    }
    struct ob_peer_machine known;
    if (peer && ob_peer_find(peer, machine, &known) && known.name[0]) {
        (void)snprintf(buffer, 64, "%s", known.name);
        return buffer;
    }
    ob_machine_to_text(machine, text);
    memcpy(buffer, text, 12);
    buffer[12] = 0;
    return buffer;
}
