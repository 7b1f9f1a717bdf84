"""Starts build/sesame (or $SESAME_BIN) on free ports in a temporary folder, and speaks to it as its users do."""
import contextlib
import glob
import json
import os
import pathlib
import re
import resource
import shutil
import signal
import smtplib
import socket
import subprocess
import threading
import time
import urllib.request

import boto3
import botocore.config
import botocore.exceptions
import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
BINARY = os.environ.get("SESAME_BIN", str(ROOT / "build" / "sesame"))
ACCOUNT = "111122223333"
REGION = "us-east-1"
KEY, SECRET = "AKIDTESTROOTKEY00001", "test/root+secret0123456789012345678901234"
SANITIZER_REPORT = re.compile(r"^.*(runtime error: |ERROR: \w+Sanitizer|WARNING: ThreadSanitizer).*$", re.M)
SLOW = 3.0 if "asan" in BINARY else 1.0

# A login shell gives 1,024 descriptors to begin with; floods take more of them here than in the server.
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
os.environ["AWS_DATA_PATH"] = str(ROOT / "share" / "aws-models")
os.environ["AWS_EC2_METADATA_DISABLED"] = "true"


def eventually(probe, seconds=15.0, every=0.02):
    """What probe() answers as soon as that is true-ish; else its last answer."""
    end = time.monotonic() + seconds * SLOW
    while True:
        answer = probe()
        if answer or time.monotonic() > end:
            return answer
        time.sleep(every)


signing_key = None  # what the first server of this process made for its notifications: an RSA key is most of a first start


