/* direction - the random direction of one sample, regenerated from its seed.
 *
 *   key  = BLAKE2b-256(key = run_id, "onebyte/z" ‖ machine (32) ‖ le64(sample))
 *   bits = ChaCha20-IETF keystream of `key`, nonce = le32(tensor) ‖ 0^8, block counter from 0
 *   element i of the tensor takes bit i mod 512 of block i / 512: byte (i mod 512) / 8 of the block,
 *   bit i mod 8 of that byte, least significant first. Bit 0 is z = +1, bit 1 is z = -1.
 *
 * Other randomness of the same sample, so that nothing is used twice (one 64-byte block each, the first
 * eight bytes little-endian):
 *   rounding of tensor t's step:  nonce = le32(t) ‖ le32(1) ‖ 0^4
 *   rounding of the byte:         nonce = 0^4     ‖ le32(2) ‖ 0^4
 *
 * Source: docs/arithmetic.md, "Direction of a sample"; RFC 8439 (ChaCha20), RFC 7693 (BLAKE2). */
#ifndef OB_SPSA_DIRECTION_H
#define OB_SPSA_DIRECTION_H

#include <stddef.h>
#include <stdint.h>

#include "base/ids.h"
#include "spsa/kernels/keystream.h"

/* How keystream becomes elements. Rademacher: as above. Gaussian: element i takes byte i mod 64 of block i / 64, which stands for
 * a number of the table in spsa/kernels/gaussian.h. */
enum ob_spsa_distribution { OB_SPSA_RADEMACHER, OB_SPSA_GAUSSIAN, OB_SPSA_DISTRIBUTION_COUNT };
const char *ob_spsa_distribution_name(enum ob_spsa_distribution distribution);
int ob_spsa_distribution_from_name(const char *name); /* -1: unknown */
/* Elements of one block of keystream. */
size_t ob_spsa_block_elements(enum ob_spsa_distribution distribution);
/* An element is a whole number times 2^-bits. */
int ob_spsa_direction_bits_below(enum ob_spsa_distribution distribution);

enum { OB_SPSA_USE_DIRECTION = 0, OB_SPSA_USE_STEP = 1, OB_SPSA_USE_BYTE = 2 };

struct ob_spsa_key ob_spsa_direction_key(const struct ob_run_id *run, const struct ob_machine_id *machine,
                                         struct ob_sample sample);
/* Keystream blocks [first_block, first_block + blocks) of a tensor: 64 bytes each. */
void ob_spsa_direction_bits(const struct ob_spsa_key *key, uint32_t tensor, uint32_t first_block,
                            size_t blocks, uint8_t *ret_bits);
uint64_t ob_spsa_step_randomness(const struct ob_spsa_key *key, uint32_t tensor);
uint64_t ob_spsa_byte_randomness(const struct ob_spsa_key *key);

#endif
