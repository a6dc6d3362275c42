/* hello - how a machine shows itself to strangers of the same run: what is held up at a door, and the run's tag in beacons.
 * Threads: pure functions. */
#ifndef OB_DAEMON_HELLO_H
#define OB_DAEMON_HELLO_H

#include "run/certificate.h"
#include "transport/transport.h"

/* run_id ‖ certificate entry, or invitation ‖ admission. Returns its length. */
size_t ob_hello_encode(const struct ob_certificate_file *certificate, uint8_t ret_hello[OB_HELLO_MAX]);
/* Of beacons: the run without its name. */
void ob_beacon_tag(const struct ob_run_id *run, uint8_t ret_tag[OB_BEACON_TAG_BYTES]);

#endif
