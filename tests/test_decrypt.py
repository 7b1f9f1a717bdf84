"""`sesame decrypt`: what SES and other clients encrypted comes back, whole or not at all."""
import base64
import json
import os
import subprocess

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from conftest import (ACCOUNT, BINARY, KEY, REGION, SECRET, Receiving, bucket_policy, role_policy, rule_arn, s3_action,
                      trust_policy)

OTHER = "444455556666"
MAIL = b"From: a@sender.example\r\nSubject: secret\r\n\r\n" + b"between us\r\n" * 500
ROOT = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET}


def decrypt(*arguments, env=None, expect=0):
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "SESAME_"))}
    done = subprocess.run([BINARY, "decrypt", *map(str, arguments)], env={**clean, **(ROOT if env is None else env)},
                          capture_output=True, timeout=60, check=False)
    assert done.returncode == expect, done.stderr
    if expect:
        assert done.stdout == b"" and done.stderr.count(b"\n") == 1, done
    return done.stdout if not expect else done.stderr.decode()


def ses_key(server, rule, **more):
    """A key whose policy has the page's AllowSESToEncryptMessagesBelongingToThisAccount."""
    kms = server.client("kms", **more)
    key = kms.create_key()["KeyMetadata"]
    policy = json.loads(kms.get_key_policy(KeyId=key["KeyId"], PolicyName="default")["Policy"])
    policy["Statement"].append({
        "Sid": "AllowSESToEncryptMessagesBelongingToThisAccount", "Effect": "Allow",
        "Principal": {"Service": "ses.amazonaws.com"}, "Action": "kms:GenerateDataKey*", "Resource": "*",
        "Condition": {"StringEquals": {"AWS:SourceAccount": ACCOUNT, "AWS:SourceArn": rule_arn("main", rule)}}})
    kms.put_key_policy(KeyId=key["KeyId"], PolicyName="default", Policy=json.dumps(policy))
    return key


@pytest.fixture(scope="module")
def post(shared_server):
    """One server with a mail in a bucket, encrypted under a key of its own."""
    receiving = Receiving(shared_server)
    receiving.bucket("mail", bucket_policy("mail", receiving.arn("store")))
    receiving.key = ses_key(shared_server, "store")
    receiving.rule("store", s3_action("mail", "in", KmsKeyArn=receiving.key["Arn"]))
    receiving.id = shared_server.send(MAIL)
    shared_server.settled(receiving.id, ["delivered"])
    receiving.sealed = receiving.s3.get_object(Bucket="mail", Key=f"in/{receiving.id}")
    receiving.bytes = receiving.sealed["Body"].read()
    return receiving


@pytest.fixture
def files(post, tmp_path):
    """The object and its metadata in files, to be bent."""
    metadata = dict(post.sealed["Metadata"])
    (tmp_path / "object").write_bytes(post.bytes)

    def run(octets=None, expect=0, **changes):
        if octets is not None:
            (tmp_path / "object").write_bytes(octets)
        bent = {k: v for k, v in {**metadata, **{k.replace("_", "-"): v for k, v in changes.items()}}.items()
                if v is not None}
        (tmp_path / "metadata").write_text(json.dumps(bent))
        return decrypt(tmp_path / "object", "--metadata", tmp_path / "metadata", "--api", post.server.api, expect=expect)
    run.metadata = metadata
    return run


def test_a_mail_comes_back_from_the_server(post, tmp_path):
    place = f"s3://mail/in/{post.id}"
    assert MAIL not in post.bytes and b"between us" not in post.bytes
    plain = decrypt(place, "--api", post.server.api)
    assert plain.endswith(MAIL) and plain.startswith(b"Return-Path: <a@sender.example>\r\n")
    assert len(post.bytes) == len(plain) + 16
    assert set(post.sealed["Metadata"]) == {
        "x-amz-key-v2", "x-amz-iv", "x-amz-cek-alg", "x-amz-wrap-alg", "x-amz-tag-len",
        "x-amz-unencrypted-content-length", "x-amz-matdesc"}
    out = tmp_path / "mail.eml"
    assert decrypt(place, "--api", post.server.api, "--output", out) == b"" and out.read_bytes() == plain
    assert out.stat().st_mode & 0o777 == 0o600
    assert "cannot make" in decrypt(place, "--api", post.server.api, "--output", out, expect=1)  # never over another


