"""Who is turned away and who is told why: `sesame log refused` and the page beneath it, through real sessions."""
import json
import pathlib
import re
import shutil
import signal
import smtplib
import subprocess
import tempfile
import time
import urllib.error

import pytest

from conftest import ACCOUNT, BINARY, REGION, Raw, Receiving, Server, data, eventually

OTHER = "444455556666"
NO_MAILBOX = (550, b"5.1.1 Requested action not taken: mailbox unavailable")


def seen(server, **query):
    """The refusals, the newest first."""
    text = "&".join(f"{name}={value}" for name, value in query.items())
    return server.get("/_sesame/refused" + ("?" + text if text else ""))["refused"]


def log_refused(server, *arguments):
    done = subprocess.run([BINARY, "log", "refused", "--data", str(server.data), *arguments],
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def rcpt(server, to="user@example.com", listener=0, sender="a@sender.example", source=None):
    host, port = server.addresses[listener]
    with smtplib.SMTP(host.strip("[]"), int(port), local_hostname="client.example", timeout=60,
                      source_address=(source, 0) if source else None) as session:
        session.ehlo()
        session.mail(sender)
        return session.rcpt(to)


def test_every_reason_of_a_refused_recipient_is_told(server):
    ses = server.client("ses")

    def newest(to="user@example.com", wants=NO_MAILBOX):
        assert rcpt(server, to) == wants
        return seen(server)[0]
    told = newest()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", told.pop("time"))
    assert told == {
        "number": 1, "refused": "recipient", "peer": "127.0.0.1", "region": "us-east-1", "helo": "client.example",
        "tls": False, "from": "<a@sender.example>", "to": "<user@example.com>",
        "reply": "550 5.1.1 Requested action not taken: mailbox unavailable", "reason": "no_identity",
        "why": "no account has verified example.com or a domain above it in us-east-1"}
    ses.verify_domain_identity(Domain="example.com")
    told = newest()
    assert (told["reason"], told["accounts"]) == ("no_active_set", [ACCOUNT])
    assert told["why"] == f"account {ACCOUNT} has no active rule set in us-east-1"
    receiving = Receiving(server)
    in_set = f'of "main", the active rule set of account {ACCOUNT} in us-east-1,'
    told = newest()
    assert (told["reason"], told["why"]) == ("no_rule", f"no enabled rule {in_set} matches the recipient")
    receiving.rule("off", recipients=["user@example.com"], enabled=False)
    assert newest()["why"] == f'no enabled rule {in_set} matches the recipient; its rule "off" would, and is disabled'
    assert "would" not in newest("other@example.com")["why"]
    receiving.rule("secret", recipients=["tls@example.com"], tls="Require")
    told = newest("tls@example.com", (530, b"5.7.0 Must issue a STARTTLS command first"))
    assert (told["reason"], told["accounts"]) == ("needs_tls", [ACCOUNT])
    assert told["why"] == f'the rule "secret" {in_set} has TlsPolicy Require, and the session is in the clear'
    ses.create_receipt_filter(Filter={"Name": "bad", "IpFilter": {"Policy": "Block", "Cidr": "127.0.0.1/24"}})
    told = newest("tls@example.com", (550, b"5.7.1 Client host [127.0.0.1] blocked"))
    assert (told["reason"], told["accounts"]) == ("filter", [ACCOUNT])
    assert told["why"] == (f'the filter "bad" of account {ACCOUNT} in us-east-1 blocks 127.0.0.1/24, '
                           "where 127.0.0.1 lies, and none of its filters allows it")
    reasons = dict(re.findall(r'^sesame_smtp_refused_recipients_total\{reason="(\w+)"\} (\d+)$',
                              server.get("/_sesame/metrics"), re.M))
    assert reasons == {"no_identity": "1", "no_active_set": "1", "no_rule": "3", "needs_tls": "1", "filter": "1"}
    logged = [line for line in server.log() if line["event"] == "recipient-refused"]
    assert len(logged) == 7 and logged[-1]["says"] == told["why"] and logged[-1]["accounts"] == ACCOUNT


def test_each_account_of_a_shared_domain_says_its_own(server, receiving):
    other = Receiving(server, account=OTHER)
    other.ses.create_receipt_filter(Filter={"Name": "all", "IpFilter": {"Policy": "Block", "Cidr": "0.0.0.0/0"}})
    assert rcpt(server)[1].endswith(b"blocked")
    [told] = seen(server)
    assert told["accounts"] == [ACCOUNT, OTHER] and told["reason"] == "filter"
    mine, theirs = told["why"].split(". And ")
    assert mine.startswith('no enabled rule of "main"') and ACCOUNT in mine
    assert theirs.startswith('the filter "all" of account ' + OTHER)
    assert len(seen(server, account=OTHER)) == len(seen(server, account=ACCOUNT)) == 1
    assert seen(server, account="999988887777") == []


def test_messages_senders_sessions_and_connections_are_told_too(make_server):
    server = make_server("--message-max", "2000", "--errors-max", "3", "--connections-max", "2")
    Receiving(server).rule("all")
    with server.smtp() as session:
        session.ehlo()
        assert session.docmd("MAIL FROM:<big@sender.example> SIZE=2001")[0] == 552
        session.mail("big@sender.example")
        session.rcpt("user@example.com")
        session.rcpt("other@example.com")
        assert data(session, b"x" * 3000)[0] == 552
    big, sender = seen(server)
    assert seen(server, address="user@example.com") == [big]
    with Raw(server) as raw:
        raw.reply()
        raw.ask(b"EHLO chunks\r\n")
        raw.ask(b"MAIL FROM:<>\r\n")
        raw.ask(b"RCPT TO:<chunk@example.com>\r\n")
        assert raw.ask(b"BDAT 3000 LAST\r\n" + b"x" * 3000).startswith(b"552")
    chunk = seen(server)[0]
    assert (chunk["refused"], chunk["from"], chunk["to"]) == ("message", "<>", "<chunk@example.com>")
    assert (big["refused"], big["from"], big["reason"]) == ("message", "<big@sender.example>", "size")
    assert big["to"] == "<user@example.com> and 1 more" and big["why"] == "the message is larger than --message-max allows"
    assert (sender["refused"], sender["from"]) == ("sender", "<big@sender.example> SIZE=2001")
    with Raw(server) as one, Raw(server) as two:
        assert (one.reply()[:3], two.reply()[:3]) == (b"220", b"220")
        with Raw(server) as three:
            assert three.reply().startswith(b"421 4.7.0 ")
        full = seen(server)[0]
        assert (full["refused"], full["peer"], full["region"]) == ("connection", "127.0.0.1", "us-east-1")
        assert full["reply"].startswith("421 4.7.0 ") and "--connections-max" in full["why"]
        for _ in range(3):
            assert one.ask(b"NONSENSE\r\n").startswith(b"500")
        assert one.ask(b"NONSENSE\r\n").startswith(b"421")
    ended = seen(server)[0]
    assert (ended["refused"], ended["reason"]) == ("session", "errors")
    with server.smtp() as session:
        session.ehlo()
        session.mail("a@sender.example")
        assert [session.rcpt("u@nobody.test")[0] for _ in range(4)] == [550, 550, 550, 421]
    ended = seen(server)[0]
    assert (ended["refused"], ended["reason"], ended["to"]) == ("session", "errors", "<u@nobody.test>")
    assert ended["why"] == ("more commands were refused in this session than --errors-max allows; the last one because "
                            "no account has verified nobody.test or a domain above it in us-east-1")
    assert len(seen(server)) == 9  # commands that were only mistaken are counted, and fill no ring


def test_the_page_chooses_by_account_address_and_number(make_server):
    server = make_server("--smtp", "127.0.0.1:0", "--smtp", "eu-west-1=[::1]:0")
    for n in range(3):
        rcpt(server, f"u{n}@one.test", source=f"127.0.0.{n + 2}")
    rcpt(server, "x@two.test", listener=1, sender="Jo@Sender.Test")
    assert [r["number"] for r in seen(server)] == [4, 3, 2, 1]
    assert [r["number"] for r in seen(server, limit=2)] == [4, 3]
    assert [r["number"] for r in seen(server, after=3)] == [4]
    assert [r["peer"] for r in seen(server, address="127.0.0.3")] == ["127.0.0.3"]
    assert [r["number"] for r in seen(server, address="127.0.0.2/31")] == [2, 1]
    assert [r["region"] for r in seen(server, address="::1")] == ["eu-west-1"]
    assert [r["number"] for r in seen(server, address="::ffff:127.0.0.4")] == [3]
    assert [r["number"] for r in seen(server, address="U1@one.test")] == [2]
    assert [r["number"] for r in seen(server, address="one.test")] == [3, 2, 1]
    assert [r["number"] for r in seen(server, address="jo@sender.test")] == [4]
    assert seen(server, address="ne.test") == []
    for wrong in ("account=1", "limit=x", "limit=0", "after=x"):
        with pytest.raises(urllib.error.HTTPError) as caught:
            server.get("/_sesame/refused?" + wrong)
        assert caught.value.code == 400
    server.restart()
    assert seen(server) == []  # the ring lies in memory


def test_people_read_a_line_a_refusal_with_nothing_a_terminal_obeys(server):
    with Raw(server) as raw:
        raw.reply()
        raw.ask("EHLO \u202eevil\x9b31m\r\n".encode("utf-8"))
        raw.ask("MAIL FROM:<a\u200fb@x.test> SMTPUTF8\r\n".encode())
        raw.ask("RCPT TO:<josé@x.test>\r\n".encode())
    text = log_refused(server)
    first, reply, why = text.splitlines()
    assert re.fullmatch(
        r"\S+Z  recipient refused, peer 127\.0\.0\.1, HELO \\u\{202e\}evil\\u\{9b\}31m, MAIL FROM <a\\u\{200f\}b@x\.test>, "
        r"RCPT TO <josé@x\.test>, us-east-1", first)
    assert reply == "    550 5.1.1 Requested action not taken: mailbox unavailable"
    assert why == "    no account has verified x.test or a domain above it in us-east-1"
    [line] = log_refused(server, "--json").splitlines()
    assert json.loads(line)["to"] == "<josé@x.test>"
    assert log_refused(server, "--address", "127.0.0.9") == ""
    assert log_refused(server, "--account", ACCOUNT) == ""
    for wrong, code in ((["log"], 2), (["log", "accepted"], 2), (["log", "refused", "--account", "1"], 2),
                        (["log", "refused", "--limit", "0"], 2)):
        assert subprocess.run([BINARY, *wrong], capture_output=True, check=False).returncode == code


def test_the_log_is_followed(server):
    rcpt(server, "first@x.test")
    with subprocess.Popen([BINARY, "log", "refused", "--follow", "--json", "--data", str(server.data)],
                          stdout=subprocess.PIPE, text=True) as process:
        try:
            assert json.loads(process.stdout.readline())["to"] == "<first@x.test>"
            for n in range(150):  # more than a list has when nobody says how many
                rcpt(server, f"u{n}@x.test")
                time.sleep(0.06)
            lines = [json.loads(process.stdout.readline()) for _ in range(150)]
            assert [r["to"] for r in lines] == [f"<u{n}@x.test>" for n in range(150)]
        finally:
            process.kill()


def test_a_flood_is_counted(make_server):
    server = make_server("--refused-rate", "5", "--refused-kept", "50", "--errors-max", "100000",
                         "--commands-max", "100000")
    rcpt(server, "before@x.test")
    time.sleep(1.1)
    with Raw(server) as raw:
        raw.reply()
        raw.ask(b"EHLO flood\r\n")
        raw.ask(b"MAIL FROM:<>\r\n")
        for _ in range(10):
            raw.write(b"RCPT TO:<u@x.test>\r\n" * 100)
            for _ in range(100):
                assert raw.reply().startswith(b"550")

    def counted():  # a second's are told when it is over, and the flood may have taken several
        all_of_them = seen(server)
        listed = [r for r in all_of_them if r["refused"] == "recipient"]
        left_out = sum(r["leftOut"] for r in all_of_them if r["refused"] == "left-out")
        return (listed, left_out) if left_out + len(listed) >= 1001 else None
    listed, left_out = eventually(counted) or pytest.fail(f"not counted: {seen(server)}")
    assert left_out + len(listed) == 1001
    assert listed[-1]["to"] == "<before@x.test>"  # the flood has not washed it away
    assert f"sesame_smtp_refusals_left_out_total {left_out}\n" in server.get("/_sesame/metrics")
    assert re.search(r"^\S+Z  \d+ more were refused in that second and only counted$", log_refused(server), re.M)


# --- the operator's block list


def blocked(address):
    return 550, f"5.7.1 Client host [{address}] blocked".encode()


def reread(server, event="block-list-read"):
    """SIGHUP, and the log's line about it."""
    before = [line for line in server.log() if line["event"] == event]
    server.process.send_signal(signal.SIGHUP)
    return eventually(lambda: [line for line in server.log() if line["event"] == event][len(before):])[0]


def test_a_block_list_stands_behind_the_filters_of_each_account(make_server, tmp_path):
    listed = tmp_path / "blocked.txt"
    listed.write_text("# ours\n127.0.0.8/29   # with host bits or without\n::1\n")
    server = make_server("--block-list", str(listed), "--smtp", "127.0.0.1:0", "--smtp", "[::1]:0")
    mine, theirs = Receiving(server), Receiving(server, account=OTHER, domain="other.test")
    mine.rule("all")
    theirs.rule("all")
    assert rcpt(server)[0] == rcpt(server, source="127.0.0.7")[0] == rcpt(server, source="127.0.0.16")[0] == 250
    for source in ("127.0.0.8", "127.0.0.15"):
        assert rcpt(server, source=source) == rcpt(server, "u@other.test", source=source) == blocked(source)
    told = seen(server)[0]
    assert (told["reason"], told["accounts"]) == ("block_list", [OTHER])
    assert told["why"] == (f"line 2 of the block list {listed} has 127.0.0.8/29, where 127.0.0.15 lies, "
                           f"and no filter of account {OTHER} in us-east-1 allows it")
    assert rcpt(server, listener=1) == blocked("::1")
    assert "line 3" in seen(server)[0]["why"] and "::1/128" in seen(server)[0]["why"]
    # whoever is listed is not told which domains are here
    assert rcpt(server, "user@nobodys.test", source="127.0.0.9") == blocked("127.0.0.9")
    assert "accounts" not in seen(server)[0]
    assert rcpt(server, "user@nobodys.test") == NO_MAILBOX
    # an Allow of one account passes over the list, for that account
    mine.ses.create_receipt_filter(Filter={"Name": "friend", "IpFilter": {"Policy": "Allow", "Cidr": "127.0.0.9"}})
    assert rcpt(server, source="127.0.0.9")[0] == 250
    assert rcpt(server, source="127.0.0.10") == blocked("127.0.0.10")
    assert rcpt(server, "u@other.test", source="127.0.0.9") == blocked("127.0.0.9")
    # ... and is told first where a Block of its own matches too
    mine.ses.create_receipt_filter(Filter={"Name": "foe", "IpFilter": {"Policy": "Block", "Cidr": "127.0.0.0/8"}})
    assert rcpt(server, source="127.0.0.9")[0] == 250
    assert rcpt(server, source="127.0.0.10") == blocked("127.0.0.10")
    assert seen(server)[0]["reason"] == "filter"
    assert "sesame_block_list_networks 2\n" in server.get("/_sesame/metrics")


def test_a_block_list_is_read_again_when_told(make_server, tmp_path):
    listed = tmp_path / "blocked.txt"
    listed.write_text("127.0.0.2\n")
    server = make_server("--block-list", str(listed))
    Receiving(server).rule("all")
    assert rcpt(server, source="127.0.0.2") == blocked("127.0.0.2") and rcpt(server, source="127.0.0.3")[0] == 250
    with server.smtp() as session:
        session.ehlo()
        session.mail("a@sender.example")
        listed.write_text("127.0.0.3\n127.0.0.1\n")
        assert reread(server)["networks"] == 2
        assert session.rcpt("user@example.com")[0] == 250  # its transaction keeps the list it began with
    assert rcpt(server, source="127.0.0.2")[0] == 250 and rcpt(server, source="127.0.0.3") == blocked("127.0.0.3")
    listed.write_text("127.0.0.2\n127.0.0.300\n")
    assert reread(server, "block-list-not-read")["says"] == \
        f"line 2 of the block list {listed} is no address or network: 127.0.0.300"
    listed.unlink()
    assert reread(server, "block-list-not-read")["says"] == \
        f"the block list {listed} cannot be read: No such file or directory"
    assert rcpt(server, source="127.0.0.2")[0] == 250 and rcpt(server, source="127.0.0.3") == blocked("127.0.0.3")
    assert server.stop() == 0


def test_a_wrong_block_list_is_one_sentence_at_the_start(tmp_path):
    listed = tmp_path / "blocked.txt"
    listed.write_text("127.0.0.2\nmail.example\n")
    for path, says in ((listed, f"line 2 of the block list {listed} is no address or network: mail.example"),
                       (tmp_path / "no", f"the block list {tmp_path}/no cannot be read: No such file or directory"),
                       (tmp_path, f"the block list {tmp_path} cannot be read: Is a directory"),
                       ("/dev/zero", "the block list /dev/zero was written while it was read")):
        done = subprocess.run([BINARY, "serve", "--data", str(tmp_path / "data"), "--smtp", "127.0.0.1:0",
                               "--api", "127.0.0.1:0", "--block-list", str(path)], capture_output=True, text=True,
                              timeout=60, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (1, "", f"sesame: {says}\n")
        assert not (tmp_path / "data").exists()


@pytest.mark.as_root
def test_a_block_list_is_read_as_root_and_read_again_as_the_user(tmp_path):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="sesame-list-"))  # pytest's own folders are closed to others
    folder.chmod(0o755)
    listed = folder / "blocked.txt"
    listed.write_text("127.0.0.2\n")
    listed.chmod(0o600)
    server = Server(folder, "--user", "nobody", "--block-list", str(listed))
    try:
        server.start()
        Receiving(server).rule("all")
        assert rcpt(server, source="127.0.0.2") == blocked("127.0.0.2")
        listed.write_text("127.0.0.3\n")
        assert reread(server, "block-list-not-read")["says"] == f"the block list {listed} cannot be read: Permission denied"
        assert rcpt(server, source="127.0.0.2") == blocked("127.0.0.2")
        listed.chmod(0o644)
        assert reread(server)["networks"] == 1
        assert rcpt(server, source="127.0.0.2")[0] == 250 and rcpt(server, source="127.0.0.3") == blocked("127.0.0.3")
    finally:
        server.discard()
        shutil.rmtree(folder, ignore_errors=True)


