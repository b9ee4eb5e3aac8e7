/* forks: forks at a steady rate; each process writes one tagged line and ends.
 *
 *   forks RATE COUNT EVENTS
 *
 * Every fourth process ends at once and leaves a child that writes in its place: an orphan, which only unbraid can reap.
 * EVENTS, a file, gets "ready", and "forked COUNT bad BAD" when every process of its own has been reaped. Each of the two
 * waits for a line on stdin, so that whoever watches can count descriptors before and after. */
#include "record.h"
#include <fcntl.h>
#include <sys/wait.h>
#include <time.h>

static const char *events;

static void tell(const char *text) {
    int fd = open(events, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0) _exit(78);
    write_all(fd, text, strlen(text));
    close(fd);
}

static void await_line(void) {
    char byte;
    while (read(STDIN_FILENO, &byte, 1) == 1 && byte != '\n') {}
}

static void write_record(long number) {
    static char line[4096];
    struct tag tag = {0, 0, getpid(), number & 1 ? 'e' : 'o', number, 1, 1};
    write_all(number & 1 ? STDERR_FILENO : STDOUT_FILENO, line, tagged_line(line, &tag, "", "", 120));
    _exit(0);
}

static void one(long number) {
    pid_t pid = fork();
    if (pid < 0) _exit(79);
    if (pid > 0) return;
    if (number % 4 != 0) write_record(number);
    pid_t orphan = fork();
    if (orphan == 0) write_record(number);
    _exit(orphan < 0 ? 79 : 0);
}

static int reap(int flags, long *reaped) {
    int status, bad = 0;
    while (waitpid(-1, &status, flags) > 0) {
        ++*reaped;
        bad += !WIFEXITED(status) || WEXITSTATUS(status) != 0;
    }
    return bad;
}

int main(int argc, char **argv) {
    if (argc != 4) return 2;
    long rate = atol(argv[1]), count = atol(argv[2]), reaped = 0;
    int bad = 0;
    events = argv[3];
    tell("ready\n");
    await_line();
    struct timespec due;
    clock_gettime(CLOCK_MONOTONIC, &due);
    for (long i = 0; i < count; i++) {
        one(i);
        bad += reap(WNOHANG, &reaped);
        due.tv_nsec += 1000000000L / rate;
        if (due.tv_nsec >= 1000000000L) {
            due.tv_nsec -= 1000000000L;
            due.tv_sec++;
        }
        /* The rate is the load. */
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
    }
    bad += reap(0, &reaped);
    char text[80];
    snprintf(text, sizeof text, "forked %ld bad %d\n", reaped, bad);
    tell(text);
    await_line();
    return bad ? 1 : 0;
}
