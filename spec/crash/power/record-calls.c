/*
 * Preloaded into a process (LD_PRELOAD), writes down every call by which it changes the files of one folder, in order, to a log.
 *
 * POCKETMQ_POWER_FOLDER: the folder, a real path. POCKETMQ_POWER_LOG: the log, outside of it; it is appended to. Without them nothing happens.
 *
 * A record is a header of 24 bytes, little-endian, and `size` bytes behind it: a name within the folder, or what was written.
 *
 *  0 u32 kind   4 i32 descriptor   8 u64 offset, or the size that a truncation leaves   16 u64 size
 *
 * Only what happened is recorded: calls that failed are not, and a short write is as long as it was. What is written to a file named "marks" is a
 * mark of the workload. Files that end in "-shm" are shared memory and gone with the power. Whatever changes a file in a way that the harness does
 * not know becomes a record of kind '?', which it refuses to read.
 *
 * SQLite seeds its random numbers, the salts of a WAL among them, from /dev/urandom. It gets zeros, so that a run can be repeated byte by byte.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))real(#name))
#define MAX_DESCRIPTOR 4096

enum { NOTHING, FILE_OF_STORE, MARKS };

struct header {
  uint32_t kind;
  int32_t descriptor;
  uint64_t offset, size;
};

static char folder[PATH_MAX];
static size_t folder_length;
static int log_descriptor = -1;
static unsigned char roles[MAX_DESCRIPTOR];

static void *real(const char *name) {
  void *found = dlsym(RTLD_NEXT, name);
  if (found == NULL) abort();
  return found;
}

__attribute__((constructor)) static void begin(void) {
  const char *path = getenv("POCKETMQ_POWER_FOLDER"), *log = getenv("POCKETMQ_POWER_LOG");
  if (path == NULL || log == NULL) return;
  folder_length = strlen(path);
  if (folder_length == 0 || folder_length >= sizeof folder) abort();
  memcpy(folder, path, folder_length + 1);
  log_descriptor = REAL(open64)(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (log_descriptor < 0) abort();
}

static void record(char kind, int descriptor, uint64_t offset, const void *bytes, size_t size) {
  struct header header = {(uint32_t)kind, descriptor, offset, size};
  struct iovec parts[2] = {{&header, sizeof header}, {(void *)bytes, size}};
  if (REAL(writev)(log_descriptor, parts, 2) != (ssize_t)(sizeof header + size)) abort();
}

/* The name within the folder, "" for the folder itself, NULL for what is elsewhere or shared memory. */
static const char *name_in_folder(const char *path) {
  if (log_descriptor < 0 || strncmp(path, folder, folder_length) != 0) return NULL;
  if (path[folder_length] == '\0') return "";
  if (path[folder_length] != '/') return NULL;
  size_t length = strlen(path);
  if (strcmp(path + length - 4, "-shm") == 0) return NULL;
  return path + folder_length + 1;
}

static int role_of(int descriptor) {
  return descriptor >= 0 && descriptor < MAX_DESCRIPTOR ? roles[descriptor] : NOTHING;
}

static void unknown(int descriptor, const char *call) {
  if (role_of(descriptor) == FILE_OF_STORE) record('?', descriptor, 0, call, strlen(call));
}

static int opened(int descriptor, const char *path, int flags) {
  const char *name = name_in_folder(path);
  if (descriptor < 0 || name == NULL) return descriptor;
  if (descriptor >= MAX_DESCRIPTOR) abort();
  roles[descriptor] = strcmp(name, "marks") == 0 ? MARKS : FILE_OF_STORE;
  if (roles[descriptor] == MARKS) return descriptor;
  record('O', descriptor, 0, name, strlen(name));
  /* With O_EXCL there is nothing yet to be cut. */
  if ((flags & O_TRUNC) && !(flags & O_EXCL)) unknown(descriptor, "open with O_TRUNC");
  return descriptor;
}

static void written(int descriptor, uint64_t offset, const void *bytes, ssize_t size) {
  if (size <= 0) return;
  if (role_of(descriptor) == MARKS) record('M', descriptor, 0, bytes, size);
  else if (role_of(descriptor) == FILE_OF_STORE) record('W', descriptor, offset, bytes, size);
}

static const char *without_chance(const char *path) {
  return log_descriptor >= 0 && strcmp(path, "/dev/urandom") == 0 ? "/dev/zero" : path;
}

