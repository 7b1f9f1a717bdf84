"""The small SQS, in its two dialects, and SNS sending to it."""
import concurrent.futures
import hashlib
import json
import time
import urllib.error
import urllib.request

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import pytest

import aws_cli
from conftest import ACCOUNT, KEY, REGION, SECRET, SLOW, eventually, refused

OTHER = "444455556666"


@pytest.fixture
def sqs(server):
    return server.client("sqs")


@pytest.fixture
def queue(sqs):
    return sqs.create_queue(QueueName="inbox")["QueueUrl"]


def receive(sqs, queue, **more):
    return sqs.receive_message(QueueUrl=queue, **more).get("Messages", [])


def arn(name, account=ACCOUNT):
    return f"arn:aws:sqs:{REGION}:{account}:{name}"


class Json:
    """The JSON dialect, spoken by hand: the newer SDKs' way."""

    def __init__(self, server, account=None):
        self.api, self.key = server.api, account or KEY

    def call(self, operation, **members):
        request = botocore.awsrequest.AWSRequest("POST", self.api + "/", data=json.dumps(members), headers={
            "Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": f"AmazonSQS.{operation}"})
        botocore.auth.SigV4Auth(botocore.credentials.Credentials(self.key, SECRET), "sqs", REGION).add_auth(request)
        ready = request.prepare()
        with urllib.request.urlopen(urllib.request.Request(
                ready.url, data=ready.body.encode(), headers=dict(ready.headers), method="POST"), timeout=30) as answer:
            assert answer.headers["Content-Type"] == "application/x-amz-json-1.0"
            return json.loads(answer.read())

    def refused(self, operation, **members):
        with pytest.raises(urllib.error.HTTPError) as caught:
            self.call(operation, **members)
        return caught.value.code, caught.value.headers["x-amzn-query-error"], json.loads(caught.value.read())


# ---- queues

def test_a_queue_has_the_defaults_of_aws(server, sqs):
    url = sqs.create_queue(QueueName="inbox", tags={"team": "a"})["QueueUrl"]
    assert url == f"{server.api}/{ACCOUNT}/inbox"
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    created = int(attributes.pop("CreatedTimestamp"))
    assert abs(created - time.time()) < 60 and attributes.pop("LastModifiedTimestamp") == str(created)
    assert attributes == {
        "QueueArn": arn("inbox"), "ApproximateNumberOfMessages": "0", "ApproximateNumberOfMessagesNotVisible": "0",
        "ApproximateNumberOfMessagesDelayed": "0", "VisibilityTimeout": "30", "DelaySeconds": "0",
        "MessageRetentionPeriod": "345600", "ReceiveMessageWaitTimeSeconds": "0", "MaximumMessageSize": "262144",
        "SqsManagedSseEnabled": "false"}
    assert sqs.get_queue_url(QueueName="inbox")["QueueUrl"] == url
    assert sqs.list_queue_tags(QueueUrl=url)["Tags"] == {"team": "a"}
    sqs.tag_queue(QueueUrl=url, Tags={"more": "b"})
    sqs.untag_queue(QueueUrl=url, TagKeys=["team"])
    assert sqs.list_queue_tags(QueueUrl=url)["Tags"] == {"more": "b"}


def test_queues_are_listed_and_removed(sqs):
    urls = [sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("a1", "a2", "b1")]
    assert sqs.list_queues()["QueueUrls"] == urls
    assert sqs.list_queues(QueueNamePrefix="a")["QueueUrls"] == urls[:2]
    page = sqs.list_queues(MaxResults=2)
    assert page["QueueUrls"] + sqs.list_queues(MaxResults=2, NextToken=page["NextToken"])["QueueUrls"] == urls
    sqs.delete_queue(QueueUrl=urls[0])
    assert sqs.list_queues()["QueueUrls"] == urls[1:]
    refused(lambda: sqs.get_queue_url(QueueName="a1"), "AWS.SimpleQueueService.NonExistentQueue")
    refused(lambda: sqs.send_message(QueueUrl=urls[0], MessageBody="x"), "AWS.SimpleQueueService.NonExistentQueue",
            "The specified queue does not exist.")


def test_a_queue_made_again_has_no_old_messages(sqs, queue):
    sqs.send_message(QueueUrl=queue, MessageBody="old")
    sqs.delete_queue(QueueUrl=queue)
    sqs.create_queue(QueueName="inbox")
    assert receive(sqs, queue) == []


