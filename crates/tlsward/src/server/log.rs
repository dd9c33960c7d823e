//! The log: to standard error, for reading or as JSON.

use std::io;

use anyhow::Context as _;
use tracing_subscriber::EnvFilter;

use crate::cli::LogFormat;
use crate::edge;

/// The DNS library logs whole messages of strangers as errors; what came of a question is told by whoever asked.
const QUIET: [&str; 3] = ["hickory_net", "hickory_proto", "hickory_resolver"];

/// Starts it. `filter` is a level such as `info`, or levels for parts such as `info,tlsward_mail=debug`.
pub(crate) fn start(filter: &str, format: LogFormat) -> anyhow::Result<()> {
    let asked = filter;
    let mut filter = EnvFilter::builder()
        .parse(asked)
        .context("--log (or TLSWARD_LOG) wants a level such as info or debug")?;
    // Whoever names the library wants to see it.
    for part in QUIET.into_iter().filter(|part| !asked.contains(part)) {
        filter = filter.add_directive(format!("{part}=off").parse()?);
    }
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    let started = match format {
        LogFormat::Human => log.with_ansi(edge::colour_on_stderr()).with_target(false).try_init(),
        LogFormat::Json => log.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| anyhow::anyhow!("cannot start the log: {error}"))
}
