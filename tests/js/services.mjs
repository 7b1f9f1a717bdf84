// The newest clients of the services that mail meets, each at its own trade.
//   node services.mjs ENDPOINT
import assert from "node:assert";
import { CreateKeyCommand, DecryptCommand, EncryptCommand, GenerateDataKeyCommand, KMSClient } from "@aws-sdk/client-kms";
import { CreateFunctionCommand, InvokeCommand, LambdaClient, ListFunctionsCommand } from "@aws-sdk/client-lambda";
import { CreateRoleCommand, IAMClient } from "@aws-sdk/client-iam";
import { SendEmailCommand, SendRawEmailCommand, SendTemplatedEmailCommand, SESClient } from "@aws-sdk/client-ses";
import * as v2 from "@aws-sdk/client-sesv2";
import { CreateTopicCommand, PublishCommand, SNSClient, SubscribeCommand } from "@aws-sdk/client-sns";
import {
  CreateQueueCommand, DeleteMessageCommand, DeleteQueueCommand, GetQueueAttributesCommand, ReceiveMessageCommand,
  SendMessageCommand, SetQueueAttributesCommand, SQSClient,
} from "@aws-sdk/client-sqs";
import { GetCallerIdentityCommand, STSClient } from "@aws-sdk/client-sts";

const settings = { endpoint: process.argv[2], region: "us-east-1", maxAttempts: 1 };
const [kms, lambda, iam, sns, sqs, sts] = [KMSClient, LambdaClient, IAMClient, SNSClient, SQSClient, STSClient]
  .map((Client) => new Client(settings));

assert.equal((await sts.send(new GetCallerIdentityCommand({}))).Account, "111122223333");

const { KeyId } = (await kms.send(new CreateKeyCommand({}))).KeyMetadata;
const EncryptionContext = { a: "b" };
const sealed = await kms.send(new EncryptCommand({ KeyId, Plaintext: Buffer.from("secret"), EncryptionContext }));
const opened = await kms.send(new DecryptCommand({ CiphertextBlob: sealed.CiphertextBlob, EncryptionContext }));
assert.equal(Buffer.from(opened.Plaintext).toString(), "secret");
assert.equal((await kms.send(new GenerateDataKeyCommand({ KeyId, KeySpec: "AES_256" }))).Plaintext.length, 32);

const { QueueUrl } = await sqs.send(new CreateQueueCommand({ QueueName: "new" }));
await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: "hi",
  MessageAttributes: { b: { DataType: "Binary", BinaryValue: Buffer.from("x") } } }));
const receive = async () => (await sqs.send(new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 10,
  MessageAttributeNames: ["All"] }))).Messages[0];
const direct = await receive();
assert.equal(direct.Body, "hi");
assert.equal(Buffer.from(direct.MessageAttributes.b.BinaryValue).toString(), "x");
await sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: direct.ReceiptHandle }));

const { QueueArn } = (await sqs.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ["QueueArn"] }))).Attributes;
const { TopicArn } = await sns.send(new CreateTopicCommand({ Name: "new" }));
await sqs.send(new SetQueueAttributesCommand({ QueueUrl, Attributes: { Policy: JSON.stringify({ Version: "2012-10-17",
  Statement: [{ Effect: "Allow", Principal: { Service: "sns.amazonaws.com" }, Action: "sqs:SendMessage", Resource: QueueArn,
    Condition: { ArnEquals: { "aws:SourceArn": TopicArn } } }] }) } }));
await sns.send(new SubscribeCommand({ TopicArn, Protocol: "sqs", Endpoint: QueueArn }));
const { MessageId } = await sns.send(new PublishCommand({ TopicArn, Message: "told" }));
const told = JSON.parse((await receive()).Body);
assert.deepEqual([told.MessageId, told.Message], [MessageId, "told"]);
await sqs.send(new DeleteQueueCommand({ QueueUrl }));
await assert.rejects(sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: "x" })), { name: "QueueDoesNotExist" });

