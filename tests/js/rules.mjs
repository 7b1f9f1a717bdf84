// Every receiving operation by the newest client, and its own exceptions with the members they have.
//   node rules.mjs ENDPOINT
import assert from "node:assert";
import { CreateRoleCommand, IAMClient } from "@aws-sdk/client-iam";
import {
  CloneReceiptRuleSetCommand, CreateReceiptFilterCommand, CreateReceiptRuleCommand, CreateReceiptRuleSetCommand, DeleteReceiptFilterCommand,
  DeleteReceiptRuleCommand, DeleteReceiptRuleSetCommand, DescribeActiveReceiptRuleSetCommand, DescribeReceiptRuleCommand,
  DescribeReceiptRuleSetCommand, ListReceiptFiltersCommand, ListReceiptRuleSetsCommand, ReorderReceiptRuleSetCommand, SendBounceCommand,
  SESClient, SetActiveReceiptRuleSetCommand, SetReceiptRulePositionCommand, UpdateReceiptRuleCommand,
} from "@aws-sdk/client-ses";

const settings = { endpoint: process.argv[2], region: "us-east-1", maxAttempts: 1 };
const [ses, iam] = [new SESClient(settings), new IAMClient(settings)];
const RuleSetName = "js";
const send = (Command, input) => ses.send(new Command({ RuleSetName, ...input }));
const names = async (of = RuleSetName) => (await send(DescribeReceiptRuleSetCommand, { RuleSetName: of })).Rules.map((r) => r.Name);
const refused = (call, name, message, members = {}) =>
  assert.rejects(call, (e) => {
    assert.equal(e.name, name);
    assert.equal(e.message, message);
    assert.equal(e.$metadata.httpStatusCode, 400);
    for (const [member, value] of Object.entries(members)) assert.equal(e[member], value);
    return true;
  });

await send(CreateReceiptRuleSetCommand);
await refused(send(CreateReceiptRuleSetCommand), "AlreadyExistsException", "Rule set already exists: js", { Name: "js" });
const role = `arn:aws:iam::111122223333:role/connect`;
const connect = { ConnectAction: { InstanceARN: "arn:aws:connect:us-east-1:111122223333:instance/i-1", IAMRoleARN: role } };
await refused(send(CreateReceiptRuleCommand, { Rule: { Name: "connect", Actions: [connect] } }), "InvalidParameterValue",
  "Could not assume the provided IAM role");
await iam.send(new CreateRoleCommand({ RoleName: "connect", AssumeRolePolicyDocument: JSON.stringify({ Version: "2012-10-17", Statement: [{
  Effect: "Allow", Principal: { Service: "ses.amazonaws.com" }, Action: "sts:AssumeRole" }] }) }));
await send(CreateReceiptRuleCommand, { Rule: { Name: "connect", Actions: [connect] } });
assert.deepEqual((await send(DescribeReceiptRuleCommand, { RuleName: "connect" })).Rule,
  { Name: "connect", Enabled: false, TlsPolicy: "Optional", Actions: [connect], ScanEnabled: false });
await send(CreateReceiptRuleCommand, { After: "connect", Rule: { Name: "stop", Enabled: true, Recipients: [], Actions: [{ StopAction: { Scope: "RuleSet" } }] } });
await send(UpdateReceiptRuleCommand, { Rule: { Name: "stop", Enabled: true, TlsPolicy: "Require", Recipients: ["b.example", "a.example"], Actions: [] } });
assert.deepEqual((await send(DescribeReceiptRuleCommand, { RuleName: "stop" })).Rule,
  { Name: "stop", Enabled: true, TlsPolicy: "Require", Recipients: ["a.example", "b.example"], Actions: [], ScanEnabled: false });
await send(SetReceiptRulePositionCommand, { RuleName: "stop" });
assert.deepEqual(await names(), ["stop", "connect"]);
await send(ReorderReceiptRuleSetCommand, { RuleNames: ["connect", "stop"] });
assert.deepEqual(await names(), ["connect", "stop"]);
await refused(send(ReorderReceiptRuleSetCommand, { RuleNames: ["connect"] }), "InvalidParameterValue", "Positions for rules not found: stop");
await send(CloneReceiptRuleSetCommand, { RuleSetName: "copy", OriginalRuleSetName: "js" });
assert.deepEqual(await names("copy"), ["connect", "stop"]);
const listed = await ses.send(new ListReceiptRuleSetsCommand({}));
assert.deepEqual(listed.RuleSets.map((s) => s.Name), ["copy", "js"]);
assert.ok(Date.now() - listed.RuleSets[0].CreatedTimestamp < 60000);
assert.equal((await ses.send(new DescribeActiveReceiptRuleSetCommand({}))).Metadata, undefined);
await send(SetActiveReceiptRuleSetCommand);
assert.equal((await ses.send(new DescribeActiveReceiptRuleSetCommand({}))).Metadata.Name, "js");
await refused(send(DeleteReceiptRuleSetCommand), "CannotDeleteException", "Cannot delete active rule set: js", { Name: "js" });

const rule = (...Actions) => send(CreateReceiptRuleCommand, { Rule: { Name: "new", Actions } });
const topic = "arn:aws:sns:us-east-1:111122223333:nobodys", lambda = "arn:aws:lambda:us-east-1:111122223333:function:nobodys";
await refused(rule({ S3Action: { BucketName: "nobodys" } }), "InvalidS3ConfigurationException", "No such bucket: nobodys", { Bucket: "nobodys" });
await refused(rule({ SNSAction: { TopicArn: topic } }), "InvalidSnsTopicException", `Could not publish to SNS topic: ${topic}`, { Topic: topic });
await refused(rule({ LambdaAction: { FunctionArn: lambda } }), "InvalidLambdaFunctionException", `Could not invoke Lambda function: ${lambda}`,
  { FunctionArn: lambda });
await refused(send(DescribeReceiptRuleCommand, { RuleName: "x" }), "RuleDoesNotExistException", "Rule does not exist: x", { Name: "x" });
await refused(send(DescribeReceiptRuleSetCommand, { RuleSetName: "x" }), "RuleSetDoesNotExistException", "Rule set does not exist: x", { Name: "x" });
await refused(rule(...Array(11).fill({ AddHeaderAction: { HeaderName: "X", HeaderValue: "v" } })), "LimitExceededException", "Too many actions");
await assert.rejects(ses.send(new SendBounceCommand({ OriginalMessageId: "0".repeat(40), BounceSender: "a@b.example",
  BouncedRecipientInfoList: [{ Recipient: "c@d.example", BounceType: "Undefined" }] })), { name: "MessageRejected" });

const Filter = { Name: "f", IpFilter: { Policy: "Block", Cidr: "10.0.0.1/24" } };
await ses.send(new CreateReceiptFilterCommand({ Filter }));
await refused(ses.send(new CreateReceiptFilterCommand({ Filter })), "AlreadyExistsException", "Filter already exists: f", { Name: "f" });
assert.deepEqual((await ses.send(new ListReceiptFiltersCommand({}))).Filters, [Filter]);
await ses.send(new DeleteReceiptFilterCommand({ FilterName: "f" }));
await send(DeleteReceiptRuleCommand, { RuleName: "stop" });
await ses.send(new SetActiveReceiptRuleSetCommand({}));
for (const name of ["js", "copy", "never"]) await send(DeleteReceiptRuleSetCommand, { RuleSetName: name });
assert.deepEqual((await ses.send(new ListReceiptRuleSetsCommand({}))).RuleSets, []);
console.log("well");
