/* The corpus itself reads the file, so that what is said here is what a run does with it. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "cli/command.h"
#include "cli/evaluate.h"
#include "model/convert/open_model.h"
#include "model/formats/json_value.h"
#include "run/replica.h"

struct arguments {
    const char *data, *model, *chat_template;
    int64_t length;
    bool json;
};

static const struct ob_operand OPERANDS[] = {{"FILE", "rows, JSON Lines", offsetof(struct arguments, data)}};
static const struct ob_option OPTIONS[] = {
    OB_OPTION_MODEL(struct arguments, "model whose tokenizer is used"),
    OB_OPTION_LENGTH(struct arguments),
    OB_OPTION_CHAT_TEMPLATE(struct arguments),
    OB_OPTION_JSON(struct arguments),
};

#define SHOWN_MAX  5 /* lines, and errors, that are named */
#define GROUPS_MAX 64

/* Rows of one kind that are cut, or skipped, for one reason. */
struct group {
    enum ob_row_kind kind;
    enum ob_row_fate fate;
    const char *why;
    uint64_t rows;
    uint64_t lines[SHOWN_MAX]; /* of the first */
};

/* Rows of one kind. */
struct kind {
    uint64_t usable, cut, skipped; /* cut ones are usable */
    size_t *lengths;               /* of usable rows, before they are cut; owned, sorted at the end */
    size_t lengths_count, lengths_max;
};

struct survey {
    struct kind kinds[OB_ROW_KINDS];
    struct group groups[GROUPS_MAX];
    size_t group_count;
    uint64_t bad;
    struct ob_error errors[SHOWN_MAX]; /* the first bad rows' */
    bool is_out_of_memory;
    size_t length, sequences, tokens,
        targets; /* as a run sees them; the last three 0 when it refuses the file */
};

static const double QUANTILES[] = {0.0, 0.5, 0.95, 1.0};
static const char *const QUANTILE_NAMES[] = {"min", "median", "p95", "max"};
#define QUANTILE_COUNT (sizeof QUANTILES / sizeof *QUANTILES)

static const char *fate_name(enum ob_row_fate fate) {
    return fate == OB_ROW_CUT ? "cut" : "skipped";
}

static void note_group(struct survey *survey, const struct ob_row_report *row) {
    struct group *group = survey->groups, *end = group + survey->group_count;
    while (group < end &&
           (group->kind != row->kind || group->fate != row->fate || strcmp(group->why, row->why) != 0))
        group++;
    if (group == end) {
        if (survey->group_count == GROUPS_MAX)
            return;
        *group = (struct group){.kind = row->kind, .fate = row->fate, .why = row->why};
        survey->group_count++;
    }
    if (group->rows < SHOWN_MAX)
        group->lines[group->rows] = row->line;
    group->rows++;
}

static void note_usable(struct survey *survey, const struct ob_row_report *row) {
    struct kind *kind = &survey->kinds[row->kind];
    kind->usable++;
    if (!ob_array_reserve(&kind->lengths, kind->lengths_count, 1, sizeof *kind->lengths, &kind->lengths_max))
        survey->is_out_of_memory = true;
    else
        kind->lengths[kind->lengths_count++] = row->tokens;
}

static void note_row(void *context, const struct ob_row_report *row) {
    struct survey *survey = context;
    if (row->fate == OB_ROW_BAD) {
        if (survey->bad < SHOWN_MAX)
            (void)ob_fail(&survey->errors[survey->bad], OB_EFORMAT, "%s", row->why);
        survey->bad++;
        return;
    }
    if (row->fate == OB_ROW_SKIPPED)
        survey->kinds[row->kind].skipped++;
    else
        note_usable(survey, row);
    survey->kinds[row->kind].cut += row->fate == OB_ROW_CUT;
    if (row->fate != OB_ROW_KEPT)
        note_group(survey, row);
}

static int compare_lengths(const void *a, const void *b) {
    size_t left = *(const size_t *)a, right = *(const size_t *)b;
    return (left > right) - (left < right);
}

static void sort_lengths(struct survey *survey) {
    for (size_t k = 0; k < OB_ROW_KINDS; k++)
        if (survey->kinds[k].lengths_count > 0)
            qsort(survey->kinds[k].lengths, survey->kinds[k].lengths_count, sizeof(size_t), compare_lengths);
}

