"""Identities by SES v1 and v2: one state, two protocols."""
import json
import os
import urllib.error
import urllib.request

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import pytest

import aws_cli
from conftest import ACCOUNT, KEY, REGION, SECRET, refused

ARN = f"arn:aws:ses:{REGION}:{ACCOUNT}:identity/"


@pytest.fixture
def ses(server):
    return server.client("ses")


@pytest.fixture
def v2(server):
    return server.client("sesv2")


def user(server, name, *statements):
    iam = server.client("iam")
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=json.dumps(
        {"Version": "2012-10-17", "Statement": list(statements)}))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return dict(key=key["AccessKeyId"], secret=key["SecretAccessKey"])


def allow(action, resource="*", **condition):
    statement = {"Effect": "Allow", "Action": action, "Resource": resource}
    return {**statement, "Condition": condition} if condition else statement


def test_dkim_tokens_are_three_and_stay(server, ses):
    ses.verify_domain_identity(Domain="Example.com")
    ses.verify_email_identity(EmailAddress="joe@example.com")
    nothing = ses.get_identity_dkim_attributes(
        Identities=["example.com", "joe@example.com", "nobody.test"])["DkimAttributes"]
    assert nothing == {name: {"DkimEnabled": False, "DkimVerificationStatus": "NotStarted"}
                       for name in ("example.com", "joe@example.com")}
    tokens = ses.verify_domain_dkim(Domain="example.com")["DkimTokens"]
    assert len(set(tokens)) == 3 and all(len(t) == 32 and t.isalnum() and t == t.lower() for t in tokens)
    assert ses.verify_domain_dkim(Domain="EXAMPLE.com.")["DkimTokens"] == tokens
    found = ses.get_identity_dkim_attributes(Identities=["example.com"])["DkimAttributes"]["example.com"]
    assert found == {"DkimEnabled": True, "DkimVerificationStatus": "Success", "DkimTokens": tokens}
    server.restart()
    assert server.client("ses").verify_domain_dkim(Domain="example.com")["DkimTokens"] == tokens


def test_dkim_makes_an_identity_and_waits_for_its_domain(make_server):
    server = make_server("--verify-identities", "dns")
    ses = server.client("ses")
    tokens = ses.verify_domain_dkim(Domain="new.test")["DkimTokens"]
    assert ses.list_identities()["Identities"] == ["new.test"]
    found = ses.get_identity_verification_attributes(Identities=["new.test"])["VerificationAttributes"]
    assert found == {"new.test": {"VerificationStatus": "Pending"}}  # its TXT token was not asked for yet
    token = ses.verify_domain_identity(Domain="new.test")["VerificationToken"]
    found = ses.get_identity_verification_attributes(Identities=["new.test"])["VerificationAttributes"]
    assert found == {"new.test": {"VerificationStatus": "Pending", "VerificationToken": token}}
    found = ses.get_identity_dkim_attributes(Identities=["new.test"])["DkimAttributes"]
    assert found == {"new.test": {"DkimEnabled": True, "DkimVerificationStatus": "Pending", "DkimTokens": tokens}}
    refused(lambda: ses.verify_domain_dkim(Domain="no domain"), "InvalidParameterValue", "Invalid domain name no domain.")


