"""Denied mail waits, is tried again under the current policies, and is never lost."""
import json
import shutil
import subprocess

import pytest

from conftest import bucket_policy, eventually

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
