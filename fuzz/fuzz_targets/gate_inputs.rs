//! Files that name images, and what containerd says of one, are read or refused, whatever they hold.
#![no_main]

use std::path::Path;

use gate::{
    image_verifier,
    inputs::{self, File, Kind, Options},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = std::str::from_utf8(bytes) {
        for kind in [Kind::Any, Kind::Dockerfile, Kind::Sbom] {
            let files = vec![File { path: Some("a/b".into()), kind }];
            // What it names holds itself again: it is read once.
            let mut open = |_: Option<&Path>| Ok(text.to_owned());
            let asked = inputs::read(files, &Options::default(), &mut open).expect("it opens");
            assert!(asked.iter().all(|asked| asked.line.is_none_or(|line| line > 0)));
        }
    }
    let arguments = ["-name".to_owned(), "a".to_owned()];
    let _ = image_verifier::question(&arguments, bytes).map(|question| question.subject(None));
});
