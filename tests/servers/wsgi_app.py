"""A WSGI application without a framework. The header X-Pid says which process answered."""

import os
import time

import noise

RELEASE = os.environ.get("RELEASE")


def _wait_for_release(_ident):
    """Stays busy until the test makes a file: a request in flight."""
    from side import event

    event("in-flight", os.getpid())
    while not os.path.exists(RELEASE):
        # Nothing to wait on but the file; its appearance is what counts.
        time.sleep(0.01)
    return "released\n"


PAGES = {
    "traceback": noise.print_traceback,
    "long": noise.print_long_line,
    "pid": lambda _ident: "",
    "wait": _wait_for_release,
}


def app(environ, start_response):
    _, page, ident = environ["PATH_INFO"].split("/")
    body = PAGES[page](int(ident)).encode()
    headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(body))), ("X-Pid", str(os.getpid()))]
    start_response("200 OK", headers)
    return [body]
