"""The header block above the sender's bytes, octet by octet: ses-receiving spec 7.1, 7.2, 7.5, 9.2."""
import base64
import re
import ssl

import pytest

from conftest import Receiving, Server, data, message_id

MAIL = b"Return-Path: <forged@sender.example>\r\nSubject: stamp\r\n\r\nbody\r\n"
DATE = rb"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} \d\d:\d\d:\d\d \+0000 \(UTC\)"


@pytest.fixture(scope="module")
def receiving(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("stamp"), "--smtp", "us-east-1=127.0.0.1:0", "--smtp", "us-east-1=[::1]:0",
                    "--smtp", "eu-west-1=127.0.0.1:0").start()
    made = Receiving(server)
    made.store()
    made.west = Receiving(server, region="eu-west-1")
    made.west.store(bucket="west")
    yield made
    server.stop(expect=None)


def send(server, to, mail="MAIL FROM:<a@sender.example>", listener=0, tls=False, ehlo="client.example"):
    with server.smtp(listener) as session:
        session.ehlo(ehlo)
        if tls:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            session.starttls(context=context)
            session.ehlo(ehlo)
        assert session.docmd(mail)[0] == 250
        for recipient in to:
            assert session.rcpt(recipient)[0] == 250
        return message_id(*data(session, MAIL))


def block(stored):
    """The four fields' text up to the sender's first byte."""
    assert stored.endswith(MAIL)
    return stored[:-len(MAIL)]


CASES = {
    "one recipient": (dict(to=["user@example.com"]), b"<a@sender.example>", b"client.example ([127.0.0.1])", b"user@example.com"),
    "several recipients": (dict(to=["a@example.com", "b@example.com"]), b"<a@sender.example>",
                           b"client.example ([127.0.0.1])", None),
    "the null sender": (dict(to=["user@example.com"], mail="MAIL FROM:<>"), b"<>", b"client.example ([127.0.0.1])",
                        b"user@example.com"),
    "an IPv6 peer": (dict(to=["user@example.com"], listener=1, ehlo="[IPv6:2001:db8::1]"), b"<a@sender.example>",
                     b"[IPv6:2001:db8::1] ([IPv6:::1])", b"user@example.com"),
    "TLS": (dict(to=["user@example.com"], tls=True), b"<a@sender.example>", b"client.example ([127.0.0.1])",
            b"user@example.com"),
    "a quoted local part, spelled as it came": (dict(to=['"A b"@Example.COM']), b"<a@sender.example>",
                                                b"client.example ([127.0.0.1])", b'"A b"@Example.COM'),
}


@pytest.mark.parametrize("case", CASES)
def test_the_block_is_three_fields_in_ses_own_form(receiving, case):
    how, return_path, client, recipient = CASES[case]
    message = send(receiving.server, **how)
    timeline = receiving.server.settled(message, ["delivered"])
    assert timeline["connection"]["tls"] is how.get("tls", False)
    wanted = re.compile(
        rb"Return-Path: " + re.escape(return_path) + rb"\r\n"
        rb"Received: from " + re.escape(client) + rb"\r\n"
        rb" by inbound-smtp\.us-east-1\.amazonaws\.com with SMTP id " + message.encode() +
        (rb"\r\n for " + re.escape(recipient) if recipient else rb"") + rb";\r\n"
        rb" " + DATE + rb"\r\n"
        rb"X-SES-RECEIPT: ([A-Za-z0-9+/]+=*)\r\n")
    found = wanted.fullmatch(block(receiving.object(message)))
    assert found, receiving.object(message)
    outer = base64.b64decode(found.groups()[-1], validate=True)
    assert outer[:1] == b"\0" and base64.b64decode(outer[1:], validate=True)


def test_the_host_is_that_of_the_region_the_mail_came_in_for(receiving):
    message = send(receiving.server, ["user@example.com"], listener=2)
    receiving.server.settled(message, ["delivered"])
    stored = receiving.west.object(message, "west")
    assert b"\r\n by inbound-smtp.eu-west-1.amazonaws.com with SMTP id " in block(stored)


def test_the_operators_own_name_goes_before(make_server):
    server = make_server("--hostname", "mx.example.com")
    receiving = Receiving(server)
    receiving.store()
    message = server.send(MAIL)
    server.settled(message, ["delivered"])
    assert b"\r\n by mx.example.com with SMTP id " in block(receiving.object(message))


def test_receipts_differ_and_hold_no_secret_of_the_recipients(receiving):
    first, second = (send(receiving.server, ["user@example.com"]) for _ in range(2))
    tokens = set()
    for message in (first, second):
        receiving.server.settled(message, ["delivered"])
        tokens.add(re.search(rb"X-SES-RECEIPT: (\S+)", receiving.object(message)).group(1))
    assert len(tokens) == 2
    for token in tokens:
        assert b"user" not in base64.b64decode(base64.b64decode(token)[1:])


def test_a_message_that_was_to_be_scanned_says_so(make_server):
    """Spec 7.1 and 8: GRAY without a scanner, in every object of that message; else no such field."""
    receiving = Receiving(make_server())
    receiving.store()
    receiving.store("scan", "scanned", recipients=["scan@example.com"], scan=True)
    for recipient, fields in (("user@example.com", b""),
                              ("scan@example.com", b"X-SES-Spam-Verdict: GRAY\r\nX-SES-Virus-Verdict: GRAY\r\n")):
        message = send(receiving.server, [recipient])
        receiving.server.settled(message, ["delivered"])
        for bucket in ["mail"] + ["scanned"] * bool(fields):
            assert re.search(rb" \(UTC\)\r\n" + fields + rb"X-SES-RECEIPT: ", receiving.object(message, bucket))
