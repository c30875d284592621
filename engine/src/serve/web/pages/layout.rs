//! What is around every page: the head, the navigation, the foot.

use maud::{DOCTYPE, Markup, html};

use super::assets;
use crate::serve::web::given::PROOF_FIELD;
use crate::serve::web::guard::Caller;

/// Where in the navigation a page is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Pipelines,
    Runs,
    Catalog,
    Query,
    Elsewhere,
}

impl Place {
    /// By the path of an address.
    pub(super) fn of(path: &str) -> Self {
        match path.split('/').nth(1).unwrap_or_default() {
            "" | "pipelines" => Self::Pipelines,
            "runs" => Self::Runs,
            "catalog" => Self::Catalog,
            "query" => Self::Query,
            _ => Self::Elsewhere,
        }
    }
}

/// A page.
pub(super) struct Page<'a> {
    pub(super) title: &'a str,
    pub(super) place: Place,
    pub(super) caller: &'a Caller,
    /// Its parts are loaded again when something has changed.
    pub(super) is_live: bool,
}

const MARK: &str = "M3 6h4l6 12h8M3 18h4l2-4m4-4 2-4h6";

impl Page<'_> {
    /// The whole page around its body.
    pub(super) fn around(&self, body: &Markup) -> Markup {
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    title { (self.title) " · engine" }
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    meta name="csrf" content=(self.caller.proof());
                    link rel="icon" href=(assets::ICON);
                    link rel="stylesheet" href=(assets::address("app.css"));
                    script src=(assets::address("app.js")) {}
                }
                body data-live=[self.is_live.then_some("/events")] {
                    a.skip href="#main" { "Skip to content" }
                    (self.head())
                    main id="main" tabindex="-1" { (body) }
                }
            }
        }
    }

    fn head(&self) -> Markup {
        let link = |place: Place, address: &str, name: &str| {
            let current = (place == self.place).then_some("page");
            html! { a href=(address) aria-current=[current] { (name) } }
        };
        html! {
            header.top {
                a.brand href="/" aria-label="engine, all pipelines" {
                    svg viewBox="0 0 24 24" width="22" height="22" aria-hidden="true" { path d=(MARK) {} }
                    span { "engine" }
                }
                @if self.caller.may_see() { nav aria-label="Main" {
                    (link(Place::Pipelines, "/", "Pipelines"))
                    (link(Place::Runs, "/runs", "Runs"))
                    (link(Place::Catalog, "/catalog", "Catalog"))
                    (link(Place::Query, "/query", "Query"))
                } }
                div.tools {
                    span.live data-live-state="" hidden title="This page is up to date by itself" { "live" }
                    button.quiet type="button" data-theme-switch="" aria-label="Theme" title="Light, dark or as the system" { "◐" }
                    @if !self.caller.may_write() && self.caller.is_signed_in() { span.badge { "read only" } }
                    @if self.caller.is_signed_in() {
                        form method="post" action="/sign-out" { (proof(self.caller)) button.quiet { "Sign out" } }
                    }
                }
            }
        }
    }
}

/// What a form carries to show that it is ours.
pub(super) fn proof(caller: &Caller) -> Markup {
    html! { input type="hidden" name=(PROOF_FIELD) value=(caller.proof()); }
}

/// A button that posts.
pub(super) fn button(caller: &Caller, address: &str, label: &str, class: &str) -> Markup {
    html! {
        form.inline method="post" action=(address) { (proof(caller)) button class=(class) { (label) } }
    }
}
