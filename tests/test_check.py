"""`sesame check`: would AWS take a policy, and does it say what is meant?"""
import json
import re
import subprocess

import pytest
from conftest import BINARY, ROOT

RULE = "arn:aws:ses:us-east-1:111122223333:receipt-rule-set/main:receipt-rule/store"


def check(*arguments, text=""):
    return subprocess.run([BINARY, "check", *arguments], input=text, capture_output=True, text=True, timeout=60, check=False)


def checked(text, *arguments):
    done = check("--json", "-", *arguments, text=text)
    assert done.stderr == "" and done.returncode in (0, 1), done
    [said] = json.loads(done.stdout)
    assert done.returncode == (0 if said["valid"] else 1) and said["valid"] == (not said["errors"])
    return said


def identifiers(said):
    return {hint["id"] for hint in said["hints"]}


# ---- the page of hints

def sections():
    """{identifier: (severity, document that raises it, document that does not)} of docs/hints.md."""
    found = {}
    for part in (ROOT / "docs" / "hints.md").read_text().split("\n## ")[1:]:
        name, text = part.split("\n", 1)
        raises, does_not = re.findall(r"```json\n(.*?)```", text, re.S)
        found[name] = (re.match(r"\s*(\w+)\.", text).group(1).lower(), raises, does_not)
    return found


def test_the_page_tells_of_every_hint_there_is():
    table = (ROOT / "src" / "policy" / "hints.h").read_text()
    rows = re.findall(r'^    X\(\w+, +"([a-z0-9-]+)", +(\w+)\)', table, re.M)
    assert len(rows) > 15
    assert [(name, severity.lower()) for name, severity in rows] == [(name, s[0]) for name, s in sections().items()]


@pytest.mark.parametrize("name", sections())
def test_a_hint_is_raised_by_its_example_and_not_by_the_mended_one(name):
    severity, raises, does_not = sections()[name]
    said = checked(raises, "--rule-arn", RULE)
    assert name in identifiers(said), said
    assert all(hint["severity"] == severity for hint in said["hints"] if hint["id"] == name)
    mended = checked(does_not, "--rule-arn", RULE)
    assert mended["valid"] and mended["hints"] == [], mended


# ---- errors, with their place