#define OPEN(name)                                                                          \
  int name(const char *path, int flags, ...) {                                              \
    va_list rest;                                                                           \
    va_start(rest, flags);                                                                  \
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;                 \
    va_end(rest);                                                                           \
    return opened(REAL(name)(without_chance(path), flags, mode), path, flags);              \
  }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                                                        \
  int name(int at, const char *path, int flags, ...) {                                      \
    va_list rest;                                                                           \
    va_start(rest, flags);                                                                  \
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;                 \
    va_end(rest);                                                                           \
    return opened(REAL(name)(at, without_chance(path), flags, mode), path, flags);          \
  }
OPENAT(openat)
OPENAT(openat64)

int close(int descriptor) {
  if (role_of(descriptor) == FILE_OF_STORE) record('C', descriptor, 0, NULL, 0);
  if (descriptor >= 0 && descriptor < MAX_DESCRIPTOR) roles[descriptor] = NOTHING;
  return REAL(close)(descriptor);
}

ssize_t write(int descriptor, const void *bytes, size_t size) {
  ssize_t result = REAL(write)(descriptor, bytes, size);
  int before = errno;
  if (role_of(descriptor) != NOTHING) written(descriptor, lseek(descriptor, 0, SEEK_CUR) - result, bytes, result);
  errno = before;
  return result;
}

#define PWRITE(name, offset_type)                                                           \
  ssize_t name(int descriptor, const void *bytes, size_t size, offset_type offset) {        \
    ssize_t result = REAL(name)(descriptor, bytes, size, offset);                           \
    int before = errno;                                                                     \
    written(descriptor, offset, bytes, result);                                             \
    errno = before;                                                                         \
    return result;                                                                          \
  }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

#define FTRUNCATE(name, offset_type)                                                        \
  int name(int descriptor, offset_type size) {                                              \
    int result = REAL(name)(descriptor, size);                                              \
    if (result == 0 && role_of(descriptor) == FILE_OF_STORE) record('T', descriptor, size, NULL, 0); \
    return result;                                                                          \
  }
FTRUNCATE(ftruncate, off_t)
FTRUNCATE(ftruncate64, off64_t)

#define SYNC(name)                                                                          \
  int name(int descriptor) {                                                                \
    int result = REAL(name)(descriptor);                                                    \
    if (result == 0 && role_of(descriptor) == FILE_OF_STORE) record('S', descriptor, 0, NULL, 0); \
    return result;                                                                          \
  }
SYNC(fsync)
SYNC(fdatasync)

int unlink(const char *path) {
  int result = REAL(unlink)(path);
  const char *name = name_in_folder(path);
  if (result == 0 && name != NULL) record('U', -1, 0, name, strlen(name));
  return result;
}

/* Both names, each ended by a zero. */
int link(const char *from, const char *to) {
  int result = REAL(link)(from, to);
  const char *old_name = name_in_folder(from), *new_name = name_in_folder(to);
  if (result != 0 || (old_name == NULL && new_name == NULL)) return result;
  if (old_name == NULL || new_name == NULL) {
    record('?', -1, 0, "link", strlen("link"));
    return result;
  }
  char names[2 * PATH_MAX];
  size_t size = snprintf(names, sizeof names, "%s%c%s", old_name, '\0', new_name);
  record('L', -1, 0, names, size);
  return result;
}

int rename(const char *from, const char *to) {
  if (name_in_folder(from) != NULL || name_in_folder(to) != NULL) record('?', -1, 0, "rename", strlen("rename"));
  return REAL(rename)(from, to);
}

ssize_t writev(int descriptor, const struct iovec *parts, int count) {
  unknown(descriptor, "writev");
  return REAL(writev)(descriptor, parts, count);
}

ssize_t pwritev(int descriptor, const struct iovec *parts, int count, off_t offset) {
  unknown(descriptor, "pwritev");
  return REAL(pwritev)(descriptor, parts, count, offset);
}

int fallocate(int descriptor, int mode, off_t offset, off_t size) {
  unknown(descriptor, "fallocate");
  return REAL(fallocate)(descriptor, mode, offset, size);
}

int posix_fallocate(int descriptor, off_t offset, off_t size) {
  unknown(descriptor, "posix_fallocate");
  return REAL(posix_fallocate)(descriptor, offset, size);
}

/* Of its files SQLite maps only shared memory, which is not followed, unless somebody sets mmap_size. */
void *mmap64(void *address, size_t size, int protection, int flags, int descriptor, off64_t offset) {
  if (protection & PROT_WRITE && flags & MAP_SHARED) unknown(descriptor, "mmap");
  return REAL(mmap64)(address, size, protection, flags, descriptor, offset);
}
