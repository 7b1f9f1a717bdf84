"""Calls that fail: each kind on each kind of file, once or for a while, at any moment and in a start; no descriptors, no
room, no memory, a folder that cannot be written, a clock that jumps. The server says 4xx, loses nothing, and recovers or
stops with a sentence."""
import errno
import os
import random
import resource
import signal
import smtplib
import time

from weather import DISK, PLACES, Failed, StartFailed, until

ERRORS = {"open": (errno.EIO, errno.EMFILE, errno.ENFILE), "create": (errno.EIO, errno.ENOSPC, errno.EMFILE, errno.EROFS),
          "read": (errno.EIO,), "write": (errno.EIO, errno.ENOSPC, errno.EDQUOT), "sync": (errno.EIO, errno.ENOSPC),
          "sync directory": (errno.EIO,), "sync all": (errno.EIO, errno.ENOSPC), "rename": (errno.EIO, errno.ENOSPC, errno.EROFS),
          "unlink": (errno.EIO, errno.EROFS), "make directory": (errno.EIO, errno.ENOSPC, errno.EROFS),
          "remove directory": (errno.EIO,), "truncate": (errno.EIO, errno.ENOSPC), "allocate": (errno.EIO, errno.ENOSPC),
          "punch": (errno.EIO, errno.EOPNOTSUPP),
          "accept": (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ECONNABORTED, errno.ENOBUFS), "memory": (errno.ENOMEM,)}
CHANGES = ("create", "write", "rename", "unlink", "make directory", "remove directory", "truncate", "allocate")
CHECK_EVERY = 8
MINUTE_NS = 60 * 10 ** 9


