/* many_fds: opens COUNT descriptors, then forks FORKS times; each child writes a tagged line on stdout.
 *
 *   many_fds COUNT FORKS FILE
 *
 * FILE gets "descriptors N fork_us MEDIAN": from before fork() to the child's first statement. */
#include "record.h"
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

static long microseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000L + now.tv_nsec / 1000;
}

static int by_value(const void *a, const void *b) {
    long left = *(const long *)a, right = *(const long *)b;
    return (left > right) - (left < right);
}

static void child(long number) {
    static char line[4096];
    struct tag tag = {0, 0, getpid(), 'o', number, 1, 1};
    write_all(STDOUT_FILENO, line, tagged_line(line, &tag, "", "", 120));
    _exit(0);
}

int main(int argc, char **argv) {
    if (argc != 4) return 2;
    long count = atol(argv[1]), forks = atol(argv[2]);
    for (long i = 0; i < count; i++)
        if (open("/dev/null", O_RDONLY) < 0) {
            perror("many_fds: open");
            return 1;
        }
    long *taken = mmap(NULL, (size_t)forks * sizeof *taken, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    for (long i = 0; i < forks; i++) {
        long before = microseconds();
        pid_t pid = fork();
        if (pid == 0) {
            taken[i] = microseconds() - before;
            child(i);
        }
        int status;
        if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0) return 1;
    }
    qsort(taken, (size_t)forks, sizeof *taken, by_value);
    FILE *report = fopen(argv[3], "w");
    if (!report) return 1;
    fprintf(report, "descriptors %ld fork_us %ld\n", count, taken[forks / 2]);
    return fclose(report) ? 1 : 0;
}
