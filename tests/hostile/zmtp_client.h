/* zmtp_client - an attacker's ZMTP: one connection over loopback, spoken byte by byte, so that it can stop anywhere, send
 * what no library sends, leave answers unread, and reset (RST).
 *
 * Steps:   open, greet, hello, initiate; each may be left out, or followed by raw bytes. zmtp_client_join does all.
 * Errors:  false: the other side closed, or did not follow the protocol. A failing step leaves the connection open.
 * Owns:    its socket and keys. Bounded: every read and write gives up after ZMTP_LIMIT_MS.
 * Threads: one thread uses a client.
 * Source:  ZMTP 3.1 (RFC 37), CurveZMQ (RFC 26). */
#ifndef OB_TESTS_HOSTILE_ZMTP_CLIENT_H
#define OB_TESTS_HOSTILE_ZMTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ZMTP_LIMIT_MS 5000
#define ZMTP_KEY      32
#define ZMTP_BODY_MAX (1u << 17)

#define ZMTP_MORE    1u /* flags of a message, within its box */
#define ZMTP_COMMAND 2u

struct zmtp_client {
    int fd; /* -1: closed */
    unsigned port;
    uint8_t public_key[ZMTP_KEY], secret_key[ZMTP_KEY]; /* ours, as CURVE keys */
    uint8_t server_key[ZMTP_KEY];
    uint8_t short_public[ZMTP_KEY], short_secret[ZMTP_KEY]; /* of this connection */
    uint8_t server_short[ZMTP_KEY], cookie[96];
    uint64_t nonce;
};

/* Keys of a stranger; for a member, write its own over them. */
void zmtp_client_init(struct zmtp_client *client, unsigned port, const uint8_t server_key[static ZMTP_KEY]);
/* The keys of an identity (Ed25519) as CURVE keys. */
void zmtp_client_be(struct zmtp_client *client, const uint8_t ed25519_secret[static 64]);
void zmtp_curve_key(const uint8_t ed25519_public[static 32], uint8_t ret_key[static ZMTP_KEY]);

/* receive_bytes: of our receive buffer, so that little fits; 0: the system's. */
bool zmtp_client_open(struct zmtp_client *client, int receive_bytes);
void zmtp_client_patience(struct zmtp_client *client, int limit_ms); /* instead of ZMTP_LIMIT_MS */
bool zmtp_client_greet(struct zmtp_client *client);
bool zmtp_client_hello(struct zmtp_client *client);
/* socket_type: "DEALER", "SUB"; identity: at most 65,000 bytes. False as well when the key was refused. */
bool zmtp_client_initiate(struct zmtp_client *client, const char *socket_type, const void *identity,
                          size_t bytes);
bool zmtp_client_join(struct zmtp_client *client, const char *socket_type, int receive_bytes);

bool zmtp_client_raw(struct zmtp_client *client, const void *data, size_t bytes);
/* One message as the bytes of its frame, to ret_frame (bytes + 64); their number. */
size_t zmtp_client_frame(struct zmtp_client *client, unsigned flags, const void *data, size_t bytes,
                         uint8_t *ret_frame);
bool zmtp_client_send(struct zmtp_client *client, unsigned flags, const void *data, size_t bytes);
/* The next message that is none of ZMTP's own; *ret_bytes of it in ret_data (ZMTP_BODY_MAX). */
bool zmtp_client_receive(struct zmtp_client *client, uint8_t *ret_data, size_t *ret_bytes);
/* Whether the other side has closed; reads and drops what is there. Waits for at most so long. */
bool zmtp_client_closed(struct zmtp_client *client, int timeout_ms);
/* The same without reading anything: a reset or an end is seen all the same. */
bool zmtp_client_hung_up(const struct zmtp_client *client, int timeout_ms);

void zmtp_client_reset(struct zmtp_client *client); /* RST */
void zmtp_client_close(struct zmtp_client *client);

#endif
