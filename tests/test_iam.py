"""Users, access keys, managed policies and boundaries, as boto3 and the AWS CLI use them."""
import json
import os
import urllib.parse

import botocore.exceptions
import pytest

import aws_cli
from conftest import ACCOUNT, KEY, REGION, SECRET, eventually, refused

OTHER = "444455556666"


def document(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action, resource="*", **more):
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action, resource="*", **more):
    return {"Effect": "Deny", "Action": action, "Resource": resource, **more}


def last_denial(server, sentence):
    """What the journal says of a denial whose sentence holds these words; it is written behind the answer."""
    def find():
        told = [line["denial"] for line in server.log() if line.get("event") == "denied" and "denial" in line]
        return [d for d in told if sentence in d["sentence"]]
    found = eventually(find)
    assert found, server.log_text()[-2000:]
    return found[-1]


def trust(principal, action="sts:AssumeRole", **more):
    return json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": principal, "Action": action, **more}]})


class User:
    def __init__(self, server, name, account=None, **more):
        self.server, self.name = server, name
        self.iam = server.client("iam", account=account)
        self.arn = self.iam.create_user(UserName=name, **more)["User"]["Arn"]
        self.key = self.iam.create_access_key(UserName=name)["AccessKey"]

    def client(self, service, **more):
        return self.server.client(service, key=self.key["AccessKeyId"], secret=self.key["SecretAccessKey"], **more)

    def may(self, name, *statements):
        self.iam.put_user_policy(UserName=self.name, PolicyName=name, PolicyDocument=document(*statements))


@pytest.fixture
def iam(server):
    return server.client("iam")


