#include "run/token.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

#include "base/cursor.h"
#include "record/hash.h"

#define VERSION        1
#define CHECKSUM_BYTES 8
#define PREFIX_BYTES   (sizeof OB_TOKEN_PREFIX - 1)
#define DATA_MAX       ((OB_TOKEN_TEXT_MAX - PREFIX_BYTES) / 4 * 3 - 3)
#define VARIANT        sodium_base64_VARIANT_URLSAFE_NO_PADDING

static_assert(147 + OB_CONTROL_PLAIN_BYTES_MAX + 2 * (1 + OB_NAME_MAX) + 1 +
                      OB_TOKEN_PLACES_MAX * (OB_KEY_BYTES + 2 + OB_CERTIFICATE_NAME_MAX + OB_ENDPOINT_MAX) +
                      CHECKSUM_BYTES <=
                  DATA_MAX,
              "the longest token fits");

static void write_text(struct ob_writer *writer, const char *text) {
    size_t bytes = strlen(text);
    ob_write_u8(writer, (uint8_t)bytes);
    ob_write_bytes(writer, text, bytes);
}

void ob_token_encode(const struct ob_token *token, char ret_text[static OB_TOKEN_TEXT_MAX]) {
    uint8_t data[DATA_MAX];
    struct ob_writer writer = ob_writer_init(data, sizeof data);
    ob_write_u8(&writer, VERSION);
    ob_write_bytes(&writer, token->run.hash.bytes, OB_HASH_BYTES);
    ob_write_bytes(&writer, token->seed, OB_TOKEN_SEED_BYTES);
    ob_write_bytes(&writer, token->base_hash.bytes, OB_HASH_BYTES);
    ob_write_u64(&writer, token->base_bytes);
    ob_write_bytes(&writer, token->parts.bytes, OB_HASH_BYTES);
    ob_write_u64(&writer, token->trained_bytes);
    ob_write_u16(&writer, (uint16_t)token->entry_bytes);
    ob_write_bytes(&writer, token->entry, token->entry_bytes);
    write_text(&writer, token->run_name);
    write_text(&writer, token->base_name);
    ob_write_u8(&writer, (uint8_t)token->place_count);
    for (size_t i = 0; i < token->place_count; i++) {
        ob_write_bytes(&writer, token->places[i].machine.key, OB_KEY_BYTES);
        write_text(&writer, token->places[i].name);
        write_text(&writer, token->places[i].endpoint);
    }
    struct ob_hash checksum = ob_hash_of(data, writer.used);
    ob_write_bytes(&writer, checksum.bytes, CHECKSUM_BYTES);
    assert(!writer.failed);
    memcpy(ret_text, OB_TOKEN_PREFIX, PREFIX_BYTES);
    sodium_bin2base64(ret_text + PREFIX_BYTES, OB_TOKEN_TEXT_MAX - PREFIX_BYTES, data, writer.used, VARIANT);
    sodium_memzero(data, sizeof data);
}

/* A text without NULs and control characters; it fits. */
static bool read_text(struct ob_reader *reader, char *ret_text, size_t capacity) {
    uint8_t bytes = ob_read_u8(reader);
    if (reader->failed || bytes >= capacity)
        return false;
    ob_read_bytes(reader, ret_text, bytes);
    ret_text[bytes] = 0;
    for (size_t i = 0; i < bytes; i++)
        if ((unsigned char)ret_text[i] < 0x20 || ret_text[i] == 0x7f)
            return false;
    return !reader->failed;
}

static bool read_places(struct ob_reader *reader, struct ob_token *token) {
    char host[OB_ENDPOINT_MAX];
    uint16_t port;
    token->place_count = ob_read_u8(reader);
    if (reader->failed || token->place_count > OB_TOKEN_PLACES_MAX)
        return false;
    for (size_t i = 0; i < token->place_count; i++) {
        struct ob_token_place *place = &token->places[i];
        ob_read_bytes(reader, place->machine.key, OB_KEY_BYTES);
        if (!read_text(reader, place->name, sizeof place->name) ||
            !read_text(reader, place->endpoint, sizeof place->endpoint) ||
            ob_endpoint_parse(place->endpoint, host, &port, NULL))
            return false;
    }
    return true;
}

