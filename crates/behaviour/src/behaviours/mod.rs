//! One behaviour, one file. To add one: the file with its tests, and two lines here.

use crate::Behaviour;

// Add a behaviour: its module here …
mod account_made;
mod analysis_evaded;
mod api_takeover;
mod bandwidth_sold;
mod commands_obeyed;
mod compiled_run;
mod contacted;
mod credentials_read;
mod data_sent_out;
mod date_waited;
mod decoded_run;
mod dns_tunnel;
mod download_run;
mod dropped_run;
mod environment_sent;
mod escape_attempt;
mod files_destroyed;
mod files_encrypted;
mod flood_sent;
mod generated_names;
mod hosts_scanned;
mod irc_commanded;
mod mail_sent;
mod memory_run;
mod metadata_asked;
mod mining_profile;
mod name_masked;
mod passwords_tried;
mod persistence_made;
mod pool_contacted;
mod pool_dialogue;
mod process_injected;
mod protection_disabled;
mod raw_sockets;
mod reverse_shell_opened;
mod rivals_killed;
mod secret_sent;
mod shell_served;
mod traces_wiped;
mod tunnel_opened;

/// … and its entry here: every behaviour, in the order they are asked. One that is not listed is dead code, and the build refuses it.
pub const ALL: &[Behaviour] = &[
    account_made::BEHAVIOUR,
    analysis_evaded::BEHAVIOUR,
    api_takeover::BEHAVIOUR,
    bandwidth_sold::BEHAVIOUR,
    commands_obeyed::BEHAVIOUR,
    compiled_run::BEHAVIOUR,
    contacted::BEHAVIOUR,
    credentials_read::BEHAVIOUR,
    data_sent_out::BEHAVIOUR,
    date_waited::BEHAVIOUR,
    decoded_run::BEHAVIOUR,
    dns_tunnel::BEHAVIOUR,
    download_run::BEHAVIOUR,
    dropped_run::BEHAVIOUR,
    environment_sent::BEHAVIOUR,
    escape_attempt::BEHAVIOUR,
    files_destroyed::BEHAVIOUR,
    files_encrypted::BEHAVIOUR,
    flood_sent::BEHAVIOUR,
    generated_names::BEHAVIOUR,
    hosts_scanned::BEHAVIOUR,
    irc_commanded::BEHAVIOUR,
    mail_sent::BEHAVIOUR,
    memory_run::BEHAVIOUR,
    metadata_asked::BEHAVIOUR,
    mining_profile::BEHAVIOUR,
    name_masked::BEHAVIOUR,
    passwords_tried::BEHAVIOUR,
    persistence_made::BEHAVIOUR,
    pool_contacted::BEHAVIOUR,
    pool_dialogue::BEHAVIOUR,
    process_injected::BEHAVIOUR,
    protection_disabled::BEHAVIOUR,
    raw_sockets::BEHAVIOUR,
    reverse_shell_opened::BEHAVIOUR,
    rivals_killed::BEHAVIOUR,
    secret_sent::BEHAVIOUR,
    shell_served::BEHAVIOUR,
    traces_wiped::BEHAVIOUR,
    tunnel_opened::BEHAVIOUR,
];
