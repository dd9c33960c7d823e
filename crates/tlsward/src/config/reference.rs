//! The reference of the configuration, printed from the table of keys: `docs/configuration.md` is this text.

use std::fmt::Write as _;

use super::keys::{KEYS, Key, LATER, LISTS, TABLES};

const HEAD: &str = "\
# Configuration

<!-- Printed by `tlsward config-reference`. Edit crates/tlsward/src/config/keys.rs instead. -->

One TOML file, given to every command as `--config FILE` or by the environment variable `TLSWARD_CONFIG`. Without a
file `tlsward serve` shows its pages on 127.0.0.1:8460, takes reports by POST on 127.0.0.1:8461 and by mail on
127.0.0.1:8425, and keeps everything in a SQLite database under `./tlsward-data`.

- Every key is optional, but for `contact` where `[report]` is present.
- A part of the server runs if and only if its table is present. `[web]` alone, with nothing under it, starts the
  pages at their default address.
- An unknown key is an error, which names the nearest known one.
- Relative paths are relative to the file. Private keys are read from files of their own and never stand in it.
- Port 0 takes any free port; the server prints which.
- A size is a number of bytes, or a number with a unit: `\"512 KiB\"`, `\"64 MiB\"`, `\"2 GiB\"`.
- At `SIGHUP` the file is read again: certificates, keys, `[receive] domains` and `[enforce.overrides]` are taken anew, and
  of every other change the log says that it waits for a restart. A file with an error changes nothing.
";

const EXAMPLE: &str = "\
## Example

A server that takes reports from the world by HTTPS and, behind a mail server, by LMTP:

```toml
data_dir = \"/var/lib/tlsward\"

[web]

[receive]
domains = [\"example.com\"]

[receive.https]
listen = \"0.0.0.0:443\"
certificate = \"/etc/tlsward/reports.pem\"
key = \"/etc/tlsward/reports.key\"

[receive.smtp]
protocol = \"lmtp\"
recipients = [\"tlsrpt@example.com\"]
```
";

/// The whole page.
pub(crate) fn markdown() -> String {
    let mut page = String::from(HEAD);
    for table in TABLES {
        if table.name.is_empty() {
            page.push_str("\n## Top of the file\n");
        } else {
            let name = if LISTS.contains(&table.name) {
                format!("[[{}]]", table.name)
            } else {
                format!("[{}]", table.name)
            };
            let _ = writeln!(page, "\n## `{name}`");
        }
        let _ = writeln!(page, "\n{}\n", table.text);
        page.push_str("| key | value | default | example | |\n|---|---|---|---|---|\n");
        for key in KEYS.iter().filter(|key| key.table == table.name) {
            let Key { name, kind, default, example, text, .. } = key;
            let _ = writeln!(page, "| `{name}` | {kind} | {default} | `{example}` | {text} |");
        }
    }
    let later: Vec<String> = LATER.iter().map(|name| format!("`[{name}]`")).collect();
    let _ = writeln!(
        page,
        "\n## Tables of later versions\n\nRefused by this version, with an error that says so: {}.\n",
        later.join(", ")
    );
    page.push_str(EXAMPLE);
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_in_docs_is_what_the_code_says() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md");
        let page = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            page == markdown(),
            "docs/configuration.md is stale: cargo run -- config-reference > docs/configuration.md"
        );
    }

    #[test]
    fn the_example_of_the_reference_is_a_valid_configuration() {
        let toml = EXAMPLE.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
        let settings = super::super::load::parse(toml, "example.toml", std::path::Path::new("/etc")).unwrap();
        assert!(settings.web.is_some() && settings.https.is_some() && settings.smtp.is_some());
    }
}
