"""The faces of the program: commands, settings and their order, exit codes, credentials, pages, signals."""
import json
import os
import pathlib
import pwd
import re
import shutil
import signal
import stat
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import pytest

from conftest import ACCOUNT, BINARY, KEY, ROOT, SECRET, Raw, Receiving, Server, eventually, message_id

BARE = {k: v for k, v in os.environ.items() if not k.startswith("SESAME_") or k == "SESAME_BIN"}


def sesame(*arguments, env=None, cwd=None):
    return subprocess.run([BINARY, *arguments], capture_output=True, text=True, timeout=60, check=False, cwd=cwd,
                          env={**BARE, **(env or {})})


# --- commands

def test_every_command_of_the_help_answers():
    shown = sesame("help")
    assert shown.returncode == 0 and shown.stderr == ""
    names = re.findall(r"^  sesame (\w+)", shown.stdout, re.M)
    assert {"serve", "explain", "send", "log"} <= set(names)
    for name in names:
        if name in ("version", "help"):
            assert sesame(name).returncode == 0
        else:
            told = sesame("help", name)
            assert told.returncode == 0 and told.stdout.startswith(f"sesame {name} - "), told
            assert sesame(name, "--help").stdout == told.stdout


def test_version_is_one_line():
    assert re.fullmatch(r"sesame \d+\.\d+\.\d+\n", sesame("version").stdout)
    assert sesame("--version").stdout == sesame("version").stdout
    assert sesame("version", "please").returncode == 2


def test_help_of_serve_names_every_setting_once():
    told = sesame("help", "serve").stdout
    for flag in ("--data", "--smtp", "--api", "--hostname", "--account", "--region", "--tls-cert", "--tls-key", "--compat",
                 "--demo", "--config", "--user", "--verify-identities", "--connections-per-address"):
        assert len(re.findall(rf"^  {flag} ", told, re.M)) == 1, flag
    assert "SESAME_ROOT_SECRET_ACCESS_KEY" in told and "--root-secret-access-key" not in told


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["help", "nonsense"], ["serve", "extra"], ["serve", "--api"],
                                       ["serve", "--loops", "x"], ["serve", "--account", "1"], ["explain", "--nonsense"],
                                       ["explain"], ["explain", "--message", "short"], ["redrive"],
                                       ["serve", "--relay", "127.0.0.1:25", "--outbound", "mx"]])
def test_a_wrong_question_is_one_sentence_and_exit_2(arguments):
    done = sesame(*arguments)
    assert done.returncode == 2 and done.stdout == "", done
    assert re.fullmatch(r"sesame: [^\n]+\n", done.stderr), done.stderr


# --- settings

def test_a_flag_beats_the_environment_and_that_the_config_file(make_server, tmp_path):
    config = tmp_path / "sesame.conf"
    config.write_text("# mine\nhostname = file.example\nregion = eu-west-1\naccount = 000000000003\n")
    server = make_server("--config", str(config), "--account", "000000000001",
                         env={"SESAME_ACCOUNT": "000000000002", "SESAME_REGION": "ap-south-1", "SESAME_HOSTNAME": ""})
    with Raw(server) as raw:
        assert raw.reply().startswith(b"220 file.example ")
    assert server.client("sts").get_caller_identity()["Account"] == "000000000001"
    ses = server.client("ses", region="ap-south-1")
    ses.verify_domain_identity(Domain="example.com")
    ses.create_receipt_rule_set(RuleSetName="r")
    ses.create_receipt_rule(RuleSetName="r", Rule={"Name": "all", "Enabled": True, "Actions": []})
    ses.set_active_receipt_rule_set(RuleSetName="r")
    server.send(b"Subject: here\r\n\r\n")  # the listener receives for the region of the environment


@pytest.mark.parametrize("line, says", [("nonsense = 1", "line 2 of {path} is no setting: nonsense = 1"),
                                        ("workers = many", "--workers wants a number from 1 to 1024, not \"many\"")])
def test_a_wrong_line_of_the_config_file_is_named(tmp_path, line, says):
    config = tmp_path / "c"
    config.write_text("\n" + line + "\n")
    done = sesame("serve", "--config", str(config))
    assert (done.returncode, done.stderr) == (2, "sesame: " + says.format(path=config) + "\n")


def test_a_config_file_that_is_too_long_is_not_cut_in_silence(tmp_path):
    config = tmp_path / "c"
    config.write_text("#" * (1 << 20) + "\nnonsense\n")
    done = sesame("serve", "--config", str(config))
    assert done.returncode == 2 and "is longer than" in done.stderr, done


@pytest.mark.parametrize("flags", [["--tls-cert", "/nonexistent/c", "--tls-key", "/nonexistent/k"],
                                   ["--smtp", "203.0.113.1:0"], ["--smtp", "no-such-host.invalid:2525"],
                                   ["--data", "/dev/null/x"], ["--data", "/proc/nowhere"]])