class Server:
    def __init__(self, folder, *flags, env=None, own_signing_key=False, through=()):
        self.data = pathlib.Path(folder) / "data"
        self.through = through  # a program that becomes the server, as prlimit does
        self.own_signing_key = own_signing_key
        self.flags = list(flags)
        self.env = env or {}
        self.process = None
        self.stderr_path = pathlib.Path(folder) / "stderr.log"

    def start(self, *more):
        smtp = [] if any(f == "--smtp" for f in self.flags) else ["--smtp", "127.0.0.1:0"]
        command = [*self.through, BINARY, "serve", "--data", str(self.data), "--api", "127.0.0.1:0", *smtp, *self.flags, *more]
        env = {**os.environ, "SESAME_ROOT_ACCESS_KEY_ID": KEY, "SESAME_ROOT_SECRET_ACCESS_KEY": SECRET, **self.env}
        if signing_key and not self.own_signing_key and "--user" not in command and not self.data.exists():
            self.lay_signing_key()
        self.stderr = open(self.stderr_path, "ab")
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=self.stderr, env=env)
        line = self.process.stdout.readline()
        if not line:
            code = self.process.wait()
            raise AssertionError(f"no ready line, exit {code}: {self.stderr_path.read_text()[-3000:]}")
        self.ready = json.loads(line)
        self.addresses = [a.rsplit(":", 1) for a in self.ready["smtp"]]
        self.host, self.port = self.addresses[0][0].strip("[]"), int(self.addresses[0][1])
        self.api = self.ready["api"]
        self.keep_signing_key()
        return self

    def lay_signing_key(self):
        path = self.data / "sns" / "signing.pem"
        self.data.mkdir(0o700)
        path.parent.mkdir(0o700)
        path.touch(0o600)
        path.write_bytes(signing_key)

    def keep_signing_key(self):
        global signing_key
        path = self.data / "sns" / "signing.pem"
        if signing_key is None and path.exists():
            signing_key = path.read_bytes()

    def stop(self, how=signal.SIGTERM, expect=0):
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(how)
        code = self.process.wait(30 * SLOW)
        self.process.stdout.close()
        self.stderr.close()
        self.process = None
        if how == signal.SIGTERM and expect is not None:
            assert code == expect, f"exit {code}: {self.log_text()[-3000:]}"
        self.check_sanitizers()
        return code

    def discard(self):
        """Ends it and frees its disk: hundreds of servers come and go in one run, 64 MB and more of each."""
        try:
            if self.process is not None:
                self.stop()
            elif self.stderr_path.exists():
                self.check_sanitizers()
        finally:
            shutil.rmtree(self.data, ignore_errors=True)

    def turn(self, seconds):
        """Again, with its clock that far ahead. (boto3's clock is not: calls of the API want 0.)"""
        if self.process is not None:
            self.stop()
        [library] = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")  # Debian's libfaketime
        self.env = {**self.env, "LD_PRELOAD": library, "FAKETIME": f"+{seconds}s", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        return self.start()

    def check_sanitizers(self):
        """On the build with sanitizers: none of them had anything to say, however the server ended."""
        report = SANITIZER_REPORT.search(self.log_text())
        assert not report, self.log_text()[report.start():][:4000]

    def kill(self):
        return self.stop(signal.SIGKILL, None)

    def restart(self, *more):
        self.stop()
        return self.start(*more)

    def log_text(self):
        time.sleep(0.02)  # lines of about a millisecond are written together
        return self.stderr_path.read_text(errors="replace")

    def log(self):
        lines = []
        for line in self.log_text().splitlines():
            with contextlib.suppress(ValueError):
                lines.append(json.loads(line))
        return lines

    # --- the AWS side

    def client(self, service, account=None, region=REGION, key=None, secret=SECRET, token=None, **config):
        settings = dict(retries={"max_attempts": 0}, read_timeout=60, connect_timeout=10)
        if service == "s3":
            settings["s3"] = {"addressing_style": "path"}
        settings.update(config)
        return boto3.client(service, endpoint_url=self.api, region_name=region,
                            aws_access_key_id=key or account or KEY, aws_secret_access_key=secret,
                            aws_session_token=token, config=botocore.config.Config(**settings))

    def get(self, path):
        request = urllib.request.Request(self.api + path)
        with urllib.request.urlopen(request, timeout=20) as answer:
            body = answer.read()
            return json.loads(body) if "json" in answer.headers.get("Content-Type", "") else body.decode()

    def timeline(self, message_id):
        return self.get(f"/_sesame/messages/{message_id}")

    def settled(self, message_id, states=("delivered", "dead"), seconds=15.0):
        """The timeline once the message has ended, or is in one of the states."""
        last = {}

        def probe():
            last.update(self.timeline(message_id))
            return last if last.get("state") in states else None
        found = eventually(probe, seconds)
        assert found, f"not in {states}: {json.dumps(last, indent=1)}"
        return found

    def attempted(self, message_id, count=1):
        found = eventually(lambda: (lambda t: t if len(t["attempts"]) >= count else None)(self.timeline(message_id)))
        assert found, self.timeline(message_id)
        return found

    # --- the SMTP side

    def smtp(self, listener=0, timeout=60):
        host, port = self.addresses[listener]
        return smtplib.SMTP(host.strip("[]"), int(port), local_hostname="client.example", timeout=timeout)

    def send(self, body, to="user@example.com", sender="a@sender.example", options=(), listener=0):
        """Sends octets exactly (dots stuffed by us, CRLF left alone); answers the message id."""
        to = [to] if isinstance(to, str) else to
        with self.smtp(listener) as session:
            session.ehlo()
            code, text = session.mail(sender, options)
            assert code == 250, (code, text)
            for recipient in to:
                code, text = session.rcpt(recipient)
                assert code in (250, 251), (code, text)
            return message_id(*data(session, body))

    def explain(self, *arguments):
        done = subprocess.run([BINARY, "explain", "--data", str(self.data), *arguments],
                              capture_output=True, text=True, timeout=60, check=False)
        return done


def data(session, body):
    """DATA with exactly these octets."""
    session.putcmd("DATA")
    code, text = session.getreply()
    assert code == 354, (code, text)
    stuffed = body.replace(b"\r\n.", b"\r\n..")
    if stuffed.startswith(b"."):
        stuffed = b"." + stuffed
    if stuffed and not stuffed.endswith(b"\r\n"):
        stuffed += b"\r\n"
    session.send(stuffed + b".\r\n")
    return session.getreply()


def message_id(code, text):
    assert code == 250, (code, text)
    word = text.decode().split()[-1]
    assert len(word) == 40 and set(word) <= set("0123456789abcdefghijklmnopqrstuv"), text
    return word


class Raw:
    """A socket with lines; what smtplib would never send."""

    def __init__(self, server, listener=0, timeout=30):
        host, port = server.addresses[listener]
        self.socket = socket.create_connection((host.strip("[]"), int(port)), timeout)
        self.file = self.socket.makefile("rb")

    def write(self, octets):
        self.socket.sendall(octets)

    def reply(self):
        lines = []
        while True:
            line = self.file.readline()
            if not line:
                return b"".join(lines)
            lines.append(line)
            if line[3:4] != b"-":
                return b"".join(lines)

    def ask(self, octets):
        self.write(octets)
        return self.reply()

    def close(self):
        self.file.close()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def rule_arn(rule_set, rule, account=ACCOUNT, region=REGION):
    return f"arn:aws:ses:{region}:{account}:receipt-rule-set/{rule_set}:receipt-rule/{rule}"


def bucket_policy(bucket, source_arn, account=ACCOUNT, **changes):
    """The seed page's AllowSESPuts with its placeholders filled; changes replace members of its statement."""
    statement = {
        "Sid": "AllowSESPuts", "Effect": "Allow", "Principal": {"Service": "ses.amazonaws.com"},
        "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{bucket}/*",
        "Condition": {"StringEquals": {"AWS:SourceAccount": account, "AWS:SourceArn": source_arn}}}
    statement.update(changes)
    return {"Version": "2012-10-17", "Statement": [{k: v for k, v in statement.items() if v is not None}]}


def trust_policy(source_arn, account=ACCOUNT, **changes):
    """The seed page's AllowSESAssume."""
    statement = {
        "Sid": "AllowSESAssume", "Effect": "Allow", "Principal": {"Service": "ses.amazonaws.com"},
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"AWS:SourceAccount": account, "AWS:SourceArn": source_arn}}}
    statement.update(changes)
    return {"Version": "2012-10-17", "Statement": [{k: v for k, v in statement.items() if v is not None}]}


