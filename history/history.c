#include "history/history.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/path.h"
#include "history/file.h"

#define ROWS_MAX (OB_HISTORY_LEVELS * (OB_HISTORY_ROWS + 1))

struct row {
    int64_t id;
    struct ob_history_row row;
};
struct frontier {
    struct ob_history_frontier frontier;
    struct ob_history_end *ends; /* owned; NULL: not kept */
    size_t count;
};
struct event {
    int64_t id;
    struct ob_history_event event;
};

/* Design notes. What is in memory is the history; the file follows it. After a failure to write, `behind`: all of it is
 * written again once that works, so that nothing has to be remembered about what was missed. */
struct ob_history {
    char path[OB_PATH_MAX];
    struct ob_run_id run;
    struct history_file *file; /* NULL: cannot be opened now, or open for reading only */
    bool writes, behind, told;
    unsigned rest; /* flushes to pass over before the next try */
    int64_t last_id;
    struct row *rows;
    size_t row_count, level_count[OB_HISTORY_LEVELS];
    struct frontier *frontiers;
    size_t frontier_count;
    struct event *events;
    size_t event_count;
};

#define FLUSHES_TO_REST 60

/* ---- in memory ---- */

static bool take_row(void *context, int64_t id, const struct ob_history_row *row) {
    struct ob_history *h = context;
    bool in_order = h->row_count == 0 ||
                    (id > h->rows[h->row_count - 1].id && row->level <= h->rows[h->row_count - 1].row.level);
    if (!in_order || h->row_count == ROWS_MAX || h->level_count[row->level] > OB_HISTORY_ROWS)
        return false;
    h->rows[h->row_count++] = (struct row){id, *row};
    h->level_count[row->level]++;
    h->last_id = id > h->last_id ? id : h->last_id;
    return true;
}

static struct ob_history_end *copy_ends(const struct ob_history_end *ends, size_t count) {
    struct ob_history_end *copy = count > 0 ? malloc(count * sizeof *copy) : NULL;
    if (copy)
        memcpy(copy, ends, count * sizeof *copy);
    return copy;
}

static bool take_frontier(void *context, const struct ob_history_frontier *frontier,
                          const struct ob_history_end *ends, size_t count) {
    struct ob_history *h = context;
    if (h->frontier_count > OB_HISTORY_FRONTIERS)
        return false;
    struct ob_history_end *copy = copy_ends(ends, count);
    h->frontiers[h->frontier_count++] = (struct frontier){*frontier, copy, copy ? count : 0};
    return true;
}

static bool take_event(void *context, int64_t id, const struct ob_history_event *event) {
    struct ob_history *h = context;
    if (h->event_count > OB_HISTORY_EVENTS)
        return false;
    h->events[h->event_count++] = (struct event){id, *event};
    h->last_id = id > h->last_id ? id : h->last_id;
    return true;
}

static void forget_all(struct ob_history *h) {
    for (size_t i = 0; i < h->frontier_count; i++)
        free(h->frontiers[i].ends);
    h->row_count = h->frontier_count = h->event_count = 0;
    memset(h->level_count, 0, sizeof h->level_count);
}

static enum ob_err load(struct ob_history *h, struct history_file *file, struct ob_error *error) {
    enum ob_err failed = history_file_each_row(file, 0, take_row, h, error);
    if (!failed)
        failed = history_file_each_frontier(file, take_frontier, h, error);
    if (!failed)
        failed = history_file_each_event(file, take_event, h, error);
    if (failed)
        forget_all(h);
    return failed;
}

/* ---- opening ---- */

static enum ob_err make(const char *state_dir, struct ob_history **ret_history, struct ob_error *error) {
    struct ob_history *h = calloc(1, sizeof *h);
    if (h) {
        h->rows = calloc(ROWS_MAX, sizeof *h->rows);
        h->frontiers = calloc(OB_HISTORY_FRONTIERS + 1, sizeof *h->frontiers);
        h->events = calloc(OB_HISTORY_EVENTS + 1, sizeof *h->events);
    }
    enum ob_err failed = h && h->rows && h->frontiers && h->events
                             ? ob_path_join(h->path, state_dir, OB_HISTORY_FILE, error)
                             : ob_fail(error, OB_ENOMEM, "not enough memory for the history of the run");
    if (failed)
        ob_history_close(h);
    else
        *ret_history = h;
    return failed;
}

