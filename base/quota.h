/* quota - how many processors' time the control groups of this process leave it, as containers and services set it.
 *
 * Linux: `cpu.max` of the unified hierarchy, `cpu.cfs_quota_us` and `cpu.cfs_period_us` of the older one, of the group and of
 * all above it (Documentation/admin-guide/cgroup-v2.rst; Documentation/scheduler/sched-bwc.rst).
 *
 * Errors:  none: what is not there or not understood limits nothing.
 * Threads: any. */
#ifndef OB_BASE_QUOTA_H
#define OB_BASE_QUOTA_H

/* Rounded up; 0: no limit. groups: /proc/self/cgroup; root: where the hierarchies are mounted, /sys/fs/cgroup. */
unsigned ob_quota_processors(const char *groups, const char *root);

#endif
