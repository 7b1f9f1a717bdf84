"""docs/apis.md tells the truth: what it says is refused is refused so, and what is there is decided as the action it names."""
import json
import re
import urllib.error
import urllib.request

import botocore.exceptions
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from conftest import KEY, REGION, ROOT, SECRET
from test_receipt_api import ask

PAGE = (ROOT / "docs" / "apis.md").read_text()
TABLES = dict(re.findall(r"<!-- table: api-(\w+) -->\n(.*?)<!-- end -->", PAGE, re.S))
VERSIONS = {"ses": "2010-12-01", "iam": "2010-05-08", "sts": "2011-06-15", "sns": "2010-03-31", "sqs": "2012-11-05"}
TARGETS = {"kms": "TrentService", "sqs": "AmazonSQS"}


def built(model):
    """{operation: IAM action}"""
    return dict(re.findall(r"^\| (\w+) \| `([\w:]+)` \|", TABLES[model], re.M))


def refused_of(model):
    """The codes and statuses that the page names, and the operations."""
    says, names = re.search(r"Refused with (.*?): (.*)\.\n", TABLES[model]).groups()
    return [(code, int(status)) for code, status in re.findall(r"`(\w+)` \((\d+)\)", says)], names.split(", ")


def post_json(server, service, operation):
    request = AWSRequest("POST", server.api + "/", data="{}", headers={
        "Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": f"{TARGETS[service]}.{operation}"})
    SigV4Auth(Credentials(KEY, SECRET), service, REGION).add_auth(request)
    try:
        urllib.request.urlopen(urllib.request.Request(request.url, data=b"{}", headers=dict(request.headers.items())), timeout=60)
    except urllib.error.HTTPError as error:
        return json.loads(error.read())["__type"].rpartition("#")[2], error.code
    return None, 200


@pytest.mark.parametrize("service", VERSIONS)
def test_what_the_query_services_lack_is_refused_by_its_name(shared_server, service):
    codes, names = refused_of(service)
    for name in names:
        answer = ask(shared_server, name, version=VERSIONS[service], service=service)
        code = re.search(r"<Code>(.*?)</Code>", answer.body).group(1)
        assert (code, answer.status) == codes[-1], (name, answer.body)


@pytest.mark.parametrize("service", TARGETS)
def test_what_the_json_services_lack_is_refused_by_its_name(shared_server, service):
    codes, names = refused_of(service)
    for name in names:
        assert post_json(shared_server, service, name) == codes[0], name


def least(shape, depth=0):
    """A value of the shape, with what it cannot do without."""
    if shape.type_name == "structure":
        return {name: least(shape.members[name], depth + 1) for name in shape.required_members} if depth < 6 else {}
    return {"list": [], "map": {}, "string": (shape.enum or ["x-long-enough"])[0] if hasattr(shape, "enum") else "x", "blob": b"x",
            "boolean": True, "timestamp": 0}.get(shape.type_name, 1)


@pytest.mark.parametrize("model", ("s3", "lambda", "sesv2"))
def test_what_the_rest_services_lack_is_refused_by_its_path(shared_server, model):
    codes, names = refused_of(model)
    client = shared_server.client(model, parameter_validation=False, inject_host_prefix=False)
    known = client.meta.service_model
    asked = 0
    for name in names:
        if name not in known.operation_names:
            continue  # younger than the installed SDK
        method = [m for m, operation in client.meta.method_to_api_mapping.items() if operation == name][0]
        shape = known.operation_model(name).input_shape
        with pytest.raises(botocore.exceptions.ClientError) as caught:
            getattr(client, method)(**(least(shape) if shape else {}))
            raise AssertionError(name)
        error, status = caught.value.response["Error"], caught.value.response["ResponseMetadata"]["HTTPStatusCode"]
        assert (error["Code"], status) == codes[0], (name, error)
        asked += 1
    assert asked > len(names) / 2


MAIL = b"From: a@example.com\r\nTo: b@example.com\r\nSubject: s\r\n\r\nx\r\n"
SENDING = {  # the identity that sends is the resource, so that a mail must be read before it can be decided about
    ("ses", "SendEmail"): {"Source": "a@example.com", "Destination": {"ToAddresses": ["b@example.com"]}, "Message": {
        "Subject": {"Data": "s"}, "Body": {"Text": {"Data": "x"}}}},
    ("ses", "SendRawEmail"): {"RawMessage": {"Data": MAIL}},
    ("sesv2", "SendEmail"): {"FromEmailAddress": "a@example.com", "Destination": {"ToAddresses": ["b@example.com"]},
                             "Content": {"Raw": {"Data": MAIL}}},
}


def test_each_operation_of_ses_is_decided_as_the_action_it_names(server):
    """Before anything is read: a user without permissions is refused by that name, whatever else is wrong."""
    iam = server.client("iam")
    iam.create_user(UserName="nobody")
    key = iam.create_access_key(UserName="nobody")["AccessKey"]
    mine = dict(key=key["AccessKeyId"], secret=key["SecretAccessKey"], parameter_validation=False)
    for model in ("ses", "sesv2"):
        client = server.client(model, **mine)
        for name, action in built(model).items():
            method = [m for m, operation in client.meta.method_to_api_mapping.items() if operation == name][0]
            shape = client.meta.service_model.operation_model(name).input_shape
            asks = SENDING.get((model, name)) or (least(shape) if shape else {})
            with pytest.raises(botocore.exceptions.ClientError) as caught:
                getattr(client, method)(**asks)
            error = caught.value.response["Error"]
            assert error["Code"] in ("AccessDenied", "AccessDeniedException"), (name, error)
            if (model, name) == ("sesv2", "SendEmail"):  # raw content: as the page says
                action = "ses:SendRawEmail"
            assert f"is not authorized to perform: {action} " in error["Message"] + " ", (name, error)
