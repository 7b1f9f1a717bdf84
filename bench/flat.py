#!/usr/bin/env python3
"""Does what an operation costs stay flat as the installation grows? Two servers, a small one and a large one, do the
same things in turn; the ratio of the medians has to stay within 2.

  bench/flat.py [--strict] [--objects N] [--policies N] [--rule-sets N] [--times N]

Small: 200 objects in a bucket, some 100 managed policies, 39 rule sets, one rule with one recipient. Large: as asked (a million
objects; 100,000 policies, half of them of buckets; 10,000 rule sets), and 200 rules of 100 recipients, the message's one in
the last of them. The objects are mail that was delivered; policies and rule sets are copies of what the API made, laid in
the configuration while the server is down. Requests are signed before the clock starts.
--strict: exit 1 when a bar is missed. Needs the load generator ($BENCH_BIN/smtpload) and boto3."""
import argparse
import contextlib
import datetime
import hashlib
import hmac
import http.client
import json
import shutil
import signal
import sqlite3
import statistics
import sys
import tempfile
import threading
import time
import urllib.parse

from sizes import DOMAIN, KEY, SECRET, Server

REGION, ACCOUNT, BAR = "us-east-1", "111122223333", 2.0
SMALL = 200
local = threading.local()


def quoted(text):
    return urllib.parse.quote(text, safe="-_.~")


class Caller:
    """Signature version 4, by hand: boto3 takes longer for a call than the server."""

    def __init__(self, server, key=KEY, secret=SECRET):
        self.address, self.key, self.secret, self.keys = server.api.split("//")[1], key, secret, {}

    def signing_key(self, day, service):
        if (day, service) not in self.keys:
            key = ("AWS4" + self.secret).encode()
            for part in (day, REGION, service, "aws4_request"):
                key = hmac.new(key, part.encode(), hashlib.sha256).digest()
            self.keys[day, service] = key
        return self.keys[day, service]

    def signed(self, service, method, path, query=(), body=b""):
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        scope = f"{now[:8]}/{REGION}/{service}/aws4_request"
        asked = "&".join(f"{quoted(k)}={quoted(v)}" for k, v in sorted(query))
        digest = hashlib.sha256(body).hexdigest()
        canonical = (f"{method}\n{path}\n{asked}\nhost:{self.address}\nx-amz-content-sha256:{digest}\nx-amz-date:{now}\n\n"
                     f"host;x-amz-content-sha256;x-amz-date\n{digest}")
        text = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        signature = hmac.new(self.signing_key(now[:8], service), text.encode(), hashlib.sha256).hexdigest()
        headers = {"Host": self.address, "X-Amz-Date": now, "X-Amz-Content-Sha256": digest, "Authorization":
                   f"AWS4-HMAC-SHA256 Credential={self.key}/{scope}, SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature={signature}"}
        if body and service != "s3":
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        return method, path + ("?" + asked if asked else ""), body or None, headers

    def query(self, service, action, **parameters):
        form = urllib.parse.urlencode({"Action": action, "Version": {"email": "2010-12-01", "iam": "2010-05-08"}[service], **parameters})
        return self.signed("ses" if service == "email" else service, "POST", "/", (), form.encode())

    def send(self, request):
        """Over this thread's own connection; seconds it took."""
        if getattr(local, "address", None) != self.address:
            local.address, local.connection = self.address, http.client.HTTPConnection(self.address, timeout=60)
        began = time.perf_counter()
        local.connection.request(*request)
        answer = local.connection.getresponse()
        text = answer.read()
        took = time.perf_counter() - began
        if answer.status >= 300:
            raise RuntimeError(f"{request[0]} {request[1]} {request[2]}: {answer.status} {text[:300]}")
        return took


def document(resource):
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": resource}]})


