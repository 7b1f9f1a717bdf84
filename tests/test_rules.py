"""Which rules run, what they do, and whose mail it is."""
import json
import re

import pytest

from conftest import ACCOUNT, Raw, Receiving, bucket_policy, data, message_id, refused, s3_action
from test_lambda import Functions

MAIL = b"From: a@sender.example\r\nSubject: rules\r\n\r\nbody\r\n"
OTHER = "444455556666"


def test_all_matching_rules_run_in_order_and_a_rule_runs_once_for_all_its_recipients(server, receiving):
    receiving.store("first", "one", recipients=["a@example.com", "b@example.com"])
    receiving.store("second", "two", recipients=["example.com"], after="first")
    receiving.store("third", "three", recipients=["c@example.com"], after="second")
    message = server.send(MAIL, to=["a@example.com", "b@example.com"])
    timeline = server.settled(message, ["delivered"])
    assert receiving.keys("one") == [message] and receiving.keys("two") == [message] and receiving.keys("three") == []
    assert [(r["rule"], r["matched"]) for r in timeline["rules"]] == [("first", True), ("second", True), ("third", False)]
    assert timeline["rules"][2]["why"]
    assert [(a["rule"], a["action"], a["outcome"]) for a in timeline["attempts"]] == [
        ("first", "S3", "done"), ("second", "S3", "done")]
    assert timeline["envelope"]["recipients"] == ["a@example.com", "b@example.com"]
    assert timeline["envelope"]["from"] == "a@sender.example" and timeline["ruleSet"] == "main"


MATRIX = {
    "user@example.com": "yynnn", "user+l@example.com": "nynnn", "example.com": "yyynn", ".example.com": "nnnyy",
    "a.example.com": "nnnyn", None: "yyyyy", "USER@EXAMPLE.COM": "yynnn",
}
ADDRESSES = ["user@example.com", "user+l@example.com", "x@example.com", "x@a.example.com", "x@b.a.example.com"]


@pytest.mark.parametrize("condition", MATRIX)
def test_recipient_conditions(server, receiving, condition):
    receiving.rule("r", recipients=[condition] if condition else None)
    for address, want in zip(ADDRESSES, MATRIX[condition]):
        with server.smtp() as session:
            session.ehlo()
            session.mail("a@b.example")
            code, text = session.rcpt(address)
            assert (code == 250) == (want == "y"), (condition, address, code)
            if want == "n":
                assert (code, text) == (550, b"5.1.1 Requested action not taken: mailbox unavailable")


def test_refused_at_rcpt(server, receiving):
    def rcpt(address):
        with server.smtp() as session:
            session.ehlo()
            session.mail("a@b.example")
            return session.rcpt(address)
    no = (550, b"5.1.1 Requested action not taken: mailbox unavailable")
    assert rcpt("user@example.com") == no, "a set without a rule"
    receiving.rule("off", enabled=False)
    assert rcpt("user@example.com") == no, "a disabled rule"
    receiving.rule("on")
    assert rcpt("user@example.com")[0] == 250
    assert rcpt("user@unverified.example") == no
    receiving.ses.set_active_receipt_rule_set()
    assert rcpt("user@example.com") == no, "no active set"


def test_a_transaction_keeps_the_rule_set_it_saw_at_mail(server, receiving):
    receiving.store()
    with server.smtp() as session:
        session.ehlo()
        assert session.mail("a@b.example")[0] == 250
        receiving.ses.delete_receipt_rule(RuleSetName="main", RuleName="store")
        assert session.rcpt("user@example.com")[0] == 250
        message = message_id(*data(session, MAIL))
        session.mail("a@b.example")
        assert session.rcpt("user@example.com")[0] == 550
    server.settled(message, ["delivered"])
    assert receiving.keys() == [message]


@pytest.mark.parametrize("prefix,key", [(None, "{}"), ("", "{}"), ("mail", "mail/{}"), ("emails/", "emails/{}"),
                                        ("a/b/inbox", "a/b/inbox/{}"), ("/lead", "/lead/{}"), ("ü ö", "ü ö/{}"),
                                        ("a//b/../c", "a//b/../c/{}")])
def test_the_key(server, receiving, prefix, key):
    receiving.store(prefix=prefix)
    message = server.send(MAIL)
    server.settled(message, ["delivered"])
    assert receiving.keys() == [key.format(message)]
    assert receiving.object(key.format(message)).endswith(MAIL)


def test_headers_are_added_above_the_senders_own_and_stop_ends_it(server, receiving):
    receiving.bucket("mail", bucket_policy("mail", receiving.arn("r")))
    receiving.bucket("late", bucket_policy("late", receiving.arn("later")))
    receiving.rule("r", {"AddHeaderAction": {"HeaderName": "X-One", "HeaderValue": "first"}},
                   {"AddHeaderAction": {"HeaderName": "Subject", "HeaderValue": "added, not replaced"}},
                   s3_action("mail"), {"StopAction": {"Scope": "RuleSet"}})
    receiving.rule("later", s3_action("late"), after="r")
    message = server.send(MAIL)
    timeline = server.settled(message, ["delivered"])
    stored = receiving.object(message)
    assert re.search(rb"X-SES-RECEIPT: [^\r\n]+\r\nX-One: first\r\nSubject: added, not replaced\r\nFrom: a@sender.example\r\n"
                     rb"Subject: rules\r\n\r\nbody\r\n$", stored), stored
    assert receiving.keys("late") == []
    assert [a["action"] for a in timeline["attempts"]] == ["AddHeader", "AddHeader", "S3", "Stop"]


