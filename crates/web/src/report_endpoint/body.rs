//! Reading a body within memory and time.
//!
//! The budget is charged before bytes are kept, for what has arrived and not for what was promised: a stranger who
//! declares 32 MiB and sends nothing holds nothing. Almost every report arrives in one piece with its head, and is
//! then never copied.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use bytes::Bytes;
use hyper::body::{Body, Incoming};
use tlsward_engine::receive::{Budget, Share};

use super::Limits;
use super::answer::Refusal;
use crate::listen::Watch;

/// Room for the first bytes of a body that comes in pieces.
const FIRST_ROOM_BYTES: usize = 32 * 1024;

/// Reads the body. `declared` is its length, where the request said it.
pub(super) async fn read(
    mut body: Incoming,
    declared: Option<u64>,
    budget: &Budget,
    limits: &Limits,
    watch: &Watch,
) -> Result<(Bytes, Share), Refusal> {
    let mut share = budget.take(0).ok_or(Refusal::NoMemory)?;
    let most = declared.and_then(|length| usize::try_from(length).ok()).unwrap_or(limits.body_bytes);
    let most = most.min(limits.body_bytes);
    let mut whole: Vec<u8> = Vec::new();
    while !body.is_end_stream() {
        let Some(piece) = next_piece(&mut body, watch).await? else { break };
        if piece.len() > most.saturating_sub(whole.len()) {
            return Err(Refusal::TooLarge);
        }
        if whole.is_empty() && body.is_end_stream() {
            charge(&mut share, piece.len(), piece.len() > limits.inline_bytes, limits)?;
            return Ok((piece, share));
        }
        let needed = whole.len() + piece.len();
        if needed > whole.capacity() {
            let room = (whole.capacity() * 2).max(needed).max(FIRST_ROOM_BYTES).min(most);
            charge(&mut share, room - whole.capacity(), room > limits.inline_bytes, limits)?;
            whole.reserve_exact(room - whole.len());
        }
        whole.extend_from_slice(&piece);
    }
    if declared.is_some_and(|length| whole.len() as u64 != length) {
        return Err(Refusal::Cut);
    }
    Ok((Bytes::from(whole), share))
}

/// The next bytes; `None` at the end.
async fn next_piece(body: &mut Incoming, watch: &Watch) -> Result<Option<Bytes>, Refusal> {
    loop {
        let frame = poll_fn(|cx| {
            if watch.is_late() {
                return Poll::Ready(Err(Refusal::TooSlow));
            }
            Pin::new(&mut *body).poll_frame(cx).map(Ok)
        })
        .await?;
        match frame {
            None => return Ok(None),
            Some(Err(error)) => {
                tracing::debug!(%error, "a report's body broke off");
                return Err(Refusal::Cut);
            }
            // Trailers are of no interest.
            Some(Ok(frame)) => match frame.into_data() {
                Ok(piece) if !piece.is_empty() => return Ok(Some(piece)),
                _ => {}
            },
        }
    }
}

fn charge(share: &mut Share, bytes: usize, is_large: bool, limits: &Limits) -> Result<(), Refusal> {
    let rest = if is_large { limits.small_reserve_bytes } else { 0 };
    if share.grow_leaving(bytes, rest) { Ok(()) } else { Err(Refusal::NoMemory) }
}
