/* Tenfold: carry ten times the traffic of an AI system.
 * SPDX-License-Identifier: Apache-2.0 */

#define _POSIX_C_SOURCE 200809L

#include "tenfold_fault_vfs.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SECTOR = 512 };

/* A write (data) or a truncation (no data) that no sync has covered yet. */
typedef struct change {
  struct change *next;
  int64_t offset;
  int64_t size;
  unsigned char *data;
} change;

/* What the disk knows of one file. */
typedef struct disk_file {
  struct disk_file *next;
  char *path;
  unsigned char *bytes;
  int64_t size;
  int64_t capacity;
  /* The size that SQLite sees. */
  int64_t length;
  change *first;
  change **last;
} disk_file;

struct tenfold_fault_vfs {
  sqlite3_vfs base;
  sqlite3_vfs *real;
  pthread_mutex_t lock;
  disk_file *files;
  tenfold_fault fault;
  int only_database;
  int64_t until;
  int64_t count;
  int64_t failures;
  int64_t quota;
};

typedef struct open_file {
  sqlite3_file base;
  tenfold_fault_vfs *vfs;
  disk_file *disk;
  int is_database;
  sqlite3_file *real;
} open_file;

typedef enum operation { READ, WRITE, SYNC } operation;

/* What the disk holds */

static int reserve(disk_file *file, int64_t size) {
  if (size <= file->capacity) return SQLITE_OK;
  int64_t capacity = size * 2;
  unsigned char *bytes = realloc(file->bytes, (size_t)capacity);
  if (bytes == NULL) return SQLITE_NOMEM;
  memset(bytes + file->capacity, 0, (size_t)(capacity - file->capacity));
  file->bytes = bytes;
  file->capacity = capacity;
  return SQLITE_OK;
}

static int put(disk_file *file, int64_t offset, const unsigned char *data, int64_t size) {
  if (reserve(file, offset + size) != SQLITE_OK) return SQLITE_NOMEM;
  memcpy(file->bytes + offset, data, (size_t)size);
  if (offset + size > file->size) file->size = offset + size;
  return SQLITE_OK;
}

static void cut(disk_file *file, int64_t size) {
  if (size >= file->size) return;
  memset(file->bytes + size, 0, (size_t)(file->size - size));
  file->size = size;
}

static void forget_changes(disk_file *file) {
  while (file->first != NULL) {
    change *next = file->first->next;
    free(file->first->data);
    free(file->first);
    file->first = next;
  }
  file->last = &file->first;
}

static int remember(disk_file *file, int64_t offset, const void *data, int64_t size) {
  change *item = calloc(1, sizeof *item);
  if (item == NULL) return SQLITE_NOMEM;
  item->offset = offset;
  item->size = size;
  if (data != NULL) {
    item->data = malloc((size_t)(size > 0 ? size : 1));
    if (item->data == NULL) {
      free(item);
      return SQLITE_NOMEM;
    }
    memcpy(item->data, data, (size_t)size);
  }
  *file->last = item;
  file->last = &item->next;
  return SQLITE_OK;
}

static int settle(disk_file *file) {
  for (change *item = file->first; item != NULL; item = item->next) {
    if (item->data == NULL) {
      cut(file, item->offset);
    } else if (put(file, item->offset, item->data, item->size) != SQLITE_OK) {
      return SQLITE_NOMEM;
    }
  }
  forget_changes(file);
  return SQLITE_OK;
}

static disk_file *find(tenfold_fault_vfs *vfs, const char *path) {
  for (disk_file *file = vfs->files; file != NULL; file = file->next) {
    if (strcmp(file->path, path) == 0) return file;
  }
  disk_file *file = calloc(1, sizeof *file);
  if (file == NULL) return NULL;
  file->path = strdup(path);
  if (file->path == NULL) {
    free(file);
    return NULL;
  }
  file->last = &file->first;
  file->next = vfs->files;
  vfs->files = file;
  return file;
}

