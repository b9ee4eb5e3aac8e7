#!/usr/bin/env python3
"""Whole processes side by side: how fast workers get rid of their lines, and what capturing these costs.

  peers.py UNBRAID [PLOT.svg] [--rounds N] [--records N] [--workers 1,16,256]

Each round runs every peer once, and every ratio is one of a round, against `cat` behind one shared pipe; what is printed
are medians of these. The logs of the last round are read:
each record must be there once, whole, and in its process's order. cc and python3 are needed; a peer that is not on PATH is
named and left out.
"""

import argparse
import collections
import json
import os
import pathlib
import re
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
TAG = re.compile(rb"#(\d{7})\.(\d{8})\.(\d\d)/(\d\d)\.(\d{5})$")
LIMIT = 120
# What others may use of the machine before the figures are doubtful.
CALM = 0.05

Workload = collections.namedtuple("Workload", "name workers records options")
Result = collections.namedtuple("Result", "wall workers_cpu cpu bad")


class Peer:
    """A way to capture: a program behind one pipe, or one that starts the load."""

    def __init__(self, name, command, wraps=False, ends=True, text=None, files=None, log="log"):
        self.name, self.command, self.wraps, self.ends = name, command, wraps, ends
        self.text, self.files, self.log = text or (lambda line: line), files or {}, log

    def program(self):
        return self.command[0] if self.command else None


def prefix_text(line):
    return line[line.index(b" ", 28) + 1 :].split(b" ", 1)[1][2:]


def json_text(line):
    return json.loads(line)["message"].encode()


def peers(unbraid):
    supervisor = """[supervisord]
nodaemon=true
logfile=/dev/null
logfile_maxbytes=0
pidfile={folder}/pid
{user}
[program:load]
command={load}
autorestart=false
startsecs=0
redirect_stderr=true
stdout_logfile={folder}/log
stdout_logfile_maxbytes=0
"""
    ours = [unbraid, "-q", "-o"]
    return [
        Peer("cat", ["cat"]),
        Peer("s6-log", ["s6-log", "-l", "0", "n0", "s268435455", "{folder}/s6"], log="s6/current"),
        Peer("supervisord", ["supervisord", "-n", "-c", "{folder}/conf"], wraps=True, ends=False, files={"conf": supervisor}),
        Peer("unbraid", [*ours, "{folder}/log", "--"], wraps=True),
        Peer("unbraid prefix", [*ours, "prefix:{folder}/log", "--"], wraps=True, text=prefix_text),
        Peer("unbraid json", [*ours, "json:{folder}/log", "--"], wraps=True, text=json_text),
        Peer("append", None),
    ]


def capture(peer, load, folder):
    """Runs the load under a peer; the CPU of all, and when the log was complete."""
    before = os.times()
    expand = lambda word: word.replace("{folder}", str(folder))
    log = folder / peer.log
    with open(folder / "log", "wb") as out:
        if peer.command is None:
            subprocess.run([*load, "--append", str(log)], check=True, timeout=LIMIT)
        elif not peer.wraps:
            reader = subprocess.Popen([expand(w) for w in peer.command], stdin=subprocess.PIPE, stdout=out)
            subprocess.run(load, stdout=reader.stdin, check=True, timeout=LIMIT)
            reader.stdin.close()
            reader.wait(LIMIT)
        else:
            for name, text in peer.files.items():
                user = "user=root" if os.geteuid() == 0 else ""
                (folder / name).write_text(text.format(folder=folder, load=shlex.join(load), user=user))
            command = [expand(w) for w in peer.command]
            runner = subprocess.Popen(command if not peer.ends else command + load, stdout=subprocess.DEVNULL)
            end = None if peer.ends else when_complete(log, folder / "report")
            if end:
                runner.terminate()
            runner.wait(LIMIT)
    end = time.monotonic() if peer.ends or not peer.wraps else end
    after = os.times()
    return end, after.children_user + after.children_system - before.children_user - before.children_system