def test_making_a_queue_again_answers_with_it_unless_it_differs(sqs, queue):
    assert sqs.create_queue(QueueName="inbox")["QueueUrl"] == queue
    assert sqs.create_queue(QueueName="inbox", Attributes={"VisibilityTimeout": "30"})["QueueUrl"] == queue
    refused(lambda: sqs.create_queue(QueueName="inbox", Attributes={"VisibilityTimeout": "31"}), "QueueAlreadyExists",
            "A queue already exists with the same name and a different value for attribute VisibilityTimeout")


def test_attributes_are_vetted(sqs, queue):
    def put(name, value):
        return sqs.set_queue_attributes(QueueUrl=queue, Attributes={name: value})
    put("VisibilityTimeout", "5")
    assert sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["VisibilityTimeout"])["Attributes"] == {
        "VisibilityTimeout": "5"}
    for name, value in [("VisibilityTimeout", "43201"), ("DelaySeconds", "-1"), ("Policy", "{"), ("RedrivePolicy", "{}"),
                        ("MessageRetentionPeriod", "59")]:
        refused(lambda n=name, v=value: put(n, v), "InvalidAttributeValue", f"Invalid value for the parameter {name}.")
    refused(lambda: put("Nonsense", "1"), "InvalidAttributeName", "Unknown Attribute Nonsense.")
    refused(lambda: put("KmsMasterKeyId", "alias/x"), "AWS.SimpleQueueService.UnsupportedOperation")
    refused(lambda: sqs.create_queue(QueueName="x.fifo", Attributes={"FifoQueue": "true"}),
            "AWS.SimpleQueueService.UnsupportedOperation")
    refused(lambda: sqs.create_queue(QueueName="a b"), "InvalidParameterValue")


# ---- messages

def test_a_message_is_hidden_while_it_is_worked_on_and_deleted_by_its_receipt(sqs, queue):
    sent = sqs.send_message(QueueUrl=queue, MessageBody="hello \u00fc", MessageAttributes={
        "b": {"DataType": "Number", "StringValue": "1"}, "a": {"DataType": "Binary", "BinaryValue": b"\0\1"}})
    assert sent["MD5OfMessageBody"] == hashlib.md5("hello \u00fc".encode()).hexdigest()
    # boto3 itself checks MD5OfMessageBody of what it receives; the digest of the attributes is the documented one:
    text = b"".join(len(p).to_bytes(4, "big") + p for p in (b"a", b"Binary")) + b"\2" + b"\0\0\0\2\0\1" + \
        b"".join(len(p).to_bytes(4, "big") + p for p in (b"b", b"Number")) + b"\1" + b"\0\0\0\0011"
    assert sent["MD5OfMessageAttributes"] == hashlib.md5(text).hexdigest()
    [message] = receive(sqs, queue, AttributeNames=["All"], MessageAttributeNames=["All"])
    assert (message["MessageId"], message["Body"]) == (sent["MessageId"], "hello \u00fc")
    assert message["MD5OfMessageAttributes"] == sent["MD5OfMessageAttributes"]
    assert message["MessageAttributes"] == {"a": {"BinaryValue": b"\0\1", "DataType": "Binary"},
                                            "b": {"StringValue": "1", "DataType": "Number"}}
    system = message["Attributes"]
    assert system["ApproximateReceiveCount"] == "1" and system["SenderId"] == ACCOUNT
    assert abs(int(system["SentTimestamp"]) / 1000 - time.time()) < 60
    assert receive(sqs, queue) == []
    counts = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["ApproximateNumberOfMessagesNotVisible"])
    assert counts["Attributes"] == {"ApproximateNumberOfMessagesNotVisible": "1"}
    sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0)
    [again] = receive(sqs, queue, AttributeNames=["ApproximateReceiveCount"])
    assert again["Attributes"] == {"ApproximateReceiveCount": "2"} and "MessageAttributes" not in again
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])  # an old receipt: no error, no effect
    sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=again["ReceiptHandle"], VisibilityTimeout=0)
    [again] = receive(sqs, queue)
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=again["ReceiptHandle"])
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=again["ReceiptHandle"])
    refused(lambda: sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=again["ReceiptHandle"], VisibilityTimeout=0),
            "AWS.SimpleQueueService.MessageNotInflight")
    refused(lambda: sqs.delete_message(QueueUrl=queue, ReceiptHandle="nonsense"), "ReceiptHandleIsInvalid",
            'The input receipt handle "nonsense" is not a valid receipt handle.')
    assert receive(sqs, queue) == []