def test_without_a_block_list_a_closed_terminal_ends_the_server(server):
    assert server.stop(signal.SIGHUP, None) == -signal.SIGHUP


# --- the filters of the specification's cases (17), from addresses of 127.0.0.0/8 and ::1

def put_filters(ses, *filters):
    for n, (policy, cidr) in enumerate(filters):
        ses.create_receipt_filter(Filter={"Name": f"f{n}", "IpFilter": {"Policy": policy, "Cidr": cidr}})


FILTER_CASES = [
    # what it says, the filters in the order made, who passes, who is refused
    ("nothing but what is allowed", [("Block", "0.0.0.0/0"), ("Allow", "127.0.2.10")], ["127.0.2.10"], ["127.0.2.11", "127.0.2.1"]),
    ("an Allow wins over a longer Block", [("Allow", "127.0.0.0/8"), ("Block", "127.1.1.1")], ["127.1.1.1", "127.1.1.2"], []),
    ("and over a Block made first", [("Block", "127.1.1.1"), ("Allow", "127.0.0.0/8")], ["127.1.1.1"], []),
    ("an Allow alone keeps nobody out", [("Allow", "127.0.2.10")], ["127.0.2.10", "127.0.2.11"], []),
    ("a Block alone keeps out its own", [("Block", "127.0.2.10")], ["127.0.2.9", "127.0.2.11"], ["127.0.2.10"]),
    ("host bits do not matter", [("Block", "127.0.2.77/24")], ["127.0.1.255", "127.0.3.0"], ["127.0.2.1", "127.0.2.254"]),
    ("the same network both ways", [("Block", "127.0.2.0/24"), ("Allow", "127.0.2.0/24")], ["127.0.2.1"], []),
    ("a network of one bit", [("Block", "0.0.0.0/1")], [], ["127.0.0.1", "127.255.255.254"]),
    ("IPv6's everybody is not IPv4's", [("Block", "::/0")], ["127.0.0.1"], ["::1"]),
    ("IPv4's everybody is not IPv6's", [("Block", "0.0.0.0/0")], ["::1"], ["127.0.0.1"]),
    ("IPv6, nothing but what is allowed", [("Block", "::/0"), ("Allow", "::1")], ["::1", "127.0.0.1"], []),
    ("IPv6, by a network", [("Block", "::/127")], ["127.0.0.1"], ["::1"]),
    ("IPv6, beside it", [("Block", "::2/127"), ("Block", "0:0:0:0:0:0:0:0")], ["::1"], []),
]


