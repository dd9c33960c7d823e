//! What a walk hands out: members, refusals, notes, and the sum at the end. Values only; the decoding is in `reader`.

use std::io;

use crate::headers::MailContext;
use crate::reader::{Input, MemberReader, Shared};

/// One thing found on a walk.
#[derive(Debug)]
pub enum Item<'a> {
    /// Something that begins like JSON, or claims to be a report.
    Member(Member<'a>),
    /// A container that could not be opened, or a limit that was reached.
    Refused(Refused<'a>),
}

/// What could not be opened, and why.
#[derive(Debug)]
pub struct Refused<'a> {
    /// Where it lies, in the form of [`Member::path`].
    pub path: &'a str,
    /// Why not.
    pub reason: Refusal,
}

/// One report, still wrapped: opened as often as needed.
#[derive(Debug, Clone, Copy)]
pub struct Member<'a> {
    pub(crate) path: &'a str,
    pub(crate) input: &'a Input<'a>,
    pub(crate) shared: &'a Shared<'a>,
    pub(crate) slice: Option<&'a [u8]>,
    pub(crate) notes: &'a [Note],
    pub(crate) mail: Option<&'a MailContext<'a>>,
}

impl<'a> Member<'a> {
    /// Where the member lies: `FILE`, `FILE!member`, `FILE!member!inner`. Printable text and nothing else: names from
    /// strangers keep their `../`, and lose control and direction characters. Not unique: a zip may name two alike.
    pub fn path(&self) -> &'a str {
        self.path
    }

    /// Reads the member from its beginning. Past the limit on size the reader gives an error, see [`Failure`].
    pub fn open(&self) -> MemberReader<'a> {
        match self.slice {
            Some(bytes) => MemberReader::over(bytes, self.notes, self.shared),
            None => MemberReader::open(self.input, self.notes, self.shared),
        }
    }

    /// The whole member, when it lies in memory anyway (plain, or small): no need to [`open`](Member::open).
    pub fn as_slice(&self) -> Option<&'a [u8]> {
        self.slice
    }

    /// What was odd about the containers. Complete when [`as_slice`](Member::as_slice) has the member; otherwise
    /// [`MemberReader::notes`] has the rest once the end was read.
    pub fn notes(&self) -> &'a [Note] {
        self.notes
    }

    /// The innermost mail that carried the member, if one did.
    pub fn mail(&self) -> Option<&'a MailContext<'a>> {
        self.mail
    }
}

/// Damage or oddity of a container that did not stop the contents from being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Note {
    /// The compressed stream is complete, but the checksum after it is missing, or part of it.
    TrailerCut,
    /// The checksum after the compressed stream is not that of the contents.
    ChecksumWrong,
    /// The length after the compressed stream is not that of the contents.
    LengthWrong,
    /// Zero bytes follow the compressed stream.
    Padding,
    /// Other bytes follow the compressed stream; they were ignored.
    TrailingGarbage,
    /// Several gzip members in a row, read as one.
    SeveralGzipMembers,
    /// Compressed, and then compressed again.
    TwiceCompressed,
    /// A zlib stream where gzip is usual.
    ZlibInsteadOfGzip,
    /// The name announces another kind of contents than there is.
    Mislabelled,
    /// The mail announces another transfer encoding than the part has.
    TransferEncodingWrong,
    /// The sizes in the zip directory are not those of the entry.
    ZipSizeWrong,
    /// The zip has no directory (it was cut); entries were found by their own headers.
    ZipDirectoryMissing,
}

