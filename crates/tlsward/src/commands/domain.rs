//! `tlsward domain` and `tlsward export`: the running server is asked, and what it answers is printed or written.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::cli::domain::{Add, Domain, FirstStage, GroupStage, Mx, What};
use crate::config::Settings;
use crate::control::domains::{self, Outcome, Reply, Request, Terms};
use crate::edge::{self, Exit};
use crate::present::visible::{shown, visible};

/// A list of domains at most.
const LIST_BYTES: u64 = 16 << 20;
/// Domains that are handed over at once: the server looks each one up, and has two minutes for a request.
const AT_ONCE: usize = 500;

/// Does what was asked.
pub(super) fn run(what: &Domain, config: Option<&Path>) -> Exit {
    let settings = match Settings::load(config) {
        Ok(settings) => settings,
        Err(error) => {
            edge::complain(&error.to_string());
            return Exit::Configuration;
        }
    };
    let (request, json) = match what {
        Domain::Add(add) => return added(add, &settings),
        Domain::Adopt(adopt) => {
            let (domain, rua) = (adopt.domain.clone(), adopt.rua.clone());
            (Request::Adopt { domain, rua, yes: adopt.yes }, adopt.json)
        }
        Domain::List(list) => return listed(&settings, list.json),
        Domain::Show(of) => (Request::Show { domain: of.domain.clone() }, of.json),
        Domain::Plan(of) => (Request::Plan { domain: of.domain.clone() }, of.json),
        Domain::Advance(of) => (Request::Advance { domain: of.domain.clone(), i_know: of.i_know }, of.json),
        Domain::Mx { change } => {
            let (change, add) = match change {
                Mx::Add(change) => (change, true),
                Mx::Remove(change) => (change, false),
            };
            let request = Request::Mx {
                of: change.domain.clone(),
                is_group: change.group,
                host: change.host.clone(),
                add,
                i_know: change.i_know,
            };
            (request, change.json)
        }
        Domain::Group(group) => {
            let stage = match group.stage {
                GroupStage::Reporting => "reporting",
                GroupStage::Testing => "testing",
                GroupStage::Enforce => "enforce",
            };
            let terms = terms(&group.what, stage);
            (Request::Group { group: group.group.clone(), terms }, group.json)
        }
        Domain::Reannounce(of) => (Request::Reannounce { domain: of.domain.clone() }, of.json),
        Domain::Remove(of) => {
            (Request::Remove { domain: of.domain.clone(), wind_down: of.wind_down }, of.json)
        }
    };
    match asked(&settings, &request) {
        Ok(reply) => said(&reply, json),
        Err(exit) => exit,
    }
}

/// Hands domains over, so many at once; the worst of what came of them is what is exited with.
fn added(add: &Add, settings: &Settings) -> Exit {
    let domains = match domains_of(add) {
        Ok(domains) => domains,
        Err(exit) => return exit,
    };
    let stage = match add.stage {
        FirstStage::Reporting => "reporting",
        FirstStage::Testing => "testing",
    };
    let terms = add.group.is_none().then(|| terms(&add.what, stage));
    let mut worst = Exit::Fine;
    for domains in domains.chunks(AT_ONCE) {
        let request =
            Request::Add { domains: domains.to_vec(), terms: terms.clone(), group: add.group.clone() };
        match asked(settings, &request).map(|reply| said(&reply, add.json)) {
            Ok(Exit::Fine) => {}
            Ok(other) => worst = other,
            // What was handed over before stays.
            Err(exit) => return exit,
        }
    }
    worst
}

/// Writes what is published as files.
pub(super) fn export(folder: &Path, config: Option<&Path>) -> Exit {
    let settings = match Settings::load(config) {
        Ok(settings) => settings,
        Err(error) => {
            edge::complain(&error.to_string());
            return Exit::Configuration;
        }
    };
    let reply = match asked(&settings, &Request::Export) {
        Ok(reply) if reply.result == Outcome::Done => reply,
        Ok(reply) => return said(&reply, false),
        Err(exit) => return exit,
    };
    let mut written = 0_usize;
    for file in reply.data["files"].as_array().into_iter().flatten() {
        let (Some(path), Some(text)) = (file["path"].as_str(), file["text"].as_str()) else { continue };
        if let Err(error) = written_file(folder, path, text) {
            edge::complain(&format!("cannot write {} below {}: {error}", shown(path), folder.display()));
            return Exit::Failed;
        }
        written += 1;
    }
    edge::say(&format!("{written} files are in {}\n", shown(&folder.to_string_lossy())));
    Exit::Fine
}

