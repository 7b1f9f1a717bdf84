"""Rule sets copied and put in order, filters, identities: the rest of the receiving API, and what it does to mail."""
import pytest

from conftest import Receiving, bucket_policy, eventually, refused, rule_arn, s3_action

OTHER = "444455556666"


@pytest.fixture
def ses(server):
    return server.client("ses")


def names(ses, rule_set="main"):
    return [r["Name"] for r in ses.describe_receipt_rule_set(RuleSetName=rule_set)["Rules"]]


@pytest.fixture
def abc(ses):
    ses.create_receipt_rule_set(RuleSetName="main")
    for name in "cba":  # each to the front
        ses.create_receipt_rule(RuleSetName="main", Rule={"Name": name, "Enabled": True, "Recipients": [f"{name}.test"]})
    return ses


def test_a_clone_has_the_rules_and_nothing_else(server, abc):
    abc.set_active_receipt_rule_set(RuleSetName="main")
    abc.clone_receipt_rule_set(RuleSetName="copy", OriginalRuleSetName="main")
    original, copy = (abc.describe_receipt_rule_set(RuleSetName=n) for n in ("main", "copy"))
    assert copy["Rules"] == original["Rules"]
    assert abc.describe_active_receipt_rule_set()["Metadata"]["Name"] == "main"
    told = eventually(lambda: [line for line in server.log() if line.get("event") == "rule-set-cloned"])
    assert told[0]["original"] == "main" and told[0]["level"] == "info", "nothing is lost: tests/test_setup.py has what is"
    refused(lambda: abc.clone_receipt_rule_set(RuleSetName="copy", OriginalRuleSetName="nobody"), "AlreadyExists",
            "Rule set already exists: copy")
    refused(lambda: abc.clone_receipt_rule_set(RuleSetName="more", OriginalRuleSetName="nobody"),
            "RuleSetDoesNotExist", "Rule set does not exist: nobody")
    refused(lambda: abc.clone_receipt_rule_set(RuleSetName="a b", OriginalRuleSetName="c d"), "ValidationError",
            "2 validation errors detected: Value at 'originalRuleSetName' failed to satisfy constraint: Member must "
            "satisfy regular expression pattern: ^[a-zA-Z0-9_.-]+$; Value at 'ruleSetName' failed to satisfy "
            "constraint: Member must satisfy regular expression pattern: ^[a-zA-Z0-9_.-]+$")
    for n in range(38):
        abc.create_receipt_rule_set(RuleSetName=f"s{n}")
    refused(lambda: abc.clone_receipt_rule_set(RuleSetName="more", OriginalRuleSetName="main"), "LimitExceeded",
            "Too many rule sets")


def test_rules_are_put_in_another_order(abc):
    abc.reorder_receipt_rule_set(RuleSetName="main", RuleNames=["b", "c", "a"])
    assert names(abc) == ["b", "c", "a"]
    def reorder(*order):
        return lambda: abc.reorder_receipt_rule_set(RuleSetName="main", RuleNames=list(order))
    refused(reorder("b", "b", "x"), "InvalidParameterValue", "Multiple positions found for rule: b")
    refused(reorder("c", "x"), "InvalidParameterValue", "Positions for rules not found: b, a")
    refused(reorder("a", "b", "c", "x"), "RuleDoesNotExist", "Rule does not exist: x")
    refused(reorder("a", "b", "c d"), "ValidationError")
    refused(reorder(), "InvalidParameterValue", "Positions for rules not found: b, c, a")
    refused(lambda: abc.reorder_receipt_rule_set(RuleSetName="nobody", RuleNames=[]), "RuleSetDoesNotExist")
    assert names(abc) == ["b", "c", "a"]


def test_one_rule_moves(abc):
    abc.set_receipt_rule_position(RuleSetName="main", RuleName="c")
    assert names(abc) == ["c", "a", "b"]
    abc.set_receipt_rule_position(RuleSetName="main", RuleName="c", After="b")
    assert names(abc) == ["a", "b", "c"]
    abc.set_receipt_rule_position(RuleSetName="main", RuleName="a", After="b")
    assert names(abc) == ["b", "a", "c"]
    abc.set_receipt_rule_position(RuleSetName="main", RuleName="a", After="a")
    assert names(abc) == ["b", "a", "c"]
    refused(lambda: abc.set_receipt_rule_position(RuleSetName="main", RuleName="x"), "RuleDoesNotExist",
            "Rule does not exist: x")
    refused(lambda: abc.set_receipt_rule_position(RuleSetName="main", RuleName="a", After="x"), "RuleDoesNotExist",
            "Rule does not exist: x")


def block(name, cidr, policy="Block"):
    return {"Name": name, "IpFilter": {"Policy": policy, "Cidr": cidr}}


