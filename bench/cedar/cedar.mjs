// The flow of the SES page's role, and its bucket policy, said in Cedar and decided by cedar-wasm: policies parsed once, each
// request built from nothing, as bench/policy.c does it. Prints one line of JSON: nanoseconds, the best of several rounds.
import { preparsePolicySet, statefulIsAuthorized } from "@cedar-policy/cedar-wasm/nodejs";

const account = "111122223333";
const rule = `arn:aws:ses:us-east-1:${account}:receipt-rule-set/main:receipt-rule/store`;
const sources = `when { context.SourceAccount == "${account}" && context.SourceArn == "${rule}" }`;
const policies = {
  trust: `permit (principal == Service::"ses.amazonaws.com", action == Action::"sts:AssumeRole", resource) ${sources};`,
  role: `permit (principal == Role::"writer", action == Action::"s3:PutObject", resource)
           when { context.Resource like "arn:aws:s3:::demo-mail/*" };
         permit (principal == Role::"writer", action == Action::"sns:Publish", resource)
           when { context.Resource like "arn:aws:sns:us-east-1:${account}:my-topic" };
         permit (principal == Role::"writer", action == Action::"kms:GenerateDataKey", resource);`,
  bucket: `permit (principal == Service::"ses.amazonaws.com", action == Action::"s3:PutObject", resource)
           when { context.Resource like "arn:aws:s3:::demo-mail/*" && context.SourceAccount == "${account}" &&
                  context.SourceArn == "${rule}" };`,
};
for (const [name, text] of Object.entries(policies)) {
  const parsed = preparsePolicySet(name, { staticPolicies: text });
  if (parsed.type !== "success") throw new Error(JSON.stringify(parsed));
}

function ask(policySet, principal, action, resource) {
  const answer = statefulIsAuthorized({
    principal,
    action: { type: "Action", id: action },
    resource: { type: "Resource", id: resource },
    context: { SourceAccount: account, SourceArn: rule, Resource: resource, SecureTransport: true },
    preparsedPolicySetId: policySet,
    entities: [],
  });
  if (answer.type !== "success" || answer.response.decision !== "allow") throw new Error(JSON.stringify(answer));
}

const ses = { type: "Service", id: "ses.amazonaws.com" };
const object = "arn:aws:s3:::demo-mail/o3vrnil0e2ic28trm7dfhrc2v0k4v1d4nbp0g1";
const questions = {
  flow_ns() {
    ask("trust", ses, "sts:AssumeRole", `arn:aws:iam::${account}:role/writer`);
    ask("role", { type: "Role", id: "writer" }, "s3:PutObject", object);
  },
  bucket_ns() {
    ask("bucket", ses, "s3:PutObject", object);
  },
};

const took = {};
for (const [name, question] of Object.entries(questions)) {
  took[name] = Infinity;
  for (let round = 0; round < 15; round++) {
    const began = process.hrtime.bigint();
    for (let i = 0; i < 2000; i++) question();
    took[name] = Math.min(took[name], Number(process.hrtime.bigint() - began) / 2000);
  }
}
console.log(JSON.stringify(took));
