"""SNS as its users meet it: boto3, the command line, and subscribers that verify what they get. One subscriber serves them
all, so they stay together."""
import base64
import contextlib
import http.server
import json
import socket
import subprocess
import threading
import time
import urllib.parse
import urllib.request

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

import aws_cli
from conftest import ACCOUNT, BINARY, REGION, SLOW, eventually, refused

OTHER = "444455556666"


class Subscriber:
    """An HTTP server that keeps what it was sent, and answers as it is told."""

    def __init__(self):
        self.posts, self.answers, self.delay, self.connections, self.open = [], [], 0, 0, []
        self.answering = set()
        me = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self):
                me.connections += 1
                me.open.append(self.request)
                super().setup()

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                me.answering.add(self)
                me.posts.append((time.time(), self.path, self.headers, body))
                time.sleep(me.delay)
                status = me.answers.pop(0) if me.answers else 200
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    self.send_response(status)
                    if 300 <= status < 400:
                        self.send_header("Location", f"http://127.0.0.1:{me.port}/elsewhere")
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                me.answering.discard(self)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        eventually(lambda: not self.answering, 2)  # who goes away before he has answered is asked again
        for connection in self.open:  # else one that is kept would still be answered
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def wait(self, count, seconds=15.0):
        assert eventually(lambda: len(self.posts) >= count, seconds), [p[3] for p in self.posts]
        return self.posts[count - 1]

    def json(self, count, seconds=15.0):
        return json.loads(self.wait(count, seconds)[3])


@pytest.fixture
def subscriber():
    made = Subscriber()
    yield made
    made.close()


@pytest.fixture
def sns(server):
    return server.client("sns")


def fetch(url):
    with urllib.request.urlopen(url, timeout=20) as answer:
        return answer.read()


def string_to_sign(message):
    """As "Verifying the signatures of Amazon SNS messages" builds it."""
    if message["Type"] == "Notification":
        names = ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"]
    else:
        names = ["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
    return "".join(f"{name}\n{message[name]}\n" for name in names if name in message)


def verify(message):
    certificate = x509.load_pem_x509_certificate(fetch(message["SigningCertURL"]))
    digest = {"1": hashes.SHA1(), "2": hashes.SHA256()}[message["SignatureVersion"]]  # noqa: S303
    certificate.public_key().verify(base64.b64decode(message["Signature"]), string_to_sign(message).encode(),
                                    padding.PKCS1v15(), digest)


def subscribe(sns, topic, subscriber, **attributes):
    """Subscribed and confirmed, as a program confirms: by visiting the SubscribeURL."""
    before = len(subscriber.posts)
    arn = sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=subscriber.url, Attributes=attributes,
                        ReturnSubscriptionArn=True)["SubscriptionArn"]
    message = subscriber.json(before + 1)
    assert arn.encode() in fetch(message["SubscribeURL"])
    return arn


# ---- topics

def test_a_topic_has_the_policy_and_attributes_that_aws_gives_it(sns):
    arn = sns.create_topic(Name="mail")["TopicArn"]
    assert arn == f"arn:aws:sns:{REGION}:{ACCOUNT}:mail"
    attributes = sns.get_topic_attributes(TopicArn=arn)["Attributes"]
    assert attributes.pop("Policy") == (
        '{"Version":"2008-10-17","Id":"__default_policy_ID","Statement":[{"Sid":"__default_statement_ID",'
        '"Effect":"Allow","Principal":{"AWS":"*"},"Action":["SNS:GetTopicAttributes","SNS:SetTopicAttributes",'
        '"SNS:AddPermission","SNS:RemovePermission","SNS:DeleteTopic","SNS:Subscribe",'
        f'"SNS:ListSubscriptionsByTopic","SNS:Publish"],"Resource":"{arn}",'
        f'"Condition":{{"StringEquals":{{"AWS:SourceOwner":"{ACCOUNT}"}}}}}}]}}')
    assert json.loads(attributes.pop("EffectiveDeliveryPolicy")) == {"http": {
        "defaultHealthyRetryPolicy": {
            "minDelayTarget": 20, "maxDelayTarget": 20, "numRetries": 3, "numMaxDelayRetries": 0,
            "numNoDelayRetries": 0, "numMinDelayRetries": 0, "backoffFunction": "linear"},
        "disableSubscriptionOverrides": False,
        "defaultRequestPolicy": {"headerContentType": "text/plain; charset=UTF-8"}}}
    assert attributes == {"Owner": ACCOUNT, "TopicArn": arn, "DisplayName": "", "SubscriptionsPending": "0",
                          "SubscriptionsConfirmed": "0", "SubscriptionsDeleted": "0"}


