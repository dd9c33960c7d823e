//! What this server is, and what programs can ask it.

use askama::Template;

use super::{Frame, PageResult, Place, render};

#[derive(Template)]
#[template(path = "about.html")]
struct AboutPage {
    frame: Frame,
}

pub(super) async fn show() -> PageResult {
    render(&AboutPage { frame: Frame::new("About", Place::About) })
}
