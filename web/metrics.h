/* metrics - a status (docs/files.md) as Prometheus reads it: text format 0.0.4, names by its conventions. A value that is not
 * known (null) has no line.
 *
 * Errors:  NULL when there is no memory; what is missing in the status is left out.
 * Owns:    the text is malloc'ed, the caller's.
 * Threads: pure.
 * Source:  "Exposition formats" and "Metric and label naming" of the Prometheus documentation. */
#ifndef OB_WEB_METRICS_H
#define OB_WEB_METRICS_H

#include <jansson.h>
#include <stddef.h>

char *ob_web_metrics(const json_t *status, size_t *ret_bytes);

#endif
