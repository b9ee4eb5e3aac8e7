/* load: a master forks workers that write tagged records, and replaces them; then it says in a manifest what was written.
 *
 *   --workers N --records N --generations N   N records by each process, each worker forked N times
 *   --sizes mixed|small|BYTES                 mixed: 120 B, 2 KiB and 16 KiB; small: 120 B
 *   --tracebacks PERCENT                      of the records; one write for each of their lines
 *   --stream out|err|both                     both: in turn
 *   --cut                                     each process ends with half a record and SIGKILL
 *   --manifest FILE --seed N
 *
 * What a process writes follows from its place and its PID, so the master knows it without asking: nothing has to
 * survive the SIGKILL. */
#include "record.h"
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/wait.h>

enum { LONGEST = 32768, MOST_LINES = 64 };

static struct {
    int workers, generations, tracebacks, sizes;
    long records;
    char stream;
    bool cut;
    const char *manifest;
    uint64_t seed;
} want = {.workers = 4, .generations = 1, .sizes = 120, .records = 100, .stream = 'e', .seed = 1};

struct record {
    char bytes[LONGEST];
    size_t start[MOST_LINES + 1]; /* of each line, and the end */
    int lines;
    int descriptor;
};

static void add_plain(struct record *record, const char *line) {
    size_t at = record->start[record->lines];
    size_t length = strlen(line);
    memcpy(record->bytes + at, line, length);
    record->bytes[at + length] = '\n';
    record->start[++record->lines] = at + length + 1;
}

static void add_tagged(struct record *record, struct tag *tag, const char *before, const char *after, size_t length) {
    size_t at = record->start[record->lines];
    tag->line = record->lines + 1;
    record->start[++record->lines] = at + tagged_line(record->bytes + at, tag, before, after, length);
}

static void add_stack(struct record *record, struct tag *tag, int frames) {
    add_plain(record, "Traceback (most recent call last):");
    for (int i = 0; i < frames; i++) {
        char after[64];
        snprintf(after, sizeof after, ".py\", line %d, in step_%d", 10 + 7 * i, i);
        add_tagged(record, tag, "  File \"/srv/app/", after, 0);
        add_tagged(record, tag, "    return self.step(request)  # ", "", 0);
    }
    add_tagged(record, tag, "app.errors.Failure: ", "", 0);
}

static void make_traceback(struct record *record, struct tag *tag, uint32_t random) {
    int frames = 3 + (int)(random % 10);
    bool chained = random / 10 % 3 == 0;
    char before[80];
    snprintf(before, sizeof before, "[2026-01-01 00:00:00 +0000] [%d] [ERROR] request failed ", tag->pid);
    tag->lines = 3 + 2 * frames + (chained ? 5 + 2 * frames : 0);
    add_tagged(record, tag, before, "", 120);
    add_stack(record, tag, frames);
    if (chained) {
        add_plain(record, "");
        add_plain(record, "During handling of the above exception, another exception occurred:");
        add_plain(record, "");
        add_stack(record, tag, frames);
    }
}

static size_t length_of(uint32_t random) {
    if (want.sizes) return (size_t)want.sizes;
    return random % 20 < 16 ? 120 : random % 20 < 19 ? 2048 : 16384;
}

static void make(struct record *record, int worker, int generation, int pid, long number) {
    uint32_t random = scramble(want.seed * 1000003 + (uint64_t)worker * 8191 + (uint64_t)generation * 131071 + (uint64_t)number);
    char stream = want.stream == 'b' ? (number & 1 ? 'e' : 'o') : want.stream;
    struct tag tag = {worker, generation, pid, stream, number, 1, 1};
    record->lines = 0;
    record->start[0] = 0;
    record->descriptor = stream == 'e' ? STDERR_FILENO : STDOUT_FILENO;
    if ((int)(random % 100) < want.tracebacks) make_traceback(record, &tag, scramble(random));
    else add_tagged(record, &tag, "[2026-01-01 00:00:00 +0000] [INFO] ", "", length_of(scramble(random + 1)));
}

/* Where a process stops for good: in the middle of the fourth line, or of the only one. */
static size_t cut_at(const struct record *record) {
    int line = record->lines > 4 ? 3 : 0;
    return (record->start[line] + record->start[line + 1]) / 2;
}

