//! The feed's keys: made once, opened to publish, changed by a new root.
//!
//! A folder holds `ROLE-XXXXXXXX.key` (see [`super::sealed`]) and the roots signed so far, `N.root.json`. Which key serves which role is
//! what the newest root says, never the name of a file: a rotation that is cut short leaves the old root and all its keys.

use std::{
    collections::BTreeMap,
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use serde_json::json;
use zeroize::Zeroizing;

use super::{
    files::{self, FileError},
    key::{PublicKey, SigningKey},
    metadata::{Envelope, OwnKeys, RoleKeys, RoleName, Root, Signed as _, head, sign},
    minisign,
    note::{self, VerifierKey},
    sealed::{Closed, Cost, Sealed, Stretched},
    secret::{Random, Secret},
};

/// Most key files and roots of a folder.
const FILES_MAX: usize = 1000;
/// Longest key file or root.
const FILE_BYTES_MAX: u64 = 1 << 19;
const DAY: u64 = 86_400;
/// How long a root holds: a year, so that the ceremony is not forgotten.
const ROOT_SECONDS: u64 = 365 * DAY;

/// How long metadata holds, in seconds. A client refuses the feed when any of it has run out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetimes {
    /// How long a client may be kept from news without noticing.
    pub timestamp: u64,
    /// Of the list of metadata.
    pub snapshot: u64,
    /// Of the list of files.
    pub targets: u64,
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self { timestamp: DAY, snapshot: 30 * DAY, targets: 90 * DAY }
    }
}

/// What keys to make.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The feed's name: origin of its log. Like `feed.example.org/images`: no blanks, no `+`.
    pub name: String,
    /// How many root keys.
    pub root_keys: usize,
    /// How many of them must sign a new root.
    pub root_threshold: usize,
    /// What guessing the passphrase costs.
    pub cost: Cost,
}

impl Plan {
    /// Three root keys, of which two sign.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), root_keys: 3, root_threshold: 2, cost: Cost::default() }
    }
}

/// Roots by their versions, the first one first.
type Roots = Vec<(u64, Vec<u8>)>;

