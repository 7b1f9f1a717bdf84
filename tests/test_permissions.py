"""The seed page's policies at work on real mail: each works, each single fault is denied and blamed exactly."""
import json

import pytest

from conftest import (ACCOUNT, Receiving, bucket_policy, eventually, refused, role_policy, rule_arn, s3_action,
                      trust_policy)

MAIL = b"Subject: may it?\r\n\r\nbody\r\n"
ARN = rule_arn("main", "store")


def denial_of(server, message):
    return server.attempted(message)["attempts"][0]


def check_explanations(server, message, blame):
    """The API, the command (text and JSON) and the log say the same; and the same again after a restart."""
    attempt = denial_of(server, message)
    assert attempt["outcome"] == "retry" and attempt["rule"] == "store" and attempt["action"] == "S3", attempt
    denial = attempt["denial"]
    for member, value in blame.items():
        assert denial.get(member, "absent") == value, (member, denial)
    assert denial["sentence"]
    explained = server.explain("--message", message, "--json")
    assert explained.returncode == 0, explained.stderr
    assert json.loads(explained.stdout)["attempts"][0]["denial"] == denial
    text = server.explain("--message", message).stdout
    assert denial["sentence"] in text, text
    assert any(denial["sentence"] in json.dumps(line, ensure_ascii=False) or
               denial["sentence"] in line.get("says", "") for line in server.log()
               if message in json.dumps(line)), "the log has no sentence"
    return denial


def condition(value_of, key, value):
    changed = json.loads(json.dumps(value_of["Statement"][0]["Condition"]))
    changed["StringEquals"][key] = value
    return changed


BUCKET = bucket_policy("mail", ARN)
OTHER = "444455556666"
BUCKET_FAULTS = {
    "account": (dict(Condition=condition(BUCKET, "AWS:SourceAccount", OTHER)),
                dict(element="Condition", operator="StringEquals", key="AWS:SourceAccount", wanted=OTHER, got=ACCOUNT)),
    "rule set": (dict(Condition=condition(BUCKET, "AWS:SourceArn", rule_arn("other", "store"))),
                 dict(element="Condition", operator="StringEquals", key="AWS:SourceArn",
                      wanted=rule_arn("other", "store"), got=ARN)),
    "rule": (dict(Condition=condition(BUCKET, "AWS:SourceArn", rule_arn("main", "archive"))),
             dict(element="Condition", operator="StringEquals", key="AWS:SourceArn",
                  wanted=rule_arn("main", "archive"), got=ARN)),
    "region": (dict(Condition=condition(BUCKET, "AWS:SourceArn", rule_arn("main", "store", region="eu-west-1"))),
               dict(element="Condition", operator="StringEquals", key="AWS:SourceArn",
                    wanted=rule_arn("main", "store", region="eu-west-1"), got=ARN)),
    "prefix": (dict(Resource="arn:aws:s3:::mail/elsewhere/*"), dict(element="Resource")),
    "action": (dict(Action="s3:GetObject"), dict(element="Action")),
    "principal": (dict(Principal={"Service": "sns.amazonaws.com"}), dict(element="Principal")),
    "account for service": (dict(Principal={"AWS": ACCOUNT}), dict(element="Principal")),
    "wildcard under StringEquals": (dict(Condition=condition(BUCKET, "AWS:SourceArn", rule_arn("main", "*"))),
                                    dict(element="Condition", operator="StringEquals", key="AWS:SourceArn",
                                         wanted=rule_arn("main", "*"), got=ARN)),
    "key the request lacks": (dict(Condition={"StringEquals": {"aws:PrincipalOrgID": "o-12345"}}),
                              dict(element="Condition", operator="StringEquals", key="aws:PrincipalOrgID",
                                   wanted="o-12345", got=None)),
}


def test_the_seed_pages_bucket_policy_lets_the_mail_in(server, receiving):
    receiving.store()
    message = server.send(MAIL)
    timeline = server.settled(message, ["delivered"])
    assert timeline["attempts"][0]["outcome"] == "done"
    assert receiving.object(message).endswith(MAIL)