@pytest.fixture(scope="module")
def two_families(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("families"), "--smtp", "127.0.0.1:0", "--smtp", "[::1]:0", "--smtp", "[::]:0",
                    "--verify-identities", "auto").start()
    yield server
    server.discard()


@pytest.mark.parametrize("says,filters,passes,refuses", FILTER_CASES, ids=[c[0] for c in FILTER_CASES])
def test_the_filters_of_the_specification_by_real_sessions(two_families, says, filters, passes, refuses):
    account = f"{1 + [c[0] for c in FILTER_CASES].index(says):012d}"
    domain = f"d{account}.test"
    receiving = Receiving(two_families, account=account, domain=domain)
    receiving.rule("all")
    put_filters(receiving.ses, *filters)
    for source in passes:
        assert rcpt(two_families, "u@" + domain, listener=int(":" in source), source=source)[0] == 250, source
    for source in refuses:
        assert rcpt(two_families, "u@" + domain, listener=int(":" in source), source=source) == blocked(source), source
        assert seen(two_families, account=account)[0]["why"].startswith('the filter "f')


def test_a_dual_stack_listener_sees_the_ipv4_peer(two_families):
    receiving = Receiving(two_families, account=OTHER, domain="dual.test")
    receiving.rule("all")
    port = int(two_families.addresses[2][1])

    def ask(host, source):
        with smtplib.SMTP(host, port, local_hostname="client.example", timeout=60, source_address=(source, 0)) as session:
            session.ehlo()
            session.mail("a@sender.example")
            return session.rcpt("u@dual.test")
    assert ask("127.0.0.1", "127.0.0.5")[0] == 250
    put_filters(receiving.ses, ("Block", "127.0.0.5"), ("Block", "::1"))
    assert ask("127.0.0.1", "127.0.0.5") == blocked("127.0.0.5")
    assert ask("127.0.0.1", "127.0.0.6")[0] == 250
    assert ask("::1", "::1") == blocked("::1")