static bool read_token(const uint8_t *data, size_t bytes, struct ob_token *token) {
    struct ob_reader reader = ob_reader_init(data, bytes);
    (void)ob_read_u8(&reader);
    ob_read_bytes(&reader, token->run.hash.bytes, OB_HASH_BYTES);
    ob_read_bytes(&reader, token->seed, OB_TOKEN_SEED_BYTES);
    ob_read_bytes(&reader, token->base_hash.bytes, OB_HASH_BYTES);
    token->base_bytes = ob_read_u64(&reader);
    ob_read_bytes(&reader, token->parts.bytes, OB_HASH_BYTES);
    token->trained_bytes = ob_read_u64(&reader);
    token->entry_bytes = ob_read_u16(&reader);
    if (reader.failed || token->entry_bytes > sizeof token->entry)
        return false;
    ob_read_bytes(&reader, token->entry, token->entry_bytes);
    return read_text(&reader, token->run_name, sizeof token->run_name) && token->run_name[0] &&
           read_text(&reader, token->base_name, sizeof token->base_name) && read_places(&reader, token) &&
           !reader.failed && reader.left == 0;
}

void ob_token_key(const struct ob_token *token, uint8_t ret_secret_key[static OB_SECRET_KEY_BYTES]) {
    uint8_t public_key[OB_KEY_BYTES];
    (void)crypto_sign_seed_keypair(public_key, ret_secret_key, token->seed);
}

static enum ob_err check_invitation(const struct ob_token *token, struct ob_control *ret_invitation,
                                    struct ob_error *error) {
    uint8_t key[OB_SECRET_KEY_BYTES];
    enum ob_err failed = ob_control_decode(token->entry, token->entry_bytes, ret_invitation, error);
    if (failed)
        return failed;
    ob_token_key(token, key);
    bool own =
        memcmp(key + OB_SECRET_KEY_BYTES - OB_KEY_BYTES, ret_invitation->subject.key, OB_KEY_BYTES) == 0;
    sodium_memzero(key, sizeof key);
    if (ret_invitation->kind != OB_CONTROL_INVITATION || !own ||
        !ob_control_verify(&token->run, ret_invitation))
        return ob_fail(error, OB_EREFUSED,
                       "the token's invitation was not signed for its run and key; ask for another one");
    return OB_OK;
}

enum ob_err ob_token_decode(const char *text, struct ob_token *ret_token, struct ob_control *ret_invitation,
                            struct ob_error *error) {
    static const char BLANKS[] = " \t\r\n";
    uint8_t data[DATA_MAX];
    size_t bytes = 0;
    text += strspn(text, BLANKS);
    size_t length = strcspn(text, BLANKS);
    if (length < PREFIX_BYTES || memcmp(text, OB_TOKEN_PREFIX, PREFIX_BYTES) != 0 ||
        text[length + strspn(text + length, BLANKS)])
        return ob_fail(error, OB_EFORMAT,
                       "this is no token; a token begins with " OB_TOKEN_PREFIX
                       " and is printed by `onebyte invite`");
    if (sodium_base642bin(data, sizeof data, text + PREFIX_BYTES, length - PREFIX_BYTES, NULL, &bytes, NULL,
                          VARIANT) != 0)
        return ob_fail(
            error, OB_EFORMAT,
            "the token is damaged: a character was changed or is missing; copy it again as a whole");
    if (bytes > 0 && data[0] > VERSION)
        return ob_fail(error, OB_EUNSUPPORTED,
                       "the token has version %u, this program reads version %d; install a newer onebyte",
                       data[0], VERSION);
    struct ob_hash checksum = ob_hash_of(data, bytes > CHECKSUM_BYTES ? bytes - CHECKSUM_BYTES : 0);
    struct ob_token token = {.entry_bytes = 0};
    if (bytes <= CHECKSUM_BYTES ||
        memcmp(checksum.bytes, data + bytes - CHECKSUM_BYTES, CHECKSUM_BYTES) != 0 ||
        !read_token(data, bytes - CHECKSUM_BYTES, &token)) {
        sodium_memzero(data, sizeof data);
        return ob_fail(
            error, OB_EFORMAT,
            "the token is damaged: a character was changed or is missing; copy it again as a whole");
    }
    sodium_memzero(data, sizeof data);
    *ret_token = token;
    sodium_memzero(&token, sizeof token);
    return check_invitation(ret_token, ret_invitation, error);
}

void ob_token_wipe(struct ob_token *token) {
    sodium_memzero(token, sizeof *token);
}