def test_attributes_of_a_message_are_given_as_asked_for(sqs, queue):
    text = {"DataType": "String", "StringValue": "v"}
    sqs.send_message(QueueUrl=queue, MessageBody="x", MessageAttributes={"a.b": text, "a.c": text, "d": text})
    for asked, names in [(["a.*"], {"a.b", "a.c"}), (["d"], {"d"}), ([".*"], {"a.b", "a.c", "d"}), ([], set())]:
        [message] = receive(sqs, queue, MessageAttributeNames=asked, VisibilityTimeout=0)
        assert set(message.get("MessageAttributes", {})) == names


def test_visibility_ends_by_itself_and_delay_comes_first(sqs, queue):
    sqs.send_message(QueueUrl=queue, MessageBody="x", DelaySeconds=1)
    assert receive(sqs, queue) == []
    assert sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["ApproximateNumberOfMessagesDelayed"])[
        "Attributes"] == {"ApproximateNumberOfMessagesDelayed": "1"}
    assert len(receive(sqs, queue, WaitTimeSeconds=5, VisibilityTimeout=1)) == 1
    assert receive(sqs, queue) == []
    assert len(receive(sqs, queue, WaitTimeSeconds=5)) == 1


def test_batches(sqs, queue):
    answer = sqs.send_message_batch(QueueUrl=queue, Entries=[
        {"Id": "one", "MessageBody": "1"}, {"Id": "two", "MessageBody": "a\x01b"},
        {"Id": "three", "MessageBody": "3", "MessageAttributes": {"n": {"DataType": "Number", "StringValue": "3"}}}])
    assert [m["Id"] for m in answer["Successful"]] == ["one", "three"]
    assert [(f["Id"], f["Code"], f["SenderFault"]) for f in answer["Failed"]] == [("two", "InvalidMessageContents", True)]
    messages = receive(sqs, queue, MaxNumberOfMessages=10)
    assert sorted(m["Body"] for m in messages) == ["1", "3"]
    entries = [{"Id": str(i), "ReceiptHandle": m["ReceiptHandle"]} for i, m in enumerate(messages)]
    answer = sqs.change_message_visibility_batch(QueueUrl=queue, Entries=[{**e, "VisibilityTimeout": 60} for e in entries])
    assert len(answer["Successful"]) == 2
    answer = sqs.delete_message_batch(QueueUrl=queue, Entries=entries + [{"Id": "x", "ReceiptHandle": "no"}])
    assert [s["Id"] for s in answer["Successful"]] == ["0", "1"]
    assert answer["Failed"][0]["Code"] == "ReceiptHandleIsInvalid"
    same = {"Id": "x", "MessageBody": "m"}
    refused(lambda: sqs.send_message_batch(QueueUrl=queue, Entries=[same, same]),
            "AWS.SimpleQueueService.BatchEntryIdsNotDistinct")
    refused(lambda: sqs.send_message_batch(QueueUrl=queue, Entries=[]), "AWS.SimpleQueueService.EmptyBatchRequest")


def test_what_is_no_message_is_refused(sqs, queue):
    refused(lambda: sqs.send_message(QueueUrl=queue, MessageBody="x" * 262145), "InvalidParameterValue",
            "One or more parameters are invalid. Reason: Message must be shorter than 262144 bytes.")
    sqs.send_message(QueueUrl=queue, MessageBody="\u00fc" * 131072)
    refused(lambda: sqs.send_message(QueueUrl=queue, MessageBody="a\x02"), "InvalidMessageContents")
    refused(lambda: sqs.send_message(QueueUrl=queue, MessageBody="x", MessageGroupId="g"), "InvalidParameterValue")
    refused(lambda: receive(sqs, queue, MaxNumberOfMessages=11), "InvalidParameterValue")
    sqs.purge_queue(QueueUrl=queue)
    assert receive(sqs, queue) == []


