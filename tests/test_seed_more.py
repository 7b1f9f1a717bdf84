"""What the seed page's flows leave out, on real mail: keys and topics of another account through a role, a topic whose
policy was replaced, managed keys, the page's own command; and `sesame policy`, whose print makes each rule work.

Elsewhere: the default key and encrypted buckets (test_encrypted_mail.py), buckets of other Regions (test_permissions.py)."""
import json
import subprocess

import pytest

from conftest import (ACCOUNT, KEY, REGION, SECRET, bucket_policy, eventually, refused, role_policy, rule_arn, s3_action, trust_policy)
from seed_worlds import Confirming
from test_encrypted_mail import key, ses_statement
from test_explain import rehearsed
from test_lambda import Functions
from test_policy import granted

MAIL = b"Subject: more\r\n\r\nmay it?\r\n"
ARN = rule_arn("main", "store")
OTHER = "444455556666"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/mailer"


@pytest.fixture
def told():
    made = Confirming()
    yield made
    made.close()


def make_topic(server, told, name="mail", account=None, **attributes):
    sns = server.client("sns", account=account)
    topic = sns.create_topic(Name=name)["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=told.url)
    assert told.confirmed(topic)
    for attribute, value in attributes.items():
        sns.set_topic_attributes(TopicArn=topic, AttributeName=attribute, AttributeValue=value)
    return topic


def make_role(receiving, *statements):
    document = role_policy("mail")
    document["Statement"] += statements
    receiving.iam.create_role(RoleName="mailer", AssumeRolePolicyDocument=json.dumps(trust_policy(ARN)))
    receiving.iam.put_role_policy(RoleName="mailer", PolicyName="p", PolicyDocument=json.dumps(document))


def denied_as_rehearsed(server):
    """The denial of a mail's last attempt; the rule's rehearsal said the same."""
    actions = rehearsed(server, "main/store", denied=True)["actions"]
    [said] = [a["decisions"][-1] for a in actions if a["outcome"] == "denied"][:1]
    message = server.send(MAIL)
    denial = server.attempted(message)["attempts"][-1]["denial"]
    said = json.loads(json.dumps(said).replace("0" * 40, message))
    for member in ("action", "resource", "principal", "sentence", "remedy", "remedies", "instead", "denies"):
        assert said.get(member) == denial.get(member), member
    return denial


def policy(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


SNS_OF_SES = {"Effect": "Allow", "Principal": {"Service": "ses.amazonaws.com"}, "Action": "SNS:Publish",
              "Condition": {"StringEquals": {"AWS:SourceAccount": ACCOUNT, "AWS:SourceArn": ARN}}}


# ---- a topic and a key of another account, through a role

def test_a_topic_and_a_key_of_another_account_through_a_role(server, receiving, told):
    names_the_role = {"Effect": "Allow", "Principal": {"AWS": ROLE}}
    topic = make_topic(server, told, "theirs", account=OTHER)
    make_role(receiving, {"Sid": "SNSAccess", "Effect": "Allow", "Action": "sns:Publish", "Resource": topic})
    kms_key = key(server, {**names_the_role, "Sid": "Role", "Action": "kms:GenerateDataKey*", "Resource": "*"}, account=OTHER)
    document = role_policy("mail")
    document["Statement"] += [{"Sid": "SNSAccess", "Effect": "Allow", "Action": "sns:Publish", "Resource": topic},
                              {"Sid": "KMSAccess", "Effect": "Allow", "Action": "kms:GenerateDataKey*", "Resource": kms_key}]
    receiving.iam.put_role_policy(RoleName="mailer", PolicyName="p", PolicyDocument=json.dumps(document))
    sns, kms = server.client("sns", account=OTHER), server.client("kms", account=OTHER)
    sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=policy(
        {**names_the_role, "Sid": "Role", "Action": "SNS:Publish", "Resource": topic}))
    receiving.bucket("mail")
    receiving.rule("store", s3_action("mail", KmsKeyArn=kms_key, TopicArn=topic, IamRoleArn=ROLE))
    assert rehearsed(server, "main/store", denied=False)["allowed"] is True
    message = server.send(MAIL)
    server.settled(message, ["delivered"])
    assert told.told_of(topic, message)
    assert set(receiving.s3.head_object(Bucket="mail", Key=message)["Metadata"]) >= {"x-amz-key-v2"}

    sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=policy({**SNS_OF_SES, "Resource": topic}))
    message = server.send(MAIL)
    [done, notice] = server.attempted(message, 2)["attempts"]
    assert (done["action"], done["outcome"], notice["action"]) == ("S3", "done", "S3 notice")
    denial = notice["denial"]  # what SES may, the role may not
    assert (denial["action"], denial["policy"]) == ("SNS:Publish", "resource") and denial["principal"].startswith("arn:aws:sts:")
    assert [r["attached_to"] for r in denial["remedies"]] == [topic]

    kms.put_key_policy(KeyId=kms_key, PolicyName="default", Policy=policy(
        {"Sid": "Account", "Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{OTHER}:root"}, "Action": "kms:*", "Resource": "*"}))
    denial = denied_as_rehearsed(server)
    assert (denial["action"], denial["policy"], denial["resource"]) == ("kms:GenerateDataKey", "resource", kms_key)


