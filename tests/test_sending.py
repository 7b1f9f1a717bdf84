"""Sending, just enough for what forwards: SES v1 SendRawEmail and SendEmail, v2 SendEmail; out through a relay."""
import email
import email.policy
import re
import time

import pytest

from conftest import REGION, eventually, refused
from test_bounce import relay  # pylint: disable=unused-import
from test_identities import ARN, allow, user

RAW = (b"From: Me <me@shop.example>\nTo: One <one@x.test>\nCc: two@x.test\nBcc: three@x.test\nSubject: hi\n"
       b"Date: Thu, 01 Jan 1970 00:00:00 +0000\nMessage-Id: <mine@shop.example>\n\n.body\n")
ID = r"[0-9a-f]{16}-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}-000000"


@pytest.fixture
def sending(make_server, relay):
    server = make_server("--relay", relay.address, "--hostname", "mx.here.test")
    server.client("ses").verify_domain_identity(Domain="shop.example")
    return server


def taken(relay, count):
    assert eventually(lambda: len(relay.taken) >= count), relay.taken
    assert len(relay.taken) == count
    return sorted(((envelope, email.message_from_bytes(text, policy=email.policy.default), text)
                   for envelope, text in relay.taken), key=lambda t: t[0])


def to_one(**more):
    return {"FromEmailAddress": "me@shop.example", "Destination": {"ToAddresses": ["one@x.test"]},
            "Content": {"Raw": {"Data": RAW}}, **more}


def simple(**more):
    return {"Source": "me@shop.example", "Destination": {"ToAddresses": ["one@x.test"]},
            "Message": {"Subject": {"Data": "hi"}, "Body": {"Text": {"Data": "hello"}}}, **more}


def test_raw_mail_is_sent_to_all_its_header_names(sending, relay):
    before = int(time.time())
    answer = sending.client("ses").send_raw_email(RawMessage={"Data": RAW})
    assert re.fullmatch(ID, answer["MessageId"])
    copies = taken(relay, 3)
    assert [c[0] for c in copies] == [["MAIL FROM:<me@shop.example>", f"RCPT TO:<{n}@x.test>"]
                                      for n in ("one", "three", "two")]
    assert len({c[2] for c in copies}) == 1
    message, text = copies[0][1:]
    assert text.startswith(b"From: Me <me@shop.example>\r\nTo: One <one@x.test>\r\nCc: two@x.test\r\nSubject: hi\r\n")
    assert text.endswith(b"\r\n\r\n.body\r\n") and b"\n" not in text.replace(b"\r\n", b"")
    assert "Bcc" not in message and message.get_all("Message-ID") == [f"<{answer['MessageId']}@mx.here.test>"]
    [date] = message.get_all("Date")
    assert before <= date.datetime.timestamp() <= time.time()


def test_destinations_and_source_stand_above_the_header(sending, relay):
    ses = sending.client("ses")
    ses.send_raw_email(Source="Bounces <b@shop.example>", Destinations=["four@x.test", "FOUR@x.test"],
                       RawMessage={"Data": b"Return-Path: r@shop.example\n" + RAW})
    [(envelope, message, _)] = taken(relay, 1)
    assert envelope == ["MAIL FROM:<b@shop.example>", "RCPT TO:<four@x.test>"]
    assert message["From"] == "Me <me@shop.example>" and "Return-Path" not in message
    relay.taken.clear()
    ses.send_raw_email(RawMessage={"Data": b"Return-Path: r@shop.example\n" + RAW}, Destinations=["four@x.test"])
    assert taken(relay, 1)[0][0][0] == "MAIL FROM:<r@shop.example>"
    relay.taken.clear()
    ses.send_raw_email(Source="Me <me@shop.example>", RawMessage={"Data": b"To: four@x.test\n\nhi"})
    [(_, message, text)] = taken(relay, 1)
    assert message["From"] == "Me <me@shop.example>" and text.endswith(b"\r\n\r\nhi\r\n")


