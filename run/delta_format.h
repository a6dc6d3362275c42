/* delta_format - the constants of a delta's layout; run/delta.h has the table. For delta*.c. */
#ifndef OB_RUN_DELTA_FORMAT_H
#define OB_RUN_DELTA_FORMAT_H

#define OB_DELTA_MAGIC        "onebyte-delta-2\n"
#define OB_DELTA_MAGIC_BYTES  16
#define OB_DELTA_MAGIC_KNOWN  14 /* bytes of it that every format has */
#define OB_DELTA_HEADER_BYTES 72
#define OB_DELTA_RECORD_BYTES (4 + 2 + 2 + 1 + 1 + 64) /* and n */

#endif
