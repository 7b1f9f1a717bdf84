#include "services/root_key.h"

#include "base/digest.h"

void root_key_derive(const struct root_key *root, str purpose,
                     unsigned char ret_key[ROOT_KEY_OCTETS])
{
    hmac_sha256((str) { (const char *)root->octets, sizeof root->octets }, purpose, ret_key);
}
