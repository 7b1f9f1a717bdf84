"""Power cuts: a server is recorded under load, its disk rebuilt as a cut at any moment may leave it, and a start made there."""
import collections
import hashlib
import json
import pathlib
import random
import shutil
import signal
import time

import botocore.exceptions

import disk
from load import World, mark_of
from weather import Failed, StormyServer

FLAGS = ("--spool-segment", str(1 << 20), "--spool-ahead", str(8 << 10), "--history-max", str(8 << 20), "--spool-drafts", str(16 << 20))


class Recording:
    """One life of a server on nothing, or on the disk after a cut, with what it answered and when."""

    def __init__(self, folder, seed, cut=None, seconds=2.0):
        self.folder, self.random, self.cut = pathlib.Path(folder), random.Random(seed), cut
        self.folder.mkdir()
        if cut:
            cut.rebuild(self.folder / "data")
        self.first = disk.Disk(self.folder / "data" if cut else None)
        self.server = StormyServer(self.folder, *FLAGS, record=self.folder / "record")
        self.world = World(self.server, seed, call_functions=False)
        self.world.pause = 0.05
        self.live(seconds)
        self.records = disk.read_record(self.folder / "record")
        self.starts = [r[0] for r in self.records]

    def live(self, seconds):
        server, world = self.server, self.world
        world.relay.clock = lambda: server.weather.recorded
        server.start()
        try:
            self.built = 0
            if self.cut:
                world.adopt(self.cut.recording.world, self.cut.at)
            else:
                world.build()
                self.built = server.weather.recorded
            with world.load(senders=3):
                time.sleep(seconds)
            time.sleep(0.2)
        finally:
            server.stop(signal.SIGKILL)

    def whole(self):
        """The record tells everything: rebuilt with all of it, the disk is what the server left."""
        copy = self.folder / "copy"
        self.first.replay(self.records).rebuild(copy, "keep", self.random)
        different = disk.differences(copy, self.folder / "data")
        shutil.rmtree(copy)
        if different:
            raise Failed(f"the record does not make the disk that the server left: {different[:10]}")

    def moments(self):
        """Every prefix, in a random order; first those behind a sync, where most is promised."""
        all_of_them = list(range(len(self.records) + 1))
        syncs = [n + 1 for n, r in enumerate(self.records) if r[1] in (disk.SYNC_DONE, disk.ALL_DONE)]
        self.random.shuffle(all_of_them)
        self.random.shuffle(syncs)
        while all_of_them:
            yield all_of_them.pop()
            if syncs:
                yield syncs.pop()

    def close(self):
        self.world.close()
        self.server.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class Cut:
    """A start on the disk as one cut leaves it, and a look at everything that was answered before the cut."""

    def __init__(self, recording, count, how, counts, lie=None):
        self.recording, self.count, self.how, self.counts = recording, count, how, counts
        self.at = recording.records[count][0] if count < len(recording.records) else recording.server.weather.recorded
        self.lie = lie
        self.chance = recording.random.getrandbits(32)
        self.what = f"cut at {count} of {len(recording.records)} ({how}), {'second' if recording.cut else 'first'} life"
        self.folder = recording.folder / "cut"
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        self.rebuild(self.folder / "data")
        self.server = StormyServer(self.folder, *recording.server.flags)
        self.server.port_of_api = recording.server.port_of_api

    def rebuild(self, into):
        """The same disk each time."""
        records = self.recording.records[:self.count]
        self.recording.first.replay(records, self.lie).rebuild(into, self.how, random.Random(self.chance))

    def run(self):
        try:
            self.look()
        except Failed as error:
            raise Failed(f"{self.what}: {error}") from error
        finally:
            self.server.close()
        return f"power cut: {self.how}"

    def look(self):
        world, server = self.recording.world, self.server
        came_from = len(world.relay.taken)
        server.start()
        health = server.health()
        if not health["accepting"] or health["damagedFrames"]:
            raise Failed(f"{health}: {server.said()}")
        if self.at < self.recording.built:  # no more than the start is promised: what is set up may be half
            return
        world.server, recorded = server, world.server
        try:
            world.drained(30)
            self.came_from = came_from
            self.mail(world)
            self.objects(world)
            self.policy(world)
            self.queue(world)
        finally:
            world.server = recorded

    def before(self, when):
        return when is not None and when <= self.at

    def mail(self, world):
        keys, told = world.keys("mail"), {}

        def notice(body, _):
            message = json.loads(json.loads(body)["Message"])["mail"]["messageId"]
            told[message] = told.get(message, 0) + 1
        world.collect_queue(world.queue, notice)
        bounced = world.bounced | {m for m, when in world.bounces()[:self.came_from] if self.before(when)}
        bounced |= {m for m, _ in world.bounces()[self.came_from:]}
        taken = {m: e for m, e in world.ledger.taken().items() if self.before(e["at"])}
        self.counts["acknowledged"] += len(taken)
        for message, entry in taken.items():
            kind, mark = entry["kind"], entry["mark"]
            there = {"stored": message in keys, "large": message in keys,
                     "doubled": f"doubled/{message}" in keys and message in told, "told": message in told,
                     "bounced": mark in bounced, "denied": False}[kind]
            if not there:
                self.counts["lost"] += not self.waits(message, kind)
        self.counts["duplicated"] += sum(n - 1 for n in told.values())
        s3 = world.client("s3")
        for key in random.sample(sorted(keys), min(25, len(keys))):
            octets = s3.get_object(Bucket="mail", Key=key)["Body"].read()
            mark = mark_of(octets)
            entry = world.ledger.mail.get(mark)
            if not entry or not octets.endswith(world.message(mark, entry["kind"])) or len(octets) != keys[key]["Size"]:
                raise Failed(f"{key} is not the whole of {mark}: {len(octets)} octets")
            if entry["id"] not in (None, key.rsplit("/", 1)[-1]):
                raise Failed(f"{mark} was taken as {entry['id']} and is there as {key}")
            self.counts["objects_seen"] += 1

    def waits(self, message, kind):
        try:
            timeline = self.server.timeline(message)
        except OSError as error:
            raise Failed(f"lost: {kind} {message}: no trace of it ({error})") from error
        if timeline["state"] == "dead" or kind == "denied" and timeline["state"] == "retrying":
            return True
        raise Failed(f"lost: {kind} {message}: {json.dumps(timeline)[:1200]}")

    def allowed(self, history, first):
        """What may be found of something that changed: the last change answered before the cut, or one begun since."""
        good = [first]
        for value, began, ended in history:
            if self.before(ended):
                good = [value]
            elif began < self.at:
                good.append(value)
        return good

    def objects(self, world):
        keys = world.keys("own")
        for key, history in world.ledger.object_history.items():
            found = "absent"
            if key in keys:
                found = hashlib.md5(world.client("s3").get_object(Bucket="own", Key=key)["Body"].read()).hexdigest()
                self.counts["objects_seen"] += 1
            good = self.allowed(history, world.first_objects.get(key, "absent"))
            if found not in good:
                raise Failed(f"object {key} is {found}, and should be one of {good}; index: {keys.get(key)}")

    def policy(self, world):
        good, found = self.allowed(world.ledger.policy_history, world.first_revision), world.revision()
        if found not in good:
            raise Failed(f"the policy is of revision {found}, and should be one of {good}")

    def queue(self, world):
        got = []
        world.collect_queue(world.plain, lambda body, _: got.append(body))
        sent = {body for body, _, ended in world.ledger.send_history if self.before(ended)}
        if sent - set(got):
            raise Failed(f"messages of the queue are lost: {sorted(sent - set(got))[:5]}")
        if len(set(got)) != len(got):
            raise Failed("the queue holds a message twice")


