"""The Connect action: as its role, if that may connect:StartEmailContact, to a hook of the operator's."""
import base64
import http.server
import json
import threading
import time

import pytest

from conftest import ACCOUNT, Receiving, bucket_policy, s3_action, trust_policy

INSTANCE = f"arn:aws:connect:us-east-1:{ACCOUNT}:instance/12345678-90ab-cdef-1234-567890abcdef"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/contacts"
MAIL = b"From: a@sender.example\r\nSubject: help\r\n\r\nbody \xff\r\n"
ACTION = {"ConnectAction": {"InstanceARN": INSTANCE, "IAMRoleARN": ROLE}}
MAY = {"Effect": "Allow", "Action": "connect:StartEmailContact", "Resource": INSTANCE}


class Hook(http.server.ThreadingHTTPServer):
    def __init__(self):
        super().__init__(("127.0.0.1", 0), self.Taking)
        self.answers, self.posted, self.wait = [], [], 0  # answers: one a time, then 200
        self.url = f"http://127.0.0.1:{self.server_address[1]}/contacts"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    class Taking(http.server.BaseHTTPRequestHandler):
        def do_POST(self):  # noqa: N802
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.server.posted.append((self.path, dict(self.headers), json.loads(body)))
            time.sleep(self.server.wait)
            self.send_response(self.server.answers.pop(0) if self.server.answers else 200)
            self.end_headers()
            self.wfile.write(b"said the hook")

        def log_message(self, *_):
            pass


@pytest.fixture
def hook():
    made = Hook()
    yield made
    made.shutdown()
    made.server_close()


def prepare(server, *statements):
    receiving = Receiving(server)
    receiving.iam.create_role(RoleName="contacts", AssumeRolePolicyDocument=json.dumps(trust_policy(receiving.arn("contact"))))
    allow(receiving, *statements)
    receiving.rule("contact", ACTION)
    return receiving


def allow(receiving, *statements):
    if statements:
        receiving.iam.put_role_policy(RoleName="contacts", PolicyName="p", PolicyDocument=json.dumps(
            {"Version": "2012-10-17", "Statement": list(statements)}))


def test_the_hook_is_given_the_notice_and_every_octet(make_server, hook):
    server = make_server("--connect-hook", hook.url)
    receiving = prepare(server, MAY)
    receiving.bucket("mail", bucket_policy("mail", receiving.arn("store")))
    receiving.rule("store", s3_action("mail"), after="contact")
    message = server.send(MAIL)
    timeline = server.settled(message, ["delivered"])
    assert [(a["action"], a["outcome"]) for a in timeline["attempts"]] == [("Connect", "done"), ("S3", "done")]
    assert f"started a contact in {INSTANCE} as request " in timeline["attempts"][0]["says"]
    [(path, headers, document)] = hook.posted
    assert path == "/contacts" and headers["Content-Type"] == "application/json"
    assert headers["X-Sesame-Request-Id"] in timeline["attempts"][0]["says"]
    assert list(document) == ["notificationType", "mail", "receipt", "content"]
    assert document["mail"]["messageId"] == message and document["mail"]["commonHeaders"]["subject"] == "help"
    assert document["receipt"]["action"] == {"type": "Connect", "instanceArn": INSTANCE}
    assert base64.b64decode(document["content"], validate=True) == receiving.object(message)


def test_a_role_that_may_not_is_denied_and_the_mended_one_gets_through(make_server, hook):
    server = make_server("--connect-hook", hook.url)
    receiving = prepare(server)
    message = server.send(MAIL)
    [attempt] = server.attempted(message)["attempts"]
    assert attempt["outcome"] == "retry" and attempt["denial"]["action"] == "connect:StartEmailContact"
    assert attempt["denial"]["resource"] == INSTANCE and "assumed-role/contacts/" in attempt["denial"]["principal"]
    assert hook.posted == []
    remedy = attempt["denial"]["remedy"]
    allow(receiving, remedy.get("statement", remedy))
    server.settled(message, ["delivered"], 40)
    assert len(hook.posted) == 1


