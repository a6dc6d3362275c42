/* data check: what a JSON Lines file holds, before a run starts. The corpus itself reads it, so that what is
 * said here is what a run does with the file. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/replica.h"
#include "daemon/tool.h"
#include "model/corpus.h"

#define SHOWN_MAX 5 /* lines, and errors, that are named */

/* Rows of one kind that met one fate. */
struct fate {
    uint64_t rows;
    uint64_t lines[SHOWN_MAX]; /* of the first */
};

struct survey {
    struct fate kept[OB_ROW_KINDS], cut[OB_ROW_KINDS], skipped[OB_ROW_KINDS], bad;
    struct ob_error errors[SHOWN_MAX]; /* the first bad rows' */
    uint64_t targets;                  /* of usable rows, before they are cut */
    size_t *lengths;                   /* of usable rows, before they are cut; owned */
    size_t lengths_count, lengths_max;
    bool is_out_of_memory;
    size_t length, tokens, sequences; /* as a run sees them */
};

static const double QUANTILES[] = {0.0, 0.5, 0.9, 0.99, 1.0};
static const char *const QUANTILE_NAMES[] = {"min", "p50", "p90", "p99", "max"};
#define QUANTILE_COUNT (sizeof QUANTILES / sizeof *QUANTILES)

static const char *const WHY_CUT[OB_ROW_KINDS] = {
    "longer than --length: cut into windows", "longer than --length: the prompt loses its front",
    "longer than --length: the prompt loses its front", "longer than --length"};
static const char *const WHY_SKIPPED[OB_ROW_KINDS] = {
    "fewer than 2 tokens, or an empty text", "an empty completion",
    "an empty choice, or one that leaves no room", "nothing to train on"};

static void note_fate(struct fate *fate, uint64_t line) {
    if (fate->rows < SHOWN_MAX)
        fate->lines[fate->rows] = line;
    fate->rows++;
}

static void note_usable(struct survey *survey, const struct ob_row_report *row) {
    survey->targets += row->targets;
    if (survey->lengths_count == survey->lengths_max) {
        size_t wanted = 2 * survey->lengths_max + 1024;
        size_t *larger = reallocarray(survey->lengths, wanted, sizeof *larger);
        if (!larger) {
            survey->is_out_of_memory = true;
            return;
        }
        survey->lengths = larger;
        survey->lengths_max = wanted;
    }
    survey->lengths[survey->lengths_count++] = row->tokens;
}

static void note_row(void *context, const struct ob_row_report *row) {
    struct survey *survey = context;
    switch (row->fate) {
    case OB_ROW_KEPT:
        note_fate(&survey->kept[row->kind], row->line);
        note_usable(survey, row);
        break;
    case OB_ROW_CUT:
        note_fate(&survey->cut[row->kind], row->line);
        note_usable(survey, row);
        break;
    case OB_ROW_SKIPPED:
        note_fate(&survey->skipped[row->kind], row->line);
        break;
    case OB_ROW_BAD:
        if (survey->bad.rows < SHOWN_MAX)
            (void)ob_fail(&survey->errors[survey->bad.rows], OB_EFORMAT, "%s", row->why);
        note_fate(&survey->bad, row->line);
        break;
    }
}

static int compare_lengths(const void *a, const void *b) {
    size_t left = *(const size_t *)a, right = *(const size_t *)b;
    return (left > right) - (left < right);
}

/* The nearest rank's, of sorted lengths. */
static size_t quantile(const struct survey *survey, double part) {
    if (survey->lengths_count == 0)
        return 0;
    double rank = ceil(part * (double)survey->lengths_count);
    return survey->lengths[rank < 1.0 ? 0 : (size_t)rank - 1];
}

static uint64_t rows_of_kind(const struct survey *survey, size_t kind) {
    return survey->kept[kind].rows + survey->cut[kind].rows + survey->skipped[kind].rows;
}

static uint64_t rows_of(const struct fate fates[OB_ROW_KINDS]) {
    uint64_t rows = 0;
    for (size_t kind = 0; kind < OB_ROW_KINDS; kind++)
        rows += fates[kind].rows;
    return rows;
}

static void print_fates(const char *name, const struct fate fates[OB_ROW_KINDS], const char *const *why) {
    for (size_t kind = 0; kind < OB_ROW_KINDS; kind++) {
        const struct fate *fate = &fates[kind];
        if (fate->rows == 0)
            continue;
        printf("%-8s %" PRIu64 " %s rows: %s; line", name, fate->rows,
               ob_row_kind_name((enum ob_row_kind)kind), why[kind]);
        for (size_t i = 0; i < fate->rows && i < SHOWN_MAX; i++)
            printf("%s %" PRIu64, i ? "," : "", fate->lines[i]);
        puts(fate->rows > SHOWN_MAX ? ", ..." : "");
    }
}

static void print_text(const struct survey *survey) {
    for (size_t kind = 0; kind < OB_ROW_KINDS; kind++)
        if (rows_of_kind(survey, kind) > 0)
            printf("rows     %" PRIu64 " %s\n", rows_of_kind(survey, kind),
                   ob_row_kind_name((enum ob_row_kind)kind));
    printf("tokens   %zu in %zu sequences of at most %zu; %" PRIu64 " targets before rows are cut\n",
           survey->tokens, survey->sequences, survey->length, survey->targets);
    printf("length  ");
    for (size_t i = 0; i < QUANTILE_COUNT; i++)
        printf(" %s %zu", QUANTILE_NAMES[i], quantile(survey, QUANTILES[i]));
    puts(" tokens a row");
    print_fates("cut", survey->cut, WHY_CUT);
    print_fates("skipped", survey->skipped, WHY_SKIPPED);
    for (size_t i = 0; i < survey->bad.rows && i < SHOWN_MAX; i++)
        printf("bad      %s\n", survey->errors[i].text);
}