/* False: it stays where it is. */
static bool set_aside(const struct ob_history *h) {
    static const char *const PARTS[] = {"", "-wal", "-shm"};
    bool moved = true;
    for (size_t i = 0; i < sizeof PARTS / sizeof *PARTS; i++) {
        char from[OB_PATH_MAX + 8], to[OB_PATH_MAX + 16];
        (void)snprintf(from, sizeof from, "%s%s", h->path, PARTS[i]);
        (void)snprintf(to, sizeof to, "%s.old%s", h->path, PARTS[i]);
        moved = (rename(from, to) == 0 || errno == ENOENT) && moved;
    }
    return moved;
}

static enum ob_err open_and_load(struct ob_history *h, struct ob_error *error) {
    struct history_file *file = NULL;
    enum ob_err failed = history_file_open(h->path, &h->run, true, &file, error);
    if (!failed)
        failed = load(h, file, error);
    if (failed)
        history_file_close(file);
    else
        h->file = file;
    return failed;
}

enum ob_err ob_history_open(const char *state_dir, const struct ob_run_id *run,
                            struct ob_history **ret_history, struct ob_error *ret_warning,
                            struct ob_error *error) {
    struct ob_history *h = NULL;
    struct ob_error why = {0};
    enum ob_err failed = make(state_dir, &h, error);
    if (failed)
        return failed;
    ret_warning->text[0] = 0;
    h->run = *run;
    h->writes = true;
    failed = open_and_load(h, &why);
    bool bad = failed == OB_EFORMAT || failed == OB_EUNSUPPORTED || failed == OB_EMISMATCH;
    if (bad && set_aside(h)) {
        (void)ob_fail(ret_warning, failed, "%s; renamed to %s.old, beginning a new history", why.text,
                      OB_HISTORY_FILE);
        failed = open_and_load(h, &why);
    }
    if (failed) {
        (void)ob_fail(ret_warning, failed, "%s; keeping the history in memory only", why.text);
        h->behind = h->told = true;
    }
    *ret_history = h;
    return OB_OK;
}

enum ob_err ob_history_read(const char *state_dir, const struct ob_run_id *run,
                            struct ob_history **ret_history, struct ob_error *error) {
    struct ob_history *h = NULL;
    struct history_file *file = NULL;
    enum ob_err failed = make(state_dir, &h, error);
    if (failed)
        return failed;
    failed = history_file_open(h->path, run, false, &file, error);
    if (!failed)
        failed = load(h, file, error);
    history_file_close(file);
    if (failed)
        ob_history_close(h);
    else
        *ret_history = h;
    return failed;
}

/* ---- the newest rows ---- */

/* Opens it unless the file that is open is still the one at `path`. */
static enum ob_err open_tail(struct ob_history_tail *tail, const char *path, struct ob_error *error) {
    struct stat info;
    bool there = stat(path, &info) == 0;
    if (tail->file && there && info.st_dev == tail->device && info.st_ino == tail->inode)
        return OB_OK;
    ob_history_tail_close(tail);
    enum ob_err failed = history_file_open(path, NULL, false, &tail->file, error);
    if (!failed && there)
        *tail = (struct ob_history_tail){tail->file, info.st_dev, info.st_ino};
    return failed;
}

enum ob_err ob_history_tail_read(struct ob_history_tail *tail, const char *state_dir, size_t rows,
                                 struct ob_history **ret_history, struct ob_error *error) {
    struct ob_history *h = NULL;
    enum ob_err failed = make(state_dir, &h, error);
    if (failed)
        return failed;
    failed = open_tail(tail, h->path, error);
    if (!failed)
        failed = history_file_each_row(tail->file, rows, take_row, h, error);
    if (failed) {
        ob_history_tail_close(tail);
        ob_history_close(h);
        return failed;
    }
    *ret_history = h;
    return OB_OK;
}

void ob_history_tail_close(struct ob_history_tail *tail) {
    history_file_close(tail->file);
    *tail = (struct ob_history_tail){0};
}

void ob_history_close(struct ob_history *h) {
    if (!h)
        return;
    if (h->writes) {
        h->rest = 0;
        (void)ob_history_flush(h, NULL);
    }
    history_file_close(h->file);
    if (h->frontiers)
        forget_all(h);
    free(h->rows);
    free(h->frontiers);
    free(h->events);
    free(h);
}

/* ---- changes ---- */

static void write_row(struct ob_history *h, const struct row *row) {
    if (h->file)
        history_file_put_row(h->file, row->id, &row->row);
}

static void erase(struct ob_history *h, enum history_table table, int64_t id) {
    if (h->file)
        history_file_remove(h->file, table, id);
}

