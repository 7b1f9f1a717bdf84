"""What a stranger may say, and what it is told."""
import re
import smtplib
import socket
import ssl
import subprocess
import time

import pytest

from conftest import Raw, Receiving, data, eventually, message_id

MAIL = b"Subject: smtp\r\n\r\nbody\r\n"


@pytest.fixture(scope="module")
def place(shared_server):
    receiving = Receiving(shared_server)
    receiving.store()
    return receiving


@pytest.fixture
def raw(shared_server, place):
    with Raw(shared_server) as session:
        assert re.fullmatch(rb"220 \S+ ESMTP Sesame [A-Za-z0-9]{20}\r\n", session.reply())
        yield session


def begin(raw, ehlo=b"EHLO client.example\r\n"):
    assert raw.ask(ehlo).startswith(b"250")
    assert raw.ask(b"MAIL FROM:<a@sender.example>\r\n").startswith(b"250 2.1.0")
    assert raw.ask(b"RCPT TO:<user@example.com>\r\n").startswith(b"250 2.1.5")


def insecure():
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def test_ehlo_offers_what_there_is(raw):
    lines = raw.ask(b"EHLO client.example\r\n").decode().split("\r\n")[1:-1]
    words = {line[4:].split()[0] for line in lines}
    assert words == {"PIPELINING", "SIZE", "8BITMIME", "STARTTLS", "ENHANCEDSTATUSCODES", "SMTPUTF8", "CHUNKING"}
    assert "SIZE 41943040" in {line[4:] for line in lines}


def test_the_words_out_of_turn(raw):
    assert raw.ask(b"MAIL FROM:<a@b.example>\r\n").startswith(b"503 5.5.1")
    assert raw.ask(b"HELO client.example\r\n").startswith(b"250 ")
    assert raw.ask(b"RCPT TO:<user@example.com>\r\n").startswith(b"503 5.5.1")
    assert raw.ask(b"DATA\r\n").startswith(b"503 5.5.1")
    assert raw.ask(b"MAIL FROM:<a@b.example>\r\n").startswith(b"250")
    assert raw.ask(b"MAIL FROM:<a@b.example>\r\n").startswith(b"503 5.5.1")
    assert raw.ask(b"DATA\r\n").startswith(b"503 5.5.1")
    assert raw.ask(b"RSET\r\n").startswith(b"250")
    assert raw.ask(b"NOOP\r\n").startswith(b"250")
    assert raw.ask(b"VRFY user\r\n").startswith(b"252")
    assert raw.ask(b"EXPN list\r\n").startswith(b"502")
    assert raw.ask(b"HELP\r\n").startswith(b"214")
    assert raw.ask(b"WHAT\r\n").startswith(b"500 5.5.2")
    assert raw.ask(b"QUIT\r\n").startswith(b"221 2.0.0")
    assert raw.reply() == b""


@pytest.mark.parametrize("line,code", [
    (b"MAIL FROM:<a@b.example", b"501 5.5.4"), (b"MAIL FROM:<a@b.example> SIZE=x", b"501 5.5.4"),
    (b"MAIL FROM:<a@b.example> NOSUCH=1", b"555 5.5.4"), (b"MAIL FROM:<a@b.example> SIZE=41943041", b"552 5.3.4"),
    (b"MAIL FROM:<a@b.example> SIZE=41943040 BODY=8BITMIME", b"250"), (b"MAIL FROM:<>", b"250"),
    (b"MAIL FROM:<nobody>", b"250"), (b"mail from:<a@b.example>", b"250"), (b"MAIL FROM:<\"a b\"@b.example>", b"250"),
    (b"MAIL TO:<a@b.example>", b"501"), (b"MAIL", b"501")])
def test_mail_from(raw, line, code):
    raw.ask(b"EHLO client.example\r\n")
    assert raw.ask(line + b"\r\n").startswith(code)


SMUGGLING = {
    "LF . LF": b"a\n.\nb", "LF . CRLF": b"a\n.\r\nb", "CR . CR": b"a\r.\rb", "CRLF . LF": b"a\r\n.\nb",
    "CRLF . CR": b"a\r\n.\rb", "CR LF . CR": b"a\r.\r\nb", "bare LF": b"a\nb", "bare CR": b"a\rb",
    "CR CR LF": b"a\r\r\n.\r\r\nb", "LF first": b"\na", "NUL between": b"a\r\n.\x00\r\nb\n",
}