def test_a_long_poll_ends_with_the_message_and_holds_up_nobody(make_server):
    server = make_server("--api-workers", "2")
    sqs = server.client("sqs")
    queue = sqs.create_queue(QueueName="inbox")["QueueUrl"]
    began = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        waiting = [pool.submit(receive, server.client("sqs"), queue, WaitTimeSeconds=15) for _ in range(20)]
        time.sleep(1)
        asked = time.monotonic()
        sqs.send_message(QueueUrl=queue, MessageBody="here")
        assert time.monotonic() - asked < 1.0 * SLOW, "the two workers are free"
        done, _ = concurrent.futures.wait(waiting, timeout=5 * SLOW, return_when=concurrent.futures.FIRST_COMPLETED)
        assert [m["Body"] for future in done for m in future.result()] == ["here"]
        assert time.monotonic() - began < 8 * SLOW
        server.stop()  # and a server that ends waits for no poll
        assert time.monotonic() - began < 13 * SLOW
        assert sorted(len(future.result()) for future in waiting) == [0] * 19 + [1], "all were answered"


def test_what_was_received_too_often_goes_to_the_dead_letter_queue(sqs, queue):
    dead = sqs.create_queue(QueueName="dead")["QueueUrl"]
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"RedrivePolicy": json.dumps(
        {"deadLetterTargetArn": arn("dead"), "maxReceiveCount": 2})})
    sent = sqs.send_message(QueueUrl=queue, MessageBody="poison")["MessageId"]
    for _ in range(2):
        assert len(receive(sqs, queue, VisibilityTimeout=0)) == 1
    assert receive(sqs, queue) == []
    [message] = receive(sqs, dead)
    assert (message["MessageId"], message["Body"]) == (sent, "poison")


def test_messages_survive_a_kill(make_server):
    server = make_server()
    sqs = server.client("sqs")
    queue = sqs.create_queue(QueueName="inbox")["QueueUrl"]
    sent = {sqs.send_message(QueueUrl=queue, MessageBody=str(i))["MessageId"] for i in range(20)}
    gone = receive(sqs, queue)[0]
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=gone["ReceiptHandle"])
    server.kill()
    server.start()
    sqs = server.client("sqs")
    queue = sqs.get_queue_url(QueueName="inbox")["QueueUrl"]
    found = set()
    while messages := receive(sqs, queue, MaxNumberOfMessages=10):
        found |= {m["MessageId"] for m in messages}
    assert found == sent - {gone["MessageId"]}


def test_many_senders_and_receivers_lose_and_double_nothing(server, sqs, queue):
    def send(n):
        client = server.client("sqs")
        for i in range(10):
            client.send_message_batch(QueueUrl=queue, Entries=[
                {"Id": str(k), "MessageBody": f"{n}-{i}-{k}"} for k in range(10)])

    def take():
        client, got = server.client("sqs"), []
        while messages := receive(client, queue, MaxNumberOfMessages=10, WaitTimeSeconds=2):
            got += [m["Body"] for m in messages]
            client.delete_message_batch(QueueUrl=queue, Entries=[
                {"Id": str(i), "ReceiptHandle": m["ReceiptHandle"]} for i, m in enumerate(messages)])
        return got
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        takers = [pool.submit(take) for _ in range(4)]
        for sender in [pool.submit(send, n) for n in range(4)]:
            sender.result()
        got = [body for taker in takers for body in taker.result()]
    assert sorted(got) == sorted(f"{n}-{i}-{k}" for n in range(4) for i in range(10) for k in range(10))


def test_another_account_needs_the_queues_leave(server, sqs, queue):
    other = server.client("sqs", account=OTHER)
    refused(lambda: other.send_message(QueueUrl=queue, MessageBody="x"), "AccessDenied",
            f"User: arn:aws:iam::{OTHER}:root is not authorized to perform: sqs:SendMessage on resource: {arn('inbox')} "
            "because no resource-based policy allows the sqs:SendMessage action")
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": json.dumps({
        "Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": OTHER},
                                                "Action": "sqs:SendMessage", "Resource": arn("inbox")}]})})
    other.send_message(QueueUrl=queue, MessageBody="x")
    refused(lambda: other.receive_message(QueueUrl=queue), "AccessDenied")
    assert len(receive(sqs, queue)) == 1


# ---- the JSON dialect