def test_a_start_that_cannot_be_is_one_sentence_and_exit_1(tmp_path, flags):
    flags = (["--data", str(tmp_path / "d")] if "--data" not in flags else []) + flags
    flags += [] if "--smtp" in flags else ["--smtp", "127.0.0.1:0"]
    done = sesame("serve", "--api", "127.0.0.1:0", *flags)
    assert done.returncode == 1 and done.stdout == "", done
    said = [line for line in done.stderr.splitlines() if not line.startswith("{")]
    assert len(said) == 1 and said[0].startswith("sesame: "), done.stderr
    assert any(word in said[0] for word in flags if word.startswith("/") or ":" in word), said


# --- the data directory and the root credentials

def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


NONE = {"SESAME_ROOT_ACCESS_KEY_ID": "", "SESAME_ROOT_SECRET_ACCESS_KEY": ""}


def stored_credentials(server):
    text = (server.data / "root-credentials").read_text()
    return [re.search(rf"^{name} = (\S+)$", text, re.M).group(1) for name in ("aws_access_key_id", "aws_secret_access_key")]


def test_root_credentials_are_made_once_and_kept(make_server):
    server = make_server(env=NONE)
    assert mode(server.data) == 0o700 and mode(server.data / "root-credentials") == 0o600
    key, secret = stored_credentials(server)
    assert server.client("sts", key=key, secret=secret).get_caller_identity()["Account"] == ACCOUNT
    server.restart()
    assert stored_credentials(server) == [key, secret]
    assert server.client("sts", key=key, secret=secret).get_caller_identity()["Account"] == ACCOUNT


def test_root_credentials_of_the_environment_are_written_nowhere(server):
    assert not (server.data / "root-credentials").exists()
    for path in server.data.rglob("*"):
        assert not path.is_file() or SECRET.encode() not in path.read_bytes(), path
    assert SECRET not in server.log_text()


def test_an_account_id_as_access_key_is_the_root_of_that_account(make_server):
    server = make_server(env=NONE)
    _, secret = stored_credentials(server)
    identity = server.client("sts", key="999988887777", secret=secret).get_caller_identity()
    assert identity["Arn"] == "arn:aws:iam::999988887777:root"
    with pytest.raises(Exception, match="SignatureDoesNotMatch|InvalidClientTokenId"):
        server.client("sts", key="999988887777", secret=secret[::-1]).get_caller_identity()
    with pytest.raises(Exception, match="InvalidClientTokenId"):
        server.client("sts", key="99998888777", secret=secret).get_caller_identity()


def test_started_as_root_it_becomes_the_user_and_the_files_are_theirs(tmp_path):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="sesame-user-"))  # pytest's own folders are closed to others
    folder.chmod(0o755)
    server = Server(folder, "--demo", "--user", "nobody", env=NONE)
    try:
        server.start()
        them = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else os.geteuid()  # only root can change
        status = pathlib.Path(f"/proc/{server.process.pid}/status").read_text()
        assert re.search(rf"^Uid:\s+{them}\s+{them}\s+{them}\s", status, re.M), status
        assert re.search(r"^NoNewPrivs:\s+1$", status, re.M), status
        assert os.geteuid() != 0 or re.search(r"^Groups:\s*$", status, re.M), status
        server.settled(server.send(b"Subject: nobody\r\n\r\n"), ["delivered"])
        assert {path.stat().st_uid for path in [server.data, *server.data.rglob("*")]} == {them}
        server.restart()
        server.stop()
    finally:
        if server.process is not None:
            server.kill()
        shutil.rmtree(folder, ignore_errors=True)
    if os.geteuid() == 0:
        none = sesame("serve", "--data", str(tmp_path / "d"), "--user", "no-such-user")
        assert (none.returncode, none.stderr) == (1, "sesame: there is no user no-such-user\n")


# --- pages

