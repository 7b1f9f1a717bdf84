"""Peers that misbehave: each abuse has its reply and its metric, takes bounded memory, and holds up nobody else's mail."""
import contextlib
import json
import socket
import threading
import time

import pytest

from conftest import SLOW as SLOWER
from conftest import Receiving, eventually
from hostile import ABUSER, MAIL, Honest, Memory, descriptors, dial, hear, hear_all, metric, reset, stage, tell

EHLO, FROM, TO = b"EHLO abuser.example\r\n", b"MAIL FROM:<a@abuser.example>\r\n", b"RCPT TO:<user@example.com>\r\n"
ENVELOPE = (EHLO, FROM, TO)
TIMEOUT = b"Timeout, closing connection\r\n"
MB = 1 << 20


def open_place(make_server, *flags):
    server = make_server(*flags)
    receiving = Receiving(server)
    receiving.store()
    with Honest(server):  # what is allocated once for ever is no abuser's doing
        pass
    return server, receiving


def quiet(server):
    """No session is open and nothing of an unfinished message is held."""
    return metric(server, "sesame_smtp_connections") == 0 and metric(server, "sesame_spool_draft_bytes") == 0


# ---- slow, silent, gone

# Each is said one octet at a time, so slowly that no pause is as long as a time-out and the whole is longer.
SLOW = {
    "in a command": ((), b"EHLO " + 200 * b"x", "421 4.4.2"),
    "in a message": ((*ENVELOPE, b"DATA\r\n"), 100 * b"yz\r\n", "421 4.4.2"),
    "in a chunk": ((*ENVELOPE,), b"BDAT 1000 LAST\r\n" + 900 * b"z", "421 4.4.2"),
    "in a message that is only swallowed": ((*ENVELOPE, b"DATA\r\n"), b"\n" + 200 * b"z", "421 4.4.2"),
}


def drip(sock, octets, every=0.1):
    for at in range(len(octets)):
        if not tell(sock, octets[at:at + 1]):
            return
        sock.settimeout(every)
        with contextlib.suppress(TimeoutError, ConnectionError):
            if not sock.recv(1, socket.MSG_PEEK):
                return
            return  # it was told something
    raise AssertionError("it may go on for ever")


@pytest.mark.parametrize("where", SLOW)
def test_a_slow_sender_meets_the_time_of_the_whole(make_server, where):
    server, _ = open_place(make_server, "--command-timeout", "1", "--message-timeout", "2")
    said, dripped, reply = SLOW[where]
    before = metric(server, 'sesame_smtp_sessions_total{outcome="timeout"}')
    with Honest(server), Memory(server, 8 * MB):
        socks = [dial(server) for _ in range(50)]
        for sock in socks:
            stage(sock, *said)
        began = time.monotonic()
        threads = [threading.Thread(target=drip, args=(sock, dripped)) for sock in socks]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert 0.9 < time.monotonic() - began < 8
        for sock in socks:
            sock.settimeout(20)
            assert hear_all(sock).startswith(reply.encode())
            sock.close()
    assert eventually(lambda: quiet(server))
    assert eventually(lambda: metric(server, 'sesame_smtp_sessions_total{outcome="timeout"}') == before + 50)
    assert metric(server, 'sesame_smtp_refusals_total{reason="timeout"}') >= 50


def test_a_handshake_has_the_time_of_a_command(make_server):
    server, _ = open_place(make_server, "--command-timeout", "1")
    with Honest(server), Memory(server, 8 * MB):
        socks = [dial(server) for _ in range(20)]
        for sock in socks:
            assert stage(sock, b"STARTTLS\r\n").startswith(b"220 2.0.0")
            sock.sendall(b"\x16\x03\x01\x02\x00\x01")  # the beginning of a ClientHello
        began = time.monotonic()
        for sock in socks:
            assert hear_all(sock) == b""  # there is nothing that could be said
            sock.close()
        assert time.monotonic() - began < 8
    assert eventually(lambda: metric(server, 'sesame_smtp_sessions_total{outcome="timeout"}') >= 20)
    assert eventually(lambda: quiet(server))