/* Faults */

/* What a fault makes of an operation that it strikes. */
static int outcome(tenfold_fault fault, operation operation) {
  switch (fault) {
  case TENFOLD_FAULT_POWER: return operation == SYNC ? SQLITE_IOERR_FSYNC : SQLITE_IOERR_WRITE;
  case TENFOLD_FAULT_FULL: return operation == WRITE ? SQLITE_FULL : SQLITE_OK;
  case TENFOLD_FAULT_WRITE: return operation == WRITE ? SQLITE_IOERR_WRITE : SQLITE_OK;
  case TENFOLD_FAULT_SYNC: return operation == SYNC ? SQLITE_IOERR_FSYNC : SQLITE_OK;
  case TENFOLD_FAULT_READ: return SQLITE_IOERR_READ;
  default: return SQLITE_OK;
  }
}

/* The status that the fault gives to an operation, SQLITE_OK for none; the caller holds the lock. */
static int strike(tenfold_fault_vfs *vfs, operation operation, int is_database) {
  if (vfs->fault == TENFOLD_FAULT_NONE || (operation == READ) != (vfs->fault == TENFOLD_FAULT_READ) ||
      (vfs->only_database && !is_database)) {
    return SQLITE_OK;
  }
  if (vfs->until > 0) {
    vfs->until -= 1;
    return SQLITE_OK;
  }
  if (vfs->count == 0) return SQLITE_OK;
  int status = outcome(vfs->fault, operation);
  if (status != SQLITE_OK) {
    vfs->failures += 1;
    if (vfs->count > 0) vfs->count -= 1;
  }
  return status;
}

/* Makes room for a write, as far as the quota lets it; the caller holds the lock. */
static int grow(tenfold_fault_vfs *vfs, disk_file *file, int64_t end) {
  if (end <= file->length) return SQLITE_OK;
  if (vfs->quota >= 0) {
    int64_t total = end - file->length;
    for (disk_file *other = vfs->files; other != NULL; other = other->next) total += other->length;
    if (total > vfs->quota) {
      vfs->failures += 1;
      return SQLITE_FULL;
    }
  }
  file->length = end;
  return SQLITE_OK;
}

/* Methods of an open file */

static int file_close(sqlite3_file *base) {
  open_file *file = (open_file *)base;
  return file->real->pMethods != NULL ? file->real->pMethods->xClose(file->real) : SQLITE_OK;
}

static int file_read(sqlite3_file *base, void *buffer, int count, sqlite3_int64 offset) {
  open_file *file = (open_file *)base;
  pthread_mutex_lock(&file->vfs->lock);
  int status = strike(file->vfs, READ, file->is_database);
  pthread_mutex_unlock(&file->vfs->lock);
  return status != SQLITE_OK ? status : file->real->pMethods->xRead(file->real, buffer, count, offset);
}

static int file_write(sqlite3_file *base, const void *data, int count, sqlite3_int64 offset) {
  open_file *file = (open_file *)base;
  pthread_mutex_lock(&file->vfs->lock);
  int status = strike(file->vfs, WRITE, file->is_database);
  if (status == SQLITE_OK && file->disk != NULL) status = grow(file->vfs, file->disk, offset + count);
  if (status == SQLITE_OK && file->disk != NULL) status = remember(file->disk, offset, data, count);
  pthread_mutex_unlock(&file->vfs->lock);
  return status != SQLITE_OK ? status : file->real->pMethods->xWrite(file->real, data, count, offset);
}

static int file_truncate(sqlite3_file *base, sqlite3_int64 size) {
  open_file *file = (open_file *)base;
  pthread_mutex_lock(&file->vfs->lock);
  int status = strike(file->vfs, WRITE, file->is_database);
  if (status == SQLITE_OK && file->disk != NULL) status = remember(file->disk, size, NULL, 0);
  if (status == SQLITE_OK && file->disk != NULL && size < file->disk->length) file->disk->length = size;
  pthread_mutex_unlock(&file->vfs->lock);
  return status != SQLITE_OK ? status : file->real->pMethods->xTruncate(file->real, size);
}

