"""Mail encrypted for its receiver: the S3 action's KmsKeyArn by key policy and by role, the managed key, a bucket that
encrypts by itself, and both; opened again with stock cryptography and nothing of ours."""
import base64
import json

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from conftest import ACCOUNT, REGION, bucket_policy, refused, role_policy, rule_arn, s3_action, trust_policy
from test_kms import raw

MAIL = b"Subject: for your eyes\r\n\r\nthe secret is 42\r\n"
ARN = rule_arn("main", "store")
OTHER = "444455556666"
ENTRIES = {"x-amz-key-v2", "x-amz-iv", "x-amz-cek-alg", "x-amz-wrap-alg", "x-amz-tag-len",
           "x-amz-unencrypted-content-length", "x-amz-matdesc"}
DEFAULT_KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:alias/aws/ses"


def root_statement(account=ACCOUNT):
    return {"Sid": "Account", "Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{account}:root"}, "Action": "kms:*",
            "Resource": "*"}


def ses_statement(action="kms:GenerateDataKey*", **changes):
    """The seed page's AllowSESToEncryptMessagesBelongingToThisAccount."""
    statement = {"Sid": "AllowSESToEncryptMessagesBelongingToThisAccount", "Effect": "Allow",
                 "Principal": {"Service": "ses.amazonaws.com"}, "Action": action, "Resource": "*",
                 "Condition": {"StringEquals": {"AWS:SourceAccount": ACCOUNT, "AWS:SourceArn": ARN}}}
    statement.update(changes)
    return statement


def key(server, *statements, account=ACCOUNT):
    """A customer managed key; its ARN."""
    kms = server.client("kms", account=None if account == ACCOUNT else account)
    policy = {"Version": "2012-10-17", "Statement": [root_statement(account), *statements]}
    return kms.create_key(Policy=json.dumps(policy))["KeyMetadata"]["Arn"]


def opened(server, receiving, message, bucket="mail", prefix=""):
    """The mail, as any S3 encryption client opens it: key by KMS with the whole material description, then AES-GCM."""
    got = receiving.s3.get_object(Bucket=bucket, Key=prefix + message)
    told = got["Metadata"]
    assert set(told) == ENTRIES
    assert (told["x-amz-cek-alg"], told["x-amz-wrap-alg"], told["x-amz-tag-len"]) == ("AES/GCM/NoPadding", "kms", "128")
    context = json.loads(told["x-amz-matdesc"])
    assert list(context) == ["aws:ses:message-id", "aws:ses:rule-name", "aws:ses:source-account", "kms_cmk_id"]
    assert told["x-amz-matdesc"] == json.dumps(context, separators=(",", ":"))
    assert context["aws:ses:message-id"] == message and context["aws:ses:source-account"] == ACCOUNT
    kms = server.client("kms")
    data_key = kms.decrypt(CiphertextBlob=base64.b64decode(told["x-amz-key-v2"]), EncryptionContext=context)["Plaintext"]
    iv, body = base64.b64decode(told["x-amz-iv"]), got["Body"].read()
    assert len(iv) == 12 and len(body) == int(told["x-amz-unencrypted-content-length"]) + 16
    with pytest.raises(InvalidTag):
        AESGCM(data_key).decrypt(iv, body[:-1] + bytes([body[-1] ^ 1]), None)
    return context, AESGCM(data_key).decrypt(iv, body, None)


def never_in_the_clear(server):
    for path in (server.data / "objects").rglob("*"):
        assert not path.is_file() or b"the secret is 42" not in path.read_bytes(), path


def test_by_key_policy(server, receiving):
    arn = key(server, ses_statement())
    receiving.bucket("mail", bucket_policy("mail", ARN))
    receiving.rule("store", s3_action("mail", "in", KmsKeyArn=arn))
    message = server.send(MAIL)
    server.settled(message, ["delivered"])
    context, text = opened(server, receiving, message, prefix="in/")
    assert context["kms_cmk_id"] == arn and context["aws:ses:rule-name"] == "store"
    assert text.endswith(MAIL) and text.startswith(b"Return-Path: <a@sender.example>\r\n")
    never_in_the_clear(server)
    setup = receiving.s3.get_object(Bucket="mail", Key="in/AMAZON_SES_SETUP_NOTIFICATION")
    assert set(setup["Metadata"]) == ENTRIES  # the test of the rule is encrypted too


