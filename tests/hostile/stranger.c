/* stranger - what somebody without a certificate does to daemons on loopback, bounded in time and connections.
 *
 *   stranger SECONDS SEED KEY@tcp://127.0.0.1:PORT...
 *
 * Junk to every port (junk.h), queues that are filled at the door with PINGs and reset, messages of parts without an end.
 * At most CONNECTIONS are open, about RATE a second are made. Ends with 0 and says how many it made. */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/hostile/junk.h"

#define CONNECTIONS 16
#define RATE        25
#define PARTS       4000

static void endless(struct zmtp_client *client) {
    static const uint8_t PART[900];
    if (zmtp_client_join(client, "DEALER", 0))
        for (int i = 0; i < PARTS && zmtp_client_send(client, ZMTP_MORE, PART, sizeof PART); i++)
            ;
}

static void pings(struct zmtp_client *client) {
    if (zmtp_client_join(client, "DEALER", 0) && junk_pings(client, 200))
        zmtp_client_reset(client);
}

static bool aim(struct zmtp_client *client, const char *at, unsigned port_offset) {
    uint8_t key[32], curve[ZMTP_KEY];
    const char *port = strrchr(at, ':');
    if (strlen(at) < 65 || !port || sodium_hex2bin(key, sizeof key, at, 64, NULL, NULL, NULL) != 0)
        return false;
    zmtp_curve_key(key, curve);
    zmtp_client_init(client, (unsigned)strtoul(port + 1, NULL, 10) + port_offset, curve);
    return true;
}

int main(int argc, char **argv) {
    static struct zmtp_client clients[CONNECTIONS];
    if (argc < 4 || sodium_init() < 0) {
        fprintf(stderr, "usage: stranger SECONDS SEED KEY@ADDRESS...\n");
        return 2;
    }
    struct random random = {strtoull(argv[2], NULL, 10) * 2 + 1};
    time_t end = time(NULL) + strtol(argv[1], NULL, 10);
    unsigned made = 0;
    for (size_t i = 0; i < CONNECTIONS; i++)
        clients[i].fd = -1;
    for (; time(NULL) < end; made++) {
        struct zmtp_client *client = &clients[made % CONNECTIONS];
        unsigned what = junk_draw(&random, 8);
        zmtp_client_close(client);
        if (!aim(client, argv[3 + junk_draw(&random, (uint32_t)argc - 3)],
                 what < 2 ? 2 : junk_draw(&random, 3)))
            return 2;
        if (what == 0)
            pings(client);
        else if (what == 1)
            endless(client);
        else
            junk_attack(client, &random);
        nanosleep(&(struct timespec){.tv_nsec = 1000000000 / RATE}, NULL);
    }
    for (size_t i = 0; i < CONNECTIONS; i++)
        zmtp_client_close(&clients[i]);
    printf("%u connections\n", made);
    return 0;
}
