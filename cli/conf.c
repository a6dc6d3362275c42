#include "cli/conf.h"

#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/access.h"
#include "base/file.h"

#define CONF_MAX 65536

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

/* ---- changing one value ---- */

static size_t skip_blanks(const char *text, size_t at, size_t end) {
    while (at < end && (text[at] == ' ' || text[at] == '\t'))
        at++;
    return at;
}

/* Where a value stands in a text, or would: [from, to) is replaced by it. */
struct spot {
    size_t from, to;
    bool section, key; /* what is there already */
};

static bool is_key(const char *text, size_t at, size_t end, const char *key) {
    size_t length = strlen(key);
    if (end - at <= length || strncmp(text + at, key, length) != 0)
        return false;
    at = skip_blanks(text, at + length, end);
    return at < end && (text[at] == '=' || text[at] == ':');
}

/* As inih reads: the last of several lines counts; an indented one goes on with the value before it, when there is one. */
static struct spot find_spot(const char *text, size_t bytes, const char *section, const char *key) {
    struct spot spot = {.from = bytes, .to = bytes};
    bool inside = false, in_value = false;
    for (size_t line = 0, next; line < bytes; line = next) {
        const char *newline = memchr(text + line, '\n', bytes - line);
        size_t end = newline ? (size_t)(newline - text) : bytes, at = skip_blanks(text, line, end);
        next = newline ? end + 1 : bytes;
        if (at == end || text[at] == ';' || text[at] == '#' || (in_value && at > line))
            continue;
        if (text[at] == '[') {
            size_t length = strlen(section);
            inside = end - at > length + 1 && strncmp(text + at + 1, section, length) == 0 &&
                     text[at + 1 + length] == ']';
            in_value = false;
            if (inside && !spot.section)
                spot = (struct spot){.from = next, .to = next, .section = true};
            continue;
        }
        in_value = true;
        if (inside && is_key(text, at, end, key))
            spot = (struct spot){.from = line, .to = next, .section = true, .key = true};
    }
    return spot;
}

/* There completely, or as it was. */
static enum ob_err replace(const char *path, const char *text, size_t bytes, struct ob_error *error) {
    char next[OB_PATH_MAX];
    enum ob_err failed = ob_path_append(next, path, ".new", error);
    if (failed)
        return failed;
    (void)unlink(next); /* of a program that was killed */
    failed = ob_file_write_new(next, text, bytes, 0600, error);
    if (!failed && rename(next, path) != 0)
        failed = ob_access_fail_writing(error, path, "cannot replace", errno);
    return failed;
}

enum ob_err ob_cli_conf_set(const char *state_dir, const char *section, const char *key, const char *value,
                            struct ob_error *error) {
    char path[OB_PATH_MAX], there[OB_PATH_MAX], *text = NULL, *changed = NULL;
    size_t bytes = 0, changed_bytes = 0;
    enum ob_err failed = check_value(key, value, error);
    if (!failed)
        failed = ob_path_join(path, state_dir, OB_CLI_CONF, error);
    if (!failed)
        failed = ob_file_read(path, CONF_MAX, &text, &bytes, error);
    if (failed)
        return failed;
    FILE *to = open_memstream(&changed, &changed_bytes);
    if (to) {
        struct spot spot = find_spot(text, bytes, section, key);
        fwrite(text, 1, spot.from, to);
        if (spot.from > 0 && text[spot.from - 1] != '\n')
            fputc('\n', to);
        if (!spot.section)
            fprintf(to, "[%s]\n", section);
        fprintf(to, "%s = %s\n", key, value);
        fwrite(text + spot.to, 1, bytes - spot.to, to);
    }
    if (!to || fclose(to) != 0)
        failed = ob_fail(error, OB_ENOMEM, "%s: not enough memory", path);
    free(text);
    if (!failed)
        failed = replace(path, changed, changed_bytes, error);
    free(changed);
    if (!failed)
        failed = ob_cli_conf_value(state_dir, section, key, there, error);
    if (!failed && strcmp(there, value) != 0)
        failed = ob_fail(error, OB_EFORMAT, "%s: cannot set %s; edit it by hand", path, key);
    return failed;
}