def test_it_finds_its_server_and_credentials_as_the_other_commands_do(make_server, tmp_path):
    server = make_server()
    receiving = Receiving(server)
    receiving.bucket("mail", bucket_policy("mail", receiving.arn("store")))
    receiving.rule("store", s3_action("mail", KmsKeyArn=f"arn:aws:kms:{REGION}:{ACCOUNT}:alias/aws/ses"))
    message = server.send(MAIL)
    server.settled(message, ["delivered"])
    place = f"s3://mail/{message}"
    data = ("--data", server.data)
    assert decrypt(place, *data, env={"SESAME_ROOT_ACCESS_KEY_ID": KEY, "SESAME_ROOT_SECRET_ACCESS_KEY": SECRET}
                   ).endswith(MAIL)
    profiles = tmp_path / "credentials"
    profiles.write_text(f"[default]\naws_access_key_id = AKIDNOBODY\naws_secret_access_key = x\n"
                        f"[mail]\naws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n")
    named = {"AWS_SHARED_CREDENTIALS_FILE": str(profiles)}
    assert decrypt(place, *data, env={**named, "AWS_PROFILE": "mail"}).endswith(MAIL)
    assert "S3 answers 403 InvalidAccessKeyId" in decrypt(place, "--api", server.api, env=named, expect=1)
    assert "no credentials of the profile x" in decrypt(place, *data, env={**named, "AWS_PROFILE": "x"}, expect=1)
    assert "cannot be read" in decrypt(place, "--api", server.api, env={"HOME": str(tmp_path)}, expect=1)


def test_object_and_keys_may_be_at_two_places(post, make_server):
    elsewhere = make_server()
    s3 = elsewhere.client("s3")
    s3.create_bucket(Bucket="copies")
    s3.put_object(Bucket="copies", Key="a copy", Body=post.bytes, Metadata=post.sealed["Metadata"])
    assert "KMS answers 400 AccessDeniedException" in decrypt("s3://copies/a copy", "--api", elsewhere.api, expect=1)
    assert decrypt("s3://copies/a copy", "--api", elsewhere.api, "--kms-api", post.server.api + "/").endswith(MAIL)


