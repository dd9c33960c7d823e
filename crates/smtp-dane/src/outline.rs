//! A certificate taken apart, without a copy: where its parts are, and nothing about what they mean.
//!
//! DANE-EE binds a key whatever else the certificate says (RFC 7672 §3.1.1), so a certificate with a bad date or
//! a version of 1 must still give up its key. Therefore parts are read one by one, by those who need them.

use x509_cert::der::asn1::{BitStringRef, ObjectIdentifier, OctetStringRef};
use x509_cert::der::{AnyRef, Decode, Reader, SliceReader, Tag, TagNumber};
use x509_cert::time::Time;

use crate::MAX_CERTIFICATE_BYTES;
use crate::certificate::Unreadable;

/// The parts, each as the bytes of its whole encoding where not said otherwise.
#[derive(Clone, Copy)]
pub(crate) struct Outline<'a> {
    /// All of it.
    pub(crate) der: &'a [u8],
    /// What is signed.
    pub(crate) tbs: &'a [u8],
    /// Who is said to have signed.
    pub(crate) issuer: &'a [u8],
    /// Whose it is.
    pub(crate) subject: &'a [u8],
    /// The key.
    pub(crate) spki: &'a [u8],
    /// The algorithm of the signature.
    pub(crate) signature_algorithm: &'a [u8],
    /// The bits of the signature.
    pub(crate) signature: &'a [u8],
    validity: &'a [u8],
    /// Contents of the sequence of extensions; empty if there are none.
    extensions: &'a [u8],
}

/// Validity in Unix seconds, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Period {
    pub(crate) not_before: i64,
    pub(crate) not_after: i64,
}

impl<'a> Outline<'a> {
    /// Finds the parts.
    pub(crate) fn read(der: &'a [u8]) -> Result<Self, Unreadable> {
        if der.len() > MAX_CERTIFICATE_BYTES {
            return Err(Unreadable::TooLarge { bytes: der.len() });
        }
        Self::parts(der).ok_or(Unreadable::Malformed("its outer structure"))
    }

    fn parts(der: &'a [u8]) -> Option<Self> {
        let mut outer = sequence(der)?;
        let tbs = outer.tlv_bytes().ok()?;
        let signature_algorithm = outer.tlv_bytes().ok()?;
        let signature = outer.decode::<BitStringRef<'_>>().ok()?.as_bytes()?;
        outer.finish().ok()?;

        let mut inner = sequence(tbs)?;
        if Tag::peek(&inner).ok()? == context(0, true) {
            inner.tlv_bytes().ok()?;
        }
        let _serial = inner.tlv_bytes().ok()?;
        let _algorithm_again = inner.tlv_bytes().ok()?;
        let issuer = inner.tlv_bytes().ok()?;
        let validity = inner.tlv_bytes().ok()?;
        let subject = inner.tlv_bytes().ok()?;
        let spki = inner.tlv_bytes().ok()?;
        for part in [signature_algorithm, issuer, validity, subject, spki] {
            sequence(part)?;
        }
        let mut extensions: &[u8] = &[];
        while !inner.is_finished() {
            let part = inner.decode::<AnyRef<'_>>().ok()?;
            if tag_of(part) == context(3, true) {
                extensions = contents(part.value())?;
            }
        }
        Some(Self { der, tbs, issuer, subject, spki, signature_algorithm, signature, validity, extensions })
    }

    /// When it is valid, if that can be read.
    pub(crate) fn period(&self) -> Option<Period> {
        let mut validity = sequence(self.validity)?;
        let not_before = unix(validity.decode().ok()?)?;
        let not_after = unix(validity.decode().ok()?)?;
        Some(Period { not_before, not_after })
    }

    /// Whether the issuer bears the subject's own name.
    pub(crate) fn is_self_issued(&self) -> bool {
        self.issuer == self.subject
    }

    /// The value of the extension, if it is there.
    pub(crate) fn extension(&self, wanted: ObjectIdentifier) -> Option<&'a [u8]> {
        let mut extensions = SliceReader::new(self.extensions).ok()?;
        while !extensions.is_finished() {
            let mut extension = sequence(extensions.tlv_bytes().ok()?)?;
            if extension.decode::<ObjectIdentifier>().ok()? != wanted {
                continue;
            }
            if Tag::peek(&extension).ok()? == Tag::Boolean {
                extension.tlv_bytes().ok()?;
            }
            return Some(extension.decode::<&OctetStringRef>().ok()?.as_bytes());
        }
        None
    }

    /// `dNSName` entries of the subject alternative name, as they stand.
    pub(crate) fn dns_names(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        const SUBJECT_ALT_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.17");
        let names = self.extension(SUBJECT_ALT_NAME).and_then(sequence);
        let mut names = names.or_else(|| SliceReader::new(&[]).ok());
        std::iter::from_fn(move || {
            let names = names.as_mut()?;
            while !names.is_finished() {
                let name = names.decode::<AnyRef<'_>>().ok()?;
                if tag_of(name) == context(2, false) {
                    return Some(name.value());
                }
            }
            None
        })
    }

    /// What the basic constraints say: whether it is a CA, and how many more CAs may stand between it and a leaf.
    pub(crate) fn basic_constraints(&self) -> (bool, Option<u8>) {
        const BASIC_CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.19");
        let Some(mut constraints) = self.extension(BASIC_CONSTRAINTS).and_then(sequence) else {
            return (false, None);
        };
        let is_ca = constraints.decode::<bool>().unwrap_or(false);
        let length = if constraints.is_finished() { None } else { constraints.decode::<u8>().ok() };
        (is_ca, length)
    }

    /// Whether it limits the names that may stand below it.
    pub(crate) fn has_name_constraints(&self) -> bool {
        const NAME_CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.30");
        self.extension(NAME_CONSTRAINTS).is_some()
    }
}

/// A reader over the contents of a SEQUENCE that fills `tlv`.
pub(crate) fn sequence(tlv: &[u8]) -> Option<SliceReader<'_>> {
    SliceReader::new(contents(tlv)?).ok()
}

/// The contents of a SEQUENCE that fills `tlv`.
pub(crate) fn contents(tlv: &[u8]) -> Option<&[u8]> {
    let any = AnyRef::from_der(tlv).ok()?;
    (tag_of(any) == Tag::Sequence).then(|| any.value())
}

fn tag_of(any: AnyRef<'_>) -> Tag {
    any.header().tag()
}

fn context(number: u32, constructed: bool) -> Tag {
    Tag::ContextSpecific { constructed, number: TagNumber(number) }
}

fn unix(time: Time) -> Option<i64> {
    i64::try_from(time.to_unix_duration().as_secs()).ok()
}