def test_only_verified_identities_send(sending, relay):
    ses = sending.client("ses")
    ses.verify_email_identity(EmailAddress="joe@mail.test")
    ses.send_raw_email(RawMessage={"Data": b"From: joe@mail.test\nTo: a@x.test\n\n"})
    ses.send_raw_email(RawMessage={"Data": b"From: joe@deep.SHOP.example\nTo: a@x.test\n\n"})
    words = "Email address is not verified. The following identities failed the check in region US-EAST-1: "

    def no(raw, who, **more):
        answer = refused(lambda: ses.send_raw_email(RawMessage={"Data": raw}, **more), "MessageRejected", words + who)
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 400
    no(b"From: ann@mail.test\nTo: a@x.test\n\n", "ann@mail.test")
    no(b"From: joe@mail.test\nSender: s@other.test\nReturn-Path: r@other.test\nTo: a@x.test\n\n",
       "s@other.test, r@other.test")
    no(RAW, "x@other.test", Source="x@other.test")
    refused(lambda: ses.send_email(**simple(Source="x@other.test")), "MessageRejected", words + "x@other.test")
    refused(lambda: ses.send_email(**simple(ReturnPath="x@other.test")), "MessageRejected", words + "x@other.test")
    refused(lambda: sending.client("sesv2").send_email(**to_one(FromEmailAddress="x@other.test")), "MessageRejected",
            words + "x@other.test")
    west = sending.client("ses", region="eu-west-1")
    refused(lambda: west.send_raw_email(RawMessage={"Data": RAW}), "MessageRejected",
            words.replace("US-EAST-1", "EU-WEST-1") + "me@shop.example")
    other = sending.client("ses", account="444455556666")
    refused(lambda: other.send_raw_email(RawMessage={"Data": RAW}), "MessageRejected", words + "me@shop.example")
    assert len(taken(relay, 2)) == 2


@pytest.mark.parametrize("raw, message", [
    (b"From: a@shop.example\nFrom: b@shop.example\nTo: a@x.test\n\n", "Duplicate header 'From'."),
    (b"From: a@shop.example\nTo: a@x.test\nmessage-id: 1\nMessage-ID: 2\n\n", "Duplicate header 'Message-ID'."),
    (b"To: a@x.test\n\n", "Missing required header 'From'."),
    (b"From: a@shop.example\n\n", "At least one destination address is required."),
    (b"From: a@shop.example\nTo: joe\n\n", "Missing final '@domain'"),
    (b"From: a@shop.example\nTo: j\xc3\xb6@x.test\n\n", "Local address contains control or whitespace"),
    (b"From: a@shop.example\nTo: a@x.test\nReturn-Path: <>\n\n", "Missing final '@domain'"),
    (b"From: a@shop.example\nTo: " + b", ".join(b"%d@x.test" % n for n in range(51)) + b"\n\n",
     "Recipient count exceeds 50."),
    (b"From: a@shop.example\nTo: a@x.test\n\n" + 10485760 * b"x", "Message length is more than 10485760 bytes long: '10485795'."),
    (b"From: a@shop.example\nTo: a@x.test\nX-SES-SOURCE-ARN: arn:aws:ses:us-east-1:444455556666:identity/x.test\n\n",
     "Sesame sends for identities of the caller's account and region only, not for "
     "arn:aws:ses:us-east-1:444455556666:identity/x.test"),
], ids=lambda value: value[:40] if isinstance(value, str) else "")
def test_what_ses_refuses_is_refused_in_its_words(sending, relay, raw, message):
    refused(lambda: sending.client("ses").send_raw_email(RawMessage={"Data": raw}), "InvalidParameterValue", message)
    more = {"FromEmailAddress": None, "Content": {"Raw": {"Data": raw}}}
    if b"destination" in message.encode() or "exceeds" in message or "Local" in message or "final" in message:
        more["Destination"] = {}
    if "length" not in message:  # v2 takes 40 MB
        v2 = {k: v for k, v in to_one(**more).items() if v is not None}
        refused(lambda: sending.client("sesv2").send_email(**v2), "BadRequestException", message)
    assert not relay.taken


def test_configuration_sets_and_templates_are_refused_by_name(sending):
    ses, v2 = sending.client("ses"), sending.client("sesv2")
    message = "Configuration set <c> does not exist."
    refused(lambda: ses.send_raw_email(RawMessage={"Data": RAW}, ConfigurationSetName="c"),
            "ConfigurationSetDoesNotExist", message)
    refused(lambda: ses.send_raw_email(RawMessage={"Data": b"X-SES-CONFIGURATION-SET: c\n" + RAW}),
            "ConfigurationSetDoesNotExist", message)
    answer = refused(lambda: v2.send_email(**to_one(ConfigurationSetName="c")), "NotFoundException", message)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 404
    refused(lambda: v2.send_email(**to_one(Content={"Template": {"TemplateName": "t"}})), "BadRequestException",
            "Sesame only receives mail, and forwards: templates are not built.")
    refused(lambda: v2.send_email(**to_one(ListManagementOptions={"ContactListName": "c"})), "BadRequestException")
    ses.send_raw_email(RawMessage={"Data": RAW}, SourceArn=ARN + "shop.example")
    assert "Sesame only receives" in refused(lambda: ses.send_templated_email(
        Source="me@shop.example", Destination={}, Template="t", TemplateData="{}"), "InvalidAction")["Error"]["Message"]


