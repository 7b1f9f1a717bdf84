/* wire/sigv4_vectors.h - made by sigv4_vectors.py; requests signed by botocore, not by us. */
/* clang-format off */
static const struct vector vectors[] = {
    { "a Query call",
        "POST", "/",
        "",
        {
            { STR_INIT("Content-Type"), STR_INIT("application/x-www-form-urlencoded; charset=utf-8") },
            { STR_INIT("X-Amz-Date"), STR_INIT("20260302T091542Z") },
            { STR_INIT("Authorization"), STR_INIT("AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20260302/eu-west-1/ses/aws4_request, SignedHeaders=content-type;host;x-amz-date, Signature=325bbfef33f9920c94d9ba9aaa1b3ea26a1724d769f5a87559a5fa89eef369bc") },
            { STR_INIT("Content-Length"), STR_INIT("88") },
            { STR_INIT("Host"), STR_INIT("127.0.0.1:4566") },
        },
        "b964656b6913ecc7fbb9d8da6d639d54e5b01a156038ea4fa83dee9e3f2d2b4c",
        "POST\n"
        "/\n"
        "\n"
        "content-type:application/x-www-form-urlencoded; charset=utf-8\n"
        "host:127.0.0.1:4566\n"
        "x-amz-date:20260302T091542Z\n"
        "\n"
        "content-type;host;x-amz-date\n"
        "b964656b6913ecc7fbb9d8da6d639d54e5b01a156038ea4fa83dee9e3f2d2b4c",
        "AWS4-HMAC-SHA256\n"
        "20260302T091542Z\n"
        "20260302/eu-west-1/ses/aws4_request\n"
        "a6f2605bc6cceef424f64f81f718e74370e5b1b303036be28141579511a5a9bd" },
    { "a Query call with a session token",
        "POST", "/",
        "",
        {
            { STR_INIT("Content-Type"), STR_INIT("application/x-www-form-urlencoded; charset=utf-8") },
            { STR_INIT("X-Amz-Date"), STR_INIT("20260302T091542Z") },
            { STR_INIT("X-Amz-Security-Token"), STR_INIT("token/with+odd=chars") },
            { STR_INIT("Authorization"), STR_INIT("AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20260302/eu-west-1/sts/aws4_request, SignedHeaders=content-type;host;x-amz-date;x-amz-security-token, Signature=68848ecc8759a71abd17b0325de91f081c34940c17c8079e30641a8d67a2c22b") },
            { STR_INIT("Content-Length"), STR_INIT("43") },
            { STR_INIT("Host"), STR_INIT("127.0.0.1:4566") },
        },
        "ab821ae955788b0e33ebd34c208442ccfc2d406e2edc5e7a39bd6458fbb4f843",
        "POST\n"
        "/\n"
        "\n"
        "content-type:application/x-www-form-urlencoded; charset=utf-8\n"
        "host:127.0.0.1:4566\n"
        "x-amz-date:20260302T091542Z\n"
        "x-amz-security-token:token/with+odd=chars\n"
        "\n"
        "content-type;host;x-amz-date;x-amz-security-token\n"
        "ab821ae955788b0e33ebd34c208442ccfc2d406e2edc5e7a39bd6458fbb4f843",
        "AWS4-HMAC-SHA256\n"
        "20260302T091542Z\n"
        "20260302/eu-west-1/sts/aws4_request\n"
        "68100df32100946d08c6743b63676a53a27499aae1e8faa31f9a9da69f0868e3" },
    { "an object with a plain key",
        "PUT", "/demo-mail/in/7f3a",
        "",
        {
            { STR_INIT("x-amz-meta-a"), STR_INIT("two  blanks   inside ") },
            { STR_INIT("Content-Type"), STR_INIT("text/plain") },
            { STR_INIT("Content-MD5"), STR_INIT("XUFAKrxLKna5cZ2REBfFkg==") },
            { STR_INIT("Expect"), STR_INIT("100-continue") },
            { STR_INIT("X-Amz-Date"), STR_INIT("20260302T091542Z") },
            { STR_INIT("X-Amz-Content-SHA256"), STR_INIT("2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824") },
            { STR_INIT("Authorization"), STR_INIT("AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20260302/eu-west-1/s3/aws4_request, SignedHeaders=content-md5;content-type;host;x-amz-content-sha256;x-amz-date;x-amz-meta-a, Signature=8310ee9e9af684a7227972775865f682971eff7201c73d77203c3de83b7cba33") },
            { STR_INIT("Content-Length"), STR_INIT("5") },
            { STR_INIT("Host"), STR_INIT("127.0.0.1:4566") },
        },
        "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
        "PUT\n"
        "/demo-mail/in/7f3a\n"
        "\n"
        "content-md5:XUFAKrxLKna5cZ2REBfFkg==\n"
        "content-type:text/plain\n"
        "host:127.0.0.1:4566\n"
        "x-amz-content-sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824\n"
        "x-amz-date:20260302T091542Z\n"
        "x-amz-meta-a:two blanks inside\n"
        "\n"
        "content-md5;content-type;host;x-amz-content-sha256;x-amz-date;x-amz-meta-a\n"
        "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
        "AWS4-HMAC-SHA256\n"
        "20260302T091542Z\n"
        "20260302/eu-west-1/s3/aws4_request\n"
        "5552a9eba4ef915508064cf3871f3b92bf828ed3c1e80f656651177085dfa803" },
    { "an object with an odd key",
        "GET", "/demo-mail/a%20b%2Bc/../d//e/./%C3%BC~%2A%27%28%29%21%24%26%2C%3B%3D%3A%40%2541%3F%23",
        "",
        {
            { STR_INIT("Range"), STR_INIT("bytes=0-9") },
            { STR_INIT("X-Amz-Date"), STR_INIT("20260302T091542Z") },
            { STR_INIT("X-Amz-Content-SHA256"), STR_INIT("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855") },
            { STR_INIT("Authorization"), STR_INIT("AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20260302/eu-west-1/s3/aws4_request, SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, Signature=687b87679141840db649622b89ad577791d96a67e7911a55b23de235acdbd598") },
            { STR_INIT("Host"), STR_INIT("127.0.0.1:4566") },
        },
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "GET\n"
        "/demo-mail/a%20b%2Bc/../d//e/./%C3%BC~%2A%27%28%29%21%24%26%2C%3B%3D%3A%40%2541%3F%23\n"
        "\n"
        "host:127.0.0.1:4566\n"
        "range:bytes=0-9\n"
        "x-amz-content-sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n"
        "x-amz-date:20260302T091542Z\n"
        "\n"
        "host;range;x-amz-content-sha256;x-amz-date\n"
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "AWS4-HMAC-SHA256\n"
        "20260302T091542Z\n"
        "20260302/eu-west-1/s3/aws4_request\n"
        "7c89917ddaad9fbc7a4b79651a6a2b3e25cb9159da3ac680cdac19c9780915d9" },
    { "a listing with an odd prefix",
        "GET", "/demo-mail",
        "list-type=2&prefix=a%20b%2Bc%2F%26%3D%C3%BC%2A&delimiter=%2F&start-after=~&max-keys=3&encoding-type=url",
        {
            { STR_INIT("X-Amz-Date"), STR_INIT("20260302T091542Z") },
            { STR_INIT("X-Amz-Content-SHA256"), STR_INIT("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855") },
            { STR_INIT("Authorization"), STR_INIT("AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20260302/eu-west-1/s3/aws4_request, SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=0970c91ce566d4477693912480e0fe1d6e52a3ab889f03f90e8cc5e641a0d06b") },
            { STR_INIT("Host"), STR_INIT("127.0.0.1:4566") },
        },
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "GET\n"
        "/demo-mail\n"
        "delimiter=%2F&encoding-type=url&list-type=2&max-keys=3&prefix=a%20b%2Bc%2F%26%3D%C3%BC%2A&start-after=~\n"
        "host:127.0.0.1:4566\n"
        "x-amz-content-sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n"
        "x-amz-date:20260302T091542Z\n"
        "\n"
        "host;x-amz-content-sha256;x-amz-date\n"
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "AWS4-HMAC-SHA256\n"
        "20260302T091542Z\n"
        "20260302/eu-west-1/s3/aws4_request\n"
        "f5603ef2f01ae5a17851c00cd0aecaceb23c462b34a27307f6b131ed536845ac" },
    { "a sub-resource without a value",
        "GET", "/demo-mail",
        "policy",
        {
            { STR_INIT("X-Amz-Date"), STR_INIT("20260302T091542Z") },
            { STR_INIT("X-Amz-Content-SHA256"), STR_INIT("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855") },
            { STR_INIT("Authorization"), STR_INIT("AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20260302/eu-west-1/s3/aws4_request, SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=f461e9c42d7797f3cb13d089235ff491f2c1f44a85ef9dfbe371ebe494e0e6a8") },
            { STR_INIT("Host"), STR_INIT("127.0.0.1:4566") },
        },
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "GET\n"
        "/demo-mail\n"
        "policy=\n"
        "host:127.0.0.1:4566\n"
        "x-amz-content-sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n"
        "x-amz-date:20260302T091542Z\n"
        "\n"
        "host;x-amz-content-sha256;x-amz-date\n"
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "AWS4-HMAC-SHA256\n"
        "20260302T091542Z\n"
        "20260302/eu-west-1/s3/aws4_request\n"
        "145c124f8c91bb335957126934e63d7dcf10e181b6ee2f74c21fde912e5efeb6" },
    { "a policy put with a session token",
        "PUT", "/demo-mail",
        "policy",
        {
            { STR_INIT("Content-MD5"), STR_INIT("mZFLkyvTelC5g8XnyQrpOw==") },
            { STR_INIT("X-Amz-Date"), STR_INIT("20260302T091542Z") },
            { STR_INIT("X-Amz-Security-Token"), STR_INIT("token/with+odd=chars") },
            { STR_INIT("X-Amz-Content-SHA256"), STR_INIT("44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a") },
            { STR_INIT("Authorization"), STR_INIT("AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20260302/eu-west-1/s3/aws4_request, SignedHeaders=content-md5;host;x-amz-content-sha256;x-amz-date;x-amz-security-token, Signature=cee3668d60076b4a838b6cf48da9f4f7c37161e088199f59e9029940c065127d") },
            { STR_INIT("Content-Length"), STR_INIT("2") },
            { STR_INIT("Host"), STR_INIT("127.0.0.1:4566") },
        },
        "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
        "PUT\n"
        "/demo-mail\n"
        "policy=\n"
        "content-md5:mZFLkyvTelC5g8XnyQrpOw==\n"
        "host:127.0.0.1:4566\n"
        "x-amz-content-sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a\n"
        "x-amz-date:20260302T091542Z\n"
        "x-amz-security-token:token/with+odd=chars\n"
        "\n"
        "content-md5;host;x-amz-content-sha256;x-amz-date;x-amz-security-token\n"
        "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
        "AWS4-HMAC-SHA256\n"
        "20260302T091542Z\n"
        "20260302/eu-west-1/s3/aws4_request\n"
        "fe42327d7477ed39a4a4653bb9371249abc366430a88a8bc91d843187a4cc0c4" },
    { "a REST JSON call whose path has escapes",
        "POST", "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aeu-west-1%3A111122223333%3Afunction%3Af/invocations",
        "",
        {
            { STR_INIT("X-Amz-Date"), STR_INIT("20260302T091542Z") },
            { STR_INIT("Authorization"), STR_INIT("AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20260302/eu-west-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=7e500085130c96e1c8b4f88a0e70264a47217083086fe8d8029db6be252bfc00") },
            { STR_INIT("Content-Length"), STR_INIT("2") },
            { STR_INIT("Host"), STR_INIT("127.0.0.1:4566") },
        },
        "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
        "POST\n"
        "/2015-03-31/functions/arn%253Aaws%253Alambda%253Aeu-west-1%253A111122223333%253Afunction%253Af/invocations\n"
        "\n"
        "host:127.0.0.1:4566\n"
        "x-amz-date:20260302T091542Z\n"
        "\n"
        "host;x-amz-date\n"
        "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
        "AWS4-HMAC-SHA256\n"
        "20260302T091542Z\n"
        "20260302/eu-west-1/lambda/aws4_request\n"
        "d6a9cb5b115d10f4396dc9f09cd696258b40bc8e86f9f0e27cb3a8e3da0f0ebe" },
    { "a presigned object",
        "GET", "/demo-mail/a%20b/%C3%BC%2Bc.txt",
        "response-content-disposition=attachment%3B%20filename%3D%22x%20y%22&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20260302%2Feu-west-1%2Fs3%2Faws4_request&X-Amz-Date=20260302T091542Z&X-Amz-Expires=300&X-Amz-SignedHeaders=host&X-Amz-Signature=54a2e6ec2907d44a6f16cce6606b5b3fd5e757c4fd7e6b650faffb53d4792fdd",
        {
            { STR_INIT("Host"), STR_INIT("127.0.0.1:4566") },
        },
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "GET\n"
        "/demo-mail/a%20b/%C3%BC%2Bc.txt\n"
        "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20260302%2Feu-west-1%2Fs3%2Faws4_request&X-Amz-Date=20260302T091542Z&X-Amz-Expires=300&X-Amz-SignedHeaders=host&response-content-disposition=attachment%3B%20filename%3D%22x%20y%22\n"
        "host:127.0.0.1:4566\n"
        "\n"
        "host\n"
        "UNSIGNED-PAYLOAD",
        "AWS4-HMAC-SHA256\n"
        "20260302T091542Z\n"
        "20260302/eu-west-1/s3/aws4_request\n"
        "8feef859df547a7a1cdd2089327ab135f7217033f9f87233c11b2840ad333fe2" },
    { "a presigned object with a session token",
        "GET", "/demo-mail/k",
        "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20260302%2Feu-west-1%2Fs3%2Faws4_request&X-Amz-Date=20260302T091542Z&X-Amz-Expires=300&X-Amz-SignedHeaders=host&X-Amz-Security-Token=token%2Fwith%2Bodd%3Dchars&X-Amz-Signature=eed902a2e59a74aabcd9aaa4bc6d242cdff96c3daeb41b2bf32b2b1185c8728e",
        {
            { STR_INIT("Host"), STR_INIT("127.0.0.1:4566") },
        },
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "GET\n"
        "/demo-mail/k\n"
        "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20260302%2Feu-west-1%2Fs3%2Faws4_request&X-Amz-Date=20260302T091542Z&X-Amz-Expires=300&X-Amz-Security-Token=token%2Fwith%2Bodd%3Dchars&X-Amz-SignedHeaders=host\n"
        "host:127.0.0.1:4566\n"
        "\n"
        "host\n"
        "UNSIGNED-PAYLOAD",
        "AWS4-HMAC-SHA256\n"
        "20260302T091542Z\n"
        "20260302/eu-west-1/s3/aws4_request\n"
        "7e3170dae1f2daf57a46cf4ac2237a196ee6409af63a7cc15263907e376d82ab" },
    { "a presigned Query call",
        "POST", "/",
        "Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20260302%2Feu-west-1%2Fsts%2Faws4_request&X-Amz-Date=20260302T091542Z&X-Amz-Expires=300&X-Amz-SignedHeaders=host&X-Amz-Signature=6b0bdb2509aaa109e28646046bcfd7a0d7851e6526fb9deac1bc88b34dc84207",
        {
            { STR_INIT("Host"), STR_INIT("127.0.0.1:4566") },
        },
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "POST\n"
        "/\n"
        "Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20260302%2Feu-west-1%2Fsts%2Faws4_request&X-Amz-Date=20260302T091542Z&X-Amz-Expires=300&X-Amz-SignedHeaders=host\n"
        "host:127.0.0.1:4566\n"
        "\n"
        "host\n"
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "AWS4-HMAC-SHA256\n"
        "20260302T091542Z\n"
        "20260302/eu-west-1/sts/aws4_request\n"
        "094d1873ef6f52a1a24485f2b57fe089cc3ad112460acca9f896ba23688b6b7e" },
};
/* clang-format on */