class Cuts:
    def __init__(self, folder, report, seed):
        self.folder, self.report, self.random = pathlib.Path(folder), report, random.Random(seed)
        self.turn = 0

    def record(self, cut=None, seconds=2.0):
        self.turn += 1
        recording = Recording(self.folder / f"recording{self.turn}", self.random.getrandbits(32), cut, seconds)
        self.report.attempt(recording.whole)
        return recording

    def some(self, recording, until_when, most):
        """Cuts; the last of them in which there was something to lose."""
        last = None
        for number, count in enumerate(recording.moments()):
            if number >= most or time.monotonic() > until_when:
                break
            cut = Cut(recording, count, self.random.choice(disk.CUTS), self.report.sums)
            if self.report.attempt(cut.run, rounds=1) and cut.at > recording.built:
                last = cut
        return last

    def lies_are_noticed(self, recording):
        """A disk that says it has synced and has not: if all is well there too, nothing was looked at."""
        for below in ("spool/log", "state.sqlite", "objects", "queues.sqlite"):
            cut = Cut(recording, len(recording.records), "drop", collections.Counter(), below)
            try:
                cut.run()
            except (Failed, botocore.exceptions.ClientError):
                continue
            raise Failed(f"a disk that kept nothing below {below} was not noticed")

    def run(self, until_when, most=10 ** 9):
        """Recordings in pairs: one from nothing, one that goes on where a cut of the first left it."""
        while time.monotonic() < until_when:
            share = min(90, (until_when - time.monotonic()) / 2)
            first = self.record()
            self.report.attempt(self.lies_are_noticed, 0, first)
            cut = self.some(first, time.monotonic() + share, most)
            if cut:
                second = self.record(cut)
                self.some(second, time.monotonic() + min(share, until_when - time.monotonic()), most)
                second.close()
            first.close()
            if most < 10 ** 9:
                return
