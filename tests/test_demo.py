"""The first ten minutes: --demo, one mail, the object read back."""
import email
import json
import os
import re
import subprocess

import pytest

import aws_cli
from conftest import ACCOUNT, BINARY, KEY, SECRET, bucket_policy, eventually, rule_arn

BODIES = {
    "plain": b"Subject: hello\r\n\r\nhi\r\n",
    "8-bit": b"Subject: caf\xe9 \xff\xfe\r\n\r\n\x80\x81 high octets\r\n",
    "NUL": b"Subject: nul\r\n\r\nbefore\x00after\r\n\x00\r\n",
    "dots": b".leading\r\nSubject: dots\r\n\r\n.\r\n..\r\n.a\r\nend.\r\n.\r\n",
    "long lines": b"Subject: long\r\n\r\n" + b"x" * 300_000 + b"\r\n" + b"y" * 70_001 + b"\r\n",
    "empty body": b"Subject: nothing below\r\n\r\n",
    "nothing at all": b"",
    "only a line end": b"\r\n",
}


def environment():
    return {**os.environ, "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_PAGER": ""}


def aws(server, *arguments):
    done = subprocess.run(["/usr/bin/aws", "--endpoint-url", server.api, *arguments], env=environment(), capture_output=True,
                          text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done


def aws_again(server, *arguments):
    """Where the command itself was started before."""
    done = aws_cli.aws("--endpoint-url", server.api, *arguments, env=environment())
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    from conftest import Server
    server = Server(tmp_path_factory.mktemp("demo"), "--demo").start()
    yield server
    server.stop()


def split_block(stored, sent):
    """The header block in front of exactly the octets sent."""
    assert stored.endswith(sent) if sent else True, "the octets sent do not end the object"
    return stored[:len(stored) - len(sent)]


def check_block(block, message_id, sender, recipient):
    lines = block.decode("ascii").split("\r\n")
    assert lines[0] == f"Return-Path: <{sender}>"
    assert re.fullmatch(r"Received: from client\.example \(\[127\.0\.0\.1\]\)", lines[1]), lines[1]
    assert re.fullmatch(rf" by \S+ with SMTP id {message_id}", lines[2]), lines[2]
    assert lines[3] == f" for {recipient};", lines[3]
    assert re.fullmatch(r" \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d \+0000 \(UTC\)", lines[4]), lines[4]
    assert re.fullmatch(r"X-SES-RECEIPT: [A-Za-z0-9+/=]+", lines[5]), lines[5]
    assert lines[6:] == [""], lines[6:]


@pytest.mark.parametrize("name", BODIES)
def test_the_object_is_the_header_block_and_the_octets_sent(demo, name, tmp_path):
    sent = BODIES[name]
    message = demo.send(sent)
    demo.settled(message, ["delivered"])
    target = tmp_path / "object"
    aws_again(demo, "s3", "cp", f"s3://demo-mail/{message}", str(target))
    check_block(split_block(target.read_bytes(), sent), message, "a@sender.example", "user@example.com")


def test_swaks_sends_the_first_mail(demo, tmp_path):
    done = subprocess.run(["swaks", "--server", demo.host, "--port", str(demo.port), "--to", "you@example.com",
                           "--from", "me@sender.example", "--body", "first mail", "--h-Subject", "first"],
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout
    message = re.search(r"<.*250 2\.0\.0 OK ([0-9a-v]{40})", done.stdout).group(1)
    demo.settled(message, ["delivered"])
    listed = aws(demo, "s3", "ls", "s3://demo-mail/").stdout
    assert message in listed
    aws(demo, "s3", "cp", f"s3://demo-mail/{message}", str(tmp_path / "m"))
    parsed = email.message_from_bytes((tmp_path / "m").read_bytes())
    assert parsed["Subject"] == "first" and "first mail" in parsed.get_payload()


def test_thirty_five_megabytes_arrive(demo, tmp_path):
    sent = b"Subject: large\r\n\r\n" + b"".join(b"%075d\r\n" % i for i in range(35 * 1024 * 1024 // 77))
    message = demo.send(sent)
    demo.settled(message, ["delivered"], 60)
    target = tmp_path / "large"
    aws(demo, "s3", "cp", f"s3://demo-mail/{message}", str(target))
    stored = target.read_bytes()
    assert stored.endswith(sent) and len(stored) - len(sent) < 2000


def test_what_the_demo_prepares_is_the_seed_page(demo):
    policy = json.loads(demo.client("s3").get_bucket_policy(Bucket="demo-mail")["Policy"])
    assert policy == bucket_policy("demo-mail", rule_arn("demo", "store"))
    active = demo.client("ses").describe_active_receipt_rule_set()
    assert active["Metadata"]["Name"] == "demo"
    [rule] = active["Rules"]
    assert rule["Name"] == "store" and rule["Enabled"]
    assert rule["Actions"] == [{"S3Action": {"BucketName": "demo-mail"}}]


def test_the_lines_for_a_person_work_when_copied(make_server, tmp_path):
    server = make_server("--demo", env={"SESAME_ROOT_ACCESS_KEY_ID": "", "SESAME_ROOT_SECRET_ACCESS_KEY": ""})
    text = eventually(lambda: (lambda t: t if "aws" in t and "swaks" in t else None)(server.log_text()))
    assert text, server.log_text()
    commands = [line.strip().lstrip("$ ") for line in text.splitlines()
                if re.match(r"\s*(\$ )?(swaks|unset|export|aws|AWS_|source|\. )", line)]
    assert any(c.startswith("swaks") for c in commands), text
    send = [c for c in commands if c.startswith("swaks")][0]
    done = subprocess.run(["bash", "-c", send], capture_output=True, text=True, timeout=60, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    message = re.search(r"OK ([0-9a-v]{40})", done.stdout).group(1)
    server.settled(message, ["delivered"])
    rest = [c for c in commands if not c.startswith("swaks")]
    clean = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
    clean.update(AWS_ACCESS_KEY_ID="AKIDOFTHEREALAWS", AWS_SECRET_ACCESS_KEY="x", AWS_PROFILE="work")
    clean["PATH"] = "/usr/bin:/bin"
    clean["AWS_PAGER"] = ""
    done = subprocess.run(["bash", "-e"], input="\n".join(rest), capture_output=True, text=True, timeout=120,
                          cwd=tmp_path, env=clean, check=False)
    assert done.returncode == 0, (rest, done.stderr)
    assert message in done.stdout or any(message in p.name for p in tmp_path.iterdir()) or \
        any(b"X-SES-RECEIPT" in p.read_bytes() for p in tmp_path.iterdir() if p.is_file()), (rest, done.stdout)


def test_what_the_lines_use_and_is_missing_is_named(make_server, tmp_path):
    only_swaks = tmp_path / "bin"
    only_swaks.mkdir()
    (only_swaks / "swaks").symlink_to("/usr/bin/swaks")
    server = make_server("--demo", env={"PATH": str(only_swaks)})
    assert eventually(lambda: "apt-get install -y --no-install-recommends awscli\n" in server.log_text()), server.log_text()
    server = make_server("--demo", env={"PATH": "/nonexistent:/usr/bin"})
    assert eventually(lambda: "aws --endpoint-url" in server.log_text())
    assert "apt-get" not in server.log_text()


def test_demo_changes_nothing_on_a_directory_in_use(make_server):
    server = make_server("--demo")
    s3 = server.client("s3")
    policy = bucket_policy("demo-mail", rule_arn("demo", "another"))
    s3.put_bucket_policy(Bucket="demo-mail", Policy=json.dumps(policy))
    server.restart()
    assert json.loads(server.client("s3").get_bucket_policy(Bucket="demo-mail")["Policy"]) == policy


def test_demo_on_a_directory_used_without_it_changes_nothing(make_server):
    server = make_server()
    server.client("s3").create_bucket(Bucket="mine")
    server.restart("--demo")
    assert [b["Name"] for b in server.client("s3").list_buckets()["Buckets"]] == ["mine"]


def test_a_person_can_open_the_objects_as_files(demo, tmp_path):
    sent = b"Subject: on disk\r\n\r\nfind me\r\n"
    message = demo.send(sent)
    demo.settled(message, ["delivered"])
    subprocess.run([BINARY, "objects", "--data", str(demo.data), "--output", str(tmp_path / "out"), "s3://demo-mail"], check=True)
    files = [p for p in (tmp_path / "out" / "demo-mail").rglob("*") if p.is_file() and message in p.name]
    assert len(files) == 1 and files[0].read_bytes().endswith(sent)


def test_aws_cli_makes_the_whole_set_up_by_hand(server, tmp_path):
    def run(*arguments):
        return aws_again(server, *arguments)
    run("ses", "verify-domain-identity", "--domain", "shop.example")
    run("ses", "create-receipt-rule-set", "--rule-set-name", "main")
    run("s3api", "create-bucket", "--bucket", "shop-mail")
    run("s3api", "put-bucket-policy", "--bucket", "shop-mail", "--policy",
        json.dumps(bucket_policy("shop-mail", rule_arn("main", "store"))))
    run("ses", "create-receipt-rule", "--rule-set-name", "main", "--rule", json.dumps(
        {"Name": "store", "Enabled": True, "Recipients": ["shop.example"],
         "Actions": [{"S3Action": {"BucketName": "shop-mail", "ObjectKeyPrefix": "in"}}]}))
    run("ses", "set-active-receipt-rule-set", "--rule-set-name", "main")
    sent = b"Subject: order\r\n\r\n1 cup\r\n"
    message = server.send(sent, to="orders@shop.example")
    server.settled(message, ["delivered"])
    run("s3", "cp", f"s3://shop-mail/in/{message}", str(tmp_path / "m"))
    assert (tmp_path / "m").read_bytes().endswith(sent)
    assert json.loads(run("sts", "get-caller-identity").stdout) == {
        "UserId": ACCOUNT, "Account": ACCOUNT, "Arn": f"arn:aws:iam::{ACCOUNT}:root"}


def test_a_wrong_flag_is_one_sentence_and_exit_2(tmp_path):
    for flags in (["serve", "--nonsense"], ["serve", "--smtp"], ["nonsense"], ["serve", "--smtp", "not an address"]):
        done = subprocess.run([BINARY, *flags, "--data", str(tmp_path / "d")], capture_output=True, text=True, timeout=20, check=False)
        assert done.returncode == 2, (flags, done)
        assert done.stderr.strip().count("\n") <= 1, done.stderr


def test_a_start_that_fails_is_one_sentence_and_exit_1(demo, tmp_path):
    second = subprocess.run([BINARY, "serve", "--data", str(demo.data), "--smtp", "127.0.0.1:0", "--api", "127.0.0.1:0"],
                            capture_output=True, text=True, timeout=20, check=False)
    assert second.returncode == 1 and second.stdout == "", second
    assert str(demo.data) in second.stderr and len(second.stderr.strip().splitlines()) == 1, second.stderr
    busy = subprocess.run([BINARY, "serve", "--data", str(tmp_path / "x"), "--smtp", "127.0.0.1:0", "--api",
                           demo.api.removeprefix("http://")], capture_output=True, text=True, timeout=20, check=False)
    assert busy.returncode == 1 and len(busy.stderr.strip().splitlines()) == 1, busy


def test_ready_json_lies_there_while_it_runs(make_server):
    server = make_server()
    path = server.data / "ready.json"
    assert json.loads(path.read_text()) == server.ready
    assert server.ready["event"] == "ready" and server.ready["pid"] == server.process.pid
    server.stop()
    assert not path.exists()