def test_v2_identities_are_those_of_v1(ses, v2):
    made = v2.create_email_identity(EmailIdentity="Shop.example", Tags=[{"Key": "team", "Value": "mail"}])
    assert (made["IdentityType"], made["VerifiedForSendingStatus"]) == ("DOMAIN", True)
    dkim = made["DkimAttributes"]
    assert dkim["Status"] == "SUCCESS" and dkim["SigningAttributesOrigin"] == "AWS_SES" and len(dkim["Tokens"]) == 3
    assert ses.verify_domain_dkim(Domain="shop.example")["DkimTokens"] == dkim["Tokens"]
    token = ses.verify_domain_identity(Domain="shop.example")["VerificationToken"]
    assert ses.verify_domain_identity(Domain="shop.example")["VerificationToken"] == token
    joe = v2.create_email_identity(EmailIdentity="joe+x@shop.example")
    assert joe["IdentityType"] == "EMAIL_ADDRESS" and "DkimAttributes" not in joe

    found = v2.get_email_identity(EmailIdentity="shop.example")
    assert found["Tags"] == [{"Key": "team", "Value": "mail"}] and found["DkimAttributes"]["Tokens"] == dkim["Tokens"]
    assert found["VerificationStatus"] == "SUCCESS" and found["FeedbackForwardingStatus"] is True
    assert found["Policies"] == {} and found["MailFromAttributes"] == {"BehaviorOnMxFailure": "USE_DEFAULT_VALUE"}
    found = v2.get_email_identity(EmailIdentity="joe+x@shop.example")  # %2B and %40 in the path
    assert (found["IdentityType"], found["DkimAttributes"]["Status"]) == ("EMAIL_ADDRESS", "NOT_STARTED")

    ses.verify_domain_identity(Domain="old.test")
    assert v2.get_email_identity(EmailIdentity="old.test")["DkimAttributes"]["SigningEnabled"] is False
    first = v2.list_email_identities(PageSize=2)
    second = v2.list_email_identities(PageSize=2, NextToken=first["NextToken"])
    listed = first["EmailIdentities"] + second["EmailIdentities"]
    assert "NextToken" not in second and len(listed) == 3
    assert {i["IdentityName"] for i in listed} == set(ses.list_identities()["Identities"])
    assert all(i["SendingEnabled"] and i["VerificationStatus"] == "SUCCESS" for i in listed)

    v2.delete_email_identity(EmailIdentity="shop.example")
    assert "shop.example" not in ses.list_identities()["Identities"]


def test_v2_says_no_as_v2_does(v2):
    v2.create_email_identity(EmailIdentity="shop.example")

    def says(call, code, status, message=None):
        answer = refused(call, code, message)
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == status
        assert answer["ResponseMetadata"]["HTTPHeaders"]["x-amzn-errortype"] == code
    says(lambda: v2.create_email_identity(EmailIdentity="shop.example"), "AlreadyExistsException", 400,
         "Email identity shop.example already exist.")
    for call in (v2.get_email_identity, v2.delete_email_identity):
        says(lambda: call(EmailIdentity="x@nobody.test"), "NotFoundException", 404,
             "Email identity x@nobody.test does not exist.")
    says(lambda: v2.create_email_identity(EmailIdentity="no domain"), "BadRequestException", 400,
         "Invalid domain name no domain.")
    says(lambda: v2.create_email_identity(EmailIdentity="a/b@c.test"), "BadRequestException", 400,
         "Invalid email address<a/b@c.test>.")
    says(lambda: v2.create_email_identity(EmailIdentity="a.test", ConfigurationSetName="c"), "NotFoundException", 404)
    says(lambda: v2.create_email_identity(EmailIdentity="a.test", DkimSigningAttributes={
        "DomainSigningSelector": "s", "DomainSigningPrivateKey": "MII="}), "BadRequestException", 400)
    says(lambda: v2.create_email_identity(EmailIdentity="a.test", Tags=[{"Key": "a", "Value": "1"}] * 2),
         "BadRequestException", 400)
    says(lambda: v2.list_email_identities(PageSize=1001), "BadRequestException", 400)
    says(lambda: v2.list_email_identities(NextToken="?"), "BadRequestException", 400)
    says(v2.list_configuration_sets, "UnknownOperationException", 400)


def test_bounds_and_names_of_v1(ses):
    for most in (0, 1001):
        refused(lambda most=most: ses.list_identities(MaxItems=most), "ValidationError")
    refused(lambda: ses.list_identities(NextToken="xx"), "InvalidParameterValue", "Invalid token: xx")
    many = [f"{n}.test" for n in range(101)]
    assert ses.get_identity_verification_attributes(Identities=many[:100])["VerificationAttributes"] == {}
    for call in (ses.get_identity_verification_attributes, ses.get_identity_dkim_attributes):
        refused(lambda call=call: call(Identities=many), "ValidationError")
    for domain in ("", "no domain", "a..b", "-a.test", 64 * "a" + ".test", "x@y.test"):
        for call in (ses.verify_domain_identity, ses.verify_domain_dkim):
            refused(lambda call=call, domain=domain: call(Domain=domain), "InvalidParameterValue",
                    f"Invalid domain name {domain}.")
    for address in ("", "x", "@a.test", "a@", "a b@c.test", "a@b@c.test", "a/b@c.test"):
        refused(lambda address=address: ses.verify_email_identity(EmailAddress=address), "InvalidParameterValue",
                f"Invalid email address<{address}>.")
    ses.verify_email_identity(EmailAddress='"a@b"@c.test')
    assert ses.list_identities()["Identities"] == ['"a@b"@c.test']
    ses.delete_identity(Identity="never.test")


