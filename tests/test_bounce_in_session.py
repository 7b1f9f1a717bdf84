"""`--bounce in-session`: a rule that begins with a Bounce action refuses at RCPT, so that nobody is written to whose address was
forged. Whatever cannot be said there is bounced after acceptance, as SES does."""
import pytest

from conftest import ACCOUNT, Receiving, data, eventually, message_id
from test_bounce import Relay, bounce_action
from test_refused import OTHER, rcpt, seen

GONE = 550, b"5.1.1 Mailbox does not exist"


@pytest.fixture
def relay():
    made = Relay()
    yield made
    made.close()


@pytest.fixture
def bouncing(make_server, relay):
    """A server that bounces in the session, with a domain."""
    server = make_server("--bounce", "in-session", "--relay", relay.address)
    return Receiving(server)


def test_a_rule_that_begins_with_a_bounce_refuses_in_its_words(bouncing, relay):
    server = bouncing.server
    bouncing.rule("bounce", bounce_action(), recipients=["gone@example.com"])
    bouncing.bucket("mail")
    bouncing.rule("all", after="bounce")
    with server.smtp() as session:
        session.ehlo()
        session.mail("me@sender.example")
        assert session.rcpt("gone@example.com") == GONE
        assert session.rcpt("GONE+label@example.com") == GONE
        assert session.rcpt("here@example.com")[0] == 250  # the others of the message arrive
        taken = message_id(*data(session, b"Subject: x\r\n\r\nx\r\n"))
    assert server.settled(taken)["envelope"]["recipients"] == ["here@example.com"]
    assert rcpt(server, "gone@example.com", sender="") == GONE  # nobody is written to, so a report may be told
    told = seen(server)[0]
    assert (told["reason"], told["accounts"], told["from"]) == ("bounce", [ACCOUNT], "<>")
    assert told["reply"] == "550 5.1.1 Mailbox does not exist"
    assert told["why"] == (f'the rule "bounce" of "main", the active rule set of account {ACCOUNT} in us-east-1, '
                           "begins with a Bounce action, which --bounce in-session says at once")
    metrics = server.get("/_sesame/metrics")
    assert 'sesame_smtp_refused_recipients_total{reason="bounce"} 3\n' in metrics
    assert 'sesame_smtp_refusals_total{reason="bounced"} 3\n' in metrics
    assert relay.taken == [] and server.get("/_sesame/errands")["errands"] == []


def test_a_refusal_for_now_is_said_too_and_is_no_error(make_server):
    server = make_server("--bounce", "in-session", "--errors-max", "2")  # no relay: none is needed
    receiving = Receiving(server)
    receiving.rule("full", bounce_action(SmtpReplyCode="452", StatusCode="4.2.2", Message="Mailbox\r\n is full"))
    with server.smtp() as session:
        session.ehlo()
        session.mail("me@sender.example")
        for _ in range(5):
            assert session.rcpt("user@example.com") == (452, b"4.2.2 Mailbox is full")


@pytest.mark.parametrize("how", ["another action first", "a topic", "a rule before it", "not ASCII", "421", "a status of another class"])
def test_what_cannot_be_said_follows_the_message(bouncing, relay, how):
    bouncing.bucket("mail")
    action = bounce_action()
    if how == "a topic":
        topic = bouncing.server.client("sns").create_topic(Name="bounces")["TopicArn"]
        action = bounce_action(TopicArn=topic)
    elif how == "not ASCII":
        action = bounce_action(Message="Dirección desconocida")
    elif how == "421":
        action = bounce_action(SmtpReplyCode="421", StatusCode="4.3.0")
    elif how == "a status of another class":
        action = bounce_action(StatusCode="4.1.1")
    first = [{"AddHeaderAction": {"HeaderName": "X-A", "HeaderValue": "v"}}] if how == "another action first" else []
    if how == "a rule before it":
        bouncing.rule("before", {"AddHeaderAction": {"HeaderName": "X-A", "HeaderValue": "v"}})
        bouncing.rule("bounce", action, after="before")
    else:
        bouncing.rule("bounce", *first, action)
    bouncing.server.send(b"Subject: x\r\n\r\nx\r\n", sender="me@sender.example")
    assert eventually(lambda: relay.taken), how
    assert seen(bouncing.server) == []


