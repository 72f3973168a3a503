/* Preloaded into ffauth: lets the n-th call that concerns a token folder fail, or kills the process just before it.
   FAULT=CALL:N:WHAT, N = 0 for every call, WHAT = kill or an errno. CALL: open (for writing), write, fsync, rename. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static atomic_int calls;

static int fails(const char *call, const char *path) {
    const char *fault = getenv("FAULT");
    char name[16], what[16];
    int number;
    if (!fault || !strstr(path, "/tokens") || sscanf(fault, "%15[^:]:%d:%15s", name, &number, what) != 3 || strcmp(name, call))
        return 0;
    if (number && ++calls != number)
        return 0;
    if (!strcmp(what, "kill"))
        raise(SIGKILL);
    errno = atoi(what);
    return 1;
}

static int fd_fails(const char *call, int fd) {
    char link[64], path[4096] = "";
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    if (readlink(link, path, sizeof path - 1) < 0)
        return 0;
    return fails(call, path);
}

int open64(const char *path, int flags, ...) {
    va_list list;
    va_start(list, flags);
    int mode = va_arg(list, int);
    va_end(list);
    if ((flags & O_ACCMODE) != O_RDONLY && fails("open", path))
        return -1;
    return ((int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open64"))(path, flags, mode);
}

ssize_t write(int fd, const void *data, size_t size) {
    return fd_fails("write", fd) ? -1 : ((ssize_t (*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write"))(fd, data, size);
}

int fsync(int fd) {
    return fd_fails("fsync", fd) ? -1 : ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(fd);
}

int rename(const char *from, const char *to) {
    return fails("rename", to) ? -1 : ((int (*)(const char *, const char *))dlsym(RTLD_NEXT, "rename"))(from, to);
}
