/* wire/aws_chunked_vectors.h - made by sigv4_vectors.py with hmac alone. */
/* clang-format off */
#define SEED "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
static const char signed_chunks[] =
    "7;chunk-signature=b578b5a69869b517d435e9cd842f2a64c44ef5ea82f9ff9a020423e5a8e8306e\015\n"
    "hello, \015\n"
    "5;chunk-signature=8b769698f86d22040089d8c51082969532dad59f0a05d135432de44a76127901\015\n"
    "world\015\n"
    "0;chunk-signature=7c1e880d0b87b5e1778d7f0b54e9dadbd5b20a5832121218afa0912c0bdd3cd2\015\n"
    "\015\n";
static const char signed_trailer[] =
    "c;chunk-signature=4235844baff1082b5304d27413ea3280afa248d9ee92247710174eb9165c6001\015\n"
    "hello, world\015\n"
    "0;chunk-signature=a9b122f61a8070fec5cf8f7ec2b8826a2a8d8ce33e79f201322f2bbd4875e0a6\015\n"
    "x-amz-checksum-crc32:/6tyOg==\015\n"
    "x-amz-trailer-signature:48f5e8b26dc6219231e4b15d02b1bca51853b5e44cd26f92ab7e7cbe92484f2c\015\n"
    "\015\n";
static const char no_bytes[] =
    "0;chunk-signature=b350e8850a9067f4dfbd732098cfdbd87a167de5edc2799d7dd70d9137152181\015\n"
    "\015\n";
static const char unsigned_trailer[] =
    "7\015\n"
    "hello, \015\n"
    "5\015\n"
    "world\015\n"
    "0\015\n"
    "x-amz-checksum-crc32:/6tyOg==\015\n"
    "\015\n";
/* clang-format on */
