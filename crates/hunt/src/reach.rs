//! What an image runs: from entry point, command and health check through scripts to the files they lead to.
//!
//! Sees: absolute paths, commands found through `PATH`, arguments that are files, what reached scripts mention, files
//! of a mentioned folder (`/docker-entrypoint.d`), cron tables where a cron daemon is reached, the library preload.
//! Misses: paths put together at run time, interpreters' modules (`python -m x`); running the image shows those.

use std::collections::{HashMap, HashSet, VecDeque};

use model::{EntryKind, ImageConfig};

use crate::overlay::{At, Overlay};

/// Most files followed.
const REACHED_MAX: usize = 4_000;
/// Most files taken of one mentioned folder.
const FOLDER_FILES_MAX: usize = 200;
/// What the kernel and shells take where the config has no `PATH`, as Docker does.
const PATH_DEFAULT: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What is run.
pub(crate) struct Reach {
    /// Visible entries that are run or read by what is run.
    pub(crate) entries: HashSet<At>,
}

/// Follows what `config` starts through the merged view. `mentions` are the paths and commands a script names.
pub(crate) fn reach(config: &ImageConfig, overlay: &Overlay<'_>, mentions: &HashMap<At, &[String]>) -> Reach {
    let search = config.env.iter().find_map(|line| line.strip_prefix("PATH=")).unwrap_or(PATH_DEFAULT);
    let find = |word: &str| find(word, search, &config.working_dir, overlay);
    let mut queue: VecDeque<At> = VecDeque::new();
    let command: Vec<&String> = config.entrypoint.iter().chain(&config.cmd).collect();
    let health = config.healthcheck.iter().skip(1);
    for words in command.iter().copied().chain(health) {
        queue.extend(words.split(|c: char| c.is_whitespace() || ";&|()<>\"'`=,".contains(c)).filter_map(find));
        queue.extend(find(words));
    }
    queue.extend(overlay.resolve("etc/ld.so.preload"));

    let mut entries = HashSet::new();
    while let Some(at) = queue.pop_front() {
        if entries.len() >= REACHED_MAX || !entries.insert(at) {
            continue;
        }
        let entry = overlay.entry(at);
        if entry.kind == EntryKind::Folder {
            queue
                .extend(overlay.children(at).iter().copied().filter(|&at| is_file(overlay, at)).take(FOLDER_FILES_MAX));
            continue;
        }
        queue.extend(mentions.get(&at).into_iter().flat_map(|words| words.iter()).filter_map(|word| find(word)));
        if matches!(entry.path.rsplit('/').next(), Some("cron" | "crond")) {
            let tables = ["etc/crontab", "etc/cron.d", "var/spool/cron", "var/spool/cron/crontabs", "etc/crontabs"];
            queue.extend(tables.iter().filter_map(|table| overlay.resolve(table)));
        }
    }
    Reach { entries }
}

fn is_file(overlay: &Overlay<'_>, at: At) -> bool {
    matches!(overlay.entry(at).kind, EntryKind::File | EntryKind::Hardlink | EntryKind::Symlink)
}

/// A word as a shell would find it: with a slash from the working folder, else through `PATH`. Folders only count
/// where they are named by an absolute path of at least two parts, so that `/` and `/usr` lead nowhere.
fn find(word: &str, search: &str, working_dir: &str, overlay: &Overlay<'_>) -> Option<At> {
    if word.is_empty() || word.len() > 4096 {
        return None;
    }
    if word.contains('/') {
        let from_root = if word.starts_with('/') { word.to_owned() } else { format!("{working_dir}/{word}") };
        return overlay.resolve(&from_root).filter(|&at| {
            let entry = overlay.entry(at);
            entry.kind != EntryKind::Folder || is_start_up_folder(&entry.path)
        });
    }
    let in_path = search.split(':').take(64).filter(|folder| folder.starts_with('/'));
    in_path
        .map(|folder| format!("{folder}/{word}"))
        .chain([format!("{working_dir}/{word}")])
        .find_map(|path| overlay.resolve(&path).filter(|&at| overlay.entry(at).kind != EntryKind::Folder))
}

/// Folders whose files start-up scripts run one after another.
fn is_start_up_folder(path: &str) -> bool {
    path.rsplit('/')
        .next()
        .is_some_and(|name| name.ends_with(".d") || name.starts_with("cron") || name.contains("entrypoint"))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use EntryKind::{File, Folder, Symlink};
    use model::{EntryKind, ImageConfig, LayerRecord};

    use super::reach;
    use crate::overlay::{Overlay, tests::layer};

    fn reached(config: &str, layer: &LayerRecord, mentions: &[(usize, &[&str])]) -> Vec<String> {
        let config = ImageConfig::parse(format!("{{\"config\":{config}}}").as_bytes()).expect("valid");
        let layers = [layer];
        let overlay = Overlay::new(&layers);
        let owned: Vec<(usize, Vec<String>)> = mentions
            .iter()
            .map(|(index, words)| (*index, words.iter().map(|word| (*word).to_owned()).collect()))
            .collect();
        let mentions: HashMap<_, _> = owned.iter().map(|(index, words)| ((0, *index), words.as_slice())).collect();
        let mut paths: Vec<_> =
            reach(&config, &overlay, &mentions).entries.into_iter().map(|at| overlay.entry(at).path.clone()).collect();
        paths.sort();
        paths
    }

    #[test]
    fn an_entry_script_leads_to_what_it_mentions() {
        let layer = layer(&[
            ("start.sh", File),
            ("bin -> usr/bin", Symlink),
            ("usr/bin/httpd", File),
            ("opt/x", File),
            ("docker-entrypoint.d", Folder),
            ("docker-entrypoint.d/10.sh", File),
            ("unused", File),
        ]);
        let mentions: &[(usize, &[&str])] = &[(0, &["httpd", "/docker-entrypoint.d"]), (5, &["/opt/x"])];
        let paths = reached(r#"{"Entrypoint":["/start.sh"],"Cmd":["run"]}"#, &layer, mentions);
        assert_eq!(paths, ["docker-entrypoint.d", "docker-entrypoint.d/10.sh", "opt/x", "start.sh", "usr/bin/httpd"]);
    }

    #[test]
    fn a_shell_line_and_arguments_are_followed() {
        let layer = layer(&[
            ("bin/sh", File),
            ("app/m.py", File),
            ("etc/cron.d/x", File),
            ("usr/sbin/cron", File),
            ("etc/cron.d", Folder),
        ]);
        let paths = reached(r#"{"Cmd":["/bin/sh","-c","cron && exec python m.py"],"WorkingDir":"/app"}"#, &layer, &[]);
        assert_eq!(paths, ["app/m.py", "bin/sh", "etc/cron.d", "etc/cron.d/x", "usr/sbin/cron"]);
    }
}
