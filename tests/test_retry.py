"""Denied mail waits, is tried again under the current policies, and is never lost."""
import datetime
import json
import subprocess

import pytest

from conftest import ACCOUNT, BINARY, Receiving, bucket_policy, data, message_id, s3_action
from test_lambda import Functions

MAIL = b"Subject: later\r\n\r\nbody\r\n"


def test_a_mended_policy_delivers_at_the_next_attempt(server, receiving):
    receiving.store()
    receiving.s3.delete_bucket_policy(Bucket="mail")
    message = server.send(MAIL)
    server.attempted(message)
    assert server.timeline(message)["state"] == "retrying"
    receiving.policy("mail", bucket_policy("mail", receiving.arn("store")))
    timeline = server.settled(message, ["delivered"], 25)
    assert [a["outcome"] for a in timeline["attempts"]] == ["retry", "done"]
    assert receiving.keys() == [message]


def test_what_waits_survives_a_restart(server, receiving):
    receiving.store()
    receiving.s3.delete_bucket_policy(Bucket="mail")
    messages = [server.send(MAIL) for _ in range(5)]
    for message in messages:
        server.attempted(message)
    server.restart()
    for message in messages:
        timeline = server.timeline(message)
        assert timeline["state"] == "retrying" and timeline["attempts"][0]["denial"]["element"] == "Statement"
    server.client("s3").put_bucket_policy(Bucket="mail", Policy=json.dumps(bucket_policy("mail", receiving.arn("store"))))
    for message in messages:
        server.settled(message, ["delivered"], 30)


def test_a_settled_message_can_still_be_explained_after_a_restart(server, receiving):
    receiving.store()
    message = server.send(MAIL)
    before = server.settled(message, ["delivered"])
    server.restart()
    assert server.timeline(message) == before
    assert json.loads(server.explain("--message", message, "--json").stdout) == before


def test_an_unknown_message_is_one_sentence(server):
    done = server.explain("--message", "0" * 40)
    assert done.returncode == 1 and len(done.stderr.strip().splitlines()) == 1 and "0" * 40 in done.stderr


def test_health_and_metrics_tell(server, receiving):
    receiving.store()
    message = server.send(MAIL)
    server.settled(message, ["delivered"])
    receiving.s3.delete_bucket_policy(Bucket="mail")
    server.attempted(server.send(MAIL))
    health = server.get("/_sesame/health")
    assert health["status"] == "ok" if isinstance(health, dict) else "ok" in health
    text = server.get("/_sesame/metrics")
    for name in ("Received", "PublishSuccess", "PublishFailure"):
        lines = [l for l in text.splitlines() if name.lower() in l.lower().replace("_", "") and 'rule="store"' in l]
        assert lines, (name, text)
    assert "a@sender.example" not in text and "127.0.0.1" not in text


# --- the clock, turned by restarts: the four hours on a running server

needs_clock = pytest.mark.turned_clock
HOURS = 3600


def outcomes(timeline):
    return [(a["rule"], a["action"], a["outcome"]) for a in timeline["attempts"]]


def seconds(attempt, since):
    return (datetime.datetime.fromisoformat(attempt["at"][:-1]) - datetime.datetime.fromisoformat(since[:-1])).total_seconds()


def redrive(server, message):
    return subprocess.run([BINARY, "redrive", "--data", str(server.data), "--message", message],
                          capture_output=True, text=True, timeout=60, check=False)


@needs_clock
def test_four_hours_across_restarts_then_a_dead_letter_that_can_be_redriven(make_server):
    server = make_server()
    receiving = Receiving(server)
    receiving.store()
    receiving.s3.delete_bucket_policy(Bucket="mail")
    message = server.send(MAIL)
    server.attempted(message)
    for count, ahead in enumerate([60, 2 * HOURS, 4 * HOURS - 120], 2):
        server.turn(ahead)
        timeline = server.attempted(message, count)
        assert timeline["state"] == "retrying" and {a["outcome"] for a in timeline["attempts"]} == {"retry"}
    server.turn(4 * HOURS + 5)
    dead = server.settled(message, ["dead"])
    last = dead["attempts"][-1]
    assert last["outcome"] == "expired" and last["denial"] == dead["attempts"][0]["denial"]
    assert seconds(last, dead["receivedAt"]) >= 4 * HOURS
    assert server.get("/_sesame/health")["dead"] == 1
    lines = [line for line in server.log() if line.get("id") == message]
    assert [line["event"] for line in lines][-2:] == ["action", "dead"] and lines[-2]["outcome"] == "expired"
    expired = [l for l in server.get("/_sesame/metrics").splitlines() if l.startswith("sesame_publish_expired_total{")]
    assert expired == ['sesame_publish_expired_total{rule_set="main",rule="store",action="S3"} 1']
    text = server.explain("--message", message).stdout
    server.turn(5 * HOURS)
    assert server.timeline(message) == dead and server.explain("--message", message).stdout == text

    server.turn(0)
    assert redrive(server, message).returncode == 0
    again = server.attempted(message, len(dead["attempts"]) + 1)
    assert again["state"] == "retrying" and again["attempts"][-1]["outcome"] == "retry"
    assert redrive(server, message).returncode == 1, "only what is dead can be redriven"
    server.client("s3").put_bucket_policy(Bucket="mail", Policy=json.dumps(bucket_policy("mail", receiving.arn("store"))))
    timeline = server.settled(message, ["delivered"], 25)
    assert timeline["attempts"][-1]["outcome"] == "done"
    assert [o["Key"] for o in server.client("s3").list_objects_v2(Bucket="mail", Prefix=message)["Contents"]] == [message]


