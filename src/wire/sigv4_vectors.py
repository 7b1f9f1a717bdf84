#!/usr/bin/python3
"""Writes sigv4_vectors.h and aws_chunked_vectors.h here: requests as boto3 sends them, signed by botocore, and chunked bodies
signed here with hmac alone. Run with Debian's python3-boto3; the output is kept in the tree."""

import base64, datetime, hashlib, hmac, urllib.parse, zlib

import botocore.auth, botocore.awsrequest, botocore.config, botocore.session

ACCESS, SECRET, TOKEN = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "token/with+odd=chars"
NOW = datetime.datetime(2026, 3, 2, 9, 15, 42)


class Clock(datetime.datetime):
    @classmethod
    def utcnow(cls):
        return cls(2026, 3, 2, 9, 15, 42)


class Seen(Exception):
    pass


botocore.auth.datetime.datetime = Clock
for kind, cls in dict(v4="SigV4Auth", s3v4="S3SigV4Auth").items():  # the CRT, where it is there, keeps its own time
    botocore.auth.AUTH_TYPE_MAPS[kind] = getattr(botocore.auth, cls)
    botocore.auth.AUTH_TYPE_MAPS[kind + "-query"] = getattr(botocore.auth, cls.replace("Auth", "QueryAuth"))
seen = {}
for cls in (botocore.auth.SigV4Auth, botocore.auth.S3SigV4Auth):
    if "canonical_request" in cls.__dict__:
        def wrap(cls):
            inner, inner_sts = cls.canonical_request, cls.string_to_sign
            def canonical(self, request):
                seen["canonical"] = inner(self, request)
                return seen["canonical"]
            def string_to_sign(self, request, canonical_request):
                seen["to_sign"] = inner_sts(self, request, canonical_request)
                return seen["to_sign"]
            cls.canonical_request, cls.string_to_sign = canonical, string_to_sign
        wrap(cls)


def client(service, token=None, **config):
    c = botocore.session.Session().create_client(
        service, region_name="eu-west-1", endpoint_url="http://127.0.0.1:4566", aws_access_key_id=ACCESS,
        aws_secret_access_key=SECRET, aws_session_token=token,
        config=botocore.config.Config(signature_version=config.pop("version", None), s3={"addressing_style": "path"},
                                      parameter_validation=True))

    def stop(request, **_):
        seen["request"] = request
        raise Seen()

    c.meta.events.register("before-send", stop)
    return c


cases = []


def add(name, url, headers, body, token=None):
    parts = urllib.parse.urlsplit(url)
    path, query = url.split("//", 1)[1].split("/", 1)[1], ""
    path = "/" + path
    if "?" in path:
        path, query = path.split("?", 1)
    headers = [(k, v.decode() if isinstance(v, bytes) else str(v)) for k, v in headers
               if k.lower() != "user-agent" and not k.lower().startswith("amz-sdk-")]  # differ from run to run
    if not any(k.lower() == "host" for k, _ in headers):
        headers.append(("Host", parts.netloc))
    cases.append(dict(name=name, method=seen["canonical"].split("\n")[0], path=path, query=query, headers=headers,
                      body=hashlib.sha256(body or b"").hexdigest(), canonical=seen["canonical"],
                      to_sign=seen["to_sign"]))


def call(name, service, operation, token=None, **params):
    try:
        getattr(client(service, token), operation)(**params)
    except Seen:
        pass
    r = seen["request"]
    body = r.body.encode() if isinstance(r.body, str) else r.body
    body = body.read() if hasattr(body, "read") else body
    add(name, r.url, r.headers.items(), body)


def presign(name, service, operation, token=None, version="s3v4", **params):
    c = client(service, token, version=version)
    url = c.generate_presigned_url(operation, Params=params, ExpiresIn=300)
    add(name, url, [], b"")


call("a Query call", "ses", "set_active_receipt_rule_set", RuleSetName="a b+c/ü&=~*")
call("a Query call with a session token", "sts", "get_caller_identity", token=TOKEN)
call("an object with a plain key", "s3", "put_object", Bucket="demo-mail", Key="in/7f3a", Body=b"hello",
     Metadata={"a": "two  blanks   inside "}, ContentType="text/plain")
call("an object with an odd key", "s3", "get_object", Bucket="demo-mail",
     Key="a b+c/../d//e/./ü~*'()!$&,;=:@%41?#", Range="bytes=0-9")
call("a listing with an odd prefix", "s3", "list_objects_v2", Bucket="demo-mail", Prefix="a b+c/&=ü*",
     Delimiter="/", StartAfter="~", MaxKeys=3)
