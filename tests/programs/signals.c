/* Tells of every signal that it gets, the C library's own two and those that tell of a fault included: all are blocked by raw system calls,
 * and taken one after the other. "got NUMBER VALUE", appended to the file that EVENTS names. */

#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int events;

static void tell(const char *word, int number, int value)
{
    char line[64];
    int len = snprintf(line, sizeof line, "%s %d %d\n", word, number, value);
    if (write(events, line, len) != len)
        _exit(99);
}

int main(void)
{
    unsigned long long all = ~0ULL;
    events = open(getenv("EVENTS"), O_WRONLY | O_APPEND | O_CLOEXEC);
    if (events < 0 || syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, NULL, sizeof all) != 0)
        return 99;
    tell("up", getpid(), 0);
    for (;;) {
        siginfo_t info;
        memset(&info, 0, sizeof info);
        int number = syscall(SYS_rt_sigtimedwait, &all, &info, NULL, sizeof all);
        if (number > 0)
            tell("got", number, info.si_code == SI_QUEUE ? info.si_value.sival_int : 0);
    }
}