static void drop_row(struct ob_history *h, size_t i) {
    erase(h, HISTORY_ROUND, h->rows[i].id);
    h->row_count--;
    memmove(&h->rows[i], &h->rows[i + 1], (h->row_count - i) * sizeof *h->rows);
}

/* The two oldest of a level become one of the next, which stands right where they did: before the rest of their level. */
static void thin(struct ob_history *h) {
    size_t first = h->row_count; /* of the level */
    for (uint32_t level = 0; level < OB_HISTORY_LEVELS; level++) {
        first -= h->level_count[level];
        if (h->level_count[level] <= OB_HISTORY_ROWS)
            continue;
        if (level + 1 == OB_HISTORY_LEVELS) {
            drop_row(h, first);
            h->level_count[level]--;
            return;
        }
        struct ob_history_row merged = h->rows[first].row;
        ob_history_row_merge(&merged, &h->rows[first + 1].row);
        drop_row(h, first);
        h->rows[first].row = merged;
        write_row(h, &h->rows[first]);
        h->level_count[level] -= 2;
        h->level_count[level + 1]++;
        first++; /* where this level begins now; the next one ends there */
    }
}

void ob_history_add_row(struct ob_history *h, const struct ob_history_row *row) {
    assert(row->level == 0);
    if (!ob_history_row_plausible(row))
        return;
    h->rows[h->row_count] = (struct row){++h->last_id, *row};
    write_row(h, &h->rows[h->row_count++]);
    h->level_count[0]++;
    thin(h);
}

static void write_frontier(struct ob_history *h, const struct frontier *f) {
    if (h->file)
        history_file_put_frontier(h->file, &f->frontier, f->ends, f->count);
}

static void drop_frontier(struct ob_history *h, size_t i) {
    erase(h, HISTORY_FRONTIER, h->frontiers[i].frontier.round);
    free(h->frontiers[i].ends);
    h->frontier_count--;
    memmove(&h->frontiers[i], &h->frontiers[i + 1], (h->frontier_count - i) * sizeof *h->frontiers);
}

/* Every other one of the older half goes: those without a score first. */
static void thin_frontiers(struct ob_history *h) {
    uint32_t best = ob_history_best(h) ? ob_history_best(h)->round : UINT32_MAX;
    bool kept = true, scored = false;
    size_t half = h->frontier_count / 2;
    for (size_t i = 0, seen = 0; seen < half; seen++) {
        const struct ob_history_frontier *f = &h->frontiers[i].frontier;
        bool first = f->score.items > 0 && !scored;
        scored = scored || first;
        if (kept && f->round != best && !first) {
            drop_frontier(h, i);
            kept = false;
        } else {
            kept = true;
            i++;
        }
    }
}

/* Ends of the newest frontiers and of the best one. */
static void thin_ends(struct ob_history *h) {
    const struct ob_history_frontier *best = ob_history_best(h);
    size_t frontiers = 0, ends = 0;
    for (size_t i = h->frontier_count; i-- > 0;) {
        struct frontier *f = &h->frontiers[i];
        if (f->count == 0)
            continue;
        bool keep =
            &f->frontier == best || (frontiers < OB_HISTORY_ENDS && ends + f->count <= OB_HISTORY_ENDS_ALL);
        frontiers++;
        ends += f->count;
        if (keep)
            continue;
        free(f->ends);
        f->ends = NULL;
        f->count = 0;
        write_frontier(h, f);
    }
}

/* The place of a round, or where it would stand. */
static size_t place_of(const struct ob_history *h, uint32_t round) {
    size_t i = h->frontier_count;
    while (i > 0 && h->frontiers[i - 1].frontier.round >= round)
        i--;
    return i;
}

static struct frontier *find_frontier(const struct ob_history *h, uint32_t round) {
    size_t i = place_of(h, round);
    return i < h->frontier_count && h->frontiers[i].frontier.round == round ? &h->frontiers[i] : NULL;
}

void ob_history_put_frontier(struct ob_history *h, const struct ob_history_frontier *frontier,
                             const struct ob_history_end *ends, size_t count) {
    struct frontier *f = find_frontier(h, frontier->round);
    if (!f) {
        size_t i = place_of(h, frontier->round);
        memmove(&h->frontiers[i + 1], &h->frontiers[i], (h->frontier_count - i) * sizeof *h->frontiers);
        h->frontier_count++;
        f = &h->frontiers[i];
        *f = (struct frontier){0};
    }
    f->frontier = *frontier;
    if (count > 0 && count <= OB_HISTORY_ENDS_ALL) {
        free(f->ends);
        f->ends = copy_ends(ends, count);
        f->count = f->ends ? count : 0;
    }
    write_frontier(h, f);
    thin_ends(h);
    if (h->frontier_count > OB_HISTORY_FRONTIERS)
        thin_frontiers(h);
}

