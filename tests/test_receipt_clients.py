"""The receiving API by those who use it: boto3, the AWS CLI, the newest JavaScript SDK, and the sequences of Terraform and CloudFormation."""
import json
import os
import subprocess

import pytest

import aws_cli
from conftest import ACCOUNT, KEY, REGION, SECRET, bucket_policy, eventually, refused, rule_arn, s3_action
from test_js import PLACE, node  # noqa: F401 (a fixture)


@pytest.fixture
def cli(server):
    env = {**os.environ, "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_CONFIG_FILE": "/dev/null",
           "AWS_SHARED_CREDENTIALS_FILE": "/dev/null"}

    def run(*arguments, fails=None):
        done = aws_cli.aws("--endpoint-url", server.api, "--region", REGION, "--output", "json", "ses", *arguments, env=env)
        if fails:
            assert done.returncode != 0 and fails in done.stderr, (arguments, done.stdout, done.stderr)
            return None
        assert done.returncode == 0, (arguments, done.stderr)
        return json.loads(done.stdout) if done.stdout.strip() else None
    return run


def test_the_aws_cli_calls_every_receiving_operation(server, cli):
    s3 = server.client("s3")
    s3.create_bucket(Bucket="mail")
    s3.put_bucket_policy(Bucket="mail", Policy=json.dumps(bucket_policy("mail", rule_arn("main", "store"))))
    cli("verify-domain-identity", "--domain", "example.com")
    cli("create-receipt-rule-set", "--rule-set-name", "main")
    cli("create-receipt-rule-set", "--rule-set-name", "main",
        fails="An error occurred (AlreadyExists) when calling the CreateReceiptRuleSet operation: Rule set already exists: main")
    store = {"Name": "store", "Enabled": True, "Recipients": ["example.com"], "Actions": [s3_action("mail", "in")]}
    cli("create-receipt-rule", "--rule-set-name", "main", "--rule", json.dumps(store))
    cli("create-receipt-rule", "--rule-set-name", "main", "--after", "store", "--rule",
        "Name=head,Enabled=false,TlsPolicy=Require,Actions=[{AddHeaderAction={HeaderName=X-A,HeaderValue=v}}]")
    cli("create-receipt-rule", "--rule-set-name", "main", "--rule", json.dumps({**store, "Name": "elsewhere"}),
        fails="(InvalidS3Configuration) when calling the CreateReceiptRule operation: Could not write to bucket: mail")
    described = cli("describe-receipt-rule", "--rule-set-name", "main", "--rule-name", "store")["Rule"]
    assert described == {**store, "TlsPolicy": "Optional", "ScanEnabled": False}
    cli("update-receipt-rule", "--rule-set-name", "main", "--rule", json.dumps({**store, "ScanEnabled": True}))
    cli("set-receipt-rule-position", "--rule-set-name", "main", "--rule-name", "head")
    assert [r["Name"] for r in cli("describe-receipt-rule-set", "--rule-set-name", "main")["Rules"]] == ["head", "store"]
    cli("reorder-receipt-rule-set", "--rule-set-name", "main", "--rule-names", "store", "head")
    cli("reorder-receipt-rule-set", "--rule-set-name", "main", "--rule-names", fails="Positions for rules not found: store, head")
    assert cli("describe-active-receipt-rule-set") is None
    cli("set-active-receipt-rule-set", "--rule-set-name", "main")
    active = cli("describe-active-receipt-rule-set")
    assert active["Metadata"]["Name"] == "main" and [r["Name"] for r in active["Rules"]] == ["store", "head"]
    cli("clone-receipt-rule-set", "--rule-set-name", "copy", "--original-rule-set-name", "main")
    assert [s["Name"] for s in cli("list-receipt-rule-sets")["RuleSets"]] == ["copy", "main"]
    cli("create-receipt-filter", "--filter", "Name=f,IpFilter={Policy=Block,Cidr=192.0.2.0/24}")
    assert cli("list-receipt-filters")["Filters"] == [{"Name": "f", "IpFilter": {"Policy": "Block", "Cidr": "192.0.2.0/24"}}]
    cli("delete-receipt-filter", "--filter-name", "f")
    message = server.send(b"Subject: x\r\n\r\nx\r\n")
    server.settled(message, ["delivered"])
    assert s3.get_object(Bucket="mail", Key=f"in/{message}")
    cli("send-bounce", "--original-message-id", message, "--bounce-sender", "nobody@elsewhere.test", "--bounced-recipient-info-list",
        "Recipient=user@example.com,BounceType=DoesNotExist", fails="(MessageRejected)")
    cli("delete-receipt-rule", "--rule-set-name", "main", "--rule-name", "head")
    cli("delete-receipt-rule-set", "--rule-set-name", "main", fails="Cannot delete active rule set: main")
    cli("set-active-receipt-rule-set")
    for name in ("main", "copy", "never"):
        cli("delete-receipt-rule-set", "--rule-set-name", name)
    assert cli("list-receipt-rule-sets")["RuleSets"] == []


