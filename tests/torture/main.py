"""script/torture: hard weather, for as long as it is told. Prints what it did and ends with "N passed, N failed"."""
import argparse
import collections
import pathlib
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent), str(pathlib.Path(__file__).resolve().parent.parent)]

from check import Check  # noqa: E402
from cuts import Cuts  # noqa: E402
from failures import Failures  # noqa: E402
from flips import Flips  # noqa: E402
from kills import Kills  # noqa: E402
from load import World  # noqa: E402
from weather import Failed, StormyServer  # noqa: E402


class Report:
    def __init__(self):
        self.passed = self.failed = self.rounds = 0
        self.faults = collections.Counter()
        self.sums = collections.Counter()
        self.began = time.monotonic()

    def attempt(self, what, rounds=0, *arguments):
        """Runs one check, or a round that answers which fault it brought. Whether it passed."""
        self.rounds += rounds
        try:
            kind = what(*arguments)
            if isinstance(kind, str):
                self.faults[kind] += 1
            self.passed += 1
            return True
        except Failed as error:
            self.failed += 1
            print(f"--- failed: {getattr(what, '__qualname__', what)}: {error}", flush=True)
        except Exception:  # noqa: BLE001: what the tester did not foresee is a failure too
            self.failed += 1
            print(f"--- failed: {getattr(what, '__qualname__', what)}\n{traceback.format_exc(limit=-3)}", flush=True)
        return False

    def add(self, check):
        for name in ("acknowledged", "lost", "duplicated", "unasked", "objects_seen"):
            self.sums[name] += getattr(check, name)

    def tell(self):
        print(f"rounds                 {self.rounds}  ({time.monotonic() - self.began:.0f} s)")
        for kind, count in sorted(self.faults.items()):
            print(f"  {kind:<40} {count}")
        print(f"messages acknowledged  {self.sums['acknowledged']}")
        print(f"lost                   {self.sums['lost']}")
        print(f"duplicated             {self.sums['duplicated']}  (effects repeated after a stop, as docs/durability.md says)")
        print(f"kept without a 250     {self.sums['unasked']}  (the answer did not reach the sender)")
        print(f"objects read whole     {self.sums['objects_seen']}")
        print(f"{self.passed} passed, {self.failed} failed", flush=True)


def scratch():
    """In memory where there is some: what is tortured is the program, not this machine's disk."""
    shm = pathlib.Path("/dev/shm")
    return tempfile.mkdtemp(prefix="torture.", dir=shm if shm.is_dir() and shutil.disk_usage(shm).free > 2 << 30 else None)


def in_a_world(torturer, report, folder, seconds, seed, most):
    server = StormyServer(folder, "--spool-segment", str(4 << 20), "--spool-ahead", str(8 << 10), "--history-max", str(32 << 20), "--spool-drafts", str(16 << 20))
    world, check = World(server, seed), None
    try:
        server.start()
        check = Check(world.build())
        torturer(world, check, report, seed).run(time.monotonic() + seconds, most)
        server.end()
    finally:
        if check:
            report.add(check)
        server.close()
        world.close()


def kills(*arguments):
    in_a_world(Kills, *arguments)


def failures(*arguments):
    in_a_world(Failures, *arguments)


def cuts(report, folder, seconds, seed, most):
    Cuts(folder, report, seed).run(time.monotonic() + seconds, most)


def flips(report, folder, seconds, seed, most):
    Flips(folder, report, seed).run(time.monotonic() + seconds, most)


ALL = 10 ** 9
PARTS = {  # what it is, its share of the time, and how many rounds of it are the short form
    "flips": (flips, 1, 8),
    "kills": (kills, 3, 16),
    "failures": (failures, 3, 14),
    "cuts": (cuts, 3, 10),
}
SHORT_SECONDS = 40  # for each part at most: so long that the rounds end it, also beside other work


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--minutes", type=float, default=10)
    options.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    options.add_argument("--short", action="store_true", help="under a minute, for script/test")
    options.add_argument("parts", nargs="*", help=" ".join(PARTS))
    asked = options.parse_args()
    print(f"seed {asked.seed}", flush=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was begun is ended, its folders go
    report, parts = Report(), asked.parts or list(PARTS)
    shares = sum(PARTS[name][1] for name in parts)
    for name in parts:
        part, share, few = PARTS[name]
        seconds, most = (SHORT_SECONDS, few) if asked.short else (asked.minutes * 60 * share / shares, ALL)
        folder = scratch()
        try:
            report.attempt(part, 0, report, folder, seconds, asked.seed, most)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    report.tell()
    return 1 if report.failed or not report.passed else 0


if __name__ == "__main__":
    sys.exit(main())
