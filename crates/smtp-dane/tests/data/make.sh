#!/bin/sh
# Makes the certificates here that rcgen cannot make: outdated signatures, small keys, version 1. OpenSSL 3.
# Valid for thirty years from the day of making; the tests judge them at 2027-01-15.
set -eu
out=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

printf 'basicConstraints=critical,CA:TRUE\n' > ca.ext
printf 'subjectAltName=DNS:mx.example.org\n' > leaf.ext

request() { # name, subject, bits
    openssl req -new -newkey "rsa:$3" -nodes -keyout "$1.key" -subj "$2" -out "$1.csr" 2> /dev/null
}
issue() { # name, issuer, further arguments
    name=$1 issuer=$2
    shift 2
    openssl x509 -req -in "$name.csr" -CA "$issuer.pem" -CAkey "$issuer.key" -CAcreateserial -days 10950 "$@" \
        -out "$name.pem" 2> /dev/null
    openssl x509 -in "$name.pem" -outform der -out "$out/$name.der"
}

request root '/CN=Old Root' 2048
openssl x509 -req -in root.csr -signkey root.key -days 10950 -extfile ca.ext -out root.pem 2> /dev/null
openssl x509 -in root.pem -outform der -out "$out/root.der"
request sha1-leaf '/CN=leaf' 2048
issue sha1-leaf root -sha1 -extfile leaf.ext
request small-ca '/CN=Small CA' 1024
issue small-ca root -sha256 -extfile ca.ext
request small-leaf '/CN=leaf' 2048
issue small-leaf small-ca -sha256 -extfile leaf.ext
request v1-leaf '/CN=mx.example.org' 2048
issue v1-leaf root -sha256
request sha1-self '/C=DE/O=Example\, Inc./CN=mx.example.org' 2048
openssl x509 -req -sha1 -in sha1-self.csr -signkey sha1-self.key -days 10950 -out sha1-self.pem 2> /dev/null
openssl x509 -in sha1-self.pem -outform der -out "$out/sha1-self.der"
