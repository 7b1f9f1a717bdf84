"""The relay: who we are to it, that it is the one that is meant, and that the password goes nowhere else."""
import base64
import os
import pathlib
import re
import shutil
import socket
import ssl
import subprocess
import tempfile

import pytest

from conftest import BINARY, ROOT, Receiving, eventually
from far_ends import Relay, certificate
from test_bounce import bounce_action, errands, send

LOGIN = ("me@relay.test", "s3cret-Passw0rd")
VARIABLES = {"SESAME_RELAY_USER": LOGIN[0], "SESAME_RELAY_PASSWORD": LOGIN[1]}
SHAPES = [shape.encode() for shape in (
    LOGIN[1], base64.b64encode(LOGIN[1].encode()).decode(), base64.b64encode("\0".join(("", *LOGIN)).encode()).decode())]


@pytest.fixture
def world(make_server, tmp_path):
    relays = []

    def make(*flags, name="localhost", env=None, **relay):
        pem, key = certificate(tmp_path, name)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem, key)
        relay = Relay(tls=context, login=LOGIN, **relay)
        relays.append(relay)
        server = make_server("--relay", f"localhost:{relay.port}", "--relay-ca", pem, *flags,
                             env=VARIABLES if env is None else env)
        Receiving(server).rule("bounce", bounce_action())
        return server, relay
    yield make
    for relay in relays:
        relay.close()


def nothing_told(server):
    """The password is in no log, no page and not in what /proc shows of the process."""
    places = [server.log_text().encode(), str(server.get("/_sesame/outgoing")).encode(),
              str(server.get("/_sesame/errands")).encode(), server.get("/_sesame/metrics").encode()]
    for process in [server.process.pid, *children(server.process.pid)]:
        places.append(pathlib.Path(f"/proc/{process}/cmdline").read_bytes())
        if os.geteuid() == 0:
            places.append(pathlib.Path(f"/proc/{process}/environ").read_bytes())
            continue
        with pytest.raises(PermissionError):  # not even who runs it reads a server's environment
            pathlib.Path(f"/proc/{process}/environ").read_bytes()
    assert not any(shape in place for shape in SHAPES for place in places)


