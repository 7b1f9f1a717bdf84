"""Outgoing mail by the recipient's own exchanges: MX by DNS, STARTTLS, what is tried again and what is not."""
import pathlib
import re
import shutil
import ssl
import subprocess
import tempfile

import pytest

from conftest import BINARY, Receiving, Server, eventually, message_id
from far_ends import NameServer, Relay, certificate
from test_bounce import bounce_action, errands, send

HOSTS = ("127.0.0.2", "127.0.0.3")


def on_one_port(hosts, tls):
    """A relay on each address; what port is free on one of them may be taken on another."""
    for _ in range(50):
        relays = [Relay(hosts[0], 0, tls)]
        try:
            relays += [Relay(host, relays[0].port, tls) for host in hosts[1:]]
            return relays
        except OSError:
            relays[0].close()
    raise AssertionError("no port is free on all of " + ", ".join(hosts))


class World:
    """Two exchanges on one port, a zone, and a server that bounces all it gets."""

    def __init__(self, make_server, zone, tls=None, flags=(), hosts=HOSTS):
        self.hosts = on_one_port(hosts, tls)
        self.port = self.hosts[0].port
        self.names = NameServer(zone)
        self.server = make_server("--outbound", "mx", "--mx-port", str(self.port), "--dns", self.names.address, *flags)
        Receiving(self.server).rule("bounce", bounce_action())

    def bounce_to(self, address):
        """What becomes of a bounce to this address, once it is no longer queued."""
        self.message = send(self.server, sender=f"<{address}>")
        self.server.settled(self.message, ["delivered"])
        found = eventually(lambda: [e for e in errands(self.server, self.message) if e["state"] != "queued"])
        assert found, errands(self.server, self.message)
        return found[0]

    def close(self):
        for part in (*self.hosts, self.names):
            part.close()


@pytest.fixture
def world(make_server):
    made = []

    def make(zone, **more):
        made.append(World(make_server, zone, **more))
        return made[-1]
    yield make
    for one in made:
        one.close()


TWO = {("sender.example", "MX"): [(20, "second.example"), (10, "first.example")],
       ("first.example", "A"): ["127.0.0.2"], ("second.example", "A"): ["127.0.0.3"]}


def test_the_preferred_exchange_gets_it(world):
    w = world(TWO)
    errand = w.bounce_to("me@sender.example")
    assert errand["target"] == "smtp://sender.example"
    assert eventually(lambda: w.hosts[0].taken)
    [(envelope, text)] = w.hosts[0].taken
    assert envelope == ["MAIL FROM:<>", "RCPT TO:<me@sender.example>"] and b"multipart/report" in text
    [errand] = eventually(lambda: [e for e in errands(w.server, w.message) if e["state"] == "delivered"])
    assert errand["says"] == (f"sent to me@sender.example: first.example (127.0.0.2:{w.port}): "
                              "the server said 250 2.0.0 queued")
    assert not w.hosts[1].taken


def test_the_next_one_gets_it_when_the_first_is_away(world):
    w = world(TWO)
    w.hosts[0].close()
    assert w.bounce_to("me@sender.example")["state"] == "delivered"
    assert len(w.hosts[1].taken) == 1


@pytest.mark.parametrize("case, address, zone, reached", [
    ("no MX: the domain's own address", "me@plain.example", {("plain.example", "A"): ["127.0.0.3"]}, 1),
    ("a literal", "me@[127.0.0.3]", {}, 1),
    ("a U-label", "me@\u00e4.example", {("xn--4ca.example", "MX"): [(1, "h.example")], ("h.example", "A"): ["127.0.0.2"]}, 0),
    ("an alias", "me@alias.example", {("alias.example", "CNAME"): ["sender.example"], **TWO}, 0),
])
def test_other_ways_to_a_host(world, case, address, zone, reached):
    w = world(zone)
    for host in w.hosts:
        host.offers = ["SMTPUTF8", "8BITMIME"]
    message = send_from(w, address)
    assert eventually(lambda: w.hosts[reached].taken), server_says(w, message)


def send_from(w, address):
    with w.server.smtp() as session:
        session.ehlo("client.example")
        options = [] if address.isascii() else ["SMTPUTF8", "BODY=8BITMIME"]
        session.command_encoding = "utf-8"
        assert session.mail(f"<{address}>", options)[0] == 250
        assert session.rcpt("gone@example.com")[0] == 250
        code, text = session.data(b"Subject: s\r\n\r\nx\r\n")
        assert code == 250
        return text.split()[-1].decode()


def server_says(w, message):
    return [e.get("says") for e in errands(w.server, message)]


@pytest.mark.parametrize("case, address, zone, says", [
    ("a domain that is not there", "me@gone.example", {}, "the domain gone.example does not exist"),
    ("a domain that takes no mail", "me@null.example", {("null.example", "MX"): [(0, "")]},
     'the domain null.example takes no mail (its MX is ".", RFC 7505)'),
    ("an exchange without an address", "me@lost.example", {("lost.example", "MX"): [(1, "h.example")]},
     "the host h.example has no address"),
])
def test_what_can_never_arrive_is_dead_at_once(world, case, address, zone, says):
    errand = world(zone).bounce_to(address)
    assert (errand["state"], errand["says"]) == ("dead", says)


