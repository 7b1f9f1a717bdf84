"""/_sesame/faults: failures on order, met by real clients and by the actions of mail, and seen as what they are."""
import json
import urllib.error
import urllib.request

import botocore.exceptions
import pytest

from conftest import ACCOUNT, bucket_policy, eventually, role_policy, rule_arn, s3_action, trust_policy
from test_lambda import Functions

MAIL = b"Subject: s\r\n\r\nbody\r\n"
INJECTED = "injected by /_sesame/faults)"


def ask(server, method, path="", order=None, **headers):
    request = urllib.request.Request(f"{server.api}/_sesame/faults{path}", method=method, headers=headers,
                                     data=None if order is None else json.dumps(order).encode())
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.loads(answer.read())


@pytest.fixture
def server(make_server):
    return make_server("--retry-waits", "2")


def order(server, **what):
    return ask(server, "POST", order=what)["id"]


def told_no(server, method, path="", order=None, **headers):  # noqa: F811
    with pytest.raises(urllib.error.HTTPError) as caught:
        ask(server, method, path, order, **headers)
    return caught.value.code, json.loads(caught.value.read())["message"]


def retried(server, message, action, *says):
    """One attempt failed as ordered, the next one delivered."""
    timeline = server.settled(message, ["delivered"], 8)
    first = timeline["attempts"][0]
    assert (first["action"], first["outcome"]) == (action, "retry") and "denial" not in first
    for words in (*says, INJECTED):
        assert words in first["says"]
    return timeline


def test_a_bucket_that_slows_down_is_tried_again_and_others_do_not_notice(server, receiving):
    receiving.store()
    server.client("s3").create_bucket(Bucket="other")
    made = order(server, service="s3", fault="SlowDown", operation="PutObject", resource="arn:aws:s3:::mail/*",
                 caller="ses.amazonaws.com", times=1)
    receiving.s3.put_object(Bucket="mail", Key="mine", Body=b"x")  # another caller
    message = server.send(MAIL)
    timeline = retried(server, message, "S3", "could not write to bucket mail: Please reduce your request rate. (SlowDown, ")
    assert [a["outcome"] for a in timeline["attempts"]] == ["retry", "done"]
    [told] = ask(server, "GET")["faults"]
    assert told == {"id": made, "service": "s3", "fault": "SlowDown", "operation": "PutObject",
                    "resource": "arn:aws:s3:::mail/*", "caller": "ses.amazonaws.com", "times": 1, "met": 1}
    assert any(line["event"] == "fault-ordered" and line["order"]["id"] == made for line in server.log())


@pytest.mark.parametrize("service, fault, call, status", [
    ("s3", "SlowDown", lambda c: c.list_buckets(), 503), ("s3", "InternalError", lambda c: c.list_buckets(), 500),
    ("s3", "ServiceUnavailable", lambda c: c.create_bucket(Bucket="bucket"), 503),
    ("kms", "ThrottlingException", lambda c: c.create_key(), 400), ("kms", "KMSInternalException", lambda c: c.create_key(), 500),
    ("kms", "DependencyTimeoutException", lambda c: c.create_key(), 503),
    ("sns", "InternalError", lambda c: c.create_topic(Name="t"), 500), ("sns", "Throttled", lambda c: c.create_topic(Name="t"), 429),
    ("sns", "ServiceUnavailable", lambda c: c.create_topic(Name="t"), 503),
    ("sqs", "RequestThrottled", lambda c: c.create_queue(QueueName="q"), 400),
    ("sqs", "ServiceUnavailable", lambda c: c.create_queue(QueueName="q"), 503),
    ("lambda", "TooManyRequestsException", lambda c: c.list_functions(), 429),
    ("lambda", "ServiceException", lambda c: c.list_functions(), 500),
    ("iam", "Throttling", lambda c: c.list_roles(), 400), ("ses", "Throttling", lambda c: c.list_receipt_rule_sets(), 400)])
def test_clients_meet_the_service_s_own_error(shared_server, service, fault, call, status):
    made = order(shared_server, service=service, fault=fault, times=1, caller=f"arn:aws:iam::{ACCOUNT}:root")
    client = shared_server.client(service)
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(client)
    answer = caught.value.response
    assert (answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]) == (fault, status)
    assert answer["Error"]["Message"].endswith(INJECTED)
    call(client)  # once was all
    ask(shared_server, "DELETE", f"/{made}")


def test_a_client_that_retries_gets_through(shared_server):
    order(shared_server, service="s3", fault="SlowDown", operation="ListAllMyBuckets", times=2)
    shared_server.client("s3", retries={"max_attempts": 4, "mode": "standard"}).list_buckets()
    assert [f["met"] for f in ask(shared_server, "GET")["faults"]] == [2]
    assert ask(shared_server, "DELETE") == {"faults": []}


def test_until_it_is_taken_back(server, receiving):
    receiving.store()
    made = order(server, service="s3", fault="InternalError", operation="PutObject", caller="ses.*")
    message = server.send(MAIL)
    server.attempted(message, 2)
    assert server.timeline(message)["state"] == "retrying"
    assert ask(server, "DELETE", f"/{made}") == {"faults": []}
    assert server.settled(message, ["delivered"], 60)["attempts"][-1]["outcome"] == "done"


def test_a_throttled_key_delays_encrypted_mail_and_never_stores_it_in_the_clear(server, receiving):
    receiving.bucket("mail", bucket_policy("mail", receiving.arn("store")))
    receiving.rule("store", s3_action("mail", KmsKeyArn=f"arn:aws:kms:us-east-1:{ACCOUNT}:alias/aws/ses"))
    order(server, service="kms", fault="ThrottlingException", operation="GenerateDataKey", times=1)
    message = server.send(MAIL)
    retried(server, message, "S3", "could not use the key", "ThrottlingException")
    assert MAIL not in receiving.object(message)