def test_boto3_without_its_own_checks_meets_the_services(server):
    ses = server.client("ses", parameter_validation=False)
    ses.create_receipt_rule_set(RuleSetName="main")
    refused(lambda: ses.create_receipt_rule(RuleSetName="main"), "ValidationError",
            "1 validation error detected: Value at 'rule' failed to satisfy constraint: Member must not be null")
    refused(lambda: ses.create_receipt_rule(RuleSetName="main", Rule={"Name": "r", "Actions": [{"S3Action": {"KmsKeyArn": "k"}}]}), "ValidationError",
            "1 validation error detected: Value at 'rule.actions.1.member.s3Action.bucketName' failed to satisfy constraint: Member must not be null")
    refused(lambda: ses.describe_receipt_rule_set(), "InvalidParameterValue", "RuleSetName is required.")
    ses.create_receipt_rule(RuleSetName="main", Rule={"Name": "r", "Recipients": [], "Actions": []})  # empty lists are sent as X=
    ses.create_receipt_rule(RuleSetName="main", Rule={"Name": "s", "Actions": [{}]})  # an empty structure is not sent at all
    assert [(r["Name"], r["Actions"], r.get("Recipients")) for r in ses.describe_receipt_rule_set(RuleSetName="main")["Rules"]] == [
        ("s", [], None), ("r", [], None)]
    with pytest.raises(ses.exceptions.RuleSetDoesNotExistException) as caught:
        ses.describe_receipt_rule_set(RuleSetName="x")
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400 and caught.value.response["Error"]["Type"] == "Sender"
    for exception, call in (
            (ses.exceptions.AlreadyExistsException, lambda: ses.create_receipt_rule_set(RuleSetName="main")),
            (ses.exceptions.RuleDoesNotExistException, lambda: ses.describe_receipt_rule(RuleSetName="main", RuleName="x")),
            (ses.exceptions.InvalidSnsTopicException, lambda: ses.create_receipt_rule(RuleSetName="main", Rule={
                "Name": "t", "Actions": [{"SNSAction": {"TopicArn": "t"}}]})),
            (ses.exceptions.InvalidS3ConfigurationException, lambda: ses.create_receipt_rule(RuleSetName="main", Rule={
                "Name": "t", "Actions": [s3_action("nobodys")]})),
            (ses.exceptions.InvalidLambdaFunctionException, lambda: ses.create_receipt_rule(RuleSetName="main", Rule={
                "Name": "t", "Actions": [{"LambdaAction": {"FunctionArn": "f"}}]})),
            (ses.exceptions.LimitExceededException, lambda: ses.create_receipt_rule(RuleSetName="main", Rule={
                "Name": "t", "Actions": [{"AddHeaderAction": {"HeaderName": "X", "HeaderValue": "v"}}] * 11})),
            (ses.exceptions.MessageRejected, lambda: ses.send_bounce(
                OriginalMessageId="0" * 40, BounceSender="a@b.test", BouncedRecipientInfoList=[{"Recipient": "c@d.test", "BounceType": "Undefined"}]))):
        with pytest.raises(exception):
            call()
    ses.set_active_receipt_rule_set(RuleSetName="main")
    with pytest.raises(ses.exceptions.CannotDeleteException):
        ses.delete_receipt_rule_set(RuleSetName="main")