def test_filters_are_kept_as_they_were_given(ses):
    for name, cidr in (("b", "10.0.0.1/24"), ("a", "2001:db8::1/32"), ("c", "192.0.2.7")):
        ses.create_receipt_filter(Filter=block(name, cidr))
    listed = ses.list_receipt_filters()["Filters"]
    assert listed == [block("a", "2001:db8::1/32"), block("b", "10.0.0.1/24"), block("c", "192.0.2.7")]
    refused(lambda: ses.create_receipt_filter(Filter=block("a", "10.0.0.0/8", "Allow")), "AlreadyExists",
            "Filter already exists: a")
    for cidr in ("[2001:db8::1]", "fe80::1%eth0", "::ffff:192.0.2.1", "10.0.0.0/33", "2001:db8::/129", "", "10.0.0",
                 "1:2:3:4:5:6:7:8:9", "1::2::3", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8/8"):
        refused(lambda c=cidr: ses.create_receipt_filter(Filter=block("n", c)), "InvalidParameterValue",
                f"Invalid CIDR block: {cidr}")
    for cidr in ("0.0.0.0/0", "::/0", "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"):
        ses.create_receipt_filter(Filter=block("n", cidr))
        ses.delete_receipt_filter(FilterName="n")
    refused(lambda: ses.create_receipt_filter(Filter=block("", "10.0.0.0/8")), "InvalidParameterValue",
            "filterName must not be empty")
    refused(lambda: ses.create_receipt_filter(Filter=block("-x", "10.0.0.0/8")), "InvalidParameterValue",
            "Not a valid filterName: -x")
    ses.delete_receipt_filter(FilterName="never there")
    for n in range(97):
        ses.create_receipt_filter(Filter=block(f"f{n}", "10.0.0.0/8"))
    refused(lambda: ses.create_receipt_filter(Filter=block("more", "10.0.0.0/8")), "LimitExceeded", "Too many filters")


def rcpt(server, to="user@example.com", listener=0):
    with server.smtp(listener) as session:
        session.ehlo()
        session.mail("a@sender.example")
        return session.rcpt(to)


def test_a_filter_is_asked_when_a_recipient_is_named(server, receiving):
    receiving.rule("all")
    ses = receiving.ses
    assert rcpt(server)[0] == 250
    ses.create_receipt_filter(Filter=block("here", "127.0.0.0/8"))
    code, says = rcpt(server)
    assert (code, says) == (550, b"5.7.1 Client host [127.0.0.1] blocked")
    assert rcpt(server, "user@other.test")[0] == 550  # nobody's
    # an Allow wins, however wide the Block and whatever the prefix
    ses.create_receipt_filter(Filter=block("all", "0.0.0.0/0"))
    ses.create_receipt_filter(Filter=block("but", "127.0.0.1", "Allow"))
    assert rcpt(server)[0] == 250
    ses.delete_receipt_filter(FilterName="but")
    assert rcpt(server)[0] == 550
    ses.delete_receipt_filter(FilterName="all")
    ses.delete_receipt_filter(FilterName="here")
    assert rcpt(server)[0] == 250
    ses.create_receipt_filter(Filter=block("elsewhere", "192.0.2.0/24"))
    ses.create_receipt_filter(Filter=block("six", "::/0"))
    assert rcpt(server)[0] == 250


def test_a_filter_is_its_accounts_and_its_regions(make_server):
    server = make_server("--smtp", "us-east-1=127.0.0.1:0", "--smtp", "eu-west-1=127.0.0.1:0")
    here = Receiving(server)
    here.rule("all")
    there = Receiving(server, region="eu-west-1")
    there.rule("all")
    other = Receiving(server, account=OTHER, domain="other.test")
    other.rule("all")
    here.ses.create_receipt_filter(Filter=block("all", "0.0.0.0/0"))
    assert rcpt(server, listener=0)[0] == 550
    assert rcpt(server, listener=1)[0] == 250
    assert rcpt(server, "u@other.test")[0] == 250
    assert there.ses.list_receipt_filters()["Filters"] == other.ses.list_receipt_filters()["Filters"] == []
    # a domain of two accounts: who blocks leaves the mail to the other
    other.ses.verify_domain_identity(Domain="example.com")
    assert rcpt(server, listener=0)[0] == 250


def test_identities_are_listed_described_and_deleted(ses):
    token = ses.verify_domain_identity(Domain="Example.com")["VerificationToken"]
    ses.verify_domain_identity(Domain="other.test")
    ses.verify_email_identity(EmailAddress="Joe@Example.COM")
    listed = ses.list_identities()["Identities"]
    assert sorted(listed) == ["Joe@example.com", "example.com", "other.test"]
    assert ses.list_identities(IdentityType="EmailAddress")["Identities"] == ["Joe@example.com"]
    assert sorted(ses.list_identities(IdentityType="Domain")["Identities"]) == ["example.com", "other.test"]
    page = ses.list_identities(MaxItems=2)
    rest = ses.list_identities(MaxItems=2, NextToken=page["NextToken"])
    assert len(page["Identities"]) == 2 and page["Identities"] + rest["Identities"] == listed and "NextToken" not in rest
    found = ses.get_identity_verification_attributes(
        Identities=["example.com", "Joe@example.com", "nobody.test"])["VerificationAttributes"]
    assert found == {"example.com": {"VerificationStatus": "Success", "VerificationToken": token},
                     "Joe@example.com": {"VerificationStatus": "Success"}}
    ses.delete_identity(Identity="example.com")
    ses.delete_identity(Identity="example.com")
    assert "example.com" not in ses.list_identities()["Identities"]
    refused(lambda: ses.verify_email_identity(EmailAddress="no address"), "InvalidParameterValue")
    # a slash would let an address pass for a domain in the state
    refused(lambda: ses.verify_email_identity(EmailAddress="other.test/x@example.com"), "InvalidParameterValue")
    refused(lambda: ses.list_identities(IdentityType="Phone"), "ValidationError")


def test_a_domain_that_is_deleted_receives_no_more(server, receiving):
    receiving.rule("all")
    assert rcpt(server)[0] == 250
    receiving.ses.delete_identity(Identity="example.com")
    assert rcpt(server)[0] == 550
    receiving.ses.verify_email_identity(EmailAddress="user@example.com")  # makes nothing receivable
    assert rcpt(server)[0] == 550


def test_an_address_is_a_bounces_sender(ses):
    ses.create_receipt_rule_set(RuleSetName="main")
    rule = {"Name": "b", "Actions": [{"BounceAction": {
        "SmtpReplyCode": "550", "Message": "no", "Sender": "joe@example.com"}}]}
    refused(lambda: ses.create_receipt_rule(RuleSetName="main", Rule=rule), "InvalidParameterValue",
            "Identity is not verified: joe@example.com")
    ses.verify_email_identity(EmailAddress="joe@example.com")
    ses.create_receipt_rule(RuleSetName="main", Rule=rule)


def test_regions_and_accounts_are_worlds_of_their_own(make_server):
    server = make_server("--smtp", "us-east-1=127.0.0.1:0", "--smtp", "eu-west-1=127.0.0.1:0")
    here = Receiving(server, rule_set="main")
    there = Receiving(server, rule_set="main", region="eu-west-1")
    other = Receiving(server, rule_set="main", account=OTHER, domain="other.test")
    here.store(bucket="mail-here", recipients=["a@example.com"])
    there.store(bucket="mail-there", recipients=["b@example.com"])
    other.store(bucket="mail-other")
    assert [r["Recipients"] for r in here.ses.describe_active_receipt_rule_set()["Rules"]] == [["a@example.com"]]
    assert [r["Recipients"] for r in there.ses.describe_active_receipt_rule_set()["Rules"]] == [["b@example.com"]]
    assert rcpt(server, "a@example.com", 0)[0] == 250 and rcpt(server, "a@example.com", 1)[0] == 550
    assert rcpt(server, "b@example.com", 0)[0] == 550 and rcpt(server, "b@example.com", 1)[0] == 250
    assert rcpt(server, "u@other.test", 0)[0] == 250 and rcpt(server, "u@other.test", 1)[0] == 550
    for world, to, listener in ((here, "a@example.com", 0), (there, "b@example.com", 1), (other, "u@other.test", 0)):
        server.settled(server.send(b"Subject: x\r\n\r\nx\r\n", to=to, listener=listener))
    assert len(here.keys("mail-here")) == len(there.keys("mail-there")) == len(other.keys("mail-other")) == 1
    # names are free in each of them, and what is deleted here stays there
    here.ses.set_active_receipt_rule_set()
    here.ses.delete_receipt_rule_set(RuleSetName="main")
    assert there.ses.list_receipt_rule_sets()["RuleSets"] and other.ses.list_receipt_rule_sets()["RuleSets"]
    here.ses.delete_identity(Identity="example.com")
    assert there.ses.list_identities()["Identities"] == ["example.com"]
    assert other.ses.list_identities()["Identities"] == ["other.test"]
    # buckets are one namespace; what they hold is the owner's
    refused(lambda: other.s3.create_bucket(Bucket="mail-here"), "BucketAlreadyExists")
    refused(lambda: other.s3.list_objects_v2(Bucket="mail-here"), "AccessDenied")
    refused(lambda: other.s3.delete_bucket(Bucket="mail-here"), "AccessDenied")
    assert [b["Name"] for b in other.s3.list_buckets()["Buckets"]] == ["mail-other"]
    assert {b["Name"] for b in here.s3.list_buckets()["Buckets"]} == {"mail-here", "mail-there"}


def test_a_rule_of_another_region_is_another_source(make_server):
    """The same names in two Regions: the bucket policy admits one rule's mail alone."""
    server = make_server("--smtp", "us-east-1=127.0.0.1:0", "--smtp", "eu-west-1=127.0.0.1:0")
    here, there = Receiving(server), Receiving(server, region="eu-west-1")
    here.bucket("mail", bucket_policy("mail", rule_arn("main", "store")))
    here.rule("store", s3_action("mail"))
    refused(lambda: there.rule("store", s3_action("mail")), "InvalidS3Configuration", "Could not write to bucket: mail")