impl Note {
    /// The note as a stable word for machines.
    pub fn as_wire(self) -> &'static str {
        match self {
            Note::TrailerCut => "trailer-cut",
            Note::ChecksumWrong => "checksum-wrong",
            Note::LengthWrong => "length-wrong",
            Note::Padding => "padding",
            Note::TrailingGarbage => "trailing-garbage",
            Note::SeveralGzipMembers => "several-gzip-members",
            Note::TwiceCompressed => "twice-compressed",
            Note::ZlibInsteadOfGzip => "zlib-instead-of-gzip",
            Note::Mislabelled => "mislabelled",
            Note::TransferEncodingWrong => "transfer-encoding-wrong",
            Note::ZipSizeWrong => "zip-size-wrong",
            Note::ZipDirectoryMissing => "zip-directory-missing",
        }
    }

    /// The note as a sentence for people.
    pub fn text(self) -> &'static str {
        match self {
            Note::TrailerCut => "the checksum at the end of the compressed data is cut off",
            Note::ChecksumWrong => "the checksum of the compressed data is wrong",
            Note::LengthWrong => "the length stated after the compressed data is wrong",
            Note::Padding => "zero bytes follow the compressed data",
            Note::TrailingGarbage => "other bytes follow the compressed data and were ignored",
            Note::SeveralGzipMembers => "several gzip members in a row were read as one",
            Note::TwiceCompressed => "the data is compressed more than once",
            Note::ZlibInsteadOfGzip => "the data is a zlib stream instead of gzip",
            Note::Mislabelled => "the name announces another kind of file",
            Note::TransferEncodingWrong => "the mail announces a wrong transfer encoding",
            Note::ZipSizeWrong => "the sizes in the zip directory are wrong",
            Note::ZipDirectoryMissing => "the zip directory is missing",
        }
    }
}

/// Why the bytes of a member ended early. It travels inside the [`io::Error`] of the reader: `error.get_ref()` and
/// `downcast_ref::<Failure>()` get it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The data ends in the middle of a stream. What came before was delivered; the caller may use it if it is whole.
    #[error("the {0} ends too early")]
    Cut(&'static str),
    /// The data is damaged. The caller gives the member up.
    #[error("the {0} is damaged")]
    Corrupt(&'static str),
    /// The member is larger than [`Limits::decompressed`](crate::Limits::decompressed). The caller gives it up.
    #[error("more than {limit} bytes when decompressed")]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// [`Limits::total`](crate::Limits::total) is used up. The caller gives up the whole input.
    #[error("too much to decompress in one input")]
    BudgetSpent,
}

impl From<Failure> for io::Error {
    fn from(failure: Failure) -> Self {
        let kind = match failure {
            Failure::Cut(_) => io::ErrorKind::UnexpectedEof,
            Failure::Corrupt(_) => io::ErrorKind::InvalidData,
            Failure::TooLarge { .. } => io::ErrorKind::FileTooLarge,
            Failure::BudgetSpent => io::ErrorKind::QuotaExceeded,
        };
        io::Error::new(kind, failure)
    }
}

/// Why a container or member was not opened. The caller sets the input aside with this reason; trying again helps
/// only where the variant says so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nothing inside.
    #[error("empty")]
    Empty,
    /// None of the known kinds, and no JSON.
    #[error("neither JSON nor a known container")]
    Unrecognised,
    /// The data gives nothing before it fails.
    #[error(transparent)]
    Unreadable(#[from] Failure),
    /// The zip entry wants a password. The sender must send it without.
    #[error("encrypted")]
    Encrypted,
    /// The zip entry is compressed by a method other than deflate. A later version may know it.
    #[error("zip compression method {0} is not supported")]
    ZipMethod(u16),
    /// The zip's directory makes no sense.
    #[error("damaged zip: {0}")]
    ZipDamaged(&'static str),
    /// More containers inside each other than allowed. A larger [`Limits::depth`](crate::Limits::depth) helps.
    #[error("more than {0} containers or multiparts inside each other")]
    TooDeep(usize),
    /// More members than allowed; the rest was not looked at.
    #[error("more than {0} members")]
    TooManyMembers(usize),
    /// More parts in a mail than allowed; the rest was not looked at.
    #[error("more than {0} parts in a mail")]
    TooManyParts(usize),
    /// A container that must be held in memory is larger than allowed.
    #[error("inner container larger than {0} bytes")]
    TooLargeToHold(usize),
    /// A mail of a mailbox is larger than allowed; it was skipped.
    #[error("mail larger than {0} bytes")]
    MailTooLong(usize),
}

/// What a walk came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Members handed out.
    pub members: u64,
    /// Refusals handed out.
    pub refused: u64,
    /// Parts of mails and entries of zips passed over because they are no report.
    pub ignored: u64,
    /// Mails looked into, those inside mails included.
    pub mails: u64,
    /// Whether the visitor ended the walk.
    pub stopped: bool,
}

impl Summary {
    /// Whether the input is sound and simply carries no report: a mail or zip without one.
    pub fn no_candidates(&self) -> bool {
        self.members == 0 && self.refused == 0 && !self.stopped
    }
}
