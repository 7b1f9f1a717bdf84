#!/usr/bin/env python3
"""What each action costs from accepted to delivered: all in one run, beside plain S3 and a bare Node HTTP server.

  script/bench deliver            # --strict: exit 1 when a bar is missed

The function has as many processes as cores, so the bare server is called by as many callers, each waiting for its
answer; what it makes of as many callers as there are SMTP sessions is shown too.

Rounds: in each, every variant has a server of its own, one after the other, so that drift of the machine hits all
alike. A rate counts the messages accepted, over the time from the first connect to the moment when nothing is queued
any more and every effect is counted.
"""
import argparse
import json
import os
import re
import smtplib
import statistics
import subprocess
import sys
import time
import urllib.request
from email.message import EmailMessage

import driver

SIZE, SESSIONS = 10 * driver.K, 20
PROCESSES = os.cpu_count()  # of the function; each answers one caller at a time
# mode: what it is beside, the bar, the aim
VARIANTS = {
    "deliver": (None, None, None),
    "encrypt": ("deliver", 2 / 3, None),
    "sns": ("deliver", 1 / 3, None),
    "function": ("bare node", 1 / 3, 1 / 2),
}
CALLERS = {"bare node": PROCESSES, "node, busy": SESSIONS}  # of the bare server, each waiting for its answer
NAMES = {"deliver": "S3, plain", "encrypt": "S3, encrypted for its reader", "sns": "SNS, one HTTP subscriber",
         "function": "Node function, waited for", "bare node": f"bare Node HTTP, {PROCESSES} callers", "node, busy": f"bare Node HTTP, {SESSIONS} callers"}


class Counted:
    """A server's own metrics; an effect of a mode is counted where it happens."""

    def __init__(self, port, mode):
        self.api, self.mode, self.subscriber = f"http://127.0.0.1:{port + 20000}", mode, f"http://127.0.0.1:{port + 10000}/"

    def read(self):
        text = urllib.request.urlopen(self.api + "/_sesame/metrics", timeout=10).read().decode()
        sums = {}
        for name, value in re.findall(r"^(\w+)(?:{.*})? (\S+)$", text, re.M):
            sums[name] = sums.get(name, 0) + float(value)
        return sums

    def alive(self):
        """How much is not done yet; None: something was not done at all."""
        now = self.read()
        if now.get("sesame_spool_dead", 0) or now.get("sesame_publish_failure_total", 0):
            return None
        return sum(now.get("sesame_spool_" + what, 0) for what in ("queued", "retrying", "delivering", "held"))

    def effects(self):
        if self.mode == "sns":
            return json.load(urllib.request.urlopen(self.subscriber, timeout=10))["posts"]
        return int(self.read().get("sesame_publish_success_total", 0))

    def await_empty(self, limit):
        end = time.monotonic() + limit
        while time.monotonic() < end:
            left = self.alive()
            if left is None:
                sys.exit(f"{self.mode}: an action failed; the run counts for nothing")
            if not left:
                return
            time.sleep(0.02)
        sys.exit(f"{self.mode}: {left:.0f} messages were still there after {limit:g} s")


def measure(mode, port, a):
    server = driver.Server(f"sesame:{mode}", port)
    try:
        counted = Counted(port, mode)
        driver.load(port, SIZE, SESSIONS, 0, False, a.warm)  # segments, processes, connections
        counted.await_empty(a.settle)
        before, cpu, began = counted.effects(), server.group.cpu(), time.monotonic()
        load = driver.load(port, SIZE, SESSIONS, 0, False, a.secs)
        counted.await_empty(a.settle)
        took, effects = time.monotonic() - began, counted.effects() - before
        if not load["ok"] or effects < load["ok"]:
            sys.exit(f"{mode}: {load['ok']} messages accepted, {effects} effects")
        return {"rate": load["ok"] / took, "accepted": load["msg_s"], "cpu": (server.group.cpu() - cpu) * 1000 / load["ok"]}
    finally:
        server.stop()


