//! What an image runs: from entry point, command and health check through scripts to the files they lead to.
//!
//! Sees: absolute paths, commands found through `PATH`, arguments that are files, what reached scripts mention, files
//! of a mentioned folder (`/docker-entrypoint.d`), cron tables where a cron daemon is reached, the library preload.
//! Misses: paths put together at run time, interpreters' modules (`python -m x`); running the image shows those.

use std::{
    borrow::Cow,
    cell::RefCell,
    collections::{HashMap, HashSet, VecDeque},
};

use model::{EntryKind, ImageConfig};

use crate::overlay::{At, Overlay};

/// Most files followed.
const REACHED_MAX: usize = 4_000;
/// Most files named between what the image starts and what it leads to.
const CHAIN_MAX: usize = 16;
/// Most files taken of one mentioned folder.
const FOLDER_FILES_MAX: usize = 200;
/// Most words of the config's command, health check and environment that are looked for.
const WORDS_MAX: usize = 20_000;
/// Most folders of `PATH` that are searched.
const PATH_FOLDERS_MAX: usize = 256;
/// What the kernel and shells take where the config has no `PATH`, as Docker does.
const PATH_DEFAULT: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What is run.
pub(crate) struct Reach {
    /// Visible entries that are run or read by what is run.
    pub(crate) entries: HashSet<At>,
    /// What led to each of them first.
    led_by: HashMap<At, Lead>,
    /// The ceiling that ended the following, if one did: there may be more.
    pub(crate) cut: Option<String>,
}

/// What leads to a file.
#[derive(Debug, Clone, Copy)]
enum Lead {
    /// What the image itself starts, in the words of a Dockerfile.
    Start(&'static str),
    /// A file that names it.
    File(At),
}

impl Reach {
    /// What the image starts, and the files from there to `at`, which is the last. Empty if it is not run.
    pub(crate) fn chain(&self, at: At) -> (&'static str, Vec<At>) {
        let mut files = vec![at];
        while let Some(lead) = files.last().and_then(|last| self.led_by.get(last)) {
            match lead {
                Lead::File(by) if files.len() <= CHAIN_MAX => files.push(*by),
                Lead::File(_) => return ("…", files.into_iter().rev().collect()),
                Lead::Start(what) => return (what, files.into_iter().rev().collect()),
            }
        }
        ("", Vec::new())
    }
}

/// Follows what `config` starts through the merged view. `mentions` are the paths and commands a script names.
pub(crate) fn reach(config: &ImageConfig, overlay: &Overlay<'_>, mentions: &HashMap<At, &[String]>) -> Reach {
    let search = Search::new(config, overlay);
    let mut cut = None;
    let mut queue: VecDeque<(At, Lead)> = VecDeque::new();
    let starts = [
        ("ENTRYPOINT", config.entrypoint.as_slice()),
        ("CMD", &config.cmd),
        ("HEALTHCHECK", config.healthcheck.get(1..).unwrap_or_default()),
        // Run by whoever builds on the image.
        ("ONBUILD", &config.on_build),
    ];
    // `LD_PRELOAD`, `BASH_ENV`, `APP` of `sh -c "$APP"`: what the environment names by its whole path.
    let values = config.env.iter().filter_map(|line| line.split_once('=')).filter(|(name, _)| *name != "PATH");
    let values = values.flat_map(|(_, value)| pieces(value).filter(|word| word.starts_with('/')));
    let words = starts.iter().flat_map(|(what, lines)| lines.iter().map(|line| (*what, line.as_str())));
    let words = words.flat_map(|(what, line)| {
        pieces(line).map(Cow::Borrowed).chain(unquoted(line)).map(move |word| (Lead::Start(what), word))
    });
    let mut words = words.chain(values.map(|value| (Lead::Start("ENV"), Cow::Borrowed(value))));
    for (lead, word) in words.by_ref().take(WORDS_MAX) {
        queue.extend(search.find(&word).map(|at| (at, lead)));
    }
    if words.next().is_some() {
        cut.get_or_insert_with(|| format!("only the first {WORDS_MAX} words of the command are followed"));
    }
    queue.extend(overlay.resolve("etc/ld.so.preload").map(|at| (at, Lead::Start("every program"))));

    let mut entries = HashSet::new();
    let mut led_by = HashMap::new();
    while let Some((at, lead)) = queue.pop_front() {
        if entries.contains(&at) {
            continue;
        }
        if entries.len() >= REACHED_MAX {
            cut.get_or_insert_with(|| format!("only {REACHED_MAX} files are followed from the command on"));
            break;
        }
        entries.insert(at);
        led_by.insert(at, lead);
        let from_here = |next: At| (next, Lead::File(at));
        let entry = overlay.entry(at);
        if entry.kind == EntryKind::Folder {
            let files = search.files(&entry.path, overlay.children(at));
            queue.extend(files.into_iter().map(from_here));
            continue;
        }
        let named = mentions.get(&at).into_iter().flat_map(|words| words.iter());
        queue.extend(named.flat_map(|word| search.find(word)).map(from_here));
        match entry.path.rsplit('/').next() {
            Some("cron" | "crond") => {
                let tables = ["etc/crontab", "etc/cron.d", "var/spool/cron", "var/spool/cron/crontabs", "etc/crontabs"];
                queue.extend(tables.iter().flat_map(|table| overlay.resolve(table)).map(from_here));
                let unlisted = |table: &&str| search.files(table, overlay.unlisted(table));
                queue.extend(tables.iter().flat_map(unlisted).map(from_here));
            }
            // Who logs in is asked by the modules that the file of the service names.
            Some(service @ ("sshd" | "login" | "su" | "sudo")) if entry.path.contains("bin/") => {
                queue.extend(overlay.resolve(&format!("etc/pam.d/{service}")).map(from_here));
            }
            _ => {}
        }
    }
    if overlay.is_exhausted() {
        cut.get_or_insert_with(|| "its paths and links are too long to be followed to the end".to_owned());
    }
    Reach { entries, led_by, cut: cut.or(search.cut.into_inner()) }
}

fn is_separator(c: char) -> bool {
    c.is_whitespace() || ";&|()<>{}=,:".contains(c)
}

fn pieces(words: &str) -> impl Iterator<Item = &str> {
    let whole = (!words.is_empty()).then_some(words);
    whole
        .into_iter()
        .chain(words.split(|c: char| is_separator(c) || "\"'`".contains(c)).filter(|word| !word.is_empty()))
}

/// What a shell makes of words with quotes or backslashes inside: `/o"p"t/\x` is `/opt/x`.
fn unquoted(words: &str) -> impl Iterator<Item = Cow<'_, str>> {
    let quoted = |word: &&str| word.contains(['"', '\'', '\\']);
    words.split(is_separator).filter(quoted).map(|word| Cow::Owned(word.replace(['"', '\'', '\\'], "")))
}

