/* check - what is true of a peer between any two steps: for tests and simulations. */
#ifndef OB_PEER_CHECK_H
#define OB_PEER_CHECK_H

struct ob_peer;

/* NULL, or the sentence that is broken. */
const char *ob_peer_check(const struct ob_peer *peer);

#endif
