"""`sesame explain` on files, in the words of the vectors, and on the rules of a running server."""
import copy
import json
import pathlib
import subprocess

import botocore.exceptions
import pytest

from conftest import (ACCOUNT, BINARY, REGION, ROOT, Receiving, bucket_policy, role_policy, rule_arn, s3_action,
                      trust_policy)

VECTORS = ROOT / "vectors" / "policy"
OTHER = "444455556666"
MAIL = b"Subject: may it?\r\n\r\nbody\r\n"


def explain(*arguments, stdin=None):
    return subprocess.run([BINARY, "explain", *arguments], input=stdin, capture_output=True, text=True, timeout=60,
                          check=False)


def explained(question, *arguments):
    """What is said of a vector, or of a flow, read from standard input."""
    return explained_each([question], *arguments)[0]


def explained_each(questions, *arguments):
    """What is said of each of many, one a line; of so many at a time that a file's bound holds them."""
    said = []
    for at in range(0, len(questions), 200):
        lines = "".join(json.dumps(question) + "\n" for question in questions[at:at + 200])
        done = explain("--request", "-", "--json", *arguments, stdin=lines)
        assert done.returncode == 0, done.stderr
        said += map(json.loads, done.stdout.splitlines())
    assert len(said) == len(questions)
    return said


def vectors(name):
    return [json.loads(line) for line in (VECTORS / name).read_text().splitlines()]


def decided(vector):
    return "request" in vector and "expect" in vector


# ---- files

def test_it_answers_in_the_words_of_the_vectors():
    asked = [vector for file in sorted(VECTORS.glob("*.jsonl")) for vector in vectors(file.name)[::23]
             if decided(vector) and vector["confidence"] != "B"]
    assert len(asked) > 200
    for vector, said in zip(asked, explained_each(asked)):
        assert said["expect"] == vector["expect"], vector["id"]
        if "matched" in vector:
            for effect in ("allow", "deny"):
                assert sorted(said["matched"][effect]) == sorted(vector["matched"][effect]), vector["id"]
        assert said["sentence"], vector["id"]
        assert ("blame" in said) == ("aws_sentence" in said) == (said["expect"] != "Allow"), vector["id"]
        documents = vector["policies"]
        statements = [document["Statement"] for place in documents.values()
                      for document in flat(place)]
        assert len(said["trace"]) == sum(len(s) if isinstance(s, list) else 1 for s in statements), vector["id"]


def flat(place):
    """Every document below "resource", "identity", "scp": one, a list, a list of lists."""
    if isinstance(place, dict):
        return [place]
    return [document for one in place for document in flat(one)]


def test_request_and_policies_may_lie_in_files_of_their_own(tmp_path):
    vector = vectors("seed-flows.jsonl")[6]
    step = vector["steps"][vector["denied_at"]]
    request, policies, both = tmp_path / "request.json", tmp_path / "policies.json", tmp_path / "both.json"
    request.write_text(json.dumps(step["request"], indent=2))
    policies.write_text(json.dumps(step["policies"], indent=2))
    both.write_text(json.dumps(step))
    apart = explain("--request", str(request), "--policies", str(policies), "--json")
    together = explain("--request", str(both), "--json")
    assert apart.returncode == together.returncode == 0, apart.stderr + together.stderr
    # A whole line of the vectors serves as either file.
    for one, other in ((both, both), (request, both), (both, policies)):
        twice = explain("--request", str(one), "--policies", str(other), "--json")
        assert twice.returncode == 0 and json.loads(twice.stdout)["blame"] == vector["blame"], twice.stderr
    said, beside = json.loads(apart.stdout), json.loads(together.stdout)
    for hint in said["hints"] + beside["hints"]:  # a place is that in the document, as it is laid out
        del hint["line"], hint["column"]
    assert said == beside
    assert said["blame"] == vector["blame"]
    text = explain("--request", str(request), "--policies", str(policies)).stdout
    assert text.startswith("ImplicitDeny: " + said["sentence"]), text
    assert said["aws_sentence"] in text
    assert json.dumps(said["remedy"], separators=(",", ":")) in text