def test_making_a_topic_again_answers_with_it_unless_it_differs(sns):
    arn = sns.create_topic(Name="mail", Tags=[{"Key": "team", "Value": "a"}])["TopicArn"]
    assert sns.create_topic(Name="mail")["TopicArn"] == arn
    refused(lambda: sns.create_topic(Name="mail", Attributes={"DisplayName": "Mail"}), "InvalidParameter",
            "Invalid parameter: Attributes Reason: Topic already exists with different attributes")
    refused(lambda: sns.create_topic(Name="mail", Tags=[{"Key": "team", "Value": "b"}]), "InvalidParameter",
            "Invalid parameter: Tags Reason: Topic already exists with different tags")


def test_what_is_no_topic_is_said_in_aws_words(sns):
    answer = refused(lambda: sns.get_topic_attributes(TopicArn=f"arn:aws:sns:{REGION}:{ACCOUNT}:none"), "NotFound",
                     "Topic does not exist")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 404
    refused(lambda: sns.publish(TopicArn="mail", Message="x"), "InvalidParameter",
            "Invalid parameter: TopicArn Reason: An ARN must have at least 6 elements, not 1")
    refused(lambda: sns.create_topic(Name="a b"), "InvalidParameter", "Invalid parameter: Topic Name")
    refused(lambda: sns.create_topic(Name="x.fifo", Attributes={"FifoTopic": "true"}), "NotImplemented")
    sns.delete_topic(TopicArn=f"arn:aws:sns:{REGION}:{ACCOUNT}:none")


def test_topics_are_listed_page_by_page(sns):
    made = sorted(sns.create_topic(Name=f"topic-{i:03}")["TopicArn"] for i in range(103))
    first = sns.list_topics()
    second = sns.list_topics(NextToken=first["NextToken"])
    assert "NextToken" not in second
    assert [t["TopicArn"] for t in first["Topics"] + second["Topics"]] == made
    sns.delete_topic(TopicArn=made[0])
    assert made[0] not in [t["TopicArn"] for t in sns.list_topics()["Topics"]]


def test_attributes_of_a_topic_are_set_and_vetted(sns):
    arn = sns.create_topic(Name="mail")["TopicArn"]

    def put(name, value):
        return sns.set_topic_attributes(TopicArn=arn, AttributeName=name, AttributeValue=value)
    put("DisplayName", "Mail & more")
    put("SignatureVersion", "2")
    put("DeliveryPolicy", json.dumps({"http": {"defaultHealthyRetryPolicy": {
        "minDelayTarget": 1, "maxDelayTarget": 5, "numRetries": 5, "backoffFunction": "geometric"}}}))
    attributes = sns.get_topic_attributes(TopicArn=arn)["Attributes"]
    assert attributes["DisplayName"] == "Mail & more" and attributes["SignatureVersion"] == "2"
    assert json.loads(attributes["EffectiveDeliveryPolicy"])["http"]["defaultHealthyRetryPolicy"]["numRetries"] == 5
    refused(lambda: put("Nonsense", "1"), "InvalidParameter", "Invalid parameter: AttributeName")
    refused(lambda: put("SignatureVersion", "3"), "InvalidParameter")
    refused(lambda: put("DeliveryPolicy", '{"http":{"defaultHealthyRetryPolicy":{"numRetries":101}}}'), "InvalidParameter")
    refused(lambda: put("Policy", '{"Version":"2012-10-17","Statement":[]}'), "InvalidParameter",
            "Invalid parameter: Policy Error: null")


def test_tags(sns):
    arn = sns.create_topic(Name="mail", Tags=[{"Key": "k1", "Value": "v1"}, {"Key": "k2", "Value": "v2"}])["TopicArn"]
    sns.untag_resource(ResourceArn=arn, TagKeys=["k1"])
    sns.tag_resource(ResourceArn=arn, Tags=[{"Key": "k2", "Value": "v2b"}, {"Key": "k3", "Value": ""}])
    assert sns.list_tags_for_resource(ResourceArn=arn)["Tags"] == [
        {"Key": "k2", "Value": "v2b"}, {"Key": "k3", "Value": ""}]
    refused(lambda: sns.tag_resource(ResourceArn=arn, Tags=[{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]),
            "InvalidParameter", "Invalid parameter: Duplicated keys are not allowed.")


def test_permissions_are_statements_of_the_policy(sns):
    arn = sns.create_topic(Name="mail")["TopicArn"]
    sns.add_permission(TopicArn=arn, Label="partner", AWSAccountId=[OTHER], ActionName=["Publish"])
    policy = json.loads(sns.get_topic_attributes(TopicArn=arn)["Attributes"]["Policy"])
    assert policy["Statement"][1] == {
        "Sid": "partner", "Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{OTHER}:root"},
        "Action": "SNS:Publish", "Resource": arn}
    refused(lambda: sns.add_permission(TopicArn=arn, Label="partner", AWSAccountId=[OTHER], ActionName=["Publish"]),
            "InvalidParameter", "Invalid parameter: Statement already exists")
    refused(lambda: sns.add_permission(TopicArn=arn, Label="more", AWSAccountId=[OTHER], ActionName=["Fly"]),
            "InvalidParameter", "Invalid parameter: Policy statement action out of service scope!")
    sns.remove_permission(TopicArn=arn, Label="partner")
    policy = json.loads(sns.get_topic_attributes(TopicArn=arn)["Attributes"]["Policy"])
    assert [s["Sid"] for s in policy["Statement"]] == ["__default_statement_ID"]


