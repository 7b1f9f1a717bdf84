"""Temporary credentials: assumed roles, their policies and their end, as boto3 uses them."""
import datetime
import urllib.request

import botocore.auth
import botocore.config
import botocore.session
import pytest

from conftest import ACCOUNT, REGION, refused
from test_iam import OTHER, User, allow, deny, document, last_denial, trust


class Role:
    """A role that a user of the account may assume, and a bucket to try it on."""

    def __init__(self, server, principal, name="worker", account=None, **more):
        self.server, self.name = server, name
        self.iam = server.client("iam", account=account)
        self.arn = self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust({"AWS": principal}, **more),
                                        MaxSessionDuration=7200)["Role"]["Arn"]

    def may(self, *statements):
        self.iam.put_role_policy(RoleName=self.name, PolicyName="may", PolicyDocument=document(*statements))


def session(server, credentials, service, **more):
    return server.client(service, key=credentials["AccessKeyId"], secret=credentials["SecretAccessKey"],
                         token=credentials["SessionToken"], **more)


@pytest.fixture
def jane(server):
    server.client("s3").create_bucket(Bucket="mail")
    server.client("s3").put_object(Bucket="mail", Key="k", Body=b"x")
    return User(server, "jane")


@pytest.fixture
def role(server, jane):
    made = Role(server, jane.arn)
    made.may(allow("s3:*", ["arn:aws:s3:::mail", "arn:aws:s3:::mail/*"]))
    return made


