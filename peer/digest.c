/* digest - one hash over a table that changes a little at a time, without reading all of it again.
 *
 * The table's entries lie in 256 leaves, by the first byte of the machine's key. A leaf's hash is the table's
 * to say (leaf(), zeros when it is empty); a middle is BLAKE2b-256(its 16 leaves), a root BLAKE2b-256(label ‖
 * its 16 middles); where all below is zeros, a middle is zeros too. What a change touches is forgotten and
 * found again when it is asked for: a hash of about a kilobyte and of one leaf. */
#include <assert.h>

#include "peer/state.h"
#include "record/hash.h"

void ob_digest_touch(struct digest_tree *tree, const struct ob_machine_id *id) {
    uint8_t leaf = id->key[0];
    tree->leaf_known[leaf] = tree->middle_known[leaf / 16] = tree->root_known = false;
}

void ob_digest_touch_all(struct digest_tree *tree) {
    *tree = (struct digest_tree){0};
}

static struct ob_hash middle_of(const struct ob_hash leaves[static 16]) {
    static const struct ob_hash ZEROS[16];
    if (memcmp(leaves, ZEROS, sizeof ZEROS) == 0)
        return ZEROS[0];
    return ob_hash_of(leaves, sizeof ZEROS);
}

static void find_leaves(struct digest_tree *tree, ob_digest_leaf_fn leaf, const struct ob_peer *peer) {
    for (unsigned i = 0; i < DIGEST_LEAVES; i++) {
        if (!tree->leaf_known[i])
            tree->leaves[i] = leaf(peer, (uint8_t)i);
        tree->leaf_known[i] = true;
    }
}

const struct ob_hash *ob_digest_leaves(struct digest_tree *tree, ob_digest_leaf_fn leaf,
                                       const struct ob_peer *peer) {
    find_leaves(tree, leaf, peer);
    return tree->leaves;
}

struct ob_hash ob_digest_root(struct digest_tree *tree, const char label[static 16], ob_digest_leaf_fn leaf,
                              const struct ob_peer *peer) {
    static_assert(DIGEST_LEAVES == 256, "16 middles of 16 leaves");
    if (tree->root_known)
        return tree->root;
    find_leaves(tree, leaf, peer);
    struct ob_hasher hasher;
    ob_hasher_init(&hasher);
    ob_hasher_add(&hasher, label, 16);
    for (unsigned i = 0; i < 16; i++) {
        if (!tree->middle_known[i])
            tree->middles[i] = middle_of(&tree->leaves[(size_t)16 * i]);
        tree->middle_known[i] = true;
        ob_hasher_add(&hasher, tree->middles[i].bytes, OB_HASH_BYTES);
    }
    tree->root = ob_hasher_end(&hasher);
    tree->root_known = true;
    return tree->root;
}
