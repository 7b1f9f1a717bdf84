"""The WorkMail action: mail by LMTP, each recipient for himself, or below a maildir, once."""
import json
import mailbox
import pathlib
import shutil
import socketserver
import stat
import subprocess
import tempfile
import threading

import pytest

from conftest import ACCOUNT, BINARY, Receiving, Server, data, eventually, message_id
from test_events import make_topic, told
from test_sns import subscriber  # noqa: F401  pylint: disable=unused-import

ORGANIZATION = "m-0123456789abcdef0123456789abcdef"
ARN = f"arn:aws:workmail:us-east-1:{ACCOUNT}:organization/{ORGANIZATION}"
MAIL = b"Subject: s\r\n\r\n.dot\r\nbody \xc3\xa4\r\n"


def action(arn=ARN, **more):
    return {"WorkmailAction": {"OrganizationArn": arn, **more}}


class Store(socketserver.ThreadingTCPServer):
    """An LMTP server of RFC 2033, as far as a client can tell; what it answers is the test's to say."""
    allow_reuse_address = daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), self.Session)
        self.at_rcpt, self.at_end = {}, {}  # recipient -> replies, one a time; then 250
        self.taken, self.tried = [], []     # (reverse path, recipient, message)
        self.target = f"lmtp://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    class Session(socketserver.StreamRequestHandler):
        def say(self, line):
            self.wfile.write(line.encode() + b"\r\n")

        def answer(self, which, recipient):
            waiting = which.get(recipient, [])
            return waiting.pop(0) if waiting else "250 2.1.5 ok"

        def handle(self):
            self.say("220 store.example LMTP")
            sender, recipients = "", []
            for raw in self.rfile:
                line = raw.decode().rstrip("\r\n")
                verb = line.split(" ")[0].upper()
                if verb == "LHLO":
                    self.say("250-store.example\r\n250-8BITMIME\r\n250 SMTPUTF8")
                elif verb == "MAIL":
                    sender = line
                    self.say("250 ok")
                elif verb == "RCPT":
                    recipient = line[len("RCPT TO:<"):-1]
                    self.server.tried.append(recipient)
                    reply = self.answer(self.server.at_rcpt, recipient)
                    recipients += [recipient] if reply[0] == "2" else []
                    self.say(reply)
                elif verb == "DATA":
                    self.say("354 go")
                    message = b""
                    while (part := self.rfile.readline()) != b".\r\n":
                        message += part[1:] if part.startswith(b".") else part
                    for recipient in recipients:
                        reply = self.answer(self.server.at_end, recipient)
                        if reply[0] == "2":
                            self.server.taken.append((sender, recipient, message))
                        self.say(reply)
                elif verb == "QUIT":
                    self.say("221 bye")
                    return
                else:
                    self.say("500 what")


@pytest.fixture
def store():
    made = Store()
    yield made
    made.shutdown()
    made.server_close()


def test_each_recipient_gets_it_once_though_others_have_to_wait(make_server, store):
    receiving = Receiving(make_server("--retry-waits", "2", "--workmail", f"{ORGANIZATION}={store.target}"))
    receiving.store("store", "mail")
    receiving.rule("hand-over", action())
    store.at_rcpt = {"b@example.com": ["451 4.3.0 not now"]}
    store.at_end = {"c@example.com": ["452 4.2.2 full"]}
    message = receiving.server.send(MAIL, to=["a@example.com", "b@example.com", "c@example.com"])
    first = receiving.server.attempted(message)
    says = first["attempts"][0]["says"]
    assert first["attempts"][0]["action"] == "WorkMail" and f"{store.target} has not taken it for 2 of 3 recipients: " in says
    assert "<b@example.com>: RCPT was answered 451 4.3.0 not now" in says
    assert "<c@example.com>: the message was answered 452 4.2.2 full" in says
    receiving.server.restart()
    timeline = receiving.server.settled(message, ["delivered"], 15)
    assert [a["outcome"] for a in timeline["attempts"] if a["action"] == "WorkMail"] == ["retry", "done"]
    receiving = receiving.server.client("s3")
    stored = receiving.get_object(Bucket="mail", Key=message)["Body"].read()
    assert sorted(store.taken) == sorted(("MAIL FROM:<a@sender.example> BODY=8BITMIME", f"{name}@example.com", stored)
                                         for name in "abc")
    assert store.tried == ["a@example.com", "b@example.com", "c@example.com", "b@example.com", "c@example.com"]


