//! Whether a domain's CAA records let an authority issue (RFC 8659, with the parameters of RFC 8657).
//!
//! What goes in: the records of the closest name that has any. What comes out: by which methods control over the name
//! may be proved, or a refusal in words. It is looked at before an order, because a refusal by the authority costs one
//! of few failures an hour. The authority's own look is what counts: where ours cannot tell, the order goes on.

use crate::ports::certificates::ChallengeKind;
use crate::ports::{Dns, DnsReply, RecordData, RecordKind};

/// Names above the one that is asked for, at most: a name of DNS has 127 labels.
const MOST_NAMES: usize = 127;

/// The CAA records that hold for a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CaaSet {
    /// There are none: every authority may issue.
    None,
    /// Those at this name, which is the name itself or one above it.
    At(String, Vec<RecordData>),
    /// It could not be told: this look-up failed so.
    Unknown(String, String),
}

/// Looks for them, from the name up to the root (RFC 8659 §3).
pub async fn find(dns: &impl Dns, name: &str) -> CaaSet {
    let mut at = name;
    for _ in 0..MOST_NAMES {
        match dns.look_up(at, RecordKind::Caa).await {
            DnsReply::Found(answer) => return CaaSet::At(at.to_owned(), answer.records),
            DnsReply::Absent(_) => {}
            DnsReply::Failed(failure) => return CaaSet::Unknown(at.to_owned(), failure.to_string()),
        }
        match at.split_once('.') {
            Some((_, above)) if !above.is_empty() => at = above,
            _ => break,
        }
    }
    CaaSet::None
}

/// Who wants to issue.
#[derive(Debug, Clone, Copy)]
pub struct Issuer<'a> {
    /// Domains by which the authority is named. Empty: not known, so that every name may be meant.
    pub identities: &'a [String],
    /// The URL of our account.
    pub account: &'a str,
}

/// Why CAA records forbid it, in words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CaaRefusal {
    /// A critical property that nobody knows (RFC 8659 §4.1).
    #[error(
        "the CAA records at {at} have the critical property {tag}, which certificate authorities do not know"
    )]
    Critical {
        /// Where.
        at: String,
        /// The property.
        tag: String,
    },
    /// Other authorities may issue, or none.
    #[error(
        "the CAA records at {at} let {} issue certificates, and not {wanted}; add the record {at}. CAA 0 issue \"{wanted}\"",
        list(allowed)
    )]
    Other {
        /// Where.
        at: String,
        /// Those that may.
        allowed: Vec<String>,
        /// The authority that was to issue.
        wanted: String,
    },
    /// The authority may issue, but for another account or by no method that there is.
    #[error(
        "the CAA records at {at} let {wanted} issue, but only {limit}; they fit no account and method of ours (account {account})"
    )]
    Limited {
        /// Where.
        at: String,
        /// The authority.
        wanted: String,
        /// What they say.
        limit: String,
        /// Our account.
        account: String,
    },
}

fn list(allowed: &[String]) -> String {
    match allowed {
        [] => "nobody".to_owned(),
        [one] => one.clone(),
        [more @ .., last] => format!("{} and {last}", more.join(", ")),
    }
}

/// By which of the methods the authority may have control proved.
///
/// # Errors
/// [`CaaRefusal`].
pub fn methods(set: &CaaSet, issuer: Issuer<'_>) -> Result<Vec<ChallengeKind>, CaaRefusal> {
    let CaaSet::At(at, records) = set else { return Ok(ChallengeKind::ALL.to_vec()) };
    let mut offers = Vec::new();
    for record in records {
        let RecordData::Caa { flags, tag, value } = record else { continue };
        match tag.to_ascii_lowercase().as_str() {
            "issue" => offers.push(Issue::parse(value)),
            // RFC 8659 §4.3: for wildcards alone, which we never ask for. §4.4: whom to tell.
            "issuewild" | "iodef" => {}
            // RFC 8659 §4.1: of the flags only the first is anything.
            _ if flags & 0x80 != 0 => return Err(CaaRefusal::Critical { at: at.clone(), tag: shown(tag) }),
            _ => {}
        }
    }
    // RFC 8659 §4.2: without an issue property nothing is forbidden.
    if offers.is_empty() {
        return Ok(ChallengeKind::ALL.to_vec());
    }
    let is_meant = |issue: &&Issue| {
        let named = |identity: &String| identity.eq_ignore_ascii_case(&issue.issuer);
        !issue.issuer.is_empty() && (issuer.identities.is_empty() || issuer.identities.iter().any(named))
    };
    let ours: Vec<&Issue> = offers.iter().filter(is_meant).collect();
    let wanted = issuer.identities.first().cloned().unwrap_or_else(|| "the authority".to_owned());
    let at = at.clone();
    if ours.is_empty() {
        let mut allowed: Vec<String> = offers
            .iter()
            .filter(|issue| !issue.issuer.is_empty())
            .map(|issue| shown(&issue.issuer))
            .collect();
        allowed.dedup();
        return Err(CaaRefusal::Other { at, allowed, wanted });
    }
    let is_possible = |kind: &ChallengeKind| ours.iter().any(|issue| issue.allows(issuer.account, *kind));
    let possible: Vec<ChallengeKind> = ChallengeKind::ALL.into_iter().filter(is_possible).collect();
    if possible.is_empty() {
        let limit =
            ours.iter().map(|issue| shown(&issue.parameters.join("; "))).collect::<Vec<_>>().join(" or ");
        return Err(CaaRefusal::Limited { at, wanted, limit, account: issuer.account.to_owned() });
    }
    Ok(possible)
}