@pytest.mark.parametrize("name", SMUGGLING)
@pytest.mark.parametrize("cut", [None, 1, 3])
def test_a_bare_cr_or_lf_never_ends_a_line_and_never_passes(shared_server, place, raw, name, cut):
    begin(raw)
    assert raw.ask(b"DATA\r\n").startswith(b"354")
    before = place.keys()
    octets = b"Subject: x\r\n\r\n" + SMUGGLING[name] + \
        b"\r\nMAIL FROM:<evil@sender.example>\r\nRCPT TO:<user@example.com>\r\nDATA\r\nsmuggled\r\n.\r\n"
    if cut is None:
        raw.write(octets)
    else:
        for at in range(0, len(octets), cut):
            raw.write(octets[at:at + cut])
    reply = raw.reply()
    assert re.match(rb"55[0-9] 5\.6\.\d+ ", reply), reply
    assert raw.file.read() == b"", "nothing behind it is obeyed"
    assert place.keys() == before


def test_only_crlf_dot_crlf_ends_a_message(shared_server, place, raw):
    begin(raw)
    assert raw.ask(b"DATA\r\n").startswith(b"354")
    octets = MAIL + b".. stuffed\r\n."
    for at in range(len(octets)):
        raw.write(octets[at:at + 1])
    reply = raw.ask(b"\r\n")
    message = message_id(int(reply[:3]), reply[4:].strip())
    shared_server.settled(message, ["delivered"])
    assert place.object(message).endswith(MAIL + b". stuffed\r\n")


def test_a_bare_lf_ends_no_command(raw):
    raw.write(b"EHLO client.example\n")
    raw.write(b"NOOP\r\n")
    assert raw.reply().startswith(b"500")


def test_everything_in_one_packet(shared_server, place, raw):
    raw.write(b"EHLO client.example\r\nMAIL FROM:<a@sender.example>\r\nRCPT TO:<user@example.com>\r\n"
              b"RCPT TO:<no@elsewhere.example>\r\nDATA\r\n")
    codes = [raw.reply()[:3] for _ in range(5)]
    assert codes == [b"250", b"250", b"250", b"550", b"354"]
    raw.write(MAIL + b".\r\nMAIL FROM:<b@sender.example>\r\nRCPT TO:<user@example.com>\r\nDATA\r\n")
    first = raw.reply()
    assert [raw.reply()[:3] for _ in range(3)] == [b"250", b"250", b"354"]
    raw.write(MAIL + b".\r\nQUIT\r\n")
    second = raw.reply()
    assert raw.reply().startswith(b"221")
    for reply in (first, second):
        message = message_id(int(reply[:3]), reply[4:].strip())
        shared_server.settled(message, ["delivered"])


def test_bdat(shared_server, place, raw):
    begin(raw)
    assert raw.ask(b"BDAT 10\r\nSubject: b").startswith(b"250")
    assert raw.ask(b"BDAT 12\r\n\r\n\r\n.\r\n.. \r\n").startswith(b"250")
    reply = raw.ask(b"BDAT 0 LAST\r\n")
    message = message_id(int(reply[:3]), reply[4:].strip())
    shared_server.settled(message, ["delivered"])
    assert place.object(message).endswith(b"Subject: b\r\n\r\n.\r\n.. \r\n")
    begin(raw)
    assert raw.ask(b"BDAT 5 LAST\r\na\nb\r\n").startswith(b"55")
    assert raw.ask(b"NOOP\r\n").startswith(b"250")
    assert raw.ask(b"BDAT 3 LAST\r\nabc").startswith(b"503")
    assert raw.ask(b"NOOP\r\n").startswith(b"250")


