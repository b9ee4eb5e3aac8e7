/* A write that is finished whatever the kernel cuts it into. */
#ifndef WRITE_H
#define WRITE_H
#include <errno.h>
#include <unistd.h>

static void write_all(int fd, const char *bytes, size_t count) {
    while (count > 0) {
        ssize_t done = write(fd, bytes, count);
        if (done < 0 && errno == EINTR) continue;
        if (done < 0) _exit(77);
        bytes += done;
        count -= (size_t)done;
    }
}

#endif