def event_of_a_mail(port, path):
    """The event that the function is called with for one of the load's messages."""
    server = driver.Server("sesame:function", port)
    try:
        mail = EmailMessage()
        mail["Subject"], mail["From"], mail["To"] = "show", "load@bench.example", "sink@example.test"
        mail.set_content("x" * 70 + "\n")
        with smtplib.SMTP("127.0.0.1", port) as smtp:
            smtp.send_message(mail)
        page = f"http://127.0.0.1:{port + 20000}/_sesame/functions/bench/logs"
        for _ in range(200):
            shown = re.search(rb"INFO\\t({.*?})\\n|INFO\t({.*})\n", urllib.request.urlopen(page, timeout=10).read())
            if shown:
                path.write_bytes(shown[1] or shown[2])
                return
            time.sleep(0.05)
        sys.exit("the function did not show its event")
    finally:
        server.stop()


def bare_node(port, event, callers, a):
    process = subprocess.Popen(["node", str(driver.HERE / "peers" / "bare-node.mjs"), str(port)])
    load = [driver.BIN / "httpload", "-P", port, "-c", callers, "-f", event, "-d"]
    try:
        time.sleep(0.5)
        subprocess.run([str(word) for word in load + [a.warm]], check=True, capture_output=True)
        done = subprocess.run([str(word) for word in load + [a.secs]], check=True, capture_output=True, text=True)
        return {"rate": json.loads(done.stdout)["answers_s"], "accepted": 0, "cpu": 0}
    finally:
        process.kill()
        process.wait()


def told(rounds, strict):
    """The table, and whether every bar was reached."""
    well = True
    print(f"{'':30} {'until empty':>17} {'accepted':>10} {'cpu/1000':>9}   beside (median of the rounds' ratios)")
    for mode, name in NAMES.items():
        got = [r[mode] for r in rounds if mode in r]
        if not got:
            continue
        rate, accepted, cpu = (statistics.median(g[k] for g in got) for k in ("rate", "accepted", "cpu"))
        line = f"{name:30} {rate:11.0f} msg/s {accepted:10.0f} {cpu:8.3f}s"
        base, bar, aim = VARIANTS.get(mode, (None, None, None))
        if mode in CALLERS and "function" in rounds[0]:
            theirs = [r["function"]["rate"] / r[mode]["rate"] for r in rounds]
            line += f"   the function's rate is {statistics.median(theirs):.2f} of it [{min(theirs):.2f}-{max(theirs):.2f}]"
        ratios = [r[mode]["rate"] / r[base]["rate"] for r in rounds if mode in r and base in r]
        if ratios:
            ratio = statistics.median(ratios)
            well = well and ratio >= bar
            line += f"   {ratio:.2f} of {NAMES[base]} [{min(ratios):.2f}-{max(ratios):.2f}], bar {bar:.2f}" + (
                f", aim {aim:.2f}" if aim else "") + (": ok" if ratio >= bar else ": MISSED")
        print(line)
    return 0 if well or not strict else 1


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--runs", type=int, default=5)
    arguments.add_argument("--secs", type=float, default=2)
    arguments.add_argument("--warm", type=float, default=1)
    arguments.add_argument("--settle", type=float, default=120)
    arguments.add_argument("--only", default=",".join(VARIANTS))
    arguments.add_argument("--port", type=int, default=2900)
    arguments.add_argument("--strict", action="store_true")
    a = arguments.parse_args()
    port, rounds, modes, event = a.port, [], a.only.split(","), driver.TMP / "event.json"
    if "function" in modes:
        event_of_a_mail(port, event)
    for i in range(a.runs):
        this = {}
        for mode in modes:
            port += 1
            this[mode] = measure(mode, port, a)
        if "function" in modes:
            this |= {name: bare_node(port + 10000, event, callers, a) for name, callers in CALLERS.items()}
        rounds.append(this)
        print(f"round {i + 1}, load {os.getloadavg()[0]:.1f}: " + ", ".join(f"{m} {v['rate']:.0f}" for m, v in this.items()),
              file=sys.stderr, flush=True)
    sys.exit(told(rounds, a.strict))


main()
