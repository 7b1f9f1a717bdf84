"""sesame policy: what it prints makes exactly that rule work."""
import json
import subprocess

from conftest import ACCOUNT, BINARY, refused, rule_arn, s3_action

MAIL = b"Subject: granted\r\n\r\nhello\r\n"


def policy(*arguments, check=True):
    done = subprocess.run([BINARY, "policy", *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert not check or done.returncode == 0, done.stderr
    return done


def documents(text):
    found, decoder, at = [], json.JSONDecoder(), 0
    while at < len(text.rstrip()):
        document, at = decoder.raw_decode(text, at)
        found.append(document)
        while at < len(text) and text[at].isspace():
            at += 1
    return found


def granted(server, rule):
    done = policy("--data", str(server.data), "--rule", rule, "--json")
    return {grant["kind"]: grant for grant in json.loads(done.stdout)}


def test_the_bucket_policy_of_a_rule_lets_it_deliver(server, receiving):
    receiving.bucket("mail")
    refused(lambda: receiving.rule("store", s3_action("mail", "in")), "InvalidS3Configuration")
    flags = policy("bucket", "--rule", "main/store", "--bucket", "mail", "--prefix", "in")
    [document] = documents(flags.stdout)
    receiving.policy("mail", document)
    receiving.rule("store", s3_action("mail", "in"))
    message = server.send(MAIL)
    server.settled(message, ["delivered"])
    assert receiving.keys() == [f"in/{message}"]
    assert granted(server, "main/store") == {"bucket": {
        "kind": "bucket", "kinds": ["bucket"], "target": "mail", "document": document}}
    refused(lambda: receiving.rule("another", s3_action("mail", "in")), "InvalidS3Configuration")


def test_the_policies_of_a_role_let_it_deliver_and_nobody_else(server, receiving):
    role = f"arn:aws:iam::{ACCOUNT}:role/writer"
    receiving.bucket("mail")
    printed = policy("--rule", "main/store", "--bucket", "mail", "--role", role)
    trust, permissions = documents(printed.stdout)
    assert "trust policy of" in printed.stderr and "inline policy of" in printed.stderr
    receiving.iam.create_role(RoleName="writer", AssumeRolePolicyDocument=json.dumps(trust))
    receiving.iam.put_role_policy(RoleName="writer", PolicyName="p", PolicyDocument=json.dumps(permissions))
    receiving.rule("store", s3_action("mail", IamRoleArn=role))
    message = server.send(MAIL)
    server.settled(message, ["delivered"])
    assert receiving.keys() == [message]
    found = granted(server, "main/store")
    assert found["trust"]["document"] == trust and found["role"]["document"] == permissions and len(found) == 2
    refused(lambda: receiving.rule("another", s3_action("mail", IamRoleArn=role)), "InvalidParameterValue")


def test_a_bucket_of_another_account_needs_its_policy_too(server, receiving):
    other = "444455556666"
    role = f"arn:aws:iam::{ACCOUNT}:role/writer"
    theirs = server.client("s3", account=other)
    theirs.create_bucket(Bucket="theirs")
    printed = policy("--rule", "main/store", "--bucket", "theirs", "--role", role, "--bucket-owner", other)
    trust, permissions, bucket = documents(printed.stdout)
    receiving.iam.create_role(RoleName="writer", AssumeRolePolicyDocument=json.dumps(trust))
    receiving.iam.put_role_policy(RoleName="writer", PolicyName="p", PolicyDocument=json.dumps(permissions))
    refused(lambda: receiving.rule("store", s3_action("theirs", IamRoleArn=role)), "InvalidS3Configuration")
    theirs.put_bucket_policy(Bucket="theirs", Policy=json.dumps(bucket))
    receiving.rule("store", s3_action("theirs", IamRoleArn=role))
    message = server.send(MAIL)
    server.settled(message, ["delivered"])
    assert granted(server, "main/store")["bucket"]["document"] == bucket


def test_the_rest_of_the_page_from_flags():
    arn = rule_arn("main", "r")
    source = {"StringEquals": {"AWS:SourceAccount": ACCOUNT, "AWS:SourceArn": arn}}
    service = {"Service": "ses.amazonaws.com"}
    key = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/k"
    owner = {"Sid": "Enable IAM User Permissions", "Effect": "Allow", "Action": "kms:*", "Resource": "*",
             "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}}
    encrypt = {"Sid": "AllowSESToEncryptMessagesBelongingToThisAccount", "Effect": "Allow", "Principal": service,
               "Resource": "*", "Condition": source}

    def only(kind, *flags):
        [document] = documents(policy(kind, "--rule", "main/r", *flags).stdout)
        return document
    assert only("key", "--key", key)["Statement"] == [owner, {**encrypt, "Action": "kms:GenerateDataKey*"}]
    assert only("sse-key", "--bucket", "b", "--bucket-key", key)["Statement"] == [
        owner, {**encrypt, "Action": ["kms:Decrypt", "kms:GenerateDataKey*"]}]
    topic = "arn:aws:sns:us-east-1:444455556666:t"
    assert only("topic", "--topic", topic)["Statement"] == [{
        "Sid": "AllowSESPublish", "Effect": "Allow", "Principal": service, "Action": "SNS:Publish", "Resource": topic,
        "Condition": source}]
    assert only("topic-key", "--topic", topic, "--topic-key", key)["Statement"][1] == {
        "Sid": "AllowSESToUseKMSKey", "Effect": "Allow", "Principal": service, "Resource": "*", "Condition": source,
        "Action": ["kms:GenerateDataKey", "kms:Decrypt"]}
    function = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:f"
    assert only("function", "--function", function) == {
        "FunctionName": function, "StatementId": "GiveSESPermissionToInvokeFunction", "Action": "lambda:InvokeFunction",
        "Principal": "ses.amazonaws.com", "SourceAccount": ACCOUNT, "SourceArn": arn}
    assert only("trust", "--role", f"arn:aws:iam::{ACCOUNT}:role/r")["Statement"][0]["Action"] == "sts:AssumeRole"


def test_what_is_asked_wrongly_is_one_sentence(server, tmp_path):
    nowhere = ("--data", str(tmp_path))
    for arguments, code in ((("--rule", "main"), 2), (("nonsense", "--rule", "a/b"), 2), ((), 2),
                            (("--rule", "a/b", *nowhere), 1), (("--rule", "a/b", "--data", str(server.data)), 1),
                            (("--rule", "a/b", "--bucket", "b", "--role", "r"), 2),
                            (("--rule", "a/b", "--role", f"arn:aws:iam::{ACCOUNT}:role/r"), 2)):
        done = policy(*arguments, check=False)
        assert done.returncode == code and done.stdout == "", (arguments, done)
        assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert "has no rule set a in us-east-1" in policy("--rule", "a/b", "--data", str(server.data), check=False).stderr
