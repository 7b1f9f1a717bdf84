"""The S3 Encryption Client of the AWS SDK for Go, Debian's own package, opens mail that we encrypted."""
import fcntl
import os
import pathlib
import subprocess

import pytest

from conftest import ACCOUNT, BINARY, KEY, REGION, ROOT, SECRET, bucket_policy, rule_arn, s3_action

MAIL = b"Subject: for a stranger's client\r\n\r\n" + b"one line of several\r\n" * 9000
PROGRAM = pathlib.Path(__file__).parent / "go" / "decrypt.go"


@pytest.fixture(scope="session")
def go_decrypt(tmp_path_factory):
    """The program; offline, from Debian's sources. What the compiler made of those lies beside the builds, for the next run."""
    place, objects = tmp_path_factory.mktemp("go"), ROOT / "build-go"
    env = {**os.environ, "GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOCACHE": str(objects), "GOFLAGS": "",
           "CGO_ENABLED": "0"}
    with open(ROOT / "build-go.lock", "w", encoding="ascii") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        built = subprocess.run(["go", "build", "-o", str(place / "decrypt"), str(PROGRAM)], env=env, cwd=place,
                               capture_output=True, text=True, timeout=300, check=False)
    assert built.returncode == 0, built.stderr
    return place / "decrypt"


def test_it_decrypts_what_ses_would_have_encrypted(server, receiving, go_decrypt):
    receiving.bucket("mail", bucket_policy("mail", rule_arn("main", "store")))
    receiving.rule("store", s3_action("mail", "in", KmsKeyArn=f"arn:aws:kms:{REGION}:{ACCOUNT}:alias/aws/ses"))
    message = server.send(MAIL)
    server.settled(message, ["delivered"])
    env = {**os.environ, "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET}

    def decrypted(key):
        return subprocess.run([str(go_decrypt), server.api, "mail", key], env=env, capture_output=True, timeout=60,
                              check=False)
    opened = decrypted(f"in/{message}")
    assert opened.returncode == 0, opened.stderr
    assert opened.stdout.startswith(b"Return-Path: <a@sender.example>\r\n") and opened.stdout.endswith(MAIL)

    ours = {**env, "SESAME_ROOT_ACCESS_KEY_ID": KEY, "SESAME_ROOT_SECRET_ACCESS_KEY": SECRET}

    def by_sesame(key):
        return subprocess.run([BINARY, "decrypt", "--api", server.api, f"s3://mail/{key}"], env=ours, capture_output=True,
                              timeout=60, check=False)
    same = by_sesame(f"in/{message}")
    assert same.returncode == 0 and same.stdout == opened.stdout, same.stderr

    sealed = receiving.s3.get_object(Bucket="mail", Key=f"in/{message}")
    body = bytearray(sealed["Body"].read())
    body[len(body) // 2] ^= 1
    receiving.s3.put_object(Bucket="mail", Key="in/touched", Body=bytes(body), Metadata=sealed["Metadata"])
    touched = decrypted("in/touched")
    assert touched.returncode != 0 and touched.stdout == b""
    ours_touched = by_sesame("in/touched")
    assert ours_touched.returncode != 0 and ours_touched.stdout == b"" and ours_touched.stderr