def test_a_value_beyond_ascii_is_stored_as_it_is_and_counts_by_characters(server, receiving):
    receiving.bucket("mail", bucket_policy("mail", receiving.arn("r")))
    long = "ü" * 2048
    receiving.rule("r", {"AddHeaderAction": {"HeaderName": "X-Long", "HeaderValue": long}},
                   {"AddHeaderAction": {"HeaderName": "X-Two", "HeaderValue": "  =?utf-8?q?=C3=A4?= "}}, s3_action("mail"))
    message = server.send(MAIL)
    server.settled(message, ["delivered"])
    stored = receiving.object(message)
    assert b"\r\nX-Long: " + long.encode() + b"\r\nX-Two:   =?utf-8?q?=C3=A4?= \r\nFrom: " in stored, stored
    refused(lambda: receiving.rule("long", {"AddHeaderAction": {"HeaderName": "X-Long", "HeaderValue": long + "ü"}}),
            "InvalidParameterValue")


def test_a_header_added_after_the_object_is_not_in_it(server, receiving):
    receiving.bucket("mail", {"Version": "2012-10-17", "Statement": [
        dict(bucket_policy("mail", "x")["Statement"][0], Condition={"StringEquals": {"aws:SourceAccount": ACCOUNT}})]})
    receiving.rule("r", s3_action("mail", "before"), {"AddHeaderAction": {"HeaderName": "X-Late", "HeaderValue": "1"}},
                   s3_action("mail", "after"))
    message = server.send(MAIL)
    server.settled(message, ["delivered"])
    assert b"X-Late" not in receiving.object(f"before/{message}")
    assert b"X-Late: 1\r\n" in receiving.object(f"after/{message}")


@pytest.mark.parametrize("disposition", ["STOP_RULE", "CONTINUE"])
def test_what_a_function_passes_over_neither_adds_nor_stops(server, receiving, disposition):
    functions = Functions(server)
    arn = functions.python("f", f"def handler(event, context):\n    return {{'disposition': '{disposition}'}}\n")["FunctionArn"]
    functions.aws.add_permission(FunctionName="f", StatementId="ses", Action="lambda:InvokeFunction",
                                 Principal="ses.amazonaws.com", SourceAccount=ACCOUNT)
    receiving.rule("first", {"LambdaAction": {"FunctionArn": arn, "InvocationType": "RequestResponse"}},
                   {"AddHeaderAction": {"HeaderName": "X-First", "HeaderValue": "1"}}, {"StopAction": {"Scope": "RuleSet"}})
    receiving.store("second", after="first")
    message = server.send(MAIL)
    timeline = server.settled(message, ["delivered"], 30)
    if disposition == "STOP_RULE":
        assert [a["action"] for a in timeline["attempts"]] == ["Lambda", "S3"]
        assert b"X-First" not in receiving.object(message)
    else:
        assert [a["action"] for a in timeline["attempts"]] == ["Lambda", "AddHeader", "Stop"]
        assert receiving.keys() == []


