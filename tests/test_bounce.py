"""The Bounce action, end to end: mail in, a delivery status notification out to a relay; spec 9.6, 9.4, 12.4."""
import email
import email.policy
import json
import re
import subprocess
import urllib.error
import urllib.request

import botocore.exceptions
import pytest

import gmime

from conftest import BINARY, Receiving, data, eventually, message_id
from far_ends import Relay

MAIL = b"From: Me <me@sender.example>\r\nSubject: hello\r\n\r\n.body\r\n"


@pytest.fixture
def relay():
    made = Relay()
    yield made
    made.close()


def bounce_action(**more):
    return {"BounceAction": {"SmtpReplyCode": "550", "StatusCode": "5.1.1", "Message": "Mailbox does not exist",
                             "Sender": "mailer@example.com", **more}}


def send(server, *, sender="<me@sender.example>", to=("gone@example.com",), mail=MAIL):
    with server.smtp() as session:
        session.ehlo("client.example")
        assert session.docmd(f"MAIL FROM:{sender}")[0] == 250
        for recipient in to:
            assert session.rcpt(recipient)[0] == 250
        return message_id(*data(session, mail))


def assert_gmime_reads_the_same(text):
    """Two stock parsers and the form of spec 9.6: types, parts with their descriptions, fields in their order."""
    dsn, report = email.message_from_bytes(text, policy=email.policy.compat32), gmime.Report(text)
    _, status, original = dsn.get_payload()
    assert report.fields == [(n, v) for n, v in dsn.items() if n != "Content-Type"]  # which GMime keeps with the body
    assert (report.type, report.report_type) == ("multipart/report", "delivery-status")
    assert report.parts == [("text/plain", "Notification"), ("message/delivery-status", "Delivery Status Notification"),
                            ("text/rfc822-headers", "Undelivered Message")]
    assert report.groups == [group.items() for group in status.get_payload()] and len(report.groups) > 1
    assert [name for name, _ in report.groups[0]][:2] == ["Reporting-MTA", "Arrival-Date"]
    for group in report.groups[1:]:
        assert [name for name, _ in group][:5] == ["Action", "Final-Recipient", "Original-Recipient", "Diagnostic-Code", "Status"]
    assert report.words.strip().decode() == dsn.get_payload()[0].get_payload().strip()
    assert report.original.decode().rstrip() == original.get_payload().rstrip()
    return report


def step(timeline, action):
    return [a for a in timeline["attempts"] if a["action"] == action]


def test_the_sender_is_told_in_ses_form(make_server, relay):
    server = make_server("--relay", relay.address)
    receiving = Receiving(server)
    receiving.rule("bounce", bounce_action())
    message = send(server, to=["gone@example.com", "too@example.com"])
    timeline = server.settled(message, ["delivered"])
    [told] = step(timeline, "Bounce")
    assert re.fullmatch(r"sends a bounce to me@sender\.example as errand [0-9a-v]{40}", told["says"])
    assert eventually(lambda: relay.taken)
    [(envelope, text)] = relay.taken
    assert envelope == ["MAIL FROM:<>", "RCPT TO:<me@sender.example>"]
    assert text.startswith(b"Date: ") and b"\n" not in text.replace(b"\r\n", b"")

    dsn = email.message_from_bytes(text, policy=email.policy.default)
    assert list(dsn) == ["Date", "From", "To", "Message-ID", "Subject", "MIME-Version", "Content-Type"]
    assert (dsn["From"], dsn["To"]) == ("mailer@example.com", "me@sender.example")
    assert dsn["Subject"] == "Delivery Status Notification (Failure)"
    assert re.fullmatch(r"<[0-9a-f]{16}-[0-9a-f-]{36}-000000@inbound-smtp\.us-east-1\.amazonaws\.com>", dsn["Message-ID"])
    assert dsn.get_content_type() == "multipart/report" and dsn.get_param("report-type") == "delivery-status"
    words, status, original = dsn.iter_parts()
    assert [p.get_content_type() for p in (words, status, original)] == [
        "text/plain", "message/delivery-status", "text/rfc822-headers"]
    assert words.get_content().strip() == "This message could not be delivered."
    about, *recipients = status.iter_parts()
    assert about["Reporting-MTA"] == "dns; inbound-smtp.us-east-1.amazonaws.com"
    assert re.fullmatch(r"\w{3}, \d\d \w{3} \d\d \d\d:\d\d:\d\d UTC", about["Arrival-Date"])
    assert [list(r.items()) for r in recipients] == [[
        ("Action", "failed"), ("Final-Recipient", f"rfc822; {who}"), ("Original-Recipient", f"rfc822; {who}"),
        ("Diagnostic-Code", "smtp; 550 5.1.1 Mailbox does not exist"), ("Status", "5.1.1")]
        for who in ("gone@example.com", "too@example.com")]
    returned = original.get_payload()
    assert_gmime_reads_the_same(text)
    assert returned.startswith("Return-Path: <me@sender.example>\r\nReceived: from client.example ")
    assert "Subject: hello\r\n" in returned and "body" not in returned


