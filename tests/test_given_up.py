"""Mail that was sent by the API, or forwarded, and is given up: its sender gets a delivery status notification."""
import email
import email.policy
import re

import pytest

from conftest import Receiving, eventually
from far_ends import NameServer, Relay
from test_bounce import assert_gmime_reads_the_same
from test_outgoing import free_port

RAW = b"From: Me <me@shop.example>\nTo: gone@far.example\nSubject: hello\n\nnot for the report\n"


@pytest.fixture
def relay():
    made = Relay()
    yield made
    made.close()


def sent(server, raw=RAW, source="me@shop.example"):
    ses = server.client("ses")
    ses.verify_domain_identity(Domain="shop.example")
    return ses.send_raw_email(Source=source, RawMessage={"Data": raw}, Destinations=["gone@far.example"])["MessageId"]


def outgoing(server, address):
    return server.get(f"/_sesame/outgoing?address={address}")["outgoing"]


def test_a_refusal_is_told_to_the_return_path(make_server, relay):
    server = make_server("--relay", relay.address, "--hostname", "mx.shop.example")
    replies = ["550 5.1.1 no such user here"]
    relay.answer = lambda verb, line: replies.pop() if verb == "RCPT" and replies else None
    sent(server)
    assert eventually(lambda: relay.taken), outgoing(server, "gone@far.example")
    [(envelope, text)] = relay.taken
    assert envelope[-2:] == ["MAIL FROM:<>", "RCPT TO:<me@shop.example>"]
    dsn = email.message_from_bytes(text, policy=email.policy.default)
    assert (dsn["From"], dsn["To"]) == ("mailer-daemon@mx.shop.example", "me@shop.example")
    assert dsn.get_content_type() == "multipart/report" and dsn.get_param("report-type") == "delivery-status"
    assert_gmime_reads_the_same(text)
    words, status, original = dsn.iter_parts()
    assert words.get_content().splitlines() == [
        "An error occurred while trying to deliver the mail to the following recipients:", "gone@far.example", "",
        "RCPT was answered 550 5.1.1 no such user here"]
    about, one = status.iter_parts()
    assert about["Reporting-MTA"] == "dns; mx.shop.example"
    assert list(one.items())[:6] == [
        ("Action", "failed"), ("Final-Recipient", "rfc822; gone@far.example"), ("Original-Recipient", "rfc822; gone@far.example"),
        ("Diagnostic-Code", "smtp; 550 5.1.1 no such user here"), ("Status", "5.1.1"), ("Remote-MTA", "dns; 127.0.0.1")]
    assert "Subject: hello" in original.get_payload() and "not for the report" not in text.decode()
    [dead] = [e for e in outgoing(server, "gone@far.example")]
    told = [e for e in outgoing(server, "me@shop.example") if e["from"] == ""]
    assert dead["state"] == "dead" and len(told) == 1
    assert dead["says"] == ("RCPT was answered 550 5.1.1 no such user here; me@shop.example is told by errand "
                            + told[0]["errandId"])


@pytest.mark.turned_clock
def test_four_hours_without_an_answer_are_told_too(make_server, relay):
    server = make_server("--relay", relay.address)
    relay.answer = lambda verb, line: "451 4.7.1 greylisted" if verb == "RCPT" and b"gone@" in line else None
    sent(server)
    assert eventually(lambda: [e for e in outgoing(server, "gone@far.example") if e["state"] == "retrying"])
    assert not relay.taken
    server.turn(4 * 3600 + 60)
    assert eventually(lambda: relay.taken, seconds=30), outgoing(server, "gone@far.example")
    text = relay.taken[0][1].decode()
    assert "Diagnostic-Code: smtp; 451 4.7.1 greylisted\r\nStatus: 4.7.1\r\n" in text
    assert "It was tried again and again; the last time RCPT was answered 451 4.7.1 greylisted" in text


def test_a_report_that_is_refused_is_told_to_nobody(make_server, relay):
    server = make_server("--relay", relay.address)
    relay.says["RCPT"] = "550 5.1.1 nobody is here"
    sent(server)  # and the report of that is refused as well
    sent(server, raw=b"From: me@shop.example\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b--\n")
    dead = eventually(lambda: (lambda all: all if len(all) == 3 else None)(
        [e for e in server.get("/_sesame/outgoing")["outgoing"] if e["state"] == "dead"]))
    assert dead and sorted("is told by errand" in e["says"] for e in dead) == [False, False, True]
    assert not relay.taken


def test_the_sender_is_told_here_when_his_domain_is_received_here(make_server):
    port = free_port()
    names = NameServer({("shop.example", "MX"): [(5, "we.example")], ("we.example", "A"): ["127.0.0.1"]})
    try:
        server = make_server("--outbound", "mx", "--mx-port", str(port), "--smtp", f"127.0.0.1:{port}", "--dns", names.address)
        receiving = Receiving(server, domain="shop.example")
        receiving.store()
        sent(server)  # far.example does not exist
        assert eventually(receiving.keys), server.get("/_sesame/outgoing")
        text = receiving.object(receiving.keys()[0]).decode()
        assert text.startswith("Return-Path: <>\r\n")
        assert re.search(r"^Diagnostic-Code: x-sesame; the domain far\.example does not exist\r$", text, re.M)
        assert "\r\nStatus: 5.1.2\r\n" in text
        assert "multipart/report" in text  # stored as any other mail is
    finally:
        names.close()
