"""The flows of vectors/policy/seed-flows.jsonl as worlds of a running server: accounts, Regions, rules and policies.

A flow of the vectors is a list of decisions. Here each becomes what its owner would have made: a rule with one action, the
role, bucket, keys, topic or function it names, and their policies, all through the API. What the vectors call by a name of
their own is called otherwise here, in the policies as in the blame (`Flow` and `World.in_life`): an account gets the flow's
number in front, so that each flow is alone in its accounts; a bucket's name gets the number behind; a key's id, a message's
id, a role session's name and a version's number are those that the server chose.
"""
import base64
import datetime
import itertools
import json
import re
import threading
import time

import botocore.exceptions
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from conftest import ROOT, data, eventually, message_id, s3_action
from test_lambda import package
from test_sns import Subscriber, fetch

FILE = ROOT / "vectors" / "policy" / "seed-flows.jsonl"
MAIL = b"Subject: a flow\r\n\r\nbody\r\n"
REGIONS = ["us-east-1", "us-west-2", "eu-west-1"]
PARTS = {"assume role": "trust", "data key": "key", "decrypt": "bucket-key", "write object": "bucket", "publish": "topic",
         "topic data key": "topic-key", "topic decrypt": "topic-key", "invoke": "function"}
SETUP = ["trust", "boundary", "identity", "key", "bucket-key", "bucket", "topic-key", "topic", "function"]
FUNCTION = {"app.py": "def handler(event, context):\n    print('told of', event['Records'][0]['ses']['mail']['messageId'])\n"}


class Confirming(Subscriber):
    """Subscribes to whatever asks, and keeps of which message which topic told it."""

    def __init__(self):
        super().__init__()
        self.seen, self.told, self.topics, self.lock = 0, set(), set(), threading.Lock()

    def read(self):
        with self.lock:
            while self.seen < len(self.posts):
                message = json.loads(self.posts[self.seen][3])
                self.seen += 1
                if message["Type"] == "SubscriptionConfirmation":
                    fetch(message["SubscribeURL"])
                    self.topics.add(message["TopicArn"])
                else:
                    self.told.add((message["TopicArn"], json.loads(message["Message"])["mail"]["messageId"]))

    def confirmed(self, topic):
        return eventually(lambda: self.read() or topic in self.topics)

    def told_of(self, topic, message):
        return eventually(lambda: self.read() or (topic, message) in self.told)


def statements(document):
    inside = document["Statement"]
    return inside if isinstance(inside, list) else [inside]


def permission(statement, function):
    """The parameters with which AddPermission makes this statement; None when there are none."""
    qualifier = statement["Resource"].removeprefix(function) if isinstance(statement["Resource"], str) else "?"
    principal, conditions = statement["Principal"], statement.get("Condition", {})
    names = {"StringEquals": {"aws:sourceaccount": "SourceAccount"}, "ArnLike": {"aws:sourcearn": "SourceArn"}}
    if principal == "*":
        who = "*"
    else:
        [who] = principal.values()
    if statement["Effect"] != "Allow" or not isinstance(who, str) or not re.fullmatch(r"(:\w+)?", qualifier):
        return None
    asked = {"StatementId": statement["Sid"], "Action": statement["Action"], "Principal": who}
    if qualifier:
        asked["Qualifier"] = qualifier[1:]
    for operator, keys in conditions.items():
        for key, value in keys.items():
            if names.get(operator, {}).get(key.lower()) is None or not isinstance(value, str):
                return None
            asked[names[operator][key.lower()]] = value
    return asked


def keeper(account):
    """What KMS puts into every key policy, and the page's own key policies are added to."""
    return {"Sid": "Enable IAM User Permissions", "Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{account}:root"},
            "Action": "kms:*", "Resource": "*"}