def test_a_large_mail_is_sent_whole(sending, relay):
    body = b"".join(b"%076d\r\n" % n for n in range(120000))  # 9.4 MB
    sending.client("ses").send_raw_email(RawMessage={"Data": RAW + body}, Destinations=["one@x.test"])
    assert taken(relay, 1)[0][2].endswith(b"\r\n\r\n.body\r\n" + body)
    relay.taken.clear()
    sending.client("sesv2").send_email(**to_one(Content={"Raw": {"Data": RAW + 3 * body}}))
    assert taken(relay, 1)[0][2].endswith(body)


def test_send_email_makes_the_message(sending, relay):
    ses = sending.client("ses")
    answer = ses.send_email(
        Source="J\u00f6 <me@shop.example>",
        Destination={"ToAddresses": ["One <one@x.test>"], "CcAddresses": ["two@x.test"], "BccAddresses": ["three@x.test"]},
        ReplyToAddresses=["reply@else.test"], ReturnPath="bounces@shop.example",
        Message={"Subject": {"Data": "Gr\u00fc\u00dfe \u2713 " + 40 * "\u2713", "Charset": "UTF-8"},
                 "Body": {"Text": {"Data": "one\n.\nJ\u00f6 = " + 90 * "\u2713", "Charset": "UTF-8"},
                          "Html": {"Data": "<p>J\u00f6</p>", "Charset": "ISO-8859-1"}}})
    copies = taken(relay, 3)
    assert [c[0][1] for c in copies] == [f"RCPT TO:<{n}@x.test>" for n in ("one", "three", "two")]
    assert {c[0][0] for c in copies} == {"MAIL FROM:<bounces@shop.example>"}
    message, text = copies[0][1:]
    assert text.isascii()
    assert all(len(line) <= 78 for line in text.split(b"\r\n") if not line.startswith(b"Message-ID:"))
    assert message["From"] == "J\u00f6 <me@shop.example>" and message["To"] == "One <one@x.test>"
    assert (message["Cc"], message["Reply-To"], message["Bcc"]) == ("two@x.test", "reply@else.test", None)
    assert message["Subject"] == "Gr\u00fc\u00dfe \u2713 " + 40 * "\u2713"
    assert message["Message-ID"] == f"<{answer['MessageId']}@mx.here.test>"
    assert not message.defects and message.get_content_type() == "multipart/alternative"
    plain, html = message.iter_parts()
    assert plain.get_content().replace("\r\n", "\n") == "one\n.\nJ\u00f6 = " + 90 * "\u2713" + "\n"
    assert html.get_content() == "<p>J\u00f6</p>\r\n" and html.get_param("charset") == "ISO-8859-1"

    relay.taken.clear()
    sending.client("sesv2").send_email(**to_one(Content={"Simple": {
        "Subject": {"Data": "hi"}, "Body": {"Html": {"Data": "<p>"}}}}))
    [(_, message, _)] = taken(relay, 1)
    assert message.get_content_type() == "text/html" and message.get_content() == "<p>\r\n"
    for call, code, says in (
            (lambda: ses.send_email(**simple(Destination={"ToAddresses": ["no address"]})), "InvalidParameterValue",
             "Local address contains control or whitespace"),
            (lambda: ses.send_email(**simple(ReplyToAddresses=["a@x.test\r\nBcc: b@x.test"])), "InvalidParameterValue", None),
            (lambda: ses.send_email(**simple(Destination={})), "InvalidParameterValue", None),
            (lambda: ses.send_email(**simple(Destination={"BccAddresses": [f"{n}@x.test" for n in range(51)]})),
             "InvalidParameterValue", "Recipient count exceeds 50.")):
        refused(call, code, says)