def test_who_is_refused_for_good_ends_as_a_dead_letter_and_a_redrive_asks_for_him_alone(make_server, store):
    server = make_server("--retry-waits", "2", "--workmail", f"{ARN}={store.target}")
    receiving = Receiving(server)
    receiving.rule("hand-over", action())
    store.at_rcpt = {"b@example.com": ["550 5.1.1 no such user"]}
    message = server.send(MAIL, to=["a@example.com", "b@example.com"])
    timeline = server.settled(message, ["dead"])
    assert [a["outcome"] for a in timeline["attempts"]] == ["refused"]
    assert "refuses it for 1 of 2 recipients: <b@example.com>: RCPT was answered 550 5.1.1 no such user" in timeline["attempts"][0]["says"]
    assert [t[1] for t in store.taken] == ["a@example.com"]
    subprocess.run([BINARY, "redrive", "--data", str(server.data), "--message", message], check=True, capture_output=True)
    server.settled(message, ["delivered"])
    assert [t[1] for t in store.taken] == ["a@example.com", "b@example.com"]
    assert store.tried == ["a@example.com", "b@example.com", "b@example.com"]


def test_a_store_that_is_not_there_is_tried_again_and_a_null_path_stays_null(make_server, store):
    server = make_server("--retry-waits", "2", "--workmail", f"{ORGANIZATION}={store.target}")
    Receiving(server).rule("hand-over", action())
    store.at_end = {"a@example.com": ["421 4.3.2 closing"]}
    message = server.send(MAIL, to="a@example.com", sender="")
    server.settled(message, ["delivered"], 15)
    assert [t[:2] for t in store.taken] == [("MAIL FROM:<> BODY=8BITMIME", "a@example.com")]


def test_a_topic_is_told(make_server, store, subscriber):  # noqa: F811
    server = make_server("--retry-waits", "2", "--workmail", f"{ORGANIZATION}={store.target}")
    receiving = Receiving(server)
    topic = make_topic(receiving, subscriber)
    receiving.rule("hand-over", action(TopicArn=topic))
    message = server.send(MAIL)
    server.settled(message, ["delivered"])
    [(_, document)] = eventually(lambda: told(subscriber, message))
    assert document["receipt"]["action"] == {"type": "WorkMail", "topicArn": topic, "organizationArn": ARN}


@pytest.mark.parametrize("arn, says", [
    (ARN[:-1] + "0", "no mail store is mapped to the organization"),
    (ARN.replace("us-east-1", "us-west-2"), "the organization is in the Region us-west-2, and the rule is in us-east-1"),
    (ARN.replace(ACCOUNT, "444455556666"), "the organization is account 444455556666's, and the rule is account 111122223333's")])
def test_an_organization_of_somebody_else_or_of_nobody_is_said(make_server, store, arn, says):
    server = make_server("--retry-waits", "2", "--workmail", f"{ORGANIZATION}={store.target}")
    Receiving(server).rule("hand-over", action(arn))
    message = server.send(MAIL)
    attempt = server.attempted(message)["attempts"][0]
    assert attempt["outcome"] == "retry" and says in attempt["says"]
    rehearsed = server.explain("--rule", "main/hand-over")
    assert says in rehearsed.stdout, rehearsed
    assert store.tried == []


def test_a_rehearsal_names_the_store(make_server, store):
    server = make_server("--retry-waits", "2", "--workmail", f"{ORGANIZATION}={store.target}")
    Receiving(server).rule("hand-over", action())
    assert f"would deliver to {store.target}" in server.explain("--rule", "main/hand-over").stdout
    assert store.tried == []


# --- maildirs