def test_what_only_sends_is_refused_by_name(ses, v2):
    for call in (ses.get_send_quota, ses.list_templates, lambda: ses.set_identity_dkim_enabled(
            Identity="a.test", DkimEnabled=True)):
        assert "Sesame only receives mail" in refused(call, "InvalidAction")["Error"]["Message"]
    assert "Sesame only receives mail" in refused(v2.get_account, "UnknownOperationException")["Error"]["Message"]


def test_v2_takes_only_json_it_can_read(server):
    def post(body):
        request = botocore.awsrequest.AWSRequest("POST", server.api + "/v2/email/identities", data=body,
                                                 headers={"Content-Type": "application/json"})
        botocore.auth.SigV4Auth(botocore.credentials.Credentials(KEY, SECRET), "ses", REGION).add_auth(request)
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(urllib.request.Request(server.api + "/v2/email/identities", data=body,
                                                          headers=dict(request.headers)), timeout=20)
        return caught.value.code, json.loads(caught.value.read())["__type"]
    for body in (b"{", b"[]", b'{"EmailIdentity": 7}', b'{"EmailIdentity":"a.test","Tags":{}}'):
        assert post(body) == (400, "SerializationException"), body
    assert post(b"{}") == (400, "BadRequestException")


def test_v2_is_authorised_on_the_identity(server, v2):
    one = user(server, "one", allow("ses:*EmailIdentity", ARN + "shop.example"))
    mine = server.client("sesv2", **one)
    mine.create_email_identity(EmailIdentity="SHOP.example")
    mine.get_email_identity(EmailIdentity="shop.example")
    v2.create_email_identity(EmailIdentity="other.test", Tags=[{"Key": "team", "Value": "mail"}])
    for call in (lambda: mine.create_email_identity(EmailIdentity="new.test"),
                 lambda: mine.get_email_identity(EmailIdentity="other.test"),
                 lambda: mine.delete_email_identity(EmailIdentity="nobody.test"), mine.list_email_identities):
        assert refused(call, "AccessDeniedException")["ResponseMetadata"]["HTTPStatusCode"] == 403
    tagged = server.client("sesv2", **user(
        server, "tagged", allow("ses:GetEmailIdentity", StringEquals={"aws:ResourceTag/team": "mail"}),
        allow("ses:CreateEmailIdentity", StringEquals={"aws:RequestTag/team": "mail", "ses:ApiVersion": "2"},
              **{"ForAllValues:StringEquals": {"aws:TagKeys": ["team"]}})))
    tagged.get_email_identity(EmailIdentity="other.test")
    refused(lambda: tagged.get_email_identity(EmailIdentity="shop.example"), "AccessDeniedException")
    tagged.create_email_identity(EmailIdentity="new.test", Tags=[{"Key": "team", "Value": "mail"}])
    refused(lambda: tagged.create_email_identity(EmailIdentity="b.test"), "AccessDeniedException")
    refused(lambda: tagged.create_email_identity(EmailIdentity="b.test", Tags=[
        {"Key": "team", "Value": "mail"}, {"Key": "x", "Value": "y"}]), "AccessDeniedException")
    dkim = server.client("ses", **user(server, "dkim", allow("ses:VerifyDomainDkim")))
    dkim.verify_domain_dkim(Domain="d.test")
    refused(lambda: dkim.get_identity_dkim_attributes(Identities=["d.test"]), "AccessDenied")


def test_the_command_line_does_it_too(server, tmp_path):
    environment = {**os.environ, "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET,
                   "AWS_DEFAULT_REGION": REGION, "HOME": str(tmp_path)}

    def aws(*words):
        done = aws_cli.aws("--endpoint-url", server.api, "--output", "json", *words, env=environment)
        return done.returncode, json.loads(done.stdout) if done.stdout.strip() else done.stderr
    assert aws("sesv2", "create-email-identity", "--email-identity", "me@shop.example")[0] == 0
    code, found = aws("sesv2", "get-email-identity", "--email-identity", "me@shop.example")
    assert code == 0 and found["VerificationStatus"] == "SUCCESS"
    code, found = aws("ses", "verify-domain-dkim", "--domain", "shop.example")
    assert code == 0 and len(found["DkimTokens"]) == 3
    code, error = aws("sesv2", "get-account")
    assert code != 0 and "Sesame only receives mail" in error
