"""`sesame send`: a test message with chosen envelope, text and TLS, against our own server and a stranger's."""
import email
import email.policy
import json
import re
import socket
import subprocess
import threading

import pytest

from conftest import BINARY, Receiving, eventually


def send(server, *arguments, text=None):
    where = () if server is None else ("--data", str(server.data))
    return subprocess.run([BINARY, "send", *where, *arguments], capture_output=True, text=True, input=text,
                          timeout=60, check=False)


def stored(receiving, message_id):
    assert eventually(lambda: message_id in receiving.keys())
    return receiving.object(message_id)


def test_a_few_words_arrive(server):
    receiving = Receiving(server)
    receiving.store()
    done = send(server, "--to", "user@example.com", "--subject", "grün", "--body", "erste\n.\nletzte")
    assert done.returncode == 0 and done.stderr == "", done
    message_id = re.fullmatch(r"the server said 250 2.0.0 OK (\w{40})\nmessage \1\n", done.stdout).group(1)
    message = email.message_from_bytes(stored(receiving, message_id), policy=email.policy.default)
    assert (message["Subject"], message["From"], message["To"]) == ("grün", "sender@example.net", "user@example.com")
    assert message.get_content() == "erste\r\n.\r\nletzte\r\n"
    assert server.timeline(message_id)["envelope"] == {"from": "sender@example.net", "recipients": ["user@example.com"]}


def test_a_file_arrives_as_it_is_with_its_lines_ended_in_crlf(server, tmp_path):
    receiving = Receiving(server)
    receiving.store()
    path = tmp_path / "mail.eml"
    path.write_bytes(b"Subject: s\n\n.dot\r\nno end")
    for arguments, text in ((str(path),), None), (("-",), "Subject: s\n\n.dot\nno end"):
        done = send(server, "--from", "<>", "--to", "a@example.com", "--to", "b@example.com", "--json", *arguments, text=text)
        assert done.returncode == 0, done
        told = json.loads(done.stdout)
        assert stored(receiving, told["messageId"]).endswith(b"\r\nSubject: s\r\n\r\n.dot\r\nno end\r\n")
        assert server.timeline(told["messageId"])["envelope"] == {"from": "", "recipients": ["a@example.com", "b@example.com"]}
        assert [r["taken"] for r in told["recipients"]] == [True, True]


def test_tls_is_used_when_it_is_asked_for(server):
    receiving = Receiving(server)
    receiving.store(rule="secret", tls="Require")
    clear = send(server, "--to", "user@example.com")
    assert (clear.returncode, clear.stdout) == (1, "")
    assert clear.stderr == ("sesame: not sent to user@example.com: RCPT was answered 530 5.7.0 Must issue a STARTTLS "
                            "command first\n")
    assert send(server, "--to", "user@example.com", "--tls").returncode == 0


def test_one_refused_recipient_is_told_and_the_others_get_it(server):
    receiving = Receiving(server)
    receiving.store()
    done = send(server, "--to", "user@example.com", "--to", "user@elsewhere.example")
    assert done.returncode == 1
    assert re.fullmatch(r"the server said 250 2.0.0 OK \w{40}\nmessage \w{40}\n", done.stdout)
    assert done.stderr == ("sesame: not sent to user@elsewhere.example: RCPT was answered 550 5.1.1 Requested action not "
                           "taken: mailbox unavailable\n")


@pytest.mark.parametrize("arguments, says", [
    (["--server", "127.0.0.1:1"], "to whom?"), (["--to", "nobody"], "is no address"),
    (["--to", "a@b.example", "--from", "a b"], "is no address"), (["--to", "a@b.example", "--body", "x", "-"], "either FILE"),
    (["--to", "a@b.example", "/nowhere/at/all"], "cannot be read"), (["--to", "a@b.example", "-", "-"], "no place for")])
def test_a_wrong_question_is_exit_2(arguments, says):
    done = send(None, *arguments, text="x\n")
    assert (done.returncode, done.stdout) == (2, "") and says in done.stderr and done.stderr.count("\n") == 1, done


def test_nobody_there_is_exit_1(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    done = send(None, "--server", address, "--to", "a@b.example")
    assert done.returncode == 1 and f"no connection to {address}" in done.stderr, done
    done = send(None, "--data", str(tmp_path), "--to", "a@b.example")
    assert done.returncode == 1 and done.stderr.count("\n") == 1, done


def test_a_server_without_starttls_is_not_spoken_to_in_the_clear():
    heard = []

    def serve(listener):
        peer, _ = listener.accept()
        with peer, peer.makefile("rwb", 0) as lines:
            lines.write(b"220 hi\r\n")
            for line in lines:
                heard.append(line)
                lines.write(b"250 8BITMIME\r\n" if line.startswith(b"EHLO") else b"221 bye\r\n")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        done = send(None, "--server", f"127.0.0.1:{listener.getsockname()[1]}", "--to", "a@b.example", "--tls")
        thread.join(10)
    assert done.returncode == 1 and "does not offer STARTTLS" in done.stderr, done
    assert heard == [b"EHLO localhost\r\n", b"QUIT\r\n"]
