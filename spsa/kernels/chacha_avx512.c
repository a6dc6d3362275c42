/* ChaCha20 (RFC 8439) for AVX-512: one register holds one word of sixteen blocks. Two sets of sixteen blocks
 * go through the rounds side by side: the steps of one quarter round depend on one another, and a single set
 * leaves half of the instruction slots empty (65·10⁹ bits a second against 80 to 95·10⁹, by compiler;
 * libsodium: 19·10⁹). */
#include "spsa/kernels/chacha_avx512.h"

#include <immintrin.h>
#include <string.h>

enum { SET = 16 }; /* blocks of a set */

#define KEEP_INLINE                                                                                          \
    static inline __attribute__((always_inline)) /* a set lives in registers or it is not fast */

KEEP_INLINE void quarter_round(__m512i *a, __m512i *b, __m512i *c, __m512i *d) {
    *a = _mm512_add_epi32(*a, *b);
    *d = _mm512_rol_epi32(_mm512_xor_si512(*d, *a), 16);
    *c = _mm512_add_epi32(*c, *d);
    *b = _mm512_rol_epi32(_mm512_xor_si512(*b, *c), 12);
    *a = _mm512_add_epi32(*a, *b);
    *d = _mm512_rol_epi32(_mm512_xor_si512(*d, *a), 8);
    *c = _mm512_add_epi32(*c, *d);
    *b = _mm512_rol_epi32(_mm512_xor_si512(*b, *c), 7);
}

KEEP_INLINE void column_round(__m512i s[16]) {
    quarter_round(&s[0], &s[4], &s[8], &s[12]);
    quarter_round(&s[1], &s[5], &s[9], &s[13]);
    quarter_round(&s[2], &s[6], &s[10], &s[14]);
    quarter_round(&s[3], &s[7], &s[11], &s[15]);
}

KEEP_INLINE void diagonal_round(__m512i s[16]) {
    quarter_round(&s[0], &s[5], &s[10], &s[15]);
    quarter_round(&s[1], &s[6], &s[11], &s[12]);
    quarter_round(&s[2], &s[7], &s[8], &s[13]);
    quarter_round(&s[3], &s[4], &s[9], &s[14]);
}

