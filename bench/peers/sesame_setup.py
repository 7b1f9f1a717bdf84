"""The domain, the rule set and (for deliver) the bucket with the seed page's policy."""
import json
import sys
import time
import urllib.request

import boto3

url, mode = sys.argv[1:]
for _ in range(200):
    try:
        urllib.request.urlopen(url + "/_sesame/health", timeout=2).read()
        break
    except OSError:
        time.sleep(0.05)


def client(service):
    return boto3.client(service, endpoint_url=url, region_name="us-east-1", aws_access_key_id="AKIDBENCH",
                        aws_secret_access_key="bench-secret")


ses, actions = client("ses"), []
ses.verify_domain_identity(Domain="example.test")
ses.create_receipt_rule_set(RuleSetName="bench")
if mode == "deliver":
    s3 = client("s3")
    s3.create_bucket(Bucket="bench-mail")
    s3.put_bucket_policy(Bucket="bench-mail", Policy=json.dumps({"Version": "2012-10-17", "Statement": [{
        "Sid": "AllowSESPuts", "Effect": "Allow", "Principal": {"Service": "ses.amazonaws.com"}, "Action": "s3:PutObject",
        "Resource": "arn:aws:s3:::bench-mail/*", "Condition": {"StringEquals": {
            "AWS:SourceAccount": "111122223333",
            "AWS:SourceArn": "arn:aws:ses:us-east-1:111122223333:receipt-rule-set/bench:receipt-rule/all"}}}]}))
    actions = [{"S3Action": {"BucketName": "bench-mail"}}]
ses.create_receipt_rule(RuleSetName="bench", Rule={"Name": "all", "Enabled": True, "Recipients": ["example.test"],
                                                   "Actions": actions})
ses.set_active_receipt_rule_set(RuleSetName="bench")