@pytest.mark.parametrize("fault", BUCKET_FAULTS)
def test_one_fault_in_the_bucket_policy_is_blamed(server, receiving, fault):
    changes, blame = BUCKET_FAULTS[fault]
    receiving.store()
    receiving.policy("mail", bucket_policy("mail", ARN, **changes))
    message = server.send(MAIL)
    denial = check_explanations(server, message, {
        "policy": "resource", "sid": "AllowSESPuts", "action": "s3:PutObject", "principal": "ses.amazonaws.com",
        "resource": f"arn:aws:s3:::mail/{message}", **blame})
    assert receiving.keys() == []
    remedy = denial["remedy"]
    assert remedy["Resource"] == "arn:aws:s3:::mail/*"
    assert remedy["Condition"] == {"StringEquals": {"aws:SourceAccount": ACCOUNT, "aws:SourceArn": ARN}}
    server.restart()
    assert server.timeline(message)["attempts"][0]["denial"] == denial
    mended = bucket_policy("mail", ARN, **changes)
    mended["Statement"].append(remedy)
    Receiving.policy(type("again", (), {"s3": server.client("s3")}), "mail", mended)
    server.settled(message, ["delivered"], 25)


def test_another_bucket_in_the_policy_is_refused_when_saved(receiving):
    receiving.bucket("mail")
    refused(lambda: receiving.policy("mail", bucket_policy("other", ARN)), "MalformedPolicy",
            "Policy has invalid resource")


def test_no_policy_at_all(server, receiving):
    receiving.store()
    receiving.s3.delete_bucket_policy(Bucket="mail")
    message = server.send(MAIL)
    denial = check_explanations(server, message, {
        "policy": "resource", "element": "Statement", "got": "no statement for ses.amazonaws.com"})
    assert "sid" not in denial and denial["remedy"]["Condition"]["StringEquals"]["aws:SourceArn"] == ARN


def test_an_explicit_deny_names_the_statement_that_must_go(server, receiving):
    receiving.store()
    policy = bucket_policy("mail", ARN)
    policy["Statement"].append({"Sid": "Block", "Effect": "Deny", "Principal": "*", "Action": "s3:*",
                                "Resource": "arn:aws:s3:::mail/*"})
    receiving.policy("mail", policy)
    message = server.send(MAIL)
    denial = check_explanations(server, message, {"policy": "resource", "sid": "Block", "element": "Effect"})
    assert "Block" in denial["sentence"] and not denial.get("remedy")


def test_a_deleted_bucket_is_no_bucket(server, receiving):
    receiving.store()
    receiving.s3.delete_object(Bucket="mail", Key="AMAZON_SES_SETUP_NOTIFICATION")
    receiving.s3.delete_bucket(Bucket="mail")
    message = server.send(MAIL)
    attempt = denial_of(server, message)
    assert attempt["outcome"] == "retry" and "mail" in attempt["says"] and "denial" not in attempt


@pytest.fixture
def role(server, receiving):
    """A rule that writes through a role; the bucket has no policy."""
    receiving.bucket("mail")
    receiving.iam.create_role(RoleName="mailer", AssumeRolePolicyDocument=json.dumps(trust_policy(ARN)))
    receiving.iam.put_role_policy(RoleName="mailer", PolicyName="write", PolicyDocument=json.dumps(role_policy("mail")))
    receiving.rule("store", s3_action("mail", "in/", IamRoleArn=f"arn:aws:iam::{ACCOUNT}:role/mailer"))
    return receiving


def test_the_role_of_the_seed_page_lets_the_mail_in(server, role):
    message = server.send(MAIL)
    server.settled(message, ["delivered"])
    assert role.object(f"in/{message}").endswith(MAIL)


TRUST = trust_policy(ARN)
TRUST_FAULTS = {
    "account": (dict(Condition=condition(TRUST, "AWS:SourceAccount", OTHER)),
                dict(element="Condition", operator="StringEquals", key="AWS:SourceAccount", wanted=OTHER, got=ACCOUNT)),
    "rule": (dict(Condition=condition(TRUST, "AWS:SourceArn", rule_arn("main", "archive"))),
             dict(element="Condition", key="AWS:SourceArn", wanted=rule_arn("main", "archive"), got=ARN)),
    "rule set": (dict(Condition=condition(TRUST, "AWS:SourceArn", rule_arn("other", "store"))),
                 dict(element="Condition", key="AWS:SourceArn", wanted=rule_arn("other", "store"), got=ARN)),
    "principal": (dict(Principal={"Service": "lambda.amazonaws.com"}), dict(element="Principal")),
    "action": (dict(Action="sts:TagSession"), dict(element="Action")),
}


