//! A `docker save` archive of any bytes ends; every layer it names was handed on.
#![no_main]

use std::{collections::HashSet, io::Read};

use libfuzzer_sys::fuzz_target;
use registry::StreamMember;

fuzz_target!(|archive: &[u8]| {
    let mut seen = HashSet::new();
    let mut stream = archive;
    let images = registry::read_docker_stream(&mut stream, &mut |StreamMember::Layer { name, content }| {
        seen.insert(name.to_owned());
        let _ = content.read(&mut [0; 100]);
    });
    for image in images.into_iter().flatten() {
        assert!(image.layer_names.iter().all(|name| seen.contains(name)), "a layer nobody saw");
        assert!(image.layer_names.len() <= model::image::LAYERS_MAX);
    }
});