fn is_file(overlay: &Overlay<'_>, at: At) -> bool {
    matches!(overlay.entry(at).kind, EntryKind::File | EntryKind::Hardlink | EntryKind::Symlink)
}

/// Where words are looked for.
struct Search<'a> {
    folders: Vec<String>,
    working_dir: &'a str,
    overlay: &'a Overlay<'a>,
    cut: RefCell<Option<String>>,
}

impl<'a> Search<'a> {
    fn new(config: &'a ImageConfig, overlay: &'a Overlay<'a>) -> Self {
        let working_dir = config.working_dir.as_str();
        // Engines differ in which of two lines counts: all are searched.
        let lines: Vec<&str> = config.env.iter().filter_map(|line| line.strip_prefix("PATH=")).collect();
        let lines = if lines.is_empty() { vec![PATH_DEFAULT] } else { lines };
        let mut known = HashSet::new();
        let mut folders: Vec<String> = Vec::new();
        let mut cut = None;
        for folder in lines.iter().flat_map(|line| line.split(':')).filter(|folder| known.insert(*folder)) {
            if folders.len() >= PATH_FOLDERS_MAX {
                cut = Some(format!("only {PATH_FOLDERS_MAX} folders of PATH are searched"));
                break;
            }
            folders.push(if folder.starts_with('/') { folder.to_owned() } else { format!("{working_dir}/{folder}") });
        }
        folders.push(working_dir.to_owned());
        Self { folders, working_dir, overlay, cut: RefCell::new(cut) }
    }

    /// The files of a start-up folder, links followed, as far as they are.
    fn files(&self, folder: &str, children: &[At]) -> Vec<At> {
        let mut files = children.iter().copied().filter(|&at| is_file(self.overlay, at));
        let taken = files.by_ref().take(FOLDER_FILES_MAX);
        let found = taken.flat_map(|at| self.overlay.resolve(&self.overlay.entry(at).path)).collect();
        if files.next().is_some() {
            let detail = || format!("only {FOLDER_FILES_MAX} files of the start-up folder {folder} are followed");
            self.cut.borrow_mut().get_or_insert_with(detail);
        }
        found
    }

