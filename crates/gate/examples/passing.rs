//! A proxy that lists nothing, for `bench/proxy`: `passing LISTEN UPSTREAM_URL`.

use std::{net::TcpListener, sync::atomic::AtomicBool};

use gate::{
    Engine, Policy,
    door::Door,
    proxy::{Named, Proxy},
};
use registry::{Options, Upstream};

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, listen, url] = arguments.as_slice() else { panic!("passing LISTEN UPSTREAM_URL") };
    let listener = TcpListener::bind(listen).expect("a free address");
    let upstream = Upstream::open(url, &Options::default()).expect("a registry");
    let door = Door::new(Engine::test(&[], Policy::default(), 0), || 0);
    let proxy = Proxy::new(vec![Named { name: "docker.io".to_owned(), upstream }], door);
    proxy.serve(listener, &AtomicBool::new(false)).expect("it serves");
}
