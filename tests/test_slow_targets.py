"""A slow target holds up nobody else: each function, topic, bucket and endpoint has its own bounded share of the workers."""
import json
import socket
import threading
import time

from conftest import ACCOUNT, REGION, Receiving, bucket_policy, eventually, s3_action
from test_bounce import bounce_action, send
from test_lambda import Functions
from test_sns import Subscriber, subscribe, subscriber  # noqa: F401

MAIL = b"Subject: hurry\r\n\r\nbody\r\n"
WORKERS = 8


def held(server):
    line = next(li for li in server.get("/_sesame/metrics").splitlines() if li.startswith("sesame_spool_held "))
    return int(line.split()[1])


def quick(server, receiving, count=5):
    """Mail for the bucket passes while the others wait; how long the slowest took."""
    slowest = 0
    for _ in range(count):
        began = time.monotonic()
        message = server.send(MAIL, to="quick@example.com")
        server.settled(message, ["delivered"], seconds=10)
        slowest = max(slowest, time.monotonic() - began)
    return slowest


def prepare(make_server, *flags):
    server = make_server("--workers", str(WORKERS), *flags)
    receiving = Receiving(server)
    receiving.bucket("mail", bucket_policy("mail", receiving.arn("quick")))
    receiving.rule("quick", s3_action("mail"), recipients=["quick@example.com"])
    return server, receiving


def test_an_endpoint_that_never_answers(make_server, subscriber):  # noqa: F811
    server, receiving = prepare(make_server)
    sns = server.client("sns")
    topic = sns.create_topic(Name="slow")["TopicArn"]
    subscribe(sns, topic, subscriber)
    receiving.rule("slow", {"SNSAction": {"TopicArn": topic}}, recipients=["slow@example.com"])
    subscriber.wait(2)  # confirmation, set-up
    subscriber.delay = 3
    slow = [server.send(MAIL, to="slow@example.com") for _ in range(4 * WORKERS)]
    for message in slow:  # publishing ends on our own disk: only the delivery is slow
        server.settled(message, ["delivered"])
    assert eventually(lambda: held(server) > WORKERS), "most wait on the endpoint's list"
    assert quick(server, receiving) < 2.5
    subscriber.delay = 0
    subscriber.wait(2 + len(slow), seconds=30)  # all came, each once
    bodies = [json.loads(json.loads(body)["Message"])["mail"]["messageId"] for *_, body in subscriber.posts[2:]]
    assert sorted(bodies) == sorted(slow)
    assert eventually(lambda: held(server) == 0)


def test_two_slow_endpoints_do_not_add_up(make_server):
    server, receiving = prepare(make_server)
    sns, subscribers, slow = server.client("sns"), [Subscriber() for _ in range(3)], []
    for number, one in enumerate(subscribers):
        topic = sns.create_topic(Name=f"slow{number}")["TopicArn"]
        subscribe(sns, topic, one)
        receiving.rule(f"slow{number}", {"SNSAction": {"TopicArn": topic}}, recipients=[f"slow{number}@example.com"])
        one.wait(2)
        one.delay = 3
    for number in range(3):
        slow += [server.send(MAIL, to=f"slow{number}@example.com") for _ in range(2 * WORKERS)]
    assert eventually(lambda: held(server) > WORKERS)
    assert quick(server, receiving) < 2.5
    for one in subscribers:
        one.delay = 0
    for one in subscribers:
        one.wait(2 + 2 * WORKERS, seconds=30)
        one.close()


def test_a_function_that_thinks_for_long(make_server):
    server, receiving = prepare(make_server)
    functions = Functions(server)
    functions.python("thinker", "import time\ndef handler(event, context):\n    time.sleep(2)\n", Timeout=10)
    functions.aws.add_permission(FunctionName="thinker", StatementId="ses", Action="lambda:InvokeFunction",
                                 Principal="ses.amazonaws.com", SourceAccount=ACCOUNT, SourceArn=receiving.arn("think"))
    receiving.rule("think", {"LambdaAction": {
        "FunctionArn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:thinker", "InvocationType": "RequestResponse"}},
        recipients=["think@example.com"])
    slow = [server.send(MAIL, to="think@example.com") for _ in range(3 * WORKERS)]
    assert eventually(lambda: held(server) >= WORKERS), "they wait for the function in the spool"
    assert quick(server, receiving) < 2.0
    for message in slow:
        server.settled(message, ["delivered"], seconds=60)
    assert held(server) == 0


def test_what_is_held_is_there_after_a_crash(make_server, subscriber):  # noqa: F811
    server, receiving = prepare(make_server)
    sns = server.client("sns")
    topic = sns.create_topic(Name="slow")["TopicArn"]
    subscribe(sns, topic, subscriber)
    receiving.rule("slow", {"SNSAction": {"TopicArn": topic}}, recipients=["slow@example.com"])
    subscriber.wait(2)
    subscriber.delay = 5
    slow = [server.send(MAIL, to="slow@example.com") for _ in range(3 * WORKERS)]
    assert eventually(lambda: held(server) > WORKERS)
    server.kill()
    subscriber.delay = 0
    server.start()

    def came():
        return {json.loads(json.loads(body)["Message"])["mail"]["messageId"] for *_, body in list(subscriber.posts)[2:]}
    assert eventually(lambda: came() == set(slow), 30), set(slow) - came()


def test_a_smarthost_that_takes_connections_and_says_nothing(make_server):
    taken, silent = [], socket.create_server(("127.0.0.1", 0), backlog=200)

    def take():
        while True:
            try:
                taken.append(silent.accept())
            except OSError:
                return
    threading.Thread(target=take, daemon=True).start()
    server, receiving = prepare(make_server, "--relay", f"127.0.0.1:{silent.getsockname()[1]}")
    receiving.rule("bounce", bounce_action(), recipients=["gone@example.com"])
    for number in range(4 * WORKERS):
        send(server, sender=f"<m{number}@sender.example>")
    assert eventually(lambda: held(server) > WORKERS), "most wait on the relay's list"
    assert quick(server, receiving) < 2.5
    assert 0 < len(taken) < WORKERS
    silent.shutdown(socket.SHUT_RDWR)
    silent.close()
    for connection, _ in taken:
        connection.close()