STAGES = {
    "nothing said": (),
    "EHLO": (EHLO,),
    "half a command": (EHLO, b"MAIL FR"),
    "MAIL": (EHLO, FROM),
    "RCPT": ENVELOPE,
    "DATA": (*ENVELOPE, b"DATA\r\n"),
    "half a message": (*ENVELOPE, b"DATA\r\n", b"Subject: x\r\n\r\n" + 300_000 * b"x"),
    "a swallowed message": (*ENVELOPE, b"DATA\r\n", b"bare\nnewline"),
    "half a chunk": (*ENVELOPE, b"BDAT 400000 LAST\r\nSubject: x\r\n\r\n" + 300_000 * b"x"),
    "between chunks": (*ENVELOPE, b"BDAT 3\r\na\r\n"),
    "a chunk that is too large": (*ENVELOPE, b"BDAT 99999999999 LAST\r\nx"),
    "an unfinished handshake": (EHLO, b"STARTTLS\r\n", b"\x16\x03\x01\x02\x00\x01"),
    "a finished message": (*ENVELOPE, b"DATA\r\n", MAIL + b".\r\n"),
    "a message whose reply nobody awaits": (*ENVELOPE, b"DATA\r\n", MAIL + b".\r\nNOOP\r\nMAIL FROM:<a@b.example>\r\n"),
}


def go_to(sock, steps):
    """The last step is not waited for: what is half said has no reply."""
    hear(sock)
    for at, octets in enumerate(steps):
        sock.sendall(octets)
        if at + 1 < len(steps):
            hear(sock)


@pytest.mark.as_root  # counts descriptors, which a server shows to root alone
@pytest.mark.parametrize("how", ["silent", "half-closed", "reset"])
def test_who_falls_silent_or_leaves_at_any_step_leaves_nothing_behind(make_server, how):
    server, receiving = open_place(make_server, "--command-timeout", "2", "--message-timeout", "3")
    assert eventually(lambda: quiet(server))
    open_before = descriptors(server)
    whole = 0
    with Honest(server), Memory(server, 24 * MB):
        for _ in range(3):
            socks = []
            for name, steps in STAGES.items():
                for _ in range(5):
                    sock = dial(server)
                    go_to(sock, steps)
                    socks.append(sock)
                    whole += name.endswith("message") and name.startswith("a finished") and how != "reset"
            for sock in socks:
                if how == "reset":
                    reset(sock)
                elif how == "half-closed":
                    sock.shutdown(socket.SHUT_WR)
            for sock in socks:
                if how != "reset":
                    hear_all(sock)
                sock.close()
        assert eventually(lambda: metric(server, "sesame_smtp_connections") <= 1), "a session stayed"
    assert eventually(lambda: quiet(server)), server.get("/_sesame/metrics")
    assert eventually(lambda: descriptors(server) <= open_before + 4), "a descriptor stayed"
    outcome = "timeout" if how == "silent" else "gone"
    assert eventually(lambda: metric(server, f'sesame_smtp_sessions_total{{outcome="{outcome}"}}') >= 3 * 5 * (len(STAGES) - 2))
    assert eventually(lambda: len(receiving.keys()) >= whole)


def test_resets_in_the_middle_of_replies_and_commits(make_server):
    """Not at a quiet moment: the RST meets the server at work."""
    server, _ = open_place(make_server)
    everything = b"".join(ENVELOPE) + b"DATA\r\n" + MAIL + 2000 * b"0123456789abcdef\r\n" + b".\r\n"
    with Honest(server), Memory(server, 16 * MB):
        for cut in range(0, len(everything), 97):
            sock = dial(server)
            sock.sendall(everything[:cut])
            reset(sock)
        for _ in range(200):
            sock = dial(server)
            sock.sendall(everything)
            reset(sock)
    assert eventually(lambda: quiet(server))


# ---- floods

def refusals(server, **want):
    found = server.get("/_sesame/refused?limit=1000")["refused"]
    return [r for r in found if all(r.get(k) == v for k, v in want.items())]


def test_a_flood_from_one_address_is_told_421_and_others_come_in(make_server):
    server, _ = open_place(make_server, "--connections-per-address", "10", "--refused-rate", "50")
    before = metric(server, 'sesame_smtp_refusals_total{reason="connections"}')
    with Honest(server), Memory(server, 8 * MB):
        held = [dial(server) for _ in range(10)]
        for sock in held:
            assert hear(sock).startswith(b"220")
        for _ in range(500):
            with dial(server) as sock:
                heard = hear_all(sock)
                assert heard.startswith(b"421 4.7.0 ") and b"Too many connections from [127.0.0.2]\r\n" in heard, heard
        for sock in held:
            sock.close()
    assert metric(server, 'sesame_smtp_refusals_total{reason="connections"}') == before + 500
    found = refusals(server, peer=ABUSER)
    assert found and all(r["reason"] == "per_address" for r in found), found[:2]
    assert len(found) + metric(server, "sesame_smtp_refusals_left_out_total") >= 500

    def again():
        with dial(server) as sock:
            return hear(sock).startswith(b"220")
    assert eventually(again), "its place is free again"


