"""What is tried when a rule is made: AWS's short answer to the caller, the long reason in the log, at /_sesame/setups and in
`sesame explain --setup`; and what a clone, a long list or an odd header name is warned of."""
import io
import json
import zipfile

import pytest

from conftest import ACCOUNT, REGION, bucket_policy, eventually, refused, role_policy, s3_action, trust_policy

SES = {"Service": "ses.amazonaws.com"}


def told(server, *arguments, refuses=True):
    """The newest set-up as JSON and as text."""
    done = server.explain("--setup", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    text = server.explain("--setup", *arguments)
    assert text.returncode == 0, text.stderr
    exact = server.explain("--setup", *arguments, "--exit-code")
    assert exact.returncode == (1 if refuses else 0)
    return json.loads(done.stdout), text.stdout


def logged(server, event, **members):
    found = eventually(lambda: [line for line in server.log() if line.get("event") == event and
                                all(line.get(k) == v for k, v in members.items())])
    assert found, server.log_text()[-3000:]
    return found[-1]


def policy_of(principal, action, resource, **condition):
    return json.dumps({"Version": "2012-10-17", "Statement": [{
        "Sid": "One", "Effect": "Allow", "Principal": principal, "Action": action, "Resource": resource,
        **({"Condition": {"StringEquals": condition}} if condition else {})}]})


@pytest.fixture
def world(server, receiving):
    """A target of each kind that admits the rule `right` and no other."""
    arn = receiving.arn("right")
    receiving.bucket("mail", bucket_policy("mail", arn))
    receiving.bucket("roles")
    iam, sns, kms, functions = (server.client(s) for s in ("iam", "sns", "kms", "lambda"))
    role = iam.create_role(RoleName="writer", AssumeRolePolicyDocument=json.dumps(trust_policy(arn)))["Role"]["Arn"]
    iam.put_role_policy(RoleName="writer", PolicyName="write", PolicyDocument=json.dumps(role_policy("roles")))
    topic = sns.create_topic(Name="t")["TopicArn"]
    sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=policy_of(
        SES, "sns:Publish", topic, **{"aws:SourceArn": arn}))
    key = kms.create_key()["KeyMetadata"]["Arn"]
    policy = json.loads(kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"])
    policy["Statement"].append({"Sid": "SES", "Effect": "Allow", "Principal": SES, "Action": "kms:GenerateDataKey*", "Resource": "*",
                                "Condition": {"StringEquals": {"aws:SourceArn": arn}}})
    kms.put_key_policy(KeyId=key, PolicyName="default", Policy=json.dumps(policy))
    octets = io.BytesIO()
    with zipfile.ZipFile(octets, "w") as made:
        made.writestr("index.py", "def handler(event, context): return None")
    runs = iam.create_role(RoleName="runs", AssumeRolePolicyDocument=policy_of(
        {"Service": "lambda.amazonaws.com"}, "sts:AssumeRole", "*").replace(', "Resource": "*"', ""))["Role"]["Arn"]
    function = functions.create_function(FunctionName="f", Runtime="python3.11", Handler="index.handler", Role=runs,
                                         Code={"ZipFile": octets.getvalue()})["FunctionArn"]
    functions.add_permission(FunctionName="f", StatementId="One", Action="lambda:InvokeFunction", Principal="ses.amazonaws.com",
                             SourceAccount=ACCOUNT, SourceArn=arn)
    return {"topic": topic, "key": key, "function": function, "role": role}


def targets(world):
    """name: (action, code, answer, what the reason names)"""
    bucket, role = s3_action("mail"), world["role"]
    topic = ("InvalidSnsTopic", f"Could not publish to SNS topic: {world['topic']}", "SNS:Publish")
    who = ("InvalidParameterValue", "Could not assume the provided IAM role", "sts:AssumeRole")
    alert = {"TopicArn": world["topic"]}
    return {
        "bucket": (bucket, "InvalidS3Configuration", "Could not write to bucket: mail", "s3:PutObject"),
        "role": (s3_action("roles", IamRoleArn=role), *who),
        "key": (s3_action("mail", KmsKeyArn=world["key"]), "InvalidS3Configuration", f"Unable to use AWS KMS key: {world['key']}", "kms:GenerateDataKey"),
        "topic": ({"SNSAction": alert}, *topic),
        "function": ({"LambdaAction": {"FunctionArn": world["function"]}}, "InvalidLambdaFunction",
                     f"Could not invoke Lambda function: {world['function']}", "lambda:InvokeFunction"),
        "connect": ({"ConnectAction": {"InstanceARN": "arn:aws:connect:us-east-1:111122223333:instance/i", "IAMRoleARN": role}}, *who),
        "alert of S3": ({"S3Action": {**bucket["S3Action"], **alert}}, *topic),
        "alert of Lambda": ({"LambdaAction": {"FunctionArn": world["function"], **alert}}, *topic),
        "alert of Bounce": ({"BounceAction": {"SmtpReplyCode": "550", "Message": "no", "Sender": "a@example.com", **alert}}, *topic),
        "alert of Stop": ({"StopAction": {"Scope": "RuleSet", **alert}}, *topic),
        "alert of WorkMail": ({"WorkmailAction": {"OrganizationArn": "arn:aws:workmail:us-east-1:111122223333:organization/m-1", **alert}}, *topic),
    }


def test_each_target_that_denies_is_told_shortly_to_the_caller_and_at_length_to_the_operator(server, receiving, world):
    for name, (action, code, answer, asked) in targets(world).items():
        refused(lambda a=action: receiving.rule("wrong", {"AddHeaderAction": {"HeaderName": "X", "HeaderValue": "v"}}, a), code, answer)
        story, text = told(server, "main/wrong")
        assert (story["operation"], story["outcome"], story["answered"]) == ("CreateReceiptRule", "refused", answer), name
        assert (story["account"], story["region"], story["ruleSet"], story["rule"]) == (ACCOUNT, REGION, "main", "wrong")
        last = story["targets"][-1]
        assert last["action"] == 2 and last["outcome"] == "denied" and last["decisions"], (name, story)
        blamed = last["decisions"][-1]["blame"]
        assert blamed["key"].lower() == "aws:sourcearn" and blamed["got"] == receiving.arn("wrong"), (name, blamed)
        # the policy, the statement, the condition, and the remedy
        assert not story["says"].startswith(answer), "the short answer is said once"
        assert asked.lower() in story["says"].lower() and receiving.arn("right") in story["says"], (name, story["says"])
        assert story["denial"]["key"].lower() == "aws:sourcearn" and story["denial"]["remedy"], name
        assert answer in text and "refused" in text and receiving.arn("right") in text and receiving.arn("wrong") in text, (name, text)
        assert story["denial"]["sid"] in text, (name, text)
        line = logged(server, "setup-failed", answered=answer, rule="wrong")
        assert line["says"] == story["says"] and line["denial"] == story["denial"], name
        newest = server.get("/_sesame/setups")["setups"][0]
        assert newest == story, name
    assert receiving.ses.describe_receipt_rule_set(RuleSetName="main")["Rules"] == []


def test_the_same_targets_admit_the_rule_they_name_and_that_is_told_too(server, receiving, world):
    receiving.ses.create_receipt_rule(RuleSetName="main", Rule={"Name": "right", "Actions": []})
    for name, (action, *_) in targets(world).items():
        receiving.ses.update_receipt_rule(RuleSetName="main", Rule={"Name": "right", "Actions": [action]})
        story, text = told(server, "main/right", refuses=False)
        assert (story["operation"], story["outcome"]) == ("UpdateReceiptRule", "made"), name
        assert {t["outcome"] for t in story["targets"]} == {"allowed"} and all(t["decisions"] for t in story["targets"]), (name, story)
        assert "allowed" in text and "answered" not in story, name
    objects = receiving.s3.list_objects_v2(Bucket="roles")["Contents"]
    assert [o["Key"] for o in objects] == ["AMAZON_SES_SETUP_NOTIFICATION"]


def test_what_is_no_denial_has_its_reason_as_well(server, receiving, world):
    kms = server.client("kms")
    kms.disable_key(KeyId=world["key"])
    bounce = {"SmtpReplyCode": "550", "Message": "no", "Sender": "joe@elsewhere.test"}
    sns = server.client("sns", region="eu-west-1")
    far = sns.create_topic(Name="far")["TopicArn"]
    function = world["function"].replace(REGION, "eu-west-1")
    for action, code, answer, reason in (
            ({"BounceAction": bounce}, "InvalidParameterValue", "Identity is not verified: joe@elsewhere.test", "no verified identity in us-east-1"),
            (s3_action("mail", KmsKeyArn=world["key"]), "InvalidS3Configuration", f"Unable to use AWS KMS key: {world['key']}", "is disabled"),
            (s3_action("nobodys"), "InvalidS3Configuration", "No such bucket: nobodys", "bucket does not exist"),
            ({"SNSAction": {"TopicArn": far}}, "InvalidSnsTopic", f"Could not publish to SNS topic: {far}", "publishes in its own Region only"),
            ({"SNSAction": {"TopicArn": world["topic"] + ".fifo"}}, "InvalidSnsTopic", f"Invalid SNS topic: {world['topic']}.fifo", "FIFO"),
            ({"LambdaAction": {"FunctionArn": function}}, "InvalidLambdaFunction", f"Invalid Lambda function: {function}", "its own Region"),
            ({"ConnectAction": {"InstanceARN": "i", "IAMRoleARN": world["role"] + "x"}}, "InvalidParameterValue",
             "Could not assume the provided IAM role", "writerx")):
        refused(lambda a=action: receiving.rule("right", a), code, answer)
        story, text = told(server, "main/right")
        assert story["outcome"] == "refused" and reason in story["says"], (answer, story)
        assert answer in text and reason in text, text
        assert reason in logged(server, "setup-failed", answered=answer)["says"]


def test_a_sender_that_is_not_verified_yet_is_told_with_its_state(make_server):
    server = make_server("--verify-identities", "dns")
    ses = server.client("ses")
    ses.create_receipt_rule_set(RuleSetName="main")
    ses.verify_domain_identity(Domain="example.com")
    rule = {"Name": "b", "Actions": [{"BounceAction": {"SmtpReplyCode": "550", "Message": "no", "Sender": "joe@mail.example.com"}}]}
    refused(lambda: ses.create_receipt_rule(RuleSetName="main", Rule=rule), "InvalidParameterValue", "Identity is not verified: joe@mail.example.com")
    assert told(server)[0]["says"] == f"the identity example.com is Pending in {REGION}"


def test_set_ups_are_found_by_rule_and_the_newest_comes_first(server, receiving, world):
    assert "no set-up of main/nobody is known" in server.explain("--setup", "main/nobody").stderr
    assert server.explain("--setup", "/x").returncode == 2
    receiving.rule("right", s3_action("mail"))
    refused(lambda: receiving.rule("other", s3_action("mail")), "InvalidS3Configuration")
    assert told(server)[0]["rule"] == told(server, "main")[0]["rule"] == "other"
    assert told(server, "main/right", refuses=False)[0]["rule"] == "right"
    assert server.explain("--setup", "main/right", "--account", "444455556666").returncode == 1
    every = server.get("/_sesame/setups?ruleSet=main&max=10")["setups"]
    assert [s["rule"] for s in every] == ["other", "right"] and every[0]["at"] >= every[1]["at"]
    assert server.get("/_sesame/setups?region=eu-west-1")["setups"] == []


def test_a_clone_is_warned_of_what_it_may_no_longer(server, receiving, world):
    actions = [action for name, (action, *_) in targets(world).items() if name != "connect"]
    receiving.ses.create_receipt_rule(RuleSetName="main", Rule={"Name": "right", "Actions": actions[:5]})
    receiving.bucket("anybody", policy_of(SES, "s3:PutObject", "arn:aws:s3:::anybody/*", **{"aws:SourceAccount": ACCOUNT}))
    receiving.rule("wide", s3_action("anybody"))
    receiving.ses.create_receipt_rule(RuleSetName="main", Rule={"Name": "plain", "Actions": []})
    before = sorted(o["Key"] for o in receiving.s3.list_objects_v2(Bucket="mail")["Contents"])
    receiving.ses.clone_receipt_rule_set(RuleSetName="copy", OriginalRuleSetName="main")
    story, text = told(server, "copy/right", refuses=False)
    assert (story["operation"], story["outcome"], story["original"], story["ruleSet"]) == ("CloneReceiptRuleSet", "made", "main", "copy")
    assert [(w["rule"], w["action"]) for w in story["warnings"]] == [("right", a) for a in ("S3", "S3", "S3", "SNS", "Lambda")]
    for warning in story["warnings"]:
        blamed = warning["decisions"][-1]["blame"]
        assert blamed["key"].lower() == "aws:sourcearn" and "receipt-rule-set/copy:receipt-rule/right" in blamed["got"]
    assert "warning: rule right, Lambda" in text and "receipt-rule-set/main:receipt-rule/right" in text
    line = logged(server, "rule-set-cloned", clone="copy")
    assert line["level"] == "warning" and line["original"] == "main" and "aws:SourceArn" in line["says"]
    assert [w["says"] for w in line["warnings"]] == [w["says"] for w in story["warnings"]]
    assert sorted(o["Key"] for o in receiving.s3.list_objects_v2(Bucket="mail")["Contents"]) == before, "nothing was done"
    # and where every policy admits the clone as well, there is nothing to say
    receiving.ses.delete_receipt_rule(RuleSetName="main", RuleName="right")
    receiving.ses.clone_receipt_rule_set(RuleSetName="well", OriginalRuleSetName="main")
    assert logged(server, "rule-set-cloned", clone="well")["level"] == "info"
    assert "no set-up of well is known" in server.explain("--setup", "well").stderr


def test_what_the_documents_do_not_allow_is_taken_and_warned_of(server, receiving):
    def header(name):
        return {"AddHeaderAction": {"HeaderName": name, "HeaderValue": "v"}}
    many = [f"r{n}@example.com" for n in range(101)]
    receiving.rule("many", header("X" * 51), header("X_Y"), header("X-Fine"), recipients=many)
    assert len(receiving.ses.describe_receipt_rule(RuleSetName="main", RuleName="many")["Rule"]["Recipients"]) == 101
    story, text = told(server, "main/many", refuses=False)
    said = [w["says"] for w in story["warnings"]]
    assert len(said) == 3 and "101 recipients" in said[0] and "X" * 51 in said[1] and "X_Y" in said[2], said
    assert all(s in text for s in said)
    assert [w["says"] for w in logged(server, "setup-warned", rule="many")["warnings"]] == said
    receiving.rule("few", header("X" * 50), recipients=many[:100])
    assert "no set-up of main/few is known" in server.explain("--setup", "main/few").stderr


def test_what_a_role_may_not_is_told_of_the_role_and_the_role_alone(server, receiving, world):
    """The grants to ses.amazonaws.com do not help a rule that acts by its role: bucket, key and topic are asked as the session."""
    iam = server.client("iam")
    sns = server.client("sns")
    sns.set_topic_attributes(TopicArn=world["topic"], AttributeName="Policy", AttributeValue=policy_of(
        SES, "sns:Publish", world["topic"], **{"aws:SourceArn": receiving.arn("right")}))
    action = s3_action("mail", IamRoleArn=world["role"], TopicArn=world["topic"], KmsKeyArn=world["key"])

    def may(**granted):
        iam.put_role_policy(RoleName="writer", PolicyName="write", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": action.replace("_", ":").replace("X", "*"), "Resource": resource} for action, resource in granted.items()]}))
    steps = [("sns_Publish", world["topic"], "InvalidSnsTopic", f"Could not publish to SNS topic: {world['topic']}", "sns:Publish"),
             ("kms_GenerateDataKeyX", world["key"], "InvalidS3Configuration", f"Unable to use AWS KMS key: {world['key']}", "kms:GenerateDataKey"),
             ("s3_PutObject", "arn:aws:s3:::mail/*", "InvalidS3Configuration", "Could not write to bucket: mail", "s3:PutObject")]
    granted = {"s3_ListBucket": "*"}
    for name, resource, code, answer, asked in steps:
        may(**granted)
        refused(lambda: receiving.rule("right", action), code, answer)
        story, text = told(server, "main/right")
        assert story["denial"]["action"].lower() == asked.lower() and ":assumed-role/writer/" in story["denial"]["principal"], story["denial"]
        assert story["denial"]["remedy"] and "assumed-role/writer" in text
        granted[name] = resource
    may(**granted)
    receiving.rule("right", action)
    story, text = told(server, "main/right", refuses=False)
    assert [(t["target"], t["outcome"]) for t in story["targets"]] == [("topic", "allowed"), ("own", "allowed")]
    assert f"as {world['role']}, encrypted" in text and f"published to {world['topic']} as {world['role']}" in text
