/*
 * Preloaded into a process, it makes the disk fail as long as a file of the fault's name is in the folder FAULTY_DISK:
 *
 *   full       what would make a file longer finds no room; what replaces bytes that are there is written
 *   read-only  nothing is written, nor opened for writing
 *   unsynced   what was written cannot be confirmed
 *
 * It concerns regular files alone: pipes and sockets work on.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static int has(const char *fault)
{
  const char *folder = getenv("FAULTY_DISK");
  char path[PATH_MAX];
  if (!folder) return 0;
  snprintf(path, sizeof path, "%s/%s", folder, fault);
  return access(path, F_OK) == 0;
}

/* Whether a file may not reach `end`: then `errno` says why. */
static int refuses(int fd, off_t end)
{
  struct stat found;
  int before = errno, why = 0;
  if (fstat(fd, &found) == 0 && S_ISREG(found.st_mode)) {
    if (has("read-only")) why = EROFS;
    else if (end > found.st_size && has("full")) why = ENOSPC;
  }
  errno = why ? why : before;
  return why;
}

static int refuses_sync(void)
{
  int before = errno, why = has("unsynced") ? EIO : 0;
  errno = why ? why : before;
  return why;
}

static int refuses_open(const char *path, int flags)
{
  struct stat found;
  int before = errno, why = 0;
  if (flags & (O_WRONLY | O_RDWR | O_CREAT) && has("read-only"))
    if (stat(path, &found) != 0 || S_ISREG(found.st_mode)) why = EROFS;
  errno = why ? why : before;
  return why;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define HERE(fd) lseek(fd, 0, SEEK_CUR)

ssize_t write(int fd, const void *bytes, size_t size)
{
  return refuses(fd, HERE(fd) + (off_t)size) ? -1 : REAL(write)(fd, bytes, size);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
  off_t end = HERE(fd);
  for (int index = 0; index < count; index++) end += (off_t)parts[index].iov_len;
  return refuses(fd, end) ? -1 : REAL(writev)(fd, parts, count);
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t offset)
{
  return refuses(fd, offset + (off_t)size) ? -1 : REAL(pwrite)(fd, bytes, size, offset);
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t offset)
{
  return refuses(fd, offset + (off_t)size) ? -1 : REAL(pwrite64)(fd, bytes, size, offset);
}

int ftruncate(int fd, off_t length)
{
  return refuses(fd, length) ? -1 : REAL(ftruncate)(fd, length);
}

int ftruncate64(int fd, off64_t length)
{
  return refuses(fd, length) ? -1 : REAL(ftruncate64)(fd, length);
}

int fsync(int fd)
{
  return refuses_sync() ? -1 : REAL(fsync)(fd);
}

int fdatasync(int fd)
{
  return refuses_sync() ? -1 : REAL(fdatasync)(fd);
}

#define OPENS(name)                                   \
  int name(const char *path, int flags, ...)          \
  {                                                   \
    va_list rest;                                     \
    va_start(rest, flags);                            \
    mode_t mode = va_arg(rest, mode_t);               \
    va_end(rest);                                     \
    if (refuses_open(path, flags)) return -1;         \
    return REAL(name)(path, flags, mode);             \
  }

OPENS(open)
OPENS(open64)