    /// A word as a shell would find it: with a slash from the working folder, else through `PATH`. Folders only count
    /// where they are named by an absolute path of at least two parts, so that `/` and `/usr` lead nowhere.
    fn find(&self, word: &str) -> impl Iterator<Item = At> + use<> {
        let is_program = |at: &At| self.overlay.entry(*at).kind != EntryKind::Folder;
        let found: Vec<At> = if word.is_empty() || word.len() > 4096 {
            Vec::new()
        } else if word.contains('/') {
            let from_root =
                if word.starts_with('/') { word.to_owned() } else { format!("{}/{word}", self.working_dir) };
            let starts = |at: &At| is_program(at) || is_start_up_folder(&self.overlay.entry(*at).path);
            let found: Vec<At> = self.overlay.resolve(&from_root).filter(starts).collect();
            let folder = from_root.trim_matches('/');
            if found.is_empty() && is_start_up_folder(folder) {
                self.files(folder, self.overlay.unlisted(folder))
            } else {
                found
            }
        } else {
            let in_folder = |folder: &String| {
                let found: Vec<At> = self.overlay.resolve(&format!("{folder}/{word}")).filter(is_program).collect();
                (!found.is_empty()).then_some(found)
            };
            self.folders.iter().find_map(in_folder).unwrap_or_default()
        };
        found.into_iter()
    }
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
    fn servers_lead_to_their_tables_and_modules() {
        // No entry for the folder of the tables: layers need not have one.
        let layer = layer(&[
            ("usr/sbin/cron", File),
            ("etc/cron.d/x", File),
            ("usr/sbin/sshd", File),
            ("etc/pam.d/sshd", File),
            ("etc/pam.d/other", File),
            ("lib/security/pam_x.so", File),
        ]);
        assert_eq!(reached(r#"{"Cmd":["/usr/sbin/cron","-f"]}"#, &layer, &[]), ["etc/cron.d/x", "usr/sbin/cron"]);
        let paths = reached(r#"{"Cmd":["/usr/sbin/sshd"]}"#, &layer, &[(3, &["/lib/security/pam_x.so"])]);
        assert_eq!(paths, ["etc/pam.d/sshd", "lib/security/pam_x.so", "usr/sbin/sshd"]);
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

    /// Layers need not hold the folders of their files.
    #[test]
    fn a_folder_without_an_entry_is_followed() {
        let layer = layer(&[
            ("usr/sbin/cron", File),
            ("etc/cron.d/x", File),
            ("start.sh", File),
            ("docker-entrypoint.d/10.sh", File),
            ("opt/unused.d/x", File),
        ]);
        assert_eq!(reached(r#"{"Cmd":["/usr/sbin/cron","-f"]}"#, &layer, &[]), ["etc/cron.d/x", "usr/sbin/cron"]);
        let mentions: &[(usize, &[&str])] = &[(2, &["/docker-entrypoint.d/"])];
        assert_eq!(reached(r#"{"Cmd":["/start.sh"]}"#, &layer, mentions), ["docker-entrypoint.d/10.sh", "start.sh"]);
    }

    #[test]
    fn quotes_and_the_environment_do_not_hide_what_is_run() {
        let layer = layer(&[("opt/a", File), ("opt/b", File), ("lib/c.so", File), ("x/d", File), ("bin/sh", File)]);
        let config = r#"{"Entrypoint":["sh","-c","/o\"p\"t/\\a; $APP; d"],
            "Env":["APP=/opt/b","LD_PRELOAD=/no:/lib/c.so","PATH=/bin","PATH=/usr/bin:x"],"WorkingDir":"/"}"#;
        assert_eq!(reached(config, &layer, &[]), ["bin/sh", "lib/c.so", "opt/a", "opt/b", "x/d"]);
    }

    #[test]
    fn a_ceiling_is_named() {
        let many: Vec<_> = (0..=200).map(|number| format!("run.d/{number}")).collect();
        let mut entries: Vec<_> = many.iter().map(|path| (path.as_str(), File)).collect();
        entries.extend([("run.d", Folder), ("start", File)]);
        let layer = layer(&entries);
        let layers = [&layer];
        let overlay = Overlay::new(&layers);
        let check = |config: String, named: &str| {
            let config = ImageConfig::parse(config.as_bytes()).expect("valid");
            let cut = reach(&config, &overlay, &HashMap::new()).cut.unwrap_or_default();
            assert!(cut.contains(named), "{cut:?}");
        };
        check(r#"{"config":{"Cmd":["/run.d"]}}"#.to_owned(), "200 files");
        check(format!(r#"{{"config":{{"Cmd":["sh","-c","{}"]}}}}"#, "x ".repeat(30_000)), "20000 words");
        let folders: Vec<_> = (0..300).map(|number| format!("/{number}")).collect();
        check(format!(r#"{{"config":{{"Env":["PATH={}"],"Cmd":["x"]}}}}"#, folders.join(":")), "256 folders");
    }
}
