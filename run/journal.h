/* journal - a log line as an entry of systemd's journal, with fields:
 *
 *     MESSAGE=silent machine=carol text="…"   PRIORITY=6   SYSLOG_IDENTIFIER=onebyted
 *     ONEBYTE_EVENT=silent   ONEBYTE_MACHINE=carol   ONEBYTE_TEXT=…
 *
 * Every key=value of the line becomes a field ONEBYTE_KEY, without quotes. Only when standard error is the journal
 * (JOURNAL_STREAM names its device and inode); else nothing is sent and the line goes to standard error as ever.
 *
 * Threads: any; an entry is one datagram.
 * Source:  systemd.exec(5), $JOURNAL_STREAM; systemd.io/JOURNAL_NATIVE_PROTOCOL. */
#ifndef OB_RUN_JOURNAL_H
#define OB_RUN_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>

#define OB_JOURNAL_SOCKET    "/run/systemd/journal/socket"
#define OB_JOURNAL_ENTRY_MAX 8192

/* A socket to the journal at `path`; -1: standard error is not the journal, or it cannot be reached. */
int ob_journal_open(const char *path);
/* Makes the entry; returns its length. priority: of syslog(3). */
size_t ob_journal_entry(int priority, const char *event, const char *pairs,
                        char ret_entry[static OB_JOURNAL_ENTRY_MAX]);
/* False: it was not taken. */
bool ob_journal_send(int socket, const char *entry, size_t bytes);

#endif
