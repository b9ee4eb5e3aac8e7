/* lines: a master forks workers that write log lines as fast as they can, and reports what that cost them.
 *
 *   --workers N --records N     N records by each worker
 *   --size BYTES|mixed          of a line with its newline; mixed: 120 B (80 %), 2 KiB (15 %) and 16 KiB (5 %)
 *   --tracebacks N              of a thousand records N are tracebacks of eleven lines, a write for each line
 *   --append FILE               the workers append to FILE themselves; else they write to standard output
 *   --report FILE
 *
 * Every line ends in a tag of fixed width, by which a reader proves it whole and in its place:
 * #PID.RECORD.LINE/LINES.LENGTH, the length without the newline. A block of records is made before the clock starts,
 * and only its numbers change: what is measured is the writing. */
#include "../programs/write.h"
#include <fcntl.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

enum { TAG = 29, NUMBER = 9, BLOCK = 100, MOST = 4096, FRAMES = 5 };

static struct {
    int workers, size, tracebacks;
    long records;
    const char *append, *report;
} want = {.workers = 16, .size = 120, .records = 1000};

/* A line to write; `begins`: it is the first of its record. */
struct line {
    char *bytes;
    size_t length;
    bool begins;
};

static struct line block[MOST];
static int lines;

static void add(const char *before, int line, int of, size_t length) {
    size_t least = strlen(before) + TAG + 1;
    if (length < least) length = least;
    char *bytes = malloc(length + 1);
    memset(bytes, 'x', length);
    memcpy(bytes, before, strlen(before));
    char tag[64];
    snprintf(tag, sizeof tag, "#%07d.%08d.%02d/%02d.%05zu\n", getpid(), 0, line, of, length - 1);
    memcpy(bytes + length - TAG - 1, tag, TAG + 1);
    block[lines++] = (struct line){bytes, length, line == 1};
}

static void add_traceback(void) {
    int of = 2 * FRAMES + 1; /* a head, five frames of which the last has no text, the error */
    add("[2026-11-23 10:00:00 +0000] [ERROR] Traceback (most recent call last): ", 1, of, 0);
    for (int i = 0; i < FRAMES; i++) {
        add("  File \"/srv/shop/shop.py\", line 12, in pay  # ", 2 + 2 * i, of, 0);
        if (i < FRAMES - 1) add("    charge(order, customer)  # ", 3 + 2 * i, of, 0);
    }
    add("LookupError: no card for ", of, of, 0);
}

static void make_block(void) {
    for (int i = 0; i < BLOCK; i++) {
        int size = want.size ? want.size : i % 20 < 16 ? 120 : i % 20 < 19 ? 2048 : 16384;
        bool traceback = (i + 1) * want.tracebacks / 1000 > i * want.tracebacks / 1000;
        if (traceback) add_traceback();
        else add("[2026-11-23 10:00:00 +0000] [INFO] a request was served in good time ", 1, 1, (size_t)size);
    }
}

static void number(char *at, long value) {
    for (int i = 7; i >= 0; i--, value /= 10) at[i] = (char)('0' + value % 10);
}

static void work(int go) {
    char byte;
    make_block();
    int fd = want.append ? open(want.append, O_WRONLY | O_APPEND | O_CREAT, 0644) : STDOUT_FILENO;
    while (read(go, &byte, 1) < 0 && errno == EINTR) {}
    long record = -1;
    for (int i = 0;; i = (i + 1) % lines) {
        if (block[i].begins && ++record == want.records) break;
        number(block[i].bytes + block[i].length - TAG - 1 + NUMBER, record);
        write_all(fd, block[i].bytes, block[i].length);
    }
    _exit(0);
}

static double seconds(struct timeval time) { return (double)time.tv_sec + (double)time.tv_usec / 1e6; }

static void tell(const struct timespec *begin) {
    struct rusage own, workers;
    getrusage(RUSAGE_SELF, &own);
    getrusage(RUSAGE_CHILDREN, &workers);
    FILE *report = fopen(want.report, "w");
    if (!report) _exit(1);
    double cpu = seconds(workers.ru_utime) + seconds(workers.ru_stime);
    fprintf(report, "{\"begin\":%ld.%09ld,\"workers_cpu\":%.6f,\"cpu\":%.6f}\n", (long)begin->tv_sec, begin->tv_nsec, cpu,
            cpu + seconds(own.ru_utime) + seconds(own.ru_stime));
    fclose(report);
}

static void read_options(int argc, char **argv) {
    static const struct option names[] = {{"workers", 1, 0, 'w'}, {"records", 1, 0, 'r'}, {"size", 1, 0, 's'}, {"tracebacks", 1, 0, 't'},
                                          {"append", 1, 0, 'a'},  {"report", 1, 0, 'o'},  {"hold", 1, 0, 'h'}, {0}};
    for (int name; (name = getopt_long(argc, argv, "", names, NULL)) != -1;) switch (name) {
        case 'w': want.workers = atoi(optarg); break;
        case 'r': want.records = atol(optarg); break;
        case 's': want.size = strcmp(optarg, "mixed") ? atoi(optarg) : 0; break;
        case 't': want.tracebacks = atoi(optarg); break;
        case 'a': want.append = optarg; break;
        case 'o': want.report = optarg; break;
        default: exit(2);
    }
}

int main(int argc, char **argv) {
    int go[2], status, bad = 0;
    struct timespec begin;
    read_options(argc, argv);
    if (!want.report || pipe(go)) return 2;
    for (int i = 0; i < want.workers; i++) {
        pid_t pid = fork();
        if (pid < 0) return perror("lines: fork"), 1;
        if (pid == 0) {
            close(go[1]);
            work(go[0]);
        }
    }
    /* Time to make the blocks; the workers then all wait. */
    usleep(300000);
    clock_gettime(CLOCK_MONOTONIC, &begin);
    close(go[1]);
    while (wait(&status) > 0) bad += status != 0;
    tell(&begin);
    return bad != 0;
}