def test_another_account_needs_the_topics_leave(server, sns):
    arn = sns.create_topic(Name="mail")["TopicArn"]
    other = server.client("sns", account=OTHER)
    answer = refused(lambda: other.publish(TopicArn=arn, Message="x"), "AuthorizationError",
                     f"User: arn:aws:iam::{OTHER}:root is not authorized to perform: SNS:Publish on resource: {arn} "
                     "because no resource-based policy allows the SNS:Publish action")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 403
    refused(lambda: other.get_topic_attributes(TopicArn=arn), "AuthorizationError")
    sns.add_permission(TopicArn=arn, Label="partner", AWSAccountId=[OTHER], ActionName=["Publish"])
    assert other.publish(TopicArn=arn, Message="x")["MessageId"]
    refused(lambda: other.subscribe(TopicArn=arn, Protocol="http", Endpoint="http://127.0.0.1:1/"),
            "AuthorizationError")
    sns.remove_permission(TopicArn=arn, Label="partner")
    refused(lambda: other.publish(TopicArn=arn, Message="x"), "AuthorizationError")


# ---- messages

@pytest.mark.parametrize("version", ["1", "2"])
def test_a_subscriber_confirms_gets_and_verifies(sns, subscriber, version):
    topic = sns.create_topic(Name="mail", Attributes={"SignatureVersion": version})["TopicArn"]
    assert sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=subscriber.url)["SubscriptionArn"] == \
        "pending confirmation"
    _, path, headers, body = subscriber.wait(1)
    message = json.loads(body)
    assert path == "/hook"
    assert list(message) == ["Type", "MessageId", "Token", "TopicArn", "Message", "SubscribeURL", "Timestamp",
                             "SignatureVersion", "Signature", "SigningCertURL"]
    assert message["Message"] == (f"You have chosen to subscribe to the topic {topic}.\nTo confirm the subscription, "
                                  "visit the SubscribeURL included in this message.")
    assert headers["x-amz-sns-message-type"] == message["Type"] == "SubscriptionConfirmation"
    assert headers["x-amz-sns-subscription-arn"] is None
    verify(message)
    assert sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"][0]["SubscriptionArn"] == \
        "PendingConfirmation"
    sns.publish(TopicArn=topic, Message="before anyone said yes")

    answer = fetch(message["SubscribeURL"]).decode()
    [subscription] = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    arn = subscription["SubscriptionArn"]
    assert f"<SubscriptionArn>{arn}</SubscriptionArn>" in answer and arn.startswith(topic + ":")
    assert subscription == {"SubscriptionArn": arn, "Owner": ACCOUNT, "Protocol": "http", "Endpoint": subscriber.url,
                            "TopicArn": topic}

    text = 'He said "yes" / nein\n\tpůl \U0001f600 \\ end'
    sent = sns.publish(TopicArn=topic, Subject="A subject", Message=text, MessageAttributes={
        "store": {"DataType": "String", "StringValue": "example"},
        "blob": {"DataType": "Binary", "BinaryValue": b"\x00\xff"}})
    _, _, headers, body = subscriber.wait(2)
    message = json.loads(body)
    assert message["Message"] == text, "what was published before the confirmation is not sent"
    assert list(message) == ["Type", "MessageId", "TopicArn", "Subject", "Message", "Timestamp", "SignatureVersion",
                             "Signature", "SigningCertURL", "UnsubscribeURL", "MessageAttributes"]
    assert body.startswith(b'{\n  "Type" : "Notification",\n  "MessageId" : "') and body.endswith(b'\n}')
    assert message["MessageAttributes"] == {"store": {"Type": "String", "Value": "example"},
                                            "blob": {"Type": "Binary", "Value": "AP8="}}
    assert message["SignatureVersion"] == version
    assert {name.lower(): value for name, value in headers.items()} == {
        "x-amz-sns-message-type": "Notification", "x-amz-sns-message-id": sent["MessageId"],
        "x-amz-sns-topic-arn": topic, "x-amz-sns-subscription-arn": arn,
        "content-type": "text/plain; charset=UTF-8", "content-length": str(len(body)),
        "host": f"127.0.0.1:{subscriber.port}", "connection": "Keep-Alive",
        "user-agent": "Amazon Simple Notification Service Agent", "accept-encoding": "gzip,deflate"}
    verify(message)
    with pytest.raises(Exception):
        verify({**message, "Message": "another"})


