"""The receiving API to the letter: every operation's failures, with code, text and status, and which of them wins."""
import json
import re
import time
import urllib.error
import urllib.parse
import urllib.request
import xml.etree.ElementTree

import botocore
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from conftest import ACCOUNT, KEY, REGION, SECRET, Receiving, bucket_policy, refused

NAMESPACE = "{http://ses.amazonaws.com/doc/2010-12-01/}"
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:nobodys"
FUNCTION = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:nobodys"
KMS_KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/11111111-2222-3333-4444-555555555555"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/nobodys"


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body
        self.root = xml.etree.ElementTree.fromstring(body)
        error = self.root.find(f"{NAMESPACE}Error")
        self.error = None if error is None else {child.tag.replace(NAMESPACE, ""): child.text or "" for child in error}

    def result(self, operation):
        assert self.status == 200 and self.root.tag == f"{NAMESPACE}{operation}Response", self.body
        return self.root.find(f"{NAMESPACE}{operation}Result")


def ask(server, operation, parameters=(), method="POST", version="2010-12-01", service="ses", region=REGION):
    """One signed request of just these parameters, in this order: what no SDK would send included."""
    pairs = [("Action", operation)] + ([("Version", version)] if version else [])
    pairs += parameters.items() if isinstance(parameters, dict) else list(parameters)
    form = urllib.parse.urlencode(pairs, quote_via=urllib.parse.quote)
    url = server.api + "/" + ("?" + form if method == "GET" else "")
    request = AWSRequest(method, url, data=form if method == "POST" else None, headers={
        "Content-Type": "application/x-www-form-urlencoded; charset=utf-8"} if method == "POST" else {})
    SigV4Auth(Credentials(KEY, SECRET), service, region).add_auth(request)
    sent = urllib.request.Request(url, method=method, headers=dict(request.headers.items()),
                                  data=form.encode() if method == "POST" else None)
    try:
        with urllib.request.urlopen(sent, timeout=60) as answer:
            return Answer(answer.status, answer.headers, answer.read().decode())
    except urllib.error.HTTPError as error:
        return Answer(error.code, error.headers, error.read().decode())


@pytest.fixture(scope="module")
def stage(shared_server):
    """What the refused requests meet; none of them changes it."""
    receiving = Receiving(shared_server)
    receiving.bucket("closed")
    receiving.bucket("open", {"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"Service": "ses.amazonaws.com"}, "Action": "s3:PutObject",
        "Resource": "arn:aws:s3:::open/*"}]})
    for name in "cba":
        receiving.rule(name)
    receiving.ses.create_receipt_filter(Filter={"Name": "f", "IpFilter": {"Policy": "Block", "Cidr": "192.0.2.0/24"}})
    return shared_server


PATTERN = "Member must satisfy regular expression pattern: ^[a-zA-Z0-9_.-]+$"
LENGTH = "Member must have length greater than or equal to 1"
NULL = "Member must not be null"
ONE_ACTION = "Exactly one action type must be specified for each ReceiptAction"
LIST_OF_NAMES = f"Member must satisfy constraint: [Member must have length less than or equal to 100, {LENGTH}, {PATTERN}]"
SETS = {"RuleSetName": "main"}
LONG = "n" * 65


def violations(*found):
    text = "; ".join(f"Value at '{path}' failed to satisfy constraint: {constraint}" for path, constraint in found)
    return "ValidationError", f"{len(found)} validation error{'s' * (len(found) > 1)} detected: {text}"


def empty(path):
    return (path, LENGTH), (path, PATTERN)


def values(words):
    return f"Member must satisfy enum value set: [{words}]"


def rule(*actions, **members):
    """Parameters of a rule; an action is a dict of what follows Rule.Actions.member.N."""
    sent = {**SETS, "Rule.Name": "new", **{f"Rule.{name}": value for name, value in members.items()}}
    for number, action in enumerate(actions, 1):
        sent.update({f"Rule.Actions.member.{number}.{name}": value for name, value in action.items()})
    return sent


def at(member):
    return f"rule.actions.1.member.{member}"


HEADER = {"AddHeaderAction.HeaderName": "X-A", "AddHeaderAction.HeaderValue": "v"}
STOP = {"StopAction.Scope": "RuleSet"}
BOUNCE = {"BounceAction.SmtpReplyCode": "550", "BounceAction.Message": "no", "BounceAction.Sender": "who@unverified.test"}

BOTH_LAYERS = [  # of every operation that names a set, a rule, or both
    ("CreateReceiptRuleSet", "RuleSetName", {}), ("DeleteReceiptRuleSet", "RuleSetName", {}),
    ("DescribeReceiptRuleSet", "RuleSetName", {}), ("CloneReceiptRuleSet", "RuleSetName", {"OriginalRuleSetName": "main"}),
    ("ReorderReceiptRuleSet", "RuleSetName", {"RuleNames.member.1": "a"}),
    ("DescribeReceiptRule", "RuleSetName", {"RuleName": "a"}), ("DeleteReceiptRule", "RuleSetName", {"RuleName": "a"}),
    ("SetReceiptRulePosition", "RuleSetName", {"RuleName": "a"}), ("CreateReceiptRule", "RuleSetName", {"Rule.Name": "r"}),
    ("UpdateReceiptRule", "RuleSetName", {"Rule.Name": "a"}),
    ("DescribeReceiptRule", "RuleName", SETS), ("DeleteReceiptRule", "RuleName", SETS),
    ("SetReceiptRulePosition", "RuleName", SETS),
]
PATHS = {"RuleSetName": "ruleSetName", "RuleName": "ruleName"}


