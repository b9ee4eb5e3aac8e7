"""What an application writes that a shared pipe braids: tracebacks printed line by line, and lines beyond PIPE_BUF.

Each function returns the exact text that it wrote, so that whoever called it knows what the log must hold.
"""

import os
import sys
import threading
import traceback

LONG_LINE = 9001
DEPTH = 12

# Two threads of one process write to one stream, and nothing outside the process can tell them apart.
_one_at_a_time = threading.Lock()


class Failure(Exception):
    pass


def _descend(ident, depth):
    if depth == 0:
        raise Failure(f"failure id={ident} pid={os.getpid()}")
    return _descend(ident, depth - 1)


def _descend_chained(ident):
    try:
        _descend(ident, DEPTH)
    except Failure as error:
        raise LookupError(f"lookup id={ident} pid={os.getpid()}") from error


def print_traceback(ident):
    try:
        if ident % 4 == 0:
            _descend_chained(ident)
        else:
            _descend(ident, DEPTH)
    except Exception:
        with _one_at_a_time:
            traceback.print_exc()
        return traceback.format_exc()


def print_long_line(ident):
    head = f"long id={ident} pid={os.getpid()} "
    line = (head + f"{ident:04d}." * (LONG_LINE // 5))[:LONG_LINE]
    with _one_at_a_time:
        sys.stderr.write(line + "\n")
    return line + "\n"
