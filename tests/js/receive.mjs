// The newest client there is: makes a rule whose S3 action has an IamRoleArn, and reads the mail back.
//   node receive.mjs ENDPOINT set-up | read KEY
import { CreateRoleCommand, IAMClient, PutRolePolicyCommand } from "@aws-sdk/client-iam";
import { CreateBucketCommand, GetObjectCommand, ListObjectsV2Command, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import {
  CreateReceiptRuleCommand, CreateReceiptRuleSetCommand, DescribeActiveReceiptRuleSetCommand, SESClient,
  SetActiveReceiptRuleSetCommand, VerifyDomainIdentityCommand,
} from "@aws-sdk/client-ses";

const [endpoint, what, key] = process.argv.slice(2);
const settings = { endpoint, region: "us-east-1", maxAttempts: 1 }; // credentials from the environment
const ses = new SESClient(settings);
const s3 = new S3Client({ ...settings, forcePathStyle: true });
const iam = new IAMClient(settings);
const account = "111122223333";
const role = `arn:aws:iam::${account}:role/js-mailer`;
const rule = `arn:aws:ses:us-east-1:${account}:receipt-rule-set/js:receipt-rule/store`;

if (what === "set-up") {
  await ses.send(new VerifyDomainIdentityCommand({ Domain: "js.example" }));
  await s3.send(new CreateBucketCommand({ Bucket: "js-mail" }));
  await iam.send(new CreateRoleCommand({ RoleName: "js-mailer", AssumeRolePolicyDocument: JSON.stringify({
    Version: "2012-10-17", Statement: [{ Sid: "AllowSESAssume", Effect: "Allow", Principal: { Service: "ses.amazonaws.com" },
      Action: "sts:AssumeRole", Condition: { StringEquals: { "AWS:SourceAccount": account, "AWS:SourceArn": rule } } }] }) }));
  await iam.send(new PutRolePolicyCommand({ RoleName: "js-mailer", PolicyName: "write", PolicyDocument: JSON.stringify({
    Version: "2012-10-17", Statement: [{ Sid: "S3Access", Effect: "Allow", Action: "s3:PutObject",
      Resource: "arn:aws:s3:::js-mail/*" }] }) }));
  await ses.send(new CreateReceiptRuleSetCommand({ RuleSetName: "js" }));
  await ses.send(new CreateReceiptRuleCommand({ RuleSetName: "js", Rule: { Name: "store", Enabled: true, Recipients: ["js.example"],
    Actions: [{ S3Action: { BucketName: "js-mail", ObjectKeyPrefix: "in", IamRoleArn: role } }] } }));
  await ses.send(new SetActiveReceiptRuleSetCommand({ RuleSetName: "js" }));
  const active = await ses.send(new DescribeActiveReceiptRuleSetCommand({}));
  // The newest client sends trailing checksums with what it puts.
  await s3.send(new PutObjectCommand({ Bucket: "js-mail", Key: "own ü", Body: "put by the client", Metadata: { a: "b" } }));
  const own = await s3.send(new GetObjectCommand({ Bucket: "js-mail", Key: "own ü" }));
  console.log(JSON.stringify({ rule: active.Rules[0], own: await own.Body.transformToString(), metadata: own.Metadata }));
} else {
  const listed = await s3.send(new ListObjectsV2Command({ Bucket: "js-mail", Prefix: "in/" }));
  const got = await s3.send(new GetObjectCommand({ Bucket: "js-mail", Key: key }));
  console.log(JSON.stringify({ keys: listed.Contents.map((o) => o.Key), text: await got.Body.transformToString() }));
}