KEEP_INLINE void set_up(const struct ob_spsa_key *key, uint32_t tensor, uint32_t first_block, __m512i s[16]) {
    static const char CONSTANT[] = "expand 32-byte k";
    int32_t words[12];
    memcpy(words, CONSTANT, 16);
    memcpy(words + 4, key->bytes, sizeof key->bytes);
    for (int i = 0; i < 12; i++)
        s[i] = _mm512_set1_epi32(words[i]);
    s[12] = _mm512_add_epi32(_mm512_set1_epi32((int32_t)first_block),
                             _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
    s[13] = _mm512_set1_epi32((int32_t)tensor);
    s[14] = s[15] = _mm512_setzero_si512();
}

/* Words of sixteen blocks (word, block) to blocks of sixteen words. */
KEEP_INLINE void transpose(__m512i s[16], __m512i ret_blocks[16]) {
    __m512i t[16];
    for (int i = 0; i < 16; i += 2) { /* 2 x 2 words … */
        t[i] = _mm512_unpacklo_epi32(s[i], s[i + 1]);
        t[i + 1] = _mm512_unpackhi_epi32(s[i], s[i + 1]);
    }
    for (int i = 0; i < 16; i += 4) { /* … 4 x 4: quarter q of s[i + j] is words i … i + 3 of block 4q + j */
        s[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
        s[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
        s[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
        s[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
    for (size_t j = 0; j < 4; j++) {
        __m512i low01 = _mm512_shuffle_i32x4(s[j], s[4 + j], 0x44),
                low23 = _mm512_shuffle_i32x4(s[8 + j], s[12 + j], 0x44);
        __m512i high01 = _mm512_shuffle_i32x4(s[j], s[4 + j], 0xee),
                high23 = _mm512_shuffle_i32x4(s[8 + j], s[12 + j], 0xee);
        ret_blocks[j] = _mm512_shuffle_i32x4(low01, low23, 0x88);
        ret_blocks[4 + j] = _mm512_shuffle_i32x4(low01, low23, 0xdd);
        ret_blocks[8 + j] = _mm512_shuffle_i32x4(high01, high23, 0x88);
        ret_blocks[12 + j] = _mm512_shuffle_i32x4(high01, high23, 0xdd);
    }
}

/* The first `blocks` of a set, one after another. */
KEEP_INLINE void write_blocks(__m512i s[16], size_t blocks, uint8_t *out) {
    __m512i block[16];
    transpose(s, block);
    for (size_t i = 0; i < 16; i++)
        if (i < blocks)
            _mm512_storeu_si512(out + i * OB_SPSA_BLOCK_BYTES, block[i]);
}

/* The first `count` of a set, `offset` bytes behind a place of each its own. */
KEEP_INLINE void write_apart(__m512i s[16], size_t count, uint8_t *const *to, size_t offset) {
    __m512i block[16];
    transpose(s, block);
    for (size_t i = 0; i < 16; i++)
        if (i < count)
            _mm512_storeu_si512(to[i] + offset, block[i]);
}

static void one_set(const struct ob_spsa_key *key, uint32_t tensor, uint32_t first_block, size_t blocks,
                    uint8_t *out) {
    __m512i start[16], s[16];
    set_up(key, tensor, first_block, start);
    for (int i = 0; i < 16; i++)
        s[i] = start[i];
    for (int round = 0; round < 20; round += 2) {
        column_round(s);
        diagonal_round(s);
    }
    for (int i = 0; i < 16; i++)
        s[i] = _mm512_add_epi32(s[i], start[i]);
    write_blocks(s, blocks, out);
}

static void two_sets(const struct ob_spsa_key *key, uint32_t tensor, uint32_t first_block, size_t blocks,
                     uint8_t *out) {
    __m512i start[16], s[16], u[16];
    const __m512i set = _mm512_set1_epi32(SET);
    set_up(key, tensor, first_block, start);
    for (int i = 0; i < 16; i++)
        s[i] = u[i] = start[i];
    u[12] = _mm512_add_epi32(u[12], set);
    for (int round = 0; round < 20; round += 2) {
        column_round(s);
        column_round(u);
        diagonal_round(s);
        diagonal_round(u);
    }
    for (int i = 0; i < 16; i++) {
        s[i] = _mm512_add_epi32(s[i], start[i]);
        u[i] = _mm512_add_epi32(u[i], start[i]);
    }
    u[12] = _mm512_add_epi32(u[12], set);
    write_blocks(s, SET, out);
    write_blocks(u, blocks - SET, out + (size_t)SET * OB_SPSA_BLOCK_BYTES);
}

void ob_spsa_avx512_keystream(const struct ob_spsa_key *key, uint32_t tensor, uint32_t first_block,
                              size_t blocks, uint8_t *ret_bits) {
    while (blocks > 0) {
        size_t part = blocks > 2 * SET ? 2 * SET : blocks;
        if (part > SET)
            two_sets(key, tensor, first_block, part, ret_bits);
        else
            one_set(key, tensor, first_block, part, ret_bits);
        first_block += (uint32_t)part;
        blocks -= part;
        ret_bits += part * OB_SPSA_BLOCK_BYTES;
    }
}

/* ---- one block of sixteen keys at a time ---- */

/* Words of sixteen keys: words[w] has word w of each. Keys beyond `count` are not read. Plain loads and shuffles: one
 * gather a word takes a quarter of the time of the rounds. */
KEEP_INLINE void load_keys(const struct ob_spsa_key *keys, size_t count, __m512i words[8]) {
    __m512i r[8], t[8];
    _Static_assert(sizeof *keys == 32, "keys lie one after another");
    for (size_t i = 0; i < 8; i++) { /* keys i and 8 + i */
        __m256i low = i < count ? _mm256_loadu_si256((const void *)keys[i].bytes) : _mm256_setzero_si256();
        __m256i high =
            8 + i < count ? _mm256_loadu_si256((const void *)keys[8 + i].bytes) : _mm256_setzero_si256();
        r[i] = _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
    }
    /* In each lane of 128 bits, words of four keys to four keys of a word. */
    for (int i = 0; i < 8; i += 2) {
        t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
    }
    for (int i = 0; i < 8; i += 4) {
        r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
        r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
        r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
        r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
    for (int w = 0; w < 4;
         w++) { /* lanes of r[w]: word w of keys 0-3, word 4 + w of them, the same of keys 8-11 */
        __m512i even = _mm512_shuffle_i32x4(r[w], r[4 + w], 0x88),
                odd = _mm512_shuffle_i32x4(r[w], r[4 + w], 0xdd);
        words[w] = _mm512_shuffle_i32x4(even, even, 0xd8);
        words[4 + w] = _mm512_shuffle_i32x4(odd, odd, 0xd8);
    }
}

KEEP_INLINE void set_up_keys(const struct ob_spsa_key *keys, size_t count, uint32_t tensor, uint32_t use,
                             uint32_t block, __m512i s[16]) {
    static const char CONSTANT[] = "expand 32-byte k";
    int32_t constant[4];
    memcpy(constant, CONSTANT, sizeof constant);
    for (int i = 0; i < 4; i++)
        s[i] = _mm512_set1_epi32(constant[i]);
    load_keys(keys, count, s + 4);
    s[12] = _mm512_set1_epi32((int32_t)block);
    s[13] = _mm512_set1_epi32((int32_t)tensor);
    s[14] = _mm512_set1_epi32((int32_t)use);
    s[15] = _mm512_setzero_si512();
}

/* Both states through the rounds; the starts are left as they are. */
KEEP_INLINE void run_two(const __m512i a[16], const __m512i b[16], __m512i s[16], __m512i u[16]) {
    for (int i = 0; i < 16; i++) {
        s[i] = a[i];
        u[i] = b[i];
    }
    for (int round = 0; round < 20; round += 2) {
        column_round(s);
        column_round(u);
        diagonal_round(s);
        diagonal_round(u);
    }
    for (int i = 0; i < 16; i++) {
        s[i] = _mm512_add_epi32(s[i], a[i]);
        u[i] = _mm512_add_epi32(u[i], b[i]);
    }
}

/* Of at most sixteen keys an even number of blocks: two of each at a time. */
static void streams_of_set(const struct ob_spsa_key *keys, size_t count, uint32_t tensor, uint32_t use,
                           uint32_t first_block, size_t blocks, uint8_t *const *to) {
    __m512i a[16], b[16], s[16], u[16];
    const __m512i two = _mm512_set1_epi32(2);
    set_up_keys(keys, count, tensor, use, first_block, a);
    for (int i = 0; i < 16; i++)
        b[i] = a[i];
    b[12] = _mm512_add_epi32(b[12], _mm512_set1_epi32(1));
    for (size_t block = 0; block < blocks; block += 2) {
        run_two(a, b, s, u);
        write_apart(s, count, to, block * OB_SPSA_BLOCK_BYTES);
        write_apart(u, count, to, (block + 1) * OB_SPSA_BLOCK_BYTES);
        a[12] = _mm512_add_epi32(a[12], two);
        b[12] = _mm512_add_epi32(b[12], two);
    }
}

/* One block of each of at most thirty-two keys. */
static void block_of_two_sets(const struct ob_spsa_key *keys, size_t count, uint32_t tensor, uint32_t use,
                              uint32_t block, uint8_t *const *to, size_t offset) {
    __m512i a[16], b[16], s[16], u[16];
    size_t first = count < SET ? count : SET;
    set_up_keys(keys, first, tensor, use, block, a);
    set_up_keys(keys + first, count - first, tensor, use, block, b);
    run_two(a, b, s, u);
    write_apart(s, first, to, offset);
    write_apart(u, count - first, to + first, offset);
}

void ob_spsa_avx512_keystreams(const struct ob_spsa_key *keys, size_t count, uint32_t tensor, uint32_t use,
                               uint32_t first_block, size_t blocks, uint8_t *const *to) {
    size_t even = blocks & ~(size_t)1;
    for (size_t at = 0; at < count && even > 0; at += SET)
        streams_of_set(keys + at, count - at < SET ? count - at : SET, tensor, use, first_block, even,
                       to + at);
    for (size_t at = 0; at < count && even < blocks; at += 2 * SET)
        block_of_two_sets(keys + at, count - at < 2 * SET ? count - at : 2 * SET, tensor, use,
                          first_block + (uint32_t)even, to + at, even * OB_SPSA_BLOCK_BYTES);
}