def test_one_bit_changed_anywhere_gives_an_error_and_no_output(post, files):
    plain = files()
    assert plain.endswith(MAIL)
    size = len(post.bytes)
    for at in [*range(3), size // 2, *range(size - 17, size)]:
        for bit in 1, 0x80:
            bent = bytearray(post.bytes)
            bent[at] ^= bit
            assert "is not what was encrypted" in files(bytes(bent), expect=1)
    for cut in b"", post.bytes[:15], post.bytes[:-1], post.bytes + b"\0":
        assert "is not what was encrypted" in files(cut, expect=1)
    files(post.bytes)
    iv = bytearray(base64.b64decode(files.metadata["x-amz-iv"]))
    iv[11] ^= 1
    assert "is not what was encrypted" in files(x_amz_iv=base64.b64encode(iv).decode(), expect=1)
    key = bytearray(base64.b64decode(files.metadata["x-amz-key-v2"]))
    key[-1] ^= 1
    assert "InvalidCiphertextException" in files(x_amz_key_v2=base64.b64encode(key).decode(), expect=1)
    context = json.loads(files.metadata["x-amz-matdesc"])
    context["aws:ses:rule-name"] = "other"
    assert "InvalidCiphertextException" in files(x_amz_matdesc=json.dumps(context), expect=1)


def test_other_envelopes_are_refused_by_name(files):
    assert "AES/CBC/PKCS5Padding" in files(x_amz_cek_alg="AES/CBC/PKCS5Padding", expect=1)
    assert "x-amz-key-v2" in files(x_amz_key_v2=None, expect=1)
    assert "RSA" in files(x_amz_wrap_alg="RSA-OAEP-SHA1", expect=1)


def test_an_envelope_of_version_2_is_read(post, tmp_path):
    kms = post.server.client("kms")
    context = {"aws:x-amz-cek-alg": "AES/GCM/NoPadding", "team": "mail"}
    made = kms.generate_data_key(KeyId=post.key["KeyId"], KeySpec="AES_256", EncryptionContext=context)
    iv = os.urandom(12)
    sealed = AESGCM(made["Plaintext"]).encrypt(iv, MAIL, None)
    (tmp_path / "object").write_bytes(sealed)
    head = {"Metadata": {
        "x-amz-key-v2": base64.b64encode(made["CiphertextBlob"]).decode(), "x-amz-iv": base64.b64encode(iv).decode(),
        "x-amz-cek-alg": "AES/GCM/NoPadding", "x-amz-wrap-alg": "kms+context", "x-amz-tag-len": "128",
        "x-amz-matdesc": json.dumps(context), "x-amz-unencrypted-content-length": str(len(MAIL))}, "ContentLength": 1}
    (tmp_path / "head").write_text(json.dumps(head))
    assert decrypt(tmp_path / "object", "--metadata", tmp_path / "head", "--api", post.server.api) == MAIL
    del context["aws:x-amz-cek-alg"]
    head["Metadata"]["x-amz-matdesc"] = json.dumps(context)
    (tmp_path / "head").write_text(json.dumps(head))
    assert "does not bind" in decrypt(tmp_path / "object", "--metadata", tmp_path / "head", "--api", post.server.api,
                                      expect=1)


def test_who_may_not_use_the_key_reads_nothing(post):
    post.s3.put_bucket_policy(Bucket="mail", Policy=json.dumps({"Version": "2012-10-17", "Statement": [
        *bucket_policy("mail", post.arn("store"))["Statement"],
        {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{OTHER}:root"}, "Action": "s3:GetObject",
         "Resource": "arn:aws:s3:::mail/*"}]}))
    theirs = {"AWS_ACCESS_KEY_ID": OTHER, "AWS_SECRET_ACCESS_KEY": SECRET}
    said = decrypt(f"s3://mail/in/{post.id}", "--api", post.server.api, env=theirs, expect=1)
    assert "KMS answers 400 AccessDeniedException" in said and "kms:Decrypt" in said


def test_a_rule_s_role_encrypts_with_what_its_own_policies_give(server):
    """The page's role policy: bucket, and kms:GenerateDataKey* on the key; the key's policy names the account only."""
    receiving = Receiving(server)
    key = server.client("kms").create_key()["KeyMetadata"]
    receiving.bucket("mail")
    receiving.iam.create_role(RoleName="writer", AssumeRolePolicyDocument=json.dumps(trust_policy(receiving.arn("r"))))
    policy = role_policy("mail")
    policy["Statement"].append({"Sid": "KMSAccess", "Effect": "Allow", "Action": "kms:GenerateDataKey*",
                                "Resource": key["Arn"]})
    receiving.iam.put_role_policy(RoleName="writer", PolicyName="p", PolicyDocument=json.dumps(policy))
    receiving.rule("r", s3_action("mail", KmsKeyArn=key["Arn"], IamRoleArn=f"arn:aws:iam::{ACCOUNT}:role/writer"))
    message = server.send(MAIL)
    server.settled(message, ["delivered"])
    assert decrypt(f"s3://mail/{message}", "--api", server.api).endswith(MAIL)
    receiving.iam.put_role_policy(RoleName="writer", PolicyName="p", PolicyDocument=json.dumps(role_policy("mail")))
    attempt = server.attempted(server.send(MAIL))["attempts"][0]
    assert (attempt["denial"]["action"], attempt["denial"]["policy"]) == ("kms:GenerateDataKey", "identity[0]"), attempt


@pytest.mark.parametrize("words, says", [
    ((), "decrypt what?"), (("s3://mail",), "names no object"), (("object",), "--metadata FILE is missing"),
    (("a", "b"), "there is no place for"), (("no-such-file", "--metadata", "/dev/null"), "line 1")])
def test_a_question_that_is_none_is_answered_in_a_sentence(words, says):
    assert says in decrypt(*words, "--api", "http://127.0.0.1:9", expect=2)