def test_the_newest_javascript_client_calls_every_receiving_operation(server, node):  # noqa: F811
    env = {**os.environ, "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET}
    done = subprocess.run([node, str(PLACE / "rules.mjs"), server.api], env=env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0 and done.stdout == "well\n", done.stderr


def test_what_terraform_calls_and_reads_back(server):
    """hashicorp/aws: a resource is created, read, changed, read, deleted; what a permission still lacks is tried again."""
    ses, s3 = server.client("ses"), server.client("s3")
    refused(lambda: ses.describe_receipt_rule_set(RuleSetName="tf"), "RuleSetDoesNotExist")  # gone from the state
    ses.create_receipt_rule_set(RuleSetName="tf")
    assert ses.describe_receipt_rule_set(RuleSetName="tf")["Metadata"]["Name"] == "tf"
    ses.set_active_receipt_rule_set(RuleSetName="tf")
    assert ses.describe_active_receipt_rule_set()["Metadata"]["Name"] == "tf"
    s3.create_bucket(Bucket="tf-mail")

    def rule(name, *actions, **members):
        return {"Name": name, "Enabled": True, "ScanEnabled": False, "TlsPolicy": "Optional", "Actions": list(actions), **members}
    store = rule("store", {"AddHeaderAction": {"HeaderName": "Custom-Header", "HeaderValue": "Added by SES"}},
                 s3_action("tf-mail", "in/"), {"StopAction": {"Scope": "RuleSet"}}, Recipients=["a@example.com", "b@example.com"])
    refused(lambda: ses.create_receipt_rule(RuleSetName="tf", Rule=store), "InvalidS3Configuration", "Could not write to bucket: tf-mail")
    s3.put_bucket_policy(Bucket="tf-mail", Policy=json.dumps(bucket_policy("tf-mail", rule_arn("tf", "store"))))
    ses.create_receipt_rule(RuleSetName="tf", Rule=store)
    ses.create_receipt_rule(RuleSetName="tf", Rule=rule("second"), After="store")
    ses.create_receipt_rule(RuleSetName="tf", Rule=rule("third"), After="second")
    assert ses.describe_receipt_rule(RuleSetName="tf", RuleName="store")["Rule"] == store, "no difference to plan"

    def order():
        return [r["Name"] for r in ses.describe_receipt_rule_set(RuleSetName="tf")["Rules"]]
    assert order() == ["store", "second", "third"]
    changed = {**store, "Enabled": False, "TlsPolicy": "Require"}
    ses.update_receipt_rule(RuleSetName="tf", Rule=changed)
    ses.set_receipt_rule_position(RuleSetName="tf", RuleName="store", After="third")
    assert ses.describe_receipt_rule(RuleSetName="tf", RuleName="store")["Rule"] == changed and order() == ["second", "third", "store"]
    ses.delete_receipt_rule(RuleSetName="tf", RuleName="second")
    refused(lambda: ses.describe_receipt_rule(RuleSetName="tf", RuleName="second"), "RuleDoesNotExist")
    ses.create_receipt_filter(Filter={"Name": "block", "IpFilter": {"Cidr": "10.10.10.10", "Policy": "Block"}})
    assert [f for f in ses.list_receipt_filters()["Filters"] if f["Name"] == "block"][0]["IpFilter"] == {"Cidr": "10.10.10.10", "Policy": "Block"}
    ses.delete_receipt_filter(FilterName="block")
    for name in ("third", "store"):
        ses.delete_receipt_rule(RuleSetName="tf", RuleName=name)
    ses.set_active_receipt_rule_set()
    assert "Metadata" not in ses.describe_active_receipt_rule_set()
    ses.delete_receipt_rule_set(RuleSetName="tf")
    refused(lambda: ses.describe_receipt_rule_set(RuleSetName="tf"), "RuleSetDoesNotExist")


def test_what_cloudformation_makes_of_a_cdk_rule_set(server):
    """The properties of AWS::SES::ReceiptRuleSet, ReceiptRule and ReceiptFilter are the members of the calls; CDK chains the rules by After,
    and a custom resource activates the set. A rule that is renamed is made anew, and the old one goes last."""
    ses, s3 = server.client("ses"), server.client("s3")
    name = "MailStack-RuleSetE30C6C48-1ABCDEFGHIJKL"
    ses.create_receipt_rule_set(RuleSetName=name)
    s3.create_bucket(Bucket="cdk-mail")
    s3.put_bucket_policy(Bucket="cdk-mail", Policy=json.dumps({"Version": "2012-10-17", "Statement": [{  # what the S3 action of CDK adds
        "Effect": "Allow", "Principal": {"Service": "ses.amazonaws.com"}, "Action": "s3:PutObject", "Resource": "arn:aws:s3:::cdk-mail/emails/*",
        "Condition": {"StringEquals": {"aws:SourceAccount": ACCOUNT},
                      "ArnLike": {"aws:SourceArn": f"arn:aws:ses:{REGION}:{ACCOUNT}:receipt-rule-set/{name}:receipt-rule/*"}}}]}))
    first = "MailStack-RuleSetRule0B1D6BCA-AAAAAAAAAAAA"
    second = "MailStack-RuleSetRule1C5B0E3F-BBBBBBBBBBBB"
    ses.create_receipt_rule(RuleSetName=name, Rule={"Name": first, "Enabled": True, "Recipients": ["hello@aws.com"], "Actions": [
        {"AddHeaderAction": {"HeaderName": "X-Special-Header", "HeaderValue": "aws"}}, s3_action("cdk-mail", "emails/")]})
    ses.create_receipt_rule(RuleSetName=name, After=first, Rule={"Name": second, "Enabled": True, "Recipients": ["aws.com"], "Actions": []})
    ses.set_active_receipt_rule_set(RuleSetName=name)
    ses.create_receipt_filter(Filter={"Name": "MailStack-Filter-CCCC", "IpFilter": {"Cidr": "1.2.3.4/16", "Policy": "Block"}})
    # an update of the properties, and of After
    ses.update_receipt_rule(RuleSetName=name, Rule={"Name": second, "Enabled": True, "ScanEnabled": True, "Actions": []})
    ses.set_receipt_rule_position(RuleSetName=name, RuleName=second)
    third = second.replace("BBBB", "DDDD")
    ses.create_receipt_rule(RuleSetName=name, After=second, Rule={"Name": third, "Enabled": True, "Actions": []})
    ses.delete_receipt_rule(RuleSetName=name, RuleName=second)
    assert [r["Name"] for r in ses.describe_receipt_rule_set(RuleSetName=name)["Rules"]] == [third, first]
    # tearing down: whatever is gone already is well
    for rule in (first, third, third):
        ses.delete_receipt_rule(RuleSetName=name, RuleName=rule)
    ses.set_active_receipt_rule_set()
    for _ in range(2):
        ses.delete_receipt_rule_set(RuleSetName=name)
        ses.delete_receipt_filter(FilterName="MailStack-Filter-CCCC")
    assert eventually(lambda: not ses.list_receipt_rule_sets()["RuleSets"])
