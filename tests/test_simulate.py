"""iam:SimulateCustomPolicy and SimulatePrincipalPolicy, by boto3."""
import json
import re
import urllib.parse
import urllib.request

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from conftest import ACCOUNT, KEY, SECRET, bucket_policy, refused, rule_arn, trust_policy

OTHER = "444455556666"
USER = f"arn:aws:iam::{ACCOUNT}:user/amber"
OBJECT = "arn:aws:s3:::invoices/in/1"


def identity(*statements, **more):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements), **more})


def allow(action="s3:PutObject", resource="*", **more):
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action="s3:PutObject", resource="*", **more):
    return {"Effect": "Deny", "Action": action, "Resource": resource, **more}


@pytest.fixture(scope="module")
def iam(shared_server):
    return shared_server.client("iam")


def custom(iam, *policies, actions=("s3:PutObject",), context=(), **more):
    entries = [{"ContextKeyName": name, "ContextKeyValues": values if isinstance(values, list) else [values],
                "ContextKeyType": "stringList" if isinstance(values, list) else "string"} for name, values in context]
    return iam.simulate_custom_policy(PolicyInputList=list(policies), ActionNames=list(actions),
                                      ContextEntries=entries, **more)["EvaluationResults"]


def test_positions_are_those_recorded_from_aws(iam):
    document = ('{"Version": "2012-10-17", "Statement": {"Sid": "", "Effect": "Allow", "Action": "s3:PutObject", '
                '"Resource": "*"}}')
    [result] = custom(iam, document)
    assert result["EvalDecision"] == "allowed" and result["EvalResourceName"] == "*"
    assert result["MatchedStatements"] == [{
        "SourcePolicyId": "PolicyInputList.1", "SourcePolicyType": "IAM Policy",
        "StartPosition": {"Line": 1, "Column": 41}, "EndPosition": {"Line": 1, "Column": 113}}]
    assert result["MissingContextValues"] == [] and "ResourceSpecificResults" not in result
    [result] = custom(iam, "{}".replace("{}", identity(allow())), json.dumps(json.loads(document), indent=2))
    assert [m["SourcePolicyId"] for m in result["MatchedStatements"]] == ["PolicyInputList.1", "PolicyInputList.2"]
    assert result["MatchedStatements"][1]["StartPosition"] == {"Line": 3, "Column": 17}
    assert result["MatchedStatements"][1]["EndPosition"] == {"Line": 8, "Column": 4}


def test_each_action_on_each_resource(iam):
    results = custom(iam, identity(allow(resource="arn:aws:s3:::invoices/*"), deny("s3:GetObject")),
                     actions=["s3:PutObject", "s3:GetObject"], ResourceArns=[OBJECT, "arn:aws:s3:::other/1"])
    assert [(r["EvalActionName"], r["EvalResourceName"], r["EvalDecision"]) for r in results] == [
        ("s3:PutObject", OBJECT, "allowed"), ("s3:PutObject", "arn:aws:s3:::other/1", "implicitDeny"),
        ("s3:GetObject", OBJECT, "explicitDeny"), ("s3:GetObject", "arn:aws:s3:::other/1", "explicitDeny")]
    [specific] = results[0]["ResourceSpecificResults"]
    assert specific["EvalResourceName"] == OBJECT and specific["EvalResourceDecision"] == "allowed"
    assert specific["MatchedStatements"] == results[0]["MatchedStatements"] and specific["EvalDecisionDetails"] == {}
    assert results[1]["MatchedStatements"] == []


def test_a_deny_lists_only_the_denies(iam):
    [result] = custom(iam, identity(allow(), deny(Sid="No")))
    assert result["EvalDecision"] == "explicitDeny" and len(result["MatchedStatements"]) == 1


