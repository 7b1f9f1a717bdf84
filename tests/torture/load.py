"""The world that is tortured: rules of every kind, mail for all of them, calls of the API; and the ledger of what was answered."""
import contextlib
import hashlib
import http.server
import json
import random
import smtplib
import threading
import time

import botocore.exceptions
import botocore.parsers

from conftest import ACCOUNT, REGION, Receiving, bucket_policy, data, s3_action
from far_ends import Relay
from test_bounce import bounce_action
from test_lambda import Functions
from weather import Failed, until

KINDS = {"stored": 40, "told": 20, "called": 6, "bounced": 14, "denied": 4, "large": 8, "doubled": 8}
SIZES = (10, 1000, 3000, 60000)
LARGE = (270_000, 700_000)


class Told(http.server.ThreadingHTTPServer):
    """Where the function says which message it was called for."""
    daemon_threads = True

    def __init__(self):
        told = self.told = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                told.append((time.time(), self.rfile.read(int(self.headers["Content-Length"])).decode()))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass
        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Ledger:
    """What the server was given and what it said. One entry is one message, and is given once."""

    def __init__(self):
        self.mail = {}      # mark -> {kind, state: "sent" | "taken" | "refused" | "doubt", id, life}
        self.objects = {}   # key -> list of (octets' digest or None, known): the last known, and those in doubt behind it
        self.revision = self.tried = 0  # of the policy that is put again and again
        self.queued, self.queue_doubt = {}, set()  # bodies sent to the queue: answered, unanswered
        self.object_history, self.policy_history, self.send_history = {}, [], []  # [(what, begun, answered or None)]
        self.codes, self.unfit = {}, []
        self.lock = threading.Lock()

    def take(self, mark, kind, life):
        with self.lock:
            self.mail[mark] = {"kind": kind, "state": "doubt", "id": None, "life": life, "at": None}

    def answered(self, mark, code, text, at):
        with self.lock:
            entry = self.mail[mark]
            entry["at"] = at
            if code == 250:
                entry["state"], entry["id"] = "taken", text.split()[-1]
            else:
                entry["state"] = "refused"

    def reply(self, verb, code, text):
        with self.lock:
            self.codes[code] = self.codes.get(code, 0) + 1
            if not (200 <= code < 500):
                self.unfit.append(f"{verb}: {code} {text}")

    def taken(self):
        with self.lock:
            return {entry["id"]: dict(entry, mark=mark) for mark, entry in self.mail.items() if entry["state"] == "taken"}


