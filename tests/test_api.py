"""SigV4, errors in AWS's words, and who may do what."""
import concurrent.futures
import http.client
import json
import socket
import urllib.error
import urllib.request

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import botocore.exceptions
import pytest

from conftest import ACCOUNT, KEY, SECRET, Receiving, bucket_policy, refused, rule_arn, s3_action

OTHER = "444455556666"


def test_a_wrong_secret_is_no_signature(shared_server):
    refused(lambda: shared_server.client("sts", secret="wrong").get_caller_identity(), "SignatureDoesNotMatch")
    refused(lambda: shared_server.client("s3", secret="wrong").list_buckets(), "SignatureDoesNotMatch")


def test_an_unknown_key(shared_server):
    refused(lambda: shared_server.client("ses", key="AKIDNOBODY0000000000").list_receipt_rule_sets(), "InvalidClientTokenId")
    refused(lambda: shared_server.client("s3", key="AKIDNOBODY0000000000").list_buckets(), "InvalidAccessKeyId")


def post(server, body, **headers):
    request = urllib.request.Request(server.api + "/", data=body.encode(), method="POST",
                                     headers={"Content-Type": "application/x-www-form-urlencoded", **headers})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_an_unsigned_query_call(shared_server):
    code, text = post(shared_server, "Action=ListReceiptRuleSets&Version=2010-12-01")
    assert code == 403 and "<Code>MissingAuthenticationToken</Code>" in text


def test_every_twelve_digits_are_an_account(shared_server):
    assert shared_server.client("sts").get_caller_identity()["Account"] == ACCOUNT
    theirs = shared_server.client("sts", account=OTHER).get_caller_identity()
    assert theirs["Account"] == OTHER and theirs["Arn"] == f"arn:aws:iam::{OTHER}:root"


def test_every_account_and_region_has_its_own_rule_sets(shared_server):
    for account, region in ((None, "us-east-1"), (OTHER, "us-east-1"), (OTHER, "eu-west-1")):
        ses = shared_server.client("ses", account=account, region=region)
        assert ses.list_receipt_rule_sets()["RuleSets"] == []
        ses.create_receipt_rule_set(RuleSetName="mine")
        assert [s["Name"] for s in ses.list_receipt_rule_sets()["RuleSets"]] == ["mine"]
        ses.delete_receipt_rule_set(RuleSetName="mine")


def test_what_is_not_there_says_so(shared_server):
    refused(lambda: shared_server.client("ses").get_send_quota(), "InvalidAction")
    refused(lambda: shared_server.client("iam").list_groups(), "InvalidAction")
    refused(lambda: shared_server.client("s3").get_bucket_acl(Bucket="any-bucket"), "NotImplemented")
    refused(lambda: shared_server.client("s3").put_bucket_versioning(
        Bucket="any-bucket", VersioningConfiguration={"Status": "Enabled"}), "NotImplemented")
    for service, call in (("kms", lambda c: c.describe_custom_key_stores()), ("sns", lambda c: c.get_sms_attributes()),
                          ("lambda", lambda c: c.list_layers()), ("sqs", lambda c: c.list_dead_letter_source_queues(QueueUrl="x"))):
        with pytest.raises(botocore.exceptions.ClientError) as caught:
            call(shared_server.client(service))
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] in (400, 404, 501), service