def page(url, path, key=None, secret=SECRET, method="GET"):
    request = botocore.awsrequest.AWSRequest(method, f"{url}/_sesame/{path}")
    if key:
        botocore.auth.SigV4Auth(botocore.credentials.Credentials(key, secret), "sesame", "us-east-1").add_auth(request)
    plain = urllib.request.Request(request.url, method=method, headers=dict(request.headers))
    try:
        with urllib.request.urlopen(plain, timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def own_address():
    """An address of this machine that is not loopback, or None."""
    for word in subprocess.run(["hostname", "-I"], capture_output=True, text=True, check=False).stdout.split():
        if "." in word:
            return word
    return None


def test_pages_are_for_loopback_or_root_and_health_for_everybody(make_server):
    server = make_server()
    server.stop()
    server.flags = ["--api", "0.0.0.0:0"]
    server.start()
    port = server.api.rsplit(":", 1)[1]
    near = f"http://127.0.0.1:{port}"
    for path in ("health", "metrics", "messages", "setups"):
        assert page(near, path)[0] == 200, path
    assert page(near, "nonsense")[0] == 404 and page(near, "health", method="POST")[0] == 405
    assert own_address(), "this test needs an address that is not loopback"
    far = f"http://{own_address()}:{port}"
    assert page(far, "health")[0] == 200
    for path in ("metrics", "messages", "setups", "messages/" + "0" * 40):
        assert page(far, path)[0] == 403, path
        assert page(far, path, KEY, SECRET[::-1])[0] == 403, path
        assert page(far, path, KEY)[0] == (404 if "/" in path else 200), path
    assert page(far, "messages/" + "0" * 40 + "/redrive", method="POST")[0] == 403


def test_metrics_are_text_that_prometheus_reads(server):
    receiving = Receiving(server)
    receiving.store()
    server.settled(server.send(b"Subject: counted\r\n\r\n"), ["delivered"])
    text = server.get("/_sesame/metrics")
    families, values = {}, {}
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            name, kind = line.split()[2:]
            assert name not in families and kind in ("counter", "gauge"), line
            assert (kind == "counter") == name.endswith("_total"), line
            families[name] = kind
        elif not line.startswith("# HELP "):
            match = re.fullmatch(r'(\w+)(?:\{(\w+="(?:[^"\\]|\\.)*"(?:,\w+="(?:[^"\\]|\\.)*")*)\})? (-?\d+)', line)
            assert match and match.group(1) in families, line
            values[match.group(1), match.group(2)] = int(match.group(3))
    assert values["sesame_smtp_messages_accepted_total", None] == 1
    assert values["sesame_publish_success_total", 'rule_set="main",rule="store",action="S3"'] == 1
    assert values["sesame_spool_accepting", None] == 1 and values["sesame_spool_commits_total", None] == 1


# --- signals

def test_the_drain_waits_ten_seconds_for_open_transactions(make_server):
    server = make_server()
    Receiving(server).store()
    with Raw(server) as raw:
        raw.reply()
        for line in (b"EHLO c.example\r\n", b"MAIL FROM:<a@b.example>\r\n", b"RCPT TO:<user@example.com>\r\n", b"DATA\r\n"):
            assert raw.ask(line)[:1] in b"23"
        server.process.terminate()
        began = time.monotonic()
        time.sleep(3)
        assert server.process.poll() is None
        reply = raw.ask(b"Subject: late\r\n\r\n.\r\n")
        message_id(int(reply[:3]), reply[4:].strip())
        assert server.process.wait(20) == 0 and time.monotonic() - began < 9
    server.process.stdout.close()
    server.process = None


@pytest.mark.slow
def test_the_drain_ends_after_ten_seconds_whatever_is_open(make_server):
    server = make_server()
    Receiving(server).store()
    with Raw(server) as raw:
        raw.reply()
        for line in (b"EHLO c.example\r\n", b"MAIL FROM:<a@b.example>\r\n", b"RCPT TO:<user@example.com>\r\n", b"DATA\r\n"):
            assert raw.ask(line)[:1] in b"23"
        server.process.terminate()
        began = time.monotonic()
        assert server.process.wait(30) == 0
        assert 8 < time.monotonic() - began < 14
    server.process.stdout.close()
    server.process = None


def test_a_second_signal_ends_at_once(make_server):
    server = make_server()
    Receiving(server).store()
    with Raw(server) as raw:
        raw.reply()
        for line in (b"EHLO c.example\r\n", b"MAIL FROM:<a@b.example>\r\n", b"RCPT TO:<user@example.com>\r\n", b"DATA\r\n"):
            assert raw.ask(line)[:1] in b"23"
        server.process.terminate()
        assert eventually(lambda: "draining" in server.log_text())
        assert not (server.data / "ready.json").exists()
        began = time.monotonic()
        server.process.terminate()
        assert server.process.wait(10) == -signal.SIGTERM and time.monotonic() - began < 3
    server.process.stdout.close()
    server.process = None
    server.start()


def test_standard_output_holds_the_ready_line_and_nothing_else(make_server):
    server = make_server("--demo")
    server.settled(server.send(b"Subject: quiet\r\n\r\n"), ["delivered"])
    server.process.terminate()
    assert server.process.stdout.read() == b""
    server.process.wait(20)
    server.process.stdout.close()
    server.process = None


# --- what these tests themselves rely on

@pytest.mark.parametrize("report", ["a.c:3:5: runtime error: signed integer overflow",
                                    "==7==ERROR: AddressSanitizer: heap-use-after-free on address",
                                    "==7==ERROR: LeakSanitizer: detected memory leaks"])
def test_what_a_sanitizer_says_in_a_server_fails_the_test(tmp_path, report):
    server = Server(tmp_path)
    server.stderr_path.write_text('{"event":"message-accepted"}\n')
    server.check_sanitizers()
    server.stderr_path.write_text('{"event":"message-accepted"}\n' + report + "\n")
    with pytest.raises(AssertionError, match="Sanitizer|runtime error"):
        server.check_sanitizers()


def test_the_tables_of_the_manual_are_those_of_the_program():
    done = subprocess.run([ROOT / "tools" / "tables", "--check", BINARY], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_data_directory_can_be_moved(make_server, tmp_path):
    server = make_server("--demo")
    message = server.send(b"Subject: moved\r\n\r\n")
    before = server.settled(message, ["delivered"])
    server.stop()
    server.data = server.data.rename(tmp_path / "elsewhere")
    server.start()
    assert server.timeline(message) == before
    assert server.client("s3").get_object(Bucket="demo-mail", Key=message)["Body"].read().endswith(b"Subject: moved\r\n\r\n")
