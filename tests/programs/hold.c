/* hold: keeps the pipe that it was given open until its stdin ends; then writes one line. Linked statically, so that no
 * object can be preloaded into it. It says its PID to the file in argv[1] once it runs. */
#include "write.h"
#include <fcntl.h>
#include <stdio.h>

int main(int argc, char **argv) {
    char text[64], byte;
    if (argc != 2) return 2;
    int fd = open(argv[1], O_WRONLY | O_APPEND | O_CREAT, 0644);
    int length = snprintf(text, sizeof text, "holding %d\n", getpid());
    write_all(fd, text, (size_t)length);
    close(fd);
    while (read(STDIN_FILENO, &byte, 1) > 0) {}
    write_all(STDOUT_FILENO, "let go\n", 7);
    return 0;
}