def test_the_certificate_is_the_same_after_a_restart_and_private(make_server, subscriber):
    server = make_server(own_signing_key=True)
    sns = server.client("sns")
    topic = sns.create_topic(Name="mail")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=subscriber.url)
    before = urllib.parse.urlsplit(subscriber.json(1)["SigningCertURL"]).path
    certificate = fetch(server.api + before)
    assert certificate.startswith(b"-----BEGIN CERTIFICATE-----") and b"PRIVATE" not in certificate
    assert ((server.data / "sns" / "signing.pem").stat().st_mode & 0o777) == 0o600
    server.restart()
    assert fetch(server.api + before) == certificate
    with pytest.raises(urllib.error.HTTPError) as caught:
        fetch(server.api + "/SimpleNotificationService-00000000000000000000000000000000.pem")
    assert caught.value.code == 404


def test_each_first_start_makes_a_key_of_its_own(make_server):
    keys = []
    for _ in range(2):
        server = make_server(own_signing_key=True)
        path = server.data / "sns" / "signing.pem"
        assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
        keys.append(path.read_bytes())
    assert all(key.startswith(b"-----BEGIN PRIVATE KEY-----") and b"-----BEGIN CERTIFICATE-----" in key for key in keys)
    assert keys[0] != keys[1]


def test_unsubscribing_by_the_link_can_be_taken_back(sns, subscriber):
    topic = sns.create_topic(Name="mail")["TopicArn"]
    arn = subscribe(sns, topic, subscriber)
    sns.publish(TopicArn=topic, Message="one")
    fetch(subscriber.json(2)["UnsubscribeURL"])
    message = subscriber.json(3)
    assert message["Type"] == "UnsubscribeConfirmation"
    assert message["Message"] == (f"You have chosen to deactivate subscription {arn}.\nTo cancel this operation and "
                                  "restore the subscription, visit the SubscribeURL included in this message.")
    assert subscriber.posts[2][2]["x-amz-sns-subscription-arn"] == arn
    verify(message)
    assert sns.list_subscriptions()["Subscriptions"] == []
    refused(lambda: sns.get_subscription_attributes(SubscriptionArn=arn), "NotFound", "Subscription does not exist")
    assert sns.get_topic_attributes(TopicArn=topic)["Attributes"]["SubscriptionsDeleted"] == "1"
    sns.publish(TopicArn=topic, Message="unheard")
    fetch(message["SubscribeURL"])
    sns.publish(TopicArn=topic, Message="two")
    assert subscriber.json(4)["Message"] == "two"


def test_authenticate_on_unsubscribe_shuts_the_link(server, sns, subscriber):
    topic = sns.create_topic(Name="mail")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=subscriber.url)
    token = subscriber.json(1)["Token"]
    arn = sns.confirm_subscription(TopicArn=topic, Token=token, AuthenticateOnUnsubscribe="true")["SubscriptionArn"]
    attributes = sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
    assert attributes["ConfirmationWasAuthenticated"] == "true"
    sns.publish(TopicArn=topic, Message="one")
    with pytest.raises(urllib.error.HTTPError) as caught:
        fetch(subscriber.json(2)["UnsubscribeURL"])
    assert caught.value.code == 403
    refused(lambda: server.client("sns", account=OTHER).unsubscribe(SubscriptionArn=arn), "AuthorizationError")
    sns.unsubscribe(SubscriptionArn=arn)
    assert sns.list_subscriptions()["Subscriptions"] == []
    sns.unsubscribe(SubscriptionArn=arn)


def test_wrong_tokens_and_links(server, sns):
    topic = sns.create_topic(Name="mail")["TopicArn"]
    refused(lambda: sns.confirm_subscription(TopicArn=topic, Token="x"), "InvalidParameter", "Invalid token")
    refused(lambda: sns.confirm_subscription(TopicArn=topic, Token="0" * 128), "InvalidParameter",
            "Invalid parameter: Token")
    for query in ["Action=Publish&TopicArn=" + topic + "&Message=x", "Action=ListTopics", "Action=DeleteTopic"]:
        with pytest.raises(urllib.error.HTTPError) as caught:
            fetch(f"{server.api}/?{query}")
        assert caught.value.code == 403 and b"MissingAuthenticationToken" in caught.value.read()


def test_subscribing_is_vetted(sns):
    topic = sns.create_topic(Name="mail")["TopicArn"]

    def subscribe(protocol, endpoint, **attributes):
        return sns.subscribe(TopicArn=topic, Protocol=protocol, Endpoint=endpoint, Attributes=attributes)
    refused(lambda: subscribe("pigeon", "x"), "InvalidParameter",
            "Invalid parameter: Amazon SNS does not support this protocol string: pigeon")
    refused(lambda: subscribe("email", "a@b.example"), "NotImplemented")
    refused(lambda: subscribe("https", "http://127.0.0.1/"), "InvalidParameter",
            "Invalid parameter: Endpoint must match the specified protocol")
    refused(lambda: subscribe("sqs", "http://127.0.0.1/"), "InvalidParameter", "Invalid parameter: SQS endpoint ARN")
    refused(lambda: subscribe("http", "http://127.0.0.1:1/", RawMessageDelivery="wrongvalue"), "InvalidParameter",
            "Invalid parameter: Attributes Reason: RawMessageDelivery: Invalid value [wrongvalue]. "
            "Must be true or false.")
    refused(lambda: subscribe("http", "http://127.0.0.1:1/", FilterPolicy='{"key":[["value"]]}'), "InvalidParameter",
            "Invalid parameter: Attributes Reason: FilterPolicy: Match value must be String, number, true, false, "
            "or null")


