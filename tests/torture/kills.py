"""kill -9 at random moments, and at chosen calls: before, in and after every kind of call on every kind of file."""
import random
import signal
import time

from weather import DISK, Failed, StartFailed

KILLS = ("kill before", "kill half", "kill after")
CHECK_EVERY = 12  # rounds


class Kills:
    def __init__(self, world, check, report, seed):
        self.world, self.server, self.check, self.report = world, world.server, check, report
        self.random, self.points = random.Random(seed), {}
        self.start_calls = 250

    def calibrate(self):
        """What calls there are under this load, in a moment of it."""
        before = self.server.counts()
        with self.world.load():
            time.sleep(0.5)
        after = self.server.counts()
        self.points = {point: n - before.get(point, 0) for point, n in after.items()
                       if n > before.get(point, 0) and point[0] in DISK}

    def at_a_moment(self):
        with self.world.load():
            time.sleep(self.random.uniform(0.03, 0.45))
            self.server.stop(signal.SIGKILL)
        return "kill at a moment"

    def at_a_point(self):
        call, place = self.random.choice(sorted(self.points))
        how = self.random.choice(KILLS if call == "write" else (KILLS[0], KILLS[2]))
        count = self.random.randint(1, max(1, self.points[call, place] // 2))
        with self.world.load():
            self.server.arm(how, count, [call], [place])
            struck = self.server.gone(1.5)
            self.server.stop(signal.SIGKILL)
        self.server.calm()
        return f"{how} {call}" if struck else "kill at a moment"

    def at_the_start(self):
        """The server ends, then is killed somewhere in its start."""
        self.at_a_moment()
        struck = self.kill_a_start()
        if self.random.random() < 0.5:
            struck = self.kill_a_start() or struck  # and once more
        return "kill in a start" if struck else "kill at a moment"

    def kill_a_start(self):
        before = sum(self.server.counts().values())
        self.server.arm(self.random.choice(KILLS), self.random.randint(1, self.start_calls), DISK)
        try:
            self.server.start()
            self.server.stop(signal.SIGKILL)
            self.start_calls = max(50, (sum(self.server.counts().values()) - before) // 2)
        except StartFailed as error:
            if error.code != -signal.SIGKILL:
                raise
        return self.server.calm()

    def told_to_end(self):
        with self.world.load():
            time.sleep(self.random.uniform(0.03, 0.3))
            code = self.server.end()
        if code != 0:
            raise Failed(f"exit {code} at SIGTERM: {self.server.said()}")
        return "SIGTERM"

    def round(self):
        how = self.random.choices((self.at_a_moment, self.at_a_point, self.at_the_start, self.told_to_end), (6, 14, 3, 1))[0]
        kind = how()
        self.server.start()
        health = self.server.health()
        if not health["accepting"] or health["damagedFrames"]:
            raise Failed(f"after {kind}: {health}: {self.server.said()}")
        return kind

    def run(self, until_when, most=10 ** 9):
        self.calibrate()
        rounds = 0
        while time.monotonic() < until_when and rounds < most:
            rounds += 1
            if not self.report.attempt(self.round, 1):
                self.server.revive()
            if rounds % CHECK_EVERY == 0:
                self.report.attempt(self.check.everything)
        self.report.attempt(self.check.everything)
