#include "tests/sim/plan.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "record/invitation.h"

#define LINE_MAX_BYTES 1024
#define COUNT(array)   (sizeof(array) / sizeof((array)[0]))

static const struct {
    const char *name;
    size_t offset;
    uint64_t smallest, largest;
} PARAMETERS[] = {
    {"seed", offsetof(struct sim_plan, seed), 0, UINT64_MAX},
    {"peers", offsetof(struct sim_plan, peers), 1, 16000},
    {"joiners", offsetof(struct sim_plan, joiners), 0, 1000},
    {"signers", offsetof(struct sim_plan, signers), 0, 16000},
    {"staleness", offsetof(struct sim_plan, staleness), 0, 1000},
    {"samples", offsetof(struct sim_plan, samples), 1, 4096},
    {"delay_ms", offsetof(struct sim_plan, delay_ms), 1, 100000},
    {"round_ms", offsetof(struct sim_plan, round_ms), 1, 1000000},
    {"old", offsetof(struct sim_plan, old), 0, 100},
    {"degree", offsetof(struct sim_plan, degree), 0, 1000},
    {"relay", offsetof(struct sim_plan, relay), 0, 1},
    {"silent", offsetof(struct sim_plan, silent), 0, 1},
    {"authority", offsetof(struct sim_plan, authority), 0, 1},
    {"ed25519", offsetof(struct sim_plan, ed25519), 0, 1},
    {"invited", offsetof(struct sim_plan, invited), 0, 1},
    {"uses", offsetof(struct sim_plan, uses), 0, OB_INVITATION_USES_MAX},
    {"invited_s", offsetof(struct sim_plan, invited_s), 0, 100000},
    {"isolation", offsetof(struct sim_plan, isolation), 0, OB_ISOLATION_ROUNDS_MAX},
    {"replicas", offsetof(struct sim_plan, replicas), 1, 16000},
    {"faults", offsetof(struct sim_plan, faults_s), 0, 100000},
    {"healed", offsetof(struct sim_plan, healed_s), 0, 100000},
    {"calm", offsetof(struct sim_plan, calm_s), 1, 100000},
};

static const char *const WORDS[SIM_FAULTS] = {
    [SIM_LOSS] = "loss",         [SIM_DUPLICATES] = "duplicates",
    [SIM_SLOW] = "slow",         [SIM_LAG] = "lag",
    [SIM_ONE_WAY] = "one-way",   [SIM_SPLIT] = "split",
    [SIM_GARBLE] = "garble",     [SIM_LOSE] = "lose",
    [SIM_CRASH] = "crash",       [SIM_TEAR] = "tear",
    [SIM_JOIN] = "join",         [SIM_LEAVE] = "leave",
    [SIM_PAUSE] = "pause",       [SIM_STRAGGLE] = "straggle",
    [SIM_FULL] = "full",         [SIM_BACKUP] = "backup",
    [SIM_RESTORE] = "restore",   [SIM_COPY] = "copy",
    [SIM_FORK] = "fork",         [SIM_REVOKE] = "revoke",
    [SIM_RENEW] = "renew",       [SIM_ROTATE] = "rotate",
    [SIM_CLOCK] = "clock",       [SIM_EXPECT] = "expect",
    [SIM_LOWER] = "lower",       [SIM_MOVE] = "move",
    [SIM_FLIP] = "flip",         [SIM_HOSTILE] = "hostile",
    [SIM_WITHDRAW] = "withdraw",
};

static const char *const STATES[SIM_STATES] = {
    [SIM_IS_TRAINING] = "training", [SIM_IS_PAUSED] = "paused", [SIM_IS_RECONCILING] = "reconciling",
    [SIM_IS_HALTED] = "halted",     [SIM_IS_DOWN] = "down",     [SIM_IS_ISOLATED] = "isolated",
    [SIM_IS_CUT] = "cut",           [SIM_IS_WHOLE] = "whole",   [SIM_IS_OUT] = "out",
};

const char *sim_state_name(enum sim_state state) {
    return STATES[state];
}

struct sim_plan sim_plan_default(void) {
    return (struct sim_plan){.seed = 1,
                             .peers = 5,
                             .staleness = 4,
                             .samples = 4,
                             .delay_ms = 20,
                             .round_ms = 100,
                             .authority = 1,
                             .isolation = 256,
                             .replicas = 1,
                             .faults_s = 30,
                             .healed_s = 20,
                             .calm_s = 120};
}

bool sim_plan_add(struct sim_plan *plan, struct sim_entry entry) {
    if (plan->count == SIM_ENTRIES_MAX)
        return false;
    plan->entries[plan->count++] = entry;
    return true;
}

size_t sim_plan_nodes(const struct sim_plan *plan) {
    size_t nodes = plan->peers + plan->joiners;
    for (size_t i = 0; i < plan->count; i++)
        nodes += plan->entries[i].fault == SIM_COPY;
    return nodes;
}

static int find_word(const char *word, const char *const *words, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(word, words[i]) == 0)
            return (int)i;
    return -1;
}

static bool read_number(const char *text, double *ret_value) {
    char *end;
    *ret_value = strtod(text, &end);
    return end != text && *end == 0;
}

static bool read_set(const char *text, uint64_t *ret_nodes) {
    for (uint64_t nodes = 0;;) {
        char *end;
        unsigned long node = strtoul(text, &end, 10);
        if (end == text || node > 63)
            return false;
        nodes |= 1ull << node;
        *ret_nodes = nodes;
        if (*end == 0)
            return true;
        if (*end != ',')
            return false;
        text = end + 1;
    }
}

