#include "run/movements.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "run/updates.h"

#define RECENT      64 /* samples */
#define TYPICAL_AGE 64 /* records, until it is looked up again */

static size_t position_of(const struct ob_movements *movements, const struct ob_machine_id *machine) {
    size_t low = 0, high = movements->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (ob_machine_compare(&movements->items[middle].machine, machine) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct ob_movement *find(const struct ob_movements *movements, const struct ob_machine_id *machine) {
    size_t at = position_of(movements, machine);
    bool there = at < movements->count && ob_machine_equal(&movements->items[at].machine, machine);
    return there ? &movements->items[at] : NULL;
}

const struct ob_movement *ob_movements_of(const struct ob_movements *movements,
                                          const struct ob_machine_id *machine) {
    return find(movements, machine);
}

void ob_movements_done(struct ob_movements *movements) {
    free(movements->items);
    free(movements->scratch);
    *movements = (struct ob_movements){0};
}

static struct ob_movement *take(struct ob_movements *movements, const struct ob_machine_id *machine) {
    struct ob_movement *found = find(movements, machine);
    if (found)
        return found;
    if (!ob_array_reserve(&movements->items, movements->count, 1, sizeof *movements->items,
                          &movements->capacity) ||
        !ob_array_reserve(&movements->scratch, movements->count, 1, sizeof *movements->scratch,
                          &movements->scratch_capacity))
        return NULL;
    size_t at = position_of(movements, machine);
    memmove(&movements->items[at + 1], &movements->items[at],
            (movements->count - at) * sizeof movements->items[0]);
    movements->count++;
    movements->items[at] = (struct ob_movement){.machine = *machine};
    return &movements->items[at];
}

static double size_of(const struct ob_movements *movements, const struct ob_record *record, uint16_t index) {
    return fabs(ob_spsa_decode(&movements->rule->code, record->exponent, record->bytes[index]));
}

/* Windows follow one another and may lie across records. */
static void look(struct ob_movement *m, uint64_t window, uint64_t sample, double size) {
    if (m->window_count == 0)
        m->window_first = sample;
    m->window_sizes += size;
    if (++m->window_count < window)
        return;
    double mean = m->window_sizes / (double)window;
    if (mean > m->latest) {
        m->latest = mean;
        m->latest_first = m->window_first;
    }
    m->window_count = 0;
    m->window_sizes = 0;
}

enum ob_err ob_movements_add(struct ob_movements *movements, const struct ob_record *record,
                             struct ob_error *error) {
    struct ob_movement *m = take(movements, &record->machine);
    if (!m)
        return ob_fail(error, OB_ENOMEM, "not enough memory for the movements of %zu machines",
                       movements->count + 1);
    struct ob_spsa_update update = ob_update_of(record);
    m->sum += ob_spsa_movement(movements->rule, &update);
    m->latest = 0;
    for (uint16_t i = 0; i < record->n; i++) {
        double size = size_of(movements, record, i);
        m->samples++;
        m->recent += (size - m->recent) / (double)(m->samples < RECENT ? m->samples : RECENT);
        look(m, movements->window > 0 ? movements->window : OB_MOVEMENTS_WINDOW, record->first.index + i,
             size);
    }
    return OB_OK;
}

void ob_movements_remove(struct ob_movements *movements, const struct ob_record *record) {
    struct ob_movement *m = find(movements, &record->machine);
    if (!m)
        return;
    struct ob_spsa_update update = ob_update_of(record);
    m->sum -= ob_spsa_movement(movements->rule, &update);
    m->samples -= record->n;
    if (record->first.index <= m->outlier_from)
        m->outlier = false; /* what stood out does not count any more */
    m->window_count = 0;
    m->window_sizes = 0;
}

static int ascending(const void *a, const void *b) {
    double one = *(const double *)a, other = *(const double *)b;
    return (one > other) - (one < other);
}

/* The median of recent means, of all but one (NULL: of all); 0: nobody has trained for long enough. */
static double typical(const struct ob_movements *movements, const struct ob_movement *but) {
    size_t count = 0;
    for (size_t i = 0; i < movements->count; i++) {
        const struct ob_movement *m = &movements->items[i];
        if (m != but && m->samples >= OB_MOVEMENTS_USUAL)
            movements->scratch[count++] = m->recent;
    }
    if (count == 0)
        return 0;
    qsort(movements->scratch, count, sizeof movements->scratch[0], ascending);
    return movements->scratch[(count - 1) / 2];
}

bool ob_movements_judge(struct ob_movements *movements, const struct ob_machine_id *machine) {
    struct ob_movement *m = find(movements, machine);
    if (!m || m->latest <= 0)
        return false;
    if (movements->typical_age++ % TYPICAL_AGE == 0)
        movements->typical_of_all = typical(movements, NULL);
    if (m->latest < OB_MOVEMENTS_OUTLIER * movements->typical_of_all / 2)
        return false;
    double usual = typical(movements, m);
    if (usual <= 0 || m->latest < OB_MOVEMENTS_OUTLIER * usual)
        return false;
    bool before = m->outlier;
    double times = m->latest / usual;
    if (!before)
        m->outlier_from = m->latest_first;
    m->times = before && m->times > times ? m->times : times;
    m->outlier = true;
    return !before;
}

double ob_movements_share(const struct ob_movements *movements, const struct ob_movement *movement) {
    double all = 0;
    for (size_t i = 0; i < movements->count; i++)
        all += (double)movements->items[i].sum;
    return all > 0 ? (double)movement->sum / all : 0;
}