def test_the_json_dialect(server):
    sqs = Json(server)
    url = sqs.call("CreateQueue", QueueName="inbox", Attributes={"DelaySeconds": "0"}, tags={"k": "v"})["QueueUrl"]
    assert sqs.call("GetQueueUrl", QueueName="inbox") == {"QueueUrl": url}
    assert sqs.call("ListQueues") == {"QueueUrls": [url]}
    assert sqs.call("ListQueueTags", QueueUrl=url) == {"Tags": {"k": "v"}}
    assert sqs.call("GetQueueAttributes", QueueUrl=url, AttributeNames=["QueueArn"]) == {
        "Attributes": {"QueueArn": arn("inbox")}}
    sent = sqs.call("SendMessage", QueueUrl=url, MessageBody="a<b>&\"c\"", MessageAttributes={
        "n": {"DataType": "Number", "StringValue": "7"}})
    assert set(sent) == {"MD5OfMessageBody", "MD5OfMessageAttributes", "MessageId"}
    [message] = sqs.call("ReceiveMessage", QueueUrl=url, MessageSystemAttributeNames=["SenderId"],
                         MessageAttributeNames=["All"], MaxNumberOfMessages=10, WaitTimeSeconds=0)["Messages"]
    assert message["Body"] == "a<b>&\"c\"" and message["Attributes"] == {"SenderId": ACCOUNT}
    assert message["MessageAttributes"] == {"n": {"StringValue": "7", "DataType": "Number"}}
    assert sqs.call("ChangeMessageVisibility", QueueUrl=url, ReceiptHandle=message["ReceiptHandle"],
                    VisibilityTimeout=5) == {}
    assert sqs.call("DeleteMessageBatch", QueueUrl=url, Entries=[
        {"Id": "1", "ReceiptHandle": message["ReceiptHandle"]}]) == {"Successful": [{"Id": "1"}], "Failed": []}
    assert sqs.call("ReceiveMessage", QueueUrl=url) == {}
    answer = sqs.call("SendMessageBatch", QueueUrl=url, Entries=[{"Id": "a", "MessageBody": "x"},
                                                                 {"Id": "b", "MessageBody": ""}])
    assert answer["Successful"][0]["Id"] == "a" and answer["Failed"][0]["SenderFault"] is True
    assert sqs.call("PurgeQueue", QueueUrl=url) == {}
    assert sqs.call("DeleteQueue", QueueUrl=url) == {}
    status, code, error = sqs.refused("SendMessage", QueueUrl=url, MessageBody="x")
    assert (status, code) == (400, "AWS.SimpleQueueService.NonExistentQueue;Sender")
    assert error == {"__type": "com.amazonaws.sqs#QueueDoesNotExist", "message": "The specified queue does not exist."}
    assert sqs.refused("SendMessageBatch", QueueUrl=url, Entries=[])[2]["__type"] == "com.amazonaws.sqs#EmptyBatchRequest"
    url = sqs.call("CreateQueue", QueueName="mine")["QueueUrl"]
    status, code, error = Json(server, OTHER).refused("ReceiveMessage", QueueUrl=url)
    assert code == "AccessDenied;Sender" and error["__type"].endswith("AccessDeniedException")


# ---- SNS sends to queues

def allow_topic(sqs, queue, topic, **condition):
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": json.dumps({
        "Version": "2012-10-17", "Statement": [{
            "Sid": "sns", "Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage",
            "Resource": "*", "Condition": condition or {"ArnEquals": {"aws:SourceArn": topic}}}]})})


def test_a_topic_sends_to_a_queue_that_lets_it(server, sqs, queue):
    sns = server.client("sns")
    topic = sns.create_topic(Name="mail")["TopicArn"]
    allow_topic(sqs, queue, topic)
    made = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn("inbox"))["SubscriptionArn"]
    assert made.startswith(topic)
    assert sns.get_subscription_attributes(SubscriptionArn=made)["Attributes"]["ConfirmationWasAuthenticated"] == "true"
    sent = sns.publish(TopicArn=topic, Message="hello", Subject="s")["MessageId"]
    [message] = receive(sqs, queue, WaitTimeSeconds=10)
    body = json.loads(message["Body"])
    assert (body["Type"], body["MessageId"], body["Message"], body["Subject"]) == ("Notification", sent, "hello", "s")
    sns.set_subscription_attributes(SubscriptionArn=made, AttributeName="RawMessageDelivery", AttributeValue="true")
    sns.publish(TopicArn=topic, Message="bare", MessageAttributes={"n": {"DataType": "Number", "StringValue": "1"}})
    [message] = receive(sqs, queue, WaitTimeSeconds=10, MessageAttributeNames=["All"], AttributeNames=["SenderId"])
    assert message["Body"] == "bare"
    assert message["MessageAttributes"] == {"n": {"DataType": "Number", "StringValue": "1"}}