def for_bucket(n):
    return json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::mail/{n}/*"},
        {"Effect": "Allow", "Principal": {"Service": "ses.amazonaws.com"}, "Action": "s3:PutObject", "Resource": "arn:aws:s3:::mail/*"}]})


TEMPLATES = {  # kind of record: key of the one that is copied, and its name therein
    "rule-set": (f"rule-set/{ACCOUNT}/{REGION}/keep", "keep"),
    "bucket": ("bucket/mail", "mail"),
    "policy": (f"policy/{ACCOUNT}/first", "first"),
}


def copy_records(server, policies, rule_sets):
    """Copies of one rule set, one bucket's policy and one managed policy, in the accounts and regions of others, since an account
    may have 40 rule sets. As version 1 of the configuration had them, without sums: the start that follows makes these."""
    server.stop()
    db = sqlite3.connect(server.data + "/state.sqlite", isolation_level=None)
    rows = {kind: bytes(db.execute("SELECT value FROM record WHERE key = ?", (key.encode(),)).fetchone()[0]) for kind, (key, _) in TEMPLATES.items()}
    top = db.execute("SELECT revision FROM counter").fetchone()[0]

    def copies():
        for n in range(rule_sets):
            account = f"{500000000000 + n // 20}"
            yield f"rule-set/{account}/{REGION}/set-{n:06}", rows["rule-set"].replace(b'"keep"', f'"set-{n:06}"'.encode())
        for n in range(policies // 2):
            account = f"{500000000000 + n // 200}".encode()
            yield f"bucket/copy-{n:06}", rows["bucket"].replace(ACCOUNT.encode(), account).replace(b":::mail", f":::copy-{n:06}".encode())
            yield f"policy/{account.decode()}/copy-{n:06}", rows["policy"].replace(ACCOUNT.encode(), account).replace(b"first", f"copy-{n:06}".encode())

    db.execute("BEGIN")
    db.execute("ALTER TABLE record DROP COLUMN sum")
    db.execute("ALTER TABLE counter DROP COLUMN sum")
    db.executemany("INSERT INTO record VALUES (?, ?, ?)", ((key.encode(), value, top + 1 + n) for n, (key, value) in enumerate(copies())))
    db.execute("UPDATE counter SET revision = (SELECT max(revision) FROM record)")
    db.execute("PRAGMA user_version = 1")
    db.execute("COMMIT")
    db.close()
    server.start()


def deliver(server, count):
    server.load("-c", "50", "-n", str(count), "-s", "400", "-p")
    while server.metric("sesame_spool_queued") + server.metric("sesame_spool_delivering") > 0:
        time.sleep(0.2)


def grow(server, objects, policies, rule_sets, rules, recipients):
    caller, ses, s3, iam = Caller(server), server.client("ses"), server.client("s3"), server.client("iam")
    steps = [time.monotonic()]
    ses.verify_domain_identity(Domain=DOMAIN)
    s3.create_bucket(Bucket="mail")
    s3.put_bucket_policy(Bucket="mail", Policy=for_bucket(0))
    iam.create_user(UserName="reader")
    iam.put_user_policy(UserName="reader", PolicyName="reads", PolicyDocument=document("arn:aws:s3:::mail/*"))
    access = iam.create_access_key(UserName="reader")["AccessKey"]
    for name, rule in (("keep", {"Recipients": [f"sink@{DOMAIN}"], "Actions": [{"S3Action": {"BucketName": "mail"}}]}), ("match", None)):
        ses.create_receipt_rule_set(RuleSetName=name)
        if rule:
            ses.create_receipt_rule(RuleSetName=name, Rule={"Name": "keep", "Enabled": True, **rule})
    after = None
    for r in range(rules):
        to = [f"r{r}-{n}@{DOMAIN}" for n in range(recipients - 1)] + [f"sink@{DOMAIN}" if r == rules - 1 else f"r{r}@{DOMAIN}"]
        ses.create_receipt_rule(RuleSetName="match", **({"After": after} if after else {}),
                                Rule={"Name": f"rule-{r}", "Enabled": True, "Recipients": to, "Actions": []})
        after = f"rule-{r}"
    iam.create_policy(PolicyName="first", PolicyDocument=document("arn:aws:s3:::first/*"))
    for n in range(40 - 2 - 1):
        ses.create_receipt_rule_set(RuleSetName=f"own-{n}")
    for n in range(100):
        iam.create_policy(PolicyName=f"own-{n:03}", PolicyDocument=document(f"arn:aws:s3:::bucket-{n}/*"))
    steps.append(time.monotonic())
    copy_records(server, policies, rule_sets)
    caller, ses, s3 = Caller(server), server.client("ses"), server.client("s3")
    steps.append(time.monotonic())
    ses.set_active_receipt_rule_set(RuleSetName="keep")
    deliver(server, objects)
    steps.append(time.monotonic())
    ses.set_active_receipt_rule_set(RuleSetName="match")
    some = [o["Key"] for o in s3.list_objects_v2(Bucket="mail", MaxKeys=100)["Contents"]]
    print(f"made {rules} rules in {steps[1] - steps[0]:.0f} s, {rule_sets} rule sets and {policies} policies in {steps[2] - steps[1]:.0f} s, "
          f"{objects} objects in {steps[3] - steps[2]:.0f} s", file=sys.stderr, flush=True)
    return caller, Caller(server, access["AccessKeyId"], access["SecretAccessKey"]), some


def operations():
    """what, and a function of (the owner, the reader, some keys, a counter) that gives a signed request"""
    page = [("list-type", "2"), ("max-keys", "50")]
    return (
        ("change a bucket's policy", lambda o, r, k, n: o.signed("s3", "PUT", "/mail", [("policy", "")], for_bucket(n).encode())),
        ("change a user's policy", lambda o, r, k, n: o.query("iam", "PutUserPolicy", UserName="reader", PolicyName="other",
                                                              PolicyDocument=document(f"arn:aws:s3:::other/{n}"))),
        ("make a managed policy", lambda o, r, k, n: o.query("iam", "CreatePolicy", PolicyName=f"new-{n}",
                                                             PolicyDocument=document(f"arn:aws:s3:::other/{n}"))),
        ("make a rule", lambda o, r, k, n: o.query("email", "CreateReceiptRule", RuleSetName="own-0", **{"Rule.Name": f"new-{n}", "Rule.Enabled": "true"})),
        ("list objects: the first page", lambda o, r, k, n: o.signed("s3", "GET", "/mail", page)),
        ("list objects: a page amid them", lambda o, r, k, n: o.signed("s3", "GET", "/mail", page + [("start-after", "h")])),
        ("list objects: by prefix and delimiter", lambda o, r, k, n: o.signed("s3", "GET", "/mail", page + [("delimiter", "0")])),
        ("list policies", lambda o, r, k, n: o.query("iam", "ListPolicies", Scope="Local", MaxItems="50")),
        ("list rule sets", lambda o, r, k, n: o.query("email", "ListReceiptRuleSets")),
        ("put an object", lambda o, r, k, n: o.signed("s3", "PUT", f"/mail/put-{n}", (), b"x" * 1000)),
        ("decide (a user's HEAD of an object)", lambda o, r, k, n: r.signed("s3", "HEAD", "/mail/" + quoted(k[n % len(k)]))),
        ("delete an object", lambda o, r, k, n: o.signed("s3", "DELETE", f"/mail/put-{n}")),
    )


missed = []


def say(what, small, large, ratio, unit):
    well = ratio <= BAR
    if not well:
        missed.append(what)
    print(f"{what:40} small {small:9.3f} {unit:5} large {large:9.3f} {unit:5} {ratio:6.2f}x  bar {BAR:.0f}x {'' if well else 'MISSED'}", flush=True)


def compare(small, large, times):
    for what, request in operations():
        took = ([], [])
        for block in range(10):
            for server, (owner, reader, keys) in enumerate((small, large)):
                for n in range(block * times // 10, (block + 1) * times // 10):
                    took[server].append(owner.send(request(owner, reader, keys, n)))
        a, b = (statistics.median(t) * 1000 for t in took)
        say(what, a, b, b / a, "ms")


def match(small, large):
    rates = {small: [], large: []}
    for _ in range(5):
        for server in (small, large):
            rates[server].append(server.load("-c", "20", "-n", "100000000", "-d", "1", "-s", "1024", "-p")["msg_s"])
    a, b = (1e6 / statistics.median(rates[server]) for server in (small, large))
    say("match: accept a message of 1 KB", a, b, b / a, "us")


@contextlib.contextmanager
def served():
    folder = tempfile.mkdtemp(prefix="sesame-flat.")
    server = Server(folder, "--connections-max", "20000")
    try:
        yield server
    finally:
        server.stop(signal.SIGKILL)
        shutil.rmtree(folder)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--strict", action="store_true")
    parser.add_argument("--objects", type=int, default=1_000_000)
    parser.add_argument("--policies", type=int, default=100_000)
    parser.add_argument("--rule-sets", type=int, default=10_000)
    parser.add_argument("--times", type=int, default=200)
    asked = parser.parse_args()
    with served() as a, served() as b:
        small = grow(a, SMALL, SMALL, SMALL, 1, 1)
        large = grow(b, asked.objects, asked.policies, asked.rule_sets, 200, 100)
        compare(small, large, asked.times)
        match(a, b)
    sys.exit(1 if asked.strict and missed else 0)


main()
