"""gunicorn's settings for the tests: a port that the kernel chooses, and events told past every pipe."""

import os

from side import event

bind = "127.0.0.1:0"
control_socket_disable = True
# A worker that waits for a stalled log is no hung worker.
timeout = 300
graceful_timeout = 60


def when_ready(server):
    event("ready", os.getpid(), server.LISTENERS[0].sock.getsockname()[1])


def post_worker_init(worker):
    event("worker", worker.pid)


def child_exit(_server, worker):
    event("gone", worker.pid)