def test_attributes_of_a_subscription(sns, subscriber):
    topic = sns.create_topic(Name="mail")["TopicArn"]
    arn = subscribe(sns, topic, subscriber, RawMessageDelivery="true")

    def put(name, value):
        return sns.set_subscription_attributes(SubscriptionArn=arn, AttributeName=name, AttributeValue=value)
    attributes = sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
    assert json.loads(attributes.pop("EffectiveDeliveryPolicy"))["healthyRetryPolicy"]["numRetries"] == 3
    assert attributes == {
        "SubscriptionArn": arn, "TopicArn": topic, "Owner": ACCOUNT, "Protocol": "http", "Endpoint": subscriber.url,
        "RawMessageDelivery": "true", "PendingConfirmation": "false", "ConfirmationWasAuthenticated": "false",
        "SubscriptionPrincipal": f"arn:aws:iam::{ACCOUNT}:root"}
    put("RawMessageDelivery", "false")
    put("FilterPolicy", '{"store":["a"]}')
    put("RedrivePolicy", json.dumps({"deadLetterTargetArn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:dead"}))
    attributes = sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
    assert (attributes["FilterPolicy"], attributes["FilterPolicyScope"]) == ('{"store":["a"]}', "MessageAttributes")
    assert json.loads(attributes["RedrivePolicy"])["deadLetterTargetArn"].endswith(":dead")
    put("FilterPolicy", "{}")
    assert "FilterPolicy" not in sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
    refused(lambda: put("fake", "x"), "InvalidParameter", "Invalid parameter: AttributeName")
    refused(lambda: put("RawMessageDelivery", "test-ValUe"), "InvalidParameter",
            "Invalid parameter: RawMessageDelivery: Invalid value [test-ValUe]. Must be true or false.")
    refused(lambda: put("RedrivePolicy", '{"deadLetterTargetArn":"fake"}'), "InvalidParameter",
            "Invalid parameter: RedrivePolicy: deadLetterTargetArn is an invalid arn")


def test_raw_delivery_is_the_message_alone(sns, subscriber):
    topic = sns.create_topic(Name="mail")["TopicArn"]
    subscribe(sns, topic, subscriber, RawMessageDelivery="true", DeliveryPolicy=json.dumps(
        {"requestPolicy": {"headerContentType": "application/json"}}))
    sns.publish(TopicArn=topic, Subject="s", Message='{"a": "\u00fc"}')
    _, _, headers, body = subscriber.wait(2)
    assert body.decode() == '{"a": "\u00fc"}'
    assert headers["x-amz-sns-rawdelivery"] == "true" and headers["Content-Type"] == "application/json"


def test_a_password_in_the_endpoint_is_sent_and_not_shown(sns, subscriber):
    topic = sns.create_topic(Name="mail")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=f"http://me:a%2Fb@127.0.0.1:{subscriber.port}/x")
    _, path, headers, _ = subscriber.wait(1)
    assert path == "/x" and base64.b64decode(headers["Authorization"].split()[1]) == b"me:a/b"
    [subscription] = sns.list_subscriptions()["Subscriptions"]
    assert subscription["Endpoint"] == f"http://me:****@127.0.0.1:{subscriber.port}/x"


def test_filters_choose_what_a_subscriber_gets(sns, subscriber):
    topic = sns.create_topic(Name="mail")["TopicArn"]
    arn = subscribe(sns, topic, subscriber, FilterPolicy='{"store":["a",{"prefix":"b"}]}')
    for store in ["c", "a", "bb"]:
        sns.publish(TopicArn=topic, Message=store,
                    MessageAttributes={"store": {"DataType": "String", "StringValue": store}})
    sns.publish(TopicArn=topic, Message="no attribute at all")
    subscriber.wait(3)
    sns.set_subscription_attributes(SubscriptionArn=arn, AttributeName="FilterPolicyScope", AttributeValue="MessageBody")
    sns.publish(TopicArn=topic, Message='{"store":"x"}')
    sns.publish(TopicArn=topic, Message='{"store":"b1"}')
    subscriber.wait(4)
    time.sleep(0.3)
    assert sorted(json.loads(p[3])["Message"] for p in subscriber.posts[1:]) == ["a", "bb", '{"store":"b1"}']


def test_publishing_is_vetted(sns):
    topic = sns.create_topic(Name="mail")["TopicArn"]
    for message, words in [
            (dict(Message=""), "Invalid parameter: Empty message"),
            (dict(Message="x", Subject=""), "Invalid parameter: Subject"),
            (dict(Message="x", Subject="a\nb"), "Invalid parameter: Subject"),
            (dict(Message="x" * (256 * 1024 + 1)), "Invalid parameter: Message too long"),
            (dict(Message="{", MessageStructure="json"),
             "Invalid parameter: Message Structure - JSON message body failed to parse"),
            (dict(Message='{"http":"x"}', MessageStructure="json"),
             "Invalid parameter: Message Structure - No default entry in JSON message body")]:
        refused(lambda m=message: sns.publish(TopicArn=topic, **m), "InvalidParameter", words)


