"""For small programs under test: telling the test something past every pipe, and writing without a buffer."""

import os
import time


def event(*words):
    """Append a line to the file that EVENTS names, with one write."""
    line = " ".join(str(word) for word in words) + "\n"
    fd = os.open(os.environ["EVENTS"], os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
    os.write(fd, line.encode())
    os.close(fd)


def write(fd, data):
    """Write all of it, whatever the kernel cuts it into."""
    data = data.encode() if isinstance(data, str) else data
    while data:
        data = data[os.write(fd, data) :]


def out(text):
    write(1, text + "\n")


def err(text):
    write(2, text + "\n")


def told(word):
    """Whether an event that begins with this word has been told, by whomever."""
    with open(os.environ["EVENTS"]) as events:
        return any(line.split()[0] == word for line in events)


def until(look):
    """Look again and again; the test that started us has the limit."""
    while not look():
        time.sleep(0.002)