def test_conditions_and_the_keys_that_are_missing(iam):
    policy = identity(allow(resource="arn:aws:s3:::invoices/${aws:username}/*", Condition={
        "StringEquals": {"aws:RequestedRegion": "us-east-1"}, "ForAnyValue:StringLike": {"aws:TagKeys": "t*"}}))
    [result] = custom(iam, policy)
    assert result["EvalDecision"] == "implicitDeny"
    assert result["MissingContextValues"] == ["aws:username", "aws:RequestedRegion", "aws:TagKeys"]
    resource = "arn:aws:s3:::invoices/amber/1"
    given = [("aws:RequestedRegion", "us-east-1"), ("aws:TagKeys", ["x", "team"]), ("aws:username", "amber")]
    [result] = custom(iam, policy, context=given, ResourceArns=[resource])
    assert result["EvalDecision"] == "allowed" and result["MissingContextValues"] == []
    [result] = custom(iam, policy, context=given[:2], ResourceArns=[resource])
    assert result["EvalDecision"] == "implicitDeny" and result["MissingContextValues"] == []
    assert result["ResourceSpecificResults"][0]["MissingContextValues"] == ["aws:username"]
    [result] = custom(iam, policy, context=given[:2], ResourceArns=[resource], CallerArn=USER)
    assert result["EvalDecision"] == "allowed", "a user's name follows from the caller"


def test_a_boundary_is_a_ceiling(iam):
    [result] = custom(iam, identity(allow("s3:*")), PermissionsBoundaryPolicyInputList=[identity(allow("s3:GetObject"))])
    assert result["EvalDecision"] == "implicitDeny"
    assert result["PermissionsBoundaryDecisionDetail"] == {"AllowedByPermissionsBoundary": False}
    [result] = custom(iam, identity(allow("s3:*")), PermissionsBoundaryPolicyInputList=[identity(allow("s3:Put*"))])
    assert result["EvalDecision"] == "allowed"
    assert result["PermissionsBoundaryDecisionDetail"] == {"AllowedByPermissionsBoundary": True}


def test_service_control_policies_level_by_level(shared_server):
    """The parameter is newer than Debian's boto3: a raw Query call."""
    def decision(*levels):
        form = {"Action": "SimulateCustomPolicy", "Version": "2010-05-08", "ActionNames.member.1": "s3:PutObject",
                "PolicyInputList.member.1": identity(allow())}
        for number, policies in enumerate(levels, 1):
            for index, policy in enumerate(policies, 1):
                form[f"OrderedOrganizationPolicyInputList.member.{number}.ServiceControlPolicyInputList.member.{index}"] = policy
        request = AWSRequest("POST", shared_server.api + "/", data=urllib.parse.urlencode(form),
                             headers={"Content-Type": "application/x-www-form-urlencoded"})
        SigV4Auth(Credentials(KEY, SECRET), "iam", "us-east-1").add_auth(request)
        sent = urllib.request.Request(request.url, request.data.encode(), dict(request.headers))
        text = urllib.request.urlopen(sent, timeout=20).read().decode()
        return re.search("<EvalDecision>(.*?)<", text).group(1), re.search("AllowedByOrganizations>(.*?)<", text).group(1)
    everything, nothing = identity(allow("*")), identity(allow("ec2:*"))
    assert decision([everything], [nothing, everything]) == ("allowed", "true")
    assert decision([everything], [nothing]) == ("implicitDeny", "false")
    assert decision([everything, identity(deny("s3:*"))], [everything]) == ("explicitDeny", "false")


def test_a_resource_policy_and_another_account(iam):
    policy = bucket_policy("invoices", "", Principal={"AWS": USER}, Condition=None)
    [result] = custom(iam, identity(), ResourcePolicy=json.dumps(policy), CallerArn=USER, ResourceArns=[OBJECT])
    assert result["EvalDecision"] == "allowed" and result["EvalDecisionDetails"] == {}
    assert result["MatchedStatements"][0]["SourcePolicyId"] == "ResourcePolicy"
    owner = f"arn:aws:iam::{OTHER}:root"
    [result] = custom(iam, identity(), ResourcePolicy=json.dumps(policy), CallerArn=USER, ResourceArns=[OBJECT],
                      ResourceOwner=owner)
    assert result["EvalDecision"] == "implicitDeny"
    assert result["EvalDecisionDetails"] == {"IAM Policy": "implicitDeny", "Resource Policy": "allowed"}
    [result] = custom(iam, identity(allow()), ResourcePolicy=json.dumps(policy), CallerArn=USER, ResourceArns=[OBJECT],
                      ResourceOwner=owner)
    assert result["EvalDecision"] == "allowed"