def test_the_exit_code_tells_of_the_answer_only_when_asked(tmp_path):
    flow = vectors("seed-flows.jsonl")
    allowed = next(f for f in flow if f["expect"] == "Allow")
    denied = next(f for f in flow if f["expect"] == "ImplicitDeny")
    for question, code in ((allowed, 0), (denied, 1)):
        assert explain("--request", "-", stdin=json.dumps(question)).returncode == 0
        assert explain("--request", "-", "--exit-code", stdin=json.dumps(question)).returncode == code


def test_hints_are_told_of_what_is_allowed_too():
    flow = next(f for f in vectors("seed-flows.jsonl") if f["expect"] == "Allow")
    assert all(step["hints"] == [] for step in explained(flow)["steps"])
    open_to_all = {"request": {**REQUEST, "context": {"aws:SourceAccount": ACCOUNT}},
                   "policies": {"resource": {"Statement": {"Effect": "Allow", "Action": "s3:PutObject",
                                                           "Principal": {"Service": "ses.amazonaws.com"},
                                                           "Resource": "arn:aws:s3:::mail/*"}}}}
    said = explained(open_to_all)
    assert said["expect"] == "Allow"
    assert [hint["id"] for hint in said["hints"]] == ["missing-source-account", "missing-source-arn"]
    assert "warning (missing-source-account, line 1, column " in explain("--request", "-", stdin=json.dumps(open_to_all)).stdout


REQUEST = {"principal": "ses.amazonaws.com", "action": "s3:PutObject", "resource": "arn:aws:s3:::mail/x",
           "resource_account": ACCOUNT}
ALLOW = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:*",
                                                 "Resource": "arn:aws:s3:::mail/*"}]}
