/* Tenfold: carry ten times the traffic of an AI system.
 * SPDX-License-Identifier: Apache-2.0 */

/* A SQLite file system for tests that can fail and lose power.
 *
 * It passes everything on to the system's own, and remembers for every file what was synced and what was written since.
 * After a power cut each operation fails, and an image of the disk can be made: what was synced, plus an arbitrary part
 * of the rest, in sectors of 512 bytes, as a disk with a write cache would leave it. */

#ifndef TENFOLD_FAULT_VFS_H
#define TENFOLD_FAULT_VFS_H

#include <stdint.h>

typedef struct tenfold_fault_vfs tenfold_fault_vfs;

typedef enum tenfold_fault {
  TENFOLD_FAULT_NONE = 0,
  /* Every write, sync and truncation fails from then on, and leaves no trace. */
  TENFOLD_FAULT_POWER = 1,
  /* Writes fail with "disk full". */
  TENFOLD_FAULT_FULL = 2,
  /* Writes fail with an I/O error. */
  TENFOLD_FAULT_WRITE = 3,
  /* Syncs fail. */
  TENFOLD_FAULT_SYNC = 4,
  /* Reads fail with an I/O error; the others leave reads alone. */
  TENFOLD_FAULT_READ = 5
} tenfold_fault;

/* Registers a file system under a name of its own; NULL when there is no memory. */
tenfold_fault_vfs *tenfold_fault_vfs_create(const char *name);

/* Unregisters it; every database opened with it must be closed. */
void tenfold_fault_vfs_destroy(tenfold_fault_vfs *vfs);

/* After `operations` more writes, syncs and truncations (reads, for a fault of reads) the fault begins, and ends after `count` operations that it
 * failed; a negative count never ends. */
void tenfold_fault_vfs_arm(tenfold_fault_vfs *vfs, tenfold_fault fault, int64_t operations, int64_t count);

/* As above, but only for the main database file, which is written when the log is moved into it and at no other time. */
void tenfold_fault_vfs_arm_database(tenfold_fault_vfs *vfs, tenfold_fault fault, int64_t operations, int64_t count);

/* From now on the files hold so many bytes together, and writes beyond fail with "disk full"; negative for no limit. */
void tenfold_fault_vfs_set_quota(tenfold_fault_vfs *vfs, int64_t bytes);

/* How many operations failed because of the fault or the quota. */
int64_t tenfold_fault_vfs_failures(tenfold_fault_vfs *vfs);

/* Decides what the disk holds now and writes it, one file for each, into a folder: 0, or -1 when that failed. Once. */
int tenfold_fault_vfs_image(tenfold_fault_vfs *vfs, const char *folder, uint64_t seed);

#endif
