/* usual_rate - which peak rates are usual for a model's size, so that one that is far outside can be named before a run of
 * days starts. A rule of thumb, set by eye beside the runs that were measured (docs/performance.md): 2e-5 for all tensors of a model of a million parameters, 5e-4 for adapters, falling with the size to the power of
 * 0.35. What fits a run, `onebyte probe` measures.
 *
 * Threads: pure. */
#ifndef OB_CLI_USUAL_RATE_H
#define OB_CLI_USUAL_RATE_H

#include <stdbool.h>
#include <stdint.h>

enum ob_rate_verdict { OB_RATE_USUAL, OB_RATE_HIGH, OB_RATE_LOW };

/* `parameters` of the base model. */
double ob_usual_rate(uint64_t parameters, bool adapters);
/* More than ten times the usual rate is high, less than a hundredth is low. */
enum ob_rate_verdict ob_usual_rate_judge(double rate, uint64_t parameters, bool adapters);

#endif