static json_t *fates_to_json(const struct fate fates[OB_ROW_KINDS], const char *const *why) {
    json_t *list = json_array();
    for (size_t kind = 0; kind < OB_ROW_KINDS; kind++) {
        const struct fate *fate = &fates[kind];
        if (fate->rows == 0)
            continue;
        json_t *lines = json_array();
        for (size_t i = 0; i < fate->rows && i < SHOWN_MAX; i++)
            json_array_append_new(lines, json_integer((json_int_t)fate->lines[i]));
        json_array_append_new(list, json_pack("{s:s, s:I, s:s, s:o}", "kind",
                                              ob_row_kind_name((enum ob_row_kind)kind), "rows",
                                              (json_int_t)fate->rows, "why", why[kind], "lines", lines));
    }
    return list;
}

static void print_json(const struct survey *survey) {
    json_t *kinds = json_object(), *lengths = json_object(), *errors = json_array();
    for (size_t kind = 0; kind < OB_ROW_KINDS; kind++)
        if (rows_of_kind(survey, kind) > 0)
            json_object_set_new(kinds, ob_row_kind_name((enum ob_row_kind)kind),
                                json_integer((json_int_t)rows_of_kind(survey, kind)));
    for (size_t i = 0; i < QUANTILE_COUNT; i++)
        json_object_set_new(lengths, QUANTILE_NAMES[i],
                            json_integer((json_int_t)quantile(survey, QUANTILES[i])));
    for (size_t i = 0; i < survey->bad.rows && i < SHOWN_MAX; i++)
        json_array_append_new(errors, json_string(survey->errors[i].text));
    json_t *all = json_pack("{s:o, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:I, s:o}", "kinds", kinds, "length",
                            (json_int_t)survey->length, "tokens", (json_int_t)survey->tokens, "targets",
                            (json_int_t)survey->targets, "sequences", (json_int_t)survey->sequences,
                            "row_tokens", lengths, "cut", fates_to_json(survey->cut, WHY_CUT), "skipped",
                            fates_to_json(survey->skipped, WHY_SKIPPED), "bad_rows",
                            (json_int_t)survey->bad.rows, "errors", errors);
    json_dumpf(all, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(all);
}

/* Fills the survey; what was noted before an error stays. */
static enum ob_err look(struct survey *survey, const char *path, const char *folder, struct ob_error *error) {
    struct ob_model *model = NULL;
    struct ob_tokenizer *tokenizer = NULL;
    struct ob_corpus *corpus = NULL;
    enum ob_err failed = ob_model_open(folder, &model, error);
    if (!failed)
        failed = ob_tokenizer_open(folder, &tokenizer, error);
    if (!failed) {
        size_t context = model->config.context;
        if (survey->length == 0 || survey->length > context)
            survey->length = context < 1024 ? context : 1024;
        struct ob_corpus_options options = {
            .length_max = survey->length, .report = note_row, .context = survey};
        failed = ob_corpus_open(path, tokenizer, &options, &corpus, error);
    }
    if (!failed) {
        survey->tokens = ob_corpus_tokens(corpus);
        survey->sequences = ob_corpus_sequences(corpus);
    }
    if (!failed && survey->is_out_of_memory)
        failed = ob_fail(error, OB_ENOMEM, "%s: no memory for its rows' lengths", path);
    if (!failed && survey->bad.rows > 0)
        failed = ob_fail(error, OB_EFORMAT, "%s: a run refuses this file for %" PRIu64 " of its lines", path,
                         survey->bad.rows);
    if (survey->lengths_count > 0)
        qsort(survey->lengths, survey->lengths_count, sizeof *survey->lengths, compare_lengths);
    ob_corpus_free(corpus);
    ob_tokenizer_free(tokenizer);
    ob_model_free(model);
    return failed;
}

int ob_tool_data(int argc, char **argv) {
    struct ob_tool_option o[] = {
        {.name = "model"}, {.name = "length", .value = "0"}, {.name = "json", .is_switch = true}};
    const char *operands[2];
    size_t count = 0;
    int64_t length = 0;
    struct ob_error error = {0};
    if (!ob_tool_parse(argc, argv, o, 3, operands, 2, &count))
        return OB_EXIT_USAGE;
    if (count != 2 || strcmp(operands[0], "check") != 0 || !o[0].value)
        return ob_tool_usage("data check needs a FILE and --model");
    if (!ob_tool_integer(&o[1], 0, 1 << 20, &length))
        return OB_EXIT_USAGE;
    struct survey *survey = calloc(1, sizeof *survey);
    if (!survey) {
        (void)ob_fail(&error, OB_ENOMEM, "out of memory");
        return ob_tool_complain(&error);
    }
    survey->length = (size_t)length;
    enum ob_err failed = look(survey, operands[1], o[0].value, &error);
    uint64_t skipped = rows_of(survey->skipped);
    if (!failed || survey->lengths_count + skipped + survey->bad.rows > 0) {
        if (o[2].value)
            print_json(survey);
        else
            print_text(survey);
    }
    free(survey->lengths);
    free(survey);
    if (failed)
        return ob_tool_complain(&error);
    return skipped > 0 ? OB_EXIT_CHECK : OB_EXIT_DONE;
}
