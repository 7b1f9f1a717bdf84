"""What a topic is told of a real mail, from SMTP to the subscriber; docs/events.md, spec 11 and 9.4."""
import base64
import json
import re

from conftest import Receiving, data, eventually, message_id, s3_action
from test_bounce import parts, relay  # noqa: F401
from test_sns import Subscriber, subscribe, subscriber  # noqa: F401

MAIL = ("Return-Path: <forged@sender.example>\r\n"
        "From: =?UTF-8?Q?Caf=C3=A9?= Shop <News@shop.example>\r\n"
        "To: Sales <sales@example.com>, undisclosed: a@b.example, \"B, C\" <b@c.example>;\r\n"
        "Cc: Team\r\n <team@example.org>\r\n"
        "Subject: Angebot =?iso-8859-1?q?f=FCr?=\r\n =?utf-8?q?_M=C3=A4rz?=\r\n"
        "X-Quoted: \"=?utf-8?q?a?=\"\r\n"
        "Date: Mon, 2 Mar 2026 10:15:40 +0100\r\n"
        "Message-ID: <77@shop.example>\r\n"
        "\r\n"
        ".Grüße \"\\/\t\r\n").encode() + b"\xff\r\n"


def send(server, mail=MAIL, to=("sales@example.com", "hidden@example.com")):
    with server.smtp() as session:
        session.ehlo("client.example")
        assert session.docmd("MAIL FROM:<bounce+a1@mailer.example>")[0] == 250
        for recipient in to:
            assert session.rcpt(recipient)[0] == 250
        return message_id(*data(session, mail))


def told(subscriber, message):  # noqa: F811
    """Notifications of this message (the set-up's have an id of their own), each with the document in it."""
    found = []
    for *_, body in list(subscriber.posts):
        notification = json.loads(body)
        if notification["Type"] != "Notification":
            continue
        assert notification["Subject"] == "Amazon SES Email Receipt Notification"
        document = json.loads(notification["Message"])
        if document["mail"]["messageId"] == message:
            found.append((notification, document))
    return found


def make_topic(receiving, subscriber, name="mail"):  # noqa: F811
    sns = receiving.server.client("sns")
    arn = sns.create_topic(Name=name)["TopicArn"]
    subscribe(sns, arn, subscriber)
    return arn


