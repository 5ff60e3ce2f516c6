//! Addresses that users have requests sent to.

use std::net::IpAddr;

use domain::invalid::Issues;

/// The longest address, in characters.
const URL_MAX: usize = 2_000;

/// What can be told about an address before it is connected to. What its name leads to is looked at on each connection.
/// `allowed` are addresses that the operator lets users choose besides public ones.
pub(crate) fn check_url(issues: &mut Issues, field: &str, url: &str, example: &str, allowed: &[IpAddr]) {
    issues.require(url.chars().count() <= URL_MAX, field, &format!("must have at most {URL_MAX} characters"));
    let Ok(url) = url.parse::<axum::http::Uri>() else {
        issues.require(false, field, &format!("is not an address such as `{example}`"));
        return;
    };
    let host = url.host().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().ok();
    let is_allowed = address.is_some_and(|address| allowed.contains(&address));
    let is_spoken = url.scheme_str() == Some("https") || url.scheme_str() == Some("http") && is_allowed;
    issues.require(is_spoken && !host.is_empty(), field, "must begin with `https://` and a host");
    let has_credentials = url.authority().is_some_and(|authority| authority.as_str().contains('@'));
    issues.require(!has_credentials, field, "must not hold a user or password");
    let is_private = address.is_some_and(|address| !net::is_public(address)) || host == "localhost";
    issues.require(!is_private || is_allowed, field, "must be reached from the open internet");
}
