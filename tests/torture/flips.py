"""A state file in which one bit is another: the server says so in a sentence and does not start, or answers as before."""
import pathlib
import random
import shutil
import signal
import time

import botocore.exceptions

from load import World
from weather import Failed, StartFailed, StormyServer

EACH = 1024  # octets: one bit in every so many


class Flips:
    def __init__(self, folder, report, seed):
        self.folder, self.report, self.random = pathlib.Path(folder), report, random.Random(seed)
        self.server = StormyServer(self.folder)
        self.world = World(self.server, seed, call_functions=False)
        self.noticed = 0

    def answers(self):
        """Everything that the configuration says, by the API."""
        ses, s3, sns, iam = (self.world.client(name) for name in ("ses", "s3", "sns", "iam"))
        found = {"set": ses.describe_active_receipt_rule_set()["Rules"], "topics": sns.list_topics()["Topics"],
                 "attributes": sns.get_topic_attributes(TopicArn=self.world.topic)["Attributes"],
                 "buckets": [b["Name"] for b in s3.list_buckets()["Buckets"]]}
        for bucket in found["buckets"]:
            try:
                found[bucket] = s3.get_bucket_policy(Bucket=bucket)["Policy"]
            except botocore.exceptions.ClientError as error:
                found[bucket] = error.response["Error"]["Code"]
        for number in range(0, 60, 7):
            found[f"role{number}"] = iam.get_role(RoleName=f"role{number}")["Role"]["AssumeRolePolicyDocument"]
        return found

    def prepare(self):
        self.server.start()
        self.world.build()
        iam = self.world.client("iam")
        for number in range(60):
            iam.create_role(RoleName=f"role{number}", Description="d" * 700, AssumeRolePolicyDocument=(
                '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"sts:AssumeRole"}]}'))
        for number in range(0, 60, 9):
            iam.create_role(RoleName=f"gone{number}", Description="d" * 900, AssumeRolePolicyDocument=(
                '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"sts:AssumeRole"}]}'))
            iam.delete_role(RoleName=f"gone{number}")
        self.good = self.answers()
        self.server.end()
        self.clean = self.folder / "clean"
        shutil.copytree(self.server.data, self.clean)
        self.octets = (self.clean / "state.sqlite").read_bytes()

    def flip(self, at):
        changed = bytearray(self.octets)
        bit = self.random.randrange(8)
        changed[at] ^= 1 << bit
        shutil.rmtree(self.server.data)
        shutil.copytree(self.clean, self.server.data)
        (self.server.data / "state.sqlite").write_bytes(changed)
        try:
            self.server.start()
        except StartFailed as failed:
            said = [line for line in failed.said.splitlines() if not line.startswith("{")]
            if failed.code != 1 or len(said) != 1 or "state.sqlite" not in said[0]:
                raise Failed(f"bit {bit} of octet {at}: exit {failed.code}: {failed.said}") from failed
            return "a flipped bit: refused"
        try:
            found = self.answers()
        except botocore.exceptions.ClientError as error:
            found = {"error": str(error)}
        finally:
            self.server.stop(signal.SIGKILL)
        if found != self.good:
            wrong = {k: v for k, v in found.items() if self.good.get(k) != v}
            raise Failed(f"bit {bit} of octet {at}: other answers: {str(wrong)[:600]}")
        return "a flipped bit: nothing stands there"

    def run(self, until_when, most):
        try:
            self.prepare()
            pieces = list(range(0, len(self.octets), EACH))
            self.random.shuffle(pieces)
            for number, piece in enumerate(pieces):
                if number >= most or most < 1000 and time.monotonic() > until_when:  # in full, every piece
                    break
                at = piece + self.random.randrange(100 if piece == 0 else EACH)  # the header too
                self.report.attempt(self.flip, 1, min(at, len(self.octets) - 1))
            if most > 1000 and not self.report.faults["a flipped bit: refused"]:
                raise Failed("no flipped bit was noticed")
        finally:
            self.server.close()
            self.world.close()
