#include "cli/conf.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"

#define CONF_MAX   65536
#define FIRST_PORT 7300
#define LAST_PORT  (65536 - OB_ENDPOINT_PORTS)

/* What inih would take for something else. */
static enum ob_err check_value(const char *what, const char *value, struct ob_error *error) {
    size_t length = strlen(value);
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)value[i] < 0x20 || (value[i] == ';' && i > 0 && value[i - 1] == ' '))
            return ob_fail(error, OB_EUSAGE,
                           "%s: a configuration file cannot hold a path with a control character or \" ;\": "
                           "rename it (%s)",
                           what, value);
    if (length > 0 && (value[0] == ' ' || value[length - 1] == ' '))
        return ob_fail(error, OB_EUSAGE, "%s: the path begins or ends with a blank: rename it", what);
    return OB_OK;
}

static bool good_key(const char *name) {
    size_t length = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");
    return name[0] && !name[length] && length < 60;
}

static void write_places(FILE *to, const struct ob_cli_conf *conf) {
    char key[OB_HEX_KEY_MAX];
    fputs("[peers]\n", to);
    for (size_t i = 0; i < conf->place_count; i++) {
        const struct ob_token_place *place = &conf->places[i];
        ob_machine_to_text(&place->machine, key);
        if (good_key(place->name))
            fprintf(to, "%s = %s@%s\n", place->name, key, place->endpoint);
        else
            fprintf(to, "peer-%zu = %s@%s\n", i + 1, key, place->endpoint);
    }
}

static void write_conf(FILE *to, const struct ob_cli_conf *conf) {
    fprintf(to,
            "# Written by onebyte; configs/onebyte.conf documents every key.\n[machine]\nstate_dir = %s\n"
            "threads = %lld\n[run]\nmodel = %s\n",
            conf->state_dir, (long long)conf->threads, conf->model);
    if (conf->model_parts)
        fprintf(to, "model_parts = %s\n", conf->model_parts);
    if (conf->share_model)
        fputs("share_model = yes\n", to);
    fprintf(to, "[network]\nlisten = %s\n[training]\n", conf->listen);
    if (conf->data)
        fprintf(to, "data = %s\n", conf->data);
    else
        fputs("observer = yes\n", to);
    if (conf->chat_template)
        fprintf(to, "chat_template = %s\n", conf->chat_template);
    if (conf->exit_when_finished)
        fputs("exit_when_finished = yes\n", to);
    write_places(to, conf);
}

enum ob_err ob_cli_conf_write(const struct ob_cli_conf *conf, struct ob_error *error) {
    char path[OB_PATH_MAX], *text = NULL;
    size_t bytes = 0;
    enum ob_err failed = ob_path_join(path, conf->state_dir, OB_CLI_CONF, error);
    if (!failed)
        failed = check_value("the state directory", conf->state_dir, error);
    if (!failed)
        failed = check_value("the model", conf->model, error);
    if (!failed && conf->data)
        failed = check_value("the rows", conf->data, error);
    if (failed)
        return failed;
    FILE *to = open_memstream(&text, &bytes);
    if (!to)
        return ob_fail(error, OB_ENOMEM, "%s: not enough memory", path);
    write_conf(to, conf);
    if (fclose(to) != 0)
        failed = ob_fail(error, OB_ENOMEM, "%s: not enough memory", path);
    else
        failed = ob_file_write_new(path, text, bytes, 0600, error);
    free(text);
    return failed;
}

struct looking {
    const char *section, *key;
    char *value;
};

static int see(void *context, const char *section, const char *key, const char *value) {
    const struct looking *looking = context;
    if (strcmp(section, looking->section) == 0 && strcmp(key, looking->key) == 0)
        (void)snprintf(looking->value, OB_PATH_MAX, "%s", value);
    return 1;
}

enum ob_err ob_cli_conf_value(const char *state_dir, const char *section, const char *key,
                              char ret_value[static OB_PATH_MAX], struct ob_error *error) {
    char path[OB_PATH_MAX], *text = NULL;
    size_t bytes;
    struct looking looking = {section, key, ret_value};
    enum ob_err failed = ob_path_join(path, state_dir, OB_CLI_CONF, error);
    if (!failed)
        failed = ob_file_read(path, CONF_MAX, &text, &bytes, error);
    if (failed)
        return failed;
    ret_value[0] = 0;
    int line = ini_parse_string(text, see, &looking);
    free(text);
    return line == 0 ? OB_OK : ob_fail(error, OB_EFORMAT, "%s:%d: cannot be read", path, line);
}

/* ---- ports ---- */

static bool free_port(int family, uint16_t port) {
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(port)};
    int one = 1, fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return family == AF_INET6; /* a host without IPv6 */
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
    bool good = family == AF_INET6 ? bind(fd, (struct sockaddr *)&six, sizeof six) == 0
                                   : bind(fd, (struct sockaddr *)&four, sizeof four) == 0;
    close(fd);
    return good || (family == AF_INET6 && errno == EADDRNOTAVAIL);
}

enum ob_err ob_cli_free_listen(char ret_listen[static OB_ENDPOINT_MAX], struct ob_error *error) {
    for (unsigned port = FIRST_PORT; port <= LAST_PORT; port += OB_ENDPOINT_PORTS) {
        bool good = true;
        for (unsigned i = 0; i < OB_ENDPOINT_PORTS && good; i++)
            good = free_port(AF_INET, (uint16_t)(port + i)) && free_port(AF_INET6, (uint16_t)(port + i));
        if (!good)
            continue;
        (void)snprintf(ret_listen, OB_ENDPOINT_MAX, "tcp://*:%u", port);
        return OB_OK;
    }
    return ob_fail(error, OB_EBUSY, "no three free ports in a row from %d on; give --listen tcp://*:PORT",
                   FIRST_PORT);
}