/* The nearest rank's, of sorted lengths; there is at least one. */
static size_t quantile(const struct kind *kind, double part) {
    double rank = ceil(part * (double)kind->lengths_count);
    return kind->lengths[rank < 1.0 ? 0 : (size_t)rank - 1];
}

static bool has_rows(const struct kind *kind) {
    return kind->usable + kind->skipped > 0;
}

static uint64_t skipped_rows(const struct survey *survey) {
    uint64_t rows = 0;
    for (size_t k = 0; k < OB_ROW_KINDS; k++)
        rows += survey->kinds[k].skipped;
    return rows;
}

static void print_kind(const char *name, const struct kind *kind) {
    printf("%-11s %" PRIu64 " row%s: %" PRIu64 " usable (%" PRIu64 " of them cut), %" PRIu64 " skipped\n",
           name, kind->usable + kind->skipped, kind->usable + kind->skipped == 1 ? "" : "s", kind->usable,
           kind->cut, kind->skipped);
    if (kind->lengths_count == 0)
        return;
    printf("            tokens of a usable row before it is cut:");
    for (size_t i = 0; i < QUANTILE_COUNT; i++)
        printf(" %s %zu%s", QUANTILE_NAMES[i], quantile(kind, QUANTILES[i]),
               i + 1 < QUANTILE_COUNT ? "," : "\n");
}

static int print_text(const struct survey *survey) {
    for (size_t k = 0; k < OB_ROW_KINDS; k++)
        if (has_rows(&survey->kinds[k]))
            print_kind(ob_row_kind_name((enum ob_row_kind)k), &survey->kinds[k]);
    if (survey->sequences > 0)
        printf("a run sees  %zu sequence%s of at most %zu tokens: %zu tokens, %zu of them targets\n",
               survey->sequences, survey->sequences == 1 ? "" : "s", survey->length, survey->tokens,
               survey->targets);
    for (size_t i = 0; i < survey->group_count; i++) {
        const struct group *group = &survey->groups[i];
        printf("%-11s %" PRIu64 " %s row%s: %s; line", fate_name(group->fate), group->rows,
               ob_row_kind_name(group->kind), group->rows == 1 ? "" : "s", group->why);
        for (size_t line = 0; line < group->rows && line < SHOWN_MAX; line++)
            printf("%s %" PRIu64, line ? "," : "", group->lines[line]);
        puts(group->rows > SHOWN_MAX ? ", ..." : "");
    }
    for (size_t i = 0; i < survey->bad && i < SHOWN_MAX; i++)
        printf("bad         %s\n", survey->errors[i].text);
    return OB_EXIT_DONE;
}

static json_t *kinds_to_json(const struct survey *survey) {
    json_t *kinds = json_object();
    for (size_t k = 0; k < OB_ROW_KINDS; k++) {
        const struct kind *kind = &survey->kinds[k];
        if (!has_rows(kind))
            continue;
        uint64_t rows = kind->usable + kind->skipped;
        json_t *entry =
            json_pack("{s:I, s:I, s:I, s:I}", "rows", (json_int_t)rows, "usable", (json_int_t)kind->usable,
                      "cut", (json_int_t)kind->cut, "skipped", (json_int_t)kind->skipped);
        json_t *lengths = kind->lengths_count > 0 ? json_object() : json_null();
        for (size_t i = 0; kind->lengths_count > 0 && i < QUANTILE_COUNT; i++)
            json_object_set_new(lengths, QUANTILE_NAMES[i],
                                json_integer((json_int_t)quantile(kind, QUANTILES[i])));
        json_object_set_new(entry, "tokens_of_usable_row_before_cut", lengths);
        json_object_set_new(kinds, ob_row_kind_name((enum ob_row_kind)k), entry);
    }
    return kinds;
}

static json_t *groups_to_json(const struct survey *survey) {
    json_t *list = json_array();
    for (size_t i = 0; i < survey->group_count; i++) {
        const struct group *group = &survey->groups[i];
        json_t *lines = json_array();
        for (size_t line = 0; line < group->rows && line < SHOWN_MAX; line++)
            json_array_append_new(lines, json_integer((json_int_t)group->lines[line]));
        json_array_append_new(list,
                              json_pack("{s:s, s:s, s:I, s:s, s:o}", "kind", ob_row_kind_name(group->kind),
                                        "fate", fate_name(group->fate), "rows", (json_int_t)group->rows,
                                        "why", group->why, "first_lines", lines));
    }
    return list;
}