def test_the_actions_behind_it_still_run(make_server, relay):
    server = make_server("--relay", relay.address)
    receiving = Receiving(server)
    receiving.store()
    receiving.rule("bounce", bounce_action(StatusCode="4.0.0", SmtpReplyCode="450", Message="Temporary failure"))
    message = send(server)
    server.settled(message, ["delivered"])
    assert eventually(lambda: relay.taken)
    assert b"Action: failed\r\n" in relay.taken[0][1] and b"smtp; 450 4.0.0 Temporary failure\r\n" in relay.taken[0][1]
    assert receiving.object(message).endswith(MAIL)


@pytest.mark.parametrize("case, how, says", [
    ("the null path", dict(sender="<>"), "the message has the null reverse path"),
    ("no address", dict(sender="<nobody>"), "the reverse path is no address"),
    ("an automatic answer", dict(mail=b"Auto-Submitted: auto-replied\r\n" + MAIL),
     "the message was submitted by a program (Auto-Submitted)"),
    ("a report", dict(mail=b"Content-Type: multipart/report; report-type=delivery-status\r\n" + MAIL),
     "the message is a report itself (Content-Type)"),
])
def test_nobody_is_told_who_could_tell_back(make_server, relay, case, how, says):
    server = make_server("--relay", relay.address)
    Receiving(server).rule("bounce", bounce_action())
    message = send(server, **how)
    [told] = step(server.settled(message, ["delivered"]), "Bounce")
    assert told["says"] == "sent no bounce: " + says
    assert not relay.taken


def outgoing_text(server, errand):
    with urllib.request.urlopen(f"{server.api}/_sesame/outgoing/{errand}", timeout=20) as answer:
        assert answer.headers["Content-Type"] == "message/rfc822"
        return answer.read()


def errands(server, message):
    listed = server.get("/_sesame/errands")["errands"]
    return [e for e in listed if message in e.get("about", "")]


def test_a_bounce_survives_a_crash_and_is_sent_once_the_relay_takes_it(make_server, relay):
    server = make_server("--relay", relay.address)
    Receiving(server).rule("bounce", bounce_action())
    relay.says["RCPT"] = "451 4.7.1 greylisted"
    message = send(server)
    server.settled(message, ["delivered"])
    [errand] = eventually(lambda: [e for e in errands(server, message) if e["state"] == "retrying"])
    assert not relay.taken
    server.kill()
    relay.says.clear()
    server.start()
    assert eventually(lambda: relay.taken, seconds=30)
    assert eventually(lambda: [e["state"] for e in errands(server, message)] == ["delivered"])
    assert len(relay.taken) == 1


def test_a_refused_bounce_is_a_dead_letter_that_says_why(make_server, relay):
    server = make_server("--relay", relay.address)
    Receiving(server).rule("bounce", bounce_action())
    relay.says["RCPT"] = "550 5.1.1 no such user"
    message = send(server)
    [errand] = eventually(lambda: [e for e in errands(server, message) if e["state"] == "dead"])
    story = server.get("/_sesame/messages/" + errand["errandId"])
    assert "RCPT was answered 550 5.1.1 no such user" in str(story)


