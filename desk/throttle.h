/* throttle - how long to rest after some work, so that it takes no more than a share of the processors' time.
 *
 * Threads: pure. */
#ifndef OB_DESK_THROTTLE_H
#define OB_DESK_THROTTLE_H

/* The work took `cpu_s` of processor time, of all threads, in `wall_s`. `share` (0 … 1) is of `processors`. */
double ob_throttle_rest_s(double cpu_s, double wall_s, double share, unsigned processors);

#endif