def test_dns_that_fails_is_asked_again_and_told(world):
    zone = {("sender.example", "MX"): "SERVFAIL"}
    w = world(zone)
    errand = w.bounce_to("me@sender.example")
    assert errand["state"] == "retrying"
    assert errand["says"] == "the MX of sender.example could not be looked up: the name server answered SERVFAIL"
    told = subprocess.run([BINARY, "explain", "--data", str(w.server.data), "--message", errand["errandId"]],
                          capture_output=True, text=True, check=True, timeout=60).stdout
    assert "retrying" in told and errand["says"] in told


def test_an_unreachable_host_is_tried_again_and_reached_later(world):
    w = world(TWO)
    for host in w.hosts:
        host.close()
    errand = w.bounce_to("me@sender.example")
    assert errand["state"] == "retrying" and errand["dueAt"] > errand["takenAt"]
    assert re.fullmatch(rf"second\.example \(127\.0\.0\.3:{w.port}\): no connection to .*: Connection refused", errand["says"])
    again = Relay("127.0.0.3", w.port)
    try:
        assert eventually(lambda: again.taken, seconds=30)
        [errand] = eventually(lambda: [e for e in errands(w.server, w.message) if e["state"] == "delivered"])
        story = w.server.get("/_sesame/messages/" + errand["errandId"])
        assert [a["outcome"] for a in story["attempts"]] == ["retry", "done"]
    finally:
        again.close()


def free_port():
    taken = Relay("127.0.0.2")  # a port that is free on 127.0.0.1 too, as a rule
    taken.close()
    return taken.port


def test_mail_to_ourselves_does_not_go_round(world, tmp_path):
    zone = {("loop.example", "MX"): [(5, "we.example"), (10, "first.example")], ("we.example", "A"): ["127.0.0.1"],
            ("first.example", "A"): ["127.0.0.2"]}
    port = free_port()
    w = world(zone, flags=("--smtp", f"127.0.0.1:{port}", "--mx-port", str(port)))
    errand = w.bounce_to("me@loop.example")
    assert errand["state"] == "dead"
    assert re.fullmatch(r"mail to me@loop\.example would come back, and this server does not take it: we\.example "
                        rf"\(127\.0\.0\.1:{port}\): RCPT was answered 550 .*", errand["says"])


def test_mail_to_what_is_received_here_comes_in_as_from_anywhere(world):
    zone = {("home.example", "MX"): [(5, "we.example"), (10, "first.example")], ("we.example", "A"): ["127.0.0.1"],
            ("first.example", "A"): ["127.0.0.2"]}
    port = free_port()
    w = world(zone, flags=("--smtp", f"127.0.0.1:{port}", "--mx-port", str(port)))
    w.server.client("ses").verify_domain_identity(Domain="home.example")
    errand = w.bounce_to("me@home.example")
    assert errand["state"] == "delivered", errand
    assert errand["says"].startswith(f"sent to me@home.example: we.example (127.0.0.1:{port}): the server said 250 ")
    came = message_id(250, errand["says"].encode())
    [told] = [a for a in w.server.settled(came, ["delivered"])["attempts"] if a["action"] == "Bounce"]
    assert told["says"] == "sent no bounce: the message has the null reverse path"  # so it ends here


def test_no_private_address_is_dialled_unless_it_may_be(world):
    w = world(TWO, flags=("--mx-targets", "public"))
    errand = w.bounce_to("me@sender.example")
    assert errand["state"] == "dead" and errand["says"].endswith("is no address out on the Internet (--mx-targets)")
    assert not w.hosts[0].heard and not w.hosts[1].heard


def test_starttls_is_used_whoever_signed_the_certificate(world, tmp_path):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate(tmp_path, "other.example"))
    w = world(TWO, tls=context)
    assert w.bounce_to("me@sender.example")["state"] == "delivered"
    assert w.hosts[0].secure == [True]
    assert [line.split()[0] for line in w.hosts[0].heard] == ["EHLO", "STARTTLS", "EHLO", "MAIL", "RCPT", "DATA", "QUIT"]


def test_a_slow_domain_holds_up_no_other(world):
    zone = {**TWO, ("slow.example", "MX"): "silent"}
    w = world(zone)
    for n in range(12):
        send(w.server, sender=f"<m{n}@slow.example>")
    assert w.bounce_to("me@sender.example")["state"] == "delivered"


@pytest.mark.as_root
def test_names_are_asked_for_after_privileges_are_dropped():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="sesame-mx-"))  # pytest's own folders are closed to others
    folder.chmod(0o755)
    w = World(lambda *flags: Server(folder, *flags).start(), TWO, flags=("--user", "nobody"))
    try:
        assert w.bounce_to("me@sender.example")["state"] == "delivered"
    finally:
        w.close()
        w.server.discard()
        shutil.rmtree(folder)