/// The keys that publish. The root keys are not among them.
#[derive(Debug)]
pub struct Keys {
    pub(crate) targets: SigningKey,
    pub(crate) snapshot: SigningKey,
    pub(crate) timestamp: SigningKey,
    pub(super) log: SigningKey,
    pub(super) minisign: SigningKey,
    /// Every root so far.
    pub(super) roots: Roots,
    own: OwnKeys,
    origin: String,
    /// How long what they sign holds.
    pub lifetimes: Lifetimes,
}

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The folder holds keys already.
    #[error("{}: there are keys already; a new feed needs another folder, a new key `rotate`", .0.display())]
    Exists(PathBuf),
    /// No feed was set up here.
    #[error("{}: there is no root (N.root.json): create the keys first", .0.display())]
    NoRoot(PathBuf),
    /// The newest root names a key that is not in the folder.
    #[error("{}: the key for {role} ({public}) that the root names is not here", folder.display())]
    Missing {
        /// Where it was looked for.
        folder: PathBuf,
        /// Whose.
        role: String,
        /// Its public half.
        public: String,
    },
    /// Wrong, or the file was altered.
    #[error("{}: the passphrase does not open it, or it was altered", .0.display())]
    Passphrase(PathBuf),
    /// A file that is not what it should be.
    #[error("{}: {what}", path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The plan cannot be followed.
    #[error("{0}")]
    Plan(&'static str),
    /// Too few root keys are at hand.
    #[error("a new root needs {threshold} signatures of the old one's keys; only {found} of them are here")]
    Threshold {
        /// Root keys that were opened.
        found: usize,
        /// Root keys needed.
        threshold: usize,
    },
    /// The file system refused.
    #[error(transparent)]
    File(#[from] FileError),
    /// No randomness.
    #[error("keys need randomness")]
    Random(#[source] io::Error),
}

impl Keys {
    /// Makes the keys of a new feed and its first root, valid from `now` (seconds since 1970).
    ///
    /// # Errors
    ///
    /// [`KeyError::Exists`], [`KeyError::Plan`], [`KeyError::File`], [`KeyError::Random`].
    pub fn create(
        folder: &Path,
        passphrase: &Secret,
        plan: &Plan,
        random: Random<'_>,
        now: u64,
    ) -> Result<Self, KeyError> {
        if plan.root_threshold == 0 || plan.root_threshold > plan.root_keys || plan.root_keys > 16 {
            return Err(KeyError::Plan("of 1 to 16 root keys at least one and at most all must sign"));
        }
        if passphrase.bytes().is_empty() {
            return Err(KeyError::Plan("the passphrase is empty: the keys would lie open"));
        }
        if !note::is_name(&plan.name) {
            return Err(KeyError::Plan(
                "a feed's name has 1 to 200 characters, no blanks, no control characters and no +",
            ));
        }
        fs::create_dir_all(folder).map_err(FileError::of(folder, "make the folder"))?;
        if !Folder::read(folder)?.is_empty() {
            return Err(KeyError::Exists(folder.to_owned()));
        }
        let mut maker = Maker::new(folder, passphrase, plan.cost, random)?;
        let root: Vec<_> = (0..plan.root_keys).map(|_| maker.make("root")).collect::<Result<_, _>>()?;
        let mut online = |role: RoleName| maker.make(role.name()).map(|key| (role, vec![key]));
        let mut by_role: BTreeMap<_, _> =
            [online(RoleName::Targets)?, online(RoleName::Snapshot)?, online(RoleName::Timestamp)?].into();
        let (log, minisign) = (maker.make("log")?, maker.make("minisign")?);
        let own = OwnKeys {
            log: VerifierKey::of_log(&plan.name, log.public()).to_string(),
            minisign: minisign::public_key(&minisign.public()),
        };
        let signers: Vec<_> = root.iter().map(SigningKey::public).collect();
        let mut parts: BTreeMap<RoleName, (Vec<PublicKey>, usize)> =
            by_role.iter().map(|(role, keys)| (*role, (keys.iter().map(SigningKey::public).collect(), 1))).collect();
        parts.insert(RoleName::Root, (signers, plan.root_threshold));
        let file = write_root(1, now + ROOT_SECONDS, &parts, &own, &root);
        files::write(&folder.join("1.root.json"), &file)?;
        let mut take = |role: RoleName| by_role.get_mut(&role).and_then(Vec::pop);
        match (take(RoleName::Targets), take(RoleName::Snapshot), take(RoleName::Timestamp)) {
            (Some(targets), Some(snapshot), Some(timestamp)) => Ok(Self {
                targets,
                snapshot,
                timestamp,
                log,
                minisign,
                roots: vec![(1, file)],
                own,
                origin: plan.name.clone(),
                lifetimes: Lifetimes::default(),
            }),
            _ => Err(KeyError::NoRoot(folder.to_owned())),
        }
    }

    /// Opens the keys that publish; the root's may be elsewhere.
    ///
    /// # Errors
    ///
    /// [`KeyError::NoRoot`], [`KeyError::Missing`], [`KeyError::Passphrase`], [`KeyError::Damaged`], [`KeyError::File`].
    pub fn open(folder: &Path, passphrase: &Secret) -> Result<Self, KeyError> {
        let held = Folder::read(folder)?;
        let (roots, newest) = held.newest_root(folder)?;
        let mut stretched = Stretched::default();
        let mut open = |role: &str, public: Option<PublicKey>| {
            let missing =
                |public: String| KeyError::Missing { folder: folder.to_owned(), role: role.to_owned(), public };
            let public = public.ok_or_else(|| missing("none".to_owned()))?;
            let found = held.open(role, &public, passphrase, &mut stretched)?;
            found.ok_or_else(|| missing(format!("{public:?}")))
        };
        let online = |role: RoleName| {
            let ids = newest.roles.get(role.name()).map(|keys| keys.keyids.iter()).into_iter().flatten();
            ids.filter_map(|id| newest.keys.get(id).copied()).next()
        };
        let log: Option<VerifierKey> = newest.own.log.parse().ok();
        Ok(Self {
            targets: open("targets", online(RoleName::Targets))?,
            snapshot: open("snapshot", online(RoleName::Snapshot))?,
            timestamp: open("timestamp", online(RoleName::Timestamp))?,
            log: open("log", log.as_ref().map(|log| log.key))?,
            minisign: open("minisign", minisign::parse_public_key(&newest.own.minisign).map(|(_, key)| key))?,
            roots,
            origin: log.map(|log| log.name).unwrap_or_default(),
            own: newest.own,
            lifetimes: Lifetimes::default(),
        })
    }

    /// The log's verifier key, as C2SP signed-note writes it.
    #[must_use]
    pub fn log_key(&self) -> &str {
        &self.own.log
    }

    /// The minisign public key: a line for `minisign -P`.
    #[must_use]
    pub fn minisign_key(&self) -> &str {
        &self.own.minisign
    }

    /// The feed's name, and its log's origin.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The first root: what a client is given by hand, or its SHA-256.
    #[must_use]
    pub fn first_root(&self) -> &[u8] {
        self.roots.first().map_or(&[], |(_, bytes)| bytes.as_slice())
    }
}

/// Signs the next root: with new keys for `roles` (of `root`, `targets`, `snapshot`, `timestamp`, `log`, `minisign`), or only for another
/// year if there are none. Root keys are looked for in `folder` and `root_keys`. The replaced key files are removed last.
/// Returns the new root's version.
///
/// # Errors
///
/// As [`Keys::open`], and [`KeyError::Threshold`].
pub fn rotate(
    folder: &Path,
    root_keys: &Path,
    passphrase: &Secret,
    roles: &[&str],
    random: Random<'_>,
    now: u64,
) -> Result<u64, KeyError> {
    const KNOWN: [&str; 6] = ["root", "targets", "snapshot", "timestamp", "log", "minisign"];
    if roles.iter().any(|role| !KNOWN.contains(role)) {
        return Err(KeyError::Plan("keys are there for root, targets, snapshot, timestamp, log and minisign"));
    }
    let (held, away) = (Folder::read(folder)?, Folder::read(root_keys)?);
    let (_, old) = held.newest_root(folder)?;
    let root_role = old.roles.get("root").ok_or_else(|| KeyError::NoRoot(folder.to_owned()))?;
    let mut stretched = Stretched::default();
    let mut signers = Vec::new();
    for public in root_role.keyids.iter().filter_map(|id| old.keys.get(id)) {
        for place in [&held, &away] {
            if let Some(key) = place.open("root", public, passphrase, &mut stretched)? {
                signers.push(key);
                break;
            }
        }
    }
    if signers.len() < root_role.threshold {
        return Err(KeyError::Threshold { found: signers.len(), threshold: root_role.threshold });
    }
    let mut maker = Maker::new(folder, passphrase, Cost::default(), random)?;
    let mut own = old.own.clone();
    let mut parts = BTreeMap::new();
    for role in RoleName::ALL {
        let Some(keys) = old.roles.get(role.name()) else { continue };
        let mut publics: Vec<_> = keys.keyids.iter().filter_map(|id| old.keys.get(id).copied()).collect();
        if roles.contains(&role.name()) {
            let fresh: Vec<_> = publics.iter().map(|_| maker.make(role.name())).collect::<Result<_, _>>()?;
            publics = fresh.iter().map(SigningKey::public).collect();
            if role == RoleName::Root {
                signers.extend(fresh);
            }
        }
        parts.insert(role, (publics, keys.threshold));
    }
    if roles.contains(&"log")
        && let Ok(log) = own.log.parse::<VerifierKey>()
    {
        own.log = VerifierKey::of_log(&log.name, maker.make("log")?.public()).to_string();
    }
    if roles.contains(&"minisign") {
        own.minisign = minisign::public_key(&maker.make("minisign")?.public());
    }
    let version = old.version() + 1;
    files::write(
        &folder.join(format!("{version}.root.json")),
        &write_root(version, now + ROOT_SECONDS, &parts, &own, &signers),
    )?;
    for (path, _) in held.keys.iter().filter(|(_, key)| roles.contains(&key.role.as_str())) {
        fs::remove_file(path).map_err(FileError::of(path, "remove the replaced key"))?;
    }
    Ok(version)
}

fn write_root(
    version: u64,
    expires: u64,
    parts: &BTreeMap<RoleName, (Vec<PublicKey>, usize)>,
    own: &OwnKeys,
    signers: &[SigningKey],
) -> Vec<u8> {
    let mut signed = head(RoleName::Root, version, expires);
    let keys: BTreeMap<_, _> = parts.values().flat_map(|(keys, _)| keys).map(|key| (key.id(), key.tuf())).collect();
    let roles: BTreeMap<_, _> = parts
        .iter()
        .map(|(role, (keys, threshold))| {
            (role.name(), RoleKeys { keyids: keys.iter().map(PublicKey::id).collect(), threshold: *threshold })
        })
        .collect();
    signed["consistent_snapshot"] = json!(true);
    signed["keys"] = json!(keys);
    signed["roles"] = json!(roles);
    signed["x-lazaret"] = json!(own);
    sign(&signed, signers)
}

/// Makes keys and their files.
struct Maker<'a> {
    folder: &'a Path,
    passphrase: &'a Secret,
    cost: Cost,
    salt: [u8; 16],
    stretched: Stretched,
    random: Random<'a>,
}

impl<'a> Maker<'a> {
    fn new(folder: &'a Path, passphrase: &'a Secret, cost: Cost, random: Random<'a>) -> Result<Self, KeyError> {
        let mut salt = [0; 16];
        random(&mut salt).map_err(KeyError::Random)?;
        Ok(Self { folder, passphrase, cost, salt, stretched: Stretched::default(), random })
    }

    fn make(&mut self, role: &str) -> Result<SigningKey, KeyError> {
        let mut seed = Zeroizing::new([0; 32]);
        (self.random)(seed.as_mut_slice()).map_err(KeyError::Random)?;
        let key = SigningKey::from_seed(seed).ok_or(KeyError::Plan("no key could be made of the randomness"))?;
        let cost = (self.salt.as_slice(), self.cost);
        let sealed = Sealed::seal(role, &key, self.passphrase, cost, &mut self.stretched, &mut *self.random)
            .map_err(KeyError::Random)?;
        let short: String = format!("{:?}", key.public()).chars().take(8).collect();
        let path = self.folder.join(format!("{role}-{short}.key"));
        let text = serde_json::to_string_pretty(&sealed).unwrap_or_default() + "\n";
        let write = || {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()
        };
        write().map_err(FileError::of(&path, "write the key"))?;
        Ok(key)
    }
}

/// The key files and roots of a folder.
struct Folder {
    keys: Vec<(PathBuf, Sealed)>,
    roots: Vec<u64>,
}

impl Folder {
    fn read(folder: &Path) -> Result<Self, KeyError> {
        let mut held = Self { keys: Vec::new(), roots: Vec::new() };
        for item in fs::read_dir(folder).map_err(FileError::of(folder, "list"))?.take(FILES_MAX) {
            let path = item.map_err(FileError::of(folder, "list"))?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if let Some(version) = name.strip_suffix(".root.json").and_then(|version| version.parse().ok()) {
                held.roots.push(version);
            } else if name.ends_with(".key") {
                let bytes = files::read(&path, FILE_BYTES_MAX)?.unwrap_or_default();
                let sealed = serde_json::from_slice(&bytes);
                let sealed =
                    sealed.map_err(|error| KeyError::Damaged { path: path.clone(), what: error.to_string() })?;
                held.keys.push((path, sealed));
            }
        }
        held.keys.sort_by(|(one, _), (other, _)| one.cmp(other));
        held.roots.sort_unstable();
        Ok(held)
    }

    fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.roots.is_empty()
    }

    /// Every root, and the newest one read. These are our own files: their signatures are the clients' business.
    fn newest_root(&self, folder: &Path) -> Result<(Roots, Root), KeyError> {
        let mut roots = Vec::new();
        for version in &self.roots {
            let path = folder.join(format!("{version}.root.json"));
            roots.push((*version, files::read(&path, FILE_BYTES_MAX)?.unwrap_or_default()));
        }
        let (version, bytes) = roots.last().ok_or_else(|| KeyError::NoRoot(folder.to_owned()))?;
        let newest = Envelope::parse(bytes).and_then(|envelope| Root::open(&envelope));
        let path = folder.join(format!("{version}.root.json"));
        newest.map(|newest| (roots, newest)).map_err(|what| KeyError::Damaged { path, what })
    }

    fn open(
        &self,
        role: &str,
        public: &PublicKey,
        passphrase: &Secret,
        stretched: &mut Stretched,
    ) -> Result<Option<SigningKey>, KeyError> {
        let Some((path, sealed)) = self.keys.iter().find(|(_, key)| key.role == role && key.is(public)) else {
            return Ok(None);
        };
        sealed.open(passphrase, stretched).map(Some).map_err(|closed| match closed {
            Closed::Passphrase => KeyError::Passphrase(path.clone()),
            Closed::Damaged(what) => KeyError::Damaged { path: path.clone(), what: what.to_owned() },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_764_000_000;

    fn plan() -> Plan {
        Plan { cost: Cost { memory_kib: 64, passes: 1 }, ..Plan::new("feed.test/images") }
    }

    /// Not random at all: keys made in tests are the same every time.
    fn counting() -> impl FnMut(&mut [u8]) -> io::Result<()> {
        let mut next = 0_u8;
        move |bytes| {
            next = next.wrapping_add(1);
            bytes.fill(next);
            Ok(())
        }
    }

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    #[test]
    fn keys_come_back_only_with_the_passphrase_and_without_the_root() {
        let folder = tempfile::tempdir().expect("a folder");
        let made = Keys::create(folder.path(), &secret("right"), &plan(), &mut counting(), NOW).expect("keys");
        let names = fs::read_dir(folder.path()).expect("lists").map(|item| item.expect("one").path());
        let (root, others): (Vec<_>, Vec<_>) =
            names.partition(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("root-")));
        assert_eq!((root.len(), others.len()), (3, 6));
        root.iter().for_each(|path| fs::remove_file(path).expect("removes"));

        let opened = Keys::open(folder.path(), &secret("right")).expect("opens");
        assert_eq!(opened.targets.public(), made.targets.public());
        assert_eq!((opened.log_key(), opened.origin()), (made.log_key(), "feed.test/images"));
        assert!(matches!(Keys::open(folder.path(), &secret("wrong")), Err(KeyError::Passphrase(_))));
        let again = Keys::create(folder.path(), &secret("right"), &plan(), &mut counting(), NOW);
        assert!(matches!(again, Err(KeyError::Exists(_))), "never over another feed's keys");
        let none = rotate(folder.path(), folder.path(), &secret("right"), &["targets"], &mut counting(), NOW);
        assert!(matches!(none, Err(KeyError::Threshold { found: 0, threshold: 2 })), "{none:?}");
    }

    #[test]
    fn key_files_are_for_their_owner_alone() {
        use std::os::unix::fs::MetadataExt as _;
        let folder = tempfile::tempdir().expect("a folder");
        Keys::create(folder.path(), &secret("right"), &plan(), &mut counting(), NOW).expect("keys");
        for item in fs::read_dir(folder.path()).expect("lists") {
            let path = item.expect("one").path();
            let mode = fs::metadata(&path).expect("is there").mode() & 0o777;
            assert!(mode == 0o600 || path.extension().is_some_and(|end| end == "json"), "{}: {mode:o}", path.display());
        }
    }

    #[test]
    fn a_rotation_changes_the_keys_it_names_and_no_other() {
        let folder = tempfile::tempdir().expect("a folder");
        let before = Keys::create(folder.path(), &secret("right"), &plan(), &mut counting(), NOW).expect("keys");
        let mut other = counting();
        (0..100).for_each(|_| other(&mut [0]).expect("counts"));
        let roles = ["root", "timestamp", "log"];
        let version = rotate(folder.path(), folder.path(), &secret("right"), &roles, &mut other, NOW).expect("rotates");
        let after = Keys::open(folder.path(), &secret("right")).expect("opens");
        assert_eq!((version, after.roots.len()), (2, 2));
        assert_eq!(after.targets.public(), before.targets.public());
        assert_ne!(after.timestamp.public(), before.timestamp.public());
        assert_ne!(after.log_key(), before.log_key());
        assert_eq!(after.origin(), before.origin());
        let next = rotate(folder.path(), folder.path(), &secret("right"), &[], &mut other, NOW);
        assert_eq!(next.expect("the new root keys sign"), 3);
    }

    #[test]
    fn a_plan_that_protects_nothing_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let refused = |plan: &Plan, passphrase: &str| {
            let made = Keys::create(folder.path(), &secret(passphrase), plan, &mut counting(), NOW);
            assert!(matches!(made, Err(KeyError::Plan(_))), "{made:?}");
        };
        refused(&plan(), "");
        refused(&Plan { root_threshold: 4, ..plan() }, "right");
        refused(&Plan { name: "two words".to_owned(), ..plan() }, "right");
    }
}
