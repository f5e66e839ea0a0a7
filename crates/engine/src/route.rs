//! Paths of pages that belong to a tenant's row: `{page}/{id}`, and `{page}/{organization}~{id}` where the organization
//! is not the default one. Neither ids nor connection names have a `~`, so a path has one reading.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

use crate::{Engine, names::Organization};

/// RFC 3986 §2.3: what is not unreserved is encoded.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The last part of the path, decoded.
pub(crate) fn of(organization: &Organization, id: &str) -> String {
    if *organization == Organization::default() { id.into() } else { format!("{}~{id}", organization.as_str()) }
}

/// What a path's last part names.
pub(crate) fn read(route: &str) -> Option<(Organization, &str)> {
    match route.rsplit_once('~') {
        Some((organization, id)) => Some((Organization::parse(organization).ok()?, id)),
        None => Some((Organization::default(), route)),
    }
}

impl Engine {
    pub(crate) fn page_url(&self, page: &str, organization: &Organization, id: &str) -> Url {
        let mut url = self.public_url.clone();
        let before = url.path().trim_end_matches('/');
        url.set_path(&format!("{before}/{page}/{}", utf8_percent_encode(&of(organization, id), SEGMENT)));
        url
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_reads_as_it_was_written() {
        for organization in ["default", "acme", "a~b", "~", "o/1?#"] {
            let organization = Organization::parse(organization).unwrap();
            let route = of(&organization, "example");
            assert_eq!(read(&route), Some((organization, "example")), "{route}");
        }
        assert_eq!(read("~example"), None);
    }
}