@pytest.mark.parametrize("fault", TRUST_FAULTS)
def test_a_role_that_is_not_trusted(server, role, fault):
    changes, blame = TRUST_FAULTS[fault]
    role.iam.update_assume_role_policy(RoleName="mailer", PolicyDocument=json.dumps(trust_policy(ARN, **changes)))
    message = server.send(MAIL)
    denial = check_explanations(server, message, {
        "policy": "trust", "sid": "AllowSESAssume", "action": "sts:AssumeRole", "principal": "ses.amazonaws.com",
        "resource": f"arn:aws:iam::{ACCOUNT}:role/mailer", **blame})
    remedy = denial["remedy"]
    assert "Resource" not in remedy
    mended = trust_policy(ARN, **changes)
    mended["Statement"].append(dict(remedy, Sid="Mended"))
    role.iam.update_assume_role_policy(RoleName="mailer", PolicyDocument=json.dumps(mended))
    server.settled(message, ["delivered"], 25)


def test_a_role_without_a_policy(server, role):
    role.iam.delete_role_policy(RoleName="mailer", PolicyName="write")
    message = server.send(MAIL)
    denial = check_explanations(server, message, {"policy": "identity", "got": "none attached", "element": "Policy"})
    assert denial["principal"].startswith(f"arn:aws:sts::{ACCOUNT}:assumed-role/mailer/")


ROLE_FAULTS = {
    "bucket": (dict(Resource="arn:aws:s3:::other/*"), dict(element="Resource")),
    "bucket without its objects": (dict(Resource="arn:aws:s3:::mail"), dict(element="Resource")),
    "action": (dict(Action="s3:GetObject"), dict(element="Action")),
}


@pytest.mark.parametrize("fault", ROLE_FAULTS)
def test_a_fault_in_the_roles_policy(server, role, fault):
    changes, blame = ROLE_FAULTS[fault]
    policy = role_policy("mail")
    policy["Statement"][0].update(changes)
    role.iam.put_role_policy(RoleName="mailer", PolicyName="write", PolicyDocument=json.dumps(policy))
    message = server.send(MAIL)
    denial = check_explanations(server, message, {"policy": "identity[0]", "sid": "S3Access", **blame})
    remedy = denial["remedy"]
    assert "Principal" not in remedy and remedy["Resource"] == "arn:aws:s3:::mail/in/*"
    policy["Statement"].append(dict(remedy, Sid="Mended"))
    role.iam.put_role_policy(RoleName="mailer", PolicyName="write", PolicyDocument=json.dumps(policy))
    server.settled(message, ["delivered"], 25)


def test_with_a_role_the_grant_to_the_service_does_not_count(server, role):
    role.policy("mail", bucket_policy("mail", ARN))
    role.iam.delete_role_policy(RoleName="mailer", PolicyName="write")
    message = server.send(MAIL)
    denial = denial_of(server, message)["denial"]
    assert denial["principal"].startswith("arn:aws:sts::")


def test_the_source_keys_are_gone_from_the_roles_call(server, role):
    """A bucket policy that denies without aws:SourceArn bites the role."""
    role.policy("mail", {"Version": "2012-10-17", "Statement": [
        {"Sid": "OnlyTheRule", "Effect": "Deny", "Principal": "*", "Action": "s3:PutObject",
         "Resource": "arn:aws:s3:::mail/*", "Condition": {"StringNotEquals": {"aws:SourceArn": ARN}}}]})
    message = server.send(MAIL)
    denial = denial_of(server, message)["denial"]
    assert denial["sid"] == "OnlyTheRule" and denial["element"] == "Effect"


def test_a_role_writes_to_a_bucket_of_another_account_when_both_sides_say_so(server, role):
    theirs = server.client("s3", account=OTHER)
    theirs.create_bucket(Bucket="theirs")
    role.ses.create_receipt_rule_set(RuleSetName="cross")
    arn = rule_arn("cross", "store")
    role.iam.create_role(RoleName="crosser", AssumeRolePolicyDocument=json.dumps(trust_policy(arn)))
    role.iam.put_role_policy(RoleName="crosser", PolicyName="w", PolicyDocument=json.dumps(role_policy("theirs")))
    both = {"Version": "2012-10-17", "Statement": [
        {"Sid": "Role", "Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:role/crosser"},
         "Action": "s3:PutObject", "Resource": "arn:aws:s3:::theirs/*"}]}
    theirs.put_bucket_policy(Bucket="theirs", Policy=json.dumps(both))
    role.ses.create_receipt_rule(RuleSetName="cross", Rule={
        "Name": "store", "Enabled": True,
        "Actions": [s3_action("theirs", IamRoleArn=f"arn:aws:iam::{ACCOUNT}:role/crosser")]})
    role.ses.set_active_receipt_rule_set(RuleSetName="cross")
    message = server.send(MAIL)
    server.settled(message, ["delivered"])
    assert theirs.get_object(Bucket="theirs", Key=message)["Body"].read().endswith(MAIL)
    theirs.delete_bucket_policy(Bucket="theirs")
    message = server.send(MAIL)
    denial = denial_of(server, message)["denial"]
    assert denial["policy"] == "resource" and denial["element"] == "Policy"


