//! Ceilings for one layer, as flags, variables and the file's `[limits]` set them. Reaching one is reported, and ends
//! as `undetermined` where it could matter.

use clap::Args;
use layer::Limits;
use serde::Deserialize;

use crate::words::Count;

/// Bytes, up to 1 EiB.
pub type Bytes = Count<1, { 1 << 60 }>;

/// Ceilings as flags.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Ceilings for one layer")]
pub struct LimitArguments {
    /// Unpacked bytes [default: 68_719_476_736]
    #[arg(long, value_name = "BYTES", env = "LAZARET_UNPACKED_BYTES_MAX", hide_env_values = true)]
    pub unpacked_bytes_max: Option<Bytes>,
    /// Entries [default: 1_000_000]
    #[arg(long, value_name = "N", env = "LAZARET_ENTRIES_MAX", hide_env_values = true)]
    pub entries_max: Option<Count<1, 1_000_000_000>>,
    /// Unpacked bytes for each packed byte [default: 200]
    #[arg(long, value_name = "N", env = "LAZARET_RATIO_MAX", hide_env_values = true)]
    pub ratio_max: Option<Count<1, 1_000_000>>,
    /// Seconds [default: 3_600]
    #[arg(long, value_name = "SECONDS", env = "LAZARET_SECONDS_MAX", hide_env_values = true)]
    pub seconds_max: Option<Count<1, 604_800>>,
}

/// Ceilings as the file's `[limits]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct LimitSection {
    unpacked_bytes_max: Option<Bytes>,
    entries_max: Option<Count<1, 1_000_000_000>>,
    ratio_max: Option<Count<1, 1_000_000>>,
    seconds_max: Option<Count<1, 604_800>>,
}

/// Flag before file before the layer crate's default.
#[must_use]
pub fn merge(flags: &LimitArguments, file: &LimitSection) -> Limits {
    let default = Limits::default();
    let pick = |flag: Option<u64>, file: Option<u64>, default| flag.or(file).unwrap_or(default);
    Limits {
        unpacked_bytes_max: pick(
            flags.unpacked_bytes_max.map(Count::get),
            file.unpacked_bytes_max.map(Count::get),
            default.unpacked_bytes_max,
        ),
        entries_max: pick(flags.entries_max.map(Count::get), file.entries_max.map(Count::get), default.entries_max),
        ratio_max: pick(flags.ratio_max.map(Count::get), file.ratio_max.map(Count::get), default.ratio_max),
        seconds_max: pick(flags.seconds_max.map(Count::get), file.seconds_max.map(Count::get), default.seconds_max),
        ..default
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_names_the_defaults_that_hold() {
        use clap::CommandFactory;
        let limits = Limits::default();
        let mut command = crate::arguments::Arguments::command();
        let scan = command.find_subcommand_mut("scan").expect("scan is a role");
        let help = scan.render_long_help().to_string().replace('_', "");
        for number in [limits.unpacked_bytes_max, limits.entries_max, limits.ratio_max, limits.seconds_max] {
            assert!(help.contains(&format!("[default: {number}]")), "{number} in {help}");
        }
    }

    #[test]
    fn a_flag_stands_before_the_file() {
        let file: LimitSection = toml::from_str("ratio-max = 7\nentries-max = 8").expect("a section");
        let flags = LimitArguments { ratio_max: "9".parse().ok(), ..LimitArguments::default() };
        let limits = merge(&flags, &file);
        assert_eq!((limits.ratio_max, limits.entries_max), (9, 8));
        assert_eq!(limits.seconds_max, Limits::default().seconds_max);
    }
}
