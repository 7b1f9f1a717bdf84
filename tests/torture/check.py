"""What must hold: nothing acknowledged is lost, nothing is half, and repeated is only what docs/durability.md names."""
import bisect
import concurrent.futures
import hashlib
import json
import random
import urllib.error

from load import mark_of
from weather import Failed, until


class Check:
    """Looks again and again as a world goes on; what was looked at and is well is cleared away, so that a day's mail fits."""

    def __init__(self, world):
        self.world, self.server, self.ledger = world, world.server, world.ledger
        self.well, self.denied = set(), {}  # ids; of what waits: id -> its entry
        self.came = {"told": {}, "called": {}, "bounced": {}, "doubled": {}}  # mail id, or mark of a bounce -> when
        self.names = {}  # mail id -> the names under which its notice came
        self.marks, self.problems, self.clock_jumps = {}, [], False
        self.at = {"relay": 0, "told": 0}
        self.acknowledged = self.duplicated = self.unasked = self.lost = self.objects_seen = 0

    # ---- what came

    def collect(self):
        world = self.world
        for (envelope, _), when in zip(world.relay.taken[self.at["relay"]:], world.relay.times[self.at["relay"]:]):
            mark = envelope[1].split("<")[1].split("@")[0]
            self.came["bounced"].setdefault(mark, []).append(when)
            self.at["relay"] += 1
        while world.relay.wrong:
            self.wrong(f"the relay heard {world.relay.wrong.pop(0)}")
        for when, message in world.told.told[self.at["told"]:]:
            self.came["called"].setdefault(message, []).append(when)
            self.at["told"] += 1

        def notice(body, when):
            envelope = json.loads(body)
            told = json.loads(envelope["Message"])
            if told["mail"]["messageId"] == "AMAZON_SES_SETUP_NOTIFICATION":
                return
            kind = "doubled" if told["receipt"]["action"]["type"] == "S3" else "told"
            self.came[kind].setdefault(told["mail"]["messageId"], []).append(when)
            self.names.setdefault(told["mail"]["messageId"], set()).add(envelope["MessageId"])
        world.collect_queue(world.queue, notice)

    def repeated(self, kind, name, times):
        """Counts repetitions. What is called directly is repeated once a stop. What is told by an errand: mail that was
        not settled makes another errand at each stop, and all errands so far that were not settled are run again: one, two,
        three times in as many lives."""
        lives = [bisect.bisect(self.server.lives, when) for when in times]
        self.duplicated += len(times) - 1
        mark = name if kind == "bounced" else self.marks.get(name)
        taken_in = self.ledger.mail[mark]["life"] if mark in self.ledger.mail else 0
        stops = (len(self.server.lives) if self.clock_jumps else max(lives)) - taken_in
        if len(times) > (1 + stops if kind == "called" else (1 + stops) * (2 + stops) // 2):
            self.wrong(f"{kind} {name} came {len(times)} times, in lives {lives}, taken in {taken_in}")

    # ---- checks

    def message(self, message, entry, keys):
        """One that was acknowledged: True when it is where it belongs; False when it waits."""
        kind, mark = entry["kind"], entry["mark"]
        there = {"stored": keys.get(message), "large": keys.get(message), "doubled": keys.get(f"doubled/{message}"),
                 "told": True, "called": True, "bounced": True, "denied": False}[kind]
        if kind in ("told", "called", "doubled"):
            there = there and self.came[kind].get(message)
        elif kind == "bounced":
            there = self.came[kind].get(mark)
        if there:
            return True
        try:
            state = self.server.timeline(message)["state"]
        except urllib.error.HTTPError as error:
            self.lost += 1
            self.wrong(f"lost: {mark}, id {message}: no trace of it ({error})")
            return False
        if kind == "denied" and state in ("retrying", "dead") or state == "dead":
            return False
        if kind == "bounced" and state == "delivered" and until(lambda: self.collect() or self.came[kind].get(mark), 10, 0.1):
            return True
        self.lost += 1
        self.wrong(f"lost: {mark}, id {message}: {state}, and it is not where it belongs: {json.dumps(self.server.timeline(message)['attempts'])[-500:]}")
        return True

    def whole(self, keys, sample):
        """Objects of mail, read; each is one message from its first octet to its last."""
        s3, ids = self.world.client("s3"), {e["id"]: e for e in self.ledger.mail.values() if e["id"]}
        extra = [k for k in keys if k.rsplit("/", 1)[-1] not in ids]
        for key in extra + random.sample(sorted(keys), min(sample, len(keys))):
            octets = s3.get_object(Bucket="mail", Key=key)["Body"].read()
            mark = mark_of(octets)
            entry = self.ledger.mail.get(mark)
            if entry is None:
                self.wrong(f"{key} holds what nobody sent: {octets[:200]}")
                continue
            if not octets.endswith(self.world.message(mark, entry["kind"])) or len(octets) != keys[key]["Size"]:
                self.wrong(f"{key} is not the whole of {mark}: {len(octets)} octets")
            if entry["state"] == "taken" and entry["id"] != key.rsplit("/", 1)[-1]:
                self.wrong(f"{mark} was taken as {entry['id']} and is there as {key} too")
            self.objects_seen += 1
        self.unasked += len(extra)
        for key in keys:
            if key.rsplit("/", 1)[-1] in self.well and key.rsplit("/", 1)[-1] not in self.marks:
                self.wrong(f"{key} was delivered and settled long ago, and came again")

    def own_objects(self):
        """Those put by the API: the last known one, or one in doubt behind it."""
        s3 = self.world.client("s3")
        keys = self.world.keys("own")
        for key, versions in self.ledger.objects.items():
            found = "absent"
            if key in keys:
                found = keys[key]["ETag"].strip('"')
                octets = s3.get_object(Bucket="own", Key=key)["Body"].read()
                if hashlib.md5(octets).hexdigest() != found:
                    self.wrong(f"object {key} is not whole: {len(octets)} octets of {keys[key]['Size']}")
                self.objects_seen += 1
            if found not in [v for v, _ in versions]:
                self.wrong(f"object {key} is {found}, and should be one of {versions}")
            self.ledger.objects[key] = [(found, True)]
        if set(keys) - set(self.ledger.objects):
            self.wrong(f"objects that nobody put: {set(keys) - set(self.ledger.objects)}")

    def revision(self):
        if not self.ledger.tried:
            return
        found = self.world.revision()
        if not self.ledger.revision <= found <= self.ledger.tried:
            self.wrong(f"the policy is of revision {found}; answered was {self.ledger.revision}, tried {self.ledger.tried}")
        self.ledger.revision = found

    def plain_queue(self):
        got = []
        self.world.collect_queue(self.world.plain, lambda body, _: got.append(body))
        missing = set(self.ledger.queued) - set(got)
        if missing:
            self.wrong(f"{len(missing)} messages of the queue are lost: {sorted(missing)[:5]}")
        if len(set(got)) != len(got) or set(got) - self.ledger.queue_doubt:
            self.wrong("the queue holds what nobody sent, or holds it twice")
        self.ledger.queued.clear()
        self.ledger.queue_doubt.clear()

    def everything(self, sample=60):
        world = self.world
        world.drained()
        self.collect()
        keys = world.keys("mail")
        self.marks = {e["id"]: mark for mark, e in self.ledger.mail.items() if e["id"]}
        taken = {m: e for m, e in self.ledger.taken().items() if m not in self.well and m not in self.denied}
        self.acknowledged += len(taken)
        for message, entry in taken.items():
            if not self.message(message, entry, keys):
                self.denied[message] = entry
        self.whole(keys, sample)
        for kind, came in self.came.items():
            for name, times in came.items():
                self.repeated(kind, name, times)
            came.clear()
        for message, names in self.names.items():
            if len(names) > 1:
                self.wrong(f"the notice of {message} came under several names: {names}")
        self.names.clear()
        for message in self.denied:
            state = self.server.timeline(message)["state"]
            if state not in ("retrying", "dead"):
                self.wrong(f"{message} is denied, and is {state}")
        self.own_objects()
        self.revision()
        self.plain_queue()
        self.well |= taken.keys() - self.denied.keys()
        self.clear(keys)
        for unfit in self.ledger.unfit:
            self.wrong(f"neither yes nor 4xx: {unfit}")
        self.ledger.unfit.clear()
        found, self.problems = self.problems, []
        if found:
            raise Failed(f"{len(found)} things are not as they should be:\n  " + "\n  ".join(found[:4]))

    def wrong(self, what):
        self.problems.append(what)

    def clear(self, keys):
        s3 = self.world.client("s3")
        with concurrent.futures.ThreadPoolExecutor(4) as threads:
            list(threads.map(lambda key: s3.delete_object(Bucket="mail", Key=key), keys))
        self.well |= {k.rsplit("/", 1)[-1] for k in keys}
        with self.ledger.lock:
            for mark in [m for m, e in self.ledger.mail.items() if e["id"] in self.well]:
                del self.ledger.mail[mark]
