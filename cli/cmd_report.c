#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "base/access.h"
#include "base/hex.h"
#include "cli/chart.h"
#include "cli/command.h"
#include "cli/guard.h"
#include "cli/markup.h"
#include "cli/open_log.h"
#include "cli/shares.h"

struct arguments {
    struct ob_cli_at at;
    const char *out;
};

static const struct ob_operand OPERANDS[] = {OB_OPERAND_STATE_DIR(struct arguments)};
static const struct ob_option OPTIONS[] = {
    OB_OPTION_RUN(struct arguments),
    OB_OPTION_RUN_MANIFEST(struct arguments),
    {"out", "FILE", "HTML file to write; must not exist", OB_ARGUMENT(struct arguments, out),
     .required = true},
};

/* What a report is made of. */
struct report {
    const struct ob_manifest *manifest;
    const struct ob_history *history; /* NULL: there is none */
    struct ob_shares shares;
};

/* ---- HTML ---- */

static const char STYLE[] =
    "body{font:15px/1.5 sans-serif;max-width:60em;margin:2em auto;padding:0 1em;color:#222;background:#fff}"
    "table{border-collapse:collapse;margin:1em 0}td,th{padding:.2em .8em .2em "
    "0;text-align:left;vertical-align:top}"
    "td.n,th.n{text-align:right}code{font-size:90%;overflow-wrap:anywhere}svg{max-width:100%;height:auto}pre{"
    "overflow-x:auto}"
    "@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}}";

static void row(FILE *to, const char *label, const char *format, ...) OB_PRINTF(3, 4);
static void row(FILE *to, const char *label, const char *format, ...) {
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    fprintf(to, "<tr><th>%s</th><td>", label);
    ob_markup_text(to, text);
    fputs("</td></tr>\n", to);
}

static void hash_row(FILE *to, const char *label, const struct ob_hash *hash) {
    char text[OB_HEX_HASH_MAX];
    fprintf(to, "<tr><th>%s</th><td><code>%s</code></td></tr>\n", label,
            ob_hex_encode(hash->bytes, OB_HASH_BYTES, text));
}

static void print_head(FILE *to, const struct report *r) {
    fputs("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
          "content=\"width=device-width\"><meta http-equiv=\"Content-Security-Policy\" content=\"default-src "
          "'none'; style-src "
          "'unsafe-inline'\"><title>",
          to);
    ob_markup_text(to, r->manifest->name);
    fprintf(to, "</title><style>%s</style></head><body>\n<h1>", STYLE);
    ob_markup_text(to, r->manifest->name);
    fputs("</h1>\n<p>A model fine-tuned with onebyte: two-point SPSA estimates, one byte a sample.</p>\n",
          to);
}

static void print_parameters(FILE *to, const struct report *r) {
    const struct ob_manifest *m = r->manifest;
    uint64_t elements = 0, peak = 0;
    for (size_t i = 0; i < m->tensor_count; i++)
        elements += m->tensors[i].layout.elements;
    for (size_t i = 0; i < m->rule.rate_count; i++)
        peak = m->rule.rates[i] > peak ? m->rule.rates[i] : peak;
    fputs("<h2>Run</h2>\n<table>\n", to);
    hash_row(to, "run", &m->run.hash);
    hash_row(to, "base model's tensors", &m->base_hash);
    row(to, "trained", "%" PRIu64 " numbers in %zu tensors", elements, m->tensor_count);
    if (m->lora_rank > 0)
        row(to, "adapters", "rank %" PRIu32 ", alpha %g", m->lora_rank, m->lora_alpha);
    row(to, "rounds", "%" PRIu32 " of %" PRIu32 ", at most %u samples each", r->shares.rounds,
        m->bounds.max_rounds, m->bounds.samples_per_round);
    row(to, "samples", "%" PRIu64 " in %" PRIu64 " records of %zu machines", r->shares.samples,
        r->shares.records, r->shares.count);
    row(to, "peak learning rate", "%.4g", ldexp((double)peak, -48));
    row(to, "epsilon", "%g", (double)m->epsilon);
    row(to, "combination", "%s, s0 %" PRIu32, ob_spsa_combine_name(m->rule.combine), m->rule.s0);
    row(to, "byte", "c0 %d, code_max %u", m->rule.code.c0, m->rule.code.code_max);
    fputs("</table>\n", to);
}

