/* Reads a CiphertextBlob; what is read writes itself again to the same head. */
#include "services/kms/ciphertext.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ciphertext c;
    const str blob = { (const char *)data, size };
    if (!ciphertext_read(blob, &c))
        return 0;
    AUTO_BUF head = buf_new(CIPHERTEXT_MAX), aad = buf_new(CIPHERTEXT_MAX * 2);
    ciphertext_write_head(&c, &head);
    if (head.failed || !str_eq(buf_str(&head), c.head) || c.head.len + c.sealed.len != size)
        abort();
    ciphertext_write_aad(c.head, c.key_id, &(struct encryption_context) { 0 }, &aad);
    if (aad.failed)
        abort();
    return 0;
}
