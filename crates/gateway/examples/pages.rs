//! Writes every page with sample values into a folder, to be looked at:
//! `cargo run -p onbehalf-gateway --example pages -- /tmp/pages`

use std::{fs, io, path::PathBuf};

use http::StatusCode;
use onbehalf_engine::{
    Error,
    connect::{Asks, LinkPage, Outcome, OutcomePage},
    time::Timestamp,
};
use onbehalf_gateway::{
    language::Language,
    pages::{self, Page, Refusal},
};

fn main() -> io::Result<()> {
    let folder = PathBuf::from(std::env::args_os().nth(1).ok_or(io::Error::other("name a folder"))?);
    fs::create_dir_all(&folder)?;
    for language in Language::all() {
        for (name, page) in samples(language) {
            fs::write(folder.join(format!("{name}.{}.html", language.code)), page.html)?;
        }
    }
    Ok(())
}

fn samples(language: &'static Language) -> Vec<(&'static str, Page)> {
    let link = LinkPage {
        app_name: Some("Acme Assistant".into()),
        connector_name: "Gmail".into(),
        connector: "gmail".into(),
        person: "an•••@acme.test".into(),
        asks: Asks::Consent {
            scopes: vec!["https://www.googleapis.com/auth/gmail.modify".into(), "email".into()],
            authorize_origin: "https://accounts.google.com".into(),
        },
        expires_at: Timestamp::from_millis(570_000),
    };
    let unnamed = LinkPage {
        app_name: None,
        connector_name: "Zoho Inventory & Warehouse".into(),
        connector: "zoho_inventory".into(),
        person: "•••".into(),
        asks: Asks::Consent {
            scopes: vec!["ZohoInventory.FullAccess.all,ZohoInventory.settings.READ".into()],
            authorize_origin: "https://accounts.zoho.example".into(),
        },
        expires_at: Timestamp::from_millis(60_000),
    };
    let show = |page| pages::link(language, &page, Timestamp::from_millis(0));
    let end = |outcome| {
        let page =
            OutcomePage { app_name: link.app_name.clone(), connector_name: link.connector_name.clone(), outcome };
        pages::outcome(language, &page)
    };
    vec![
        ("connected", end(Outcome::Connected)),
        ("verifying", end(Outcome::AwaitingVerification)),
        ("refused", end(Outcome::Refused)),
        ("failed", end(Outcome::Failed { code: "PROVIDER_UNREACHABLE".into() })),
        ("took-too-long", end(Outcome::Expired)),
        ("link-expired", pages::error(language, &Error::LinkExpired)),
        ("link-used", pages::error(language, &Error::LinkUsed)),
        ("link-not-found", pages::error(language, &Error::LinkNotFound)),
        ("flow-not-found", pages::error(language, &Error::FlowNotFound)),
        ("not-ready", pages::error(language, &Error::ConnectionDisabled { connection: "gmail".into() })),
        ("trouble", pages::error(language, &Error::StoreBusy)),
        ("page-not-found", pages::refusal(language, Refusal::PageNotFound)),
        ("not-from-here", pages::refusal(language, Refusal::NotFromHere)),
        ("not-understood", pages::refusal(language, Refusal::NotUnderstood(StatusCode::BAD_REQUEST))),
        ("wrong-host", pages::refusal(language, Refusal::WrongHost)),
        ("link", show(link)),
        ("link-unnamed", show(unnamed)),
    ]
}
