"""POST /moto-api/reset: the process starts over and stays who and where it was, and of what its users made nothing is left."""
import concurrent.futures
import contextlib
import http.client
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import botocore.exceptions
import pytest

from conftest import BINARY, KEY, SECRET, SLOW, Raw, Receiving, Server, bucket_policy, eventually, s3_action
from test_bounce import bounce_action
from test_lambda import Functions, processes

MAIL = b"Subject: reset\r\n\r\nbody\r\n"
OF_THE_PROGRAM = {"keys", "lock", "ready.json", "root-credentials", "sns", "tls"}


@pytest.fixture
def resettable(make_server):
    return make_server("--allow-reset")


def ask(server, method="POST", path="/moto-api/reset", timeout=30, **headers):
    request = urllib.request.Request(server.api + path, method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def reset(server, **more):
    assert ask(server, **more) == (200, '{"status": "ok"}')


def files(server):
    return {str(path.relative_to(server.data)) for path in server.data.rglob("*")}


def everything(server):
    """What can be seen of what users made, by what shows it."""
    s3, kms, sns, sqs, iam, ses, functions = (server.client(name) for name in ("s3", "kms", "sns", "sqs", "iam", "ses", "lambda"))
    health = server.get("/_sesame/health")
    return {
        "buckets": s3.list_buckets()["Buckets"],
        "keys": kms.list_keys()["Keys"],
        "aliases": kms.list_aliases()["Aliases"],
        "topics": sns.list_topics()["Topics"],
        "subscriptions": sns.list_subscriptions()["Subscriptions"],
        "queues": sqs.list_queues().get("QueueUrls", []),
        "functions": functions.list_functions()["Functions"],
        "roles": iam.list_roles()["Roles"],
        "users": iam.list_users()["Users"],
        "identities": ses.list_identities()["Identities"],
        "rule sets": ses.list_receipt_rule_sets()["RuleSets"],
        "active": ses.describe_active_receipt_rule_set().get("Metadata"),
        "filters": ses.list_receipt_filters()["Filters"],
        **{name: server.get(f"/_sesame/{name}") for name in ("messages", "errands", "outgoing", "refused", "faults", "setups")},
        "queued": health["queued"] + health["retrying"],
        "dead": health["dead"],
        "logs": sorted(name for name in files(server) if name.startswith("functions/logs/")),
        "packages": sorted(name for name in files(server) if name.startswith("functions/code/")),
        "objects": sorted(name for name in files(server) if name.startswith("objects/") and not name.startswith("objects/index")),
        "dead letters": sorted(name for name in files(server) if name.startswith("spool/dead/")),
    }


def make_everything(server):
    """One of each; afterwards nothing of everything() is as it was. The id of a message that is tried again."""
    receiving = Receiving(server)
    receiving.store(recipients=["kept@example.com"])
    receiving.bucket("closed", bucket_policy("closed", receiving.arn("denied")))
    receiving.rule("denied", s3_action("closed"), recipients=["denied@example.com"])
    receiving.rule("bounce", bounce_action(), recipients=["bounced@example.com"])
    receiving.policy("closed", bucket_policy("closed", receiving.arn("another")))
    kms, sns, sqs, iam = (server.client(name) for name in ("kms", "sns", "sqs", "iam"))
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName="alias/mine", TargetKeyId=key)
    topic = sns.create_topic(Name="told")["TopicArn"]
    queue = sqs.create_queue(QueueName="waiting")["QueueUrl"]
    sqs.send_message(QueueUrl=queue, MessageBody="not received yet")
    sns.subscribe(TopicArn=topic, Protocol="sqs",
                  Endpoint=sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"])
    iam.create_user(UserName="somebody")
    functions = Functions(server)
    functions.python("f", "def handler(event, context):\n    print('seen')\n    return 1")
    assert functions.call("f")[0] == 1
    receiving.ses.create_receipt_filter(Filter={"Name": "no", "IpFilter": {"Policy": "Block", "Cidr": "192.0.2.0/24"}})
    server.get("/_sesame/messages")
    urllib.request.urlopen(urllib.request.Request(server.api + "/_sesame/faults", method="POST", data=json.dumps(
        {"service": "kms", "fault": "ThrottlingException", "operation": "Encrypt"}).encode()), timeout=20).close()
    server.settled(server.send(MAIL, to="kept@example.com"), ["delivered"])
    server.settled(server.send(MAIL, to="bounced@example.com", sender="a@sender.example"), ["delivered"])
    retried = server.send(MAIL, to="denied@example.com")
    server.attempted(retried)
    with server.smtp() as session:
        session.ehlo()
        session.mail("a@sender.example")
        assert session.rcpt("nobody@elsewhere.example")[0] == 550
    assert eventually(lambda: server.get("/_sesame/health")["dead"])
    return retried


def test_nothing_is_left_of_what_users_made(resettable):
    server = resettable
    before, files_before = everything(server), files(server)
    retried = make_everything(server)
    after = everything(server)
    assert [name for name in before if before[name] == after[name]] == []
    pid, line = server.process.pid, (server.data / "ready.json").read_bytes()
    reset(server)
    assert everything(server) == before
    assert files(server) == files_before  # the program's own are there, and no other
    assert (server.data / "ready.json").read_bytes() == line and server.process.poll() is None and server.process.pid == pid
    with pytest.raises(urllib.error.HTTPError, match="404"):
        server.timeline(retried)
    assert 'sesame_spool_commits_total 0' in server.get("/_sesame/metrics")
    make_everything(server)  # all of it works anew
    reset(server)
    assert everything(server) == before
    server.stop()
    assert set(os.listdir(server.data)) & OF_THE_PROGRAM == OF_THE_PROGRAM - {"ready.json", "root-credentials"}


def test_standard_output_has_one_line_and_the_log_tells_of_the_reset(resettable):
    for _ in range(2):
        reset(resettable)
    process, out = resettable.process, resettable.process.stdout
    process.send_signal(signal.SIGTERM)
    assert out.read() == b""
    resettable.stop()
    events = [line["event"] for line in resettable.log() if line.get("room") == "main"]
    assert events.count("privileges") == 3  # each beginning says what it gave up
    events = [event for event in events if event != "privileges"]
    assert events == ["resetting", "reset"] * 2 + ["draining", "ended"]


def test_without_the_flag_nothing_happens(server):
    server.client("s3").create_bucket(Bucket="mine")
    status, text = ask(server)
    assert status == 403 and "--allow-reset" in json.loads(text)["message"]
    assert [b["Name"] for b in server.client("s3").list_buckets()["Buckets"]] == ["mine"]
    assert "resetting" not in server.log_text() and not (server.data / "reset").exists()
    server.restart()
    assert [b["Name"] for b in server.client("s3").list_buckets()["Buckets"]] == ["mine"]


def test_only_who_may_see_the_pages_may_reset(resettable):
    resettable.client("s3").create_bucket(Bucket="mine")
    for headers in ({"Host": "evil.example"}, {"Origin": "http://evil.example"}, {"Forwarded": "for=192.0.2.1"}):
        assert ask(resettable, **headers)[0] == 403
    for method, path in (("GET", "/moto-api/reset"), ("POST", "/moto-api/reset/"), ("POST", "/moto-api"), ("PUT", "/moto-api/reset")):
        assert ask(resettable, method, path)[0] >= 400
    assert [b["Name"] for b in resettable.client("s3").list_buckets()["Buckets"]] == ["mine"]


def test_a_bucket_may_have_the_name(resettable):
    s3 = resettable.client("s3")
    s3.create_bucket(Bucket="moto-api")
    s3.put_object(Bucket="moto-api", Key="reset", Body=b"an object")
    assert s3.get_object(Bucket="moto-api", Key="reset")["Body"].read() == b"an object"


def test_credentials_of_the_directory_stay(tmp_path):
    server = Server(tmp_path, "--allow-reset", env={"SESAME_ROOT_ACCESS_KEY_ID": "", "SESAME_ROOT_SECRET_ACCESS_KEY": ""}).start()
    try:
        words = (server.data / "root-credentials").read_text().split()
        client = server.client("s3", key=words[words.index("aws_access_key_id") + 2],
                               secret=words[words.index("aws_secret_access_key") + 2])
        client.create_bucket(Bucket="mine")
        reset(server)
        assert client.list_buckets()["Buckets"] == []
        assert (server.data / "root-credentials").read_text().split() == words
    finally:
        server.discard()


def test_a_kept_connection_of_a_client_goes_on_by_itself(resettable):
    s3, ses = resettable.client("s3"), resettable.client("ses")  # no retries
    for n in range(10):
        s3.create_bucket(Bucket=f"bucket-{n}")
        ses.verify_domain_identity(Domain="example.com")
        reset(resettable)
        assert s3.list_buckets()["Buckets"] == []
        assert ses.list_identities()["Identities"] == []


def test_sessions_hear_421_and_who_waits_is_answered(resettable):
    receiving = Receiving(resettable)
    receiving.store()
    idle, sending = Raw(resettable), Raw(resettable)
    assert idle.reply().startswith(b"220") and sending.reply().startswith(b"220")
    for line in (b"EHLO client.example\r\n", b"MAIL FROM:<a@sender.example>\r\n", b"RCPT TO:<u@example.com>\r\n", b"DATA\r\n"):
        assert sending.ask(line)[:1] in (b"2", b"3")
    sending.write(b"Subject: half\r\n")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        waiting = pool.submit(ask, resettable, "GET", "/_sesame/messages?to=u@example.com&wait=60")
        time.sleep(0.3)
        began = time.monotonic()
        reset(resettable)
        status, text = waiting.result(10)
        assert time.monotonic() - began < 5 * SLOW
    assert (status, json.loads(text)["messages"]) == (200, [])
    assert idle.reply().startswith(b"421 ") and idle.reply() == b""
    assert sending.reply().startswith(b"421 ") and sending.reply() == b""
    assert resettable.get("/_sesame/messages")["messages"] == []


def test_a_function_that_runs_is_ended(resettable):
    functions = Functions(resettable)
    word = f"marker-{random.getrandbits(64)}"
    functions.python("slow", f"""
        import subprocess, time
        def handler(event, context):
            subprocess.Popen(["sh", "-c", "sleep 300; : {word}"])
            time.sleep(60)
        """.replace("\n        ", "\n"), Timeout=90)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        calling = pool.submit(lambda: functions.aws.invoke(FunctionName="slow"))
        assert eventually(lambda: processes(word))
        began = time.monotonic()
        reset(resettable)
        assert time.monotonic() - began < 5 * SLOW
        assert processes(word) == []  # when the answer is there, not some time later
        with contextlib.suppress(botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError):
            assert "FunctionError" in calling.result(10)
    again = Functions(resettable)
    again.python("f", "def handler(event, context):\n    return 'well'")
    assert again.call("f")[0] == "well"


def test_a_target_that_never_answers_holds_nothing_up(make_server):
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        server = make_server("--allow-reset", "--relay", f"127.0.0.1:{deaf.getsockname()[1]}")
        Receiving(server).rule("bounce", bounce_action())
        server.send(MAIL)
        deaf.settimeout(10 * SLOW)
        talking, _ = deaf.accept()  # and no greeting
        began = time.monotonic()
        reset(server)
        assert time.monotonic() - began < 5 * SLOW
        assert talking.recv(100) == b""
        talking.close()
        assert server.get("/_sesame/outgoing")["outgoing"] == []


def test_who_comes_meanwhile_waits_and_is_served(resettable):
    """Ports never close: every connection made during resets is taken by one world or the next."""
    done, seen, faults = threading.Event(), [], []

    def knock():
        while not done.is_set():
            try:
                with socket.create_connection((resettable.host, resettable.port), 20) as s:
                    seen.append(s.recv(100)[:3])
                url = urllib.parse.urlparse(resettable.api)
                connection = http.client.HTTPConnection(url.hostname, url.port, timeout=20)
                connection.connect()
                connection.close()
            except ConnectionRefusedError as error:
                faults.append(error)
            except OSError:  # it was taken by the old world, and ended with it
                pass
    threads = [threading.Thread(target=knock) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(15):
        reset(resettable)
    done.set()
    for thread in threads:
        thread.join()
    assert not faults and seen.count(b"220") > 15 and set(seen) <= {b"220", b"421", b""}


def ask_or_be_cut(server):
    try:
        return ask(server)
    except (http.client.HTTPException, OSError):
        return None


def test_several_at_once_are_one_or_follow_each_other(resettable):
    resettable.client("s3").create_bucket(Bucket="mine")
    pid = resettable.process.pid
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for _ in range(3):
            answers = [answer.result() for answer in [pool.submit(ask_or_be_cut, resettable) for _ in range(8)]]
            assert (200, '{"status": "ok"}') in answers
            assert {answer[0] for answer in answers if answer} <= {200, 503}
    assert resettable.client("s3").list_buckets()["Buckets"] == []
    assert resettable.process.poll() is None and resettable.ready["pid"] == pid


def test_clients_at_work_meet_nothing_but_an_end(resettable):
    """Whatever is asked while resets go on is done, told 503, or cut off; and what is there afterwards was made afterwards."""
    done = threading.Event()

    def work(name, s3):
        well, n = 0, 0
        while not done.is_set():
            n += 1
            try:
                s3.create_bucket(Bucket=f"{name}-{n}")
                s3.put_object(Bucket=f"{name}-{n}", Key="k", Body=b"x" * 1000)
                s3.get_object(Bucket=f"{name}-{n}", Key="k")["Body"].read()
                well += 1
            except botocore.exceptions.ClientError as error:  # 404: what it just made is gone
                assert error.response["ResponseMetadata"]["HTTPStatusCode"] in (503, 404), error
            except (botocore.exceptions.HTTPClientError, botocore.exceptions.ConnectionError):
                pass
        return well
    clients = [resettable.client("s3") for _ in range(3)]
    with concurrent.futures.ThreadPoolExecutor() as pool:
        working = [pool.submit(work, f"worker{n}", client) for n, client in enumerate(clients)]
        for _ in range(10):
            time.sleep(0.1)
            reset(resettable)
        done.set()
        assert all(each.result() > 0 for each in working)
    reset(resettable)
    assert resettable.client("s3").list_buckets()["Buckets"] == []


def measures(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    resident = int(status.split("VmRSS:")[1].split()[0])
    return len(os.listdir(f"/proc/{pid}/fd")), len(os.listdir(f"/proc/{pid}/task")), resident


def children(pid):
    found = subprocess.run(["ps", "--ppid", str(pid), "-o", "comm="], capture_output=True, text=True, check=False).stdout
    return found.split()


@pytest.mark.as_root  # counts descriptors, which a server shows to root alone
def test_a_hundred_in_a_row_leave_the_process_as_it_was(resettable, capsys):
    pid, took = resettable.process.pid, []
    for _ in range(3):
        reset(resettable)
    fds, threads, resident = measures(pid)
    for n in range(100):
        resettable.client("s3").create_bucket(Bucket=f"bucket-{n}")
        began = time.monotonic()
        reset(resettable)
        took.append(1000 * (time.monotonic() - began))
    assert eventually(lambda: measures(pid)[0] <= fds and measures(pid)[1] <= threads), (measures(pid), fds, threads)
    assert measures(pid)[2] < 1.2 * resident + 2048
    assert children(pid) == ["sesame-runner"]
    assert pathlib.Path(f"/proc/{pid}/comm").read_text().strip() == pathlib.Path(BINARY).name[:15]
    with capsys.disabled():
        print(f"\n    100 resets: median {statistics.median(took):.0f} ms, of {min(took):.0f} to {max(took):.0f}")


def test_killed_in_the_middle_the_next_start_finds_all_or_nothing(make_server):
    server = make_server("--allow-reset")
    whole = 0
    for _ in range(25):
        receiving = Receiving(server)
        receiving.store()
        receiving.s3.put_object(Bucket="mail", Key="k", Body=b"bytes")
        with socket.create_connection(urllib.parse.urlparse(server.api).netloc.split(":"), 20) as asking:
            asking.sendall(b"POST /moto-api/reset HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n")
            time.sleep(random.uniform(0, 0.15))
            server.kill()
        marked = (server.data / "reset").exists()
        server.start()
        s3, ses = server.client("s3"), server.client("ses")
        buckets = [b["Name"] for b in s3.list_buckets()["Buckets"]]
        assert not (server.data / "reset").exists()
        if buckets and not marked:
            assert buckets == ["mail"] and s3.get_object(Bucket="mail", Key="k")["Body"].read() == b"bytes"
            assert [r["Name"] for r in ses.describe_active_receipt_rule_set()["Rules"]] == ["store"]
            whole += 1
        else:
            assert buckets == [] and ses.list_identities()["Identities"] == []
            assert ses.list_receipt_rule_sets()["RuleSets"] == []
        reset(server)
    assert whole < 25


def test_a_mark_is_honoured_without_the_flag(server):
    """What was begun is finished: half of a world would be worse than none."""
    Receiving(server).store()
    server.stop()
    (server.data / "reset").touch()
    server.start()
    assert server.client("s3").list_buckets()["Buckets"] == []
    assert [line["event"] for line in server.log() if line["event"].startswith("reset")] == ["reset-finished"]


@pytest.mark.parametrize("signals", [[signal.SIGTERM], [signal.SIGINT]], ids=["term", "int"])
def test_a_signal_meanwhile_is_not_lost(make_server, signals):
    for _ in range(8):
        server = make_server("--allow-reset")
        with socket.create_connection(urllib.parse.urlparse(server.api).netloc.split(":"), 20) as asking:
            asking.sendall(b"POST /moto-api/reset HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n")
            time.sleep(random.uniform(0, 0.1))
            for how in signals:
                server.process.send_signal(how)
            assert server.process.wait(20 * SLOW) == 0
        server.stop()
        server.discard()


def test_the_demo_is_there_again(make_server):
    server = make_server("--demo", "--allow-reset")
    s3 = server.client("s3")
    for _ in range(2):
        server.settled(server.send(MAIL, to="you@example.com"), ["delivered"])
        assert len(s3.list_objects_v2(Bucket="demo-mail")["Contents"]) > 0
        s3.create_bucket(Bucket="mine")
        reset(server)
        assert [b["Name"] for b in s3.list_buckets()["Buckets"]] == ["demo-mail"]
        assert "Contents" not in s3.list_objects_v2(Bucket="demo-mail")
    assert server.log_text().count("Send a first mail to the demo domain") == 1


def test_listeners_of_every_kind_stay_where_they_are(make_server):
    server = make_server("--allow-reset", "--smtp", "127.0.0.1:0", "--smtp", "eu-west-1=127.0.0.1:0", "--loops", "3")
    regions = [Receiving(server), Receiving(server, region="eu-west-1")]
    for receiving in regions:
        receiving.store(bucket=f"mail-{receiving.region}")
    reset(server)
    assert json.loads((server.data / "ready.json").read_text()) == server.ready
    for listener, region in enumerate(("us-east-1", "eu-west-1")):
        receiving = Receiving(server, region=region)
        receiving.store(bucket=f"mail-{region}")
        server.settled(server.send(MAIL, listener=listener), ["delivered"])
        assert len(receiving.keys(f"mail-{region}")) == 1


def refusal(*flags, env=None):
    done = subprocess.run([BINARY, "serve", "--api", "127.0.0.1:0", "--smtp", "127.0.0.1:0", *flags], capture_output=True, text=True,
                          timeout=30, check=False, env={**os.environ, "SESAME_ROOT_ACCESS_KEY_ID": KEY,
                                                        "SESAME_ROOT_SECRET_ACCESS_KEY": SECRET, **(env or {})})
    return done.returncode, done.stderr


def test_a_folder_with_other_things_in_it_is_never_emptied(tmp_path):
    (tmp_path / "package.json").write_text("{}")
    code, says = refusal("--data", str(tmp_path), "--allow-reset")
    assert code == 1 and says.count("\n") == 1 and '"package.json"' in says and "--allow-reset" in says, says


def test_nor_when_they_came_later(resettable):
    resettable.client("s3").create_bucket(Bucket="mine")
    (resettable.data / "notes.txt").write_text("mine, too")
    status, text = ask(resettable)
    assert status == 409 and '"notes.txt"' in json.loads(text)["message"]
    assert [b["Name"] for b in resettable.client("s3").list_buckets()["Buckets"]] == ["mine"]
    (resettable.data / "notes.txt").unlink()
    reset(resettable)


@pytest.mark.as_root
def test_it_does_not_go_with_a_change_of_user():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="sesame-user-"))
    try:
        code, says = refusal("--data", str(folder / "data"), "--allow-reset", "--user", "nobody")
        assert code == 1 and says.count("\n") == 1 and "--user" in says and "--allow-reset" in says, says
    finally:
        shutil.rmtree(folder)


class Configured(Server):
    """Its listeners are in the config file alone."""

    def __init__(self, folder):
        super().__init__(folder, "--allow-reset")
        self.config = pathlib.Path(folder) / "sesame.conf"

    def start(self, *more):
        with open(self.stderr_path, "ab") as self.stderr:
            self.process = subprocess.Popen(
                [BINARY, "serve", "--data", str(self.data), "--api", "127.0.0.1:0", "--config", str(self.config), *self.flags],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.stderr,
                env={**os.environ, "SESAME_ROOT_ACCESS_KEY_ID": KEY, "SESAME_ROOT_SECRET_ACCESS_KEY": SECRET})
        self.ready = json.loads(self.process.stdout.readline())
        self.api = self.ready["api"]
        return self


def test_settings_are_read_again(tmp_path):
    """As at every start: a listener that is named no more is shut, and a line that is wrong ends the server in one sentence."""
    server = Configured(tmp_path)
    server.config.write_text("smtp = 127.0.0.1:0\nsmtp = eu-west-1=localhost:0\n")
    server.start()
    try:
        first, second = server.ready["smtp"]
        server.config.write_text("smtp = eu-west-1=localhost:0\n")
        reset(server)
        assert json.loads((server.data / "ready.json").read_text())["smtp"] == [second]
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(first.rsplit(":", 1), 5)
        with socket.create_connection(second.rsplit(":", 1), 5) as session:
            assert session.recv(100).startswith(b"220")
        server.config.write_text("no-such-setting = 1\n")
        with pytest.raises((http.client.HTTPException, OSError)):
            ask(server)
        assert server.process.wait(20) == 2
        assert server.log_text().splitlines()[-1].startswith("sesame: line 1 of ")
    finally:
        server.kill()
        server.discard()