# ---- topics

def test_a_topic_whose_default_policy_was_replaced_no_longer_lets_its_own_account_in(server, receiving, told):
    topic = make_topic(server, told)
    receiving.rule("store", {"SNSAction": {"TopicArn": topic}})
    message = server.send(MAIL)
    server.settled(message, ["delivered"])
    assert told.told_of(topic, message)
    sns = server.client("sns")
    sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=policy(
        {"Sid": "Shop", "Effect": "Allow", "Principal": {"AWS": OTHER}, "Action": "SNS:Publish", "Resource": topic}))
    denial = denied_as_rehearsed(server)
    assert (denial["policy"], denial["element"], denial["got"]) == (
        "resource", "Statement", "no statement for ses.amazonaws.com")
    [remedy] = denial["remedies"]
    assert remedy["attached_to"] == topic
    assert [hint["id"] for hint in denial["hints"]] == ["default-topic-policy-replaced"], denial["hints"]
    sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=policy(remedy["statement"]))
    assert rehearsed(server, "main/store")["allowed"] is True


def test_a_topic_encrypted_with_the_key_of_aws_takes_nothing_from_ses_and_its_key_policy_cannot_be_edited(
        server, receiving, told):
    topic = make_topic(server, told)
    receiving.rule("store", {"SNSAction": {"TopicArn": topic}})
    sns = server.client("sns")
    sns.set_topic_attributes(TopicArn=topic, AttributeName="KmsMasterKeyId", AttributeValue="alias/aws/sns")
    server.client("kms").describe_key(KeyId="alias/aws/sns")  # it is made on first use, and until then has no id to tell
    denial = denied_as_rehearsed(server)
    assert denial["action"] == "kms:GenerateDataKey" and denial["policy"] == "resource"
    assert "remedy" not in denial and "remedies" not in denial
    assert "the policy of a key that AWS manages cannot be changed" in denial["instead"], denial
    text = server.explain("--rule", "main/store").stdout
    assert denial["instead"] in text
    own = key(server, ses_statement(["kms:GenerateDataKey", "kms:Decrypt"], Sid="AllowSESToUseKMSKey"))
    sns.set_topic_attributes(TopicArn=topic, AttributeName="KmsMasterKeyId", AttributeValue=own)
    message = server.send(MAIL)
    server.settled(message, ["delivered"])
    assert told.told_of(topic, message)


# ---- the page's own command

