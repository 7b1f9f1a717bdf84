"""The seed page's flows of vectors/policy on a running server: each that real mail can make.

Each flow is set up, its rule is rehearsed, its mail is sent; what is denied gets its remedies. Then each is compared with
its `blame`, and the next attempt must deliver. One server holds them all: every flow has accounts of its own.
`seed_worlds.py` has the worlds; docs/flows.md lists what is not run, and why (`python3 tests/test_seed_flows.py` writes it).
"""
import collections
import concurrent.futures
import contextlib
import json
import sys

import botocore.exceptions
import pytest

import seed_worlds
from conftest import ROOT, Server
from seed_worlds import REGIONS, Confirming, World, read_flows

pytestmark = pytest.mark.xdist_group("seed flows")  # one server, and so one process, for all of them

MEMBERS = {"action", "resource", "principal", "policy", "sid", "element", "operator", "key", "wanted", "got", "sentence",
           "remedy", "remedies", "instead", "denies", "hints"}
REFUSED_WHEN_SAVED = {  # (title begins, step, fault): what the service says to the policy
    ("S3 action through a bucket policy", "write object", "wrong-bucket"): ("MalformedPolicy", "Policy has invalid resource"),
    ("S3 action through a bucket policy", "write object", "bucket-case"): ("MalformedPolicy", "Policy has invalid resource"),
    ("S3 action through a bucket policy", "write object", "bucket-without-slash-star"): (
        "MalformedPolicy", "Action does not apply to any resource(s) in statement"),
    ("S3 action through a role", "write object", "statement-missing"): ("MalformedPolicyDocument", "Syntax errors in policy."),
    ("Lambda action", None, "ok:action-case"): (
        "ValidationException", "1 validation error detected: Value 'LAMBDA:INVOKEFUNCTION' at 'action' failed to satisfy "
        "constraint: Member must satisfy regular expression pattern: (lambda:[*]|lambda:[a-zA-Z]+|[*])"),
    **{("SNS action", "publish", fault): (
        "InvalidParameter", "Invalid parameter: Policy statement must apply to a single resource!")
       for fault in ("wrong-topic", "wrong-topic-account", "wrong-topic-region", "topic-name-case")},
}
# Lambda keeps a policy for the function and one for each version and alias; the flows have them in one document.
OTHERWISE = {fault: {"policy": "resource", "element": "Statement", "got": "no statement for ses.amazonaws.com"} for fault in
             ("version-qualified-policy", "policy-on-function-not-alias", "other-alias")}
# A service asks for a data key before it decrypts one; the vectors bend the second question only.
DECRYPTS = {("bucket-key", "decrypt-missing"), ("topic-key", "decrypt-missing"), ("topic-key", "wrong-action")}


def refusal(flow):
    step = flow.denied and flow.denied["step"]
    return next((said for (title, at, fault), said in REFUSED_WHEN_SAVED.items()
                 if flow.title.startswith(title) and (at, fault) == (step, flow.fault)), None)


FLOWS = {flow.name: flow for flow in read_flows()}
LEFT_OUT = {name: flow.left_out() for name, flow in FLOWS.items() if flow.left_out()}
LIVE = {name: flow for name, flow in FLOWS.items() if name not in LEFT_OUT}
REFUSED = [name for name, flow in LIVE.items() if refusal(flow)]
WORKS = [name for name, flow in LIVE.items() if flow.works and name not in REFUSED]
DENIED = [name for name, flow in LIVE.items() if not flow.works and name not in REFUSED]


def at_once(does, things):
    """Each of the things done, several at a time."""
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        return dict(zip(things, pool.map(does, things)))


@pytest.fixture(scope="module")
def worlds(tmp_path_factory):
    """Every flow, set up, rehearsed, its mail sent, and mended when that was denied."""
    server = Server(tmp_path_factory.mktemp("flows"), *[word for r in REGIONS for word in ("--smtp", f"{r}=127.0.0.1:0")])
    server.start()
    subscriber = Confirming()
    made = {name: World(server, flow, subscriber) for name, flow in LIVE.items()}

    def begin(name):
        world = made[name]
        try:
            world.set_up()
        except Exception as error:
            raise AssertionError(f"{name}: {error}") from error
        if world.refused:
            return
        world.rehearsal = world.rehearsed()
        if not world.message:
            world.send()
        if name in DENIED:
            world.attempt = world.told()
            world.text = server.explain("--message", world.message).stdout
            with contextlib.suppress(KeyError):  # no denial: the test of it says so
                mend(world, world.attempt["denial"])

    def mend(world, denial):
        world.lock_out = None
        try:
            world.mend(denial)
        except botocore.exceptions.ClientError as error:
            world.lock_out = error.response["Error"]["Code"], error.operation_name
    at_once(begin, sorted(made, key=lambda name: not made[name].flow.staged))  # those first that wait for a second attempt
    yield made
    server.stop(expect=None)
    subscriber.close()


@pytest.mark.parametrize("name", WORKS)
def test_a_flow_that_works_delivers(worlds, name):
    world = worlds[name]
    assert not world.refused, world.refused
    assert world.rehearsal["allowed"] is True, world.rehearsal
    timeline = world.server.settled(world.message, ["delivered"])
    assert {a["outcome"] for a in timeline["attempts"]} == {"done"}
    world.effect()