def test_receipt_rule_errors(server, receiving):
    ses = receiving.ses
    refused(lambda: ses.create_receipt_rule_set(RuleSetName="main"), "AlreadyExists", "Rule set already exists: main")
    refused(lambda: ses.create_receipt_rule_set(RuleSetName="-x"), "InvalidParameterValue", "Not a valid ruleSetName: -x")
    refused(lambda: ses.create_receipt_rule_set(RuleSetName="a b"), "ValidationError",
            "1 validation error detected: Value at 'ruleSetName' failed to satisfy constraint: "
            "Member must satisfy regular expression pattern: ^[a-zA-Z0-9_.-]+$")
    refused(lambda: ses.describe_receipt_rule_set(RuleSetName="no"), "RuleSetDoesNotExist", "Rule set does not exist: no")
    refused(lambda: ses.describe_receipt_rule(RuleSetName="main", RuleName="no"), "RuleDoesNotExist", "Rule does not exist: no")
    refused(lambda: ses.set_active_receipt_rule_set(RuleSetName="no"), "RuleSetDoesNotExist", "Rule set does not exist: no")
    refused(lambda: ses.delete_receipt_rule_set(RuleSetName="main"), "CannotDelete", "Cannot delete active rule set: main")
    refused(lambda: receiving.rule("x", after="no"), "RuleDoesNotExist", "Rule does not exist: no")
    receiving.rule("x")
    refused(lambda: receiving.rule("x"), "AlreadyExists", "Rule already exists: x")
    refused(lambda: receiving.rule("y", {"StopAction": {"Scope": "RuleSet"}},
                                   {"AddHeaderAction": {"HeaderName": "A", "HeaderValue": "b"}}), "InvalidParameterValue",
            "Stop action, if any, must be placed at the end of the actions list")
    refused(lambda: receiving.rule("y", {"AddHeaderAction": {"HeaderName": "A:", "HeaderValue": "b"}}),
            "InvalidParameterValue", "Invalid header name: A:")
    refused(lambda: receiving.rule("y", *[{"AddHeaderAction": {"HeaderName": "A", "HeaderValue": "b"}}] * 11),
            "LimitExceeded", "Too many actions")
    ses.delete_receipt_rule(RuleSetName="main", RuleName="never-there")
    ses.delete_receipt_rule_set(RuleSetName="never-there")
    refused(lambda: ses.delete_receipt_rule(RuleSetName="no", RuleName="x"), "RuleSetDoesNotExist")


def test_order_of_rules(server, receiving):
    def names():
        return [r["Name"] for r in receiving.ses.describe_receipt_rule_set(RuleSetName="main")["Rules"]]
    receiving.rule("a")
    receiving.rule("b")
    receiving.rule("c", after="b")
    assert names() == ["b", "c", "a"]
    receiving.ses.update_receipt_rule(RuleSetName="main", Rule={"Name": "c", "TlsPolicy": "Require"})
    assert names() == ["b", "c", "a"]
    rule = receiving.ses.describe_receipt_rule(RuleSetName="main", RuleName="c")["Rule"]
    assert rule == {"Name": "c", "Enabled": False, "TlsPolicy": "Require", "Actions": [], "ScanEnabled": False} or \
        rule == {"Name": "c", "Enabled": False, "TlsPolicy": "Require", "ScanEnabled": False}
    receiving.ses.delete_receipt_rule(RuleSetName="main", RuleName="c")
    assert names() == ["b", "a"]


def test_buckets_and_objects(server):
    s3 = server.client("s3")
    s3.create_bucket(Bucket="things")
    body = bytes(range(256)) * 100
    s3.put_object(Bucket="things", Key="a/b c+ü%20.bin", Body=body, ContentType="text/x", Metadata={"one": "1"})
    got = s3.get_object(Bucket="things", Key="a/b c+ü%20.bin")
    assert got["Body"].read() == body and got["ContentType"] == "text/x" and got["Metadata"] == {"one": "1"}
    head = s3.head_object(Bucket="things", Key="a/b c+ü%20.bin")
    assert head["ContentLength"] == len(body) and head["ETag"] == got["ETag"]
    for n in range(25):
        s3.put_object(Bucket="things", Key=f"p/{n % 5}/{n:03d}", Body=b"x")
    page = s3.list_objects_v2(Bucket="things", Prefix="p/", Delimiter="/")
    assert [p["Prefix"] for p in page["CommonPrefixes"]] == [f"p/{n}/" for n in range(5)] and "Contents" not in page
    keys, token = [], {}
    while True:
        page = s3.list_objects_v2(Bucket="things", Prefix="p/", MaxKeys=7, **token)
        keys += [o["Key"] for o in page["Contents"]]
        if not page["IsTruncated"]:
            break
        token = {"ContinuationToken": page["NextContinuationToken"]}
    assert keys == sorted(f"p/{n % 5}/{n:03d}" for n in range(25))
    s3.delete_object(Bucket="things", Key="p/0/000")
    refused(lambda: s3.get_object(Bucket="things", Key="p/0/000"), "NoSuchKey", "The specified key does not exist.")
    refused(lambda: s3.head_object(Bucket="things", Key="p/0/000"), "404")
    refused(lambda: s3.get_object(Bucket="absent-bucket", Key="k"), "NoSuchBucket", "The specified bucket does not exist")
    refused(lambda: s3.get_bucket_policy(Bucket="things"), "NoSuchBucketPolicy")
    refused(lambda: server.client("s3", account=OTHER).create_bucket(Bucket="things"), "BucketAlreadyExists")
    refused(lambda: server.client("s3", account=OTHER).list_objects_v2(Bucket="things"), "AccessDenied")
    refused(lambda: s3.create_bucket(Bucket="Bad_Name"), "InvalidBucketName")