def test_a_hook_that_fails_is_asked_again_under_the_same_id(make_server, hook):
    server = make_server("--connect-hook", hook.url)
    prepare(server, MAY)
    hook.answers = [503]
    message = server.send(MAIL)
    timeline = server.settled(message, ["delivered"], 40)
    assert [a["outcome"] for a in timeline["attempts"]] == ["retry", "done"]
    assert f"the hook {hook.url} answered 503: said the hook" in timeline["attempts"][0]["says"]
    assert len({headers["X-Sesame-Request-Id"] for _, headers, _ in hook.posted}) == 1 and len(hook.posted) == 2


def test_without_a_hook_it_fails_with_its_reason(server):
    prepare(server, MAY)
    message = server.send(MAIL)
    [attempt] = server.attempted(message)["attempts"]
    assert attempt["outcome"] == "retry" and "denial" not in attempt
    assert attempt["says"] == (f"could not start a contact in {INSTANCE}: no hook takes contacts for Amazon Connect: serve with "
                               "--connect-hook URL")


def test_a_role_that_does_not_trust_the_rule_any_more(make_server, hook):
    server = make_server("--connect-hook", hook.url)
    receiving = prepare(server, MAY)
    receiving.iam.update_assume_role_policy(RoleName="contacts", PolicyDocument=json.dumps(trust_policy(receiving.arn("other"))))
    [attempt] = server.attempted(server.send(MAIL))["attempts"]
    assert attempt["denial"]["action"] == "sts:AssumeRole" and hook.posted == []


@pytest.mark.parametrize("instance, says", [
    (INSTANCE.replace("us-east-1", "eu-west-1"), "the instance is in the Region eu-west-1, and the rule is in us-east-1"),
    (INSTANCE.replace(ACCOUNT, "444455556666"), "connect:StartEmailContact")])
def test_an_instance_of_elsewhere_gets_nothing(make_server, hook, instance, says):
    server = make_server("--connect-hook", hook.url)
    receiving = prepare(server, {"Effect": "Allow", "Action": "connect:*", "Resource": "*"})
    receiving.ses.update_receipt_rule(RuleSetName="main", Rule={"Name": "contact", "Enabled": True, "Actions": [
        {"ConnectAction": {"InstanceARN": instance, "IAMRoleARN": ROLE}}]})
    [attempt] = server.attempted(server.send(MAIL))["attempts"]
    assert attempt["outcome"] == "retry" and says in attempt["says"] and hook.posted == [], attempt


def test_a_slow_hook_holds_up_nobody_else(make_server, hook):
    server = make_server("--connect-hook", hook.url, "--workers", "8")
    receiving = prepare(server, MAY)
    receiving.ses.delete_receipt_rule(RuleSetName="main", RuleName="contact")
    receiving.rule("contact", ACTION, recipients=["help@example.com"])
    receiving.store("store", "mail", recipients=["box@example.com"])
    hook.wait = 4
    for _ in range(12):
        server.send(MAIL, to="help@example.com")
    began = time.monotonic()
    server.settled(server.send(MAIL, to="box@example.com"), ["delivered"], 3)
    assert time.monotonic() - began < 3.5
    hook.wait = 0


def test_a_rehearsal_asks_and_posts_nothing(make_server, hook):
    server = make_server("--connect-hook", hook.url)
    receiving = prepare(server)
    assert "connect:StartEmailContact" in server.explain("--rule", "main/contact").stdout
    allow(receiving, MAY)
    said = server.explain("--rule", "main/contact").stdout
    assert f"would start a contact in {INSTANCE} as {ROLE}" in said, said
    assert hook.posted == []


def test_the_policies_of_the_rule_are_printed(make_server, hook):
    server = make_server("--connect-hook", hook.url)
    prepare(server)
    printed = server.get("/_sesame/policies?ruleSet=main&rule=contact&kind=role")
    assert "connect:StartEmailContact" in json.dumps(printed) and INSTANCE in json.dumps(printed)