static int print_json(const struct survey *survey) {
    json_t *errors = json_array(), *run = json_null();
    for (size_t i = 0; i < survey->bad && i < SHOWN_MAX; i++)
        json_array_append_new(errors, ob_json_text(survey->errors[i].text));
    if (survey->sequences > 0)
        run = json_pack("{s:I, s:I, s:I}", "sequences", (json_int_t)survey->sequences, "tokens",
                        (json_int_t)survey->tokens, "targets", (json_int_t)survey->targets);
    json_t *all = json_pack("{s:I, s:o, s:o, s:o, s:I, s:o}", "length", (json_int_t)survey->length, "kinds",
                            kinds_to_json(survey), "run", run, "problems", groups_to_json(survey), "bad_rows",
                            (json_int_t)survey->bad, "errors", errors);
    return ob_cli_print_json(all, all != NULL);
}

/* Fills the survey; what was noted before an error stays. */
static enum ob_err look(struct survey *survey, struct ob_cli_rows *rows, struct ob_error *error) {
    struct ob_model *model = NULL;
    struct ob_tokenizer *tokenizer = NULL;
    struct ob_corpus *corpus = NULL;
    enum ob_err failed = ob_model_open(rows->model, &model, error);
    if (!failed) {
        rows->config = &model->config;
        rows->report = note_row;
        rows->context = survey;
        failed = ob_cli_length(rows, &survey->length, error);
    }
    if (!failed)
        failed = ob_cli_open_rows(rows, &tokenizer, &corpus, error);
    if (!failed && survey->is_out_of_memory)
        failed = ob_fail(error, OB_ENOMEM, "%s: out of memory for the lengths of its rows", rows->data);
    if (survey->bad > 0)
        failed = ob_fail(error, OB_EFORMAT, "%s: a run rejects this file because of %" PRIu64 " bad lines",
                         rows->data, survey->bad);
    if (!failed) {
        survey->sequences = ob_corpus_sequences(corpus);
        survey->tokens = ob_corpus_tokens(corpus);
        survey->targets = ob_corpus_targets(corpus);
    }
    sort_lengths(survey);
    ob_corpus_free(corpus);
    ob_tokenizer_free(tokenizer);
    ob_model_free(model);
    return failed;
}

static bool saw_rows(const struct survey *survey) {
    bool saw = survey->bad > 0;
    for (size_t k = 0; k < OB_ROW_KINDS; k++)
        saw = saw || has_rows(&survey->kinds[k]);
    return saw;
}

static int check(struct survey *survey, struct ob_cli_rows *rows, bool json) {
    struct ob_error error = {0};
    int code = OB_EXIT_DONE;
    enum ob_err failed = look(survey, rows, &error);
    if (!failed || saw_rows(survey))
        code = (json ? print_json : print_text)(survey);
    if (failed)
        return ob_cli_fail(&error);
    return code == OB_EXIT_DONE && skipped_rows(survey) > 0 ? OB_EXIT_CHECK : code;
}

static int run(const void *arguments) {
    const struct arguments *a = arguments;
    struct ob_cli_rows rows = {
        .model = a->model, .data = a->data, .chat_template = a->chat_template, .length = a->length};
    struct survey *survey = calloc(1, sizeof *survey);
    if (!survey) {
        struct ob_error error = {0};
        (void)ob_fail(&error, OB_ENOMEM, "%s: out of memory", a->data);
        return ob_cli_fail(&error);
    }
    int status = check(survey, &rows, a->json);
    for (size_t k = 0; k < OB_ROW_KINDS; k++)
        free(survey->kinds[k].lengths);
    free(survey);
    return status;
}

const struct ob_command OB_COMMAND_DATA_CHECK = {
    .name = "data check",
    .summary = "check a file of rows before a run starts",
    .details = "For each kind of row, reports the count, token lengths, which rows are cut or skipped, why, "
               "and on which lines, and what a run sees of the file. The exit code is 0 if all rows are "
               "usable (some may be cut), 3 if some are skipped, 1 if a run would reject the file, 2 if "
               "--length exceeds the model's context.",
    OB_OPERANDS(OPERANDS),
    OB_OPTIONS(OPTIONS),
    .arguments_bytes = sizeof(struct arguments),
    .run = run,
};