/// Only below the folder, whatever the server says. Whole or not at all: another server may read it at any moment.
fn written_file(folder: &Path, path: &str, text: &str) -> std::io::Result<()> {
    let inside = Path::new(path);
    if inside.components().any(|part| !matches!(part, std::path::Component::Normal(_))) {
        return Err(std::io::Error::other("the path leads out of the folder"));
    }
    let place = folder.join(inside);
    let parent = place.parent().unwrap_or(folder);
    std::fs::create_dir_all(parent)?;
    let mut beside = place.clone().into_os_string();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    std::fs::write(&beside, text)?;
    std::fs::rename(&beside, &place)
}

fn terms(what: &What, stage: &str) -> Terms {
    Terms { mx: what.mx.clone(), rua: what.rua.clone(), max_age: what.max_age, stage: stage.to_owned() }
}

fn domains_of(add: &Add) -> Result<Vec<String>, Exit> {
    let mut domains = add.domains.clone();
    let Some(file) = &add.file else { return Ok(domains) };
    let mut text = String::new();
    let read = if file.as_os_str() == "-" {
        std::io::stdin().lock().take(LIST_BYTES).read_to_string(&mut text)
    } else {
        std::fs::File::open(file).and_then(|file| file.take(LIST_BYTES).read_to_string(&mut text))
    };
    if let Err(error) = read {
        edge::complain(&format!("cannot read {}: {error}", shown(&file.to_string_lossy())));
        return Err(Exit::Untold);
    }
    let names = text.lines().map(|line| line.split('#').next().unwrap_or("").trim());
    domains.extend(names.filter(|name| !name.is_empty()).map(str::to_owned));
    Ok(domains)
}

fn asked(settings: &Settings, request: &Request) -> Result<Reply, Exit> {
    let socket = settings.control_socket();
    domains::ask(&socket, request).map_err(|error| {
        edge::complain(&format!(
            "the server cannot be asked: {error} ({}); is it running, with this configuration and as this user?",
            shown(&socket.to_string_lossy())
        ));
        Exit::Untold
    })
}

/// Every page of the list. As JSON: one line a domain.
fn listed(settings: &Settings, json: bool) -> Exit {
    let mut after = None;
    loop {
        let reply = match asked(settings, &Request::List { after }) {
            Ok(reply) if reply.result == Outcome::Done => reply,
            Ok(reply) => return said(&reply, json),
            Err(exit) => return exit,
        };
        if json {
            for item in reply.data["items"].as_array().into_iter().flatten() {
                edge::say(&format!("{item}\n"));
            }
        } else {
            edge::say(&lines(&reply.text));
        }
        after = reply.data["next"].as_str().map(str::to_owned);
        if after.is_none() {
            return Exit::Fine;
        }
    }
}

/// Every line of a text, without what a terminal would obey.
fn lines(text: &str) -> String {
    let mut shown = String::new();
    for line in text.lines() {
        shown.push_str(&visible(line));
        shown.push('\n');
    }
    shown
}

fn said(reply: &Reply, json: bool) -> Exit {
    if json {
        let mut data = reply.data.clone();
        if data.is_null() {
            data = serde_json::json!({});
        }
        if let Some(fields) = data.as_object_mut() {
            fields.insert("result".to_owned(), serde_json::json!(reply.result));
            fields.entry("text").or_insert_with(|| reply.text.clone().into());
        }
        edge::say(&format!("{data}\n"));
    } else if reply.result == Outcome::Done {
        edge::say(&lines(&reply.text));
    } else {
        edge::complain(lines(&reply.text).trim_end());
    }
    match reply.result {
        Outcome::Done => Exit::Fine,
        Outcome::Refused => Exit::Failed,
        Outcome::Unusable => Exit::Usage,
        Outcome::Untold => Exit::Untold,
    }
}
