"""The other side of outgoing mail, for tests: mail servers that keep what they are given, and a name server."""
import base64
import contextlib
import ipaddress
import socket
import socketserver
import struct
import subprocess
import threading
import time


class Relay:
    """A small SMTP server that keeps what it is given, and says what it is told to. With a login (user, password) it
    wants one of its mechanisms before MAIL; implicit: TLS before the greeting."""

    def __init__(self, host="127.0.0.1", port=0, tls=None, offers=(), login=None, mechanisms="PLAIN LOGIN", implicit=False):
        self.taken, self.times, self.says, self.heard = [], [], {}, []  # says: verb -> reply; heard: every line that is no message
        self.clock = time.time  # of self.times
        self.wrong = []  # what no SMTP client says: an empty line, and what it said before
        self.tls, self.offers, self.secure = tls, list(offers), []  # secure: of each message, whether it came under TLS
        self.login, self.mechanisms, self.implicit = login, mechanisms, implicit
        self.answer = lambda verb, line: None  # what is said to this line, when it is not None
        relay = self

        class Session(socketserver.StreamRequestHandler):
            def handle(self):
                with contextlib.suppress(OSError):
                    relay.session(self)

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address, daemon_threads = True, True

        self.server = Server((host, port), Session)
        self.port = self.server.server_address[1]
        self.address = f"{host}:{self.port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def authenticated(self, line, read, ask):
        """Who says AUTH PLAIN, with or without a first response, or AUTH LOGIN; RFC 4954, RFC 4616."""
        def asked(words):
            ask("334 " + words)
            return base64.b64decode(read.readline().strip(), validate=True).decode()
        _, mechanism, *first = line.split()
        if mechanism == b"PLAIN":
            plain = base64.b64decode(first[0], validate=True).decode() if first else asked("")
            return "PLAIN" in self.mechanisms and tuple(plain.split("\0")) == ("", *self.login)
        return "LOGIN" in self.mechanisms and (asked("VXNlcm5hbWU6"), asked("UGFzc3dvcmQ6")) == self.login

    def session(self, connection):
        read, write, secure, known = connection.rfile, connection.wfile, False, not self.login

        def secured():
            inside = self.tls.wrap_socket(connection.request, server_side=True)
            return inside.makefile("rb"), inside.makefile("wb", 0), True

        def say(verb, otherwise):
            words = self.answer(verb, line) or self.says.get(verb, otherwise)
            write.write(words.encode() + b"\r\n")

        def hello():
            offers = self.offers + (["STARTTLS"] if self.tls and not secure else [])
            offers += ["AUTH " + self.mechanisms] if self.login and (secure or not self.tls) else []
            return "\r\n".join(["250-relay.test"] + [f"250-{o}" for o in offers] + ["250 ENHANCEDSTATUSCODES"])
        if self.implicit:
            read, write, secure = secured()
        line = b""
        say("CONNECT", "220 relay.test ESMTP")
        envelope, said = [], []
        while line := read.readline():
            verb = (line.split() or [b""])[0].upper().decode()
            self.heard.append(line.decode().strip())
            said.append(self.heard[-1])
            if verb == "DATA":
                say("DATA", "354 go")
                body = bytearray()
                while line := read.readline():
                    if line == b".\r\n":
                        break
                    body += line[1:] if line.startswith(b".") else line
                else:  # the end of the connection is not the end of the message
                    return
                reply = self.says.get("END", "250 2.0.0 queued")
                if reply.startswith("2"):
                    self.times.append(self.clock())
                    self.taken.append((envelope, bytes(body)))
                    self.secure.append(secure)
                say("END", reply)
            elif verb == "QUIT":
                return
            elif not verb:
                if said[0].split(" ")[0] in ("EHLO", "HELO"):  # else a stray, of HTTP for instance, that came to our port
                    self.wrong.append(said)
                say("", "500 5.5.2 an empty line")
            elif verb == "EHLO":
                envelope = []
                say("EHLO", hello())
            elif verb == "STARTTLS":
                say("STARTTLS", "220 go")
                read, write, secure = secured()
            elif verb == "AUTH":
                known = known or self.authenticated(line, read, lambda words: say("334", words))
                say("AUTH", "235 2.7.0 welcome" if known else "535 5.7.8 Authentication credentials invalid")
            elif verb == "MAIL" and not known:
                say("MAIL", "530 5.7.0 Authentication required")
            else:
                if verb in ("MAIL", "RCPT"):
                    envelope.append(line.decode().strip())
                say(verb, "250 ok")

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def certificate(folder, name):
    """A certificate for this name, signed by itself: (certificate, key)."""
    files = [str(folder / f"{name}.{kind}") for kind in ("crt", "key")]
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-days", "2", "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}",
                    "-out", files[0], "-keyout", files[1]], check=True, capture_output=True)
    return files


class NameServer:
    """Answers from a zone: {("name", "MX"): [(10, "mx.example")], ("name", "A"): ["127.0.0.2"]}; a text instead of a
    list is a failure, "SERVFAIL" or "silent". A name without a row does not exist."""
    KINDS = {1: "A", 5: "CNAME", 15: "MX", 28: "AAAA"}

    def __init__(self, zone):
        self.zone, self.asked = zone, []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.socket.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                query, peer = self.socket.recvfrom(4096)
                answer = self.answer(query)
                if answer:
                    self.socket.sendto(answer, peer)

    @staticmethod
    def wire_name(name):
        return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".") if label) + b"\0"

    def record(self, kind, value):
        if kind == "MX":
            return struct.pack(">H", value[0]) + self.wire_name(value[1])
        return self.wire_name(value) if kind == "CNAME" else ipaddress.ip_address(value).packed

    def answer(self, query):
        at, labels = 12, []
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode())
            at += query[at] + 1
        question, name = query[12:at + 5], ".".join(labels).lower()
        number = struct.unpack(">H", query[at + 1:at + 3])[0]
        kind = self.KINDS.get(number, "?")
        self.asked.append((name, kind))
        found, alias = self.zone.get((name, kind), []), self.zone.get((name, "CNAME"))
        if alias and kind != "CNAME":
            kind, number, found = "CNAME", 5, alias
        if found == "silent":
            return None
        known = any(n == name for n, _ in self.zone)
        code = 2 if found == "SERVFAIL" else 0 if known else 3
        records = [] if code else found
        body = b"".join(b"\xc0\x0c" + struct.pack(">HHIH", number, 1, 60, len(data)) + data
                        for data in (self.record(kind, r) for r in records))
        return query[:2] + struct.pack(">HHHHH", 0x8180 | code, 1, len(records), 0, 0) + question + body

    def close(self):
        self.socket.close()
