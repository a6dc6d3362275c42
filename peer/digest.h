/* digest - one hash over a table that changes a little at a time, without reading all of it again.
 *
 * The table's entries lie in OB_LEAVES leaves, by the first byte of the machine's key. A leaf's hash is the
 * table's to say (leaf(), zeros when it is empty); a middle is BLAKE2b-256(its 16 leaves), the root
 * BLAKE2b-256(label ‖ its 16 middles); where all below is zeros, a middle is zeros too. What a change touches
 * is forgotten and computed again when it is asked for: a hash of about a kilobyte and of one leaf.
 *
 * Owns:    a tree is the caller's; all zeros is a tree of which nothing is known yet. */
#ifndef OB_PEER_DIGEST_H
#define OB_PEER_DIGEST_H

#include <stdbool.h>

#include "base/ids.h"
#include "peer/leaves.h"

#define MIDDLES 16

struct digest_tree {
    struct ob_hash leaves[OB_LEAVES], middles[MIDDLES], root;
    bool leaf_known[OB_LEAVES], middle_known[MIDDLES], root_known;
};

typedef struct ob_hash (*ob_digest_leaf_fn)(const void *context, uint8_t first_byte);

void ob_digest_touch(struct digest_tree *tree, const struct ob_machine_id *id); /* its leaf changed */
void ob_digest_touch_all(struct digest_tree *tree);
struct ob_hash ob_digest_root(struct digest_tree *tree, const char label[static 16], ob_digest_leaf_fn leaf,
                              const void *context);
/* OB_LEAVES of them. */
const struct ob_hash *ob_digest_leaves(struct digest_tree *tree, ob_digest_leaf_fn leaf, const void *context);

#endif