class Failures:
    def __init__(self, world, check, report, seed):
        self.world, self.server, self.check, self.report = world, world.server, check, report
        self.random, self.points = random.Random(seed), {}
        check.clock_jumps = True

    def calibrate(self):
        before = self.server.counts()
        with self.world.load():
            time.sleep(0.7)
        after = self.server.counts()
        self.points = {point: n - before.get(point, 0) for point, n in after.items() if n > before.get(point, 0)}

    # ---- rounds

    def alive(self, what):
        if self.server.process.poll() is not None:
            raise Failed(f"{what}: the server died with {self.server.process.returncode}: {self.server.said()}")

    def accepts(self):
        """Whether a message is taken now; 4xx otherwise."""
        try:
            with smtplib.SMTP(self.server.host, self.server.port, local_hostname="load.example", timeout=20) as session:
                return self.world.greets(session) and self.world.send_one(session, "stored")
        except (OSError, smtplib.SMTPException):
            return False

    def stopped_with_a_sentence(self):
        """Without memory some work cannot go on: a digest, the picture of a policy that is already changed on disk. Then
        the whole server ends and says so; what was acknowledged is there at the next start."""
        if self.server.process.poll() != -signal.SIGABRT:
            return False
        said = self.server.said(8000)
        if '"event":"world-stuck"' not in said and "cannot compute a digest; stopping" not in said:
            return False
        self.server.stop()
        self.server.start()
        return True

    def afterwards(self, what):
        """In calm weather again: it serves, or says why not; and after a restart it serves."""
        self.alive(what)
        if not until(self.accepts, 5, 0.1):
            health = self.server.health()
            if health["accepting"] or not health.get("says"):
                raise Failed(f"{what}: takes no mail in calm weather, and does not say why: {health}")
        code = self.server.end()
        if code != 0:
            raise Failed(f"{what}: exit {code} at SIGTERM: {self.server.said()}")
        self.server.start()
        health = self.server.health()
        if not health["accepting"] or health["damagedFrames"]:
            raise Failed(f"{what}: after a restart: {health}: {self.server.said()}")
        return what

    def call_fails(self):
        call, place = self.random.choice(sorted(self.points))
        error = self.random.choice(ERRORS[call])
        how = self.random.choice(("fail once", "fail once", "fail on", "fail half") if call == "write" else ("fail once", "fail on"))
        lasting = how != "fail once"
        count = self.random.randint(1, max(1, self.points[call, place] // 3))
        with self.world.load():
            self.server.arm(how, count, [call], [place], error)
            until(lambda: self.server.weather.struck or self.server.process.poll() is not None, 0.6)
            time.sleep(self.random.uniform(0.02, 0.3) if lasting and call != "memory" else 0.02)
            struck = self.server.calm()
            time.sleep(0.1)
        if call == "memory" and self.stopped_with_a_sentence():
            return "memory: ENOMEM, and it stopped"
        self.afterwards(f"{call} of {place}, the {count}th, {how} with {errno.errorcode[error]}")
        return f"{call}: {errno.errorcode[error]}" if struck else "a failure that was not met"

    def disk_is(self, error, calls, name):
        """Everything that changes the disk fails so for a while."""
        with self.world.load():
            self.server.arm(self.random.choice(("fail on", "fail half")), self.random.randint(1, 50), calls, PLACES, error)
            time.sleep(self.random.uniform(0.1, 0.5))
            self.server.calm()
            time.sleep(0.1)
        self.afterwards(name)
        return name

    def no_room(self):
        return self.disk_is(errno.ENOSPC, ("create", "write", "allocate", "make directory", "truncate"), "a full disk")

    def read_only(self):
        return self.disk_is(errno.EROFS, CHANGES, "a disk that cannot be written")

    def no_descriptors(self):
        """The limit falls to what is open now, and a few."""
        pid = self.server.process.pid
        old = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        with self.world.load(senders=12):
            time.sleep(0.1)
            few = len(os.listdir(f"/proc/{pid}/fd")) + self.random.randint(0, 3)
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (few, old[1]))
            time.sleep(self.random.uniform(0.1, 0.5))
            resource.prlimit(pid, resource.RLIMIT_NOFILE, old)
            time.sleep(0.1)
        self.afterwards("EMFILE by the process's limit")
        return "EMFILE by the process's limit"

    def clock_jumps(self):
        """Forth and back; no calls of the API, whose signatures have times."""
        weather = self.server.weather
        with self.world.load(callers=0):
            for _ in range(self.random.randint(1, 5)):
                weather.wall_offset_ns = self.random.choice((-300, -7, -1, 1, 7, 200)) * MINUTE_NS
                time.sleep(self.random.uniform(0.02, 0.15))
                self.alive("a clock that jumps")
            weather.wall_offset_ns = 0
            time.sleep(0.05)
        if not until(self.accepts, 5, 0.1):
            raise Failed(f"takes no mail after the clock jumped: {self.server.health()}")
        return "a clock that jumps"

    def start_fails(self, count, call=None, place=None, error=None):
        """The n-th call of a start fails: it starts nevertheless, or ends with one sentence."""
        self.server.end()
        calls = [call] if call else DISK
        error = error or self.random.choice((errno.EIO, errno.ENOSPC, errno.EMFILE))
        self.server.arm("fail once", count, calls, [place] if place else PLACES, error)
        what = f"the {count}th {call or 'call'} of a start fails with {errno.errorcode[error]}"
        try:
            self.server.start()
        except StartFailed as failed:
            said = [line for line in failed.said.splitlines() if not line.startswith("{")]
            if failed.code == -signal.SIGABRT and "cannot compute a digest; stopping" in failed.said and call == "memory":
                said, failed.code = said[:1], 1
            if failed.code != 1 or len(said) != 1 or not said[0]:
                raise Failed(f"{what} ({self.server.calm()}): exit {failed.code}: {failed.said}") from failed
            self.server.calm()
            self.server.start()
            return "a start fails"
        self.server.calm()
        self.afterwards(what)
        return "a start fails"

    # ---- all of it

    def look(self):
        """What had to wait for another attempt gets it: the clock goes on."""
        for minutes in (0, 1, 3, 8, 20, 40, 60):
            self.server.weather.wall_offset_ns = minutes * MINUTE_NS
            if until(self.rested, 3, 0.1):
                break
        self.server.weather.wall_offset_ns = 0
        self.check.everything()

    def rested(self):
        """Nothing waits but what is denied."""
        health = self.server.health()
        if health["queued"] or health["delivering"]:
            return False
        waiting = self.server.get("/_sesame/messages?state=retrying&max=1000")["messages"]
        errands = self.server.get("/_sesame/errands?max=1000")["errands"]
        return not [m for m in waiting if m["envelope"]["recipients"] != ["denied@example.com"]] and not [
            e for e in errands if e["state"] in ("queued", "retrying")]

    def run(self, until_when, most=10 ** 9):
        self.calibrate()
        rounds, start_call = 0, 0
        while time.monotonic() < until_when and rounds < most:
            rounds += 1
            if rounds % 8 == 0:
                self.report.attempt(self.start_fails, 1, self.random.randint(1, 1000), "memory", "none", errno.ENOMEM)
            elif rounds % 4 == 0:
                start_call = start_call % 260 + (1 if most > 1000 else 23)
                self.report.attempt(self.start_fails, 1, start_call)
            else:
                what = self.random.choices((self.call_fails, self.no_room, self.read_only, self.no_descriptors, self.clock_jumps),
                                           (12, 1, 1, 1, 1))[0]
                self.report.attempt(what, 1)
            self.server.revive()
            if rounds % CHECK_EVERY == 0:
                self.report.attempt(self.look)
        self.report.attempt(self.look)