def test_keys_that_no_file_system_holds(server):
    s3 = server.client("s3")
    s3.create_bucket(Bucket="odd")
    keys = ["a", "a/b", "a/b/c", "..", "../up", "x/../y", "x/./y", "/", "//", "/a", "a/", "k" * 1024, "dir/" + "n" * 300,
            "%2e%2e", "new\nline", "tab\t", "ü" * 100, "con:*?\"<>|\\", "a//b", "~", ".hidden", "a/.sesame"]
    for n, key in enumerate(keys):
        s3.put_object(Bucket="odd", Key=key, Body=b"%d" % n)
    for n, key in enumerate(keys):
        assert s3.get_object(Bucket="odd", Key=key)["Body"].read() == b"%d" % n, key
    listed = [o["Key"] for o in s3.list_objects_v2(Bucket="odd")["Contents"]]
    assert listed == sorted(keys, key=lambda k: k.encode())
    server.restart()
    s3 = server.client("s3")
    for n, key in enumerate(keys):
        assert s3.get_object(Bucket="odd", Key=key)["Body"].read() == b"%d" % n, key
        s3.delete_object(Bucket="odd", Key=key)
    assert "Contents" not in s3.list_objects_v2(Bucket="odd")
    s3.delete_bucket(Bucket="odd")


def test_bucket_policies_are_checked_when_saved(server, receiving):
    receiving.bucket("mail")
    for document, message in (
            ("[]", "Policies must be valid JSON and the first byte must be '{'"),
            ('{"Version":"2012-10-17","Statement":[{', "This policy contains invalid Json"),
            ('{"Version":"2012-10-17"}', "Missing required field Statement"),
            ('{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:PutObject","Resource":"arn:aws:s3:::mail/*"}]}',
             "Missing required field Principal"),
            (json.dumps(bucket_policy("mail", "x", Action="s3:NoSuchThing")), "Policy has invalid action"),
            (json.dumps(bucket_policy("mail", "x", Resource="arn:aws:s3:::mail")),
             "Action does not apply to any resource(s) in statement")):
        refused(lambda d=document: receiving.policy("mail", d), "MalformedPolicy", message)


def test_anonymous_callers_are_judged_by_the_policy(server, receiving):
    receiving.bucket("public")
    receiving.s3.put_object(Bucket="public", Key="k", Body=b"open")
    url = server.api + "/public/k"
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(url, timeout=10)
    assert caught.value.code == 403 and b"<Code>AccessDenied</Code>" in caught.value.read()
    receiving.policy("public", {"Version": "2012-10-17", "Statement": [
        {"Sid": "Open", "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::public/*"}]})
    assert urllib.request.urlopen(url, timeout=10).read() == b"open"


def test_presigned_urls(server):
    s3 = server.client("s3", signature_version="s3v4")
    s3.create_bucket(Bucket="signed")
    s3.put_object(Bucket="signed", Key="k ä", Body=b"there")
    url = s3.generate_presigned_url("get_object", Params={"Bucket": "signed", "Key": "k ä"}, ExpiresIn=60)
    assert urllib.request.urlopen(url, timeout=10).read() == b"there"
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(url.replace("X-Amz-Expires=60", "X-Amz-Expires=61"), timeout=10)
    assert caught.value.code == 403