def children(pid):
    return [int(p) for p in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def what_is_said(server, message, state):
    found = eventually(lambda: [e for e in errands(server, message) if e["state"] == state])
    assert found, errands(server, message)
    return found[0]["says"]


@pytest.mark.parametrize("case, flags, relay", [
    ("STARTTLS, PLAIN", (), {}),
    ("STARTTLS, LOGIN", ("--relay-tls", "starttls"), {"mechanisms": "LOGIN"}),
    ("TLS from the first octet", ("--relay-tls", "implicit"), {"implicit": True}),
])
def test_a_relay_that_wants_a_password_gets_it_under_checked_tls(world, case, flags, relay):
    server, relay = world(*flags, **relay)
    message = send(server)
    assert eventually(lambda: relay.taken), errands(server, message)
    assert relay.secure == [True] and len(relay.taken) == 1
    assert [line.split()[0] for line in relay.heard].count("AUTH") == 1
    nothing_told(server)


def test_a_wrong_password_bounces_nothing_and_is_shown(world):
    server, relay = world(env={**VARIABLES, "SESAME_RELAY_PASSWORD": "wrong"})
    message = send(server)
    assert "AUTH was answered 535 5.7.8 Authentication credentials invalid" == what_is_said(server, message, "retrying")
    [shown] = server.get("/_sesame/outgoing")["outgoing"]
    assert shown["state"] == "retrying" and "535 5.7.8" in shown["says"]
    server.stop()
    server.env = VARIABLES
    server.start()
    assert eventually(lambda: relay.taken, seconds=40)


def test_the_login_may_lie_in_a_file_of_ones_own(world, tmp_path):
    file = tmp_path / "login"
    file.write_text("\n".join(LOGIN) + "\n")
    file.chmod(0o600)
    server, relay = world("--relay-credentials", str(file), env={})
    send(server)
    assert eventually(lambda: relay.taken)
    nothing_told(server)
    file.chmod(0o644)
    server.stop()
    said = refused_start(server.flags, {})
    assert f"the relay's credentials {file} can be read by others than their owner: chmod 600 it" in said


def test_or_be_a_credential_of_systemd(world, tmp_path):
    (tmp_path / "sesame-relay").write_text("\n".join(LOGIN) + "\n")
    (tmp_path / "sesame-relay").chmod(0o440)
    server, relay = world(env={"CREDENTIALS_DIRECTORY": str(tmp_path)})
    send(server)
    assert eventually(lambda: relay.taken)


@pytest.mark.parametrize("case, flags, relay, says", [
    ("another's certificate", (), {"name": "other.test"},
     "the certificate is not one of localhost that is trusted: hostname mismatch"),
    ("no TLS at all", (), {"offers": []}, "the server does not offer STARTTLS"),
    ("a broken handshake", ("--relay-tls", "implicit"), {}, "the connection was lost while waiting for the answer to the greeting"),
])
def test_who_is_not_the_relay_hears_no_password_and_gets_no_mail(world, case, flags, relay, says):
    server, far = world(*flags, **relay)
    if "no TLS" in case:
        far.tls = None
    message = send(server)
    assert what_is_said(server, message, "retrying").startswith(says)
    assert not far.taken and not any("AUTH" in line or "MAIL" in line for line in far.heard)


def test_a_relay_that_takes_nothing_for_a_while_bounces_nothing(world):
    """554 at the greeting is said of the host (RFC 5321 3.1): all mail would be lost by a mistake in the relay's configuration."""
    server, relay = world("--retry-waits", "1")
    relay.says["CONNECT"] = "554 5.7.1 no service here"
    message = send(server)
    assert what_is_said(server, message, "retrying") == "the greeting was answered 554 5.7.1 no service here"
    del relay.says["CONNECT"]
    assert eventually(lambda: relay.taken)


def test_a_certificate_that_leads_nowhere_is_not_taken(world, tmp_path):
    (tmp_path / "another").mkdir()
    another, _ = certificate(tmp_path / "another", "localhost")
    server, relay = world("--relay-ca", another)
    message = send(server)
    assert "self-signed certificate" in what_is_said(server, message, "retrying")
    assert not relay.taken


def refused_start(flags, env, data="/nonexistent/sesame"):
    done = subprocess.run([BINARY, "serve", "--data", str(data), "--smtp", "127.0.0.1:0", "--api", "127.0.0.1:0", *flags], env={"PATH": "/usr/bin:/bin", **env},
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode in (1, 2), done
    return done.stderr


@pytest.mark.parametrize("flags, env, says", [
    (["--relay", "relay.test:25", "--relay-user", "me"], {}, "there is no flag --relay-user"),
    (["--relay", "relay.test:25", "--relay-password", "x"], {}, "there is no flag --relay-password"),
    (["--relay", "relay.test:25"], {"SESAME_RELAY_USER": "me"}, "SESAME_RELAY_USER and SESAME_RELAY_PASSWORD go together"),
    (["--relay", "relay.test:25", "--relay-credentials", "x"], VARIABLES, "two logins for one relay"),
    ([], VARIABLES, "there is no --relay for what is said of it"),
    (["--relay", "relay.test:25", "--relay-ca", "x", "--relay-tls", "offered"], {}, "--relay-ca has no use"),
])
def test_what_does_not_go_together_is_said(flags, env, says):
    assert says in refused_start(flags, env)


def test_a_password_is_not_for_whoever_answers(tmp_path):
    said = refused_start(["--relay", "relay.test:25", "--relay-tls", "offered"], VARIABLES, tmp_path / "data")
    assert "the password would be said to whoever answers: give starttls or implicit" in said


def test_a_relay_on_this_machine_may_be_told_in_the_clear(make_server):
    relay = Relay(login=LOGIN)
    try:
        server = make_server("--relay", relay.address, env=VARIABLES)
        Receiving(server).rule("bounce", bounce_action())
        send(server)
        assert eventually(lambda: relay.taken) and relay.secure == [False]
        nothing_told(server)
    finally:
        relay.close()


def test_what_the_relay_cannot_take_is_not_sent_and_what_it_can_is_announced(make_server):
    relay = Relay(offers=["SIZE 5000", "SMTPUTF8", "8BITMIME"])
    try:
        server = make_server("--relay", relay.address)
        ses = server.client("ses")
        ses.verify_domain_identity(Domain="shop.example")
        raw = "From: J\u00f6 <jo@shop.example>\nTo: a@x.test\nSubject: gr\u00fc\u00dfe\n\n".encode()
        ses.send_raw_email(RawMessage={"Data": raw + b"hi\n"}, Destinations=["a@x.test"])
        assert eventually(lambda: relay.taken)
        [(envelope, text)] = relay.taken
        assert envelope[0] == f"MAIL FROM:<jo@shop.example> BODY=8BITMIME SMTPUTF8 SIZE={len(text)}"
        ses.send_raw_email(RawMessage={"Data": raw + 100 * (b"x" * 70 + b"\n")}, Destinations=["b@x.test"])
        [shown] = eventually(lambda: server.get("/_sesame/outgoing?address=b@x.test")["outgoing"])
        assert eventually(lambda: server.get("/_sesame/outgoing?address=b@x.test")["outgoing"][0]["state"] == "dead")
        [shown] = server.get("/_sesame/outgoing?address=b@x.test")["outgoing"]
        assert re.fullmatch(r"5\.3\.4 the message has 7\d\d\d octets, and the server takes 5000 at most; jo@shop\.example is told by errand .*",
                            shown["says"])
        assert eventually(lambda: len(relay.taken) == 2) and relay.taken[1][0][0].startswith("MAIL FROM:<>")
        assert not any("b@x.test" in line for line in relay.heard)
    finally:
        relay.close()


@pytest.fixture
def postfix():
    """A real one, with STARTTLS: (where its mail lies, its port, its certificate)."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="sesame-postfix-"))  # pytest's own folders are closed to others
    pem, key = certificate(folder, "localhost")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    env = {**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin", "D": str(folder), "PORT": str(port), "CERT": pem, "KEY": key, "MODE": "maildir"}
    log = open(folder / "log", "wb")
    process = subprocess.Popen([str(ROOT / "bench" / "peers" / "postfix.sh")], env=env, stdout=log, stderr=log)

    def listens():
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            return False
        return True
    assert eventually(listens, 15), (folder / "log").read_text()
    yield folder / "mail", port, pem
    process.terminate()
    process.wait(20)
    log.close()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.as_root
@pytest.mark.parametrize("known, flags", [(True, ("--relay-tls", "starttls")), (True, ()), (False, ("--relay-tls", "starttls"))])
def test_a_real_postfix_is_the_relay(make_server, postfix, known, flags):
    mails, port, pem = postfix
    server = make_server("--relay", f"localhost:{port}", *(("--relay-ca", pem) if known else ()), *flags)
    Receiving(server).rule("bounce", bounce_action())
    message = send(server, sender="<me@example.test>")

    def came():
        return [file for file in mails.rglob("new/*") if file.is_file()]
    if known:
        assert eventually(came, 20), errands(server, message)
        assert "with ESMTPS" in came()[0].read_text()
    else:
        assert "self-signed certificate" in what_is_said(server, message, "retrying")
        assert not came()
