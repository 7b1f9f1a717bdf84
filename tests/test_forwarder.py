"""aws-lambda-ses-forwarder as its users deploy it: mail in by SMTP, through S3, out by SES through a relay."""
import email
import email.policy
import json
import re

import pytest

from conftest import ACCOUNT, REGION, ROOT, Receiving, bucket_policy, eventually, s3_action
from test_bounce import relay  # pylint: disable=unused-import
from test_js import HERE, install
from test_lambda import Functions

PLACE = ROOT / "build-js-forwarder"
INDEX = """
const forwarder = require('aws-lambda-ses-forwarder');
const config = {
    fromEmail: 'noreply@shop.example', subjectPrefix: '[fwd] ', emailBucket: 'mail', emailKeyPrefix: 'in/', allowPlusSign: true,
    forwardMapping: { 'info@shop.example': ['ann@home.test', 'bob@home.test'], '@shop.example': ['all@home.test'] },
};
exports.handler = (event, context, callback) => forwarder.handler(event, context, callback, { config });
"""
MAIL = (b"Return-Path: <old@sender.example>\r\nDKIM-Signature: v=1; d=a.example;\r\n b=xyz\r\nDKIM-Signature: v=1; d=b.example; b=abc\r\n"
        b"From: Me Myself <me@sender.example>\r\nTo: info@shop.example\r\nSubject: hello\r\nMessage-ID: <1@sender.example>\r\n"
        b"Date: Mon, 02 Mar 2026 09:15:42 +0000\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
        b"Content-Transfer-Encoding: 8bit\r\n\r\nGr\xc3\xbc\xc3\x9fe\r\n.dots\r\n")
RULE = "forward"


def rights(**without):
    """What the package's page asks for its role, less what a test takes away."""
    statements = {
        "mail": {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": "arn:aws:s3:::mail/*"},
        "send": {"Effect": "Allow", "Action": "ses:SendRawEmail", "Resource": f"arn:aws:ses:{REGION}:{ACCOUNT}:identity/shop.example"}}
    return {"Version": "2012-10-17", "Statement": [s for name, s in statements.items() if name not in without]}


@pytest.fixture(scope="module")
def modules():
    install(HERE / "forwarder", PLACE)
    place = PLACE / "node_modules"  # whole and as it came, but for what no Node reads
    return {f"node_modules/{path.relative_to(place)}": path.read_bytes() for path in place.rglob("*")
            if path.is_file() and path.suffix in (".js", ".json") and "dist" not in path.relative_to(place).parts}


@pytest.fixture
def forwarding(make_server, relay, modules):
    server = make_server("--relay", relay.address, "--hostname", "mx.shop.example")
    receiving = Receiving(server, domain="shop.example")
    receiving.bucket("mail", bucket_policy("mail", receiving.arn(RULE)))
    functions = Functions(server)
    functions.iam.put_role_policy(RoleName="fn", PolicyName="forward", PolicyDocument=json.dumps(rights()))
    functions.create("forwarder", {"index.js": INDEX, **modules}, Timeout=30, MemorySize=256)
    functions.aws.add_permission(FunctionName="forwarder", StatementId="ses", Action="lambda:InvokeFunction",
                                 Principal="ses.amazonaws.com", SourceAccount=ACCOUNT, SourceArn=receiving.arn(RULE))
    receiving.rule(RULE, s3_action("mail", "in/"),
                   {"LambdaAction": {"FunctionArn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:forwarder"}})
    return receiving


def function_log(server):
    return server.get("/_sesame/functions/forwarder/logs")


def test_mail_is_forwarded(forwarding, relay):
    message = forwarding.server.send(MAIL, to=["INFO+news@shop.example"], sender="me@sender.example")
    forwarding.server.settled(message, ["delivered"])
    assert eventually(lambda: len(relay.taken) == 2, 40), function_log(forwarding.server)
    assert sorted(envelope for envelope, _ in relay.taken) == [
        ["MAIL FROM:<INFO+news@shop.example>", "RCPT TO:<ann@home.test>"],
        ["MAIL FROM:<INFO+news@shop.example>", "RCPT TO:<bob@home.test>"]]
    assert relay.taken[0][1] == relay.taken[1][1]
    sent = email.message_from_bytes(relay.taken[0][1], policy=email.policy.default)
    assert sent["From"] == "Me Myself <noreply@shop.example>" and sent["Reply-To"] == "Me Myself <me@sender.example>"
    assert (sent["To"], sent["Subject"]) == ("info@shop.example", "[fwd] hello")
    assert re.fullmatch(r"<[0-9a-f]{16}-[0-9a-f-]{36}-000000@mx\.shop\.example>", sent["Message-ID"])
    assert len(sent.get_all("Date")) == 1 and "Return-Path" not in sent and "DKIM-Signature" not in sent
    assert sent.get_content() == "Grüße\r\n.dots\r\n"
    assert forwarding.object(f"in/{message}").endswith(MAIL)  # copied onto itself, and still as it came


def test_a_role_that_may_not_send_forwards_nothing(forwarding, relay):
    for missing, says in (("mail", "copyObject() returned error"), ("send", "sendRawEmail() returned error")):
        forwarding.iam.put_role_policy(RoleName="fn", PolicyName="forward", PolicyDocument=json.dumps(rights(**{missing: True})))
        message = forwarding.server.send(MAIL, to=["other@shop.example"])
        forwarding.server.settled(message, ["delivered"])
        assert eventually(lambda wanted=says: wanted in function_log(forwarding.server), 40), function_log(forwarding.server)
        assert "AccessDenied" in function_log(forwarding.server)
    assert not relay.taken
