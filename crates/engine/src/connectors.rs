//! The catalogue's connectors as callers see them.

use indexmap::IndexMap;

use crate::{
    Engine, Result,
    catalogue::{
        field::Field,
        schema::{Connector, MethodKind},
    },
};

/// A connector as callers see it.
#[derive(Debug, Clone)]
pub struct ConnectorSummary {
    /// The file's name, such as `gmail`.
    pub slug: String,
    /// Shown to people.
    pub name: String,
    /// The provider's page that the connector's facts were read from.
    pub docs: String,
    /// What it is for.
    pub categories: Vec<String>,
    /// Asked once per connection.
    pub fields: Vec<FieldSummary>,
    /// The first is the default.
    pub auth_methods: Vec<AuthMethodSummary>,
}

/// A way to authorize, as callers see it.
#[derive(Debug, Clone)]
pub struct AuthMethodSummary {
    /// Passed as `authMethod`.
    pub name: String,
    /// `oauth2`, `api_key`, …
    pub kind: String,
    /// Shown to people.
    pub label: Option<String>,
    /// Whether this version can execute it.
    pub supported: bool,
    /// Asked unless the connection says otherwise.
    pub scopes: Vec<String>,
    /// Asked of the person.
    pub fields: Vec<FieldSummary>,
}

/// A value that a person or a developer gives.
#[derive(Debug, Clone)]
pub struct FieldSummary {
    /// Passed in `fields`.
    pub name: String,
    /// Shown to people.
    pub label: String,
    /// Where the value is found.
    pub help: Option<String>,
    /// The provider's page that says so.
    pub help_url: Option<String>,
    /// What one looks like.
    pub example: Option<String>,
    /// Taken when none is given.
    pub default: Option<String>,
    /// Whether a value must be given.
    pub required: bool,
    /// Whether the value is stored sealed and never shown.
    pub secret: bool,
}

impl Engine {
    /// The connectors of the catalogue, by slug.
    ///
    /// # Errors
    /// `CONNECTOR_INVALID` where a file of the catalogue cannot be read.
    pub fn connectors(&self) -> Result<Vec<ConnectorSummary>> {
        self.catalogue.connectors().map(|connector| Ok(summary(connector?))).collect()
    }

    /// One connector of the catalogue.
    ///
    /// # Errors
    /// `CONNECTOR_NOT_FOUND`, naming the nearest.
    pub fn connector(&self, slug: &str) -> Result<ConnectorSummary> {
        self.catalogue.connector(slug).map(summary)
    }
}

fn summary(connector: &Connector) -> ConnectorSummary {
    ConnectorSummary {
        slug: connector.slug.clone(),
        name: connector.name.clone(),
        docs: connector.docs.clone(),
        categories: connector.categories.clone(),
        fields: fields(&connector.fields),
        auth_methods: connector
            .auth
            .iter()
            .map(|(name, method)| AuthMethodSummary {
                name: name.clone(),
                kind: kind_name(method.kind).into(),
                label: method.label.clone(),
                supported: method.supported().is_ok(),
                scopes: method.scopes.clone(),
                fields: fields(&method.fields),
            })
            .collect(),
    }
}

/// The word that connector files use.
fn kind_name(kind: MethodKind) -> &'static str {
    match kind {
        MethodKind::Oauth2 => "oauth2",
        MethodKind::Oauth1 => "oauth1",
        MethodKind::Bearer => "bearer",
        MethodKind::ApiKey => "api_key",
        MethodKind::Basic => "basic",
        MethodKind::Exchange => "exchange",
        MethodKind::Jwt => "jwt",
        MethodKind::Signed => "signed",
        MethodKind::None => "none",
    }
}

fn fields(fields: &IndexMap<String, Field>) -> Vec<FieldSummary> {
    fields
        .iter()
        .map(|(name, field)| FieldSummary {
            name: name.clone(),
            label: field.label(name),
            help: field.help.clone(),
            help_url: field.help_url.clone(),
            example: field.example.clone(),
            default: field.default.clone(),
            required: !field.optional && field.default.is_none(),
            secret: field.secret,
        })
        .collect()
}
