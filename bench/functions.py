"""Warm calls of a Node function beside a bare Node HTTP server: the same event, the same answer, as many callers.

    script/bench functions          # --strict: exit 1 when a third is missed
"""
import argparse
import json
import os
import pathlib
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "bench"
PORT = 18571
HEADERS = [{"name": f"X-Header-{n}", "value": "v" * 60} for n in range(20)]
EVENT = {"Records": [{"eventSource": "aws:ses", "eventVersion": "1.0", "ses": {
    "mail": {"messageId": "o3vrnil0e2ic28tr000000000000000000000000", "source": "a@sender.example",
             "destination": ["user@example.com"], "headers": HEADERS},
    "receipt": {"recipients": ["user@example.com"], "spamVerdict": {"status": "GRAY"}}}}]}


def answer_of(command):
    return json.loads(subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True).stdout)


def bare_server():
    process = subprocess.Popen(["node", str(ROOT / "bench" / "peers" / "bare-node.mjs"), str(PORT)])
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", PORT), 1).close()
            return process
        except OSError:
            time.sleep(0.05)
    raise SystemExit("the bare Node server does not listen")


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--runs", type=int, default=5)
    arguments.add_argument("--secs", type=float, default=2)
    arguments.add_argument("--callers", type=int, default=32)
    arguments.add_argument("--processes", type=int, default=os.cpu_count())
    arguments.add_argument("--strict", action="store_true")
    a = arguments.parse_args()
    with tempfile.NamedTemporaryFile("w", suffix=".json") as event:
        json.dump(EVENT, event)
        event.flush()
        theirs = [BUILD / "httpload", "-P", PORT, "-c", a.callers, "-d", a.secs, "-f", event.name]
        ours = [BUILD / "functions_bench", "-c", a.callers, "-n", a.processes, "-d", a.secs, "-f", event.name,
                "-b", ROOT / "share" / "lambda"]
        server = bare_server()
        try:
            answer_of(theirs[:5] + ["-d", 1, "-f", event.name])
            pairs = [(answer_of(theirs)["answers_s"], answer_of(ours)["calls_s"]) for _ in range(a.runs)]
        finally:
            server.kill()
            server.wait()
    ratios = [ours / theirs for theirs, ours in pairs]
    print(f"{a.callers} callers, {a.processes} processes, {a.runs} runs of {a.secs:g} s")
    print(f"bare Node HTTP server  {statistics.median(p[0] for p in pairs):9.0f} answers/s")
    print(f"warm Node function     {statistics.median(p[1] for p in pairs):9.0f} calls/s")
    ratio = statistics.median(ratios)
    print(f"ratio                  {ratio:9.2f}   [{min(ratios):.2f}-{max(ratios):.2f}]   bar 0.33, aim 0.50")
    sys.exit(a.strict and ratio < 1 / 3)


main()