def test_two_accounts_and_two_regions_each_have_their_own_filters(make_server):
    server = make_server("--smtp", "us-east-1=127.0.0.1:0", "--smtp", "eu-west-1=127.0.0.1:0", "--smtp", "eu-west-1=[::1]:0")
    here = Receiving(server, domain="here.test")
    west = Receiving(server, domain="here.test", region="eu-west-1")
    other = Receiving(server, account=OTHER, domain="other.test")
    shared = Receiving(server, account="777788889999", domain="other.test")
    for receiving in (here, west, other):
        receiving.rule("all")
    put_filters(here.ses, ("Block", "0.0.0.0/0"), ("Allow", "127.0.2.10"))
    put_filters(other.ses, ("Block", "127.0.2.10"))
    put_filters(west.ses, ("Block", "::/0"))

    def codes(source, *asked):
        return [rcpt(server, to, listener=listener, source=source)[0] for to, listener in asked]
    assert codes("127.0.2.10", ("u@here.test", 0), ("u@other.test", 0), ("u@here.test", 1)) == [250, 550, 250]
    assert codes("127.0.2.11", ("u@here.test", 0), ("u@other.test", 0), ("u@here.test", 1)) == [550, 250, 250]
    assert codes("::1", ("u@here.test", 2)) == [550]
    with server.smtp() as session:  # both recipients in one transaction: each is its own account's affair
        session.ehlo()
        session.mail("a@sender.example")
        assert session.rcpt("u@here.test") == blocked("127.0.0.1")
        assert session.rcpt("u@other.test")[0] == 250
        assert data(session, b"x\r\n")[0] == 250
    told = seen(server)
    assert [(r["peer"], r["region"], r["accounts"]) for r in told] == [
        ("127.0.0.1", "us-east-1", [ACCOUNT]),
        ("::1", "eu-west-1", [ACCOUNT]),
        ("127.0.2.11", "us-east-1", [ACCOUNT]),
        ("127.0.2.10", "us-east-1", [OTHER, "777788889999"])]
    # where a second account of the domain would take it, the first one's filter is that one's alone; and is told
    shared.rule("all")
    assert codes("127.0.2.10", ("u@other.test", 0)) == [250]
    told = seen(server)[0]
    assert (told["refused"], told["to"], told["reply"], told["reason"], told["accounts"]) == (
        "account", "<u@other.test>", "250 2.1.5 Ok", "filter", [OTHER])
    assert told["why"].startswith(f'the filter "f0" of account {OTHER} in us-east-1 blocks 127.0.2.10, ')
    assert [line["accounts"] for line in server.log() if line["event"] == "account-refused"] == [OTHER]
    assert "account refused, peer 127.0.2.10, " in log_refused(server)
    assert codes("127.0.2.11", ("u@other.test", 0)) == [250] and seen(server)[0] == told