@pytest.mark.parametrize("operation,member,more", BOTH_LAYERS, ids=[f"{o}-{m}" for o, m, _ in BOTH_LAYERS])
def test_a_name_is_looked_at_in_two_layers(stage, operation, member, more):
    path = PATHS[member]

    def says(value):
        answer = ask(stage, operation, {**more, **({} if value is None else {member: value})})
        assert answer.status == 400, answer.body
        return answer.error["Code"], answer.error["Message"]
    assert says(None) == ("InvalidParameterValue", f"{member} is required.")
    assert says("") == violations(*empty(path))
    for bad in ("a b", "ä", "a/b", "<x>", "a&b", "a" * 70000 + "!"):
        assert says(bad) == violations((path, PATTERN)), bad[:10]
    for bad in ("-a", "a-", ".a", "a.", "_a", "a_", LONG, "n" * 70000):
        assert says(bad) == ("InvalidParameterValue", f"Not a valid {path}: {bad}"), bad[:10]


REFUSALS = {
    # --- rule sets
    "a set that exists": ("CreateReceiptRuleSet", SETS, ("AlreadyExists", "Rule set already exists: main")),
    "a set that does not exist": ("DescribeReceiptRuleSet", {"RuleSetName": "x"},
                                  ("RuleSetDoesNotExist", "Rule set does not exist: x")),
    "names tell great from small letters": ("DescribeReceiptRuleSet", {"RuleSetName": "Main"},
                                            ("RuleSetDoesNotExist", "Rule set does not exist: Main")),
    "the active set stays": ("DeleteReceiptRuleSet", SETS, ("CannotDelete", "Cannot delete active rule set: main")),
    "nothing to activate": ("SetActiveReceiptRuleSet", {"RuleSetName": "x"},
                            ("RuleSetDoesNotExist", "Rule set does not exist: x")),
    "a word to activate": ("SetActiveReceiptRuleSet", {"RuleSetName": "a b"}, violations(("ruleSetName", PATTERN))),
    "a name to activate": ("SetActiveReceiptRuleSet", {"RuleSetName": "-a"},
                           ("InvalidParameterValue", "Not a valid ruleSetName: -a")),
    "a token of nobody": ("ListReceiptRuleSets", {"NextToken": "invalid"}, ("InvalidParameterValue", "Invalid token: invalid")),
    "clone: the target is looked for first": (
        "CloneReceiptRuleSet", {**SETS, "OriginalRuleSetName": "x"}, ("AlreadyExists", "Rule set already exists: main")),
    "clone: then the original": ("CloneReceiptRuleSet", {"RuleSetName": "new", "OriginalRuleSetName": "x"},
                                 ("RuleSetDoesNotExist", "Rule set does not exist: x")),
    "clone: the original is named first": (
        "CloneReceiptRuleSet", {"RuleSetName": "a b", "OriginalRuleSetName": "c d"},
        violations(("originalRuleSetName", PATTERN), ("ruleSetName", PATTERN))),
    "clone: without an original": ("CloneReceiptRuleSet", {"RuleSetName": "new"},
                                   ("InvalidParameterValue", "OriginalRuleSetName is required.")),
    "clone: an empty original": ("CloneReceiptRuleSet", {"RuleSetName": "new", "OriginalRuleSetName": ""},
                                 violations(*empty("originalRuleSetName"))),
    "clone: of two long names the target's": ("CloneReceiptRuleSet", {"RuleSetName": LONG, "OriginalRuleSetName": "o" * 65},
                                              ("InvalidParameterValue", f"Not a valid ruleSetName: {LONG}")),
    "clone: a long original": ("CloneReceiptRuleSet", {"RuleSetName": "new", "OriginalRuleSetName": LONG},
                               ("InvalidParameterValue", f"Not a valid ruleSetName: {LONG}")),
    # --- order
    "reorder: the set first": ("ReorderReceiptRuleSet", {"RuleSetName": "x", "RuleNames.member.1": "a", "RuleNames.member.2": "a"},
                               ("RuleSetDoesNotExist", "Rule set does not exist: x")),
    "reorder: twice": ("ReorderReceiptRuleSet", {**SETS, "RuleNames.member.1": "x", "RuleNames.member.2": "x"},
                       ("InvalidParameterValue", "Multiple positions found for rule: x")),
    "reorder: left out, before unknown": ("ReorderReceiptRuleSet", {**SETS, "RuleNames.member.1": "b", "RuleNames.member.2": "x"},
                                          ("InvalidParameterValue", "Positions for rules not found: a, c")),
    "reorder: none at all": ("ReorderReceiptRuleSet", SETS,
                             ("InvalidParameterValue", "Positions for rules not found: a, b, c")),
    "reorder: the empty list": ("ReorderReceiptRuleSet", {**SETS, "RuleNames": ""},
                                ("InvalidParameterValue", "Positions for rules not found: a, b, c")),
    "reorder: unknown, the first of them": (
        "ReorderReceiptRuleSet", {**SETS, **{f"RuleNames.member.{n}": v for n, v in enumerate(["a", "x", "b", "c", "y"], 1)}},
        ("RuleDoesNotExist", "Rule does not exist: x")),
    "reorder: 65 letters are not too many": (
        "ReorderReceiptRuleSet", {**SETS, **{f"RuleNames.member.{n}": v for n, v in enumerate(["a", "b", "c", LONG], 1)}},
        ("RuleDoesNotExist", f"Rule does not exist: {LONG}")),
    "reorder: bad members are one violation": (
        "ReorderReceiptRuleSet", {"RuleSetName": "x", "RuleNames.member.1": "a b", "RuleNames.member.2": "", "RuleNames.member.3": "n" * 101},
        violations(("ruleNames", LIST_OF_NAMES))),
    "reorder: the set's name is one more": ("ReorderReceiptRuleSet", {"RuleSetName": "", "RuleNames.member.1": "a b"},
                                            violations(*empty("ruleSetName"), ("ruleNames", LIST_OF_NAMES))),
    "reorder: a gap is an empty name": ("ReorderReceiptRuleSet", {**SETS, "RuleNames.member.1": "a", "RuleNames.member.3": "c"},
                                        violations(("ruleNames", LIST_OF_NAMES))),
    "reorder: a wide gap": ("ReorderReceiptRuleSet", {**SETS, "RuleNames.member.1": "a", "RuleNames.member.12": "c"},
                            ("MalformedInput", "Excessively sparse input would skip 11 list elements")),
    "reorder: a wider gap": ("ReorderReceiptRuleSet", {**SETS, "RuleNames.member.1500": "a"},
                             ("MalformedInput", "Excessively sparse input would skip 1,499 list elements")),
    "reorder: number 0": ("ReorderReceiptRuleSet", {**SETS, "RuleNames.member.0": "a"},
                          ("MalformedInput", "0 is not a valid index")),
    "reorder: number 01": ("ReorderReceiptRuleSet", {**SETS, "RuleNames.member.01": "a"},
                           ("MalformedInput", "Value found where not expected")),
    "reorder: no number": ("ReorderReceiptRuleSet", {**SETS, "RuleNames.member.x": "a"},
                           ("MalformedInput", "Start of list found where not expected")),
    "reorder: too great a number": ("ReorderReceiptRuleSet", {**SETS, "RuleNames.member.999999999": "a"},
                                    ("MalformedInput", "Index 999999999 is illegal")),
    "position: the rule": ("SetReceiptRulePosition", {**SETS, "RuleName": "x", "After": "y"},
                           ("RuleDoesNotExist", "Rule does not exist: x")),
    "position: the one before": ("SetReceiptRulePosition", {**SETS, "RuleName": "a", "After": "y"},
                                 ("RuleDoesNotExist", "Rule does not exist: y")),
    "position: the set": ("SetReceiptRulePosition", {"RuleSetName": "x", "RuleName": "a"},
                          ("RuleSetDoesNotExist", "Rule set does not exist: x")),
    "position: all three": ("SetReceiptRulePosition", {"RuleSetName": "a b", "RuleName": "", "After": "ö"},
                            violations(("ruleSetName", PATTERN), *empty("ruleName"), ("after", PATTERN))),
    # --- rules: their shape
    "no rule": ("CreateReceiptRule", SETS, violations(("rule", NULL))),
    "a rule without a name": ("CreateReceiptRule", {**SETS, "Rule.Enabled": "true"}, violations(("rule.name", NULL))),
    "a rule with an empty name": ("CreateReceiptRule", {**SETS, "Rule.Name": ""}, violations(*empty("rule.name"))),
    "everything at once": (
        "CreateReceiptRule", {"RuleSetName": "a b", "After": "", "Rule.Name": "c d", "Rule.TlsPolicy": "Maybe",
                              "Rule.Actions.member.1.S3Action.ObjectKeyPrefix": "p", "Rule.Actions.member.2.StopAction.Scope": "World"},
        violations(("ruleSetName", PATTERN), *empty("after"), ("rule.name", PATTERN), ("rule.tlsPolicy", values("Optional, Require")),
                   ("rule.actions.1.member.s3Action.bucketName", NULL),
                   ("rule.actions.2.member.stopAction.scope", values("RuleSet")))),
    "shape before existence": ("UpdateReceiptRule", {"RuleSetName": "x", "Rule.Name": "r", "Rule.TlsPolicy": "optional"},
                               violations(("rule.tlsPolicy", values("Optional, Require")))),
    "header: no value": ("CreateReceiptRule", rule({"AddHeaderAction.HeaderName": "X"}), violations((at("addHeaderAction.headerValue"), NULL))),
    "header: no name": ("CreateReceiptRule", rule({"AddHeaderAction.HeaderValue": "x"}), violations((at("addHeaderAction.headerName"), NULL))),
    "bounce: nothing": ("CreateReceiptRule", rule({"BounceAction.TopicArn": TOPIC}),
                        violations((at("bounceAction.smtpReplyCode"), NULL), (at("bounceAction.sender"), NULL), (at("bounceAction.message"), NULL))),
    "connect: no role": ("CreateReceiptRule", rule({"ConnectAction.InstanceARN": "i"}), violations((at("connectAction.iAMRoleARN"), NULL))),
    "connect: no instance": ("CreateReceiptRule", rule({"ConnectAction.IAMRoleARN": "r"}), violations((at("connectAction.instanceARN"), NULL))),
    "workmail: nothing": ("CreateReceiptRule", rule({"WorkmailAction.TopicArn": TOPIC}), violations((at("workmailAction.organizationArn"), NULL))),
    "lambda: nothing": ("CreateReceiptRule", rule({"LambdaAction.InvocationType": "DryRun"}),
                        violations((at("lambdaAction.functionArn"), NULL), (at("lambdaAction.invocationType"), values("RequestResponse, Event")))),
    "sns: nothing": ("CreateReceiptRule", rule({"SNSAction.Encoding": "base64"}),
                     violations((at("sNSAction.encoding"), values("Base64, UTF-8")), (at("sNSAction.topicArn"), NULL))),
    "s3: nothing": ("CreateReceiptRule", rule({"S3Action.ObjectKeyPrefix": "p"}), violations((at("s3Action.bucketName"), NULL))),
    "stop: nothing": ("CreateReceiptRule", rule({"StopAction.TopicArn": TOPIC}), violations((at("stopAction.scope"), NULL))),
    "stop: not the world": ("CreateReceiptRule", rule({"StopAction.Scope": "ruleset"}), violations((at("stopAction.scope"), values("RuleSet")))),
    "two actions in one": ("CreateReceiptRule", rule({**STOP, **HEADER}), violations(("rule.actions.1.member", ONE_ACTION))),
    "a gap": ("CreateReceiptRule", {**rule(HEADER), "Rule.Actions.member.3.StopAction.Scope": "RuleSet"},
              violations(("rule.actions.2.member", ONE_ACTION))),
    "action 0": ("CreateReceiptRule", {**rule(), "Rule.Actions.member.0.StopAction.Scope": "RuleSet"}, ("MalformedInput", "0 is not a valid index")),
    "an action far away": ("CreateReceiptRule", {**rule(), "Rule.Actions.member.999999999999999999999.StopAction.Scope": "RuleSet"},
                           violations(("rule.actions", ONE_ACTION))),
    "a boolean": ("CreateReceiptRule", rule(Enabled="bogus"), ("MalformedInput", "boolean must follow xsd1.1 definition")),
    "a boolean in capitals": ("CreateReceiptRule", rule(ScanEnabled="TRUE"), ("MalformedInput", "boolean must follow xsd1.1 definition")),
    "a boolean of nothing": ("CreateReceiptRule", rule(Enabled=""), ("MalformedInput", "missing value for boolean type")),
    # --- rules: the service
    "a rule's name": ("CreateReceiptRule", {"RuleSetName": "x", "Rule.Name": "-r"}, ("InvalidParameterValue", "Not a valid ruleName: -r")),
    "the set": ("CreateReceiptRule", {"RuleSetName": "x", "Rule.Name": "a", "After": "y"},
                ("RuleSetDoesNotExist", "Rule set does not exist: x")),
    "the name is free": ("CreateReceiptRule", {**SETS, "Rule.Name": "a", "After": "y"}, ("AlreadyExists", "Rule already exists: a")),
    "the one before": ("CreateReceiptRule", {**rule(*[HEADER] * 11), "After": "y"}, ("RuleDoesNotExist", "Rule does not exist: y")),
    "eleven actions": ("CreateReceiptRule", rule(STOP, *[HEADER] * 10), ("LimitExceeded", "Too many actions")),
    "stop is not last": ("CreateReceiptRule", rule(STOP, {**HEADER, "AddHeaderAction.HeaderName": "a b"}),
                         ("InvalidParameterValue", "Stop action, if any, must be placed at the end of the actions list")),
    "update: the set": ("UpdateReceiptRule", {"RuleSetName": "x", "Rule.Name": "a"}, ("RuleSetDoesNotExist", "Rule set does not exist: x")),
    "update: the rule": ("UpdateReceiptRule", {**SETS, "Rule.Name": "x"}, ("RuleDoesNotExist", "Rule does not exist: x")),
    "update: eleven actions": ("UpdateReceiptRule", {**rule(*[HEADER] * 11), "Rule.Name": "a"}, ("LimitExceeded", "Too many actions")),
    "delete: the set": ("DeleteReceiptRule", {"RuleSetName": "x", "RuleName": "a"}, ("RuleSetDoesNotExist", "Rule set does not exist: x")),
    "describe: the rule": ("DescribeReceiptRule", {**SETS, "RuleName": "x"}, ("RuleDoesNotExist", "Rule does not exist: x")),
    "describe: the set": ("DescribeReceiptRule", {"RuleSetName": "x", "RuleName": "x"}, ("RuleSetDoesNotExist", "Rule set does not exist: x")),
    "a recipient": ("CreateReceiptRule", {**rule(), "Rule.Recipients.member.1": "not valid"}, ("InvalidParameterValue", "Invalid recipient: not valid")),
    # --- targets: what is said without a look
    **{f"header name {name!r}": ("CreateReceiptRule", rule({**HEADER, "AddHeaderAction.HeaderName": name}),
                                 ("InvalidParameterValue", f"Invalid header name: {name}")) for name in ("a b", "a:", "", "ä", "<&> ", "a\tb")},
    "header value: a line": ("CreateReceiptRule", rule({**HEADER, "AddHeaderAction.HeaderValue": "a\nb"}),
                             ("InvalidParameterValue", "Invalid header value: a0x000ab")),
    "header value: 2049": ("CreateReceiptRule", rule({**HEADER, "AddHeaderAction.HeaderValue": "v" * 2049}),
                           ("InvalidParameterValue", "Invalid header value: " + "v" * 2049)),
    **{f"topic {topic!r} of {kind}": (
        "CreateReceiptRule", rule({**members, f"{kind}.TopicArn": topic}), ("InvalidSnsTopic", f"Invalid SNS topic: {topic}"))
       for kind, members in {
           "SNSAction": {}, "S3Action": {"S3Action.BucketName": ""}, "StopAction": STOP, "BounceAction": {**BOUNCE, "BounceAction.Message": ""},
           "LambdaAction": {"LambdaAction.FunctionArn": ""}, "WorkmailAction": {"WorkmailAction.OrganizationArn": "o"}}.items()
       for topic in ("", "bare", "arn:aws:sqs:us-east-1:111122223333:q", "arn:aws:sns:us-east-1:12:t")},
    "no bucket": ("CreateReceiptRule", rule({"S3Action.BucketName": ""}), ("InvalidParameterValue", "Bucket name must not be empty")),
    "no function": ("CreateReceiptRule", rule({"LambdaAction.FunctionArn": ""}), ("InvalidParameterValue", "Lambda function ARN must not be empty")),
    **{f"function {name!r}": ("CreateReceiptRule", rule({"LambdaAction.FunctionArn": name}),
                              ("InvalidLambdaFunction", f"Invalid Lambda function: {name}"))
       for name in ("bare", "arn:aws:lambda:us-east-1:111122223333:layer:x", f"arn:aws:lambda:eu-west-1:{ACCOUNT}:function:f")},
    "bounce: no code": ("CreateReceiptRule", rule({**BOUNCE, "BounceAction.SmtpReplyCode": "", "BounceAction.Message": ""}),
                        ("InvalidParameterValue", "Invalid SMTP reply code: ")),
    "bounce: no message": ("CreateReceiptRule", rule({**BOUNCE, "BounceAction.Message": ""}),
                           ("InvalidParameterValue", "Invalid SMTP response message: ")),
    "bounce: a stranger": ("CreateReceiptRule", rule(BOUNCE), ("InvalidParameterValue", "Identity is not verified: who@unverified.test")),
    # --- targets: what is tried
    **{f"no topic for {kind}": (
        "CreateReceiptRule", rule({**members, f"{kind}.TopicArn": TOPIC}), ("InvalidSnsTopic", f"Could not publish to SNS topic: {TOPIC}"))
       for kind, members in {
           "SNSAction": {}, "S3Action": {"S3Action.BucketName": "nobodys"}, "StopAction": STOP,
           "BounceAction": {**BOUNCE, "BounceAction.Sender": "who@example.com"}, "LambdaAction": {"LambdaAction.FunctionArn": FUNCTION},
           "WorkmailAction": {"WorkmailAction.OrganizationArn": "o"}}.items()},
    "no such bucket": ("CreateReceiptRule", rule({"S3Action.BucketName": "nobodys"}), ("InvalidS3Configuration", "No such bucket: nobodys")),
    "a closed bucket": ("CreateReceiptRule", rule({"S3Action.BucketName": "closed"}), ("InvalidS3Configuration", "Could not write to bucket: closed")),
    "a closed bucket, on update": ("UpdateReceiptRule", {**rule({"S3Action.BucketName": "closed"}), "Rule.Name": "a"},
                                   ("InvalidS3Configuration", "Could not write to bucket: closed")),
    "a key": ("CreateReceiptRule", rule({"S3Action.BucketName": "open", "S3Action.KmsKeyArn": KMS_KEY}),
              ("InvalidS3Configuration", f"Unable to use AWS KMS key: {KMS_KEY}")),
    "a role": ("CreateReceiptRule", rule({"S3Action.BucketName": "open", "S3Action.IamRoleArn": ROLE}),
               ("InvalidParameterValue", "Could not assume the provided IAM role")),
    "another account's role": ("CreateReceiptRule", rule({"S3Action.BucketName": "open", "S3Action.IamRoleArn": "arn:aws:iam::444455556666:role/r"}),
                               ("InvalidParameterValue", "Could not assume the provided IAM role")),
    "a word for a role": ("CreateReceiptRule", rule({"S3Action.BucketName": "open", "S3Action.IamRoleArn": "role"}),
                          ("InvalidParameterValue", "Could not assume the provided IAM role")),
    "the role of connect": ("CreateReceiptRule", rule({"ConnectAction.InstanceARN": "i", "ConnectAction.IAMRoleARN": ROLE}),
                       ("InvalidParameterValue", "Could not assume the provided IAM role")),
    "connect without a role": ("CreateReceiptRule", rule({"ConnectAction.InstanceARN": "i", "ConnectAction.IAMRoleARN": ""}),
                               ("InvalidParameterValue", "Could not assume the provided IAM role")),
    "the topic before the bucket": ("CreateReceiptRule", rule({"S3Action.BucketName": "", "S3Action.TopicArn": TOPIC}),
                                    ("InvalidSnsTopic", f"Could not publish to SNS topic: {TOPIC}")),
    "the topic before the sender": ("CreateReceiptRule", rule({**BOUNCE, "BounceAction.TopicArn": TOPIC}),
                                    ("InvalidSnsTopic", f"Could not publish to SNS topic: {TOPIC}")),
    "the role before the topic": (
        "CreateReceiptRule", rule({"S3Action.BucketName": "open", "S3Action.TopicArn": TOPIC, "S3Action.IamRoleArn": ROLE}),
        ("InvalidParameterValue", "Could not assume the provided IAM role")),
    "a function": ("CreateReceiptRule", rule({"LambdaAction.FunctionArn": FUNCTION}),
                   ("InvalidLambdaFunction", f"Could not invoke Lambda function: {FUNCTION}")),
    "the first action that fails": ("CreateReceiptRule", rule(HEADER, {"S3Action.BucketName": "nobodys"}, {"SNSAction.TopicArn": ""}),
                                    ("InvalidS3Configuration", "No such bucket: nobodys")),
    # --- filters
    "no filter": ("CreateReceiptFilter", {}, violations(("filter", NULL))),
    "a filter's name alone": ("CreateReceiptFilter", {"Filter.Name": "n"}, violations(("filter.ipFilter", NULL))),
    "a filter without a name": ("CreateReceiptFilter", {"Filter.IpFilter.Policy": "Block", "Filter.IpFilter.Cidr": "10.0.0.0/8"},
                                violations(("filter.name", NULL))),
    "a filter without policy": ("CreateReceiptFilter", {"Filter.Name": "n", "Filter.IpFilter.Cidr": "x"}, violations(("filter.ipFilter.policy", NULL))),
    "a filter's two faults": ("CreateReceiptFilter", {"Filter.Name": "n", "Filter.IpFilter.Policy": "Deny"},
                              violations(("filter.ipFilter.policy", values("Allow, Block")), ("filter.ipFilter.cidr", NULL))),
    "a filter that exists": ("CreateReceiptFilter", {"Filter.Name": "f", "Filter.IpFilter.Policy": "Allow", "Filter.IpFilter.Cidr": "10.0.0.1"},
                             ("AlreadyExists", "Filter already exists: f")),
    "a filter of no name": ("CreateReceiptFilter", {"Filter.Name": "", "Filter.IpFilter.Policy": "Allow", "Filter.IpFilter.Cidr": "x"},
                            ("InvalidParameterValue", "filterName must not be empty")),
    **{f"a filter named {name[:9]!r}": ("CreateReceiptFilter", {"Filter.Name": name, "Filter.IpFilter.Policy": "Allow", "Filter.IpFilter.Cidr": "x"},
                                        ("InvalidParameterValue", f"Not a valid filterName: {name}")) for name in ("a b", "-a", "a.", LONG, "ä", "<&'\">")},
    **{f"cidr {cidr!r}": ("CreateReceiptFilter", {"Filter.Name": "n", "Filter.IpFilter.Policy": "Allow", "Filter.IpFilter.Cidr": cidr},
                          ("InvalidParameterValue", f"Invalid CIDR block: {cidr}"))
       for cidr in ("", "x", "10.0.0.0/33", "10.0.0/24", "10.0.0.0/", "[2001:db8::1]", "fe80::1%eth0", "::ffff:192.0.2.1", "2001:db8::/129",
                    "2001:db8:::1", "10.0.0.0/２４", "０:0:0:0:0:0:0:1", "1:2:3:4:5:6:7:8:9", "256.0.0.1", "10.0.0.0/+8", " 10.0.0.1")},
    "no filter's name": ("DeleteReceiptFilter", {}, violations(("filterName", NULL))),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_what_is_refused_and_how_it_is_said(stage, case):
    operation, parameters, (code, message) = REFUSALS[case]
    answer = ask(stage, operation, parameters)
    assert (answer.status, answer.error["Type"], answer.error["Code"]) == (400, "Sender", code), answer.body
    assert answer.error["Message"] == message
    assert answer.root.tag == f"{NAMESPACE}ErrorResponse"
    request_id = answer.root.find(f"{NAMESPACE}RequestId").text
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", request_id) and answer.headers["x-amzn-RequestId"] == request_id
    named = {"AlreadyExists": "Name", "CannotDelete": "Name", "RuleSetDoesNotExist": "Name", "RuleDoesNotExist": "Name",
             "InvalidS3Configuration": "Bucket", "InvalidSnsTopic": "Topic", "InvalidLambdaFunction": "FunctionArn"}.get(code)
    if code == "InvalidS3Configuration":
        assert answer.error[named] == parameters["Rule.Actions.member.2.S3Action.BucketName" if "first" in case
                                                 else "Rule.Actions.member.1.S3Action.BucketName"]
    elif named:
        assert message.endswith(": " + answer.error[named]), answer.body
    names = [r.find(f"{NAMESPACE}Name").text for r in ask(stage, "DescribeReceiptRuleSet", SETS).result("DescribeReceiptRuleSet").iter(f"{NAMESPACE}member")
             if r.find(f"{NAMESPACE}Enabled") is not None]
    assert names == ["a", "b", "c"], "nothing of it was kept"


# --- what is well


def test_deleting_what_is_not_there_is_well(server):
    for operation, parameters in (
            ("DeleteReceiptRuleSet", {"RuleSetName": "never"}), ("DeleteReceiptFilter", {"FilterName": "never"}),
            ("DeleteReceiptFilter", {"FilterName": "-not a name!"}), ("DeleteReceiptFilter", {"FilterName": ""}),
            ("SetActiveReceiptRuleSet", {}), ("SetActiveReceiptRuleSet", {"RuleSetName": ""})):
        answer = ask(server, operation, parameters)
        result = answer.result(operation)
        assert result is not None and len(result) == 0 and not result.text, answer.body
    ask(server, "CreateReceiptRuleSet", SETS).result("CreateReceiptRuleSet")
    ask(server, "DeleteReceiptRule", {**SETS, "RuleName": "never"}).result("DeleteReceiptRule")
    ask(server, "SetActiveReceiptRuleSet", SETS).result("SetActiveReceiptRuleSet")
    ask(server, "SetActiveReceiptRuleSet", {"RuleSetName": ""}).result("SetActiveReceiptRuleSet")
    assert len(ask(server, "DescribeActiveReceiptRuleSet").result("DescribeActiveReceiptRuleSet")) == 0
    ask(server, "DeleteReceiptRuleSet", SETS).result("DeleteReceiptRuleSet")
    assert ask(server, "DescribeReceiptRuleSet", SETS).error["Code"] == "RuleSetDoesNotExist"


def described(server, name="new"):
    rule = ask(server, "DescribeReceiptRule", {**SETS, "RuleName": name})
    return re.search(r"<Rule>.*</Rule>", rule.body, re.S).group()


def test_defaults_are_written_back_and_what_is_absent_stays_absent(server):
    ses = server.client("ses")
    topic = server.client("sns").create_topic(Name="t")["TopicArn"]
    ses.create_receipt_rule_set(RuleSetName="main")
    plain = "<TlsPolicy>Optional</TlsPolicy><Actions></Actions><ScanEnabled>false</ScanEnabled></Rule>"
    ask(server, "CreateReceiptRule", rule()).result("CreateReceiptRule")
    assert described(server) == "<Rule><Name>new</Name><Enabled>false</Enabled>" + plain
    for sent in ({"Rule.Recipients": "", "Rule.Actions": ""}, {"Rule.Enabled": "false"}, {"Rule.Enabled": "0", "Rule.ScanEnabled": "0"}):
        ask(server, "UpdateReceiptRule", {**rule(), **sent}).result("UpdateReceiptRule")
        assert described(server) == "<Rule><Name>new</Name><Enabled>false</Enabled>" + plain
    ask(server, "UpdateReceiptRule", rule({"SNSAction.TopicArn": topic}, Enabled="1", TlsPolicy="Require", ScanEnabled="true")).result("UpdateReceiptRule")
    assert described(server) == (
        "<Rule><Name>new</Name><Enabled>true</Enabled><TlsPolicy>Require</TlsPolicy><Actions><member><SNSAction><Encoding>UTF-8</Encoding>"
        f"<TopicArn>{topic}</TopicArn></SNSAction></member></Actions><ScanEnabled>true</ScanEnabled></Rule>")
    # an update is the whole rule; a set is described with its metadata, and a time of milliseconds
    ask(server, "UpdateReceiptRule", rule()).result("UpdateReceiptRule")
    assert described(server) == "<Rule><Name>new</Name><Enabled>false</Enabled>" + plain
    body = ask(server, "DescribeReceiptRuleSet", SETS).body
    assert re.search(r"<DescribeReceiptRuleSetResult><Metadata><Name>main</Name><CreatedTimestamp>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
                     r"</CreatedTimestamp></Metadata><Rules><member><Name>new</Name>", body), body
    assert re.fullmatch(
        r"(<\?xml[^>]*\?>\n?)?<ListReceiptFiltersResponse xmlns=\"http://ses.amazonaws.com/doc/2010-12-01/\"><ListReceiptFiltersResult><Filters>"
        r"</Filters></ListReceiptFiltersResult><ResponseMetadata><RequestId>[0-9a-f-]{36}</RequestId></ResponseMetadata>"
        r"</ListReceiptFiltersResponse>", ask(server, "ListReceiptFilters").body)
    # a leading zero is a number too, as long as it is an action's
    ask(server, "UpdateReceiptRule", {**rule(), "Rule.Actions.member.01.StopAction.Scope": "RuleSet"}).result("UpdateReceiptRule")
    assert "<Actions><member><StopAction><Scope>RuleSet</Scope></StopAction></member></Actions>" in described(server)


def test_what_is_given_comes_back_whatever_it_is(server):
    receiving = Receiving(server)
    receiving.bucket("mail", bucket_policy("mail", receiving.arn("new")))
    odd = "a<b>&\"c\" 'd' ]]> ä 雪 😀 %41 +"
    ask(server, "CreateReceiptRule", rule(
        {"AddHeaderAction.HeaderName": "X-<&>'\"", "AddHeaderAction.HeaderValue": odd + "\t."},
        {"S3Action.BucketName": "mail", "S3Action.ObjectKeyPrefix": odd}, {"WorkmailAction.OrganizationArn": odd},
        {"AddHeaderAction.HeaderName": "x" * 1000, "AddHeaderAction.HeaderValue": ""},
        {"BounceAction.SmtpReplyCode": odd, "BounceAction.StatusCode": odd, "BounceAction.Message": odd, "BounceAction.Sender": "a&<b>@example.com"},
        {"AddHeaderAction.HeaderName": "Y", "AddHeaderAction.HeaderValue": "ä" * 1024},
    )).result("CreateReceiptRule")
    actions = receiving.ses.describe_receipt_rule(RuleSetName="main", RuleName="new")["Rule"]["Actions"]
    assert actions == [
        {"AddHeaderAction": {"HeaderName": "X-<&>'\"", "HeaderValue": odd + "\t."}},
        {"S3Action": {"BucketName": "mail", "ObjectKeyPrefix": odd}}, {"WorkmailAction": {"OrganizationArn": odd}},
        {"AddHeaderAction": {"HeaderName": "x" * 1000, "HeaderValue": ""}},
        {"BounceAction": {"SmtpReplyCode": odd, "StatusCode": odd, "Message": odd, "Sender": "a&<b>@example.com"}},
        {"AddHeaderAction": {"HeaderName": "Y", "HeaderValue": "ä" * 1024}}]
    assert receiving.s3.list_objects_v2(Bucket="mail")["Contents"][0]["Key"] == odd + "/AMAZON_SES_SETUP_NOTIFICATION"
    update = rule(**{"Recipients.member.1": "Z@Example.COM", "Recipients.member.2": "bücher.example", "Recipients.member.3": ".Example.com",
                     "Recipients.member.4": "z@example.com", "Recipients.member.5": "a+b@example.com"})
    ask(server, "UpdateReceiptRule", update).result("UpdateReceiptRule")
    assert receiving.ses.describe_receipt_rule(RuleSetName="main", RuleName="new")["Rule"]["Recipients"] == [
        ".example.com", "a+b@example.com", "bücher.example", "z@example.com"]


def test_the_query_protocol_is_spoken_in_every_way(server):
    assert ask(server, "CreateReceiptRuleSet", {"RuleSetName": "got"}, method="GET").result("CreateReceiptRuleSet") is not None
    assert ask(server, "CreateReceiptRuleSet", {"RuleSetName": "mailed"}, service="email").result("CreateReceiptRuleSet") is not None
    assert ask(server, "CreateReceiptRuleSet", {"RuleSetName": "timeless"}, version=None).result("CreateReceiptRuleSet") is not None
    listed = ask(server, "ListReceiptRuleSets", method="GET", service="email").result("ListReceiptRuleSets")
    assert [name.text for name in listed.iter(f"{NAMESPACE}Name")] == ["got", "mailed", "timeless"]
    # of two values with one name the first counts
    ask(server, "CreateReceiptRuleSet", [("RuleSetName", "first"), ("RuleSetName", "second")]).result("CreateReceiptRuleSet")
    assert ask(server, "DescribeReceiptRuleSet", {"RuleSetName": "second"}).error["Code"] == "RuleSetDoesNotExist"
    for operation, version in (("CreateReceiptRuleset", "2010-12-01"), ("CreateReceiptRuleSet", "2009-12-01"), ("Nothing", "2010-12-01")):
        answer = ask(server, operation, {"RuleSetName": "x"}, version=version)
        assert (answer.status, answer.error["Code"]) == (400, "InvalidAction"), answer.body
        assert answer.error["Message"].startswith(f"Could not find operation {operation} for version {version}")
        assert answer.root.tag == f"{NAMESPACE}ErrorResponse"
    assert ask(server, "").error["Code"] == "MissingAction"
    # another Region's sets are others
    assert not list(ask(server, "ListReceiptRuleSets", region="ap-south-1").result("ListReceiptRuleSets").iter(f"{NAMESPACE}Name"))


def test_a_set_holds_two_hundred_rules_of_ten_actions_and_an_account_forty_sets(server):
    header = {f"AddHeaderAction.Header{part}": "v" for part in ("Name", "Value")}
    ask(server, "CreateReceiptRuleSet", SETS).result("CreateReceiptRuleSet")
    for n in range(200):
        ask(server, "CreateReceiptRule", {**rule(*[header] * 10), "Rule.Name": f"r{n}"}).result("CreateReceiptRule")
    full = ask(server, "CreateReceiptRule", {**SETS, "Rule.Name": "more", "After": "nobody"})
    assert full.error == {"Type": "Sender", "Code": "LimitExceeded", "Message": "Too many rules"} and full.status == 400
    assert ask(server, "CreateReceiptRule", {**SETS, "Rule.Name": "r7"}).error["Code"] == "AlreadyExists", "the name is looked at first"
    assert ask(server, "UpdateReceiptRule", rule(*[header] * 10) | {"Rule.Name": "r7"}).status == 200
    for n in range(1, 40):
        ask(server, "CreateReceiptRuleSet", {"RuleSetName": f"s{n}"}).result("CreateReceiptRuleSet")
    for parameters in ({"RuleSetName": "more"}, {"RuleSetName": "more", "OriginalRuleSetName": "s1"}):
        operation = "CloneReceiptRuleSet" if len(parameters) == 2 else "CreateReceiptRuleSet"
        assert ask(server, operation, parameters).error == {"Type": "Sender", "Code": "LimitExceeded", "Message": "Too many rule sets"}
    assert ask(server, "CreateReceiptRuleSet", {"RuleSetName": "s1"}).error["Code"] == "AlreadyExists"
    assert len(list(ask(server, "ListReceiptRuleSets").result("ListReceiptRuleSets").iter(f"{NAMESPACE}member"))) == 40
    ask(server, "DeleteReceiptRuleSet", {"RuleSetName": "s1"}).result("DeleteReceiptRuleSet")
    ask(server, "CloneReceiptRuleSet", {"RuleSetName": "more", "OriginalRuleSetName": "main"}).result("CloneReceiptRuleSet")
    assert len(server.client("ses").describe_receipt_rule_set(RuleSetName="more")["Rules"]) == 200


def test_one_call_a_second_where_the_operator_wants_what_aws_does(make_server):
    server = make_server("--ses-call-rate", "1")

    def says(operation="ListReceiptRuleSets", **more):
        answer = ask(server, operation, **more)
        return (answer.status, answer.error and (answer.error["Type"], answer.error["Code"], answer.error["Message"]))
    throttled = (400, ("Sender", "Throttling", "Rate exceeded"))
    assert says() == (200, None)
    assert says() == throttled
    # another operation, another Region, another account, another service
    assert says("ListReceiptFilters") == (200, None)
    assert says(region="eu-west-1") == (200, None)
    assert server.client("ses", account="444455556666").list_receipt_rule_sets()["RuleSets"] == []
    for _ in range(5):
        server.client("sns").list_topics()
    # clients that try again get through: boto3's own way
    patient = server.client("ses", retries={"max_attempts": 8, "mode": "standard"})
    for n in range(3):
        patient.create_receipt_rule_set(RuleSetName=f"s{n}")
    time.sleep(1.1)
    assert says() == (200, None)


def test_who_may_not_is_told_so_before_anything_is_read(server):
    """Receipt operations have no resources: a policy must say *. Whatever else is wrong, who may not comes first."""
    iam = server.client("iam")
    iam.create_user(UserName="jane")
    key = iam.create_access_key(UserName="jane")["AccessKey"]
    jane = server.client("ses", key=key["AccessKeyId"], secret=key["SecretAccessKey"], parameter_validation=False)

    def may(resource):
        iam.put_user_policy(UserName="jane", PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": "ses:CreateReceiptRuleSet", "Resource": resource}]}))
    for resource in (f"arn:aws:ses:{REGION}:{ACCOUNT}:receipt-rule-set/main", f"arn:aws:ses:{REGION}:{ACCOUNT}:*"):
        may(resource)
        for name in ("main", "not a name"):
            answer = refused(lambda n=name: jane.create_receipt_rule_set(RuleSetName=n), "AccessDenied")
            assert answer["ResponseMetadata"]["HTTPStatusCode"] == 403 and answer["Error"]["Type"] == "Sender"
            assert answer["Error"]["Message"].startswith(
                f"User: arn:aws:iam::{ACCOUNT}:user/jane is not authorized to perform: ses:CreateReceiptRuleSet"), answer
    may("*")
    jane.create_receipt_rule_set(RuleSetName="main")
    refused(lambda: jane.describe_receipt_rule_set(RuleSetName="main"), "AccessDenied")
    for settings, code in ((dict(key="AKIDOFNOBODY00000000"), "InvalidClientTokenId"), (dict(secret="wrong"), "SignatureDoesNotMatch"),
                           (dict(signature_version=botocore.UNSIGNED), "MissingAuthenticationToken")):
        answer = refused(lambda s=settings: server.client("ses", **s).list_receipt_rule_sets(), code)
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 403, code
