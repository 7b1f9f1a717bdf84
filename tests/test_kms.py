"""KMS as its users meet it: every operation by boto3 or the AWS CLI, its errors, and what survives a restart."""
import base64
import concurrent.futures
import json
import os
import urllib.error
import urllib.request

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import pytest

import aws_cli
from conftest import ACCOUNT, KEY, REGION, SECRET, bucket_policy, eventually, refused, s3_action

OTHER = "444455556666"
CONTEXT = {"aws:ses:rule-name": "store", "aws:ses:message-id": "7f3a", "kms_cmk_id": "alias/mail"}


@pytest.fixture
def kms(shared_server):
    return shared_server.client("kms")


@pytest.fixture
def key(kms):
    return kms.create_key(Description="for a test")["KeyMetadata"]


def arn_of(key_id, account=ACCOUNT, region=REGION):
    return f"arn:aws:kms:{region}:{account}:key/{key_id}"


def policy(*statements):
    keeper = {"Sid": "Keeper", "Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
              "Action": "kms:*", "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [keeper, *statements]})


def raw(server, operation, body, region=REGION):
    """An operation that Debian's boto3 is too old to know; (status, answer)."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = botocore.awsrequest.AWSRequest("POST", server.api + "/", data=data, headers={
        "X-Amz-Target": f"TrentService.{operation}", "Content-Type": "application/x-amz-json-1.1"})
    botocore.auth.SigV4Auth(botocore.credentials.Credentials(KEY, SECRET), "kms", region).add_auth(request)
    sent = urllib.request.Request(server.api + "/", data=data, headers=dict(request.headers), method="POST")
    try:
        with urllib.request.urlopen(sent, timeout=20) as answer:
            return answer.status, json.loads(answer.read() or b"{}")
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def cli(server, *words, account=KEY):
    environment = {**os.environ, "AWS_ACCESS_KEY_ID": account, "AWS_SECRET_ACCESS_KEY": SECRET,
                   "AWS_DEFAULT_REGION": REGION, "AWS_PAGER": ""}
    done = aws_cli.aws("--endpoint-url", server.api, "kms", *words, env=environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout) if done.stdout.strip() else None


# --- keys


def test_a_key_is_described_as_it_was_made(kms):
    made = kms.create_key(Description="mail", Tags=[{"TagKey": "team", "TagValue": "mail"}])["KeyMetadata"]
    assert made["Arn"] == arn_of(made["KeyId"]) and made["AWSAccountId"] == ACCOUNT
    assert (made["KeyState"], made["Enabled"], made["KeyManager"], made["Origin"], made["KeySpec"], made["KeyUsage"],
            made["EncryptionAlgorithms"], made["MultiRegion"], made["Description"]) == (
        "Enabled", True, "CUSTOMER", "AWS_KMS", "SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", ["SYMMETRIC_DEFAULT"], False,
        "mail")
    for name in made["KeyId"], made["Arn"]:
        assert kms.describe_key(KeyId=name)["KeyMetadata"] == made
    kms.update_key_description(KeyId=made["KeyId"], Description="letters")
    assert kms.describe_key(KeyId=made["KeyId"])["KeyMetadata"]["Description"] == "letters"
    assert kms.list_resource_tags(KeyId=made["KeyId"])["Tags"] == [{"TagKey": "team", "TagValue": "mail"}]
    kms.tag_resource(KeyId=made["KeyId"], Tags=[{"TagKey": "team", "TagValue": "post"}, {"TagKey": "x", "TagValue": ""}])
    kms.untag_resource(KeyId=made["KeyId"], TagKeys=["x", "unknown"])
    assert kms.list_resource_tags(KeyId=made["KeyId"])["Tags"] == [{"TagKey": "team", "TagValue": "post"}]
    refused(lambda: kms.tag_resource(KeyId=made["KeyId"], Tags=[{"TagKey": "aws:x", "TagValue": "1"}]), "TagException")


def test_all_keys_and_aliases_are_listed_page_by_page(make_server):
    kms = make_server().client("kms")
    keys = sorted(kms.create_key()["KeyMetadata"]["KeyId"] for _ in range(5))
    for i, key_id in enumerate(keys):
        kms.create_alias(AliasName=f"alias/k{i}", TargetKeyId=key_id)
    pages = list(kms.get_paginator("list_keys").paginate(PaginationConfig={"PageSize": 2}))
    assert [k["KeyId"] for page in pages for k in page["Keys"]] == keys
    assert [len(page["Keys"]) for page in pages] == [2, 2, 1]
    pages = list(kms.get_paginator("list_aliases").paginate(PaginationConfig={"PageSize": 3}))
    assert [a["AliasName"] for page in pages for a in page["Aliases"]] == [f"alias/k{i}" for i in range(5)]
    assert [a["AliasName"] for a in kms.list_aliases(KeyId=keys[3])["Aliases"]] == ["alias/k3"]
    assert kms.list_keys(Limit=5)["Truncated"] is False
    refused(lambda: kms.list_keys(Marker="no such marker"), "InvalidMarkerException")


@pytest.mark.parametrize("wish", [
    {"KeySpec": "RSA_2048", "KeyUsage": "ENCRYPT_DECRYPT"}, {"KeyUsage": "SIGN_VERIFY", "KeySpec": "ECC_NIST_P256"},
    {"KeyUsage": "GENERATE_VERIFY_MAC", "KeySpec": "HMAC_256"}, {"Origin": "EXTERNAL"}, {"MultiRegion": True},
    {"CustomKeyStoreId": "cks-1234567890abcdef0"}])
def test_a_key_that_cannot_be_made_is_refused_and_not_made_into_another(kms, wish):
    refused(lambda: kms.create_key(**wish), "UnsupportedOperationException")


def test_an_alias_is_a_name_that_moves(kms, key):
    other = kms.create_key()["KeyMetadata"]
    name = f"alias/team/{key['KeyId'][:8]}"
    kms.create_alias(AliasName=name, TargetKeyId=key["Arn"])
    refused(lambda: kms.create_alias(AliasName=name, TargetKeyId=key["KeyId"]), "AlreadyExistsException",
            f"An alias with the name arn:aws:kms:{REGION}:{ACCOUNT}:{name} already exists")
    old = kms.encrypt(KeyId=name, Plaintext=b"old")
    assert old["KeyId"] == key["Arn"]
    kms.update_alias(AliasName=name, TargetKeyId=other["KeyId"])
    assert kms.describe_key(KeyId=f"arn:aws:kms:{REGION}:{ACCOUNT}:{name}")["KeyMetadata"]["Arn"] == other["Arn"]
    assert kms.decrypt(CiphertextBlob=old["CiphertextBlob"])["Plaintext"] == b"old"  # it names its key, not the alias
    refused(lambda: kms.decrypt(CiphertextBlob=old["CiphertextBlob"], KeyId=name), "IncorrectKeyException")
    kms.delete_alias(AliasName=name)
    refused(lambda: kms.describe_key(KeyId=name), "NotFoundException",
            f"Alias arn:aws:kms:{REGION}:{ACCOUNT}:{name} is not found.")
    refused(lambda: kms.delete_alias(AliasName=name), "NotFoundException")
    refused(lambda: kms.create_alias(AliasName="alias/aws/mine", TargetKeyId=key["KeyId"]), "NotAuthorizedException")
    refused(lambda: kms.create_alias(AliasName="mail", TargetKeyId=key["KeyId"]), "ValidationException")
    refused(lambda: kms.disable_key(KeyId=name), "NotFoundException", f"Invalid keyId '{name}'")


# --- use


def test_a_text_comes_back_with_its_context_and_only_so(kms, key):
    sealed = kms.encrypt(KeyId=key["KeyId"], Plaintext=b"hello", EncryptionContext=CONTEXT)
    assert sealed["KeyId"] == key["Arn"] and sealed["EncryptionAlgorithm"] == "SYMMETRIC_DEFAULT"
    blob = sealed["CiphertextBlob"]
    turned = dict(reversed(CONTEXT.items()))
    opened = kms.decrypt(CiphertextBlob=blob, EncryptionContext=turned)
    assert (opened["Plaintext"], opened["KeyId"]) == (b"hello", key["Arn"])
    assert kms.decrypt(CiphertextBlob=blob, EncryptionContext=CONTEXT, KeyId=key["KeyId"])["Plaintext"] == b"hello"
    for context in {}, {**CONTEXT, "more": "1"}, {**CONTEXT, "kms_cmk_id": "alias/Mail"}:
        refused(lambda: kms.decrypt(CiphertextBlob=blob, EncryptionContext=context), "InvalidCiphertextException", "")
    for at in range(len(blob)):
        bent = blob[:at] + bytes([blob[at] ^ 1]) + blob[at + 1:]
        with pytest.raises(kms.exceptions.ClientError) as caught:
            kms.decrypt(CiphertextBlob=bent, EncryptionContext=CONTEXT)
        assert caught.value.response["Error"]["Code"] in ("InvalidCiphertextException", "AccessDeniedException")
    refused(lambda: kms.encrypt(KeyId=key["KeyId"], Plaintext=bytes(4097)), "ValidationException")
    assert kms.decrypt(CiphertextBlob=kms.encrypt(KeyId=key["KeyId"], Plaintext=bytes(4096))["CiphertextBlob"]
                       )["Plaintext"] == bytes(4096)


def test_data_keys_open_to_what_they_were(kms, key):
    for size, wish in (32, {"KeySpec": "AES_256"}), (16, {"KeySpec": "AES_128"}), (1, {"NumberOfBytes": 1}), (
            1024, {"NumberOfBytes": 1024}):
        made = kms.generate_data_key(KeyId=key["Arn"], EncryptionContext=CONTEXT, **wish)
        assert len(made["Plaintext"]) == size and made["KeyId"] == key["Arn"]
        opened = kms.decrypt(CiphertextBlob=made["CiphertextBlob"], EncryptionContext=CONTEXT)
        assert opened["Plaintext"] == made["Plaintext"]
    hidden = kms.generate_data_key_without_plaintext(KeyId=key["KeyId"], KeySpec="AES_256")
    assert "Plaintext" not in hidden
    assert len(kms.decrypt(CiphertextBlob=hidden["CiphertextBlob"])["Plaintext"]) == 32
    for wish in {}, {"KeySpec": "AES_256", "NumberOfBytes": 32}:
        refused(lambda: kms.generate_data_key(KeyId=key["KeyId"], **wish), "ValidationException",
                "Please specify either number of bytes or key spec.")
    refused(lambda: kms.generate_data_key(KeyId=key["KeyId"], NumberOfBytes=1025), "ValidationException")
    assert len(kms.generate_random(NumberOfBytes=1024)["Plaintext"]) == 1024


def test_a_text_moves_to_another_key_and_context(kms, key):
    other = kms.create_key()["KeyMetadata"]
    blob = kms.encrypt(KeyId=key["KeyId"], Plaintext=b"moves", EncryptionContext={"a": "1"})["CiphertextBlob"]
    moved = kms.re_encrypt(CiphertextBlob=blob, SourceEncryptionContext={"a": "1"}, DestinationKeyId=other["KeyId"],
                           DestinationEncryptionContext={"b": "2"})
    assert (moved["SourceKeyId"], moved["KeyId"]) == (key["Arn"], other["Arn"])
    assert kms.decrypt(CiphertextBlob=moved["CiphertextBlob"], EncryptionContext={"b": "2"})["Plaintext"] == b"moves"
    refused(lambda: kms.re_encrypt(CiphertextBlob=blob, DestinationKeyId=other["KeyId"]), "InvalidCiphertextException")


def test_what_aws_has_and_we_have_not_is_refused(shared_server, kms, key):
    status, answer = raw(shared_server, "Decrypt", {"CiphertextBlob": "AAAA", "Recipient": {"KeyEncryptionAlgorithm": "x"}})
    assert (status, answer["__type"]) == (400, "UnsupportedOperationException")
    refused(lambda: kms.encrypt(KeyId=key["KeyId"], Plaintext=b"x", EncryptionAlgorithm="RSAES_OAEP_SHA_256"),
            "InvalidKeyUsageException")
    refused(lambda: kms.sign(KeyId=key["KeyId"], Message=b"x", SigningAlgorithm="RSASSA_PSS_SHA_256"),
            "UnknownOperationException")


@pytest.mark.parametrize("body, code", [
    (b"[]", "SerializationException"), (b"{", "SerializationException"), (b'{"KeyId":1}', "SerializationException"),
    (b"{}", "ValidationException"), (b'{"KeyId":"x","Plaintext":"***"}', "SerializationException"),
    (b'{"KeyId":"x","Plaintext":""}', "ValidationException"),
    (b'{"KeyId":"x","Plaintext":"aGk=","EncryptionContext":{"a":1}}', "SerializationException"),
    (b'{"KeyId":"x","Plaintext":"aGk="}', "NotFoundException")])
def test_a_request_that_is_none_is_refused(shared_server, body, code):
    status, answer = raw(shared_server, "Encrypt", body)
    assert (status, answer["__type"]) == (400, code)


def test_a_dry_run_is_judged_and_not_run(shared_server, kms, key):
    status, answer = raw(shared_server, "GenerateDataKey", {"KeyId": key["KeyId"], "KeySpec": "AES_256", "DryRun": True})
    assert (status, answer["__type"]) == (412, "DryRunOperationException")
    grant = {"KeyId": key["KeyId"], "GranteePrincipal": f"arn:aws:iam::{OTHER}:root", "Operations": ["Decrypt"]}
    assert raw(shared_server, "CreateGrant", {**grant, "DryRun": True})[0] == 412
    assert kms.list_grants(KeyId=key["KeyId"])["Grants"] == []
    kms.disable_key(KeyId=key["KeyId"])
    status, answer = raw(shared_server, "GenerateDataKey", {"KeyId": key["KeyId"], "KeySpec": "AES_256", "DryRun": True})
    assert answer["__type"] == "DisabledException"


def test_nobody_unsigned_uses_a_key(shared_server, kms, key):
    kms.put_key_policy(KeyId=key["KeyId"], PolicyName="default", Policy=policy(
        {"Effect": "Allow", "Principal": "*", "Action": "kms:*", "Resource": "*"}))
    request = urllib.request.Request(shared_server.api + "/", method="POST", headers={
        "X-Amz-Target": "TrentService.Encrypt", "Content-Type": "application/x-amz-json-1.1"},
        data=json.dumps({"KeyId": key["Arn"], "Plaintext": "aGk="}).encode())
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=20)
    assert json.loads(caught.value.read())["__type"] == "MissingAuthenticationTokenException"


# --- states


def test_a_disabled_key_and_one_pending_deletion_say_so(kms, key):
    blob = kms.encrypt(KeyId=key["KeyId"], Plaintext=b"x")["CiphertextBlob"]
    kms.disable_key(KeyId=key["KeyId"])
    assert kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]["KeyState"] == "Disabled"
    for use in (lambda: kms.encrypt(KeyId=key["KeyId"], Plaintext=b"x"), lambda: kms.decrypt(CiphertextBlob=blob),
                lambda: kms.generate_data_key(KeyId=key["KeyId"], KeySpec="AES_256")):
        refused(use, "DisabledException", f"{key['Arn']} is disabled.")
    kms.enable_key(KeyId=key["KeyId"])
    assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"
    gone = kms.schedule_key_deletion(KeyId=key["KeyId"], PendingWindowInDays=7)
    assert (gone["KeyId"], gone["KeyState"], gone["PendingWindowInDays"]) == (key["Arn"], "PendingDeletion", 7)
    assert kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]["DeletionDate"] == gone["DeletionDate"]
    for use in (lambda: kms.decrypt(CiphertextBlob=blob), lambda: kms.enable_key(KeyId=key["KeyId"]),
                lambda: kms.schedule_key_deletion(KeyId=key["KeyId"]),
                lambda: kms.create_alias(AliasName="alias/late", TargetKeyId=key["KeyId"])):
        refused(use, "KMSInvalidStateException", f"{key['Arn']} is pending deletion.")
    assert kms.cancel_key_deletion(KeyId=key["KeyId"])["KeyId"] == key["Arn"]
    refused(lambda: kms.cancel_key_deletion(KeyId=key["KeyId"]), "KMSInvalidStateException")
    refused(lambda: kms.decrypt(CiphertextBlob=blob), "DisabledException")
    refused(lambda: kms.schedule_key_deletion(KeyId=key["KeyId"], PendingWindowInDays=31), "ValidationException")


def test_a_key_is_of_one_region(shared_server, kms, key):
    away = shared_server.client("kms", region="eu-west-1")
    blob = kms.encrypt(KeyId=key["KeyId"], Plaintext=b"x")["CiphertextBlob"]
    refused(lambda: away.encrypt(KeyId=key["Arn"], Plaintext=b"x"), "NotFoundException", f"Invalid arn {REGION}")
    refused(lambda: away.encrypt(KeyId=key["KeyId"], Plaintext=b"x"), "NotFoundException",
            f"Key '{arn_of(key['KeyId'], region='eu-west-1')}' does not exist")
    refused(lambda: away.decrypt(CiphertextBlob=blob), "AccessDeniedException",
            "The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you "
            "are not allowed to access.")


def test_rotation_keeps_what_was_sealed(shared_server, kms, key):
    blob = kms.encrypt(KeyId=key["KeyId"], Plaintext=b"first")["CiphertextBlob"]
    assert kms.get_key_rotation_status(KeyId=key["KeyId"])["KeyRotationEnabled"] is False
    assert raw(shared_server, "EnableKeyRotation", {"KeyId": key["KeyId"], "RotationPeriodInDays": 100})[0] == 200
    status = raw(shared_server, "GetKeyRotationStatus", {"KeyId": key["KeyId"]})[1]
    assert (status["KeyRotationEnabled"], status["RotationPeriodInDays"]) == (True, 100)
    assert raw(shared_server, "RotateKeyOnDemand", {"KeyId": key["KeyId"]})[1] == {"KeyId": key["Arn"]}
    assert raw(shared_server, "RotateKeyOnDemand", {"KeyId": key["KeyId"]})[0] == 200
    page = raw(shared_server, "ListKeyRotations", {"KeyId": key["KeyId"], "Limit": 1})[1]
    rest = raw(shared_server, "ListKeyRotations", {"KeyId": key["KeyId"], "Marker": page["NextMarker"]})[1]
    assert [r["RotationType"] for r in page["Rotations"] + rest["Rotations"]] == ["ON_DEMAND", "ON_DEMAND"]
    assert rest["Truncated"] is False
    assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"first"
    kms.disable_key_rotation(KeyId=key["KeyId"])
    assert kms.get_key_rotation_status(KeyId=key["KeyId"])["KeyRotationEnabled"] is False
    assert raw(shared_server, "EnableKeyRotation", {"KeyId": key["KeyId"], "RotationPeriodInDays": 89})[0] == 400


# --- permissions


def test_a_policy_is_kept_as_it_was_put(kms, key):
    assert json.loads(kms.get_key_policy(KeyId=key["KeyId"], PolicyName="default")["Policy"]) == {
        "Version": "2012-10-17", "Id": "key-default-1", "Statement": [{
            "Sid": "Enable IAM User Permissions", "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "kms:*", "Resource": "*"}]}
    text = policy({"Sid": "AllowSESToEncrypt", "Effect": "Allow", "Principal": {"Service": "ses.amazonaws.com"},
                   "Action": "kms:GenerateDataKey*", "Resource": "*"})
    kms.put_key_policy(KeyId=key["KeyId"], PolicyName="default", Policy=text)
    assert kms.get_key_policy(KeyId=key["KeyId"], PolicyName="default")["Policy"] == text
    assert kms.list_key_policies(KeyId=key["KeyId"])["PolicyNames"] == ["default"]
    refused(lambda: kms.get_key_policy(KeyId=key["KeyId"], PolicyName="other"), "NotFoundException",
            "No such policy exists")
    ses_only = json.dumps({"Version": "2012-10-17", "Statement": json.loads(text)["Statement"][1:]})
    refused(lambda: kms.put_key_policy(KeyId=key["KeyId"], PolicyName="default", Policy=ses_only),
            "MalformedPolicyDocumentException",
            "The new key policy will not allow you to update the key policy in the future.")
    refused(lambda: kms.create_key(Policy=ses_only), "MalformedPolicyDocumentException")
    assert kms.get_key_policy(KeyId=key["KeyId"], PolicyName="default")["Policy"] == text
    kms.put_key_policy(KeyId=key["KeyId"], PolicyName="default", Policy=ses_only, BypassPolicyLockoutSafetyCheck=True)
    refused(lambda: kms.put_key_policy(KeyId=key["KeyId"], PolicyName="default", Policy=text), "AccessDeniedException")


def test_another_account_needs_the_key_policy(shared_server, kms, key):
    theirs = shared_server.client("kms", account=OTHER)
    blob = kms.encrypt(KeyId=key["KeyId"], Plaintext=b"shared")["CiphertextBlob"]
    refused(lambda: theirs.decrypt(CiphertextBlob=blob), "AccessDeniedException")
    refused(lambda: theirs.describe_key(KeyId=key["Arn"]), "AccessDeniedException")
    refused(lambda: theirs.describe_key(KeyId=arn_of("12345678-1234-1234-1234-123456789012")), "AccessDeniedException")
    refused(lambda: theirs.encrypt(KeyId=key["KeyId"], Plaintext=b"x"), "NotFoundException")  # an id is of one's own
    kms.put_key_policy(KeyId=key["KeyId"], PolicyName="default", Policy=policy(
        {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{OTHER}:root"}, "Resource": "*",
         "Action": ["kms:Decrypt", "kms:DescribeKey", "kms:DisableKey"],
         "Condition": {"StringEqualsIfExists": {"kms:CallerAccount": OTHER}}}))
    assert theirs.decrypt(CiphertextBlob=blob)["Plaintext"] == b"shared"
    assert theirs.describe_key(KeyId=key["Arn"])["KeyMetadata"]["AWSAccountId"] == ACCOUNT
    refused(lambda: theirs.encrypt(KeyId=key["Arn"], Plaintext=b"x"), "AccessDeniedException")
    refused(lambda: theirs.disable_key(KeyId=key["Arn"]), "AccessDeniedException")  # not for other accounts, ever


def test_a_condition_on_the_context_holds_or_not(shared_server, kms, key):
    theirs = shared_server.client("kms", account=OTHER)
    kms.put_key_policy(KeyId=key["KeyId"], PolicyName="default", Policy=policy(
        {"Effect": "Allow", "Principal": {"AWS": OTHER}, "Action": "kms:GenerateDataKey", "Resource": "*",
         "Condition": {"StringEquals": {"kms:EncryptionContext:aws:ses:rule-name": "store"},
                       "ForAllValues:StringEquals": {"kms:EncryptionContextKeys": list(CONTEXT)}}}))
    theirs.generate_data_key(KeyId=key["Arn"], KeySpec="AES_256", EncryptionContext=CONTEXT)
    for context in {}, {**CONTEXT, "aws:ses:rule-name": "other"}, {**CONTEXT, "more": "1"}:
        refused(lambda: theirs.generate_data_key(KeyId=key["Arn"], KeySpec="AES_256", EncryptionContext=context),
                "AccessDeniedException")


def test_grants_are_made_listed_revoked_and_retired(shared_server, kms, key):
    theirs = shared_server.client("kms", account=OTHER)
    root = f"arn:aws:iam::{OTHER}:root"
    blob = kms.encrypt(KeyId=key["KeyId"], Plaintext=b"granted", EncryptionContext=CONTEXT)["CiphertextBlob"]
    decrypt = dict(CiphertextBlob=blob, EncryptionContext=CONTEXT)
    refused(lambda: theirs.decrypt(**decrypt), "AccessDeniedException")
    wish = dict(KeyId=key["KeyId"], GranteePrincipal=root, RetiringPrincipal=root, Operations=["Decrypt", "DescribeKey"],
                Constraints={"EncryptionContextSubset": {"aws:ses:rule-name": "store"}}, Name="mail")
    made = kms.create_grant(**wish)
    assert kms.create_grant(**wish)["GrantId"] == made["GrantId"]  # the same, asked for again
    assert theirs.decrypt(**decrypt, GrantTokens=[made["GrantToken"]])["Plaintext"] == b"granted"
    theirs.describe_key(KeyId=key["Arn"])
    refused(lambda: theirs.encrypt(KeyId=key["Arn"], Plaintext=b"x"), "AccessDeniedException")
    [grant] = kms.list_grants(KeyId=key["KeyId"])["Grants"]
    assert (grant["GrantId"], grant["Name"], grant["GranteePrincipal"], grant["Operations"], grant["Constraints"],
            grant["IssuingAccount"], grant["KeyId"]) == (
        made["GrantId"], "mail", root, wish["Operations"], wish["Constraints"], f"arn:aws:iam::{ACCOUNT}:root", key["Arn"])
    listed = kms.list_retirable_grants(RetiringPrincipal=root)["Grants"]
    assert made["GrantId"] in [g["GrantId"] for g in listed]
    second = kms.create_grant(**{**wish, "Name": "second"})
    theirs.retire_grant(KeyId=key["Arn"], GrantId=second["GrantId"])
    assert kms.list_grants(KeyId=key["KeyId"], GranteePrincipal=root)["Grants"] == [grant]
    kms.revoke_grant(KeyId=key["KeyId"], GrantId=made["GrantId"])
    refused(lambda: theirs.decrypt(**decrypt), "AccessDeniedException")
    refused(lambda: kms.revoke_grant(KeyId=key["KeyId"], GrantId=made["GrantId"]), "NotFoundException")
    third = kms.create_grant(**{**wish, "Name": "third"})
    kms.retire_grant(GrantToken=third["GrantToken"])
    assert kms.list_grants(KeyId=key["KeyId"])["Grants"] == []
    refused(lambda: kms.create_grant(**{**wish, "Operations": ["Sign"]}), "ValidationException")
    refused(lambda: kms.create_grant(**{**wish, "GranteePrincipal": f"arn:aws:iam::{ACCOUNT}:role/nobody"}),
            "InvalidArnException")


# --- the keys AWS manages


def test_managed_keys_are_made_by_their_first_use_and_are_nobodys_to_change(make_server):
    server = make_server()
    kms = server.client("kms")
    assert kms.list_keys()["Keys"] == []
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        found = {k["KeyMetadata"]["KeyId"] for k in pool.map(
            lambda _: server.client("kms").describe_key(KeyId="alias/aws/ses"), range(16))}
    assert len(found) == 1 and len(kms.list_keys()["Keys"]) == 1
    made = kms.describe_key(KeyId="alias/aws/s3")["KeyMetadata"]
    assert (made["KeyManager"], made["KeyState"]) == ("AWS", "Enabled")
    assert kms.get_key_rotation_status(KeyId=made["KeyId"])["KeyRotationEnabled"] is True
    statements = json.loads(kms.get_key_policy(KeyId=made["KeyId"], PolicyName="default")["Policy"])["Statement"]
    assert statements[0]["Condition"] == {"StringEquals": {"kms:ViaService": f"s3.{REGION}.amazonaws.com",
                                                           "kms:CallerAccount": ACCOUNT}}
    for change in (lambda: kms.disable_key(KeyId=made["KeyId"]), lambda: kms.schedule_key_deletion(KeyId=made["KeyId"]),
                   lambda: kms.put_key_policy(KeyId=made["KeyId"], PolicyName="default", Policy=policy()),
                   lambda: kms.encrypt(KeyId="alias/aws/s3", Plaintext=b"x")):
        refused(change, "AccessDeniedException")
    refused(lambda: kms.delete_alias(AliasName="alias/aws/s3"), "NotAuthorizedException")
    assert {a["AliasName"] for a in kms.list_aliases()["Aliases"]} == {"alias/aws/s3", "alias/aws/ses"}
    refused(lambda: kms.describe_key(KeyId="alias/aws/ebs"), "NotFoundException")
    theirs = server.client("kms", account=OTHER).describe_key(KeyId="alias/aws/ses")["KeyMetadata"]
    assert theirs["AWSAccountId"] == OTHER and theirs["KeyId"] not in found


# --- with the CLI, and over time


def test_the_cli_goes_the_whole_way(shared_server, tmp_path):
    key_id = cli(shared_server, "create-key", "--description", "by hand")["KeyMetadata"]["KeyId"]
    cli(shared_server, "create-alias", "--alias-name", "alias/by-hand", "--target-key-id", key_id)
    plain = tmp_path / "plain"
    plain.write_bytes(b"over the wire")
    sealed = cli(shared_server, "encrypt", "--key-id", "alias/by-hand", "--plaintext", f"fileb://{plain}",
                 "--encryption-context", "a=1,b=2")
    blob = tmp_path / "blob"
    blob.write_bytes(base64.b64decode(sealed["CiphertextBlob"]))
    opened = cli(shared_server, "decrypt", "--ciphertext-blob", f"fileb://{blob}", "--encryption-context", "b=2,a=1")
    assert base64.b64decode(opened["Plaintext"]) == b"over the wire"
    assert cli(shared_server, "get-key-policy", "--key-id", key_id, "--policy-name", "default")["Policy"]
    cli(shared_server, "schedule-key-deletion", "--key-id", key_id, "--pending-window-in-days", "7")
    assert cli(shared_server, "describe-key", "--key-id", "alias/by-hand")["KeyMetadata"]["KeyState"] == "PendingDeletion"


def test_keys_survive_a_restart_and_their_secrets_are_in_no_file_and_no_log(make_server):
    server = make_server("--log-level", "debug")
    kms = server.client("kms")
    key = kms.create_key()["KeyMetadata"]
    data_key = kms.generate_data_key(KeyId=key["KeyId"], KeySpec="AES_256", EncryptionContext=CONTEXT)
    blob = kms.encrypt(KeyId=key["KeyId"], Plaintext=b"a plaintext to look for")["CiphertextBlob"]
    server.restart()
    kms = server.client("kms")
    assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"a plaintext to look for"
    assert kms.decrypt(CiphertextBlob=data_key["CiphertextBlob"], EncryptionContext=CONTEXT
                       )["Plaintext"] == data_key["Plaintext"]
    kept = b"".join(p.read_bytes() for p in server.data.rglob("*") if p.is_file() and p.name != "root")
    kept += server.stderr_path.read_bytes()
    for secret in data_key["Plaintext"], b"a plaintext to look for":
        for form in secret, base64.b64encode(secret), secret.hex().encode():
            assert form not in kept
    assert key["KeyId"].encode() in kept  # it was the right haystack


def held(pid, needles):
    """Which of the texts lie in the memory of a process, and how often."""
    found = {}
    with open(f"/proc/{pid}/maps", encoding="ascii") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            place, rights = line.split()[:2]
            if not rights.startswith("rw"):
                continue
            start, end = (int(x, 16) for x in place.split("-"))
            memory.seek(start)
            octets = memory.read(end - start)
            for name, needle in needles.items():
                found[name] = found.get(name, 0) + octets.count(needle)
    return {name: count for name, count in found.items() if count}


@pytest.mark.own_memory
def test_no_plaintext_stays_in_memory_and_one_root_key(server):
    kms = server.client("kms")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    text = b"a plaintext to look for in memory"
    made = kms.generate_data_key(KeyId=key, KeySpec="AES_256")
    assert kms.decrypt(CiphertextBlob=made["CiphertextBlob"])["Plaintext"] == made["Plaintext"]
    blob = kms.encrypt(KeyId=key, Plaintext=text, EncryptionContext=CONTEXT)["CiphertextBlob"]
    kms.decrypt(CiphertextBlob=blob, EncryptionContext=CONTEXT)
    if os.geteuid() != 0:  # not even who runs it reads a server's memory
        with pytest.raises(PermissionError):
            held(server.process.pid, {})
        return
    needles = {"root key": (server.data / "keys" / "root").read_bytes(), "where we look": key.encode()}
    for name, secret in ("text", text), ("data key", made["Plaintext"]):
        needles |= {name: secret, f"{name} in base64": base64.b64encode(secret)}
    eventually(lambda: "text" not in held(server.process.pid, needles))  # the last answer is being let go
    found = held(server.process.pid, needles)
    assert found.pop("where we look") > 0
    assert found == {"root key": 1}


@pytest.mark.turned_clock
def test_a_key_goes_for_good_when_its_time_has_come(make_server):
    server = make_server()
    kms = server.client("kms")
    key = kms.create_key()["KeyMetadata"]
    kms.create_alias(AliasName="alias/going", TargetKeyId=key["KeyId"])
    kms.schedule_key_deletion(KeyId=key["KeyId"], PendingWindowInDays=7)
    server.turn(7 * 86400 + 60)  # its clock; at the start it looks
    assert [line for line in server.log() if line.get("event") == "key-deleted" and line["key"] == key["Arn"]]
    server.env = {}
    server.restart()
    kms = server.client("kms")
    refused(lambda: kms.describe_key(KeyId=key["KeyId"]), "NotFoundException")
    assert kms.list_aliases()["Aliases"] == [] and kms.list_keys()["Keys"] == []


def test_a_rehearsal_asks_for_the_key_and_makes_none(server, receiving):
    """`sesame explain --rule` of a rule with the default key: judged, and nothing is there afterwards."""
    kms = server.client("kms")
    receiving.bucket("mail", bucket_policy("mail", receiving.arn("r")))
    receiving.rule("r", s3_action("mail", KmsKeyArn=f"arn:aws:kms:{REGION}:{ACCOUNT}:alias/aws/ses"))
    [made] = kms.list_keys()["Keys"]  # by the set-up test
    said = json.loads(server.explain("--rule", "main/r", "--json").stdout)
    [action] = said["actions"]
    assert action["decisions"][0]["action"] == "kms:GenerateDataKey", action
    assert action["outcome"] == "allowed" and kms.list_keys()["Keys"] == [made]
    key = kms.create_key()["KeyMetadata"]
    refused(lambda: receiving.rule("denied", s3_action("mail", KmsKeyArn=key["Arn"]), after="r"), "InvalidS3Configuration",
            f"Unable to use AWS KMS key: {key['Arn']}")