def test_a_rule_without_actions_before_it_has_nothing_to_do(bouncing):
    bouncing.rule("empty")
    bouncing.rule("off", {"AddHeaderAction": {"HeaderName": "X-A", "HeaderValue": "v"}}, after="empty", enabled=False)
    bouncing.rule("bounce", bounce_action(), after="off")
    assert rcpt(bouncing.server) == GONE


def test_a_rehearsal_says_so(bouncing):
    bouncing.rule("bounce", bounce_action())
    text = bouncing.server.explain("--rule", "main/bounce").stdout
    assert ("would refuse the recipient at RCPT (550 5.1.1 Mailbox does not exist); where another rule or account has "
            "something to do with the message first, would send a bounce as mailer@example.com") in text, text
    bouncing.rule("later", {"AddHeaderAction": {"HeaderName": "X-A", "HeaderValue": "v"}}, bounce_action(), after="bounce")
    text = bouncing.server.explain("--rule", "main/later").stdout
    assert "would send a bounce as mailer@example.com" in text and "RCPT" not in text, text


def test_filters_and_tls_come_first(bouncing):
    server = bouncing.server
    bouncing.rule("bounce", bounce_action(), tls="Require")
    assert rcpt(server)[0] == 530
    with server.smtp() as session:
        session.starttls()
        session.ehlo()
        session.mail("me@sender.example")
        assert session.rcpt("user@example.com") == GONE
    bouncing.ses.create_receipt_filter(Filter={"Name": "b", "IpFilter": {"Policy": "Block", "Cidr": "127.0.0.1"}})
    assert rcpt(server) == (550, b"5.7.1 Client host [127.0.0.1] blocked")


def test_an_unverified_sender_is_the_actions_failure(bouncing):
    bouncing.ses.verify_domain_identity(Domain="sender.test")
    bouncing.rule("bounce", bounce_action(Sender="postmaster@sender.test"))
    assert rcpt(bouncing.server) == GONE
    bouncing.ses.delete_identity(Identity="sender.test")
    taken = bouncing.server.send(b"Subject: x\r\n\r\nx\r\n")
    attempt = bouncing.server.attempted(taken)["attempts"][0]
    assert "identity is not verified: postmaster@sender.test" in str(attempt)


def test_every_account_that_takes_the_recipient_must_want_it(bouncing, relay):
    server = bouncing.server
    bouncing.rule("bounce", bounce_action())
    other = Receiving(server, account=OTHER)
    assert rcpt(server) == GONE  # the other one has no rule: it takes nothing
    assert seen(server)[0]["accounts"] == [ACCOUNT, OTHER]
    other.bucket("theirs")
    other.rule("all")
    server.send(b"Subject: x\r\n\r\nx\r\n", sender="me@sender.example")
    assert eventually(lambda: relay.taken)  # one account bounces while another takes it: spec 1
    other.ses.delete_receipt_rule(RuleSetName="main", RuleName="all")
    other.rule("bounce", bounce_action(SmtpReplyCode="554", StatusCode="5.7.1", Message="Theirs"))
    assert rcpt(server) == GONE  # both: in the words of the older account
    assert seen(server)[0]["why"].count("begins with a Bounce action") == 2


def test_without_the_setting_it_is_a_mail_as_at_ses(make_server, relay):
    server = make_server("--relay", relay.address)
    Receiving(server).rule("bounce", bounce_action())
    server.send(b"Subject: x\r\n\r\nx\r\n", sender="me@sender.example")
    assert eventually(lambda: relay.taken)