def when_complete(log, report):
    """A peer that stays up: the moment from which on its log did not grow, once the load has ended."""
    size, since, limit = -1, time.monotonic(), time.monotonic() + LIMIT
    while time.monotonic() < limit:
        now, new = time.monotonic(), log.stat().st_size if log.exists() else 0
        if new != size:
            size, since = new, now
        elif now - since > 0.5 and report.exists():
            return since
        time.sleep(0.002)
    raise SystemExit(f"{log} was not complete within {LIMIT} s")


def faults(peer, log, workload):
    """How many records are not there once, whole, in order and in one piece."""
    good, following, open_record = 0, collections.Counter(), None
    with open(log, "rb") as lines:
        for raw in lines:
            for line in peer.text(raw.rstrip(b"\n")).split(b"\n"):
                tag = TAG.search(line)
                if not tag or len(line) != int(tag[5]):
                    open_record = None
                    continue
                pid, number, at, of = tag[1], int(tag[2]), int(tag[3]), int(tag[4])
                begins = at == 1 and number == following[pid]
                goes_on = open_record == (pid, number, at)
                open_record = (pid, number, at + 1) if begins or goes_on else None
                if at == of:
                    following[pid] = number + 1
                    good += begins or goes_on
    return workload.workers * workload.records - good


def run(peer, workload, program, check):
    with tempfile.TemporaryDirectory(prefix="unbraid-bench-", dir=os.environ.get("BENCH_DIR")) as name:
        folder = pathlib.Path(name)
        report = folder / "report"
        count = ["--workers", str(workload.workers), "--records", str(workload.records)]
        load = [str(program), *count, *workload.options, "--report", str(report)]
        end, cpu = capture(peer, load, folder)
        told = json.loads(report.read_text())
        bad = faults(peer, folder / peer.log, workload) if check else 0
        return Result(end - told["begin"], told["workers_cpu"], cpu - told["cpu"], bad)


def busy():
    """Seconds of CPU that the machine has spent on anything, of it by this program and its children, and by the clock."""
    ticks = [int(n) for n in open("/proc/stat").readline().split()[1:]]
    own = sum(os.times()[:4])
    return (sum(ticks[:3]) + sum(ticks[5:8])) / os.sysconf("SC_CLK_TCK"), own, time.monotonic()


def others(begin):
    """What others used of the machine since then. While they do, `cat` is left to sleep longer, and looks cheaper than it is."""
    every, own, clock = (after - before for after, before in zip(busy(), begin))
    return max(0, every - own) / (clock * os.cpu_count())


def compare(workload, chosen, rounds, program):
    results = collections.defaultdict(list)
    for number in range(rounds):
        for peer in chosen:
            if sys.stderr.isatty():
                print(f"\r{workload.name}: round {number + 1}, {peer.name:16}", end="", file=sys.stderr)
            results[peer.name].append(run(peer, workload, program, check=number + 1 == rounds))
    if sys.stderr.isatty():
        print("\r" + " " * 60 + "\r", end="", file=sys.stderr)
    return [row(name, results, workload) for name in results]


Row = collections.namedtuple("Row", "name speed ratio cpu cpu_ratio workers_cpu bad")


def row(name, results, workload):
    """Medians over the rounds."""
    own, base, records = results[name], results["cat"], workload.workers * workload.records
    median = lambda values: statistics.median(list(values))
    paired = list(zip(own, base))
    return Row(
        name,
        records / median(r.wall for r in own),
        median(b.wall / r.wall for r, b in paired),
        max(0, median(r.cpu for r in own)) / records * 1e9,
        max(0, median(r.cpu / b.cpu for r, b in paired)),
        median(r.workers_cpu for r in own) / records * 1e9,
        own[-1].bad,
    )


def show(workload, rows, rounds):
    total = workload.workers * workload.records
    print(f"\n{workload.name}: {workload.records} records by each worker, {rounds} rounds")
    print(f"{'':16}{'records/s':>11}{'/ cat':>7}{'capture ns':>12}{'/ cat':>7}{'worker ns':>11}   not whole of {total}")
    for r in rows:
        cpu = f"{r.cpu:12.0f}{r.cpu_ratio:7.2f}" if r.name != "append" else f"{'-':>12}{'-':>7}"
        print(f"{r.name:16}{r.speed:11.0f}{r.ratio:7.2f}{cpu}{r.workers_cpu:11.0f}   {r.bad}", flush=True)