static enum ob_err print_curves(FILE *to, const struct report *r, struct ob_error *error) {
    struct ob_canvas *canvas = NULL;
    fputs("<h2>Curves</h2>\n", to);
    if (!r->history) {
        fputs("<p>This machine has no history of the run.</p>\n", to);
        return OB_OK;
    }
    enum ob_err failed =
        ob_canvas_svg(to, OB_CHART_WIDTH, OB_CHART_HEIGHT, r->manifest->name, &canvas, error);
    if (failed)
        return failed;
    ob_chart_draw(canvas, r->history, r->manifest->name);
    return ob_canvas_end(canvas, error);
}

static void print_score(FILE *to, const struct ob_history_frontier *f, bool best) {
    double error = ob_score_loss_error(&f->score), accuracy = ob_score_accuracy(&f->score);
    fprintf(to, "<tr><td class=\"n\">%" PRIu32 "</td><td class=\"n\">%.4f</td><td class=\"n\">", f->round,
            ob_score_loss(&f->score));
    if (isfinite(error))
        fprintf(to, "%.4f", error);
    fputs("</td><td class=\"n\">", to);
    if (isfinite(accuracy))
        fprintf(to, "%.2f %%", 100 * accuracy);
    fprintf(to, "</td><td class=\"n\">%" PRIu64 "</td><td class=\"n\">%" PRIu32 "</td><td>%s</td></tr>\n",
            f->score.items, f->machines, best ? "best" : "");
}

#define SCORES_SHOWN 40

static void print_scores(FILE *to, const struct report *r) {
    const struct ob_history_frontier *best = r->history ? ob_history_best(r->history) : NULL;
    size_t count = r->history ? ob_history_frontier_count(r->history) : 0, scored = 0, seen = 0;
    if (!best)
        return;
    for (size_t i = 0; i < count; i++)
        scored += ob_history_frontier_at(r->history, i)->score.items > 0;
    size_t every = scored / SCORES_SHOWN + 1;
    fputs("<h2>Held-out rows</h2>\n<table><tr><th class=\"n\">round</th><th class=\"n\">loss</th><th "
          "class=\"n\">error</th>"
          "<th class=\"n\">right</th><th class=\"n\">rows</th><th class=\"n\">machines</th><th></th></tr>\n",
          to);
    for (size_t i = 0; i < count; i++) {
        const struct ob_history_frontier *f = ob_history_frontier_at(r->history, i);
        if (f->score.items > 0 && (seen++ % every == 0 || f == best || seen == scored))
            print_score(to, f, f == best);
    }
    fputs("</table>\n", to);
}

static void print_machines(FILE *to, const struct report *r) {
    fputs("<h2>Machines</h2>\n<table><tr><th>machine</th><th>key</th><th class=\"n\">records</th><th "
          "class=\"n\">samples</th>"
          "<th class=\"n\">share</th><th class=\"n\">last round</th><th>head</th></tr>\n",
          to);
    for (size_t i = 0; i < r->shares.count; i++) {
        const struct ob_share_of *s = &r->shares.items[i];
        char key[OB_HEX_HASH_MAX], head[OB_HEX_HASH_MAX];
        fputs("<tr><td>", to);
        ob_markup_text(to, s->name);
        fprintf(to,
                "</td><td><code>%.16s…</code></td><td class=\"n\">%" PRIu64 "</td><td class=\"n\">%" PRIu64
                "</td><td class=\"n\">%.1f %%</td><td class=\"n\">%" PRIu32
                "</td><td><code>%.16s…</code></td></tr>\n",
                ob_hex_encode(s->machine.key, OB_KEY_BYTES, key), s->records, s->samples,
                100.0 * (double)s->samples / (double)r->shares.samples, s->last_round,
                ob_hex_encode(s->head.bytes, OB_HASH_BYTES, head));
    }
    fputs("</table>\n", to);
}