def test_a_role_is_assumed_and_its_credentials_sign(server, jane, role):
    answer = jane.client("sts").assume_role(RoleArn=role.arn, RoleSessionName="work")
    made = answer["Credentials"]
    assert made["AccessKeyId"].startswith("ASIA")
    assert answer["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/worker/work"
    assert answer["AssumedRoleUser"]["AssumedRoleId"].endswith(":work") and "PackedPolicySize" not in answer
    left = made["Expiration"] - datetime.datetime.now(datetime.timezone.utc)
    assert datetime.timedelta(minutes=59) < left <= datetime.timedelta(hours=1)
    who = session(server, made, "sts").get_caller_identity()
    assert who["Arn"] == answer["AssumedRoleUser"]["Arn"] and who["UserId"] == answer["AssumedRoleUser"]["AssumedRoleId"]
    s3 = session(server, made, "s3")
    assert s3.get_object(Bucket="mail", Key="k")["Body"].read() == b"x"
    s3.put_object(Bucket="mail", Key="big", Body=b"y" * 300000)
    refused(lambda: s3.create_bucket(Bucket="other"), "AccessDenied")
    # presigned, with the token in the query
    url = session(server, made, "s3", signature_version="s3v4").generate_presigned_url(
        "get_object", Params={"Bucket": "mail", "Key": "k"})
    assert urllib.request.urlopen(url).read() == b"x"
    # a restart ends no session
    server.restart()
    assert session(server, made, "s3").get_object(Bucket="mail", Key="k")["Body"].read() == b"x"


def test_a_session_sees_its_roles_policies_as_they_are_now(server, jane, role):
    made = jane.client("sts").assume_role(RoleArn=role.arn, RoleSessionName="work")["Credentials"]
    s3 = session(server, made, "s3")
    role.may(deny("s3:*"))
    refused(lambda: s3.get_object(Bucket="mail", Key="k"), "AccessDenied")
    assert last_denial(server, "inline policy may of role worker")["action"] == "s3:GetObject"
    role.iam.delete_role_policy(RoleName="worker", PolicyName="may")
    role.iam.attach_role_policy(RoleName="worker", PolicyArn="arn:aws:iam::aws:policy/AmazonS3FullAccess")
    s3.get_object(Bucket="mail", Key="k")


def test_what_was_sent_wrong_is_refused_in_each_services_words(server, jane, role):
    made = jane.client("sts").assume_role(RoleArn=role.arn, RoleSessionName="work")["Credentials"]
    token = made["SessionToken"]
    bent = dict(made, SessionToken=token[:-8] + ("AAAAAAA=" if token[-8:] != "AAAAAAA=" else "BBBBBBB="))
    answer = refused(session(server, bent, "sts").get_caller_identity, "InvalidClientTokenId",
                     "The security token included in the request is invalid.")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 403
    answer = refused(session(server, bent, "s3").list_buckets, "InvalidToken",
                     "The provided token is malformed or otherwise invalid.")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 400
    refused(session(server, dict(made, SessionToken=None), "sts").get_caller_identity, "InvalidClientTokenId")
    refused(session(server, dict(made, SecretAccessKey="x" * 40), "sts").get_caller_identity, "SignatureDoesNotMatch")
    other = jane.client("sts").assume_role(RoleArn=role.arn, RoleSessionName="work")["Credentials"]
    refused(session(server, dict(made, SessionToken=other["SessionToken"]), "sts").get_caller_identity,
            "InvalidClientTokenId")
    refused(server.client("sts", token=token).get_caller_identity, "InvalidClientTokenId")  # the root key's it is not


@pytest.mark.turned_clock
def test_credentials_expire(server, jane, role, monkeypatch):
    made = jane.client("sts").assume_role(RoleArn=role.arn, RoleSessionName="work", DurationSeconds=900)["Credentials"]
    session(server, made, "s3").get_object(Bucket="mail", Key="k")
    server.turn(901)
    # the client's clock goes along
    real = datetime.datetime

    class Ahead(real):
        @classmethod
        def utcnow(cls):
            return real.utcnow() + datetime.timedelta(seconds=901)
    monkeypatch.setattr(botocore.auth.datetime, "datetime", Ahead)
    answer = refused(lambda: session(server, made, "s3").get_object(Bucket="mail", Key="k"), "ExpiredToken",
                     "The provided token has expired.")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 400
    answer = refused(session(server, made, "sts").get_caller_identity, "ExpiredToken",
                     "The security token included in the request is expired")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 403
    refused(session(server, made, "ses").list_receipt_rule_sets, "ExpiredToken")
    User.client(jane, "sts").get_caller_identity()  # the user's own key has no end


def test_a_session_policy_is_a_ceiling(server, jane, role):
    sts = jane.client("sts")
    policy = document(allow("s3:GetObject", "arn:aws:s3:::mail/*"), allow("s3:CreateBucket"))
    answer = sts.assume_role(RoleArn=role.arn, RoleSessionName="work", Policy=policy)
    assert 0 < answer["PackedPolicySize"] < 100
    s3 = session(server, answer["Credentials"], "s3")
    s3.get_object(Bucket="mail", Key="k")
    refused(lambda: s3.put_object(Bucket="mail", Key="k", Body=b""), "AccessDenied")   # the role may, the session not
    denial = last_denial(server, "the session policy")
    assert denial["policy"] == "session[0]"
    refused(lambda: s3.create_bucket(Bucket="other"), "AccessDenied")                  # the session may, the role not
    arns = [{"arn": "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"}]
    s3 = session(server, sts.assume_role(RoleArn=role.arn, RoleSessionName="ww", PolicyArns=arns)["Credentials"], "s3")
    s3.list_objects_v2(Bucket="mail")
    refused(lambda: s3.delete_object(Bucket="mail", Key="k"), "AccessDenied")
    mine = role.iam.create_policy(PolicyName="put", PolicyDocument=document(allow("s3:PutObject")))["Policy"]["Arn"]
    both = sts.assume_role(RoleArn=role.arn, RoleSessionName="work", Policy=policy, PolicyArns=[{"arn": mine}])
    s3 = session(server, both["Credentials"], "s3")
    s3.put_object(Bucket="mail", Key="k", Body=b"z")  # what either allows
    role.iam.delete_policy(PolicyArn=mine)
    refused(lambda: s3.put_object(Bucket="mail", Key="k", Body=b""), "AccessDenied")
    refused(lambda: sts.assume_role(RoleArn=role.arn, RoleSessionName="ww", PolicyArns=[{"arn": mine}]),
            "MalformedPolicyDocument")
    refused(lambda: sts.assume_role(RoleArn=role.arn, RoleSessionName="ww", Policy="{"), "MalformedPolicyDocument")
    refused(lambda: sts.assume_role(RoleArn=role.arn, RoleSessionName="ww", Policy=policy + " " * 2048),
            "ValidationError")
    refused(lambda: sts.assume_role(RoleArn=role.arn, RoleSessionName="ww", Policy=document(*[
        allow("s3:GetObject", "arn:aws:s3:::b" + "x" * 40)] * 12), Tags=[
            {"Key": f"k{n}", "Value": "v" * 200} for n in range(10)]), "PackedPolicyTooLarge")


def test_how_long_a_session_may_be(server, jane, role):
    sts = jane.client("sts")
    bold = jane.client("sts", parameter_validation=False)
    refused(lambda: bold.assume_role(RoleArn=role.arn, RoleSessionName="ww", DurationSeconds=899), "ValidationError",
            "1 validation error detected: Value '899' at 'durationSeconds' failed to satisfy constraint: "
            "Member must have value greater than or equal to 900")
    sts.assume_role(RoleArn=role.arn, RoleSessionName="ww", DurationSeconds=7200)
    refused(lambda: sts.assume_role(RoleArn=role.arn, RoleSessionName="ww", DurationSeconds=7201), "ValidationError",
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
    refused(lambda: bold.assume_role(RoleArn=role.arn, RoleSessionName="a b"), "ValidationError",
            "1 validation error detected: Value 'a b' at 'roleSessionName' failed to satisfy constraint: "
            "Member must satisfy regular expression pattern: [\\w+=,.@-]*")
    next_role = Role(server, role.arn, name="next")
    made = sts.assume_role(RoleArn=role.arn, RoleSessionName="ww", DurationSeconds=7200)["Credentials"]
    chained = session(server, made, "sts")
    refused(lambda: chained.assume_role(RoleArn=next_role.arn, RoleSessionName="ww", DurationSeconds=3601),
            "ValidationError", "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by "
            "role chaining")
    chained.assume_role(RoleArn=next_role.arn, RoleSessionName="ww", DurationSeconds=3600)


def test_root_users_assume_no_role(server, role):
    refused(lambda: server.client("sts").assume_role(RoleArn=role.arn, RoleSessionName="ww"), "AccessDenied",
            "Roles may not be assumed by root accounts.")


def test_a_trust_policy_that_names_the_account_leaves_it_to_identity_policies(server, jane):
    role = Role(server, f"arn:aws:iam::{ACCOUNT}:root")
    sts = jane.client("sts")
    answer = refused(lambda: sts.assume_role(RoleArn=role.arn, RoleSessionName="ww"), "AccessDenied")
    assert answer["Error"]["Message"].startswith(
        f"User: {jane.arn} is not authorized to perform: sts:AssumeRole on resource: {role.arn}")
    jane.may("assume", allow("sts:AssumeRole", role.arn))
    sts.assume_role(RoleArn=role.arn, RoleSessionName="ww")
    jane.may("assume", deny("sts:AssumeRole"), allow("sts:*"))
    refused(lambda: sts.assume_role(RoleArn=role.arn, RoleSessionName="ww"), "AccessDenied")
    refused(lambda: sts.assume_role(RoleArn=role.arn + "x", RoleSessionName="ww"), "AccessDenied")


def test_across_accounts_both_sides_must_allow(server, jane):
    role = Role(server, ACCOUNT, account=OTHER)
    sts = jane.client("sts")
    refused(lambda: sts.assume_role(RoleArn=role.arn, RoleSessionName="ww"), "AccessDenied")
    jane.may("assume", allow("sts:AssumeRole", role.arn))
    made = sts.assume_role(RoleArn=role.arn, RoleSessionName="ww")["Credentials"]
    who = session(server, made, "sts").get_caller_identity()
    assert who["Account"] == OTHER
    role.may(allow("s3:CreateBucket"), allow("s3:ListAllMyBuckets"))
    s3 = session(server, made, "s3")
    s3.create_bucket(Bucket="theirs")
    assert [b["Name"] for b in s3.list_buckets()["Buckets"]] == ["theirs"]  # of the role's account alone
    role.iam.update_assume_role_policy(RoleName="worker", PolicyDocument=trust({"AWS": OTHER}))
    refused(lambda: sts.assume_role(RoleArn=role.arn, RoleSessionName="ww"), "AccessDenied")
    s3.list_buckets()  # a session that is under way goes on


def test_the_external_id_stops_the_confused_deputy(server, jane):
    """IAM User Guide, "The confused deputy problem": two customers of one provider."""
    role = Role(server, ACCOUNT, account=OTHER, Condition={"StringEquals": {"sts:ExternalId": "customer-1"}})
    jane.may("assume", allow("sts:AssumeRole"))
    sts = jane.client("sts")
    refused(lambda: sts.assume_role(RoleArn=role.arn, RoleSessionName="ww"), "AccessDenied")
    refused(lambda: sts.assume_role(RoleArn=role.arn, RoleSessionName="ww", ExternalId="customer-2"), "AccessDenied")
    denial = last_denial(server, "customer-2")
    assert denial["key"] == "sts:ExternalId" and denial["wanted"] == "customer-1" and denial["got"] == "customer-2"
    sts.assume_role(RoleArn=role.arn, RoleSessionName="ww", ExternalId="customer-1")


def test_tags_and_source_identity_come_along(server, jane):
    role = Role(server, jane.arn)
    sts = jane.client("sts")
    tags = [{"Key": "bucket", "Value": "mail"}]
    refused(lambda: sts.assume_role(RoleArn=role.arn, RoleSessionName="ww", Tags=tags), "AccessDenied")
    role.iam.update_assume_role_policy(RoleName="worker", PolicyDocument=trust(
        {"AWS": jane.arn}, ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"]))
    role.may(allow("s3:ListBucket", "arn:aws:s3:::${aws:PrincipalTag/bucket}",
                   Condition={"StringEquals": {"aws:SourceIdentity": "jane"}}))
    answer = sts.assume_role(RoleArn=role.arn, RoleSessionName="ww", Tags=tags, SourceIdentity="jane")
    assert answer["SourceIdentity"] == "jane"
    session(server, answer["Credentials"], "s3").list_objects_v2(Bucket="mail")
    other = sts.assume_role(RoleArn=role.arn, RoleSessionName="ww", Tags=tags)
    refused(lambda: session(server, other["Credentials"], "s3").list_objects_v2(Bucket="mail"), "AccessDenied")


def test_sessions_are_revoked_by_the_time_they_were_issued(server, jane, role):
    """What the console's "Revoke active sessions" puts into a role's policy."""
    made = jane.client("sts").assume_role(RoleArn=role.arn, RoleSessionName="ww")["Credentials"]
    s3 = session(server, made, "s3")
    s3.get_object(Bucket="mail", Key="k")
    def revoke(moment):
        role.iam.put_role_policy(RoleName="worker", PolicyName="AWSRevokeOlderSessions", PolicyDocument=document(
            deny("*", Condition={"DateLessThan": {"aws:TokenIssueTime": f"{moment:%Y-%m-%dT%H:%M:%SZ}"}})))
    now = datetime.datetime.now(datetime.timezone.utc)
    revoke(now + datetime.timedelta(minutes=1))
    refused(lambda: s3.get_object(Bucket="mail", Key="k"), "AccessDenied")
    revoke(now - datetime.timedelta(minutes=1))
    s3.get_object(Bucket="mail", Key="k")


def test_what_came_along_a_chain_stays(server, jane):
    """Transitive tags and the source identity hold for every role that is assumed from there."""
    rights = ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"]
    first, second = Role(server, jane.arn), Role(server, ACCOUNT, name="second")
    first.iam.update_assume_role_policy(RoleName="worker", PolicyDocument=trust({"AWS": jane.arn}, rights))
    first.iam.update_assume_role_policy(RoleName="second", PolicyDocument=trust({"AWS": first.arn}, rights))
    second.may(allow("s3:ListBucket", "arn:aws:s3:::${aws:PrincipalTag/bucket}", Condition={
        "StringEquals": {"aws:SourceIdentity": "jane"}, "Null": {"aws:PrincipalTag/stays": "true"}}))
    made = jane.client("sts").assume_role(
        RoleArn=first.arn, RoleSessionName="ww", SourceIdentity="jane", TransitiveTagKeys=["bucket"],
        Tags=[{"Key": "bucket", "Value": "mail"}, {"Key": "stays", "Value": "here"}])["Credentials"]
    sts = session(server, made, "sts")
    chained = sts.assume_role(RoleArn=second.arn, RoleSessionName="ww")["Credentials"]
    session(server, chained, "s3").list_objects_v2(Bucket="mail")
    refused(lambda: sts.assume_role(RoleArn=second.arn, RoleSessionName="ww",
                                    Tags=[{"Key": "Bucket", "Value": "other"}]), "InvalidParameterValue")
    refused(lambda: sts.assume_role(RoleArn=second.arn, RoleSessionName="ww", SourceIdentity="joe"), "AccessDenied")


def test_a_role_made_again_is_another(server, jane, role):
    made = jane.client("sts").assume_role(RoleArn=role.arn, RoleSessionName="ww")["Credentials"]
    role.iam.delete_role_policy(RoleName="worker", PolicyName="may")
    role.iam.delete_role(RoleName="worker")
    refused(session(server, made, "sts").get_caller_identity, "InvalidClientTokenId")
    again = Role(server, jane.arn)
    again.may(allow("s3:*"))
    refused(session(server, made, "sts").get_caller_identity, "InvalidClientTokenId")
    refused(session(server, made, "s3").list_buckets, "InvalidToken")


def test_a_user_gets_a_session_of_its_own(server, jane):
    jane.may("all", allow("*"))
    made = jane.client("sts").get_session_token(DurationSeconds=900)["Credentials"]
    who = session(server, made, "sts")
    assert who.get_caller_identity()["Arn"] == jane.arn
    session(server, made, "s3").get_object(Bucket="mail", Key="k")
    refused(session(server, made, "iam").list_users, "InvalidClientTokenId")
    refused(who.get_session_token, "AccessDenied", "Cannot call GetSessionToken with session credentials")
    jane.iam.delete_user_policy(UserName="jane", PolicyName="all")
    refused(lambda: session(server, made, "s3").get_object(Bucket="mail", Key="k"), "AccessDenied")
    jane.iam.delete_access_key(UserName="jane", AccessKeyId=jane.key["AccessKeyId"])
    jane.iam.delete_user(UserName="jane")
    refused(who.get_caller_identity, "InvalidClientTokenId")


def test_whose_an_access_key_is(server, jane):
    sts = server.client("sts")
    assert sts.get_access_key_info(AccessKeyId=jane.key["AccessKeyId"])["Account"] == ACCOUNT
    refused(lambda: sts.get_access_key_info(AccessKeyId="AKIANOBODY0000000000"), "ValidationError")
    assert server.client("sts", account=OTHER).get_caller_identity()["Arn"] == f"arn:aws:iam::{OTHER}:root"


def test_boto3_assumes_a_role_from_its_configuration(server, jane, role, tmp_path, monkeypatch):
    """What people have in ~/.aws/config: a profile with role_arn and source_profile."""
    (tmp_path / "config").write_text(f"[profile work]\nrole_arn = {role.arn}\nsource_profile = jane\nregion = {REGION}\n")
    (tmp_path / "credentials").write_text(f"[jane]\naws_access_key_id = {jane.key['AccessKeyId']}\n"
                                          f"aws_secret_access_key = {jane.key['SecretAccessKey']}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    profile = botocore.session.Session(profile="work")
    resolver = profile.get_component("credential_provider")
    assumer = [p for p in resolver.providers if p.METHOD == "assume-role"][0]
    creator = assumer._client_creator
    assumer._client_creator = lambda *a, **k: creator(*a, **{**k, "endpoint_url": server.api})
    s3 = profile.create_client("s3", endpoint_url=server.api, config=botocore.config.Config(
        s3={"addressing_style": "path"}))
    assert s3.get_object(Bucket="mail", Key="k")["Body"].read() == b"x"
