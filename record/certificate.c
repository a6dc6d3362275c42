#include "record/certificate.h"

#include <assert.h>
#include <string.h>

#include "base/cursor.h"

bool ob_certificate_good_name(const uint8_t *name, size_t bytes) {
    for (size_t i = 0; i < bytes; i++)
        if (name[i] < 0x20 || name[i] == 0x7f)
            return false;
    return bytes >= 1 && bytes <= OB_CERTIFICATE_NAME_MAX;
}

/* How many bytes follow the first one of a character, and what the second one may be (RFC 3629, section 4:
 * no overlong forms, no surrogates, nothing above U+10FFFF). */
static bool character(uint8_t first, size_t *ret_more, uint8_t *ret_low, uint8_t *ret_high) {
    *ret_low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    *ret_high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    *ret_more = first < 0x80 ? 0 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
    return first < 0x80 || (first >= 0xc2 && first <= 0xf4);
}

static bool is_utf8(const uint8_t *text, size_t bytes) {
    for (size_t i = 0; i < bytes;) {
        size_t more;
        uint8_t low, high;
        if (!character(text[i++], &more, &low, &high) || more > bytes - i)
            return false;
        for (; more > 0; more--, low = 0x80, high = 0xbf)
            if (text[i] < low || text[i++] > high)
                return false;
    }
    return true;
}

enum ob_err ob_certificate_decode(const void *payload, size_t bytes, struct ob_certificate *ret_certificate,
                                  struct ob_error *error) {
    struct ob_reader reader = ob_reader_init(payload, bytes);
    struct ob_certificate certificate = {0};
    ob_read_bytes(&reader, certificate.run.hash.bytes, OB_HASH_BYTES);
    certificate.expiry_s = ob_read_u64(&reader);
    certificate.last_round = ob_read_u32(&reader);
    certificate.name_bytes = ob_read_u8(&reader);
    if (reader.failed)
        return ob_fail(error, OB_EFORMAT, "control: certificate is truncated");
    if (reader.left != certificate.name_bytes)
        return ob_fail(error, OB_EFORMAT, "control: certificate length does not match its name");
    if (!ob_certificate_good_name(reader.at, reader.left))
        return ob_fail(error, OB_EFORMAT,
                       "control: certificate name is empty, too long, or contains control characters");
    ob_read_bytes(&reader, certificate.name, certificate.name_bytes);
    *ret_certificate = certificate;
    return OB_OK;
}

enum ob_err ob_certificate_check_name(const char *name, struct ob_error *error) {
    const uint8_t *text = (const uint8_t *)name;
    size_t bytes = strnlen(name, OB_CERTIFICATE_NAME_MAX + 1);
    if (!ob_certificate_good_name(text, bytes))
        return ob_fail(error, OB_EUSAGE, "a machine's name must have 1 to %d bytes and no control characters",
                       OB_CERTIFICATE_NAME_MAX);
    if (!is_utf8(text, bytes))
        return ob_fail(error, OB_EUSAGE, "a machine's name must be UTF-8");
    return OB_OK;
}

enum ob_err ob_certificate_encode(const struct ob_certificate *certificate, uint8_t *ret_payload,
                                  uint16_t *ret_bytes, struct ob_error *error) {
    enum ob_err err = ob_certificate_check_name(certificate->name, error);
    if (err != OB_OK)
        return err;
    size_t name_bytes = strlen(certificate->name);
    struct ob_writer writer = ob_writer_init(ret_payload, OB_CERTIFICATE_BYTES_MAX);
    ob_write_bytes(&writer, certificate->run.hash.bytes, OB_HASH_BYTES);
    ob_write_u64(&writer, certificate->expiry_s);
    ob_write_u32(&writer, certificate->last_round);
    ob_write_u8(&writer, (uint8_t)name_bytes);
    ob_write_bytes(&writer, certificate->name, name_bytes);
    assert(!writer.failed);
    *ret_bytes = (uint16_t)writer.used;
    return OB_OK;
}
