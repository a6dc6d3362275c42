#include "run/sealed.h"

#include <assert.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEAD       "onebyte-sealed-1 "
#define SEED_BYTES 32
#define PASSES_MAX 16
#define KIB_MIN    8
#define KIB_MAX    1048576
#define PASSES     3
#define KIB        262144

static_assert(sizeof((struct ob_sealed *)0)->salt == crypto_pwhash_SALTBYTES, "the format's salt");
static_assert(sizeof((struct ob_sealed *)0)->nonce == crypto_secretbox_NONCEBYTES, "the format's nonce");
static_assert(sizeof((struct ob_sealed *)0)->box == SEED_BYTES + crypto_secretbox_MACBYTES,
              "the format's box");

/* The next word, of exactly 2 * bytes digits. */
static bool take_hex(const char **text, void *ret_data, size_t bytes) {
    size_t length = strcspn(*text, " "), used = 0;
    if (length != 2 * bytes || sodium_hex2bin(ret_data, bytes, *text, length, NULL, &used, NULL) != 0 ||
        used != bytes)
        return false;
    *text += length + ((*text)[length] == ' ');
    return true;
}

static bool take_number(const char **text, uint32_t low, uint32_t high, uint32_t *ret_value) {
    size_t length = strspn(*text, "0123456789");
    if (length < 1 || length > 7 || (*text)[length] != ' ' || ((*text)[0] == '0' && length > 1))
        return false;
    unsigned long value = strtoul(*text, NULL, 10);
    *text += length + 1;
    *ret_value = (uint32_t)value;
    return value >= low && value <= high;
}

enum ob_err ob_sealed_parse(const char *name, const char *text, size_t bytes, struct ob_sealed *ret_sealed,
                            struct ob_error *error) {
    char line[OB_SEALED_TEXT_MAX];
    struct ob_sealed sealed;
    const char *at = line + sizeof HEAD - 1;
    while (bytes > 0 && (text[bytes - 1] == '\n' || text[bytes - 1] == '\r'))
        bytes--;
    bool good = bytes > sizeof HEAD && bytes < sizeof line && memcmp(text, HEAD, sizeof HEAD - 1) == 0 &&
                !memchr(text, 0, bytes);
    if (good) {
        memcpy(line, text, bytes);
        line[bytes] = 0;
        good = take_hex(&at, sealed.machine.key, OB_KEY_BYTES) &&
               take_number(&at, 1, PASSES_MAX, &sealed.passes) &&
               take_number(&at, KIB_MIN, KIB_MAX, &sealed.kib) &&
               take_hex(&at, sealed.salt, sizeof sealed.salt) &&
               take_hex(&at, sealed.nonce, sizeof sealed.nonce) &&
               take_hex(&at, sealed.box, sizeof sealed.box) && *at == 0 && line[bytes - 1] != ' ';
    }
    if (!good)
        return ob_fail(error, OB_EFORMAT, "%s: not a key under a passphrase, or damaged", name);
    *ret_sealed = sealed;
    return OB_OK;
}

void ob_sealed_write(const struct ob_sealed *sealed, char ret_text[static OB_SEALED_TEXT_MAX]) {
    char key[OB_HEX_KEY_MAX], salt[33], nonce[49], box[97];
    ob_machine_to_text(&sealed->machine, key);
    sodium_bin2hex(salt, sizeof salt, sealed->salt, sizeof sealed->salt);
    sodium_bin2hex(nonce, sizeof nonce, sealed->nonce, sizeof sealed->nonce);
    sodium_bin2hex(box, sizeof box, sealed->box, sizeof sealed->box);
    (void)snprintf(ret_text, OB_SEALED_TEXT_MAX, HEAD "%s %" PRIu32 " %" PRIu32 " %s %s %s\n", key,
                   sealed->passes, sealed->kib, salt, nonce, box);
}

static enum ob_err make_key(const struct ob_sealed *sealed, const char *passphrase,
                            uint8_t ret_key[static 32], struct ob_error *error) {
    if (crypto_pwhash(ret_key, crypto_secretbox_KEYBYTES, passphrase, strlen(passphrase), sealed->salt,
                      sealed->passes, (size_t)sealed->kib * 1024, crypto_pwhash_ALG_ARGON2ID13) == 0)
        return OB_OK;
    return ob_fail(error, OB_ENOMEM, "the passphrase needs %u MB of memory for a moment", sealed->kib / 1024);
}

enum ob_err ob_sealed_open(const char *name, const struct ob_sealed *sealed, const char *passphrase,
                           struct ob_identity *ret_identity, struct ob_error *error) {
    uint8_t key[crypto_secretbox_KEYBYTES], seed[SEED_BYTES];
    enum ob_err failed = make_key(sealed, passphrase, key, error);
    if (!failed && crypto_secretbox_open_easy(seed, sealed->box, sizeof sealed->box, sealed->nonce, key) != 0)
        failed = ob_fail(error, OB_EREFUSED, "%s: the passphrase is wrong", name);
    if (!failed) {
        crypto_sign_seed_keypair(ret_identity->machine.key, ret_identity->secret_key, seed);
        if (!ob_machine_equal(&ret_identity->machine, &sealed->machine)) {
            ob_identity_wipe(ret_identity);
            failed = ob_fail(error, OB_EFORMAT, "%s: holds another key than the one that it names", name);
        }
    }
    sodium_memzero(key, sizeof key);
    sodium_memzero(seed, sizeof seed);
    return failed;
}

enum ob_err ob_sealed_seal(const struct ob_identity *identity, const char *passphrase,
                           struct ob_sealed *ret_sealed, struct ob_error *error) {
    uint8_t key[crypto_secretbox_KEYBYTES];
    struct ob_sealed sealed = {.machine = identity->machine, .passes = PASSES, .kib = KIB};
    randombytes_buf(sealed.salt, sizeof sealed.salt);
    randombytes_buf(sealed.nonce, sizeof sealed.nonce);
    enum ob_err failed = make_key(&sealed, passphrase, key, error);
    if (failed)
        return failed;
    (void)crypto_secretbox_easy(sealed.box, identity->secret_key, SEED_BYTES, sealed.nonce, key);
    sodium_memzero(key, sizeof key);
    *ret_sealed = sealed;
    return OB_OK;
}
