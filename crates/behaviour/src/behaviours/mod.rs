//! One behaviour, one file. To add one: the file with its tests, and two lines here.

use crate::Behaviour;

macro_rules! listed {
    ($($name:ident,)+) => {
        $(mod $name;)+
        /// Every behaviour, in the order they are asked.
        pub const ALL: &[Behaviour] = &[$($name::BEHAVIOUR),+];
    };
}

listed! {
    api_takeover,
    compiled_run,
    contacted,
    credentials_read,
    decoded_run,
    download_run,
    dropped_run,
    environment_sent,
    flood_sent,
    hosts_scanned,
    memory_run,
    metadata_asked,
    mining_profile,
    passwords_tried,
    pool_contacted,
    pool_dialogue,
    reverse_shell_opened,
    secret_sent,
    shell_served,
}
