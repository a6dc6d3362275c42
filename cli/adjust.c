#include "cli/adjust.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/options.h"
#include "cli/conf.h"

const char *ob_cli_number(int64_t value, char ret_text[static OB_CLI_NUMBER_MAX]) {
    (void)snprintf(ret_text, OB_CLI_NUMBER_MAX, "%" PRId64, value);
    return value == OB_NOT_GIVEN ? NULL : ret_text;
}

/* A copy of `bytes` of a text; NULL: no room. */
static const char *keep(struct ob_cli_settings *settings, const char *text, size_t bytes) {
    if (bytes + 1 > sizeof settings->text - settings->used)
        return NULL;
    char *kept = settings->text + settings->used;
    memcpy(kept, text, bytes);
    kept[bytes] = 0;
    settings->used += bytes + 1;
    return kept;
}

enum ob_err ob_cli_settings_add(struct ob_cli_settings *settings, const struct ob_option_list *given,
                                struct ob_error *error) {
    static const char GOOD[] = "abcdefghijklmnopqrstuvwxyz0123456789_";
    for (size_t i = 0; i < given->count; i++) {
        const char *text = given->values[i];
        size_t section = strspn(text, GOOD),
               key = text[section] == '.' ? strspn(text + section + 1, GOOD) : 0;
        const char *equals = text + section + 1 + key;
        if (section == 0 || key == 0 || *equals != '=')
            return ob_fail(error, OB_EUSAGE,
                           "--set is \"%.80s\", expected SECTION.KEY=VALUE, as training.batch=8", text);
        struct ob_cli_setting setting = {keep(settings, text, section),
                                         keep(settings, text + section + 1, key),
                                         keep(settings, equals + 1, strlen(equals + 1)), true};
        if (!setting.section || !setting.key || !setting.value || settings->count == OB_CLI_SETTINGS_MAX)
            return ob_fail(error, OB_EUSAGE, "too many --set");
        settings->items[settings->count++] = setting;
    }
    return OB_OK;
}

static enum ob_err apply(const char *state_dir, const struct ob_cli_setting *settings, size_t count,
                         bool told, size_t *ret_changed, struct ob_error *error) {
    size_t changed = 0;
    for (size_t i = 0; i < count; i++) {
        char before[OB_PATH_MAX] = "";
        const struct ob_cli_setting *s = &settings[i];
        if (!s->value)
            continue;
        enum ob_err failed = ob_cli_conf_value(state_dir, s->section, s->key, before, error);
        bool off =
            !before[0] && !s->asked && strcmp(s->value, "no") == 0; /* a switch of ours that is not there */
        if (!failed && (strcmp(before, s->value) == 0 || off))
            continue;
        if (!failed)
            failed = ob_cli_conf_set(state_dir, s->section, s->key, s->value, error);
        if (failed)
            return failed;
        if (!told)
            continue;
        printf("  %s is now \"%s\" (it was \"%s\") in %s/" OB_CLI_CONF "\n", s->key, s->value, before,
               state_dir);
        changed++;
    }
    *ret_changed = changed;
    return OB_OK;
}

enum ob_err ob_cli_adjust(const char *state_dir, const struct ob_cli_setting *settings, size_t count,
                          bool runs, struct ob_error *error) {
    size_t changed = 0;
    enum ob_err failed = apply(state_dir, settings, count, true, &changed, error);
    if (!failed && changed > 0 && runs)
        puts("  the daemon that runs takes it at its next start: `onebyte down`, then the same command");
    return failed;
}

enum ob_err ob_cli_adjust_new(const char *state_dir, const struct ob_option_list *given,
                              struct ob_error *error) {
    struct ob_cli_settings settings = {.count = 0};
    size_t changed;
    enum ob_err failed = ob_cli_settings_add(&settings, given, error);
    return failed ? failed : apply(state_dir, settings.items, settings.count, false, &changed, error);
}