def test_starttls_forgets_what_was_said_before(shared_server, place, raw):
    assert b"STARTTLS" in raw.ask(b"EHLO client.example\r\n")
    raw.write(b"STARTTLS\r\nMAIL FROM:<evil@sender.example>\r\nNOOP\r\n")
    assert raw.reply().startswith(b"220 2.0.0")
    tls = insecure().wrap_socket(raw.socket)
    assert tls.version() in ("TLSv1.2", "TLSv1.3")
    tls.settimeout(0.5)
    with pytest.raises(TimeoutError):
        tls.recv(100)
    tls.settimeout(10)
    tls.sendall(b"MAIL FROM:<a@sender.example>\r\n")
    assert tls.recv(1000).startswith(b"503"), "EHLO must be said again"
    tls.sendall(b"EHLO client.example\r\n")
    assert b"STARTTLS" not in tls.recv(4000)
    tls.sendall(b"MAIL FROM:<a@sender.example>\r\nRCPT TO:<user@example.com>\r\nDATA\r\n")
    seen = b""
    while b"354" not in seen:
        seen += tls.recv(1000)
    tls.sendall(MAIL + b".\r\n")
    reply = tls.recv(1000)
    message = message_id(int(reply[:3]), reply[4:].strip())
    timeline = shared_server.settled(message, ["delivered"])
    assert timeline["peer"] == "127.0.0.1"
    assert timeline["connection"] == {"ehlo": "client.example", "tls": True, "tlsVersion": tls.version(),
                                      "tlsCipher": tls.cipher()[0]}
    assert b"with SMTP id" in place.object(message)
    tls.close()


def test_old_tls_is_refused(raw):
    raw.ask(b"EHLO client.example\r\n")
    raw.ask(b"STARTTLS\r\n")
    context = insecure()
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises((ssl.SSLError, OSError)):
        context.wrap_socket(raw.socket)


def test_smtputf8_and_eight_bits(shared_server, place):
    with shared_server.smtp() as session:
        session.ehlo()
        session.command_encoding = "utf-8"
        assert session.mail("ü@sender.example", ["SMTPUTF8", "BODY=8BITMIME"])[0] == 250
        session.putcmd("RCPT TO:<grüße@example.com>")
        assert session.getreply()[0] == 250
        message = message_id(*data(session, "Subject: grüße\r\n\r\nü\r\n".encode()))
    timeline = shared_server.settled(message, ["delivered"])
    assert timeline["envelope"] == {**timeline["envelope"], "from": "ü@sender.example", "recipients": ["grüße@example.com"]}


def test_a_hundred_recipients_and_no_more(raw):
    raw.ask(b"EHLO client.example\r\n")
    raw.ask(b"MAIL FROM:<a@sender.example>\r\n")
    for n in range(100):
        assert raw.ask(b"RCPT TO:<u%d@example.com>\r\n" % n).startswith(b"250"), n
    assert raw.ask(b"RCPT TO:<u100@example.com>\r\n").startswith(b"452 4.5.3 Too many recipients")
    assert raw.ask(b"DATA\r\n").startswith(b"354")
    assert raw.ask(MAIL + b".\r\n").startswith(b"250")


def test_a_message_over_the_limit_is_refused_after_its_end(shared_server, place, raw):
    begin(raw)
    raw.ask(b"DATA\r\n")
    chunk = b"x" * 998 + b"\r\n"
    for _ in range(41):
        raw.write(chunk * 1024)
    assert raw.ask(b".\r\n").startswith(b"552 5.3.4 Message size exceeds fixed limit")
    begin(raw)


HOP = b"Received: from a.example by b.example; Thu, 26 Nov 2026 10:00:00 +0000\r\n"


def test_a_message_that_goes_round_in_circles_is_refused(shared_server, place, raw):
    begin(raw)
    assert raw.ask(b"DATA\r\n").startswith(b"354")
    reply = raw.ask(100 * HOP + MAIL + 3 * HOP + b".\r\n")  # those in the body are no fields
    shared_server.settled(message_id(int(reply[:3]), reply[4:].strip()), ["delivered"])
    begin(raw)
    assert raw.ask(b"DATA\r\n").startswith(b"354")
    assert raw.ask(101 * HOP + MAIL + b".\r\n") == \
        b"554 5.4.6 Too many Received fields: the message goes round in circles\r\n"
    begin(raw)
    half = 60 * HOP
    assert raw.ask(b"BDAT %d\r\n" % len(half) + half).startswith(b"250")
    assert raw.ask(b"BDAT %d LAST\r\n" % len(half) + half).startswith(b"554 5.4.6")
    refused = shared_server.get("/_sesame/refused?limit=2")
    assert "more than a hundred servers" in str(refused), refused