/* The newest digest of the weights that this machine knows. */
static const struct ob_history_frontier *last_digest(const struct ob_history *history) {
    static const struct ob_hash NONE;
    for (size_t i = history ? ob_history_frontier_count(history) : 0; i-- > 0;)
        if (!ob_hash_equal(&ob_history_frontier_at(history, i)->weights, &NONE))
            return ob_history_frontier_at(history, i);
    return NULL;
}

static void print_verifying(FILE *to, const struct report *r) {
    const struct ob_history_frontier *last = last_digest(r->history);
    fputs("<h2>Digests, and how to verify</h2>\n", to);
    if (last) {
        fprintf(to, "<p>All records of rounds below %" PRIu32 ":</p>\n<table>\n", last->round);
        hash_row(to, "log digest", &last->log);
        hash_row(to, "weights digest", &last->weights);
        fputs("</table>\n", to);
    }
    fputs("<p>Weights are whole numbers, base plus records, so that anyone with the base model and the log "
          "gets the same bits:</p>\n"
          "<pre>onebyte verify STATE_DIR\nonebyte export STATE_DIR --out FOLDER    # prints the weights "
          "digest\n"
          "onebyte export STATE_DIR --delta run.delta\nonebyte apply --model BASE --delta run.delta --out "
          "FOLDER</pre>\n"
          "</body></html>\n",
          to);
}

static enum ob_err print_report(FILE *to, const struct report *r, struct ob_error *error) {
    print_head(to, r);
    print_parameters(to, r);
    enum ob_err failed = print_curves(to, r, error);
    print_scores(to, r);
    print_machines(to, r);
    print_verifying(to, r);
    return failed;
}

/* ---- the command ---- */

static enum ob_err write_report(const char *path, const struct report *r, struct ob_error *error) {
    FILE *to = fopen(path, "wx");
    if (!to)
        return ob_access_fail(error, path,
                              errno == EEXIST ? "already exists; choose another name" : "cannot be created",
                              errno);
    enum ob_err failed = print_report(to, r, error);
    bool bad = ferror(to) != 0;
    bad = fclose(to) != 0 || bad;
    return failed || !bad ? failed : ob_access_fail(error, path, "cannot be written", errno);
}

static enum ob_err make(const struct arguments *a, struct ob_cli_guard *guard, struct ob_error *error) {
    struct ob_cli_place place;
    struct ob_manifest *manifest = NULL;
    struct ob_store *store = NULL;
    struct ob_history *history = NULL;
    struct report report = {0};
    enum ob_err failed = ob_cli_find(&a->at, OB_NEED_MANIFEST, &place, error);
    if (!failed && access(a->out, F_OK) == 0)
        failed = ob_fail(error, OB_EBUSY, "%s already exists; choose another name or remove it", a->out);
    if (!failed)
        failed = ob_cli_open_log(&place, &manifest, &store, error);
    if (!failed)
        failed = ob_shares_of(manifest, store, &report.shares, error);
    if (!failed)
        failed = ob_history_read(place.state_dir, &manifest->run, &history, error);
    if (failed == OB_ENOTFOUND && manifest && store)
        failed = OB_OK;
    if (!failed) {
        report.manifest = manifest;
        report.history = history;
        ob_cli_guard_begin(guard, a->out, false);
        failed = write_report(a->out, &report, error);
        if (failed) {
            ob_cli_remove_output(a->out, false);
            ob_cli_guard_done(guard);
        } else {
            (void)ob_cli_guard_finish(guard, NULL, a->out);
        }
    }
    ob_shares_done(&report.shares);
    ob_history_close(history);
    ob_store_close(store);
    ob_manifest_free(manifest);
    return failed;
}

static int work(struct ob_cli_guard *guard, const void *arguments) {
    struct ob_error error = {0};
    return make(arguments, guard, &error) ? ob_cli_fail(&error) : OB_EXIT_DONE;
}

static int report(const void *arguments) {
    return ob_cli_guard_run(work, arguments);
}

const struct ob_command OB_COMMAND_REPORT = {
    .name = "report",
    .summary = "write one HTML file about a run: parameters, curves, machines and their shares, digests",
    .details = "The file refers to nothing outside itself. Works with and without a running daemon.",
    OB_OPERANDS(OPERANDS),
    OB_OPTIONS(OPTIONS),
    .arguments_bytes = sizeof(struct arguments),
    .run = report,
};
