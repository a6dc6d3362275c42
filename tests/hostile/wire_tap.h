/* wire_tap - a TCP connection that a test can cut as an attacker does: what arrives at one port of loopback is
 * passed on to another, until all connections are reset (RST) at once. Bounded: TAP_CONNECTIONS_MAX. */
#ifndef OB_TESTS_HOSTILE_WIRE_TAP_H
#define OB_TESTS_HOSTILE_WIRE_TAP_H

struct wire_tap;

/* NULL: a port is in use, or there is no thread. */
struct wire_tap *wire_tap_open(unsigned port, unsigned to_port);
void wire_tap_reset(struct wire_tap *tap); /* all that are open now; later ones are passed on again */
void wire_tap_close(struct wire_tap *tap);

#endif
