//! A reference is refused or means the same when it is written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use model::{Digest, ImageReference, Locator, Platform};

fuzz_target!(|text: &str| {
    if let Ok(reference) = text.parse::<ImageReference>() {
        let again: ImageReference = reference.to_string().parse().expect("what we write, we read");
        assert_eq!(again, reference);
        assert!(!reference.repository.contains("..") && !reference.registry.contains(['/', '@', ' ', '?', '#']));
    }
    if let Ok(locator) = text.parse::<Locator>() {
        let again: Locator = locator.to_string().parse().expect("what we write, we read");
        assert_eq!(again.to_string(), locator.to_string());
    }
    if let Ok(platform) = text.parse::<Platform>() {
        assert_eq!(platform.to_string().parse(), Ok(platform));
    }
    if let Ok(digest) = text.parse::<Digest>() {
        assert_eq!(digest.to_string(), text);
    }
});
