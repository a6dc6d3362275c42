#include "web/access.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/access.h"
#include "base/file.h"
#include "transport/address.h"

#define TOKEN_FILE_MAX 4096

static enum ob_err read_address(const char *text, struct ob_web_access *access, struct ob_error *error) {
    char endpoint[OB_ENDPOINT_MAX], host[OB_ENDPOINT_MAX];
    uint16_t port;
    int length = snprintf(endpoint, sizeof endpoint, "tcp://%s", text);
    if (length < 0 || (size_t)length >= sizeof endpoint || ob_endpoint_parse(endpoint, host, &port, NULL))
        return ob_fail(error, OB_EUSAGE, "%.80s: expected ADDRESS:PORT, as in 127.0.0.1:7310", text);
    const char *numeric = strcmp(host, "*") == 0 ? "::" : host;
    *access = (struct ob_web_access){.address_bytes = sizeof access->address.four};
    if (inet_pton(AF_INET, numeric, &access->address.four.sin_addr) == 1) {
        access->address.four.sin_family = AF_INET;
        access->address.four.sin_port = htons(port);
        return OB_OK;
    }
    if (inet_pton(AF_INET6, numeric, &access->address.six.sin6_addr) != 1)
        return ob_fail(error, OB_EUSAGE, "%.80s: the address must be numeric, as in 127.0.0.1:7310", text);
    access->address_bytes = sizeof access->address.six;
    access->address.six.sin6_family = AF_INET6;
    access->address.six.sin6_port = htons(port);
    return OB_OK;
}

static bool is_loopback(const struct ob_web_access *access) {
    return access->address.any.sa_family == AF_INET ? ntohl(access->address.four.sin_addr.s_addr) >> 24 == 127
                                                    : IN6_IS_ADDR_LOOPBACK(&access->address.six.sin6_addr);
}

static void hash(const char *token, size_t bytes, uint8_t ret_hash[32]) {
    (void)crypto_generichash(ret_hash, 32, (const unsigned char *)token, bytes, NULL, 0);
}

/* The token without the line's end; 0: it is not one. */
static size_t token_bytes(const char *text) {
    size_t bytes = strcspn(text, "\r\n");
    if (text[bytes + strspn(text + bytes, "\r\n")] != 0 || bytes < OB_WEB_TOKEN_MIN ||
        bytes > OB_WEB_TOKEN_MAX)
        return 0;
    for (size_t i = 0; i < bytes; i++)
        if (text[i] <= ' ' || text[i] > '~')
            return 0;
    return bytes;
}

static enum ob_err read_token(const char *path, struct ob_web_access *access, struct ob_error *error) {
    struct stat info;
    if (stat(path, &info) != 0)
        return ob_access_fail(error, path, "cannot open", errno);
    if (info.st_mode & 077)
        return ob_fail(error, OB_EREFUSED, "%s: others may read the token; run `chmod 600 %s`", path, path);
    char *text = NULL;
    size_t bytes = 0;
    enum ob_err failed = ob_file_read(path, TOKEN_FILE_MAX, &text, &bytes, error);
    if (failed)
        return failed;
    size_t length = strlen(text) == bytes ? token_bytes(text) : 0;
    if (length > 0)
        hash(text, length, access->token_hash);
    sodium_memzero(text, bytes);
    free(text);
    access->has_token = length > 0;
    return access->has_token ? OB_OK
                             : ob_fail(error, OB_EUSAGE,
                                       "%s: expected one line of %d to %d letters, digits and signs without "
                                       "blanks, as `openssl rand -hex 32` makes it",
                                       path, OB_WEB_TOKEN_MIN, OB_WEB_TOKEN_MAX);
}

enum ob_err ob_web_access_read(const char *address, const char *token_file, struct ob_web_access *ret_access,
                               struct ob_error *error) {
    enum ob_err failed = read_address(address, ret_access, error);
    if (failed)
        return ob_fail_within(error, failed, "[status] http");
    if (token_file[0])
        failed = read_token(token_file, ret_access, error);
    if (failed)
        return ob_fail_within(error, failed, "[status] http_token_file");
    if (!ret_access->has_token && !is_loopback(ret_access))
        return ob_fail(error, OB_EREFUSED,
                       "[status] http: %.80s can be reached from other machines: name a file with a token in "
                       "[status] http_token_file, or use 127.0.0.1",
                       address);
    return OB_OK;
}

bool ob_web_access_token(const struct ob_web_access *access, const char *authorization,
                         const char *argument) {
    static const char BEARER[] = "Bearer ";
    uint8_t given[32];
    const char *token = argument;
    if (!access->has_token)
        return true;
    if (authorization && strncasecmp(authorization, BEARER, strlen(BEARER)) == 0)
        token = authorization + strlen(BEARER);
    if (!token || strlen(token) > OB_WEB_TOKEN_MAX)
        return false;
    hash(token, strlen(token), given);
    return sodium_memcmp(given, access->token_hash, sizeof given) == 0;
}

bool ob_web_access_host(const struct ob_web_access *access, const char *host) {
    char name[64];
    if (access->has_token)
        return true;
    if (!host)
        return false;
    size_t bytes = host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":");
    if (bytes == 0 || bytes >= sizeof name || bytes > strlen(host) || (host[bytes] && host[bytes] != ':'))
        return false;
    memcpy(name, host, bytes);
    name[bytes] = 0;
    struct in_addr four;
    return strcasecmp(name, "localhost") == 0 || strcmp(name, "[::1]") == 0 ||
           (inet_pton(AF_INET, name, &four) == 1 && ntohl(four.s_addr) >> 24 == 127);
}