class Flow:
    """One flow, with accounts and a bucket that no other flow has."""

    def __init__(self, line, number):
        first = json.loads(line)
        asked = [step["request"] for step in first["steps"]]
        for account in {r["resource_account"] for r in asked} | {r["context"].get("aws:SourceAccount") for r in asked} - {None}:
            line = line.replace(account, f"{number:04d}{account[4:]}")
        for resource in {r["resource"] for r in asked if r["resource"].startswith("arn:aws:s3:::")}:
            bucket = resource.split(":::")[1].split("/")[0]
            for name in (bucket, bucket.upper()):
                line = line.replace(f":::{name}", f":::{name}-n{number}")
        self.number, told = number, json.loads(line)
        self.id, self.title, self.fault, self.steps = told["id"], told["title"], told["fault"], told["steps"]
        self.works, self.denied_at, self.blame = told["expect"] == "Allow", told.get("denied_at"), told.get("blame")
        self.name = f"{self.id[9:]} {self.title}: {self.fault}"
        self.first = self.steps[0]["request"]
        self.denied = None if self.works else self.steps[self.denied_at]
        self.resources, self.documents = {}, {}
        for step in self.steps:
            part = PARTS[step["step"]]
            self.resources[part] = step["request"]["resource"], step["request"]["resource_account"]
            policies = step["policies"]
            # each step has the policies as it needs them: of two for one thing, the one that denies is the flow's
            for kind, place in (("resource", part), ("trust", "trust"), ("identity", "identity"), ("boundary", "boundary")):
                if kind in policies and (step is self.denied or self.denied is None or not self.answers(self.denied, place)):
                    self.documents[place] = policies[kind]
            if step is self.denied and step["request"]["principal"] != "ses.amazonaws.com":
                self.documents["identity"] = policies.get("identity", [])
        for part in ("key", "bucket-key", "topic-key"):  # a key is never without a policy, and says who keeps it
            if part in self.resources and (part == "topic-key" or part not in self.documents):
                old = self.documents.get(part, {"Version": "2012-10-17", "Statement": []})
                self.documents[part] = dict(old, Statement=[keeper(self.resources[part][1]), *statements(old)])
        # the object is written and only its notice is denied: with those policies it would not have been written
        self.staged = self.denied is not None and "bucket" in self.resources and self.denied["step"] == "publish"

    @staticmethod
    def answers(denied, place):
        """Has the denied step a say in what the policy of this place is?"""
        if place in ("identity", "boundary"):
            return denied["request"]["principal"] != "ses.amazonaws.com"
        return PARTS[denied["step"]] == place

    def says(self, kind):
        return any(kind in step["policies"] for step in self.steps)

    def left_out(self):
        """Why a running server cannot make this flow; None when it can."""
        callers = [s["request"] for s in self.steps if "assumed-role" not in s["request"]["principal"]]
        if self.says("scp"):
            return "no organization with service control policies"
        if self.says("session"):
            return "SES passes no session policy when it assumes a role"
        if any(caller["principal"] != "ses.amazonaws.com" for caller in callers):
            return "mail comes by SES, not by another service"
        if any(not {"aws:SourceAccount", "aws:SourceArn"} <= set(caller["context"]) for caller in callers):
            return "SES always names the account and the rule"
        if any(caller["context"].get("aws:SecureTransport") != "true" for caller in callers):
            return "a service never calls in the clear"
        if len({(caller["context"]["aws:SourceAccount"], caller["context"]["aws:SourceArn"]) for caller in callers}) > 1:
            return "what one mail asks, it asks under one rule"
        context = self.first["context"]
        source, region = context["aws:SourceAccount"], context["aws:SourceArn"].split(":")[3]
        if "trust" in self.resources and self.resources["trust"][1] != source:
            return "a rule takes no role of another account"
        for part in ("key", "topic", "topic-key", "function"):
            if part in self.resources and self.resources[part][0].split(":")[3] != region:
                return "a rule takes keys, topics and functions of its own Region only"
        if set(self.resources) == {"topic"} and "topic" not in self.documents:
            return "a topic is never without a policy"
        if self.title == "key statement of the KMS guide" and (
                self.first["action"] != "kms:GenerateDataKey"
                or self.first["context"].get("kms:EncryptionContext:aws:ses:source-account") != source
                or self.fault.startswith("encryption-context")):
            return "SES asks for data keys alone, and always with its own whole context"
        if "function" in self.resources and "function" in self.documents:
            function = self.resources["function"][0]
            made = [permission(s, function) or permission(s, function.rsplit(":", 1)[0])
                    for s in statements(self.documents["function"])]
            if None in made:
                return "AddPermission makes no such statement"
        return None