GOOD = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::mail/*"}]}
OF_BUCKET = {"Version": "2012-10-17", "Statement": [{
    "Effect": "Allow", "Principal": {"Service": "ses.amazonaws.com"}, "Action": "s3:PutObject", "Resource": "arn:aws:s3:::mail/*",
    "Condition": {"StringEquals": {"aws:SourceAccount": "111122223333"}, "ArnLike": {"aws:SourceArn": RULE}}}]}
REFUSED = {
    "no JSON": ("{\n \"Version\": }", "bucket", "MalformedPolicy", "This policy contains invalid Json", (2, 13)),
    "an Effect in lower case": ("{\"Version\":\"2012-10-17\",\n\"Statement\":{\"Effect\":\"allow\",\"Action\":\"s3:*\",\"Resource\":\"*\"}}",
                                "identity", "MalformedPolicyDocument", "The policy failed legacy parsing", (2, 23)),
    "an old version for IAM": ("{\"Version\":\"2008-10-17\",\"Statement\":{\"Effect\":\"Allow\",\"Action\":\"s3:*\",\"Resource\":\"*\"}}",
                               "identity", "MalformedPolicyDocument", "Policy document must be version 2012-10-17 or greater.", (1, 12)),
    "an operator nobody knows": ("{\"Version\":\"2012-10-17\",\"Statement\":{\"Effect\":\"Allow\",\"Action\":\"s3:*\",\"Resource\":\"*\",\n"
                                 "\"Condition\":{\"StringIs\":{\"a\":\"b\"}}}}", "identity", "MalformedPolicyDocument",
                                 "Syntax errors in policy.", (2, 14)),
    "no principal on a bucket": (json.dumps(GOOD), "bucket", "MalformedPolicy", "Missing required field Principal", None),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_aws_refuses_is_refused_in_its_words(what):
    text, kind, code, message, place = REFUSED[what]
    said = checked(text, "--type", kind)
    [error] = said["errors"]
    assert (error["code"], error["message"].split(" - ")[0]) == (code, message), error
    if place:
        assert (error["line"], error["column"]) == place, error
    if "no JSON" in what or "operator" in what:  # the service says little; then the grammar says what is wrong
        assert error["detail"].startswith(f"line {place[0]}, column {place[1]}: "), error
    done = check("--type", kind, "-", text=text)
    assert f"standard input:{error['line']}:{error['column']}: error: {code}: {error['message']}\n" in done.stdout
    assert "detail" not in error or f"\n  {error['detail']}\n" in done.stdout


def test_what_aws_takes_is_said_to_be_taken_and_the_type_is_guessed():
    for document, kind in ((GOOD, "identity"), (OF_BUCKET, "bucket")):
        said = checked(json.dumps(document))
        assert (said["type"], said["guessed"], said["valid"], said["hints"]) == (kind, True, True, [])
        assert checked(json.dumps(document), "--type", kind)["guessed"] is False
    assert f"of type bucket (guessed" in check("-", text=json.dumps(OF_BUCKET)).stdout


def test_the_target_is_what_resources_are_compared_with():
    text = json.dumps(OF_BUCKET)
    assert checked(text, "--target", "arn:aws:s3:::mail")["valid"]
    [error] = checked(text, "--target", "arn:aws:s3:::invoices")["errors"]
    assert (error["code"], error["message"]) == ("MalformedPolicy", "Policy has invalid resource")


def test_a_draft_is_refused_and_the_rest_is_told_all_the_same():
    """The page's permission policy of a role, as it is printed."""
    text = """{
  "Version": "2012-10-17",
  "Statement": [
    // Required: allows SES to write in the bucket
    { "Sid": "S3Access", "Effect": "Allow", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::my-bucket/*" },
    // Optional: use if a customer managed key is used in the S3 action
    { "Sid": "KMSAccess", "Effect": "Allow", "Action": "kms:GenerateDataKey*",
      "Resource": "arn:aws:kms:us-east-1::111122223333:key/1234" }
  ]
}"""
    said = checked(text)
    assert [(e["code"], e["line"], e["column"]) for e in said["errors"]] == [("MalformedPolicyDocument", 4, 5)]
    assert [(h["id"], h["line"], h["column"], h.get("sid")) for h in said["hints"]] == [
        ("comments-in-json", 4, 5, None), ("comments-in-json", 6, 5, None), ("arn-one-colon-too-many", 8, 19, "KMSAccess")]
    both = checked(text.replace('"Allow"', '"allow"', 1))
    assert [(e["line"], e["column"]) for e in both["errors"]] == [(4, 5), (5, 36)]


def test_two_faults_of_a_draft_are_both_told():
    text = '{"Version":"2012-10-17", // today\n"Statement":{"Effect":"Allow","Principal":"*","Action":"s3:GetObject"}}'
    said = checked(text, "--type", "bucket")
    assert [(e["message"], e["line"]) for e in said["errors"]] == [
        ("This policy contains invalid Json", 1), ("Missing required field Resource", 2)], said["errors"]


def test_statements_by_themselves_are_read_as_those_of_a_policy():
    one = json.dumps(OF_BUCKET["Statement"][0])
    for text, errors, hints in (
            (one, [], ["statement-without-policy"]),
            (one + ",\n" + one, [], ["statement-without-policy"]),
            (one + "\n" + one, ["This policy contains invalid Json"], ["missing-comma", "statement-without-policy"]),
            (one.replace('"Effect"', '"effect"'), ["Unknown field effect"], ["statement-without-policy"]),
            (one.replace('"Effect": "Allow", ', ""), ["Missing required field Effect"], ["statement-without-policy"])):
        said = checked(text)
        assert (said["type"], [e["message"] for e in said["errors"]], sorted(identifiers(said))) == ("bucket", errors, hints)


def test_the_same_words_about_another_place_are_told_too():
    text = '{"Version":"2012-10-17", // today\n"Statement":{"Effect":"Allow","Principal":"*","Action":"SNS:Publish","Topic":"*"}}'
    assert [(e["message"], e["line"]) for e in checked(text)["errors"]] == [
        ("Invalid parameter: Policy Error: null", 1), ("Invalid parameter: Policy Error: null", 2)]


CALL = {"Action": "lambda:InvokeFunction", "Principal": "ses.amazonaws.com", "SourceAccount": "111122223333", "SourceArn": RULE, "StatementId": "S"}
IN_CALL = {
    "a value that is none": ('"111122223333"', '"1111"', '"1111"', "ValidationException"),
    "a principal who is nobody": ('"ses.amazonaws.com"', '"ses.example"', '"ses.example"', "InvalidParameterValueException"),
    "a parameter in lower case": ('"SourceAccount"', '"sourceAccount"', '"sourceAccount"', "misspelt-name"),
    "a letter too many": ('"SourceArn"', '"SourceArns"', '"SourceArns"', "misspelt-name"),
    "another rule": ("rule/store", "rule/other", '"arn:aws:ses', "source-arn-names-another-rule"),
    "a placeholder": ("us-east-1", "region", '"arn:aws:ses', "placeholder-left"),
}


@pytest.mark.parametrize("what", IN_CALL)
def test_a_fault_in_a_call_is_told_of_its_parameter(what):
    right, wrong, place, name = IN_CALL[what]
    text = json.dumps(CALL, indent=2).replace(right, wrong)
    said = checked(text, "--rule-arn", RULE)
    assert said["type"] == "function" and said["guessed"]
    [at] = [offset(text, told) for told in said["errors"] + said["hints"] if name in (told.get("id"), told.get("code"))]
    assert at == text.index(place), said


NAMES = {
    "trust": ("Statement", "Effect", "Principal", "Action", "Condition", "Service", "StringEquals"),
    "bucket": ("Version", "Statement", "Sid", "Effect", "Principal", "Action", "Resource", "Condition", "Service", "StringEquals"),
    "key": ("Version", "Statement", "Effect", "Principal", "Action", "Resource", "Condition", "Service", "StringEquals"),
    "topic": ("Version", "Statement", "Effect", "Principal", "Action", "Resource", "Condition", "Service", "StringEquals"),
    "identity": ("Version", "Statement", "Sid", "Effect", "Action", "Resource", "Condition", "StringEquals"),
}
ACTIONS = {"trust": "sts:AssumeRole", "bucket": "s3:PutObject", "key": "kms:Decrypt", "topic": "SNS:Publish", "identity": "s3:PutObject"}
RESOURCES = {"bucket": "arn:aws:s3:::mail/*", "key": "*", "topic": "arn:aws:sns:us-east-1:111122223333:t", "identity": "arn:aws:s3:::mail/*"}


@pytest.mark.parametrize("kind", NAMES)
def test_a_name_misspelt_is_blamed_and_not_its_value(kind):
    statement = {"Sid": "A", "Effect": "Allow", "Principal": {"Service": "ses.amazonaws.com"}, "Action": ACTIONS[kind],
                 "Resource": RESOURCES.get(kind), "Condition": {"StringEquals": {"aws:SourceAccount": "111122223333"}}}
    for absent in {"trust": ["Resource"], "identity": ["Principal"]}.get(kind, []):
        del statement[absent]
    keeper = [{"Effect": "Allow", "Principal": {"AWS": "111122223333"}, "Action": "kms:*", "Resource": "*"}] if kind == "key" else []
    text = json.dumps({"Version": "2012-10-17", "Statement": [statement] + keeper}, indent=2)
    assert checked(text, "--type", kind)["valid"]
    for name in NAMES[kind]:
        for wrong in (name.lower(), name + "s"):
            faulty = text.replace(f'"{name}"', f'"{wrong}"', 1)
            [error] = checked(faulty, "--type", kind)["errors"]
            assert offset(faulty, error) == faulty.index(f'"{wrong}"'), (name, error)
            assert "line " not in error["message"], error


# ---- the page's own policies, and each with one fault in it

def pieces(text):
    """The spans of the tokens of JSON."""
    return [match.span() for match in re.finditer(r'"[^"]*"|[^\s"]', text)]


def page():
    """Its eight documents, mended where the page itself is at fault."""
    for file in sorted((ROOT / "src" / "policy" / "draft_fuzz.corpus").glob("page-*")):
        text = re.sub(r'//[^{]*', "", file.read_text())
        yield json.dumps(json.loads(re.sub(r'" "StatementId"', '", "StatementId"', text)), indent=2)


def checked_all(texts, folder):
    files = []
    for number, text in enumerate(texts):
        files.append(folder / f"{number}.json")
        files[-1].write_text(text)
    done = check("--json", *map(str, files))
    assert done.stderr == ""
    return json.loads(done.stdout)


def offset(text, told):
    return sum(len(line) + 1 for line in text.split("\n")[:told["line"] - 1]) + told["column"] - 1


def sites(text, said, but):
    return sorted((hint["id"], offset(text, hint)) for hint in said["hints"] if hint["id"] != but)


def one_fault(text):
    """(text with it, the hint wanted, where, where the error is, bytes put in, from where on)"""
    tokens = pieces(text)
    for number, (start, end) in enumerate(tokens[1:], 1):
        before = tokens[number - 1][1]
        if text[start] == ",":
            yield text[:start] + text[end:], "missing-comma", before - 1, tokens[number + 1][0] - 1, -1, start
        if text[start] in "}]" and text[before - 1] not in "{[":
            yield text[:before] + "," + text[before:], "trailing-comma", before, start + 1, 1, before
        for comment in ('/* a "note" }, */', "// it's a {note} \"x\"\n"):
            yield text[:start] + comment + text[start:], "comments-in-json", start, start, len(comment), start


