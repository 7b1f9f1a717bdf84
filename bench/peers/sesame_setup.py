"""The domain, the rule set, and what its one action needs, with the seed page's policies."""
import io
import json
import pathlib
import sys
import time
import urllib.request
import zipfile

import boto3

url, mode, subscriber, confirmations = sys.argv[1:]
ACCOUNT, REGION = "111122223333", "us-east-1"
FROM_THE_RULE = {"StringEquals": {
    "AWS:SourceAccount": ACCOUNT,
    "AWS:SourceArn": f"arn:aws:ses:{REGION}:{ACCOUNT}:receipt-rule-set/bench:receipt-rule/all"}}
# It shows the event of a mail that asks for it, so that others can be sent the same.
FUNCTION = """exports.handler = async (event) => {
  const mail = event.Records[0].ses.mail;
  if (mail.commonHeaders.subject === 'show') console.log(JSON.stringify(event));
  return { disposition: 'CONTINUE', id: mail.messageId };
};
"""


def await_server():
    for _ in range(200):
        try:
            urllib.request.urlopen(url + "/_sesame/health", timeout=2).read()
            return
        except OSError:
            time.sleep(0.05)


def client(service):
    return boto3.client(service, endpoint_url=url, region_name=REGION, aws_access_key_id="AKIDBENCH",
                        aws_secret_access_key="bench-secret")


def policy(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **s} for s in statements]})


def ses_may(action, resource):
    return {"Sid": "AllowSES", "Principal": {"Service": "ses.amazonaws.com"}, "Action": action, "Resource": resource,
            "Condition": FROM_THE_RULE}


def s3_action():
    s3 = client("s3")
    s3.create_bucket(Bucket="bench-mail")
    s3.put_bucket_policy(Bucket="bench-mail", Policy=policy(ses_may("s3:PutObject", "arn:aws:s3:::bench-mail/*")))
    return {"S3Action": {"BucketName": "bench-mail"}}


def encrypting_action():
    root = {"Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "kms:*", "Resource": "*"}
    key = client("kms").create_key(Policy=policy(root, ses_may("kms:GenerateDataKey*", "*")))
    action = s3_action()
    action["S3Action"]["KmsKeyArn"] = key["KeyMetadata"]["Arn"]
    return action


def confirmation():
    for _ in range(200):
        lines = pathlib.Path(confirmations).read_text().splitlines(keepends=True)
        if lines and lines[0].endswith("\n"):
            return json.loads(lines[0])
        time.sleep(0.05)
    sys.exit("the subscriber was not asked to confirm")


def sns_action():
    sns = client("sns")
    topic = sns.create_topic(Name="bench")["TopicArn"]
    sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=policy(ses_may("sns:Publish", topic)))
    sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=f"http://127.0.0.1:{subscriber}/")
    sns.confirm_subscription(TopicArn=topic, Token=confirmation()["Token"])
    return {"SNSAction": {"TopicArn": topic, "Encoding": "UTF-8"}}


def function_action():
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as package:
        package.writestr("index.js", FUNCTION)
    trust = policy({"Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"})
    role = client("iam").create_role(RoleName="bench", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    functions = client("lambda")
    arn = functions.create_function(FunctionName="bench", Runtime="nodejs18.x", Handler="index.handler", Role=role,
                                    Timeout=30, Code={"ZipFile": code.getvalue()})["FunctionArn"]
    functions.add_permission(FunctionName="bench", StatementId="ses", Action="lambda:InvokeFunction",
                             Principal="ses.amazonaws.com", SourceAccount=ACCOUNT,
                             SourceArn=FROM_THE_RULE["StringEquals"]["AWS:SourceArn"])
    return {"LambdaAction": {"FunctionArn": arn, "InvocationType": "RequestResponse"}}


ACTIONS = {"deliver": s3_action, "encrypt": encrypting_action, "sns": sns_action, "function": function_action}

await_server()
ses = client("ses")
ses.verify_domain_identity(Domain="example.test")
ses.create_receipt_rule_set(RuleSetName="bench")
ses.create_receipt_rule(RuleSetName="bench", Rule={
    "Name": "all", "Enabled": True, "Recipients": ["example.test"],
    "Actions": [ACTIONS[mode]()] if mode in ACTIONS else []})
ses.set_active_receipt_rule_set(RuleSetName="bench")