def test_a_user_lives_from_create_to_delete(server, iam):
    made = iam.create_user(UserName="Jane", Path="/team/", Tags=[{"Key": "desk", "Value": "4"}])["User"]
    assert made["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/team/Jane"
    assert made["UserId"].startswith("AIDA") and len(made["UserId"]) == 21
    assert iam.get_user(UserName="Jane")["User"]["Tags"] == [{"Key": "desk", "Value": "4"}]
    refused(lambda: iam.create_user(UserName="jane"), "EntityAlreadyExists", "User with name jane already exists.")
    iam.update_user(UserName="Jane", NewPath="/office/")
    assert iam.get_user(UserName="Jane")["User"]["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/office/Jane"
    key = iam.create_access_key(UserName="Jane")["AccessKey"]
    iam.put_user_policy(UserName="Jane", PolicyName="p", PolicyDocument=document(allow("s3:*")))
    iam.attach_user_policy(UserName="Jane", PolicyArn="arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess")
    refused(lambda: iam.delete_user(UserName="Jane"), "DeleteConflict",
            "Cannot delete entity, must detach all policies first.")
    iam.detach_user_policy(UserName="Jane", PolicyArn="arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess")
    refused(lambda: iam.delete_user(UserName="Jane"), "DeleteConflict",
            "Cannot delete entity, must delete policies first.")
    iam.delete_user_policy(UserName="Jane", PolicyName="p")
    answer = refused(lambda: iam.delete_user(UserName="Jane"), "DeleteConflict",
                     "Cannot delete entity, must delete access keys first.")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 409
    iam.delete_access_key(UserName="Jane", AccessKeyId=key["AccessKeyId"])
    iam.delete_user(UserName="Jane")
    answer = refused(lambda: iam.get_user(UserName="Jane"), "NoSuchEntity",
                     "The user with name Jane cannot be found.")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 404
    refused(lambda: iam.create_user(UserName="a b"), "ValidationError")


def test_names_are_one_whatever_their_case(iam):
    iam.create_role(RoleName="Writer", AssumeRolePolicyDocument=trust({"Service": "ses.amazonaws.com"}))
    refused(lambda: iam.create_role(RoleName="WRITER", AssumeRolePolicyDocument=trust({"AWS": ACCOUNT})),
            "EntityAlreadyExists", "Role with name WRITER already exists.")
    assert iam.get_role(RoleName="writer")["Role"]["Arn"] == f"arn:aws:iam::{ACCOUNT}:role/Writer"
    iam.create_policy(PolicyName="P", PolicyDocument=document(allow("s3:*")))
    refused(lambda: iam.create_policy(PolicyName="p", PolicyDocument=document(allow("s3:*"))),
            "EntityAlreadyExists", "A policy called p already exists. Duplicate names are not allowed.")


def test_a_user_signs_with_its_keys_until_they_are_gone(server, iam):
    user = User(server, "jane")
    assert user.key["AccessKeyId"].startswith("AKIA") and len(user.key["SecretAccessKey"]) == 40
    sts = user.client("sts")
    who = sts.get_caller_identity()
    assert who["Arn"] == user.arn and who["Account"] == ACCOUNT and who["UserId"].startswith("AIDA")
    second = iam.create_access_key(UserName="jane")["AccessKey"]
    refused(lambda: iam.create_access_key(UserName="jane"), "LimitExceeded",
            "Cannot exceed quota for AccessKeysPerUser: 2")
    listed = iam.list_access_keys(UserName="jane")["AccessKeyMetadata"]
    assert [k["AccessKeyId"] for k in listed] == [user.key["AccessKeyId"], second["AccessKeyId"]]
    assert "SecretAccessKey" not in listed[0]
    iam.update_access_key(UserName="jane", AccessKeyId=user.key["AccessKeyId"], Status="Inactive")
    refused(sts.get_caller_identity, "InvalidClientTokenId", "The security token included in the request is invalid.")
    refused(user.client("s3").list_buckets, "InvalidAccessKeyId")
    iam.update_access_key(UserName="jane", AccessKeyId=user.key["AccessKeyId"], Status="Active")
    sts.get_caller_identity()
    wrong = server.client("sts", key=user.key["AccessKeyId"], secret="x" * 40)
    refused(wrong.get_caller_identity, "SignatureDoesNotMatch")
    server.restart()
    sts = server.client("sts", key=user.key["AccessKeyId"], secret=user.key["SecretAccessKey"])
    assert sts.get_caller_identity()["Arn"] == user.arn
    iam = server.client("iam")
    iam.delete_access_key(UserName="jane", AccessKeyId=user.key["AccessKeyId"])
    refused(sts.get_caller_identity, "InvalidClientTokenId")
    refused(lambda: iam.delete_access_key(UserName="jane", AccessKeyId=user.key["AccessKeyId"]), "NoSuchEntity",
            f"The Access Key with id {user.key['AccessKeyId']} cannot be found.")


def test_a_secret_is_nowhere_in_the_clear(server):
    user = User(server, "jane")
    user.client("sts").get_caller_identity()
    server.stop()
    secret = user.key["SecretAccessKey"].encode()
    files = [p for p in server.data.rglob("*") if p.is_file()]
    assert any(user.key["AccessKeyId"].encode() in p.read_bytes() for p in files)
    assert not [p for p in files if secret in p.read_bytes()]
    assert user.key["SecretAccessKey"] not in server.log_text()


def test_when_a_key_was_used_last(server, iam):
    user = User(server, "jane")
    fresh = iam.get_access_key_last_used(AccessKeyId=user.key["AccessKeyId"])
    assert fresh["UserName"] == "jane" and fresh["AccessKeyLastUsed"]["ServiceName"] == "N/A"
    user.client("sts", region="eu-west-1").get_caller_identity()
    used = iam.get_access_key_last_used(AccessKeyId=user.key["AccessKeyId"])["AccessKeyLastUsed"]
    assert used["ServiceName"] == "sts" and used["Region"] == "eu-west-1" and used["LastUsedDate"]
    refused(lambda: iam.get_access_key_last_used(AccessKeyId="AKIANOBODY0000000000"), "NoSuchEntity")


def test_a_user_may_nothing_until_a_policy_says_so(server, iam):
    root = server.client("s3")
    root.create_bucket(Bucket="mail")
    root.put_object(Bucket="mail", Key="in/a", Body=b"x")
    user = User(server, "jane")
    s3 = user.client("s3")
    refused(lambda: s3.get_object(Bucket="mail", Key="in/a"), "AccessDenied")
    user.may("read", allow("s3:GetObject", "arn:aws:s3:::mail/in/*"))
    assert s3.get_object(Bucket="mail", Key="in/a")["Body"].read() == b"x"
    refused(lambda: s3.put_object(Bucket="mail", Key="in/b", Body=b""), "AccessDenied")
    user.may("own", allow("s3:PutObject", "arn:aws:s3:::mail/${aws:username}/*"))
    s3.put_object(Bucket="mail", Key="jane/b", Body=b"")
    refused(lambda: s3.put_object(Bucket="mail", Key="joe/b", Body=b""), "AccessDenied")
    user.may("no", deny("s3:GetObject", "arn:aws:s3:::mail/in/a"))
    refused(lambda: s3.get_object(Bucket="mail", Key="in/a"), "AccessDenied")
    denial = last_denial(server, "inline policy no of user jane")
    assert denial["principal"] == user.arn
    # its own operations too: nothing in IAM is free
    answer = refused(lambda: user.client("iam").list_users(), "AccessDenied")
    assert f"User: {user.arn} is not authorized to perform: iam:ListUsers" in answer["Error"]["Message"]
    ses = user.client("ses")
    refused(lambda: ses.create_receipt_rule_set(RuleSetName="x"), "AccessDenied")
    user.may("ses", allow("ses:CreateReceiptRuleSet"))
    ses.create_receipt_rule_set(RuleSetName="x")


def test_managed_policies_have_versions_and_one_is_in_force(server, iam):
    made = iam.create_policy(PolicyName="reader", Path="/mail/", Description="reads",
                             PolicyDocument=document(allow("s3:ListBucket")),
                             Tags=[{"Key": "a", "Value": "b"}])["Policy"]
    arn = made["Arn"]
    assert arn == f"arn:aws:iam::{ACCOUNT}:policy/mail/reader" and made["PolicyId"].startswith("ANPA")
    assert made["DefaultVersionId"] == "v1" and made["AttachmentCount"] == 0
    user = User(server, "jane")
    s3 = user.client("s3")
    server.client("s3").create_bucket(Bucket="mail")
    iam.attach_user_policy(UserName="jane", PolicyArn=arn)
    assert iam.get_policy(PolicyArn=arn)["Policy"]["AttachmentCount"] == 1
    s3.list_objects_v2(Bucket="mail")
    refused(lambda: s3.put_object(Bucket="mail", Key="k", Body=b""), "AccessDenied")
    version = iam.create_policy_version(PolicyArn=arn, PolicyDocument=document(allow("s3:PutObject")),
                                        SetAsDefault=True)["PolicyVersion"]
    assert version["VersionId"] == "v2" and version["IsDefaultVersion"]
    s3.put_object(Bucket="mail", Key="k", Body=b"")
    refused(lambda: s3.list_objects_v2(Bucket="mail"), "AccessDenied")
    iam.set_default_policy_version(PolicyArn=arn, VersionId="v1")
    refused(lambda: s3.put_object(Bucket="mail", Key="k", Body=b""), "AccessDenied")
    s3.list_objects_v2(Bucket="mail")
    refused(lambda: iam.delete_policy_version(PolicyArn=arn, VersionId="v1"), "DeleteConflict",
            "Cannot delete the default version of a policy.")
    refused(lambda: iam.delete_policy(PolicyArn=arn), "DeleteConflict",
            "Cannot delete a policy attached to entities.")
    iam.detach_user_policy(UserName="jane", PolicyArn=arn)
    refused(lambda: s3.list_objects_v2(Bucket="mail"), "AccessDenied")
    refused(lambda: iam.delete_policy(PolicyArn=arn), "DeleteConflict")
    iam.delete_policy_version(PolicyArn=arn, VersionId="v2")
    for n in range(3, 7):
        assert iam.create_policy_version(PolicyArn=arn, PolicyDocument=document(allow("s3:*")))[
            "PolicyVersion"]["VersionId"] == f"v{n}"
    refused(lambda: iam.create_policy_version(PolicyArn=arn, PolicyDocument=document(allow("s3:*"))),
            "LimitExceeded", "A managed policy can have up to 5 versions. Before you create a new version, "
            "you must delete an existing version.")
    pages = iam.get_paginator("list_policy_versions").paginate(PolicyArn=arn, PaginationConfig={"PageSize": 2})
    assert [v["VersionId"] for page in pages for v in page["Versions"]] == ["v6", "v5", "v4", "v3", "v1"]
    assert iam.get_policy_version(PolicyArn=arn, VersionId="v1")["PolicyVersion"]["Document"] == json.loads(
        document(allow("s3:ListBucket")))
    refused(lambda: iam.get_policy_version(PolicyArn=arn, VersionId="v9"), "NoSuchEntity",
            f"Policy {arn} version v9 does not exist or is not attachable.")
    for n in range(3, 7):
        iam.delete_policy_version(PolicyArn=arn, VersionId=f"v{n}")
    iam.delete_policy(PolicyArn=arn)
    refused(lambda: iam.get_policy(PolicyArn=arn), "NoSuchEntity", f"Policy {arn} was not found.")
    refused(lambda: iam.detach_user_policy(UserName="jane", PolicyArn=arn), "NoSuchEntity",
            f"Policy {arn} was not found.")
    refused(lambda: iam.attach_user_policy(UserName="jane", PolicyArn=arn), "NoSuchEntity",
            f"Policy {arn} does not exist or is not attachable.")


def test_policies_are_looked_at_when_they_are_saved(iam):
    iam.create_user(UserName="jane")
    bad = document({"Effect": "Allow", "Action": "s3:GetObject"})
    says = "Policy statement must contain resources."
    refused(lambda: iam.create_policy(PolicyName="p", PolicyDocument=bad), "MalformedPolicyDocument", says)
    refused(lambda: iam.put_user_policy(UserName="jane", PolicyName="p", PolicyDocument=bad),
            "MalformedPolicyDocument", says)
    refused(lambda: iam.put_user_policy(UserName="joe", PolicyName="p", PolicyDocument=bad), "NoSuchEntity")
    large = document(*[allow("s3:GetObject", "arn:aws:s3:::" + "b" * 60 + str(n)) for n in range(20)])
    answer = refused(lambda: iam.put_user_policy(UserName="jane", PolicyName="p", PolicyDocument=large),
                     "LimitExceeded", "Maximum policy size of 2048 bytes exceeded for user jane")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 409
    iam.create_policy(PolicyName="fits", PolicyDocument=large)
    huge = document(*[allow("s3:GetObject", "arn:aws:s3:::" + "b" * 60 + str(n)) for n in range(60)])
    refused(lambda: iam.create_policy(PolicyName="p", PolicyDocument=huge), "LimitExceeded",
            "Cannot exceed quota for PolicySize: 6144")


def test_at_most_ten_managed_policies_are_attached(iam):
    iam.create_user(UserName="jane")
    arns = [iam.create_policy(PolicyName=f"p{n}", PolicyDocument=document(allow("s3:*")))["Policy"]["Arn"]
            for n in range(11)]
    for arn in arns[:10]:
        iam.attach_user_policy(UserName="jane", PolicyArn=arn)
    iam.attach_user_policy(UserName="jane", PolicyArn=arns[3])  # again is no news
    refused(lambda: iam.attach_user_policy(UserName="jane", PolicyArn=arns[10]), "LimitExceeded",
            "Cannot exceed quota for PoliciesPerUser: 10")
    pages = iam.get_paginator("list_attached_user_policies").paginate(
        UserName="jane", PaginationConfig={"PageSize": 3})
    assert sorted(p["PolicyArn"] for page in pages for p in page["AttachedPolicies"]) == sorted(arns[:10])


def test_policies_of_aws_are_there_and_nobody_changes_them(server, iam):
    names = [p["PolicyName"] for page in iam.get_paginator("list_policies").paginate(Scope="AWS")
             for p in page["Policies"]]
    assert {"AdministratorAccess", "AmazonSESFullAccess", "AWSLambdaBasicExecutionRole", "PowerUserAccess",
            "AWSKeyManagementServicePowerUser", "AmazonSQSFullAccess", "ReadOnlyAccess"} <= set(names)
    assert iam.list_policies(Scope="Local")["Policies"] == []
    arn = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
    policy = iam.get_policy(PolicyArn=arn)["Policy"]
    assert policy["Path"] == "/service-role/"
    text = iam.get_policy_version(PolicyArn=arn, VersionId="v1")["PolicyVersion"]["Document"]
    assert text["Statement"][0]["Action"] == ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"]
    refused(lambda: iam.create_policy_version(PolicyArn=arn, PolicyDocument=document(allow("*"))), "AccessDenied")
    refused(lambda: iam.delete_policy(PolicyArn=arn), "AccessDenied")
    refused(lambda: iam.get_policy(PolicyArn="arn:aws:iam::aws:policy/AWSLambdaBasicExecutionRole"), "NoSuchEntity")
    user = User(server, "jane")
    iam.attach_user_policy(UserName="jane", PolicyArn="arn:aws:iam::aws:policy/PowerUserAccess")
    user.client("s3").create_bucket(Bucket="power")
    refused(user.client("iam").list_users, "AccessDenied")
    iam.attach_user_policy(UserName="jane", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    assert user.client("iam").get_user()["User"]["UserName"] == "jane"


def test_a_boundary_is_a_ceiling(server, iam):
    boundary = iam.create_policy(PolicyName="ceiling", PolicyDocument=document(allow("s3:*", "arn:aws:s3:::mail*")))
    arn = boundary["Policy"]["Arn"]
    user = User(server, "jane", PermissionsBoundary=arn)
    user.may("all", allow("s3:*"))
    assert iam.get_user(UserName="jane")["User"]["PermissionsBoundary"] == {
        "PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": arn}
    s3 = user.client("s3")
    s3.create_bucket(Bucket="mail-one")
    refused(lambda: s3.create_bucket(Bucket="other"), "AccessDenied")
    denial = last_denial(server, "permissions boundary ceiling")
    assert denial["policy"] == "boundary[0]"
    refused(lambda: iam.delete_policy(PolicyArn=arn), "DeleteConflict")
    assert iam.get_policy(PolicyArn=arn)["Policy"]["PermissionsBoundaryUsageCount"] == 1
    assert [u["UserName"] for u in iam.list_entities_for_policy(
        PolicyArn=arn, PolicyUsageFilter="PermissionsBoundary")["PolicyUsers"]] == ["jane"]
    iam.delete_user_permissions_boundary(UserName="jane")
    s3.create_bucket(Bucket="other")
    refused(lambda: iam.delete_user_permissions_boundary(UserName="jane"), "NoSuchEntity")
    refused(lambda: iam.put_user_permissions_boundary(UserName="jane", PermissionsBoundary=arn + "x"),
            "NoSuchEntity", f"Scope ARN: {arn}x does not exist or is not attachable.")


def test_who_may_make_users_only_with_a_boundary(server, iam):
    """The delegation of the IAM User Guide: iam:PermissionsBoundary in the maker's policy."""
    arn = iam.create_policy(PolicyName="ceiling", PolicyDocument=document(allow("s3:*")))["Policy"]["Arn"]
    maker = User(server, "maker")
    maker.may("make", allow("iam:CreateUser", Condition={"StringEquals": {"iam:PermissionsBoundary": arn}}))
    refused(lambda: maker.client("iam").create_user(UserName="free"), "AccessDenied")
    maker.client("iam").create_user(UserName="bound", PermissionsBoundary=arn)


def test_lists_come_in_pages_and_by_path(iam):
    for n in range(7):
        iam.create_user(UserName=f"u{n}", Path="/even/" if n % 2 == 0 else "/odd/")
        iam.create_role(RoleName=f"r{n}", Path="/x/", AssumeRolePolicyDocument=trust({"AWS": ACCOUNT}))
    page = iam.list_users(MaxItems=3)
    assert page["IsTruncated"] and [u["UserName"] for u in page["Users"]] == ["u0", "u1", "u2"]
    pages = iam.get_paginator("list_users").paginate(PathPrefix="/even/", PaginationConfig={"PageSize": 3})
    assert [u["UserName"] for page in pages for u in page["Users"]] == ["u0", "u2", "u4", "u6"]
    pages = iam.get_paginator("list_roles").paginate(PaginationConfig={"PageSize": 2})
    assert [r["RoleName"] for page in pages for r in page["Roles"]] == [f"r{n}" for n in range(7)]
    for n in range(5):
        iam.put_role_policy(RoleName="r0", PolicyName=f"p{n}", PolicyDocument=document(allow("s3:*")))
    page = iam.list_role_policies(RoleName="r0", MaxItems=4)
    assert page["PolicyNames"] == ["p0", "p1", "p2", "p3"] and page["IsTruncated"]
    assert iam.list_role_policies(RoleName="r0", MaxItems=4, Marker=page["Marker"])["PolicyNames"] == ["p4"]
    refused(lambda: iam.list_users(Marker="%%%"), "ValidationError")


def test_roles_have_tags_descriptions_and_boundaries(server, iam):
    arn = iam.create_policy(PolicyName="ceiling", PolicyDocument=document(allow("s3:*")))["Policy"]["Arn"]
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=trust({"AWS": ACCOUNT}), PermissionsBoundary=arn,
                    Tags=[{"Key": "Team", "Value": "mail"}])
    iam.tag_role(RoleName="r", Tags=[{"Key": "team", "Value": "post"}, {"Key": "a", "Value": ""}])
    assert iam.list_role_tags(RoleName="r")["Tags"] == [{"Key": "a", "Value": ""}, {"Key": "team", "Value": "post"}]
    iam.untag_role(RoleName="r", TagKeys=["a"])
    role = iam.get_role(RoleName="r")["Role"]
    assert role["Tags"] == [{"Key": "team", "Value": "post"}]
    assert role["PermissionsBoundary"]["PermissionsBoundaryArn"] == arn
    iam.update_role(RoleName="r", Description="writes", MaxSessionDuration=7200)
    role = iam.get_role(RoleName="r")["Role"]
    assert role["Description"] == "writes" and role["MaxSessionDuration"] == 7200
    assert iam.update_role_description(RoleName="r", Description="reads")["Role"]["Description"] == "reads"
    refused(lambda: iam.tag_role(RoleName="r", Tags=[{"Key": f"k{n}", "Value": ""} for n in range(50)]),
            "LimitExceeded", "The number of tags has reached the maximum limit.")
    iam.attach_role_policy(RoleName="r", PolicyArn=arn)
    entities = iam.list_entities_for_policy(PolicyArn=arn)
    assert [r["RoleName"] for r in entities["PolicyRoles"]] == ["r"]
    refused(lambda: iam.delete_role(RoleName="r"), "DeleteConflict",
            "Cannot delete entity, must detach all policies first.")
    iam.detach_role_policy(RoleName="r", PolicyArn=arn)
    iam.delete_role(RoleName="r")


def test_tools_may_ask_for_groups_and_instance_profiles_of_which_there_are_none(iam):
    iam.create_user(UserName="jane")
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=trust({"AWS": ACCOUNT}))
    assert iam.list_groups_for_user(UserName="jane")["Groups"] == []
    assert iam.list_instance_profiles_for_role(RoleName="r")["InstanceProfiles"] == []
    refused(lambda: iam.list_groups_for_user(UserName="joe"), "NoSuchEntity")
    refused(lambda: iam.list_instance_profiles_for_role(RoleName="x"), "NoSuchEntity")
    refused(lambda: iam.create_group(GroupName="g"), "InvalidAction")


def test_policies_name_only_who_exists(server, iam):
    s3 = server.client("s3")
    s3.create_bucket(Bucket="mail")
    arn = f"arn:aws:iam::{ACCOUNT}:user/team/jane"
    policy = json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": arn}, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::mail/*"}]})
    refused(lambda: s3.put_bucket_policy(Bucket="mail", Policy=policy), "MalformedPolicy",
            "Invalid principal in policy")
    refused(lambda: iam.create_role(RoleName="r", AssumeRolePolicyDocument=trust({"AWS": arn})),
            "MalformedPolicyDocument", f'Invalid principal in policy: "AWS":"{arn}"')
    user = User(server, "jane", Path="/team/")
    s3.put_object(Bucket="mail", Key="k", Body=b"x")
    refused(lambda: user.client("s3").get_object(Bucket="mail", Key="k"), "AccessDenied")
    s3.put_bucket_policy(Bucket="mail", Policy=policy)  # naming the user is enough in its own account
    assert user.client("s3").get_object(Bucket="mail", Key="k")["Body"].read() == b"x"
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=trust({"AWS": arn}))
    refused(lambda: iam.update_assume_role_policy(
        RoleName="r", PolicyDocument=trust({"AWS": f"arn:aws:iam::{OTHER}:role/nobody"})), "MalformedPolicyDocument")