def test_sending_is_authorised_on_the_identity_with_its_keys(sending):
    sending.client("ses").verify_email_identity(EmailAddress="joe@shop.example")
    raw = {"RawMessage": {"Data": RAW}, "Destinations": ["one@x.test"]}

    def outcome(name, call, *statements):
        keys = user(sending, name, *statements)
        try:
            call(sending.client("ses", **keys), sending.client("sesv2", **keys))
            return "sent"
        except Exception as why:  # pylint: disable=broad-except
            return why.response["Error"]["Code"]

    def by_raw(ses, _):
        ses.send_raw_email(**raw)

    def by_simple(ses, _):
        ses.send_email(**simple())

    def by_v2(_, v2):
        v2.send_email(**to_one())
    on_shop = ARN + "shop.example"
    cases = [
        (by_raw, "sent", allow("ses:SendRawEmail", on_shop)),
        (by_raw, "AccessDenied", allow("ses:SendEmail", on_shop)),
        (by_raw, "AccessDenied", allow("ses:SendRawEmail", ARN + "other.test")),
        (by_raw, "AccessDenied", allow("ses:SendRawEmail", on_shop.replace(REGION, "eu-west-1"))),
        (by_simple, "sent", allow("ses:SendEmail", on_shop)),
        (by_simple, "AccessDenied", allow("ses:SendRawEmail", on_shop)),
        (by_v2, "sent", allow("ses:SendRawEmail", on_shop)),
        (by_v2, "AccessDeniedException", allow("ses:SendEmail", on_shop)),
        (lambda ses, _: ses.send_raw_email(**raw, Source="joe@shop.example"), "AccessDenied",
         allow("ses:SendRawEmail", on_shop)),  # the address is an identity of its own
        (lambda ses, _: ses.send_raw_email(**raw, Source="joe@shop.example"), "sent",
         allow("ses:SendRawEmail", [on_shop, ARN + "joe@shop.example"])),
    ]
    for key, yes, no in (("ses:FromAddress", "me@shop.example", "you@shop.example"), ("ses:FromDisplayName", "Me", "You"),
                         ("ses:FeedbackAddress", "me@shop.example", "x@shop.example"), ("ses:ApiVersion", "1", "2")):
        cases += [(by_raw, "sent", allow("ses:SendRawEmail", on_shop, StringEquals={key: yes})),
                  (by_raw, "AccessDenied", allow("ses:SendRawEmail", on_shop, StringEquals={key: no}))]
    all_at_x = {"ForAllValues:StringLike": {"ses:Recipients": ["*@x.test"]}}
    cases += [(by_raw, "sent", allow("ses:SendRawEmail", on_shop, **all_at_x)),
              (lambda ses, _: ses.send_raw_email(**{**raw, "Destinations": ["one@x.test", "two@y.test"]}), "AccessDenied",
               allow("ses:SendRawEmail", on_shop, **all_at_x))]
    for n, (call, want, *statements) in enumerate(cases):
        assert outcome(f"u{n}", call, *statements) == want, (n, statements)


def test_what_is_answered_is_kept(make_server, relay):
    server = make_server("--relay", relay.address, "--compat", "ses", "--retry-waits", "1")
    server.client("ses").verify_domain_identity(Domain="shop.example")
    relay.says["CONNECT"] = "421 not now"
    answer = server.client("ses").send_raw_email(RawMessage={"Data": RAW}, Destinations=["one@x.test"])
    server.kill()
    relay.says.clear()
    server.start()
    [(_, message, _)] = taken(relay, 1)
    assert message["Message-ID"] == f"<{answer['MessageId']}@email.amazonses.com>"


def test_without_a_way_out_it_is_kept_and_shown(make_server):
    server = make_server()
    server.client("ses").verify_domain_identity(Domain="shop.example")
    answer = server.client("ses").send_raw_email(RawMessage={"Data": RAW}, Destinations=["one@x.test"])
    [kept] = eventually(lambda: [o for o in server.get("/_sesame/outgoing")["outgoing"] if o["state"] == "dead"])
    assert (kept["from"], kept["to"]) == ("me@shop.example", "one@x.test")
    assert kept["about"] == f"message {answer['MessageId']} to one@x.test" and kept["says"].startswith("kept, not sent")
    message = email.message_from_string(server.get("/_sesame/outgoing/" + kept["errandId"]), policy=email.policy.default)
    assert message["Message-ID"].startswith("<" + answer["MessageId"]) and message["Subject"] == "hi"
