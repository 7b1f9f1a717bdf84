"""The seed page's flows of vectors/policy on a running server: each that real mail, S3, IAM and STS can make.

All flows are set up first and their mail is sent; then each is compared with its `blame`; then its remedy is put in
place, and the next attempt must deliver. One server holds them all: every flow has accounts and buckets of its own.
"""
import collections
import json
import re

import pytest

from conftest import ROOT, Server, data, message_id, s3_action

import botocore.exceptions

MAIL = b"Subject: a flow\r\n\r\nbody\r\n"
REGIONS = ["us-east-1", "us-west-2", "eu-west-1"]
TITLES = {"S3 action through a bucket policy", "S3 action through a role", "role writes to a bucket of another account",
          "role session narrowed by a session policy"}
MEMBERS = {"action", "resource", "principal", "policy", "sid", "element", "operator", "key", "wanted", "got", "sentence",
           "remedy", "remedies", "instead", "denies", "hints"}
REFUSED_WHEN_SAVED = {  # bucket policies that S3 does not take
    "wrong-bucket": "Policy has invalid resource", "bucket-case": "Policy has invalid resource",
    "bucket-without-slash-star": "Action does not apply to any resource(s) in statement"}


def left_out(flow):
    """Why a running server cannot make this flow; None when it can."""
    kinds = {kind for step in flow["steps"] for kind in step["policies"]}
    for kind in ("boundary", "scp", "session"):
        if kind in kinds:
            return f"there are no {kind} policies yet"
    first = flow["steps"][0]["request"]
    if first["principal"] != "ses.amazonaws.com":
        return "no other service acts here"
    if not {"aws:SourceAccount", "aws:SourceArn"} <= set(first["context"]):
        return "mail always comes under a rule of an account"
    if first["context"].get("aws:SecureTransport") != "true":
        return "the service never calls in the clear"
    if any(not document["Statement"] for step in flow["steps"] for document in step["policies"].get("identity", [])):
        return "IAM saves no policy without a statement"
    if first["action"] == "sts:AssumeRole" and first["context"]["aws:SourceAccount"] != first["resource_account"]:
        return "a role of another account is refused when the rule is made"
    return None


def unique(line, number):
    """The flow with accounts and buckets that no other flow has."""
    flow = json.loads(line)
    for account in {step["request"]["resource_account"] for step in flow["steps"]}:
        line = line.replace(account, f"{number:04d}{account[4:]}")
    bucket = flow["steps"][-1]["request"]["resource"].split(":::")[1].split("/")[0]
    for name in (bucket, bucket.upper()):
        line = line.replace(f":::{name}", f":::{name}-n{number}")
    return json.loads(line)


def read_flows():
    flows, out = {}, collections.OrderedDict()
    for number, line in enumerate((ROOT / "vectors" / "policy" / "seed-flows.jsonl").read_text().splitlines(), 1):
        flow = json.loads(line)
        if flow["title"] not in TITLES:
            continue
        flow = unique(line, number)
        name = f"{flow['id'][9:]} {'role' if len(flow['steps']) > 1 else 'bucket'} {flow['fault']}"
        reason = left_out(flow)
        (out if reason else flows)[name] = reason or flow
    return flows, out


FLOWS, LEFT_OUT = read_flows()