# --- the refusals of the specification (2.2), word for word, in our own manner and in SES's

OURS, SES = "ours", "ses"
MATRIX = [
    # what is said, and the reply: the same in both manners, or of each
    (b"RCPT TO:<u@example.com>", b"503 5.5.1 Need MAIL command"),
    (b"MAIL FROM:<a@sender.example>", {OURS: b"250 2.1.0 Ok", SES: b"250 Ok"}),
    (b"MAIL FROM:<a@sender.example>", b"503 5.5.1 Bad sequence of commands"),
    (b"DATA", b"503 5.5.1 Need RCPT command"),
    (b"RCPT TO:<u@nobody.test>", b"550 5.1.1 Requested action not taken: mailbox unavailable"),
    (b"RCPT TO:<u@inactive.test>", b"550 5.1.1 Requested action not taken: mailbox unavailable"),
    (b"RCPT TO:<other@example.com>", b"550 5.1.1 Requested action not taken: mailbox unavailable"),
    (b"RCPT TO:<tls@example.com>", b"530 5.7.0 Must issue a STARTTLS command first"),
    (b"RCPT TO:<u@blocked.test>", b"550 5.7.1 Client host [127.0.0.1] blocked"),
    (b"RCPT TO:u@example.com", b"501 5.5.4 Syntax error in parameters or arguments"),
    (b"RCPT TO:<>", b"501 5.5.4 Syntax error in parameters or arguments"),
    (b"RCPT TO:<u@example.com> NOTIFY=NEVER", b"555 5.5.4 Parameter not recognized or not implemented"),
    (b"WHAT", b"500 5.5.2 Command not recognized"),
    (b"EXPN list", b"502 5.5.1 Command not implemented"),
    (b"VRFY u", {OURS: b"252 2.0.0 Cannot verify, but will take mail and try", SES: b"252 Cannot verify, but will take mail and try"}),
    (b"RCPT TO:<u@example.com>", {OURS: b"250 2.1.5 Ok", SES: b"250 Ok"}),
    (b"RCPT TO:<u@example.com>", {OURS: b"250 2.1.5 Ok", SES: b"250 Ok"}),
    (b"RCPT TO:<u@example.com>", b"452 4.5.3 Too many recipients"),
    (b"DATA", b"354 End data with <CR><LF>.<CR><LF>"),
    (b"x" * 2000 + b"\r\n.", b"552 5.3.4 Message size exceeds fixed limit"),
    (b"RSET", {OURS: b"250 2.0.0 Ok", SES: b"250 Ok"}),
    (b"NOOP", {OURS: b"250 2.0.0 Ok", SES: b"250 Ok"}),
    (b"X" * 2050, b"500 5.5.2 Line too long"),
]


