#include "daemon/status_fields.h"

#include <math.h>
#include <unistd.h>

#include "model/formats/json_value.h"

#define OB_STATUS_LIVES                                                                                      \
    "What the daemon is doing: `fetching` (the manifest), `recovering`, `replaying`, `reconciling`, "        \
    "`training`, "                                                                                           \
    "`waiting`, `paused`, `alone`, `isolated`, "                                                             \
    "`rebuilding`, `finished`, `leaving`, `left`, `halted`, `disk-full`, `log-locked` or `log-gone`."

#define MAKE_BOOL(value)    json_boolean(value)
#define MAKE_INTEGER(value) json_integer((json_int_t)(value))
#define MAKE_REAL(value)    ob_json_real(value)
#define MAKE_TEXT(value)    ob_json_text(value)
#define MAKE_DIGEST(value)  ob_json_hex_or_null(value)
#define MAKE_JSON(value)    (value)

static json_t *pause_json(const struct ob_pause *pause) {
    json_t *reasons = json_array();
    for (int reason = 0; reason < OB_PAUSE_COUNT; reason++)
        if (ob_pause_has(pause, (enum ob_pause_reason)reason))
            json_array_append_new(reasons, json_string(ob_pause_reason_name((enum ob_pause_reason)reason)));
    return reasons;
}

static json_t *problems_json(const struct ob_problems *problems) {
    json_t *list = json_array();
    bool good = list != NULL;
    for (size_t i = 0; i < problems->count && good; i++) {
        const struct ob_problem *p = &problems->items[i];
        json_t *item = json_object();
        good = ob_json_set(item, "level", ob_json_text(p->critical ? "critical" : "warning")) &&
               ob_json_set(item, "kind", ob_json_text(p->kind)) &&
               ob_json_set(item, "machine", ob_json_text(p->machine)) &&
               ob_json_set(item, "text", ob_json_text(p->text)) &&
               ob_json_set(item, "remedy", ob_json_text(p->remedy));
        good = json_array_append_new(list, item) == 0 && good;
    }
    if (good)
        return list;
    json_decref(list);
    return NULL;
}

#define CURVE_PARTS 32

static json_t *curve_json(const struct ob_history *history) {
    double losses[CURVE_PARTS];
    json_t *list = json_array();
    for (size_t i = 0; i < CURVE_PARTS; i++)
        losses[i] = NAN;
    if (history)
        ob_health_curve(history, losses, CURVE_PARTS);
    for (size_t i = 0; i < CURVE_PARTS; i++)
        json_array_append_new(list, ob_json_real(losses[i]));
    return list;
}

#define EVENTS_SHOWN 20

static json_t *events_json(const struct ob_history *history) {
    size_t count = history ? ob_history_event_count(history) : 0;
    json_t *list = json_array();
    bool good = list != NULL;
    for (size_t i = count > EVENTS_SHOWN ? count - EVENTS_SHOWN : 0; i < count && good; i++) {
        const struct ob_history_event *e = ob_history_event_at(history, i);
        json_t *item = json_object();
        good = ob_json_set(item, "time", ob_json_real(1e-3 * (double)e->time_ms)) &&
               ob_json_set(item, "kind", ob_json_text(e->kind)) &&
               ob_json_set(item, "machine", ob_json_text(e->machine)) &&
               ob_json_set(item, "text", ob_json_text(e->text));
        good = json_array_append_new(list, item) == 0 && good;
    }
    if (good)
        return list;
    json_decref(list);
    return NULL;
}

static json_t *machine_json(const struct ob_status_machine *m) {
    json_t *root = json_object();
    bool good = root != NULL;
#define MACHINE(name, type, unit, value, sentence) good = ob_json_set(root, name, MAKE_##type(value)) && good;
#include "daemon/status_fields.def"
    if (good)
        return root;
    json_decref(root);
    return NULL;
}

json_t *ob_status_json(const struct ob_status *status) {
    static const struct ob_health NO_HEALTH;
    static const struct ob_problems NO_PROBLEMS;
    struct ob_status known = *status, *s = &known;
    json_t *root = json_object(), *machines = json_array();
    s->health = s->health ? s->health : &NO_HEALTH;
    s->problems = s->problems ? s->problems : &NO_PROBLEMS;
    bool good = root && machines;
#define FIELD(path, type, unit, value, sentence) good = ob_json_set(root, path, MAKE_##type(value)) && good;
#include "daemon/status_fields.def"
    for (size_t i = 0; i < s->machine_count && good; i++)
        good = json_array_append_new(machines, machine_json(&s->machines[i])) == 0;
    good = ob_json_set(root, "machines", machines) && good;
    if (good)
        return root;
    json_decref(root);
    return NULL;
}

#define TYPE_BOOL    "yes/no"
#define TYPE_INTEGER "integer"
#define TYPE_REAL    "number"
#define TYPE_TEXT    "text"
#define TYPE_DIGEST  "64 hex digits"
#define TYPE_JSON    "" /* the unit says it */

const struct ob_status_field OB_STATUS_FIELDS[] = {
#define FIELD(path, type, unit, value, sentence)   {path, TYPE_##type, unit, sentence},
#define MACHINE(name, type, unit, value, sentence) {"machines[]." name, TYPE_##type, unit, sentence},
#include "daemon/status_fields.def"
};
const size_t OB_STATUS_FIELD_COUNT = sizeof OB_STATUS_FIELDS / sizeof *OB_STATUS_FIELDS;