def test_a_topic_that_fails_repeats_the_notice_and_not_the_object(server, receiving):
    topic = server.client("sns").create_topic(Name="mail")["TopicArn"]
    receiving.bucket("mail", bucket_policy("mail", receiving.arn("store")))
    receiving.rule("store", s3_action("mail", TopicArn=topic))
    order(server, service="sns", fault="InternalError", operation="Publish", resource=topic, times=1)
    timeline = server.settled(server.send(MAIL), ["delivered"], 40)
    assert [(a["action"], a["outcome"]) for a in timeline["attempts"]] == [
        ("S3", "done"), ("S3 notice", "retry"), ("S3 notice", "done")]
    assert timeline["attempts"][1]["says"].endswith(INJECTED)


def test_a_role_that_cannot_be_assumed_for_now(server, receiving):
    arn = rule_arn("main", "store")
    iam = receiving.iam
    iam.create_role(RoleName="mailer", AssumeRolePolicyDocument=json.dumps(trust_policy(arn)))
    iam.put_role_policy(RoleName="mailer", PolicyName="p", PolicyDocument=json.dumps(role_policy("mail")))
    receiving.bucket("mail")
    receiving.rule("store", s3_action("mail", IamRoleArn=f"arn:aws:iam::{ACCOUNT}:role/mailer"))
    order(server, service="sts", fault="Throttling", operation="AssumeRole", resource="*role/mailer", times=1)
    retried(server, server.send(MAIL), "S3", "could not assume the role", "Rate exceeded")


def make_function(server, receiving, kind, **more):
    functions = Functions(server)
    arn = functions.python("f", "def handler(event, context):\n    return {'disposition': 'CONTINUE'}\n", **more)["FunctionArn"]
    functions.aws.add_permission(FunctionName="f", StatementId="ses", Action="lambda:InvokeFunction",
                                 Principal="ses.amazonaws.com", SourceAccount=ACCOUNT)
    receiving.rule("call", {"LambdaAction": {"FunctionArn": arn, "InvocationType": kind}})
    return functions, arn


@pytest.mark.parametrize("fault, says", [("Timeout", "Task timed out after 3.00 seconds"), ("Crash", "Runtime.ExitError")])
def test_a_function_that_is_waited_for_times_out_or_crashes(server, receiving, fault, says):
    functions, arn = make_function(server, receiving, "RequestResponse")
    order(server, service="lambda", fault=fault, resource=arn, times=2)
    answer, error, _ = functions.call("f")
    assert error == "Unhandled" and says in json.dumps(answer) and INJECTED in answer["errorMessage"]
    timeline = server.settled(server.send(MAIL), ["delivered"], 40)
    assert [a["outcome"] for a in timeline["attempts"]] == ["retry", "done"]
    assert says in timeline["attempts"][0]["says"] and INJECTED in timeline["attempts"][0]["says"]


def test_an_event_that_no_attempt_survives_goes_to_the_dead_letter_queue(server, receiving):
    sqs = server.client("sqs")
    url = sqs.create_queue(QueueName="lost")["QueueUrl"]
    queue = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    functions, _ = make_function(server, receiving, "Event")
    functions.iam.put_role_policy(RoleName="fn", PolicyName="dlq", PolicyDocument=json.dumps({
        "Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": queue}]}))
    functions.aws.update_function_configuration(FunctionName="f", DeadLetterConfig={"TargetArn": queue})
    functions.aws.put_function_event_invoke_config(FunctionName="f", MaximumRetryAttempts=0)
    order(server, service="lambda", fault="Crash")
    message = server.send(MAIL)
    server.settled(message, ["delivered"])

    def received():
        return sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1, MessageAttributeNames=["All"]).get("Messages")
    [lost] = eventually(received, 30)
    assert json.loads(lost["Body"])["Records"][0]["ses"]["mail"]["messageId"] == message
    assert lost["MessageAttributes"]["ErrorMessage"]["StringValue"] == "the function answered with an error"
    [errand] = [e for e in server.get("/_sesame/errands")["errands"] if e["kind"] == "invocation"]
    [attempt] = server.timeline(errand["errandId"])["attempts"]
    assert "Runtime.ExitError" in attempt["says"] and INJECTED in attempt["says"]


def test_rehearsals_meet_none(server, receiving):
    receiving.store()
    order(server, service="s3", fault="SlowDown")
    done = server.explain("--rule", "main/store")
    assert done.returncode == 0 and "SlowDown" not in done.stdout, done
    assert ask(server, "GET")["faults"][0]["met"] == 0


def test_what_is_no_order_is_one_sentence(shared_server):
    for what in ({}, {"service": "s3"}, {"service": "s3", "fault": "Fire"}, {"service": "s3", "fault": "SlowDown", "bucket": "b"}):
        code, says = told_no(shared_server, "POST", "", what)
        assert code == 400 and says and "\n" not in says
    ask(shared_server, "DELETE")
    assert told_no(shared_server, "DELETE", "/7")[0] == 404
    assert told_no(shared_server, "POST", "", {"service": "s3", "fault": "SlowDown"}, Origin="http://evil.example")[0] == 403


def test_on_the_net_failures_are_not_made_to_order_unless_a_flag_says_so(make_server):
    wanted = {"service": "s3", "fault": "SlowDown"}
    open_to_all = make_server("--smtp", "0.0.0.0:0")
    code, says = told_no(open_to_all, "POST", "", wanted)
    assert code == 403 and "--allow-faults" in says
    assert ask(open_to_all, "GET") == {"faults": []}
    assert ask(make_server("--smtp", "0.0.0.0:0", "--allow-faults"), "POST", "", wanted)["fault"] == "SlowDown"
