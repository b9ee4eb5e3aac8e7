#!/usr/bin/env python3
"""gunicorn under load behind a slow reader, with unbraid and without: demo.py UNBRAID

tests/run demo starts it with what it needs. It ends with 0 only if unbraid's side is wholly intact.
"""

import collections
import http.client
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

WORKERS = 4
EACH = 400
AT_ONCE = 12
STALL = 3
LIMIT = 60

ROOT = pathlib.Path(__file__).resolve().parent.parent
SERVERS = ROOT / "tests/servers"
FOLDER = ROOT / "target/demo"

Written = collections.namedtuple("Written", "page text pid")


def gunicorn():
    program = pathlib.Path(sys.executable).parent / "gunicorn"
    options = ["--config", SERVERS / "gunicorn.conf.py", "--chdir", SERVERS, "--workers", WORKERS]
    return [str(word) for word in [program, *options, "flask_app:app"]]


def read_slowly(pipe, log):
    """Keep one byte, be away for a while, then read more slowly than the workers write."""
    with open(log, "wb", buffering=0) as file:
        file.write(os.read(pipe, 1))
        time.sleep(STALL)
        while chunk := os.read(pipe, 4096):
            file.write(chunk)
            time.sleep(0.0005)
    os.close(pipe)


def await_events(events, word, count):
    """Wait until so many lines of the file begin with this word."""
    end = time.monotonic() + LIMIT
    while time.monotonic() < end:
        lines = [line.split() for line in events.read_text().splitlines() if line.startswith(word + " ")]
        if len(lines) >= count:
            return lines
        time.sleep(0.01)
    sys.exit(f"demo: gunicorn did not come up; see {FOLDER}")


def get(port, page, ident):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LIMIT)
    connection.request("GET", f"/{page}/{ident}")
    answer = connection.getresponse()
    text = answer.read()
    if answer.status != 200:
        sys.exit(f"demo: /{page}/{ident} was answered with {answer.status}")
    return Written(page, text, int(answer.headers["X-Pid"]))


def load(port):
    """Every answer is the very text that the worker wrote to its stderr."""
    wanted = [(page, ident) for ident in range(EACH) for page in ("traceback", "long")]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(lambda request: get(port, *request), wanted))


def run(name, command):
    """Serve the load with stderr read slowly into NAME.log; returns what was written and the log."""
    events, log = FOLDER / f"{name}.events", FOLDER / f"{name}.log"
    events.touch()
    reading, writing = os.pipe()
    reader = threading.Thread(target=read_slowly, args=(reading, log), daemon=True)
    reader.start()
    environment = {
        **os.environ,
        "EVENTS": str(events),
        "PYTHONPATH": str(SERVERS),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=writing, stderr=writing, env=environment)
    os.close(writing)
    try:
        port = int(await_events(events, "ready", 1)[0][2])
        await_events(events, "worker", WORKERS)
        written = load(port)
    finally:
        server.send_signal(signal.SIGTERM)
        status = server.wait(timeout=LIMIT)
    reader.join(timeout=LIMIT)
    if status != 0:
        sys.exit(f"demo: the server of {name}.log ended with {status}")
    return written, log


def whole(written, log, page):
    """How many texts stand in the log as they were written."""
    text = log.read_bytes()
    return sum(one.page == page and one.text in text for one in written)


def attributed(written, log):
    """How many texts stand in the JSON log as one record, once, under the PID of the worker that wrote them."""
    entries = collections.Counter()
    with open(log, encoding="utf-8") as lines:
        for entry in map(json.loads, lines):
            entries[entry["message"], entry["pid"]] += 1
    return sum(entries[one.text.decode().rstrip("\n"), one.pid] == 1 for one in written)


def braided(log):
    """A few lines of a traceback that another one broke into."""
    lines = log.read_text(errors="replace").splitlines()
    opener = "Traceback (most recent call last):"
    for number, line in enumerate(lines[:-1]):
        if line == opener and lines[number + 1] == opener:
            return lines[number : number + 6]
    return []


def show(name, written, log):
    counts = [f"{whole(written, log, page)} of {EACH}" for page in ("traceback", "long")]
    print(f"  {name:<24}{counts[0]:>18}{counts[1]:>18}", flush=True)


def main():
    unbraid = sys.argv[1]
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    json_log = FOLDER / "unbraid.json"
    print(f"\nA gunicorn with {WORKERS} workers serves a Flask application. {EACH} requests print a traceback, {EACH} write a")
    print(f"line of 9,001 bytes, {AT_ONCE} at a time. Whoever reads the log is away for {STALL} s and slow afterwards.\n")
    print(f"  {'':<24}{'tracebacks whole':>18}{'long lines whole':>18}", flush=True)
    written, log = run("without", gunicorn())
    show("gunicorn alone", written, log)
    braid = braided(log)
    written, log = run("unbraid", [unbraid, "-o", "-", "-o", f"json:{json_log}", "--", *gunicorn()])
    show("gunicorn under unbraid", written, log)
    right = attributed(written, json_log)
    print(f"\n  Records under the PID of the worker that wrote them: {right} of {2 * EACH}.")
    if braid:
        print("\nWithout unbraid, in target/demo/without.log:")
        print("\n".join(f"  | {line[:100]}" for line in braid))
    print("\nThe same load under unbraid: target/demo/unbraid.log, and with PIDs and times target/demo/unbraid.json.")
    intact = right == 2 * EACH and all(whole(written, log, page) == EACH for page in ("traceback", "long"))
    print("unbraid kept every record whole." if intact else "unbraid did NOT keep every record whole.")
    return 0 if intact else 1


if __name__ == "__main__":
    sys.exit(main())
