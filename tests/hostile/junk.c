#include "tests/hostile/junk.h"

#include <stdlib.h>
#include <string.h>

bool junk_pings(struct zmtp_client *client, size_t count) {
    static const uint8_t PING[] = "\4PING\0\0";
    uint8_t *bytes = malloc(count * 256);
    size_t used = 0;
    if (!bytes)
        abort();
    for (size_t i = 0; i < count; i++) {
        used += zmtp_client_frame(client, 0, "x", 1, bytes + used);
        used += zmtp_client_frame(client, ZMTP_COMMAND, PING, 7, bytes + used);
    }
    bool sent = zmtp_client_raw(client, bytes, used);
    free(bytes);
    return sent;
}

uint32_t junk_draw(struct random *random, uint32_t below) {
    random->state ^= random->state << 13;
    random->state ^= random->state >> 7;
    random->state ^= random->state << 17;
    return (uint32_t)(random->state >> 32) % below;
}

static void send_junk(struct zmtp_client *client, struct random *random) {
    static const char *const COMMANDS[] = {
        "\4PING",
        "\4PING\0",
        "\4PING\0\1context",
        "\4PONG",
        "\11SUBSCRIBE",
        "\11SUBSCRIBEtopic",
        "\6CANCELtopic",
        "\5ERROR\377why",
        "\5READY",
        "\5HELLO",
        "\7WELCOME",
        "\10INITIATE",
        "\7MESSAGE",
        "\377",
        "\0",
        "",
    };
    uint8_t junk[700];
    size_t bytes = junk_draw(random, sizeof junk);
    for (size_t i = 0; i < bytes; i++)
        junk[i] = (uint8_t)junk_draw(random, junk_draw(random, 2) ? 256 : 9);
    const char *command = COMMANDS[junk_draw(random, sizeof COMMANDS / sizeof *COMMANDS)];
    char padded[40] = {0}; /* some commands go out a little longer than they are */
    memcpy(padded, command, strlen(command));
    switch (junk_draw(random, 6)) {
    case 0: /* within a box, as a message or as a command */
        (void)zmtp_client_send(client, junk_draw(random, 8), junk, bytes);
        break;
    case 1:
        (void)zmtp_client_send(client, ZMTP_COMMAND, padded, strlen(command) + junk_draw(random, 4));
        break;
    case 2: /* outside of it */
        (void)zmtp_client_raw(client, junk, bytes);
        break;
    case 3: { /* a frame that says it is longer than it is, or than may be */
        uint8_t head[9] = {2, 0, 0, 0, (uint8_t)junk_draw(random, 2), 0, (uint8_t)junk_draw(random, 2), 1, 0};
        (void)zmtp_client_raw(client, head, 1 + junk_draw(random, 9));
        break;
    }
    case 4: { /* a command of the handshake, again or out of turn */
        uint8_t frame[64] = {4, (uint8_t)strlen(command)};
        memcpy(frame + 2, command, strlen(command));
        (void)zmtp_client_raw(client, frame, 2 + strlen(command));
        break;
    }
    default:
        (void)zmtp_client_send(client, ZMTP_MORE, junk, bytes);
        break;
    }
}

void junk_attack(struct zmtp_client *client, struct random *random) {
    static const char *const TYPES[] = {"DEALER", "SUB", "ROUTER", "REQ", "XSUB", "PUB", "", "DEALER"};
    static const size_t IDENTITIES[] = {0, 0, 1, 5, 200, 255, 256, 300, 20000};
    static const uint8_t IDENTITY[20000];
    unsigned stage = junk_draw(random, 6);
    if (!zmtp_client_open(client, 0))
        return;
    zmtp_client_patience(client, 100); /* what is refused is not answered */
    bool good = stage < 1 || zmtp_client_greet(client);
    good = good && (stage < 2 || zmtp_client_hello(client));
    if (good && stage >= 3)
        (void)zmtp_client_initiate(client, TYPES[junk_draw(random, 8)], IDENTITY,
                                   IDENTITIES[junk_draw(random, 9)]);
    for (unsigned i = junk_draw(random, 4); i > 0; i--)
        send_junk(client, random);
    if (junk_draw(random, 3) == 0)
        zmtp_client_reset(client);
}
