/* small_stack: forks in a signal handler that runs on a stack of 8 KiB, with a page below it that must not be touched. The child
 * says "forked stderr PID"; the exit status is 0 if it ended with 0. */
#define _GNU_SOURCE
#include "write.h"
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>

enum { STACK = 8192, GUARD = 4096 };
static int status = 1;

static void handler(int number) {
    (void)number;
    pid_t pid = fork();
    if (pid == 0) {
        char line[64];
        write_all(2, line, (size_t)snprintf(line, sizeof line, "forked stderr %d\n", getpid()));
        _exit(0);
    }
    waitpid(pid, &status, 0);
}

int main(void) {
    char *memory = mmap(NULL, GUARD + STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    stack_t stack = {.ss_sp = memory + GUARD, .ss_size = STACK};
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_ONSTACK};
    if (memory == MAP_FAILED || mprotect(memory, GUARD, PROT_NONE) != 0) return 2;
    if (sigaltstack(&stack, NULL) != 0 || sigaction(SIGUSR1, &action, NULL) != 0) return 2;
    raise(SIGUSR1);
    return status == 0 ? 0 : 1;
}
