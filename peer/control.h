/* control - entries that we take in or make ourselves, and what follows from them. */
#ifndef OB_PEER_CONTROL_H
#define OB_PEER_CONTROL_H

#include <stdbool.h>
#include <stddef.h>

#include "record/control.h"

struct ob_peer;

/* A verified entry: into the table and what follows from it. False: it is not new, or there is no room. */
bool ob_control_take(struct ob_peer *peer, const struct ob_control *control, const uint8_t *data,
                     size_t bytes, bool onwards);
bool ob_control_good_signature(const struct ob_peer *peer, const struct ob_control *control);
/* From operator or door: an entry, or several in a row. */
void ob_control_local(struct ob_peer *peer, const uint8_t *data, size_t bytes);
void ob_control_goodbye(struct ob_peer *peer);
void ob_control_set_address(struct ob_peer *peer, const uint8_t *text, size_t bytes);
/* Makes evidence of two records, when they are such, and takes it in. */
void ob_control_own_evidence(struct ob_peer *peer, const struct ob_record *one,
                             const struct ob_record *other);

#endif
