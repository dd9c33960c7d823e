//! Values to columns: the rows of inputs, reports, policies and failures.

use bytes::Bytes;
use rusqlite::{MAIN_DB, params};
use tls_rpt::report::FailureDetails;
use tlsward_engine::facts::{RawInput, UnixTime};

use super::columns::{PolicyColumn, ResultColumn, integer, road_code, trust_code};
use super::failure::Failure;
use super::packed::PackedPolicy;
use super::writer::Writer;
use crate::filing::{HeldHead, MAX_ROWS, Paper, prefix};
use crate::pack;
use crate::session::{Details, Mode, day_of};

/// Bits of a row's key that count the rows of one report.
pub(crate) const ROW_BITS: u32 = MAX_ROWS.trailing_zeros();
/// Raw input beyond this is written in pieces: SQLite would hold it twice more.
const WHOLE_BYTES: usize = 256 * 1024;

/// The key of the first row of a report.
pub(crate) fn first_row(report: i64) -> i64 {
    report << ROW_BITS
}

impl Writer<'_> {
    pub(super) fn insert_raw(
        &mut self,
        id: i64,
        raw: &RawInput,
        digest: &[u8; 32],
        uses: i64,
        complaints: Option<&str>,
    ) -> Result<(), Failure> {
        let peer = raw.peer.map(|peer| match peer {
            std::net::IpAddr::V4(peer) => peer.octets().to_vec(),
            std::net::IpAddr::V6(peer) => peer.octets().to_vec(),
        });
        let (road, at) = (road_code(raw.road), raw.received_at);
        let head = params![id, digest.as_slice(), road, at, peer, raw.label, uses, complaints];
        if raw.bytes.len() <= WHOLE_BYTES {
            for (index, value) in head.iter().enumerate() {
                self.sql.raw_insert.raw_bind_parameter(index + 1, value)?;
            }
            self.sql.raw_insert.raw_bind_parameter(9, raw.bytes.as_ref())?;
            self.sql.raw_insert.raw_execute()?;
            return Ok(());
        }
        for (index, value) in head.iter().enumerate() {
            self.sql.raw_insert.raw_bind_parameter(index + 1, value)?;
        }
        let length = rusqlite::blob::ZeroBlob(raw.bytes.len() as u64);
        self.sql.raw_insert.raw_bind_parameter(9, length)?;
        self.sql.raw_insert.raw_execute()?;
        self.write_bytes(id, &raw.bytes)
    }

    fn write_bytes(&mut self, id: i64, bytes: &Bytes) -> Result<(), Failure> {
        let mut blob = self.connection.blob_open(MAIN_DB, "raw", "bytes", id, false)?;
        let mut at = 0;
        for piece in bytes.chunks(WHOLE_BYTES) {
            blob.write_all_at(piece, at)?;
            at += piece.len();
        }
        Ok(blob.close()?)
    }

    #[expect(clippy::too_many_arguments, reason = "a row has so many columns")]
    pub(super) fn insert_report(
        &mut self,
        id: i64,
        state: i64,
        paper: &Paper,
        head: &HeldHead,
        raw: i64,
        share: u64,
        received_at: UnixTime,
    ) -> Result<i64, Failure> {
        let day = day_of(paper.begin, received_at);
        let (first, last) = self.days.entry(day).or_insert((id, id));
        (*first, *last) = ((*first).min(id), (*last).max(id));
        let repairs = repairs(&mut self.scratch[0], paper);
        self.sql.report_insert.execute(params![
            id,
            prefix(&paper.digest),
            paper.digest.as_slice(),
            state,
            raw,
            integer(share),
            trust_code(paper.trust),
            received_at,
            day,
            paper.begin,
            paper.end,
            paper.organization_name.as_deref(),
            paper.organization,
            paper.report_id.as_deref(),
            paper.contact_info.as_deref(),
            head.domain.as_deref(),
            integer(head.domains),
            integer(paper.successful.low),
            integer(paper.successful.high.saturating_sub(paper.successful.low)),
            integer(paper.failed.low),
            integer(paper.failed.high.saturating_sub(paper.failed.low)),
            integer(paper.policy_count),
            integer(paper.failure_count),
            paper.member,
            repairs,
        ])?;
        self.digests.add(prefix(&paper.digest), id);
        Ok(day)
    }

    pub(super) fn insert_plain_policy(&mut self, key: i64, policy: &PackedPolicy) -> Result<(), Failure> {
        self.sql.policy_insert_plain.execute(params![
            key,
            policy.domain.as_deref(),
            PolicyColumn(policy.policy_type.as_ref()),
            policy.strings,
            policy.mx,
            policy.successful.map(integer),
            policy.failed.map(integer),
            policy.has_details,
        ])?;
        Ok(())
    }

    /// A policy of a large report, with what its failure rows come to: sessions are counted from it later.
    pub(crate) fn insert_policy(
        &mut self,
        key: i64,
        policy: &PackedPolicy,
        details: &Details,
    ) -> Result<(), Failure> {
        let results = &mut self.scratch[0];
        results.clear();
        pack::Writer(results).results(&details.results);
        self.sql.policy_insert.execute(params![
            key,
            policy.domain.as_deref(),
            PolicyColumn(policy.policy_type.as_ref()),
            policy.strings,
            policy.mx,
            policy.successful.map(integer),
            policy.failed.map(integer),
            details.sum.map(integer),
            policy.mode.map(Mode::code),
            (!results.is_empty()).then_some(results.as_slice()),
            details.span.map(|span| integer(span.first)),
            details.span.map(|span| integer(span.last)),
            policy.has_details || details.span.is_some(),
        ])?;
        Ok(())
    }

    pub(crate) fn insert_failure(
        &mut self,
        key: i64,
        policy: i64,
        row: &FailureDetails,
    ) -> Result<(), Failure> {
        self.sql.failure_insert.execute(params![
            key,
            policy,
            ResultColumn(row.result_type.as_ref()),
            row.sending_mta_ip.as_deref(),
            row.receiving_mx_hostname.as_deref(),
            row.receiving_mx_helo.as_deref(),
            row.receiving_ip.as_deref(),
            row.failed_session_count.map(integer),
            row.additional_information.as_deref(),
            row.failure_reason_code.as_deref(),
        ])?;
        Ok(())
    }
}

pub(super) fn repairs<'s>(scratch: &'s mut Vec<u8>, paper: &Paper) -> Option<&'s [u8]> {
    scratch.clear();
    pack::Writer(scratch).repairs(&paper.repairs);
    (!scratch.is_empty()).then_some(scratch.as_slice())
}