def signed(server, method, path, query="", body=b"", headers=(), presign=False):
    """One S3 request as the signer of boto3 signs it, its target sent exactly so."""
    url = server.api + path + ("?" + query if query else "")
    request = botocore.awsrequest.AWSRequest(method=method, url=url, data=b"" if presign else body, headers=dict(headers))
    signer = botocore.auth.S3SigV4QueryAuth if presign else botocore.auth.S3SigV4Auth
    signer(botocore.credentials.Credentials(KEY, SECRET), "s3", "us-east-1").add_auth(request)
    connection = http.client.HTTPConnection(server.api.removeprefix("http://"), timeout=20)
    try:
        target = request.url.removeprefix(server.api) if presign else url.removeprefix(server.api)
        connection.request(method, target, body or None, dict(request.headers.items()))
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def test_what_a_presigned_url_carries_in_its_query_counts(server):
    """SDKs move x-amz-* headers into the URL they sign; passing over them would make another object."""
    s3 = server.client("s3")
    s3.create_bucket(Bucket="signed")
    s3.put_object(Bucket="signed", Key="source", Body=b"there")
    code, _, text = signed(server, "PUT", "/signed/new", "x-amz-meta-colour=red&x-amz-server-side-encryption=aws%3Akms",
                           b"x", presign=True)
    assert code == 200, text
    head = s3.head_object(Bucket="signed", Key="new")
    assert (head["Metadata"], head["ServerSideEncryption"]) == ({"colour": "red"}, "aws:kms")
    for query, code, word in (("x-amz-rename-source=%2Fsigned%2Fsource", 501, b"NotImplemented"),
                              ("x-amz-acl=public-read", 400, b"AccessControlListNotSupported"),
                              ("x-amz-storage-class=GLACIER", 501, b"NotImplemented"),
                              ("x-amz-server-side-encryption=aws%3Akms%3Adsse", 501, b"NotImplemented"),
                              ("x-amz-checksum-crc32=AAAAAA%3D%3D", 400, b"BadDigest"),
                              ("x-amz-meta-a=b%0d%0aSet-Cookie:%20c", 400, b"InvalidArgument")):
        got, _, text = signed(server, "PUT", "/signed/other", query, b"x", presign=True)
        assert (got, word in text) == (code, True), (query, got, text)
    refused(lambda: s3.head_object(Bucket="signed", Key="other"), "404")


def test_a_sub_resource_that_nobody_here_knows_is_no_plain_operation(server):
    s3 = server.client("s3")
    s3.create_bucket(Bucket="things")
    s3.put_object(Bucket="things", Key="k", Body=b"stays")
    for name in ("abac", "annotation", "metadataJournalTable=", "of-next-year"):
        for method, path in (("PUT", "/things"), ("PUT", "/things/k"), ("DELETE", "/things/k"), ("GET", "/things/k")):
            code, _, text = signed(server, method, path, name, b"x" if method == "PUT" else b"")
            assert code == 501 and b"<Code>NotImplemented</Code>" in text, (method, path, name, code, text)
    assert s3.get_object(Bucket="things", Key="k")["Body"].read() == b"stays"


def test_an_object_with_much_metadata(server):
    s3 = server.client("s3")
    s3.create_bucket(Bucket="things")
    many = {f"key{n}": str(n) for n in range(64)}
    s3.put_object(Bucket="things", Key="k", Body=b"x", Metadata=many, ContentLanguage="en", CacheControl="no-cache",
                  ContentDisposition="inline", ContentEncoding="x", ChecksumAlgorithm="CRC32")
    assert s3.get_object(Bucket="things", Key="k", ChecksumMode="ENABLED")["Metadata"] == many
    refused(lambda: s3.put_object(Bucket="things", Key="k", Metadata={**many, "one": "more"}), "MetadataTooLarge")
    assert s3.head_object(Bucket="things", Key="k")["Metadata"] == many


