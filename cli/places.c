#include "cli/places.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

#include "cli/conf.h"
#include "transport/identity.h"

#define OWN_MAX 3 /* of this machine's addresses */

struct adding {
    struct ob_token_place *places;
    size_t count, most;
    const struct ob_machine_id *machine;
    const char *name;
};

static void add(struct adding *adding, const char *endpoint) {
    for (size_t i = 0; i < adding->count; i++)
        if (strcmp(adding->places[i].endpoint, endpoint) == 0)
            return;
    if (adding->count >= adding->most || strlen(endpoint) >= OB_ENDPOINT_MAX)
        return;
    struct ob_token_place *place = &adding->places[adding->count++];
    place->machine = *adding->machine;
    (void)snprintf(place->name, sizeof place->name, "%s", adding->name);
    (void)snprintf(place->endpoint, sizeof place->endpoint, "%s", endpoint);
}

/* Those of the family that `host` listens on; loopback or not. */
static void add_interfaces(struct adding *adding, const char *host, unsigned port, bool loopback) {
    struct ifaddrs *all = NULL;
    if (getifaddrs(&all) != 0)
        return;
    for (const struct ifaddrs *at = all; at; at = at->ifa_next) {
        char number[128], endpoint[OB_ENDPOINT_MAX];
        int family = at->ifa_addr ? at->ifa_addr->sa_family : AF_UNSPEC;
        bool six = family == AF_INET6, is_loopback = (at->ifa_flags & IFF_LOOPBACK) != 0;
        if ((family != AF_INET && !six) || !(at->ifa_flags & IFF_UP) || is_loopback != loopback ||
            (six && strcmp(host, "0.0.0.0") == 0) || (!six && strcmp(host, "::") == 0))
            continue;
        socklen_t bytes = six ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
        if (getnameinfo(at->ifa_addr, bytes, number, sizeof number, NULL, 0, NI_NUMERICHOST) != 0 ||
            strchr(number, '%')) /* of one link: it means nothing elsewhere */
            continue;
        (void)snprintf(endpoint, sizeof endpoint, six ? "tcp://[%s]:%u" : "tcp://%s:%u", number, port);
        add(adding, endpoint);
    }
    freeifaddrs(all);
}

static void add_own(struct adding *adding, const char *state_dir) {
    char listen[OB_PATH_MAX] = "", advertise[OB_PATH_MAX] = "", host[OB_ENDPOINT_MAX];
    uint16_t port;
    size_t before = adding->count;
    if (ob_cli_conf_value(state_dir, "network", "advertise", advertise, NULL) != OB_OK ||
        ob_cli_conf_value(state_dir, "network", "listen", listen, NULL) != OB_OK ||
        strlen(listen) >= OB_ENDPOINT_MAX || ob_endpoint_parse(listen, host, &port, NULL))
        return;
    if (advertise[0])
        add(adding, advertise);
    if (ob_endpoint_reachable(listen)) {
        add(adding, listen);
        return;
    }
    add_interfaces(adding, host, port, false);
    if (adding->count == before)
        add_interfaces(adding, host, port, true);
}

bool ob_cli_own_endpoint(const char *state_dir, char ret_endpoint[static OB_ENDPOINT_MAX]) {
    struct ob_token_place place;
    static const struct ob_machine_id NOBODY;
    struct adding adding = {&place, 0, 1, &NOBODY, ""};
    add_own(&adding, state_dir);
    if (adding.count > 0)
        memcpy(ret_endpoint, place.endpoint, sizeof place.endpoint);
    return adding.count > 0;
}

static bool own_key(const char *state_dir, struct ob_machine_id *ret_machine) {
    char path[OB_PATH_MAX];
    struct ob_identity identity;
    if (ob_path_join(path, state_dir, "identity", NULL) || ob_identity_load(path, &identity, NULL))
        return false;
    *ret_machine = identity.machine;
    ob_identity_wipe(&identity);
    return true;
}

static void add_signed(struct adding *adding, const struct ob_admission *admission,
                       const struct ob_machine_id *own) {
    for (size_t i = 0; i < ob_admission_count(admission); i++) {
        const struct ob_control *control = ob_admission_entry(admission, i);
        char endpoint[OB_ENDPOINT_MAX];
        if (control->kind != OB_CONTROL_ADDRESS || control->payload_bytes == 0 ||
            control->payload_bytes >= sizeof endpoint || !ob_admission_counts(admission, control))
            continue;
        struct ob_standing standing = ob_admission_of(admission, &control->subject);
        if (standing.revoked || standing.forked || (own && ob_machine_equal(own, &control->subject)))
            continue;
        memcpy(endpoint, control->payload, control->payload_bytes);
        endpoint[control->payload_bytes] = 0;
        adding->machine = &control->subject;
        adding->name = standing.name;
        add(adding, endpoint);
        adding->name = "";
    }
}

enum ob_err ob_cli_places(const char *state_dir, const struct ob_cli_table *table,
                          struct ob_token_place ret_places[static OB_TOKEN_PLACES_MAX], size_t *ret_count,
                          struct ob_error *error) {
    struct ob_machine_id own;
    struct adding adding = {ret_places, 0, OWN_MAX, &own, ""};
    bool known = own_key(state_dir, &own);
    if (known) {
        const struct ob_standing standing = ob_admission_of(table->admission, &own);
        adding.name = standing.name;
        add_own(&adding, state_dir);
        adding.name = "";
    }
    adding.most = OB_TOKEN_PLACES_MAX;
    add_signed(&adding, table->admission, known ? &own : NULL);
    *ret_count = adding.count;
    return adding.count > 0
               ? OB_OK
               : ob_fail(
                     error, OB_EUSAGE,
                     "%s: nobody of this run can be reached yet: set `listen` in [network] of %s/" OB_CLI_CONF
                     ", or start the daemon",
                     state_dir, state_dir);
}
