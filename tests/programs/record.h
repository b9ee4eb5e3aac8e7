/* Lines that prove themselves: each carries who wrote it, its place, its length and a checksum.
 *
 *     BEFORE<<w=3 g=1 p=4711 f=e s=42 l=3/12 n=120 x=1a2b3c4d>>AFTER FILLER
 *
 * w worker, g generation, p PID, f stream (o, e), s number of the record in this process, l line of lines in the record,
 * n bytes of the line without its newline, x FNV-1a of those bytes with the eight digits of x as zeros.
 * tests/support/verify.rs reads them. */
#ifndef RECORD_H
#define RECORD_H
#include "write.h"
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct tag {
    int worker, generation, pid;
    char stream;
    long number;
    int line, lines;
};

static uint32_t fnv1a(const char *bytes, size_t count) {
    uint32_t sum = 2166136261u;
    for (size_t i = 0; i < count; i++) sum = (sum ^ (unsigned char)bytes[i]) * 16777619u;
    return sum;
}

/* Repeatable, so that a failing run can be run again. */
static uint32_t scramble(uint64_t value) {
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9ull;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebull;
    return (uint32_t)(value ^ (value >> 31));
}

static size_t tag_text(char *out, size_t room, const struct tag *tag, size_t length) {
    return (size_t)snprintf(out, room, "<<w=%d g=%d p=%d f=%c s=%ld l=%d/%d n=%zu x=00000000>>", tag->worker, tag->generation,
                            tag->pid, tag->stream, tag->number, tag->line, tag->lines, length);
}

/* Puts one line with its newline at `out`, at least `want` bytes without the newline; returns its length with it. */
static size_t tagged_line(char *out, const struct tag *tag, const char *before, const char *after, size_t want) {
    char text[160];
    size_t head = strlen(before), tail = strlen(after), length = want;
    /* The length is written in the line, and its digits are part of the length. */
    for (size_t needed; (needed = head + tag_text(text, sizeof text, tag, length) + tail) > length;) length = needed;
    size_t tagged = strlen(text), used = head + tagged + tail;
    memcpy(out, before, head);
    memcpy(out + head, text, tagged);
    memcpy(out + head + tagged, after, tail);
    for (size_t i = used; i < length; i++) out[i] = i == used ? ' ' : (char)('a' + scramble(i + (size_t)tag->number * 31) % 26);
    char digits[9];
    snprintf(digits, sizeof digits, "%08x", fnv1a(out, length));
    memcpy(out + head + tagged - 10, digits, 8);
    out[length] = '\n';
    return length + 1;
}

#endif
