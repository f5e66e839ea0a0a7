//! Writes every page with sample values into a folder, to be looked at:
//! `cargo run -p onbehalf-gateway --example pages -- /tmp/pages`

use std::{fs, io, path::PathBuf};

use http::StatusCode;
use indexmap::IndexMap;
use onbehalf_engine::{
    Error,
    catalogue::field::{Complaint, FieldKind},
    connect::{Asks, FormField, LinkPage, Outcome, OutcomePage},
    time::Timestamp,
};
use onbehalf_gateway::{
    language::Language,
    pages::{self, Form, Page, Refusal, Setback},
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
    let show = |page| pages::link(language, &page, &Form::default(), Timestamp::from_millis(0));
    let end = |outcome| {
        let page =
            OutcomePage { app_name: link.app_name.clone(), connector_name: link.connector_name.clone(), outcome };
        pages::outcome(language, &page)
    };
    let key = LinkPage {
        connector_name: "Zendesk".into(),
        connector: "zendesk".into(),
        asks: Asks::Credential { fields: three(), verify_origin: None },
        ..link.clone()
    };
    let ten = LinkPage {
        connector_name: "Snowflake".into(),
        asks: Asks::Credential { fields: ten(), verify_origin: Some("https://app.acme.test".into()) },
        ..key.clone()
    };
    let again = |page, setback| {
        let kept = IndexMap::from([("subdomain".into(), "acme inc".into()), ("email".into(), "ada@acme.test".into())]);
        let form = Form { token: "t".into(), kept, setback: Some(setback) };
        pages::link(language, page, &form, Timestamp::from_millis(0))
    };
    let faults = [("subdomain", Complaint::Pattern), ("api_token", Complaint::Missing)];
    let faults = Setback::Invalid(faults.map(|(name, complaint)| (name.to_owned(), complaint)).into());
    let host = || "acme.zendesk.com".to_owned();
    let wrong = Error::CredentialRefused { host: host(), status: 401 };
    let unavailable = Error::ProviderUnavailable { host: host(), reason: "status 503".into(), retry_at: None };
    vec![
        ("form", show(key.clone())),
        ("form-long", show(ten.clone())),
        ("form-invalid", again(&key, faults)),
        ("form-wrong", again(&key, Setback::Refused(wrong))),
        ("form-unavailable", again(&key, Setback::Refused(unavailable))),
        ("form-not-understood", pages::refusal(language, Refusal::FormNotUnderstood(StatusCode::BAD_REQUEST))),
        ("form-not-from-here", pages::refusal(language, Refusal::FormNotFromHere)),
        ("being-checked", pages::refusal(language, Refusal::BeingChecked)),
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

fn field(name: &str, label: &str) -> FormField {
    FormField {
        name: name.into(),
        label: label.into(),
        help: None,
        help_url: None,
        example: None,
        kind: FieldKind::Text,
        options: Vec::new(),
        default: None,
        suffix: None,
        optional: false,
        secret: false,
    }
}

/// A form as most are.
fn three() -> Vec<FormField> {
    vec![
        FormField {
            example: Some("acme".into()),
            suffix: Some(".zendesk.com".into()),
            ..field("subdomain", "Subdomain")
        },
        FormField { kind: FieldKind::Email, example: Some("ada@acme.test".into()), ..field("email", "Email") },
        FormField {
            help: Some("In the Admin Center, under Apps and integrations, then APIs, then API tokens.".into()),
            help_url: Some("https://support.zendesk.com/hc/en-us/articles/4408889192858".into()),
            secret: true,
            ..field("api_token", "API token")
        },
    ]
}

/// A form with everything that a field can have, and more text than anybody wants.
fn ten() -> Vec<FormField> {
    let sentence = "It stands in the settings of your organization, which only its administrators can open. ";
    let long = FormField {
        help: Some(sentence.repeat(6)),
        help_url: Some("https://a-very-long-host-name-of-a-provider.documentation.snowflake.example/keys".into()),
        example: Some("an-example-that-is-longer-than-the-input-that-holds-it.eu-central-1".into()),
        suffix: Some(".eu-central-1.privatelink.snowflakecomputing.com".into()),
        kind: FieldKind::Host,
        ..field(
            "account",
            "The identifier of the account, with its region and its cloud, as your administrator knows it",
        )
    };
    let region = ["Europe (Frankfurt)", "United States (Oregon)", "Asia Pacific (Tokyo)"].map(str::to_owned);
    vec![
        long,
        FormField { options: region.to_vec(), ..field("region", "Region") },
        FormField {
            options: vec!["Production".into(), "Sandbox".into()],
            default: Some("Sandbox".into()),
            ..field("site", "Environment")
        },
        FormField { kind: FieldKind::Url, example: Some("https://acme.test".into()), ..field("url", "Address") },
        FormField {
            label: "\u{5e9}\u{5dd} \u{5d4}\u{5de}\u{5e9}\u{5ea}\u{5de}\u{5e9} (user)".into(),
            ..field("user", "")
        },
        FormField { optional: true, default: Some("PUBLIC".into()), ..field("role", "Role") },
        FormField { kind: FieldKind::Pem, secret: true, ..field("private_key", "Private key") },
        FormField { secret: true, optional: true, ..field("passphrase", "Passphrase of the private key") },
        FormField { kind: FieldKind::Json, optional: true, ..field("settings", "Settings") },
        FormField { kind: FieldKind::Email, ..field("email", "x".repeat(180).as_str()) },
    ]
}