def test_a_maildir_holds_what_a_bucket_would(make_server, tmp_path):
    root = tmp_path / "mail"
    server = make_server("--retry-waits", "2", "--workmail", f"{ORGANIZATION}=maildir:{root}")
    receiving = Receiving(server)
    receiving.store("store", "mail")
    receiving.rule("hand-over", action())
    message = server.send(MAIL, to=["Ann+list@example.com", "ann@example.com", "bob@example.com"])
    server.settled(message, ["delivered"])
    stored = receiving.object(message)
    for name in ("ann", "bob"):  # Ann's label and her spelling lead to one mailbox, which has it once
        box = mailbox.Maildir(root / "example.com" / name, create=False)
        [key] = box.keys()
        assert box.get_bytes(key) == stored and box.get_message(key).get_subdir() == "new"
    assert sorted(p.name for p in root.iterdir()) == ["example.com"]
    assert sorted(p.name for p in (root / "example.com").iterdir()) == ["ann", "bob"]
    assert not list(root.rglob("tmp/*"))
    for path in root.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_no_address_leads_out_of_its_folder(make_server, tmp_path):
    root = tmp_path / "mail"
    server = make_server("--retry-waits", "2", "--workmail", f"{ORGANIZATION}=maildir:{root}")
    Receiving(server).rule("hand-over", action())
    wild = ['"../../escaped"@example.com', '".."@example.com', '"a/b"@example.com', '"."@example.com', '"/etc/x"@example.com']
    with server.smtp() as session:
        session.ehlo()
        assert session.docmd("MAIL FROM:<a@sender.example>")[0] == 250
        for address in wild:
            assert session.docmd(f"RCPT TO:<{address}>")[0] == 250
        message = message_id(*data(session, MAIL))
    server.settled(message, ["delivered"])
    assert sorted(p.name for p in (root / "example.com").iterdir()) == [
        "%2E", "%2E.", "%2E.%2F..%2Fescaped", "%2Fetc%2Fx", "a%2Fb"]
    assert sorted(p.name for p in tmp_path.iterdir() if not p.name.startswith("server")) == ["mail"]


def test_a_folder_that_cannot_be_made_is_tried_again(make_server, tmp_path):
    root = tmp_path / "mail"
    server = make_server("--retry-waits", "2", "--workmail", f"{ORGANIZATION}=maildir:{root}")
    Receiving(server).rule("hand-over", action())
    (root / "example.com").write_text("a file stands in the way")
    message = server.send(MAIL, to="ann@example.com")
    [attempt] = server.attempted(message)["attempts"]
    assert attempt["outcome"] == "retry" and "Not a directory" in attempt["says"], attempt
    (root / "example.com").unlink()
    server.settled(message, ["delivered"], 15)
    assert len(mailbox.Maildir(root / "example.com" / "ann", create=False)) == 1


@pytest.mark.as_root
def test_as_the_user_it_became(tmp_path):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="sesame-maildir-"))
    folder.chmod(0o777)
    server = Server(folder, "--user", "nobody", "--workmail", f"{ORGANIZATION}=maildir:{folder}/mail")
    try:
        server.start()
        Receiving(server).rule("hand-over", action())
        server.settled(server.send(MAIL, to="ann@example.com"), ["delivered"])
        owners = {path.stat().st_uid for path in [folder / "mail", *(folder / "mail").rglob("*")]}
        assert owners == {server.data.stat().st_uid} and len(list((folder / "mail").rglob("new/*"))) == 1
        server.stop()
        closed = tmp_path / "closed"
        closed.mkdir(0o700)
        done = subprocess.run([BINARY, "serve", "--data", str(folder / "other"), "--user", "nobody", "--api", "127.0.0.1:0",
                               "--smtp", "127.0.0.1:0", "--workmail", f"m-1=maildir:{closed}"], capture_output=True,
                              text=True, timeout=30, check=False)
        assert done.returncode == 1 and f"no mail can be put below {closed}: Permission denied" in done.stderr, done
    finally:
        if server.process is not None:
            server.kill()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("value", ["m-1", "m-1=", "=maildir:/x", "m-1=maildir:", "m-1=lmtp://host", "m-1=smtp://host:25"])
def test_a_mapping_that_is_none_is_one_sentence(value, tmp_path):
    done = subprocess.run([BINARY, "serve", "--data", str(tmp_path), "--workmail", value], capture_output=True, text=True,
                          timeout=30, check=False)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "--workmail wants ORGANIZATION=" in done.stderr, done