@needs_clock
def test_later_actions_wait_and_have_their_turn_when_the_one_before_is_given_up(make_server):
    server = make_server()
    receiving = Receiving(server)
    receiving.bucket("one", bucket_policy("one", receiving.arn("first")))
    receiving.bucket("two", bucket_policy("two", receiving.arn("second")))
    functions = Functions(server)
    function = functions.node("f", "exports.handler = async () => {};")["FunctionArn"]
    functions.aws.add_permission(FunctionName="f", StatementId="ses", Action="lambda:InvokeFunction",
                                 Principal="ses.amazonaws.com", SourceAccount=ACCOUNT)
    receiving.rule("first", {"AddHeaderAction": {"HeaderName": "X-Before", "HeaderValue": "kept"}},
                   {"LambdaAction": {"FunctionArn": function}}, s3_action("one"))
    receiving.rule("second", s3_action("two"), after="first")
    functions.aws.remove_permission(FunctionName="f", StatementId="ses")
    message = server.send(MAIL)
    waiting = server.attempted(message, 2)
    assert outcomes(waiting) == [("first", "AddHeader", "done"), ("first", "Lambda", "retry")]
    server.turn(3 * HOURS)
    server.attempted(message, 3)
    server.turn(4 * HOURS + 1)
    dead = server.settled(message, ["dead"])
    assert outcomes(dead)[2:] == [("first", "Lambda", "retry"), ("first", "Lambda", "expired"), ("first", "S3", "done"),
                                  ("second", "S3", "done")]
    server.turn(0)
    for bucket in ("one", "two"):
        stored = server.client("s3").get_object(Bucket=bucket, Key=message)["Body"].read()
        assert b"\r\nX-Before: kept\r\nSubject: later\r\n" in stored, "the header is there though attempts lay between"
    assert redrive(server, message).returncode == 0
    redriven = server.attempted(message, len(dead["attempts"]) + 1)
    assert outcomes(redriven)[-1] == ("first", "Lambda", "retry"), "what was done is not done again"


@needs_clock
def test_a_message_that_was_down_for_the_four_hours_is_tried_before_it_is_given_up(make_server):
    server = make_server()
    receiving = Receiving(server)
    receiving.store()
    receiving.s3.delete_bucket_policy(Bucket="mail")
    message = server.send(MAIL)
    server.attempted(message)
    receiving.policy("mail", bucket_policy("mail", receiving.arn("store")))
    server.turn(30 * HOURS)
    assert outcomes(server.settled(message, ["delivered"])) == [("store", "S3", "retry"), ("store", "S3", "done")]


def test_the_rule_set_that_was_active_at_mail_stays_while_the_mail_waits(server, receiving):
    """Edited between MAIL and DATA, edited and deleted while it retries; the policies are today's."""
    receiving.bucket("mail", bucket_policy("mail", receiving.arn("store")))
    receiving.bucket("other", bucket_policy("other", receiving.arn("store")))
    receiving.rule("store", s3_action("mail", "old"))
    receiving.s3.delete_bucket_policy(Bucket="mail")
    with server.smtp() as session:
        session.ehlo()
        assert session.mail("a@sender.example")[0] == 250 and session.rcpt("user@example.com")[0] == 250
        receiving.ses.update_receipt_rule(RuleSetName="main", Rule={
            "Name": "store", "Enabled": True, "Actions": [s3_action("other", "new")]})
        first = message_id(*data(session, MAIL))
    second = server.send(MAIL)
    assert server.settled(second, ["delivered"]) and receiving.keys("other") == [f"new/{second}"]
    denial = server.attempted(first)["attempts"][0]["denial"]
    assert denial["resource"] == f"arn:aws:s3:::mail/old/{first}"
    receiving.ses.set_active_receipt_rule_set()
    receiving.ses.delete_receipt_rule(RuleSetName="main", RuleName="store")
    receiving.policy("mail", bucket_policy("mail", receiving.arn("store")))
    server.restart()
    timeline = server.settled(first, ["delivered"], 25)
    assert timeline["ruleSet"] == "main" and timeline["rules"][0]["rule"] == "store"
    stored = server.client("s3").get_object(Bucket="mail", Key=f"old/{first}")["Body"].read()
    assert stored.endswith(MAIL)