def role_policy(bucket):
    """The required part of the seed page's role permission policy."""
    return {"Version": "2012-10-17", "Statement": [
        {"Sid": "S3Access", "Effect": "Allow", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{bucket}/*"}]}


class Receiving:
    """A domain, a rule set and a bucket, made through the API; rules as the test wants them."""

    def __init__(self, server, rule_set="main", domain="example.com", account=None, region=REGION):
        self.server, self.rule_set, self.account, self.region = server, rule_set, account or ACCOUNT, region
        key = None if account in (None, ACCOUNT) else account
        self.ses = server.client("ses", account=key, region=region)
        self.s3 = server.client("s3", account=key, region=region)
        self.iam = server.client("iam", account=key, region=region)
        self.ses.verify_domain_identity(Domain=domain)
        self.ses.create_receipt_rule_set(RuleSetName=rule_set)
        self.ses.set_active_receipt_rule_set(RuleSetName=rule_set)

    def arn(self, rule):
        return rule_arn(self.rule_set, rule, self.account, self.region)

    def bucket(self, name, policy=None):
        if self.region == "us-east-1":
            self.s3.create_bucket(Bucket=name)
        else:
            self.s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": self.region})
        if policy:
            self.policy(name, policy)

    def policy(self, bucket, policy):
        self.s3.put_bucket_policy(Bucket=bucket, Policy=policy if isinstance(policy, str) else json.dumps(policy))

    def rule(self, name, *actions, recipients=None, after=None, enabled=True, tls=None, scan=False):
        rule = {"Name": name, "Enabled": enabled, "Actions": list(actions)}
        if scan:
            rule["ScanEnabled"] = True
        if recipients is not None:
            rule["Recipients"] = recipients
        if tls:
            rule["TlsPolicy"] = tls
        self.ses.create_receipt_rule(RuleSetName=self.rule_set, Rule=rule, **({"After": after} if after else {}))

    def store(self, rule="store", bucket="mail", prefix=None, **more):
        """A bucket with the seed page's policy and a rule that writes to it."""
        self.bucket(bucket, bucket_policy(bucket, self.arn(rule), self.account))
        self.rule(rule, s3_action(bucket, prefix), **more)

    def keys(self, bucket="mail"):
        found = self.s3.list_objects_v2(Bucket=bucket).get("Contents", [])
        return [o["Key"] for o in found if not o["Key"].endswith("AMAZON_SES_SETUP_NOTIFICATION")]

    def object(self, key, bucket="mail"):
        return self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()


def s3_action(bucket, prefix=None, **more):
    action = {"BucketName": bucket, **more}
    if prefix is not None:
        action["ObjectKeyPrefix"] = prefix
    return {"S3Action": action}


@pytest.fixture
def make_server(tmp_path):
    made = []

    def make(*flags, start=True, **options):
        folder = tmp_path / f"server{len(made)}"
        folder.mkdir()
        server = Server(folder, *flags, **options)
        made.append(server)
        return server.start() if start else server
    yield make
    for server in made:
        server.discard()


@pytest.fixture
def server(make_server):
    return make_server()


@pytest.fixture
def receiving(server):
    return Receiving(server)


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory):
    """One server for the tests of a file that change nothing others see."""
    server = Server(tmp_path_factory.mktemp("shared")).start()
    yield server
    server.discard()


def refused(call, code, message=None):
    """The call fails with this AWS error."""
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call()
    error = caught.value.response["Error"]
    assert error["Code"] == code, error
    if message is not None:
        assert error["Message"] == message, error
    return caught.value.response
