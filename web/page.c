#include "web/page.h"

#include <assert.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

/* Made of the file by web/embed.py. */
extern const unsigned char web_page_html[]; /* NUL-terminated */
extern const size_t web_page_html_bytes;

#define HASH_TEXT_MAX sodium_base64_ENCODED_LEN(crypto_hash_sha256_BYTES, sodium_base64_VARIANT_ORIGINAL)

const char *ob_web_page(size_t *ret_bytes) {
    *ret_bytes = web_page_html_bytes;
    return (const char *)web_page_html;
}

/* Of what stands between `open` and `close`. */
static void hash_between(const char *open, const char *close, char ret_text[HASH_TEXT_MAX]) {
    const char *first = strstr((const char *)web_page_html, open);
    assert(first);
    first += strlen(open);
    const char *end = strstr(first, close);
    assert(end);
    unsigned char hash[crypto_hash_sha256_BYTES];
    (void)crypto_hash_sha256(hash, (const unsigned char *)first, (unsigned long long)(end - first));
    (void)sodium_bin2base64(ret_text, HASH_TEXT_MAX, hash, sizeof hash, sodium_base64_VARIANT_ORIGINAL);
}

void ob_web_page_policy(char ret_policy[OB_WEB_POLICY_MAX]) {
    char style[HASH_TEXT_MAX], script[HASH_TEXT_MAX];
    hash_between("<style>", "</style>", style);
    hash_between("<script>", "</script>", script);
    int bytes = snprintf(ret_policy, OB_WEB_POLICY_MAX,
                         "default-src 'none'; style-src 'sha256-%s'; script-src 'sha256-%s'; "
                         "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
                         "frame-ancestors 'none'",
                         style, script);
    assert(bytes > 0 && bytes < OB_WEB_POLICY_MAX);
    (void)bytes;
}