def test_a_text_for_each_protocol(sns, subscriber):
    topic = sns.create_topic(Name="mail")["TopicArn"]
    subscribe(sns, topic, subscriber)
    sns.publish(TopicArn=topic, MessageStructure="json", Message='{"default":"d","http":"for the web"}')
    sns.publish(TopicArn=topic, MessageStructure="json", Message='{"default":"d","sqs":"s"}')
    subscriber.wait(3)
    messages = [json.loads(p[3]) for p in subscriber.posts[1:]]
    assert sorted(m["Message"] for m in messages) == ["d", "for the web"]
    for message in messages:
        verify(message)


def test_a_batch_says_of_each_what_became_of_it(sns, subscriber):
    topic = sns.create_topic(Name="mail")["TopicArn"]
    subscribe(sns, topic, subscriber)
    answer = sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=[
        {"Id": "one", "Message": "1"}, {"Id": "two", "Message": ""}, {"Id": "three", "Message": "3", "Subject": "s"}])
    assert [m["Id"] for m in answer["Successful"]] == ["one", "three"]
    assert answer["Failed"] == [{"Id": "two", "Code": "InvalidParameter", "Message": "Invalid parameter: Empty message",
                                 "SenderFault": True}]
    subscriber.wait(3)
    assert {m["MessageId"] for m in answer["Successful"]} == {json.loads(p[3])["MessageId"] for p in subscriber.posts[1:]}
    entry = {"Id": "x", "Message": "m"}
    refused(lambda: sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=[entry, entry]),
            "BatchEntryIdsNotDistinct")
    refused(lambda: sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=[
        {"Id": str(i), "Message": "m"} for i in range(11)]), "TooManyEntriesInBatchRequest")


def test_deleting_a_topic_ends_its_subscriptions(sns, subscriber):
    topic = sns.create_topic(Name="mail")["TopicArn"]
    subscribe(sns, topic, subscriber)
    sns.delete_topic(TopicArn=topic)
    assert sns.list_subscriptions()["Subscriptions"] == []
    assert sns.create_topic(Name="mail")["TopicArn"] == topic
    assert sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"] == []


# ---- encrypted topics

def key_policy(*statements):
    """The account's own, so that it keeps the key, and what a test adds."""
    return json.dumps({"Version": "2012-10-17", "Statement": [
        {"Sid": "own", "Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "kms:*",
         "Resource": "*"}, *statements]})


def test_an_encrypted_topic_delivers_while_its_key_lets_it(server, sns, subscriber):
    kms = server.client("kms")
    key = kms.create_key(Policy=key_policy())["KeyMetadata"]["KeyId"]
    topic = sns.create_topic(Name="sealed", Attributes={"KmsMasterKeyId": key})["TopicArn"]
    subscribe(sns, topic, subscriber, DeliveryPolicy=json.dumps(
        {"healthyRetryPolicy": {"minDelayTarget": 1, "maxDelayTarget": 1, "numRetries": 20}}))
    sns.publish(TopicArn=topic, Message="sealed-words-in-the-spool")
    message = subscriber.json(2)
    assert message["Message"] == "sealed-words-in-the-spool"
    verify(message)
    spool = b"".join(p.read_bytes() for p in (server.data / "spool").rglob("*") if p.is_file())
    assert b"sealed-words-in-the-spool" not in spool
    kms.disable_key(KeyId=key)
    answer = refused(lambda: sns.publish(TopicArn=topic, Message="x"), "KMSDisabled")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 400
    refused(lambda: sns.publish(TopicArn=sns.create_topic(
        Name="lost", Attributes={"KmsMasterKeyId": "alias/none"})["TopicArn"], Message="x"), "KMSNotFound")


def test_another_account_needs_the_key_too(server, sns, subscriber):
    kms, other = server.client("kms"), server.client("sns", account=OTHER)
    key = kms.create_key(Policy=key_policy())["KeyMetadata"]["KeyId"]
    topic = sns.create_topic(Name="sealed", Attributes={"KmsMasterKeyId": key})["TopicArn"]
    subscribe(sns, topic, subscriber)
    sns.add_permission(TopicArn=topic, Label="partner", AWSAccountId=[OTHER], ActionName=["Publish"])
    refused(lambda: other.publish(TopicArn=topic, Message="x"), "KMSAccessDenied")
    via = {"StringEquals": {"kms:ViaService": f"sns.{REGION}.amazonaws.com"}}
    partner = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{OTHER}:root"}, "Resource": "*", "Condition": via}
    kms.put_key_policy(KeyId=key, PolicyName="default", Policy=key_policy(
        {"Sid": "partner", "Action": "kms:GenerateDataKey", **partner}))
    refused(lambda: other.publish(TopicArn=topic, Message="x"), "KMSAccessDenied")
    kms.put_key_policy(KeyId=key, PolicyName="default", Policy=key_policy(
        {"Sid": "partner", "Action": ["kms:GenerateDataKey", "kms:Decrypt"], **partner}))
    sent = other.publish(TopicArn=topic, Message="across")["MessageId"]
    assert subscriber.json(2)["MessageId"] == sent