static int file_sync(sqlite3_file *base, int flags) {
  open_file *file = (open_file *)base;
  (void)flags;
  pthread_mutex_lock(&file->vfs->lock);
  int status = strike(file->vfs, SYNC, file->is_database);
  /* The images stand in for the disk, so the real sync isn't needed. */
  if (status == SQLITE_OK && file->disk != NULL) status = settle(file->disk);
  pthread_mutex_unlock(&file->vfs->lock);
  return status;
}

static int file_size(sqlite3_file *base, sqlite3_int64 *size) {
  open_file *file = (open_file *)base;
  return file->real->pMethods->xFileSize(file->real, size);
}

static int file_lock(sqlite3_file *base, int level) {
  open_file *file = (open_file *)base;
  return file->real->pMethods->xLock(file->real, level);
}

static int file_unlock(sqlite3_file *base, int level) {
  open_file *file = (open_file *)base;
  return file->real->pMethods->xUnlock(file->real, level);
}

static int file_check_lock(sqlite3_file *base, int *result) {
  open_file *file = (open_file *)base;
  return file->real->pMethods->xCheckReservedLock(file->real, result);
}

static int file_control(sqlite3_file *base, int operation, void *argument) {
  open_file *file = (open_file *)base;
  /* These let SQLite write around the methods above. */
  if (operation == SQLITE_FCNTL_SIZE_HINT || operation == SQLITE_FCNTL_CHUNK_SIZE ||
      operation == SQLITE_FCNTL_MMAP_SIZE) {
    return SQLITE_NOTFOUND;
  }
  return file->real->pMethods->xFileControl(file->real, operation, argument);
}

static int file_sector_size(sqlite3_file *base) {
  (void)base;
  return SECTOR;
}

