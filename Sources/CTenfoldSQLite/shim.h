// Tenfold: the system's SQLite, as a Clang module.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <sqlite3.h>

// SQLITE_TRANSIENT is a function-pointer cast that Swift can't import: SQLite copies the bound value.
static inline sqlite3_destructor_type tenfold_sqlite_transient(void) { return SQLITE_TRANSIENT; }

// Lengthens the file of a connection's write-ahead log to `size` bytes with zeros and syncs it; a longer one is left as it
// is. The caller holds the write lock, so nobody appends meanwhile. SQLite takes zeros for the log's end: a frame of page 0
// is none. On failure the file is as long as it was, as far as that can be had.
static inline int tenfold_sqlite_reserve_log(sqlite3 *database, sqlite3_int64 size) {
  static const char zeros[1 << 15] = {0};
  sqlite3_file *file = 0;
  int status = sqlite3_file_control(database, "main", SQLITE_FCNTL_JOURNAL_POINTER, &file);
  if (status != SQLITE_OK || file == 0 || file->pMethods == 0) return status;
  sqlite3_int64 old = 0;
  status = file->pMethods->xFileSize(file, &old);
  if (status != SQLITE_OK || old >= size) return status;
  for (sqlite3_int64 end = old; end < size && status == SQLITE_OK;) {
    sqlite3_int64 count = size - end < (sqlite3_int64)sizeof zeros ? size - end : (sqlite3_int64)sizeof zeros;
    status = file->pMethods->xWrite(file, zeros, (int)count, end);
    end += count;
  }
  if (status == SQLITE_OK) return file->pMethods->xSync(file, SQLITE_SYNC_NORMAL | SQLITE_SYNC_DATAONLY);
  file->pMethods->xTruncate(file, old);
  return status;
}
