/* sql - the schema of log.sqlite. Private to store/; docs/files.md explains it. */
#ifndef OB_STORE_SQL_H
#define OB_STORE_SQL_H

#define OB_STORE_SCHEMA_VERSION "2"

#define OB_STORE_SCHEMA                                                                                      \
    "PRAGMA journal_mode = WAL;"                                                                             \
    "PRAGMA synchronous = FULL;"                                                                             \
    "PRAGMA journal_size_limit = 4194304;"                                                                   \
    "CREATE TABLE IF NOT EXISTS meta(key TEXT PRIMARY KEY, value BLOB NOT NULL);"                            \
    "CREATE TABLE IF NOT EXISTS machine(number INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE);"              \
    "CREATE TABLE IF NOT EXISTS record(machine INTEGER NOT NULL, first INTEGER NOT NULL, data BLOB NOT "     \
    "NULL, PRIMARY KEY(machine, first)) WITHOUT ROWID;"                                                      \
    "CREATE TABLE IF NOT EXISTS control(kind INTEGER NOT NULL, signer BLOB NOT NULL, subject BLOB NOT "      \
    "NULL, data BLOB NOT NULL, PRIMARY KEY(kind, signer, subject)) WITHOUT ROWID;"

#endif