class World:
    """One flow on the server."""

    def __init__(self, server, flow, subscriber):
        self.server, self.flow, self.refused, self.message = server, flow, None, None
        context = flow.first["context"]
        self.account = context["aws:SourceAccount"]
        self.region, self.rule_set, self.rule = re.fullmatch(
            r"arn:aws:ses:([^:]+):\d+:receipt-rule-set/([^:]+):receipt-rule/(.+)", context["aws:SourceArn"]).groups()
        self.domain = f"flow{flow.number}.example"
        self.subscriber, self.keys, self.qualifiers, self.boundaries = subscriber, {}, {}, []
        object_arn, self.owner = flow.resources.get("bucket", (f"arn:aws:s3:::flow-n{flow.number}/inbound/x", self.account))
        self.bucket, self.object_key = object_arn.split(":::")[1].split("/", 1)
        self.prefix = self.object_key.rsplit("/", 1)[0]
        self.role = flow.resources.get("trust", (None,))[0]
        self.topic, self.topic_owner = flow.resources.get("topic", (None, None))
        self.function, self.function_owner = flow.resources.get("function", (None, None))
        self.policies = json.loads(json.dumps(flow.documents))
        self.clients, self.put_at = {}, 0.0

    def client(self, service, account=None):
        account = account or self.account
        if (service, account) not in self.clients:
            with LOCK:  # boto3 makes its clients from one session
                self.clients[service, account] = self.server.client(service, account=account, region=self.region)
        return self.clients[service, account]

    @property
    def role_name(self):
        return self.role.rsplit("/", 1)[1]

    def in_life(self, value, part=None):
        """What the vectors call by their own names has these here."""
        if isinstance(value, (list, dict)):
            return json.loads(self.in_life(json.dumps(value), part))
        if not isinstance(value, str):
            return value
        for place, (old, new) in self.keys.items():
            if place == part or part != "bucket-key" and place != "bucket-key":
                value = value.replace(old, new)
        for old, new in self.qualifiers.items():
            value = value.replace(f"{self.function_name()}:{old}", f"{self.function_name()}:{new}")
        if self.message:
            value = value.replace(f":::{self.bucket}/{self.object_key}", f":::{self.bucket}/{self.prefix}/{self.message}")
            if self.role:
                value = re.sub(rf"(:assumed-role/{re.escape(self.role_name)}/)[\w-]+$", rf"\g<1>{self.message}", value)
        return value

    def function_name(self):
        return self.function.split(":")[6]

    # ---- the things of the flow, made so that the rule's test of its targets is content

    def make_bucket(self):
        where = {} if self.region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": self.region}}
        s3 = self.client("s3", self.owner)
        s3.create_bucket(Bucket=self.bucket, **where)
        self.put_bucket({"Version": "2012-10-17", "Statement": [{
            "Sid": "SetUp", "Effect": "Allow", "Principal": "*", "Action": "s3:PutObject",
            "Resource": f"arn:aws:s3:::{self.bucket}/*"}]})

    def make_key(self, part):
        arn, account = self.flow.resources[part]
        made = self.client("kms", account).create_key(Policy=json.dumps({"Version": "2012-10-17", "Statement": [
            {"Sid": "SetUp", "Effect": "Allow", "Principal": "*", "Action": "kms:*", "Resource": "*"}]}))["KeyMetadata"]
        self.keys[part] = arn.rsplit("/", 1)[1], made["KeyId"]
        if part == "bucket-key":
            self.client("s3", self.owner).put_bucket_encryption(Bucket=self.bucket, ServerSideEncryptionConfiguration={
                "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": made["Arn"]}}]})
        if part == "topic-key":
            self.client("sns", self.topic_owner).set_topic_attributes(
                TopicArn=self.topic, AttributeName="KmsMasterKeyId", AttributeValue=made["Arn"])

    def make_topic(self):
        sns = self.client("sns", self.topic_owner)
        assert sns.create_topic(Name=self.topic.rsplit(":", 1)[1])["TopicArn"] == self.topic
        if self.flow.documents.get("topic", {}).get("Id") == "__default_policy_ID" and self.topic_owner == self.account:
            made = sns.get_topic_attributes(TopicArn=self.topic)["Attributes"]["Policy"]
            assert json.loads(made) == self.policies["topic"], "the default policy is the vectors'"
        elif "topic" in self.policies:
            self.put_topic({"Version": "2012-10-17", "Statement": [{
                "Sid": "SetUp", "Effect": "Allow", "Principal": "*", "Action": "SNS:Publish", "Resource": self.topic}]})
        sns.subscribe(TopicArn=self.topic, Protocol="http", Endpoint=self.subscriber.url)
        assert self.subscriber.confirmed(self.topic)

    def make_function(self):
        aws, iam = self.client("lambda", self.function_owner), self.client("iam", self.function_owner)
        name, asked = self.function_name(), self.function.split(":")[7:]
        role = iam.create_role(RoleName="runs", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}))["Role"]["Arn"]
        aws.create_function(FunctionName=name, Runtime="python3.11", Handler="app.handler", Role=role, Timeout=20,
                            Code={"ZipFile": package(FUNCTION)})
        for word in {*asked, *re.findall(rf":function:{name}:(\w+)", json.dumps(self.flow.documents))}:
            version = aws.publish_version(FunctionName=name)["Version"]
            if word.isdigit():
                self.qualifiers[word] = version
            else:
                aws.create_alias(FunctionName=name, Name=word, FunctionVersion=version)
        aws.add_permission(FunctionName=self.function, StatementId="set-up", Action="lambda:InvokeFunction",
                           Principal="ses.amazonaws.com")

    def make_role(self):
        iam = self.client("iam")
        iam.create_role(RoleName=self.role_name, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "ses.amazonaws.com"}, "Action": "sts:AssumeRole"}]}))
        self.put_role_set_up("s3:PutObject", "kms:GenerateDataKey", "sns:Publish")

    def put_role_set_up(self, *actions):
        self.client("iam").put_role_policy(RoleName=self.role_name, PolicyName="set-up", PolicyDocument=json.dumps({
            "Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}]}))

    def action(self):
        if self.function:
            return {"LambdaAction": {"FunctionArn": self.function, "InvocationType": "RequestResponse"}}
        if self.topic and "bucket" not in self.flow.resources:
            return {"SNSAction": {"TopicArn": self.topic, "Encoding": "UTF-8"}}
        more = {"IamRoleArn": self.role, "TopicArn": self.topic,
                "KmsKeyArn": self.in_life(self.flow.resources["key"][0]) if "key" in self.keys else None}
        return s3_action(self.bucket, self.prefix, **{name: value for name, value in more.items() if value})

    def set_up(self):
        """All of it, the rule, and then the flow's own policies in place of those that let the rule be made."""
        resources = self.flow.resources
        if self.role:
            self.make_role()
        if self.topic:
            self.make_topic()
        if self.function:
            self.make_function()
        if "bucket" in resources or "key" in resources:
            self.make_bucket()
        for part in ("key", "bucket-key", "topic-key"):
            if part in resources:
                self.make_key(part)
        ses = self.client("ses")
        ses.verify_domain_identity(Domain=self.domain)
        ses.create_receipt_rule_set(RuleSetName=self.rule_set)
        ses.create_receipt_rule(RuleSetName=self.rule_set, Rule={
            "Name": self.rule, "Enabled": True, "Recipients": [self.domain], "Actions": [self.action()]})
        ses.set_active_receipt_rule_set(RuleSetName=self.rule_set)
        for other in set(re.findall(rf"arn:aws:iam::{self.account}:role/([\w-]+)", json.dumps(self.flow.documents))):
            if not self.role or other != self.role_name:  # no policy is taken that names a role which does not exist
                self.client("iam").create_role(RoleName=other, AssumeRolePolicyDocument=json.dumps(
                    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "ses.amazonaws.com"},
                                                             "Action": "sts:AssumeRole"}]}))
        if self.flow.staged:
            self.put_role_set_up("s3:PutObject", "kms:GenerateDataKey")
            self.send()
            waiting = self.server.attempted(self.message, 2)["attempts"]
            assert [(a["action"], a["outcome"]) for a in waiting] == [("S3", "done"), ("S3 notice", "retry")], waiting
        self.put_all()

    def put_all(self):
        """The flow's own policies; the first that is refused, when one is."""
        if self.role:
            self.client("iam").delete_role_policy(RoleName=self.role_name, PolicyName="set-up")
        if self.function:
            self.client("lambda", self.function_owner).remove_permission(
                FunctionName=self.function.split(":")[6], StatementId="set-up",
                **({"Qualifier": self.function.split(":")[7]} if self.function.count(":") > 6 else {}))
        for part in SETUP:
            try:
                if part in self.policies:
                    getattr(self, "put_" + part.replace("-", "_"))(self.in_life(self.policies[part], part))
                elif part == "bucket" and part in self.flow.resources:
                    self.client("s3", self.owner).delete_bucket_policy(Bucket=self.bucket)
            except botocore.exceptions.ClientError as error:
                self.refused = error.response["Error"]
                return
        self.put_at = time.time()

    # ---- a policy at its place

    def put_trust(self, document):
        self.client("iam").update_assume_role_policy(RoleName=self.role_name, PolicyDocument=json.dumps(document))

    def put_identity(self, documents):
        for index, document in enumerate(documents):
            self.client("iam").put_role_policy(RoleName=self.role_name, PolicyName=f"p{index}",
                                               PolicyDocument=json.dumps(document))

    def put_boundary(self, documents):
        [document] = documents
        self.boundaries.append(self.client("iam").create_policy(
            PolicyName=f"ceiling{len(self.boundaries)}", PolicyDocument=json.dumps(document))["Policy"]["Arn"])
        self.client("iam").put_role_permissions_boundary(RoleName=self.role_name, PermissionsBoundary=self.boundaries[-1])

    def put_bucket(self, document):
        self.client("s3", self.owner).put_bucket_policy(Bucket=self.bucket, Policy=json.dumps(document))

    def put_topic(self, document):
        self.client("sns", self.topic_owner).set_topic_attributes(TopicArn=self.topic, AttributeName="Policy",
                                                                  AttributeValue=json.dumps(document))

    def put_any_key(self, part, document):
        kms = self.client("kms", self.flow.resources[part][1])
        kms.put_key_policy(KeyId=self.keys[part][1], PolicyName="default", Policy=json.dumps(document),
                           BypassPolicyLockoutSafetyCheck=True)

    def put_key(self, document):
        self.put_any_key("key", document)

    def put_bucket_key(self, document):
        self.put_any_key("bucket-key", document)

    def put_topic_key(self, document):
        self.put_any_key("topic-key", document)

    def put_function(self, document):
        """By AddPermission, the only way; what it made is what the flow has."""
        aws = self.client("lambda", self.function_owner)
        plain = ":".join(self.function.split(":")[:7])
        for statement in statements(document):
            asked = permission(statement, plain)
            where = {"Qualifier": asked["Qualifier"]} if "Qualifier" in asked else {}
            made = json.loads(aws.add_permission(FunctionName=plain, **asked)["Statement"])
            assert lower_keys(made) == lower_keys(statement)
            kept = json.loads(aws.get_policy(FunctionName=plain, **where)["Policy"])["Statement"]
            assert made in kept

    # ---- mail, and what came of it

    def send(self):
        with self.server.smtp(REGIONS.index(self.region)) as session:
            session.ehlo()
            assert session.mail("a@sender.example")[0] == 250
            assert session.rcpt(f"user@{self.domain}")[0] == 250
            self.message = message_id(*data(session, MAIL))

    def rehearsed(self):
        done = self.server.explain("--rule", f"{self.rule_set}/{self.rule}", "--account", self.account,
                                   "--region", self.region, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def acted(self):
        """What the timeline calls the action that the flow is about."""
        [kind] = self.action()
        return {"LambdaAction": "Lambda", "SNSAction": "SNS",
                "S3Action": "S3 notice" if self.flow.staged else "S3"}[kind]

    def told(self):
        """The first attempt under the flow's policies."""
        def probe():
            attempts = self.server.timeline(self.message)["attempts"]
            return next((a for a in attempts if a["action"] == self.acted() and when(a["at"]) >= self.put_at - 0.001), None)
        found = eventually(probe, 30)
        assert found, self.server.timeline(self.message)
        return found

    def effect(self):
        """Asserts what the mail did. On new connections: the old ones may be silent for a minute just now, and be closed."""
        for client in self.clients.values():
            client.close()
        if self.function:
            log = self.server.data / "functions" / "logs" / f"{self.function_owner}.{self.region}.{self.function_name()}.0"
            assert eventually(lambda: f"told of {self.message}" in log.read_text()), log.read_text()  # written some ms later
            return
        if self.topic:
            assert self.subscriber.told_of(self.topic, self.message)
        if "bucket" in self.flow.resources or "key" in self.keys:
            assert self.stored().endswith(MAIL)

    def stored(self):
        got = self.client("s3", self.owner).get_object(Bucket=self.bucket, Key=f"{self.prefix}/{self.message}")
        octets = got["Body"].read()
        if "bucket-key" in self.keys:
            assert got["SSEKMSKeyId"].endswith(self.keys["bucket-key"][1])
        if "key" not in self.keys:
            return octets
        entries = got["Metadata"]
        context = json.loads(entries["x-amz-matdesc"])
        assert context["aws:ses:message-id"] == self.message and context["aws:ses:rule-name"] == self.rule
        assert context["aws:ses:source-account"] == self.account and MAIL not in octets
        data_key = self.client("kms", self.flow.resources["key"][1]).decrypt(
            CiphertextBlob=base64.b64decode(entries["x-amz-key-v2"]), EncryptionContext=context)["Plaintext"]
        return AESGCM(data_key).decrypt(base64.b64decode(entries["x-amz-iv"]), octets, None)

    # ---- the remedy

    def mend(self, denial):
        """Puts the remedies in place, and those of what the rule's rehearsal then still finds lacking."""
        for _ in range(8):
            self.mend_one(denial)
            actions = self.rehearsed()["actions"]
            told = next((a["decisions"][-1] for a in actions if a["outcome"] == "denied"), None)
            if told is None:
                return
            denial = {**told, **told["blame"]}
        raise AssertionError(f"no end of remedies: {denial}")

    def mend_one(self, denial):
        """An explicit deny has no remedy but its going."""
        place = self.place(denial["policy"], denial)
        if denial["element"] == "Effect":
            inside = self.policies[place][0] if place in ("identity", "boundary") else self.policies[place]
            lift(inside, denial.get("sid"))
            self.put(place)
        for remedy in denial.get("remedies") or []:
            place, statement = self.place(remedy["policy"], denial), dict(remedy["statement"], Sid=f"Mended{next(COUNT)}")
            if place == "function":
                assert "aws lambda add-permission --function-name " + self.in_life(self.function) in remedy["says"]
                self.policies[place] = {"Statement": [statement]}
            elif place == "identity":
                self.policies.setdefault(place, []).append({"Version": "2012-10-17", "Statement": [statement]})
            elif place == "boundary":
                self.policies[place] = [dict(d, Statement=statements(d) + [statement]) for d in self.policies[place]]
            else:
                old = self.policies.get(place) or {"Version": "2012-10-17", "Statement": []}
                self.policies[place] = dict(old, Statement=statements(old) + [statement])
            self.put(place)

    def locked(self):
        """Does the flow's key policy leave nobody who could change it?"""
        place = self.flow.denied and PARTS[self.flow.denied["step"]]
        return place in self.keys and "kms:*" not in [
            s["Action"] for s in statements(self.flow.documents[place])
            if s["Principal"] == {"AWS": f"arn:aws:iam::{self.flow.resources[place][1]}:root"}]

    def put(self, place):
        getattr(self, "put_" + place.replace("-", "_"))(self.in_life(self.policies[place], place))

    def place(self, policy, denial):
        """Which of the flow's policies a denial means."""
        kind = policy.split("[")[0]
        if kind != "resource":
            return kind
        service = denial["action"].split(":")[0].lower()
        if service == "kms":
            return next(part for part, (_, key) in self.keys.items() if denial["resource"].endswith(key))
        return {"s3": "bucket", "sns": "topic", "lambda": "function"}[service]


COUNT = itertools.count(1)
LOCK = threading.Lock()


def lower_keys(statement):
    """As AddPermission writes them: the case of a condition key's name is Lambda's own."""
    return {**statement, "Condition": {operator: {k.lower(): v for k, v in keys.items()}
                                       for operator, keys in statement.get("Condition", {}).items()}}


def lift(document, sid):
    inside = statements(document)
    if len(inside) == 1:
        inside[0]["Effect"] = "Allow"
    document["Statement"] = [s for s in inside if s["Effect"] == "Allow" or sid is not None and s.get("Sid") != sid]


def when(text):
    return datetime.datetime.fromisoformat(text[:-1] + "+00:00").timestamp()


def read_flows():
    return [Flow(line, number) for number, line in enumerate(FILE.read_text().splitlines(), 1)]