static int file_characteristics(sqlite3_file *base) {
  (void)base;
  return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

static int file_shm_map(sqlite3_file *base, int page, int size, int extend, void volatile **memory) {
  open_file *file = (open_file *)base;
  return file->real->pMethods->xShmMap(file->real, page, size, extend, memory);
}

static int file_shm_lock(sqlite3_file *base, int offset, int count, int flags) {
  open_file *file = (open_file *)base;
  return file->real->pMethods->xShmLock(file->real, offset, count, flags);
}

static void file_shm_barrier(sqlite3_file *base) {
  open_file *file = (open_file *)base;
  file->real->pMethods->xShmBarrier(file->real);
}

static int file_shm_unmap(sqlite3_file *base, int remove) {
  open_file *file = (open_file *)base;
  return file->real->pMethods->xShmUnmap(file->real, remove);
}

static const sqlite3_io_methods methods = {
  .iVersion = 2,
  .xClose = file_close,
  .xRead = file_read,
  .xWrite = file_write,
  .xTruncate = file_truncate,
  .xSync = file_sync,
  .xFileSize = file_size,
  .xLock = file_lock,
  .xUnlock = file_unlock,
  .xCheckReservedLock = file_check_lock,
  .xFileControl = file_control,
  .xSectorSize = file_sector_size,
  .xDeviceCharacteristics = file_characteristics,
  .xShmMap = file_shm_map,
  .xShmLock = file_shm_lock,
  .xShmBarrier = file_shm_barrier,
  .xShmUnmap = file_shm_unmap,
};

/* Methods of the file system */

static int vfs_open(sqlite3_vfs *base, const char *path, sqlite3_file *handle, int flags, int *out) {
  tenfold_fault_vfs *vfs = (tenfold_fault_vfs *)base;
  open_file *file = (open_file *)handle;
  memset(file, 0, sizeof *file);
  file->vfs = vfs;
  file->real = (sqlite3_file *)(file + 1);
  int status = vfs->real->xOpen(vfs->real, path, file->real, flags, out);
  if (status != SQLITE_OK) return status;
  file->base.pMethods = &methods;
  file->is_database = (flags & SQLITE_OPEN_MAIN_DB) != 0;
  if (path != NULL) {
    pthread_mutex_lock(&vfs->lock);
    file->disk = find(vfs, path);
    if (file->disk != NULL) file->real->pMethods->xFileSize(file->real, (sqlite3_int64 *)&file->disk->length);
    pthread_mutex_unlock(&vfs->lock);
    if (file->disk == NULL) {
      file_close(handle);
      file->base.pMethods = NULL;
      return SQLITE_NOMEM;
    }
  }
  return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *base, const char *path, int sync) {
  tenfold_fault_vfs *vfs = (tenfold_fault_vfs *)base;
  pthread_mutex_lock(&vfs->lock);
  int status = strike(vfs, WRITE, 0);
  disk_file *file = status == SQLITE_OK ? find(vfs, path) : NULL;
  if (file != NULL) {
    forget_changes(file);
    cut(file, 0);
    file->length = 0;
  }
  pthread_mutex_unlock(&vfs->lock);
  return status != SQLITE_OK ? status : vfs->real->xDelete(vfs->real, path, sync);
}

static int vfs_access(sqlite3_vfs *base, const char *path, int flags, int *result) {
  tenfold_fault_vfs *vfs = (tenfold_fault_vfs *)base;
  return vfs->real->xAccess(vfs->real, path, flags, result);
}

static int vfs_full_path(sqlite3_vfs *base, const char *path, int count, char *out) {
  tenfold_fault_vfs *vfs = (tenfold_fault_vfs *)base;
  return vfs->real->xFullPathname(vfs->real, path, count, out);
}

static int vfs_randomness(sqlite3_vfs *base, int count, char *out) {
  tenfold_fault_vfs *vfs = (tenfold_fault_vfs *)base;
  return vfs->real->xRandomness(vfs->real, count, out);
}

static int vfs_sleep(sqlite3_vfs *base, int microseconds) {
  tenfold_fault_vfs *vfs = (tenfold_fault_vfs *)base;
  return vfs->real->xSleep(vfs->real, microseconds);
}

static int vfs_time(sqlite3_vfs *base, double *out) {
  tenfold_fault_vfs *vfs = (tenfold_fault_vfs *)base;
  return vfs->real->xCurrentTime(vfs->real, out);
}

static int vfs_last_error(sqlite3_vfs *base, int count, char *out) {
  tenfold_fault_vfs *vfs = (tenfold_fault_vfs *)base;
  return vfs->real->xGetLastError(vfs->real, count, out);
}

tenfold_fault_vfs *tenfold_fault_vfs_create(const char *name) {
  sqlite3_vfs *real = sqlite3_vfs_find(NULL);
  tenfold_fault_vfs *vfs = real != NULL ? calloc(1, sizeof *vfs) : NULL;
  if (vfs == NULL) return NULL;
  pthread_mutex_init(&vfs->lock, NULL);
  vfs->quota = -1;
  vfs->real = real;
  vfs->base.iVersion = 1;
  vfs->base.szOsFile = (int)sizeof(open_file) + real->szOsFile;
  vfs->base.mxPathname = real->mxPathname;
  vfs->base.zName = strdup(name);
  vfs->base.xOpen = vfs_open;
  vfs->base.xDelete = vfs_delete;
  vfs->base.xAccess = vfs_access;
  vfs->base.xFullPathname = vfs_full_path;
  vfs->base.xRandomness = vfs_randomness;
  vfs->base.xSleep = vfs_sleep;
  vfs->base.xCurrentTime = vfs_time;
  vfs->base.xGetLastError = vfs_last_error;
  if (vfs->base.zName == NULL || sqlite3_vfs_register(&vfs->base, 0) != SQLITE_OK) {
    free((void *)vfs->base.zName);
    free(vfs);
    return NULL;
  }
  return vfs;
}

void tenfold_fault_vfs_destroy(tenfold_fault_vfs *vfs) {
  sqlite3_vfs_unregister(&vfs->base);
  while (vfs->files != NULL) {
    disk_file *next = vfs->files->next;
    forget_changes(vfs->files);
    free(vfs->files->bytes);
    free(vfs->files->path);
    free(vfs->files);
    vfs->files = next;
  }
  pthread_mutex_destroy(&vfs->lock);
  free((void *)vfs->base.zName);
  free(vfs);
}

static void arm(tenfold_fault_vfs *vfs, tenfold_fault fault, int64_t operations, int64_t count,
                int only_database) {
  pthread_mutex_lock(&vfs->lock);
  vfs->fault = fault;
  vfs->only_database = only_database;
  vfs->until = operations;
  vfs->count = count;
  vfs->failures = 0;
  pthread_mutex_unlock(&vfs->lock);
}

void tenfold_fault_vfs_arm(tenfold_fault_vfs *vfs, tenfold_fault fault, int64_t operations, int64_t count) {
  arm(vfs, fault, operations, count, 0);
}

void tenfold_fault_vfs_arm_database(tenfold_fault_vfs *vfs, tenfold_fault fault, int64_t operations,
                                    int64_t count) {
  arm(vfs, fault, operations, count, 1);
}

void tenfold_fault_vfs_set_quota(tenfold_fault_vfs *vfs, int64_t bytes) {
  pthread_mutex_lock(&vfs->lock);
  vfs->quota = bytes;
  pthread_mutex_unlock(&vfs->lock);
}

int64_t tenfold_fault_vfs_failures(tenfold_fault_vfs *vfs) {
  pthread_mutex_lock(&vfs->lock);
  int64_t failures = vfs->failures;
  pthread_mutex_unlock(&vfs->lock);
  return failures;
}

/* Images */

/* SplitMix64. */
static uint64_t draw(uint64_t *state) {
  *state += 0x9E3779B97F4A7C15u;
  uint64_t z = *state;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

/* Puts an arbitrary part of the unsynced changes on the disk: each sector of each write by itself. */
static int scatter(disk_file *file, uint64_t *random) {
  /* Sometimes nearly all reaches the disk, sometimes nearly nothing. */
  uint64_t odds = draw(random) % 257;
  for (change *item = file->first; item != NULL; item = item->next) {
    if (item->data == NULL) {
      if (draw(random) % 256 < odds) cut(file, item->offset);
      continue;
    }
    int64_t done = 0;
    while (done < item->size) {
      int64_t offset = item->offset + done;
      int64_t piece = SECTOR - offset % SECTOR;
      if (piece > item->size - done) piece = item->size - done;
      if (draw(random) % 256 < odds && put(file, offset, item->data + done, piece) != SQLITE_OK) {
        return -1;
      }
      done += piece;
    }
  }
  forget_changes(file);
  return 0;
}

int tenfold_fault_vfs_image(tenfold_fault_vfs *vfs, const char *folder, uint64_t seed) {
  pthread_mutex_lock(&vfs->lock);
  int status = 0;
  uint64_t random = seed;
  for (disk_file *file = vfs->files; file != NULL && status == 0; file = file->next) {
    const char *name = strrchr(file->path, '/');
    char path[4096];
    int count = snprintf(path, sizeof path, "%s/%s", folder, name != NULL ? name + 1 : file->path);
    if (scatter(file, &random) != 0 || count < 0 || count >= (int)sizeof path) {
      status = -1;
      break;
    }
    if (file->size == 0) continue;
    FILE *output = fopen(path, "wb");
    if (output == NULL) {
      status = -1;
      break;
    }
    if (fwrite(file->bytes, 1, (size_t)file->size, output) != (size_t)file->size) status = -1;
    if (fclose(output) != 0) status = -1;
  }
  pthread_mutex_unlock(&vfs->lock);
  return status;
}
