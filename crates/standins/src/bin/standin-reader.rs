//! Imitates a credential stealer: opens the files that one looks for.
//!
//! `standin-reader --root FOLDER`
//!
//! Never: what it reads is only counted. No byte of it is printed, kept or sent, and it opens no socket. It looks under the
//! folder it is given and nowhere else, and reads at most 1 MiB of a file. It ends by itself.

use std::{
    fs::File,
    hint::black_box,
    io::{self, Read},
    path::Path,
    process::ExitCode,
};

use standins::{Arguments, begin};

/// Where credentials are, relative to a root.
const PLACES: [&str; 14] = [
    "root/.aws/credentials",
    "root/.ssh/id_rsa",
    "root/.ssh/id_ed25519",
    "root/.docker/config.json",
    "root/.kube/config",
    "root/.netrc",
    "root/.git-credentials",
    "root/.npmrc",
    "root/.pypirc",
    "root/.config/gcloud/credentials.db",
    "root/.azure/accessTokens.json",
    "root/.bash_history",
    "etc/shadow",
    "var/run/secrets/kubernetes.io/serviceaccount/token",
];
/// What else strings(1) finds in a stealer. Kept in the binary by [`main`].
const WORDS: [&str; 4] =
    ["AWS_SECRET_ACCESS_KEY", "latest/meta-data/iam/security-credentials/", "wallet.dat", "Login Data"];
const FILE_BYTES_MAX: u64 = 1 << 20;

fn main() -> ExitCode {
    black_box(WORDS);
    begin(count)
}

fn count(arguments: &Arguments) -> Result<String, String> {
    let root = Path::new(arguments.get("root")?);
    let sizes: Vec<u64> = PLACES
        .iter()
        .map(|place| root.join(place))
        .filter(|path| path.is_file())
        .filter_map(|path| File::open(path).ok())
        .filter_map(|file| io::copy(&mut file.take(FILE_BYTES_MAX), &mut io::sink()).ok())
        .collect();
    Ok(format!("{} files, {} bytes", sizes.len(), sizes.iter().sum::<u64>()))
}