def check_mail(mail, message, stored):
    assert list(mail) == ["timestamp", "source", "messageId", "destination", "headersTruncated", "headers", "commonHeaders"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", mail["timestamp"])
    assert (mail["source"], mail["messageId"]) == ("bounce+a1@mailer.example", message)
    assert mail["destination"] == ["sales@example.com", "a@b.example", "b@c.example", "team@example.org"]
    assert mail["headersTruncated"] is False
    head = stored.split(b"\r\n\r\n")[0]
    names = [line.split(b":")[0].decode() for line in head.split(b"\r\n") if line[:1] not in (b" ", b"\t")]
    assert [h["name"] for h in mail["headers"]] == names
    values = {h["name"]: h["value"] for h in mail["headers"]}
    assert mail["headers"][0] == {"name": "Return-Path", "value": "<bounce+a1@mailer.example>"}
    assert values["From"] == "Café Shop <News@shop.example>" and values["Cc"] == "Team <team@example.org>"
    assert values["Subject"] == "Angebot für März" and values["X-Quoted"] == '"=?utf-8?q?a?="'
    assert values["X-Added"] == "by a rule"
    assert mail["commonHeaders"] == {
        "returnPath": "bounce+a1@mailer.example", "from": ["Café Shop <News@shop.example>"],
        "date": "Mon, 2 Mar 2026 10:15:40 +0100",
        "to": ["Sales <sales@example.com>", "a@b.example", '"B, C" <b@c.example>'], "cc": ["Team <team@example.org>"],
        "messageId": "<77@shop.example>", "subject": "Angebot für März"}
    assert list(mail["commonHeaders"]) == ["returnPath", "from", "date", "to", "cc", "messageId", "subject"]


VERDICTS = {"spamVerdict": "DISABLED", "virusVerdict": "DISABLED", "spfVerdict": "PROCESSING_FAILED",
            "dkimVerdict": "PROCESSING_FAILED", "dmarcVerdict": "PROCESSING_FAILED"}


def check_receipt(receipt, mail, action, **verdicts):
    assert list(receipt) == ["timestamp", "processingTimeMillis", "recipients", *VERDICTS, "action"]
    assert receipt["timestamp"] == mail["timestamp"]
    assert isinstance(receipt["processingTimeMillis"], int) and 0 <= receipt["processingTimeMillis"] < 60000
    assert receipt["recipients"] == ["sales@example.com", "hidden@example.com"]
    assert {name: receipt[name]["status"] for name in VERDICTS} == {**VERDICTS, **verdicts}
    assert receipt["action"] == action and list(receipt["action"]) == list(action)


HEADER = {"AddHeaderAction": {"HeaderName": "X-Added", "HeaderValue": "by a rule"}}


def test_actions_and_topics_are_told_what_ses_would_tell(make_server, subscriber):  # noqa: F811
    receiving = Receiving(make_server())
    arn = make_topic(receiving, subscriber)
    receiving.store("set-up", "mail")  # the bucket and its policy; its rule is replaced
    receiving.ses.update_receipt_rule(RuleSetName="main", Rule={
        "Name": "set-up", "Enabled": True, "ScanEnabled": True, "Actions": [
            HEADER, s3_action("mail", "in", TopicArn=arn), {"SNSAction": {"TopicArn": arn, "Encoding": "UTF-8"}},
            {"SNSAction": {"TopicArn": arn, "Encoding": "Base64"}}, {"StopAction": {"Scope": "RuleSet", "TopicArn": arn}}]})
    message = send(receiving.server)
    receiving.server.settled(message, ["delivered"])
    stored = receiving.object("in/" + message)
    assert eventually(lambda: len(told(subscriber, message)) == 4)
    by_action, ids = {}, set()
    for notification, document in told(subscriber, message):
        action = document["receipt"]["action"]
        by_action[action["type"] + action.get("encoding", "")] = document
        ids.add(notification["MessageId"])
    assert set(by_action) == {"S3", "SNSUTF8", "SNSBASE64", "Stop"} and len(ids) == 4
    scanned = {"spamVerdict": "GRAY", "virusVerdict": "GRAY"}
    actions = {
        "S3": {"type": "S3", "topicArn": arn, "bucketName": "mail", "objectKeyPrefix": "in", "objectKey": "in/" + message},
        "SNSUTF8": {"type": "SNS", "topicArn": arn, "encoding": "UTF8"},
        "SNSBASE64": {"type": "SNS", "topicArn": arn, "encoding": "BASE64"},
        "Stop": {"type": "Stop", "topicArn": arn}}
    for kind, document in by_action.items():
        content = ["content"] if kind.startswith("SNS") else []
        assert list(document) == ["notificationType", "mail", "receipt", *content]
        assert document["notificationType"] == "Received"
        check_mail(document["mail"], message, stored)
        check_receipt(document["receipt"], document["mail"], actions[kind], **scanned)
    assert base64.b64decode(by_action["SNSBASE64"]["content"], validate=True) == stored
    assert by_action["SNSUTF8"]["content"] == stored.decode(errors="replace")


def test_a_message_too_large_for_a_topic_is_bounced_and_not_published(make_server, subscriber, relay):  # noqa: F811
    receiving = Receiving(make_server("--relay", relay.address))
    arn = make_topic(receiving, subscriber)
    receiving.rule("topic", {"SNSAction": {"TopicArn": arn}})
    message = send(receiving.server, MAIL + b"x" * 70 + b"\r\n" + (b"y" * 70 + b"\r\n") * 2200)
    timeline = receiving.server.settled(message, ["dead"])
    assert "longer than the 153600 octets that SES publishes; sends a bounce to bounce+a1@mailer.example" in (
        timeline["attempts"][0]["says"])
    assert eventually(lambda: relay.taken)
    [(envelope, text)] = relay.taken
    assert envelope == ["MAIL FROM:<>", "RCPT TO:<bounce+a1@mailer.example>"]
    dsn, words, [about, *recipients], original = parts(text)
    assert dsn["From"] == "mailer-daemon@inbound-smtp.us-east-1.amazonaws.com"
    assert [(r["Final-Recipient"], r["Diagnostic-Code"], r["Status"]) for r in recipients] == [
        (f"rfc822; {who}", "smtp; 552 5.3.4 Message too large", "5.3.4")
        for who in ("sales@example.com", "hidden@example.com")]
    assert "Message-ID: <77@shop.example>\r\n" in original and "yyy" not in original
    assert not told(subscriber, message)


def test_the_largest_message_a_topic_takes(make_server, subscriber):  # noqa: F811
    receiving = Receiving(make_server())
    arn = make_topic(receiving, subscriber)
    receiving.rule("topic", {"SNSAction": {"TopicArn": arn}})
    plain = b"Subject: large\r\n\r\n"
    lines = (b"y" * 98 + b"\r\n") * 1520  # a good kilobyte is left for SES's own fields
    message = send(receiving.server, plain + lines, to=["sales@example.com"])
    receiving.server.settled(message, ["delivered"])
    assert eventually(lambda: told(subscriber, message))
    [(_, document)] = told(subscriber, message)
    assert document["content"].endswith((plain + lines).decode())