def test_while_outgoing_mail_is_off_a_bounce_is_kept_and_sent_after_a_redrive(make_server, relay):
    server = make_server()
    receiving = Receiving(server)
    receiving.rule("bounce", bounce_action())
    message = send(server)
    [told] = step(server.settled(message, ["delivered"]), "Bounce")
    assert re.fullmatch(r"wrote a bounce to me@sender\.example as errand [0-9a-v]{40}: "
                        r"kept, not sent: outgoing mail is off \(--relay HOST:PORT, --outbound mx\)", told["says"])
    [errand] = eventually(lambda: [e for e in errands(server, message) if e["state"] == "dead"])
    assert (errand["kind"], errand["target"]) == ("outgoing", "smtp://sender.example")
    [attempt] = server.get("/_sesame/messages/" + errand["errandId"])["attempts"]
    assert attempt["says"] == "kept, not sent: outgoing mail is off (--relay HOST:PORT, --outbound mx)"
    [listed] = server.get("/_sesame/outgoing")["outgoing"]
    assert (listed["errandId"], listed["from"], listed["to"]) == (errand["errandId"], "", "me@sender.example")
    assert (listed["state"], listed["says"]) == ("dead", attempt["says"])
    kept = outgoing_text(server, errand["errandId"])
    assert email.message_from_bytes(kept)["To"] == "me@sender.example"

    server.restart("--relay", relay.address)
    subprocess.run([BINARY, "redrive", "--data", str(server.data), "--message", errand["errandId"]], check=True,
                   stdout=subprocess.DEVNULL, timeout=60)
    assert eventually(lambda: relay.taken)
    assert eventually(lambda: [e["state"] for e in errands(server, message)] == ["delivered"])
    [(envelope, text)] = relay.taken
    assert envelope == ["MAIL FROM:<>", "RCPT TO:<me@sender.example>"] and text == kept
    assert outgoing_text(server, errand["errandId"]) == kept, "also once it was sent"


def test_outgoing_mail_is_listed_page_by_page(make_server):
    server = make_server()
    Receiving(server).rule("bounce", bounce_action())
    senders = [f"m{n}@sender.example" for n in range(7)]
    for sender in senders:
        server.settled(send(server, sender=f"<{sender}>"), ["delivered"])
    listed, query = [], "limit=3"
    while query:
        page = server.get("/_sesame/outgoing?" + query)
        assert len(page["outgoing"]) <= 3
        listed += page["outgoing"]
        query = page.get("next") and f"limit=3&after={page['next']}"
    assert [o["to"] for o in listed] == senders[::-1]
    assert [o["to"] for o in server.get("/_sesame/outgoing?address=M3@sender.example")["outgoing"]] == [senders[3]]
    assert server.get("/_sesame/outgoing?account=444455556666") == {"outgoing": []}
    for path, status in (("outgoing?limit=0", 400), ("outgoing?after=x", 400), ("outgoing/" + "0" * 40, 404),
                         ("outgoing/" + send(server, sender="<>"), 404)):
        with pytest.raises(urllib.error.HTTPError) as refused:
            server.get("/_sesame/" + path)
        assert refused.value.code == status


def test_a_rehearsal_asks_the_same(make_server, relay):
    for flags, says in ((("--relay", relay.address), "would send a bounce as mailer@example.com"),
                        ((), "would write a bounce as mailer@example.com, kept and not sent: outgoing mail is off")):
        server = make_server(*flags)
        Receiving(server).rule("bounce", bounce_action())
        told = server.get("/_sesame/explain?ruleSet=main&rule=bounce")
        assert told["allowed"] is True
        assert [(a["action"], a["outcome"], a["says"]) for a in told["actions"]] == [("Bounce", "allowed", says)]
    assert not relay.taken


@pytest.mark.parametrize("change, message", [
    (dict(SmtpReplyCode=""), "Invalid SMTP reply code: "),
    (dict(Message=""), "Invalid SMTP response message: "),
    (dict(Sender="mailer@other.example"), "Identity is not verified: mailer@other.example"),
    (dict(Sender="example.com"), "Identity is not verified: example.com"),
])
def test_what_ses_refuses_at_creation(make_server, change, message):
    receiving = Receiving(make_server())
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        receiving.rule("bounce", bounce_action(**change))
    assert refused.value.response["Error"]["Code"] == "InvalidParameterValue"
    assert refused.value.response["Error"]["Message"] == message