static void work(int worker, int generation) {
    static struct record record;
    int pid = getpid();
    for (long number = 0; number < want.records; number++) {
        make(&record, worker, generation, pid, number);
        for (int i = 0; i < record.lines; i++)
            write_all(record.descriptor, record.bytes + record.start[i], record.start[i + 1] - record.start[i]);
    }
    if (!want.cut) return;
    make(&record, worker, generation, pid, want.records);
    write_all(record.descriptor, record.bytes, cut_at(&record));
    kill(pid, SIGKILL);
}

static pid_t spawn(int worker, int generation) {
    pid_t pid = fork();
    if (pid == 0) {
        work(worker, generation);
        _exit(0);
    }
    if (pid < 0) {
        perror("load: fork");
        exit(1);
    }
    return pid;
}

static unsigned long long fnv1a_64(const char *bytes, size_t length) {
    unsigned long long sum = 0xcbf29ce484222325ull;
    for (size_t i = 0; i < length; i++) sum = (sum ^ (unsigned char)bytes[i]) * 0x100000001b3ull;
    return sum;
}

/* One line for each process; `lines` and `sum` tell what the cut left. */
static void tell(FILE *manifest, int worker, int generation, int pid) {
    static struct record record;
    fprintf(manifest, "{\"worker\":%d,\"generation\":%d,\"pid\":%d,\"records\":%ld", worker, generation, pid, want.records);
    if (want.cut) {
        make(&record, worker, generation, pid, want.records);
        size_t end = cut_at(&record);
        int line = record.lines > 4 ? 3 : 0;
        fprintf(manifest, ",\"cut\":{\"whole_lines\":%d,\"rest_length\":%zu,\"rest_sum\":%llu}", line, end - record.start[line],
                fnv1a_64(record.bytes + record.start[line], end - record.start[line]));
    }
    fputs("}\n", manifest);
}

static bool ended_well(int status) {
    return want.cut ? WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL : WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static int find(const pid_t *pids, pid_t pid) {
    for (int i = 0; i < want.workers; i++)
        if (pids[i] == pid) return i;
    return -1;
}

static int run(FILE *manifest) {
    pid_t *pids = calloc((size_t)want.workers, sizeof *pids);
    int *generations = calloc((size_t)want.workers, sizeof *generations);
    int bad = 0, status;
    pid_t pid;
    for (int i = 0; i < want.workers; i++) pids[i] = spawn(i, 0);
    while ((pid = wait(&status)) > 0) {
        int i = find(pids, pid);
        if (i < 0) continue;
        bad += !ended_well(status);
        tell(manifest, i, generations[i], pid);
        if (++generations[i] < want.generations) pids[i] = spawn(i, generations[i]);
    }
    return bad;
}

static void read_options(int argc, char **argv) {
    static const struct option names[] = {
        {"workers", 1, 0, 'w'}, {"records", 1, 0, 'r'}, {"generations", 1, 0, 'g'}, {"sizes", 1, 0, 's'},
        {"tracebacks", 1, 0, 't'}, {"stream", 1, 0, 'f'}, {"cut", 0, 0, 'c'}, {"manifest", 1, 0, 'm'}, {"seed", 1, 0, 'd'}, {0}};
    for (int name; (name = getopt_long(argc, argv, "", names, NULL)) != -1;) switch (name) {
        case 'w': want.workers = atoi(optarg); break;
        case 'r': want.records = atol(optarg); break;
        case 'g': want.generations = atoi(optarg); break;
        case 's': want.sizes = !strcmp(optarg, "mixed") ? 0 : !strcmp(optarg, "small") ? 120 : atoi(optarg); break;
        case 't': want.tracebacks = atoi(optarg); break;
        case 'f': want.stream = optarg[0]; break;
        case 'c': want.cut = true; break;
        case 'm': want.manifest = optarg; break;
        case 'd': want.seed = strtoull(optarg, NULL, 10); break;
        default: exit(2);
    }
}

int main(int argc, char **argv) {
    read_options(argc, argv);
    FILE *manifest = want.manifest ? fopen(want.manifest, "w") : NULL;
    if (!manifest) {
        fputs("load: --manifest FILE that can be written is needed\n", stderr);
        return 2;
    }
    /* A worker must not hold, and write again, what stands in the master's buffer. */
    setvbuf(manifest, NULL, _IOLBF, 0);
    int bad = run(manifest);
    fclose(manifest);
    if (bad) fprintf(stderr, "load: %d processes did not end as told\n", bad);
    return bad ? 1 : 0;
}
