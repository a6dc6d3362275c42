#include "tests/hostile/zmtp_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define GREETING_BYTES 64
#define HELLO_BYTES    200
#define WELCOME_BYTES  168
#define FRAME_COMMAND  4
#define FRAME_LARGE    2
#define MESSAGE_HEAD   16 /* "\7MESSAGE" and a nonce */

void zmtp_curve_key(const uint8_t ed25519_public[static 32], uint8_t ret_key[static ZMTP_KEY]) {
    if (crypto_sign_ed25519_pk_to_curve25519(ret_key, ed25519_public) != 0)
        abort();
}

void zmtp_client_init(struct zmtp_client *client, unsigned port, const uint8_t server_key[static ZMTP_KEY]) {
    *client = (struct zmtp_client){.fd = -1, .port = port};
    memcpy(client->server_key, server_key, ZMTP_KEY);
    crypto_box_keypair(client->public_key, client->secret_key);
}

void zmtp_client_be(struct zmtp_client *client, const uint8_t ed25519_secret[static 64]) {
    if (crypto_sign_ed25519_sk_to_curve25519(client->secret_key, ed25519_secret) != 0)
        abort();
    crypto_scalarmult_base(client->public_key, client->secret_key);
}

void zmtp_client_patience(struct zmtp_client *client, int limit_ms) {
    struct timeval limit = {.tv_sec = limit_ms / 1000, .tv_usec = limit_ms % 1000 * 1000};
    (void)setsockopt(client->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    (void)setsockopt(client->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

bool zmtp_client_open(struct zmtp_client *client, int receive_bytes) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)client->port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (client->fd < 0)
        return false;
    if (receive_bytes > 0)
        (void)setsockopt(client->fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes);
    zmtp_client_patience(client, ZMTP_LIMIT_MS);
    client->nonce = 1;
    crypto_box_keypair(client->short_public, client->short_secret);
    return connect(client->fd, (const struct sockaddr *)&address, sizeof address) == 0;
}

bool zmtp_client_raw(struct zmtp_client *client, const void *data, size_t bytes) {
    const uint8_t *at = data;
    while (bytes > 0) {
        ssize_t sent = send(client->fd, at, bytes, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        at += sent;
        bytes -= (size_t)sent;
    }
    return true;
}

static bool read_all(struct zmtp_client *client, uint8_t *data, size_t bytes) {
    while (bytes > 0) {
        ssize_t got = recv(client->fd, data, bytes, 0);
        if (got <= 0)
            return false;
        data += got;
        bytes -= (size_t)got;
    }
    return true;
}

/* The next frame's body, to `data` (ZMTP_BODY_MAX). */
static bool read_frame(struct zmtp_client *client, uint8_t *ret_flags, uint8_t *data, size_t *ret_bytes) {
    uint8_t head[9];
    if (!read_all(client, head, 2))
        return false;
    uint64_t bytes = head[1];
    if (head[0] & FRAME_LARGE) {
        if (!read_all(client, head + 2, 7))
            return false;
        bytes = 0;
        for (int i = 1; i < 9; i++)
            bytes = bytes << 8 | head[i];
    }
    *ret_flags = head[0];
    *ret_bytes = (size_t)bytes;
    return bytes <= ZMTP_BODY_MAX && read_all(client, data, (size_t)bytes);
}

bool zmtp_client_greet(struct zmtp_client *client) {
    uint8_t greeting[GREETING_BYTES] = {0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 3, 1, 'C', 'U', 'R', 'V', 'E'};
    uint8_t theirs[GREETING_BYTES];
    return zmtp_client_raw(client, greeting, sizeof greeting) && read_all(client, theirs, sizeof theirs);
}

/* A nonce of a prefix of 16 characters and our counter, which goes to ret_short too. */
static void next_nonce(struct zmtp_client *client, const char *prefix, uint8_t nonce[24],
                       uint8_t ret_short[8]) {
    memcpy(nonce, prefix, 16);
    for (int i = 0; i < 8; i++)
        ret_short[i] = (uint8_t)(client->nonce >> (56 - 8 * i));
    memcpy(nonce + 16, ret_short, 8);
    client->nonce++;
}

static bool send_command(struct zmtp_client *client, const uint8_t *body, size_t bytes) {
    uint8_t head[9] = {FRAME_COMMAND, (uint8_t)bytes};
    size_t head_bytes = 2;
    if (bytes > 255) {
        head[0] |= FRAME_LARGE;
        for (int i = 1; i < 9; i++)
            head[i] = (uint8_t)((uint64_t)bytes >> (64 - 8 * i));
        head_bytes = 9;
    }
    return zmtp_client_raw(client, head, head_bytes) && zmtp_client_raw(client, body, bytes);
}

bool zmtp_client_hello(struct zmtp_client *client) {
    static const uint8_t ZEROS[64];
    uint8_t hello[HELLO_BYTES] = "\5HELLO\1", welcome[ZMTP_BODY_MAX], nonce[24], opened[128], flags;
    size_t bytes;
    memcpy(hello + 80, client->short_public, ZMTP_KEY);
    next_nonce(client, "CurveZMQHELLO---", nonce, hello + 112);
    if (crypto_box_easy(hello + 120, ZEROS, sizeof ZEROS, nonce, client->server_key, client->short_secret) !=
            0 ||
        !send_command(client, hello, sizeof hello) || !read_frame(client, &flags, welcome, &bytes) ||
        bytes != WELCOME_BYTES || memcmp(welcome, "\7WELCOME", 8) != 0)
        return false;
    memcpy(nonce, "WELCOME-", 8);
    memcpy(nonce + 8, welcome + 8, 16);
    if (crypto_box_open_easy(opened, welcome + 24, 144, nonce, client->server_key, client->short_secret) != 0)
        return false;
    memcpy(client->server_short, opened, ZMTP_KEY);
    memcpy(client->cookie, opened + ZMTP_KEY, sizeof client->cookie);
    return true;
}

static size_t property(uint8_t *at, const char *name, const void *value, size_t bytes) {
    size_t length = strlen(name);
    at[0] = (uint8_t)length;
    memcpy(at + 1, name, length);
    for (size_t i = 0; i < 4; i++)
        at[1 + length + i] = (uint8_t)(bytes >> (24 - 8 * i));
    if (bytes > 0)
        memcpy(at + 5 + length, value, bytes);
    return 5 + length + bytes;
}

bool zmtp_client_initiate(struct zmtp_client *client, const char *socket_type, const void *identity,
                          size_t bytes) {
    uint8_t *plain = calloc(1, ZMTP_BODY_MAX), *body = calloc(1, ZMTP_BODY_MAX), nonce[24],
            pair[2 * ZMTP_KEY], flags;
    bool good = plain && body && bytes <= 65000;
    if (good) {
        memcpy(plain, client->public_key, ZMTP_KEY);
        randombytes_buf(plain + ZMTP_KEY, 16);
        memcpy(nonce, "VOUCH---", 8);
        memcpy(nonce + 8, plain + ZMTP_KEY, 16);
        memcpy(pair, client->short_public, ZMTP_KEY);
        memcpy(pair + ZMTP_KEY, client->server_key, ZMTP_KEY);
        good = crypto_box_easy(plain + 48, pair, sizeof pair, nonce, client->server_short,
                               client->secret_key) == 0;
        size_t used = 128;
        used += property(plain + used, "Socket-Type", socket_type, strlen(socket_type));
        used += property(plain + used, "Identity", identity, bytes);
        memcpy(body, "\10INITIATE", 9);
        memcpy(body + 9, client->cookie, sizeof client->cookie);
        next_nonce(client, "CurveZMQINITIATE", nonce, body + 105);
        good = good &&
               crypto_box_easy(body + 113, plain, used, nonce, client->server_short, client->short_secret) ==
                   0 &&
               send_command(client, body, 113 + used + crypto_box_MACBYTES);
    }
    size_t got;
    good = good && read_frame(client, &flags, body, &got) && got >= 6 && memcmp(body, "\5READY", 6) == 0;
    free(plain);
    free(body);
    return good;
}

bool zmtp_client_join(struct zmtp_client *client, const char *socket_type, int receive_bytes) {
    return zmtp_client_open(client, receive_bytes) && zmtp_client_greet(client) &&
           zmtp_client_hello(client) && zmtp_client_initiate(client, socket_type, "", 0);
}

size_t zmtp_client_frame(struct zmtp_client *client, unsigned flags, const void *data, size_t bytes,
                         uint8_t *ret_frame) {
    uint8_t nonce[24], *body = ret_frame + 9, *plain = malloc(bytes + 1);
    size_t body_bytes = MESSAGE_HEAD + 1 + bytes + crypto_box_MACBYTES;
    if (!plain)
        abort();
    plain[0] = (uint8_t)flags;
    if (bytes > 0)
        memcpy(plain + 1, data, bytes);
    ret_frame[0] = FRAME_LARGE;
    for (int i = 1; i < 9; i++)
        ret_frame[i] = (uint8_t)((uint64_t)body_bytes >> (64 - 8 * i));
    memcpy(body, "\7MESSAGE", 8);
    next_nonce(client, "CurveZMQMESSAGEC", nonce, body + 8);
    if (crypto_box_easy(body + MESSAGE_HEAD, plain, bytes + 1, nonce, client->server_short,
                        client->short_secret) != 0)
        memset(body + MESSAGE_HEAD, 0,
               bytes + 1 + crypto_box_MACBYTES); /* before a handshake: nobody's box */
    free(plain);
    return 9 + body_bytes;
}

bool zmtp_client_send(struct zmtp_client *client, unsigned flags, const void *data, size_t bytes) {
    uint8_t *frame = malloc(bytes + 64);
    if (!frame)
        abort();
    size_t frame_bytes = zmtp_client_frame(client, flags, data, bytes, frame);
    bool sent = zmtp_client_raw(client, frame, frame_bytes);
    free(frame);
    return sent;
}

bool zmtp_client_receive(struct zmtp_client *client, uint8_t *ret_data, size_t *ret_bytes) {
    static _Thread_local uint8_t body[ZMTP_BODY_MAX], plain[ZMTP_BODY_MAX];
    for (;;) {
        uint8_t flags, nonce[24];
        size_t bytes;
        if (!read_frame(client, &flags, body, &bytes) || bytes < MESSAGE_HEAD + 1 + crypto_box_MACBYTES ||
            memcmp(body, "\7MESSAGE", 8) != 0)
            return false;
        memcpy(nonce, "CurveZMQMESSAGES", 16);
        memcpy(nonce + 16, body + 8, 8);
        if (crypto_box_open_easy(plain, body + MESSAGE_HEAD, bytes - MESSAGE_HEAD, nonce,
                                 client->server_short, client->short_secret) != 0)
            return false;
        if (plain[0] & ZMTP_COMMAND)
            continue;
        *ret_bytes = bytes - MESSAGE_HEAD - crypto_box_MACBYTES - 1;
        memcpy(ret_data, plain + 1, *ret_bytes);
        return true;
    }
}

static int64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

bool zmtp_client_closed(struct zmtp_client *client, int timeout_ms) {
    uint8_t dropped[4096];
    for (int64_t end = now_ms() + timeout_ms; client->fd >= 0;) {
        struct pollfd wait = {.fd = client->fd, .events = POLLIN};
        int64_t left = end - now_ms();
        if (poll(&wait, 1, left > 0 ? (int)left : 0) <= 0)
            return false;
        ssize_t got = recv(client->fd, dropped, sizeof dropped, MSG_DONTWAIT);
        if (got == 0 || (got < 0 && errno != EAGAIN))
            return true;
    }
    return true;
}

bool zmtp_client_hung_up(const struct zmtp_client *client, int timeout_ms) {
    struct pollfd wait = {.fd = client->fd, .events = POLLRDHUP};
    return poll(&wait, 1, timeout_ms) > 0;
}

void zmtp_client_reset(struct zmtp_client *client) {
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    if (client->fd >= 0)
        (void)setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    zmtp_client_close(client);
}

void zmtp_client_close(struct zmtp_client *client) {
    if (client->fd >= 0)
        close(client->fd);
    client->fd = -1;
}