# ---- SendBounce: spec 12.5 ----

BOUNCE_TYPES = {
    "DoesNotExist": ("550", "5.1.1"), "MessageTooLarge": ("552", "5.3.4"), "ExceededQuota": ("552", "5.2.2"),
    "ContentRejected": ("500", "5.6.1"), "Undefined": ("554", "5.0.0"), "TemporaryFailure": ("450", "4.0.0")}


@pytest.fixture
def stored(make_server, relay):
    """A message that was received and stored, its id, and the client that may bounce it."""
    server = make_server("--relay", relay.address)
    receiving = Receiving(server)
    receiving.store()
    receiving.message = send(server, to=["gone@example.com", "too@example.com"])
    server.settled(receiving.message, ["delivered"])
    return receiving


def send_bounce(receiving, message=None, sender="mailer@example.com", **more):
    listed = more.pop("listed", [{"Recipient": "gone@example.com", "BounceType": "DoesNotExist"}])
    return receiving.ses.send_bounce(OriginalMessageId=message or receiving.message, BounceSender=sender,
                                     BouncedRecipientInfoList=listed, **more)["MessageId"]


def parts(text):
    dsn = email.message_from_bytes(text, policy=email.policy.default)
    words, status, original = dsn.iter_parts()
    return dsn, words.get_content().strip(), list(status.iter_parts()), original.get_payload()


@pytest.mark.parametrize("kind", BOUNCE_TYPES)
def test_send_bounce_by_type(stored, relay, kind):
    code, status = BOUNCE_TYPES[kind]
    sent = send_bounce(stored, listed=[{"Recipient": "gone@example.com", "BounceType": kind}])
    assert re.fullmatch(r"[0-9a-f]{16}-[0-9a-f-]{36}-000000", sent)
    assert eventually(lambda: relay.taken)
    [(envelope, text)] = relay.taken
    assert envelope == ["MAIL FROM:<>", "RCPT TO:<me@sender.example>"]
    dsn, words, [about, recipient], original = parts(text)
    assert dsn["Message-ID"].startswith(f"<{sent}@")
    assert words == "This message could not be delivered."
    assert about["Reporting-MTA"] == "dns; inbound-smtp.us-east-1.amazonaws.com"
    assert recipient["Status"] == status and recipient["Diagnostic-Code"].startswith(f"smtp; {code} {status} ")
    assert original.startswith("Return-Path: <me@sender.example>\r\nReceived: from client.example ")
    assert original.endswith("From: Me <me@sender.example>\r\nSubject: hello\r\n")


@pytest.mark.parametrize("state", ["delivered", "retrying", "dead"])
def test_send_bounce_returns_the_header_section_wherever_the_message_is(make_server, relay, state):
    server = make_server("--relay", relay.address)
    receiving = Receiving(server)
    receiving.store()
    if state == "retrying":
        receiving.s3.delete_bucket_policy(Bucket="mail")
    elif state == "dead":  # too large for a topic
        sns = server.client("sns")
        topic = sns.create_topic(Name="t")["TopicArn"]
        sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=json.dumps(
            {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": {"Service": "ses.amazonaws.com"},
                                                    "Action": "sns:Publish", "Resource": topic}}))
        receiving.rule("publish", {"SNSAction": {"TopicArn": topic}})
    fields = b"From: Me <me@sender.example>\r\nSubject: hello\r\nX-Folded: a\r\n b\r\n"
    receiving.message = send(server, mail=fields + b"\r\n" + b"x" * 76 + b"\r\n" + b"far too long\r\n" * 20000)
    server.settled(receiving.message, [state])
    assert state != "dead" or eventually(lambda: relay.taken)  # the bounce that says so
    server.restart()
    receiving.ses = server.client("ses")
    relay.taken.clear()
    send_bounce(receiving)
    assert eventually(lambda: relay.taken)
    original = parts(relay.taken[-1][1])[3]
    assert original.endswith(fields.decode()) and "too long" not in original


