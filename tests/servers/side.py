"""For small programs under test: telling the test something past every pipe, and writing without a buffer."""

import os
import select
import signal
import time

_bell = (None, None)


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


def _wait_for_signal_or(*others):
    """Wait without a gap: Python runs its handlers between two steps, so a signal that comes on the way into a system call
    that waits is looked at when the next one comes. A descriptor that the signal itself makes readable leaves no such moment.
    """
    global _bell
    if _bell[0] != os.getpid():
        bell, rope = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(rope, warn_on_full_buffer=False)
        _bell = (os.getpid(), bell)
    bell = _bell[1]
    ready, _, _ = select.select([bell, *others], [], [])
    if bell in ready:
        os.read(bell, 4096)
    return ready


def pause():
    """Wait for a signal."""
    _wait_for_signal_or()


def lines():
    """The lines of standard input, while signals are handled."""
    rest = b""
    while True:
        if 0 in _wait_for_signal_or(0):
            data = os.read(0, 4096)
            if not data:
                return
            *whole, rest = (rest + data).split(b"\n")
            for line in whole:
                yield line.decode()
