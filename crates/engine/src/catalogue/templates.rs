//! Every template of a connector, with the path of its key: what the lint walks over.

use super::{
    schema::{Connector, Method, Step},
    template::Template,
};

/// A template, and the path of its key.
pub(super) struct Used<'c> {
    pub(super) path: Vec<&'c str>,
    pub(super) template: &'c Template,
    /// Whether it must become a URL.
    pub(super) is_url: bool,
}

impl<'c> Used<'c> {
    fn text(path: Vec<&'c str>, template: &'c Template) -> Self {
        Self { path, template, is_url: false }
    }

    /// The names that it uses, without what they reach into.
    pub(super) fn heads(&self) -> impl Iterator<Item = &'c str> + use<'c> {
        self.template.names().map(head)
    }
}

/// The name that a path begins with: `key` of `key.private_key`.
pub(super) fn head(name: &str) -> &str {
    name.split_once('.').map_or(name, |(head, _)| head)
}

/// The templates of a connector that all its methods share.
pub(super) fn of_connector(connector: &Connector) -> Vec<Used<'_>> {
    let base = connector.base_url.iter().map(|url| Used { path: vec!["base_url"], template: url, is_url: true });
    let headers = connector.headers.iter().map(|(name, template)| Used::text(vec!["headers", name], template));
    let probe =
        connector.probe.iter().map(|probe| Used { path: vec!["probe", "url"], template: &probe.url, is_url: true });
    base.chain(headers).chain(probe).collect()
}

/// Every template of a method.
pub(super) fn of_method<'c>(name: &'c str, method: &'c Method) -> Vec<Used<'c>> {
    let urls = [
        ("authorize_url", &method.authorize_url),
        ("token_url", &method.token_url),
        ("issuer", &method.issuer),
        ("resource", &method.resource),
        ("refresh_url", &method.refresh_url),
        ("revoke_url", &method.revoke_url),
        ("device_url", &method.device_url),
        ("request_url", &method.request_url),
        ("install_url", &method.install_url),
    ];
    let maps = [
        (&["authorize_params"][..], &method.authorize_params),
        (&["token_params"], &method.token_params),
        (&["refresh_params"], &method.refresh_params),
        (&["token_headers"], &method.token_headers),
        (&["send", "headers"], &method.send.headers),
        (&["send", "query"], &method.send.query),
        (&["send", "body"], &method.send.body),
    ];
    let base = ["auth", name];
    let mut all: Vec<Used<'c>> = Vec::new();
    for (key, url) in urls {
        all.extend(url.iter().map(|template| Used { path: [&base[..], &[key]].concat(), template, is_url: true }));
    }
    for (path, map) in maps {
        all.extend(map.iter().map(|(key, template)| Used::text([&base[..], path, &[key]].concat(), template)));
    }
    if let Some(jwt) = &method.jwt {
        all.push(Used::text([&base[..], &["jwt", "key"]].concat(), &jwt.key));
        for (table, map) in [("header", &jwt.header), ("claims", &jwt.claims)] {
            all.extend(map.iter().map(|(key, it)| Used::text([&base[..], &["jwt", table, key]].concat(), it)));
        }
    }
    let steps = method.steps.iter().map(|step| ("steps", step));
    let then = method.then.iter().map(|step| ("then", step));
    let renew = method.renew.iter().map(|step| ("renew", step));
    let revoke = method.revoke.iter().map(|step| ("revoke", step));
    for (list, step) in steps.chain(then).chain(renew).chain(revoke) {
        all.extend(step_templates(&[&base[..], &[list]].concat(), step));
    }
    all
}

fn step_templates<'c>(path: &[&'c str], step: &'c Step) -> Vec<Used<'c>> {
    let params = step.params.values().chain(step.headers.values());
    let url = Used { path: path.to_vec(), template: &step.url, is_url: true };
    [url].into_iter().chain(params.map(|template| Used::text(path.to_vec(), template))).collect()
}
