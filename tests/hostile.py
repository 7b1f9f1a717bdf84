"""For tests of peers that misbehave: the abuser's socket, the honest sender beside it, and the server's memory."""
import contextlib
import pathlib
import re
import socket
import struct
import threading
import time

from conftest import SLOW, data, eventually

MAIL = b"Subject: honest\r\n\r\nbody\r\n"
HONEST = "127.0.0.1"
ABUSER = "127.0.0.2"


def dial(server, source=ABUSER, timeout=20):
    return socket.create_connection((server.host, server.port), timeout, source_address=(source, 0))


def hear(sock, until=b"\r\n"):
    """What comes until a line ends so, or the end."""
    heard = b""
    with contextlib.suppress(ConnectionError):
        while not heard.endswith(until):
            more = sock.recv(65536)
            if not more:
                break
            heard += more
    return heard


def hear_all(sock):
    """What comes until the other side hangs up; a reset is an end too."""
    heard = b""
    with contextlib.suppress(ConnectionError):
        while more := sock.recv(65536):
            heard += more
    return heard


def tell(sock, octets):
    """False: nobody listens any more."""
    try:
        sock.sendall(octets)
    except OSError:
        return False
    return True


def stage(sock, *octets):
    """Says each after the reply to the one before it, and hears that to the last one."""
    heard = hear(sock)
    for part in octets:
        sock.sendall(part)
        heard = hear(sock)
    return heard


def reset(sock):
    """Leaves with a RST, as a crashed or malicious peer does."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def rss_anon(server):
    """Bytes of memory that are the process's own."""
    status = pathlib.Path(f"/proc/{server.process.pid}/status").read_text()
    return int(re.search(r"RssAnon:\s+(\d+) kB", status)[1]) * 1024


def descriptors(server):
    return len(list(pathlib.Path(f"/proc/{server.process.pid}/fd").iterdir()))


def metric(server, name):
    """A series' value, by its name and labels as they are written; 0 while it is not there."""
    for line in server.get("/_sesame/metrics").splitlines():
        if line.startswith(name + " "):
            return float(line.rsplit(" ", 1)[1])
    return 0.0


class Honest:
    """Sends mail, one at a time, each over a connection of its own, as long as the block lasts; then all of them
    must have been taken, and nearly all at once."""

    def __init__(self, server, slowest=2.0, at_least=5):
        self.server, self.slowest, self.at_least = server, slowest * SLOW, at_least
        self.times, self.refused, self.over = [], [], threading.Event()

    def _send(self):
        while not self.over.is_set():
            began = time.monotonic()
            try:
                with self.server.smtp() as session:
                    session.ehlo()
                    for code, text in (session.mail("a@honest.example"), session.rcpt("user@example.com"), data(session, MAIL)):
                        assert code == 250, (code, text)
            except Exception as why:  # pylint: disable=broad-except # whatever it is, the honest sender was not served
                self.refused.append(why)
            self.times.append(time.monotonic() - began)
            self.over.wait(0.01)

    def __enter__(self):
        self.thread = threading.Thread(target=self._send)
        self.thread.start()
        return self

    def __exit__(self, kind, *_):
        eventually(lambda: len(self.times) >= self.at_least)
        self.over.set()
        self.thread.join()
        if kind is None:
            times = sorted(self.times)
            p99 = times[min(len(times) - 1, len(times) * 99 // 100)]
            assert not self.refused, self.refused[:3]
            assert len(times) >= self.at_least and p99 < self.slowest, (len(times), p99)


class Memory:
    """The block may leave the server no larger than by so much. A sanitizer keeps what was freed, so there it is not weighed."""

    def __init__(self, server, more):
        self.server, self.more = server, more

    def __enter__(self):
        self.before = rss_anon(self.server)
        self.peak, self.over = self.before, threading.Event()
        self.thread = threading.Thread(target=self._watch)
        self.thread.start()
        return self

    def _watch(self):
        while not self.over.wait(0.05):
            with contextlib.suppress(OSError, TypeError):
                self.peak = max(self.peak, rss_anon(self.server))

    def __exit__(self, kind, *_):
        self.over.set()
        self.thread.join()
        if kind is None and SLOW == 1:
            grown = max(self.peak, rss_anon(self.server)) - self.before
            assert grown < self.more, f"{grown / 1e6:.1f} MB more, at most {self.more / 1e6:.1f}"