def test_a_flood_from_everywhere_takes_no_place_from_who_sends(make_server):
    """All places are taken by sessions that say nothing, from as many addresses; then an honest sender comes."""
    server, receiving = open_place(make_server, "--connections-max", "100", "--crowded-after", "1", "--refused-rate", "1000")
    assert eventually(lambda: quiet(server))
    with Memory(server, 8 * MB):
        held = [dial(server, f"127.0.1.{1 + n}") for n in range(100)]
        for at, sock in enumerate(held):
            assert hear(sock).startswith(b"220")
            if at % 3 == 1:
                sock.sendall(EHLO + FROM)
            if at % 3 == 2:  # a message of a few octets a second
                sock.sendall(b"".join(ENVELOPE) + b"DATA\r\nS")

        def sent():
            with contextlib.suppress(Exception):
                return server.send(MAIL)
        message = eventually(sent, 10)
        assert message, "nobody comes in"
        for sock in held:
            sock.settimeout(20)
            heard = hear_all(sock)
            assert b"421 4.7.0" in heard and heard.endswith(b"Too many connections, try again later\r\n"), heard
            sock.close()
    assert eventually(lambda: metric(server, 'sesame_smtp_sessions_total{outcome="crowded_out"}') == 100)
    assert refusals(server, reason="connections", refused="session")
    assert eventually(lambda: quiet(server)) and server.settled(message)["state"] == "delivered"


def test_who_reads_no_replies_is_held_back_and_let_go(make_server):
    server, _ = open_place(make_server, "--command-timeout", str(round(2 * SLOWER)), "--commands-max", "100000000")
    # Fifty floods take all the time there is of two slow cores, with seven other tests beside them: 1.3 s were seen.
    with Honest(server, slowest=3.0), Memory(server, 12 * MB):
        socks = [dial(server) for _ in range(50)]
        for sock in socks:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.setblocking(False)
        flood, told, gone = 2000 * b"HELP\r\n", 0, set()
        end = time.monotonic() + 30 * SLOWER
        while len(gone) < len(socks) and time.monotonic() < end:
            for sock in socks:
                if sock in gone:
                    continue
                try:
                    told += sock.send(flood)
                except BlockingIOError:
                    pass
                except OSError:
                    gone.add(sock)
            time.sleep(0.005)
        assert len(gone) == len(socks), f"{len(socks) - len(gone)} are still heard"
        for sock in socks:
            sock.close()
    assert eventually(lambda: metric(server, 'sesame_smtp_sessions_total{outcome="timeout"}') >= 50)
    assert eventually(lambda: quiet(server))


def test_a_flood_of_commands_ends_with_421(make_server):
    server, _ = open_place(make_server)
    with Honest(server), Memory(server, 8 * MB):
        for _ in range(20):
            with dial(server) as sock:
                tell(sock, 5000 * b"NOOP\r\n")
                heard = hear_all(sock)
                assert heard.endswith(b"Too many commands without a message\r\n"), heard[-100:]
    assert metric(server, 'sesame_smtp_refusals_total{reason="commands"}') == 20
    assert len(refusals(server, peer=ABUSER, reason="commands")) == 20


# ---- things without an end

def pour(sock, octets):
    """Sends it again and again until nobody listens: some seconds later, as one who was sent away is heard out for two."""
    end = time.monotonic() + 10 * SLOWER
    while tell(sock, octets):
        assert time.monotonic() < end, "it may go on for ever"


def test_a_command_line_without_end_ends_the_session(make_server):
    server, _ = open_place(make_server)
    with Honest(server), Memory(server, 8 * MB):
        for _ in range(5):
            with dial(server) as sock:
                hear(sock)
                pour(sock, MB * b"x")
    assert metric(server, 'sesame_smtp_refusals_total{reason="endless"}') == 5
    assert len(refusals(server, peer=ABUSER, reason="endless", refused="session")) == 5
    assert eventually(lambda: quiet(server))