def test_each_document_of_the_page_with_a_fault_of_pasting_is_told_where_it_is(tmp_path):
    documents = list(page())
    assert len(documents) == 8
    wholes = checked_all(documents, tmp_path)
    assert [said["type"] for said in wholes] == ["identity", "trust", "bucket", "key", "key", "function", "topic", "key"]
    for text, whole in zip(documents, wholes):
        faults = list(one_fault(text))
        # The last is to be put among the statements of a key policy that leaves somebody the key.
        alone = ["The new key policy will not allow you to update the key policy in the future."] if text is documents[-1] else []
        assert [error["message"] for error in whole["errors"]] == alone and len(faults) > 40
        for (faulty, name, at, error_at, more, behind), said in zip(faults, checked_all([f[0] for f in faults], tmp_path)):
            assert said["type"] == whole["type"], faulty
            assert [offset(faulty, hint) for hint in said["hints"] if hint["id"] == name] == [at], (faulty, said)
            assert [offset(faulty, error) for error in said["errors"]] == [error_at] + [0] * len(alone), (faulty, said)
            # What is said of the document without the fault is still said, of the same places.
            assert sites(faulty, said, name) == [(hint, place + (more if place >= behind else 0))
                                                 for hint, place in sites(text, whole, name)], (faulty, said)


# ---- the command

def test_several_files_and_the_exit_code(tmp_path):
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    good.write_text(json.dumps(OF_BUCKET))
    bad.write_text("{")
    assert check(str(good)).returncode == 0
    done = check(str(good), str(bad), "--json")
    assert done.returncode == 1 and [said["valid"] for said in json.loads(done.stdout)] == [True, False]
    done = check(str(good), str(tmp_path / "none.json"))
    assert done.returncode == 2 and done.stderr == f"sesame: {tmp_path}/none.json cannot be read: No such file or directory\n"
    assert "AWS would take it" in done.stdout
    assert check().returncode == 2 and check("--type", "queue", "-").returncode == 2
    assert check("--rule-arn", "store", "-").returncode == 2