def test_a_queue_that_does_not_let_the_topic_sends_it_to_the_dead_letters(server, sqs, queue):
    sns = server.client("sns")
    topic = sns.create_topic(Name="mail")["TopicArn"]
    dead = sqs.create_queue(QueueName="dead")["QueueUrl"]
    allow_topic(sqs, queue, topic, ArnEquals={"aws:SourceArn": topic + "x"})
    allow_topic(sqs, dead, topic)
    made = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn("inbox"))["SubscriptionArn"]
    sns.publish(TopicArn=topic, Message="one")
    line = eventually(lambda: [e for e in server.log() if "sqs:SendMessage" in json.dumps(e)])
    assert line and "aws:SourceArn" in json.dumps(line), server.log_text()[-2000:]
    sns.set_subscription_attributes(SubscriptionArn=made, AttributeName="RedrivePolicy",
                                    AttributeValue=json.dumps({"deadLetterTargetArn": arn("dead")}))
    sns.publish(TopicArn=topic, Message="two")
    [message] = receive(sqs, dead, WaitTimeSeconds=10)
    assert json.loads(message["Body"])["Message"] == "two"
    assert receive(sqs, queue) == []


def test_a_queue_of_another_account_confirms_by_its_message(server):
    sns, other = server.client("sns"), server.client("sqs", account=OTHER)
    topic = sns.create_topic(Name="mail")["TopicArn"]
    queue = other.create_queue(QueueName="theirs")["QueueUrl"]
    allow_topic(other, queue, topic)
    assert sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn("theirs", OTHER))["SubscriptionArn"] == \
        "pending confirmation"
    [message] = receive(other, queue, WaitTimeSeconds=10)
    confirmation = json.loads(message["Body"])
    assert confirmation["Type"] == "SubscriptionConfirmation"
    theirs = server.client("sns", account=OTHER).confirm_subscription(TopicArn=topic, Token=confirmation["Token"])
    assert theirs["SubscriptionArn"].startswith(topic + ":")
    sns.publish(TopicArn=topic, Message="across")
    [message] = receive(other, queue, WaitTimeSeconds=10)
    assert json.loads(message["Body"])["Message"] == "across"


def test_queues_at_an_endpoint_the_operator_names(make_server):
    there = make_server()
    here = make_server("--sqs-endpoint", there.api, env={
        "SESAME_SQS_ACCESS_KEY_ID": KEY, "SESAME_SQS_SECRET_ACCESS_KEY": SECRET})
    sns, sqs = here.client("sns"), there.client("sqs")
    queue = sqs.create_queue(QueueName="inbox")["QueueUrl"]
    dead = sqs.create_queue(QueueName="dead")["QueueUrl"]
    topic = sns.create_topic(Name="mail")["TopicArn"]
    raw = {"RawMessageDelivery": "true"}
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn("inbox"), Attributes=raw)
    sns.publish(TopicArn=topic, Message="over there & \u00fc", MessageAttributes={
        "b": {"DataType": "Binary", "BinaryValue": b"\0\xff"}})
    [message] = receive(sqs, queue, WaitTimeSeconds=10, MessageAttributeNames=["All"])
    assert message["Body"] == "over there & \u00fc"
    assert message["MessageAttributes"] == {"b": {"DataType": "Binary", "BinaryValue": b"\0\xff"}}
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn("none"), Attributes={
        **raw, "RedrivePolicy": json.dumps({"deadLetterTargetArn": arn("dead")})})
    sns.publish(TopicArn=topic, Message="nowhere")
    [message] = receive(sqs, dead, WaitTimeSeconds=10)
    assert message["Body"] == "nowhere"


def test_the_command_line(server):
    def aws(*arguments):
        done = aws_cli.aws("--endpoint-url", server.api, "--region", REGION, "--output", "json", "sqs", *arguments, env={
                                   "PATH": "/usr/bin:/bin", "AWS_ACCESS_KEY_ID": ACCOUNT, "AWS_CONFIG_FILE": "/dev/null",
                                   "AWS_SECRET_ACCESS_KEY": SECRET})
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else {}
    url = aws("create-queue", "--queue-name", "cli")["QueueUrl"]
    aws("send-message", "--queue-url", url, "--message-body", "from the shell")
    message = aws("receive-message", "--queue-url", url)["Messages"][0]
    assert message["Body"] == "from the shell"
    aws("delete-message", "--queue-url", url, "--receipt-handle", message["ReceiptHandle"])
    assert "Messages" not in aws("receive-message", "--queue-url", url)
