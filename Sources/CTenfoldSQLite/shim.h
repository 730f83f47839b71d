// Tenfold: the system's SQLite, as a Clang module.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <sqlite3.h>

// SQLITE_TRANSIENT is a function-pointer cast that Swift can't import: SQLite copies the bound value.
static inline sqlite3_destructor_type tenfold_sqlite_transient(void) { return SQLITE_TRANSIENT; }
