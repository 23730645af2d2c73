//! Every importer answers about any bytes, and what it reads can be put into a set and asked for.
#![no_main]

use inspect::intel::{
    IntelSet, read, shown,
    import::{Format, Options, import},
};
use libfuzzer_sys::fuzz_target;
use model::{IntelValue, Standing};

fuzz_target!(|bytes: &[u8]| {
    let _ = Format::of(bytes);
    for format in Format::ALL {
        let read_list = import(bytes, *format, &Options::default());
        let mut set = IntelSet::builder();
        read_list.entries.iter().for_each(|entry| set.add("fuzz", entry));
        let set = set.finish("fuzz".to_owned());
        for entry in &read_list.entries {
            let listings = set.listings(&entry.value);
            let is_excused = read_list.entries.iter().any(|entry| entry.standing == Standing::Allowed);
            if matches!(entry.standing, Standing::Listed(_)) && !is_excused {
                assert!(!listings.is_empty(), "{:?} is listed and not found", entry.value);
            }
        }
    }
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(value) = read(text)
        && !matches!(value, IntelValue::UrlPrefix(_))
    {
        assert_eq!(read(&shown(&value)).as_ref(), Ok(&value), "what is shown means the same");
    }
});