def test_a_key_never_becomes_a_plaintext_object(server, receiving):
    kms = server.client("kms")
    receiving.bucket("mail", bucket_policy("mail", receiving.arn("r")))
    refused(lambda: receiving.rule("r", s3_action("mail", KmsKeyArn=f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1")),
            "InvalidS3Configuration", f"Unable to use AWS KMS key: arn:aws:kms:us-east-1:{ACCOUNT}:key/1")
    key = kms.create_key()["KeyMetadata"]
    before = kms.get_key_policy(KeyId=key["KeyId"], PolicyName="default")["Policy"]
    after = json.loads(before)
    after["Statement"].append({"Sid": "AllowSESToEncrypt", "Effect": "Allow", "Principal": {"Service": "ses.amazonaws.com"},
                               "Action": "kms:GenerateDataKey*", "Resource": "*", "Condition": {"StringEquals": {
                                   "AWS:SourceAccount": ACCOUNT, "AWS:SourceArn": receiving.arn("r")}}})
    kms.put_key_policy(KeyId=key["KeyId"], PolicyName="default", Policy=json.dumps(after))
    receiving.rule("r", s3_action("mail", KmsKeyArn=key["Arn"]))
    kms.put_key_policy(KeyId=key["KeyId"], PolicyName="default", Policy=before)
    message = server.send(MAIL)
    attempt = server.attempted(message)["attempts"][0]
    assert attempt["outcome"] == "retry" and attempt["denial"]["action"] == "kms:GenerateDataKey", attempt
    kms.disable_key(KeyId=key["KeyId"])
    kms.put_key_policy(KeyId=key["KeyId"], PolicyName="default", Policy=json.dumps(after))
    message = server.send(MAIL)
    attempt = server.attempted(message)["attempts"][0]
    assert attempt["outcome"] == "retry" and f"{key['Arn']} is disabled" in attempt["says"], attempt
    assert receiving.keys() == []


def test_while_the_notice_of_a_topic_waits_the_object_is_written_once(server, receiving):
    receiving.bucket("mail", bucket_policy("mail", receiving.arn("r")))
    sns = server.client("sns")
    topic = sns.create_topic(Name="t")["TopicArn"]
    receiving.rule("r", s3_action("mail", TopicArn=topic))
    sns.delete_topic(TopicArn=topic)
    message = server.send(MAIL)
    attempts = server.attempted(message, 2)["attempts"]
    assert [(a["action"], a["outcome"]) for a in attempts] == [("S3", "done"), ("S3 notice", "retry")], attempts
    assert topic in attempts[1]["says"], attempts
    written = receiving.s3.head_object(Bucket="mail", Key=message)["LastModified"]
    sns.create_topic(Name="t")
    attempts = server.settled(message, ["delivered"], 25)["attempts"]
    assert [(a["action"], a["outcome"]) for a in attempts][2:] == [("S3 notice", "done")], attempts
    assert receiving.s3.head_object(Bucket="mail", Key=message)["LastModified"] == written


def test_one_transaction_for_two_accounts_is_one_body_and_two_fates(server, receiving):
    receiving.store(bucket="ours")
    theirs = Receiving(server, "main", "other.example", OTHER)
    theirs.bucket("theirs")
    refused_rule = {"Name": "store", "Enabled": True, "Actions": []}
    theirs.ses.create_receipt_rule(RuleSetName="main", Rule=refused_rule)
    theirs.policy("theirs", bucket_policy("theirs", theirs.arn("store"), OTHER))
    theirs.ses.update_receipt_rule(RuleSetName="main", Rule={**refused_rule, "Actions": [s3_action("theirs")]})
    theirs.s3.delete_bucket_policy(Bucket="theirs")
    message = server.send(MAIL, to=["y@other.example", "x@example.com", "z@other.example"])
    first = server.attempted(message)
    assert first["account"] == OTHER and first["envelope"]["recipients"] == ["y@other.example", "z@other.example"]
    assert first["state"] == "retrying"
    everything = server.get("/_sesame/messages")
    listed = everything["messages"] if isinstance(everything, dict) else everything
    [second] = [m["messageId"] for m in listed if m["messageId"] != message]
    timeline = server.settled(second, ["delivered"])
    assert timeline["account"] == ACCOUNT and timeline["envelope"]["recipients"] == ["x@example.com"]
    assert receiving.keys("ours") == [second]
    stored = receiving.object(second, "ours")
    assert stored.endswith(MAIL) and b"other.example" not in stored
    accepted = [line for line in server.log() if message in json.dumps(line) and second in json.dumps(line)]
    assert accepted, "the log names all ids of the transaction in one line"


def test_a_domain_of_two_accounts_goes_to_both(server, receiving):
    receiving.store(bucket="ours")
    theirs = Receiving(server, "main", "example.com", OTHER)
    theirs.store(bucket="theirs")
    message = server.send(MAIL)
    server.settled(message, ["delivered"])
    assert receiving.keys("ours") == [message]
    from conftest import eventually
    assert eventually(lambda: len(theirs.keys("theirs")) == 1)
    assert theirs.keys("theirs") != [message]


def test_two_recipients_leave_no_for_clause(server, receiving):
    receiving.store()
    message = server.send(MAIL, to=["a@example.com", "b@example.com"])
    server.settled(message, ["delivered"])
    head = receiving.object(message).split(b"\r\nX-SES")[0]
    assert b" for " not in head and re.search(rb"with SMTP id %s;\r\n" % message.encode(), head), head


def test_a_listener_receives_for_its_region(make_server):
    server = make_server("--smtp", "us-east-1=127.0.0.1:0", "--smtp", "eu-west-1=127.0.0.1:0")
    west = Receiving(server, "main", "example.com", region="eu-west-1")
    west.store(bucket="west")
    message = server.send(MAIL, listener=1)
    server.settled(message, ["delivered"])
    assert west.keys("west") == [message]
    with Raw(server, 0) as raw:
        raw.reply()
        raw.ask(b"EHLO c\r\n")
        raw.ask(b"MAIL FROM:<a@b.c>\r\n")
        assert raw.ask(b"RCPT TO:<user@example.com>\r\n").startswith(b"550 5.1.1")


def test_tls_required_by_a_rule(server, receiving):
    import ssl
    receiving.rule("secret", tls="Require")
    with server.smtp() as session:
        session.ehlo()
        session.mail("a@b.example")
        assert session.rcpt("user@example.com") == (530, b"5.7.0 Must issue a STARTTLS command first")
        session.rset()
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        session.starttls(context=context)
        session.ehlo()
        session.mail("a@b.example")
        assert session.rcpt("user@example.com")[0] == 250