@pytest.mark.parametrize("manner", [OURS, SES])
@pytest.mark.parametrize("named", [False, True])
def test_the_refusals_of_the_specification(make_server, manner, named):
    name = "mx.example.net" if named else f"inbound-smtp.{REGION}.amazonaws.com"
    hostname = ["--hostname", name] if named or manner == OURS else []
    server = make_server("--compat", "none" if manner == OURS else "ses", *hostname, "--rcpt-max", "2",
                         "--message-max", "1024", "--errors-max", "100")
    receiving = Receiving(server)
    receiving.rule("one", recipients=["u@example.com"])
    receiving.rule("tls", recipients=["tls@example.com"], tls="Require")
    server.client("ses", account="777788889999").verify_domain_identity(Domain="inactive.test")
    blocking = Receiving(server, account=OTHER, domain="blocked.test")
    blocking.rule("all")
    put_filters(blocking.ses, ("Block", "127.0.0.1"))
    product = "Sesame" if manner == OURS else "Amazon SES"
    with Raw(server) as raw:
        assert re.fullmatch(rf"220 {re.escape(name)} ESMTP {product} [A-Za-z0-9]{{20}}\r\n", raw.reply().decode())
        assert raw.ask(b"EHLO client.example\r\n").decode().splitlines() == [
            f"250-{name}", *(["250-8BITMIME", "250-STARTTLS", "250 Ok"] if manner == SES else
                             ["250-PIPELINING", "250-SIZE 1024", "250-8BITMIME", "250-ENHANCEDSTATUSCODES",
                              "250-SMTPUTF8", "250-CHUNKING", "250 STARTTLS"])]
        for command, reply in MATRIX:
            reply = reply[manner] if isinstance(reply, dict) else reply
            assert (command[:60], raw.ask(command + b"\r\n")) == (command[:60], reply + b"\r\n")
        said = {OURS: f"221 2.0.0 {name} closing connection\r\n", SES: f"221 {name} closing connection\r\n"}
        assert raw.ask(b"QUIT\r\n").decode() == said[manner]


