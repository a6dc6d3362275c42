/* leaves - into how many parts a table is cut for its digest, by the first byte of a key. A number of the
 * wire format: a question for the control table carries one hash a leaf. */
#ifndef OB_PEER_LEAVES_H
#define OB_PEER_LEAVES_H

#define OB_LEAVES 256

#endif
