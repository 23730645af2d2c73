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
    account_made,
    analysis_evaded,
    api_takeover,
    bandwidth_sold,
    commands_obeyed,
    compiled_run,
    contacted,
    credentials_read,
    data_sent_out,
    date_waited,
    decoded_run,
    dns_tunnel,
    download_run,
    dropped_run,
    environment_sent,
    escape_attempt,
    files_destroyed,
    files_encrypted,
    flood_sent,
    generated_names,
    hosts_scanned,
    irc_commanded,
    mail_sent,
    memory_run,
    metadata_asked,
    mining_profile,
    name_masked,
    passwords_tried,
    persistence_made,
    pool_contacted,
    pool_dialogue,
    process_injected,
    protection_disabled,
    raw_sockets,
    reverse_shell_opened,
    rivals_killed,
    secret_sent,
    shell_served,
    traces_wiped,
    tunnel_opened,
}