def test_another_accounts_user_needs_both_sides(server):
    owner = server.client("s3")
    owner.create_bucket(Bucket="mail")
    owner.put_object(Bucket="mail", Key="k", Body=b"x")
    user = User(server, "guest", account=OTHER)
    s3 = user.client("s3")
    refused(lambda: s3.get_object(Bucket="mail", Key="k"), "AccessDenied")
    user.may("read", allow("s3:GetObject", "arn:aws:s3:::mail/*"))
    refused(lambda: s3.get_object(Bucket="mail", Key="k"), "AccessDenied")
    owner.put_bucket_policy(Bucket="mail", Policy=json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": OTHER}, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::mail/*"}]}))
    assert s3.get_object(Bucket="mail", Key="k")["Body"].read() == b"x"
    user.iam.delete_user_policy(UserName="guest", PolicyName="read")
    refused(lambda: s3.get_object(Bucket="mail", Key="k"), "AccessDenied")


def test_accounts_are_worlds_of_their_own_in_iam(server, iam):
    other = server.client("iam", account=OTHER)
    for client in (iam, other):
        client.create_user(UserName="jane")
        client.create_role(RoleName="r", AssumeRolePolicyDocument=trust({"AWS": ACCOUNT}))
        client.create_policy(PolicyName="p", PolicyDocument=document(allow("s3:*")))
    assert other.get_user(UserName="jane")["User"]["Arn"].split(":")[4] == OTHER
    assert len(iam.list_users()["Users"]) == len(iam.list_policies(Scope="Local")["Policies"]) == 1
    mine = f"arn:aws:iam::{ACCOUNT}:policy/p"
    refused(lambda: other.attach_user_policy(UserName="jane", PolicyArn=mine), "NoSuchEntity",
            f"Policy {mine} does not exist or is not attachable.")
    refused(lambda: other.get_policy(PolicyArn=mine), "AccessDenied")
    refused(lambda: other.delete_policy(PolicyArn=mine), "AccessDenied")
    other.delete_user(UserName="jane")
    iam.get_user(UserName="jane")
    # the whole of IAM is one for all Regions
    assert server.client("iam", region="eu-west-1").get_user(UserName="jane")["User"]["UserName"] == "jane"