@pytest.mark.parametrize("name", REFUSED)
def test_a_policy_that_is_not_taken(worlds, name):
    error = worlds[name].refused
    assert (error["Code"], error["Message"]) == refusal(LIVE[name]), error


@pytest.mark.parametrize("name", DENIED)
def test_a_flow_with_a_fault_is_blamed_exactly(worlds, name):
    world = worlds[name]
    assert not world.refused, world.refused
    attempt, as_text = world.attempt, world.text
    flow, step, part = world.flow, world.flow.denied, seed_worlds.PARTS[world.flow.denied["step"]]
    assert attempt["outcome"] == "retry" and attempt["rule"] == world.rule, attempt
    denial = attempt["denial"]
    assert set(denial) <= MEMBERS
    asked = {member: world.in_life(step["request"][member], part) for member in ("action", "resource", "principal")}
    if asked["action"] == "kms:Decrypt" and (part, flow.fault) not in DECRYPTS:
        asked["action"] = "kms:GenerateDataKey"
    asked["action"] = asked["action"].replace("sns:", "SNS:")  # as SNS spells it
    assert {member: denial[member] for member in asked} == asked, denial
    blame = OTHERWISE.get(flow.fault, flow.blame)
    want = {member: world.in_life(value, part) for member, value in blame.items()}
    if want["element"] == "Statement" and want["policy"].startswith("identity"):
        del want["got"]  # free words
    if want["element"] == "Action":
        want["got"] = asked["action"]
    assert {member: denial.get(member, "absent") for member in want} == want, denial
    for member in ("sid", "operator", "key"):
        assert member in want or member not in denial or member == "sid" and want["element"] == "Principal", denial
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
def test_the_rehearsal_says_what_the_delivery_will(worlds, name):
    world = worlds[name]
    denial = world.attempt["denial"]
    assert world.rehearsal["allowed"] is False
    [action] = [a for a in world.rehearsal["actions"] if a["action"] == world.acted()]
    assert action["outcome"] == "denied", action
    said = json.loads(json.dumps(action["decisions"][-1]).replace("0" * 40, world.message))
    for member in ("action", "resource", "principal", "sentence", "remedy", "remedies", "instead", "denies"):
        assert said.get(member) == denial.get(member), member
    for member in ("policy", "sid", "element", "operator", "key", "wanted", "got"):
        assert said["blame"].get(member) == denial.get(member), member


@pytest.mark.parametrize("name", DENIED)
def test_the_remedy_delivers_at_the_next_attempt(worlds, name):
    world = worlds[name]
    if world.locked():  # a key that nobody keeps takes no other policy
        assert world.lock_out == ("AccessDeniedException", "PutKeyPolicy")
        return
    assert world.lock_out is None
    timeline = world.server.settled(world.message, ["delivered"], 60)
    assert timeline["attempts"][-1]["outcome"] == "done"
    world.effect()


# ---- what is left to the engine

def table():
    """docs/flows.md, as this file makes it."""
    reasons = collections.defaultdict(list)
    for name, reason in LEFT_OUT.items():
        reasons[reason].append(FLOWS[name].fault)
    lines = [INTRODUCTION.format(all=len(FLOWS), live=len(LIVE), works=len(WORKS), denied=len(DENIED), refused=len(REFUSED))]
    lines += ["| left to the engine because | flows | faults |", "| --- | --- | --- |"]
    for reason, faults in sorted(reasons.items()):
        lines.append(f"| {reason} | {len(faults)} | {', '.join(f'`{f}`' for f in sorted(set(faults)))} |")
    lines += ["", "| not taken when saved | code | message |", "| --- | --- | --- |"]
    for (title, _, fault), (code, message) in REFUSED_WHEN_SAVED.items():
        lines.append(f"| {title}, `{fault}` | {code} | {message.replace('|', chr(92) + '|')} |")
    return "\n".join(lines) + "\n"


INTRODUCTION = """\
# The flows of the seed page, on real mail

<!-- written by tests/test_seed_flows.py, which fails when this is no longer true -->

[vectors/policy/seed-flows.jsonl](../vectors/policy/README.md) has the policies of the SES page *Giving permissions to Amazon SES for
email receiving* as {all} flows, right and with one fault each. `script/vectors` puts every decision of them to the engine.
`tests/test_seed_flows.py` makes {live} of them on a running server, through the API, as their owner would: {works} deliver a real
mail to bucket, topic or function, encrypted where the flow says so; {denied} are denied with the blame that the flow names, as their rehearsal
said before, and deliver once the remedies are in place (two have a key that nobody may change any more); {refused} have a policy that its service does not take.
"""


def test_the_list_of_what_is_left_out_is_true():
    """A flow that becomes possible is to be taken in: this list gets shorter, never longer unseen."""
    assert (ROOT / "docs" / "flows.md").read_text() == table(), "python3 tests/test_seed_flows.py > docs/flows.md"


if __name__ == "__main__":
    sys.stdout.write(table())