/// An `issue` property (RFC 8659 §4.2).
#[derive(Debug, Default)]
struct Issue {
    /// Empty: nobody. What cannot be read means nobody as well.
    issuer: String,
    /// As they stand, for people.
    parameters: Vec<String>,
    /// `accounturi` (RFC 8657 §3).
    accounts: Vec<String>,
    /// `validationmethods` (RFC 8657 §4).
    methods: Vec<String>,
}

impl Issue {
    fn parse(value: &[u8]) -> Self {
        let Some(text) = std::str::from_utf8(value).ok().filter(|text| text.is_ascii()) else {
            return Self::default();
        };
        let (issuer, parameters) = text.split_once(';').unwrap_or((text, ""));
        let issuer = issuer.trim_matches([' ', '\t']);
        if !issuer.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte)) {
            return Self::default();
        }
        let mut issue = Self { issuer: issuer.trim_end_matches('.').to_owned(), ..Self::default() };
        for parameter in parameters.split(';') {
            let parameter = parameter.trim_matches([' ', '\t']);
            if parameter.is_empty() {
                continue;
            }
            let Some((tag, value)) = parameter.split_once('=') else { return Self::default() };
            let (tag, value) = (tag.trim_matches([' ', '\t']), value.trim_matches([' ', '\t']));
            let is_tag =
                !tag.is_empty() && tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
            if !is_tag || !value.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Self::default();
            }
            issue.parameters.push(format!("{tag}={value}"));
            match tag.to_ascii_lowercase().as_str() {
                "accounturi" => issue.accounts.push(value.to_owned()),
                "validationmethods" => issue.methods.push(value.to_ascii_lowercase()),
                _ => {}
            }
        }
        issue
    }

    fn allows(&self, account: &str, kind: ChallengeKind) -> bool {
        // RFC 8657 §3, §4: of a parameter that stands more than once nothing fits.
        let account_fits = match self.accounts.as_slice() {
            [] => true,
            [one] => one == account,
            _ => false,
        };
        let method_fits = match self.methods.as_slice() {
            [] => true,
            [list] => list.split(',').any(|method| method == kind.as_wire()),
            _ => false,
        };
        account_fits && method_fits
    }
}

/// Text of a record, for people: printable and short.
fn shown(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caa(flags: u8, tag: &str, value: &str) -> RecordData {
        RecordData::Caa { flags, tag: tag.to_owned(), value: value.as_bytes().to_vec() }
    }

    fn judge(records: Vec<RecordData>) -> Result<Vec<ChallengeKind>, CaaRefusal> {
        let identities = ["ca.example".to_owned()];
        let issuer = Issuer { identities: &identities, account: "https://ca.example/acct/1" };
        methods(&CaaSet::At("example.org".to_owned(), records), issuer)
    }

    /// Proves: K7
    #[test]
    fn issue_properties_decide_and_nothing_else_does() {
        let all = Ok(ChallengeKind::ALL.to_vec());
        assert_eq!(judge(vec![caa(0, "issue", "ca.example")]), all);
        assert_eq!(judge(vec![caa(0, "ISSUE", " CA.example ; x=y")]), all);
        assert_eq!(judge(vec![caa(0, "issue", "other.example"), caa(1, "issue", "ca.example")]), all);
        assert_eq!(judge(vec![caa(128, "iodef", "mailto:a@example.org"), caa(0, "issuewild", ";")]), all);
        assert_eq!(judge(vec![caa(0, "unheard", "of")]), all);
        for nobody in
            [";", "", "other.example", "ca.example.evil", "ca.example; %", "ca example", "ca.example; a b=c"]
        {
            assert!(
                matches!(judge(vec![caa(0, "issue", nobody)]), Err(CaaRefusal::Other { .. })),
                "{nobody}"
            );
        }
        assert!(matches!(
            judge(vec![caa(0, "issue", "ca.example"), caa(128, "unheard", "of")]),
            Err(CaaRefusal::Critical { .. })
        ));
    }

    /// Proves: K7
    #[test]
    fn account_and_method_parameters_hold() {
        let with = |parameters: &str| judge(vec![caa(0, "issue", &format!("ca.example; {parameters}"))]);
        assert_eq!(with("accounturi=https://ca.example/acct/1").map(|all| all.len()), Ok(3));
        assert_eq!(with("validationmethods=dns-01,ca-own"), Ok(vec![ChallengeKind::Dns01]));
        for limited in [
            "accounturi=https://ca.example/acct/2",
            "accounturi=https://ca.example/acct/1; accounturi=https://ca.example/acct/1",
            "validationmethods=ca-own",
            "validationmethods=",
            "validationmethods=http-01; validationmethods=http-01",
        ] {
            assert!(matches!(with(limited), Err(CaaRefusal::Limited { .. })), "{limited}");
        }
        let two = vec![
            caa(0, "issue", "ca.example; validationmethods=http-01"),
            caa(0, "issue", "ca.example; validationmethods=tls-alpn-01"),
        ];
        assert_eq!(judge(two), Ok(vec![ChallengeKind::Http01, ChallengeKind::TlsAlpn01]));
    }

    #[test]
    fn a_refusal_says_what_to_do() {
        let refusal =
            judge(vec![caa(0, "issue", "one.example"), caa(0, "issue", "two.example")]).unwrap_err();
        assert_eq!(
            refusal.to_string(),
            "the CAA records at example.org let one.example and two.example issue certificates, and not ca.example; \
             add the record example.org. CAA 0 issue \"ca.example\""
        );
        let nobody = judge(vec![caa(0, "issue", ";")]).unwrap_err();
        assert!(nobody.to_string().contains("let nobody issue"), "{nobody}");
    }
}