class World:
    def __init__(self, server, seed, call_functions=True):
        self.server, self.random = server, random.Random(seed)
        self.ledger, self.relay, self.told = Ledger(), Relay(), Told()
        self.kinds = [k for k in KINDS if call_functions or k != "called"]
        self.life, self.count, self.lock = 0, 0, threading.Lock()
        self.pause = 0.02  # between two messages of a session, at most
        self.clients = {}
        self.first_objects, self.first_revision, self.bounced = {}, 0, set()  # from another's life
        server.flags += ["--relay", self.relay.address]

    def client(self, service):
        """Made once: the API keeps its address."""
        with self.lock:
            if service not in self.clients:
                self.clients[service] = self.server.client(service, max_pool_connections=20, read_timeout=20, connect_timeout=5)
            return self.clients[service]

    def build(self):
        server = self.server
        receiving = self.receiving = Receiving(server)
        for name in ("mail", "shut", "own"):
            receiving.bucket(name)
        receiving.policy("mail", bucket_policy("mail", f"arn:aws:ses:{REGION}:{ACCOUNT}:receipt-rule-set/main:receipt-rule/*",
                                               Condition={"StringEquals": {"AWS:SourceAccount": ACCOUNT}}))
        sns, sqs = self.client("sns"), self.client("sqs")
        self.topic = sns.create_topic(Name="told")["TopicArn"]
        self.queue = sqs.create_queue(QueueName="told")["QueueUrl"]
        self.plain = sqs.create_queue(QueueName="plain")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        sqs.set_queue_attributes(QueueUrl=self.queue, Attributes={"Policy": json.dumps({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": self.topic}}}]})})
        sns.subscribe(TopicArn=self.topic, Protocol="sqs", Endpoint=arn)
        receiving.rule("stored", s3_action("mail"), recipients=["stored@example.com", "large@example.com"])
        receiving.rule("doubled", s3_action("mail", "doubled/", TopicArn=self.topic), recipients=["doubled@example.com"])
        receiving.rule("told", {"SNSAction": {"TopicArn": self.topic}}, recipients=["told@example.com"])
        receiving.rule("bounced", bounce_action(), recipients=["bounced@example.com"])
        receiving.policy("shut", bucket_policy("shut", receiving.arn("denied")))
        receiving.rule("denied", s3_action("shut"), recipients=["denied@example.com"])
        receiving.s3.delete_bucket_policy(Bucket="shut")
        if "called" in self.kinds:
            functions = Functions(server)
            functions.python("called", f"""
import urllib.request
def handler(event, context):
    for record in event["Records"]:
        body = record["ses"]["mail"]["messageId"].encode()
        urllib.request.urlopen(urllib.request.Request("http://127.0.0.1:{self.told.server_address[1]}/", body), timeout=10).read()
""", Timeout=20)
            functions.aws.add_permission(FunctionName="called", StatementId="ses", Action="lambda:InvokeFunction",
                                         Principal="ses.amazonaws.com", SourceAccount=ACCOUNT, SourceArn=receiving.arn("called"))
            receiving.rule("called", {"LambdaAction": {
                "FunctionArn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:called", "InvocationType": "RequestResponse"}},
                recipients=["called@example.com"])
        return self

    def adopt(self, other, at):
        """The world of another server, on its disk as the cut at `at` left it: what was answered before then must last."""
        self.receiving, self.topic, self.queue, self.plain = other.receiving, other.topic, other.queue, other.plain
        self.life, self.count = other.life + 1, other.count
        before = lambda when: when is not None and when <= at  # noqa: E731
        for mark, entry in other.ledger.mail.items():
            known = entry["state"] == "taken" and before(entry["at"])
            self.ledger.mail[mark] = dict(entry, at=0 if known else None, state="taken" if known else "doubt")
        self.bounced = other.bounced | {m for m, when in other.bounces() if before(when)}
        self.ledger.send_history = [(body, 0, 0) for body, _, ended in other.ledger.send_history if before(ended)]
        self.ledger.tried = other.ledger.tried
        self.first_revision, s3 = self.revision(), self.client("s3")
        self.first_objects = {key: hashlib.md5(s3.get_object(Bucket="own", Key=key)["Body"].read()).hexdigest()
                              for key in self.keys("own")}

    def bounces(self):
        """[(mark, when)] that the relay took."""
        return [(envelope[1].split("<")[1].split("@")[0], when) for (envelope, _), when in zip(
            list(self.relay.taken), list(self.relay.times))]

    # ---- load

    def now(self):
        """As the record of the disk counts."""
        return self.server.weather.recorded

    @contextlib.contextmanager
    def remembered(self, history, what):
        """What is asked inside, in the history: answered when nothing was raised."""
        began = self.now()
        history.append((what, began, None))
        yield
        history[-1] = (what, began, self.now())

    def next_mark(self, kind):
        with self.lock:
            self.count += 1
            return f"{kind}-{self.life}-{self.count}"

    @staticmethod
    def message(mark, kind):
        """The same for the same mark."""
        sizes = LARGE if kind == "large" else SIZES
        size = sizes[int(mark.rsplit("-", 1)[1]) % len(sizes)]
        return f"From: a@sender.example\r\nSubject: load\r\nX-Mark: {mark}.\r\n\r\n".encode() + b"x" * size + b"\r\nend\r\n"

    def greets(self, session):
        """False: what would come without an EHLO that was taken is out of order (503)."""
        code, text = session.ehlo()
        self.ledger.reply("EHLO", code, text.decode())
        return code == 250

    def send_one(self, session, kind):
        """One message; what any of its commands was told is in the ledger. False: the session is of no more use."""
        ledger, mark = self.ledger, self.next_mark(kind)
        for verb, ask in (("MAIL", lambda: session.mail(f"{mark}@sender.example")), ("RCPT", lambda: session.rcpt(f"{kind}@example.com"))):
            code, text = ask()
            ledger.reply(verb, code, text.decode())
            if code != 250:
                session.rset()
                return code != 421
        session.putcmd("DATA")
        code, text = session.getreply()
        ledger.reply("DATA", code, text.decode())
        if code != 354:
            return code != 421
        ledger.take(mark, kind, len(self.server.lives))
        session.send(self.message(mark, kind) + b".\r\n")
        code, text = session.getreply()
        ledger.reply("end of data", code, text.decode())
        if code != -1:  # smtplib's word for a connection that is gone
            ledger.answered(mark, code, text.decode(), self.now())
        return code == 250

    def sender(self, stop):
        while not stop.is_set():
            with contextlib.suppress(OSError, smtplib.SMTPException):
                session = smtplib.SMTP(self.server.host, self.server.port, local_hostname="load.example", timeout=30)
                try:
                    taken = self.greets(session)
                    while taken and not stop.is_set() and self.send_one(session, self.random.choices(
                            self.kinds, [KINDS[k] for k in self.kinds])[0]):
                        time.sleep(self.random.uniform(0, self.pause))
                finally:
                    session.close()
            time.sleep(0.005)

    def caller(self, stop):
        """Objects put, overwritten and removed; a policy changed; a queue filled. Each key has one caller at a time."""
        ledger = self.ledger
        while not stop.is_set():
            what = self.random.random()
            try:
                if what < 0.6:
                    self.put_or_remove()
                elif what < 0.8:
                    with self.lock:
                        ledger.tried += 1
                        tried = ledger.tried
                    with self.remembered(ledger.policy_history, tried):
                        self.client("s3").put_bucket_policy(Bucket="own", Policy=json.dumps(
                            bucket_policy("own", self.receiving.arn("none"), Sid=f"Revision{tried}")))
                    ledger.revision = max(ledger.revision, tried)
                else:
                    body = self.next_mark("plain")
                    ledger.queue_doubt.add(body)
                    with self.remembered(ledger.send_history, body):
                        self.client("sqs").send_message(QueueUrl=self.plain, MessageBody=body)
                    ledger.queued[body] = True
            except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError, botocore.parsers.ResponseParserError,
                    OSError) as error:  # whatever it was, what was asked is in doubt
                status = (getattr(error, "response", None) or {}).get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
                if 400 <= status < 500:
                    ledger.unfit.append(f"API: {error}")
                time.sleep(0.01)

    def put_or_remove(self):
        key = f"key-{self.random.randrange(60)}"
        versions = self.ledger.objects.setdefault(key, [("absent", True)])
        history = self.ledger.object_history.setdefault(key, [])
        if self.random.random() < 0.2:
            versions.append(("absent", False))
            with self.remembered(history, "absent"):
                self.client("s3").delete_object(Bucket="own", Key=key)
        else:
            octets = hashlib.sha256(self.next_mark("object").encode()).digest() * self.random.choice((1, 50, 3000, 12000))
            versions.append((hashlib.md5(octets).hexdigest(), False))
            with self.remembered(history, versions[-1][0]):
                self.client("s3").put_object(Bucket="own", Key=key, Body=octets)
        self.ledger.objects[key] = [(versions[-1][0], True)]

    @contextlib.contextmanager
    def load(self, senders=4, callers=1):
        """Load around what is done inside."""
        self.life += 1
        stop = threading.Event()
        threads = [threading.Thread(target=self.sender, args=(stop,), daemon=True) for _ in range(senders)]
        threads += [threading.Thread(target=self.caller, args=(stop,), daemon=True) for _ in range(callers)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            for thread in threads:
                thread.join(60)
            if any(thread.is_alive() for thread in threads):
                raise Failed("a sender or caller was left without an answer for a minute")

    # ---- what came of it

    def drained(self, seconds=60):
        """Until nothing is due: what is left waits for another attempt."""
        def rest():
            h = self.server.health()
            return h["queued"] == 0 and h["delivering"] == 0
        if not until(rest, seconds, 0.05):
            raise Failed(f"the queue does not drain: {self.server.health()}")

    def revision(self):
        """Of the policy that is put again and again; 0: it was not put yet."""
        try:
            policy = json.loads(self.client("s3").get_bucket_policy(Bucket="own")["Policy"])
        except botocore.exceptions.ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchBucketPolicy":
                raise
            return 0
        return int(policy["Statement"][0]["Sid"].removeprefix("Revision"))

    def collect_queue(self, url, each):
        sqs = self.client("sqs")
        while True:
            got = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=["SentTimestamp"]).get("Messages", [])
            for message in got:
                each(message["Body"], int(message["Attributes"]["SentTimestamp"]) / 1000)
            if not got:
                return
            sqs.delete_message_batch(QueueUrl=url, Entries=[
                {"Id": str(n), "ReceiptHandle": m["ReceiptHandle"]} for n, m in enumerate(got)])

    def keys(self, bucket):
        found, token = {}, {}
        while True:
            page = self.client("s3").list_objects_v2(Bucket=bucket, **token)
            found |= {o["Key"]: o for o in page.get("Contents", []) if not o["Key"].endswith("AMAZON_SES_SETUP_NOTIFICATION")}
            if not page["IsTruncated"]:
                return found
            token = {"ContinuationToken": page["NextContinuationToken"]}

    def close(self):
        self.relay.close()
        self.told.shutdown()
        self.told.server_close()


def mark_of(octets):
    at = octets.find(b"X-Mark: ")
    return octets[at + 8:octets.index(b".", at)].decode() if at >= 0 else None
