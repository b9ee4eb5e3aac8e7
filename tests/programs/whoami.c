/* whoami: says "LABEL STREAM PID" on both streams, alone, from a forked child, and from a program started by that child
 * with popen and with posix_spawn. Built with glibc and with musl. */
#include "write.h"
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>

extern char **environ;

static void say(const char *label) {
    char text[128];
    int length = snprintf(text, sizeof text, "%s stdout %d\n", label, getpid());
    write_all(STDOUT_FILENO, text, (size_t)length);
    length = snprintf(text, sizeof text, "%s stderr %d\n", label, getpid());
    write_all(STDERR_FILENO, text, (size_t)length);
}

static void spawn_self(char *program) {
    char *arguments[] = {program, "spawned", NULL};
    pid_t pid;
    if (posix_spawn(&pid, program, NULL, NULL, arguments, environ) != 0) _exit(80);
    waitpid(pid, NULL, 0);
}

static void open_self(const char *program) {
    char command[4096];
    snprintf(command, sizeof command, "exec '%s' opened", program);
    /* Written to, not read from: its stdout stays the log. */
    FILE *pipe = popen(command, "w");
    if (!pipe || pclose(pipe) != 0) _exit(81);
}

int main(int argc, char **argv) {
    if (argc > 1) {
        say(argv[1]);
        return 0;
    }
    say("main");
    pid_t pid = fork();
    if (pid == 0) {
        say("forked");
        spawn_self(argv[0]);
        open_self(argv[0]);
        _exit(0);
    }
    int status;
    waitpid(pid, &status, 0);
    return status ? 1 : 0;
}