call("a sub-resource without a value", "s3", "get_bucket_policy", Bucket="demo-mail")
call("a policy put with a session token", "s3", "put_bucket_policy", token=TOKEN, Bucket="demo-mail", Policy="{}")
call("a REST JSON call whose path has escapes", "lambda", "invoke",
     FunctionName="arn:aws:lambda:eu-west-1:111122223333:function:f", Payload=b"{}")
presign("a presigned object", "s3", "get_object", Bucket="demo-mail", Key="a b/ü+c.txt",
        ResponseContentDisposition='attachment; filename="x y"')
presign("a presigned object with a session token", "s3", "get_object", token=TOKEN, Bucket="demo-mail", Key="k")
presign("a presigned Query call", "sts", "get_caller_identity", version=None)


def quote(text):
    out = ""
    for byte in text.encode():
        c = chr(byte)
        out += {"\n": "\\n", '"': '\\"', "\\": "\\\\"}.get(c) or (c if 32 <= byte < 127 else "\\%03o" % byte)
    return '"' + out.replace("??", '?""?') + '"'


def lines(text):
    return "\n        ".join(quote(l) for l in text.splitlines(keepends=True))


def sign(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256)


key = sign(b"AWS4" + SECRET.encode(), "20260302").digest()
for part in ("eu-west-1", "s3", "aws4_request"):
    key = sign(key, part).digest()
SCOPE = "20260302T091542Z\n20260302/eu-west-1/s3/aws4_request\n"
SEED = "0123456789abcdef" * 4
EMPTY = hashlib.sha256(b"").hexdigest()


def chunked(pieces, trailers=None):
    out, before = "", SEED
    for piece in pieces + [""]:
        before = sign(key, "AWS4-HMAC-SHA256-PAYLOAD\n" + SCOPE + before + "\n" + EMPTY + "\n" +
                      hashlib.sha256(piece.encode()).hexdigest()).hexdigest()
        out += "%x;chunk-signature=%s\r\n" % (len(piece), before) + (piece + "\r\n" if piece else "")
    if trailers is not None:
        text = "".join("%s:%s\n" % t for t in trailers)
        last = sign(key, "AWS4-HMAC-SHA256-TRAILER\n" + SCOPE + before + "\n" +
                    hashlib.sha256(text.encode()).hexdigest()).hexdigest()
        out += "".join("%s:%s\r\n" % t for t in trailers) + "x-amz-trailer-signature:" + last + "\r\n"
    return out + "\r\n"


def crlf(text):
    return "\n    ".join(quote(l) for l in text.splitlines(keepends=True)).replace("\r", "\\015")


with open("sigv4_vectors.h", "w") as f:
    f.write("/* wire/sigv4_vectors.h - made by sigv4_vectors.py; requests signed by botocore, not by us. */\n"
            "/* clang-format off */\n")
    f.write("static const struct vector vectors[] = {\n")
    for c in cases:
        f.write("    { %s,\n        %s, %s,\n        %s,\n        {\n" %
                (quote(c["name"]), quote(c["method"]), quote(c["path"]), quote(c["query"])))
        for k, v in c["headers"]:
            f.write("            { STR_INIT(%s), STR_INIT(%s) },\n" % (quote(k), quote(v)))
        f.write("        },\n        %s,\n        %s,\n        %s },\n" %
                (quote(c["body"]), lines(c["canonical"]), lines(c["to_sign"])))
    f.write("};\n/* clang-format on */\n")

with open("aws_chunked_vectors.h", "w") as f:
    f.write("/* wire/aws_chunked_vectors.h - made by sigv4_vectors.py with hmac alone. */\n/* clang-format off */\n")
    crc = base64.b64encode(zlib.crc32(b"hello, world").to_bytes(4, "big")).decode()
    f.write("#define SEED %s\n" % quote(SEED))
    f.write("static const char signed_chunks[] =\n    %s;\n" % crlf(chunked(["hello, ", "world"])))
    f.write("static const char signed_trailer[] =\n    %s;\n" %
            crlf(chunked(["hello, world"], [("x-amz-checksum-crc32", crc)])))
    f.write("static const char no_bytes[] =\n    %s;\n" % crlf(chunked([])))
    f.write("static const char unsigned_trailer[] =\n    %s;\n" %
            crlf("7\r\nhello, \r\n5\r\nworld\r\n0\r\nx-amz-checksum-crc32:%s\r\n\r\n" % crc))
    f.write("/* clang-format on */\n")