@pytest.mark.parametrize("size", [0, 1, 65535, 65536, 300000, 5000000])
def test_mail_of_every_size(server, receiving, size):
    receiving.bucket("mail", bucket_policy("mail", ARN))
    receiving.rule("store", s3_action("mail", KmsKeyArn=DEFAULT_KEY))
    body = b"S: x\r\n\r\n" + (b"0123456789abc\r\n" * (size // 15 + 1))[:size // 15 * 15]
    message = server.send(body)
    server.settled(message, ["delivered"], seconds=30)
    _, text = opened(server, receiving, message)
    assert text.endswith(body)


def test_with_the_managed_key_nobody_writes_a_policy(server, receiving):
    receiving.bucket("mail", bucket_policy("mail", ARN))
    receiving.rule("store", s3_action("mail", KmsKeyArn=DEFAULT_KEY))
    message = server.send(MAIL)
    server.settled(message, ["delivered"])
    context, text = opened(server, receiving, message)
    assert context["kms_cmk_id"] == DEFAULT_KEY and text.endswith(MAIL)


def through_role(receiving, *statements):
    document = role_policy("mail")
    document["Statement"] += statements
    receiving.iam.create_role(RoleName="mailer", AssumeRolePolicyDocument=json.dumps(trust_policy(ARN)))
    receiving.iam.put_role_policy(RoleName="mailer", PolicyName="p", PolicyDocument=json.dumps(document))
    return f"arn:aws:iam::{ACCOUNT}:role/mailer"


def may_use(arn):
    return {"Sid": "KMSAccess", "Effect": "Allow", "Action": "kms:GenerateDataKey*", "Resource": arn}


@pytest.mark.parametrize("managed", [False, True])
def test_by_role(server, receiving, managed):
    arn = DEFAULT_KEY if managed else key(server)
    named = server.client("kms").describe_key(KeyId="alias/aws/ses")["KeyMetadata"]["Arn"] if managed else arn
    role = through_role(receiving, may_use(named))
    receiving.bucket("mail")
    receiving.rule("store", s3_action("mail", KmsKeyArn=arn, IamRoleArn=role))
    message = server.send(MAIL)
    server.settled(message, ["delivered"])
    assert opened(server, receiving, message)[1].endswith(MAIL)


def test_a_role_without_the_key_is_denied_and_nothing_is_written(server, receiving):
    arn = key(server, ses_statement())  # what the service may, the role may not
    role = through_role(receiving, may_use(arn))
    receiving.bucket("mail")
    receiving.rule("store", s3_action("mail", KmsKeyArn=arn, IamRoleArn=role))
    receiving.iam.put_role_policy(RoleName="mailer", PolicyName="p", PolicyDocument=json.dumps(role_policy("mail")))
    message = server.send(MAIL)
    denial = server.attempted(message)["attempts"][0]["denial"]
    assert denial["action"] == "kms:GenerateDataKey" and denial["policy"].startswith("identity"), denial
    assert not receiving.keys()


def test_a_key_of_another_account(server, receiving):
    arn = key(server, ses_statement(), account=OTHER)
    receiving.bucket("mail", bucket_policy("mail", ARN))
    receiving.rule("store", s3_action("mail", KmsKeyArn=arn))
    message = server.send(MAIL)
    server.settled(message, ["delivered"])
    got = receiving.s3.get_object(Bucket="mail", Key=message)["Metadata"]
    blob, context = base64.b64decode(got["x-amz-key-v2"]), json.loads(got["x-amz-matdesc"])
    refused(lambda: server.client("kms").decrypt(CiphertextBlob=blob, EncryptionContext=context), "AccessDeniedException")
    assert server.client("kms", account=OTHER).decrypt(CiphertextBlob=blob, EncryptionContext=context)["Plaintext"]


def test_a_key_that_is_switched_off_holds_the_mail_back(server, receiving):
    arn = key(server, ses_statement())
    kms = server.client("kms")
    receiving.bucket("mail", bucket_policy("mail", ARN))
    receiving.rule("store", s3_action("mail", KmsKeyArn=arn))
    kms.disable_key(KeyId=arn)
    message = server.send(MAIL)
    says = server.attempted(message)["attempts"][0]["says"]
    assert "is disabled" in says and arn in says, says
    assert not receiving.keys()
    never_in_the_clear(server)


@pytest.mark.parametrize("fault, code, says", [
    ("no such key", "InvalidS3Configuration", "Unable to use AWS KMS key: "),
    ("another Region", "InvalidS3Configuration", "Unable to use AWS KMS key: "),
    ("no statement", "InvalidS3Configuration", "Unable to use AWS KMS key: ")])
def test_a_rule_whose_key_cannot_be_used_is_not_made(server, receiving, fault, code, says):
    arn = {"no such key": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab",
           "another Region": f"arn:aws:kms:eu-west-1:{ACCOUNT}:alias/aws/ses",
           "no statement": key(server)}[fault]
    receiving.bucket("mail", bucket_policy("mail", ARN))
    refused(lambda: receiving.rule("store", s3_action("mail", KmsKeyArn=arn)), code, says + arn)


def encrypts_by_default(receiving, arn):
    receiving.s3.put_bucket_encryption(Bucket="mail", ServerSideEncryptionConfiguration={"Rules": [
        {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": arn}}]})


@pytest.mark.parametrize("decrypt", [True, False])
def test_a_bucket_with_its_own_encryption_by_bucket_policy(server, receiving, decrypt):
    arn = key(server, ses_statement(["kms:Decrypt", "kms:GenerateDataKey*"]))
    receiving.bucket("mail", bucket_policy("mail", ARN))
    encrypts_by_default(receiving, arn)
    receiving.rule("store", s3_action("mail"))
    if not decrypt:
        policy = {"Version": "2012-10-17", "Statement": [root_statement(), ses_statement()]}
        server.client("kms").put_key_policy(KeyId=arn, PolicyName="default", Policy=json.dumps(policy))
    message = server.send(MAIL)
    if decrypt:
        server.settled(message, ["delivered"])
        assert receiving.object(message).endswith(MAIL)
        never_in_the_clear(server)
    else:
        denial = server.attempted(message)["attempts"][0]["denial"]
        assert denial["action"] == "kms:Decrypt" and denial["element"] == "Action", denial
        assert denial["sid"] == "AllowSESToEncryptMessagesBelongingToThisAccount"
        assert not receiving.keys()


@pytest.mark.parametrize("decrypt", [True, False])
def test_a_bucket_with_its_own_encryption_by_role(server, receiving, decrypt):
    arn = key(server)
    uses = {"Effect": "Allow", "Action": ["kms:GenerateDataKey*", "kms:Decrypt"], "Resource": arn}
    role = through_role(receiving, uses)
    receiving.bucket("mail")
    encrypts_by_default(receiving, arn)
    receiving.rule("store", s3_action("mail", IamRoleArn=role))
    if not decrypt:
        document = role_policy("mail")
        document["Statement"].append({**uses, "Action": "kms:GenerateDataKey*"})
        receiving.iam.put_role_policy(RoleName="mailer", PolicyName="p", PolicyDocument=json.dumps(document))
    message = server.send(MAIL)
    if decrypt:
        server.settled(message, ["delivered"])
        assert receiving.object(message).endswith(MAIL)
    else:
        assert server.attempted(message)["attempts"][0]["denial"]["action"] == "kms:Decrypt"
        assert not receiving.keys()


def test_the_guides_conditions_on_the_context_deny_the_buckets_own_encryption(server, receiving):
    """Style 3b of the KMS guide wants aws:ses:* in the context; S3's own context has none: the classic trap."""
    named = {"Null": {"kms:EncryptionContext:aws:ses:message-id": "false"}}
    arn = key(server, ses_statement(["kms:Encrypt", "kms:GenerateDataKey*", "kms:Decrypt"], Condition=named))
    receiving.bucket("mail", bucket_policy("mail", ARN))
    receiving.rule("store", s3_action("mail", KmsKeyArn=arn))
    message = server.send(MAIL)
    server.settled(message, ["delivered"])
    encrypts_by_default(receiving, arn)
    denied = server.send(MAIL)
    denial = server.attempted(denied)["attempts"][0]["denial"]
    assert denial["key"] == "kms:EncryptionContext:aws:ses:message-id" and denial["action"] == "kms:GenerateDataKey", denial


def test_both_encryptions_with_one_key(server, receiving):
    arn = key(server, ses_statement(["kms:Decrypt", "kms:GenerateDataKey*"]))
    receiving.bucket("mail", bucket_policy("mail", ARN))
    encrypts_by_default(receiving, arn)
    receiving.rule("store", s3_action("mail", KmsKeyArn=arn))
    message = server.send(MAIL)
    server.settled(message, ["delivered"])
    assert opened(server, receiving, message)[1].endswith(MAIL)


def test_encrypted_mail_survives_restarts_and_rotation(server, receiving):
    arn = key(server, ses_statement())
    receiving.bucket("mail", bucket_policy("mail", ARN))
    receiving.rule("store", s3_action("mail", KmsKeyArn=arn))
    first = server.send(MAIL)
    server.settled(first, ["delivered"])
    assert raw(server, "RotateKeyOnDemand", {"KeyId": arn})[0] == 200
    second = server.send(MAIL)
    server.settled(second, ["delivered"])
    server.restart()
    receiving.s3 = server.client("s3")
    for message in (first, second):
        assert opened(server, receiving, message)[1].endswith(MAIL)