# ---- failures

QUICK = {"healthyRetryPolicy": {"minDelayTarget": 1, "maxDelayTarget": 1, "numRetries": 3, "numNoDelayRetries": 2,
                                "numMinDelayRetries": 1}}


def test_a_slow_subscriber_is_given_15_seconds_and_asked_again(sns, subscriber):
    topic = sns.create_topic(Name="mail")["TopicArn"]
    subscribe(sns, topic, subscriber, DeliveryPolicy=json.dumps(QUICK))
    subscriber.delay = 40
    sns.publish(TopicArn=topic, Message="hello?")
    subscriber.wait(2)
    subscriber.delay = 0
    subscriber.wait(3, 40)
    assert 14.5 < subscriber.posts[2][0] - subscriber.posts[1][0] < 15 + 4 * SLOW
    assert subscriber.posts[2][3] == subscriber.posts[1][3]


def test_an_unreachable_subscriber_is_asked_again_until_the_policy_ends(server, sns, subscriber):
    topic = sns.create_topic(Name="mail")["TopicArn"]
    arn = subscribe(sns, topic, subscriber, DeliveryPolicy=json.dumps(
        {"healthyRetryPolicy": {"minDelayTarget": 1, "maxDelayTarget": 1, "numRetries": 2}}))
    subscriber.close()
    target = f"http://127.0.0.1:{subscriber.port}"
    sns.publish(TopicArn=topic, Message="anybody?")

    def attempts():
        return [e for e in server.log() if e.get("event") == "errand" and e.get("target") == target
                and e.get("outcome") != "done"]
    assert eventually(lambda: len(attempts()) == 3), server.log_text()[-3000:]
    assert [e["outcome"] for e in attempts()] == ["retry", "retry", "expired"]
    dead = server.settled(attempts()[-1]["id"], ("dead",))
    assert "not delivered" in json.dumps(dead["attempts"][-1]), dead
    assert sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]["Endpoint"] == subscriber.url


def test_what_was_given_up_is_redriven_by_page_and_by_command(server, sns, subscriber):
    topic = sns.create_topic(Name="mail")["TopicArn"]
    subscribe(sns, topic, subscriber, DeliveryPolicy=json.dumps({"healthyRetryPolicy": {"numRetries": 0}}))
    subscriber.answers = [500, 500]
    sent = [sns.publish(TopicArn=topic, Message=text)["MessageId"] for text in ("one", "two")]

    def dead():
        return [e for e in server.get("/_sesame/errands?max=100")["errands"] if e["state"] == "dead"]
    assert eventually(lambda: len(dead()) == 2), server.get("/_sesame/errands")
    first, second = (e["errandId"] for e in dead())
    for errand in dead():
        assert errand["kind"] == "notification" and any(name in errand["about"] for name in sent), errand
    request = urllib.request.Request(f"{server.api}/_sesame/messages/{first}/redrive", method="POST")
    assert json.loads(urllib.request.urlopen(request, timeout=20).read())["errandId"] == first
    redriven = subprocess.run([BINARY, "redrive", "--data", str(server.data), "--message", second], capture_output=True,
                              text=True, timeout=60, check=False)
    assert redriven.returncode == 0, redriven.stderr
    assert eventually(lambda: len(subscriber.posts) == 5)  # the confirmation, two refused, two taken
    again = [json.loads(body) for *_, body in subscriber.posts[3:]]
    assert sorted(m["MessageId"] for m in again) == sorted(sent)
    explained = server.explain("--message", first)
    assert explained.returncode == 0 and explained.stdout.startswith(f"notification {first} of account"), explained


def test_5xx_is_tried_again_as_the_policy_says(sns, subscriber):
    topic = sns.create_topic(Name="mail")["TopicArn"]
    subscribe(sns, topic, subscriber, DeliveryPolicy=json.dumps(QUICK))
    subscriber.answers = [503, 500, 429, 200]
    sns.publish(TopicArn=topic, Message="again and again")
    subscriber.wait(5)
    posts = subscriber.posts[1:]
    gaps = [b[0] - a[0] for a, b in zip(posts, posts[1:])]
    assert gaps[0] < 0.9 * SLOW and gaps[1] < 0.9 * SLOW and 0.95 <= gaps[2] < 2.5 * SLOW, gaps
    assert len({p[2]["x-amz-sns-message-id"] for p in posts}) == 1, "the same message each time"
    assert len({p[3] for p in posts}) == 1
    time.sleep(1.5)
    assert len(subscriber.posts) == 5


