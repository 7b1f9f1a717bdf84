"""GET /_sesame/messages?to=...&wait=...: a test awaits its mail, without sleeping and without a guess."""
import concurrent.futures
import json
import signal
import time
import urllib.error
import urllib.parse
import urllib.request

import pytest

from conftest import Receiving, bucket_policy, data, eventually, message_id

MAIL = b"Subject: s\r\n\r\nbody\r\n"


def ask(server, **parameters):
    return server.get("/_sesame/messages?" + urllib.parse.urlencode(parameters))["messages"]


@pytest.fixture
def receiving(server):
    receiving = Receiving(server)
    receiving.store()
    return receiving


def test_who_is_there_already_is_told_at_once(server, receiving):
    sent = server.send(MAIL, to="Ann@example.com")
    server.send(MAIL, to="bob@example.com")
    began = time.monotonic()
    found = ask(server, to="ann@EXAMPLE.com", wait=60)
    assert time.monotonic() - began < 10
    assert [m["messageId"] for m in found] == [sent]
    assert found[0]["envelope"] == {"from": "a@sender.example", "recipients": ["Ann@example.com"]}


def test_who_is_awaited_is_told_when_it_arrives(server, receiving):
    with concurrent.futures.ThreadPoolExecutor() as pool:
        waiting = pool.submit(ask, server, to="ann@example.com", wait=60)
        time.sleep(0.5)
        server.send(MAIL, to="bob@example.com")
        time.sleep(0.2)
        assert not waiting.done()
        sent = server.send(MAIL, to=["bob@example.com", "ann@example.com"])
        assert [m["messageId"] for m in waiting.result(20)] == [sent]


def test_who_does_not_come_is_an_empty_list_at_the_end(server, receiving):
    began = time.monotonic()
    assert ask(server, to="ann@example.com", wait=1) == []
    assert 1 <= time.monotonic() - began < 10
    assert ask(server, to="ann@example.com") == []


def test_an_old_message_is_not_found_by_a_test_that_says_since_when(server, receiving):
    old = server.send(MAIL, to="ann@example.com")
    time.sleep(0.01)
    now = time.time()
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1000):03d}Z"
    assert ask(server, to="ann@example.com", after=old, wait=1) == []
    assert ask(server, to="ann@example.com", since=stamp) == []
    new = server.send(MAIL, to="ann@example.com")
    for marker in ({"after": old}, {"since": stamp}, {"since": int(now * 1000)}):
        assert [m["messageId"] for m in ask(server, to="ann@example.com", wait=10, **marker)] == [new]
    assert [m["messageId"] for m in ask(server, to="ann@example.com")] == [new, old]


def test_the_state_awaited_is_that_after_its_rules_ran(server, receiving):
    receiving.store("denied", "closed", recipients=["denied@example.com"])
    receiving.s3.delete_bucket_policy(Bucket="closed")
    for to, state in (("user@example.com", "delivered"), ("denied@example.com", "retrying")):
        sent = server.send(MAIL, to=to)
        [found] = ask(server, to=to, state=state, wait=30)
        assert (found["messageId"], found["state"]) == (sent, state)
    assert ask(server, to="denied@example.com", state="delivered,dead", wait=1) == []
    receiving.policy("closed", bucket_policy("closed", receiving.arn("denied")))
    assert [m["messageId"] for m in ask(server, to="denied@example.com", state="delivered,dead", wait=60)] == [sent]


def test_many_wait_and_nobody_is_held_up(server, receiving):
    """More than there are workers; and the API goes on answering beside them."""
    with concurrent.futures.ThreadPoolExecutor(200) as pool:
        waiting = [pool.submit(ask, server, to=f"u{i}@example.com", wait=60) for i in range(200)]
        time.sleep(1)
        began = time.monotonic()
        receiving.s3.list_buckets()
        assert time.monotonic() - began < 5
        sent = server.send(MAIL, to=[f"u{i}@example.com" for i in range(100)])
        more = server.send(MAIL, to=[f"u{i}@example.com" for i in range(100, 200)])
        assert [[m["messageId"] for m in w.result(60)] for w in waiting] == [[sent]] * 100 + [[more]] * 100


def test_a_stop_answers_who_still_waits(server, receiving):
    with concurrent.futures.ThreadPoolExecutor() as pool:
        waiting = pool.submit(ask, server, to="ann@example.com", wait=60)
        time.sleep(0.5)
        began = time.monotonic()
        server.stop(signal.SIGTERM)
        assert waiting.result(20) == [] and time.monotonic() - began < 8


def test_pages_reach_the_oldest(server, receiving):
    old = server.send(MAIL, to="ann@example.com")
    with server.smtp() as session:
        others = [message_id(*send_on(session, "bob@example.com")) for _ in range(450)]
    assert eventually(lambda: len(receiving.keys()) == 451)
    assert [m["messageId"] for m in ask(server, to="ann@example.com")] == [old]
    found, before = [], {}
    while before is not None:
        answer = server.get("/_sesame/messages?" + urllib.parse.urlencode({"max": 40, **before}))
        found += [m["messageId"] for m in answer["messages"]]
        before = {"before": answer["before"]} if "before" in answer else None
    assert found == [*reversed(others), old]


def send_on(session, to):
    session.ehlo_or_helo_if_needed()
    assert session.mail("a@sender.example")[0] == session.rcpt(to)[0] == 250
    return data(session, MAIL)


@pytest.mark.parametrize("query", ["wait=301", "wait=x", "since=yesterday", "state=lost", "state=queued,,dead", "before=x"])
def test_a_wrong_question_is_one_sentence(shared_server, query):
    with pytest.raises(urllib.error.HTTPError) as caught:
        shared_server.get("/_sesame/messages?" + query)
    assert caught.value.code == 400 and json.loads(caught.value.read())["message"]