def test_of_many_first_puts_one_is_the_first(server):
    s3 = server.client("s3", max_pool_connections=16)
    s3.create_bucket(Bucket="things")
    s3.meta.events.register("before-call.s3.PutObject",
                            lambda params, **_: params["headers"].update({"If-None-Match": "*"}))

    def put(key, n):
        try:
            s3.put_object(Bucket="things", Key=key, Body=b"%d" % n)
            return n
        except botocore.exceptions.ClientError as error:
            assert error.response["Error"]["Code"] == "PreconditionFailed", error
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        for turn in range(8):
            answers = list(pool.map(put, [f"k{turn}"] * 12, range(12)))
            winners = [n for n in answers if n is not None]
            assert len(winners) == 1, winners
            assert s3.get_object(Bucket="things", Key=f"k{turn}")["Body"].read() == b"%d" % winners[0]


def test_a_role_and_its_documents(server, receiving):
    iam = receiving.iam
    trust = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "ses.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
    made = iam.create_role(RoleName="r", AssumeRolePolicyDocument=json.dumps(trust), Path="/mail/", Description="d")["Role"]
    assert made["Arn"] == f"arn:aws:iam::{ACCOUNT}:role/mail/r" and made["AssumeRolePolicyDocument"] == trust
    assert iam.get_role(RoleName="r")["Role"]["RoleId"] == made["RoleId"]
    refused(lambda: iam.create_role(RoleName="r", AssumeRolePolicyDocument=json.dumps(trust)), "EntityAlreadyExists")
    refused(lambda: iam.get_role(RoleName="no"), "NoSuchEntity")
    refused(lambda: iam.put_role_policy(RoleName="r", PolicyName="p", PolicyDocument="{"), "MalformedPolicyDocument")
    refused(lambda: iam.put_role_policy(RoleName="no", PolicyName="p", PolicyDocument="{"), "NoSuchEntity")
    iam.put_role_policy(RoleName="r", PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "s3:PutObject", "Resource": "*"}]}))
    refused(lambda: iam.delete_role(RoleName="r"), "DeleteConflict")
    iam.delete_role_policy(RoleName="r", PolicyName="p")
    iam.delete_role(RoleName="r")


def test_comments_pasted_from_the_page_are_not_json(receiving):
    receiving.bucket("mail")
    text = json.dumps(bucket_policy("mail", rule_arn("main", "store"))).replace("[{", "[ // Required\n {")
    refused(lambda: receiving.policy("mail", text), "MalformedPolicy", "This policy contains invalid Json")


BAD_REQUESTS = {
    "length and chunks": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    "blank before the colon": b"GET / HTTP/1.1\r\nHost: x\r\nX-A : b\r\n\r\n",
    "NUL in a value": b"GET / HTTP/1.1\r\nHost: x\r\nX-A: b\x00c\r\n\r\n",
    "unknown coding": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
}


@pytest.mark.parametrize("name", BAD_REQUESTS)
def test_requests_that_two_readers_could_read_differently_are_refused(shared_server, name):
    host, port = shared_server.api.removeprefix("http://").rsplit(":", 1)
    with socket.create_connection((host, int(port)), 10) as raw:
        raw.sendall(BAD_REQUESTS[name])
        answer = b""
        while True:
            piece = raw.recv(4096)
            answer += piece
            if not piece:
                break
    assert answer.startswith(b"HTTP/1.1 501" if name == "unknown coding" else b"HTTP/1.1 400"), answer


def test_own_pages_from_loopback(shared_server):
    assert shared_server.get("/_sesame/messages") is not None
    assert "sesame_" in shared_server.get("/_sesame/metrics")


def test_secrets_are_never_in_the_log(server, receiving):
    receiving.store()
    server.send(b"Subject: secret words\r\n\r\nthe body is private\r\n")
    text = server.log_text()
    assert SECRET not in text and "private" not in text and "secret words" not in text