const [ses, ses2] = [SESClient, v2.SESv2Client].map((Client) => new Client(settings));
const made = await ses2.send(new v2.CreateEmailIdentityCommand({ EmailIdentity: "js.example" }));
assert.deepEqual([made.IdentityType, made.VerifiedForSendingStatus, made.DkimAttributes.Tokens.length], ["DOMAIN", true, 3]);
await assert.rejects(ses2.send(new v2.CreateEmailIdentityCommand({ EmailIdentity: "js.example" })), { name: "AlreadyExistsException" });
await assert.rejects(ses2.send(new v2.GetEmailIdentityCommand({ EmailIdentity: "a+b@c.test" })), { name: "NotFoundException" });
await ses2.send(new v2.CreateEmailIdentityCommand({ EmailIdentity: "me@js.example" }));
const listed = async (input) => {
  const { EmailIdentities, NextToken } = await ses2.send(new v2.ListEmailIdentitiesCommand(input));
  return [EmailIdentities.map((identity) => identity.IdentityName), NextToken];
};
assert.deepEqual((await listed({}))[0].sort(), ["js.example", "me@js.example"]);
const [[first], token] = await listed({ PageSize: 1 });
assert.deepEqual((await listed({ PageSize: 1, NextToken: token })), [["js.example", "me@js.example"].filter((n) => n !== first), undefined]);
assert.deepEqual((await listed({ Filter: { IDENTITY_TYPE: "EMAIL_ADDRESS", IDENTITY_NAME_CONTAINS: "js.ex" } }))[0], ["me@js.example"]);
assert.deepEqual((await listed({ Filter: { VERIFICATION_STATUS: "FAILED" } }))[0], []);
await assert.rejects(listed({ PageSize: 1001 }), { name: "BadRequestException" });
await assert.rejects(listed({ Filter: { COLOUR: "red" } }), { name: "BadRequestException" });
await ses2.send(new v2.DeleteEmailIdentityCommand({ EmailIdentity: "me@js.example" }));
const raw = Buffer.from("From: me@js.example\nTo: you@x.test\nSubject: hi\n\nbody\n");
const from = { Source: "me@js.example", Destination: { ToAddresses: ["you@x.test"] } };
const sent = [
  await ses.send(new SendRawEmailCommand({ RawMessage: { Data: raw } })),
  await ses.send(new SendEmailCommand({ ...from, Message: { Subject: { Data: "hi" }, Body: { Text: { Data: "body" } } } })),
  await ses2.send(new v2.SendEmailCommand({ Content: { Raw: { Data: raw } } })),
];
assert.ok(sent.every(({ MessageId: id }) => /^[0-9a-f]{16}-[0-9a-f-]{36}-000000$/.test(id)));
await assert.rejects(ses.send(new SendEmailCommand({ ...from, Source: "me@other.test",
  Message: { Subject: { Data: "hi" }, Body: {} } })), { name: "MessageRejected" });
await assert.rejects(ses.send(new SendTemplatedEmailCommand({ ...from, Template: "t", TemplateData: "{}" })), { name: "InvalidAction" });
await ses2.send(new v2.DeleteEmailIdentityCommand({ EmailIdentity: "js.example" }));

const role = await iam.send(new CreateRoleCommand({ RoleName: "fn", AssumeRolePolicyDocument: JSON.stringify({
  Version: "2012-10-17", Statement: [{ Effect: "Allow", Principal: { Service: "lambda.amazonaws.com" }, Action: "sts:AssumeRole" }] }) }));
const zip = Buffer.from(process.argv[3], "base64");
await lambda.send(new CreateFunctionCommand({ FunctionName: "echo", Runtime: "nodejs20.x", Handler: "index.handler",
  Role: role.Role.Arn, Code: { ZipFile: zip } }));
assert.deepEqual((await lambda.send(new ListFunctionsCommand({}))).Functions.map((f) => f.FunctionName), ["echo"]);
const answer = await lambda.send(new InvokeCommand({ FunctionName: "echo", Payload: JSON.stringify({ n: 7 }) }));
assert.equal(Buffer.from(answer.Payload).toString(), '{"n":7}');
console.log("well");
