#include "daemon/hello.h"

#include <sodium.h>
#include <string.h>

size_t ob_hello_encode(const struct ob_certificate_file *certificate, uint8_t ret_hello[OB_HELLO_MAX]) {
    memcpy(ret_hello, certificate->certificate.run.hash.bytes, OB_HASH_BYTES);
    memcpy(ret_hello + OB_HASH_BYTES, certificate->entry, certificate->entry_bytes);
    return OB_HASH_BYTES + certificate->entry_bytes;
}

void ob_beacon_tag(const struct ob_run_id *run, uint8_t ret_tag[OB_BEACON_TAG_BYTES]) {
    crypto_generichash(ret_tag, OB_BEACON_TAG_BYTES, (const unsigned char *)"onebyte/beacon", 14,
                       run->hash.bytes, OB_HASH_BYTES);
}
