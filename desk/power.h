/* power - does this machine run on its battery? From what the kernel says of its power supplies.
 *
 * Mains or USB power that is on: no. Else a battery of the machine (not of a mouse: `scope` is Device) or a UPS that is
 * discharging: yes. A machine without any runs on mains.
 *
 * Bounds:  64 supplies, 32 bytes a file, regular files only; none is waited for.
 * Errors:  none: what cannot be read says nothing.
 * Threads: any; a driver may take its time.
 * Source:  Documentation/ABI/testing/sysfs-class-power (Linux). */
#ifndef OB_DESK_POWER_H
#define OB_DESK_POWER_H

#define OB_POWER_FOLDER "/sys/class/power_supply"

enum ob_power {
    OB_POWER_UNKNOWN,
    OB_POWER_MAINS,
    OB_POWER_BATTERY
}; /* unknown: no such folder, or not read yet */

enum ob_power ob_power_read(const char *folder);
const char *ob_power_name(enum ob_power power); /* NULL: unknown */

#endif