def test_a_message_without_end_is_swallowed_and_then_the_session_ends(make_server):
    server, receiving = open_place(make_server, "--message-max", "1000000")
    before = len(receiving.keys())
    with Honest(server), Memory(server, 8 * MB):
        for begin, line in (("Subject: x\r\n\r\n", 998 * "x" + "\r\n"), ("", 1000 * "x"), ("X-Endless: ", "folded for ever\r\n "),
                            ("", "X-Field: y\r\n"), ("\nswallowed", 998 * "x" + "\r\n")):
            with dial(server) as sock:
                assert stage(sock, *ENVELOPE, b"DATA\r\n").startswith(b"354")
                tell(sock, begin.encode())
                pour(sock, line.encode() * (MB // len(line)))
        with dial(server) as sock:
            stage(sock, *ENVELOPE)
            sock.sendall(b"BDAT 2000002\r\n")
            assert hear_all(sock) == b"552 5.3.4 Message without end; closing connection\r\n"
    assert metric(server, 'sesame_smtp_refusals_total{reason="endless"}') == 6
    assert len(refusals(server, peer=ABUSER, reason="endless", refused="message")) == 6
    assert eventually(lambda: quiet(server))
    assert all(b"honest" in receiving.object(key) for key in receiving.keys()[before:before + 20])


LARGE = {
    "a hundred thousand fields": b"".join(b"X-F%d: value %d\r\n" % (n, n) for n in range(100_000)),
    "a hundred thousand addresses": b"To: " + b",\r\n ".join(b"u%d@example.com" % n for n in range(100_000)) + b"\r\n",
    "one field of ten megabytes": b"X-Long: " + 150_000 * b"sixty octets of a line that is folded again and again\r\n " + b"\r\n",
    "a field line of ten megabytes": b"Subject: " + 10_000_000 * b"s" + b"\r\n",
    "ten megabytes of encoded words": b"Subject: " + 250_000 * b"=?utf-8?q?=c3=bc=c3=bc=c3=bc?=\r\n " + b"\r\n",
    "deep comments": b"From: " + 100_000 * b"(" + b"a@b.example" + 100_000 * b")" + b"\r\n",
    "deep multiparts": b"".join(b'Content-Type: multipart/mixed; boundary="%d"\r\n\r\n--%d\r\n' % (n, n) for n in range(50_000)),
    "no header section": 10_000_000 * b"x" + b"\r\n",
}


@pytest.mark.parametrize("what", LARGE)
def test_a_large_header_section_is_delivered_by_every_action_within_bounds(make_server, what):
    """AddHeader, SNS with the whole message, its notice, Bounce's question who to tell: all that parse it."""
    server, receiving = open_place(make_server)
    topic = server.client("sns").create_topic(Name="mail")["TopicArn"]
    policy = json.loads(receiving.s3.get_bucket_policy(Bucket="mail")["Policy"])
    policy["Statement"][0].pop("Condition")
    receiving.policy("mail", policy)
    receiving.rule("large", {"AddHeaderAction": {"HeaderName": "X-Seen", "HeaderValue": "yes"}},
                   {"S3Action": {"BucketName": "mail", "ObjectKeyPrefix": "large/", "TopicArn": topic}},
                   {"SNSAction": {"TopicArn": topic, "Encoding": "Base64"}},
                   {"BounceAction": {"SmtpReplyCode": "550", "StatusCode": "5.1.1", "Message": "no", "Sender": "b@example.com"}},
                   recipients=["large@example.com"])
    message = LARGE[what] + b"\r\nbody\r\n"
    with Honest(server), Memory(server, 160 * MB):
        with dial(server) as sock:
            assert stage(sock, EHLO, FROM, b"RCPT TO:<large@example.com>\r\n", b"DATA\r\n").startswith(b"354")
            sock.sendall(message + b".\r\n")
            reply = hear(sock).decode()
        assert reply.startswith("250 2.0.0 OK "), reply
        began = time.monotonic()
        timeline = server.settled(reply.split()[-1], ("delivered", "dead", "retrying"), 60)
        assert time.monotonic() - began < 20
        assert timeline["attempts"], timeline
    for attempt in timeline["attempts"]:
        print(attempt["action"], attempt["outcome"], attempt.get("says", "")[:150])
