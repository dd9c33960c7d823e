//! What was kept but not filed, and why.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Query, State};
use serde::Deserialize;
use tlsward_engine::facts::SetAsideReason;
use tlsward_engine::ports::{Clock, Evidence};

use super::domain::encoded;
use super::shown::Shown;
use super::{App, Frame, PageResult, Place, numbers, render, words};
use crate::times;

/// Inputs on one page.
const LINES: usize = 50;

#[derive(Debug, Deserialize)]
pub(super) struct Question {
    cursor: Option<String>,
}

#[derive(Template)]
#[template(path = "set_aside.html")]
struct SetAsidePage {
    frame: Frame,
    lines: Vec<Line>,
    next_href: Option<String>,
    is_further: bool,
    reasons: Vec<(&'static str, &'static str)>,
}

struct Line {
    id: i64,
    reason: &'static str,
    detail: Shown,
    road: &'static str,
    label: Shown,
    received_at: String,
    size: String,
}

pub(super) async fn show<S: Evidence, C: Clock>(
    State(app): State<Arc<App<S, C>>>,
    Query(question): Query<Question>,
) -> PageResult {
    let is_further = question.cursor.is_some();
    let page = app.evidence.set_aside(question.cursor, LINES).await?;
    let present = |reason: &&SetAsideReason| page.items.iter().any(|item| item.reason == **reason);
    render(&SetAsidePage {
        frame: Frame::new("Set aside", Place::SetAside),
        reasons: SetAsideReason::ALL.iter().filter(present).map(|reason| words::reason(*reason)).collect(),
        next_href: page.next_cursor.map(|cursor| format!("/set-aside?cursor={}", encoded(&cursor))),
        is_further,
        lines: page
            .items
            .iter()
            .map(|item| Line {
                id: item.id,
                reason: words::reason(item.reason).0,
                detail: Shown::maybe(Some(&item.detail)),
                road: words::road(item.road),
                label: Shown::maybe(Some(&item.label)),
                received_at: times::minute(item.received_at),
                size: numbers::size(item.bytes),
            })
            .collect(),
    })
}
