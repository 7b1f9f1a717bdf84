"""S3 CopyObject: a get and a put in one call, with the permissions of both."""
import json

import pytest

from conftest import refused
from test_identities import allow, user
from test_api import signed

TO_ITSELF = ("This copy request is illegal because it is trying to copy an object to itself without changing the object's "
             "metadata, storage class, website redirect location or encryption attributes.")


@pytest.fixture
def s3(server):
    made = server.client("s3")
    for name in ("from", "into"):
        made.create_bucket(Bucket=name)
    made.put_object(Bucket="from", Key="a b/ü+", Body=b"bytes" * 100000, ContentType="text/x-mail", CacheControl="no-store",
                    Metadata={"colour": "red"}, ChecksumAlgorithm="SHA256")
    return made


SOURCE = {"Bucket": "from", "Key": "a b/ü+"}


def test_a_copy_has_the_bytes_and_what_was_kept_of_them(s3):
    done = s3.copy_object(Bucket="into", Key="k", CopySource=SOURCE)["CopyObjectResult"]
    original, copy = s3.get_object(**SOURCE), s3.get_object(Bucket="into", Key="k", ChecksumMode="ENABLED")
    assert copy["Body"].read() == original["Body"].read() == b"bytes" * 100000
    assert done["ETag"] == copy["ETag"] == original["ETag"]
    assert done["ChecksumSHA256"] == copy["ChecksumSHA256"]
    assert (copy["ContentType"], copy["CacheControl"], copy["Metadata"]) == ("text/x-mail", "no-store", {"colour": "red"})
    assert abs((done["LastModified"] - copy["LastModified"]).total_seconds()) < 1
    s3.copy_object(Bucket="into", Key="k", CopySource=SOURCE, MetadataDirective="REPLACE", ContentType="text/plain",
                   Metadata={"shape": "round"})
    copy = s3.get_object(Bucket="into", Key="k")
    assert (copy["ContentType"], copy.get("CacheControl"), copy["Metadata"]) == ("text/plain", None, {"shape": "round"})


def test_an_object_copied_onto_itself_must_change(s3):
    s3.put_object(Bucket="from", Key="k", Body=b"stays", ContentType="text/x-mail")
    here = {"Bucket": "from", "Key": "k"}
    refused(lambda: s3.copy_object(**here, CopySource="from/k"), "InvalidRequest", TO_ITSELF)
    s3.copy_object(**here, CopySource="/from/k", ACL="private", ContentType="text/plain", StorageClass="STANDARD")
    found = s3.get_object(**here)
    assert (found["Body"].read(), found["ContentType"]) == (b"stays", "text/x-mail")  # the directive is COPY
    s3.copy_object(**here, CopySource="from/k", MetadataDirective="REPLACE", ContentType="text/plain")
    assert s3.get_object(**here)["ContentType"] == "text/plain"
    s3.copy_object(**here, CopySource="from/k", ServerSideEncryption="AES256")
    found = s3.get_object(**here)
    assert (found["Body"].read(), found["ServerSideEncryption"]) == (b"stays", "AES256")


def test_the_target_says_how_it_is_encrypted(server, s3):
    key = server.client("kms").create_key()["KeyMetadata"]["Arn"]
    s3.put_object(Bucket="from", Key="sealed", Body=b"secret" * 50000, ServerSideEncryption="aws:kms", SSEKMSKeyId=key)
    s3.copy_object(Bucket="into", Key="plain", CopySource="from/sealed")
    found = s3.get_object(Bucket="into", Key="plain")
    assert found["Body"].read() == b"secret" * 50000 and "ServerSideEncryption" not in found
    s3.put_bucket_encryption(Bucket="into", ServerSideEncryptionConfiguration={"Rules": [
        {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}}]})
    done = s3.copy_object(Bucket="into", Key="again", CopySource="into/plain")
    assert (done["ServerSideEncryption"], done["SSEKMSKeyId"]) == ("aws:kms", key)
    assert s3.get_object(Bucket="into", Key="again")["Body"].read() == b"secret" * 50000


def test_a_copy_wants_both_permissions(server, s3):
    source, target = "arn:aws:s3:::from/*", "arn:aws:s3:::into/*"

    def copy(name, *statements, **more):
        keys = user(server, name, *statements)
        return lambda: server.client("s3", **keys).copy_object(Bucket="into", Key="k", CopySource=SOURCE, **more)
    copy("both", allow("s3:GetObject", source), allow("s3:PutObject", target))()
    refused(copy("reader", allow("s3:GetObject", source)), "AccessDenied")
    refused(copy("writer", allow("s3:PutObject", target)), "AccessDenied")
    refused(copy("swapped", allow("s3:GetObject", target), allow("s3:PutObject", source)), "AccessDenied")
    named = {"StringEquals": {"s3:x-amz-metadata-directive": "REPLACE"}}
    statements = allow("s3:GetObject", source), allow("s3:PutObject", target, **named)
    refused(copy("kept", *statements), "AccessDenied")
    copy("replaced", *statements, MetadataDirective="REPLACE")()
    only = {"StringLike": {"s3:x-amz-copy-source": "from/*"}}
    copy("from", allow("s3:GetObject", source), allow("s3:PutObject", target, **only))()


def test_what_is_no_copy_is_refused(server, s3):
    def copy(source, **more):
        return lambda: s3.copy_object(Bucket="into", Key="k", CopySource=source, **more)
    refused(copy("from/absent"), "NoSuchKey")
    refused(copy("nowhere/k"), "NoSuchBucket")
    etag = s3.head_object(**SOURCE)["ETag"]
    copy(SOURCE, CopySourceIfMatch=etag)()
    refused(copy(SOURCE, CopySourceIfMatch='"other"'), "PreconditionFailed")
    refused(copy(SOURCE, CopySourceIfNoneMatch=etag), "PreconditionFailed")
    refused(copy(SOURCE, ExpectedSourceBucketOwner="444455556666"), "AccessDenied")
    refused(copy(SOURCE, ChecksumAlgorithm="SHA1"), "NotImplemented")
    refused(copy({**SOURCE, "VersionId": "v"}), "NotImplemented")
    for source in ("from", "/from/", "from%2", "%2F"):
        code, _, text = signed(server, "PUT", "/into/k", headers={"x-amz-copy-source": source})
        assert code == 400 and b"Copy Source must mention the source bucket and key" in text, (source, text)
    code, _, text = signed(server, "PUT", "/into/k", headers={"x-amz-copy-source": "from/a", "x-amz-metadata-directive": "MERGE"})
    assert code == 400 and b"Unknown metadata directive." in text
    assert json.dumps([o["Key"] for o in s3.list_objects_v2(Bucket="into")["Contents"]]) == '["k"]'
