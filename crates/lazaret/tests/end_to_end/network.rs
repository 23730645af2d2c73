//! Registries that redirect, limit and break off, at the level of the whole program.

use harbour::{Act, Auth, Fault, Harbour, Script, Server};

use crate::support::{Home, Layer, MINER, file, image, image_of};

#[test]
fn no_login_follows_a_redirect_to_another_host() {
    let home = Home::new();
    let harbour = Harbour::start(Script { auth: Auth::Bearer, anonymous_pull: true, cdn: true, ..Script::default() });
    harbour.push_parts("a/b", "v1", &image_of("opt/start", MINER));
    let ended = home.scan(&["--no-store", &format!("{}/a/b:v1", harbour.host())]);
    assert_eq!(ended.code, 1, "{ended:?}");
    let requests = harbour.requests();
    let to = |server| requests.iter().filter(move |request| request.server == server);
    assert!(to(Server::Registry).any(|request| request.authorization.as_deref() == Some("Bearer")));
    assert!(to(Server::Cdn).count() >= 2, "config and layer come from the other host");
    assert!(to(Server::Cdn).all(|request| request.authorization.is_none()), "{requests:?}");
}

#[test]
fn a_limit_is_waited_for_and_a_broken_body_is_resumed() {
    let home = Home::new();
    let harbour = Harbour::start(Script::default());
    let noise: Vec<u8> = (0..40_000_u32).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    let layer = Layer::gzip(&[file("opt/start", MINER), file("opt/noise", &noise)]);
    harbour.push_parts("a/b", "v1", &image(&[&layer]));
    harbour.add_fault(Fault::times("/v2/a/b/manifests/", 1, Act::rate_limited("1")));
    let blob = format!("/v2/a/b/blobs/{}", layer.digest());
    harbour.add_fault(Fault::times(&blob, 1, Act::Truncate(20_000)));

    let ended = home.scan(&["--no-store", &format!("{}/a/b:v1", harbour.host())]);

    assert_eq!(ended.code, 1, "{ended:?}");
    assert_eq!(ended.result()["verdict"]["completeness"]["state"], "complete");
    let requests = harbour.requests();
    assert!(requests.iter().any(|request| request.status == 429), "{requests:?}");
    let ranges: Vec<_> = requests.iter().filter(|it| it.path == blob).map(|it| it.range.as_deref()).collect();
    assert_eq!(ranges.len(), 2, "{ranges:?}");
    assert!(ranges[0].is_none() && ranges[1].is_some_and(|range| range.starts_with("bytes=")), "{ranges:?}");
}