void ob_history_forget_above(struct ob_history *h, uint32_t round) {
    while (h->frontier_count > 0 && h->frontiers[h->frontier_count - 1].frontier.round > round)
        drop_frontier(h, h->frontier_count - 1);
}

void ob_history_add_event(struct ob_history *h, const struct ob_history_event *event) {
    struct event *e = &h->events[h->event_count++];
    *e = (struct event){++h->last_id, *event};
    if (h->file)
        history_file_put_event(h->file, e->id, event);
    if (h->event_count <= OB_HISTORY_EVENTS)
        return;
    erase(h, HISTORY_EVENT, h->events[0].id);
    h->event_count--;
    memmove(&h->events[0], &h->events[1], h->event_count * sizeof *h->events);
}

/* ---- to the file ---- */

static void write_all(struct ob_history *h) {
    history_file_clear(h->file);
    for (size_t i = 0; i < h->row_count; i++)
        write_row(h, &h->rows[i]);
    for (size_t i = 0; i < h->frontier_count; i++)
        write_frontier(h, &h->frontiers[i]);
    for (size_t i = 0; i < h->event_count; i++)
        history_file_put_event(h->file, h->events[i].id, &h->events[i].event);
}

static enum ob_err try_to_write(struct ob_history *h, struct ob_error *error) {
    enum ob_err failed = h->file ? OB_OK : history_file_open(h->path, &h->run, true, &h->file, error);
    if (!failed && h->behind)
        write_all(h);
    return failed ? failed : history_file_commit(h->file, error);
}

bool ob_history_flush(struct ob_history *h, struct ob_error *ret_error) {
    struct ob_error why = {0};
    if (h->behind && h->rest > 0) {
        h->rest--;
        return true;
    }
    bool failed = try_to_write(h, &why) != OB_OK;
    bool begins = failed && !h->told;
    h->behind = h->told = failed;
    if (!failed)
        return true;
    history_file_close(h->file);
    h->file = NULL;
    h->rest = FLUSHES_TO_REST;
    if (ret_error)
        *ret_error = begins ? why : (struct ob_error){0};
    return false;
}

/* ---- looking ---- */

size_t ob_history_row_count(const struct ob_history *h) {
    return h->row_count;
}
const struct ob_history_row *ob_history_row_at(const struct ob_history *h, size_t i) {
    assert(i < h->row_count);
    return &h->rows[i].row;
}
size_t ob_history_frontier_count(const struct ob_history *h) {
    return h->frontier_count;
}
const struct ob_history_frontier *ob_history_frontier_at(const struct ob_history *h, size_t i) {
    assert(i < h->frontier_count);
    return &h->frontiers[i].frontier;
}
size_t ob_history_event_count(const struct ob_history *h) {
    return h->event_count;
}
const struct ob_history_event *ob_history_event_at(const struct ob_history *h, size_t i) {
    assert(i < h->event_count);
    return &h->events[i].event;
}

const struct ob_history_frontier *ob_history_best(const struct ob_history *h) {
    const struct ob_history_frontier *best = NULL;
    uint32_t most = 0;
    for (size_t i = 0; i < h->frontier_count; i++)
        if (h->frontiers[i].frontier.score.items > 0 && h->frontiers[i].frontier.machines > most)
            most = h->frontiers[i].frontier.machines;
    for (size_t i = 0; i < h->frontier_count; i++) {
        const struct ob_history_frontier *f = &h->frontiers[i].frontier;
        bool counts = f->score.items > 0 && 2 * (uint64_t)f->machines >= most;
        if (counts && (!best || ob_score_loss(&f->score) < ob_score_loss(&best->score)))
            best = f;
    }
    return best;
}

const struct ob_history_frontier *ob_history_frontier_of(const struct ob_history *h, uint32_t round) {
    const struct frontier *f = find_frontier(h, round);
    return f ? &f->frontier : NULL;
}

const struct ob_history_end *ob_history_ends(const struct ob_history *h, uint32_t round, size_t *ret_count) {
    const struct frontier *f = find_frontier(h, round);
    *ret_count = f ? f->count : 0;
    return f ? f->ends : NULL;
}