def test_our_extension_a_service_and_a_role_that_trusts_it(iam):
    arn = rule_arn("main", "orders")
    source = [("aws:SourceAccount", ACCOUNT), ("aws:SourceArn", arn)]
    policy = json.dumps(bucket_policy("invoices", arn))
    [result] = custom(iam, identity(), ResourcePolicy=policy, CallerArn="ses.amazonaws.com", ResourceArns=[OBJECT],
                      context=source)
    assert result["EvalDecision"] == "allowed"
    [result] = custom(iam, identity(), ResourcePolicy=policy, CallerArn="ses.amazonaws.com", ResourceArns=[OBJECT],
                      context=source[:1])
    assert result["EvalDecision"] == "implicitDeny"
    role = f"arn:aws:iam::{ACCOUNT}:role/writer"
    for context, decision in ((source, "allowed"), ([source[0], ("aws:SourceArn", arn + "2")], "implicitDeny")):
        [result] = custom(iam, identity(), ResourcePolicy=json.dumps(trust_policy(arn)), CallerArn="ses.amazonaws.com",
                          ResourceArns=[role], actions=["sts:AssumeRole"], context=context)
        assert result["EvalDecision"] == decision, context


def test_the_policies_of_a_role(iam):
    iam.create_role(RoleName="simulated", AssumeRolePolicyDocument=json.dumps(trust_policy(rule_arn("main", "r"))))
    role = f"arn:aws:iam::{ACCOUNT}:role/simulated"
    iam.put_role_policy(RoleName="simulated", PolicyName="put", PolicyDocument=identity(allow()))

    def principal(**more):
        return iam.simulate_principal_policy(PolicySourceArn=role, ActionNames=["s3:PutObject"], **more)[
            "EvaluationResults"][0]
    result = principal()
    assert result["EvalDecision"] == "allowed"
    assert [m["SourcePolicyId"] for m in result["MatchedStatements"]] == ["put"]
    assert principal(PolicyInputList=[identity(deny())])["EvalDecision"] == "explicitDeny"
    refused(lambda: iam.simulate_principal_policy(PolicySourceArn=role + "x", ActionNames=["s3:PutObject"]),
            "NoSuchEntity")
    refused(lambda: iam.simulate_principal_policy(PolicySourceArn=USER, ActionNames=["s3:PutObject"]), "NoSuchEntity")


def test_pages(iam):
    actions = [f"s3:Action{n}" for n in range(7)]
    first = iam.simulate_custom_policy(PolicyInputList=[identity(allow("s3:*"))], ActionNames=actions, MaxItems=5)
    assert len(first["EvaluationResults"]) == 5 and first["IsTruncated"]
    second = iam.simulate_custom_policy(PolicyInputList=[identity(allow("s3:*"))], ActionNames=actions,
                                        Marker=first["Marker"])
    assert [r["EvalActionName"] for r in second["EvaluationResults"]] == actions[5:] and not second["IsTruncated"]


def test_what_is_asked_wrongly(iam):
    good = identity(allow())
    for more, code in ((dict(policies=["{"]), "InvalidInput"),
                       (dict(policies=['{"Version":"2012-10-17","Statement":[{"Effect":"allow"}]}']), "InvalidInput"),
                       (dict(actions=["s3:*"]), "InvalidInput"), (dict(actions=["nonsense"]), "InvalidInput"),
                       (dict(ResourcePolicy=good), "InvalidInput"), (dict(ResourceArns=["invoices"]), "InvalidInput"),
                       (dict(CallerArn=f"arn:aws:sts::{ACCOUNT}:assumed-role/r/s"), "InvalidInput"),
                       (dict(CallerArn="nobody"), "InvalidInput"), (dict(ResourceOwner="x"), "InvalidInput"),
                       (dict(PermissionsBoundaryPolicyInputList=[good, good]), "InvalidInput"),
                       (dict(Marker="x"), "InvalidInput")):
        policies = more.pop("policies", [good])
        refused(lambda: custom(iam, *policies, **more), code)
    entry = {"ContextKeyName": "aws:MultiFactorAuthAge", "ContextKeyValues": ["old"], "ContextKeyType": "numeric"}
    refused(lambda: iam.simulate_custom_policy(PolicyInputList=[good], ActionNames=["s3:PutObject"],
                                               ContextEntries=[entry]), "InvalidInput")


def test_who_may_ask(shared_server):
    """Anonymous requests and other accounts' policies: the simulator is an operation like the others."""
    stranger = shared_server.client("iam", key="AKIDNOTHERE000000000")
    refused(lambda: custom(stranger, identity(allow())), "InvalidClientTokenId")