def test_send_bounce_in_the_callers_words(stored, relay):
    send_bounce(stored, Explanation="Dear sender,\nnobody reads this.",
                MessageDsn={"ReportingMta": "dns; mx.example.com", "ArrivalDate": "2026-03-02T09:15:42Z",
                            "ExtensionFields": [{"Name": "X-Report", "Value": "r"}]},
                listed=[{"Recipient": "gone@example.com", "RecipientDsnFields": {
                            "FinalRecipient": "elsewhere@example.net", "Action": "delayed", "Status": "4.2.2",
                            "RemoteMta": "dns; mx.example.net", "DiagnosticCode": "smtp; 452 4.2.2 full",
                            "LastAttemptDate": "2026-03-02T10:00:00Z",
                            "ExtensionFields": [{"Name": "X-More", "Value": "yes"}]}},
                        {"Recipient": "TOO@example.com", "BounceType": "Undefined"}])
    assert eventually(lambda: relay.taken)
    assert len(assert_gmime_reads_the_same(relay.taken[0][1]).groups) == 3
    _, words, [about, first, second], _ = parts(relay.taken[0][1])
    assert words.splitlines() == ["Dear sender,", "nobody reads this."]
    assert list(about.items()) == [("Reporting-MTA", "dns; mx.example.com"),
                                   ("Arrival-Date", "Mon, 02 Mar 26 09:15:42 UTC"), ("X-Report", "r")]
    assert list(first.items()) == [
        ("Action", "delayed"), ("Final-Recipient", "rfc822; elsewhere@example.net"),
        ("Original-Recipient", "rfc822; gone@example.com"), ("Diagnostic-Code", "smtp; 452 4.2.2 full"),
        ("Status", "4.2.2"), ("Remote-MTA", "dns; mx.example.net"),
        ("Last-Attempt-Date", "Mon, 02 Mar 26 10:00:00 UTC"), ("X-More", "yes")]
    assert second["Status"] == "5.0.0"


def rejected(call, *args, **more):
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        call(*args, **more)
    error = refused.value.response["Error"]
    return error["Code"], error["Message"]


def test_send_bounce_is_for_ones_own_mail_alone(stored, relay):
    nobodys = "0" * 38 + "01"
    assert rejected(send_bounce, stored, nobodys) == ("MessageRejected", f"Could not find original message {nobodys}")
    stranger = Receiving(stored.server, account="444455556666", domain="other.example")
    assert rejected(send_bounce, stranger, stored.message, "mailer@other.example") == (
        "MessageRejected", f"Could not find original message {stored.message}")
    west = Receiving(stored.server, region="eu-west-1")
    assert rejected(send_bounce, west, stored.message)[0] == "MessageRejected"
    assert rejected(send_bounce, stored, sender="mailer@other.example") == (
        "MessageRejected", "Email address is not verified. The following identities failed the check in region "
                           "us-east-1: mailer@other.example")
    assert rejected(send_bounce, stored, listed=[{"Recipient": "x@example.com", "BounceType": "Undefined"}]) == (
        "MessageRejected", "Not a recipient of the original message: x@example.com")
    null = send(stored.server, sender="<>")
    assert rejected(send_bounce, stored, null) == (
        "MessageRejected", "The sender cannot be told: the message has the null reverse path")
    assert not relay.taken


def test_send_bounce_while_outgoing_mail_is_off_is_kept(make_server):
    receiving = Receiving(make_server())
    receiving.store()
    receiving.message = send(receiving.server)
    assert re.fullmatch(r"[0-9a-f]{16}-[0-9a-f-]{36}-000000", send_bounce(receiving))
    [errand] = eventually(lambda: [e for e in errands(receiving.server, receiving.message) if e["state"] == "dead"])
    [attempt] = receiving.server.get("/_sesame/messages/" + errand["errandId"])["attempts"]
    assert attempt["says"] == "kept, not sent: outgoing mail is off (--relay HOST:PORT, --outbound mx)"
