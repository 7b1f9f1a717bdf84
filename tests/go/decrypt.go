// Decrypts objects with the S3 Encryption Client of the AWS SDK for Go, as SES's users do: decrypt ENDPOINT BUCKET KEY.
package main

import (
	"fmt"
	"io"
	"os"

	"github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/aws/session"
	"github.com/aws/aws-sdk-go/service/kms"
	"github.com/aws/aws-sdk-go/service/s3"
	"github.com/aws/aws-sdk-go/service/s3/s3crypto"
)

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	config := aws.NewConfig().WithEndpoint(os.Args[1]).WithRegion("us-east-1").WithS3ForcePathStyle(true)
	made, err := session.NewSession(config)
	fail(err)
	registry := s3crypto.NewCryptoRegistry()
	fail(s3crypto.RegisterAESGCMContentCipher(registry))
	fail(s3crypto.RegisterKMSWrapWithAnyCMK(registry, kms.New(made))) // x-amz-wrap-alg: kms
	client, err := s3crypto.NewDecryptionClientV2(made, registry)
	fail(err)
	object, err := client.GetObject(&s3.GetObjectInput{Bucket: aws.String(os.Args[2]), Key: aws.String(os.Args[3])})
	fail(err)
	_, err = io.Copy(os.Stdout, object.Body)
	fail(err)
}
