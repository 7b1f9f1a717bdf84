/* services/sns/signing.h - the key that messages are signed with, and the certificate that proves it.
 *
 * RSA of 2048 bits, as SNS's own. Made at the first start, kept in a folder of its own (0600), the same
 * ever after. Any thread. */
#ifndef SESAME_SERVICES_SNS_SIGNING_H
#define SESAME_SERVICES_SNS_SIGNING_H

#include "base/fault.h"

struct sns_signer;

/* `directory` is made when there is none. The signer is freed with sns_signer_free. */
const struct fault *sns_signer_open(str directory, struct arena *, struct sns_signer **ret_signer);
void sns_signer_free(struct sns_signer *); /* NULL is fine */

/* "/SimpleNotificationService-<32 hex digits>.pem": where the certificate is served, and what is. */
str sns_signer_path(const struct sns_signer *);
str sns_signer_certificate(const struct sns_signer *);

/* SignatureVersion 1 is RSA PKCS#1 v1.5 with SHA-1, 2 with SHA-256; in base64. */
const struct fault *sns_sign(const struct sns_signer *, bool sha256, str text, struct arena *, str *ret_signature);

#endif