/* One KEY=VALUE of an entry. */
static bool read_field(char *field, struct sim_entry *entry) {
    char *value = strchr(field, '=');
    double number = 0;
    if (value == NULL)
        return false;
    *value++ = 0;
    if (strcmp(field, "nodes") == 0)
        return read_set(value, &entry->nodes);
    if (strcmp(field, "is") == 0) {
        int state = find_word(value, STATES, COUNT(STATES));
        entry->is = state < 0 ? SIM_IS_TRAINING : (enum sim_state)state;
        return state >= 0;
    }
    if (!read_number(value, &number))
        return false;
    if (strcmp(field, "value") == 0)
        entry->value = number;
    else if (number < 0 || number > 1e6)
        return false;
    else if (strcmp(field, "node") == 0)
        entry->node = (size_t)number;
    else if (strcmp(field, "other") == 0)
        entry->other = (size_t)number;
    else if (strcmp(field, "for") == 0)
        entry->for_ns = (uint64_t)(number * 1e9);
    else
        return false;
    return true;
}

static const char *read_entry(struct sim_plan *plan, char **rest) {
    struct sim_entry entry = {0};
    char *at = strtok_r(NULL, " \t\n", rest), *word = strtok_r(NULL, " \t\n", rest);
    double seconds = 0;
    int fault = word == NULL ? -1 : find_word(word, WORDS, COUNT(WORDS));
    if (fault < 0)
        return "an unknown word after the time";
    entry.fault = (enum sim_fault)fault;
    if (strcmp(at, "end") == 0 && entry.fault == SIM_EXPECT)
        entry.at_ns = SIM_AT_END;
    else if (!read_number(at, &seconds) || seconds < 0 || seconds > 1e6)
        return "not a time in seconds";
    else
        entry.at_ns = (uint64_t)(seconds * 1e9);
    for (char *field; (field = strtok_r(NULL, " \t\n", rest)) != NULL;)
        if (!read_field(field, &entry))
            return "a field that is not understood";
    return sim_plan_add(plan, entry) ? NULL : "too many entries";
}

static const char *read_parameter(struct sim_plan *plan, const char *name, const char *value) {
    for (size_t i = 0; i < COUNT(PARAMETERS); i++) {
        if (strcmp(name, PARAMETERS[i].name) != 0)
            continue;
        char *end;
        uint64_t number = value == NULL ? 0 : strtoull(value, &end, 10);
        if (value == NULL || end == value || *end != 0 || number < PARAMETERS[i].smallest ||
            number > PARAMETERS[i].largest)
            return "a value out of bounds";
        memcpy((char *)plan + PARAMETERS[i].offset, &number, sizeof number);
        return NULL;
    }
    return "an unknown parameter";
}

static const char *read_line(struct sim_plan *plan, char *line) {
    char *rest, *comment = strchr(line, '#');
    if (comment != NULL)
        *comment = 0;
    char *word = strtok_r(line, " \t\n", &rest);
    if (word == NULL)
        return NULL;
    if (strcmp(word, "at") == 0)
        return read_entry(plan, &rest);
    return read_parameter(plan, word, strtok_r(NULL, " \t\n", &rest));
}

static const char *check_nodes(const struct sim_plan *plan) {
    for (size_t i = 0; i < plan->count; i++)
        if (plan->entries[i].node >= sim_plan_nodes(plan))
            return "an entry about a node that does not exist";
    return NULL;
}

bool sim_plan_read(const char *path, struct sim_plan *ret_plan) {
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        fprintf(stderr, "%s: cannot be read\n", path);
        return false;
    }
    struct sim_plan *plan = ret_plan;
    *plan = sim_plan_default();
    char line[LINE_MAX_BYTES];
    const char *wrong = NULL;
    unsigned number = 0;
    while (wrong == NULL && fgets(line, sizeof line, file) != NULL) {
        number++;
        wrong = read_line(plan, line);
    }
    fclose(file);
    if (wrong == NULL)
        wrong = check_nodes(plan);
    if (wrong != NULL)
        fprintf(stderr, "%s:%u: %s\n", path, number, wrong);
    return wrong == NULL;
}

static void write_entry(const struct sim_entry *entry, FILE *file) {
    if (entry->at_ns == SIM_AT_END)
        fprintf(file, "at end %s node=%zu", WORDS[entry->fault], entry->node);
    else
        fprintf(file, "at %.9g %s node=%zu", (double)entry->at_ns / 1e9, WORDS[entry->fault], entry->node);
    if (entry->other != 0)
        fprintf(file, " other=%zu", entry->other);
    if (entry->value != 0)
        fprintf(file, " value=%.17g", entry->value);
    if (entry->nodes != 0) {
        const char *separator = " nodes=";
        for (size_t node = 0; node < 64; node++)
            if (sim_plan_in(entry->nodes, node)) {
                fprintf(file, "%s%zu", separator, node);
                separator = ",";
            }
    }
    if (entry->fault == SIM_EXPECT)
        fprintf(file, " is=%s", STATES[entry->is]);
    if (entry->for_ns != 0)
        fprintf(file, " for=%.9g", (double)entry->for_ns / 1e9);
    fputc('\n', file);
}

void sim_plan_write(const struct sim_plan *plan, FILE *file) {
    struct sim_plan usual = sim_plan_default();
    for (size_t i = 0; i < COUNT(PARAMETERS); i++) {
        uint64_t number, default_number;
        memcpy(&number, (const char *)plan + PARAMETERS[i].offset, sizeof number);
        memcpy(&default_number, (const char *)&usual + PARAMETERS[i].offset, sizeof number);
        if (number != default_number || i == 0)
            fprintf(file, "%s %" PRIu64 "\n", PARAMETERS[i].name, number);
    }
    for (size_t i = 0; i < plan->count; i++)
        write_entry(&plan->entries[i], file);
}