def test_passing_a_role_to_ses_wants_permission(server, iam):
    role = iam.create_role(RoleName="writer", AssumeRolePolicyDocument=trust({"Service": "ses.amazonaws.com"}))
    arn = role["Role"]["Arn"]
    iam.put_role_policy(RoleName="writer", PolicyName="w", PolicyDocument=document(allow("s3:PutObject")))
    server.client("s3").create_bucket(Bucket="mail")
    user = User(server, "admin")
    user.may("ses", allow("ses:*"))
    ses = user.client("ses")
    ses.create_receipt_rule_set(RuleSetName="main")
    rule = {"Name": "store", "Actions": [{"S3Action": {"BucketName": "mail", "IamRoleArn": arn}}]}
    answer = refused(lambda: ses.create_receipt_rule(RuleSetName="main", Rule=rule), "AccessDenied")
    assert answer["Error"]["Message"].startswith(
        f"User: {user.arn} is not authorized to perform: iam:PassRole on resource: {arn}")
    denial = last_denial(server, "iam:PassRole")
    assert denial["action"] == "iam:PassRole" and json.loads(json.dumps(denial["remedy"]))["Action"] == "iam:PassRole"
    user.may("pass", allow("iam:PassRole", arn,
                           Condition={"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}))
    refused(lambda: ses.create_receipt_rule(RuleSetName="main", Rule=rule), "AccessDenied")
    user.may("pass", allow("iam:PassRole", arn,
                           Condition={"StringEquals": {"iam:PassedToService": "ses.amazonaws.com"}}))
    ses.create_receipt_rule(RuleSetName="main", Rule=rule)
    iam.delete_user_policy(UserName="admin", PolicyName="pass")
    refused(lambda: ses.update_receipt_rule(RuleSetName="main", Rule=rule), "AccessDenied")
    user.may("pass", allow("iam:PassRole"))
    rule["Actions"][0]["S3Action"]["IamRoleArn"] = arn.replace(ACCOUNT, OTHER)
    refused(lambda: ses.update_receipt_rule(RuleSetName="main", Rule=rule), "InvalidParameterValue",
            "Could not assume the provided IAM role")


def test_the_simulator_knows_users_and_what_they_attached(server, iam):
    user = User(server, "jane", Tags=[{"Key": "team", "Value": "mail"}])
    iam.attach_user_policy(UserName="jane", PolicyArn="arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess")
    user.may("put", allow("s3:PutObject"))
    def ask(**more):
        answer = iam.simulate_principal_policy(PolicySourceArn=user.arn, ActionNames=[
            "s3:GetObject", "s3:PutObject", "s3:DeleteObject"], **more)
        return [r["EvalDecision"] for r in answer["EvaluationResults"]]
    assert ask() == ["allowed", "allowed", "implicitDeny"]
    arn = iam.create_policy(PolicyName="ceiling", PolicyDocument=document(allow("s3:Get*")))["Policy"]["Arn"]
    iam.put_user_permissions_boundary(UserName="jane", PermissionsBoundary=arn)
    assert ask() == ["allowed", "implicitDeny", "implicitDeny"]


def test_what_a_user_is_tagged_with_its_policies_can_ask_for(server):
    user = User(server, "jane", Tags=[{"Key": "bucket", "Value": "mail"}])
    server.client("s3").create_bucket(Bucket="mail")
    server.client("s3").create_bucket(Bucket="post")
    user.may("own", allow("s3:ListBucket", "arn:aws:s3:::${aws:PrincipalTag/bucket}"))
    user.client("s3").list_objects_v2(Bucket="mail")
    refused(lambda: user.client("s3").list_objects_v2(Bucket="post"), "AccessDenied")


def aws(server, *arguments, key=KEY, secret=SECRET):
    return aws_cli.aws("--endpoint-url", server.api, "--region", REGION, "--output", "json", *arguments,
                       env={**os.environ, "AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret})


def test_the_aws_cli_makes_a_user_that_works(server):
    assert aws(server, "iam", "create-user", "--user-name", "cli").returncode == 0
    key = json.loads(aws(server, "iam", "create-access-key", "--user-name", "cli").stdout)["AccessKey"]
    mine = dict(key=key["AccessKeyId"], secret=key["SecretAccessKey"])
    done = aws(server, "s3api", "list-buckets", **mine)
    assert done.returncode != 0 and "AccessDenied" in done.stderr
    assert aws(server, "iam", "attach-user-policy", "--user-name", "cli",
               "--policy-arn", "arn:aws:iam::aws:policy/AmazonS3FullAccess").returncode == 0
    assert json.loads(aws(server, "s3api", "list-buckets", **mine).stdout)["Buckets"] == []
    who = json.loads(aws(server, "sts", "get-caller-identity", **mine).stdout)
    assert who["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/cli"
