"""Server-side encryption as an SDK sees it: a bucket's default, a put's wish, and what lies on the disk."""
import hashlib

import botocore.exceptions
import pytest


def objects_on_disk(server):
    return b"".join(p.read_bytes() for p in (server.data / "objects").rglob("*") if p.is_file() and "sqlite" not in p.name)


def test_a_default_of_aes256_seals_what_is_put(server):
    s3 = server.client("s3")
    s3.create_bucket(Bucket="vault")
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        s3.get_bucket_encryption(Bucket="vault")
    assert caught.value.response["Error"]["Code"] == "ServerSideEncryptionConfigurationNotFoundError"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404
    s3.put_bucket_encryption(Bucket="vault", ServerSideEncryptionConfiguration={
        "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]})
    rules = s3.get_bucket_encryption(Bucket="vault")["ServerSideEncryptionConfiguration"]["Rules"]
    assert rules == [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}, "BucketKeyEnabled": False}]
    body = b"for nobody's eyes " * 20000
    put = s3.put_object(Bucket="vault", Key="a", Body=body)
    assert put["ServerSideEncryption"] == "AES256"
    assert put["ETag"].strip('"') == hashlib.md5(body).hexdigest()
    assert b"for nobody's eyes" not in objects_on_disk(server)
    got = s3.get_object(Bucket="vault", Key="a")
    assert got["Body"].read() == body and got["ServerSideEncryption"] == "AES256"
    assert s3.head_object(Bucket="vault", Key="a")["ContentLength"] == len(body)
    assert s3.get_object(Bucket="vault", Key="a", Range="bytes=65530-65549")["Body"].read() == body[65530:65550]
    assert s3.list_objects_v2(Bucket="vault")["Contents"][0]["Size"] == len(body)
    server.restart()
    s3 = server.client("s3")
    assert s3.get_object(Bucket="vault", Key="a")["Body"].read() == body
    s3.delete_bucket_encryption(Bucket="vault")
    assert "ServerSideEncryption" not in s3.put_object(Bucket="vault", Key="b", Body=b"plain")
    assert s3.get_object(Bucket="vault", Key="a")["Body"].read() == body


def test_a_put_may_wish_for_itself(server):
    s3 = server.client("s3")
    s3.create_bucket(Bucket="wishes")
    assert s3.put_object(Bucket="wishes", Key="a", Body=b"x", ServerSideEncryption="AES256")["ServerSideEncryption"] == "AES256"
    assert s3.get_object(Bucket="wishes", Key="a")["Body"].read() == b"x"
    for wish in ({"ServerSideEncryption": "aws:kms:dsse"}, {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": "k" * 32}):
        with pytest.raises(botocore.exceptions.ClientError) as caught:
            s3.put_object(Bucket="wishes", Key="b", Body=b"x", **wish)
        assert caught.value.response["Error"]["Code"] in ("NotImplemented", "501")


def test_a_policy_may_demand_the_header(server):
    s3 = server.client("s3")
    s3.create_bucket(Bucket="strict")
    s3.put_bucket_policy(Bucket="strict", Policy="""{"Version":"2012-10-17","Statement":{"Effect":"Deny","Principal":"*",
        "Action":"s3:PutObject","Resource":"arn:aws:s3:::strict/*","Condition":{"StringNotEquals":
        {"s3:x-amz-server-side-encryption":"AES256"}}}}""")
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        s3.put_object(Bucket="strict", Key="a", Body=b"x")
    assert caught.value.response["Error"]["Code"] == "AccessDenied"
    s3.put_object(Bucket="strict", Key="a", Body=b"x", ServerSideEncryption="AES256")
