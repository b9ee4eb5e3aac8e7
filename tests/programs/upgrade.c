/* upgrade: a server that upgrades as gunicorn and nginx do: at USR2 it starts its program anew, by the path that it was started
 * with, and ends at TERM. "main PID", once it listens to signals, appended to the file that EVENTS names. */
#include "write.h"
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
    (void)argc;
    char line[64];
    sigset_t set;
    int number;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    int events = open(getenv("EVENTS"), O_WRONLY | O_APPEND | O_CLOEXEC);
    write_all(events, line, (size_t)snprintf(line, sizeof line, "main %d\n", getpid()));
    while (sigwait(&set, &number) == 0 && number != SIGTERM) {
        if (number == SIGUSR2 && fork() == 0) {
            execv(argv[0], argv);
            _exit(127);
        }
    }
    return 0;
}