def test_the_add_permission_of_the_page_as_the_command_line_sends_it(server, receiving):
    functions = Functions(server)
    function = functions.python("f", "def handler(event, context):\n    print(event['Records'][0]['ses']['mail']['messageId'])\n")
    action = {"LambdaAction": {"FunctionArn": function["FunctionArn"], "InvocationType": "RequestResponse"}}
    refused(lambda: receiving.rule("store", action), "InvalidLambdaFunction",
            f"Could not invoke Lambda function: {function['FunctionArn']}")
    done = subprocess.run(
        ["aws", "--endpoint-url", server.api, "--region", REGION, "lambda", "add-permission", "--function-name", "f",
         "--statement-id", "GiveSESPermissionToInvokeFunction", "--action", "lambda:InvokeFunction",
         "--principal", "ses.amazonaws.com", "--source-account", ACCOUNT, "--source-arn", ARN],
        env={"PATH": "/usr/bin:/bin", "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "HOME": str(server.data)},
        capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(json.loads(done.stdout)["Statement"]) == {
        "Sid": "GiveSESPermissionToInvokeFunction", "Effect": "Allow", "Principal": {"Service": "ses.amazonaws.com"},
        "Action": "lambda:InvokeFunction", "Resource": function["FunctionArn"],
        "Condition": {"StringEquals": {"AWS:SourceAccount": ACCOUNT}, "ArnLike": {"AWS:SourceArn": ARN}}}
    receiving.rule("store", action)
    message = server.send(MAIL)
    server.settled(message, ["delivered"])
    log = server.data / "functions" / "logs" / f"{ACCOUNT}.{REGION}.f.0"  # written some milliseconds later
    assert eventually(lambda: message in log.read_text())
    functions.aws.remove_permission(FunctionName="f", StatementId="GiveSESPermissionToInvokeFunction")
    denial = denied_as_rehearsed(server)
    assert (denial["action"], denial["resource"]) == ("lambda:InvokeFunction", function["FunctionArn"])
    assert f"aws lambda add-permission --function-name {function['FunctionArn']} " in denial["remedies"][0]["says"]


# ---- what `sesame policy` prints

def put(server, receiving, grant):
    """Each document where it belongs."""
    document, target = json.dumps(grant["document"]), grant["target"]
    account = target.split(":")[4] if target.startswith("arn:") else None
    kind = grant["kind"]
    if kind == "trust":
        receiving.iam.update_assume_role_policy(RoleName=target.rsplit("/", 1)[1], PolicyDocument=document)
    elif kind == "role":
        receiving.iam.put_role_policy(RoleName=target.rsplit("/", 1)[1], PolicyName="p", PolicyDocument=document)
    elif kind == "bucket":
        receiving.policy(target, grant["document"])
    elif kind == "function":
        server.client("lambda", account=account).add_permission(**grant["document"])
    elif kind == "topic":
        server.client("sns", account=account).set_topic_attributes(
            TopicArn=target, AttributeName="Policy", AttributeValue=document)
    else:
        assert kind in ("key", "sse-key", "topic-key")
        server.client("kms", account=account).put_key_policy(KeyId=target, PolicyName="default", Policy=document)


EVERYBODY = {"Sid": "SetUp", "Effect": "Allow", "Principal": "*", "Resource": "*"}


class Needing:
    """A rule whose policies let everybody do everything, and then nobody."""

    def __init__(self, server, receiving, told):
        self.server, self.receiving, self.told, self.topic, self.keys = server, receiving, told, None, []

    def key(self, account=ACCOUNT):
        self.keys.append(key(self.server, {**EVERYBODY, "Action": "kms:*"}, account=account))
        return self.keys[-1]

    def bucket(self, encrypted=None):
        self.receiving.bucket("mail", policy({**EVERYBODY, "Action": "s3:PutObject", "Resource": "arn:aws:s3:::mail/*"}))
        if encrypted:
            self.receiving.s3.put_bucket_encryption(Bucket="mail", ServerSideEncryptionConfiguration={"Rules": [
                {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": encrypted}}]})

    def make_topic(self, account=None, encrypted=None):
        self.topic = make_topic(self.server, self.told, account=account)
        sns = self.server.client("sns", account=account)
        if account:
            sns.set_topic_attributes(TopicArn=self.topic, AttributeName="Policy", AttributeValue=policy(
                {**EVERYBODY, "Action": "SNS:Publish", "Resource": self.topic}))
        if encrypted:
            sns.set_topic_attributes(TopicArn=self.topic, AttributeName="KmsMasterKeyId", AttributeValue=encrypted)
        return self.topic

    def role(self):
        make_role(self.receiving, {"Effect": "Allow", "Action": ["kms:*", "sns:Publish"], "Resource": "*"})

    def nobody(self):
        iam = self.receiving.iam
        for bucket in self.receiving.s3.list_buckets()["Buckets"]:
            self.receiving.s3.delete_bucket_policy(Bucket=bucket["Name"])
        for arn in self.keys:
            account = arn.split(":")[4]
            self.server.client("kms", account=account).put_key_policy(KeyId=arn, PolicyName="default", Policy=policy(
                {"Sid": "Enable IAM User Permissions", "Effect": "Allow",
                 "Principal": {"AWS": f"arn:aws:iam::{account}:root"}, "Action": "kms:*", "Resource": "*"}))
        if self.topic and f":{OTHER}:" in self.topic:
            self.server.client("sns", account=OTHER).set_topic_attributes(
                TopicArn=self.topic, AttributeName="Policy", AttributeValue=policy(
                    {"Effect": "Allow", "Principal": {"AWS": OTHER}, "Action": "SNS:Publish", "Resource": self.topic}))
        for name in [r["RoleName"] for r in iam.list_roles()["Roles"] if r["RoleName"] == "mailer"]:
            iam.delete_role_policy(RoleName=name, PolicyName="p")


def a_key(n):
    n.bucket()
    return s3_action("mail", "in", KmsKeyArn=n.key())


def a_key_by_its_alias(n):
    n.bucket()
    n.server.client("kms").create_alias(AliasName="alias/mail", TargetKeyId=n.key())
    return s3_action("mail", KmsKeyArn=f"arn:aws:kms:{REGION}:{ACCOUNT}:alias/mail")


def an_encrypted_bucket(n):
    n.bucket(n.key())
    return s3_action("mail")


def one_key_for_both(n):
    one = n.key()
    n.bucket(one)
    return s3_action("mail", KmsKeyArn=one)


def a_topic_of_another_account(n):
    return {"SNSAction": {"TopicArn": n.make_topic(OTHER)}}


def an_encrypted_topic(n):
    return {"SNSAction": {"TopicArn": n.make_topic(None, n.key())}}


def an_encrypted_topic_of_another_account(n):
    return {"SNSAction": {"TopicArn": n.make_topic(OTHER, n.key(OTHER))}}


def everything_through_a_role(n):
    n.role()
    n.bucket(n.key())
    return s3_action("mail", "in/", IamRoleArn=ROLE, KmsKeyArn=n.key(), TopicArn=n.make_topic(None, n.key()))


def through_a_role_to_another_account(n):
    n.role()
    n.bucket()
    return s3_action("mail", IamRoleArn=ROLE, KmsKeyArn=n.key(OTHER), TopicArn=n.make_topic(OTHER, n.key(OTHER)))


def the_managed_key_through_a_role(n):
    n.role()
    n.bucket()
    return s3_action("mail", IamRoleArn=ROLE, KmsKeyArn=f"arn:aws:kms:{REGION}:{ACCOUNT}:alias/aws/ses")


NEEDS = {
    a_key: {"bucket", "key"}, a_key_by_its_alias: {"bucket", "key"}, an_encrypted_bucket: {"bucket", "sse-key"},
    one_key_for_both: {"bucket", "key"}, a_topic_of_another_account: {"topic"}, an_encrypted_topic: {"topic-key"},
    an_encrypted_topic_of_another_account: {"topic", "topic-key"}, everything_through_a_role: {"trust", "role"},
    through_a_role_to_another_account: {"trust", "role", "key", "topic", "topic-key"},
    the_managed_key_through_a_role: {"trust", "role"},
}


@pytest.mark.parametrize("makes", NEEDS, ids=lambda f: f.__name__)
def test_what_sesame_policy_prints_makes_the_rule_work(server, receiving, told, makes):
    needing = Needing(server, receiving, told)
    receiving.rule("store", makes(needing))
    needing.nobody()
    assert rehearsed(server, "main/store", denied=True)["allowed"] is False
    grants = granted(server, "main/store")
    assert set(grants) == NEEDS[makes]
    for grant in grants.values():
        put(server, receiving, grant)
    assert rehearsed(server, "main/store", denied=False)["allowed"] is True
    message = server.send(MAIL)
    timeline = server.settled(message, ["delivered"])
    assert {a["outcome"] for a in timeline["attempts"]} == {"done"}
    assert not needing.topic or told.told_of(needing.topic, message)


def test_what_sesame_policy_prints_for_a_function_is_the_call_that_lets_the_rule_in(server, receiving):
    functions = Functions(server)
    arn = functions.python("f", "def handler(event, context):\n    pass\n")["FunctionArn"]
    functions.aws.publish_version(FunctionName="f")
    functions.aws.create_alias(FunctionName="f", Name="live", FunctionVersion="1")
    functions.aws.add_permission(FunctionName="f", Qualifier="live", StatementId="SetUp", Action="lambda:InvokeFunction",
                                 Principal="ses.amazonaws.com")
    receiving.rule("store", {"LambdaAction": {"FunctionArn": f"{arn}:live", "InvocationType": "RequestResponse"}})
    functions.aws.remove_permission(FunctionName="f", Qualifier="live", StatementId="SetUp")
    assert rehearsed(server, "main/store", denied=True)["allowed"] is False
    [grant] = granted(server, "main/store").values()
    put(server, receiving, grant)
    assert rehearsed(server, "main/store", denied=False)["allowed"] is True
    server.settled(server.send(MAIL), ["delivered"])