WRONG = {
    "no JSON": ("{\n  \"principal\": x}", "{}", "request.json: line 2, column 16: "),
    "no object": ("[]", "{}", "request.json: line 1, column 1: a request is an object, found an array"),
    "an unknown member": ({**REQUEST, "resourceAccount": "1"}, {}, "a request has no \"resourceAccount\""),
    "a missing member": ({"action": "s3:PutObject"}, {}, "request.json: line 1, column 1: the request has no principal"),
    "an empty member": ({**REQUEST, "action": ""}, {}, "action is a string that is not empty"),
    "an action without service": ({**REQUEST, "action": "PutObject"}, {}, "a service and one action"),
    "a pattern of actions": ({**REQUEST, "action": "s3:*"}, {}, "a service and one action"),
    "a resource that is no ARN": ({**REQUEST, "resource": "mail"}, {}, "resource is an ARN, or *"),
    "a pattern of resources": ({**REQUEST, "resource": "arn:aws:sns:*:1:t"}, {}, "one thing, not a pattern"),
    "an account of three digits": ({**REQUEST, "principal": "arn:aws:iam::123:root"}, {}, "no account of twelve digits"),

    "a role as principal": ({**REQUEST, "principal": f"arn:aws:iam::{ACCOUNT}:role/r"}, {},
                            "arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION"),
    "nobody as principal": ({**REQUEST, "principal": "amber"}, {}, "not \"amber\""),
    "a group as principal": ({**REQUEST, "principal": f"arn:aws:iam::{ACCOUNT}:group/g"}, {}, "asks for nothing"),
    "an owner unknown": ({k: v for k, v in REQUEST.items() if k != "resource_account"}, {}, "has no resource_account"),
    "an owner of eleven digits": ({**REQUEST, "resource_account": "11112222333"}, {}, "twelve digits"),
    "a context that is a list": ({**REQUEST, "context": []}, {}, "context is an object"),
    "a key that is an object": ({**REQUEST, "context": {"aws:SourceIp": {}}}, {}, "a string or a list of strings"),
    "an unknown policy": (REQUEST, {"bucket": ALLOW}, "policies.json: line 1, column 12: "
                          "there is no kind of policy called \"bucket\""),
    "a policy by itself": (REQUEST, ALLOW, "says which policy it is"),
    "one where a list is": (REQUEST, {"identity": ALLOW}, "identity is a list of documents, found an object"),
    "levels without lists": (REQUEST, {"scp": [ALLOW]}, "scp is a list of levels, each a list of documents"),
    "an operator unknown, far down": (
        REQUEST, "{\"resource\":\n {\"Version\": \"2012-10-17\",\n  \"Statement\": [\n   {\"Effect\": \"Allow\", "
        "\"Sid\": \"\u00e9\u00e9\", \"Principal\": \"*\", \"Action\": \"*\", \"Resource\": \"*\",\n"
        "    \"Condition\": {\"StringIs\": {\"aws:SourceAccount\": \"1\"}}}]}}",
        "policies.json: line 5, column 19: \"StringIs\" is no condition operator"),
    "an Effect in lower case, on one line": (
        REQUEST, "{\"resource\": {\"Statement\": {\"Effect\": \"allow\"}}}", "policies.json: line 1, column 39: Effect is"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_said_with_its_place(what, tmp_path):
    request, policies, says = WRONG[what]
    for name, content in (("request", request), ("policies", policies)):
        (tmp_path / f"{name}.json").write_text(content if isinstance(content, str) else json.dumps(content))
    done = subprocess.run([BINARY, "explain", "--request", "request.json", "--policies", "policies.json"], cwd=tmp_path,
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2, done
    assert done.stdout == ""
    assert says in done.stderr and done.stderr.count("\n") == 1, done.stderr
    assert " line " in done.stderr and " column " in done.stderr, done.stderr


@pytest.mark.parametrize("arguments, says", [
    ((), "One of --message ID, --rule SET/RULE, --setup [SET/RULE], --request FILE"),
    (("--request", "/nowhere/at-all"), "/nowhere/at-all cannot be read: No such file or directory"),
    (("--policies", "x"), "One of"),
    (("--request", "x", "--rule", "a/b"), "One of"),
    (("--rule", "a/b", "--policies", "x"), "--policies goes with --request"),
    (("--rule", "a"), "--rule wants SET/RULE"),
    (("--rule", "a/b", "--account", "12"), "--account wants twelve digits"),
    (("--request",), "--request wants a value"),
])
def test_a_wrong_question_is_one_sentence(arguments, says):
    done = explain(*arguments)
    assert done.returncode == 2
    assert says in done.stderr and done.stderr.count("\n") == 1, done.stderr


# ---- following what it says

def place_of(policies, name):
    """("identity", 0) and its like: the container and the index of a policy, or None and None."""
    parts = name.replace("]", "").split("[")
    container, index = policies, parts[0]
    for part in parts[1:]:
        container, index = container[index], int(part)
    return container, index


def carry_out(step, remedies):
    for remedy in remedies:
        if "document" not in remedy:
            container, index = place_of(step["policies"], remedy["policy"])
            document = container[index]
            if isinstance(document["Statement"], dict):
                document["Statement"] = [document["Statement"]]
            document["Statement"].append(remedy["statement"])
        elif remedy["policy"] == "identity":
            step["policies"].setdefault("identity", []).append(remedy["document"])
        elif "[" in remedy["policy"]:
            step["policies"][remedy["policy"].split("[")[0]].append(remedy["document"])
        else:
            step["policies"][remedy["policy"]] = remedy["document"]


def take_away(step, denies):
    for deny in sorted(denies, key=lambda one: -one["statement"]):  # from the back: the others keep their numbers
        container, index = place_of(step["policies"], deny["policy"])
        document = container[index]
        if isinstance(document["Statement"], dict):
            document["Statement"] = [document["Statement"]]
        del document["Statement"][deny["statement"]]


def follow_files(flow, said):
    """Does what is told of the step at which the flow ends: what was added, and what was taken away."""
    step, told = flow["steps"][said["denied_at"]], said["steps"][said["denied_at"]]
    if told["expect"] == "ImplicitDeny":
        assert told["remedy"] == told["remedies"][0]["statement"]
        carry_out(step, told["remedies"])
        return 1, 0
    assert "remedy" not in told and "remedies" not in told
    applying = [t for t in told["trace"] if t["effect"] == "Deny" and t["applies"]]
    assert [(d["policy"], d["statement"]) for d in told["denies"]] == \
        [(t["policy"], t["statement"]) for t in applying], flow["id"]
    assert told["denies"] and all(d.get("sid", "") in told["instead"] for d in told["denies"])
    take_away(step, told["denies"])
    return 0, 1


def test_each_denied_flow_passes_when_its_explanations_are_followed():
    mended = removed = rounds = 0
    flows = [copy.deepcopy(flow) for flow in vectors("seed-flows.jsonl") if flow["expect"] != "Allow"]
    answers = explained_each(flows)
    for flow, said in zip(flows, answers):
        assert (said["expect"], said["denied_at"]) == (flow["expect"], flow["denied_at"])
        for member, value in flow["blame"].items():
            if member == "got" and flow["blame"]["element"] == "Statement":
                continue
            assert said["steps"][said["denied_at"]]["blame"][member] == value, flow["id"]
    while flows:
        rounds += 1
        assert rounds < 8, [flow["id"] for flow in flows]
        for flow, said in zip(flows, answers):
            added, taken = follow_files(flow, said)
            mended, removed = mended + added, removed + taken
        answers = explained_each(flows)
        left = [pair for pair in zip(flows, answers) if pair[1]["expect"] != "Allow"]
        flows, answers = [flow for flow, _ in left], [said for _, said in left]
    assert mended > 200 and removed > 20


def test_a_file_may_hold_many_questions(tmp_path):
    yes = {"request": REQUEST, "policies": {"resource": ALLOW}}
    no = {"request": REQUEST, "policies": {}}
    flow = next(flow for flow in vectors("seed-flows.jsonl") if flow["expect"] != "Allow")
    file = tmp_path / "many.jsonl"

    def ask(*lines, arguments=()):
        file.write_text("".join(lines))
        return explain("--request", str(file), *arguments)

    said = ask(json.dumps(no), "\n\n", json.dumps(flow), "\n", json.dumps(no), arguments=["--json"])
    each = [json.loads(line) for line in said.stdout.splitlines()]
    assert each[0] == each[2] == explained(no) and each[1] == explained(flow) and len(each) == 3
    text = ask(json.dumps(no), "\n", json.dumps(flow), "\n").stdout
    assert text.startswith("line 1\n  ") and "\nline 2\n  step 1\n    " in text
    assert all(line.startswith(("line ", "  ")) for line in text.splitlines() if line)
    assert ask(json.dumps(no), "\n\r\n \n").stdout == explain("--request", "-", stdin=json.dumps(no)).stdout
    apart = tmp_path / "policies.json"
    apart.write_text("{}")
    governed = ask(json.dumps(REQUEST), "\n", json.dumps(REQUEST), "\n", arguments=["--policies", str(apart), "--json"])
    assert [json.loads(line) for line in governed.stdout.splitlines()] == [explained(no)] * 2
    denied = [ask(*lines, arguments=["--exit-code"]).returncode
              for lines in ((json.dumps(no), "\n", json.dumps(yes), "\n"), (json.dumps(yes), "\n", json.dumps(yes)))]
    assert denied == [1, 0], explain("--request", str(file)).stdout
    for bad, says in (('{"request": }', "line 1, column 13: "), (json.dumps({"request": REQUEST}), "no policies here"),
                      ("[1]", "line 1, column 1: ")):
        wrong = ask(json.dumps(no), "\n", json.dumps(no), "\n", bad, "\n")
        assert wrong.returncode == 2 and not wrong.stdout
        assert "many.jsonl, question of line 3: " in wrong.stderr and says in wrong.stderr, wrong.stderr
        assert wrong.stderr.count("\n") == 1


# ---- rules of a running server

def rehearsed(server, rule, *arguments, denied=None):
    done = server.explain("--rule", rule, "--json", *arguments)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    if denied is not None:
        assert server.explain("--rule", rule, "--exit-code", *arguments).returncode == int(denied)
    return said


def nothing_happened(receiving, objects):
    assert receiving.keys() == objects
    assert receiving.server.get("/_sesame/messages")["messages"] == []


def denied_as_rehearsed(receiving, rule="store"):
    """A rehearsal, and then a mail: both say the same of what is asked, wanted, got, and of what would mend it."""
    before = receiving.keys()
    said = rehearsed(receiving.server, f"{receiving.rule_set}/{rule}", denied=True)
    nothing_happened(receiving, before)
    action = said["actions"][0]
    assert (said["allowed"], action["outcome"]) == (False, "denied"), said
    told = action["decisions"][-1]
    message = receiving.server.send(MAIL)
    denial = receiving.server.attempted(message)["attempts"][0]["denial"]
    zeros = "0" * 40

    def named(value):
        return json.loads(json.dumps(value).replace(zeros, message))
    for member in ("action", "resource", "principal", "sentence", "remedy", "remedies", "instead", "denies"):
        assert named(told.get(member)) == denial.get(member), member
    for member, value in told["blame"].items():
        assert named(value) == denial[member], member
    return said


@pytest.fixture
def stored(server):
    receiving = Receiving(server)
    receiving.store(prefix="in")
    return receiving


def test_a_rule_that_works_is_rehearsed_without_effect(stored):
    said = rehearsed(stored.server, "main/store", denied=False)
    nothing_happened(stored, [])
    assert said["allowed"] is True and said["active"] is True and said["enabled"] is True
    assert (said["account"], said["region"], said["arn"]) == (ACCOUNT, REGION, rule_arn("main", "store"))
    (action,) = said["actions"]
    assert (action["action"], action["outcome"]) == ("S3", "allowed")
    (decision,) = action["decisions"]
    assert decision["expect"] == "Allow" and decision["matched"] == {"allow": ["resource.0"], "deny": []}
    assert decision["principal"] == "ses.amazonaws.com"
    assert decision["resource"] == "arn:aws:s3:::mail/in/" + "0" * 40
    text = stored.server.explain("--rule", "main/store").stdout
    assert "every action is allowed" in text and "bucket policy of mail allows it" in text
    stored.server.settled(stored.server.send(MAIL), ("delivered",))


@pytest.mark.parametrize("what, policy", {
    "another rule": bucket_policy("mail", rule_arn("main", "other")),
    "another service": bucket_policy("mail", rule_arn("main", "store"), Principal={"Service": "sns.amazonaws.com"}),
    "another prefix": bucket_policy("mail", rule_arn("main", "store"), Resource="arn:aws:s3:::mail/out/*"),
    "a deny": bucket_policy("mail", rule_arn("main", "store"), Effect="Deny"),
    "no policy": None,
}.items())
def test_a_rehearsal_and_a_delivery_agree_on_a_denial(stored, what, policy):
    if policy:
        stored.policy("mail", policy)
    else:
        stored.s3.delete_bucket_policy(Bucket="mail")
    said = denied_as_rehearsed(stored)
    told = said["actions"][0]["decisions"][0]
    if what == "a deny":
        assert told["expect"] == "ExplicitDeny" and "AllowSESPuts" in told["instead"]
        assert told["denies"] == [{"policy": "resource", "sid": "AllowSESPuts", "statement": 0,
                                   "attached_to": "arn:aws:s3:::mail"}]
    else:
        assert told["remedy"]["Resource"] == "arn:aws:s3:::mail/in/*"
    # Following it delivers the mail.
    assert follow(stored) == (["denies", "remedies"] if what == "a deny" else ["remedies"])
    stored.server.settled(stored.server.send(MAIL), ("delivered",))


def edit_policy(receiving, place, arn, edit):
    """What a script would do that knows AWS and nothing of Sesame: `place` and `arn` are all it has to go by."""
    empty = {"Version": "2012-10-17", "Statement": []}
    name = arn.rpartition(":")[2].rpartition("/")[2]
    if place == "resource":
        s3 = receiving.bucket_owner
        try:
            document = json.loads(s3.get_bucket_policy(Bucket=name)["Policy"])
        except botocore.exceptions.ClientError:
            document = empty
        document = edit(document)
        if document["Statement"]:
            s3.put_bucket_policy(Bucket=name, Policy=json.dumps(document))
        else:
            s3.delete_bucket_policy(Bucket=name)
    elif place == "trust":
        document = receiving.iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]
        receiving.iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(edit(document)))
    elif place == "identity":
        receiving.iam.put_role_policy(RoleName=name, PolicyName="more", PolicyDocument=json.dumps(edit(empty)))
    else:
        raise AssertionError(place)


def follow(receiving, rule="main/store"):
    """Asks and does as it is told until every action is allowed; which of the two ways it was told, in turn."""
    receiving.bucket_owner = getattr(receiving, "bucket_owner", receiving.s3)
    ways = []
    while not (said := rehearsed(receiving.server, rule))["allowed"]:
        told = said["actions"][0]["decisions"][-1]
        ways += [way for way in ("denies", "remedies") if way in told]
        assert len(ways) < 6, ways
        for deny in told.get("denies", [])[::-1]:
            edit_policy(receiving, deny["policy"].split("[")[0], deny["attached_to"], lambda document: {
                **document, "Statement": [s for at, s in enumerate(document["Statement"]) if at != deny["statement"]]})
        for remedy in told.get("remedies", []):
            edit_policy(receiving, remedy["policy"].split("[")[0], remedy["attached_to"], lambda document: {
                **document, "Statement": [*document["Statement"], remedy["statement"]]})
    return ways


def test_a_script_that_knows_only_the_json_opens_a_bucket_of_another_account(server):
    receiving = with_role(server, bucket_account=OTHER)
    receiving.iam.update_assume_role_policy(
        RoleName="writer", PolicyDocument=json.dumps(trust_policy(rule_arn("clone", "store"))))
    receiving.iam.delete_role_policy(RoleName="writer", PolicyName="p")
    receiving.bucket_owner.delete_bucket_policy(Bucket="mail")
    assert follow(receiving) == ["remedies", "remedies"]  # the trust; then the role's policy and the bucket's at once
    server.settled(server.send(MAIL), ("delivered",))
    assert len(json.loads(receiving.bucket_owner.get_bucket_policy(Bucket="mail")["Policy"])["Statement"]) == 1


def with_role(server, trust=None, policy=None, bucket_account=None):
    receiving = Receiving(server)
    role = f"arn:aws:iam::{ACCOUNT}:role/writer"
    receiving.iam.create_role(RoleName="writer", AssumeRolePolicyDocument=json.dumps(trust_policy(rule_arn("main", "store"))))
    receiving.iam.put_role_policy(RoleName="writer", PolicyName="p", PolicyDocument=json.dumps(role_policy("mail")))
    receiving.bucket_owner = server.client("s3", account=bucket_account) if bucket_account else receiving.s3
    receiving.bucket_owner.create_bucket(Bucket="mail")
    if bucket_account:
        receiving.bucket_owner.put_bucket_policy(Bucket="mail", Policy=json.dumps(
            bucket_policy("mail", None, Sid="Role", Principal={"AWS": role}, Condition=None)))
    receiving.rule("store", s3_action("mail", IamRoleArn=role))
    if trust:
        receiving.iam.update_assume_role_policy(RoleName="writer", PolicyDocument=json.dumps(trust))
    if policy == "none":
        receiving.iam.delete_role_policy(RoleName="writer", PolicyName="p")
    return receiving


def test_a_role_is_asked_for_first_and_then_asks(server):
    receiving = with_role(server)
    said = rehearsed(server, "main/store", denied=False)
    nothing_happened(receiving, [])
    assume, put = said["actions"][0]["decisions"]
    assert (assume["action"], assume["principal"], assume["expect"]) == ("sts:AssumeRole", "ses.amazonaws.com", "Allow")
    assert (put["action"], put["expect"]) == ("s3:PutObject", "Allow")
    assert put["principal"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/writer/" + "0" * 40
    server.settled(server.send(MAIL), ("delivered",))


def test_a_role_that_does_not_trust_the_rule_is_not_asked_further(server):
    receiving = with_role(server, trust=trust_policy(rule_arn("clone", "store")))
    said = denied_as_rehearsed(receiving)
    (decision,) = said["actions"][0]["decisions"]
    assert decision["blame"]["policy"] == "trust" and decision["blame"]["key"] == "AWS:SourceArn"
    hints = {hint["id"]: hint for hint in decision["hints"]}
    assert set(hints) == {"source-arn-names-another-rule", "cloned-rule-set"}, hints
    assert hints["cloned-rule-set"]["policy"] == "trust" and rule_arn("main", "store") in hints["cloned-rule-set"]["says"]
    assert "warning (cloned-rule-set, line 1, column " in server.explain("--rule", "main/store").stdout
    timeline = server.attempted(server.send(MAIL))
    assert [hint["id"] for hint in timeline["attempts"][0]["denial"]["hints"]] == list(hints)
    assert "warning (cloned-rule-set): " in server.explain("--message", timeline["messageId"]).stdout


def test_a_role_without_policies_is_told_what_to_attach(server):
    said = denied_as_rehearsed(with_role(server, policy="none"))
    assume, put = said["actions"][0]["decisions"]
    assert assume["expect"] == "Allow"
    assert put["remedies"][0]["says"] == f"attach a policy with this statement to arn:aws:iam::{ACCOUNT}:role/writer"
    assert put["remedies"][0]["document"]["Statement"] == [put["remedy"]]


def test_what_is_no_question_of_policy_is_said_too(stored):
    for key in ("AMAZON_SES_SETUP_NOTIFICATION", "in/AMAZON_SES_SETUP_NOTIFICATION"):
        stored.s3.delete_object(Bucket="mail", Key=key)
    stored.s3.delete_bucket(Bucket="mail")
    said = rehearsed(stored.server, "main/store", denied=True)
    assert said["actions"][0]["outcome"] == "failed"
    assert said["actions"][0]["says"] == "could not write to bucket mail: The specified bucket does not exist"
    assert said["actions"][0]["decisions"] == []


def test_every_action_of_a_rule_is_rehearsed_and_what_fails_says_so(stored):
    topic = stored.server.client("sns").create_topic(Name="t")["TopicArn"]
    stored.policy("mail", bucket_policy("mail", rule_arn("main", "*"), Condition={
        "ArnLike": {"aws:SourceArn": rule_arn("main", "*")}, "StringEquals": {"aws:SourceAccount": ACCOUNT}}))
    stored.rule("many",
                {"AddHeaderAction": {"HeaderName": "X-Seen", "HeaderValue": "yes"}},
                {"SNSAction": {"TopicArn": topic, "Encoding": "UTF-8"}},
                s3_action("mail", TopicArn=topic),
                {"WorkmailAction": {"OrganizationArn": f"arn:aws:workmail:{REGION}:{ACCOUNT}:organization/m-1"}},
                {"StopAction": {"Scope": "RuleSet"}},
                enabled=False)
    said = rehearsed(stored.server, "main/many", denied=True)
    assert [(a["action"], a["outcome"]) for a in said["actions"]] == [
        ("AddHeader", "asks nobody"), ("SNS", "allowed"), ("S3", "allowed"), ("S3 notice", "allowed"),
        ("WorkMail", "failed"), ("Stop", "asks nobody")]
    assert said["enabled"] is False
    text = stored.server.explain("--rule", "main/many").stdout
    assert "the rule is disabled" in text and "no mail store is mapped to the organization" in text, text


def test_account_and_region_choose_the_rule_set(server):
    elsewhere = Receiving(server, account=OTHER, region="eu-west-1", domain="other.example")
    elsewhere.store(bucket="theirs")
    for wrong in ((), ("--account", OTHER), ("--region", "eu-west-1")):
        done = server.explain("--rule", "main/store", *wrong)
        assert done.returncode == 1 and "has no rule set main in" in done.stderr, done
    said = rehearsed(server, "main/store", "--account", OTHER, "--region", "eu-west-1")
    assert said["allowed"] is True and said["arn"] == rule_arn("main", "store", OTHER, "eu-west-1")
    done = server.explain("--rule", "main/archive", "--account", OTHER, "--region", "eu-west-1")
    assert done.returncode == 1 and "the rule set main has no rule archive" in done.stderr


def test_a_set_that_is_not_active_says_so(stored):
    stored.ses.create_receipt_rule_set(RuleSetName="next")
    stored.ses.set_active_receipt_rule_set(RuleSetName="next")
    assert rehearsed(stored.server, "main/store")["active"] is False
    assert "not the active one" in stored.server.explain("--rule", "main/store").stdout


def test_the_page_wants_its_parameters(server):
    for query in ("", "?ruleSet=main", "?ruleSet=main&rule=store&account=12"):
        with pytest.raises(Exception, match="400"):
            server.get("/_sesame/explain" + query)
    with pytest.raises(Exception, match="404"):
        server.get("/_sesame/explain?ruleSet=main&rule=store")


def test_no_server_is_said_in_a_sentence(tmp_path):
    done = explain("--rule", "main/store", "--data", str(tmp_path / "none"))
    assert done.returncode == 1 and done.stderr.count("\n") == 1, done
    assert pathlib.Path(tmp_path / "none").exists() is False
