"""What guests cost in memory, and that it is given back when they have gone: bench/sizes.py in small."""
import smtplib
import threading
import time

import pytest

from conftest import Receiving, eventually
from hostile import dial, hear, metric, rss_anon
from test_smtp import insecure

pytestmark = pytest.mark.own_memory
MB, REST = 1 << 20, 12e6
IDLE, IDLE_TLS = 1500, 400


def at_rest(server):
    """Looked at from outside: a server that is asked again and again is not at rest."""
    return eventually(lambda: metric(server, "sesame_smtp_connections") == 0) and eventually(lambda: rss_anon(server) < REST, 20)


def test_idle_sessions_are_small_and_leave_nothing_behind(make_server):
    server = make_server()
    Receiving(server).store()
    assert at_rest(server), rss_anon(server)
    server.send(b"Subject: warm\r\n\r\n")
    before, socks = rss_anon(server), []
    for _ in range(IDLE):
        sock = dial(server)
        hear(sock)
        sock.sendall(b"EHLO idle.example\r\n")
        hear(sock)
        socks.append(sock)
    each = (rss_anon(server) - before) / IDLE
    assert each < 4096, each
    for sock in socks:
        sock.close()
    assert at_rest(server), rss_anon(server)


def test_idle_sessions_under_tls_are_small_and_leave_nothing_behind(make_server):
    server = make_server()
    Receiving(server).store()

    def shake():
        session = smtplib.SMTP(server.host, server.port, local_hostname="idle.example", timeout=30)
        session.starttls(context=context)
        session.ehlo()
        return session
    context = insecure()
    shake().quit()
    before = rss_anon(server)
    held = [shake() for _ in range(IDLE_TLS)]
    each = (rss_anon(server) - before) / IDLE_TLS
    assert each < 18 * 1024 + 1024 * 1024 / IDLE_TLS, each  # what a first burst makes once is not theirs
    for session in held:
        session.close()
    assert at_rest(server), rss_anon(server)


def test_large_messages_share_one_pool_of_memory(make_server):
    """Forty at a time, as fast as they come, into a pool of eight megabytes."""
    server = make_server("--spool-drafts", str(8 * MB), "--loops", "2")
    Receiving(server).store()
    before = rss_anon(server)
    peak, over = [before], threading.Event()

    def watch():
        while not over.wait(0.02):
            peak[0] = max(peak[0], rss_anon(server))
    watcher = threading.Thread(target=watch)
    watcher.start()
    body = b"Subject: large\r\n\r\n" + 4000 * (998 * b"x" + b"\r\n")
    senders = [threading.Thread(target=server.send, args=(body,)) for _ in range(40)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    over.set()
    watcher.join()
    assert peak[0] - before < 8 * MB + 40 * 64 * 1024 + 16 * MB, (peak[0] - before) / MB
    assert eventually(lambda: server.get("/_sesame/health")["queued"] == 0, 60)
    time.sleep(0.1)
    assert at_rest(server), rss_anon(server)
