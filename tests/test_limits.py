"""What the process may open and write: shared out at the start when it is little, and missed without a loss when it is gone."""
import contextlib
import resource
import smtplib
import socket
import subprocess

import pytest

from conftest import BINARY, Raw, Receiving, Server, eventually

MAIL = b"Subject: x\r\n\r\n" + b"a line of some length, and no more than that\r\n" * 40
UNLIMITED = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)


@pytest.fixture
def few(tmp_path):
    """A server that may have 256 files open."""
    server = Server(tmp_path, "--connections-max", "2000", through=("prlimit", "--nofile=256:256")).start()
    yield server
    server.discard()


def test_connections_leave_descriptors_for_everything_else(few):
    told, api = [line for line in few.log() if line["event"] == "few-descriptors"]
    assert api["openFiles"] == 256 and api["apiConnectionsMax"] == 1000 and 16 <= api["apiConnections"] < 100, api
    assert told["openFiles"] == 256 and told["connectionsMax"] == 2000 and 32 <= told["connections"] < 200
    place = Receiving(few)
    place.store()
    with contextlib.ExitStack() as held:
        for _ in range(told["connections"] - 1):
            raw = held.enter_context(Raw(few))
            assert raw.reply().startswith(b"220 ")
        assert few.settled(few.send(MAIL))["state"] == "delivered"  # the last place is free again behind it
        last = held.enter_context(Raw(few))
        assert last.reply().startswith(b"220 ")
        for _ in range(300):  # more than there are descriptors
            with Raw(few) as one:
                assert one.reply().startswith(b"421 4.7.0 ")
        assert len(place.keys()) == 1, "the API answers"
        assert few.get("/_sesame/health")["accepting"]
        assert last.ask(b"EHLO client.example\r\n").startswith(b"250")
        assert "sesame_smtp_accept_failures_total 0" in few.get("/_sesame/metrics")
    assert eventually(lambda: few.send(MAIL))


def test_many_calls_of_the_api_leave_mail_its_descriptors(few):
    place = Receiving(few)
    place.store()
    host, port = few.api.split("//")[1].split(":")
    with contextlib.ExitStack() as held:
        for _ in range(300):
            held.enter_context(contextlib.closing(socket.create_connection((host, int(port)), 5)))
        assert few.send(MAIL)
    assert eventually(lambda: len(place.keys()) == 1)


def test_too_few_descriptors_are_told_at_the_start(tmp_path):
    done = subprocess.run(["prlimit", "--nofile=100:100", BINARY, "serve", "--data", str(tmp_path / "data"), "--api", "127.0.0.1:0",
                           "--smtp", "127.0.0.1:0"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "may have 100 files open" in done.stderr and "LimitNOFILE" in done.stderr and done.stderr.count("\n") == 1


def sent(server):
    """The message's id, or None while the server has no room."""
    with contextlib.suppress(AssertionError):
        return server.send(MAIL)


def test_a_limit_of_the_size_of_files_is_a_full_disk(tmp_path):
    """SIGXFSZ would end a process that does not know it."""
    server = Server(tmp_path, "--retry-waits", "1").start()
    try:
        place = Receiving(server)
        place.store()
        pid, kept = server.process.pid, {server.send(MAIL)}  # its delivery may meet the limit
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
        refused = 0
        for _ in range(8):
            with server.smtp() as session:
                session.ehlo()
                session.mail("a@sender.example")
                session.rcpt("user@example.com")
                try:
                    code, text = session.data(MAIL * 50)
                except smtplib.SMTPDataError as error:  # said before the message came
                    code, text = error.args
                if code == 250:
                    kept.add(text.decode().split()[-1])
                else:
                    assert code in (451, 452), (code, text)
                    refused += 1
        assert refused and server.process.poll() is None
        resource.prlimit(pid, resource.RLIMIT_FSIZE, UNLIMITED)
        kept.add(eventually(lambda: sent(server)))
        # Not by their timelines: those of the moments without room for them are lost, mail never.
        assert eventually(lambda: set(place.keys()) == kept, 30), (kept, place.keys())
        server.client("s3").put_object(Bucket="mail", Key="afterwards", Body=b"x")
    finally:
        server.discard()