# --- floods

def test_a_flood_of_connections_is_seen_and_washes_nothing_away(make_server):
    server = make_server("--connections-per-address", "2", "--refused-rate", "10")
    rcpt(server, "before@x.test", source="127.0.0.9")
    time.sleep(1.1)
    with Raw(server) as one, Raw(server) as two:
        assert (one.reply()[:3], two.reply()[:3]) == (b"220", b"220")
        for _ in range(300):
            with Raw(server) as more:
                assert re.fullmatch(rb"421 4\.7\.0 \S+ Too many connections from \[127\.0\.0\.1\]\r\n", more.reply())
        assert rcpt(server, "after@x.test", source="127.0.0.9") == NO_MAILBOX  # another address still comes in

    def all_accounted():  # what was left out is told once a second; after@ may be among it
        listed = seen(server, limit=1000)
        told = sum(r["refused"] in ("connection", "recipient") for r in listed) - 1
        return told + sum(r.get("leftOut", 0) for r in listed) == 301
    assert eventually(all_accounted)
    listed = seen(server, limit=1000)
    refused = [r for r in listed if r["refused"] == "connection"]
    assert refused[0]["reason"] == "per_address" and refused[0]["peer"] == "127.0.0.1"
    assert refused[0]["why"] == "as many connections of this address are open as --connections-per-address allows"
    assert listed[-1]["to"] == "<before@x.test>"
    assert any(r["refused"] == "left-out" for r in listed)
    assert 'sesame_smtp_refusals_total{reason="connections"} 300\n' in server.get("/_sesame/metrics")
