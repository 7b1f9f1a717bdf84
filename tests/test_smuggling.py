"""Confusion about the end of a message, said to a real server in packets cut at every octet around it: one message or a
refusal, never two. The whole table, with every cut, is src/smtp/smuggling_test.c."""
import re
import socket
import time

import pytest

from conftest import ROOT, Raw, Receiving, eventually

SECOND = b"MAIL FROM:<evil@sender.example>\r\nRCPT TO:<user@example.com>\r\nDATA\r\nsmuggled\r\n.\r\n"
ROW = re.compile(r'^ {4}V\("([^"]+)",\s+"((?:[^"\\]|\\.)*)",\s+(\w+),\s+(\w+)\),$', re.M)
C = {"r": b"\r", "n": b"\n", "v": b"\v", "f": b"\f", "0": b"\0"}


def octets(literal):
    """What the C string stands for."""
    return re.sub(rb"\\(x[0-9a-f]{2}|.)", lambda m: bytes([int(m[1][1:], 16)]) if m[1][:1] == b"x" else C[m[1].decode()],
                  literal.encode())


VARIANTS = {says: (octets(end), data, chunk) for says, end, data, chunk
            in ROW.findall((ROOT / "src/smtp/smuggling_test.c").read_text())}
assert len(VARIANTS) > 35 and VARIANTS["CRLF . CR NUL LF"][0] == b"\r\n.\r\0\n"


@pytest.fixture(scope="module")
def place(shared_server):
    receiving = Receiving(shared_server)
    receiving.store()
    return receiving


def begin(raw):
    raw.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    assert raw.ask(b"RSET\r\n").startswith(b"250")
    assert raw.ask(b"MAIL FROM:<a@sender.example>\r\n").startswith(b"250")
    assert raw.ask(b"RCPT TO:<user@example.com>\r\n").startswith(b"250")


def in_packets(raw, said, *cuts):
    for at, end in zip((0, *cuts), (*cuts, len(said))):
        if said[at:end]:
            raw.write(said[at:end])
            time.sleep(0.0005)  # so that they are read one by one, nearly always


@pytest.mark.parametrize("by", ["DATA", "BDAT"])
@pytest.mark.parametrize("says", VARIANTS)
def test_one_message_or_a_refusal(shared_server, place, says, by):
    end, *comes = VARIANTS[says]
    expected = comes[by == "BDAT"]
    head = b"Subject: x\r\n\r\na"
    before, whole, raw = len(place.keys()), 0, None
    for cut in range(len(head) - 1, len(head) + len(end) + 2):
        if not raw:
            raw = Raw(shared_server)
            raw.reply()
            assert raw.ask(b"EHLO client.example\r\n").startswith(b"250")
        begin(raw)
        said = head + end + SECOND
        if by == "DATA":
            assert raw.ask(b"DATA\r\n").startswith(b"354")
        else:
            said = b"BDAT %d LAST\r\n" % len(said) + said
            cut += said.index(head)
        in_packets(raw, said, cut, cut + 1)
        reply = raw.reply()
        if expected == "NONE":
            assert reply.startswith(b"554 5.6.0 "), reply
        else:
            assert reply.startswith(b"250 2.0.0 OK "), reply
            whole += 1
        if expected == "TWO":  # there was a real end, and then the commands of another message
            assert [raw.reply()[:3] for _ in range(4)] == [b"250", b"250", b"354", b"250"]
            whole += 1
        if expected == "NONE" and by == "DATA":  # whatever came behind it, nobody obeys
            assert raw.file.read() == b""
            raw.close()
            raw = None
    if raw:
        assert raw.ask(b"QUIT\r\n").startswith(b"221"), "nothing else was said"
        raw.close()
    assert eventually(lambda: len(place.keys()) == before + whole), (len(place.keys()) - before, whole)