class Live:
    """One flow on the server."""

    def __init__(self, server, number, flow):
        self.server, self.flow, self.refused = server, flow, None
        self.domain = f"flow{number}.example"
        context = flow["steps"][0]["request"]["context"]
        self.account = context["aws:SourceAccount"]
        self.region, self.rule_set, self.rule = re.fullmatch(
            r"arn:aws:ses:([^:]+):\d+:receipt-rule-set/([^:]+):receipt-rule/(.+)", context["aws:SourceArn"]).groups()
        write = flow["steps"][-1]
        self.owner = write["request"]["resource_account"]
        self.bucket, self.key = write["request"]["resource"].split(":::")[1].split("/", 1)
        self.s3 = self.client("s3", self.owner)
        self.ses, self.iam = self.client("ses", self.account), self.client("iam", self.account)
        self.role = flow["steps"][0]["request"]["resource"] if len(flow["steps"]) > 1 else None
        self.role_name = self.role and self.role.rsplit("/", 1)[1]
        self.policies = {"trust": flow["steps"][0]["policies"].get("trust"), "resource": write["policies"].get("resource"),
                         "identity": write["policies"].get("identity", [])}

    def client(self, service, account):
        return self.server.client(service, account=account, region=self.region)

    def put_resource(self):
        if self.policies["resource"]:
            self.s3.put_bucket_policy(Bucket=self.bucket, Policy=json.dumps(self.policies["resource"]))
        else:
            self.s3.delete_bucket_policy(Bucket=self.bucket)

    def put_role(self):
        self.iam.update_assume_role_policy(RoleName=self.role_name, PolicyDocument=json.dumps(self.policies["trust"]))
        for index, document in enumerate(self.policies["identity"]):
            self.iam.put_role_policy(RoleName=self.role_name, PolicyName=f"p{index}", PolicyDocument=json.dumps(document))

    def set_up(self):
        """All that the rule's test of its target wants, and then the flow's own policies in their place."""
        where = {} if self.region == "us-east-1" else {
            "CreateBucketConfiguration": {"LocationConstraint": self.region}}
        self.s3.create_bucket(Bucket=self.bucket, **where)
        statement = {"Sid": "SetUp", "Effect": "Allow", "Principal": "*", "Action": "s3:PutObject",
                     "Resource": f"arn:aws:s3:::{self.bucket}/*"}
        wide = {"Version": "2012-10-17", "Statement": [statement]}
        self.s3.put_bucket_policy(Bucket=self.bucket, Policy=json.dumps(wide))
        if self.role:
            trust = {"Version": "2012-10-17", "Statement": [
                {"Effect": "Allow", "Principal": {"Service": "ses.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
            mine = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:PutObject", "Resource": "*"}]}
            self.iam.create_role(RoleName=self.role_name, AssumeRolePolicyDocument=json.dumps(trust))
            self.iam.put_role_policy(RoleName=self.role_name, PolicyName="set-up", PolicyDocument=json.dumps(mine))
        self.ses.verify_domain_identity(Domain=self.domain)
        self.ses.create_receipt_rule_set(RuleSetName=self.rule_set)
        action = s3_action(self.bucket, self.key.rsplit("/", 1)[0], **({"IamRoleArn": self.role} if self.role else {}))
        self.ses.create_receipt_rule(RuleSetName=self.rule_set, Rule={"Name": self.rule, "Enabled": True,
                                                                      "Recipients": [self.domain], "Actions": [action]})
        self.ses.set_active_receipt_rule_set(RuleSetName=self.rule_set)
        for other in set(re.findall(rf"arn:aws:iam::{self.account}:role/([\w-]+)", json.dumps(self.flow["steps"]))):
            if other != self.role_name:  # S3 takes no policy that names a role which does not exist
                self.iam.create_role(RoleName=other, AssumeRolePolicyDocument=json.dumps(trust))
        if self.role:
            self.iam.delete_role_policy(RoleName=self.role_name, PolicyName="set-up")
            self.put_role()
        try:
            self.put_resource()
        except botocore.exceptions.ClientError as error:
            self.refused = error.response["Error"]

    def send(self):
        with self.server.smtp(REGIONS.index(self.region)) as session:
            session.ehlo()
            assert session.mail("a@sender.example")[0] == 250
            assert session.rcpt(f"user@{self.domain}")[0] == 250
            self.message = message_id(*data(session, MAIL))

    def in_life(self, value):
        """What the vectors call by their own names has this message's here."""
        write = self.flow["steps"][-1]["request"]
        live = value.replace(self.key, f"{self.key.rsplit('/', 1)[0]}/{self.message}") if isinstance(value, str) else value
        session = write["principal"].rsplit("/", 1)[-1]
        return re.sub(f"/{re.escape(session)}$", f"/{self.message}", live) if self.role and isinstance(live, str) else live

    def mend(self, denial):
        """Puts the remedy in place; an explicit deny has none but its going."""
        kind = denial["policy"].split("[")[0]
        if denial["element"] == "Effect":
            self.lift(self.policies["identity"][0] if kind == "identity" else self.policies[kind], denial["sid"])
        elif kind == "identity":
            self.policies["identity"].append(
                {"Version": "2012-10-17", "Statement": [dict(denial["remedy"], Sid="Mended")]})
        else:
            old = self.policies[kind] or {"Version": "2012-10-17", "Statement": []}
            statements = old["Statement"] if isinstance(old["Statement"], list) else [old["Statement"]]
            self.policies[kind] = dict(old, Statement=statements + [dict(denial["remedy"], Sid="Mended")])
        if kind == "resource":
            self.put_resource()
        else:
            self.put_role()

    @staticmethod
    def lift(document, sid):
        if len(document["Statement"]) == 1:
            document["Statement"][0]["Effect"] = "Allow"
        document["Statement"] = [s for s in document["Statement"] if s.get("Sid") != sid or s["Effect"] == "Allow"]


@pytest.fixture(scope="module")
def lives(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("flows"), *[word for r in REGIONS for word in ("--smtp", f"{r}=127.0.0.1:0")])
    server.start()
    all_of_them = {}
    for number, (name, flow) in enumerate(FLOWS.items()):
        live = all_of_them[name] = Live(server, number, flow)
        live.set_up()
        if not live.refused:
            live.send()
    yield all_of_them
    server.stop(expect=None)


@pytest.fixture(scope="module")
def told(lives):
    """What was said of each flow that was denied, before anything is mended; and again after a restart."""
    server = next(iter(lives.values())).server
    first = {}
    for name, live in lives.items():
        if live.flow["expect"] != "Allow" and not live.refused:
            first[name] = server.attempted(live.message)["attempts"][0]
    explained = {name: (server.explain("--message", lives[name].message, "--json").stdout,
                        server.explain("--message", lives[name].message).stdout) for name in first}
    return {name: (attempt, *explained[name]) for name, attempt in first.items()}


@pytest.fixture(scope="module")
def mended(lives, told):
    for name, (attempt, _, _) in told.items():
        lives[name].mend(attempt["denial"])
    return lives


def test_what_is_left_out_is_known():
    """A flow that becomes possible is to be taken in: this list gets shorter, never longer unseen."""
    assert collections.Counter(LEFT_OUT.values()) == {
        "there are no boundary policies yet": 2, "there are no scp policies yet": 2, "there are no session policies yet": 3,
        "no other service acts here": 2, "the service never calls in the clear": 2, "mail always comes under a rule of an account": 4,
        "a role of another account is refused when the rule is made": 1, "IAM saves no policy without a statement": 1}, LEFT_OUT


@pytest.mark.parametrize("name", [n for n, f in FLOWS.items() if f["expect"] == "Allow"])
def test_a_flow_that_works_delivers(lives, name):
    live = lives[name]
    timeline = live.server.settled(live.message, ["delivered"])
    assert [a["outcome"] for a in timeline["attempts"]] == ["done"]
    assert live.s3.get_object(Bucket=live.bucket, Key=live.in_life(live.key))["Body"].read().endswith(MAIL)


DENIED = [n for n, f in FLOWS.items() if f["expect"] != "Allow" and not (
    len(f["steps"]) == 1 and f["fault"] in REFUSED_WHEN_SAVED)]


@pytest.mark.parametrize("name", [n for n, f in FLOWS.items() if f["expect"] != "Allow" and n not in DENIED])
def test_a_policy_that_s3_does_not_take(lives, name):
    error = lives[name].refused
    assert (error["Code"], error["Message"]) == ("MalformedPolicy", REFUSED_WHEN_SAVED[FLOWS[name]["fault"]]), error


@pytest.mark.parametrize("name", DENIED)
def test_a_flow_with_a_fault_is_blamed_exactly(lives, told, name):
    live, (attempt, as_json, as_text) = lives[name], told[name]
    assert not live.refused, live.refused
    step, blame = live.flow["steps"][live.flow["denied_at"]], live.flow["blame"]
    assert attempt["outcome"] == "retry" and (attempt["rule"], attempt["action"]) == (live.rule, "S3"), attempt
    denial = attempt["denial"]
    assert set(denial) <= MEMBERS
    for member in ("action", "resource", "principal"):
        assert denial[member] == live.in_life(step["request"][member]), denial
    want = {member: live.in_life(value) for member, value in blame.items()}
    assert {member: denial.get(member, "absent") for member in want} == want, denial
    for member in ("sid", "operator", "key"):
        assert member in want or member not in denial or member == "sid" and want["element"] == "Principal", denial
    assert json.loads(as_json)["attempts"][0] == attempt
    assert denial["sentence"] in as_text
    for member in ("sid", "operator", "key", "wanted", "got"):
        value = want.get(member)
        for word in value if isinstance(value, list) else [value] if isinstance(value, str) else []:
            assert word in as_text, (member, word, as_text)
    if denial["element"] == "Effect":
        assert "remedy" not in denial
    else:
        assert json.dumps(denial["remedy"], separators=(",", ":")) in as_text


@pytest.mark.parametrize("name", DENIED)
def test_the_remedy_delivers_at_the_next_attempt(mended, name):
    live = mended[name]
    timeline = live.server.settled(live.message, ["delivered"], 60)
    assert timeline["attempts"][-1]["outcome"] == "done"
    assert live.s3.get_object(Bucket=live.bucket, Key=live.in_life(live.key))["Body"].read().endswith(MAIL)
