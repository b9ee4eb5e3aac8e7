"""The application of tests/container: what its workers do is counted from outside."""

import os
import sys
import traceback

# gunicorn's settings are in the same file: python:container_app.
bind = "127.0.0.1:8000"
graceful_timeout = 10
LAST_WORDS = 200


def post_worker_init(worker):
    # From here on it sees a stop.
    print(f"ready {worker.pid}", file=sys.stderr)


def worker_exit(_server, worker):
    for number in range(1, LAST_WORDS + 1):
        print(f"last words {number} of {LAST_WORDS} of {worker.pid}", file=sys.stderr)


def print_traceback():
    try:
        raise LookupError(f"no card at {os.getpid()}")
    except LookupError:
        traceback.print_exc()


def reopen():
    """As a logger does that is told to write to /dev/stdout."""
    with open("/dev/stdout", "a") as stream:
        stream.write(f"opened again by {os.getpid()}\n")


def orphans():
    """Fifty processes whose parents end before them."""
    for _ in range(50):
        if os.fork() == 0:
            if os.fork() == 0:
                os.setsid()
            os._exit(0)
        os.wait()


PAGES = {"traceback": print_traceback, "reopen": reopen, "orphans": orphans}


def app(environ, start_response):
    PAGES[environ["PATH_INFO"].strip("/")]()
    start_response("200 OK", [("Content-Length", "0")])
    return [b""]