def test_a_bucket_of_another_account_by_its_policy(server, receiving):
    theirs = server.client("s3", account=OTHER)
    theirs.create_bucket(Bucket="theirs")
    theirs.put_bucket_policy(Bucket="theirs", Policy=json.dumps(bucket_policy("theirs", ARN)))
    receiving.rule("store", s3_action("theirs"))
    message = server.send(MAIL)
    server.settled(message, ["delivered"])
    assert theirs.get_object(Bucket="theirs", Key=message)["Body"].read().endswith(MAIL)
    refused(lambda: receiving.s3.get_object(Bucket="theirs", Key=message), "AccessDenied")


def test_a_region_where_ses_does_not_receive_wants_a_role(server, receiving):
    far = server.client("s3", region="eu-north-1")
    far.create_bucket(Bucket="far", CreateBucketConfiguration={"LocationConstraint": "eu-north-1"})
    far.put_bucket_policy(Bucket="far", Policy=json.dumps(bucket_policy("far", rule_arn("main", "far"))))
    refused(lambda: receiving.rule("far", s3_action("far")), "InvalidS3Configuration", "Could not write to bucket: far")
    arn = rule_arn("main", "far")
    receiving.iam.create_role(RoleName="far", AssumeRolePolicyDocument=json.dumps(trust_policy(arn)))
    receiving.iam.put_role_policy(RoleName="far", PolicyName="w", PolicyDocument=json.dumps(role_policy("far")))
    receiving.rule("far", s3_action("far", IamRoleArn=f"arn:aws:iam::{ACCOUNT}:role/far"))
    message = server.send(MAIL)
    server.settled(message, ["delivered"])


def test_create_rule_really_tests_the_bucket_and_says_why_to_those_who_may_know(server, receiving):
    receiving.bucket("mail")
    refused(lambda: receiving.rule("store", s3_action("mail")), "InvalidS3Configuration",
            "Could not write to bucket: mail")
    setups = server.get("/_sesame/setups")
    assert "AMAZON_SES_SETUP_NOTIFICATION" in json.dumps(setups)
    assert eventually(lambda: any("AMAZON_SES_SETUP_NOTIFICATION" in json.dumps(line) for line in server.log()))
    refused(lambda: receiving.rule("store", s3_action("no-such-bucket")), "InvalidS3Configuration",
            "No such bucket: no-such-bucket")
    refused(lambda: receiving.rule("store", s3_action("mail", IamRoleArn=f"arn:aws:iam::{ACCOUNT}:role/absent")),
            "InvalidParameterValue", "Could not assume the provided IAM role")
    receiving.policy("mail", bucket_policy("mail", ARN))
    receiving.rule("store", s3_action("mail", "in"))
    setup = receiving.object("in/AMAZON_SES_SETUP_NOTIFICATION")
    head = setup.split(b"\r\n\r\n")[0].split(b"\r\n")
    assert [line.split(b":")[0] for line in head] == [b"Date", b"To", b"From", b"Subject"]
    assert head[1:] == [b"To: recipient@example.com", b"From: Amazon Web Services <no-reply-aws@amazon.com>",
                        b"Subject: Amazon SES Setup Notification"]
    assert setup.endswith(b"\n") and not setup.endswith(b"\r\n")


def test_update_rule_tests_the_bucket_too(server, receiving):
    receiving.store()
    receiving.bucket("other")
    refused(lambda: receiving.ses.update_receipt_rule(RuleSetName="main", Rule={
        "Name": "store", "Enabled": True, "Actions": [s3_action("other")]}),
        "InvalidS3Configuration", "Could not write to bucket: other")
    kept = receiving.ses.describe_receipt_rule(RuleSetName="main", RuleName="store")["Rule"]
    assert kept["Actions"] == [s3_action("mail")]