@pytest.mark.parametrize("status", [400, 403, 404, 410, 301])
def test_other_statuses_are_final(sns, subscriber, status):
    topic = sns.create_topic(Name="mail")["TopicArn"]
    subscribe(sns, topic, subscriber, DeliveryPolicy=json.dumps(QUICK))
    subscriber.answers = [status]
    sns.publish(TopicArn=topic, Message="no")
    subscriber.wait(2)
    time.sleep(1.0)
    assert len(subscriber.posts) == 2, "not again, and not to where it points"


def test_connections_are_kept(make_server, subscriber):
    sns = make_server("--workers", "4").client("sns")
    topic = sns.create_topic(Name="mail")["TopicArn"]
    subscribe(sns, topic, subscriber)
    for i in range(60):
        sns.publish(TopicArn=topic, Message=str(i))
        subscriber.wait(2 + i)
    assert subscriber.connections <= 4, "a worker connects once"


def test_no_more_a_second_than_asked_for(sns, subscriber):
    topic = sns.create_topic(Name="mail")["TopicArn"]
    subscribe(sns, topic, subscriber, DeliveryPolicy='{"throttlePolicy":{"maxReceivesPerSecond":4}}')
    for i in range(9):
        sns.publish(TopicArn=topic, Message=str(i))
    subscriber.wait(10)
    times = [p[0] for p in subscriber.posts[1:]]
    assert 1.7 <= times[-1] - times[0] < 4 * SLOW


def test_private_targets_are_refused_once_a_listener_is_public(make_server, subscriber):
    server = make_server("--sns-targets", "public")
    sns = server.client("sns")
    topic = sns.create_topic(Name="mail")["TopicArn"]
    for host in ["127.0.0.1", "localhost", "[::1]", "10.255.255.1", "169.254.169.254", "[::ffff:127.0.0.1]"]:
        sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=f"http://{host}:{subscriber.port}/x")
    assert eventually(lambda: sum("not allowed" in json.dumps(line) for line in server.log()) >= 6), server.log_text()
    assert subscriber.posts == []


def test_what_was_published_survives_a_kill(make_server, subscriber):
    server = make_server()
    sns = server.client("sns")
    topic = sns.create_topic(Name="mail")["TopicArn"]
    subscribe(sns, topic, subscriber, DeliveryPolicy=json.dumps(
        {"healthyRetryPolicy": {"minDelayTarget": 1, "maxDelayTarget": 1, "numRetries": 20}}))
    subscriber.answers = [503] * 3
    sent = sns.publish(TopicArn=topic, Message="kept")["MessageId"]
    subscriber.wait(2)
    server.kill()
    subscriber.answers = []
    server.start()
    assert subscriber.json(3)["MessageId"] == sent


def test_the_command_line(server, sns, subscriber):
    def aws(*arguments):
        done = aws_cli.aws("--endpoint-url", server.api, "--region", REGION, "--output", "json", "sns", *arguments, env={
                                   "PATH": "/usr/bin:/bin", "AWS_ACCESS_KEY_ID": ACCOUNT, "AWS_CONFIG_FILE": "/dev/null",
                                   "AWS_SECRET_ACCESS_KEY": "test/root+secret0123456789012345678901234"})
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else None
    topic = aws("create-topic", "--name", "cli")["TopicArn"]
    aws("subscribe", "--topic-arn", topic, "--protocol", "http", "--notification-endpoint", subscriber.url)
    aws("confirm-subscription", "--topic-arn", topic, "--token", subscriber.json(1)["Token"])
    sent = aws("publish", "--topic-arn", topic, "--message", "from the shell")
    assert subscriber.json(2)["MessageId"] == sent["MessageId"]
    aws("delete-topic", "--topic-arn", topic)
    assert aws("list-topics")["Topics"] == []


def test_a_function_gets_what_is_published(server, sns):
    """A Python function of the kind people deploy: it reads Records[0].Sns."""
    from test_lambda import Functions  # pylint: disable=import-outside-toplevel
    functions = Functions(server)
    made = functions.python("hears", "def handler(event, context):\n"
                                     "    print('HEARD', event['Records'][0]['EventSource'], event['Records'][0]['Sns']['Message'])\n")
    function = made["FunctionArn"]
    topic = sns.create_topic(Name="mail")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=function)
    sns.publish(TopicArn=topic, Message="not let in")
    denied = eventually(lambda: [e for e in server.log() if "lambda:InvokeFunction" in json.dumps(e)])
    assert denied and "sns.amazonaws.com" in json.dumps(denied), server.log_text()[-2000:]
    functions.aws.add_permission(FunctionName="hears", StatementId="sns", Action="lambda:InvokeFunction",
                                 Principal="sns.amazonaws.com", SourceArn=topic)
    sns.publish(TopicArn=topic, Message="loud and clear")
    assert eventually(lambda: "HEARD aws:sns loud and clear" in "".join(
        p.read_text(errors="replace") for p in server.data.rglob("*") if p.is_file() and "log" in str(p)), 30)