def plot(path, shown):
    """Bars for throughput and for CPU, a group for each workload."""
    width, bar, left, scale = 860, 15, 150, 110
    out, y = [], 34
    for workload, rows in shown:
        out.append(f'<text x="8" y="{y}" class="h">{workload.name}</text>')
        y += 10
        for r in rows:
            ours = " ours" if r.name.startswith("unbraid") else ""
            out.append(f'<text x="{left - 8}" y="{y + 12}" class="n">{r.name}</text>')
            for x, value in ((left, r.ratio), (left + 370, r.cpu_ratio)):
                if x > left and r.name == "append":
                    continue
                out.append(f'<rect x="{x}" y="{y + 1}" width="{min(value, 2.7) * scale:.1f}" height="{bar - 3}" class="b{ours}"/>')
                out.append(f'<text x="{x + min(value, 2.7) * scale + 4:.1f}" y="{y + 12}">{value:.2f}</text>')
            y += bar
        y += 26
    lines = "".join(f'<path d="M{x + scale} 24V{y - 26}" class="l"/>' for x in (left, left + 370))
    style = (
        "text{font:12px sans-serif;fill:#555}.h{font-weight:bold;fill:#333}.n{text-anchor:end}.b{fill:#9ab}.ours{fill:#2a7}"
        ".l{stroke:#c33;stroke-dasharray:3 3}"
    )
    heads = f'<text x="{left}" y="16" class="h">throughput, cat = 1 (more is better)</text>'
    heads += f'<text x="{left + 370}" y="16" class="h">CPU of capturing, cat = 1 (less is better)</text>'
    body = "\n".join(out)
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{y}"><style>{style}</style>'
    svg += f'<rect width="100%" height="100%" fill="#fff"/>{heads}{lines}\n{body}\n</svg>\n'
    pathlib.Path(path).write_text(svg)


def compiled(folder):
    program = pathlib.Path(folder) / "lines"
    subprocess.run(["cc", "-O2", "-o", str(program), str(HERE / "lines.c")], check=True)
    return program


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("unbraid", help="the program, as cargo build --release makes it")
    parser.add_argument("plot", nargs="?", help="write the results as SVG there")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--records", type=int, default=1_000_000, help="of 120 bytes in each run, by all workers together")
    parser.add_argument("--workers", default="1,16,256")
    asked = parser.parse_args()
    if not shutil.which(asked.unbraid):
        raise SystemExit(f"{asked.unbraid} is not a program")
    every = peers(str(pathlib.Path(asked.unbraid).resolve()))
    chosen = [p for p in every if p.program() is None or shutil.which(p.program())]
    for peer in every:
        if peer not in chosen:
            print(f"not found, left out: {peer.program()}")
    workloads = [
        Workload(f"120-byte lines, {n} worker{'s' if n > 1 else ''}", n, asked.records // n, ["--size", "120"])
        for n in map(int, asked.workers.split(","))
    ]
    mixed = ["--size", "mixed", "--tracebacks", "20"]
    workloads.append(Workload("120 B to 16 KiB with tracebacks, 16 workers", 16, asked.records // 80, mixed))
    shown = []
    with tempfile.TemporaryDirectory() as folder:
        program = compiled(folder)
        for workload in workloads:
            begin = busy()
            rows = compare(workload, chosen, asked.rounds, program)
            show(workload, rows, asked.rounds)
            if others(begin) > CALM:
                print(f"others used {others(begin):.0%} of the machine: repeat this when it is calm", flush=True)
            shown.append((workload, rows))
    if asked.plot:
        plot(asked.plot, shown)
    broken = [r.name for _, rows in shown for r in rows if r.name.startswith("unbraid") and r.bad]
    if broken:
        raise SystemExit(f"records are not whole: {', '.join(broken)}")


if __name__ == "__main__":
    main()
