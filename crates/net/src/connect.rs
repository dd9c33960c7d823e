//! TCP to the addresses that were looked up, past the guard, and no others.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::OnceLock;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tlsward_engine::ports::ConnectFailure;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use crate::guard::Guard;
use crate::limits::HttpsLimits;
use crate::polite::{PerAddress, Turn};

/// A connection, with what it holds and when the first attempt for it began.
#[derive(Debug)]
pub(crate) struct Connected {
    pub(crate) stream: TcpStream,
    pub(crate) address: IpAddr,
    pub(crate) turn: Turn,
    pub(crate) since: Instant,
}

/// Connects to one end point. The guard looks at the address that is connected to, so no look-up lies between its
/// answer and the connection.
pub(crate) async fn connect(
    end_point: SocketAddr,
    guard: &Guard,
    limit: Duration,
) -> Result<TcpStream, ConnectFailure> {
    guard.check(end_point).map_err(ConnectFailure::Guarded)?;
    let stream = match timeout(limit, TcpStream::connect(end_point)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return Err(failure(&error)),
        Err(_) => return Err(ConnectFailure::TimedOut),
    };
    // Every write is a whole message that is waited for. Without it things are slower, not wrong.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

/// Connects to whichever address answers first. Attempts start one after another, by turns of family with IPv6 first
/// (RFC 8305 §4), each `head_start` after the one before it or as soon as that failed (§5).
pub(crate) async fn race(
    addresses: &[IpAddr],
    port: u16,
    guard: &Guard,
    polite: &PerAddress,
    limits: &HttpsLimits,
) -> Result<Connected, ConnectFailure> {
    let first = OnceLock::new();
    let attempt = |address: IpAddr| {
        let first = &first;
        async move {
            // Before the wait for a turn: what is not connected to is not waited for.
            guard.check(SocketAddr::new(address, port)).map_err(ConnectFailure::Guarded)?;
            let turn = polite.turn(address).await;
            let since = *first.get_or_init(Instant::now);
            let stream = connect(SocketAddr::new(address, port), guard, limits.connect).await?;
            Ok(Connected { stream, address, turn, since })
        }
    };
    let mut queue = by_turns(addresses, limits.addresses);
    let mut running = FuturesUnordered::new();
    let mut failure = ConnectFailure::NoAddress;
    loop {
        if let Some(address) = queue.pop_front() {
            running.push(attempt(address));
        } else if running.is_empty() {
            return Err(failure);
        }
        tokio::select! {
            Some(result) = running.next() => match result {
                Ok(connected) => return Ok(connected),
                Err(other) => failure = more_telling(failure, other),
            },
            () = sleep(limits.head_start), if !queue.is_empty() => {}
        }
    }
}

fn by_turns(addresses: &[IpAddr], at_most: usize) -> VecDeque<IpAddr> {
    let mut six = addresses.iter().filter(|address| address.is_ipv6());
    let mut four = addresses.iter().filter(|address| address.is_ipv4());
    let mut queue = VecDeque::new();
    loop {
        let (a, b) = (six.next(), four.next());
        if a.is_none() && b.is_none() {
            queue.truncate(at_most);
            return queue;
        }
        queue.extend(a);
        queue.extend(b);
    }
}

/// Of two failures the one that says more of the host: a refusal came from a machine, an address without a way to it
/// is often only a family that this network has not.
fn more_telling(one: ConnectFailure, other: ConnectFailure) -> ConnectFailure {
    fn rank(failure: &ConnectFailure) -> u8 {
        match failure {
            ConnectFailure::NoAddress => 0,
            ConnectFailure::Unreachable(_) => 1,
            ConnectFailure::Guarded(_) => 2,
            ConnectFailure::TimedOut => 3,
            ConnectFailure::Refused => 4,
            ConnectFailure::Name(_) => 5,
        }
    }
    if rank(&other) > rank(&one) { other } else { one }
}

fn failure(error: &io::Error) -> ConnectFailure {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => ConnectFailure::Refused,
        io::ErrorKind::TimedOut => ConnectFailure::TimedOut,
        _ => ConnectFailure::Unreachable(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_tried_by_turns_of_family_and_not_without_end() {
        let given: Vec<IpAddr> = ["192.0.2.1", "192.0.2.2", "192.0.2.3", "2001:db8::1"]
            .iter()
            .map(|text| text.parse().unwrap())
            .collect();
        let order: Vec<String> = by_turns(&given, 3).iter().map(ToString::to_string).collect();
        assert_eq!(order, ["2001:db8::1", "192.0.2.1", "192.0.2.2"]);
        assert_eq!(by_turns(&given, 16).len(), 4);
    }

    #[test]
    fn the_failure_that_is_reported_is_the_most_telling_one() {
        let unreachable = ConnectFailure::Unreachable("network is unreachable".to_owned());
        let merged =
            more_telling(more_telling(ConnectFailure::NoAddress, unreachable), ConnectFailure::Refused);
        assert_eq!(merged, ConnectFailure::Refused);
        assert_eq!(more_telling(ConnectFailure::Refused, ConnectFailure::TimedOut), ConnectFailure::Refused);
    }
}