def test_long_command_lines(raw):
    assert raw.ask(b"EHLO " + b"x" * 2030 + b"\r\n")[:1] in b"25"
    assert raw.ask(b"NOOP " + b"x" * 5000 + b"\r\n").startswith(b"500")
    assert raw.ask(b"NOOP\r\n").startswith(b"250")


def test_too_many_errors_end_the_session(raw):
    raw.ask(b"EHLO client.example\r\n")
    for _ in range(1000):
        reply = raw.ask(b"WHAT\r\n")
        if reply.startswith(b"421"):
            break
    assert reply.startswith(b"421 4.7.0"), reply
    assert raw.reply() == b""


def test_smtp_source_pipelines(shared_server, place):
    def is_quiet():  # mail of the tests before this one may still be on its way
        health = shared_server.get("/_sesame/health")
        return health["queued"] + health["delivering"] + health["retrying"] == 0
    assert eventually(is_quiet)
    before = len(place.keys())
    done = subprocess.run(["/usr/sbin/smtp-source", "-s", "10", "-m", "200", "-l", "5000", "-d", "-f", "s@sender.example",
                           "-t", "user@example.com", f"{shared_server.host}:{shared_server.port}"],
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert eventually(lambda: len(place.keys()) == before + 200), len(place.keys())


def test_compat_ses_speaks_as_ses_does(make_server):
    server = make_server("--compat", "ses", "--hostname", "inbound-smtp.us-east-1.amazonaws.com")
    Receiving(server).store()
    with Raw(server) as raw:
        assert re.fullmatch(rb"220 inbound-smtp\.us-east-1\.amazonaws\.com ESMTP Amazon SES [A-Za-z0-9]{20}\r\n", raw.reply())
        assert raw.ask(b"EHLO client.example.org\r\n") == \
            b"250-inbound-smtp.us-east-1.amazonaws.com\r\n250-8BITMIME\r\n250-STARTTLS\r\n250 Ok\r\n"
        assert raw.ask(b"MAIL FROM:<sender@example.org>\r\n") == b"250 Ok\r\n"
        assert raw.ask(b"RCPT TO:<user@example.com>\r\n") == b"250 Ok\r\n"
        assert raw.ask(b"RCPT TO:<nobody@unverified.example>\r\n") == \
            b"550 5.1.1 Requested action not taken: mailbox unavailable\r\n"
        assert raw.ask(b"DATA\r\n").startswith(b"354 ")
        assert re.fullmatch(rb"250 OK [0-9a-v]{40}\r\n", raw.ask(MAIL + b".\r\n"))


def test_connections_are_limited(make_server):
    server = make_server("--connections-max", "3")
    held = [Raw(server) for _ in range(3)]
    for raw in held:
        assert raw.reply().startswith(b"220")
    with Raw(server) as one_more:
        assert one_more.reply().startswith(b"421 4.")
        assert one_more.reply() == b""
    held.pop().close()
    def free():
        with Raw(server) as raw:
            return raw.reply().startswith(b"220")
    assert eventually(free)
    for raw in held:
        raw.close()


def test_sigterm_drains(make_server):
    server = make_server()
    receiving = Receiving(server)
    receiving.store()
    with Raw(server) as raw:
        raw.reply()
        begin(raw)
        assert raw.ask(b"DATA\r\n").startswith(b"354")
        raw.write(MAIL)
        server.process.terminate()
        time.sleep(0.3)
        with pytest.raises(OSError):
            socket.create_connection((server.host, server.port), 1).recv(1) or (_ for _ in ()).throw(OSError())
        reply = raw.ask(b".\r\n")
        message = message_id(int(reply[:3]), reply[4:].strip())
    assert server.process.wait(20) == 0
    server.process.stdout.close()
    server.process = None
    server.start()
    server.settled(message, ["delivered"])


def test_idle_sessions_are_let_go(make_server):
    server = make_server("--command-timeout", "1")
    with Raw(server) as raw:
        raw.reply()
        started = time.monotonic()
        assert raw.reply().startswith(b"421 4.4.2")
        assert time.monotonic() - started < 10
