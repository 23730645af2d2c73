//! The witness's key: made the first time, sealed like the feed's.

use std::{fs::OpenOptions, io::Write as _, os::unix::fs::OpenOptionsExt as _, path::Path};

use zeroize::Zeroizing;

use crate::trust::{
    Cost, KeyError, Random, Secret,
    files::{self, FileError},
    key::SigningKey,
    sealed::{Closed, Sealed, Stretched},
};

/// Longest key file.
const FILE_BYTES_MAX: u64 = 1 << 16;
const ROLE: &str = "witness";

/// Opens `folder/witness.key`, or makes it.
///
/// # Errors
///
/// [`KeyError::Passphrase`], [`KeyError::Damaged`], [`KeyError::File`], [`KeyError::Random`], [`KeyError::Plan`] for an empty passphrase.
pub fn own_key(folder: &Path, passphrase: &Secret, random: Random<'_>) -> Result<SigningKey, KeyError> {
    let path = folder.join("witness.key");
    if let Some(bytes) = files::read(&path, FILE_BYTES_MAX)? {
        let damaged = |what: String| KeyError::Damaged { path: path.clone(), what };
        let sealed: Sealed = serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
        return sealed.open(passphrase, &mut Stretched::default()).map_err(|closed| match closed {
            Closed::Passphrase => KeyError::Passphrase(path.clone()),
            Closed::Damaged(what) => damaged(what.to_owned()),
        });
    }
    if passphrase.is_empty() {
        return Err(KeyError::Plan("the passphrase is empty: the key would lie open"));
    }
    let (mut seed, mut salt) = (Zeroizing::new([0; 32]), [0; 16]);
    random(seed.as_mut_slice()).and_then(|()| random(&mut salt)).map_err(KeyError::Random)?;
    let key = SigningKey::from_seed(seed).ok_or(KeyError::Plan("no key could be made of the randomness"))?;
    let cost = (salt.as_slice(), Cost::default());
    let sealed = Sealed::seal(ROLE, &key, passphrase, cost, &mut Stretched::default(), random);
    let text = serde_json::to_string_pretty(&sealed.map_err(KeyError::Random)?).unwrap_or_default() + "\n";
    std::fs::create_dir_all(folder).map_err(FileError::of(folder, "make the folder"))?;
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    write().map_err(FileError::of(&path, "write the key"))?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_witness_stays_who_it_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let secret = |text: &str| Secret::new(text.to_owned());
        let mut random = |bytes: &mut [u8]| {
            bytes.fill(7);
            Ok(())
        };
        let empty = own_key(folder.path(), &secret(""), &mut random);
        assert!(matches!(empty, Err(KeyError::Plan(_))), "{empty:?}");
        let made = own_key(folder.path(), &secret("right"), &mut random).expect("made");
        let opened = own_key(folder.path(), &secret("right"), &mut random).expect("opened");
        assert_eq!(made.public(), opened.public());
        let wrong = own_key(folder.path(), &secret("wrong"), &mut random);
        assert!(matches!(wrong, Err(KeyError::Passphrase(_))), "{wrong:?}");
    }
}
