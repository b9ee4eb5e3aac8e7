/* lingers: a child of vfork(2) that takes 300 ms to execute its program, as one does on a busy machine; until then it writes to its
 * parent's pipe. "lingers PID", appended to the file that EVENTS names; then "done stdout PID". USR1 is ignored. */
#define _DEFAULT_SOURCE
#include "write.h"
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>

int main(void) {
    static const struct timespec busy = {0, 300000000};
    static char line[64];
    int events = open(getenv("EVENTS"), O_WRONLY | O_APPEND | O_CLOEXEC);
    signal(SIGUSR1, SIG_IGN);
    pid_t pid = vfork();
    if (pid == 0) {
        write_all(events, line, (size_t)snprintf(line, sizeof line, "lingers %d\n", getpid()));
        nanosleep(&busy, NULL);
        execl("/bin/true", "true", (char *)NULL);
        _exit(127);
    }
    int status;
    waitpid(pid, &status, 0);
    write_all(1, line, (size_t)snprintf(line, sizeof line, "done stdout %d\n", getpid()));
    return status ? 1 : 0;
}
