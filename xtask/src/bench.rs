//! Runs the benchmarks of the package `bench`: each of its bench targets, and each of its programs, which
//! measure whole processes and need the server built for release first.

use anyhow::{Result, bail};
use clap::Args;

use crate::workspace::{Metadata, cargo};

/// The package that has the benchmarks.
const PACKAGE: &str = "bench";

/// Which benchmarks to run.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Names as `--list` shows them; all when none is given.
    names: Vec<String>,
    /// Only say which benchmarks there are.
    #[arg(long)]
    list: bool,
}

/// How a benchmark measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Functions, in one process.
    Functions,
    /// Whole processes, from outside.
    Processes,
}

/// Lists the benchmarks or runs them one after another; a name that does not exist is an error before
/// anything runs.
pub(crate) fn run(options: &Options) -> Result<()> {
    let all = benchmarks(&Metadata::load()?);
    if options.list {
        for (name, form) in &all {
            let form = match form {
                Form::Functions => "functions",
                Form::Processes => "whole processes",
            };
            println!("{name:24} {form}");
        }
        return Ok(());
    }
    let chosen = choose(&all, &options.names)?;
    if chosen.iter().any(|(_, form)| *form == Form::Processes) {
        run_cargo(&["build", "--release", "--locked", "--package", "tlsward"])?;
    }
    for (name, form) in chosen {
        println!("\n==> {name}");
        run_cargo(&command_line(name, *form))?;
    }
    Ok(())
}

fn command_line(name: &str, form: Form) -> Vec<&str> {
    match form {
        Form::Functions => vec!["bench", "--locked", "--package", PACKAGE, "--bench", name],
        Form::Processes => vec!["run", "--release", "--locked", "--package", PACKAGE, "--bin", name],
    }
}

fn run_cargo(arguments: &[&str]) -> Result<()> {
    let status = cargo().args(arguments).status()?;
    if !status.success() {
        bail!("`cargo {}` ended with {status}", arguments.join(" "));
    }
    Ok(())
}

/// Every benchmark of the package, in the order of the manifest.
fn benchmarks(metadata: &Metadata) -> Vec<(String, Form)> {
    let targets = metadata.members().filter(|package| package.name == PACKAGE).flat_map(|own| &own.targets);
    targets
        .filter_map(|target| match target {
            _ if target.is("bench") => Some((target.name.clone(), Form::Functions)),
            _ if target.is("bin") => Some((target.name.clone(), Form::Processes)),
            _ => None,
        })
        .collect()
}

fn choose<'a>(all: &'a [(String, Form)], names: &[String]) -> Result<Vec<&'a (String, Form)>> {
    if all.is_empty() {
        bail!("there is no package {PACKAGE} with benchmarks in the workspace");
    }
    if names.is_empty() {
        return Ok(all.iter().collect());
    }
    let mut chosen = Vec::new();
    for name in names {
        match all.iter().find(|(own, _)| own == name) {
            Some(benchmark) => chosen.push(benchmark),
            None => bail!("there is no benchmark {name}; `cargo xtask bench --list` names them"),
        }
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_choose_benchmarks_and_an_unknown_one_is_refused() {
        let all = [("parse".to_owned(), Form::Functions), ("intake".to_owned(), Form::Processes)];
        let names =
            |chosen: Vec<&(String, Form)>| chosen.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        assert_eq!(names(choose(&all, &[]).expect("all")), ["parse", "intake"]);
        assert_eq!(names(choose(&all, &["intake".to_owned()]).expect("one")), ["intake"]);
        let error = choose(&all, &["intke".to_owned()]).expect_err("there is none");
        assert!(error.to_string().starts_with("there is no benchmark intke"), "{error}");
    }

    #[test]
    fn each_form_has_its_command() {
        assert!(command_line("parse", Form::Functions).ends_with(&["--bench", "parse"]));
        assert!(command_line("intake", Form::Processes).ends_with(&["--bin", "intake"]));
    }
}
