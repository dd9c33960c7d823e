//! What the policy types of a report mean (RFC 8460 §4.4). Texts only.

use crate::result_type::PolicyType;

/// What one policy type means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PolicyExplanation {
    /// The name to show.
    pub title: &'static str,
    /// What it says of the sessions in the row.
    pub meaning: &'static str,
}

/// The explanation of a policy type.
#[must_use]
pub fn explain_policy_type(policy: &PolicyType) -> PolicyExplanation {
    match policy {
        PolicyType::Sts => PolicyExplanation {
            title: "MTA-STS",
            meaning: "These sessions were checked against your MTA-STS policy: the file on your web server that lists your \
                      mail servers and asks senders for encryption with a valid certificate. A sender that also checks DANE \
                      may list the same sessions a second time under DANE.",
        },
        PolicyType::Tlsa => PolicyExplanation {
            title: "DANE (TLSA)",
            meaning: "These sessions were checked against DANE: fingerprints of your mail server's certificate (TLSA records) \
                      in signed DNS. A sender that also checks MTA-STS may list the same sessions a second time under MTA-STS.",
        },
        PolicyType::NoPolicyFound => PolicyExplanation {
            title: "No policy found",
            meaning: "The sender found neither an MTA-STS policy nor DANE for you, so it demanded nothing. Right after you set \
                      one up that is normal: some senders learn of it a day later. If it stays, check that the _mta-sts record \
                      and the policy can be read from outside.",
        },
        PolicyType::Unknown(_) => PolicyExplanation {
            title: "A kind of policy that this program does not know",
            meaning: "The sender used a word for the policy that the standard does not have. Its numbers are kept as they are.",
        },
    }
}
