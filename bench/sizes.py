#!/usr/bin/env python3
"""What Sesame weighs: its own memory (RssAnon) at rest, with idle sessions, with large messages on their way in, and with
a long queue; how soon it is ready again; how much disk a spool takes that few messages keep alive.

  bench/sizes.py [--strict] [--queue N] [--mix N] [CELL...]
  cells: rest idle tls large queue mix (all when none is named; queue and mix write gigabytes below $TMPDIR)

Each cell starts a server of its own with the product's defaults, limits raised by flags only, and prints what was measured
against its bar. --strict: exit 1 when a bar is missed. Needs the load generator ($BENCH_BIN/smtpload) and boto3."""
import argparse
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

import boto3

ROOT = pathlib.Path(__file__).resolve().parent.parent
SESAME = os.environ.get("SESAME_BIN", str(ROOT / "build" / "sesame"))
LOAD = str(pathlib.Path(os.environ.get("BENCH_BIN", ROOT / "build" / "bench")) / "smtpload")
DOMAIN, KEY, SECRET = "example.test", "AKIDBENCH00000000001", "bench-secret"
MB = 1e6


class Server:
    def __init__(self, folder, *flags):
        self.data, self.flags, self.process = os.path.join(folder, "data"), flags, None
        self.start()

    def start(self):
        env = {**os.environ, "SESAME_ROOT_ACCESS_KEY_ID": KEY, "SESAME_ROOT_SECRET_ACCESS_KEY": SECRET}
        began = time.monotonic()
        self.process = subprocess.Popen([SESAME, "serve", "--data", self.data, "--smtp", "127.0.0.1:0", "--api", "127.0.0.1:0",
                                         "--log-level", "error", *self.flags], env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        ready = json.loads(self.process.stdout.readline() or sys.exit("the server did not start"))
        self.port, self.api = ready["smtp"][0].rsplit(":", 1)[1], ready["api"]
        return time.monotonic() - began

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        self.process.wait()
        self.process.stdout.close()

    def rss(self):
        """RssAnon in bytes."""
        return int(re.search(r"RssAnon:\s+(\d+)", pathlib.Path(f"/proc/{self.process.pid}/status").read_text())[1]) * 1024

    def least_rss(self, seconds=5):
        """As it settles: what is given back to the system shortly after is not held."""
        end, least = time.monotonic() + seconds, self.rss()
        while time.monotonic() < end:
            time.sleep(0.1)
            least = min(least, self.rss())
        return least

    def metric(self, *names):
        """Their sum at one moment: what is queued now is leased the next."""
        with urllib.request.urlopen(self.api + "/_sesame/metrics", timeout=60) as answer:
            return sum(float(line.split()[-1]) for line in answer.read().decode().splitlines()
                       if line.startswith(tuple(name + " " for name in names)))

    def client(self, service):
        return boto3.client(service, endpoint_url=self.api, region_name="us-east-1", aws_access_key_id=KEY, aws_secret_access_key=SECRET)

    def receive(self, bucket=None):
        """An active rule: without an action, or into a bucket. sink@ is the rule's, poison@ another one's."""
        ses = self.client("ses")
        ses.verify_domain_identity(Domain=DOMAIN)
        ses.create_receipt_rule_set(RuleSetName="bench")
        ses.set_active_receipt_rule_set(RuleSetName="bench")
        ses.create_receipt_rule(RuleSetName="bench", Rule={"Name": "sink", "Enabled": True, "Recipients": [f"sink@{DOMAIN}"], "Actions": []})
        if not bucket:
            return
        s3 = self.client("s3")
        s3.create_bucket(Bucket=bucket)
        arn = f"arn:aws:ses:us-east-1:111122223333:receipt-rule-set/bench:receipt-rule/denied"
        s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "ses.amazonaws.com"}, "Action": "s3:PutObject",
             "Resource": f"arn:aws:s3:::{bucket}/*", "Condition": {"StringEquals": {"aws:SourceArn": arn}}}]}))
        ses.create_receipt_rule(RuleSetName="bench", Rule={"Name": "denied", "Enabled": True, "Recipients": [f"poison@{DOMAIN}"],
                                                           "Actions": [{"S3Action": {"BucketName": bucket}}]})
        s3.delete_bucket_policy(Bucket=bucket)  # from here on every attempt is denied

    def load(self, *arguments, to="sink"):
        done = subprocess.run([LOAD, "-h", "127.0.0.1", "-P", self.port, "-u", f"{to}@{DOMAIN}", *arguments],
                              capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    @contextlib.contextmanager
    def peak(self):
        """The most memory while the block runs, in ret[0]."""
        import threading
        most, over = [self.rss()], threading.Event()

        def look():
            while not over.wait(0.02):
                most[0] = max(most[0], self.rss())
        thread = threading.Thread(target=look)
        thread.start()
        yield most
        over.set()
        thread.join()


missed = []


def say(what, measured, bar, unit):
    well = measured < bar
    if not well:
        missed.append(what)
    print(f"{what:74} {measured:10.1f} {unit:4} bar {bar:8.1f} {unit:4} {'' if well else 'MISSED'}", flush=True)


@contextlib.contextmanager
def served(*flags):
    folder = tempfile.mkdtemp(prefix="sesame-sizes.")
    server = Server(folder, *flags)
    try:
        yield server
    finally:
        server.stop(signal.SIGKILL)
        shutil.rmtree(folder)


def rest(_):
    with served("--connections-max", "20000") as s:
        say("at rest, right after the start: RssAnon", s.least_rss(1) / MB, 12, "MB")
        s.receive()
        say("at rest, after the first calls of the API: RssAnon", s.least_rss(1) / MB, 12, "MB")
        done = s.load("-c", "20", "-n", "20000", "-s", "10240", "-p")
        say(f"at rest, after {done['ok']} messages of 10 KB: RssAnon", s.least_rss() / MB, 12, "MB")
        s.load("-c", "200", "-n", "20000", "-s", "10240", "-p")
        say("at rest, after as many by 200 sessions: RssAnon", s.least_rss() / MB, 12, "MB")


def hold(s, count, *flags):
    """RssAnon for each of so many idle sessions; then what is left when they are gone."""
    s.receive()
    s.load("-c", "20", "-n", "2000", "-s", "10240", "-p", *flags)
    before = s.least_rss(2)
    idle = subprocess.Popen([LOAD, "-h", "127.0.0.1", "-P", s.port, "-c", str(count), "-I", *flags],
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    line = idle.stdout.readline()
    assert line.split()[0] == "READY" and int(line.split()[1]) == count, line
    time.sleep(0.5)
    each = (s.rss() - before) / count / 1024
    idle.stdin.close()
    idle.wait()
    time.sleep(0.5)
    return each, s.least_rss()


def idle(_):
    with served("--connections-max", "20000") as s:
        each, after = hold(s, 10000)
        say("10,000 idle sessions in clear text: RssAnon of each", each, 4, "KB")
        say("at rest, when they have gone: RssAnon", after / MB, 12, "MB")


def tls(_):
    with served("--connections-max", "20000") as s:
        each, after = hold(s, 10000, "-t")
        say("10,000 idle sessions with TLS: RssAnon of each", each, 18, "KB")
        say("at rest, when they have gone: RssAnon", after / MB, 12, "MB")


def large(_):
    with served("--connections-max", "20000") as s:
        s.receive()
        with s.peak() as most:
            done = s.load("-c", "200", "-n", "200", "-s", str(10 << 20), "-g", "200")
        assert done["ok"] == 200, done
        say("200 sessions of 10 MB messages at once: RssAnon", most[0] / MB, 100, "MB")
        say("at rest, when they have gone: RssAnon", s.least_rss() / MB, 12, "MB")


def queue(asked):
    with served("--connections-max", "20000") as s:
        s.receive("bench-mail")
        with s.peak() as most:
            done = s.load("-c", "200", "-n", str(asked.queue), "-s", "1024", "-p", "-g", "200", to="poison")
            assert done["ok"] == asked.queue, done
        queued = s.metric(*(f"sesame_spool_{name}" for name in ("queued", "retrying", "delivering", "held")))
        assert queued == asked.queue, queued
        share = asked.queue / 1e6
        say(f"{asked.queue} messages of 1 KB queued for a target that denies: RssAnon at most", most[0] / MB, 200 * max(share, 0.5), "MB")
        for how, words in ((signal.SIGTERM, "a stop"), (signal.SIGKILL, "a kill")):
            s.stop(how)
            say(f"ready again after {words} with them", s.start(), 10 * max(share, 0.1), "s")
        time.sleep(5)
        say("RssAnon then", s.rss() / MB, 200 * max(share, 0.5), "MB")


def mix(asked):
    """One in a thousand stays. Messages of 10 KB, so that many segments come and go."""
    with served("--connections-max", "20000") as s:
        s.receive("bench-mail")
        stay, size, disk = 0, 10240, 0.0
        for _ in range(max(1, asked.mix // 20000)):
            done = s.load("-c", "20", "-n", "20000", "-s", str(size), "-p")
            stay += s.load("-c", "1", "-n", "20", "-s", str(size), to="poison")["ok"]
            assert done["ok"] == 20000
            disk = max(disk, s.metric("sesame_spool_disk_bytes"))
        say(f"{asked.mix} messages of 10 KB, one in a thousand stays: the spool's disk", disk / MB, (2 * stay * size + 1e9) / MB, "MB")
        time.sleep(5)
        on_disk = sum(f.stat().st_blocks * 512 for f in pathlib.Path(s.data, "spool").rglob("*") if f.is_file())
        say("and as the file system counts it, a little later", on_disk / MB, (2 * stay * size + 1e9) / MB, "MB")


CELLS = {"rest": rest, "idle": idle, "tls": tls, "large": large, "queue": queue, "mix": mix}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("cells", nargs="*", choices=[[], *CELLS], metavar="CELL")
    parser.add_argument("--strict", action="store_true")
    parser.add_argument("--queue", type=int, default=1_000_000)
    parser.add_argument("--mix", type=int, default=400_000)
    asked = parser.parse_args()
    for name in asked.cells or CELLS:
        CELLS[name](asked)
    sys.exit(1 if asked.strict and missed else 0)


if __name__ == "__main__":
    main()
